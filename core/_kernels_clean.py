"""Compiled loops of core.clean; imported at the call, because numba is slow to import.

Conventions: time first, so that the inner loops run over adjacent memory. States are changed in
place and carried from block to block.
"""

from numba import njit
import numpy as np

# All of fastmath but its promise that no infinity comes up: exp() may overflow to one here.
_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


@njit(cache=True, nogil=True, fastmath=_MATH)
def lsa_gain(P, noise, speech, presence, floor, table, table_db, G):
    """Gains of the log-spectral amplitude estimator, frame by frame.

    Parameters
    ----------
    P : [shape=(t, d)], float32
        Noisy power.
    noise, speech, presence : [shape=(d,)], float64
        State: power of the noise, of the speech of the frame before, and smoothed probability of
        speech.
    floor : float
        Smallest gain.
    table : [shape=(k,)], float64
        exp(E1(v) / 2) over v in dB, evenly from ``table_db[0]`` to ``table_db[1]``.
    G : [shape=(t, d)], float32
        Receives the gains.
    """
    ratio = 10**1.5  # assumed SNR where speech is present: 15 dB
    slope = ratio / (1 + ratio)
    lowest = 10**-2.5  # smallest prior SNR: -25 dB
    low_db, step = table_db[0], (table.size - 1) / (table_db[1] - table_db[0])
    for t in range(P.shape[0]):
        for f in range(P.shape[1]):
            power = float(P[t, f])
            p = 1 / (1 + (1 + ratio) * np.exp(-min(power / noise[f] * slope, 60.0)))
            presence[f] = 0.9 * presence[f] + 0.1 * p
            if presence[f] > 0.99:
                p = min(p, 0.99)  # never stop tracking
            noise[f] = max(0.8 * noise[f] + 0.2 * (p * noise[f] + (1 - p) * power), 1e-16)
            posterior = min(power / noise[f], 1e4)
            prior = max(0.98 * speech[f] / noise[f] + 0.02 * max(posterior - 1, 0.0), lowest)
            wiener = prior / (1 + prior)
            at = (10 * np.log10(max(wiener * posterior, 1e-8)) - low_db) * step
            k = min(int(at), table.size - 2)
            gain = min(wiener * (table[k] + (at - k) * (table[k + 1] - table[k])), 1.0)
            speech[f] = gain * gain * power
            G[t, f] = max(gain, floor)


@njit(cache=True, nogil=True, fastmath=_MATH)
def smooth_both_ways(A, b, tail, S):
    """One-pole smoothing over time, forward then backward, as scipy's filtfilt([b], [1, b - 1]).

    Parameters
    ----------
    A : [shape=(t, d)], float32
        Magnitudes.
    b : float
        Coefficient of the filter.
    tail : float
        What zero frames behind the last one leave of its forward value in the backward pass.
    S : [shape=(t, d)], float32
        Receives the smoothed magnitudes.
    """
    a = 1 - b
    state = A[0].astype(np.float64)  # float64: with long time constants, rounding adds up
    for t in range(A.shape[0]):
        for f in range(A.shape[1]):
            state[f] = b * A[t, f] + a * state[f]
            S[t, f] = state[f]
    state *= tail
    for t in range(A.shape[0] - 1, -1, -1):
        for f in range(A.shape[1]):
            state[f] = b * S[t, f] + a * state[f]
            S[t, f] = state[f]


@njit(cache=True, nogil=True, fastmath=_MATH)
def sigmoid_mask(A, S, threshold, slope):
    """Turn ``S``, the smoothed magnitudes, into the mask of frames that rise above it."""
    for t in range(A.shape[0]):
        for f in range(A.shape[1]):
            s = float(S[t, f])
            above = (A[t, f] - s) / s if s > 0 else -1.0
            S[t, f] = 1 / (1 + np.exp((threshold - above) * slope))


@njit(cache=True, nogil=True, fastmath=_MATH)
def smooth_mask(mask, over_time, over_freq):
    """Convolve ``mask`` [shape=(t, d)] with two odd kernels in place; zero outside."""
    n_times, n_freqs = mask.shape
    nt, nf = over_time.size // 2, over_freq.size // 2
    rows = np.zeros((n_times, n_freqs), np.float32)
    padded = np.zeros(n_freqs + 2 * nf, np.float32)
    for t in range(n_times):
        padded[nf : nf + n_freqs] = mask[t]
        for k in range(over_freq.size):
            weight = over_freq[k]
            for f in range(n_freqs):
                rows[t, f] += weight * padded[f + k]
    mask[:] = 0
    for t in range(n_times):
        for k in range(max(0, nt - t), min(over_time.size, n_times + nt - t)):
            weight = over_time[k]
            for f in range(n_freqs):
                mask[t, f] += weight * rows[t + k - nt, f]

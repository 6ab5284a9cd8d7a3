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
    ratio = 10**0.7  # assumed SNR where speech is present: 7 dB keeps weak speech out of the noise
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
            noise[f] = max(noise[f] + 0.15 * (1 - p) * (power - noise[f]), 1e-16)
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


@njit(cache=True, nogil=True, fastmath=_MATH, error_model="numpy")
def sigmoid_mask(A, S, threshold, slope):
    """Turn ``S``, the smoothed magnitudes, into the mask of frames that rise above it."""
    for t in range(A.shape[0]):
        for f in range(A.shape[1]):
            # Where nothing sounds, S is 0 and so is A.
            above = A[t, f] / max(float(S[t, f]), 1e-300) - 1.0
            S[t, f] = np.float32(1) / (np.float32(1) + _exp((threshold - above) * slope))


@njit(error_model="numpy", fastmath=_MATH, inline="always")
def _exp(x):
    """Exponential of ``x`` in float32, to 3e-7 of its value, between -80 and 80; without a call."""
    x = min(max(x, -80.0), 80.0) * 1.4426950408889634
    whole = np.int32(x + 200.5) - np.int32(200)  # rounds: truncates what is above 0
    r = np.float32(x - whole)  # of 2 to the r, r within a half, a polynomial
    y = np.float32(1.5403530e-4)
    y = y * r + np.float32(1.3333558e-3)
    y = y * r + np.float32(9.6181291e-3)
    y = y * r + np.float32(5.5504109e-2)
    y = y * r + np.float32(2.4022651e-1)
    y = y * r + np.float32(6.9314718e-1)
    y = y * r + np.float32(1)
    return y * np.int32((whole + 127) * 8388608).view(np.float32)


@njit(cache=True, nogil=True, fastmath=_MATH)
def smooth_mask(mask, over_time, over_freq):
    """Convolve ``mask`` [shape=(t, d)] with two odd kernels in place; zero outside."""
    n_times, n_freqs = mask.shape
    nt, nf = over_time.size // 2, over_freq.size // 2
    weights = np.zeros((over_freq.size + 3) // 4 * 4, np.float32)  # four at a time
    weights[: over_freq.size] = over_freq
    rows = np.zeros((n_times, n_freqs), np.float32)
    padded = np.zeros(n_freqs + weights.size, np.float32)
    for t in range(n_times):
        padded[nf : nf + n_freqs] = mask[t]
        row = rows[t]
        for k in range(0, weights.size, 4):
            w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            x0, x1, x2, x3 = padded[k:], padded[k + 1 :], padded[k + 2 :], padded[k + 3 :]
            for f in range(n_freqs):
                row[f] += w0 * x0[f] + w1 * x1[f] + (w2 * x2[f] + w3 * x3[f])
    mask[:] = 0
    for t in range(n_times):
        for k in range(max(0, nt - t), min(over_time.size, n_times + nt - t)):
            weight = over_time[k]
            for f in range(n_freqs):
                mask[t, f] += weight * rows[t + k - nt, f]

"""Compiled loops of core.segments; imported at the call, because numba is slow to import.

Conventions: one row per frame; receivers are filled in place.
"""

from numba import njit
import numpy as np

# All of fastmath but its promise that neither NaN nor infinity comes up.
_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


@njit(cache=True, nogil=True, fastmath=_MATH)
def power_mel(D, weights, bounds, start, every, row, S, S_mel):
    """Mel power of a block of a transform, and the power of some of its frames.

    Parameters
    ----------
    D : [shape=(t, d)], complex64
    weights : [shape=(k,)], float32
        The mel filters' weights without their zeros, band after band.
    bounds : [shape=(n_mels, 2)], int64
        First bin of each band, and the one after its last.
    start : int
        Number of the block's first frame.
    every : int
        Power is kept of frames whose number is a multiple of it; 0 keeps none.
    row : [shape=(d,)], float32
        Scratch.
    S : [shape=(frames, d)], float32
        Receives the power kept.
    S_mel : [shape=(frames, n_mels)], float32
        Receives the mel power.
    """
    for t in range(D.shape[0]):
        pairs = D[t].view(np.float32)
        for f in range(row.size):
            row[f] = pairs[2 * f] * pairs[2 * f] + pairs[2 * f + 1] * pairs[2 * f + 1]
        frame = start + t
        if every and frame % every == 0:
            S[frame // every, :] = row
        at = 0
        for m in range(bounds.shape[0]):
            low, width = bounds[m, 0], bounds[m, 1] - bounds[m, 0]
            # Slices: an index that may be negative keeps a loop from becoming vector instructions.
            w, power, total = weights[at : at + width], row[low : low + width], np.float32(0)
            for i in range(w.size):
                total += w[i] * power[i]
            S_mel[frame, m] = total
            at += width


@njit(cache=True, nogil=True, fastmath=_MATH)
def rises(S_db, floor, env):
    """Fill ``env[t]`` with the mean over bands of the rise from frame t to the next.

    Levels ``S_db`` [shape=(t + 1, d)] below ``floor`` count as ``floor``.
    """
    n_bands = S_db.shape[1]
    for t in range(env.size):
        total = np.float32(0)
        for m in range(n_bands):
            rise = max(S_db[t + 1, m], floor) - max(S_db[t, m], floor)
            total += max(rise, np.float32(0))
        env[t] = total / np.float32(n_bands)


@njit(cache=True, nogil=True)
def peak_pick(x, before, average, delta, wait, peaks):
    """Peaks of an onset envelope, as ``librosa.util.peak_pick``; returns how many.

    Parameters
    ----------
    x : [shape=(t,)], float32
        Envelope between 0 and 1.
    before : int
        A peak is the maximum of this many frames before it.
    average : int
        Frames on either side of a peak whose mean it has to exceed by ``delta``.
    wait : int
        Frames to pass over after a peak.
    peaks : [shape=(t,)], int64
        Receives the peaks' frames.
    """
    found, t = 0, 0
    while t < x.size:
        # As there, nothing is before the first frame, which is compared with what follows.
        top = np.max(x[max(0, t - before) : t + 1])
        if x[t] == top:
            mean = np.mean(x[max(0, t - average) : min(t + average + 1, x.size)])
            if x[t] >= mean + delta:
                peaks[found] = t
                found += 1
                t += wait
        t += 1
    return found


@njit(cache=True, nogil=True, fastmath=_MATH)
def band_energy(y, filters, step, energy):
    """Energy of a filtered signal in steps of ``step`` samples.

    Parameters
    ----------
    y : [shape=(n,)], float32
    filters : [shape=(k, 5)], float64
        Second-order sections in turn: b0 b1 b2 a1 a2.
    step : int
    energy : [shape=(n // step,)], float64
        Receives the sums of squares.
    """
    n_filters = filters.shape[0]
    state = np.zeros((n_filters, 2))
    for k in range(energy.size):
        total = 0.0
        for i in range(k * step, (k + 1) * step):
            x = float(y[i])
            for s in range(n_filters):
                out = filters[s, 0] * x + state[s, 0]
                state[s, 0] = filters[s, 1] * x - filters[s, 3] * out + state[s, 1]
                state[s, 1] = filters[s, 2] * x - filters[s, 4] * out
                x = out
            total += x * x
        energy[k] = total

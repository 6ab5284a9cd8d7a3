"""Compiled loops of core.quality; imported at the call, because numba is slow to import.

Conventions: receivers are filled in place; a cell is 1 ms, its bounds rounded down to samples.
"""

from numba import njit
import numpy as np

_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}  # fastmath that still knows NaN and infinity
_HALF = 12  # taps on either side of the interpolation between samples


@njit(cache=True, nogil=True)
def tally(y, first, tolerance, min_run, state, counts, runs, histogram):
    """Extremes, sums and amplitudes of one channel, and the runs of samples that stay at a rail.

    Parameters
    ----------
    y : [shape=(n,)], float32
    first : int
        Number of the first sample in the recording.
    tolerance : float
        A sample this near to the extreme is at the rail.
    min_run : int
        Samples of a run that counts.
    state : [shape=(4,)], float64
        Largest and -smallest sample so far, sum, sum of squares.
    counts : [shape=(2, 3)], int64
        For the upper and the lower rail: samples in runs, length of the run that is going on, runs.
    runs : [shape=(2, k, 2)], int64
        Receives the first runs of either rail: first sample, and the one after the last.
    histogram : [shape=(2, bins)], int32
        Samples by magnitude up to 2, of either sign.
    """
    bins = histogram.shape[1]
    scale = bins / 2.0
    for i in range(y.size):
        v = float(y[i])
        state[2] += v
        state[3] += v * v
        side = 0 if v >= 0 else 1
        a = abs(v)
        histogram[side, min(bins - 1, int(a * scale))] += 1
        for s in range(2):
            x = v if s == 0 else -v
            if x < state[s] - tolerance:
                if counts[s, 1]:
                    _end(s, first + i, min_run, counts, runs)
                continue
            if x > state[s] + tolerance:
                counts[s, :] = 0
            if x > state[s]:
                state[s] = x
            counts[s, 1] += 1


@njit(cache=True, nogil=True)
def _end(s, at, min_run, counts, runs):
    length = counts[s, 1]
    if length >= min_run:
        if counts[s, 2] < runs.shape[1]:
            runs[s, counts[s, 2], 0] = at - length
            runs[s, counts[s, 2], 1] = at
        counts[s, 0] += length
        counts[s, 2] += 1
    counts[s, 1] = 0


@njit(cache=True, nogil=True)
def end_runs(at, min_run, counts, runs):
    """Count the runs that last to the end of the recording, sample ``at``."""
    for s in range(2):
        _end(s, at, min_run, counts, runs)


@njit(cache=True, nogil=True, fastmath=_MATH)
def cells(y, sr, dc, filters, smoothing, wide, band, high, steep, envelope):
    """Energies in three bands and the P.56 envelope, for each whole cell.

    Parameters
    ----------
    y : [shape=(n,)], float32
    sr : int
    dc : float
        Taken off first.
    filters : [shape=(4, 5)], float64
        b0 b1 b2 a1 a2: the wide band's high-pass, the band's high-pass and low-pass, the high
        band's high-pass.
    smoothing : float
        Coefficient of each of the envelope's two poles.
    wide, band, high, steep : [shape=(t,)], float64
        Receive sums of squares; ``steep`` that of differences from sample to sample, which do not
        ring on as filters do.
    envelope : [shape=(t,)], float64
        Receives its value at the cell's end.
    """
    w0, w1, w2, w3, w4 = filters[0]
    b0, b1, b2, b3, b4 = filters[1]
    c0, c1, c2, c3, c4 = filters[2]
    h0, h1, h2, h3, h4 = filters[3]
    last = 0.0
    p1 = p2 = q1 = q2 = r1 = r2 = s1 = s2 = slow = slower = 0.0
    for k in range(wide.size):
        sum_wide = sum_band = sum_high = sum_steep = 0.0
        for i in range(k * sr // 1000, (k + 1) * sr // 1000):
            x = float(y[i]) - dc + 1e-30  # keeps the states of a silent signal out of denormals
            sum_steep += (x - last) * (x - last)
            last = x
            v = w0 * x + p1
            p1 = w1 * x - w3 * v + p2
            p2 = w2 * x - w4 * v
            sum_wide += v * v
            u = b0 * x + q1
            q1 = b1 * x - b3 * u + q2
            q2 = b2 * x - b4 * u
            v = c0 * u + r1
            r1 = c1 * u - c3 * v + r2
            r2 = c2 * u - c4 * v
            sum_band += v * v
            v = h0 * x + s1
            s1 = h1 * x - h3 * v + s2
            s2 = h2 * x - h4 * v
            sum_high += v * v
            slow += smoothing * (abs(x) - slow)
            slower += smoothing * (slow - slower)
        wide[k], band[k], high[k], envelope[k] = sum_wide, sum_band, sum_high, slower
        steep[k] = sum_steep


@njit(cache=True, nogil=True)
def active_cells(envelope, thresholds, hang, skip, counts):
    """Add to ``counts`` [shape=(k,)] the cells above each threshold or less than ``hang`` after.

    The first ``skip`` cells only prepare the others.
    """
    for j in range(thresholds.size):
        last = -hang - 1
        for i in range(envelope.size):
            if envelope[i] >= thresholds[j]:
                last = i
            if i >= skip and i - last <= hang:
                counts[j] += 1


@njit(cache=True, nogil=True, fastmath=_MATH)
def decimate(y, taps, factor, out):
    """Every ``factor``-th sample behind a FIR filter of ``taps``; zeros outside ``y``."""
    half = taps.size // 2
    for t in range(out.size):
        start = t * factor - half
        low, high = max(0, -start), min(taps.size, y.size - start)
        total = np.float32(0)
        for i in range(low, high):
            total += taps[i] * y[start + i]
        out[t] = total


@njit(cache=True, nogil=True, fastmath=_MATH)
def true_peak(y, taps, least):
    """Largest magnitude of ``y`` and of three points between each two samples.

    Only looked for around samples of at least ``least``; ``taps`` [shape=(3, 24)], float32.
    """
    peak = 0.0
    for i in range(_HALF, y.size - _HALF):
        if max(abs(y[i - 1]), abs(y[i])) < least:
            continue
        for phase in range(taps.shape[0]):
            total = np.float32(0)
            for k in range(2 * _HALF):
                total += taps[phase, k] * y[i - _HALF + k]
            peak = max(peak, abs(total))
    return peak


@njit(cache=True, nogil=True)
def spreads(level, near, far, before, after):
    """Largest level in the cells from ``far`` to ``near`` before and after each cell."""
    n = level.size
    for t in range(n):
        most = -400.0
        for i in range(max(0, t - far), max(0, t - near + 1)):
            most = max(most, level[i])
        before[t] = most
        most = -400.0
        for i in range(min(n, t + near), min(n, t + far + 1)):
            most = max(most, level[i])
        after[t] = most

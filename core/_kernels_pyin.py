"""Compiled loops of pyin's candidates; imported at the call, because numba is slow to import.

Conventions: ``WIDTH`` frames are one row of 2 ``LANES``, so that loops over a row are vector
instructions: the first half holds real parts, the second half imaginary parts, or other frames.
Nothing is kept between calls; receivers are filled in place.
"""

import math

from numba import njit
import numpy as np

# All of fastmath but its promise that neither NaN nor infinity comes up.
_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
_TINY = 2.2250738585072014e-308
_SMALL = np.float32(1e-38)  # no division by 0
_RANKS = 20  # troughs that share a threshold: what is behind has less than 1e-17 of it
LANES = 32
WIDTH = 2 * LANES  # frames done at once
UNDERFLOW = 1e-46  # energy of a frame that single precision takes for silence


@njit(cache=True, nogil=True, fastmath=_MATH)
def pyin_difference(y, firsts, frame_length, periods, tables, work, d, levels):
    """YIN's cumulative mean normalised difference of ``WIDTH`` frames at once.

    Two frames are the real and the imaginary part of one signal, whose autocorrelation is had by
    transforms of half the padded length, for the even and the odd frequencies.

    Parameters
    ----------
    y : [shape=(n,)], float32
        Signal, with what the frames need before and behind.
    firsts : [shape=(WIDTH,)], int64
        First samples of the frames.
    frame_length : int
    periods : tuple
        Shortest and longest period, samples.
    tables : tuple
        Cosine and negative sine over 2 m steps of a turn, each (2 m,), and where the mirrored even
        and odd frequencies stand after ``_spectrum``, each (m,); m is ``work.shape[1]``.
    work : [shape=(3, m, WIDTH)], float32
        Overwritten.
    d : [shape=(periods[1] - periods[0] + 1, WIDTH)], float32
        Receives the differences.
    levels : [shape=(WIDTH,)], float64
        Receives the energies of the frames.
    """
    cos, sin, mirror_even, mirror_odd = tables
    x, even, odd = work[0], work[1], work[2]
    m = x.shape[0]
    _load(y, firsts, frame_length, x, levels)
    even[:] = x
    for n in range(m):
        _turned(x, n, cos[n], sin[n], odd)
    _spectrum(even, cos, sin)
    _spectrum(odd, cos, sin)
    _powers(even, mirror_even)
    _powers(odd, mirror_odd)
    _signal(even, cos, sin)
    _signal(odd, cos, sin)
    shortest, longest = periods
    zero, energy, run = even[0] + odd[0], np.zeros(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
    for lag in range(1, longest + 1):  # a loop over more arrays becomes no vector instructions
        _turned(odd, lag, cos[lag], sin[lag], odd)
        share = np.float32(0 if lag == 1 else 1)  # librosa 0.11 leaves the energy out at lag 1
        for i in range(WIDTH):
            energy[i] += x[lag - 1, i] * x[lag - 1, i]
        for i in range(WIDTH):
            odd[lag, i] = 2 * (zero[i] - even[lag, i] - odd[lag, i]) - share * energy[i]
        row, of = max(lag - shortest, 0), np.float32(lag)
        for i in range(WIDTH):
            run[i] += odd[lag, i]
            d[row, i] = odd[lag, i] * of / (run[i] + _SMALL)


@njit(cache=True, nogil=True, fastmath=_MATH)
def _load(y, firsts, frame_length, x, levels):
    """Fill ``x`` with the frames at about equal energy, and ``levels`` with their energies.

    Of a pair in one transform, the rounding errors of the louder would drown the fainter.
    """
    levels[:] = 0
    for n in range(frame_length):
        for lane in range(WIDTH):
            x[n, lane] = y[firsts[lane] + n]
        for i in range(WIDTH):
            levels[i] += np.float64(x[n, i]) * x[n, i]
    gains = np.zeros(WIDTH, np.float32)
    for i in range(WIDTH):
        if levels[i] > UNDERFLOW:
            gains[i] = 2.0 ** -np.rint(0.5 * math.log2(levels[i]))  # a power of 2 rounds nothing
    for n in range(frame_length):
        for i in range(WIDTH):
            x[n, i] *= gains[i]
    x[frame_length:] = 0


@njit(cache=True, nogil=True, fastmath=_MATH)
def _turned(z, n, c, s, out):
    """Fill ``out[n]`` with ``z[n]`` times the complex number ``c + i s``."""
    for i in range(LANES):
        re, im = z[n, i], z[n, i + LANES]
        out[n, i], out[n, i + LANES] = re * c - im * s, re * s + im * c


@njit(cache=True, nogil=True, fastmath=_MATH)
def _spectrum(z, cos, sin):
    """Fourier transform in place, by decimation in frequency: it leaves them out of order."""
    quarter = z.shape[0] // 4
    _split(z, 0, 4 * quarter, cos, sin)
    for first in range(0, 4 * quarter, quarter):  # one after the other, to stay in the cache
        length = quarter
        while length > 2:
            for base in range(first, first + quarter, length):
                _split(z, base, length, cos, sin)
            length //= 4
        for base in range(first, first + quarter, 2):
            if length == 2:
                _sum_and_difference(z, base)


@njit(cache=True, nogil=True, fastmath=_MATH)
def _signal(z, cos, sin):
    """Fourier transform in place of frequencies in the order ``_spectrum`` leaves them in."""
    quarter = z.shape[0] // 4
    odd_power = quarter & 0x2AAAAAAA != 0
    for first in range(0, 4 * quarter, quarter):
        for base in range(first, first + quarter, 2):
            if odd_power:
                _sum_and_difference(z, base)
        length = 8 if odd_power else 4
        while length <= quarter:
            for base in range(first, first + quarter, length):
                _join(z, base, length, cos, sin)
            length *= 4
    _join(z, 0, 4 * quarter, cos, sin)


@njit(cache=True, nogil=True, fastmath=_MATH)
def _sum_and_difference(z, a):
    """The stage of two rows."""
    for i in range(WIDTH):
        x, y = z[a, i], z[a + 1, i]
        z[a, i], z[a + 1, i] = x + y, x - y


@njit(cache=True, nogil=True, fastmath=_MATH)
def _split(z, base, length, cos, sin):
    """One stage: transforms of four rows, a quarter of ``length`` apart, then turned."""
    m, turn = length // 4, 2 * z.shape[0] // length
    for p in range(m):
        a = base + p
        b, c, d = a + m, a + 2 * m, a + 3 * m
        k = p * turn
        c1, s1, c2, s2, c3, s3 = cos[k], sin[k], cos[2 * k], sin[2 * k], cos[3 * k], sin[3 * k]
        for i in range(LANES):
            pr, pi, mr, mi = (
                z[a, i] + z[c, i],
                z[a, i + LANES] + z[c, i + LANES],
                z[a, i] - z[c, i],
                z[a, i + LANES] - z[c, i + LANES],
            )
            qr, qi, nr, ni = (
                z[b, i] + z[d, i],
                z[b, i + LANES] + z[d, i + LANES],
                z[b, i] - z[d, i],
                z[b, i + LANES] - z[d, i + LANES],
            )
            z[a, i], z[a, i + LANES] = pr + qr, pi + qi
            xr, xi = mr + ni, mi - nr
            z[b, i], z[b, i + LANES] = xr * c1 - xi * s1, xr * s1 + xi * c1
            xr, xi = pr - qr, pi - qi
            z[c, i], z[c, i + LANES] = xr * c2 - xi * s2, xr * s2 + xi * c2
            xr, xi = mr - ni, mi + nr
            z[d, i], z[d, i + LANES] = xr * c3 - xi * s3, xr * s3 + xi * c3


@njit(cache=True, nogil=True, fastmath=_MATH)
def _join(z, base, length, cos, sin):
    """One stage back: four rows turned, then transformed."""
    m, turn = length // 4, 2 * z.shape[0] // length
    for p in range(m):
        a = base + p
        b, c, d = a + m, a + 2 * m, a + 3 * m
        k = p * turn
        c1, s1, c2, s2, c3, s3 = cos[k], sin[k], cos[2 * k], sin[2 * k], cos[3 * k], sin[3 * k]
        for i in range(LANES):
            br, bi = z[b, i] * c1 - z[b, i + LANES] * s1, z[b, i] * s1 + z[b, i + LANES] * c1
            cr, ci = z[c, i] * c2 - z[c, i + LANES] * s2, z[c, i] * s2 + z[c, i + LANES] * c2
            dr, di = z[d, i] * c3 - z[d, i + LANES] * s3, z[d, i] * s3 + z[d, i + LANES] * c3
            pr, pi, mr, mi = z[a, i] + cr, z[a, i + LANES] + ci, z[a, i] - cr, z[a, i + LANES] - ci
            qr, qi, nr, ni = br + dr, bi + di, br - dr, bi - di
            z[a, i], z[a, i + LANES] = pr + qr, pi + qi
            z[b, i], z[b, i + LANES] = mr + ni, mi - nr
            z[c, i], z[c, i + LANES] = pr - qr, pi - qi
            z[d, i], z[d, i + LANES] = mr - ni, mi + nr


@njit(cache=True, nogil=True, fastmath=_MATH)
def _powers(z, mirror):
    """Power spectra of the real and the imaginary signals, in place, over the transform's size."""
    scale = np.float32(0.125 / z.shape[0])
    for p in range(z.shape[0]):
        if p <= mirror[p]:
            b = mirror[p]
            for i in range(LANES):
                ar, ai, br, bi = z[p, i], z[p, i + LANES], z[b, i], z[b, i + LANES]
                one = scale * ((ar + br) * (ar + br) + (ai - bi) * (ai - bi))
                two = scale * ((ai + bi) * (ai + bi) + (ar - br) * (ar - br))
                z[p, i], z[p, i + LANES], z[b, i], z[b, i + LANES] = one, two, one, two


@njit(cache=True, nogil=True)
def pyin_candidates(d, n_frames, beta_cum, bins_of, out):
    """Pitch candidates of each frame with their probabilities, as librosa.pyin.

    Left out are candidates so improbable that the unvoiced state of their bin is always better,
    whatever comes before and after: both may go to the same states, at most two changes of
    voicing dearer. Where voicing is certain all bins are given, for there the unvoiced states are
    as improbable as bins without a candidate.

    Parameters
    ----------
    d : [shape=(lags, WIDTH)], float32
        As ``pyin_difference`` fills it.
    n_frames : int
        Frames of ``d`` to use.
    beta_cum : [shape=(thresholds + 1,)], float64
        Cumulated prior of the thresholds.
    bins_of : tuple
        Sampling rate, shortest period in samples, fmin, bins in an octave, number of bins.
    out : tuple
        Receives the number of candidates (t,), the probability of voicing (t,), and one frame
        after the other the bins and the log probabilities of the candidates.

    Returns
    -------
    int
        Candidates of all the frames.
    """
    counts, voiced_prob, bins, log_probs = out
    n_bins = bins_of[4]
    troughs, n_troughs = _troughs(d)
    most = troughs.shape[1]
    level, probs = np.empty(most, np.int64), np.empty(most)
    found, found_probs = np.empty(most, np.int64), np.empty(most)
    shares = beta_cum < beta_cum[-1]  # a trough behind that level never gets a share
    first = 0
    for t in range(n_frames):
        n = n_troughs[t]
        at = troughs[t, :n]
        ranks = _RANKS
        while True:
            _trough_probs(d, t, at, beta_cum, ranks, level, probs)
            k, total = _in_bins(d, t, at, shares[level[:n]], probs, bins_of, found, found_probs)
            voiced_prob[t] = min(1.0, total)
            unvoiced = (1.0 - voiced_prob[t]) / n_bins
            if ranks == most or unvoiced > 1e-13:
                break
            ranks = most  # near certainty even the least share may count
        last = first
        if unvoiced == 0.0:
            last += n_bins
            for b in range(n_bins):
                bins[first + b], log_probs[first + b] = b, math.log(_TINY)
            for q in range(k):
                log_probs[first + found[q]] = math.log(found_probs[q] + _TINY)
        else:
            for q in range(k):
                if found_probs[q] > 5e-5 * unvoiced:  # 2 log(0.99 / 0.01) is 9.2
                    bins[last], log_probs[last] = found[q], math.log(found_probs[q])
                    last += 1
        counts[t] = last - first
        first = last
    return first


@njit(cache=True, nogil=True)
def _troughs(d):
    """The local minima of each frame, the ends included, and their numbers."""
    last = d.shape[0] - 1
    at, n = np.empty((WIDTH, last // 2 + 3), np.int64), np.zeros(WIDTH, np.int64)
    for lane in range(WIDTH):
        n[lane] = d[0, lane] < d[1, lane]
        at[lane, 0] = 0
    for i in range(1, last):
        for lane in range(WIDTH):
            at[lane, n[lane]] = i  # overwritten unless it is one: without a branch
            n[lane] += (d[i, lane] < d[i - 1, lane]) & (d[i, lane] <= d[i + 1, lane])
    for lane in range(WIDTH):
        at[lane, n[lane]] = last
        n[lane] += d[last, lane] < d[last - 1, lane]
    return at, n


@njit(cache=True, nogil=True, error_model="numpy")
def _trough_probs(d, t, troughs, beta_cum, ranks, level, probs):
    """Fill ``probs``: each threshold shares its prior among the troughs below it.

    The share falls from trough to trough by exp(-2): only the first ``ranks`` get one.
    """
    n_thresholds = beta_cum.size - 1
    heads = np.full(n_thresholds + 1, -1, np.int64)
    following = np.empty(troughs.size + 1, np.int64)
    lowest = 0
    for q in range(troughs.size):
        height = np.float64(d[troughs[q], t])
        if height < d[troughs[lowest], t]:
            lowest = q
        level[q] = _first_threshold(height, n_thresholds) if height < 1 else n_thresholds
        following[q] = heads[level[q]]
        heads[level[q]] = q
        probs[q] = 0.0
    if not troughs.size:
        return
    held, n = np.empty(ranks + 1, np.int64), 0
    fall = math.exp(-2.0)  # the Boltzmann parameter
    at = level[lowest]
    while at < n_thresholds:
        q = heads[at]
        while q >= 0:
            n = min(ranks, _insert(held, n, q))
            q = following[q]
        after = at + 1
        while after < n_thresholds and heads[after] < 0:
            after += 1
        share = (beta_cum[after] - beta_cum[at]) * (1 - fall) / (1 - math.exp(-2.0 * n))
        for r in range(n):
            probs[held[r]] += share
            share *= fall
        at = after
    probs[lowest] += 0.01 * beta_cum[level[lowest]]  # no trough below these thresholds


@njit(cache=True, nogil=True)
def _insert(held, n, q):
    """Put ``q`` among the first ``n`` of ``held``, which are sorted; how many there are then."""
    r = n
    while r > 0 and held[r - 1] > q:
        held[r] = held[r - 1]
        r -= 1
    held[r] = q
    return n + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _in_bins(d, t, troughs, shared, probs, bins_of, found, found_probs):
    """Fill bins and probabilities of the troughs that have one; their number, the sum.

    Of two troughs in a bin the later one counts, be its probability too small to be known here.
    """
    sr, shortest, fmin, per_octave, n_bins = bins_of
    n, total, before, previous = 0, 0.0, -1, -n_bins
    for q in range(troughs.size):
        at = troughs[q]
        if probs[q] == 0 and (not shared[q] or at - previous > 2 + 0.006 * (shortest + at)):
            continue
        b = int(np.rint(per_octave * math.log2(sr / (shortest + at + _shift(d, t, at)) / fmin)))
        b = max(0, b)
        if b == before:
            n, before = n - 1, -1
        if probs[q] > 0 and b < n_bins:
            found[n], found_probs[n] = b, probs[q]
            n, before, previous = n + 1, b, at
    for q in range(n):
        total += found_probs[q]
    return n, total


@njit(cache=True, nogil=True)
def _first_threshold(height, n):
    """How many of the thresholds 1/n, 2/n, ... 1 are not above ``height``."""
    j = min(max(math.floor(height * n), 0), n)
    while j > 0 and height < j / n:
        j -= 1
    while j < n and height >= (j + 1) / n:
        j += 1
    return j


@njit(cache=True, nogil=True, error_model="numpy")
def _shift(d, t, i):
    """Where the parabola through three points has its extremum, from ``i``."""
    if i == 0 or i == d.shape[0] - 1:
        return 0.0
    low, mid, high = np.float64(d[i - 1, t]), np.float64(d[i, t]), np.float64(d[i + 1, t])
    curve, slope = high + low - 2 * mid, (high - low) / 2
    return -slope / curve if abs(slope) < abs(curve) else 0.0

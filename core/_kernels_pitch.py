"""Compiled loops of core.pitch; imported at the call, because numba is slow to import.

Conventions: one row per frame. Nothing is kept between calls; receivers are filled in place.
"""

import math

from numba import njit
import numpy as np

# All of fastmath but its promise that neither NaN nor infinity comes up.
_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
_LOWEST = np.float32(-3e38)
_TINY = 2.2250738585072014e-308


@njit(cache=True, nogil=True, fastmath=_MATH)
def low_pass(y, mean, taps, step, z):
    """Filter ``y - mean`` and take it at another rate.

    Parameters
    ----------
    y : [shape=(n,)], float32
        Signal; what is outside counts as its mean.
    mean : float
        Taken away first.
    taps : [shape=(phases, 2 * half + 1)], float32
        The filter, for each position between two samples.
    step : int
        Output k lies at ``k * step / phases`` samples of ``y``.
    z : [shape=(m,)], float32
        Receives the samples.
    """
    phases, width = taps.shape
    half = width // 2
    offset = np.float32(mean)
    for k in range(z.size):
        first = k * step // phases - half
        h = taps[k * step % phases]
        total = np.float32(0)
        if first >= 0 and first + width <= y.size:
            part = y[first:]
            for j in range(width):
                total += h[j] * (part[j] - offset)
        else:
            for j in range(max(0, -first), min(width, y.size - first)):
                total += h[j] * (y[first + j] - offset)
        z[k] = total


@njit(cache=True, nogil=True, fastmath=_MATH)
def f0_candidates(z, firsts, window, window_ac, near, search, costs, found):
    """Peaks of each frame's normalised autocorrelation, on a grid of half samples.

    Parameters
    ----------
    z : [shape=(m,)], float32
        Low-passed signal, zeros of half a window before and behind.
    firsts : [shape=(t,)], int64
        First samples of the frames.
    window : [shape=(width,)], float32
    window_ac : [shape=(2 * lags,)], float32
        The window's normalised autocorrelation at half samples.
    near : int
        Samples on each side of the centre whose peak is the level of the frame.
    search : tuple
        Twice the sampling rate, fmin and fmax in Hz.
    costs : tuple
        Least strength, octave cost, frequency without octave cost in Hz.
    found : tuple
        Receives log2 frequencies, scores, strengths, each (t, k), the number of candidates (t,)
        and the level (t,). Candidate 0, unvoiced, is left to the caller.
    """
    rate, fmin, fmax = search
    least, octave_cost, octave_ref = costs
    log_f, score, strength, counts, levels = found
    width, n_lags, most = window.size, window_ac.size // 2, log_f.shape[1]
    low, high = int(rate / fmax), math.ceil(rate / fmin)
    x = np.empty(width, np.float32)
    ac = np.empty(n_lags, np.float32)
    r = np.empty(2 * n_lags, np.float32)
    for t in range(firsts.size):
        levels[t] = _frame(z, firsts[t], window, near, x)
        log_f[t, 0], score[t, 0], strength[t, 0] = 0.0, 0.0, 0.0
        n = 1
        if _autocorrelation(x, ac):
            _on_half_samples(ac, window_ac, max(1, low - 1), high + 1, r)
            for lag in range(max(2, low), high + 1):
                if not (r[lag] > least and r[lag] > r[lag - 1] and r[lag] >= r[lag + 1]):
                    continue
                slope = 0.5 * (r[lag + 1] - r[lag - 1])
                shift = slope / (2 * r[lag] - r[lag - 1] - r[lag + 1])
                f = rate / (lag + shift)
                if f < fmin or f > fmax:
                    continue
                peak = r[lag] + 0.5 * slope * shift
                if peak > 1:
                    peak = 1 / peak
                s = peak + octave_cost * math.log2(f / octave_ref)
                at = n
                if n == most:
                    at = 1 + np.argmin(score[t, 1:])
                    if s <= score[t, at]:
                        continue
                else:
                    n += 1
                log_f[t, at], score[t, at], strength[t, at] = math.log2(f), s, peak
        counts[t] = n


@njit(cache=True, nogil=True, fastmath=_MATH)
def _frame(z, first, window, near, x):
    """Fill ``x`` with a frame without its mean, windowed; the peak near its centre."""
    part = z[first : first + x.size]
    mean = np.float32(0)
    for i in range(x.size):
        mean += part[i]
    mean /= np.float32(x.size)
    level = np.float32(0)
    for i in range(x.size // 2 - near, x.size // 2 + near):
        level = max(level, abs(part[i] - mean))
    for i in range(x.size):
        x[i] = (part[i] - mean) * window[i]
    return level


@njit(cache=True, nogil=True, fastmath=_MATH)
def _autocorrelation(x, ac):
    """Fill ``ac`` with the normalised autocorrelation at whole lags; False where ``x`` is 0."""
    energy = np.float32(0)
    for i in range(x.size):
        energy += x[i] * x[i]
    if not energy > 1e-30:
        return False
    ac[0] = 1
    for lag in range(1, ac.size):
        total, later = np.float32(0), x[lag:]
        for i in range(later.size):
            total += x[i] * later[i]
        ac[lag] = total / energy
    return True


@njit(cache=True, nogil=True, fastmath=_MATH)
def _on_half_samples(ac, window_ac, low, high, r):
    """Fill ``r[low:high + 1]``, at half samples, with ``ac`` over the window's own."""
    for lag in range(low, high + 1):
        k = lag // 2
        value = ac[k]
        if lag % 2:
            # Half-band interpolation: sinc at 1/2, 3/2, 5/2, 7/2 under a Hann window of 9 samples.
            value = (
                0.61713 * (ac[k] + ac[k + 1])
                - 0.15908 * (ac[abs(k - 1)] + ac[k + 2])
                + 0.05258 * (ac[abs(k - 2)] + ac[k + 3])
                - 0.01063 * (ac[abs(k - 3)] + ac[k + 4])
            )
        r[lag] = value / window_ac[lag]


@njit(cache=True, nogil=True, fastmath=_MATH)
def f0_path(log_f, score, strength, counts, jump_cost, voicing_cost, f0, chosen):
    """The cheapest way through the candidates, by Viterbi.

    Parameters
    ----------
    log_f, score, strength : [shape=(t, k)], float32
    counts : [shape=(t,)], int32
        As ``f0_candidates`` fills them.
    jump_cost, voicing_cost : float
        Of one octave, and of a change between voiced and unvoiced.
    f0, chosen : [shape=(t,)], float64
        Receive the frequency in Hz, 0 where unvoiced, and the strength.
    """
    n_frames, most = log_f.shape
    before = np.empty((n_frames, most), np.int8)
    total, last = np.zeros(most), np.zeros(most)
    for t in range(n_frames):
        for j in range(counts[t]):
            best, at = 0.0, 0
            for i in range(counts[t - 1] if t else 0):
                if i and j:
                    cost = jump_cost * abs(log_f[t, j] - log_f[t - 1, i])
                else:
                    cost = 0.0 if i == j else voicing_cost
                if i == 0 or last[i] - cost > best:
                    best, at = last[i] - cost, i
            total[j] = best + score[t, j]
            before[t, j] = at
        total, last = last, total
    j = np.argmax(last[: counts[n_frames - 1]])
    for t in range(n_frames - 1, -1, -1):
        f0[t] = 2.0 ** log_f[t, j] if j else 0.0
        chosen[t] = strength[t, j]
        j = before[t, j]


@njit(cache=True, nogil=True)
def pyin_candidates(frames, acf, periods, beta_cum, bins_of, out):
    """Pitch candidates of each frame with their probabilities, as librosa.pyin.

    Parameters
    ----------
    frames : [shape=(t, frame_length)], float32
    acf : [shape=(t, >= max_period + 1)], float32
        Autocorrelation of the frames.
    periods : tuple
        Shortest and longest period, samples.
    beta_cum : [shape=(thresholds + 1,)], float64
        Cumulated prior of the thresholds.
    bins_of : tuple
        Sampling rate, fmin, bins in an octave, number of bins.
    out : tuple
        Receives the number of candidates (t,), their bins and log probabilities, each (t, k), and
        the probability of voicing (t,).
    """
    counts, bins, log_probs, voiced_prob = out
    sr, fmin, per_octave, n_bins = bins_of
    n_lags = periods[1] - periods[0] + 1
    d, probs = np.empty(n_lags), np.empty(n_lags)
    troughs, above = np.empty(n_lags, np.int64), np.empty(n_lags, np.int64)
    row = np.full(n_bins, -1.0)
    for t in range(frames.shape[0]):
        _difference(frames[t], acf[t], periods, d)
        n = _troughs(d, troughs)
        _trough_probs(d, troughs[:n], beta_cum, above, probs)
        for q in range(n):
            if probs[q] > 0:
                f = sr / (periods[0] + troughs[q] + _shift(d, troughs[q]))
                b = max(0, int(np.round(per_octave * math.log2(f / fmin))))
                troughs[q] = b
                if b < n_bins:
                    row[b] = probs[q]  # of two candidates in a bin, the later one counts
        k, total = 0, 0.0
        for q in range(n):
            b = troughs[q]
            if probs[q] > 0 and b < n_bins and row[b] > 0:
                bins[t, k], log_probs[t, k] = b, math.log(row[b] + _TINY)
                total += row[b]
                row[b] = -1.0
                k += 1
        counts[t], voiced_prob[t] = k, min(1.0, total)


@njit(cache=True, nogil=True)
def _difference(frame, acf, periods, d):
    """Fill ``d`` with YIN's cumulative mean normalised difference."""
    shortest, longest = periods
    run, energy = 0.0, float(frame[0]) ** 2
    for lag in range(1, longest + 1):
        value = 2.0 * (acf[0] - acf[lag])
        if lag > 1:  # librosa 0.11 leaves the energy out at lag 1
            energy += float(frame[lag - 1]) ** 2
            value -= energy
        run += value
        if lag >= shortest:
            d[lag - shortest] = value / (run / lag + _TINY)


@njit(cache=True, nogil=True)
def _troughs(d, troughs):
    """Fill ``troughs`` with the local minima of ``d``, its ends included; their number."""
    n, last = 0, d.size - 1
    if d[0] < d[1]:
        troughs[n] = 0
        n += 1
    for i in range(1, last):
        if d[i] < d[i - 1] and d[i] <= d[i + 1]:
            troughs[n] = i
            n += 1
    if d[last] < d[last - 1]:
        troughs[n] = last
        n += 1
    return n


@njit(cache=True, nogil=True)
def _trough_probs(d, troughs, beta_cum, above, probs):
    """Fill ``probs``: each threshold shares its prior among the troughs below it."""
    n_thresholds = beta_cum.size - 1
    lowest = 0
    for q in range(troughs.size):
        height = d[troughs[q]]
        if height < d[troughs[lowest]]:
            lowest = q
        above[q] = _first_threshold(height, n_thresholds)
        probs[q] = 0.0
    if not troughs.size:
        return
    fall = math.exp(-2.0)  # the Boltzmann parameter
    at = above[lowest]
    while at < n_thresholds:
        following, n = n_thresholds, 0
        for q in range(troughs.size):
            if above[q] <= at:
                n += 1
            else:
                following = min(following, above[q])
        share = (beta_cum[following] - beta_cum[at]) * (1 - fall) / (1 - math.exp(-2.0 * n))
        for q in range(troughs.size):
            if above[q] <= at:
                probs[q] += share
                share *= fall
        at = following
    probs[lowest] += 0.01 * beta_cum[above[lowest]]  # no trough below these thresholds


@njit(cache=True, nogil=True)
def _first_threshold(height, n):
    """How many of the thresholds 1/n, 2/n, ... 1 are not above ``height``."""
    j = min(max(math.floor(height * n), 0), n)
    while j > 0 and height < j / n:
        j -= 1
    while j < n and height >= (j + 1) / n:
        j += 1
    return j


@njit(cache=True, nogil=True)
def _shift(d, i):
    """Where the parabola through three points has its extremum, from ``i``."""
    if i == 0 or i == d.size - 1:
        return 0.0
    curve, slope = d[i + 1] + d[i - 1] - 2 * d[i], (d[i + 1] - d[i - 1]) / 2
    return -slope / curve if abs(slope) < abs(curve) else 0.0


@njit(cache=True, nogil=True, fastmath=_MATH)
def pyin_forward(starts, bins, log_probs, voiced_prob, model, V):
    """Viterbi's forward pass through voiced and unvoiced bins.

    Only what lies within the triangle of a transition is looked at, and one jump from the best
    state to anywhere; the other transitions of librosa's matrix have the same probability as that
    jump, the smallest number.

    Parameters
    ----------
    starts : [shape=(t + 1,)], int64
        Where the candidates of each frame begin in ``bins``.
    bins : [shape=(k,)], int32
    log_probs : [shape=(k,)], float32
    voiced_prob : [shape=(t,)], float64
    model : tuple
        Log triangle padded to a multiple of 4, half its width, log of its sum for each bin, log
        probabilities to stay and to switch, and to jump.
    V : [shape=(t + 1, 2, half + n_bins + half + 4)], float32
        Row 0 is the state before the first frame; receives the scores of the others, less the log
        sums. The margins hold the lowest number.
    """
    triangle, half, sums, stay, switch, jump = model
    n_bins = sums.size
    voiced, unvoiced = np.empty(n_bins, np.float32), np.empty(n_bins, np.float32)
    observed = np.empty(n_bins, np.float32)
    for t in range(voiced_prob.size):
        v, u = V[t, 0], V[t, 1]
        _widest(v, triangle, voiced)
        _widest(u, triangle, unvoiced)
        v, u = v[half:], u[half:]
        best = _LOWEST
        for b in range(n_bins):
            x = (v[b] if v[b] > u[b] else u[b]) + sums[b]
            best = x if x > best else best
        best += jump
        observed[:] = jump
        for k in range(starts[t], starts[t + 1]):
            observed[bins[k]] = log_probs[k]
        silent = np.float32(math.log((1.0 - voiced_prob[t]) / n_bins + _TINY))
        top = _LOWEST
        for b in range(n_bins):
            x, y = voiced[b], unvoiced[b]
            v_b = x + stay if x + stay > y + switch else y + switch
            u_b = x + switch if x + switch > y + stay else y + stay
            v_b = (v_b if v_b > best else best) + observed[b]
            u_b = (u_b if u_b > best else best) + silent
            voiced[b], unvoiced[b] = v_b, u_b
            x = v_b if v_b > u_b else u_b
            top = x if x > top else top
        v, u = V[t + 1, 0, half:], V[t + 1, 1, half:]
        for b in range(n_bins):
            v[b], u[b] = voiced[b] - top - sums[b], unvoiced[b] - top - sums[b]


@njit(cache=True, nogil=True, fastmath=_MATH)
def _widest(v, triangle, out):
    """Fill ``out[b]`` with the maximum over d of ``v[b + d] + triangle[d]``."""
    out[:] = _LOWEST
    for d in range(0, triangle.size, 4):
        w0, w1, w2, w3 = triangle[d], triangle[d + 1], triangle[d + 2], triangle[d + 3]
        part = v[d:]  # a slice, so that no index can be negative: five times as fast
        for b in range(out.size):
            x, y = part[b] + w0, part[b + 1] + w1
            x = x if x > y else y
            y, z = part[b + 2] + w2, part[b + 3] + w3
            y = y if y > z else z
            x = x if x > y else y
            out[b] = x if x > out[b] else out[b]


@njit(cache=True, nogil=True, fastmath=_MATH)
def pyin_backward(V, model, last, states):
    """Viterbi's way back: the scores are kept, so the best predecessor is found again.

    Parameters
    ----------
    V : [shape=(t + 1, 2, ...)], float32
        As ``pyin_forward`` fills it.
    model : tuple
        As for ``pyin_forward``.
    last : int
        State of the last frame; below 0 the best one is taken.
    states : [shape=(t + 1,)], int32
        Receives the states: bins, plus the number of bins where unvoiced.
    """
    triangle, half, sums, stay, switch, jump = model
    n_bins = sums.size
    if last < 0:
        last, _ = _best(V[-1], half, sums)
    states[-1] = last
    for t in range(states.size - 2, -1, -1):
        b, same, other = last % n_bins, stay, switch
        if last >= n_bins:
            same, other = switch, stay
        score, at = _LOWEST, 0
        for kind in range(2):
            cost = other if kind else same
            x, d = _LOWEST, 0
            for i in range(triangle.size):
                y = V[t, kind, b + i] + triangle[i]
                if y > x:
                    x, d = y, i
            if x + cost > score:
                score, at = x + cost, kind * n_bins + b + d - half
        anywhere, best = _best(V[t], half, sums)
        last = anywhere if best + jump > score else at
        states[t] = last


@njit(cache=True, nogil=True, fastmath=_MATH)
def _best(row, half, sums):
    """The best state of a frame and its score."""
    at, best = 0, _LOWEST
    for b in range(sums.size):
        for kind in range(2):
            x = row[kind, half + b] + sums[b]
            if x > best:
                at, best = kind * sums.size + b, x
    return at, best

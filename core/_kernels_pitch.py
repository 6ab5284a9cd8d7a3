"""Compiled loops of core.pitch; imported at the call, because numba is slow to import.

Conventions: one row per frame. Nothing is kept between calls; receivers are filled in place.
"""

import math

from numba import njit
import numpy as np

# All of fastmath but its promise that neither NaN nor infinity comes up.
_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
_SCORES = _MATH | {"nnan"}
_LOWEST = np.float32(-3e38)
_TINY = 2.2250738585072014e-308
MARGIN = 16  # bins of a block of pyin's path, and half a margin of its triangle


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


@njit(cache=True, nogil=True, fastmath=_SCORES)
def pyin_forward(starts, bins, log_probs, voiced_prob, model, V, scores, best):
    """Viterbi's forward pass through voiced and unvoiced bins.

    Only what lies within the triangle of a transition is looked at, and one jump from the best
    state to anywhere; the other transitions of librosa's matrix have the same probability as that
    jump, the smallest number.

    Parameters
    ----------
    starts : [shape=(t + 2,)], int64
        Where the candidates of each frame begin in ``bins``, from the one before the first.
    bins : [shape=(k,)], int32
    log_probs : [shape=(k,)], float32
    voiced_prob : [shape=(t,)], float64
    model : tuple
        Log triangle between margins of the lowest number, half its width, log of its sum for each
        bin, log probabilities to stay and to switch, and to jump.
    V : [shape=(t + 1, ...)], float32
        Scores of the unvoiced bins less the log sums, between margins of the lowest number: row 0
        is the state before the first frame; receives the others.
    scores : [shape=(k,)], float32
        The same of the candidates.
    best : [shape=(t + 1,)], float32
        Best score of each frame.
    """
    triangle, half, sums, stay, switch, jump = model
    n_bins = sums.size
    voiced, unvoiced = np.empty(V.shape[1], np.float32), np.empty(V.shape[1], np.float32)
    for t in range(voiced_prob.size):
        _widest(V[t], triangle, half, n_bins, unvoiced)
        voiced[:] = _LOWEST
        for k in range(starts[t], starts[t + 1]):
            part, score = voiced[bins[k] :], scores[k]
            for i in range(2 * half + 1):
                x = score + triangle[2 * MARGIN + i]
                part[i] = x if x > part[i] else part[i]
        silent = np.float32(math.log((1.0 - voiced_prob[t]) / n_bins + _TINY)) - best[t]
        floor = best[t] + jump
        top, v, u = _LOWEST, voiced[half:], V[t + 1, half:]
        for b in range(n_bins):
            x, y = v[b] + switch, unvoiced[b] + stay
            x = x if x > y else y
            x = (x if x > floor else floor) + silent
            top = x if x > top else top
            u[b] = x - sums[b]
        for k in range(starts[t + 1], starts[t + 2]):
            b = bins[k]
            x = max(v[b] + stay, unvoiced[b] + switch, floor) + log_probs[k] - best[t]
            top = max(top, x)
            scores[k] = x - sums[b]
        best[t + 1] = top


@njit(cache=True, nogil=True, fastmath=_SCORES)
def _widest(v, triangle, half, n_bins, out):
    """Fill ``out[b]`` with the maximum over d of ``v[b + d] + triangle[2 * MARGIN + d]``.

    The triangle's log is concave, so the place of the maximum never moves back as b grows: known
    for every 16th b, it bounds the search between them.
    """
    n_blocks = -(-n_bins // MARGIN)
    columns = v.size // MARGIN
    turned = np.empty((MARGIN, columns), np.float32)
    for i in range(columns):
        for r in range(MARGIN):
            turned[r, i] = v[i * MARGIN + r]
    most, at = np.full(n_blocks + 1, np.float32(-np.inf)), np.zeros(n_blocks + 1, np.int32)
    for d in range(2 * half + 1):
        part, w, place = turned[d % MARGIN, d // MARGIN :], triangle[2 * MARGIN + d], np.int32(d)
        for i in range(n_blocks + 1):
            x = part[i] + w
            at[i] = place if x > most[i] else at[i]
            most[i] = x if x > most[i] else most[i]
    out[:] = _LOWEST
    for i in range(n_blocks):
        block, part = out[i * MARGIN :], v[i * MARGIN :]
        last = at[i + 1] + MARGIN
        for s in range(min(at[i], last), last + 1, 8):  # rounding may turn equals around
            u, w = part[s : s + 8], triangle[2 * MARGIN + 2 * half - s - 7 :]
            u0, u1, u2, u3, u4, u5, u6, u7 = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
            for j in range(MARGIN):
                x = max(max(u7 + w[j], u6 + w[j + 1]), max(u5 + w[j + 2], u4 + w[j + 3]))
                y = max(max(u3 + w[j + 4], u2 + w[j + 5]), max(u1 + w[j + 6], u0 + w[j + 7]))
                block[j] = max(max(x, y), block[j])


@njit(cache=True, nogil=True, fastmath=_SCORES)
def pyin_backward(starts, bins, model, V, scores, best, last, states):
    """Viterbi's way back: the scores are kept, so the best predecessor is found again.

    Parameters
    ----------
    starts, bins, model, V, scores, best
        As for ``pyin_forward``.
    last : int
        State of the last frame; below 0 the best one is taken.
    states : [shape=(t + 1,)], int32
        Receives the states: bins, plus the number of bins where unvoiced.
    """
    triangle, half, sums, stay, switch, jump = model
    n_bins = sums.size
    t = states.size - 1
    if last < 0:
        last = _best(bins[starts[t] : starts[t + 1]], scores[starts[t] :], V[t, half:], sums)
    states[t] = last
    for t in range(states.size - 2, -1, -1):
        b, same, other = last % n_bins, stay, switch
        if last >= n_bins:
            same, other = switch, stay
        score, at = _LOWEST, 0
        for k in range(starts[t], starts[t + 1]):
            d = bins[k] - b
            if abs(d) <= half and scores[k] + triangle[2 * MARGIN + half + d] + same > score:
                score, at = scores[k] + triangle[2 * MARGIN + half + d] + same, bins[k]
        x, d = _LOWEST, 0
        for i in range(2 * half + 1):
            y = V[t, b + i] + triangle[2 * MARGIN + i]
            if y > x:
                x, d = y, i
        if x + other > score:
            score, at = x + other, n_bins + b + d - half
        if best[t] + jump > score:
            at = _best(bins[starts[t] : starts[t + 1]], scores[starts[t] :], V[t, half:], sums)
        last = at
        states[t] = last


@njit(cache=True, nogil=True, fastmath=_SCORES)
def _best(bins, scores, unvoiced, sums):
    """The best state of a frame."""
    at, best = 0, _LOWEST
    for k in range(bins.size):
        x = scores[k] + sums[bins[k]]
        if x > best:
            at, best = bins[k], x
    for b in range(sums.size):
        x = unvoiced[b] + sums[b]
        if x > best:
            at, best = sums.size + b, x
    return at

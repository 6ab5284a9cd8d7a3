"""Compiled loops of core.levels.lufs and core.features.voice; imported at the call.

Conventions: positions and lengths are in samples, real-valued where a name says so.
"""

import math

from numba import njit
import numpy as np

_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}  # fastmath that still knows NaN and infinity
_TAPS = 8  # of the interpolation between lags, each side


@njit(cache=True, nogil=True)
def weighted_energy(y, filters, step):
    """Sums of squares of ``y`` behind two biquads, one per full step [shape=(n // step,)].

    Parameters
    ----------
    y : [shape=(n,)], float32
        Signal.
    filters : [shape=(2, 5)], float64
        b0 b1 b2 a1 a2 of each section.
    step : int
        Length of a step.
    """
    b0, b1, b2, a1, a2 = filters[0]
    c0, c1, c2, d1, d2 = filters[1]
    u1 = u2 = v1 = v2 = 0.0
    out = np.zeros(y.size // step)
    for i in range(out.size):
        total = 0.0
        for n in range(i * step, (i + 1) * step):
            x = float(y[n]) + 1e-30  # keeps the states of a silent signal out of the denormals
            z = b0 * x + u1
            u1 = b1 * x - a1 * z + u2
            u2 = b2 * x - a2 * z
            w = c0 * z + v1
            v1 = c1 * z - d1 * w + v2
            v2 = c2 * z - d2 * w
            total += w * w
        out[i] = total
    return out


@njit(cache=True, nogil=True, fastmath=_MATH)
def burg(x, order, a):
    """Prediction polynomial 1, a[1] .. a[order] of ``x`` by Burg's method; False where x is 0."""
    n = x.size
    f, b, new = x.copy(), x.copy(), np.empty(n)
    old = np.empty(order + 1)
    a[:] = 0.0
    a[0] = 1.0
    for m in range(1, order + 1):
        num = den = 0.0
        ahead, behind = f[m:], b[m - 1 : n - 1]
        for i in range(n - m):
            num += ahead[i] * behind[i]
            den += ahead[i] * ahead[i] + behind[i] * behind[i]
        if not den > 0:
            return False
        k = -2.0 * num / den
        old[:] = a
        for i in range(1, m + 1):
            a[i] = old[i] + k * old[m - i]
        for i in range(n - m):
            new[i] = behind[i] + k * ahead[i]
            ahead[i] += k * behind[i]
        b[m:] = new[: n - m]
    return True


@njit(cache=True, nogil=True)
def _inverse(z):
    """1 / z without the care that Python's division takes; 0 for 0, and for what is all but 0."""
    square = z.real * z.real + z.imag * z.imag
    return complex(z.real / square, -z.imag / square) if square > 1e-200 else complex(0.0)


@njit(cache=True, nogil=True)
def roots(a, z):
    """All roots of z^p + a[1] z^(p-1) + .. at once, by Aberth's method, into ``z``."""
    p = z.size
    for i in range(p):
        # Not symmetric about the real axis, or conjugate pairs could never become real roots.
        z[i] = 0.9 * np.exp(1j * (2 * math.pi * i / p + 0.4))
    for _ in range(60):
        largest = 0.0
        for i in range(p):
            value, slope = complex(1.0), complex(0.0)
            for k in range(1, p + 1):
                slope = slope * z[i] + value
                value = value * z[i] + a[k]
            if value == 0:  # a root already: the others would push it off
                continue
            repel = complex(0.0)
            for j in range(p):
                if j != i:
                    repel += _inverse(z[i] - z[j])
            move = _inverse(slope * _inverse(value) - repel)
            z[i] -= move
            largest = max(largest, move.real * move.real + move.imag * move.imag)
        if largest < 1e-8:  # the next step is the cube of this one
            break


@njit(cache=True, nogil=True)
def formants(y, sr, centres, window, order, max_bandwidth, highest_f1, out):
    """Resonances of the frames of ``y`` around ``centres``, lowest first, NaN where there is none.

    Parameters
    ----------
    y : [shape=(n,)], float32
        Pre-emphasised signal.
    sr : float
        Its sampling rate, Hz.
    centres : [shape=(t,)], int
        Middles of the frames; a frame that leaves the signal stays NaN.
    window : [shape=(w,)], float64
        Window.
    order : int
        Number of poles.
    max_bandwidth : float
        Wider resonances are not formants, Hz.
    highest_f1 : float
        A frame whose lowest resonance is above it has none, Hz.
    out : [shape=(t, k)], float64
        Receives frequencies in Hz.
    """
    w = window.size
    frame, a = np.empty(w), np.empty(order + 1)
    z = np.empty(order, dtype=np.complex128)
    found = np.empty(order)
    for t in range(centres.size):
        out[t, :] = np.nan
        start = centres[t] - w // 2
        if start < 0 or start + w > y.size:
            continue
        for i in range(w):
            frame[i] = y[start + i] * window[i]
        if not burg(frame, order, a):
            continue
        roots(a, z)
        count = 0
        for i in range(order):
            size = abs(z[i])
            if z[i].imag <= 0 or size <= 0:
                continue
            freq = math.atan2(z[i].imag, z[i].real) * sr / (2 * math.pi)
            bandwidth = abs(math.log(size)) * sr / math.pi
            if 90 < freq < sr / 2 - 50 and bandwidth < max_bandwidth:
                found[count] = freq
                count += 1
        kept = np.sort(found[:count])
        if count == 0 or kept[0] > highest_f1:
            continue
        for i in range(min(count, out.shape[1])):
            out[t, i] = kept[i]


@njit(cache=True, nogil=True, fastmath=_MATH)
def _correlations(y, at, width, low, high, out):
    """Normalised correlation of y[at:at+width] with itself ``low`` .. ``high`` later, into out."""
    # Slices, because an index that could be negative keeps a loop from being vectorised.
    x = y[at : at + width]
    z = y[at + low : at + low + width]
    own = other = np.float32(1e-30)
    for i in range(width):
        own += x[i] * x[i]
        other += z[i] * z[i]
    for lag in range(low, high + 1):
        z = y[at + lag : at + lag + width]
        total = np.float32(0.0)
        for i in range(width):
            total += x[i] * z[i]
        out[lag - low] = total / math.sqrt(own * max(other, 1e-30))
        gone, new = y[at + lag], y[at + lag + width]
        other += new * new - gone * gone


@njit(cache=True, nogil=True)
def _between(r, x):
    """Value of ``r`` at the real-valued place ``x``: a windowed sinc, 8 taps each side."""
    near = round(x)
    if abs(x - near) < 1e-9:
        return r[near]
    first = math.floor(x) - _TAPS + 1
    total = 0.0
    sine = math.sin(math.pi * (x - first)) / math.pi
    for k in range(2 * _TAPS):
        d = x - first - k
        u = d / (_TAPS + 0.5)
        taper = (1 - u * u) * (1 - u * u)
        total += r[first + k] * taper * sine / d
        sine = -sine
    return total


@njit(cache=True, nogil=True)
def _peak(r, low, high):
    """Place and height of the highest peak of ``r`` within low .. high, between samples."""
    best = low
    for i in range(low, high + 1):
        if r[i] > r[best]:
            best = i
    if best in (low, high):
        return -1.0, 0.0
    left, right = best - 0.6, best + 0.6
    golden = 0.3819660112501051
    a, b = left + golden * (right - left), right - golden * (right - left)
    ra, rb = _between(r, a), _between(r, b)
    for _ in range(12):
        if ra > rb:
            right, b, rb = b, a, ra
            a = left + golden * (right - left)
            ra = _between(r, a)
        else:
            left, a, ra = a, b, rb
            b = right - golden * (right - left)
            rb = _between(r, b)
    x = (left + right) / 2
    return x, _between(r, x)


@njit(cache=True, nogil=True)
def harmonicity(y, centres, periods, width, out):
    """Correlation of ``y`` with itself one period later, around ``centres``; NaN at the edges.

    Parameters
    ----------
    y : [shape=(n,)], float32
        Signal.
    centres, periods : [shape=(t,)], float64
        Middle of each frame, and its period.
    width : int
        Length of the two windows that are compared.
    out : [shape=(t,)], float64
        Receives the height of the peak within 6 % of the period, -1 to 1.
    """
    r = np.empty(4096)
    for t in range(centres.size):
        out[t] = np.nan
        spread = max(3, round(0.06 * periods[t]))
        low = round(periods[t]) - spread - _TAPS - 1
        high = round(periods[t]) + spread + _TAPS + 1
        at = round(centres[t] - (periods[t] + width) / 2)
        if low < 1 or high - low >= r.size or at < 0 or at + high + width >= y.size:
            continue
        _correlations(y, at, width, low, high, r)
        place, height = _peak(r, _TAPS + 1, high - low - _TAPS - 1)
        if place > 0:
            out[t] = height


@njit(cache=True, nogil=True)
def _step(y, at, period, r):
    """Length of the period at ``at`` and how well the next one matches it; 0 where there is none.

    Compares the pulse, 0.1 periods before ``at`` to 0.5 after, with the signal 0.8 to 1.25 periods
    later: a whole period would be smoothed by the ringing of the pulse before.
    """
    width = round(0.6 * period)
    low = max(1, math.floor(0.8 * period) - _TAPS - 1)
    high = math.ceil(1.25 * period) + _TAPS + 1
    start = round(at) - round(0.1 * period)
    if start < 0 or start + width + high >= y.size or high - low >= r.size:
        return 0.0, 0.0
    _correlations(y, start, width, low, high, r)
    place, height = _peak(r, _TAPS + 1, high - low - _TAPS - 1)
    if place < 0:
        return 0.0, 0.0
    return low + place, height


@njit(cache=True, nogil=True)
def _follow(y, at, stop, f0, hop, sr, marks, min_match):
    """Pulse marks from ``at`` to ``stop``, one matched period apart; their number."""
    r = np.empty(8192)
    count = 0
    while at < stop and count < marks.size:
        marks[count] = at
        count += 1
        freq = f0[min(max(round(at / hop), 0), f0.size - 1)]
        if not freq > 0:
            break
        length, match = _step(y, at, sr / freq, r)
        if length == 0 or match < min_match:
            break
        at += length
    return count


@njit(cache=True, nogil=True)
def _rms_around(y, at, reach):
    """Root mean square of ``y`` within ``reach`` of the real-valued ``at``, Hann-weighted."""
    total = weight = 0.0
    for i in range(max(0, math.ceil(at - reach)), min(y.size, math.floor(at + reach) + 1)):
        w = 0.5 + 0.5 * math.cos(math.pi * (i - at) / reach)
        total += w * y[i] * y[i]
        weight += w
    return math.sqrt(total / weight) if weight > 0 else 0.0


@njit(cache=True, nogil=True)
def _first_mark(y, start, period):
    """Place of the largest magnitude in the first period and a half after ``start``."""
    best = start
    for i in range(start, min(y.size, start + round(1.5 * period))):
        if abs(y[i]) > abs(y[best]):
            best = i
    return best


@njit(cache=True, nogil=True)
def perturbation(y, sr, f0, hop, min_match):
    """Sums over neighbouring glottal periods of the voiced stretches.

    Parameters
    ----------
    y : [shape=(n,)], float32
        Signal.
    sr : float
        Sampling rate, Hz.
    f0 : [shape=(t,)], float64
        Hz, frame t at t * hop; NaN where unvoiced.
    hop : float
        Samples between frames.
    min_match : float
        A period that matches the one before worse than this ends the stretch, 0..1.

    Returns
    -------
    tuple
        Sum of |T(i+1) - T(i)|, sum of (T(i+1) + T(i)) / 2, number of pairs; sum of
        |dB of A(i+1) / A(i)|, number of pairs.
    """
    dt = t_sum = da = 0.0
    n_t = n_a = 0
    marks = np.empty(y.size // 16 + 16)
    end = -1
    while True:
        frame = end + 1
        while frame < f0.size and not f0[frame] > 0:
            frame += 1
        if frame >= f0.size:
            break
        end = frame
        while end + 1 < f0.size and f0[end + 1] > 0:
            end += 1
        period = sr / f0[frame]
        begin = _first_mark(y, max(0, round(frame * hop)), period)
        at, stop = float(begin), min(end * hop, y.size - 1.0)
        while at < stop:
            count = _follow(y, at, stop, f0, hop, sr, marks, min_match)
            for i in range(2, count):
                before, after = marks[i - 1] - marks[i - 2], marks[i] - marks[i - 1]
                if max(before, after) > 1.3 * min(before, after) or after > 0.02 * sr:
                    continue
                dt += abs(after - before)
                t_sum += (after + before) / 2
                n_t += 1
            for i in range(2, count - 1):
                own = 0.2 * (marks[i] - marks[i - 1])
                a = _rms_around(y, marks[i - 1], own)
                b = _rms_around(y, marks[i], own)
                if a > 0 and b > 0 and max(a, b) <= 1.6 * min(a, b):
                    da += abs(20 * math.log10(b / a))
                    n_a += 1
            at = float(_first_mark(y, round(marks[count - 1] + period), period))
    return dt, t_sum, n_t, da, n_a

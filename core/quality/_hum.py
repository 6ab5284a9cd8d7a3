"""Mains hum: steady lines at 50 or 60 Hz and their multiples, heard through the speech.

Conventions: powers re full scale; each moment counts by the inverse of its power, so that pauses
decide and vowels hardly disturb. A line stands out by its power over the median around it, in dB.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

MAINS = (50.0, 60.0)
SHORTEST_S = 1.0
STANDS_OUT_DB = 13.0
_PART_S = 8.0
_HIGHEST_HZ = 380.0
_STRONGEST = 3  # lines that have to stand out, on average
_MOST_DB = 25.0
_QUIET_TIMES = 8.0  # a line that comes and goes a little may exceed the quietest moments
_ALIVE = 1e-12  # less power is digital silence
_GRID = np.linspace(-0.25, 0.25, 21)  # Hz about the nominal frequency


class Lines(NamedTuple):
    """Of one part: for 50 and 60 Hz how far lines stand out (dB), their power, and frequency."""

    stands_out: tuple[float, float]
    power: tuple[float, float]
    freq: tuple[float, float]


def lines(y: np.ndarray, sr: int) -> list[Lines]:
    """What each part of at most 8 s of a signal (n,) holds; parts below 1 s are left out."""
    from core._kernels_quality import decimate

    factor = sr // 1000
    x = np.empty(y.size // factor, dtype=np.float32)
    decimate(y, _low_pass(factor), factor, x)
    rate = sr / factor
    count = max(1, round(x.size / rate / _PART_S))
    parts = np.array_split(x, count)
    return [_part(part, rate) for part in parts if part.size >= SHORTEST_S * rate and part.any()]


def _part(x: np.ndarray, rate: float) -> Lines:
    from scipy import fft

    x = x - x.mean()
    window = np.hanning(max(3, round(0.1 * rate) | 1)).astype(np.float32)
    power = np.convolve(x * x, window / window.sum(), mode="same")[: x.size]
    weight = 1 / (power + 0.3 * np.median(power) + 1e-14)
    weight *= np.hanning(x.size + 2)[1:-1]
    n_fft = 1 << int(np.ceil(np.log2(4 * x.size)))
    P = np.abs(fft.rfft((x - np.average(x, weights=weight)) * weight, n_fft)) ** 2
    P *= 2 / float(weight.sum()) ** 2
    # What is always there is there in the quietest moments too; a steady voice is not.
    alive = power[power > _ALIVE]
    least = float(np.percentile(alive, 10)) if alive.size else 0.0
    found = [_comb(P, mains, rate / n_fft, _QUIET_TIMES * least) for mains in MAINS]
    return Lines(*zip(*found, strict=True))


def _comb(P: np.ndarray, mains: float, df: float, most: float) -> tuple[float, float, float]:
    """How far the best comb near ``mains`` stands out, the power of its lines, its frequency.

    Lines of more power than ``most`` together are no hum: they stand out by 0.
    """
    numbers = np.arange(1, int(_HIGHEST_HZ // mains) + 1)
    around = np.array([_background(P, k * mains, df) for k in numbers])
    at = np.outer(mains + _GRID, numbers) / df
    power = P[np.rint(at).astype(int)]
    contrast = np.clip(10 * np.log10(power / around + 1e-9), 0, _MOST_DB)
    score = np.sort(contrast, axis=1)[:, -_STRONGEST:].mean(axis=1)
    # Broad peaks stand out at many frequencies: of those the strongest.
    best = int(np.argmax(np.where(score >= score.max() - 1, power.sum(axis=1), -1.0)))
    lines_power = float(np.maximum(power[best] - around, 0)[contrast[best] > 6].sum())
    stands_out = float(score[best]) if lines_power <= most else 0.0
    return stands_out, lines_power, float(mains + _GRID[best])


def _background(P: np.ndarray, freq: float, df: float) -> float:
    near, far = round(5 / df), round(20 / df)
    at = round(freq / df)
    sides = np.concatenate([P[at - far : at - near], P[at + near : at + far]])
    return float(np.median(sides)) + 1e-20


@lru_cache(maxsize=16)
def _low_pass(factor: int) -> np.ndarray:
    """Passes up to 400 Hz, 60 dB down where it would fold back onto them."""
    at = np.arange(16 * factor + 1) - 8 * factor
    taps = np.sinc(at / factor) * np.kaiser(at.size, 6.0)
    return (taps / taps.sum()).astype(np.float32)

"""Speech and the noise between: SNR, noise floor, share of speech.

Conventions: energies are sums of squares over steps of 10 ms; times in s; levels in dBFS.
"""

import math
from typing import NamedTuple

import numpy as np

from core.quality._survey import THRESHOLDS

_STEP_S = 0.010
_DEAD_DB = -110.0
_MARGIN_DB = 15.9  # of P.56


class Speech(NamedTuple):
    """NaN where not measurable; ``segments`` (k, 2) s; ``noisiest`` is a place (start, end)."""

    segments: np.ndarray
    snr_db: float
    noise_floor_dbfs: float
    share: float
    noisiest: tuple[float, float] | None


def speech(wide: np.ndarray, band: np.ndarray, *, sr: int, duration_s: float) -> Speech:
    """What the steps of a recording say; activity is told in ``band``, power taken in ``wide``."""
    from core.segments import _runs, _told_apart

    nan = math.nan
    nothing = Speech(np.empty((0, 2)), nan, nan, nan, None)
    size = 2 * _STEP_S * sr
    power = (band[1:] + band[:-1]) / size
    full = (wide[1:] + wide[:-1]) / size
    level = 10 * np.log10(power + 1e-14)
    live = level > _DEAD_DB
    if live.sum() < 10:
        return nothing
    smooth = np.convolve(np.pad(level, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    active, noise, threshold = _told_apart(power, smooth, live)
    segments = _runs(active, level > threshold, _STEP_S)
    if not (active.any() and len(segments)):
        return nothing._replace(noise_floor_dbfs=_db(full[noise]), share=0.0)
    share = min(1.0, float(np.diff(segments, axis=1).sum()) / duration_s)
    return Speech(
        segments,
        _snr(full, active, noise),
        _db(full[noise]),
        share,
        _noisiest(full, noise),
    )


def _snr(full: np.ndarray, active: np.ndarray, noise: np.ndarray) -> float:
    floor = float(full[noise].mean()) if noise.any() else 0.0
    if floor <= 0:
        return math.nan
    return 10 * math.log10(max(float(full[active].mean()) - floor, 1e-3 * floor) / floor)


def _noisiest(full: np.ndarray, noise: np.ndarray) -> tuple[float, float] | None:
    """The half second of noise with the most power."""
    if not noise.any():
        return None
    heard = np.where(noise, full, 0.0)
    width = min(50, heard.size)
    at = int(np.argmax(np.convolve(heard, np.ones(width), mode="valid")))
    return at * _STEP_S, (at + width) * _STEP_S


def active_level(counts: np.ndarray, squares: float, *, sr: int) -> float:
    """Active speech level in dBFS, by P.56's method B; NaN for silence.

    Parameters
    ----------
    counts : np.ndarray [shape=(k,)]
        Cells of 1 ms that were active at each threshold.
    squares : float
        Sum of squares of the whole recording.
    sr : int
        Hz.
    """
    used = counts > 0
    if squares <= 0 or not used.any():
        return math.nan
    level = 10 * np.log10(squares / (counts[used] * sr / 1000))
    above = level - 20 * np.log10(THRESHOLDS[used])
    under = np.flatnonzero(above <= _MARGIN_DB)
    if not under.size or under[0] == 0:
        return float(level[under[0] if under.size else -1])
    k = under[0]
    part = (above[k - 1] - _MARGIN_DB) / (above[k - 1] - above[k])
    return float(level[k - 1] + part * (level[k] - level[k - 1]))


def loudness(steps: np.ndarray, *, sr: int) -> float:
    """Gated loudness in LUFS of weighted energies of steps of 100 ms, as ``core.levels.lufs``."""
    if steps.size < 4:
        return math.nan
    power = np.convolve(steps, np.ones(4), mode="valid") / (4 * round(sr / 10))
    power = power[power > 10 ** ((-70 + 0.691) / 10)]
    if not power.size:
        return math.nan
    power = power[power > power.mean() / 10]
    return -0.691 + _db(power)


def _db(power: np.ndarray) -> float:
    mean = float(power.mean()) if power.size else 0.0
    return 10 * math.log10(mean) if mean > 0 else math.nan

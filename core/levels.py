"""How loud a signal is, in dBFS.

Conventions: 0 dBFS is a sample of magnitude 1, for peak and RMS alike, so a full-scale sine has an
RMS of -3.01 dBFS; silence and empty signals are NaN, never minus infinity.
"""

from functools import lru_cache
import math

import numpy as np

from core.errors import ParameterError

_BLOCK = 2**16  # samples at a time
_BLOCK_STEPS = 4  # a gating block is four steps of 100 ms: 400 ms, overlapping by 75 %
_OFFSET = -0.691  # LUFS of mean square 1: the gain of the weighting at 997 Hz taken off


def peak_dbfs(y: np.ndarray) -> float:
    """Largest magnitude of a signal.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Signal.

    Returns
    -------
    float
        dBFS; NaN where the signal is silent or empty.
    """
    return _dbfs(max(float(y.max()), -float(y.min())) if y.size else 0.0)


def rms_dbfs(y: np.ndarray) -> float:
    """Root mean square of a signal, over all its channels.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Signal.

    Returns
    -------
    float
        dBFS; NaN where the signal is silent or empty.
    """
    peak = max(float(y.max()), -float(y.min())) if y.size else 0.0
    if not 0 < peak < np.inf:
        return float("nan")
    # Scaled by the peak first: squares of very faint samples would vanish in float32.
    flat, scale, total = y.reshape(-1), y.dtype.type(peak), 0.0
    for i in range(0, flat.size, _BLOCK):  # stays in the cache
        total += float(np.square(flat[i : i + _BLOCK] / scale).sum(dtype=np.float64))
    return _dbfs(peak * math.sqrt(total / flat.size))


def lufs(y: np.ndarray, *, sr: int) -> float:
    """Integrated loudness: K-weighted, gated at -70 LUFS and at 10 LU below the mean.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Signal. Every channel counts with weight 1, as left, right and centre do.
    sr : int >= 4000
        Sampling rate in Hz.

    Returns
    -------
    float
        LUFS; NaN where the signal is shorter than 400 ms or nothing in it reaches -70 LUFS.

    Raises
    ------
    ParameterError
        If ``sr`` is below 4,000 Hz: the weighting needs the band up to 2 kHz.

    Notes
    -----
    Source: Recommendation ITU-R BS.1770-4. Its filters are given at 48 kHz; at other rates they
    are made from the same analogue prototypes, and differ by less than 0.1 dB (0.3 dB at 8 kHz).
    """
    if sr < 4000:
        raise ParameterError(f"sr={sr} Hz is too low for loudness: use 4000 Hz or more.")
    from core._kernels_voice import weighted_energy

    step, filters = round(sr / 10), _k_weighting(sr)
    channels = np.atleast_2d(np.asarray(y, dtype=np.float32))
    steps = sum(weighted_energy(np.ascontiguousarray(y), filters, step) for y in channels)
    if len(steps) < _BLOCK_STEPS:
        return float("nan")
    sums = np.convolve(steps, np.ones(_BLOCK_STEPS), mode="valid")
    power = sums / (_BLOCK_STEPS * step)
    for threshold in (-70.0, None):
        if threshold is None:
            threshold = _loudness(power) - 10
        power = power[power > 10 ** ((threshold - _OFFSET) / 10)]
        if not power.size:
            return float("nan")
    return _loudness(power)


def _loudness(power: np.ndarray) -> float:
    return _OFFSET + 10 * float(np.log10(power.mean()))


@lru_cache(maxsize=16)
def _k_weighting(sr: int) -> np.ndarray:
    """The shelf and the high-pass, each b0 b1 b2 a1 a2 [shape=(2, 5)]."""
    k, q = np.tan(np.pi * 1681.974450955533 / sr), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k]
    shelf += [2 * (k * k - 1), 1 - k / q + k * k]
    # At 48 kHz its numerator is 1, -2, 1: a gain of 1.005, which other rates have to share.
    q = 0.5003270373238773
    poles = [np.tan(np.pi * 38.13547087602444 / rate) for rate in (sr, 48_000)]
    b0, gain = (1 + k / q + k * k for k in poles)
    k = poles[0]
    high_pass = [gain, -2 * gain, gain, 2 * (k * k - 1), 1 - k / q + k * k]
    filters = np.array([np.array(shelf) / a0, np.array(high_pass) / b0])
    filters.flags.writeable = False
    return filters


def _dbfs(amplitude: float) -> float:
    return 20 * float(np.log10(amplitude)) if 0 < amplitude < np.inf else float("nan")

"""Jitter, shimmer, harmonicity and formants, over the voiced frames of one signal.

Conventions: ``y`` is mono without DC, any scale; ``f0`` is Hz at ``times`` in s, NaN where
unvoiced; what cannot be measured is NaN.
"""

import numpy as np

from core.audio import resample

FORMANT_SR = 11_000  # Hz: five formants below 5.5 kHz
FORMANT_ORDER = 10  # poles
FORMANT_WINDOW_S = 0.05  # Gaussian, half that long between its points of inflection
FORMANT_HOP_S = 0.02
MAX_BANDWIDTH_HZ = 700.0
HIGHEST_F1_HZ = 1300.0  # a lowest resonance above it means that F1 was missed
PRE_EMPHASIS_HZ = 50.0

HARMONICITY_WINDOW_S = 1 / 75  # one period of the lowest voice, as in Praat
MIN_MATCH = 0.6  # of neighbouring periods
MIN_PERIODS = 10  # fewer say nothing about a voice
MIN_FRAMES = 5


def perturbation(
    y: np.ndarray, *, sr: int, times: np.ndarray, f0: np.ndarray
) -> tuple[float, float]:
    """Jitter (local) in per cent and shimmer (local, dB) of the voiced stretches.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int > 0
        Sampling rate in Hz.
    times, f0 : np.ndarray [shape=(t,)]
        Evenly spaced times in s, from 0, and f0 in Hz, NaN where unvoiced.

    Returns
    -------
    tuple of float
        Mean difference of neighbouring periods over the mean period, per cent, and mean difference
        of neighbouring amplitudes, dB. NaN below ten periods.

    Notes
    -----
    Source: Praat's manual, "PointProcess: Get jitter (local)" and "Get shimmer (local, dB)".
    Pulses are a period's best match with the one before, 0.8 to 1.25 periods on; amplitude is the
    Hann-weighted RMS within 0.2 periods; period ratios above 1.3 and amplitude ratios above 1.6 do
    not count. Unlike Praat, what is matched is 0.6 of a period (less smoothing by ringing), the
    match is interpolated by a windowed sinc, pulses are followed forward only, and a stretch is
    broken where the match falls below 0.6.
    """
    from core._kernels_voice import perturbation as sums

    if times.size < 2:
        return float("nan"), float("nan")
    hop = float(times[1] - times[0]) * sr
    y = np.ascontiguousarray(y, dtype=np.float32)
    dt, t_sum, n_t, da, n_a = sums(y, float(sr), np.asarray(f0, np.float64), hop, MIN_MATCH)
    jitter = 100 * dt / t_sum if n_t >= MIN_PERIODS else float("nan")
    shimmer = da / n_a if n_a >= MIN_PERIODS else float("nan")
    return jitter, shimmer


def harmonicity_db(y: np.ndarray, *, sr: int, times: np.ndarray, f0: np.ndarray) -> float:
    """Harmonics-to-noise ratio, mean over the voiced frames.

    Parameters
    ----------
    y, sr, times, f0
        As for ``perturbation``.

    Returns
    -------
    float
        dB; NaN below five voiced frames.

    Notes
    -----
    Source: P. Boersma, "Accurate short-term analysis of the fundamental frequency and the
    harmonics-to-noise ratio of a sampled sound", 1993; 10 log10 r / (1 - r), with r the
    cross-correlation of two windows of 13.3 ms one period apart, as Praat's "To Harmonicity (cc)".
    The period comes from the f0 track and may move by 6 %.
    """
    from core._kernels_voice import harmonicity

    voiced = np.isfinite(f0)
    r = np.empty(np.count_nonzero(voiced))
    centres, periods = times[voiced] * sr, sr / f0[voiced].astype(np.float64)
    width = round(HARMONICITY_WINDOW_S * sr)
    harmonicity(np.ascontiguousarray(y, dtype=np.float32), centres, periods, width, r)
    r = r[np.isfinite(r) & (r > 0)]
    if r.size < MIN_FRAMES:
        return float("nan")
    r = np.clip(r, 1e-3, 1 - 1e-6)  # -30 to 60 dB
    return float(np.mean(10 * np.log10(r / (1 - r))))


def formant_medians(
    y: np.ndarray, *, sr: int, times: np.ndarray, f0: np.ndarray
) -> tuple[float, float, float]:
    """Medians of the first three formants over voiced frames.

    Parameters
    ----------
    y, sr, times, f0
        As for ``perturbation``.

    Returns
    -------
    tuple of float
        F1, F2, F3 in Hz; NaN below five frames that have one.

    Notes
    -----
    Source: Praat's manual, "Sound: To Formant (burg)": 11 kHz, 10 poles, 50 ms Gaussian window,
    pre-emphasis from 50 Hz. Unlike Praat, resonances wider than 700 Hz or below 90 Hz are left
    out, as are frames whose lowest one is above 1.3 kHz, and the frames are 20 ms apart.
    """
    from core._kernels_voice import formants

    y = resample(np.asarray(y, dtype=np.float32), sr_in=sr, sr_out=FORMANT_SR)
    if y.size < 2 or times.size < 2:
        return (float("nan"),) * 3
    y = np.append(y[:1], y[1:] - np.float32(_pre_emphasis(FORMANT_SR)) * y[:-1])
    every = max(1, round(FORMANT_HOP_S / float(times[1] - times[0])))
    voiced = np.isfinite(f0)
    centres = np.round(times[voiced][::every] * FORMANT_SR).astype(np.int64)
    found = np.full((centres.size, 3), np.nan)
    window = _gaussian(round(FORMANT_WINDOW_S * FORMANT_SR))
    limits = (MAX_BANDWIDTH_HZ, HIGHEST_F1_HZ)
    formants(y, float(FORMANT_SR), centres, window, FORMANT_ORDER, *limits, found)
    f1, f2, f3 = (_median(column) for column in found.T)
    return f1, f2, f3


def _pre_emphasis(sr: int) -> float:
    return float(np.exp(-2 * np.pi * PRE_EMPHASIS_HZ / sr))


def _gaussian(n: int) -> np.ndarray:
    """Praat's: exp(-12) at its ends, and that taken off [shape=(n,)]."""
    edge = np.exp(-12.0)
    at = (np.arange(n) - (n - 1) / 2) / (n + 1)
    return (np.exp(-48 * at * at) - edge) / (1 - edge)


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size >= MIN_FRAMES else float("nan")

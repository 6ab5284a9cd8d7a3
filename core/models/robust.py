"""Whether an answer survives what should not change it: denoising, trimming, a telephone band."""

from typing import NamedTuple

import numpy as np

from core.models.files import Loaded
from core.models.predict import Answer, predict

BAND_HZ = (300.0, 3400.0)
LINE_SR = 8_000  # Hz
_ORDER = 4


class Survival(NamedTuple):
    """A change, what the model says after it, and whether that is the same answer.

    ``same`` is None where either answer cannot be given; ``moved`` is the change of the first
    answer's probability (years for a regression), NaN where it cannot be told.
    """

    name: str
    label: str
    answer: Answer
    same: bool | None
    moved: float


def survives(
    loaded: Loaded, y: np.ndarray, sr: int, *, first: Answer | None = None
) -> tuple[Survival, ...]:
    """Ask a model again after denoising, after trimming, and through a telephone band.

    Parameters
    ----------
    loaded : Loaded
        The model.
    y : np.ndarray [shape=(n,) or (channels, n)]
        Signal.
    sr : int > 0
        Sampling rate in Hz.
    first : Answer, optional
        What the model says about the signal as it is, where that is known already.

    Returns
    -------
    tuple of Survival
        In this order. A regression survives where it moves by less than five years.

    Raises
    ------
    AudioTooShortError
        The signal is empty.
    """
    y = np.asarray(y, dtype=np.float32)
    y = y.mean(axis=0, dtype=np.float32) if y.ndim == 2 else y
    first = first or predict(loaded, (y, sr))
    changed = (
        ("denoise", "Denoised", *_cleaned(y, sr, denoise=True)),
        ("trim", "Silence at the ends cut off", *_cleaned(y, sr, denoise=False)),
        ("telephone", "Through a telephone band, 300 to 3,400 Hz", *telephone(y, sr)),
    )
    return tuple(
        _compared(name, label, first, predict(loaded, (other, rate)))
        for name, label, other, rate in changed
    )


def telephone(y: np.ndarray, sr: int) -> tuple[np.ndarray, int]:
    """A signal (n,) as a telephone passes it on: 300 to 3,400 Hz, at 8,000 Hz.

    Butterworth band-pass of order 4, run once.
    """
    from scipy import signal

    from core.audio import resample

    high = min(BAND_HZ[1], 0.45 * sr)
    band = signal.butter(_ORDER, (BAND_HZ[0], high), "bandpass", fs=sr, output="sos")
    narrow = signal.sosfilt(band, y).astype(np.float32)
    return resample(narrow, sr_in=sr, sr_out=LINE_SR), LINE_SR


def _cleaned(y: np.ndarray, sr: int, *, denoise: bool) -> tuple[np.ndarray, int]:
    from core.clean import clean
    from core.params import CleanParams, Denoise, Trim

    chain = CleanParams(denoise=Denoise(on=denoise), trim=Trim(on=not denoise))
    return clean(y, sr=sr, params=chain).y, sr


def _compared(name: str, label: str, first: Answer, answer: Answer) -> Survival:
    if first.value is not None and answer.value is not None:
        moved = answer.value - first.value
        return Survival(name, label, answer, abs(moved) < 5, moved)
    if first.label is None or answer.label is None:
        return Survival(name, label, answer, None, float("nan"))
    moved = answer.probabilities[first.label] - first.probabilities[first.label]
    return Survival(name, label, answer, answer.label == first.label, moved)

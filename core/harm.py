"""What cleaning did to a voice: level, noise, lost speech, features, and a model's answer.

Conventions: the cleaned signal lies sample by sample on the raw one: neither cut nor shifted.
Speech is where the raw signal says it is. "Speech cells" are cells of its spectrogram that stand
10 dB and more above the noise between the words: in them, what is missing afterwards was speech.
"""

from collections.abc import Callable
from dataclasses import dataclass
import math
from typing import Any

import numpy as np

from core.errors import AudioTooShortError, ParameterError
from core.features import FeatureSpec, extract, feature_set

FEATURES = "voice-v1"
_FRAME_S = 0.032
_ABOVE = 10.0  # a speech cell has this many times the power of the noise: 10 dB
_BLOCK = 512  # frames transformed at once
_NEAR_S = 0.05  # what is this near to speech is no noise

Answer = Callable[[np.ndarray, int], Any]


@dataclass(frozen=True)
class Change:
    """One feature before and after; ``spread`` is its usual spread between voices, same unit."""

    spec: FeatureSpec
    before: float
    after: float
    spread: float

    @property
    def shift(self) -> float:
        """Change in spreads; NaN where it was measurable on one side only, or on none."""
        return (self.after - self.before) / self.spread if self.spread > 0 else math.nan

    @property
    def lost(self) -> bool:
        """Measurable before, and not any more."""
        return math.isfinite(self.before) and not math.isfinite(self.after)


@dataclass(frozen=True)
class Harm:
    """What cleaning did; NaN where it cannot be told.

    Attributes
    ----------
    speech_db, noise_db : float
        Change of level where somebody speaks (less the noise in it), and between the words, dB.
    snr_before, snr_after : float
        SNR, dB, as the check of that name.
    speech_removed : float
        Share, 0 to 1, of the energy of the speech cells that is gone; below 0 where it has grown.
    features : tuple of Change
        Most changed first: lost ones, then by the magnitude of ``shift``, then unknown ones.
    answers : tuple or None
        What ``answer`` said before and after.
    """

    speech_db: float
    noise_db: float
    snr_before: float
    snr_after: float
    speech_removed: float
    features: tuple[Change, ...]
    answers: tuple[Any, Any] | None = None


def changes(
    y_raw: np.ndarray,
    y_clean: np.ndarray,
    sr: int,
    *,
    text: str | None = None,
    answer: Answer | None = None,
) -> Harm:
    """Compare a recording with what cleaning made of it.

    Parameters
    ----------
    y_raw, y_clean : np.ndarray [shape=(n,)]
        Mono signals before and after: leave trimming and gain out.
    sr : int > 0
        Sampling rate in Hz.
    text : str, optional
        What is said, for the features that need it.
    answer : callable, optional
        Of (y, sr); its results are kept in ``answers``, as those of a model.

    Returns
    -------
    Harm

    Raises
    ------
    ParameterError
        The signals are not mono, or not of one length, or ``sr`` is below 4,000 Hz.
    AudioTooShortError
        They are empty.
    """
    if y_raw.ndim != 1 or y_raw.shape != y_clean.shape:
        raise ParameterError(
            f"Before and after must be mono and of one length, got {y_raw.shape} and "
            f"{y_clean.shape}: compare without trimming."
        )
    if y_raw.size == 0:
        raise AudioTooShortError("The signal is empty: there is nothing to compare.")
    speech_db, noise_db, removed = _lost(y_raw, y_clean, sr)
    return Harm(
        speech_db,
        noise_db,
        _snr(y_raw, sr),
        _snr(y_clean, sr),
        removed,
        _features(y_raw, y_clean, sr, text),
        None if answer is None else (answer(y_raw, sr), answer(y_clean, sr)),
    )


def usual_spread(name: str) -> float:
    """Spread of a feature of voice-v1 between voices; NaN where none is known.

    Half the width of the middle 68 % of clips of Common Voice, one of each speaker
    (``python -m benchmarks.denoise --spreads`` prints the table).
    """
    from core._harm_spreads import SPREADS

    return SPREADS.get(name, math.nan)


def _snr(y: np.ndarray, sr: int) -> float:
    from core import quality

    return quality.check(y, sr)["snr"].value


def _features(
    y_raw: np.ndarray, y_clean: np.ndarray, sr: int, text: str | None
) -> tuple[Change, ...]:
    before = extract(y_raw, sr=sr, feature_set=FEATURES, text=text).values
    after = extract(y_clean, sr=sr, feature_set=FEATURES, text=text).values
    found = [
        Change(spec, before[spec.name], after[spec.name], usual_spread(spec.name))
        for spec in feature_set(FEATURES).specs
    ]
    return tuple(sorted(found, key=_rank))


def _rank(change: Change) -> tuple[bool, float]:
    known = math.isfinite(change.shift)
    return not change.lost, -abs(change.shift) if known else math.inf


def _lost(y_raw: np.ndarray, y_clean: np.ndarray, sr: int) -> tuple[float, float, float]:
    """Change of level of speech and of noise in dB, and the share of speech energy removed."""
    from core import segments

    n_fft = max(32, int(sr * _FRAME_S) // 2 * 2)
    spoken = segments.speech_segments(y_raw, sr=sr).segments
    total = 1 + y_raw.size // (n_fft // 2)
    times = np.arange(total) * (n_fft // 2) / sr
    inside, near = np.zeros(total, bool), np.zeros(total, bool)
    for start, end in spoken:
        inside |= (times >= start) & (times < end)
        near |= (times >= start - _NEAR_S) & (times < end + _NEAR_S)
    # Noise is measured where there is some: digital silence between words says nothing.
    floor, between = np.zeros((2, n_fft // 2 + 1)), 0
    for first, P in _powers(y_raw, y_clean, n_fft):
        still = ~near[first : first + P.shape[1]] & (P[0].sum(axis=1) > 0)
        floor += P[:, still].sum(axis=1)
        between += int(still.sum())
    floor /= max(between, 1)
    power, cells = np.zeros(2), np.zeros(2)
    for first, P in _powers(y_raw, y_clean, n_fft):
        speech = P[:, inside[first : first + P.shape[1]]]
        power += speech.sum(axis=(1, 2))
        cells += (speech * (speech[0] > _ABOVE * floor[0])).sum(axis=(1, 2))
    own = power - floor.sum(axis=1) * inside.sum()
    noise = floor.sum(axis=1)
    removed = 1 - cells[1] / cells[0] if cells[0] > 0 else math.nan
    return _ratio_db(own), _ratio_db(noise), float(removed)


def _ratio_db(pair: np.ndarray) -> float:
    """Second re first, dB; NaN where one of them is nothing."""
    return 10 * math.log10(pair[1] / pair[0]) if pair.min() > 0 else math.nan


def _powers(y_raw: np.ndarray, y_clean: np.ndarray, n_fft: int):
    """First frame and power [shape=(2, t, d)] of both signals, in blocks of frames."""
    from scipy import fft

    from core.spectra import fft_window, zero_padded

    hop, window = n_fft // 2, fft_window("hann", n_fft)
    total = 1 + y_raw.size // hop
    for first in range(0, total, _BLOCK):
        count = min(_BLOCK, total - first)
        begin = first * hop - hop
        P = []
        for y in (y_raw, y_clean):
            part = zero_padded(y, begin, begin + (count - 1) * hop + n_fft)
            frames = np.lib.stride_tricks.sliding_window_view(part, n_fft)[::hop] * window
            D = fft.rfft(frames, axis=1)
            P.append(np.square(D.real, dtype=np.float64) + np.square(D.imag))
        yield first, np.stack(P)

"""One recording before and after cleaning, at display resolution, on common axes.

Conventions: both sides share the time axis of the recording as it was opened, ``t0`` to ``t1`` in
seconds, and the reference of their dB scales: the maximum of the recording before cleaning. Where
the side after was trimmed away, its pictures are NaN.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from core import levels, spectra, views
from core.clean import Cleaned
from core.params import SpectraParams
from core.views import Envelope, Image

AXES = ("log", "linear", "mel")
SPECTRUM_POINTS = 600
SPECTRUM_FMIN = 20.0  # Hz, the left end of the spectrum's log axis


class SpectrumView(NamedTuple):
    """Magnitude spectrum pooled to the screen: frequencies in Hz, magnitude in dB."""

    freqs: np.ndarray
    magnitude_db: np.ndarray


class References(NamedTuple):
    """What 0 dB means: largest power of the STFT and the mel picture, largest magnitude."""

    stft: float
    mel: float
    magnitude: float


@dataclass(frozen=True)
class Side:
    """One side of the comparison, ready to be drawn; levels of the whole signal in dBFS."""

    envelope: Envelope
    spectrum: SpectrumView
    stft: Image
    mel: Image
    mfcc: Image
    references: References
    duration_s: float
    peak_dbfs: float
    rms_dbfs: float
    limit: float


@dataclass(frozen=True)
class Window:
    """The stretch of time on screen, in s of the recording as opened."""

    t0: float
    t1: float

    def of(self, y: np.ndarray, *, sr: int, offset_s: float = 0.0) -> np.ndarray:
        """The samples of ``y`` inside the window; ``offset_s`` is the time of its first sample."""
        start, end = (max(0, round((t - offset_s) * sr)) for t in (self.t0, self.t1))
        return y[start:end]


@dataclass(frozen=True)
class Look:
    """How a recording is looked at: when, on which frequency axis, with which settings."""

    window: Window
    axis: str = "log"
    params: SpectraParams = field(default_factory=SpectraParams)
    width: int = 640


def side(
    y: np.ndarray,
    *,
    sr: int,
    look: Look,
    offset_s: float = 0.0,
    references: References | None = None,
) -> Side:
    """Everything that is drawn of one signal.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int
        Sampling rate in Hz.
    look : Look
        Time, axis and settings.
    offset_s : float
        Time of the first sample of ``y``, in s.
    references : References, optional
        What 0 dB means; the maxima of this signal where it is not given.

    Returns
    -------
    Side

    Raises
    ------
    ParameterError
        Settings that cannot work at ``sr``.
    """
    where = {"t0": look.window.t0, "t1": look.window.t1, "width": look.width, "offset_s": offset_s}
    pictures = views.spectral_views(y, sr=sr, params=look.params, axis=look.axis, **where)
    shown = look.window.of(y, sr=sr, offset_s=offset_s)
    spectrum = spectra.spectrum(shown if shown.size else np.zeros(1, np.float32), sr=sr)
    refs = references or References(
        stft=pictures.stft.peak_power,
        mel=pictures.mel.peak_power,
        magnitude=float(spectrum.magnitude.max()),
    )
    top_db = look.params.top_db
    return Side(
        envelope=views.envelope(y, sr=sr, **where),
        spectrum=_pool_spectrum(spectrum, refs.magnitude),
        stft=views.to_db(pictures.stft, ref_power=refs.stft, top_db=top_db),
        mel=views.to_db(pictures.mel, ref_power=refs.mel, top_db=top_db),
        mfcc=pictures.mfcc,
        references=refs,
        duration_s=y.size / sr,
        peak_dbfs=levels.peak_dbfs(y),
        rms_dbfs=levels.rms_dbfs(y),
        limit=float(np.abs(shown).max(initial=0.0)),
    )


def side_after(cleaned: Cleaned, before: Side, *, look: Look) -> Side:
    """The cleaned signal on the axes and references of the side ``before``; see ``side``."""
    offset_s = cleaned.start / cleaned.sr
    return side(
        cleaned.y, sr=cleaned.sr, look=look, offset_s=offset_s, references=before.references
    )


def _pool_spectrum(spectrum: spectra.Spectrum, reference: float) -> SpectrumView:
    """The largest bin of each of SPECTRUM_POINTS columns of a log axis, in dB re ``reference``."""
    freqs, magnitude = spectrum.freqs, spectrum.magnitude
    first = int(np.searchsorted(freqs, SPECTRUM_FMIN))
    freqs, magnitude = freqs[first:], magnitude[first:]
    if freqs.size > SPECTRUM_POINTS:
        edges = np.geomspace(freqs[0], freqs[-1], SPECTRUM_POINTS)
        at = np.unique(np.searchsorted(freqs, edges))
        at = at[at < freqs.size]
        magnitude, freqs = np.maximum.reduceat(magnitude, at), freqs[at]
    floor = max(reference, 1e-12) * 1e-8
    db = 20 * np.log10(np.maximum(magnitude, floor) / max(reference, 1e-12))
    return SpectrumView(freqs, db.astype(np.float32))

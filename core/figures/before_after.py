"""The figures of one recording before and after cleaning, two by two on common ranges."""

from functools import partial
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from core import views
from core.compare import Look, Side
from core.figures.clip import spectrum, waveform
from core.figures.overlays import overlay
from core.figures.palette import AFTER, BEFORE
from core.figures.pictures import categories, difference, mfcc, spectrogram
from core.marks import Marks

# View -> the titles of its two figures.
VIEWS = {
    "Waveform": ("Before", "After"),
    "Spectrum": ("Before", "After"),
    "STFT": ("Before", "After"),
    "Mel": ("Before", "After"),
    "MFCC": ("Before", "After"),
    "Difference": ("STFT, after − before", "Mel, after − before"),
}


class Overlay(NamedTuple):
    """Marks to be drawn over both sides, and which kinds of them."""

    marks: Marks
    kinds: tuple[str, ...]


def pair(
    view: str, before: Side, after: Side, *, look: Look, over: Overlay | None = None
) -> tuple[go.Figure, go.Figure]:
    """The two figures of ``view``, one of VIEWS, with the marks of ``over`` where it has time."""
    if view == "Difference":
        return _difference(before, after, look)
    draw = _DRAW[view](before, after, look)
    if over is not None and view in ("Waveform", "STFT", "Mel"):
        draw = partial(draw, over=_over(view, before, look, over))
    return draw(before, color=BEFORE), draw(after, color=AFTER)


def _over(view: str, side: Side, look: Look, over: Overlay) -> tuple[list[dict], dict]:
    if view == "Waveform":
        return overlay(over.marks, over.kinds, **_span(look))
    image, axis = (side.stft, look.axis) if view == "STFT" else (side.mel, "mel")
    rows = {"rows": image.row_centres, "categories": categories(image, axis)}
    return overlay(over.marks, over.kinds, **_span(look), **rows)


def _span(look: Look) -> dict:
    return {"t0": look.window.t0, "t1": look.window.t1}


def _difference(before: Side, after: Side, look: Look) -> tuple[go.Figure, go.Figure]:
    limit = look.params.top_db / 2
    stft = views.difference(before.stft, after.stft)
    mel = views.difference(before.mel, after.mel)
    return (
        difference(stft, axis=look.axis, limit=limit, **_span(look)),
        difference(mel, axis="mel", limit=limit, **_span(look)),
    )


def _waveforms(before: Side, after: Side, look: Look):
    limit = 1.05 * max(before.limit, after.limit, 1e-3)
    return partial(_waveform, limit=limit, span=_span(look))


def _waveform(
    side: Side, *, color: str, limit: float, span: dict, over: tuple = ([], {})
) -> go.Figure:
    return waveform(side.envelope, color=color, limit=limit, select=True, over=over, **span)


def _spectra(before: Side, after: Side, look: Look):
    return partial(_spectrum, top_db=look.params.top_db)


def _spectrum(side: Side, *, color: str, top_db: float) -> go.Figure:
    return spectrum(side.spectrum, color=color, top_db=top_db)


def _stfts(before: Side, after: Side, look: Look):
    return partial(_picture, name="stft", axis=look.axis, look=look)


def _mels(before: Side, after: Side, look: Look):
    return partial(_picture, name="mel", axis="mel", look=look)


def _picture(
    side: Side, *, color: str, name: str, axis: str, look: Look, over: tuple = ([], {})
) -> go.Figure:
    top_db = look.params.top_db
    return spectrogram(getattr(side, name), axis=axis, top_db=top_db, over=over, **_span(look))


def _mfccs(before: Side, after: Side, look: Look):
    shape = before.mfcc.z[1:]  # coefficient 0 is the overall level: it runs off the scale
    found = shape[np.isfinite(shape)]
    low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    return partial(_mfcc, low=low, high=max(high, low + 1), span=_span(look))


def _mfcc(side: Side, *, color: str, low: float, high: float, span: dict) -> go.Figure:
    return mfcc(side.mfcc, low=low, high=high, **span)


_DRAW = {
    "Waveform": _waveforms,
    "Spectrum": _spectra,
    "STFT": _stfts,
    "Mel": _mels,
    "MFCC": _mfccs,
}

"""Mean mel pictures of two groups, their difference, and their long-term average spectra."""

import numpy as np
import plotly.graph_objects as go

from core.eda.mean_mels import Chance, Comparison, Group
from core.eda.mel_images import BLOCK, PARAMS, SR
from core.figures.base import AXIS, figure, labelled
from core.figures.palette import DIVERGING, MAGMA, colorscale
from core.safe_text import plotly
from core.spectra import frame_times, mel_freqs

TICKS = (200.0, 500.0, 1000.0, 2000.0, 4000.0)
STRONGER_A, STRONGER_B = "rgb(214,96,77)", "rgb(75,137,200)"  # the ends of DIVERGING
BAND_A, BAND_B = "rgba(214,96,77,0.25)", "rgba(75,137,200,0.25)"
FADED = 0.3  # opacity of what may be chance
MARGIN = {"l": 58, "r": 58, "t": 8, "b": 44}
HEIGHT = 330
BAR = {"thickness": 9, "outlinewidth": 0, "title": {"text": "dB"}, "xpad": 6, "x": 1.0}


def freqs(n: int) -> np.ndarray:
    """Centres of the mel bands of the pictures, Hz."""
    return mel_freqs(n, sr=SR)


def times(n: int) -> np.ndarray:
    """Centres of the frames of the pictures, s."""
    return frame_times(n, sr=SR, hop_length=PARAMS.hop_length)


def shared_range(found: Comparison) -> tuple[float, float]:
    """One colour scale for both means: from the smallest to the largest of their values, dB."""
    both = (found.a.mean, found.b.mean)
    return float(min(m.min() for m in both)), float(max(m.max() for m in both))


def mean(group: Group, limits: tuple[float, float]) -> go.Figure:
    """The mean picture of a group in dB re each clip's maximum; colours run over ``limits``."""
    scale = {"zmin": limits[0], "zmax": max(limits[1], limits[0] + 1)}
    trace = _picture(group.mean) | scale | {"colorscale": colorscale(MAGMA), "colorbar": BAR}
    return _framed([trace], group.mean.shape)


def difference(found: Comparison, *, masked: bool) -> go.Figure:
    """The mean of a - that of b in dB, centred at 0; ``masked`` fades what may be chance."""
    z = found.difference
    limit = max(1.0, float(np.abs(z).max()))
    look = {"zmin": -limit, "zmax": limit, "colorscale": colorscale(DIVERGING)}
    whole = _picture(z) | look | {"colorbar": BAR}
    if not masked or found.chance.significant is None:
        return _framed([whole], z.shape)
    clear = _picture(np.where(_pixels(found.chance), z, np.nan))
    clear |= look | {"showscale": False, "hoverinfo": "skip", "hovertemplate": None}
    whole |= {"opacity": FADED, "showscale": False}
    return _framed([whole, clear | {"showscale": True, "colorbar": BAR}], z.shape)


def spectra(found: Comparison) -> go.Figure:
    """Mean level of each mel band over the 3 s, with the 95 % interval of each group's mean."""
    data = []
    for group, line, band in (
        (found.a, STRONGER_A, BAND_A),
        (found.b, STRONGER_B, BAND_B),
    ):
        data += _spectrum(group, line, band)
    n = found.difference.shape[0]
    x = {"title": {"text": "Frequency (Hz), mel spacing"}, "range": [0, n - 1]} | _hz_ticks(n)
    y = {"title": {"text": "Level (dB re each clip's maximum)"}}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    margin = MARGIN | {"t": 34, "r": 12}
    return figure(data, x=x, y=y, height=HEIGHT, margin=margin, showlegend=True, legend=legend)


def _spectrum(group: Group, line: str, band: str) -> list[dict]:
    n = group.spectrum.size
    bands = np.arange(n, dtype=np.int16)
    shown = {"type": "scatter", "mode": "lines", "x": bands}
    edge = shown | {"line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    made = []
    if np.isfinite(group.low).all():
        made = [
            edge | {"y": group.low.astype(np.float32)},
            edge | {"y": group.high.astype(np.float32), "fill": "tonexty", "fillcolor": band},
        ]
    curve = shown | {
        "y": group.spectrum.astype(np.float32),
        "name": plotly(group.name, 40),
        "line": {"color": line, "width": 2},
        "customdata": freqs(n).astype(np.float32),
        "hovertemplate": "%{customdata:,.0f} Hz: %{y:.1f} dB",
    }
    return [*made, curve]


def _picture(z: np.ndarray) -> dict:
    """A heat map whose rows are named by their frequency: the pointer reads Hz."""
    step = PARAMS.hop_length / SR
    return {
        "type": "heatmap",
        "z": np.round(z, 1).astype(np.float32),
        "x0": 0.0,
        "dx": step,
        "y": [f"{f:,.0f} Hz" for f in freqs(z.shape[0])],
        "hovertemplate": "%{x:.2f} s, %{y}: %{z:.1f} dB<extra></extra>",
    }


def _framed(data: list[dict], shape: tuple[int, int]) -> go.Figure:
    half = PARAMS.hop_length / SR / 2
    end = float(times(shape[1])[-1]) + half
    x = {"title": {"text": "Time (s)"}, "range": [-half, end], "showgrid": False}
    y = {"type": "category", "title": {"text": "Mel bands (Hz)"}, "showgrid": False}
    y |= {"range": [-0.5, shape[0] - 0.5]} | _hz_ticks(shape[0])
    return figure(data, x=x, y=AXIS | y, height=HEIGHT, margin=MARGIN)


def _hz_ticks(n: int) -> dict:
    at = np.interp(TICKS, freqs(n), np.arange(n))
    return labelled(list(TICKS)) | {"tickvals": at.tolist()}


def _pixels(chance: Chance) -> np.ndarray:
    """What was tested in blocks, as pixels."""
    tall, wide = BLOCK
    return chance.significant.repeat(tall, axis=0).repeat(wide, axis=1)

"""Pictures over time and frequency: STFT, mel, MFCC, and the difference of two of them."""

from base64 import b64encode
from io import BytesIO

import numpy as np
from PIL import Image as Pil
import plotly.graph_objects as go

from core.figures.base import HEIGHT, TIME_TITLE, blank
from core.figures.palette import DIVERGING, MAGMA, colorscale, table
from core.views import Image

LEVELS = 96  # colours of a picture: steps of 0.8 dB over 80 dB, finer than the eye sees
LOG_TICKS = (50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4)
GRID = (48, 128)  # rows and columns of the values under the pointer


def spectrogram(
    image: Image, *, axis: str, t0: float, t1: float, top_db: float, height: int = HEIGHT
) -> go.Figure:
    """Level in dB over time in s and frequency in Hz; ``image.z`` is in dB from -top_db to 0."""
    fig = _picture(image, axis=axis, low=-top_db, high=0.0, stops=MAGMA, unit="dB", height=height)
    fig.update_xaxes(title_text=TIME_TITLE, range=[t0, t1])
    return fig


def mfcc(
    image: Image, *, t0: float, t1: float, low: float, high: float, height: int = HEIGHT
) -> go.Figure:
    """MFCC over time in s; rows are coefficients, colours from ``low`` to ``high``."""
    fig = _picture(image, axis="index", low=low, high=high, stops=MAGMA, unit="", height=height)
    fig.update_xaxes(title_text=TIME_TITLE, range=[t0, t1])
    return fig


def difference(
    image: Image, *, axis: str, t0: float, t1: float, limit: float, height: int = HEIGHT
) -> go.Figure:
    """After − before, centred at 0: blue where cleaning took level away, red where it added."""
    unit = "" if axis == "index" else "dB"
    fig = _picture(
        image, axis=axis, low=-limit, high=limit, stops=DIVERGING, unit=unit, height=height
    )
    fig.update_xaxes(title_text=TIME_TITLE, range=[t0, t1])
    return fig


def _picture(
    image: Image, *, axis: str, low: float, high: float, stops, unit: str, height: int
) -> go.Figure:
    fig = blank(height)
    edges = _AXES[axis](fig, image.row_centres)
    there = np.flatnonzero(np.isfinite(image.z).any(axis=0))
    if there.size:
        shown = image.z[:, there[0] : there[-1] + 1]
        column = (image.t1 - image.t0) / image.z.shape[1]
        x0, x1 = image.t0 + there[0] * column, image.t0 + (there[-1] + 1) * column
        fig.add_layout_image(
            source=_data_uri(shown, low=low, high=high, stops=stops),
            xref="x",
            yref="y",
            x=x0,
            y=edges[1],
            sizex=x1 - x0,
            sizey=edges[1] - edges[0],
            sizing="stretch",
            layer="below",
        )
        fig.add_trace(_pointer(shown, image.row_centres, x0, x1, axis=axis, unit=unit))
    fig.add_trace(_scale(low, high, stops, unit))
    fig.update_xaxes(showgrid=False)
    fig.update_yaxes(showgrid=False)
    return fig


def _data_uri(z: np.ndarray, *, low: float, high: float, stops) -> str:
    """A palette PNG of ``z``, first row at the bottom; NaN is transparent."""
    level = np.nan_to_num((z - low) / (high - low), nan=0.0)
    index = 1 + np.clip(level * LEVELS, 0, LEVELS - 1).astype(np.uint8)
    index[~np.isfinite(z)] = 0
    picture = Pil.fromarray(np.ascontiguousarray(index[::-1])).convert("P")
    picture.putpalette(np.vstack([[[0, 0, 0]], table(stops, LEVELS)]).astype(np.uint8).tobytes())
    out = BytesIO()
    picture.save(out, "PNG", transparency=0, compress_level=6)
    return "data:image/png;base64," + b64encode(out.getvalue()).decode()


def _pointer(
    z: np.ndarray, rows: np.ndarray, x0: float, x1: float, *, axis: str, unit: str
) -> go.Heatmap:
    """Invisible coarse grid whose values the pointer reads: the largest of each block."""
    grid, centres = _blocks(z, rows)
    width = (x1 - x0) / grid.shape[1]
    bounded = np.clip(np.rint(np.nan_to_num(grid, nan=-32768)), -32768, 32767)
    small = bounded.astype(np.int8 if np.abs(bounded).max() < 128 else np.int16)
    where = {"index": "MFCC %{y}", "mel": "%{y}"}.get(axis, "%{y:.0f} Hz")
    y = [f"{c:.0f} Hz" for c in centres] if axis == "mel" else np.round(centres, 2)
    return go.Heatmap(
        z=small,
        x0=x0 + width / 2,
        dx=width,
        y=y,
        opacity=0,
        showscale=False,
        hovertemplate=f"%{{x:.3f}} s, {where}: %{{z}} {unit}<extra></extra>",
    )


def _blocks(z: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n_rows, n_cols = min(GRID[0], z.shape[0]), min(GRID[1], z.shape[1])
    at_row = np.linspace(0, z.shape[0], n_rows, endpoint=False).astype(int)
    at_col = np.linspace(0, z.shape[1], n_cols, endpoint=False).astype(int)
    filled = np.where(np.isfinite(z), z, -np.inf)
    grid = np.maximum.reduceat(np.maximum.reduceat(filled, at_row, axis=0), at_col, axis=1)
    ends = np.append(at_row[1:], z.shape[0])
    centres = rows[(at_row + ends - 1) // 2]
    return np.where(np.isfinite(grid), grid, np.nan), centres


def _scale(low: float, high: float, stops, unit: str) -> go.Scatter:
    """A colour bar without a heat map: one point that is never seen."""
    bar = {"thickness": 9, "outlinewidth": 0, "title": {"text": unit or None}, "xpad": 6, "x": 1.0}
    marker = {
        "color": [low],
        "cmin": low,
        "cmax": high,
        "colorscale": colorscale(stops),
        "showscale": True,
        "colorbar": bar,
    }
    return go.Scatter(x=[None], y=[None], mode="markers", marker=marker, hoverinfo="skip")


def _log_axis(fig: go.Figure, rows: np.ndarray) -> tuple[float, float]:
    step = np.log10(rows[1] / rows[0]) / 2
    low, high = np.log10(rows[0]) - step, np.log10(rows[-1]) + step
    ticks = [
        f for f in (50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4) if low <= np.log10(f) <= high
    ]
    fig.update_yaxes(type="log", title_text="Frequency (Hz)", range=[low, high])
    fig.update_yaxes(tickvals=ticks, ticktext=[f"{t:,.0f}" for t in ticks])
    return low, high


def _linear_axis(fig: go.Figure, rows: np.ndarray) -> tuple[float, float]:
    step = (rows[1] - rows[0]) / 2
    low, high = float(rows[0] - step), float(rows[-1] + step)
    fig.update_yaxes(title_text="Frequency (Hz)", range=[low, high], tickformat=",.0f")
    return low, high


def _mel_axis(fig: go.Figure, rows: np.ndarray) -> tuple[float, float]:
    """Rows of equal height, labelled in Hz: a category axis, so that the pointer reads Hz too."""
    n = min(GRID[0], rows.size)
    wanted = [f for f in (300, 1000, 2000, 4000, 8000, 16000) if rows[0] <= f <= rows[-1]]
    at = np.interp(wanted, rows, np.arange(rows.size))
    fig.update_yaxes(
        type="category",
        title_text="Mel bands (Hz)",
        range=[-0.5, n - 0.5],
        tickvals=list((at + 0.5) * n / rows.size - 0.5),
        ticktext=[f"{f:,}" for f in wanted],
    )
    return -0.5, n - 0.5


def _index_axis(fig: go.Figure, rows: np.ndarray) -> tuple[float, float]:
    fig.update_yaxes(title_text="Coefficient", range=[-0.5, rows.size - 0.5], tickformat="d")
    return -0.5, rows.size - 0.5


_AXES = {"log": _log_axis, "linear": _linear_axis, "mel": _mel_axis, "index": _index_axis}

"""Pictures over time and frequency: STFT, mel, MFCC, and the difference of two of them."""

from base64 import b64encode
from io import BytesIO

import numpy as np
from PIL import Image as Pil
import plotly.graph_objects as go

from core.figures.base import figure, labelled, time_axis
from core.figures.palette import DIVERGING, MAGMA, colorscale, table
from core.views import Image

LEVELS = 256  # colours of a picture
LOG_TICKS = (50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4)
MEL_TICKS = (300, 1000, 2000, 4000, 8000, 16000)
GRID = (48, 128)  # rows and columns of the values under the pointer


def spectrogram(
    image: Image,
    *,
    axis: str,
    t0: float,
    t1: float,
    top_db: float,
    over: tuple[list[dict], dict] = ([], {}),
) -> go.Figure:
    """Level in dB over time in s and frequency in Hz; ``image.z`` is in dB from -top_db to 0.

    ``over`` are marks drawn on it (``overlays``).
    """
    span = {"t0": t0, "t1": t1, "over": over}
    return _picture(image, axis=axis, low=-top_db, high=0.0, stops=MAGMA, unit="dB", **span)


def categories(image: Image, axis: str) -> int:
    """Categories of a picture's frequency axis; 0 where the axis is in Hz."""
    return min(GRID[0], image.row_centres.size) if axis == "mel" else 0


def mfcc(image: Image, *, t0: float, t1: float, low: float, high: float) -> go.Figure:
    """MFCC over time in s; rows are coefficients, colours from ``low`` to ``high``."""
    return _picture(image, axis="index", low=low, high=high, stops=MAGMA, unit="", t0=t0, t1=t1)


def difference(image: Image, *, axis: str, t0: float, t1: float, limit: float) -> go.Figure:
    """After − before in dB, centred at 0: blue where level was taken away, red where added."""
    span = {"t0": t0, "t1": t1}
    return _picture(image, axis=axis, low=-limit, high=limit, stops=DIVERGING, unit="dB", **span)


def _picture(
    image: Image,
    *,
    axis: str,
    t0: float,
    t1: float,
    low: float,
    high: float,
    stops,
    unit: str,
    over: tuple[list[dict], dict] = ([], {}),
) -> go.Figure:
    y = _AXES[axis](image.row_centres)
    data, layout = [*over[0], _scale(low, high, stops, unit)], dict(over[1])
    there = np.flatnonzero(np.isfinite(image.z).any(axis=0))
    if there.size:
        shown = image.z[:, there[0] : there[-1] + 1]
        column = (image.t1 - image.t0) / image.z.shape[1]
        x0, x1 = image.t0 + there[0] * column, image.t0 + (there[-1] + 1) * column
        bottom, top = y["range"]
        layout["images"] = [
            {
                "source": _data_uri(shown, low=low, high=high, stops=stops),
                "xref": "x",
                "yref": "y",
                "x": x0,
                "y": top,
                "sizex": x1 - x0,
                "sizey": top - bottom,
                "sizing": "stretch",
                "layer": "below",
            }
        ]
        data.insert(0, _pointer(shown, image.row_centres, x0, x1, axis=axis, unit=unit))
    x = time_axis(t0, t1) | {"showgrid": False}
    return figure(data, x=x, y=y | {"showgrid": False}, **layout)


def _data_uri(z: np.ndarray, *, low: float, high: float, stops) -> str:
    """``z`` as a small WebP, first row at the bottom; NaN is transparent."""
    level = (z[::-1] - np.float32(low)) * np.float32(LEVELS / (high - low))
    nothing = np.isnan(level)
    np.clip(level, 0, LEVELS - 1, out=level)
    level[nothing] = 0
    pixels = _colours(stops).take(level.astype(np.uint8))  # four bytes at once
    pixels[nothing] = 0
    out = BytesIO()
    made = Pil.frombuffer("RGBA", (z.shape[1], z.shape[0]), pixels, "raw", "RGBA", 0, 1)
    made.save(out, "WEBP", quality=80, method=1)
    return "data:image/webp;base64," + b64encode(out.getvalue()).decode()


def _colours(stops) -> np.ndarray:
    colours = np.full((LEVELS, 4), 255, np.uint8)
    colours[:, :3] = table(stops, LEVELS)
    return colours.view(np.uint32)[:, 0]


def _pointer(
    z: np.ndarray, rows: np.ndarray, x0: float, x1: float, *, axis: str, unit: str
) -> dict:
    """Invisible coarse grid whose values the pointer reads: the largest of each block."""
    grid, centres = _blocks(z, rows)
    width = (x1 - x0) / grid.shape[1]
    bounded = np.clip(np.rint(np.nan_to_num(grid, nan=-32768)), -32768, 32767)
    where = {"index": "MFCC %{y}", "mel": "%{y}"}.get(axis, "%{y:.0f} Hz")
    return {
        "type": "heatmap",
        "z": bounded.astype(np.int8 if np.abs(bounded).max() < 128 else np.int16),
        "x0": x0 + width / 2,
        "dx": width,
        "y": [f"{c:.0f} Hz" for c in centres] if axis == "mel" else np.round(centres, 2),
        "opacity": 0,
        "showscale": False,
        "hovertemplate": f"%{{x:.3f}} s, {where}: %{{z}} {unit}<extra></extra>",
    }


def _blocks(z: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n_rows, n_cols = min(GRID[0], z.shape[0]), min(GRID[1], z.shape[1])
    at_row = np.linspace(0, z.shape[0], n_rows, endpoint=False).astype(int)
    at_col = np.linspace(0, z.shape[1], n_cols, endpoint=False).astype(int)
    filled = np.where(np.isfinite(z), z, -np.inf)
    grid = np.maximum.reduceat(np.maximum.reduceat(filled, at_row, axis=0), at_col, axis=1)
    ends = np.append(at_row[1:], z.shape[0])
    centres = rows[(at_row + ends - 1) // 2]
    return np.where(np.isfinite(grid), grid, np.nan), centres


def _scale(low: float, high: float, stops, unit: str) -> dict:
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
    point = {"x": [None], "y": [None], "mode": "markers", "hoverinfo": "skip"}
    return {"type": "scatter", **point, "marker": marker}


def _log_axis(rows: np.ndarray) -> dict:
    step = np.log10(rows[1] / rows[0]) / 2
    low, high = float(np.log10(rows[0]) - step), float(np.log10(rows[-1]) + step)
    ticks = [f for f in LOG_TICKS if low <= np.log10(f) <= high]
    title = {"text": "Frequency (Hz)"}
    return {"type": "log", "title": title, "range": [low, high]} | labelled(ticks)


def _linear_axis(rows: np.ndarray) -> dict:
    step = (rows[1] - rows[0]) / 2
    ends = [float(rows[0] - step), float(rows[-1] + step)]
    return {"title": {"text": "Frequency (Hz)"}, "range": ends, "tickformat": ",.0f"}


def _mel_axis(rows: np.ndarray) -> dict:
    """Rows of equal height, labelled in Hz: a category axis, so that the pointer reads Hz too."""
    n = min(GRID[0], rows.size)
    ticks = [f for f in MEL_TICKS if rows[0] <= f <= rows[-1]]
    at = (np.interp(ticks, rows, np.arange(rows.size)) + 0.5) * n / rows.size - 0.5
    axis = {"type": "category", "title": {"text": "Mel bands (Hz)"}, "range": [-0.5, n - 0.5]}
    return axis | labelled(ticks) | {"tickvals": at.tolist()}


def _index_axis(rows: np.ndarray) -> dict:
    ends = [-0.5, rows.size - 0.5]
    return {"title": {"text": "Coefficient"}, "range": ends, "tickformat": "d"}


_AXES = {"log": _log_axis, "linear": _linear_axis, "mel": _mel_axis, "index": _index_axis}

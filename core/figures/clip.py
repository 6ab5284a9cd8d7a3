"""Lines over time and frequency: waveform and spectrum of one clip."""

import numpy as np
import plotly.graph_objects as go

from core.compare import SpectrumView
from core.figures.base import MARGIN, figure, labelled, time_axis
from core.views import Envelope

TICKS = (50.0, 200.0, 1e3, 5e3, 2e4, 8e4)
DOTS_BELOW = 400  # samples on screen below which each one gets a dot


def waveform(
    env: Envelope,
    *,
    t0: float,
    t1: float,
    color: str,
    limit: float = 1.0,
    select: bool = False,
    beside_scale: bool = True,
    over: tuple[list[dict], dict] = ([], {}),
) -> go.Figure:
    """Amplitude over time in s: an envelope, or single samples where they fit the screen.

    ``limit`` is the common amplitude range of the figures that stand side by side. With ``select``
    a drag marks a stretch of time instead of zooming the picture. With ``beside_scale`` the time
    axis is as long as that of a picture with a colour bar. ``over`` are marks (``overlays``).
    """
    dots = env.exact and env.times.size <= DOTS_BELOW
    line = {
        "type": "scatter",
        "mode": "lines+markers" if dots else "lines",
        "line": {"color": color, "width": 1},
        "marker": {"size": 4, "color": color},
        "hovertemplate": "%{x:.5~f} s: %{y:.4f}<extra></extra>",
    }
    line |= {"x": env.times, "y": env.low} if env.exact else _zigzag(env)
    layout = {"dragmode": "select", "selectdirection": "h"} if select else {}
    if not beside_scale:
        layout["margin"] = MARGIN | {"r": 12}
    y = {"title": {"text": "Amplitude (full scale 1)"}, "range": [-limit, limit]}
    return figure([line, *over[0]], x=time_axis(t0, t1), y=y, **layout | over[1])


def _zigzag(env: Envelope) -> dict:
    """Lowest and highest value of every pixel column, as one line; times by first and step."""
    y = np.empty(2 * env.low.size, np.float32)
    y[0::2], y[1::2] = env.low, env.high
    if env.times.size < 2:
        return {"x": np.repeat(env.times, 2), "y": y}
    step = float(env.times[1] - env.times[0]) / 2
    return {"x0": float(env.times[0]), "dx": step, "y": y}


def spectrum(view: SpectrumView, *, color: str, top_db: float) -> go.Figure:
    """Magnitude in dB over frequency in Hz, log axis: the largest bin of every pixel column."""
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": view.freqs.astype(np.float32),
        "y": view.magnitude_db.astype(np.float32),
        "line": {"color": color, "width": 1},
        "hovertemplate": "%{x:.4s}Hz: %{y:.1f} dB<extra></extra>",
    }
    low, high = (view.freqs[0], view.freqs[-1]) if view.freqs.size else (TICKS[0], TICKS[-1])
    ends = [float(np.log10(f)) for f in (low, high)]
    ticks = [f for f in TICKS if low <= f <= high]
    x = {"type": "log", "title": {"text": "Frequency (Hz)"}, "range": ends} | labelled(ticks)
    y = {"title": {"text": "Magnitude (dB)"}, "range": [-top_db - 20, 3]}
    return figure([line], x=x, y=y)

"""Lines over time and frequency: waveform and spectrum of one clip."""

import numpy as np
import plotly.graph_objects as go

from core.compare import SpectrumView
from core.figures.base import HEIGHT, TIME_TITLE, blank
from core.views import Envelope

DOTS_BELOW = 400  # samples on screen from which each one gets a dot


def waveform(
    env: Envelope,
    *,
    t0: float,
    t1: float,
    color: str,
    limit: float = 1.0,
    select: bool = False,
    beside_scale: bool = True,
    height: int = HEIGHT,
) -> go.Figure:
    """Amplitude over time in s: an envelope, or single samples where they fit the screen.

    ``limit`` is the common amplitude range of the figures that stand side by side. With ``select``
    a drag marks a stretch of time instead of zooming the picture. With ``beside_scale`` the time axis
    is as long as that of a picture with a colour bar.
    """
    fig = blank(height)
    if not beside_scale:
        fig.update_layout(margin_r=12)
    if env.exact:
        dots = env.times.size <= DOTS_BELOW
        mode = "lines+markers" if dots else "lines"
        line = go.Scatter(x=env.times, y=env.low, mode=mode, marker={"size": 4, "color": color})
    else:
        line = go.Scatter(**_zigzag(env), mode="lines")
    line.update(line={"color": color, "width": 1}, hovertemplate="%{x:.5~f} s: %{y:.4f}")
    line.update(hoverlabel={"namelength": 0}, name="")
    fig.add_trace(line)
    fig.update_xaxes(title_text=TIME_TITLE, range=[t0, t1])
    fig.update_yaxes(title_text="Amplitude (full scale 1)", range=[-limit, limit])
    if select:
        fig.update_layout(dragmode="select", selectdirection="h")
    return fig


def _zigzag(env: Envelope) -> dict:
    """Lowest and highest value of every pixel column, as one line; times by first and step."""
    y = np.empty(2 * env.low.size, np.float32)
    y[0::2], y[1::2] = env.low, env.high
    if env.times.size < 2:
        return {"x": np.repeat(env.times, 2), "y": y}
    step = float(env.times[1] - env.times[0]) / 2
    return {"x0": float(env.times[0]), "dx": step, "y": y}


def spectrum(view: SpectrumView, *, color: str, top_db: float, height: int = HEIGHT) -> go.Figure:
    """Magnitude in dB over frequency in Hz, log axis: the largest bin of every pixel column."""
    fig = blank(height)
    hover = "%{x:.4s}Hz: %{y:.1f} dB"
    fig.add_trace(
        go.Scatter(
            x=view.freqs.astype(np.float32),
            y=view.magnitude_db.astype(np.float32),
            mode="lines",
            line={"color": color, "width": 1},
            hovertemplate=hover,
            name="",
        )
    )
    ticks = _decade_ticks(view.freqs)
    fig.update_xaxes(
        type="log",
        title_text="Frequency (Hz)",
        tickvals=ticks,
        ticktext=[f"{t:,.0f}" for t in ticks],
        range=[np.log10(view.freqs[0]), np.log10(view.freqs[-1])],
    )
    fig.update_yaxes(title_text="Magnitude (dB)", range=[-top_db - 20, 3])
    return fig


def _decade_ticks(freqs: np.ndarray) -> list[float]:
    steps = [a * 10**d for d in range(1, 6) for a in (1, 2, 5)]
    return [float(f) for f in steps if freqs[0] <= f <= freqs[-1]]

"""Figures of the teaching pages: large type, few marks, to be read from the last row."""

import numpy as np
import plotly.graph_objects as go

from core.figures.base import MARGIN, figure
from core.figures.palette import AFTER, BEFORE, CUT, QUIET, REMOVED

FONT = 16
ROOMY = MARGIN | {"l": 84, "r": 84, "b": 60, "t": 12}
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}


def large(fig: go.Figure, height: int) -> go.Figure:
    """The figure for a projector: ``height`` in px, larger letters, more room for them."""
    letters = {"title": {"font": {"size": FONT}}, "tickfont": {"size": FONT}}
    look = {"xaxis": letters, "yaxis": letters, "legend": {"font": {"size": FONT}}}
    return fig.update_layout(height=height, font={"size": FONT}, margin=ROOMY, **look)


def lines(
    curves: dict[str, tuple[np.ndarray, np.ndarray]],
    *,
    x: dict,
    y: dict,
    colors: tuple[str, ...] = (QUIET, AFTER, REMOVED),
    markers: bool = False,
) -> go.Figure:
    """Curves by name, each (x, y); the name stands in the legend where there are several."""
    data = [
        {
            "type": "scatter",
            "mode": "markers" if markers else "lines",
            "name": name,
            "x": np.asarray(cx, np.float32),
            "y": np.asarray(cy, np.float32),
            "line": {"color": color, "width": 2.5},
            "marker": {"color": color, "size": 5},
        }
        for (name, (cx, cy)), color in zip(curves.items(), colors, strict=False)
    ]
    several = {"showlegend": len(curves) > 1, "legend": LEGEND}
    return figure(data, x=x, y=y, **several)


def moments(fig: go.Figure, times: np.ndarray, color: str = REMOVED) -> go.Figure:
    """The figure with an upright line at each time in s, from bottom to top."""
    shapes = [
        {"type": "line", "xref": "x", "yref": "paper", "x0": t, "x1": t, "y0": 0, "y1": 1}
        | {"line": {"color": color, "width": 1.5}}
        for t in np.asarray(times, float)
    ]
    return fig.update_layout(shapes=shapes)


def points(
    groups: dict[str, tuple[np.ndarray, np.ndarray]],
    *,
    x: dict,
    y: dict,
    colors: dict[str, str] | None = None,
    agree: float | None = None,
) -> go.Figure:
    """Points of each group; with ``agree``, a line from 0 to there on which both are equal."""
    given = colors or {}
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": np.asarray(px, np.float32),
            "y": np.asarray(py, np.float32),
            "marker": {"size": 8, "opacity": 0.65, "color": given.get(name, BEFORE)},
        }
        for name, (px, py) in groups.items()
    ]
    if agree is not None:
        line = {"x": [0, agree], "y": [0, agree], "mode": "lines", "hoverinfo": "skip"}
        data.append({"type": "scatter", "line": {"color": CUT, "width": 2}, "name": "equal"} | line)
    return figure(data, x=x, y=y, showlegend=len(groups) > 1, legend=LEGEND)


def bars(
    names: tuple[str, ...],
    series: dict[str, np.ndarray],
    *,
    x: dict,
    y: dict,
    colors: tuple[str, ...] = (BEFORE, AFTER),
    level: tuple[float, ...] = (),
    digits: int = 0,
) -> go.Figure:
    """Upright bars, a colour for each series; ``level`` marks one height over each name."""
    data: list[dict] = [
        {
            "type": "bar",
            "name": name,
            "x": list(names),
            "y": np.asarray(values, np.float32),
            "text": [f"{v:,.{digits}f}" for v in values],
            "textposition": "outside",
            "cliponaxis": False,
            "marker": {"color": color},
        }
        for (name, values), color in zip(series.items(), colors, strict=False)
    ]
    if level:
        marker = {"symbol": "line-ew-open", "size": 60, "line": {"width": 3}, "color": CUT}
        data.append(
            {"type": "scatter", "mode": "markers", "name": "guessing", "x": list(names)}
            | {"y": list(level), "marker": marker}
        )
    return figure(data, x=x, y=y, showlegend=len(data) > 1, legend=LEGEND, barmode="group")


def histogram(values: np.ndarray, *, low: float, high: float, x: dict) -> go.Figure:
    """Clips in 40 bins, with the limits ``low`` and ``high``; what is outside has another colour.

    The binning is of the screen: it decides no number.
    """
    edges = np.linspace(min(values.min(), low), max(values.max(), high), 41)
    inside = (values >= low) & (values <= high)
    data = []
    for name, rows, color in (("kept", inside, BEFORE), ("dropped", ~inside, CUT)):
        counts, _ = np.histogram(values[rows], edges)
        data.append(
            {"type": "bar", "name": name, "x": (edges[1:] + edges[:-1]) / 2, "y": counts}
            | {"width": edges[1] - edges[0], "marker": {"color": color}}
        )
    y = {"title": {"text": "Clips"}}
    fig = figure(data, x=x, y=y, showlegend=True, legend=LEGEND, barmode="stack")
    return moments(fig, np.array([low, high]), CUT)

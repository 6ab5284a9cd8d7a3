"""A map of clips, and how far each clip is from its nearest neighbour."""

import numpy as np
import plotly.graph_objects as go

from core.eda.colouring import OTHERS, UNKNOWN, Colour, Density
from core.eda.duplicates import Duplicates
from core.eda.projection import Projection
from core.figures import palette
from core.figures.base import chart_config, figure
from core.safe_text import plotly

HEIGHT = 560
MARGIN = {"l": 58, "r": 12, "t": 8, "b": 44}
LEGEND = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12}}
LEGEND |= {"itemsizing": "constant"}  # small points have legible marks
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "cross", "star", "hexagon")
TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
CLEAR = "rgba(138,151,156,0)"
FULL = "rgba(138,151,156,0.9)"


def config(name: str) -> dict:
    """The toolbar of a map: with lasso and box."""
    return chart_config(name) | {"modeBarButtonsToRemove": ["autoScale2d"]}


def cloud(
    made: Projection,
    colours: Colour,
    *,
    shown: np.ndarray,
    names: list[str],
    title: str,
    frame: np.ndarray,
    crowd: Density | None = None,
    drag: str = "zoom",
) -> go.Figure:
    """Every clip a point in the plane, coloured by a label or a feature.

    Parameters
    ----------
    made, colours
        The map and its colours.
    shown : np.ndarray [shape=(m,), int]
        Positions of the clips drawn as points; ``names`` (m,) are theirs.
    title : str
        What colours mean, with its unit.
    frame : np.ndarray [shape=(2, 2)]
        What is shown at first: low and high of x and of y.
    crowd : Density, optional
        Drawn beneath, where not all clips are points.
    drag : {"zoom", "lasso", "select"}
        What a drag does; Streamlit reports clicks on points with "zoom" only.
    """
    points = [_numbers, _groups][not colours.numeric]
    data = points(made.xy, colours, shown, np.array(names, dtype=object), title)
    if crowd is not None:
        data.insert(0, _crowd(crowd))
    look = {"showgrid": True, "gridcolor": "rgba(138,151,156,0.15)"}
    x, y = (
        {"title": {"text": plotly(t)}, "range": ends} | look
        for t, ends in zip(made.axes, frame.tolist(), strict=True)
    )
    layout = {"dragmode": drag, "showlegend": not colours.numeric, "legend": LEGEND}
    margin = MARGIN | ({"r": 78} if colours.numeric else {"t": 34})
    return figure(data, x=x, y=y, height=HEIGHT, margin=margin, **layout)


def _groups(
    xy: np.ndarray, colours: Colour, shown: np.ndarray, names: np.ndarray, title: str
) -> list[dict]:
    """One trace a group, the largest first; groups differ in colour and in shape."""
    traces, clear = [], 0.8 if shown.size <= 1500 else 0.55
    own = palette.of_groups(colours.groups)
    for i, (group, color) in enumerate(zip(colours.groups, own, strict=True)):
        here = colours.values[shown] == i
        color = {UNKNOWN: palette.QUIET, OTHERS: palette.OTHERS}.get(group, color)
        symbol = "circle-open" if group in (UNKNOWN, OTHERS) else SYMBOLS[i % len(SYMBOLS)]
        total = int((colours.values == i).sum())
        look = {
            "name": f"{plotly(group, 24)} ({total:,})",
            "text": [plotly(n, 60) for n in names[here]],
            "hovertemplate": f"%{{text}}<br>{plotly(group, 40)}<extra></extra>",
            "marker": {
                "color": color,
                "symbol": symbol,
                "size": _size(shown.size),
                "opacity": clear,
            },
        }
        traces.append(_scatter(xy[shown[here]], look))
    return traces


def _numbers(
    xy: np.ndarray, colours: Colour, shown: np.ndarray, names: np.ndarray, title: str
) -> list[dict]:
    """One trace coloured by value, and one in grey of clips without a value."""
    values = colours.values[shown]
    known = np.isfinite(values)
    ends = np.nanpercentile(colours.values, [5, 95]) if known.any() else (0.0, 1.0)
    bar = {"title": {"text": plotly(title, 60), "side": "right"}, "thickness": 12, "x": 1.01}
    marker = {
        "color": values[known].astype(np.float32),
        "colorscale": palette.colorscale(palette.RISING),
        "cmin": float(ends[0]),
        "cmax": float(ends[1]),
        "colorbar": bar,
        "size": _size(shown.size),
        "opacity": 0.85,
    }
    look = {
        "name": plotly(title, 60),
        "text": [plotly(n, 60) for n in names[known]],
        "hovertemplate": "%{text}<br>%{marker.color:.4~g}<extra></extra>",
        "marker": marker,
    }
    traces = [_scatter(xy[shown[known]], look)]
    if not known.all():
        grey = {"color": palette.QUIET, "symbol": "circle-open", "size": _size(shown.size)}
        text = [plotly(n, 60) for n in names[~known]]
        said = "%{text}<br>not known<extra></extra>"
        look = {"text": text, "hovertemplate": said, "marker": grey}
        traces.append(_scatter(xy[shown[~known]], look))
    return traces


def _scatter(xy: np.ndarray, look: dict) -> dict:
    x, y = np.asarray(xy, np.float32).T
    return {"type": "scatter", "mode": "markers", "x": x, "y": y} | look


def _size(points: int) -> int:
    return 9 if points <= 400 else 7 if points <= 1500 else 5


def _crowd(crowd: Density) -> dict:
    """Clips per cell in grey, on a log scale; empty cells are clear."""
    z = np.log10(np.maximum(crowd.counts, 1)) + (crowd.counts > 0) * 0.3
    return {
        "type": "heatmap",
        "x": crowd.x.astype(np.float32),
        "y": crowd.y.astype(np.float32),
        "z": z.astype(np.float32),
        "colorscale": [[0.0, CLEAR], [1.0, FULL]],
        "showscale": False,
        "hoverinfo": "skip",
    }


def distances(found: Duplicates) -> go.Figure:
    """How far clips are from their nearest neighbour, log axis; the line is the threshold."""
    edges = 10 ** np.asarray(found.edges, float)
    bars = {
        "type": "bar",
        "x": ((edges[:-1] * edges[1:]) ** 0.5).astype(np.float32),
        "width": np.diff(edges).astype(np.float32),
        "y": found.counts.astype(np.int32),
        "marker": {"color": palette.BEFORE},
        "hovertemplate": "distance %{x:.3~g}: %{y:,} clips<extra></extra>",
    }
    line = {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": found.threshold,
        "x1": found.threshold,
        "y0": 0,
        "y1": 1,
        "line": {"color": palette.CUT, "width": 2, "dash": "dash"},
    }
    ticks = {"tickvals": list(TICKS), "ticktext": [f"{t:g}" for t in TICKS]}
    x = {"type": "log", "title": {"text": "Distance to the nearest other clip (no unit)"}} | ticks
    y = {"title": {"text": "Clips"}}
    shapes = [line] if found.threshold > 0 else []
    return figure([bars], x=x, y=y, height=220, margin=MARGIN, bargap=0, shapes=shapes)

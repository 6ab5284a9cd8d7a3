"""How features go together: the heat map, one pair as points or density, and effect sizes.

Conventions: ``titles`` gives each column's name with its unit, as plain text.
"""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from core.eda.correlations import ALPHA, CODES, Correlations, Pair
from core.eda.effects import Effects
from core.figures.base import AXIS, figure
from core.figures.palette import AFTER, BEFORE, DIVERGING, GROUPS, QUIET, RISING, colorscale
from core.safe_text import plotly

WRITTEN = 16  # columns up to which the numbers stand in the cells
SHOWN = 25  # effects in one figure
_JITTER = 0.16  # of coded labels, so that points do not lie on one line
_NAMES = {"d": "Cohen's d", "delta": "Cliff's delta"}


def heat_map(found: Correlations, titles: Mapping[str, str], picked: tuple[str, str]) -> go.Figure:
    """Correlations times 100, diagonal masked, centred at 0.

    Trace 0 is the colours, trace 1 rings where the coefficient is not significant, trace 2 the
    invisible points that a click reports: x and y are places in ``found.names``. The cell of the
    pair ``picked`` is framed.
    """
    k = len(found.names)
    ticks = [plotly(titles.get(n, n), 34) for n in found.names]
    size = max(16, min(34, 640 // k))
    axis = {
        "tickvals": list(range(k)),
        "ticktext": ticks,
        "showgrid": False,
        "ticks": "",
        "title": {"text": "Column"},
    }
    x = axis | {"range": [-0.5, k - 0.5], "tickangle": -45, "automargin": True}
    y = axis | {"range": [k - 0.5, -0.5], "automargin": True}
    data = [_cells(found, k), _rings(found), _targets(found, k, size)]
    margin = {"l": 10, "r": 10, "t": 36, "b": 10}  # the toolbar lies above the cells
    return figure(
        data, x=x, y=y, height=k * size + 218, margin=margin, shapes=_frame(found, picked)
    )


def _cells(found: Correlations, k: int) -> dict:
    z = (100 * found.r).astype(np.float32)
    words = {"texttemplate": "%{z:.0f}", "textfont": {"size": 10 if k > 12 else 11}}
    return {
        "type": "heatmap",
        "z": z,
        "zmin": -100,
        "zmax": 100,
        "xgap": 1,
        "ygap": 1,
        "colorscale": colorscale(DIVERGING),
        "hoverinfo": "skip",
        "colorbar": {
            "title": {"text": "r × 100<br> "},  # the empty line keeps it off the first number
            "thickness": 10,
            "outlinewidth": 0,
        },
    } | (words if k <= WRITTEN else {})


def _rings(found: Correlations) -> dict:
    y, x = np.nonzero(found.corrected >= ALPHA)
    ring = {"symbol": "circle-open", "size": 5, "color": "rgb(90,100,104)", "line": {"width": 1}}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": (x + 0.34).astype(np.float32),
        "y": (y - 0.32).astype(np.float32),
        "marker": ring,
        "hoverinfo": "skip",
    }


def _targets(found: Correlations, k: int, size: int) -> dict:
    y, x = np.nonzero(np.isfinite(found.r))
    at = (found.r[y, x], found.corrected[y, x], found.n[y, x])
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x.astype(np.int16),
        "y": y.astype(np.int16),
        "customdata": np.stack(at, axis=1).astype(np.float32),
        "marker": {"symbol": "square", "size": size, "color": BEFORE, "opacity": 0},
        "selected": {"marker": {"opacity": 0}},
        "unselected": {"marker": {"opacity": 0}},
        "hovertemplate": "%{x}<br>%{y}<br>r = %{customdata[0]:.3f}, corrected p = "
        "%{customdata[1]:.2g}, n = %{customdata[2]:,.0f}<extra></extra>",
    }


def _frame(found: Correlations, picked: tuple[str, str]) -> list[dict]:
    if not {*picked} <= {*found.names}:
        return []
    x, y = (found.names.index(n) for n in picked)
    ends = {"x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
    return [{"type": "rect", "line": {"color": AFTER, "width": 3}, **ends}]


def scatter(
    found: Pair, x: str, y: str, titles: Mapping[str, str], *, rows: str = "Clips"
) -> go.Figure:
    """Two columns against each other, with the counts of each along the sides.

    Points where there is a sample of them or all, one trace for each group, in ``found.groups``'
    order; with one group and more rows than points a density picture. ``rows`` says what is
    counted.
    """
    named = len(found.groups) > 1 or found.groups[0] != ""
    dense = not named and found.n > found.x.size
    data = [_density(found, rows)] if dense else _points(found, x, y)
    data += _sides(found)
    bottom = _axis(x, titles, found.edges[0]) | {"domain": [0, 0.8]}
    left = _axis(y, titles, found.edges[1]) | {"domain": [0, 0.78]}
    counts = AXIS | {"title": {"text": rows}, "nticks": 3, "rangemode": "tozero"}
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "itemsizing": "constant"}
    return figure(
        data,
        x=bottom,
        y=left,
        height=520,
        margin={"l": 76, "r": 16, "t": 40 if named else 8, "b": 48},
        xaxis2=counts | {"domain": [0.83, 1], "anchor": "y"},
        yaxis2=counts | {"domain": [0.81, 1], "anchor": "x"},
        showlegend=named,
        legend=legend,
        barmode="overlay",
    )


def _axis(name: str, titles: Mapping[str, str], edges: np.ndarray) -> dict:
    axis = {"title": {"text": plotly(titles.get(name, name), 60)}}
    room = 0.02 * float(edges[-1] - edges[0])
    axis["range"] = [float(edges[0]) - room, float(edges[-1]) + room]
    words = CODES.get(name)
    if words:
        axis |= {"tickvals": list(range(len(words))), "ticktext": list(words)}
    return axis


def _density(found: Pair, rows: str) -> dict:
    counts = found.counts.astype(np.float32)
    low, high = 0.0, float(np.log10(max(2.0, counts.max())))
    counts[counts == 0] = np.nan
    ticks = [t for t in (1, 10, 100, 1000, 10_000, 100_000) if np.log10(t) <= high]
    bar = {"title": {"text": rows}, "tickvals": np.log10(ticks).tolist(), "thickness": 9}
    bar |= {"ticktext": [f"{t:,}" for t in ticks], "len": 0.2, "y": 0.9, "x": 0.86, "xpad": 0}
    return {
        "type": "heatmap",
        "x": found.edges[0].astype(np.float32),
        "y": found.edges[1].astype(np.float32),
        "z": np.log10(counts),
        "customdata": np.nan_to_num(counts).astype(np.int32),
        "zmin": low,
        "zmax": high,
        "colorscale": colorscale(RISING),
        "colorbar": bar | {"outlinewidth": 0},
        "hovertemplate": "%{x:.4~g}, %{y:.4~g}: %{customdata:,}<extra></extra>",
    }


def _points(found: Pair, x: str, y: str) -> list[dict]:
    rng = np.random.default_rng(0)
    spread = rng.uniform(-_JITTER, _JITTER, (2, found.x.size))
    at = [
        v + s * (name in CODES)
        for v, s, name in zip((found.x, found.y), spread, (x, y), strict=True)
    ]
    traces = []
    for g, name in enumerate(found.groups):
        own = np.flatnonzero(found.group == g)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plotly(name, 30),
                "x": at[0][own].astype(np.float32),
                "y": at[1][own].astype(np.float32),
                "customdata": own.astype(np.int16),
                "marker": {"size": 6, "color": _color(found, g), "opacity": 0.65},
                "unselected": {"marker": {"opacity": 0.4}},
                "hovertemplate": "%{x:.4~g}, %{y:.4~g}<extra></extra>",
            }
        )
    return traces


def _sides(found: Pair) -> list[dict]:
    traces = []
    for i, (edges, counts) in enumerate(zip(found.edges, found.sides, strict=True)):
        centres = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
        width = float(edges[1] - edges[0])
        for g in range(len(found.groups)):
            bars = {"type": "bar", "width": width, "showlegend": False, "hoverinfo": "skip"}
            bars |= {"marker": {"color": _color(found, g), "line": {"width": 0}}, "opacity": 0.55}
            n = counts[g].astype(np.int32)
            bars |= {"x": centres, "y": n, "yaxis": "y2"} if i == 0 else {}
            bars |= {"x": n, "y": centres, "xaxis": "x2", "orientation": "h"} if i == 1 else {}
            traces.append(bars)
    return traces


def _color(found: Pair, g: int) -> str:
    if found.groups[g] in ("others", "not known"):
        return QUIET
    return GROUPS[g % len(GROUPS)]


def dots(found: Effects, titles: Mapping[str, str], *, most: int = SHOWN) -> go.Figure:
    """Effect sizes and their 95 % intervals, strongest at the top.

    Filled where the interval leaves 0 out, hollow where it does not.
    """
    there = [i for i in range(len(found.names)) if np.isfinite(found.effect[i])][:most]
    effect, low, high = (v[there] for v in (found.effect, found.low, found.high))
    sure = (low > 0) | (high < 0)
    a, b = (plotly(g.value, 24) for g in found.groups)
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": effect.astype(np.float32),
        "y": np.arange(len(there), dtype=np.int16),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": np.nan_to_num(high - effect).astype(np.float32),
            "arrayminus": np.nan_to_num(effect - low).astype(np.float32),
            "thickness": 1.5,
            "width": 3,
            "color": QUIET,
        },
        "marker": {
            "size": 9,
            "color": [GROUPS[0] if e > 0 else GROUPS[1] for e in effect],
            "symbol": ["circle" if s else "circle-open" for s in sure],
        },
        "customdata": np.stack([low, high], axis=1).astype(np.float32),
        "hovertemplate": "%{y}: %{x:.2f} (95 % interval %{customdata[0]:.2f} to "
        "%{customdata[1]:.2f})<extra></extra>",
    }
    names = [plotly(titles.get(found.names[i], found.names[i]), 40) for i in there]
    title = f"{_NAMES[found.measure]} (no unit): ← higher for {b} | higher for {a} →"
    x = {"title": {"text": title}, "zeroline": True, "zerolinecolor": QUIET}
    if found.measure == "delta":
        x["range"] = [-1.05, 1.05]
    y = {"tickvals": list(range(len(there))), "ticktext": names, "automargin": True, "ticks": ""}
    y |= {"range": [len(there) - 0.4, -0.6], "title": {"text": "Feature"}}
    height = 90 + 24 * max(4, len(there))
    return figure([points], x=x, y=y, height=height, margin={"l": 10, "r": 16, "t": 8, "b": 48})

"""Class balance, histograms, boxes, every clip as a point, and what rules cost each group."""

import numpy as np
import plotly.graph_objects as go

from core.eda.distributions import OTHERS, UNKNOWN, Balance, Boxes, Distribution, Strip
from core.eda.outliers import Loss
from core.eda.violins import Violins
from core.figures import palette
from core.figures.base import figure
from core.safe_text import plotly

TITLES = {"clips": "Clips", "seconds": "Seconds", "speakers": "Speakers"}
NICE = (1.0, 2.0, 5.0)
LEGEND = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12}}
LEGEND |= {"itemsizing": "constant"}  # small points have legible marks
MARGIN = {"l": 66, "r": 12, "t": 8, "b": 50}
ROW = 26  # pixels of a group's bar


def balance(found: Balance, measure: str) -> go.Figure:
    """Bars of the groups of a label; ``measure`` is "clips", "seconds" or "speakers"."""
    names = [plotly(g, 24) for g in found.groups]
    values = np.asarray(getattr(found, measure), np.float32)
    bar = {
        "type": "bar",
        "orientation": "h",
        "x": values,
        "y": names,
        "marker": {"color": palette.BEFORE},
        "hovertemplate": "%{y}: %{x:,.0f}<extra></extra>",
        "texttemplate": "%{x:,.0f}",
        "textposition": "auto",
        "cliponaxis": False,
    }
    y = {"type": "category", "autorange": "reversed", "automargin": True, "ticks": ""}
    y["title"] = {"text": None}
    x = {"title": {"text": TITLES[measure]}, "rangemode": "tozero", "tickformat": ",~r"}
    return figure([bar], x=x, y=y, height=_height(len(names)), margin=MARGIN | {"r": 30})


def histogram(
    found: Distribution,
    *,
    title: str,
    stacked: bool = False,
    density: bool = False,
    cuts: tuple[float | None, float | None] = (None, None),
) -> go.Figure:
    """Counts, or densities with an area of 1, over the values of a feature; a drag marks a range.

    ``title`` is the feature with its unit; ``cuts`` are lines, in its unit. Overlaid, each group
    has an area of its own; stacked, all groups together.
    """
    widths = np.diff(found.edges).astype(np.float32)
    centres = (found.edges[:-1] + found.edges[1:]).astype(np.float32) / 2
    totals = found.counts.sum(axis=1, keepdims=True)
    totals = np.maximum(1, totals.sum() if stacked else totals)
    heights = found.counts / (totals * widths) if density else found.counts
    shown = np.expm1(centres) if found.log else centres
    number = ".3g" if density else ",.0f"
    data = [
        {
            "type": "bar",
            "name": plotly(group, 30),
            "x": centres,
            "y": height.astype(np.float32 if density else np.int32),
            "width": float(widths[0]),
            "customdata": shown.astype(np.float32),
            "marker": {"color": colour, "line": {"width": 0}},
            "opacity": 1.0 if stacked or len(found.groups) == 1 else 0.7,
            "hovertemplate": f"%{{customdata:.4~g}}: %{{y:{number}}}"
            f"<extra>{plotly(group, 30)}</extra>",
        }
        for group, height, colour in zip(found.groups, heights, _colours(found.groups), strict=True)
    ]
    layout = {
        "barmode": "stack" if stacked else "overlay",
        "bargap": 0,
        "dragmode": "select",
        "selectdirection": "h",
        "shapes": _lines(cuts, found.log),
        **_legend(len(found.groups)),
    }
    y = {"title": {"text": "Density" if density else "Clips"}, "rangemode": "tozero"}
    y |= {} if density else {"tickformat": ",~r"}
    x = _value_axis(title, found.log, float(found.edges[0]), float(found.edges[-1]))
    return figure(data, x=x, y=y, height=340, **layout)


def boxes(found: Boxes, shapes: Violins, *, title: str, by: str = "") -> go.Figure:
    """Of every group its density, and beneath it its box.

    Boxes are quartiles and the last values within 1.5 interquartile ranges. A group of few clips
    has its clips as points instead of a density. ``by`` is the label that splits them, in words.
    """
    data = []
    tallest = np.nanmax(shapes.density, initial=0.0) or 1.0
    for i, (group, colour) in enumerate(zip(found.groups, _colours(found.groups), strict=True)):
        if np.isfinite(shapes.bandwidth[i]):
            data.append(_shape(shapes.grid, shapes.density[i] / tallest, i, colour))
        else:
            data.append(_clips(shapes.points[i], i, colour, found.log))
        data += _box(found, i, group, colour)
    k = len(found.groups)
    y = {"tickvals": list(range(k)), "range": [k - 0.5, -0.5], "showgrid": False, "ticks": ""}
    y |= {"ticktext": [_counted(g, n) for g, n in zip(found.groups, found.n, strict=True)]}
    y |= {"automargin": True, "title": {"text": plotly(by, 40) or "Clips"}}
    x = _value_axis(title, found.log, float(shapes.grid[0]), float(shapes.grid[-1]))
    return figure(data, x=x, y=y, height=_height(k, 76), margin=MARGIN)


def _shape(grid: np.ndarray, tall: np.ndarray, row: int, colour: str) -> dict:
    """A density, 0 to 1 tall, standing on its row."""
    there = np.isfinite(tall)
    x, y = grid[there].astype(np.float32), (row + 0.1 - 0.55 * tall[there]).astype(np.float32)
    floor = np.float32(row + 0.1)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": np.concatenate([x[:1], x, x[-1:]]),
        "y": np.concatenate([[floor], y, [floor]]),
        "fill": "toself",
        "line": {"color": colour, "width": 1},
        "hoverinfo": "skip",
    }


def _clips(values: np.ndarray, row: int, colour: str, log: bool) -> dict:
    """The clips of a small group, spread a little so that equal ones are seen."""
    up = np.resize(np.array([0.0, -0.12, 0.06, -0.06, -0.18], np.float32), values.size)
    return {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        "y": row - 0.08 + up,
        "customdata": np.expm1(values) if log else values,
        "marker": {"color": colour, "size": 6, "opacity": 0.8},
        "hovertemplate": "%{customdata:.5~g}<extra></extra>",
    }


def _box(found: Boxes, i: int, group: str, colour: str) -> list[dict]:
    """The box of a group, and an invisible point that says its numbers."""
    fields = (
        ("lowerfence", "low"),
        ("q1", "q1"),
        ("median", "median"),
        ("q3", "q3"),
        ("upperfence", "high"),
    )
    five = {name: [float(getattr(found, field)[i])] for name, field in fields}
    shown = {k: float(np.expm1(v[0]) if found.log else v[0]) for k, v in five.items()}
    words = (
        f"{plotly(group, 30)}: median {shown['median']:.4g}, middle half {shown['q1']:.4g} to "
        f"{shown['q3']:.4g}, whiskers {shown['lowerfence']:.4g} to {shown['upperfence']:.4g}"
    )
    box = {"type": "box", "orientation": "h", "y": [i + 0.27], "width": 0.22, **five}
    box |= {"marker": {"color": colour}, "line": {"width": 1.5}, "hoverinfo": "skip"}
    point = {"type": "scatter", "mode": "markers", "x": five["median"], "y": [i + 0.27]}
    marker = {"color": colour, "size": 12, "opacity": 0}
    return [box, point | {"marker": marker, "hovertemplate": f"{words}<extra></extra>"}]


def strip(found: Strip, *, title: str, log: bool = False) -> go.Figure:
    """Every clip as a point, in table order; a point's ``customdata`` is its place in ``found``."""
    data = []
    numbers = np.arange(found.points.size, dtype=np.int32)
    for g, (group, colour) in enumerate(zip(found.groups, _colours(found.groups), strict=True)):
        at = numbers[found.group == g]
        values = found.points[at]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plotly(group, 30),
                "x": at,
                "y": np.log1p(values) if log else values,
                "customdata": values,
                "marker": {"color": colour, "size": 5, "opacity": 0.8},
                "hovertemplate": f"%{{customdata:.5~g}}<extra>{plotly(group, 30)}</extra>",
            }
        )
    drawn = (
        "" if found.of == found.points.size else f", {found.points.size:,} of {found.of:,} drawn"
    )
    ends = found.points.min(initial=np.inf), found.points.max(initial=-np.inf)
    low, high = (np.log1p(ends) if log else np.array(ends)).tolist() if numbers.size else (0, 1)
    room = 0.04 * (high - low or 1.0)
    y = _value_axis(title, log, low - room, high + room)
    room = max(1, found.points.size // 60)
    x = {"title": {"text": f"Clip, in table order{drawn}"}}
    x["range"] = [-room, found.points.size - 1 + room]
    layout = {"clickmode": "event+select", "dragmode": "zoom"}
    return figure(data, x=x, y=y, height=340, **layout, **_legend(len(found.groups)))


def losses(rows: tuple[Loss, ...], everybody: Loss) -> go.Figure:
    """Share of its clips that each group loses, in percent, with its interval, and everybody's."""
    names = [f"{plotly(x.value, 24)} ({x.clips_lost:,} of {x.clips:,})" for x in rows]
    rate = np.array([100 * x.rate for x in rows], np.float32)
    high = np.array([100 * x.high for x in rows], np.float32)
    low = np.array([100 * x.low for x in rows], np.float32)
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": rate,
        "y": names,
        "marker": {"color": palette.BEFORE, "size": 9},
        "error_x": {
            "array": np.maximum(0, high - rate),
            "arrayminus": np.maximum(0, rate - low),
            "color": palette.BEFORE,
            "thickness": 1.5,
            "width": 4,
        },
        "customdata": np.stack([low, high], axis=1),
        "hovertemplate": "%{y}: %{x:.2f} %, between %{customdata[0]:.2f} and "
        "%{customdata[1]:.2f} %<extra></extra>",
    }
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    line |= {"x0": 100 * everybody.rate, "x1": 100 * everybody.rate}
    shapes = [line | {"line": {"color": palette.QUIET, "width": 1, "dash": "dot"}}]
    y = {"type": "category", "autorange": "reversed", "automargin": True, "title": {"text": None}}
    x = {"title": {"text": "Clips lost (%)"}, "rangemode": "tozero"}
    height = _height(len(rows), 32)
    return figure([points], x=x, y=y, height=height, margin=MARGIN, shapes=shapes)


def _colours(groups: tuple[str, ...]) -> list[str]:
    fixed = {UNKNOWN: palette.QUIET, OTHERS: palette.OTHERS}
    return [fixed.get(g, c) for g, c in zip(groups, palette.of_groups(groups), strict=True)]


def _legend(groups: int) -> dict:
    if groups < 2:
        return {"margin": MARGIN}
    return {"showlegend": True, "legend": LEGEND, "margin": MARGIN | {"t": 34}}


def _height(rows: int, row: int = ROW) -> int:
    return 70 + row * max(2, rows)


def _counted(group: str, n: int) -> str:
    return f"{plotly(group, 24) or 'all'} ({n:,})"


def _lines(cuts: tuple[float | None, float | None], log: bool) -> list[dict]:
    style = {"type": "line", "yref": "paper", "y0": 0, "y1": 1}
    style["line"] = {"color": palette.CUT, "width": 2, "dash": "dash"}
    at = [float(np.log1p(max(c, 0)) if log else c) for c in cuts if c is not None]
    return [style | {"x0": x, "x1": x} for x in at]


def _value_axis(title: str, log: bool, low: float, high: float) -> dict:
    """An axis of values; positions are log1p of them with ``log``, ticks are the values."""
    axis = {"title": {"text": plotly(title, 80) + (", log1p scale" if log else "")}}
    axis["range"] = [low, high]
    if not log:
        return axis
    ends = np.expm1([max(low, 0.0), high])
    ticks = _nice(*ends)
    return axis | {"tickvals": np.log1p(ticks).tolist(), "ticktext": [f"{t:,g}" for t in ticks]}


def _nice(low: float, high: float) -> list[float]:
    """About five to nine round values between two values, as even on a log scale as they get."""
    powers = range(-4, 10)
    ticks = [0.0, *(m * 10.0**p for p in powers for m in NICE)]
    inside = [t for t in ticks if low <= t <= high]
    apart = (np.log1p(high) - np.log1p(low)) / 12
    kept: list[float] = []
    for t in reversed(inside):
        if not kept or np.log1p(kept[-1]) - np.log1p(t) >= apart:
            kept.append(t)
    if len(kept) >= 4:
        return kept
    step = 10.0 ** np.floor(np.log10(max(high - low, 1e-9)))
    step *= next(m for m in (0.1, 0.2, 0.5, 1.0) if (high - low) / (step * m) <= 9 or m == 1.0)
    first = np.ceil(low / step)
    return [
        float(f"{(first + i) * step:.6g}") for i in range(int((high - first * step) / step) + 1)
    ]

"""How good a model is, drawn: scores beside baselines, confusions, groups, calibration, curves.

Conventions: shares are drawn in percent; intervals are 95 %; filled points can be trusted, hollow
ones rest on few speakers. ``titles`` gives a column's name with its unit, as plain text.
"""

from collections.abc import Mapping
from math import ceil

import numpy as np
import plotly.graph_objects as go

from core.datasets.labels import DECADES
from core.figures.base import AXIS, figure
from core.figures.palette import AFTER, BEFORE, CUT, GROUPS, QUIET, REMOVED, colorscale
from core.models.base import Predictions
from core.models.curves import Importance, LearningCurve, Panel, SearchCurves
from core.models.groups import GroupScore, Interval
from core.models.judge import Calibration, Coverage, Scores
from core.models.leaks import LeakLab
from core.models.shortcuts import Shortcuts
from core.safe_text import plotly

WRITTEN = 16  # labels up to which counts stand in the cells
SHOWN = 40  # groups or columns in one figure
BLUES = ((238, 243, 248), (160, 198, 230), (75, 137, 200), (24, 79, 149))
MARGIN = {"l": 66, "r": 16, "t": 8, "b": 48}
ABOVE = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12}}
METRICS = {
    "balanced_accuracy": "Balanced accuracy (%)",
    "score": "Score (%)",
    "mae": "Mean absolute error (years)",
}
MARKERS = {"type": "scatter", "mode": "markers"}
BAND = 0.18


def confusion(scores: Scores, picked: tuple[str, str] | None = None) -> go.Figure:
    """Counts of true label (row) against answer (column), coloured by the share of the row.

    Trace 1 holds the invisible points that a click reports: x and y are places in
    ``shown_labels(scores)``. The cell ``picked``, (true, said), is framed.
    """
    labels = shown_labels(scores)
    order = [scores.labels.index(name) for name in labels]
    counts, ratios = (v[np.ix_(order, order)] for v in (scores.confusion, scores.ratios))
    k = len(labels)
    size = max(14, min(72, 560 // k))
    axis = {
        "tickvals": list(range(k)),
        "ticktext": [plotly(name, 24) for name in labels],
        "showgrid": False,
        "ticks": "",
        "ticklabelstandoff": 4,
        "automargin": True,
    }
    x = axis | {"range": [-0.5, k - 0.5], "title": {"text": "The model says"}}
    y = axis | {"range": [k - 0.5, -0.5], "title": {"text": "Label"}}
    data = [_cells(counts, ratios, k), _targets(counts, ratios, size)]
    margin = {"l": 10, "r": 10, "t": 36, "b": 10}
    frame = _frame(labels, picked)
    # Cells are wider than their points: a click anywhere in one must find it.
    layout = {"margin": margin, "shapes": frame, "hoverdistance": -1}
    return figure(data, x=x, y=y, height=k * size + 130, **layout)


def shown_labels(scores: Scores) -> tuple[str, ...]:
    """The labels in the order in which they are drawn: ages from young to old."""
    if not {*scores.labels} <= {*DECADES}:
        return scores.labels
    return tuple(sorted(scores.labels, key=DECADES.__getitem__))


def score_plot(scores: Scores, name: str | None = None) -> go.Figure:
    """One score of the model and of what it must beat, each with its interval.

    ``name`` is a score's key, by default the main one.
    """
    one = next((s for s in scores.scores if s.name == name), scores.main)
    rows = [("This model", one.score, BEFORE)]
    rows += [(b.label, b.scores[one.name], QUIET) for b in scores.baselines if one.name in b.scores]
    share = _is_share(one.name)
    scale = 100 if share else 1
    unit = "%" if share else one.unit
    title = f"{one.label} ({unit})" if unit else f"{one.label} (no unit)"
    points = _dots([(*row, "circle") for row in rows], scale, unit)
    x = {"title": {"text": title}}
    if share:
        x["range"] = [max(-2.0, 100 * np.nanmin([v[:2] for _, v, _ in rows]) - 8), 102]
    digits = 1 if share or one.unit else 3
    y = _rows([f"{name}: {scale * v.value:.{digits}f} {unit}" for name, v, _ in rows])
    return figure([points], x=x, y=y, height=_height(len(rows), 34), margin=MARGIN | {"l": 10})


def group_dots(groups: tuple[GroupScore, ...], *, years: bool = False) -> go.Figure:
    """Share answered right (mean error in years) in each group, largest group first.

    A point's ``customdata`` is its place in ``groups``. Hollow: fewer than five speakers.
    """
    shown = groups[:SHOWN]
    names = [", ".join(plotly(n, 24) for n in g.names) + f" ({_counted(g)})" for g in shown]
    scale, unit = (1, "years") if years else (100, "%")
    looks = [(QUIET, "circle-open") if g.few else (BEFORE, "circle") for g in shown]
    rows = [(n, g.score, *look) for n, g, look in zip(names, shown, looks, strict=True)]
    points = _dots(rows, scale, unit)
    points["customdata"] = np.arange(len(shown), dtype=np.int16)
    title = "Mean absolute error (years)" if years else "Answered right (%)"
    x = {"title": {"text": title}} | ({"rangemode": "tozero"} if years else {"range": [-2, 103]})
    layout = {"margin": MARGIN | {"l": 10}, "clickmode": "event+select"}
    return figure([points], x=x, y=_rows(names), height=_height(len(shown), 26), **layout)


def reliability(found: Calibration) -> go.Figure:
    """How often answers of each confidence are right; on the diagonal they are as sure as right."""
    low = 100 * float(min(found.confidence.min(), np.nanmin(found.right))) - 8
    ends = [max(-2.0, low), 102.0]
    diagonal = _line(ends, ends, "As sure as right", QUIET, dash="dot")
    values = [Interval(*v) for v in zip(found.right, found.low, found.high, strict=True)]
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "This model",
        "x": (100 * found.confidence).astype(np.float32),
        "y": (100 * found.right).astype(np.float32),
        "error_y": _whiskers(values, 100, BEFORE),
        "marker": {"color": BEFORE, "size": 8},
        "line": {"color": BEFORE, "width": 1.5},
        "customdata": found.clips.astype(np.int32),
        "hovertemplate": "%{x:.0f} % sure, right in %{y:.0f} %: %{customdata:,} clips"
        "<extra></extra>",
    }
    x = {"title": {"text": "Confidence (%)"}, "range": ends}
    reach = max(-2.0, min(low, 100 * float(np.nanmin(found.low)) - 3))  # whole whiskers
    y = {"title": {"text": "Right (%)"}, "range": [reach, 102.0]}
    layout = {"showlegend": True, "legend": ABOVE, "margin": MARGIN | {"t": 34}}
    return figure([diagonal, points], x=x, y=y, height=340, **layout)


def coverage_curve(found: Coverage, threshold: float | None = None) -> go.Figure:
    """What part is answered and how right that is, against the least confidence of an answer."""
    at = (100 * found.thresholds).astype(np.float32)
    data = [
        _band(at, 100 * found.low, 100 * found.high, BEFORE),
        _line(at, 100 * found.right, "Right among the answered", BEFORE),
        _line(at, 100 * found.answered, "Answered", REMOVED, dash="dash"),
    ]
    data[1]["hovertemplate"] = "from %{x:.0f} % on, %{y:.1f} % of answers are right<extra></extra>"
    data[2]["hovertemplate"] = "from %{x:.0f} % on, %{y:.1f} % of clips are answered<extra></extra>"
    x = {"title": {"text": "Least confidence of an answer (%)"}}
    x["range"] = [float(at[0]) - 1, float(at[-1]) + 1]
    y = {"title": {"text": "Clips (%)"}, "range": [-2, 104]}
    shapes = [] if threshold is None else [_upright(100 * threshold, CUT)]
    layout = {"showlegend": True, "legend": ABOVE, "margin": MARGIN | {"t": 34}}
    return figure(data, x=x, y=y, height=340, shapes=shapes, **layout)


def learning(curve: LearningCurve) -> go.Figure:
    """Scores against how many speakers were learnt from: mean, and a band of one deviation."""
    scale = 1 if curve.metric == "mae" else 100
    mean, sd = scale * curve.scores.mean(axis=1), scale * curve.scores.std(axis=1)
    at = np.asarray(curve.units, np.float32)
    line = _line(at, mean, "Held-out speakers", BEFORE)
    line |= {"mode": "lines+markers", "marker": {"color": BEFORE, "size": 8}}
    line["customdata"] = sd.astype(np.float32)
    line["hovertemplate"] = (
        f"%{{x:,.0f}} {curve.unit}: %{{y:.1f}} ± %{{customdata:.1f}}<extra></extra>"
    )
    easy = "Guessing the median" if curve.metric == "mae" else "Chance"
    chance = _line(at[[0, -1]], np.full(2, scale * curve.chance), easy, QUIET, dash="dot")
    data = [_band(at, mean - sd, mean + sd, BEFORE), line, chance]
    ticks = {"tickvals": at, "ticktext": [f"{n:,}" for n in curve.units]}
    x = {"type": "log", "title": {"text": f"{curve.unit.title()} learnt from"}} | ticks
    y = {"title": {"text": METRICS[curve.metric]}}
    layout = {"showlegend": True, "legend": ABOVE, "margin": MARGIN | {"t": 34}}
    return figure(data, x=x, y=y, height=320, **layout)


def search_panels(curves: SearchCurves) -> go.Figure:
    """Scores against one setting, a panel for everything else: training dashed, validation solid.

    Bands are one deviation over folds.
    """
    n = len(curves.panels)
    columns = min(curves.columns, n)
    rows = ceil(n / columns)
    data, layout, notes = [], {}, []
    scale = 1 if curves.metric == "mae" else 100
    ends = _ends(curves, scale)
    for i, panel in enumerate(curves.panels):
        row, column = divmod(i, columns)
        key = "" if i == 0 else str(i + 1)
        across = _slot(column, columns, 0.03)
        up = _slot(rows - 1 - row, rows, 0.11 / rows + 0.06)
        data += _panel(panel, key, scale=scale, legend=i == 0)
        x = AXIS | {"domain": across, "anchor": f"y{key}", "nticks": 5}
        x |= _log_ticks(panel.values) if curves.log else {}
        if row == rows - 1 or i + columns >= n:
            x["title"] = {"text": plotly(curves.setting, 40)}
        y = AXIS | {"domain": up, "anchor": f"x{key}", "range": ends, "nticks": 6}
        y |= {"showticklabels": column == 0}
        y |= {"title": {"text": METRICS[curves.metric]}} if column == 0 else {}
        layout |= {f"xaxis{key}": x, f"yaxis{key}": y}
        notes.append(_heading(plotly(panel.title, 50), across[0], up[1]))
    first = {"x": layout.pop("xaxis"), "y": layout.pop("yaxis")}
    look = {"showlegend": True, "legend": ABOVE | {"y": 1.0, "yref": "container", "yanchor": "top"}}
    margin = MARGIN | {"t": 56}
    return figure(
        data, **first, height=110 + 230 * rows, margin=margin, annotations=notes, **layout, **look
    )


def importance_bars(found: Importance, titles: Mapping[str, str], *, most: int = 20) -> go.Figure:
    """What is lost when inputs are shuffled, mean and deviation, the most important at the top."""
    scale = 1 if found.metric == "mae" else 100
    drops = scale * found.drops[:most]
    names = [_titled(n, titles) for n in found.names[:most]]
    inside = [
        ", ".join(plotly(titles.get(m, m), 40) for m in members[:6])
        + (f" and {len(members) - 6} more" if len(members) > 6 else "")
        for members in found.members[:most]
    ]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": drops.mean(axis=1).astype(np.float32),
        "y": np.arange(len(names), dtype=np.int16),
        "error_x": {
            "type": "data",
            "array": drops.std(axis=1).astype(np.float32),
            "color": QUIET,
            "thickness": 1.5,
            "width": 3,
        },
        "marker": {"color": BEFORE},
        "customdata": inside,
        "hovertemplate": "%{customdata}: %{x:.2f}<extra></extra>",
    }
    unit = "years" if found.metric == "mae" else "points of balanced accuracy"
    x = {
        "title": {"text": f"Lost when shuffled ({unit})"},
        "zeroline": True,
        "zerolinecolor": QUIET,
    }
    layout = {"margin": MARGIN | {"l": 10}, "bargap": 0.35}
    return figure([bars], x=x, y=_rows(names), height=_height(len(names), 24), **layout)


def leak_bars(lab: LeakLab) -> go.Figure:
    """What each split claims on random labels: mean bar, every repeat a point, chance a line."""
    names = ["Split by clip", "Split by speaker"]
    found = [100 * lab.clip, 100 * lab.speaker]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": np.array([v.mean() for v in found], np.float32),
        "y": np.arange(2, dtype=np.int16),
        "marker": {"color": [REMOVED, AFTER]},
        "opacity": 0.75,
        "texttemplate": "%{x:.0f} %",
        "insidetextanchor": "start",
        "textfont": {"color": "white"},
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
    }
    dots = {
        **MARKERS,
        "x": np.concatenate(found).astype(np.float32),
        "y": np.repeat([0, 1], [v.size for v in found]).astype(np.int16),
        "marker": {"color": QUIET, "size": 7, "line": {"color": "white", "width": 1}},
        "hovertemplate": "%{x:.1f} %<extra></extra>",
    }
    x = {"title": {"text": "Balanced accuracy on random labels (%)"}, "range": [0, 102]}
    shapes = [_upright(100 * lab.chance, CUT)]
    note = _heading("truth", lab.chance / 1.02, 1.0) | {"xanchor": "center"}
    layout = {"margin": MARGIN | {"l": 10, "t": 26}, "shapes": shapes, "annotations": [note]}
    return figure([bars, dots], x=x, y=_rows(names), height=190, **layout)


def shortcut_dots(found: Shortcuts, titles: Mapping[str, str]) -> go.Figure:
    """What the recording alone tells: all columns together, then each; the line is chance."""
    rows = [("All together", found.score)]
    rows += [(plotly(titles.get(a.column, a.column), 40), a.score) for a in found.alone]
    scale, unit = (1, "years") if found.years else (100, "%")
    better = [v.high < found.chance if found.years else v.low > found.chance for _, v in rows]
    colours = [REMOVED if b else QUIET for b in better]
    points = _dots(
        [(*row, colour, "circle") for row, colour in zip(rows, colours, strict=True)], scale, unit
    )
    x = {"title": {"text": METRICS["mae" if found.years else "balanced_accuracy"]}}
    shapes = [_upright(scale * found.chance, QUIET)]
    layout = {"margin": MARGIN | {"l": 10}, "shapes": shapes}
    y = _rows([name for name, _ in rows])
    return figure([points], x=x, y=y, height=_height(len(rows), 26), **layout)


def true_and_predicted(predictions: Predictions) -> go.Figure:
    """Answered years against true years; a point's ``customdata`` is its place in the answers."""
    y_true = predictions.y.astype(np.float64)
    said = predictions.answers
    ends = [float(min(y_true.min(), said.min())) - 3, float(max(y_true.max(), said.max())) + 3]
    # Decades make columns of points: a little breadth shows how many there are.
    spread = np.random.default_rng(0).uniform(-1.2, 1.2, y_true.size)
    points = {
        **MARKERS,
        "x": (y_true + spread).astype(np.float32),
        "y": said.astype(np.float32),
        "customdata": np.arange(y_true.size, dtype=np.int32),
        "marker": {"color": BEFORE, "size": 6, "opacity": 0.6},
        "text": [f"{t:.0f} years, answered {s:.0f}" for t, s in zip(y_true, said, strict=True)],
        "hovertemplate": "%{text}<extra></extra>",
    }
    diagonal = _line(ends, ends, "right", QUIET, dash="dot") | {"hoverinfo": "skip"}
    x = {"title": {"text": "Age (years)"}, "range": ends}
    y = {"title": {"text": "Answer (years)"}, "range": ends}
    layout = {"margin": MARGIN, "clickmode": "event+select"}
    return figure([diagonal, points], x=x, y=y, height=420, **layout)


def _cells(counts: np.ndarray, ratios: np.ndarray, k: int) -> dict:
    cells = {
        "type": "heatmap",
        "z": (100 * ratios).astype(np.float32),
        "zmin": 0,
        "zmax": 100,
        "xgap": 1,
        "ygap": 1,
        "colorscale": colorscale(BLUES),
        "hoverinfo": "skip",
        "colorbar": {"title": {"text": "% of label"}, "thickness": 10, "outlinewidth": 0},
    }
    if k > WRITTEN:
        return cells
    words = [
        [f"{n:,}<br>{100 * r:.0f} %" if np.isfinite(r) else "0" for n, r in zip(*row, strict=True)]
        for row in zip(counts, ratios, strict=True)
    ]
    font = {"size": 12 if k < 9 else 9}
    return cells | {"text": words, "texttemplate": "%{text}", "textfont": font}


def _targets(counts: np.ndarray, ratios: np.ndarray, size: int) -> dict:
    y, x = np.nonzero(counts)  # an empty cell has no clips to hear
    return {
        **MARKERS,
        "x": x.astype(np.int16),
        "y": y.astype(np.int16),
        "customdata": np.stack([counts[y, x], 100 * ratios[y, x]], axis=1).astype(np.float32),
        "marker": {"symbol": "square", "size": size, "color": BEFORE, "opacity": 0},
        "selected": {"marker": {"opacity": 0}},
        "unselected": {"marker": {"opacity": 0}},
        "hovertemplate": "labelled %{y}, answered %{x}:<br>%{customdata[0]:,.0f} clips, "
        "%{customdata[1]:.1f} % of the label<extra></extra>",
    }


def _frame(labels: tuple[str, ...], picked: tuple[str, str] | None) -> list[dict]:
    if picked is None or not {*picked} <= {*labels}:
        return []
    y, x = (labels.index(name) for name in picked)
    ends = {"x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
    return [{"type": "rect", "line": {"color": REMOVED, "width": 3}, **ends}]


def _dots(rows: list[tuple[str, Interval, str, str]], scale: float, unit: str) -> dict:
    """Points under one another, each (name, value, colour, symbol), with their intervals."""
    said = [
        f"{name}: {scale * v.value:.2f}"
        + (f" ({scale * v.low:.2f} to {scale * v.high:.2f})" if v.high > v.low else "")
        + f" {unit}"
        for name, v, *_ in rows
    ]
    colours = [row[2] for row in rows]
    return {
        **MARKERS,
        "x": np.array([scale * row[1].value for row in rows], np.float32),
        "y": np.arange(len(rows), dtype=np.int16),
        "error_x": _whiskers([row[1] for row in rows], scale, QUIET),
        "marker": {
            "color": colours,
            "symbol": [row[3] for row in rows],
            "size": 10,
            "line": {"width": 2, "color": colours},
        },
        "text": said,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _whiskers(values: list[Interval], scale: float, colour: str) -> dict:
    up = [np.nan_to_num(max(0.0, v.high - v.value)) for v in values]
    down = [np.nan_to_num(max(0.0, v.value - v.low)) for v in values]
    return {
        "type": "data",
        "symmetric": False,
        "array": (scale * np.array(up)).astype(np.float32),
        "arrayminus": (scale * np.array(down)).astype(np.float32),
        "color": colour,
        "thickness": 1.5,
        "width": 4,
    }


def _line(x, y, name: str, colour: str, dash: str = "solid", **more) -> dict:
    line = {"type": "scatter", "mode": "lines", "name": name, **more}
    line |= {"x": np.asarray(x, np.float32), "y": np.asarray(y, np.float32)}
    return line | {"line": {"color": colour, "width": 2, "dash": dash}}


def _band(x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, **more) -> dict:
    there = np.isfinite(low) & np.isfinite(high)
    x, low, high = (np.asarray(v, np.float32)[there] for v in (x, low, high))
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": np.concatenate([x, x[::-1]]),
        "y": np.concatenate([high, low[::-1]]),
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},{BAND})",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        **more,
    }


def _panel(panel: Panel, key: str, *, scale: float, legend: bool) -> list[dict]:
    axes = {"xaxis": f"x{key}", "yaxis": f"y{key}"}
    data = []
    for scores, name, colour, dash in (
        (panel.train, "Training", GROUPS[1], "dash"),
        (panel.validation, "Validation", GROUPS[0], "solid"),
    ):
        mean, sd = scale * scores[:, 0], scale * scores[:, 1]
        data.append(_band(panel.values, mean - sd, mean + sd, colour, **axes))
        line = _line(panel.values, mean, name, colour, dash, **axes, showlegend=legend)
        line["customdata"] = sd.astype(np.float32)
        line["hovertemplate"] = (
            f"{name} at %{{x:.3~g}}: %{{y:.1f}} ± %{{customdata:.1f}}<extra></extra>"
        )
        data.append(line)
    return data


def _log_ticks(values: np.ndarray) -> dict:
    """Every other power of ten where there are many: labels of neighbours must not touch."""
    wide = np.log10(values.max() / values.min()) > 3
    return {"type": "log", "exponentformat": "power", "tick0": 0, "dtick": 2 if wide else 1}


def _ends(curves: SearchCurves, scale: float) -> list[float]:
    """One range for all panels, so that they compare."""
    both = [v for p in curves.panels for v in (p.train, p.validation)]
    low = scale * min(float(np.nanmin(v[:, 0] - v[:, 1])) for v in both)
    high = scale * max(float(np.nanmax(v[:, 0] + v[:, 1])) for v in both)
    room = 0.06 * (high - low or 1)
    return [low - room, high + room]


def _slot(i: int, n: int, gap: float) -> list[float]:
    width = (1 - gap * (n - 1)) / n
    return [i * (width + gap), min(1.0, i * (width + gap) + width)]


def _heading(text: str, x: float, y: float) -> dict:
    place = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "left"}
    return place | {"yanchor": "bottom", "text": text, "showarrow": False, "font": {"size": 12}}


def _upright(x: float, colour: str) -> dict:
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": float(x), "x1": float(x)}
    return line | {"line": {"color": colour, "width": 1.5, "dash": "dot"}}


def _rows(names: list[str]) -> dict:
    axis = {"tickvals": list(range(len(names))), "ticktext": names, "automargin": True, "ticks": ""}
    axis["ticklabelstandoff"] = 4
    return axis | {"range": [len(names) - 0.4, -0.6], "title": {"text": None}}


def _height(rows: int, row: int) -> int:
    return 80 + row * max(2, rows)


def _is_share(name: str) -> bool:
    return name not in ("auc", "mae", "median_error", "r2")


def _counted(group: GroupScore) -> str:
    clips = f"{group.clips:,} clip{'' if group.clips == 1 else 's'}"
    if group.speakers is None:
        return clips
    return f"{clips}, {group.speakers:,} speaker{'' if group.speakers == 1 else 's'}"


def _titled(name: str, titles: Mapping[str, str]) -> str:
    first, _, alike = name.partition(" and ")
    return plotly(titles.get(first, first), 40) + (f" and {alike}" if alike else "")

"""What a model says about a recording, drawn: probabilities, answers over time, what they rest on.

Conventions: probabilities are drawn in percent; contributions in log odds, or in years where the
model answers with an age; a label has the same colour in every figure.
"""

from collections.abc import Mapping, Sequence
import textwrap

import numpy as np
import plotly.graph_objects as go

from core.figures.base import AXIS, figure, time_axis
from core.figures.clip import waveform
from core.figures.palette import BEFORE, CUT, QUIET, REMOVED, of_groups
from core.figures.pictures import spectrogram
from core.models.predict import Answer, Ground, OverTime
from core.safe_text import plotly
from core.views import Envelope, Image

MOST_LABELS = 8  # bars, the most probable first
MOST_LINES = 4  # labels over time
# Where waveform, spectrogram and answers stand in the figure, from its foot (0) to its top (1).
THREE = ((0.74, 1.0), (0.39, 0.70), (0.0, 0.28))
TWO = ((0.60, 1.0), (0.0, 0.52))
WRAP = 64  # characters in a line of a hover text


def probabilities(found: Answer, threshold: float) -> go.Figure:
    """Probability of each label in percent, the most probable on top; a line at the threshold."""
    labels = ranked(found)
    colours = dict(zip(found.probabilities, of_groups(list(found.probabilities)), strict=True))
    values = [100 * found.probabilities[name] for name in labels]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": np.asarray(values, np.float32),
        "y": np.arange(len(labels)),
        "marker": {"color": [QUIET if found.abstained else colours[n] for n in labels]},
        "text": [f"{value:.1f} %" for value in values],
        "textposition": ["inside" if value > 20 else "outside" for value in values],
        "textangle": 0,
        "hovertemplate": "%{x:.1f} %<extra></extra>",
    }
    x = {"title": {"text": "Probability (%)"}, "range": [0, 100]}
    y = _names([plotly(name, 24) for name in labels])
    shapes = [_line_at(100 * threshold, "x", "y")] if threshold > 0 else []
    height = 36 * len(labels) + 66
    margin = {"l": 10, "r": 16, "t": 8, "b": 48}
    return figure([bars], x=x, y=y, height=height, margin=margin, shapes=shapes)


def ranked(found: Answer) -> list[str]:
    """The labels that are drawn, the most probable first."""
    order = sorted(found.probabilities, key=lambda name: -found.probabilities[name])
    return order[:MOST_LABELS]


def timeline(
    envelope: Envelope,
    image: Image,
    windows: OverTime | None,
    *,
    t0: float,
    t1: float,
    limit: float,
    top_db: float,
    threshold: float = 0.0,
) -> go.Figure:
    """Waveform, mel spectrogram and answers under one another on one time axis in s.

    Parameters
    ----------
    envelope : Envelope
        The waveform.
    image : Image
        Mel levels in dB from ``-top_db`` to 0.
    windows : OverTime or None
        Answers along the recording; None leaves them out.
    t0, t1 : float
        Ends of the time axis, s.
    limit : float
        Range of the amplitude.
    top_db : float
        Range of the levels, dB.
    threshold : float
        Probability below which nothing is said, 0 to 1.
    """
    places = TWO if windows is None else THREE
    wave = waveform(envelope, t0=t0, t1=t1, color=BEFORE, limit=limit).to_plotly_json()
    mel = spectrogram(image, axis="mel", t0=t0, t1=t1, top_db=top_db).to_plotly_json()
    low, high = places[1]
    bar = {"len": high - low, "lenmode": "fraction", "y": low, "yanchor": "bottom"}
    data = [_with_bar(trace, bar) for trace in mel["data"]]
    data += [trace | {"yaxis": "y2", "showlegend": False} for trace in wave["data"]]
    layout = {
        "images": mel["layout"].get("images", []),
        "yaxis2": wave["layout"]["yaxis"] | {"domain": list(places[0]), "anchor": "x"},
        "height": 400 if windows is None else 600,
    }
    y = mel["layout"]["yaxis"] | {"domain": list(places[1])}
    x = time_axis(t0, t1) | {"showgrid": False, "anchor": "y"}
    if windows is not None:
        data += _answers(windows)
        x["anchor"] = "y3"
        layout["yaxis3"] = AXIS | {"domain": list(places[2]), "anchor": "x"} | _answer_axis(windows)
        layout |= {"showlegend": bool(windows.labels), "legend": _between(places)}
        shown = [_line_at(100 * threshold, "y3", "x")] if threshold and windows.labels else []
        layout["shapes"] = shown
    return figure(data, x=x, y=y, **layout)


def grounds(found: Sequence[Ground], about: Mapping[str, str], *, label: str | None) -> go.Figure:
    """What each family of inputs contributed, the strongest on top.

    ``about`` explains a family by its name; ``label`` is the answer, None for years.
    """
    values = np.array([ground.contribution for ground in found], np.float32)
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": values,
        "y": np.arange(len(found)),
        "marker": {"color": [BEFORE if v >= 0 else REMOVED for v in values]},
        "customdata": [_told(ground, about.get(ground.name, "")) for ground in found],
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverlabel": {"align": "left"},
    }
    unit = "years" if label is None else f"log odds of {plotly(label, 24)}"
    reach = 1.1 * float(np.abs(values).max(initial=1e-6))
    x = {"title": {"text": f"Contribution ({unit})"}, "range": [-reach, reach], "zeroline": True}
    y = _names([plotly(ground.label, 40) for ground in found])
    margin = {"l": 10, "r": 16, "t": 8, "b": 48}
    return figure([bars], x=x, y=y, height=30 * len(found) + 66, margin=margin)


def _told(ground: Ground, about: str) -> str:
    measured = ""
    if np.isfinite(ground.value) and np.isfinite(ground.usual):
        unit = f" {plotly(ground.unit)}" if ground.unit else ""
        measured = f"<br>here {ground.value:.4g}{unit}, usually {ground.usual:.4g}{unit}"
    lines = [plotly(line) for line in textwrap.wrap(about, WRAP)]
    head = f"<b>{plotly(ground.label, 60)}</b>: {ground.contribution:+.2f}"
    return "<br>".join([head + measured, *lines])


def _answers(windows: OverTime) -> list[dict]:
    """A line for each of the most probable labels, or one of the value; points are windows."""
    centres = ((windows.start + windows.end) / 2).astype(np.float32)
    stretch = [f"{a:.2f} to {b:.2f} s" for a, b in zip(windows.start, windows.end, strict=True)]
    mean = windows.prob.mean(axis=0) if len(centres) else np.zeros(windows.prob.shape[1])
    shown = sorted(np.argsort(-mean, kind="stable")[:MOST_LINES])
    names = [windows.labels[i] if windows.labels else "Value" for i in shown]
    colours = of_groups(list(windows.labels)) if windows.labels else [BEFORE]
    scale, unit = (100, " %") if windows.labels else (1, " years")
    dots = len(centres) <= 120
    return [
        {
            "type": "scatter",
            "mode": "lines+markers" if dots else "lines",
            "name": plotly(name, 24),
            "x": centres,
            "y": (scale * windows.prob[:, i]).astype(np.float32),
            "yaxis": "y3",
            "line": {"color": colours[i], "width": 2},
            "marker": {"size": 7, "color": colours[i]},
            "customdata": stretch,
            "hovertemplate": f"{plotly(name, 24)}, %{{customdata}}: "
            f"%{{y:.1f}}{unit}<extra></extra>",
        }
        for i, name in zip(shown, names, strict=True)
    ]


def _answer_axis(windows: OverTime) -> dict:
    if windows.labels:
        return {"title": {"text": "Probability (%)"}, "range": [-4, 104], "tickvals": [0, 50, 100]}
    return {"title": {"text": "Value (years)"}}


def _between(places: tuple[tuple[float, float], ...]) -> dict:
    """A legend in the gap over the answers."""
    return {"orientation": "h", "x": 0, "y": places[2][1] + 0.01, "yanchor": "bottom"}


def _with_bar(trace: dict, bar: dict) -> dict:
    marker = trace.get("marker", {})
    if "colorbar" not in marker:
        return trace
    return trace | {"marker": marker | {"colorbar": marker["colorbar"] | bar}, "showlegend": False}


def _names(names: list[str]) -> dict:
    """Rows from the top down, each with its name."""
    return {
        "tickvals": list(range(len(names))),
        "ticktext": names,
        "range": [len(names) - 0.5, -0.5],
        "showgrid": False,
        "ticks": "",
        "automargin": True,
        "ticklabelstandoff": 4,
    }


def _line_at(value: float, axis: str, across: str) -> dict:
    """A dashed line through ``value`` of ``axis``, as long as the other axis."""
    upright = axis.startswith("x")
    a, b = ("x", "y") if upright else ("y", "x")
    return {
        "type": "line",
        f"{a}ref": axis,
        f"{b}ref": f"{across} domain",
        f"{a}0": value,
        f"{a}1": value,
        f"{b}0": 0,
        f"{b}1": 1,
        "line": {"color": CUT, "width": 1.5, "dash": "dash"},
    }

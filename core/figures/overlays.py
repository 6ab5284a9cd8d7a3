"""Marks drawn over a waveform or a picture: pitch, onsets, syllables, pauses, intensity.

Times share the figure's time axis. Marks that have only a time stand on a hidden axis from 0 to 1
(``y2``); pitch over a picture stands on the picture's own axis, or, where that has categories, on a
hidden one beside it (``y3``); intensity has a scale of its own on the right (``y4``).
"""

import numpy as np

from core.marks import Marks

MOST = 400  # more marks than this in view hide the picture: they are left out
PITCH, ONSET, SYLLABLE, PAUSE, INTENSITY = "#00d5ff", "#ffb000", "#7ee081", "#8a979c", "#c09be6"
HIDDEN = {"overlaying": "y", "visible": False, "fixedrange": True}


def overlay(
    marks: Marks,
    kinds: tuple[str, ...],
    *,
    t0: float,
    t1: float,
    rows: np.ndarray | None = None,
    categories: int = 0,
) -> tuple[list[dict], dict]:
    """Traces and layout of the marks asked for.

    Parameters
    ----------
    marks : Marks
        What was measured.
    kinds : tuple of str
        Some of ``core.marks.KINDS``.
    t0, t1 : float
        The stretch of time on screen, in s.
    rows : np.ndarray [shape=(rows,)], optional
        Row centres in Hz of the picture underneath; None over a waveform.
    categories : int
        Number of categories of the picture's axis where it has them; 0 for an axis in Hz.

    Returns
    -------
    tuple of list and dict
        Traces, and what is added to the layout.
    """
    traces: list[dict] = []
    layout: dict = {"yaxis2": HIDDEN | {"range": [0, 1]}}
    if "Pauses" in kinds:
        layout["shapes"] = _pauses(marks.pauses, t0, t1)
    if "Onsets" in kinds:
        traces += _sticks(_within(marks.onsets, t0, t1), "Onset", ONSET)
    if "Syllables" in kinds:
        traces += _dots(_within(marks.nuclei, t0, t1), "Syllable nucleus", SYLLABLE)
    if "Intensity" in kinds and rows is None:
        times, db = marks.intensity_times, marks.intensity_db
        traces.append(_line(times, db, db, t0, t1, axis="y4", color=INTENSITY, unit="dBFS"))
        title = {"text": "Intensity (dBFS)", "standoff": 4}
        layout["yaxis4"] = {"overlaying": "y", "side": "right", "title": title, "showgrid": False}
        layout["yaxis4"] |= {"range": [-90, 0], "zeroline": False, "tickmode": "array"}
        layout["yaxis4"]["tickvals"] = [-80, -60, -40, -20, 0]
    if "Pitch" in kinds and rows is not None:
        track, axis = marks.track, "y"
        f0 = track.f0
        if categories:
            axis, layout["yaxis3"] = "y3", HIDDEN | {"range": [-0.5, categories - 0.5]}
            f0 = (np.interp(f0, rows, np.arange(rows.size)) + 0.5) * categories / rows.size - 0.5
            f0 = np.where(np.isnan(track.f0), np.nan, f0)
        line = _line(track.times, f0, track.f0, t0, t1, axis=axis, color=PITCH, unit="Hz")
        traces.append(line)
    return traces, layout


def _within(times: np.ndarray, t0: float, t1: float) -> np.ndarray:
    inside = times[(times >= t0) & (times <= t1)]
    return inside if inside.size <= MOST else inside[:0]


def _sticks(times: np.ndarray, name: str, color: str) -> list[dict]:
    x = np.stack([times, times, np.full(times.size, np.nan)], axis=1).ravel()
    y = np.tile([0.0, 1.0, np.nan], times.size)
    line = {"color": color, "width": 1, "dash": "dot"}
    return [_trace(x, y, "y2", mode="lines", line=line, hovertemplate=f"{name} %{{x:.3f}} s")]


def _dots(times: np.ndarray, name: str, color: str) -> list[dict]:
    marker = {"color": color, "size": 8, "symbol": "triangle-down", "line": {"width": 1}}
    y = np.full(times.size, 0.96)
    hover = f"{name} %{{x:.3f}} s"
    return [_trace(times, y, "y2", mode="markers", marker=marker, hovertemplate=hover)]


def _line(
    times: np.ndarray,
    y: np.ndarray,
    values: np.ndarray,
    t0: float,
    t1: float,
    *,
    axis: str,
    color: str,
    unit: str,
) -> dict:
    """``y`` is where the line runs on its axis, ``values`` what the pointer reads."""
    inside = np.flatnonzero((times >= t0) & (times <= t1))
    at = inside[:: max(1, inside.size // 2000)]  # two points a pixel are enough
    return _trace(
        times[at].astype(np.float32),
        y[at].astype(np.float32),
        axis,
        mode="lines",
        line={"color": color, "width": 2},
        customdata=np.round(values[at], 1).astype(np.float32),
        hovertemplate=f"%{{x:.3f}} s: %{{customdata}} {unit}",
    )


def _trace(x: np.ndarray, y: np.ndarray, axis: str, *, hovertemplate: str, **look) -> dict:
    hover = hovertemplate + "<extra></extra>"
    return {"type": "scatter", "x": x, "y": y, "yaxis": axis, "hovertemplate": hover} | look


def _pauses(pauses: np.ndarray, t0: float, t1: float) -> list[dict]:
    inside = [(max(a, t0), min(b, t1)) for a, b in pauses if b > t0 and a < t1]
    band = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "line": {"width": 0}}
    band |= {"fillcolor": PAUSE, "opacity": 0.25}
    return [band | {"x0": a, "x1": b} for a, b in inside[:MOST]]

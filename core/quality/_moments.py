"""Clicks and dropouts: short things, found in levels of cells of 1 ms.

Conventions: levels in dBFS, (t,); times in s of the recording.
"""

from typing import NamedTuple

import numpy as np

CLICK_DB = 14.0  # above all that is 6 to 40 ms away
_CLICK_LOWEST = -55.0
_NEAR, _FAR = 6, 40  # cells
_GAP_FALL_DB = 25.0
_GAP_MS, _GAP_MOST_MS = 5, 250
_GAP_ABOVE_DB, _GAP_BELOW_DB = 8.0, 30.0  # over the floor, and under the loud cells
_MOST = 1000  # kept of one window


class Moment(NamedTuple):
    """Start and end in s, and how far it stands out in dB."""

    start: float
    end: float
    strength: float


class Span(NamedTuple):
    """Time of the first cell in s, and the cells that are looked at."""

    start_s: float
    first: int
    last: int


def clicks(level: np.ndarray, span: Span) -> list[Moment]:
    """Bursts of high frequencies with quiet before and after; a plosive has a voice after it.

    ``level`` [shape=(t,)] is that above 2 kHz.
    """
    from core._kernels_quality import spreads

    before, after = np.empty((2, level.size))
    spreads(level, _NEAR, _FAR, before, after)
    above = level - np.maximum(before, after)
    hit = (above > CLICK_DB) & (level > _CLICK_LOWEST)
    hit[: span.first], hit[span.last :] = False, False
    hit[:_NEAR] = False  # nothing is known of what was before the file
    hit[level.size - _FAR :] = False
    found = []
    for start, end in _stretches(hit, join=_NEAR):
        top = start + int(np.argmax(level[start:end]))
        at = span.start_s + top / 1000
        found.append(Moment(at, at + 0.001, float(above[top])))
    return found[:_MOST]


def dropouts(level: np.ndarray, span: Span) -> list[Moment]:
    """Gaps in the middle of sound, with edges too sudden for a mouth.

    ``level`` [shape=(t,)] is that of differences from sample to sample.
    """
    if level.size < 50:
        return []
    live = level[level > -110]
    if live.size < 50:
        return []
    loud = float(np.percentile(live, 95))
    floor = float(np.percentile(live, 5))
    low = level < max(min(floor + _GAP_ABOVE_DB, loud - _GAP_BELOW_DB), -100.0)
    found = []
    for start, end in _stretches(low, join=1):
        if not (_GAP_MS <= end - start <= _GAP_MOST_MS and span.first <= start < span.last):
            continue
        if start < 10 or end > level.size - 10:
            continue
        deep = float(np.median(level[start:end]))
        edges = min(float(level[start - 3 : start].max()), float(level[end : end + 3].max()))
        around = min(float(level[start - 10 : start].max()), float(level[end : end + 10].max()))
        if edges - deep >= _GAP_FALL_DB and around > loud - _GAP_BELOW_DB:
            at = span.start_s + start / 1000
            found.append(Moment(at, at + (end - start) / 1000, edges - deep))
    return found[:_MOST]


def _stretches(mask: np.ndarray, join: int) -> list[tuple[int, int]]:
    """Runs of True, those less than ``join`` apart as one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    rows: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2):
        if rows and start - rows[-1][1] < join:
            rows[-1] = rows[-1][0], int(end)
        else:
            rows.append((int(start), int(end)))
    return rows

"""Densities beside the boxes of a feature: one shape for each group of a label.

Conventions: positions are on the scale of the boxes, as with them. A density has an area of 1 over
all clips of its group; it is NaN beyond the group's own values, and for a group of few clips, whose
values are given one by one.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.eda.distributions import Boxes, _group_case, _quoted
from core.filters import Selection
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

POINTS = 64  # of a density
FEWEST = 20  # clips of a group that has a density; fewer are points
BINS = 512  # of the counts that are smoothed
REACH = 4  # bandwidths that a clip's kernel is followed
ROOM = 0.04  # of the whiskers' range, beside it


class Violins(NamedTuple):
    """Densities (groups, 64) over ``grid`` (64,).

    ``bandwidth`` (groups,) is NaN for a group of few clips, whose values are in ``points``;
    ``outside`` (groups,) clips lie beyond the grid.
    """

    grid: np.ndarray
    density: np.ndarray
    bandwidth: np.ndarray
    points: tuple[np.ndarray, ...]
    outside: np.ndarray


def violins(workspace: Workspace, selection: Selection, found: Boxes, *, by: str | None) -> Violins:
    """Gaussian kernel densities of the groups of ``found``, with Silverman's bandwidth [#]_.

    The grid reaches from the lowest to the highest whisker. The counts of 512 bins are smoothed, so
    that a million clips cost one pass.

    Parameters
    ----------
    workspace, selection
        The clips.
    found : Boxes
        Their boxes, of one group or more.
    by : str, optional
        The label that ``found`` is split by.

    References
    ----------
    .. [#] B. W. Silverman, "Density Estimation for Statistics and Data Analysis", 1986, eq. 3.31.
    """
    low, high = float(found.low.min()), float(found.high.max())
    room = ROOM * (high - low) or 0.5
    grid = np.linspace(low - room, high + room, POINTS)
    many, step = found.n >= FEWEST, grid[1] - grid[0]
    widest = _bandwidth(found, np.inf, step)
    reach = REACH * np.max(widest, where=many, initial=0.0)
    edges = np.linspace(grid[0] - reach, grid[-1] + reach, BINS + 1)
    counts, outside, spread = _counts(workspace, selection, found, by, (edges, grid))
    width = np.where(many, _bandwidth(found, spread, step), np.nan)
    density = np.full((len(found.groups), POINTS), np.nan, np.float32)
    for i in np.flatnonzero(many):
        density[i] = _smooth(counts[i], edges, grid, width[i]) / found.n[i]
    points = _values(workspace, selection, found, by) if not many.all() else {}
    few = tuple(points.get(g, np.empty(0, np.float32)) for g in found.groups)
    return Violins(grid, density, width, few, outside)


def _bandwidth(found: Boxes, spread: np.ndarray | float, least: float) -> np.ndarray:
    """0.9 times the smaller of deviation and IQR / 1.34, times n^(-1/5); at least a grid step."""
    spread = np.minimum(spread, (found.q3 - found.q1) / 1.34)
    return np.maximum(least, 0.9 * spread * found.n**-0.2)


def _smooth(counts: np.ndarray, edges: np.ndarray, grid: np.ndarray, width: float) -> np.ndarray:
    """Sum of the clips' kernels at the grid, NaN where the group has no value."""
    centres = (edges[1:] + edges[:-1]) / 2
    kernels = np.exp(-0.5 * ((grid[:, None] - centres) / width) ** 2) / (width * np.sqrt(2 * np.pi))
    used = np.flatnonzero(counts)
    if not used.size:
        return np.full(grid.size, np.nan)
    step = grid[1] - grid[0]
    inside = (grid >= edges[used[0]] - step) & (grid <= edges[used[-1] + 1] + step)
    return np.where(inside, kernels @ counts, np.nan)


def _x(found: Boxes) -> str:
    name = f"{_quoted(found.column)}::DOUBLE"
    return f"ln(1 + {name})" if found.log else name


def _counts(
    workspace: Workspace,
    selection: Selection,
    found: Boxes,
    by: str | None,
    axes: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clips of each group in the bins, (groups, bins); those beyond the grid, (groups,).

    And the standard deviation of those within it, (groups,), so that a few far clips do not count.
    """
    edges, grid = axes
    middle = float(np.median(found.median))
    top, named = _group_case(workspace, selection, by)
    sql, values = selection.where() or ("TRUE", [])
    bin_ = f"least({BINS}, greatest(-1, floor((x - ?) / ? * {BINS})))::INTEGER"
    rows = workspace.query(
        f"WITH t AS (SELECT {top} AS g, {_x(found)} AS x FROM clips WHERE {sql} "
        f"AND {_quoted(found.column)} IS NOT NULL), "
        f"u AS (SELECT g, {bin_} AS b, x - ? AS d, x BETWEEN ? AND ? AS here FROM t) "
        "SELECT g, b, count(*) AS n, count(*) FILTER (here) AS inside, "
        "sum(d) FILTER (here) AS s, sum(d * d) FILTER (here) AS ss FROM u GROUP BY 1, 2",
        [*named, *values, edges[0], edges[-1] - edges[0], middle, grid[0], grid[-1]],
    )
    at = rows["g"].map({g: i for i, g in enumerate(found.groups)}).to_numpy(int)
    counts = np.zeros((len(found.groups), BINS + 2), np.float64)
    np.add.at(counts, (at, rows["b"].to_numpy(int) + 1), rows["n"].to_numpy(float))
    inside, s, ss = (
        np.bincount(at, rows[c].fillna(0).to_numpy(float), len(found.groups))
        for c in ("inside", "s", "ss")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.nan_to_num(np.sqrt(np.maximum(0, ss / inside - (s / inside) ** 2)))
    return counts[:, 1:-1], found.n - np.rint(inside).astype(np.int64), spread


def _values(
    workspace: Workspace, selection: Selection, found: Boxes, by: str | None
) -> dict[str, np.ndarray]:
    """Values of the groups of few clips."""
    few = [g for g, n in zip(found.groups, found.n, strict=True) if n < FEWEST]
    top, named = _group_case(workspace, selection, by)
    sql, values = selection.where() or ("TRUE", [])
    rows: pd.DataFrame = workspace.query(
        f"WITH t AS (SELECT {top} AS g, {_x(found)} AS x FROM clips WHERE {sql} "
        f"AND {_quoted(found.column)} IS NOT NULL) "
        f"SELECT g, x FROM t WHERE g IN ({', '.join('?' * len(few))}) ORDER BY g, x",
        [*named, *values, *few],
    )
    return {g: part.to_numpy(np.float32) for g, part in rows.groupby("g")["x"]}

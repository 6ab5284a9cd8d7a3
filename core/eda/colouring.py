"""What colours the points of a map, how crowded it is, and what a lasso holds.

Conventions: groups of a label are ordered by frequency, the rest is ``OTHERS``, no value is
``UNKNOWN``; they come last. A point's neighbour is the nearest point of another speaker, where
speakers are known, because clips of one speaker resemble each other whatever their label.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.eda import projection
from core.store import Workspace

OTHERS, UNKNOWN = "other values", "not known"
MOST_GROUPS = 8
FAR = 0.75  # of the spread of the middle 98 %: beyond it points lie outside the frame
BINS = (80, 120)  # rows and columns of the density
NEIGHBOURS = 30  # looked through for one of another speaker


class Colour(NamedTuple):
    """Values of a column: (n,) float32 with NaN, or (n,) positions in ``groups``."""

    column: str
    values: np.ndarray
    groups: tuple[str, ...]

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers and not groups."""
        return not self.groups


class Density(NamedTuple):
    """Clips in each cell of a map: ``counts`` (rows, columns), and the cells' centres."""

    counts: np.ndarray
    x: np.ndarray
    y: np.ndarray


class Agreement(NamedTuple):
    """How alike neighbours on the map are.

    For groups, ``share`` of the clips have a neighbour of their group, ``chance`` is what shuffled
    labels give; for numbers ``share`` is Pearson's r of clip and neighbour, and ``chance`` is 0.
    ``pairs`` clips were asked, ``apart`` tells whether neighbours are other speakers.
    """

    share: float
    chance: float
    pairs: int
    apart: bool


def colour(workspace: Workspace, clip_ids: Sequence[str], column: str, numeric: bool) -> Colour:
    """A column as colours of these clips, in their order.

    Raises
    ------
    ParameterError
        There is no such column.
    """
    found = projection.column_of(workspace, clip_ids, column)
    if numeric:
        return Colour(column, np.array(found, dtype=np.float32), ())
    names = np.array([UNKNOWN if v is None or v != v else str(v) for v in found], dtype=object)
    values, counts = np.unique(names[names != UNKNOWN].astype(str), return_counts=True)
    order = np.lexsort((values, -counts))
    groups = [str(values[i]) for i in order[:MOST_GROUPS]]
    groups += [OTHERS] if order.size > MOST_GROUPS else []
    groups += [UNKNOWN] if (names == UNKNOWN).any() else []
    place = {g: i for i, g in enumerate(groups)}
    codes = np.array([place.get(n, place.get(OTHERS, 0)) for n in names], dtype=np.int16)
    return Colour(column, codes, tuple(groups))


def frame(xy: np.ndarray) -> np.ndarray:
    """What a map shows at first: low and high of x and of y, (2, 2).

    All points, but for the few that lie so far out that the others would be a speck.
    """
    low, high = np.percentile(xy, [1, 99], axis=0)
    room = FAR * (high - low) + 1e-6
    low, high = np.maximum(low - room, xy.min(axis=0)), np.minimum(high + room, xy.max(axis=0))
    edge = 0.04 * (high - low) + 1e-6
    return np.stack([low - edge, high + edge], axis=1)


def density(xy: np.ndarray, within: np.ndarray) -> Density:
    """Counts of the points ``xy`` (n, 2) in equal cells of a ``frame``."""
    rows, columns = BINS
    counts, x, y = np.histogram2d(xy[:, 0], xy[:, 1], bins=(columns, rows), range=within)
    return Density(counts.T.astype(np.int32), (x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2)


def agreement(workspace: Workspace, made: projection.Projection, colours: Colour) -> Agreement:
    """How alike a clip and its nearest neighbour of another speaker are; NaN where nobody knows."""
    speakers = np.full(len(made.xy), None, dtype=object)
    if "speaker_id" in workspace.label_columns():
        speakers = projection.column_of(workspace, made.clip_ids, "speaker_id")
    known = np.array([isinstance(s, str) for s in speakers])
    if colours.numeric:
        good = np.isfinite(colours.values)
    else:
        plain = [g not in (UNKNOWN, OTHERS) for g in colours.groups]
        good = np.array(plain, dtype=bool)[colours.values]
    apart = bool(known[good].any())
    first, second = _neighbours(made.xy[good], speakers[good] if apart else None)
    a, b = colours.values[good][first], colours.values[good][second]
    if a.size < projection.FEWEST:
        return Agreement(np.nan, np.nan, int(a.size), apart)
    if colours.numeric:
        varies = a.std() > 0 and b.std() > 0
        r = float(np.corrcoef(a, b)[0, 1]) if varies else np.nan
        return Agreement(r, 0.0, int(a.size), apart)
    shares = np.bincount(colours.values[good]) / good.sum()
    return Agreement(float(np.mean(a == b)), float(np.sum(shares**2)), int(a.size), apart)


def _neighbours(xy: np.ndarray, speakers: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Points and their nearest other, of another speaker; those without one are left out."""
    from scipy.spatial import cKDTree

    if len(xy) < 2:
        return np.empty(0, int), np.empty(0, int)
    k = min(len(xy), NEIGHBOURS if speakers is not None else 3)
    near = cKDTree(xy).query(xy, k=k)[1]
    other = near != np.arange(len(xy))[:, None]
    if speakers is not None:
        known = np.array([isinstance(s, str) for s in speakers])
        other &= (speakers[near] != speakers[:, None]) & known[near] & known[:, None]
    has = other.any(axis=1)
    return np.flatnonzero(has), near[np.flatnonzero(has), other[has].argmax(axis=1)]


def titles(names: Sequence[str], labels: dict[str, str]) -> list[str]:
    """Names of columns as people read them; a mel strength is "mel band 37"."""
    return [
        f"mel band {int(n[-3:]) + 1}" if n.startswith("mel_strength_") else labels.get(n, n)
        for n in names
    ]


def inside(xy: np.ndarray, x: Sequence[float], y: Sequence[float]) -> np.ndarray:
    """Which points lie within a polygon, by the even-odd rule.

    Parameters
    ----------
    xy : np.ndarray [shape=(n, 2)]
    x, y : sequence of float
        Its corners; two of them are the opposite corners of a box.

    Returns
    -------
    np.ndarray [shape=(n,), bool]
    """
    if len(x) == 2:
        low, high = np.sort([x, y], axis=1).T
        return np.all((xy >= low) & (xy <= high), axis=1)
    px, py = xy[:, 0].astype(float), xy[:, 1].astype(float)
    odd = np.zeros(len(xy), dtype=bool)
    for x1, y1, x2, y2 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        if y1 != y2:
            crosses = (y1 > py) != (y2 > py)
            odd ^= crosses & (px < (x2 - x1) * (py - y1) / (y2 - y1) + x1)
    return odd


def drawn(n: int, most: int) -> np.ndarray:
    """Positions of the clips that are drawn as points: all, or the same sample every time."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, most // 2, replace=False))

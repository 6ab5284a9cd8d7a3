"""Clips that are there twice: the same bytes, or nearly the same sound.

The same bytes are found by size, then BLAKE2 of the content. Nearly the same sound (encoded again,
trimmed a little, another level) is found by the Euclidean distance of standardised features and
mel strengths to the nearest other clip: the threshold lies ``SPREADS`` robust standard deviations
below the median of the logarithm of these distances, so that it follows the data set.

Conventions: distances have no unit; at a distance of 1 two clips differ by about one standard
deviation in every column. Each clip that is one too many appears once, beside the clip it doubles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
import math
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.eda import projection
from core.filters import Selection
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

MOST = 10_000  # clips compared by sound
MOST_PAIRS = 500
MOST_BYTES = 4_000_000_000  # read to compare bytes
MOST_FILES = 20_000  # opened for it
SPREADS = 5.0
MAD_SCALE = 1.4826
BINS = 60
ROWS = 500  # of the distance matrix at a time
LEAST = 1e-3  # what rounding may make of a distance of 0


class Pair(NamedTuple):
    """``second`` doubles ``first``; ``distance`` is 0 where the bytes are the same."""

    first: str
    second: str
    distance: float
    same_bytes: bool


@dataclass(frozen=True)
class Duplicates:
    """Pairs, those of the same bytes first, then the nearest first.

    ``counts`` (bins,) and ``edges`` (bins + 1,) are the histogram of the log10 of each clip's
    distance to its nearest neighbour, identical clips at the first edge; ``threshold`` is a
    distance, ``automatic`` the one taken from the distances. ``compared`` of ``total`` clips were
    compared by sound; ``unread`` files had the size of another and could not be read.
    """

    pairs: tuple[Pair, ...]
    counts: np.ndarray
    edges: np.ndarray
    threshold: float
    automatic: float
    compared: int
    total: int
    unread: int


def find(
    workspace: Workspace, selection: Selection, *, threshold: float | None = None, most: int = MOST
) -> Duplicates:
    """The clips that are there twice.

    Parameters
    ----------
    workspace, selection
        The clips.
    threshold : float, optional
        Pairs nearer than this count; None takes it from the distances.
    most : int
        At most so many clips are compared by sound, the same sample every time.

    Raises
    ------
    ParameterError
        The selection leaves fewer than five clips, or nothing varies among them.
    """
    space = projection.spaces(workspace)[-1]
    points = projection.standardised(projection.measured(workspace, selection, space, most))
    same, unread = same_bytes(workspace, selection)
    x = points.x if space == "both" else points.x / math.sqrt(points.x.shape[1])
    nearest = nearest_distances(x)
    automatic = natural_threshold(nearest)
    limit = automatic if threshold is None else threshold
    edges = _edges_within(x, nearest, limit)
    near = [(points.clip_ids[i], points.clip_ids[j], d) for i, j, d in edges]
    pairs = _pairs(same, near)
    counts, bins = _histogram(nearest, limit)
    return Duplicates(
        pairs=tuple(pairs[:MOST_PAIRS]),
        counts=counts,
        edges=bins,
        threshold=limit,
        automatic=automatic,
        compared=len(x),
        total=points.total,
        unread=unread,
    )


def table(workspace: Workspace, selection: Selection, *, most: int = MOST) -> "pd.DataFrame":
    """What clips are compared by: clip_id, and the columns as stored, empty where missing."""
    import pandas as pd

    found = projection.measured(workspace, selection, projection.spaces(workspace)[-1], most)
    rows = pd.DataFrame(found.x, columns=list(found.names))
    rows.insert(0, "clip_id", found.clip_ids)
    return rows


def natural_threshold(nearest: np.ndarray) -> float:
    """A distance far below those to the nearest neighbours (n,); 0 where they do not tell."""
    logs = np.log(nearest[nearest > LEAST])
    if logs.size < projection.FEWEST:
        return 0.0
    centre = float(np.median(logs))
    spread = MAD_SCALE * float(np.median(abs(logs - centre)))
    # Distances that hardly differ would put the threshold among them.
    return math.exp(centre - SPREADS * max(spread, 0.15))


def same_bytes(workspace: Workspace, selection: Selection) -> tuple[list[list[str]], int]:
    """Groups of clips whose files hold the same bytes, and how many files could not be read.

    Files over ``MOST_BYTES`` or ``MOST_FILES`` in all are not opened, and count as not read.
    """
    if not {"path", "size"} <= set(workspace.label_columns()):
        return [], 0
    condition, values = selection.where() or ("TRUE", [])
    there = f"FROM clips WHERE ({condition}) AND path IS NOT NULL AND size > 0"
    alike = f"(SELECT size {there} GROUP BY size HAVING count(*) > 1)"
    rows = workspace.query(
        f"SELECT clip_id, path, size {there} AND size IN {alike} ORDER BY clip_id "
        f"LIMIT {MOST_FILES}",
        [*values, *values],
    )
    total = len(rows)
    if total == MOST_FILES:
        asked = workspace.query(f"SELECT count(*) AS n {there} AND size IN {alike}", [*values] * 2)
        total = int(asked["n"].iloc[0])
    groups: dict[tuple[int, bytes], list[str]] = {}
    read = 0
    inside = rows["size"].cumsum() <= MOST_BYTES
    for clip_id, path, size in rows[inside].itertuples(index=False):
        digest = _digest(path, int(size))
        if digest is not None:
            read += 1
            groups.setdefault((int(size), digest), []).append(clip_id)
    return [ids for ids in groups.values() if len(ids) > 1], total - read


def _digest(path: str, size: int) -> bytes | None:
    """The content's digest; None where the file is gone, was changed, or is no plain file."""
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode) or about.st_size != size:
            return None
        found = blake2b(digest_size=16)
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
        return found.digest()
    except (OSError, ValueError):
        return None


def nearest_distances(x: np.ndarray) -> np.ndarray:
    """Distance (n,) of each point of ``x`` (n, d) to the nearest other point."""
    x = x.astype(np.float32)
    found = np.full(len(x), np.inf, dtype=np.float32)
    for start in range(0, len(x), ROWS):
        stop = min(start + ROWS, len(x))
        squares = _squares(x[start:stop], x[start:])  # the other half is its mirror image
        squares[np.arange(stop - start), np.arange(stop - start)] = np.inf
        found[start:stop] = np.minimum(found[start:stop], squares.min(axis=1))
        found[start:] = np.minimum(found[start:], squares.min(axis=0))
    return np.sqrt(found)


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances (n, m), single precision."""
    squares = a @ b.T
    squares *= -2
    squares += np.einsum("ij,ij->i", a, a)[:, None]
    squares += np.einsum("ij,ij->i", b, b)
    return np.maximum(squares, 0, out=squares)


def _edges_within(x: np.ndarray, nearest: np.ndarray, limit: float) -> list[tuple[int, int, float]]:
    """Pairs (i < j) of points nearer than ``limit``, and their distances, the nearest first."""
    x = x.astype(np.float32)
    reach = max(limit, LEAST) * 1.01 + 0.01  # of single precision; checked again below
    rows, found = np.flatnonzero(nearest <= reach), []
    for start in range(0, rows.size, ROWS):
        part = rows[start : start + ROWS]
        i, j = np.nonzero(_squares(x[part], x) <= reach**2)
        i = part[i]
        i, j = i[i < j], j[i < j]
        d = np.linalg.norm(x[i].astype(float) - x[j], axis=1)
        near = d <= max(limit, LEAST)
        found += zip(i[near].tolist(), j[near].tolist(), d[near].tolist(), strict=True)
        if len(found) > 50 * MOST_PAIRS:  # a threshold set by hand, far too high
            break
    return sorted(found, key=lambda edge: (edge[2], edge[0], edge[1]))


def _pairs(same: Sequence[Sequence[str]], near: Sequence[tuple[str, str, float]]) -> list[Pair]:
    """Each clip that is one too many once: a tree over the pairs, from each group's first clip."""
    edges = [(ids[0], other, 0.0, True) for ids in same for other in ids[1:]]
    edges += [(a, b, d, False) for a, b, d in near]
    groups, neighbours = _Groups(), {}
    for a, b, d, is_same in edges:
        if groups.join(a, b):
            neighbours.setdefault(a, []).append((b, d, is_same))
            neighbours.setdefault(b, []).append((a, d, is_same))
    found: list[Pair] = []
    for root in sorted({groups.of(a) for a in neighbours}):
        waiting, seen = [root], {root}
        while waiting:
            first = waiting.pop()
            for second, d, is_same in neighbours[first]:
                if second not in seen:
                    seen.add(second)
                    waiting.append(second)
                    found.append(Pair(first, second, d, is_same))
    return sorted(found, key=lambda p: (not p.same_bytes, p.distance, p.first, p.second))


class _Groups:
    """Which clips hang together; a group is named by its first clip."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def of(self, clip_id: str) -> str:
        parent = self._parent.get(clip_id, clip_id)
        while parent != self._parent.get(parent, parent):
            parent = self._parent[parent]
        return parent

    def join(self, a: str, b: str) -> bool:
        """Whether they were apart before."""
        first, second = sorted((self.of(a), self.of(b)))
        self._parent[second] = first
        return first != second


def _histogram(nearest: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    logs = np.log10(np.maximum(nearest, LEAST))
    low = min(float(logs.min()), math.log10(max(limit, LEAST)) - 0.1)
    edges = np.linspace(low, float(logs.max()) + 1e-6, BINS + 1)
    return np.histogram(logs, edges)[0], edges

"""Which features differ most between two groups of clips: effect sizes with intervals.

Conventions: an effect above 0 means that the first group has the higher values. Intervals come
from a bootstrap over speakers where they are known, because clips of one voice are no independent
witnesses; else over clips. Beyond ``SAMPLE`` clips a sample is taken, the same one every time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from core.eda.correlations import coded_sql, values
from core.errors import ParameterError
from core.filters import Filter, Selection
from core.safe_text import clean
from core.store import Workspace

SAMPLE = 20_000  # clips
BLOCKS = 400  # units of the bootstrap in each group; more units are put together at random
DRAWS = 1000
MEASURES = ("d", "delta")
LEVEL = 0.95
FEW_SPEAKERS = 10  # in a group
UNEVEN = 4  # one group so many times the other
_BUCKETS = 1_000_003
_SKIPPED = ("clip_id", "path", "text", "size", "mtime_ns", "speaker_id", "duration")


@dataclass(frozen=True)
class Group:
    """One of the two: its value of the label, and the clips and speakers behind it."""

    value: Any
    clips: int
    speakers: int | None


@dataclass(frozen=True)
class Effects:
    """Effects of ``names``, strongest first; arrays are (k,), NaN where not measurable.

    ``low`` and ``high`` are the 95 % interval; ``means`` (2, k) of the groups, ``known`` (2, k)
    rows with a value. ``unlabelled`` clips of the selection have neither value.
    """

    names: tuple[str, ...]
    effect: np.ndarray
    low: np.ndarray
    high: np.ndarray
    means: np.ndarray
    known: np.ndarray
    groups: tuple[Group, Group]
    measure: str
    by_speaker: bool
    over_speakers: bool
    unlabelled: int
    sampled: bool


def groupings(workspace: Workspace, most: int = 60) -> tuple[str, ...]:
    """Labels that have 2 to ``most`` values; gender first where it is one."""
    names = [n for n in workspace.label_columns() if n not in _SKIPPED]
    if not names:
        return ()
    counted = ", ".join(f'approx_count_distinct("{_doubled(n)}")' for n in names)
    row = workspace.query(f"SELECT {counted} FROM clips").iloc[0].tolist()
    found = [n for n, count in zip(names, row, strict=True) if 2 <= count <= most]
    return tuple(sorted(found, key=lambda n: n != "gender"))


def effects(
    workspace: Workspace,
    selection: Selection,
    label: str,
    first: Any,
    second: Any,
    *,
    names: Sequence[str] | None = None,
    measure: str = "d",
    by_speaker: bool = False,
    sample: int = SAMPLE,
) -> Effects:
    """Compare the features of two groups.

    Parameters
    ----------
    workspace : Workspace
        The table.
    selection : Selection
        Which clips.
    label : str
        A column of labels.
    first, second : str or float
        Two of its values.
    names : sequence of str, optional
        Features; all by default.
    measure : {"d", "delta"}
        Cohen's d with the pooled standard deviation, or Cliff's delta: how much more often a value
        of the first group is above one of the second than below.
    by_speaker : bool
        Average by speaker first, so that every speaker counts once.

    Returns
    -------
    Effects
        Intervals are expanded percentiles (Hesterberg 2015) of 1,000 draws with a fixed seed. For
        delta what is drawn are placement values (DeLong et al. 1988).

    Raises
    ------
    ParameterError
        There is no such column, the two values are the same, or a group is empty.
    """
    if measure not in MEASURES:
        raise ParameterError(f"Unknown measure {clean(measure)}: choose one of {list(MEASURES)}.")
    if label not in workspace.label_columns():
        raise ParameterError(f"There is no label {clean(label)}: choose another.")
    if first == second:
        raise ParameterError("Both groups are the same: choose two different values.")
    names = tuple(names or workspace.columns)
    groups, total = _counted(workspace, selection, label, (first, second))
    for group in groups:
        if not group.clips:
            raise ParameterError(
                f"The selection leaves no clips of {clean(group.value, 40)}: choose another group."
            )
    table, sides, speakers = _both(workspace, selection, label, groups, names, by_speaker, sample)
    over = by_speaker or all(s is not None for s in speakers)
    units, strata = _units(speakers if over and not by_speaker else None, sides)
    estimate = {"d": _cohen, "delta": _cliff}[measure]
    effect, draws = estimate(table, sides, units, _weights(units, strata))
    low, high = _interval(draws, effect, _smaller(units, sides))
    means = np.array([_mean(table[sides == i]) for i in (0, 1)])
    known = np.array([np.isfinite(table[sides == i]).sum(0) for i in (0, 1)])
    order = np.argsort(-np.abs(np.nan_to_num(effect)), kind="stable")
    clips = sum(group.clips for group in groups)
    return Effects(
        tuple(names[i] for i in order),
        effect[order],
        low[order],
        high[order],
        means[:, order],
        known[:, order],
        groups,
        measure,
        by_speaker,
        over,
        total - clips,
        clips > sample and not by_speaker,
    )


def cautions(found: Effects) -> tuple[str, ...]:
    """What a reader must know before believing it; plain sentences, none where all is well."""
    said = []
    a, b = found.groups
    few = [g for g in found.groups if g.speakers is not None and g.speakers < FEW_SPEAKERS]
    if few:
        counts = " and ".join(
            f"{g.speakers} speaker{'s' if g.speakers != 1 else ''} for {clean(g.value, 40)}"
            for g in few
        )
        said.append(f"Few speakers: {counts}. Differences may be those of single voices.")
    if not found.over_speakers:
        said.append(
            "Not every clip names its speaker: intervals take clips as independent, and are too "
            "narrow where a voice has several clips."
        )
    if max(a.clips, b.clips) > UNEVEN * min(a.clips, b.clips):
        said.append(f"The groups are uneven: {a.clips:,} and {b.clips:,} clips.")
    mostly = np.flatnonzero((2 * found.known < _rows(found)[:, None]).any(axis=0))
    if mostly.size:
        what = "One feature has" if mostly.size == 1 else f"{mostly.size} features have"
        said.append(f"{what} no value for more than half of a group.")
    return tuple(said)


def _rows(found: Effects) -> np.ndarray:
    """Rows of each group: what is known of the feature that is known most often."""
    return found.known.max(axis=1)


def _counted(
    workspace: Workspace, selection: Selection, label: str, values_: tuple[Any, Any]
) -> tuple[tuple[Group, Group], int]:
    """The two groups, and all clips of the selection."""
    condition, bound = selection.where() or ("TRUE", [])
    has = "speaker_id" in workspace.label_columns()
    speakers = "count(DISTINCT speaker_id)" if has else "0"
    sql = f'SELECT "{_doubled(label)}" AS v, count(*) AS n, {speakers} AS s FROM clips '
    found = workspace.query(f"{sql} WHERE {condition} GROUP BY 1", bound)
    rows = {v: (int(n), int(s) or None) for v, n, s in found.itertuples(index=False)}
    first, second = (Group(v, *rows.get(v, (0, None))) for v in values_)
    return (first, second), int(found["n"].sum())


def _both(
    workspace: Workspace,
    selection: Selection,
    label: str,
    groups: tuple[Group, Group],
    names: tuple[str, ...],
    by_speaker: bool,
    sample: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (n, k) of the clips or speakers of both groups, their groups (0 or 1) and speakers."""
    chosen = selection.adding(Filter(label, "in", tuple(group.value for group in groups)))
    if by_speaker:
        return _averages(workspace, chosen, label, groups, names, sample)
    has = "speaker_id" in workspace.label_columns()
    more = [label, *(["speaker_id"] if has else [])]
    table = values(workspace, chosen, names, sample=sample, more=more)
    speakers = table.more[1] if has else np.full(len(table.x), None)
    speakers = np.array([None if s is None or s != s else s for s in speakers], dtype=object)
    return table.x, np.where(table.more[0] == groups[0].value, 0, 1), speakers


def _averages(
    workspace: Workspace,
    chosen: Selection,
    label: str,
    groups: tuple[Group, Group],
    names: tuple[str, ...],
    sample: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of every speaker of each group, in order; of a sample where a group has more."""
    if "speaker_id" not in workspace.label_columns():
        raise ParameterError("This data set names no speakers: compare by clip.")
    condition, bound = chosen.where()
    for group in groups:
        if (group.speakers or 0) > sample:
            below = round(_BUCKETS * sample / group.speakers)
            condition += (
                f' AND ("{_doubled(label)}" <> ? OR hash(speaker_id) % {_BUCKETS} < {below})'
            )
            bound = [*bound, group.value]
    means = ", ".join(f"avg({x}) AS x{i}" for i, x in enumerate(coded_sql(workspace, names)))
    table = workspace.query(
        f'SELECT "{_doubled(label)}" AS g, speaker_id AS s, {means} FROM clips '
        f"WHERE {condition} AND speaker_id IS NOT NULL GROUP BY 1, 2",
        bound,
    )
    sides = np.where(table["g"].to_numpy(object) == groups[0].value, 0, 1)
    speakers = table["s"].to_numpy(object)
    # DuckDB gives groups in any order, but what the bootstrap draws goes by the order.
    order = np.lexsort((speakers.astype(str), sides))
    x = table[[f"x{i}" for i in range(len(names))]].to_numpy(dtype=float, na_value=np.nan)
    return x[order], sides[order], speakers[order]


def _units(speakers: np.ndarray | None, sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The unit of each row that the bootstrap draws as one, and the stratum of each unit.

    Units are drawn within their group, or all together where a speaker has clips in both.
    """
    rng = np.random.default_rng(0)
    if speakers is None:
        units = np.arange(sides.size)
    else:
        units = np.unique(speakers.astype(str), return_inverse=True)[1]
    home = np.zeros(units.max(initial=-1) + 1, dtype=np.int64)
    home[units] = sides
    if (home[units] != sides).any():
        home[:] = 0
    block = np.empty(home.size, dtype=np.int64)
    strata, start = [], 0
    for stratum in np.unique(home):
        own = rng.permutation(np.flatnonzero(home == stratum))
        block[own] = start + np.arange(own.size) % BLOCKS
        start += min(own.size, BLOCKS)
        strata += [stratum] * min(own.size, BLOCKS)
    return block[units], np.array(strata)


def _weights(units: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """How often each unit is drawn, (1 + DRAWS, units); the first row takes each once."""
    rng = np.random.default_rng(1)
    drawn = np.ones((1 + DRAWS, strata.size))
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        drawn[1:, own] = rng.multinomial(own.size, np.full(own.size, 1 / own.size), size=DRAWS)
    return drawn


def _cohen(x: np.ndarray, sides: np.ndarray, units: np.ndarray, weights: np.ndarray):
    """Cohen's d (k,) and its draws (DRAWS, k), from sums over units."""
    x = x - _mean(x)
    moments = []
    for side in (0, 1):
        one, at = x[sides == side], units[sides == side]
        known = np.isfinite(one)
        zero = np.where(known, one, 0.0)
        n, s, ss = (weights @ _sums(v, at, weights.shape[1]) for v in (known, zero, zero**2))
        with np.errstate(invalid="ignore", divide="ignore"):
            moments.append((n, s / n, ss - s * s / n))
    (n_a, mean_a, ss_a), (n_b, mean_b, ss_b) = moments
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = np.sqrt((ss_a + ss_b) / (n_a + n_b - 2))
        d = np.where((pooled > 1e-12) & (n_a > 1) & (n_b > 1), (mean_a - mean_b) / pooled, np.nan)
    return d[0], d[1:]


def _cliff(x: np.ndarray, sides: np.ndarray, units: np.ndarray, weights: np.ndarray):
    """Cliff's delta (k,) and its draws (DRAWS, k), from sums of placement values over units."""
    placed = np.full(x.shape, np.nan)
    for k in range(x.shape[1]):
        a, b = (np.flatnonzero((sides == side) & np.isfinite(x[:, k])) for side in (0, 1))
        if a.size and b.size:
            a, b = (rows[np.argsort(x[rows, k])] for rows in (a, b))  # twice as fast in order
            placed[a, k] = _above(x[a, k], x[b, k])
            placed[b, k] = -_above(x[b, k], x[a, k])
    delta = _mean(placed[sides == 0])
    drawn = -delta
    for side in (0, 1):
        one, at = placed[sides == side], units[sides == side]
        known = np.isfinite(one)
        n, s = (
            weights[1:] @ _sums(v, at, weights.shape[1]) for v in (known, np.where(known, one, 0))
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = drawn + s / n
    return delta, np.clip(drawn, -1, 1)


def _above(x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of ``others``, in order, below each x minus the share above."""
    below, up_to = (np.searchsorted(others, x, side) for side in ("left", "right"))
    return (below + up_to) / others.size - 1


def _sums(v: np.ndarray, at: np.ndarray, n: int) -> np.ndarray:
    """Sums of the rows of ``v`` by unit, (n, k)."""
    return np.stack([np.bincount(at, v[:, k], n) for k in range(v.shape[1])], axis=1)


def _mean(x: np.ndarray) -> np.ndarray:
    known = np.isfinite(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, x, 0).sum(0) / known.sum(0)


def _smaller(units: np.ndarray, sides: np.ndarray) -> int:
    """Units in the group that has fewer."""
    return min(np.unique(units[sides == side]).size for side in (0, 1))


def _interval(draws: np.ndarray, effect: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles, wider the fewer units there are; NaN where a group has one unit."""
    from scipy.special import stdtrit

    if n < 2:
        return np.full(effect.shape, np.nan), np.full(effect.shape, np.nan)
    t = stdtrit(n - 1, 0.5 + LEVEL / 2) * np.sqrt(n / (n - 1))
    tail = max(NormalDist().cdf(-float(t)), 1e-6)
    filled = np.where(np.isfinite(draws), draws, effect)
    low, high = np.quantile(filled, [tail, 1 - tail], axis=0)
    return low, high


def _doubled(name: str) -> str:
    return name.replace('"', '""')

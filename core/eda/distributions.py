"""How labels and features are spread: class balance, histograms, boxes, every clip as a point.

Conventions: a group is a value of a label, "not known" where there is none; beyond the most
frequent ones the rest is one group, "others". On the log scale positions are log1p(x), as in the
article; values and limits that leave this module for people are in the feature's own unit.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.datasets.labels import DECADES
from core.eda import selecting
from core.eda.outliers import seconds_column
from core.errors import ParameterError
from core.filters import Selection
from core.safe_text import clean
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN, OTHERS = "not known", "others"
NO_GROUPS = ("clip_id", "path", "text", "size", "mtime_ns", "duration", "label_duration")
MOST_GROUPS = 8  # shown by name
MOST_POINTS = 5_000
EXTREMES = 100  # points that a sample never leaves out, at each end


class Balance(NamedTuple):
    """Groups of a label, largest first: arrays (groups,); seconds NaN, speakers None if unknown."""

    label: str
    groups: tuple[str, ...]
    clips: np.ndarray
    seconds: np.ndarray
    speakers: np.ndarray | None
    speakers_in_all: int | None


class Distribution(NamedTuple):
    """Counts (groups, bins) between edges (bins + 1,) on the scale of ``log``.

    ``missing`` (groups,) have no value; ``skew`` and ``skew_log`` are of the values and of their
    log1p (adjusted Fisher-Pearson, as pandas), NaN where they cannot be.
    """

    column: str
    log: bool
    edges: np.ndarray
    groups: tuple[str, ...]
    counts: np.ndarray
    missing: np.ndarray
    skew: float
    skew_log: float
    least: float
    most: float

    @property
    def n(self) -> int:
        """Clips with a value."""
        return int(self.counts.sum())


class Boxes(NamedTuple):
    """Of every group, arrays (groups,): Tukey's box on the scale of ``log``, and its n."""

    column: str
    log: bool
    groups: tuple[str, ...]
    low: np.ndarray
    q1: np.ndarray
    median: np.ndarray
    q3: np.ndarray
    high: np.ndarray
    n: np.ndarray
    speakers: np.ndarray | None


class Strip(NamedTuple):
    """Clips in table order, arrays (n,): points in the feature's unit, group numbers, clip ids.

    ``of`` clips have a value; where n is smaller they are a sample with all extremes in it.
    """

    column: str
    groups: tuple[str, ...]
    points: np.ndarray
    group: np.ndarray
    clip_ids: np.ndarray
    of: int


def group_labels(workspace: Workspace) -> tuple[str, ...]:
    """Labels whose values can be groups: known for some clip, and not another for every one."""
    names = [c for c in workspace.label_columns() if c not in NO_GROUPS]
    if not names:
        return ()
    asked = ", ".join(f"count(DISTINCT {_quoted(c)}) AS c{i}" for i, c in enumerate(names))
    found = workspace.query(f"SELECT {asked}, count(*) AS n FROM clips").iloc[0].tolist()
    return tuple(c for c, k in zip(names, found, strict=False) if 0 < k < max(2, found[-1]))


def balance(workspace: Workspace, selection: Selection, label: str, most: int = 30) -> Balance:
    """Clips, seconds and speakers behind every value of a label.

    Raises
    ------
    ParameterError
        There is no such column.
    """
    _check(workspace, label)
    sql, values = selection.where() or ("TRUE", [])
    known = "speaker_id" in workspace.label_columns()
    speakers = "count(DISTINCT speaker_id)" if known else "0"
    length = seconds_column(workspace)
    seconds = f"sum({_quoted(length)}::DOUBLE)" if length else "NULL::DOUBLE"
    top = _group_case(workspace, selection, label, most)
    rows = workspace.query(
        f"SELECT {top[0]} AS g, count(*) AS n, {seconds} AS s, {speakers} AS who "
        f"FROM clips WHERE {sql} GROUP BY 1 ORDER BY n DESC, g",
        [*top[1], *values],
    )
    rows = rows.iloc[np.argsort(rows["g"].isin([OTHERS, UNKNOWN]), kind="stable")]
    people = None
    if known:
        asked = f"SELECT count(DISTINCT speaker_id) AS n FROM clips WHERE {sql}"
        people = int(workspace.query(asked, values)["n"].iloc[0]) or None
    return Balance(
        label,
        tuple(rows["g"]),
        rows["n"].to_numpy(np.int64),
        rows["s"].to_numpy(np.float64),
        rows["who"].to_numpy(np.int64) if people else None,
        people,
    )


def histogram(
    workspace: Workspace,
    selection: Selection,
    column: str,
    *,
    by: str | None = None,
    log: bool = False,
    bins: int = 100,
) -> Distribution:
    """Counts of a feature in equal bins, of everybody or by the groups of a label.

    Parameters
    ----------
    workspace, selection
        The clips.
    column : str
        The feature.
    by : str, optional
        The label.
    log : bool
        Take log1p first; not done where a value is negative.
    bins : int
        1 to 1,000; the article has 100.

    Raises
    ------
    ParameterError
        There is no such column, or ``bins`` cannot work.
    """
    if not 1 <= bins <= 1000:
        raise ParameterError(f"bins={bins} does not work: choose 1 to 1,000.")
    _check(workspace, column, *([by] if by else []))
    skew, skew_log, least, most = _shape(workspace, selection, column)
    log = log and bool(least >= 0)
    low, high = (np.log1p([least, most]) if log else np.array([least, most])).tolist()
    if not high > low:
        low, high = (low - 0.5, low + 0.5) if np.isfinite(low) else (0.0, 1.0)
    name = _quoted(column)
    x = f"ln(1 + {name}::DOUBLE)" if log else f"{name}::DOUBLE"
    bin_ = f"CASE WHEN {name} IS NULL THEN NULL ELSE "
    bin_ += f"greatest(0, least({bins - 1}, floor(({x} - ?) / ? * {bins})::INTEGER)) END"
    top, named = _group_case(workspace, selection, by)
    sql, values = selection.where() or ("TRUE", [])
    rows = workspace.query(
        f"SELECT {top} AS g, {bin_} AS b, count(*) AS n FROM clips WHERE {sql} GROUP BY 1, 2",
        [*named, low, high - low, *values],
    )
    groups = _in_order(rows.groupby("g")["n"].sum()) or ("",)
    at = rows["g"].map({g: i for i, g in enumerate(groups)}).to_numpy(int)
    counts, missing = np.zeros((len(groups), bins), np.int64), np.zeros(len(groups), np.int64)
    there = rows["b"].notna().to_numpy()
    counts[at[there], rows["b"][there].to_numpy(int)] = rows["n"][there]
    missing[at[~there]] = rows["n"][~there]
    edges = np.linspace(low, high, bins + 1)
    return Distribution(column, log, edges, groups, counts, missing, skew, skew_log, least, most)


def boxes(
    workspace: Workspace, selection: Selection, column: str, *, by: str | None, log: bool = False
) -> Boxes:
    """Tukey's box of a feature for every group: quartiles, and the last values within 1.5 IQR [#]_.

    Groups without a value are left out.

    Raises
    ------
    ParameterError
        There is no such column.

    References
    ----------
    .. [#] J. W. Tukey, "Exploratory Data Analysis", 1977.
    """
    _check(workspace, column, *([by] if by else []))
    log = log and bool(_shape(workspace, selection, column)[2] >= 0)
    name = _quoted(column)
    x = f"ln(1 + {name}::DOUBLE)" if log else f"{name}::DOUBLE"
    top, named = _group_case(workspace, selection, by)
    sql, values = selection.where() or ("TRUE", [])
    known = "speaker_id" in workspace.label_columns()
    who = "speaker_id" if known else "NULL"
    rows = workspace.query(
        f"WITH t AS (SELECT {top} AS g, {x} AS x, {who} AS who FROM clips "
        f"WHERE {sql} AND {name} IS NOT NULL), "
        "q AS (SELECT g, quantile_cont(x, 0.25) AS q1, median(x) AS m, "
        "quantile_cont(x, 0.75) AS q3, count(*) AS n, count(DISTINCT who) AS who "
        "FROM t GROUP BY g) "
        "SELECT q.g, q1, m, q3, n, q.who, min(x) FILTER (x >= q1 - 1.5 * (q3 - q1)) AS low, "
        "max(x) FILTER (x <= q3 + 1.5 * (q3 - q1)) AS high "
        "FROM t JOIN q ON t.g = q.g GROUP BY ALL",
        [*named, *values],
    ).set_index("g")
    groups = _in_order(rows["n"])
    rows = rows.loc[list(groups)]
    ends = (rows[c].to_numpy(np.float64) for c in ("low", "q1", "m", "q3", "high"))
    people = rows["who"].to_numpy(np.int64)
    return Boxes(
        column,
        log,
        groups,
        *ends,
        n=rows["n"].to_numpy(np.int64),
        speakers=people if people.any() else None,
    )


def strip(
    workspace: Workspace,
    selection: Selection,
    column: str,
    *,
    by: str | None = None,
    most: int = MOST_POINTS,
) -> Strip:
    """Every clip with a value, in table order; a sample of about ``most`` where there are more.

    The sample is the same every time, and holds the 100 lowest and highest values.

    Raises
    ------
    ParameterError
        There is no such column.
    """
    _check(workspace, column, *([by] if by else []))
    name = _quoted(column)
    sql, values = selection.where() or ("TRUE", [])
    sql = f"{sql} AND {name} IS NOT NULL"
    of = workspace.count((sql, values))
    top, named = _group_case(workspace, selection, by)
    drawn, more = "", []
    if of > most:
        share = round(1_000_003 * (most - 2 * EXTREMES) / of)
        low, high = _extremes(workspace, name, sql, values)
        drawn = f" AND (hash(clip_id) % 1000003 < ? OR {name} <= ? OR {name} >= ?)"
        more = [share, low, high]
    rows = workspace.query(
        f"SELECT clip_id, {name}::FLOAT AS v, {top} AS g FROM clips WHERE {sql}{drawn} "
        f"ORDER BY clip_id LIMIT {2 * most}",
        [*named, *values, *more],
    )
    groups = _in_order(rows["g"].value_counts()) or ("",)
    return Strip(
        column,
        groups,
        rows["v"].to_numpy(np.float32),
        rows["g"].map({g: i for i, g in enumerate(groups)}).to_numpy(np.int16),
        rows["clip_id"].to_numpy(object),
        of,
    )


def clips(workspace: Workspace, selection: Selection, columns: tuple[str, ...]) -> "pd.DataFrame":
    """The clips behind a plot: clip_id, speaker_id where there is one, and these columns."""
    first = [c for c in ("clip_id", "speaker_id") if c in workspace.label_columns()]
    names = list(dict.fromkeys([*first, *columns]))
    return workspace.page(limit=None, where=selection.where(), columns=names)


def from_scale(value: float, log: bool) -> float:
    """A position on the axis in the feature's own unit."""
    return float(np.expm1(value)) if log else float(value)


def _extremes(workspace: Workspace, name: str, sql: str, values: list[Any]) -> tuple[float, float]:
    asked = "SELECT {0} AS v FROM clips WHERE {1} ORDER BY {0} {2} LIMIT 1 OFFSET {3}"
    ends = []
    for order in ("ASC", "DESC"):
        query = asked.format(name, sql, order, EXTREMES - 1)
        ends.append(float(workspace.query(query, values)["v"].iloc[0]))
    return ends[0], ends[1]


def _shape(
    workspace: Workspace, selection: Selection, column: str
) -> tuple[float, float, float, float]:
    """Skewness of the values and of their log1p, and the least and the largest; NaN: none."""
    name = f"{_quoted(column)}::DOUBLE"
    sql, values = selection.where() or ("TRUE", [])
    row = workspace.query(
        f"SELECT skewness({name}) AS a, skewness(CASE WHEN {name} > -1 THEN ln(1 + {name}) END) "
        f"AS b, min({name}) AS c, max({name}) AS d, stddev_pop({name}) AS e "
        f"FROM clips WHERE {sql}",
        values,
    ).iloc[0]
    a, b, c, d, e = (float("nan") if v is None else float(v) for v in row)
    if not e > 0:
        a = b = float("nan")
    return a, b if c >= 0 else float("nan"), c, d


def _group_case(
    workspace: Workspace, selection: Selection, label: str | None, most: int = MOST_GROUPS
) -> tuple[str, list[Any]]:
    """SQL of a clip's group, and its values."""
    if label is None:
        return "''", []
    name = f"{_quoted(label)}::VARCHAR"
    sql, values = selection.where() or ("TRUE", [])
    rows = workspace.query(
        f"SELECT {name} AS g FROM clips WHERE {sql} AND {name} IS NOT NULL "
        f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {most + 1}",
        values,
    )["g"].tolist()
    if len(rows) <= most:
        return f"coalesce({name}, '{UNKNOWN}')", []
    marks = ", ".join("?" * most)
    case = f"CASE WHEN {name} IS NULL THEN '{UNKNOWN}' WHEN {name} IN ({marks}) THEN {name} "
    return case + f"ELSE '{OTHERS}' END", rows[:most]


def _in_order(sizes: "pd.Series") -> tuple[str, ...]:
    """Groups by name, ages by age, the pooled and the unknown last."""
    return tuple(
        sorted(
            sizes.index,
            key=lambda g: (g in (OTHERS, UNKNOWN), g == UNKNOWN, DECADES.get(g, 0), g),
        )
    )


def _check(workspace: Workspace, *names: str) -> None:
    for name in names:
        if name not in selecting.columns(workspace):
            raise ParameterError(f"There is no column {clean(name)} here: choose another.")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

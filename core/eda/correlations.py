"""How features go together, and with age and gender: all pairs, and one pair in detail.

Conventions: age is coded as in the article, teens 0 to sixties 5 and on; gender male 0, female 1,
others not known. Each pair is taken over the clips that have both. By speaker, each speaker is one
row: the mean of their clips. Beyond ``SAMPLE`` rows a sample is taken, the same one every time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.datasets.labels import DECADES
from core.errors import ParameterError
from core.filters import Selection
from core.safe_text import clean
from core.store import Workspace, pairwise_correlation

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 200_000  # rows that correlations are taken from
CELLS = 3_200_000  # and numbers: fewer rows for many columns; half as many where they are ranked
POINTS = 5_000  # points that a scatter shows
MOST = 80  # columns in one heat map
BINS = 60  # of a density picture and of the marginals
METHODS = ("pearson", "spearman")
ALPHA = 0.05
GENDERS = ("male", "female")
AGES = ("teens", "twenties", "thirties", "fourties", "fifties", "sixties", "seventies")
AGES += ("eighties", "nineties")
CODES = {"age": AGES, "gender": GENDERS}
_CODED = {
    "age": {word: decade // 10 - 1 for word, decade in DECADES.items()},
    "gender": {word: i for i, word in enumerate(GENDERS)},
}
READABLE = (
    *("f0_median_hz", "f0_sd_st", "hnr_db", "jitter_local_pct", "f1_median_hz", "f2_median_hz"),
    *("f3_median_hz", "spectral_centroid_hz", "spectral_tilt_db_oct", "rms_dbfs", "snr_db"),
    *("articulation_rate_hz", "speech_share", "duration_s"),
)
_OTHERS = 7  # groups of a scatter with a colour of their own


@dataclass(frozen=True)
class Correlations:
    """Correlations of all pairs of ``names``.

    ``r``, ``n``, ``p`` and ``corrected`` are (k, k): coefficient, rows, and p-value before and
    after the correction for the number of pairs; NaN on the diagonal and where not measurable.
    ``rows`` of ``total`` were used (speakers, if ``by_speaker``); ``clips`` and ``speakers`` stand
    behind them.
    """

    names: tuple[str, ...]
    r: np.ndarray
    n: np.ndarray
    p: np.ndarray
    corrected: np.ndarray
    method: str
    by_speaker: bool
    rows: int
    total: int
    speakers: int | None


@dataclass(frozen=True)
class Pair:
    """Two columns against each other.

    ``x``, ``y``, ``group`` and ``clip_ids`` are the points shown, all or a sample; ``group`` is a
    place in ``groups``. ``counts`` (BINS, BINS), y first, and ``sides`` (2, groups, BINS) are over
    all ``n`` rows, with the edges of x and y; ``r_groups`` is Pearson's r within each group. The
    rows are a sample of all if ``sampled``.
    """

    x: np.ndarray
    y: np.ndarray
    group: np.ndarray
    clip_ids: tuple[str, ...]
    groups: tuple[str, ...]
    edges: tuple[np.ndarray, np.ndarray]
    counts: np.ndarray
    sides: tuple[np.ndarray, np.ndarray]
    pearson: float
    spearman: float
    r_groups: tuple[float, ...]
    n: int
    sampled: bool


class Extreme(NamedTuple):
    """A pair of columns and its coefficient."""

    x: str
    y: str
    r: float


def choices(workspace: Workspace) -> tuple[str, ...]:
    """Columns that can be correlated: age and gender where they are labels, then the features."""
    labels = workspace.label_columns()
    coded = [n for n in CODES if n in labels]
    return (*coded, *(n for n in workspace.columns if n not in coded))


def readable(workspace: Workspace) -> tuple[str, ...]:
    """Age, gender and about a dozen features: what a heat map shows at first."""
    names = choices(workspace)
    coded = tuple(n for n in names if n in CODES)
    features = [n for n in READABLE if n in names] or [n for n in names if n not in coded][:13]
    return (*coded, *features)


def correlations(
    workspace: Workspace,
    selection: Selection,
    names: Sequence[str],
    *,
    method: str = "pearson",
    by_speaker: bool = False,
    sample: int = SAMPLE,
) -> Correlations:
    """Correlate all pairs of columns.

    Parameters
    ----------
    workspace : Workspace
        The table.
    selection : Selection
        Which clips.
    names : sequence of str
        Features, ``age`` or ``gender``; 2 to 80.
    method : {"pearson", "spearman"}
        Spearman is Pearson on ranks; each column is ranked once, over all its known values.
    by_speaker : bool
        Average by speaker first, so that every speaker counts once.
    sample : int
        Rows beyond which a sample is taken; less for many columns and for ranks.

    Returns
    -------
    Correlations
        p-values are of the t test with n - 2 degrees of freedom, which takes rows as independent;
        corrected after Benjamini & Hochberg, 1995.

    Raises
    ------
    ParameterError
        There is no such column or method, or there are no speakers to average by.
    """
    if method not in METHODS:
        raise ParameterError(f"Unknown method {clean(method)}: choose one of {list(METHODS)}.")
    if not 2 <= len(names) <= MOST:
        raise ParameterError(f"Choose 2 to {MOST} columns to correlate, not {len(names)}.")
    sample = rows_for(names, method, sample)
    table = values(workspace, selection, names, by_speaker=by_speaker, sample=sample)
    x = _ranked(table.x) if method == "spearman" else table.x
    r, n = pairwise(x)
    p = p_values(r, n)
    return Correlations(
        tuple(names),
        r,
        n,
        p,
        corrected(p),
        method,
        by_speaker,
        len(x),
        table.total,
        table.speakers,
    )


def rows_for(names: Sequence[str], method: str, sample: int = SAMPLE) -> int:
    """Rows beyond which ``correlations`` takes a sample."""
    return min(sample, CELLS // (len(names) * (2 if method == "spearman" else 1)))


def export(
    workspace: Workspace,
    selection: Selection,
    names: Sequence[str],
    labels: Sequence[str] = (),
    sample: int = SAMPLE,
) -> "pd.DataFrame":
    """The numbers behind a figure, a row for each clip: clip_id, ``labels``, coded ``names``."""
    import pandas as pd

    more = ["clip_id", *labels]
    found = values(workspace, selection, names, sample=sample, more=more)
    left = pd.DataFrame(dict(zip(more, found.more, strict=True)))
    return pd.concat([left, pd.DataFrame(found.x, columns=list(names))], axis=1)


def clustered(found: Correlations) -> Correlations:
    """The same with columns that go together side by side.

    Average linkage on 1 - abs(r), leaves in optimal order (scipy.cluster.hierarchy); what is not
    measurable counts as 0.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(found.names) < 3:
        return found
    distance = 1 - np.abs(np.nan_to_num(found.r))
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    order = leaves_list(tree)
    parts = (m[np.ix_(order, order)] for m in (found.r, found.n, found.p, found.corrected))
    return Correlations(
        tuple(found.names[i] for i in order),
        *parts,
        found.method,
        found.by_speaker,
        found.rows,
        found.total,
        found.speakers,
    )


def strongest(found: Correlations, most: int = 3) -> tuple[Extreme, ...]:
    """The pairs with the largest coefficients, up or down, strongest first."""
    i, j = np.triu_indices(len(found.names), 1)
    r = found.r[i, j]
    order = np.argsort(-np.abs(np.nan_to_num(r)), kind="stable")[:most]
    return tuple(
        Extreme(found.names[i[k]], found.names[j[k]], float(r[k])) for k in order if r[k] == r[k]
    )


def pair(
    workspace: Workspace,
    selection: Selection,
    x: str,
    y: str,
    *,
    color: str | None = None,
    by_speaker: bool = False,
    points: int = POINTS,
    sample: int = SAMPLE,
) -> Pair:
    """One pair of columns: points to show, density and marginals.

    Parameters
    ----------
    workspace, selection, x, y, by_speaker, sample
        As for ``correlations``.
    color : str, optional
        A label; its most frequent seven values are groups, the rest one more.
    points : int
        Most points to show; beyond them a sample, the same one every time.

    Raises
    ------
    ParameterError
        There is no such column, or there are no speakers to average by.
    """
    if color and color not in workspace.label_columns():
        raise ParameterError(f"There is no label {clean(color)} to colour by: choose another.")
    more = [color] if color else []
    table = values(
        workspace, selection, [x, y], by_speaker=by_speaker, sample=sample, more=more, both=True
    )
    data, labels = table.x, table.more[0] if color else None
    groups, group = _groups(labels, len(data))
    shown = values(
        workspace,
        selection,
        [x, y],
        by_speaker=by_speaker,
        sample=points,
        more=["clip_id", *more],
        both=True,
        exactly=True,
    )
    known = _places(shown.more[1], groups) if color else np.zeros(len(shown.x), np.int64)
    edges = (_edges(data[:, 0], x), _edges(data[:, 1], y))
    counts = np.histogram2d(data[:, 1], data[:, 0], bins=(edges[1], edges[0]))[0]
    sides = tuple(
        np.array([np.histogram(data[group == g, i], e)[0] for g in range(len(groups))])
        for i, e in enumerate(edges)
    )
    return Pair(
        shown.x[:, 0],
        shown.x[:, 1],
        known,
        tuple(shown.more[0]),
        groups,
        edges,
        counts.astype(np.int64),
        sides,
        _r(data),
        _r(_ranked(data)),
        tuple(_r(data[group == g]) for g in range(len(groups))) if color else (),
        len(data),
        table.total > sample,
    )


class Values(NamedTuple):
    """Columns as numbers: ``x`` (n, k) float64, NaN where not known; ``more`` object arrays."""

    x: np.ndarray
    more: tuple[np.ndarray, ...]
    total: int
    speakers: int | None


def values(
    workspace: Workspace,
    selection: Selection,
    names: Sequence[str],
    *,
    by_speaker: bool = False,
    sample: int = SAMPLE,
    more: Sequence[str] = (),
    both: bool = False,
    exactly: bool = False,
) -> Values:
    """Columns of the selected clips, coded, by clip or by speaker.

    ``more`` are columns to have as they are (by speaker: the first value). With ``both``, only rows
    that have all ``names``. Beyond ``sample`` rows about that many are taken, or with ``exactly``
    that many and sorted by clip; ``total`` is how many there are.

    Raises
    ------
    ParameterError
        There is no such column, or there are no speakers to average by.
    """
    labels = workspace.label_columns()
    condition, bound = selection.where() or ("TRUE", [])
    unit = "speaker_id" if by_speaker else "clip_id"
    if by_speaker and "speaker_id" not in labels:
        raise ParameterError("This data set names no speakers: compare by clip.")
    coded = coded_sql(workspace, names)
    if by_speaker:
        condition += " AND speaker_id IS NOT NULL"
    if both and not by_speaker:
        condition += "".join(f" AND {sql} IS NOT NULL" for sql in coded)
    plain = not selection and not more and not by_speaker and {*names} <= {*workspace.columns}
    view = "features" if plain else "clips"
    has = "speaker_id" in labels and not plain
    total, speakers = _counted(workspace, view, condition, bound, unit, has)
    below = None
    if total > sample and not exactly:
        below = round(1000003 * sample / total)
        condition += f" AND hash({unit}) % 1000003 < {below}"
    picked = [f"{'avg' if by_speaker else ''}({sql}) AS x{i}" for i, sql in enumerate(coded)]
    first = "min" if by_speaker else ""
    picked += [f"{first}({_quoted(name)}) AS m{i}" for i, name in enumerate(more)]
    sql = f"SELECT {', '.join(picked)} FROM {view} WHERE {condition}"
    sql += f" GROUP BY {unit}" if by_speaker else ""
    if both and by_speaker:
        sql += " HAVING " + " AND ".join(f"avg({s}) IS NOT NULL" for s in coded)
    if exactly:
        sql += f" ORDER BY hash({unit}), {unit} LIMIT {int(sample)}"
    elif by_speaker:
        sql += " ORDER BY speaker_id"  # or sums differ in their last digits every time
    table = workspace.query(sql, bound, below=None if by_speaker else below)
    x = table[[f"x{i}" for i in range(len(names))]].to_numpy(dtype=float, na_value=np.nan)
    rest = tuple(table[f"m{i}"].to_numpy(dtype=object) for i in range(len(more)))
    return Values(x, rest, total, speakers)


def _counted(
    workspace: Workspace, view: str, condition: str, bound: list, unit: str, has_speakers: bool
) -> tuple[int, int | None]:
    """Clips or speakers that meet a condition, and speakers where they are known."""
    rows = "count(*)" if unit == "clip_id" else "count(DISTINCT speaker_id)"
    speakers = "count(DISTINCT speaker_id)" if has_speakers else "NULL"
    sql = f"SELECT {rows} AS n, {speakers} AS s FROM {view} WHERE {condition}"
    n, s = workspace.query(sql, bound).iloc[0].tolist()
    return int(n), int(s) if s and s == s else None


def coded_sql(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """SQL for each column as a number; age and gender by the article's mapping.

    Raises
    ------
    ParameterError
        There is no such column.
    """
    labels, known = workspace.label_columns(), choices(workspace)
    for name in names:
        if name not in known:
            raise ParameterError(f"There is no column {clean(name)} to correlate: choose another.")
    return [_as_number(name, labels) for name in names]


def _as_number(name: str, labels: Sequence[str]) -> str:
    if name == "age" and "age_decade" in labels:
        return "nullif(age_decade, 0) / 10 - 1"
    if name in CODES and name in labels:
        cases = " ".join(f"WHEN '{word}' THEN {code}" for word, code in _CODED[name].items())
        return f"(CASE {_quoted(name)} {cases} END)::DOUBLE"
    return f"{_quoted(name)}::DOUBLE"


def pairwise(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r (k, k) of the columns of ``x`` (n, k), and the rows that have both.

    NaN on the diagonal, where a column does not vary, and where fewer than three rows have both.
    """
    known = np.isfinite(x).astype(np.float64)
    n = (known.T @ known).astype(np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = pairwise_correlation(x) if len(x) else np.full(n.shape, np.nan)
    np.fill_diagonal(r, np.nan)
    return r, n


def p_values(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Two-sided p-value of each coefficient over ``n`` independent rows, by Student's t."""
    from scipy.special import betainc

    df = np.maximum(n - 2, 1)
    p = betainc(df / 2, 0.5, np.clip(1 - np.nan_to_num(r) ** 2, 0, 1))
    return np.where(np.isfinite(r), p, np.nan)


def corrected(p: np.ndarray) -> np.ndarray:
    """p-values (k, k) of all pairs, corrected after Benjamini & Hochberg, 1995."""
    i, j = np.triu_indices(len(p), 1)
    one = p[i, j]
    there = np.flatnonzero(np.isfinite(one))
    order = there[np.argsort(-one[there])]
    rank = np.arange(order.size, 0, -1)
    q = np.full(one.size, np.nan)
    q[order] = np.minimum(1, np.minimum.accumulate(one[order] * order.size / rank))
    out = np.full(p.shape, np.nan)
    out[i, j] = out[j, i] = q
    return out


def _ranked(x: np.ndarray) -> np.ndarray:
    """Ranks of the known values of each column, ties shared."""
    from scipy.stats import rankdata

    out = np.full(x.shape, np.nan)
    for k in range(x.shape[1]):
        known = np.isfinite(x[:, k])
        out[known, k] = rankdata(x[known, k])
    return out


def _r(x: np.ndarray) -> float:
    return float(pairwise(x)[0][0, 1])


def _edges(x: np.ndarray, name: str) -> np.ndarray:
    """Edges of the bins; coded labels get one bin for each code."""
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    if name in CODES and np.all(x == np.round(x)):
        return np.arange(low - 0.5, high + 1)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def _groups(labels: np.ndarray | None, n: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the groups, most frequent first, and the place of each row's own."""
    if labels is None:
        return ("",), np.zeros(n, np.int64)
    words = _words(labels)
    found, counts = np.unique(words[words != ""], return_counts=True)
    names = [str(w) for w in found[np.argsort(-counts, kind="stable")]]
    groups = tuple(names[:_OTHERS])
    groups += ("others",) if len(names) > _OTHERS else ()
    groups += ("not known",) if (words == "").any() else ()
    return groups or ("",), _places(labels, groups)


def _places(labels: np.ndarray, groups: tuple[str, ...]) -> np.ndarray:
    place = {name: i for i, name in enumerate(groups)}
    rest = place.get("others", 0)
    return np.array(
        [place.get(w, rest) if w else place.get("not known", rest) for w in _words(labels)],
        dtype=np.int64,
    )


def _words(labels: Any) -> np.ndarray:
    """Values of a label as words; "" where not known."""
    return np.array(["" if v is None or v != v else _word(v) for v in labels], dtype=object)


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

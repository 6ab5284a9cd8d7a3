"""Who counts as one: speakers as clusters, intervals by redrawing them, and scores per group.

Conventions: intervals are 95 % percentile intervals of a cluster bootstrap [#]_: whole speakers
are drawn with replacement, with all of their clips. Clips whose speaker is not known are each a
cluster of their own, which makes intervals too narrow where voices repeat. A share that is 0 or 1
in every draw has Wilson's interval [#]_ for the number of clusters, since a bootstrap cannot see
what has not happened yet.

.. [#] C. A. Field, A. H. Welsh, "Bootstrapping clustered data", JRSS B 69, 2007.
.. [#] E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
   JASA 22, 1927.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.errors import ParameterError
from core.models.base import Predictions
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 1000
CHUNK = 100  # draws at a time
KEPT = 20_000_000  # draws times clusters up to which they are kept, one byte each
FEWEST_SPEAKERS = 5
UNKNOWN = "not known"
Z95 = 1.959964


class Clusters(NamedTuple):
    """``codes`` (n,) the cluster of each clip, 0 to ``count`` - 1.

    ``speakers`` is how many are known, None where none is; ``anonymous`` clips have none.
    """

    codes: np.ndarray
    count: int
    speakers: int | None
    anonymous: int

    @property
    def by(self) -> str:
        """What was redrawn: "speaker" or "clip"."""
        return "clip" if self.speakers is None else "speaker"


class Interval(NamedTuple):
    """A value between two ends; NaN where it cannot be told."""

    value: float
    low: float
    high: float


class GroupScore(NamedTuple):
    """How a group fares: the share of its clips answered right, or the mean error in years.

    ``names`` are its values, one for each column asked for; ``few`` marks a group whose interval
    rests on fewer than five speakers (clips where none is known).
    """

    names: tuple[str, ...]
    clips: int
    speakers: int | None
    score: Interval
    few: bool


def clusters(speakers: np.ndarray | None, n: int) -> Clusters:
    """Who belongs together among ``n`` clips; ``speakers`` (n,) as in ``Table``."""
    if speakers is None:
        return Clusters(np.arange(n), n, None, n)
    names = np.asarray(speakers, dtype=object)
    known = np.array([bool(s) and s == s for s in names], dtype=bool)
    if not known.any():
        return Clusters(np.arange(n), n, None, n)
    codes = np.empty(n, dtype=np.int64)
    found, codes[known] = np.unique(names[known].astype(str), return_inverse=True)
    alone = int((~known).sum())
    codes[~known] = found.size + np.arange(alone)
    return Clusters(codes, found.size + alone, found.size, alone)


def draws(count: int, *, seed: int, n: int = DRAWS) -> Iterator[np.ndarray]:
    """How often each cluster is drawn, (at most 100, count) at a time, float32."""
    if count * n <= KEPT:
        yield from (times.astype(np.float32) for times in _kept_draws(count, seed, n))
    else:
        yield from (times.astype(np.float32) for times in _draws(count, seed, n))


@lru_cache(maxsize=2)
def _kept_draws(count: int, seed: int, n: int) -> tuple[np.ndarray, ...]:
    """The same draws serve every score of a model."""
    return tuple(times.astype(np.uint8) for times in _draws(count, seed, n))


def _draws(count: int, seed: int, n: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for start in range(0, n, CHUNK):
        rows = min(CHUNK, n - start)
        at = rng.integers(0, count, (rows, count)) + count * np.arange(rows)[:, None]
        yield np.bincount(at.ravel(), minlength=rows * count).reshape(rows, count)


def sums(per_clip: np.ndarray, found: Clusters) -> np.ndarray:
    """Rows of ``per_clip`` (n, m) added up within each cluster, (count, m)."""
    from scipy.sparse import csr_matrix

    n = found.codes.size
    ones = np.ones(n, dtype=np.float32)
    return csr_matrix((ones, (found.codes, np.arange(n))), (found.count, n)) @ per_clip


def bootstrap(
    per_clip: np.ndarray,
    found: Clusters,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    seed: int,
    n: int = DRAWS,
) -> tuple[np.ndarray, np.ndarray]:
    """Statistics of sums over clips, as they are and redrawn.

    Parameters
    ----------
    per_clip : np.ndarray [shape=(n, m)]
        What is added up.
    found : Clusters
        What is redrawn.
    statistic : callable
        From sums (draws, m) to statistics (draws, k).
    seed, n : int
        Of the draws, and how many.

    Returns
    -------
    tuple of np.ndarray
        The statistics (k,), and those of each draw (n, k).
    """
    from threadpoolctl import threadpool_limits

    total = sums(np.asarray(per_clip, dtype=np.float64), found)
    whole = statistic(total.sum(axis=0, keepdims=True))[0]
    single = total.astype(np.float32)
    with threadpool_limits(1):  # small products: threads would only wait for one another
        redrawn = [statistic(times @ single) for times in draws(found.count, seed=seed, n=n)]
    return whole, np.concatenate(redrawn)


def interval(value: float, redrawn: np.ndarray, *, share_of: int | None = None) -> Interval:
    """A value with the middle 95 % of its draws.

    ``share_of`` is the number of clusters where the value is a share that cannot leave 0 to 1.
    """
    there = redrawn[np.isfinite(redrawn)]
    if not there.size or not np.isfinite(value):
        return Interval(float(value), np.nan, np.nan)
    low, high = np.percentile(there, [2.5, 97.5])
    if share_of and low == high and value in (0, 1):
        low, high = wilson(value, share_of)
    return Interval(float(value), float(low), float(high))


def percent(share: float) -> str:
    """As people write it: "61 %"."""
    return f"{100 * share:.0f} %"


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of ``n``."""
    z2 = Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def ratio(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Element by element; NaN where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominators > 0, numerators / denominators, np.nan)


def by_group(
    predictions: Predictions, labels: "pd.DataFrame", columns: Sequence[str], *, seed: int = 0
) -> tuple[GroupScore, ...]:
    """How each group of clips fares: gender × age × accent, or any other labels.

    Parameters
    ----------
    predictions : Predictions
        Answers for clips the model had not learnt from.
    labels : DataFrame
        One row per clip, with a column or an index ``clip_id``; clips without a row, and missing
        values, form the group "not known".
    columns : sequence of str
        Columns whose combinations are the groups.
    seed : int
        Seed of the draws.

    Returns
    -------
    tuple of GroupScore
        Groups with most clips first. The score is the share of clips answered right; for a
        regression the mean absolute error.

    Raises
    ------
    ParameterError
        A column is not there, or none is asked for.
    """
    if not columns:
        raise ParameterError("Groups need at least one label: choose one, such as gender.")
    table = labels.set_index("clip_id") if "clip_id" in labels.columns else labels
    for name in columns:
        if name not in table.columns:
            raise ParameterError(f"There is no label {clean(name, 40)!r}: choose another.")
    table = table[~table.index.duplicated()].reindex(predictions.clip_ids)
    values = [[_said(v) for v in table[name]] for name in columns]
    found: dict[tuple[str, ...], list[int]] = {}
    for i, names in enumerate(zip(*values, strict=True)):
        found.setdefault(names, []).append(i)
    measured = per_clip(predictions)
    order = sorted(found, key=lambda names: (-len(found[names]), names))
    return tuple(
        _score(names, np.array(found[names]), measured, predictions, seed) for names in order
    )


def per_clip(predictions: Predictions) -> np.ndarray:
    """1 where a clip's answer is right and 0 where not; the absolute error of a regression."""
    if predictions.labels:
        return (predictions.answers == predictions.y).astype(np.float64)
    return np.abs(predictions.answers - predictions.y.astype(np.float64))


def mean_interval(measured: np.ndarray, speakers: np.ndarray | None, *, seed: int) -> Interval:
    """The mean over clips, with its interval by speaker; none where there is one speaker."""
    found = clusters(speakers, measured.size)
    both = np.column_stack([measured, np.ones(measured.size)])
    value, redrawn = bootstrap(both, found, lambda s: ratio(s[:, :1], s[:, 1:]), seed=seed)
    if found.count < 2:
        return Interval(float(value[0]), np.nan, np.nan)
    return interval(value[0], redrawn[:, 0], share_of=found.count)


def _score(
    names: tuple[str, ...],
    rows: np.ndarray,
    measured: np.ndarray,
    predictions: Predictions,
    seed: int,
) -> GroupScore:
    speakers = None if predictions.speakers is None else predictions.speakers[rows]
    found = clusters(speakers, rows.size)
    score = mean_interval(measured[rows], speakers, seed=seed)
    few = found.count < FEWEST_SPEAKERS
    return GroupScore(names, rows.size, found.speakers, score, few)


def _said(value: object) -> str:
    return UNKNOWN if value is None or value != value or value == "" else str(value)

"""Curves that say what would help: more speakers, other settings, other inputs.

Conventions: scores are of clips that were not learnt from: balanced accuracy, or the mean absolute
error in years. Speakers of the test are never among those learnt from, unless the split is by
clip; then clips are what is counted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.errors import ParameterError
from core.extract import Progress
from core.models import baselines, judge
from core.models.base import Predictions, Table, TrainParams
from core.models.groups import clusters

if TYPE_CHECKING:
    import pandas as pd

SIZES = 5
REPEATS = 3
SMALLEST = 1 / 16  # of those to learn from
FEWEST = 8  # speakers, or clips, to learn from
ALIKE = 0.7  # mean rank correlation above which columns form a block
PERMUTATIONS = 5
MOST = 2000  # clips that importance is measured on
MOST_PANELS = 12
WIDE = 1500  # columns: these are pictures


@dataclass(frozen=True)
class LearningCurve:
    """Scores (sizes, repeats) against how many ``units`` (sizes,) were learnt from.

    ``unit`` is "speakers" or "clips"; ``metric`` "balanced_accuracy" or "mae".
    """

    units: np.ndarray
    scores: np.ndarray
    unit: str
    metric: str
    chance: float

    @property
    def sentence(self) -> str:
        """Whether the curve still rises."""
        mean, sd = self.scores.mean(axis=1), self.scores.std(axis=1)
        gain = (mean[-1] - mean[-2]) * (-1 if self.metric == "mae" else 1)
        last = f"From {self.units[-2]:,} to {self.units[-1]:,} {self.unit}"
        if gain > max(sd[-1], sd[-2]):
            return f"{last} the model still learns: more {self.unit} are likely to help."
        return f"{last} nothing clear is gained: more {self.unit} of this kind may not help."


@dataclass(frozen=True)
class Importance:
    """How much worse answers get when columns are shuffled, the most important first.

    ``drops`` (m, repeats) are losses of balanced accuracy, or years added to the mean absolute
    error; ``members`` are the columns shuffled together under each of ``names``; ``base`` is the
    score with nothing shuffled.
    """

    names: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    drops: np.ndarray
    base: float
    metric: str


class Panel(NamedTuple):
    """One panel of search curves: scores against a setting, all else as in ``title``.

    ``train`` and ``validation`` are (settings, 2): mean and deviation over folds.
    """

    title: str
    values: np.ndarray
    train: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class SearchCurves:
    """Scores of a search against one setting; ``log`` where its values lie on a log scale.

    Panels go in rows of ``columns``: one for each value of the first other setting, where it has
    two to four. ``metric`` is "score" (a share) or "mae" (years).
    """

    setting: str
    log: bool
    panels: tuple[Panel, ...]
    columns: int = 3
    metric: str = "score"


def learning_curve(
    table: Table,
    params: TrainParams,
    *,
    sizes: int = SIZES,
    repeats: int = REPEATS,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> LearningCurve:
    """Scores of models that learn from more and more speakers.

    Parameters
    ----------
    table, params : Table, TrainParams
        What is learnt; the family with its settings, no search.
    sizes, repeats : int
        How many sizes, evenly spaced on a log scale, and how often speakers are drawn. Each
        repeat holds out another fold; its sizes are nested.
    seed : int
        Of folds and drawing.
    progress, cancelled : callable, optional
        Told how many fits are done; asked before each whether to end.

    Raises
    ------
    ParameterError
        There are too few speakers (clips).
    Cancelled
        ``cancelled`` said so.
    """
    by_clip = params.split == "clip"
    codes = clusters(None if by_clip else table.speakers, table.y.size).codes
    rng = np.random.default_rng(seed)
    asked, y, labels = _asked(table)
    scores = np.full((sizes, repeats), np.nan)
    units = np.zeros((sizes, repeats))
    teller = baselines.Teller(sizes * repeats, progress, cancelled)
    for r in range(repeats):
        settings = replace(params, seed=seed + r)
        test = baselines.folds(table.y, table.speakers, settings) == 0
        order = rng.permutation(np.unique(codes[~test]))
        if order.size < FEWEST:
            raise ParameterError(
                f"A learning curve needs {FEWEST} speakers to learn from; there are {order.size}."
            )
        low = max(FEWEST // 2, order.size * SMALLEST)
        for s, n in enumerate(np.rint(np.geomspace(low, order.size, sizes)).astype(int)):
            teller.ask()
            train = ~test & np.isin(codes, order[:n])
            prob = _refit(table.X, y, train, test, settings, len(labels))
            scores[s, r] = _score(table.y[test], prob, labels)
            units[s, r] = n
            teller.tell()
    return LearningCurve(
        units=np.rint(units.mean(axis=1)).astype(int),
        scores=scores,
        unit="clips" if by_clip else "speakers",
        metric="balanced_accuracy" if labels else "mae",
        chance=_chance(asked),
    )


def importance(
    table: Table,
    params: TrainParams,
    *,
    blocks: bool = True,
    repeats: int = PERMUTATIONS,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Importance:
    """Permutation importance out of fold: what is lost when inputs are shuffled among test clips.

    Parameters
    ----------
    table, params : Table, TrainParams
        What is learnt; the family with its settings, no search.
    blocks : bool
        Shuffle columns that go together at once (mean rank correlation above 0.7): shuffled one
        by one, each of them would seem needless, since the others stand in for it.
    repeats : int
        How often each is shuffled.
    seed : int
        Of the shuffling.
    progress, cancelled : callable, optional
        Told how many columns or blocks are done in all folds; asked before each.

    Raises
    ------
    ParameterError
        The split cannot be made.
    Cancelled
        ``cancelled`` said so.
    """
    _, y, labels = _asked(table)
    fold = baselines.folds(table.y, table.speakers, params)
    parts = _parts(table, blocks)
    rng = np.random.default_rng(seed)
    X = np.where(np.isfinite(table.X), table.X, np.nan).astype(np.float64)
    kept = np.sort(rng.permutation(table.y.size)[:MOST])
    k = max(1, len(labels))
    base = np.zeros((table.y.size, k))
    shuffled = np.zeros((len(parts), repeats, table.y.size, k), dtype=np.float32)
    teller = baselines.Teller(len(parts) * params.n_splits, progress, cancelled)
    for f in np.unique(fold):
        model = _fitted(X, y, fold != f, params, bool(labels))
        test = kept[fold[kept] == f]
        base[test] = _ask(model, X[test], k, bool(labels))
        for p, columns in enumerate(parts):
            teller.ask()
            many = np.tile(X[test], (repeats, 1))
            for r in range(repeats):
                rows = slice(r * test.size, (r + 1) * test.size)
                many[rows, columns] = X[rng.permutation(test)][:, columns]
            found = _ask(model, many, k, bool(labels))
            shuffled[p][:, test] = found.reshape(repeats, test.size, k)
            teller.tell()
    sign = 1 if labels else -1
    start = _score(table.y[kept], base[kept], labels)
    drops = np.array(
        [[sign * (start - _score(table.y[kept], s[kept], labels)) for s in p] for p in shuffled]
    )
    order = np.argsort(-drops.mean(axis=1), kind="stable")
    names = [_named(X, parts[i], table.columns) for i in order]
    return Importance(
        names=tuple(names),
        members=tuple(tuple(table.columns[j] for j in parts[i]) for i in order),
        drops=drops[order],
        base=start,
        metric="balanced_accuracy" if labels else "mae",
    )


def search_curves(rows: "pd.DataFrame", setting: str | None = None) -> SearchCurves:
    """Scores of a search against one setting, a panel for each combination of the others.

    Parameters
    ----------
    rows : DataFrame
        As in ``Trained.rows``: settings, then means and deviations over folds.
    setting : str, optional
        By default the numeric one with most values.

    Returns
    -------
    SearchCurves
        Of many panels the twelve that validate best, in the order of the table.

    Raises
    ------
    ParameterError
        No setting was searched, or there is no such one.
    """
    from core.models.search import SCORE_COLUMNS

    many = {n: len(rows[n].unique()) for n in rows.columns if n not in SCORE_COLUMNS}
    numeric = {
        n: count
        for n, count in many.items()
        if count > 1 and rows[n].dtype.kind in "if" and rows[n].notna().all()
    }
    chosen = setting or max(numeric, key=numeric.__getitem__, default=None)
    if chosen not in numeric:
        raise ParameterError(
            "Curves need a setting with two numbers or more: search one of them first."
        )
    others = [n for n, count in many.items() if n != chosen and count > 1]
    shown = [[_shown(n, v) for v in rows[n]] for n in others]
    keys = list(zip(*shown, strict=True)) if others else [()] * len(rows)
    # One row of panels for everything but the first of the other settings.
    first, rest = list(dict.fromkeys(k[:1] for k in keys)), list(dict.fromkeys(k[1:] for k in keys))
    panels = [
        _panel(rows[[k == key for k in keys]], chosen, ", ".join(key))
        for key in sorted(dict.fromkeys(keys), key=lambda key: rest.index(key[1:]))
    ]
    best = sorted(panels, key=lambda p: -np.nanmax(p.validation[:, 0]))[:MOST_PANELS]
    kept = tuple(p for p in panels if any(p is b for b in best))
    whole = len(kept) == len(panels) and 2 <= len(first) <= 4
    years = bool((rows["validation_mean"].dropna() <= 0).all())  # the search takes errors negative
    if years:
        kept = tuple(p._replace(train=abs(p.train), validation=abs(p.validation)) for p in kept)
    return SearchCurves(
        chosen,
        _is_log(panels[0].values),
        kept,
        len(first) if whole else 3,
        "mae" if years else "score",
    )


def _panel(rows: "pd.DataFrame", setting: str, title: str) -> Panel:
    part = rows.sort_values(setting)
    scores = [
        part[[f"{kind}_mean", f"{kind}_sd"]].to_numpy(dtype=np.float64)
        for kind in ("train", "validation")
    ]
    return Panel(title, part[setting].to_numpy(dtype=np.float64), *scores)


def _shown(name: str, value: object) -> str:
    if value is None or value != value:
        return f"no {name}"
    return str(value) if isinstance(value, str) else f"{name} {value}"


def _is_log(values: np.ndarray) -> bool:
    """Whether values lie more evenly by their ratio than by their difference."""
    return values.size > 2 and values.min() > 0 and values.max() / values.min() >= 20


def _parts(table: Table, blocks: bool) -> list[np.ndarray]:
    """Columns that are shuffled together; of pictures, whole inputs."""
    n = table.X.shape[1]
    if n > WIDE:
        return [np.arange(n)[part] for part in table.blocks.values()]
    return correlated(table.X) if blocks else [np.array([j]) for j in range(n)]


def correlated(X: np.ndarray, *, alike: float = ALIKE) -> list[np.ndarray]:
    """Columns of X (n, d) in blocks that go together: average linkage of |rank correlation|."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if X.shape[1] == 1:
        return [np.array([0])]
    distance = np.clip(1 - abs(_rank_correlation(X)), 0, 1)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0)
    block = fcluster(linkage(squareform(distance), "average"), 1 - alike, "distance")
    return [np.flatnonzero(block == b) for b in np.unique(block)]


def _rank_correlation(X: np.ndarray) -> np.ndarray:
    """Spearman's correlations (d, d); medians stand in for missing values, 0 for constants."""
    from scipy.stats import rankdata

    X = np.where(np.isfinite(X), X, np.nan).astype(np.float64)
    there = np.isfinite(X).any(axis=0)
    middle = np.zeros(X.shape[1])
    middle[there] = np.nanmedian(X[:, there], axis=0)
    ranks = rankdata(np.where(np.isfinite(X), X, middle), axis=0)
    z = ranks - ranks.mean(axis=0)
    spread = np.sqrt((z**2).sum(axis=0))
    z = z / np.where(spread > 0, spread, 1)
    return z.T @ z


def _named(X: np.ndarray, columns: np.ndarray, names: tuple[str, ...]) -> str:
    """A block by its most central column, and how many are like it."""
    if columns.size == 1:
        return names[columns[0]]
    centre = columns[abs(_rank_correlation(X[:, columns])).sum(axis=0).argmax()]
    return f"{names[centre]} and {columns.size - 1} alike"


def _asked(table: Table) -> tuple[Predictions, np.ndarray, tuple[str, ...]]:
    """Blank predictions, targets as numbers, and labels (none for years)."""
    classes = table.y.dtype == object
    labels = tuple(np.unique(table.y.astype(str)).tolist()) if classes else ()
    y = table.y.astype(np.float64) if not labels else np.searchsorted(labels, table.y.astype(str))
    prob = np.zeros((y.size, max(1, len(labels))), dtype=np.float32)
    blank = np.zeros(y.size, dtype=np.int16)
    return Predictions(table.clip_ids, table.y, prob, labels, table.speakers, blank), y, labels


def _fitted(X: np.ndarray, y: np.ndarray, train: np.ndarray, params: TrainParams, classes: bool):
    from core.models.search import one_thread

    with one_thread():
        return baselines.estimator(params, classes=classes).fit(X[train], y[train])


def _ask(model, X: np.ndarray, k: int, classes: bool) -> np.ndarray:
    if not classes:
        return model.predict(X)[:, None]
    prob = np.zeros((len(X), k))
    prob[:, np.asarray(model.classes_, dtype=int)] = model.predict_proba(X)
    return prob


def _refit(
    X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, params: TrainParams, k: int
) -> np.ndarray:
    from core.models.search import one_thread

    X = np.where(np.isfinite(X), X, np.nan)
    model = baselines.estimator(params, classes=k > 0)
    with one_thread():
        return baselines.fit_and_answer(model, X, y, train, test, k=max(1, k), classes=k > 0)


def _score(y_true: np.ndarray, prob: np.ndarray, labels: tuple[str, ...]) -> float:
    if not labels:
        return float(np.abs(prob[:, 0] - y_true.astype(np.float64)).mean())
    return judge.balanced_accuracy(y_true, np.asarray(labels, dtype=object)[prob.argmax(axis=1)])


def _chance(asked: Predictions) -> float:
    if asked.labels:
        return 1 / len(asked.labels)
    y = asked.y.astype(np.float64)
    return float(np.abs(y - np.median(y)).mean())

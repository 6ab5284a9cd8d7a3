"""Training: folds, a search inside each training part where asked for, and a model of all clips.

Everything that is learnt from data is learnt from training parts alone: medians, logarithms,
scaling, the cut of outliers, and with ``search`` the settings too (nested cross-validation [#]_).
Answers about a fold are calibrated by a temperature [#]_ fitted on the other folds' answers.

.. [#] S. Varma, R. Simon, "Bias in error estimation when using cross-validation for model
   selection", BMC Bioinformatics 7, 2006.
.. [#] C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import core
from core.errors import ParameterError
from core.extract import Progress
from core.models import search, splits
from core.models.base import Predictions, Table, Trained, TrainParams
from core.models.families import ModelSpec, spec_of

if TYPE_CHECKING:
    import pandas as pd

INNER_SPLITS = 4  # folds of the search inside a training part
LEAST = 1e-6  # a probability; the logarithm of 0 has no temperature
TEMPERATURES = (0.05, 20.0)


class _Answer(NamedTuple):
    """What a fit hands back: answers to its test rows, and the model where it is the last."""

    prob: np.ndarray
    estimator: Any


def train(
    table: Table,
    params: TrainParams,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    n_jobs: int = 1,
    scheduler: str | None = None,
) -> Trained:
    """Train a model and ask it about every clip while that was not in its training part.

    Parameters
    ----------
    table : Table
        From ``learn_table``.
    params : TrainParams
        The same that made the table.
    progress, cancelled : callable, optional
        Told how many fits are done (``rate`` in fits/s); asked whether to end.
    n_jobs : int
        Processes here; the result does not depend on it.
    scheduler : str, optional
        Address of a Dask cluster instead.

    Returns
    -------
    Trained
        ``rows`` is the search over all clips, on the outer folds; the settings of a fold's model
        come from a search within its training part. ``about`` adds to the table's: ``settings`` of
        the final model, ``fold_settings``, ``scoring``, versions, seed and date (UTC).

    Raises
    ------
    ParameterError
        The model does not fit the target, a setting does not exist, or there are too few clips
        or speakers.
    Cancelled
        ``cancelled`` said so.
    MissingPackageError, StoreError
        A package that is needed is not installed; the cluster cannot be used.
    """
    spec = spec_of(params.model)
    y, labels = _targets(table, spec)
    how: dict[str, Any] = {"n_jobs": n_jobs, "scheduler": scheduler, "cancelled": cancelled}
    outer = splits.folds(
        table.y, table.speakers, split=params.split, n_splits=params.n_splits, seed=params.seed
    )
    fixed = dict(params.settings) | ({"log1p": True} if params.log1p else {})
    spec.build(fixed, params.seed)  # complains before any work
    cut = _cut(table, params)
    scoring = "balanced_accuracy" if labels else "neg_mae"
    everything = np.arange(y.size)
    parts = [*outer, (everything, everything[:0])]
    rows = None
    chosen: list[dict[str, Any]] = [{}] * len(parts)
    tell = _Told(progress, len(parts))
    if params.search and (points := spec.points(fixed)) != [{}]:
        tasks, inner = _search_tasks(table, params, parts, outer, points, fixed, cut, scoring)
        tell.total += sum(t.fits for t in tasks)
        found = search.run(search.score_task, tasks, (table.X, y), progress=tell, **how)
        tables = _tables(points, tasks, found, inner)
        chosen = [search.best_point(points, t) for t in tables]
        rows = tables[-1]
        tell.before = sum(t.fits for t in tasks)
    tasks = [
        search.Task(
            (i,), spec.key, (fixed | chosen[i],), *part, scoring, params.seed, cut, table.speakers
        )
        for i, part in enumerate(parts)
    ]
    answers = search.run(fit_task, tasks, (table.X, y), progress=tell, **how)
    predictions, temperature = _predictions(table, labels, outer, answers)
    return Trained(
        params=params,
        estimator=answers[-1].estimator,
        labels=labels,
        columns=table.columns,
        predictions=predictions,
        temperature=temperature,
        rows=rows,
        about=about_of(table, params, spec)
        | {
            "settings": spec.settings(fixed | chosen[-1]),
            "fold_settings": chosen[:-1] if rows is not None else [],
            "scoring": scoring,
        },
    )


def fit_task(task: search.Task, X: np.ndarray, y: np.ndarray) -> _Answer:
    """Fit a task's model; its answers to the test rows, or the model itself where it has none."""
    model = search.fitted(task, X, y)
    if not task.test.size:
        return _Answer(np.empty((0, 0)), model)
    return _Answer(answers_of(model, X[task.test], y), None)


def answers_of(model: Any, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Probabilities (n, k) of codes 0 to k - 1, 0 where unknown to the model; years as (n, 1)."""
    with search.one_thread():
        Z = search._as_input(X)
        if y.dtype.kind == "f":
            return np.asarray(model.predict(Z), dtype=np.float64)[:, None]
        prob = np.zeros((len(X), int(y.max()) + 1))
        prob[:, np.asarray(model.classes_, dtype=int)] = model.predict_proba(Z)
        return prob


def fit_temperature(prob: np.ndarray, codes: np.ndarray) -> float:
    """The temperature at which ``prob`` (n, k) is most likely for ``codes`` (n,) int."""
    from scipy.optimize import minimize_scalar

    own = np.arange(codes.size)

    def loss(log_t: float) -> float:
        return -float(np.log(calibrated(prob, float(np.exp(log_t)))[own, codes]).mean())

    found = minimize_scalar(loss, method="bounded", bounds=np.log(TEMPERATURES))
    return float(np.exp(found.x))


def calibrated(prob: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (n, k) whose logarithms are divided by the temperature; never exactly 0."""
    logs = np.log(np.maximum(np.asarray(prob, dtype=np.float64), LEAST)) / temperature
    found = np.exp(logs - logs.max(axis=1, keepdims=True))
    found = np.maximum(found / found.sum(axis=1, keepdims=True), LEAST)
    return found / found.sum(axis=1, keepdims=True)


def about_of(table: Table, params: TrainParams, spec: ModelSpec) -> dict[str, Any]:
    """What a model file tells: the table's, and with what, when and how it was trained."""
    return table.about | {
        "model": spec.key,
        "model_label": spec.label,
        "split": params.split,
        "seed": params.seed,
        "version": core.__version__,
        "versions": {name: version(name) for name in ("scikit-learn", "numpy", "scipy")},
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


class _Told:
    """Progress over two rounds of tasks as one count."""

    def __init__(self, progress: Callable[[Progress], None] | None, total: int):
        self.progress, self.total, self.before = progress, total, 0

    def __call__(self, now: Progress) -> None:
        """Pass the progress of one round on."""
        if self.progress is not None:
            done = self.before + now.done
            eta_s = (self.total - done) / now.rate if now.rate else float("nan")
            self.progress(Progress(done, self.total, 0, now.rate, eta_s))


def _targets(table: Table, spec: ModelSpec) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes and their labels; years and none."""
    years = table.y.dtype.kind == "f"
    if years != (spec.kind == "regression"):
        wanted = "regression, as 'ridge'" if years else "classification, as 'svc-rbf'"
        raise ParameterError(f"{spec.label} does not fit this target: choose a model for {wanted}.")
    if years:
        return table.y.astype(np.float64), ()
    names, codes = np.unique(table.y.astype(str), return_inverse=True)
    return codes, tuple(str(n) for n in names)


def _cut(table: Table, params: TrainParams) -> search.Cut | None:
    """The cut of outliers: in the features where there are any, as the article does."""
    if params.max_z is None:
        return None
    if not 1 <= params.max_z <= 100:
        raise ParameterError(f"max_z={params.max_z:g} does not work: choose 1 to 100.")
    columns = table.blocks.get("features", slice(0, table.X.shape[1]))
    return search.Cut(params.max_z, columns, params.log1p)


def _search_tasks(
    table: Table,
    params: TrainParams,
    parts: Sequence[splits.Fold],
    outer: Sequence[splits.Fold],
    points: Sequence[Mapping[str, Any]],
    fixed: Mapping[str, Any],
    cut: search.Cut | None,
    scoring: str,
) -> tuple[list[search.Task], list[int]]:
    """Tasks of the search in each part, and how many folds each part's search has."""
    tasks: list[search.Task] = []
    sizes: list[int] = []
    for i, (part, _) in enumerate(parts):
        inner = list(outer)
        if i < len(outer):
            who = None if table.speakers is None else table.speakers[part]
            n = min(INNER_SPLITS, params.n_splits)
            made = splits.inner_folds(
                table.y[part], who, split=params.split, most=n, seed=params.seed
            )
            inner = [(part[a], part[b]) for a, b in made]
        sizes.append(len(inner))
        tasks += search.search_tasks(
            points,
            inner,
            model=params.model,
            scoring=scoring,
            seed=params.seed,
            fixed=fixed,
            cut=cut,
            name=i,
        )
    return tasks, sizes


def _tables(
    points: Sequence[Mapping[str, Any]],
    tasks: Sequence[search.Task],
    found: Sequence[Any],
    sizes: Sequence[int],
) -> "list[pd.DataFrame]":
    """The table of each part's search."""
    tables = []
    for i, size in enumerate(sizes):
        own = [j for j, task in enumerate(tasks) if task.key[0] == i]
        tables.append(
            search.rows_of(points, [tasks[j] for j in own], [found[j] for j in own], size)
        )
    return tables


def _predictions(
    table: Table, labels: tuple[str, ...], outer: Sequence[splits.Fold], answers: Sequence[_Answer]
) -> tuple[Predictions, float]:
    """Answers of all folds, each calibrated by the others, and the temperature of all."""
    fold = np.full(table.y.size, -1, dtype=np.int16)
    prob = np.zeros((table.y.size, max(1, len(labels))))
    for i, ((_, test), answer) in enumerate(zip(outer, answers, strict=False)):
        fold[test], prob[test] = i, answer.prob
    temperature = 1.0
    if labels:
        codes = np.unique(table.y.astype(str), return_inverse=True)[1]
        raw = prob.copy()
        for i in range(len(outer)):
            others = fold != i
            prob[~others] = calibrated(raw[~others], fit_temperature(raw[others], codes[others]))
        temperature = fit_temperature(raw, codes)
    made = Predictions(
        clip_ids=table.clip_ids,
        y=table.y,
        prob=prob.astype(np.float32),
        labels=labels,
        speakers=table.speakers,
        fold=fold,
    )
    return made, temperature

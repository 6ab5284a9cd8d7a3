"""Grid search that does work once where settings share it, here or on a Dask cluster.

Settings of one fold that have the same scaler and PCA share what these made: the fold's tasks are
one per scaler, and only the last estimator is fitted for every setting. The scores are those of
scikit-learn's ``GridSearchCV`` over the same pipelines and folds.

Conventions: scores are the higher the better: "accuracy", "balanced_accuracy" (mean recall of the
classes in the test part), and "neg_mae" (the mean absolute error, negative). Each task runs on one
thread, so that any number of workers gives the same numbers. Targets are codes 0 to k - 1, or
years.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
import time
from typing import TYPE_CHECKING, Any, NamedTuple
import warnings

import numpy as np

from core.errors import MissingPackageError, ParameterError, VoiceError
from core.extract import Progress
from core.models.families import spec_of
from core.models.splits import Fold
from core.safe_text import clean
from core.store import StoreError

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("accuracy", "balanced_accuracy", "neg_mae")
CONNECT_S = 10.0
WIDE = 2_000  # columns above which inputs stay float32: pictures
SCORE_COLUMNS = ("train_mean", "train_sd", "validation_mean", "validation_sd", "seconds", "rank")


class Cancelled(VoiceError):
    """Training was cancelled."""


class Cut(NamedTuple):
    """Rows with a |z| above ``max_z`` in ``columns`` are not learnt from; see ``rows_within``."""

    max_z: float
    columns: slice
    log1p: Any = False


class Task(NamedTuple):
    """Settings to be fitted on ``train`` and scored on ``test``; ``fits`` is their number.

    ``speakers`` (n,), where known, are for models that keep some of them apart while they learn.
    """

    key: tuple
    model: str
    settings: tuple[dict[str, Any], ...]
    train: np.ndarray
    test: np.ndarray
    scoring: str
    seed: int
    cut: Cut | None = None
    speakers: np.ndarray | None = None

    @property
    def fits(self) -> int:
        """How much work it is."""
        return len(self.settings)


class Score(NamedTuple):
    """Of one setting in one fold."""

    train: float
    test: float
    seconds: float


def grid_search(
    X: np.ndarray,
    y: np.ndarray,
    points: Sequence[Mapping[str, Any]],
    folds: Sequence[Fold],
    *,
    model: str,
    scoring: str,
    seed: int = 0,
    fixed: Mapping[str, Any] | None = None,
    cut: Cut | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    n_jobs: int = 1,
    scheduler: str | None = None,
) -> "pd.DataFrame":
    """Scores of every setting over the folds.

    Parameters
    ----------
    X : np.ndarray [shape=(n, d)]
        Inputs, NaN where missing.
    y : np.ndarray [shape=(n,)]
        Codes or years.
    points : sequence of mapping
        Settings of the family, as ``ModelSpec.points`` gives them.
    folds : sequence of (np.ndarray, np.ndarray)
        Training and test positions.
    model : str
        Key of the family.
    scoring : str
        Of SCORES.
    seed : int
        Of the models.
    fixed : mapping, optional
        Settings that all points share.
    cut : Cut, optional
        Rows left out of training.
    progress, cancelled : callable, optional
        Told how many fits are done; asked whether to end.
    n_jobs : int
        Processes here.
    scheduler : str, optional
        Address of a Dask cluster instead.

    Returns
    -------
    pd.DataFrame
        A row for each point, in order: its settings, then SCORE_COLUMNS; ``rank`` 1 is the best
        mean validation score, ``seconds`` a mean over folds (shared work counts once, for the
        setting that came first).

    Raises
    ------
    ParameterError
        A setting, ``scoring`` or ``n_jobs`` cannot work, or the cut leaves too little.
    Cancelled
        ``cancelled`` said so.
    MissingPackageError, StoreError
        The cluster cannot be used.
    """
    tasks = search_tasks(
        points, folds, model=model, scoring=scoring, seed=seed, fixed=fixed, cut=cut
    )
    found = run(
        score_task,
        tasks,
        (X, y),
        progress=progress,
        cancelled=cancelled,
        n_jobs=n_jobs,
        scheduler=scheduler,
    )
    return rows_of(points, tasks, found, len(folds))


def search_tasks(
    points: Sequence[Mapping[str, Any]],
    folds: Sequence[Fold],
    *,
    model: str,
    scoring: str,
    seed: int = 0,
    fixed: Mapping[str, Any] | None = None,
    cut: Cut | None = None,
    name: Any = None,
) -> list[Task]:
    """The tasks of a grid search: one for each fold and scaler, the dearest scalers first.

    ``key`` of a task is (name, fold, positions of its points).
    """
    if scoring not in SCORES:
        raise ParameterError(f"Unknown score {clean(scoring)}: choose one of {list(SCORES)}.")
    spec, fixed = spec_of(model), dict(fixed or {})
    full = [fixed | dict(point) for point in points]
    prefixes = [_prefix(spec.build(settings, seed)) for settings in full]
    order = sorted(range(len(full)), key=lambda i: (prefixes[i], i))
    groups = [list(g) for _, g in groupby(order, key=lambda i: prefixes[i][:-1])]
    groups.sort(key=lambda g: full[g[0]].get("scaler") != "power")
    return [
        Task((name, f, tuple(g)), spec.key, tuple(full[i] for i in g), *fold, scoring, seed, cut)
        for g in groups
        for f, fold in enumerate(folds)
    ]


def rows_of(
    points: Sequence[Mapping[str, Any]],
    tasks: Sequence[Task],
    found: Sequence[Sequence[Score]],
    n_folds: int,
) -> "pd.DataFrame":
    """The table of a search from what its tasks found."""
    import pandas as pd

    scores = np.full((3, len(points), n_folds), np.nan)
    for task, of_task in zip(tasks, found, strict=True):
        _, fold, positions = task.key
        for i, score in zip(positions, of_task, strict=True):
            scores[:, i, fold] = score
    rows = pd.DataFrame([dict(point) for point in points], index=range(len(points)))
    for name, values in (("train", scores[0]), ("validation", scores[1])):
        rows[f"{name}_mean"] = values.mean(axis=1)
        rows[f"{name}_sd"] = values.std(axis=1)
    rows["seconds"] = scores[2].mean(axis=1)
    rows["rank"] = rows["validation_mean"].rank(ascending=False, method="min").astype(int)
    return rows


def best_point(points: Sequence[Mapping[str, Any]], rows: "pd.DataFrame") -> dict[str, Any]:
    """The settings of the best row, the first of equals."""
    return dict(points[int(rows["validation_mean"].to_numpy().argmax())])


def score_task(task: Task, X: np.ndarray, y: np.ndarray) -> list[Score]:
    """Fit the settings of a task, sharing the steps that they have in common."""
    train, test = rows_within(X, task.train, task.cut), task.test
    path: list[tuple[str, np.ndarray, np.ndarray]] = []
    found = []
    with one_thread():
        given = (_as_input(X[train]), _as_input(X[test]))
        for settings in task.settings:
            began = time.perf_counter()
            model = _built(task, settings, train.size)
            A, B = _shared(model, *given, path)
            last = model[-1] if _steps(model) else model
            last.fit(A, y[train])
            on_train = score(y[train], last.predict(A), task.scoring)
            on_test = score(y[test], last.predict(B), task.scoring)
            found.append(Score(on_train, on_test, time.perf_counter() - began))
    return found


def score(y_true: np.ndarray, answers: np.ndarray, scoring: str) -> float:
    """One of SCORES for answers (n,) to y_true (n,)."""
    if scoring == "neg_mae":
        return -float(np.abs(y_true - answers).mean())
    right = y_true == answers
    if scoring == "accuracy":
        return float(right.mean())
    return float(np.mean([right[y_true == c].mean() for c in np.unique(y_true)]))


def fitted(task: Task, X: np.ndarray, y: np.ndarray) -> Any:
    """The model of a task with one setting, fitted on its training rows."""
    train = rows_within(X, task.train, task.cut)
    with one_thread():
        model = _built(task, task.settings[0], train.size)
        who = {}
        if task.speakers is not None and getattr(model, "keeps_speakers_apart", False):
            who["speakers"] = task.speakers[train]
        return model.fit(_as_input(X[train]), y[train], **who)


def rows_within(X: np.ndarray, train: np.ndarray, cut: Cut | None) -> np.ndarray:
    """Training positions without the rows that the cut takes; its means are of ``train`` alone.

    Raises
    ------
    ParameterError
        Fewer than half of them are left.
    """
    if cut is None:
        return train
    from core.models.steps import Log1p

    A = np.asarray(X[train][:, cut.columns], dtype=np.float64)
    if cut.log1p:
        A = Log1p().fit(A).transform(A)
    there = np.isfinite(A)
    n = np.maximum(there.sum(axis=0), 1)
    away = np.where(there, A - np.where(there, A, 0).sum(axis=0) / n, 0)
    sd = np.sqrt((away**2).sum(axis=0) / n)
    kept = (abs(away) <= cut.max_z * np.maximum(sd, 1e-12)).all(axis=1)
    if 2 * kept.sum() < train.size:
        raise ParameterError(
            f"max_z={cut.max_z:g} leaves {kept.sum():,} of {train.size:,} clips to learn from: "
            "raise it, or switch it off."
        )
    return train[kept]


def run(
    function: Callable[..., Any],
    tasks: Sequence[Task],
    arrays: tuple[np.ndarray, ...],
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    n_jobs: int = 1,
    scheduler: str | None = None,
) -> list[Any]:
    """``function(task, *arrays)`` of every task, in their order, wherever they run.

    Raises
    ------
    Cancelled
        ``cancelled`` said so.
    ParameterError, MissingPackageError, StoreError
        ``n_jobs`` or the cluster cannot work.
    """
    if n_jobs < 1:
        raise ParameterError(f"n_jobs={n_jobs} does not work: choose 1 or more.")
    if scheduler:
        answers = _on_cluster(function, tasks, arrays, scheduler)
    elif n_jobs == 1 or len(tasks) == 1:
        answers = ((i, function(task, *arrays)) for i, task in enumerate(tasks))
    else:
        answers = _in_processes(function, tasks, arrays, n_jobs)
    found: list[Any] = [None] * len(tasks)
    total, done, began = sum(t.fits for t in tasks), 0, time.monotonic()
    try:
        while True:
            if cancelled is not None and cancelled():
                raise Cancelled("Training was cancelled; nothing was saved.")
            i, answer = next(answers, (-1, None))
            if i < 0:
                return found
            found[i] = answer
            done += tasks[i].fits
            if progress is not None:
                rate = done / max(time.monotonic() - began, 1e-9)
                progress(Progress(done, total, 0, rate, (total - done) / rate))
    finally:
        answers.close()


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for matrices, and no warnings of models that are only candidates."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _numbered(function: Callable[..., Any], i: int, task: Task, arrays: tuple) -> tuple[int, Any]:
    return i, function(task, *arrays)


def _in_processes(
    function: Callable[..., Any], tasks: Sequence[Task], arrays: tuple, n_jobs: int
) -> Iterator[tuple[int, Any]]:
    from joblib import Parallel, delayed

    workers = Parallel(
        n_jobs, backend="loky", return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1
    )
    answers = workers(delayed(_numbered)(function, i, t, arrays) for i, t in enumerate(tasks))
    try:
        yield from answers
    finally:
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answers.close()


def _on_cluster(
    function: Callable[..., Any], tasks: Sequence[Task], arrays: tuple, address: str
) -> Iterator[tuple[int, Any]]:
    try:
        from distributed import Client, as_completed
    except ImportError as err:
        raise MissingPackageError(
            "A cluster needs the package 'distributed': pip install dask distributed."
        ) from err
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as err:
        raise StoreError(
            f"No Dask scheduler answers at {clean(address)}. Start one with 'dask scheduler', "
            "and give the address that it prints."
        ) from err
    futures: list[Any] = []
    try:
        there = client.scatter(arrays, broadcast=True)
        futures = [
            client.submit(_beside, function, i, task, *there, pure=False)
            for i, task in enumerate(tasks)
        ]
        for _, answer in as_completed(futures, loop=client.loop, with_results=True):
            yield answer
    finally:
        with suppress(Exception):
            client.cancel(futures)
        client.close()


def _beside(function: Callable[..., Any], i: int, task: Task, *arrays: np.ndarray):
    return _numbered(function, i, task, arrays)


def _built(task: Task, settings: Mapping[str, Any], n: int) -> Any:
    """The model to be fitted on n rows; it cannot look at more neighbours than there are."""
    neighbours = settings.get("n_neighbors", 0)
    changed = {"n_neighbors": n} if neighbours > n else {}
    return spec_of(task.model).build({**settings, **changed}, task.seed)


def _as_input(X: np.ndarray) -> np.ndarray:
    """Numbers for an estimator: float64 but for pictures, NaN where missing."""
    X = np.asarray(X, dtype=np.float32 if X.shape[1] > WIDE else np.float64)
    return X if not np.isinf(X).any() else np.where(np.isfinite(X), X, np.nan)


def _steps(model: Any) -> list[Any]:
    """The steps before the estimator; none where the family is its own pipeline."""
    return [step for _, step in model.steps[:-1]] if hasattr(model, "steps") else []


def _prefix(model: Any) -> tuple[str, ...]:
    """Names of the shared steps: those before the PCA, and the PCA."""
    names = [repr(step) for step in _steps(model)]
    pca = [name for name in names if name.startswith("PCA(")]
    return (*(name for name in names if name not in pca), "".join(pca))


def _shared(
    model: Any, A: np.ndarray, B: np.ndarray, path: list[tuple[str, np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows after the steps; ``path`` keeps those of the setting before."""
    for depth, step in enumerate(_steps(model)):
        name = repr(step)
        if depth >= len(path) or path[depth][0] != name:
            del path[depth:]
            path.append((name, step.fit_transform(A), step.transform(B)))
        _, A, B = path[depth]
    return A, B

"""Small models to compare with, and one door to fitting a family again for tests of its honesty.

Conventions: answers are always out of fold; medians, scaling and weights are learnt inside the
folds. ``X`` (n, d) may hold NaN.
"""

from collections.abc import Callable
from dataclasses import replace
import time
from typing import Any

import numpy as np

from core.errors import ParameterError
from core.extract import Progress
from core.models.base import Predictions, Table, Trained, TrainParams

PITCH = (  # columns of either feature set that hold the pitch and nothing else
    "f0_median_hz",
    "f0_p05_hz",
    "f0_p95_hz",
    "f0_median",
    "f0_5perc",
    "f0_95perc",
)


class Teller:
    """Tells how many fits are done, and ends the work where asked to."""

    def __init__(
        self,
        total: int,
        progress: Callable[[Progress], None] | None,
        cancelled: Callable[[], bool] | None,
    ):
        self.total, self.done, self.began = total, 0, time.monotonic()
        self.progress, self.cancelled = progress, cancelled

    def ask(self) -> None:
        """Raise Cancelled where the work shall end."""
        if self.cancelled is not None and self.cancelled():
            from core.models.search import Cancelled

            raise Cancelled("This was cancelled; nothing was saved.")

    def tell(self) -> None:
        """One more is done."""
        self.done += 1
        if self.progress is not None:
            rate = self.done / max(time.monotonic() - self.began, 1e-9)
            self.progress(Progress(self.done, self.total, 0, rate, (self.total - self.done) / rate))


def f0_only(table: Table, predictions: Predictions, *, seed: int = 0) -> Predictions | None:
    """What the pitch alone answers on the folds of other answers; None without pitch columns.

    A logistic regression (for years: ridge regression) of median, 5th and 95th percentile of the
    pitch on a log scale, labels weighted equally.
    """
    at = [i for i, name in enumerate(table.columns) if name in PITCH]
    if not at:
        return None
    place = {clip: i for i, clip in enumerate(table.clip_ids)}
    rows = np.array([place.get(clip, -1) for clip in predictions.clip_ids])
    kept = rows >= 0
    if not kept.any():
        raise ParameterError("The answers are of other clips than the table: choose its own model.")
    with np.errstate(invalid="ignore", divide="ignore"):
        pitch = np.log(table.X[np.ix_(rows[kept], at)].astype(np.float64))
    asked = Predictions(
        predictions.clip_ids[kept],
        predictions.y[kept],
        predictions.prob[kept],
        predictions.labels,
        None if predictions.speakers is None else predictions.speakers[kept],
        predictions.fold[kept],
    )
    return answered(pitch, asked, lambda: _linear(bool(predictions.labels), seed))


def answered(
    X: np.ndarray,
    asked: Predictions,
    make: Callable[[], Any],
    *,
    teller: Teller | None = None,
) -> Predictions:
    """The same clips and folds answered by another model.

    Parameters
    ----------
    X : np.ndarray [shape=(n, d)]
        Inputs of the clips of ``asked``, in their order.
    asked : Predictions
        Whose clips, labels and folds; its answers are not looked at.
    make : callable
        Gives an estimator of scikit-learn's kind that has not been fitted.
    teller : Teller, optional
        Asked before each fold, told after it.

    Returns
    -------
    Predictions
        A label that a training part lacks has probability 0 in its test fold.

    Raises
    ------
    ParameterError
        There is one fold only.
    Cancelled
        ``teller`` said so.
    """
    from core.models.search import one_thread

    X = np.where(np.isfinite(X), X, np.nan)
    place = {name: i for i, name in enumerate(asked.labels)}
    y = np.array([place[v] for v in asked.y]) if place else asked.y.astype(np.float64)
    prob = np.zeros((y.size, max(1, len(place))), dtype=np.float32)
    numbers = np.unique(asked.fold)
    if numbers.size < 2:
        raise ParameterError("One fold leaves nothing to learn from: judge with two folds or more.")
    for fold in numbers:
        if teller is not None:
            teller.ask()
        test = asked.fold == fold
        with one_thread():
            prob[test] = fit_and_answer(
                make(), X, y, ~test, test, k=prob.shape[1], classes=bool(place)
            )
        if teller is not None:
            teller.tell()
    return asked._replace(prob=prob)


def estimator(params: TrainParams, *, classes: bool, any_columns: bool = False) -> Any:
    """The family of ``params`` with its settings, not fitted.

    A family of the other kind gives way to support vectors; with ``any_columns`` so does one that
    needs pictures.
    """
    from core.models.families import spec_of

    spec, settings = spec_of(params.model), dict(params.settings)
    if (spec.kind == "classification") != classes or (any_columns and spec.whole):
        spec, settings = spec_of("svc-rbf" if classes else "svr-rbf"), {}
    if any_columns:
        settings.pop("log1p", None)  # its columns may be chosen by number
    if params.log1p and not spec.whole:
        settings = {"log1p": True} | settings
    return spec.build(settings, params.seed)


def settled(trained: Trained) -> TrainParams:
    """The settings of a trained model without a search, to fit the like of it again."""
    settings = trained.about.get("settings", dict(trained.params.settings))
    return replace(trained.params, search=False, settings=tuple(dict(settings).items()))


def folds(y: np.ndarray, speakers: np.ndarray | None, params: TrainParams) -> np.ndarray:
    """The test fold of each clip, int16 (n,), as training makes them."""
    from core.models import splits

    made = splits.folds(y, speakers, split=params.split, n_splits=params.n_splits, seed=params.seed)
    fold = np.empty(len(y), dtype=np.int16)
    for i, (_, test) in enumerate(made):
        fold[test] = i
    return fold


def fit_and_answer(
    model: Any,
    X: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    *,
    k: int,
    classes: bool,
) -> np.ndarray:
    """Probabilities (m, k), or values (m, 1), of the test part by a model of the training part.

    ``y`` (n,) holds numbers of labels below ``k``, or values; ``train`` and ``test`` are masks.
    """
    prob = np.zeros((int(test.sum()), k), dtype=np.float32)
    if not classes:
        prob[:, 0] = model.fit(X[train], y[train]).predict(X[test])
        return prob
    there = np.unique(y[train])
    if there.size == 1:
        prob[:, there[0]] = 1
        return prob
    model.fit(X[train], y[train])
    if hasattr(model, "predict_proba"):
        prob[:, np.asarray(model.classes_, dtype=int)] = model.predict_proba(X[test])
    else:
        prob[np.arange(len(prob)), model.predict(X[test]).astype(int)] = 1
    return prob


def _linear(classes: bool, seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    last = Ridge(1.0)
    if classes:
        last = LogisticRegression(class_weight="balanced", max_iter=300, random_state=seed)
    imputer = SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=True)
    return make_pipeline(imputer, StandardScaler(), last)

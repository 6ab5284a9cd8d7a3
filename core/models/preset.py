"""The article's model as it was made: its table, its split, its grid of 96 settings.

Conventions: what the article does to the whole table before it splits (dropping rows with a
missing value or a |z| above 3 after the logarithm) is done so here too, and lets the test part leak
into training; its split is by clip. The logarithm itself is a step of the model.

Source: M. Notter, "How to perform EDA and data modeling on audio data", 2022.
"""

from collections.abc import Callable
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import DatasetError, ParameterError
from core.extract import Progress
from core.filters import Selection
from core.models import search, splits
from core.models.base import Predictions, Table, Trained, TrainParams
from core.models.families import spec_of
from core.models.table import MEL_VECTOR, described
from core.models.train import about_of, calibrated, fit_task, fit_temperature
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

FOLDS = 4
MAX_Z = 3.0
NOT_LOGGED = "words_per_second"
GRID = {
    "scaler": ("robust", "power", "quantile"),
    "pca": (None, 0.99),
    "C": tuple(float(c) for c in np.logspace(-3, 2, num=16)),
}
MAX_ITER = 100  # of the optimiser, as scikit-learn's default; many of the fits have not converged
PARAMS = TrainParams(
    target="age",
    inputs=("features", "label:gender", "mel"),
    model="logreg",
    split="clip",
    n_splits=FOLDS,
    search=True,
    seed=0,
)


def article_table(workspace: Workspace, data: str | os.PathLike | None = None) -> Table:
    """The author's nine features, gender, and the mel strengths of a workspace: 8,669 × 138.

    Parameters
    ----------
    workspace : Workspace
        Measured with article-v1, of the article's clips.
    data : path, optional
        The folder of the author's table; None is where the workspace's clips came from.

    Returns
    -------
    Table
        Sorted by clip_id; features as in the author's table, without the logarithm.

    Raises
    ------
    DatasetError
        The author's table cannot be found or read.
    ParameterError
        The workspace is not of the article's clips, or has no mel strengths.
    """
    from core.datasets import open_dataset

    if MEL_VECTOR not in workspace.vector_sizes:
        raise ParameterError(
            "The article's model needs mel strengths: extract its clips with "
            "'python -m core extract DATASET --set article-v1 --workspace NEW'."
        )
    dataset = open_dataset(data if data is not None else _data_of(workspace), "article")
    authors = dataset.features().set_index("clip_id")
    columns = tuple(dataset.features().columns.drop("clip_id"))
    rows = workspace.features(["clip_id", "age", "gender"])
    rows = rows[rows["clip_id"].isin(authors.index)].dropna().reset_index(drop=True)
    if rows.empty:
        raise ParameterError("The author's table has none of this workspace's clips.")
    values = authors.loc[rows["clip_id"]].to_numpy(dtype=np.float64)
    kept = _within(_logged(values, columns))
    rows, values = rows[kept], values[kept]
    ids = rows["clip_id"].to_numpy(object)
    gender = rows["gender"].map({"male": 0.0, "female": 1.0}).to_numpy()
    mels = workspace.vectors(MEL_VECTOR, ids).matrix
    n = len(columns)
    names = (*columns, "label:gender", *(f"{MEL_VECTOR}_{i:03d}" for i in range(mels.shape[1])))
    table = Table(
        X=np.column_stack([values, gender, mels]).astype(np.float32),
        y=rows["age"].to_numpy(object),
        speakers=None,
        clip_ids=ids,
        columns=names,
        blocks={
            "features": slice(0, n),
            "label:gender": slice(n, n + 1),
            "mel": slice(n + 1, len(names)),
        },
        about={
            "features_from": "the author's table",
            "left_out": {"missing value or |z| above 3": int((~kept).sum())},
        },
    )
    return described(table, workspace, Selection())


def article_search(table: Table, train: np.ndarray, **how: Any) -> "pd.DataFrame":
    """The 96 settings in 4 folds of the training part, by accuracy.

    ``how`` is where and for whom to run it: the last four settings of ``search.grid_search``.
    """
    y = np.unique(table.y.astype(str), return_inverse=True)[1]
    return search.grid_search(
        table.X[train],
        y[train],
        points(),
        folds_of(y[train]),
        model="logreg",
        scoring="accuracy",
        fixed=fixed_settings(table),
        **how,
    )


def article(
    workspace: Workspace,
    *,
    data: str | os.PathLike | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    n_jobs: int = 1,
    scheduler: str | None = None,
) -> Trained:
    """The article's model of age: searched and judged on its own split of 80 to 20 by clip.

    Returns
    -------
    Trained
        ``predictions`` are of the held-out fifth only, by the model of the other clips;
        ``estimator`` was then fitted on all; ``rows`` is the search. ``about`` has ``preset``,
        ``train_shape``, ``accuracy`` of the held-out part and ``majority``, what always
        answering the commonest age would reach.

    Raises
    ------
    DatasetError, ParameterError, Cancelled, MissingPackageError, StoreError
        As for ``article_table`` and ``search.grid_search``.
    """
    from dataclasses import replace

    table = article_table(workspace, data)
    train, test = splits.hold_out(table.y, None, split="clip", seed=0)
    how = {"n_jobs": n_jobs, "scheduler": scheduler, "cancelled": cancelled}
    rows = article_search(table, train, progress=progress, **how)
    best = search.best_point(points(), rows)
    fixed = fixed_settings(table)
    settings = fixed | best
    labels, y = np.unique(table.y.astype(str), return_inverse=True)
    everything = np.arange(y.size)
    parts = [(train[a], train[b]) for a, b in folds_of(y[train])]
    parts += [(train, test), (everything, everything[:0])]
    tasks = [
        search.Task((i,), "logreg", (settings,), *part, "accuracy", 0)
        for i, part in enumerate(parts)
    ]
    *inner, held_out, last = search.run(fit_task, tasks, (table.X, y), **how)
    seen = np.concatenate([b for _, b in parts[:FOLDS]])
    temperature = fit_temperature(np.concatenate([a.prob for a in inner]), y[seen])
    predictions = Predictions(
        clip_ids=table.clip_ids[test],
        y=table.y[test],
        prob=calibrated(held_out.prob, temperature).astype(np.float32),
        labels=tuple(str(v) for v in labels),
        speakers=None,
        fold=np.zeros(test.size, dtype=np.int16),
    )
    params = replace(PARAMS, settings=tuple(fixed.items()))
    spec = spec_of("logreg")
    return Trained(
        params=params,
        estimator=last.estimator,
        labels=predictions.labels,
        columns=table.columns,
        predictions=predictions,
        temperature=temperature,
        rows=rows,
        about=about_of(table, params, spec)
        | {
            "preset": "article",
            "settings": spec.settings(settings),
            "scoring": "accuracy",
            "train_shape": [int(train.size), int(table.X.shape[1])],
            "accuracy": float((predictions.answers == predictions.y).mean()),
            "majority": float(np.bincount(y[test]).max() / test.size),
        },
    )


def points() -> list[dict]:
    """The 96 settings, in the order of scikit-learn's ``ParameterGrid`` written out."""
    from itertools import product

    return [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]


def fixed_settings(table: Table) -> dict:
    """What the article's models share: the logarithm of its features, 100 iterations."""
    names = table.columns[table.blocks["features"]]
    logged = tuple(i for i, name in enumerate(names) if name != NOT_LOGGED)
    return {"log1p": logged, "max_iter": MAX_ITER}


def folds_of(y: np.ndarray) -> list[splits.Fold]:
    """Four folds as ``GridSearchCV(cv=4)`` takes them: stratified, in order."""
    from sklearn.model_selection import StratifiedKFold

    return list(StratifiedKFold(FOLDS).split(np.zeros((y.size, 1)), y))


def _data_of(workspace: Workspace) -> Path:
    """The folder above the clips'."""
    rows = workspace.page("clip_id", 1, columns=["path"])["path"]
    path = str(rows.iloc[0]) if len(rows) and rows.iloc[0] else ""
    if not path:
        raise DatasetError(
            "This workspace does not know where its clips are: name the folder of the article's "
            "table with --data."
        )
    return Path(path).parent.parent


def _logged(values: np.ndarray, columns: tuple[str, ...]) -> np.ndarray:
    logged = np.array([name != NOT_LOGGED for name in columns])
    return np.where(logged, np.log1p(values), values)


def _within(values: np.ndarray) -> np.ndarray:
    """Rows (n,) bool without a missing value and without a |z| above 3 among those."""
    there = np.isfinite(values).all(axis=1)
    z = (values - values[there].mean(axis=0)) / values[there].std(axis=0, ddof=1)
    return there & (np.abs(np.where(there[:, None], z, np.inf)) <= MAX_Z).all(axis=1)

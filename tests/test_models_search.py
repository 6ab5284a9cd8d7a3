"""The shared search gives scikit-learn's scores, in any number of processes, and can be stopped."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from core.errors import ParameterError
from core.models import search
from core.models.families import spec_of

POINTS = [
    {"scaler": s, "pca": p, "C": c}
    for s in ("robust", "power")
    for p in (None, 0.9, 0.6)
    for c in (0.01, 1.0)
]


pytestmark = pytest.mark.filterwarnings("ignore:n_quantiles", "ignore:.*still being processed")


def data(n: int = 120, d: int = 6, k: int = 3, seed: int = 0):
    """Clouds that overlap."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return (rng.standard_normal((n, d)) + 1.2 * np.eye(k, d)[y]).astype(np.float32), y


def folds(y, n: int = 3):
    return list(StratifiedKFold(n).split(np.zeros((y.size, 1)), y))


def both(model: str, points: list[dict], scoring: str, **fixed):
    """Our table, and GridSearchCV's results in the same order."""
    X, y = data()
    ours = search.grid_search(X, y, points, folds(y), model=model, scoring=scoring, fixed=fixed)
    theirs = []
    for point in points:
        pipeline = spec_of(model).build({**fixed, **point}, 0)
        cv = GridSearchCV(pipeline, {}, cv=folds(y), scoring=scoring, return_train_score=True)
        theirs.append(cv.fit(X.astype(np.float64), y).cv_results_)
    return ours, theirs


@pytest.mark.parametrize("scoring", ["accuracy", "balanced_accuracy"])
def test_the_scores_are_those_of_grid_search_cv(scoring):
    ours, theirs = both("logreg", POINTS, scoring)
    for name, key in (("train", "train_score"), ("validation", "test_score")):
        for what, sklearns in (("mean", "mean"), ("sd", "std")):
            expected = [found[f"{sklearns}_{key}"][0] for found in theirs]
            assert np.allclose(ours[f"{name}_{what}"], expected, rtol=0, atol=1e-12)
    assert ours["validation_mean"].nunique() > 3


def test_the_rank_is_that_of_the_mean_and_the_first_of_equals_is_chosen():
    X, y = data()
    points = [{"C": 1.0}, {"C": 1e-6}, {"C": 1.0}]
    rows = search.grid_search(X, y, points, folds(y), model="logreg", scoring="accuracy")
    assert rows["rank"].tolist() == [1, 3, 1]
    assert search.best_point(points, rows) is not points[0]
    assert rows["validation_mean"].argmax() == 0


def test_two_processes_give_the_numbers_of_one():
    X, y = data()
    how = {"model": "logreg", "scoring": "accuracy"}
    one, two = (
        search.grid_search(X, y, POINTS, folds(y), n_jobs=n, **how).drop(columns="seconds")
        for n in (1, 2)
    )
    assert one.equals(two)


def test_a_dask_cluster_gives_the_numbers_of_one_process():
    distributed = pytest.importorskip("distributed")
    X, y = data()
    how = {"model": "logreg", "scoring": "accuracy"}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        there = search.grid_search(
            X, y, POINTS[:4], folds(y), scheduler=cluster.scheduler_address, **how
        )
    here = search.grid_search(X, y, POINTS[:4], folds(y), **how)
    assert here.drop(columns="seconds").equals(there.drop(columns="seconds"))


def test_scalers_and_pca_are_fitted_once_a_fold(monkeypatch):
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import PowerTransformer

    fitted = []
    for kind in (PowerTransformer, PCA):
        real = kind.fit_transform
        monkeypatch.setattr(
            kind,
            "fit_transform",
            lambda self, X, y=None, real=real: (
                fitted.append(type(self).__name__) or real(self, X, y)
            ),
        )
    X, y = data()
    points = [{"scaler": "power", "pca": p, "C": c} for c in (0.1, 1.0, 9.0) for p in (None, 0.9)]
    search.grid_search(X, y, points, folds(y), model="logreg", scoring="accuracy")
    assert fitted.count("PowerTransformer") == fitted.count("PCA") == 3


def test_progress_counts_every_fit_and_ends_at_the_total():
    X, y = data()
    seen = []
    search.grid_search(
        X, y, POINTS, folds(y), model="logreg", scoring="accuracy", progress=seen.append
    )
    assert all(a.done < b.done for a, b in pairwise(seen))
    assert seen[-1].done == seen[-1].total == 36
    assert seen[-1].eta_s == 0


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_can_be_cancelled(n_jobs):
    X, y = data()
    asked = []

    def enough() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(search.Cancelled, match="cancelled"):
        search.grid_search(
            X,
            y,
            POINTS,
            folds(y),
            model="logreg",
            scoring="accuracy",
            cancelled=enough,
            n_jobs=n_jobs,
        )
    assert len(asked) == 3


def test_the_cut_takes_rows_far_out_from_training_alone():
    X, _ = data()
    X[5, 2], X[7, 0] = 90, 50
    cut = search.Cut(6.0, slice(1, 6))
    assert set(range(120)) - set(search.rows_within(X, np.arange(120), cut)) == {5}
    assert search.rows_within(X, np.arange(10, 120), cut).size == 110
    with pytest.raises(ParameterError, match=r"leaves \d+ of 120 clips"):
        search.rows_within(X, np.arange(120), search.Cut(0.01, slice(0, 6)))


def test_the_mean_absolute_error_is_the_score_of_years():
    assert search.score(np.array([1.0, 2.0]), np.array([2.0, 4.0]), "neg_mae") == -1.5


def test_recalls_count_the_same_whatever_the_size_of_the_class():
    y, said = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])
    assert search.score(y, said, "balanced_accuracy") == 0.5
    assert search.score(y, said, "accuracy") == 0.75


@pytest.mark.parametrize("wrong", [{"scoring": "f1"}, {"n_jobs": 0}])
def test_settings_that_cannot_work_are_refused(wrong):
    X, y = data()
    with pytest.raises(ParameterError):
        search.grid_search(X, y, [{}], folds(y), **{"model": "lr", "scoring": "accuracy"} | wrong)


def test_a_model_that_keeps_speakers_apart_is_told_who_speaks(monkeypatch):
    told = []

    class Learner:
        keeps_speakers_apart = True

        def fit(self, X, y, speakers=None):
            told.append(speakers)
            return self

    monkeypatch.setattr(search, "_built", lambda task, settings, size: Learner())
    X, y = np.zeros((6, 2), np.float32), np.arange(6) % 2
    who = np.array(list("aabbcc"), dtype=object)
    part = np.array([0, 1, 4]), np.array([2])
    task = search.Task((0,), "cnn", ({},), *part, "accuracy", 0, None, who)
    search.fitted(task, X, y)
    search.fitted(task._replace(speakers=None), X, y)
    assert told[0].tolist() == ["a", "a", "c"]
    assert told[1] is None

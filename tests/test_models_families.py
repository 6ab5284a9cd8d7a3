"""Every family fits, answers, gives the same twice, and says what it does not know."""

import sys

import numpy as np
import pytest

from core.errors import MissingPackageError, ParameterError
from core.models.families import MODELS, SCALERS, spec_of
from core.models.steps import Log1p, SoftmaxSVC

OURS = [key for key, spec in MODELS.items() if not spec.whole]
CLASSES = [key for key in OURS if MODELS[key].kind == "classification"]
QUICK = {"n_estimators": 20, "max_iter": 40}


def blobs(k: int = 3, n: int = 90, d: int = 5, seed: int = 0):
    """Clouds that do not touch, one a class, with a missing value and a column of zeros."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    X = rng.standard_normal((n, d)) + 6 * np.eye(k, d)[y]
    X[3, 1] = np.nan
    return np.column_stack([X, np.zeros(n)]), y


def quick(key: str) -> dict:
    return {n: v for n, v in QUICK.items() if n in MODELS[key].defaults and key != "logreg"}


@pytest.mark.parametrize("key", CLASSES)
@pytest.mark.parametrize("k", [2, 3])
def test_every_classifier_tells_clouds_apart_with_probabilities(key, k):
    X, y = blobs(k)
    model = MODELS[key].build(quick(key), 0).fit(X[:60], y[:60])
    prob = model.predict_proba(X[60:])
    assert prob.shape == (30, k)
    assert np.allclose(prob.sum(axis=1), 1)
    assert (prob.argmax(axis=1) == y[60:]).mean() > 0.9
    assert np.array_equal(model.classes_, np.arange(k))


@pytest.mark.parametrize("key", [k for k in OURS if MODELS[k].kind == "regression"])
def test_every_regression_follows_a_line(key):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((160, 4))
    years = 40 + 10 * X[:, 0]
    model = MODELS[key].build(quick(key), 0).fit(X[:120], years[:120])
    error = np.abs(model.predict(X[120:]) - years[120:]).mean()
    assert error < 0.7 * np.abs(years - np.median(years)).mean()


@pytest.mark.parametrize("key", OURS)
def test_the_same_seed_gives_the_same_model(key):
    X, y = blobs()
    one, two = (MODELS[key].build(quick(key), 7).fit(X, y * 1.0).predict(X) for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("key", OURS)
def test_every_point_of_the_grid_can_be_built(key):
    points = MODELS[key].points()
    assert len(points) == np.prod([len(v) for v in MODELS[key].grid.values()])
    for point in points:
        MODELS[key].build(point, 0)
    fixed = next(iter(MODELS[key].grid))
    assert all(fixed not in point for point in MODELS[key].points({fixed: 1}))


@pytest.mark.parametrize("key", list(MODELS))
def test_every_family_says_what_it_is(key):
    assert MODELS[key].key == key
    assert MODELS[key].label and MODELS[key].about.endswith(".")


@pytest.mark.parametrize("scaler", SCALERS)
def test_every_scaler_and_the_pca_can_stand_in_the_pipeline(scaler):
    X, y = blobs()
    model = spec_of("lr").build({"scaler": scaler, "pca": 0.9, "log1p": True}, 0).fit(X, y)
    assert model.score(X, y) > 0.9


def test_unknown_names_are_told_with_those_that_exist():
    with pytest.raises(ParameterError, match="Unknown model perceptron: choose one of"):
        spec_of("perceptron")
    with pytest.raises(ParameterError, match="no setting depth: choose one of"):
        spec_of("svc").build({"depth": 3}, 0)
    with pytest.raises(ParameterError, match="Unknown scaler minmax"):
        spec_of("svc").build({"scaler": "minmax"}, 0)


def test_the_network_without_torch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "core.models.network", None)
    with pytest.raises(MissingPackageError, match="pip install"):
        spec_of("cnn").build({}, 0)


def test_logarithms_are_taken_of_skewed_columns_only():
    rng = np.random.default_rng(0)
    normal, skewed = rng.standard_normal(500), np.exp(1.5 * rng.standard_normal(500))
    X = np.column_stack([normal, skewed, skewed - 5, normal + 9])
    step = Log1p().fit(X)
    assert step.chosen_.tolist() == [False, True, False, False]
    assert np.allclose(step.transform(X)[:, 1], np.log1p(skewed))
    assert np.array_equal(step.transform(X)[:, 2], X[:, 2])
    assert np.isfinite(step.transform(-X)).all()
    assert Log1p((3,)).fit(X).chosen_.tolist() == [False, False, False, True]


def test_two_classes_of_a_support_vector_machine_answer_as_scikit_learns():
    from sklearn.svm import SVC

    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((200, 4)), rng.integers(0, 2, 200)
    ours = SoftmaxSVC(C=2.0).fit(X, y)
    theirs = SVC(C=2.0, class_weight="balanced").fit(X, y)
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    logit = np.log(ours.predict_proba(X)[:, 1] / ours.predict_proba(X)[:, 0])
    assert np.allclose(logit, theirs.decision_function(X))


def test_more_classes_of_it_answer_as_the_vote_of_the_pairs():
    from sklearn.svm import SVC

    rng = np.random.default_rng(1)
    y = rng.integers(0, 5, 400)
    X = rng.standard_normal((400, 5)) + 1.5 * np.eye(5)[y]
    ours = SoftmaxSVC(C=1.0).fit(X[:200], y[:200])
    theirs = SVC(C=1.0, class_weight="balanced").fit(X[:200], y[:200])
    assert (ours.predict(X[200:]) == theirs.predict(X[200:])).mean() > 0.9
    assert np.allclose(ours.predict_proba(X).sum(axis=1), 1)

"""Learning curves that rise, importance that finds the column that matters, search curves."""

import numpy as np
import pandas as pd
import pytest

from core.errors import ParameterError
from core.models import curves
from core.models.base import Table, TrainParams
from core.models.search import Cancelled

PARAMS = TrainParams("gender", model="logreg", n_splits=4)


def table(speakers: int = 80, clips: int = 3, d: int = 12, seed: int = 0, **fields) -> Table:
    """The label is the sign of the first column plus noise; columns 1 and 2 are nearly twins."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(speakers), clips)
    X = rng.normal(size=(who.size, d))
    X[:, 2] = X[:, 1] + 0.1 * rng.normal(size=who.size)
    label = np.repeat(rng.random(speakers) < 0.5, clips)
    X[:, 0] = np.where(label, 1.2, -1.2) + rng.normal(size=who.size)
    X[::17, 3] = np.nan
    y = np.where(label, "a", "b").astype(object)
    names = np.array([f"s{i}" for i in who], dtype=object)
    ids = np.array([f"set/{i}" for i in range(who.size)], dtype=object)
    columns = tuple(f"x{i}" for i in range(d))
    made = Table(X.astype(np.float32), y, names, ids, columns, {"features": slice(0, d)}, {})
    return made._replace(**fields)


def test_more_speakers_help_where_there_is_something_to_learn():
    found = curves.learning_curve(table(120, 2, 40), PARAMS, repeats=4)
    mean = found.scores.mean(axis=1)
    assert found.unit == "speakers" and found.chance == 0.5
    assert (np.diff(found.units) > 0).all() and found.units[-1] == 90
    assert found.scores.shape == (5, 4)
    assert mean[-1] > mean[0] + 0.05
    assert 0.75 < mean[-1] <= 1


def test_noise_is_not_learnt_from_any_number_of_speakers():
    t = table()
    t.X[:, 0] = 0
    found = curves.learning_curve(t, PARAMS, repeats=4)
    assert abs(found.scores[-1].mean() - 0.5) < 0.12
    assert "nothing clear is gained" in found.sentence


def test_a_curve_says_that_it_still_rises():
    scores = np.array([[0.6, 0.62], [0.8, 0.82]])
    found = curves.LearningCurve(np.array([10, 20]), scores, "speakers", "balanced_accuracy", 0.5)
    assert found.sentence == (
        "From 10 to 20 speakers the model still learns: more speakers are likely to help."
    )
    errors = curves.LearningCurve(np.array([10, 20]), 10 - scores, "speakers", "mae", 9.0)
    assert "still learns" in errors.sentence


def test_a_split_by_clip_counts_clips():
    params = TrainParams("gender", model="logreg", split="clip", n_splits=4)
    found = curves.learning_curve(table(), params, sizes=2, repeats=1)
    assert found.unit == "clips" and found.units[-1] == 180


def test_years_have_an_error_that_falls():
    t = table(100, 2)
    rng = np.random.default_rng(0)
    t = t._replace(y=40 + 10 * t.X[:, 0].astype(float) + rng.normal(size=200))
    params = TrainParams("age_years", model="ridge", n_splits=4, settings=(("alpha", 1.0),))
    found = curves.learning_curve(t, params, repeats=2)
    assert found.metric == "mae"
    assert found.scores[-1].mean() < found.scores[0].mean() < found.chance
    fell = curves.importance(t, params, repeats=2)
    assert fell.names[0] == "x0" and fell.drops[0].mean() > 5


def test_few_speakers_are_refused():
    with pytest.raises(ParameterError, match="needs 8 speakers to learn from"):
        curves.learning_curve(table(9, 4), TrainParams("gender", model="logreg", n_splits=2))


def test_importance_finds_the_column_that_matters():
    found = curves.importance(table(), PARAMS, repeats=4)
    assert found.names[0] == "x0"
    assert found.drops[0].mean() > 0.2
    assert abs(found.drops[1:]).max() < 0.1
    assert found.base > 0.75
    assert found.drops.shape == (len(found.names), 4)


def test_importance_asks_about_clips_that_were_not_learnt():
    t = table()
    t.X[:, 0] = 0
    nearest = TrainParams("gender", model="knn", n_splits=4, settings=(("n_neighbors", 1),))
    assert abs(curves.importance(t, nearest, repeats=1).base - 0.5) < 0.15


def test_twins_are_shuffled_together():
    found = curves.importance(table(), PARAMS, repeats=1)
    assert ("x1", "x2") in found.members
    assert sum(map(len, found.members)) == 12
    single = curves.importance(table(), PARAMS, repeats=1, blocks=False)
    assert len(single.names) == 12


def test_shuffling_one_of_two_twins_hides_what_both_know():
    """Columns 0 and 4 both tell the label: one by one, each seems half as important."""
    t = table()
    t.X[:, 4] = t.X[:, 0]
    both = curves.importance(t, PARAMS, repeats=3)
    alone = curves.importance(t, PARAMS, repeats=3, blocks=False)
    assert both.members[0] == ("x0", "x4") and both.names[0].endswith("and 1 alike")
    assert both.drops[0].mean() > 1.5 * alone.drops[0].mean()


def test_work_can_be_followed_and_ended():
    told = []
    curves.learning_curve(table(), PARAMS, sizes=2, repeats=2, progress=told.append)
    assert [(p.done, p.total) for p in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with pytest.raises(Cancelled):
        curves.importance(table(), PARAMS, cancelled=lambda: True)


def rows(**changes) -> pd.DataFrame:
    made = [
        {"scaler": s, "pca": p, "C": c, "train_mean": 0.5, "train_sd": 0.01, "seconds": 1.0}
        | {"validation_mean": 0.3 + 0.01 * i, "validation_sd": 0.02, "rank": 1}
        for i, (s, p, c) in enumerate(
            (s, p, c)
            for s in ("robust", "power", "quantile")
            for p in (None, 0.99)
            for c in (10.0, 0.001, 0.1)
        )
    ]
    return pd.DataFrame(made).assign(**changes)


def test_a_search_has_a_panel_for_each_scaler_and_pca():
    found = curves.search_curves(rows())
    assert (found.setting, found.log, found.columns, found.metric) == ("C", True, 3, "score")
    assert [p.title for p in found.panels] == [
        "robust, no pca",
        "power, no pca",
        "quantile, no pca",
        "robust, pca 0.99",
        "power, pca 0.99",
        "quantile, pca 0.99",
    ]
    first = found.panels[0]
    assert list(first[1]) == [0.001, 0.1, 10.0]
    assert first.validation[:, 0] == pytest.approx([0.31, 0.32, 0.30])
    assert first.train[:, 1] == pytest.approx([0.01] * 3)


def test_errors_in_years_are_shown_positive():
    found = curves.search_curves(rows(train_mean=-9.0, validation_mean=-11.0))
    assert found.metric == "mae"
    assert found.panels[0].validation[:, 0] == pytest.approx([11.0] * 3)


def test_of_many_panels_the_best_are_kept():
    many = pd.concat([rows().assign(kernel=k) for k in "abc"], ignore_index=True)
    many["validation_mean"] = np.linspace(0.2, 0.6, len(many))
    found = curves.search_curves(many)
    assert len(found.panels) == 12
    assert max(p.validation[:, 0].max() for p in found.panels) == pytest.approx(0.6)


def test_a_search_of_one_setting_only_has_one_panel():
    found = curves.search_curves(rows().query("scaler == 'power' and pca == 0.99"))
    assert len(found.panels) == 1 and found.panels[0].title == ""
    with pytest.raises(ParameterError, match="two numbers or more"):
        curves.search_curves(rows(), "scaler")

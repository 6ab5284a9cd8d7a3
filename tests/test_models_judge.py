"""Scores against scikit-learn's, intervals against known spreads, baselines, groups, cells."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest

from core.errors import ParameterError
from core.models import baselines, groups, judge
from core.models.base import Predictions, Table


def answers(
    n: int = 400, k: int = 2, speakers: int | None = 40, *, skill: float = 1.5, seed: int = 0
) -> Predictions:
    """Softmax of noise with a push towards the true label."""
    rng = np.random.default_rng(seed)
    labels = tuple(f"label {i}" for i in range(k))
    codes = rng.integers(0, k, n)
    z = rng.normal(size=(n, k))
    z[np.arange(n), codes] += skill
    prob = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    who = None
    if speakers:
        who = np.array([f"s{i}" for i in rng.integers(0, speakers, n)], dtype=object)
    ids = np.array([f"set/{i}" for i in range(n)], dtype=object)
    y = np.array(labels, dtype=object)[codes]
    fold = (np.arange(n) % 5).astype(np.int16)
    return Predictions(ids, y, prob.astype(np.float32), labels, who, fold)


def years(n: int = 300, *, spread: float = 5.0, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    y = rng.normal(40, 12, n)
    said = (y + rng.normal(0, spread, n)).astype(np.float32)[:, None]
    who = np.array([f"s{i}" for i in np.arange(n) // 3], dtype=object)
    ids = np.arange(n).astype(str).astype(object)
    return Predictions(ids, y, said, (), who, (np.arange(n) % 5).astype(np.int16))


def values(found: judge.Scores) -> dict[str, groups.Interval]:
    return {s.name: s.score for s in found.scores}


@settings(max_examples=30)
@given(st.integers(2, 5), st.integers(0, 1000))
def test_scores_are_those_of_scikit_learn(k, seed):
    from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

    p = answers(80, k, 9, seed=seed)
    p = p._replace(prob=np.round(p.prob, 2))  # equal scores must count half
    found = values(judge.judge(p))
    said = p.answers
    assert found["accuracy"].value == pytest.approx((said == p.y).mean())
    assert found["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(p.y, said))
    there = np.unique(p.y).tolist()
    f1 = f1_score(p.y, said, average="macro", labels=there)
    assert found["macro_f1"].value == pytest.approx(f1)
    if k == 2:
        auc = roc_auc_score(p.y == p.labels[1], p.prob[:, 1])
        assert found["auc"].value == pytest.approx(auc)


@settings(max_examples=30)
@given(st.integers(2, 4), st.integers(0, 1000))
def test_a_value_lies_in_its_interval(k, seed):
    for score in judge.judge(answers(60, k, 12, seed=seed)).scores:
        assert 0 <= score.score.low <= score.score.value <= score.score.high <= 1


def test_more_answers_of_the_same_speakers_do_not_narrow_the_interval():
    p = answers(200, 2, 20)
    again = Predictions(*(None if f is None else np.concatenate([f] * 8) for f in p[:3]), *p[3:])
    again = again._replace(
        labels=p.labels, speakers=np.tile(p.speakers, 8), fold=np.tile(p.fold, 8)
    )
    few, many = (values(judge.judge(x))["accuracy"] for x in (p, again))
    assert many.high - many.low == pytest.approx(few.high - few.low, rel=0.05)
    alone = values(judge.judge(again._replace(speakers=None)))["accuracy"]
    assert alone.high - alone.low < 0.6 * (many.high - many.low)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Speakers differ: some are always understood, some never; the truth is 0.7."""
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        right = np.repeat(rng.random(60) < 0.7, 8)
        found = groups.mean_interval(
            right.astype(float), np.repeat(np.arange(60), 8).astype(str).astype(object), seed=0
        )
        covered += found.low <= 0.7 <= found.high
    assert 52 <= covered <= 60


def test_the_spread_by_speaker_is_that_of_the_theory():
    rng = np.random.default_rng(3)
    right = np.repeat(rng.random(100) < 0.6, 5).astype(float)
    who = np.repeat(np.arange(100), 5).astype(str).astype(object)
    found = groups.mean_interval(right, who, seed=0)
    half = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 100)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)


def test_all_right_does_not_mean_sure():
    p = answers(30, 2, 10, skill=50.0)
    found = values(judge.judge(p))["balanced_accuracy"]
    assert found.value == 1.0
    assert 0.6 < found.low < 0.95


def test_the_same_seed_gives_the_same_interval():
    p = answers()
    assert judge.judge(p).scores == judge.judge(p).scores
    assert judge.judge(p, seed=1).scores != judge.judge(p).scores


def test_it_says_what_was_redrawn():
    assert "Intervals redraw 40 speakers" in judge.judge(answers()).resampled
    unknown = judge.judge(answers(speakers=None))
    assert unknown.speakers is None
    assert "no speaker is known, so they are too narrow" in unknown.resampled
    p = answers()
    p.speakers[:7] = ""
    assert "7 clips without a known speaker" in judge.judge(p).resampled


def test_baselines_stand_beside():
    p = answers(400, 4)
    found = {b.name: b.scores for b in judge.judge(p).baselines}
    share = max(np.mean(p.y == name) for name in p.labels)
    assert found["majority"]["accuracy"].value == pytest.approx(share)
    assert found["majority"]["balanced_accuracy"].value == 0.25
    assert found["chance"]["balanced_accuracy"] == (0.25, 0.25, 0.25)


def test_pitch_alone_is_judged_on_the_same_folds():
    rng = np.random.default_rng(0)
    p = answers(300, 2, 60)
    f0 = np.where(p.y == p.labels[0], 120, 210) * np.exp(0.1 * rng.normal(size=300))
    X = np.column_stack([f0, rng.normal(size=300)]).astype(np.float32)
    X[:5, 0] = np.nan
    table = Table(X, p.y, p.speakers, p.clip_ids, ("f0_median_hz", "x"), {}, {})
    alone = baselines.f0_only(table, p)
    assert (alone.fold == p.fold).all()
    found = {b.name: b.scores for b in judge.judge(p, f0_only=alone).baselines}
    assert found["f0_only"]["balanced_accuracy"].value > 0.95
    assert baselines.f0_only(table._replace(columns=("a", "b")), p) is None


def test_a_model_fitted_again_has_not_heard_its_test_fold():
    """The nearest neighbour knows every clip it has heard, and here nothing else."""
    from sklearn.neighbors import KNeighborsClassifier

    p = answers(300, 2, None)
    X = np.random.default_rng(0).normal(size=(300, 4))
    made = baselines.answered(X, p, lambda: KNeighborsClassifier(1))
    assert abs(judge.balanced_accuracy(p.y, made.answers) - 0.5) < 0.1


def test_years_have_errors_and_the_median_beside():
    p = years()
    found = judge.judge(p)
    by_name = values(found)
    error = np.abs(p.answers - p.y)
    assert found.main.unit == "years"
    assert by_name["mae"].value == pytest.approx(error.mean())
    assert by_name["median_error"].value == pytest.approx(np.median(error), rel=0.03)
    r2 = 1 - (error**2).sum() / ((p.y - p.y.mean()) ** 2).sum()
    assert by_name["r2"].value == pytest.approx(r2)
    always = np.abs(p.y - np.median(p.y)).mean()
    assert found.baselines[0].scores["mae"].value == pytest.approx(always)
    assert all(v.low < v.value < v.high for v in by_name.values())
    assert found.confusion is None


def test_the_confusion_counts_clips():
    p = answers(300, 3)
    found = judge.judge(p)
    assert found.confusion.sum() == 300
    row, column = 2, 0
    cell = judge.cell(p, p.labels[row], p.labels[column])
    assert found.confusion[row, column] == cell.clip_ids.size > 0
    assert found.ratios.sum(axis=1) == pytest.approx(np.ones(3))


def test_a_cell_lists_its_clips_most_confident_first():
    p = answers(300, 3)
    cell = judge.cell(p, p.labels[1], p.labels[0])
    place = {clip: i for i, clip in enumerate(p.clip_ids)}
    rows = [place[c] for c in cell.clip_ids]
    assert (p.y[rows] == p.labels[1]).all() and (p.answers[rows] == p.labels[0]).all()
    assert (np.diff(cell.confidence) <= 0).all()
    assert cell.confidence == pytest.approx(p.prob[rows].max(axis=1))
    with pytest.raises(ParameterError, match="The model knows no 'x'"):
        judge.cell(p, "x", p.labels[0])


def test_groups_have_their_own_recall():
    p = answers(200, 2, 40)
    gender = np.where(np.arange(200) < 150, "female", "male")
    age = np.where(np.arange(200) % 2, "teens", None)
    labels = pd.DataFrame({"clip_id": p.clip_ids[::-1], "gender": gender[::-1], "age": age[::-1]})
    found = {g.names: g for g in groups.by_group(p, labels, ["gender", "age"])}
    assert set(found) == {(a, b) for a in ("female", "male") for b in ("teens", "not known")}
    own = (gender == "female") & (age == "teens")
    group = found["female", "teens"]
    assert group.clips == own.sum() == 75
    assert group.speakers == len(set(p.speakers[own]))
    assert group.score.value == pytest.approx((p.answers == p.y)[own].mean())


def test_a_group_of_few_speakers_is_marked():
    p = answers(40, 2, 30)
    p.speakers[:10] = "one"
    p.speakers[10:20] = [f"own {i}" for i in range(10)]
    labels = pd.DataFrame({"g": ["a"] * 10 + ["b"] * 30}, index=p.clip_ids)
    found = {g.names[0]: g for g in groups.by_group(p, labels, ["g"])}
    assert found["a"].few and found["a"].speakers == 1 and np.isnan(found["a"].score.low)
    assert not found["b"].few
    with pytest.raises(ParameterError, match="There is no label 'x'"):
        groups.by_group(p, labels, ["x"])


def test_a_calibrated_model_lies_on_the_diagonal():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 5000).astype(np.float32)
    right = rng.random(5000) < sure
    prob = np.column_stack([sure, 1 - sure])
    y = np.where(right, "a", "b").astype(object)
    ids = np.arange(5000).astype(str).astype(object)
    p = Predictions(ids, y, prob, ("a", "b"), None, np.zeros(5000, np.int16))
    found = judge.calibration(p)
    assert found.clips.tolist() == [500] * 10
    assert found.ece < 0.03
    assert np.abs(found.right - found.confidence).max() < 0.06
    assert (found.low <= found.right).all() and (found.right <= found.high).all()
    shouting = judge.calibration(p._replace(prob=(prob > 0.5).astype(np.float32)))
    assert shouting.ece == pytest.approx(0.25, abs=0.02)


def test_a_threshold_answers_less_and_better():
    found = judge.coverage(answers(2000, 2, 100, skill=1.0))
    assert found.thresholds[0] == 0.5 and found.answered[0] == 1.0
    assert (np.diff(found.answered) <= 0).all()
    at = int(np.flatnonzero(found.thresholds == 0.9)[0])
    assert found.right[at] > found.right[0] + 0.1
    nothing = judge.coverage(answers(50, 2), thresholds=np.array([1.01]))
    assert nothing.answered[0] == 0 and np.isnan(nothing.right[0])


def test_what_cannot_be_judged_is_refused():
    p = answers(20)
    empty = Predictions(*(f[:0] for f in p[:3]), p.labels, p.speakers[:0], p.fold[:0])
    with pytest.raises(ParameterError, match="no answers to judge"):
        judge.judge(empty)
    with pytest.raises(ParameterError, match="has no probabilities"):
        judge.calibration(years(20))
    other = p._replace(y=np.full(20, "else", dtype=object))
    with pytest.raises(ParameterError, match="'else' is not among the labels"):
        judge.judge(other)


def test_ten_thousand_clips_need_few_sums():
    """Each speaker's clips are summed once: many clips cost hardly more than many speakers."""
    p = answers(10_000, 6, 500)
    found = groups.clusters(p.speakers, 10_000)
    assert found.count == 500
    assert sum(times.shape[0] for times in groups.draws(500, seed=0)) == groups.DRAWS
    assert all((times.sum(axis=1) == 500).all() for times in groups.draws(500, seed=0))

"""No speaker is on two sides, every class is, and the same seed gives the same split."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from core.errors import ParameterError
from core.models import splits


def people(n_speakers: int, most: int, seed: int, unknown: float = 0.0):
    """Labels by speaker, and speakers with 1 to ``most`` clips, some of them not known."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, most + 1, n_speakers)
    speakers = np.repeat([f"s{i}" for i in range(n_speakers)], sizes).astype(object)
    y = np.repeat(np.array(["a", "b", "b"], object)[np.arange(n_speakers) % 3], sizes)
    speakers[rng.random(speakers.size) < unknown] = ""
    return y, speakers


@settings(max_examples=25)
@given(
    n_speakers=st.integers(20, 60),
    most=st.integers(1, 6),
    seed=st.integers(0, 99),
    n_splits=st.integers(2, 5),
    unknown=st.sampled_from([0.0, 0.2]),
)
def test_no_speaker_is_on_both_sides_and_every_clip_is_tested_once(
    n_speakers, most, seed, n_splits, unknown
):
    y, speakers = people(n_speakers, most, seed, unknown)
    found = splits.folds(y, speakers, split="speaker", n_splits=n_splits, seed=seed)
    assert sorted(np.concatenate([test for _, test in found])) == list(range(y.size))
    for train, test in found:
        assert set(train) | set(test) == set(range(y.size))
        assert not set(train) & set(test)
        assert not (set(speakers[train]) & set(speakers[test])) - {""}
        assert set(y[train]) == {"a", "b"}


def test_a_split_by_clip_parts_the_clips_of_a_speaker():
    y, speakers = people(20, 6, 0)
    train, test = splits.folds(y, speakers, split="clip", n_splits=4, seed=0)[0]
    assert set(speakers[train]) & set(speakers[test])


@pytest.mark.parametrize("split", ["speaker", "clip"])
def test_classes_have_the_same_shares_in_all_folds(split):
    y, speakers = people(120, 3, 1)
    for _, test in splits.folds(y, speakers, split=split, n_splits=4, seed=3):
        assert abs((y[test] == "a").mean() - (y == "a").mean()) < 0.05


@pytest.mark.parametrize("split", ["speaker", "clip"])
def test_the_same_seed_gives_the_same_split_and_another_one_another(split):
    y, speakers = people(60, 4, 2)
    one, same, other = (
        splits.folds(y, speakers, split=split, n_splits=3, seed=s)[0][1] for s in (5, 5, 6)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("split", ["speaker", "clip"])
def test_a_fifth_is_held_out(split):
    y, speakers = people(100, 3, 0)
    train, test = splits.hold_out(y, speakers, split=split, seed=0)
    assert abs(test.size / y.size - 0.2) < 0.03
    assert train.size + test.size == np.union1d(train, test).size == y.size
    if split == "speaker":
        assert not set(speakers[train]) & set(speakers[test])


def test_years_are_stratified_by_fifths():
    rng = np.random.default_rng(0)
    years, speakers = rng.uniform(15, 75, 200), np.arange(200).astype(str).astype(object)
    for _, test in splits.folds(years, speakers, split="speaker", n_splits=5, seed=0):
        assert abs(years[test].mean() - years.mean()) < 3


def test_clips_without_a_speaker_are_each_their_own():
    groups = splits.groups_of(np.array(["x", "", "x", "", None], object), 5)
    assert groups[0] == groups[2]
    assert len(set(groups)) == 4


def test_few_speakers_of_a_class_are_told():
    y = np.array(["a"] * 20 + ["b"] * 20, object)
    speakers = np.array([f"s{i}" for i in range(20)] + ["t1", "t2"] * 10, object)
    with pytest.raises(ParameterError, match="b: 2 speakers are too few for 5 folds"):
        splits.folds(y, speakers, split="speaker", n_splits=5, seed=0)
    assert len(splits.folds(y, speakers, split="clip", n_splits=5, seed=0)) == 5


@pytest.mark.parametrize("speakers", [None, np.array([""] * 8, object)])
def test_a_split_by_speaker_without_speakers_is_refused(speakers):
    with pytest.raises(ParameterError, match="No speaker is known here"):
        splits.folds(np.array(["a", "b"] * 4), speakers, split="speaker", n_splits=2, seed=0)


@pytest.mark.parametrize(("split", "n_splits"), [("voice", 3), ("clip", 1), ("clip", 21)])
def test_settings_that_cannot_work_are_refused(split, n_splits):
    with pytest.raises(ParameterError, match="choose"):
        splits.folds(np.array(["a", "b"] * 30), None, split=split, n_splits=n_splits, seed=0)


def test_inner_folds_are_as_many_as_the_rarest_class_allows():
    y = np.array(["a"] * 20 + ["b"] * 3, object)
    found = splits.inner_folds(y, None, split="clip", most=4, seed=0)
    assert len(found) == 3

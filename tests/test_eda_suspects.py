"""Planted duplicates, wrong labels and outliers are found, and nothing else."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from test_eda_projection import store

from core.eda import duplicates, projection, suspects, suspects_folds
from core.errors import ParameterError
from core.figures import maps
from core.filters import Filter, Selection
from pages.shared import map_code

ALL = Selection()


def cloud(n: int = 300, d: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def pairs(found: duplicates.Duplicates) -> set[tuple[int, int]]:
    return {(int(p.first[2:]), int(p.second[2:])) for p in found.pairs}


@pytest.mark.parametrize("with_mels", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_planted_duplicates_are_found_and_no_others(tmp_path, seed, with_mels):
    x, mel = cloud(seed=seed), -40 + cloud(d=20, seed=seed + 100)
    rng = np.random.default_rng(seed)
    for copy, original in ((200, 3), (201, 17), (299, 120)):
        x[copy] = x[original] + 0.02 * rng.standard_normal(12)
        mel[copy] = mel[original] + 0.02 * rng.standard_normal(20)
    found = duplicates.find(store(tmp_path / "w", x, mel if with_mels else None), ALL)
    assert pairs(found) == {(3, 200), (17, 201), (120, 299)}
    assert not any(p.same_bytes for p in found.pairs)
    assert found.threshold == found.automatic > 0


def test_no_duplicates_in_a_cloud_without_any(tmp_path):
    found = duplicates.find(store(tmp_path / "w", cloud()), ALL)
    assert found.pairs == ()
    assert found.counts.sum() == 300


def test_three_of_one_sound_are_two_too_many(tmp_path):
    x = cloud()
    x[50] = x[10]
    x[90] = x[10]
    found = duplicates.find(store(tmp_path / "w", x), ALL)
    seconds = [p.second for p in found.pairs]
    assert sorted(seconds) == ["c/0050", "c/0090"]
    assert {p.distance for p in found.pairs} == {0.0}


def test_many_duplicates_do_not_move_the_threshold_above_themselves(tmp_path):
    x = cloud()
    x[240:] = x[:60] + 0.002
    found = duplicates.find(store(tmp_path / "w", x), ALL)
    assert pairs(found) == {(i, i + 240) for i in range(60)}


def test_a_threshold_by_hand_is_obeyed_and_the_automatic_one_said(tmp_path):
    x = cloud()
    x[7] = x[6] + 0.1
    workspace = store(tmp_path / "w", x)
    assert pairs(duplicates.find(workspace, ALL, threshold=0.2)) == {(6, 7)}
    none = duplicates.find(workspace, ALL, threshold=0.0)
    assert none.pairs == () and none.automatic > 0


def test_same_bytes_are_found_whatever_the_features_say(tmp_path):
    rng = np.random.default_rng(0)
    content = {i: rng.bytes(500) for i in range(40)}
    content[30] = content[4]
    content[31] = rng.bytes(499)
    paths = [tmp_path / f"{i}.wav" for i in range(40)]
    for i, path in enumerate(paths):
        path.write_bytes(content[i])
    sizes = [p.stat().st_size for p in paths]
    paths[20].unlink()
    labels = {"path": [str(p) for p in paths], "size": sizes}
    found = duplicates.find(store(tmp_path / "w", cloud(40), **labels), ALL)
    assert pairs(found) == {(4, 30)}
    assert found.pairs[0].same_bytes
    assert found.unread == 1


def test_nearest_distances_are_those_of_every_pair(monkeypatch):
    monkeypatch.setattr(duplicates, "ROWS", 7)
    x = cloud(50, 3)
    every = np.linalg.norm(x[:, None] - x[None], axis=2) + np.where(np.eye(50), np.inf, 0)
    np.testing.assert_allclose(duplicates.nearest_distances(x), every.min(axis=1), rtol=1e-4)


def test_the_figure_of_distances_has_a_line_at_the_threshold(tmp_path):
    found = duplicates.find(store(tmp_path / "w", cloud()), ALL)
    fig = maps.distances(found)
    assert fig.layout.shapes[0].x0 == found.threshold
    assert sum(fig.data[0].y) == 300
    assert "no unit" in fig.layout.xaxis.title.text


@pytest.mark.parametrize("with_mels", [False, True])
def test_the_code_shown_finds_the_same_threshold(tmp_path, monkeypatch, with_mels):
    x, mel = cloud(), cloud(d=20, seed=1)
    x[3, 2] = np.nan
    workspace = store(tmp_path / "w", x, mel if with_mels else None)
    monkeypatch.chdir(tmp_path)
    duplicates.table(workspace, ALL).to_csv("c.csv", index=False)
    space, said = projection.spaces(workspace)[-1], {}
    exec(map_code.distances("c.csv", space, duplicates.SPREADS), said)
    assert said["threshold"] == pytest.approx(duplicates.find(workspace, ALL).threshold, rel=1e-3)


def voices(n: int = 400, speakers: int = 40, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Features of speakers of two genders two to three spreads apart, and who is who."""
    rng = np.random.default_rng(seed)
    speaker = np.arange(n) % speakers
    gender = np.where(speaker % 2, "female", "male").astype(object)
    x = rng.standard_normal((n, 6)) + rng.standard_normal((speakers, 6))[speaker]
    x[:, 0] += np.where(speaker % 2, 6.0, 0.0)
    x[:, 1] += np.where(speaker % 2, 3.0, 0.0)
    return x, gender, np.array([f"s{s}" for s in speaker], dtype=object)


def flip(gender: np.ndarray, share: float = 0.05, seed: int = 1) -> tuple[np.ndarray, set[str]]:
    chosen = np.random.default_rng(seed).choice(gender.size, round(share * gender.size), False)
    flipped = gender.copy()
    flipped[chosen] = np.where(gender[chosen] == "male", "female", "male")
    return flipped, {f"c/{i:04d}" for i in chosen}


@pytest.mark.parametrize("speakers_known", [True, False])
def test_flipped_labels_come_first(tmp_path, speakers_known):
    x, gender, speaker = voices()
    flipped, truth = flip(gender)
    labels = {"speaker_id": speaker} if speakers_known else {}
    found = suspects.label_errors(store(tmp_path / "w", x, gender=flipped, **labels), ALL, "gender")
    first = [d.clip_id for d in found.doubts[: len(truth)]]
    assert len(truth & set(first)) >= 0.95 * len(truth)
    assert found.speakers == (40 if speakers_known else None)
    assert found.score > 0.9
    assert all(d.confidence < d.preferred_confidence for d in found.doubts)


def test_a_label_that_the_voice_does_not_tell_has_no_score(tmp_path):
    """Random labels of speakers: a model that heard the speaker would know them."""
    rng = np.random.default_rng(3)
    speaker = np.repeat(np.arange(40), 10)
    x = 5 * rng.standard_normal((40, 30))[speaker] + 0.1 * rng.standard_normal((400, 30))
    label = rng.permutation(np.repeat(["a", "b"], 20))[speaker]
    names = [f"s{s}" for s in speaker]
    apart = store(tmp_path / "w", x, gender=label, speaker_id=names)
    mixed = store(tmp_path / "v", x, gender=label)
    assert suspects.label_errors(apart, ALL, "gender").score < 0.7
    assert suspects.label_errors(mixed, ALL, "gender").score > 0.8


def test_values_with_too_few_speakers_are_left_out_and_named(tmp_path):
    x, gender, speaker = voices(200)
    gender[speaker == "s5"] = "other"
    found = suspects.label_errors(
        store(tmp_path / "w", x, gender=gender, speaker_id=speaker), ALL, "gender"
    )
    assert found.left_out == ("other",)
    assert found.judged == 195


def test_clips_without_a_label_are_not_judged_and_without_a_speaker_count_alone(tmp_path):
    x, gender, speaker = voices(200)
    gender[:20], speaker[20:50] = None, None
    found = suspects.label_errors(
        store(tmp_path / "w", x, gender=gender, speaker_id=speaker), ALL, "gender"
    )
    assert (found.judged, found.anonymous, found.total) == (180, 30, 200)


def test_a_label_of_one_value_cannot_be_checked(tmp_path):
    x, gender, speaker = voices(100)
    workspace = store(tmp_path / "w", x, gender=gender, speaker_id=speaker)
    assert suspects.labels(workspace) == ("gender",)
    men = Selection((Filter("gender", "=", "male"),))
    with pytest.raises(ParameterError, match="at least two speakers of two values"):
        suspects.label_errors(workspace, men, "gender")


def test_labels_of_one_value_or_of_many_are_not_offered(tmp_path):
    x = cloud(40)
    labels = {"gender": "male", "accent": [f"a{i}" for i in range(40)], "age": ["a", "b"] * 20}
    assert suspects.labels(store(tmp_path / "w", x, **labels)) == ("age",)


def test_planted_outliers_come_first_with_their_reason(tmp_path):
    x = cloud(400)
    x[7, 3], x[8, 3] = 40.0, -40.0
    x[9] += 15.0
    x[100:140, 5] = np.nan
    found = suspects.outliers(store(tmp_path / "w", x), ALL)
    assert {o.clip_id for o in found.outliers[:3]} == {"c/0007", "c/0008", "c/0009"}
    reasons = {o.clip_id: o.why for o in found.outliers}
    name, z = reasons["c/0007"][0]
    assert name == "f3" and 30 < z < 50
    assert reasons["c/0008"][0][1] < -30
    assert found.found < 0.08 * 400


def test_one_wild_number_does_not_hide_the_others(tmp_path):
    """With mean and standard deviation, 1e9 would make every other clip look alike."""
    x = cloud(200)
    x[3, 0] = 1e9
    x[4, 0] = 12.0
    found = suspects.outliers(store(tmp_path / "w", x), ALL)
    assert {o.clip_id for o in found.outliers[:2]} == {"c/0003", "c/0004"}


def test_columns_that_hardly_vary_or_are_mostly_missing_do_not_decide():
    x = cloud(100, 3)
    x[:, 1] = 0.0
    x[5, 1] = 1.0
    x[:80, 2] = np.nan
    z, names = suspects.robust_z(x, ("a", "b", "c"))
    assert names == ("a", "b")
    assert z[5, 1] == pytest.approx(1 / x[:, 1].std())
    with pytest.raises(ParameterError, match="Nothing varies"):
        suspects.robust_z(np.ones((9, 2)), ("a", "b"))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(5, 60), st.booleans())
def test_folds_are_those_of_scikit_learn(seed, labels, groups, one_label_each):
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, int(rng.integers(30, 400)))
    label = rng.choice(labels, max(groups, group.size), p=rng.dirichlet(np.ones(labels)))
    values, codes = np.unique(
        label[group] if one_label_each else label[: group.size], return_inverse=True
    )
    n = int(rng.integers(2, 6))
    assume(values.size > 1 and len(set(group)) >= n and np.bincount(codes).max() >= n)
    names = np.array([f"s {g}" for g in group], dtype=object)
    splitter = StratifiedGroupKFold(n, shuffle=True, random_state=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # of labels with few clips
        theirs = [test for _, test in splitter.split(codes, codes, names)]
    ours = suspects_folds.folds(codes, names, n)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", [1, 2, 30, 31])
def test_medians_are_those_of_scikit_learn(n):
    from sklearn.impute import SimpleImputer

    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 9))
    x[rng.random(x.shape) < 0.2] = np.nan
    x[:, 2], x[:, 4] = np.nan, 1.5  # nothing known, and no gaps
    theirs = SimpleImputer(strategy="median", keep_empty_features=True).fit(x).statistics_
    np.testing.assert_array_equal(suspects_folds.medians(x), theirs)

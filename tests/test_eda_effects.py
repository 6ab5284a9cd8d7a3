"""Effect sizes: planted ones are found, their intervals hold, and shuffled labels give none."""

import numpy as np
import pandas as pd
import pytest
from test_eda_correlations import store

from core.eda import correlations, effects
from core.errors import ParameterError
from core.figures import correlations as figures
from core.filters import Filter, Selection
from pages.shared import correlations_code as code

ALL = Selection()
FEATURES = ["up", "down", "same", "gaps"]


def table(n: int = 480, speakers: int = 24, seed: int = 1) -> pd.DataFrame:
    """``up`` is 1 sd higher for women, ``down`` 2 sd lower; clips of a voice are alike."""
    rng = np.random.default_rng(seed)
    who = np.arange(n) % speakers
    female = who % 2
    x = rng.standard_normal((3, n))
    x[2] = (3 * rng.standard_normal(speakers)[who] + x[2]) / np.sqrt(10)
    return pd.DataFrame(
        {
            "clip_id": [f"c/{i:05d}" for i in range(n)],
            "speaker_id": [f"s{w:03d}" for w in who],
            "gender": np.where(female, "female", "male"),
            "up": x[0] + female,
            "down": x[1] - 2 * female,
            "same": x[2],
            "gaps": np.where(np.arange(n) % 3, np.nan, x[0]),
        }
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return store(tmp_path_factory.mktemp("w") / "w", table(), FEATURES)


def compare(workspace, first="female", second="male", **kwargs):
    return effects.effects(workspace, ALL, "gender", first, second, **kwargs)


@pytest.mark.parametrize(
    ("measure", "up", "down"), [("d", 1.0, -2.0), ("delta", 0.5205, -0.8427)], ids=["d", "delta"]
)
def test_planted_differences_are_found_and_ranked(workspace, measure, up, down):
    found = compare(workspace, measure=measure)
    assert found.names[:2] == ("down", "up")
    assert found.effect[:2] == pytest.approx([down, up], abs=0.25)
    assert found.low[0] < down < found.high[0] < 0 < found.low[1] < up < found.high[1]
    same = found.names.index("same")
    assert found.low[same] < 0 < found.high[same]
    assert found.groups == (
        effects.Group("female", 240, 12),
        effects.Group("male", 240, 12),
    )
    assert found.over_speakers and found.unlabelled == 0


@pytest.mark.parametrize("measure", effects.MEASURES)
def test_changing_sides_changes_the_sign(workspace, measure):
    there = compare(workspace, measure=measure)
    back = compare(workspace, "male", "female", measure=measure)
    assert there.names == back.names
    np.testing.assert_allclose(there.effect, -back.effect, atol=1e-12)


def test_the_estimates_are_the_textbooks(workspace):
    t = table()
    a, b = t[t.gender == "female"]["gaps"].dropna(), t[t.gender == "male"]["gaps"].dropna()
    spread = np.sqrt(((len(a) - 1) * a.var() + (len(b) - 1) * b.var()) / (len(a) + len(b) - 2))
    found = compare(workspace)
    assert found.effect[found.names.index("gaps")] == pytest.approx((a.mean() - b.mean()) / spread)
    found = compare(workspace, measure="delta")
    delta = np.sign(a.to_numpy()[:, None] - b.to_numpy()).mean()
    assert found.effect[found.names.index("gaps")] == pytest.approx(delta)
    assert found.known[:, found.names.index("gaps")].tolist() == [len(a), len(b)]


def simulate(measure: str, over_speakers: bool) -> float:
    """Share of shuffled data sets whose interval leaves 0 out; clips of a voice are alike."""
    t = table()
    rng = np.random.default_rng(5)
    out = []
    for _ in range(12):
        who = np.arange(400) % 20
        x = rng.standard_normal((20, 40))[who] + 0.5 * rng.standard_normal((400, 40))
        sides = rng.permutation(np.repeat([0, 1], 10))[who]
        speakers = t["speaker_id"].to_numpy(dtype=object)[who] if over_speakers else None
        units, strata = effects._units(speakers, sides)
        estimate = effects._cohen if measure == "d" else effects._cliff
        effect, draws = estimate(x, sides, units, effects._weights(units, strata))
        low, high = effects._interval(draws, effect, effects._smaller(units, sides))
        out.append((low > 0) | (high < 0))
    return float(np.mean(out))


@pytest.mark.parametrize("measure", effects.MEASURES)
def test_shuffled_labels_hardly_ever_give_an_effect(measure):
    assert 0.01 < simulate(measure, over_speakers=True) < 0.10


def test_counting_clips_as_voices_would_be_wrong():
    """What the bootstrap over speakers is for."""
    assert simulate("d", over_speakers=False) > 0.3


def test_a_speaker_in_both_groups_is_drawn_as_one():
    speakers = np.array(["a", "a", "b", "b", "c"], dtype=object)
    sides = np.array([0, 1, 0, 1, 0])
    units, strata = effects._units(speakers, sides)
    assert units[0] == units[1] and units[2] == units[3]
    assert strata.tolist() == [0, 0, 0]
    assert (effects._weights(units, strata).sum(axis=1) == 3).all()


def test_many_clips_are_drawn_in_blocks():
    sides = np.repeat([0, 1], [3000, 500])
    units, strata = effects._units(None, sides)
    assert np.bincount(strata).tolist() == [effects.BLOCKS, effects.BLOCKS]
    assert not set(units[sides == 0]) & set(units[sides == 1])


def test_by_speaker_every_voice_is_one_row(workspace):
    found = compare(workspace, by_speaker=True)
    assert found.known[:, 0].tolist() == [12, 12]
    means = table().groupby(["gender", "speaker_id"])["up"].mean()
    assert found.means[0][found.names.index("up")] == pytest.approx(means["female"].mean())


@pytest.mark.parametrize("measure", effects.MEASURES)
def test_by_speaker_the_order_of_clips_does_not_matter(workspace, tmp_path, measure):
    shuffled = table().sample(frac=1, random_state=3)
    shuffled["clip_id"] = table()["clip_id"].to_numpy()
    other = compare(store(tmp_path / "w", shuffled, FEATURES), by_speaker=True, measure=measure)
    found = compare(workspace, by_speaker=True, measure=measure)
    np.testing.assert_allclose(other.low, found.low, rtol=1e-9)
    np.testing.assert_allclose(other.high, found.high, rtol=1e-9)


def test_by_speaker_a_voice_in_both_groups_has_a_mean_in_each(tmp_path):
    t = table()
    t["gender"] = np.where(np.arange(len(t)) < 240, "female", "male")
    found = compare(store(tmp_path / "w", t, FEATURES), by_speaker=True)
    assert found.known[:, 0].tolist() == [24, 24]
    means = t.groupby(["gender", "speaker_id"])["down"].mean()
    at = found.names.index("down")
    assert found.means[:, at] == pytest.approx([means["female"].mean(), means["male"].mean()])


def test_by_speaker_a_large_group_is_sampled_and_a_small_one_is_not(tmp_path):
    t = table(2000, 400)
    t = pd.concat([t[t.gender == "female"], t[t.gender == "male"].head(40)])
    found = compare(store(tmp_path / "w", t, FEATURES), by_speaker=True, sample=100)
    assert 60 < found.known[0].max() < 150 and found.known[1].max() == 40


def test_one_speaker_in_a_group_has_no_interval(workspace):
    one = Selection((Filter("speaker_id", "in", ("s000", "s001", "s003")),))
    found = effects.effects(workspace, one, "gender", "female", "male")
    assert np.isnan(found.low).all() and np.isfinite(found.effect).all()
    assert any("1 speaker for male" in c for c in effects.cautions(found))


def test_cautions_name_few_speakers_uneven_groups_and_gaps(tmp_path):
    t = table(120, 12)
    t = pd.concat([t[t.gender == "female"], t[t.gender == "male"].head(10)])
    said = " ".join(effects.cautions(compare(store(tmp_path / "w", t, FEATURES))))
    assert "6 speakers for female and 6 speakers for male" in said
    assert "60 and 10 clips" in said
    assert "One feature has no value for more than half" in said


def test_without_speakers_it_is_over_clips_and_says_so(tmp_path):
    made = store(tmp_path / "w", table().drop(columns="speaker_id"), FEATURES)
    found = compare(made)
    assert not found.over_speakers and found.groups[0].speakers is None
    assert "does not" not in effects.cautions(found)[0]
    assert "Not every clip names its speaker" in effects.cautions(found)[0]


def test_a_large_table_is_sampled_and_says_so(workspace):
    found = compare(workspace, sample=200)
    assert found.sampled and 100 < found.known[:, 0].sum() < 300
    assert found.groups[0].clips == 240


def test_groupings_are_labels_with_a_few_values(workspace):
    assert effects.groupings(workspace) == ("gender",)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("gender", "male", "male"), "the same"),
        (("gender", "male", "nobody"), "no clips of nobody"),
        (("up", 1.0, 2.0), "no label"),
    ],
)
def test_what_cannot_work_is_said(workspace, args, words):
    with pytest.raises(ParameterError, match=words):
        effects.effects(workspace, ALL, *args)
    with pytest.raises(ParameterError, match="delta"):
        compare(workspace, measure="eta")


def test_the_dots_are_ranked_and_hollow_where_0_is_inside(workspace):
    found = compare(workspace)
    fig = figures.dots(found, {"down": "Down (Hz)"})
    dots = fig.data[0]
    np.testing.assert_allclose(dots.x, found.effect, rtol=1e-6)
    np.testing.assert_allclose(dots.x - dots.error_x.arrayminus, found.low, rtol=1e-4, atol=1e-6)
    assert fig.layout.yaxis.ticktext[0] == "Down (Hz)"
    assert dots.marker.symbol[0] == "circle"
    assert dots.marker.symbol[found.names.index("same")] == "circle-open"
    assert "higher for female" in fig.layout.xaxis.title.text


@pytest.mark.parametrize("measure", effects.MEASURES)
@pytest.mark.parametrize("by_speaker", [False, True])
def test_the_code_shown_makes_the_effects(workspace, tmp_path, monkeypatch, measure, by_speaker):
    monkeypatch.chdir(tmp_path)
    names = workspace.columns
    rows = correlations.export(workspace, ALL, names, ["gender", "speaker_id"])
    rows.to_csv("clips.csv", index=False)
    made: dict = {}
    exec(code.differences_code("gender", ("female", "male"), measure, by_speaker), made)
    found = compare(workspace, measure=measure, by_speaker=by_speaker)
    wanted = dict(zip(found.names, found.effect, strict=True))
    assert {n: pytest.approx(float(v), abs=1e-9) for n, v in made["effect"].items()} == wanted

"""Random labels per speaker: what a split by clip claims, and signs of voices that repeat."""

import numpy as np
import pytest

from core.errors import ParameterError
from core.models import leaks
from core.models.base import Table, TrainParams
from core.models.search import Cancelled

PARAMS = TrainParams("gender", model="svc-rbf", n_splits=5)


def voices(
    speakers: int = 40, clips: int = 8, *, noise: float = 0.6, known: bool = True, seed: int = 0
) -> Table:
    """Each voice is a point in 20 dimensions, its clips lie around it; labels are a coin's."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(speakers), clips)
    X = rng.normal(size=(speakers, 20))[who] + noise * rng.normal(size=(who.size, 20))
    y = np.where(rng.random(speakers) < 0.5, "a", "b").astype(object)[who]
    ids = np.array([f"set/{i}" for i in range(who.size)], dtype=object)
    names = np.array([f"s{i}" for i in who], dtype=object) if known else None
    return Table(X.astype(np.float32), y, names, ids, tuple(f"x{i}" for i in range(20)), {}, {})


@pytest.mark.parametrize("model", ["svc-rbf", "logreg"])
def test_the_split_by_speaker_is_at_chance_and_the_split_by_clip_is_not(model):
    repeats, speakers = 6, 40
    params = TrainParams("gender", model=model)
    lab = leaks.leak_lab(voices(speakers), params, repeats=repeats)
    sigma = np.sqrt(0.25 / speakers / repeats)  # of speakers who are right by chance
    assert abs(lab.speaker.mean() - 0.5) < 3 * sigma
    assert lab.clip.mean() > 0.5 + 6 * sigma
    assert lab.clip.min() > lab.speaker.max()


def test_the_honest_bar_has_no_bias():
    """Many draws of few speakers: balanced folds would push the honest score below one half."""
    table = voices(12, 3)
    params = TrainParams("gender", model="logreg", n_splits=3)
    lab = leaks.leak_lab(table, params, repeats=30)
    assert abs(lab.speaker.mean() - 0.5) < 3 * lab.speaker.std() / np.sqrt(30)


def test_without_voices_to_know_again_both_splits_are_at_chance():
    lab = leaks.leak_lab(voices(60, 2, noise=50.0), PARAMS, repeats=4)
    assert abs(lab.clip.mean() - 0.5) < 0.12
    assert "lets little through" in lab.sentence


def test_the_lab_says_what_it_found():
    lab = leaks.leak_lab(voices(), PARAMS, repeats=2)
    assert "random label for each of 40 speakers" in lab.sentence
    assert "the truth is 50 %" in lab.sentence
    assert "voices it knows again" in lab.sentence
    assert (lab.clips, lab.speakers, lab.chance) == (320, 40, 0.5)


def test_the_lab_ignores_the_labels():
    table = voices()
    other = table._replace(y=np.array(["same"] * table.y.size, dtype=object))
    one, two = (leaks.leak_lab(t, PARAMS, repeats=1) for t in (table, other))
    assert one.clip.tolist() == two.clip.tolist()


def test_the_lab_needs_speakers_who_speak_twice():
    with pytest.raises(ParameterError, match="needs 6 known speakers"):
        leaks.leak_lab(voices(known=False), PARAMS)
    with pytest.raises(ParameterError, match="Every speaker has one clip"):
        leaks.leak_lab(voices(30, 1), PARAMS)


def test_clips_without_a_speaker_take_no_part():
    table = voices(10, 4)
    table.speakers[:8] = ""
    assert leaks.leak_lab(table, PARAMS, repeats=1).clips == 32


def test_the_lab_tells_how_far_it_is_and_can_be_ended():
    told = []
    leaks.leak_lab(voices(12, 4), PARAMS, repeats=2, progress=told.append)
    assert [p.done for p in told] == list(range(1, 21))
    assert {p.total for p in told} == {20}
    with pytest.raises(Cancelled):
        leaks.leak_lab(voices(12, 4), PARAMS, cancelled=lambda: len(told) > 0)


def test_voices_that_repeat_are_noticed_and_counted():
    found = leaks.voices_repeat(voices(150, 4, noise=0.5), target="age")
    assert found.warns
    assert found.share.value == pytest.approx(found.same_speaker, abs=0.1)
    assert "has the same age" in found.sentence
    assert "cannot be known without speaker ids" in found.sentence


def test_no_speaker_ids_are_needed():
    known, unknown = (voices(100, 4, known=k) for k in (True, False))
    a, b = leaks.voices_repeat(known), leaks.voices_repeat(unknown)
    assert a.share == b.share
    assert b.same_speaker is None and a.same_speaker > 0.5


@pytest.mark.parametrize("kind", ["noise", "linear"])
@pytest.mark.parametrize("seed", range(4))
def test_voices_that_all_differ_raise_no_warning(kind, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(500, 20)).astype(np.float32)
    score = rng.normal(size=500) + (2 * X[:, 0] if kind == "linear" else 0)
    y = np.where(score > 0, "a", "b").astype(object)
    table = Table(X, y, None, np.arange(500).astype(str).astype(object), (), {}, {})
    found = leaks.voices_repeat(table)
    assert not found.warns
    assert "no proof that they do not" in found.sentence


def test_years_are_tested_in_fifths():
    table = voices(100, 4)
    rng = np.random.default_rng(1)
    age = np.repeat(rng.uniform(18, 70, 100), 4)
    assert leaks.voices_repeat(table._replace(y=age)).warns


def test_few_clips_are_refused():
    with pytest.raises(ParameterError, match="needs 60 clips"):
        leaks.voices_repeat(voices(10, 2))

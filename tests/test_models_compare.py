"""Two models on the same clips: what differs, how sure, and that chance is called chance."""

import numpy as np
import pytest

from core.errors import ParameterError
from core.models import compare, judge
from core.models.base import Predictions


def answers(right: np.ndarray, *, per_speaker: int = 4, seed: int = 0) -> Predictions:
    """Answers that are right where ``right`` says so; labels alternate by speaker."""
    n = right.size
    who = np.arange(n) // per_speaker
    code = who % 2
    said = np.where(right, code, 1 - code)
    prob = np.where(said[:, None] == [0, 1], 0.9, 0.1).astype(np.float32)
    y = np.array(["a", "b"], dtype=object)[code]
    ids = np.array([f"c{i:04d}" for i in range(n)], dtype=object)
    names = np.array([f"s{i}" for i in who], dtype=object)
    return Predictions(ids, y, prob, ("a", "b"), names, np.zeros(n, np.int16))


def rolled(share: float, n: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(n) < share


def test_a_better_model_is_found():
    a, b = answers(rolled(0.9, seed=1)), answers(rolled(0.75, seed=2))
    found = compare.compare(a, b)
    assert found.difference.value == pytest.approx(
        judge.balanced_accuracy(a.y, a.answers) - judge.balanced_accuracy(b.y, b.answers)
    )
    assert found.difference.low > 0 and found.p < 0.001
    assert "The first model is better by" in found.sentence
    assert "The second model is better" in compare.compare(b, a).sentence


def test_the_same_answers_do_not_differ():
    a = answers(rolled(0.8))
    found = compare.compare(a, a)
    assert found.difference == (0, 0, 0) and found.p == 1.0
    assert found.only_first == found.only_second == 0
    assert "may well be chance" in found.sentence


def test_the_counts_are_those_of_mcnemar():
    x, y = rolled(0.8, seed=3), rolled(0.7, seed=4)
    found = compare.compare(answers(x), answers(y))
    assert found.both == (x & y).sum()
    assert found.only_first == (x & ~y).sum() == found.only_first_ids.size
    assert found.only_second == (~x & y).sum() == found.only_second_ids.size
    assert found.neither == (~x & ~y).sum()


def test_chance_is_called_significant_as_rarely_as_it_should():
    p = [
        compare.compare(answers(rolled(0.8, 120, 2 * s)), answers(rolled(0.8, 120, 2 * s + 1))).p
        for s in range(60)
    ]
    assert np.mean(np.array(p) < 0.05) <= 0.12
    assert 0.4 < np.mean(p) < 0.7  # equal differences count against: a little above one half


def test_many_clips_of_few_speakers_are_not_many_observations():
    """Six speakers differ as one coin each; by clip that would look certain."""
    right = np.repeat([True, True, True, True, False, True], 100)
    a, b = (answers(r, per_speaker=100) for r in (right, np.repeat([True] * 3 + [False] * 3, 100)))
    assert compare.compare(a, b).p > 0.05
    apart = [x._replace(speakers=None) for x in (a, b)]
    assert compare.compare(*apart).p < 0.001


def test_only_shared_clips_count():
    a = answers(rolled(0.8))
    b = answers(rolled(0.8))
    half = np.arange(0, 400, 2)[::-1]
    part = Predictions(*(f[half] for f in b[:3]), b.labels, b.speakers[half], b.fold[half])
    found = compare.compare(a, part)
    assert found.clips == 200 and found.speakers == 100
    assert found.difference.value == 0


def test_years_compare_by_error():
    rng = np.random.default_rng(0)
    y = rng.uniform(20, 60, 200)
    ids = np.arange(200).astype(str).astype(object)

    def model(spread: float) -> Predictions:
        said = (y + spread * rng.normal(size=200)).astype(np.float32)[:, None]
        return Predictions(ids, y, said, (), None, np.zeros(200, np.int16))

    found = compare.compare(model(3), model(9))
    assert found.metric == "mae" and found.difference.high < 0 and found.p < 0.001
    assert "The first model is better by" in found.sentence and "years" in found.sentence
    assert found.only_first + found.only_second == 200 and found.both == found.neither == 0


def test_what_cannot_be_compared_is_refused():
    a = answers(rolled(0.8))
    other = a._replace(clip_ids=a.clip_ids + "x")
    with pytest.raises(ParameterError, match="answered 0 clips in common"):
        compare.compare(a, other)
    with pytest.raises(ParameterError, match="One model answers with labels"):
        compare.compare(a, a._replace(labels=()))
    with pytest.raises(ParameterError, match="different labels for the same clips"):
        compare.compare(a, a._replace(y=a.y[::-1]))

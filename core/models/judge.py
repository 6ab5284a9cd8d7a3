"""What a model's answers are worth: scores with intervals and baselines, confusions, calibration.

Conventions: everything is counted on answers for clips the model had not learnt from; intervals
are by speaker where speakers are known, see ``core.models.groups``; shares are 0 to 1. Balanced
accuracy and macro F1 are means over the labels that occur. "Majority" always says the most frequent
label, "chance" guesses with the labels' shares, "pitch only" is a small model that hears nothing
else (``core.models.baselines``); chance has no interval, since it is exact.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.errors import ParameterError
from core.models import groups
from core.models.base import Predictions
from core.models.groups import Clusters, Interval
from core.safe_text import clean

BINS = 10  # of the calibration curve
CLASS_SCORES = {
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "auc": "AUC",
}
YEAR_SCORES = {"mae": "Mean absolute error", "median_error": "Median error", "r2": "R²"}


class Score(NamedTuple):
    """One number: key, name, and value with its 95 % interval; ``unit`` is "" or "years"."""

    name: str
    label: str
    score: Interval
    unit: str = ""


class Baseline(NamedTuple):
    """What asks no voice or hardly any: its name, and its scores by key."""

    name: str
    label: str
    scores: dict[str, Interval]


@dataclass(frozen=True)
class Scores:
    """How good answers are, beside what is easy.

    ``scores`` begins with the one to look at. ``confusion`` (k, k) counts clips by true label
    (row) and answer (column), in the order of ``labels``; None for a regression. ``speakers`` is
    None where none is known, ``anonymous`` clips have no known speaker.
    """

    scores: tuple[Score, ...]
    baselines: tuple[Baseline, ...]
    labels: tuple[str, ...]
    confusion: np.ndarray | None
    clips: int
    speakers: int | None
    anonymous: int

    @property
    def main(self) -> Score:
        """Balanced accuracy, or the mean absolute error."""
        return self.scores[0]

    @property
    def ratios(self) -> np.ndarray | None:
        """``confusion`` as shares of each true label, NaN in rows without clips."""
        if self.confusion is None:
            return None
        return groups.ratio(self.confusion, self.confusion.sum(axis=1, keepdims=True))

    @property
    def resampled(self) -> str:
        """What the intervals rest on, as a sentence."""
        if self.speakers is None:
            return (
                f"Intervals redraw {self.clips:,} clips: no speaker is known, so they are too "
                "narrow where voices repeat."
            )
        said = f"Intervals redraw {self.speakers:,} speakers with all of their clips"
        if self.anonymous:
            return f"{said}; {self.anonymous:,} clips without a known speaker count one by one."
        return f"{said}."


class Cell(NamedTuple):
    """Clips of one cell of the confusion matrix, the most confident answer first.

    ``confidence`` (m,) is the probability of the answer.
    """

    clip_ids: np.ndarray
    confidence: np.ndarray


class Calibration(NamedTuple):
    """How often answers of one confidence are right: bins of equal count, each field (b,).

    ``ece`` is the expected calibration error: the mean distance of the two, weighted by clips.
    """

    confidence: np.ndarray
    right: np.ndarray
    low: np.ndarray
    high: np.ndarray
    clips: np.ndarray
    ece: float


class Coverage(NamedTuple):
    """What is answered at each threshold, and how right: each field (t,), NaN where nothing is."""

    thresholds: np.ndarray
    answered: np.ndarray
    right: np.ndarray
    low: np.ndarray
    high: np.ndarray


def judge(predictions: Predictions, *, seed: int = 0, f0_only: Predictions | None = None) -> Scores:
    """Scores of answers, each with its interval, beside the baselines.

    Parameters
    ----------
    predictions : Predictions
        Answers for clips the model had not learnt from.
    seed : int
        Seed of the draws.
    f0_only : Predictions, optional
        Answers of ``baselines.f0_only`` on the same folds.

    Raises
    ------
    ParameterError
        There are no answers, or a true label is not among ``labels``.
    """
    _check(predictions)
    found = groups.clusters(predictions.speakers, predictions.y.size)
    scored = _classes if predictions.labels else _years
    names = CLASS_SCORES if predictions.labels else YEAR_SCORES
    own = scored(predictions, found, seed)
    unit = {"mae": "years", "median_error": "years"}
    baselines = _easy(predictions, found, seed)
    if f0_only is not None:
        other = groups.clusters(f0_only.speakers, f0_only.y.size)
        baselines.append(Baseline("f0_only", "Pitch only", scored(f0_only, other, seed)))
    return Scores(
        scores=tuple(Score(k, names[k], v, unit.get(k, "")) for k, v in own.items()),
        baselines=tuple(baselines),
        labels=predictions.labels,
        confusion=confusion(predictions) if predictions.labels else None,
        clips=predictions.y.size,
        speakers=found.speakers,
        anonymous=found.anonymous,
    )


def confusion(predictions: Predictions) -> np.ndarray:
    """Clips by true label (row) and answer (column), int64 (k, k)."""
    k = len(predictions.labels)
    cells = _codes(predictions) * k + predictions.prob.argmax(axis=1)
    return np.bincount(cells, minlength=k * k).reshape(k, k)


def cell(predictions: Predictions, true: str, said: str) -> Cell:
    """The clips labelled ``true`` of which the model said ``said``, most confident first.

    Raises
    ------
    ParameterError
        The model does not know one of the labels.
    """
    for name in (true, said):
        if name not in predictions.labels:
            raise ParameterError(
                f"The model knows no {clean(name, 40)!r}: choose one of "
                f"{', '.join(clean(n, 40) for n in predictions.labels[:20])}."
            )
    rows = np.flatnonzero((predictions.y == true) & (predictions.answers == said))
    confidence = predictions.prob[rows].max(axis=1, initial=0.0).astype(np.float64)
    order = np.argsort(-confidence, kind="stable")
    return Cell(predictions.clip_ids[rows[order]], confidence[order])


def calibration(predictions: Predictions, *, bins: int = BINS, seed: int = 0) -> Calibration:
    """Confidence against how often it is right, in bins of equal count.

    Raises
    ------
    ParameterError
        There are no answers, or the model answers with a number.
    """
    _check(predictions, classes=True)
    confidence = predictions.prob.max(axis=1).astype(np.float64)
    n = confidence.size
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(confidence, kind="stable")] = np.arange(n)
    at = rank * min(bins, n) // n
    inside = (at[:, None] == np.arange(at.max() + 1)).astype(np.float64)
    right = groups.per_clip(predictions)[:, None] * inside
    found = groups.clusters(predictions.speakers, n)
    share, low, high = _shares(right, inside, found, seed)
    mean = (inside * confidence[:, None]).sum(axis=0) / inside.sum(axis=0)
    clips = inside.sum(axis=0).astype(np.int64)
    ece = float((clips * np.abs(share - mean)).sum() / n)
    return Calibration(mean, share, low, high, clips, ece)


def coverage(
    predictions: Predictions, *, thresholds: np.ndarray | None = None, seed: int = 0
) -> Coverage:
    """What part is answered, and how right the answers are, when unsure ones are withheld.

    Parameters
    ----------
    predictions : Predictions
        Answers of a classifier.
    thresholds : np.ndarray, optional
        Least probability of an answer; by default 1/k to 1 in steps of 0.01.
    seed : int
        Seed of the draws.

    Raises
    ------
    ParameterError
        There are no answers, or the model answers with a number.
    """
    _check(predictions, classes=True)
    if thresholds is None:
        first = np.ceil(100 / len(predictions.labels)) / 100
        thresholds = np.round(np.arange(first, 1.0001, 0.01), 2)
    confidence = predictions.prob.max(axis=1).astype(np.float64)
    inside = (confidence[:, None] >= thresholds - 1e-9).astype(np.float64)
    right = groups.per_clip(predictions)[:, None] * inside
    found = groups.clusters(predictions.speakers, confidence.size)
    share, low, high = _shares(right, inside, found, seed)
    return Coverage(np.asarray(thresholds), inside.mean(axis=0), share, low, high)


def balanced_accuracy(y_true: np.ndarray, answers: np.ndarray) -> float:
    """Mean recall of the labels that occur in ``y_true``, without an interval."""
    _, codes = np.unique(np.asarray(y_true).astype(str), return_inverse=True)
    hits = np.bincount(codes, weights=y_true == answers)
    return float(np.mean(hits / np.bincount(codes)))


def _shares(
    right: np.ndarray, inside: np.ndarray, found: Clusters, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares right in each column, with intervals by cluster."""
    k = inside.shape[1]
    both = np.column_stack([right, inside])
    value, redrawn = groups.bootstrap(
        both, found, lambda s: groups.ratio(s[:, :k], s[:, k:]), seed=seed
    )
    holding = (groups.sums(inside, found) > 0).sum(axis=0)
    ends = [groups.interval(value[j], redrawn[:, j], share_of=int(holding[j])) for j in range(k)]
    return value, np.array([e.low for e in ends]), np.array([e.high for e in ends])


def _check(predictions: Predictions, *, classes: bool = False) -> None:
    if not predictions.y.size:
        raise ParameterError("There are no answers to judge: train on more clips or speakers.")
    if classes and not predictions.labels:
        raise ParameterError("A model that answers with a number has no probabilities to draw.")


def _codes(predictions: Predictions) -> np.ndarray:
    place = {name: i for i, name in enumerate(predictions.labels)}
    try:
        return np.array([place[v] for v in predictions.y], dtype=np.int64)
    except KeyError as err:
        raise ParameterError(
            f"{clean(err.args[0], 40)!r} is not among the labels that the model knows: judge it "
            "on clips with its own labels."
        ) from err


def _classes(predictions: Predictions, found: Clusters, seed: int) -> dict[str, Interval]:
    codes, k = _codes(predictions), len(predictions.labels)
    scores = _from_answers(codes, predictions.prob.argmax(axis=1), k, found, seed)
    if k == 2 and np.unique(codes).size == 2:
        positive = codes == 1
        scores["auc"] = _auc(positive, predictions.prob[:, 1], found, seed)
    return scores


def _from_answers(
    codes: np.ndarray, said: np.ndarray, k: int, found: Clusters, seed: int
) -> dict[str, Interval]:
    """Scores that are functions of hits, true and said counts per label."""
    from scipy.sparse import csr_matrix, hstack

    n = codes.size
    ones, rows = np.ones(n), np.arange(n)
    hit = csr_matrix(((codes == said).astype(float), (rows, codes)), (n, k))
    true, answered = (csr_matrix((ones, (rows, c)), (n, k)) for c in (codes, said))
    gather = csr_matrix((ones, (found.codes, rows)), (found.count, n))
    total = (gather @ hstack([hit, true, answered])).T.tocsr()

    def statistic(added: np.ndarray) -> np.ndarray:
        hits, of, given = np.split(added, 3, axis=1)
        recall = groups.ratio(hits, of)
        f1 = np.where(of > 0, 2 * hits / np.maximum(of + given, 1), np.nan)
        there = np.maximum(1, (of > 0).sum(axis=1))
        accuracy = hits.sum(axis=1) / np.maximum(1, of.sum(axis=1))
        return np.stack([np.nansum(recall, 1) / there, accuracy, np.nansum(f1, 1) / there], axis=1)

    whole = statistic(np.asarray(total.sum(axis=1)).T)[0]
    redrawn = np.concatenate(
        [statistic((total @ times.T).T) for times in groups.draws(found.count, seed=seed)]
    )
    fewest = min(np.unique(found.codes[codes == c]).size for c in np.unique(codes))
    of = {"balanced_accuracy": fewest, "accuracy": found.count, "macro_f1": fewest}
    return {
        name: groups.interval(whole[i], redrawn[:, i], share_of=of[name])
        for i, name in enumerate(of)
    }


def _auc(positive: np.ndarray, score: np.ndarray, found: Clusters, seed: int) -> Interval:
    """Area under the ROC curve, ties counting half; each draw weighs the same sorted clips."""
    up = np.flatnonzero(positive)
    down = np.flatnonzero(~positive)
    down = down[np.argsort(score[down], kind="stable")]
    below = np.searchsorted(score[down], score[up], side="left")
    upto = np.searchsorted(score[down], score[up], side="right")

    def area(times: np.ndarray) -> np.ndarray:
        ups = times[:, found.codes[up]]
        downs = np.zeros((len(times), down.size + 1))
        np.cumsum(times[:, found.codes[down]], axis=1, out=downs[:, 1:])
        won = (ups * (downs[:, below] + downs[:, upto])).sum(axis=1, dtype=np.float64) / 2
        return groups.ratio(won, ups.sum(axis=1, dtype=np.float64) * downs[:, -1])

    whole = area(np.ones((1, found.count), dtype=np.float32))[0]
    redrawn = [area(times) for times in groups.draws(found.count, seed=seed)]
    fewest = min(np.unique(found.codes[rows]).size for rows in (up, down))
    return groups.interval(whole, np.concatenate(redrawn), share_of=fewest)


def _years(predictions: Predictions, found: Clusters, seed: int) -> dict[str, Interval]:
    return _from_errors(predictions.y.astype(np.float64), predictions.answers, found, seed)


def _from_errors(
    y_true: np.ndarray, answers: np.ndarray, found: Clusters, seed: int
) -> dict[str, Interval]:
    """Mean and median absolute error, and R² about the mean of the clips drawn."""
    from threadpoolctl import threadpool_limits

    error = np.abs(answers - y_true)
    centred = y_true - y_true.mean()
    order = np.argsort(error, kind="stable")
    codes = found.codes[order]
    per_clip = np.column_stack([error, error**2, centred, centred**2, np.ones(error.size)])
    total = groups.sums(per_clip, found)

    def statistic(times: np.ndarray) -> np.ndarray:
        off, off2, own, own2, n = (times @ total).T
        upto = np.cumsum(times[:, codes], axis=1, dtype=np.float64)
        at = (upto >= upto[:, -1:] / 2).argmax(axis=1)
        r2 = 1 - groups.ratio(off2, own2 - own**2 / n)
        return np.stack([off / n, error[order[at]], r2], axis=1)

    whole = statistic(np.ones((1, found.count)))[0]
    with threadpool_limits(1):  # small products: threads would only wait for one another
        redrawn = np.concatenate([statistic(t) for t in groups.draws(found.count, seed=seed)])
    return {name: groups.interval(whole[i], redrawn[:, i]) for i, name in enumerate(YEAR_SCORES)}


def _easy(predictions: Predictions, found: Clusters, seed: int) -> list[Baseline]:
    """Baselines that follow from the labels alone."""
    if not predictions.labels:
        y_true = predictions.y.astype(np.float64)
        scores = _from_errors(y_true, np.full(y_true.size, np.median(y_true)), found, seed)
        return [Baseline("median", "Always the median", scores)]
    codes, k = _codes(predictions), len(predictions.labels)
    p = np.bincount(codes, minlength=k) / codes.size
    majority = _from_answers(codes, np.full(codes.size, p.argmax()), k, found, seed)
    known = 1 / int(np.count_nonzero(p))
    chance = {"balanced_accuracy": known, "accuracy": float((p**2).sum()), "macro_f1": known}
    if np.count_nonzero(p) == k == 2:
        chance["auc"] = 0.5
        majority["auc"] = Interval(0.5, 0.5, 0.5)
    majority["balanced_accuracy"] = Interval(known, known, known)
    exact = {name: Interval(v, v, v) for name, v in chance.items()}
    return [
        Baseline("majority", "Always the most frequent", majority),
        Baseline("chance", "Chance", exact),
    ]

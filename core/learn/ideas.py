"""The numbers of the tour's steps: one function a step that needs more than a picture."""

from typing import NamedTuple

import numpy as np

from core.learn.demo_set import DemoSet

F0_RANGES = {
    "65 to 500 Hz": (65.0, 500.0),
    "30 to 1,500 Hz": (30.0, 1500.0),
    "16 to 7,900 Hz": (16.0, 7900.0),
}
AGES = ("teens", "twenties", "thirties", "fourties", "fifties", "sixties", "seventies", "eighties")
FOLDS = 5


class Balance(NamedTuple):
    """Groups of a label and how many there are of each; ``share`` of the largest, 0 to 1."""

    groups: tuple[str, ...]
    counts: np.ndarray
    share: float


class Cut(NamedTuple):
    """Values, their z-scores, and which of them a limit keeps; all (n,), none missing."""

    values: np.ndarray
    z: np.ndarray
    kept: np.ndarray
    low: float
    high: float


class Pair(NamedTuple):
    """Two columns without missing values, (n,) each, and Pearson's r; NaN where one is constant."""

    x: np.ndarray
    y: np.ndarray
    r: float


class Leak(NamedTuple):
    """Balanced accuracy of one target for both ways of splitting, and what guessing gives."""

    target: str
    by_clip: float
    by_speaker: float
    chance: float


def loudest(y: np.ndarray, *, sr: int, length_s: float) -> float:
    """Start in s of the loudest stretch of ``length_s``; 0 where the signal is shorter."""
    size = round(length_s * sr)
    if y.size <= size:
        return 0.0
    power = np.concatenate([[0.0], np.cumsum(np.square(y, dtype=np.float64))])
    return int(np.argmax(power[size:] - power[:-size])) / sr


def voiced_moment(y: np.ndarray, *, sr: int) -> float:
    """A moment in s that is surely voiced: where the tracker is surest; the loudest without one."""
    from core.pitch import f0_track

    track = f0_track(y, sr=sr)
    if not track.voiced_flag.any():
        return loudest(y, sr=sr, length_s=0.05)
    sure = np.where(track.voiced_flag, track.voiced_prob, 0)
    return float(track.times[np.argmax(np.convolve(sure, np.ones(9) / 9, "same"))])


def f0_in(y: np.ndarray, *, sr: int, fmin: float, fmax: float):
    """The article's f0 track (pYIN, frames of 1024 samples) within these limits."""
    from core.pitch import pyin

    return pyin(y, sr=sr, fmin=fmin, fmax=fmax, frame_length=1024)


def balance(found: DemoSet, label: str, *, by_speaker: bool) -> Balance:
    """How many clips, or speakers, carry each value of ``label`` ("gender" or "age")."""
    values = getattr(found, label)
    if by_speaker:
        _, first = np.unique(found.speaker, return_index=True)
        values = values[first]
    names = [v if v else "no label" for v in values]
    order = {name: i for i, name in enumerate((*AGES, "female", "male"))}
    groups = sorted(set(names), key=lambda n: (order.get(n, 99), n))
    counts = np.array([names.count(g) for g in groups])
    known = np.array([c for g, c in zip(groups, counts, strict=True) if g != "no label"])
    return Balance(tuple(groups), counts, float(known.max() / known.sum()))


def z_cut(values: np.ndarray, *, limit: float) -> Cut:
    """What a limit on |z| keeps; z is taken over all values that are there."""
    there = values[np.isfinite(values)]
    mean, sd = float(there.mean()), float(there.std())
    z = (there - mean) / sd if sd > 0 else np.zeros_like(there)
    return Cut(there, z, np.abs(z) <= limit, mean - limit * sd, mean + limit * sd)


def pair(found: DemoSet, one: str, other: str) -> Pair:
    """Two features, or a feature and ``"gender"`` (male 0, female 1), over labelled clips."""
    x, y = (_column(found, name) for name in (one, other))
    there = np.isfinite(x) & np.isfinite(y) & (found.gender != "")
    x, y = x[there], y[there]
    constant = x.std() == 0 or y.std() == 0
    return Pair(x, y, float("nan") if constant else float(np.corrcoef(x, y)[0, 1]))


def mean_mels(found: DemoSet, *, by_speaker: bool) -> dict[str, np.ndarray]:
    """Mean level of the 128 mel bands of women and of men, dB, each (128,)."""
    return {g: _mean(found, found.gender == g, by_speaker) for g in ("female", "male")}


def leaks(found: DemoSet) -> tuple[Leak, ...]:
    """Gender, age and a random label per speaker, learned from mel strengths, split both ways.

    An RBF SVC on scaled inputs, five folds; balanced accuracy; speakers with both labels only.
    """
    there = (found.gender != "") & (found.age != "")
    X, groups = found.mel_strength[there], found.speaker[there]
    names, at = np.unique(groups, return_inverse=True)
    coin = np.random.default_rng(4).permutation(np.arange(names.size) % 2)[at]
    targets = {
        "Gender": found.gender[there],
        "Age group": found.age[there],
        "A coin tossed per speaker": coin.astype(str),
    }
    return tuple(_leak(name, X, y, groups) for name, y in targets.items())


def _leak(name: str, X: np.ndarray, y_true: np.ndarray, groups: np.ndarray) -> Leak:
    from sklearn.model_selection import GroupKFold, StratifiedKFold

    by_clip = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(X, y_true)
    by_speaker = GroupKFold(FOLDS, shuffle=True, random_state=0).split(X, y_true, groups)
    scores = [_score(X, y_true, folds) for folds in (by_clip, by_speaker)]
    return Leak(name, *scores, 1 / np.unique(y_true).size)


def _score(X: np.ndarray, y_true: np.ndarray, folds) -> float:
    from sklearn.metrics import recall_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    said = np.empty_like(y_true)
    for train, test in folds:
        model = make_pipeline(StandardScaler(), SVC(C=10.0, class_weight="balanced"))
        said[test] = model.fit(X[train], y_true[train]).predict(X[test])
    return float(recall_score(y_true, said, average="macro"))


def _column(found: DemoSet, name: str) -> np.ndarray:
    if name == "gender":
        return np.where(found.gender == "female", 1.0, 0.0)
    return np.asarray(found.values[name], dtype=np.float64)


def _mean(found: DemoSet, rows: np.ndarray, by_speaker: bool) -> np.ndarray:
    if not by_speaker:
        return found.mel_strength[rows].mean(axis=0)
    speakers = np.unique(found.speaker[rows])
    means = [found.mel_strength[rows & (found.speaker == s)].mean(axis=0) for s in speakers]
    return np.mean(means, axis=0)

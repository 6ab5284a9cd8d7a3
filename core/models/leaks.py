"""What a split lets through: random labels per speaker, and signs that voices repeat.

Leak lab: every speaker is given one of two labels by a coin, so nothing about a voice can tell
them. A split that keeps speakers apart is right half of the time; a split by clip has heard every
voice in training and is right as often as it knows them again. What it scores above one half is
what it can add to any label that does not change within a speaker.

Without speaker ids: if a clip's nearest neighbour is often the same voice, it shares the label more
often than clips that merely sound alike do. Those agree as often as neighbours farther away (ranks
``FAR``), or as often as a linear model expects of the two neighbours; the larger is taken. If a
share s of clips lies beside its own voice, which always agrees, near = s + (1 - s) × expected, so
s = (near - expected) / (1 - expected), and at least that: farther neighbours may be the same voice
too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.errors import ParameterError
from core.extract import Progress
from core.models import baselines, judge
from core.models.base import Predictions, Table, TrainParams
from core.models.groups import Z95, Interval, clusters, percent

MOST = 5000  # clips looked at
REPEATS = 5
SPLITS = ("clip", "speaker")
FEWEST_SPEAKERS = 6
FEWEST_CLIPS = 60
FAR = (20, 50)  # ranks of neighbours that are alike and hardly the same voice
RANKS = (1, 2, 3, 5, 10, 20, 50)
SUSPICIOUS = 0.02  # share of clips beside their own voice above which a warning is due


@dataclass(frozen=True)
class LeakLab:
    """Balanced accuracy (repeats,) on random labels, by split; ``chance`` is one half.

    ``clips`` and ``speakers`` are how many took part; ``model`` is the family that was asked.
    """

    clip: np.ndarray
    speaker: np.ndarray
    chance: float
    clips: int
    speakers: int
    model: str

    @property
    def sentence(self) -> str:
        """What the two bars say."""
        inflated, honest = float(self.clip.mean()), float(self.speaker.mean())
        head = (
            f"With a random label for each of {self.speakers:,} speakers, the split by clip claims "
            f"{percent(inflated)} and the split by speaker {percent(honest)}; the truth is "
            f"{percent(self.chance)}."
        )
        if inflated - self.chance < 0.05:
            return f"{head} Here the split by clip lets little through."
        return f"{head} What the split by clip claims is voices it knows again."


@dataclass(frozen=True)
class Repeats:
    """How often the nearest other clip has the same label, and what would be expected.

    ``near`` is that share, ``expected`` what it would be if all voices differed, ``share`` the
    part of clips that seems to lie beside its own voice. ``agreement`` (r,) is the share at each
    of ``ranks``; ``same_speaker`` is the truth where speakers are known, else None.
    """

    target: str
    near: Interval
    expected: float
    share: Interval
    ranks: np.ndarray
    agreement: np.ndarray
    same_speaker: float | None
    clips: int

    @property
    def warns(self) -> bool:
        """Whether voices seem to repeat."""
        return self.share.low > SUSPICIOUS

    @property
    def sentence(self) -> str:
        """What was found, and what cannot be known."""
        head = (
            f"The most similar other clip has the same {self.target} in "
            f"{percent(self.near.value)} of cases; clips that are merely alike would agree "
            f"in {percent(self.expected)}."
        )
        if not self.warns:
            return (
                f"{head} That is no sign that voices repeat, and no proof that they do not: a "
                "voice recorded twice in different ways would not show."
            )
        return (
            f"{head} About {percent(self.share.value)} of clips seem to lie beside another clip of "
            "the same voice, so a split by clip tests on voices it has heard. Whether it is one "
            "voice, or one room, text or microphone, cannot be known without speaker ids."
        )


def leak_lab(
    table: Table,
    params: TrainParams,
    *,
    repeats: int = REPEATS,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> LeakLab:
    """What each split claims when every speaker has a random label.

    Parameters
    ----------
    table : Table
        Clips with known speakers; its targets are not looked at. At most 5,000 clips take part,
        whole speakers drawn at random.
    params : TrainParams
        The model, with its defaults, and the number of folds.
    repeats : int
        How often labels are drawn.
    seed : int
        Of labels and folds.
    progress, cancelled : callable, optional
        Told how many fits are done; asked before each whether to end.

    Raises
    ------
    ParameterError
        Fewer than six speakers are known, or none has two clips.
    Cancelled
        ``cancelled`` said so.
    """
    rows, speakers = _with_speakers(table, seed)
    X, names = table.X[rows], np.unique(speakers)
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {split: [] for split in SPLITS}
    teller = baselines.Teller(repeats * len(SPLITS) * params.n_splits, progress, cancelled)
    for repeat in range(repeats):
        given = _coins(rng, names.size)
        y = given[np.searchsorted(names, speakers)].astype(object)
        for split in SPLITS:
            settings = _settings(params, split, seed + repeat)
            # Folds do not look at the labels: balancing them would tell the model what is left.
            fold = baselines.folds(np.zeros(y.size), speakers, settings)
            prob = np.zeros((y.size, 2), dtype=np.float32)
            asked = Predictions(table.clip_ids[rows], y, prob, ("a", "b"), speakers, fold)
            made = baselines.answered(
                X,
                asked,
                lambda s=settings: baselines.estimator(s, classes=True),
                teller=teller,
            )
            found[split].append(judge.balanced_accuracy(y, made.answers))
    return LeakLab(
        np.array(found["clip"]),
        np.array(found["speaker"]),
        0.5,
        rows.size,
        names.size,
        params.model,
    )


def voices_repeat(table: Table, *, target: str = "label", seed: int = 0) -> Repeats:
    """Whether clips seem to have neighbours of the same voice, from their labels alone.

    Parameters
    ----------
    table : Table
        Clips with labels, or years, which are taken in fifths; speakers are not needed. At most
        5,000 clips are looked at.
    target : str
        What the labels are called in sentences.
    seed : int
        Of the sample and of the folds of the linear model.

    Raises
    ------
    ParameterError
        There are fewer than 60 clips, or one label only.
    """
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(table.y.size)[:MOST])
    labels, codes = np.unique(_words(table.y)[rows], return_inverse=True)
    if rows.size < FEWEST_CLIPS or labels.size < 2:
        raise ParameterError(
            f"A test for voices that repeat needs {FEWEST_CLIPS} clips and two labels: choose more "
            "clips or another label."
        )
    z = _standardised(table.X[rows])
    far = (min(FAR[0], rows.size // 6), min(FAR[1], rows.size // 3))
    search = NearestNeighbors(n_neighbors=far[1], algorithm="brute").fit(z)
    near_to = search.kneighbors(return_distance=False)
    agree = codes[near_to] == codes[:, None]
    prob = _linear_expectation(z, codes, labels.size, seed)
    linear = float((prob * prob[near_to[:, 0]]).sum(axis=1).mean())
    distant = agree[:, far[0] - 1 :].mean(axis=1)
    expected = max(linear, float(distant.mean()))
    near = agree[:, 0].astype(np.float64)
    # Two clips that are nearest to each other are one observation.
    half = Z95 * np.sqrt(2 * np.var(near - distant) / rows.size)
    value, room = float(near.mean()), max(1e-9, 1 - expected)
    share = [
        float(np.clip((v - expected) / room, 0, 1)) for v in (value, value - half, value + half)
    ]
    ranks = np.array([r for r in RANKS if r <= far[1]])
    return Repeats(
        target=target,
        near=Interval(value, float(max(0, value - half)), float(min(1, value + half))),
        expected=expected,
        share=Interval(*share),
        ranks=ranks,
        agreement=agree[:, ranks - 1].mean(axis=0),
        same_speaker=_same_speaker(table, rows, near_to[:, 0]),
        clips=rows.size,
    )


def _with_speakers(table: Table, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of speakers drawn at random up to ``MOST`` clips, and who speaks in each."""
    found = clusters(table.speakers, table.y.size)
    if (found.speakers or 0) < FEWEST_SPEAKERS:
        raise ParameterError(
            f"The leak lab needs {FEWEST_SPEAKERS} known speakers: choose more, or look whether "
            "voices repeat, which needs no speaker ids."
        )
    sizes = np.bincount(found.codes)[: found.speakers]
    order = np.random.default_rng(seed).permutation(found.speakers)
    kept = order[: max(FEWEST_SPEAKERS, int((np.cumsum(sizes[order]) <= MOST).sum()))]
    if sizes[kept].max() < 2:
        raise ParameterError("Every speaker has one clip: a split by clip lets nothing through.")
    rows = np.flatnonzero(np.isin(found.codes, kept))
    return rows, table.speakers[rows].astype(str)


def _coins(rng: np.random.Generator, n: int) -> np.ndarray:
    """A label for each of ``n`` speakers, drawn again where one has fewer than two speakers."""
    while True:
        heads = rng.random(n) < 0.5
        if 2 <= heads.sum() <= n - 2:
            return np.where(heads, "a", "b")


def _settings(params: TrainParams, split: str, seed: int) -> TrainParams:
    from dataclasses import replace

    return replace(params, target="random", split=split, seed=seed, search=False)


def _words(y: np.ndarray) -> np.ndarray:
    if y.dtype == object:
        return y.astype(str)
    return np.digitize(y, np.quantile(y, [0.2, 0.4, 0.6, 0.8])).astype(str)


def _standardised(X: np.ndarray) -> np.ndarray:
    """Columns in standard deviations, cut at 5, 0 where not measured; float32."""
    X = np.where(np.isfinite(X), X, np.nan).astype(np.float64)
    X = X[:, np.isfinite(X).any(axis=0)]
    away = X - np.nanmean(X, axis=0)
    spread = np.nanstd(X, axis=0)
    z = away / np.where(spread > 0, spread, 1)
    return np.clip(np.nan_to_num(z), -5, 5).astype(np.float32)


def _linear_expectation(z: np.ndarray, codes: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Out-of-fold probabilities (n, k) of a logistic regression over a split by clip."""
    from sklearn.linear_model import LogisticRegression

    params = TrainParams("label", split="clip", seed=seed)
    names = tuple(str(c) for c in range(k))
    y = np.array(names, dtype=object)[codes]
    fold = baselines.folds(np.zeros(y.size), None, params)
    blank = np.zeros((codes.size, k), dtype=np.float32)
    asked = Predictions(np.arange(codes.size), y, blank, names, None, fold)
    return baselines.answered(
        z, asked, lambda: LogisticRegression(C=1.0, max_iter=500, tol=1e-3)
    ).prob


def _same_speaker(table: Table, rows: np.ndarray, nearest: np.ndarray) -> float | None:
    if clusters(table.speakers, table.y.size).speakers is None:
        return None
    names = np.array([s or "" for s in table.speakers[rows]], dtype=object)
    known = (names != "") & (names[nearest] != "")
    return float((names == names[nearest])[known].mean()) if known.any() else None

"""Two models on the same clips: how far apart, how sure, and where they differ.

Conventions: differences are first minus second, in balanced accuracy (positive: the first is
better) or, for regressions, in mean absolute error (negative: the first is better). The interval
redraws speakers; the test swaps the two models' answers speaker by speaker [#]_, since clips of
one speaker are not independent.

.. [#] E. W. Noreen, "Computer-Intensive Methods for Testing Hypotheses", 1989.
"""

from dataclasses import dataclass

import numpy as np

from core.errors import ParameterError
from core.models import groups
from core.models.base import Predictions
from core.models.groups import Interval

SWAPS = 9999
FEWEST = 10  # shared clips


@dataclass(frozen=True)
class Comparison:
    """Two models side by side.

    ``metric`` is "balanced_accuracy" or "mae"; ``p`` is of the paired permutation test, two-sided.
    ``both``, ``only_first``, ``only_second`` and ``neither`` count clips answered right (for a
    regression, "only" counts who is nearer, and the other two are 0); ``only_first_ids`` and
    ``only_second_ids`` are the clips on which they part.
    """

    metric: str
    first: Interval
    second: Interval
    difference: Interval
    p: float
    both: int
    only_first: int
    only_second: int
    neither: int
    only_first_ids: np.ndarray
    only_second_ids: np.ndarray
    clips: int
    speakers: int | None

    @property
    def sentence(self) -> str:
        """Which is better, if either is."""
        years = self.metric == "mae"
        d = self.difference
        far = (
            f"{abs(d.value):.2f} years ({d.low:+.2f} to {d.high:+.2f})"
            if years
            else f"{100 * abs(d.value):.1f} points ({100 * d.low:+.1f} to {100 * d.high:+.1f})"
        )
        whom = f"{self.speakers:,} speakers" if self.speakers else f"{self.clips:,} clips"
        if self.p >= 0.05:
            return f"{far} apart on {whom}: that may well be chance (p = {self.p:.2g})."
        name = "first" if (d.value > 0) != years else "second"
        return f"The {name} model is better by {far} on {whom} (p = {self.p:.2g})."


def compare(first: Predictions, second: Predictions, *, seed: int = 0) -> Comparison:
    """Compare the answers of two models on the clips that both answered.

    Parameters
    ----------
    first, second : Predictions
        Of the same target, on clips that neither had learnt from.
    seed : int
        Of draws and swaps.

    Raises
    ------
    ParameterError
        They share fewer than ten clips, or one answers with labels and the other with years, or
        they disagree on what is true.
    """
    if bool(first.labels) != bool(second.labels):
        raise ParameterError("One model answers with labels and the other with years: no match.")
    _, a, b = np.intersect1d(
        first.clip_ids.astype(str), second.clip_ids.astype(str), return_indices=True
    )
    if a.size < FEWEST:
        raise ParameterError(
            f"These models answered {a.size} clips in common; {FEWEST} are needed. Judge both on "
            "the same clips."
        )
    y = first.y[a]
    if not (y == second.y[b]).all():
        raise ParameterError("These models learnt different labels for the same clips.")
    quality = [groups.per_clip(p)[rows] for p, rows in ((first, a), (second, b))]
    speakers = first.speakers if first.speakers is not None else second.speakers
    rows = a if first.speakers is not None else b
    found = groups.clusters(None if speakers is None else speakers[rows], a.size)
    codes = np.zeros(a.size, dtype=np.int64)
    if first.labels:
        _, codes = np.unique(y.astype(str), return_inverse=True)
    scores = _means(quality, codes, found, seed)
    better = quality[0] - quality[1] if first.labels else quality[1] - quality[0]
    right = quality if first.labels else [np.zeros(a.size)] * 2
    tied = better == 0
    ids = first.clip_ids[a]
    return Comparison(
        "balanced_accuracy" if first.labels else "mae",
        *scores,
        p=_swapped(quality[0] - quality[1], codes, found, seed),
        both=int((tied & (right[0] == 1)).sum()),
        only_first=int((better > 0).sum()),
        only_second=int((better < 0).sum()),
        neither=int((tied & (right[0] == 0)).sum()) if first.labels else 0,
        only_first_ids=ids[better > 0],
        only_second_ids=ids[better < 0],
        clips=a.size,
        speakers=found.speakers,
    )


def _means(
    quality: list[np.ndarray], codes: np.ndarray, found: groups.Clusters, seed: int
) -> tuple[Interval, Interval, Interval]:
    """Means over labels of mean quality, of each model and of their difference."""
    k = codes.max() + 1
    inside = (codes[:, None] == np.arange(k)).astype(np.float64)
    per_clip = np.concatenate(
        [quality[0][:, None] * inside, quality[1][:, None] * inside, inside], 1
    )

    def statistic(added: np.ndarray) -> np.ndarray:
        one, two, n = np.split(added, 3, axis=1)
        there = np.maximum(1, (n > 0).sum(axis=1))
        means = [np.nansum(groups.ratio(q, n), axis=1) / there for q in (one, two)]
        return np.stack([*means, means[0] - means[1]], axis=1)

    whole, redrawn = groups.bootstrap(per_clip, found, statistic, seed=seed)
    made = [groups.interval(whole[i], redrawn[:, i]) for i in range(3)]
    return made[0], made[1], made[2]


def _swapped(gap: np.ndarray, codes: np.ndarray, found: groups.Clusters, seed: int) -> float:
    """Two-sided p: how often swapping whole speakers makes a difference as large as the real one.

    Balanced accuracy is a sum over speakers of what each adds to the difference, so a swap is a
    change of sign.
    """
    weight = 1 / np.bincount(codes)[codes] / (codes.max() + 1)
    added = groups.sums((gap * weight)[:, None], found)[:, 0]
    added = added[added != 0]
    if not added.size:
        return 1.0
    rng = np.random.default_rng(seed)
    real, larger = abs(added.sum()) - 1e-12, 0
    for start in range(0, SWAPS, 1000):
        n = min(1000, SWAPS - start)
        signs = rng.integers(0, 2, (n, added.size), dtype=np.int8) * np.int8(2) - np.int8(1)
        larger += int((abs(signs @ added) >= real).sum())
    return (1 + larger) / (1 + SWAPS)

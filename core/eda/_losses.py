"""What a rule takes from every group, with intervals that know of speakers; see ``outliers``."""

from dataclasses import dataclass
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.datasets.labels import DECADES

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "not known"


@dataclass(frozen=True)
class Loss:
    """What a rule takes from one group; ``label`` is "" for everybody.

    Seconds are NaN and speakers None where they are not known; ``rate`` is between ``low`` and
    ``high`` (Wilson, 95 %); ``p`` is the chance of so large a difference from the rest, if there is
    none.
    """

    label: str
    value: str
    clips: int
    clips_lost: int
    seconds: float
    seconds_lost: float
    speakers: int | None
    speakers_lost: int | None
    rate: float
    low: float
    high: float
    p: float


def wilson(lost: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Interval of a share, 0 to 1 (E. B. Wilson, JASA 1927); NaN where n is 0."""
    if n <= 0:
        return math.nan, math.nan
    p, zz = lost / n, z * z
    centre = (p + zz / (2 * n)) / (1 + zz / n)
    half = z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


class _Counts(NamedTuple):
    """Of every pair of speaker and group: its group, speaker, clips given, clips lost."""

    group: np.ndarray
    who: np.ndarray
    n: np.ndarray
    lost: np.ndarray


def losses(cells: "pd.DataFrame", labels: list[str], at: int | None) -> tuple[Loss, ...]:
    """The losses at one rule (1, 2, …), or at all of them."""
    given = cells if at is None else cells[(cells["lost"] == 0) | (cells["lost"] >= at)]
    gone = (given["lost"] > 0 if at is None else given["lost"] == at).to_numpy()
    found = list(_by_group(given, gone, "", np.zeros(len(given), dtype=int), [""]))
    for i, label in enumerate(labels):
        values = given[f"l{i}"].fillna(UNKNOWN)
        names = sorted(values.unique(), key=lambda v: (v == UNKNOWN, DECADES.get(v, 0), v))
        code = values.map({v: k for k, v in enumerate(names)}).to_numpy(dtype=int)
        found += _by_group(given, gone, label, code, names)
    return tuple(found)


def _by_group(
    given: "pd.DataFrame", gone: np.ndarray, label: str, code: np.ndarray, names: list[str]
) -> list[Loss]:
    n, seconds = given["n"].to_numpy(float), given["seconds"].to_numpy(float)
    pairs = np.stack([code.astype(np.uint64), given["who"].to_numpy(np.uint64)], axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    inverse, size = inverse.ravel(), len(unique)
    counts = _Counts(
        unique[:, 0].astype(int),
        unique[:, 1],
        np.bincount(inverse, n, size),
        np.bincount(inverse, n * gone, size),
    )
    k = max(1, len(names))
    total, lost = np.bincount(counts.group, counts.n, k), np.bincount(counts.group, counts.lost, k)
    deff = design_effect(counts.group, counts.who, counts.n, counts.lost)
    known = counts.who != 0
    people = np.bincount(counts.group[known], minlength=k)
    stayed = np.bincount(counts.group[known & (counts.lost < counts.n)], minlength=k)
    p = _p_values(total / deff, lost / deff, people if known.any() else None)
    all_s, lost_s = np.bincount(code, seconds, k), np.bincount(code, seconds * gone, k)
    losses = []
    for g, name in enumerate(names):
        low, high = wilson(lost[g] / deff, total[g] / deff)
        losses.append(
            Loss(
                label=label,
                value=str(name),
                clips=round(total[g]),
                clips_lost=round(lost[g]),
                seconds=float(all_s[g]),
                seconds_lost=float(lost_s[g]),
                speakers=int(people[g]) if known.any() else None,
                speakers_lost=int(people[g] - stayed[g]) if known.any() else None,
                rate=float(lost[g] / total[g]) if total[g] else math.nan,
                low=low,
                high=high,
                p=float(p[g]),
            )
        )
    return losses


def design_effect(group: np.ndarray, who: np.ndarray, n: np.ndarray, lost: np.ndarray) -> float:
    """How much losses scatter between the speakers of a group, beyond chance; at least 1.

    Arrays (pairs,): of each speaker in each group, the group (0, 1, …), the speaker (0: not known,
    whose clips count as independent), clips and lost clips.
    """
    if not n.size:
        return 1.0
    total, gone = np.bincount(group, n), np.bincount(group, lost)
    share = np.divide(gone, total, out=np.zeros_like(total), where=total > 0)
    chance = share * (1 - share)
    known = who != 0
    groups = len(np.unique(group[known]))
    free = known.sum() - groups
    expected = float((n * chance[group])[known].sum())
    if free < 1 or expected <= 0:
        return 1.0
    scatter = float(((lost - share[group] * n)[known] ** 2).sum()) * known.sum() / free
    return max(1.0, scatter / expected)


def _p_values(total: np.ndarray, lost: np.ndarray, people: np.ndarray | None) -> np.ndarray:
    """Fisher's test of every group against the rest, Holm-corrected; NaN where it cannot be."""
    from scipy.stats import fisher_exact

    p = np.full(total.size, np.nan)
    for g in range(total.size if total.size > 1 else 0):
        if people is not None and min(people[g], people.sum() - people[g]) < 2:
            continue
        pairs = [(lost[g], total[g]), (lost.sum() - lost[g], total.sum() - total[g])]
        cells = [[round(a), round(b) - round(a)] for a, b in pairs]
        if min(sum(row) for row in cells) > 0:
            p[g] = fisher_exact(cells).pvalue
    return _holm(p)


def _holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction; NaN stays NaN."""
    there = np.flatnonzero(np.isfinite(p))
    order = there[np.argsort(p[there])]
    steps = np.arange(order.size, 0, -1)
    out = p.copy()
    out[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * steps))
    return out

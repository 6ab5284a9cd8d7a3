"""Who is kept apart: folds and a held-out part, by speaker or by clip.

Conventions: a split by speaker never has a speaker on both sides; a clip whose speaker is not
known counts as a speaker of its own. Both kinds are stratified: classes have about the same shares
everywhere; years are stratified by fifths. The same data, kind and seed give the same split.
"""

import numpy as np

from core.errors import ParameterError
from core.models.base import SPLITS
from core.safe_text import clean

Fold = tuple[np.ndarray, np.ndarray]  # positions in training, positions in test
FIFTHS = 5


def groups_of(speakers: np.ndarray | None, n: int) -> np.ndarray:
    """The speaker of each clip as a number, (n,) int; each clip without one has its own."""
    if speakers is None:
        return np.arange(n)
    known = np.array([bool(s) and s == s for s in speakers], dtype=bool)
    groups = np.empty(n, dtype=np.int64)
    _, groups[known] = np.unique(np.asarray(speakers[known], dtype=str), return_inverse=True)
    groups[~known] = groups[known].max(initial=-1) + 1 + np.arange((~known).sum())
    return groups


def folds(
    y: np.ndarray, speakers: np.ndarray | None, *, split: str, n_splits: int, seed: int
) -> list[Fold]:
    """``n_splits`` pairs of training and test positions; every clip is in one test part.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Labels, or years (float).
    speakers : np.ndarray [shape=(n,)] or None
        As in ``Table``.
    split : {"speaker", "clip"}
        Who is kept apart.
    n_splits : int
        Folds, 2 to 20.
    seed : int
        Of the shuffling.

    Returns
    -------
    list of (np.ndarray, np.ndarray)
        Positions, sorted.

    Raises
    ------
    ParameterError
        There are too few speakers or clips of a class, no speaker is known at all, or the
        settings cannot work.
    """
    if not 2 <= n_splits <= 20:
        raise ParameterError(f"n_splits={n_splits} does not work: choose 2 to 20.")
    strata, groups = strata_of(y), _groups_for(split, speakers, len(y))
    _check_enough(y, strata, groups, split, n_splits)
    return list(_splitter(strata, groups, n_splits, seed))


def inner_folds(
    y: np.ndarray, speakers: np.ndarray | None, *, split: str, most: int, seed: int
) -> list[Fold]:
    """Folds of a training part, as many as its rarest class allows, ``most`` at most, 2 at least.

    Raises
    ------
    ParameterError
        As for ``folds``.
    """
    strata, groups = strata_of(y), _groups_for(split, speakers, len(y))
    if y.dtype.kind == "f":
        fewest = np.unique(groups).size
    else:
        fewest = min(np.unique(groups[strata == v]).size for v in np.unique(strata))
    return folds(y, speakers, split=split, n_splits=max(2, min(most, fewest)), seed=seed)


def hold_out(
    y: np.ndarray, speakers: np.ndarray | None, *, split: str, seed: int, share: float = 0.2
) -> Fold:
    """Training and test positions, with about ``share`` of the clips in the test part.

    Raises
    ------
    ParameterError
        As for ``folds``, or ``share`` is not between 0.05 and 0.5.
    """
    if not 0.05 <= share <= 0.5:
        raise ParameterError(f"share={share:g} does not work: choose 0.05 to 0.5.")
    if split == "clip":
        from sklearn.model_selection import train_test_split

        strata = strata_of(y)
        _check_enough(y, strata, np.arange(len(y)), split, 2)
        train, test = train_test_split(
            np.arange(len(y)), test_size=share, stratify=strata, shuffle=True, random_state=seed
        )
        return train, test  # shuffled: clips of one voice may lie side by side
    return folds(y, speakers, split=split, n_splits=round(1 / share), seed=seed)[0]


def strata_of(y: np.ndarray) -> np.ndarray:
    """The class of each clip as a number, (n,) int; of years, the fifth that they are in."""
    if y.dtype.kind == "f":
        return np.searchsorted(np.quantile(y, np.arange(1, FIFTHS) / FIFTHS), y, side="left")
    return np.unique(y.astype(str), return_inverse=True)[1]


def counts(y: np.ndarray, groups: np.ndarray) -> dict[str, tuple[int, int]]:
    """Clips and speakers of every class."""
    names = y.astype(str)
    found = {value: groups[names == value] for value in np.unique(names)}
    return {str(v): (int(g.size), int(np.unique(g).size)) for v, g in found.items()}


def _groups_for(split: str, speakers: np.ndarray | None, n: int) -> np.ndarray:
    if split not in SPLITS:
        raise ParameterError(f"Unknown split {clean(split)}: choose one of {list(SPLITS)}.")
    if split == "clip":
        return np.arange(n)
    if speakers is None or not any(bool(s) and s == s for s in speakers):
        raise ParameterError(
            "No speaker is known here, so nothing can keep a voice on one side: choose the split "
            "by clip, and read its scores as too good."
        )
    return groups_of(speakers, n)


def _check_enough(
    y: np.ndarray, strata: np.ndarray, groups: np.ndarray, split: str, n_splits: int
) -> None:
    whose = "speakers" if split == "speaker" else "clips"
    if y.dtype.kind == "f":
        if np.unique(groups).size < n_splits:
            raise ParameterError(f"{n_splits} folds need as many {whose}: choose fewer folds.")
        return
    for value in np.unique(strata):
        n = np.unique(groups[strata == value]).size
        if n < n_splits:
            name = clean(y[np.flatnonzero(strata == value)[0]], 40)
            raise ParameterError(
                f"{name}: {n} {whose} are too few for {n_splits} folds. Choose fewer folds, or "
                "leave that class out with a condition."
            )


def _splitter(strata: np.ndarray, groups: np.ndarray, n_splits: int, seed: int):
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    alone = np.unique(groups).size == groups.size
    kind = StratifiedKFold if alone else StratifiedGroupKFold  # the same demand, and quicker
    if np.bincount(strata).max() < n_splits or np.bincount(strata).min() < n_splits:
        strata = np.zeros_like(strata)  # years of few clips: nothing to stratify by
    x = np.zeros((strata.size, 1))
    given = () if alone else (groups,)
    return kind(n_splits, shuffle=True, random_state=seed).split(x, strata, *given)

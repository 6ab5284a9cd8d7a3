"""Clips to listen to: labels that a model doubts, and clips unlike all others.

Label errors: a logistic regression learns the label from other speakers' clips (folds are disjoint
by speaker), from features and mel strengths where the table has both, standardised and brought to
40 principal components at most; it is asked about the clips it has not seen. Where it prefers
another value, the clip is listed, the least believed label first: self-confidence, the probability
that the model gives to the label as it stands [#]_.

Outliers: mean distance to the ten nearest clips [#]_ on robustly scaled features (median 0,
1.4826 × MAD 1, cut at ±10 so that no feature decides alone). Listed are clips whose logarithm of
it lies more than ``SPREADS`` robust standard deviations above the median.

.. [#] C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
   Labels", JAIR 70, 2021.
.. [#] S. Ramaswamy, R. Rastogi, K. Shim, "Efficient Algorithms for Mining Outliers from Large
   Data Sets", SIGMOD 2000; the mean over neighbours: F. Angiulli, C. Pizzuti, PKDD 2002.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.eda import projection
from core.eda.suspects_folds import folds, medians
from core.errors import ParameterError
from core.filters import Selection
from core.store import Workspace

MOST = 10_000  # clips looked at
MOST_LISTED = 500
MOST_VALUES = 12  # of a label
FOLDS = 5
FEWEST = 4  # clips of a value
COMPONENTS = 40  # that the model learns from, where there are more columns
NEIGHBOURS = 10
MAD_SCALE = 1.4826
CUT = 10.0
SPREADS = 2.0
LABELS = ("gender", "age", "accent", "locale")


class Doubt(NamedTuple):
    """A label the model doubts: as it stands, what it prefers, and how much it believes each."""

    clip_id: str
    label: str
    preferred: str
    confidence: float
    preferred_confidence: float


@dataclass(frozen=True)
class LabelErrors:
    """What the model doubts, the least believed first.

    ``score`` is its balanced accuracy on clips it has not seen, ``chance`` that of guessing.
    ``judged`` clips of ``total`` were judged. ``speakers`` is how many were kept apart, None where
    none is known, and ``anonymous`` clips have no known speaker. ``left_out`` names values with
    too few clips or speakers.
    """

    doubts: tuple[Doubt, ...]
    found: int
    score: float
    chance: float
    judged: int
    total: int
    speakers: int | None
    anonymous: int
    left_out: tuple[str, ...]


class Outlier(NamedTuple):
    """A clip unlike others: how far out it is, and its most unusual features with their z."""

    clip_id: str
    spreads: float
    why: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Outliers:
    """Clips unlike others, the farthest first; ``judged`` of ``total`` clips were judged."""

    outliers: tuple[Outlier, ...]
    found: int
    judged: int
    total: int


def labels(workspace: Workspace) -> tuple[str, ...]:
    """Labels that can be checked: those with two to twelve values among the measured clips."""
    there = [name for name in LABELS if name in workspace.label_columns()]
    if not there or not projection.spaces(workspace):
        return ()
    asked = ", ".join(f'count(DISTINCT "{name}") AS "{name}"' for name in there)
    found = workspace.query(f"SELECT {asked} FROM clips").iloc[0]
    return tuple(name for name in there if 2 <= int(found[name]) <= MOST_VALUES)


def label_errors(
    workspace: Workspace, selection: Selection, label: str, *, most: int = MOST
) -> LabelErrors:
    """Clips whose label a speaker-disjoint model doubts.

    Parameters
    ----------
    workspace, selection
        The clips.
    label : str
        One of ``labels``.
    most : int
        At most so many clips, the same sample every time.

    Raises
    ------
    ParameterError
        Fewer than two values have clips, and speakers where known, enough to learn from.
    """
    found = projection.measured(workspace, selection, projection.spaces(workspace)[-1], most)
    given = projection.column_of(workspace, found.clip_ids, label)
    names = np.array(["" if v is None or v != v else str(v) for v in given], dtype=object)
    groups, speakers, anonymous = _groups(workspace, found.clip_ids, names)
    kept, left_out = _learnable(names, groups, speakers is not None)
    values, codes = np.unique(names[kept].astype(str), return_inverse=True)
    if values.size < 2:
        needed = "two speakers" if speakers is not None else f"{FEWEST} clips"
        raise ParameterError(
            f"A model needs at least {needed} of two values to check this label: choose another "
            "label, or clear a condition."
        )
    probabilities = _out_of_fold(found.x[kept], codes, groups[kept])
    judged = np.isfinite(probabilities).all(axis=1)
    best = np.where(judged, np.nan_to_num(probabilities).argmax(axis=1), codes)
    own = probabilities[np.arange(codes.size), codes]
    wrong = np.flatnonzero(best != codes)
    wrong = wrong[np.argsort(own[wrong], kind="stable")]
    ids = found.clip_ids[kept]
    doubts = tuple(
        Doubt(
            ids[i],
            str(values[codes[i]]),
            str(values[best[i]]),
            float(own[i]),
            float(probabilities[i, best[i]]),
        )
        for i in wrong[:MOST_LISTED]
    )
    recalls = [np.mean(best[judged & (codes == c)] == c) for c in np.unique(codes[judged])]
    return LabelErrors(
        doubts=doubts,
        found=int(wrong.size),
        score=float(np.mean(recalls)) if recalls else float("nan"),
        chance=1 / values.size,
        judged=int(judged.sum()),
        total=found.total,
        speakers=speakers,
        anonymous=anonymous,
        left_out=left_out,
    )


def outliers(workspace: Workspace, selection: Selection, *, most: int = MOST) -> Outliers:
    """Clips whose features are unlike those of all others.

    Parameters
    ----------
    workspace, selection
        The clips.
    most : int
        At most so many clips, the same sample every time.

    Raises
    ------
    ParameterError
        The selection leaves fewer than five clips, or nothing varies among them.
    """
    found = projection.measured(workspace, selection, "features", most)
    z, names = robust_z(found.x, found.names)
    distances = _neighbour_distances(np.clip(np.nan_to_num(z), -CUT, CUT))
    logs = np.log(np.maximum(distances, 1e-6))
    centre = float(np.median(logs))
    spread = max(MAD_SCALE * float(np.median(abs(logs - centre))), 0.05)
    spreads = (logs - centre) / spread
    out = np.flatnonzero(spreads > SPREADS)
    out = out[np.argsort(-distances[out], kind="stable")]
    listed = tuple(
        Outlier(found.clip_ids[i], float(spreads[i]), _why(z[i], names)) for i in out[:MOST_LISTED]
    )
    return Outliers(listed, int(out.size), len(z), found.total)


def robust_z(x: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Columns of ``x`` (n, d) less their median, in 1.4826 × MAD; NaN stays.

    A column whose MAD is 0 takes its standard deviation; one that does not vary, or is mostly
    missing, is left out of the answer.

    Raises
    ------
    ParameterError
        Nothing varies.
    """
    there = np.isfinite(x).mean(axis=0) >= 1 - projection.MOSTLY_MISSING
    x, names = x[:, there], [n for n, ok in zip(names, there, strict=True) if ok]
    if not names:
        raise ParameterError("Too many values are missing: choose another selection.")
    away = x - np.nanmedian(x, axis=0)
    spread = MAD_SCALE * np.nanmedian(abs(away), axis=0)
    spread = np.where(spread > 1e-9, spread, np.nanstd(x, axis=0))
    varies = spread > 1e-9
    if not varies.any():
        raise ParameterError("Nothing varies among these clips: none can be unlike the others.")
    return away[:, varies] / spread[varies], tuple(np.array(names, dtype=object)[varies])


def _why(z: np.ndarray, names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """The three features farthest from their median."""
    order = np.argsort(-abs(np.nan_to_num(z)))[:3]
    return tuple((names[i], float(z[i])) for i in order if np.isfinite(z[i]))


def _neighbour_distances(z: np.ndarray) -> np.ndarray:
    """Mean distance (n,) to the nearest ``NEIGHBOURS`` other points."""
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(z) - 1)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(z)
    return search.kneighbors()[0].mean(axis=1)


def _groups(
    workspace: Workspace, ids: np.ndarray, names: np.ndarray
) -> tuple[np.ndarray, int | None, int]:
    """What stays on one side: the speaker, else the clip; speakers known, clips without one."""
    speakers = np.full(ids.size, None, dtype=object)
    if "speaker_id" in workspace.label_columns():
        speakers = projection.column_of(workspace, ids, "speaker_id")
    known = np.array([v is not None and v == v for v in speakers]) & (names != "")
    labelled = names != ""
    groups = np.array(
        [f"s {s}" if k else f"c {c}" for s, k, c in zip(speakers, known, ids, strict=True)],
        dtype=object,
    )
    n = len(set(groups[known]))
    return groups, n or None, int((labelled & ~known).sum())


def _learnable(
    names: np.ndarray, groups: np.ndarray, by_speaker: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows whose label has clips and speakers enough, and the values that have not."""
    kept, left_out = np.zeros(names.size, dtype=bool), []
    for value in sorted(set(names) - {""}):
        rows = names == value
        enough = rows.sum() >= FEWEST and len(set(groups[rows])) >= (2 if by_speaker else FEWEST)
        if enough:
            kept |= rows
        else:
            left_out.append(value)
    return kept, tuple(left_out)


def _out_of_fold(x: np.ndarray, codes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Probabilities (n, values) from models that saw no clip of the group; NaN where none could.

    Medians, scaling and weights are learnt in each fold, so that nothing leaks.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    fewest = min(len(set(groups[codes == c])) for c in np.unique(codes))
    found = np.full((codes.size, codes.max() + 1), np.nan)
    known = np.isfinite(x)
    for test in folds(codes, groups, max(2, min(FOLDS, fewest))):
        train = np.setdiff1d(np.arange(codes.size), test, assume_unique=True)
        if len(set(codes[train])) <= codes.max():
            continue  # a value would be unknown to this model
        filled = np.where(known, x, medians(x[train]))
        steps = [StandardScaler()]
        if x.shape[1] > COMPONENTS:
            n = min(COMPONENTS, train.size)
            steps += [PCA(n, svd_solver="covariance_eigh"), StandardScaler()]
        steps += [LogisticRegression(class_weight="balanced", C=0.1, max_iter=200)]
        model = make_pipeline(*steps)
        with threadpool_limits(1):  # leaves a core to other visitors
            found[test] = model.fit(filled[train], codes[train]).predict_proba(filled[test])
    return found

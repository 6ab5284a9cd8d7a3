"""What a model has seen: training clips in standard units, and how far apart voices are.

Conventions: inputs less their median, in 1.4826 x MAD, cut at ±10; what was not measured counts as
the median; a distance is the root mean square over the columns, so that 1 is one robust standard
deviation in every column. Rows are stored in 1/12 of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from core.errors import ModelError
from core.models.base import Table

NEAREST = 5
MOST_COLUMNS = 256  # more are brought to so many principal directions
DIRECTIONS = 48
STEP = 12.0
CUT = 10.0
LIMIT_QUANTILE = 0.995  # of the training clips' own distances
SLACK = 1.25
SAMPLE = 2_000  # clips whose distances set the limit


@dataclass(frozen=True, eq=False)
class Seen:
    """How to standardise inputs, and the distance beyond which a clip is unlike all seen.

    ``centre`` and ``scale`` (d,); ``basis`` (d, k) or None; ``limit`` in robust standard
    deviations; ``speakers`` marks of the training speakers, see ``speaker_marks``.
    """

    centre: np.ndarray
    scale: np.ndarray
    basis: np.ndarray | None
    limit: float
    speakers: np.ndarray | None = None

    def standard(self, X: np.ndarray) -> np.ndarray:
        """Inputs (n, d) in standard units, (n, d or k)."""
        z = (np.asarray(X, dtype=np.float32) - self.centre) / self.scale
        z = np.clip(np.nan_to_num(z, nan=0.0, posinf=CUT, neginf=-CUT), -CUT, CUT)
        return z if self.basis is None else np.clip(z @ self.basis, -CUT, CUT)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Training clips in standard units: ids, what they were labelled, rows (n, d or k)."""

    clip_ids: np.ndarray
    y: np.ndarray
    rows: np.ndarray

    def nearest(self, z: np.ndarray, k: int = NEAREST) -> tuple[np.ndarray, np.ndarray]:
        """Indices and distances (k,) of the clips nearest to one row (d,), the nearest first."""
        away = self.rows - z.reshape(1, -1)
        distances = np.sqrt(np.einsum("ij,ij->i", away, away) / self.rows.shape[1])
        k = min(k, distances.size)
        first = np.argpartition(distances, k - 1)[:k]
        first = first[np.argsort(distances[first], kind="stable")]
        return first, distances[first]


def standardised(table: Table, most: int) -> dict[str, np.ndarray]:
    """Arrays of ``seen.npz`` for a table; at most ``most`` clips, spread evenly over it."""
    X = np.asarray(table.X, dtype=np.float32)
    finite = np.where(np.isfinite(X), X, np.nan)
    there = np.isfinite(finite).any(axis=0)
    centre = np.zeros(X.shape[1], dtype=np.float32)
    centre[there] = np.nanmedian(finite[:, there], axis=0)
    spread = np.ones_like(centre)
    spread[there] = 1.4826 * np.nanmedian(abs(finite[:, there] - centre[there]), axis=0)
    narrow = there & (spread < 1e-9)
    spread[narrow] = np.nanstd(finite[:, narrow], axis=0)
    seen = Seen(centre, np.where(spread > 1e-9, spread, 1).astype(np.float32), None, 0.0)
    chosen = np.unique(np.linspace(0, len(X) - 1, min(most, len(X))).round().astype(int))
    rows = seen.standard(X[chosen])
    basis = np.empty((0, 0), dtype=np.float32)
    if X.shape[1] > MOST_COLUMNS:
        basis = _directions(rows)
        rows = np.clip(rows @ basis, -CUT, CUT)
    speakers = None if table.speakers is None else table.speakers[chosen]
    coded = np.round(rows * STEP).astype(np.int8)
    return {
        "clip_ids": np.asarray(table.clip_ids[chosen], dtype=str),
        "y": np.asarray([str(v) for v in table.y[chosen]], dtype=str),
        "rows": coded,
        "centre": seen.centre,
        "scale": seen.scale,
        "basis": basis,
        "limit": np.array([_limit(coded / np.float32(STEP), speakers)]),
        "speaker_marks": np.unique(speaker_marks(table.speakers)),
    }


def speaker_marks(speakers: np.ndarray | None) -> np.ndarray:
    """What tells speakers apart without naming them: 64 bits of a digest, uint64, 0 if unknown."""
    if speakers is None:
        return np.zeros(0, dtype=np.uint64)
    digests = [blake2b(str(s).encode(), digest_size=8).digest() if s else b"" for s in speakers]
    return np.array([int.from_bytes(d, "little") for d in digests], dtype=np.uint64)


def restore(found: Mapping[str, np.ndarray], columns: int) -> tuple[Seen, Neighbours]:
    """What ``standardised`` made, for ``columns`` inputs.

    Raises
    ------
    ModelError
        The arrays do not fit one another.
    """
    rows, basis = found["rows"], found["basis"]
    width = basis.shape[1] if basis.size else columns
    if (
        any(found[name].shape != (columns,) for name in ("centre", "scale"))
        or rows.shape != (len(found["clip_ids"]), width)
        or rows.dtype != np.int8
        or not len(rows)
        or found["y"].shape != (len(rows),)
        or (basis.size and basis.shape[0] != columns)
        or found["limit"].shape != (1,)
    ):
        raise ModelError("the clips that the model has seen do not fit its inputs: train it anew.")
    seen = Seen(
        found["centre"].astype(np.float32),
        found["scale"].astype(np.float32),
        basis.astype(np.float32) if basis.size else None,
        float(found["limit"][0]),
        found["speaker_marks"],
    )
    ids, y = found["clip_ids"].astype(object), found["y"].astype(object)
    return seen, Neighbours(ids, y, rows.astype(np.float32) / np.float32(STEP))


def _directions(rows: np.ndarray) -> np.ndarray:
    """Principal directions (d, k), scaled so that distances keep their unit."""
    sample = rows[:: max(1, len(rows) // SAMPLE)]
    v = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][:DIRECTIONS].T
    return (v * np.sqrt(v.shape[1] / rows.shape[1])).astype(np.float32)


def _limit(rows: np.ndarray, speakers: np.ndarray | None) -> float:
    """The distance that nearly all training clips have to the nearest of other speakers."""
    if len(rows) < 2:
        return float("inf")
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).round().astype(int))
    squares = np.einsum("ij,ij->i", rows, rows)
    away = squares[chosen, None] + squares[None] - 2 * rows[chosen] @ rows.T
    same = chosen[:, None] == np.arange(len(rows))[None]
    if speakers is not None:
        known = speakers != ""
        same |= (speakers[chosen, None] == speakers[None]) & known[chosen, None]
    away[same] = np.inf
    k = min(NEAREST, len(rows) - 1)
    nearest = np.sqrt(np.maximum(np.partition(away, k - 1, axis=1)[:, :k], 0) / rows.shape[1])
    means = nearest.mean(axis=1)
    means = means[np.isfinite(means)]
    return SLACK * float(np.quantile(means, LIMIT_QUANTILE)) if means.size else float("inf")

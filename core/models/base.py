"""What the parts of ``core.models`` hand to one another."""

from dataclasses import asdict, dataclass, field
import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

INPUTS = ("features", "mfcc", "mel", "image", "embedding")
SPLITS = ("speaker", "clip")


@dataclass(frozen=True)
class TrainParams:
    """What is to be learnt, from what, and how it is judged.

    Parameters
    ----------
    target : str
        A label column (``gender``, ``speaker_id``, ``accent``, a tag as ``tag:name``), ``age`` in
        decades, or ``age_years`` for a regression.
    inputs : tuple of str
        Of INPUTS, and ``label:<column>`` for a label used as an input (the article uses gender).
    model : str
        Key of ``families.MODELS``.
    split : {"speaker", "clip"}
        Who is kept apart between training and test.
    n_splits : int
        Folds.
    search : bool
        Search the family's grid inside each training part; without it the defaults are taken.
    settings : tuple of (str, value)
        Hyper-parameters that replace defaults.
    log1p : bool
        Logarithm of skewed inputs, chosen inside the folds.
    max_z : float or None
        Rows with a |z| above it are left out of training, never out of the test.
    seed : int
        Seed of splits and models.
    """

    target: str
    inputs: tuple[str, ...] = ("features", "mfcc")
    model: str = "svc-rbf"
    split: str = "speaker"
    n_splits: int = 5
    search: bool = False
    settings: tuple[tuple[str, Any], ...] = ()
    log1p: bool = False
    max_z: float | None = None
    seed: int = 0

    @property
    def digest(self) -> str:
        """Sixteen hex digits that name these settings."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Table(NamedTuple):
    """Clips to learn from: ``X`` (n, d) float32, NaN where not measured; targets; who speaks.

    ``y`` (n,) holds labels (str objects) or years (float64); ``speakers`` (n,) str objects, ""
    where not known, or None where no speaker is known; ``columns`` names the d inputs, ``blocks``
    maps each of the inputs asked for to its columns' slice; ``about`` tells feature set, version
    and data.
    """

    X: np.ndarray
    y: np.ndarray
    speakers: np.ndarray | None
    clip_ids: np.ndarray
    columns: tuple[str, ...]
    blocks: dict[str, slice]
    about: dict[str, Any]


class Predictions(NamedTuple):
    """Answers for clips the model had not learnt from.

    ``prob`` (n, k) float32 by ``labels``, or (n, 1) the value of a regression (``labels`` is then
    empty); ``fold`` (n,) int16, the test fold a clip was in; ``speakers`` as in ``Table``.
    """

    clip_ids: np.ndarray
    y: np.ndarray
    prob: np.ndarray
    labels: tuple[str, ...]
    speakers: np.ndarray | None
    fold: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """The most probable label of each clip, or the value, (n,)."""
        if not self.labels:
            return self.prob[:, 0].astype(np.float64)
        return np.asarray(self.labels, dtype=object)[self.prob.argmax(axis=1)]


@dataclass(frozen=True)
class Trained:
    """A model, what it was asked, and how it did on voices it had not heard.

    ``estimator`` maps X (n, d) to ``predict_proba`` in the order of ``labels`` (or ``predict`` for
    a regression) and was fitted on all clips; ``temperature`` divides its log probabilities before
    they are shown (fitted on ``predictions``, which are already calibrated across folds); ``rows``
    is the table of the search, one row a setting: mean and deviation of train and validation
    scores, and seconds; ``about`` comes from the Table plus versions, seed and date.
    """

    params: TrainParams
    estimator: Any
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    predictions: Predictions
    temperature: float = 1.0
    rows: "pd.DataFrame | None" = None
    about: dict[str, Any] = field(default_factory=dict)

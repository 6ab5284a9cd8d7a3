"""What a feature is, the named sets of features, and the one door to measuring them.

A set lives in a module of its own that has ``FEATURES`` (a FeatureSet), ``measure(y, *, text) ->
Features`` for a mono signal at ``SR`` and ``warm()``; modules are imported when first asked for.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from core.errors import AudioTooShortError, ParameterError

SR = 16_000  # Hz; every set measures at this rate, so that clips of all rates compare
FEATURE_SETS = {"article-v1": "core.features.article", "voice-v1": "core.features.voice"}


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One number of a clip, as people read about it.

    ``unit`` is "" where there is none, and ``caveat`` where nothing needs to be said; ``about`` is
    a sentence; ``source`` names the method's origin.
    """

    name: str
    label: str
    unit: str
    about: str
    caveat: str
    source: str


@dataclass(frozen=True)
class FeatureSet:
    """A named set of features; ``vectors`` maps the name of each vector to its length."""

    name: str
    version: str
    specs: tuple[FeatureSpec, ...]
    vectors: dict[str, int]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the table."""
        return tuple(spec.name for spec in self.specs)


class Features(NamedTuple):
    """What was measured: ``values`` by feature name, NaN where not measurable; float32 vectors."""

    values: dict[str, float]
    vectors: dict[str, np.ndarray]


def feature_set(name: str) -> FeatureSet:
    """The feature set of this name.

    Raises
    ------
    ParameterError
        If there is no such set.
    """
    return _module(name).FEATURES


def extract(y: np.ndarray, *, sr: int, feature_set: str, text: str | None = None) -> Features:
    """Measure a clip as it is: cleaning it first is up to the caller.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Signal; channels are averaged.
    sr : int > 0
        Sampling rate in Hz; the signal is resampled to 16,000 Hz where it differs.
    feature_set : str
        "article-v1" or "voice-v1".
    text : str or None
        What is said in the clip, where it is known.

    Returns
    -------
    Features
        One value for every spec of the set, NaN where not measurable, and its vectors.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If there is no such set, or ``sr`` is not above 0, or the signal has a sample that is not
        a finite number.
    """
    module = _module(feature_set)
    y = _at_rate(y, sr)
    return module.measure(y, text=text)


def warm() -> None:
    """Import and compile what the sets need, so that the first clip is as fast as the next."""
    for name in FEATURE_SETS:
        _module(name).warm()


def _module(name: str) -> Any:
    if name not in FEATURE_SETS:
        raise ParameterError(f"Unknown feature set {name!r}: choose one of {list(FEATURE_SETS)}.")
    return import_module(FEATURE_SETS[name])


def _at_rate(y: np.ndarray, sr: int) -> np.ndarray:
    if sr <= 0:
        raise ParameterError(f"sr={sr} Hz must be above 0.")
    y = np.asarray(y, dtype=np.float32)
    if y.ndim == 2:
        y = y.mean(axis=0, dtype=np.float32)
    if y.ndim != 1:
        raise ParameterError(f"Features need (n,) or (channels, n), got shape {y.shape}.")
    if y.size == 0:
        raise AudioTooShortError("The signal is empty: features need at least one sample.")
    if not np.isfinite(y).all():
        raise ParameterError(
            "The signal holds samples that are not finite numbers: repair the file."
        )
    if sr != SR:
        from core.audio import resample

        y = resample(y, sr_in=sr, sr_out=SR)
    return np.ascontiguousarray(y)

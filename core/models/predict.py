"""What a model says about a recording, how sure it is, and why it may rather say nothing.

A recording is measured once, as it is. An answer is withheld where there is too little speech,
where the recording is farther from the training clips than these are from each other, or where the
probability is below a threshold. What an answer rests on is told by occlusion: a family of inputs
is set to the training median, and the change of log odds is what it contributed [#]_.

Conventions: probabilities are calibrated (the model's temperature is applied); log odds are those
of the answer against all others; distances in robust standard deviations, see ``_seen``.

.. [#] M. Robnik-Šikonja, I. Kononenko, "Explaining Classifications For Individual Instances",
   IEEE TKDE 20, 2008.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import math
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.audio import ClipRef, Limits
from core.errors import ParameterError, VoiceError
from core.models import _inputs
from core.models.files import Loaded
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

    from core.models.embeddings import Network

MIN_SPEECH_S = 0.4
MIN_VOICED_S = 0.1
MIN_VOICED_SHARE = 0.12  # of the speech
CLIPPED = 0.003  # share of samples at the very top
MOST_REASONS = 8
WINDOW_S, HOP_S = 1.0, 0.5  # of speech, not of the clock
LONGEST_S = 4.0  # on the clock that a window may take
MOST_WINDOWS = 240
_MFCC = re.compile(r"(mfcc\d\d)_\w+")
_VECTOR = re.compile(r"(mel_strength|image)_(\d{3})")
_BANDS = 16  # mel bands to a family
EMBEDDING = "embedding"  # the family of all values of a network's vector


class Near(NamedTuple):
    """A training clip, what it was labelled, and how far away it is."""

    clip_id: str
    label: str
    distance: float


class Ground(NamedTuple):
    """A family of inputs and what it contributed, in log odds (years for a regression).

    ``value`` and ``usual`` (the training median) are those of its first column, in ``unit``; NaN
    where the family has no one number.
    """

    name: str
    label: str
    unit: str
    value: float
    usual: float
    contribution: float


@dataclass(frozen=True)
class Answer:
    """What a model says about one recording.

    ``label`` is the most probable one and ``probability`` its probability; both are None where
    nothing could be measured, and for a regression ``value`` is the answer instead. Where
    ``abstained``, the model would rather not say, and ``reasons`` tell why; they may also hold
    remarks about an answer that stands.
    """

    label: str | None
    probability: float | None
    probabilities: Mapping[str, float]
    value: float | None
    abstained: bool
    reasons: tuple[str, ...]
    nearest: tuple[Near, ...]
    rests_on: tuple[Ground, ...]
    speech_s: float


class OverTime(NamedTuple):
    """Answers along a recording: windows from ``start`` to ``end`` (m,) s, ``prob`` (m, k)."""

    start: np.ndarray
    end: np.ndarray
    prob: np.ndarray
    labels: tuple[str, ...]


def predict(
    loaded: Loaded,
    what: ClipRef | str | os.PathLike | tuple[np.ndarray, int],
    *,
    threshold: float | None = None,
) -> Answer:
    """Ask a model about a recording.

    Parameters
    ----------
    loaded : Loaded
        The model.
    what : ClipRef, path, or (y, sr)
        A recording on disk, or a signal (n,) or (channels, n) and its rate in Hz.
    threshold : float, optional
        Probability below which the model would rather not say; None takes the card's.

    Raises
    ------
    AudioReadError, AudioTooShortError
        The recording cannot be decoded, or is empty.
    ModelError
        The model needs what a recording does not give; see ``ready``.
    ParameterError
        ``threshold`` is not between 0 and 1.
    """
    threshold = _threshold(loaded, threshold)
    trained, network = loaded.trained, ready(loaded)
    y, sr = _signal(what, loaded)
    about = dict(trained.about)
    found = _inputs.heard(y, sr=sr, about=about, columns=trained.columns, network=network)
    reasons = too_little(found)
    prob = ask(loaded, found.x[None])[0]
    z = loaded.seen.standard(found.x[None])[0]
    at, distances = loaded.neighbours.nearest(z)
    if not np.isfinite(found.x).any():
        return Answer(None, None, {}, None, True, tuple(reasons), (), (), found.speech_s)
    far = float(distances.mean())
    if far > loaded.seen.limit:
        reasons.append(
            f"Unlike anything it was trained on: {far:.2f} from the nearest training clips, where "
            f"{loaded.seen.limit:.2f} is the most between voices."
        )
    labels, best = trained.labels, int(prob.argmax())
    if labels and prob[best] < threshold:
        reasons.append(f"The probability {prob[best]:.2f} is below {threshold:.2f}.")
    abstained = bool(reasons)
    if _clipped(y) > CLIPPED:
        reasons.append("The recording is clipped: its loudest moments are cut off.")
    ids, names = loaded.neighbours.clip_ids, loaded.neighbours.y
    return Answer(
        label=labels[best] if labels else None,
        probability=float(prob[best]) if labels else None,
        probabilities={n: float(p) for n, p in zip(labels, prob, strict=True)} if labels else {},
        value=None if labels else float(prob[0]),
        abstained=abstained,
        reasons=tuple(reasons),
        nearest=tuple(
            Near(str(ids[i]), str(names[i]), float(d)) for i, d in zip(at, distances, strict=True)
        ),
        rests_on=_rests_on(loaded, found.x, best),
        speech_s=found.speech_s,
    )


def ready(loaded: Loaded) -> "Network | None":
    """The network that makes a model's inputs, opened; None where it needs none.

    Raises
    ------
    ModelError
        The model cannot be asked about a new recording: it has labels as inputs, or its network is
        not here, or another one.
    ParameterError
        A network was told, and the model needs none.
    """
    trained = loaded.trained
    _inputs.needs_no_label(trained.columns)
    return _inputs.network_of(
        trained.about, trained.columns, path=loaded.path, given=loaded.network
    )


def predict_many(
    loaded: Loaded,
    files: Iterable[ClipRef | str | os.PathLike],
    *,
    threshold: float | None = None,
) -> "pd.DataFrame":
    """Ask a model about many recordings; one that cannot be read costs its own row only.

    Returns
    -------
    pd.DataFrame
        One row per file, in order: ``file``, ``label``, ``probability`` (or ``value``),
        ``abstained``, ``reasons`` (one text), ``error`` ("" where there was none), and ``p_LABEL``
        for every label.
    """
    import pandas as pd

    rows = [row(loaded, file, threshold=threshold) for file in files]
    labels = loaded.trained.labels
    first = ["label", "probability"] if labels else ["value"]
    columns = ["file", *first, "abstained", "reasons", "error", *(f"p_{n}" for n in labels)]
    for found in rows:
        found["reasons"] = " ".join(found.get("reasons", ()))
        found["error"] = found.get("error", "")
        found |= {f"p_{n}": p for n, p in found.pop("probabilities", {}).items()}
    return pd.DataFrame(rows, columns=columns)


def row(
    loaded: Loaded, file: ClipRef | str | os.PathLike, *, threshold: float | None = None
) -> dict[str, Any]:
    """One file's answer, or its error, as JSON values."""
    shown = file.path if isinstance(file, ClipRef) else os.fsdecode(file)
    try:
        found = predict(loaded, file, threshold=threshold)
    except (VoiceError, OSError) as err:
        return {"file": shown, "error": str(err)}
    told: dict[str, Any] = {"file": shown}
    if loaded.trained.labels:
        told |= {"label": found.label, "probability": found.probability}
    else:
        told["value"] = found.value
    told |= {"abstained": found.abstained, "reasons": list(found.reasons)}
    return told | {"probabilities": dict(found.probabilities)}


def ask(loaded: Loaded, X: np.ndarray) -> np.ndarray:
    """Calibrated probabilities (n, k) of inputs (n, d) that may hold NaN, or years (n, 1)."""
    from core.models.train import calibrated

    trained, X = loaded.trained, np.asarray(X, dtype=np.float64)
    if not trained.labels:
        return np.asarray(trained.estimator.predict(X), dtype=np.float64)[:, None]
    return calibrated(trained.estimator.predict_proba(X), trained.temperature)


def over_time(
    loaded: Loaded, what: ClipRef | str | os.PathLike | tuple[np.ndarray, int]
) -> OverTime:
    """Answers about windows of one second of speech, half a second of speech apart.

    Pauses do not count: a window reaches over them, up to four seconds in all. At most 240 windows
    are taken, farther apart in a long recording. Each is measured by itself, which costs about
    twice what ``predict`` does.
    """
    from core import audio, segments

    network = ready(loaded)
    y, sr = _signal(what, loaded)
    y = np.asarray(y, dtype=np.float32)
    y = y.mean(axis=0, dtype=np.float32) if y.ndim == 2 else y
    if sr != _inputs.SR:
        y, sr = audio.resample(y, sr_in=sr, sr_out=_inputs.SR), _inputs.SR
    starts, ends = _windows(segments.speech_segments(y, sr=sr).segments)
    trained, rows = loaded.trained, []
    about = dict(trained.about)
    for start, end in zip(starts, ends, strict=True):
        part = y[int(start * sr) : int(end * sr)]
        found = _inputs.heard(part, sr=sr, about=about, columns=trained.columns, network=network)
        rows.append(found.x)
    k = max(len(trained.labels), 1)
    prob = ask(loaded, np.stack(rows)) if rows else np.empty((0, k))
    return OverTime(starts, ends, prob, trained.labels)


def _windows(spoken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (m,) on the clock of windows over the time spoken."""
    if not len(spoken):
        return np.empty(0), np.empty(0)
    lengths = spoken[:, 1] - spoken[:, 0]
    done = np.concatenate([[0.0], np.cumsum(lengths)])
    total = done[-1]
    hop_s = max(HOP_S, total / MOST_WINDOWS)
    at = np.arange(0.0, max(total - WINDOW_S, 0.0) + 1e-9, hop_s)

    def clock(moments: np.ndarray, side: str) -> np.ndarray:
        part = np.searchsorted(done, moments, side=side) - 1  # type: ignore[call-overload]
        part = np.clip(part, 0, len(spoken) - 1)
        return spoken[part, 0] + moments - done[part]

    starts = clock(at, "right")
    ends = clock(np.minimum(at + WINDOW_S, total), "left")
    return starts, np.minimum(ends, starts + LONGEST_S)


def _threshold(loaded: Loaded, threshold: float | None) -> float:
    if threshold is None:
        told = loaded.card.get("threshold")
        threshold = float(told) if isinstance(told, (int, float)) else 0.0
    if not 0 <= threshold <= 1:
        raise ParameterError(f"threshold={threshold:g} does not work: choose 0 to 1.")
    return threshold


def _signal(
    what: ClipRef | str | os.PathLike | tuple[np.ndarray, int], loaded: Loaded
) -> tuple[np.ndarray, int]:
    from core import audio

    if isinstance(what, tuple):
        return np.asarray(what[0], dtype=np.float32), int(what[1])
    ref = what if isinstance(what, ClipRef) else ClipRef.of(what)
    padding = _inputs.recipe_of(dict(loaded.trained.about)).keep_padding
    return audio.load(ref, _inputs.SR, limits=Limits.from_env(), keep_padding=padding)


def too_little(found: _inputs.Heard) -> list[str]:
    """Why a recording has too little speech or voice to be judged; empty where it has enough.

    A whisper has next to no voice: of whispers made from Common Voice nearly all, and of its
    clips hardly any, have less than ``MIN_VOICED_SHARE`` of their speech voiced.
    """
    if found.speech_s < MIN_SPEECH_S:
        return [f"Too little speech ({found.speech_s:.1f} s)."]
    if found.voiced_s < MIN_VOICED_S:
        return [f"Too little voice ({found.voiced_s:.1f} s): it may be whispered, or no speech."]
    share = found.voiced_s / found.speech_s
    if share < MIN_VOICED_SHARE:
        return [f"Only {100 * share:.0f} % of the speech is voiced: it may be whispered."]
    return []


def _clipped(y: np.ndarray) -> float:
    """Share of samples at the extremes, where there are more than a few in a row."""
    peak = float(np.abs(y).max(initial=0.0))
    if peak < 0.05:
        return 0.0
    top = np.abs(np.atleast_2d(y)) >= 0.985 * peak
    return float((top[:, 1:] & top[:, :-1]).mean()) if top.shape[1] > 1 else 0.0


def _rests_on(loaded: Loaded, x: np.ndarray, best: int) -> tuple[Ground, ...]:
    """The families that contributed most, the strongest first."""
    families = _families(loaded.trained.columns)
    X = np.repeat(x[None], len(families) + 1, axis=0)
    usual = loaded.seen.centre
    for i, columns in enumerate(families.values(), start=1):
        X[i, columns] = usual[columns]
    prob = ask(loaded, X)
    if loaded.trained.labels:
        told = np.clip(prob[:, best], 1e-9, 1 - 1e-9)
        told = np.log(told / (1 - told))
    else:
        told = prob[:, 0]
    gained = told[0] - told[1:]
    names = list(families)
    order = np.argsort(-abs(gained), kind="stable")[:MOST_REASONS]
    return tuple(_ground(names[i], families[names[i]], x, usual, gained[i], loaded) for i in order)


def _families(columns: tuple[str, ...]) -> dict[str, list[int]]:
    """Columns that say the same stand together: pitch, one MFCC, neighbouring bands, a vector."""
    found: dict[str, list[int]] = {}
    for i, name in enumerate(columns):
        mfcc, vector = _MFCC.fullmatch(name), _VECTOR.match(name)
        family = name
        if name.startswith("f0_"):
            family = "f0"
        elif mfcc:
            family = mfcc[1]
        elif vector:
            family = f"{vector[1]}:{int(vector[2]) // _BANDS}"
        elif name.startswith(_inputs.EMBEDDING):
            family = EMBEDDING
        found.setdefault(family, []).append(i)
    return found


def _ground(
    family: str, at: list[int], x: np.ndarray, usual: np.ndarray, gained: float, loaded: Loaded
) -> Ground:
    from core.features import feature_set

    columns = loaded.trained.columns
    specs = {s.name: s for s in feature_set(_set_name(loaded)).specs}
    first, value, middle = columns[at[0]], math.nan, math.nan
    unit = ""
    if ":" in family and first in columns and _VECTOR.match(first):
        part = int(family.rpartition(":")[2])
        label = f"Mel strength, {_band_hz(part)}"
    elif first in specs:
        label, unit = specs[first].label, specs[first].unit
        value, middle = float(x[at[0]]), float(usual[at[0]])
        if family == "f0":
            label = "Pitch"
        elif _MFCC.fullmatch(first):
            label = label.partition(",")[0]
    elif family == EMBEDDING:
        network = loaded.trained.about.get("network") or {}
        label = f"Vector of the network {clean(network.get('name', ''), 60)}".strip()
    else:
        label = clean(family)
    return Ground(family, label, unit, value, middle, float(gained))


def _set_name(loaded: Loaded) -> str:
    return _inputs.recipe_of(dict(loaded.trained.about)).feature_set


def _band_hz(part: int) -> str:
    """Centres of the first and the last of 16 of the 128 mel bands."""
    from core.spectra import mel_freqs

    centres = mel_freqs(128, sr=_inputs.SR)[part * _BANDS : (part + 1) * _BANDS]
    return f"{centres[0]:,.0f} to {centres[-1]:,.0f} Hz"

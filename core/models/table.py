"""A workspace and a selection as a table to learn from.

Conventions: a value that was not measured is NaN and stays so: the model's own first step fills
it. What tells about the recording rather than the voice (RECORDING) and what needs the text of a
clip (TEXT) is no input by default, since a model would take it for a shortcut or miss it in a new
recording. Ages are decades under the data set's own words; in years they are numbers where the
labels are numbers, else the middle of the decade.
"""

from collections import Counter
from collections.abc import Sequence
import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.datasets import labels
from core.errors import ParameterError
from core.filters import Selection
from core.models._inputs import EMBEDDING
from core.models.base import INPUTS, Table, TrainParams
from core.models.splits import counts, groups_of
from core.safe_text import clean
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

RECORDING = (  # length, level, noise, bandwidth, and counts that grow with the length
    "duration_s",
    "speech_duration_s",
    "speech_share",
    "pause_count",
    "syllable_count",
    "onset_count",
    "rms_dbfs",
    "peak_dbfs",
    "loudness_lufs",
    "snr_db",
    "noise_floor_dbfs",
    "spectral_bandwidth_hz",
    "spectral_rolloff_hz",
    "spectral_flatness",
    "mfcc00_mean",
    "duration",
    "nwords",
    "tempo",
)
TEXT = ("words_count", "words_per_s", "chars_per_s")
NOT_TARGETS = ("clip_id", "path", "text", "size", "mtime_ns", "label_duration", "duration", "row")
MEL_VECTOR = "mel_strength"
RAREST = 0.05  # of the commonest value's speakers or clips; a rarer value cannot be judged
MOST_VALUES = 40  # of a label used as an input
_MFCC = re.compile(r"mfcc\d\d_\w+")
_CODES = {"male": 0.0, "female": 1.0}
_HOW = {
    "features": "extract a set of features with 'python -m core extract'",
    "mfcc": "extract it with 'python -m core extract DATASET --set voice-v1 --workspace NEW'",
    "mel": "extract it with 'python -m core extract DATASET --workspace NEW'",
    "image": "make the pictures with 'python -m core mels WORKSPACE'",
    "embedding": "make them with 'python -m core embed --workspace WORKSPACE --network FILE.onnx'",
}


class _Block(NamedTuple):
    """Columns of one input, and which of the clips have it."""

    X: np.ndarray
    columns: tuple[str, ...]
    there: np.ndarray


def learn_table(
    workspace: Workspace,
    selection: Selection,
    params: TrainParams,
    *,
    features: Sequence[str] | None = None,
) -> Table:
    """Inputs, targets and speakers of the selected clips that have the target.

    Parameters
    ----------
    workspace, selection
        The clips.
    params : TrainParams
        ``target``, ``inputs``, ``split`` and ``n_splits`` are read.
    features : sequence of str, optional
        Exactly these columns instead of the default ones of the input "features"; RECORDING may
        be among them.

    Returns
    -------
    Table
        Sorted by clip_id. ``about`` has data, feature set and recipe, a fingerprint, ``classes``
        (clips and speakers of each), ``left_out`` (why clips were left out, and how many),
        ``missing`` (share of missing input values) and ``speakers``.

    Raises
    ------
    ParameterError
        There is no such target or input here, an input is the target itself, or fewer than two
        values of the target have enough speakers (clips, split by clip) for the folds.
    """
    known = targets(workspace)
    if params.target not in known:
        raise ParameterError(
            f"Unknown target {clean(params.target)}: choose one of {[clean(k) for k in known]}."
        )
    if params.target == "speaker_id" and params.split == "speaker":
        raise ParameterError(
            "Who speaks can only be learnt split by clip: a voice kept for the test is unknown "
            "to the model."
        )
    _check_inputs(params)
    names = [n for n in ("speaker_id", "age", "age_decade") if n in workspace.label_columns()]
    if params.target in workspace.label_columns():
        names.append(params.target)
    rows = workspace.features(list(dict.fromkeys(["clip_id", *names])), selection.where())
    y = _target(workspace, rows, params.target)
    left_out: dict[str, int] = {}
    rows, y = _kept(rows, y, np.array([v is not None and v == v for v in y], bool), left_out, "")
    blocks = [
        _block(workspace, rows["clip_id"].to_numpy(object), name, features)
        for name in params.inputs
    ]
    there = np.logical_and.reduce([b.there for b in blocks])
    rows, y = _kept(rows, y, there, left_out, "without an input")
    X = np.concatenate([b.X[there] for b in blocks], axis=1)
    speakers = _speakers(rows)
    enough = _enough(y, speakers, params, left_out)
    made = Table(
        X=X[enough],
        y=y[enough],
        speakers=None if speakers is None else speakers[enough],
        clip_ids=rows["clip_id"].to_numpy(object)[enough],
        columns=tuple(c for b in blocks for c in b.columns),
        blocks=_slices(params.inputs, blocks),
        about={"left_out": left_out},
    )
    return described(made, workspace, selection)


def targets(workspace: Workspace) -> tuple[str, ...]:
    """What can be learnt here: labels, ``age_years``, and tags as ``tag:name``."""
    from core.notes import Notes

    there = [n for n in workspace.label_columns() if n not in NOT_TARGETS]
    if "age_decade" in there:
        there.append("age_years")
    tags = {tag for of_clip in Notes(workspace.folder).tags().values() for tag in of_clip}
    return (*there, *(f"tag:{tag}" for tag in sorted(tags)))


def inputs(workspace: Workspace) -> tuple[str, ...]:
    """Of INPUTS what can be read from the tables of this workspace, without further work."""
    there = {
        "features": bool(_voice_columns(workspace)),
        "mfcc": any(_MFCC.fullmatch(n) for n in workspace.columns),
        "mel": MEL_VECTOR in workspace.vector_sizes,
    }
    return tuple(name for name in INPUTS if there.get(name))


def default_inputs(workspace: Workspace) -> tuple[str, ...]:
    """Features with MFCC statistics; where there are none, features with mel strengths."""
    there = inputs(workspace)
    wanted = ("features", "mfcc") if "mfcc" in there else ("features", "mel")
    return tuple(name for name in wanted if name in there)


def described(made: Table, workspace: Workspace, selection: Selection) -> Table:
    """The table with what it is about; see ``learn_table``."""
    status = workspace.status()
    groups = groups_of(made.speakers, made.y.size)
    known = made.speakers[made.speakers != ""] if made.speakers is not None else None
    mark = hashlib.sha256(np.ascontiguousarray(made.X).tobytes())
    mark.update("\n".join([*made.clip_ids, *map(str, made.y)]).encode("utf-8", "replace"))
    years = made.y.dtype.kind == "f"
    classes = {} if years else counts(made.y, groups)
    about = {
        "data": status.name,
        "feature_set": status.feature_set,
        "feature_set_version": status.recipe.get("feature_set_version", ""),
        "recipe": dict(status.recipe),
        "selection": selection.words(),
        "fingerprint": mark.hexdigest()[:16],
        "clips": int(made.y.size),
        "speakers": None if known is None else int(np.unique(known).size),
        "anonymous": int(made.y.size if known is None else made.y.size - known.size),
        "classes": {v: {"clips": c, "speakers": s} for v, (c, s) in classes.items()},
        "missing": float(np.isnan(made.X).mean()),
    }
    if years:
        about["years"] = "numbers where the labels are numbers, else the middle of the decade"
    if any(name.startswith(EMBEDDING) for name in made.columns):
        from core.models import embeddings

        found = embeddings.available(workspace)
        if found is not None:
            told = {"name": found.network, "sha256": found.sha256, "settings": dict(found.params)}
            about["network"] = told
    return made._replace(about=made.about | about)


def _voice_columns(workspace: Workspace) -> list[str]:
    """Features that are inputs by default."""
    out = {*RECORDING, *TEXT}
    return [n for n in workspace.columns if n not in out and not _MFCC.fullmatch(n)]


def _check_inputs(params: TrainParams) -> None:
    if not params.inputs:
        raise ParameterError(f"A model needs inputs: choose of {list(INPUTS)}.")
    ages = {"age", "age_decade", "age_years"}
    for name in params.inputs:
        if name not in INPUTS and not name.startswith("label:"):
            raise ParameterError(
                f"Unknown input {clean(name)}: choose of {list(INPUTS)}, or 'label:COLUMN'."
            )
        label = name.removeprefix("label:")
        if label == params.target or {label, params.target} <= ages:
            raise ParameterError(f"The input {clean(name)} is the target itself: take it out.")


def _target(workspace: Workspace, rows: "pd.DataFrame", target: str) -> np.ndarray:
    """The target of each row: str objects with None where not known, or float64 with NaN."""
    if target.startswith("tag:"):
        from core.notes import Notes

        tag = target.removeprefix("tag:")
        tagged = set(Notes(workspace.folder).tagged(tag))
        names = [tag if c in tagged else f"not {tag}" for c in rows["clip_id"]]
        return np.array(names, dtype=object)
    if target == "age_years":
        return _years(rows)
    if target == "age" and "age_decade" in rows:
        return _decades(rows)
    found = [None if v is None or v != v else _word(v) for v in rows[target]]
    return np.array(found, dtype=object)


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _years(rows: "pd.DataFrame") -> np.ndarray:
    """Ages as numbers; the middle of the decade, five years after its first, where only that."""
    import pandas as pd

    decade = rows["age_decade"].to_numpy(dtype=np.float64, na_value=np.nan)
    words = rows["age"] if "age" in rows else pd.Series(np.nan, index=rows.index)
    years = pd.to_numeric(words, errors="coerce").to_numpy(dtype=np.float64)
    return np.where(np.isfinite(years), years, decade + 5)


def _decades(rows: "pd.DataFrame") -> np.ndarray:
    """The decade of each clip, under the word that most clips of it have; "40s" where none has."""
    decades = rows["age_decade"].to_numpy(dtype=np.float64, na_value=np.nan)
    words = rows["age"].to_numpy(object) if "age" in rows else np.full(len(rows), None)
    name: dict[float, str] = {}
    for decade in np.unique(decades[np.isfinite(decades)]):
        said = Counter(str(w).strip().lower() for w in words[decades == decade])
        word = said.most_common(1)[0][0]
        name[float(decade)] = word if word in labels.DECADES else f"{decade:g}s"
    return np.array([name.get(float(d)) if d == d else None for d in decades], dtype=object)


def _kept(
    rows: "pd.DataFrame", y: np.ndarray, keep: np.ndarray, left_out: dict[str, int], why: str
) -> tuple["pd.DataFrame", np.ndarray]:
    if not keep.all():
        left_out[why or "without the target"] = int((~keep).sum())
    if not keep.any():
        raise ParameterError(
            f"No selected clip is left ({clean(why or 'all are without the target')}): clear a "
            "condition, or choose another target."
        )
    return rows[keep].reset_index(drop=True), y[keep]


def _block(
    workspace: Workspace, ids: np.ndarray, name: str, features: Sequence[str] | None
) -> _Block:
    """The columns of one input for these clips."""
    everybody = np.ones(ids.size, dtype=bool)
    if name.startswith("label:"):
        X, columns = _coded(workspace, ids, name.removeprefix("label:"))
        return _Block(X, columns, everybody)
    if name == "image":
        return _images(workspace, ids)
    if name == "embedding":
        from core.models import embeddings

        X = embeddings.read(workspace, ids)
        columns = tuple(f"{EMBEDDING}{i:03d}" for i in range(X.shape[1]))
        return _Block(X, columns, np.isfinite(X).any(axis=1))
    explicit = name == "features" and features is not None
    if name not in inputs(workspace) and not explicit:
        raise _absent(name)
    if name == "mel":
        X = workspace.vectors(MEL_VECTOR, ids).matrix
        return _Block(X, tuple(f"{MEL_VECTOR}_{i:03d}" for i in range(X.shape[1])), everybody)
    if name == "mfcc":
        columns = [n for n in workspace.columns if _MFCC.fullmatch(n) and n not in RECORDING]
    else:
        columns = list(features) if explicit else _voice_columns(workspace)
    return _Block(_numbers(workspace, ids, columns), tuple(columns), everybody)


def _absent(name: str) -> ParameterError:
    return ParameterError(f"The input '{name}' is not in this workspace: {_HOW[name]}.")


def _numbers(workspace: Workspace, ids: np.ndarray, columns: list[str]) -> np.ndarray:
    """Features of these clips, (n, d) float32, NaN where missing."""
    for column in columns:
        if column not in workspace.columns:
            raise ParameterError(f"There is no feature {clean(column)} in this workspace.")
    rows = workspace.features(["clip_id", *columns]).set_index("clip_id").loc[list(ids)]
    X = rows.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(X), X, np.nan).astype(np.float32)


def _images(workspace: Workspace, ids: np.ndarray) -> _Block:
    """Mel pictures, flattened band by band, in dB; clips without one are not there."""
    from core.eda import mel_images

    images = mel_images.open_images(workspace)
    if not len(images):
        raise _absent("image")
    rows = workspace.features(["clip_id", "path", "size", "mtime_ns"]).set_index("clip_id")
    files = rows.loc[list(ids)].itertuples(index=False, name=None)
    at = np.array([images.place(c, f) for c, f in zip(ids, files, strict=True)])
    there = np.flatnonzero(at >= 0)
    order = there[images.disk_order(at[there])]
    X = np.full((ids.size, mel_images.BANDS * mel_images.FRAMES), np.nan, dtype=np.float32)
    start = 0
    for part in images.read(at[order], "images"):
        levels = part.reshape(len(part), -1).astype(np.float32)
        X[order[start : start + len(part)]] = levels * mel_images.STEP_DB - mel_images.TOP_DB
        start += len(part)
    names = ((b, f) for b in range(mel_images.BANDS) for f in range(mel_images.FRAMES))
    return _Block(X, tuple(f"image_{b:03d}_{f:02d}" for b, f in names), at >= 0)


def _coded(
    workspace: Workspace, ids: np.ndarray, column: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """A label as numbers: male 0 and female 1, decades in years, else a column for each value."""
    if column not in workspace.label_columns() or column in NOT_TARGETS:
        raise ParameterError(f"There is no label {clean(column)} in this workspace.")
    if column == "age" and "age_decade" in workspace.label_columns():
        column = "age_decade"
    rows = workspace.features(["clip_id", column]).set_index("clip_id").loc[list(ids)]
    if rows[column].dtype.kind == "f":
        X = rows[column].to_numpy(dtype=np.float32)[:, None]
        return X, (f"label:{column}",)
    words = np.array([None if v is None or v != v else str(v) for v in rows[column]], dtype=object)
    if column == "gender":
        X = np.array([_CODES.get(w, np.nan) for w in words], dtype=np.float32)[:, None]
        return X, ("label:gender",)
    values = sorted({w for w in words if w is not None})
    if len(values) > MOST_VALUES:
        raise ParameterError(
            f"The label {clean(column)} has {len(values):,} values, too many for an input: at most "
            f"{MOST_VALUES} work."
        )
    X = np.array([[float(w == v) for v in values] for w in words], dtype=np.float32)
    return X.reshape(len(words), len(values)), tuple(f"label:{column}={v}" for v in values)


def _speakers(rows: "pd.DataFrame") -> np.ndarray | None:
    if "speaker_id" not in rows:
        return None
    found = np.array(["" if v is None or v != v else str(v) for v in rows["speaker_id"]], object)
    return found if any(found) else None


def _enough(
    y: np.ndarray, speakers: np.ndarray | None, params: TrainParams, left_out: dict[str, int]
) -> np.ndarray:
    """Clips whose value of the target has speakers enough to be learnt and judged, (n,) bool."""
    if y.dtype.kind == "f":
        return np.ones(y.size, dtype=bool)
    by_speaker = params.split == "speaker" and speakers is not None
    groups = groups_of(speakers, y.size) if by_speaker else np.arange(y.size)
    found = {value: n for value, (_, n) in counts(y, groups).items()}
    whose = "speakers" if by_speaker else "clips"
    if len(found) < 2:
        raise ParameterError(
            f"All clips have the same {clean(params.target)}: a model needs two values at least."
        )
    fewest = max(params.n_splits, RAREST * max(found.values()))
    rare = [value for value, n in found.items() if n < fewest]
    if len(found) - len(rare) < 2:
        worst = min(found, key=lambda v: found[v])
        raise ParameterError(
            f"{clean(worst, 40)}: {found[worst]} {whose} are too few for {params.n_splits} folds, "
            "and fewer than two values have enough. Choose fewer folds or another target."
        )
    for value in rare:
        left_out[f"{value}: too few {whose}"] = int((y == value).sum())
    return ~np.isin(y.astype(str), rare)


def _slices(names: Sequence[str], blocks: Sequence[_Block]) -> dict[str, slice]:
    ends = np.cumsum([len(b.columns) for b in blocks])
    return {n: slice(int(e) - len(b.columns), int(e)) for n, b, e in zip(names, blocks, ends)}  # noqa: B905

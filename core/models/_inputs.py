"""From a signal to a model's inputs, and from a workspace to them, by the names of the columns.

A model whose inputs are embeddings remembers the network that made them in ``about["network"]``:
``name`` of its file, ``sha256``, and ``settings``, the fields of ``EmbeddingParams``. Anybody may
have written that: only a network with this SHA-256 is run, with settings that were checked.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
import hashlib
import json
from pathlib import Path
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.errors import AudioTooShortError, ModelError, ParameterError, VoiceError
from core.models.base import Table
from core.safe_text import clean

if TYPE_CHECKING:
    from core.models.embeddings import Network
    from core.store import Workspace

SR = 16_000
MEL = "mel_strength"
LABEL = "label:"
EMBEDDING = "embedding_"
_KINDS = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}
_KINDS[type(None)] = (int, float, type(None))


class Heard(NamedTuple):
    """A signal as a model hears it: inputs (d,), and how much of it is speech and voice, s."""

    x: np.ndarray
    duration_s: float
    speech_s: float
    voiced_s: float


def recipe_of(about: dict[str, Any]) -> Any:
    """What was done to the sound before the training clips were measured."""
    from core.extract import Recipe

    told = about.get("recipe") or {}
    found = Recipe(
        str(told.get("feature_set") or about.get("feature_set") or "voice-v1"),
        told.get("clean"),
        bool(told.get("keep_padding")),
    )
    found.check()
    return found


def needs_no_label(columns: tuple[str, ...]) -> None:
    """Raise ModelError where a model has labels as inputs, which a new recording has not."""
    names = {n.removeprefix(LABEL).partition("=")[0] for n in columns if n.startswith(LABEL)}
    if names:
        told = ", ".join(clean(name, 40) for name in sorted(names))
        raise ModelError(
            f"This model has labels as inputs ({told}), and a new recording has none: ask a model "
            "that was trained without them."
        )


def heard(
    y: np.ndarray,
    *,
    sr: int,
    about: dict[str, Any],
    columns: tuple[str, ...],
    network: "Network | None" = None,
) -> Heard:
    """Measure a signal once.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Signal.
    sr : int > 0
        Sampling rate in Hz.
    about : dict
        Of the model.
    columns : tuple of str
        The model's inputs.
    network : Network, optional
        What makes those of them that are embeddings; see ``network_of``.

    Raises
    ------
    AudioTooShortError
        The signal is empty.
    ModelError
        The model has a label as an input, or the network fails on this signal.
    """
    from core import audio, features

    needs_no_label(columns)
    y = np.asarray(y, dtype=np.float32)
    y = y.mean(axis=0, dtype=np.float32) if y.ndim == 2 else y
    if not y.size:
        raise AudioTooShortError("The signal is empty: an answer needs at least one sample.")
    if sr != SR:
        y = audio.resample(y, sr_in=sr, sr_out=SR)
    recipe = recipe_of(about)
    if recipe.clean == "article":
        from core.clean import clean
        from core.params import ARTICLE_CLEAN

        y = clean(y, sr=SR, params=ARTICLE_CLEAN).y
    found = features.extract(y, sr=SR, feature_set=recipe.feature_set)
    values = dict(found.values)
    for name, vector in found.vectors.items():
        values |= {f"{name}_{i:03d}": float(v) for i, v in enumerate(vector)}
    if columns and columns[0].startswith("image_"):
        values |= _image(y)
    if network is not None:
        vector = network.embed(y, SR)
        values |= {f"{EMBEDDING}{i:03d}": float(v) for i, v in enumerate(vector)}
    x = np.array([values.get(name, np.nan) for name in columns], dtype=np.float32)
    duration_s = y.size / SR
    speech_s, voiced_s = _spoken(y, found.values)
    return Heard(x, duration_s, speech_s, voiced_s)


def from_workspace(workspace: Any, selection: Any, trained: Any) -> Table:
    """Clips of another workspace with exactly the model's inputs, in its order.

    Raises
    ------
    ModelError
        The workspace has another feature set, version or cleaning, or vectors of another network.
    ParameterError
        The target or an input is not there.
    """
    from dataclasses import replace

    from core.models.table import learn_table

    status = workspace.status()
    told, ours = status.recipe, trained.about.get("recipe") or {}
    for name, words in (
        ("feature_set", "feature set"),
        ("feature_set_version", "version of the feature set"),
        ("clean", "cleaning"),
    ):
        if name in ours and told.get(name) != ours[name]:
            raise ModelError(
                f"The model was trained on {words} {clean(ours[name] or 'none')}, and this "
                f"workspace holds {clean(told.get(name) or 'none')}: extract the data set again "
                "the same way."
            )
    same_here(workspace, trained.about, trained.columns)
    rest = tuple(n for n in trained.params.inputs if n not in ("features", "mfcc"))
    plain = [
        c for c in trained.columns if not c.startswith((f"{MEL}_", "image_", LABEL, EMBEDDING))
    ]
    inputs = (("features",) if plain else ()) + rest
    params = replace(trained.params, inputs=inputs, split="clip", n_splits=2)
    table = learn_table(workspace, selection, params, features=plain)
    place = {name: i for i, name in enumerate(table.columns)}
    missing = [name for name in trained.columns if name not in place]
    if missing:
        raise ModelError(f"This workspace has no input {clean(missing[0])}, which the model needs.")
    X = table.X[:, [place[name] for name in trained.columns]]
    return table._replace(X=X, columns=trained.columns, blocks={})


def network_of(
    about: Mapping[str, Any],
    columns: tuple[str, ...],
    *,
    path: Path | None = None,
    given: Path | None = None,
) -> "Network | None":
    """The network that makes a model's inputs, opened; None where it needs none.

    Parameters
    ----------
    about, columns
        Of the model.
    path : Path, optional
        The model's file; in the folder ``models`` of a workspace, the network is that workspace's.
    given : Path, optional
        The network's file, in its place.

    Raises
    ------
    ModelError
        The model does not remember its network, it is not here, or it is another.
    ParameterError
        A network is given, and the model needs none.
    """
    size = sum(name.startswith(EMBEDDING) for name in columns)
    if not size:
        if given is not None:
            raise ParameterError("This model needs no network: ask it without one.")
        return None
    told = about.get("network")
    if not told:
        raise ModelError(
            "This model has vectors of a pretrained network as inputs and does not remember which: "
            "train it anew."
        )
    name, sha256, params = _checked(told)
    shown = f"{name} (SHA-256 {sha256[:12]}…)"
    place = given or _beside(path)
    if place is None:
        raise ModelError(
            f"This model hears with the network {shown}, which is not beside it: keep the model in "
            "the folder models of the workspace that it was trained on, or name the network's file "
            "with 'python -m core predict --network FILE.onnx'."
        )
    opened = _opened(str(place), _stamp(place), sha256, params)
    if opened is None and given is not None:
        raise ModelError(
            f"{clean(place.name, 60)}: this is another network than {shown}, which the model hears "
            "with: name that one."
        )
    if opened is None:
        raise ModelError(
            f"This model hears with the network {shown}, and its workspace holds another one by "
            "now: name the file with 'python -m core predict --network FILE.onnx', or train the "
            "model anew."
        )
    if opened.size != size:
        raise ModelError(
            f"The network {shown} gives {opened.size:,} values and this model takes {size:,}: "
            "train it anew."
        )
    return opened


def same_here(workspace: "Workspace", about: Mapping[str, Any], columns: tuple[str, ...]) -> None:
    """Raise ModelError where a workspace's vectors are not of the model's network."""
    told = about.get("network")
    if not told or not any(name.startswith(EMBEDDING) for name in columns):
        return
    from core.models import embeddings

    name, sha256, params = _checked(told)
    here = embeddings.available(workspace)
    if here is None:
        return  # reading them says what to do
    if (here.sha256, _text(here.params)) != (sha256, params):
        raise ModelError(
            f"The model hears with the network {name} (SHA-256 {sha256[:12]}…), and this workspace "
            f"has vectors of {clean(here.network, 60)}, or made with other settings: make them "
            "again with 'python -m core embed --rebuild'."
        )


def _spoken(y: np.ndarray, values: dict[str, float]) -> tuple[float, float]:
    """Seconds of speech and of voice; a set that does not measure them is helped out."""
    duration_s = y.size / SR
    speech_s = values.get("speech_duration_s")
    if speech_s is None:
        from core import segments

        found = segments.speech_segments(y, sr=SR).segments
        speech_s = float(np.diff(found, axis=1).sum()) if len(found) else 0.0
        return speech_s, speech_s
    share = values.get("voiced_share", np.nan)
    voiced_s = duration_s * share if np.isfinite(share) else 0.0
    return (float(speech_s) if np.isfinite(speech_s) else 0.0), float(voiced_s)


def _image(y: np.ndarray) -> dict[str, float]:
    from core.eda import mel_images

    picture, _ = mel_images.picture(y, sr=SR)
    levels = picture.astype(np.float32) * mel_images.STEP_DB - mel_images.TOP_DB
    return {
        f"image_{b:03d}_{f:02d}": float(levels[b, f])
        for b in range(levels.shape[0])
        for f in range(levels.shape[1])
    }


def _checked(told: Any) -> tuple[str, str, str]:
    """Name, SHA-256 and settings as JSON; what is remembered may be anybody's invention."""
    from core.models.embeddings import EmbeddingParams

    try:
        name, sha256 = clean(told["name"], 60), told["sha256"]
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError
        params = EmbeddingParams(**told["settings"])
        for field, usual in asdict(EmbeddingParams()).items():
            value = getattr(params, field)
            if type(value) not in _KINDS[type(usual)]:
                raise TypeError(field)
        params.check()
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise ModelError(
            "What this model remembers of its network cannot be: train it anew."
        ) from err
    return name, sha256, _text(asdict(params))


def _text(params: Mapping[str, Any]) -> str:
    return json.dumps(dict(params), sort_keys=True)


def _workspace_of(path: Path | None) -> "Workspace | None":
    """The workspace in whose folder ``models`` a file lies."""
    if path is None or path.parent.name != "models":
        return None
    from core.store import Workspace

    try:
        return Workspace.open(path.parent.parent)
    except (VoiceError, OSError):
        return None


def _beside(path: Path | None) -> Path | None:
    """The network kept in the workspace of a model's file."""
    from core.models.embeddings import network_path

    workspace = _workspace_of(path)
    found = None if workspace is None else network_path(workspace)
    return found if found is not None and found.is_file() else None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@lru_cache(2)
def _opened(path: str, stamp: tuple[int, int], sha256: str, params: str) -> "Network | None":
    """The network in a file if it is this one, else None; ``stamp`` changes when the file does."""
    from core.models._embedder import MOST_MB, EmbeddingParams, open_network

    if Path(path).is_file() and stamp[1] <= MOST_MB << 20:
        with suppress(OSError), open(path, "rb") as file:  # opening it says what is wrong
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return None
    opened = open_network(path, EmbeddingParams(**json.loads(params)))
    return opened if opened.sha256 == sha256 else None

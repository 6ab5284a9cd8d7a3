"""Model files: one zip that holds an estimator, its card, and what it has seen; safe to open.

Inside: ``card.json`` (what was asked, versions, columns, labels, fingerprint of the data, card),
``estimator.skops`` or ``network.onnx``, ``predictions.npz`` (answers out of fold) and ``seen.npz``
(the training clips, standardised, to tell what is near and what is far). No pickle anywhere.

Conventions: sizes and names are checked before anything is unpacked, types before anything is made,
structure before anything is asked. The same model gives the same bytes.
"""

from collections.abc import Mapping
import copy
from dataclasses import asdict, dataclass, replace
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any
import warnings
import zipfile

import numpy as np

from core.errors import ModelError, StoreError
from core.models import _pack, _trust
from core.models import card as cards
from core.models._seen import Neighbours, Seen, restore, standardised
from core.models.base import Predictions, Table, Trained, TrainParams
from core.safe_text import clean
from core.store import write_whole

FORMAT = 1
MOST_BYTES = 400_000_000  # of a file, and of what it unpacks to
MOST_PARTS = 20_000  # files in a file
MOST_CARD = 8_000_000  # bytes
PARTS = ("card.json", "predictions.npz", "seen.npz")
ESTIMATORS = ("estimator.skops", "network.onnx")


@dataclass(frozen=True)
class Loaded:
    """A model file, opened: the model, what it has seen, its card, and its training clips.

    ``path`` is where it lies; ``network`` the file of the network that makes its inputs, where that
    was told.
    """

    trained: Trained
    seen: Seen
    card: dict[str, Any]
    neighbours: Neighbours
    path: Path | None = None
    network: Path | None = None


def save(
    trained: Trained,
    table: Table,
    path: str | os.PathLike,
    *,
    extra: Mapping[str, Any] | None = None,
    most_seen: int = 10_000,
) -> Path:
    """Write a model to a file that appears whole or not at all.

    Parameters
    ----------
    trained : Trained
        The model.
    table : Table
        What it was fitted on.
    path : path
        Where to; replaced where it exists.
    extra : mapping, optional
        More for the card, as ``core.models.card.card`` describes.
    most_seen : int
        At most so many training clips are kept to compare new ones with, spread evenly.

    Raises
    ------
    ModelError
        The estimator is not of the families that ``load`` accepts, or the file cannot be written.
    """
    path = Path(os.path.abspath(path))
    name, data = _estimator_bytes(trained.estimator)
    found = cards.card(trained, table, extra)
    parts = {
        "card.json": json.dumps(_head(trained, table, found), indent=1).encode(),
        name: data,
        "predictions.npz": _pack.npz(_predictions(trained.predictions)),
        "seen.npz": _pack.npz(standardised(table, most_seen)),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: file.write(_pack.zipped(parts)))
    except (StoreError, OSError) as err:
        raise ModelError(f"{_shown(path)}: the model could not be written ({err}).") from err
    return path


def load(path: str | os.PathLike, *, network: str | os.PathLike | None = None) -> Loaded:
    """Open a model file.

    Parameters
    ----------
    path : path
        The file.
    network : path, optional
        The ONNX file that makes its inputs, where these are embeddings; else that of the workspace
        is asked in whose folder ``models`` the model lies. It is opened with the first recording.

    Raises
    ------
    ModelError
        It is not a model file, damaged, too large, newer than this program, of another feature
        set, or holds a type that is not on our list; nothing of it was run.
    """
    path = Path(os.path.abspath(os.fsdecode(path)))
    told = None if network is None else Path(os.path.abspath(os.fsdecode(network)))
    try:
        return replace(_load(path), path=path, network=told)
    except ModelError as err:
        raise ModelError(f"{_shown(path)}: {err}") from err
    except FileNotFoundError:
        raise ModelError(f"{_shown(path)}: there is no such file. Check its name.") from None
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as err:
        raise ModelError(
            f"{_shown(path)}: this is not a model of this program, or it is damaged: get it again, "
            "or train it anew."
        ) from err
    except Exception as err:  # what a hostile file makes readers raise has no end
        raise ModelError(
            f"{_shown(path)}: the parts of this model do not fit one another "
            f"({clean(type(err).__name__)}): train it anew."
        ) from err


def fingerprint(table: Table) -> str:
    """The data in 64 hex digits: SHA-256 of clip ids, columns, inputs and targets."""
    found = hashlib.sha256()
    found.update(json.dumps([table.clip_ids.tolist(), list(table.columns)]).encode())
    found.update(np.ascontiguousarray(table.X, dtype="<f4").tobytes())
    found.update(json.dumps([str(v) for v in table.y]).encode())
    return found.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what a model depends on."""
    from importlib.metadata import version

    import core

    names = ("numpy", "scikit-learn", "skops", "onnxruntime")
    return {"phonoscope": core.__version__} | {name: version(name) for name in names}


def _load(path: Path) -> Loaded:
    if not path.is_file():
        raise FileNotFoundError(path)
    if path.stat().st_size > MOST_BYTES:
        raise ModelError("this file is larger than a model may be.")
    with zipfile.ZipFile(path) as file:
        _check_parts(file, {*PARTS, *ESTIMATORS})
        names = set(file.namelist())
        kinds = [name for name in ESTIMATORS if name in names]
        if not set(PARTS) <= names or len(kinds) != 1:
            raise ModelError("this is not a model of this program: parts are missing.")
        if file.getinfo("card.json").file_size > MOST_CARD:
            raise ModelError("the card of this model is larger than a card may be.")
        head = json.loads(file.read("card.json"))
        _check_head(head)
        data = file.read(kinds[0])
        predictions = _arrays(file.read("predictions.npz"))
        seen = _arrays(file.read("seen.npz"))
    columns, labels = tuple(map(str, head["columns"])), tuple(map(str, head["labels"]))
    estimator = _estimator(kinds[0], data, columns, labels)
    trained = Trained(
        params=_params(head["params"]),
        estimator=estimator,
        labels=labels,
        columns=columns,
        predictions=_as_predictions(predictions, labels),
        temperature=float(np.clip(float(head["temperature"]), 0.01, 100)),
        rows=_as_rows(head.get("rows")),
        about=dict(head["about"]),
    )
    return Loaded(trained, *_split(restore(seen, len(columns)), head["card"]))


def _split(found: tuple[Seen, Neighbours], card: Any) -> tuple[Seen, dict[str, Any], Neighbours]:
    return found[0], dict(card), found[1]


def _check_parts(file: zipfile.ZipFile, known: set[str] | None) -> None:
    """Names and sizes as the zip claims them; zipfile stops where there is more than that."""
    entries = file.infolist()
    names = [entry.filename for entry in entries]
    if len(entries) > MOST_PARTS or len(set(names)) != len(names):
        raise ModelError("this file has more parts than a model may have.")
    if known is not None and not set(names) <= known:
        strange = clean(sorted(set(names) - known)[0], 40)
        raise ModelError(f"this is not a model of this program: it holds {strange!r}.")
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise ModelError("this file unpacks to more than a model may hold.")
    if any(entry.flag_bits & 1 for entry in entries):
        raise ModelError("this file is encrypted: it was not opened.")


def _check_head(head: Any) -> None:
    from core.features import FEATURE_SETS, feature_set

    if not isinstance(head, dict) or not isinstance(head.get("format"), int):
        raise ModelError("this is not a model of this program: its card says nothing.")
    if head["format"] > FORMAT:
        raise ModelError(
            f"this model has format {head['format']}, and this program reads up to {FORMAT}: "
            "update the program."
        )
    name, version = clean(head["feature_set"], 40), clean(head["feature_set_version"], 40)
    if name not in FEATURE_SETS:
        raise ModelError(
            f"this model was trained on the feature set {name!r}, which this program does not "
            "measure: train it anew."
        )
    if version != (ours := feature_set(name).version):
        raise ModelError(
            f"this model was trained on version {version} of {name}, and this program measures "
            f"version {ours}: train it anew."
        )
    if not 0 < len(head["columns"]) <= 100_000 or len(head["labels"]) > 10_000:
        raise ModelError("this model has more inputs or answers than a model may have.")


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """Arrays of an npz whose every size was checked."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        _check_parts(file, None)
        found = {}
        for name in file.namelist():
            part = file.read(name)
            _trust.npy_header(part)
            found[name.removesuffix(".npy")] = np.load(io.BytesIO(part), allow_pickle=False)
    return found


def _estimator_bytes(estimator: Any) -> tuple[str, bytes]:
    network = getattr(estimator, "onnx_", None)
    if isinstance(network, bytes):
        return "network.onnx", network
    from skops import io as sio

    data = _pack.same_each_time(sio.dumps(_without_search_trees(estimator)))
    _trust.check_schema(data)
    return "estimator.skops", data


def _without_search_trees(estimator: Any) -> Any:
    """Nearest neighbours asked by comparing with all: a stored search tree cannot be checked."""
    found = copy.deepcopy(estimator)
    for part in _trust.parts(found):
        if type(part).__name__.startswith("KNeighbors"):
            part.algorithm, part._fit_method, part._tree = "brute", "brute", None
    return found


def _estimator(name: str, data: bytes, columns: tuple[str, ...], labels: tuple[str, ...]) -> Any:
    if name == "network.onnx":
        from core.models._network import Network

        estimator: Any = Network(data, len(columns), labels)
    else:
        from skops import io as sio

        with zipfile.ZipFile(io.BytesIO(data)) as file:
            _check_parts(file, None)
            for part in file.namelist():
                if part.endswith(".npy"):
                    _trust.npy_header(file.read(part))
                elif part != "schema.json":
                    raise ModelError("its estimator holds a part that is not an array.")
        _trust.check_schema(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions: what fits is checked below
            estimator = sio.loads(data, trusted=list(_trust.trusted()))
        _trust.check_structure(estimator, len(columns), labels)
    _try_out(estimator, len(columns), labels)
    return estimator


def _try_out(estimator: Any, columns: int, labels: tuple[str, ...]) -> None:
    """Ask about two clips of zeros: an answer must have the shape that the card promises."""
    X = np.zeros((2, columns), dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = np.asarray(estimator.predict_proba(X) if labels else estimator.predict(X))
    fits = found.shape == ((2, len(labels)) if labels else (2,)) and np.isfinite(found).all()
    if labels and fits:
        fits = found.min() >= 0 and np.allclose(found.sum(axis=1), 1, atol=1e-3)
    if not fits:
        raise ModelError("the model's answers are not probabilities of its labels: train it anew.")


def _head(trained: Trained, table: Table, card: dict[str, Any]) -> dict[str, Any]:
    from core.features import feature_set

    name = str(table.about["feature_set"])
    version = str(table.about.get("feature_set_version") or feature_set(name).version)
    rows = trained.rows
    return _pack.plain(
        {
            "format": FORMAT,
            "params": asdict(trained.params),
            "feature_set": name,
            "feature_set_version": version,
            "versions": versions(),
            "data_sha256": fingerprint(table),
            "columns": list(trained.columns),
            "labels": list(trained.labels),
            "temperature": float(trained.temperature),
            "about": trained.about,
            "rows": None if rows is None else rows.to_dict("split", index=False),
            "card": card,
        }
    )


def _params(found: Mapping[str, Any]) -> TrainParams:
    settings = tuple((str(k), tuple(v) if isinstance(v, list) else v) for k, v in found["settings"])
    return TrainParams(**{**found, "inputs": tuple(found["inputs"]), "settings": settings})


def _as_rows(found: Any) -> Any:
    if not found:
        return None
    import pandas as pd

    return pd.DataFrame(found["data"], columns=found["columns"])


def _predictions(found: Predictions) -> dict[str, np.ndarray]:
    y = found.y
    values = {} if found.labels else {"values": np.asarray(y, dtype=np.float64)}
    coded = {"y": _codes(y, found.labels)} if found.labels else {}
    speakers = {}
    if found.speakers is not None:
        named = np.asarray(found.speakers, dtype=str)
        codes = np.unique(named, return_inverse=True)[1].astype(np.int32)
        speakers = {"speakers": np.where(named == "", -1, codes).astype(np.int32)}
    return {
        "clip_ids": np.asarray(found.clip_ids, dtype=str),
        "prob": np.asarray(found.prob, dtype=np.float32),
        "fold": np.asarray(found.fold, dtype=np.int16),
        **coded,
        **values,
        **speakers,
    }


def _codes(y: np.ndarray, labels: tuple[str, ...]) -> np.ndarray:
    place = {label: i for i, label in enumerate(labels)}
    return np.array([place[str(v)] for v in y], dtype=np.int16)


def _as_predictions(found: dict[str, np.ndarray], labels: tuple[str, ...]) -> Predictions:
    """Codes come back as labels; a speaker comes back as ``s<code>``, "" where not known."""
    ids, prob = found["clip_ids"].astype(object), found["prob"]
    if prob.shape != (len(ids), max(len(labels), 1)) or found["fold"].shape != (len(ids),):
        raise ModelError("the model's own predictions do not fit one another: train it anew.")
    y = np.asarray(labels, dtype=object)[found["y"]] if labels else found["values"]
    speakers = None
    if "speakers" in found:
        speakers = np.array([f"s{c}" if c >= 0 else "" for c in found["speakers"]], dtype=object)
    return Predictions(ids, y, prob, labels, speakers, found["fold"])


def _shown(path: Path) -> str:
    return clean(path.name) or "this file"

"""A pretrained network as a feature extractor: any ONNX audio network, one vector of each clip.

Conventions: sound is mono at 16,000 Hz, full scale 1; frames are 25 ms every 10 ms. A vector is the
mean over time of one of the network's outputs. Inputs: "waveform"; "logmel", as for YAMNet [#]_;
"fbank", Kaldi's filter bank less its mean over time, as for ECAPA-TDNN [#]_. What an input wants
is guessed from its shape in the file, shown by ``Network.words``, and can be set.

Layout of the folder ``embeddings`` of a workspace: ``network.onnx``, a copy of the network;
``recipe.json``, what was done with it; and by parts of 128 clips ``vectors-N.npy`` (n, d) float32
and ``clips-N.json``, whose they are, written last.

.. [#] github.com/tensorflow/models, research/audioset/yamnet, features.py.
.. [#] H. Wang et al., "WeSpeaker: a research and production oriented speaker embedding learning
   toolkit", ICASSP 2023.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
import json
import os
from pathlib import Path
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.errors import DatasetError, ModelError, ParameterError, StoreError
from core.extract import (
    Cancelled,
    Crew,
    Progress,
    Run,
    Summary,
    discard,
    in_archive_order,
    is_packed,
    local_path,
)
from core.models._embedder import DEFAULT, SR, EmbeddingParams, Network, open_network
from core.safe_text import clean
from core.store import (
    Unit,
    Workspace,
    locked,
    remove_temporaries,
    shown,
    speaking,
    write_whole,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Available",
    "EmbeddingParams",
    "Network",
    "available",
    "embed_workspace",
    "network_of",
    "open_network",
    "read",
]

PART = 128  # clips


class Available(NamedTuple):
    """The vectors of a workspace: of ``clips`` clips, ``size`` values each; ``failed`` clips have
    none. ``network`` and ``sha256`` name the file, ``words`` what it takes, ``params`` how.
    """  # noqa: D205

    clips: int
    failed: int
    size: int
    network: str
    sha256: str
    words: str
    params: dict[str, Any]


def embed_workspace(
    workspace: Workspace,
    path: str | os.PathLike,
    params: EmbeddingParams = DEFAULT,
    *,
    workers: int = 2,
    limit: int | None = None,
    rebuild: bool = False,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Summary:
    """Make the vectors that are missing, in worker processes of one thread each.

    Parameters
    ----------
    workspace : Workspace
        The sound is cleaned as for its table.
    path : path
        An ONNX file; see ``open_network``.
    params : EmbeddingParams
        How it is used.
    workers : int
        Processes.
    limit : int, optional
        Only this many clips, a sample that is the same every time.
    rebuild : bool
        Delete the vectors of another network or other settings.
    progress, cancelled : callable, optional
        As ``progress`` and ``cancel`` of ``core.extract.extract_dataset``.

    Returns
    -------
    Summary
        What was done. A clip that fails is not tried again until its file changes.

    Raises
    ------
    DatasetError
        The workspace has no sound.
    ModelError, ParameterError
        The network or the settings do not work.
    StoreError
        There are vectors of another network, or the folder may not be written.
    """
    began = time.monotonic()
    for name, value in (("workers", workers), ("limit", limit)):
        if value is not None and value < 1:
            raise ParameterError(f"{name}={value} does not work: choose 1 or more.")
    opened, wanted = open_network(path, params), _wanted(workspace, limit)
    place, recipe = _folder(workspace), _recipe(workspace, opened)
    with speaking(place):
        place.mkdir(exist_ok=True)
    with locked(place):
        remove_temporaries(place)
        _keep(place, recipe, opened, rebuild)
        run = Run(_Parts(place, wanted), progress, cancelled)  # type: ignore[arg-type]
        task = {**recipe, "file": str(place / "network.onnx")}
        try:
            run.through(Crew(workers, f"{__name__}:measure", task), _packed_in(wanted))
        except Cancelled:
            run.cancelled = True
        return run.summary(time.monotonic() - began)


def available(workspace: Workspace) -> Available | None:
    """What vectors there are of the clips as they are now; None where there are none."""
    recipe = _made_the_same(workspace)
    found = _vectors_of(workspace) if recipe else {}
    if not recipe or not found:
        return None
    parts = _found(_folder(workspace)).values()
    failed = len({row[0] for part in parts for row in part["failed"]} - set(found))
    told = (recipe[n] for n in ("size", "network", "sha256", "words", "params"))
    return Available(len(found), failed, *told)


def read(workspace: Workspace, clip_ids: Sequence[str] | np.ndarray) -> np.ndarray:
    """The vectors of some clips, (n, d) float32, in their order; NaN where a clip has none.

    Raises
    ------
    ParameterError
        There are no vectors here.
    StoreError
        A part is damaged or gone.
    """
    recipe = _made_the_same(workspace)
    places = _vectors_of(workspace) if recipe else {}
    if not recipe or not places:
        raise ParameterError(
            "This workspace has no embeddings of its clips: make them with 'python -m core embed "
            "--workspace WORKSPACE --network FILE.onnx'."
        )
    X = np.full((len(clip_ids), recipe["size"]), np.nan, dtype=np.float32)
    wanted: dict[int, list[tuple[int, int]]] = {}
    for i, clip_id in enumerate(clip_ids):
        if clip_id in places:
            number, row = places[clip_id]
            wanted.setdefault(number, []).append((i, row))
    for number, pairs in wanted.items():
        at, rows = np.array(pairs).T
        X[at] = _load(_folder(workspace) / f"vectors-{number:05d}.npy")[rows]
    return X


def network_of(workspace: Workspace) -> Network:
    """The network that made a workspace's vectors, to make one of a new recording.

    Raises
    ------
    ModelError
        There is none, or its file was changed.
    """
    recipe = _read_json(_folder(workspace) / "recipe.json")
    if not recipe:
        raise ModelError("This workspace has no embeddings, and so no network that made them.")
    text = json.dumps(recipe["params"], sort_keys=True)
    return _kept(str(_folder(workspace) / "network.onnx"), recipe["sha256"], text)


def measure(item: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The vector of a clip of the catalogue; called by the workers."""
    from core import audio
    from core.audio import ClipRef, Limits

    opened = _kept(recipe["file"], recipe["sha256"], json.dumps(recipe["params"], sort_keys=True))
    path, is_copy = local_path(dict(item))
    try:
        as_it_is = is_copy or int(item["size"]) <= 0  # imported tables do not know their files
        ref = ClipRef.of(path) if as_it_is else ClipRef(path, item["size"], item["mtime_ns"])
        padding = bool(recipe.get("keep_padding"))
        y, sr = audio.load(ref, SR, limits=Limits.from_env(), keep_padding=padding)
    finally:
        if is_copy:
            discard(path)
    seconds = y.size / sr
    if recipe.get("clean") == "article":
        from core.clean import clean as clean_signal
        from core.params import ARTICLE_CLEAN

        y = clean_signal(y, sr=sr, params=ARTICLE_CLEAN).y
    return {"values": {}, "vectors": {"vector": opened.embed(y, sr)}, "seconds": seconds}


@lru_cache(1)
def _kept(path: str, sha256: str, params: str) -> Network:
    opened = open_network(path, EmbeddingParams(**json.loads(params)))
    if opened.sha256 != sha256:
        raise ModelError("The network was changed since the first clips: make the vectors again.")
    return opened


class _Parts:
    """What a run of ``core.extract`` asks of a writer, over the parts of vectors."""

    def __init__(self, folder: Path, wanted: "pd.DataFrame"):
        self.folder, self.messages = folder, []
        self.plan = SimpleNamespace(clips=len(wanted), units=())
        found = _found(folder)
        self._next = 1 + max(map(_number, folder.glob("clips-*.json")), default=-1)
        there = {tuple(row[:4]) for p in found.values() for row in (*p["clips"], *p["failed"])}
        rows = wanted.to_dict("records")
        self._missing = [row for row in rows if tuple(row.values()) not in there]
        self._keys = {row["clip_id"]: list(row.values()) for row in self._missing}

    def missing(self) -> list[Unit]:
        starts = range(0, len(self._missing), PART)
        cut = (tuple(self._missing[start : start + PART]) for start in starts)
        return [Unit(self._next + i, items) for i, items in enumerate(cut)]

    def clips_missing(self) -> int:
        return len(self._missing)

    def write(self, number: int, rows: list[dict[str, Any]]) -> None:
        good = [row for row in rows if row.get("error") is None]
        vectors = np.array([row["vectors"]["vector"] for row in good], dtype=np.float32)
        path = self.folder / f"vectors-{number:05d}.npy"
        write_whole(path, lambda file: np.save(file, vectors))
        failed = [r for r in rows if r.get("error") is not None]
        part = {
            "clips": [self._keys[r["clip_id"]] for r in good],
            "failed": [[*self._keys[r["clip_id"]], str(r["message"])] for r in failed],
        }
        _write_json(self.folder / f"clips-{number:05d}.json", part)

    def tidy(self) -> None:
        pass


def _folder(workspace: Workspace) -> Path:
    return workspace.folder / "embeddings"


def _recipe(workspace: Workspace, opened: Network) -> dict[str, Any]:
    told = {n: workspace.status().recipe.get(n) for n in ("clean", "clean_digest", "keep_padding")}
    made = {"network": opened.name, "sha256": opened.sha256, "size": opened.size}
    return {"version": 1, **told, **made, "words": opened.words, "params": asdict(opened.params)}


def _made_the_same(workspace: Workspace) -> dict[str, Any] | None:
    """How the vectors were made; None where there are none, or of sound cleaned otherwise."""
    recipe, now = _read_json(_folder(workspace) / "recipe.json"), workspace.status().recipe
    names = ("clean", "clean_digest", "keep_padding")
    same = recipe and all(recipe.get(n) == now.get(n) for n in names)
    return recipe if same else None


def _keep(folder: Path, recipe: dict[str, Any], opened: Network, rebuild: bool) -> None:
    """Keep the network and how it is used; delete vectors of another if told to."""
    before = _read_json(folder / "recipe.json")
    ways = [
        {k: v for k, v in (r or {}).items() if k not in ("network", "words")}
        for r in (before, recipe)
    ]
    if ways[0] == ways[1]:
        return
    old = [*folder.glob("clips-*.json"), *folder.glob("vectors-*.npy")]
    if before and old and not rebuild:
        raise StoreError(
            f"This workspace has embeddings of {clean(before.get('network'), 60)}, made otherwise: "
            "tell to rebuild (--rebuild) to delete them."
        )
    for path in old:
        path.unlink(missing_ok=True)
    write_whole(folder / "network.onnx", lambda file: file.write(opened.data))
    _write_json(folder / "recipe.json", recipe)


def _wanted(workspace: Workspace, limit: int | None) -> "pd.DataFrame":
    from core.eda.mel_images import has_sound

    if not has_sound(workspace):
        raise DatasetError(
            f"{shown(workspace.folder)}: this table came without sound, so no network can hear it."
        )
    tail = "" if limit is None else f" LIMIT {int(limit)}"
    columns = "SELECT clip_id, path, size, mtime_ns FROM clips WHERE path <> '' "
    return in_archive_order(workspace.query(f"{columns} ORDER BY md5(clip_id){tail}"))


def _packed_in(wanted: "pd.DataFrame") -> Any:
    """The data set of clips that are in a .tar.gz, which is read from its beginning."""
    from core.datasets import open_dataset

    path = str(wanted["path"].iloc[0])
    return open_dataset(path.partition("!/")[0]) if is_packed(path) else None


def _vectors_of(workspace: Workspace) -> dict[str, tuple[int, int]]:
    """Part and row of each clip whose file is as it was."""
    at: dict[str, tuple] = {}
    for number, part in sorted(_found(_folder(workspace)).items()):
        at |= {row[0]: (row[1:], number, i) for i, row in enumerate(part["clips"])}
    if not at:
        return {}
    rows = workspace.query("SELECT clip_id, path, size, mtime_ns FROM clips WHERE path <> ''")
    now = {row[0]: list(row[1:]) for row in rows.itertuples(index=False, name=None)}
    return {c: (number, i) for c, (made_of, number, i) in at.items() if now.get(c) == made_of}


def _found(folder: Path) -> dict[int, dict]:
    """The parts that are whole, by number."""
    found = {}
    for path in folder.glob("clips-*.json"):
        part, number = _read_json(path), _number(path)
        vectors = folder / f"vectors-{number:05d}.npy"
        if number >= 0 and part and vectors.is_file():
            found[number] = part
    return found


def _number(path: Path) -> int:
    return int(path.name[6:11]) if path.name[6:11].isdigit() else -1


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as err:
        raise StoreError(
            f"{shown(path)}: this part of the embeddings is damaged or gone: make them again."
        ) from err


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _write_json(path: Path, content: Any) -> None:
    write_whole(path, lambda file: file.write(json.dumps(content).encode()))

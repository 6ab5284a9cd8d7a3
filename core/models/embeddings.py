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
from typing import Any, NamedTuple

import numpy as np

from core.errors import ModelError, ParameterError, StoreError
from core.extract import (
    ArrayParts,
    Progress,
    Summary,
    array_parts,
    array_path,
    at_least_one,
    cleaning_of,
    clips_with_sound,
    fill_beside,
    read_json,
    read_rows,
    sound_of,
    write_json,
)
from core.models._embedder import DEFAULT, SR, EmbeddingParams, Network, open_network
from core.safe_text import clean
from core.store import Workspace, write_whole

__all__ = [
    "Available",
    "EmbeddingParams",
    "Network",
    "available",
    "embed_workspace",
    "network_of",
    "network_path",
    "open_network",
    "read",
]

WHAT = "embeddings"


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
    at_least_one(workers=workers, limit=limit)
    opened = open_network(path, params)
    wanted = clips_with_sound(workspace, "no network can hear it", limit=limit)
    place, recipe = _folder(workspace), _recipe(workspace, opened)

    def parts() -> _Parts:
        _keep(place, recipe, opened, rebuild)
        return _Parts(place, wanted, _row_bytes(recipe))

    return fill_beside(
        place,
        parts,
        wanted,
        (f"{__name__}:measure", {**recipe, "file": str(network_path(workspace))}),
        workers=workers,
        progress=progress,
        cancel=cancelled,
    )


def available(workspace: Workspace) -> Available | None:
    """What vectors there are of the clips as they are now; None where there are none."""
    recipe = _made_the_same(workspace)
    found = _vectors_of(workspace, recipe) if recipe else {}
    if not recipe or not found:
        return None
    parts = array_parts(_folder(workspace), _row_bytes(recipe)).values()
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
    places = _vectors_of(workspace, recipe) if recipe else {}
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
        X[at] = read_rows(array_path(_folder(workspace), "vectors", number), rows, WHAT)
    return X


def network_of(workspace: Workspace) -> Network:
    """The network that made a workspace's vectors, to make one of a new recording.

    Raises
    ------
    ModelError
        There is none, or its file was changed.
    """
    recipe = read_json(_folder(workspace) / "recipe.json")
    if not recipe:
        raise ModelError("This workspace has no embeddings, and so no network that made them.")
    text = json.dumps(recipe["params"], sort_keys=True)
    return _kept(str(network_path(workspace)), recipe["sha256"], text)


def measure(item: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The vector of a clip of the catalogue; called by the workers."""
    opened = _kept(recipe["file"], recipe["sha256"], json.dumps(recipe["params"], sort_keys=True))
    y, seconds = sound_of(item, recipe)
    return {"values": {}, "vectors": {"vector": opened.embed(y, SR)}, "seconds": seconds}


@lru_cache(1)
def _kept(path: str, sha256: str, params: str) -> Network:
    opened = open_network(path, EmbeddingParams(**json.loads(params)))
    if opened.sha256 != sha256:
        raise ModelError("The network was changed since the first clips: make the vectors again.")
    return opened


class _Parts(ArrayParts):
    """The parts of vectors."""

    what, size = WHAT, 128

    def arrays(self, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        width = self.row_bytes["vectors"] // 4
        vectors = [row["vectors"]["vector"] for row in rows]
        return {"vectors": np.array(vectors, dtype=np.float32).reshape(len(rows), width)}


def _row_bytes(recipe: Mapping[str, Any]) -> dict[str, int]:
    return {"vectors": 4 * int(recipe["size"])}


def network_path(workspace: Workspace) -> Path:
    """Where the network is kept that made a workspace's vectors."""
    return _folder(workspace) / "network.onnx"


def _folder(workspace: Workspace) -> Path:
    return workspace.folder / "embeddings"


def _recipe(workspace: Workspace, opened: Network) -> dict[str, Any]:
    made = {"network": opened.name, "sha256": opened.sha256, "size": opened.size}
    used = {"words": opened.words, "params": asdict(opened.params)}
    return {"version": 1, **cleaning_of(workspace), **made, **used}


def _made_the_same(workspace: Workspace) -> dict[str, Any] | None:
    """How the vectors were made; None where there are none, or of sound cleaned otherwise."""
    recipe = read_json(_folder(workspace) / "recipe.json")
    same = recipe and all(recipe.get(n) == v for n, v in cleaning_of(workspace).items())
    return recipe if same else None


def _keep(folder: Path, recipe: dict[str, Any], opened: Network, rebuild: bool) -> None:
    """Keep the network and how it is used; delete vectors of another if told to."""
    before = read_json(folder / "recipe.json")
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
    write_json(folder / "recipe.json", recipe)


def _vectors_of(workspace: Workspace, recipe: Mapping) -> dict[str, tuple[int, int]]:
    """Part and row of each clip whose file is as it was."""
    at: dict[str, tuple] = {}
    for number, part in sorted(array_parts(_folder(workspace), _row_bytes(recipe)).items()):
        at |= {row[0]: (row[1:], number, i) for i, row in enumerate(part["clips"])}
    if not at:
        return {}
    rows = workspace.query("SELECT clip_id, path, size, mtime_ns FROM clips WHERE path <> ''")
    now = {row[0]: list(row[1:]) for row in rows.itertuples(index=False, name=None)}
    return {c: (number, i) for c, (made_of, number, i) in at.items() if now.get(c) == made_of}

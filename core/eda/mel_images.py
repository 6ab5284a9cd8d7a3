"""A small mel picture of every clip of a workspace, made once in the background and kept beside it.

Conventions: a picture is 128 mel bands by 93 frames of a clip at 16,000 Hz (3.0 s), in dB re the
maximum of the whole clip, 80 dB deep, cut or padded with -80 dB at its end: the article's. It is
kept as uint8, 0 for -80 dB and 255 for 0 dB, so in steps of 0.31 dB. Pictures are made in the order
of the md5 of clip_id: as soon as some are there, they are a random sample, the same every time.

Layout of the folder ``mels`` of a workspace, in parts of 256 clips: ``images-N.npy`` (n, 128, 93)
uint8; ``blocks-N.npy`` (n, 64, 31) uint16, sums over 2 bands by 3 frames; ``bands-N.npy`` (n, 128)
uint16, sums over the frames; ``clips-N.json``, whose they are, written last. ``recipe.json`` says
what was done to the sound before.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from hashlib import md5
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import AudioReadError, ParameterError
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
    keep_recipe,
    part_number,
    read_json,
    read_rows,
    sound_of,
)
from core.params import SpectraParams
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

SR = 16_000  # Hz
PARAMS = SpectraParams()
BANDS, FRAMES = 128, 93
BLOCK = (2, 3)  # bands and frames summed to one block
TOP_DB = 80.0
STEP_DB = TOP_DB / 255
KINDS = {
    "images": ((BANDS, FRAMES), np.uint8),
    "blocks": ((BANDS // BLOCK[0], FRAMES // BLOCK[1]), np.uint16),
    "bands": ((BANDS,), np.uint16),
}
WHAT = "mel pictures"
_VERSION = 1
_ROW_BYTES = {
    kind: int(np.prod(shape)) * np.dtype(dtype).itemsize for kind, (shape, dtype) in KINDS.items()
}


def picture(y: np.ndarray, *, sr: int) -> tuple[np.ndarray, int]:
    """The mel picture of a clip, and how many of its frames are sound.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int
        16,000 Hz.

    Returns
    -------
    tuple of np.ndarray [shape=(128, 93)], uint8, and int
        Levels of 0.31 dB above -80 dB, and the number of frames that are not padding.

    Raises
    ------
    AudioReadError
        The clip is silent, so that it has no maximum to be measured against.
    ParameterError
        ``sr`` is another.

    Notes
    -----
    ``librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=sr), ref=np.max)[:, :93]``.
    """
    from core import spectra

    if sr != SR:
        raise ParameterError(f"sr={sr} Hz does not work here: resample to {SR:,} Hz first.")
    if not y.any():
        raise AudioReadError("This clip is silent: it has no mel picture.")
    weights = spectra.sparse_mel(sr, PARAMS.n_fft, PARAMS.n_mels)
    first, most = [], 0.0
    for start, block in spectra.power_blocks(y, params=PARAMS):
        mel = weights @ block.T
        most = max(most, float(mel.max()))
        if start < FRAMES:
            first.append(mel)
    there = np.concatenate(first, axis=1)[:, :FRAMES]
    S_db = spectra.power_to_db(there, ref=most, top_db=None)
    levels = np.zeros((BANDS, FRAMES), np.uint8)
    levels[:, : there.shape[1]] = np.rint(np.maximum(S_db / STEP_DB + 255, 0))
    return levels, there.shape[1]


def measure(item: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The picture of a clip of the catalogue; called by the workers."""
    y, seconds = sound_of(item, recipe)
    levels, frames = picture(y, sr=SR)
    return {"values": {"frames": frames}, "vectors": {"image": levels}, "seconds": seconds}


def make(
    folder: str | os.PathLike,
    *,
    workers: int = 2,
    limit: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Summary:
    """Make the pictures that are missing, in worker processes.

    Parameters
    ----------
    folder : path
        Of a workspace; the sound is cleaned as for its table.
    workers : int
        Processes.
    limit : int, optional
        Only this many clips, a sample that is the same every time.
    progress, cancel : callable, optional
        As for ``core.extract.extract_dataset``.

    Returns
    -------
    Summary
        What was done. A clip that fails is not tried again until its file changes.

    Raises
    ------
    DatasetError
        The workspace has no sound.
    ParameterError
        ``workers`` or ``limit`` cannot work.
    StoreError
        The folder may not be written, or the workers do not start.
    """
    at_least_one(workers=workers, limit=limit)
    workspace = Workspace.open(folder)
    wanted, recipe = _wanted(workspace, limit), recipe_of(workspace)
    place = mels_folder(workspace)
    return fill_beside(
        place,
        lambda: _Parts(place, wanted, recipe),
        wanted,
        (f"{__name__}:measure", recipe),
        workers=workers,
        progress=progress,
        cancel=cancel,
    )


def mels_folder(workspace: Workspace) -> Path:
    """Where the pictures of a workspace are, and the state of the job that makes them."""
    return workspace.folder / "mels"


def recipe_of(workspace: Workspace) -> dict[str, Any]:
    """What is done to the sound before the picture: the same as before measuring."""
    return {"version": _VERSION, **cleaning_of(workspace), **asdict(PARAMS)}


class MelImages:
    """The pictures of a workspace that are on disk now, read without loading them.

    Attributes
    ----------
    parts, rows, frames : np.ndarray [shape=(n,)]
        By position: place of each picture, and its frames that are not padding.
    last_md5 : str
        The largest md5 of a clip_id that has a picture.
    failed : dict of str to str
        Clips without a picture, and why.
    """

    def __init__(self, folder: Path, found: Mapping[int, dict]):
        self.folder = folder
        at: dict[str, tuple] = {}
        self.failed: dict[str, str] = {}
        for number, part in sorted(found.items()):
            for row, (clip_id, path, size, mtime_ns, frames) in enumerate(part["clips"]):
                at[clip_id] = ((path, size, mtime_ns), number, row, frames)
                self.failed.pop(clip_id, None)
            for clip_id, *_, message in part["failed"]:
                at.pop(clip_id, None)
                self.failed[clip_id] = message
        self._files = {clip_id: (i, found[0]) for i, (clip_id, found) in enumerate(at.items())}
        self.last_md5 = max((md5(c.encode()).hexdigest() for c in at), default="")
        self.parts, self.rows, self.frames = (
            np.array([found[1:] for found in at.values()], np.int32).reshape(-1, 3).T
        )

    def __len__(self) -> int:
        return len(self._files)

    def place(self, clip_id: str, file: tuple) -> int:
        """Position of a clip's picture; -1 where there is none of the file as it is now.

        ``file`` is its path, size and mtime_ns.
        """
        at, made_of = self._files.get(clip_id, (-1, None))
        return at if made_of == file else -1

    def disk_order(self, which: np.ndarray) -> np.ndarray:
        """What sorts positions by their place on disk."""
        return np.lexsort((self.rows[which], self.parts[which]))

    def read(self, which: np.ndarray, kind: str) -> Iterator[np.ndarray]:
        """Numbers of some pictures, part by part; ``which`` are positions.

        Parameters
        ----------
        which : np.ndarray of int [shape=(n,)]
            Positions, sorted by ``disk_order``.
        kind : {"images", "blocks", "bands"}
            See the module.

        Raises
        ------
        StoreError
            A part is damaged or gone.
        """
        parts, rows = self.parts[which], self.rows[which]
        for group in np.split(np.arange(which.size), np.flatnonzero(np.diff(parts)) + 1):
            if not group.size:
                continue
            path = array_path(self.folder, kind, parts[group[0]])
            yield read_rows(path, rows[group], WHAT)


def open_images(workspace: Workspace) -> MelImages:
    """The pictures made up to now for this workspace's recipe; none where there are none."""
    folder = mels_folder(workspace)
    same = read_json(folder / "recipe.json") == recipe_of(workspace)
    return MelImages(folder, array_parts(folder, _ROW_BYTES) if same else {})


def stamp(workspace: Workspace) -> int:
    """A number that changes when pictures are added, for caches."""
    try:
        names = os.listdir(mels_folder(workspace))
    except OSError:
        return 0
    return 1 + max(map(part_number, names), default=-1)


class _Parts(ArrayParts):
    """The parts of pictures; those of another recipe are deleted."""

    what = WHAT

    def __init__(self, folder: Path, wanted: "pd.DataFrame", recipe: Mapping[str, Any]):
        keep_recipe(folder, recipe, "clips-*.json", *(f"{kind}-*.npy" for kind in KINDS))
        super().__init__(folder, wanted, _ROW_BYTES)

    def arrays(self, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        images = np.zeros((len(rows), BANDS, FRAMES), np.uint8)
        for i, row in enumerate(rows):
            images[i] = np.reshape(row["vectors"]["image"], (BANDS, FRAMES))
        return {"images": images, **sums(images)}

    def note(self, row: Mapping[str, Any]) -> list:
        return [int(row["values"]["frames"])]


def sums(images: np.ndarray) -> dict[str, np.ndarray]:
    """Exact sums of pictures (n, 128, 93): ``blocks`` (n, 64, 31) and ``bands`` (n, 128)."""
    tall, wide = BLOCK
    pairs = images.reshape(-1, BANDS // tall, tall, FRAMES // wide, wide)
    return {
        "blocks": pairs.sum(axis=(2, 4), dtype=np.uint16),
        "bands": images.sum(axis=2, dtype=np.uint16),
    }


def _wanted(workspace: Workspace, limit: int | None) -> "pd.DataFrame":
    return clips_with_sound(workspace, "there is nothing to make pictures of", limit=limit)

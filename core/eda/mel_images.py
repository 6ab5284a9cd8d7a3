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
from contextlib import suppress
from dataclasses import asdict
from hashlib import md5
import json
import os
from pathlib import Path
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
import zlib

import numpy as np

from core.errors import AudioReadError, DatasetError, ParameterError
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
from core.params import SpectraParams
from core.store import (
    StoreError,
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

SR = 16_000  # Hz
PARAMS = SpectraParams()
BANDS, FRAMES = 128, 93
BLOCK = (2, 3)  # bands and frames summed to one block
TOP_DB = 80.0
STEP_DB = TOP_DB / 255
PART = 256  # clips
KINDS = {
    "images": ((BANDS, FRAMES), np.uint8),
    "blocks": ((BANDS // BLOCK[0], FRAMES // BLOCK[1]), np.uint16),
    "bands": ((BANDS,), np.uint16),
}
_VERSION = 1
_HEADER = 128  # bytes before the numbers of a .npy file


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
    from core import audio
    from core.audio import ClipRef, Limits

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
        from core.clean import clean
        from core.params import ARTICLE_CLEAN

        y = clean(y, sr=sr, params=ARTICLE_CLEAN).y
    levels, frames = picture(y, sr=sr)
    return {"values": {"frames": frames}, "vectors": {"image": levels}, "seconds": seconds}


def has_sound(workspace: Workspace) -> bool:
    """Whether the workspace knows a file of any clip; a table of features alone does not."""
    return "path" in workspace.label_columns() and workspace.count("path <> ''") > 0


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
    began = time.monotonic()
    for name, value in (("workers", workers), ("limit", limit)):
        if value is not None and value < 1:
            raise ParameterError(f"{name}={value} does not work: choose 1 or more.")
    workspace = Workspace.open(folder)
    recipe, wanted = recipe_of(workspace), _wanted(workspace, limit)
    place = mels_folder(workspace)
    with speaking(place):
        place.mkdir(exist_ok=True)
    with locked(place):
        remove_temporaries(place)
        _keep_recipe(place, recipe)
        parts = _Parts(place, wanted)
        run = Run(parts, progress, cancel)
        try:
            run.through(Crew(workers, f"{__name__}:measure", recipe), _dataset_of(wanted))
        except Cancelled:
            run.cancelled = True
        return run.summary(time.monotonic() - began)


def mels_folder(workspace: Workspace) -> Path:
    """Where the pictures of a workspace are, and the state of the job that makes them."""
    return workspace.folder / "mels"


def recipe_of(workspace: Workspace) -> dict[str, Any]:
    """What is done to the sound before the picture: the same as before measuring."""
    found = workspace.status().recipe
    names = ("clean", "clean_digest", "keep_padding")
    return {"version": _VERSION, **{n: found.get(n) for n in names}, **asdict(PARAMS)}


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
            path = _array(self.folder, kind, parts[group[0]])
            try:
                yield np.load(path, mmap_mode="r")[rows[group]]
            except (OSError, ValueError, IndexError) as err:
                raise StoreError(
                    f"{shown(path)}: this part of the mel pictures is damaged or gone. "
                    "Make the pictures again."
                ) from err


def open_images(workspace: Workspace) -> MelImages:
    """The pictures made up to now for this workspace's recipe; none where there are none."""
    folder = mels_folder(workspace)
    same = _read_json(folder / "recipe.json") == recipe_of(workspace)
    return MelImages(folder, _found(folder) if same else {})


def stamp(workspace: Workspace) -> int:
    """A number that changes when pictures are added, for caches."""
    try:
        names = os.listdir(mels_folder(workspace))
    except OSError:
        return 0
    return max((int(n[6:11]) + 1 for n in names if _is_index(n)), default=0)


class _Parts:
    """What a run of ``core.extract`` asks of a writer, over the parts of pictures."""

    def __init__(self, folder: Path, wanted: "pd.DataFrame"):
        self.folder, self.messages = folder, _set_damaged_aside(folder)
        numbers = [int(n[6:11]) for n in os.listdir(folder) if _is_index(n.split(".damaged")[0])]
        self.plan = SimpleNamespace(clips=len(wanted), units=())
        found = _found(folder)
        self._next = 1 + max(numbers, default=-1)  # above those set aside: caches know old ones
        there = {tuple(row[:4]) for p in found.values() for row in (*p["clips"], *p["failed"])}
        rows = wanted.to_dict("records")
        self._missing = [r for r in rows if tuple(r.values()) not in there]
        self._items = {r["clip_id"]: r for r in self._missing}

    def missing(self) -> list[Unit]:
        """Units of clips without a picture."""
        starts = range(0, len(self._missing), PART)
        return [
            Unit(self._next + i, tuple(self._missing[start : start + PART]))
            for i, start in enumerate(starts)
        ]

    def clips_missing(self) -> int:
        """Clips without a picture."""
        return len(self._missing)

    def write(self, number: int, rows: list[dict[str, Any]]) -> None:
        """Store a part; the file that says whose it is comes last."""
        good = [row for row in rows if row.get("error") is None]
        images = np.zeros((len(good), BANDS, FRAMES), np.uint8)
        for i, row in enumerate(good):
            images[i] = np.reshape(row["vectors"]["image"], (BANDS, FRAMES))
        for kind, array in (("images", images), *sums(images).items()):
            write_whole(_array(self.folder, kind, number), lambda file, a=array: np.save(file, a))
        clips = [[*self._key(row), int(row["values"]["frames"])] for row in good]
        failed = [
            [*self._key(row), str(row["message"])] for row in rows if row.get("error") is not None
        ]
        crc = {kind: _crc(_array(self.folder, kind, number)) for kind in KINDS}
        text = json.dumps({"clips": clips, "failed": failed, "crc": crc}).encode()
        write_whole(self.folder / _index_name(number), lambda file: file.write(text))

    def tidy(self) -> None:
        """Nothing to do: parts stay as they are."""

    def _key(self, row: Mapping[str, Any]) -> list:
        return list(self._items[row["clip_id"]].values())


def sums(images: np.ndarray) -> dict[str, np.ndarray]:
    """Exact sums of pictures (n, 128, 93): ``blocks`` (n, 64, 31) and ``bands`` (n, 128)."""
    tall, wide = BLOCK
    pairs = images.reshape(-1, BANDS // tall, tall, FRAMES // wide, wide)
    return {
        "blocks": pairs.sum(axis=(2, 4), dtype=np.uint16),
        "bands": images.sum(axis=2, dtype=np.uint16),
    }


def _wanted(workspace: Workspace, limit: int | None) -> "pd.DataFrame":
    if not has_sound(workspace):
        raise DatasetError(
            f"{shown(workspace.folder)}: this table came without sound, so there is nothing to "
            "make pictures of."
        )
    tail = "" if limit is None else f" LIMIT {int(limit)}"
    table = workspace.query(
        "SELECT clip_id, path, size, mtime_ns FROM clips WHERE path <> '' "
        f"ORDER BY md5(clip_id){tail}"
    )
    return in_archive_order(table)


def _dataset_of(wanted: "pd.DataFrame") -> Any:
    """The data set of clips that are in a .tar.gz, which is read from its beginning."""
    from core.datasets import open_dataset

    path = str(wanted["path"].iloc[0])
    return open_dataset(path.partition("!/")[0]) if is_packed(path) else None


def _keep_recipe(folder: Path, recipe: dict[str, Any]) -> None:
    """Delete pictures of another recipe."""
    if _read_json(folder / "recipe.json") == recipe:
        return
    for pattern in ("clips-*.json", *(f"{kind}-*.npy" for kind in KINDS)):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
    text = json.dumps(recipe).encode()
    write_whole(folder / "recipe.json", lambda file: file.write(text))


def _found(folder: Path) -> dict[int, dict]:
    """The parts that are whole, by number."""
    found = {}
    for path in folder.glob("clips-*.json"):
        part = _read_json(path)
        if _is_index(path.name) and part and _is_whole(folder, int(path.name[6:11]), part):
            found[int(path.name[6:11])] = part
    return found


def _is_whole(folder: Path, number: int, part: dict) -> bool:
    n = len(part.get("clips", ()))
    try:
        return all(
            os.path.getsize(_array(folder, kind, number))
            == _HEADER + n * int(np.prod(shape)) * np.dtype(dtype).itemsize
            for kind, (shape, dtype) in KINDS.items()
        )
    except OSError:
        return False


def _set_damaged_aside(folder: Path) -> list[str]:
    """Rename parts that are not as they were written; a sentence for each."""
    whole, messages = _found(folder), []
    for number in sorted(int(n[6:11]) for n in os.listdir(folder) if _is_index(n)):
        crc = whole[number].get("crc", {}) if number in whole else None
        if crc is not None and all(_crc(_array(folder, k, number)) == v for k, v in crc.items()):
            continue
        for path in [folder / _index_name(number), *(_array(folder, k, number) for k in KINDS)]:
            with speaking(path), suppress(FileNotFoundError):
                os.replace(path, path.with_name(f"{path.name}.damaged-{time.time_ns()}"))
        messages.append(
            f"Part {number} of the mel pictures was damaged: it was set aside, and its clips' "
            "pictures are made again."
        )
    return messages


def _crc(path: Path) -> int:
    """CRC-32 of a file, -1 where it cannot be read."""
    found = 0
    with suppress(OSError), open(path, "rb") as file:
        while piece := file.read(1 << 20):
            found = zlib.crc32(piece, found)
        return found
    return -1


def _array(folder: Path, kind: str, number: int) -> Path:
    return folder / f"{kind}-{number:05d}.npy"


def _index_name(number: int) -> str:
    return f"clips-{number:05d}.json"


def _is_index(name: str) -> bool:
    return name.startswith("clips-") and name.endswith(".json") and name[6:11].isdigit()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None

"""What is made of the clips of a workspace and kept beside its table, in parts, each made once.

Layout: a folder in the workspace's own; ``recipe.json`` says what its parts were made with. Parts
are numbered and hold a few hundred clips; they appear whole and are never changed afterwards.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
import json
import os
from pathlib import Path
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar
import zlib

import numpy as np

from core.errors import DatasetError, ParameterError
from core.extract._crew import Crew
from core.extract._run import Cancelled, Progress, Run, Summary
from core.extract._spool import in_archive_order, is_packed
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

FILE = ("clip_id", "path", "size", "mtime_ns")
_HEADER = 128  # bytes before the numbers of a .npy file


# The clips of a workspace


def cleaning_of(workspace: Workspace) -> dict[str, Any]:
    """The part of a workspace's recipe that says what is done to the sound before measuring."""
    found = workspace.status().recipe
    return {name: found.get(name) for name in ("clean", "clean_digest", "keep_padding")}


def has_sound(workspace: Workspace) -> bool:
    """Whether the workspace knows a file of any clip; a table of features alone does not."""
    if "path" not in workspace.label_columns():
        return False
    return len(workspace.query("SELECT 1 AS one FROM clips WHERE path <> '' LIMIT 1")) > 0


def clips_with_sound(
    workspace: Workspace, so: str, *, limit: int | None = None, view: str = "clips"
) -> "pd.DataFrame":
    """clip_id, path, size and mtime_ns, in an order that makes each beginning a random sample.

    Raises
    ------
    DatasetError
        The workspace has no sound; ``so`` says what follows.
    """
    if not has_sound(workspace):
        raise DatasetError(f"{shown(workspace.folder)}: this table came without sound, so {so}.")
    tail = "" if limit is None else f" LIMIT {int(limit)}"
    columns = f"SELECT {', '.join(FILE)} FROM {view} WHERE path <> ''"
    return in_archive_order(workspace.query(f"{columns} ORDER BY md5(clip_id){tail}"))


# Parts


class Parts(ABC):
    """What a run asks of a writer, over parts of which only the missing ones are made.

    Attributes
    ----------
    messages : list of str
        What was found damaged and set aside; sentences for the user.
    """

    size: ClassVar[int] = 256  # clips

    def __init__(self, folder: Path, wanted: "pd.DataFrame"):
        self.folder, self.messages = folder, []
        self.plan = SimpleNamespace(clips=len(wanted), units=())
        there, last = self.stored()
        self._next = last + 1
        rows = wanted.to_dict("records")
        self._missing = [row for row in rows if tuple(row.values()) not in there]
        self._items = {row["clip_id"]: row for row in self._missing}

    @abstractmethod
    def stored(self) -> tuple[set[tuple], int]:
        """Files that have a row, and the highest number of a part, also of one set aside."""

    @abstractmethod
    def write(self, number: int, rows: list[dict[str, Any]]) -> None:
        """Store a part."""

    def missing(self) -> list[Unit]:
        """Units of clips that have no row."""
        starts = range(0, len(self._missing), self.size)
        cut = (tuple(self._missing[start : start + self.size]) for start in starts)
        return [Unit(self._next + i, items) for i, items in enumerate(cut)]

    def clips_missing(self) -> int:
        """Clips that have no row."""
        return len(self._missing)

    def tidy(self) -> None:  # noqa: B027
        """Nothing to do: parts stay as they are."""

    def item(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The file that a row is of: clip_id, path, size and mtime_ns."""
        return self._items[row["clip_id"]]


class ArrayParts(Parts):
    """Parts of arrays with a row for each clip: ``KIND-N.npy``, and ``clips-N.json``, whose they
    are, written last. ``row_bytes`` gives the bytes of a row by kind.
    """  # noqa: D205

    what: ClassVar[str]

    def __init__(self, folder: Path, wanted: "pd.DataFrame", row_bytes: Mapping[str, int]):
        self.row_bytes = row_bytes
        super().__init__(folder, wanted)

    @abstractmethod
    def arrays(self, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        """The arrays of clips that went well, by kind."""

    def note(self, row: Mapping[str, Any]) -> list:
        """What the index says of a clip besides its file."""
        return []

    def stored(self) -> tuple[set[tuple], int]:
        """See ``Parts``; parts that are not as they were written are set aside."""
        numbers = {name: part_number(name) for name in os.listdir(self.folder)}
        found = array_parts(self.folder, self.row_bytes)
        for number in sorted(n for name, n in numbers.items() if n >= 0 and name.endswith(".json")):
            if number not in found or not self._as_written(number, found[number]):
                found.pop(number, None)
                self._set_aside(number)
        there = {tuple(r[:4]) for p in found.values() for r in (*p["clips"], *p["failed"])}
        return there, max(numbers.values(), default=-1)  # caches know old numbers

    def write(self, number: int, rows: list[dict[str, Any]]) -> None:
        """Store a part; the file that says whose it is comes last."""
        good = [row for row in rows if row.get("error") is None]
        bad = [row for row in rows if row.get("error") is not None]
        for kind, array in self.arrays(good).items():
            place = array_path(self.folder, kind, number)
            write_whole(place, lambda file, a=array: np.save(file, a))
        part = {
            "clips": [[*self.item(row).values(), *self.note(row)] for row in good],
            "failed": [[*self.item(row).values(), str(row["message"])] for row in bad],
            "crc": {k: _crc(array_path(self.folder, k, number)) for k in self.row_bytes},
        }
        write_json(_index(self.folder, number), part)

    def _as_written(self, number: int, part: Mapping[str, Any]) -> bool:
        sums = part.get("crc", {}).items()
        return all(_crc(array_path(self.folder, kind, number)) == crc for kind, crc in sums)

    def _set_aside(self, number: int) -> None:
        arrays = [array_path(self.folder, kind, number) for kind in self.row_bytes]
        for path in (_index(self.folder, number), *arrays):
            with speaking(path), suppress(FileNotFoundError):
                os.replace(path, path.with_name(f"{path.name}.damaged-{time.time_ns()}"))
        self.messages.append(
            f"Part {number} of the {self.what} was damaged: it was set aside and is made again."
        )


def array_parts(folder: Path, row_bytes: Mapping[str, int]) -> dict[int, dict]:
    """The indices of the parts whose files are there at their length, by number."""
    found = {}
    for path in folder.glob("clips-*.json"):
        part, number = read_json(path), part_number(path.name)
        if number >= 0 and part and _is_whole(folder, number, len(part["clips"]), row_bytes):
            found[number] = part
    return found


def array_path(folder: Path, kind: str, number: int) -> Path:
    """Where an array of a part lies."""
    return folder / f"{kind}-{number:05d}.npy"


def read_rows(path: Path, rows: np.ndarray, what: str) -> np.ndarray:
    """Some rows of an array of a part.

    Raises
    ------
    StoreError
        It is damaged or gone.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)[rows]
    except (OSError, ValueError, IndexError) as err:
        raise StoreError(
            f"{shown(path)}: this part of the {what} is damaged or gone. Make the {what} again."
        ) from err


def part_number(name: str) -> int:
    """The number of a part by the name of its index, also of one set aside; -1 for others."""
    name = os.path.basename(name).split(".damaged")[0]
    number = name.removeprefix("clips-").removesuffix(".json")
    return int(number) if name == f"clips-{number}.json" and number.isdigit() else -1


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where it is not there or damaged."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that is whole or not there."""
    write_whole(path, lambda file: file.write(json.dumps(content).encode()))


def keep_recipe(folder: Path, recipe: Mapping[str, Any], *patterns: str) -> None:
    """Write down what parts are made with; files by ``patterns`` of another recipe are deleted."""
    path = folder / "recipe.json"
    if read_json(path) == recipe:
        return
    for pattern in patterns:
        for old in folder.glob(pattern):
            old.unlink(missing_ok=True)
    write_json(path, recipe)


def fill_beside(
    folder: Path,
    parts: Callable[[], Parts],
    wanted: "pd.DataFrame",
    task: tuple[str, Mapping[str, Any]],
    *,
    workers: int,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Summary:
    """Make the parts that are missing, in worker processes; one run at a time in a folder.

    Parameters
    ----------
    folder : Path
        Of the parts; made where it is not there.
    parts : callable
        Opens the parts, once no other run is at work.
    wanted : DataFrame
        As from ``clips_with_sound``.
    task : tuple of str and dict
        ``"module:function"`` that the workers call with each clip, and its second argument.
    workers : int
        Processes.
    progress, cancel : callable, optional
        As for ``extract_dataset``.

    Raises
    ------
    ParameterError
        ``workers`` cannot work.
    StoreError
        The folder may not be written, or the workers do not start.
    """
    began = time.monotonic()
    at_least_one(workers=workers)
    with speaking(folder):
        folder.mkdir(exist_ok=True)
    with locked(folder):
        remove_temporaries(folder)
        run = Run(parts(), progress, cancel)
        try:
            run.through(Crew(workers, *task), _packed_in(wanted))
        except Cancelled:
            run.cancelled = True
        return run.summary(time.monotonic() - began)


def at_least_one(**numbers: int | None) -> None:
    """Raise ParameterError where one of these is less than 1; None is fine."""
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise ParameterError(f"{name}={value} does not work: choose 1 or more.")


def _packed_in(wanted: "pd.DataFrame") -> Any:
    """The data set of clips that are in a .tar.gz, which is read from its beginning."""
    from core.datasets import open_dataset

    path = str(wanted["path"].iloc[0])
    return open_dataset(path.partition("!/")[0]) if is_packed(path) else None


def _index(folder: Path, number: int) -> Path:
    return folder / f"clips-{number:05d}.json"


def _is_whole(folder: Path, number: int, clips: int, row_bytes: Mapping[str, int]) -> bool:
    try:
        return all(
            os.path.getsize(array_path(folder, kind, number)) == _HEADER + clips * size
            for kind, size in row_bytes.items()
        )
    except OSError:
        return False


def _crc(path: Path) -> int:
    """CRC-32 of a file, -1 where it cannot be read."""
    found = 0
    with suppress(OSError), open(path, "rb") as file:
        while piece := file.read(1 << 20):
            found = zlib.crc32(piece, found)
        return found
    return -1

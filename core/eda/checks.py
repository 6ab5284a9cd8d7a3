"""Checks of the recordings of a whole workspace, kept beside it; see ``core.quality.columns``."""

from collections.abc import Callable, Mapping
import json
import math
import os
from pathlib import Path
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from core import quality
from core.audio import ClipRef
from core.errors import DatasetError
from core.quality import columns
from core.safe_text import clean as clean_text

if TYPE_CHECKING:
    from core.extract import Progress, Summary
    from core.store import Unit, Workspace

_UNIT = 512  # clips stored together, seconds of work


def fill(
    folder: str | os.PathLike,
    *,
    workers: int = 2,
    limits: quality.CheckParams = quality.DEFAULT,
    progress: "Callable[[Progress], None] | None" = None,
    cancel: Callable[[], bool] | None = None,
) -> "Summary":
    """Check the clips of a workspace that are not checked yet, in worker processes.

    Parameters
    ----------
    folder : path
        Of a workspace.
    workers : int
        Processes.
    limits : CheckParams
        Thresholds; columns of others are made again.
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
    StoreError
        The folder may not be written, or the workers do not start.
    """
    from core.eda.mel_images import _dataset_of
    from core.extract import Cancelled, Crew, Run
    from core.store import Workspace, locked, remove_temporaries, speaking

    began = time.monotonic()
    workspace = Workspace.open(folder)
    wanted, recipe = _wanted(workspace), columns.recipe_of(limits)
    place = workspace.folder / columns.FOLDER
    with speaking(place):
        place.mkdir(exist_ok=True)
    with locked(place):
        remove_temporaries(place)
        _keep_recipe(place, recipe)
        run = Run(_Parts(workspace.folder, wanted), progress, cancel)
        try:
            # Thresholds travel as they are: their digest alone could not be applied.
            settings = recipe | {"thresholds": _settings(limits)}
            run.through(Crew(workers, f"{__name__}:measure", settings), _dataset_of(wanted))
        except Cancelled:
            run.cancelled = True
        return run.summary(time.monotonic() - began)


def measure(item: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a clip of the catalogue; called by the workers."""
    from core.extract import discard, local_path

    limits = quality.CheckParams(
        **{name: math.nan if v is None else v for name, v in recipe["thresholds"].items()}
    )
    path, is_copy = local_path(dict(item))
    try:
        as_it_is = is_copy or int(item["size"]) <= 0  # imported tables do not know their files
        ref = ClipRef.of(path) if as_it_is else ClipRef(path, item["size"], item["mtime_ns"])
        report = quality.check_file(ref, limits)
    finally:
        if is_copy:
            discard(path)
    return {"values": columns.row_of(report), "vectors": {}, "seconds": report.duration_s}


def warm() -> None:
    """Compile what the workers need."""
    quality.warm()


def _settings(limits: quality.CheckParams) -> dict[str, float | None]:
    return {name: v if math.isfinite(v) else None for name, v in vars(limits).items()}


def _wanted(workspace: "Workspace") -> Any:
    from core.eda.mel_images import has_sound
    from core.extract import in_archive_order

    if not has_sound(workspace):
        raise DatasetError(
            f"{clean_text(workspace.folder.name)}: this table came without sound, so there is "
            "nothing to check."
        )
    return in_archive_order(
        workspace.query(
            "SELECT clip_id, path, size, mtime_ns FROM catalogue WHERE path <> '' ORDER BY clip_id"
        )
    )


def _keep_recipe(place: Path, recipe: dict[str, Any]) -> None:
    """Delete columns of another recipe."""
    from core.store import write_whole

    path = place / "recipe.json"
    try:
        if json.loads(path.read_bytes()) == recipe:
            return
    except (OSError, ValueError):
        pass
    for part in columns.parts(place.parent):
        part.unlink(missing_ok=True)
    write_whole(path, lambda file: file.write(json.dumps(recipe).encode()))


class _Parts:
    """What a run of ``core.extract`` asks of a writer, over the parts of checks."""

    def __init__(self, workspace: Path, wanted: Any):
        self.folder, self.messages = workspace / columns.FOLDER, []
        self.plan = SimpleNamespace(clips=len(wanted), units=())
        there, numbers = self._there(columns.parts(workspace))
        self._next = 1 + max(numbers, default=-1)
        rows = wanted.to_dict("records")
        self._missing = [row for row in rows if tuple(row.values()) not in there]
        self._items = {row["clip_id"]: row for row in self._missing}

    def _there(self, paths: list[Path]) -> tuple[set[tuple], list[int]]:
        """Files that were checked, and the numbers of parts; damaged parts are made again."""
        from core.store._parts import read_table

        there, numbers = set(), []
        for path in paths:
            try:
                table = read_table(path, columns.KEYS[:4])
            except (OSError, ValueError):
                os.replace(path, path.with_name(f"{path.name}.damaged-{time.time_ns()}"))
                self.messages.append(
                    f"{path.name} was damaged: it was set aside, and its clips are checked again."
                )
                continue
            there |= set(zip(*table.to_pydict().values(), strict=True))
            numbers.append(int(path.stem.split("-")[1]))
        return there, numbers

    def missing(self) -> "list[Unit]":
        """Units of clips that are not checked."""
        from core.store import Unit

        starts = range(0, len(self._missing), _UNIT)
        return [
            Unit(self._next + i, tuple(self._missing[start : start + _UNIT]))
            for i, start in enumerate(starts)
        ]

    def clips_missing(self) -> int:
        """Clips that are not checked."""
        return len(self._missing)

    def write(self, number: int, rows: list[dict[str, Any]]) -> None:
        """Store a part."""
        import pyarrow as pa

        from core.store._parts import write_table

        kinds = [pa.string(), pa.string(), pa.int64(), pa.int64(), pa.string(), pa.string()]
        fields = list(zip(columns.KEYS, kinds, strict=True))
        fields += [(column.name, pa.float64()) for column in columns.COLUMNS]
        fields += [(name, pa.string()) for name in columns.TEXTS]
        found = [{**self._items[row["clip_id"]], **row, **row.get("values", {})} for row in rows]
        data = {name: pa.array([row.get(name) for row in found], kind) for name, kind in fields}
        write_table(self.folder / f"part-{number:05d}.parquet", pa.table(data))

    def tidy(self) -> None:
        """Nothing to do: parts stay as they are."""

"""Checks of the recordings of a whole workspace, kept beside it; see ``core.quality.columns``."""

from collections.abc import Callable, Mapping
import math
import os
import time
from typing import Any

from core import quality
from core.extract import (
    Parts,
    Progress,
    Summary,
    clip_of,
    clips_with_sound,
    fill_beside,
    keep_recipe,
)
from core.quality import columns
from core.store import Workspace, read_table, write_table


def fill(
    folder: str | os.PathLike,
    *,
    workers: int = 2,
    limits: quality.CheckParams = quality.DEFAULT,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Summary:
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
    workspace = Workspace.open(folder)
    wanted = clips_with_sound(workspace, "there is nothing to check", view="catalogue")
    place, recipe = workspace.folder / columns.FOLDER, columns.recipe_of(limits)
    # Thresholds travel as they are: their digest alone could not be applied.
    settings = recipe | {"thresholds": _settings(limits)}

    def parts() -> _Parts:
        keep_recipe(place, recipe, columns.PATTERN)
        return _Parts(place, wanted)

    return fill_beside(
        place,
        parts,
        wanted,
        (f"{__name__}:measure", settings),
        workers=workers,
        progress=progress,
        cancel=cancel,
    )


def measure(item: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a clip of the catalogue; called by the workers."""
    limits = quality.CheckParams(
        **{name: math.nan if v is None else v for name, v in recipe["thresholds"].items()}
    )
    with clip_of(item) as ref:
        report = quality.check_file(ref, limits)
    return {"values": columns.row_of(report), "vectors": {}, "seconds": report.duration_s}


def warm() -> None:
    """Compile what the workers need."""
    quality.warm()


def _settings(limits: quality.CheckParams) -> dict[str, float | None]:
    return {name: v if math.isfinite(v) else None for name, v in vars(limits).items()}


class _Parts(Parts):
    """The parts of checks, tables as of the workspace."""

    size = 512  # clips, seconds of work

    def stored(self) -> tuple[set[tuple], int]:
        there, last = set(), -1
        for path in columns.parts(self.folder.parent):
            last = max(last, int(path.stem.split("-")[1]))
            try:
                table = read_table(path, columns.KEYS[:4])
            except (OSError, ValueError):
                os.replace(path, path.with_name(f"{path.name}.damaged-{time.time_ns()}"))
                self.messages.append(
                    f"{path.name} was damaged: it was set aside, and its clips are checked again."
                )
                continue
            there |= set(zip(*table.to_pydict().values(), strict=True))
        return there, last

    def write(self, number: int, rows: list[dict[str, Any]]) -> None:
        """Store a part."""
        import pyarrow as pa

        kinds = [pa.string(), pa.string(), pa.int64(), pa.int64(), pa.string(), pa.string()]
        fields = list(zip(columns.KEYS, kinds, strict=True))
        fields += [(column.name, pa.float64()) for column in columns.COLUMNS]
        fields += [(name, pa.string()) for name in columns.TEXTS]
        found = [{**self.item(row), **row, **row.get("values", {})} for row in rows]
        data = {name: pa.array([row.get(name) for row in found], kind) for name, kind in fields}
        write_table(self.folder / f"part-{number:05d}.parquet", pa.table(data))

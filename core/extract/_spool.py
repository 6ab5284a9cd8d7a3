"""Clips that are no plain files: copied out for as long as they are measured.

A .tar.gz can only be read from its beginning: it is read once, in its own order, and each unit's
clips wait in a folder until they are measured. All other clips are fetched by the worker.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
import os
from pathlib import Path
import tempfile
from typing import TYPE_CHECKING, Any

from core.store import Unit

if TYPE_CHECKING:
    import pandas as pd

_PACKED = (".tar.gz", ".tgz")


def is_packed(path: str) -> bool:
    """Whether a clip's path is in an archive that has no random access."""
    archive, mark, _ = path.partition("!/")
    return bool(mark) and archive.lower().endswith(_PACKED)


def in_archive_order(catalogue: "pd.DataFrame") -> "pd.DataFrame":
    """The clips of a .tar.gz in its order, so that a unit is soon complete; others as they are."""
    if not is_packed(catalogue["path"].iloc[0]):
        return catalogue
    from core.datasets import _archives

    archive = catalogue["path"].iloc[0].partition("!/")[0]
    place = {name: i for i, name in enumerate(_archives.index_of(archive).sizes)}
    order = [place.get(path.partition("!/")[2], len(place)) for path in catalogue["path"]]
    return catalogue.assign(_at=order).sort_values("_at", kind="stable").drop(columns="_at")


def spooled(units: Iterator[Unit], dataset: Any, folder: Path) -> Iterator[Unit]:
    """The units, with the clips of a .tar.gz copied to ``folder``; their items have ``local``."""
    members: Iterator[Any] | None = None
    there: dict[str, str] = {}
    for unit in units:
        if not any(is_packed(str(item["path"])) for item in unit.items):
            yield unit
            continue
        if members is None:
            from core.datasets import sources

            members = sources.iter_members(dataset)
        wanted = {str(item["clip_id"]) for item in unit.items} - there.keys()
        for member in members:
            path = folder / f"{len(there):08d}{Path(member.path).suffix[:6]}"
            path.write_bytes(member.data)
            there[member.clip_id] = str(path)
            wanted.discard(member.clip_id)
            if not wanted:
                break
        items = [{**i, "local": there.get(str(i["clip_id"]))} for i in unit.items]
        yield replace(unit, items=tuple(items))


def local_path(item: dict, folder: str | None = None) -> tuple[str, bool]:
    """A file with the clip of an item, and whether it is a copy to be deleted."""
    from core.datasets import sources

    if item.get("local"):
        return item["local"], True
    path = item["path"]
    if os.path.exists(path) or ("!/" not in path and "://" not in path):
        return path, False
    return str(sources.local_copy(path, folder or tempfile.gettempdir())), True


def discard(path: str) -> None:
    """Delete a copy."""
    with suppress(OSError):
        os.unlink(path)

"""The one process that may write: it plans, stores finished units, and tidies up."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
import os
from pathlib import Path
import time
from typing import TYPE_CHECKING, Any

from core.errors import ParameterError
from core.store._disk import StoreError, remove_temporaries, shown, speaking, sync_folder
from core.store._parts import (
    FIXED,
    ROW_GROUP,
    is_whole,
    items_key,
    read_table,
    table_of,
    vectors_of,
    write_table,
)
from core.store._plan import (
    KEY,
    NONE,
    Plan,
    assign_units,
    catalogue_path,
    items_digest,
    part_name,
    unit_keys,
)

if TYPE_CHECKING:
    import pandas as pd

UNIT_SIZE = 64


@dataclass(frozen=True)
class Unit:
    """Clips that are measured and stored together; ``items`` are rows of the catalogue."""

    number: int
    items: tuple[dict[str, Any], ...]
    known: tuple[dict[str, Any], ...] = ()  # rows that are copied


class Writer:
    """Made by ``Workspace.writer``, which holds the lock while it lives.

    Attributes
    ----------
    messages : list of str
        What was found damaged and set aside; sentences for the user.
    """

    def __init__(self, folder: Path, plan: Plan):
        self.folder, self.plan = folder, plan
        self.messages: list[str] = []
        self._catalogue: pd.DataFrame | None = None
        with speaking(folder / "plan.json"):
            for name in ("shards", "vectors"):
                (folder / name).mkdir(exist_ok=True)
        remove_temporaries(folder, folder / "shards", folder / "vectors")
        self._keys = unit_keys(self.catalogue) if len(self.catalogue) else {}
        self._remove_strays()
        self._set_damaged_aside()

    @property
    def catalogue(self) -> "pd.DataFrame":
        """One row per clip, with unit and from_unit."""
        if self._catalogue is None:
            import pandas as pd

            path = catalogue_path(self.folder, self.plan)
            if self.plan.revision and path.exists():
                try:
                    self._catalogue = read_table(path).to_pandas()
                except (OSError, ValueError) as err:
                    raise StoreError(
                        f"{shown(self.folder)}: {path.name} is damaged. Make the workspace again "
                        "with 'extract … --rebuild', or choose another folder."
                    ) from err
            else:
                self._catalogue = pd.DataFrame(columns=[*KEY, "unit", "from_unit"])
        return self._catalogue

    def set_catalogue(
        self,
        catalogue: "pd.DataFrame",
        *,
        redo: Collection[str] = (),
        unit_size: int = UNIT_SIZE,
        name: str = "",
    ) -> None:
        """Take these clips as the workspace's: what is unchanged keeps its rows.

        Parameters
        ----------
        catalogue : DataFrame
            One row per clip: clip_id (unique), path, size, mtime_ns, text and any labels.
        redo : collection of str
            The clip_id of clips to be measured again.
        unit_size : int
            Clips of a new unit.
        name : str
            The data set's name.
        """
        if not catalogue["clip_id"].is_unique:
            raise ParameterError("The catalogue names a clip twice: each clip_id must be unique.")
        old = self.catalogue if self.plan.revision else None
        catalogue = _storable(catalogue.drop(columns=["unit", "from_unit"], errors="ignore"))
        new = assign_units(
            catalogue.reset_index(drop=True),
            old,
            done=self.done(),
            redo=redo,
            unit_size=unit_size,
            next_unit=self.plan.next_unit,
        )
        if old is not None and new.equals(old):
            return
        self._commit(new, name or self.plan.name)
        self._remove_strays()

    def _commit(self, catalogue: "pd.DataFrame", name: str) -> None:
        """Write the catalogue, then the plan that names it: readers see both or neither."""
        import pyarrow as pa

        units = tuple(sorted({int(u) for u in catalogue["unit"]}))
        plan = replace(
            self.plan,
            name=name,
            id=items_digest(catalogue, self.plan.recipe),
            revision=self.plan.revision + 1,
            next_unit=max([self.plan.next_unit, *(u + 1 for u in units)]),
            units=units,
            clips=len(catalogue),
        )
        path = catalogue_path(self.folder, plan)
        write_table(path, pa.Table.from_pandas(catalogue, preserve_index=False))
        plan.write(self.folder)
        self.plan, self._catalogue = plan, None
        self._keys = unit_keys(self.catalogue)

    def done(self) -> set[int]:
        """Units whose shard exists."""
        there = {p.name for p in (self.folder / "shards").glob("u*.parquet")}
        sources = {int(u) for u in self.catalogue["from_unit"] if u != NONE}
        return {u for u in sources.union(self.plan.units) if part_name(u) in there}

    def clips_missing(self) -> int:
        """Clips whose unit is not stored and whose row cannot be copied."""
        done, table = self.done(), self.catalogue
        return int((~table["unit"].isin(done) & ~table["from_unit"].isin(done)).sum())

    def missing(self) -> Iterator[Unit]:
        """Units that are not stored yet, in order, with the rows that can be copied."""
        done = self.done()
        todo = [u for u in self.plan.units if u not in done]
        groups = self.catalogue.groupby("unit", sort=True)
        for number in todo:
            group = groups.get_group(number)
            sources = [int(u) for u in sorted(set(group["from_unit"]) - {NONE}) if u in done]
            known = self._rows(sources, set(group["clip_id"][group["from_unit"].isin(sources)]))
            have = {row["clip_id"] for row in known}
            items = [r for r in group.to_dict("records") if r["clip_id"] not in have]
            yield Unit(number, tuple(items), tuple(known))

    def _rows(self, units: Sequence[int], clip_ids: Collection[str]) -> list[dict[str, Any]]:
        """Stored rows of some clips, as they were given to ``write``."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array(sorted(clip_ids), pa.string())
        rows: list[dict[str, Any]] = []
        for unit in units:
            table = read_table(self.folder / "shards" / part_name(unit))
            beside = read_table(self.folder / "vectors" / part_name(unit))
            beside = beside.filter(pc.is_in(beside["clip_id"], wanted))
            vectors = {
                str(clip_id): {n: beside[n][i].as_py() for n in self.plan.vectors}
                for i, clip_id in enumerate(beside["clip_id"].to_pylist())
            }
            for row in table.filter(pc.is_in(table["clip_id"], wanted)).to_pylist():
                rows.append(
                    {name: row[name] for name in FIXED}
                    | {"values": {n: row[n] for n in self.plan.columns}}
                    | {"vectors": vectors.get(row["clip_id"], {})}
                )
        return rows

    def write(self, unit: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store a finished unit: vectors first, the table last.

        Parameters
        ----------
        unit : int
            Its number.
        rows : sequence of mapping
            One per clip of the unit, in any order: clip_id, and either values and vectors, or
            error and message.

        Raises
        ------
        ParameterError
            The rows are not exactly the clips of the unit.
        StoreError
            The disk is full or may not be written.
        """
        by_id = {row["clip_id"]: row for row in rows}
        expected = self.catalogue["clip_id"][self.catalogue["unit"] == unit].tolist()
        if len(by_id) != len(rows) or by_id.keys() != set(expected):
            raise ParameterError(f"Unit {unit} needs exactly one row for each of its clips.")
        ordered, key = [by_id[clip_id] for clip_id in expected], self._keys[unit]
        name = part_name(unit)
        write_table(self.folder / "vectors" / name, vectors_of(ordered, self.plan.vectors, key))
        write_table(self.folder / "shards" / name, table_of(ordered, self.plan.columns, key))

    def compact(self, rows: int = ROW_GROUP) -> int:
        """Merge neighbouring done units into units of up to ``rows`` clips; returns how many."""
        groups = self._neighbours(rows)
        if not groups:
            return 0
        catalogue, number = self.catalogue.copy(), self.plan.next_unit
        for group in groups:
            inside = catalogue["unit"].isin(group)
            catalogue.loc[inside, "unit"] = number
            number += 1
        catalogue["from_unit"] = NONE
        merged = catalogue[catalogue["unit"] >= self.plan.next_unit]
        for unit, items in merged.groupby("unit", sort=True):
            key = items_key(items[list(KEY)].itertuples(index=False, name=None))
            group = groups[int(unit) - self.plan.next_unit]
            for folder in ("vectors", "shards"):
                self._merge(folder, group, int(unit), key, items["clip_id"].tolist())
        self._commit(catalogue, self.plan.name)
        self._remove_strays()
        return len(groups)

    def _neighbours(self, rows: int) -> list[list[int]]:
        """Runs of small units that together have at most ``rows`` clips."""
        if set(self.plan.units) - self.done():
            return []
        sizes = self.catalogue["unit"].value_counts()
        groups, total = [[]], 0  # type: list[list[int]], int
        for unit in self.plan.units:
            n = int(sizes[unit])
            if total + n > rows:
                groups.append([])
                total = 0
            groups[-1].append(unit)
            total += n
        return [group for group in groups if len(group) > 1]

    def _merge(
        self, folder: str, units: Sequence[int], unit: int, key: str, clip_ids: Sequence[str]
    ) -> None:
        import numpy as np
        import pyarrow as pa

        tables = [read_table(self.folder / folder / part_name(u)) for u in units]
        whole = pa.concat_tables([t.replace_schema_metadata(None) for t in tables])
        place = {clip_id: i for i, clip_id in enumerate(clip_ids)}
        order = np.argsort([place[c] for c in whole["clip_id"].to_pylist()], kind="stable")
        whole = whole.take(pa.array(order)).combine_chunks().replace_schema_metadata({"key": key})
        write_table(self.folder / folder / part_name(unit), whole)

    def _remove_strays(self) -> None:
        """Delete parts of units, and catalogues, that no plan speaks of."""
        wanted = {part_name(u) for u in self.plan.units}
        if set(self.plan.units) - self.done():
            wanted |= {part_name(int(u)) for u in self.catalogue["from_unit"] if u != NONE}
        for name in ("shards", "vectors"):
            with speaking(self.folder / name / "x"):
                for path in (self.folder / name).glob("u*.parquet"):
                    if path.name not in wanted:
                        path.unlink()
                sync_folder(self.folder / name)
        for path in self.folder.glob("catalogue-*.parquet"):
            if path != catalogue_path(self.folder, self.plan):
                with suppress(OSError):
                    path.unlink()

    def tidy(self) -> None:
        """Delete what only an unfinished plan needed."""
        self._remove_strays()

    def _set_damaged_aside(self) -> None:
        """Rename parts that cannot be read; their units are measured again."""
        tables, beside = (*FIXED, *self.plan.columns), ("clip_id", *self.plan.vectors)
        for unit in sorted(self.done()):
            name, key = part_name(unit), self._keys.get(unit)
            paths = [
                (self.folder / "shards" / name, tables),
                (self.folder / "vectors" / name, beside),
            ]
            if key is None:  # only copied from: what cannot be copied is measured
                key = _key_of(paths[0][0])
            if all(is_whole(path, key, columns) for path, columns in paths):
                continue
            for path, _ in paths:
                with speaking(path), suppress(FileNotFoundError):
                    os.replace(path, path.with_name(f"{name}.damaged-{time.time_ns()}"))
            self.messages.append(
                f"Part {name} was damaged: it was set aside, and its clips are measured again."
            )


def _key_of(path: Path) -> str:
    try:
        metadata = read_table(path, ["clip_id"]).schema.metadata
    except (OSError, ValueError):
        return ""
    return (metadata or {}).get(b"key", b"").decode()


def _storable(catalogue: "pd.DataFrame") -> "pd.DataFrame":
    """Columns of mixed objects as text: Parquet has one type a column."""
    import pandas as pd

    out = catalogue.copy()
    for name in out.columns:
        if out[name].dtype != object:
            continue
        known = out[name].notna()
        out[name] = out[name].where(known, None)
        if not all(isinstance(x, str) for x in out[name][known]):
            numeric = pd.to_numeric(out[name], errors="coerce")
            fine = numeric.notna().equals(known)
            out[name] = numeric if fine else out[name][known].astype(str).reindex(out.index)
    return out

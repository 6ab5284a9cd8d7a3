"""A feature table that came without measuring: into a workspace, as it is."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from core.datasets import Dataset
from core.errors import DatasetError
from core.safe_text import clean
from core.store._disk import StoreError
from core.store._parts import FIXED, ROW_GROUP, write_table
from core.store._plan import part_name
from core.store._workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TABLE_SET = "table-v1"  # the "feature set" of numbers that somebody else measured
READING = 2  # a table read in an older way is read anew
_TABLES = (".csv", ".tsv", ".parquet")


def import_table(dataset: Dataset, folder: str | os.PathLike) -> Workspace:
    """Make a workspace of the feature table that came with a data set; nothing is measured.

    Columns of numbers are the features, under their own names; the labels are the data set's, its
    other columns of words among them. What
    an older version of the same table left in ``folder`` is replaced; notes stay.

    Parameters
    ----------
    dataset : Dataset
        With a table of features: ``dataset.features()`` is not None.
    folder : path
        The workspace's folder, made where it does not exist.

    Returns
    -------
    Workspace
        Its recipe's ``feature_set`` is "table-v1".

    Raises
    ------
    DatasetError
        The data set came without a table of features, or it cannot be read.
    StoreError
        The folder holds a measured table or other files, is full, or may not be written.
    """
    features = dataset.features()
    if features is None or len(features.columns) < 2 or not len(features):
        raise DatasetError(
            f"{clean(dataset.name)}: no table with columns of numbers came with it. "
            "Measure it here, or choose another table."
        )
    catalogue = dataset.catalogue().assign(size=0, mtime_ns=0)
    lengths = [n for n in features.columns if n.lower() == "duration"]
    catalogue = catalogue.drop(columns="duration" if lengths else [])
    features = _apart(features.drop(columns=[*FIXED[1:]], errors="ignore"), catalogue)
    names = list(features.columns[1:])
    recipe = {"feature_set": TABLE_SET, "table": dataset.name, "stamp": _stamp(dataset.folder)}
    recipe["reading"] = READING
    store = Workspace.create(
        folder, recipe=recipe, columns=names, name=dataset.name, rebuild=_is_older(folder)
    )
    with store.writer() as writer:
        writer.set_catalogue(catalogue, unit_size=ROW_GROUP, name=dataset.name)
        place = features.set_index("clip_id")[names]
        for unit in set(writer.plan.units) - writer.done():
            ids = writer.catalogue["clip_id"][writer.catalogue["unit"] == unit]
            key = {"key": writer._keys[unit]}
            rows = _shard(place.reindex(ids))
            beside = rows.select(["clip_id"]).replace_schema_metadata(key)
            write_table(store.folder / "vectors" / part_name(unit), beside)
            write_table(
                store.folder / "shards" / part_name(unit), rows.replace_schema_metadata(key)
            )
    return store


def is_imported(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    """Whether ``folder`` holds the table at ``path`` whole, as it is now; quick."""
    try:
        plan, units = Workspace.open(folder)._now()
    except StoreError:
        return False
    fresh = plan.recipe.get("stamp") == _stamp(path) and plan.recipe.get("reading") == READING
    return fresh and bool(units) and len(units) == len(plan.units)


def _apart(features: "pd.DataFrame", catalogue: "pd.DataFrame") -> "pd.DataFrame":
    """The features, renamed where a label has their name: queries do not tell case apart."""
    taken, names = {"unit", "from_unit", *(c.lower() for c in catalogue)}, {}
    for name in features.columns[1:]:
        own = name
        while own.lower() in taken:
            own += " (number)"
        taken.add(own.lower())
        names[name] = own
    return features.rename(columns=names)


def _is_older(folder: str | os.PathLike) -> bool:
    """Whether the folder holds an imported table, which costs nothing to make again."""
    try:
        found = json.loads((Path(folder) / "plan.json").read_bytes())  # of whatever version
        return found["recipe"]["feature_set"] == TABLE_SET
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _stamp(path: str | os.PathLike) -> list[list]:
    """Name, size and time of a table, or of the tables in a folder; [] for archives' members."""
    path = Path(path)
    if path.is_dir():
        found = [p for p in sorted(path.iterdir()) if p.name.lower().endswith(_TABLES)]
    else:
        found = [path] if path.is_file() else []
    about = [(p.name, p.stat()) for p in found]
    return [[clean(name), s.st_size, s.st_mtime_ns] for name, s in about]


def _shard(values: "pd.DataFrame") -> "pa.Table":
    """Rows as in a shard; what is not a finite number is null."""
    import numpy as np
    import pyarrow as pa

    n = len(values)
    columns: dict[str, pa.Array] = {"clip_id": pa.array(values.index.astype(object), pa.string())}
    columns |= {name: pa.nulls(n, pa.string()) for name in FIXED[1:]}
    for name in values.columns:
        x = values[name].to_numpy(dtype=np.float64)
        columns[name] = pa.array(x, pa.float64(), mask=~np.isfinite(x))
    return pa.table(columns)

"""The workspace: one folder that remembers what was measured on a data set.

Layout: ``plan.json`` (what is measured, and how), ``catalogue-N.parquet`` (one row per clip, with
its labels and its unit), ``shards/u00017.parquet`` (the clips of unit 17: features, or error and
message) and ``vectors/u00017.parquet`` (what is wider than a number).

Conventions: a unit is done exactly when its shard exists; its vectors are written before. Files
appear whole (temporary, fsync, rename, fsync of the folder) and are never changed afterwards. What
could not be measured is null in Parquet and NaN in pandas. Times are ns since 1970, sizes bytes.

* Opening: ``Workspace.create``, ``Workspace.open``; ``import_table`` for numbers measured elsewhere
* Reading: ``status query histogram correlations page features failures vectors drawn export``
* Looking it over without changing it: ``verify``
* Writing, one process at a time: ``Workspace.writer``
* For files of others that must appear whole: ``write_whole write_table read_table speaking locked
  remove_temporaries shown sync_folder``
"""

from core.store._disk import (
    StoreError,
    locked,
    remove_temporaries,
    shown,
    speaking,
    sync_folder,
    write_whole,
)
from core.store._draw import Drawn
from core.store._import import TABLE_SET, import_table, is_imported
from core.store._parts import read_table, write_table
from core.store._query import Histogram, pairwise_correlation
from core.store._verify import Health, verify
from core.store._workspace import Status, Vectors, Workspace
from core.store._writer import Unit, Writer

__all__ = [
    "TABLE_SET",
    "Drawn",
    "Health",
    "Histogram",
    "Status",
    "StoreError",
    "Unit",
    "Vectors",
    "Workspace",
    "Writer",
    "import_table",
    "is_imported",
    "locked",
    "pairwise_correlation",
    "read_table",
    "remove_temporaries",
    "shown",
    "speaking",
    "sync_folder",
    "verify",
    "write_table",
    "write_whole",
]

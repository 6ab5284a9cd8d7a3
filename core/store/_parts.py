"""The Parquet files of one unit: a table of clips, and vectors beside it."""

from collections.abc import Iterable, Mapping, Sequence
import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.store._disk import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

FIXED = ("clip_id", "error", "message")
# Numbers hardly shrink: LZ4 without dictionaries is read in a third of the time of zstd with them.
_WRITE = {"compression": "lz4", "write_page_checksum": True}
ROW_GROUP = 120_000


def items_key(items: Iterable[Sequence[Any]]) -> str:
    """A digest of (clip_id, path, size, mtime_ns, text) of a unit's clips, in order."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(json.dumps([_plain(x) for x in item]).encode())
    return digest.hexdigest()[:24]


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def table_of(rows: Sequence[Mapping], columns: Sequence[str], key: str) -> "pa.Table":
    """Rows as written to a shard: clip_id, error, message, then one double per feature."""
    import pyarrow as pa

    data: dict[str, pa.Array] = {
        name: pa.array([row.get(name) for row in rows], pa.string()) for name in FIXED
    }
    for name in columns:
        found = [row.get("values", {}).get(name) for row in rows]
        data[name] = pa.array([_finite(x) for x in found], pa.float64())
    return pa.table(data).replace_schema_metadata({"key": key})


def vectors_of(rows: Sequence[Mapping], sizes: Mapping[str, int], key: str) -> "pa.Table":
    """Vectors of the rows that did not fail: clip_id, then one fixed-size list per vector."""
    import pyarrow as pa

    good = [row for row in rows if row.get("error") is None]
    data: dict[str, pa.Array] = {"clip_id": pa.array([r["clip_id"] for r in good], pa.string())}
    for name, size in sizes.items():
        flat = np.full((len(good), size), np.nan, dtype=np.float32)
        for target, row in zip(flat, good, strict=True):
            found = row.get("vectors", {}).get(name)
            if found is not None:
                target[:] = found
        data[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), size)
    return pa.table(data).replace_schema_metadata({"key": key})


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def write_table(path: Path, table: "pa.Table") -> None:
    """Write a table that appears whole."""
    import pyarrow.parquet as pq

    words = [field.name for field in table.schema if str(field.type) == "string"]
    kind = {"row_group_size": ROW_GROUP, "use_dictionary": words, **_WRITE}
    write_whole(path, lambda file: pq.write_table(table, file, **kind))


def read_table(path: Path, columns: Sequence[str] | None = None) -> "pa.Table":
    """Read a table, its checksums verified; OSError or ValueError where it is damaged."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read(columns=list(columns) if columns is not None else None)


def is_whole(path: Path, key: str, columns: Sequence[str]) -> bool:
    """Whether a part can be read to its last byte, and is about these clips and columns."""
    try:
        table = read_table(path)
    except (OSError, ValueError):
        return False
    found = (table.schema.metadata or {}).get(b"key", b"").decode()
    return found == key and table.column_names == list(columns)

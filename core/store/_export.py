"""A workspace's table as one file for other programs."""

from collections.abc import Callable, Sequence
import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from core.errors import ParameterError
from core.safe_text import cell, clean
from core.store._disk import write_whole
from core.store._query import quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from core.store._workspace import Workspace

FORMATS = ("csv", "spreadsheet", "parquet")  # a CSV for programs, and one for people
ARTICLE = (
    "filename",
    "age",
    "gender",
    "nwords",
    "duration",
    "words_per_second",
    "tempo",
    "f0_mean",
    "f0_median",
    "f0_std",
    "f0_5perc",
    "f0_95perc",
)
_FILENAME = "regexp_extract(path, '[^/\\\\]*$')"
_ROWS = 20_000  # at a time


def export(
    workspace: "Workspace",
    path: str | os.PathLike,
    format: str,
    columns: Sequence[str] | None,
) -> int:
    """See ``Workspace.export``."""
    import pyarrow as pa

    if format not in FORMATS:
        raise ParameterError(
            f"Unknown format {clean(format)}: choose csv or parquet, or spreadsheet for a "
            "CSV that people open."
        )
    known = workspace._columns_of("clips")
    if columns is None:
        is_article = workspace.status().feature_set == "article-v1"
        columns = [c for c in ARTICLE if c == "filename" or c in known] if is_article else known
    own = [c for c in columns if c != "filename" or c in known]
    workspace._check(own, known)
    picked = ", ".join(quoted(c) if c in known else f"{_FILENAME} AS filename" for c in columns)
    # A count is written 7 and not 7.0.
    sql = f"SELECT {picked} FROM clips ORDER BY clip_id"
    reader = workspace._database().reader(sql, _ROWS)
    counts = [n for n in reader.schema.names if n == "nwords" or n.endswith("_count")]
    schema = pa.schema(
        [pa.field(f.name, pa.int64() if f.name in counts else f.type) for f in reader.schema]
    )
    writer = {"csv": _write_csv, "spreadsheet": _write_spreadsheet}.get(format, _write_parquet)
    written = 0

    def write(file: BinaryIO) -> None:
        nonlocal written
        written = writer(file, schema, reader)

    write_whole(Path(os.path.abspath(path)), write)
    return written


def _write_parquet(file: BinaryIO, schema: "pa.Schema", reader: "pa.RecordBatchReader") -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as out:
        for batch in reader:
            out.write_table(pa.Table.from_batches([batch]).cast(schema))
            written += batch.num_rows
    return written


def _write_spreadsheet(file: BinaryIO, schema: "pa.Schema", reader: "pa.RecordBatchReader") -> int:
    return _write_csv(file, schema, reader, lambda text: cell(_word(text)))


def _word(text: str) -> str:
    """Without carriage returns, which the csv module leaves unquoted."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _write_csv(
    file: BinaryIO,
    schema: "pa.Schema",
    reader: "pa.RecordBatchReader",
    word: Callable[[str], str] = _word,
) -> int:
    import pyarrow as pa

    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    out, written = csv.writer(text, lineterminator="\n"), 0
    out.writerow(map(word, schema.names))
    for batch in reader:
        table = pa.Table.from_batches([batch]).cast(schema)
        columns = [column.to_pylist() for column in table.columns]
        columns = [[word(v) if isinstance(v, str) else v for v in column] for column in columns]
        out.writerows(zip(*columns, strict=True))
        written += batch.num_rows
    text.detach()
    return written

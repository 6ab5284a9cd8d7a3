"""Tables of labels, read as they are written: every value a word, no guessing.

Conventions: ``row`` is the line of the table, the header being line 1 (its record, where a quoted
value may span lines); a line that is not UTF-8 is read as Latin-1; a line with too many fields, or
a field of over a million characters, is a row with a ``problem``.
"""

import codecs
from collections.abc import Callable, Sequence
import csv
import io
import json
from typing import TYPE_CHECKING

from core.datasets.files import Files
from core.errors import DatasetError
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MAX_COLUMNS = 10_000
MAX_FIELD = 2**20  # bytes
MAX_RECORDS = 20_000_000
_BLOCK = 2**24  # bytes


def header_of(head: bytes, delimiter: str, quoted: bool = True) -> list[str]:
    """Names of the columns, from the first bytes of a table; [""] where there are none."""
    head = head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    text = _decoded(head.split(b"\n" if not quoted else b"\0\0\0")[0])
    if not quoted:
        return [name.strip() for name in text.rstrip("\r").split(delimiter)]
    try:
        first = next(csv.reader(io.StringIO(text), delimiter=delimiter), [""])
    except csv.Error:
        first = [text.split("\n")[0]]
    return [name.strip() for name in first]


def delimiter_of(name: str, head: bytes) -> str:
    """Tab for .tsv; for others whichever of comma, semicolon and tab is most in line 1."""
    if name.lower().endswith(".tsv"):
        return "\t"
    first = head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n").split(b"\n")[0]
    return max(",;\t", key=lambda mark: first.count(mark.encode()))


def read_table(
    files: Files, name: str, wanted: Sequence[str] | None = None, *, quoted: bool = True
) -> "pd.DataFrame":
    """A table by its suffix: .tsv, .csv, .txt, .jsonl, .json (lines) or .parquet.

    Parameters
    ----------
    files, name : Files, str
        The data set and the table's name in it.
    wanted : sequence of str, optional
        Columns to read, those that exist; default all.
    quoted : bool
        False where a quotation mark is a letter like any other (Common Voice).

    Returns
    -------
    pd.DataFrame
        The columns as str ("" where empty), ``row`` (int64) and ``problem``;
        ``attrs["header"]`` has the names of all columns.

    Raises
    ------
    DatasetError
        If the table is missing, cannot be read, or has over 10,000 columns.
    """
    data, lower = files.read(name), name.lower()
    where = f"{clean(files.root)}/{clean(name)}"
    if lower.endswith(".parquet"):
        return _parquet(data, wanted, where)
    files.notes |= dict.fromkeys(_not_utf8(data, clean(name)))
    if lower.endswith((".jsonl", ".json", ".ndjson")):
        return _json_lines(data, wanted, where)
    delimiter = delimiter_of(name, data[:_BLOCK]) if quoted else "\t"
    table = delimited(data, wanted, where, delimiter, quoted=quoted)
    files.notes |= dict.fromkeys(_doubled(table.attrs["header"], clean(name)))
    return table


def _not_utf8(data: bytes, name: str) -> list[str]:
    """A note where lines have to be read as Latin-1."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or _is_utf8(data):
        return []
    line = next(n for n, raw in enumerate(data.split(b"\n"), start=1) if not _is_utf8(raw))
    return [
        f"{name}: line {line:,} is not UTF-8 and was read as Latin-1: letters may be wrong. "
        "Save the table as UTF-8."
    ]


def _doubled(header: list[str], name: str) -> list[str]:
    """A note where columns have one name."""
    twice = [word for word in dict.fromkeys(header) if word and header.count(word) > 1][:3]
    shown = ", ".join(clean(word, 40) for word in twice)
    return [f"{name}: several columns are called {shown}: the first is read."] if twice else []


def words_of(text: str) -> dict[str, str]:
    """Lines of a name, white space, and the rest, by name; of two with one name, the first."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        fields = line.split(None, 1)
        if fields:
            found.setdefault(fields[0], fields[1].strip() if len(fields) > 1 else "")
    return found


def delimited(
    data: bytes, wanted: Sequence[str] | None, where: str, delimiter: str, *, quoted: bool
) -> "pd.DataFrame":
    """As ``read_table``, for the bytes of a .csv or .tsv."""
    import numpy as np
    import pandas as pd

    whole = _mended(data, quoted)
    data = whole.lstrip(b"\r\n")
    blank = whole.count(b"\n", 0, len(whole) - len(data))  # lines before the header
    header = header_of(data[:_BLOCK], delimiter, quoted)
    use = _columns(header, wanted, where)
    if not use:
        return _finish(pd.DataFrame(index=range(0)), np.zeros(0, np.int64), [], header)
    short: list[tuple[int, list[str], str]] = []

    def other_length(found) -> str:
        fields = _split(found.text, delimiter, quoted, len(header))
        extra = found.actual_columns > len(header)
        wrong = f"{found.actual_columns} fields where the header has {len(header)}" if extra else ""
        fields += [""] * (len(header) - len(fields))
        short.append((found.number, [fields[i] for i in use.values()], wrong))
        return "skip"

    table = _arrow(data, where, delimiter, quoted, len(header), list(use.values()), other_length)
    lines = np.arange(2, 2 + table.num_rows + len(short), dtype=np.int64)
    skipped = np.fromiter((number for number, _, _ in short), np.int64, len(short))
    frame = table.rename_columns(list(use)).to_pandas().astype("str")
    more = pd.DataFrame([fields for _, fields, _ in short], columns=list(use), dtype="str")
    frame = pd.concat([frame, more], ignore_index=True) if short else frame
    row = np.concatenate([np.setdiff1d(lines, skipped, assume_unique=True), skipped])
    row += blank
    problem = [""] * table.num_rows + [wrong for _, _, wrong in short]
    return _finish(frame, row, problem, header)


def _finish(frame: "pd.DataFrame", row, problem: list[str], header: list[str]) -> "pd.DataFrame":
    """In the order of the lines, blank ones gone, huge fields cut and reported."""
    import pandas as pd

    words = list(frame.columns)
    frame["row"] = row
    frame["problem"] = pd.Series(problem, dtype="str", index=frame.index)
    blank = pd.Series(True, index=frame.index)
    for name in words:
        blank &= frame[name] == ""
        huge = frame[name].str.len() > MAX_FIELD
        if huge.any():
            frame.loc[huge, "problem"] = f"a field of over {MAX_FIELD:,} characters"
            frame.loc[huge, name] = frame.loc[huge, name].str.slice(0, 100)
    frame = frame[~blank | (frame["problem"] != "")]
    if not frame["row"].is_monotonic_increasing:
        frame = frame.sort_values("row")
    frame = frame.reset_index(drop=True)
    frame.attrs["header"] = header
    return frame


def _columns(header: list[str], wanted: Sequence[str] | None, where: str) -> dict[str, int]:
    """Where each wanted column is; of two with one name, the first."""
    if len(header) > MAX_COLUMNS:
        raise DatasetError(
            f"{where}: {len(header):,} columns in its first line; at most {MAX_COLUMNS:,} are "
            "read. Check that it is a table of labels."
        )
    at = {name: i for i, name in reversed(list(enumerate(header)))}
    names = [name for name in (header if wanted is None else wanted) if name in at]
    return {name: at[name] for name in names if name not in ("row", "problem")}


def _arrow(
    data: bytes,
    where: str,
    delimiter: str,
    quoted: bool,
    width: int,
    use: list[int],
    other_length: Callable,
) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [f"f{i}" for i in range(width)]
    columns = [names[i] for i in use]
    # A line must fit into a block; only a table with a huge line needs more than one try.
    for block in (_BLOCK, 2**31 - 1):
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(data),
                arrow_csv.ReadOptions(
                    use_threads=False,
                    block_size=min(block, max(len(data), 1)),
                    column_names=names,
                    skip_rows_after_names=1,
                ),
                arrow_csv.ParseOptions(
                    delimiter=delimiter,
                    quote_char='"' if quoted else False,
                    double_quote=quoted,
                    newlines_in_values=quoted,
                    ignore_empty_lines=False,
                    invalid_row_handler=other_length,
                ),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.large_string()),
                    include_columns=columns,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as err:
            problem = err
    raise DatasetError(
        f"{where}: not a readable table ({clean(problem)}). Save it again as CSV or TSV in UTF-8."
    ) from problem


def _split(text: str, delimiter: str, quoted: bool, width: int) -> list[str]:
    if not quoted:
        return text.split(delimiter, width)[:width]
    try:
        return next(csv.reader(io.StringIO(text), delimiter=delimiter), [])[:width]
    except csv.Error:
        return [text[:MAX_FIELD]]


def _mended(data: bytes, quoted: bool) -> bytes:
    """UTF-8 without a byte order mark; line ends that split lines only where lines end."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    lone = not quoted and b"\r" in data and data.count(b"\r") != data.count(b"\r\n")
    if _is_utf8(data) and not lone:
        return data
    lines = (_decoded(line.removesuffix(b"\r")).replace("\r", " ") for line in data.split(b"\n"))
    return "\n".join(lines).encode()


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    try:
        for start in range(0, len(data), _BLOCK):
            decoder.decode(view[start : start + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _parquet(data: bytes, wanted: Sequence[str] | None, where: str) -> "pd.DataFrame":
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(data))
        header = list(file.schema_arrow.names)
        use = list(_columns(header, wanted, where))
        frame = file.read(columns=use).to_pandas()
    except (pa.ArrowException, OSError) as err:
        raise DatasetError(
            f"{where}: not a readable Parquet file ({clean(err)}). Save it again."
        ) from err
    frame = frame.apply(lambda column: column.where(column.notna(), "").astype("str"))
    return _finish(frame, np.arange(1, 1 + len(frame)), [""] * len(frame), header)


def _json_lines(data: bytes, wanted: Sequence[str] | None, where: str) -> "pd.DataFrame":
    """Objects, one a line; a line that is none is a row with a problem."""
    import pandas as pd

    found: list[dict[str, str]] = []
    rows, problem = [], []
    for number, raw in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        if not raw.strip():
            continue
        values, wrong = _object(raw)
        if wanted is not None:
            values = {name: values[name] for name in wanted if name in values}
        found.append(values)
        rows.append(number)
        problem.append(wrong)
    header = list(dict.fromkeys(name for values in found for name in values))
    _columns(header, None, where)
    frame = pd.DataFrame(found, columns=header, index=range(len(found)))
    return _finish(frame.fillna("").astype("str"), rows, problem, header)


def _object(raw: bytes) -> tuple[dict[str, str], str]:
    try:
        values = json.loads(_decoded(raw))
    except (ValueError, RecursionError):
        return {}, "not a line of JSON"
    if not isinstance(values, dict) or len(values) > MAX_COLUMNS:
        return {}, "not a JSON object"
    return {_plain(name): _word(value) for name, value in values.items()}, ""


def _word(value: object) -> str:
    """A JSON value as a table would have it."""
    if value is None or isinstance(value, dict | list):
        return ""
    return _plain(value) if isinstance(value, str) else json.dumps(value)


def _plain(text: str) -> str:
    """Half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes U+FFFD."""
    return text.encode("utf-8", "replace").decode()

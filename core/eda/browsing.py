"""Clips and speakers as tables, found by their words, and taken along as files.

Conventions: ``find`` is a text that a clip's id, speaker or words contain, whatever the case; a
table comes a page at a time. In a CSV a text that a spreadsheet would take for a formula begins
with an apostrophe.
"""

from collections.abc import Mapping, Sequence
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import ParameterError
from core.features import FEATURE_SETS, FeatureSpec, feature_set
from core.filters import Selection
from core.quality import SPECS
from core.quality import columns as checks
from core.safe_text import cell, clean
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

PAGE = 100  # rows
MOST_ROWS = 250_000  # of a file made while a visitor waits
FOUND_IN = ("clip_id", "speaker_id", "text")
PITCH = ("f0_median_hz", "f0_median")
SECONDS = ("duration_s", "duration")
HIDDEN = ("size", "mtime_ns", "gender_original")
KINDS = ("csv", "parquet", "manifest")
_UNITS = {
    "hz": "Hz",
    "s": "s",
    "ms": "ms",
    "db": "dB",
    "dbfs": "dBFS",
    "lufs": "LUFS",
    "st": "st",
    "pct": "%",
}
_SPEAKER_COLUMNS = ("speaker_id", "clips", "seconds", "f0_median", "gender")


class Rows(NamedTuple):
    """A page of a table: ``table``, and how many rows there are on all pages."""

    table: "pd.DataFrame"
    total: int


def specs_of(set_name: str, columns: Sequence[str]) -> dict[str, FeatureSpec]:
    """What each feature of a workspace is, by column.

    Columns of an imported table that are named as a known set's are taken for that set's where at
    least half of the set is there; the others say no more than their names do.
    """
    found = {name: _spec_of_check(name) for name in columns if name in checks.NAMES}
    if set_name in FEATURE_SETS:
        return {spec.name: spec for spec in feature_set(set_name).specs} | found
    known: dict[str, FeatureSpec] = {}
    for name in FEATURE_SETS:
        specs = {spec.name: spec for spec in feature_set(name).specs}
        if 2 * len(specs.keys() & set(columns)) >= len(specs):
            known |= specs
    return {name: known.get(name) or _spec_of(name) for name in columns} | found


def _spec_of_check(name: str) -> FeatureSpec:
    column = next(c for c in checks.COLUMNS if c.name == name)
    spec = next(s for s in SPECS if s.key == column.key)
    return FeatureSpec(name, column.label, column.unit, spec.about, "", spec.source)


def _spec_of(name: str) -> FeatureSpec:
    unit = _UNITS.get(name.rsplit("_", 1)[-1].lower(), "") if "_" in name else ""
    stem = name.rsplit("_", 1)[0] if unit else name
    label = clean(stem.replace("_", " "), 60).strip() or clean(name, 60)
    return FeatureSpec(
        name,
        label,
        unit,
        f"Column “{clean(name, 60)}” of the table, as it came.",
        "How it was measured is for the table's maker to say.",
        "the table that was opened",
    )


def where(selection: Selection, find: str = "", columns: Sequence[str] = FOUND_IN):
    """What ``core.store`` takes as ``where``, for a selection and a text to find."""
    found = selection.where()
    if not find.strip():
        return found
    parts = " OR ".join(f'contains(lower("{name}"), lower(?))' for name in columns)
    sql, values = found or ("TRUE", [])
    return f"({sql}) AND ({parts})", [*values, *[find.strip()] * len(columns)]


def clips(
    workspace: Workspace,
    selection: Selection,
    find: str = "",
    *,
    order_by: str = "clip_id",
    descending: bool = False,
    page: int = 1,
    rows: int = PAGE,
    columns: Sequence[str] | None = None,
) -> Rows:
    """A page of the selected clips, in order; the first page is 1.

    Raises
    ------
    ParameterError
        There is no such column.
    """
    condition = where(selection, find, _searched(workspace))
    table = workspace.page(
        order_by,
        rows,
        (max(1, page) - 1) * rows,
        condition,
        descending=descending,
        columns=columns,
    )
    return Rows(table, workspace.count(condition))


def speakers(
    workspace: Workspace,
    selection: Selection,
    *,
    order_by: str = "clips",
    descending: bool = True,
    page: int = 1,
    rows: int = PAGE,
) -> Rows:
    """A page of the speakers of the selected clips.

    Returns
    -------
    Rows
        speaker_id; clips; seconds (sum); f0_median (Hz, middle of the clips' medians); gender
        ("several" where the clips of one speaker differ). Empty where no speaker is known.
    """
    import pandas as pd

    labels = workspace.label_columns()
    if "speaker_id" not in labels:
        return Rows(pd.DataFrame(columns=list(_SPEAKER_COLUMNS)), 0)
    if order_by not in _SPEAKER_COLUMNS:
        raise ParameterError(
            f"Speakers have no column {clean(order_by)}: choose one of {list(_SPEAKER_COLUMNS)}."
        )
    known = {*labels, *workspace.columns}
    seconds = next((f'sum("{n}")' for n in SECONDS if n in known), "NULL::DOUBLE")
    f0 = next((f'median("{n}")' for n in PITCH if n in known), "NULL::DOUBLE")
    several = "CASE WHEN count(DISTINCT gender) > 1 THEN 'several' ELSE min(gender)::VARCHAR END"
    gender = several if "gender" in labels else "NULL::VARCHAR"
    condition, values = selection.where() or ("TRUE", [])
    inside = f"FROM clips WHERE ({condition}) AND speaker_id IS NOT NULL"
    total = workspace.query(f"SELECT count(DISTINCT speaker_id) AS n {inside}", values)
    table = workspace.query(
        f"SELECT speaker_id, count(*) AS clips, {seconds} AS seconds, {f0} AS f0_median, "
        f"{gender} AS gender {inside} GROUP BY speaker_id "
        f'ORDER BY "{order_by}" {"DESC" if descending else "ASC"} NULLS LAST, speaker_id '
        f"LIMIT {int(rows)} OFFSET {(max(1, int(page)) - 1) * int(rows)}",
        values,
    )
    return Rows(table, int(total["n"].iloc[0]))


def _searched(workspace: Workspace) -> list[str]:
    there = workspace.label_columns()
    return [name for name in FOUND_IN if name in there]


def table_of(
    workspace: Workspace,
    selection: Selection,
    find: str = "",
    *,
    tags: Mapping[str, set[str]] | None = None,
    notes: Mapping[str, str] | None = None,
) -> "pd.DataFrame":
    """All selected clips with labels, features, and tags and notes where there are any.

    Raises
    ------
    ParameterError
        There are more than 250,000 clips.
    """
    condition = where(selection, find, _searched(workspace))
    if workspace.count(condition) > MOST_ROWS:
        raise ParameterError(
            f"A file made here has at most {MOST_ROWS:,} clips: select fewer, or take the whole "
            "table with 'python -m core export'."
        )
    columns = [c for c in workspace.label_columns() if c not in HIDDEN]
    columns += [*workspace.columns, *workspace.check_columns()]
    table = workspace.page(limit=None, where=condition, columns=columns)
    for name in table.columns:
        if name == "nwords" or name.endswith("_count"):
            table[name] = table[name].astype("Int64", errors="ignore")
    for name, said in (("tags", tags), ("note", notes)):
        if said:
            text = {c: ", ".join(sorted(v)) if isinstance(v, set) else v for c, v in said.items()}
            table[name] = table["clip_id"].map(text)
    return table


def csv_of(table: "pd.DataFrame") -> bytes:
    """A table as CSV in UTF-8, its texts no formulas."""
    out = table.copy()
    for name in out.columns:
        if not is_number(out[name].dtype):
            texts = out[name].astype("str").map(_text, na_action="ignore")
            out[name] = texts.astype(object).where(out[name].notna(), None)
    # A column is named by whoever made the table, too.
    out.columns = [cell(str(c)) for c in out.columns]
    return out.to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")


def _text(text: str) -> str:
    return cell(text).replace("\r\n", "\n").replace("\r", "\n")


def is_number(dtype: Any) -> bool:
    """Whether a column of this type holds numbers."""
    return getattr(dtype, "kind", "O") in "biuf"


def parquet_of(table: "pd.DataFrame") -> bytes:
    """A table as Parquet."""
    import io

    out = io.BytesIO()
    table.to_parquet(out, index=False)
    return out.getvalue()


class Manifest(NamedTuple):
    """``data`` of a validated.tsv, and the folder that its paths start from."""

    data: bytes
    start: str


def manifest_of(workspace: Workspace, table: "pd.DataFrame", root: str | os.PathLike) -> Manifest:
    """The clips of a table as a validated.tsv in Common Voice's layout.

    Parameters
    ----------
    workspace : Workspace
        For the labels as they were written.
    table : DataFrame
        With clip_id and path, as ``table_of`` gives it.
    root : path
        The data set's folder, or its table there: paths are relative to its folder ``clips`` where
        all recordings are in there, otherwise to itself.

    Raises
    ------
    ParameterError
        The clips have no recordings in that folder.
    """
    import pandas as pd

    paths = table["path"].fillna("") if "path" in table else pd.Series("", index=table.index)
    folder = Path(os.path.realpath(root))
    start, relative = _relative(paths.tolist(), folder.parent if folder.is_file() else folder)
    given = table
    if "gender_original" in workspace.label_columns():
        words = workspace.page(limit=None, columns=["clip_id", "gender_original"])
        given = table.assign(
            gender=table["clip_id"].map(words.set_index("clip_id")["gender_original"])
        )
    columns = {
        "client_id": "speaker_id",
        "path": "",
        "sentence": "text",
        "age": "age",
        "gender": "gender",
        "accents": "accent",
        "locale": "locale",
    }
    out = pd.DataFrame(index=table.index)
    for name, source in columns.items():
        words = given[source] if source in given else pd.Series("", index=table.index)
        words = words.astype(object).where(words.notna(), "").astype("str")
        out[name] = words.str.replace(r"[\t\r\n]+", " ", regex=True)
    out["path"] = relative
    lines = ["\t".join(out.columns), *("\t".join(row) for row in out.itertuples(index=False))]
    return Manifest(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"), start)


def _relative(paths: Sequence[str], root: Path) -> tuple[str, list[str]]:
    inside = [p.split("!/", 1)[-1] if "!/" in p else _below(p, root) for p in paths]
    if not inside or not all(inside) or any(c in p for p in inside for c in "\t\r\n"):
        raise ParameterError(
            "A manifest names recordings, and these clips have none in the data set's folder: "
            "take the table as CSV or Parquet."
        )
    if all(p.startswith("clips/") for p in inside):
        return "clips", [p.removeprefix("clips/") for p in inside]
    return "", inside


def _below(path: str, root: Path) -> str:
    try:
        return Path(path).relative_to(root).as_posix() if path else ""
    except ValueError:
        return ""


def code_for(columns: Sequence[str], order_by: str, descending: bool) -> str:
    """Lines of pandas that make the page's tables from the exported CSV."""
    lines = [
        "import pandas as pd",
        "",
        'clips = pd.read_csv("clips.csv")',
        f"clips = clips.sort_values([{order_by!r}, 'clip_id'], ascending=[{not descending}, True])",
        "print(clips.head(100))",
    ]
    seconds = next((n for n in SECONDS if n in columns), "")
    f0 = next((n for n in PITCH if n in columns), "")
    if "speaker_id" in columns and seconds and f0:
        lines += [
            "",
            "speakers = clips.groupby('speaker_id').agg(",
            f"    clips=('clip_id', 'size'), seconds=({seconds!r}, 'sum'),",
            f"    f0_median=({f0!r}, 'median'),",
            ")",
            "print(speakers.sort_values('clips', ascending=False))",
        ]
    return "\n".join(lines)

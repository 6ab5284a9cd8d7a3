"""Any folder of recordings, with a table whose columns the user names.

Conventions: without a table every audio file is a clip without labels; with one, every line of the
table is a clip or a problem.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.datasets.article import GUESSES, table_header
from core.datasets.base import WORDS, Dataset
from core.datasets.common_voice import first_words
from core.datasets.files import Files
from core.datasets.tables import read_table
from core.errors import DatasetError, ParameterError
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

PATHS = ("path", "file", "filename", "file_name", "audio_filepath", "audio", "wav", "clip_id", "id")
_TABLES = (".csv", ".tsv", ".parquet", ".jsonl")
_FOLDERS_LOOKED_INTO = 200


@dataclass(frozen=True)
class AnyFolder(Dataset):
    """A folder of recordings, in folders or not, with a table of labels or without.

    Parameters
    ----------
    folder : Path or str
        The folder, or a table in it.
    table : str, optional
        Name of the table in the folder (.csv, .tsv, .parquet, .jsonl); default the one at the top
        that has a column of paths; "" for none.
    columns : mapping of str to str, optional
        The table's column for ``path`` and any of speaker_id, gender, age, accent, locale, text,
        duration, split; what is not given is looked for under its usual names.
    """

    table: str | None = None
    columns: Mapping[str, str] | None = None

    layout: ClassVar[str] = "folder"
    title: ClassVar[str] = "Folder of recordings"
    licence: ClassVar[str] = "as its maker says"
    about: ClassVar[str] = "Any audio files, with a table of labels or without."

    def __post_init__(self) -> None:
        allowed = ("path", "duration", *WORDS)
        for name in self.columns or {}:
            if name not in allowed:
                raise ParameterError(
                    f"columns has no place for {clean(name)!r}: choose of {', '.join(allowed)}."
                )

    @classmethod
    def fits(cls, files: Files) -> bool:
        """There is audio in the folder or not far below; a table opened by itself names some."""
        if files.table:
            names = (
                table_header(files, files.table) if files.table.endswith((".csv", ".tsv")) else []
            )
            return any(name in PATHS for name in names) and _names_audio(files)
        return _has_audio(files)

    def rows(self, files: Files) -> "pd.DataFrame":
        """The rows of the table, or every audio file."""
        import pandas as pd

        name = self._table_name(files)
        if not name:
            if files.table:
                raise DatasetError(
                    f"{clean(files.table)}: no column of paths among those usual. Name it with "
                    "columns={'path': ...}."
                )
            names = pd.Series(files.walk(_audio_ends()), dtype="str")
            return pd.DataFrame({"written": names, "row": 0, "tail": names})
        table = read_table(files, name)
        sources = GUESSES | {key: (column,) for key, column in (self.columns or {}).items()}
        for column in (self.columns or {}).values():
            if column not in table:
                shown = ", ".join(clean(word, 40) for word in table.attrs["header"][:20])
                raise DatasetError(
                    f"{clean(name)}: no column {clean(column)!r}. Choose among: {shown}."
                )
        paths = sources.pop("path", PATHS)
        path = next((column for column in paths if column in table), None)
        if path is None:
            raise DatasetError(
                f"{clean(name)}: no column of paths. Name it with columns={{'path': ...}}."
            )
        rows = first_words(table, sources)
        rows["written"] = _with_suffix(table[path], files)
        return rows.assign(tail=rows["written"].str.removeprefix(files.base("") + "/"))

    def _table_name(self, files: Files) -> str:
        if self.table is not None or files.table:
            return self.table if self.table is not None else files.table
        names = [name for name in sorted(files.top) if name.lower().endswith(_TABLES)]
        asked = (self.columns or {}).get("path")
        usual = {asked} if asked else set(PATHS)
        unused = [n for n in names if not usual & set(_names_of(files, n))]
        names = [n for n in names if n not in unused]
        if unused and not names:
            said = f"{clean(unused[0])}: no column names the recordings, so it is not used."
            files.notes[said] = None
        if len(names) > 1:
            shown = ", ".join(clean(name) for name in names[:5])
            raise DatasetError(
                f"{clean(files.root)}: several tables ({shown}). Name one with table=, or table=''."
            )
        return names[0] if names else ""


def _names_of(files: Files, name: str) -> list[str]:
    """Names of a table's columns; Parquet and JSON lines are read for them."""
    if name.lower().endswith((".parquet", ".jsonl")):
        return read_table(files, name).attrs["header"]
    return table_header(files, name)


def _with_suffix(written: "pd.Series", files: Files) -> "pd.Series":
    """Paths as written; one without an audio suffix gets that of the only file so named."""
    bare = ~written.str.lower().str.endswith(_audio_ends()) & (written != "")
    if not bare.any():
        return written
    whole: dict[str, str] = {}
    for name in files.walk(_audio_ends()):
        stem = name.rpartition(".")[0]
        whole[stem] = "" if stem in whole else name
    found = written[bare].map(whole)
    return written.mask(bare, found.where(found.notna() & (found != ""), written))


def _names_audio(files: Files) -> bool:
    """Whether one of a table's first paths is an audio file that exists."""
    try:
        rows = AnyFolder(files.root, table=files.table).rows(files)
    except DatasetError:
        return False
    first = rows["written"].head(20)
    _, problem = files.find(first)
    return bool((problem == "").any())


def _has_audio(files: Files) -> bool:
    """Whether there is an audio file; at most 200 folders are looked into."""
    todo, looked = [""], 0
    while todo and looked < _FOLDERS_LOOKED_INTO:
        inner = todo.pop(0)
        looked += 1
        for name in files.names(inner, 1000):
            if name.lower().endswith(_audio_ends()):
                return True
            if "." not in name:
                todo.append(f"{inner}/{name}" if inner else name)
    return False


def _audio_ends() -> tuple[str, ...]:
    from core.audio import audio_suffixes

    return tuple("." + suffix for suffix in audio_suffixes())

"""Feature tables that came with their clips, and feature tables alone.

Conventions: a feature table has a row per clip; what it says of its clips is taken as it is.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar

from core.datasets.base import Dataset
from core.datasets.common_voice import first_words
from core.datasets.files import Files
from core.datasets.tables import delimiter_of, header_of, read_table
from core.errors import DatasetError
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

ARTICLE_FEATURES = (
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
GUESSES = {
    "speaker_id": ("speaker_id", "speaker", "client_id", "spk", "spk_id"),
    "gender": ("gender", "sex"),
    "age": ("age", "age_decade"),
    "accent": ("accents", "accent", "dialect"),
    "locale": ("locale", "language", "lang"),
    "text": ("sentence", "text", "transcription", "transcript"),
    "duration": ("duration", "duration_s"),
    "split": ("split",),
}
_ARTICLE_LABELS = {"age": ("age",), "gender": ("gender",), "duration": ("duration",)}
_IDS = ("clip_id", "filename", "file_name", "file", "path", "audio_filepath", "id", "name")
_TAKEN = ("clip_id", "error", "message", "unit", "from_unit", "size", "mtime_ns", "label_duration")
MOST_WORDS = 100  # columns of words kept as labels
_TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Article(Dataset):
    """The clips of "How to perform EDA and data modeling on audio data", with their features."""

    layout: ClassVar[str] = "article"
    title: ClassVar[str] = "The article's clips and feature table"
    licence: ClassVar[str] = "CC0 1.0"
    citation: ClassVar[str] = "M. Notter, How to perform EDA and data modeling on audio data, 2022"
    about: ClassVar[str] = "9,078 Common Voice clips, denoised and trimmed; age and gender."
    clips: ClassVar[str] = "audio_dataset"

    @classmethod
    def fits(cls, files: Files) -> bool:
        """A folder ``audio_dataset`` beside a table with the article's columns."""
        return "audio_dataset" in files.top and bool(_article_tables(files))

    def rows(self, files: Files) -> "pd.DataFrame":
        """The rows of the table."""
        rows = first_words(self._table, _ARTICLE_LABELS)
        rows["written"] = self._table["filename"]
        return rows

    def catalogue(self) -> "pd.DataFrame":
        """As every reader's, and the other columns of words."""
        return with_words(self, super().catalogue(), self._table, _ARTICLE_LABELS)

    def features(self) -> "pd.DataFrame":
        """The author's features of the clips in ``catalogue``: clip_id, then float64 columns."""
        return numbers_of(self, self._table)

    @property
    def _table(self) -> "pd.DataFrame":
        tables = _article_tables(self._files)
        if not tables:
            raise DatasetError(
                f"{clean(self._files.root)}: no table with the columns 'filename', 'age', 'gender' "
                "and 'f0_median'. Choose the folder that holds c4_common-voice_dataset.csv."
            )
        return read_table(self._files, tables[0])


@dataclass(frozen=True)
class FeatureTable(Dataset):
    """A table of features without its sound: to explore and to learn from, not to listen to."""

    layout: ClassVar[str] = "feature_table"
    title: ClassVar[str] = "Feature table without audio"
    licence: ClassVar[str] = "as its maker says"
    about: ClassVar[str] = "A CSV, TSV or Parquet with one row per clip and numbers in columns."
    has_audio: ClassVar[bool] = False

    @classmethod
    def fits(cls, files: Files) -> bool:
        """Opened by a table that names no files beside it, or a folder with only a table."""
        return _feature_table(files) != ""

    @property
    def name(self) -> str:
        """The table's name without its suffix."""
        return PurePosixPath(_feature_table(self._files) or self._files.name).stem

    def rows(self, files: Files) -> "pd.DataFrame":
        """The rows of the table; the first column that names the clips gives the clip_id."""
        table = self._table
        rows = first_words(table, _guesses(table))
        ids = next((name for name in _IDS if name in table), None)
        lines = rows["row"].astype("str")
        rows["written"] = lines if ids is None else table[ids].where(lambda s: s != "", lines)
        rows["tail"] = rows["written"].str.replace(r"(?s)(.)\.[^./]*$", r"\1", regex=True)
        return rows

    def catalogue(self) -> "pd.DataFrame":
        """As every reader's, and the other columns of words, such as ``microphone``."""
        table = self._table
        return with_words(self, super().catalogue(), table, _guesses(table))

    def features(self) -> "pd.DataFrame":
        """Every column of numbers, by clip_id (float64)."""
        return numbers_of(self, self._table)

    @property
    def _table(self) -> "pd.DataFrame":
        table = _feature_table(self._files)
        if not table:
            raise DatasetError(
                f"{clean(self._files.root)}: no table here. Choose a .csv, .tsv or .parquet file."
            )
        return read_table(self._files, table)


def _guesses(table: "pd.DataFrame") -> dict[str, tuple[str, ...]]:
    """Columns that may hold each label; names in another case come last."""
    return {
        label: (*names, *(c for c in table if c not in names and c.lower() in names))
        for label, names in GUESSES.items()
    }


def numbers_of(dataset: Dataset, table: "pd.DataFrame") -> "pd.DataFrame":
    """clip_id and the columns of a table that hold only numbers, for the clips in the catalogue."""
    import pandas as pd

    rows = dataset._located()
    good = rows["problem"] == ""
    columns = {"clip_id": rows.loc[good, "clip_id"]}
    table = table[table["row"].isin(rows.loc[good, "row"])]
    for name in table.columns.drop(["row", "problem"]):
        if name not in _IDS and _is_number(table[name]):
            values = pd.to_numeric(table[name].str.strip(), errors="coerce")
            columns[name] = values.astype("float64").to_numpy()
    found = pd.DataFrame(columns)
    return found.sort_values("clip_id", ignore_index=True)


def with_words(
    dataset: Dataset,
    catalogue: "pd.DataFrame",
    table: "pd.DataFrame",
    sources: dict[str, tuple[str, ...]],
) -> "pd.DataFrame":
    """A catalogue with those columns of its table that hold words and are no label yet.

    They keep their names, and come after the others (str, missing where nothing is said); at most
    100. A name that the catalogue or the workspace has, in whatever case, gets " (table)" behind.
    """
    rows = dataset._located()
    good = rows.loc[rows["problem"] == "", ["row", "clip_id"]]
    lines = table.set_index("row").loc[good["row"]]
    taken = {*(c.lower() for c in catalogue), *_TAKEN}
    used = {next((n for n in names if n in table), "") for names in sources.values()}
    numbers = {name for name in lines.columns if name != "problem" and _is_number(lines[name])}
    taken |= {name.lower() for name in numbers}
    found = {}
    for name in lines.columns.drop("problem"):
        words = lines[name].str.strip()
        said = words.where(~_unknown(words))
        if name in used or name in _IDS or name in numbers or said.isna().all():
            continue
        own = name if name.strip() and name.lower() not in taken else f"{name} (table)"
        taken.add(own.lower())
        found[own] = said.to_numpy()
        if len(found) == MOST_WORDS:
            break
    more = good[["clip_id"]].assign(**found).set_index("clip_id").astype("str")
    return catalogue.join(more, on="clip_id")


def _is_number(words: "pd.Series") -> bool:
    """Whether a column says only numbers, and at least one."""
    import pandas as pd

    words = words.str.strip()
    values = pd.to_numeric(words, errors="coerce")
    return bool(values.notna().any() and (values.notna() | _unknown(words)).all())


def _unknown(words: "pd.Series") -> "pd.Series":
    return words.str.lower().isin(["", "nan", "na", "null", "none"])


def _article_tables(files: Files) -> list[str]:
    """Tables with the article's columns; the one the data set was opened by comes first."""
    names = [files.table] if files.table else sorted(files.top)
    found = []
    for name in (n for n in names if n.lower().endswith(".csv")):
        header = header_of(files.head(name), ",")
        if {"filename", "age", "gender", "f0_median"} <= set(header):
            found.append(name)
    return found


def _feature_table(files: Files) -> str:
    """The one table of a folder without folders and audio, or the table that was opened."""
    if files.table:
        return files.table if files.table.lower().endswith(_TABLES) else ""
    tables = [name for name in files.top if name.lower().endswith(_TABLES)]
    return tables[0] if len(tables) == len(files.top) == 1 else ""


def table_header(files: Files, name: str) -> list[str]:
    """Names of a table's columns, from its first bytes; [] for Parquet and where unreadable."""
    head = files.head(name)
    return header_of(head, delimiter_of(name, head)) if head and "parquet" not in name else []

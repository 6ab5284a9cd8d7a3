"""Mozilla Common Voice, as released and as Kaggle has it: tables of labels and folders of clips.

Layout: ``<folder>/validated.tsv`` and others (tab separated, nothing quoted, a row per clip) and
``<folder>/clips/``. Columns differ between releases: only ``path`` is needed; ``accent`` and
``accents``, ``male`` and ``male_masculine`` are the same thing here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.datasets.base import Dataset
from core.datasets.files import Files
from core.datasets.tables import delimiter_of, header_of, read_table
from core.errors import DatasetError
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

_SOURCES = {
    "speaker_id": ("client_id",),
    "gender": ("gender",),
    "age": ("age",),
    "accent": ("accents", "accent"),
    "locale": ("locale",),
    "text": ("sentence", "text"),
}
_MAIN = ("validated.tsv", "validated.csv")
_TABLES = (*_MAIN, "train.tsv", "dev.tsv", "test.tsv", "other.tsv", "invalidated.tsv")
_SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class CommonVoice(Dataset):
    """Sentences read aloud by volunteers, with their own words on age, gender and accent."""

    layout: ClassVar[str] = "common_voice"
    title: ClassVar[str] = "Mozilla Common Voice"
    licence: ClassVar[str] = "CC0 1.0"
    citation: ClassVar[str] = "R. Ardila et al., Common Voice, LREC 2020"
    about: ClassVar[str] = "Sentences read by volunteers in over 100 languages; mp3."
    clips: ClassVar[str] = "clips"

    @classmethod
    def fits(cls, files: Files) -> bool:
        """A folder ``clips`` and a table with the column ``path``.

        Also a table ``validated`` in which no column names files: it is told, not passed over.
        """
        from core.datasets.folder import PATHS

        if "clips" not in files.top:
            return False
        headers = {name: _header(files, name) for name in _TABLES if name in files.top}
        main = next((name for name in _MAIN if name in headers), "")
        unusable = main and not set(PATHS) & set(headers[main])
        return bool(unusable) or any("path" in header for header in headers.values())

    def rows(self, files: Files) -> "pd.DataFrame":
        """The rows of ``validated``, or of train, dev and test where there is none."""
        import pandas as pd

        splits = [name for name in _SPLITS if f"{name}.tsv" in files.top]
        main = next((name for name in _MAIN if name in files.top), "")
        if files.table in _TABLES and files.table not in _MAIN:
            split = files.table.removesuffix(".tsv")
            rows = self._table(files, files.table).assign(split=split)
        elif main or not splits:
            rows = self._table(files, main or _MAIN[0])
            for split in splits:
                members = self._table(files, f"{split}.tsv", ("path",))["written"]
                chosen = rows["written"].isin(members)
                rows["split"] = rows.get("split", pd.Series("", rows.index)).mask(chosen, split)
        else:
            parts = [self._table(files, f"{name}.tsv").assign(split=name) for name in splits]
            rows = pd.concat(parts, ignore_index=True)
        if "clip_durations.tsv" in files.top:
            rows["duration"] = rows["written"].map(_durations(files))
        return rows

    def _table(self, files: Files, name: str, wanted: tuple[str, ...] = ()) -> "pd.DataFrame":
        every = ("path", *(word for words in _SOURCES.values() for word in words))
        table = read_table(files, name, wanted or every, quoted=name.endswith(".csv"))
        if "path" not in table:
            shown = [clean(word, 40) for word in table.attrs["header"][:20]]
            raise DatasetError(
                f"{clean(files.root)}/{name}: no column 'path' among {shown}. "
                "Use the tab-separated validated.tsv of a Common Voice release."
            )
        rows = first_words(table, _SOURCES)
        rows["written"] = table["path"]
        if not files.has("clips/clips"):
            rows["written"] = rows["written"].str.removeprefix("clips/")
        return rows


@dataclass(frozen=True)
class KaggleCommonVoice(Dataset):
    """The first Common Voice corpus (2017, English) as published on Kaggle, without speakers."""

    layout: ClassVar[str] = "kaggle_common_voice"
    title: ClassVar[str] = "Common Voice 1 (Kaggle)"
    licence: ClassVar[str] = "CC0 1.0"
    citation: ClassVar[str] = "Mozilla, Common Voice corpus 1, Kaggle 2017"
    about: ClassVar[str] = "500 hours of read English in mp3; no speaker ids."

    @classmethod
    def fits(cls, files: Files) -> bool:
        """A table such as ``cv-valid-train.csv``."""
        return bool(_kaggle_tables(files))

    def rows(self, files: Files) -> "pd.DataFrame":
        """The rows of every table; files are beside their table or in a folder of its name."""
        import pandas as pd

        parts = []
        for name in _kaggle_tables(files):
            split = name.removesuffix(".csv")
            table = read_table(files, name)
            rows = first_words(table, _SOURCES).drop(columns="duration", errors="ignore")
            # The table of split "x" names "x/clip.mp3", and the folder "x" holds "x" once more.
            prefix = f"{split}/" if files.has(f"{split}/{split}") else ""
            rows["written"] = prefix + table["filename"]
            rows["tail"] = table["filename"].str.replace(r"\.[^./]*$", "", regex=True)
            parts.append(rows.assign(split=split.removeprefix("cv-"), locale="en"))
        if not parts:
            raise DatasetError(
                f"{clean(files.root)}: no cv-*.csv with a column 'filename'. "
                "Choose the folder that holds cv-valid-train.csv."
            )
        return pd.concat(parts, ignore_index=True)


def first_words(table: "pd.DataFrame", sources: dict[str, tuple[str, ...]]) -> "pd.DataFrame":
    """``row``, ``problem`` and the columns of ``sources``: the first source that says something."""
    rows = table[["row", "problem"]].copy()
    for column, names in sources.items():
        for name in names:
            if name in table:
                words = table[name].str.strip()
                said = rows.get(column, words)
                rows[column] = said.where(said != "", words)
    return rows


def _kaggle_tables(files: Files) -> list[str]:
    every = [files.table] if files.table else sorted(files.top)
    names = [n for n in every if n.startswith("cv-") and n.endswith(".csv")]
    return [name for name in names if "filename" in header_of(files.head(name), ",")]


def _header(files: Files, name: str) -> list[str]:
    head = files.head(name)
    if name.endswith(".csv"):
        return header_of(head, delimiter_of(name, head))
    return header_of(head, "\t", quoted=False)


def _durations(files: Files) -> "pd.Series":
    """Lengths in s by clip, from clip_durations.tsv."""
    import pandas as pd

    table = read_table(files, "clip_durations.tsv", quoted=False)
    names = [n for n in table.attrs["header"] if n.startswith("duration")]
    if "clip" not in table or not names:
        return pd.Series(dtype="float64")
    table = table.drop_duplicates("clip").set_index("clip")
    seconds = pd.to_numeric(table[names[0]], errors="coerce").astype("float64")
    return seconds / 1000 if "[ms]" in names[0] else seconds

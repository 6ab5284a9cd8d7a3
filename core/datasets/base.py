"""What every reader of a data set gives: a catalogue of clips, and a list of what was left out.

Conventions: what is not known is NaN; ``row`` is the line of the table, the header being line 1,
and 0 where a problem has no line; every line is a clip or a problem; nothing outside the data
set's folder is looked at.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from core.datasets import labels
from core.datasets.files import Files, open_files

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "clip_id",
    "path",
    "speaker_id",
    "gender",
    "age",
    "age_decade",
    "accent",
    "locale",
    "text",
    "duration",
    "split",
)
ORIGINALS = ("gender_original",)
WORDS = ("speaker_id", "gender", "age", "accent", "locale", "text", "split")
_NUMBERS = ("age_decade", "duration")


@dataclass(frozen=True)
class Dataset:
    """A data set on disk, in an archive or behind a URL; a snapshot from the first question on.

    A reader gives ``rows()``; this class finds the files, normalises the labels and reports what
    cannot be used. ``layout``, ``title``, ``licence``, ``citation`` and ``about`` say what kind of
    data set a reader reads; ``name`` is this one's own name, the first part of every ``clip_id``.

    Parameters
    ----------
    folder : Path or str
        The data set's folder, archive (.tar, .tar.gz, .tgz, .zip), URL, or table.
    """

    folder: Path | str

    layout: ClassVar[str] = ""
    title: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    about: ClassVar[str] = ""
    clips: ClassVar[str] = ""  # folder the table's paths start from
    has_audio: ClassVar[bool] = True

    @classmethod
    def fits(cls, files: Files) -> bool:
        """Whether the files look like this layout; reads only a few names and first lines."""
        raise NotImplementedError

    def rows(self, files: Files) -> "pd.DataFrame":
        """What the data set says of its clips, a row each, before anything is looked for.

        Columns: ``written`` (path as written, relative to ``clips``), ``row`` (int64), any of
        ``WORDS``, ``duration`` (s); optionally ``tail`` (the last part of the clip_id; default the
        stem of ``written``) and ``problem`` ("" where there is none).
        """
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The data set's own name: that of its folder or archive."""
        return self._files.name

    def catalogue(self) -> "pd.DataFrame":
        """One row per clip that exists, sorted by clip_id.

        Returns
        -------
        pd.DataFrame
            ``COLUMNS``, then ``gender_original``. ``clip_id`` is unique and begins with ``name``;
            ``path`` is absolute with symbolic links resolved, or ``archive!/member``, or a URL;
            ``gender`` is male, female, other or missing; ``age`` is the table's own word and
            ``age_decade`` its number (float64); ``duration`` is in s (float64); others are str.

        Raises
        ------
        DatasetError
            If tables or folders are missing, cannot be read, or lack the column of paths.
        """
        return self._found[0].copy()

    def problems(self) -> "pd.DataFrame":
        """One row per line that ``catalogue`` leaves out, and why.

        Returns
        -------
        pd.DataFrame
            ``row`` (line of the table, int64; 0 where there is none), ``path`` (as written) and
            ``problem``.

        Raises
        ------
        DatasetError
            As for ``catalogue``.
        """
        return self._found[1].copy()

    def notes(self) -> tuple[str, ...]:
        """What is odd though no row is left out for it, in sentences of plain text.

        Raises
        ------
        DatasetError
            As for ``catalogue``.
        """
        from core.datasets._told import label_notes

        catalogue, _, conflicts = self._found
        said = [*self._files.notes, *label_notes(catalogue)]
        if conflicts:
            said.append(f"{conflicts:,} lines name a clip again with other labels: left out.")
        return tuple(said)

    def features(self) -> "pd.DataFrame | None":
        """The feature table that came with the data set, by clip_id; None where there is none."""
        return None

    @cached_property
    def _files(self) -> Files:
        return open_files(self.folder)

    @cached_property
    def _audio(self) -> Files:
        return self._files

    @cached_property
    def _found(self) -> tuple["pd.DataFrame", "pd.DataFrame", int]:
        rows = self._located()
        bad = rows["problem"] != ""
        problems = rows.loc[bad, ["row", "written", "problem"]]
        problems.columns = ["row", "path", "problem"]
        problems = _with_told(problems, self._files.told())
        kinds = {"row": "int64", "path": "str", "problem": "str"}
        problems = problems.astype(kinds).reset_index(drop=True)
        return _catalogue(rows[~bad]), problems, rows.attrs.get("conflicts", 0)

    @cached_property
    def _rows(self) -> "pd.DataFrame":
        return self.rows(self._files)

    def _located(self) -> "pd.DataFrame":
        """The rows with ``clip_id``, ``path`` and ``problem``."""
        rows = self._rows.reset_index(drop=True)
        if "problem" not in rows:
            rows["problem"] = ""
        rows["written"] = rows["written"].astype("str").fillna("")
        tail = rows["tail"] if "tail" in rows else _stem(rows["written"])
        rows["clip_id"] = f"{self.name}/" + tail.astype("str")
        rows["path"] = ""
        if self.has_audio:
            good = rows["problem"] == ""
            path, problem = self._audio.find(rows.loc[good, "written"], self.clips)
            rows.loc[good, "path"], rows.loc[good, "problem"] = path, problem
        return _without_duplicates(rows)


def _with_told(problems: "pd.DataFrame", told: dict[str, str]) -> "pd.DataFrame":
    """With the members of an archive that no row names, too."""
    import pandas as pd

    known = set(problems["path"])
    told = {name: why for name, why in told.items() if name not in known}
    if not told:
        return problems
    more = {"row": 0, "path": list(told), "problem": list(told.values())}
    return pd.concat([problems, pd.DataFrame(more)])


def _stem(written: "pd.Series") -> "pd.Series":
    """The last part of each path without its suffix."""
    name = written.str.replace(r"(?s)^.*/", "", regex=True)
    return name.str.replace(r"(?s)(.)\.[^.]*$", r"\1", regex=True)


def _without_duplicates(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Of the usable rows with one clip_id, the first stays; the others name its line."""
    good = rows[rows["problem"] == ""]
    again = good[good["clip_id"].duplicated()]
    if len(again):
        first = good.drop_duplicates("clip_id").set_index("clip_id")["row"]
        line = again["clip_id"].map(first)
        text = "duplicate of line " + line.astype("int64").astype("str")
        rows.loc[again.index, "problem"] = text.where(line > 0, "duplicate of another clip")
        same = good.duplicated(["clip_id", *(name for name in WORDS if name in good)])
        rows.attrs["conflicts"] = int((~same[again.index]).sum())
    return rows


def _catalogue(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The usable rows as a catalogue, labels normalised."""
    import pandas as pd

    table = pd.DataFrame({name: rows[name] for name in ("clip_id", "path")}, index=rows.index)
    for name in WORDS:
        if name in rows:
            words = rows[name].astype("str").str.strip()
            table[name] = words.where(words != "")
        else:
            table[name] = None
    table = table.astype("str")
    table["gender_original"] = table["gender"]
    table["gender"] = labels.by_word(table["gender"], labels.gender)
    table["age_decade"] = labels.by_word(table["age"], labels.age_decade)
    table["duration"] = _seconds(rows["duration"]) if "duration" in rows else float("nan")
    order = [*COLUMNS, *ORIGINALS]
    kinds = {name: "float64" if name in _NUMBERS else "str" for name in order}
    return table[order].astype(kinds).sort_values("clip_id", ignore_index=True)


def _seconds(values: "pd.Series") -> "pd.Series":
    """Lengths in s; what is not a length is NaN."""
    import pandas as pd

    seconds = pd.to_numeric(values, errors="coerce").astype("float64")
    return seconds.where((seconds > 0) & (seconds < float("inf")))

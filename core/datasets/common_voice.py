"""Mozilla Common Voice: a table of labels beside a folder of clips.

Layout: ``<folder>/validated.tsv`` (tab separated, nothing quoted, one row per clip) and
``<folder>/clips/``. Columns differ between releases: only ``path`` is needed; ``accent`` and
``accents``, ``male`` and ``male_masculine`` are the same thing here.

Conventions: what is not known is NaN; ``row`` is the line of the table, the header being line 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from core.errors import DatasetError

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
_SOURCES = {
    "speaker_id": ("client_id",),
    "gender": ("gender",),
    "age": ("age",),
    "accent": ("accents", "accent"),
    "locale": ("locale",),
    "text": ("sentence",),
}
_GENDERS = {
    "male": "male",
    "male_masculine": "male",
    "female": "female",
    "female_feminine": "female",
    "other": "other",
    "intersex": "other",
    "transgender": "other",
    "non-binary": "other",
}
_DECADES = {
    "teens": 10,
    "twenties": 20,
    "thirties": 30,
    "forties": 40,
    "fourties": 40,
    "fifties": 50,
    "sixties": 60,
    "seventies": 70,
    "eighties": 80,
    "nineties": 90,
}
_NUMBERS = ("age_decade", "duration")


@dataclass(frozen=True)
class CommonVoice:
    """Sentences read aloud by volunteers, with their own words on age, gender and accent.

    Parameters
    ----------
    folder : Path
        The folder that holds ``validated.tsv`` and ``clips/``.
    """

    folder: Path

    name: ClassVar[str] = "common_voice"
    licence: ClassVar[str] = "CC0 1.0"
    citation: ClassVar[str] = "R. Ardila et al., Common Voice, LREC 2020"

    def catalogue(self) -> "pd.DataFrame":
        """One row per clip that exists, sorted by clip_id; see ``COLUMNS``.

        Returns
        -------
        pd.DataFrame
            ``path`` is absolute, symbolic links resolved; ``gender`` is male, female, other or
            missing; ``age`` is the table's own word and ``age_decade`` its number (float64);
            ``duration`` (s, float64) and ``split`` are missing in ``validated.tsv``.

        Raises
        ------
        DatasetError
            If the table or the clips are missing, cannot be read, or name no ``path``.
        """
        import pandas as pd

        clips, _ = self._read()
        table = pd.DataFrame(clips, columns=list(COLUMNS))
        kinds = {name: "float64" if name in _NUMBERS else "str" for name in COLUMNS}
        return table.astype(kinds).sort_values("clip_id", ignore_index=True)

    def problems(self) -> "pd.DataFrame":
        """One row per line of the table that ``catalogue`` leaves out, and why.

        Returns
        -------
        pd.DataFrame
            ``row`` (line of ``validated.tsv``, int64), ``path`` (as written) and ``problem``.

        Raises
        ------
        DatasetError
            As for ``catalogue``.
        """
        import pandas as pd

        _, problems = self._read()
        table = pd.DataFrame(problems, columns=["row", "path", "problem"])
        return table.astype({"row": "int64", "path": "str", "problem": "str"})

    def _read(self) -> tuple[list[dict], list[tuple[int, str, str]]]:
        """Every row of the table, as a clip or as a problem."""
        folder = Path(self.folder).resolve()
        lines = _lines(folder / "validated.tsv")
        header = [name.strip() for name in next(lines, [""])]
        if "path" not in header:
            raise DatasetError(
                f"{folder / 'validated.tsv'}: no column 'path' among {header[:20]}. "
                "Use the tab-separated validated.tsv of a Common Voice release."
            )
        clips_folder = _ClipsFolder(folder)
        clips: list[dict] = []
        problems: list[tuple[int, str, str]] = []
        seen: dict[str, int] = {}
        for row, fields in enumerate(lines, start=2):
            if fields == [""]:
                continue
            values = dict(zip(header, fields, strict=False))
            written = values.get("path", "")
            clip_id = f"{folder.name}/{Path(written).stem}"
            found, problem = clips_folder.find(written)
            if len(fields) > len(header):
                problem = f"{len(fields)} fields where the header has {len(header)}"
            elif found and clip_id in seen:
                problem = f"duplicate of line {seen[clip_id]}"
            if problem:
                problems.append((row, written, problem))
                continue
            seen[clip_id] = row
            clips.append({"clip_id": clip_id, "path": found, **_labels(values)})
        return clips, problems


class _ClipsFolder:
    """Finds clips, and nothing outside the data set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clips = str(folder), str(folder / "clips")
        try:
            if not _is_inside(os.path.realpath(self.clips), self.folder):
                raise DatasetError(
                    f"{self.clips} is a link that leaves the data set's folder. "
                    "Put the clips themselves into it."
                )
            with os.scandir(self.clips) as entries:
                # One listing answers for nearly every row; asking file by file is 20 times slower.
                self.plain = {e.name for e in entries if e.is_file(follow_symlinks=False)}
        except OSError as err:
            raise DatasetError(
                f"{self.clips}: no readable folder of clips ({err.strerror}). "
                "Choose the folder that holds 'validated.tsv' and 'clips/'."
            ) from err

    def find(self, written: str) -> tuple[str, str]:
        """Absolute path of a clip and "", or "" and what is wrong."""
        if written in self.plain:
            return os.path.join(os.path.realpath(self.clips), written), ""
        if not written.strip():
            return "", "no file name"
        path = os.path.normpath(os.path.join(self.clips, written))
        try:
            real = os.path.realpath(path)
            if not (_is_inside(path, self.clips) and _is_inside(real, self.folder)):
                return "", "leaves the folder of the data set"
            return (real, "") if os.path.isfile(real) else ("", "file not found")
        except (OSError, ValueError):
            return "", "not a file name"


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _lines(table: Path) -> Iterator[list[str]]:
    """The fields of each line; a line that is not UTF-8 is read as Latin-1."""
    try:
        with table.open("rb") as lines:
            for number, raw in enumerate(lines):
                try:
                    line = raw.decode("utf-8-sig" if number == 0 else "utf-8")
                except UnicodeDecodeError:
                    line = raw.decode("latin-1")
                yield line.rstrip("\r\n").split("\t")
    except FileNotFoundError as err:
        raise DatasetError(
            f"{table.parent}: no validated.tsv here. "
            "Choose the folder that holds 'validated.tsv' and 'clips/'."
        ) from err
    except OSError as err:
        raise DatasetError(
            f"{table}: cannot be read ({err.strerror}). Check that it is a file you may open."
        ) from err


def _labels(values: dict[str, str]) -> dict[str, str | float | None]:
    """What a row says of its clip; None where it says nothing."""
    said: dict[str, str | float | None] = {}
    for column, sources in _SOURCES.items():
        words = (values.get(source, "").strip() for source in sources)
        said[column] = next((word for word in words if word), None)
    said["gender"] = _GENDERS.get(str(said["gender"]).lower())
    said["age_decade"] = _DECADES.get(str(said["age"]).lower())
    return said

"""Manifests: files that list clips and what is said in them.

Conventions: a manifest names files in its own folder, or in ``root``, and no others; a name that is
a command (Kaldi) is reported and never run.
"""

from dataclasses import dataclass
from functools import cached_property
import json
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from core.datasets.article import GUESSES, table_header
from core.datasets.base import Dataset
from core.datasets.common_voice import first_words
from core.datasets.files import Files, open_files
from core.datasets.tables import read_table, words_of
from core.errors import DatasetError
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_SPLITS = {"train", "test", "validation", "valid", "dev", "val"}
_JSON = (".json", ".jsonl", ".ndjson")
_GENDERS = {"m": "male", "f": "female"}


@dataclass(frozen=True)
class AudioFolder(Dataset):
    """Hugging Face's audio folder: ``metadata.csv``, ``.jsonl`` or ``.parquet`` with the clips."""

    layout: ClassVar[str] = "audiofolder"
    title: ClassVar[str] = "Hugging Face audio folder"
    licence: ClassVar[str] = "as its maker says"
    citation: ClassVar[str] = "Q. Lhoest et al., Datasets, EMNLP 2021"
    about: ClassVar[str] = "Clips and a table with the column file_name, in one folder or by split."

    @classmethod
    def fits(cls, files: Files) -> bool:
        """A table ``metadata`` with the column ``file_name`` at the top or a folder below."""
        return bool(_metadata(files))

    def rows(self, files: Files) -> "pd.DataFrame":
        """The rows of every table; a name is relative to its table's folder."""
        import pandas as pd

        parts = []
        for name in _metadata(files):
            table = read_table(files, name)
            if "file_name" not in table:
                raise DatasetError(
                    f"{clean(files.root)}/{clean(name)}: no column 'file_name'. Add it."
                )
            rows, inner = first_words(table, GUESSES), name.rpartition("/")[0]
            rows["written"] = _in_folder(inner, table["file_name"])
            last = inner.rpartition("/")[2]
            if "split" not in rows and last in _SPLITS:
                rows["split"] = last
            parts.append(rows)
        if not parts:
            raise DatasetError(f"{clean(files.root)}: no metadata.csv, .jsonl or .parquet here.")
        found = pd.concat(parts, ignore_index=True)
        return found.assign(tail=found["written"])


@dataclass(frozen=True)
class _Manifest(Dataset):
    """A manifest whose clips may be in a folder other than its own.

    Parameters
    ----------
    folder : Path or str
        The manifest, or the folder that holds it.
    root : Path or str, optional
        The folder that holds the clips; default the manifest's own.
    """

    root: Path | str | None = None

    @cached_property
    def _audio(self) -> Files:
        return self._files if self.root is None else open_files(self.root)


@dataclass(frozen=True)
class Nemo(_Manifest):
    """NeMo's manifest: a JSON object a line with ``audio_filepath``, ``duration``, ``text``."""

    layout: ClassVar[str] = "nemo"
    title: ClassVar[str] = "NeMo manifest"
    licence: ClassVar[str] = "as its maker says"
    citation: ClassVar[str] = "O. Kuchaiev et al., NeMo, arXiv:1909.09577, 2019"
    about: ClassVar[str] = "JSON lines that name clips; parts of longer files are reported."

    @classmethod
    def fits(cls, files: Files) -> bool:
        """A file of JSON lines whose first has ``audio_filepath``."""
        return bool(_nemo_tables(files))

    def rows(self, files: Files) -> "pd.DataFrame":
        """The lines of the manifest, or of all manifests of the folder, each a split."""
        import pandas as pd

        names = _nemo_tables(files)
        if not names:
            raise DatasetError(
                f"{clean(files.root)}: no JSON lines with 'audio_filepath'. Choose the manifest."
            )
        parts = []
        for name in names:
            table = read_table(files, name)
            rows = first_words(table, GUESSES)
            rows["written"] = table["audio_filepath"]
            if "offset" in table:
                offset = pd.to_numeric(table["offset"], errors="coerce")
                rows.loc[offset > 0, "problem"] = "a part of a longer file: cut it out first"
            if len(names) > 1 and "split" not in rows:
                rows["split"] = name.rpartition(".")[0]
            parts.append(rows)
        found = pd.concat(parts, ignore_index=True)
        found["problem"] = found["problem"].fillna("")
        return found.assign(tail=found["written"].str.removeprefix(self._audio.base("") + "/"))


@dataclass(frozen=True)
class Kaldi(_Manifest):
    """A Kaldi data directory: ``wav.scp``, ``utt2spk``, ``text``, ``spk2gender``, ``segments``.

    With ``segments``, a clip is a whole recording: its text is that of its segments in order, its
    speaker theirs where all have one.
    """

    layout: ClassVar[str] = "kaldi"
    title: ClassVar[str] = "Kaldi data directory"
    licence: ClassVar[str] = "as its maker says"
    citation: ClassVar[str] = "D. Povey et al., The Kaldi speech recognition toolkit, ASRU 2011"
    about: ClassVar[str] = "Lists of recordings, speakers and words; commands in wav.scp never run."

    @classmethod
    def fits(cls, files: Files) -> bool:
        """``wav.scp`` is there."""
        return "wav.scp" in files.top

    def rows(self, files: Files) -> "pd.DataFrame":
        """The lines of ``wav.scp``."""
        import pandas as pd

        found = [_scp(line) for line in files.text("wav.scp").split("\n")]
        rows = pd.DataFrame(found, columns=["tail", "written", "problem"])
        rows["row"] = range(1, 1 + len(rows))
        rows = rows[rows["tail"] != ""].reset_index(drop=True)
        lists = {n: _list(files, n) for n in ("utt2spk", "text", "segments", "utt2lang")}
        speakers, texts = lists["utt2spk"], lists["text"]
        if lists["segments"]:
            speakers, texts = _by_recording(lists["segments"], speakers, texts)
        genders = {who: _GENDERS.get(g, g) for who, g in _list(files, "spk2gender").items()}
        lengths = _list(files, "utt2dur") | _list(files, "reco2dur")
        rows["speaker_id"] = rows["tail"].map(speakers)
        rows["gender"] = rows["speaker_id"].map(genders)
        rows["text"], rows["locale"] = rows["tail"].map(texts), rows["tail"].map(lists["utt2lang"])
        rows["duration"] = rows["tail"].map(lengths)
        return rows


def _in_folder(inner: str, names: "pd.Series") -> "pd.Series":
    return names.where(names == "", f"{inner}/" + names) if inner else names


def _metadata(files: Files) -> list[str]:
    """Tables ``metadata.*`` with file_name, at the top, in its folders, and in those of data/."""
    if files.table:
        names = [files.table] if files.table in _METADATA else []
    else:
        folders = sorted(name for name, is_folder in files.top.items() if is_folder)[:100]
        inner = (
            [f"data/{name}" for name in sorted(files.names("data"))] if "data" in folders else []
        )
        names = [name for name in _METADATA if name in files.top]
        for folder in [*folders, *inner]:
            held = files.names(folder, 100_000)
            names += [f"{folder}/{name}" for name in _METADATA if name in held]
    return [name for name in names if _names_files(files, name)]


def _names_files(files: Files, name: str) -> bool:
    if name.endswith(".jsonl"):
        return b'"file_name"' in files.head(name)
    return name.endswith(".parquet") or "file_name" in table_header(files, name)


def _nemo_tables(files: Files) -> list[str]:
    names = [files.table] if files.table else sorted(files.top)
    names = [name for name in names if name.lower().endswith(_JSON)]
    return [name for name in names[:100] if _is_nemo(files.head(name))]


def _is_nemo(head: bytes) -> bool:
    """Whether one of the first lines is an object with ``audio_filepath``; one may be cut off."""
    for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:5]:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict) and "audio_filepath" in values:
            return True
    return False


def _scp(line: str) -> tuple[str, str, str]:
    """Name, path, and what is wrong, of a line of wav.scp."""
    name, _, place = line.strip().partition(" ") if " " in line else line.strip().partition("\t")
    place = place.strip()
    if place.startswith("|") or place.endswith("|"):
        return name, place, "a command, not a file: it is not run"
    if place == "-":
        return name, place, "standard input, not a file"
    head, colon, offset = place.rpartition(":")
    if colon and head.endswith(".ark") and offset.isdigit():
        return name, place, "a place in a Kaldi archive: write the sound to a file of its own"
    return name, place, ""


def _list(files: Files, name: str) -> dict[str, str]:
    return words_of(files.text(name)) if name in files.top else {}


def _by_recording(
    segments: dict[str, str], speakers: dict[str, str], texts: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Speaker (where there is one) and text of each recording, from its segments."""
    parts: dict[str, list[tuple[float, str]]] = {}
    for utterance, place in segments.items():
        recording, *times = place.split()[:2] or [""]
        try:
            start = float(times[0])
        except (ValueError, IndexError):
            start = 0.0
        parts.setdefault(recording, []).append((start, utterance))
    who: dict[str, str] = {}
    said: dict[str, str] = {}
    for recording, held in parts.items():
        names = {speakers.get(utterance, "") for _, utterance in held}
        who[recording] = names.pop() if len(names) == 1 else ""
        said[recording] = " ".join(
            texts.get(utterance, "") for _, utterance in sorted(held)
        ).strip()
    return who, said

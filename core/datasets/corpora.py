"""Corpora whose labels are in file names and small text files of their own.

Conventions: ``row`` is 0 (there is no table); words spoken are ``text``; what a corpus as a whole
says of itself (its language) is said of every clip.
"""

from dataclasses import dataclass
import json
import re
from typing import TYPE_CHECKING, ClassVar

from core.datasets.base import Dataset
from core.datasets.files import Files
from core.datasets.tables import words_of
from core.errors import DatasetError
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SPOKEN = {str(digit): word for digit, word in enumerate(_DIGITS)}
_LOSSLESS = (".wav", ".flac")


@dataclass(frozen=True)
class AudioMNIST(Dataset):
    """30,000 spoken digits by 60 speakers: ``data/NN/D_NN_k.wav`` and ``audioMNIST_meta.txt``."""

    layout: ClassVar[str] = "audiomnist"
    title: ClassVar[str] = "AudioMNIST"
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = "S. Becker et al., AudioMNIST, arXiv:1807.03418, 2018"
    about: ClassVar[str] = "Digits 0 to 9 in English, 50 times by each of 60 speakers, 48 kHz."

    _META: ClassVar = ("audioMNIST_meta.txt", "data/audioMNIST_meta.txt")
    _NAME: ClassVar = r"(?:^|/)(?P<text>\d)_(?P<speaker_id>\d+)_\d+\.wav$"

    @classmethod
    def fits(cls, files: Files) -> bool:
        """The file of speakers is there."""
        return any(files.has(name) for name in cls._META)

    def rows(self, files: Files) -> "pd.DataFrame":
        """Every file named as a digit, with what is known of its speaker."""
        meta = next((name for name in self._META if files.has(name)), self._META[0])
        speakers = _speakers_json(files, meta)
        rows = _coded(files.walk((".wav",)), self._NAME)
        rows["text"] = rows["text"].map(_SPOKEN)
        for label in ("gender", "age", "accent"):
            said = {who: str(values.get(label, "")) for who, values in speakers.items()}
            rows[label] = rows["speaker_id"].map(said)
        return rows.assign(locale="en")


@dataclass(frozen=True)
class LibriSpeech(Dataset):
    """Read books: ``<subset>/<reader>/<chapter>/*.flac``, ``*.trans.txt``, ``SPEAKERS.TXT``."""

    layout: ClassVar[str] = "librispeech"
    title: ClassVar[str] = "LibriSpeech"
    licence: ClassVar[str] = "CC BY 4.0"
    citation: ClassVar[str] = "V. Panayotov et al., LibriSpeech, ICASSP 2015"
    about: ClassVar[str] = "1,000 hours of audiobooks read in English, 16 kHz; gender, no age."

    _NAME: ClassVar = r"(?:^(?P<split>[^/]+)/)?(?:.*/)?(?P<speaker_id>\d+)-\d+-\d+\.(?:flac|wav)$"

    @classmethod
    def fits(cls, files: Files) -> bool:
        """``SPEAKERS.TXT`` is there."""
        return "SPEAKERS.TXT" in files.top

    def rows(self, files: Files) -> "pd.DataFrame":
        """Every recording, its reader's gender and its transcript."""
        genders: dict[str, str] = {}
        for line in files.text("SPEAKERS.TXT").splitlines():
            fields = [field.strip() for field in line.split("|")]
            if len(fields) > 1 and not line.startswith(";"):
                genders[fields[0]] = fields[1]
        texts: dict[str, str] = {}
        for name in files.walk((".trans.txt",)):
            texts |= words_of(files.text(name))
        rows = _coded(files.walk(_LOSSLESS), self._NAME)
        rows["gender"] = rows["speaker_id"].map(genders)
        rows["text"] = _stems(rows["written"]).map(texts)
        return rows.assign(locale="en")


@dataclass(frozen=True)
class VCTK(Dataset):
    """Newspaper sentences in many accents of English: ``speaker-info.txt``, ``txt/``, ``wav48*/``.

    Parameters
    ----------
    folder : Path or str
        The corpus, version 0.80 or 0.92.
    mic : str
        Which microphone of version 0.92; "" for both, which doubles every sentence.
    """

    mic: str = "mic1"

    layout: ClassVar[str] = "vctk"
    title: ClassVar[str] = "CSTR VCTK"
    licence: ClassVar[str] = "CC BY 4.0"
    citation: ClassVar[str] = "J. Yamagishi et al., CSTR VCTK Corpus 0.92, Edinburgh 2019"
    about: ClassVar[str] = "110 speakers of English, about 400 sentences each, 48 kHz."

    _NAME: ClassVar = r"/(?P<speaker_id>[ps]\d+)_\d+(?:_(?P<mic>mic\d))?\.(?:wav|flac)$"
    _AUDIO: ClassVar = ("wav48_silence_trimmed", "wav48", "wav16")

    @classmethod
    def fits(cls, files: Files) -> bool:
        """``speaker-info.txt`` and a folder of sound are there."""
        return "speaker-info.txt" in files.top and any(name in files.top for name in cls._AUDIO)

    def rows(self, files: Files) -> "pd.DataFrame":
        """Every recording by the chosen microphone, its speaker and its sentence."""
        audio = next((name for name in self._AUDIO if name in files.top), self._AUDIO[0])
        names = [f"{audio}/{name}" for name in files.walk(_LOSSLESS, audio)]
        rows = _coded(names, self._NAME)
        if self.mic:
            rows = rows[rows["mic"].isna() | (rows["mic"] == self.mic)].reset_index(drop=True)
        speakers = _speakers_vctk(files.text("speaker-info.txt"))
        for at, label in enumerate(("age", "gender", "accent")):
            rows[label] = rows["speaker_id"].map({who: said[at] for who, said in speakers.items()})
        sentences = _stems(rows["written"]).str.replace(r"_mic\d$", "", regex=True)
        texts = {f"{name.split('_')[0]}/{name}.txt": name for name in sentences.unique()}
        known = set(files.walk((".txt",), "txt")) if "txt" in files.top else set()
        said = {texts[n]: files.text(f"txt/{n}").strip() for n in texts if n in known}
        rows["text"] = sentences.map(said)
        return rows.drop(columns="mic").assign(locale="en")


@dataclass(frozen=True)
class Ravdess(Dataset):
    """Acted emotions: ``Actor_NN/03-01-06-01-02-01-12.wav``, the name being seven codes."""

    layout: ClassVar[str] = "ravdess"
    title: ClassVar[str] = "RAVDESS"
    licence: ClassVar[str] = "CC BY-NC-SA 4.0"
    citation: ClassVar[str] = "S. Livingstone, F. Russo, RAVDESS, PLoS ONE 13(5), 2018"
    about: ClassVar[str] = "Two sentences in eight emotions by 24 actors, spoken and sung, 48 kHz."

    _NAME: ClassVar = (
        r"(?:^|/)\d\d-\d\d-(?P<emotion>0[1-8])-\d\d-(?P<text>0[12])-\d\d-(?P<speaker_id>\d\d)"
        r"\.(?:wav|flac)$"
    )
    _TEXTS: ClassVar = {
        "01": "Kids are talking by the door",
        "02": "Dogs are sitting by the door",
    }

    @classmethod
    def fits(cls, files: Files) -> bool:
        """Folders ``Actor_NN`` with such names, or the names themselves."""
        return _most(files, cls._NAME, sorted(n for n in files.top if n.startswith("Actor_"))[:1])

    def rows(self, files: Files) -> "pd.DataFrame":
        """Every recording; actors with odd numbers are men, with even numbers women."""
        rows = _coded(files.walk(_LOSSLESS), self._NAME)
        rows["text"] = rows["text"].map(self._TEXTS)
        odd = rows["speaker_id"].str[-1:].isin(list("13579"))
        known = rows["speaker_id"].notna()
        rows["gender"] = odd.map({True: "male", False: "female"}).where(known)
        return rows.drop(columns="emotion").assign(locale="en", accent="North American")


@dataclass(frozen=True)
class FreeSpokenDigits(Dataset):
    """Spoken digits, 8 kHz: ``recordings/{digit}_{speaker}_{n}.wav``."""

    layout: ClassVar[str] = "fsdd"
    title: ClassVar[str] = "Free Spoken Digit Dataset"
    licence: ClassVar[str] = "CC BY-SA 4.0"
    citation: ClassVar[str] = "Z. Jackson et al., Free Spoken Digit Dataset 1.0.8, 2018"
    about: ClassVar[str] = "3,000 digits 0 to 9 in English by six speakers; 0 to 4 are test."

    _NAME: ClassVar = r"(?:^|/)(?P<text>\d)_(?P<speaker_id>[A-Za-z][A-Za-z0-9-]*)_(?P<n>\d+)\.wav$"
    _SPEAKERS: ClassVar = {  # all men, says its metadata.py
        "jackson": "USA/neutral",
        "nicolas": "BEL/French",
        "theo": "USA/neutral",
        "yweweler": "DEU/German",
        "george": "GRC/Greek",
    }

    @classmethod
    def fits(cls, files: Files) -> bool:
        """A folder ``recordings`` with such names, or the names themselves."""
        return _most(files, cls._NAME, ["recordings"] if "recordings" in files.top else [])

    def rows(self, files: Files) -> "pd.DataFrame":
        """Every recording; the makers' split is by its number."""
        rows = _coded(files.walk((".wav",)), self._NAME)
        rows["text"] = rows["text"].map(_SPOKEN)
        known = rows["speaker_id"].map(self._SPEAKERS)
        rows["gender"], rows["accent"] = known.notna().map({True: "male"}), known
        number = rows.pop("n")
        rows["split"] = number.isin(list("01234")).map({True: "test", False: "train"})
        rows["split"] = rows["split"].where(number.notna())
        return rows.assign(locale="en")


def _coded(names: list[str], pattern: str) -> "pd.DataFrame":
    """A row per name with the pattern's groups; a name that does not fit is a problem."""
    import pandas as pd

    rows = pd.DataFrame({"written": pd.Series(names, dtype="str"), "row": 0})
    fits = rows["written"].str.contains(re.sub(r"\(\?P<\w+>", "(?:", pattern), regex=True)
    rows = rows.join(rows["written"].str.extract(pattern))
    rows["problem"] = fits.map({True: "", False: "not named as this data set names its clips"})
    return rows


def _most(files: Files, pattern: str, under: list[str]) -> bool:
    """Whether most of the audio in the first folder given (else the top) is named so."""
    names = files.names(under[0]) if under else list(files.top)[:100]
    audio = [name for name in names if name.lower().endswith(_LOSSLESS)]
    return bool(audio) and sum(bool(re.search(pattern, n)) for n in audio) > len(audio) / 2


def _stems(written: "pd.Series") -> "pd.Series":
    return written.str.replace(r"^.*/|\.[^./]*$", "", regex=True)


def _speakers_json(files: Files, name: str) -> dict[str, dict]:
    try:
        speakers = json.loads(files.text(name))
    except (ValueError, RecursionError) as err:
        raise DatasetError(
            f"{clean(files.root)}/{name}: not readable as JSON. Take it from AudioMNIST again."
        ) from err
    if not isinstance(speakers, dict):
        raise DatasetError(f"{clean(files.root)}/{name}: no speakers in it. Take it again.")
    return {str(who): said for who, said in speakers.items() if isinstance(said, dict)}


def _speakers_vctk(text: str) -> dict[str, list[str]]:
    """Age, gender and accent by speaker; version 0.80 leaves the p of p225 away."""
    speakers: dict[str, list[str]] = {}
    for line in text.splitlines()[1:]:
        fields = [*line.split(), "", "", ""]
        if fields[0]:
            who = fields[0] if not fields[0].isdigit() else "p" + fields[0]
            speakers[who] = fields[1:4]
    return speakers

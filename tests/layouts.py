"""Tiny data sets, one of each layout: files that a reader never opens are empty."""

from collections.abc import Callable
import json
from pathlib import Path

import pandas as pd

ARTICLE_HEADER = "filename,age,gender,nwords,duration,words_per_second,tempo,f0_mean,f0_median"


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    """Write files under ``root`` and return it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def common_voice(root: Path) -> Path:
    table = "client_id\tpath\tsentence\tage\tgender\taccents\tlocale\n"
    table += 's1\ta.mp3\tSay "hi\ttwenties\tfemale_feminine\tWelsh\ten\n'
    table += "s2\tb.mp3\tBye.\t\t\t\ten\n"
    durations = "clip\tduration[ms]\na.mp3\t1500\n"
    files = {"validated.tsv": table, "clip_durations.tsv": durations, "test.tsv": "path\na.mp3\n"}
    return write(root, files | {"clips/a.mp3": "", "clips/b.mp3": ""})


def kaggle(root: Path) -> Path:
    table = "filename,text,up_votes,down_votes,age,gender,accent,duration\n"
    table += 'cv-valid-test/a.mp3,"hello, you",1,0,twenties,female,wales,\n'
    table += "cv-valid-test/b.mp3,bye,1,0,,,,\n"
    inner = "cv-valid-test/cv-valid-test"
    return write(root, {"cv-valid-test.csv": table, f"{inner}/a.mp3": "", f"{inner}/b.mp3": ""})


def article(root: Path) -> Path:
    table = f"{ARTICLE_HEADER}\na.mp3,twenties,female,7,1.5,4.6,25.0,210.5,205.5\n"
    table += "b.mp3,fourties,male,9,2.5,3.6,26.0,,\n"
    files = {"c4_common-voice_dataset.csv": table}
    return write(root, files | {"audio_dataset/a.mp3": "", "audio_dataset/b.mp3": ""})


def audiomnist(root: Path) -> Path:
    meta = {
        "01": {"accent": "German", "age": "23", "gender": "female"},
        "28": {"accent": "German", "age": "1234", "gender": "male"},
    }
    files = {"data/audioMNIST_meta.txt": json.dumps(meta), "data/01/7_01_0.wav": ""}
    return write(root, files | {"data/28/0_28_49.wav": "", "data/28/notes.wav": ""})


def librispeech(root: Path) -> Path:
    speakers = ";ID |SEX|SUBSET\n84  | F | dev-clean | 8.02 | Christie\n9 | M | dev-clean | 8 | X\n"
    files = {"SPEAKERS.TXT": speakers, "dev-clean/84/121/84-121.trans.txt": "84-121-0000 GO ON\n"}
    audio = {"dev-clean/84/121/84-121-0000.flac": "", "dev-clean/9/1/9-1-0000.flac": ""}
    return write(root, files | audio)


def vctk(root: Path) -> Path:
    info = "ID  AGE  GENDER  ACCENTS  REGION COMMENTS\np225  23  F  English  Southern  England\n"
    files = {
        "speaker-info.txt": info + "226 22 M English Surrey\n",
        "txt/p225/p225_001.txt": "Hi.\n",
    }
    audio = "wav48_silence_trimmed/p22"
    names = ("5/p225_001_mic1.flac", "5/p225_001_mic2.flac", "6/p226_002_mic1.flac")
    return write(root, files | {audio + name: "" for name in names})


def ravdess(root: Path) -> Path:
    names = ("Actor_01/03-01-06-01-02-01-01.wav", "Actor_12/03-01-06-01-01-01-12.wav")
    return write(root, dict.fromkeys(names, ""))


def fsdd(root: Path) -> Path:
    names = ("7_jackson_32.wav", "0_lucas_4.wav")
    return write(root, {f"recordings/{name}": "" for name in names})


def audiofolder(root: Path) -> Path:
    lines = [{"file_name": "a.wav", "text": "hi", "speaker": "s1", "gender": "F", "age": 23}]
    files = {"train/metadata.jsonl": json.dumps(lines[0]) + "\n", "train/a.wav": ""}
    return write(
        root, files | {"test/metadata.csv": "file_name,text\na.wav,bye\n", "test/a.wav": ""}
    )


def nemo(root: Path) -> Path:
    lines = [
        {"audio_filepath": str(root / "wavs" / "a.wav"), "duration": 1.5, "text": "hi"},
        {"audio_filepath": "wavs/b.wav", "duration": 2, "text": "bye", "speaker": 3},
        {"audio_filepath": "wavs/b.wav", "offset": 0.5, "duration": 1, "text": "part"},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    return write(root, {"manifest.json": text, "wavs/a.wav": "", "wavs/b.wav": ""})


def kaldi(root: Path) -> Path:
    scp = f"u1 wav/a.wav\nu2 touch {root}/ran; cat wav/b.wav |\nu3 wav/c.wav\n"
    lists = {"wav.scp": scp, "utt2spk": "u1 s1\nu3 s2\n", "text": "u1 hello you\nu3 bye\n"}
    audio = {f"wav/{name}.wav": "" for name in "abc"}
    return write(root, {**lists, "spk2gender": "s1 f\ns2 m\n", "utt2dur": "u1 1.5\n", **audio})


def folder(root: Path) -> Path:
    table = "path;speaker;sex;age\nin/a.wav;s1;w;20s\nb;s2;m;43\n"
    return write(root, {"labels.csv": table, "in/a.wav": "", "b.ogg": ""})


def feature_table(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"clip_id": ["a", "b"], "gender": ["female", None], "f0": [210.5, None]})
    frame.to_parquet(root / "table.parquet")
    return root


# layout: (maker, clips, first clip's labels, problems)
LAYOUTS: dict[str, tuple[Callable[[Path], Path], list[str], dict, list[str]]] = {
    "common_voice": (
        common_voice,
        ["set/a", "set/b"],
        {
            "speaker_id": "s1",
            "gender": "female",
            "gender_original": "female_feminine",
            "age": "twenties",
            "age_decade": 20,
            "accent": "Welsh",
            "locale": "en",
            "text": 'Say "hi',
            "duration": 1.5,
            "split": "test",
        },
        [],
    ),
    "kaggle_common_voice": (
        kaggle,
        ["set/cv-valid-test/a", "set/cv-valid-test/b"],
        {"text": "hello, you", "age_decade": 20, "accent": "wales", "split": "valid-test"},
        [],
    ),
    "article": (
        article,
        ["set/a", "set/b"],
        {"gender": "female", "age": "twenties", "age_decade": 20, "duration": 1.5},
        [],
    ),
    "audiomnist": (
        audiomnist,
        ["set/0_28_49", "set/7_01_0"],
        {"speaker_id": "28", "gender": "male", "age": "1234", "age_decade": None, "text": "zero"},
        ["not named as this data set names its clips"],
    ),
    "librispeech": (
        librispeech,
        ["set/84-121-0000", "set/9-1-0000"],
        {"speaker_id": "84", "gender": "female", "text": "GO ON", "split": "dev-clean"},
        [],
    ),
    "vctk": (
        vctk,
        ["set/p225_001_mic1", "set/p226_002_mic1"],
        {"speaker_id": "p225", "gender": "female", "age_decade": 20, "text": "Hi."},
        [],
    ),
    "ravdess": (
        ravdess,
        ["set/03-01-06-01-01-01-12", "set/03-01-06-01-02-01-01"],
        {"speaker_id": "12", "gender": "female", "text": "Kids are talking by the door"},
        [],
    ),
    "fsdd": (
        fsdd,
        ["set/0_lucas_4", "set/7_jackson_32"],
        {"speaker_id": "lucas", "gender": None, "text": "zero", "split": "test"},
        [],
    ),
    "audiofolder": (
        audiofolder,
        ["set/test/a.wav", "set/train/a.wav"],
        {"text": "bye", "split": "test"},
        [],
    ),
    "nemo": (
        nemo,
        ["set/wavs/a.wav", "set/wavs/b.wav"],
        {"text": "hi", "duration": 1.5},
        ["a part of a longer file: cut it out first"],
    ),
    "kaldi": (
        kaldi,
        ["set/u1", "set/u3"],
        {"speaker_id": "s1", "gender": "female", "text": "hello you", "duration": 1.5},
        ["a command, not a file: it is not run"],
    ),
    "folder": (
        folder,
        ["set/b.ogg", "set/in/a.wav"],
        {"speaker_id": "s2", "gender": "male", "age": "43", "age_decade": 40},
        [],
    ),
    "feature_table": (
        feature_table,
        ["table/a", "table/b"],
        {"gender": "female", "path": ""},
        [],
    ),
}

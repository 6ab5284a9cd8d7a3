"""From files to a table: the command line, archives, and the padding of MP3."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from conftest import SR, voice
from core import audio
from core.audio import ClipRef
from core.cli import main
from core.store import Workspace


def files(folder, n: int = 6):
    """A folder of voices, and one file that is none."""
    folder.mkdir()
    for i in range(n):
        sf.write(folder / f"{i}.wav", voice(100 + 20 * i), SR)
    (folder / "bad.wav").write_bytes(b"no sound")
    return folder


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices") / "voices"
    files(folder)
    return folder


def test_the_command_line_from_folder_to_table(voices, tmp_path, capsys):
    workspace = str(tmp_path / "w")
    words = ["extract", str(voices), "--workspace", workspace, "--set", "article-v1"]
    assert main(words) == 1  # one clip failed
    assert "6 clips measured, 1 failed, 0 stored before" in capsys.readouterr().err
    assert main(words) == 0
    assert "0 clips measured, 0 failed, 7 stored before" in capsys.readouterr().err
    assert main(["status", workspace]) == 0
    said = capsys.readouterr().out
    assert "article-v1" in said and "done: 6" in said and "failed: 1" in said
    assert main(["export", workspace, "--out", str(tmp_path / "out.csv")]) == 0
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table.columns)[:5] == ["filename", "age", "gender", "nwords", "duration"]
    assert table["duration"].tolist() == [1.0] * 6
    assert main([*words[:-1], "voice-v1"]) == 2  # the workspace holds another table
    assert "--rebuild" in capsys.readouterr().err


def test_datasets_prints_what_was_recognised(voices, capsys):
    assert main(["datasets", str(voices)]) == 0
    assert "7 clips" in capsys.readouterr().out
    assert main(["datasets", str(voices / "absent")]) == 2


def test_features_prints_one_object_a_line(voices, capsys):
    words = ["features", str(voices / "1.wav"), str(voices / "bad.wav"), "--set", "article-v1"]
    assert main(words) == 1
    good, bad = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert good["f0_median"] == pytest.approx(120, rel=0.02)
    assert len(good["mel_strength"]) == 128
    assert set(bad) == {"path", "error"}
    assert main(["features", str(voices / "1.wav"), "--set", "nope"]) == 2


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_an_archive_gives_the_same_numbers_as_its_folder(voices, tmp_path, suffix):
    kind = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar"}[suffix]
    shutil.make_archive(str(tmp_path / "voices"), kind, voices.parent, voices.name)
    tables = []
    for place in (voices, tmp_path / f"voices{suffix}"):
        workspace = str(tmp_path / f"w{len(tables)}")
        words = ["extract", str(place), "--workspace", workspace, "--set", "article-v1"]
        assert main([*words, "--layout", "folder"]) == 1
        tables.append(Workspace.open(workspace).features())
    names = [c for c in tables[0] if tables[0][c].dtype == float]
    assert len(tables[1]) == 6
    np.testing.assert_array_equal(tables[0][names], tables[1][names])


def test_mp3_padding_is_kept_on_demand(shared):
    rows = pd.read_csv(shared / "article" / "c4_common-voice_dataset.csv").head(6)
    for row in rows.itertuples():
        ref = ClipRef.of(shared / "article" / "audio_dataset" / row.filename)
        kept, _ = audio.load(ref, SR, keep_padding=True)
        cut, _ = audio.load(ref, SR)
        assert kept.size / SR == pytest.approx(row.duration, abs=1e-6)
        assert 0.05 < (kept.size - cut.size) / SR < 0.15


def test_padding_of_other_formats_is_as_ever(wav):
    ref = ClipRef.of(wav(voice()))
    np.testing.assert_array_equal(audio.load(ref, keep_padding=True)[0], audio.load(ref)[0])

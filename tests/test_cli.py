"""``python -m core``: what it prints, what it writes, how it ends."""

import csv
import json

import numpy as np
import pytest
import soundfile as sf

from conftest import SR, tone, voice
from core.cli import main


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_info_prints_one_object_a_line(wav, capsys, tmp_path):
    good, bad = wav(tone(200)), tmp_path / "bad\n.wav"
    bad.write_bytes(b"no sound")
    assert main(["info", str(good), str(bad), str(tmp_path / "absent.wav")]) == 1
    first, second, third = lines(capsys)
    assert first["path"] == str(good)
    assert (first["sr"], first["channels"], first["duration_s"]) == (SR, 1, 1.0)
    assert {"container", "codec"} <= first.keys()
    assert set(second) == set(third) == {"path", "error"}
    assert "no such file" in third["error"]


def test_info_of_good_files_ends_with_0(wav, capsys):
    assert main(["info", str(wav(tone(200)))]) == 0


def test_info_opens_every_shared_format(shared, capsys):
    folder = shared / "formats"
    with (folder / "formats.csv").open() as file:
        rows = list(csv.DictReader(file))
    main(["info", *[str(folder / row["file"]) for row in rows]])
    for row, found in zip(rows, lines(capsys), strict=True):
        assert ("error" not in found) == (row["status"] == "valid"), row["file"]


def test_clean_writes_a_trimmed_file_at_the_recordings_rate(wav, tmp_path):
    quiet = np.zeros(SR // 2, np.float32)
    path, out = wav(np.concatenate([quiet, voice(), quiet])), tmp_path / "out.wav"
    assert main(["clean", str(path), str(out)]) == 0
    y, sr = sf.read(out)
    assert sr == SR
    assert 0.9 * SR < y.size < 1.4 * SR
    assert main(["clean", str(path), str(out), "--no-trim"]) == 0
    assert sf.info(out).frames == 2 * SR


@pytest.mark.parametrize("top_db", [20, 35])
def test_clean_by_noisereduce_equals_the_libraries_called_by_hand(wav, tmp_path, top_db):
    librosa, noisereduce = pytest.importorskip("librosa"), pytest.importorskip("noisereduce")
    rng = np.random.default_rng(0)
    y = np.concatenate([np.zeros(SR // 2), voice(), np.zeros(SR // 2)])
    path = wav((y + 0.003 * rng.standard_normal(y.size)).astype(np.float32), subtype="FLOAT")
    out = tmp_path / "out.wav"
    main(["clean", str(path), str(out), "--method", "noisereduce", "--top-db", str(top_db)])
    y, sr = librosa.load(path, sr=None)
    denoised = noisereduce.reduce_noise(y=y, sr=sr, stationary=False)
    want, _ = librosa.effects.trim(denoised, top_db=top_db)
    got, _ = sf.read(out, dtype="float32")
    assert got.size == want.size
    assert np.abs(got - want).max() < 1e-5


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_articles_samples_clean_as_by_hand(shared, tmp_path, k):
    librosa, noisereduce = pytest.importorskip("librosa"), pytest.importorskip("noisereduce")
    path, out = shared / "article" / f"c4_sample-{k}.mp3", tmp_path / "out.wav"
    assert main(["clean", str(path), str(out), "--method", "noisereduce"]) == 0
    y, sr = librosa.load(path, sr=None)
    want, _ = librosa.effects.trim(
        noisereduce.reduce_noise(y=y, sr=sr, stationary=False), top_db=20
    )
    got, _ = sf.read(out, dtype="float32")
    assert got.size == want.size
    assert np.abs(got - want).max() < 1e-5


def test_what_cannot_start_ends_with_2_and_a_sentence(tmp_path, wav, capsys):
    assert main(["clean", str(tmp_path / "absent.wav"), str(tmp_path / "o.wav")]) == 2
    assert "no such file" in capsys.readouterr().err
    path = wav(tone(200))
    assert main(["clean", str(path), str(tmp_path / "o.wav"), "--top-db", "900"]) == 2
    assert "top_db=900" in capsys.readouterr().err
    assert main(["clean", str(path), str(tmp_path / "no folder" / "o.wav")]) == 2

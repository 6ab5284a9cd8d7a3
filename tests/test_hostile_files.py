"""Files from strangers: each gives sound, with what is odd about it said, or one sentence."""

from browser import ROOT
import numpy as np
import pytest

from benchmarks import fuzz
from core import audio, quality
from core.audio import ClipRef, Limits
from core.errors import AudioReadError

REGRESSION = sorted((ROOT / "tests" / "regression").glob("*"))


@pytest.fixture(scope="module")
def seeds():
    return {name: data for name, data in fuzz.seeds().items() if not name.startswith("shared-")}


@pytest.fixture(scope="module")
def longer(seeds):
    """The same, and Ogg files of several pages."""
    y = 0.2 * np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
    vorbis = fuzz.soundfile_bytes("a.ogg", y, 16_000)
    opus = fuzz.soundfile_bytes("o.opus", y, 16_000, format="OGG", subtype="OPUS")
    return seeds | {"a.ogg": vorbis, "o.opus": opus}


@pytest.fixture
def said(tmp_path):
    """What is said of bytes that open, in one text."""

    def warnings(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return " ".join(audio.info(ClipRef.of(path)).warnings)

    return warnings


def test_whole_files_of_every_format_are_not_warned_of(seeds, said):
    found = {name: said(name, data) for name, data in seeds.items()}
    assert {name: text for name, text in found.items() if text} == {}


@pytest.mark.parametrize(
    "name", ["a.wav", "f.wav", "a.aiff", "a.flac", "a.ogg", "o.opus", "a.mp3", "l.m4a"]
)
def test_a_file_that_is_cut_short_is_told(longer, said, name):
    data = longer[name]
    if name == "l.m4a":  # its index is at the end: without it there is nothing to open
        with pytest.raises(AudioReadError):
            said(name, data[: len(data) * 7 // 10])
        return
    text = said(name, data[: len(data) * 7 // 10])
    assert "cut short" in text or "announces" in text


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "o.opus"])
def test_a_hole_is_told(longer, said, name):
    data, half = longer[name], len(longer[name]) // 2
    text = said(name, data[:half] + bytes(600) + data[half + 600 :])
    assert "damaged inside" in text


@pytest.mark.parametrize("name", ["a.ogg", "o.opus"])
def test_a_wrong_byte_is_found_by_the_checksum_of_its_page(longer, said, name):
    data = bytearray(longer[name])
    data[data.rfind(b"OggS") - 20] ^= 1  # well inside the last page but one
    assert "damaged inside" in said(name, bytes(data))


def test_garbage_before_the_first_frame_is_told(seeds, said):
    assert "does not begin" in said("a.mp3", bytes(range(1, 200)) * 10 + seeds["a.mp3"])


def test_tags_and_zeros_around_an_mp3_are_not_garbage(seeds, said):
    tag = b"ID3\x03\x00\x00\x00\x00\x01\x00" + bytes(128)
    assert said("a.mp3", tag + bytes(64) + seeds["a.mp3"] + b"TAG" + bytes(125)) == ""


def test_a_change_of_rate_inside_is_told(seeds, said):
    y = np.sin(np.arange(44_100) / 9).astype(np.float32) / 2
    other = fuzz.soundfile_bytes("b.mp3", y, 44_100)
    assert "change inside" in said("a.mp3", seeds["a.mp3"] + other)


def test_chained_recordings_are_counted(seeds, said):
    assert "2 recordings in one file" in said("a.ogg", seeds["a.ogg"] * 2)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_header_without_a_length_is_told(seeds, said, size):
    data = bytearray(seeds["a.wav"])
    at = data.find(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, "little")
    assert "does not say how long" in said("a.wav", bytes(data))


@pytest.mark.parametrize(("at", "value"), [(32, 0), (32, 65_535), (34, 1)])
def test_a_header_that_contradicts_itself_is_told(seeds, said, at, value):
    data = bytearray(seeds["a.wav"])
    data[at : at + 2] = value.to_bytes(2, "little")
    assert "contradicts itself" in said("a.wav", bytes(data))


def test_samples_that_are_no_numbers_are_counted(wav):
    y = np.zeros(16_000, np.float32)
    y[:3] = np.nan, np.inf, -np.inf
    text = " ".join(audio.info(ClipRef.of(wav(y, subtype="FLOAT"))).warnings)
    assert "3 of its samples were no numbers" in text


def test_a_file_without_a_single_number_is_refused(wav):
    ref = ClipRef.of(wav(np.full(16_000, np.nan, np.float32), subtype="FLOAT"))
    for ask in (audio.info, audio.load):
        with pytest.raises(AudioReadError, match="none of its samples is a number"):
            ask(ref)


def test_absurdly_loud_samples_are_told_and_checked_without_overflow(wav):
    y = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    y[5000] = 3e38
    ref = ClipRef.of(wav(y, subtype="FLOAT"))
    assert "times full scale" in " ".join(audio.info(ref).warnings)
    with np.errstate(over="raise", invalid="raise"):
        report = quality.check_file(ref)
    assert np.isfinite(report["bandwidth"].value)


def test_the_shortest_files_are_told(wav):
    ref = ClipRef.of(wav(np.ones(1000, np.float32) / 2))
    assert "shorter than 0.1 s" in " ".join(audio.info(ref).warnings)


def test_a_name_that_is_no_sounds_is_told_and_one_without_an_end_is_not(seeds, said):
    assert "ends in .exe" in said("a.mp3.exe", seeds["a.mp3"])
    assert said("a", seeds["a.mp3"]) == ""


def test_a_long_file_is_checked_up_to_a_bound_which_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(quality, "MOST_S", 120.0)
    path = tmp_path / "a.wav"
    audio.write_wav(path, np.ones(8000 * 200, np.float32) / 10, sr=8000, bits=16)
    report = quality.check_file(ClipRef.of(path))
    assert report.duration_s == 120.0
    assert "Only the first 2 minutes were looked at" in report.sentence


def test_a_few_hundred_damaged_files_give_a_result_or_a_sentence(seeds):
    tally = fuzz.run(300, 20_261_123, known=seeds)
    assert tally.wrong == []
    assert tally.ends["ok"] > 100
    assert tally.ends["sentence"] > 30
    assert tally.longest_s < fuzz.SLOW_S
    assert tally.space < Limits.from_env().memory_mb * 2**20


@pytest.mark.parametrize("path", REGRESSION, ids=[path.name for path in REGRESSION])
def test_files_that_once_broke_something_no_longer_do(path):
    end, words = fuzz.answer(path, Limits(), window=True)
    assert end in ("ok", "sentence"), words


def test_the_fuzz_sees_what_is_neither_a_result_nor_a_sentence(seeds, monkeypatch):
    monkeypatch.setattr(audio, "info", lambda *_, **__: 1 / 0)
    assert fuzz.run(3, 1, known=seeds).ends == {"traceback": 3}

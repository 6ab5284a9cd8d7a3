"""Reading recordings: what opens, with what values, and what is refused in which words."""

import base64
import csv
import os
from pathlib import Path
import subprocess
import sys
import tempfile

import av
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import soundfile as sf

from conftest import ROOT, SR, tone, voice
from core import audio
from core.audio import AudioInfo, ClipRef, Limits, _child, _decode, info, load
from core.errors import AudioLimitError, AudioReadError, ParameterError, VoiceError

FORMATS = Path(os.environ.get("PHONOSCOPE_SHARED", ROOT.parent / "shared")) / "data" / "formats"
F0 = 440.0


def rows() -> list:
    """Lines of the shared table of formats; one stand-in that skips where there is none."""
    table = FORMATS / "formats.csv"
    if not table.is_file():
        return [pytest.param(None, id="no shared recordings")]
    with open(table, newline="", encoding="utf-8") as f:
        return [pytest.param(row, id=Path(row["file"]).name) for row in csv.DictReader(f)]


def encoded(path: Path, codec: str, y: np.ndarray, sr: int, title="", **options) -> Path:
    """``y`` written with FFmpeg; the test is skipped where this build lacks the encoder."""
    try:
        av.Codec(codec, "w")
    except ValueError:
        pytest.skip(f"FFmpeg has no encoder {codec} here")
    y = np.atleast_2d(y)
    layout = "mono" if len(y) == 1 else "stereo"
    with av.open(os.fspath(path), "w", **options) as container:
        stream = container.add_stream(codec, rate=sr, layout=layout)
        container.metadata["title"] = title
        stream.bit_rate = 128_000 if sr > 8000 else 12_200  # wmav2 opens at no other default
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=sr)
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(y), format="fltp", layout=layout)
        frame.sample_rate = sr
        for part in resampler.resample(frame):
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while part := fifo.read(size, partial=True):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def ref(path: os.PathLike) -> ClipRef:
    return ClipRef.of(path)


def main_frequency(y: np.ndarray, sr: int) -> float:
    """Frequency in Hz of the strongest bin."""
    spectrum = np.abs(np.fft.rfft(y * np.hanning(y.size)))
    return float(np.argmax(spectrum) * sr / y.size)


def refusal(path: os.PathLike, **kwargs) -> str:
    """The sentence with which ``path`` is refused, checked for what all sentences must keep."""
    with pytest.raises(AudioReadError) as caught:
        load(ref(path), **kwargs)
    said = str(caught.value)
    assert os.fspath(Path(path).parent) not in said
    assert said.endswith(".") and "\n" not in said
    return said


# --- what opens -----------------------------------------------------------------------------


@pytest.mark.parametrize("row", rows())
def test_shared_formats_open_with_the_right_rate_channels_and_length(shared, row):
    path = shared / "formats" / row["file"]
    if row["status"] != "valid":
        refusal(path)
        return
    found = info(ref(path))
    assert (found.sr, found.channels) == (int(row["sr"]), int(row["ch"]))
    # Half a millisecond is the table's rounding. AAC in MP4 comes in frames of 1,024 samples, and
    # the last one is not cut by the edit list here: up to one frame of padding is left.
    slack = 1024 / found.sr if (found.codec, found.container) == ("AAC", "MP4") else 0.0
    assert -6e-4 <= found.duration_s - float(row["decoded_s"]) <= 6e-4 + slack
    assert not found.duration_claimed
    y, sr = load(ref(path), mono=False)
    assert sr == found.sr
    assert y.shape == (found.channels, round(found.duration_s * sr))
    assert y.dtype == np.float32 and y.flags.c_contiguous
    assert 0.2 < np.abs(y).max() < 0.6


@pytest.mark.parametrize("row", [r for r in rows() if r.values[0] and r.values[0]["ch"]])
def test_shared_formats_give_in_a_window_what_the_whole_file_has_there(shared, row):
    clip = ref(shared / "formats" / row["file"])
    y, sr = load(clip, mono=False)
    part, _ = load(clip, mono=False, start_s=2.2, duration_s=0.5)
    expected = y[:, round(2.2 * sr) :][:, : round(0.5 * sr)]
    assert part.shape == expected.shape
    assert np.abs(part - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "kwargs", "container", "codec", "bits"),
    [
        ("a.wav", {"subtype": "PCM_16"}, "WAV", "PCM_16", 16),
        ("a.wav", {"subtype": "PCM_U8"}, "WAV", "PCM_U8", 8),
        ("a.wav", {"subtype": "PCM_24"}, "WAV", "PCM_24", 24),
        ("a.wav", {"subtype": "FLOAT"}, "WAV", "FLOAT", 32),
        ("a.wav", {"subtype": "ULAW"}, "WAV", "ULAW", 8),
        ("a.wav", {"subtype": "GSM610"}, "WAV", "GSM610", None),
        ("a.wav", {"format": "WAVEX"}, "WAV", "PCM_16", 16),
        ("a.wav", {"format": "NIST"}, "NIST", "PCM_16", 16),
        ("a.w64", {}, "W64", "PCM_16", 16),
        ("a.rf64", {}, "RF64", "PCM_16", 16),
        ("a.aiff", {}, "AIFF", "PCM_16", 16),
        ("a.au", {}, "AU", "PCM_16", 16),
        ("a.caf", {}, "CAF", "PCM_16", 16),
        ("a.flac", {}, "FLAC", "PCM_16", 16),
        ("a.ogg", {}, "OGG", "VORBIS", None),
        ("a.mp3", {}, "MP3", "MPEG_LAYER_III", None),
        ("misnamed.wav", {"format": "MP3"}, "MP3", "MPEG_LAYER_III", None),
    ],
)
def test_libsndfile_formats_open(wav, name, kwargs, container, codec, bits):
    sr = 8000 if "GSM610" in kwargs.values() else SR
    path = wav(tone(F0, sr=sr), name, sr=sr, **kwargs)
    found = info(ref(path))
    assert (found.container, found.codec, found.bits) == (container, codec, bits)
    assert (found.sr, found.channels, found.size) == (sr, 1, path.stat().st_size)
    assert found.duration_s == pytest.approx(1.0, abs=0.0401)  # GSM adds a block
    y, _ = load(ref(path))
    assert main_frequency(y, sr) == pytest.approx(F0, abs=1)
    assert np.sqrt(np.mean(y**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.03)


@pytest.mark.parametrize(
    ("name", "encoder", "sr", "container", "codec"),
    [
        ("a.m4a", "aac", 44100, "MP4", "AAC"),
        ("a.aac", "aac", 16000, "AAC", "AAC"),
        ("a.m4a", "alac", 44100, "MP4", "ALAC"),
        ("a.webm", "libopus", 48000, "MATROSKA", "OPUS"),
        ("a.opus", "libopus", 48000, "OGG", "OPUS"),
        ("a.mka", "flac", 48000, "MATROSKA", "FLAC"),
        ("a.wma", "wmav2", 44100, "ASF", "WMAV2"),
        ("a.ac3", "ac3", 48000, "AC3", "AC3"),
        ("a.3gp", "libopencore_amrnb", 8000, "MP4", "AMR_NB"),
        ("a.amr", "libopencore_amrnb", 8000, "AMR", "AMR_NB"),
    ],
)
def test_ffmpeg_formats_open(tmp_path, name, encoder, sr, container, codec):
    path = encoded(tmp_path / name, encoder, tone(F0, sr=sr), sr)
    found = info(ref(path))
    assert (found.container, found.codec, found.sr, found.channels) == (container, codec, sr, 1)
    # Lossy coders delay and pad by up to three of their frames.
    assert found.duration_s == pytest.approx(1.0, abs=3 * 2048 / sr if "lac" not in encoder else 0)
    y, _ = load(ref(path))
    assert main_frequency(y, sr) == pytest.approx(F0, abs=2)
    assert np.sqrt(np.mean(y**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.2)


def test_info_of_a_wav_is_complete(wav):
    path = wav(np.stack([tone(F0), tone(F0)]))
    assert info(ref(path)) == AudioInfo(
        path=os.fspath(path),
        container="WAV",
        codec="PCM_16",
        sr=SR,
        channels=2,
        duration_s=1.0,
        duration_claimed=False,
        bits=16,
        bit_rate=512_000,
        size=path.stat().st_size,
    )


def test_bit_rate_of_a_compressed_file_is_its_size_by_its_length(wav):
    path = wav(tone(F0), "a.flac")
    assert info(ref(path)).bit_rate == 8 * path.stat().st_size


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.m4a"])
def test_mono_is_the_mean_of_the_channels(tmp_path, wav, name):
    y = np.stack([tone(200), 0.5 * tone(300)])
    path = encoded(tmp_path / name, "alac", y, SR) if name == "a.m4a" else wav(y, name)
    both, _ = load(ref(path), mono=False)
    assert both.shape == (2, SR)
    assert np.abs(both - y).max() < 1e-4
    mono, _ = load(ref(path))
    assert mono.shape == (SR,)
    assert np.abs(mono - y.mean(axis=0)).max() < 1e-4


def test_one_channel_stays_a_row_when_mono_is_not_asked_for(wav):
    assert load(ref(wav(tone(F0))), mono=False)[0].shape == (1, SR)


def test_nan_is_silence_and_infinities_are_full_scale(wav):
    y = np.full((2, 100), 0.25, dtype=np.float32)
    y[0, :3] = [np.nan, np.inf, -np.inf]
    path = wav(y, subtype="FLOAT")
    both, _ = load(ref(path), mono=False)
    assert both[0, :4].tolist() == [0.0, 1.0, -1.0, 0.25]
    mono, _ = load(ref(path))
    assert mono[:4].tolist() == [0.125, 0.625, -0.375, 0.25]


def test_values_beyond_full_scale_are_kept(wav):
    y = np.array([0.0, 1.5, -3.0, 3e38], dtype=np.float32)
    path = wav(np.stack([y, y]), subtype="FLOAT")
    assert load(ref(path))[0].tolist() == y.tolist()


def test_doubles_too_large_for_float32_are_full_scale(wav):
    path = wav(np.array([1e300, -1e300, 0.5]), subtype="DOUBLE")
    assert load(ref(path))[0].tolist() == [1.0, -1.0, 0.5]


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("vbr.mp3", {"bitrate_mode": "VARIABLE", "compression_level": 0.7}),
        ("cbr.mp3", {"bitrate_mode": "CONSTANT", "compression_level": 0.9}),
        ("a.ogg", {}),
        ("a.flac", {}),
        ("a.wav", {"subtype": "MS_ADPCM"}),
    ],
)
def test_reading_in_blocks_and_windows_changes_no_sample(wav, name, kwargs):
    sr = 48_000
    path = wav(voice(130, 12, sr), name, sr=sr, **kwargs)  # three blocks
    whole, _ = sf.read(path, dtype="float32")
    y, _ = load(ref(path))
    assert np.array_equal(y, whole)
    for start_s in np.random.default_rng(0).uniform(3, 11, 12):
        part, _ = load(ref(path), start_s=start_s, duration_s=0.25)
        k = round(start_s * sr)
        assert part.shape == (12_000,)
        assert np.abs(part - whole[k : k + 12_000]).max() < 1e-6


def test_sr_resamples_and_keeps_the_pitch(wav):
    y, sr = load(ref(wav(tone(F0, sr=44_100), sr=44_100)), sr=16_000)
    assert (sr, y.shape, y.dtype) == (16_000, (16_000,), np.float32)
    assert main_frequency(y, sr) == pytest.approx(F0, abs=1)


def test_the_native_rate_is_kept_without_resampling(wav):
    y, sr = load(ref(wav(tone(F0, sr=11_025), sr=11_025)))
    assert (sr, y.size) == (11_025, 11_025)


# --- windows --------------------------------------------------------------------------------


def test_a_window_past_the_end_says_where_the_recording_ends(wav, tmp_path):
    paths = [wav(tone(F0, 2.0)), wav(tone(F0, 2.0), "a.mp3")]
    paths.append(encoded(tmp_path / "a.webm", "libopus", tone(F0, 2.0, 48_000), 48_000))
    for path in paths:
        said = refusal(path, start_s=7.5, duration_s=1)
        assert "starts at 7.5 s" in said and "ends at 2.0" in said
        assert "ends at 2.0" in refusal(path, start_s=1e308)


def test_a_window_that_reaches_past_the_end_gives_what_is_there(wav):
    assert load(ref(wav(tone(F0))), start_s=0.75, duration_s=5)[0].size == SR // 4


def test_a_start_alone_reads_to_the_end(wav):
    y = tone(F0)
    part, _ = load(ref(wav(y, subtype="FLOAT")), start_s=0.5)
    assert np.array_equal(part, y[SR // 2 :])


@pytest.mark.parametrize(
    "kwargs",
    [
        {"start_s": -0.1},
        {"start_s": float("nan")},
        {"duration_s": 0},
        {"duration_s": float("inf")},
        {"sr": 0},
        {"sr": 10_000_000},
    ],
)
def test_impossible_settings_are_parameter_errors(wav, kwargs):
    name = next(iter(kwargs))
    with pytest.raises(ParameterError, match=rf"^{name}=.* does not work: choose"):
        load(ref(wav(tone(F0))), **kwargs)


# --- limits ---------------------------------------------------------------------------------


@pytest.fixture
def half_hour(wav) -> ClipRef:
    """30 minutes of silence in 0.1 MB."""
    return ref(wav(np.zeros(30 * 60 * 8000, dtype=np.int16), "long.flac", sr=8000))


def test_half_an_hour_is_refused_whole_and_opens_as_a_window(half_hour):
    with pytest.raises(AudioLimitError, match=r"^long.flac: .*30 minutes.*at most 10 minutes\.$"):
        load(half_hour)
    y, sr = load(half_hour, start_s=1500, duration_s=300)
    assert (y.size, sr) == (300 * 8000, 8000)
    assert load(half_hour, start_s=1200)[0].size == 600 * 8000
    with pytest.raises(AudioLimitError, match=r"this window has 10\.2 minutes.*at most 10 minutes"):
        load(half_hour, start_s=1190)


def test_info_gives_the_claimed_length_beyond_the_limit_and_says_so(half_hour):
    found = info(half_hour)
    assert (found.duration_s, found.duration_claimed) == (1800.0, True)


def test_a_window_longer_than_the_limit_is_refused(wav):
    with pytest.raises(AudioLimitError, match=r"window of 11 minutes is too long.*most 10 minutes"):
        load(ref(wav(tone(F0))), duration_s=660)


def test_a_recording_as_long_as_the_limit_opens_and_a_sample_more_does_not(wav):
    limits = Limits(max_seconds=1.0)
    for name in ("a.wav", "a.flac"):
        assert load(ref(wav(tone(F0), name)), limits=limits)[0].size == SR
        longer = ref(wav(np.append(tone(F0), np.float32(0)), name))
        with pytest.raises(AudioLimitError, match="Choose a window of at most 1 s"):
            load(longer, limits=limits)
        assert info(longer, limits).duration_claimed


def test_a_stream_of_unknown_length_says_more_than(tmp_path):
    path = encoded(
        tmp_path / "live.webm",
        "libopus",
        tone(F0, 3.0, 48_000),
        48_000,
        options={"live": "1"},
    )
    with pytest.raises(AudioLimitError, match="more than 1 s of audio"):
        load(ref(path), limits=Limits(max_seconds=1.0))


def test_the_file_on_disk_is_bounded(wav):
    with pytest.raises(AudioLimitError, match=r"has 1 MB, and at most 0\.5 MB can be opened"):
        load(ref(wav(tone(F0, 32.768))), limits=Limits(max_mb=0.5))


def test_the_samples_kept_are_bounded_after_mixing(wav):
    limits = Limits(max_mb=1.0)  # 262,144 samples
    stereo = ref(wav(np.zeros((2, 200_000)), "a.flac", sr=8000))
    assert load(stereo, limits=limits)[0].size == 200_000
    with pytest.raises(AudioLimitError, match=r"has 25 s of audio.*at most 16\.3 s"):
        load(stereo, mono=False, limits=limits)
    with pytest.raises(AudioLimitError, match=r"has 25 s of audio.*at most 16\.3 s"):
        load(stereo, sr=16_000, limits=limits)
    assert load(stereo, 16_000, duration_s=16.3, limits=limits)[0].size == round(16.3 * 16_000)


def test_the_work_is_bounded_by_channels_times_frames(wav, monkeypatch):
    monkeypatch.setattr(_decode, "MAX_WORK", 4 * SR)
    wide = ref(wav(np.zeros((8, SR)), "wide.wav"))
    with pytest.raises(AudioLimitError, match=r"has 1 s of audio.*at most 0\.5 s"):
        load(wide)
    assert load(wide, duration_s=0.5)[0].size == SR // 2
    found = info(wide)
    assert (found.channels, found.duration_s, found.duration_claimed) == (8, 1.0, True)


def test_what_is_known_to_be_too_much_work_is_not_begun(wav):
    path = wav(np.zeros((8, 200_000)), "wide.flac")
    job = _child.Job(os.fspath(path), False, False, 0.0, None, 600.0, 10**8, 1_500_000)
    sink = _child.by_libsndfile(job)
    assert sink.decoded * 8 <= _child.BLOCK and sink.answer()["claimed"]


def test_a_window_too_far_into_a_file_that_cannot_jump_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_decode, "MAX_WORK", 48_000)
    path = encoded(tmp_path / "a.webm", "libopus", tone(F0, 3.0, 48_000), 48_000)
    assert load(ref(path), start_s=0.25, duration_s=0.5)[0].size == 24_000
    with pytest.raises(AudioLimitError, match=r"starts at 2 s is too long.*save it as WAV"):
        load(ref(path), start_s=2, duration_s=0.5)


def test_memory_is_bounded(wav):
    clip = ref(wav(np.zeros(20_000_000, dtype=np.int16), "a.flac", sr=48_000))
    with pytest.raises(AudioReadError, match="more than 40 MB of memory"):
        load(clip, limits=Limits(memory_mb=40))
    assert load(clip)[0].size == 20_000_000


def test_limits_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("PHONOSCOPE_MAX_MINUTES", raising=False)
    monkeypatch.delenv("PHONOSCOPE_MAX_MB", raising=False)
    assert Limits.from_env() == Limits()
    monkeypatch.setenv("PHONOSCOPE_MAX_MINUTES", "1.5")
    monkeypatch.setenv("PHONOSCOPE_MAX_MB", "1000")
    limits = Limits.from_env()
    assert (limits.max_seconds, limits.max_mb) == (90.0, 1000.0)
    assert limits.memory_mb > 2 * limits.max_mb


@pytest.mark.parametrize("name", ["PHONOSCOPE_MAX_MINUTES", "PHONOSCOPE_MAX_MB"])
@pytest.mark.parametrize("value", ["ten", "0", "-1", "nan", "inf"])
def test_a_bad_limit_in_the_environment_is_a_sentence(name, value):
    with pytest.raises(ParameterError, match=f"^{name}={value} does not work: choose a number"):
        Limits.from_env({name: value})


# --- damaged, false and hostile files ---------------------------------------------------------


def test_a_data_chunk_that_claims_two_gigabytes_is_counted_not_believed(wav):
    path = wav(tone(F0))
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    assert info(ref(path)).duration_s == 1.0
    assert load(ref(path))[0].size == SR


@pytest.mark.parametrize("claim", [0, 36_000 * SR, 2**36 - 1])
def test_a_flac_header_that_lies_about_its_length_is_counted_not_believed(wav, claim):
    path = wav(tone(F0), "a.flac")
    data = bytearray(path.read_bytes())
    fields = int.from_bytes(data[18:26], "big") >> 36 << 36 | claim
    data[18:26] = fields.to_bytes(8, "big")
    path.write_bytes(data)
    found = info(ref(path))
    assert (found.duration_s, found.duration_claimed) == (1.0, False)
    assert load(ref(path))[0].size == SR


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.webm"])
def test_half_a_file_gives_about_half_of_its_sound(wav, tmp_path, name):
    y = voice(130, 4.0, 48_000)
    if name == "a.webm":
        path = encoded(tmp_path / name, "libopus", y, 48_000)
    else:
        path = wav(y, name, sr=48_000)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found = info(ref(path))
    assert 1.0 < found.duration_s < 2.5
    assert load(ref(path))[0].size == round(found.duration_s * found.sr)


def test_an_empty_file_says_so(tmp_path):
    path = tmp_path / "none.wav"
    path.touch()
    assert refusal(path).startswith("none.wav: this file is empty (0 bytes).")


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.caf"])
def test_a_header_without_samples_says_so(wav, name):
    path = wav(np.zeros(0), name)
    with pytest.raises(AudioReadError, match="this file holds no samples"):
        info(ref(path))
    assert "this file holds no samples" in refusal(path)


def test_a_video_without_sound_says_so(tmp_path):
    assert "no audio track" in refusal(film(tmp_path / "film.mp4"))


TEXTS = {
    "prose": b"To whom it may concern. " * 50,
    "concat": b"ffconcat version 1.0\nfile other.wav\n",
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.wav\n#EXT-X-ENDLIST\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    b"m=audio 5004 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    b'<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1">'
    b"<BaseURL>other.wav</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "utf16": "path\tsentence\n".encode("utf-16") * 20,
    "subtitles": b"1\n00:00:00,000 --> 00:00:09,000\nhello\n\n" * 9,
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="other.wav"/></svg>',
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde",
    "gif": b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
}


@pytest.mark.parametrize("suffix", ["wav", "m3u8", "sdp", "mpd", "txt"])
@pytest.mark.parametrize("kind", TEXTS)
def test_playlists_texts_and_pictures_are_refused_in_one_sentence(wav, kind, suffix):
    other = wav(tone(F0), "other.wav")
    path = other.with_name(f"x.{suffix}")
    path.write_bytes(TEXTS[kind])
    said = refusal(path)
    assert said.startswith(f"x.{suffix}: this does not look like audio (")
    assert said.endswith("Open it in another program and save it as WAV.")
    with pytest.raises(AudioReadError):
        info(ref(path))


def test_a_playlist_would_read_the_other_file_without_our_list_of_formats(wav, tmp_path):
    wav(tone(F0), "other.wav")
    path = tmp_path / "x.wav"
    path.write_bytes(TEXTS["concat"])
    with av.open(os.fspath(path)) as container:  # else the tests above would prove nothing
        assert sum(frame.samples for frame in container.decode(audio=0)) == SR


def test_the_decoder_reads_files_only(wav):
    data = "data:audio/wav;base64," + base64.b64encode(wav(tone(F0)).read_bytes()).decode()
    job = _child.Job(data, True, True, 0.0, None, 600.0, 10**8, 10**8)
    with pytest.raises((av.error.FFmpegError, ValueError)):
        _child.by_ffmpeg(job)
    with av.open(data) as container:  # without our options it would
        assert container.streams.audio[0].rate == SR


def film(path: Path) -> Path:
    """One second of five grey pictures without sound."""
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_no_video_decoder_is_started(tmp_path):
    path = os.fspath(film(tmp_path / "film.mp4"))
    with av.open(path) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    with av.open(path, options=_child.AV_OPTIONS) as container:
        assert container.streams.video[0].codec_context.pix_fmt is None


def test_too_many_channels_are_named(wav):
    path = wav(np.zeros((255, 100)), "many.wav", sr=8000)
    assert "255 channels at 8000 Hz cannot be opened" in refusal(path)


def test_tags_that_are_no_text_do_no_harm(tmp_path):
    path = encoded(tmp_path / "a.mka", "flac", tone(F0), SR, title="HOSTILE TITLE")
    data = path.read_bytes()
    assert b"HOSTILE TITLE" in data
    path.write_bytes(data.replace(b"HOSTILE TITLE", b"HOSTILE \xff\xfe\x80\xc3("))
    assert load(ref(path))[0].size == SR


HOSTILE_NAMES = [
    "a\nb.{}",
    "-i.{}",
    "concat:other.wav|x.{}",
    "http:x.{}",
    "%d %s.{}",
    "\u202efdp.{}",
    "日本語 é.{}",
    'quote"\\.{}',
    os.fsdecode(b"bytes \xff\xfe.{}"),
]


@pytest.mark.parametrize("suffix", ["wav", "m4a"])
@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_any_file_name_opens_and_can_be_told(wav, tmp_path, monkeypatch, name, suffix):
    source = wav(tone(F0), "good.wav")
    if suffix == "m4a":
        source = encoded(tmp_path / "good.m4a", "alac", tone(F0), SR)
    path = tmp_path / name.format(suffix)
    path.write_bytes(source.read_bytes())
    assert load(ref(path))[0].size == SR
    monkeypatch.chdir(tmp_path)
    assert load(ClipRef(path.name, path.stat().st_size, path.stat().st_mtime_ns))[0].size == SR
    path.write_bytes(b"not audio")
    said = refusal(path)
    said.encode()  # no lone surrogates
    assert f".{suffix}: this does not look like audio" in said


def test_only_regular_files_can_be_chosen(tmp_path, wav):
    assert ref(wav(tone(F0))).path == os.fspath(tmp_path / "clip.wav")
    wrong = {"gone.wav": "no such file", "nul\0.wav": "no such file", ".": "not a file"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        wrong |= {"pipe.wav": "not a file", os.devnull: "not a file"}
    for name, words in wrong.items():
        with pytest.raises(AudioReadError, match=words) as caught:
            ClipRef.of(tmp_path / name)
        assert os.fspath(tmp_path.parent) not in str(caught.value)


def test_a_file_that_changed_or_went_since_it_was_chosen_is_refused(wav):
    clip = ref(wav(tone(F0)))
    path = wav(tone(F0, 2.0))
    with pytest.raises(AudioReadError, match=r"^clip.wav: this file changed .* Choose it again\.$"):
        load(clip)
    clip = ref(path)
    path.unlink()
    with pytest.raises(AudioReadError, match="no such file"):
        info(clip)


def seed_file(name: str, **kwargs) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        sf.write(path, voice(130, 0.3), SR, **kwargs)
        return path.read_bytes()


SEEDS = {name: seed_file(name) for name in ("a.wav", "a.flac", "a.mp3", "a.ogg", "a.aiff")}
SEEDS["adpcm.wav"] = seed_file("a.wav", subtype="IMA_ADPCM")
MAGICS = [b"", b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC", b"OggS", b"ID3\4\0", b"\0\0\0\x20ftypM4A "]
CALM = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def gives_audio_or_a_sentence(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.wav"
        path.write_bytes(data)
        try:
            found = info(ref(path), Limits(max_seconds=60))
            y, sr = load(ref(path), limits=Limits(max_seconds=60))
        except VoiceError as err:
            assert folder not in str(err) and "\n" not in str(err)
            return
    assert sr == found.sr and y.size == round(found.duration_s * sr) > 0
    assert np.isfinite(y).all()


@CALM
@given(magic=st.sampled_from(MAGICS), noise=st.binary(min_size=1, max_size=4000))
def test_random_bytes_give_audio_or_a_sentence(magic, noise):
    gives_audio_or_a_sentence(magic + noise)


@CALM
@given(
    name=st.sampled_from(sorted(SEEDS)),
    changes=st.lists(
        st.tuples(st.integers(0, 120), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4
    ),
    keep=st.floats(0.02, 1.0),
)
def test_damaged_headers_give_audio_or_a_sentence(name, changes, keep):
    data = bytearray(SEEDS[name])
    for at, new in changes:
        data[at : at + len(new)] = new
    gives_audio_or_a_sentence(bytes(data[: max(1, int(keep * len(data)))]))


# --- the package ------------------------------------------------------------------------------


def test_suffixes_are_plain_and_unique():
    suffixes = audio.audio_suffixes()
    assert len(set(suffixes)) == len(suffixes)
    assert all(s == s.lower() and s.isalnum() for s in suffixes)
    wanted = "wav flac ogg oga opus mp3 aiff aif aifc au snd caf m4a aac mp4 webm mka amr 3gp wma"
    assert {*wanted.split(), "w64"} <= set(suffixes)


def test_importing_is_cheap_and_starts_no_process():
    heavy = "librosa sklearn numba streamlit scipy soundfile av soxr pandas"
    code = (
        "import sys, core.audio, core.audio._workers as w\n"
        f"print([m for m in {heavy.split()} if m in sys.modules])\n"
        "print([x.process for x in w.pool().workers])"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert out.stdout == "[]\n[None, None]\n", out.stderr


def test_every_exported_name_exists_and_is_explained():
    for name in audio.__all__:
        assert getattr(audio, name).__doc__

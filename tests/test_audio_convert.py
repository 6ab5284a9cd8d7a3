"""Resampling and WAV files, on signals whose answer is known."""

import io
import wave

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import soundfile as sf

from conftest import SR, tone
from core.audio import encode_wav, resample, write_wav
from core.errors import ParameterError


@pytest.mark.parametrize(("sr_in", "sr_out"), [(48_000, 16_000), (8_000, 44_100), (44_100, 22_050)])
def test_a_resampled_tone_is_the_same_tone(sr_in, sr_out):
    y = resample(tone(440, sr=sr_in), sr_in=sr_in, sr_out=sr_out)
    expected = tone(440, sr=sr_out)
    inner = slice(sr_out // 20, -sr_out // 20)  # the ends ring: the tone starts there
    assert y.shape == expected.shape and y.dtype == np.float32
    assert np.abs(y[inner] - expected[inner]).max() < 1e-4


def test_what_does_not_fit_below_half_the_new_rate_is_gone():
    y = resample(tone(9_000, sr=48_000), sr_in=48_000, sr_out=16_000)
    assert np.abs(y[800:-800]).max() < 1e-5


def test_channels_are_resampled_apart():
    y = np.stack([tone(440, sr=48_000), np.zeros(48_000, np.float32)])
    out = resample(y, sr_in=48_000, sr_out=SR)
    assert out.shape == (2, SR) and out.flags.c_contiguous
    assert not out[1].any()
    assert np.array_equal(out[0], resample(y[0], sr_in=48_000, sr_out=SR))


def test_equal_rates_and_no_samples_change_nothing():
    y = tone(440)
    assert resample(y, sr_in=SR, sr_out=SR) is y
    assert resample(y[:0], sr_in=SR, sr_out=8000).shape == (0,)


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"sr_in": 0, "sr_out": SR}, "sr_in=0 Hz does not work: choose 1000 to 768000 Hz"),
        ({"sr_in": SR, "sr_out": 16_000.5}, "sr_out=16000.5 Hz does not work"),
    ],
)
def test_impossible_rates_are_parameter_errors(kwargs, said):
    with pytest.raises(ParameterError, match=said):
        resample(tone(440), **kwargs)


@pytest.mark.parametrize("y", [np.zeros((2, 2, 2)), np.zeros(9, np.int16), np.float32(1)])
def test_what_is_no_signal_is_a_parameter_error(y):
    with pytest.raises(ParameterError, match="give floats of shape"):
        encode_wav(y, sr=SR, bits=16)


@pytest.mark.parametrize(("bits", "subtype"), [(16, "PCM_16"), (24, "PCM_24"), (32, "FLOAT")])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_wav_gives_back_what_went_in(bits, subtype, channels):
    y = np.stack([tone(100 * (k + 1), 0.1)[: 1600 - 1] for k in range(channels)])  # odd length
    data = encode_wav(y if channels > 1 else y[0], sr=22_050, bits=bits)
    assert len(data) % 2 == 0 and int.from_bytes(data[4:8], "little") == len(data) - 8
    with sf.SoundFile(io.BytesIO(data)) as f:
        assert (f.format, f.subtype, f.samplerate, f.channels) == ("WAV", subtype, 22_050, channels)
        back = f.read(dtype="float32", always_2d=True).T
    step = {16: 2.0**-15, 24: 2.0**-23, 32: 0.0}[bits]
    assert back.shape == y.shape
    assert np.abs(back - y).max() <= step / 2 + 1e-9


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_long_sounds_are_encoded_block_by_block_without_a_seam(bits):
    y = np.random.default_rng(0).uniform(-0.9, 0.9, 2 * 2**16 + 3).astype(np.float32)
    back, _ = sf.read(io.BytesIO(encode_wav(y, sr=SR, bits=bits)))
    assert back.size == y.size
    assert np.abs(back - y).max() <= (0.51 / 2 ** (bits - 1) if bits < 32 else 0)


def test_python_s_own_reader_agrees():
    with wave.open(io.BytesIO(encode_wav(tone(440), sr=SR, bits=16))) as f:
        assert (f.getnchannels(), f.getsampwidth(), f.getframerate(), f.getnframes()) == (
            1,
            2,
            SR,
            SR,
        )


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    values=st.lists(st.floats(width=32), min_size=1, max_size=40), bits=st.sampled_from([16, 24])
)
def test_pcm_clips_and_never_wraps(values, bits):
    y = np.array(values, dtype=np.float32)
    back, _ = sf.read(io.BytesIO(encode_wav(y, sr=SR, bits=bits)))
    step = 2.0 ** (1 - bits)
    expected = np.clip(np.nan_to_num(y.astype(float), posinf=1, neginf=-1), -1, 1 - step)
    assert np.abs(back - expected).max() <= step / 2


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_encoding_leaves_the_signal_as_it_was(bits):
    y = np.array([[2.0, np.nan, 0.5], [np.inf, -1.0, 0.25]], dtype=np.float32)
    before = y.copy()
    encode_wav(y, sr=SR, bits=bits)
    assert np.array_equal(y, before, equal_nan=True)


def test_float_keeps_what_is_beyond_full_scale():
    y = np.array([1.5, -2.0, np.nan], dtype=np.float32)
    back, _ = sf.read(io.BytesIO(encode_wav(y, sr=SR, bits=32)))
    assert back.tolist() == [1.5, -2.0, 0.0]


@pytest.mark.parametrize("bits", [8, 20, 64, 0])
def test_other_widths_are_parameter_errors(bits):
    with pytest.raises(ParameterError, match=f"bits={bits} does not work: choose 16, 24 or 32"):
        encode_wav(tone(440), sr=SR, bits=bits)


def test_a_written_file_replaces_the_older_one_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "out.wav"
    path.write_bytes(b"old")
    write_wav(path, tone(440), sr=SR, bits=16)
    assert path.read_bytes() == encode_wav(tone(440), sr=SR, bits=16)
    assert [p.name for p in tmp_path.iterdir()] == ["out.wav"]


def test_a_write_that_fails_leaves_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "out.wav"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_wav(path, tone(440), sr=SR, bits=16)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("out.wav", b"old")]

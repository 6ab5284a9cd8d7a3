import warnings

from hypothesis import given, settings
from hypothesis import strategies as st
import librosa
import numpy as np
import pytest

from conftest import tone, voice
from core import spectra
from core.errors import AudioTooShortError, ParameterError
from core.params import WINDOWS, SpectraParams

CASES = [
    (16_000, SpectraParams()),
    (8_000, SpectraParams(n_fft=512, hop_length=128, window="hamming", n_mels=40, n_mfcc=13)),
    (22_050, SpectraParams(n_fft=1024, hop_length=300, window="blackman", n_mels=64, n_mfcc=30)),
    (48_000, SpectraParams(n_fft=2400, hop_length=480, window="boxcar", n_mels=80, n_mfcc=80)),
    (44_100, SpectraParams(n_fft=1001, hop_length=1001, n_mels=23, n_mfcc=1)),
]
cases = pytest.mark.parametrize(("sr", "params"), CASES, ids=lambda c: str(getattr(c, "n_fft", c)))


def librosa_power(y: np.ndarray, params: SpectraParams) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_fft=.* is too large")
        D = librosa.stft(y, n_fft=params.n_fft, hop_length=params.hop_length, window=params.window)
    return np.abs(D) ** 2


def voice_and_silence(sr: int) -> np.ndarray:
    """Half a second each: more than 80 dB between its frames."""
    y = voice(sr=sr)
    y[sr // 2 :] = 0
    return y


def assert_close(ours, theirs):
    """Within 1e-4 of each value, and 1e-9 of the largest where float32 cancels."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-9 * float(np.max(theirs)))


@cases
def test_stft_equals_librosa(sr, params):
    y = voice_and_silence(sr)
    ours, theirs = spectra.stft_power(y, sr=sr, params=params), librosa_power(y, params)
    assert ours.dtype == np.float32
    assert_close(ours, theirs)
    db = librosa.power_to_db(theirs, ref=np.max, top_db=80)
    assert np.abs(spectra.stft_db(ours, params=params) - db).max() < 0.01


@cases
def test_mel_and_mfcc_equal_librosa(sr, params):
    y = voice_and_silence(sr)
    S = spectra.stft_power(y, sr=sr, params=params)
    theirs = librosa.feature.melspectrogram(
        S=librosa_power(y, params), sr=sr, n_fft=params.n_fft, n_mels=params.n_mels
    )
    ours = spectra.mel_power(S, sr=sr, params=params)
    assert_close(ours, theirs)
    db = librosa.power_to_db(theirs, ref=np.max)
    assert np.abs(spectra.mel_db(S, sr=sr, params=params) - db).max() < 0.01
    coefs = librosa.feature.mfcc(S=librosa.power_to_db(theirs), n_mfcc=params.n_mfcc)
    assert np.abs(spectra.mfcc(ours, n_mfcc=params.n_mfcc) - coefs).max() < 0.01


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("n_fft", [32, 33, 2048])
def test_windows_are_scipys(window, n_fft):
    theirs = librosa.filters.get_window(window, n_fft, fftbins=True)
    np.testing.assert_allclose(spectra.fft_window(window, n_fft), theirs, atol=1e-7)


@given(
    n=st.integers(1, 6000),
    n_fft=st.sampled_from([32, 63, 256, 2048]),
    hop=st.floats(0.01, 1),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_stft_of_any_length_equals_librosa(n, n_fft, hop, seed):
    params = SpectraParams(n_fft=n_fft, hop_length=max(1, int(hop * n_fft)))
    y = np.random.default_rng(seed).standard_normal(n).astype(np.float32)
    theirs = librosa_power(y, params)
    ours = spectra.stft_power(y, sr=8000, params=params)
    assert ours.shape == theirs.shape
    assert spectra.n_frames(n, params=params) == theirs.shape[1]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * theirs.max())


@pytest.mark.parametrize(
    ("sr", "n_fft", "n_mels"), [(8000, 256, 20), (16_000, 2048, 128), (48_000, 4096, 200)]
)
def test_mel_filters_are_librosas(sr, n_fft, n_mels):
    ours = spectra.mel_filters(sr=sr, n_fft=n_fft, n_mels=n_mels)
    theirs = librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=n_mels)
    assert np.abs(ours - theirs).max() < 1e-6 * theirs.max()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-9)


def test_a_band_between_two_bins_is_zero_as_in_librosa():
    S = np.ones((17, 3), np.float32)
    ours = spectra.mel_power(S, sr=8000, params=SpectraParams(n_fft=32, hop_length=8, n_mels=128))
    assert (ours.max(axis=1) == 0).any()


def test_axes_are_librosas():
    np.testing.assert_allclose(
        spectra.fft_freqs(sr=16_000, n_fft=512), librosa.fft_frequencies(sr=16_000, n_fft=512)
    )
    np.testing.assert_allclose(
        spectra.frame_times(9, sr=16_000, hop_length=100),
        librosa.frames_to_time(np.arange(9), sr=16_000, hop_length=100),
    )
    theirs = librosa.mel_frequencies(42, fmin=0, fmax=8000)[1:-1]
    np.testing.assert_allclose(spectra.mel_freqs(40, sr=16_000), theirs)


def test_mel_scale_is_slaneys_and_turns_back():
    hz = np.array([0, 440, 999.9, 1000, 1000.1, 6400, 22_050])
    np.testing.assert_allclose(spectra.hz_to_mel(hz), librosa.hz_to_mel(hz))
    np.testing.assert_allclose(spectra.mel_to_hz(spectra.hz_to_mel(hz)), hz)


@pytest.mark.parametrize("top_db", [None, 1, 40.0])
@pytest.mark.parametrize("ref", [1.0, 0.01, np.max])
def test_decibels_are_librosas(ref, top_db):
    S = np.array([[0, 1e-12, 1e-4], [0.5, 3, 70]], np.float32)
    theirs = librosa.power_to_db(S, ref=ref, top_db=top_db)
    np.testing.assert_allclose(
        spectra.power_to_db(S, ref=ref, top_db=top_db), theirs, rtol=1e-6, atol=1e-5
    )


def test_spectrum_of_a_tone_is_its_line():
    found = spectra.spectrum(tone(440, 1.0, amplitude=0.5), sr=16_000)
    assert found.freqs.shape == found.magnitude.shape == (8001,)
    assert found.freqs[found.magnitude.argmax()] == 440
    assert found.magnitude.max() == pytest.approx(0.5 * 16_000 / 2, rel=1e-5)


@pytest.mark.parametrize("n", [1, 2, 1009, 16_000])
def test_spectrum_is_the_fourier_transform_of_the_whole_clip(n):
    y = voice()[:n]
    theirs = np.abs(np.fft.rfft(y.astype(np.float64)))
    found = spectra.spectrum(y, sr=16_000)
    np.testing.assert_allclose(found.magnitude, theirs, rtol=1e-4, atol=1e-6 * theirs.max())
    np.testing.assert_allclose(found.freqs, np.fft.rfftfreq(n, 1 / 16_000))


def test_silence_is_silent_and_finite():
    S = spectra.stft_power(np.zeros(4000, np.float32), sr=16_000)
    assert not S.any()
    assert np.isfinite(spectra.mfcc(spectra.mel_power(S, sr=16_000), n_mfcc=20)).all()


@pytest.mark.parametrize("measure", [spectra.spectrum, spectra.stft_power])
def test_an_empty_signal_is_too_short(measure):
    with pytest.raises(AudioTooShortError, match="at least one sample"):
        measure(np.zeros(0, np.float32), sr=16_000)


@pytest.mark.parametrize("measure", [spectra.spectrum, spectra.stft_power])
def test_two_channels_are_refused(measure):
    with pytest.raises(ParameterError, match=r"one channel, got shape \(2, 100\)"):
        measure(np.zeros((2, 100), np.float32), sr=16_000)


def test_settings_that_cannot_work_are_refused():
    y, S = np.zeros(100, np.float32), np.zeros((1025, 2), np.float32)
    with pytest.raises(ParameterError, match="hop_length=4096"):
        spectra.stft_power(y, sr=16_000, params=SpectraParams(hop_length=4096))
    with pytest.raises(ParameterError, match="n_fft=512 gives 257"):
        spectra.mel_power(S, sr=16_000, params=SpectraParams(n_fft=512))
    with pytest.raises(ParameterError, match="n_mfcc=41"):
        spectra.mfcc(np.zeros((40, 3), np.float32), n_mfcc=41)


def test_samples_outside_the_signal_are_zero():
    y = np.arange(1, 6, dtype=np.float32)
    assert spectra.zero_padded(y, -2, 7).tolist() == [0, 0, 1, 2, 3, 4, 5, 0, 0]
    assert spectra.zero_padded(y, 1, 3).tolist() == [2, 3]
    assert spectra.zero_padded(y, 8, 10).tolist() == [0, 0]
    assert spectra.zero_padded(y, -9, -7).tolist() == [0, 0]

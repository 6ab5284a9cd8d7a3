from dataclasses import replace
import warnings

from hypothesis import given, settings
from hypothesis import strategies as st
import librosa
import noisereduce
import numpy as np
import pytest

from conftest import SR, tone, voice
from core import clean
from core.errors import AudioTooShortError, ParameterError
from core.params import (
    ARTICLE_CLEAN,
    CleanParams,
    Denoise,
    Gain,
    HighPass,
    HumNotch,
    Trim,
)

OFF = CleanParams(denoise=Denoise(on=False), trim=Trim(on=False))
ALL = CleanParams(
    HighPass(on=True), HumNotch(on=True), Denoise(), Trim(), Gain(on=True, gain_db=-3.0)
)
ARTICLE = Denoise(method="noisereduce")


def rms_db(y: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(y, dtype=np.float64)))


def line_db(y: np.ndarray, freq: float, sr: int = SR) -> float:
    """Level of one frequency, Hann-windowed, of the middle of a signal."""
    y = y[y.size // 4 : -(y.size // 4)]
    turns = np.exp(-2j * np.pi * freq * np.arange(y.size) / sr)
    return 20 * np.log10(np.abs(np.mean(y * np.hanning(y.size) * turns)))


def si_sdr(clean_y: np.ndarray, y: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio, dB."""
    target = clean_y * (y @ clean_y) / (clean_y @ clean_y)
    return rms_db(target) - rms_db(y - target)


def noisy(y: np.ndarray, snr_db: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(y.size)
    return (y + noise * 10 ** ((rms_db(y) - rms_db(noise) - snr_db) / 20)).astype(np.float32)


def speech(sr: int = SR) -> np.ndarray:
    """A voice of quarter-second syllables with pauses between."""
    t = np.arange(3 * sr) / sr
    return (voice(120, 3.0, sr) * np.sqrt(np.maximum(0, np.sin(4 * np.pi * t)))).astype(np.float32)


def between_silences(y: np.ndarray, sr: int = SR) -> np.ndarray:
    pause = np.zeros(sr // 2, np.float32)
    return np.concatenate([pause, y, pause])


# High-pass


@pytest.mark.parametrize("sr", [8000, 16_000, 48_000, 192_000])
def test_high_pass_removes_30_hz_and_keeps_1_khz_in_place(sr):
    low, high = tone(30, 2.0, sr, 0.3), tone(1000, 2.0, sr, 0.3)
    found = clean.high_pass(low + high, sr=sr, params=HighPass(cutoff_hz=80))
    assert found.dtype == np.float32
    middle = slice(sr // 2, -sr // 2)
    assert rms_db(found[middle] - high[middle]) < rms_db(high) - 60


def test_high_pass_attenuates_its_cutoff_by_6_db():
    found = clean.high_pass(tone(200, 3.0), sr=SR, params=HighPass(cutoff_hz=200, order=4))
    assert line_db(found, 200) - line_db(tone(200, 3.0), 200) == pytest.approx(-6.02, abs=0.05)


# Hum


@pytest.mark.parametrize("sr", [8000, 16_000, 48_000])
def test_hum_and_its_harmonics_go_and_440_hz_stays(sr):
    y = tone(440, 4.0, sr, 0.3)
    hum = sum(tone(50 * k, 4.0, sr, 0.1 / k) for k in range(1, 6))
    found = clean.hum_notch(y + hum, sr=sr, params=HumNotch(harmonics=5))
    for k in range(1, 6):
        assert line_db(found, 50 * k, sr) < line_db(y + hum, 50 * k, sr) - 25
    middle = slice(sr, -sr)
    assert rms_db(found[middle] - y[middle]) < rms_db(y) - 25
    assert line_db(found, 440, sr) == pytest.approx(line_db(y, 440, sr), abs=0.05)


def test_only_the_asked_harmonics_are_notched():
    y = tone(150, 4.0)
    found = clean.hum_notch(y, sr=SR, params=HumNotch(harmonics=2))
    assert line_db(found, 150) == pytest.approx(line_db(y, 150), abs=0.1)


def test_harmonics_near_half_the_rate_are_left_out():
    report = clean.clean(
        voice(sr=8000), sr=8000, params=replace(OFF, hum_notch=HumNotch(True, 900.0, 9))
    )
    assert report.steps[0].detail.startswith("Notched 900 to 2700 Hz (3, each 2 Hz wide)")


# Log-spectral amplitude


@pytest.mark.parametrize("sr", [8000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("snr_db", [5, 10])
def test_lsa_improves_noisy_voice(sr, snr_db):
    y = speech(sr)
    bad = noisy(y, snr_db)
    found = clean.denoise_lsa(bad, sr=sr, strength_db=12)
    assert si_sdr(y, found) > si_sdr(y, bad) + 3


@pytest.mark.parametrize("sr", [8000, 16_000, 48_000])
def test_lsa_leaves_the_level_of_clean_speech(sr):
    y = speech(sr)
    found = clean.denoise_lsa(y, sr=sr, strength_db=12)
    assert abs(rms_db(found) - rms_db(y)) < 1


@pytest.mark.parametrize("strength_db", [6, 12, 24])
def test_lsa_takes_away_at_most_its_strength(strength_db):
    y = noisy(tone(440, 3.0, amplitude=1e-4), -20)
    change = rms_db(clean.denoise_lsa(y, sr=SR, strength_db=strength_db)) - rms_db(y)
    assert -strength_db - 0.01 < change < -0.6 * strength_db


def test_lsa_of_strength_0_returns_the_input():
    y = noisy(voice(), 10)
    found = clean.denoise_lsa(y, sr=SR, strength_db=0)
    assert np.array_equal(found, y) and not np.shares_memory(found, y)


def test_lsa_with_all_gains_near_one_reconstructs_the_signal():
    y = noisy(voice(), 10)
    assert np.abs(clean.denoise_lsa(y, sr=SR, strength_db=1e-5) - y).max() < 1e-5


def test_lsa_does_not_depend_on_gain():
    y = noisy(voice(), 10)
    one = clean.denoise_lsa(y, sr=SR, strength_db=12)
    half = clean.denoise_lsa(y / 2, sr=SR, strength_db=12)
    assert np.abs(half - one / 2).max() < 1e-5


def test_lsa_is_the_same_in_small_blocks(monkeypatch):
    y = noisy(voice(), 10)
    whole = clean.denoise_lsa(y, sr=SR, strength_db=12)
    monkeypatch.setattr("core.clean._lsa._BLOCK_SAMPLES", 512 * 3)
    assert np.abs(clean.denoise_lsa(y, sr=SR, strength_db=12) - whole).max() < 1e-6


def test_lsa_leaves_clean_speech_alone_and_a_greater_strength_reaches_fainter_noise():
    y = between_silences(speech())
    bad = noisy(y, 45)
    assert np.array_equal(clean.denoise_lsa(bad, sr=SR, strength_db=12), bad)
    assert rms_db(clean.denoise_lsa(bad, sr=SR, strength_db=30)[:4000]) < rms_db(bad[:4000]) - 6


def test_the_step_says_that_it_left_clean_speech_alone():
    bad = noisy(between_silences(speech()), 45)
    step = clean.clean(bad, sr=SR, params=replace(OFF, denoise=Denoise())).steps[0]
    assert step.detail.startswith("Left alone: the speech stands far above its noise; the level")


def test_lsa_takes_less_from_an_snr_of_30_db_than_of_15():
    y = between_silences(speech())
    taken = []
    for snr_db in (15, 30):
        bad = noisy(y, snr_db)
        done = clean.denoise_lsa(bad, sr=SR, strength_db=12)
        taken.append(rms_db(bad[1000:7000]) - rms_db(done[1000:7000]))
    assert taken[0] == pytest.approx(12, abs=2) and 1 < taken[1] < taken[0] - 2


@pytest.mark.parametrize("snr_db", [10, 20])
def test_lsa_changes_the_level_of_noisy_speech_by_less_than_1_db(snr_db):
    y = speech()
    found = clean.denoise_lsa(noisy(y, snr_db), sr=SR, strength_db=12)
    assert abs(20 * np.log10(found @ y / (y @ y))) < 1


# noisereduce


def reduce_noise(y: np.ndarray, sr: int, params: Denoise) -> np.ndarray:
    return noisereduce.reduce_noise(
        y,
        sr,
        stationary=False,
        prop_decrease=params.prop_decrease,
        time_constant_s=params.time_constant_s,
        freq_mask_smooth_hz=params.freq_mask_smooth_hz,
        time_mask_smooth_ms=params.time_mask_smooth_ms,
        thresh_n_mult_nonstationary=params.thresh_n_mult_nonstationary,
    )


def assert_equals_noisereduce(y: np.ndarray, sr: int, params: Denoise) -> None:
    found = clean.denoise_noisereduce(y, sr=sr, params=params)
    assert found.dtype == np.float32 and found.shape == y.shape
    assert np.abs(found - reduce_noise(y, sr, params)).max() <= 2e-6 * np.abs(y).max()


@pytest.mark.parametrize("sr", [8000, 16_000, 48_000, 192_000])
@pytest.mark.parametrize("n", [1, 300, 5000, 40_000])
def test_gate_equals_noisereduce(sr, n):
    assert_equals_noisereduce(noisy(voice(sr=sr, duration_s=6), 10)[:n], sr, ARTICLE)


@pytest.mark.parametrize(
    "changed",
    [
        {"prop_decrease": 0.3},
        {"time_constant_s": 0.1},
        {"time_constant_s": 60.0},
        {"freq_mask_smooth_hz": 31.25, "time_mask_smooth_ms": 16.0},  # no smoothing
        {"freq_mask_smooth_hz": 31.25},
        {"freq_mask_smooth_hz": 8000.0},
        {"time_mask_smooth_ms": 16.0},
        {"time_mask_smooth_ms": 2000.0},
        {"thresh_n_mult_nonstationary": 0.1},
        {"thresh_n_mult_nonstationary": 20.0},
    ],
)
def test_gate_equals_noisereduce_at_the_ends_of_its_settings(changed):
    assert_equals_noisereduce(noisy(voice(), 10), SR, replace(ARTICLE, **changed))


def test_gate_of_a_loud_start_under_a_wide_mask_equals_noisereduce():
    params = replace(ARTICLE, thresh_n_mult_nonstationary=0.1, time_mask_smooth_ms=800.0)
    assert_equals_noisereduce(np.cos(np.arange(8000)).astype(np.float32), SR, params)


def test_gate_with_a_long_memory_equals_noisereduce():
    y = noisy(tone(1000, 2.5, 192_000), 10)
    params = replace(ARTICLE, time_constant_s=60.0, thresh_n_mult_nonstationary=0.1)
    assert_equals_noisereduce(y, 192_000, params)


def test_gate_of_a_click_in_a_long_silence_equals_noisereduce():
    y = np.zeros(200_000, np.float32)
    y[100] = 1
    assert_equals_noisereduce(y, 8000, replace(ARTICLE, time_constant_s=0.1))


@pytest.mark.parametrize("n", [600_000, 600_001, 660_100, 1_230_000])
def test_gate_equals_noisereduce_in_its_chunks(n):
    y = noisy(np.resize(voice(duration_s=7.3), n), 10)
    params = replace(ARTICLE, time_constant_s=20.0, thresh_n_mult_nonstationary=0.5)
    assert_equals_noisereduce(y, SR, params)


def test_gate_of_a_tone_between_silences_equals_noisereduce():
    assert_equals_noisereduce(between_silences(tone(440, 0.5)), SR, ARTICLE)


def test_gate_gives_silence_where_noisereduce_gives_nan():
    y = np.zeros(4000, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert np.isnan(reduce_noise(y, SR, ARTICLE)).all()
    assert not clean.denoise_noisereduce(y, sr=SR, params=ARTICLE).any()


def test_gate_settings_that_cannot_work_are_refused():
    with pytest.raises(ParameterError, match="freq_mask_smooth_hz=10 Hz"):
        clean.denoise_noisereduce(voice(), sr=SR, params=replace(ARTICLE, freq_mask_smooth_hz=10.0))


# Trim


def assert_trims_as_librosa(y: np.ndarray, top_db: float) -> None:
    _, theirs = librosa.effects.trim(y, top_db=top_db)
    assert clean.trim_bounds(y, top_db=top_db) == tuple(theirs.tolist())


@given(
    levels=st.lists(st.floats(-90, 0), min_size=1, max_size=30),
    piece=st.integers(1, 1500),
    top_db=st.floats(1, 90),
    seed=st.integers(0, 9),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_trim_is_librosas(levels, piece, top_db, seed):
    gains = np.repeat(10 ** (np.array(levels) / 20), piece)
    y = (gains * np.random.default_rng(seed).standard_normal(gains.size)).astype(np.float32)
    assert_trims_as_librosa(y, top_db)


@given(levels=st.lists(st.sampled_from([0.0, 1e-5, 0.01, 0.1, 1.0]), min_size=1, max_size=12))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_trim_is_librosas_where_levels_are_at_the_limit(levels):
    assert_trims_as_librosa(np.repeat(np.float32(levels), 3000), 20.0)


def test_trim_of_a_frame_just_at_the_limit_is_librosas():
    y = np.repeat(np.float32([1.0, 0.5]), 6000)
    level = librosa.amplitude_to_db(librosa.feature.rms(y=y)[0], ref=np.max, top_db=None)
    assert_trims_as_librosa(y, -float(level[18]))
    assert clean.trim_bounds(y, top_db=-float(level[18]))[1] < 18 * 512


def test_trim_of_a_long_clip_is_librosas():
    y = between_silences(noisy(voice(duration_s=40), 30))
    assert_trims_as_librosa(y, 20.0)


def test_trim_keeps_a_voice_between_silences():
    start, end = clean.trim_bounds(between_silences(tone(300, 1.0)), top_db=20)
    assert SR / 2 - 2048 < start <= SR / 2 and 1.5 * SR <= end < 1.5 * SR + 2048


# The chain

CHAINS = pytest.mark.parametrize(
    "params",
    [
        OFF,
        replace(OFF, high_pass=HighPass(on=True)),
        replace(OFF, hum_notch=HumNotch(on=True)),
        replace(OFF, trim=Trim()),
        CleanParams(),
        ARTICLE_CLEAN,
        replace(ALL, gain=Gain(on=False)),
    ],
    ids=lambda p: p.digest,
)


@CHAINS
def test_output_and_removed_make_the_input(params):
    y = noisy(between_silences(voice()), 30) + tone(50, 2.0, amplitude=0.02)
    done = clean.clean(y, sr=SR, params=params)
    assert done.y.shape == (done.end - done.start,) and done.removed.shape == y.shape
    again = done.removed.copy()
    again[done.start : done.end] += done.y
    assert np.abs(again - y).max() < 1e-6
    assert np.array_equal(done.removed[: done.start], y[: done.start])
    assert np.array_equal(done.removed[done.end :], y[done.end :])


def test_gain_is_in_db_and_removes_nothing():
    y = voice()
    done = clean.clean(y, sr=SR, params=replace(OFF, gain=Gain(on=True, gain_db=6.0)))
    assert rms_db(done.y) - rms_db(y) == pytest.approx(6, abs=1e-4)
    assert not done.removed.any()


def test_all_steps_off_changes_nothing():
    y = voice()
    done = clean.clean(y, sr=SR, params=OFF)
    assert np.array_equal(done.y, y) and not done.removed.any()
    assert (done.start, done.end, done.steps, done.sr) == (0, y.size, (), SR)


def test_the_chain_is_its_steps_in_order():
    y = noisy(between_silences(voice()), 30)
    z = clean.high_pass(y, sr=SR, params=ALL.high_pass)
    z = clean.hum_notch(z, sr=SR, params=ALL.hum_notch)
    z = clean.denoise_lsa(z, sr=SR, strength_db=12)
    start, end = clean.trim_bounds(z, top_db=20)
    done = clean.clean(y, sr=SR, params=ALL)
    assert (done.start, done.end) == (start, end) and 0 < start < end < y.size
    np.testing.assert_allclose(done.y, z[start:end] * 10 ** (-3 / 20), atol=1e-6)
    names = ["high_pass", "hum_notch", "denoise", "trim", "gain"]
    assert [step.name for step in done.steps] == names


def test_each_step_says_what_it_did():
    y = noisy(between_silences(voice()), 30)
    details = {step.name: step.detail for step in clean.clean(y, sr=SR, params=ALL).steps}
    assert details["high_pass"].startswith("Removed what is below 80 Hz; the level changed by")
    assert details["hum_notch"].startswith("Notched 50 to 250 Hz (5, each 2 Hz wide); the level")
    assert details["denoise"].startswith("Log-spectral amplitude, at most 12 dB; the level")
    assert details["gain"].startswith("Changed the level by -3 dB; the peak is -9.")
    done = clean.clean(y, sr=SR, params=replace(OFF, trim=Trim()))
    cut = (done.start / SR, (y.size - done.end) / SR)
    assert done.steps[0].detail == f"Cut {cut[0]:.2f} s at the start and {cut[1]:.2f} s at the end."
    whole = clean.clean(tone(300), sr=SR, params=replace(OFF, trim=Trim()))
    assert whole.steps[0].detail.startswith("Nothing to cut")
    loud = clean.clean(tone(300), sr=SR, params=replace(OFF, gain=Gain(on=True, gain_db=12)))
    assert "the peak is 6.0 dBFS" in loud.steps[0].detail and "clip" in loud.steps[0].detail


@pytest.mark.parametrize("denoise", [Denoise(), ARTICLE], ids=lambda d: d.method)
@pytest.mark.parametrize("sr", [8000, 22_050, 192_000])
@pytest.mark.parametrize("n", [1, 2, 13, 500, 3000])
def test_the_whole_chain_works_at_any_length_and_rate(denoise, sr, n):
    y = noisy(voice(sr=sr), 20)[:n]
    done = clean.clean(y, sr=sr, params=replace(ALL, denoise=denoise))
    assert done.y.dtype == done.removed.dtype == np.float32
    assert np.isfinite(done.y).all() and np.isfinite(done.removed).all()


@pytest.mark.parametrize("denoise", [Denoise(), ARTICLE], ids=lambda d: d.method)
@pytest.mark.parametrize("n", [1, 20_000])
def test_silence_stays_silence(denoise, n):
    done = clean.clean(np.zeros(n, np.float32), sr=SR, params=replace(ALL, denoise=denoise))
    assert done.y.size == n and not done.y.any() and not done.removed.any()
    assert done.steps[0].detail == "Removed what is below 80 Hz; the signal is silent."


@pytest.mark.parametrize("amplitude", [1e-38, 1e-23, 1e-12, 4.0])
def test_faint_and_clipped_signals_stay_finite(amplitude):
    for denoise in (Denoise(), ARTICLE):
        y = (voice() * amplitude).astype(np.float32)
        done = clean.clean(y, sr=SR, params=replace(ALL, denoise=denoise))
        assert np.isfinite(done.y).all() and np.abs(done.y).max() <= np.abs(y).max() * 1.5


def test_read_only_input_is_left_alone():
    y = noisy(between_silences(voice()), 30)
    kept = y.copy()
    y.flags.writeable = False
    for params in (ALL, ARTICLE_CLEAN, OFF):
        done = clean.clean(y, sr=SR, params=params)
        assert np.array_equal(y, kept)
        assert done.y.flags.writeable and done.removed.flags.writeable


def test_two_channels_are_refused():
    with pytest.raises(ParameterError, match=r"one channel, got shape \(2, 100\): mix down"):
        clean.clean(np.zeros((2, 100), np.float32), sr=SR)


def test_an_empty_signal_is_refused():
    with pytest.raises(AudioTooShortError, match="at least one sample"):
        clean.clean(np.zeros(0, np.float32), sr=SR)


def test_settings_that_cannot_work_are_refused_before_any_step():
    with pytest.raises(ParameterError, match="top_db=0 dB"):
        clean.clean(voice(), sr=SR, params=CleanParams(trim=Trim(top_db=0)))


def test_warm_compiles_both_denoisers():
    from core import _kernels_clean

    clean.warm()
    for kernel in (_kernels_clean.lsa_gain, _kernels_clean.smooth_mask):
        assert len(kernel.signatures) == 1

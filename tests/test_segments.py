import math

from hypothesis import example, given, settings
from hypothesis import strategies as st
import librosa
import numpy as np
import pytest

from conftest import SR, tone, voice
from core import segments
from core.errors import AudioTooShortError, ParameterError
from core.pitch import F0Track, f0_track

BURSTS = [(0.5, 0.9), (1.4, 2.0), (2.3, 2.6)]


def noise(duration_s: float, level_dbfs: float, sr: int = SR, seed: int = 0) -> np.ndarray:
    y = np.random.default_rng(seed).standard_normal(round(duration_s * sr))
    return (10 ** (level_dbfs / 20) * y).astype(np.float32)


def bursts(sr: int = SR, noise_dbfs: float = -60.0, duration_s: float = 3.2) -> np.ndarray:
    """A voice that sounds between the times of BURSTS, over noise."""
    y = noise(duration_s, noise_dbfs, sr)
    for start, end in BURSTS:
        steady = sum(tone(130 * k, end - start, sr, 0.2 / k) for k in range(1, 12))
        y[round(start * sr) :][: steady.size] += steady
    return y


def syllables(rate: float, count: int, f0: float = 120.0) -> np.ndarray:
    """``count`` vowels a second apart by 1/rate, each a raised cosine, over faint noise."""
    t = np.arange(round(count / rate * SR)) / SR
    y = sum(np.sin(2 * np.pi * f0 * k * t) / k for k in range(1, 25))
    y = 0.2 * y * (0.505 - 0.495 * np.cos(2 * np.pi * rate * t))
    quiet = np.zeros(SR // 2)
    return (np.concatenate([quiet, y, quiet]) + noise(t.size / SR + 1, -75)).astype(np.float32)


def phrases(seed: int, duration_s: float) -> np.ndarray:
    """Something like speech: voiced and noisy stretches of random lengths, levels and f0."""
    rng = np.random.default_rng(seed)
    y = noise(duration_s, rng.uniform(-90, -40), seed=seed)
    at = 0.0
    while at < duration_s:
        length = rng.uniform(0.05, 0.4)
        part = voice(rng.uniform(80, 300), length, seed=seed) * rng.uniform(0.05, 1)
        if rng.random() < 0.3:
            part = rng.standard_normal(part.size).astype(np.float32) * rng.uniform(0.001, 0.1)
        first = round(at * SR)
        y[first : first + part.size] += part[: y.size - first]
        at += length + rng.uniform(0, 0.3)
    return y


# --- onsets and tempo


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), duration_s=st.floats(0.2, 4.0))
def test_onsets_and_tempo_are_librosas(seed, duration_s):
    y = phrases(seed, duration_s)
    expected = librosa.onset.onset_detect(y=y, sr=SR, hop_length=128, backtrack=False, units="time")
    np.testing.assert_array_equal(segments.onset_times(y, sr=SR), expected)
    assert segments.tempo(y, sr=SR) == librosa.feature.tempo(y=y, sr=SR, start_bpm=10)[0]


@pytest.mark.parametrize("sr", [8000, 22_050, 44_100])
def test_onsets_and_tempo_are_librosas_at_other_rates(sr):
    y = np.tile(voice(110, 1.3, sr), 2)
    expected = librosa.onset.onset_detect(y=y, sr=sr, hop_length=256, backtrack=False, units="time")
    np.testing.assert_array_equal(segments.onset_times(y, sr=sr, hop_length=256), expected)
    for start_bpm in (10, 120):
        expected = librosa.feature.tempo(y=y, sr=sr, start_bpm=start_bpm)[0]
        assert segments.tempo(y, sr=sr, start_bpm=start_bpm) == expected


@pytest.mark.parametrize("path", sorted(f"c4_sample-{i}.mp3" for i in range(1, 5)))
def test_onsets_and_tempo_of_recordings_are_librosas(path, shared):
    y, sr = librosa.load(shared / "article" / path, sr=SR)
    expected = librosa.onset.onset_detect(y=y, sr=sr, hop_length=128, backtrack=False, units="time")
    np.testing.assert_array_equal(segments.onset_times(y, sr=sr), expected)
    assert segments.tempo(y, sr=sr) == librosa.feature.tempo(y=y, sr=sr, start_bpm=10)[0]


def test_onsets_are_where_the_bursts_begin():
    found = segments.onset_times(bursts(), sr=SR)
    for start, _ in BURSTS:  # where they end abruptly there are onsets, too
        assert np.abs(found - start).min() < 0.02


def test_from_a_mel_spectrogram_the_same_comes_out():
    y = phrases(3, 2.0)
    _, S_mel = segments.stft_mel(y, sr=SR, hop_length=128)
    found = segments.onset_times_from_mel(S_mel, sr=SR, hop_length=128, n_fft=2048)
    np.testing.assert_array_equal(found, segments.onset_times(y, sr=SR))
    found = segments.tempo_from_mel(S_mel[:, ::4], sr=SR, hop_length=512)
    assert found == segments.tempo(y, sr=SR)


@pytest.mark.parametrize("n", [1, 100, 2047, 2048, 4097, 20_000])
def test_stft_and_mel_are_librosas(n):
    y = noise(2.0, -20)[:n]
    S, S_mel = segments.stft_mel(y, sr=SR, hop_length=128, every=4)
    expected = np.abs(librosa.stft(y, hop_length=512)) ** 2
    np.testing.assert_allclose(S, expected, rtol=1e-3, atol=1e-6 * expected.max())
    expected = librosa.feature.melspectrogram(y=y, sr=SR, hop_length=128)
    np.testing.assert_allclose(S_mel, expected, rtol=1e-4, atol=1e-7 * expected.max())


@pytest.mark.parametrize("n", [1, 127, 128, 1000, SR])
def test_silence_has_no_onsets_and_no_tempo(n):
    y = np.zeros(n, dtype=np.float32)
    assert segments.onset_times(y, sr=SR).size == 0
    assert math.isnan(segments.tempo(y, sr=SR))


@pytest.mark.parametrize("gain", [0.1, 0.5])
def test_onsets_do_not_depend_on_gain(gain):
    y = bursts()
    np.testing.assert_array_equal(
        segments.onset_times((gain * y).astype(np.float32), sr=SR), segments.onset_times(y, sr=SR)
    )


def test_a_start_tempo_of_zero_is_refused():
    with pytest.raises(ParameterError, match="start_bpm=0 must be above 0"):
        segments.tempo(bursts(), sr=SR, start_bpm=0)


# --- speech and pauses


@pytest.mark.parametrize("sr", [8000, 16_000, 44_100])
def test_segments_are_where_the_bursts_are(sr):
    found = segments.speech_segments(bursts(sr), sr=sr).segments
    assert found.shape == (3, 2)
    assert np.abs(found - BURSTS).max() < 0.03


def test_pauses_are_between_the_bursts():
    activity = segments.speech_segments(bursts(), sr=SR)
    found = segments.pauses(activity, 3.2)
    assert np.abs(found - [(0.9, 1.4), (2.0, 2.3)]).max() < 0.02
    assert len(segments.pauses(activity, 1.0)) == 0  # only the first burst begins by then


def test_a_short_gap_is_no_pause():
    y = bursts()
    y[round(1.6 * SR) : round(1.68 * SR)] = noise(0.08, -60, seed=1)  # as in a plosive
    activity = segments.speech_segments(y, sr=SR)
    assert len(activity.segments) == 3
    assert len(segments.pauses(activity, 3.2)) == 2


def test_a_click_is_no_segment():
    y = bursts()
    y[round(1.1 * SR) : round(1.1 * SR) + 16] += 0.5
    assert len(segments.speech_segments(y, sr=SR).segments) == 3


def test_speech_share_is_that_of_the_bursts():
    share = segments.speech_segments(bursts(), sr=SR).speech_share
    assert share == pytest.approx(sum(end - start for start, end in BURSTS) / 3.2, abs=0.02)


@pytest.mark.parametrize("snr_db", [5, 10, 20, 30])
def test_snr_of_a_mix_is_found(snr_db):
    clean = bursts(noise_dbfs=-200)
    inside = np.concatenate([clean[round(a * SR) : round(b * SR)] for a, b in BURSTS])
    noise_dbfs = 10 * math.log10(np.square(inside).mean()) - snr_db
    activity = segments.speech_segments(clean + noise(3.2, noise_dbfs, seed=2), sr=SR)
    assert activity.snr_db == pytest.approx(snr_db, abs=1.0)
    # The band looked at leaves 0.2 dB of white noise out.
    assert activity.noise_floor_dbfs == pytest.approx(noise_dbfs, abs=1.0)


@pytest.mark.parametrize("gain", [0.1, 0.5])
def test_speech_does_not_depend_on_gain(gain):
    y = bursts()
    whole, part = (segments.speech_segments(x, sr=SR) for x in (y, (gain * y).astype(np.float32)))
    np.testing.assert_array_equal(whole.segments, part.segments)
    assert part.snr_db == pytest.approx(whole.snr_db, abs=1e-3)
    expected = whole.noise_floor_dbfs + 20 * math.log10(gain)
    assert part.noise_floor_dbfs == pytest.approx(expected, abs=1e-3)


def test_speech_shifted_by_100_ms_is_found_100_ms_later():
    y = bursts()
    late = np.concatenate([noise(0.1, -60, seed=3), y])
    found = segments.speech_segments(late, sr=SR).segments
    np.testing.assert_allclose(found, segments.speech_segments(y, sr=SR).segments + 0.1, atol=1e-9)


def test_an_offset_is_not_speech():
    y = bursts()
    found = segments.speech_segments(y + np.float32(0.2), sr=SR).segments
    assert np.abs(found - BURSTS).max() < 0.02


def test_noise_alone_is_not_speech():
    activity = segments.speech_segments(noise(2.0, -40), sr=SR)
    assert activity.segments.shape == (0, 2)
    assert activity.speech_share == 0
    assert activity.noise_floor_dbfs == pytest.approx(-40, abs=0.5)
    assert math.isnan(activity.snr_db)


def test_between_digital_silence_all_that_sounds_is_speech():
    y = np.zeros(2 * SR, dtype=np.float32)
    y[SR // 2 : SR] = tone(200, 0.5)
    activity = segments.speech_segments(y, sr=SR)
    assert np.abs(activity.segments - [(0.5, 1.0)]).max() < 0.03
    assert math.isnan(activity.snr_db)
    assert math.isnan(activity.noise_floor_dbfs)


@pytest.mark.parametrize("n", [1, 159, 400, SR])
def test_silence_gives_nan(n):
    activity = segments.speech_segments(np.zeros(n, dtype=np.float32), sr=SR)
    assert activity.segments.shape == (0, 2)
    assert np.isnan(activity[1:]).all()
    assert segments.pauses(activity, n / SR).shape == (0, 2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), duration_s=st.floats(0.01, 2.0))
@example(seed=0, duration_s=0.1171875)  # fewer frames than the window that looks around them
def test_segments_are_ordered_apart_and_inside(seed, duration_s):
    y = phrases(seed, duration_s)
    found = segments.speech_segments(y, sr=SR)
    flat = found.segments.ravel()
    assert (np.diff(flat) > 0).all()
    assert not flat.size or (flat[0] >= 0 and flat[-1] <= y.size / SR)
    gaps = found.segments[1:, 0] - found.segments[:-1, 1]
    assert len(segments.pauses(found, duration_s)) == len(gaps)
    assert math.isnan(found.speech_share) or 0 <= found.speech_share <= 1


# --- syllables


@pytest.mark.parametrize("rate", [2, 3, 4, 5, 6])
def test_syllables_at_a_known_rate_are_counted(rate):
    y = syllables(rate, 8)
    found = segments.syllable_nuclei(y, sr=SR, track=f0_track(y, sr=SR))
    assert len(found) == 8
    middles = 0.5 + (np.arange(8) + 0.5) / rate
    assert np.abs(found - middles).max() < 0.03


def test_unvoiced_peaks_are_no_syllables():
    y = syllables(4, 6)
    track = f0_track(y, sr=SR)
    silent = F0Track(track.times, track.f0, np.zeros_like(track.voiced_flag), track.voiced_prob)
    assert segments.syllable_nuclei(y, sr=SR, track=silent).size == 0
    half = track.voiced_flag & (track.times < 0.5 + 3 / 4)
    assert len(segments.syllable_nuclei(y, sr=SR, track=track._replace(voiced_flag=half))) == 3


@pytest.mark.parametrize(("depth_db", "count"), [(1.0, 1), (6.0, 8)])
def test_dips_below_2_db_do_not_part_syllables(depth_db, count):
    t = np.arange(2 * SR) / SR
    y = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 25))
    y = 0.1 * y * 10 ** (-depth_db * (0.5 + 0.5 * np.cos(2 * np.pi * 4 * t)) / 20)
    y = np.concatenate([np.zeros(SR // 4), y, np.zeros(SR // 4)]).astype(np.float32)
    assert len(segments.syllable_nuclei(y, sr=SR, track=f0_track(y, sr=SR))) == count


def test_peaks_25_db_below_the_loudest_are_no_syllables():
    loud, faint = syllables(4, 4), syllables(4, 4)
    y = np.concatenate([loud, (10 ** (-35 / 20) * faint).astype(np.float32)])
    track = f0_track(y, sr=SR)
    sure = track._replace(voiced_flag=np.ones_like(track.voiced_flag))
    assert len(segments.syllable_nuclei(y, sr=SR, track=sure)) == 4


@pytest.mark.parametrize("n", [1, 100, SR])
def test_silence_has_no_syllables(n):
    track = F0Track(np.zeros(1), np.full(1, np.nan), np.ones(1, dtype=bool), np.zeros(1))
    y = np.zeros(n, dtype=np.float32)
    assert segments.syllable_nuclei(y, sr=SR, track=track).size == 0


# --- refusals and laziness


@pytest.mark.parametrize("call", [segments.onset_times, segments.tempo, segments.speech_segments])
def test_empty_and_stereo_signals_are_refused(call):
    with pytest.raises(AudioTooShortError, match="The signal is empty"):
        call(np.zeros(0, dtype=np.float32), sr=SR)
    with pytest.raises(ParameterError, match=r"one channel, got shape \(2, 100\)"):
        call(np.zeros((2, 100), dtype=np.float32), sr=SR)


def test_speech_at_a_very_low_rate_is_refused():
    with pytest.raises(ParameterError, match="sr=2000 Hz is too low for speech"):
        segments.speech_segments(noise(1, -20), sr=2000)


def test_the_signal_is_left_as_it_was():
    y = bursts()
    before = y.copy()
    segments.onset_times(y, sr=SR)
    segments.tempo(y, sr=SR)
    segments.speech_segments(y, sr=SR)
    np.testing.assert_array_equal(y, before)

"""Rebuilt and broken sounds, and the tour's numbers, on signals whose answer is known."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from conftest import SR, tone, voice
from core import spectra
from core.errors import AudioTooShortError, ParameterError
from core.figures import learn as figures
from core.learn import breaking, demo_set, guess, ideas, rebuild
from core.learn.breaking import Harm
from core.learn.steps import STEPS
from core.pitch import f0_track


@pytest.fixture(scope="module")
def found():
    return demo_set.measure()


def rms(y):
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


def f0_of(y):
    return float(np.nanmedian(f0_track(y, sr=SR).f0))


def in_tune(y, f0):
    return y.size and abs(12 * np.log2(f0_of(y) / f0)) < 0.5


def level_db(y):
    S = spectra.stft_power(y, sr=SR, params=rebuild.PARAMS)
    return spectra.power_to_db(S, ref=np.max, top_db=60.0)


# Rebuilding


@pytest.mark.parametrize("kind", list(rebuild.KINDS))
def test_a_rebuilt_sound_has_the_length_and_level_of_the_recording(kind):
    y = voice(150, 1.3)
    z = rebuild.KINDS[kind].make(y, sr=SR)
    assert z.shape == y.shape
    assert z.dtype == np.float32
    assert rms(z) == pytest.approx(rms(y), rel=0.02)
    assert np.abs(z).max() <= 0.99


@pytest.mark.parametrize("kind", list(rebuild.KINDS))
def test_rebuilding_twice_gives_the_same_sound(kind):
    y = voice(150, 0.6)
    make = rebuild.KINDS[kind].make
    assert np.array_equal(make(y, sr=SR), make(y, sr=SR))


def test_without_phase_the_picture_and_the_pitch_stay():
    y = voice(140, 1.5)
    z = rebuild.from_stft(y, sr=SR)
    assert np.sqrt(np.mean((level_db(z) - level_db(y)) ** 2)) < 4
    assert in_tune(z, 140)


def test_twenty_mel_bands_keep_the_level_of_each_band():
    y = voice(140, 1.5)
    weights = spectra.mel_filters(sr=SR, n_fft=rebuild.PARAMS.n_fft, n_mels=20)
    bands = [
        10 * np.log10((weights @ spectra.stft_power(s, sr=SR, params=rebuild.PARAMS)).mean(axis=1))
        for s in (y, rebuild.from_mel(y, sr=SR))
    ]
    assert np.abs(bands[0] - bands[1])[:10].max() < 6


def test_mfcc_lose_the_pitch_of_a_voice():
    """Harmonics are told apart in the recording, and hardly in what 13 coefficients keep."""
    y = voice(200, 1.5)
    ripple = []
    for s in (y, rebuild.from_mfcc(y, sr=SR)):
        mean = spectra.stft_power(s, sr=SR, params=rebuild.PARAMS).mean(axis=1)
        freqs = spectra.fft_freqs(sr=SR, n_fft=rebuild.PARAMS.n_fft)
        on, off = (np.interp(200 * np.arange(2, 10) + d, freqs, mean) for d in (0, 100))
        ripple.append(10 * np.log10((on / off).mean()))
    assert ripple[0] > 20
    assert ripple[1] < 8


@pytest.mark.parametrize("pulse", [False, True])
@pytest.mark.parametrize("f0", [90, 140, 250])
def test_f0_alone_keeps_the_melody(f0, pulse):
    assert in_tune(rebuild.from_f0(voice(f0, 1.2), sr=SR, pulse=pulse), f0)


def test_a_sound_from_f0_is_silent_where_nothing_is_voiced():
    noise = 0.1 * np.random.default_rng(0).standard_normal(SR).astype(np.float32)
    y = np.concatenate([noise, voice(150, 1.0)])
    z = rebuild.from_f0(y, sr=SR)
    assert rms(z[: SR - 1600]) < 0.1 * rms(z[SR:])
    assert not rebuild.from_f0(np.zeros(SR, np.float32), sr=SR).any()


def test_all_coefficients_give_the_mel_spectrum_back():
    S_mel = np.random.default_rng(0).random((40, 5)).astype(np.float32) + 0.1
    assert np.allclose(rebuild.smooth_mel(S_mel, n_mfcc=40), S_mel, rtol=1e-3)
    flat = rebuild.smooth_mel(S_mel, n_mfcc=1)
    assert np.allclose(flat, flat[:1], rtol=1e-4)


@pytest.mark.parametrize("kind", list(rebuild.KINDS))
def test_a_sound_too_short_to_rebuild_is_refused(kind):
    with pytest.raises(AudioTooShortError, match="longer recording"):
        rebuild.KINDS[kind].make(np.zeros(100, np.float32), sr=SR)


def test_griffin_lim_refuses_a_picture_of_other_settings():
    with pytest.raises(ParameterError, match="n_fft=1024 gives 513"):
        rebuild.griffin_lim(np.ones((257, 4), np.float32), n_samples=1000)


# Breaking


def test_no_harm_changes_nothing():
    y = voice(150)
    assert np.array_equal(breaking.break_it(y, sr=SR, harm=Harm()), y)


@given(
    snr_db=st.sampled_from([-10.0, 0.0, 20.0, 60.0]),
    reverb_s=st.sampled_from([0.0, 0.3, 2.0]),
    clip_db=st.sampled_from([0.0, 12.0, 30.0]),
    narrow=st.booleans(),
    mp3_kbps=st.sampled_from([0, 8, 64]),
    seconds=st.sampled_from([0.01, 0.4]),
)
def test_a_broken_sound_keeps_its_length_and_full_scale(
    snr_db, reverb_s, clip_db, narrow, mp3_kbps, seconds
):
    dose = Harm(snr_db, reverb_s, clip_db, narrow, mp3_kbps)
    y = tone(200, seconds)
    z = breaking.break_it(y, sr=SR, harm=dose)
    assert z.shape == y.shape
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= 1
    assert np.array_equal(z, breaking.break_it(y, sr=SR, harm=dose))


@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 30.0])
def test_noise_has_the_level_asked_for(snr_db):
    y = tone(200, 2.0)
    added = breaking.noisy(y, snr_db=snr_db) - y
    assert 20 * np.log10(rms(y) / rms(added)) == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize("decay_s", [0.3, 1.0])
def test_an_echo_dies_away_by_sixty_decibels_in_its_time(decay_s):
    y = np.zeros(round(2 * decay_s * SR), np.float32)
    y[0] = 1.0
    z = breaking.reverb(y, sr=SR, decay_s=decay_s)
    power = np.square(z, dtype=np.float64)
    at = [round(k * decay_s * SR) for k in (0.1, 0.2, 0.7, 0.8)]
    early, late = power[at[0] : at[1]].mean(), power[at[2] : at[3]].mean()
    assert 10 * np.log10(early / late) == pytest.approx(36, abs=2)


def test_overload_cuts_the_tops_off_and_no_more():
    y = tone(200, 1.0, amplitude=0.3)
    assert np.abs(breaking.overdriven(y, clip_db=6.0)).max() == 1
    share = np.mean(np.abs(breaking.overdriven(y, clip_db=6.0206)) >= 1)
    assert share == pytest.approx(2 / 3, abs=0.02)  # a sine is above half of its peak


def test_eight_kilohertz_leaves_nothing_above_four():
    y = tone(1000) + tone(6000)
    S = spectra.spectrum(breaking.narrowed(y, sr=SR), sr=SR)
    assert S.magnitude[S.freqs > 4200].max() < 0.01 * S.magnitude.max()
    assert S.freqs[S.magnitude.argmax()] == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("kbps", [16, 64])
def test_mp3_keeps_its_place_in_time(kbps):
    y = 0.1 * np.random.default_rng(0).standard_normal(SR).astype(np.float32)
    z = breaking.mp3(y, sr=SR, kbps=kbps)
    shifts = range(-1200, 1200)
    fits = [np.dot(y[2000:12000], z[2000 + d : 12000 + d]) for d in shifts]
    assert abs(shifts[int(np.argmax(fits))]) <= 1


def test_fewer_bits_are_farther_from_the_recording():
    y = voice(150, 1.0)
    off = [rms(breaking.mp3(y, sr=SR, kbps=k) - y) for k in (8, 64)]
    assert off[0] > 3 * off[1]


@pytest.mark.parametrize(
    "dose", [Harm(snr_db=99), Harm(reverb_s=-1), Harm(clip_db=50), Harm(mp3_kbps=17)]
)
def test_a_dose_that_cannot_be_given_is_refused(dose):
    with pytest.raises(ParameterError, match="choose"):
        breaking.break_it(voice(), sr=SR, harm=dose)


def test_nothing_cannot_be_broken():
    with pytest.raises(AudioTooShortError):
        breaking.break_it(np.zeros(0, np.float32), sr=SR, harm=Harm())


# The tour


def test_every_step_explains_every_answer():
    assert len({s.key for s in STEPS}) == len(STEPS)
    for step in STEPS:
        assert len(step.options) == len(step.because) == len(set(step.options))
        assert 0 <= step.right < len(step.options)
        assert len(step.idea.split()) <= 45


def test_the_right_answers_are_not_all_in_one_place():
    assert len({s.right for s in STEPS}) > 1


def test_the_demo_set_is_measured_clip_by_clip(found):
    n = found.names.size
    assert n == 194
    assert found.mel_strength.shape == (n, 128)
    assert all(v.shape == (n,) for v in (*found.values.values(), *found.tempo.values()))
    assert np.isfinite(found.words).all()
    assert set(found.gender) == {"female", "male", ""}


def test_the_tour_says_what_the_demo_set_shows(found):
    """Sentences of the steps that would be wrong if the data changed."""
    assert 1.6 < np.mean(found.onsets / found.words) < 2.4  # about twice as many onsets
    short = np.corrcoef(found.tempo[10], found.values["duration_s"])[0, 1]
    assert short < -0.5
    assert abs(np.corrcoef(found.tempo[120], found.values["duration_s"])[0, 1]) < 0.3
    assert 25 < np.median(found.tempo[10]) < 35
    assert 150 < np.median(60 * found.words / found.values["duration_s"]) < 175
    assert 200 < np.median(60 * found.values["syllable_rate_hz"]) < 240
    means = ideas.mean_mels(found, by_speaker=True)
    at = spectra.mel_freqs(128, sr=SR)[np.argmax(means["male"] - means["female"])]
    assert at < 150
    coin = ideas.leaks(found)[-1]
    assert coin.by_clip > 0.75
    assert coin.by_speaker < 0.6
    assert 1.4 < spectra.hz_to_mel(300) - spectra.hz_to_mel(200) < 1.6
    assert 0.2 < spectra.hz_to_mel(5100) - spectra.hz_to_mel(5000) < 0.35


def test_balance_counts_clips_and_speakers(found):
    few = replace(
        found,
        speaker=np.array(["a", "a", "a", "b", "c"]),
        gender=np.array(["male", "male", "male", "female", ""]),
    )
    clips = ideas.balance(few, "gender", by_speaker=False)
    assert dict(zip(clips.groups, clips.counts, strict=True)) == {
        "female": 1,
        "male": 3,
        "no label": 1,
    }
    assert clips.share == 0.75
    assert ideas.balance(few, "gender", by_speaker=True).share == 0.5


def test_a_mean_by_speaker_does_not_count_clips(found):
    few = replace(
        found,
        speaker=np.array(["a", "a", "a", "b", "c"]),
        gender=np.array(["male", "male", "male", "male", "female"]),
        mel_strength=np.array([[0.0], [0.0], [0.0], [10.0], [7.0]]),
    )
    assert ideas.mean_mels(few, by_speaker=True)["male"] == 5
    assert ideas.mean_mels(few, by_speaker=False)["male"] == 2.5


def test_z_keeps_what_lies_within_its_limits():
    values = np.array([0.0] * 10 + [np.nan] + [1.0] * 10 + [30.0])
    cut = ideas.z_cut(values, limit=3.0)
    assert cut.values.size == 21
    assert cut.kept.tolist() == [True] * 20 + [False]
    assert cut.low < 0 < 1 < cut.high < 30
    assert ideas.z_cut(np.ones(5), limit=1.0).kept.all()


def test_a_pair_leaves_missing_values_out(found):
    x = np.where(np.arange(found.names.size) % 7 == 0, np.nan, np.arange(found.names.size))
    few = replace(found, values={"duration_s": x, "hnr_db": -2 * x})
    assert ideas.pair(few, "duration_s", "hnr_db").r == pytest.approx(-1)
    constant = replace(found, values={"duration_s": x, "hnr_db": np.ones(x.size)})
    assert np.isnan(ideas.pair(constant, "duration_s", "hnr_db").r)


def test_the_loudest_and_the_voiced_moment_are_found():
    y = np.concatenate([np.zeros(SR, np.float32), voice(150, 0.5), np.zeros(SR, np.float32)])
    assert 0.95 < ideas.loudest(y, sr=SR, length_s=0.1) < 1.5
    assert 1.0 < ideas.voiced_moment(y, sr=SR) < 1.5
    assert ideas.voiced_moment(np.zeros(SR, np.float32), sr=SR) == 0


def test_the_range_of_f0_decides_about_the_mean(found):
    """The clip of the f0 step: noise passes for a voice once the range lets it."""
    from core import audio, datasets

    table = datasets.demo().catalogue()
    path = table[table["clip_id"].str.endswith("/demo_s02_02")]["path"].iloc[0]
    y, _ = audio.load(audio.ClipRef.of(path), SR)
    mean, median = {}, {}
    for name, (fmin, fmax) in ideas.F0_RANGES.items():
        f0 = ideas.f0_in(y, sr=SR, fmin=fmin, fmax=fmax).f0
        mean[name], median[name] = np.nanmean(f0), np.nanmedian(f0)
    narrow, _, wide = ideas.F0_RANGES
    assert mean[wide] > 3 * mean[narrow]
    assert median[wide] < 1.2 * median[narrow]


# Guessing


def test_the_truth_of_every_clip_is_among_the_answers():
    clips = guess.clips()
    assert len(clips) > 50
    assert [c.name for c in clips] == [c.name for c in guess.clips()]
    for truth in clips:
        for question in guess.questions(truth):
            right = [o for o in question.options if guess.is_right(truth, question, o)]
            assert len(right) == 1, (truth.name, question)


def test_half_of_the_clips_or_more_have_a_fault():
    faults = [c.fault for c in guess.clips()]
    assert faults.count("nothing wrong") <= len(faults) / 2
    assert set(faults) == set(guess.FAULTS.values())


def test_the_true_count_of_words_has_no_fixed_place():
    places = {guess.questions(c)[2].options.index(str(c.words)) for c in guess.clips()}
    assert places == {0, 1, 2}


# Figures


def test_figures_show_what_they_are_given():
    axes = {"x": {"title": {"text": "a (s)"}}, "y": {"title": {"text": "b (dB)"}}}
    line = figures.lines({"one": (np.arange(3), np.arange(3))}, **axes)
    assert list(line.data[0].y) == [0, 1, 2]
    dots = figures.points({"g": (np.ones(2), np.ones(2))}, agree=3.0, **axes)
    assert list(dots.data[1].x) == [0, 3]
    bars = figures.bars(("p", "q"), {"n": np.array([1, 2])}, level=(0.5, 0.5), **axes)
    assert list(bars.data[0].y) == [1, 2]
    values = np.array([0.0, 1, 2, 9])
    cut = figures.histogram(values, low=-1, high=5, x=axes["x"])
    assert [sum(d.y) for d in cut.data] == [3, 1]
    assert [s.x0 for s in cut.layout.shapes] == [-1, 5]
    large = figures.large(line, 321)
    assert large.layout.height == 321
    for fig in (line, dots, bars, cut):
        assert fig.layout.xaxis.title.text
        assert fig.layout.yaxis.title.text

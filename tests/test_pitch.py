"""f0 on signals whose f0 is known, and pYIN against librosa's own."""

from dataclasses import replace
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from synthetic_voice import OVERSAMPLED_SR, STYLES, synthetic_voice, vowel

from conftest import ROOT, SR, tone, voice
from core import pitch
from core.errors import AudioTooShortError, MissingPackageError, ParameterError
from core.params import F0Params

SPEECH = {"fmin": 65.0, "fmax": 500.0, "frame_length": 1024}


def cents(f0: np.ndarray, truth: np.ndarray | float) -> np.ndarray:
    """How far off, where voiced."""
    off = 1200 * np.log2(f0 / truth)
    return np.abs(off[~np.isnan(off)])


def noise(duration_s: float = 1.0, sr: int = SR, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(int(sr * duration_s))).astype("f4")


@pytest.mark.parametrize("sr", [8000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("f0", [70, 120, 220, 440, 490])
def test_f0_of_a_tone_at_any_rate(f0, sr):
    track = pitch.f0_track(tone(f0, 0.5, sr), sr=sr)
    inner = slice(3, -3)  # frames that reach over the ends are half empty
    assert track.voiced_flag[inner].all()
    assert cents(track.f0[inner], f0).max() < 2
    assert track.voiced_prob[inner].min() > 0.95


@pytest.mark.parametrize("f0", [75, 110, 180, 300, 420])
def test_f0_of_harmonics_is_their_fundamental(f0):
    track = pitch.f0_track(voice(f0), sr=SR)
    assert track.voiced_flag.mean() > 0.95
    assert np.median(cents(track.f0, f0)) < 2


@pytest.mark.parametrize("ends", [(90, 180), (400, 150)])
def test_f0_follows_a_chirp(ends):
    contour = np.geomspace(*ends, SR)
    y = np.sin(2 * np.pi * np.cumsum(contour) / SR).astype(np.float32)
    track = pitch.f0_track(y, sr=SR)
    truth = np.interp(track.times, np.arange(SR) / SR, contour)
    assert cents(track.f0, truth)[4:-4].max() < 10


@pytest.mark.parametrize("ends", [(100, 140), (260, 180)])
def test_f0_follows_a_vowel(ends):
    contour = np.linspace(*ends, OVERSAMPLED_SR)
    track = pitch.f0_track(vowel(contour), sr=SR)
    truth = np.interp(track.times, np.arange(contour.size) / OVERSAMPLED_SR, contour)
    assert track.voiced_flag[3:-3].all()
    assert np.median(cents(track.f0, truth)) < 5


@pytest.mark.parametrize("f0", [85, 150, 240, 340])
@pytest.mark.parametrize("style", STYLES)
def test_f0_of_synthetic_voices(f0, style):
    ref = synthetic_voice(f0, 1.5, style=style, seed=f0)
    track = pitch.f0_track(ref.y, sr=SR)
    truth = ref.f0[:: round(0.010 / (ref.times[1] - ref.times[0]))]
    est = track.f0[: truth.size]
    both = (truth > 0) & ~np.isnan(est)
    assert both.sum() > 20
    assert np.mean((truth > 0) == ~np.isnan(est)) > 0.93
    assert np.mean(cents(est[both], truth[both]) < 50) > 0.97


def test_silence_is_unvoiced():
    track = pitch.f0_track(np.zeros(SR, dtype=np.float32), sr=SR)
    assert np.isnan(track.f0).all()
    assert not track.voiced_flag.any()
    assert not track.voiced_prob.any()


@pytest.mark.parametrize("level", [1.0, 0.1, -0.3])
def test_a_constant_is_unvoiced(level):
    track = pitch.f0_track(np.full(SR, level, dtype=np.float32), sr=SR)
    assert not track.voiced_flag.any()


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_unvoiced(seed):
    assert pitch.f0_track(noise(2, seed=seed), sr=SR).voiced_flag.mean() < 0.08


def test_a_tone_outside_the_range_is_not_reported_in_it():
    track = pitch.f0_track(tone(50), sr=SR, params=F0Params(fmin=75))
    assert track.voiced_flag[3:-3].mean() < 0.1


def test_fmin_and_fmax_bound_the_track():
    y = voice(150)
    below = pitch.f0_track(y, sr=SR, params=F0Params(fmin=65, fmax=120))
    assert np.median(cents(below.f0, 75)) < 5
    octave = pitch.f0_track(tone(150) + tone(300), sr=SR, params=F0Params(fmin=65, fmax=200))
    assert cents(octave.f0, 150)[4:-4].max() < 5
    within = pitch.f0_track(tone(300), sr=SR, params=F0Params(fmin=250, fmax=400))
    assert cents(within.f0, 300)[4:-4].max() < 5


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(1e-5, 100), f0=st.floats(80, 400))
def test_gain_does_not_matter(gain, f0):
    y = voice(f0, 0.4)
    plain, scaled = (pitch.f0_track((g * y).astype("f4"), sr=SR) for g in (1, gain))
    assert np.array_equal(plain.voiced_flag, scaled.voiced_flag)
    assert cents(scaled.f0, plain.f0).max() < 0.5


@settings(max_examples=25, deadline=None)
@given(offset=st.floats(-0.5, 0.5), f0=st.floats(80, 400))
def test_a_constant_offset_does_not_matter(offset, f0):
    y = voice(f0, 0.4)
    plain = pitch.f0_track(y, sr=SR)
    moved = pitch.f0_track((y + offset).astype("f4"), sr=SR)
    assert np.array_equal(plain.voiced_flag, moved.voiced_flag)
    assert cents(moved.f0, plain.f0).max() < 0.5


@settings(max_examples=15, deadline=None)
@given(frames=st.integers(1, 40))
def test_a_shift_by_frames_shifts_the_track(frames):
    ref = synthetic_voice(140, 1.0, seed=5)
    moved = np.concatenate([np.zeros(frames * 160, dtype=np.float32), ref.y])
    plain, shifted = pitch.f0_track(ref.y, sr=SR), pitch.f0_track(moved, sr=SR)
    there = shifted.voiced_flag[frames:]
    assert np.mean(plain.voiced_flag == there) > 0.97
    assert np.nanmax(cents(shifted.f0[frames:], plain.f0)) < 5


@settings(max_examples=40, deadline=None)
@given(n=st.integers(800, 5000), hop_s=st.sampled_from([0.001, 0.005, 0.01, 0.0137, 0.05]))
def test_any_length_gives_a_frame_each_hop(n, hop_s):
    track = pitch.f0_track(noise(1)[:n], sr=SR, params=F0Params(hop_s=hop_s))
    assert track.times.size == int(n / SR / hop_s + 1e-9) + 1
    assert np.allclose(np.diff(track.times), hop_s)
    assert all(a.shape == track.times.shape for a in track)
    assert track.times[-1] <= n / SR + 1e-9


def test_less_than_a_frame_is_too_short():
    with pytest.raises(AudioTooShortError, match="needs 50 ms of signal, got 40 ms"):
        pitch.f0_track(np.zeros(640, dtype=np.float32), sr=SR)


def test_the_result_is_consistent():
    ref = synthetic_voice(160, 1.5, seed=2)
    for track in (pitch.f0_track(ref.y, sr=SR), pitch.pyin(ref.y, sr=SR, **SPEECH)):
        assert np.array_equal(track.voiced_flag, ~np.isnan(track.f0))
        assert track.voiced_flag.dtype == bool
        assert track.voiced_prob.min() >= 0
        assert track.voiced_prob.max() <= 1
        assert np.nanmin(track.f0) >= 65
        assert np.nanmax(track.f0) <= 500


def test_the_input_is_left_alone_and_may_be_read_only():
    y = voice()
    kept = y.copy()
    y.flags.writeable = False
    for track in (pitch.f0_track(y, sr=SR), pitch.pyin(y, sr=SR, **SPEECH)):
        assert track.voiced_flag.any()
    assert np.array_equal(y, kept)


def test_costs_hold_at_another_hop():
    ref = synthetic_voice(130, 1.5, seed=8)
    plain = pitch.f0_track(ref.y, sr=SR)
    fine = pitch.f0_track(ref.y, sr=SR, params=F0Params(hop_s=0.005))
    assert np.mean(plain.voiced_flag == fine.voiced_flag[::2]) > 0.97


@pytest.mark.parametrize(("hop_s", "scale"), [(0.010, 1), (0.005, 2), (0.020, 0.5)])
def test_costs_of_change_are_per_10_ms(hop_s, scale, monkeypatch):
    from core import _kernels_pitch

    seen, path = [], _kernels_pitch.f0_path
    monkeypatch.setattr(_kernels_pitch, "f0_path", lambda *a: seen.append(a[4:6]) or path(*a))
    params = F0Params(hop_s=hop_s, octave_jump_cost=0.5, voiced_unvoiced_cost=0.2)
    pitch.f0_track(voice(), sr=SR, params=params)
    assert seen[0] == pytest.approx((0.5 * scale, 0.2 * scale))


@pytest.mark.parametrize(("jump_cost", "middle"), [(0.0, 200), (0.7, 100)])
def test_a_jump_of_an_octave_must_be_worth_its_cost(jump_cost, middle):
    from core._kernels_pitch import f0_path

    log_f = np.log2(np.array([[1, 100, 200]] * 3, dtype=np.float32))
    score = np.array([[0.1, 0.9, 0.5], [0.1, 0.8, 0.9], [0.1, 0.9, 0.5]], dtype=np.float32)
    f0, strength = np.empty(3), np.empty(3)
    f0_path(log_f, score, score, np.full(3, 3, dtype=np.int32), jump_cost, 0.3, f0, strength)
    assert f0 == pytest.approx([100, middle, 100])


@pytest.mark.parametrize(
    ("y", "sr", "params", "message"),
    [
        (np.zeros((2, SR), "f4"), SR, F0Params(), r"one channel, got shape \(2, 16000\)"),
        (np.full(SR, np.nan, "f4"), SR, F0Params(), "not finite"),
        (np.full(SR, np.inf, "f4"), SR, F0Params(), "not finite"),
        (np.zeros(SR, "f4"), 4000, F0Params(), "sr=8000 Hz or more, got 4000"),
        (np.zeros(SR, "f4"), SR, F0Params(fmin=10), "fmin=10 Hz does not work"),
        (np.zeros(SR, "f4"), SR, F0Params(fmin=300, fmax=200), "fmin=300 Hz must be below"),
        (np.zeros(SR, "f4"), SR, F0Params(hop_s=0), "hop_s=0 s does not work"),
        (np.zeros(SR, "f4"), SR, F0Params(frame_s=0.02), "choose 0.0307692 to 1 s"),
        (np.zeros(SR, "f4"), SR, F0Params(cutoff_hz=100), "cutoff_hz=100 Hz"),
        (np.zeros(SR, "f4"), SR, F0Params(voicing_threshold=0), "voicing_threshold=0"),
        (np.zeros(SR, "f4"), SR, F0Params(octave_cost=-1), "octave_cost=-1"),
    ],
)
def test_what_cannot_work_is_said(y, sr, params, message):
    with pytest.raises(ParameterError, match=message):
        pitch.f0_track(y, sr=sr, params=params)


def test_every_extreme_setting_that_is_allowed_works():
    for change in (
        {"fmin": 20, "frame_s": 0.1},
        {"fmax": 1500, "cutoff_hz": 2400},
        {"cutoff_hz": 2400},
        {"frame_s": 1},
        {"fmin": 1000, "fmax": 1500, "cutoff_hz": 1500, "frame_s": 0.002},
    ):
        params = replace(F0Params(), **change)
        for sr in (8000, 44_101):
            track = pitch.f0_track(noise(1.1, sr), sr=sr, params=params)
            voiced = track.f0[track.voiced_flag]
            assert ((voiced >= params.fmin) & (voiced <= params.fmax)).all()


@pytest.mark.parametrize("frame_s", [0.002, 0.05])
def test_the_level_of_a_frame_is_that_of_its_own_samples(monkeypatch, frame_s):
    seen, score = [], pitch._unvoiced_score
    monkeypatch.setattr(pitch, "_unvoiced_score", lambda *a: seen.append(a[0].copy()) or score(*a))
    params = F0Params(fmin=1000, fmax=1500, cutoff_hz=1500, frame_s=frame_s)
    y = np.zeros(8000, dtype=np.float32)
    y[3980:4020] = tone(1000, 0.005, 8000)  # from 497.5 to 502.5 ms
    pitch.f0_track(y, sr=8000, params=params)
    reach_s = min(frame_s / 2, 0.01) + 0.004  # a burst of 5 ms, and the low-pass
    away = np.abs(np.arange(101) * 0.01 - 0.5) > reach_s
    assert seen[0][50] > 0.5
    assert seen[0][away].max() < 1e-6


# --- the optional network, and the module -------------------------------------------------------


def test_swift_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "swift_f0", None)
    pitch._swift.cache_clear()
    with pytest.raises(MissingPackageError, match="pip install swift-f0"):
        pitch.f0_track_swift(voice(), sr=SR)


def test_swift_agrees_on_a_voice():
    pytest.importorskip("swift_f0")
    track = pitch.f0_track_swift(voice(150, sr=44_100), sr=44_100)
    assert np.median(cents(track.f0, 150)) < 30


def test_importing_loads_no_heavy_package():
    heavy = ["librosa", "sklearn", "numba", "scipy", "soxr", "swift_f0", "soundfile", "av"]
    code = f"import sys, core.pitch; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_tracking_loads_neither_librosa_nor_scipys_slow_parts():
    slow = ["librosa", "sklearn", "scipy.stats", "scipy.signal"]
    code = (
        f"import sys, core.pitch; core.pitch.warm();print([m for m in {slow} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr

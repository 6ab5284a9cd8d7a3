"""Checks on signals whose faults are planted: each is found, and only where it is."""

from dataclasses import replace
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from conftest import ROOT, SR, tone, voice
from core import audio, levels, quality
from core.errors import AudioTooShortError, ParameterError
from core.quality import SPECS, CheckParams, Thresholds, check


def noise(n: int, level_db: float = -70.0, seed: int = 1) -> np.ndarray:
    """White noise of this many dBFS."""
    y = np.random.default_rng(seed).standard_normal(n)
    return (y * 10 ** (level_db / 20)).astype(np.float32)


def scene(sr: int = SR, level_db: float = -70.0, f0: float = 133.0) -> np.ndarray:
    """Two sentences of 1 s with 0.4 s before, between and after, in a quiet room."""
    pad, talk = np.zeros(round(0.4 * sr), np.float32), 0.5 * voice(f0, 1.0, sr=sr)
    talk *= np.minimum(1, np.linspace(0, 25, talk.size)) * np.minimum(
        1, np.linspace(25, 0, talk.size)
    )
    y = np.concatenate([pad, talk, pad, talk, pad]).astype(np.float32)
    breath = noise(y.size, -50, seed=7) * (np.abs(y) > 0)  # the harmonics end at 4 kHz
    return y + breath + noise(y.size, level_db)


@pytest.fixture(scope="module")
def good():
    return check(scene(), SR)


def test_a_good_recording_passes_every_check(good):
    assert {c.verdict for c in good.checks} == {"pass", "unknown"}
    assert [c.key for c in good.checks if c.verdict == "unknown"] == ["channels"]
    assert good.verdict == "pass"
    assert good.sentence.startswith("Good")
    assert good.duration_s == pytest.approx(3.2)


@pytest.mark.parametrize("sr", [8000, 16_000, 22_050, 44_100, 48_000])
def test_good_recordings_of_any_rate_have_no_fault_but_their_bandwidth(sr):
    found = check(scene(sr), sr)
    assert {c.key for c in found.checks if c.verdict in ("warn", "fail")} <= {"bandwidth"}


@pytest.mark.parametrize("side", ["both", "upper"])
def test_clipping_is_the_share_of_samples_at_the_rails(side):
    y = scene()
    rail = np.float32(np.quantile(np.abs(y), 0.99))
    y = np.clip(y, -rail if side == "both" else -1, rail)
    at_rail = np.count_nonzero(np.abs(y) == rail if side == "both" else y == rail) / y.size
    found = check(y, SR)["clipping"]
    assert found.verdict in ("warn", "fail")
    assert 0.5 * at_rail < found.value < 2 * at_rail
    start, end = found.worst
    assert (np.abs(y[round(start * SR) : round(end * SR)]) == rail).all()
    assert round((end - start) * SR) >= 3 and len(found.places) <= 50


def test_clipping_is_found_where_lossy_coding_has_blurred_it():
    y = scene()
    rail = np.quantile(np.abs(y), 0.98)
    blurred = np.clip(y, -rail, rail) + noise(y.size, 20 * math.log10(rail) - 36)
    found = check(blurred, SR)["clipping"]
    assert found.verdict in ("warn", "fail") and found.worst is not None


def test_true_peak_lies_between_the_samples():
    n = np.arange(SR)
    y = (0.5 * np.sin(np.pi / 2 * n + np.pi / 4)).astype(np.float32)
    found = check(y, SR)
    assert found["peak"].value == pytest.approx(-9.03, abs=0.02)
    assert found["true_peak"].value == pytest.approx(-6.02, abs=0.1)


@pytest.mark.parametrize("sr", [SR, 48_000])
def test_loudness_is_that_of_levels(sr):
    y = scene(sr)
    assert check(y, sr)["loudness"].value == pytest.approx(levels.lufs(y, sr=sr), abs=0.05)


def test_active_level_of_a_sine_is_its_rms_and_silence_does_not_change_it():
    y = tone(440, 3.0, amplitude=0.1)
    alone = check(y, SR)["active_level"].value
    pad = np.zeros(4 * SR, np.float32)
    padded = check(np.concatenate([pad, y, pad]), SR)["active_level"].value
    assert alone == pytest.approx(-23.01, abs=0.15)
    assert padded == pytest.approx(alone, abs=0.6)


@pytest.mark.parametrize("snr_db", [10, 20, 30])
@pytest.mark.parametrize("zeros_s", [0.0, 2.0])
def test_snr_is_that_of_the_mix_with_and_without_zeros_at_the_ends(snr_db, zeros_s):
    clean = scene(level_db=-120)
    talk = np.sqrt(np.mean(clean[round(0.4 * SR) : round(1.4 * SR)] ** 2))
    y = clean + noise(clean.size, 20 * math.log10(talk) - snr_db)
    pad = np.zeros(round(zeros_s * SR), np.float32)
    found = check(np.concatenate([pad, y, pad]), SR)
    assert found["snr"].value == pytest.approx(snr_db, abs=2)
    assert found["noise_floor"].value == pytest.approx(20 * math.log10(talk) - snr_db, abs=1.5)


@pytest.mark.parametrize("gain", [0.05, 0.4])
def test_snr_does_not_depend_on_gain(gain, good):
    found = check((gain * scene()).astype(np.float32), SR)
    assert found["snr"].value == pytest.approx(good["snr"].value, abs=0.01)
    fall = good["noise_floor"].value - found["noise_floor"].value
    assert fall == pytest.approx(-20 * math.log10(gain), abs=0.01)


@pytest.mark.parametrize("mains", [50, 60])
@pytest.mark.parametrize("sr", [8000, 44_100])
def test_hum_has_its_frequency_and_level(mains, sr):
    y = scene(sr, f0=117.0)
    t = np.arange(y.size) / sr
    for k, amplitude in ((1, 0.01), (2, 0.004), (3, 0.006), (5, 0.004)):
        y = y + (amplitude * np.sin(2 * np.pi * k * mains * t + k)).astype(np.float32)
    found = check(y, sr)["hum"]
    assert found.extra["hum_hz"] == mains and found.verdict == "warn"
    power = (0.01**2 + 0.004**2 + 0.006**2 + 0.004**2) / 2
    assert found.value == pytest.approx(10 * math.log10(power), abs=1.5)
    assert f"{mains} Hz" in found.detail


@pytest.mark.parametrize("f0", [100.0, 120.0])
def test_a_voice_at_a_multiple_of_the_mains_is_no_hum(f0):
    found = check(scene(f0=f0), SR)["hum"]
    assert found.verdict == "pass" or found.value < -60


@pytest.mark.parametrize("value", [-0.05, 0.02])
def test_dc_offset_is_the_mean(value):
    found = check(scene() + np.float32(value), SR)
    assert found["dc_offset"].value == pytest.approx(abs(value), abs=0.001)
    assert found["dc_offset"].verdict == "warn"
    assert found["snr"].verdict == "pass"


@pytest.mark.parametrize("at_s", [0.15, 1.6, 3.0])
def test_a_click_in_the_silence_is_found_within_5_ms(at_s):
    y = scene()
    t = np.arange(round(0.01 * SR)) / SR
    start = round(at_s * SR)
    y[start : start + t.size] += (0.1 * np.sin(2 * np.pi * 3000 * t) * np.exp(-t / 0.001)).astype(
        np.float32
    )
    found = check(y, SR)["clicks"]
    assert found.value == 1 and found.verdict == "warn"
    assert found.places[0][0] == pytest.approx(at_s, abs=0.005)


def test_a_plosive_is_no_click():
    y, burst = scene(), round(0.38 * SR)
    y[burst : burst + 160] += noise(160, -25)  # 10 ms before the voice begins
    y[burst + 160 : burst + 640] += noise(480, -35)
    assert check(y, SR)["clicks"].value == 0


@pytest.mark.parametrize("length_s", [0.008, 0.05])
def test_gaps_in_the_voice_are_dropouts(length_s):
    y = scene()
    for at_s in (0.8, 2.2):
        y[round(at_s * SR) : round((at_s + length_s) * SR)] = 0
    found = check(y, SR)["dropouts"]
    assert found.value == 2
    assert [p[0] for p in found.places] == pytest.approx([0.8, 2.2], abs=0.003)
    assert found.places[0][1] - found.places[0][0] == pytest.approx(length_s, abs=0.003)


def test_pauses_of_digital_silence_are_no_dropouts():
    y = scene(level_db=-200)
    assert check(y, SR)["dropouts"].value == 0


def test_bandwidth_is_where_the_spectrum_ends_and_words_say_of_what():
    from scipy import signal

    sr, y = 48_000, noise(96_000, -26)
    for low_sr, words in ((16_000, "up-sampled from 16 kHz"), (19_000, "lossy")):
        low = audio.resample(y, sr_in=sr, sr_out=low_sr)
        found = check(audio.resample(low, sr_in=low_sr, sr_out=sr), sr)["bandwidth"]
        assert 0.43 * low_sr < found.value <= 0.51 * low_sr
        assert words in found.detail
    low = audio.resample(y, sr_in=sr, sr_out=8000)
    sos = signal.butter(6, 300, "highpass", fs=8000, output="sos")
    low = signal.sosfilt(sos, low).astype(np.float32)
    found = check(audio.resample(low, sr_in=8000, sr_out=sr), sr)["bandwidth"]
    assert 3300 < found.value < 4000 and "telephone" in found.detail
    full = check(y.astype(np.float32), sr)["bandwidth"]
    assert full.value > 0.97 * sr / 2 and "all that" in full.detail


def test_channels_dead_inverted_doubled_and_uneven_are_told_apart():
    y = scene()
    other = y + noise(y.size, -60, seed=2)
    cases = {
        "dead": (0 * y, "fail"),
        "inverted": (-other, "fail"),
        "the same": (y, "warn"),
        "": (other * np.float32(0.25), "warn"),
    }
    for words, (second, verdict) in cases.items():
        found = check(np.stack([y, second]).astype(np.float32), SR)["channels"]
        assert found.verdict == verdict, words
        assert words in found.detail
    assert found.value == pytest.approx(12.04, abs=0.1)
    fine = check(np.stack([y, other * np.float32(0.8)]), SR)["channels"]
    assert fine.verdict == "pass" and fine.value == pytest.approx(1.94, abs=0.1)


def test_a_dead_first_channel_does_not_hide_the_second(good):
    found = check(np.stack([np.zeros(scene().size, np.float32), scene()]), SR)
    assert found["snr"].value == pytest.approx(good["snr"].value)


def test_silence_at_the_ends_is_measured_and_clicks_in_it_are_no_speech():
    pad = noise(2 * SR, seed=3)
    pad[SR : SR + 20] += 0.2
    found = check(np.concatenate([pad, scene(), noise(SR, seed=4)]), SR)
    assert found["head_silence"].value == pytest.approx(2.4, abs=0.05)
    assert found["tail_silence"].value == pytest.approx(1.4, abs=0.05)
    assert found["head_silence"].verdict == found["tail_silence"].verdict == "warn"
    assert found["head_silence"].worst[0] == 0
    assert found["speech_share"].value == pytest.approx(2 / 6.2, abs=0.05)


@pytest.mark.parametrize("n", [1, 100, 3 * SR])
def test_silence_is_unknown_and_never_0(n):
    found = check(np.zeros(n, np.float32), SR)
    assert found.verdict == "unknown" and "no sound" in found.sentence
    for key in ("snr", "peak", "true_peak", "loudness", "active_level", "hum", "clipping"):
        assert math.isnan(found[key].value) and found[key].verdict == "unknown", key


def test_bad_input_is_refused_in_a_sentence():
    with pytest.raises(AudioTooShortError, match="empty"):
        check(np.zeros(0, np.float32), SR)
    with pytest.raises(ParameterError, match="too low"):
        check(scene(), 2000)
    with pytest.raises(ParameterError, match="got shape"):
        check(np.zeros((1, 2, 3), np.float32), SR)


def test_every_threshold_is_there_is_used_and_has_a_digest(good):
    strict = replace(CheckParams(), snr_warn=90.0, snr_fail=80.0)
    found = check(scene(), SR, limits=strict)
    assert found["snr"].verdict == found.verdict == "fail"
    assert "noisy" in found.sentence and found["snr"].thresholds == Thresholds(90, 80, "below")
    assert strict.digest != CheckParams().digest
    for spec in SPECS:
        assert CheckParams().of(spec.key).direction in ("above", "below")
    with pytest.raises(ParameterError, match="snr_fail"):
        check(scene(), SR, limits=replace(CheckParams(), snr_fail=20.0))


@pytest.mark.parametrize(
    ("value", "verdict"), [(1.0, "pass"), (2.5, "warn"), (3.5, "fail"), (math.nan, "unknown")]
)
def test_thresholds_judge_on_their_side(value, verdict):
    assert Thresholds(2, 3, "above").verdict(value) == verdict
    assert Thresholds(-2, -3, "below").verdict(-value) == verdict
    assert Thresholds(math.nan, math.nan, "above").verdict(9.0) == "pass"


@settings(max_examples=25)
@given(
    n=st.integers(1, 5000),
    channels=st.integers(1, 3),
    sr=st.sampled_from([4000, 8000, 11_025, 48_000]),
    kind=st.sampled_from(["noise", "steps", "constant", "huge", "nan"]),
    seed=st.integers(0, 99),
)
def test_whatever_comes_has_a_verdict_and_nan_is_unknown(n, channels, sr, kind, seed):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((channels, n)).astype(np.float32)
    if kind == "steps":
        y = np.sign(y)
    elif kind == "constant":
        y[:] = 0.3
    elif kind == "huge":
        y *= 1e6
    elif kind == "nan":
        y[:, :: max(1, n // 3)] = np.nan
    found = check(y, sr)
    assert [c.key for c in found.checks] == [spec.key for spec in SPECS]
    for c in found.checks:
        assert math.isnan(c.value) == (c.verdict == "unknown"), c
        assert not math.isinf(c.value)
        assert all(0 <= a <= b <= n / sr + 0.01 for a, b in c.places)


def test_windows_have_no_seams(monkeypatch):
    """A recording of several windows is judged as in one, also in what lies across a seam."""
    from core.quality import _survey

    y = np.concatenate([scene(), scene(), scene()])
    y[round(3.998 * SR) : round(4.012 * SR)] = 0  # in the voice
    for at_s in (2.999, 3.2):
        y[round(at_s * SR)] += 0.3
    whole = check(y, SR)
    monkeypatch.setattr(_survey, "WINDOW_S", 4.0)
    parts = check(y, SR)
    for key in ("snr", "noise_floor", "active_level", "loudness", "clipping", "true_peak"):
        assert parts[key].value == pytest.approx(whole[key].value, abs=0.05), key
    for key in ("clicks", "dropouts"):
        assert parts[key].value == whole[key].value > 0, key
        assert np.allclose(parts[key].places, whole[key].places, atol=0.002)


def test_every_check_says_what_it_is_and_what_to_do():
    for spec in SPECS:
        assert spec.label and spec.about.endswith(".") and spec.cure.endswith(".") and spec.source
    assert len({spec.key for spec in SPECS}) == len(SPECS)
    assert quality.VERDICTS == ("pass", "warn", "fail", "unknown")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key)
def test_the_page_of_checks_has_every_check_with_its_thresholds(spec):
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    words = CheckParams().of(spec.key).words(spec.unit) or "not judged"
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{spec.key}` |")]
    assert words in row and spec.about in row and spec.source in row

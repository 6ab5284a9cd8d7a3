"""The standing list, for every feature of every set that is registered."""

from functools import lru_cache
import math

import numpy as np
import pytest

from conftest import SR, tone, voice
from core.audio import resample
from core.errors import AudioTooShortError, ParameterError
from core.features import FEATURE_SETS, extract, feature_set

NAMES = [(s, spec.name) for s in FEATURE_SETS for spec in feature_set(s).specs]
VOICE = [name for s, name in NAMES if s == "voice-v1"]
LEVELS = {"rms_dbfs", "peak_dbfs", "loudness_lufs", "noise_floor_dbfs"}
OFFSET = {"rms_dbfs", "peak_dbfs"}  # levels of the samples as they are
OF_THE_CLIP = {"duration_s", "speech_share", "voiced_share", "syllable_rate_hz", "rms_dbfs"}
OF_THE_BAND = ("spectral_", "mfcc", "f1_", "f2_", "f3_", "hnr_db", "noise_", "snr_")
SUFFIXES = {  # the longest that fits decides
    "_hz": "Hz",
    "_s": "s",
    "_db": "dB",
    "_dbfs": "dBFS",
    "_lufs": "LUFS",
    "_st": "st",
    "_pct": "%",
    "_db_oct": "dB/octave",
    "_per_s": "1/s",
}


@lru_cache(maxsize=1)
def utterance() -> np.ndarray:
    """Two phrases of harmonics with a pause between, over faint noise, 2.2 s."""
    parts = [np.zeros(4000), voice(140, 0.8), np.zeros(6400), voice(155, 0.6), np.zeros(4000)]
    y = np.concatenate(parts)
    y = y + 3e-4 * np.random.default_rng(1).standard_normal(y.size)
    return y.astype(np.float32)


def _shifted() -> np.ndarray:
    before = 3e-4 * np.random.default_rng(2).standard_normal(SR // 10)
    return np.concatenate([before, utterance()]).astype(np.float32)


SIGNALS = {
    "as it is": lambda: (utterance(), SR),
    "silence": lambda: (np.zeros(SR, np.float32), SR),
    "constant": lambda: (np.full(SR, 0.25, np.float32), SR),
    "one sample": lambda: (np.full(1, 0.5, np.float32), SR),
    "two samples": lambda: (np.array([0.5, -0.25], np.float32), SR),
    "shorter than a frame": lambda: (tone(200, 0.02), SR),
    "just long enough": lambda: (tone(200, 0.1), SR),
    "one click": lambda: (np.eye(1, SR, SR // 2, dtype=np.float32)[0], SR),
    "noise": lambda: (np.random.default_rng(0).normal(0, 0.1, SR).astype(np.float32), SR),
    "clipped": lambda: (np.clip(3 * utterance(), -0.5, 0.5), SR),
    "with an offset": lambda: (utterance() + np.float32(0.1), SR),
    "at half gain": lambda: (utterance() / 2, SR),
    "100 ms later": lambda: (_shifted(), SR),
    "at 8000 Hz": lambda: (resample(utterance(), sr_in=SR, sr_out=8000), 8000),
    "at 44100 Hz": lambda: (resample(utterance(), sr_in=SR, sr_out=44_100), 44_100),
    "at 48000 Hz": lambda: (resample(utterance(), sr_in=SR, sr_out=48_000), 48_000),
    "in two channels": lambda: (np.stack([utterance(), utterance()]), SR),
}


@lru_cache(maxsize=64)
def measured(name: str, signal: str):
    y, sr = SIGNALS[signal]()
    return extract(y, sr=sr, feature_set=name)


def value(signal: str, feature: str) -> float:
    return measured("voice-v1", signal).values[feature]


def same(a: float, b: float, rel: float = 1e-3, abs_: float = 1e-3) -> bool:
    return (math.isnan(a) and math.isnan(b)) or b == pytest.approx(a, rel=rel, abs=abs_)


@pytest.mark.parametrize("name", FEATURE_SETS)
@pytest.mark.parametrize("signal", SIGNALS)
def test_every_signal_gives_every_value_and_none_is_infinite(name, signal):
    found, features = measured(name, signal), feature_set(name)
    assert tuple(found.values) == features.names
    assert all(type(v) is float and not math.isinf(v) for v in found.values.values())
    assert {k: v.shape for k, v in found.vectors.items()} == {
        k: (n,) for k, n in features.vectors.items()
    }
    for vector in found.vectors.values():
        assert vector.dtype == np.float32 and not np.isinf(vector).any()


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_names_are_unique_and_sets_know_theirs(name):
    assert len(set(feature_set(name).names)) == len(feature_set(name).specs)
    assert feature_set(name).name == name and feature_set(name).version


@pytest.mark.parametrize(("name", "feature"), NAMES)
def test_every_feature_is_described(name, feature):
    spec = next(s for s in feature_set(name).specs if s.name == feature)
    assert spec.label and spec.source and spec.about.endswith(".")
    assert not spec.caveat or spec.caveat.endswith(".")
    assert "\n" not in "".join((spec.label, spec.unit, spec.about, spec.caveat, spec.source))


@pytest.mark.parametrize("feature", VOICE)
def test_the_suffix_of_a_name_is_its_unit(feature):
    spec = next(s for s in feature_set("voice-v1").specs if s.name == feature)
    fitting = [suffix for suffix in SUFFIXES if feature.endswith(suffix)]
    assert spec.unit == (SUFFIXES[max(fitting, key=len)] if fitting else "")


@pytest.mark.parametrize("feature", VOICE)
def test_a_clear_voice_has_every_feature_but_the_words(feature):
    missing = math.isnan(value("as it is", feature))
    assert missing == feature.startswith(("words_", "chars_")), feature


@pytest.mark.parametrize("feature", VOICE)
@pytest.mark.parametrize("signal", ["silence", "constant"])
def test_silence_is_nothing_but_long(feature, signal):
    has_value = {"duration_s"} | (OFFSET if signal == "constant" else set())
    assert math.isnan(value(signal, feature)) == (feature not in has_value)
    assert value(signal, "duration_s") == 1


@pytest.mark.parametrize("feature", VOICE)
@pytest.mark.parametrize("signal", ["one sample", "two samples", "shorter than a frame"])
def test_very_short_clips_have_a_duration_and_levels(feature, signal):
    expected = {"duration_s", "rms_dbfs", "peak_dbfs"}
    assert math.isnan(value(signal, feature)) == (feature not in expected)


@pytest.mark.parametrize("feature", VOICE)
def test_noise_has_no_voice(feature):
    absent = ("f0_", "f1_", "f2_", "f3_", "jitter", "shimmer", "hnr", "pause", "snr")
    assert math.isnan(value("noise", feature)) or not feature.startswith(absent)
    assert value("noise", "voiced_share") == 0 and value("noise", "speech_share") == 0


@pytest.mark.parametrize("feature", VOICE)
def test_half_gain_moves_levels_by_6_db_and_nothing_else(feature):
    moved = 20 * math.log10(2) if feature in LEVELS else 0
    assert same(value("as it is", feature), value("at half gain", feature) + moved)


@pytest.mark.parametrize("feature", VOICE)
def test_an_offset_counts_for_the_samples_levels_only(feature):
    equal = same(value("as it is", feature), value("with an offset", feature))
    assert equal == (feature not in OFFSET)


@pytest.mark.parametrize("feature", [f for f in VOICE if f not in OF_THE_CLIP])
def test_100_ms_of_waiting_change_nothing_but_shares_of_the_clip(feature):
    assert same(value("as it is", feature), value("100 ms later", feature), rel=0.02, abs_=0.03)


@pytest.mark.parametrize("feature", sorted(OF_THE_CLIP - {"duration_s", "rms_dbfs"}))
def test_shares_of_the_clip_fall_with_its_length(feature):
    longer = value("100 ms later", "duration_s") / value("as it is", "duration_s")
    assert value("as it is", feature) / value("100 ms later", feature) == pytest.approx(
        longer, rel=0.02
    )


@pytest.mark.parametrize("feature", VOICE)
@pytest.mark.parametrize("signal", ["at 44100 Hz", "at 48000 Hz", "in two channels"])
def test_the_sampling_rate_does_not_count(feature, signal):
    # Only the noise between 7.5 and 8 kHz is lost on the way.
    near = 0.5 if feature.startswith("mfcc") else 0.03
    assert same(value("as it is", feature), value(signal, feature), rel=0.04, abs_=near)


@pytest.mark.parametrize("feature", [f for f in VOICE if not f.startswith(OF_THE_BAND)])
def test_8_khz_is_enough_for_what_does_not_need_the_high_band(feature):
    assert same(value("as it is", feature), value("at 8000 Hz", feature), rel=0.03, abs_=0.15)


@pytest.mark.parametrize("feature", [f for f in VOICE if f.startswith("f0_m")])
def test_clipping_leaves_the_pitch(feature):
    assert value("clipped", feature) == pytest.approx(value("as it is", feature), rel=0.01)


@pytest.mark.parametrize("signal", ["at half gain", "100 ms later", "at 48000 Hz", "at 8000 Hz"])
def test_the_article_counts_the_same_onsets(signal):
    counts = [measured("article-v1", s).values["nwords"] for s in ("as it is", signal)]
    assert abs(counts[0] - counts[1]) <= 2


@pytest.mark.parametrize("name", FEATURE_SETS)
@pytest.mark.parametrize("signal", ["at half gain", "in two channels"])
def test_mel_strength_does_not_depend_on_level(name, signal):
    mel, other = (measured(name, s).vectors["mel_strength"] for s in ("as it is", signal))
    assert np.abs(mel - other).max() < 0.1


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_silence_has_no_mel_strength(name):
    assert np.isnan(measured(name, "silence").vectors["mel_strength"]).all()


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_the_signal_given_is_left_as_it_was(name):
    y = utterance().copy()
    extract(y, sr=SR, feature_set=name)
    assert np.array_equal(y, utterance())


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_what_cannot_be_measured_at_all_is_refused(name):
    with pytest.raises(AudioTooShortError, match="empty"):
        extract(np.zeros(0, np.float32), sr=SR, feature_set=name)
    with pytest.raises(ParameterError, match="finite"):
        extract(np.full(SR, np.nan, np.float32), sr=SR, feature_set=name)

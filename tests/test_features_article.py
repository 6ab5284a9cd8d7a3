import math
import subprocess
import sys

import librosa
import noisereduce
import numpy as np
import pytest

from conftest import ROOT, SR, tone, voice
from core import features
from core.clean import clean
from core.errors import AudioTooShortError, ParameterError
from core.features.article import F0_FMIN
from core.params import ARTICLE_CLEAN
from core.pitch import pyin

F0 = ["f0_mean", "f0_median", "f0_std", "f0_5perc", "f0_95perc"]
COLUMNS = ["nwords", "duration", "words_per_second", "tempo", *F0]
ARTICLE = features.feature_set("article-v1")


def measured(y: np.ndarray, sr: int = SR) -> features.Features:
    return features.extract(y, sr=sr, feature_set="article-v1")


def noisy_voice(f0: float, duration_s: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = np.zeros(round(duration_s * SR), dtype=np.float32)
    spoken = voice(f0, 0.7 * duration_s, seed=seed)
    y[round(0.15 * y.size) :][: spoken.size] = spoken
    return y + (0.004 * rng.standard_normal(y.size)).astype(np.float32)


def by_hand(y: np.ndarray) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """The article's values, its f0 track and its mel strengths, with public libraries."""
    onsets = librosa.onset.onset_detect(y=y, sr=SR, hop_length=128, backtrack=False, units="time")
    f0, _, _ = librosa.pyin(y, fmin=F0_FMIN, fmax=8000, sr=SR, frame_length=1024)
    duration = y.size / SR
    values = {
        "nwords": len(onsets),
        "duration": duration,
        "words_per_second": len(onsets) / duration,
        "tempo": librosa.feature.tempo(y=y, sr=SR, start_bpm=10)[0],
        "f0_mean": np.nanmean(f0),
        "f0_median": np.nanmedian(f0),
        "f0_std": np.nanstd(f0),
        "f0_5perc": np.nanpercentile(f0, 5),
        "f0_95perc": np.nanpercentile(f0, 95),
    }
    S = librosa.feature.melspectrogram(y=y, sr=SR)
    image = librosa.power_to_db(S, ref=np.max)[:, :93]
    image = np.pad(image, [(0, 0), (0, 93 - image.shape[1])], constant_values=-80)
    return values, f0, image.mean(axis=1)


def assert_like_by_hand(y: np.ndarray, y_by_hand: np.ndarray) -> None:
    found = measured(y)
    values, f0, strength = by_hand(y_by_hand)
    track = pyin(y, sr=SR, fmin=F0_FMIN, fmax=8000, frame_length=1024)
    same = np.isnan(f0) == np.isnan(track.f0)
    cents = 1200 * np.abs(np.log2(track.f0 / f0))
    assert np.mean(same & ~(cents > 20)) >= 0.995
    for name in ("nwords", "duration", "words_per_second", "tempo"):
        assert found.values[name] == pytest.approx(values[name], rel=1e-12), name
    for name in F0:
        # Two frames of the track may differ: that shows in the outer percentiles first.
        assert found.values[name] == pytest.approx(values[name], rel=0.01), name
    assert np.abs(found.vectors["mel_strength"] - strength).max() < 0.01


@pytest.mark.parametrize(("f0", "duration_s", "seed"), [(110, 1.2, 0), (210, 1.6, 1)])
def test_a_voice_as_by_hand(f0, duration_s, seed):
    y = noisy_voice(f0, duration_s, seed)
    assert_like_by_hand(y, y)


def test_a_voice_cleaned_as_by_hand():
    y = noisy_voice(150, 1.5, 2)
    ours = clean(y, sr=SR, params=ARTICLE_CLEAN).y
    theirs = noisereduce.reduce_noise(y=y, sr=SR, stationary=False)
    theirs, _ = librosa.effects.trim(theirs, top_db=20)
    assert 0.3 * SR < ours.size < y.size  # both ends cut
    assert_like_by_hand(ours, theirs)


def test_a_recording_cleaned_as_by_hand(shared):
    y, _ = librosa.load(shared / "article" / "c4_sample-1.mp3", sr=SR)
    y = y[: 2 * SR]
    theirs, _ = librosa.effects.trim(
        noisereduce.reduce_noise(y=y, sr=SR, stationary=False), top_db=20
    )
    assert_like_by_hand(clean(y, sr=SR, params=ARTICLE_CLEAN).y, theirs)


def test_mel_strengths_of_a_long_clip_are_those_of_its_first_3_seconds():
    y = np.concatenate([noisy_voice(120, 3.2, 3), tone(3000, 1.0, amplitude=0.9)])
    S = librosa.feature.melspectrogram(y=y, sr=SR)
    expected = librosa.power_to_db(S, ref=np.max)[:, :93].mean(axis=1)
    assert np.abs(measured(y).vectors["mel_strength"] - expected).max() < 0.01


def test_mel_strengths_do_not_depend_on_gain():
    y = noisy_voice(120, 1.0, 4)
    half = measured((y / 2).astype(np.float32)).vectors["mel_strength"]
    assert np.abs(half - measured(y).vectors["mel_strength"]).max() < 1e-3


@pytest.mark.parametrize("f0", [100, 220, 2500])  # the last one: far above voices, as there
def test_f0_of_a_tone(f0):
    assert abs(1200 * math.log2(measured(tone(f0)).values["f0_median"] / f0)) < 20


@pytest.mark.parametrize("sr", [8000, 44_100, 48_000])
def test_other_rates_are_resampled(sr):
    found = measured(tone(150, 1.0, sr), sr).values
    assert found["duration"] == pytest.approx(1.0, abs=1e-4)
    assert found["f0_median"] == pytest.approx(150, rel=0.01)


def test_channels_are_averaged():
    y = noisy_voice(130, 0.6, 5)
    both = measured(np.stack([2 * y, np.zeros_like(y)]))
    assert both.values == measured(y).values


def test_silence_gives_nan_and_no_onsets():
    found = measured(np.zeros(SR, dtype=np.float32))
    assert found.values["nwords"] == 0
    assert found.values["duration"] == 1.0
    assert all(math.isnan(found.values[name]) for name in ["tempo", *F0])
    assert np.isnan(found.vectors["mel_strength"]).all()


@pytest.mark.parametrize("n", [1, 100, 511, 1023])
def test_a_clip_shorter_than_a_frame_is_measured(n):
    found = measured(tone(200, 1.0)[1 : n + 1])
    assert list(found.values) == COLUMNS
    assert found.values["duration"] == n / SR
    assert np.isfinite(found.vectors["mel_strength"]).all()


def test_empty_signals_are_refused():
    with pytest.raises(AudioTooShortError, match="The signal is empty"):
        measured(np.zeros(0, dtype=np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(bad):
    y = tone(100)
    y[5000] = bad
    with pytest.raises(ParameterError, match="not finite"):
        measured(y)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ParameterError, match="Unknown feature set 'x': choose one of"):
        features.extract(tone(100), sr=SR, feature_set="x")
    with pytest.raises(ParameterError, match="Unknown feature set"):
        features.feature_set("../x")
    with pytest.raises(ParameterError, match="sr=0 Hz must be above 0"):
        measured(tone(100), 0)
    with pytest.raises(ParameterError, match=r"got shape \(1, 2, 3\)"):
        measured(np.zeros((1, 2, 3), dtype=np.float32))


def test_the_columns_are_the_articles():
    assert list(ARTICLE.names) == COLUMNS
    assert ARTICLE.vectors == {"mel_strength": 128}
    found = measured(noisy_voice(120, 0.5, 6))
    assert list(found.values) == COLUMNS
    assert found.vectors["mel_strength"].shape == (128,)
    assert found.vectors["mel_strength"].dtype == np.float32


def test_onsets_are_not_called_words():
    for spec in ARTICLE.specs:
        assert "word" not in (spec.label + spec.about).lower(), spec.name
    by_name = {spec.name: spec for spec in ARTICLE.specs}
    assert by_name["nwords"].label == "Onsets"
    assert "not a word" in by_name["nwords"].caveat
    assert "follows the length of the clip" in by_name["tempo"].caveat
    assert all("octave" in by_name[name].caveat for name in F0)


@pytest.mark.parametrize("spec", ARTICLE.specs, ids=lambda s: s.name)
def test_every_feature_is_described(spec):
    assert spec.label
    assert spec.about.endswith(".")
    assert spec.source
    assert not spec.caveat or spec.caveat.endswith(".")


def test_importing_is_cheap():
    heavy = ["librosa", "sklearn", "numba", "noisereduce", "streamlit", "soundfile", "av", "scipy"]
    code = "import sys, core.features, core.features.article, core.segments;"
    code += f"print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_scipy_signal_and_stats_are_not_needed():
    code = "import sys, numpy as np; from core import clean, features; from core.params import *;"
    code += "y = np.random.default_rng(0).standard_normal(16000).astype('f4') / 9;"
    code += "y = clean.clean(y, sr=16000, params=ARTICLE_CLEAN).y;"
    code += "features.extract(y, sr=16000, feature_set='article-v1');"
    code += "print([m for m in ('scipy.signal', 'scipy.stats', 'librosa') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr

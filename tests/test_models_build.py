"""How the shipped model is made: other voices, measuring that survives its workers, one file."""

import numpy as np
import pytest

from conftest import SR, tone, voice
from core import pitch
from core.models import files, predict
from core.models._inputs import Heard
from models import augment, build, measure, voices

NAMES = (*build.LEARNT, augment.EXCITED, augment.WHISPER)


def f0_of(y):
    track = pitch.f0_track(y.astype(np.float32), sr=SR)
    return float(np.median(track.f0[track.voiced_flag])), float(track.voiced_flag.mean())


def vowel(f0, formants=(600, 1700, 2700), duration_s=1.0):
    """Pulses through resonances of 80 Hz width."""
    from scipy import signal

    y = np.zeros(round(duration_s * SR))
    y[(np.arange(0, duration_s * f0) * SR / f0).astype(int)] = 1.0
    for formant in formants:
        r, angle = np.exp(-np.pi * 80 / SR), 2 * np.pi * formant / SR
        y = signal.lfilter([1.0], [1.0, -2 * r * np.cos(angle), r * r], y)
    return 0.5 * y / np.abs(y).max()


def envelope_peaks(y):
    """Where the long-term spectrum, smoothed over 300 Hz, has its maximum around each formant."""
    power = np.abs(np.fft.rfft(y)) ** 2
    hz = SR / y.size
    smooth = np.convolve(power, np.hanning(round(400 / hz)), "same")
    found = []
    for formant in (600, 1700, 2700):
        low = round((formant - 300) / hz)
        found.append((low + np.argmax(smooth[low : low + round(600 / hz)])) * hz)
    return np.array(found)


@pytest.mark.parametrize("semitones", [3.0, 5.0])
@pytest.mark.parametrize("f0", [100, 160, 220])
def test_a_raised_voice_has_the_pitch_asked_for_and_its_formants(f0, semitones):
    y = vowel(f0)
    z = voices.raised(y, semitones)
    assert z.size == y.size
    found, share = f0_of(z)
    assert 12 * np.log2(found / f0) == pytest.approx(semitones, abs=0.3)
    assert share > 0.8
    assert np.abs(envelope_peaks(z) - envelope_peaks(y)).max() < 130  # a fraction of one harmonic


def test_raising_leaves_what_is_not_voiced():
    y = 0.1 * np.random.default_rng(0).standard_normal(SR)
    assert np.array_equal(voices.raised(y, 4.0), y)


def test_a_whisper_has_the_level_and_no_pitch():
    y = vowel(120)
    z = voices.whispered(y, np.random.default_rng(0))
    assert z.size == y.size
    assert np.sqrt(np.mean(z**2)) == pytest.approx(np.sqrt(np.mean(y**2)), rel=1e-6)
    assert f0_of(y)[1] > 0.9
    assert pitch.f0_track(z.astype(np.float32), sr=SR).voiced_flag.mean() < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_is_the_same_each_time_and_another_for_another_clip(name):
    y = voice(130)
    first = augment.variant(y, name, "a")
    assert np.array_equal(first, augment.variant(y, name, "a"))
    assert first.dtype == np.float32
    assert np.abs(first).max() <= 1
    assert abs(first.size / y.size - 1) <= (0.06 if name == augment.RAISED else 0)
    assert name == "clean" or not np.array_equal(first, augment.variant(y, name, "b"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 100, 1000])
def test_a_variant_of_next_to_nothing_is_finite(name, size):
    assert np.isfinite(augment.variant(tone(200)[:size], name, "a")).all()


# Measuring


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Five clips that exist by name, in units of two."""
    monkeypatch.setattr(measure, "UNIT", 2)
    monkeypatch.setenv("PYTHONPATH", "tests")
    items = []
    for i in range(5):
        path = tmp_path / f"{i}.wav"
        path.write_bytes(b"x")
        items.append({"clip_id": f"made/{i}", "path": str(path), "variants": ("clean", "line")})
    return items


def test_rows_do_not_depend_on_the_workers_and_are_kept(made, tmp_path):
    names = {"function": "models_stand_in:numbers", "cache": tmp_path / "kept"}
    told = []
    first = measure.measured(made, workers=2, say=lambda *n: told.append(n), **names)
    assert first.clip_ids.tolist() == [f"made/{i}" for i in range(5) for _ in range(2)]
    assert first.variants.tolist() == ["clean", "line"] * 5
    assert (told[0], told[-1]) == ((0, 5), (5, 5))
    units = sorted((tmp_path / "kept").rglob("*.npz"))
    units[0].unlink()
    units[1].write_bytes(b"half a file")
    again = measure.measured(made, workers=1, **names)
    assert np.array_equal(again.X, first.X)
    times = [len((tmp_path / f"{i}.times").read_text()) for i in range(5)]
    assert times == [2, 2, 2, 2, 1]


def test_a_clip_that_ends_its_worker_is_told_and_the_rest_go_on(made):
    found = measure.measured(made, workers=2, function="models_stand_in:deadly")
    assert set(found.failed) == {"made/1", "made/2"}
    assert "again and again" in found.failed["made/1"]
    assert set(found.clip_ids) == {"made/0", "made/3", "made/4"}


def test_other_clips_or_variants_have_another_place_in_the_cache(made):
    first = measure.fingerprint(made)
    assert first == measure.fingerprint([dict(item) for item in made])
    assert first != measure.fingerprint(made[:4])
    assert first != measure.fingerprint([{**item, "variants": ("clean",)} for item in made])


# From measurements to the file


def clips(n, variants, speakers, seed):
    """Rows in which the pitch tells the label."""
    rng = np.random.default_rng(seed)
    X, ids, names, gender, who = [], [], [], [], []
    at = build.columns().index("f0_median_hz")
    for i in range(n):
        label = build.LABELS[i % 2]
        own = rng.normal(size=len(build.columns()))
        for name in variants:
            x = own + 0.1 * rng.normal(size=own.size)
            x[at] = (210, 115)[i % 2] + 10 * rng.normal()
            X.append(x)
            ids.append(f"made/{seed}_{i:03d}")
            names.append(name)
            gender.append(label)
            who.append(f"s{i // 2}_{label}" if speakers else "")
    text = [np.array(v, dtype=object) for v in (ids, names, gender, who)]
    blank = np.full(len(X), "", dtype=object)
    voiced = np.tile([3.0, 0.5, 2.0], (len(X), 1))
    locale = np.array([f"l{int(i[-3:]) // 2 % 7}" for i in ids], dtype=object)
    return build.Clips(np.array(X, dtype=np.float32), *text, locale, blank, voiced)


def test_the_same_clips_give_the_same_file_and_its_card_says_how_it_was_judged(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(build, "SEEDS", (0,))
    monkeypatch.setattr(build, "SETTINGS", ((0.02, 0.0), (0.02, 0.1)))
    voices_, article = clips(60, NAMES, True, 0), clips(20, ("clean",), False, 1)
    extra = [build.write(voices_, article, tmp_path / name) for name in ("a", "b")]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert extra[0]["scores"]["Balanced accuracy"]["value"] > 0.7
    assert set(extra[0]["conditions"]) == {*build.LEARNT, augment.EXCITED}
    assert extra[0]["settings"]["shipped"] in build.SETTINGS
    loaded = files.load(tmp_path / "a")
    assert loaded.trained.columns == build.columns()
    assert loaded.card["whispered"]["clips"] == 60
    assert loaded.card["whispered"]["answered"] > 0.5  # these have a voice


def test_training_and_test_share_no_speaker_and_no_clip():
    found = clips(40, ("clean", "line"), True, 0)
    rows = np.ones(len(found.X), dtype=bool)
    parts = list(build.parted(found, rows, 4, 0))
    assert np.sum([test for _, test in parts], axis=0).tolist() == [1] * len(found.X)
    for train, test in parts:
        assert not set(found.speakers[train]) & set(found.speakers[test])
        assert not set(found.clip_ids[train]) & set(found.clip_ids[test])


def test_what_is_tested_on_only_is_never_learnt_from(monkeypatch):
    found = clips(20, NAMES, True, 0)
    seen = []
    monkeypatch.setattr(build, "fitted", lambda X, *rest: seen.append(len(X)))
    build.train_on(found, np.ones(len(found.X), dtype=bool), clips(4, ("clean",), False, 1), (1, 0))
    assert seen == [20 * len(build.LEARNT) + 4]


def test_labels_that_a_fit_does_not_believe_are_left_out_of_training():
    found = clips(400, ("clean",), True, 0)
    codes = build.codes_of(found).copy()
    found.X[:, 20:60] += 2 * codes[:, None]
    codes[:4] = 1 - codes[:4]
    weights = np.ones(len(codes))
    assert 4 <= build.fitted(found.X, codes, weights, (0.002, 0.3))[1] < 20
    assert build.fitted(found.X, codes, weights, (0.002, 0.0))[1] == 0


def test_a_tube_of_17_5_cm_is_found_from_its_resonances():
    assert build._tract_cm(np.array([500.0, 1500.0, 2500.0])) == 17.5
    assert build._tract_cm(np.array([500.0, np.nan, 2500.0])) is None


@pytest.mark.parametrize(
    ("voiced_s", "said"), [(0.05, "Too little voice"), (0.2, "10 % of the speech"), (0.5, None)]
)
def test_speech_with_hardly_any_voice_gets_no_answer(voiced_s, said):
    found = predict.too_little(Heard(np.zeros(1), 3.0, 2.0, voiced_s))
    assert (said is None and not found) or said in found[0]

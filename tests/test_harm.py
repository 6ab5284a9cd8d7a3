import math

import numpy as np
import pytest

from conftest import SR, tone, voice
from core import clean, harm
from core.errors import AudioTooShortError, ParameterError
from core.features import feature_set
from core.params import Denoise


def recording(snr_db: float = 20.0) -> np.ndarray:
    """Two seconds of voice with half a second of noise alone at both ends."""
    speech = np.pad(voice(duration_s=2.0), SR // 2)
    noise = np.random.default_rng(0).standard_normal(speech.size)
    rms = np.sqrt(np.mean(speech[SR // 2 : -SR // 2] ** 2))
    return (speech + noise * rms * 10 ** (-snr_db / 20)).astype(np.float32)


def test_nothing_done_is_no_harm():
    y = recording()
    found = harm.changes(y, y, SR)
    assert (found.speech_db, found.noise_db, found.speech_removed) == (0, 0, 0)
    assert found.snr_before == found.snr_after == pytest.approx(20, abs=2)
    assert not any(c.lost for c in found.features)
    assert {c.shift for c in found.features if math.isfinite(c.shift)} == {0}


def test_halving_takes_6_db_of_all_and_three_quarters_of_the_energy():
    y = recording()
    found = harm.changes(y, y / 2, SR)
    assert found.speech_db == pytest.approx(-6.02, abs=0.01)
    assert found.noise_db == pytest.approx(-6.02, abs=0.01)
    assert found.speech_removed == pytest.approx(0.75, abs=1e-4)
    assert found.snr_after == pytest.approx(found.snr_before, abs=0.1)


def test_noise_taken_from_pauses_alone_leaves_the_speech():
    y = recording()
    done = y.copy()
    done[: SR // 2 - 160] /= 10
    done[-SR // 2 + 160 :] /= 10
    found = harm.changes(y, done, SR)
    assert found.noise_db == pytest.approx(-20, abs=1)
    assert found.speech_db == pytest.approx(0, abs=0.1)
    assert found.speech_removed == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize("silence_s", [0, 4])
def test_perfect_cleaning_of_loud_noise_changes_no_speech(silence_s):
    zeros = silence_s * SR
    y, speech = (np.pad(recording(snr_db), zeros) for snr_db in (3, 60))
    found = harm.changes(y, speech, SR)
    assert found.speech_db == pytest.approx(0, abs=0.3)
    assert found.speech_removed == pytest.approx(0, abs=0.05)
    assert found.noise_db < -25


def test_a_band_that_held_speech_counts_as_speech_removed():
    y = np.pad(tone(300, 2.0) + tone(2000, 2.0), SR // 2)
    y += 1e-3 * np.random.default_rng(0).standard_normal(y.size).astype(np.float32)
    done = y - np.pad(tone(2000, 2.0), SR // 2)
    assert harm.changes(y, done, SR).speech_removed == pytest.approx(0.5, abs=0.01)


def test_noisereduce_harms_clean_speech_more_than_log_spectral_amplitude():
    y = recording(45)
    ours = harm.changes(y, clean.denoise_lsa(y, sr=SR, strength_db=12), SR)
    gate = clean.denoise_noisereduce(y, sr=SR, params=Denoise(method="noisereduce"))
    theirs = harm.changes(y, gate, SR)
    assert abs(ours.speech_db) < 1 and theirs.speech_db < -3
    assert ours.speech_removed < 0.2 and theirs.speech_removed > 0.4


def test_a_shift_is_counted_in_usual_spreads():
    y = recording()
    found = {c.spec.name: c for c in harm.changes(y, y / 2, SR).features}["rms_dbfs"]
    assert found.after - found.before == pytest.approx(-6.02, abs=0.01)
    assert found.shift == pytest.approx(-6.02 / harm.usual_spread("rms_dbfs"), abs=0.01)


def test_features_come_lost_first_then_most_changed_and_unknown_last():
    y = recording()
    found = harm.changes(y, np.zeros_like(y), SR).features
    lost = [c.lost for c in found]
    assert any(lost) and lost == sorted(lost, reverse=True)
    shifts = [abs(c.shift) for c in harm.changes(y, y / 2, SR).features]
    known = [s for s in shifts if math.isfinite(s)]
    assert shifts[: len(known)] == sorted(known, reverse=True)
    assert all(math.isnan(s) for s in shifts[len(known) :]) and len(known) > 40


def test_every_feature_has_a_usual_spread():
    spreads = [harm.usual_spread(name) for name in feature_set(harm.FEATURES).names]
    assert all(spread > 0 for spread in spreads)
    assert math.isnan(harm.usual_spread("unknown"))


def test_the_answer_is_asked_before_and_after():
    y = recording()
    found = harm.changes(y, y / 2, SR, answer=lambda y, sr: (sr, float(np.abs(y).max())))
    peak = float(np.abs(y).max())
    assert found.answers == ((SR, peak), (SR, peak / 2))
    assert harm.changes(y, y, SR).answers is None


@pytest.mark.parametrize("sr", [8000, 16_000, 48_000])
def test_silence_has_no_answer_and_no_error(sr):
    y = np.zeros(sr, np.float32)
    found = harm.changes(y, y, sr)
    assert math.isnan(found.speech_db) and math.isnan(found.noise_db)
    assert math.isnan(found.speech_removed) and math.isnan(found.snr_before)


def test_digital_silence_between_words_says_nothing_about_noise():
    y = np.pad(voice(duration_s=1.0), SR // 2)
    assert math.isnan(harm.changes(y, y, SR).noise_db)


def test_long_recordings_are_the_same_in_small_blocks(monkeypatch):
    y = recording()
    done = clean.denoise_lsa(y, sr=SR, strength_db=12)
    whole = harm._lost(y, done, SR)
    monkeypatch.setattr(harm, "_BLOCK", 7)
    assert harm._lost(y, done, SR) == pytest.approx(whole, rel=1e-6)


def test_signals_that_do_not_lie_on_each_other_are_refused():
    y = recording()
    with pytest.raises(ParameterError, match="of one length"):
        harm.changes(y, y[1:], SR)
    with pytest.raises(ParameterError, match="mono"):
        harm.changes(np.stack([y, y]), np.stack([y, y]), SR)
    with pytest.raises(AudioTooShortError):
        harm.changes(y[:0], y[:0], SR)

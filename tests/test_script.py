"""The shown script is run, and its numbers compared with the page's."""

from dataclasses import replace

import numpy as np
import pytest

from conftest import SR, voice
from core import audio, clean, compare, script, spectra
from core._lsa_listing import lsa
from core.audio import ClipRef
from core.compare import Look, Window
from core.params import (
    ARTICLE_CLEAN,
    CleanParams,
    Denoise,
    Gain,
    HighPass,
    HumNotch,
    SpectraParams,
    Trim,
)


def noisy_voice(sr: int = SR) -> np.ndarray:
    quiet = np.zeros(sr // 4, np.float32)
    y = np.concatenate([quiet, voice(140, 1.0, sr), quiet])
    return y + 0.01 * np.random.default_rng(3).standard_normal(y.size).astype(np.float32)


CHAINS = {
    "default": CleanParams(),
    "article": ARTICLE_CLEAN,
    "all steps": CleanParams(
        HighPass(True, 90.0),
        HumNotch(True, 60.0, 3),
        Denoise(strength_db=20.0),
        Trim(top_db=30.0),
        Gain(True, -6.0),
    ),
    "none": CleanParams(denoise=Denoise(on=False), trim=Trim(on=False)),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("sr", [None, 8000])
def test_the_script_gives_the_pages_numbers(name, sr, wav, tmp_path, monkeypatch):
    path = wav(noisy_voice())
    chain = CHAINS[name]
    y, rate = audio.load(ClipRef.of(path), sr)
    params = SpectraParams(n_fft=1024, hop_length=256, n_mels=40, n_mfcc=13, top_db=70)
    look = Look(Window(0.0, y.size / rate), "log", params)
    text = script.clip_script(str(path), sr=sr, chain=chain, look=look)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    got: dict = {}
    exec(compile(text, "script", "exec"), got)

    done = clean.clean(y, sr=rate, params=chain)
    assert got["y_clean"].size == done.y.size
    assert got["start"] == done.start
    assert np.abs(got["y_clean"] - done.y).max() < 2e-3 * np.abs(done.y).max()
    S = spectra.stft_power(y, sr=rate, params=params)
    want = spectra.power_to_db(S, ref=float(S.max()), top_db=70)
    assert np.abs(got["S_db"] - want).max() < 0.05
    mel = spectra.mel_power(S, sr=rate, params=params)
    assert np.abs(
        got["mel_db"] - spectra.power_to_db(mel, ref=float(mel.max()), top_db=70)
    ).max() < (0.05)
    assert np.abs(got["mfcc_before"] - spectra.mfcc(mel, n_mfcc=13)).max() < 0.05
    assert (tmp_path / "cleaned.wav").is_file()


def test_the_scripts_pictures_are_those_of_the_page(wav, tmp_path, monkeypatch):
    path = wav(noisy_voice())
    y, rate = audio.load(ClipRef.of(path))
    look = Look(Window(0.0, y.size / rate), width=400)
    text = script.clip_script(str(path), sr=None, chain=CleanParams(), look=look)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    got: dict = {}
    exec(compile(text, "script", "exec"), got)
    before = compare.side(y, sr=rate, look=look)
    after = compare.side_after(clean.clean(y, sr=rate), before, look=look)
    assert before.mel.z.max() == pytest.approx(got["mel_db"].max(), abs=0.01)
    assert np.nanmax(after.mel.z) == pytest.approx(got["mel_clean_db"].max(), abs=0.1)


def test_the_listing_in_the_script_is_the_compiled_method():
    y = noisy_voice()
    fast = clean.denoise_lsa(y, sr=SR, strength_db=15.0)
    assert np.abs(lsa(y, SR, 15.0) - fast).max() < 2e-3 * np.abs(y).max()


def test_a_file_name_cannot_break_out_of_its_string():
    look = Look(Window(0.0, 1.0))
    name = "x'); import os; os.system('echo');\n#"
    text = script.clip_script(name, sr=None, chain=CleanParams(), look=look)
    tree = compile(text, "script", "exec")
    assert repr(name) in text
    assert tree


def test_a_window_is_in_the_script():
    look = Look(Window(1.25, 1.5))
    text = script.clip_script("a.wav", sr=16000, chain=CleanParams(), look=look)
    assert "y[round(1.25 * sr) : round(1.5 * sr)]" in text
    whole = replace(look, window=Window(0.0, 3.0))
    assert text != script.clip_script("a.wav", sr=16000, chain=CleanParams(), look=whole)

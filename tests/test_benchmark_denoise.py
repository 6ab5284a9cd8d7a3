import numpy as np
import pytest

from benchmarks import denoise
from conftest import tone, voice


def test_si_sdr_of_known_noise_is_its_snr_whatever_the_level():
    speech = tone(300, 2.0).astype(np.float64)
    noise = tone(700, 2.0) / 10
    assert denoise.si_sdr(speech, 3 * (speech + noise)) == pytest.approx(20, abs=0.1)


def test_the_level_of_speech_is_its_own_whatever_is_added():
    speech = tone(300, 2.0).astype(np.float64)
    assert denoise.speech_level(speech, speech / 2 + tone(700, 2.0)) == pytest.approx(
        -6.02, abs=0.1
    )


def test_mixes_have_their_snr():
    voices = [(0.05 * voice(f0) / 0.2).astype(np.float32) for f0 in range(100, 170, 10)]
    found = denoise.mixes(voices, 0)
    assert [m[0] for m in found] == ["none"] + ["white"] * 4 + ["babble"] * 4 + ["hum"] * 4
    for _, snr_db, mix in found[1:]:
        rms = np.sqrt(np.mean((mix - voices[0]) ** 2))
        assert 20 * np.log10(0.05 / rms) == pytest.approx(snr_db, abs=0.1)

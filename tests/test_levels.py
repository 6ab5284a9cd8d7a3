import math

import numpy as np
import pytest

from conftest import tone
from core.levels import peak_dbfs, rms_dbfs


def test_full_scale_sine_is_0_dbfs_peak_and_3_db_less_rms():
    y = tone(1000, amplitude=1.0)
    assert peak_dbfs(y) == pytest.approx(0, abs=1e-3)
    assert rms_dbfs(y) == pytest.approx(-3.0103, abs=1e-3)


def test_half_gain_is_6_db_less():
    y = tone(440, amplitude=0.8)
    assert peak_dbfs(y) - peak_dbfs(y / 2) == pytest.approx(6.0206, abs=1e-4)
    assert rms_dbfs(y) - rms_dbfs(y / 2) == pytest.approx(6.0206, abs=1e-4)


def test_the_rms_of_a_long_signal_is_that_of_all_its_samples_and_channels():
    y = np.random.default_rng(0).standard_normal((2, 100_003)).astype(np.float32) / 10
    y[:, 70_000:] *= 5
    expected = 10 * math.log10(np.mean(y.astype(np.float64) ** 2))
    assert rms_dbfs(y) == pytest.approx(expected, abs=1e-6)


def test_negative_peak_counts():
    assert peak_dbfs(np.array([0.1, -0.5], np.float32)) == pytest.approx(-6.0206, abs=1e-4)


def test_two_channels_give_one_level():
    y = np.stack([tone(440, amplitude=1.0), np.zeros(16_000, np.float32)])
    assert peak_dbfs(y) == pytest.approx(0, abs=1e-3)
    assert rms_dbfs(y) == pytest.approx(-6.0206, abs=1e-3)


@pytest.mark.parametrize("level", [peak_dbfs, rms_dbfs])
@pytest.mark.parametrize("y", [np.zeros(100, np.float32), np.zeros(0, np.float32)])
def test_silence_and_nothing_give_nan(level, y):
    assert math.isnan(level(y))


def test_faintest_samples_have_a_level():
    y = np.full(100, 1e-30, np.float32)
    assert peak_dbfs(y) == pytest.approx(-600, abs=0.01)
    assert rms_dbfs(y) == pytest.approx(-600, abs=0.01)

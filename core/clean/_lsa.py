"""Noise reduction by the MMSE log-spectral amplitude estimator."""

from functools import lru_cache

import numpy as np

from core.spectra import zero_padded

_FRAME_S = 0.032
_BLOCK_SAMPLES = 2**18  # windowed samples in work at once: bounds the memory
_QUIET_SHARE = 0.12  # of the frames: where the noise is measured first
_TABLE_DB = (-80.0, 60.0)
_CLEAN_DB = 28.0  # an SNR this far above the strength is clean: nothing is taken away
_FADE_DB = 20.0


def denoise_lsa(y: np.ndarray, *, sr: int, strength_db: float) -> np.ndarray:
    """Noise reduction by the MMSE log-spectral amplitude estimator [#]_.

    The noise is tracked by the probability that speech is present [#]_, starting from the mean of
    the quietest 12 % of the frames. Frames of 32 ms, half overlapped, square-root Hann windows.
    Speech that stands far above its noise is left alone: less and less is taken away from an SNR
    of ``strength_db`` + 8 dB on, nothing from 20 dB above. A sound held for a second or more
    without a pause, a tone or a sung vowel, is taken for noise.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal of any length.
    sr : int > 0
        Sampling rate in Hz.
    strength_db : float >= 0
        Most that is taken away, dB; 0 returns the input.

    Returns
    -------
    np.ndarray [shape=(n,)], float32

    References
    ----------
    .. [#] Y. Ephraim, D. Malah, "Speech enhancement using a minimum mean-square error log-spectral
       amplitude estimator", IEEE Trans. ASSP 33(2), 1985.
    .. [#] T. Gerkmann, R. Hendriks, "Unbiased MMSE-based noise power estimation with low
       complexity and low tracking delay", IEEE Trans. ASLP 20(4), 2012.
    """
    from scipy import fft

    from core._kernels_clean import lsa_gain

    if strength_db == 0 or not y.any():
        return np.array(y, dtype=np.float32)
    n_fft = max(2, int(sr * _FRAME_S) // 2 * 2)
    hop, window = n_fft // 2, _window(n_fft)
    total = (y.size + 2 * n_fft) // hop + 1
    noise, snr_db = _first_noise(y, total, window)
    strength_db *= min(max((_CLEAN_DB + strength_db - snr_db) / _FADE_DB, 0.0), 1.0)
    if strength_db == 0:
        return np.array(y, dtype=np.float32)
    speech, presence = np.zeros_like(noise), np.full_like(noise, 0.5)
    floor, table = 10 ** (-strength_db / 20), _table()
    out = np.zeros((total + 1) * hop, dtype=np.float32)
    for numbers in _blocks(total, n_fft):
        D = fft.rfft(_frames(y, numbers[0], numbers.size, window), axis=1)
        P = _power(D)
        G = np.empty_like(P)
        lsa_gain(P, noise, speech, presence, floor, table, _TABLE_DB, G)
        part = fft.irfft(D * G, n_fft, axis=1) * window
        start, stop = numbers[0] * hop, (numbers[-1] + 1) * hop
        out[start:stop] += part[:, :hop].reshape(-1)
        out[start + hop : stop + hop] += part[:, hop:].reshape(-1)
    return out[n_fft : n_fft + y.size]


def _first_noise(y: np.ndarray, total: int, window: np.ndarray) -> tuple[np.ndarray, float]:
    """Power of the noise before tracking, (d,) float64: of the quietest frames that hold sound.

    And how far the louder half of the frames stands above it, dB.
    """
    from scipy import fft

    blocks = list(_blocks(total, window.size))
    energy = np.concatenate(
        [_power(fft.rfft(_frames(y, b[0], b.size, window), axis=1)).sum(axis=1) for b in blocks]
    )
    heard = np.flatnonzero(energy > 1e-9 * energy.max())
    count = max(4, int(_QUIET_SHARE * heard.size))
    quiet = np.sort(heard[np.argsort(energy[heard], kind="stable")[:count]])
    power = np.zeros(window.size // 2 + 1)
    for number in quiet:
        power += _power(fft.rfft(_frames(y, number, 1, window), axis=1))[0]
    noise = 1.2 * power / max(1, quiet.size) + 1e-12  # none is heard at the limit of float32
    if quiet.size == 0:
        return noise, 0.0
    loud = energy[heard][energy[heard] >= np.median(energy[heard])].mean()
    return noise, float(10 * np.log10(loud / energy[quiet].mean()))


def _blocks(total: int, n_fft: int) -> list[np.ndarray]:
    size = max(1, _BLOCK_SAMPLES // n_fft)
    return [np.arange(start, min(start + size, total)) for start in range(0, total, size)]


def _frames(y: np.ndarray, first: int, count: int, window: np.ndarray) -> np.ndarray:
    """Windowed frames, (count, n_fft); frame 0 lies wholly before the signal."""
    n_fft, hop = window.size, window.size // 2
    start = first * hop - n_fft
    part = zero_padded(y, start, start + (count - 1) * hop + n_fft)
    return np.lib.stride_tricks.sliding_window_view(part, n_fft)[::hop] * window


def _power(D: np.ndarray) -> np.ndarray:
    return np.square(D.real) + np.square(D.imag)


@lru_cache(maxsize=8)
def _window(n_fft: int) -> np.ndarray:
    return np.sin(np.pi * (np.arange(n_fft) + 0.5) / n_fft).astype(np.float32)


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    from scipy.special import exp1

    return np.exp(exp1(10 ** (np.linspace(*_TABLE_DB, 2048) / 10)) / 2)

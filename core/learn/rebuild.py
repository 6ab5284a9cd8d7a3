"""Sound made again from what a representation keeps, to hear what it threw away.

Conventions: ``y`` is mono, float32; frames of 64 ms every 16 ms at 16 kHz (``PARAMS``); the result
has the length and the RMS level of the original, and no peak above 0.99.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from core import spectra
from core.errors import AudioTooShortError, ParameterError
from core.params import SpectraParams

PARAMS = SpectraParams(n_fft=1024, hop_length=256)
ITERATIONS = 32
MOMENTUM = 0.99
N_MELS, N_MFCC = 20, 13
PULSE_HZ = 3800.0  # harmonics of the buzz reach up to here
_PEAK = 0.99


class Kind(NamedTuple):
    """A representation to listen to: ``per_s`` numbers a second, what is kept and what is lost."""

    label: str
    per_s: float
    kept: str
    lost: str
    make: Callable[..., np.ndarray]


def griffin_lim(S: np.ndarray, *, n_samples: int, params: SpectraParams = PARAMS) -> np.ndarray:
    """A signal whose short-time magnitudes come near ``sqrt(S)``, from random phases (seeded).

    Parameters
    ----------
    S : np.ndarray [shape=(d, t)]
        Power, as of ``core.spectra.stft_power``.
    n_samples : int > 0
        Length of the signal.
    params : SpectraParams
        ``n_fft``, ``hop_length`` and ``window`` that ``S`` was made with.

    Returns
    -------
    np.ndarray [shape=(n_samples,)], float32

    Raises
    ------
    ParameterError
        ``S`` was made with another ``n_fft``.

    Notes
    -----
    Fast Griffin-Lim: N. Perraudin, P. Balazs, P. Søndergaard, WASPAA 2013; 32 rounds.
    """
    from scipy import fft

    if S.shape[0] != params.n_fft // 2 + 1:
        raise ParameterError(
            f"S has {S.shape[0]} rows, but n_fft={params.n_fft} gives {params.n_fft // 2 + 1}: "
            "use the settings it was made with."
        )
    n_fft, hop = params.n_fft, params.hop_length
    window = spectra.fft_window(params.window, n_fft)
    magnitude = np.sqrt(S.T).astype(np.float32)
    norm = _overlap_add(np.tile(window**2, (len(magnitude), 1)), hop)
    norm = np.maximum(norm, 1e-3 * norm.max(initial=1e-9))
    turns = np.random.default_rng(0).random(magnitude.shape, dtype=np.float32)
    guess = magnitude * np.exp(2j * np.pi * turns).astype(np.complex64)
    before = np.zeros_like(guess)
    for _ in range(ITERATIONS):
        padded = _overlap_add(fft.irfft(guess, n_fft, axis=1) * window, hop) / norm
        frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
        D = fft.rfft(frames * window, axis=1)
        guess = D + MOMENTUM * (D - before)
        before = D
        guess *= magnitude / np.maximum(np.abs(guess), 1e-12)
    padded = _overlap_add(fft.irfft(guess, n_fft, axis=1) * window, hop) / norm
    start = n_fft // 2
    return spectra.zero_padded(padded, start, start + n_samples)


def from_stft(y: np.ndarray, *, sr: int) -> np.ndarray:
    """From the magnitudes of the STFT, without its phases [shape of y]."""
    _long_enough(y)
    S = spectra.stft_power(y, sr=sr, params=PARAMS)
    return _as_loud(griffin_lim(S, n_samples=y.size), y)


def from_mel(y: np.ndarray, *, sr: int, n_mels: int = N_MELS) -> np.ndarray:
    """From ``n_mels`` mel bands: each band's power is spread evenly over it [shape of y]."""
    _long_enough(y)
    S = spectra.stft_power(y, sr=sr, params=PARAMS)
    weights = spectra.mel_filters(sr=sr, n_fft=PARAMS.n_fft, n_mels=n_mels)
    return _as_loud(griffin_lim(_spread(weights @ S, weights), n_samples=y.size), y)


def from_mfcc(y: np.ndarray, *, sr: int, n_mfcc: int = N_MFCC) -> np.ndarray:
    """From ``n_mfcc`` cepstral coefficients of 128 mel bands [shape of y]."""
    _long_enough(y)
    S = spectra.stft_power(y, sr=sr, params=PARAMS)
    weights = spectra.mel_filters(sr=sr, n_fft=PARAMS.n_fft, n_mels=PARAMS.n_mels)
    S_mel = smooth_mel(weights @ S, n_mfcc=n_mfcc)
    return _as_loud(griffin_lim(_spread(S_mel, weights), n_samples=y.size), y)


def from_f0(y: np.ndarray, *, sr: int, pulse: bool = False) -> np.ndarray:
    """A sine, or a buzz of equal harmonics, that follows f0 and level; silence where unvoiced.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int >= 8000
        Sampling rate in Hz.
    pulse : bool
        Whether to add the harmonics up to 3.8 kHz.

    Returns
    -------
    np.ndarray [shape=(n,)], float32
        Silence where no frame is voiced.
    """
    from core.pitch import f0_track

    _long_enough(y)
    track = f0_track(y, sr=sr)
    voiced = np.isfinite(track.f0)
    if not voiced.any():
        return np.zeros_like(y)
    times = np.arange(y.size) / sr
    f0 = np.interp(times, track.times[voiced], track.f0[voiced])
    level = _level(y, track.times, sr) * voiced
    phase = 2 * np.pi * np.cumsum(f0) / sr
    sound = np.sin(phase)
    if pulse:
        count = int(PULSE_HZ // f0.min())
        sound = sum(np.sin(k * phase) * (k * f0 < PULSE_HZ) for k in range(1, count + 1))
        sound = sound / np.sqrt(np.maximum(PULSE_HZ // f0, 1))
    return _as_loud((sound * np.interp(times, track.times, level)).astype(np.float32), y)


def smooth_mel(S_mel: np.ndarray, *, n_mfcc: int) -> np.ndarray:
    """Mel power as its first ``n_mfcc`` cepstral coefficients tell it [shape of S_mel]."""
    coefs = spectra.mfcc(S_mel, n_mfcc=n_mfcc)
    db = spectra.dct_matrix(len(S_mel), n_mfcc).T @ coefs
    return (10.0 ** (db / 10)).astype(np.float32)


def _spread(S_mel: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Power of bins whose bands have these powers, even within a band [shape=(d, t)]."""
    density = S_mel / np.maximum(weights.sum(axis=1), 1e-9)[:, None]
    return (weights.T @ density) / np.maximum(weights.sum(axis=0), 1e-9)[:, None]


def _overlap_add(frames: np.ndarray, hop: int) -> np.ndarray:
    t, n = frames.shape
    out = np.zeros((t + n // hop, hop), dtype=np.float32)
    for k in range(n // hop):
        out[k : k + t] += frames[:, k * hop : (k + 1) * hop]
    return out.ravel()[: (t - 1) * hop + n]


def _level(y: np.ndarray, times: np.ndarray, sr: int) -> np.ndarray:
    """RMS within 20 ms around each time [shape=(t,)]."""
    power = np.concatenate([[0.0], np.cumsum(np.square(y, dtype=np.float64))])
    half = round(0.010 * sr)
    at = np.rint(times * sr).astype(int)
    low, high = (at - half).clip(0, y.size), (at + half).clip(0, y.size)
    return np.sqrt((power[high] - power[low]) / np.maximum(high - low, 1))


def _as_loud(made: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``made`` at the RMS level of ``y``, quieter where it would go over full scale."""
    rms, own = (float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) for x in (y, made))
    peak = float(np.abs(made).max(initial=0.0))
    if own <= 0 or peak <= 0:
        return np.zeros_like(y)
    return (made * min(rms / own, _PEAK / peak)).astype(np.float32)


def _long_enough(y: np.ndarray) -> None:
    if y.ndim != 1 or y.size < PARAMS.n_fft:
        raise AudioTooShortError(
            f"Rebuilding needs one channel of at least {PARAMS.n_fft} samples, got {y.shape}: "
            "choose a longer recording."
        )


_FRAMES_PER_S = 16_000 / PARAMS.hop_length
KINDS = {
    "stft": Kind(
        "STFT without phase",
        (PARAMS.n_fft // 2 + 1) * _FRAMES_PER_S,
        "how strong each frequency is in each frame",
        "the phase: when within a frame each wave starts. It still sounds like the speaker, a "
        "little metallic, and clicks smear.",
        from_stft,
    ),
    "mel": Kind(
        "20 mel bands",
        N_MELS * _FRAMES_PER_S,
        "the power in 20 bands, spaced as the ear hears",
        "the single harmonics, so the melody: it whispers. The words are still there, because "
        "they live in the broad shape of the spectrum.",
        from_mel,
    ),
    "mfcc": Kind(
        "13 MFCCs",
        N_MFCC * _FRAMES_PER_S,
        "13 numbers for the smooth shape of the mel spectrum",
        "pitch, and the finer part of the vowels. What stays is what classic speech recognisers "
        "worked with.",
        from_mfcc,
    ),
    "f0": Kind(
        "f0 and level",
        2 * 100.0,
        "the pitch and the loudness, a hundred times a second",
        "every vowel and consonant. You hear the melody and the rhythm of the sentence, and not "
        "one word.",
        from_f0,
    ),
}

"""Spectrum, STFT, mel spectrogram and MFCC; the numbers of librosa 0.11 from one shared STFT.

Conventions: ``S`` is power, (d, t), frequency first; frames are centred, frame t at
``t * hop_length / sr``, and the signal counts as zero outside itself; mel is Slaney's scale and
normalisation, from 0 Hz to sr/2; dB are 10 log10 of power.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from core.errors import AudioTooShortError, ParameterError
from core.params import SpectraParams

MFCC_TOP_DB = 80.0  # librosa's; a display range must not change the coefficients
_AMIN = 1e-10  # power below this is raised to it, as in librosa.power_to_db
_BLOCK_SAMPLES = 2**16  # windowed samples transformed at once: fits the second-level cache

_COSINES = {  # periodic windows as sums of cosines
    "hann": (0.5, -0.5),
    "hamming": (0.54, -0.46),
    "blackman": (0.42, -0.5, 0.08),
    "boxcar": (1.0,),
}


class Spectrum(NamedTuple):
    """Magnitude over frequency: ``freqs`` in Hz and ``magnitude``, both (d,)."""

    freqs: np.ndarray
    magnitude: np.ndarray


def spectrum(y: np.ndarray, *, sr: int) -> Spectrum:
    """Magnitude of the Fourier transform of a whole clip, without window or scaling.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    Spectrum
        ``freqs`` in Hz, 0 to sr/2, and ``magnitude``, both (n // 2 + 1,).

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If the signal is not mono.
    """
    from scipy import fft

    y = _mono(y)
    return Spectrum(fft_freqs(sr=sr, n_fft=y.size), np.abs(fft.rfft(y)))


def fft_freqs(*, sr: int, n_fft: int) -> np.ndarray:
    """Centres of the bins of a Fourier transform of ``n_fft`` samples, Hz [shape=(d,)]."""
    return np.fft.rfftfreq(n_fft, 1 / sr)


def frame_times(n_frames: int, *, sr: int, hop_length: int) -> np.ndarray:
    """Centres of centred frames, s [shape=(t,)]."""
    return np.arange(n_frames) * (hop_length / sr)


def mel_freqs(n_mels: int, *, sr: int) -> np.ndarray:
    """Centres of the mel bands between 0 Hz and sr/2, Hz [shape=(n_mels,)]."""
    return mel_to_hz(np.linspace(0, hz_to_mel(sr / 2), n_mels + 2))[1:-1]


def hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    """Slaney's mel scale: linear below 1 kHz, logarithmic above.

    Source: M. Slaney, "Auditory Toolbox", version 2, 1998.
    """
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1000) / 1000) / _LOG_STEP)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """The inverse of ``hz_to_mel``, Hz."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(_LOG_STEP * (np.maximum(mel, 15) - 15)))


_LOG_STEP = np.log(6.4) / 27  # 27 steps from 1 kHz to 6.4 kHz


def n_frames(n_samples: int, *, params: SpectraParams) -> int:
    """Number of centred frames of a signal of ``n_samples`` >= 1."""
    padded = n_samples + 2 * (params.n_fft // 2)
    return max(0, padded - params.n_fft) // params.hop_length + 1


def stft_power(y: np.ndarray, *, sr: int, params: SpectraParams = SpectraParams()) -> np.ndarray:
    """Power of the short-time Fourier transform.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal; one sample is enough.
    sr : int > 0
        Sampling rate in Hz.
    params : SpectraParams
        ``n_fft``, ``hop_length`` and ``window`` are used.

    Returns
    -------
    np.ndarray [shape=(d, t)], float32
        ``abs(librosa.stft(y)) ** 2``.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If a setting cannot work, or the signal is not mono.
    """
    params.check(sr)
    y = _mono(y)
    S = np.empty((n_frames(y.size, params=params), params.n_fft // 2 + 1), dtype=np.float32)
    for start, block in power_blocks(y, params=params):
        S[start : start + len(block)] = block
    return S.T


def power_blocks(y: np.ndarray, *, params: SpectraParams) -> Iterator[tuple[int, np.ndarray]]:
    """The frames of ``stft_power``, a few at a time, for signals of any length.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], n >= 1
        Mono signal.
    params : SpectraParams
        Checked settings.

    Yields
    ------
    tuple of int and np.ndarray [shape=(frames, d)], float32
        Number of the first frame, and power, one row per frame; each array is new.
    """
    from scipy import fft

    n_fft, hop = params.n_fft, params.hop_length
    window = fft_window(params.window, n_fft)
    total = n_frames(y.size, params=params)
    size = max(4, _BLOCK_SAMPLES // n_fft)
    for start in range(0, total, size):
        count = min(size, total - start)
        first = start * hop - n_fft // 2
        part = zero_padded(y, first, first + (count - 1) * hop + n_fft)
        frames = np.lib.stride_tricks.sliding_window_view(part, n_fft)[::hop]
        D = fft.rfft(frames * window, axis=1, overwrite_x=True)
        yield start, np.square(D.real) + np.square(D.imag)


def mel_power(S: np.ndarray, *, sr: int, params: SpectraParams = SpectraParams()) -> np.ndarray:
    """Mel spectrogram of a power STFT.

    Parameters
    ----------
    S : np.ndarray [shape=(d, t)]
        Power, of ``stft_power``.
    sr : int > 0
        Sampling rate in Hz.
    params : SpectraParams
        ``n_fft`` and ``n_mels`` are used.

    Returns
    -------
    np.ndarray [shape=(n_mels, t)], float32
        ``librosa.feature.melspectrogram(S=S, sr=sr)``. A band narrower than the bins is 0.

    Raises
    ------
    ParameterError
        If a setting cannot work, or ``S`` was made with another ``n_fft``.
    """
    params.check(sr)
    if S.shape[0] != params.n_fft // 2 + 1:
        raise ParameterError(
            f"S has {S.shape[0]} rows, but n_fft={params.n_fft} gives {params.n_fft // 2 + 1}: "
            "use the settings it was made with."
        )
    return sparse_mel(sr, params.n_fft, params.n_mels) @ S


def mel_filters(*, sr: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Slaney-normalised triangles from 0 Hz to sr/2.

    Parameters
    ----------
    sr : int > 0
        Sampling rate in Hz.
    n_fft : int > 0
        Length of the transform, samples.
    n_mels : int > 0
        Number of bands.

    Returns
    -------
    np.ndarray [shape=(n_mels, n_fft // 2 + 1)], float32
        ``librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=n_mels)``.
    """
    edges = mel_to_hz(np.linspace(0, hz_to_mel(sr / 2), n_mels + 2))[:, None]
    freqs = fft_freqs(sr=sr, n_fft=n_fft)
    rising = (freqs - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - freqs) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))
    return weights.astype(np.float32)


@lru_cache(maxsize=16)
def sparse_mel(sr: int, n_fft: int, n_mels: int) -> Any:
    """``mel_filters`` as a scipy.sparse array: 98 % of the weights are zero."""
    from scipy.sparse import csr_array

    return csr_array(mel_filters(sr=sr, n_fft=n_fft, n_mels=n_mels))


def power_to_db(
    S: np.ndarray,
    *,
    ref: float | Callable[[np.ndarray], float],
    top_db: float | None,
) -> np.ndarray:
    """Decibels of power, as ``librosa.power_to_db``.

    Parameters
    ----------
    S : np.ndarray
        Power, any shape; powers below 1e-10 count as 1e-10.
    ref : float or callable
        Power of 0 dB, or a function of ``S`` that gives it (``np.max``).
    top_db : float > 0 or None
        Values more than this below the maximum are raised to it.

    Returns
    -------
    np.ndarray [shape of S]
        dB, of the floating type of ``S``.
    """
    S = np.asarray(S)
    ref_power = ref(S) if callable(ref) else ref
    S_db = 10.0 * np.log10(np.maximum(_AMIN, S))
    S_db -= 10.0 * np.log10(np.maximum(_AMIN, ref_power))
    if top_db is not None:
        np.maximum(S_db, S_db.max() - top_db, out=S_db)
    return S_db


def stft_db(S: np.ndarray, *, params: SpectraParams = SpectraParams()) -> np.ndarray:
    """A power STFT in dB re its maximum, ``params.top_db`` deep [shape=(d, t)]."""
    return power_to_db(S, ref=np.max, top_db=params.top_db)


def mel_db(S: np.ndarray, *, sr: int, params: SpectraParams = SpectraParams()) -> np.ndarray:
    """The mel spectrogram of a power STFT in dB re its maximum [shape=(n_mels, t)]."""
    return power_to_db(mel_power(S, sr=sr, params=params), ref=np.max, top_db=params.top_db)


def mfcc(S_mel: np.ndarray, *, n_mfcc: int) -> np.ndarray:
    """Mel-frequency cepstral coefficients.

    Parameters
    ----------
    S_mel : np.ndarray [shape=(n_mels, t)]
        Mel power, of ``mel_power``.
    n_mfcc : int > 0
        Number of coefficients, the 0th included; at most ``n_mels``.

    Returns
    -------
    np.ndarray [shape=(n_mfcc, t)], float32
        ``librosa.feature.mfcc``: orthonormal DCT-II of dB re 1, 80 dB deep.

    Raises
    ------
    ParameterError
        If ``n_mfcc`` is more than the number of mel bands.
    """
    if not 1 <= n_mfcc <= len(S_mel):
        raise ParameterError(f"n_mfcc={n_mfcc} does not work: choose 1 to {len(S_mel)} (n_mels).")
    return dct_matrix(len(S_mel), n_mfcc) @ power_to_db(S_mel, ref=1.0, top_db=MFCC_TOP_DB)


@lru_cache(maxsize=16)
def dct_matrix(n_mels: int, n_mfcc: int) -> np.ndarray:
    """Orthonormal DCT-II from ``n_mels`` bands to ``n_mfcc`` coefficients, read-only."""
    rows = np.arange(n_mfcc)[:, None]
    matrix = np.cos(np.pi * rows * (2 * np.arange(n_mels) + 1) / (2 * n_mels))
    matrix *= np.sqrt(np.where(rows == 0, 1, 2) / n_mels)
    return _read_only(matrix.astype(np.float32))


def zero_padded(y: np.ndarray, start: int, stop: int) -> np.ndarray:
    """``y[start:stop]`` as float32, where samples outside the signal are 0 [shape=(stop-start,)].

    A view where nothing had to be added.
    """
    part = np.asarray(y[max(start, 0) : max(stop, 0)], dtype=np.float32)
    if part.size == stop - start:
        return part
    padded = np.zeros(stop - start, dtype=np.float32)
    at = max(-start, 0)
    padded[at : at + part.size] = part
    return padded


@lru_cache(maxsize=16)
def fft_window(name: str, n_fft: int) -> np.ndarray:
    """Periodic window, float32, read-only [shape=(n_fft,)]; ``name`` is one of params.WINDOWS."""
    turns = np.arange(n_fft) / n_fft
    terms = [a * np.cos(2 * np.pi * k * turns) for k, a in enumerate(_COSINES[name])]
    return _read_only(np.sum(terms, axis=0).astype(np.float32))


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False  # cached and shared by all callers
    return array


def _mono(y: np.ndarray) -> np.ndarray:
    if y.ndim != 1:
        raise ParameterError(f"Spectra need one channel, got shape {y.shape}: mix down first.")
    if y.size == 0:
        raise AudioTooShortError("The signal is empty: spectra need at least one sample.")
    return np.asarray(y, dtype=np.float32)

"""Noise reduction as in the article: the numbers of noisereduce's non-stationary spectral gate."""

import math

import numpy as np

from core.params import Denoise
from core.spectra import fft_window, zero_padded

# Fixed in noisereduce 3.0.3's defaults.
_N_FFT = 1024
_HOP = 256
_CHUNK = 600_000
_PADDING = 30_000
_SLOPE = 10.0
_OVERLAP = 1.5  # sum of the squared Hann windows over a sample


def denoise_noisereduce(y: np.ndarray, *, sr: int, params: Denoise) -> np.ndarray:
    """Noise reduction by noisereduce's non-stationary spectral gate [#]_.

    Gives the numbers of ``noisereduce.reduce_noise(y, sr, stationary=False)`` 3.0.3, in chunks of
    600,000 samples as there, to 2e-6 of the peak. One difference: where a chunk holds nothing but
    zeros noisereduce gives NaN, and this gives zeros.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal of any length.
    sr : int > 0
        Sampling rate in Hz.
    params : Denoise
        noisereduce's five settings; ``strength_db`` is not used.

    Returns
    -------
    np.ndarray [shape=(n,)], float32

    Raises
    ------
    ParameterError
        If a setting cannot work at ``sr``.

    References
    ----------
    .. [#] T. Sainburg, "timsainb/noisereduce", https://github.com/timsainb/noisereduce, MIT.
    """
    params.check(sr)
    out = np.empty(y.size, dtype=np.float32)
    length = min(y.size, _CHUNK)
    for start in range(0, y.size, _CHUNK):
        stop = min(start + _CHUNK, y.size)
        out[start:stop] = _gate_chunk(y, start, stop, length, sr, params)
    return out


def _gate_chunk(
    y: np.ndarray, start: int, stop: int, length: int, sr: int, params: Denoise
) -> np.ndarray:
    """Samples ``start`` to ``stop``, gated within a chunk of ``length`` and its padding."""
    from scipy import fft

    # What the chunk holds of the signal; the rest of it, and all outside it, counts as zero.
    first = start - _PADDING
    begin, end = max(first, 0), min(start + length + _PADDING, y.size)
    part = y[begin:end]

    over_time, over_freq = _triangles(sr, params)
    last_frame = (length + 2 * _PADDING) // _HOP
    # Only frames that touch the signal, and those whose mask is smoothed into theirs.
    margin = over_time.size // 2 + 1
    k0 = max(0, (begin - first - _N_FFT // 2) // _HOP - margin)
    k1 = min(last_frame, (end - first + _N_FFT // 2) // _HOP + margin)
    at = first + k0 * _HOP - _N_FFT // 2
    padded = zero_padded(part, at - begin, at - begin + (k1 - k0) * _HOP + _N_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::_HOP]
    window = fft_window("hann", _N_FFT)
    D = fft.rfft(frames * window, axis=1, overwrite_x=True)
    D *= _mask(np.abs(D), last_frame - k1, over_time, over_freq, sr, params)
    gated = fft.irfft(D, _N_FFT, axis=1, overwrite_x=True) * window

    out = np.zeros(padded.size, dtype=np.float32)
    for shift in range(0, _N_FFT, _HOP):
        out[shift : shift + len(gated) * _HOP] += gated[:, shift : shift + _HOP].reshape(-1)
    return out[start - at : stop - at] / np.float32(_OVERLAP)


def _mask(
    A: np.ndarray,
    n_after: int,
    over_time: np.ndarray,
    over_freq: np.ndarray,
    sr: int,
    params: Denoise,
) -> np.ndarray:
    """Gain of each frame and bin of the magnitudes ``A``; ``n_after`` zero frames follow them."""
    from core._kernels_clean import sigmoid_mask, smooth_both_ways, smooth_mask

    frames = params.time_constant_s * sr / _HOP
    b = (math.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)
    mask = np.empty_like(A)
    smooth_both_ways(A, b, _tail(1 - b, n_after), mask)
    sigmoid_mask(A, mask, float(params.thresh_n_mult_nonstationary), _SLOPE)
    if max(over_time.size, over_freq.size) > 3:  # as there: the two smallest do not smooth
        smooth_mask(mask, over_time, over_freq)
    mask *= np.float32(params.prop_decrease)
    mask += np.float32(1 - params.prop_decrease)
    return mask


def _tail(a: float, n_after: int) -> float:
    """State in which the backward filter arrives from zero frames, re the last forward value.

    The forward value decays by ``a`` a frame; the backward filter starts settled at its end.
    """
    if n_after == 0:
        return 1.0
    settled = a ** (2 * n_after - 1)
    return settled + (1 - a) * a * (1 - a ** (2 * n_after - 2)) / (1 - a * a)


def _triangles(sr: int, params: Denoise) -> tuple[np.ndarray, np.ndarray]:
    """Smoothing kernels of the mask over time and frequency; lengths as noisereduce rounds them."""
    over_time = int(params.time_mask_smooth_ms / ((_HOP / sr) * 1000))
    over_freq = int(params.freq_mask_smooth_hz / (sr / (_N_FFT / 2)))
    return _triangle(over_time), _triangle(over_freq)


def _triangle(n: int) -> np.ndarray:
    rise = np.arange(1, n + 2)
    kernel = np.concatenate([rise, rise[-2::-1]])
    return (kernel / kernel.sum()).astype(np.float32)

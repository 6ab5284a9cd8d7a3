"""Noise reduction as in the article: the numbers of noisereduce's non-stationary spectral gate."""

import math

import numpy as np

from core.params import Denoise
from core.spectra import fft_window

# Fixed in noisereduce 3.0.3's defaults.
_N_FFT = 1024
_HOP = 256
_CHUNK = 600_000
_PADDING = 30_000
_SLOPE = 10.0
_BLOCK = 32  # frames transformed at once: fits the second-level cache
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

    from core._kernels_frames import magnitudes, overlap_add, scale, window_frames

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
    at = first + k0 * _HOP - _N_FFT // 2 - begin
    D = np.empty((k1 - k0 + 1, _N_FFT // 2 + 1), dtype=np.complex64)
    A = np.empty(D.shape, dtype=np.float32)
    X = np.empty((min(_BLOCK, len(D)), _N_FFT), dtype=np.float32)
    window = fft_window("hann", _N_FFT)
    for k in range(0, len(D), _BLOCK):
        block = X[: len(D) - k]
        window_frames(part, at + k * _HOP, _HOP, window, block)
        D[k : k + _BLOCK] = fft.rfft(block, axis=1, overwrite_x=True)
        magnitudes(D[k : k + _BLOCK], A[k : k + _BLOCK])
    mask = _mask(A, last_frame - k1, over_time, over_freq, sr, params)
    out = np.zeros(stop - start, dtype=np.float32)
    for k in range(0, len(D), _BLOCK):
        rows = slice(k, k + _BLOCK)
        scale(D[rows], mask[rows])
        gated = fft.irfft(D[rows], _N_FFT, axis=1, overwrite_x=True)
        place = at + begin - start + k * _HOP
        overlap_add(gated, window, place, _HOP, np.float32(1 / _OVERLAP), out)
    return out


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

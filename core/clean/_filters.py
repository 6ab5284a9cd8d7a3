"""Linear filters without shift in time: high-pass and mains hum."""

import numpy as np

from core.params import HighPass, HumNotch


def high_pass(y: np.ndarray, *, sr: int, params: HighPass) -> np.ndarray:
    """Butterworth high-pass, forward and backward.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal; one sample is enough.
    sr : int > 0
        Sampling rate in Hz.
    params : HighPass
        Cut-off and order; both passes together attenuate the cut-off by 6 dB.

    Returns
    -------
    np.ndarray [shape=(n,)], float32

    Raises
    ------
    ParameterError
        If the cut-off or the order cannot work at ``sr``.
    """
    from scipy import signal

    params.check(sr)
    sos = signal.butter(params.order, params.cutoff_hz, "highpass", fs=sr, output="sos")
    # scipy's own padding, which needs more samples than the shortest clips have.
    zeros = min((sos[:, 2] == 0).sum(), (sos[:, 5] == 0).sum())
    padlen = min(3 * (2 * len(sos) + 1 - zeros), y.size - 1)
    return signal.sosfiltfilt(sos, y, padlen=int(padlen)).astype(np.float32)


def hum_notch(y: np.ndarray, *, sr: int, params: HumNotch) -> np.ndarray:
    """Second-order notches at the mains frequency and its harmonics, forward and backward.

    A notch of ``width_hz`` needs about 1 / (3 * width_hz) seconds to settle: at both ends of a
    clip some hum is left.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal; one sample is enough.
    sr : int > 0
        Sampling rate in Hz.
    params : HumNotch
        Mains frequency, number of notches, and their width; those at 0.45 sr and above are left
        out.

    Returns
    -------
    np.ndarray [shape=(n,)], float32

    Raises
    ------
    ParameterError
        If a setting cannot work at ``sr``.
    """
    from scipy import signal

    params.check(sr)
    for freq in hum_freqs(sr=sr, params=params):
        b, a = signal.iirnotch(freq, freq / params.width_hz, fs=sr)
        y = signal.filtfilt(b, a, y, padlen=min(3 * len(b), y.size - 1))
    return y.astype(np.float32)


def hum_freqs(*, sr: int, params: HumNotch) -> list[float]:
    """Frequencies of the notches, Hz: the harmonics below 0.45 sr."""
    freqs = [k * params.freq_hz for k in range(1, params.harmonics + 1)]
    return [freq for freq in freqs if freq < 0.45 * sr]

"""How loud a signal is, in dBFS.

Conventions: 0 dBFS is a sample of magnitude 1, for peak and RMS alike, so a full-scale sine has an
RMS of -3.01 dBFS; silence and empty signals are NaN, never minus infinity.
"""

import numpy as np


def peak_dbfs(y: np.ndarray) -> float:
    """Largest magnitude of a signal.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Signal.

    Returns
    -------
    float
        dBFS; NaN where the signal is silent or empty.
    """
    return _dbfs(max(float(y.max()), -float(y.min())) if y.size else 0.0)


def rms_dbfs(y: np.ndarray) -> float:
    """Root mean square of a signal, over all its channels.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Signal.

    Returns
    -------
    float
        dBFS; NaN where the signal is silent or empty.
    """
    peak = max(float(y.max()), -float(y.min())) if y.size else 0.0
    if not 0 < peak < np.inf:
        return float("nan")
    # Scaled by the peak first: squares of very faint samples would vanish in float32.
    y = y / y.dtype.type(peak)
    return _dbfs(peak * float(np.sqrt(np.mean(np.square(y), dtype=np.float64))))


def _dbfs(amplitude: float) -> float:
    return 20 * float(np.log10(amplitude)) if 0 < amplitude < np.inf else float("nan")

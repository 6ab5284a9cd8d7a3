"""Compiled loops over frames of a signal; imported at the call, because numba is slow to import.

Conventions: one row per frame; receivers are filled in place. Loops run over slices: an index that
may be negative, for all the compiler knows, keeps a loop from becoming vector instructions.
"""

from numba import njit
import numpy as np

# All of fastmath but its promise that neither NaN nor infinity comes up.
_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


@njit(cache=True, nogil=True, fastmath=_MATH)
def window_frames(y, first, hop, window, X):
    """Fill ``X`` [shape=(t, n_fft)] with windowed frames; the first starts at sample ``first``.

    ``y`` [shape=(n,)], float32, counts as zero outside itself.
    """
    n_fft = window.size
    for t in range(X.shape[0]):
        at = first + t * hop
        low, high = min(max(0, -at), n_fft), min(max(0, y.size - at), n_fft)
        X[t, :low] = 0
        if low < high:
            x, part, w = X[t, low:high], y[at + low : at + high], window[low:high]
            for i in range(x.size):
                x[i] = part[i] * w[i]
        X[t, max(low, high) :] = 0


@njit(cache=True, nogil=True, fastmath=_MATH)
def overlap_add(X, window, first, hop, scale, out):
    """Add frames [shape=(t, n_fft)], windowed and scaled, to ``out`` from sample ``first`` on."""
    for t in range(X.shape[0]):
        at = first + t * hop
        low, high = max(0, -at), min(window.size, out.size - at)
        if low < high:
            to, x, w = out[at + low : at + high], X[t, low:high], window[low:high]
            for i in range(to.size):
                to[i] += x[i] * w[i] * scale


@njit(cache=True, nogil=True, fastmath=_MATH)
def magnitudes(D, A):
    """Fill ``A`` [shape=(t, d)], float32, with the absolute values of ``D``, complex64."""
    for t in range(A.shape[0]):
        pairs, a = D[t].view(np.float32), A[t]
        for f in range(a.size):
            a[f] = np.sqrt(pairs[2 * f] * pairs[2 * f] + pairs[2 * f + 1] * pairs[2 * f + 1])


@njit(cache=True, nogil=True, fastmath=_MATH)
def scale(D, gains):
    """Multiply ``D`` [shape=(t, d)], complex64, by ``gains``, float32, in place."""
    for t in range(gains.shape[0]):
        pairs, g = D[t].view(np.float32), gains[t]
        for f in range(g.size):
            pairs[2 * f] *= g[f]
            pairs[2 * f + 1] *= g[f]

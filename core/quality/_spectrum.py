"""Long-term spectrum of the loud moments, and where it ends.

Conventions: power per bin, in dB where a name ends in _db; frequencies in Hz.
"""

from typing import NamedTuple

import numpy as np

DROP_DB = 12.0  # what an edge falls by at least, from 400 Hz below to 400 Hz above
_SPAN_HZ = 400.0
_LOWEST_HZ = 2500.0
_RANGE_DB = 60.0
_BEFORE_HZ, _SHOULDER_DB = 1000.0, 12.0


class LongTerm:
    """Mean power spectrum of the loudest two fifths of the frames of each window."""

    def __init__(self, sr: int):
        self.sr = sr
        self.n_fft = 1 << round(np.log2(sr / 24))
        self.power = np.zeros(self.n_fft // 2 + 1)
        self.frames = 0

    def add(self, y: np.ndarray) -> None:
        """Take in the next window (n,)."""
        from scipy import fft

        n = self.n_fft
        if y.size < n:
            return
        frames = np.lib.stride_tricks.sliding_window_view(y, n)[:: n // 2]
        energy = np.einsum("tn,tn->t", frames, frames)
        loud = np.flatnonzero((energy >= np.percentile(energy, 60)) & (energy > 0))
        window = np.hanning(n).astype(np.float32)
        for start in range(0, loud.size, 32):
            D = fft.rfft(frames[loud[start : start + 32]] * window, axis=1)
            self.power += (np.square(D.real) + np.square(D.imag)).sum(axis=0)
        self.frames += loud.size


class Edge(NamedTuple):
    """Where the spectrum ends, how much it falls there (NaN where it fades), and its low end."""

    freq: float
    drop_db: float
    low: float


def edge(spectrum: LongTerm) -> Edge:
    """Effective bandwidth: the steepest fall, or where the level is lost in the noise.

    NaN where no frame was heard. An own method: the mean level 400 Hz below and above.
    """
    nothing = float("nan")
    if not spectrum.frames:
        return Edge(nothing, nothing, nothing)
    S_db = 10 * np.log10(spectrum.power / spectrum.frames + 1e-14)
    S_db = np.convolve(np.pad(S_db, 4, mode="edge"), np.ones(9) / 9, mode="valid")
    df = spectrum.sr / spectrum.n_fft
    top = float(S_db.max())
    m = round(_SPAN_HZ / df)
    sums = np.concatenate([[0.0], np.cumsum(S_db)])
    at = np.arange(m, S_db.size - m)
    drop = (2 * sums[at] - sums[at - m] - sums[at + m]) / m
    drop[at * df < _LOWEST_HZ] = -np.inf
    low = float(np.argmax(S_db > top - 25) * df)
    if drop.size and drop.max() > DROP_DB:
        best = int(np.argmax(drop))
        return Edge(_shoulder(S_db, int(at[best]), df), float(drop[best]), low)
    above = np.flatnonzero(S_db > top - _RANGE_DB)
    return Edge(float(min(above[-1] * df, spectrum.sr / 2)), nothing, low)


def _shoulder(S_db: np.ndarray, at: int, df: float) -> float:
    """Where a slope whose steepest part is at bin ``at`` begins: flat filters fall for long."""
    first = max(0, at - round(_BEFORE_HZ / df))
    before = S_db[first : at + 1]
    return float((first + np.flatnonzero(before >= before.max() - _SHOULDER_DB)[-1]) * df)

"""Signals and spectra at display resolution, from clips of any length in bounded memory.

Conventions: a picture spans ``t0`` to ``t1`` seconds of a common time axis in columns of equal
width; ``offset_s`` is where the first sample lies on that axis; columns where the signal does not
exist are NaN. A column, or a row, shows the largest power in it, so that no click gets lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from core.errors import AudioTooShortError, ParameterError
from core.params import SpectraParams
from core.spectra import (
    MFCC_TOP_DB,
    dct_matrix,
    fft_freqs,
    hz_to_mel,
    mel_freqs,
    mel_to_hz,
    n_frames,
    power_blocks,
    power_to_db,
    sparse_mel,
)

AXES = ("log", "linear", "mel")
_LOWEST_HZ = 32.0  # lower end of the logarithmic axis
_KEPT_VALUES = 2**24  # mel powers held for the MFCC; longer clips are transformed twice
_TINY = 1e-30  # power under any floor: lets log10 take silence
_EDGE = 1e-6  # samples or frames this near to an edge lie on it: rounding of seconds


class Envelope(NamedTuple):
    """Extremes of a signal per column: ``times`` in s, ``low`` and ``high``, all (c,).

    With ``exact``, they are the samples themselves, ``low`` equal to ``high``.
    """

    times: np.ndarray
    low: np.ndarray
    high: np.ndarray
    exact: bool


@dataclass(frozen=True, eq=False)
class Image:
    """A picture of a stretch of time.

    ``z`` is (rows, columns), float32, NaN where there is no signal; ``row_centres`` (rows,) are Hz,
    or numbers of coefficients; ``t0`` and ``t1`` are the outer edges in s; ``peak_power`` is the
    largest power of the whole clip before pooling, NaN for coefficients.
    """

    z: np.ndarray
    row_centres: np.ndarray
    t0: float
    t1: float
    peak_power: float


class SpectralViews(NamedTuple):
    """STFT and mel power and MFCC of one clip, on one time axis."""

    stft: Image
    mel: Image
    mfcc: Image


def envelope(
    y: np.ndarray, *, sr: int, t0: float, t1: float, width: int, offset_s: float = 0.0
) -> Envelope:
    """Smallest and largest sample of each pixel column; the samples where they are few.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int > 0
        Sampling rate in Hz.
    t0, t1 : float
        Window on the common time axis, s.
    width : int > 0
        Number of columns; a window of at most twice as many samples gives the samples.
    offset_s : float
        Time of the first sample, s.

    Returns
    -------
    Envelope
        ``times`` are centres of columns, or those of the samples.

    Raises
    ------
    ParameterError
        If the window is empty, ``width`` is below 1, or the signal is not mono.
    """
    edges = _column_edges(y, t0, t1, width)
    at = np.ceil((edges - offset_s) * sr - _EDGE).clip(0, y.size).astype(np.int64)
    first, last = at[0], at[-1]
    if last - first <= 2 * width:
        shown = np.asarray(y[first:last], dtype=np.float32)
        return Envelope(offset_s + np.arange(first, last) / sr, shown, shown, True)
    low, high = np.full((2, width), np.nan, dtype=np.float32)
    filled = at[1:] > at[:-1]
    starts = at[:-1][filled] - first
    low[filled] = np.minimum.reduceat(y[first:last], starts)
    high[filled] = np.maximum.reduceat(y[first:last], starts)
    return Envelope((edges[1:] + edges[:-1]) / 2, low, high, False)


def spectral_views(
    y: np.ndarray,
    *,
    sr: int,
    params: SpectraParams,
    t0: float,
    t1: float,
    width: int = 640,
    height: int = 256,
    axis: str = "log",
    offset_s: float = 0.0,
) -> SpectralViews:
    """STFT, mel spectrogram and MFCC at display resolution, from one STFT of the clip.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], n >= 1
        Mono signal.
    sr : int > 0
        Sampling rate in Hz.
    params : SpectraParams
        Settings of the spectra; ``top_db`` is not used.
    t0, t1 : float
        Window on the common time axis, s.
    width : int > 0
        Number of columns. One without a frame takes the nearest frame.
    height : int > 1
        Number of rows of the STFT; mel and MFCC have one row per band and coefficient. A row
        narrower than a bin takes the power between the bins beside it.
    axis : {"log", "linear", "mel"}
        Spacing of the rows of the STFT, up to sr/2, from 0 Hz or, for "log", from 32 Hz or the
        width of a bin.
    offset_s : float
        Time of the first sample, s.

    Returns
    -------
    SpectralViews
        Power (STFT, mel), the largest of a column and row; and mean coefficients of a column.

    Raises
    ------
    ParameterError
        If a setting cannot work, the window is empty, or the signal is not mono.
    AudioTooShortError
        If the signal is empty.
    """
    params.check(sr)
    row_centres = row_freqs(axis, height, sr=sr, n_fft=params.n_fft)
    edges = _column_edges(y, t0, t1, width)
    if y.size == 0:
        raise AudioTooShortError("The signal is empty: spectra need at least one sample.")
    columns = _Columns.of(edges - offset_s, y.size, sr, params)
    d = params.n_fft // 2 + 1
    pool, kept = _Pool(columns, d + params.n_mels), _Kept(columns, params.n_mels)
    peak = mel_peak = 0.0
    for first, S in power_blocks(y, params=params):
        S_mel = _mel_rows(S, sr, params)
        peak, mel_peak = max(peak, float(S.max())), max(mel_peak, float(S_mel.max()))
        pool.add(first, np.concatenate([S, S_mel], axis=1))
        kept.add(first, S_mel)
    again = ((k, _mel_rows(S, sr, params)) for k, S in power_blocks(y, params=params))
    coefs = _mean_mfcc(kept.blocks if kept.complete else again, columns, params, mel_peak)
    pooled = _pool_rows(pool.power[:, :d].T, fft_freqs(sr=sr, n_fft=params.n_fft), row_centres)
    bands = mel_freqs(params.n_mels, sr=sr)
    numbers = np.arange(params.n_mfcc)
    return SpectralViews(
        Image(columns.spread(pooled), row_centres, t0, t1, peak),
        Image(columns.spread(pool.power[:, d:].T), bands, t0, t1, mel_peak),
        Image(columns.spread(coefs.T), numbers, t0, t1, float("nan")),
    )


def row_freqs(axis: str, height: int, *, sr: int, n_fft: int) -> np.ndarray:
    """Centres of the rows of a picture of the STFT, Hz [shape=(height,)].

    Raises
    ------
    ParameterError
        If the axis is unknown or ``height`` is below 2.
    """
    if axis not in AXES:
        raise ParameterError(f"Unknown frequency axis {axis!r}: choose one of {list(AXES)}.")
    if height < 2:
        raise ParameterError(f"height={height} rows do not work: choose 2 or more.")
    if axis == "log":
        return np.geomspace(min(max(_LOWEST_HZ, sr / n_fft), sr / 4), sr / 2, height)
    if axis == "linear":
        return np.linspace(0, sr / 2, height)
    return mel_to_hz(np.linspace(0, hz_to_mel(sr / 2), height))


def to_db(image: Image, *, ref_power: float, top_db: float) -> Image:
    """A picture of power in dB re ``ref_power``, floored at ``-top_db``.

    Silence is at the floor, whatever the reference.
    """
    z = 10 * np.log10(np.maximum(image.z, _TINY)) - 10 * np.log10(max(ref_power, 1e-10))
    return replace(image, z=np.maximum(z, -top_db).astype(np.float32))


def difference(before_db: Image, after_db: Image) -> Image:
    """What changed between two pictures in dB: after minus before, NaN where either is NaN.

    Raises
    ------
    ParameterError
        If the pictures do not show the same rows and the same stretch of time.
    """
    one, other = before_db, after_db
    same = one.z.shape == other.z.shape and (one.t0, one.t1) == (other.t0, other.t1)
    if not (same and np.array_equal(one.row_centres, other.row_centres)):
        raise ParameterError(
            f"Pictures of {one.z.shape} cells from {one.t0:g} to {one.t1:g} s and of "
            f"{other.z.shape} cells from {other.t0:g} to {other.t1:g} s cannot be compared: "
            "draw both with the same settings."
        )
    return replace(after_db, z=other.z - one.z)


def _column_edges(y: np.ndarray, t0: float, t1: float, width: int) -> np.ndarray:
    if y.ndim != 1:
        raise ParameterError(f"Pictures need one channel, got shape {y.shape}: mix down first.")
    if not t1 > t0:
        raise ParameterError(f"The window from {t0:g} to {t1:g} s is empty: its end must be later.")
    if width < 1:
        raise ParameterError(f"width={width} columns do not work: choose 1 or more.")
    return np.linspace(t0, t1, width + 1)


@dataclass(frozen=True, eq=False)
class _Columns:
    """Which frames each column shows.

    ``start`` and ``stop`` (slots,) are ranges of frames that do not go back, without duplicates;
    ``slot`` (width,) is the range of each column, -1 where there is no signal.
    """

    start: np.ndarray
    stop: np.ndarray
    slot: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray, n: int, sr: int, params: SpectraParams) -> "_Columns":
        """Columns between ``edges`` (width + 1,), in s from the first of ``n`` samples."""
        rate = sr / params.hop_length
        total = n_frames(n, params=params)
        left, right = edges[:-1] * sr, edges[1:] * sr
        exists = np.flatnonzero((right > _EDGE) & (left < n - _EDGE))
        at = np.ceil(edges * rate - _EDGE).clip(0, total).astype(np.int64)
        start, stop = at[exists], at[exists + 1]
        if exists.size and left[exists[-1]] <= n <= right[exists[-1]] + _EDGE:
            stop[-1] = total  # a frame on the end of the clip belongs to its last column
        centres = (edges[exists] + edges[exists + 1]) / 2
        nearest = np.rint(centres * rate).clip(0, total - 1).astype(np.int64)
        empty = start >= stop
        start[empty], stop[empty] = nearest[empty], nearest[empty] + 1
        ranges, inverse = np.unique(np.stack([start, stop]), axis=1, return_inverse=True)
        slot = np.full(edges.size - 1, -1)
        slot[exists] = inverse.reshape(-1)
        return cls(ranges[0], ranges[1], slot)

    def within(self, first: int, count: int) -> tuple[slice, np.ndarray, np.ndarray]:
        """Slots that show any of ``count`` frames from ``first`` on, and their ranges in these."""
        slots = slice(
            int(np.searchsorted(self.stop, first, side="right")),
            int(np.searchsorted(self.start, first + count)),
        )
        start, stop = self.start[slots] - first, self.stop[slots] - first
        return slots, start.clip(0, count), stop.clip(0, count)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values (rows, slots) as (rows, width), NaN where there is no signal."""
        lacking = np.full((len(values), 1), np.nan, dtype=values.dtype)
        return np.concatenate([values, lacking], axis=1)[:, self.slot]


class _Pool:
    """The largest value of each slot's frames."""

    def __init__(self, columns: _Columns, n_rows: int):
        self.columns = columns
        self.power = np.zeros((columns.start.size, n_rows), dtype=np.float32)

    def add(self, first: int, block: np.ndarray) -> None:
        """Take in frames (t, rows), numbered from ``first``."""
        slots, start, stop = self.columns.within(first, len(block))
        power = self.power[slots]
        longest = (stop - start).max(initial=0)
        if longest <= len(power):  # many short slots, or few long ones: loop over the fewer
            for k in range(longest):
                np.maximum(power, block[np.minimum(start + k, stop - 1)], out=power)
        else:
            for row, i, j in zip(power, start, stop, strict=True):
                np.maximum(row, block[i:j].max(axis=0), out=row)


class _Kept:
    """Blocks that the columns show, as long as they fit into bounded memory."""

    def __init__(self, columns: _Columns, n_rows: int):
        self.columns = columns
        self.blocks: list[tuple[int, np.ndarray]] = []
        self.room = _KEPT_VALUES // n_rows
        self.complete = True

    def add(self, first: int, block: np.ndarray) -> None:
        """Keep a block, or give all up when there is no room for it."""
        slots, *_ = self.columns.within(first, len(block))
        if not self.complete or slots.start >= slots.stop:
            return
        self.room -= len(block)
        if self.room < 0:
            self.blocks, self.complete = [], False
        else:
            self.blocks.append((first, block))


def _mel_rows(S: np.ndarray, sr: int, params: SpectraParams) -> np.ndarray:
    """Mel power of frames (t, d), as (t, n_mels)."""
    return (sparse_mel(sr, params.n_fft, params.n_mels) @ S.T).T


def _mean_mfcc(
    blocks: Iterator[tuple[int, np.ndarray]],
    columns: _Columns,
    params: SpectraParams,
    peak: float,
) -> np.ndarray:
    """Mean coefficients of each slot's frames, (slots, n_mfcc), float32."""
    dct = dct_matrix(params.n_mels, params.n_mfcc).T
    floor = power_to_db(np.float32(peak), ref=1.0, top_db=None) - MFCC_TOP_DB
    sums = np.zeros((columns.start.size, params.n_mfcc))
    for first, S_mel in blocks:
        slots, start, stop = columns.within(first, len(S_mel))
        if slots.start >= slots.stop:
            continue
        coefs = np.maximum(power_to_db(S_mel, ref=1.0, top_db=None), floor) @ dct
        running = np.zeros((len(coefs) + 1, params.n_mfcc))
        np.cumsum(coefs, axis=0, out=running[1:])
        sums[slots] += running[stop] - running[start]
    return (sums / (columns.stop - columns.start)[:, None]).astype(np.float32)


def _pool_rows(S: np.ndarray, freqs: np.ndarray, row_centres: np.ndarray) -> np.ndarray:
    """The largest bin within each row, or, in rows without one, power between the bins beside.

    ``S`` is (d, slots); the answer (rows, slots). A row reaches halfway to its neighbours, so a
    bin is in the row whose centre is nearest.
    """
    S = np.ascontiguousarray(S)
    halves = (row_centres[1:] + row_centres[:-1]) / 2
    lowest = 2 * row_centres[0] - halves[0]
    at = np.searchsorted(freqs, np.concatenate([[lowest], halves, [np.inf]]))
    bins = np.interp(row_centres, freqs, np.arange(freqs.size))
    rows = np.empty((row_centres.size, S.shape[1]), dtype=np.float32)
    for row, (i, j) in enumerate(pairwise(at)):
        if j > i:
            S[i:j].max(axis=0, out=rows[row])
        else:
            below = min(int(bins[row]), len(S) - 2)
            share = np.float32(bins[row] - below)
            rows[row] = (1 - share) * S[below] + share * S[below + 1]
    return rows

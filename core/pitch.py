"""Fundamental frequency over time.

Conventions: ``times`` are the centres of the frames in s, the first at 0; ``f0`` is in Hz, NaN
where unvoiced. Frames over the ends of the signal are filled with zeros.

* ``f0_track``: filtered autocorrelation, the default
* ``pyin``: the result of ``librosa.pyin``
* ``f0_track_swift``: a neural tracker for noisy recordings, an optional package
"""

from functools import lru_cache
from math import ceil, gcd, log, pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from core.audio import resample
from core.errors import AudioTooShortError, MissingPackageError, ParameterError
from core.params import F0Params
from core.spectra import zero_padded

DEFAULT_F0 = F0Params()

_MOST_CANDIDATES = 15
_OCTAVE_REF_HZ = 800.0  # a candidate here has no octave cost
_FLOOR_HZ = 50.0  # one period of it: where the level of a frame is taken
_FAINT = 1e-38  # energy of a frame whose squares librosa loses to underflow
_VITERBI_BYTES = 2**26  # scores of pyin kept at once; longer signals are gone through twice
_SWIFT_SR = 16_000
_LOG_TINY = float(np.log(np.finfo(np.float64).tiny))


class F0Track(NamedTuple):
    """Fundamental frequency of each frame, all [shape=(t,)].

    ``times`` in s; ``f0`` in Hz, NaN where unvoiced; ``voiced_flag`` bool; ``voiced_prob`` 0 to 1.
    """

    times: np.ndarray
    f0: np.ndarray
    voiced_flag: np.ndarray
    voiced_prob: np.ndarray


def f0_track(y: np.ndarray, *, sr: int, params: F0Params = DEFAULT_F0) -> F0Track:
    """Fundamental frequency by filtered autocorrelation.

    The signal is low-passed by a Gaussian filter; in each frame the peaks of the autocorrelation,
    over that of the window [#]_, are candidates; the way through them with the least cost of
    octave jumps and changes of voicing is taken. The low-pass before the autocorrelation and the
    kinds of cost are those published for Praat 6.4's "filtered autocorrelation" [#]_; the cut-off
    is higher and jumps cost more, which keeps to one voice where others speak behind it.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal, as recorded: cleaning it first costs accuracy.
    sr : int >= 8000
        Sampling rate in Hz.
    params : F0Params
        Range, frames, costs.

    Returns
    -------
    F0Track
        One frame each ``params.hop_s``; ``voiced_prob`` is the strength of the chosen peak, 0
        where unvoiced.

    Raises
    ------
    AudioTooShortError
        If the signal is shorter than one frame.
    ParameterError
        If a setting cannot work, or the signal is not mono or not finite.

    References
    ----------
    .. [#] P. Boersma, "Accurate short-term analysis of the fundamental frequency and the
       harmonics-to-noise ratio of a sampled sound", Proc. IFA Amsterdam 17, 1993.
    .. [#] P. Boersma, D. Weenink, "Praat: doing phonetics by computer", manual, "Sound: To Pitch
       (filtered autocorrelation)...", 2024.
    """
    from core import _kernels_pitch as kernels

    params.check(sr)
    y = _long_enough(_checked(y), sr, params)
    rate = _low_rate(sr, params)
    width = 2 * round(params.frame_s * rate / 2)
    z = _low_passed(y, sr, rate, params.cutoff_hz, width // 2)
    times = np.arange(1 + int(y.size / (sr * params.hop_s) + 1e-9)) * params.hop_s
    *found, levels = _candidate_arrays(times.size)
    kernels.f0_candidates(
        z,
        np.rint(times * rate).astype(np.int64),
        *_window(width, rate, params.fmin),
        min(int(rate / _FLOOR_HZ / 2), width // 2),
        (2.0 * rate, params.fmin, params.fmax),
        (0.5 * params.voicing_threshold, params.octave_cost, _OCTAVE_REF_HZ),
        (*found, levels),
    )
    found[1][:, 0] = _unvoiced_score(levels, params)
    f0, strength = np.empty(times.size), np.empty(times.size)
    per_hop = 0.010 / params.hop_s  # the costs are meant for frames 10 ms apart
    kernels.f0_path(
        *found,
        params.octave_jump_cost * per_hop,
        params.voiced_unvoiced_cost * per_hop,
        f0,
        strength,
    )
    voiced = f0 > 0
    return F0Track(times, np.where(voiced, f0, np.nan), voiced, np.clip(strength, 0.0, 1.0))


def _checked(y: np.ndarray) -> np.ndarray:
    """Mono, finite, float32, contiguous and writable: one compiled version fits all."""
    y = np.asarray(y)
    if y.ndim != 1:
        raise ParameterError(f"f0 needs one channel, got shape {y.shape}: mix down first.")
    if y.size and not np.isfinite(y.sum(dtype=np.float64)):
        raise ParameterError("The signal holds samples that are not finite: remove them first.")
    return np.require(y, np.float32, ["C", "W"])


def _long_enough(y: np.ndarray, sr: int, params: F0Params) -> np.ndarray:
    if y.size < params.frame_s * sr:
        raise AudioTooShortError(
            f"f0 needs {params.frame_s * 1000:g} ms of signal, got {1000 * y.size / sr:.0f} ms."
        )
    return y


def _low_rate(sr: int, params: F0Params) -> int:
    """Rate of the low-passed signal, Hz: no aliasing, and 8 samples in the shortest period."""
    return min(sr, 1000 * ceil(max(4.0, 0.0025 * params.cutoff_hz, 0.008 * params.fmax)))


def _low_passed(y: np.ndarray, sr: int, rate: int, cutoff_hz: float, margin: int) -> np.ndarray:
    """``y`` without its mean, low-passed, at ``rate``, peak 1, between zeros."""
    from core._kernels_pitch import low_pass

    size = y.size * rate // sr
    z = np.zeros(size + 2 * margin + 2, dtype=np.float32)
    mean = float(y.mean(dtype=np.float64))
    taps, step = _gaussian(sr, rate, cutoff_hz)
    low_pass(y, mean, taps, step, z[margin : margin + size])
    loudest = max(float(z.max()), -float(z.min()))
    if loudest <= 1e-6 * abs(mean):  # what rounding leaves of a constant
        return np.zeros_like(z)
    z *= np.float32(1 / loudest)
    return z


def _unvoiced_score(levels: np.ndarray, params: F0Params) -> np.ndarray:
    """Score of the unvoiced candidate: the higher, the nearer a frame is to silence."""
    near = 2 - levels * ((1 + params.voicing_threshold) / params.silence_threshold)
    return params.voicing_threshold + np.maximum(0, near)


@lru_cache(maxsize=16)
def _gaussian(sr: int, rate: int, cutoff_hz: float) -> tuple[np.ndarray, int]:
    """Taps for every position between two samples, and samples of a step times the positions."""
    common = gcd(sr, rate)
    step, phases = sr // common, rate // common
    decay = -log(0.03) / cutoff_hz**2
    half = ceil(4.5 * sqrt(decay / 2) / pi * sr)
    t = (np.arange(-half, half + 1) - np.arange(phases)[:, None] / phases) / sr
    taps = np.exp(-((pi * t) ** 2) / decay)
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32), step


@lru_cache(maxsize=16)
def _window(width: int, rate: int, fmin: float) -> tuple[np.ndarray, np.ndarray]:
    """Hann window, and its autocorrelation at half samples, normalised (Boersma 1993, eq. 8)."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(width) + 0.5) / width)
    x = np.arange(2 * (int(rate / fmin) + 7)) / (2 * width)
    window_ac = (1 - x) * (2 + np.cos(2 * np.pi * x)) / 3 + np.sin(2 * np.pi * x) / (2 * np.pi)
    return window.astype(np.float32), window_ac.astype(np.float32)


def _candidate_arrays(n_frames: int) -> tuple[np.ndarray, ...]:
    shape = (n_frames, _MOST_CANDIDATES)
    floats = (np.empty(shape, dtype=np.float32) for _ in range(3))
    return (*floats, np.empty(n_frames, dtype=np.int32), np.empty(n_frames, dtype=np.float32))


def pyin(
    y: np.ndarray,
    *,
    sr: int,
    fmin: float,
    fmax: float,
    frame_length: int = 2048,
    hop_length: int | None = None,
) -> F0Track:
    """Fundamental frequency by probabilistic YIN [#]_, as ``librosa.pyin`` (0.11) gives it.

    The other settings are librosa's defaults. The difference is in the work: transitions that
    librosa's matrix does not hold are left out of the Viterbi search but for one jump.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int > 0
        Sampling rate in Hz.
    fmin, fmax : float > 0
        Range in Hz; ``fmin`` above ``sr / (frame_length - 1)``, ``fmax`` at most ``sr / 2``.
    frame_length : int
        Samples of a frame.
    hop_length : int or None
        Samples between frames; None is a quarter of a frame.

    Returns
    -------
    F0Track
        One frame each ``hop_length`` samples; ``f0`` on a grid of 10 cents.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If a setting cannot work, or the signal is not mono or not finite.

    References
    ----------
    .. [#] M. Mauch, S. Dixon, "pYIN: a fundamental frequency estimator using probabilistic
       threshold distributions", ICASSP 2014.
    """
    hop_length = frame_length // 4 if hop_length is None else hop_length
    _check_pyin(sr, fmin, fmax, frame_length, hop_length)
    y = _checked(y)
    if not y.size:
        raise AudioTooShortError("The signal is empty: f0 needs at least one sample.")
    n_bins = int(np.floor(120 * np.log2(fmax / fmin))) + 1
    starts, bins, log_probs, voiced_prob = _pyin_candidates(
        y, sr, (fmin, fmax), n_bins, frame_length, hop_length
    )
    model = _pyin_model(n_bins, round(35.92 * 12 * hop_length / sr))
    states = _viterbi(starts, bins, log_probs, voiced_prob, model)
    voiced = states < n_bins
    freqs = fmin * 2 ** (np.arange(n_bins) / 120)
    f0 = np.where(voiced, freqs[states % n_bins], np.nan)
    return F0Track(np.arange(states.size) * (hop_length / sr), f0, voiced, voiced_prob)


def _check_pyin(sr: int, fmin: float, fmax: float, frame_length: int, hop_length: int) -> None:
    if not 0 < fmin < fmax:
        raise ParameterError(
            f"fmin={fmin:g} Hz and fmax={fmax:g} Hz do not work: choose 0 < fmin < fmax."
        )
    if fmax > sr / 2:
        raise ParameterError(
            f"fmax={fmax:g} Hz is above half the sampling rate ({sr / 2:g} Hz): lower it."
        )
    if sr / fmin >= frame_length - 1:
        raise ParameterError(
            f"fmin={fmin:g} Hz is too low for frames of {frame_length} samples: choose "
            f"fmin above {sr / (frame_length - 1):.2f} Hz, "
            f"or frame_length={int(sr / fmin) + 2} or more."
        )
    if hop_length < 1:
        raise ParameterError(f"hop_length={hop_length} does not work: choose 1 or more.")


def _pyin_candidates(
    y: np.ndarray,
    sr: int,
    limits: tuple[float, float],
    n_bins: int,
    frame_length: int,
    hop_length: int,
) -> tuple[np.ndarray, ...]:
    """Candidates of all frames: where each frame's begin, bins, log probs; voicing.

    Before the first frame all bins are candidates.
    """
    from core._kernels_pyin import UNDERFLOW, WIDTH, pyin_candidates, pyin_difference

    periods = (int(sr / limits[1]), min(ceil(sr / limits[0]), frame_length - 1))
    total = 1 + (y.size + frame_length // 2 * 2 - frame_length) // hop_length
    y = zero_padded(y, -(frame_length // 2), (total - 1) * hop_length + frame_length)
    counts, voiced_prob = np.empty(total + 2, dtype=np.int64), np.empty(total)
    counts[:2] = 0, n_bins
    tables = _turns(max(4, 1 << (frame_length - 1).bit_length()))
    work = np.empty((3, tables[2].size, WIDTH), dtype=np.float32)
    d = np.empty((periods[1] - periods[0] + 1, WIDTH), dtype=np.float32)
    levels = np.empty(WIDTH)
    bins = np.empty(WIDTH * max(n_bins, len(d)), dtype=np.int32)
    log_probs = np.empty(bins.size, dtype=np.float32)
    bins_of = (float(sr), periods[0], float(limits[0]), 120.0, n_bins)
    kept = [(np.arange(n_bins, dtype=np.int32), np.zeros(n_bins, dtype=np.float32))]
    for start in range(0, total, WIDTH):
        stop = min(start + WIDTH, total)
        firsts = np.minimum(np.arange(start, start + WIDTH), stop - 1) * hop_length
        pyin_difference(y, firsts, frame_length, periods, tables, work, d, levels)
        d[:, levels <= UNDERFLOW] = 0
        faint = np.flatnonzero((levels > UNDERFLOW) & (levels < _FAINT))
        if faint.size:
            frames = y[firsts[faint, None] + np.arange(frame_length)]
            d[:, faint] = _difference_of_faint(frames, periods).T
        out = (counts[start + 2 : stop + 2], voiced_prob[start:stop], bins, log_probs)
        n = pyin_candidates(d, stop - start, _beta_cum(), bins_of, out)
        kept.append((bins[:n].copy(), log_probs[:n].copy()))
    return np.cumsum(counts), *(np.concatenate(k) for k in zip(*kept, strict=True)), voiced_prob


def _difference_of_faint(frames: np.ndarray, periods: tuple[int, int]) -> np.ndarray:
    """YIN's difference of frames so faint that what librosa's single precision loses counts."""
    from scipy import fft

    n_fft = fft.next_fast_len(frames.shape[1] + periods[1] + 1, real=True)
    D = fft.rfft(frames, n_fft)
    acf = fft.irfft(np.square(D.real) + np.square(D.imag), n_fft)[:, : periods[1] + 1]
    energy = np.cumsum(np.square(frames[:, : periods[1]]), axis=1, dtype=np.float64)
    energy[:, 0] = 0
    value = 2.0 * (acf[:, :1] - acf[:, 1:].astype(np.float64)) - energy
    mean = np.cumsum(value, axis=1) / np.arange(1, periods[1] + 1)
    return (value / (mean + np.finfo(np.float64).tiny))[:, periods[0] - 1 :]


@lru_cache(maxsize=4)
def _turns(size: int) -> tuple[np.ndarray, ...]:
    """Tables of ``_kernels_pyin.pyin_difference``."""
    order, step = np.zeros(1, dtype=np.int64), size
    steps = []
    while step > 1:
        steps.append(4 if step > 2 else 2)
        step //= steps[-1]
    for radix in reversed(steps):
        order = (np.arange(radix)[:, None] + radix * order).ravel()
    at = np.argsort(order)
    angle = np.arange(2 * size) * (pi / size)
    turns = (np.cos(angle).astype(np.float32), -np.sin(angle).astype(np.float32))
    return *turns, at[-order % size].astype(np.int32), at[size - 1 - order].astype(np.int32)


@lru_cache(maxsize=1)
def _beta_cum() -> np.ndarray:
    """Beta(2, 18) distribution at 0, 0.01, ... 1: the prior of YIN's threshold."""
    x = np.linspace(0, 1, 101)
    return 1 - (1 - x) ** 19 - 19 * x * (1 - x) ** 18


@lru_cache(maxsize=16)
def _pyin_model(n_bins: int, semitones: int) -> tuple[Any, ...]:
    """Transitions, in logs: see ``_kernels_pitch.pyin_forward``."""
    from core._kernels_pitch import MARGIN

    half = 5 * semitones
    weights = 1 - np.abs(np.arange(-half, half + 1)) / (half + 1)
    triangle = np.full(weights.size + 4 * MARGIN, -3e38, dtype=np.float32)
    triangle[2 * MARGIN :][: weights.size] = np.log(weights)
    cum = np.concatenate([[0.0], np.cumsum(weights)])
    bins = np.arange(n_bins)
    sums = cum[np.minimum(2 * half + 1, half + n_bins - bins)] - cum[np.maximum(0, half - bins)]
    logs = (np.float32(x) for x in (np.log(0.99), np.log(0.01), _LOG_TINY))
    return triangle, half, np.log(sums).astype(np.float32), *logs


def _viterbi(
    starts: np.ndarray,
    bins: np.ndarray,
    log_probs: np.ndarray,
    voiced_prob: np.ndarray,
    model: tuple[Any, ...],
) -> np.ndarray:
    """The most probable states of all frames.

    Where the scores of all frames would take too much memory, only some are kept on the way
    forward, and those between them are found again on the way back.
    """
    from core._kernels_pitch import MARGIN, pyin_backward, pyin_forward

    n_bins, half, total = model[2].size, model[1], voiced_prob.size
    width = MARGIN * (-(-(n_bins + 2 * half) // MARGIN) + 3)
    size = min(total, max(1, _VITERBI_BYTES // (4 * width)))
    V = np.full((size + 1, width), -3e38, dtype=np.float32)
    V[0, half : half + n_bins] = -model[2]
    scores, best = np.empty(bins.size, dtype=np.float32), np.zeros(total + 1, dtype=np.float32)
    scores[:n_bins] = -model[2]
    states, last = np.empty(total + 1, dtype=np.int32), -1
    firsts, before = range(0, total, size), []

    def forward(first: int) -> np.ndarray:
        stop = min(first + size, total)
        rows, at = V[: stop - first + 1], starts[first : stop + 2]
        frames = (log_probs, voiced_prob[first:stop], model)
        pyin_forward(at, bins, *frames, rows, scores, best[first : stop + 1])
        return rows

    for first in firsts:
        before.append(V[0].copy())
        rows = forward(first)
        if first != firsts[-1]:
            V[0] = rows[-1]
    for first in reversed(firsts):
        if first != firsts[-1]:
            V[0] = before[first // size]
            rows = forward(first)
        stop = first + len(rows)
        pyin_backward(
            starts[first : stop + 1],
            bins,
            model,
            rows,
            scores,
            best[first:stop],
            last,
            states[first:stop],
        )
        last = int(states[first])
    return states[1:]


def f0_track_swift(y: np.ndarray, *, sr: int, params: F0Params = DEFAULT_F0) -> F0Track:
    """Fundamental frequency by SwiftF0, a small neural network, for noisy recordings.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int >= 8000
        Sampling rate in Hz.
    params : F0Params
        ``fmin``, ``fmax`` and ``voicing_threshold`` are used.

    Returns
    -------
    F0Track
        One frame each 16 ms, the network's own step.

    Raises
    ------
    AudioTooShortError
        If the signal is shorter than one frame.
    MissingPackageError
        If the package ``swift_f0`` (licence: MIT) is not installed.
    ParameterError
        If a setting cannot work, or the signal is not mono or not finite.
    """
    params.check(sr)
    y = _long_enough(_checked(y), sr, params)
    found = _swift().detect(
        resample(y, sr_in=sr, sr_out=_SWIFT_SR), _SWIFT_SR, fmin=params.fmin, fmax=params.fmax
    )
    voiced = found.confidence >= params.voicing_threshold
    f0 = np.where(voiced, found.pitch_hz, np.nan).astype(np.float64)
    return F0Track(found.timestamps, f0, voiced, np.clip(found.confidence, 0.0, 1.0))


@lru_cache(maxsize=1)
def _swift() -> Any:
    """The network on one thread: a batch has a process per core."""
    try:
        from swift_f0 import SwiftF0
    except ImportError as err:
        raise MissingPackageError(
            f"f0 by SwiftF0 needs the package 'swift-f0' ({err}): pip install swift-f0"
        ) from err
    return SwiftF0(threads=1)


def warm() -> None:
    """Load or compile everything the first call would wait for."""
    y = np.sin(np.arange(4000, dtype=np.float32) / 20)
    f0_track(y, sr=16_000)
    pyin(y, sr=16_000, fmin=65, fmax=500, frame_length=1024)

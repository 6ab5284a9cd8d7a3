"""The cleaning chain: steps in their order, what each did, and what was removed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.clean._filters import high_pass, hum_freqs, hum_notch
from core.clean._gate import denoise_noisereduce
from core.clean._lsa import denoise_lsa
from core.errors import AudioTooShortError, ParameterError
from core.levels import peak_dbfs, rms_dbfs
from core.params import CleanParams, Denoise
from core.spectra import power_to_db, zero_padded

_FRAME = 2048  # of librosa.effects.trim
_HOP = 512
_BLOCK = 512  # frames measured at once


@dataclass(frozen=True)
class StepReport:
    """What one step did: its name in CleanParams, a label, and a sentence with numbers."""

    name: str
    label: str
    detail: str


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A cleaned signal, and all that tells it from its input.

    ``y`` (m,) is the output, samples ``start`` to ``end`` of the input; ``removed`` (n,) is the
    input minus the output before gain, at its place in the input, cut ends included.
    """

    y: np.ndarray
    sr: int
    removed: np.ndarray
    start: int
    end: int
    steps: tuple[StepReport, ...]


def clean(y: np.ndarray, *, sr: int, params: CleanParams = CleanParams()) -> Cleaned:
    """Clean a recording: high-pass, hum, noise, silence at the ends, gain, in this order.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal of any length.
    sr : int > 0
        Sampling rate in Hz.
    params : CleanParams
        The steps; those that are off are left out.

    Returns
    -------
    Cleaned

    Raises
    ------
    ParameterError
        If a setting cannot work at ``sr``, or the signal is not mono.
    AudioTooShortError
        If the signal is empty.
    """
    if y.ndim != 1:
        raise ParameterError(f"Cleaning needs one channel, got shape {y.shape}: mix down first.")
    if y.size == 0:
        raise AudioTooShortError("The signal is empty: cleaning needs at least one sample.")
    params.check(sr)
    y = np.asarray(y, dtype=np.float32)
    kept, steps = y, []
    for now, report in _filtered(y, sr, params):
        kept = now
        steps.append(report)
    start, end = 0, y.size
    if params.trim.on:
        start, end = trim_bounds(kept, top_db=params.trim.top_db)
        steps.append(_trim_report(start, y.size - end, sr, params.trim.top_db))
    kept = kept[start:end]
    removed = y.copy()
    removed[start:end] -= kept
    out = kept.copy()
    if params.gain.on:
        out *= np.float32(10 ** (params.gain.gain_db / 20))
        steps.append(_gain_report(out, params.gain.gain_db))
    return Cleaned(out, sr, removed, start, end, tuple(steps))


def trim_bounds(y: np.ndarray, *, top_db: float) -> tuple[int, int]:
    """The part of a signal between silences, as ``librosa.effects.trim``.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], n >= 1
        Mono signal.
    top_db : float > 0
        Frames more than this below the loudest one are silent, dB.

    Returns
    -------
    tuple of int
        First sample kept, and the one after the last.
    """
    # Same operations in the same precision as librosa, so that frames at the limit fall alike.
    level = power_to_db(np.square(rms := _frame_rms(y)), ref=np.square(rms.max()), top_db=None)
    loud = np.flatnonzero(level > -top_db)
    return int(loud[0]) * _HOP, min(y.size, int(loud[-1] + 1) * _HOP)


def warm() -> None:
    """Compile both denoisers, on a moment of noise."""
    noise = np.random.default_rng(0).standard_normal(4000).astype(np.float32) / 10
    denoise_lsa(noise, sr=16_000, strength_db=12.0)
    denoise_noisereduce(noise, sr=16_000, params=Denoise(method="noisereduce"))


def _filtered(
    y: np.ndarray, sr: int, params: CleanParams
) -> Iterator[tuple[np.ndarray, StepReport]]:
    """The signal after each step that keeps its length, and what the step did."""
    if params.high_pass.on:
        before, y = y, high_pass(y, sr=sr, params=params.high_pass)
        detail = f"Removed what is below {params.high_pass.cutoff_hz:g} Hz"
        yield y, StepReport("high_pass", "High-pass", detail + _change(before, y))
    if params.hum_notch.on:
        before, y = y, hum_notch(y, sr=sr, params=params.hum_notch)
        freqs = [f"{freq:g}" for freq in hum_freqs(sr=sr, params=params.hum_notch)]
        names = " to ".join(freqs if len(freqs) < 3 else [freqs[0], freqs[-1]])
        detail = f"Notched {names} Hz ({len(freqs)}, each {params.hum_notch.width_hz:g} Hz wide)"
        yield y, StepReport("hum_notch", "Hum", detail + _change(before, y))
    if params.denoise.on:
        before, (y, detail) = y, _denoised(y, sr, params.denoise)
        yield y, StepReport("denoise", "Denoise", detail + _change(before, y))


def _denoised(y: np.ndarray, sr: int, params: Denoise) -> tuple[np.ndarray, str]:
    if params.method == "lsa":
        done = denoise_lsa(y, sr=sr, strength_db=params.strength_db)
        if params.strength_db > 0 and y.any() and np.array_equal(done, y):
            return done, "Left alone: the speech stands far above its noise"
        return done, f"Log-spectral amplitude, at most {params.strength_db:g} dB"
    y = denoise_noisereduce(y, sr=sr, params=params)
    return y, f"noisereduce's spectral gate, {100 * params.prop_decrease:g} %"


def _change(before: np.ndarray, after: np.ndarray) -> str:
    """The end of a step's sentence: how the level changed."""
    change = rms_dbfs(after) - rms_dbfs(before)
    if not np.isfinite(change):
        return "; the signal is silent."
    return f"; the level changed by {change:+.1f} dB."


def _trim_report(n_start: int, n_end: int, sr: int, top_db: float) -> StepReport:
    detail = f"Cut {n_start / sr:.2f} s at the start and {n_end / sr:.2f} s at the end."
    if n_start == n_end == 0:
        detail = f"Nothing to cut: both ends are within {top_db:g} dB of the loudest moment."
    return StepReport("trim", "Trim", detail)


def _gain_report(y: np.ndarray, gain_db: float) -> StepReport:
    peak = peak_dbfs(y)
    detail = f"Changed the level by {gain_db:+g} dB"
    detail += f"; the peak is {peak:.1f} dBFS" if np.isfinite(peak) else ""
    detail += ", above full scale: a 16-bit file will clip it" if peak > 0 else ""
    return StepReport("gain", "Gain", detail + ".")


def _frame_rms(y: np.ndarray) -> np.ndarray:
    """RMS of centred frames, (t,) float32, as ``librosa.feature.rms``."""
    total = y.size // _HOP + 1
    rms = np.empty(total, dtype=np.float32)
    for start in range(0, total, _BLOCK):
        count = min(_BLOCK, total - start)
        first = start * _HOP - _FRAME // 2
        part = zero_padded(y, first, first + (count - 1) * _HOP + _FRAME)
        frames = np.lib.stride_tricks.sliding_window_view(part, _FRAME)[::_HOP]
        rms[start : start + count] = np.sqrt(np.mean(np.square(frames), axis=1))
    return rms

"""Is a recording good? Each check gives a value, a verdict, a place and a cure.

Conventions: ``y`` is the raw signal at its own rate: not resampled, not denoised, (n,) or
(channels, n). Levels in dBFS with a sample of 1 at 0; not measurable is NaN and "unknown", never 0.
Long recordings are looked at a minute at a time, in bounded memory.

* ``check``, ``check_file``: a ``Report`` of ``Check``s
* ``CheckParams``: every threshold; ``SPECS``: what the checks are
* ``warm`` compiles it all before somebody waits
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from core.errors import AudioReadError, AudioTooShortError, ParameterError
from core.quality._catalogue import SPECS, Spec
from core.quality._types import DEFAULT, VERDICTS, Check, CheckParams, Report, Thresholds

if TYPE_CHECKING:
    from core.audio import AudioInfo, ClipRef, Limits

__all__ = [
    "DEFAULT",
    "SPECS",
    "VERDICTS",
    "Check",
    "CheckParams",
    "Report",
    "Spec",
    "Thresholds",
    "check",
    "check_file",
    "warm",
]
LOWEST_SR = 4000  # Hz
MOST_S = 1800.0  # of a file: the first half hour, so that an answer comes within seconds
_HUGE = 1e10  # times full scale: squares of more overflow float32


def check(
    y: np.ndarray, sr: int, *, limits: CheckParams = DEFAULT, info: "AudioInfo | None" = None
) -> Report:
    """Check a recording that is in memory.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Raw signal, full scale at 1.
    sr : int >= 4000
        Its own sampling rate in Hz.
    limits : CheckParams
        Thresholds.
    info : AudioInfo, optional
        What the file is: tells lossy coding from up-sampling.

    Returns
    -------
    Report
        Every check, in the order of ``SPECS``.

    Raises
    ------
    AudioTooShortError
        The signal is empty.
    ParameterError
        ``sr`` or a threshold cannot work, or the signal is not (n,) or (channels, n).
    """
    from core.quality._report import report
    from core.quality._survey import LEAD_S, WINDOW_S, Survey

    limits.check()
    y = _checked(y, sr)
    seen = Survey(sr, len(y))
    size, lead = round(WINDOW_S * sr), int(LEAD_S * sr)
    for start in range(0, y.shape[1], size):
        before = lead if start else 0
        stop = start + size
        window = np.ascontiguousarray(y[:, start - before : stop])
        seen.add(window, before, last=stop >= y.shape[1])
    return report(seen, limits, (lambda: info) if info else None)


def check_file(
    ref: "ClipRef", limits: CheckParams = DEFAULT, *, opening: "Limits | None" = None
) -> Report:
    """Check a file at its own rate and with its own channels, a minute at a time.

    Of more than half an hour the first half hour is looked at, which the report's sentence says.

    Parameters
    ----------
    ref : ClipRef
        The file.
    limits : CheckParams
        Thresholds.
    opening : core.audio.Limits, optional
        What may be opened at once; default: that of the environment.

    Returns
    -------
    Report
        As of ``check``.

    Raises
    ------
    AudioReadError
        The file is not audio, is damaged, or holds no samples.
    ParameterError
        Its rate is below 4,000 Hz, or a threshold cannot work.
    """
    from core import audio
    from core.quality._report import report
    from core.quality._survey import LEAD_S, WINDOW_S, Survey

    limits.check()
    opening = opening or audio.Limits.from_env()
    y, sr = audio.load(ref, mono=False, duration_s=WINDOW_S, limits=opening)
    y = _checked(y, sr)
    seen, lead, size = Survey(sr, len(y)), 0, round(WINDOW_S * sr)
    while True:
        following, cut = None, False
        if y.shape[1] - lead >= size:
            cut = seen.samples / sr + 2 * WINDOW_S > MOST_S
        if y.shape[1] - lead >= size and not cut:
            following = _window(ref, seen.samples / sr + WINDOW_S - LEAD_S, opening)
        lead_next = int(LEAD_S * sr)
        last = following is None or following.shape[1] <= lead_next
        seen.add(y, lead, last=last)
        if last:
            found = report(seen, limits, lambda: audio.info(ref, opening))
            return _only_beginning(found) if cut else found
        y, lead = _checked(following, sr), lead_next


def _only_beginning(found: Report) -> Report:
    said = f"{found.sentence} Only the first {found.duration_s / 60:g} minutes were looked at."
    return replace(found, sentence=said)


def _window(ref: "ClipRef", start_s: float, opening: "Limits") -> np.ndarray | None:
    """The next minute with what leads to it; None where the recording ended before."""
    from core import audio
    from core.quality._survey import LEAD_S, WINDOW_S

    try:
        y, _ = audio.load(
            ref, mono=False, start_s=start_s, duration_s=WINDOW_S + LEAD_S, limits=opening
        )
    except AudioReadError as err:
        if "the recording ends at" in str(err):
            return None
        raise
    return y


def _checked(y: np.ndarray, sr: int) -> np.ndarray:
    """As (channels, n), float32, finite."""
    y = np.asarray(y, dtype=np.float32)
    if y.ndim == 1:
        y = y[None]
    if y.ndim != 2:
        raise ParameterError(f"Checks need (n,) or (channels, n), got shape {y.shape}.")
    if y.size == 0:
        raise AudioTooShortError("The signal is empty: checks need at least one sample.")
    if sr < LOWEST_SR:
        raise ParameterError(f"sr={sr} Hz is too low for checks: use {LOWEST_SR} Hz or more.")
    if not (y.min() >= -_HUGE and y.max() <= _HUGE):  # also where one of them is NaN
        y = np.nan_to_num(y, nan=0.0, posinf=1.0, neginf=-1.0)
        y = np.where(np.abs(y) > _HUGE, np.sign(y), y)
    return y


def warm() -> None:
    """Compile what checking needs, on a moment of noise."""
    noise = np.random.default_rng(0).standard_normal((2, 24_000)).astype(np.float32) / 10
    check(noise, 16_000)

"""Files to samples: ``info`` and ``load``, by a worker that may die."""

from dataclasses import dataclass
import math
import os

import numpy as np

from core.audio._convert import check_rate, resample
from core.audio._notes import sentences
from core.audio._types import MB, AudioInfo, ClipRef, Limits, shown_name
from core.audio._workers import WorkerError, WorkerLate, WorkerMissing, pool
from core.errors import AudioLimitError, AudioReadError, ParameterError
from core.safe_text import clean

# Channels x frames decoded for one answer: ten minutes of eight channels at 96 kHz and some more,
# or 3.4 hours of 48 kHz mono passed over on the way to a window.
MAX_WORK = 600_000_000
DEFAULT_LIMITS = Limits()

_LONG_S = 1e9  # a start beyond any recording, whose frames can still be counted
_ANOTHER = "Open it in another program and save it as WAV."


@dataclass(frozen=True)
class _Window:
    """Seconds asked for; ``duration_s`` None is up to the end."""

    start_s: float = 0.0
    duration_s: float | None = None

    @property
    def whole(self) -> bool:
        return self.start_s == 0 and self.duration_s is None

    def check(self, ref: ClipRef, limits: Limits) -> None:
        if not (math.isfinite(self.start_s) and self.start_s >= 0):
            raise ParameterError(f"start_s={self.start_s:g} s does not work: choose 0 or more.")
        if self.duration_s is None:
            return
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ParameterError(
                f"duration_s={self.duration_s:g} s does not work: choose more than 0."
            )
        if self.duration_s > limits.max_seconds:
            raise AudioLimitError(
                f"{shown_name(ref.path)}: a window of {_span(self.duration_s)} is too long. "
                f"Choose one of at most {_span(limits.max_seconds, floor=True)}."
            )


def info(ref: ClipRef, limits: Limits = DEFAULT_LIMITS) -> AudioInfo:
    """What the file holds; its length is counted by decoding it, up to ``limits.max_seconds``.

    Raises
    ------
    AudioReadError
        The file is not audio, is damaged, holds no samples, or changed since ``ref`` was made.
    AudioLimitError
        The file is larger on disk than ``limits.max_mb``.
    """
    header, _ = _ask(ref, _Window(), limits, keep=False, mono=False)
    duration_s = header["duration_s"]
    return AudioInfo(
        path=ref.path,
        container=header["container"],
        codec=header["codec"],
        sr=header["sr"],
        channels=header["channels"],
        duration_s=duration_s,
        duration_claimed=header["claimed"],
        bits=header["bits"],
        bit_rate=header["bit_rate"] or round(8 * ref.size / duration_s),
        size=ref.size,
        warnings=sentences(header["notes"], ref.path),
    )


def load(
    ref: ClipRef,
    sr: int | None = None,
    *,
    mono: bool = True,
    start_s: float = 0.0,
    duration_s: float | None = None,
    limits: Limits = DEFAULT_LIMITS,
    keep_padding: bool = False,
) -> tuple[np.ndarray, int]:
    """Samples of a file, or of a window of it.

    Parameters
    ----------
    ref : ClipRef
        The file.
    sr : int, optional
        Sampling rate in Hz to resample to (soxr HQ); None is the file's own.
    mono : bool
        True gives the mean of the channels.
    start_s, duration_s : float
        The window in s; ``duration_s`` None is up to the end. A window that reaches past the end
        gives what is there.
    limits : Limits
        What may be opened at once; nothing longer is ever cut silently.
    keep_padding : bool
        Keep the delay and padding that encoders add to MP3 (about 0.09 s), as FFmpeg's flag
        ``skip_manual`` does and older decoders did.

    Returns
    -------
    tuple[np.ndarray, int]
        ``y``, float32, shape (n,), or with ``mono=False`` (channels, n), also for one channel; and
        its ``sr`` in Hz. NaN is 0, infinities are full scale, values beyond full scale are kept.

    Raises
    ------
    AudioReadError
        The file is not audio, is damaged, holds no samples, changed since ``ref`` was made, or
        ends before the window.
    AudioLimitError
        The file or the window is longer or larger than the limits.
    ParameterError
        ``sr``, ``start_s`` or ``duration_s`` cannot work.
    """
    if sr is not None:
        check_rate("sr", sr)
    window = _Window(start_s, duration_s)
    window.check(ref, limits)
    header, y = _ask(ref, window, limits, keep=True, mono=mono, keep_padding=keep_padding)
    native = header["sr"]
    if sr is not None and sr != native:
        if y.size * sr / native > _max_samples(limits):
            cap_s = _max_samples(limits) / len(y) / sr
            raise _too_long(ref, window, y.shape[1] / native, cap_s)
        y = resample(y, sr_in=native, sr_out=sr)
    return (y[0] if mono else y), sr or native


def warm() -> None:
    """Start the decoders ahead of the first file; returns at once."""
    pool().warm()


def _max_samples(limits: Limits) -> int:
    return int(limits.max_mb * MB / 4)


def _ask(
    ref: ClipRef,
    window: _Window,
    limits: Limits,
    *,
    keep: bool,
    mono: bool,
    keep_padding: bool = False,
) -> tuple[dict, np.ndarray | None]:
    path = _checked_path(ref, limits)
    request = {
        "path": os.fsencode(path).decode("latin-1"),
        "keep": keep,
        "mono": mono,
        "keep_padding": keep_padding,
        "start_s": min(float(window.start_s), _LONG_S),
        "duration_s": None if window.duration_s is None else float(window.duration_s),
        "max_seconds": limits.max_seconds,
        "max_samples": _max_samples(limits),
        "max_work": MAX_WORK,
        "memory_mb": limits.memory_mb,
        "wall_s": limits.wall_s,
    }
    name = shown_name(ref.path)
    try:
        header, y = pool().ask(request, wall_s=limits.wall_s, max_samples=_max_samples(limits))
    except WorkerLate as err:
        raise AudioReadError(
            f"{name}: decoding took longer than {limits.wall_s:g} s and was stopped. {_ANOTHER}"
        ) from err
    except WorkerMissing as err:
        raise AudioReadError(
            f"{name}: the decoder does not start. Install the packages of requirements.txt again."
        ) from err
    except WorkerError as err:
        raise AudioReadError(
            f"{name}: the decoder failed on this file ({err}). It may be damaged. {_ANOTHER}"
        ) from err
    if header["status"] != "ok":
        raise _refusal(ref, window, limits, header)
    return header, y


def _checked_path(ref: ClipRef, limits: Limits) -> str:
    """The absolute path: FFmpeg would take a relative "concat:a|b" for a protocol."""
    name = shown_name(ref.path)
    now = ClipRef.of(ref.path)
    if (now.size, now.mtime_ns) != (ref.size, ref.mtime_ns):
        raise AudioReadError(f"{name}: this file changed after it was chosen. Choose it again.")
    if not ref.size:
        raise AudioReadError(f"{name}: this file is empty (0 bytes). Record or export it again.")
    if ref.size > limits.max_mb * MB:
        raise AudioLimitError(
            f"{name}: this file has {ref.size / MB:.0f} MB, and at most {limits.max_mb:g} MB can "
            "be opened. Cut it into parts, or save it as FLAC or MP3."
        )
    return now.path


def _refusal(ref: ClipRef, window: _Window, limits: Limits, header: dict) -> AudioReadError:
    """The sentence for what the child found."""
    name, status = shown_name(ref.path), header["status"]
    if status == "too_long":
        return _too_long(ref, window, header["claim_s"], header["cap_s"])
    if status == "too_far":
        return AudioLimitError(
            f"{name}: the way to a window that starts at {_span(window.start_s)} is too long in "
            f"this format. {_ANOTHER}"
        )
    if status == "past_end":
        return AudioReadError(
            f"{name}: the window starts at {window.start_s:g} s, but the recording ends at "
            f"{header['end_s']:.2f} s. Choose an earlier start."
        )
    if status == "unsupported":
        return AudioReadError(
            f"{name}: {clean(header['what'])} cannot be opened. "
            "Save it with at most 64 channels at 1 to 768 kHz."
        )
    if status == "empty":
        return AudioReadError(f"{name}: this file holds no samples. Record or export it again.")
    if status == "no_track":
        return AudioReadError(f"{name}: this file has no audio track. Choose a recording of sound.")
    if status == "no_numbers":
        return AudioReadError(
            f"{name}: none of its samples is a number. Record or export it again."
        )
    if status == "memory":
        return AudioReadError(
            f"{name}: decoding needs more than {limits.memory_mb:g} MB of memory. {_ANOTHER}"
        )
    reason = clean(header["reason"]).rstrip(".")
    return AudioReadError(f"{name}: this does not look like audio ({reason}). {_ANOTHER}")


def _too_long(
    ref: ClipRef, window: _Window, claim_s: float | None, cap_s: float
) -> AudioLimitError:
    """``claim_s`` is what the header announces from the start of the window on."""
    what = "this recording has" if window.whole else "this window has"
    if window.duration_s is not None and claim_s is not None:
        claim_s = min(claim_s, window.duration_s)
    known = claim_s is not None and claim_s > cap_s
    length = _span(claim_s) if known else f"more than {_span(cap_s, floor=True)}"
    return AudioLimitError(
        f"{shown_name(ref.path)}: {what} {length} of audio, too much to open at once. "
        f"Choose a window of at most {_span(cap_s, floor=True)}."
    )


def _span(seconds: float, floor: bool = False) -> str:
    """A length of time in words; ``floor`` never says more than it is."""
    if seconds >= 7200:
        size, unit = 3600, "hours"
    elif seconds >= 120:
        size, unit = 60, "minutes"
    else:
        size, unit = 1, "s"
    tenths = seconds * 10 / size
    return f"{(math.floor(tenths + 1e-6) if floor else round(tenths)) / 10:g} {unit}"

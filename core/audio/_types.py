"""What a file is (``ClipRef``), what may be opened (``Limits``), what was found (``AudioInfo``)."""

from collections.abc import Mapping
from dataclasses import dataclass
import math
import os
import stat

from core.errors import AudioReadError, ParameterError
from core.safe_text import clean

MB = 2**20  # bytes

_SUFFIXES = (
    "wav flac ogg oga opus mp3 mp2 aiff aif aifc au snd caf w64 rf64 m4a m4b aac mp4 m4v mov webm "
    "mka mkv amr 3gp 3g2 3ga wma asf ac3 eac3 tta wv voc nist sph"
)


@dataclass(frozen=True)
class ClipRef:
    """A recording on disk as it is now; a small key for caches, changed when the file is.

    ``size`` is in bytes, ``mtime_ns`` in ns since 1970.
    """

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | os.PathLike) -> "ClipRef":
        """The file at ``path``.

        Raises
        ------
        AudioReadError
            Where there is no regular file (missing, folder, device, pipe) or it may not be read.
        """
        full = os.path.abspath(os.fsdecode(path))
        try:
            found = os.stat(full)
        except (OSError, ValueError):
            raise AudioReadError(
                f"{shown_name(full)}: there is no such file. Check its name and folder."
            ) from None
        if not stat.S_ISREG(found.st_mode):
            raise AudioReadError(f"{shown_name(full)}: this is not a file. Choose a recording.")
        if not os.access(full, os.R_OK):
            raise AudioReadError(
                f"{shown_name(full)}: this file may not be read. Change its permissions."
            )
        return cls(full, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True)
class Limits:
    """What may be opened at once.

    ``max_seconds`` of audio; ``max_mb`` (of 2^20 bytes) bounds the file on disk and, separately,
    the float32 samples kept; ``wall_s`` seconds and ``memory_mb`` are what decoding may take.
    """

    max_seconds: float = 600.0
    max_mb: float = 200.0
    wall_s: float = 30.0
    memory_mb: float = 1024

    def __post_init__(self) -> None:
        for name in ("max_seconds", "max_mb", "wall_s", "memory_mb"):
            _positive(name, getattr(self, name))

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Limits":
        """Limits with PHONOSCOPE_MAX_MINUTES and PHONOSCOPE_MAX_MB in force, where set.

        Raises
        ------
        ParameterError
            Where one of them is not a number above 0.
        """
        base = cls()
        minutes = _positive("PHONOSCOPE_MAX_MINUTES", env.get("PHONOSCOPE_MAX_MINUTES") or 10)
        max_mb = _positive("PHONOSCOPE_MAX_MB", env.get("PHONOSCOPE_MAX_MB") or base.max_mb)
        # The decoder holds the samples kept, and needs room to work beside them.
        memory_mb = max(base.memory_mb, 2 * max_mb + 512)
        return cls(max_seconds=60 * minutes, max_mb=max_mb, memory_mb=memory_mb)


@dataclass(frozen=True)
class AudioInfo:
    """What a file holds.

    ``duration_s`` is what decodes; where ``duration_claimed``, the file is longer than may be
    opened at once and the header's word is given, or, if it says nothing, a lower bound.
    ``container`` and ``codec`` are named as libsndfile or FFmpeg do. ``bits`` per sample is None
    for lossy codings and where not known. ``bit_rate`` is in bit/s, ``size`` in bytes. ``warnings``
    are sentences about what is odd in it, such as an end that is missing.
    """

    path: str
    container: str
    codec: str
    sr: int
    channels: int
    duration_s: float
    duration_claimed: bool
    bits: int | None
    bit_rate: int | None
    size: int
    warnings: tuple[str, ...] = ()


def audio_suffixes() -> tuple[str, ...]:
    """File extensions people may upload, in small letters, without dots."""
    return tuple(_SUFFIXES.split())


def shown_name(path: str) -> str:
    """The last part of ``path`` as one visible line: no folder of this machine in a sentence."""
    return clean(os.path.basename(path) or path) or "this file"


def _positive(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ParameterError(f"{name}={clean(value)} does not work: choose a number above 0.")
    return number

"""Is this installation sound: versions, codecs, limits, free disk, and a workspace's integrity."""

from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
import io
import os
from pathlib import Path
import platform
import re
import shutil
import sys
import tempfile
from typing import NamedTuple

import numpy as np

from core import audio
from core.audio import ClipRef, Limits
from core.errors import VoiceError
from core.safe_text import clean
from core.store import verify

SR, SECONDS = 16_000, 1.0
LOW_DISK_GB = 1.0
FORMATS = {  # suffix: who writes it here, format and codec
    "wav": ("soundfile", "WAV", "PCM_16"),
    "flac": ("soundfile", "FLAC", "PCM_16"),
    "ogg": ("soundfile", "OGG", "VORBIS"),
    "opus": ("soundfile", "OGG", "OPUS"),
    "mp3": ("soundfile", "MP3", "MPEG_LAYER_III"),
    "aiff": ("soundfile", "AIFF", "PCM_16"),
    "caf": ("soundfile", "CAF", "ALAC_16"),
    "m4a": ("av", "ipod", "aac"),
    "webm": ("av", "webm", "libopus"),
    "wma": ("av", "asf", "wmav2"),
    "ac3": ("av", "ac3", "ac3"),
}


class Finding(NamedTuple):
    """One thing looked at: ``state`` is "ok", "warn" or "fail"; ``sentence`` for people."""

    topic: str
    state: str
    sentence: str


def examine(workspace: str | os.PathLike | None = None) -> Iterator[Finding]:
    """Look at everything in turn, and at a workspace where one is named."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()}")
    yield from _versions(Path(__file__).resolve().parents[1] / "requirements.lock")
    yield from _codecs()
    yield _limits()
    yield _disk(Path(tempfile.gettempdir()), "temporary files")
    if workspace is not None:
        folder = Path(workspace)
        if folder.is_dir():
            yield _disk(folder, "the workspace")
        yield _workspace(folder)


def _versions(lock: Path) -> Iterator[Finding]:
    """Installed packages against those that were tested together."""
    if not lock.exists():
        yield Finding("versions", "warn", "There is no requirements.lock to compare with.")
        return
    wanted = re.findall(r"^([a-z0-9_.-]+)==([^\s;\\]+)(.*)$", lock.read_text(), re.M | re.I)
    wrong = []
    for name, tested, rest in wanted:
        try:
            found = version(name)
        except PackageNotFoundError:
            if ";" not in rest:  # a package of other systems has a condition
                wrong.append(f"{name} is missing")
            continue
        if found != tested:
            wrong.append(f"{name} is {found}, tested is {tested}")
    if wrong:
        cure = "Run 'make setup' to install what is tested."
        yield Finding("versions", "warn", f"{'; '.join(wrong)}. {cure}")
    else:
        yield Finding("versions", "ok", f"all {len(wanted)} packages as tested")


def _codecs() -> Iterator[Finding]:
    """Write a second of sound in each format, and read it as an upload is read."""
    fine, unknown = [], []
    with tempfile.TemporaryDirectory() as folder:
        for suffix, (writer, container, codec) in FORMATS.items():
            path = Path(folder, f"sound.{suffix}")
            try:
                WRITERS[writer](path, container, codec)
            except Exception:  # an encoder that this build lacks says nothing about reading
                unknown.append(suffix)
                continue
            try:
                y, sr = audio.load(ClipRef.of(path), sr=None)
                seconds = y.shape[-1] / sr
            except VoiceError as err:
                yield Finding("codecs", "fail", f"{suffix}: {err}")
                continue
            if abs(seconds - SECONDS) > 0.2:
                yield Finding("codecs", "fail", f"{suffix}: {seconds:.2f} s read of {SECONDS} s.")
                continue
            fine.append(suffix)
    yield Finding("codecs", "ok", f"reads {', '.join(fine)}")
    if unknown:
        yield Finding("codecs", "warn", f"could not be tried, no encoder: {', '.join(unknown)}")


def _sound() -> np.ndarray:
    t = np.arange(round(SECONDS * SR)) / SR
    return (0.3 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)


def _by_soundfile(path: Path, container: str, codec: str) -> None:
    import soundfile as sf

    sf.write(path, _sound(), SR, format=container, subtype=codec)


def _by_av(path: Path, container: str, codec: str) -> None:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=48_000, layout="mono", bit_rate=64_000)
        stream.codec_context.open(strict=False)
        frame = av.AudioFrame.from_ndarray(_sound()[None], format="fltp", layout="mono")
        frame.sample_rate = SR
        resampler = av.AudioResampler(stream.format, "mono", 48_000, stream.frame_size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    path.write_bytes(buffer.getvalue())


WRITERS: dict[str, Callable[[Path, str, str], None]] = {
    "soundfile": _by_soundfile,
    "av": _by_av,
}


def _limits() -> Finding:
    try:
        limits = Limits.from_env()
    except VoiceError as err:
        return Finding("limits", "fail", str(err))
    said = f"{limits.max_seconds / 60:g} minutes and {limits.max_mb:g} MB a file"
    killable = "memory limits in force" if sys.platform == "linux" else "no memory limits here"
    return Finding("limits", "ok", f"{said}; decoding may take {limits.wall_s:g} s; {killable}")


def _disk(folder: Path, what: str) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    state = "ok" if free > LOW_DISK_GB else "warn"
    more = "" if state == "ok" else " Make room: extraction stops when the disk is full."
    return Finding("disk", state, f"{free:.1f} GB free for {what}.{more}")


def _workspace(folder: Path) -> Finding:
    found = verify(folder)
    state = {"healthy": "ok", "unfinished": "warn"}.get(found.state, "fail")
    names = ", ".join(clean(name) for name in found.damaged[:5])
    more = f" ({names}{' …' if len(found.damaged) > 5 else ''})" if names else ""
    return Finding("workspace", state, f"{found.state}: {found.sentence}{more}")

"""Small pictures of clips for the rows of a table: made on demand, kept in the workspace.

Conventions: a picture is WIDTH x HEIGHT pixels of one colour on nothing, so that it can be seen on
light and on dark; it shows the first ``MOST_S`` seconds over its whole width. It is named by the
file's path, size and time, so that a changed file gets a picture of its own.
"""

from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from io import BytesIO
import os
from pathlib import Path

import numpy as np

from core import audio
from core.audio import ClipRef, Limits
from core.errors import VoiceError
from core.params import SpectraParams
from core.spectra import mel_power, power_to_db, stft_power
from core.views import envelope

KINDS = ("waveform", "spectrogram")
WIDTH, HEIGHT = 120, 32
MOST_S = 20.0
SR = 16_000
TOP_DB = 60.0
MOST_KEPT = 20_000  # pictures on disk, about 30 MB
COLOUR = (26, 134, 128)
_FOLDER = "thumbnails"
_VERSION = "1"
_PARAMS = SpectraParams(n_fft=1024, hop_length=256, n_mels=HEIGHT)


def pictures(
    folder: str | os.PathLike, paths: Sequence[str | None], kind: str, limits: Limits | None = None
) -> list[str]:
    """A data URI for each recording, in order; "" where there is none or it cannot be read.

    Parameters
    ----------
    folder : path
        The workspace's folder; pictures are kept in ``thumbnails`` below it, where it may be
        written.
    paths : sequence of str or None
        The recordings.
    kind : {"waveform", "spectrogram"}
    limits : Limits, optional
        What may be opened.
    """
    kept = Path(folder) / _FOLDER
    limits = limits or Limits()
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda path: _picture(kept, path, kind, limits), paths))
    if any(new for _, new in found):
        _make_room(kept)
    return [uri for uri, _ in found]


def draw(y: np.ndarray, *, sr: int, kind: str) -> bytes:
    """A mono signal as a small PNG (waveform) or WebP (mel spectrogram, 60 dB)."""
    from PIL import Image

    alpha = _waveform(y, sr) if kind == "waveform" else _spectrogram(y, sr)
    pixels = np.empty((HEIGHT, WIDTH, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = COLOUR, alpha
    out = BytesIO()
    if kind == "waveform":
        flat = Image.fromarray((alpha > 0).astype(np.uint8), "P")
        flat.putpalette([0, 0, 0, *COLOUR])
        flat.save(out, "PNG", transparency=0, optimize=True, bits=1)
    else:
        Image.fromarray(pixels, "RGBA").save(out, "WEBP", quality=40, alpha_quality=60, method=2)
    return out.getvalue()


def _picture(kept: Path, path: str | None, kind: str, limits: Limits) -> tuple[str, bool]:
    if not path:
        return "", False
    try:
        ref = ClipRef.of(path)
    except VoiceError:
        return "", False
    words = "\n".join([_VERSION, kind, ref.path, str(ref.size), str(ref.mtime_ns)])
    name = blake2b(words.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    file = kept / f"{name}.{'png' if kind == 'waveform' else 'webp'}"
    try:
        return _uri(file.read_bytes(), file.suffix), False
    except OSError:
        pass
    try:
        y, sr = audio.load(ref, SR, duration_s=MOST_S, limits=limits)
    except VoiceError:
        return "", False
    data = draw(y, sr=sr, kind=kind)
    return _uri(data, file.suffix), _keep(file, data)


def _uri(data: bytes, suffix: str) -> str:
    return f"data:image/{suffix[1:]};base64,{b64encode(data).decode()}"


def _keep(file: Path, data: bytes) -> bool:
    """Write a picture; one that cannot be kept is made again next time."""
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, file)
    except OSError:
        return False
    return True


def _make_room(kept: Path) -> None:
    """Remove the oldest pictures beyond ``MOST_KEPT``."""
    try:
        files = [(entry.stat().st_mtime_ns, entry.path) for entry in os.scandir(kept)]
        for _, path in sorted(files)[: max(0, len(files) - MOST_KEPT)]:
            os.unlink(path)
    except OSError:
        return


def _waveform(y: np.ndarray, sr: int) -> np.ndarray:
    """Full where the wave is, relative to the clip's own peak; a line at least."""
    shown = envelope(y, sr=sr, t0=0.0, t1=y.size / sr, width=WIDTH)
    at = np.clip((shown.times * sr / y.size * WIDTH).astype(int), 0, WIDTH - 1)
    peak = float(np.abs(y).max(initial=0)) or 1.0
    low, high = np.zeros(WIDTH), np.zeros(WIDTH)
    np.fmin.at(low, at, shown.low / peak)
    np.fmax.at(high, at, shown.high / peak)
    middle, rows = (HEIGHT - 1) / 2, np.arange(HEIGHT)[:, None]
    inside = (rows >= np.floor(middle * (1 - high))) & (rows <= np.ceil(middle * (1 - low)))
    return np.where(inside, 255, 0).astype(np.uint8)


def _spectrogram(y: np.ndarray, sr: int) -> np.ndarray:
    """Level in dB below the clip's maximum as opacity, low bands at the bottom."""
    S_db = power_to_db(
        mel_power(stft_power(y, sr=sr, params=_PARAMS), sr=sr, params=_PARAMS),
        ref=np.max,
        top_db=TOP_DB,
    )
    at = np.linspace(0, S_db.shape[1], WIDTH, endpoint=False).astype(int)
    pooled = np.maximum.reduceat(S_db, at, axis=1)[::-1]
    return np.clip(255 * (1 + pooled / TOP_DB), 0, 255).astype(np.uint8)

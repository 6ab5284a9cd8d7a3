"""Samples to other rates and to WAV bytes.

Conventions: ``y`` is float with full scale at 1, shape (n,) or (channels, n).
"""

import os
from pathlib import Path
import secrets
import struct

import numpy as np

from core.errors import ParameterError

SR_RANGE = (1_000, 768_000)  # Hz

_PCM, _FLOAT = 1, 3  # WAVE format tags
_BLOCK = 2**16  # frames at a time: stays in the cache
_MAX_DATA = 2**32 - 128  # bytes: a WAV counts in 32 bits


def resample(y: np.ndarray, *, sr_in: int, sr_out: int) -> np.ndarray:
    """``y`` at another sampling rate, by soxr at quality HQ (aliases below -130 dB).

    Parameters
    ----------
    y : np.ndarray
        Samples, shape (n,) or (channels, n).
    sr_in, sr_out : int
        Sampling rates in Hz.

    Returns
    -------
    np.ndarray
        float32, shape (m,) or (channels, m), m = n * sr_out / sr_in to the nearest; ``y`` itself
        where the rates are equal and it is float32.

    Raises
    ------
    ParameterError
        A rate is outside 1 to 768 kHz, or ``y`` has another shape.
    """
    y = _checked(y).astype(np.float32, copy=False)
    for name, sr in (("sr_in", sr_in), ("sr_out", sr_out)):
        check_rate(name, sr)
    if sr_in == sr_out or not y.size:
        return y
    import soxr

    out = soxr.resample(y.T, sr_in, sr_out, quality="HQ")
    return np.ascontiguousarray(out.T, dtype=np.float32)


def encode_wav(y: np.ndarray, *, sr: int, bits: int) -> bytes:
    """``y`` as a WAV file.

    Parameters
    ----------
    y : np.ndarray
        Samples, shape (n,) or (channels, n). NaN is written as 0.
    sr : int
        Sampling rate in Hz.
    bits : int
        16 or 24: PCM, clipped at full scale; 32: float, nothing clipped.

    Returns
    -------
    bytes
        RIFF/WAVE; a decoder gives back ``y`` to half a step of the quantiser.

    Raises
    ------
    ParameterError
        Other ``bits``, ``sr`` or shape, or more than 4 GB.
    """
    y = _checked(y)
    check_rate("sr", sr)
    if bits not in (16, 24, 32):
        raise ParameterError(f"bits={bits} does not work: choose 16, 24 or 32.")
    frames = np.atleast_2d(y).T  # (n, channels): WAV is interleaved
    channels, width = frames.shape[1], bits // 8
    if channels > 0xFFFF or frames.size * width > _MAX_DATA:
        raise ParameterError("This is too much for one WAV file (4 GB): save it in parts.")
    fmt = struct.pack(
        "<HHIIHH",
        _FLOAT if bits == 32 else _PCM,
        channels,
        sr,
        sr * channels * width,
        channels * width,
        bits,
    )
    size = frames.size * width
    head = [_chunk(b"fmt ", fmt)]
    if bits == 32:
        head.append(_chunk(b"fact", struct.pack("<I", len(frames))))
    head.append(b"data" + struct.pack("<I", size))
    total = 4 + sum(map(len, head)) + size + size % 2
    blocks = (_quantised(frames[i : i + _BLOCK], bits) for i in range(0, len(frames), _BLOCK))
    riff = b"RIFF" + struct.pack("<I", total) + b"WAVE"
    return b"".join([riff, *head, *blocks, b"\0" * (size % 2)])


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data


def write_wav(path: str | os.PathLike, y: np.ndarray, *, sr: int, bits: int) -> None:
    """Write ``y`` to ``path`` whole or not at all; parameters as ``encode_wav``.

    Raises
    ------
    ParameterError
        As ``encode_wav``.
    OSError
        The folder is missing or full, or may not be written to; an older file is left as it was.
    """
    data = encode_wav(y, sr=sr, bits=bits)
    path = Path(path)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _quantised(frames: np.ndarray, bits: int) -> bytes:
    """Interleaved little-endian samples."""
    if bits == 32:
        with np.errstate(over="ignore"):
            return np.where(np.isnan(frames), 0, frames).astype("<f4").tobytes()
    full = 2 ** (bits - 1)
    x = np.nan_to_num(frames, nan=0.0, posinf=1.0, neginf=-1.0)
    np.clip(x, -1.0, (full - 1) / full, out=x)
    x *= full  # a power of two: exact
    np.rint(x, out=x)
    if bits == 16:
        return x.astype("<i2").tobytes()
    return x.astype("<i4", order="C").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _checked(y: np.ndarray) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim not in (1, 2) or y.dtype.kind != "f" or (y.ndim == 2 and not y.shape[0]):
        raise ParameterError(
            f"y of shape {y.shape} and type {y.dtype} does not work: "
            "give floats of shape (n,) or (channels, n)."
        )
    return y


def check_rate(name: str, sr: int) -> None:
    """Raise ParameterError where ``sr`` in Hz is not a rate we convert to."""
    if not SR_RANGE[0] <= sr <= SR_RANGE[1] or sr != int(sr):
        raise ParameterError(
            f"{name}={sr} Hz does not work: choose {SR_RANGE[0]} to {SR_RANGE[1]} Hz."
        )

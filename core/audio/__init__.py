"""Recordings in and out: bounded decoding in a process that may die, resampling, WAV.

Conventions: ``y`` is float32 with full scale at 1, shape (n,) mono or (channels, n); ``sr`` is in
Hz and has no default.

* Which file: ``ClipRef``, ``audio_suffixes``
* What may be opened: ``Limits``
* Reading: ``info``, ``load``, ``warm``; ``decode_here`` in processes that may die over a file
* Converting and writing: ``resample``, ``encode_wav``, ``write_wav``
"""

from core.audio._convert import encode_wav, resample, write_wav
from core.audio._decode import info, load, warm
from core.audio._types import AudioInfo, ClipRef, Limits, audio_suffixes
from core.audio._workers import decode_here

__all__ = [
    "AudioInfo",
    "ClipRef",
    "Limits",
    "audio_suffixes",
    "decode_here",
    "encode_wav",
    "info",
    "load",
    "resample",
    "warm",
    "write_wav",
]

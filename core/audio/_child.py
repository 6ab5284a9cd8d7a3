"""The decoder, a script of its own: started as ``python -I``, it imports nothing of core.

Conventions: a request is one JSON line on stdin; the answer is one JSON line on stdout followed by
``4 * channels * frames`` bytes of float32, channel after channel. The file name travels as the
bytes the system has for it, spelled in latin-1, so any name survives. End of stdin ends the child.

libsndfile is asked first, FFmpeg (PyAV) where libsndfile cannot; both only for the formats below.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
import importlib.util
import json
import math
import os
import queue
import re
import sys
import threading

import numpy as np

BLOCK = 262_144  # samples, all channels together
PREROLL_S = 2.0  # MP3, Vorbis and Opus decode wrongly for a moment after a jump
MAX_CHANNELS = 64
_UNKNOWN = "damaged or of an unknown kind"
MAX_DAMAGED = 50  # packets
MAX_PACKETS = 5_000_000
SR_RANGE = (1_000, 768_000)

BRIEF_S = 0.1
WILD = 100.0  # times full scale
# What these announce is exact; others announce an estimate, or count padding.
EXACT = {"FLAC", "OGG", "AIFF", "AU", "CAF", "W64", "MP4", "TTA", "WV"}

SF_CONTAINERS = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3", "NIST"}
SF_BITS = {
    "PCM_S8": 8,
    "PCM_U8": 8,
    "PCM_16": 16,
    "PCM_24": 24,
    "PCM_32": 32,
    "FLOAT": 32,
    "DOUBLE": 64,
    "ULAW": 8,
    "ALAW": 8,
    "ALAC_16": 16,
    "ALAC_20": 20,
    "ALAC_24": 24,
    "ALAC_32": 32,
}
# Opus is left to FFmpeg: libsndfile decodes at the rate the file says it was made from.
SF_LOSSY = {"VORBIS", "IMA_ADPCM", "MS_ADPCM", "GSM610", "MPEG_LAYER_II", "MPEG_LAYER_III"}

# No format here reads another file, and none is text, a playlist or a picture.
AV_FORMATS = (
    "wav,w64,aiff,au,caf,flac,ogg,mp3,mov,matroska,aac,amr,asf,ac3,eac3,dts,truehd,tta,wv,rm,avi,"
    "mpegts,voc,sln"
)
# Not mp1: nobody has such files, and UTF-16 text begins like one.
AV_CODECS = (
    "aac,ac3,adpcm_g722,adpcm_g726,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,adpcm_yamaha,alac,amrnb,"
    "amrwb,cook,dca,eac3,flac,g722,g723_1,g726,g726le,g729,gsm,gsm_ms,libopencore_amrnb,"
    "libopencore_amrwb,libopus,mlp,mp2,mp2float,mp3,mp3float,opus,pcm_alaw,pcm_bluray,"
    "pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,pcm_s24le,"
    "pcm_s32be,pcm_s32le,pcm_s8,pcm_u8,qcelp,real_144,real_288,sipr,speex,truehd,tta,vorbis,"
    "wavpack,wmalossless,wmapro,wmav1,wmav2,wmavoice"
)
AV_NAMES = {"mov": "MP4", "matroska": "MATROSKA"}
AV_OPTIONS = {
    "format_whitelist": AV_FORMATS,
    "codec_whitelist": AV_CODECS,
    "protocol_whitelist": "file",
    "probesize": "2000000",
    "analyzeduration": "3000000",
}


class Stop(Exception):
    """Why there is no answer: a status and the facts for its sentence."""

    def __init__(self, status: str, **facts):
        super().__init__(status)
        self.status, self.facts = status, facts


@dataclass(frozen=True)
class Job:
    """One request. ``frames`` are per channel, ``samples`` are channels x frames."""

    path: str
    keep: bool  # False: count only
    mono: bool
    start_s: float
    duration_s: float | None
    max_seconds: float
    max_samples: int  # kept
    max_work: int  # decoded
    keep_padding: bool = False  # of MP3

    @property
    def is_whole(self) -> bool:
        """Whether the whole file is asked for."""
        return self.start_s == 0 and self.duration_s is None


class Sink:
    """Takes decoded blocks in order; drops, keeps or counts their frames within the limits."""

    def __init__(self, job: Job, sr: int, channels: int, claim: int | None, at: int = 0):
        if not SR_RANGE[0] <= sr <= SR_RANGE[1] or not 1 <= channels <= MAX_CHANNELS:
            raise Stop("unsupported", what=f"{channels} channels at {sr} Hz")
        self.job, self.sr, self.channels, self.claim = job, sr, channels, claim
        self.kept_channels = 1 if job.mono else channels
        self.start = round(job.start_s * sr)
        self.skip = self.start - at
        self.want = None if job.duration_s is None else max(1, round(job.duration_s * sr))
        self.cap = math.floor(job.max_seconds * sr)
        if job.keep:
            self.cap = min(self.cap, job.max_samples // self.kept_channels)
        self.decoded = self.frames = self.damaged = self.replaced = 0
        self.peak = 0.0
        self.blocks: list[np.ndarray] = []
        self.about: dict = {}
        ends = [x for x in (self.want, claim) if x is not None]
        window = min([math.floor(job.max_seconds * sr), *ends])
        self.far = self.skip > 0 and window * channels <= job.max_work
        # Known beforehand to be too much: refused at the first block.
        self.hopeless = claim is not None and (
            (min(self.skip, claim) + window) * channels > job.max_work
        )

    @property
    def full(self) -> bool:
        """Whether the recording goes on past what may be opened at once."""
        return self.frames > self.cap

    @property
    def needed(self) -> int:
        """Frames still to decode until the window, or more than may be opened, is there."""
        end = self.cap + 1 if self.want is None else min(self.want, self.cap + 1)
        return self.skip + end - self.frames

    def limit(self, status: str) -> Stop:
        """The refusal for a recording over a limit."""
        rest = None if self.claim is None else max(0.0, self.claim - self.start) / self.sr
        longest = min(self.cap, self.job.max_work // self.channels)
        return Stop(status, claim_s=rest, cap_s=longest / self.sr)

    def add(self, block: np.ndarray) -> bool:
        """Take ``block``, shape (n, channels); True when no more is needed."""
        self.decoded += len(block)
        if self.hopeless or self.decoded * self.channels > self.job.max_work:
            if self.job.keep:
                raise self.limit("too_far" if self.far else "too_long")
            self.frames += len(block)
            self.cap = 0
            return True
        cut = min(self.skip, len(block))
        self.skip -= cut
        block = block[cut:]
        if self.want is not None:
            block = block[: self.want - self.frames]
        self.frames += len(block)
        self._tally(block)
        if self.job.keep:
            if self.full:
                raise self.limit("too_long")
            if len(block):
                self.blocks.append(self._prepare(block))
        return self.full or self.frames == self.want

    def _tally(self, block: np.ndarray) -> None:
        """Count what is no number, and find the largest that is one."""
        if not block.size:
            return
        low, high = float(block.min()), float(block.max())
        if not math.isfinite(low - high):
            finite = block[np.isfinite(block)]
            self.replaced += block.size - finite.size
            low, high = float(finite.min(initial=0)), float(finite.max(initial=0))
        self.peak = max(self.peak, -low, high)

    def _prepare(self, block: np.ndarray) -> np.ndarray:
        """Finite float32 of shape (kept channels, n)."""
        # A copy in any case: the decoder may use its block again.
        y = _finite(np.array(block.T, dtype=np.float32, order="C"))
        if len(y) > self.kept_channels:
            mean = y[0] / np.float32(len(y))
            for channel in y[1:]:
                mean += channel / np.float32(len(y))
            y = mean[None]
        return y

    def answer(self) -> dict:
        """The facts about what was kept or counted; Stop where there is nothing."""
        if not self.decoded:
            raise Stop("empty")
        if not self.frames:
            raise Stop("past_end", end_s=(self.start - self.skip) / self.sr)
        if self.replaced == self.frames * self.channels and self.job.is_whole:
            raise Stop("no_numbers")
        counted = self.frames / self.sr
        claim_s = (self.claim or 0) / self.sr
        return {
            "status": "ok",
            "sr": self.sr,
            "channels": self.kept_channels if self.job.keep else self.channels,
            "frames": self.frames,
            "duration_s": max(counted, claim_s) if self.full else counted,
            "claimed": self.full,
            "notes": [] if self.job.keep else self.notes,
            **self.about,
        }

    @cached_property
    def notes(self) -> list[list]:
        """What is odd about the whole file."""
        notes: list[list] = []
        with suppress(OSError, MemoryError):
            notes = _look().look(self.job.path, self.about.get("container", ""))
        claim, counted = self.claim or 0, self.frames
        exact = self.about.get("container") in EXACT and not self.full
        if exact and claim - counted > max(0.1 * self.sr, 0.01 * claim) and not notes:
            notes.append(["short", claim / self.sr, counted / self.sr])
        if self.damaged:
            notes.append(["damaged", self.damaged])
        if self.replaced:
            notes.append(["numbers", self.replaced])
        if self.peak > WILD:
            notes.append(["wild", self.peak])
        if counted < BRIEF_S * self.sr:
            notes.append(["brief", BRIEF_S])
        return notes


def _look():
    """The module beside this one; ``python -I`` looks for none there."""
    global _looking
    if _looking is None:
        place = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_look.py")
        spec = importlib.util.spec_from_file_location("phonoscope_look", place)
        _looking = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(_looking)
    return _looking


_looking = None


def _finite(y: np.ndarray) -> np.ndarray:
    """``y`` with NaN as 0 and infinities as full scale; other values as they are."""
    # A float64 sum of float32 values cannot overflow: it is finite exactly when all of them are.
    if math.isfinite(float(y.sum(dtype=np.float64))):
        return y
    return np.nan_to_num(y, nan=0.0, posinf=1.0, neginf=-1.0)


def by_libsndfile(job: Job) -> Sink:
    """Decode with libsndfile, which can jump to the window."""
    import soundfile

    class Sequential(soundfile.SoundFile):
        def seekable(self):
            """False: else soundfile seeks after every block, which damages MP3."""
            return False

    with Sequential(job.path) as f:
        if f.format not in SF_CONTAINERS or f.subtype not in SF_BITS.keys() | SF_LOSSY:
            raise Stop("unreadable", reason=f"{f.format} with {f.subtype}")
        if job.keep_padding and f.format == "MP3":
            raise Stop("unreadable", reason="MP3 with its padding")  # FFmpeg can keep it
        claim = f.frames if 0 < f.frames < 2**62 else None
        at = max(0, round((job.start_s - PREROLL_S) * f.samplerate))
        if claim is not None and round(job.start_s * f.samplerate) >= claim > 0:
            raise Stop("past_end", end_s=claim / f.samplerate)
        sink = Sink(job, f.samplerate, f.channels, claim, at)
        bits = SF_BITS.get(f.subtype)
        sink.about = {
            "container": f.format.replace("WAVEX", "WAV"),
            "codec": f.subtype,
            "bits": bits,
            "bit_rate": bits * f.samplerate * f.channels if bits and f.format != "FLAC" else None,
        }
        if at:
            f.seek(at)
        n = max(1, BLOCK // f.channels)
        while len(block := f.read(min(n, sink.needed), dtype="float32", always_2d=True)):
            if sink.add(block):
                break
    return sink


def by_ffmpeg(job: Job) -> Sink:
    """Decode with FFmpeg from the beginning, dropping what is before the window."""
    import av

    kind = {"options": AV_OPTIONS, "metadata_errors": "replace", "timeout": 10.0}
    with av.open(job.path, **kind) as container:
        stream = next((s for s in container.streams if s.type == "audio"), None)
        if stream is None:
            raise Stop("no_track")
        codec = stream.codec_context
        if codec is None or codec.codec.name not in AV_CODECS.split(","):
            raise Stop("unreadable", reason="an unknown kind of audio track")
        if job.keep_padding and codec.codec.canonical_name == "mp3":
            codec.options = {"flags2": "+skip_manual"}
        sink, damaged = None, [0]
        for frame in _frames(container, stream, damaged):
            if sink is None:
                sink = Sink(job, frame.sample_rate, frame.layout.nb_channels, _claim(stream, frame))
                sink.about = _about(container, stream)
            if (frame.sample_rate, frame.layout.nb_channels) != (sink.sr, sink.channels):
                raise Stop("unreadable", reason="the sampling rate or the channels change inside")
            if sink.add(_samples(frame)):
                break
    if sink is None:
        raise Stop("empty")
    sink.damaged = damaged[0]
    return sink


def _frames(container, stream, damaged: list[int]):
    """Decoded frames; a few damaged packets are passed over and counted, many end the file."""
    import av

    for count, packet in enumerate(container.demux(stream)):
        try:
            yield from packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            damaged[0] += 1
        if damaged[0] > MAX_DAMAGED or count > MAX_PACKETS:
            raise Stop("unreadable", reason="too many damaged parts")


def _claim(stream, frame) -> int | None:
    """Frames the header announces."""
    if stream.duration and stream.time_base:
        return max(0, int(stream.duration * stream.time_base * frame.sample_rate)) or None
    whole = stream.container.duration  # microseconds
    return int(whole * frame.sample_rate / 1_000_000) if whole and whole > 0 else None


def _about(container, stream) -> dict:
    """Container, codec, bits and bit rate, as FFmpeg names them, in capitals."""
    short = container.format.name.split(",")[0]
    codec = stream.codec_context.codec.canonical_name
    width = re.fullmatch(r"pcm_[suf](8|16|24|32|64)(be|le)?", codec)
    bits = int(width[1]) if width else {"pcm_alaw": 8, "pcm_mulaw": 8}.get(codec)
    return {
        "container": AV_NAMES.get(short, short.upper()),
        "codec": codec.upper(),
        "bits": bits,
        "bit_rate": stream.bit_rate or None,
    }


def _samples(frame) -> np.ndarray:
    """Samples of an FFmpeg frame, shape (n, channels), full scale at 1."""
    y = frame.to_ndarray()
    y = y.T if frame.format.is_planar else y.reshape(-1, frame.layout.nb_channels)
    if y.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return y.astype(np.float32)
    half = np.float32(2.0 ** (8 * y.dtype.itemsize - 1))
    y = y.astype(np.float32) / half
    return y - np.float32(1) if frame.format.name.startswith("u8") else y


def decode(job: Job) -> Sink:
    """Decode with the first library that can; Stop with the reason where none can."""
    import av
    import soundfile

    first = None
    for reader in (by_libsndfile, by_ffmpeg):
        try:
            sink = reader(job)
            sink.answer()
            return sink
        except MemoryError:
            raise Stop("memory") from None
        except Stop as stop:
            if stop.status in ("too_long", "too_far", "past_end", "unsupported"):
                raise
            failure = stop
        except soundfile.LibsndfileError as err:
            known = "does not exist" not in err.error_string  # what it says of UTF-16 text
            failure = Stop("unreadable", reason=err.error_string if known else _UNKNOWN)
        except av.error.FFmpegError as err:
            failure = Stop("unreadable", reason=err.strerror)
        except Exception:  # damaged files raise almost anything
            failure = Stop("unreadable", reason=_UNKNOWN)
        if first is None or failure.status != "unreadable" or job.keep_padding:
            first = failure
    raise first


def handle(request: dict, base: int) -> tuple[dict, list[np.ndarray]]:
    """The answer to one request: header and blocks of shape (channels, n)."""
    name = request.pop("path").encode("latin-1")
    memory = int(request.pop("memory_mb") * 2**20)
    _bound(base + memory if base else None, request.pop("wall_s"))
    job = Job(path=os.fsdecode(name), **request)
    try:
        sink = decode(job)
        return sink.answer(), sink.blocks
    except Stop as stop:
        return {"status": stop.status, **stop.facts}, []


def _size() -> int:
    """Address space of this process in bytes; 0 where there is no /proc."""
    try:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError):
        return 0


def _bound(memory: int | None, wall_s: float) -> None:
    """Limit address space and processor time of the next request; nothing on Windows."""
    with suppress(ImportError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = math.ceil(used.ru_utime + used.ru_stime + wall_s) + 2
        for kind, most in ((resource.RLIMIT_CPU, cpu), (resource.RLIMIT_AS, memory)):
            if most is not None:
                with suppress(OSError, ValueError):  # a stricter limit is in force
                    resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def _confine() -> None:
    """No core dumps, no writing to files, few open files; nothing on Windows."""
    with suppress(ImportError):
        import resource

        for kind, most in (("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0), ("RLIMIT_NOFILE", 64)):
            with suppress(OSError, ValueError):
                resource.setrlimit(getattr(resource, kind), (most, most))


def _listen(requests: queue.SimpleQueue) -> None:
    """Pass requests on; when the parent is gone, end at once, even inside a decoder."""
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def main() -> None:
    """Answer requests until stdin ends."""
    out = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)  # libsndfile prints on stdout, mpg123 on stderr
    os.dup2(null, 2)
    import av  # noqa: F401  loaded before the memory limit is taken
    import soundfile  # noqa: F401

    _confine()
    requests: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    base = _size()
    out.write(b'{"status": "ready"}\n')
    out.flush()
    while True:
        request = json.loads(requests.get())
        number = request.pop("id")
        header, blocks = handle(request, base)
        out.write(json.dumps({"id": number, **header}).encode() + b"\n")
        for channel in range(len(blocks[0]) if blocks else 0):
            for block in blocks:
                out.write(block[channel])
        out.flush()


if __name__ == "__main__":
    main()

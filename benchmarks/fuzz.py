"""Damaged files of every format through the upload's decode worker.

    python -m benchmarks.fuzz [--count 100000] [--seed N] [--minutes M] [--keep FOLDER]

The seed is new each time and printed, so that a run can be had again. Counts results, sentences,
worker restarts, answers that are neither, and the longest answer; prints the most address space and
memory that a worker had, beside its limit. Mutants that break something are kept in FOLDER, where
the test suite finds them; those made of the recordings under $PHONOSCOPE_SHARED never are.
"""

import argparse
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
import io
import os
from pathlib import Path
import random
import re
import tempfile
import time

import numpy as np

from core import audio
from core.audio import ClipRef, Limits, _workers
from core.errors import VoiceError

SR = 16_000
SLOW_S = 20.0
MOST_SEED_BYTES = 60_000
MOST_TOLD = 50
_SOUNDFILE = (
    ("a.wav", {"subtype": "PCM_16"}),
    ("f.wav", {"subtype": "FLOAT"}),
    ("u.wav", {"subtype": "ULAW"}),
    ("ima.wav", {"subtype": "IMA_ADPCM"}),
    ("ms.wav", {"subtype": "MS_ADPCM"}),
    ("gsm.wav", {"subtype": "GSM610"}),
    ("x.wav", {"format": "WAVEX", "subtype": "PCM_24"}),
    ("r.wav", {"format": "RF64", "subtype": "PCM_16"}),
    ("a.w64", {"subtype": "PCM_16"}),
    ("a.aiff", {"subtype": "PCM_16"}),
    ("a.au", {"subtype": "ULAW"}),
    ("a.caf", {"subtype": "PCM_16"}),
    ("alac.caf", {"subtype": "ALAC_16"}),
    ("a.flac", {}),
    ("a.ogg", {}),
    ("o.opus", {"format": "OGG", "subtype": "OPUS"}),
    ("a.mp3", {}),
)
_FFMPEG = (
    ("a.m4a", "aac"),
    ("a.aac", "aac"),
    ("l.m4a", "alac"),
    ("a.webm", "libopus"),
    ("f.mka", "flac"),
    ("a.wma", "wmav2"),
    ("a.ac3", "ac3"),
    ("a.3gp", "libopencore_amrnb"),
    ("a.amr", "libopencore_amrnb"),
    ("a.tta", "tta"),
    ("a.wv", "wavpack"),
    ("a.ts", "mp2"),
)
_LIES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 5, 2**24)


def seeds() -> dict[str, bytes]:
    """Sound files, small and whole, by name: made here, then the shared ones where they are."""
    t = np.arange(int(0.4 * SR)) / SR
    y = (0.4 * np.sin(2 * np.pi * 220 * t) * (1 + np.sin(9 * t))).astype(np.float32) / 2
    found = dict(_by_soundfile(y)) | dict(_by_ffmpeg(y))
    folder = Path(os.environ.get("PHONOSCOPE_SHARED", "../shared"), "data", "formats", "generated")
    for path in sorted(folder.glob("*")):
        if path.stat().st_size <= MOST_SEED_BYTES:
            found[f"shared-{path.name}"] = path.read_bytes()
    return found


def soundfile_bytes(name: str, y: np.ndarray, sr: int, **kwargs) -> bytes:
    """A sound file of ``y``, of the kind of its name."""
    import soundfile

    file = io.BytesIO()
    kind = {"format": name.rpartition(".")[2].upper(), **kwargs}
    soundfile.write(file, y, sr, **kind)
    return file.getvalue()


def _by_soundfile(y: np.ndarray):
    for name, kwargs in _SOUNDFILE:
        yield name, soundfile_bytes(name, y, SR, **kwargs)


def _by_ffmpeg(y: np.ndarray):
    import av

    for name, codec in _FFMPEG:
        sr = 8000 if "amr" in codec else 48_000
        z = audio.resample(y, sr_in=SR, sr_out=sr)[None]
        file = io.BytesIO()
        kind = {"m4a": "ipod", "mka": "matroska", "wma": "asf", "aac": "adts", "ts": "mpegts"}
        suffix = name.rpartition(".")[2]
        with av.open(file, "w", format=kind.get(suffix, suffix)) as container:
            stream = container.add_stream(codec, rate=sr, layout="mono")
            stream.bit_rate = 12_200 if sr == 8000 else 64_000
            to = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=sr)
            fifo, frame = (
                av.AudioFifo(),
                av.AudioFrame.from_ndarray(z, format="fltp", layout="mono"),
            )
            frame.sample_rate = sr
            for part in to.resample(frame):
                fifo.write(part)
            while part := fifo.read(stream.codec_context.frame_size or 1024, partial=True):
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
        yield name, file.getvalue()


def mutant(rng: random.Random, known: dict[str, bytes]) -> tuple[str, bytes]:
    """A file of ``known`` with one to four kinds of damage, and its name."""
    name = rng.choice(list(known))
    data = bytearray(known[name])
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        rng.choice(_DAMAGE)(rng, data, known)
        if not data:
            data = bytearray(b"\0")
    return name, bytes(data)


def _flips(rng: random.Random, data: bytearray, known: dict) -> None:
    for _ in range(rng.choice((1, 4, 20, 100))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _head_flips(rng: random.Random, data: bytearray, known: dict) -> None:
    for _ in range(rng.choice((1, 2, 8))):
        data[rng.randrange(min(200, len(data)))] = rng.randrange(256)


def _lie(rng: random.Random, data: bytearray, known: dict) -> None:
    at = rng.randrange(min(rng.choice((120, 2000, 10**9)), len(data)))
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    value = rng.choice((*_LIES, rng.getrandbits(32), len(data)))
    data[at : at + size] = (value & (256**size - 1)).to_bytes(size, order)


def _cut(rng: random.Random, data: bytearray, known: dict) -> None:
    del data[rng.randrange(len(data)) :]


def _zeros(rng: random.Random, data: bytearray, known: dict) -> None:
    at = rng.randrange(len(data))
    n = min(rng.choice((16, 500, 4000)), len(data) - at)
    data[at : at + n] = rng.choice((b"\0", b"\xff")) * n


def _splice(rng: random.Random, data: bytearray, known: dict) -> None:
    other = known[rng.choice(list(known))]
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]


def _insert(rng: random.Random, data: bytearray, known: dict) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.choice((1, 3, 50, 3000)))


def _remove(rng: random.Random, data: bytearray, known: dict) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 3, 50, 3000))]


def _repeat(rng: random.Random, data: bytearray, known: dict) -> None:
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    data[b:b] = data[a:b] * rng.choice((1, 2, 20))


_DAMAGE = (_flips, _head_flips, _lie, _lie, _cut, _zeros, _splice, _insert, _remove, _repeat)


@dataclass
class Tally:
    """What became of the files."""

    ends: Counter = field(default_factory=Counter)
    by_format: Counter = field(default_factory=Counter)
    longest_s: float = 0.0
    space: int = 0  # most address space of a worker above its start, bytes
    resident: int = 0  # most memory of a worker, bytes
    wrong: list[str] = field(default_factory=list)


def answer(path: Path, limits: Limits, window: bool) -> tuple[str, str]:
    """What an upload of ``path`` comes to: "ok", "sentence" or what else it is, and the words."""
    try:
        ref = ClipRef.of(path)
        found = audio.info(ref, limits=limits)
        if window:
            y, _ = audio.load(ref, start_s=found.duration_s / 2, duration_s=0.1, limits=limits)
            if not np.isfinite(y).all():
                return "not finite", ""
    except VoiceError as err:
        said = str(err)
        fine = "\n" not in said and said.endswith(".") and str(path.parent) not in said
        died = "the decoder failed" in said or "longer than" in said
        return ("no sentence" if not fine else "worker ended" if died else "sentence"), said
    except Exception as err:
        return "traceback", repr(err)
    return "ok", " ".join(found.warnings)


def _memory(pid: int) -> tuple[int, int]:
    """Most address space and most memory of a process, in bytes; zeros where it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    peak, resident = (re.search(rf"{name}:\s*(\d+)", status) for name in ("VmPeak", "VmHWM"))
    return (int(peak[1]) * 1024 if peak else 0, int(resident[1]) * 1024 if resident else 0)


def run(
    count: int,
    seed: int,
    *,
    known: dict[str, bytes] | None = None,
    keep: Path | None = None,
    minutes: float = 1e9,
) -> Tally:
    """Mutants ``seed``:0 to ``seed``:count of ``known`` files, default ``seeds()``."""
    known, tally, limits = known or seeds(), Tally(), Limits.from_env()
    worker = _workers.pool().workers[-1]
    ends, base, pid = time.monotonic() + 60 * minutes, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            if time.monotonic() > ends:
                break
            rng = random.Random(f"{seed}:{number}")
            name, data = mutant(rng, known)
            path = Path(folder, f"{number % 7}-{name}")
            path.write_bytes(data)
            began = time.perf_counter()
            end, said = answer(path, limits, window=rng.random() < 0.2)
            took = time.perf_counter() - began
            path.unlink()
            end = "slow" if took > SLOW_S else end
            tally.longest_s = max(tally.longest_s, took)
            tally.ends[end] += 1
            tally.by_format[name.removeprefix("shared-").rpartition(".")[2], end] += 1
            if end not in ("ok", "sentence"):
                _note(tally, f"{seed}:{number} {name}: {end}: {said}", name, data, keep)
            now = worker.process.pid if worker.process else 0
            space, resident = _memory(now)
            if now != pid:
                pid, base = now, base or space
            tally.space = max(tally.space, space - base)
            tally.resident = max(tally.resident, resident)
    return tally


def _note(tally: Tally, what: str, name: str, data: bytes, keep: Path | None) -> None:
    if len(tally.wrong) < MOST_TOLD:
        tally.wrong.append(what)
    if keep is not None and not name.startswith("shared-"):
        keep.mkdir(parents=True, exist_ok=True)
        digest = blake2b(data, digest_size=6).hexdigest()
        (keep / f"{digest}-{name}").write_bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--keep", type=Path, default=Path("tests/regression"))
    args = parser.parse_args()
    print(f"seed {args.seed}, {len(seeds())} files to damage", flush=True)
    began = time.monotonic()
    tally = run(args.count, args.seed, keep=args.keep, minutes=args.minutes)
    took, done = time.monotonic() - began, sum(tally.ends.values())
    limit = Limits.from_env().memory_mb
    other = done - tally.ends["ok"] - tally.ends["sentence"] - tally.ends["worker ended"]
    print(f"{done:,} files in {took / 60:.1f} min, {done / took:.0f} a second; 0 server exits")
    for end, n in tally.ends.most_common():
        print(f"  {end:13} {n:8,}")
    print(f"answers other than a result or one sentence: {other} (wanted 0)")
    print(f"longest {tally.longest_s:.2f} s (at most {SLOW_S:g})")
    print(
        f"a worker's address space grew by at most {tally.space / 2**20:.0f} MB (limit {limit:g})"
    )
    print(f"a worker's memory was at most {tally.resident / 2**20:.0f} MB")
    kinds = sorted({kind for kind, _ in tally.by_format})
    print("  " + ", ".join(f"{k} {tally.by_format[k, 'ok']}" for k in kinds) + " opened")
    for line in tally.wrong:
        print("! " + line)


if __name__ == "__main__":
    main()

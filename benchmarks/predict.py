"""CPU of asking the shipped model about a recording, against decoding it alone.

    python -m benchmarks.predict [--clips N] [--rounds N]

Prints, from one run in one process with one thread: CPU per clip of decoding and resampling to
16 kHz, of ``predict`` with its decoding, clip by clip in turn, the ratio, and what of it is
measuring the features. The clips are those of Common Voice nearest to 5 s in $PHONOSCOPE_SHARED
(../shared), or the demo set. The goal is 10 times decode-only, after warm-up.
"""

import argparse
import os
from pathlib import Path
import time

ROOT = Path(__file__).resolve().parents[1]
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded

from core import audio, features  # noqa: E402
from core.models import predict  # noqa: E402
from core.models.shipped import shipped  # noqa: E402

SR = 16_000
GOAL = 10.0
WANTED_S = 5.0


def clips(count: int) -> list[audio.ClipRef]:
    """``count`` clips of about 5 s."""
    shared = Path(os.environ.get("PHONOSCOPE_SHARED", ROOT.parent / "shared"))
    paths = sorted((shared / "data" / "common_voice" / "clips").glob("*.mp3"))
    if not paths:
        print("Common Voice is not here (set PHONOSCOPE_SHARED): using the demo set.")
        paths = sorted(p for p in (ROOT / "demo" / "clips").rglob("*") if p.is_file())
    refs = [audio.ClipRef.of(path) for path in paths[:: max(1, len(paths) // (6 * count))]]
    refs.sort(key=lambda ref: abs(audio.info(ref).duration_s - WANTED_S))
    return refs[:count]


def cpu(work, *args) -> float:
    """CPU seconds of this process."""
    before = time.process_time()
    work(*args)
    return time.process_time() - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    audio.decode_here()  # no worker: its CPU would not be counted
    loaded, refs = shipped(), clips(args.clips)

    def decode(ref: audio.ClipRef) -> None:
        audio.load(ref, SR)

    def measure(ref: audio.ClipRef) -> None:
        features.extract(audio.load(ref, SR)[0], sr=SR, feature_set="voice-v1")

    def answer(ref: audio.ClipRef) -> None:
        predict.predict(loaded, audio.load(ref, SR))

    works = {"decode": decode, "features": measure, "predict": answer}
    for ref in refs[:3]:
        for work in works.values():
            work(ref)
    best = {name: [float("inf")] * len(refs) for name in works}
    for _ in range(args.rounds):
        for i, ref in enumerate(refs):
            for name, work in works.items():
                best[name][i] = min(best[name][i], cpu(work, ref))
    means = {name: 1000 * sum(values) / len(values) for name, values in best.items()}
    for name, value in means.items():
        print(f"{name:10} {value:7.2f} ms of CPU, {value / means['decode']:5.2f} x decode only")
    ratio = means["predict"] / means["decode"]
    print(f"goal: at most {GOAL:g} x: {'met' if ratio <= GOAL else 'MISSED'} ({ratio:.2f} x)")


if __name__ == "__main__":
    main()

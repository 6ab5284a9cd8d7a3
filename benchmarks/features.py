"""CPU of the feature sets, against decoding alone and against the article's own loop.

    python -m benchmarks.features [--clips N] [--literal N]

Prints, from one run in one process with one thread: CPU per clip of decoding and resampling, of
article-v1 with the article's cleaning, and of voice-v1, each with its decoding, clip by clip in
turn; peak memory; and, on a few of the clips, article-v1 against librosa and noisereduce called as
the article calls them. The clips are those of the article in $PHONOSCOPE_SHARED (../shared), or
the demo set.
"""

import argparse
from collections.abc import Callable
import os
from pathlib import Path
import resource
import time
import warnings

ROOT = Path(__file__).resolve().parents[1]
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded

import numpy as np  # noqa: E402

from core import audio, clean, features  # noqa: E402
from core.errors import VoiceError  # noqa: E402
from core.features.article import F0_FMIN  # noqa: E402
from core.params import ARTICLE_CLEAN  # noqa: E402

SR = 16_000
ROUNDS = 3
GOALS = {"article-v1": 7.0, "voice-v1": 12.0}  # times decode-only, at most
LITERAL_GOAL = 400.0  # times article-v1, at least


def clips(count: int) -> list[audio.ClipRef]:
    """``count`` clips spread evenly over the article's, or over the demo set."""
    shared = Path(os.environ.get("PHONOSCOPE_SHARED", ROOT.parent / "shared"))
    paths = sorted((shared / "data" / "article" / "audio_dataset").glob("*.mp3"))
    if not paths:
        print("The article's clips are not here (set PHONOSCOPE_SHARED): using the demo set.")
        paths = sorted(p for p in (ROOT / "demo" / "clips").rglob("*") if p.is_file())
    every = max(1, len(paths) // count)
    return [audio.ClipRef.of(path) for path in paths[::every][:count]]


def decoded(ref: audio.ClipRef) -> np.ndarray:
    """The clip at 16 kHz."""
    return audio.load(ref, SR)[0]


def article(ref: audio.ClipRef) -> None:
    """Our article-v1, cleaning included."""
    y = clean.clean(decoded(ref), sr=SR, params=ARTICLE_CLEAN).y
    features.extract(y, sr=SR, feature_set="article-v1")


def voice(ref: audio.ClipRef) -> None:
    """Our voice-v1."""
    features.extract(decoded(ref), sr=SR, feature_set="voice-v1")


def literal(ref: audio.ClipRef) -> None:
    """The article's loop body: public libraries, its settings but for pyin's lowest fmin."""
    import librosa
    import noisereduce

    y, sr = librosa.load(ref.path, sr=SR)
    y = noisereduce.reduce_noise(y=y, sr=sr, stationary=False)
    y, _ = librosa.effects.trim(y, top_db=20)
    librosa.onset.onset_detect(y=y, sr=sr, hop_length=128, backtrack=False, units="time")
    librosa.feature.tempo(y=y, sr=sr, start_bpm=10)
    f0, voiced, _ = librosa.pyin(y, fmin=F0_FMIN, fmax=8000, sr=sr, frame_length=1024)
    if voiced.any():
        for statistic in (np.nanmean, np.nanmedian, np.nanstd):
            statistic(f0)
        np.nanpercentile(f0, [5, 95])
    S = librosa.feature.melspectrogram(y=y, sr=sr)
    image = librosa.power_to_db(S, ref=np.max)[:, :93]
    np.pad(image, [(0, 0), (0, 93 - image.shape[1])], constant_values=-80).mean(axis=1)


def in_turn(
    refs: list[audio.ClipRef], sides: dict[str, Callable], rounds: int
) -> dict[str, np.ndarray]:
    """CPU seconds of each side, clip by clip in turn; the median over rounds [shape=(clips,)]."""
    spent: dict[str, list[list[float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name in sides:
            spent[name].append([])
        for ref in refs:
            for name, side in sides.items():
                begin = time.process_time()
                side(ref)
                spent[name][-1].append(time.process_time() - begin)
    return {name: np.median(rows, axis=0) for name, rows in spent.items()}


def peak_mb() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ready() -> dict[str, Callable]:
    """Compile everything; the sides that can run."""
    audio.decode_here()
    clean.warm()
    features.warm()
    sides: dict[str, Callable] = {"decode": decoded, "article-v1": article}
    try:
        features.feature_set("voice-v1")
    except (ImportError, VoiceError) as err:
        print(f"voice-v1 is left out: {err}")
    else:
        sides["voice-v1"] = voice
    return sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--literal", type=int, default=4, help="clips of the literal loop")
    args = parser.parse_args()
    refs, sides = clips(args.clips), ready()
    seconds = [decoded(ref).size / SR for ref in refs]
    for side in sides.values():
        side(refs[0])

    spent = in_turn(refs, sides, ROUNDS)
    only = spent["decode"].sum()
    print(f"{len(refs)} clips, {np.mean(seconds):.2f} s each on average; CPU per clip, one thread:")
    for name, cpu in spent.items():
        line = f"  {name:12s} {1e3 * cpu.mean():8.2f} ms   {cpu.sum() / only:6.2f} x decode-only"
        goal = GOALS.get(name)
        print(line + (f"   (goal: at most {goal:g} x)" if goal else ""))
    print(f"  peak memory {peak_mb():.0f} MB")
    if args.literal:
        _against_literal(refs, args.literal)


def _against_literal(refs: list[audio.ClipRef], count: int) -> None:
    warnings.simplefilter("ignore")
    some = refs[:: max(1, len(refs) // count)][:count]
    literal(some[0])  # compiles librosa
    spent = in_turn(some, {"literal": literal, "article-v1": article}, 1)
    ratio = spent["literal"].sum() / spent["article-v1"].sum()
    print(f"{len(some)} of them, as the article does it with librosa and noisereduce:")
    for name, cpu in spent.items():
        print(f"  {name:12s} {1e3 * cpu.mean():8.2f} ms")
    print(f"  literal / article-v1 = {ratio:.0f} x (goal: at least {LITERAL_GOAL:g} x)")
    print(f"  peak memory with librosa {peak_mb():.0f} MB")


if __name__ == "__main__":
    main()

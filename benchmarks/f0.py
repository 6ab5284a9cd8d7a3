"""f0 trackers on voices whose f0 is known: accuracy in noise, and speed.

    python -m benchmarks.f0 [--laryngograph DIR] [--clips N]

Twelve synthetic voices, clean, in white noise and in babble (other synthetic voices) at 20, 10 and
5 dB over the voiced parts. For each tracker, over all clips: F1 (a hit is within 50 cents), voicing
decision error, gross errors (more than 20 %), and CPU time over duration; then how it stands to
``core.pitch.f0_track``. Praat and WORLD take part where praat-parselmouth and pyworld are
installed, SwiftF0 where swift-f0 is.

DIR holds recordings with reference f0, say from a laryngograph: NAME.wav, and beside it NAME.f0, a
text of two columns, time in s and f0 in Hz (0 where unvoiced), evenly spaced, ``#`` for comments.
"""

import argparse
from collections.abc import Callable
import importlib.util
from pathlib import Path
import sys
import time
from typing import NamedTuple
import warnings

import numpy as np

from core import pitch
from core.audio import ClipRef, load
from core.errors import MissingPackageError

ROOT = Path(__file__).resolve().parents[1]
SR = 16_000
FMIN, FMAX, HOP_S = 65.0, 500.0, 0.010
GUARD_S = 0.012  # synthetic voices fade in and out: frames this near to a change are left out
BASES_HZ = (75, 90, 105, 120, 140, 165, 190, 220, 260, 300, 340, 380)
OURS = "ours: f0_track"
RIVALS = ("librosa", "Praat", "WORLD")

Method = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Clip(NamedTuple):
    """A signal at 16 kHz and its reference: f0 in Hz at times in s, 0 where unvoiced."""

    y: np.ndarray
    times: np.ndarray
    f0: np.ndarray
    guard_s: float


class Score(NamedTuple):
    """Sums over clips."""

    frames: int
    wrong_voicing: int
    ref_voiced: int
    est_voiced: int
    both_voiced: int
    hits: int
    gross: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of voiced frames within 50 cents, %."""
        return 200 * self.hits / max(1, self.ref_voiced + self.est_voiced)

    @property
    def vde(self) -> float:
        """Frames with the wrong voicing, %."""
        return 100 * self.wrong_voicing / self.frames

    @property
    def gpe(self) -> float:
        """Frames more than 20 % off, of those voiced in both, %."""
        return 100 * self.gross / max(1, self.both_voiced)


def score(clip: Clip, times: np.ndarray, f0: np.ndarray) -> Score:
    """Compare an estimate with the reference, at the reference's times."""
    after = np.clip(np.searchsorted(times, clip.times), 1, times.size - 1)
    # Many lie midway: without the small number, rounding would choose between them.
    nearer = np.abs(times[after - 1] - clip.times) <= np.abs(times[after] - clip.times) + 1e-9
    est = np.nan_to_num(f0)[after - nearer]
    voiced = clip.f0 > 0
    counted = np.ones(voiced.size, dtype=bool)
    guard = round(clip.guard_s / (clip.times[1] - clip.times[0]))
    for change in np.flatnonzero(np.diff(voiced)) if guard else ():
        counted[max(0, change - guard + 1) : change + guard + 1] = False
    both = counted & voiced & (est > 0)
    cents = np.full(est.size, np.inf)
    cents[both] = 1200 * np.abs(np.log2(est[both] / clip.f0[both]))
    gross = np.abs(est - clip.f0) > 0.2 * clip.f0
    counts = (
        counted,
        counted & (voiced != (est > 0)),
        counted & voiced,
        counted & (est > 0),
        both,
        both & (cents < 50),
        both & gross,
    )
    return Score(*(int(c.sum()) for c in counts))


def methods() -> dict[str, Method]:
    """Every tracker that can run here."""
    import librosa

    def librosa_pyin(y: np.ndarray, frame_length: int) -> tuple[np.ndarray, np.ndarray]:
        f0, _, _ = librosa.pyin(
            y, sr=SR, fmin=FMIN, fmax=FMAX, frame_length=frame_length, hop_length=160
        )
        return np.arange(f0.size) * 160 / SR, f0

    def our_pyin(y: np.ndarray, frame_length: int) -> tuple[np.ndarray, np.ndarray]:
        return pitch.pyin(
            y, sr=SR, fmin=FMIN, fmax=FMAX, frame_length=frame_length, hop_length=160
        )[:2]

    found: dict[str, Method] = {
        OURS: lambda y: pitch.f0_track(y, sr=SR)[:2],
        "ours: pyin, 1024": lambda y: our_pyin(y, 1024),
        "ours: pyin, 640": lambda y: our_pyin(y, 640),
        "librosa.pyin, 1024": lambda y: librosa_pyin(y, 1024),
        "librosa.pyin, 640": lambda y: librosa_pyin(y, 640),
    }
    try:
        pitch.f0_track_swift(np.zeros(SR, dtype=np.float32), sr=SR)
        found["SwiftF0"] = lambda y: pitch.f0_track_swift(y, sr=SR)[:2]
    except MissingPackageError as err:
        print(f"SwiftF0: {err}")
    return found | _praat() | _world()


def _praat() -> dict[str, Method]:
    if not importlib.util.find_spec("parselmouth"):
        print("Praat: not installed: pip install praat-parselmouth pyworld")
        return {}
    import parselmouth
    from parselmouth.praat import call

    def track(y: np.ndarray, *command: object) -> tuple[np.ndarray, np.ndarray]:
        found = call(parselmouth.Sound(y.astype(np.float64), SR), *command)
        return found.xs(), found.selected_array["frequency"]

    def raw(y: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
        costs = (15, "no", 0.03, 0.45, 0.01, 0.35, 0.14)  # Praat's defaults
        return track(y, f"To Pitch ({kind})...", HOP_S, FMIN, *costs, FMAX)

    def filtered(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        costs = (0.09, 0.5, 0.055, 0.35, 0.14)
        if recent:
            command = "To Pitch (filtered autocorrelation)..."
            return track(y, command, HOP_S, 50, 800, 15, "no", 0.03, *costs)
        D = np.fft.rfft(y, 2 * y.size)
        D *= 0.03 ** np.square(np.fft.rfftfreq(2 * y.size, 1 / SR) / 800)
        z = np.fft.irfft(D)[: y.size]
        return track(z, "To Pitch (ac)...", HOP_S, 50, 15, "no", *costs, 800)

    recent = tuple(map(int, parselmouth.PRAAT_VERSION.split(".")[:2])) >= (6, 4)
    if not recent:
        print(f"Praat {parselmouth.PRAAT_VERSION}: filtered ac is its ac after a filter of ours.")
    return {
        "Praat ac": lambda y: raw(y, "ac"),
        "Praat cc": lambda y: raw(y, "cc"),
        "Praat filtered ac": filtered,
    }


def _world() -> dict[str, Method]:
    if not importlib.util.find_spec("pyworld"):
        print("WORLD: not installed: pip install praat-parselmouth pyworld")
        return {}
    import pyworld

    limits = {"f0_floor": FMIN, "f0_ceil": FMAX, "frame_period": 1000 * HOP_S}

    def dio(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = y.astype(np.float64)
        f0, times = pyworld.dio(x, SR, **limits)
        return times, pyworld.stonemask(x, f0, times, SR)

    def harvest(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f0, times = pyworld.harvest(y.astype(np.float64), SR, **limits)
        return times, f0

    return {"WORLD dio": dio, "WORLD harvest": harvest}


def synthetic_clips(count: int) -> list[Clip]:
    """Voices from 75 to 380 Hz, 4 s each."""
    sys.path.insert(0, str(ROOT / "tests"))
    from synthetic_voice import STYLES, synthetic_voice

    voices = (
        synthetic_voice(float(hz), 4.0, style=STYLES[k % len(STYLES)], seed=100 + k)
        for k, hz in enumerate(BASES_HZ[:count])
    )
    return [Clip(v.y, v.times, v.f0, GUARD_S) for v in voices]


def recorded_clips(folder: Path) -> list[Clip]:
    """Recordings with references; see the top of this file."""
    clips = []
    for path in sorted(folder.glob("*.wav")):
        times, f0 = np.loadtxt(path.with_suffix(".f0"), unpack=True)
        y, _ = load(ClipRef.of(path), SR)
        clips.append(Clip(y, times, f0, 0.0))
    return clips


def in_noise(clips: list[Clip], kind: str, snr_db: float) -> list[Clip]:
    """The clips in white noise or babble; at ``snr_db`` over the voiced parts."""
    sys.path.insert(0, str(ROOT / "tests"))
    from synthetic_voice import babble, noisy

    out = []
    for k, clip in enumerate(clips):
        n = clip.y.size
        noise = np.random.default_rng(k).standard_normal(n)
        if kind == "babble":
            noise = babble(n, seed=10_000 * (k + 1))
        voiced = np.interp(np.arange(n) / SR, clip.times, clip.f0 > 0) > 0.5
        out.append(clip._replace(y=noisy(clip.y, noise, snr_db, voiced)))
    return out


def run(clips: list[Clip], trackers: dict[str, Method]) -> dict[str, tuple[Score, float]]:
    """Each tracker's score over all clips, and its CPU time over their duration."""
    results = {}
    for name, track in trackers.items():
        track(clips[0].y)
        scores, cpu = [], 0.0
        for clip in clips:
            start = time.process_time()
            times, f0 = track(clip.y)
            cpu += time.process_time() - start
            scores.append(score(clip, times, f0))
        total = Score(*(sum(s) for s in zip(*scores, strict=True)))
        results[name] = (total, cpu / (sum(c.y.size for c in clips) / SR))
    return results


def report(title: str, results: dict[str, tuple[Score, float]]) -> None:
    """Print one condition, and whether ours is no worse than the best of the others."""
    ours = results[OURS][0]
    print(f"\n{title}")
    print(
        f"{'':22s}{'F1 %':>7s}{'VDE %':>7s}{'GPE %':>7s}{'RTF':>10s}{'F1/ours':>9s}{'VDE/ours':>9s}"
    )
    for name, (s, rtf) in results.items():
        ratios = f"{s.f1 / ours.f1:9.3f}{s.vde / max(ours.vde, 1e-9):9.2f}"
        print(f"{name:22s}{s.f1:7.1f}{s.vde:7.1f}{s.gpe:7.2f}{rtf:10.5f}{ratios}")
    rivals = [s for name, (s, _) in results.items() if name.startswith(RIVALS)]
    best_f1, best_vde = max(s.f1 for s in rivals), min(s.vde for s in rivals)
    f1_word = "holds" if ours.f1 >= best_f1 else f"misses by {best_f1 - ours.f1:.2f}"
    vde_word = "holds" if ours.vde <= best_vde else f"misses by {ours.vde - best_vde:.2f}"
    print(f"no worse than the best of {', '.join(RIVALS)}: F1 {f1_word}, VDE {vde_word}")


def main() -> None:
    """Run all conditions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--laryngograph", type=Path, metavar="DIR")
    parser.add_argument("--clips", type=int, default=len(BASES_HZ), metavar="N")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", module="librosa")
    trackers = methods()
    sets = {"synthetic voices": synthetic_clips(args.clips)}
    if args.laryngograph:
        sets["recordings"] = recorded_clips(args.laryngograph)
    for name, clips in sets.items():
        report(f"{name}, clean", run(clips, trackers))
        for kind in ("white noise", "babble"):
            for snr_db in (20, 10, 5):
                noisy_clips = in_noise(clips, kind, snr_db)
                report(f"{name}, {kind} at {snr_db} dB", run(noisy_clips, trackers))


if __name__ == "__main__":
    main()

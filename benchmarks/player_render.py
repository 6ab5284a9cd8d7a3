"""Switches between before, after and removed on real recordings, rendered as the player plays them.

    python -m benchmarks.player_render FOLDER [--clips 10] [--out RENDERED]

Takes clips of FOLDER by a fixed seed and the four of the article, cleans them with the defaults,
and puts the sounds together by the player's rules: its loudness match, its place of each sound on
the time axis, and its cross-over of 4 ms, every half second. Prints what is at each switch: pauses
(the longest run of zeros that neither sound has), clicks (the largest step between samples, over
the largest step of both sounds within 20 ms), the shift of each part against its sound, and whether
anything goes over full scale. With --out the renders are written as WAV.
"""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core import audio, clean, datasets, player
from core.audio import ClipRef

CROSS_S, EVERY_S, NEAR_S = 0.004, 0.5, 0.02
ARTICLE = (
    "demo_silence_at_both_ends",
    "demo_clicks_in_the_silence",
    "demo_broad_varying_noise",
    "demo_constant_narrow_band_noise",
)


class Found(NamedTuple):
    """Of one recording; ``click`` is a ratio, ``shift`` in samples."""

    switches: int
    pause_ms: float
    click: float
    shift: int
    peak: float
    lacking_db: float


def sounds(y: np.ndarray, sr: int) -> tuple[np.ndarray, float]:
    """Before, after and removed on one axis at equal loudness, (3, n), and what lacks to that."""
    done = clean.clean(y, sr=sr)
    placed = np.zeros((3, y.size), np.float32)
    placed[0], placed[2] = y, done.removed
    placed[1, done.start : done.start + done.y.size] = done.y
    heard = (y, done.y, done.removed)
    gains = player.match_gains([player.summarise(part, sr=sr) for part in heard])
    played = np.rint(np.clip(placed, -1, 1) * 32_767) / 32_767  # as the 16 bit files
    return played * 10 ** (np.array([[g] for g, _ in gains]) / 20), max(s for _, s in gains)


def rendered(placed: np.ndarray, sr: int) -> tuple[np.ndarray, list[int]]:
    """What is heard while the next sound is chosen every half second; and where."""
    places = list(range(round(EVERY_S * sr), placed.shape[1], round(EVERY_S * sr)))
    levels, n = np.zeros(placed.shape), round(CROSS_S * sr)
    for i, (a, b) in enumerate(pairwise([0, *places, placed.shape[1]])):
        levels[i % 3, a:b] = 1
    for i, at in enumerate(places):
        ramp = np.linspace(0, 1, n + 1)[: placed.shape[1] - at]
        levels[(i + 1) % 3, at : at + n + 1] = ramp
        levels[i % 3, at : at + n + 1] = 1 - ramp
    return (levels * placed).sum(axis=0), places


def measured(y: np.ndarray, placed: np.ndarray, places: list[int], sr: int) -> tuple:
    """Longest pause in ms, largest click, largest shift in samples."""
    near, pause, click, shift = round(NEAR_S * sr), 0, 0.0, 0
    for i, at in enumerate(places):
        part = slice(max(0, at - near), at + near)
        silent = (y[part] == 0) & (placed[i % 3, part] != 0) & (placed[(i + 1) % 3, part] != 0)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], silent, [0]])))
        pause = max(pause, int(np.diff(edges)[::2].max(initial=0)))
        own = np.abs(np.diff(placed[[i % 3, (i + 1) % 3], part], axis=1)).max(initial=0)
        click = max(click, float(np.abs(np.diff(y[part])).max(initial=0) / max(own, 1e-4)))
        shift = max(shift, lag(y, placed[(i + 1) % 3], at + near, 8 * near))
    return 1000 * pause / sr, click, shift


def lag(y: np.ndarray, sound: np.ndarray, at: int, n: int) -> int:
    """By how many samples ``y`` lies off ``sound`` from ``at`` on, of at most 50; 0 in silence."""
    own, heard = sound[at + 50 : at + n - 50], y[at : at + n]
    if own.size < 100 or heard.size < own.size + 100 or np.abs(own).max() < 1e-3:
        return 0
    score = np.correlate(heard[: own.size + 100], own, "valid")
    return abs(int(np.argmax(score)) - 50)


def judge(path: str, out: Path | None) -> Found:
    """One recording."""
    y, sr = audio.load(ClipRef.of(path), None)
    placed, lacking = sounds(y, sr)
    heard, places = rendered(placed, sr)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        audio.write_wav(out / f"{Path(path).stem}.wav", heard.astype(np.float32), sr=sr, bits=16)
    found = measured(heard, placed, places, sr)
    return Found(len(places), *found, float(np.abs(heard).max()), lacking)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    table = datasets.demo().catalogue()
    ids = table["clip_id"].str.rsplit("/", n=1).str[-1]
    paths = [table["path"][ids == name].iloc[0] for name in ARTICLE]
    every = sorted(p for kind in ("mp3", "wav", "flac") for p in asked.folder.rglob(f"*.{kind}"))
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(every), min(asked.clips, len(every)), replace=False)
    paths += [str(every[i]) for i in sorted(chosen)]
    for path in paths:
        found = judge(path, asked.out)
        print(
            f"{Path(path).stem}: {found.switches} switches, pause {found.pause_ms:.2f} ms, "
            f"click {found.click:.2f} x, shift {found.shift} samples, peak {found.peak:.3f}, "
            f"{found.lacking_db:.1f} dB short of equal loudness"
        )


if __name__ == "__main__":
    main()

"""All clips of the article's data set, article-v1, end to end into a workspace.

``python -m benchmarks.extract [--limit N] [--set S] [--compare N]`` needs $PHONOSCOPE_SHARED.
Prints clips per second, minutes, the memory of the workers over time, the speed-up of two workers
over one on the first ``--compare`` clips, and how the table agrees with the one that came with the
data set.
"""

import argparse
import os
from pathlib import Path
import tempfile
import threading
import time

import numpy as np
import pandas as pd
import psutil

from core.datasets import open_dataset
from core.extract import Summary, extract_dataset
from core.store import Workspace

COLUMNS = ("nwords", "duration", "tempo", "f0_median")


class Memory:
    """Samples the resident memory of this process's children, in MB."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.5):
            sizes = []
            for child in me.children(recursive=True):
                try:
                    sizes.append(child.memory_info().rss / 2**20)
                except psutil.NoSuchProcess:
                    continue
            self.samples.append(max(sizes, default=0.0))


def run(source: Path, folder: Path, **kwargs) -> tuple[Summary, float]:
    """A whole run, and its clips per second between the first and last tenth: without the start."""
    told = []
    dataset = open_dataset(source)
    summary = extract_dataset(
        dataset, folder, progress=lambda p: told.append((time.perf_counter(), p.done)), **kwargs
    )
    total = told[-1][1]
    inner = [(t, n) for t, n in told if 0.1 * total <= n <= 0.9 * total]
    rate = (inner[-1][1] - inner[0][1]) / (inner[-1][0] - inner[0][0]) if len(inner) > 1 else np.nan
    return summary, rate


def agreement(source: Path, workspace: Workspace) -> str:
    """Share of clips equal to, and within 10 % of, the table that came with the data set."""
    theirs = pd.read_csv(next(source.glob("*.csv"))).set_index("filename")
    ours = workspace.features()
    ours.index = [Path(p).name for p in ours["path"]]
    both = ours.index.intersection(theirs.index)
    lines = []
    for name in COLUMNS:
        a, b = ours.loc[both, name], theirs.loc[both, name]
        equal, near = np.isclose(a, b, rtol=1e-6).mean(), np.isclose(a, b, rtol=0.1).mean()
        lines.append(f"  {name:12} {equal:6.1%} equal, {near:6.1%} within 10 %")
    return "\n".join(lines)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--compare", type=int, default=1_000)
    parser.add_argument("--set", default="article-v1")
    args = parser.parse_args()
    source = Path(os.environ["PHONOSCOPE_SHARED"]) / "data" / "article"
    with tempfile.TemporaryDirectory() as root:
        kind = {"feature_set": args.set}
        run(source, Path(root) / "warm", limit=64, workers=1, **kind)
        for padding in (False, True) if args.set == "article-v1" else (False,):
            folder = Path(root) / f"all-{padding}"
            with Memory() as memory:
                found, rate = run(source, folder, limit=args.limit, keep_padding=padding, **kind)
            tenths = [max(part) for part in np.array_split(memory.samples, 10) if len(part)]
            print(
                f"padding {'kept' if padding else 'dropped'}: {found.done:,} done, "
                f"{found.failed:,} failed in {found.seconds / 60:.2f} minutes, "
                f"{rate:.1f} clips/s, {found.audio_seconds / found.seconds:.0f} x real time"
            )
            print("  largest worker, MB, by tenths of the run:", *[f"{x:.0f}" for x in tenths])
            if args.set == "article-v1":
                print(agreement(source, Workspace.open(folder)))
        rates = []
        for workers in (1, 2, 1, 2):
            folder = Path(root) / f"compare-{len(rates)}"
            rates.append(run(source, folder, limit=args.compare, workers=workers, **kind)[1])
        one, two = max(rates[::2]), max(rates[1::2])
        print(f"1 worker {one:.1f} clips/s, 2 workers {two:.1f}: {two / one / 2:.0%} of twice")


if __name__ == "__main__":
    main()

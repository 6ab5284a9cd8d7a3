"""The same input, on 1, 2 and 4 workers, serially, here and on a Dask cluster: the same table.

``python -m benchmarks.same_result [--clips N] [--set S]`` prints a hash of each table (values,
vectors and failures, sorted by clip) and ends with 1 if they differ. The clips are made: harmonics
over noise, one silent, one too short and one that is no sound.
"""

import argparse
from collections.abc import Mapping
import hashlib
from pathlib import Path
import sys
import tempfile
from typing import Any

import numpy as np
import soundfile as sf

from core.datasets import open_dataset
from core.errors import VoiceError
from core.extract import Recipe, Task, extract_dataset, measure_file
from core.store import Workspace

SR = 16_000  # Hz


def make(folder: Path, n: int) -> Path:
    """A folder of ``n`` voices, and three clips that are none."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(n):
        t = np.arange(round(rng.uniform(0.8, 2.5) * SR)) / SR
        f0 = rng.uniform(90, 260) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 4) * t))
        phase = 2 * np.pi * np.cumsum(f0) / SR
        y = sum(np.sin(k * phase + k) / k for k in range(1, 20))
        y = y * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * t)) + 0.01 * rng.standard_normal(t.size)
        sf.write(folder / f"{i:03d}.wav", (0.4 * y / np.abs(y).max()).astype(np.float32), SR)
    sf.write(folder / "silent.wav", np.zeros(SR, np.float32), SR)
    sf.write(folder / "short.wav", np.zeros(5, np.float32), SR)
    (folder / "bad.wav").write_bytes(b"no sound")
    return folder


def hashed(rows: Mapping[str, Any]) -> str:
    """Of the values as the table keeps them, by clip; a failure counts by its name."""
    found = hashlib.sha256()
    for name, row in sorted(rows.items()):
        found.update(name.encode())
        if isinstance(row, str):
            found.update(row.encode())
            continue
        values, vectors = row
        found.update(np.asarray(values, np.float64).tobytes())
        for vector in vectors:
            found.update(np.asarray(vector, np.float32).tobytes())
    return found.hexdigest()


def of_workspace(folder: Path, task: Task) -> str:
    """The hash of a workspace's table."""
    workspace = Workspace.open(folder)
    table = workspace.features(["path", "clip_id", *task.columns])
    values = table[list(task.columns)].to_numpy(np.float64)
    vectors = [workspace.vectors(name, table["clip_id"].tolist()).matrix for name in task.vectors]
    names = [Path(p).name for p in table["path"]]
    rows: dict[str, Any] = {
        name: (_plain(values[i]), [_plain(v[i]) for v in vectors]) for i, name in enumerate(names)
    }
    failed = workspace.query(
        "SELECT c.path, f.error FROM failures f JOIN catalogue c ON c.clip_id = f.clip_id"
    )
    return hashed(rows | {Path(p).name: e for p, e in failed.itertuples(index=False, name=None)})


def serially(source: Path, recipe: Recipe, task: Task) -> str:
    """The hash of what ``measure_file`` finds, one clip after the other in this process."""
    rows: dict[str, Any] = {}
    for path in sorted(source.iterdir()):
        try:
            found = measure_file(str(path), recipe)
        except VoiceError as err:
            rows[path.name] = type(err).__name__
            continue
        values = np.array([found["values"].get(n, np.nan) for n in task.columns], np.float64)
        vectors = [np.asarray(found["vectors"][n], np.float32) for n in task.vectors]
        rows[path.name] = (_plain(values), [_plain(v) for v in vectors])
    return hashed(rows)


def _plain(values: np.ndarray) -> np.ndarray:
    """One bit pattern for all that is not finite: the table keeps it as missing."""
    return np.where(np.isfinite(values), values, np.nan)


def main() -> int:
    """Print the hashes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--set", default="voice-v1")
    args = parser.parse_args()
    recipe = Recipe(args.set)
    task, found = Task.of(recipe), {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        source = make(root / "voices", args.clips)

        def run(what: str, **how: Any) -> None:
            folder = root / what.replace(" ", "-")
            extract_dataset(open_dataset(source), folder, feature_set=args.set, unit_size=8, **how)
            found[what] = of_workspace(folder, task)
            print(f"{what:12} {found[what]}", flush=True)

        found["serial"] = serially(source, recipe, task)
        print(f"{'serial':12} {found['serial']}", flush=True)
        for workers in (1, 2, 4):
            run(f"{workers} workers", workers=workers)
        try:
            from distributed import LocalCluster
        except ImportError:
            print("Dask is not installed: not compared")
        else:
            how = {"host": "127.0.0.1", "protocol": "tcp", "dashboard_address": None}
            with LocalCluster(n_workers=2, threads_per_worker=1, silence_logs=50, **how) as cluster:
                run("Dask", scheduler=cluster.scheduler_address)
    same = len(set(found.values())) == 1
    print(f"{args.clips + 3} clips, {args.set}: {'identical' if same else 'DIFFERENT'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

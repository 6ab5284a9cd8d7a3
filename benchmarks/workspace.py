"""A workspace of 1,000,000 rows x 40 features: how long its questions take.

``python -m benchmarks.workspace [--rows N]`` writes a synthetic workspace to a temporary folder,
asks each question once cold and then warm, and prints the median of the warm ones in ms.
"""

import argparse
from pathlib import Path
import statistics
import tempfile
import time

import numpy as np
import pandas as pd

from core.store import Workspace
from core.store._parts import write_table

FEATURES = tuple(f"feature_{i:02d}" for i in range(40))
UNIT = 120_000
GOAL_MS = 1_000


def build(folder: Path, rows: int) -> Workspace:
    """A finished, compacted workspace."""
    import pyarrow as pa

    rng = np.random.default_rng(0)
    ids = np.char.add("set/", np.char.zfill(np.arange(rows).astype(str), 7))
    catalogue = pd.DataFrame(
        {
            "clip_id": ids,
            "path": np.char.add("/clips/", ids),
            "size": 1,
            "mtime_ns": 1,
            "text": None,
            "speaker_id": np.char.add("s", rng.integers(0, 20_000, rows).astype(str)),
            "gender": rng.choice(["male", "female", "other"], rows),
            "age_decade": rng.choice([10.0, 20.0, 30.0, 40.0, np.nan], rows),
        }
    )
    workspace = Workspace.create(folder, recipe={"feature_set": "synthetic"}, columns=FEATURES)
    with workspace.writer() as writer:
        writer.set_catalogue(catalogue, unit_size=UNIT)
        for unit in writer.plan.units:
            part = catalogue["clip_id"][unit * UNIT : (unit + 1) * UNIT]
            none = pa.nulls(len(part), pa.string())
            data = {"clip_id": pa.array(part, pa.string()), "error": none, "message": none}
            common = rng.standard_normal(len(part))
            for name in FEATURES:
                x = common + rng.standard_normal(len(part))
                data[name] = pa.array(x, mask=rng.random(len(part)) < 0.01)
            name = f"u{unit:05d}.parquet"
            key = {"key": writer._keys[unit]}
            write_table(
                folder / "vectors" / name,
                pa.table({"clip_id": data["clip_id"]}).replace_schema_metadata(key),
            )
            write_table(folder / "shards" / name, pa.table(data).replace_schema_metadata(key))
    return workspace


def main() -> None:
    """Print one line for each question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as root:
        began = time.perf_counter()
        workspace = build(Path(root) / "w", rows)
        mb = sum(p.stat().st_size for p in Path(root).rglob("*.parquet")) / 1e6
        print(
            f"{rows:,} rows x {len(FEATURES)} features written in "
            f"{time.perf_counter() - began:.0f} s, {mb:.0f} MB"
        )
        where = ("feature_03 > ? AND gender = ?", [1.0, "female"])
        questions = {
            "status": workspace.status,
            "histogram": lambda: workspace.histogram("feature_00", 100),
            "histogram by gender": lambda: workspace.histogram("feature_00", 100, by="gender"),
            "correlations 40 x 40": workspace.correlations,
            "page of 100, filtered": lambda: workspace.page("feature_01", 100, 5_000, where),
        }
        for name, ask in questions.items():
            times = []
            for _ in range(6):
                began = time.perf_counter()
                ask()
                times.append(1e3 * (time.perf_counter() - began))
            warm = statistics.median(times[1:])
            verdict = "" if warm < GOAL_MS else f"  (goal {GOAL_MS} ms missed)"
            print(f"{name:24} {times[0]:8.0f} ms first {warm:8.0f} ms warm{verdict}")


if __name__ == "__main__":
    main()

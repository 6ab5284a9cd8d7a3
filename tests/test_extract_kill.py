"""Ended at any moment, an extraction loses nothing, doubles nothing, and goes on."""

import os
from pathlib import Path
import random
import subprocess
import sys
import time

from extract_stand_in import audit
import psutil
import pytest

from core.store import Workspace

HERE = Path(__file__).parent
KILLS, N = 20, 1500
RUN = (
    "import sys; from core.extract import extract_dataset; from extract_stand_in import *\n"
    f"extract_dataset(Listed({N}), sys.argv[1], task=task(sleep_s=0.002), unit_size=8,\n"
    "    progress=lambda p: print(p.done, flush=True))"
)
pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}


def test_a_writer_ended_at_any_write_fsync_or_rename_leaves_a_whole_workspace():
    words = [sys.executable, str(HERE / "extract_crash_points.py")]
    done = subprocess.run(words, capture_output=True, text=True, env=environment())
    *wrong, last = done.stdout.strip().splitlines() or [""]
    assert wrong == [], done.stderr[-3000:]
    assert last.startswith("points ") and int(last.split()[1]) > 60, done.stderr


def test_random_kills_of_the_extractor_and_its_workers_cost_nothing(tmp_path):
    rng = random.Random(0)
    kills, folder = 0, 0
    while kills < KILLS:
        path = tmp_path / str(folder)
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(path)], stdout=subprocess.PIPE, env=environment()
        )
        process.stdout.readline()
        while process.poll() is None and kills < KILLS:
            time.sleep(rng.uniform(0.0, 0.3))
            kills += kill(process, rng)
        process.wait()
        process.stdout.close()
        if process.returncode == 0:
            audit(Workspace.open(path), N)
            folder += 1
    done = subprocess.run([sys.executable, "-c", RUN, str(path)], env=environment())
    assert done.returncode == 0
    audit(Workspace.open(path), N)


def kill(process: subprocess.Popen, rng: random.Random) -> bool:
    """End the extractor or one of its workers, if there is one."""
    try:
        parent = psutil.Process(process.pid)
        workers = parent.children()
        victim = parent if rng.random() < 0.4 or not workers else rng.choice(workers)
        victim.kill()
    except psutil.NoSuchProcess:
        return False
    return True

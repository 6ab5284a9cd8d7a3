"""SIGKILL at any moment: of the extractor, of its workers, and of what the app writes.

``python -m benchmarks.kill [--kills N] [--minutes M]`` prints, for N kills at random moments and
for one at every write, fsync and rename: clips lost, doubled or torn, tags and other words lost
that were acknowledged, files that cannot be opened, restarts that failed, and whether the table is
that of an uninterrupted run. Each part ends early after M minutes and says how many kills it did.

Where tmpfs can be mounted, it then fills ten small disks, and goes on with room.

The app's part is what its pages call (tags, notes, kept selections, recipes, models), from two
threads of one process as two sessions are; the browser is not driven.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
import hashlib
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from extract_crash_points import Ending  # noqa: E402
from extract_stand_in import expected  # noqa: E402
from test_extract_kill import kill  # noqa: E402
import test_models_files as model_stand_in  # noqa: E402

from core import recipes  # noqa: E402
from core.errors import VoiceError  # noqa: E402
from core.models import files  # noqa: E402
from core.notes import Notes  # noqa: E402
from core.store import Workspace  # noqa: E402

CLIPS, FEW = 1500, 300
RUN = (
    "import sys; from core.extract import extract_dataset; from extract_stand_in import *\n"
    "extract_dataset(Listed(int(sys.argv[2])), sys.argv[1], task=task(sleep_s=0.002),\n"
    "    unit_size=8, progress=lambda p: print(p.done, flush=True))"
)
Say = Callable[[str], object]
_write = os.write


def extractor(root: Path, kills: int, minutes: float, rng: random.Random) -> Counter:
    """Kill extractors and their workers; restart at once, while orphans may still run."""
    until = time.monotonic() + 60 * minutes
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    found, wanted, number = Counter(), digest(root / "whole", env), 0
    while found["kills"] < kills and time.monotonic() < until:
        folder = root / f"extract-{number}"
        with subprocess.Popen(
            [sys.executable, "-c", RUN, str(folder), str(CLIPS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
        ) as process:
            if process.stdout:
                process.stdout.readline()
            while process.poll() is None and found["kills"] < kills:
                time.sleep(rng.uniform(0.0, 0.5))
                found["kills"] += kill(process, rng)
        found["starts"] += 1
        look(folder, found)
        if process.returncode == 0:
            number += 1
            found["runs"] += 1
            found["tables that differ"] += digest(folder, env) != wanted
    if (root / f"extract-{number}").exists():
        found["runs"] += 1
        found["tables that differ"] += digest(root / f"extract-{number}", env) != wanted
    return found


def digest(folder: Path, env: dict[str, str], clips: int = CLIPS) -> str:
    """Of the table of a run to its end."""
    words = [sys.executable, "-c", RUN, str(folder), str(clips)]
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    if done.returncode:
        return f"failed: {done.stderr[-300:]}"
    workspace = Workspace.open(folder)
    table = workspace.features().to_csv(index=False) + workspace.failures().to_csv(index=False)
    vectors = workspace.vectors("m").matrix.tobytes()
    left = len(list(folder.rglob(".tmp-*")))
    return hashlib.sha256(table.encode() + vectors).hexdigest() + "+" * left


def look(folder: Path, found: Counter) -> None:
    """What a reader sees between two starts."""
    if not (folder / "plan.json").exists():
        return
    try:
        workspace = Workspace.open(folder)
        features, failures = workspace.features(), workspace.failures()
    except VoiceError:
        found["torn"] += 1
        return
    good, _ = expected(CLIPS)
    ids = [*features["clip_id"], *failures["clip_id"]]
    found["doubled"] += len(ids) - len(set(ids))
    found["wrong"] += sum(
        good.get(row.clip_id, {}).get("a") != row.a for row in features.itertuples()
    )
    stored = found[f"stored {folder.name}"]
    found["lost"] += max(0, stored - len(ids))
    found[f"stored {folder.name}"] = len(ids)


class App:
    """What pages write, each time acknowledged through a pipe once the call has returned."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.table = model_stand_in.table()
        self.model = model_stand_in.trained(self.table, model_stand_in.logistic())

    def in_folder(self, folder: Path) -> "App":
        """The same app on a new folder."""
        folder.mkdir()
        found = copy(self)
        found.folder = folder
        return found

    def session(self, name: str, first: int, most: int, say: Say) -> None:
        """One visitor's acts, one after the other."""
        notes = Notes(self.folder)
        for i in range(first, first + most):
            notes.tag(f"{name}/{i}", "good")
            say(f"tag {name}/{i}")
            notes.note(f"{name}/{i}", f"note {i}")
            say(f"note {name}/{i} {i}")
            notes.save_selection(f"{name}{i}", "[]")
            say(f"selection {name}{i}")
            recipes.write(self.folder / "recipe.json", recipe_of(i))
            say("recipe")
            if i % 4 == 0:
                files.save(self.model, self.table, self.folder / "model.phonoscope")
                say("model")

    def check(self, said: list[str], found: Counter) -> None:
        """Whether all that was acknowledged is there."""
        notes = Notes(self.folder)
        tagged, texts, kept = set(notes.tagged("good")), notes.notes(), notes.selections()
        for line in said:
            kind, _, rest = line.partition(" ")
            name, _, value = rest.partition(" ")
            found["acknowledged"] += 1
            if kind == "tag":
                found["tags lost"] += name not in tagged
            elif kind == "note":
                found["notes lost"] += texts.get(name) != f"note {value}"
            elif kind == "selection":
                found["selections lost"] += name not in kept
        found["half lines reported"] += len(notes.problems())
        for kind, name, opened in (
            ("recipe", "recipe.json", recipes.read),
            ("model", "model.phonoscope", files.load),
        ):
            if kind in said or (self.folder / name).exists():
                try:
                    opened(self.folder / name)
                except VoiceError:
                    found[f"{kind}s that cannot be opened"] += 1


def recipe_of(i: int) -> recipes.Recipe:
    """A recipe that is another each time."""
    return recipes.Recipe((recipes.Rule("zscore", limit=1.0 + i),))


def forked(act: Callable[[Say], None], delay_s: float | None) -> list[str]:
    """What a fork that does ``act`` acknowledged before SIGKILL; None waits for its end."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            act(lambda line: _write(into, line.encode() + b"\n"))
            os._exit(0)
        except BaseException as err:
            _write(into, f"error {type(err).__name__}: {err}\n".encode())
            os._exit(1)
    os.close(into)
    if delay_s is not None:
        time.sleep(delay_s)
        os.kill(pid, signal.SIGKILL)
    with open(out, "rb") as file:
        data = file.read().decode()
    os.waitpid(pid, 0)
    return data.splitlines()


def app_at_random(root: Path, kills: int, minutes: float, rng: random.Random) -> Counter:
    """Two sessions of one process, killed and started again on the same folder."""
    until = time.monotonic() + 60 * minutes
    found, said, app = Counter(), [], App(root).in_folder(root / "app")

    def two(first: int, say: Say) -> None:
        both = [
            threading.Thread(target=app.session, args=(name, first, 10_000, say)) for name in "ab"
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()

    while found["kills"] < kills and time.monotonic() < until:
        first = 10_000 * found["kills"]
        lines = forked(partial(two, first), rng.uniform(0.02, 0.25))
        found["kills"] += 1
        found["restarts that failed"] += any(line.startswith("error") for line in lines)
        said += lines
        found["acknowledged"] = found["half lines reported"] = 0  # all are looked up again
        app.check(said, found)
    return found


def app_at_every_point(root: Path) -> Counter:
    """One session, ended at each write, fsync and rename; half of a write arrives."""
    found, app = Counter(), App(root)
    points = int(forked(partial(_counted, app.in_folder(root / "counted"), None), None)[-1])
    for at in range(1, points + 1):
        one = app.in_folder(root / f"point-{at}")
        said = forked(partial(_counted, one, at), None)
        found["points"] += 1
        found["not ended there"] += any(line.isdigit() for line in said)
        one.check(said, found)
        again = forked(partial(one.session, "z", 0, 1), None)
        found["restarts that failed"] += len(again) != 5
        one.check([*said, *again], found)
    return found


def _counted(app: App, at: int | None, say: Say) -> None:
    ending = Ending(at)
    ending.install()
    real = os.write

    def halves(number: int, data: bytes) -> int:
        real(number, data[: len(data) // 2])
        ending.reached()
        return len(data) // 2 + real(number, data[len(data) // 2 :])

    os.write = halves
    app.session("a", 0, 2, say)
    say(str(ending.count))


def extractor_at_every_point() -> Iterator[str]:
    """Create, fill, plan anew, copy and compact, ended at each write, fsync and rename."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    words = [sys.executable, str(ROOT / "tests" / "extract_crash_points.py")]
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    *wrong, last = done.stdout.strip().splitlines() or ["points 0"]
    yield f"extractor, {last}: {len(wrong)} after which something was wrong"
    yield from wrong


def full_disk(root: Path, sizes_kb: range) -> Counter:
    """Extract onto small disks in memory until they are full, then with room; root only."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    found, wanted, place = Counter(), digest(root / "roomy", env, FEW), root / "disk"
    place.mkdir()
    for size in sizes_kb:
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(place)]
        if subprocess.run(mounted, capture_output=True).returncode:
            break
        try:
            words = [sys.executable, "-c", RUN, str(place / "w"), str(FEW)]
            done = subprocess.run(words, capture_output=True, text=True, env=env)
            found["places"] += 1
            last = done.stderr.strip().splitlines()[-1:] or [""]
            found["sentences"] += "StoreError" in last[0] and "the disk is full" in last[0]
            look(place / "w", found)
            remount = ["mount", "-o", "remount,size=64m", str(place)]
            subprocess.run(remount, check=True, capture_output=True)
            found["next runs complete and equal"] += digest(place / "w", env, FEW) == wanted
        finally:
            subprocess.run(["umount", str(place)], check=True)
    return found


def told(what: str, found: Counter, names: tuple[str, ...]) -> str:
    """A line of figures, zeros among them."""
    return f"{what}: " + ", ".join(f"{found[name]:,} {name}" for name in names)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    lost = ("tags lost", "notes lost", "selections lost", "recipes that cannot be opened")
    lost += ("models that cannot be opened", "restarts that failed", "half lines reported")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        found = app_at_every_point(root)
        print(told("app, every point", found, ("points", "not ended there", *lost)), flush=True)
        found = app_at_random(root, args.kills, args.minutes, rng)
        print(told("app, at random", found, ("kills", "acknowledged", *lost)), flush=True)
        for line in extractor_at_every_point():
            print(line, flush=True)
        found = extractor(root, args.kills, args.minutes, rng)
        names = ("kills", "starts", "runs", "lost", "doubled", "torn", "wrong")
        print(told("extractor, at random", found, (*names, "tables that differ")), flush=True)
        found = full_disk(root, range(20, 270, 25))
        names = ("places", "sentences", "torn", "doubled", "wrong", "next runs complete and equal")
        print(told("extractor, full disk", found, names))


if __name__ == "__main__":
    main()

"""A class room at one server: thirty visitors at once, each at their own pace.

    python -m benchmarks.classroom [--visitors 30] [--changes 20] [--think 1 3] [--seed 0]

Each opens the clip page, changes controls at random with a pause before each, fetches the sounds
that the page names, then opens a page of the data set and changes three controls there; every fifth
uploads a recording first. All start together. Prints what a visitor waits for, what went wrong and
the server's memory (its decoding processes included), each beside what is wanted, and the load of
the machine: the visitors run on the same processors.
"""

import argparse
import asyncio
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
import os
from pathlib import Path
import random
import re
import tempfile
import time
from urllib.request import urlopen

import numpy as np
import psutil

from benchmarks.big_workspace import build
from benchmarks.client import FIELD, ROOT, Run, Server, Visitor
from benchmarks.clip_page import SR, free_port, voice
from benchmarks.pages import ARTICLE, key_of
from core import audio, datasets
from pages.shared.data import Chosen

WANTED_P50_S, WANTED_P95_S = 0.4, 1.5
WANTED_GB, WANTED_BACK = 2.5, 0.2
DATA_PAGES = ("browse", "distributions", "correlations", "mean_mels", "map", "report")
LATER = 3  # changes on the page of the data set
OWN = 5  # every fifth visitor brings a recording
LEAVE = ("source", "mode", "data_source", "data_set", "data_clean")  # lead to pages without views
SOUND = re.compile(rb"/audio/[\w-]{20,64}/[\w-]{20,64}\.wav")
WARM_S = 30.0  # the longest warm-up
AFTER_S = 30.0  # from the last one's leaving: nobody can come back, see disconnectedSessionTTL
QUIET_S = 0.06  # of the processor in two seconds: the server is at rest


@dataclass
class Seen:
    """What visitors saw together."""

    opened: list[float] = field(default_factory=list)
    changed: list[tuple[float, str]] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    said: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    sounds: int = 0

    def note(self, run: Run, into: list) -> None:
        """The time of a run, and what it raised."""
        into.append(run.seconds)
        self.wrong += run.exceptions


class Pupil(Visitor):
    """A visitor that changes controls at random and listens to what it is offered."""

    def __init__(self, address: str, page: str, *, seen: Seen, rng: random.Random):
        super().__init__(address, page)
        self.seen, self.rng = seen, rng
        self.offered: set[str] = set()
        self.heard: set[str] = set()

    async def turn_to(self, page: str) -> Run:
        """Open another page in the same session."""
        self.page, self.page_hash = page, ""
        return await self.run()

    async def change_any(self) -> tuple[Run, str]:
        """Change one control of the page to a value that it offers; runs anew without controls."""
        possible = [
            (key_of(wid), kind, body)
            for wid, (kind, body) in self.widgets.items()
            if key_of(wid) not in ("", "None", *LEAVE) and any_value(self.rng, kind, body)
        ]
        if not possible:
            return await self.run(), "nothing"
        key, kind, body = self.rng.choice(possible)
        value = any_value(self.rng, kind, body)[0]
        return await self.change(key, value), f"{key} = {value}"

    async def listen(self) -> None:
        """Fetch the sounds that the page named since the last time."""
        for path in sorted(self.offered - self.heard):
            await asyncio.to_thread(self._fetch, path)
        self.heard |= self.offered
        self.offered.clear()

    def _fetch(self, path: str) -> None:
        try:
            with urlopen(self.http + path, timeout=60) as answer:
                answer.read()
            self.seen.sounds += 1
        except OSError as err:
            self.seen.wrong.append(f"a sound that the page names: {err}")

    def _note_element(self, message, run: Run) -> None:
        super()._note_element(message, run)
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "alert":
            self.seen.said[element.alert.body] += 1
        elif kind == "bidi_component":
            found = SOUND.findall(element.SerializeToString())
            self.offered |= {path.decode() for path in found} - self.heard


def any_value(rng: random.Random, kind: str, body) -> list:
    """A list of one value of this control, or an empty one where it cannot be changed."""
    if kind not in FIELD or getattr(body, "disabled", False):
        return []
    if kind == "slider" and not body.options and len(body.default) == 1:
        steps = max(1, round((body.max - body.min) / (body.step or 1)))
        return [[min(body.max, body.min + rng.randint(0, steps) * (body.step or 1))]]
    if kind == "selectbox" and body.options:
        return [rng.choice(list(body.options))]
    if kind == "button_group" and body.options:
        names = [option.content for option in body.options]
        several = body.click_mode == body.ClickMode.MULTI_SELECT
        return [rng.sample(names, rng.randint(1, min(3, len(names))) if several else 1)]
    if kind == "checkbox":
        return [rng.random() < 0.5]
    return []


def memory_gb(process: psutil.Process) -> float:
    """Memory of a process and of those it started."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue
    return total / 2**30


def recording(seed: int) -> bytes:
    """A voice of five seconds like no other, as WAV."""
    rng = np.random.default_rng(seed)
    y = voice(5.0)
    return audio.encode_wav(y + np.float32(0.001) * rng.standard_normal(y.size), sr=SR, bits=16)


async def lesson(server: Server, i: int, args: argparse.Namespace, seen: Seen) -> None:
    """All that one visitor does."""
    rng = random.Random(1000 * args.seed + i)
    try:
        async with Pupil(server.address, "clip", seen=seen, rng=rng) as pupil:
            seen.note(await pupil.run(), seen.opened)
            if i % OWN == OWN - 1:
                await pupil.change("source", ["Upload"])
                sound = await asyncio.to_thread(recording, i)
                seen.note(await pupil.upload("upload", f"{i}.wav", sound), seen.opened)
            for _ in range(args.changes):
                await asyncio.gather(asyncio.sleep(rng.uniform(*args.think)), pupil.listen())
                run, what = await pupil.change_any()
                seen.changed.append((run.seconds, what))
                seen.wrong += [f"{what}: {said}" for said in run.exceptions]
            page = DATA_PAGES[i % len(DATA_PAGES)]
            seen.note(await pupil.turn_to(page), seen.opened)
            for _ in range(LATER):
                await asyncio.sleep(rng.uniform(*args.think))
                run, what = await pupil.change_any()
                seen.later.append(run.seconds)
                seen.wrong += [f"{page}, {what}: {said}" for said in run.exceptions]
    except Exception as err:  # whatever happens to one visitor is a finding, not an end
        seen.wrong.append(f"visitor {i} was dropped: {type(err).__name__}: {err}"[:300])


async def tour(server: Server, seen: Seen) -> None:
    """The teacher's visit before the lesson: every page once, so that all is imported."""
    async with Pupil(server.address, "clip", seen=seen, rng=random.Random(0)) as pupil:
        for page in ("clip", *DATA_PAGES):
            seen.wrong += (await pupil.turn_to(page)).exceptions
            await pupil.listen()


def processor_s(process: psutil.Process) -> float:
    """Seconds that a process and those it started have spent on all processors."""
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += sum(one.cpu_times()[:2])
        except psutil.Error:
            continue
    return total


async def watch(process: psutil.Process, memory: "Memory") -> None:
    """Keep the highest memory."""
    while True:
        memory.most = max(memory.most, memory_gb(process))
        await asyncio.sleep(1.0)


async def settle(process: psutil.Process, longest: float = WARM_S) -> float:
    """Memory once the server is at rest: it imports and compiles in the background at first."""
    until = time.monotonic() + longest
    await asyncio.sleep(2.0)
    while time.monotonic() < until:
        before = processor_s(process)
        await asyncio.sleep(2.0)
        if processor_s(process) - before < QUIET_S:
            break
    return memory_gb(process)


@contextmanager
def school(folder: Path, rows: int = ARTICLE):
    """A server with a measured data set, all its files in ``folder``."""
    workspaces, temporary = folder / "workspaces", folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    at = workspaces / Chosen(str(datasets.demo_folder()), "voice-v1", "").workspace.name
    if not (at / "plan.json").is_file():
        build(at, rows)
    env = {"PHONOSCOPE_WORKSPACES": str(workspaces), "TMPDIR": str(temporary)}
    with Server(ROOT / "app.py", free_port(), **env) as server:
        yield server


def share(values: list[float], part: float) -> float:
    """Quantile; NaN of nothing."""
    return float(np.quantile(values, part)) if values else float("nan")


def judged(name: str, value: float, wanted: float, unit: str) -> str:
    """A figure beside what is wanted."""
    return f"{name} {value:.2f} {unit} (wanted {wanted:g}){'' if value <= wanted else '  MISSED'}"


@dataclass
class Memory:
    """Of the server, in GB: at rest, after the teacher's tour, at most, and when all had left."""

    rest: float = 0.0
    start: float = 0.0
    most: float = 0.0
    after: float = 0.0


def report(seen: Seen, memory: Memory, spent_s: float) -> None:
    """All figures."""
    seconds = [s for s, _ in seen.changed]
    p50 = judged("p50", share(seconds, 0.5), WANTED_P50_S, "s")
    p95 = judged("p95", share(seconds, 0.95), WANTED_P95_S, "s")
    print(f"change on the clip page: {p50}, {p95}; {len(seconds)} changes")
    for name, values in (("opening a page", seen.opened), ("change on a data set", seen.later)):
        print(
            f"{name}: p50 {share(values, 0.5):.2f} s, p95 {share(values, 0.95):.2f} s, "
            f"most {max(values, default=0):.2f} s; {len(values)} times"
        )
    for taken, what in sorted(seen.changed, reverse=True)[:3]:
        print(f"  slow: {taken:.2f} s, {what}")
    runs = len(seen.changed) + len(seen.opened) + len(seen.later)
    print(
        f"processor of the server: {1e3 * spent_s / max(1, runs):.0f} ms a run, all pages together"
    )
    print(
        f"sounds fetched: {seen.sounds}; errors and dropped sessions: {len(seen.wrong)} (wanted 0)"
    )
    for what, times in Counter(seen.wrong).most_common(10):
        print(f"  WRONG: {what} ({times} times)")
    for what, times in seen.said.most_common(5):
        print(f"  said: {what[:90]} ({times} times)")
    most = judged("at most", memory.most, WANTED_GB, "GB")
    grown = judged("that is more by", memory.after / memory.start - 1, WANTED_BACK, "of it")
    print(f"memory: {memory.rest:.2f} GB at rest, {memory.start:.2f} GB after a tour of all pages,")
    print(f"  {most}, {memory.after:.2f} GB when all had left: {grown}")
    print(f"load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()}")


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--think", type=float, nargs=2, default=(1.0, 3.0), metavar="S")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    seen, memory = Seen(), Memory()
    with tempfile.TemporaryDirectory() as temp, school(Path(temp)) as server:
        process = psutil.Process(server.process.pid)
        memory.rest = await settle(process)
        await tour(server, Seen())
        memory.start = await settle(process)
        spent_s, watching = processor_s(process), asyncio.create_task(watch(process, memory))
        await asyncio.gather(*(lesson(server, i, args, seen) for i in range(args.visitors)))
        watching.cancel()
        spent_s = processor_s(process) - spent_s
        await asyncio.sleep(AFTER_S)
        memory.after = await settle(process)
        report(seen, memory, spent_s)


if __name__ == "__main__":
    asyncio.run(main())

"""A day at one server in half an hour: visits one after another, eight at a time.

    python -m benchmarks.day [--visits 5000] [--at-once 8] [--seed 0]

A visit opens two pages and changes a few controls on each. One in four uploads a recording first;
one in ten leaves in the middle of a run, and one in ten after an upload that no page has taken.
After the first third of the visits the server counts as warm. Prints what went wrong, how memory
grew from there to the end, and what is left: uploads in memory and visitors' folders five seconds
after the last visitor, processes and file handles when nobody can come back to a session any more,
each beside what is wanted.
"""

import argparse
import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
import os
from pathlib import Path
import random
import re
import secrets
import tempfile
import time
from urllib.request import urlopen

import numpy as np
import psutil

from benchmarks.classroom import (
    DATA_PAGES,
    Pupil,
    Seen,
    judged,
    memory_gb,
    recording,
    school,
    settle,
    share,
)
from benchmarks.client import Server

PAGES = (
    "",
    "clip",
    "check",
    "predict",
    *DATA_PAGES,
    "train",
    "evaluate",
    "tour",
    "listen",
    "guess",
)
UPLOADS = ("clip", "check", "predict")  # pages that take a recording
WANTED_GROWTH = 0.05
AFTER_S = 5.0
GONE_S = 30.0  # a session that was left is kept for so long, see disconnectedSessionTTL
REPORTS = 6
WARM = 2  # reports, a third of the day
SLACK = 5  # handles that come and go
HELD = re.compile(r"^cache_memory_bytes\{.*UploadedFileManager.*\} (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Held:
    """What a server holds at one moment; ``uploads`` in bytes."""

    memory_gb: float
    handles: int
    threads: int
    processes: int
    folders: int
    uploads: int


def held(server: Server, folder: Path) -> Held:
    """Look from outside: nothing is asked of the application but its metrics."""
    process = psutil.Process(server.process.pid)
    with urlopen(f"{server.address}/_stcore/metrics", timeout=60) as answer:
        uploads = sum(int(n) for n in HELD.findall(answer.read().decode()))
    media = list((folder / "tmp").glob("phonoscope-*/*"))
    return Held(
        memory_gb=memory_gb(process),
        handles=process.num_fds(),
        threads=process.num_threads(),
        processes=len(process.children(recursive=True)),
        folders=sum(path.is_dir() and path.name != "queue" for path in media),
        uploads=uploads,
    )


class Passer(Pupil):
    """A visitor who may leave at any moment."""

    async def run_away(self) -> None:
        """Ask for a run and leave before its end."""
        await self.ws.send(self._request().SerializeToString())
        await asyncio.sleep(self.rng.uniform(0.0, 0.3))

    async def leave_an_upload(self) -> None:
        """Send a recording and leave before a page takes it."""
        sent = asyncio.create_task(self.upload("upload", "left.wav", recording_of(self.rng)))
        await asyncio.sleep(self.rng.uniform(0.02, 0.3))
        sent.cancel()
        with suppress(asyncio.CancelledError):
            await sent


def recording_of(rng: random.Random) -> bytes:
    """A recording like no other, of those made once."""
    if not _made:
        _made.extend(recording(i) for i in range(4))
    name = b"LIST" + (12).to_bytes(4, "little") + b"INFO" + secrets.token_hex(4).encode()
    return rng.choice(_made) + name  # a chunk that no decoder needs


_made: list[bytes] = []


async def visit(server: Server, i: int, seed: int, seen: Seen) -> None:
    """One visitor, from coming to leaving."""
    rng = random.Random(f"{seed} {i}")
    uploads, ends = i % 4 == 0, i % 10
    first = rng.choice(UPLOADS if uploads or ends == 9 else PAGES)
    what = first
    try:
        async with Passer(server.address, first, seen=seen, rng=rng) as passer:
            seen.note(await passer.run(), seen.opened)
            if uploads or ends == 9:
                await passer.change("source", ["Upload"])
            if ends == 9:
                return await passer.leave_an_upload()
            if uploads:
                seen.note(await passer.upload("upload", "mine.wav", recording_of(rng)), seen.opened)
            for page in (first, rng.choice(PAGES)):
                what = page
                if page != first:
                    seen.note(await passer.turn_to(page), seen.opened)
                for _ in range(rng.randint(0, 2)):
                    run, what = await passer.change_any()
                    seen.changed.append((run.seconds, what))
                    seen.wrong += [f"{page}, {what}: {said}" for said in run.exceptions]
                await passer.listen()
            if ends == 4:
                await passer.run_away()
    except Exception as err:  # a finding, not an end
        seen.wrong.append(f"{what}: dropped: {type(err).__name__}: {err}"[:300])


async def visits(server: Server, which: range, args: argparse.Namespace, seen: Seen) -> None:
    """All these visits, so many at once."""
    left = iter(which)

    async def one_after_another() -> None:
        for i in left:
            await visit(server, i, args.seed, seen)

    await asyncio.gather(*(one_after_another() for _ in range(args.at_once)))


def line(name: str, now: Held) -> str:
    """What is held, in a line."""
    return (
        f"{name}: {now.memory_gb:.3f} GB, {now.handles} handles, {now.threads} threads, "
        f"{now.processes} processes, {now.folders} folders, {now.uploads / 1e6:.1f} MB of uploads"
    )


def report(seen: Seen, warm: Held, left: Held, end: Held) -> None:
    """What went wrong, what grew and what is left."""
    seconds = [s for s, _ in seen.changed]
    print(f"{len(seconds):,} changes, ", end="")
    print(f"p50 {share(seconds, 0.5):.2f} s, p95 {share(seconds, 0.95):.2f} s")
    print(
        f"errors and dropped sessions: {len(seen.wrong)} (wanted 0); sounds fetched: {seen.sounds}"
    )
    for what, times in Counter(seen.wrong).most_common(10):
        print(f"  WRONG: {what} ({times} times)")
    grown = end.memory_gb / warm.memory_gb - 1
    print(judged("memory grew after the warm-up by", grown, WANTED_GROWTH, "of it"))
    for name, found, wanted in (
        (f"uploads in memory after {AFTER_S:g} s, bytes", left.uploads, 0),
        (f"visitors' folders after {AFTER_S:g} s", left.folders, 0),
        ("processes", end.processes, warm.processes),
        ("file handles", end.handles, warm.handles + SLACK),
    ):
        print(f"left: {name}: {found} (wanted {wanted}){'' if found <= wanted else '  MISSED'}")
    print(f"load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()}")


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=5000)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    seen, parts = Seen(), np.linspace(0, args.visits, REPORTS + 1).astype(int)
    with tempfile.TemporaryDirectory() as temp, school(Path(temp)) as server:
        await settle(psutil.Process(server.process.pid))
        begin, warm = time.monotonic(), None
        for i, (first, last) in enumerate(pairwise(parts), 1):
            await visits(server, range(first, last), args, seen)
            await asyncio.sleep(AFTER_S)
            left = held(server, Path(temp))
            print(line(f"after {last:,} visits", left), flush=True)
            if i == WARM:
                await asyncio.sleep(GONE_S)
                warm = held(server, Path(temp))
                print(line("warm", warm), flush=True)
        took_min = (time.monotonic() - begin) / 60
        await asyncio.sleep(GONE_S)
        end = held(server, Path(temp))
        print(line("in the end", end))
        print(f"{args.visits:,} visits in {took_min:.1f} min")
        report(seen, warm, left, end)


if __name__ == "__main__":
    asyncio.run(main())

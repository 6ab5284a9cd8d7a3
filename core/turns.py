"""Whose turn it is: at most so many jobs of a server at once, each owner a fair share.

A folder holds one ticket a job: ``wait-…`` or ``run-…``, with time, owner and process in its name.
A ticket whose process is gone counts no more, so nothing has to be tidied after a crash. Without
the environment variable FOLDER there is no line and every job runs at once, as on a command line.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
import os
from pathlib import Path
import time
from typing import NamedTuple

FOLDER = "PHONOSCOPE_QUEUE"  # environment variable: where tickets lie
SLOTS = "PHONOSCOPE_JOBS"  # environment variable: jobs that run at once
OWNER = "PHONOSCOPE_OWNER"  # environment variable: who the job is for


class _Ticket(NamedTuple):
    name: str
    runs: bool
    since: int
    owner: str
    pid: int
    born: str


@dataclass(frozen=True)
class Line:
    """The jobs of one folder; ``born(pid)`` tells processes of one number apart."""

    folder: Path
    slots: int
    born: Callable[[int], str]

    def enter(self, owner: str, pid: int) -> str:
        """Stand in line and return the ticket's name; ``owner`` is any text."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{_who(owner)}-{pid}-{self.born(pid)}"
        (self.folder / f"wait-{name}").touch()
        return name

    def place(self, ticket: str) -> int:
        """0 where the ticket may run from now on, or which in line it is."""
        with self._alone():
            there = self._there()
            mine = next((t for t in there if t.name == ticket), None)
            if mine is None:  # the server has gone with its line: those who waited form another
                (self.folder / f"wait-{ticket}").touch()
                there = self._there()
            elif mine.runs:
                return 0
            running = [t for t in there if t.runs]
            place = [t.name for t in in_order(there)].index(ticket) + 1
            if len(running) + place > self.slots:
                return len(running) + place - self.slots
            os.replace(self.folder / f"wait-{ticket}", self.folder / f"run-{ticket}")
            return 0

    def waiting(self, owner: str) -> int:
        """How many jobs of an owner wait."""
        if not self.folder.is_dir():
            return 0
        with self._alone():
            return sum(t.owner == _who(owner) and not t.runs for t in self._there())

    def leave(self, ticket: str) -> None:
        """Give the turn to the next."""
        for kind in ("wait", "run"):
            with suppress(OSError):
                (self.folder / f"{kind}-{ticket}").unlink()

    def _there(self) -> list[_Ticket]:
        """Tickets of processes that live; the others are removed."""
        found = []
        for name in sorted(os.listdir(self.folder)):
            kind, _, rest = name.partition("-")
            parts = rest.split("-")
            if kind not in ("wait", "run") or len(parts) != 4:
                continue
            since, owner, pid, born = parts
            if born and self.born(int(pid)) != born:
                with suppress(OSError):
                    (self.folder / name).unlink()
                continue
            found.append(_Ticket(rest, kind == "run", int(since), owner, int(pid), born))
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process decides at a time."""
        try:
            import fcntl
        except ImportError:  # Windows: a rare job too many does no harm
            yield
            return
        try:
            file = open(self.folder / "lock", "w")  # noqa: SIM115  closed below, with its lock
        except FileNotFoundError:  # the server has gone, and its folder with it
            self.folder.mkdir(parents=True, exist_ok=True)
            file = open(self.folder / "lock", "w")  # noqa: SIM115
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _who(owner: str) -> str:
    """An owner as in names of tickets; nobody can read who it is."""
    return blake2b(owner.encode(), digest_size=8).hexdigest()


def in_order(tickets: list[_Ticket]) -> list[_Ticket]:
    """Who waits, next first: whose owner has the fewest jobs before it, then who came first."""
    before = Counter(t.owner for t in tickets if t.runs)
    rounds = []
    for ticket in sorted((t for t in tickets if not t.runs), key=lambda t: t.since):
        rounds.append((before[ticket.owner], ticket.since, ticket))
        before[ticket.owner] += 1
    return [ticket for *_, ticket in sorted(rounds)]


def line(born: Callable[[int], str]) -> Line | None:
    """The line of this process's server; None where there is none."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    slots = os.environ.get(SLOTS, "")
    return Line(Path(folder), max(1, int(slots) if slots.isdigit() else 2), born)

"""Long work in a process of its own: it outlives the page, tells its state, can be cancelled.

Layout: ``job.json`` in the job's folder (who it is and how far; replaced at once), ``job.log``
(what it printed), ``job.cancel`` (exists when it shall end). Any process can read the state.

Conventions: ``rate`` is in clips/s, ``eta_s`` in s, both None where not known. States: "running",
"done", "failed", "cancelled", and "none" where no job was ever started. ``place`` is 0 for a job
that runs and its place in line for one that waits for its turn (see ``core.turns``).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
import json
import math
import os
from pathlib import Path
import runpy
import signal
import subprocess
import sys
import time
from typing import Any

from core import turns
from core.errors import ParameterError
from core.safe_text import clean

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "PHONOSCOPE_JOB"  # environment variable of the job's process
MOST_WAITING = 5  # of one owner; each waits in a process of its own
PATIENCE_S = 10.0  # between being asked to end and being ended
_EMPTY: dict[str, Any] = {
    "state": "none",
    "done": 0,
    "total": 0,
    "failed": 0,
    "rate": None,
    "eta_s": None,
    "message": "",
    "place": 0,
}
owner: ContextVar[str] = ContextVar("owner", default="")  # who starts jobs here, for a fair share
_children: list[subprocess.Popen] = []


@dataclass(frozen=True)
class Job:
    """A job by its folder; it may have been started by another process."""

    folder: Path

    def status(self) -> dict[str, Any]:
        """State, done, total, failed, rate, eta_s, message and place, as they are now."""
        _reap()
        found = _read(self.folder)
        if found["state"] == "running" and not _alive(found.get("pid"), found.get("born")):
            again = _read(self.folder)  # it may have ended well in between
            if again["state"] == "running":
                if (self.folder / "job.cancel").exists():
                    return {**_public(again), "state": "cancelled"}
                return {**_public(again), "state": "failed", "message": self._last_words()}
            found = again
        return _public(found)

    def cancel(self) -> None:
        """Ask the job to end; what it stored stays. Ends it after ten seconds if it does not."""
        found = _read(self.folder)
        if found["state"] != "running" or not _alive(found.get("pid"), found.get("born")):
            return
        (self.folder / "job.cancel").touch()
        self._end_later(found)

    def wait(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The status when the job has ended, or after ``timeout_s``."""
        until = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while (found := self.status())["state"] == "running" and time.monotonic() < until:
            time.sleep(0.05)
        return found

    def log(self) -> str:
        """The last 10,000 characters that the job printed."""
        try:
            return (self.folder / "job.log").read_text(errors="replace")[-10_000:]
        except OSError:
            return ""

    def _last_words(self) -> str:
        lines = self.log().replace("\r", "\n").strip().splitlines()
        last = clean(lines[-1], 300).removeprefix("phonoscope: ") if lines else ""
        return f"The job ended before it was done. {last}".strip()

    def _end_later(self, found: dict[str, Any]) -> None:
        code = (
            "import sys, time; from core import jobs; "
            "time.sleep(float(sys.argv[3])); jobs.end(int(sys.argv[1]), sys.argv[2])"
        )
        arguments = [str(found["pid"]), str(found["born"]), str(PATIENCE_S)]
        _spawn([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL)


def start(command: Sequence[str], folder: str | os.PathLike, *, module: str = "core") -> Job:
    """Run ``python -m core COMMAND`` in a process of its own.

    Parameters
    ----------
    command : sequence of str
        The words after ``python -m core``, as ["extract", DATASET, "--workspace", FOLDER].
    folder : path
        Where the state is kept; may be the workspace's folder. Made where it does not exist.
    module : str
        Another module than ``core``.

    Raises
    ------
    ParameterError
        A job is running in this folder, too many of this owner wait, or the folder may not be
        written.
    """
    folder = Path(os.path.abspath(folder))
    job = Job(folder)
    if job.status()["state"] == "running":
        raise ParameterError("A job is running here already: wait for it to end, or cancel it.")
    line = turns.line(_born)
    if line is not None and line.waiting(owner.get()) >= MOST_WAITING:
        raise ParameterError(
            f"{MOST_WAITING} of your jobs wait in line: wait for one to begin, or cancel one."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "job.cancel").unlink(missing_ok=True)
        with open(folder / "job.log", "wb") as log:
            words = [sys.executable, "-m", "core.jobs", str(folder), module, *command]
            process = _spawn(words, stdout=log)
        _write(folder, {**_EMPTY, "state": "running", **_who(process.pid)}, unless_there=True)
    except OSError as err:
        raise ParameterError(
            f"{clean(folder.name)}: this folder may not be written ({clean(err.strerror)})."
        ) from err
    return job


def report(
    *, done: int, total: int, failed: int, rate: float, eta_s: float, message: str = ""
) -> None:
    """Tell how far this process is; does nothing where it is not a job."""
    folder = os.environ.get(FOLDER)
    if folder:
        state = {"done": done, "total": total, "failed": failed, "message": message}
        state |= {"rate": _known(rate), "eta_s": _known(eta_s)}
        with suppress(OSError):  # a full disk must not end the work for its progress
            _write(Path(folder), {**_EMPTY, "state": "running", **_who(os.getpid()), **state})


def cancelled() -> bool:
    """Whether this process is a job that shall end."""
    folder = os.environ.get(FOLDER)
    return bool(folder) and os.path.exists(os.path.join(folder, "job.cancel"))


def end(pid: int, born: str) -> None:
    """End a job's processes if it is still the one meant."""
    if _alive(pid, born):
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGTERM)


def _spawn(words: Sequence[str], stdout: Any) -> subprocess.Popen:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(
        list(words),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # it does not end with the server
        env={**os.environ, "PYTHONPATH": path, turns.OWNER: owner.get()},
    )
    _children.append(process)
    return process


def _reap() -> None:
    """Let go of our children that ended: they would count as alive."""
    _children[:] = [process for process in _children if process.poll() is None]


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _public(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found.get(name, default) for name, default in _EMPTY.items()}


def _read(folder: Path) -> dict[str, Any]:
    try:
        return {**_EMPTY, **json.loads((folder / "job.json").read_bytes())}
    except (OSError, ValueError, TypeError):
        return dict(_EMPTY)


def _write(folder: Path, state: dict[str, Any], unless_there: bool = False) -> None:
    path = folder / "job.json"
    if unless_there and _read(folder).get("pid") == state["pid"]:
        return  # the job itself was faster
    temporary = folder / f".tmp-{os.getpid()}-job.json"
    temporary.write_text(json.dumps(state))
    os.replace(temporary, path)


def _who(pid: int) -> dict[str, Any]:
    return {"pid": pid, "born": _born(pid)}


def _born(pid: int) -> str:
    """What tells this process from a later one of the same number; "" where not known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _alive(pid: Any, born: Any) -> bool:
    if not isinstance(pid, int):
        return False
    if Path("/proc/self/stat").exists():
        return bool(born) and _born(pid) == born
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _wait_for_turn(folder: Path) -> Callable[[], None]:
    """Wait until this job may run, telling its place; returns what gives the turn to the next."""
    line = turns.line(_born)
    if line is None:
        return lambda: None
    ticket = line.enter(os.environ.get(turns.OWNER, ""), os.getpid())
    state = {**_EMPTY, "state": "running", **_who(os.getpid())}
    told = 0
    while not cancelled() and (place := line.place(ticket)):
        if place != told:
            _write(folder, state | {"place": place})
            told = place
        time.sleep(0.2)
    if told:
        _write(folder, state)
    return lambda: line.leave(ticket)


def main(argv: Sequence[str]) -> int:
    """The job's own process: run a module, then write how it ended."""
    folder, module, *command = argv
    os.environ[FOLDER] = folder
    _write(Path(folder), {**_EMPTY, "state": "running", **_who(os.getpid())})
    sys.argv = [module, *command]
    code: Any = 0
    done_waiting = _wait_for_turn(Path(folder))
    try:
        if cancelled():
            raise SystemExit(0)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end_:
        code = end_.code or 0
    except BaseException as err:
        print(f"{type(err).__name__}: {err}", file=sys.stderr, flush=True)
        code = 3
    finally:
        done_waiting()
    sys.stderr.flush()
    state = "cancelled" if cancelled() else "done" if code in (0, 1) else "failed"
    found = _read(Path(folder))
    message = found["message"] if state != "failed" else Job(Path(folder))._last_words()
    _write(Path(folder), {**found, "state": state, "eta_s": None, "message": message})
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Worker processes here: started, watched, replaced."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
import json
import os
from pathlib import Path
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

import numpy as np

from core.safe_text import clean
from core.store import StoreError, Unit

ROOT = Path(__file__).resolve().parents[2]
START_S = 240.0  # kernels are compiled on the first start
CLIP_S = 120.0  # for one clip
DEATHS = 3  # of a worker while it measures one clip, after which the clip is the cause
LATE = 2  # the same for time that ran out
_HIGH = str(256 << 20)
# Freed memory stays with the worker: else every large temporary is faulted in again.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "MALLOC_TRIM_THRESHOLD_": _HIGH,
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "PYTHONUNBUFFERED": "1",
}


class WorkerDied(Exception):
    """A worker ended without answering; ``late`` if it was ended for taking too long."""

    def __init__(self, reason: str, *, begun: bool, late: bool):
        super().__init__(reason)
        self.begun, self.late = begun, late


class WorkerProcess:
    """One process that measures clips, started when needed."""

    def __init__(self, function: str, clip_s: float = CLIP_S):
        self.function, self.clip_s = function, clip_s
        self.process: subprocess.Popen | None = None
        self._log: Any = None
        self._deadline: float | None = None
        self._late = False
        self._guard = threading.Lock()

    def run(self, items: Sequence[dict], recipe: dict) -> Iterator[dict[str, Any]]:
        """The row of each item, in order, as they come.

        Raises
        ------
        WorkerDied
            The process ended, or was ended for taking too long over one clip.
        """
        begun = False
        try:
            self._start()
            line = json.dumps({"items": list(items), "recipe": recipe}, default=_plain)
            self._allow(self.clip_s)
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
            self._line()
            begun = True
            for _ in items:
                self._allow(self.clip_s)
                row = self._line()
                row["vectors"] = {name: self._floats(n) for name, n in row["vectors"].items()}
                yield row
            self._allow(None)
        except (OSError, ValueError, EOFError, KeyError) as err:
            raise WorkerDied(self._reason(), begun=begun, late=self._late) from err

    def _start(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        self.kill()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  as long as the process
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self._late = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core.extract._worker", self.function],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": path},
        )
        threading.Thread(target=self._watch, args=(self.process,), daemon=True).start()
        self._allow(START_S)
        self._line()

    def _allow(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def _watch(self, process: subprocess.Popen) -> None:
        """End the process when its time is over; the blocked read then ends."""
        while process.poll() is None:
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._late = True
                process.kill()
            time.sleep(min(0.2, self.clip_s / 5))

    def _line(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line)

    def _floats(self, n: int) -> np.ndarray:
        data = self.process.stdout.read(4 * n)
        if len(data) != 4 * n:
            raise EOFError
        return np.frombuffer(data, dtype=np.float32)

    def _reason(self) -> str:
        if self._late:
            self.kill()
            return f"it took longer than {self.clip_s:g} s"
        process = self.process
        if process is None:
            return "it does not start"
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        code = process.poll()
        self.kill()
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"it was ended by {signal.Signals(-code).name}"
        return f"it ended with code {code}"

    def log_tail(self) -> str:
        """The last line that the process wrote to stderr."""
        if self._log is None:
            return ""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        with self._guard:
            process, self.process = self.process, None
        if process is None:
            return
        with suppress(OSError):
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                pipe.close()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def failure(clip_id: str, died: WorkerDied) -> dict[str, Any]:
    """The row of a clip that ends its worker."""
    message = (
        f"The worker that measured this clip failed again and again: {died}. The clip may be "
        "damaged, or very long."
    )
    return {"clip_id": clip_id, "error": "WorkerError", "message": message}


def run_items(
    process: WorkerProcess,
    items: Sequence[dict],
    recipe: dict,
    each: Callable[[dict], None] = lambda row: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[dict[str, Any]]:
    """One row for each item, whatever happens to the worker.

    A worker that ends is replaced and goes on with the clip it was at; a clip that ends ``DEATHS``
    workers, or takes too long ``LATE`` times, gets a failure row.

    Raises
    ------
    StoreError
        The worker does not start.
    """
    rows: list[dict[str, Any]] = []
    todo, deaths, late, starts = list(items), 0, 0, 0
    while todo and not stopped():
        try:
            for row in process.run(list(todo), recipe):
                rows.append(row)
                todo.pop(0)
                deaths = late = starts = 0
                each(row)
        except WorkerDied as died:
            if stopped():
                break
            if not died.begun:
                starts += 1
                if starts >= DEATHS:
                    raise StoreError(
                        f"The workers do not start ({died}; {clean(process.log_tail(), 300)}). "
                        "Install the packages of requirements.txt again."
                    ) from died
                continue
            deaths, late = deaths + 1, late + died.late
            if deaths >= DEATHS or late >= LATE:
                rows.append(failure(todo.pop(0)["clip_id"], died))
                each(rows[-1])
                deaths = late = 0
    return rows


class Crew:
    """``size`` threads, each with a worker process, that take units in turn."""

    def __init__(self, size: int, function: str, recipe: dict, clip_s: float = CLIP_S):
        self.recipe = recipe
        self.processes = [WorkerProcess(function, clip_s) for _ in range(size)]
        self._stop = threading.Event()
        self._done: queue.Queue = queue.Queue(maxsize=4 * size)
        self._next = threading.Lock()

    def run(
        self,
        units: Iterator[Unit],
        each: Callable[[dict], None],
        idle: Callable[[], None],
    ) -> Iterator[tuple[Unit, list[dict]]]:
        """Units with their rows, as they are finished; ``idle`` is called several times a second.

        Closing the iterator ends the workers.
        """
        threads = [
            threading.Thread(target=self._work, args=(process, units, each), daemon=True)
            for process in self.processes
        ]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working:
                idle()
                try:
                    found = self._done.get(timeout=0.1)
                except queue.Empty:
                    continue
                if found is None:
                    working -= 1
                elif isinstance(found, BaseException):
                    raise found
                else:
                    yield found
        finally:
            self._stop.set()
            for process in self.processes:
                process.kill()
            for thread in threads:
                while thread.is_alive():
                    with suppress(queue.Empty):
                        self._done.get_nowait()
                    thread.join(0.05)
            for process in self.processes:
                process.kill()

    def _work(
        self, process: WorkerProcess, units: Iterator[Unit], each: Callable[[dict], None]
    ) -> None:
        try:
            while not self._stop.is_set():
                with self._next:
                    unit = next(units, None)
                if unit is None:
                    break
                rows = run_items(process, unit.items, self.recipe, each, self._stop.is_set)
                if not self._stop.is_set():
                    self._done.put((unit, rows))
            self._done.put(None)
        except BaseException as err:
            self._done.put(err)

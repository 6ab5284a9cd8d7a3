"""Processes that decode, may hang or die, and are replaced.

Conventions: a ``Worker`` is one child process and serves one request at a time; a ``Pool`` lends
its workers to threads. Plain pipes and stdlib only: multiprocessing would run the app again in
each child. See ``_child`` for the protocol.
"""

import atexit
from contextlib import contextmanager, suppress
import json
import os
from pathlib import Path
import queue
import subprocess
import sys
import threading

import numpy as np

CHILD = Path(__file__).with_name("_child.py")
LIFE = 2_000  # requests, after which a worker is replaced
POOL_SIZE = 2
_START_S = 60.0
_LONGEST_LINE = 65_536  # bytes
_CHUNK = 4_096  # bytes: of a long answer all but this goes straight where it belongs
# What an answer must hold, by its status; an int is above 0.
_FIELDS: dict = {
    "ok": {
        "sr": int,
        "channels": int,
        "frames": int,
        "duration_s": float,
        "claimed": bool,
        "container": str,
        "codec": str,
        "bits": int | None,
        "bit_rate": int | None,
        "notes": list,
    },
    "too_long": {"claim_s": float | None, "cap_s": float},
    "too_far": {},
    "past_end": {"end_s": float},
    "unreadable": {"reason": str},
    "unsupported": {"what": str},
    "empty": {},
    "no_track": {},
    "no_numbers": {},
    "memory": {},
}
# One thread each: the decoders use no more, and every idle thread costs address space.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerError(Exception):
    """The request was not answered: the worker died or broke the protocol."""


class WorkerLate(WorkerError):
    """The worker was ended at the wall limit."""


class WorkerMissing(WorkerError):
    """The child does not start."""


class Worker:
    """One child process, started when needed.

    Parameters
    ----------
    script : Path
        The child's script; tests bring their own.
    life : int
        Requests served by one process.
    """

    def __init__(self, script: Path = CHILD, life: int = LIFE):
        self.script, self.life = script, life
        self.process: subprocess.Popen | None = None
        self.served = 0
        self._ready = False

    def start(self) -> None:
        """Start a process unless one is alive and has life left; does not wait for it."""
        if self.process and self.process.poll() is None and self.served < self.life:
            return
        self.kill()
        self.process = subprocess.Popen(
            [sys.executable, "-I", os.fspath(self.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # a buffered pipe has a lock, which a fork may copy locked
            env={**os.environ, **dict.fromkeys(_THREADS, "1")},
        )
        self.served, self._ready = 0, False

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.kill()
        process.wait()
        self._close(process)

    def forget(self) -> None:
        """Let go of a process that belongs to the parent of a fork."""
        process, self.process = self.process, None
        if process is not None:
            self._close(process)
            process.returncode = 0  # not our child: there is nothing to wait for

    @staticmethod
    def _close(process: subprocess.Popen) -> None:
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                pipe.close()

    def ask(
        self, request: dict, *, wall_s: float, max_samples: int
    ) -> tuple[dict, np.ndarray | None]:
        """Send ``request`` and read the answer.

        Returns
        -------
        tuple[dict, np.ndarray or None]
            The header, and float32 of shape (channels, n) where samples were asked for.

        Raises
        ------
        WorkerError
            No answer within ``wall_s`` seconds, no worker, or an answer that breaks the protocol
            or announces more than ``max_samples``. The process is ended.
        """
        try:
            self._prepare()
            try:
                self._send(request)
            except BrokenPipeError:  # it died idle and has not seen the request
                self.kill()
                self._prepare()
                self._send(request)
            with self._deadline(wall_s):
                return self._answer(request["keep"], max_samples)
        except BaseException as err:
            self.kill()  # also on KeyboardInterrupt: half an answer must not meet the next request
            if isinstance(err, OSError):
                raise WorkerError("it stopped") from err
            raise

    def _prepare(self) -> None:
        try:
            self.start()
        except OSError as err:
            raise WorkerMissing(str(err)) from err
        if self._ready:
            return
        try:
            with self._deadline(_START_S):
                header, _ = self._line()
        except WorkerError as err:
            raise WorkerMissing(str(err)) from err
        if header.get("status") != "ready":
            raise WorkerMissing("it is another program")
        self._ready = True

    def _send(self, request: dict) -> None:
        self.served += 1
        line = json.dumps({"id": self.served, **request})  # ASCII, and never a newline
        self.process.stdin.write(line.encode() + b"\n")

    def _answer(self, keep: bool, max_samples: int) -> tuple[dict, np.ndarray | None]:
        header, rest = self._line()
        if header.get("id") != self.served or not _follows_protocol(header):
            raise WorkerError("it gave a wrong answer")
        if header["status"] != "ok" or not keep:
            return header, None
        channels, frames = header["channels"], header["frames"]
        if channels * frames > max_samples:
            raise WorkerError("it announced more than is allowed")
        y = np.empty((channels, frames), dtype=np.float32)
        view = memoryview(y).cast("B")
        if len(rest) > len(view):
            raise WorkerError("it gave a wrong answer")
        view[: len(rest)] = rest
        got = len(rest)
        while got < len(view):
            more = self.process.stdout.readinto(view[got:])
            if not more:
                raise WorkerError("it stopped in the middle")
            got += more
        return header, y

    def _line(self) -> tuple[dict, bytes]:
        """The next JSON line, and what came with it of the samples."""
        data = b""
        while b"\n" not in data:
            more = self.process.stdout.read(_CHUNK)
            if not more:
                raise WorkerError("it stopped")
            data += more
            if len(data) > _LONGEST_LINE + _CHUNK:
                raise WorkerError("it gave a wrong answer")
        line, _, rest = data.partition(b"\n")
        try:
            header = json.loads(line)
        except ValueError:
            header = None
        if not isinstance(header, dict):
            raise WorkerError("it gave a wrong answer")
        return header, rest

    @contextmanager
    def _deadline(self, seconds: float):
        """Kill the process after ``seconds``; the blocked read then ends, on any system."""
        process, lock, state = self.process, threading.Lock(), {"done": False, "late": False}

        def fire():
            with lock:
                if not state["done"]:
                    state["late"] = True
                    process.kill()

        timer = threading.Timer(seconds, fire)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (WorkerError, OSError) as err:
            if state["late"]:
                raise WorkerLate(f"no answer within {seconds:g} s") from err
            raise
        finally:
            with lock:
                state["done"] = True
            timer.cancel()
        if state["late"]:  # the answer came in the same moment: it is whole, the process is gone
            self.kill()


def _follows_protocol(header: dict) -> bool:
    fields = _FIELDS.get(header.get("status"))
    return fields is not None and all(
        isinstance(header.get(name), kind) and (kind is not int or header[name] > 0)
        for name, kind in fields.items()
    )


class Pool:
    """A few workers for many threads: one slow file does not hold up the next visitor."""

    def __init__(self, size: int = POOL_SIZE, script: Path = CHILD, life: int = LIFE):
        self.workers = [Worker(script, life) for _ in range(size)]
        # Last in, first out: one thread alone needs, and starts, one process only.
        self._idle: queue.LifoQueue = queue.LifoQueue()
        for worker in self.workers:
            self._idle.put(worker)

    def ask(self, request: dict, **limits) -> tuple[dict, np.ndarray | None]:
        """As ``Worker.ask``, by the first worker that is free."""
        worker = self._idle.get()
        try:
            return worker.ask(request, **limits)
        finally:
            self._idle.put(worker)

    def warm(self) -> None:
        """Start the idle workers' processes; does not wait for them."""
        taken = []
        with suppress(queue.Empty):
            while True:
                taken.append(self._idle.get_nowait())
        for worker in reversed(taken):
            with suppress(OSError):  # the first file will tell
                worker.start()
            self._idle.put(worker)

    def close(self) -> None:
        """End all processes; the pool can be used again and starts new ones."""
        for worker in self.workers:
            worker.kill()

    def forget(self) -> None:
        """Let go of processes that belong to the parent of a fork."""
        for worker in self.workers:
            worker.forget()


class Here(Pool):
    """Decodes in this process, which is itself a worker that may die."""

    def __init__(self):
        super().__init__(size=0)

    def ask(self, request: dict, **limits) -> tuple[dict, np.ndarray | None]:
        """As ``Worker.ask``; time and memory are for whoever started this process to bound."""
        from core.audio import _child

        request = {k: v for k, v in request.items() if k not in ("memory_mb", "wall_s")}
        request["path"] = os.fsdecode(request["path"].encode("latin-1"))
        job = _child.Job(**request)
        try:
            sink = _child.decode(job)
            header = sink.answer()
        except _child.Stop as stop:
            return {"status": stop.status, **stop.facts}, None
        if not job.keep:
            return header, None
        y = np.concatenate(sink.blocks, axis=1)
        return header, np.ascontiguousarray(y)


_pool = Pool()


def pool() -> Pool:
    """The pool of this process."""
    return _pool


def decode_here() -> None:
    """Decode in this process from now on: for processes that may die over a file."""
    global _pool
    _pool.close()
    _pool = Here()


def _after_fork() -> None:
    # Two processes must not write to one pipe, nor keep it open when the first one ends.
    global _pool
    _pool.forget()
    _pool = type(_pool)()


atexit.register(lambda: _pool.close())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

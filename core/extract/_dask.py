"""The same units on a Dask cluster: each task runs a worker process of ours beside it.

A task needs no shared folder for its results, only the clips at the same paths. The cluster's own
worker imports little: what may crash or leak does so in the process beside it.
"""

from collections.abc import Callable, Iterator
import queue
import threading
from typing import Any

import core
from core.errors import MissingPackageError
from core.extract._crew import CLIP_S, WorkerDied, WorkerProcess, failure, run_items
from core.safe_text import clean
from core.store import StoreError, Unit

CONNECT_S = 10.0
WINDOW = 3  # units under way for each thread of the cluster
_beside = threading.local()


def run_batch(
    items: list[dict], recipe: dict, function: str, version: str, clip_s: float
) -> list[dict[str, Any]]:
    """What a task does: one row for each item."""
    if version != core.__version__:
        raise RuntimeError(f"version {core.__version__} instead of {version}")
    process = getattr(_beside, "process", None)
    if process is None or process.function != function or process.clip_s != clip_s:
        if process is not None:
            process.kill()
        process = _beside.process = WorkerProcess(function, clip_s)
    return run_items(process, items, recipe)


class Cluster:
    """A Dask cluster by the address of its scheduler."""

    def __init__(self, address: str, function: str, recipe: dict, clip_s: float = CLIP_S):
        try:
            from distributed import Client
        except ImportError as err:
            raise MissingPackageError(
                "A cluster needs the package 'distributed': pip install dask distributed."
            ) from err
        self.arguments = (recipe, function, core.__version__, clip_s)
        try:
            self.client = Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as err:
            raise StoreError(
                f"No Dask scheduler answers at {clean(address)}. Start one with 'dask scheduler', "
                "and give the address that it prints."
            ) from err

    def run(
        self,
        units: Iterator[Unit],
        each: Callable[[dict], None],
        idle: Callable[[], None],
    ) -> Iterator[tuple[Unit, list[dict]]]:
        """As ``Crew.run``."""
        done: queue.SimpleQueue = queue.SimpleQueue()
        rows: dict[int, list[dict]] = {}
        waiting: dict[int, int] = {}
        under_way: dict[Any, tuple[Unit, list[dict]]] = {}

        def submit(unit: Unit, items: list[dict]) -> None:
            future = self.client.submit(run_batch, items, *self.arguments, pure=False)
            under_way[future] = (unit, items)
            waiting[unit.number] = waiting.get(unit.number, 0) + 1
            future.add_done_callback(done.put)

        try:
            more = True
            while more or under_way:
                while more and len(waiting) < self._window():
                    unit = next(units, None)
                    more = unit is not None
                    if more:
                        rows[unit.number] = []
                        submit(unit, list(unit.items))
                idle()
                try:
                    future = done.get(timeout=0.1)
                except queue.Empty:
                    continue
                unit, items = under_way.pop(future)
                found, again = self._answer(future, items)
                for row in found:
                    each(row)
                rows[unit.number] += found
                for part in again:
                    submit(unit, part)
                waiting[unit.number] -= 1
                if not waiting[unit.number]:
                    del waiting[unit.number]
                    yield unit, rows.pop(unit.number)
        finally:
            self.client.cancel(list(under_way))
            self.client.close()

    def _window(self) -> int:
        threads = sum(self.client.nthreads().values())
        return max(2, WINDOW * threads)

    def _answer(self, future: Any, items: list[dict]) -> tuple[list[dict], list[list[dict]]]:
        """Rows, and parts to be tried again: half of what took the cluster's workers with it."""
        from distributed import KilledWorker

        try:
            return future.result(), []
        except KilledWorker:
            if len(items) > 1:
                half = len(items) // 2
                return [], [items[:half], items[half:]]
            died = WorkerDied("the cluster's workers ended", begun=True, late=False)
            return [failure(items[0]["clip_id"], died)], []
        except Exception as err:
            raise StoreError(
                f"The cluster's workers cannot measure ({clean(err, 300)}). They need this "
                "version of the program and the packages of requirements.txt."
            ) from err

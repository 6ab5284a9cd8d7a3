"""From a data set to a workspace: what is missing is measured, progress is told."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
import os
from pathlib import Path
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from core.errors import DatasetError, ParameterError
from core.extract._crew import CLIP_S, Crew
from core.extract._measure import Recipe
from core.extract._spool import in_archive_order, spooled
from core.store import Unit, Workspace, Writer

if TYPE_CHECKING:
    import pandas as pd

UNIT_SIZE = 64  # clips: some seconds of work, so that little is lost and little is waited for
COMPACT = 64  # units, above which a finished workspace is compacted
_TELL_S = 0.25
_RATE_S = 15.0  # the rate is that of the last seconds


class Catalogued(Protocol):
    """What extraction needs of a data set."""

    name: str

    def catalogue(self) -> "pd.DataFrame":
        """One row per clip: clip_id, path, text and labels."""


class Progress(NamedTuple):
    """Clips stored or in hand (``failed`` among them) of ``total``; ``rate`` in clips/s, NaN first;
    ``eta_s`` in s, NaN where unknown.
    """  # noqa: D205

    done: int
    total: int
    failed: int
    rate: float
    eta_s: float


class Summary(NamedTuple):
    """What a run did: clips measured (``done``) and ``failed`` now, ``skipped`` because they were
    stored before; ``seconds`` it took, ``audio_seconds`` measured; ``cancelled``; and ``messages``
    about what was found damaged.
    """  # noqa: D205

    done: int
    failed: int
    skipped: int
    seconds: float
    audio_seconds: float
    cancelled: bool = False
    messages: tuple[str, ...] = ()


class Cancelled(Exception):
    """Raised within the run to end it."""


@dataclass(frozen=True)
class Task:
    """What is done to a clip, and what comes of it.

    Attributes
    ----------
    recipe : dict
        Passed to ``function`` with each clip; a workspace holds tables of one recipe only.
    columns : tuple of str
        Names of the values.
    vectors : dict of str to int
        Names and sizes of the vectors.
    function : str
        "module:name" of a function (item, recipe) -> {"values", "vectors", "seconds"}, imported by
        the workers. Its module's ``warm()``, if any, is called once in each.
    """

    recipe: dict[str, Any]
    columns: tuple[str, ...]
    vectors: dict[str, int] = field(default_factory=dict)
    function: str = "core.extract._measure:measure"

    @classmethod
    def of(cls, recipe: Recipe) -> "Task":
        """The task of a recipe.

        Raises
        ------
        ParameterError
            There is no such feature set or cleaning.
        """
        from core import features

        recipe.check()
        found = features.feature_set(recipe.feature_set)
        names = tuple(spec.name for spec in found.specs if spec.name not in found.vectors)
        return cls(recipe.to_dict(), names, dict(found.vectors))


def extract_dataset(
    dataset: Catalogued,
    workspace: str | os.PathLike,
    *,
    feature_set: str = "voice-v1",
    clean: str | None = None,
    workers: int = 2,
    scheduler: str | None = None,
    limit: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    keep_padding: bool = False,
    rebuild: bool = False,
    retry_failed: bool = False,
    task: Task | None = None,
    clip_s: float = CLIP_S,
    unit_size: int = UNIT_SIZE,
) -> Summary:
    """Measure the clips of a data set that the workspace does not hold yet.

    Parameters
    ----------
    dataset : Dataset
        See ``core.datasets.open_dataset``.
    workspace : path
        A folder: new, empty, or a workspace of the same recipe. Clips whose path, size, time or
        text changed are measured again; clips that the data set lost are dropped.
    feature_set : {"voice-v1", "article-v1"}
        See ``core.features.feature_set``.
    clean : {None, "article"}
        "article" denoises and trims first.
    workers : int
        Processes here; ignored with ``scheduler``.
    scheduler : str, optional
        Address of a Dask scheduler, as "tcp://host:8786".
    limit : int, optional
        Only the first clips by clip_id.
    progress : callable, optional
        Called with a ``Progress`` a few times a second.
    cancel : callable, optional
        Asked several times a second; True ends the run, and what is stored stays.
    keep_padding : bool
        Keep the silence that MP3 encoders add at both ends.
    rebuild : bool
        Delete a table of another recipe or version that is in the folder.
    retry_failed : bool
        Measure again the clips that failed before.
    task : Task, optional
        Something else to do to a clip than ``feature_set``.
    clip_s : float
        Seconds one clip may take.
    unit_size : int
        Clips stored together.

    Returns
    -------
    Summary
        What was done.

    Raises
    ------
    DatasetError
        The data set cannot be read or has no clips.
    ParameterError
        There is no such feature set or cleaning, or ``workers`` or ``limit`` cannot work.
    StoreError
        The folder holds another table, is in use, full, or may not be written; or the workers do
        not start.
    """
    began = time.monotonic()
    for name, value in (("workers", workers), ("limit", limit), ("unit_size", unit_size)):
        if value is not None and value < 1:
            raise ParameterError(f"{name}={value} does not work: choose 1 or more.")
    task = task or Task.of(Recipe(feature_set, clean, keep_padding))
    catalogue = _with_files(dataset, limit)
    store = Workspace.create(
        workspace,
        recipe=task.recipe,
        columns=task.columns,
        vectors=task.vectors,
        name=dataset.name,
        rebuild=rebuild,
    )
    redo = set(store.failures()["clip_id"]) if retry_failed else set()
    with store.writer() as writer:
        writer.set_catalogue(catalogue, redo=redo, unit_size=unit_size, name=dataset.name)
        run = Run(writer, progress, cancel)
        try:
            crew: Any
            if scheduler is None:
                crew = Crew(workers, task.function, task.recipe, clip_s)
            else:
                from core.extract._dask import Cluster

                crew = Cluster(scheduler, task.function, task.recipe, clip_s)
            run.through(crew, dataset)
        except Cancelled:
            run.cancelled = True
        return run.summary(time.monotonic() - began)


class Run:
    """One run: hands units out, stores what comes back, counts."""

    def __init__(
        self,
        writer: Writer,
        progress: Callable[[Progress], None] | None,
        cancel: Callable[[], bool] | None,
    ):
        self.writer, self.progress, self.cancel = writer, progress, cancel
        self.units = writer.missing()
        self.total = writer.plan.clips
        self.skipped = self.total - writer.clips_missing()
        self.seen = self.failed = self.stored = self.stored_failed = 0
        self.audio_seconds = 0.0
        self.cancelled = False
        self._lock = threading.Lock()
        self._told = 0.0
        self._times: deque[tuple[float, int]] = deque()

    def through(self, crew: Any, dataset: Catalogued) -> None:
        """Send all units through a crew, or a cluster."""
        with tempfile.TemporaryDirectory(prefix="phonoscope-") as folder:
            units = spooled(self._to_measure(), dataset, Path(folder))
            first = next(units, None)
            if first is not None:
                with closing(crew.run(_chain(first, units), self.count, self.idle)) as answers:
                    for unit, rows in answers:
                        self.store(unit, rows)
        self.writer.tidy()
        if len(self.writer.plan.units) >= COMPACT:
            self.writer.compact()
        self.tell(last=True)

    def _to_measure(self) -> Iterator[Unit]:
        """Units with clips to be measured; those that are only copied are stored at once."""
        for unit in self.units:
            if unit.items:
                yield unit
            else:
                self.writer.write(unit.number, unit.known)

    def count(self, row: Mapping[str, Any]) -> None:
        """Take note of a measured clip; called by the crew's threads."""
        with self._lock:
            self.seen += 1
            self.failed += row.get("error") is not None
            self.audio_seconds += row.get("seconds") or 0.0

    def store(self, unit: Unit, rows: list[dict[str, Any]]) -> None:
        """Write a finished unit."""
        self.writer.write(unit.number, [*unit.known, *rows])
        self.stored += len(rows)
        self.stored_failed += sum(row.get("error") is not None for row in rows)

    def idle(self) -> None:
        """Tell the progress, and ask whether to go on."""
        self.tell()
        if self.cancel is not None and self.cancel():
            raise Cancelled

    def tell(self, last: bool = False) -> None:
        """Call ``progress``, not too often."""
        now = time.monotonic()
        if self.progress is None or (now - self._told < _TELL_S and not last):
            return
        self._told = now
        self._times.append((now, self.seen))
        while len(self._times) > 2 and now - self._times[0][0] > _RATE_S:
            self._times.popleft()
        then, before = self._times[0]
        rate = (self.seen - before) / (now - then) if self.seen > before else float("nan")
        done = self.skipped + self.seen
        left = max(0, self.total - done)
        eta_s = left / rate if left else 0.0
        self.progress(Progress(min(done, self.total), self.total, self.failed, rate, eta_s))

    def summary(self, seconds: float) -> Summary:
        """What was done up to now."""
        return Summary(
            done=self.stored - self.stored_failed,
            failed=self.stored_failed,
            skipped=self.skipped,
            seconds=seconds,
            audio_seconds=self.audio_seconds,
            cancelled=self.cancelled,
            messages=tuple(self.writer.messages),
        )


def _chain(first: Unit, rest: Iterator[Unit]) -> Iterator[Unit]:
    yield first
    yield from rest


def _with_files(dataset: Catalogued, limit: int | None) -> "pd.DataFrame":
    """The catalogue with ``size`` and ``mtime_ns`` of each file, -1 where it cannot be seen."""
    catalogue = dataset.catalogue().sort_values("clip_id", kind="stable")
    if limit is not None:
        catalogue = catalogue.head(limit)
    if catalogue.empty:
        raise DatasetError(
            f"{dataset.name}: no clips were found. Check the folder and its layout with "
            "'python -m core datasets DATASET'."
        )
    catalogue = in_archive_order(catalogue).reset_index(drop=True)
    found = [_stat(path) for path in catalogue["path"]]
    catalogue["size"] = [size for size, _ in found]
    catalogue["mtime_ns"] = [mtime for _, mtime in found]
    if "text" not in catalogue:
        catalogue["text"] = None
    return catalogue


def _stat(path: str) -> tuple[int, int]:
    """Of the file, or of the archive it is in."""
    for place in (path, path.partition("!/")[0]):
        with suppress(OSError, ValueError):
            found = Path(place).stat()
            return found.st_size, found.st_mtime_ns
    return -1, -1

"""A script: end a writer at each of its writes, fsyncs and renames, then look what is left.

Prints the number of points, and one line for each point after which something was wrong. Each try
is a fork of this process.
"""

import os
from pathlib import Path
import signal
import sys
import tempfile
import traceback

import duckdb  # noqa: F401  loaded once, before the forks
import pyarrow
import test_store

from core.store import Workspace, _disk

FIRST, SECOND = 10, 12


class Ending:
    """Counts what reaches the disk; ends this process just before call number ``at``."""

    def __init__(self, at: int | None):
        self.at, self.count = at, 0

    def reached(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Put this between the store and the system."""
        replace, truly_open = os.replace, open

        class File:
            """A file whose first writes count; only half of the last one arrives.

            Later ones leave the same behind: a temporary file that is not whole.
            """

            def __init__(file, *args):
                file.real, file.writes = truly_open(*args), 0

            def __enter__(file):
                return file

            def __exit__(file, *args):
                file.real.close()

            def write(file, data) -> int:
                data = bytes(data)
                file.real.write(data[: len(data) // 2])
                file.real.flush()
                file.writes += 1
                if file.writes <= 2:
                    self.reached()
                file.real.write(data[len(data) // 2 :])
                return len(data)

            def __getattr__(file, name):
                return getattr(file.real, name)

        def counted(real):
            def call(*args):
                self.reached()
                return real(*args)

            return call

        _disk.open = File
        os.fsync, os.replace = counted(lambda number: None), counted(replace)


def work(folder: Path) -> None:
    """Everything a writer does: create, fill, plan anew, copy, compact."""
    workspace = test_store.create(folder)
    for n, size in ((FIRST, 5), (SECOND, 6)):
        table = test_store.catalogue(n)
        table.loc[5, "size"] = size
        test_store.fill(workspace, table, unit_size=8)
    with workspace.writer() as writer:
        writer.compact(rows=12)


def look(folder: Path) -> None:
    """What a reader sees at any moment is whole: no clip twice, none torn."""
    if not (folder / "plan.json").exists():
        return
    workspace = Workspace.open(folder)
    features, failures = workspace.features(), workspace.failures()
    ids = [*features["clip_id"], *failures["clip_id"]]
    assert len(set(ids)) == len(ids) <= workspace.status().clips
    assert features["a"].tolist() == [int(c[-3:]) for c in features["clip_id"]]
    assert workspace.vectors("m").clip_ids.tolist() == features["clip_id"].tolist()


def forked(function, *args) -> int:
    """How a fork that calls ``function`` ends."""
    pid = os.fork()
    if pid == 0:
        try:
            function(*args)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def attempt(folder: Path, at: int | None) -> None:
    ending = Ending(at)
    ending.install()
    work(folder)
    (folder.parent / "count").write_text(str(ending.count))


def finish(folder: Path) -> None:
    """Look, go on where the writer was ended, and see that all is there once."""
    look(folder)
    work(folder)
    test_store.check(Workspace.open(folder), SECOND)
    assert not list(folder.rglob(".tmp-*"))


def main() -> None:
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    with tempfile.TemporaryDirectory() as root:
        work(Path(root) / "warm")  # imports what the forks need
        forked(attempt, Path(root) / "clean", None)
        points = int((Path(root) / "count").read_text())
        for at in range(1, points + 1):
            folder = Path(root) / str(at)
            ended, after = forked(attempt, folder, at), forked(finish, folder)
            if (ended, after) != (-signal.SIGKILL, 0):
                print("point", at, ended, after, flush=True)
        print("points", points, flush=True)


if __name__ == "__main__":
    sys.exit(main())

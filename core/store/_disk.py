"""Files that appear whole or not at all, and a lock that dies with its owner."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
import errno
from glob import escape
import json
import os
from pathlib import Path
import secrets
import time
from typing import BinaryIO

from core.errors import StoreError
from core.safe_text import clean

TEMPORARY = ".tmp-"
_ABANDONED_S = 3600.0  # a temporary file that nobody wrote to for so long has no owner
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def shown(path: str | os.PathLike) -> str:
    """The last part of a path as one visible line."""
    return clean(Path(path).name or path)


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a file that then appears at ``path``, whole, even if the machine stops.

    Any number of threads and processes may do so at once; the last one to end holds.

    Raises
    ------
    StoreError
        The disk is full, or the folder may not be written.
    """
    # Two sessions are two threads of one process: its number alone would name both their files.
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        _remove_abandoned(path)
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException as err:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(err, OSError):
            raise refusal(path, err) from err
        raise


def _remove_abandoned(path: Path) -> None:
    """Delete what writers of this file that were ended long ago left beside it."""
    for old in path.parent.glob(f"{TEMPORARY}*-{escape(path.name)}"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _ABANDONED_S:
                old.unlink()


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` last; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def refusal(path: Path, err: OSError) -> Exception:
    """The sentence for a file that could not be written."""
    folder = shown(path.parent.parent if path.parent.name in ("shards", "vectors") else path.parent)
    if err.errno in _FULL:
        return StoreError(
            f"{folder}: the disk is full. Make room and start the same command again; "
            "what is done stays done."
        )
    if err.errno in _FORBIDDEN:
        return StoreError(
            f"{folder}: this folder may not be written. Change its permissions, "
            "or choose another folder for the workspace."
        )
    return StoreError(f"{folder}: {shown(path)} could not be written ({clean(err.strerror)}).")


def remove_temporaries(*folders: Path) -> None:
    """Delete what writers that are gone left behind; only the owner of the lock may call it."""
    for folder in folders:
        for path in folder.glob(f"{TEMPORARY}*"):
            with suppress(OSError):
                path.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for writing; the system releases it when this process ends, however.

    Raises
    ------
    StoreError
        Another process writes, or the folder may not be written.
    """
    path = folder / "lock"
    with speaking(path):
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(number):
            raise StoreError(f"{shown(folder)}: {_owner(path)} Wait for it to end, or stop it.")
        with speaking(path):
            os.ftruncate(number, 0)
            os.write(number, json.dumps({"pid": os.getpid(), "since": time.time()}).encode())
        yield
    finally:
        os.close(number)


@contextmanager
def speaking(path: Path) -> Iterator[None]:
    """Turn what the system refuses into the sentence for ``path``."""
    try:
        yield
    except OSError as err:
        raise refusal(path, err) from err


def _take(number: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return _take_on_windows(number)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        if err.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _take_on_windows(number: int) -> bool:
    import msvcrt

    os.lseek(number, 1 << 20, os.SEEK_SET)  # beyond the text, which stays readable
    try:
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    os.lseek(number, 0, os.SEEK_SET)
    return True


def _owner(path: Path) -> str:
    try:
        found = json.loads(path.read_bytes())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found["since"]))
        return f"process {int(found['pid'])} has been writing to it since {since}."
    except (OSError, ValueError, KeyError, TypeError):
        return "another process is writing to it."

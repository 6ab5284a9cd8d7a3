"""Tags, notes and named selections that people add to a workspace, in one journal beside it.

Layout: ``notes.jsonl`` in the workspace's folder, one JSON object a line. Lines are only appended,
under a lock and with fsync, so that writers never lose each other's lines; the last line about a
thing holds. A line that cannot be read is left out and reported by ``problems``.

Conventions: a clip is named by its ``clip_id``; a tag and a name are one visible line; an empty
note is no note.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
import json
import os
from pathlib import Path
from typing import Any

from core.errors import ParameterError
from core.safe_text import clean
from core.store import StoreError, sync_folder

FILE = "notes.jsonl"
MOST_TAG = 40  # characters
MOST_NAME = 60
MOST_NOTE = 2_000
MOST_SELECTION = 100_000


class Notes:
    """What people wrote about the clips of one workspace; any number of processes may share it.

    Parameters
    ----------
    folder : path
        The workspace's folder.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(os.path.abspath(folder))
        self._seen: tuple | None = None
        self._state = _State()

    def tag(self, clip_id: str, tag: str, on: bool = True) -> None:
        """Give a clip a tag, or take it away.

        Raises
        ------
        ParameterError
            The tag is empty or longer than 40 characters.
        StoreError
            The folder is gone, full or may not be written.
        """
        self.tag_all([clip_id], tag, on)

    def tag_all(self, clip_ids: Iterable[str], tag: str, on: bool = True) -> None:
        """As ``tag``, for many clips at once."""
        tag = _line("tag", tag, MOST_TAG)
        self._append([{"clip_id": c, "tag": tag, "on": bool(on)} for c in clip_ids])

    def tags(self) -> dict[str, set[str]]:
        """The tags of each clip that has any."""
        return {clip_id: set(tags) for clip_id, tags in self._read().tags.items()}

    def tagged(self, tag: str) -> tuple[str, ...]:
        """The clips with a tag, sorted."""
        return tuple(sorted(c for c, tags in self._read().tags.items() if tag in tags))

    def note(self, clip_id: str, text: str) -> None:
        """Write the note of a clip; an empty one takes it away.

        Raises
        ------
        ParameterError
            It is longer than 2,000 characters.
        StoreError
            The folder is gone, full or may not be written.
        """
        text = "\n".join(clean(line, MOST_NOTE) for line in str(text).splitlines()).strip()
        if len(text) > MOST_NOTE:
            raise ParameterError(f"A note has at most {MOST_NOTE:,} characters: shorten it.")
        self._append([{"clip_id": clip_id, "note": text}])

    def notes(self) -> dict[str, str]:
        """The note of each clip that has one."""
        return dict(self._read().notes)

    def save_selection(self, name: str, text: str) -> None:
        """Keep a selection, as ``Selection.to_text`` writes it, under a name.

        Raises
        ------
        ParameterError
            The name is empty or longer than 60 characters, or the selection is too long.
        StoreError
            The folder is gone, full or may not be written.
        """
        if len(text) > MOST_SELECTION:
            raise ParameterError("This selection is too long to be kept: choose fewer values.")
        self._append([{"selection": _line("name", name, MOST_NAME), "text": str(text)}])

    def delete_selection(self, name: str) -> None:
        """Forget a selection."""
        self._append([{"selection": name, "text": None}])

    def selections(self) -> dict[str, str]:
        """The kept selections by name, sorted by name."""
        return dict(sorted(self._read().selections.items()))

    def problems(self) -> list[str]:
        """A sentence where lines of the journal cannot be read; [] where all is well."""
        bad = self._read().bad
        if not bad:
            return []
        lines = "1 line of its notes is" if bad == 1 else f"{bad:,} lines of its notes are"
        return [f"{clean(self.folder.name)}: {lines} damaged and left out; the others hold."]

    def _read(self) -> "_State":
        try:
            with open(self.folder / FILE, "rb") as file, _held(file.fileno(), alone=False):
                about = os.fstat(file.fileno())
                seen = (about.st_ino, about.st_size, about.st_mtime_ns)
                if seen != self._seen:
                    self._state, self._seen = _State.of(file.read()), seen
        except FileNotFoundError:
            return _State()
        except OSError as err:
            raise self._refusal("read", err) from err
        return self._state

    def _append(self, entries: list[Mapping[str, Any]]) -> None:
        """Add lines, all or none, and have them on disk before returning."""
        if not entries:
            return
        data = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            number = os.open(self.folder / FILE, flags, 0o644)
            try:
                with _held(number, alone=True):
                    is_new = not os.fstat(number).st_size
                    _add(number, data)
                if is_new:
                    sync_folder(self.folder)  # or the file's name may be lost with its lines
            finally:
                os.close(number)
        except OSError as err:
            raise self._refusal("written", err) from err

    def _refusal(self, done: str, err: OSError) -> StoreError:
        return StoreError(
            f"{clean(self.folder.name)}: its notes cannot be {done} ({clean(err.strerror)}). "
            "Make room, or change the permissions of the workspace's folder."
        )


class _State:
    """The journal, read to its end."""

    def __init__(self) -> None:
        self.tags: dict[str, set[str]] = {}
        self.notes: dict[str, str] = {}
        self.selections: dict[str, str] = {}
        self.bad = 0

    @classmethod
    def of(cls, data: bytes) -> "_State":
        state = cls()
        for line in data.split(b"\n"):
            if line:
                try:
                    state._take(json.loads(line))
                except (ValueError, TypeError, KeyError, RecursionError):
                    state.bad += 1
        return state

    def _take(self, entry: Mapping[str, Any]) -> None:
        if "selection" in entry:
            _put(self.selections, _text(entry["selection"]), entry["text"])
            return
        clip_id = _text(entry["clip_id"])
        if "note" in entry:
            _put(self.notes, clip_id, entry["note"])
            return
        tags = self.tags.setdefault(clip_id, set())
        (tags.add if entry["on"] else tags.discard)(_text(entry["tag"]))
        if not tags:
            del self.tags[clip_id]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _put(into: dict[str, str], name: str, value: object) -> None:
    if value:
        into[name] = _text(value)
    else:
        into.pop(name, None)


def _line(what: str, text: str, most: int) -> str:
    shown = clean(text, most + 1)
    if not 0 < len(shown) <= most:
        raise ParameterError(f"A {what} has 1 to {most} characters: write another.")
    return shown


def _add(number: int, data: bytes) -> None:
    """Append to an open file; what could be written only in part is taken back."""
    size = os.fstat(number).st_size
    if size:
        os.lseek(number, size - 1, os.SEEK_SET)
        if os.read(number, 1) != b"\n":  # a writer died within its line
            data = b"\n" + data
    try:
        written = 0
        while written < len(data):
            written += os.write(number, data[written:])
        os.fsync(number)
    except OSError:
        os.ftruncate(number, size)
        raise


@contextmanager
def _held(number: int, *, alone: bool) -> Iterator[None]:
    """Wait for the lock of an open file; closing the file, or dying, lets go of it too."""
    try:
        import fcntl
    except ImportError:
        with _held_on_windows(number):
            yield
        return
    fcntl.flock(number, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    try:
        yield
    finally:
        fcntl.flock(number, fcntl.LOCK_UN)


@contextmanager
def _held_on_windows(number: int) -> Iterator[None]:
    import msvcrt

    beyond = 1 << 40  # a byte that no line reaches stands for the whole file
    os.lseek(number, beyond, os.SEEK_SET)
    msvcrt.locking(number, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
    os.lseek(number, 0, os.SEEK_SET)
    try:
        yield
    finally:
        os.lseek(number, beyond, os.SEEK_SET)
        msvcrt.locking(number, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]

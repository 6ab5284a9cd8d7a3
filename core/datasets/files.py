"""The files of a data set in a folder: listed once, and nothing outside the folder.

Conventions: names are relative to the data set's folder and use ``/``. A link is followed where it
ends inside the folder; folders that are links are not searched. Devices and pipes are not files.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
import os
from pathlib import Path
import posixpath
from typing import TYPE_CHECKING

from core.errors import DatasetError
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

MAX_TABLE_BYTES = 4 * 2**30
MAX_TEXT_BYTES = 2**28
MAX_FILES = 20_000_000
OUTSIDE = "leaves the folder of the data set"
NOT_FOUND = "file not found"
_NOT_SIMPLE = r"\.\.|//|\./|\x00|^/|/$|^\s*$|/\.$"  # paths to be made normal before they are missed
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


@dataclass
class Listing:
    """What lies under one folder.

    ``plain`` are regular files that can be used as they are; ``odd`` maps other names to what is
    wrong with them, or to "" for links, which have to be followed.
    """

    plain: set[str] = field(default_factory=set)
    odd: dict[str, str] = field(default_factory=dict)


class Files:
    """The files of one data set; here, of a folder.

    Parameters
    ----------
    root : Path
        The folder; made absolute with its links resolved.
    table : str
        Name of the table the data set was opened by, "" where it was opened by its folder.
    given : str
        The absolute folder as the user named it, before links were resolved.

    Raises
    ------
    DatasetError
        Where there is no such folder.
    """

    def __init__(self, root: Path | str, table: str = "", given: str = "") -> None:
        self.root, self.table, self.given = str(root), table, given
        self.name = os.path.basename(self.root) or "data"
        self._listings: dict[str, Listing] = {}
        self.notes: dict[str, None] = {}  # said once each, in order

    @cached_property
    def top(self) -> dict[str, bool]:
        """Names in the data set's folder, and whether each is a folder (links are followed)."""
        try:
            with os.scandir(self.root) as entries:
                return {entry.name: entry.is_dir() for entry in entries}
        except OSError as err:
            raise DatasetError(
                f"{clean(self.root)}: not a readable folder ({err.strerror}). "
                "Choose the folder of a data set."
            ) from err

    def told(self) -> dict[str, str]:
        """What cannot be used of an archive, and why; of a folder, its tables' rows tell."""
        return {}

    def has(self, name: str) -> bool:
        """Whether there is such a file or folder in the data set."""
        real = os.path.realpath(os.path.join(self.root, name))
        return is_inside(real, self.root) and os.path.exists(real)

    def names(self, under: str, limit: int = 100) -> list[str]:
        """The first few names in a folder, in no order; [] where there is no such folder."""
        found: list[str] = []
        real = os.path.realpath(os.path.join(self.root, under))
        if is_inside(real, self.root) and os.path.isdir(real):
            with os.scandir(real) as entries:
                for entry in entries:
                    found.append(entry.name)
                    if len(found) >= limit:
                        break
        return found

    def read(self, name: str, limit: int = MAX_TABLE_BYTES) -> bytes:
        """The bytes of a table.

        Raises
        ------
        DatasetError
            Where it is missing, unreadable, outside the data set, or over ``limit`` bytes.
        """
        return self._bytes(name, limit, limit)

    def text(self, name: str) -> str:
        """A text file; what is not UTF-8 in it is read as Latin-1."""
        data = self.read(name, MAX_TEXT_BYTES)
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def head(self, name: str, size: int = 2**16) -> bytes:
        """The first bytes of a table; b"" where it cannot be read."""
        try:
            return self._bytes(name, size, None)
        except DatasetError:
            return b""

    def walk(self, suffixes: Iterable[str] = (), under: str = "") -> list[str]:
        """Names of the files beneath a folder that end in one of ``suffixes``, sorted."""
        listing, ends = self.listing(under), tuple(suffixes)
        every = [*listing.plain, *listing.odd]
        return sorted(n for n in every if not ends or n.lower().endswith(ends))

    def find(self, written: "pd.Series", under: str = "") -> tuple["pd.Series", "pd.Series"]:
        """Where each clip is, and "", or "" and what is wrong with what is written."""
        listing, base = self.listing(under), self.base(under)
        prefixes, names = self._prefixes(under), written
        for prefix in (*prefixes, "./"):
            names = names.str.removeprefix(prefix)
        hit = _among(names, listing.plain)  # one listing answers for nearly all: no stat per clip
        path = (base + "/" + names).where(hit, "")
        problem = hit.map({True: "", False: NOT_FOUND}).astype("str")
        ask = ~hit
        if not listing.odd:
            ask &= names.str.contains(_NOT_SIMPLE, regex=True)
        found = [self._odd(name, base, prefixes, listing) for name in written[ask]]
        path[ask] = [one[0] for one in found]
        problem[ask] = [one[1] for one in found]
        return path, problem

    def base(self, under: str) -> str:
        """What stands before a name to make a path."""
        return os.path.realpath(os.path.join(self.root, under))

    def listing(self, under: str = "") -> Listing:
        """Everything beneath a folder, searched once.

        Raises
        ------
        DatasetError
            Where there is no such folder, it leaves the data set, or it holds over 20 million.
        """
        if under not in self._listings:
            self._listings[under] = self._search(under)
        return self._listings[under]

    def _search(self, under: str) -> Listing:
        base = self.base(under)
        if not is_inside(base, self.root):
            raise DatasetError(
                f"{clean(os.path.join(self.root, under))} is a link that leaves the data set's "
                "folder. Put the clips themselves into it."
            )
        listing, todo = Listing(), [""]
        try:
            while todo:
                _scan(base, todo.pop(), listing, todo)
        except OSError as err:
            raise DatasetError(
                f"{clean(os.path.join(self.root, under))}: no readable folder of clips "
                f"({err.strerror}). Choose the folder that holds the tables and the clips."
            ) from err
        return listing

    def _prefixes(self, under: str) -> list[str]:
        """What may stand before a name in an absolute path to the data set's own files."""
        given = posixpath.join(self.given, under).rstrip("/")
        return [f"{folder}/" for folder in dict.fromkeys((self.base(under), given)) if folder]

    def _odd(
        self, written: str, base: str, prefixes: list[str], listing: Listing
    ) -> tuple[str, str]:
        """A path that is not simply the name of a plain file."""
        if not written.strip():
            return "", "no file name"
        if "\0" in written:
            return "", "not a file name"
        name = posixpath.normpath(written)
        for prefix in prefixes:
            name = name.removeprefix(prefix)
        if name.startswith("/") or name.split("/")[0] == "..":
            return "", OUTSIDE
        path = f"{base}/{name}"
        if name in listing.plain:
            return path, ""
        if problem := listing.odd.get(name):
            return "", problem
        return self._through_links(path, name, listing)

    def _through_links(self, path: str, name: str, listing: Listing) -> tuple[str, str]:
        parts = name.split("/")
        ends = ("/".join(parts[:n]) for n in range(1, min(len(parts), 100) + 1))
        if not any(end in listing.odd for end in ends):
            return "", NOT_FOUND
        try:
            real = os.path.realpath(path)
            if not is_inside(real, self.root):
                return "", OUTSIDE
            return (real, "") if os.path.isfile(real) else ("", NOT_FOUND)
        except (OSError, ValueError):
            return "", "not a file name"

    def _bytes(self, name: str, size: int, limit: int | None) -> bytes:
        path = os.path.join(self.root, name)
        try:
            real = os.path.realpath(path)
            if not is_inside(real, self.root):
                raise DatasetError(f"{clean(path)}: {OUTSIDE}. Put the table itself into it.")
            if os.path.exists(real) and not (os.path.isfile(real) or os.path.isdir(real)):
                raise DatasetError(f"{clean(path)}: not a file. Put a table in its place.")
            if limit is not None and os.path.getsize(real) > limit:
                raise DatasetError(
                    f"{clean(path)}: over {limit / 2**30:.3g} GiB. Split the table into parts."
                )
            with open(real, "rb") as file:
                return file.read(size)
        except FileNotFoundError as err:
            raise DatasetError(
                f"{clean(self.root)}: no {clean(name)} here. "
                f"Choose the folder that holds '{clean(name)}'."
            ) from err
        except (OSError, ValueError) as err:
            reason = getattr(err, "strerror", None) or "not a file name"
            raise DatasetError(
                f"{clean(path)}: cannot be read ({reason}). Check that it is a file you may open."
            ) from err


def open_files(place: Path | str) -> Files:
    """The files of a data set in a folder, beside a table, in an archive or behind a URL.

    Raises
    ------
    DatasetError
        Where there is nothing of the kind.
    """
    text = os.fspath(place)
    if "://" in text or (text.lower().endswith(ARCHIVES) and os.path.isfile(text)):
        from core.datasets import sources

        return sources.open_remote(text)
    path, given = Path(os.path.realpath(text)), os.path.abspath(text)
    if path.is_file():
        return Files(path.parent, path.name, os.path.dirname(given))
    if not path.exists():
        raise DatasetError(
            f"{clean(text)}: there is no such folder or file. Check the name of the data set."
        )
    return Files(path, given=given)


def is_inside(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies in it; both absolute and normal."""
    return path == folder or path.startswith(folder.rstrip("/" + os.sep) + os.sep)


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8: names of other encodings hold surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _among(names: "pd.Series", known: set[str]) -> "pd.Series":
    """Whether each name is known; pandas' own isin takes 10 s for a million."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import compute

    values = pa.array(names.to_numpy(object), pa.large_string())
    found = compute.is_in(values, value_set=pa.array(list(known), pa.large_string()))
    return pd.Series(found.to_numpy(zero_copy_only=False), index=names.index, dtype=bool)


def _scan(base: str, inner: str, listing: Listing, todo: list[str]) -> None:
    """One folder: its files into ``listing``, its folders into ``todo``."""
    prefix = inner + "/" if inner else ""
    with os.scandir(os.path.join(base, inner)) as entries:
        for entry in entries:
            name = prefix + entry.name
            if not (name.isascii() or is_text(name)):
                shown = name.encode("utf-8", "replace").decode()
                listing.odd[shown] = "file name is not UTF-8: rename the file"
            elif entry.is_file(follow_symlinks=False):
                listing.plain.add(name)
            elif entry.is_symlink():
                listing.odd[name] = ""
            elif entry.is_dir(follow_symlinks=False):
                todo.append(name)
            else:
                listing.odd[name] = "not a file but a device or pipe"
            if len(listing.plain) > MAX_FILES:
                raise DatasetError(f"{clean(base)}: over {MAX_FILES:,} files. Divide the folder.")

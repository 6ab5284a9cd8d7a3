"""Clips in archives and behind URLs, without unpacking.

Conventions: a clip in an archive has the path ``<archive>!/<member>``; of a member only the bytes
are read: links, devices, encrypted and absolute names are refused. A .tar.gz can only be read from
its beginning, so ``iter_members`` gives its clips in their order at one pass.
"""

from collections.abc import Iterator
from functools import cached_property
from hashlib import blake2b
import os
from pathlib import Path
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from core.datasets import _archives
from core.datasets.files import ARCHIVES, Files, Listing
from core.errors import DatasetError
from core.safe_text import clean

if TYPE_CHECKING:
    from core.datasets.base import Dataset


class Member(NamedTuple):
    """One clip's bytes, as they are in its file."""

    clip_id: str
    path: str
    data: bytes


class ArchiveFiles(Files):
    """The files of a data set in a .tar, .tar.gz, .tgz or .zip, here or behind a URL."""

    def __init__(self, place: str) -> None:
        self.place = place if "://" in place else os.path.realpath(place)
        self._index = _archives.index_of(self.place)
        odd = (name for name, why in self._index.odd.items() if why != _archives.LEAVES)
        self._inner = _common_folder([*self._index.sizes, *odd])
        super().__init__(f"{self.place}!" + (f"/{self._inner}" if self._inner else ""))
        name = posixpath.basename(self.place)
        self.name = next(name[: -len(end)] for end in ARCHIVES[::-1] if name.lower().endswith(end))

    @cached_property
    def top(self) -> dict[str, bool]:
        """Names at the top of the archive, and whether each is a folder."""
        return _top(self.listing("").plain)

    def told(self) -> dict[str, str]:
        """Members that are not used, and why."""
        told, inner = self._index.odd | self._index.again, f"{self._inner}/"
        return {name.removeprefix(inner): why for name, why in told.items()}

    def has(self, name: str) -> bool:
        """Whether there is such a member or folder."""
        plain = self.listing("").plain
        return name in plain or any(other.startswith(name + "/") for other in plain)

    def names(self, under: str, limit: int = 100) -> list[str]:
        """The first few names in a folder."""
        return list(_top(self.listing(under).plain))[:limit]

    def base(self, under: str) -> str:
        """What stands before a name to make a path."""
        return f"{self.root}/{under}" if under else self.root

    def _search(self, under: str) -> Listing:
        prefix = "".join(f"{part}/" for part in (self._inner, under) if part)
        cut = len(prefix)
        sizes, odd = self._index.sizes, self._index.odd
        listing = Listing(
            {name[cut:] for name in sizes if name.startswith(prefix)},
            {name[cut:]: why for name, why in odd.items() if name.startswith(prefix)},
        )
        return _not_empty(listing, self.root, under)

    def _bytes(self, name: str, size: int, limit: int | None) -> bytes:
        member = f"{self._inner}/{name}" if self._inner else name
        if member not in self._index.sizes:
            raise DatasetError(f"{clean(self.root)}: no {clean(name)} in this archive.")
        if limit is not None and self._index.sizes[member] > limit:
            raise DatasetError(f"{clean(name)}: over {limit / 2**30:.3g} GiB. Split the table.")
        return _archives.member_bytes(self.place, member, self._index)[:size]


class UrlFiles(Files):
    """The files of a data set behind a URL, through fsspec."""

    def __init__(self, url: str) -> None:
        self._fs, self._path = _archives.file_system(url.rstrip("/"))
        super().__init__(url.rstrip("/"))

    @cached_property
    def top(self) -> dict[str, bool]:
        """Names at the URL, and whether each is a folder."""
        return _top(self.listing("").plain)

    def has(self, name: str) -> bool:
        """Whether there is such a file or folder."""
        plain = self.listing("").plain
        return name in plain or any(other.startswith(name + "/") for other in plain)

    def names(self, under: str, limit: int = 100) -> list[str]:
        """The first few names in a folder."""
        return list(_top(self.listing(under).plain))[:limit]

    def base(self, under: str) -> str:
        """What stands before a name to make a path."""
        return f"{self.root}/{under}" if under else self.root

    def _search(self, under: str) -> Listing:
        start = f"{self._path}/{under}" if under else self._path
        try:
            found = self._fs.find(start)
        except _archives.BROKEN as err:
            raise DatasetError(f"{clean(self.root)}: cannot be listed ({clean(err)}).") from err
        cut = len(start) + 1
        plain = {name[cut:] for name in found if name.startswith(start + "/")}
        return _not_empty(Listing(plain), self.root, under)

    def _bytes(self, name: str, size: int, limit: int | None) -> bytes:
        return _archives.fetch(
            f"{self.root}/{name}", size if limit is None else limit, cut=limit is None
        )


def open_remote(place: str) -> Files:
    """The files of an archive or a URL.

    Raises
    ------
    DatasetError
        Where it cannot be read or is empty, or the URL is of a kind that is not read.
    MissingPackageError
        Where the URL needs a package that is not installed.
    """
    return ArchiveFiles(place) if place.lower().endswith(ARCHIVES) else UrlFiles(place)


def open_bytes(path: str, limit: int = _archives.MAX_MEMBER_BYTES) -> bytes:
    """The bytes of one clip of a catalogue: a file, ``archive!/member``, or a URL.

    Raises
    ------
    DatasetError
        Where it is missing, over ``limit`` bytes, or cannot be read.
    MissingPackageError
        Where its URL needs a package that is not installed.
    """
    archive, member = _parts(path)
    if member:
        index = _archives.index_of(archive)
        if member not in index.sizes:
            why = index.odd.get(member, "no such member")
            raise DatasetError(f"{clean(path)}: {why}. Check the archive.")
        if index.sizes[member] > limit:
            raise DatasetError(f"{clean(path)}: over {limit:,} bytes.")
        return _archives.member_bytes(archive, member, index)
    if "://" in path:
        return _archives.fetch(path, limit)
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > limit:
            raise DatasetError(f"{clean(path)}: no such file, or over {limit:,} bytes.")
        return Path(path).read_bytes()
    except (OSError, ValueError) as err:
        raise DatasetError(f"{clean(path)}: cannot be read ({clean(err)}).") from err


def local_copy(path: str, folder: str | Path, limit: int = _archives.MAX_MEMBER_BYTES) -> Path:
    """A file with one clip's bytes: the clip itself where it is a file, else a copy in ``folder``.

    The copy's name is a digest of ``path`` with its suffix; it is written whole or not at all.

    Raises
    ------
    DatasetError, MissingPackageError
        As for ``open_bytes``.
    """
    if not _parts(path)[1] and "://" not in path:
        return Path(path)
    suffix = posixpath.splitext(path)[1]
    suffix = suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) < 8 else ""
    copy = Path(folder) / (blake2b(path.encode(), digest_size=16).hexdigest() + suffix)
    if not copy.exists():
        part = copy.with_name(f"{copy.name}.{os.getpid()}.part")
        part.write_bytes(open_bytes(path, limit))
        os.replace(part, copy)
    return copy


def iter_members(dataset: "Dataset") -> Iterator[Member]:
    """Every clip of a catalogue with its bytes; those of an archive in the archive's order.

    One pass over a .tar.gz, in memory that does not grow with it. A clip that has gone or cannot
    be read any more ends the iteration with its error.

    Raises
    ------
    DatasetError, MissingPackageError
        As for ``open_bytes``.
    """
    table = dataset.catalogue()
    ids = dict(zip(table["path"], table["clip_id"], strict=True))
    files = dataset._files
    if isinstance(files, ArchiveFiles) and not files.place.lower().endswith(".zip"):
        with _archives.tar_of(files.place) as tar:
            for info in _archives.members_of(tar):
                path = f"{files.place}!/{_archives.plain_name(info.name)}"
                if path in ids and info.isfile():
                    file = tar.extractfile(info)
                    yield Member(ids.pop(path), path, file.read() if file else b"")
        return
    for path, clip_id in ids.items():
        yield Member(clip_id, path, open_bytes(path))


def _parts(path: str) -> tuple[str, str]:
    """Archive and member of a path; "" twice where it is not in an archive."""
    archive, mark, member = path.partition("!/")
    while mark and not archive.lower().endswith(ARCHIVES):
        more, mark, member = member.partition("!/")
        archive = f"{archive}!/{more}"
    return (archive, member) if mark and not os.path.exists(path) else ("", "")


def _common_folder(names: list[str]) -> str:
    """The folder that all names begin with, "" where there is none."""
    if not names:
        return ""
    common: list[str] = []
    # Of sorted names the first and the last differ wherever any two do.
    for a, b in zip(min(names).split("/")[:-1], max(names).split("/")[:-1], strict=False):
        if a != b or a in ("", ".."):
            break
        common.append(a)
    return "/".join(common)


def _top(names: set[str]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for name in sorted(names):
        head, slash, _ = name.partition("/")
        found[head] = bool(slash)
    return found


def _not_empty(listing: Listing, root: str, under: str) -> Listing:
    if not listing.plain and not listing.odd:
        raise DatasetError(
            f"{clean(root)}: no readable folder of clips '{clean(under)}' here. "
            "Choose the folder that holds the tables and the clips."
        )
    return listing

"""What archives and URLs hold, and the bytes of one member.

Conventions: of a member only the bytes are read: links, devices, encrypted and absolute names are
refused. An archive is listed once per process; of its small tables the bytes are kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
import os
import tarfile
from typing import IO, Any, NamedTuple
import zipfile
import zlib

from core.datasets.files import MAX_FILES, is_text
from core.errors import DatasetError, MissingPackageError
from core.safe_text import clean

MAX_MEMBER_BYTES = 2**29
PROTOCOLS = ("s3", "gs", "gcs", "http", "https", "az", "abfs", "memory")
_TABLES = (".tsv", ".csv", ".txt", ".json", ".jsonl", ".parquet", ".scp")
_KEEP_TABLE, _KEEP_TABLES = 2**26, 2**28  # bytes of one table, of all
BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError, RuntimeError)
BROKEN += (NotImplementedError, ValueError)
LEAVES = "name leaves the archive: not read"
_LINK = "not a file but a link or device in an archive: not followed"


class Index(NamedTuple):
    """What an archive holds: sizes of usable members, what is wrong with others, small tables.

    ``again`` are names that several members have, of which the first is meant.
    """

    sizes: dict[str, int]
    odd: dict[str, str]
    tables: dict[str, bytes]
    offsets: dict[str, int]
    again: dict[str, str]


def index_of(place: str) -> Index:
    """What an archive holds, listed anew where its file has changed.

    Raises
    ------
    DatasetError
        There is no such archive, it is broken, or it has too many members.
    """
    if "://" in place:
        return _listed(place, 0, 0)
    try:
        found = os.stat(place)
    except (OSError, ValueError) as err:
        raise DatasetError(f"{clean(place)}: there is no such archive. Check its name.") from err
    return _listed(place, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=4)
def _listed(place: str, size: int, mtime_ns: int) -> Index:
    """List an archive once per process and version of it."""
    index = Index({}, {}, {}, {}, {})
    with _broken(place):
        if place.lower().endswith(".zip"):
            with _stream(place) as file, zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    if not info.is_dir():
                        mode = info.external_attr >> 16
                        link = (mode & 0o170000) not in (0, 0o100000)
                        why = "encrypted: unpack the archive first" if info.flag_bits & 1 else ""
                        _note(index, info.filename, info.file_size, why or link * _LINK)
            return index
        with tar_of(place) as tar:
            kept = 0
            for info in members_of(tar):
                if info.isdir():
                    continue
                name = _note(index, info.name, info.size, "" if info.isfile() else _LINK)
                index.offsets[name] = info.offset_data
                small = info.size <= min(_KEEP_TABLE, _KEEP_TABLES - kept)
                if name in index.sizes and name.lower().endswith(_TABLES) and small:
                    file = tar.extractfile(info)
                    index.tables[name] = file.read() if file else b""
                    kept += info.size
    return index


def _note(index: Index, name: str, size: int, why: str) -> str:
    """Enter one member into the index, as usable or not; its plain name."""
    plain = plain_name(name)
    if not is_text(plain):
        plain = plain.encode("utf-8", "replace").decode()
        why = why or "name is not UTF-8"
    if name.startswith(("/", "\\")) or "\0" in name or ".." in name.split("/"):
        why = LEAVES
    elif size > MAX_MEMBER_BYTES and not plain.lower().endswith(_TABLES):
        why = why or f"over {MAX_MEMBER_BYTES:,} bytes"
    if len(index.sizes) + len(index.odd) > MAX_FILES:
        raise DatasetError(f"An archive of over {MAX_FILES:,} members. Divide it.")
    if why:
        index.odd[plain] = why
    elif plain in index.sizes:
        index.again[plain] = "a second member of this name: not used"
    elif plain not in index.odd:
        index.sizes[plain] = size
    return plain


def plain_name(name: str) -> str:
    """A member's name without the ``./`` that some archivers put before it."""
    return name.removeprefix("./")


def members_of(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members of a tar in order; the list that tarfile keeps of them is cleared."""
    for info in tar:
        yield info
        tar.members = []


@contextmanager
def tar_of(place: str) -> Iterator[tarfile.TarFile]:
    """Open a .tar, packed or not, to be read once from its beginning."""
    packed = place.lower().endswith(("gz", "tgz"))
    with (
        _broken(place),
        _stream(place) as file,
        tarfile.open(fileobj=file, mode="r|gz" if packed else "r|", bufsize=2**20) as tar,
    ):
        yield tar


def member_bytes(place: str, member: str, index: Index) -> bytes:
    """One member's bytes: at once from a .zip and a .tar, by reading up to it from a .tar.gz."""
    if member in index.tables:
        return index.tables[member]
    with _broken(place):
        if place.lower().endswith(".zip"):
            with _stream(place) as file, zipfile.ZipFile(file) as archive:
                names = archive.namelist()
                whole = member if member in names else f"./{member}"
                return archive.read(whole)
        if place.lower().endswith(".tar"):
            with _stream(place) as file:
                file.seek(index.offsets[member])
                return file.read(index.sizes[member])
        with tar_of(place) as tar:
            for info in members_of(tar):
                if plain_name(info.name) == member and info.isfile():
                    return tar.extractfile(info).read()  # type: ignore[union-attr]
    raise DatasetError(f"{clean(place)}: {clean(member)} is no longer in it.")


@contextmanager
def _broken(place: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as err:
        raise DatasetError(
            f"{clean(place)}: not a readable archive ({clean(err)}). Download it again."
        ) from err


@contextmanager
def _stream(place: str) -> Iterator[IO[bytes]]:
    if "://" in place:
        fs, path = file_system(place)
        with fs.open(path, "rb") as file:
            yield file
    else:
        with open(place, "rb") as file:
            yield file


def file_system(url: str) -> tuple[Any, str]:
    """Fsspec's file system for a URL, and the path in it."""
    protocol = url.split("://")[0]
    if protocol not in PROTOCOLS or "::" in url:
        raise DatasetError(f"{clean(url)}: not read. Use one of {', '.join(PROTOCOLS)}.")
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(url)
    except ImportError as err:
        needed = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
        package = needed.get(protocol, "aiohttp") if err.name != "fsspec" else "fsspec"
        raise MissingPackageError(
            f"Reading {protocol}:// needs the package '{package}': pip install fsspec {package}"
        ) from err


def fetch(url: str, limit: int, *, cut: bool = False) -> bytes:
    """A URL's bytes, at most ``limit``; more is an error, or cut off."""
    fs, path = file_system(url)
    try:
        data: bytes = fs.cat_file(path, end=limit) if cut else fs.cat_file(path)
        size = len(data)
    except FileNotFoundError as err:
        raise DatasetError(f"{clean(url)}: file not found. Check the address.") from err
    except BROKEN as err:
        raise DatasetError(f"{clean(url)}: cannot be read ({clean(err)}).") from err
    if size > limit:
        raise DatasetError(f"{clean(url)}: over {limit:,} bytes.")
    return data

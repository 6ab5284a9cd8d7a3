"""Data sets in archives and behind URLs: the same catalogue, nothing unpacked, nothing followed."""

import io
from pathlib import Path
import tarfile
import zipfile

from layouts import common_voice, write
import pytest

from core.datasets import open_dataset
from core.datasets.sources import iter_members, local_copy, open_bytes
from core.errors import DatasetError

KINDS = ("tar", "tar.gz", "tgz", "zip")


def pack(folder: Path, archive: Path, prefix: str = "cv-corpus/en/") -> Path:
    """The files of a folder in an archive; clips hold their own names."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            for name in names:
                file.write(folder / name, prefix + name)
    else:
        with tarfile.open(archive, "w" if archive.suffix == ".tar" else "w:gz") as file:
            for name in names:
                file.add(folder / name, prefix + name)
    return archive


@pytest.fixture
def folder(tmp_path) -> Path:
    """A tiny Common Voice whose clips have bytes."""
    common_voice(tmp_path / "set")
    return write(tmp_path / "set", {"clips/a.mp3": "bytes of a", "clips/b.mp3": "bytes of b"})


@pytest.fixture(params=KINDS)
def archive(request, folder, tmp_path) -> Path:
    """The same in an archive."""
    return pack(folder, tmp_path / f"set.{request.param}")


def test_an_archive_gives_the_catalogue_of_its_folder(archive, folder):
    packed, plain = open_dataset(archive), open_dataset(folder)
    assert packed.layout == "common_voice" and packed.name == "set"
    same = packed.catalogue().drop(columns="path")
    assert same.equals(plain.catalogue().drop(columns="path"))
    assert packed.catalogue()["path"][0] == f"{archive}!/cv-corpus/en/clips/a.mp3"


def test_members_are_fetched_one_by_one(archive, tmp_path):
    path = open_dataset(archive).catalogue()["path"][1]
    assert open_bytes(path) == b"bytes of b"
    copy = local_copy(path, tmp_path)
    assert copy.read_bytes() == b"bytes of b" and copy.suffix == ".mp3"
    assert copy.parent == tmp_path and local_copy(path, tmp_path) == copy


def test_members_are_streamed_with_their_ids(archive):
    found = {member.clip_id: member.data for member in iter_members(open_dataset(archive))}
    assert found == {"set/a": b"bytes of a", "set/b": b"bytes of b"}


def test_clips_of_a_folder_are_streamed_too(folder, tmp_path):
    found = [member.data for member in iter_members(open_dataset(folder))]
    assert found == [b"bytes of a", b"bytes of b"]
    assert local_copy(str(folder / "clips/a.mp3"), tmp_path) == folder / "clips/a.mp3"


def test_an_archive_without_folders_of_its_own_is_read(folder, tmp_path):
    assert len(open_dataset(pack(folder, tmp_path / "x.tar", "./")).catalogue()) == 2
    assert len(open_dataset(pack(folder, tmp_path / "y.zip", "")).catalogue()) == 2


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_links_devices_and_names_that_leave_an_archive_are_refused(tmp_path, kind):
    table = "path\n" + "\n".join(["ok.mp3", "link.mp3", "hard.mp3", "null.mp3", "../../../x.mp3"])
    path = tmp_path / f"bad.{kind}"
    with tarfile.open(path, "w:gz" if kind.endswith("gz") else "w") as file:
        for name, data in (("validated.tsv", table.encode()), ("clips/ok.mp3", b"ok")):
            info = tarfile.TarInfo(f"set/{name}")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
        for name, type_ in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(f"set/clips/{name}.mp3")
            info.type, info.linkname = type_, "/etc/passwd"
            file.addfile(info)
        info = tarfile.TarInfo("set/clips/null.mp3")
        info.type = tarfile.CHRTYPE
        file.addfile(info)
        file.addfile(tarfile.TarInfo("set/../../../x.mp3"))
    dataset = open_dataset(path)
    assert dataset.catalogue()["clip_id"].tolist() == ["bad/ok"]
    why = "not a file but a link or device in an archive: not followed"
    assert dataset.problems()["problem"].tolist()[:3] == [why] * 3
    assert dataset.problems()["problem"][3] == "leaves the folder of the data set"
    with pytest.raises(DatasetError, match="not followed"):
        open_bytes(f"{path}!/set/clips/link.mp3")


def test_a_zip_that_would_slip_or_link_is_refused(tmp_path):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("set/a.wav", "a")
        file.writestr("set/../../slip.wav", "b")
        link = zipfile.ZipInfo("set/link.wav")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    dataset = open_dataset(path)
    assert len(dataset.catalogue()) == 1
    assert len(dataset.problems()) == 2
    with pytest.raises(DatasetError, match="leaves the archive"):
        open_bytes(f"{path}!/set/../../slip.wav")


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_archive_is_named(tmp_path, kind):
    (tmp_path / f"x.{kind}").write_bytes(b"not an archive" * 100)
    with pytest.raises(DatasetError, match=rf"x\.{kind}: not a readable archive"):
        open_dataset(tmp_path / f"x.{kind}")


def test_a_cut_off_archive_is_named(folder, tmp_path):
    path = pack(folder, tmp_path / "x.tar.gz")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match="not a readable archive"):
        open_dataset(path)


def test_a_missing_member_and_a_large_one_are_named(archive):
    with pytest.raises(DatasetError, match="no such member"):
        open_bytes(f"{archive}!/none.mp3")
    with pytest.raises(DatasetError, match="over 3 bytes"):
        open_bytes(f"{archive}!/cv-corpus/en/clips/a.mp3", limit=3)


def test_a_url_gives_the_catalogue_of_its_folder(folder, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for path in folder.rglob("*"):
        if path.is_file():
            store.pipe_file(f"/sources/set/{path.relative_to(folder)}", path.read_bytes())
    try:
        dataset = open_dataset("memory://sources/set")
        table = dataset.catalogue()
        assert table["clip_id"].tolist() == ["set/a", "set/b"]
        assert table["path"][0] == "memory://sources/set/clips/a.mp3"
        assert open_bytes(table["path"][0]) == b"bytes of a"
        assert local_copy(table["path"][1], tmp_path).read_bytes() == b"bytes of b"
        store.pipe_file("/sources/set.tar", pack(folder, tmp_path / "set.tar").read_bytes())
        packed = open_dataset("memory://sources/set.tar")
        assert [member.data for member in iter_members(packed)] == [b"bytes of a", b"bytes of b"]
    finally:
        store.rm("/sources", recursive=True)


@pytest.mark.parametrize("url", ["file:///etc", "ftp://x/y", "zip://a::s3://b", "http://x::y"])
def test_other_kinds_of_url_are_not_read(url):
    with pytest.raises(DatasetError, match=r"not read\. Use one of s3, gs"):
        open_dataset(url)

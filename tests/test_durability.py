"""Nothing is lost: two writers at once, damage that shows nowhere, disks that refuse."""

import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
import threading

import numpy as np
import pytest
from test_store import catalogue, check, create, fill

from conftest import ROOT
from core.eda import mel_images
from core.notes import FILE, Notes
from core.recipes import Recipe, Rule, read, write
from core.store import StoreError, Workspace, _disk, write_whole
from core.store import _workspace as workspaces


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    found = create(tmp_path / "w")
    fill(found, catalogue())
    return found


# Two writers at once


def test_two_threads_that_write_one_file_leave_one_of_both_whole(tmp_path):
    path, both = tmp_path / "recipe.json", threading.Barrier(2, timeout=20)
    errors = []

    def save(data: bytes) -> None:
        def halves(file) -> None:
            file.write(data[:5])
            file.flush()
            both.wait()
            file.write(data[5:])

        try:
            write_whole(path, halves)
        except StoreError as err:
            errors.append(err)

    threads = [threading.Thread(target=save, args=(c * 10,)) for c in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert path.read_bytes() in (b"a" * 10, b"b" * 10)
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.json"]


def test_a_file_that_an_ended_writer_left_is_removed_when_it_is_old(tmp_path):
    old, young = (tmp_path / f".tmp-{pid}-0a-recipe.json" for pid in (1, 2))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    write(tmp_path / "recipe.json", Recipe())
    assert {p.name for p in tmp_path.iterdir()} == {young.name, "recipe.json"}


def made_meanwhile(monkeypatch, **kwargs):
    """Let another process make and fill the workspace just before this one has the lock."""
    taken = workspaces.locked

    def late(folder):
        monkeypatch.undo()
        fill(create(folder, **kwargs), catalogue())
        return taken(folder)

    monkeypatch.setattr(workspaces, "locked", late)


def test_a_workspace_made_between_a_look_and_the_lock_keeps_its_clips(tmp_path, monkeypatch):
    made_meanwhile(monkeypatch)
    check(create(tmp_path / "w"))


def test_another_table_made_between_a_look_and_the_lock_is_refused(tmp_path, monkeypatch):
    made_meanwhile(monkeypatch, recipe={"feature_set": "theirs-v1"})
    with pytest.raises(StoreError, match="another table"):
        create(tmp_path / "w")
    assert Workspace.open(tmp_path / "w").status().clips == 100


def test_a_writer_of_a_table_that_was_rebuilt_otherwise_is_refused(workspace):
    other = create(workspace.folder, recipe={"feature_set": "other-v2"}, rebuild=True)
    fill(other, catalogue(20))
    with pytest.raises(StoreError, match="another table"):
        fill(workspace, catalogue())
    check(other, 20)


# Damage


def flip(path: Path) -> None:
    """Change a byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize("part", ["shards", "vectors"])
def test_a_reader_sees_a_byte_that_changed_and_a_new_run_repairs_it(workspace, part):
    flip(workspace.folder / part / "u00002.parquet")
    with pytest.raises(StoreError, match=r"damaged or gone\. Start its 'extract' command again"):
        Workspace.open(workspace.folder).features()
    assert len(fill(workspace, catalogue())) == 16
    check(Workspace.open(workspace.folder))


def page_of_the_demo_set() -> None:
    """What every page of a data set begins with."""
    import streamlit as st

    from core import datasets
    from pages.shared.data import Chosen, opened

    st.session_state["found"] = opened(Chosen(str(datasets.demo_folder()), "voice-v1", ""))


def test_a_page_says_that_a_part_is_damaged(tmp_path, monkeypatch):
    from streamlit.testing.v1 import AppTest

    from core import datasets
    from pages.shared.data import Chosen

    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path))
    folder = Path(Chosen(str(datasets.demo_folder()), "voice-v1", "").workspace)
    fill(create(folder), catalogue())
    flip(folder / "shards" / "u00002.parquet")
    at = AppTest.from_function(page_of_the_demo_set, default_timeout=60).run()
    assert not at.exception
    assert "a part of this workspace is damaged or gone" in at.error[0].value
    fill(Workspace.open(folder), catalogue())
    assert not at.run().error
    assert at.session_state["found"].workspace.count() == 90


def pictures(folder: Path):
    """One part of three pictures, as a run writes it, and the rows that it is of."""
    rows = [{"clip_id": c, "path": f"/{c}", "size": 1, "mtime_ns": 2} for c in "abc"]
    folder.mkdir(exist_ok=True)

    class Wanted:
        def __len__(self) -> int:
            return len(rows)

        def to_dict(self, _) -> list[dict]:
            return [dict(row) for row in rows]

    image = np.arange(128 * 93) % 256
    answers = [
        {"clip_id": row["clip_id"], "values": {"frames": 93}, "vectors": {"image": image}}
        for row in rows
    ]
    return Wanted(), answers


@pytest.mark.parametrize("kind", ["images-00000.npy", "bands-00000.npy", "clips-00000.json"])
def test_damaged_mel_pictures_are_set_aside_made_again_and_told(tmp_path, kind):
    wanted, answers = pictures(tmp_path / "mels")
    parts = mel_images._Parts(tmp_path / "mels", wanted, {})
    parts.write(parts.missing()[0].number, answers)
    again = mel_images._Parts(tmp_path / "mels", wanted, {})
    assert (again.messages, again.missing()) == ([], [])
    flip(tmp_path / "mels" / kind)
    again = mel_images._Parts(tmp_path / "mels", wanted, {})
    assert "set aside" in again.messages[0]
    (unit,) = again.missing()
    assert (unit.number, len(unit.items)) == (1, 3)  # a number that no cache has seen
    assert list((tmp_path / "mels").glob(f"{kind}.damaged-*"))
    again.write(unit.number, answers)
    assert mel_images._Parts(tmp_path / "mels", wanted, {}).messages == []


# Disks that refuse


class Refusing:
    """Counts what reaches the disk; from number ``at`` on, it takes half of a write, no more."""

    def __init__(self, monkeypatch, at: int, number: int):
        self.at, self.number, self.count = at, number, 0
        self.truly_write = os.write
        for name in ("fsync", "replace", "write"):
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))
        monkeypatch.setattr(_disk, "open", self.counted(open), raising=False)

    def counted(self, real):
        def call(*args, **kwargs):
            self.count += 1
            if self.count >= self.at:
                if real is self.truly_write:
                    real(args[0], args[1][: len(args[1]) // 2])
                raise OSError(self.number, os.strerror(self.number))
            return real(*args, **kwargs)

        return call


FULL, READ_ONLY, FORBIDDEN = 28, 30, 13
PLACES = tuple(range(1, 20, 2))


@pytest.mark.parametrize("number", [FULL, READ_ONLY, FORBIDDEN])
def test_a_disk_that_refuses_at_ten_places_breaks_no_workspace(tmp_path, monkeypatch, number):
    words = "the disk is full" if number == FULL else "may not be written"
    whole = create(tmp_path / "w")
    fill(whole, catalogue(40))
    for at in PLACES:
        folder = tmp_path / str(at)
        shutil.copytree(whole.folder, folder)
        with monkeypatch.context() as patch:
            Refusing(patch, at, number)
            with pytest.raises(StoreError, match=words):
                fill(Workspace.open(folder), catalogue(100))
        assert not list(folder.rglob(".tmp-*"))
        assert len(Workspace.open(folder).features()) >= 36
        fill(Workspace.open(folder), catalogue(100))
        check(Workspace.open(folder))


@pytest.mark.parametrize("number", [FULL, READ_ONLY, FORBIDDEN])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_disk_that_refuses_costs_no_tag_that_was_acknowledged(tmp_path, monkeypatch, number, at):
    notes, acknowledged = Notes(tmp_path), []
    with monkeypatch.context() as patch:
        Refusing(patch, at, number)
        for i in range(4):
            try:
                notes.tag(f"c/{i}", "good")
            except StoreError as err:
                assert "notes cannot be written" in str(err)
            else:
                acknowledged.append(f"c/{i}")
    assert set(acknowledged) <= set(Notes(tmp_path).tagged("good")) <= {f"c/{i}" for i in range(4)}
    notes.tag("c/9", "good")
    assert Notes(tmp_path).problems() == []


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_disk_that_refuses_leaves_the_recipe_as_it_was(tmp_path, monkeypatch, at):
    path, before = tmp_path / "r.json", Recipe((Rule("missing"),))
    write(path, before)
    with monkeypatch.context() as patch:
        Refusing(patch, at, FULL)
        with pytest.raises(StoreError, match="the disk is full"):
            write(path, Recipe())
    assert read(path) == before
    assert os.listdir(tmp_path) == ["r.json"]


def test_a_new_journal_is_in_its_folder_for_good(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def noted(number: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{number}") if os.name != "nt" else "")
        fsync(number)

    if not Path("/proc/self/fd").exists():
        pytest.skip("there is no /proc")
    monkeypatch.setattr(os, "fsync", noted)
    Notes(tmp_path).tag("c/1", "good")
    assert synced == [str(tmp_path / FILE), str(tmp_path)]


@pytest.mark.skipif(os.name == "nt", reason="there are no limits of this kind")
def test_a_model_that_does_not_fit_leaves_the_one_before(tmp_path):
    code = (
        "import os, resource, sys\n"
        "from core.models import files\n"
        "files._estimator_bytes = lambda _: ('network.onnx', os.urandom(5000))\n"
        "files._head = lambda *_: {}\n"
        "files.cards.card = lambda *_: {}\n"
        "files._predictions = files.standardised = lambda *_: {}\n"
        "class T: estimator = predictions = None; columns = ()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))\n"
        "try:\n    files.save(T, T, sys.argv[1])\n"
        "except files.ModelError as err:\n    print(err)"
    )
    path = tmp_path / "mine.phonoscope"
    path.write_bytes(b"the one before")
    words = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert "could not be written" in done.stdout and "disk is full" in done.stdout, done.stderr
    assert path.read_bytes() == b"the one before"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(os.name == "nt" or shutil.which("setpriv") is None, reason="needs setpriv")
def test_folders_without_permission_are_a_sentence_and_the_next_run_completes(workspace):
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    code = (
        "import sys; sys.path.insert(0, 'tests'); import test_store as t\n"
        "from core.notes import Notes; from core.recipes import Recipe, write\n"
        "from core.store import StoreError, Workspace\n"
        "folder = sys.argv[1]\n"
        "print('ready')\n"
        "for act in (lambda: t.fill(Workspace.open(folder), t.catalogue(120)),\n"
        "            lambda: Notes(folder).tag('c/1', 'good'),\n"
        "            lambda: write(folder + '/r.json', Recipe())):\n"
        "    try:\n        act()\n"
        "    except StoreError as err:\n        print(err)\n"
    )
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c"]
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        copy = shutil.copytree(workspace.folder, Path(name) / "w")
        done = subprocess.run([*words, code, str(copy)], capture_output=True, text=True, cwd=ROOT)
        fill(Workspace.open(copy), catalogue(120))
        check(Workspace.open(copy), 120)
    ready, *told = done.stdout.splitlines() or [""]
    if ready != "ready":
        pytest.skip("somebody else may not read the program")
    assert len(told) == 3, done.stderr
    assert "may not be written" in told[0] and "may not be written" in told[2]
    assert "notes cannot be written" in told[1]

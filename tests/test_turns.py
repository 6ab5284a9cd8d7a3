"""Jobs take turns: a few at once, a fair share for each owner, and nobody waits for the dead."""

import json
import os

from hypothesis import given
from hypothesis import strategies as st
import pytest

from core import jobs, turns
from core.turns import Line


@pytest.fixture
def line(tmp_path):
    """Two at once; all processes live."""
    return Line(tmp_path / "line", 2, lambda pid: "1")


def test_as_many_run_as_there_is_room_and_the_others_know_their_place(line):
    tickets = [line.enter("a", pid) for pid in range(4)]
    assert [line.place(t) for t in tickets] == [0, 0, 1, 2]
    line.leave(tickets[0])
    assert [line.place(t) for t in tickets[1:]] == [0, 0, 1]


def test_who_has_nothing_running_comes_before_who_has(line):
    first, second, third = (line.enter("greedy", pid) for pid in range(3))
    other = line.enter("other", 3)
    assert [line.place(t) for t in (first, other)] == [0, 0]
    assert [line.place(t) for t in (second, third)] == [1, 2]


def test_a_place_once_taken_is_kept(line):
    ticket = line.enter("a", 1)
    assert line.place(ticket) == 0
    for pid in range(5):
        line.enter("b", 10 + pid)
    assert line.place(ticket) == 0


def test_the_dead_hold_nobody_up(tmp_path):
    alive = {1: "x", 2: "x", 3: "x"}
    line = Line(tmp_path / "line", 1, lambda pid: alive.get(pid, ""))
    running, waiting, last = (line.enter("a", pid) for pid in (1, 2, 3))
    assert [line.place(t) for t in (running, waiting, last)] == [0, 1, 2]
    del alive[2]
    assert line.place(last) == 1
    alive[1] = "another process of that number"
    assert line.place(last) == 0


def test_a_line_that_was_cleared_away_holds_nobody_up(line):
    ticket = line.enter("a", 1)
    for path in line.folder.iterdir():
        path.unlink()
    line.folder.rmdir()
    assert line.place(ticket) == 0


def test_owners_are_not_readable_in_the_folder(line):
    line.enter("someone@example.org", 1)
    assert not [name for name in os.listdir(line.folder) if "someone" in name]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=20), st.integers(1, 4))
def test_all_get_their_turn_and_never_too_many_at_once(tmp_path_factory, owners, slots):
    line = Line(tmp_path_factory.mktemp("line"), slots, lambda pid: "1")
    waiting = [line.enter(owner, pid) for pid, owner in enumerate(owners)]
    running: list[str] = []
    for _ in range(2 * len(owners)):
        running += [t for t in waiting if line.place(t) == 0]
        waiting = [t for t in waiting if t not in running]
        assert len(running) <= slots
        if running:
            line.leave(running.pop(0))
    assert not waiting


def test_without_a_folder_there_is_no_line(monkeypatch):
    monkeypatch.delenv(turns.FOLDER, raising=False)
    assert turns.line(lambda pid: "1") is None


MODULE = """
import sys, time
from pathlib import Path
Path(sys.argv[1]).touch()
while not Path(sys.argv[2]).exists():
    time.sleep(0.01)
"""


def test_a_job_waits_for_its_turn_says_its_place_and_can_be_cancelled(tmp_path, monkeypatch):
    (tmp_path / "waits.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(turns.FOLDER, str(tmp_path / "line"))
    monkeypatch.setenv(turns.SLOTS, "1")

    def start(name: str) -> jobs.Job:
        words = (str(tmp_path / f"{name}-began"), str(tmp_path / "go"))
        return jobs.start(words, tmp_path / name, module="waits")

    def until(job: jobs.Job, **wanted) -> None:
        for _ in range(3000):
            if wanted.items() <= job.status().items():
                return
            job.wait(0.01)
        raise AssertionError(f"{job.status()} is not {wanted}")

    first = start("first")
    while not (tmp_path / "first-began").exists():
        first.wait(0.01)
    second = start("second")
    until(second, state="running", place=1)
    third = start("third")
    until(third, place=2)
    second.cancel()
    until(second, state="cancelled")
    until(third, place=1)
    (tmp_path / "go").touch()
    until(first, state="done")
    until(third, state="done", place=0)
    assert not (tmp_path / "second-began").exists()
    assert json.loads((third.folder / "job.json").read_text())["state"] == "done"

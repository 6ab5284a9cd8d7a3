"""Tags, notes and selections: nothing written is lost, and nothing damaged hides the rest."""

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
import pytest

from conftest import ROOT
from core.errors import ParameterError
from core.notes import FILE, Notes
from core.store import StoreError


@pytest.fixture
def notes(tmp_path) -> Notes:
    return Notes(tmp_path)


def test_a_folder_without_notes_has_none(notes):
    assert notes.tags() == {}
    assert notes.notes() == {}
    assert notes.selections() == {}
    assert notes.problems() == []


def test_tags_are_given_and_taken_away(notes):
    notes.tag("d/a", "noisy")
    notes.tag("d/a", "child")
    notes.tag("d/b", "noisy")
    assert notes.tags() == {"d/a": {"noisy", "child"}, "d/b": {"noisy"}}
    assert notes.tagged("noisy") == ("d/a", "d/b")
    notes.tag("d/b", "noisy", on=False)
    assert notes.tags() == {"d/a": {"noisy", "child"}}
    notes.tag("d/c", "never there", on=False)
    assert "d/c" not in notes.tags()


def test_what_is_returned_can_be_changed_without_harm(notes):
    notes.tag("d/a", "noisy")
    notes.tags()["d/a"].add("mine")
    assert notes.tags() == {"d/a": {"noisy"}}


def test_an_empty_note_is_no_note(notes):
    notes.note("d/a", "two\nlines")
    assert notes.notes() == {"d/a": "two\nlines"}
    notes.note("d/a", "  ")
    assert notes.notes() == {}


def test_selections_are_kept_by_name_and_forgotten(notes):
    notes.save_selection("women", '[["gender","in",["female"]]]')
    notes.save_selection("all", "[]")
    notes.save_selection("women", "[1]")
    assert notes.selections() == {"all": "[]", "women": "[1]"}
    notes.delete_selection("women")
    assert Notes(notes.folder).selections() == {"all": "[]"}


def test_another_reader_sees_what_was_written_since(notes):
    other = Notes(notes.folder)
    assert other.tags() == {}
    notes.tag("d/a", "noisy")
    assert other.tags() == {"d/a": {"noisy"}}


@pytest.mark.parametrize("tag", ["", "   ", "x" * 41])
def test_an_empty_or_long_tag_is_refused(notes, tag):
    with pytest.raises(ParameterError, match="1 to 40"):
        notes.tag("d/a", tag)


def test_a_long_note_is_refused(notes):
    with pytest.raises(ParameterError, match="2,000"):
        notes.note("d/a", "x\n" * 1500)


def test_a_damaged_last_line_is_left_out_and_reported(notes):
    notes.tag("d/a", "noisy")
    with open(notes.folder / FILE, "ab") as file:
        file.write(b'{"clip_id": "d/b", "ta')
    assert notes.tags() == {"d/a": {"noisy"}}
    assert "1 line" in notes.problems()[0]
    notes.tag("d/c", "good")
    assert notes.tags() == {"d/a": {"noisy"}, "d/c": {"good"}}
    assert len(notes.problems()) == 1


@pytest.mark.parametrize(
    "line", [b"[]", b"7", b'{"clip_id": 7, "note": "x"}', b"\xff\xfe", b'{"selection": "a"}', b"{}"]
)
def test_a_line_of_another_kind_is_left_out(notes, line):
    notes.tag("d/a", "noisy")
    with open(notes.folder / FILE, "ab") as file:
        file.write(line + b"\n")
    assert notes.tags() == {"d/a": {"noisy"}}
    assert notes.problems()


def test_writers_in_several_processes_lose_no_line(notes):
    code = (
        "import sys; from core.notes import Notes; n = Notes(sys.argv[1]); "
        "[n.tag(f'{sys.argv[2]}/{i}', 'x' * 30) for i in range(60)]"
    )
    command = [sys.executable, "-c", code, str(notes.folder)]
    both = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("a", "b")]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(notes.tags()) == 120
    assert notes.problems() == []


def test_a_write_that_fails_leaves_nothing_behind(notes, monkeypatch):
    notes.tag("d/a", "noisy")
    before = (notes.folder / FILE).read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        notes.tag("d/b", "noisy")
    assert (notes.folder / FILE).read_bytes() == before


def test_a_missing_folder_is_a_sentence(tmp_path):
    with pytest.raises(StoreError, match="notes cannot be written"):
        Notes(tmp_path / "gone").tag("d/a", "x")


@given(
    st.lists(
        st.tuples(st.text(max_size=8), st.sampled_from("abc"), st.booleans()),
        max_size=20,
    )
)
def test_the_last_word_on_a_tag_holds(tmp_path_factory, steps):
    notes, expected = Notes(tmp_path_factory.mktemp("n")), {}
    for clip_id, tag, on in steps:
        notes.tag(clip_id, tag, on)
        tags = expected.setdefault(clip_id, set())
        (tags.add if on else tags.discard)(tag)
    assert Notes(notes.folder).tags() == {c: t for c, t in expected.items() if t}
    assert notes.problems() == []


@given(text=st.text(max_size=60))
def test_any_text_of_a_note_comes_back_as_visible_lines(tmp_path_factory, text):
    notes = Notes(tmp_path_factory.mktemp("n"))
    notes.note("d/a", text)
    found = notes.notes().get("d/a", "")
    assert found == found.strip()
    notes.note("d/b", found)
    assert notes.notes().get("d/b", "") == found
    assert notes.problems() == []

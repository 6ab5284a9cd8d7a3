"""Files that arrive at an uploader, and files the visitor removes from its list."""

import pytest
from streamlit.runtime.uploaded_file_manager import DeletedFile

from pages.shared import uploads


class File:
    """What Streamlit gives for a file that is still in its memory."""

    def __init__(self, name: str, file_id: str = ""):
        self.name, self.file_id = name, file_id or name

    def getvalue(self) -> bytes:
        return self.name.encode()


@pytest.fixture
def change(monkeypatch):
    """Show the uploader a list of files; what is kept then."""
    state: dict = {}
    kept: list[str] = []

    def keep(name: str, data: bytes) -> str | None:
        if "bad" in name:
            return None
        if name not in kept:
            kept.append(name)
        return name

    def changed(listed) -> list[str]:
        state["up"] = listed
        uploads._changed("up", keep, kept.remove)
        return list(kept)

    monkeypatch.setattr(uploads.st, "session_state", state)
    monkeypatch.setattr(uploads.session, "take", lambda file: (file.name, file.getvalue()))
    return changed


def test_each_file_is_kept_once_and_deleted_when_it_is_removed(change):
    assert change([File("a")]) == ["a"]
    assert change([DeletedFile("a"), File("b")]) == ["a", "b"]
    assert change([File("a"), DeletedFile("b")]) == ["a", "b"]
    assert change([DeletedFile("b")]) == ["b"]
    assert change([]) == []


def test_the_same_bytes_twice_stay_until_both_are_removed(change):
    assert change([File("a"), File("a", "again")]) == ["a"]
    assert change([DeletedFile("again")]) == ["a"]
    assert change([]) == []


def test_one_file_takes_the_place_of_another_unless_it_is_refused(change):
    assert change(File("a")) == ["a"]
    assert change(File("bad")) == ["a"]
    assert change(None) == ["a"]
    assert change(File("b")) == ["a", "b"]
    assert change(File("c")) == ["a", "c"]
    assert change(None) == ["a"]


def test_a_file_that_was_taken_by_a_page_before_is_passed_over(change):
    assert change([DeletedFile("gone")]) == []

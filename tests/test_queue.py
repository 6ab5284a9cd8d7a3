"""A full class room: the line under stress, and what is let go of between runs."""

import asyncio
import gc
import os
import platform
from types import SimpleNamespace

import pytest
import streamlit
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.session_manager import SessionInfo
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.testing.v1 import AppTest

from conftest import to_the_end
from core import jobs, turns
from core.errors import ParameterError
from core.turns import Line
from pages.shared import cache_upkeep
from pages.shared.cache_upkeep import Upkeep


@pytest.fixture
def line(tmp_path):
    """Two at once; all processes live."""
    return Line(tmp_path / "line", 2, lambda pid: "1")


def cleared(line):
    """The line as after the end of its server."""
    for path in line.folder.iterdir():
        path.unlink()
    line.folder.rmdir()


def test_those_who_waited_do_not_all_run_at_once_when_their_server_ends(line):
    tickets = [line.enter(f"owner {i}", i) for i in range(6)]
    cleared(line)
    assert [line.place(t) for t in tickets] == [0, 0, 1, 2, 3, 4]
    line.leave(tickets[0])
    assert [line.place(t) for t in tickets[1:]] == [0, 0, 1, 2, 3]


def test_only_waiting_jobs_of_the_owner_are_counted(line):
    assert line.waiting("greedy") == 0
    tickets = [line.enter("greedy", i) for i in range(4)]
    other = line.enter("other", 9)
    assert (line.waiting("greedy"), line.waiting("other")) == (4, 1)
    assert [line.place(t) for t in (tickets[0], other)] == [0, 0]
    assert (line.waiting("greedy"), line.waiting("other")) == (3, 0)


def test_who_has_many_jobs_in_line_is_asked_to_wait(tmp_path, monkeypatch):
    monkeypatch.setenv(turns.FOLDER, str(tmp_path / "line"))
    line = turns.line(jobs._born)
    for _ in range(jobs.MOST_WAITING):
        line.enter("greedy", os.getpid())
    reset = jobs.owner.set("greedy")
    try:
        with pytest.raises(ParameterError, match="5 of your jobs wait in line: wait for"):
            jobs.start([], tmp_path / "one more", module="no_such_module")
    finally:
        jobs.owner.reset(reset)
    assert not (tmp_path / "one more").exists()


@pytest.fixture
def server():
    """A runtime with uploads of one who is here and one who has left."""
    files = MemoryUploadedFileManager("/upload")
    for session in ("here", "left"):
        files.add_file(session, UploadedFileRec("1", "a.wav", "audio/wav", bytes(100)))
    storage = MemorySessionStorage(ttl_seconds=60)
    return SimpleNamespace(
        uploaded_file_mgr=files,
        is_active_session=lambda session: session == "here",
        _session_mgr=SimpleNamespace(_session_storage=storage),
    )


class Session:
    """As much of a session as upkeep looks at."""

    def __init__(self, name, runner=None):
        self.id, self._scriptrunner, self.cleared = name, runner, 0

    def clear_session_caches(self):
        """Count."""
        self.cleared += 1


def stored(server, session):
    server._session_mgr._session_storage.save(SessionInfo(None, session, 0))


def test_uploads_of_those_who_left_go_and_of_those_who_are_here_stay(server):
    cache_upkeep.release_uploads(server)
    assert set(server.uploaded_file_mgr.file_storage) == {"here"}


def test_what_a_run_made_after_its_visitor_had_left_goes_when_the_run_has_ended(server):
    runs, ended = Session("runs", runner=object()), Session("ended")
    stored(server, runs)
    stored(server, ended)
    cache_upkeep.release_results(server)
    assert (runs.cleared, ended.cleared) == (0, 1)


def test_a_session_whose_time_is_over_goes_without_waiting_for_another(server):
    clock = [0.0]
    storage = server._session_mgr._session_storage
    storage._cache._timer = lambda: clock[0]
    stored(server, Session("left"))
    clock[0] = 61.0
    cache_upkeep.release_results(server)
    assert not storage._cache._data


def test_garbage_is_collected_while_somebody_is_here_and_once_after_the_last():
    state, somebody, nobody = Upkeep(), frozenset({"a"}), frozenset()
    assert not state.is_due(nobody, 100.0)
    assert state.is_due(somebody, 100.0)
    state.collect(100.0)
    assert not state.is_due(somebody, 105.0)
    assert not state.is_due(nobody, 106.0)
    assert state.is_due(nobody, 111.0)
    state.collect(111.0)
    assert not state.is_due(nobody, 200.0)
    assert not state.is_due(nobody, 220.0, away=somebody)
    assert state.is_due(nobody, 240.0)  # nobody can come back any more


@pytest.fixture
def counted(monkeypatch):
    """What was called, in order."""
    calls = []
    monkeypatch.setattr(gc, "collect", lambda: calls.append("collect"))
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    monkeypatch.setattr(cache_upkeep, "trim", lambda: calls.append("trim"))
    return calls


def test_modules_are_left_out_of_collections_once(counted):
    state = Upkeep()
    state.collect(1.0)
    state.collect(2.0)
    assert counted == ["collect", "freeze", "collect"]


def test_memory_is_given_back_when_somebody_has_left(counted):
    state = Upkeep(modules=10**6)
    state.is_due(frozenset({"a", "b"}), 0.0)
    state.is_due(frozenset({"a"}), 1.0)
    state.collect(10.0)
    state.collect(20.0)
    assert counted == ["collect", "trim", "collect"]


def kept_of(duration: float, most_long: int | None) -> None:
    """A page that asks for two recordings of a visitor and for the first one again."""
    import os
    from types import SimpleNamespace

    import streamlit as st

    from core.audio import ClipRef
    from pages.shared import cache, session

    cache.info = lambda ref: SimpleNamespace(duration_s=duration)
    asked = []

    @cache._by_owner(8, spinner=False, most_long=most_long)
    def signal(ref, version):
        asked.append(ref.path)
        return ref.path

    session.mine()
    one, two = (ClipRef(os.path.join(os.environ["PHONOSCOPE_MEDIA"], n), 1, 1) for n in "ab")
    for ref in (one, two, one):
        signal(ref)
    st.text(str(len(asked)))


@pytest.mark.parametrize(
    ("duration", "most_long", "asked"),
    [(5.0, 1, 2), (600.0, 1, 3), (600.0, 2, 2), (600.0, None, 2)],
)
def test_of_long_recordings_few_signals_are_kept(monkeypatch, duration, most_long, asked):
    monkeypatch.setattr("pages.shared.cache.info", None)
    streamlit.cache_resource.clear()
    page = AppTest.from_function(
        kept_of, kwargs={"duration": duration, "most_long": most_long}, default_timeout=60
    ).run()
    assert not page.exception
    assert page.text[0].value == str(asked)


def test_what_all_share_is_dropped_when_nobody_is_there(counted, monkeypatch):
    monkeypatch.setattr(cache_upkeep.cache, "let_go", lambda: counted.append("let go"))
    state = Upkeep(modules=10**6)
    for here in ({"a", "b"}, {"a"}, set(), set()):
        state.is_due(frozenset(here), 0.0)
        state.collect(0.0)
    assert counted == ["collect", "collect", "trim", "collect", "let go", "trim", "collect"]


def short_and_long() -> None:
    """A page that asks for a short and a long recording of all in turn, then drops them."""
    from types import SimpleNamespace

    import streamlit as st

    from core.audio import ClipRef
    from pages.shared import cache

    cache.info = lambda ref: SimpleNamespace(duration_s=ref.size)
    asked = []

    @cache._by_owner(2, spinner=False, most_long=1)
    def of_all(ref, version):
        asked.append(ref.path)
        return ref.path

    refs = [ClipRef("/short", 5, 1), ClipRef("/long", 600, 1)]
    for ref in 2 * refs:
        of_all(ref)
    st.text(" ".join(asked))
    cache.let_go()
    of_all(refs[0])
    st.text(str(len(asked)))


def test_long_recordings_do_not_push_short_ones_out_of_what_all_share(monkeypatch):
    monkeypatch.setattr("pages.shared.cache.info", None)
    page = AppTest.from_function(short_and_long, default_timeout=60).run()
    assert not page.exception
    assert [text.value for text in page.text] == ["/short /long", "3"]


def test_memory_is_asked_for_and_given_back_where_the_system_is_linux():
    glibc = platform.libc_ver()[0] == "glibc"
    assert cache_upkeep.trim() is glibc
    assert cache_upkeep.share_heaps() is glibc


def test_upkeep_collects_in_place_of_every_run(monkeypatch):
    options = {}
    monkeypatch.setattr(cache_upkeep.config, "set_option", options.__setitem__)
    monkeypatch.setattr(cache_upkeep, "share_heaps", lambda: options.__setitem__("heaps", True))

    async def for_a_moment():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cache_upkeep.keep_up(), 0.01)

    to_the_end(for_a_moment())
    assert options == {"runner.postScriptGC": False, "heaps": True}

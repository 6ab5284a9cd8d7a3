"""Between runs: let go of what visitors left behind, and collect garbage once for everybody.

Streamlit collects after every run and holds the interpreter's lock meanwhile: with thirty visitors
that is half of the server's time. Here it is done every few seconds, without what the pages have
imported by then. Sessions that left wait two minutes for their visitor to come back; their uploads
and results do not wait.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
import ctypes
from dataclasses import dataclass, field
import gc
import sys
import time

from streamlit import config, runtime

from pages.shared import cache, session

EVERY_S = 1.0
COLLECT_S = 10.0
HEAPS = 2  # as many as processors; glibc makes eight for each, and none is ever quite empty
ARENA_MAX, MMAP_THRESHOLD = -8, -3  # M_ARENA_MAX and M_MMAP_THRESHOLD of malloc.h
OWN_PAGES = 2**22  # bytes from which an array has pages of its own, which go back when it goes
MANY_MODULES = 25  # imported since garbage was last collected with all of them


@dataclass
class Upkeep:
    """What was done when; times are of the monotonic clock, in s."""

    modules: int = 0
    collected: float = 0.0
    here: frozenset[str] = field(default_factory=frozenset)
    away: frozenset[str] = field(default_factory=frozenset)
    some_left: bool = False

    def is_due(self, here: frozenset[str], now: float, away: frozenset[str] = frozenset()) -> bool:
        """Whether garbage shall be collected, with the sessions that are ``here`` now.

        Those that are ``away`` may come back; what they hold goes when they are gone for good.
        """
        self.some_left = self.some_left or bool(self.here - here or self.away - away - here)
        self.here, self.away = here, away
        return now - self.collected >= COLLECT_S and (bool(here) or self.some_left)

    def collect(self, now: float) -> None:
        """Collect garbage; give memory back to the system where somebody has left."""
        self.collected, some_left, self.some_left = now, self.some_left, False
        gc.collect()
        if len(sys.modules) - self.modules >= MANY_MODULES:
            gc.freeze()
            self.modules = len(sys.modules)
        if some_left and not self.here:
            cache.let_go()
        if some_left:
            trim()


async def keep_up() -> None:
    """Runs as long as the server; in its event loop, where sessions begin and end."""
    config.set_option("runner.postScriptGC", False)
    share_heaps()
    state = Upkeep()
    while True:
        await asyncio.sleep(EVERY_S)
        if not runtime.exists():
            continue
        server = runtime.get_instance()
        await asyncio.to_thread(session.sweep, time.monotonic())
        release_uploads(server)
        release_results(server)
        here = _ids(server._session_mgr.list_active_sessions())
        away = _ids(server._session_mgr._session_storage.list())
        if state.is_due(here, time.monotonic(), away):
            await asyncio.to_thread(state.collect, time.monotonic())


def _ids(sessions: Iterable) -> frozenset[str]:
    return frozenset(info.session.id for info in sessions)


def release_uploads(server: runtime.Runtime) -> None:
    """Drop uploads that came for a session after ``session.sweep`` has ended its visit."""
    files = server.uploaded_file_mgr
    for session_id in list(files.file_storage):
        if not server.is_active_session(session_id) and not session.is_kept(session_id):
            files.remove_session_files(session_id)


def release_results(server: runtime.Runtime) -> None:
    """Drop what a run made for a visitor who left before its end, and sessions gone for good."""
    storage = server._session_mgr._session_storage
    storage._cache.expire()  # otherwise the last ones stay until somebody else leaves
    for info in storage.list():
        if info.session._scriptrunner is None:
            info.session.clear_session_caches()


def share_heaps() -> bool:
    """Let all threads allocate from few heaps; False where the system knows no such thing.

    Large arrays stay out of them: they would leave holes.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        return [mallopt(MMAP_THRESHOLD, OWN_PAGES), mallopt(ARENA_MAX, HEAPS)] == [1, 1]
    return False


def trim() -> bool:
    """Give freed memory back to the system; False where it cannot be asked for."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
        return True
    return False

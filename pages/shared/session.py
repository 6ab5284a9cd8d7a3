"""What belongs to one visitor: a folder for uploads and for the sounds made from them.

The folder's name is unguessable, so it also keys caches; it goes two seconds after its visitor, who
may have lost the connection for a moment. Uploaded bytes are moved there at once and released from
the server's memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
import os
from pathlib import Path
import secrets
import shutil
import tempfile
import threading

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core import audio, jobs, safe_text, serving
from core.audio import ClipRef, Limits
from core.errors import VoiceError

MAX_UPLOADS = 40  # the oldest upload makes room
GRACE_S = (
    2.0  # a browser whose connection breaks is back in a second; all is gone 5 s after leaving
)
MAX_SOUND_BYTES = 400 * 2**20  # kept for playing; older ones are made again when asked for


@dataclass
class Mine:
    """One session's folder and the recordings in it, newest first: id -> (name, ref)."""

    token: str
    folder: Path
    clips: dict[str, tuple[str, ClipRef]] = field(default_factory=dict)
    session_id: str = ""

    def add(self, name: str, data: bytes) -> str:
        """Keep an upload and return its id; VoiceError (and nothing kept) where it is no audio."""
        clip_id = blake2b(data, digest_size=8).hexdigest()
        uploads = self.folder / "uploads"
        path = uploads / clip_id / safe_text.filename(name)
        if clip_id in self.clips:  # the same bytes again, perhaps under another name
            self.clips[clip_id] = (name, self.clips[clip_id][1])
            return clip_id
        uploads.mkdir(exist_ok=True)  # without parents: a folder that has gone is not made again
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        try:
            ref = ClipRef.of(path)
            audio.info(ref, limits=Limits.from_env())
        except VoiceError:
            shutil.rmtree(path.parent, ignore_errors=True)
            raise
        self.clips = {clip_id: (name, ref), **self.clips}
        for old in list(self.clips)[MAX_UPLOADS:]:
            self.remove(old)
        return clip_id

    def remove(self, clip_id: str) -> None:
        """Delete a recording; nothing happens where it is gone already."""
        if clip_id in self.clips:
            shutil.rmtree(Path(self.clips.pop(clip_id)[1].path).parent, ignore_errors=True)

    def sound(self, key: str) -> Path:
        """Where the sound named ``key`` lies, making room for it."""
        folder = self.folder / "sounds"
        folder.mkdir(exist_ok=True)
        name = blake2b(f"{self.token} {key}".encode(), digest_size=16).hexdigest()
        room = MAX_SOUND_BYTES
        for sound in sorted(folder.glob("*.wav"), key=lambda p: -p.stat().st_mtime_ns):
            room -= sound.stat().st_size
            if room < 0:
                sound.unlink(missing_ok=True)
        return folder / f"{name}.wav"


def _forget(mine: Mine) -> None:
    """End the visitor's jobs and remove the folder, its name first: that ends its addresses."""
    for job in mine.folder.glob("*/*/job.json"):
        jobs.Job(job.parent).cancel()
    gone = mine.folder.with_name(f".gone-{secrets.token_hex(8)}")
    try:
        mine.folder.rename(gone)  # what is still being written to it fails instead of staying
    except OSError:
        gone = mine.folder
    shutil.rmtree(gone, ignore_errors=True)


_away: dict[str, tuple[Mine, threading.Timer]] = {}  # by session, for GRACE_S after it has left
_change_of_away = threading.Lock()


def _put_away(mine: Mine) -> None:
    """Forget what is a visitor's, unless they are back by then."""
    timer = threading.Timer(GRACE_S, _forget_away, [mine.session_id])
    timer.daemon = True
    with _change_of_away:
        _away[mine.session_id] = mine, timer
    timer.start()


def _take_back(session_id: str) -> Mine | None:
    """What was put away for a session; the caller's to keep or to forget."""
    with _change_of_away:
        found, timer = _away.pop(session_id, (None, None))
    if timer is not None:
        timer.cancel()
    return found


def _forget_away(session_id: str) -> None:
    if found := _take_back(session_id):
        _forget(found)


@st.cache_resource(scope="session", max_entries=1, show_spinner=False, on_release=_put_away)
def mine() -> Mine:
    """The folder of this visitor; removed soon after the session ends."""
    if not is_still_here():  # a script that outlives its visitor would make a folder that stays
        st.stop()
    if before := _take_back(visitor()):
        return before
    root = os.environ.get("PHONOSCOPE_MEDIA")
    if root is None:  # run without app.py, as page tests do
        root = os.environ["PHONOSCOPE_MEDIA"] = tempfile.mkdtemp(
            prefix=f"phonoscope-{os.getpid()}-"
        )
    token = secrets.token_urlsafe(24)
    folder = Path(root, token)
    folder.mkdir(mode=0o700)
    return Mine(token, folder, session_id=visitor())


_here: dict[str, str] = {}  # places that are taken, and by which sessions


def _leave(place: str) -> None:
    """Give a place back, with uploads that no page has taken: Streamlit keeps them for minutes."""
    session_id = _here.pop(place, "")
    if session_id and exists():
        get_instance().uploaded_file_mgr.remove_session_files(session_id)


@st.cache_resource(scope="session", max_entries=1, show_spinner=False, on_release=_leave)
def _place() -> str:
    """The visitor's place among all; given back when the session ends."""
    place = secrets.token_hex(8)
    _here[place] = visitor()
    return place


def _asks_to_sign_in() -> bool:
    try:
        return "auth" in st.secrets
    except FileNotFoundError:  # no secrets, no sign-in
        return False


def admit() -> None:
    """Let a visitor in, or end the page with what to do: sign in, or come back later."""
    if _asks_to_sign_in() and not st.user.get("is_logged_in", False):
        st.title("Phonoscope", anchor=False)
        st.button("Sign in", type="primary", on_click=st.login, key="sign_in")
        st.stop()
    place = _place()
    if not st.session_state.get("admitted"):
        reason = serving.full(len(_here))
        if reason:
            st.title("Phonoscope", anchor=False)
            st.warning(reason)
            _leave(place)
            _place.clear()
            st.stop()
        st.session_state["admitted"] = True


def is_still_here() -> bool:
    """Whether somebody sees what this script makes."""
    return not exists() or get_instance().is_active_session(visitor())


@contextmanager
def for_somebody() -> Iterator[None]:
    """End a script quietly whose visitor has left, and whose folder with them."""
    try:
        yield
    except OSError:
        if is_still_here():
            raise
        st.stop()


def visitor() -> str:
    """Tells this session from others; "" outside of one."""
    context = get_script_run_ctx()
    return context.session_id if context is not None else ""


def take(uploaded) -> tuple[str, bytes]:
    """Name and bytes of an uploaded file, released from the server's memory."""
    data = uploaded.getvalue()
    context = get_script_run_ctx()
    if context is not None and hasattr(uploaded, "file_id"):
        get_instance().uploaded_file_mgr.remove_file(context.session_id, uploaded.file_id)
    return uploaded.name, data

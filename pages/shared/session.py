"""What belongs to one visitor: a folder for uploads and for the sounds made from them.

The folder's name is unguessable, so it also keys caches; it goes two seconds after its visitor, who
may have lost the connection for a moment. Uploaded bytes are moved there at once and released from
the server's memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
GRACE_S = 2.0  # away for so long: a browser whose connection breaks is back in one second
MAX_SOUND_BYTES = 400 * 2**20  # kept for playing; older ones are made again when asked for


@dataclass
class Mine:
    """One session's folder and the recordings in it, newest first: id -> (name, ref)."""

    token: str
    folder: Path
    clips: dict[str, tuple[str, ClipRef]] = field(default_factory=dict)

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


@dataclass
class _Visit:
    """A session that is served; since when it is seen to be away, by the monotonic clock in s."""

    mine: Mine | None = None
    away_since: float | None = None


_visits: dict[str, _Visit] = {}
_new = threading.Lock()


def _visit() -> _Visit:
    if not is_still_here():  # a script that outlives its visitor would make what stays
        st.stop()
    return _visits.setdefault(visitor(), _Visit())


def mine() -> Mine:
    """The folder of this visitor; removed soon after the session ends."""
    visit = _visit()
    with _new:
        if visit.mine is None:
            visit.mine = _new_folder()
        return visit.mine


def _new_folder() -> Mine:
    root = os.environ.get("PHONOSCOPE_MEDIA")
    if root is None:  # run without app.py, as page tests do
        root = os.environ["PHONOSCOPE_MEDIA"] = tempfile.mkdtemp(
            prefix=f"phonoscope-{os.getpid()}-"
        )
    token = secrets.token_urlsafe(24)
    folder = Path(root, token)
    folder.mkdir(mode=0o700)
    return Mine(token, folder)


def sweep(now: float) -> None:
    """Forget the visits that have been away for GRACE_S at ``now``, with all that was theirs."""
    for session_id, visit in list(_visits.items()):
        if is_still_here(session_id):
            visit.away_since = None
        elif visit.away_since is None:
            visit.away_since = now
        elif now - visit.away_since >= GRACE_S:
            leave(session_id)


def is_kept(session_id: str) -> bool:
    """Whether a session is served, or has left so lately that it may come back."""
    return session_id in _visits


def leave(session_id: str) -> None:
    """End a visit: its place, its folder, and uploads that no page has taken."""
    visit = _visits.pop(session_id, None)
    if visit is not None and visit.mine is not None:
        _forget(visit.mine)
    if exists():  # Streamlit would keep them for minutes
        get_instance().uploaded_file_mgr.remove_session_files(session_id)


def _forget(mine: Mine) -> None:
    """End the visitor's jobs and remove the folder, its name first: that ends its addresses."""
    for job in mine.folder.glob("*/*/job.json"):
        with suppress(OSError, VoiceError):  # the others are ended all the same
            jobs.Job(job.parent).cancel()
    gone = mine.folder.with_name(f".gone-{secrets.token_hex(8)}")
    try:
        mine.folder.rename(gone)  # what is still being written to it fails instead of staying
    except OSError:
        gone = mine.folder
    shutil.rmtree(gone, ignore_errors=True)


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
    _visit()
    if not st.session_state.get("admitted"):
        reason = serving.full(len(_visits))
        if reason:
            st.title("Phonoscope", anchor=False)
            st.warning(reason)
            leave(visitor())
            st.stop()
        st.session_state["admitted"] = True


def is_still_here(session_id: str | None = None) -> bool:
    """Whether somebody sees what the script of this session makes."""
    return not exists() or get_instance().is_active_session(session_id or visitor())


@contextmanager
def for_somebody() -> Iterator[None]:
    """End a script or callback quietly whose visitor has left, and whose folder with them."""
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

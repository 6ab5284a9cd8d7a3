"""The component: mounts the recorder and takes over what it sends.

The WAV comes the way uploads come, through Streamlit's own address for them: it is tied to the
session, refuses requests from other sites, and stops reading at ``server.maxUploadSize``. Only the
few numbers about the recording travel as the component's value.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.audio import ClipRef, Limits
from pages.shared.recorder.notes import MAYBE_STEPS, STEPS, WORDS, Recorded, remember

HERE = Path(__file__).resolve().parent
SCRIPTS = ("capture", "wav", "words", "recorder")
KEY = "recorder"
QUIET_S = 1.0  # of which the noise floor is taken
LOUD_DB = -50.0  # dBFS; a noise floor above it is pointed out
_PLACE = "recorder_place"  # in the session's state: where the next recording is sent

_mount = st.components.v2.component(
    "phonoscope_recorder",
    html=(HERE / "recorder.html").read_text(encoding="utf-8"),
    css=(HERE / "recorder.css").read_text(encoding="utf-8"),
    js="\n".join((HERE / "js" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS),
)


def recorder(*, keep: Callable[[bytes], ClipRef | None]) -> None:
    """The recorder; only one on a page.

    Parameters
    ----------
    keep : callable
        Called with a WAV file, 24 bits, before the run that follows; returns the clip made of
        it, or None where it cannot be kept.
    """
    limits = Limits.from_env()
    upload = (st.get_option("server.maxUploadSize") - 1) * 2**20
    data = {
        "url": _place()["url"],
        "quiet_s": QUIET_S,
        "loud_db": LOUD_DB,
        "max_s": limits.max_seconds,
        "max_samples": int(min(limits.max_mb * 2**20 / 4, upload / 3)),  # float32; 24 bits
        "steps": STEPS,
        "maybe_steps": MAYBE_STEPS,
        "words": WORDS,
    }
    _mount(data=data, key=KEY, on_sent_change=lambda: _take(keep))


def _place() -> dict[str, str]:
    """Where the next recording is sent to; a new one for each, and for each connection."""
    context = get_script_run_ctx()
    place = st.session_state.get(_PLACE)
    if place is None or place["session"] != context.session_id:
        info = context.uploaded_file_mgr.get_upload_urls(context.session_id, ["recording.wav"])[0]
        base = (st.get_option("server.baseUrlPath") or "").strip("/")
        url = (f"/{base}" if base else "") + info.upload_url
        place = {"session": context.session_id, "file": info.file_id, "url": url}
        st.session_state[_PLACE] = place
    return place


def _take(keep: Callable[[bytes], ClipRef | None]) -> None:
    """Move the recording that arrived out of the server's memory, and remember how it was made."""
    said = st.session_state[KEY].get("sent")
    place = st.session_state.pop(_PLACE, None)
    if place is None or not isinstance(said, Mapping):
        return
    files = get_script_run_ctx().uploaded_file_mgr
    arrived = files.get_files(place["session"], [place["file"]])
    files.remove_file(place["session"], place["file"])
    ref = keep(arrived[0].data) if arrived else None
    if ref is not None:
        remember(ref, Recorded.of(said))

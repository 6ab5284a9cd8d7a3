"""Choosing a recording: from the demo set, a data set, an upload, or the microphone.

State: ``clip`` (in the address) names a demo clip, or, with a slash in it, a clip of the data set
that was opened last: only what is in its catalogue is opened, never a path. ``mine`` names one of
the visitor's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import safe_text
from core.audio import ClipRef, audio_suffixes
from core.errors import VoiceError
from core.store import Workspace
from pages.shared import cache, cache_browse, cache_demo, data, session, texts
from pages.shared.errors import sentence, show_errors
from pages.shared.recorder import recorded, recorder
from pages.shared.stays import choose, stays
from pages.shared.uploads import uploader

DEMO, DATASET, UPLOAD, RECORD = "Demo", "Data", "Upload", "Record"
OFFERED = 50  # clips of a data set in the list
NOTHING_YET = {
    UPLOAD: "Nothing here yet. Add a sound file in the sidebar, or choose a demo voice there.",
    RECORD: "Nothing here yet. Record your voice in the sidebar, or choose a demo voice there.",
}


@dataclass(frozen=True)
class Picked:
    """A recording and how to call it."""

    ref: ClipRef
    title: str
    name: str
    note: str = ""
    own: bool = False
    text: str | None = None


def pick_clip(beside: DeltaGenerator | None = None) -> Picked:
    """The recording the visitor looks at; the page stops with a hint where there is none yet.

    It is chosen in the sidebar, or in ``beside``; hints stand on the page, where they are seen.
    What is odd about its file, such as an end that is missing, is said once, here.
    """
    with beside or st.sidebar:
        picked = _pick()
    if isinstance(picked, str):
        st.info(picked)
        st.stop()
    with show_errors():
        odd = cache.info(picked.ref).warnings
    if odd:
        said = " ".join(safe_text.md(text, 300) for text in odd)
        st.warning(f"This file can be opened, but: {said}", icon=":material/warning:")
    return picked


def _pick() -> Picked | str:
    """The recording, or what to do where there is none."""
    stays("source", DEMO)
    _follow_link()
    source = st.segmented_control(
        "Recording from",
        [DEMO, DATASET, UPLOAD, RECORD],
        required=True,
        key="source",
        on_change=reset_window,
        width="stretch",
    )
    _show_notice()
    if source != DEMO and "/" not in st.session_state.get("clip_named", "/"):
        _link_to("")  # the address names a demo clip that is no longer shown
    if source == DATASET:
        return _pick_of_dataset()
    if st.session_state.pop("clip_linked", None) and "/" in st.query_params.get("clip", ""):
        _link_to("")
    if source == DEMO:
        return _pick_demo()
    if source == UPLOAD:
        _upload()
    else:
        _record()
    return _pick_mine() or NOTHING_YET[source]


def reset_window() -> None:
    """Show the whole clip again: a stretch of one recording means nothing in the next."""
    for key in ("from_s", "length_s", "part_from", "part_length"):
        st.session_state.pop(key, None)


def demo_options() -> dict[str, str]:
    """Demo clips in the order they are shown: address name -> title as plain text."""
    return {name: clip.title for name, clip in cache_demo.demo_clips().items()}


def demo_picked(name: str) -> Picked:
    """The demo clip with this address name."""
    clip = cache_demo.demo_clips()[name]
    return Picked(ClipRef.of(clip.path), clip.title, name, clip.note, text=clip.text)


def from_address(key: str, options: Iterable[str], default: list[str]) -> None:
    """Give the widget ``key`` the names that are new in the address, before it is drawn.

    ``bind="query-params"`` would put the long titles of the options into the address.
    """
    known = set(options)
    named = [name for name in st.query_params.get_all(key) if name in known]
    if named and named != st.session_state.get(f"{key}_named"):
        st.session_state[key] = named
    chosen = st.session_state.setdefault(key, default)
    if not known.issuperset(chosen):  # a recording was removed meanwhile
        chosen = st.session_state[key] = [name for name in chosen if name in known]
    if not named and chosen != default:  # brought from another page
        to_address(key, chosen)
    else:
        st.session_state[f"{key}_named"] = named


def to_address(key: str, names: list[str]) -> None:
    """Write demo clips into the address; a visitor's own clips mean nothing to others."""
    named = [name for name in names if "/" not in name]
    st.session_state[f"{key}_named"] = st.query_params[key] = named


def _pick_demo() -> Picked:
    options = demo_options()
    first = next(iter(options))
    stays("clip", first)
    name = st.selectbox(
        "Clip",
        list(options),
        format_func=lambda n: safe_text.clean(options.get(n, n), 90),
        key="clip",
        on_change=_chosen,
        args=("clip",),
        help="Type to search. " + texts.SYNTHETIC,
    )
    if name != first and "clip" not in st.query_params:  # brought from another page
        _link_to(name)
    st.caption("A synthetic voice, by espeak-ng.")
    return demo_picked(name)


def _follow_link() -> None:
    """Turn to the clip that the address newly names."""
    named = st.query_params.get("clip", "")
    if not named or st.session_state.get("clip_named") == named:
        return
    if named in demo_options():
        choose("source", DEMO)
        choose("clip", named)
        st.session_state["clip_named"] = named
    elif "/" in named and _is_in_dataset(named):
        choose("source", DATASET)
        st.session_state.update({"clip_linked": named, "clip_named": named, "clip_find": ""})
    elif "/" in named:
        st.caption(
            f"{safe_text.md(cache_demo.short(named), 60)} is not in the data set opened last."
        )


def _link_to(clip_id: str) -> None:
    """Name a clip in the address, or none."""
    st.session_state["clip_named"] = clip_id
    if clip_id:
        st.query_params["clip"] = clip_id
    else:
        st.query_params.pop("clip", None)


def _chosen(key: str) -> None:
    _link_to(st.session_state[key])
    reset_window()


def _is_in_dataset(clip_id: str) -> bool:
    try:
        return _row(Workspace.open(data.last_chosen().workspace), clip_id) is not None
    except VoiceError:
        return False


def _pick_of_dataset() -> Picked | str:
    chosen = data.last_chosen()
    if not (chosen.workspace / "plan.json").is_file():
        return "Nothing is measured on this data set yet: open it on the page Browse first."
    with show_errors():
        workspace = Workspace.open(chosen.workspace)
        find = st.text_input(
            "Find a clip", key="clip_find", persist_state="session", placeholder="name or words"
        )
        place = (workspace.key, str(workspace.folder))
        found = cache_browse.clips(*place, "", find, "clip_id", False, 1, OFFERED, ("clip_id",))
        named = st.session_state.get("clip_linked", "")
        names = found.table["clip_id"].tolist()
        if not find and named not in names and _is_in_dataset(named):
            names.insert(0, named)
        if not names:
            return "No clip of the data set has this in its name or words."
        st.session_state["clip_row"] = named if named in names else names[0]
        clip_id = st.selectbox(
            "Clip",
            names,
            format_func=lambda c: safe_text.clean(cache_demo.short(c), 90),
            key="clip_row",
            on_change=_row_chosen,
            help=f"The first {OFFERED} that fit; find others by their name or words.",
        )
        st.session_state["clip_linked"] = clip_id
        _link_to(clip_id)
        return _picked_of(_row(workspace, clip_id))


def _row_chosen() -> None:
    st.session_state["clip_linked"] = st.session_state["clip_row"]
    _chosen("clip_row")


def _row(workspace: Workspace, clip_id: str) -> dict | None:
    wanted = [c for c in ("path", "text", "gender", "age") if c in workspace.label_columns()]
    rows = workspace.page(limit=1, where=("clip_id = ?", [clip_id]), columns=["clip_id", *wanted])
    return rows.iloc[0].to_dict() if len(rows) else None


def _picked_of(row: dict) -> Picked | str:
    name, path = cache_demo.short(row["clip_id"]), _known(row.get("path"))
    if not path:
        return f"{safe_text.md(name, 60)}: this table came without sound. Choose another clip."
    who = ", ".join(filter(None, [_known(row.get("gender")), _known(row.get("age"))]))
    text = _known(row.get("text"))
    note = " ".join(filter(None, [f"Says “{text}”" if text else "", f"({who})" if who else ""]))
    return Picked(ClipRef.of(path), name, safe_text.filename(name), note, text=text or None)


def _known(value: object) -> str:
    return value if isinstance(value, str) else ""


def _upload() -> None:
    uploader(
        "Sound files",
        "upload",
        keep=_keep_upload,
        let_go=_let_go,
        type=list(audio_suffixes()),
        accept_multiple_files=True,
        help="WAV, FLAC, OGG, Opus, MP3, AIFF, M4A, WebM, AMR, 3GP, WMA and more.",
    )
    st.caption(texts.UPLOADS_STAY)


def _record() -> None:
    recorder(keep=_keep_recording)
    st.caption(texts.UPLOADS_STAY)


def _keep_recording(data: bytes) -> ClipRef | None:
    mine = session.mine()
    chosen = _keep_upload(f"Recording {len(mine.clips) + 1}.wav", data)
    return None if chosen is None else mine.clips[chosen][1]


def _keep_upload(name: str, data: bytes) -> str | None:
    """Move a file to the visitor's folder and show it; None, and a sentence, if it is refused."""
    try:
        chosen = session.mine().add(name, data)
    except VoiceError as err:
        st.session_state.setdefault("upload_errors", []).append(sentence(err))
        return None
    st.session_state["mine"] = chosen
    reset_window()
    return chosen


def _let_go(clip_id: str) -> None:
    session.mine().remove(clip_id)
    if st.session_state.get("mine") == clip_id:
        if left := list(session.mine().clips):
            st.session_state["mine"] = left[
                0
            ]  # without a value the browser still names the old one
        else:
            del st.session_state["mine"]
        reset_window()


def _show_notice() -> None:
    for text in st.session_state.pop("upload_errors", []):
        st.error(text, icon=":material/error:")


def _pick_mine() -> Picked | None:
    clips = session.mine().clips
    if not clips:
        return None
    chosen = st.selectbox(
        "Your recordings",
        list(clips),
        format_func=lambda c: safe_text.clean(clips[c][0], 80) if c in clips else "",
        key="mine",
        persist_state="session",
        on_change=reset_window,
    )
    name, ref = clips[chosen]
    stem = safe_text.filename(name).rsplit(".", 1)[0]
    made = recorded(ref)
    return Picked(ref, name, stem, note=made.note() if made else "", own=True)

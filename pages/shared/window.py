"""The stretch of time on screen, and the part of a long recording that is open."""

import streamlit as st

from core.audio import AudioInfo, Limits
from core.compare import Window
from core.safe_text import md

ARTICLE_FROM_S, ARTICLE_LENGTH_S = 17_500 / 16_000, 1_000 / 16_000


def open_part(info: AudioInfo) -> tuple[float, float] | None:
    """None for a recording within the limits; else the part the visitor asked for.

    The page stops, with the question, until a part has been asked for.
    """
    limit = Limits.from_env().max_seconds
    if info.duration_s <= limit:
        return None
    minutes, most = info.duration_s / 60, limit / 60
    st.info(
        f"This recording is {minutes:.0f} minutes long; at most {md(f'{most:g}')} minutes are open "
        "at a time. Choose the part to open."
    )
    with st.form("part", border=False):
        left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
        start = left.number_input("From (min)", 0.0, minutes, 0.0, 0.5, key="part_start_min")
        length = middle.number_input("Length (min)", 0.01, most, min(1.0, most), key="part_min")
        if right.form_submit_button("Open this part", type="primary"):
            st.session_state["part_from"] = start * 60
            st.session_state["part_length"] = length * 60
    if "part_from" not in st.session_state:
        st.stop()
    return st.session_state["part_from"], st.session_state["part_length"]


def zoom(duration_s: float) -> Window:
    """The stretch on screen: two inputs in the address, three buttons, or a drag on a waveform."""
    cells = st.columns([2, 2, 1.3, 1.7], vertical_alignment="bottom")
    bound = {"min_value": 0.0, "value": None, "format": "%.4f", "bind": "query-params"}
    start = cells[0].number_input("From (s)", placeholder="start", key="from_s", step=0.1, **bound)
    length = cells[1].number_input(
        "Length (s)", placeholder="to the end", key="length_s", step=0.1, **bound
    )
    cells[2].button("Whole clip", on_click=_set, args=(None, None), width="stretch")
    cells[3].button(
        "62.5 ms, as the article",
        on_click=_set,
        args=(ARTICLE_FROM_S, ARTICLE_LENGTH_S),
        width="stretch",
        help="Samples 17,500 to 18,500 at 16,000 Hz: short enough to see the voice oscillate.",
    )
    if start and start >= duration_s:
        st.caption(f"The recording ends at {duration_s:.2f} s: all of it is shown. Start earlier.")
        start = length = None
    t0 = min(start or 0.0, max(0.0, duration_s - 0.001))
    t1 = min(duration_s, t0 + length) if length else duration_s
    return Window(t0, max(t1, t0 + 0.0005))


def follow(selection: tuple[float, float] | None) -> None:
    """Show what is selected in the player; without a selection any more, the whole clip."""
    if selection == st.session_state.get("followed"):
        return
    st.session_state["followed"] = selection
    _set(None, None) if selection is None else _set(
        round(selection[0], 5), round(selection[1] - selection[0], 5)
    )


def zoom_to_drag(chart_key: str) -> None:
    """Callback of a waveform: show the stretch that was marked."""
    boxes = st.session_state.get(chart_key, {}).get("selection", {}).get("box", [])
    if boxes:
        a, b = sorted(max(0.0, float(x)) for x in boxes[0]["x"])
        if b > a:
            _set(round(a, 5), round(b - a, 5))


def _set(start: float | None, length: float | None) -> None:
    st.session_state["from_s"], st.session_state["length_s"] = start, length

"""The one selection of clips that rules all data set pages; it lives in the page's address.

State: ``sel`` in the address holds ``Selection.to_text()``, ``selection_kept`` the same: going to
another page by the menu empties the address. Pages read it with ``bar`` and change it only through
``put`` and ``add``.
"""

import streamlit as st

from core.errors import ParameterError
from core.filters import Filter, Selection
from core.safe_text import clean, md
from pages.shared import cache
from pages.shared.data import Opened
from pages.shared.errors import sentence

PARAM, KEPT = "sel", "selection_kept"
LABEL_VALUES = 60  # values of a label offered in the list of a filter


def current(opened: Opened) -> Selection:
    """The selection in the address; all clips where there is none or it cannot be read."""
    text = st.query_params.get(PARAM) or st.session_state.get(KEPT, "")
    if not text:
        return Selection()
    try:
        selection = Selection.from_text(text, opened.columns)
    except ParameterError as err:
        st.warning(sentence(err))
        return Selection()
    put(selection)
    return selection


def put(selection: Selection) -> None:
    """Make this the selection of all pages."""
    text = st.session_state[KEPT] = selection.to_text() if selection else ""
    if text and st.query_params.get(PARAM) != text:
        st.query_params[PARAM] = text
    elif not text and PARAM in st.query_params:
        del st.query_params[PARAM]


def add(opened: Opened, new: Filter) -> None:
    """Add one condition, as a brush over a plot does; for callbacks."""
    try:
        put(current(opened).adding(new))
    except ParameterError as err:
        st.toast(sentence(err))


def bar(opened: Opened) -> Selection:
    """The selection's sentence, its conditions to clear one by one, and a way to add one."""
    selection = current(opened)
    counts = cache.selection_counts(opened.key, str(opened.folder), selection.to_text())
    said = selection.sentence(counts.clips, counts.total, counts.speakers, opened.labels)
    text, button = st.columns([5, 1], vertical_alignment="center")
    text.markdown(f"**{md(said, 400)}**")
    with button.popover("Filter", icon=":material/filter_alt:", width="stretch"):
        _add_filter(opened)
    if selection:
        _conditions(opened, selection)
    return selection


def _conditions(opened: Opened, selection: Selection) -> None:
    with st.container(horizontal=True):
        for i, condition in enumerate(selection.filters):
            st.button(
                f"✕ {md(condition.words(opened.labels), 60)}",
                key=f"clear_{i}",
                on_click=lambda i=i: put(selection.without(i)),
                help="Clear this condition.",
            )
        st.button("Clear all", key="clear_all", type="tertiary", on_click=lambda: put(Selection()))


def _add_filter(opened: Opened) -> None:
    column = st.selectbox(
        "Column",
        opened.columns,
        format_func=lambda c: clean(opened.labels.get(c, c), 80),
        key="filter_column",
    )
    if column in opened.numeric:
        low, high = st.columns(2)
        a = low.number_input("At least", value=None, key=f"low_{column}", placeholder="any")
        b = high.number_input("At most", value=None, key=f"high_{column}", placeholder="any")
        ready, new = a is not None or b is not None, _range(column, a, b)
    else:
        values = cache.label_values(opened.key, str(opened.folder), column, LABEL_VALUES)
        chosen = st.multiselect("Is one of", values, format_func=clean, key=f"in_{column}")
        part = st.text_input("Or contains", key=f"contains_{column}")
        ready = bool(chosen or part)
        new = [Filter(column, "in", tuple(chosen))] if chosen else []
        new += [Filter(column, "contains", part)] if part else []
    st.button(
        "Add", type="primary", disabled=not ready, on_click=_add_all, args=(opened, new), key="add"
    )


def _range(column: str, low: float | None, high: float | None) -> list[Filter]:
    if low is not None and high is not None:
        return [Filter(column, "between", (min(low, high), max(low, high)))]
    return [Filter(column, op, v) for op, v in ((">=", low), ("<=", high)) if v is not None]


def _add_all(opened: Opened, new: list[Filter]) -> None:
    for condition in new:
        add(opened, condition)

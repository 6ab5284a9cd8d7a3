"""What a visitor has chosen stays chosen when the page is turned.

``persist_state`` is enough for widgets with a default of their own. It loses a value that was set
before its widget was drawn, such as one named in an address, when the page is turned right after.
"""

from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_KEPT = "stays"  # key of a widget -> page for which it was set last, value


def stays(key: str, default: Any) -> None:
    """Give the widget ``key`` the value that it had when it was drawn last, before it is drawn."""
    page, before = st.session_state.get(_KEPT, {}).get(key, ("", default))
    now = st.session_state.get(key)  # also that of the widget on another page, until it is drawn
    if now is None or page != _page():
        choose(key, before if now is None else now)
    else:
        _keep(key, now)


def choose(key: str, value: Any) -> None:
    """Set the widget ``key``, which is not drawn yet in this run; the value stays."""
    st.session_state[key] = value
    _keep(key, value)


def _keep(key: str, value: Any) -> None:
    st.session_state[_KEPT] = {**st.session_state.get(_KEPT, {}), key: (_page(), value)}


def _page() -> str:
    context = get_script_run_ctx()
    return context.page_script_hash if context is not None else ""

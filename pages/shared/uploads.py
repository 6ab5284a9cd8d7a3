"""Files from the visitor: taken over as they arrive, let go where the visitor removes them.

The uploader keeps its key for the whole visit: a new key after every file would end a transfer
that had begun meanwhile, and its file would be lost without a word.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.shared import session


def uploader(
    label: str,
    key: str,
    *,
    keep: Callable[[str, bytes], Any],
    let_go: Callable[[Any], None],
    **options: Any,
) -> None:
    """A file uploader; its files live with ``keep``, not in the server's memory.

    ``keep(name, data)`` is called once for each file and returns what to remember it by, None for
    what it refused; ``let_go`` gets that back when the file is removed from the list.
    """
    st.file_uploader(label, key=key, on_change=_changed, args=(key, keep, let_go), **options)
    if not _listed(key):  # drawn anew: what was taken before stays
        st.session_state[_taken(key)] = {}


def _taken(key: str) -> str:
    return f"{key}_taken"


def _listed(key: str) -> list:
    listed = st.session_state.get(key) or []
    return listed if isinstance(listed, list) else [listed]


def _changed(key: str, keep: Callable, let_go: Callable) -> None:
    listed, taken = _listed(key), st.session_state.setdefault(_taken(key), {})
    gone = [taken.pop(i) for i in taken.keys() - {file.file_id for file in listed}]
    new = [file for file in listed if file.file_id not in taken and hasattr(file, "getvalue")]
    with session.for_somebody():
        came = {file.file_id: keep(*session.take(file)) for file in new}
    taken |= came
    if None not in came.values():  # what a refused file took the place of stays
        for what in set(gone) - {None, *taken.values()}:
            let_go(what)

"""Errors that are the user's to mend, shown as sentences."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core import safe_text
from core.errors import VoiceError


def sentence(err: VoiceError) -> str:
    """The error's own words, safe to show as Markdown."""
    return safe_text.md(err, limit=500)


@contextmanager
def show_errors() -> Iterator[None]:
    """Show a VoiceError and stop the page there; let bugs through."""
    try:
        yield
    except VoiceError as err:
        st.error(sentence(err), icon=":material/error:")
        st.stop()

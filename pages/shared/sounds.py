"""Players: sound reaches the browser by an unguessable address, never inside the page."""

from urllib.parse import urlsplit

import numpy as np
import streamlit as st

from core import audio
from core.safe_text import clean, md
from pages.shared import session


def player(y: np.ndarray, *, sr: int, key: str, label: str) -> None:
    """A player for ``y`` at the level it has; ``key`` names the sound, ``label`` is plain text."""
    st.markdown(f"**{md(label, 80)}**")
    if not np.any(y):
        st.caption("Nothing to hear: this is silence.")
        return
    path = session.mine().sound(key)
    if not path.is_file():
        audio.write_wav(path, y, sr=sr, bits=16)
    st.audio(f"{_origin()}/audio/{session.mine().token}/{path.stem}.wav", alt=clean(label))


def _origin() -> str:
    """The address of this server as the browser sees it, without the page's own path."""
    at = urlsplit(st.context.url or "http://localhost:8501")
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{at.scheme}://{at.netloc}" + (f"/{base}" if base else "")

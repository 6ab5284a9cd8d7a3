"""Small players: sound reaches the browser by an unguessable address, never inside the page."""

import numpy as np
import streamlit as st

from core.safe_text import md
from pages.shared.player import player as mount
from pages.shared.player import tracks


def player(y: np.ndarray, *, sr: int, key: str, label: str, place: str = "") -> None:
    """A player for ``y`` at the level it has.

    ``key`` names the sound, ``label`` is plain text, and ``place`` tells players of one sound on
    one page apart.
    """
    st.markdown(f"**{md(label, 80)}**")
    if not np.any(y):
        st.caption("Nothing to hear: this is silence.")
        return
    made = tracks({label: y}, sr=sr, key=key)
    mount(made, key=f"sound_{place}_{made[0].ident.split()[0]}", small=True)

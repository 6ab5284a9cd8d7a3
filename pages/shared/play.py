"""A small player for one clip of a data set, wherever a row, a point or a cell stands for it."""

import streamlit as st

from core.audio import ClipRef
from core.errors import VoiceError
from core.safe_text import md
from pages.shared import cache, sounds
from pages.shared.data import Opened
from pages.shared.errors import sentence


def clip(opened: Opened, clip_id: str, key: str, note: str = "") -> None:
    """Title, note and player of one clip; a sentence where the data set has no sound for it.

    ``key`` names the place on the page; ``note`` is plain text.
    """
    rows = opened.workspace.page(limit=1, where=("clip_id = ?", [clip_id]), columns=["path"])
    path = rows["path"].iloc[0] if len(rows) else None
    title = clip_id.rsplit("/", 1)[-1]
    with st.container(key=f"play_{key}"):
        if not isinstance(path, str) or not path:
            st.caption(f"{md(title, 60)}: this table came without sound.")
            return
        try:
            ref = ClipRef.of(path)
            y, sr = cache.load(ref, None, None)
        except VoiceError as err:
            st.caption(sentence(err))
            return
        sounds.player(y, sr=sr, key=f"{ref} whole", label=title, place=key)
        if note:
            st.caption(md(note, 200))

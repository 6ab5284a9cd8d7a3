"""A page of players, as other pages will use them; the browser tests open it."""

import numpy as np
import streamlit as st

from conftest import tone, voice
from pages.shared.player import Curve, Mark, player, tracks

SR = 16_000
PAGE = st.query_params.get("page", "three")
SECONDS = float(st.query_params.get("seconds", "4"))


@st.cache_resource
def speech(seconds: float) -> np.ndarray:
    """A synthetic voice, a click at 1 s, and noise."""
    y = np.resize(voice(120.0, 4.0), round(seconds * SR)).copy()
    y += 0.02 * np.random.default_rng(1).standard_normal(y.size).astype(np.float32)
    y[SR] = 0.9
    return y


if PAGE == "three":
    before = speech(SECONDS)
    after = 0.5 * before[SR // 4 : -SR // 4]
    removed = 0.05 * np.random.default_rng(2).standard_normal(before.size).astype(np.float32)
    times = np.arange(0, SECONDS, 0.01)
    marks = [
        Curve("f0", times, np.where(times % 1 < 0.8, 120 + 40 * np.sin(times), np.nan)),
        *(Mark("Onsets", t) for t in np.arange(0.1, SECONDS, 0.25)),
        Mark("Speech", 0.25, SECONDS - 0.25),
        Mark("Problems", 0.95, 1.05, label="Click at 1.00 s"),
    ]
    if st.button("Run again", key="again"):
        marks.append(Mark("Problems", 3.0, 3.1, label="Found later"))
    heard = player(
        tracks(
            {"Before": before, "After": after, "Removed": removed},
            sr=SR,
            key=f"three {SECONDS}",
            offsets={"After": SR // 4},
        ),
        key="three",
        marks=marks,
    )
    st.text(f"selection {heard.selection} votes {len(heard.votes)}")
elif PAGE == "two":
    for name, f0 in (("one", 220.0), ("two", 330.0)):
        player(tracks({"Tone": tone(f0, 3.0)}, sr=SR, key=name), key=name, small=True)
elif PAGE == "long":
    player(tracks({"Before": speech(SECONDS)}, sr=SR, key=f"long {SECONDS}"), key="long")
elif PAGE == "open":
    for seconds in (5, 600):
        y = speech(seconds)
        if st.button(f"{seconds} s"):
            player(
                tracks({"Before": y, "After": 0.5 * y}, sr=SR, key=f"open {seconds}"), key="open"
            )
elif PAGE == "tones":
    y = tone(100.0, SECONDS, amplitude=0.25)
    player(tracks({"Before": y, "After": 0.5 * y}, sr=SR, key=f"tones {SECONDS}"), key="tones")
elif PAGE == "silent":
    quiet = np.zeros(SR, np.float32)
    player(tracks({"Before": quiet, "After": quiet}, sr=SR, key="silent"), key="silent")

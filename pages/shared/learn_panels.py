"""What the teaching pages share: the look for a projector, the clip, and large figures."""

from dataclasses import dataclass
from pathlib import Path
import re

import numpy as np
import streamlit as st

from core import figures
from core.audio import ClipRef
from core.compare import Look, Side, Window
from core.figures import learn
from core.learn import SR
from core.params import SpectraParams
from core.safe_text import md
from pages.shared import cache, inputs
from pages.shared.errors import show_errors

OURS, MINE = "The demo's", "I choose"
PART = (0.0, 10.0)  # s of a clip that the teaching pages look at
HEIGHT = 400
TOP_DB = 80.0


@dataclass(frozen=True, eq=False)
class Voice:
    """The clip of a step: the first ten seconds, at 16 kHz; ``title`` is plain text."""

    ref: ClipRef
    title: str
    y: np.ndarray

    @property
    def duration_s(self) -> float:
        """Length in s."""
        return self.y.size / SR

    @property
    def key(self) -> str:
        """Names sounds made of it."""
        return f"learn {self.ref}"

    def look(self, **params) -> Look:
        """The whole of it, with these spectral settings."""
        return Look(Window(0.0, self.duration_s), params=SpectraParams(**params))

    def side(self, **params) -> Side:
        """Its pictures, with these spectral settings."""
        return cache.before(self.ref, SR, PART, self.look(**params))


def stage() -> None:
    """Large type and little empty space, with the menu folded away."""
    st.set_page_config(initial_sidebar_state="collapsed")
    st.html(Path(__file__).parent / "learn.css")


def voice(name: str) -> Voice:
    """The demo clip of this name, or the clip that was chosen in the sidebar instead."""
    with st.sidebar:
        whose = st.segmented_control(
            "Voice", [OURS, MINE], default=OURS, required=True, key="learn_whose", width="stretch"
        )
    picked = inputs.pick_clip() if whose == MINE else inputs.demo_picked(name)
    with show_errors():
        y, _ = cache.load(picked.ref, SR, PART)
    return Voice(picked.ref, picked.title, y)


def picture(side: Side, look: Look, axis: str = "log"):
    """The STFT as a large figure."""
    span = {"t0": look.window.t0, "t1": look.window.t1, "top_db": look.params.top_db}
    return learn.large(figures.spectrogram(side.stft, axis=axis, **span), HEIGHT)


def chart(fig, name: str, said: str, caption: bool = True) -> None:
    """A figure that is as tall as the screen allows, and what it shows in a sentence of ours."""
    key = "learn_" + re.sub(r"\W+", "_", name)
    st.html(f"<style>.st-key-{key} {{ --tall: {fig.layout.height} }}</style>")
    fig.update_layout(height=None)
    st.plotly_chart(fig, key=key, alt=said, config=figures.chart_config(name), height="stretch")
    if caption:
        st.caption(md(said, 300))

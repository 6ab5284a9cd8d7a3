"""Summaries of the sounds of one visitor; the key is the file, never the signal."""

import numpy as np
import streamlit as st

from core import __version__, player
from core.audio import ClipRef


def summary(ref: ClipRef, y: np.ndarray, sr: int) -> player.Summary:
    """See core.player.summarise; ``ref`` is the file that holds ``y``."""
    return _summary(ref, y, sr, __version__)


@st.cache_resource(scope="session", max_entries=64, show_spinner="Drawing…")
def _summary(ref: ClipRef, _y: np.ndarray, sr: int, version: str) -> player.Summary:
    return player.summarise(_y, sr=sr, path=ref.path)

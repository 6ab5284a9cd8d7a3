"""Cached answers of the mean mels page; keys are small, see ``cache``."""

import streamlit as st

from core.eda import mean_mels, mel_images
from core.eda.mean_mels import Clips, Comparison
from core.eda.mel_images import MelImages
from core.eda.selecting import selected
from core.store import Workspace


@st.cache_data(max_entries=64, show_spinner=False)
def label_names(key: tuple, folder: str) -> list[str]:
    """Labels that make at least two groups."""
    workspace = Workspace.open(folder)
    names = mean_mels.label_names(workspace)
    return [
        n for n in names if len(mean_mels.choices(workspace, n, selected(workspace, ""), 2)) > 1
    ]


@st.cache_data(max_entries=256, show_spinner=False)
def choices(key: tuple, folder: str, selection: str, label: str) -> list[str]:
    """See core.eda.mean_mels.choices."""
    workspace = Workspace.open(folder)
    return mean_mels.choices(workspace, label, selected(workspace, selection))


@st.cache_resource(max_entries=2, show_spinner=False)
def images(key: tuple, stamp: int, folder: str) -> MelImages:
    """See core.eda.mel_images.open_images; ``stamp`` changes as pictures are added."""
    return mel_images.open_images(Workspace.open(folder))


@st.cache_resource(max_entries=2, show_spinner="Reading mel pictures…")
def pick(key: tuple, stamp: int, folder: str, selection: str) -> Clips:
    """See core.eda.mean_mels.pick; shared between sessions, so only read."""
    workspace = Workspace.open(folder)
    found = images(key, stamp, folder)
    return mean_mels.pick(workspace, found, selected(workspace, selection))


@st.cache_data(max_entries=32, show_spinner="Averaging…")
def compare(
    key: tuple,
    stamp: int,
    folder: str,
    selection: str,
    label: str,
    a: str,
    b: str,
    by_speaker: bool,
) -> Comparison:
    """See core.eda.mean_mels.compare."""
    return mean_mels.compare(
        Workspace.open(folder),
        images(key, stamp, folder),
        pick(key, stamp, folder, selection),
        label,
        a,
        b,
        by_speaker=by_speaker,
    )

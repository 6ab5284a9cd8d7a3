"""Cached answers of the Browse page; keys are small, entries are bounded."""

from typing import NamedTuple

import streamlit as st

from core import __version__, datasets, extract
from core.audio import Limits
from core.datasets import READERS, Dataset
from core.eda import browsing, selecting, thumbnails
from core.eda.browsing import Rows
from core.store import Workspace


class Kind(NamedTuple):
    """What a data set holds: recordings, and a table of features that came with it."""

    has_audio: bool
    has_table: bool


@st.cache_data(max_entries=64, ttl=300, show_spinner="Looking at the data set…")
def kind(path: str, version: str = __version__) -> Kind:
    """What is at ``path``, from its names and first lines."""
    layout = datasets.open_dataset(path).layout
    reader = next(r for r in READERS if r.layout == layout)
    return Kind(reader.has_audio, reader.features is not Dataset.features)


@st.cache_data(max_entries=64, show_spinner=False)
def has_sound(key: tuple, folder: str) -> bool:
    """See core.extract.has_sound."""
    return extract.has_sound(Workspace.open(folder))


@st.cache_data(max_entries=64, show_spinner=False)
def clips(
    key: tuple,
    folder: str,
    selection: str,
    find: str,
    order_by: str,
    descending: bool,
    page: int,
    rows: int,
    columns: tuple[str, ...],
) -> Rows:
    """See core.eda.browsing.clips."""
    workspace = Workspace.open(folder)
    chosen = selecting.selected(workspace, selection)
    return browsing.clips(
        workspace,
        chosen,
        find,
        order_by=order_by,
        descending=descending,
        page=page,
        rows=rows,
        columns=columns,
    )


@st.cache_data(max_entries=64, show_spinner=False)
def speakers(
    key: tuple, folder: str, selection: str, order_by: str, descending: bool, page: int
) -> Rows:
    """See core.eda.browsing.speakers."""
    workspace = Workspace.open(folder)
    chosen = selecting.selected(workspace, selection)
    return browsing.speakers(workspace, chosen, order_by=order_by, descending=descending, page=page)


@st.cache_data(max_entries=32, show_spinner="Drawing small pictures…")
def pictures(key: tuple, folder: str, paths: tuple[str, ...], kind: str) -> list[str]:
    """See core.eda.thumbnails.pictures."""
    return thumbnails.pictures(folder, paths, kind, Limits.from_env())

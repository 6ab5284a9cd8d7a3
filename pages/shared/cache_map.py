"""Cached answers of the map page; keys are small, see ``cache``."""

import streamlit as st

from core.eda import colouring, duplicates, projection, suspects
from core.eda.browsing import csv_of
from core.eda.colouring import Agreement, Colour
from core.eda.duplicates import Duplicates
from core.eda.projection import MapParams, Projection
from core.eda.selecting import selected
from core.eda.suspects import LabelErrors, Outliers
from core.store import Workspace


@st.cache_data(max_entries=64, show_spinner=False)
def choices(key: tuple, folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Spaces that clips can be mapped in, and labels that can be checked."""
    workspace = Workspace.open(folder)
    return projection.spaces(workspace), suspects.labels(workspace)


@st.cache_data(max_entries=32, show_spinner="Drawing the map…")
def made(key: tuple, folder: str, selection: str, params: MapParams) -> Projection:
    """See core.eda.projection.make."""
    workspace = Workspace.open(folder)
    return projection.make(workspace, selected(workspace, selection), params)


def ready(key: tuple, folder: str, selection: str, params: MapParams) -> Projection | None:
    """The map made now, or the one a job has made; None where a job has to make it first."""
    workspace = Workspace.open(folder)
    chosen = selected(workspace, selection)
    if projection.at_once(workspace, chosen, params):
        return made(key, folder, selection, params)
    return projection.stored(projection.folder_of(workspace, chosen, params))


@st.cache_data(max_entries=64, show_spinner=False)
def colour(
    key: tuple,
    folder: str,
    selection: str,
    params: MapParams,
    column: str,
    numeric: bool,
    _made: Projection,
) -> tuple[Colour, Agreement]:
    """See core.eda.colouring; ``_made`` is the map of these settings."""
    workspace = Workspace.open(folder)
    found = colouring.colour(workspace, _made.clip_ids, column, numeric)
    return found, colouring.agreement(workspace, _made, found)


def table(folder: str, made_: Projection, space: str, column: str) -> bytes:
    """What is drawn, as CSV; for downloads, so not kept."""
    found = projection.table(Workspace.open(folder), made_, space, column)
    return csv_of(found)


@st.cache_data(max_entries=32, show_spinner="Comparing clips…")
def twice(key: tuple, folder: str, selection: str, threshold: float | None) -> Duplicates:
    """See core.eda.duplicates.find."""
    workspace = Workspace.open(folder)
    return duplicates.find(workspace, selected(workspace, selection), threshold=threshold)


def compared(folder: str, selection: str) -> bytes:
    """The columns that clips are compared by, as CSV; for downloads, so not kept."""
    workspace = Workspace.open(folder)
    found = duplicates.table(workspace, selected(workspace, selection))
    return csv_of(found)


@st.cache_data(max_entries=32, show_spinner="Asking a model about other speakers' clips…")
def label_errors(key: tuple, folder: str, selection: str, label: str) -> LabelErrors:
    """See core.eda.suspects.label_errors."""
    workspace = Workspace.open(folder)
    return suspects.label_errors(workspace, selected(workspace, selection), label)


@st.cache_data(max_entries=32, show_spinner="Looking for clips unlike the others…")
def outliers(key: tuple, folder: str, selection: str) -> Outliers:
    """See core.eda.suspects.outliers."""
    workspace = Workspace.open(folder)
    return suspects.outliers(workspace, selected(workspace, selection))

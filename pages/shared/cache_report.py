"""Cached answers of the report page and of the cautions; keys are small, see ``cache``."""

import streamlit as st

from core import report
from core.eda import cautions as beware
from core.eda.cautions import Caution
from core.eda.selecting import selected
from core.report import Measures, Sheet, Spread
from core.store import Workspace


@st.cache_data(max_entries=128, show_spinner=False)
def cautions(key: tuple, folder: str, selection: str) -> tuple[Caution, ...]:
    """See core.eda.cautions.cautions."""
    workspace = Workspace.open(folder)
    return beware.cautions(workspace, selected(workspace, selection))


@st.cache_data(max_entries=256, show_spinner=False)
def about_label(
    key: tuple, folder: str, selection: str, label: str, topics: tuple[str, ...]
) -> tuple[Caution, ...]:
    """See core.eda.cautions.about_label."""
    workspace = Workspace.open(folder)
    return beware.about_label(workspace, selected(workspace, selection), label, topics)


@st.cache_data(max_entries=128, show_spinner=False)
def about_features(
    key: tuple, folder: str, selection: str, names: tuple[str, ...]
) -> tuple[Caution, ...]:
    """See core.eda.cautions.about_features."""
    workspace = Workspace.open(folder)
    return beware.about_features(workspace, selected(workspace, selection), names)


@st.cache_data(max_entries=64, show_spinner=False)
def sheet(key: tuple, folder: str, selection: str) -> Sheet:
    """See core.report.sheet."""
    workspace = Workspace.open(folder)
    return report.sheet(workspace, selected(workspace, selection))


@st.cache_data(max_entries=64, show_spinner=False)
def measures(key: tuple, folder: str, selection: str) -> Measures:
    """See core.report.measures."""
    workspace = Workspace.open(folder)
    return report.measures(workspace, selected(workspace, selection))


@st.cache_data(max_entries=64, show_spinner=False)
def spreads(key: tuple, folder: str, selection: str, by: str | None) -> tuple[Spread, ...]:
    """See core.report.spreads."""
    workspace = Workspace.open(folder)
    return report.spreads(workspace, selected(workspace, selection), by)

"""Cached answers of the correlations page; keys are small, see ``cache``."""

from typing import Any

import pandas as pd
import streamlit as st

from core.eda import correlations, effects
from core.eda.browsing import csv_of
from core.eda.correlations import Correlations, Pair
from core.eda.effects import Effects
from core.eda.selecting import selected
from core.filters import Filter
from core.store import Workspace


@st.cache_data(max_entries=64, show_spinner=False)
def choices(key: tuple, folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What can be correlated, and what is at first."""
    workspace = Workspace.open(folder)
    return correlations.choices(workspace), correlations.readable(workspace)


@st.cache_data(max_entries=64, show_spinner=False)
def groupings(key: tuple, folder: str) -> tuple[str, ...]:
    """See core.eda.effects.groupings."""
    return effects.groupings(Workspace.open(folder))


@st.cache_data(max_entries=64, show_spinner="Correlating…")
def matrix(
    key: tuple,
    folder: str,
    selection: str,
    names: tuple[str, ...],
    method: str,
    by_speaker: bool,
    clustered: bool,
) -> Correlations:
    """See core.eda.correlations.correlations and clustered."""
    workspace = Workspace.open(folder)
    chosen = selected(workspace, selection)
    found = correlations.correlations(
        workspace, chosen, names, method=method, by_speaker=by_speaker
    )
    return correlations.clustered(found) if clustered else found


@st.cache_data(max_entries=64, show_spinner="Drawing…")
def pair(
    key: tuple,
    folder: str,
    selection: str,
    x: str,
    y: str,
    color: str | None,
    by_speaker: bool,
) -> Pair:
    """See core.eda.correlations.pair."""
    workspace = Workspace.open(folder)
    chosen = selected(workspace, selection)
    return correlations.pair(workspace, chosen, x, y, color=color, by_speaker=by_speaker)


@st.cache_data(max_entries=64, show_spinner="Comparing…")
def differences(
    key: tuple,
    folder: str,
    selection: str,
    label: str,
    first: Any,
    second: Any,
    measure: str,
    by_speaker: bool,
) -> Effects:
    """See core.eda.effects.effects."""
    workspace = Workspace.open(folder)
    return effects.effects(
        workspace,
        selected(workspace, selection),
        label,
        first,
        second,
        measure=measure,
        by_speaker=by_speaker,
    )


def matrix_csv(folder: str, selection: str, names: tuple[str, ...], method: str) -> bytes:
    """The numbers behind a heat map, a row for each clip; for downloads, so not kept."""
    workspace = Workspace.open(folder)
    rows = correlations.rows_for(names, method)
    return _csv(workspace, selection, names, _speaker(workspace), rows)


def pair_csv(folder: str, selection: str, names: tuple[str, ...], color: str | None) -> bytes:
    """The numbers behind a scatter, a row for each clip; for downloads, so not kept."""
    workspace = Workspace.open(folder)
    labels = list(dict.fromkeys(n for n in (*_speaker(workspace), color) if n and n not in names))
    return _csv(workspace, selection, names, labels, correlations.SAMPLE)


def differences_csv(folder: str, selection: str, label: str, both: tuple) -> bytes:
    """The numbers behind effect sizes, a row for each clip; for downloads, so not kept."""
    workspace = Workspace.open(folder)
    chosen = selected(workspace, selection).adding(Filter(label, "in", both))
    labels = [label, *(n for n in _speaker(workspace) if n != label)]
    names = workspace.columns
    found = correlations.export(workspace, chosen, names, labels, effects.SAMPLE)
    return _bytes(found)


def _speaker(workspace: Workspace) -> list[str]:
    return ["speaker_id"] if "speaker_id" in workspace.label_columns() else []


def _csv(workspace: Workspace, selection: str, names, labels, rows: int) -> bytes:
    chosen = selected(workspace, selection)
    return _bytes(correlations.export(workspace, chosen, names, labels, rows))


def _bytes(table: pd.DataFrame) -> bytes:
    return csv_of(table)

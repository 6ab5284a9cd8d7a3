"""Cached answers of the distributions page; keys are small, see ``cache``."""

import pandas as pd
import streamlit as st

from core.eda import distributions, outliers, violins
from core.eda.browsing import csv_of
from core.eda.distributions import Balance, Boxes, Distribution, Strip
from core.eda.outliers import AtTheCut, Step
from core.eda.selecting import selected
from core.eda.violins import Violins
from core.recipes import Rule
from core.store import Workspace


@st.cache_data(max_entries=64, show_spinner=False)
def group_labels(key: tuple, folder: str) -> tuple[str, ...]:
    """See core.eda.distributions.group_labels."""
    return distributions.group_labels(Workspace.open(folder))


@st.cache_data(max_entries=128, show_spinner=False)
def balance(key: tuple, folder: str, selection: str, label: str) -> Balance:
    """See core.eda.distributions.balance."""
    workspace = Workspace.open(folder)
    return distributions.balance(workspace, selected(workspace, selection), label)


@st.cache_data(max_entries=256, show_spinner=False)
def histogram(
    key: tuple, folder: str, selection: str, column: str, by: str | None, log: bool, bins: int
) -> Distribution:
    """See core.eda.distributions.histogram."""
    workspace = Workspace.open(folder)
    chosen = selected(workspace, selection)
    return distributions.histogram(workspace, chosen, column, by=by, log=log, bins=bins)


@st.cache_data(max_entries=128, show_spinner=False)
def boxes(key: tuple, folder: str, selection: str, column: str, by: str | None, log: bool) -> Boxes:
    """See core.eda.distributions.boxes."""
    workspace = Workspace.open(folder)
    return distributions.boxes(workspace, selected(workspace, selection), column, by=by, log=log)


@st.cache_data(max_entries=128, show_spinner=False)
def shapes(
    key: tuple, folder: str, selection: str, column: str, by: str | None, log: bool
) -> Violins:
    """See core.eda.violins.violins."""
    found = boxes(key, folder, selection, column, by, log)
    workspace = Workspace.open(folder)
    return violins.violins(workspace, selected(workspace, selection), found, by=by)


@st.cache_data(max_entries=64, show_spinner=False)
def strip(key: tuple, folder: str, selection: str, column: str, by: str | None) -> Strip:
    """See core.eda.distributions.strip."""
    workspace = Workspace.open(folder)
    return distributions.strip(workspace, selected(workspace, selection), column, by=by)


def clips(folder: str, selection: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """See core.eda.distributions.clips; for downloads, so not kept."""
    workspace = Workspace.open(folder)
    return distributions.clips(workspace, selected(workspace, selection), columns)


@st.cache_data(max_entries=64, show_spinner=False)
def ledger(key: tuple, folder: str, selection: str, rules: tuple[Rule, ...]) -> tuple[Step, ...]:
    """See core.eda.outliers.ledger."""
    workspace = Workspace.open(folder)
    return outliers.ledger(workspace, selected(workspace, selection), rules)


@st.cache_data(max_entries=128, show_spinner=False)
def at_the_cut(
    key: tuple,
    folder: str,
    selection: str,
    rules: tuple[Rule, ...],
    step: int,
    column: str,
    side: str,
) -> AtTheCut:
    """See core.eda.outliers.at_the_cut."""
    workspace = Workspace.open(folder)
    chosen = selected(workspace, selection)
    return outliers.at_the_cut(workspace, chosen, rules, step=step, column=column, side=side)


def kept_csv(folder: str, selection: str, rules: tuple[Rule, ...]) -> bytes:
    """The clips that the rules keep, as CSV; for downloads, so not kept."""
    workspace = Workspace.open(folder)
    found = outliers.kept_clips(workspace, selected(workspace, selection), rules)
    return csv_of(found)

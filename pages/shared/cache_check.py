"""Cached answers of the check page; keys are small, see ``cache``."""

import streamlit as st

from core import quality
from core.audio import ClipRef
from core.quality import CheckParams, Report
from core.quality.columns import COLUMNS
from core.quality.report import Rank
from core.store import Workspace
from pages.shared.cache import _by_owner
from pages.shared.session import visitor

# Columns of voice-v1 that mean the same, on recordings measured as they are.
SAME = {"loudness": "loudness_lufs", "peak": "peak_dbfs"}


@_by_owner(256, spinner="Checking…")
def report(ref: ClipRef, limits: CheckParams, version: str) -> Report:
    """See core.quality.check_file."""
    return quality.check_file(ref, limits)


@st.cache_data(max_entries=64, show_spinner=False)
def columns(key: tuple, folder: str, raw: bool) -> dict[str, str]:
    """Columns of a workspace that checks can be compared with, by key of the check.

    ``raw`` says that its features were measured on the recordings as they are.
    """
    workspace = Workspace.open(folder)
    there = set(workspace.check_columns())
    found = {c.key: c.name for c in COLUMNS if c.name in there and not c.extra}
    same = {k: c for k, c in SAME.items() if raw and c in workspace.columns}
    return same | found


def ranks(
    key: tuple, folder: str, names: tuple[tuple[str, str], ...], values: tuple[float, ...]
) -> dict[str, Rank]:
    """Where values lie in columns of a workspace; ``names`` are (check, column), as ``values``.

    Kept in the visitor's own cache, as the values may be of an upload; outside of a session they
    are counted anew.
    """
    count = _kept_ranks if visitor() else _ranks
    return count(key, folder, names, values)


def _ranks(
    key: tuple, folder: str, names: tuple[tuple[str, str], ...], values: tuple[float, ...]
) -> dict[str, Rank]:
    if not names:
        return {}
    counted = ", ".join(
        f'count(*) FILTER ("{c}" < ?), count(*) FILTER ("{c}" = ?), count("{c}")' for _, c in names
    )
    asked = [value for value in values for _ in range(2)]
    row = Workspace.open(folder).query(f"SELECT {counted} FROM clips", asked).iloc[0]
    counts = [int(n) for n in row]
    return {
        check: Rank(*counts[3 * i : 3 * i + 3])
        for i, (check, _) in enumerate(names)
        if counts[3 * i + 2]
    }


@st.cache_data(scope="session", max_entries=64, show_spinner=False)
def _kept_ranks(key: tuple, folder: str, names: tuple, values: tuple) -> dict[str, Rank]:
    return _ranks(key, folder, names, values)

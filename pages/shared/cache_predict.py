"""Cached answers of the page Predict; keys are small, see ``cache``.

Everything is kept in the visitor's own caches: the recording or the model may be an upload. A model
is named by its path and its stamp (``models.stamp``).
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st

from core.audio import ClipRef
from core.eda.browsing import csv_of
from core.errors import ParameterError
from core.features.base import SR
from core.models import judge, predict, robust, shipped
from core.models.files import Loaded
from core.models.predict import Answer, OverTime
from core.models.robust import Survival
from core.store import Workspace
from pages.shared import cache, cache_models

Part = tuple[float, float] | None


class Meaning(NamedTuple):
    """What a threshold did on held-out clips: shares answered, and right among these."""

    answered: float
    right: float
    low: float
    high: float


def loaded(path: str, stamp: tuple[int, int]) -> Loaded:
    """A model's file, checked and opened; the shipped one is opened once for everybody."""
    if Path(path) == shipped.PATH:
        return shipped.shipped()
    return cache_models.loaded(path, stamp)


@st.cache_resource(scope="session", max_entries=64, show_spinner="Asking the model…")
def answer(ref: ClipRef, path: str, stamp: tuple[int, int], part: Part, threshold: float) -> Answer:
    """See core.models.predict.predict; ``part`` is (start, length) in s of a long recording."""
    return predict.predict(loaded(path, stamp), _what(ref, part), threshold=threshold)


@st.cache_resource(scope="session", max_entries=32, show_spinner="Asking along the recording…")
def over_time(ref: ClipRef, path: str, stamp: tuple[int, int], part: Part) -> OverTime:
    """See core.models.predict.over_time."""
    return predict.over_time(loaded(path, stamp), _what(ref, part))


@st.cache_resource(scope="session", max_entries=32, show_spinner="Changing the recording…")
def survives(
    ref: ClipRef, path: str, stamp: tuple[int, int], part: Part, threshold: float
) -> tuple[Survival, ...]:
    """See core.models.robust.survives; with the visitor's threshold in place of the card's."""
    model = loaded(path, stamp)
    asked = replace(model, card={**model.card, "threshold": threshold})
    y, sr = cache.load(ref, SR, part)
    return robust.survives(asked, y, sr, first=answer(ref, path, stamp, part, threshold))


@st.cache_data(scope="session", max_entries=64, show_spinner=False)
def meaning(path: str, stamp: tuple[int, int], threshold: float) -> Meaning | None:
    """What a threshold did on the model's held-out clips; None where it has none."""
    try:
        found = judge.coverage(
            loaded(path, stamp).trained.predictions, thresholds=np.array([threshold])
        )
    except ParameterError:
        return None
    values = (found.answered, found.right, found.low, found.high)
    return Meaning(*(float(v[0]) for v in values))


@st.cache_data(scope="session", max_entries=64, show_spinner=False)
def here(key: tuple, folder: str, clip_ids: tuple[str, ...]) -> frozenset[str]:
    """Those of these clips that are in a workspace."""
    where = ("clip_id IN (SELECT unnest(?::VARCHAR[]))", [list(clip_ids)])
    rows = Workspace.open(folder).page(limit=len(clip_ids), where=where, columns=["clip_id"])
    return frozenset(rows["clip_id"])


def csv_of_windows(found: OverTime) -> bytes:
    """Answers over time, one row a window; for downloads, so not kept."""
    import pandas as pd

    rows = {"start_s": found.start.round(3), "end_s": found.end.round(3)}
    names = [f"p_{name}" for name in found.labels] or ["value"]
    rows |= {name: found.prob[:, i].round(5) for i, name in enumerate(names)}
    return csv_of(pd.DataFrame(rows))


def csv_of_rows(rows: object) -> bytes:
    """A table as CSV, its texts no formulas; for downloads, so not kept."""
    import pandas as pd

    return csv_of(pd.DataFrame(rows))


def _what(ref: ClipRef, part: Part) -> ClipRef | tuple[np.ndarray, int]:
    return ref if part is None else cache.load(ref, SR, part)

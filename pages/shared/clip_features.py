"""Measurements of one clip: marks over its pictures, and the table of its features."""

import math

import pandas as pd
import streamlit as st

from core import figures, marks
from core.errors import VoiceError
from core.features import FEATURE_SETS, FeatureSpec, feature_set
from core.params import CleanParams
from core.safe_text import md
from pages.shared import cache
from pages.shared.errors import sentence
from pages.shared.inputs import Picked

ABOUT_MARKS = (
    "Measured on the recording before cleaning. Pitch (f0) and intensity are lines, onsets dotted "
    "lines, syllable nuclei triangles, pauses grey bands. An onset is not a word: on speech there "
    "are about half as many again. Pitch can jump by an octave in noise or creaky voice."
)
LONG_S = 90.0  # longer recordings are measured on request
SET_TITLES = {
    "voice-v1": "For voices (voice-v1)",
    "article-v1": "The article's (article-v1)",
}


def overlays(picked: Picked, sr: int | None, part: tuple | None) -> figures.Overlay | None:
    """The marks the visitor asks for."""
    kinds = st.pills(
        "Marks",
        list(marks.KINDS),
        selection_mode="multi",
        key="marks",
        bind="query-params",
        help=ABOUT_MARKS,
    )
    if not kinds:
        return None
    try:
        found = cache.marks(picked.ref, sr, part)
    except VoiceError as err:
        st.warning(sentence(err))
        return None
    st.caption(ABOUT_MARKS)
    return figures.Overlay(found, tuple(kinds))


def table(
    picked: Picked, sr: int | None, part: tuple | None, chain: CleanParams, seconds: float
) -> None:
    """Every feature with its value before and after cleaning, its unit and its meaning."""
    name = st.segmented_control(
        "Feature set",
        [n for n in SET_TITLES if n in FEATURE_SETS],
        format_func=SET_TITLES.get,
        default="voice-v1",
        required=True,
        key="feature_set",
        bind="query-params",
    )
    if seconds > LONG_S and not st.toggle(
        f"Measure all {seconds / 60:.0f} minutes", key="measure_long", help="Takes some seconds."
    ):
        return
    try:
        before = cache.features(picked.ref, sr, part, None, name, picked.text)
        after = cache.features(picked.ref, sr, part, chain, name, picked.text)
    except VoiceError as err:
        st.warning(sentence(err))
        return
    _words(picked, before)
    rows = [_row(spec, before, after) for spec in feature_set(name).specs]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=36 * min(len(rows), 14) + 38,
        column_config={
            "Feature": st.column_config.TextColumn(pinned=True),
            "Before": st.column_config.TextColumn(help="Of the recording as it is."),
            "After": st.column_config.TextColumn(help="Of what the cleaning steps leave."),
            "Meaning": st.column_config.TextColumn(width="large"),
            "Caveat": st.column_config.TextColumn(width="large"),
        },
        alt=f"Features of the clip, set {name}.",
    )
    st.caption(
        "Everything is measured at 16,000 Hz. A dash means: not measurable on this clip. Trust the "
        "column Before: cleaning changes what is measured."
    )


def _row(spec: FeatureSpec, before: dict, after: dict) -> dict[str, str]:
    return {
        "Feature": spec.label,
        "Before": _number(before[spec.name]),
        "After": _number(after[spec.name]),
        "Unit": spec.unit,
        "Meaning": spec.about,
        "Caveat": spec.caveat,
        "Name": spec.name,
    }


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _words(picked: Picked, values: dict[str, float]) -> None:
    """The onset count beside the truth, where the text is known."""
    onsets = values.get("onset_count", values.get("nwords", math.nan))
    if picked.text and not math.isnan(onsets):
        words = len(picked.text.split())
        st.markdown(
            f"The text has **{words} words**; **{onsets:.0f} onsets** were found. "
            f"Onsets are not words. Text: {md(picked.text, 200)}"
        )

"""The second view of the correlations page: which features differ most between two groups."""

import pandas as pd
import streamlit as st

from core.eda import effects
from core.eda.browsing import csv_of
from core.eda.effects import Effects
from core.figures import base
from core.figures import correlations as figures
from core.filters import Selection
from core.safe_text import clean, md
from pages.shared import cache, cautions
from pages.shared import cache_correlations as answers
from pages.shared import correlations_panels as panels
from pages.shared.correlations_code import differences_code
from pages.shared.data import Opened

MEASURES = {"Cliff's delta": "delta", "Cohen's d": "d"}
MEANINGS = {
    "delta": "Cliff's delta: how much more often a value of one group is above one of the other "
    "than below; −1 to 1, the same for any scale, and hardly moved by extreme values.",
    "d": "Cohen's d: the difference of the means in pooled standard deviations; a few extreme "
    "values, such as octave errors of f0, can turn it around.",
}


def page(opened: Opened, chosen: Selection) -> None:
    """Which features differ most between two groups."""
    cells = st.columns(3)
    label = panels.label(opened, cells[0], "Label", "groups_of")
    if label is None:
        st.info("No label of this table has two values or more: there are no groups to compare.")
        return
    values = cache.label_values(opened.key, str(opened.folder), label, 60)
    shown = {v: clean(f"{v:g}" if isinstance(v, float) else v, 60) for v in values}
    first, second = (
        cell.selectbox(text, values, index=i, format_func=shown.get, key=f"{text.lower()}_{label}")
        for i, (cell, text) in enumerate(((cells[1], "Group"), (cells[2], "Against")))
    )
    cells = st.columns(3)
    measure = cells[0].segmented_control(
        "Effect size",
        list(MEASURES),
        default="Cliff's delta",
        required=True,
        key="effect",
        bind="query-params",
    )
    by_speaker = panels.rows(opened, cells[1])
    found = answers.differences(
        opened.key,
        str(opened.folder),
        chosen.to_text(),
        label,
        first,
        second,
        MEASURES[measure],
        by_speaker,
    )
    cautions.beside(opened, chosen, label=label, topics=("missing", "recording"))
    _show_differences(opened, found)
    row = st.container(horizontal=True)
    panels.download(
        row,
        "CSV of the table",
        lambda: csv_of(_effects_table(opened, found)),
        "differences.csv",
    )
    both = (first, second)
    panels.download(
        row,
        "CSV of the clips",
        lambda: answers.differences_csv(str(opened.folder), chosen.to_text(), label, both),
        "clips.csv",
    )
    panels.code(differences_code(label, both, found.measure, by_speaker))


def _show_differences(opened: Opened, found: Effects) -> None:
    said = _effects_said(opened, found)
    st.plotly_chart(
        figures.dots(found, panels.titles(opened)),
        key="dots",
        alt=said,
        config=base.chart_config("differences"),
    )
    st.caption(md(said, 900))
    st.caption(md(MEANINGS[found.measure], 300))
    for caution in effects.cautions(found):
        st.warning(md(caution, 300), icon=":material/warning:")
    with st.expander(f"All {len(found.names)} features", icon=":material/table_rows:"):
        st.dataframe(_effects_table(opened, found), hide_index=True)
    with st.expander("What the features are", icon=":material/info:"):
        for name in found.names[: figures.SHOWN]:
            panels.definition(opened, name)


def _effects_said(opened: Opened, found: Effects) -> str:
    a, b = found.groups
    sides = [
        f"{clean(g.value, 40)} ({g.clips:,} clips, "
        + (f"{g.speakers:,} speakers)" if g.speakers else "speakers not known)")
        for g in (a, b)
    ]
    said = f"{sides[0]} against {sides[1]}"
    said += ", by speaker" if found.by_speaker else ""
    said += f", from a sample of {effects.SAMPLE:,} clips. " if found.sampled else ". "
    top = [
        f"{panels.title(opened, n)} ({e:+.2f}, {lo:+.2f} to {hi:+.2f})"
        for n, e, lo, hi in zip(found.names, found.effect, found.low, found.high, strict=True)
        if lo > 0 or hi < 0
    ]
    said += f"Differ most, with 95 % intervals: {'; '.join(top[:3])}. " if top else ""
    said += f"{len(top)} of {len(found.names)} features have an interval without 0; chance alone "
    said += "gives about 1 in 20. "
    over = "speakers" if found.over_speakers else "clips"
    said += f"Intervals: bootstrap over {over}."
    return said + (f" {found.unlabelled:,} clips are of neither group." if found.unlabelled else "")


def _effects_table(opened: Opened, found: Effects) -> pd.DataFrame:
    a, b = (clean(g.value, 40) for g in found.groups)
    return pd.DataFrame(
        {
            "feature": list(found.names),
            "title": [panels.title(opened, n) for n in found.names],
            "effect": found.effect,
            "low": found.low,
            "high": found.high,
            f"mean {a} (1)": found.means[0],
            f"mean {b} (2)": found.means[1],
            "rows with a value (1)": found.known[0],
            "rows with a value (2)": found.known[1],
        }
    )

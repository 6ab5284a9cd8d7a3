"""The first view of the correlations page: the heat map, one pair, and what both views share."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd
import streamlit as st

from core.eda import correlations
from core.eda.browsing import csv_of
from core.eda.correlations import ALPHA, CODES, MOST, POINTS, Correlations, Pair
from core.figures import base
from core.figures import correlations as figures
from core.filters import Filter, Selection
from core.safe_text import clean, filename, md
from pages.shared import cache as answers
from pages.shared import cache_correlations as cache
from pages.shared import cautions, play, selection
from pages.shared.correlations_code import matrix_code, pair_code
from pages.shared.data import Opened

VIEWS = ["Pairs of features", "Differences of two groups"]
METHODS = {"Pearson": "pearson", "Spearman": "spearman"}
ORDERS = ["As measured", "Clustered"]
ROWS = ["Clips", "Speakers"]
NONE = "Nothing"
ANY_TWO = 3  # clips that a correlation needs
APART = 0.25  # between Pearson and Spearman, above which it is said


@dataclass(frozen=True)
class Look:
    """Columns of the heat map, and how they are correlated."""

    names: tuple[str, ...]
    method: str
    clustered: bool
    by_speaker: bool


def look(opened: Opened) -> Look:
    """The controls of the heat map."""
    choices, readable = cache.choices(opened.key, str(opened.folder))
    cells = st.columns(3)
    method = cells[0].segmented_control(
        "Coefficient",
        list(METHODS),
        default="Pearson",
        required=True,
        key="coefficient",
        bind="query-params",
        help="Spearman correlates ranks: extreme values count no more than others.",
    )
    order = cells[1].segmented_control(
        "Order",
        ORDERS,
        default=ORDERS[0],
        required=True,
        key="order",
        bind="query-params",
        help="Clustered: columns that go together stand side by side.",
    )
    by_speaker = rows(opened, cells[2])
    with st.expander("Columns of the heat map", icon=":material/view_column:"):
        names = st.multiselect(
            "Columns",
            choices,
            default=readable,
            format_func=lambda c: title(opened, c),
            key=f"columns_{opened.chosen.set_name}",
            persist_state="session",
            max_selections=MOST,
            label_visibility="collapsed",
        )
    if len(names) < 2:
        st.info("Choose two columns or more.")
        st.stop()
    return Look(tuple(names), METHODS[method], order == ORDERS[1], by_speaker)


def rows(opened: Opened, cell) -> bool:
    """Whether speakers are averaged; asked only where they are known."""
    known = answers.selection_counts(opened.key, str(opened.folder), "").speakers
    if not known:
        cell.caption("This table names no speakers: every clip counts by itself.")
        return False
    chosen = cell.segmented_control(
        "One row for each of the",
        ROWS,
        default=ROWS[0],
        required=True,
        key="rows",
        bind="query-params",
        help="Speakers: the mean of their clips, so that everybody counts once.",
    )
    return chosen == "Speakers"


def title(opened: Opened, name: str) -> str:
    """A column's name and unit, in plain text."""
    return {"age": "Age group", "gender": "Gender"}.get(name) or clean(
        opened.labels.get(name, name), 80
    )


def titles(opened: Opened) -> dict[str, str]:
    return {name: title(opened, name) for name in opened.columns}


def heat_map(opened: Opened, chosen: Selection, look: Look) -> Correlations:
    """All pairs; a click on a cell opens that pair below."""
    found = cache.matrix(
        opened.key,
        str(opened.folder),
        chosen.to_text(),
        look.names,
        look.method,
        look.by_speaker,
        look.clustered,
    )
    if found.rows < ANY_TWO:
        st.info("Fewer than three clips or speakers are left: clear a condition.")
        st.stop()
    coded = next((n for n in ("gender", "age") if n in found.names), None)
    cautions.beside(opened, chosen, label=coded, topics=("missing", "balance"), features=look.names)
    picked = _picked(found)
    said = _matrix_said(opened, found)
    key = f"heat_{_digest(look, chosen, picked)}"
    st.plotly_chart(
        figures.heat_map(found, titles(opened), picked),
        key=key,
        on_select=lambda: _open_cell(key, found.names),
        selection_mode="points",
        alt=said,
        config=base.chart_config("correlations"),
    )
    st.caption(md(said, 900))
    st.caption(md(_coding(found) + " Click a cell to see its pair below.", 600))
    if not look.by_speaker and found.speakers and found.speakers < found.rows:
        st.warning(
            f"The corrected p-values take {found.rows:,} clips as independent, but they come from "
            f"{found.speakers:,} speakers. Choose one row for each speaker to count voices.",
            icon=":material/warning:",
        )
    _matrix_downloads(opened, chosen, look, found)
    return found


def _picked(found: Correlations) -> tuple[str, str]:
    """The pair that is open: the one clicked, else the one that goes together most."""
    x, y = st.session_state.get("across"), st.session_state.get("up")
    if x in found.names and y in found.names:
        return x, y
    best = correlations.strongest(found, 1)
    x, y = (best[0].x, best[0].y) if best else found.names[:2]
    st.session_state["across"], st.session_state["up"] = x, y
    return x, y


def _open_cell(key: str, names: tuple[str, ...]) -> None:
    points = st.session_state[key]["selection"]["points"]
    for point in points[:1]:
        x, y = round(point["x"]), round(point["y"])
        st.session_state["across"], st.session_state["up"] = names[x], names[y]


def _matrix_said(opened: Opened, found: Correlations) -> str:
    """The finding in sentences, in plain text."""
    what = "speakers" if found.by_speaker else "clips"
    best = [
        f"{title(opened, e.x)} with {title(opened, e.y)} ({e.r:+.2f})"
        for e in correlations.strongest(found)
    ]
    of = "a sample of " if found.rows < found.total else ""
    total = f" of {found.total:,}" if found.rows < found.total else ""
    said = f"{found.method.title()} correlation over {of}{found.rows:,}{total} {what}. "
    said += f"Strongest: {'; '.join(best)}. " if best else "Nothing varies together. "
    p = found.corrected[np.triu_indices(len(found.names), 1)]
    n, unsure = int(np.isfinite(p).sum()), int((p >= ALPHA).sum())
    said += f"{unsure:,} of {n:,} pairs, ringed, are not significant (p at least {ALPHA:g}, "
    said += "corrected after Benjamini and Hochberg)."
    blank = [
        title(opened, c) for c, r in zip(found.names, found.r, strict=True) if np.isnan(r).all()
    ]
    return said + (f" No values or no variation: {', '.join(blank)}." if blank else "")


def _coding(found: Correlations) -> str:
    """How labels became numbers, in plain text."""
    said = "Cells are r × 100; colours are centred at 0."
    if "gender" in found.names:
        said += " Gender: male 0, female 1; others are left out."
    if "age" in found.names:
        said += " Age: " + ", ".join(f"{word} {i}" for i, word in enumerate(CODES["age"][:6]))
        said += " and on." if "age" in found.names else ""
    return said


def _matrix_downloads(opened: Opened, chosen: Selection, look: Look, found: Correlations) -> None:
    row = st.container(horizontal=True)
    download(row, "CSV of the cells", lambda: _cells_csv(found), "correlations.csv")
    download(
        row,
        "CSV of the clips",
        lambda: cache.matrix_csv(str(opened.folder), chosen.to_text(), look.names, look.method),
        "clips.csv",
    )
    code(matrix_code(look.names, look.method, look.by_speaker))


def _cells_csv(found: Correlations) -> bytes:
    i, j = np.triu_indices(len(found.names), 1)
    names = np.array(found.names, dtype=object)
    table = pd.DataFrame({"x": names[i], "y": names[j], "r": found.r[i, j], "n": found.n[i, j]})
    table["p"], table["p_corrected"] = found.p[i, j], found.corrected[i, j]
    return csv_of(table)


def pair(opened: Opened, chosen: Selection, look: Look, found: Correlations) -> None:
    """One pair of columns, its marginals, and a clip to hear."""
    st.subheader("One pair", anchor=False)
    cells = st.columns(3)
    x, y = (
        cell.selectbox(label, look.names, format_func=lambda c: title(opened, c), key=key)
        for cell, label, key in ((cells[0], "Across", "across"), (cells[1], "Up", "up"))
    )
    color = label(opened, cells[2], "Colour by", "colour", none=True)
    if x == y:
        st.info("Choose two different columns.")
        return
    args = (opened.key, str(opened.folder), chosen.to_text())
    shown = cache.pair(*args, x, y, color, look.by_speaker)
    if shown.n < ANY_TWO:
        st.info("Fewer than three clips or speakers have both: choose another pair.")
        return
    said = _pair_said(opened, shown, (x, y), look.by_speaker)
    event = st.plotly_chart(
        figures.scatter(
            shown, x, y, titles(opened), rows="Speakers" if look.by_speaker else "Clips"
        ),
        key=f"pair_{_digest(look.by_speaker, chosen, (x, y, color))}",
        on_select="rerun",
        selection_mode=("points", "box"),
        alt=said,
        config=base.chart_config(filename(f"{x}_{y}")),
    )
    st.caption(md(said, 900))
    for name in (x, y):
        definition(opened, name)
    _hear(opened, shown, event["selection"]["points"], look.by_speaker)
    if not look.by_speaker:
        _keep_box(opened, event["selection"]["box"], (x, y))
    download(
        st,
        "CSV of the clips",
        lambda: cache.pair_csv(args[1], args[2], (x, y), color),
        "pair.csv",
    )
    code(pair_code(x, y, look.by_speaker))


def _pair_said(opened: Opened, shown: Pair, names: tuple[str, str], by_speaker: bool) -> str:
    what = "speakers" if by_speaker else "clips"
    x, y = (title(opened, n) for n in names)
    said = f"{y} against {x}: Pearson r = {shown.pearson:.2f}, Spearman {shown.spearman:.2f}, "
    said += f"{'a sample of ' if shown.sampled else ''}{shown.n:,} {what} that have both."
    if abs(shown.pearson - shown.spearman) > APART:
        said += " The two differ much: a few extreme values carry or hide the relation."
    within = [f"{g} {r:+.2f}" for g, r in zip(shown.groups, shown.r_groups, strict=False) if r == r]
    said += f" Pearson within groups: {', '.join(within)}." if within else ""
    if shown.n > shown.x.size:
        named = shown.groups != ("",)
        said += f" Shown: a sample of {shown.x.size:,} points." if named else " Shown: density."
    coded = [n for n in names if n in CODES]
    dense = shown.n > shown.x.size and shown.groups == ("",)
    said += " Points are spread a little around each code." if coded and not dense else ""
    return said


def definition(opened: Opened, name: str) -> None:
    spec = opened.specs.get(name)
    if spec:
        said = " ".join(filter(None, [spec.about, spec.caveat]))
        st.caption(f"**{md(spec.label)}**: {md(said, 600)} Source: {md(spec.source, 200)}")


def _hear(opened: Opened, shown: Pair, points: list, by_speaker: bool) -> None:
    if shown.n > POINTS and shown.groups == ("",):
        st.caption("Colour by a label, or select fewer clips, to see points that can be heard.")
        return
    at = [p["customdata"] for p in points if p.get("customdata") is not None]
    at = [int(a[0] if isinstance(a, list) else a) for a in at]
    if not at or not 0 <= at[0] < len(shown.clip_ids):
        st.caption(
            "Click a point to hear it; the box in the toolbar of the figure keeps what is in it."
        )
        return
    note = "One clip of this speaker." if by_speaker else ""
    play.clip(opened, shown.clip_ids[at[0]], "pair", note)


def _keep_box(opened: Opened, boxes: list, names: tuple[str, str]) -> None:
    """A box over the points becomes two conditions; codes of labels become none."""
    new = [
        Filter(name, "between", (float(min(ends)), float(max(ends))))
        for box in boxes[:1]
        for name, ends in zip(names, (box["x"], box["y"]), strict=True)
        if name not in CODES
    ]
    if new:
        st.button(
            "Keep only the clips in the box",
            key="keep_box",
            on_click=lambda: [selection.add(opened, condition) for condition in new],
        )


def label(opened: Opened, cell, text: str, key: str, none: bool = False) -> str | None:
    """A label, chosen; None where nothing is, or there are none."""
    labels = cache.groupings(opened.key, str(opened.folder))
    options = [NONE, *labels] if none else list(labels)
    if not options:
        return None
    asked = cell.selectbox(
        text,
        options,
        format_func=lambda c: c if c == NONE else clean(opened.labels.get(c, c), 80),
        key=key,
        bind="query-params",
    )
    return None if asked == NONE else asked


def download(cell, label: str, data, name: str) -> None:
    cell.download_button(
        label,
        data=data,
        file_name=name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"download_{name}_{label}",
    )


def code(text: str) -> None:
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("These lines make the same numbers from the CSV of the clips.")
        st.code(text, language="python")


def _digest(*parts: object) -> str:
    return blake2b(repr(parts).encode(), digest_size=5).hexdigest()

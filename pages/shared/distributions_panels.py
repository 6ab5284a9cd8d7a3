"""The parts of the distributions page: class balance, histogram, boxes, every clip."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.eda import distributions
from core.eda import distributions_code as code
from core.eda.browsing import csv_of
from core.eda.distributions import OTHERS, UNKNOWN, Boxes, Distribution
from core.eda.violins import FEWEST, Violins
from core.figures import base
from core.figures import distributions as figures
from core.filters import Filter, Selection
from core.safe_text import clean, filename, md
from pages.shared import cache_distributions as cache
from pages.shared import play, selection
from pages.shared.data import Opened

VIEWS = ["Class balance", "Histogram", "By label", "Every clip", "Outliers"]
NOTHING = "Nothing"
FEW_SPEAKERS = 5  # in a group, below which it is said
IMBALANCE = 3  # times as many clips in the largest group as in the smallest
MOSTLY_MISSING = 0.5
MORE_STRIPS = 5
BINS = {"25": 0, "50": 400, "100": 1000}  # from how many clips on; the article has 100


@dataclass(frozen=True)
class Look:
    """What is shown: a feature, a label that splits it or None, and whether log1p is taken."""

    column: str
    by: str | None
    log: bool
    title: str
    by_title: str


def _title(opened: Opened, column: str) -> str:
    return clean(opened.labels.get(column, column), 80)


def look(opened: Opened, chosen: Selection, *, split: bool) -> Look:
    """Feature, label and scale."""
    cells = st.columns([4, 3, 2], vertical_alignment="bottom")
    column = cells[0].selectbox(
        "Feature",
        _features(opened),
        index=_first(opened),
        format_func=lambda c: _title(opened, c),
        key="feature",
        bind="query-params",
    )
    by = None
    if split:
        labels = cache.group_labels(opened.key, str(opened.folder))
        asked = cells[1].selectbox(
            "Split by",
            [NOTHING, *labels],
            format_func=lambda c: c if c == NOTHING else _title(opened, c),
            index=1 + labels.index("gender") if "gender" in labels else 0,
            key="by",
            bind="query-params",
        )
        by = None if asked == NOTHING else asked
    log = cells[2].toggle(
        "Log scale",
        key="log",
        bind="query-params",
        help="log1p, the logarithm of 1 + x, as in the article.",
    )
    by_title = _title(opened, by) if by else ""
    return Look(column, by, log, _title(opened, column), by_title)


def _features(opened: Opened) -> tuple[str, ...]:
    return (*opened.workspace.columns, *opened.workspace.check_columns())


def _first(opened: Opened) -> int:
    names = _features(opened)
    return next((names.index(c) for c in ("f0_median_hz", "f0_median") if c in names), 0)


def definition(opened: Opened, shown: Look) -> None:
    """What the feature is, and what to beware of."""
    spec = opened.specs.get(shown.column)
    if spec:
        said = " ".join(filter(None, [spec.about, spec.caveat]))
        st.caption(f"**{md(spec.label)}**: {md(said, 600)} Source: {md(spec.source, 200)}")


def balance(opened: Opened, chosen: Selection) -> None:
    """Clips, seconds and speakers behind every value of a label."""
    labels = cache.group_labels(opened.key, str(opened.folder))
    if not labels:
        st.info("This table has no labels to count.")
        return
    label = st.selectbox(
        "Label",
        labels,
        format_func=lambda c: _title(opened, c),
        index=labels.index("gender") if "gender" in labels else 0,
        key="label",
        bind="query-params",
        width=300,
    )
    found = cache.balance(opened.key, str(opened.folder), chosen.to_text(), label)
    if not found.groups:
        st.info("The selection leaves no clip: clear a condition.")
        return
    said = _balance_said(found)
    measures = ["clips", *(["seconds"] if np.isfinite(found.seconds).any() else [])]
    measures += ["speakers"] if found.speakers is not None else []
    for cell, measure in zip(st.columns(len(measures)), measures, strict=True):
        cell.plotly_chart(
            figures.balance(found, measure),
            key=f"balance_{measure}",
            alt=f"{figures.TITLES[measure]} by {_title(opened, label).lower()}. {said}",
            config=base.chart_config(filename(f"{label}_{measure}")),
        )
    st.caption(md(said, 600))
    for caution in _balance_cautions(found):
        st.warning(md(caution, 300), icon=":material/warning:")
    table = pd.DataFrame({"group": found.groups, "clips": found.clips, "seconds": found.seconds})
    if found.speakers is not None:
        table["speakers"] = found.speakers
    below(
        opened,
        chosen,
        table,
        (label,),
        name=f"balance_{label}",
        lines=code.balance(label, speakers=found.speakers is not None),
    )


def _balance_said(found) -> str:
    total = int(found.clips.sum())
    parts = [
        f"{clean(g, 40)} {n:,} ({n / total:.0%})"
        for g, n in list(zip(found.groups, found.clips, strict=True))[:8]
    ]
    more = f" and {len(found.groups) - 8} more" if len(found.groups) > 8 else ""
    who = f", {found.speakers_in_all:,} speakers" if found.speakers_in_all else ""
    return f"{total:,} clips{who}: {', '.join(parts)}{more}."


def _balance_cautions(found) -> list[str]:
    said = []
    known = [i for i, g in enumerate(found.groups) if g not in (UNKNOWN, OTHERS)]
    total = int(found.clips.sum())
    missing = total - sum(int(found.clips[i]) for i, g in enumerate(found.groups) if g != UNKNOWN)
    if missing:
        said.append(f"{missing:,} of {total:,} clips have no value of this label.")
    if len(known) > 1:
        most, least = (f(known, key=lambda i: found.clips[i]) for f in (max, min))
        times = found.clips[most] / found.clips[least]
        if times >= IMBALANCE:
            said.append(
                f"Imbalance: “{clean(found.groups[most], 40)}” has {times:.1f} times as many clips "
                f"as “{clean(found.groups[least], 40)}”. A model that always says the former "
                f"is right in {found.clips[most] / max(1, total - missing):.0%} of clips."
            )
    if found.speakers is None:
        said.append("Speakers are not known: one voice may stand behind many clips.")
    elif found.label != "speaker_id":
        few = [found.groups[i] for i in known if found.speakers[i] < FEW_SPEAKERS]
        if few:
            shown = ", ".join(f"“{clean(g, 30)}”" for g in few[:6])
            more = f" and {len(few) - 6} more" if len(few) > 6 else ""
            said.append(
                f"Fewer than {FEW_SPEAKERS} speakers stand behind {shown}{more}: what is seen "
                "there may be a trait of these voices."
            )
    return said


def histogram(opened: Opened, chosen: Selection, shown: Look) -> None:
    """The histogram of a feature; a drag over it selects clips."""
    cells = st.columns([2, 2, 3])
    asked = cells[2].segmented_control(
        "Bins", list(BINS), default=str(usual_bins(opened)), required=True, key="bins",
        bind="query-params", help="The article has 100: too fine where there are few clips.",
    )  # fmt: skip
    bins = int(asked)
    place = (opened.key, str(opened.folder), chosen.to_text())
    found = cache.histogram(*place, shown.column, shown.by, shown.log, bins)
    if not found.n:
        st.info("No clip here has a value of this feature.")
        return
    arranged = cells[0].segmented_control(
        "Groups", ["Overlaid", "Stacked"], default="Overlaid", required=True, key="bars",
        bind="query-params", disabled=len(found.groups) < 2,
    )  # fmt: skip
    height = cells[1].segmented_control(
        "Height", ["Count", "Density"], default="Count", required=True, key="height",
        bind="query-params", help="With density, the area of the bars is 1.",
    )  # fmt: skip
    options = {"stacked": arranged == "Stacked", "density": height == "Density"}
    key = f"histogram_{shown.column}_{abs(hash(chosen.to_text()))}"
    said = histogram_said(found, shown)
    st.plotly_chart(
        figures.histogram(found, title=shown.title, **options),
        key=key,
        on_select=lambda: _select_range(opened, key, shown.column, found.log),
        selection_mode="box",
        alt=said,
        config=base.chart_config(filename(shown.column)),
    )
    st.caption(f"{md(said, 600)} Drag over the histogram to select these clips on all pages.")
    skewness_said(found, asked=shown.log)
    cautions(found)
    lines = code.histogram(shown.column, log=found.log, by=shown.by, bins=bins)
    columns = (*([shown.by] if shown.by else []), shown.column)
    below(
        opened, chosen, _bins_table(found), columns, name=f"histogram_{shown.column}", lines=lines
    )


def usual_bins(opened: Opened) -> int:
    """Bins that a data set of this size has at first."""
    clips = opened.workspace.count()
    return max(int(bins) for bins, least in BINS.items() if clips >= least)


def dragged(key: str, log: bool) -> tuple[float, float] | None:
    """The range that was dragged over a histogram, in the feature's unit."""
    boxes_ = st.session_state.get(key, {}).get("selection", {}).get("box", [])
    if not boxes_:
        return None
    low, high = sorted(float(f"{distributions.from_scale(x, log):.5g}") for x in boxes_[0]["x"])
    return (low, high) if high > low else None


def _select_range(opened: Opened, key: str, column: str, log: bool) -> None:
    ends = dragged(key, log)
    if ends:
        selection.add(opened, Filter(column, "between", ends))


def histogram_said(found: Distribution, shown: Look) -> str:
    """The histogram in a sentence."""
    groups = len(found.groups)
    split = f" in {groups} groups by {shown.by_title.lower()}" if shown.by else ""
    reached = np.cumsum([0, *found.counts.sum(axis=0)]) / max(1, found.n)
    low, high = (
        distributions.from_scale(float(np.interp(part, reached, found.edges)), found.log)
        for part in (0.25, 0.75)
    )
    return (
        f"{shown.title} of {found.n:,} clips{split}, from {found.least:,.4g} to {found.most:,.4g}; "
        f"half of them lie between about {low:,.3g} and {high:,.3g}."
    )


def skewness_said(found: Distribution, *, asked: bool) -> None:
    """What the log scale does to skewness."""
    if asked and not found.log:
        st.caption("This feature has negative values: log1p is not taken.")
    if not np.isfinite(found.skew):
        return
    said = f"Skewness {found.skew:.2f}"
    if np.isfinite(found.skew_log):
        better = abs(found.skew_log) < abs(found.skew)
        verdict = "more even" if better else "less even"
        said += f"; after log1p {found.skew_log:.2f}: the log scale makes it {verdict}"
    st.caption(f"{md(said)}. 0 is even on both sides; above 0 the long tail is at high values.")


def cautions(found: Distribution) -> None:
    """Values that are not there."""
    missing = int(found.missing.sum())
    share = missing / max(1, missing + found.n)
    if share > MOSTLY_MISSING:
        st.warning(f"{share:.0%} of the clips have no value of this feature.")
    elif missing:
        st.caption(f"{missing:,} clips have no value of this feature and are not drawn.")


def _bins_table(found: Distribution) -> pd.DataFrame:
    edges = np.expm1(found.edges) if found.log else found.edges
    k, bins = found.counts.shape
    return pd.DataFrame(
        {
            "group": np.repeat(found.groups, bins),
            "from": np.tile(edges[:-1], k),
            "to": np.tile(edges[1:], k),
            "clips": found.counts.ravel(),
        }
    )


def boxes(opened: Opened, chosen: Selection, shown: Look) -> None:
    """Density and box of a feature for every group of a label."""
    place = (opened.key, str(opened.folder), chosen.to_text(), shown.column, shown.by, shown.log)
    found = cache.boxes(*place)
    if not found.n.size:
        st.info("No clip here has a value of this feature.")
        return
    if shown.log and not found.log:
        st.caption("This feature has negative values: log1p is not taken.")
    shapes = cache.shapes(*place)
    middles = np.expm1(found.median) if found.log else found.median
    each = [f"{clean(g, 30) or 'all'} {m:,.4g}" for g, m in zip(found.groups, middles, strict=True)]
    said = f"Medians of {shown.title}: {', '.join(each)}."
    st.plotly_chart(
        figures.boxes(found, shapes, title=shown.title, by=shown.by_title),
        key=f"boxes_{shown.column}",
        alt=said,
        config=base.chart_config(filename(f"{shown.column}_by_{shown.by}")),
    )
    st.caption(f"{md(said, 600)} {md(_boxes_said(shapes), 400)}")
    columns = (*([shown.by] if shown.by else []), shown.column)
    below(
        opened,
        chosen,
        _boxes_table(found),
        columns,
        name=f"boxes_{shown.column}",
        lines=code.boxes(shown.column, log=found.log, by=shown.by),
        more=_densities_table(found, shapes),
    )


def _boxes_said(shapes: Violins) -> str:
    """How the picture is read, in plain text."""
    said = "The box holds the middle half; whiskers end at the last clip within 1.5 box lengths. "
    said += "The shape over it is the density (Gaussian kernels); all shapes have the same area. "
    if not np.isfinite(shapes.bandwidth).all():
        said += f"Groups of fewer than {FEWEST} clips are shown clip by clip. "
    beyond = int(shapes.outside.sum())
    are = "clip lies" if beyond == 1 else "clips lie"
    said += f"{beyond:,} {are} beyond the picture. " if beyond else ""
    return said + "Numbers of clips in brackets."


def _boxes_table(found: Boxes) -> pd.DataFrame:
    table = pd.DataFrame({"group": found.groups, "clips": found.n})
    if found.speakers is not None:
        table["speakers"] = found.speakers
    for name in ("low", "q1", "median", "q3", "high"):
        values = getattr(found, name)
        table[name] = np.expm1(values) if found.log else values
    return table


def _densities_table(found: Boxes, shapes: Violins) -> pd.DataFrame:
    """Densities on the scale that is drawn; few clips one by one."""
    parts = []
    for group, density, points in zip(found.groups, shapes.density, shapes.points, strict=True):
        drawn = pd.DataFrame({"x": shapes.grid, "density": density}).dropna()
        clips = pd.DataFrame({"x": points}).astype("float64")
        parts.append(pd.concat([drawn, clips], ignore_index=True).assign(group=group))
    table = pd.concat(parts, ignore_index=True)[["group", "x", "density"]]
    return table.rename(columns={"x": "log1p"} if found.log else {"x": "value"})


def every_clip(opened: Opened, chosen: Selection, shown: Look) -> None:
    """Every clip as a point, feature by feature; a click plays it."""
    others = [c for c in opened.workspace.columns if c != shown.column]
    more = st.multiselect(
        "More features",
        others,
        format_func=lambda c: _title(opened, c),
        key="more_features",
        max_selections=MORE_STRIPS,
        placeholder="None",
    )
    for column in (shown.column, *more):
        _strip(opened, chosen, shown, column)


def _strip(opened: Opened, chosen: Selection, shown: Look, column: str) -> None:
    found = cache.strip(opened.key, str(opened.folder), chosen.to_text(), column, shown.by)
    title = _title(opened, column)
    if not found.points.size:
        st.info(f"No clip here has a value of {md(title)}.")
        return
    log = shown.log and bool(found.points.min() >= 0)
    drawn = "" if found.of == found.points.size else " (a sample, with all extremes in it)"
    said = f"{title} of {found.points.size:,} of {found.of:,} clips{drawn}, in table order."
    event = st.plotly_chart(
        figures.strip(found, title=title, log=log),
        key=f"strip_{column}_{abs(hash(chosen.to_text()))}",
        on_select="rerun",
        selection_mode="points",
        alt=said,
        config=base.chart_config(filename(f"{column}_every_clip")),
    )
    st.caption(f"{md(said, 300)} Click a point to hear it.")
    points = event["selection"]["points"]
    at = round(points[0]["x"]) if points else -1
    if 0 <= at < found.points.size:
        note = f"{title}: {found.points[at]:,.5g}"
        play.clip(opened, str(found.clip_ids[at]), f"strip_{column}", note)
    groups = np.array(found.groups, dtype=object)[found.group]
    table = {"clip_id": found.clip_ids, "group": groups, column: found.points}
    columns = (*([shown.by] if shown.by else []), column)
    below(
        opened,
        chosen,
        pd.DataFrame(table),
        columns,
        name=f"every_clip_{column}",
        lines=code.strip(column),
    )


def below(
    opened: Opened,
    chosen: Selection,
    drawn: pd.DataFrame,
    columns: tuple[str, ...],
    *,
    name: str,
    lines: str,
    more: pd.DataFrame | None = None,
) -> None:
    """Downloads of what is drawn and of the clips behind it, and the code that makes it anew."""
    left, middle, right = st.columns([2, 2, 3])
    left.download_button(
        "CSV of the plot",
        data=lambda: csv_of(drawn),
        file_name=filename(f"{name}.csv"),
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"csv_{name}",
        width="stretch",
    )
    text, folder = chosen.to_text(), str(opened.folder)
    middle.download_button(
        "CSV of the clips",
        data=lambda: csv_of(cache.clips(folder, text, columns)),
        file_name="clips.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"clips_{name}",
        width="stretch",
    )
    if more is not None:
        right.download_button(
            "CSV of the shapes",
            data=lambda: csv_of(more),
            file_name=filename(f"{name}_shapes.csv"),
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=f"more_{name}",
        )
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("These lines count anew what is drawn, from “CSV of the clips”.")
        st.code(lines, language="python")

"""Panels of the report page: the download, and what the report will say."""

from datetime import UTC, datetime

import streamlit as st

from core import report
from core.eda.browsing import csv_of
from core.eda.distributions import Distribution
from core.figures import chart_config
from core.figures.distributions import histogram
from core.filters import Selection
from core.report import Measures, Sheet, Spread
from core.safe_text import clean, filename, md
from pages.shared import cache, cache_distributions, cache_report, cautions
from pages.shared.data import Opened

SHORT = 12  # rows of a table that is shown whole
NOT_SPLIT = "nothing"
CODE = """import pandas as pd

clips = pd.read_csv({file!r})
features = {columns!r}

quartiles = clips[features].quantile([0.25, 0.5, 0.75]).T
no_value = clips[features].isna().mean() * 100  # in %
correlations = clips[features].corr(min_periods=3)
print(quartiles.join(no_value.rename("no value")))
"""


def split(opened: Opened) -> str | None:
    """The label that splits the histograms; None for none."""
    labels = cache_distributions.group_labels(opened.key, str(opened.folder))
    labels = [c for c in labels if c not in ("speaker_id", "text")]
    options = [NOT_SPLIT, *labels]
    chosen = st.selectbox(
        "Split histograms by",
        options,
        index=options.index("gender") if "gender" in options else 0,
        format_func=lambda c: opened.labels.get(c, c),
        key="report_split",
        bind="query-params",
        width=320,
    )
    return None if chosen == NOT_SPLIT else chosen


def page(
    opened: Opened, chosen: Selection, by: str | None, place: st.delta_generator.DeltaGenerator
) -> None:
    """The report's contents, and in ``place`` the button that gives the file."""
    at = (opened.key, str(opened.folder), chosen.to_text())
    counted, measured = cache_report.sheet(*at), cache_report.measures(*at)
    drawn = cache_report.spreads(*at, by)
    if not counted.clips:
        st.info("No clip is selected: clear a condition above to have something to report.")
        return
    with place:
        _download(opened, chosen, counted, measured, drawn)
    _totals(counted)
    cautions.show(opened, chosen, open_=True)
    st.subheader("Main features", anchor=False)
    _main(opened, measured, drawn)
    st.subheader("Labels", anchor=False)
    _labels(opened, counted)
    st.subheader("Features", anchor=False)
    _features(opened, chosen, measured)


def _download(
    opened: Opened,
    chosen: Selection,
    counted: Sheet,
    measured: Measures,
    drawn: tuple[Spread, ...],
) -> None:
    name = filename(f"{_name(opened)}_report.html")
    st.download_button(
        "Download the report",
        data=lambda: _file(opened, chosen, counted, measured, drawn),
        file_name=name,
        mime="text/html",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
        key="report_file",
        help="One HTML file: data sheet, cautions, labels, histograms, correlations and every "
        "feature with its definition. It opens offline, on a phone, and prints.",
    )


def _file(
    opened: Opened,
    chosen: Selection,
    counted: Sheet,
    measured: Measures,
    drawn: tuple[Spread, ...],
) -> bytes:
    at = (opened.key, str(opened.folder), chosen.to_text())
    counts = cache.selection_counts(*at)
    return report.to_html(
        counted,
        measured,
        drawn,
        cache_report.cautions(*at),
        name=_name(opened),
        sentence=chosen.sentence(counts.clips, counts.total, counts.speakers, opened.labels),
        specs=opened.specs,
        titles=opened.labels,
        made=f"{datetime.now(UTC):%Y-%m-%d}",
    )


def _name(opened: Opened) -> str:
    return opened.workspace.status().name or opened.folder.name


def _totals(counted: Sheet) -> None:
    found = report.totals(counted)
    for cell, (name, value) in zip(st.columns(len(found)), found.items(), strict=True):
        cell.metric(name, value)


def _main(opened: Opened, measured: Measures, drawn: tuple[Spread, ...]) -> None:
    """The main features' histograms, as they are in the report."""
    st.caption(f"Of {measured.rows:,} clips. {report.TAILS}")
    cells = []
    for i, spread in enumerate(drawn):
        cells = cells if i % 2 else st.columns(2)
        none = spread.sizes * 0
        found = Distribution(
            *(spread.column, False, spread.edges, spread.groups, spread.counts, none),
            *(float("nan"), float("nan"), float(spread.edges[0]), float(spread.edges[-1])),
        )
        title = clean(opened.labels.get(spread.column, spread.column), 60)
        said = report.spread_sentence(spread, opened.labels)
        fig = histogram(found, title=title, density=True).update_layout(height=250, dragmode=False)
        with cells[i % 2]:
            config = chart_config(filename(f"{_name(opened)}_{spread.column}"))
            st.plotly_chart(fig, key=f"report_{spread.column}", config=config, alt=said)
            st.caption(md(said, 400))


def _labels(opened: Opened, counted: Sheet) -> None:
    if not counted.balances:
        st.caption("No label is known for these clips.")
        return
    for start in range(0, len(counted.balances), 2):
        for cell, found in zip(st.columns(2), counted.balances[start : start + 2], strict=False):
            title = opened.labels.get(found.label, found.label)
            cell.markdown(f"**{md(title, 60)}**")
            top = f"{title}: {found.groups[0]} has most clips, {found.clips[0]:,}."
            cell.dataframe(
                report.balance_rows(found),
                hide_index=True,
                key=f"label_{found.label}",
                alt=top,
            )


def _features(opened: Opened, chosen: Selection, measured: Measures) -> None:
    rows = report.feature_rows(measured, opened.labels)
    said = f"Quartiles of {len(rows):,} features over {measured.rows:,} clips"
    counted = opened.workspace.count(chosen.where())
    said += f", a sample of {counted:,}." if counted > measured.rows else "."
    height = "content" if len(rows) <= SHORT else 420
    st.dataframe(rows, hide_index=True, key="features", height=height, alt=said)
    st.caption(said)
    with st.expander("What each feature is"):
        st.markdown("\n".join(_definition(opened, name) for name in measured.columns))
    with st.expander("Show the code"):
        st.caption("It makes these numbers from the clips' table, as CSV.")
        file = filename(f"{_name(opened)}_clips.csv")
        st.code(CODE.format(file=file, columns=list(measured.columns)), language="python")
        st.download_button(
            "The clips' table (CSV)",
            data=lambda: _table(opened, chosen),
            file_name=file,
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="report_csv",
        )


def _definition(opened: Opened, name: str) -> str:
    spec = opened.specs.get(name)
    about = " ".join(filter(None, [spec.about, spec.caveat])) if spec else ""
    return f"- **{md(opened.labels.get(name, name), 80)}**: {md(about, 600)}"


def _table(opened: Opened, chosen: Selection) -> bytes:
    names = [c for c in opened.columns if c not in ("path", "size", "mtime_ns")]
    found = opened.workspace.features(names, where=chosen.where())
    return csv_of(found)

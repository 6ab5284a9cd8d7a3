"""Outlier rules on the distributions page: setting them, their ledger, their sound, their recipe.

State: ``rules`` in the address holds ``Recipe.to_text()``; ``distributions_rules`` keeps them while
another page is open.
"""

from pathlib import Path

import numpy as np
import streamlit as st

from core import recipes
from core.eda import distributions_code as code
from core.eda import outliers
from core.eda.browsing import csv_of
from core.eda.outliers import Bound, Step
from core.errors import ParameterError, VoiceError
from core.figures import base
from core.figures import distributions as figures
from core.filters import Selection
from core.recipes import Recipe, Rule
from core.safe_text import clean, filename, md
from pages.shared import cache_distributions as cache
from pages.shared import cautions, play
from pages.shared import distributions_panels as panels
from pages.shared.data import Opened
from pages.shared.distributions_panels import Look
from pages.shared.errors import sentence

PARAM, KEPT = "rules", "distributions_rules"
KINDS = {
    "Cut-off": "cut",
    "z-score": "zscore",
    "Robust (MAD)": "mad",
    "Missing values": "missing",
}
THIS, ALL = "This feature", "All features"
SIDES = {"low": "Lower end", "high": "Upper end"}
MEANING = {
    "cut": "Keeps the clips between two values. Drag over the histogram, or type them.",
    "zscore": "Keeps the clips within so many standard deviations of the mean. Outliers widen the "
    "deviation that is to find them.",
    "mad": "The same with median and median deviation (× 1.4826), which outliers hardly move.",
    "missing": "Takes away the clips without a value.",
}


def current(opened: Opened) -> Recipe:
    """The rules in the address, or those of before; rules on other tables' columns wait."""
    text = st.query_params.get(PARAM) or st.session_state.get(KEPT, "")
    try:
        found = Recipe.from_text(text) if text else Recipe()
    except ParameterError as err:
        st.warning(sentence(err))
        found = Recipe()
    return found.fitting(opened.columns)


def put(recipe: Recipe) -> None:
    """Make these the rules."""
    st.session_state[KEPT] = st.query_params[PARAM] = recipe.to_text() if recipe.rules else ""
    if not recipe.rules:
        del st.query_params[PARAM]


def _add(opened: Opened, *rules: Rule) -> None:
    try:
        recipe = current(opened)
        for rule in rules:
            recipe = recipe.adding(rule)
        put(recipe)
    except ParameterError as err:
        st.toast(sentence(err))


def page(opened: Opened, chosen: Selection, shown: Look) -> None:
    """Everything about outliers."""
    rules = current(opened).rules
    where = (opened.key, str(opened.folder), chosen.to_text())
    steps = cache.ledger(*where, rules) if rules else ()
    _histogram(opened, chosen, shown, rules, steps)
    _new_rule(opened, shown)
    if not rules:
        st.info("No rule yet: drag over the histogram, or add one.")
        _open_recipe(opened)
        return
    _list(opened, rules, steps)
    if any(rule.kind == "missing" for rule in rules):
        cautions.beside(opened, chosen, features=opened.workspace.columns)
    _ledger(opened, steps)
    _hear(opened, chosen, rules, steps)
    _recipe(opened, chosen, rules)


def _histogram(
    opened: Opened, chosen: Selection, shown: Look, rules: tuple[Rule, ...], steps: tuple[Step, ...]
) -> None:
    place = (opened.key, str(opened.folder), chosen.to_text())
    bins = panels.usual_bins(opened)
    found = cache.histogram(*place, shown.column, None, shown.log, bins)
    if not found.n:
        st.info("No clip here has a value of this feature.")
        return
    low, high = _kept_of(shown.column, steps)
    key = f"outliers_{shown.column}_{abs(hash((chosen, rules, shown.log)))}"
    said = panels.histogram_said(found, shown)
    kept = _range_said(low, high)
    said += f" The rules keep {kept}." if kept else ""
    st.plotly_chart(
        figures.histogram(found, title=shown.title, cuts=(low, high)),
        key=key,
        on_select=lambda: _cut_at_drag(opened, key, shown.column, found.log),
        selection_mode="box",
        alt=said,
        config=base.chart_config(filename(f"{shown.column}_rules")),
    )
    st.caption(f"{md(said, 600)} Drag over the histogram: what you mark is kept.")
    panels.skewness_said(found, asked=shown.log)
    panels.cautions(found)


def _cut_at_drag(opened: Opened, key: str, column: str, log: bool) -> None:
    ends = panels.dragged(key, log)
    if ends:
        _add(opened, Rule("cut", (column,), *ends))


def _kept_of(column: str, steps: tuple[Step, ...]) -> tuple[float | None, float | None]:
    """The narrowest range that the rules leave of a feature."""
    bounds = [b for s in steps for b in s.bounds if b.column == column]
    lows = [b.low for b in bounds if b.low is not None]
    highs = [b.high for b in bounds if b.high is not None]
    return max(lows, default=None), min(highs, default=None)


def _range_said(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f"{low:,.4g} and above"
    return f"{high:,.4g} and below" if low is None else f"{low:,.4g} to {high:,.4g}"


def _new_rule(opened: Opened, shown: Look) -> None:
    cells = st.columns([3, 2, 2, 2.4, 1.6], vertical_alignment="bottom")
    name = cells[0].selectbox("Rule", list(KINDS), key="rule_kind")
    kind = KINDS[name]
    new, ready = Rule("missing", (shown.column,)), True
    if kind == "cut":
        low = cells[1].number_input("At least", value=None, key=f"cut_low_{shown.column}")
        high = cells[2].number_input("At most", value=None, key=f"cut_high_{shown.column}")
        ready = low is not None or high is not None
        if low is not None and high is not None:
            low, high = min(low, high), max(low, high)
        new = Rule("cut", (shown.column,), low, high) if ready else new
    else:
        columns = _scope(cells[1], shown)
        new = Rule("missing", columns)
        if kind != "missing":
            default = 3.0 if kind == "zscore" else 3.5
            limit = cells[2].number_input("At most", 0.5, 20.0, default, 0.5, key=f"limit_{kind}")
            log = cells[3].toggle("On the log scale", value=True, key="rule_log", help=LOG_HELP)
            new = Rule(kind, columns, limit=limit, log=log)
    cells[4].button(
        "Add rule", type="primary", key="rule_add", disabled=not ready, width="stretch",
        on_click=_add, args=(opened, new),
    )  # fmt: skip
    left, right = st.columns([5, 2], vertical_alignment="center")
    left.caption(MEANING[kind])
    right.button(
        "The article's rules",
        key="rules_article",
        width="stretch",
        on_click=_add,
        args=(opened, *recipes.article_rules()),
        help="No missing values; then |z| > 3 of all features, log1p of all but words_per_second.",
    )


LOG_HELP = "log1p of features without negative values, but for words_per_second, as in the article."


def _scope(cell, shown: Look) -> tuple[str, ...]:
    scope = cell.selectbox("On", [THIS, ALL], key="rule_scope")
    return (shown.column,) if scope == THIS else ()


def _list(opened: Opened, rules: tuple[Rule, ...], steps: tuple[Step, ...]) -> None:
    st.subheader("Ledger", anchor=False)
    recipe = Recipe(rules)
    with st.container(horizontal=True):
        for i, (rule, step) in enumerate(zip(rules, steps, strict=False)):
            words = rule.words(opened.labels)
            if rule.kind in ("zscore", "mad") and len(step.bounds) == 1:
                words += f" ({_range_said(*step.bounds[0][1:]) or 'nothing varies'})"
            st.button(
                f"✕ {md(words, 100)}",
                key=f"rule_clear_{i}",
                on_click=put,
                args=(recipe.without(i),),
                help="Take out this rule.",
            )
        st.button(
            "Clear all rules", key="rules_clear", type="tertiary", on_click=put, args=(Recipe(),)
        )


def _ledger(opened: Opened, steps: tuple[Step, ...]) -> None:
    whole = steps[-1].everybody
    kept = whole.clips - whole.clips_lost
    cells = st.columns(3)
    cells[0].metric("Clips kept", f"{kept:,} of {whole.clips:,}")
    hours = [f"{s / 3600:,.2f}" for s in (whole.seconds - whole.seconds_lost, whole.seconds)]
    known = np.isfinite(whole.seconds)
    cells[1].metric("Hours kept", f"{hours[0]} of {hours[1]}" if known else "not known")
    speakers = "not known"
    if whole.speakers is not None:
        speakers = f"{whole.speakers - whole.speakers_lost:,} of {whole.speakers:,}"
    cells[2].metric("Speakers kept", speakers, help="A speaker is lost with the last clip.")
    _findings(opened, steps)
    table = outliers.table(steps, opened.labels)
    table["label"] = table["label"].map(lambda c: opened.labels.get(c, c) or "everybody")
    places = [len(steps) - 1, *range(len(steps) - 1)]
    at = st.selectbox(
        "What is lost to",
        places,
        format_func=lambda i: _step_said(opened, steps, i),
        key="ledger_step",
    )
    at = at if at < len(steps) else len(steps) - 1
    size = len(steps[at].losses)
    first = sum(len(step.losses) for step in steps[:at])
    rows = table.iloc[first : first + size].drop(columns="rule").dropna(axis=1, how="all")
    st.dataframe(
        rows,
        hide_index=True,
        column_config=_columns(),
        height="content",
        alt="The ledger of the rules.",
    )
    _loss_figures(opened, steps[at])
    st.caption(_method(whole.speakers is not None))
    st.download_button(
        "CSV of the ledger",
        data=lambda: csv_of(table),
        file_name="ledger.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="csv_ledger",
    )


def _findings(opened: Opened, steps: tuple[Step, ...]) -> None:
    """Which groups pay: for all rules together, and folded for each of them."""
    each = outliers.findings(steps, opened.labels)
    whole = outliers.findings(steps[-1:], opened.labels) if len(steps) > 2 else each
    if whole:
        st.warning("  \n".join(md(said, 400) for said in whole), icon=":material/balance:")
    else:
        st.caption("No group pays significantly more than the rest.")
    single = [said for said in each if said not in whole]
    if single:
        with st.expander(f"Rule by rule: {len(single)} differences", icon=":material/balance:"):
            st.markdown("\n\n".join(md(said, 400) for said in single))


def _step_said(opened: Opened, steps: tuple[Step, ...], at: int) -> str:
    rule = steps[at].rule if at < len(steps) else None
    return f"Rule {at + 1}: {rule.words(opened.labels)}" if rule else "All rules together"


def _method(speakers: bool) -> str:
    said = "Bars are 95 % intervals (Wilson); p-values compare a group with the rest (Fisher's "
    said += "exact test, Holm-corrected). "
    if speakers:
        return said + "Clips of one speaker go together: both count fewer clips where they do."
    return said + (
        "Speakers are not known, so every clip counts as a voice of its own: the intervals are "
        "too narrow where one voice stands behind many clips."
    )


def _columns() -> dict:
    number = st.column_config.NumberColumn
    names = {
        "label": "Label", "group": "Group", "clips_kept": "Clips kept",
        "clips_lost": "lost", "speakers_kept": "Speakers kept", "speakers_lost": "lost ",
    }  # fmt: skip
    config = dict(names)
    config |= {
        "hours_kept": number("Hours kept", format="%.3f"),
        "hours_lost": number("lost  ", format="%.3f"),
        "loss_pct": number("Lost (%)", format="%.2f"),
        "loss_low_pct": number("from (%)", format="%.2f"),
        "loss_high_pct": number("to (%)", format="%.2f"),
        "p": number("p", format="%.2g", help="Chance of so large a difference from the rest."),
    }
    return config


def _loss_figures(opened: Opened, whole: Step) -> None:
    labels = list(dict.fromkeys(x.label for x in whole.losses[1:]))
    shown = {name: tuple(x for x in whole.losses if x.label == name) for name in labels}
    shown = {name: rows for name, rows in shown.items() if len(rows) > 1}
    if not shown:
        st.caption("There is no label here to compare groups by.")
        return
    for cell, (name, rows) in zip(st.columns(len(shown)), shown.items(), strict=True):
        each = [f"{clean(x.value, 30)} {x.rate:.1%}" for x in rows]
        title = clean(opened.labels.get(name, name), 40)
        said = f"Clips lost, by {title.lower()}: {', '.join(each)}."
        with cell:
            st.markdown(f"**{md(title)}**")
            st.plotly_chart(
                figures.losses(rows, whole.everybody),
                key=f"losses_{name}",
                alt=said,
                config=base.chart_config(filename(f"lost_by_{name}")),
            )
            st.caption(md(said, 400))


def _hear(
    opened: Opened, chosen: Selection, rules: tuple[Rule, ...], steps: tuple[Step, ...]
) -> None:
    st.subheader("Hear the cut", anchor=False)
    cuts = {
        (i, b.column, side): (b, side)
        for i, step in enumerate(steps[:-1])
        for b in step.bounds
        for side in SIDES
        if getattr(b, side) is not None
    }
    if not cuts:
        st.caption("These rules have no cut to listen at.")
        return
    left, right = st.columns([5, 2], vertical_alignment="bottom")
    at = left.selectbox(
        "Cut", list(cuts), format_func=lambda k: _cut_said(opened, rules, k, cuts[k][0]), key="cut"
    )
    if not right.toggle("Show the clips", key="hear"):
        return
    found = cache.at_the_cut(opened.key, str(opened.folder), chosen.to_text(), rules, *at)
    title = clean(opened.labels.get(at[1], at[1]), 60)
    for cell, name, clips in zip(
        st.columns(2), ("Kept", "Lost"), (found.kept, found.lost), strict=True
    ):
        with cell:
            st.markdown(f"**{name}**, nearest to the cut first")
            if not clips:
                st.caption("No clip.")
            for clip_id, value in clips:
                play.clip(opened, clip_id, f"{name}_{clip_id}", f"{title}: {value:,.5g}")


def _cut_said(opened: Opened, rules: tuple[Rule, ...], key: tuple, bound: Bound) -> str:
    i, column, side = key
    name = clean(opened.labels.get(column, column), 60)
    return f"Rule {i + 1}, {name}, {SIDES[side].lower()}: {getattr(bound, side):,.5g}"


def _recipe(opened: Opened, chosen: Selection, rules: tuple[Rule, ...]) -> None:
    st.subheader("Recipe", anchor=False)
    recipe = Recipe(rules, chosen.to_text() if chosen else "")
    folder, text = str(opened.folder), chosen.to_text()
    cells = st.columns(3, vertical_alignment="bottom")
    cells[0].download_button(
        "Save the recipe",
        data=lambda: recipe.to_text().encode() + b"\n",
        file_name="recipe.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        key="recipe_save",
        width="stretch",
        help="The selection and its rules, in order.",
    )
    cells[1].download_button(
        "CSV of the clips kept",
        data=lambda: cache.kept_csv(folder, text, rules),
        file_name="kept.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="csv_kept",
        width="stretch",
    )
    columns = tuple(dict.fromkeys([*(c for r in rules for c in r.columns), *_all(opened, rules)]))
    cells[2].download_button(
        "CSV of the clips",
        data=lambda: csv_of(cache.clips(folder, text, columns)),
        file_name="clips.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="clips_rules",
        width="stretch",
        help="Before the rules.",
    )
    st.caption("The command line takes the same clips away, and prints the ledger:")
    name = Path(opened.folder).name
    st.code(f"python -m core recipe recipe.json {name} --out kept.csv", language="bash")
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("These lines apply the rules anew, to “CSV of the clips”.")
        st.code(code.outliers(rules, opened.workspace.columns), language="python")
    _open_recipe(opened)


def _all(opened: Opened, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    return opened.workspace.columns if any(not r.columns for r in rules) else ()


def _open_recipe(opened: Opened) -> None:
    with st.expander("Open a recipe", icon=":material/upload_file:"):
        file = st.file_uploader("A recipe saved here", type="json", key="recipe_file")
        if file is None:
            return
        try:
            found = Recipe.from_text(file.getvalue())
            fitting = found.fitting(opened.columns)
        except VoiceError as err:
            st.error(sentence(err))
            return
        words = [r.words(opened.labels) for r in fitting.rules]
        st.markdown(
            "  \n".join(f"{i + 1}. {md(w, 200)}" for i, w in enumerate(words)) or "No rule."
        )
        lost = len(found.rules) - len(fitting.rules)
        if lost:
            st.warning(f"{lost} of its rules are on columns that this table does not have.")
        st.caption("Its selection is not applied here; the command line does so.")
        st.button("Use these rules", key="recipe_use", on_click=put, args=(fitting,))

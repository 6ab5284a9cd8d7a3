"""What a model's file tells on the Evaluate page: its card and its search.

Texts come from the file and are shown letter by letter.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from core.eda.browsing import csv_of
from core.figures import chart_config
from core.figures import models as figures
from core.models import card as cards
from core.models.curves import search_curves
from core.models.families import MODELS
from core.models.search import SCORE_COLUMNS
from core.safe_text import clean, md
from pages.shared import cache_models as cache
from pages.shared import evaluate_code as code
from pages.shared.data import Opened
from pages.shared.models import Judged

MOST_LINES = 20
NO_SHARE = ("AUC", "R²")  # scores that are no share of clips


def card(opened: Opened, judged: Judged) -> None:
    """Trained on what and whom, how good, and its limits."""
    told, about = judged.card, judged.trained.about
    who = f", {told['speakers']:,} known speakers" if told.get("speakers") else ""
    who = who or "; no speaker is known"
    title = str(told.get("title", judged.name))
    st.subheader(md(title[:1].upper() + title[1:], 90), anchor=False)
    st.markdown(
        f"Trained on {int(number(told.get('clips'), 0)):,} clips{who} "
        f"({md(told.get('data', ''), 160)}). "
        f"{md(_model_label(judged))}, split by "
        f"{md(judged.trained.params.split)}, {len(judged.trained.columns):,} inputs of "
        f"{md(about.get('feature_set', ''), 40)}."
    )
    left, right = st.columns(2, gap="large")
    with left:
        _scores(judged)
    with right:
        _counts(told.get("counts", {}))
    limits = [md(v, 300) for v in list(told.get("limits", ()))[:MOST_LINES]]
    st.markdown("\n".join(f"- {v}" for v in limits))
    with st.expander("Settings and versions"):
        _settings(judged)
    st.download_button(
        "The card as text",
        data=lambda: cards.to_markdown(told),
        file_name=f"{judged.stem}.md",
        mime="text/markdown",
        icon=":material/download:",
        on_click="ignore",
        key="evaluate_card",
    )


def _scores(judged: Judged) -> None:
    told = judged.card
    scores = {**told.get("scores", {}), **told.get("baselines", {})}
    share = {n: bool(judged.trained.labels) and not n.startswith(NO_SHARE) for n in scores}
    st.dataframe(
        {
            "Score": [clean(n, 40) for n in scores],
            "Value": [_shown(number(v.get("value")), share[n]) for n, v in scores.items()],
            "95 % interval": [_between(v, share[n]) for n, v in scores.items()],
        },
        hide_index=True,
        alt="Scores of the card with their intervals.",
    )


def _counts(counts: Mapping[str, Any]) -> None:
    if not counts:
        return
    st.dataframe(
        {
            "Label": [clean(n, 40) for n in counts],
            "Clips": [v.get("clips") for v in counts.values()],
            "Speakers": [v.get("speakers") for v in counts.values()],
        },
        hide_index=True,
        alt="Clips and speakers of each label.",
    )


def _settings(judged: Judged) -> None:
    about, params = judged.trained.about, judged.trained.params
    settings = about.get("settings", dict(params.settings))
    kept = {**dict(settings), **about.get("versions", {}), "seed": params.seed}
    st.dataframe(
        {
            "Setting": [clean(n, 40) for n in kept],
            "Value": [clean(v, 80) for v in kept.values()],
        },
        hide_index=True,
        alt="Settings and versions of the model.",
    )


def search(opened: Opened, judged: Judged) -> None:
    """The search of settings as a table and as curves."""
    rows = judged.trained.rows
    if rows is None:
        st.info("This model was trained without a search: its settings are on its card.")
        return
    shown = rows.sort_values("rank")
    first = [n for n in ("rank", "validation_mean", "validation_sd") if n in shown]
    shown = shown[first + [n for n in shown.columns if n not in first]].copy()
    for name in shown.columns:
        if name not in SCORE_COLUMNS:
            values = ["none" if v is None or v != v else clean(v, 30) for v in shown[name]]
            numeric = shown[name].dtype.kind in "if" and shown[name].notna().all()
            shown[name] = shown[name] if numeric else values
    st.caption(
        "One row a setting, mean and deviation over folds; click a heading to sort. The score on "
        "top of the page comes from searches inside the folds, so it may be lower than the best "
        "row here."
    )
    st.dataframe(
        shown,
        hide_index=True,
        height=260,
        column_config=_search_columns(years=not judged.trained.labels),
        alt=f"{len(rows)} settings, best first.",
    )
    numbers = [
        n
        for n in rows.columns
        if n not in SCORE_COLUMNS and rows[n].dtype.kind in "if" and rows[n].nunique() > 1
    ]
    numbers = [n for n in numbers if rows[n].notna().all()]
    if numbers:
        many = max(range(len(numbers)), key=lambda i: rows[numbers[i]].nunique())
        setting = st.selectbox(
            "Draw the scores against", numbers, index=many, key="evaluate_setting"
        )
        best = shown.iloc[0]
        st.plotly_chart(
            figures.search_panels(search_curves(rows, setting)),
            key="evaluate_search",
            config=chart_config(f"search_{judged.stem}"),
            alt=f"Training and validation scores against {setting}; best {best[setting]}.",
        )
        st.caption(
            f"Bands are one deviation over folds. The best row has {md(setting)} = "
            f"{md(best[setting])}. Where training is far above validation, the model learns its "
            "clips by heart."
        )
    download(judged, "search", code.search(judged.stem, numbers), lambda: csv_of(shown))


def download(judged: Judged, what: str, lines: str, data: Any = None) -> None:
    """A CSV, by default of the answers, and the lines that make its numbers anew."""
    found, _ = cache.answers(judged.which)
    st.download_button(
        "CSV of the search" if what == "search" else "CSV of the answers",
        data=data or (lambda: cache.csv(found)),
        file_name=f"{what}_{judged.stem}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"evaluate_csv_{what}",
    )
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("These lines make the numbers anew from the CSV above.")
        st.code(lines, language="python")


def number(value: Any, default: float = float("nan")) -> float:
    """A number of a card; ``default`` where it is none."""
    return float(value) if isinstance(value, int | float) else default


def _model_label(judged: Judged) -> str:
    """The family of the model as people read it."""
    key = judged.trained.params.model
    usual = MODELS[key].label if key in MODELS else key
    return str(judged.trained.about.get("model_label", usual))


def _shown(value: float, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.3f}"


def _between(found: dict, share: bool) -> str:
    low, high = number(found.get("low")), number(found.get("high"))
    if low == high:
        return "exact"
    if not np.isfinite([low, high]).all():
        return "not known"
    return f"{_shown(low, share).removesuffix(' %')} – {_shown(high, share)}"


def _search_columns(*, years: bool) -> dict[str, Any]:
    """Headings of the search's scores; errors in years are negative there."""
    unit = ", negative error" if years else ""
    names = {"validation": f"Validation{unit}", "train": f"Training{unit}"}
    found: dict[str, Any] = {"rank": "Rank"}
    for name, label in names.items():
        found[f"{name}_mean"] = st.column_config.NumberColumn(label, format="%.3f")
        found[f"{name}_sd"] = st.column_config.NumberColumn("± deviation", format="%.3f")
    found["seconds"] = st.column_config.NumberColumn("Time (s)", format="%.3f")
    return found

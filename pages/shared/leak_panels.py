"""Tests of a model that fit many others: learning curve, importance, Leak lab, shortcuts.

Each is one button, a job, and a result that stays with the data set.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from core import jobs
from core.eda.browsing import csv_of
from core.figures import chart_config
from core.figures import models as figures
from core.models.curves import Importance, LearningCurve
from core.models.leaks import LeakLab, Repeats
from core.models.shortcuts import Shortcuts
from core.safe_text import clean, md
from pages.shared import evaluate_code as code
from pages.shared import models
from pages.shared import train_panels as train
from pages.shared.data import Opened
from pages.shared.errors import show_errors
from pages.shared.models import Judged

NOT_HERE = (
    "This needs the clips that the model was trained on, and they are not in this data set: open "
    "theirs, or train a model here."
)
LEARNING_ABOUT = (
    "Models of the same settings learn from more and more speakers and are asked about speakers "
    "held out. A curve that still rises asks for more voices."
)
IMPORTANCE_ABOUT = (
    "Inputs that go together are shuffled at once among held-out clips; what the score loses is "
    "what the model takes from them. It says what this model uses, not what voices differ in."
)
LEAK_ABOUT = (
    "Every speaker gets one of two labels by a coin: nothing in a voice can tell them, so an "
    "honest score is 50 %. What a split claims above it is voices that it knows again."
)
REPEATS_ABOUT = (
    "Where no speaker is known, the nearest other clip tells: if it shares the label more often "
    "than merely similar clips do, voices probably repeat."
)
SHORTCUT_ABOUT = (
    "The same model hears no voice, only length, level, noise, file type and bit rate. Above "
    "chance, the label goes together with how clips were recorded."
)


def learning(opened: Opened, judged: Judged) -> None:
    """Score against the number of speakers learnt from."""
    unit = "speakers" if judged.trained.params.split == "speaker" else "clips"
    _test(opened, judged, "learning", f"Learning curve in {unit}", LEARNING_ABOUT, _draw_learning)


def importance(opened: Opened, judged: Judged) -> None:
    """What the model takes its answers from."""
    _test(
        opened,
        judged,
        "importance",
        "Permutation importance",
        IMPORTANCE_ABOUT,
        lambda found, judged: _draw_importance(found, judged, opened.labels),
    )


def leaks(opened: Opened, judged: Judged) -> None:
    """Leak lab or, without speakers, whether voices repeat; and the shortcut check."""
    found = judged.trained.predictions.speakers
    if found is not None and any(found):
        _test(opened, judged, "leak", "Leak lab", LEAK_ABOUT, _draw_leak)
    else:
        st.warning(
            "No speaker is known here: how much a split by clip lets through cannot be measured, "
            "only suspected.",
            icon=":material/warning:",
        )
        _test(opened, judged, "repeats", "Do voices repeat?", REPEATS_ABOUT, _draw_repeats)
    st.divider()
    _test(
        opened,
        judged,
        "shortcuts",
        "Shortcut check",
        SHORTCUT_ABOUT,
        lambda found, judged: _draw_shortcuts(found, judged, opened.labels),
    )


def _test(
    opened: Opened,
    judged: Judged,
    kind: str,
    title: str,
    about: str,
    draw: Callable[[Any, Judged], None],
) -> None:
    """Heading, what it asks, and its result, its progress or its button."""
    st.subheader(title, anchor=False)
    st.caption(about)
    if not judged.own:
        st.info(NOT_HERE)
        return
    job = models.check_job(opened.folder, judged.path, kind)
    found = models.check_result(job)
    if found is not None:
        draw(found, judged)
        return
    running = job.status()["state"] == "running"
    watch = st.fragment(_watch, run_every=1.0 if running else None, key=f"watch_{kind}")
    watch(opened, judged, kind, job, running)


def _watch(opened: Opened, judged: Judged, kind: str, job: jobs.Job, was_running: bool) -> None:
    now = job.status()
    if now["state"] == "running":
        train.progress(now, job, key=f"cancel_{kind}", what="steps")
        return
    if was_running:
        st.rerun()
    if now["state"] == "failed":
        st.error(md(now["message"].removeprefix("The job ended before it was done. "), 400))
    if now["state"] == "cancelled":
        st.info("Cancelled; nothing was kept.")
    if st.button("Run it", type="primary", key=f"start_{kind}", icon=":material/play_arrow:"):
        with show_errors():
            models.start_check(opened.folder, judged.path, kind)
        st.rerun()
    st.caption("Runs in the background: seconds for some hundred clips, minutes for thousands.")


def _draw_learning(found: LearningCurve, judged: Judged) -> None:
    st.plotly_chart(
        figures.learning(found),
        key="leaks_learning",
        config=chart_config(f"learning_{judged.stem}"),
        alt=f"Score against {found.unit} learnt from. {found.sentence}",
    )
    st.caption(f"{found.sentence} The band is one deviation over {found.scores.shape[1]} draws.")
    rows = [
        {"learnt_from": int(n), "repeat": r, "score": float(v)}
        for n, scores in zip(found.units, found.scores, strict=True)
        for r, v in enumerate(scores)
    ]
    _below(judged, "learning", rows)


def _draw_importance(found: Importance, judged: Judged, titles: dict[str, str]) -> None:
    first = clean(found.names[0], 60)
    name = clean(titles.get(first.partition(" and ")[0], first.partition(" and ")[0]), 60)
    lost, unit = found.drops[0].mean(), "years"
    if found.metric != "mae":
        lost, unit = 100 * lost, "points of balanced accuracy"
    said = f"Most is lost without {name} and what goes with it: {lost:.1f} {unit}."
    st.plotly_chart(
        figures.importance_bars(found, titles),
        key="leaks_importance",
        config=chart_config(f"importance_{judged.stem}"),
        alt=f"Loss when inputs are shuffled. {said}",
    )
    more = f" The {_bars(found)} most important of {len(found.names):,} are drawn."
    st.caption(md(f"{said}{more} Whiskers are one deviation over the shuffles.", 500))
    rows = [
        {"inputs": n, "columns": ", ".join(m), "repeat": r, "lost": float(v)}
        for n, m, drops in zip(found.names, found.members, found.drops, strict=True)
        for r, v in enumerate(drops)
    ]
    _below(judged, "importance", rows)


def _bars(found: Importance) -> int:
    """How many bars are drawn."""
    return min(20, len(found.names))


def _draw_leak(found: LeakLab, judged: Judged) -> None:
    st.plotly_chart(
        figures.leak_bars(found),
        key="leaks_leak",
        config=chart_config(f"leak_lab_{judged.stem}"),
        alt=f"What each split claims on random labels. {found.sentence}",
    )
    inflated = float(found.clip.mean() - found.chance) >= 0.05
    (st.warning if inflated else st.success)(md(found.sentence, 400))
    st.caption(
        f"{found.clips:,} clips, {len(found.clip)} draws of labels (the points), the model's own "
        "family."
    )
    rows = [
        {"split": split, "repeat": r, "balanced_accuracy": float(v)}
        for split in ("clip", "speaker")
        for r, v in enumerate(getattr(found, split))
    ]
    _below(judged, "leak", rows)


def _draw_repeats(found: Repeats, judged: Judged) -> None:
    (st.warning if found.warns else st.info)(md(found.sentence, 600))
    st.dataframe(
        {
            "Neighbour": [f"{r}." for r in found.ranks],
            "Has the same label": [f"{100 * v:.0f} %" for v in found.agreement],
            "Expected": [f"{100 * found.expected:.0f} %"] * len(found.ranks),
        },
        hide_index=True,
        alt="How often neighbours share the label, by their rank.",
    )
    rows = [
        {"rank": int(r), "same_label": float(v), "expected": found.expected}
        for r, v in zip(found.ranks, found.agreement, strict=True)
    ]
    _below(judged, "repeats", rows)


def _draw_shortcuts(found: Shortcuts, judged: Judged, titles: dict[str, str]) -> None:
    st.plotly_chart(
        figures.shortcut_dots(found, titles),
        key="leaks_shortcuts",
        config=chart_config(f"shortcuts_{judged.stem}"),
        alt=f"Scores of what tells about the recording. {found.sentence}",
    )
    (st.warning if found.warns else st.success)(md(found.sentence, 600))
    st.caption("The dotted line is guessing; a column whose whole interval beats it is orange.")
    both = [("all together", found.score), *found.alone]
    rows = [
        {"column": n, "value": v.value, "low": v.low, "high": v.high, "chance": found.chance}
        for n, v in both
    ]
    _below(judged, "shortcuts", rows)


def _below(judged: Judged, kind: str, rows: list[dict]) -> None:
    """Download and code of what a test found."""
    import pandas as pd

    table = pd.DataFrame(rows)
    st.download_button(
        "CSV of the test",
        data=lambda: csv_of(table),
        file_name=f"{kind}_{judged.stem}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"csv_{kind}",
    )
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("These lines read what is drawn from “CSV of the test”.")
        st.code(code.test(kind, judged.stem), language="python")

"""All of a visitor's recordings put to one model, by a job that can be watched and cancelled.

State: ``predict_batch`` is the run that was started last. Its job is ``python -m core predict``, in
a folder of the session's own that goes when the session does; what it prints are the answers.
"""

import json
from typing import Any

import pandas as pd
import streamlit as st

from core import jobs
from core.audio import ClipRef
from core.errors import VoiceError
from core.safe_text import clean, md
from pages.shared import cache_predict, session
from pages.shared.errors import sentence
from pages.shared.inputs import reset_window
from pages.shared.predict_model import Asked, Model

COLUMNS = {
    "file": "File",
    "label": "Answer",
    "value": "Answer (years)",
    "probability": "Probability",
    "abstained": "Would rather not say",
    "reasons": "Reasons",
    "error": "Error",
}


def own_files(asked: Asked) -> None:
    """All of the visitor's recordings in one table, asked by a job that can be cancelled."""
    clips = session.mine().clips
    if len(clips) < 2:
        return
    st.subheader(f"Your {len(clips)} recordings", anchor=False)
    run = st.session_state.get("predict_batch")
    running = run is not None and run["stopped"] is None and _state(run) == "running"
    if not running:
        st.button(
            f"Ask about all {len(clips)}",
            key="predict_all",
            on_click=_start,
            args=(asked.model, asked.threshold, {i: ref for i, (_, ref) in clips.items()}),
            type="primary" if run is None else "secondary",
            help=f"At most {session.MAX_UPLOADS} recordings are kept; for more run "
            "`python -m core predict FILE...`.",
        )
    for text in st.session_state.pop("predict_errors", []):
        st.error(text, icon=":material/error:")
    if run is not None:
        st.fragment(_watch, run_every=1.0 if running else None)(running)


def _start(model: Model, threshold: float, refs: dict[str, ClipRef]) -> None:
    """Callback: ask about all recordings in a process of its own, in a folder of the session's."""
    turn = st.session_state["predict_runs"] = st.session_state.get("predict_runs", 0) + 1
    folder = session.mine().folder / "predict"
    with session.for_somebody():
        folder.mkdir(exist_ok=True)
    words = ["predict", f"--model={model.path}"]
    words += [f"--threshold={threshold:.2f}"] if model.labels else []
    try:
        jobs.start([*words, *(ref.path for ref in refs.values())], folder / f"run-{turn}")
    except VoiceError as err:
        st.session_state["predict_errors"] = [sentence(err)]
        return
    ids = {ref.path: clip_id for clip_id, ref in refs.items()}
    st.session_state["predict_batch"] = {
        "folder": folder / f"run-{turn}",
        "ids": ids,
        "labels": model.labels,
        "model": model.name,
        "stopped": None,
    }


def _state(run: dict[str, Any]) -> str:
    return jobs.Job(run["folder"]).status()["state"]


def _watch(was_running: bool) -> None:
    """Progress and a way to end it; then the table."""
    run = st.session_state["predict_batch"]
    rows, total = _rows(run), len(run["ids"])
    state = "cancelled" if run["stopped"] is not None else _state(run)
    if state == "running":
        left, right = st.columns([6, 1], vertical_alignment="bottom")
        left.progress(len(rows) / total, text=f"{len(rows):,} of {total:,} recordings")
        right.button("Cancel", key="predict_cancel", on_click=_cancel, width="stretch")
    elif was_running:
        st.rerun()
    elif state == "failed":
        st.error(f"It stopped: {md(jobs.Job(run['folder']).status()['message'], 300)}")
    elif state == "cancelled":
        st.info(f"Cancelled after {len(rows):,} of {total:,} recordings.")
    if rows:
        _table(run, rows)


def _cancel() -> None:
    """Callback: what was answered stays; the process ends within seconds."""
    run = st.session_state["predict_batch"]
    st.session_state["predict_batch"] = {**run, "stopped": len(_rows(run))}
    jobs.Job(run["folder"]).cancel()


def _rows(run: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers that the job has printed so far."""
    try:
        lines = (run["folder"] / "job.log").read_text(errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:  # a warning, or a line that is being written
            continue
        if isinstance(told, dict) and told.get("file") in run["ids"]:
            found.append(told)
    return found[: run["stopped"]]


def _table(run: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    clips = session.mine().clips
    table = pd.DataFrame([_flat(told, run["labels"]) for told in rows])
    ids = [run["ids"][told["file"]] for told in rows]
    table["file"] = [clips[i][0] if i in clips else "no longer kept" for i in ids]
    shown = table.rename(columns=COLUMNS)
    shown["File"] = [clean(name, 80) for name in shown["File"]]
    st.dataframe(
        shown[[c for c in COLUMNS.values() if c in shown]],
        hide_index=True,
        height=36 * min(len(shown), 10) + 38,
        key="predict_rows",
        on_select=lambda: _open(ids),
        selection_mode="single-row",
        column_config={
            "Probability": st.column_config.NumberColumn(format="%.3f"),
            "Reasons": st.column_config.TextColumn(width="large"),
        },
        alt="The model's answer about each of your recordings.",
    )
    silent = int(table["abstained"].eq(True).sum())
    wrong = int(table["error"].ne("").sum())
    st.caption(
        f"Answered {len(table) - silent - wrong:,}, rather not {silent:,}, could not be read "
        f"{wrong:,}. By the model {md(run['model'], 60)}. Select a row to see that recording."
    )
    st.download_button(
        "Download CSV",
        data=lambda: cache_predict.csv_of_rows(table),
        file_name="answers.csv",
        mime="text/csv",
        icon=":material/download:",
        key="predict_batch_csv",
        on_click="ignore",
    )


def _flat(told: dict[str, Any], labels: tuple[str, ...]) -> dict[str, Any]:
    """One row of the table, with the columns of core.models.predict.predict_many."""
    first = ("label", "probability") if labels else ("value",)
    found = {"file": told["file"]} | {name: told.get(name) for name in first}
    found |= {"abstained": told.get("abstained"), "reasons": " ".join(told.get("reasons", ()))}
    found["error"] = told.get("error", "")
    given = told.get("probabilities", {})
    return found | {f"p_{name}": given.get(name) for name in labels}


def _open(ids: list[str]) -> None:
    """Callback of the table: the row that was selected is the recording above."""
    rows = st.session_state["predict_rows"].selection.rows
    if rows and rows[0] < len(ids) and ids[rows[0]] in session.mine().clips:
        st.session_state["mine"] = ids[rows[0]]
        reset_window()

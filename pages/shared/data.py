"""Data sets on the pages: choosing one, measuring it in a job of its own, showing its table."""

from dataclasses import dataclass
from hashlib import blake2b
import math
import os
from pathlib import Path
import tempfile

import streamlit as st

from core import datasets, jobs
from core.features import FEATURE_SETS, FeatureSpec, feature_set
from core.safe_text import filename, md
from core.store import Workspace
from pages.shared import cache
from pages.shared.errors import show_errors

DEMO, FOLDER = "Demo set", "Folder"
CLEANING = {"": "As recorded", "article": "Denoise and trim first, as the article"}
PAGE_ROWS = 100
LABELS = {
    "clip_id": "Clip",
    "speaker_id": "Speaker",
    "gender": "Gender",
    "age": "Age group",
    "age_decade": "Age (decade)",
    "accent": "Accent",
    "locale": "Language",
    "text": "Text",
    "duration": "Duration, as labelled (s)",
    "split": "Split",
}


@dataclass(frozen=True)
class Chosen:
    """A data set, what is measured on it, and the folder that remembers."""

    path: str
    set_name: str
    cleaning: str

    @property
    def is_demo(self) -> bool:
        """Whether this is the built-in set."""
        return self.path == str(datasets.demo_folder())

    @property
    def workspace(self) -> Path:
        """Folder of the workspace: one for each data set and way of measuring it."""
        root = os.environ.get("PHONOSCOPE_WORKSPACES") or Path.home() / ".phonoscope" / "workspaces"
        key = "\n".join([os.path.abspath(self.path), self.set_name, self.cleaning])
        digest = blake2b(key.encode("utf-8", "surrogateescape"), digest_size=5).hexdigest()
        return Path(root) / f"{filename(Path(self.path).name)}-{self.set_name}-{digest}"

    @property
    def command(self) -> list[str]:
        """The words after ``python -m core`` that measure it."""
        words = ["extract", self.path, "--workspace", str(self.workspace), "--set", self.set_name]
        return words + (["--clean", self.cleaning] if self.cleaning else [])


@dataclass(frozen=True)
class Opened:
    """A workspace as pages use it; ``key`` changes when its content does and names caches."""

    chosen: Chosen
    workspace: Workspace
    key: tuple
    columns: tuple[str, ...]
    numeric: tuple[str, ...]
    specs: dict[str, FeatureSpec]
    labels: dict[str, str]

    @property
    def folder(self) -> Path:
        """Folder of the workspace."""
        return self.workspace.folder


def open_workspace() -> Opened:
    """The data set chosen in the sidebar, measured; the page stops with a hint where it is not."""
    with st.sidebar:
        chosen = choose()
    if not (chosen.workspace / "plan.json").is_file():
        st.info("Nothing is measured on this data set yet. Measure it here, or choose another.")
        measure(chosen)
        st.stop()
    with show_errors():
        workspace = Workspace.open(chosen.workspace)
        if not workspace.count():
            st.info("Nothing is measured yet.")
            measure(chosen)
            st.stop()
    specs = {spec.name: spec for spec in feature_set(chosen.set_name).specs}
    names = (*workspace.label_columns(), *workspace.columns)
    labels = {n: _title(specs[n]) if n in specs else LABELS.get(n, n) for n in names}
    numeric = tuple(n for n in names if n in specs or n in ("age_decade", "duration"))
    return Opened(chosen, workspace, workspace.key, names, numeric, specs, labels)


def choose() -> Chosen:
    """The data set and what is measured on it; the page stops where no folder is named yet."""
    source = st.segmented_control(
        "Data set",
        [DEMO, FOLDER],
        default=DEMO,
        required=True,
        key="data_source",
        persist_state="session",
        width="stretch",
    )
    path = str(datasets.demo_folder())
    if source == FOLDER:
        path = st.text_input(
            "Folder, table or archive",
            key="data_folder",
            persist_state="session",
            placeholder="/data/common_voice/en",
            help="Common Voice, LibriSpeech, VCTK, AudioMNIST and others are recognised; so is any "
            "folder of recordings.",
        ).strip()
    set_name = st.selectbox(
        "Features",
        list(FEATURE_SETS)[::-1],
        key="data_set",
        bind="query-params",
        help="voice-v1 is made for voices; article-v1 has the article's columns.",
    )
    cleaning = st.selectbox(
        "Signal",
        list(CLEANING),
        format_func=CLEANING.get,
        key="data_clean",
        persist_state="session",
    )
    if not path:
        st.info("Name the folder of a data set.")
        st.stop()
    return Chosen(path, set_name, cleaning)


def recognised(chosen: Chosen) -> None:
    """What the data set is: layout, clips, speakers, labels, and what could not be used."""
    with show_errors():
        found = cache.dataset_facts(chosen.path)
    counts = found["counts"]
    cells = st.columns(4)
    cells[0].metric("Clips", f"{counts['clips']:,}")
    cells[1].metric("Speakers", f"{counts['speakers']:,}" if counts["speakers"] else "not known")
    cells[2].metric("Layout", md(found["layout"]))
    cells[3].metric("Problems", f"{found['problems']:,}", help="Rows that cannot be used.")
    labels = {"gender": "Gender", "age_decade": "Age", "locale": "Language", "split": "Split"}
    said = []
    for name, label in labels.items():
        by = [f"{_label(value)} ({n:,})" for value, n in list(counts[name].items())[:8]]
        more = [f"{len(counts[name]) - 8} others"] if len(counts[name]) > 8 else []
        if by:
            said.append(f"**{label}**: {', '.join(by + more)}")
    st.caption("  \n".join(said) or "No labels.")
    if found["problems"]:
        with st.expander(f"{found['problems']:,} rows cannot be used"):
            st.dataframe(found["problem_rows"], hide_index=True)


def _label(value: object) -> str:
    """A label as shown; decades of age are numbers."""
    return f"{value} to {value + 9}" if isinstance(value, int) else md(value, 30)


def measure(chosen: Chosen) -> None:
    """Start, watch and cancel the job that measures; it runs on when the page is left."""
    job = jobs.Job(chosen.workspace)
    running = job.status()["state"] == "running"
    _progress(chosen, run_every=1.0 if running else None)


def _progress(chosen: Chosen, run_every: float | None) -> None:
    st.fragment(_watch, run_every=run_every)(chosen, run_every is not None)


def _watch(chosen: Chosen, was_running: bool) -> None:
    job = jobs.Job(chosen.workspace)
    now = job.status()
    if now["state"] == "running":
        share = now["done"] / now["total"] if now["total"] else 0.0
        left, right = st.columns([6, 1], vertical_alignment="bottom")
        left.progress(min(1.0, share), text=_said(now))
        if right.button("Cancel", key="job_cancel", width="stretch"):
            job.cancel()
        return
    if was_running:
        st.rerun()
    if now["state"] == "failed":
        st.error(f"Measuring stopped: {md(now['message'], 300)}")
    if now["state"] == "cancelled":
        st.info("Cancelled. What was measured is kept; measuring again goes on from there.")
    if st.button("Measure", type="primary", key="job_start", help="Only what is missing is done."):
        with show_errors():
            jobs.start(chosen.command, chosen.workspace)
        st.rerun()


def _said(now: dict) -> str:
    parts = [f"{now['done']:,} of {now['total']:,} clips, {now['failed']:,} failed"]
    if now["rate"]:
        parts.append(f"{now['rate']:.1f} clips/s")
    if now["eta_s"]:
        parts.append(f"about {math.ceil(now['eta_s'])} s to go")
    return ", ".join(parts) if now["total"] else "Starting…"


def table(chosen: Chosen) -> None:
    """The clips measured so far, a page at a time, sorted by any column."""
    if not (chosen.workspace / "plan.json").is_file():
        st.info("Nothing measured yet. Press Measure: it runs in the background.")
        return
    with show_errors():
        workspace = Workspace.open(chosen.workspace)
        status = workspace.status()
    st.caption(
        f"{status.done:,} clips measured, {status.failed:,} failed, {status.missing:,} to go."
    )
    if status.failed:
        with st.expander(f"{status.failed:,} clips could not be measured"):
            st.dataframe(workspace.failures(), hide_index=True)
    if not status.done:
        return
    specs = {spec.name: spec for spec in feature_set(chosen.set_name).specs}
    columns = ["clip_id", "speaker_id", "gender", "age", "locale", "text", *specs]
    columns = [c for c in columns if c in {*workspace.label_columns(), *specs}]
    titles = {c: _title(specs[c]) if c in specs else c for c in columns}
    cells = st.columns([3, 2, 3], vertical_alignment="bottom")
    order = cells[0].selectbox("Sort by", columns, format_func=titles.get, key="data_order")
    down = cells[1].toggle("Largest first", key="data_down")
    with cells[2]:
        page = st.pagination(-(-status.done // PAGE_ROWS), key=f"data_page_{order}_{down}")
    rows = workspace.page(
        order, PAGE_ROWS, (page - 1) * PAGE_ROWS, descending=down, columns=columns
    )
    st.dataframe(rows, hide_index=True, column_config=_columns(specs, columns))
    st.caption(
        "Point at a column's name for its meaning. Onsets are not words; the article's tempo "
        "follows the length of a clip; pitch over 10 to 8,000 Hz makes octave errors."
    )
    _exports(workspace, chosen)


def _title(spec) -> str:
    return f"{spec.label} ({spec.unit})" if spec.unit else spec.label


def _columns(specs: dict, columns: list[str]) -> dict:
    config = {"clip_id": st.column_config.TextColumn(pinned=True)}
    for name in columns:
        if name in specs:
            spec = specs[name]
            text = " ".join(filter(None, [spec.about, spec.caveat]))
            config[name] = st.column_config.NumberColumn(_title(spec), help=text, format="%.4g")
    return config


def _exports(workspace: Workspace, chosen: Chosen) -> None:
    left, right, _ = st.columns([1, 1, 4])
    for cell, kind in ((left, "csv"), (right, "parquet")):
        cell.download_button(
            f"Download {kind.upper() if kind == 'csv' else 'Parquet'}",
            data=lambda kind=kind: _file(workspace, kind),
            file_name=filename(f"{Path(chosen.path).name}_{chosen.set_name}.{kind}"),
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
        )


def _file(workspace: Workspace, kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table.{kind}"
        workspace.export(path, kind)
        return path.read_bytes()

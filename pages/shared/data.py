"""Data sets on the pages: choosing one, measuring it in a job of its own, showing its table."""

from dataclasses import dataclass
from hashlib import blake2b
import math
import os
from pathlib import Path

import streamlit as st

from core import datasets, jobs, serving
from core.eda import browsing
from core.errors import VoiceError
from core.features import FEATURE_SETS, FeatureSpec
from core.safe_text import filename, md
from core.store import Workspace, import_table, is_imported
from pages.shared import cache, cache_browse, progress
from pages.shared.errors import show_errors

DEMO, FOLDER = "Demo set", "Folder"
MEASURED, TABLE = "Measured here", "Its own table"
CLEANING = {"": "As recorded", "article": "Denoise and trim first, as the article"}
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
    "label_duration": "Duration, as labelled (s)",
    "gender_original": "Gender, as written",
    "path": "File",
    "size": "File size (bytes)",
    "mtime_ns": "File time (ns)",
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
    def is_table(self) -> bool:
        """Whether the numbers are those of a table that came with the data set."""
        return self.set_name == "table"

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

    @property
    def has_sound(self) -> bool:
        """Whether there are recordings behind the numbers."""
        return cache_browse.has_sound(self.key, str(self.folder))


def open_workspace() -> Opened:
    """The data set chosen in the sidebar, measured; the page stops with a hint where it is not."""
    with st.sidebar:
        chosen = choose()
    found = opened(chosen)
    if found is None:
        st.info("Nothing is measured on this data set yet. Measure it here, or choose another.")
        measure(chosen)
        st.stop()
    return found


def opened(chosen: Chosen) -> Opened | None:
    """The workspace of a chosen data set; None where nothing is measured yet.

    A table that came with the data set is imported at once where that has not been done.
    """
    st.session_state["data_chosen"] = chosen  # for pages without this choice, such as the clip's
    with show_errors():
        if chosen.is_table and not is_imported(chosen.path, chosen.workspace):
            with st.spinner("Reading the table…"):
                import_table(datasets.open_dataset(chosen.path), chosen.workspace)
        if not (chosen.workspace / "plan.json").is_file():
            return None
        workspace = Workspace.open(chosen.workspace)
        if not workspace.count():
            return None
    numbers = (*workspace.columns, *workspace.check_columns())
    specs = browsing.specs_of(chosen.set_name, numbers)
    names = (*workspace.label_columns(), *numbers)
    labels = {n: title(specs[n]) if n in specs else LABELS.get(n, n) for n in names}
    numeric = tuple(n for n in names if n in specs or n in ("age_decade", "duration"))
    return Opened(chosen, workspace, workspace.key, names, numeric, specs, labels)


def last_chosen() -> Chosen:
    """The data set this visitor looked at last; the demo set where there was none."""
    demo = Chosen(str(datasets.demo_folder()), "voice-v1", "")
    return st.session_state.get("data_chosen", demo)


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
            "folder of recordings, and a table of features (CSV or Parquet) without its sound.",
        ).strip()
        if not path:
            st.info("Name the folder of a data set.")
            st.stop()
        with show_errors():
            serving.check_folder(path, always=[datasets.demo_folder()])
        if _numbers(path) == TABLE:
            return Chosen(path, "table", "")
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
    return Chosen(path, set_name, cleaning)


def _numbers(path: str) -> str:
    """Whose numbers: measured here, or those of the table that came with the data set."""
    try:
        kind = cache_browse.kind(path)
    except VoiceError:
        return MEASURED  # the page says what is wrong, where it opens the data set
    if not kind.has_audio:
        st.caption("This table came without sound: everything works but listening.")
        return TABLE
    if not kind.has_table:
        return MEASURED
    by_table = os.path.isfile(path)
    return st.segmented_control(
        "Numbers",
        [MEASURED, TABLE],
        default=TABLE if by_table else MEASURED,
        required=True,
        key=f"data_numbers_{by_table}",
        persist_state="session",
        help="Features measured here, or the table as it came with the recordings.",
        width="stretch",
    )


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
    for note in found["notes"]:
        st.caption(f":material/info: {md(note, 300)}")
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
        progress.running(now, job, key="job_cancel", said=_said(now))
        return
    if was_running:
        st.rerun()
    if now["state"] == "failed":
        st.error(f"Measuring stopped: {md(now['message'], 300)}")
    if now["state"] == "cancelled":
        st.info("Cancelled. What was measured is kept; measuring again goes on from there.")
    again = (chosen.workspace / "plan.json").is_file()
    if st.button(
        "Measure what is new" if again else "Measure",
        type="secondary" if again else "primary",
        key="job_start",
        help="Only what is missing or has changed is measured.",
    ):
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


def title(spec: FeatureSpec) -> str:
    """Label and unit of a feature, in plain text."""
    return f"{spec.label} ({spec.unit})" if spec.unit else spec.label

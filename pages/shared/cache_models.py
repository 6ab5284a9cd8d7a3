"""Cached answers of the model pages; keys are small, see ``cache``.

A model is named by its path and its stamp (``models.stamp``). Opened models and their answers are
kept in the visitor's own caches: a model may be an upload.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from core.eda.browsing import csv_of
from core.eda.selecting import selected
from core.errors import VoiceError
from core.models import baselines, compare, evaluate, files, groups, judge, table
from core.models.base import Predictions, TrainParams
from core.models.checks import TheseClips
from core.models.compare import Comparison
from core.models.files import Loaded
from core.models.groups import GroupScore
from core.models.judge import Calibration, Cell, Coverage, Scores
from core.store import Workspace

FEW_VALUES = 24  # of a label that makes groups
NOT_GROUPS = ("clip_id", "path", "text", "size", "mtime_ns", "speaker_id", "row", "label_duration")


class Choices(NamedTuple):
    """What a workspace offers for learning."""

    targets: tuple[str, ...]
    inputs: tuple[str, ...]
    usual: tuple[str, ...]
    extra: tuple[str, ...]
    speakers: int
    clips: int


class Preview(NamedTuple):
    """What would be learnt from, or the sentence that says why nothing can be."""

    about: dict[str, Any]
    columns: int
    wrong: str


class Which(NamedTuple):
    """A model's file and which answers of it: its own held-out ones, or about a selection."""

    path: str
    stamp: tuple[int, int]
    key: tuple
    folder: str
    selection: str | None


@st.cache_data(max_entries=32, show_spinner=False)
def choices(key: tuple, folder: str, notes: int) -> Choices:
    """Targets, inputs and labels of a workspace; ``notes`` changes when its tags do."""
    from core.eda import mel_images
    from core.models import embeddings

    workspace = Workspace.open(folder)
    there = list(table.inputs(workspace))
    there += ["image"] if len(mel_images.open_images(workspace)) else []
    there += ["embedding"] if embeddings.available(workspace) else []
    labels = workspace.label_columns()
    many = _values(workspace, labels)
    many |= {"age_years": many.get("age_decade", 0)}
    return Choices(
        tuple(t for t in table.targets(workspace) if t.startswith("tag:") or many[t] > 1),
        tuple(there),
        table.default_inputs(workspace),
        tuple(n for n in ("gender", "age", "accent", "locale") if n in labels),
        many.get("speaker_id", 0),
        workspace.count(),
    )


@st.cache_data(max_entries=64, show_spinner="Counting clips…")
def preview(key: tuple, folder: str, selection: str, params: TrainParams, notes: int) -> Preview:
    """Clips and speakers of each class; pictures are not read for it."""
    workspace = Workspace.open(folder)
    light = tuple(n for n in params.inputs if n not in ("image", "embedding"))
    light = light or table.default_inputs(workspace) or params.inputs
    try:
        made = table.learn_table(
            workspace, selected(workspace, selection), replace(params, inputs=light)
        )
    except VoiceError as err:
        return Preview({}, 0, str(err))
    return Preview(made.about, len(made.columns), "")


@st.cache_data(max_entries=16, show_spinner="Looking for the author's table…")
def article(key: tuple, folder: str) -> Preview:
    """What the article's pipeline would be trained on."""
    from core.models import preset

    try:
        made = preset.article_table(Workspace.open(folder))
    except VoiceError as err:
        return Preview({}, 0, str(err))
    return Preview(made.about, len(made.columns), "")


@st.cache_resource(scope="session", max_entries=4, show_spinner="Opening the model…")
def loaded(path: str, stamp: tuple[int, int]) -> Loaded:
    """See core.models.files.load."""
    return files.load(path)


@st.cache_data(scope="session", max_entries=64, show_spinner=False)
def known_here(key: tuple, folder: str, path: str, stamp: tuple[int, int]) -> float:
    """The share of a model's answered clips that are in this workspace, 0 to 1."""
    ids = loaded(path, stamp).trained.predictions.clip_ids
    if not len(ids):
        return 0.0
    these = TheseClips(tuple(str(c) for c in ids))
    return Workspace.open(folder).count(these.where()) / len(ids)


@st.cache_resource(scope="session", max_entries=8, show_spinner="Asking the model…")
def answers(which: Which) -> tuple[Predictions, tuple[str, ...]]:
    """Answers of a model, and what to know about them."""
    opened = loaded(which.path, which.stamp)
    if which.selection is None:
        return opened.trained.predictions, ()
    workspace = Workspace.open(which.folder)
    found = evaluate.evaluate(opened, workspace, selected(workspace, which.selection))
    return found.predictions, found.warnings


@st.cache_data(scope="session", max_entries=16, show_spinner="Redrawing speakers…")
def scores(which: Which) -> Scores:
    """Scores of its answers beside the baselines, the pitch alone among them where it can be."""
    predictions, _ = answers(which)
    pitch = None
    if which.selection is None and predictions.y.size:
        pitch = _pitch_only(Workspace.open(which.folder), which, predictions)
    return judge.judge(predictions, f0_only=pitch)


def _pitch_only(workspace: Workspace, which: Which, predictions: Predictions) -> Predictions | None:
    columns = [n for n in baselines.PITCH if n in workspace.columns]
    here = known_here(which.key, which.folder, which.path, which.stamp)
    if not columns or here < 1 or len(set(predictions.fold.tolist())) < 2:
        return None
    trained = loaded(which.path, which.stamp).trained
    these = TheseClips(tuple(str(c) for c in predictions.clip_ids))
    params = replace(trained.params, inputs=("features",))
    try:
        found = table.learn_table(workspace, these, params, features=columns)  # type: ignore[arg-type]
        return baselines.f0_only(found, predictions)
    except VoiceError:
        return None


@st.cache_data(max_entries=32, show_spinner=False)
def group_labels(key: tuple, folder: str) -> tuple[str, ...]:
    """Labels of two to 24 values."""
    workspace = Workspace.open(folder)
    names = [n for n in workspace.label_columns() if n not in NOT_GROUPS]
    many = _values(workspace, names)
    return tuple(n for n in names if 1 < many[n] <= FEW_VALUES)


def _values(workspace: Workspace, names: Sequence[str]) -> dict[str, int]:
    """How many values each of these labels has."""
    if not names:
        return {}
    counted = ", ".join(
        f'count(DISTINCT "{name.replace(chr(34), 2 * chr(34))}") AS n{i}'
        for i, name in enumerate(names)
    )
    row = workspace.query(f"SELECT {counted} FROM clips").iloc[0]
    return {name: int(row[f"n{i}"]) for i, name in enumerate(names)}


@st.cache_data(scope="session", max_entries=32, show_spinner="Redrawing speakers…")
def by_group(which: Which, columns: tuple[str, ...]) -> tuple[GroupScore, ...]:
    """See core.models.groups.by_group."""
    predictions, _ = answers(which)
    labels = Workspace.open(which.folder).features(["clip_id", *columns])
    return groups.by_group(predictions, labels, columns)


@st.cache_data(scope="session", max_entries=16, show_spinner="Redrawing speakers…")
def confidence(which: Which) -> tuple[Calibration, Coverage]:
    """See core.models.judge.calibration and coverage."""
    predictions, _ = answers(which)
    return judge.calibration(predictions), judge.coverage(predictions)


def cell(which: Which, true: str, said: str) -> Cell:
    """See core.models.judge.cell; quick, so not kept."""
    return judge.cell(answers(which)[0], true, said)


@st.cache_data(scope="session", max_entries=8, show_spinner="Comparing…")
def compared(first: Which, second: Which) -> Comparison:
    """See core.models.compare.compare."""
    return compare.compare(answers(first)[0], answers(second)[0])


def csv(found: Predictions) -> bytes:
    """Answers, one row a clip. For downloads, which run outside the session and its caches."""
    import pandas as pd

    rows = {"clip_id": found.clip_ids, "label": found.y, "answer": found.answers}
    if found.speakers is not None:
        rows["speaker"] = found.speakers
    rows["fold"] = found.fold
    for i, name in enumerate(found.labels):
        rows[f"p_{name}"] = found.prob[:, i].astype(float).round(5)
    return csv_of(pd.DataFrame(rows))


def csv_of_groups(found: Predictions, folder: str, columns: tuple[str, ...]) -> bytes:
    """Answers with the labels that make the groups; for downloads, as ``csv``."""
    import pandas as pd

    rows = pd.DataFrame({"clip_id": found.clip_ids, "label": found.y, "answer": found.answers})
    labels = Workspace.open(folder).features(["clip_id", *columns])
    labels = labels.rename(columns={n: f"group_{n}" for n in columns})
    return csv_of(rows.merge(labels, on="clip_id", how="left"))


def file(path: str) -> bytes:
    """A model's file; for downloads, so not kept."""
    return Path(path).read_bytes()

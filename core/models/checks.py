"""Tests of a finished model on the clips that it was trained on, and what they found as a file.

Kinds: "learning" (would more voices help), "importance" (which inputs matter), "leak" (what a split
by clip pretends), "repeats" (whether clips have neighbours of the same voice) and "shortcuts" (what
the recording alone tells). The models fitted for them are the like of the one tested.

Layout: ``result.json`` holds ``kind`` and ``found``, the fields of what the test gives; values that
are not known are NaN, as Python writes them.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ParameterError
from core.models import curves, leaks, shortcuts
from core.models.base import Table, Trained, TrainParams
from core.models.baselines import settled
from core.models.groups import Interval
from core.safe_text import clean
from core.store import StoreError, Workspace, shown, write_whole

CHECKS = ("learning", "importance", "leak", "repeats", "shortcuts")
RESULT = "result.json"


@dataclass(frozen=True)
class TheseClips:
    """Some clips by their ids, in the place of a selection."""

    ids: tuple[str, ...]

    def where(self) -> tuple[str, list[Any]]:
        """What ``core.store`` takes as ``where``."""
        return "clip_id IN (SELECT unnest(?::VARCHAR[]))", [list(self.ids)]

    def words(self) -> str:
        """The condition in words."""
        return "the clips that the model was trained on"


def run(
    kind: str,
    workspace: Workspace,
    trained: Trained,
    *,
    progress: Callable[[Any], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Any:
    """Test a model.

    Parameters
    ----------
    kind : str
        One of CHECKS.
    workspace : Workspace
        Where the clips are that it was trained on.
    trained : Trained
        The model.
    progress, cancelled : callable, optional
        As for ``core.models.train.train``; "repeats" is quick and does not ask.

    Returns
    -------
    LearningCurve, Importance, LeakLab, Repeats or Shortcuts
        By ``kind``.

    Raises
    ------
    ParameterError
        There is no such test, the clips are not, or no longer, in this workspace, or they are too
        few for it.
    Cancelled
        ``cancelled`` said so.
    """
    if kind not in CHECKS:
        raise ParameterError(f"Unknown test {clean(kind, 40)}: choose one of {list(CHECKS)}.")
    how: dict[str, Any] = {"progress": progress, "cancelled": cancelled}
    learnt, params = table_of(workspace, trained), _like(trained)
    if kind == "learning":
        return curves.learning_curve(learnt, params, **how)
    if kind == "importance":
        return curves.importance(learnt, params, **how)
    if kind == "leak":
        return leaks.leak_lab(learnt, params, **how)
    if kind == "repeats":
        return leaks.voices_repeat(learnt, target=params.target)
    recording = shortcuts.recording_columns(workspace, list(learnt.clip_ids))
    return shortcuts.shortcut_check(recording, learnt, params, **how)


def table_of(workspace: Workspace, trained: Trained) -> Table:
    """The clips a model was trained on, with their inputs and speakers, from its workspace.

    Raises
    ------
    ParameterError
        They are not, or no longer, in this workspace.
    """
    if trained.about.get("preset") == "article":
        from core.models import preset

        return preset.article_table(workspace)
    from core.models.table import learn_table

    these = TheseClips(tuple(str(c) for c in trained.predictions.clip_ids))
    return learn_table(workspace, these, trained.params)  # type: ignore[arg-type]


def save(kind: str, found: Any, folder: str | os.PathLike) -> Path:
    """Write what a test found into a folder, made where it is not there; whole or not at all.

    Raises
    ------
    StoreError
        The folder may not be written.
    """
    told = {"kind": kind, "found": asdict(found)}
    data = json.dumps(told, default=_listed).encode()
    path = Path(os.path.abspath(folder)) / RESULT
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise StoreError(f"{shown(path.parent)}: this folder may not be written.") from err
    write_whole(path, lambda file: file.write(data))
    return path


def read(folder: str | os.PathLike) -> Any:
    """What a test found, as ``run`` gave it; None where there is nothing, or it is damaged."""
    try:
        found = json.loads((Path(folder) / RESULT).read_bytes())
        return _MAKERS[found["kind"]](found["found"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _like(trained: Trained) -> TrainParams:
    """Settings to fit the like of a model; JSON made lists of tuples."""
    found = settled(trained)
    settings = [(k, tuple(v) if isinstance(v, list) else v) for k, v in found.settings]
    return TrainParams(**{**vars(found), "settings": tuple(settings)})


def _listed(value: Any) -> Any:
    return value.tolist()


def _learning(found: dict) -> curves.LearningCurve:
    arrays = {name: np.array(found[name]) for name in ("units", "scores")}
    return curves.LearningCurve(**{**found, **arrays})


def _importance(found: dict) -> curves.Importance:
    names, members = tuple(found["names"]), tuple(tuple(m) for m in found["members"])
    drops = np.array(found["drops"])
    return curves.Importance(names, members, drops, found["base"], found["metric"])


def _leak(found: dict) -> leaks.LeakLab:
    arrays = {name: np.array(found[name]) for name in ("clip", "speaker")}
    return leaks.LeakLab(**{**found, **arrays})


def _repeats(found: dict) -> leaks.Repeats:
    arrays = {name: np.array(found[name]) for name in ("ranks", "agreement")}
    ends = {name: Interval(*found[name]) for name in ("near", "share")}
    return leaks.Repeats(**{**found, **arrays, **ends})


def _shortcuts(found: dict) -> shortcuts.Shortcuts:
    alone = tuple(shortcuts.Alone(name, Interval(*score)) for name, score in found["alone"])
    more = {"score": Interval(*found["score"]), "alone": alone, "columns": tuple(found["columns"])}
    return shortcuts.Shortcuts(**{**found, **more})


_MAKERS: dict[str, Callable[[dict], Any]] = {
    "learning": _learning,
    "importance": _importance,
    "leak": _leak,
    "repeats": _repeats,
    "shortcuts": _shortcuts,
}

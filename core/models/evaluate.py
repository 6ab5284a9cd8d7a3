"""A model that is finished, on the clips of another workspace."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import ParameterError
from core.filters import Selection
from core.models import _inputs, groups, judge
from core.models._seen import speaker_marks
from core.models.base import Predictions
from core.models.files import Loaded
from core.models.predict import ask
from core.safe_text import clean
from core.store import Workspace

GROUPS = ("gender", "age")


@dataclass(frozen=True)
class Evaluation:
    """Answers, their scores, scores of groups, and what the reader must know about them."""

    predictions: Predictions
    scores: judge.Scores
    groups: tuple[groups.GroupScore, ...]
    warnings: tuple[str, ...]


def evaluate(
    loaded: Loaded, workspace: Workspace, selection: Selection | None = None, *, seed: int = 0
) -> Evaluation:
    """Ask a model about every selected clip that has its target, and score the answers.

    Parameters
    ----------
    loaded : Loaded
        The model.
    workspace, selection
        The clips; all of them without a selection.
    seed : int
        Of the intervals' draws.

    Raises
    ------
    ModelError
        The workspace has another feature set, version or cleaning, or lacks an input.
    ParameterError
        The target is not there, or no clip has a label that the model knows.
    """
    trained = loaded.trained
    table = _inputs.from_workspace(workspace, selection or Selection(), trained)
    known, warnings = np.ones(len(table.y), dtype=bool), []
    if trained.labels:
        known = np.isin(table.y.astype(str), trained.labels)
        if not known.any():
            raise ParameterError(
                "No clip here has a label that the model knows "
                f"({', '.join(clean(v, 40) for v in trained.labels[:6])}): choose another "
                "workspace."
            )
        if not known.all():
            warnings.append(f"{(~known).sum():,} clips have labels that the model does not know.")
    speakers = None if table.speakers is None else table.speakers[known]
    warnings += _heard_before(loaded, table.clip_ids[known], speakers)
    prob = ask(loaded, table.X[known])
    n = int(known.sum())
    predictions = Predictions(
        table.clip_ids[known],
        table.y[known],
        prob.astype(np.float32),
        trained.labels,
        speakers,
        np.zeros(n, dtype=np.int16),
    )
    there = [name for name in GROUPS if name in workspace.label_columns()]
    told: tuple[groups.GroupScore, ...] = ()
    if there:
        labels = workspace.features(["clip_id", *there])
        told = groups.by_group(predictions, labels, there, seed=seed)
    return Evaluation(predictions, judge.judge(predictions, seed=seed), told, tuple(warnings))


def as_dict(found: Evaluation) -> dict[str, Any]:
    """The scores as JSON values."""
    scores = found.scores
    return {
        "clips": scores.clips,
        "speakers": scores.speakers,
        "scores": {s.name: s.score._asdict() for s in scores.scores},
        "baselines": {
            b.name: {k: v._asdict() for k, v in b.scores.items()} for b in scores.baselines
        },
        "labels": list(scores.labels),
        "confusion": None if scores.confusion is None else scores.confusion.tolist(),
        "groups": [
            {"group": list(g.names), "clips": g.clips, "speakers": g.speakers, **g.score._asdict()}
            for g in found.groups
        ],
        "intervals": scores.resampled,
        "warnings": list(found.warnings),
    }


def _heard_before(loaded: Loaded, ids: np.ndarray, speakers: np.ndarray | None) -> list[str]:
    """Warnings about clips and speakers that the model was trained on."""
    found = []
    marks = loaded.seen.speakers
    if speakers is not None and marks is not None:
        names = np.unique(speakers[speakers != ""])
        heard = int(np.isin(speaker_marks(names), marks[marks != 0]).sum())
        if heard:
            found.append(
                f"{heard:,} of {names.size:,} speakers here were in the training: the scores are "
                "better than on new voices."
            )
    same = int(np.isin(ids, loaded.neighbours.clip_ids).sum())
    if same:
        found.append(f"At least {same:,} of these clips were in the training themselves.")
    return found

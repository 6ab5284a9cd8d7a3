"""The card of a model: trained on what and whom, how good on voices it had not heard, and limits.

Conventions: shares are 0 to 1; an interval is (low, high) at 95 %; a number that is not known is
left out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from core.models.base import Table, Trained
from core.safe_text import clean

VOICE_LIMITS = (
    "A model knows the voices, languages and microphones it was trained on, and no others.",
    "Its answer is about the sound of a recording; it does not say who somebody is.",
)
GENDER_LIMITS = (
    "Voice gender is a label that people gave to their own recordings; it is not an identity, and "
    "a voice does not tell one.",
    "Labels other than female and male were too few to be learnt.",
    "Children, singing, whispering and voices changed by illness or hormones were not there to be "
    "learnt from.",
    "A man's voice that is raised, as in excitement, is easily taken for a woman's.",
)


def card(trained: Trained, table: Table, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a person should know before using a model, as JSON values.

    Parameters
    ----------
    trained : Trained
        The model; its predictions out of fold are what the scores rest on.
    table : Table
        What it was fitted on.
    extra : mapping, optional
        Replaces or adds: ``title``, ``limits`` (sentences), ``threshold``, ``groups``, ``scores``.

    Returns
    -------
    dict
        ``title``, ``target``, ``labels``, ``data``, ``clips``, ``speakers`` (None where not
        known), ``counts`` by label, ``split``, ``scores`` and ``baselines`` (value, low, high by
        name), ``threshold``, ``limits``; ``network`` (name, sha256, settings) where embeddings are
        inputs.
    """
    speakers = table.speakers
    known = None if speakers is None else np.unique(speakers[speakers != ""]).size
    found = {
        "title": f"{clean(trained.params.target)} from the voice",
        "target": trained.params.target,
        "labels": list(trained.labels),
        "data": str(table.about.get("data", "")),
        "clips": len(table.clip_ids),
        "speakers": known,
        "counts": _counts(table, trained.labels),
        "split": trained.params.split,
        "threshold": _threshold(len(trained.labels)),
        "limits": [*VOICE_LIMITS, *(GENDER_LIMITS if trained.params.target == "gender" else ())],
    }
    if network := trained.about.get("network"):
        found["network"] = dict(network)
        found["limits"].append(
            f"It hears with the pretrained network {clean(network['name'], 60)} (SHA-256 "
            f"{network['sha256'][:12]}…) and cannot be asked without its file."
        )
    return found | _scores(trained) | dict(extra or {})


def to_markdown(card: Mapping[str, Any]) -> str:
    """A card to read."""
    lines = [f"# {clean(card.get('title', 'A model'))}", ""]
    speakers = card.get("speakers")
    of_whom = f" of {speakers:,} known speakers" if speakers else "; no speaker is known"
    lines += [
        f"Trained on {card.get('clips', 0):,} clips{of_whom} ({clean(card.get('data'))}).",
        "",
    ]
    for label, found in card.get("counts", {}).items():
        told = f"- {clean(label)}: {found['clips']:,} clips"
        lines.append(told + (f", {found['speakers']:,} speakers" if found.get("speakers") else ""))
    lines += ["", "| | score | 95 % interval |", "|---|---|---|"]
    rows = {**card.get("scores", {}), **card.get("baselines", {})}
    for name, found in rows.items():
        low, high = found.get("low"), found.get("high")
        between = f"{low:.3f} to {high:.3f}" if low is not None and high is not None else "exact"
        lines.append(f"| {clean(name)} | {found['value']:.3f} | {between} |")
    lines += ["", *(f"- {clean(limit, 400)}" for limit in card.get("limits", ()))]
    return "\n".join(lines) + "\n"


def _counts(table: Table, labels: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for label in labels:
        rows = table.y == label
        found[label] = {"clips": int(rows.sum())}
        if table.speakers is not None:
            spoken = table.speakers[rows]
            found[label]["speakers"] = int(np.unique(spoken[spoken != ""]).size)
    return found


def _threshold(k: int) -> float | None:
    """Below it a model would rather not say; None for a regression."""
    if not k:
        return None
    return 0.6 if k == 2 else min(0.5, 2 / k)


def _scores(trained: Trained) -> dict[str, Any]:
    from core.models.judge import judge

    if not len(trained.predictions.clip_ids):
        return {"scores": {}, "baselines": {}}
    found = judge(trained.predictions)
    scores = {s.label: _interval(s.score) for s in found.scores}
    name = found.main.name
    easy = {b.label: _interval(b.scores[name]) for b in found.baselines if name in b.scores}
    return {"scores": scores, "baselines": easy, "resampled": found.resampled}


def _interval(found: Any) -> dict[str, float | None]:
    ends = {"low": float(found.low), "high": float(found.high)}
    return {"value": float(found.value)} | {
        k: v if np.isfinite(v) else None for k, v in ends.items()
    }

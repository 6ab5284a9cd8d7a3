"""What is in a catalogue, counted."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_BY = ("gender", "age_decade", "accent", "locale", "split")
_LABELS = ("speaker_id", "gender", "age", "accent", "locale", "text", "duration", "split")


def counts(catalogue: "pd.DataFrame") -> dict:
    """Counts of a catalogue by label, as plain numbers and words, ready for JSON.

    Parameters
    ----------
    catalogue : pd.DataFrame
        As a reader's ``catalogue()`` gives it.

    Returns
    -------
    dict
        ``clips``; ``speakers`` (None where no clip has one); ``hours`` (None where no length is
        known) and ``clips_with_duration``; ``gender``, ``age_decade``, ``accent``, ``locale`` and
        ``split``: clips by value, most first, decades in order; ``missing``: clips without each
        label.
    """
    known = catalogue["duration"].notna()
    speakers = int(catalogue["speaker_id"].nunique())
    found: dict = {
        "clips": len(catalogue),
        "speakers": speakers or None,
        "hours": float(catalogue["duration"].sum() / 3600) if known.any() else None,
        "clips_with_duration": int(known.sum()),
    }
    for name in _BY:
        by = catalogue[name].value_counts().to_dict()
        if name == "age_decade":
            by = {int(decade): by[decade] for decade in sorted(by)}
        found[name] = {value: int(count) for value, count in by.items()}
    found["missing"] = {name: int(catalogue[name].isna().sum()) for name in _LABELS}
    return found

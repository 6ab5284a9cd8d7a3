"""What the labels of a data set say that a reader should know, though no row is left out.

Conventions: a note is one sentence of plain text; words of the table in it are cut and cleaned.
"""

from typing import TYPE_CHECKING

from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

# Ways to write that something is not known.
_NOTHING = {"", "na", "n/a", "nan", "none", "null", "unknown", "-", "?", "unspecified", "missing"}
_NOTHING |= {"do_not_wish_to_say", "prefer not to say", "not known", "u"}


def label_notes(catalogue: "pd.DataFrame") -> list[str]:
    """Words that are not understood, labels that contradict each other or tell nothing apart."""
    notes = [_not_understood(catalogue["age"], catalogue["age_decade"], "age")]
    notes.append(_not_understood(catalogue["gender_original"], catalogue["gender"], "gender"))
    notes.append(_spellings(catalogue))
    notes.append(_two_genders(catalogue))
    if len(catalogue) == 1:
        notes.append("There is one clip only: nothing can be compared or learnt.")
    elif len(catalogue):
        notes += [_only_one(catalogue, "gender"), _only_one(catalogue, "speaker_id")]
    return [note for note in notes if note]


def _not_understood(words: "pd.Series", meaning: "pd.Series", label: str) -> str:
    odd = words[words.notna() & meaning.isna()]
    odd = odd[~odd.str.strip().str.lower().isin(_NOTHING)]
    if odd.empty:
        return ""
    kinds = odd.unique()
    shown = ", ".join(f"'{clean(word, 30)}'" for word in kinds[:3])
    more = f" and {len(kinds) - 3:,} others" if len(kinds) > 3 else ""
    return f"The {label} of {_clips(len(odd))} is not understood: {shown}{more}."


def _spellings(catalogue: "pd.DataFrame") -> str:
    known = catalogue.loc[catalogue["gender"].notna(), ["gender", "gender_original"]]
    written, meant = known["gender_original"].nunique(), known["gender"].nunique()
    if written <= meant:
        return ""
    return f"Gender is written in {written:,} ways, which are taken as {meant}."


def _two_genders(catalogue: "pd.DataFrame") -> str:
    known = catalogue[["speaker_id", "gender"]].dropna().drop_duplicates()
    speakers = int((known["speaker_id"].value_counts() > 1).sum())
    if not speakers:
        return ""
    return f"{speakers:,} of the speakers have clips of more than one gender: check their labels."


def _only_one(catalogue: "pd.DataFrame", name: str) -> str:
    if catalogue[name].isna().any() or len(catalogue[name].unique()) != 1:
        return ""
    if name == "gender":
        return "All clips are of one gender: none can be told from another by it."
    return "All clips are of one speaker: nothing found here holds for others."


def _clips(n: int) -> str:
    return f"{n:,} clips" if n > 1 else "1 clip"

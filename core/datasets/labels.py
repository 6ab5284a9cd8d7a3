"""Words people use for gender and age, as one vocabulary.

Conventions: what is not known is NaN; ``age`` and ``gender_original`` keep the words as written,
``gender`` is male, female, other or missing, ``age_decade`` the first year of the decade.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

GENDERS = {
    **dict.fromkeys(("male", "m", "man", "men", "boy", "masculine", "male_masculine"), "male"),
    **dict.fromkeys(
        ("female", "f", "w", "woman", "women", "girl", "feminine", "female_feminine"), "female"
    ),
    **dict.fromkeys(
        ("other", "o", "x", "d", "diverse", "intersex", "transgender", "non-binary", "nonbinary"),
        "other",
    ),
}
DECADES = {
    "teens": 10,
    "teenager": 10,
    "twenties": 20,
    "thirties": 30,
    "forties": 40,
    "fourties": 40,
    "fifties": 50,
    "sixties": 60,
    "seventies": 70,
    "eighties": 80,
    "nineties": 90,
}
_YEARS = re.compile(r"(\d{1,3})(?:\.\d*)?\s*(?:years?|yrs?|y)?(?:\s*old)?", re.ASCII)
_DECADE = re.compile(r"(\d{1,2})0\s*'?s", re.ASCII)
_SPAN = re.compile(r"(\d{1,3})\s*[-–]\s*(\d{1,3})", re.ASCII)
_OLDEST = 120  # years


def gender(word: str) -> str | None:
    """``male``, ``female``, ``other``, or None where the word says none of them."""
    return GENDERS.get(word.strip().lower())


def age_decade(word: str) -> float | None:
    """First year of the decade a word names, or None.

    ``fourties``, ``40s``, ``43``, ``43.0``, ``43 years`` and ``40-49`` are all 40; a span over two
    decades is none.
    """
    word = word.strip().lower()
    if word in DECADES:
        return float(DECADES[word])
    if found := _DECADE.fullmatch(word):
        return float(10 * int(found[1]))
    if found := _SPAN.fullmatch(word):
        low, high = int(found[1]) // 10, int(found[2]) // 10
        return float(10 * low) if low == high <= _OLDEST // 10 else None
    if (found := _YEARS.fullmatch(word)) and 0 < int(found[1]) <= _OLDEST:
        return float(int(found[1]) // 10 * 10)
    return None


def by_word(words: "pd.Series", meaning) -> "pd.Series":
    """``meaning`` of every word; each distinct word is looked up once."""
    return words.map({word: meaning(word) for word in words.dropna().unique()})

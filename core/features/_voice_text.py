"""Counts of a known text; no sound involved."""

import re
import unicodedata

_WORD = re.compile(r"\w+(?:['’\-]\w+)*")
# Scripts without spaces between words: Thai, Lao, Myanmar, Khmer, kana, Chinese characters.
_NO_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def word_count(text: str | None) -> float:
    """Number of words; NaN without text, or in a script that puts no spaces between words.

    Words are runs of letters, marks and digits; an apostrophe or hyphen inside does not split.
    """
    if not text or _NO_SPACES.search(text):
        return float("nan")
    # A combining mark is no letter to Python: composed where it can be, else dropped.
    text = "".join(
        c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c)[0] != "M"
    )
    words = [w for w in _WORD.findall(text) if any(c.isalnum() for c in w)]
    return float(len(words)) if words else float("nan")


def letter_count(text: str | None) -> float:
    """Number of letters and digits, combining marks not counted; NaN without any."""
    count = sum(c.isalnum() for c in unicodedata.normalize("NFC", text or ""))
    return float(count) if count else float("nan")

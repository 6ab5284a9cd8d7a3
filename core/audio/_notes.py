"""What is odd about a file that opens all the same, in sentences."""

import math
import os

from core.audio._types import audio_suffixes, shown_name

# Read too, though few people upload them.
_ALSO = ("avi", "dts", "eac3", "mlp", "mpg", "ra", "raw", "rm", "sln", "thd", "truehd", "ts", "tta")
_SENTENCES = {
    "cut": "It is cut short: its header announces {0:,} bytes of sound, and {1:,} are there.",
    "cut_end": "It is cut short: its end is missing.",
    "short": "Its header announces {0:.2f} s, and {1:.2f} s could be decoded: the rest is missing "
    "or damaged.",
    "unknown_length": "Its header does not say how long it is, as when a recording was broken off.",
    "no_length": "Its end is marked with an impossible time.",
    "holes": "It is damaged inside: what was there is missing or noise.",
    "damaged": "Some of it is damaged and was left out ({0:,} packets).",
    "lead": "It does not begin as such a file does: its beginning is missing, or something else "
    "stands before it.",
    "changes": "Its sampling rate or channels change inside: only a part of it is opened, or is "
    "opened at a wrong speed.",
    "chained": "It is {0:,} recordings in one file.",
    "contradicts": "Its header contradicts itself: the sound may be noise.",
    "numbers": "{0:,} of its samples were no numbers or infinite, and were replaced.",
    "wild": "Its samples reach {0:.3g} times full scale: it was not made by a sound card.",
    "brief": "It is shorter than {0:g} s: little can be measured.",
}


def sentences(notes: list, path: str) -> tuple[str, ...]:
    """Of the decoder's notes, and of the file's name."""
    found = [text for note in notes if (text := _sentence(note))]
    suffix = os.path.splitext(path)[1]
    if suffix and not _is_sound(suffix):
        shown = shown_name(f"x/{suffix}")
        found.append(f"Its name ends in {shown}, which is not that of a sound.")
    return tuple(dict.fromkeys(found))


def _sentence(note: object) -> str:
    if not isinstance(note, list) or not note or not isinstance(note[0], str):
        return ""
    numbers = [n for n in note[1:] if isinstance(n, int | float) and math.isfinite(n)]
    try:
        return _SENTENCES.get(note[0], "").format(*numbers)
    except (IndexError, ValueError):
        return ""


def _is_sound(suffix: str) -> bool:
    return suffix[1:].lower() in (*audio_suffixes(), *_ALSO)

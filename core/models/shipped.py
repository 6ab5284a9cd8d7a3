"""The model that comes with the program: voice gender from the sound of a recording.

``models/gender-voice-v1`` is made by ``make models`` (``models/build.py``); its card says from what
and how well. It is opened once.
"""

from functools import lru_cache
from pathlib import Path

from core.models.files import Loaded, load

NAME = "gender-voice-v1"
PATH = Path(__file__).resolve().parents[2] / "models" / NAME


def shipped() -> Loaded:
    """The shipped model, opened.

    Raises
    ------
    ModelError
        Its file is missing or damaged.
    """
    stamp = PATH.stat().st_mtime_ns if PATH.exists() else 0
    return _opened(PATH, stamp)


@lru_cache(maxsize=1)
def _opened(path: Path, stamp: int) -> Loaded:
    return load(path)

"""The sound of one clip of a catalogue, as workers need it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.extract._spool import discard, local_path

if TYPE_CHECKING:
    import numpy as np

    from core.audio import ClipRef

SR = 16_000  # Hz: everything that is measured on clips is at this rate


@contextmanager
def clip_of(item: Mapping[str, Any]) -> Iterator["ClipRef"]:
    """The file of a clip of the catalogue; a copy out of an archive is deleted afterwards.

    A file that changed since it was planned fails when it is opened.
    """
    from core.audio import ClipRef

    path, is_copy = local_path(dict(item))
    try:
        as_it_is = is_copy or int(item["size"]) <= 0  # imported tables do not know their files
        planned = (int(item["size"]), int(item["mtime_ns"]))
        yield ClipRef.of(path) if as_it_is else ClipRef(path, *planned)
    finally:
        if is_copy:
            discard(path)


def sound_of(item: Mapping[str, Any], recipe: Mapping[str, Any]) -> "tuple[np.ndarray, float]":
    """Mono signal at 16,000 Hz of a clip, cleaned as the recipe says, and its seconds before."""
    from core import audio
    from core.audio import Limits

    padding = bool(recipe.get("keep_padding"))
    with clip_of(item) as ref:
        y, sr = audio.load(ref, SR, limits=Limits.from_env(), keep_padding=padding)
    seconds = y.size / sr
    if recipe.get("clean") == "article":
        from core.clean import clean
        from core.params import ARTICLE_CLEAN

        y = clean(y, sr=sr, params=ARTICLE_CLEAN).y
    return y, seconds

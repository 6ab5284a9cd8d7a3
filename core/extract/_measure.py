"""What is done to one clip."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import ParameterError
from core.extract._spool import discard, local_path

SR = 16_000  # Hz: both feature sets work at this rate
CLEANINGS = ("article",)


@dataclass(frozen=True)
class Recipe:
    """What makes the numbers of a table.

    ``clean`` "article" runs the article's denoising and trim first, None nothing;
    ``keep_padding`` keeps the silence that MP3 encoders add, as the article's table does.
    """

    feature_set: str = "voice-v1"
    clean: str | None = None
    keep_padding: bool = False

    def check(self) -> None:
        """Raise ParameterError where there is no such feature set or cleaning."""
        from core import features

        features.feature_set(self.feature_set)
        if self.clean is not None and self.clean not in CLEANINGS:
            raise ParameterError(
                f"Unknown cleaning {self.clean!r}: choose one of {list(CLEANINGS)}, or none."
            )

    def to_dict(self) -> dict[str, Any]:
        """As a workspace remembers it, with the version of the set and digest of the cleaning."""
        from core import features
        from core.params import ARTICLE_CLEAN

        digest = ARTICLE_CLEAN.digest if self.clean else None
        version = features.feature_set(self.feature_set).version
        return asdict(self) | {"feature_set_version": version, "clean_digest": digest}


def measure_file(
    path: str, recipe: Recipe | None = None, text: str | None = None
) -> dict[str, dict[str, Any]]:
    """Values and vectors of one file, measured in this process.

    Raises
    ------
    AudioReadError
        The file cannot be decoded.
    ParameterError
        There is no such feature set or cleaning.
    """
    from core.audio import ClipRef

    recipe = recipe or Recipe()
    recipe.check()
    ref = ClipRef.of(path)
    item = {"path": ref.path, "size": ref.size, "mtime_ns": ref.mtime_ns, "text": text}
    found = measure(item, asdict(recipe))
    return {"values": found["values"], "vectors": found["vectors"]}


def measure(item: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Features of a clip of the catalogue: values, vectors, and seconds of audio."""
    from core import audio, features
    from core.audio import ClipRef, Limits

    path, is_copy = local_path(item)
    padding, limits = bool(recipe.get("keep_padding")), Limits.from_env()
    try:
        ref = ClipRef.of(path) if is_copy or item["size"] < 0 else _planned(item)
        y, sr = audio.load(ref, SR, limits=limits, keep_padding=padding)
    finally:
        if is_copy:
            discard(path)
    seconds = y.size / sr
    if recipe.get("clean") == "article":
        from core.clean import clean
        from core.params import ARTICLE_CLEAN

        y = clean(y, sr=sr, params=ARTICLE_CLEAN).y
    text = item.get("text")
    if not isinstance(text, str):
        text = None
    found = features.extract(y, sr=sr, feature_set=recipe["feature_set"], text=text)
    return {"values": dict(found.values), "vectors": found.vectors, "seconds": seconds}


def _planned(item: Mapping[str, Any]) -> Any:
    """The file as it was when the run was planned: a clip that changes meanwhile fails."""
    from core.audio import ClipRef

    return ClipRef(item["path"], int(item["size"]), int(item["mtime_ns"]))


def warm() -> None:
    """Load and compile what measuring needs."""
    from core import features

    features.warm()

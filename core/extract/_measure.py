"""What is done to one clip."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import ParameterError
from core.extract._sound import SR, sound_of

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
    from core import features

    y, seconds = sound_of(item, recipe)
    text = item.get("text")
    if not isinstance(text, str):
        text = None
    found = features.extract(y, sr=SR, feature_set=recipe["feature_set"], text=text)
    return {"values": dict(found.values), "vectors": found.vectors, "seconds": seconds}


def warm() -> None:
    """Load and compile what measuring needs."""
    from core import features

    features.warm()

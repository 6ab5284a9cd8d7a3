"""From a signal to a model's inputs, and from a workspace to them, by the names of the columns."""

from typing import Any, NamedTuple

import numpy as np

from core.errors import AudioTooShortError, ModelError
from core.models.base import Table

SR = 16_000
MEL = "mel_strength"
_NEEDS_MORE = ("label:", "embedding_")


class Heard(NamedTuple):
    """A signal as a model hears it: inputs (d,), and how much of it is speech and voice, s."""

    x: np.ndarray
    duration_s: float
    speech_s: float
    voiced_s: float


def recipe_of(about: dict[str, Any]) -> Any:
    """What was done to the sound before the training clips were measured."""
    from core.extract import Recipe

    told = about.get("recipe") or {}
    found = Recipe(
        str(told.get("feature_set") or about.get("feature_set") or "voice-v1"),
        told.get("clean"),
        bool(told.get("keep_padding")),
    )
    found.check()
    return found


def heard(y: np.ndarray, *, sr: int, about: dict[str, Any], columns: tuple[str, ...]) -> Heard:
    """Measure a signal once.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Signal.
    sr : int > 0
        Sampling rate in Hz.
    about : dict
        Of the model.
    columns : tuple of str
        The model's inputs.

    Raises
    ------
    AudioTooShortError
        The signal is empty.
    ModelError
        The model needs an input that a recording alone does not give.
    """
    from core import audio, features

    if any(name.startswith(_NEEDS_MORE) for name in columns):
        raise ModelError(
            "This model has inputs that a recording alone does not give (a label, or an embedding "
            "network): use a model of features, mel strengths or mel images."
        )
    y = np.asarray(y, dtype=np.float32)
    y = y.mean(axis=0, dtype=np.float32) if y.ndim == 2 else y
    if not y.size:
        raise AudioTooShortError("The signal is empty: an answer needs at least one sample.")
    if sr != SR:
        y = audio.resample(y, sr_in=sr, sr_out=SR)
    recipe = recipe_of(about)
    if recipe.clean == "article":
        from core.clean import clean
        from core.params import ARTICLE_CLEAN

        y = clean(y, sr=SR, params=ARTICLE_CLEAN).y
    found = features.extract(y, sr=SR, feature_set=recipe.feature_set)
    values = dict(found.values)
    for name, vector in found.vectors.items():
        values |= {f"{name}_{i:03d}": float(v) for i, v in enumerate(vector)}
    if columns and columns[0].startswith("image_"):
        values |= _image(y)
    x = np.array([values.get(name, np.nan) for name in columns], dtype=np.float32)
    duration_s = y.size / SR
    speech_s, voiced_s = _spoken(y, found.values)
    return Heard(x, duration_s, speech_s, voiced_s)


def from_workspace(workspace: Any, selection: Any, trained: Any) -> Table:
    """Clips of another workspace with exactly the model's inputs, in its order.

    Raises
    ------
    ModelError
        The workspace has another feature set, version or cleaning.
    ParameterError
        The target or an input is not there.
    """
    from dataclasses import replace

    from core.models.table import learn_table
    from core.safe_text import clean

    status = workspace.status()
    told, ours = status.recipe, trained.about.get("recipe") or {}
    for name, words in (
        ("feature_set", "feature set"),
        ("feature_set_version", "version of the feature set"),
        ("clean", "cleaning"),
    ):
        if name in ours and told.get(name) != ours[name]:
            raise ModelError(
                f"The model was trained on {words} {clean(ours[name] or 'none')}, and this "
                f"workspace holds {clean(told.get(name) or 'none')}: extract the data set again "
                "the same way."
            )
    rest = tuple(n for n in trained.params.inputs if n not in ("features", "mfcc"))
    plain = [c for c in trained.columns if not c.startswith((f"{MEL}_", "image_", *_NEEDS_MORE))]
    inputs = (("features",) if plain else ()) + rest
    params = replace(trained.params, inputs=inputs, split="clip", n_splits=2)
    table = learn_table(workspace, selection, params, features=plain)
    place = {name: i for i, name in enumerate(table.columns)}
    missing = [name for name in trained.columns if name not in place]
    if missing:
        raise ModelError(f"This workspace has no input {clean(missing[0])}, which the model needs.")
    X = table.X[:, [place[name] for name in trained.columns]]
    return table._replace(X=X, columns=trained.columns, blocks={})


def _spoken(y: np.ndarray, values: dict[str, float]) -> tuple[float, float]:
    """Seconds of speech and of voice; a set that does not measure them is helped out."""
    duration_s = y.size / SR
    speech_s = values.get("speech_duration_s")
    if speech_s is None:
        from core import segments

        found = segments.speech_segments(y, sr=SR).segments
        speech_s = float(np.diff(found, axis=1).sum()) if len(found) else 0.0
        return speech_s, speech_s
    share = values.get("voiced_share", np.nan)
    voiced_s = duration_s * share if np.isfinite(share) else 0.0
    return (float(speech_s) if np.isfinite(speech_s) else 0.0), float(voiced_s)


def _image(y: np.ndarray) -> dict[str, float]:
    from core.eda import mel_images

    picture, _ = mel_images.picture(y, sr=SR)
    levels = picture.astype(np.float32) * mel_images.STEP_DB - mel_images.TOP_DB
    return {
        f"image_{b:03d}_{f:02d}": float(levels[b, f])
        for b in range(levels.shape[0])
        for f in range(levels.shape[1])
    }

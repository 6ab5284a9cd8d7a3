"""Which model the page Predict asks, about which recording, and when it would rather not say.

State: ``predict_model`` names the model.
"""

from dataclasses import dataclass
import math
from pathlib import Path

import streamlit as st

from core.models import predict, shipped
from core.models.files import Loaded
from core.safe_text import clean, filename
from pages.shared import cache_predict, card_panels, data, models
from pages.shared.inputs import Picked
from pages.shared.model_file import own_model

SHIPPED, OWN_FILE = "The shipped model", "A file of your own…"


@dataclass(frozen=True)
class Model:
    """A model, opened, and what names it in caches."""

    name: str
    path: str
    stamp: tuple[int, int]
    loaded: Loaded

    @property
    def labels(self) -> tuple[str, ...]:
        """What it can answer; empty for years."""
        return self.loaded.trained.labels


@dataclass(frozen=True)
class Asked:
    """Which recording is put to which model; ``part`` is (start, length) in s of a long one."""

    picked: Picked
    model: Model
    part: tuple[float, float] | None
    threshold: float

    @property
    def key(self) -> tuple:
        """What names the question in caches, but for the threshold."""
        return self.picked.ref, self.model.path, self.model.stamp, self.part


def choose_model() -> Path | None:
    """The file of the model that is asked; None where the visitor has yet to add one."""
    kept = {k.name: k.path for k in models.kept(data.last_chosen().workspace)}
    options = [SHIPPED, *kept, OWN_FILE]
    named = st.session_state.get("predict_model") or st.query_params.get("model")
    st.session_state["predict_model"] = named if named in options else SHIPPED
    name = st.selectbox(
        "Model",
        options,
        format_func=lambda n: clean(n, 60),
        key="predict_model",
        persist_state="session",
        help="The model that comes with the program, those kept beside the data set that was "
        "opened last, or a file.",
    )
    st.query_params["model"] = name
    return shipped.PATH if name == SHIPPED else kept.get(name) or own_model("predict_file")


def open_model(path: Path | None) -> Model:
    """The model in a file, checked before anything of it runs; the page stops where there is none.

    Raises
    ------
    ModelError
        It is gone, damaged, of another version, or not to be trusted, or it needs what a recording
        does not give.
    """
    if path is None:
        st.info("Add a model file: it stays in a folder of your own until you close the page.")
        st.stop()
    stamp = models.stamp(path)
    loaded = cache_predict.loaded(str(path), stamp)
    predict.ready(loaded)
    return Model(path.name.removesuffix(models.SUFFIX), str(path), stamp, loaded)


def threshold(model: Model) -> float:
    """The probability below which the model would rather not say; 0 for a model of years."""
    if not model.labels:
        return 0.0
    told = card_panels.number(model.loaded.card.get("threshold"))
    told = told if math.isfinite(told) else 0.5
    least = math.ceil(100 / len(model.labels)) / 100
    value = st.slider(
        "Say nothing below",
        least,
        0.99,
        min(max(told, least), 0.99),
        0.01,
        format="percent",
        key=f"predict_threshold_{filename(model.name)}_{len(model.labels)}",
        persist_state="session",
        help="The model would rather not say where its probability is below this. Higher: fewer "
        "answers, and fewer wrong ones.",
    )
    found = cache_predict.meaning(model.path, model.stamp, value)
    if found is not None:
        right = "none."
        if math.isfinite(found.right):
            right = (
                f"{100 * found.answered:.0f} %, and {100 * found.right:.1f} % of these answers are "
                f"right (95 % interval {100 * found.low:.1f} to {100 * found.high:.1f} %)."
            )
        st.caption(f"Of clips it had not learnt from, it then answers {right}")
    return value

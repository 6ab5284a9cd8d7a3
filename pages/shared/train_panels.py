"""The parts of the Train page: what is learnt from what, the job that trains, the models kept."""

from dataclasses import dataclass
import math
from typing import Any

import numpy as np
import streamlit as st

from core.errors import VoiceError
from core.figures import chart_config
from core.figures import models as figures
from core.filters import Selection
from core.models.base import INPUTS, TrainParams
from core.models.families import MODELS, SCALERS, ModelSpec, spec_of
from core.models.judge import Scores
from core.safe_text import clean, md
from pages.shared import cache_models as cache
from pages.shared import cautions, models
from pages.shared.cache_models import Choices, Which
from pages.shared.data import LABELS, Opened
from pages.shared.errors import sentence, show_errors
from pages.shared.progress import running

OWN, ARTICLE = "My own", "The article's pipeline (384 fits)"
TARGETS = {"age": "Age in decades", "age_years": "Age in years", "gender": "Gender"}
INPUT_LABELS = {
    "features": "Voice features",
    "mfcc": "MFCC statistics",
    "mel": "Mel strengths",
    "image": "Mel pictures",
    "embedding": "Embeddings",
}
INPUT_ABOUT = {
    "features": "Pitch, voice quality, formants and tempo; nothing about level, length or noise.",
    "mfcc": "Mean and deviation of each cepstral coefficient: the shape of the spectrum.",
    "mel": "128 band strengths of the loudest parts, as in the article.",
    "image": "The first three seconds as a picture, for the convolutional network.",
    "embedding": "Vectors of a pretrained network.",
}
INPUT_HOW = {
    "features": "measure the data set on the page Browse",
    "mfcc": "measure with the feature set voice-v1 on the page Browse",
    "mel": "measure the data set on the page Browse",
    "image": "make the pictures on the page Mean mels",
    "embedding": "run `python -m core embed --workspace WORKSPACE --network FILE.onnx`",
}
SPLITS = {"speaker": "By speaker", "clip": "By clip"}
SPLIT_ABOUT = {
    "speaker": "No voice is in training and test at once: the score is for people not yet heard.",
    "clip": "Voices are on both sides: the score includes knowing them again, and is too good.",
}
SETTING_ABOUT = {
    "C": "How far the model may follow the clips: small is smoother.",
    "gamma": "Reach of one clip: “scale”, or a number.",
    "pca": "Share of variance kept by a PCA before the model; empty for none.",
    "scaler": "How inputs are brought to one scale.",
    "max_iter": "Steps of the fit, or trees of boosting.",
    "n_neighbors": "How many similar clips answer.",
    "alpha": "How strongly weights are held small.",
}
TRAINING_ABOUT = (
    "The score is of clips that each model had not learnt from, all folds together; scaling, "
    "logarithms, cuts and the search are learnt inside the folds."
)


@dataclass(frozen=True)
class Asked:
    """What the controls say: settings, or None for the article's pipeline; what it rests on."""

    params: TrainParams | None
    about: dict[str, Any]
    wrong: str


def ask(opened: Opened, chosen: Selection) -> Asked:
    """The controls, in two columns, and what would be learnt from."""
    there = cache.choices(opened.key, str(opened.folder), models.beside(opened.folder))
    recipe = st.segmented_control(
        "Pipeline",
        [OWN, ARTICLE],
        default=OWN,
        required=True,
        key="train_recipe",
        label_visibility="collapsed",
    )
    if recipe == ARTICLE:
        return _article(opened)
    if not there.targets:
        st.info(
            "These clips have no labels, so there is nothing to learn. Tag clips on the page "
            "Browse or Map: a tag can be learnt."
        )
        st.stop()
    left, right = st.columns(2, gap="large")
    with left:
        target = _target(there)
        inputs = _inputs(there, target)
    with right:
        spec = _model(target)
        split, folds = _split(there, target)
        search = _search(spec)
    settings, more = _settings(spec, search)
    if not inputs:
        return Asked(None, {}, "Choose an input: a model has to hear something.")
    params = TrainParams(target, inputs, spec.key, split, folds, search, settings, **more)
    place = (opened.key, str(opened.folder), chosen.to_text())
    found = cache.preview(*place, params, models.beside(opened.folder))
    _rests_on(found.about, params)
    if target in opened.columns:
        cautions.beside(opened, chosen, label=target, topics=("missing", "balance", "recording"))
    return Asked(params, found.about, found.wrong)


def run(opened: Opened, chosen: Selection, asked: Asked) -> None:
    """Start, watch and cancel the training; beneath it the last model's score."""
    if asked.wrong:
        st.warning(md(asked.wrong, 500), icon=":material/info:")
    runs = models.training(opened.folder).status()["state"] == "running"
    st.fragment(_watch, run_every=1.0 if runs else None)(opened, chosen, asked, runs)


def trained(opened: Opened) -> None:
    """How the model trained last did, where there is one."""
    path = models.last_trained(opened.folder)
    state = models.training(opened.folder).status()["state"]
    if path is None or state == "running" or not path.exists():
        return
    name = path.name.removesuffix(models.SUFFIX)
    st.subheader(f"{md(name, 60)}: how it did", anchor=False)
    try:
        stamp = models.stamp(path)
        opened_model = cache.loaded(str(path), stamp).trained
        which = Which(str(path), stamp, opened.key, str(opened.folder), None)
        found = cache.scores(which)
    except VoiceError as err:
        st.error(sentence(err))
        return
    score(found, opened_model.params.split, name, key="train")
    left, _ = st.columns([1, 3])
    if left.button(
        "Evaluate it", type="primary", icon=":material/fact_check:", key="train_to", width="stretch"
    ):
        st.session_state["evaluate_model"] = name
        st.switch_page("model/evaluate.py")


def score(
    found: Scores, split: str, name: str, *, key: str, own: bool = True, heard: bool = False
) -> None:
    """A score with its interval beside what is easy, and whether it means anything.

    ``own`` says that the answers are the model's held-out ones, ``heard`` that it knows the voices.
    """
    said = models.meaning(found, split, heard=heard)
    cells = st.columns(2 + len(found.baselines))
    main = found.main
    cells[0].metric(
        main.label,
        shown(main.score.value, main.unit),
        help=f"95 % interval {interval(main.score, main.unit)}.",
    )
    cells[1].metric("95 % interval", interval(main.score, main.unit))
    for place, easy in zip(cells[2:], found.baselines, strict=True):
        if main.name in easy.scores:
            value = easy.scores[main.name]
            place.metric(easy.label, shown(value.value, main.unit), help=_beside(value, main.unit))
    good = said.startswith("The number means something") and split == "speaker"
    (st.success if good else st.warning)(md(said, 500))
    alt = f"{main.label} of {name}: {shown(main.score.value, main.unit)}. {said}"
    st.plotly_chart(
        figures.score_plot(found),
        key=f"{key}_score",
        config=chart_config(f"score_{name}"),
        alt=alt,
    )
    about = TRAINING_ABOUT if own else "The model was asked now, about every selected clip."
    st.caption(md(f"{found.resampled} {about}", 600))


def shown(value: float, unit: str) -> str:
    """A score as people write it."""
    if not math.isfinite(value):
        return "not known"
    return f"{value:.1f} {unit}" if unit else f"{100 * value:.1f} %"


def interval(value: Any, unit: str) -> str:
    """Its two ends; ``unit`` "plain" is for what is no share."""
    if not (math.isfinite(value.low) and math.isfinite(value.high)):
        return "not known"
    if unit == "plain":
        return f"{value.low:.3f} – {value.high:.3f}"
    scale = 1 if unit else 100
    return f"{scale * value.low:.1f} – {scale * value.high:.1f}" + ("" if unit else " %")


def kept(opened: Opened) -> None:
    """The models of this workspace: what they are, download, delete."""
    found = models.kept(opened.folder)
    st.subheader("Kept models", anchor=False)
    if not found:
        st.caption("None yet. A trained model is kept beside the workspace, as one file.")
        return
    st.dataframe(
        {
            "Name": [clean(k.name, 60) for k in found],
            "Target": [target_label(k.target) for k in found],
            "Model": [k.model for k in found],
            "Split": [SPLITS.get(k.split, k.split) for k in found],
            "Clips": [k.clips for k in found],
            "Speakers": ["not known" if not k.speakers else f"{k.speakers:,}" for k in found],
            "Score": [_row_score(k) for k in found],
            "Trained (UTC)": [k.date[:16].replace("T", " ") for k in found],
        },
        hide_index=True,
        alt=f"{len(found)} kept models with target, score and date.",
    )
    cells = st.columns([3, 1, 1], vertical_alignment="bottom")
    one = cells[0].selectbox(
        "Model",
        range(len(found)),
        format_func=lambda i: clean(found[i].name, 60),
        key="train_kept",
    )
    picked = found[one]
    cells[1].download_button(
        "Download",
        data=lambda: cache.file(str(picked.path)),
        file_name=picked.path.name,
        mime="application/octet-stream",
        icon=":material/download:",
        on_click="ignore",
        key="train_download",
        width="stretch",
    )
    with cells[2].popover("Delete", icon=":material/delete:", width="stretch"):
        st.caption(f"{md(picked.name, 60)} will be gone for good.")
        st.button(
            "Delete it", key="train_delete", on_click=_delete, args=(picked.path,), type="primary"
        )


def target_label(target: str) -> str:
    """A target as people read it, in plain text."""
    if target.startswith("tag:"):
        return f"Tag: {clean(target.removeprefix('tag:'), 40)}"
    return TARGETS.get(target) or clean(LABELS.get(target, target), 40)


def _delete(path) -> None:
    path.unlink(missing_ok=True)


def _row_score(found: models.Kept) -> str:
    if not np.isfinite(found.score.value):
        return ""
    unit = "years" if found.target == "age_years" else ""
    return f"{shown(found.score.value, unit)} ({interval(found.score, unit)})"


def _beside(value: Any, unit: str) -> str | None:
    exact = value.low == value.high or not math.isfinite(value.low)
    return None if exact else f"95 % interval {interval(value, unit)}."


def _target(there: Choices) -> str:
    first = next((t for t in ("gender", "age") if t in there.targets), there.targets[0])
    return st.selectbox(
        "What to learn",
        there.targets,
        index=there.targets.index(first),
        format_func=target_label,
        key="train_target",
        help="Any label of the data set, or a tag of your own.",
    )


def _inputs(there: Choices, target: str) -> tuple[str, ...]:
    st.markdown("What it hears", help="A model may hear several of these at once.")
    found = []
    for name in INPUTS:
        here = name in there.inputs
        box, about = st.columns([2, 3], gap="small")
        if box.checkbox(
            INPUT_LABELS[name],
            value=name in there.usual,
            disabled=not here,
            key=f"train_input_{name}_{here}",
        ):
            found.append(name)
        about.caption(INPUT_ABOUT[name] if here else f"Not here: {INPUT_HOW[name]}.")
    ages = {"age", "age_decade", "age_years"}
    labels = [n for n in there.extra if n != target and not (n in ages and target in ages)]
    if labels:
        told = st.multiselect(
            "What it is told besides",
            labels,
            format_func=target_label,
            key=f"train_told_{target}",
            placeholder="no label",
            help="Labels as inputs: a new recording must then come with them. The article tells "
            "its model the gender.",
        )
        found += [f"label:{name}" for name in told]
    return tuple(found)


def _model(target: str) -> ModelSpec:
    kind = "regression" if target == "age_years" else "classification"
    keys = [key for key, spec in MODELS.items() if spec.kind == kind]
    usual = "svr-rbf" if kind == "regression" else "svc-rbf"
    key = st.selectbox(
        "Model",
        keys,
        index=keys.index(usual),
        format_func=lambda k: MODELS[k].label,
        key=f"train_model_{kind}",
    )
    st.caption(MODELS[key].about)
    return spec_of(key)


def _split(there: Choices, target: str) -> tuple[str, int]:
    options = ["speaker", "clip"] if there.speakers and target != "speaker_id" else ["clip"]
    split = st.radio(
        "Split",
        options,
        format_func=lambda s: SPLITS[s] + (" (recommended)" if s == "speaker" else ""),
        captions=[SPLIT_ABOUT[s] for s in options],
        key=f"train_split_{len(options)}",
    )
    if not there.speakers:
        st.caption(
            ":orange[:material/warning:] No speaker is known here, so nothing can keep a voice on "
            "one side. The Leak lab on the page Evaluate tests whether voices seem to repeat."
        )
    return split, st.slider("Folds", 2, 10, 5, key="train_folds")


def _search(spec: ModelSpec) -> bool:
    if not spec.grid:
        st.caption("This model has no grid to search.")
        return False
    search = st.toggle(
        "Search its settings",
        key="train_search",
        help="Every point of the grid is tried inside each training part: slower, and the score "
        "stays honest.",
    )
    if search:
        rows = {n: ", ".join(_value(v) for v in values) for n, values in spec.grid.items()}
        st.dataframe(
            {"Setting": list(rows), "Values tried": list(rows.values())},
            hide_index=True,
            alt="The grid that is searched.",
        )
    return search


def _value(value: Any) -> str:
    return "none" if value is None else str(value)


def _settings(spec: ModelSpec, search: bool) -> tuple[tuple, dict[str, Any]]:
    """Settings that differ from the defaults, and log1p, max_z and seed."""
    with st.expander("Settings and advanced", icon=":material/tune:"):
        changed = []
        known = {} if spec.whole else spec.settings()
        known.pop("log1p", None)
        shown_ = {n: v for n, v in known.items() if not (search and n in spec.grid)}
        if search and spec.grid:
            st.caption("The settings that are searched are not set here.")
        columns = st.columns(4)
        for i, (name, usual) in enumerate(shown_.items()):
            with columns[i % 4]:
                value = _setting(spec, name, usual)
            if value != usual:
                changed.append((name, value))
        st.divider()
        cells = st.columns(3)
        log1p = cells[0].checkbox(
            "Logarithm of skewed inputs",
            key="train_log1p",
            help="log(1 + x) of the inputs that are skewed in the training part.",
            disabled=spec.whole,
        )
        max_z = cells[1].number_input(
            "Learn from no clip beyond |z| =",
            min_value=1.0,
            max_value=100.0,
            value=None,
            placeholder="all clips",
            key="train_max_z",
            help="Outliers are left out of training, never out of the test.",
        )
        seed = cells[2].number_input(
            "Seed", min_value=0, max_value=2**31 - 1, value=0, key="train_seed"
        )
    return tuple(changed), {"log1p": log1p and not spec.whole, "max_z": max_z, "seed": int(seed)}


def _setting(spec: ModelSpec, name: str, usual: Any) -> Any:
    about = {"key": f"train_{spec.key}_{name}", "help": SETTING_ABOUT.get(name)}
    if name == "scaler":
        return st.selectbox(name, SCALERS, index=SCALERS.index(usual), **about)
    if name == "weights":
        return st.selectbox(name, ["uniform", "distance"], index=1, **about)
    if name == "pca":
        return st.number_input(
            name, min_value=0.5, max_value=0.999, value=None, placeholder="none", **about
        )
    if isinstance(usual, int):
        return int(st.number_input(name, min_value=1, max_value=10_000, value=usual, **about))
    if isinstance(usual, float):
        return st.number_input(
            name, min_value=0.0, max_value=1e6, value=usual, format="%g", step=usual / 2, **about
        )
    text = st.text_input(name, value=str(usual), max_chars=12, **about).strip()
    try:
        return float(text)
    except ValueError:
        return text if text in ("scale", "auto", "sqrt", "log2") else usual


def _rests_on(about: dict[str, Any], params: TrainParams) -> None:
    """Clips and speakers of each class, and what is left out and why."""
    if not about:
        return
    who = f", {about['speakers']:,} known speakers" if about.get("speakers") else ""
    parts = [f"**{about['clips']:,} clips**{who}"]
    for value, n in list(about.get("classes", {}).items())[:12]:
        of_whom = f", {n['speakers']:,} speakers" if about.get("speakers") else ""
        parts.append(f"{md(value, 30)} {n['clips']:,} clips{of_whom}")
    st.markdown("Learns from: " + " · ".join(parts))
    left_out = about.get("left_out", {})
    if left_out:
        names = [f"{n:,} ({md(why, 60)})" for why, n in left_out.items() if n]
        st.caption(f"Left out: {', '.join(names)}.")


def _article(opened: Opened) -> Asked:
    st.markdown(
        "Age in decades by logistic regression on the author's nine features, gender and 128 mel "
        "strengths; 96 settings in 4 folds, judged on a fifth of the clips, **split by clip** as "
        "in the article. Selections are not used. It takes some minutes."
    )
    found = cache.article(opened.key, str(opened.folder))
    if found.wrong:
        return Asked(
            None, {}, f"{found.wrong} The page Browse opens the article's data set as a folder."
        )
    st.markdown(f"Learns from: **{found.about['clips']:,} clips**, {found.columns:,} inputs.")
    return Asked(None, found.about, "")


def _watch(opened: Opened, chosen: Selection, asked: Asked, was_running: bool) -> None:
    job = models.training(opened.folder)
    now = job.status()
    if now["state"] == "running":
        progress(now, job, key="train_cancel", what="fits")
        return
    if was_running:
        st.rerun()
    if now["state"] == "failed":
        st.error(f"Training stopped: {md(now['message'], 300)}")
    if now["state"] == "cancelled":
        st.info("Cancelled. No model was kept.")
    params = asked.params
    target = "age-article" if params is None else f"{params.target}-{params.model}"
    usual = models.free_name(opened.folder, clean(target, 50).replace(":", "-").replace("/", "-"))
    cells = st.columns([3, 1, 2], vertical_alignment="bottom")
    name = cells[0].text_input(
        "Name", value=usual, max_chars=60, key=f"train_name_{usual}", help="Of the model's file."
    )
    start = cells[1].button(
        "Train", type="primary", key="train_start", disabled=bool(asked.wrong), width="stretch"
    )
    fits = 384 + 6 if params is None else models.fits(params)
    cells[2].caption(f"At most {fits:,} fits, in the background.")
    if start:
        with show_errors():
            out = models.path_of(opened.folder, name)
            clips = int(asked.about.get("clips", 0))
            words = models.train_words(
                opened.folder, out, params, chosen.to_text() if chosen else "", clips=clips
            )
            models.start_training(words, opened.folder, out)
        st.rerun()


def progress(now: dict, job: Any, *, key: str, what: str) -> None:
    """How far a job is, and a button that ends it."""
    said = f"{now['done']:,} of {now['total']:,} {what}" if now["total"] else "Starting…"
    if now["eta_s"]:
        said += f", about {math.ceil(now['eta_s'])} s to go"
    running(now, job, key=key, said=said)

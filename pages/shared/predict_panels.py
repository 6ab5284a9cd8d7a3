"""The parts of the page Predict: the answer, how it moves, what it rests on, what it survives."""

from html import escape
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.compare import Look, Window
from core.errors import VoiceError
from core.features import feature_set
from core.features.base import SR
from core.figures import chart_config
from core.figures import predict as figures
from core.models import shipped
from core.models.predict import EMBEDDING, Answer, Ground
from core.models.robust import Survival
from core.safe_text import clean, filename, md
from core.store import Workspace
from pages.shared import cache, cache_predict, card_panels, data, play, sounds
from pages.shared.errors import show_errors
from pages.shared.models import Judged
from pages.shared.predict_model import Asked, Model

ON_REQUEST_S = 60.0  # longer recordings are asked along their length only on request
LARGE = (
    '<div role="heading" aria-level="3" style="font-size: 2.6rem; font-weight: 600; '
    'line-height: 1.2; overflow-wrap: anywhere">{}</div>'
)
RATHER_NOT = "I would rather not say"
SURE = "An answer about the sound of a recording; it does not say who somebody is."
CHANGED = {
    "denoise": "Denoised",
    "trim": "Ends cut off",
    "telephone": "Telephone band",
}
MEL_ABOUT = (
    "How strong these frequencies are in the loudest parts of the recording, in mel bands, as in "
    "the article."
)
VECTOR_ABOUT = (
    "All values that the pretrained network makes of the recording together; one of them by itself "
    "has no meaning."
)


def answer(asked: Asked) -> Answer:
    """What the model says, in large type, with its probability and its reasons; and the sound."""
    found = cache_predict.answer(*asked.key, asked.threshold)
    y, sr = cache.load(asked.picked.ref, None, asked.part)
    left, right = st.columns([3, 2], gap="large")
    with left.container(border=True, key="predict_answer"):
        st.caption(md(asked.model.loaded.card.get("title", asked.model.name), 90))
        st.html(LARGE.format(escape(_headline(found))))
        if found.label and found.abstained:
            share = f"{100 * found.probability:.1f} %"
            st.markdown(f"The most probable label would be **{md(found.label, 40)}**, {share}.")
        for reason in found.reasons:
            st.markdown(f":material/info: {md(reason, 300)}")
        if found.probabilities:
            _chart(
                figures.probabilities(found, asked.threshold),
                "probabilities",
                asked,
                f"Probability of each label: {_said(found)}.",
            )
            st.caption(
                "Calibrated: of all answers given with 90 %, about 90 % should be right. Below the "
                "dashed line the model would rather not say."
            )
    with right:
        sounds.player(y, sr=sr, key=f"{asked.picked.ref} {asked.part}", label="The recording")
        st.caption(md(asked.picked.note, 200) or "Played as it was recorded.")
        st.caption(f"{found.speech_s:.1f} s of it are speech. {SURE}")
    return found


def over_time(asked: Asked, found: Answer) -> None:
    """The answer along the recording, under its waveform and spectrogram."""
    y, sr = cache.load(asked.picked.ref, SR, asked.part)
    seconds = y.size / sr
    st.subheader("Over time", anchor=False)
    windows = None
    if seconds <= ON_REQUEST_S or _wanted("time", asked, "Ask along the recording", seconds):
        windows = cache_predict.over_time(*asked.key)
    look = Look(Window(0.0, seconds))
    side = cache.before(asked.picked.ref, SR, asked.part, look)
    fig = figures.timeline(
        side.envelope,
        side.mel,
        windows,
        t0=0.0,
        t1=seconds,
        limit=1.05 * max(side.limit, 1e-3),
        top_db=look.params.top_db,
        threshold=asked.threshold,
    )
    said = _along(windows, found) if windows is not None else "Waveform and mel spectrogram."
    _chart(fig, "over_time", asked, said)
    if windows is None:
        return
    st.caption(
        f"{said} Each point asks about one second of speech around it; pauses do not count. A "
        "second alone tells less than the whole recording, so expect it to sway."
    )
    _csv("windows", asked, lambda: cache_predict.csv_of_windows(windows))


def rests_on(asked: Asked, found: Answer) -> None:
    """What the answer rests on, with the definition of each."""
    st.subheader("What it rests on", anchor=False)
    if not found.rests_on:
        st.caption("Nothing could be measured, so the answer rests on nothing.")
        return
    about = {ground.name: _about(ground, asked.model) for ground in found.rests_on}
    first = found.rests_on[0]
    toward = "for" if first.contribution >= 0 else "against"
    said = f"{clean(first.label, 60)} says most, {toward} the answer."
    fig = figures.grounds(found.rests_on, about, label=found.label)
    _chart(fig, "rests_on", asked, said)
    st.caption(
        f"{md(said)} Each bar is what the answer would lose if this were as in the middle training "
        "clip: blue speaks for the answer, orange against it. Inputs that go together share what "
        "they say, so this is no cause. Point at a bar for its definition."
    )
    rows = {
        "Input": [clean(g.label, 60) for g in found.rests_on],
        "Here": [_number(g.value) for g in found.rests_on],
        "Usually": [_number(g.usual) for g in found.rests_on],
        "Unit": [clean(g.unit, 20) for g in found.rests_on],
        "Contribution": [round(g.contribution, 3) for g in found.rests_on],
        "Definition": [about[g.name] for g in found.rests_on],
    }
    with st.expander("Values and definitions"):
        short = {name: rows[name] for name in ("Input", "Here", "Usually", "Unit")}
        _table(short | {"Contribution": [f"{g.contribution:+.2f}" for g in found.rests_on]})
        told = [(g.label, about[g.name]) for g in found.rests_on if about[g.name]]
        st.caption("\n".join(f"- **{md(name, 60)}**: {md(text, 500)}" for name, text in told))
    _csv("rests_on", asked, lambda: cache_predict.csv_of_rows(rows))


def survives(asked: Asked, found: Answer) -> None:
    """The answer after what should not change it."""
    st.subheader("Does it survive?", anchor=False)
    if found.label is None and found.value is None:
        st.caption("There is no answer that could survive.")
        return
    y, sr = cache.load(asked.picked.ref, SR, asked.part)
    if y.size / sr > ON_REQUEST_S and not _wanted("again", asked, "Ask again", y.size / sr):
        return
    with show_errors():
        after = cache_predict.survives(*asked.key, asked.threshold)
    rows = [("As it is", found, None, math.nan)]
    rows += [(CHANGED.get(s.name, s.label), s.answer, s.same, s.moved) for s in after]
    years = found.value is not None
    table = {
        "The recording": [name for name, *_ in rows],
        "Answer": [_short(given) for _, given, *_ in rows],
        ("Moved (years)" if years else "Probability (%)"): [
            _number(moved) if years else _percent(given) for _, given, _, moved in rows
        ],
        "Same": ["" if same is None else "yes" if same else "no" for *_, same, _ in rows],
    }
    _table(table)
    st.caption(_outlived(found, after))
    st.caption(
        "None of these should change whose voice it is. Denoising is spectral gating; the "
        "telephone band is 300 to 3,400 Hz."
    )


def nearest(asked: Asked, found: Answer) -> None:
    """The training clips that are most alike, to play where their data set is open."""
    if not found.nearest:
        return
    st.subheader("The nearest training clips", anchor=False)
    ids = tuple(near.clip_id for near in found.nearest)
    opened, there = _data_set(ids)
    labels = [near.label for near in found.nearest]
    same = sum(label == found.label for label in labels)
    if found.label:
        st.caption(
            f"{same} of {len(labels)} are labelled {md(found.label, 40)}. A distance of 1 is one "
            f"standard deviation in every input; above {asked.model.loaded.seen.limit:.2f} on "
            "average the recording is unlike all that was learnt."
        )
    if there and opened is not None:
        for cell, (i, near) in zip(st.columns(len(ids)), enumerate(found.nearest), strict=True):
            with cell:
                note = f"{near.label}, distance {near.distance:.2f}"
                play.clip(opened, near.clip_id, f"near_{i}", note)
        return
    st.dataframe(
        {
            "Clip": [clean(clip_id, 80) for clip_id in ids],
            "Label": [clean(label, 40) for label in labels],
            "Distance": [near.distance for near in found.nearest],
        },
        hide_index=True,
        column_config={"Distance": st.column_config.NumberColumn(format="%.2f")},
        alt="The nearest training clips, the nearest first.",
    )
    source = md(asked.model.loaded.card.get("data") or "its own data set", 160)
    st.caption(
        f"They can be played when their data set is open: {source}. Open it on the page Browse."
    )


def card(model: Model) -> None:
    """The model's card: trained on what and whom, how good, and its limits."""
    with st.expander("The model's card", icon=":material/badge:"):
        judged = Judged(
            model.name, Path(model.path), model.loaded.trained, model.loaded.card, None, False
        )
        card_panels.card(None, judged)  # type: ignore[arg-type]


def take_along(asked: Asked, found: Answer) -> None:
    """The answer as JSON, and the code that gives it."""
    told: dict[str, Any] = {"file": asked.picked.name, "model": asked.model.name}
    told |= {"label": found.label, "probability": found.probability, "value": found.value}
    told |= {"abstained": found.abstained, "reasons": list(found.reasons)}
    told |= {"probabilities": dict(found.probabilities)}
    st.download_button(
        "Download JSON",
        data=lambda: json.dumps(told, indent=1).encode(),
        file_name=filename(f"{asked.picked.name}_answer.json"),
        mime="application/json",
        icon=":material/download:",
        key="predict_json",
        on_click="ignore",
    )
    with st.expander("Show the code", icon=":material/code:"):
        own = "" if Path(asked.model.path) == shipped.PATH else "MODEL "
        own = f"--network network.onnx {own}" if (network := _network(asked.model)) else own
        beside = f" and the network {md(network, 60)} as `network.onnx`" if network else ""
        st.caption(
            f"Run in the folder of this program, with your recording as `recording.wav`{beside}. "
            f"On the command line: `python -m core predict {own}recording.wav`."
        )
        st.code(code(asked), language="python")


def code(asked: Asked) -> str:
    """A script that asks the same."""
    path = Path(asked.model.path)
    place = f"models/{path.name}" if path == shipped.PATH else filename(path.name)
    how = f", threshold={asked.threshold:.2f}" if asked.model.labels else ""
    start = asked.part
    sound = '"recording.wav"'
    network = ', network="network.onnx"' if _network(asked.model) else ""
    lines = [f"model = load({place!r}{network})"]
    head = [
        "from core.models.files import load",
        "from core.models.predict import over_time, predict",
    ]
    if start is not None:
        head.insert(0, "from core import audio")
        lines.append(
            f'sound = audio.load(audio.ClipRef.of("recording.wav"), {SR}, start_s={start[0]:g}, '
            f"duration_s={start[1]:g})"
        )
        sound = "sound"
    lines += [
        f"answer = predict(model, {sound}{how})",
        "print(answer.label or answer.value, answer.probability, answer.abstained)",
        "print(*answer.reasons)",
        "for ground in answer.rests_on:",
        '    print(f"{ground.label}: {ground.contribution:+.2f}")',
        f"windows = over_time(model, {sound})",
        "print(windows.start, windows.end, windows.prob)",
    ]
    return "\n".join([*head, "", *lines]) + "\n"


def _network(model: Model) -> str:
    """The name of the network's file that the model hears with; "" where it needs none."""
    needed = any(name.startswith("embedding_") for name in model.loaded.trained.columns)
    return str(model.loaded.trained.about["network"]["name"]) if needed else ""


def _wanted(name: str, asked: Asked, label: str, seconds: float) -> bool:
    """Whether the visitor has asked for what takes long on a long recording."""
    key = f"predict_{name}_wanted"
    told = f"{asked.key}"
    if st.session_state.get(key) == told:
        return True
    st.caption(f"This recording has {seconds / 60:.1f} minutes: this takes some seconds.")
    if st.button(label, key=f"predict_{name}"):
        st.session_state[key] = told
        return True
    return False


def _data_set(ids: tuple[str, ...]) -> tuple[data.Opened | None, bool]:
    """The data set opened last, and whether any of these clips is in it."""
    chosen = data.last_chosen()
    if not (chosen.workspace / "plan.json").is_file():
        return None, False
    try:
        workspace = Workspace.open(chosen.workspace)
        there = cache_predict.here(workspace.key, str(workspace.folder), ids)
    except VoiceError:  # the pages of the data set say what is wrong with it
        return None, False
    return (data.opened(chosen), True) if there else (None, False)


def _outlived(found: Answer, after: tuple[Survival, ...]) -> str:
    """What the changes did to the answer, in a sentence."""

    def name(s: Survival) -> str:
        return CHANGED.get(s.name, s.label).lower()

    lost = [name(s) for s in after if s.same is False]
    silent = [name(s) for s in after if s.answer.abstained and s.same is not False]
    if lost:
        return f"The answer changes: {', '.join(lost)}. Do not lean on it."
    if found.abstained:
        return "There is nothing to lean on: the model would rather not say to begin with."
    if silent:
        return f"The model would rather not say any more: {', '.join(silent)}."
    return "The answer stays the same after all three changes."


def _about(ground: Ground, model: Model) -> str:
    """Definition and caveat of a family of inputs, in plain text."""
    if ground.name == EMBEDDING:
        return VECTOR_ABOUT
    about = model.loaded.trained.about
    specs = {s.name: s for s in feature_set(str(about.get("feature_set", "voice-v1"))).specs}
    columns = [c for c in model.loaded.trained.columns if c in specs]
    name = next((c for c in columns if c == ground.name), None)
    name = name or next((c for c in columns if c.startswith(f"{ground.name}_")), None)
    if name is None:
        return MEL_ABOUT if ground.name.startswith("mel_strength") else ""
    return f"{specs[name].about} {specs[name].caveat}".strip()


def _headline(found: Answer) -> str:
    if found.abstained or (found.label is None and found.value is None):
        return RATHER_NOT
    return _said(found)


def _said(found: Answer) -> str:
    if found.value is not None:
        return f"{found.value:.0f} years"
    if found.label is None:
        return "nothing could be measured"
    return f"{clean(found.label, 40)}, {100 * (found.probability or 0):.1f} %"


def _short(found: Answer) -> str:
    if found.value is not None:
        said = f"{found.value:.0f} years"
    else:
        said = clean(found.label, 40) if found.label else "nothing measured"
    return f"rather not say ({said})" if found.abstained else said


def _along(windows: Any, found: Answer) -> str:
    if not len(windows.start):
        return "No speech was found to ask about."
    if not windows.labels:
        low, high = windows.prob.min(), windows.prob.max()
        return f"The answer moves between {low:.0f} and {high:.0f} years."
    most = windows.prob.argmax(axis=1) == windows.labels.index(found.label or windows.labels[0])
    of = f"of {len(most):,} windows" if len(most) > 1 else "of one window"
    return f"In {int(most.sum()):,} {of}, {clean(found.label, 40)} is the most probable."


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else ""


def _percent(found: Answer) -> str:
    return "" if found.probability is None else f"{100 * found.probability:.1f}"


def _table(columns: dict[str, list[str]]) -> None:
    """A small table whose texts wrap; the first column names the rows."""
    shown = pd.DataFrame({name: [md(text) for text in texts] for name, texts in columns.items()})
    st.table(shown.set_index(shown.columns[0]))


def _chart(fig: Any, name: str, asked: Asked, said: str) -> None:
    """A figure with its toolbar and what it shows in words, plain."""
    config = chart_config(filename(f"{asked.picked.name}_{name}"))
    st.plotly_chart(fig, key=f"predict_{name}", config=config, alt=said)


def _csv(name: str, asked: Asked, content: Any) -> None:
    st.download_button(
        "Download CSV",
        data=content,
        file_name=filename(f"{asked.picked.name}_{name}.csv"),
        mime="text/csv",
        icon=":material/download:",
        key=f"predict_csv_{name}",
        on_click="ignore",
    )

"""Guess first: hear or see a clip, guess, and only then see what is true.

State: ``guess_at`` is the number of the clip, ``guess_score`` holds (right, asked) per question and
``guess_done`` the clips that were revealed; all last as long as the session.
"""

import streamlit as st

from core import figures
from core.compare import Look, Window
from core.errors import VoiceError
from core.figures import learn
from core.figures.palette import BEFORE
from core.learn import SR
from core.learn.guess import Question, Truth, is_right, questions
from core.safe_text import md
from pages.shared import cache, cache_learn, sounds
from pages.shared.errors import sentence, show_errors
from pages.shared.learn_panels import HEIGHT, PART, chart

HEAR, SEE = "Hear it", "See it"
SHORT = {"gender": "Speaker", "f0": "f0", "words": "Words", "fault": "Fault"}


def guess() -> None:
    """A clip, four questions, and the truth once all are answered."""
    clips = cache_learn.guess_clips()
    at = st.session_state.setdefault("guess_at", 0)
    truth = clips[at % len(clips)]
    with st.container(key="learn"):
        st.header(f"Guess first · clip {at + 1}", anchor=False)
        left, right = st.columns([6, 7], gap="medium")
        with right, st.container(key="guess_words"):
            said = {q.field: _asked(q, at) for q in questions(truth)}
        _end(truth, said, at, right)
        with left:
            _clip(truth)
            _score()


def _clip(truth: Truth) -> None:
    how = st.segmented_control(
        "How", [HEAR, SEE], default=HEAR, required=True, key="guess_how", persist_state="session"
    )
    with show_errors():
        y, _ = cache.load(truth.ref, SR, PART)
    if how == HEAR:
        sounds.player(y, sr=SR, key=f"guess {truth.ref}", label="Listen")
        return
    look = Look(Window(0.0, y.size / SR))
    side = cache.before(truth.ref, SR, PART, look)
    span = {"t0": 0.0, "t1": look.window.t1}
    wave = figures.waveform(side.envelope, color=BEFORE, limit=side.limit or 1.0, **span)
    wave.update_yaxes(title="Amplitude")  # there is no room for its unit
    said = "The clip to guess: amplitude over time."
    chart(learn.large(wave, HEIGHT // 2 - 20), "guess_wave", said, caption=False)
    stft = figures.spectrogram(side.stft, axis="log", top_db=look.params.top_db, **span)
    said = "The clip to guess: frequencies over time."
    chart(learn.large(stft, HEIGHT // 2 + 20), "guess_stft", said, caption=False)


def _asked(question: Question, at: int) -> str | None:
    done = at in st.session_state.get("guess_done", {})
    return st.radio(
        f"**{question.text}**",
        question.options,
        index=None,
        key=f"guess_{at}_{question.field}",
        horizontal=True,
        disabled=done,
    )


def _end(truth: Truth, said: dict, at: int, place) -> None:
    done = at in st.session_state.setdefault("guess_done", {})
    with place:
        if done:
            _reveal(truth, said)
        missing = sum(value is None for value in said.values())
        with st.container(horizontal=True):
            st.button(
                "Reveal",
                key="guess_reveal",
                type="primary",
                disabled=done or missing > 0,
                on_click=_count,
                args=(truth, said, at),
            )
            st.button("Next clip", key="guess_next", on_click=_turn)
        if missing and not done:
            st.caption(f"{missing} of {len(said)} questions still to answer, then Reveal.")


def _reveal(truth: Truth, said: dict) -> None:
    lines = []
    for question in questions(truth):
        true = str(getattr(truth, question.field))
        right = is_right(truth, question, said[question.field])
        exact = f" ({truth.f0_hz:.0f} Hz)" if question.field == "f0" else ""
        mark = ":material/check:" if right else ":material/close:"
        lines.append(f"{mark} **{SHORT[question.field]}:** {md(true)}{exact}")
    lines.append(f"It says “{md(truth.sentence, 200)}”")
    st.markdown("  \n".join(lines))
    try:
        answer = cache_learn.model_answer(truth.ref)
    except VoiceError as err:
        st.caption(sentence(err))
        return
    if answer.label is None:
        st.markdown("The model gives no answer.")
        return
    doubt = ", but would rather not say" if answer.abstained else ""
    hit = "right" if answer.label == truth.gender else "wrong"
    st.markdown(
        f"The model says **{md(answer.label)}** ({100 * answer.probability:.0f} %){doubt}: {hit}."
    )


def _count(truth: Truth, said: dict, at: int) -> None:
    """Reveal, and count each guess once."""
    if at in st.session_state["guess_done"]:
        return
    found = {q.field: is_right(truth, q, said[q.field]) for q in questions(truth)}
    try:
        label = cache_learn.model_answer(truth.ref).label
    except VoiceError:
        label = None
    if label is not None:
        found["model"] = label == truth.gender
    st.session_state["guess_done"][at] = found


def _turn() -> None:
    st.session_state["guess_at"] += 1


def _score() -> None:
    done = list(st.session_state["guess_done"].values())
    if not done:
        return
    parts = []
    for field, label in {**SHORT, "model": "the model's speaker"}.items():
        asked = [found[field] for found in done if field in found]
        if asked:
            parts.append(f"{label} {sum(asked)} of {len(asked)}")
    st.markdown(f"**Your score:** {', '.join(parts)}.")

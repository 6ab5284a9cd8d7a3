"""The guided tour: the frame of a step, its question, and the way to the next."""

import streamlit as st

from core.learn.steps import STEPS, Step
from pages.shared.errors import show_errors
from pages.shared.learn_panels import voice
from pages.shared.learn_panels_steps import VIEWS

NUMBERS = [str(n) for n in range(1, len(STEPS) + 1)]


def tour() -> None:
    """The step that the address names (``?step=5``), the first without one."""
    with st.container(key="learn"):
        body = st.container(key="tour_step")
        at = _ways()  # first: it knows the step
        with body:
            _show(STEPS[at - 1], at)


def _show(step: Step, at: int) -> None:
    found = voice(step.clip) if step.clip else None
    st.header(f"{at} · {step.title}", anchor=False)
    words, stage = st.columns([5, 8], gap="medium")
    with words, st.container(key="tour_words"):
        st.markdown(step.idea)
        control = st.container()
        _ask(step)
    with show_errors():
        VIEWS[step.key](found, control, stage)


def _ask(step: Step) -> None:
    said = st.radio(
        f"**{step.question}**", step.options, index=None, key=f"answer_{step.key}", width="stretch"
    )
    if said is None:
        return
    chosen = step.options.index(said)
    if chosen == step.right:
        st.success(step.because[chosen], icon=":material/check:")
    else:
        st.warning(step.because[chosen], icon=":material/close:")


def _ways() -> int:
    """The buttons, and the number of the step that they have led to."""
    if st.query_params.get("step", "") not in NUMBERS:  # a link to no step
        st.query_params.pop("step", None)
        st.session_state.setdefault("step", NUMBERS[0])
    with st.container(horizontal=True, vertical_alignment="center", key="tour_ways"):
        back = st.container(width="content")
        said = st.pills(
            "Step",
            NUMBERS,
            key="step",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
            width="stretch",
        )
        at = int(said or NUMBERS[0])
        with back:
            st.button(
                "Previous",
                key="previous",
                icon=":material/arrow_back:",
                disabled=at == 1,
                shortcut="Left",
                on_click=_turn,
                args=(at - 1,),
            )
        st.button(
            "Next",
            key="next",
            type="primary",
            icon=":material/arrow_forward:",
            icon_position="right",
            disabled=at == len(STEPS),
            shortcut="Right",
            on_click=_turn,
            args=(at + 1,),
        )
    return at


def _turn(to: int) -> None:
    st.session_state["step"] = str(to)

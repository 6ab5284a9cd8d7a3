"""Listen to the representation: what each of them keeps, to see and to hear."""

import streamlit as st

from core.learn import SR
from core.learn.rebuild import KINDS
from pages.shared import cache_learn, sounds
from pages.shared.errors import show_errors
from pages.shared.learn_panels import HEIGHT, PART, chart, picture, voice

LABELS = {key: kind.label for key, kind in KINDS.items()}


def listen() -> None:
    """The recording beside the sound rebuilt from one of its representations."""
    found = voice("demo_clean")
    with st.container(key="learn"):
        st.header("Listen to the representation", anchor=False)
        st.markdown(
            "A representation keeps some numbers of the sound and throws the rest away. Make sound "
            "from these numbers alone, and hear what is gone."
        )
        asked = st.query_params.get("from")  # short names: bound, it would hold the labels
        if "from" not in st.session_state:
            st.session_state["from"] = asked if asked in LABELS else "stft"
        kind = st.segmented_control(
            "Rebuild from",
            list(LABELS),
            format_func=LABELS.get,
            required=True,
            key="from",
            width="stretch",
        )
        st.query_params["from"] = kind
        pulse = kind == "f0" and st.toggle(
            "Buzz instead of a sine: all harmonics, equally strong", key="buzz"
        )
        with show_errors():
            y = cache_learn.rebuilt(found.ref, PART, kind, pulse)
            look = found.look()
            side = cache_learn.rebuilt_side(found.ref, PART, kind, pulse, look)
        about = KINDS[kind]
        left, right = st.columns(2)
        with left:
            chart(
                picture(found.side(), look).update_layout(height=HEIGHT - 90),
                "recording",
                f"The recording: {SR:,} numbers a second.",
            )
            sounds.player(found.y, sr=SR, key=found.key, label=found.title)
        with right:
            chart(
                picture(side, look).update_layout(height=HEIGHT - 90),
                "rebuilt",
                f"From {about.label}: {about.per_s:,.0f} numbers a second.",
            )
            sounds.player(y, sr=SR, key=f"{found.key} {kind} {pulse}", label="Rebuilt")
        st.markdown(f"**Kept:** {about.kept}. **Lost:** {about.lost}")

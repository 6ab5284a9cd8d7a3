"""Up to four recordings side by side: their waveforms or STFTs, and their sound."""

import streamlit as st

from core import figures
from core.compare import Look, Window
from core.figures import palette
from core.params import SpectraParams
from core.safe_text import clean, md
from pages.shared import cache, clip_panels, session, sounds
from pages.shared.inputs import Picked, demo_options, demo_picked, from_address, to_address

ARTICLE_FOUR = [
    "demo_silence_at_both_ends",
    "demo_clicks_in_the_silence",
    "demo_broad_varying_noise",
    "demo_constant_narrow_band_noise",
]
SHOW = ("Waveforms", "STFTs")


def show(sr: int | None, params: SpectraParams, axis: str, save_as: str) -> None:
    """The grid, with its choice of clips and of what is drawn."""
    own = {f"mine/{c}": name for c, (name, _) in session.mine().clips.items()}
    options = demo_options() | own
    from_address("compare", options, ARTICLE_FOUR)
    chosen = st.multiselect(
        "Clips to compare (up to four)",
        list(options),
        format_func=lambda n: clean(options.get(n, n), 60),
        max_selections=4,
        key="compare",
        persist_state="session",
        on_change=lambda: to_address("compare", st.session_state["compare"]),
    )
    what = st.segmented_control(
        "Show", SHOW, default=SHOW[0], required=True, key="compare_show", bind="query-params"
    )
    if not chosen:
        st.info("Choose at least one clip above.")
        return
    cells = [cell for _ in range((len(chosen) + 1) // 2) for cell in st.columns(2)]
    for cell, name in zip(cells, chosen, strict=False):
        with cell:
            _cell(_picked(name, options), sr, params, axis, what, save_as)


def _picked(name: str, options: dict[str, str]) -> Picked:
    if name.startswith("mine/"):
        title, ref = session.mine().clips[name.removeprefix("mine/")]
        return Picked(ref, title, title, own=True)
    return demo_picked(name)


def _cell(
    picked: Picked, sr: int | None, params: SpectraParams, axis: str, what: str, save_as: str
):
    y, rate = cache.load(picked.ref, sr, None)
    look = Look(Window(0.0, y.size / rate), axis, params)
    side = cache.before(picked.ref, sr, None, look)
    if what == SHOW[0]:
        fig = figures.waveform(
            side.envelope, t0=0.0, t1=look.window.t1, color=palette.BEFORE, beside_scale=False
        )
    else:
        fig = figures.spectrogram(
            side.stft, axis=axis, t0=0.0, t1=look.window.t1, top_db=params.top_db
        )
    st.markdown(f"**{md(picked.title, 80)}**")
    clip_panels.chart(fig, f"{what[:-1]} of {picked.name}", look=look, save_as=save_as)
    key = f"{picked.ref} {sr} whole Before"
    sounds.player(y, sr=rate, key=key, label="Sound", place=picked.name)

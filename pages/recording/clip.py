"""One recording before and after cleaning: see it, hear it, take it along."""

import streamlit as st

from core import figures
from core.compare import Look
from core.safe_text import md
from pages.shared import cache, clip_features, clip_grid, clip_panels, controls, window
from pages.shared.clean_panels import what_it_did
from pages.shared.errors import show_errors
from pages.shared.inputs import pick_clip

ONE, GRID = "Before and after", "Compare clips"

mode = st.segmented_control(
    "Mode",
    [ONE, GRID],
    default=ONE,
    required=True,
    key="mode",
    bind="query-params",
    label_visibility="collapsed",
)
save_as = st.session_state.get("save_as", "png")
picked = pick_clip() if mode == ONE else None
with st.sidebar:
    st.button("Use the article's settings", on_click=controls.use_article, width="stretch")
    sr = controls.rate()
    if mode == ONE:
        with st.expander("Cleaning", expanded=True, icon=":material/cleaning_services:"):
            chain = controls.chain()
    with st.expander("Pictures", icon=":material/image:"):
        params, axis = controls.pictures()

if mode == GRID:
    st.title("Compare clips", anchor=False)
    with show_errors():
        clip_grid.show(sr, params, axis, save_as)
    st.stop()

st.title(md(picked.title, 80), anchor=False)
st.caption(md(picked.note, 200))
with show_errors():
    info = cache.info(picked.ref)
    part = window.open_part(info)
    y, rate = cache.load(picked.ref, sr, part)
    cleaned = cache.cleaned(picked.ref, sr, part, chain)

    heard = clip_panels.listen(picked, sr, part, y, cleaned, chain)

overview = st.container()
window.follow(heard.selection)
look = Look(window.zoom(y.size / rate), axis, params)
with show_errors():
    before = cache.before(picked.ref, sr, part, look)
    after = cache.after(picked.ref, sr, part, chain, look)
with overview:
    clip_panels.facts(info, before, after)

shown = st.pills(
    "Views",
    list(figures.VIEWS),
    selection_mode="multi",
    default=["Spectrum", "MFCC", "Difference"],
    key="views",
    bind="query-params",
)
over = clip_features.overlays(picked, sr, part)
made = clip_panels.view_rows(before, after, shown, look=look, save_as=save_as, over=over)
st.subheader("Features", anchor=False)
clip_features.table(picked, sr, part, chain, y.size / rate)
what_it_did(picked, sr, part, chain, y.size / rate)
st.subheader("Take it along", anchor=False)
clip_panels.downloads(picked, cleaned, made, look=look, chain=chain, sr=sr)

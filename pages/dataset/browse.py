"""A data set: what it is, measuring it in the background, its clips and speakers."""

import streamlit as st

from pages.shared import browse_panels, data, selection, texts

st.title("Data set", anchor=False)
with st.sidebar:
    chosen = data.choose()
    st.caption(texts.SYNTHETIC if chosen.is_demo else texts.FOLDER_READ)
data.recognised(chosen)
if not chosen.is_table:
    data.measure(chosen)
opened = data.opened(chosen)
if opened is None:
    st.info("Nothing measured yet. Measuring runs in the background; the clips then appear here.")
    st.stop()
browse_panels.state(opened)
selected = selection.bar(opened)
browse_panels.keep(opened, selected)
browse_panels.show(opened, selected)
browse_panels.files(opened, selected)

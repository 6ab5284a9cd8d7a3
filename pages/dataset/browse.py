"""A data set: what it is, measuring it in the background, its table."""

import streamlit as st

from pages.shared import data, texts

st.title("Data set", anchor=False)
with st.sidebar:
    chosen = data.choose()
    st.caption(texts.SYNTHETIC if chosen.is_demo else texts.FOLDER_READ)
data.recognised(chosen)
st.subheader("Features of every clip", anchor=False)
data.measure(chosen)
data.table(chosen)

"""Where to start."""

import streamlit as st

from core import datasets
from pages.shared import cache, texts

st.title("Phonoscope", anchor=False)
st.markdown(
    "See, hear and clean voice recordings in the browser: one clip at a time, before and after, or "
    "a whole data set. Everything runs on this computer; nothing is sent to the internet."
)
table = cache.demo_table()
check, explore, learn = st.columns(3)
with check.container(border=True, height="stretch"):
    st.subheader("Check a recording", anchor=False)
    st.write("Upload a file, record your voice, or take a demo clip. See it, clean it, hear it.")
    st.page_link("recording/clip.py", label="Open the clip page", icon=":material/graphic_eq:")
with explore.container(border=True, height="stretch"):
    st.subheader("Explore a data set", anchor=False)
    st.write(
        f"Measure every clip of a data set, or begin with the built-in {len(table)} recordings of "
        f"{table['speaker_id'].nunique()} voices."
    )
    st.page_link("dataset/browse.py", label="Open a data set", icon=":material/table_view:")
    st.page_link(
        "recording/clip.py",
        label="Compare four clips",
        icon=":material/grid_view:",
        query_params={"mode": "Compare clips"},
    )
with learn.container(border=True, height="stretch"):
    st.subheader("Learn", anchor=False)
    st.write("Look at a voice as the article does: its parameters, its zoom, its denoising.")
    st.page_link(
        "recording/clip.py",
        label="A voice, 62.5 ms at a time",
        icon=":material/school:",
        query_params={
            "clip": "demo_clean",
            "sr": "16000 Hz",
            "from_s": "1.25",
            "length_s": "0.0625",
            "views": "Waveform",
        },
    )
st.subheader("Start with one of these", anchor=False)
cells = st.columns(3)
for i, (clip_id, title) in enumerate(datasets.demo_titles().items()):
    cells[i % 3].page_link(
        "recording/clip.py",
        label=title,
        icon=":material/play_circle:",
        query_params={"clip": clip_id.rsplit("/", 1)[-1]},
    )
st.subheader("What is loaded", anchor=False)
st.write(
    f"The demo set: {len(table)} short clips, {table['speaker_id'].nunique()} speakers, "
    f"{table['locale'].nunique()} languages. {texts.SYNTHETIC}"
)

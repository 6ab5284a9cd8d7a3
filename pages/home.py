"""Where to start."""

import streamlit as st

from core import datasets
from pages.shared import cache, texts

st.title("Phonoscope", anchor=False)
st.markdown(
    "See, hear and clean voice recordings in the browser: one clip at a time, before and after, or "
    "a whole data set. Everything runs on the computer that serves this page; nothing is sent to "
    "the internet."
)
table = cache.demo_table()
VOICES = table["speaker_id"].nunique()
DOORS = {
    "Check a recording": (
        "Record your voice, upload a file, or take a demo clip: is it good, what does cleaning "
        "change, what does a model hear?",
        (
            ("recording/check.py", "Is it good?", ":material/rule:", {}),
            ("recording/clip.py", "Open the clip page", ":material/graphic_eq:", {}),
            ("recording/predict.py", "Ask a model", ":material/psychology:", {}),
            (
                "recording/clip.py",
                "Compare four clips",
                ":material/grid_view:",
                {"mode": "Compare clips"},
            ),
        ),
    ),
    "Explore a data set": (
        "Measure every clip of a data set, such as Common Voice or a folder of recordings, or "
        f"begin with the built-in {len(table)} recordings of {VOICES} voices.",
        (
            ("dataset/browse.py", "Open a data set", ":material/table_view:", {}),
            ("dataset/distributions.py", "Distributions", ":material/bar_chart:", {}),
            ("dataset/map.py", "Map", ":material/scatter_plot:", {}),
        ),
    ),
    "Train and judge a model": (
        "Learn a label from a measured data set, and see what the score is worth: for whom it is "
        "wrong, and what leaks.",
        (
            ("model/train.py", "Train", ":material/model_training:", {}),
            ("model/evaluate.py", "Evaluate", ":material/fact_check:", {}),
        ),
    ),
    "Learn": (
        "How a voice becomes numbers, in 14 steps for a class room or for yourself; every step "
        "has a control and a question.",
        (
            ("learn/tour.py", "Take the tour", ":material/school:", {}),
            ("learn/listen.py", "Listen", ":material/hearing:", {}),
            ("learn/break_it.py", "Break it", ":material/heart_broken:", {}),
            ("learn/guess.py", "Guess first", ":material/quiz:", {}),
        ),
    ),
}
cells = [cell for _ in range(2) for cell in st.columns(2)]
for cell, (title, (words, links)) in zip(cells, DOORS.items(), strict=True):
    with cell.container(border=True, height="stretch"):
        st.subheader(title, anchor=False)
        st.write(words)
        with st.container(horizontal=True, gap="small"):
            for page, label, icon, query in links:
                st.page_link(page, label=label, icon=icon, query_params=query or None)
st.subheader(f"Or start with one of {len(datasets.demo_titles())} demo clips", anchor=False)
cells = st.columns(3)
rows = -(-len(datasets.demo_titles()) // 3)  # read down: the same order on a phone
for i, (clip_id, title) in enumerate(datasets.demo_titles().items()):
    query = {"clip": clip_id.rsplit("/", 1)[-1]}
    cells[i // rows].page_link(
        "recording/clip.py", label=title, icon=":material/play_circle:", query_params=query
    )
st.caption(
    f"The demo set: {len(table)} short clips, {VOICES} speakers, {table['locale'].nunique()} "
    f"languages. {texts.SYNTHETIC}"
)

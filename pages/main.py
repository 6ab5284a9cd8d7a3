"""The script Streamlit runs: page settings and the navigation."""

from pathlib import Path

import streamlit as st

from core import jobs
from pages.shared import session

SHARED = Path(__file__).parent / "shared"
st.set_page_config(page_title="Phonoscope", page_icon=str(SHARED / "icon.png"), layout="wide")
st.html(SHARED / "style.css")
session.admit()
jobs.owner.set(session.visitor())  # a fair share of the server's long work for each
page = st.navigation(
    {
        "": [st.Page("home.py", title="Home", icon=":material/home:", default=True)],
        "Recording": [
            st.Page("recording/clip.py", title="Clip", icon=":material/graphic_eq:"),
            st.Page("recording/check.py", title="Check", icon=":material/rule:"),
            st.Page("recording/predict.py", title="Predict", icon=":material/psychology:"),
        ],
        "Data set": [
            st.Page("dataset/browse.py", title="Browse", icon=":material/table_view:"),
            st.Page("dataset/distributions.py", title="Distributions", icon=":material/bar_chart:"),
            st.Page("dataset/correlations.py", title="Correlations", icon=":material/grid_on:"),
            st.Page("dataset/mean_mels.py", title="Mean mels", icon=":material/gradient:"),
            st.Page("dataset/map.py", title="Map", icon=":material/scatter_plot:"),
            st.Page("dataset/report.py", title="Report", icon=":material/description:"),
        ],
        "Model": [
            st.Page("model/train.py", title="Train", icon=":material/model_training:"),
            st.Page("model/evaluate.py", title="Evaluate", icon=":material/fact_check:"),
        ],
        "Learn": [
            st.Page("learn/tour.py", title="Tour", icon=":material/school:"),
            st.Page("learn/listen.py", title="Listen", icon=":material/hearing:"),
            st.Page("learn/break_it.py", title="Break it", icon=":material/heart_broken:"),
            st.Page("learn/guess.py", title="Guess first", icon=":material/quiz:"),
        ],
    },
    expanded=True,
)
with session.for_somebody():
    page.run()

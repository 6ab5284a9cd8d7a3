"""The script Streamlit runs: page settings and the navigation."""

from pathlib import Path

import streamlit as st

SHARED = Path(__file__).parent / "shared"
st.set_page_config(page_title="Phonoscope", page_icon=str(SHARED / "icon.png"), layout="wide")
st.html(SHARED / "style.css")
st.navigation(
    {
        "": [st.Page("home.py", title="Home", icon=":material/home:", default=True)],
        "Recording": [st.Page("recording/clip.py", title="Clip", icon=":material/graphic_eq:")],
        "Data set": [
            st.Page("dataset/browse.py", title="Browse", icon=":material/table_view:"),
            st.Page("dataset/distributions.py", title="Distributions", icon=":material/bar_chart:"),
            st.Page("dataset/correlations.py", title="Correlations", icon=":material/grid_on:"),
            st.Page("dataset/mean_mels.py", title="Mean mels", icon=":material/gradient:"),
            st.Page("dataset/map.py", title="Map", icon=":material/scatter_plot:"),
            st.Page("dataset/report.py", title="Report", icon=":material/description:"),
        ],
    }
).run()

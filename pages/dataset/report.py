"""A selection of clips as one file: data sheet, cautions, histograms, correlations, definitions."""

import streamlit as st

from pages.shared import data, selection
from pages.shared import report_panels as panels
from pages.shared.errors import show_errors

st.title("Report", anchor=False)
opened = data.open_workspace()
chosen = selection.bar(opened)
with show_errors():
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = panels.split(opened)
        place = st.container(width="content")
    panels.page(opened, chosen, by, place)

"""Judge a model: what its score means, where it is wrong, for whom, and what it may rest on."""

import streamlit as st

from pages.shared import data
from pages.shared import evaluate_panels as panels
from pages.shared.errors import show_errors

st.title("Evaluate", anchor=False)
opened = data.open_workspace()
with show_errors():
    judged = panels.choose(opened)
    view = panels.view()
    panels.VIEWS[view](opened, judged)

"""Train a model on the selected clips: what it learns, from what, and how it is judged."""

import streamlit as st

from pages.shared import data, selection
from pages.shared import train_panels as panels
from pages.shared.errors import show_errors

st.title("Train", anchor=False)
opened = data.open_workspace()
chosen = selection.bar(opened)
with show_errors():
    asked = panels.ask(opened, chosen)
    panels.run(opened, chosen, asked)
    panels.trained(opened)
    panels.kept(opened)

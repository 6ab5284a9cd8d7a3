"""How features go together, and which of them differ most between two groups."""

import streamlit as st

from pages.shared import correlations_panels as panels
from pages.shared import data, selection
from pages.shared import differences_panels as differences
from pages.shared.errors import show_errors

st.title("Correlations", anchor=False)
opened = data.open_workspace()
chosen = selection.bar(opened)
view = st.segmented_control(
    "Show",
    panels.VIEWS,
    default=panels.VIEWS[0],
    required=True,
    key="relation",
    bind="query-params",
    label_visibility="collapsed",
)
with show_errors():
    if view == "Pairs of features":
        look = panels.look(opened)
        found = panels.heat_map(opened, chosen, look)
        panels.pair(opened, chosen, look, found)
    else:
        differences.page(opened, chosen)

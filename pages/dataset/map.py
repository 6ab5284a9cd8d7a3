"""A map of the clips, and lists to listen through: duplicates, label errors, outliers."""

import streamlit as st

from pages.shared import data, selection
from pages.shared import map_panels as panels
from pages.shared import review_panels as review
from pages.shared.errors import show_errors

st.title("Map", anchor=False)
opened = data.open_workspace()
chosen = selection.bar(opened)
view = st.segmented_control(
    "Show",
    panels.VIEWS,
    default=panels.VIEWS[0],
    required=True,
    key="map_view",
    bind="query-params",
    label_visibility="collapsed",
)
with show_errors():
    if view == "Map":
        look = panels.look(opened)
        if look:
            panels.page(opened, chosen, look)
    elif view == "Duplicates":
        review.twice(opened, chosen)
    elif view == "Label errors":
        review.label_errors(opened, chosen)
    else:
        review.outliers(opened, chosen)

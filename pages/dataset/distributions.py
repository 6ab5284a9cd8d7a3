"""How labels and features of a data set are spread, and what outlier rules take away."""

import streamlit as st

from pages.shared import cautions, data, selection
from pages.shared import distributions_panels as panels
from pages.shared import outliers_panels as outliers
from pages.shared.errors import show_errors

st.title("Distributions", anchor=False)
opened = data.open_workspace()
chosen = selection.bar(opened)
view = st.segmented_control(
    "Show",
    panels.VIEWS,
    default=panels.VIEWS[0],
    required=True,
    key="view",
    bind="query-params",
    label_visibility="collapsed",
)
with show_errors():
    if view == "Class balance":
        panels.balance(opened, chosen)
    else:
        look = panels.look(opened, chosen, split=view != "Outliers")
        panels.definition(opened, look)
        cautions.beside(opened, chosen, label=look.by)
        if view == "Histogram":
            panels.histogram(opened, chosen, look)
        elif view == "By label":
            panels.boxes(opened, chosen, look)
        elif view == "Every clip":
            panels.every_clip(opened, chosen, look)
        else:
            outliers.page(opened, chosen, look)

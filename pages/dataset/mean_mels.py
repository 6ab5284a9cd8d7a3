"""Mean mel spectrograms of two groups of clips, and where they differ by more than chance."""

import streamlit as st

from pages.shared import data, selection
from pages.shared import mean_mels_panels as panels
from pages.shared.errors import show_errors

st.title("Mean mel spectrograms", anchor=False)
opened = data.open_workspace()
chosen = selection.bar(opened)
with show_errors():
    panels.need_sound(opened)
    panels.pictures_made(opened)
    look = panels.look(opened, chosen)
    found = panels.compare(opened, chosen, look)
    panels.pictures(found, look)
    panels.spectra(found)
    panels.nearest(opened, found)
    panels.downloads(found)

"""What a trained model says about one recording, how sure it is, and what that rests on."""

import streamlit as st

from core.safe_text import md
from pages.shared import cache, predict_batch, predict_model, predict_panels, window
from pages.shared.errors import show_errors
from pages.shared.inputs import pick_clip

st.title("Predict", anchor=False)
with st.sidebar:
    recording = st.container()
    path = predict_model.choose_model()
picked = pick_clip(recording)
with show_errors():
    model = predict_model.open_model(path)
with st.sidebar:
    threshold = predict_model.threshold(model)

st.subheader(md(picked.title, 80), anchor=False)
with show_errors():
    info = cache.info(picked.ref)
    asked = predict_model.Asked(picked, model, window.open_part(info), threshold)
    found = predict_panels.answer(asked)
    predict_panels.over_time(asked, found)
    why, again = st.columns(2, gap="large")
    with why:
        predict_panels.rests_on(asked, found)
    with again:
        predict_panels.survives(asked, found)
    predict_panels.nearest(asked, found)
    if picked.own:
        predict_batch.own_files(asked)
    predict_panels.card(model)
    predict_panels.take_along(asked, found)

"""The trial page of the player behind the real routes, headers and policy."""

from pathlib import Path

from starlette.middleware import Middleware
from starlette.routing import Route
import streamlit as st

from app import SecurityHeaders, StaticGzip, audio, audio_view, lifespan

app = st.App(
    Path(__file__).with_name("player_app.py"),
    lifespan=lifespan,
    routes=[
        Route("/audio/{session}/{name}.wav", audio),
        Route("/audio/{session}/{name}.{kind}", audio_view),
    ],
    middleware=[Middleware(SecurityHeaders), Middleware(StaticGzip)],
)

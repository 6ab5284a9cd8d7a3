"""A job that runs: how far it is or which in line, and a button that cancels it."""

import streamlit as st

from core.jobs import Job


def running(now: dict, job: Job, *, key: str, said: str) -> None:
    """Show the status ``now`` of a job; ``said`` is how far it is, in words."""
    share = now["done"] / now["total"] if now["total"] else 0.0
    place = now.get("place", 0)
    waits = f"Other jobs are running: this one is number {place} in line."
    left, right = st.columns([6, 1], vertical_alignment="bottom")
    left.progress(min(1.0, share), text=waits if place else said)
    if right.button("Cancel", key=key, width="stretch"):
        job.cancel()

"""The bar of a job: how far it is, or which in line."""

from streamlit.testing.v1 import AppTest


def page(now: dict) -> None:
    from pages.shared import progress

    class Stand:
        def cancel(self):
            import streamlit as st

            st.session_state["cancelled"] = True

    progress.running(now, Stand(), key="cancel", said="half of it")


def shown(**now) -> AppTest:
    return AppTest.from_function(page, args=({"done": 1, "total": 2, "place": 0} | now,)).run()


def test_a_job_that_runs_shows_how_far_it_is():
    bar = shown().get("progress")[0]
    assert (bar.proto.value, bar.proto.text) == (50, "half of it")


def test_a_job_that_waits_shows_its_place_in_line():
    assert "number 3 in line" in shown(place=3).get("progress")[0].proto.text


def test_the_button_cancels():
    at = shown()
    at.button(key="cancel").click().run()
    assert at.session_state["cancelled"]

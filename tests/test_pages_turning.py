"""From page to page: what was chosen stays chosen, and links lead to what they name."""

import pytest
from streamlit.testing.v1 import AppTest
from visit import open_page

from core import datasets

CLIP, CHECK, PREDICT = (f"recording/{name}.py" for name in ("clip", "check", "predict"))
LEARN = ("learn/tour.py", "learn/listen.py")
FIRST, *_, OTHER = (clip.rsplit("/", 1)[-1] for clip in datasets.demo_titles())


def turn(at: AppTest, page: str, **query: str) -> AppTest:
    """Turn to a page of the menu, or to one that is linked with this address."""
    at.query_params.clear()  # as a browser does
    for name, value in query.items():
        at.query_params[name] = value
    at.switch_page(page).run()
    assert not at.exception, at.exception
    return at


@pytest.mark.parametrize("first", [CLIP, CHECK, PREDICT])
@pytest.mark.parametrize("second", [CLIP, CHECK, PREDICT])
def test_a_clip_stays_chosen_when_the_page_is_turned_at_once(first, second):
    at = open_page(first, clip=OTHER)
    turn(at, second)
    assert at.segmented_control(key="source").value == "Demo"
    assert at.selectbox(key="clip").value == OTHER
    assert at.query_params["clip"] == OTHER  # whoever copies the address shows this clip


@pytest.mark.parametrize("drawn", [True, False], ids=["drawn", "turned at once"])
@pytest.mark.parametrize("learn", LEARN)
@pytest.mark.parametrize("second", [CLIP, CHECK, PREDICT, *LEARN])
def test_a_clip_chosen_for_a_lesson_stays_chosen(learn, second, drawn):
    at = open_page(learn)
    at.segmented_control(key="learn_whose").set_value("I choose").run()
    at.selectbox(key="clip").set_value(OTHER)
    if drawn:
        at.run()
    turn(at, second)
    if second not in LEARN:
        assert at.selectbox(key="clip").value == OTHER


def test_a_clip_stays_chosen_over_a_page_without_clips():
    at = open_page(CLIP, clip=OTHER)
    turn(turn(at, "home.py"), CHECK)
    assert at.selectbox(key="clip").value == OTHER


@pytest.mark.parametrize("source", ["Demo", "Data", "Upload", "Record"])
def test_a_link_to_a_demo_clip_shows_it_whatever_was_chosen_before(source):
    at = open_page(CLIP, clip=OTHER)
    at.segmented_control(key="source").set_value(source).run()
    assert ("clip" in at.query_params) == (source == "Demo")  # others are not shown
    turn(at, "home.py")
    turn(at, CLIP, clip=OTHER)
    assert at.segmented_control(key="source").value == "Demo"
    assert at.selectbox(key="clip").value == OTHER
    turn(at, "home.py")
    turn(at, CLIP, clip=FIRST)
    assert at.selectbox(key="clip").value == FIRST


def test_where_recordings_come_from_stays_chosen():
    at = open_page(CLIP)
    at.segmented_control(key="source").set_value("Upload").run()
    turn(at, CHECK)
    assert at.segmented_control(key="source").value == "Upload"
    at.segmented_control(key="source").set_value("Demo").run()
    assert at.segmented_control(key="source").value == "Demo"


def test_a_clip_stays_chosen_while_recordings_come_from_elsewhere():
    at = open_page(CLIP)
    at.selectbox(key="clip").set_value(OTHER).run()
    at.segmented_control(key="source").set_value("Upload").run()
    at.run()
    at.segmented_control(key="source").set_value("Demo").run()
    assert at.selectbox(key="clip").value == OTHER


def test_a_link_to_compared_clips_is_followed_after_others_were_compared():
    at = open_page(CLIP, mode="Compare clips", compare=[FIRST])
    turn(turn(at, "home.py"), CLIP, mode="Compare clips", compare=[OTHER])
    assert at.multiselect(key="compare").value == [OTHER]
    turn(turn(at, CHECK), CLIP, mode="Compare clips")
    assert at.multiselect(key="compare").value == [OTHER]
    assert at.query_params["compare"] in (OTHER, [OTHER])


def test_compared_clips_stay_chosen():
    at = open_page(CLIP, mode="Compare clips", compare=[FIRST, OTHER])
    at.multiselect(key="compare").set_value([OTHER]).run()
    turn(turn(at, CHECK), CLIP, mode="Compare clips")
    assert at.multiselect(key="compare").value == [OTHER]

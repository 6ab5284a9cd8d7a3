"""What a new visitor sees without scrolling, in real Chromium on a small projector."""

from browser import CHROMIUM, go, settle
from playwright.sync_api import expect
import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: set PHONOSCOPE_CHROMIUM to its path"),
]
FITS = """() => {
    const e = document.querySelector("[data-testid=stMain]");
    return e.scrollHeight === e.clientHeight && e.scrollWidth === e.clientWidth;
}"""

ONE_ROW = """() => {
    const sources = [...document.querySelectorAll(".st-key-source [role=radio]")];
    return new Set(sources.map((e) => e.getBoundingClientRect().top)).size === 1;
}"""


@pytest.fixture
def projector(page):
    page.set_viewport_size({"width": 1280, "height": 720})
    return page


def test_where_a_recording_comes_from_stands_on_one_row_in_sight(projector, server):
    go(projector, f"{server}/clip")
    sources = projector.locator(".st-key-source").get_by_role("radio")
    expect(sources).to_have_text(["Demo", "Data", "Upload", "Record"])
    projector.wait_for_function(ONE_ROW, timeout=10_000)  # once the styles are there
    expect(projector.locator(".st-key-clip input")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("address", ["clip", "check", "predict"])
def test_what_to_do_without_a_recording_stands_on_the_page(projector, server, address):
    go(projector, f"{server}/{address}")
    projector.get_by_role("radio", name="Upload").click()
    hint = projector.get_by_test_id("stMain").get_by_text("Nothing here yet")
    expect(hint).to_be_in_viewport(timeout=60_000)


def test_the_truth_about_a_guess_needs_no_scrolling(projector, server):
    go(projector, f"{server}/guess")
    projector.get_by_text("See it").click()
    settle(projector)
    questions = projector.locator(".st-key-guess_words [data-testid=stRadio]")
    expect(questions).to_have_count(4)
    for question in questions.all():
        question.locator("label:has(input)").first.click()
        settle(projector)
    projector.get_by_role("button", name="Reveal").click()
    expect(projector.get_by_text("Your score")).to_be_in_viewport(timeout=60_000)
    expect(projector.get_by_role("button", name="Next clip")).to_be_in_viewport()
    projector.wait_for_function(FITS, timeout=10_000)

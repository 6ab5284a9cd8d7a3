"""The teaching pages in real Chromium: on a projector, by keyboard, by link."""

from browser import CHROMIUM, SOUND, go, settle
from playwright.sync_api import expect
import pytest

from core.learn.steps import STEPS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: set PHONOSCOPE_CHROMIUM to its path"),
]
OVERFLOW = """() => {
    const e = document.querySelector("[data-testid=stMain]");
    return [e.scrollHeight - e.clientHeight, e.scrollWidth - e.clientWidth];
}"""

FITS = """() => {
    const e = document.querySelector("[data-testid=stMain]");
    return e.scrollHeight === e.clientHeight && e.scrollWidth === e.clientWidth;
}"""


def heading(page, number: int):
    return page.get_by_role("heading", name=STEPS[number - 1].title)


def test_no_step_scrolls_on_a_projector_even_when_answered(page, server):
    go(page, f"{server}/tour?step=1")
    for number in range(1, len(STEPS) + 1):
        expect(heading(page, number)).to_be_visible(timeout=60_000)
        expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=60_000)
        options = page.locator(".st-key-learn [data-testid=stRadio] [role=radiogroup] label")
        options.nth(1).click()
        expect(page.locator(".st-key-learn [data-testid=stAlert]")).to_be_visible()
        settle(page)
        for width, height in ((1280, 720), (1920, 1080)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(FITS, timeout=10_000)
            ways = page.locator(".st-key-tour_ways").bounding_box()
            assert ways["y"] + ways["height"] <= height, (number, width)
        page.wait_for_url(lambda url, n=number: url.endswith(f"step={n}"))
        if number < len(STEPS):
            page.get_by_role("button", name="Next").click()


def test_arrow_keys_turn_the_steps_and_leave_sliders_alone(page, server):
    go(page, f"{server}/tour?step=3")
    expect(heading(page, 3)).to_be_visible(timeout=60_000)
    expect(page.locator(SOUND)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Next")).to_be_enabled()
    settle(page)
    page.keyboard.press("ArrowRight")
    expect(heading(page, 4)).to_be_visible(timeout=30_000)
    settle(page)
    page.keyboard.press("ArrowLeft")
    expect(heading(page, 3)).to_be_visible(timeout=30_000)
    settle(page)


def test_a_control_changes_the_picture_at_once(page, server):
    go(page, f"{server}/tour?step=3")
    image = page.locator(".st-key-learn_stft image").first
    expect(image).to_be_attached(timeout=60_000)
    before = image.get_attribute("href") or image.get_attribute("xlink:href")
    expect(page.get_by_text("Windows of 32 ms")).to_be_visible()
    page.locator(".st-key-tour_window input").press("End")
    expect(page.get_by_text("Windows of 128 ms")).to_be_visible(timeout=30_000)
    settle(page)
    expect(heading(page, 3)).to_be_visible()
    assert (image.get_attribute("href") or image.get_attribute("xlink:href")) != before


def test_a_rebuilt_sound_plays(page, server):
    go(page, f"{server}/listen?from=mel")
    players = page.locator(SOUND)
    expect(players).to_have_count(2, timeout=60_000)
    assert players.nth(1).evaluate("el => el.player.end") == pytest.approx(3.61, abs=0.05)
    players.nth(1).locator(".play").click()
    page.wait_for_function("el => el.player.now() > 0.1", arg=players.nth(1).element_handle())


def test_other_teaching_pages_fit_on_a_projector(page, server):
    page.set_viewport_size({"width": 1280, "height": 720})
    for name in ("listen", "break_it", "guess"):
        go(page, f"{server}/{name}")
        expect(page.locator(SOUND).first).to_be_visible(timeout=60_000)
        settle(page)
        assert page.evaluate(OVERFLOW) == [0, 0], name

"""A visitor opens a cell of the heat map with a click, hears a clip, and compares two groups."""

import contextlib
import re

from browser import IN_CHROMIUM, SOUND, choose, open_measured, settle
from playwright.sync_api import TimeoutError, expect

pytestmark = IN_CHROMIUM
COLUMNS = 16  # of the demo set's first heat map


def measured(page, server):
    heat = page.locator("[class*=st-key-heat_] .heatmaplayer image").first
    open_measured(page, f"{server}/correlations", heat)


def click_cell(page, column: int, row: int) -> None:
    """Click the middle of a cell and wait for the chart that frames it."""
    chart = page.locator("[class*=st-key-heat_]")
    expect(chart).to_have_count(1)
    expect(chart.locator(".heatmaplayer image")).to_be_attached()
    old = re.search(r"st-key-heat_\w+", chart.get_attribute("class"))[0]
    hover = chart.locator(".hovertext")
    for _ in range(40):  # a new chart answers the pointer once it is drawn
        box = chart.locator(".heatmaplayer").bounding_box()
        width, height = box["width"] / COLUMNS, box["height"] / COLUMNS
        x, y = box["x"] + width * (column + 0.5), box["y"] + height * (row + 0.5)
        page.mouse.move(x - 4, y)
        page.mouse.move(x, y)
        with contextlib.suppress(TimeoutError):
            hover.wait_for(state="attached", timeout=300)
            break
    page.mouse.click(x, y)
    expect(page.locator(f".{old}")).to_have_count(0, timeout=30_000)
    settle(page)


def test_a_click_on_a_cell_opens_its_pair_and_a_point_is_heard(page, server):
    measured(page, server)
    said = page.get_by_text("against", exact=False)
    expect(said.filter(has_text="Pitch, median (Hz) against Gender").first).to_be_visible()
    for column, row, words in (
        (4, 12, "Signal-to-noise ratio (dB) against Harmonics-to-noise ratio (dB)"),
        (12, 4, "Harmonics-to-noise ratio (dB) against Signal-to-noise ratio (dB)"),
        (15, 0, "Age group against Duration (s)"),
    ):
        click_cell(page, column, row)
        expect(said.filter(has_text=words).first).to_be_visible(timeout=30_000)
        settle(page)
    choose(page, "colour", "Gender")
    expect(page.locator("[class*=st-key-pair_]")).to_have_count(1)
    expect(page.locator("[class*=st-key-pair_] .legendtext").first).to_be_attached()
    point = page.locator("[class*=st-key-pair_] .scatterlayer .point").nth(20)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(SOUND)).to_be_visible(timeout=30_000)


def test_two_groups_are_compared(page, server):
    measured(page, server)
    page.get_by_text("Differences of two groups").click()
    settle(page)
    expect(page.locator(".st-key-dots .scatterlayer .point")).to_have_count(25)
    expect(page.get_by_text("bootstrap over speakers").first).to_be_visible()
    with page.expect_download() as csv:
        page.get_by_role("button", name="CSV of the table").click()
    assert csv.value.path().read_text().startswith("feature,title,effect,low,high")

"""The distributions page in real Chromium: brush, cut, read the ledger, hear the cut."""

from browser import IN_CHROMIUM, SOUND, open_measured, settle, sound_url
from playwright.sync_api import expect

pytestmark = IN_CHROMIUM


def chart(page, key: str):
    """The chart whose key begins so."""
    return page.locator(f"[class*=st-key-{key}] .nsewdrag").first


def drag(page, key: str, start: float, end: float, changes: str) -> None:
    """Mark a part of a histogram's width; wait until the address holds what it changes."""
    plot = chart(page, key)
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, y + 5, steps=5)
    page.mouse.move(box["x"] + box["width"] * end, y + 10, steps=5)
    page.mouse.up()
    page.wait_for_url(lambda url: changes in url)
    settle(page)


def test_a_drag_selects_another_cuts_and_the_ledger_says_from_whom(page, server):
    open_measured(page, f"{server}/distributions?view=Histogram", chart(page, "histogram_"))
    drag(page, "histogram_", 0.3, 0.95, "sel=")
    expect(page.get_by_text("of 194 clips").first).to_be_visible()
    page.get_by_role("radio", name="Outliers").click()
    settle(page)
    drag(page, "outliers_", 0.1, 0.6, "rules=")
    assert "sel=" in page.url
    expect(page.get_by_text("Clips kept").first).to_be_visible()
    lines = page.locator("[class*=st-key-outliers_] .shapelayer path")
    expect(lines).to_have_count(2)
    expect(page.locator(".st-key-losses_gender .scatterlayer .point").first).to_be_attached()
    page.locator(".st-key-hear label").first.click()
    settle(page)
    sounds = page.locator(SOUND)
    expect(sounds.nth(6)).to_be_attached(timeout=60_000)
    page.get_by_role("button", name="Clear all rules").click()
    expect(page.get_by_text("No rule yet")).to_be_visible()
    assert "rules=" not in page.url


def test_a_click_on_a_point_plays_the_clip(page, server):
    open_measured(page, f"{server}/distributions?view=Every+clip", chart(page, "strip_"))
    expect(page.locator(SOUND)).to_have_count(0)
    point = page.locator("[class*=st-key-strip_] .scatterlayer .point").nth(20)
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    sound = page.locator(SOUND)
    expect(sound).to_have_count(1, timeout=30_000)
    settle(page)
    expect(page.locator("[class*=st-key-play_strip_]")).to_contain_text("Pitch, median (Hz): ")
    assert page.request.get(sound_url(sound)).status == 200

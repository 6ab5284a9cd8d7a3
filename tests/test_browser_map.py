"""The map in real Chromium: hear a point, lasso points, judge suspects by keyboard."""

from browser import IN_CHROMIUM, SOUND, open_measured, settle, sound_url
from playwright.sync_api import expect

pytestmark = IN_CHROMIUM
PLOT = "[class*=st-key-map_] .nsewdrag"


def test_a_click_on_the_map_plays_the_clip(page, server):
    open_measured(page, f"{server}/map", page.locator(PLOT).first)
    point = page.locator("[class*=st-key-map_] .scatterlayer .point").nth(3)
    point.wait_for()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    expect(page.locator("[class*=st-key-map_] .hovertext").first).to_contain_text("demo_")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_role("heading", name="1 clip picked")).to_be_visible(timeout=30_000)
    settle(page)
    sound = page.locator(SOUND)
    expect(sound).to_have_count(1)
    assert page.request.get(sound_url(sound)).status == 200


def test_a_lasso_becomes_the_selection_and_a_tag(page, server):
    open_measured(page, f"{server}/map", page.locator(PLOT).first)
    page.get_by_role("radio", name="Lasso").click()
    settle(page)
    plot = page.locator(PLOT).first
    expect(page.get_by_text("Draw around points")).to_be_visible()
    box = plot.bounding_box()
    corners = [(0.6, 0.02), (0.98, 0.02), (0.98, 0.98), (0.6, 0.98), (0.6, 0.04)]
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    heading = page.get_by_role("heading", name="clips picked")
    expect(heading).to_be_visible(timeout=30_000)
    settle(page)
    picked = int(heading.inner_text().split()[0])
    assert 20 < picked < 194
    expect(page.locator(SOUND)).to_have_count(1)
    page.get_by_label("Tag", exact=True).fill("right of the map")
    page.get_by_role("button", name="Tag them").click()
    expect(page.get_by_text(f"{picked} clips tagged right of the map.")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Make them the selection").click()
    page.wait_for_url(lambda url: "sel=" in url)
    settle(page)
    expect(page.get_by_text(f"{picked} of 194 clips").first).to_be_visible()
    expect(page.get_by_role("heading", name="clips picked")).to_have_count(0)


def test_suspects_are_judged_by_keyboard(page, server):
    there = page.locator("[class*=st-key-review_next]").first
    open_measured(page, f"{server}/map?map_view=Label+errors", there)
    expect(page.get_by_text("1 of ").first).to_be_visible()
    expect(page.locator(SOUND)).to_have_count(1, timeout=30_000)
    page.keyboard.press("y")
    expect(page.get_by_text("1 judged: 1 “gender wrong”")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("2 of ").first).to_be_visible()
    settle(page)
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="✓ Gender wrong")).to_be_visible(timeout=30_000)
    settle(page)
    page.keyboard.press("n")
    expect(page.get_by_text("0 “gender wrong”, 1 “gender right”")).to_be_visible(timeout=30_000)
    settle(page)
    page.reload()
    expect(page.get_by_text("0 “gender wrong”, 1 “gender right”")).to_be_visible(timeout=60_000)
    settle(page)


def test_tsne_is_drawn_at_once_for_few_clips(page, server):
    open_measured(page, f"{server}/map?map_method=t-SNE", page.locator(PLOT).first)
    axis = page.locator("[class*=st-key-map_] .xtitle")
    expect(axis).to_contain_text("t-SNE axis 1", timeout=60_000)

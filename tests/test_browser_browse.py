"""The Browse page in real Chromium: measure, step through rows, tag, select, take along."""

import io

from browser import IN_CHROMIUM, SOUND, choose, open_measured, settle, sound_url
import pandas as pd
from playwright.sync_api import expect

pytestmark = IN_CHROMIUM


def test_from_the_table_to_a_tag_a_file_and_the_clip_page(page, server):
    open_measured(page, f"{server}/browse", page.get_by_text("All 194 clips"))
    # The keys choose the first row, then the second; each has a sound of its own.
    expect(page.locator(".st-key-browse_next button")).to_be_enabled(timeout=30_000)
    page.keyboard.press("j")
    player = page.locator(SOUND)
    expect(player).to_have_count(1, timeout=30_000)
    settle(page)
    first = sound_url(player)
    page.keyboard.press("j")
    expect(page.locator(".st-key-play_browse")).to_contain_text("demo_clean", timeout=30_000)
    settle(page)
    assert sound_url(player) != first
    player.locator(".play").click()
    page.wait_for_function("el => el.player.now() > 0.2", arg=player.element_handle())
    tags = page.get_by_role("combobox", name="Tags")
    tags.click()
    tags.fill("reference")
    tags.press("Enter")
    page.keyboard.press("Escape")
    settle(page)
    page.get_by_text("Kept selections and tags").click()
    page.get_by_role("button", name="Select its clips").click()
    expect(page.get_by_text("1 of 194 clips")).to_be_visible(timeout=30_000)
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with open(download.value.path(), "rb") as file:
        table = pd.read_csv(io.BytesIO(file.read()))
    assert table["clip_id"].tolist() == ["demo/demo_clean"]
    assert table["tags"].tolist() == ["reference"]
    page.get_by_role("link", name="Open on the clip page").click()
    expect(page.get_by_role("heading", name="demo_clean")).to_be_visible(timeout=60_000)
    settle(page)
    choose(page, "clip_row", "demo_clipping")
    expect(page.get_by_role("heading", name="demo_clipping")).to_be_visible(timeout=60_000)
    assert "demo_clipping" in page.url

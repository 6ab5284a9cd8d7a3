"""Mean mels in real Chromium: pictures made in the background, groups compared, clips heard."""

from pathlib import Path

from browser import IN_CHROMIUM, SOUND, open_measured, settle, sound_url
from playwright.sync_api import expect

pytestmark = IN_CHROMIUM


def test_pictures_are_made_two_groups_compared_and_the_nearest_clips_heard(page, server):
    make = page.get_by_role("button", name="Make pictures")
    open_measured(page, f"{server}/mean_mels", make)
    make.click()
    charts = page.locator(".js-plotly-plot")
    expect(charts).to_have_count(4, timeout=60_000)
    settle(page)
    said = page.get_by_text("where male is stronger by")
    expect(said).to_be_visible()
    layers = page.locator(".st-key-mel_difference .heatmaplayer image")
    expect(layers).to_have_count(2, timeout=30_000)
    page.get_by_text("Fade what may be chance").click()
    settle(page)
    expect(layers).to_have_count(1, timeout=30_000)
    assert "mels_masked=false" in page.url
    page.get_by_text("Hear the five clips nearest to each mean").click()
    players = page.locator(SOUND)
    expect(players).to_have_count(10, timeout=60_000)
    settle(page)
    answer = page.request.get(sound_url(players.first))
    assert answer.ok
    assert answer.body()[:4] == b"RIFF"
    with page.expect_download() as csv:
        page.get_by_role("button", name="Download CSV").click()
    lines = Path(csv.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "hz,time_s,a_db,b_db,difference_db,significant"
    assert len(lines) == 1 + 128 * 93

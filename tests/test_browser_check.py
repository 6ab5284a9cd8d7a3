"""The page Check in real Chromium: hear the worst moment, keep the report, open a row."""

from pathlib import Path
import re

from browser import IN_CHROMIUM, go, settle, upload
import numpy as np
from playwright.sync_api import expect
import pytest

from conftest import voice
from core import audio

pytestmark = IN_CHROMIUM
PLAYER = ".st-key-check_player .player"


def wav(y: np.ndarray) -> bytes:
    return audio.encode_wav(y, sr=16_000, bits=16)


def test_the_worst_moment_is_shown_and_played(page, server):
    go(page, f"{server}/check?clip=demo_several_at_once")
    first = page.locator(".checks > li").first
    expect(first).to_contain_text("Signal-to-noise ratio", timeout=60_000)
    expect(first).to_have_class("warn")
    inner = page.locator(PLAYER)
    expect(inner).to_have_attribute("data-drawn", re.compile("."))
    button = first.get_by_role("button", name="play the worst moment, 4.16 to 4.66 s")
    button.focus()
    page.keyboard.press("Enter")
    at, a, b, t0, t1 = inner.evaluate(
        "async ({player: p}) => { while (!p.sound || !p.sound.playing)"
        " await new Promise(requestAnimationFrame);"
        " return [p.at, ...p.selection, p.t0, p.t1]; }"
    )
    assert (a, b) == pytest.approx((4.16, 4.66), abs=0.01)
    assert a - 0.5 < at < b
    assert t0 <= a < b <= t1
    assert t1 - t0 < 2


def test_a_threshold_goes_into_the_address_and_its_link_gives_the_same_verdict(page, server):
    go(page, f"{server}/check?clip=demo_clean")
    expect(page.get_by_role("heading", name="Good")).to_be_visible(timeout=60_000)
    page.get_by_text("Thresholds", exact=True).click()
    box = page.locator(".st-key-snr_warn input")
    box.fill("60")
    box.press("Enter")
    expect(page.get_by_role("heading", name="noisy")).to_be_visible(timeout=30_000)
    page.wait_for_url(lambda url: "snr_warn=60" in url)
    address = page.url
    page.goto("about:blank")
    go(page, address)
    expect(page.get_by_role("heading", name="noisy")).to_be_visible(timeout=30_000)


def test_the_report_opens_offline_and_prints_on_one_page(page, server, tmp_path):
    go(page, f"{server}/check?clip=demo_several_at_once")
    with page.expect_download() as got:
        page.get_by_role("button", name="Download report").click()
    path = tmp_path / "report.html"
    got.value.save_as(path)
    page.context.set_offline(True)
    kept = page.context.new_page()
    kept.goto(path.as_uri())
    expect(kept.get_by_role("heading", name="Several problems at once")).to_be_visible()
    assert kept.locator("figure svg image").evaluate("el => el.getBBox().width") > 100
    kept.set_viewport_size({"width": 390, "height": 800})
    assert kept.evaluate("document.documentElement.scrollWidth") <= 390
    printed = kept.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


def test_of_several_files_the_worst_is_first_and_a_click_opens_one(page, server):
    go(page, f"{server}/check")
    page.get_by_role("radio", name="Upload").click()
    settle(page)
    y = voice(duration_s=3.0)
    upload(page, "clipped.wav", wav(np.clip(4 * y, -0.6, 0.6)))
    expect(page.get_by_text("clipped.wav ·")).to_be_visible(timeout=30_000)
    upload(page, "good.wav", wav(y))
    expect(page.get_by_role("heading", name="worst first")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("good.wav ·")).to_be_visible()
    with page.expect_download() as csv:
        page.get_by_role("button", name="Download CSV").click()
    lines = Path(csv.value.path()).read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["File", "clipped.wav", "good.wav"]
    table = page.get_by_test_id("stDataFrame")
    box = table.bounding_box()
    page.mouse.click(box["x"] + 14, box["y"] + 36 + 18)  # the box of the first row
    expect(page.get_by_text("clipped.wav ·")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("heading", name="Poor: clipped")).to_be_visible()

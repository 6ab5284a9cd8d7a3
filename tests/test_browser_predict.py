"""An uploaded voice is put to the shipped model in a real browser, and a broken file is not."""

import json
from pathlib import Path

from browser import IN_CHROMIUM, go, settle, upload
from playwright.sync_api import expect

from conftest import SR, voice
from core import audio
from core.models import predict, shipped

pytestmark = IN_CHROMIUM


def test_an_uploaded_voice_is_answered_and_a_broken_file_keeps_the_answer(page, server, tmp_path):
    path = tmp_path / "voice.wav"
    path.write_bytes(audio.encode_wav(voice(115, 3.0), sr=SR, bits=16))
    expected = predict.predict(shipped.shipped(), path)
    page.set_default_timeout(90_000)
    go(page, f"{server}/predict")
    page.get_by_role("radio", name="Upload").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible(timeout=60_000)
    settle(page)
    upload(page, "voice.wav", path.read_bytes())
    expect(page.get_by_role("heading", name="voice.wav")).to_be_visible(timeout=60_000)
    answer = page.locator(".st-key-predict_answer [role=heading]")
    said = "I would rather not say" if expected.abstained else f"{expected.label}, "
    expect(answer).to_contain_text(said, timeout=60_000)
    for name in ("probabilities", "over_time", "rests_on"):
        plot = page.locator(f".st-key-predict_{name} .js-plotly-plot")
        expect(plot).to_be_visible(timeout=60_000)
    expect(page.locator(".st-key-predict_over_time .y3title")).to_be_attached()
    settle(page)
    before = answer.inner_text()

    upload(page, "broken.wav", b"RIFF\x00\x00\x00\x00WAVEnonsense" * 20)
    alerts = page.locator("[data-testid=stAlert]")
    expect(alerts).to_have_count(1, timeout=30_000)
    expect(alerts.first).to_contain_text("broken.wav")
    expect(page.get_by_role("heading", name="voice.wav")).to_be_visible()
    expect(answer).to_have_text(before)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    told = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert told["label"] == expected.label

    upload(page, "other.wav", audio.encode_wav(voice(230, 2.0), sr=SR, bits=16))
    expect(page.get_by_role("heading", name="other.wav")).to_be_visible(timeout=60_000)
    settle(page)
    page.get_by_role("button", name="Ask about all 2").click()
    expect(page.get_by_text("could not be read 0")).to_be_visible(timeout=90_000)
    settle(page)
    with page.expect_download() as download:
        page.locator(".st-key-predict_batch_csv button").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert {line.split(",")[0] for line in lines[1:]} == {"voice.wav", "other.wav"}

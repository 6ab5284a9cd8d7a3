"""Hostile uploads and names in real Chromium: the page says a sentence and stays usable."""

import io
import json
from pathlib import Path
import zipfile

from browser import CHROMIUM, go, settle
import numpy as np
from playwright.sync_api import expect
import pytest
import soundfile
from test_browser import upload

from benchmarks import fuzz, names
from benchmarks.client import Server
from benchmarks.clip_page import free_port

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: set PHONOSCOPE_CHROMIUM to its path"),
]
# Plotly's links have their address in another namespace, where a[href] does not see it.
LINKS = """(evil) => [...document.querySelectorAll("[*|href]")]
    .map((e) => [...e.attributes].find((a) => a.localName.endsWith("href")).value)
    .filter((address) => address.includes(evil))"""
REFUSED, WARNED, OPENED = "refused", "warned", "opened"


def bomb() -> bytes:
    """Two hours of silence in a small FLAC."""
    file = io.BytesIO()
    zeros = np.zeros(8000 * 7200, np.int16)
    soundfile.write(file, zeros, 8000, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def hostile_files() -> list[tuple[str, bytes, str]]:
    """Name, bytes, and what should become of it; one of each kind."""
    known = {name: data for name, data in fuzz.seeds().items() if not name.startswith("shared-")}
    wav, mp3 = known["a.wav"], known["a.mp3"]
    channels = bytearray(wav)
    channels[22:24] = (65_535).to_bytes(2, "little")
    rate = bytearray(wav)
    rate[24:28] = (2**31 - 1).to_bytes(4, "little")
    nan = fuzz.soundfile_bytes("n.wav", np.full(16_000, np.nan, "f4"), 16_000, subtype="FLOAT")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("../../a.wav", wav)
    return [
        ("empty.wav", b"", REFUSED),
        ("header.wav", wav[:44], REFUSED),
        ("text.wav", b"This is not audio.\n" * 50, REFUSED),
        ("page.mp3", b"<html><script>alert(1)</script></html>", REFUSED),
        ("list.wav", b"ffconcat version 1.0\nfile a.wav\n", REFUSED),
        ("net.mp3", b"v=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n", REFUSED),
        ("packed.mp3", packed.getvalue(), REFUSED),
        ("channels.wav", bytes(channels), REFUSED),
        ("rate.wav", bytes(rate), REFUSED),
        ("numbers.wav", nan, REFUSED),
        ("cut.wav", wav[:4000], WARNED),
        ("cut.mp3", mp3[: len(mp3) * 2 // 3], WARNED),
        ("bomb.flac", bomb(), OPENED),
        ("![i](http://evil.invalid/x.png).wav", wav, OPENED),
        ("<script>window.evil=1</script>\u202e.wav", wav + b"\0\0", OPENED),
    ]


def test_the_clip_page_stays_usable_after_every_kind_of_file(page, server):
    watched = names.Watched(page, server)
    go(page, f"{server}/clip")
    page.get_by_role("radio", name="Upload").click()
    settle(page)
    error = page.get_by_test_id("stAlertContentError")
    warning = page.get_by_text("This file can be opened, but")
    for name, data, wished in hostile_files():
        upload(page, name, data)
        expect(error).to_have_count(int(wished == REFUSED), timeout=30_000)
        expect(warning).to_have_count(int(wished == WARNED), timeout=30_000)
        if wished == REFUSED:
            expect(error).to_contain_text(name.split(".")[0])
        expect(page.get_by_test_id("stException")).to_have_count(0)
        watched.look()
    page.get_by_role("radio", name="Demo").click()
    settle(page)
    expect(page.locator(".player[data-drawn]:not(.small)")).to_be_visible(timeout=60_000)
    assert watched.wrong == []


@pytest.fixture
def shown(chromium, tmp_path):
    """Open names in every kind of element; what they did."""

    def look(words: list[str], app: str = names.APP) -> list[str]:
        (tmp_path / "names.json").write_text(json.dumps([words]))
        script = tmp_path / "show.py"
        script.write_text(app.format(root=str(ROOT), names=str(tmp_path / "names.json")))
        context = chromium.new_context()
        with Server(script, free_port()) as server:
            watched = names.Watched(context.new_page(), server.address)
            names.elements(watched, server.address, 1)
            expect(watched.page.locator(".js-plotly-plot .gtitle")).to_be_attached(timeout=60_000)
            watched.look()
            watched.wrong += watched.page.evaluate(LINKS, names.EVIL)
        context.close()
        return watched.wrong

    return look


def test_names_and_labels_are_shown_and_do_nothing(shown):
    linked = [f"{mark}www.evil.invalid/{mark}" for mark in "_*~("]
    assert shown([*linked, *names.names(120, 1)]) == []


@pytest.mark.parametrize(
    ("bare", "name"),
    [
        ("md = lambda x, n=0: x", "![i](http://evil.invalid/{}.png)"),
        ("md = lambda x, n=0: x", "[go](http://evil.invalid/{})"),
        ("plotly = lambda x, n=0: x", "<a href='http://evil.invalid/{}'>x</a>"),
    ],
)
def test_the_same_names_would_act_if_they_were_not_escaped(shown, bare, name):
    loose = names.APP.replace("import clean, md, plotly", f"import clean, md, plotly; {bare}")
    assert any(
        "http://evil.invalid" in what for what in shown([name.format(n) for n in range(60)], loose)
    )

"""Real Chromium against a real server: helpers and fixtures of the browser tests."""

import contextlib
import os
from pathlib import Path
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request

from playwright.sync_api import Browser, Locator, Page, expect
import pytest

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("PHONOSCOPE_CHROMIUM") or shutil.which("chromium") or ""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
IN_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: set PHONOSCOPE_CHROMIUM to its path"),
]  # the marks of a file of browser tests
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def serve(log: Path, **env: str):
    """The app on a free port; gives its address, and stops it afterwards."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with (
        log.open("w") as out,
        subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stdout=out, stderr=out
        ) as process,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(address: str, process: subprocess.Popen, tries: int = 600) -> None:
    """Poll until the server answers."""
    for _ in range(tries):
        if process.poll() is not None:
            raise RuntimeError(f"the server stopped with exit code {process.returncode}")
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(address, timeout=1),
        ):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    raise RuntimeError("the server did not answer")


def watch(page: Page, origin: str) -> list[str]:
    """Collect what must not happen: page errors, console errors, requests to other hosts."""
    wrong: list[str] = []

    def console(message):
        # Streamlit probes the base path of a deep link; the browser logs the 404.
        if message.type == "error" and "404" not in message.text:
            wrong.append(f"console: {message.text}")

    ours = [f"{start}/" for start in (origin, origin.replace("http", "ws", 1))]

    def request(sent):
        if not sent.url.startswith((*ours, "data:", "blob:")):
            wrong.append(f"outside request: {sent.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
    page.on("request", request)
    page.on("websocket", request)
    return wrong


@contextlib.contextmanager
def new_page(browser: Browser, origin: str):
    """A page of a new visitor; complains afterwards of what must not happen."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 1400}, permissions=["microphone"]
    )
    page = context.new_page()
    wrong = watch(page, origin)
    yield page
    context.close()
    assert not wrong, wrong


def settle(page: Page) -> None:
    """Wait until the script has run to its end and nothing is stale."""
    expect(page.locator(IDLE)).to_be_attached(timeout=60_000)
    expect(page.locator("[data-stale=true]")).to_have_count(0, timeout=60_000)


def go(page: Page, address: str) -> None:
    """Open an address and wait for the page."""
    page.goto(address)
    page.locator("[data-testid=stApp]").wait_for(timeout=60_000)
    settle(page)


def open_measured(page: Page, address: str, there: Locator) -> None:
    """Open an address until ``there`` is seen; the demo set is measured there if need be."""
    go(page, address)
    measure = page.get_by_role("button", name="Measure", exact=True)
    expect(there.or_(measure).first).to_be_visible(timeout=60_000)
    if measure.is_visible():
        measure.click()
    expect(there).to_be_visible(timeout=120_000)
    settle(page)


def upload(page: Page, name: str, data: bytes) -> None:
    """Give a file to the only uploader on the page."""
    chooser = page.locator("[data-testid=stFileUploader] input[type=file]")
    expect(chooser).to_have_count(1, timeout=60_000)  # the one before it has gone
    chooser.set_input_files(
        files=[{"name": name, "mimeType": "application/octet-stream", "buffer": data}]
    )
    settle(page)


def choose(page: Page, key: str, option: str) -> None:
    """Pick an option of the selectbox with this key."""
    page.locator(f".st-key-{key} input").click()
    page.locator(f".st-key-{key} input").fill(option)
    page.get_by_role("option", name=option).first.click()
    settle(page)


def picture(page: Page, key: str, other_than: str = "") -> str:
    """The data URI of the spectrogram in the chart with this key, once it has changed."""
    read = """([key, old]) => {
        const image = document.querySelector(`.st-key-${key} image`);
        const href = image && (image.getAttribute("href") || image.getAttribute("xlink:href"));
        return href && href !== old ? href : null;
    }"""
    return page.wait_for_function(read, arg=[key, other_than], timeout=30_000).json_value()


SOUND = ".player.small[data-drawn]"  # a small player, drawn


def sound_url(player: Locator) -> str:
    """Where a player finds its first sound."""
    return player.evaluate("el => new URL(el.player.head.tracks[0].url, location.href).href")

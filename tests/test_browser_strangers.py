"""Two visitors of one server never meet, and no page asks another server for anything."""

import contextlib
import http.client
import os
from pathlib import Path
import re
import time

from browser import CHROMIUM, go, serve, settle, watch
from playwright.sync_api import expect
import pytest

from conftest import SR, tone, voice
from core import audio

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: set PHONOSCOPE_CHROMIUM to its path"),
]

ROOT = Path(__file__).resolve().parents[1]
PAGES = re.findall(r'st\.Page\("(?:\w+/)?(\w+)\.py"', (ROOT / "pages/main.py").read_text())
CANARY, OTHER = "CANARY-anna", "CANARY-berta"
GONE_S = 5.0  # a promise: what a visitor brought is gone this long after leaving
AWAY_S = 4.0  # by when what belongs to somebody who has left is gone
HOSTILE = "![p](http://pictures.test/p.png) [l](http://links.test) <img src=x onerror=boom()>"


def wav(f0: float) -> bytes:
    return audio.encode_wav(tone(f0, 2.0), sr=SR, bits=16)


def upload(page, name: str, data: bytes) -> None:
    chooser = page.locator("[data-testid=stFileUploader] input[type=file]")
    expect(chooser).to_have_count(1, timeout=60_000)  # the one before it has gone
    chooser.set_input_files(
        files=[{"name": name, "mimeType": "application/octet-stream", "buffer": data}]
    )
    settle(page)


def own_recordings(page, address: str) -> None:
    """Open a page and turn to uploads."""
    go(page, address)
    page.get_by_role("radio", name="Upload").click()
    settle(page)


class Visitor:
    """A browser context of its own, with all that reached it over websockets and HTTP."""

    def __init__(self, chromium, server: str):
        self.context = chromium.new_context(viewport={"width": 1280, "height": 1400})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.wrong = watch(self.page, server)
        self.received: list[bytes] = []
        self.page.on("websocket", lambda ws: ws.on("framereceived", self._keep))

    def _keep(self, frame) -> None:
        self.received.append(frame.encode() if isinstance(frame, str) else frame)

    def sounds(self) -> list[str]:
        settle(self.page)
        player = self.page.locator(".player[data-drawn]:not(.small)")
        expect(player).to_be_visible(timeout=60_000)
        return player.evaluate("el => el.player.head.tracks.map((t) => t.url)")

    def has_seen(self, text: str) -> bool:
        return any(text.encode() in frame for frame in self.received) or text in self.page.content()


@pytest.fixture
def place(tmp_path):
    """A server whose temporary folder can be looked into: its address, folder and log."""
    temp, log = tmp_path / "temp", tmp_path / "log.txt"
    temp.mkdir()
    env = {"TMPDIR": str(temp), "PHONOSCOPE_LOG": "1"}
    with serve(log, PHONOSCOPE_WORKSPACES=str(tmp_path / "workspaces"), **env) as address:
        yield address, temp, log


@pytest.fixture
def visitors(chromium, place):
    found = [Visitor(chromium, place[0]) for _ in range(2)]
    yield found
    for visitor in found:
        with contextlib.suppress(Exception):  # closed by the test
            visitor.context.close()
    assert not [w for v in found for w in v.wrong]


def files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def in_memory(page, server: str) -> bool:
    """Whether Streamlit's own store of uploads holds any."""
    return "UploadedFileManager" in page.request.get(f"{server}/_stcore/metrics").text()


def within(seconds: float, is_so) -> bool:
    """Ask until it is so, at most for some seconds."""
    until = time.monotonic() + seconds
    while not (found := is_so()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def brings(visitor: Visitor, server: str, name: str) -> list[str]:
    """Upload a recording on the clip page; the addresses of its sounds."""
    upload(visitor.page, name, wav(440))
    expect(visitor.page.get_by_role("heading", name=name)).to_be_visible(timeout=60_000)
    return visitor.sounds()


def finds_nothing(page, address: str) -> None:
    own_recordings(page, address)
    expect(page.get_by_text("Nothing here yet")).to_be_visible(timeout=60_000)


def checked(page) -> set[str]:
    """Files in the table of the check page, as downloaded."""
    page.get_by_role("link", name="Check").first.click()
    expect(page.get_by_role("heading", name="worst first")).to_be_visible(timeout=60_000)
    settle(page)
    with page.expect_download() as csv:
        page.get_by_role("button", name="Download CSV").click()
    rows = Path(csv.value.path()).read_text(encoding="utf-8").splitlines()[1:]
    return {row.split(",")[0] for row in rows}


def statuses(page, server: str, sounds: list[str]) -> set[int]:
    return {page.request.get(server + sound).status for sound in sounds}


def test_a_visitor_never_meets_the_recordings_of_another(visitors, place):
    server, temp, log = place
    anna, berta = visitors
    own_recordings(anna.page, f"{server}/clip")
    sounds = brings(anna, server, f"{CANARY}.wav")
    token, address = sounds[0].split("/")[2], anna.page.url
    assert anna.has_seen(CANARY)  # what is looked for can be found
    assert CANARY not in address
    assert token not in address
    assert not in_memory(anna.page, server)  # moved to the visitor's folder at once

    for place_ in (f"{server}/check", f"{server}/predict", address):
        finds_nothing(berta.page, place_)
    hers = brings(berta, server, f"{OTHER}.wav")  # the same bytes, under another name
    assert not {part for s in sounds for part in s.split("/")[2:]} & {
        part for s in hers for part in s.split("/")[2:]
    }
    mixed = hers[0].rsplit("/", 1)[0] + "/" + sounds[0].rsplit("/", 1)[1]
    assert berta.page.request.get(server + mixed).status == 404
    upload(berta.page, "second.wav", wav(330))
    assert checked(berta.page) == {f"{OTHER}.wav", "second.wav"}
    for secret in (CANARY, token):
        assert not berta.has_seen(secret)
    assert not anna.has_seen(OTHER)

    assert statuses(berta.page, server, sounds) == {200}  # an address is a key while it lasts
    anna.context.close()
    assert within(GONE_S, lambda: statuses(berta.page, server, sounds) == {404})
    assert within(GONE_S, lambda: not [p for p in temp.rglob("*") if token in p.parts])
    berta.context.close()
    assert within(GONE_S, lambda: not list(temp.rglob("*.wav")))
    said = log.read_text(encoding="utf-8")
    assert '"event"' in said
    for secret in ("CANARY", token, hers[0].split("/")[2], "second.wav"):
        assert secret not in said, secret


def test_a_connection_that_breaks_loses_nothing(visitors, place):
    server, temp, _ = place
    anna = visitors[0]
    lines = []

    def line(mine):
        lines.append((mine, mine.connect_to_server()))

    anna.page.route_web_socket("**/_stcore/stream", line)
    own_recordings(anna.page, f"{server}/clip")
    sounds = brings(anna, server, f"{CANARY}.wav")
    for _ in range(2):
        before = len(lines)
        for end in lines[-1]:
            end.close()
        assert within(20, lambda n=before: anna.page.wait_for_timeout(50) or len(lines) > n)
        settle(anna.page)
        expect(anna.page.get_by_role("heading", name=f"{CANARY}.wav")).to_be_visible()
        assert anna.sounds() == sounds
        assert statuses(anna.page, server, sounds) == {200}
    assert not within(AWAY_S, lambda: statuses(anna.page, server, sounds) != {200})
    assert len(list(temp.rglob(f"{CANARY}.wav"))) == 1
    menu = anna.page.get_by_test_id("stSidebarNav")
    menu.get_by_role("link", name="Check", exact=True).click()
    expect(anna.page.get_by_role("heading", name=f"{CANARY}.wav")).to_be_visible(timeout=60_000)
    anna.context.close()
    assert within(GONE_S, lambda: not list(temp.rglob(f"{CANARY}.wav")))


def test_an_upload_that_no_page_took_leaves_the_memory_too(visitors, place):
    server = place[0]
    anna, berta = visitors
    own_recordings(anna.page, f"{server}/clip")

    def arrives_and_is_never_told(route):
        if route.request.method == "PUT":
            route.fetch()
        else:
            route.continue_()

    anna.page.route("**/upload_file/**", arrives_and_is_never_told)
    anna.page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(
        files=[{"name": "late.wav", "mimeType": "audio/wav", "buffer": wav(440)}]
    )

    def held():
        anna.page.wait_for_timeout(50)  # lets the route run
        return in_memory(anna.page, server)

    assert within(20, held)
    anna.context.close()
    assert within(GONE_S, lambda: not in_memory(berta.page, server))


def test_who_leaves_in_the_middle_of_work_leaves_nothing(visitors, place):
    server, temp, _ = place
    anna, berta = visitors
    own_recordings(anna.page, f"{server}/clip?views=STFT&views=Mel&views=MFCC")
    chooser = anna.page.locator("[data-testid=stFileUploader] input[type=file]")
    data = audio.encode_wav(voice(130, 60.0), sr=SR, bits=16)
    chooser.set_input_files(
        files=[{"name": "long.wav", "mimeType": "application/octet-stream", "buffer": data}]
    )
    assert within(20, lambda: bool(list(temp.rglob("long.wav"))))
    anna.context.close()
    assert within(GONE_S, lambda: not list(temp.rglob("long.wav")))
    go(berta.page, server)  # answered after what was still running
    assert not [p for p in files(temp) if "uploads" in p.parts or "sounds" in p.parts]


def test_a_data_set_cannot_be_the_folder_of_uploads(visitors, place):
    server, temp, _ = place
    anna, berta = visitors
    own_recordings(anna.page, f"{server}/clip")
    upload(anna.page, f"{CANARY}.wav", wav(440))
    expect(anna.page.get_by_role("heading", name=f"{CANARY}.wav")).to_be_visible(timeout=60_000)
    media = next(p for p in temp.iterdir() if p.name.startswith("phonoscope-"))
    go(berta.page, f"{server}/browse")
    berta.page.get_by_role("radio", name="Folder").click()
    settle(berta.page)
    for folder in (temp, media, media / os.listdir(media)[0]):
        field = berta.page.get_by_role("textbox", name="Folder, table or archive")
        field.fill(str(folder))
        field.press("Enter")
        said = berta.page.get_by_text(f"{folder.name}: the recordings of visitors lie here")
        expect(said).to_be_visible(timeout=60_000)
        settle(berta.page)
    assert not berta.has_seen(CANARY)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_asks_another_server_for_anything(page, server, name):
    page.set_default_timeout(60_000)
    sockets = []  # which are no requests to Playwright
    page.on("websocket", lambda socket: sockets.append(socket.url))
    go(page, f"{server}/{'' if name == 'home' else name}")
    expect(page.get_by_role("heading").first).to_be_visible(timeout=60_000)
    nothing, measure = page.get_by_text("Nothing is measured"), page.locator(".st-key-job_start")
    if nothing.count():
        measure.get_by_role("button").click()
        expect(nothing).to_have_count(0, timeout=150_000)
        settle(page)
    assert page.url.startswith(server)  # and the fixture fails on requests to other hosts
    abroad = page.evaluate(
        "origin => performance.getEntriesByType('resource').map((e) => e.name)"
        ".filter((n) => n.startsWith('http') && !n.startsWith(origin))",
        server,
    )
    assert abroad == []
    assert sockets
    assert {socket.split("/")[2] for socket in sockets} == {server.split("/")[2]}


def status(server: str, method: str, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, headers={k.replace("_", "-"): headers[k] for k in headers})
        return connection.getresponse().status


def test_a_page_of_another_server_cannot_open_a_session_or_upload(server):
    shake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec_WebSocket_Protocol": "streamlit",
    }
    evil = "http://evil.invalid"
    stream = "/_stcore/stream"
    assert status(server, "GET", stream, Origin=server, **shake) == 101
    assert status(server, "GET", stream, Origin=evil, **shake) == 403
    assert status(server, "GET", stream, Origin=evil, Host="evil.invalid", **shake) == 403
    assert status(server, "PUT", "/_stcore/upload_file/a/b", Origin=evil) == 403


def test_all_pages_are_walked():
    found = {p.stem for p in (ROOT / "pages").rglob("*.py") if "shared" not in p.parts} - {"main"}
    assert set(PAGES) == {name for name in found if not name.startswith("_")}


def test_a_hostile_name_is_shown_letter_by_letter_on_the_pages_of_a_recording(page, server):
    asked = []
    page.on("request", lambda sent: asked.append(sent.url))
    own_recordings(page, f"{server}/clip")
    upload(page, f"{HOSTILE}.wav", audio.encode_wav(voice(120, 2.0), sr=SR, bits=16))
    upload(page, f"2 {HOSTILE}.wav", audio.encode_wav(voice(220, 2.0), sr=SR, bits=16))
    for name in ("Clip", "Check", "Predict"):
        page.get_by_role("link", name=name, exact=True).first.click()
        page.wait_for_url(f"**/{name.lower()}**")
        settle(page)
        expect(page.get_by_text("pictures.test").first).to_be_attached(timeout=60_000)
        assert page.locator("a[href*='.test']").count() == 0
        assert page.locator("img[src*='.test'], img[onerror], img[src='x']").count() == 0
    assert not [url for url in asked if ".test" in url]

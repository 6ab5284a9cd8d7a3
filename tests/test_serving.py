"""What a server opens to others, and what stands in front of it."""

import json
import os
from pathlib import Path

from browser import go, serve
from hypothesis import given
from hypothesis import strategies as st
import pytest
from streamlit.testing.v1 import AppTest

from conftest import to_the_end
from core import gate, serving
from core.errors import DatasetError, ParameterError
from core.gate import PassPhrase, RequestLog

MAIN = Path(__file__).resolve().parents[1] / "pages" / "main.py"


async def inner(scope, receive, send):
    """What is guarded."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


def ask(app, path="/", *, method="GET", body=b"", cookie="", kind="http", client="10.0.0.1"):
    """Status, body and headers of an answer; of a websocket what was sent."""
    sent = []
    headers = [(b"cookie", cookie.encode())] if cookie else []
    scope = {"type": kind, "path": path, "method": method, "headers": headers}
    scope |= {"client": (client, 5), "scheme": "http"}

    async def receive():
        return {"type": f"{kind}.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    to_the_end(app(scope, receive, send))
    if kind == "websocket":
        return sent
    return sent[0]["status"], sent[-1]["body"], dict(sent[0]["headers"])


@pytest.fixture
def guarded():
    app = PassPhrase(inner, "correct horse", clock=lambda: app.now)
    app.now = 0.0
    return app


def sign_in(app, phrase: str, **kwargs):
    body = f"phrase={phrase.replace(' ', '+')}".encode()
    return ask(app, gate.SIGN_IN, method="POST", body=body, **kwargs)


@pytest.mark.parametrize(
    "path", ["/", "/clip", "/audio/x/y.wav", "/_stcore/health", "/media/a.wav"]
)
def test_nothing_is_given_without_the_phrase(guarded, path):
    status, body, _ = ask(guarded, path)
    assert status == 401
    assert b"inside" not in body
    assert b"Pass phrase" in body


def test_a_websocket_is_closed_without_the_phrase(guarded):
    assert [m["type"] for m in ask(guarded, "/_stcore/stream", kind="websocket")] == [
        "websocket.close"
    ]


def test_the_phrase_lets_in_and_a_made_up_cookie_does_not(guarded):
    status, _, headers = sign_in(guarded, "correct horse")
    assert (status, headers[b"location"]) == (303, b"/")
    cookie = headers[b"set-cookie"].decode()
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert ask(guarded, cookie=cookie.split(";")[0])[1] == b"inside"
    opened = ask(guarded, kind="websocket", cookie=cookie.split(";")[0])
    assert opened[0]["type"] == "websocket.accept"
    name = cookie.split("=")[0]
    for forged in (f"{name}=", f"{name}=x", f"{name}=" + "0" * 64, "a=b", 'x="'):
        assert ask(guarded, cookie=forged)[0] == 401


def test_a_cookie_of_another_server_is_worth_nothing(guarded):
    cookie = sign_in(PassPhrase(inner, "correct horse"), "correct horse")[2][b"set-cookie"].decode()
    assert ask(guarded, cookie=cookie.split(";")[0])[0] == 401


def test_guessing_is_slow_and_an_error_of_one_does_not_lock_out_others(guarded):
    for _ in range(gate.WRONG):
        assert sign_in(guarded, "guess")[0] == 401
    assert sign_in(guarded, "correct horse")[0] == 429
    assert sign_in(guarded, "correct horse", client="10.0.0.2")[0] == 303
    guarded.now = gate.WINDOW_S + 1
    assert sign_in(guarded, "correct horse")[0] == 303


def test_many_addresses_together_are_slowed_too(guarded):
    for i in range(gate.WRONG_IN_ALL):
        sign_in(guarded, "guess", client=f"10.0.1.{i}")
    assert sign_in(guarded, "guess", client="10.0.2.1")[0] == 429


@given(st.text(max_size=40))
def test_any_other_phrase_is_refused(phrase):
    if phrase != "right":
        assert sign_in(PassPhrase(inner, "right"), phrase)[0] == 401


def test_the_sign_of_life_needs_no_phrase(guarded):
    assert ask(guarded, gate.HEALTH)[1] == b"inside"


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_log_has_no_name_no_token_and_no_address(folder, name):
    lines = []
    app = RequestLog(inner, write=lines.append)
    ask(app, f"/audio/{folder}CANARY/{name}.wav", client="203.0.113.9")
    ask(app, f"/{name}CANARY", client="203.0.113.9")
    assert not [line for line in lines if "CANARY" in line or "203.0.113" in line]
    assert [json.loads(line)["path"] for line in lines] in (["/audio", "/page"],)
    assert json.loads(lines[0])["status"] == 200


def test_folders_of_the_server_are_a_setting(tmp_path, monkeypatch):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside / "set", outside):
        folder.mkdir(parents=True)
    (inside / "way out").symlink_to(outside)
    (outside / "way in").symlink_to(inside / "set")
    serving.check_folder(outside)  # not set: all
    monkeypatch.setenv("PHONOSCOPE_FOLDERS", str(inside))
    for fine in (inside, inside / "set", outside / "way in", f"{inside}/set/../set"):
        serving.check_folder(fine)
    for wrong in (outside, inside / "way out", f"{inside}/../out", f"{inside}x", "s3://a/b", "/"):
        with pytest.raises(DatasetError, match=r"opens|lie here"):
            serving.check_folder(wrong)
    serving.check_folder(outside, always=[outside])


def test_no_folder_but_the_built_in_set_where_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_FOLDERS", "")
    serving.check_folder(tmp_path, always=[tmp_path])
    with pytest.raises(DatasetError, match="built-in set alone"):
        serving.check_folder(tmp_path)


@pytest.mark.parametrize("text", ["many", "0", "-3", "1.5", "١"])
def test_a_limit_that_is_no_number_is_said(text):
    with pytest.raises(ParameterError, match="PHONOSCOPE_SESSIONS"):
        serving.settings({"PHONOSCOPE_SESSIONS": text})


def test_newcomers_wait_where_all_places_or_all_memory_is_taken(monkeypatch):
    assert serving.full(1) == ""
    monkeypatch.setenv("PHONOSCOPE_SESSIONS", "3")
    assert serving.full(3) == ""
    assert "All 3 places" in serving.full(4)
    monkeypatch.setenv("PHONOSCOPE_MEMORY_MB", "1")
    assert "no memory left" in serving.full(1)


def test_health_counts_jobs_and_names_nobody(tmp_path, monkeypatch):
    for name in ("run-1-ab-1-1", "wait-2-cd-2-1", "wait-3-cd-3-1", "lock"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PHONOSCOPE_QUEUE", str(tmp_path))
    found = serving.health(0)
    assert (found["jobs_running"], found["jobs_waiting"], found["status"]) == (1, 2, "ok")
    assert set(found) == {
        *("status", "version", "uptime_s", "jobs_running", "jobs_waiting", "memory_mb"),
    }


def test_what_serve_opens_is_said(monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_FOLDERS", "")
    said = " ".join(serving.announcement(80, ["school"], sign_in=False))
    assert "http://school:80" in said
    assert "Anyone who can reach" in said
    assert "only the built-in set" in said
    monkeypatch.setenv("PHONOSCOPE_PASSPHRASE", "x")
    assert "asked for the pass phrase" in " ".join(serving.announcement(80, ["school"], False))


def test_a_full_server_says_so_on_the_page(monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_MEMORY_MB", "1")
    at = AppTest.from_file(str(MAIN)).run(timeout=30)
    assert "no memory left" in at.warning[0].value
    assert not at.exception


def test_where_the_server_asks_for_a_sign_in_no_page_is_shown_before():
    at = AppTest.from_file(str(MAIN))
    at.secrets["auth"] = {"redirect_uri": "http://localhost:8501/oauth2callback"}
    at.run(timeout=30)
    assert [b.label for b in at.button] == ["Sign in"]
    assert not at.exception


@pytest.mark.browser
def test_a_visitor_of_a_guarded_server_signs_in_and_leaves_no_trace_in_the_log(chromium, tmp_path):
    log = tmp_path / "log.txt"
    env = {"PHONOSCOPE_PASSPHRASE": "open sesame", "PHONOSCOPE_LOG": "1", "PHONOSCOPE_FOLDERS": ""}
    with serve(log, PHONOSCOPE_WORKSPACES=str(tmp_path), **env) as address:
        page = chromium.new_context().new_page()
        assert page.request.get(f"{address}/healthz").json()["status"] == "ok"
        assert page.request.get(f"{address}/audio/{'a' * 30}/{'b' * 30}.wav").status == 401
        page.goto(address)
        page.get_by_label("Pass phrase").fill("open the door")
        page.get_by_role("button", name="Open").click()
        page.get_by_text("That is not the pass phrase").wait_for()
        page.get_by_label("Pass phrase").fill("open sesame")
        page.get_by_role("button", name="Open").click()
        page.get_by_role("link", name="Browse").first.wait_for(timeout=60_000)
        go(page, f"{address}/browse?sel=CANARY")
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    assert {"/", "/healthz", "/audio", "/sign-in", "/_stcore"} <= {
        json.loads(line)["path"] for line in lines
    }
    assert not [line for line in lines if "CANARY" in line or "sesame" in line]
    assert os.path.getsize(log)

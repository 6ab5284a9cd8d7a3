"""In front of the application: a pass phrase, a log without personal data, and a sign of life.

ASGI middleware, without any dependency. The pass phrase guards everything, sounds and websockets
too; who knows it gets a cookie that is worth nothing after the server has ended.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
import hmac
from http.cookies import CookieError, SimpleCookie
import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import parse_qs

App = Callable[[Mapping[str, Any], Any, Any], Awaitable[None]]
COOKIE = "phonoscope_pass"
SIGN_IN, HEALTH = "/sign-in", "/healthz"
MOST_BODY = 4096  # bytes of a form
WRONG, WINDOW_S = 5, 60.0  # guesses of one address in that time
WRONG_IN_ALL = 60
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Phonoscope</title>
<style>body{{font:17px system-ui,sans-serif;max-width:24em;margin:18vh auto;padding:0 1em;
color:#17252a;background:#fff}}input,button{{font:inherit;padding:.45em .7em;margin:.3em 0;
width:100%;box-sizing:border-box;border:1px solid #8aa;border-radius:.4em}}
button{{background:#0b6e69;color:#fff;border:0}}@media(prefers-color-scheme:dark){{
body{{color:#e4eeee;background:#10181b}}input{{background:#1a2529;color:inherit}}}}</style>
<h1>Phonoscope</h1><form method="post" action="{action}"><label for="p">Pass phrase</label>
<input id="p" name="phrase" type="password" autofocus required autocomplete="current-password">
<button>Open</button></form><p role="alert">{said}</p></html>"""


class PassPhrase:
    """Lets only those in who know the phrase.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    phrase : str
        Not empty.
    clock : callable
        Seconds.
    """

    def __init__(self, app: App, phrase: str, clock: Callable[[], float] = time.monotonic):
        self.app, self.clock = app, clock
        self._key = secrets.token_bytes(32)
        self._phrase = self._digest(phrase)
        self._cookie = hmac.new(self._key, b"admitted", sha256).hexdigest()
        self._wrong: deque[tuple[float, str]] = deque()

    def _digest(self, phrase: str) -> bytes:
        return hmac.new(self._key, phrase.encode(), sha256).digest()

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        kind, path = scope["type"], scope.get("path", "")
        if kind not in ("http", "websocket") or path == HEALTH or self._knows(scope):
            await self.app(scope, receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401})
        elif scope["method"] == "POST" and path == SIGN_IN:
            await self._sign_in(scope, receive, send)
        else:
            await _answer(send, 401, _PAGE.format(action=SIGN_IN, said=""))

    def _knows(self, scope: Mapping[str, Any]) -> bool:
        for name, value in scope["headers"]:
            if name == b"cookie":
                try:
                    found = SimpleCookie(value.decode("latin-1")).get(COOKIE)
                except CookieError:
                    continue
                if found and hmac.compare_digest(found.value.encode(), self._cookie.encode()):
                    return True
        return False

    async def _sign_in(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        who, now = (scope.get("client") or ("",))[0], self.clock()
        while self._wrong and self._wrong[0][0] < now - WINDOW_S:
            self._wrong.popleft()
        own = sum(1 for _, address in self._wrong if address == who)
        body = await _body(receive)
        if own >= WRONG or len(self._wrong) >= WRONG_IN_ALL:
            said = "Too many wrong phrases: wait a minute."
            await _answer(send, 429, _PAGE.format(action=SIGN_IN, said=said))
            return
        given = parse_qs(body.decode("utf-8", "replace")).get("phrase", [""])[0]
        if not hmac.compare_digest(self._digest(given), self._phrase):
            self._wrong.append((now, who))
            said = "That is not the pass phrase. Try again."
            await _answer(send, 401, _PAGE.format(action=SIGN_IN, said=said))
            return
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        cookie = f"{COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Lax{secure}"
        more = [(b"location", b"/"), (b"set-cookie", cookie.encode())]
        await _answer(send, 303, "", more)


class RequestLog:
    """One line of JSON a request: when, what kind of address, the answer's status, how long.

    No visitor's address, no name of a file, no query: of a path only its first part is kept.
    """

    def __init__(self, app: App, write: Callable[[str], object] | None = None):
        self.app = app
        self.write = write or (lambda line: print(line, file=sys.stderr, flush=True))

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noting(message: Mapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            found = {
                "time": round(time.time(), 3),
                "event": scope["type"],
                "path": kind_of(scope.get("path", "")),
                "status": status,
                "ms": round(1000 * (time.perf_counter() - began), 1),
            }
            self.write(json.dumps(found))


KINDS = ("_stcore", "static", "audio", "media", "component", "record", "healthz", "sign-in")


def kind_of(path: str) -> str:
    """The part of a path that says nothing about who asks or for what."""
    first = path.strip("/").split("/")[0]
    if first in KINDS:
        return f"/{first}"
    return "/" if not first else "/page"


async def _body(receive: Any) -> bytes:
    """At most MOST_BODY bytes of a form."""
    found = b""
    while True:
        message = await receive()
        found = (found + message.get("body", b""))[:MOST_BODY]
        if message["type"] != "http.request" or not message.get("more_body"):
            return found


async def _answer(
    send: Any, status: int, text: str, more: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
    body = text.encode()
    headers += [(b"content-length", str(len(body)).encode()), *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""The ASGI application: ``streamlit run app.py``.

Security headers, compressed static files, the audio route, and a warm-up in the background that
ends with ``gc.freeze()``: Streamlit collects garbage after every run while it holds the
interpreter's lock, 0.2 s with our libraries loaded and next to nothing once they are frozen.
"""

import asyncio
import base64
import contextlib
import gc
import gzip
import hashlib
import mimetypes
import os
from pathlib import Path
import re
import shutil
import sys
import tempfile
import threading
import time

import anyio.to_thread
import numpy  # noqa: F401  before any thread: Plotly looks at half-imported pandas otherwise
import pandas  # noqa: F401
import plotly.graph_objects
import plotly.io  # noqa: F401
from starlette.middleware import Middleware
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
import streamlit as st

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:  # pages import core, wherever the command was given
    sys.path.insert(0, str(HERE))

from core import serving  # noqa: E402
from core.gate import HEALTH, PassPhrase, RequestLog  # noqa: E402
from pages.shared import cache_upkeep  # noqa: E402

STATIC = Path(st.__file__).resolve().parent / "static"


def inline_script_hashes() -> str:
    """Hashes of the inline scripts of Streamlit's own page: the only ones that may run."""
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    return "".join(f" 'sha256-{base64.b64encode(d).decode()}'" for d in digests)


CSP = (
    f"default-src 'self'; script-src 'self' blob:{inline_script_hashes()}; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob: data:; "
    "connect-src 'self' data: blob:; "
    "font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    b"content-security-policy": CSP.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"microphone=(self), camera=(), geolocation=()",
}
TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")


class SecurityHeaders:
    """Adds the headers above to every HTTP answer that does not set them itself."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """ASGI."""

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [(k, v) for k, v in HEADERS.items() if k not in present]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class StaticGzip:
    """Serves Streamlit's front-end bundle compressed (7.8 MB become 2.7); each file once."""

    root = STATIC

    def __init__(self, app):
        self.app = app
        self.packed: dict[str, bytes | None] = {}

    def pack(self, name: str) -> bytes | None:
        """The compressed file, or None where there is no such file."""
        if name not in self.packed:
            file = (self.root / name).resolve()
            known = file.is_relative_to(self.root) and file.is_file()
            if not known:
                return None  # not remembered: names are endless, files are not
            self.packed[name] = gzip.compress(file.read_bytes(), 5)
        return self.packed[name]

    async def __call__(self, scope, receive, send):
        """ASGI."""
        path = scope.get("path", "")
        wanted = scope["type"] == "http" and scope["method"] == "GET" and "/static/" in path
        accepts = wanted and b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b"")
        if accepts and path.endswith((".js", ".css")):
            name = path[path.index("/static/") + 1 :]
            body = await anyio.to_thread.run_sync(self.pack, name)
            if body is not None:
                kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
                headers = {
                    "Content-Encoding": "gzip",
                    "Vary": "Accept-Encoding",
                    "Cache-Control": "public, immutable, max-age=31536000",
                }
                await Response(body, media_type=kind, headers=headers)(scope, receive, send)
                return
        await self.app(scope, receive, send)


NO_SOUND = "No such recording: open the clip again."
PRIVATE = {"Cache-Control": "private, max-age=3600"}


def sound_file(request) -> Path | None:
    """The WAV that a session has made; both parts of its address are unguessable."""
    session, name = request.path_params["session"], request.path_params["name"]
    file = Path(os.environ["PHONOSCOPE_MEDIA"], session, "sounds", f"{name}.wav")
    known = TOKEN.fullmatch(session) and TOKEN.fullmatch(name) and file.is_file()
    return file if known else None


async def audio(request) -> Response:
    """A sound, whole or by ranges."""
    file = sound_file(request)
    if file is None:
        return Response(NO_SOUND, 404, media_type="text/plain")
    return FileResponse(file, media_type="audio/wav", headers=PRIVATE)


def audio_view(request) -> Response:
    """A stretch of a sound, ``?start=..&stop=..`` in samples: see core.player.view."""
    from core import player
    from core.errors import VoiceError

    file = sound_file(request)
    if file is None:
        return Response(NO_SOUND, 404, media_type="text/plain")
    kind, asked = request.path_params["kind"], request.query_params
    try:
        start, stop = (int(asked.get(name, "")) for name in ("start", "stop"))
        body = player.view(file, kind, start=start, stop=stop)
    except (VoiceError, ValueError) as err:
        said = str(err) if isinstance(err, VoiceError) else "start and stop must be whole numbers."
        return Response(said, 400, media_type="text/plain")
    return Response(body, media_type="application/octet-stream", headers=PRIVATE)


def warm() -> None:
    """Import and compile what the pages need, then leave it out of garbage collection."""
    from core import audio, clean

    audio.warm()
    clean.warm()
    gc.collect()
    gc.freeze()


def sweep(folder: Path) -> None:
    """Remove the media folders of servers that died without cleaning up."""
    for old in folder.glob("phonoscope-*-*"):
        pid = old.name.split("-")[1]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(old, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextlib.asynccontextmanager
async def lifespan(_app):
    """A media folder for as long as the server runs; the warm-up holds no page back."""
    sweep(Path(tempfile.gettempdir()))
    media = tempfile.mkdtemp(prefix=f"phonoscope-{os.getpid()}-")
    os.environ["PHONOSCOPE_MEDIA"] = media
    os.environ["PHONOSCOPE_QUEUE"] = str(Path(media, "queue"))
    threading.Thread(target=warm, name="warm-up", daemon=True).start()
    upkeep = asyncio.create_task(cache_upkeep.keep_up())
    try:
        yield {}
    finally:
        upkeep.cancel()
        shutil.rmtree(media, ignore_errors=True)


async def health(_request) -> Response:
    """Whether the server lives and how busy it is; nothing about who uses it."""
    return JSONResponse(serving.health(STARTED), headers={"Cache-Control": "no-store"})


def middleware() -> list[Middleware]:
    """What stands in front of the pages, outermost first."""
    here = serving.settings()
    found = [Middleware(SecurityHeaders), Middleware(StaticGzip)]
    if here.passphrase:
        found.insert(1, Middleware(PassPhrase, phrase=here.passphrase))
    return [Middleware(RequestLog), *found] if here.log else found


STARTED = time.monotonic()
app = st.App(
    HERE / "pages" / "main.py",
    lifespan=lifespan,
    routes=[
        Route(HEALTH, health),
        Route("/audio/{session}/{name}.wav", audio),
        Route("/audio/{session}/{name}.{kind}", audio_view),
    ],
    middleware=middleware(),
)

"""A visitor without a browser: speaks Streamlit's websocket protocol and counts bytes and seconds.

It keeps the message cache a browser keeps, so that what is sent twice is counted once.
"""

import asyncio
from dataclasses import dataclass, field
import os
from pathlib import Path
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import Request, urlopen

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
import websockets

ROOT = Path(__file__).resolve().parents[1]
FIELD = {
    "slider": "double_array_value",
    "selectbox": "string_value",
    "number_input": "double_value",
    "checkbox": "bool_value",
    "button_group": "string_array_value",
}


@dataclass
class Run:
    """One run of a page's script, as the visitor saw it."""

    seconds: float
    received: int
    exceptions: list[str] = field(default_factory=list)


class Visitor:
    """One websocket session on one page."""

    def __init__(self, address: str, page: str = "", query: str = ""):
        self.http, self.page, self.query = address.rstrip("/"), page, query
        self.widgets: dict[str, tuple[str, object]] = {}
        self.by_hash: dict[str, tuple[str, tuple[str, object]]] = {}
        self.state: dict[str, WidgetState] = {}
        self.hashes: set[str] = set()
        self.page_hash = self.session_id = self.just_set = ""

    async def __aenter__(self):
        """Connect."""
        url = self.http.replace("http", "ws", 1) + "/_stcore/stream"
        self.ws = await websockets.connect(
            url, subprotocols=["streamlit"], max_size=None, origin=self.http, compression=None
        )
        return self

    async def __aexit__(self, *_):
        """Leave."""
        await self.ws.close()

    def key_of(self, key: str) -> str:
        """The id of the widget with this key."""
        return next(w for w in self.widgets if w.startswith("$$") and w.split("-", 2)[2] == key)

    async def change(self, key: str, value) -> Run:
        """Set one widget and wait for the run that follows."""
        wid = self.key_of(key)
        name = FIELD[self.widgets[wid][0]]
        state = WidgetState(id=wid)
        if name.endswith("array_value"):
            getattr(state, name).data.extend(value)
        else:
            setattr(state, name, value)
        self.state[wid] = state
        return await self.run()

    async def upload(self, key: str, name: str, data: bytes) -> Run:
        """Give a file to the uploader with this key and wait for the run that follows."""
        wid = self.key_of(key)
        message = BackMsg()
        message.file_urls_request.request_id = "1"
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.session_id
        await self.ws.send(message.SerializeToString())
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(await self.ws.recv())
            if answer.WhichOneof("type") == "file_urls_response":
                break
        urls = answer.file_urls_response.file_urls[0]
        await asyncio.to_thread(self._put, urls.upload_url, name, data)
        state = WidgetState(id=wid)
        info = state.file_uploader_state_value.uploaded_file_info.add()
        info.file_id, info.name, info.size = urls.file_id, name, len(data)
        info.file_urls.CopyFrom(urls)
        self.state[wid] = state
        return await self.run()

    def _put(self, url: str, name: str, data: bytes) -> None:
        with urlopen(f"{self.http}/_stcore/health") as answer:
            cookies = answer.headers.get_all("Set-Cookie") or []
        token = next((c.split(";")[0].split("=", 1)[1] for c in cookies if "xsrf" in c), "")
        mark = "boundary7f3a"
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        body = head.encode() + b"Content-Type: audio/wav\r\n\r\n" + data
        body += f"\r\n--{mark}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={mark}",
            "X-Xsrftoken": token.strip('"'),
            "Cookie": f"_streamlit_xsrf={token}",
        }
        at = url if url.startswith("http") else self.http + url
        with urlopen(Request(at, data=body, method="PUT", headers=headers)):
            pass

    async def run(self, timeout: float = 120.0) -> Run:
        """Ask for one run and wait for its end."""
        await self.ws.send(self._request().SerializeToString())
        self.widgets = {}
        begin, run, ended = time.perf_counter(), Run(0.0, 0), None
        while True:
            raw = await asyncio.wait_for(self.ws.recv(), timeout)
            run.received += len(raw)
            message = ForwardMsg()
            message.ParseFromString(raw)
            kind = message.WhichOneof("type")
            self._note(kind, message, run)
            if kind == "script_finished":
                early = message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
                ended = None if early else time.perf_counter()
            idle = kind == "session_status_changed" and (
                not message.session_status_changed.script_is_running
            )
            if idle and ended is not None:
                run.seconds = ended - begin
                return run

    def _request(self) -> BackMsg:
        message = BackMsg()
        rerun = message.rerun_script
        rerun.query_string, rerun.page_script_hash = self.query, self.page_hash
        if not self.page_hash:
            rerun.page_name = self.page
        for wid, state in self.state.items():
            if self.widgets and wid not in self.widgets and wid != self.just_set:
                continue  # a browser forgets widgets that are no longer on the page
            rerun.widget_states.widgets.add().CopyFrom(state)
        rerun.cached_message_hashes.extend(self.hashes)
        rerun.context_info.url = f"{self.http}/{self.page}"
        return message

    def _note(self, kind: str, message: ForwardMsg, run: Run) -> None:
        if kind == "new_session":
            started = message.new_session
            self.page_hash = started.page_script_hash or self.page_hash
            self.session_id = started.initialize.session_id or self.session_id
        elif kind == "navigation":
            self.page_hash = message.navigation.page_script_hash or self.page_hash
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._note_element(message, run)
        elif kind == "ref_hash" and message.ref_hash in self.by_hash:
            wid, widget = self.by_hash[message.ref_hash]
            self.widgets[wid] = widget

    def _note_element(self, message: ForwardMsg, run: Run) -> None:
        if message.metadata.cacheable and message.hash:
            self.hashes.add(message.hash)
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        body = getattr(element, kind) if kind else None
        if kind == "exception":
            run.exceptions.append(f"{body.type}: {body.message}"[:300])
        wid = getattr(body, "id", "")
        if wid:
            self.widgets[wid] = (kind, body)
            self.by_hash[message.hash] = (wid, self.widgets[wid])


class Server:
    """``streamlit run`` of a script, on a port of its own."""

    def __init__(self, script: Path, port: int, **env: str):
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "streamlit", "run", script.name]
        options = ["--server.port", str(port), "--server.address", "127.0.0.1"]
        options += ["--server.headless", "true", "--browser.gatherUsageStats", "false"]
        self.process = subprocess.Popen(
            [*command, *options],
            cwd=script.parent,
            env={**os.environ, **env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self):
        """Wait until it answers."""
        for _ in range(1200):
            try:
                with urlopen(f"{self.address}/_stcore/health", timeout=1):
                    return self
            except (URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError("the server did not start")

    def __exit__(self, *_):
        """Stop it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

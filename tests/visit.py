"""Pages opened the way a visitor does, without a browser: helpers of the page tests."""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

import soundfile as sf
import streamlit
from streamlit.testing.v1 import AppTest

from conftest import SR, voice
from core import cli, datasets
from pages.shared import session
from pages.shared.data import Chosen

MAIN = Path(__file__).resolve().parents[1] / "pages" / "main.py"
DEMO = Chosen(str(datasets.demo_folder()), "voice-v1", "")


def open_page(
    page: str | None = None,
    folder: Path | str | None = None,
    *,
    state: Mapping[str, Any] | None = None,
    **query: str | list[str],
) -> AppTest:
    """A page by its address; with the data set of a folder, where one is named."""
    at = AppTest.from_file(str(MAIN), default_timeout=90)
    if folder is not None:
        state = {"data_source": "Folder", "data_folder": str(folder), **(state or {})}
    for name, value in (state or {}).items():
        at.session_state[name] = value
    for name, value in query.items():
        at.query_params[name] = value
    if page:
        at.switch_page(page)
    at.run()
    assert not at.exception, at.exception
    return at


def all_leave() -> None:
    """End all visits and drop what is kept: all tests share one session id."""
    for session_id in list(session._visits):
        session.leave(session_id)
    streamlit.cache_resource.clear()


def measured_voices(folder: Path) -> Path:
    """A folder of four voices without labels and speakers, measured."""
    folder.mkdir()
    for i in range(4):
        sf.write(folder / f"{i}.wav", voice(100 + 30 * i, seed=i), SR)
    assert cli.main(Chosen(str(folder), "voice-v1", "").command) == 0
    return folder


def said(at: AppTest) -> str:
    """All sentences on the page."""
    kinds = (at.caption, at.markdown, at.info, at.warning, at.success, at.error)
    return " ".join(x.value for kind in kinds for x in kind).replace("\\", "")


def charts(at: AppTest) -> dict[str, dict]:
    """Figures as JSON, by what is said for those who cannot see them."""
    return {c.proto.alt: json.loads(c.proto.spec) for c in at.get("plotly_chart")}


def players(at: AppTest) -> list[dict]:
    """What each player on the page was told."""
    mounted = [c.proto for c in at.get("bidi_component")]
    data = [c.bytes for c in mounted if c.component_name == "phonoscope_player"]
    return [json.loads(d[4 : 4 + int.from_bytes(d[:4], "little")]) for d in data]


def sounds(at: AppTest) -> list[str]:
    """Where the players find their sounds."""
    return [track["url"] for head in players(at) for track in head["tracks"]]

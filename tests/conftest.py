"""Signals whose answer is known, files made of them, and where the shared recordings are."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
import json
import os
from pathlib import Path
import shutil
import sys

from browser import CHROMIUM, FLAGS, new_page, serve
from hypothesis import settings
import numpy as np
import plotly.graph_objects as go
import pytest
import soundfile as sf
from xdist.scheduler import LoadScopeScheduling

from core.figures import base

ROOT = Path(__file__).resolve().parents[1]
SR = 16_000
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")  # the same examples in every run


LATE = ("test_browser_recorder.py", "test_browser_player.py")


def side(file: str) -> int:
    """Where a file's tests run: with a browser (0), without (1), or with one, after those (2)."""
    return 2 if file in LATE else 0 if file.startswith("test_browser") else 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with a browser come first, for they take longest, and some of them last."""
    items.sort(key=lambda item: side(item.path.name))


class Side(LoadScopeScheduling):
    """One process has the tests with a browser, and so one server; the other takes the rest.

    Tests without a browser are handed out file by file.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0].rsplit("/", 1)[-1]
        return file if side(file) == 1 else f"browser {side(file)}"


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Side:
    """What ``-n`` asks for; see the Makefile."""
    return Side(config, log)


def tone(f0: float, duration_s: float = 1.0, sr: int = SR, amplitude: float = 0.5) -> np.ndarray:
    """A sine, float32, mono."""
    t = np.arange(round(duration_s * sr)) / sr
    return (amplitude * np.sin(2 * np.pi * f0 * t)).astype(np.float32)


def voice(f0: float = 120.0, duration_s: float = 1.0, sr: int = SR, seed: int = 0) -> np.ndarray:
    """Harmonics of ``f0`` with a falling tilt and 4 Hz syllables over faint noise, peak 0.5."""
    t = np.arange(round(duration_s * sr)) / sr
    n = int(min(4000.0, 0.45 * sr) // f0)
    y = sum(np.sin(2 * np.pi * f0 * k * t + k) / k for k in range(1, n + 1))
    y = y * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * t))
    y = y + 0.003 * np.random.default_rng(seed).standard_normal(t.size)
    return (0.5 * y / np.abs(y).max()).astype(np.float32)


def said(part):
    """Part of a figure without what is empty, which says nothing."""
    if isinstance(part, dict):
        found = {key: said(value) for key, value in part.items()}
        return {key: value for key, value in found.items() if value not in (None, [], {})}
    return [said(value) for value in part] if isinstance(part, list) else part


@pytest.fixture(autouse=True)
def checked_figures(monkeypatch):
    """Every figure is one that Plotly accepts, and says the same where Plotly has checked it."""
    plain = base.unchecked

    def checked(data: list[dict], layout: dict) -> go.Figure:
        fig = plain(data, layout)
        full = go.Figure(data=data, layout=layout)
        assert said(json.loads(fig.to_json())) == said(json.loads(full.to_json()))
        return fig

    monkeypatch.setattr(base, "unchecked", checked)


@pytest.fixture(autouse=True)
def own_main():
    """AppTest leaves its script as ``__main__``, which new processes would run again."""
    kept = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = kept


def to_the_end(coroutine) -> None:
    """Run a coroutine; in a thread, because Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


def attach(at, name: str, content: bytes) -> None:
    """Upload a file on a page under AppTest, beside those that are there, as a browser does."""
    uploader = at.file_uploader[0]
    if uploader.accept_multiple_files:
        uploader._files = uploader._get_files_to_register()
    uploader.upload(name, content).run()
    assert not at.exception, at.exception


@pytest.fixture
def wav(tmp_path: Path):
    """Write ``y`` ((n,) or (channels, n)) to a file under tmp_path and return its path."""

    def write(y: np.ndarray, name: str = "clip.wav", sr: int = SR, **kwargs) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, np.asarray(y).T, sr, **kwargs)
        return path

    return write


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared recordings; the test is skipped where it is absent."""
    folder = Path(os.environ.get("PHONOSCOPE_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("no shared recordings here: set PHONOSCOPE_SHARED to their folder")
    return folder


# Page tests: where the app keeps what is uploaded and measured; see tests/visit.py.


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    """Nothing uploaded, measured or cached: all tests share one session id."""
    import streamlit
    from visit import all_leave

    monkeypatch.setenv("PHONOSCOPE_MEDIA", str(tmp_path / "media"))
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "workspaces"))
    (tmp_path / "media").mkdir()
    all_leave()
    streamlit.cache_data.clear()
    return tmp_path


@pytest.fixture(scope="session")
def measured_once(tmp_path_factory) -> Path:
    """Workspaces with the demo set measured, for ``measured`` to copy."""
    from visit import DEMO

    from core import cli

    root = tmp_path_factory.mktemp("workspaces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHONOSCOPE_WORKSPACES", str(root))
        assert cli.main(DEMO.command) == 0
    return root


@pytest.fixture(scope="module")
def measured(measured_once, tmp_path_factory) -> Path:
    """Workspaces of this file's own, with the demo set measured."""
    return shutil.copytree(measured_once, tmp_path_factory.mktemp("measured") / "workspaces")


@pytest.fixture
def on_demo(own_folders, measured, monkeypatch):
    """Nothing uploaded or cached; the workspaces are ``measured``."""
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(measured))
    return own_folders


# Browser tests: one server and one Chromium for all of them; see tests/browser.py.


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with serve(folder / "log.txt", PHONOSCOPE_WORKSPACES=str(folder / "workspaces")) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, server):
    with new_page(chromium, server) as page:
        yield page

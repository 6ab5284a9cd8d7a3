"""Sessions are strangers: folders, uploads and caches of one visitor, without a browser."""

import ast
import contextlib
import os
from pathlib import Path
import subprocess
import sys
import time

import pytest
import streamlit
from streamlit.runtime.caching import cache_resource_api
from streamlit.testing.v1 import AppTest

from app import TOKEN, sweep
from conftest import SR, tone
from core import audio, jobs, serving
from core.errors import DatasetError
from pages.shared import session
from pages.shared.session import Mine

ROOT = Path(__file__).resolve().parents[1]
CACHES = sorted((ROOT / "pages").rglob("*.py"))
OF_WORKSPACES = ("key", "folder")  # what a global cache of a data set's numbers is keyed by
OF_ALL = {
    "demo_table",
    "demo",
    "leaks",
    "guess_clips",
    "dataset_facts",  # of folders that serving.check_folder has let through
    "kind",  # as dataset_facts
}
TOLD = {
    "known_here": "a share in per cent, by an unguessable path",
    "ranks": "counts of a data set",
}


def global_caches() -> dict[str, list[str]]:
    """Functions whose results all visitors share, and the names of their arguments."""
    found = {}
    for file in CACHES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for decorator in map(ast.unparse, node.decorator_list):
                    if decorator.startswith("st.cache") and "scope='session'" not in decorator:
                        found[node.name] = [argument.arg for argument in node.args.args]
    return found


def test_what_all_visitors_share_is_keyed_by_data_sets_alone():
    found = global_caches()
    assert "selection_counts" in found
    for name, arguments in found.items():
        if name not in OF_ALL:
            assert set(OF_WORKSPACES) <= set(arguments), f"{name}: use cache._by_owner"
        if name not in OF_ALL | TOLD.keys():
            own = {"ref", "path", "clip", "values"} & set(arguments)
            assert not own, f"{name}: {own} may be of an upload"


def test_no_page_calls_a_global_cache_in_another_way():
    for file in CACHES:
        text = file.read_text(encoding="utf-8")
        if file.name != "cache.py":  # _by_owner has one of each
            assert "st.cache_resource(**" not in text, file.name
            assert "st.cache_data(**" not in text, file.name


@pytest.fixture
def media(tmp_path, monkeypatch):
    folder = tmp_path / "phonoscope-1-media"
    folder.mkdir()
    monkeypatch.setenv("PHONOSCOPE_MEDIA", str(folder))
    streamlit.cache_resource.clear()
    yield folder
    streamlit.cache_resource.clear()


def look_at_own_recording() -> None:
    from conftest import SR, tone
    from core import audio
    from pages.shared import cache, cache_check, session

    data = audio.encode_wav(tone(440.0), sr=SR, bits=16)
    mine = session.mine()
    clip_id = mine.add("canary.wav", data)
    ref = mine.clips[clip_id][1]
    cache.info(ref)
    cache.load(ref, None, None)
    cache_check.report(ref, cache_check.CheckParams())


def test_what_comes_from_an_upload_is_in_no_global_cache(media):
    at = AppTest.from_function(look_at_own_recording, default_timeout=60).run()
    assert not at.exception
    kept = cache_resource_api._resource_caches._function_caches
    names = {cache.display_name for cache in kept.get(None, {}).values() if len(cache._mem_cache)}
    assert not [n for n in names if n.endswith((".info", ".load", ".report"))], names
    own = {c.display_name for who, caches in kept.items() if who for c in caches.values()}
    assert {"info", "load", "report"} <= {name.rsplit(".", 1)[-1] for name in own}


def test_a_folder_goes_with_its_session_even_while_it_is_written(media):
    mine = Mine("t" * 32, media / ("t" * 32))
    mine.folder.mkdir()
    clip_id = mine.add("canary.wav", audio.encode_wav(tone(440.0), sr=SR, bits=16))
    late = mine.sound("late")
    session._forget(mine)
    assert clip_id
    assert not list(media.iterdir())
    with pytest.raises(FileNotFoundError):
        late.write_bytes(b"written by a script that outlives its visitor")


def test_the_addresses_end_even_where_a_file_cannot_be_removed(media, monkeypatch):
    mine = Mine("t" * 32, media / ("t" * 32))
    mine.folder.mkdir()
    monkeypatch.setattr(session.shutil, "rmtree", lambda *args, **kwargs: None)
    session._forget(mine)
    assert not mine.folder.exists()
    assert not [p for p in media.iterdir() if TOKEN.fullmatch(p.name)]


def test_a_job_of_a_visitor_who_has_left_is_ended(media, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE_S", 0.1)
    mine = Mine("t" * 32, media / ("t" * 32))
    sleeper = media.parent / "sleeper.py"
    began = media.parent / "began"
    sleeper.write_text(f"import time\nopen({str(began)!r}, 'w').close()\ntime.sleep(100)\n")
    monkeypatch.setenv("PYTHONPATH", str(media.parent))
    job = jobs.start([], mine.folder / "predict" / "run-1", module="sleeper")
    found = jobs._read(job.folder)
    assert jobs._alive(found["pid"], found["born"])
    process = next(p for p in jobs._children if p.pid == found["pid"])
    until = time.monotonic() + 30
    while not began.exists() and time.monotonic() < until:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    assert began.exists()
    session._forget(mine)
    try:
        assert process.wait(30) != 0
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail("the job runs on")
    assert not list(media.iterdir())


def come_and_go() -> None:
    from pages.shared import session

    session.mine()


def test_a_script_that_outlives_its_visitor_makes_no_folder(media, monkeypatch):
    with monkeypatch.context() as gone:
        gone.setattr(session, "_is_still_here", lambda: False)
        assert not AppTest.from_function(come_and_go).run().exception
    assert not list(media.iterdir())
    AppTest.from_function(come_and_go).run()
    assert len(list(media.iterdir())) == 1


def test_two_visitors_with_the_same_recording_share_no_name(media):
    data = audio.encode_wav(tone(440.0), sr=SR, bits=16)
    names = []
    for token in ("a" * 32, "b" * 32):
        mine = Mine(token, media / token)
        mine.folder.mkdir()
        mine.add("canary.wav", data)
        names.append(mine.sound("the same key").name)
    assert names[0] != names[1]


@pytest.mark.parametrize("inside", ["", "..", "../..", "a" * 32, f"{'a' * 32}/uploads"])
def test_no_visitor_opens_the_recordings_of_others_as_a_data_set(media, inside, monkeypatch):
    (media / ("a" * 32) / "uploads").mkdir(parents=True)
    for folders in (None, str(media.parent.parent)):
        if folders is None:
            monkeypatch.delenv("PHONOSCOPE_FOLDERS", raising=False)
        else:
            monkeypatch.setenv("PHONOSCOPE_FOLDERS", folders)
        with pytest.raises(DatasetError, match="recordings of visitors"):
            serving.check_folder(os.path.join(media, inside))


def test_a_link_to_the_recordings_of_others_is_refused_too(media, tmp_path):
    link = tmp_path / "data set"
    link.symlink_to(media, target_is_directory=True)
    with pytest.raises(DatasetError, match="recordings of visitors"):
        serving.check_folder(link)
    beside = tmp_path / "beside"
    beside.mkdir()
    serving.check_folder(beside)


def test_folders_of_servers_that_died_go_at_the_next_start(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, alive = tmp_path / f"phonoscope-{ended.pid}-a", tmp_path / f"phonoscope-{os.getpid()}-b"
    dead.mkdir()
    alive.mkdir()
    sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [alive.name]

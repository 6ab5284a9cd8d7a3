"""Sessions are strangers: folders, uploads and caches of one visitor, without a browser."""

import ast
import contextlib
import os
from pathlib import Path
import re
import subprocess
import sys
import time

import pandas as pd
import pytest
import streamlit
from streamlit.runtime.caching import cache_data_api, cache_resource_api
from streamlit.testing.v1 import AppTest
from visit import all_leave, open_page

from app import TOKEN, sweep
from conftest import SR, tone
from core import audio, jobs, serving
from core.errors import DatasetError
from core.store import Workspace
from pages.shared import session
from pages.shared.session import Mine

ROOT = Path(__file__).resolve().parents[1]
CACHES = sorted((ROOT / "pages").rglob("*.py"))
OF_WORKSPACES = ("key", "folder")  # what a global cache of a data set's numbers is keyed by
OF_ALL = {
    "demo_table",
    "demo_clips",
    "demo",
    "leaks",
    "guess_clips",
    "dataset_facts",  # of folders that serving.check_folder has let through
    "kind",  # as dataset_facts
}
# What these may be called says nothing of an upload: settings, and parts of a data set.
ABOUT_DATA_SETS = """
    key folder selection version notes stamp by by_speaker column columns first second label log
    names order_by descending page rows find kind most measure method clustered color numeric
    params paths raw rules side step threshold topics x y a b bins _made
"""


def global_caches() -> dict[str, list[str]]:
    """Functions whose results all visitors share, and the names of their arguments."""
    found = {}
    for file in CACHES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for decorator in map(ast.unparse, node.decorator_list):
                    if "st.cache" in decorator and "scope='session'" not in decorator:
                        named = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                        found[node.name] = [argument.arg for argument in named]
    return found


def test_what_all_visitors_share_is_keyed_by_data_sets_alone():
    found = global_caches()
    assert "selection_counts" in found
    for name, arguments in found.items():
        if name not in OF_ALL:
            assert set(OF_WORKSPACES) <= set(arguments), f"{name}: use cache._by_owner"
            new = set(arguments) - set(ABOUT_DATA_SETS.split())
            assert not new, f'{name}: scope="session" where {new} may be of an upload, else list it'


def test_no_page_keeps_answers_in_another_way():
    for file in CACHES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        defined = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        decorators = {id(n) for f in defined for d in f.decorator_list for n in ast.walk(d)}
        for node in ast.walk(tree):
            text = ast.unparse(node) if isinstance(node, (ast.Attribute, ast.ImportFrom)) else ""
            banned = "lru_cache|functools.*cache|from streamlit import.*cache"
            assert not re.search(banned, text), file.name
            if file.name != "cache.py" and text in ("st.cache_data", "st.cache_resource"):
                assert id(node) in decorators, file.name  # in cache.py _by_owner has one of each


@pytest.fixture
def media(tmp_path, monkeypatch):
    folder = tmp_path / "phonoscope-1-media"
    folder.mkdir()
    monkeypatch.setenv("PHONOSCOPE_MEDIA", str(folder))
    all_leave()
    streamlit.cache_data.clear()
    yield folder
    all_leave()
    streamlit.cache_data.clear()


def look_at_own_things(workspace: str) -> None:
    """A recording and a model of the visitor's own, beside a data set of everybody's."""
    import shutil

    from conftest import SR, tone
    from core import audio
    from core.models import shipped
    from core.store import Workspace
    from pages.shared import cache, cache_check, cache_models, cache_predict, models, session

    data = audio.encode_wav(tone(440.0), sr=SR, bits=16)
    mine = session.mine()
    clip_id = mine.add("canary.wav", data)
    ref = mine.clips[clip_id][1]
    cache.info(ref)
    cache.load(ref, None, None)
    cache_check.report(ref, cache_check.CheckParams())
    place = (Workspace.open(workspace).key, workspace)
    cache_check.columns(*place, True)
    assert cache_check.ranks(*place, (("loudness", "loudness_lufs"),), (-26.0,))
    model = mine.folder / "canary.model"
    shutil.copy(shipped.PATH, model)
    asked = (str(model), models.stamp(model))
    cache_models.loaded(*asked)
    cache_models.known_here(*place, *asked)
    cache_predict.here(*place, ("c/0",))


def data_set(folder: Path) -> str:
    """A workspace of two clips with their loudness."""
    found = Workspace.create(folder, recipe={"feature_set": "x"}, columns=["loudness_lufs"])
    clips = pd.DataFrame({"clip_id": ["c/0", "c/1"], "path": "", "size": 1, "mtime_ns": 1})
    with found.writer() as writer:
        writer.set_catalogue(clips.assign(text=None), unit_size=2)
        for unit in writer.missing():
            values = {"loudness_lufs": -20.0}
            rows = [{"clip_id": item["clip_id"], "values": values} for item in unit.items]
            writer.write(unit.number, rows)
    return str(folder)


def kept() -> tuple[set[str], set[str]]:
    """Names of functions with answers in the caches of everybody, and of visitors."""
    everybody, own = set(), set()
    for caches in (
        cache_resource_api._resource_caches._function_caches,
        cache_data_api._data_caches._function_caches,
    ):
        for who, found in caches.items():
            for one in found.values():
                entries = one._mem_cache if hasattr(one, "_mem_cache") else one.storage._mem_cache
                if len(entries):
                    (own if who else everybody).add(one.display_name.rsplit(".", 1)[-1].split()[0])
    return everybody, own


def test_what_comes_from_an_upload_is_in_no_global_cache(media, tmp_path):
    place = data_set(tmp_path / "workspace")
    at = AppTest.from_function(look_at_own_things, default_timeout=60, args=(place,)).run()
    assert not at.exception
    everybody, own = kept()
    assert everybody == {"columns"}
    found = {"info", "load", "report", "loaded", "known_here", "here", "_kept_ranks"}
    assert found <= own


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
        gone.setattr(session, "is_still_here", lambda: False)
        assert not AppTest.from_function(come_and_go).run().exception
    assert not list(media.iterdir())
    AppTest.from_function(come_and_go).run()
    assert len(list(media.iterdir())) == 1


def write_to_a_folder_that_has_gone() -> None:
    from pages.shared import session

    with session.for_somebody():
        raise FileNotFoundError("the folder of a visitor")


@pytest.mark.parametrize("here", [True, False])
def test_a_script_that_outlives_its_visitor_ends_quietly(media, monkeypatch, here):
    monkeypatch.setattr(session, "is_still_here", lambda who=None: here)
    at = AppTest.from_function(write_to_a_folder_that_has_gone).run()
    assert bool(at.exception) == here


@pytest.fixture
def there(monkeypatch):
    """Sessions with a connection."""
    found = {"anna"}
    monkeypatch.setattr(session, "visitor", lambda: "anna")
    monkeypatch.setattr(session, "is_still_here", lambda who="anna": who in found)
    return found


def test_who_is_back_in_time_finds_everything_and_who_is_not_finds_nothing(media, there):
    folder = session.mine().folder
    there.clear()
    session.sweep(10.0)
    session.sweep(10.0 + 0.9 * session.GRACE_S)
    there.add("anna")  # back, though no script has run yet
    session.sweep(30.0)
    there.clear()
    session.sweep(31.0)
    session.sweep(31.0 + 0.9 * session.GRACE_S)
    assert list(media.iterdir()) == [folder]
    there.add("anna")
    assert session.mine().folder == folder
    there.clear()
    session.sweep(40.0)
    session.sweep(40.0 + session.GRACE_S)
    assert not list(media.iterdir())
    assert not session._visits
    there.add("anna")
    assert session.mine().folder != folder


def test_a_page_of_a_visitor_who_has_left_ends_quietly(media, monkeypatch):
    def gone(*args):
        raise FileNotFoundError("the folder of a visitor")

    at = open_page("recording/clip.py")
    monkeypatch.setattr("pages.shared.cache.info", gone)
    here = [True]
    monkeypatch.setattr(session, "is_still_here", lambda who=None: here[0])
    monkeypatch.setattr(session, "_visit", lambda: session._Visit())
    assert at.run().exception
    here[0] = False
    assert not at.run().exception


def test_a_folder_that_has_gone_is_not_made_again_by_an_upload(media):
    mine = Mine("t" * 32, media / ("t" * 32))
    with pytest.raises(FileNotFoundError):
        mine.add("canary.wav", audio.encode_wav(tone(440.0), sr=SR, bits=16))
    assert not list(media.iterdir())


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

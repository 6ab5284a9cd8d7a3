"""What is said of a recording made in the browser, and how it is taken over."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as some
import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.testing.v1 import AppTest

from conftest import ROOT, tone
from core.audio import ClipRef, encode_wav
from pages.shared import inputs, recorder
from pages.shared.recorder import Recorded, component, notes

RAW = {
    "echoCancellation": False,
    "noiseSuppression": False,
    "autoGainControl": False,
    "sampleRate": 48_000,
}
REF = ClipRef("a.wav", 1, 1)


def said(**settings) -> dict:
    return {"sr": 48_000, "floor_db": -61.24, "settings": {**RAW, **settings}}


@pytest.fixture
def state(monkeypatch):
    """The session's state of every module of the recorder, as a plain dictionary."""
    found: dict = {}
    for module in (component, notes, inputs):
        monkeypatch.setattr(module.st, "session_state", found)
    return found


def test_raw_sound_carries_no_mark_and_its_noise_floor_is_kept(state):
    notes.remember(REF, Recorded.of(said()))
    assert recorder.processed(REF) is None
    assert recorder.noise_floor_db(REF) == -61.24
    line = recorder.recorded(REF).note()
    assert line == ("Your browser gave raw sound at 48,000 Hz. Noise floor before it: −61.2 dBFS.")


def test_what_the_browser_did_is_named(state):
    notes.remember(REF, Recorded.of(said(noiseSuppression=True, echoCancellation="remote-only")))
    mark = recorder.processed(REF)
    assert "(echo cancellation, noise suppression on)" in mark
    assert "SNR and bandwidth cannot be trusted" in mark
    assert mark in recorder.recorded(REF).note()


def test_a_newer_kind_of_processing_counts_when_on_and_is_not_missed_when_unsaid(state):
    assert Recorded.of(said(voiceIsolation=True)).on == ("voice isolation",)
    assert Recorded.of(said()).unsaid == ()


def test_what_the_browser_does_not_say_is_not_taken_for_raw(state):
    notes.remember(REF, Recorded.of(said(noiseSuppression=None)))
    assert "does not say" in recorder.processed(REF)
    assert "(noise suppression)" in recorder.processed(REF)


def test_another_rate_than_the_microphones_is_a_mark(state):
    notes.remember(REF, Recorded.of({**said(), "sr": 44_100}))
    assert "from 48,000 to 44,100 Hz" in recorder.processed(REF)


def test_files_that_were_not_recorded_here_have_neither_mark_nor_noise_floor(state):
    assert recorder.processed(REF) is None
    assert recorder.noise_floor_db(REF) is None


anything = some.recursive(
    some.none() | some.booleans() | some.floats() | some.integers() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3),
    max_leaves=4,
)
keys = some.sampled_from([*RAW, "voiceIsolation"])


@given(anything | some.dictionaries(keys, anything), anything, anything)
def test_whatever_a_browser_says_gives_sentences(settings, sr, floor):
    found = Recorded.of({"settings": settings, "sr": sr, "floor_db": floor})
    assert all(isinstance(text, str) for text in found.sentences())
    assert found.note()
    if not isinstance(settings, dict):
        assert len(found.unsaid) == 3


@pytest.fixture
def arrived(state, monkeypatch):
    """A session to which a browser has sent a recording; gives the file manager and the place."""
    files = MemoryUploadedFileManager("/_stcore/upload_file")
    context = SimpleNamespace(session_id="s", uploaded_file_mgr=files)
    monkeypatch.setattr(component, "get_script_run_ctx", lambda: context)
    place = component._place()
    state[component.KEY] = {"sent": said(noiseSuppression=True)}
    files.add_file("s", UploadedFileRec(place["file"], "recording.wav", "audio/wav", b"sound"))
    return files, place


def test_what_arrived_is_kept_marked_and_out_of_the_servers_memory(arrived):
    files, place = arrived
    kept = []

    def keep(data: bytes) -> ClipRef:
        kept.append(data)
        return REF

    component._take(keep)
    assert kept == [b"sound"]
    assert recorder.processed(REF)
    assert files.get_files("s", [place["file"]]) == []
    assert component._place()["url"] != place["url"]


def test_what_cannot_be_kept_leaves_no_mark(arrived):
    component._take(lambda data: None)
    assert recorder.recorded(REF) is None


def test_a_message_without_a_recording_keeps_nothing(arrived):
    files, place = arrived
    files.remove_file("s", place["file"])
    component._take(lambda data: pytest.fail("there is nothing to keep"))
    component._take(lambda data: pytest.fail("there is no place any more"))


def test_a_new_connection_gets_a_place_of_its_own(arrived, monkeypatch):
    files, place = arrived
    assert component._place() == place
    context = SimpleNamespace(session_id="t", uploaded_file_mgr=files)
    monkeypatch.setattr(component, "get_script_run_ctx", lambda: context)
    assert "/t/" in component._place()["url"]


def test_a_kept_recording_is_one_of_the_visitors_and_chosen(state, monkeypatch, tmp_path):
    mine = inputs.session.Mine("token", tmp_path)
    monkeypatch.setattr(inputs.session, "mine", lambda: mine)
    ref = inputs._keep_recording(encode_wav(tone(200.0), sr=16_000, bits=24))
    assert mine.clips[state["mine"]] == ("Recording 1.wav", ref)
    assert inputs._keep_recording(b"no sound") is None
    assert "does not look like audio" in state["upload_errors"][0]
    assert len(mine.clips) == 1


def test_the_recorder_stands_where_recordings_are_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("PHONOSCOPE_MEDIA", str(tmp_path))
    at = AppTest.from_file(str(ROOT / "pages" / "main.py"), default_timeout=60).run()
    at.switch_page("recording/clip.py").run()
    at.button_group(key="source").set_value("Record").run()
    assert not at.exception
    assert any("Nothing here yet" in info.value for info in at.info)
    names = [e.proto.component_name for e in at.get("bidi_component")]
    assert any("phonoscope_recorder" in name for name in names)

"""The map page, opened the way a visitor does (Streamlit's AppTest)."""

from pathlib import Path
import shutil

import numpy as np
import pytest
import soundfile as sf
from streamlit.testing.v1 import AppTest
import visit
from visit import DEMO, charts, said

from conftest import SR, tone, voice
from core import cli
from core.eda import projection
from core.filters import Filter, Selection
from core.notes import Notes
from pages.shared import map_panels
from pages.shared.data import Chosen

PAGE = "dataset/map.py"


@pytest.fixture(autouse=True)
def no_notes(on_demo, measured):
    yield
    for path in measured.glob("*/notes.jsonl"):
        path.unlink()


def open_page(view: str = "Map", folder: Path | None = None, **query: str) -> AppTest:
    return visit.open_page(PAGE, folder, map_view=view, **query)


def pick(monkeypatch, found) -> None:
    """AppTest cannot click in a chart: this is what a click or a lasso gives."""
    monkeypatch.setattr(map_panels, "_picked", lambda made, event: np.array(found))


def test_the_map_shows_the_demo_set_by_gender_and_says_what_it_shows():
    at = open_page()
    ((alt, figure),) = charts(at).items()
    assert [t["name"] for t in figure["data"]] == [
        "female (89)",
        "male (82)",
        "not known (23)",
    ]
    assert alt.startswith("Map of 194 clips by PCA. 9")
    assert alt.split("PCA. ")[1] in said(at)
    assert "nearest clip of another speaker" in alt
    assert "took the column's median" in said(at)
    assert "PCA(2" in at.code[0].value


@pytest.mark.parametrize("space", ["Features", "Mel strengths", "Features and mel strengths"])
@pytest.mark.parametrize("method", ["PCA", "t-SNE"])
def test_every_method_and_space_draws_all_clips(method, space):
    at = open_page(map_method=method, map_space=space)
    ((_, figure),) = charts(at).items()
    assert sum(len(t["text"]) for t in figure["data"]) == 194
    assert figure["layout"]["xaxis"]["title"]["text"]


def test_a_feature_as_colour_has_a_scale_and_its_definition():
    at = open_page(map_colour="Pitch, median (Hz)")
    ((alt, figure),) = charts(at).items()
    assert "Pitch, median (Hz)" in figure["data"][0]["marker"]["colorbar"]["title"]["text"]
    assert "correlate at r = 0." in alt
    assert "**Pitch, median**" in said(at)


def test_umap_says_how_to_get_it_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(projection, "has_umap", lambda: False)
    at = open_page(map_method="UMAP")
    assert "pip install umap" in at.error[0].value.replace("\\", "")


def test_a_map_of_many_clips_is_made_by_a_job(monkeypatch):
    monkeypatch.setattr(projection, "AT_ONCE", 10)
    at = open_page(map_method="t-SNE")
    assert not charts(at)
    started = []
    monkeypatch.setattr(projection, "start", lambda *a: started.append(a[2].method))
    at.button(key="map_start").click().run()
    assert not at.exception and started == ["tsne"]
    made = projection.make
    folder = projection.folder_of
    workspace = projection.Workspace.open(DEMO.workspace)
    params = projection.MapParams("tsne", "features", 2000)
    target = folder(workspace, Selection(), params)
    projection.store(target, made(workspace, Selection(), projection.MapParams()))
    at.run()
    shutil.rmtree(target)
    assert len(charts(at)) == 1


def test_a_click_plays_the_clip_and_makes_it_the_selection(monkeypatch):
    pick(monkeypatch, [7])
    at = open_page()
    assert at.subheader[0].value == "1 clip picked"
    assert len(at.get("bidi_component")) == 1
    at.button(key="map_select").click().run()
    assert not at.exception
    assert "1 of 194 clips" in said(at)


def test_a_lasso_is_counted_by_group_played_one_by_one_and_tagged(monkeypatch):
    pick(monkeypatch, range(0, 194, 4))
    at = open_page()
    assert at.subheader[0].value == "49 clips picked"
    assert "Gender: female " in said(at)
    assert len(at.get("bidi_component")) == 1
    at.text_input(key="map_tag").set_value("every fourth")
    next(b for b in at.button if b.label == "Tag them").click().run()
    assert not at.exception
    assert len(Notes(DEMO.workspace).tagged("every fourth")) == 49


def test_more_clips_than_an_address_holds_are_not_made_the_selection(monkeypatch):
    pick(monkeypatch, range(194))
    monkeypatch.setattr(map_panels, "MOST_TEXT", 500)
    at = open_page()
    assert at.button(key="map_select").disabled
    assert "do not fit" in said(at)


def test_duplicates_are_none_in_the_demo_set_and_a_threshold_finds_the_nearest():
    at = open_page("Duplicates")
    assert "No clip is there twice" in said(at)
    assert len(charts(at)) == 1
    at.number_input(key="map_threshold").set_value(0.6).run()
    assert not at.exception
    assert "nearer to another than 0.6" in said(at)
    assert len(at.get("bidi_component")) == 2


def test_label_errors_are_judged_one_by_one_and_the_verdicts_are_kept():
    at = open_page("Label errors")
    assert "25 speakers kept apart" in said(at)
    first = at.get("bidi_component")[0].proto.bytes
    at.button(key="review_Y").click().run()
    assert "1 judged: 1 “gender wrong”" in said(at)
    assert at.get("bidi_component")[0].proto.bytes != first
    at.button(key="review_previous").click().run()
    assert at.get("bidi_component")[0].proto.bytes == first
    assert at.button(key="review_Y").label == "✓ Gender wrong"
    at.button(key="review_N").click().run()
    assert "1 judged: 0 “gender wrong”, 1 “gender right”" in said(at)
    (tags,) = Notes(DEMO.workspace).tags().values()
    assert tags == {"gender right"}


def test_the_same_verdict_again_takes_it_back():
    at = open_page("Outliers")
    at.button(key="review_Y").click().run()
    at.button(key="review_previous").click().run()
    at.button(key="review_Y").click().run()
    assert not at.exception
    assert "0 judged" in said(at)
    assert Notes(DEMO.workspace).tags() == {}


def test_a_page_opened_again_begins_at_the_first_without_a_verdict():
    at = open_page("Outliers")
    first = at.get("bidi_component")[0].proto.bytes
    at.button(key="review_N").click().run()
    again = open_page("Outliers")
    assert again.get("bidi_component")[0].proto.bytes != first
    assert "**2 of 6**" in said(again)


def test_a_label_that_voices_do_not_tell_is_said_to_be_so():
    at = open_page("Label errors", map_label="Age group")
    assert "doubts say little" in said(at)


@pytest.mark.parametrize("view", map_panels.VIEWS)
def test_a_selection_of_two_clips_gives_a_sentence(view):
    two = Selection((Filter("clip_id", "in", ("demo/demo_s28_03", "demo/demo_s21_02")),))
    at = open_page(view, sel=two.to_text())
    assert "leaves 2 clips" in at.error[0].value


@pytest.mark.parametrize("view", map_panels.VIEWS)
def test_without_labels_and_speakers_the_page_says_what_it_cannot_do(view, tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "w"))
    folder = tmp_path / "voices"
    folder.mkdir()
    for i in range(8):
        sf.write(folder / f"{i}.wav", voice(100 + 15 * i, seed=i), SR)
    sf.write(folder / "8.wav", tone(3000), SR)
    shutil.copy(folder / "3.wav", folder / "9.wav")
    chosen = Chosen(str(folder), "voice-v1", "")
    cli.main(chosen.command)
    at = open_page(view, folder)
    if view == "Map":
        assert len(charts(at)) == 1
    elif view == "Duplicates":
        assert "1 with the same bytes" in said(at)
        assert "The files hold the same bytes" in said(at)
    elif view == "Label errors":
        assert "no label of two to twelve values" in said(at)
    else:
        assert "unlike the others" in said(at)


def test_an_empty_workspace_offers_to_measure(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "none"))
    at = open_page()
    assert "Nothing is measured" in said(at)
    assert not charts(at)

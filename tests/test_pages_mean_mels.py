"""The mean mels page without a browser: with pictures, before them, and with odd data sets."""

from functools import partial
import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
import visit
from visit import DEMO

from conftest import voice
from core import datasets
from core.eda import mel_images
from core.extract import extract_dataset
from pages.shared.data import Chosen

pytestmark = pytest.mark.usefixtures("own_folders")
PAGE = "dataset/mean_mels.py"
open_page = partial(visit.open_page, PAGE)


@pytest.fixture(scope="module")
def measured(measured):
    """The demo set, measured and with pictures; its folder of workspaces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHONOSCOPE_WORKSPACES", str(measured))
        assert mel_images.make(DEMO.workspace).done == 194
    return measured


def charts(at: AppTest) -> dict[str, dict]:
    return {c.proto.id.split("-")[-1]: json.loads(c.proto.spec) for c in at.get("plotly_chart")}


def measured_folder(folder: Path, wav, names: list[str]) -> Path:
    """A folder of two recordings, measured."""
    for i, name in enumerate(names):
        wav(voice(120 + 40 * i, 0.6), f"{folder.name}/{name}")
    dataset = datasets.open_dataset(str(folder))
    extract_dataset(dataset, Chosen(str(folder), "voice-v1", "").workspace, workers=1)
    return folder


def test_two_means_a_difference_and_spectra_of_the_demo_set(on_demo):
    at = open_page()
    assert len(charts(at)) == 4
    assert not at.error
    text = " ".join(m.value for m in at.markdown)
    assert "82 clips, 12 speakers" in text
    assert "89 clips, 13 speakers" in text
    assert "male is stronger" in text
    alts = [c.proto.alt for c in at.get("plotly_chart")]
    assert all(alts)
    for figure in charts(at).values():
        for axis in ("xaxis", "yaxis"):
            assert figure["layout"][axis]["title"]["text"]
    assert sum(len(c.proto.spec) for c in at.get("plotly_chart")) < 500_000


def test_controls_change_what_is_drawn(on_demo):
    at = open_page()
    first = charts(at)
    at.toggle(key="mels_masked").set_value(False).run()
    unmasked = charts(at)
    assert [k for k in first if first[k] != unmasked[k]] == ["mel_difference"]
    at.toggle(key="mels_by_speaker").set_value(True).run()
    assert all(charts(at)[k] != unmasked[k] for k in unmasked)
    at.selectbox(key="mels_a_gender").set_value("female").run()
    assert at.selectbox(key="mels_b_gender").value == "male"
    at.selectbox(key="mels_by").set_value("age").run()
    assert not at.exception
    assert not at.error
    assert len(charts(at)) == 4


def test_the_selection_rules_the_page(on_demo):
    at = open_page(sel='[["gender","=","female"]]')
    assert any("Fewer than two groups" in i.value for i in at.info)
    assert not charts(at)


def test_before_there_are_pictures_the_page_offers_to_make_them(wav, tmp_path):
    folder = measured_folder(tmp_path / "two", wav, ["a.wav", "b.wav"])
    at = open_page(folder)
    assert any("2 clips have no mel picture yet" in i.value for i in at.info)
    assert any(b.label == "Make pictures" for b in at.button)
    assert not charts(at)


def test_a_folder_without_labels_and_speakers_says_that_there_are_no_groups(wav, tmp_path):
    folder = measured_folder(tmp_path / "two", wav, ["a.wav", "b.wav"])
    mel_images.make(Chosen(str(folder), "voice-v1", "").workspace, workers=1)
    at = open_page(folder)
    assert any("no groups to compare" in i.value for i in at.info)
    assert not at.error


def test_without_a_workspace_the_page_offers_to_measure():
    at = open_page()
    assert any("Nothing is measured" in i.value for i in at.info)
    assert any(b.label == "Measure" for b in at.button)


def test_a_table_without_sound_is_told_that_this_page_needs_sound(tmp_path):
    table = tmp_path / "table.csv"
    rows = "".join(f"{i}.wav,{'male' if i % 2 else 'female'},{100 + i}\n" for i in range(8))
    table.write_text("filename,gender,f0_median\n" + rows)
    at = open_page(table)
    assert any("needs sound" in i.value for i in at.info)
    assert not charts(at)

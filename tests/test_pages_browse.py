"""The Browse page, opened the way a visitor does: with clips, without, and with a table alone."""

import json

import pandas as pd
import pytest
import streamlit
from streamlit.testing.v1 import AppTest
import visit
from visit import DEMO, measured_voices, said

from conftest import voice
from core.eda import browsing
from core.filters import Filter, Selection
from core.notes import Notes

BROWSE, CLIP = "dataset/browse.py", "recording/clip.py"


@pytest.fixture
def notes(on_demo):
    """What is noted on the demo set: nothing yet."""
    (DEMO.workspace / "notes.jsonl").unlink(missing_ok=True)
    return Notes(DEMO.workspace)


def open_page(folder=None, page: str = BROWSE, **query: str) -> AppTest:
    at = visit.open_page(page, folder, **query)
    assert not at.error, [e.value for e in at.error]
    return at


def rows(at: AppTest) -> pd.DataFrame:
    return at.dataframe[-1].value


def test_the_clips_come_a_page_at_a_time_with_pictures(notes):
    at = open_page()
    assert len(rows(at)) == 100
    assert rows(at)["picture"].str.startswith("data:image/png;base64,").all()
    assert len(json.dumps(rows(at)["picture"].tolist())) < 1_000_000
    assert "194 clips, sorted by Clip" in said(at)
    at.button_group(key="browse_pictures_True").set_value("Spectrogram").run()
    assert rows(at)["picture"].str.startswith("data:image/webp;base64,").all()
    at.button_group(key="browse_pictures_True").set_value("None").run()
    assert "picture" not in rows(at)


def test_sorting_and_finding(notes):
    at = open_page()
    at.selectbox(key="browse_order").set_value("f0_median_hz").run()
    at.toggle(key="down").set_value(True).run()
    f0 = rows(at)["f0_median_hz"].tolist()
    assert f0 == sorted(f0, reverse=True)
    at.text_input(key="find").set_value("HUM_").run()
    assert sorted(rows(at)["clip_id"]) == ["demo_hum_50_hz", "demo_hum_60_hz"]
    at.text_input(key="find").set_value("no such words").run()
    assert "No clip is left" in said(at)


def test_the_selection_rules_the_table_and_is_said(notes):
    chosen = Selection((Filter("gender", "in", ("female",)),))
    at = open_page(sel=chosen.to_text())
    assert set(rows(at)["gender"]) == {"female"}
    assert "of 194 clips" in said(at)


def test_next_and_previous_step_through_the_rows_and_over_pages(notes):
    at = open_page()
    first = rows(at)["clip_id"].tolist()
    at.button(key="browse_next").click().run()
    assert at.session_state["browse_clip"].endswith(first[0])
    at.button(key="browse_next").click().run()
    assert at.session_state["browse_clip"].endswith(first[1])
    assert len(at.get("bidi_component")) == 1
    at.session_state["browse_clip"] = f"demo/{first[-1]}"
    at.run()
    at.button(key="browse_next").click().run()
    assert not at.exception
    second = rows(at)["clip_id"].tolist()
    assert len(second) == 94
    assert at.session_state["browse_clip"].endswith(second[0])
    at.button(key="browse_previous").click().run()
    assert at.session_state["browse_clip"].endswith(first[-1])
    assert rows(at)["clip_id"].tolist() == first


def test_tags_and_notes_are_written_shown_and_select(notes):
    at = open_page()
    at.button(key="browse_next").click().run()
    clip_id = at.session_state["browse_clip"]
    notes.tag(clip_id, "odd")
    notes.tag("demo/demo_clean", "odd")
    at.run()
    at.text_area[0].set_value("Listen *again*").run()
    assert notes.notes() == {clip_id: "Listen *again*"}
    assert "odd · Listen *again*" in rows(at)["marks"].tolist()
    next(m for m in at.multiselect if m.label == "Tags").set_value([]).run()
    assert notes.tags() == {"demo/demo_clean": {"odd"}}
    at.button(key="tag_use").click().run()
    assert rows(at)["clip_id"].tolist() == ["demo_clean"]


def test_a_selection_is_kept_used_and_deleted(notes):
    chosen = Selection((Filter("gender", "in", ("female",)),))
    at = open_page(sel=chosen.to_text())
    at.text_input(key="keep_name").set_value("Women").run()
    at.button(key="keep").click().run()
    assert notes.selections() == {"Women": chosen.to_text()}
    at.button(key="clear_all").click().run()
    assert "All 194 clips" in said(at)
    at.button(key="kept_use").click().run()
    assert set(rows(at)["gender"]) == {"female"}
    at.button(key="kept_delete").click().run()
    assert notes.selections() == {}


def test_speakers_are_a_second_table(notes):
    at = open_page()
    at.button_group(key="browse_table").set_value("Speakers").run()
    table = rows(at)
    assert list(table) == ["speaker_id", "clips", "seconds", "f0_median", "gender"]
    assert table["clips"].is_monotonic_decreasing
    assert f"{len(table)} speakers" in said(at)
    at.selectbox(key="speaker_order").set_value("f0_median").run()
    assert rows(at)["f0_median"].is_monotonic_decreasing


def test_damaged_notes_are_reported_and_the_page_works(notes):
    notes.tag("demo/demo_clean", "odd")
    with open(notes.folder / "notes.jsonl", "ab") as file:
        file.write(b"{half")
    at = open_page()
    assert "damaged" in at.warning[0].value
    assert len(rows(at)) == 100


def test_nothing_measured_says_so(own_folders):
    at = open_page()
    assert "Nothing measured yet" in said(at)
    assert at.button(key="job_start")


def test_no_folder_named_says_so(own_folders):
    at = open_page("")
    assert "Name the folder" in said(at)


def test_a_folder_that_is_not_there_is_a_sentence(own_folders):
    at = visit.open_page(BROWSE, own_folders / "gone")
    assert len(at.error) == 1


def test_clips_without_labels_and_speakers(own_folders):
    at = open_page(measured_voices(own_folders / "plain"))
    assert rows(at)["clip_id"].tolist() == ["0.wav", "1.wav", "2.wav", "3.wav"]
    assert "gender" not in rows(at)
    at.button_group(key="browse_table").set_value("Speakers").run()
    assert "No speaker is known" in said(at)


def table_of(folder, text: str) -> object:
    path = folder / "numbers.csv"
    path.write_text(text)
    return path


def test_a_table_alone_opens_at_once_and_says_that_it_has_no_sound(own_folders):
    path = table_of(
        own_folders, "filename,gender,pitch_hz,<b>x</b>\na.mp3,male,100,1\nb.mp3,female,200,2\n"
    )
    at = open_page(path)
    assert rows(at)["pitch_hz"].tolist() == [100, 200]
    assert "picture" not in rows(at)
    assert "without sound" in said(at)
    assert "job_start" not in [b.key for b in at.button]
    at.button(key="browse_next").click().run()
    assert not at.exception
    assert "this table came without sound" in said(at)
    assert not at.get("bidi_component")
    path.write_text("filename,pitch_hz\nc.mp3,300\n")
    streamlit.cache_data.clear()
    at.run()
    assert not at.exception
    assert rows(at)["pitch_hz"].tolist() == [300]


def test_a_table_without_numbers_is_a_sentence(own_folders):
    at = visit.open_page(BROWSE, table_of(own_folders, "filename,gender\na.mp3,male\n"))
    assert "no table with columns of numbers" in at.error[0].value


def test_recordings_with_a_table_offer_both(own_folders, wav):
    header = "filename,age,gender,nwords,duration,words_per_second,tempo,f0_median"
    wav(voice(), "art/audio_dataset/a.wav")
    (own_folders / "art" / "t.csv").write_text(f"{header}\na.wav,teens,male,3,1.0,3,25,120\n")
    at = open_page(own_folders / "art")
    assert at.button_group(key="data_numbers_False").value == "Measured here"
    at.button_group(key="data_numbers_False").set_value("Its own table").run()
    assert not at.exception
    assert rows(at)["f0_median"].tolist() == [120]
    assert rows(at)["picture"].str.startswith("data:image/png").all()
    at = open_page(own_folders / "art" / "t.csv")
    assert rows(at)["f0_median"].tolist() == [120]


def test_a_clip_of_the_data_set_opens_on_the_clip_page(notes):
    at = open_page(page=CLIP, clip="demo/demo_hum_50_hz")
    assert at.title[0].value.replace("\\", "") == "demo_hum_50_hz"
    assert at.button_group(key="source").value == "Data"
    at.text_input(key="clip_find").set_value("clipping").run()
    assert at.title[0].value.replace("\\", "") == "demo_clipping"
    at.button_group(key="source").set_value("Demo").run()
    assert not at.exception
    assert at.title[0].value == "A clean recording"


@pytest.mark.parametrize("clip", ["/etc/passwd", "demo/../validated.tsv"])
def test_a_path_in_the_address_opens_nothing(notes, clip):
    at = open_page(page=CLIP, clip=clip)
    assert "is not in the data set opened last" in said(at)
    assert at.title[0].value == "A clean recording"


def test_the_clip_page_says_that_nothing_is_measured(own_folders):
    at = open_page(page=CLIP, clip="demo/demo_clean")
    at.button_group(key="source").set_value("Data").run()
    assert not at.exception
    assert "Nothing is measured on this data set" in said(at)


def test_another_clip_of_the_data_set_can_be_chosen_and_stays_chosen(notes):
    at = open_page(page=CLIP)
    at.button_group(key="source").set_value("Data").run()
    chosen = "demo/" + at.selectbox(key="clip_row").options[3]
    at.selectbox(key="clip_row").set_value(chosen).run()
    assert at.selectbox(key="clip_row").value == chosen
    at.query_params.clear()
    at.switch_page("recording/check.py").run()
    assert at.selectbox(key="clip_row").value == chosen


def test_the_page_shows_the_code_of_its_table(notes):
    at = open_page()
    assert browsing.code_for(("clip_id",), "clip_id", False).splitlines()[2] in at.code[0].value

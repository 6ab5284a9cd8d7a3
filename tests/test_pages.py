"""Every page, opened the way a visitor does, without a browser (Streamlit's AppTest)."""

import numpy as np
import pytest
from visit import charts, open_page, players, sounds

from conftest import attach, tone, voice
from core import audio

pytestmark = pytest.mark.usefixtures("own_folders")
CLIP = "recording/clip.py"
ALL = ["Waveform", "Spectrum", "STFT", "Mel", "MFCC", "Difference"]


def wav(y: np.ndarray, sr: int = 16_000) -> bytes:
    return audio.encode_wav(y, sr=sr, bits=16)


def test_home_says_what_is_loaded_and_opens_four_doors():
    at = open_page()
    assert at.title[0].value == "Phonoscope"
    assert "synthetic" in " ".join(c.value for c in at.caption)
    links = [link.proto.label for link in at.get("page_link")]
    assert len(links) == 13 + 15
    doors = {"Is it good?", "Ask a model", "Open a data set", "Train", "Evaluate", "Take the tour"}
    assert doors <= set(links)


def test_the_clip_page_shows_three_sounds_on_one_axis_and_three_more_views_of_both_sides():
    at = open_page(CLIP)
    assert len(charts(at)) == 6
    assert len(set(sounds(at))) == 3
    (head,) = players(at)
    assert [t["name"] for t in head["tracks"]] == ["Before", "After", "Removed"]
    assert head["tracks"][0]["n"] == head["tracks"][2]["n"]
    assert {k["kind"] for k in head["marks"]} >= {"f0", "Onsets", "Syllables", "Speech"}
    assert {m.label for m in at.metric} >= {"Duration before", "Peak after", "Level after"}


def test_before_and_after_share_time_axis_and_colour_range():
    figures = charts(open_page(CLIP, views=ALL))
    for view in ("Waveform", "STFT", "Mel", "MFCC"):
        before, after = (
            next(f for alt, f in figures.items() if alt.startswith(f"{view}, {side}"))
            for side in ("before", "after")
        )
        assert before["layout"]["xaxis"]["range"] == after["layout"]["xaxis"]["range"]
        if view == "Waveform":
            assert before["layout"]["yaxis"]["range"] == after["layout"]["yaxis"]["range"]
        else:
            scale = [f["data"][-1]["marker"] for f in (before, after)]
            assert (scale[0]["cmin"], scale[0]["cmax"]) == (scale[1]["cmin"], scale[1]["cmax"])


def test_every_axis_has_a_title():
    at = open_page(CLIP)
    at.button_group(key="views").set_value(["Waveform", "Spectrum", "STFT", "MFCC", "Difference"])
    at.run()
    for alt, figure in charts(at).items():
        for axis in ("xaxis", "yaxis"):
            assert figure["layout"][axis]["title"]["text"], alt


def test_a_denoise_parameter_changes_the_side_after_only():
    at = open_page(CLIP)
    first = charts(at)
    at.slider(key="strength_db").set_value(30).run()
    second = charts(at)
    for alt, figure in first.items():
        same = figure == second[alt]
        assert same == (", before" in alt), alt


def test_turning_every_step_off_makes_both_sides_equal():
    at = open_page(CLIP, denoise="false", trim="false", views="STFT")
    figures = charts(at)
    before = next(f for a, f in figures.items() if a.startswith("STFT, before"))
    after = next(f for a, f in figures.items() if a.startswith("STFT, after"))
    assert before["layout"]["images"] == after["layout"]["images"]
    assert any("All steps are off" in c.value for c in at.caption)


def test_the_article_button_sets_the_articles_parameters():
    at = open_page(CLIP)
    next(b for b in at.button if "article's settings" in b.label).click().run()
    assert at.selectbox(key="method").value == "noisereduce"
    assert at.selectbox(key="sr").value == 16000
    assert "noisereduce" in at.code[0].value


def test_the_address_carries_clip_and_parameters():
    at = open_page(CLIP, clip="demo_hum_50_hz", hum_notch="true", strength_db="20")
    assert at.selectbox(key="clip").value == "demo_hum_50_hz"
    assert at.toggle(key="hum_notch").value is True
    assert at.slider(key="strength_db").value == 20


def test_nonsense_in_the_address_falls_back_to_the_defaults():
    at = open_page(CLIP, clip="../../etc/passwd", sr="7 Hz", strength_db="1e9", axis="<script>")
    assert at.selectbox(key="clip").value == "demo_clean"
    assert not at.error


@pytest.mark.parametrize("start", ["99", "5.4030", "-4"])
@pytest.mark.parametrize("length", ["1", "0.0001"])
def test_a_window_with_hardly_a_sample_opens(start, length):
    clip = "demo_silence_at_both_ends"
    at = open_page(CLIP, clip=clip, from_s=start, length_s=length, views=ALL)
    assert len(charts(at)) == 2 * len(ALL)
    late = [c.value for c in at.caption if "ends at 5.40 s" in c.value]
    assert len(late) == (start == "99")


def test_the_articles_zoom_shows_single_samples():
    at = open_page(CLIP, sr="16000 Hz", denoise="false", trim="false", views="Waveform")
    next(b for b in at.button if "62.5 ms" in b.label).click().run()
    figure = next(f for a, f in charts(at).items() if a.startswith("Waveform, before"))
    assert figure["layout"]["xaxis"]["range"] == [1.09375, 1.15625]
    assert "x" in figure["data"][0]  # one point a sample, with times of its own


def test_an_upload_is_shown_and_the_servers_copy_is_in_the_visitors_folder(own_folders):
    at = open_page(CLIP)
    at.button_group(key="source").set_value("Upload").run()
    assert any("Nothing here yet" in i.value for i in at.info)
    at.file_uploader[0].upload("../my voice.wav", wav(voice())).run()
    assert not at.exception
    assert at.title[0].value.replace("\\", "") == "../my voice.wav"
    assert len(charts(at)) == 6
    assert [p.name for p in own_folders.rglob("uploads/*/*")] == ["my voice.wav"]


def test_a_broken_upload_gives_one_sentence_and_keeps_what_was_there(own_folders):
    at = open_page(CLIP)
    at.button_group(key="source").set_value("Upload").run()
    attach(at, "good.wav", wav(tone(200)))
    attach(at, "bad.wav", b"this is no sound at all" * 50)
    assert len(at.error) == 1
    assert "bad" in at.error[0].value
    assert at.title[0].value.replace("\\", "") == "good.wav"
    assert len(charts(at)) == 6
    at.run()
    assert not at.error


@pytest.mark.parametrize(
    "y", [np.zeros(16_000), tone(300, 0.001), np.full(16_000, 0.5)], ids=["silence", "1 ms", "dc"]
)
def test_odd_signals_open(y):
    at = open_page(CLIP)
    at.button_group(key="source").set_value("Upload").run()
    at.file_uploader[0].upload("odd.wav", wav(y.astype(np.float32))).run()
    at.button_group(key="views").set_value(["Waveform", "Spectrum", "STFT", "MFCC", "Difference"])
    at.run()
    assert not at.exception
    assert not at.error
    assert len(charts(at)) == 10


def test_a_hostile_file_name_is_shown_letter_by_letter():
    at = open_page(CLIP)
    at.button_group(key="source").set_value("Upload").run()
    at.file_uploader[0].upload("![x](http://h/x.png).wav", wav(tone(200))).run()
    assert not at.exception
    assert at.title[0].value.startswith("\\!\\[x\\]\\(")


def test_a_long_recording_asks_for_the_part_to_open(monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_MAX_MINUTES", "0.05")
    at = open_page(CLIP)
    at.button_group(key="source").set_value("Upload").run()
    at.file_uploader[0].upload("long.wav", wav(voice(duration_s=6))).run()
    assert any("Choose the part" in i.value for i in at.info)
    assert not charts(at)
    at.number_input(key="part_start_min").set_value(0.05)
    at.number_input(key="part_min").set_value(0.02)
    next(b for b in at.button if "Open this part" in b.label).click().run()
    assert not at.exception
    assert len(charts(at)) == 6


def test_the_grid_compares_the_articles_four():
    at = open_page(CLIP, mode="Compare clips")
    assert len(charts(at)) == 4
    assert len(set(sounds(at))) == 4
    at.button_group(key="compare_show").set_value("STFTs").run()
    assert len(charts(at)) == 4
    assert all(alt.startswith("STFT of") for alt in charts(at))
    at.multiselect(key="compare").set_value([]).run()
    assert any("Choose at least one" in i.value for i in at.info)


def test_old_sounds_make_room(own_folders, monkeypatch):
    monkeypatch.setattr("pages.shared.session.MAX_SOUND_BYTES", 500_000)
    at = open_page(CLIP)
    for strength in (5, 10, 15, 20):
        at.slider(key="strength_db").set_value(strength).run()
    assert not at.exception
    sizes = [p.stat().st_size for p in own_folders.rglob("sounds/*.wav")]
    assert 0 < sum(sizes) < 500_000 + 3 * max(sizes)


def test_what_is_removed_from_the_list_of_uploads_is_deleted(own_folders):
    def staged(*names):
        at.file_uploader[0].set_value([(n, wav(tone(len(n) * 100)), "") for n in names]).run()
        assert not at.exception
        return sorted(p.name for p in own_folders.rglob("uploads/*/*"))

    at = open_page(CLIP)
    at.button_group(key="source").set_value("Upload").run()
    assert staged("a.wav", "bb.wav") == ["a.wav", "bb.wav"]
    at.button_group(key="source").set_value("Demo").run()
    at.button_group(key="source").set_value("Upload").run()
    assert at.selectbox(key="mine").options == ["bb.wav", "a.wav"]
    assert staged("ccc.wav", "dddd.wav") == ["a.wav", "bb.wav", "ccc.wav", "dddd.wav"]
    assert staged("ccc.wav") == ["a.wav", "bb.wav", "ccc.wav"]
    assert at.session_state["mine"] == at.selectbox(key="mine").value  # the browser is told
    assert at.title[0].value.replace("\\", "") == "ccc.wav"
    assert staged() == ["a.wav", "bb.wav"]
    assert at.title[0].value.replace("\\", "") == "bb.wav"


def test_the_features_of_a_long_recording_wait_to_be_asked_for(monkeypatch):
    monkeypatch.setattr("pages.shared.clip_features.LONG_S", 0.5)
    at = open_page(CLIP)
    assert not at.dataframe
    at.toggle(key="measure_long").set_value(True).run()
    assert len(at.dataframe) == 1

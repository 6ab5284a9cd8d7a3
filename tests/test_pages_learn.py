"""The teaching pages, opened the way a visitor does (Streamlit's AppTest)."""

import json
import shutil

import pytest
import streamlit
from streamlit.testing.v1 import AppTest
import visit
from visit import MAIN, charts, sounds

from core.learn import guess, rebuild
from core.learn.steps import STEPS
from core.models import shipped

pytestmark = pytest.mark.usefixtures("own_folders")


def open_page(page: str, **query: str) -> AppTest:
    return visit.open_page(f"learn/{page}.py", **query)


def captions(at: AppTest) -> str:
    return " ".join(c.value for c in at.caption)


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1), ids=[s.key for s in STEPS])
def test_every_step_opens_by_its_link_with_figure_and_sentence(number):
    at = open_page("tour", step=str(number))
    assert at.header[0].value == f"{number} · {STEPS[number - 1].title}"
    assert not at.error
    figures = charts(at).values()
    assert figures
    for figure in figures:
        for axis in ("xaxis", "yaxis"):
            assert figure["layout"][axis]["title"]["text"]
        assert len(json.dumps(figure)) < 300_000
    assert captions(at)


@pytest.mark.parametrize("step", ["99", "0", "x", ""])
def test_a_link_to_no_step_opens_the_first(step):
    assert open_page("tour", step=step).header[0].value.startswith("1 · ")


def test_buttons_lead_from_step_to_step_and_keep_the_link():
    at = open_page("tour", step="1")
    assert at.button(key="previous").disabled
    at.button(key="next").click().run()
    assert at.header[0].value.startswith("2 · ")
    assert at.query_params["step"] in ("2", ["2"])
    at.button(key="next").click().run()
    assert at.header[0].value.startswith("3 · ")
    at.button(key="previous").click().run()
    at.button(key="previous").click().run()
    assert at.header[0].value.startswith("1 · ")
    assert open_page("tour", step=str(len(STEPS))).button(key="next").disabled


def test_right_and_wrong_answers_are_explained():
    at = open_page("tour", step="3")
    step = STEPS[2]
    for number, option in enumerate(step.options):
        at.radio(key=f"answer_{step.key}").set_value(option).run()
        said = at.success if number == step.right else at.warning
        assert [s.value for s in said] == [step.because[number]]
        assert len(at.success) + len(at.warning) == 1


CONTROLS = {
    1: ("select_slider", "tour_zoom", "62.5 ms"),
    2: ("slider", "tour_at", 0.5),
    3: ("select_slider", "tour_window", 4),
    4: ("select_slider", "tour_mels", 8),
    5: ("slider", "tour_mfcc", 2),
    6: ("slider", "tour_trim", 5),
    8: ("select_slider", "tour_bpm", 120),
    9: ("select_slider", "tour_f0", "16 to 7,900 Hz"),
    11: ("slider", "tour_z", 1.5),
    12: ("selectbox", "tour_pair", "hnr_db"),
}
CHOICES = {
    7: ("tour_onsets", "male"),
    10: ("tour_balance", "age"),
    13: ("tour_mean", "male − female"),
    14: ("tour_split", "By speaker"),
}


@pytest.mark.parametrize("number", CONTROLS)
def test_the_control_moves_the_figure(number):
    at = open_page("tour", step=str(number))
    before = charts(at), captions(at)
    kind, key, value = CONTROLS[number]
    getattr(at, kind)(key=key).set_value(value).run()
    assert not at.exception, at.exception
    assert charts(at) != before[0]
    assert captions(at) != before[1]


@pytest.mark.parametrize("number", CHOICES)
def test_the_choice_moves_the_figure(number):
    at = open_page("tour", step=str(number))
    before = charts(at)
    key, value = CHOICES[number]
    at.segmented_control(key=key).set_value(value).run()
    assert not at.exception, at.exception
    assert charts(at) != before


def test_all_steps_have_a_control_that_is_tested():
    assert sorted([*CONTROLS, *CHOICES]) == list(range(1, len(STEPS) + 1))


def test_the_tour_takes_a_clip_of_the_visitor():
    at = open_page("tour", step="1", clip="demo_hum_50_hz")
    at.segmented_control(key="learn_whose").set_value("I choose").run()
    assert not at.exception, at.exception
    assert any("hum" in m.value.lower() for m in at.markdown)


@pytest.mark.parametrize("kind", ["stft", "mel", "mfcc", "f0"])
def test_each_representation_can_be_seen_and_heard(kind):
    at = open_page("listen", **{"from": kind})
    assert len(charts(at)) == 2
    assert len(sounds(at)) == 2
    assert rebuild.KINDS[kind].label in captions(at)
    assert "numbers a second" in captions(at)
    assert any("**Lost:**" in m.value for m in at.markdown)


def test_the_buzz_is_another_sound_than_the_sine():
    at = open_page("listen", **{"from": "f0"})
    before = sounds(at)[1]
    at.toggle(key="buzz").set_value(True).run()
    assert sounds(at)[1] != before


def test_breaking_moves_numbers_checks_and_sound():
    at = open_page("break_it")
    assert not any(m.delta for m in at.metric)
    before = [m.value for m in at.metric], [m.value for m in at.markdown]
    at.slider(key="break_clip").set_value(30).run()
    at.slider(key="break_snr").set_value(5).run()
    assert not at.exception, at.exception
    assert [m.value for m in at.metric] != before[0]
    said = [m.value for m in at.markdown if m.value.startswith("**Model:**")]
    assert len(said) == 2
    assert ":material/cancel:" in said[1]
    assert ":material/cancel:" not in said[0]
    urls = set(sounds(at))
    assert len(urls) == 2


def test_guesses_are_revealed_and_counted_once():
    at = open_page("guess")
    truth = guess.clips()[0]
    assert truth.sentence not in " ".join(m.value for m in at.markdown)
    assert at.button(key="guess_reveal").disabled
    for question in guess.questions(truth):
        wrong = next(o for o in question.options if not guess.is_right(truth, question, o))
        right = str(getattr(truth, question.field))
        said = wrong if question.field == "words" else right
        at.radio(key=f"guess_0_{question.field}").set_value(said).run()
    at.button(key="guess_reveal").click().run()
    assert not at.exception, at.exception
    text = " ".join(m.value for m in at.markdown)
    assert "Speaker 1 of 1" in text
    assert "Words 0 of 1" in text
    assert "The model says" in text
    assert at.button(key="guess_reveal").disabled
    at.button(key="guess_next").click().run()
    assert at.header[0].value.endswith("clip 2")
    assert "Speaker 1 of 1" in " ".join(m.value for m in at.markdown)


def test_a_clip_can_be_seen_instead_of_heard():
    at = open_page("guess")
    at.segmented_control(key="guess_how").set_value("See it").run()
    assert len(charts(at)) == 2
    assert not sounds(at)


def test_without_the_shipped_model_the_pages_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "PATH", tmp_path / "none")
    streamlit.cache_resource.clear()
    at = open_page("break_it")
    assert len(at.error) == 1
    assert not at.exception


def test_a_clip_that_is_gone_gives_a_sentence(tmp_path, monkeypatch):
    copy = tmp_path / "demo"
    shutil.copytree(MAIN.parents[1] / "demo", copy)
    (copy / "clips" / "demo_clean.mp3").write_bytes(b"not sound")
    monkeypatch.setattr("core.datasets._demo.demo_folder", lambda: copy)
    streamlit.cache_resource.clear()
    at = open_page("listen")
    streamlit.cache_resource.clear()
    assert len(at.error) == 1

"""The Train page, opened the way a visitor does (Streamlit's AppTest)."""

from functools import partial

import pytest
import visit
from visit import DEMO, measured_voices, said

from core.errors import ParameterError
from core.models.base import TrainParams
from core.models.families import spec_of
from core.models.groups import Interval
from core.models.judge import Baseline, Score, Scores
from core.notes import Notes
from pages.shared import models

pytestmark = pytest.mark.usefixtures("on_demo")
PAGE = "model/train.py"
open_page = partial(visit.open_page, PAGE)


def test_a_model_is_trained_in_the_background_judged_listed_and_deleted():
    at = open_page()
    assert "Learns from: **171 clips**, 25 known speakers" in said(at)
    assert "Left out: 23 (without the target)" in said(at)
    at.selectbox(key="train_model_classification").set_value("logreg").run()
    name = next(t for t in at.text_input if t.label == "Name")
    name.set_value("../../first try").run()
    at.button(key="train_start").click().run()
    assert not at.exception
    state = models.training(DEMO.workspace).wait(60)
    assert state["state"] == "done", state
    assert [p.name for p in models.folder_of(DEMO.workspace).glob("*.model")] == ["first try.model"]
    at = open_page()
    assert at.metric[0].label == "Balanced accuracy"
    assert float(at.metric[0].value.split()[0]) > 80
    assert [m.label for m in at.metric[2:]] == ["Always the most frequent", "Chance", "Pitch only"]
    assert "The number means something" in said(at) or "pitch alone" in said(at)
    (told,) = models.kept(DEMO.workspace)
    assert (told.name, told.target, told.split, told.clips) == (
        "first try",
        "gender",
        "speaker",
        171,
    )
    at.button(key="train_to").click().run()
    assert not at.exception
    assert at.title[0].value == "Evaluate"
    at = open_page()
    at.button(key="train_delete").click().run()
    assert not at.exception
    assert models.kept(DEMO.workspace) == []
    assert "None yet" in said(at)


def test_the_number_of_fits_and_the_grid_are_shown_before_a_search():
    at = open_page()
    assert "At most 6 fits" in said(at)
    at.toggle(key="train_search").set_value(True).run()
    grid = at.dataframe[0].value
    assert set(grid["Setting"]) == set(spec_of("svc-rbf").grid)
    params = TrainParams("gender", search=True)
    points = 1
    for values in spec_of("svc-rbf").grid.values():
        points *= len(values)
    assert models.fits(params) == 5 * 4 * points + 5 * points + 6
    assert f"At most {models.fits(params):,} fits" in said(at)


def test_age_in_years_offers_regressions():
    at = open_page()
    at.selectbox(key="train_target").set_value("age_years").run()
    assert not at.exception
    assert "Ridge regression" in at.selectbox(key="train_model_regression").options


def test_too_many_folds_for_the_speakers_give_a_sentence_and_no_button():
    at = open_page()
    at.selectbox(key="train_target").set_value("age").run()
    assert "too few for 5 folds" in said(at)
    assert at.button(key="train_start").disabled


def test_a_tag_can_be_learnt():
    notes = Notes(DEMO.workspace)
    ids = [f"demo/demo_s{s:02d}_01" for s in range(1, 10)]
    notes.tag_all(ids, "creaky")
    at = open_page()
    at.selectbox(key="train_target").set_value("tag:creaky").run()
    (DEMO.workspace / "notes.jsonl").unlink()
    assert not at.exception
    assert "creaky 7 clips, 7 speakers" in said(at)


def test_the_articles_pipeline_says_what_it_needs():
    at = open_page()
    recipe = next(g for g in at.segmented_control if g.key == "train_recipe")
    recipe.set_value("The article's pipeline (384 fits)").run()
    assert not at.exception
    assert "split by clip" in said(at)
    assert at.button(key="train_start").disabled
    assert len(at.warning) == 1


def test_without_labels_there_is_nothing_to_learn(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "w"))
    at = open_page(measured_voices(tmp_path / "voices"))
    assert "These clips have no labels" in said(at)


def test_an_empty_workspace_offers_to_measure(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "none"))
    assert "Nothing is measured" in said(open_page())


def test_names_become_files_inside_the_workspace_and_never_overwrite(tmp_path):
    for name in ("../../x", "/etc/passwd", "a/b\\c", "x" * 300, "CON", "\u202eevil", ".."):
        assert models.path_of(tmp_path, name).parent == tmp_path / "models"
    with pytest.raises(ParameterError, match="needs a name"):
        models.path_of(tmp_path, "  ")
    path = models.path_of(tmp_path, "one")
    path.parent.mkdir()
    path.write_bytes(b"x")
    assert models.free_name(tmp_path, "one") == "one-2"
    with pytest.raises(ParameterError, match="there is a model of this name"):
        models.start_training(["train"], tmp_path, path)
    assert models.kept(tmp_path) == []  # not a model: passed over


def scores(value: float, low: float, high: float, **more) -> Scores:
    easy = {"balanced_accuracy": Interval(0.5, 0.5, 0.5)}
    pitch = {"balanced_accuracy": Interval(0.8, 0.7, 0.9)}
    main = Score("balanced_accuracy", "Balanced accuracy", Interval(value, low, high))
    told = {"clips": 100, "speakers": 50, "anonymous": 0} | more
    baselines = (Baseline("chance", "Chance", easy), Baseline("f0_only", "Pitch only", pitch))
    import numpy as np

    return Scores((main,), baselines, ("a", "b"), np.eye(2), **told)


@pytest.mark.parametrize(
    ("found", "split", "words"),
    [
        (scores(0.9, 0.85, 0.95), "speaker", "The number means something"),
        (scores(0.9, 0.75, 0.95), "speaker", "not clearly better than the pitch"),
        (scores(0.55, 0.45, 0.65), "speaker", "means nothing yet"),
        (scores(0.9, 0.85, 0.95), "clip", "too good for new voices"),
        (scores(0.9, 0.85, 0.95, speakers=9), "speaker", "It rests on 9 speakers"),
    ],
)
def test_a_score_is_said_to_mean_something_only_above_what_is_easy(found, split, words):
    assert words in models.meaning(found, split)

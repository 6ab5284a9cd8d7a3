"""The Evaluate page, opened the way a visitor does (Streamlit's AppTest)."""

from concurrent.futures import ThreadPoolExecutor
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit
from streamlit.testing.v1 import AppTest
import visit
from visit import DEMO, charts, measured_voices, said

from core import cli
from core.models import checks, files, judge
from core.models.base import Predictions
from core.models.groups import by_group
from core.store import Workspace
from pages.shared import cache_models, evaluate_code, models

pytestmark = pytest.mark.usefixtures("on_demo")
PAGE = "model/evaluate.py"
TRAINED = {
    "clear": ["--target=gender", "--model=logreg"],
    "searched": ["--target=gender", "--model=knn", "--search"],
    "age": ["--target=age", "--model=logreg", "--folds=4"],
    "years": ["--target=age_years", "--model=ridge"],
    "by-clip": ["--target=gender", "--model=logreg", "--split=clip"],
}


@pytest.fixture(scope="module")
def measured(measured):
    """The demo set, measured, with models of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHONOSCOPE_WORKSPACES", str(measured))
        for name, words in TRAINED.items():
            out = models.path_of(DEMO.workspace, name)
            where = [f"--workspace={DEMO.workspace}", f"--out={out}"]
            assert cli.main(["train", *where, *words]) in (0, None)
    return measured


def open_page(view: str = "Score", model: str = "clear", folder: Path | None = None) -> AppTest:
    return visit.open_page(PAGE, folder, state={"evaluate_model": model}, evaluate_view=view)


def path(name: str) -> Path:
    return models.path_of(DEMO.workspace, name)


def run_code(lines: str, data: bytes, monkeypatch) -> dict:
    """What the lines of "Show the code" make of the CSV they name."""
    read = pd.read_csv
    monkeypatch.setattr(pd, "read_csv", lambda name, **how: read(io.BytesIO(data), **how))
    made: dict = {}
    exec(lines, made)
    return made


VIEWS = ["Score", "Errors", "Groups", "Confidence", "Search", "Compare", "Card"]


@pytest.mark.parametrize(
    ("view", "model"),
    [
        *((view, "clear") for view in VIEWS),
        *((view, "years") for view in VIEWS[:4]),
        ("Search", "searched"),
    ],
)
def test_every_part_shows_every_kind_of_model(view, model):
    at = open_page(view, model)
    assert not at.error, at.error
    assert all(alt for alt in charts(at))
    if view in ("Score", "Errors", "Groups"):
        assert len(charts(at)) == 1


@pytest.mark.parametrize("view", ["Score", "Errors", "Groups", "Confidence", "Search", "Card"])
def test_every_download_is_made_outside_the_session(view, monkeypatch):
    """Streamlit asks for it in a thread of its own, where a session's caches do not exist."""
    made = []

    def button(label, *, data, file_name, **_):
        with ThreadPoolExecutor(1) as pool:
            made.append((file_name, pool.submit(data).result()))

    monkeypatch.setattr(streamlit, "download_button", button)
    open_page(view, "searched")
    ((name, data),) = made
    assert name.endswith(("searched.csv", "searched.md"))
    assert len(data) > 200


def test_the_score_stands_beside_majority_chance_and_pitch():
    at = open_page()
    assert [m.label for m in at.metric] == [
        "Balanced accuracy",
        "95 % interval",
        "Always the most frequent",
        "Chance",
        "Pitch only",
    ]
    found = judge.judge(answered("clear"))
    assert at.metric[0].value == f"{100 * found.main.score.value:.1f} %"
    assert "Intervals redraw 25 speakers" in said(at)


def test_a_split_by_clip_is_said_to_be_too_good():
    assert "too good for new voices" in said(open_page(model="by-clip"))


def test_a_cell_of_the_confusion_matrix_is_heard():
    at = open_page("Errors", "age")
    assert len(at.get("bidi_component")) == 1
    at.selectbox(key="evaluate_true").set_value("twenties").run()
    at.selectbox(key="evaluate_said").set_value("twenties").run()
    found = judge.cell(answered("age"), "twenties", "twenties")
    n = len(found.clip_ids)
    assert f"**{n:,} clip" in said(at)
    assert len(at.get("bidi_component")) == (n > 0)
    ((alt, figure),) = charts(at).items()
    assert "are answered wrongly" in alt
    assert figure["layout"]["shapes"][0]["type"] == "rect"  # the cell that is picked


def test_a_click_in_the_matrix_picks_its_cell(monkeypatch):
    from pages.shared import evaluate_panels

    state = {"cells": {"selection": {"points": [{"x": 1, "y": 0}]}}}
    monkeypatch.setattr(evaluate_panels.st, "session_state", state)
    evaluate_panels._pick("cells", ("a", "b"))
    assert (state["evaluate_true"], state["evaluate_said"]) == ("a", "b")


def test_a_click_on_an_age_is_heard(monkeypatch):
    from pages.shared import evaluate_panels

    found = files.load(path("years")).trained.predictions
    state = {"evaluate_years": {"selection": {"points": [{"customdata": [3]}]}}}
    monkeypatch.setattr(evaluate_panels.st, "session_state", state)
    evaluate_panels._pick_year(found)
    assert state["evaluate_year"] == found.clip_ids[3]


def test_the_shipped_model_is_asked_about_the_selected_clips():
    at = open_page(model="The shipped model")
    assert "171" in said(at) or "25 speakers" in said(at)
    assert at.metric[0].label == "Balanced accuracy"
    at = open_page("Leaks", "The shipped model")
    assert "they are not in this data set" in said(at)


def test_voices_that_the_model_knows_are_said_to_make_it_look_better():
    at = open_page(model="clear")
    on = next(g for g in at.segmented_control if g.label == "Judge on")
    on.set_value("The selected clips").run()
    assert not at.exception
    assert "25 of 25 speakers here were in the training" in said(at)
    assert "says nothing about new voices" in said(at)


def test_a_file_that_is_no_model_gives_one_sentence(tmp_path):
    bad = path("broken")
    bad.write_bytes(b"PK nothing")
    at = open_page(model="A file of your own…")
    assert "Add a model file" in said(at)
    at.file_uploader[0].upload("evil.model", b"\x80\x04nonsense").run()
    assert not at.exception
    assert "evil.model" in at.error[0].value.replace("\\", "")
    assert "not a model of this program" in at.error[0].value
    bad.unlink()


def test_an_uploaded_model_is_judged():
    at = open_page(model="A file of your own…")
    at.file_uploader[0].upload("mine.model", path("clear").read_bytes()).run()
    at.run()
    assert not at.exception
    assert at.metric[0].label == "Balanced accuracy"


@pytest.mark.parametrize(
    ("view", "kind"),
    [("More voices", "learning"), ("Inputs", "importance"), ("Leaks", "leak")],
)
def test_a_test_runs_as_a_job_and_its_result_stays(view, kind):
    at = open_page(view)
    at.button(key=f"start_{kind}").click().run()
    assert not at.exception
    job = models.check_job(DEMO.workspace, path("clear"), kind)
    assert job.wait(90)["state"] == "done", job.log()
    at = open_page(view)
    found = models.check_result(job)
    ((alt, _),) = charts(at).items()
    if kind == "leak":
        assert found.clip.mean() > 0.7 > found.speaker.mean()
        assert found.sentence in alt
    elif kind == "learning":
        assert found.sentence in alt
        assert found.units[-1] == 20
    else:
        assert found.drops[0].mean() == found.drops.mean(axis=1).max()
    lines = evaluate_code.test(kind, "clear").strip()
    assert lines in [c.value for c in at.code]


def test_results_of_tests_survive_the_disk(tmp_path):
    workspace = Workspace.open(DEMO.workspace)
    trained = files.load(path("clear")).trained
    for kind in ("repeats", "shortcuts"):
        words = ["--workspace", str(DEMO.workspace), "--model", str(path("clear"))]
        assert cli.main(["model-tests", kind, *words, "--out", str(tmp_path)]) == 0
        found = models.check_result(models.jobs.Job(tmp_path))
        fresh = checks.run(kind, workspace, trained)
        assert found.sentence == fresh.sentence
        assert type(found) is type(fresh)


def test_a_test_that_cannot_be_made_says_why(tmp_path, capsys):
    gone = tmp_path / "gone.model"
    words = ["--workspace", str(DEMO.workspace), "--out", str(tmp_path), "--model"]
    assert cli.main(["model-tests", "leak", *words, str(gone)]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_two_models_are_compared_and_unfair_splits_are_named():
    at = open_page("Compare", "clear")
    other = at.selectbox(key="evaluate_other_clear")
    names = [n.split(" ")[0] for n in other.options]
    assert set(names) == {"by-clip", "searched"}  # of the same target
    other.set_value(names.index("by-clip")).run()
    assert not at.exception
    assert "p = " in said(at)
    assert "not fair" in said(at)


def test_a_target_of_which_there_is_one_model_is_not_compared():
    assert "no other model of this target" in said(open_page("Compare", "years"))


def answered(name: str) -> Predictions:
    return files.load(path(name)).trained.predictions


def test_the_code_makes_the_score_again(monkeypatch):
    found = judge.judge(answered("clear"))
    lines = evaluate_code.score("clear", True, True)
    made = run_code(lines, cache_models.csv(answered("clear")), monkeypatch)
    assert made["score"] == pytest.approx(found.main.score.value)
    assert made["low"] == pytest.approx(found.main.score.low, abs=0.03)


def test_the_code_makes_the_matrix_again(monkeypatch):
    data = cache_models.csv(answered("age"))
    made = run_code(evaluate_code.confusion("age"), data, monkeypatch)
    found = judge.judge(answered("age"))
    labels = [n for n in found.labels if n in made["counts"].columns]
    at = [found.labels.index(n) for n in labels]
    assert (made["counts"][labels].to_numpy() == found.confusion[:, at]).all()


def test_the_code_makes_the_calibration_and_the_threshold_again(monkeypatch):
    found = answered("clear")
    made = run_code(evaluate_code.confidence("clear", 0.8), cache_models.csv(found), monkeypatch)
    calibration, coverage = judge.calibration(found), judge.coverage(found)
    at = np.abs(coverage.thresholds - 0.8).argmin()
    assert made["answered"] == pytest.approx(coverage.answered[at])
    assert made["right_of_those"] == pytest.approx(coverage.right[at])
    assert made["calibration"]["confidence"].to_numpy() == pytest.approx(
        calibration.confidence, abs=2e-4
    )


def test_the_code_makes_the_groups_again(monkeypatch):
    found, columns = answered("clear"), ("gender", "age")
    data = cache_models.csv_of_groups(found, str(DEMO.workspace), columns)
    made = run_code(evaluate_code.groups("clear", columns, False), data, monkeypatch)
    labels = Workspace.open(DEMO.workspace).features(["clip_id", *columns])
    for group in by_group(found, labels, columns):
        row = made["groups"].loc[group.names]
        assert (row["mean"], row["size"]) == (pytest.approx(group.score.value), group.clips)


def test_the_code_makes_the_error_in_years_again(monkeypatch):
    found = answered("years")
    lines = evaluate_code.score("years", False, True)
    made = run_code(lines, cache_models.csv(found), monkeypatch)
    assert made["score"] == pytest.approx(judge.judge(found).main.score.value)


@pytest.mark.parametrize("view", ["Score", "Errors", "Groups", "Leaks", "Search", "Compare"])
def test_without_labels_there_are_sentences(view, tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "w"))
    at = open_page(view, "gone", measured_voices(tmp_path / "voices"))
    assert at.error or at.info


def test_an_empty_workspace_offers_to_measure(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "none"))
    assert "Nothing is measured" in said(open_page())

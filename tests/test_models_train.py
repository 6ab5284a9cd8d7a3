"""Training learns what is there, nothing where nothing is, and never from the test."""

from itertools import pairwise
import json

import numpy as np
import pytest
from test_models_table import store

from core.cli import main
from core.errors import DatasetError, ParameterError
from core.models import search
from core.models.base import Table, TrainParams
from core.models.train import calibrated, fit_temperature, train
from core.store import Workspace

QUICK = {"model": "logreg", "n_splits": 3}


def table_of(X: np.ndarray, y: np.ndarray, speakers: np.ndarray | None) -> Table:
    n, d = X.shape
    return Table(
        X=X.astype(np.float32),
        y=y,
        speakers=speakers,
        clip_ids=np.array([f"c/{i:04d}" for i in range(n)], dtype=object),
        columns=tuple(f"f{j}" for j in range(d)),
        blocks={"features": slice(0, d)},
        about={"data": "made"},
    )


def people(n_speakers: int = 40, clips: int = 4, effect: float = 3.0, seed: int = 0) -> Table:
    """Speakers with a colour of voice of their own, of two classes ``effect`` apart."""
    rng = np.random.default_rng(seed)
    own = 2 * rng.standard_normal((n_speakers, 8))
    own[:, 0] = rng.standard_normal(n_speakers)
    classes = rng.permutation(np.arange(n_speakers) % 2)
    own[:, 0] += effect * classes
    who = np.repeat(np.arange(n_speakers), clips)
    X = own[who] + 0.3 * rng.standard_normal((who.size, 8))
    y = np.array(["a", "b"], object)[classes[who]]
    return table_of(X, y, np.array([f"s{w}" for w in who], dtype=object))


def right(trained) -> float:
    return float((trained.predictions.answers == trained.predictions.y).mean())


def test_what_tells_classes_apart_is_learnt_and_every_clip_is_asked_once():
    table = people()
    found = train(table, TrainParams("t", **QUICK))
    assert right(found) > 0.85
    asked = found.predictions
    assert asked.prob.shape == (160, 2) and asked.prob.dtype == np.float32
    assert np.allclose(asked.prob.sum(axis=1), 1, atol=1e-6)
    assert set(asked.fold) == {0, 1, 2}
    for speaker in set(table.speakers):
        assert len(set(asked.fold[table.speakers == speaker])) == 1
    assert found.labels == ("a", "b")
    assert found.estimator.predict_proba(table.X[:3]).shape == (3, 2)
    assert {"data", "settings", "seed", "date", "version", "versions"} <= found.about.keys()


def test_a_random_label_per_speaker_is_at_chance_by_speaker_and_not_by_clip():
    scores = {
        split: np.mean(
            [
                right(
                    train(
                        people(effect=0.0, clips=8, seed=seed),
                        TrainParams("t", model="svc-rbf", split=split, n_splits=4),
                    )
                )
                for seed in range(4)
            ]
        )
        for split in ("speaker", "clip")
    }
    assert abs(scores["speaker"] - 0.5) < 0.12
    assert scores["clip"] > 0.95


def test_a_search_is_inside_the_folds():
    """Settings of a fold come from its training part: its test clips may be anything."""
    table = people(30)
    params = TrainParams(
        "t", model="knn", n_splits=3, search=True, settings=(("scaler", "standard"),)
    )
    found = train(table, params)
    assert len(found.rows) == 8
    assert len(found.about["fold_settings"]) == 3
    best = found.rows.sort_values("rank").iloc[0]
    assert found.about["settings"]["n_neighbors"] == best["n_neighbors"]
    test = found.predictions.fold == 0
    y = table.y.copy()
    y[test] = np.where(y[test] == "a", "b", "a")
    X = np.where(test[:, None], table.X[::-1], table.X)
    from core.models import splits
    from core.models.families import spec_of
    from core.models.train import _search_tasks

    outer = splits.folds(table.y, table.speakers, split="speaker", n_splits=3, seed=0)
    points = spec_of("knn").points({"scaler": "standard"})
    scores = []
    for X_now, y_now in ((table.X, table.y), (X, y)):
        tasks, sizes = _search_tasks(
            table, params, outer, outer, points, {"scaler": "standard"}, None, "accuracy"
        )
        own = [task for task in tasks if task.key[0] == 0]
        assert sizes[0] * 1 == len(own)
        codes = (y_now == "b").astype(int)
        scores.append([search.score_task(task, X_now, codes) for task in own])
    assert [[s[:2] for s in f] for f in scores[0]] == [[s[:2] for s in f] for f in scores[1]]


def test_two_processes_give_the_model_of_one():
    settings = (("scaler", "standard"), ("weights", "distance"))
    params = TrainParams("t", model="knn", n_splits=3, search=True, settings=settings)
    table = people(24)
    one, two = (train(table, params, n_jobs=n) for n in (1, 2))
    assert np.array_equal(one.predictions.prob, two.predictions.prob)
    assert np.array_equal(
        one.estimator.predict_proba(table.X), two.estimator.predict_proba(table.X)
    )
    assert one.temperature == two.temperature
    assert one.rows.drop(columns="seconds").equals(two.rows.drop(columns="seconds"))


def test_years_are_learnt_by_a_regression():
    rng = np.random.default_rng(0)
    table = people()
    years = 40 + 8 * table.X[:, 0].astype(np.float64) + rng.standard_normal(160)
    params = TrainParams("age_years", model="ridge", n_splits=4, settings=(("alpha", 1.0),))
    found = train(table._replace(y=years), params)
    assert found.labels == () and found.temperature == 1.0
    assert found.predictions.prob.shape == (160, 1)
    error = np.abs(found.predictions.answers - years).mean()
    assert error < 0.3 * np.abs(years - np.median(years)).mean()


@pytest.mark.parametrize(("target", "model"), [("classes", "ridge"), ("years", "svc-rbf")])
def test_a_model_of_the_other_kind_is_refused(target, model):
    table = people()
    if target == "years":
        table = table._replace(y=table.X[:, 0].astype(np.float64))
    with pytest.raises(ParameterError, match="does not fit this target"):
        train(table, TrainParams(target, model=model))


def test_rows_far_out_are_not_learnt_from_but_asked_about(monkeypatch):
    table = people()
    table.X[10] = 60
    fitted = []
    real = search.rows_within
    monkeypatch.setattr(search, "rows_within", lambda *a: fitted.append(real(*a)) or fitted[-1])
    found = train(table, TrainParams("t", max_z=5.0, **QUICK))
    assert len(fitted) == 4
    assert not any(10 in rows for rows in fitted)
    assert found.predictions.fold[10] >= 0


def test_missing_values_are_filled_from_training():
    table = people()
    table.X[::7, 3] = np.nan
    table.X[:, 5] = np.nan
    assert right(train(table, TrainParams("t", log1p=True, **QUICK))) > 0.85


@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_the_temperature_of_sharpened_probabilities_is_found(true):
    rng = np.random.default_rng(0)
    prob = rng.dirichlet([1, 1, 1], 20_000)
    codes = (prob.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    sharpened = calibrated(prob, 1 / true)
    assert fit_temperature(sharpened, codes) == pytest.approx(true, rel=0.05)


def test_calibration_keeps_the_order_and_never_says_never():
    prob = np.array([[0.0, 1.0], [0.3, 0.7]])
    for temperature in (0.1, 1.0, 5.0):
        found = calibrated(prob, temperature)
        assert (found > 0).all()
        assert np.allclose(found.sum(axis=1), 1)
        assert (found.argmax(axis=1) == 1).all()
    assert np.allclose(calibrated(prob, 1.0), prob, atol=1e-5)


def test_progress_ends_at_the_total_and_training_can_be_cancelled():
    seen = []
    settings = (("scaler", "standard"), ("pca", None))
    params = TrainParams("t", **QUICK, search=True, settings=settings)
    train(people(24), params, progress=seen.append)
    assert seen[-1].done == seen[-1].total == 5 * (3 * 3 + 3) + 4
    assert all(a.done < b.done for a, b in pairwise(seen))
    with pytest.raises(search.Cancelled):
        train(people(24), params, cancelled=lambda: True)


@pytest.fixture
def saved(monkeypatch):
    """What the command line would write."""
    from core.models import files

    found = {}
    monkeypatch.setattr(
        files, "save", lambda trained, table, path: found.update(m=trained, t=table, path=path)
    )
    return found


def test_the_command_line_trains_and_saves(tmp_path, saved, capsys):
    made = store(tmp_path / "w")
    where = json.dumps([["age", "in", ["twenties", "thirties"]]])
    words = ["train", "--workspace", str(made.folder), "--target", "gender", "--model", "svc"]
    more = ["--folds", "3", "--inputs", "features,mel", "--setting", "C=2", "--where", where]
    assert main([*words, *more, "--out", str(tmp_path / "m")]) == 0
    params = saved["m"].params
    assert params.model == "svc-rbf" and params.split == "speaker" and params.n_splits == 3
    assert params.settings == (("C", 2),) and params.inputs == ("features", "mel")
    assert saved["t"].y.size == 42 and saved["path"] == str(tmp_path / "m")
    said = capsys.readouterr().err
    assert "balanced" in said and "split by speaker" in said


def test_the_command_line_names_a_split_by_clip(tmp_path, saved, capsys):
    made = store(tmp_path / "w", speaker_id=[None] * 60)
    words = ["train", "--workspace", str(made.folder), "--target", "age_years"]
    assert main([*words, "--out", str(tmp_path / "m"), "--folds", "2"]) == 0
    assert saved["m"].params.split == "clip" and saved["m"].params.model == "svr-rbf"
    said = capsys.readouterr().err
    assert "no speaker is known" in said and "Mean absolute error" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--target", "mood"], "Unknown target mood"),
        ([], "Name a label with --target"),
        (["--target", "gender", "--setting", "C"], "write NAME=VALUE"),
        (["--target", "gender", "--setting", "depth=3"], "has no setting depth"),
        (["--target", "gender", "--model", "oracle"], "Unknown model oracle"),
    ],
)
def test_the_command_line_says_what_cannot_work(tmp_path, saved, capsys, words, says):
    made = store(tmp_path / "w")
    out = ["--out", str(tmp_path / "m")]
    assert main(["train", "--workspace", str(made.folder), *words, *out]) == 2
    assert says in capsys.readouterr().err
    assert not saved


def test_the_articles_table_is_made_of_the_authors(shared, tmp_path):
    from core.datasets import open_dataset
    from core.models import preset

    authors = open_dataset(shared / "article", "article").features()
    assert (
        preset._within(
            preset._logged(authors.drop(columns="clip_id").to_numpy(), tuple(authors.columns[1:]))
        ).sum()
        == 8669
    )
    assert len(preset.points()) == 96
    made = store(tmp_path / "w")
    with pytest.raises(DatasetError, match="folder of the article's table"):
        preset.article_table(Workspace.open(made.folder))

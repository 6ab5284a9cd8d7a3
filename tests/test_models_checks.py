"""Tests of a finished model as a command: they find what is there, their file gives it back."""

from dataclasses import asdict
import json

import numpy as np
import pandas as pd
import pytest

from core import cli
from core.filters import Selection
from core.models import checks, files
from core.models.base import TrainParams
from core.models.table import learn_table
from core.models.train import train
from core.store import Workspace

KINDS = ("learning", "importance", "leak", "repeats", "shortcuts")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace of 40 speakers whose pitch tells their gender and whose tilt tells nothing."""
    root = tmp_path_factory.mktemp("checks")
    rng = np.random.default_rng(0)
    n = 80
    gender = np.where(np.arange(n) % 2, "female", "male")
    pitch = np.where(gender == "female", 210, 120) + rng.normal(0, 15, n)
    rows = pd.DataFrame(
        {
            "clip_id": [f"c/{i}" for i in range(n)],
            "path": [f"{i}.wav" for i in range(n)],
            "size": rng.integers(9_000, 90_000, n),
            "mtime_ns": 1,
            "text": None,
            "gender": gender,
            "speaker_id": [f"s{i % 40}" for i in range(n)],
        }
    )
    recipe = {"feature_set": "voice-v1", "feature_set_version": "1"}
    columns = ["f0_median_hz", "spectral_tilt_db_oct", "duration_s"]
    made = Workspace.create(root / "w", recipe=recipe, columns=columns)
    values = np.c_[pitch, rng.normal(-8, 1, n), rng.uniform(2, 6, n)]
    at = {f"c/{i}": dict(zip(columns, row, strict=True)) for i, row in enumerate(values)}
    with made.writer() as writer:
        writer.set_catalogue(rows, unit_size=n)
        for unit in writer.missing():
            found = [{"clip_id": i["clip_id"], "values": at[i["clip_id"]]} for i in unit.items]
            writer.write(unit.number, [*unit.known, *found])
        writer.tidy()
    params = TrainParams("gender", ("features",), "logreg", n_splits=4)
    table = learn_table(made, Selection(), params)
    return made, files.save(train(table, params), table, root / "w" / "models" / "m.model")


def words(trained, out):
    made, path = trained
    return ["--workspace", str(made.folder), "--model", str(path), "--out", str(out)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_is_the_same_from_its_file(trained, kind, tmp_path, capsys):
    assert cli.main(["model-tests", kind, *words(trained, tmp_path / "new")]) == 0
    said = capsys.readouterr().out
    found = checks.read(tmp_path / "new")
    fresh = checks.run(kind, trained[0], files.load(trained[1]).trained)
    assert type(found) is type(fresh)
    np.testing.assert_equal(asdict(found), asdict(fresh))
    if kind == "importance":
        assert found.names[0] == "f0_median_hz" or "f0_median_hz" in found.members[0]
        assert found.drops[0].mean() > 0.3
        assert found.names[0] in said
    else:
        assert said == f"{fresh.sentence}\n"


def test_the_tests_find_what_was_put_there(trained):
    made, model = trained[0], files.load(trained[1]).trained
    curve = checks.run("learning", made, model)
    assert (curve.unit, curve.units[-1]) == ("speakers", 30)  # of 40, in four folds
    assert curve.scores[-1].mean() > 0.9
    assert not checks.run("shortcuts", made, model).warns
    leak = checks.run("leak", made, model)
    assert leak.chance == 0.5


def test_an_unknown_test_and_a_missing_model_are_one_sentence(trained, tmp_path, capsys):
    assert cli.main(["model-tests", "nonsense", *words(trained, tmp_path / "out")]) == 2
    assert "choose one of ['learning', 'importance'" in capsys.readouterr().err
    gone = words((trained[0], tmp_path / "gone.model"), tmp_path / "out")
    assert cli.main(["model-tests", "leak", *gone]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_bytes(b"")
    assert cli.main(["model-tests", "repeats", *words(trained, tmp_path / "file" / "out")]) == 2
    assert "this folder may not be written" in capsys.readouterr().err


def test_ctrl_c_and_a_cancelled_job_leave_nothing_and_say_so(
    trained, tmp_path, monkeypatch, capsys
):
    def interrupted(*_args, **_how):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(checks, "run", interrupted)
        assert cli.main(["model-tests", "leak", *words(trained, out)]) == 1
    job = tmp_path / "job"
    job.mkdir()
    (job / "job.cancel").touch()
    monkeypatch.setenv("PHONOSCOPE_JOB", str(job))
    assert cli.main(["model-tests", "learning", *words(trained, out)]) == 1
    assert capsys.readouterr().err.count("The test was cancelled; nothing was saved.") == 2
    assert not out.exists()
    assert not (job / checks.RESULT).exists()


def test_a_job_is_told_how_far_the_test_is(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PHONOSCOPE_JOB", str(tmp_path))
    assert cli.main(["model-tests", "leak", *words(trained, tmp_path)]) == 0
    state = json.loads((tmp_path / "job.json").read_bytes())
    assert state["done"] == state["total"] > 1


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"kind": "leak"}', '{"kind": "no", "found": {}}', None]
)
def test_a_damaged_result_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / checks.RESULT).write_text(content)
    assert checks.read(tmp_path) is None

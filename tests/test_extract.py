"""Extraction: every clip once, whatever happens to workers; the same table from any number."""

from dataclasses import replace
import os

from extract_stand_in import COLUMNS, VECTORS, Listed, audit, expected, task
import pytest

from core.errors import DatasetError, ParameterError
from core.extract import Task, extract_dataset
from core.store import StoreError, Workspace

N = 150


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """The workers find the stand-in."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))


def run(folder, n: int = N, function: str = "cheap", **kwargs):
    given = {"task": task(function), "unit_size": 16, **kwargs}
    return extract_dataset(Listed(n), folder, **given)


def contents(folder) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*.parquet"))
        if p.parent.name in ("shards", "vectors")
    }


def test_every_clip_ends_in_one_of_two_tables(tmp_path):
    summary = run(tmp_path / "w")
    good, bad = expected(N)
    assert (summary.done, summary.failed, summary.skipped) == (len(good), len(bad), 0)
    assert summary.audio_seconds == len(good)
    audit(Workspace.open(tmp_path / "w"), N)
    failures = Workspace.open(tmp_path / "w").failures()
    assert set(failures["error"]) == {"ValueError"}
    assert "bad audio" in failures["message"][0]


def test_the_table_is_the_same_from_1_2_and_4_workers(tmp_path):
    for workers in (1, 2, 4):
        run(tmp_path / str(workers), workers=workers)
    one = contents(tmp_path / "1")
    assert len(one) == 20
    assert contents(tmp_path / "2") == one
    assert contents(tmp_path / "4") == one


def test_a_second_run_measures_nothing(tmp_path):
    run(tmp_path / "w")
    before = contents(tmp_path / "w")
    # No such function: a worker that is started would tell.
    summary = run(tmp_path / "w", task=replace(task(), function="no_such_module:f"))
    assert (summary.done, summary.failed, summary.skipped) == (0, 0, N)
    assert contents(tmp_path / "w") == before


def test_a_finished_workspace_of_many_units_is_compacted(tmp_path):
    run(tmp_path / "w", unit_size=2)
    assert len(list((tmp_path / "w" / "shards").iterdir())) == 1
    audit(Workspace.open(tmp_path / "w"), N)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_clip_that_ends_or_holds_up_its_worker_costs_one_row(tmp_path, workers):
    summary = run(tmp_path / "w", 40, "evil", clip_s=0.6, workers=workers)
    workspace = Workspace.open(tmp_path / "w")
    failures = workspace.failures().set_index("clip_id")
    good, bad = expected(40)
    culprits = {"listed/0007", "listed/0017", "listed/0027"}
    assert set(failures.index) == bad | culprits
    assert set(workspace.features()["clip_id"]) == set(good) - culprits
    said = [failures.loc[c, "message"] for c in sorted(culprits)]
    assert "ended with code 9" in said[0]
    assert "took longer than 0.6 s" in said[1]
    assert "SIGABRT" in said[2]
    assert summary.failed == len(failures)


def test_a_worker_that_dies_once_costs_nothing(tmp_path):
    (tmp_path / "flags").mkdir()
    run(tmp_path / "w", 40, task=task("once", folder=str(tmp_path / "flags")))
    assert len(list((tmp_path / "flags").iterdir())) == 4
    audit(Workspace.open(tmp_path / "w"), 40)


def test_workers_that_do_not_start_are_a_sentence(tmp_path):
    absent = Task({"feature_set": "x"}, COLUMNS, VECTORS, "no_such_module:f")
    with pytest.raises(StoreError, match=r"workers do not start.*no_such_module"):
        run(tmp_path / "w", task=absent)


def test_a_cancelled_run_keeps_what_it_has_and_goes_on(tmp_path):
    told = []
    asked = iter(range(10_000))
    summary = run(
        tmp_path / "w",
        task=task(sleep_s=0.005),
        workers=1,
        progress=told.append,
        cancel=lambda: bool(told) and told[-1].done > 40 and next(asked) >= 0,
    )
    assert summary.cancelled
    found = Workspace.open(tmp_path / "w").status()
    assert 0 < found.done + found.failed < N
    assert found.done + found.failed == summary.done + summary.failed
    again = run(tmp_path / "w", task=task(sleep_s=0.005))
    assert again.skipped == found.done + found.failed
    audit(Workspace.open(tmp_path / "w"), N)


def test_progress_ends_at_the_total(tmp_path):
    told = []
    run(tmp_path / "w", progress=told.append)
    assert told[-1][:3] == (N, N, len(expected(N)[1]))
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert told[-1].eta_s == 0


def test_a_larger_limit_measures_only_the_rest(tmp_path):
    assert run(tmp_path / "w", limit=40).skipped == 0
    audit(Workspace.open(tmp_path / "w"), 40)
    assert run(tmp_path / "w").skipped == 40
    audit(Workspace.open(tmp_path / "w"), N)


def test_failed_clips_are_tried_again_on_demand(tmp_path):
    run(tmp_path / "w")
    bad = len(expected(N)[1])
    summary = run(tmp_path / "w", retry_failed=True)
    assert (summary.done, summary.failed, summary.skipped) == (0, bad, N - bad)
    audit(Workspace.open(tmp_path / "w"), N)


def test_another_recipe_needs_a_rebuild(tmp_path):
    run(tmp_path / "w")
    other = task(gain=2)
    with pytest.raises(StoreError, match="gain None instead of 2"):
        run(tmp_path / "w", task=other)
    assert run(tmp_path / "w", task=other, rebuild=True).skipped == 0


def test_only_changed_files_are_measured_again(tmp_path):
    class Files(Listed):
        def catalogue(self):
            table = super().catalogue()
            return table.assign(path=[str(tmp_path / f"{i}.wav") for i in range(self.n)])

    for i in range(20):
        (tmp_path / f"{i}.wav").write_bytes(b"x" * (i + 1))
    sized = task("size", log=str(tmp_path / "log"))
    extract_dataset(Files(20), tmp_path / "w", task=sized, unit_size=4, workers=1)
    (tmp_path / "log").unlink()
    (tmp_path / "7.wav").write_bytes(b"x" * 99)
    os.utime(tmp_path / "11.wav", ns=(1, 1))
    extract_dataset(Files(20), tmp_path / "w", task=sized, unit_size=4, workers=1)
    assert (tmp_path / "log").read_text().split() == ["listed/0007", "listed/0011"]
    sizes = Workspace.open(tmp_path / "w").features()["a"].tolist()
    assert sizes == [99 if i == 7 else i + 1 for i in range(20)]


@pytest.mark.parametrize("name", ["workers", "limit", "unit_size"])
def test_settings_that_cannot_work_are_refused(tmp_path, name):
    with pytest.raises(ParameterError, match=f"{name}=0 does not work"):
        run(tmp_path / "w", **{name: 0})
    with pytest.raises(DatasetError, match="no clips"):
        run(tmp_path / "w", 0)


def test_a_lost_scheduler_is_a_sentence(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("core.extract._dask.CONNECT_S", 0.5)
    with pytest.raises(StoreError, match="No Dask scheduler answers"):
        run(tmp_path / "w", scheduler="tcp://127.0.0.1:9", task=task(), n=4)

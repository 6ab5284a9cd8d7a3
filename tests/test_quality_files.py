"""Checks of files, long ones in windows, and of the clips of a workspace."""

import json

import numpy as np
import pandas as pd
import pytest
from test_quality import noise, scene

from conftest import SR, voice
from core import quality
from core.audio import ClipRef
from core.eda import checks as command
from core.eda import selecting
from core.errors import AudioReadError, DatasetError
from core.extract import _beside
from core.extract._worker import row_of
from core.filters import Selection
from core.quality import CheckParams, columns
from core.store import Workspace, _query, verify


def workspace_of(folder, table: pd.DataFrame) -> Workspace:
    """A workspace of clips that are measured already."""
    made = Workspace.create(folder, recipe={"feature_set": "test-v1"}, columns=["a"])
    with made.writer() as writer:
        writer.set_catalogue(table.assign(text=None), unit_size=64)
        for unit in writer.missing():
            rows = [{"clip_id": i["clip_id"], "values": {"a": 1.0}} for i in unit.items]
            writer.write(unit.number, rows)
    return made


def test_a_file_gets_the_report_of_its_samples(wav):
    y = np.stack([scene(), 0.5 * scene()])
    path = wav(y, subtype="FLOAT")
    assert quality.check_file(ClipRef.of(path)) == quality.check(y, SR)


@pytest.mark.parametrize("windows", [2, 2.4])
def test_a_long_file_is_read_in_windows(wav, monkeypatch, windows):
    from core.quality import _survey

    monkeypatch.setattr(_survey, "WINDOW_S", 2.0)
    y = np.concatenate([scene(), scene()])[: round(windows * 2 * SR)]
    path = wav(y, subtype="FLOAT")
    found, there = quality.check_file(ClipRef.of(path)), quality.check(y, SR)
    assert found.duration_s == pytest.approx(windows * 2)
    for one, other in zip(found.checks, there.checks, strict=True):
        assert one.value == pytest.approx(other.value, abs=0.01, nan_ok=True), one.key


def test_a_file_without_sound_is_refused(tmp_path):
    path = tmp_path / "text.wav"
    path.write_text("no sound")
    with pytest.raises(AudioReadError, match=r"text\.wav"):
        quality.check_file(ClipRef.of(path))


def test_lossy_coding_is_told_by_the_file(wav):
    y = noise(96_000, -26)
    path = wav(y, "clip.mp3", sr=48_000, format="MP3", compression_level=0.9)
    assert "lossy coding" in quality.check_file(ClipRef.of(path))["bandwidth"].detail


def test_columns_are_the_checks_with_null_for_unknown():
    row = columns.row_of(quality.check(scene(), SR))
    assert set(row) == {c.name for c in columns.COLUMNS} | set(columns.TEXTS)
    assert {c.key for c in columns.COLUMNS} == {spec.key for spec in quality.SPECS}
    assert row["check_verdict"] == "pass"
    assert row["check_channel_difference_db"] is None
    assert row["check_snr_db"] > 20


@pytest.fixture
def clips(tmp_path, wav):
    """A workspace of three clips: good, humming, and no sound."""
    t = np.arange(scene().size) / SR
    hum = sum(0.02 * np.sin(2 * np.pi * 50 * k * t) for k in (1, 2, 3, 4))
    paths = [wav(scene(), "good.wav"), wav((scene() + hum).astype(np.float32), "hum.wav")]
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    stats = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in (*paths, broken)]
    table = pd.DataFrame(stats, columns=["path", "size", "mtime_ns"])
    table.insert(0, "clip_id", ["c/good", "c/hum", "c/broken"])
    return workspace_of(tmp_path / "w", table)


class Here:
    """Stands in for the worker processes, which take seconds to start."""

    def __init__(self, workers, function, recipe):
        self.recipe = recipe

    def run(self, units, each, idle):
        for unit in units:
            idle()
            found = [row_of(dict(i), self.recipe, command.measure) for i in unit.items]
            for row in found:
                each(row)
            yield unit, found


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(_beside, "Crew", Here)


def rows(workspace) -> pd.DataFrame:
    parts = [pd.read_parquet(path) for path in columns.parts(workspace.folder)]
    return pd.concat(parts).set_index("clip_id")


def test_worker_processes_check_a_workspace(clips):
    seen = []
    first = command.fill(clips.folder, workers=1, progress=seen.append)
    assert (first.done, first.failed, first.skipped) == (2, 1, 0)
    assert seen[-1].done == 3


def test_a_workspace_is_checked_once_and_again_where_thresholds_change(clips, here):
    command.fill(clips.folder)
    found = rows(clips)
    assert found.loc["c/hum", "check_hum_hz"] == 50
    assert found.loc["c/good", "check_verdict"] == "pass"
    assert found.loc["c/broken", "error"] == "AudioReadError"
    again = command.fill(clips.folder)
    assert (again.done, again.failed, again.skipped) == (0, 0, 3)
    part = columns.parts(clips.folder)[0]
    part.write_bytes(part.read_bytes()[:-40])
    repaired = command.fill(clips.folder, limits=CheckParams())
    assert (repaired.done, repaired.failed) == (2, 1) and "damaged" in repaired.messages[0]
    strict = command.fill(clips.folder, limits=CheckParams(snr_warn=90, snr_fail=80))
    assert (strict.done, strict.skipped) == (2, 0)
    assert set(rows(clips)["check_verdict"].dropna()) == {"fail"}


def test_the_columns_join_the_catalogue_by_file(clips, here):
    command.fill(clips.folder)
    import duckdb

    files = ", ".join(f"'{p}'" for p in columns.parts(clips.folder))
    clips_now = clips.query("SELECT * FROM catalogue")
    clips_now.loc[clips_now["clip_id"] == "c/hum", "size"] += 1  # another file by now
    sql = columns.join_sql(f"read_parquet([{files}])", "clips_now")
    found = duckdb.sql(sql).fetchall()
    assert [row[0] for row in found] == ["c/good"]


def test_a_cancelled_run_goes_on_later(clips, here):
    stopped = command.fill(clips.folder, cancel=lambda: True)
    assert stopped.cancelled and stopped.done == 0
    assert command.fill(clips.folder).done == 2


def test_a_table_without_sound_cannot_be_checked(tmp_path):
    table = {"clip_id": ["a", "b"], "path": "", "size": -1, "mtime_ns": -1}
    folder = workspace_of(tmp_path / "w", pd.DataFrame(table)).folder
    with pytest.raises(DatasetError, match="without sound"):
        command.fill(folder)


def test_measuring_in_a_worker_takes_the_thresholds_from_the_recipe(wav):
    ref = ClipRef.of(wav(voice(120, 2.0)))
    item = {"clip_id": "a", "path": ref.path, "size": ref.size, "mtime_ns": ref.mtime_ns}
    settings = command._settings(CheckParams(active_level_warn=0.0, active_level_fail=-1.0))
    found = command.measure(item, json.loads(json.dumps({"thresholds": settings})))
    assert found["values"]["check_verdict"] == "fail"
    assert found["seconds"] == pytest.approx(2.0)


def test_the_columns_are_filters_and_numbers_of_the_workspace(clips, here):
    assert clips.check_columns() == ()
    assert "check_verdict" not in clips.label_columns()
    before = clips.key
    command.fill(clips.folder)
    clips.close()
    _query._OPEN.clear()  # as in a new process
    found = Workspace.open(clips.folder)
    assert found.key != before
    assert set(found.check_columns()) == {column.name for column in columns.COLUMNS}
    assert "check_verdict" in found.label_columns()
    selection = Selection.from_text('[["check_hum_dbfs",">=",-60]]', selecting.columns(found))
    assert found.page(where=selection.where())["clip_id"].tolist() == ["c/hum"]
    assert found.count() == 3  # one has no checks, and stays


def test_a_label_named_as_a_check_stays_a_label(tmp_path, wav, here):
    path = wav(scene(), "good.wav")
    stat = path.stat()
    row = {"clip_id": "a", "path": str(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    found = workspace_of(tmp_path / "w", pd.DataFrame([row | {"check_verdict": "mine"}]))
    command.fill(found.folder)
    clip = Workspace.open(found.folder).query("SELECT * FROM clips").iloc[0]
    assert clip["label_check_verdict"] == "mine"
    assert clip["check_verdict"] == "pass"


def test_a_damaged_part_costs_the_checks_and_not_the_workspace(clips, here):
    command.fill(clips.folder)
    (part,) = columns.parts(clips.folder)
    part.write_bytes(part.read_bytes()[:100])
    found = Workspace.open(clips.folder)
    assert (found.count(), found.check_columns()) == (3, ())
    health = verify(clips.folder)
    assert (health.state, health.damaged) == ("damaged", (f"checks/{part.name}",))
    assert "'check --workspace'" in health.sentence
    command.fill(clips.folder)
    assert Workspace.open(clips.folder).query("SELECT check_verdict FROM clips").shape == (3, 1)

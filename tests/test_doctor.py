"""What the doctor says of installations and workspaces whose faults are known."""

import json
from pathlib import Path
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from core import audio, doctor
from core.errors import AudioReadError
from core.store import Workspace, verify

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def workspace(tmp_path):
    """Six measured clips in three parts."""
    folder = tmp_path / "ws"
    found = Workspace.create(folder, recipe={"set": "t"}, columns=("f0",), vectors={"mel": 4})
    ids = [f"c{i}" for i in range(6)]
    table = pd.DataFrame({"clip_id": ids, "path": ids, "size": 1, "mtime_ns": 1, "text": None})
    with found.writer() as writer:
        writer.set_catalogue(table, unit_size=2, name="six")
        for unit in list(writer.missing()):
            measured = {"values": {"f0": 1.0}, "vectors": {"mel": np.arange(4, dtype="f4")}}
            rows = [{"clip_id": item["clip_id"]} | measured for item in unit.items]
            writer.write(unit.number, rows)
    return folder


def parts(folder: Path, kind: str = "shards") -> list[Path]:
    return sorted((folder / kind).glob("u*.parquet"))


def test_a_whole_workspace_is_healthy(workspace):
    found = verify(workspace)
    assert found.state == "healthy"
    assert "6 clips in 3 parts" in found.sentence


@pytest.mark.parametrize("kind", ["shards", "vectors"])
@pytest.mark.parametrize("how", ["cut", "flipped", "another part's"])
def test_a_damaged_part_is_named_and_left_where_it_is(workspace, kind, how):
    victim, other, _ = parts(workspace, kind)
    data = victim.read_bytes()
    at = len(data) // 3
    changed = {
        "cut": data[:-20],
        "flipped": data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :],
        "another part's": other.read_bytes(),
    }[how]
    victim.write_bytes(changed)
    found = verify(workspace)
    assert (found.state, found.damaged) == ("damaged", (f"{kind}/{victim.name}",))
    assert "'extract' command again" in found.sentence
    assert victim.read_bytes() == changed


def test_a_part_that_is_not_there_is_unfinished_work(workspace):
    parts(workspace)[1].unlink()
    found = verify(workspace)
    assert found.state == "unfinished"
    assert "1 of 3 parts" in found.sentence


def test_another_version_is_foreign_and_not_damaged(workspace):
    plan = workspace / "plan.json"
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"version": "99.0"}))
    found = verify(workspace)
    assert found.state == "foreign"
    assert "99.0" in found.sentence
    assert "--rebuild" in found.sentence


def test_a_damaged_plan_and_a_damaged_catalogue_are_told_apart(workspace):
    (catalogue,) = workspace.glob("catalogue-*.parquet")
    kept = catalogue.read_bytes()
    catalogue.write_bytes(kept[:50])
    assert verify(workspace).damaged == (catalogue.name,)
    catalogue.write_bytes(kept)
    (workspace / "plan.json").write_text("{")
    assert verify(workspace).damaged == ("plan.json",)


def test_a_folder_without_workspace_is_missing(tmp_path):
    assert verify(tmp_path).state == "missing"


def run(*words: str) -> tuple[int, list[dict]]:
    command = [sys.executable, "-m", "core", "doctor", "--json", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_the_command_ends_with_1_only_where_something_failed(workspace):
    code, found = run("--workspace", str(workspace))
    assert code == 0
    assert {f["topic"] for f in found} == {"python", "versions", "codecs", "limits", "disk"} | {
        "workspace"
    }
    parts(workspace)[0].write_bytes(b"PAR1")
    code, found = run("--workspace", str(workspace))
    assert code == 1
    assert found[-1]["state"] == "fail"
    assert found[-1]["sentence"].startswith("damaged: ")


def test_every_format_is_written_and_read_here():
    found = [f for f in doctor._codecs()]
    assert [f.state for f in found] == ["ok"]
    assert all(suffix in found[0].sentence for suffix in doctor.FORMATS)


def test_a_format_that_cannot_be_read_is_a_failure(monkeypatch):
    def refuse(ref, sr):
        raise AudioReadError("sound: this cannot be decoded.")

    monkeypatch.setattr(audio, "load", refuse)
    assert sum(f.state == "fail" for f in doctor._codecs()) == len(doctor.FORMATS)


def test_packages_that_differ_from_the_tested_ones_are_named(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==0.1 \\\n    --hash=x\nno-such-package==1.0\nwindows-only==1 ; x\n")
    (found,) = doctor._versions(lock)
    assert found.state == "warn"
    assert "numpy is" in found.sentence
    assert "no-such-package is missing" in found.sentence
    assert "windows-only" not in found.sentence


def test_a_limit_that_is_no_number_is_a_failure(monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_MAX_MB", "lots")
    assert doctor._limits().state == "fail"

"""Jobs: their state is on disk, they outlive who started them, and they can be cancelled."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from core import jobs
from core.errors import ParameterError

ROOT = Path(__file__).resolve().parents[1]
MODULE = """
import sys, time
from core import jobs
if sys.argv[1] == "fail":
    raise ValueError("no such thing")
if sys.argv[1] == "code":
    sys.exit(int(sys.argv[2]))
print("begun", flush=True)
for i in range(int(sys.argv[2])):
    far = {"done": i, "total": int(sys.argv[2]), "failed": 1, "message": "hm"}
    jobs.report(**far, rate=2.5, eta_s=float("nan"))
    if sys.argv[1] == "polite" and jobs.cancelled():
        sys.exit(1)
    time.sleep(0.02)
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start the module above as a job; it is ended with the test."""
    (tmp_path / "a_job.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    begun = []

    def begin(*words: str) -> jobs.Job:
        begun.append(jobs.start(words, tmp_path / "job", module="a_job"))
        return begun[-1]

    yield begin
    for job in begun:
        found = json.loads((job.folder / "job.json").read_text())
        jobs.end(found["pid"], found["born"])


def until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_job_ends_as_done(start):
    job = start("work", "3")
    assert job.status()["state"] == "running"
    found = job.wait(30)
    assert found["state"] == "done"
    assert (found["done"], found["total"], found["failed"], found["message"]) == (2, 3, 1, "hm")
    assert (found["rate"], found["eta_s"]) == (2.5, None)
    assert "begun" in job.log()


@pytest.mark.parametrize("code, state", [(0, "done"), (1, "done"), (2, "failed")])
def test_the_exit_code_says_how_a_job_ended(start, code, state):
    assert start("code", str(code)).wait(30)["state"] == state


def test_a_job_that_fails_gives_its_last_words(start):
    found = start("fail").wait(30)
    assert found["state"] == "failed"
    assert "ValueError: no such thing" in found["message"]


def test_a_job_that_is_killed_is_seen_as_failed(start):
    job = start("work", "1000")
    until(lambda: job.status()["done"] > 0)
    os.kill(json.loads((job.folder / "job.json").read_text())["pid"], signal.SIGKILL)
    assert job.wait(30)["state"] == "failed"


def test_another_process_reads_the_state(start):
    job = start("work", "1000")
    until(lambda: job.status()["done"] > 0)
    code = (
        "import sys; from core.jobs import Job; from pathlib import Path\n"
        "print(Job(Path(sys.argv[1])).status()['state'])"
    )
    words = [sys.executable, "-c", code, str(job.folder)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "running", done.stderr


def test_a_job_outlives_who_started_it(start, tmp_path):
    code = (
        "import sys; from core import jobs\njobs.start(['work', '40'], sys.argv[1], module='a_job')"
    )
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    words = [sys.executable, "-c", code, str(tmp_path / "other")]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": path})
    job = jobs.Job(tmp_path / "other")
    assert job.status()["state"] == "running"
    assert job.wait(30)["state"] == "done"


def test_a_polite_job_is_cancelled_at_once(start):
    job = start("polite", "1000")
    until(lambda: job.status()["done"] > 0)
    job.cancel()
    assert job.wait(5)["state"] == "cancelled"


def test_a_deaf_job_is_ended(start, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE_S", 0.1)
    job = start("work", "1000")
    until(lambda: job.status()["done"] > 0)
    job.cancel()
    assert job.wait(10)["state"] == "cancelled"


def test_two_jobs_in_a_folder_are_refused(start):
    job = start("polite", "1000")
    with pytest.raises(ParameterError, match="running here already"):
        start("work", "1")
    job.cancel()
    job.wait(30)
    assert start("work", "1").wait(30)["state"] == "done"


def test_where_no_job_was_there_is_none(tmp_path):
    assert jobs.Job(tmp_path).status()["state"] == "none"
    jobs.Job(tmp_path).cancel()
    assert not list(tmp_path.iterdir())


def test_a_torn_state_is_no_state(tmp_path):
    (tmp_path / "job.json").write_text("{")
    assert jobs.Job(tmp_path).status()["state"] == "none"


def test_outside_of_a_job_reports_go_nowhere(monkeypatch):
    monkeypatch.delenv(jobs.FOLDER, raising=False)
    jobs.report(done=1, total=2, failed=0, rate=1.0, eta_s=1.0)
    assert not jobs.cancelled()

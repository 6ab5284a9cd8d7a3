"""Extraction on a Dask cluster over TCP: the same table, also when a worker is killed midway."""

import os
import signal

from extract_stand_in import Listed, audit, task
import pytest
from test_extract import contents

from core.extract import extract_dataset
from core.store import Workspace

distributed = pytest.importorskip("distributed")
N = 120


@pytest.fixture(scope="module")
def cluster():
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.path.dirname(__file__)
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as found:
        yield found
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def test_a_cluster_gives_the_identical_table(cluster, tmp_path):
    given = {"task": task(), "unit_size": 16}
    extract_dataset(Listed(N), tmp_path / "here", **given)
    extract_dataset(Listed(N), tmp_path / "there", scheduler=cluster.scheduler_address, **given)
    audit(Workspace.open(tmp_path / "there"), N)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_a_killed_cluster_worker_costs_nothing(cluster, tmp_path):
    killed = []

    def kill_one(progress) -> None:
        if progress.done > 30 and not killed:
            pid = next(iter(cluster.workers.values())).pid
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    given = {"task": task(sleep_s=0.01), "unit_size": 8}
    there = {"scheduler": cluster.scheduler_address, "progress": kill_one}
    extract_dataset(Listed(N), tmp_path / "there", **given, **there)
    assert killed
    extract_dataset(Listed(N), tmp_path / "here", **given)
    audit(Workspace.open(tmp_path / "there"), N)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_a_clip_that_ends_its_worker_costs_one_row_there_too(cluster, tmp_path):
    given = {"task": task("evil"), "unit_size": 16, "clip_s": 0.6}
    extract_dataset(Listed(32), tmp_path / "there", scheduler=cluster.scheduler_address, **given)
    extract_dataset(Listed(32), tmp_path / "here", **given)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert "listed/0017" in set(Workspace.open(tmp_path / "there").failures()["clip_id"])

"""The workspace: what is stored comes back, once, whole, and only for its own recipe."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest

import core
from core.errors import ParameterError
from core.store import StoreError, Workspace

RECIPE = {"feature_set": "test-v1"}
N = 100


def catalogue(n: int = N) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip_id": [f"c/{i:03d}" for i in range(n)],
            "path": [f"/data/clips/{i:03d}.mp3" for i in range(n)],
            "size": 5,
            "mtime_ns": 7,
            "text": None,
            "gender": ["male", "female"] * (n // 2),
            "age": ["thirties"] * n,
        }
    )


def row(clip_id: str) -> dict:
    """The row of a clip: clips that end in 3 failed."""
    i = int(clip_id[-3:])
    if i % 10 == 3:
        return {"clip_id": clip_id, "error": "AudioReadError", "message": f"{i} is bad."}
    b = np.nan if i % 10 == 4 else -2.0 * i
    return {
        "clip_id": clip_id,
        "values": {"a": float(i), "b": b, "n_count": float(i)},
        "vectors": {"m": np.full(4, i, np.float32)},
    }


def fill(workspace: Workspace, table: pd.DataFrame, unit_size: int = 16, **kwargs) -> list[str]:
    """Store all that is missing; the clips that were not copied."""
    measured = []
    with workspace.writer() as writer:
        writer.set_catalogue(table, unit_size=unit_size, **kwargs)
        for unit in writer.missing():
            measured += [item["clip_id"] for item in unit.items]
            writer.write(unit.number, [*unit.known, *[row(i["clip_id"]) for i in unit.items]])
        writer.tidy()
    return measured


def create(folder, **kwargs) -> Workspace:
    given = {"recipe": RECIPE, "columns": ["a", "b", "n_count"], "vectors": {"m": 4}, **kwargs}
    return Workspace.create(folder, **given)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    found = create(tmp_path / "w")
    fill(found, catalogue())
    return found


def check(workspace: Workspace, n: int = N) -> None:
    """All clips of ``catalogue(n)`` are there once, with their values."""
    good = [i for i in range(n) if i % 10 != 3]
    features, failures = workspace.features(), workspace.failures()
    assert features["clip_id"].tolist() == [f"c/{i:03d}" for i in good]
    assert features["a"].tolist() == good
    assert failures["clip_id"].tolist() == [f"c/{i:03d}" for i in range(n) if i % 10 == 3]
    found = workspace.vectors("m")
    assert found.clip_ids.tolist() == features["clip_id"].tolist()
    np.testing.assert_array_equal(found.matrix[:, 2], good)
    status = workspace.status()
    assert (status.done, status.failed, status.missing) == (len(good), n - len(good), 0)


def test_what_is_stored_comes_back(workspace):
    check(workspace)
    check(Workspace.open(workspace.folder))
    features = workspace.features()
    assert features["b"].isna().sum() == 10
    assert set(features["gender"]) == {"male", "female"}
    assert workspace.failures()["message"][0] == "3 is bad."
    assert workspace.label_columns()[:2] == ("clip_id", "path")


def test_an_empty_workspace_answers(tmp_path):
    found = create(tmp_path / "w")
    assert found.status().clips == 0
    assert found.features().empty and found.failures().empty
    assert found.vectors("m").matrix.shape == (0, 4)
    assert found.histogram("a", 4).counts.tolist() == [[0, 0, 0, 0]]


def test_a_unit_that_is_not_stored_is_missing(tmp_path):
    found = create(tmp_path / "w")
    with found.writer() as writer:
        writer.set_catalogue(catalogue(), unit_size=16)
        first = next(writer.missing())
        writer.write(first.number, [row(item["clip_id"]) for item in first.items])
        status = found.status()
        assert (status.clips, status.done + status.failed, status.missing) == (N, 16, N - 16)


@pytest.mark.parametrize("change", ["one short", "twice", "another"])
def test_a_unit_needs_a_row_for_each_clip(tmp_path, change):
    found = create(tmp_path / "w")
    with found.writer() as writer:
        writer.set_catalogue(catalogue(), unit_size=16)
        unit = next(writer.missing())
        rows = [row(item["clip_id"]) for item in unit.items]
        wrong = {
            "one short": rows[1:],
            "twice": [*rows, rows[0]],
            "another": [*rows[1:], row("x/999")],
        }
        with pytest.raises(ParameterError, match="exactly one row"):
            writer.write(unit.number, wrong[change])


def test_nothing_is_measured_twice(workspace):
    assert fill(workspace, catalogue()) == []
    assert Workspace.open(workspace.folder).status().missing == 0


@pytest.mark.parametrize("column", ["size", "mtime_ns", "path", "text"])
def test_a_changed_clip_is_measured_again_and_others_are_kept(workspace, column):
    table = catalogue()
    table[column] = table[column].astype(object)
    table.loc[42, column] = "/other" if column in ("path", "text") else 99
    assert fill(workspace, table) == ["c/042"]
    check(workspace)


def test_new_clips_are_added_and_lost_ones_dropped(workspace):
    table = catalogue(140)
    assert len(fill(workspace, table)) == 40
    check(workspace, 140)
    assert fill(workspace, catalogue(60)) == []
    check(workspace, 60)
    names = {p.name for p in (workspace.folder / "shards").iterdir()}
    assert len(names) == len(workspace._plan.units)


def test_changed_labels_need_no_measuring(workspace):
    table = catalogue()
    table["gender"] = "other"
    assert fill(workspace, table) == []
    assert set(workspace.features()["gender"]) == {"other"}


def test_failed_clips_are_measured_again_on_demand(workspace):
    assert fill(workspace, catalogue(), redo=["c/003", "c/013"]) == ["c/003", "c/013"]
    check(workspace)


def test_a_change_before_the_last_one_was_worked_off_loses_nothing(workspace):
    table = catalogue()
    table.loc[5, "size"] = 6
    with workspace.writer() as writer:  # planned, and then ended
        writer.set_catalogue(table, unit_size=16)
    table.loc[6, "size"] = 6
    assert fill(workspace, table) == ["c/005", "c/006"]
    check(workspace)


def test_a_compacted_workspace_is_the_same(workspace):
    before = workspace.features()
    with workspace.writer() as writer:
        assert writer.compact(rows=60) == 2
    check(workspace)
    pd.testing.assert_frame_equal(workspace.features(), before)
    assert len(list((workspace.folder / "shards").iterdir())) == 2
    table = catalogue(110)
    table.loc[5, "size"] = 6
    assert fill(workspace, table) == ["c/005", *[f"c/{i:03d}" for i in range(100, 110)]]
    check(workspace, 110)


@pytest.mark.parametrize("part", ["shards", "vectors"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "one byte", "gone"])
def test_a_damaged_part_is_set_aside_and_measured_again(workspace, part, damage):
    path = workspace.folder / part / "u00002.parquet"
    data = path.read_bytes()
    half = len(data) // 3
    if damage == "gone":
        path.unlink()
    elif damage == "one byte":
        path.write_bytes(data[:half] + bytes([data[half] ^ 255]) + data[half + 1 :])
    else:
        path.write_bytes(data[: half if damage == "truncated" else 0])
    with workspace.writer() as writer:
        if (part, damage) != ("shards", "gone"):
            assert len(writer.messages) == 1
            assert "u00002.parquet was damaged" in writer.messages[0]
    assert len(fill(workspace, catalogue())) == 16
    check(workspace)


def test_a_reader_says_that_a_part_is_damaged(workspace):
    path = workspace.folder / "shards" / "u00002.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match=r"damaged or gone\. Start its 'extract' command again"):
        workspace.features()
    (workspace.folder / "vectors" / "u00002.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="damaged or gone"):
        workspace.vectors("m")


def test_another_recipe_is_refused_with_what_differs(workspace):
    with pytest.raises(StoreError, match=r"feature_set test-v1 instead of other-v2.*--rebuild"):
        create(workspace.folder, recipe={"feature_set": "other-v2"})
    with pytest.raises(StoreError, match="another table"):
        create(workspace.folder, columns=["a"])
    check(workspace)
    new = create(workspace.folder, recipe={"feature_set": "other-v2"}, rebuild=True)
    assert new.status().clips == 0
    assert new.features().empty


def test_another_version_is_refused(workspace, monkeypatch):
    plan = workspace.folder / "plan.json"
    found = json.loads(plan.read_bytes())
    plan.write_text(json.dumps({**found, "version": "0.0.9"}))
    with pytest.raises(StoreError, match=rf"0\.0\.9, and this is {core.__version__}.*--rebuild"):
        Workspace.open(workspace.folder)
    plan.write_text(json.dumps({**found, "format": 0}))
    with pytest.raises(StoreError):
        Workspace.open(workspace.folder)
    plan.write_text("{")
    with pytest.raises(StoreError, match=r"plan\.json cannot be read"):
        Workspace.open(workspace.folder)


def test_a_folder_without_a_workspace_is_refused(tmp_path):
    with pytest.raises(StoreError, match="no workspace"):
        Workspace.open(tmp_path)
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(StoreError, match="holds other files"):
        create(tmp_path)
    with pytest.raises(StoreError, match="this is a file"):
        create(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "x"


def test_rebuild_deletes_nothing_of_others(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(StoreError, match="holds other files"):
        create(tmp_path, rebuild=True)


def test_a_second_writer_is_refused_until_the_first_is_gone(workspace):
    code = (
        "import sys, time; from core.store import Workspace\n"
        "with Workspace.open(sys.argv[1]).writer():\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(workspace.folder)]
    other = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=os.path.dirname(core.__path__[0]))
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(StoreError, match=f"process {other.pid} has been writing"):
        fill(workspace, catalogue())
    check(workspace)  # readers are not held up
    other.kill()
    other.wait()
    other.stdout.close()
    assert fill(workspace, catalogue()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_a_sentence(workspace, tmp_path):
    workspace.folder.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="may not be written"):
            fill(workspace, catalogue(120))
        check(workspace)
    finally:
        workspace.folder.chmod(0o700)


@pytest.mark.parametrize("number, words", [(30, "may not be written"), (28, "the disk is full")])
def test_what_the_disk_refuses_is_a_sentence(workspace, monkeypatch, number, words):
    def refuse(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match=words):
        fill(workspace, catalogue(120))
    monkeypatch.undo()
    assert not list(workspace.folder.rglob(".tmp-*"))
    fill(workspace, catalogue(120))
    check(workspace, 120)


def test_a_full_disk_leaves_everything_as_it_was(workspace):
    code = (
        "import resource, sys; sys.path.insert(0, 'tests'); import test_store as t\n"
        "from core.store import StoreError, Workspace\n"
        "workspace = Workspace.open(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))\n"
        "try:\n    t.fill(workspace, t.catalogue(130))\n"
        "except StoreError as err:\n    print(err)"
    )
    root = os.path.dirname(core.__path__[0])
    for most in (10, 500, 2_000):
        words = [sys.executable, "-c", code, str(workspace.folder), str(most)]
        done = subprocess.run(words, capture_output=True, text=True, cwd=root)
        assert "disk is full" in done.stdout, done.stderr
        assert not list(workspace.folder.rglob(".tmp-*"))
    fill(workspace, catalogue(130))
    check(workspace, 130)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('plan.json')",
        "COPY (SELECT 1) TO 'x.csv'",
        "CREATE TABLE x (a INT)",
        "DROP VIEW features",
        "SELECT 1; SELECT 2",
        "SET enable_external_access=true",
        "ATTACH 'x.db'",
        "SELECT nothing FROM features",
        "nonsense",
        "",
    ],
)
def test_only_questions_about_the_workspace_are_answered(workspace, sql):
    with pytest.raises(ParameterError):
        workspace.query(sql)
    check(workspace)


def test_values_are_bound(workspace):
    hostile = "x' OR 1=1 --"
    assert workspace.query("SELECT * FROM clips WHERE gender = ?", [hostile]).empty
    assert workspace.page(where=("gender = ?", [hostile])).empty
    assert workspace.count(("gender = ? AND a < ?", ["male", 10])) == 5


def test_a_hostile_column_name_is_only_a_name(tmp_path):
    name = 'x" FROM features; DROP VIEW features; --'
    found = create(tmp_path / "it's", columns=[name, "b"])
    with found.writer() as writer:
        writer.set_catalogue(catalogue(2))
        writer.write(0, [{"clip_id": f"c/00{i}", "values": {name: i}} for i in range(2)])
    assert found.features()[name].tolist() == [0, 1]
    assert found.histogram(name, 2).counts.tolist() == [[1, 1]]


def test_histogram_equals_numpys(workspace):
    a = workspace.features()["a"].to_numpy()
    for bins in (1, 7, 100):
        counts, edges = np.histogram(a, bins)
        found = workspace.histogram("a", bins)
        np.testing.assert_array_equal(found.counts[0], counts)
        np.testing.assert_allclose(found.edges, edges)
    assert workspace.histogram("b", 10).missing.tolist() == [10]
    found = workspace.histogram("a", 5, limits=(0, 50))
    assert found.counts.sum() == (a <= 50).sum()


def test_histogram_by_group_counts_each_group(workspace):
    table = workspace.features()
    found = workspace.histogram("a", 5, by="gender", where=("a >= ?", [20]))
    assert found.groups == ("female", "male")
    for group, counts in zip(found.groups, found.counts, strict=True):
        part = table[(table["gender"] == group) & (table["a"] >= 20)]
        np.testing.assert_array_equal(counts, np.histogram(part["a"], found.edges)[0])


def test_correlations_equal_pandas_pairwise(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 3)) @ rng.standard_normal((3, 3)) + 1e3
    x[rng.random((500, 3)) < 0.2] = np.nan
    found = create(tmp_path / "w", columns=["p", "q", "r"], vectors={})
    table = catalogue(500)
    with found.writer() as writer:
        writer.set_catalogue(table)
        for unit in writer.missing():
            rows = [
                {
                    "clip_id": i["clip_id"],
                    "values": dict(zip("pqr", x[int(i["clip_id"][2:])], strict=True)),
                }
                for i in unit.items
            ]
            writer.write(unit.number, rows)
    want = pd.DataFrame(x, columns=list("pqr")).corr()
    np.testing.assert_allclose(found.correlations(), want, atol=1e-9)
    pd.testing.assert_frame_equal(found.correlations(sample=200), found.correlations(sample=200))
    np.testing.assert_allclose(found.correlations(sample=300), want, atol=0.2)


def test_a_constant_correlates_with_nothing(tmp_path):
    found = create(tmp_path / "w", columns=["a", "k"], vectors={})
    with found.writer() as writer:
        writer.set_catalogue(catalogue(10))
        writer.write(0, [{"clip_id": f"c/00{i}", "values": {"a": i, "k": 0.1}} for i in range(10)])
    r = found.correlations()
    assert r.loc["a", "a"] == pytest.approx(1)
    assert np.isnan(r.loc["a", "k"]) and np.isnan(r.loc["k", "k"])


def test_pages_are_ordered_and_filtered(workspace):
    page = workspace.page("a", limit=3, offset=1, where=("gender = ?", ["male"]), descending=True)
    assert page["a"].tolist() == [96, 94, 92]
    assert workspace.page("b", limit=1000)["b"].isna().tolist()[-10:] == [True] * 10
    assert list(workspace.page(columns=["a", "gender"], limit=1).columns) == ["a", "gender"]
    with pytest.raises(ParameterError, match="no column nope"):
        workspace.page("nope")


def test_vectors_come_in_the_order_asked_for(workspace):
    found = workspace.vectors("m", ["c/050", "c/002"])
    assert found.matrix[:, 0].tolist() == [50, 2]
    assert found.matrix.dtype == np.float32
    with pytest.raises(ParameterError, match="was not measured"):
        workspace.vectors("m", ["c/003"])
    with pytest.raises(ParameterError, match="Unknown vector"):
        workspace.vectors("nope")


def test_many_threads_get_their_own_answers(workspace):
    wrong = []

    def ask(i: int) -> None:
        for k in range(20):
            j = (i * 20 + k) % N
            try:
                found = workspace.query("SELECT a FROM features WHERE clip_id = ?", [f"c/{j:03d}"])
            except Exception as err:
                wrong.append(err)
                continue
            if found["a"].tolist() != ([] if j % 10 == 3 else [j]):
                wrong.append(j)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_export_is_the_table(workspace, tmp_path, format):
    out = tmp_path / "out"
    assert workspace.export(out, format) == 90
    found = pd.read_csv(out) if format == "csv" else pd.read_parquet(out)
    want = workspace.features()
    assert list(found.columns) == list(want.columns)
    np.testing.assert_array_equal(found["a"], want["a"])
    np.testing.assert_array_equal(found["b"], want["b"])
    if format == "csv":
        line = out.read_text().splitlines()[1]
        assert line.endswith(",0.0,-0.0,0") or line.endswith(",0,-0,0")
    with pytest.raises(ParameterError, match="choose csv or parquet"):
        workspace.export(out, "xlsx")


def test_export_of_article_v1_has_the_articles_columns(tmp_path):
    names = [
        *("nwords", "duration", "words_per_second", "tempo"),
        *("f0_mean", "f0_median", "f0_std", "f0_5perc", "f0_95perc"),
    ]
    found = create(tmp_path / "w", recipe={"feature_set": "article-v1"}, columns=names, vectors={})
    with found.writer() as writer:
        writer.set_catalogue(catalogue(2).assign(duration=np.nan))
        values = {n: 7.0 if n == "nwords" else 1.25 for n in names}
        writer.write(0, [{"clip_id": f"c/00{i}", "values": values} for i in range(2)])
    found.export(tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "filename,age,gender," + ",".join(names)
    assert lines[1] == "000.mp3,thirties,male,7" + ",1.25" * 8
    assert len(lines) == 3


def test_importing_the_store_is_cheap():
    code = (
        "import sys, core.store, core.extract, core.jobs, core.cli; print([m for m in "
        "('duckdb', 'pyarrow', 'pandas', 'scipy', 'numba', 'distributed') if m in sys.modules])"
    )
    root = os.path.dirname(core.__path__[0])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr

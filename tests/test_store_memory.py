import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.big_workspace import build
from core.eda import duplicates, projection
from core.eda.selecting import columns
from core.errors import ParameterError
from core.filters import Selection
from core.store import Workspace, _memory, _query

CLIPS = 3_000
FEMALE = [["gender", "in", ["female"]]]
RARE = [["gender", "in", ["other"]]]
QUESTIONS = (
    "SELECT count(DISTINCT speaker_id) AS n, sum(duration_s) AS s FROM clips",
    "SELECT gender AS g, count(*) AS n, avg(snr_db) AS m FROM clips GROUP BY 1 ORDER BY 1",
    "SELECT clip_id, gender FROM clips WHERE clip_id IN (SELECT clip_id FROM clips WHERE "
    "duration_s > 8) ORDER BY clip_id",
    "SELECT avg(hnr_db) AS not_kept FROM clips WHERE gender = 'female'",
    "SELECT count(hnr_db) AS n, count(duration_s) AS d FROM features",
    "SELECT * FROM clips ORDER BY clip_id LIMIT 5",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "w"
    build(path, CLIPS, pictures=False)
    return path


@pytest.fixture
def opened(folder, monkeypatch):
    """Opens it as a large table, of which little is kept, or as one of which nothing is."""
    found = []

    def open_(kept: bool) -> Workspace:
        monkeypatch.setattr(_query, "SMALL", 0)
        monkeypatch.setattr(_query, "LARGEST", 10**9 if kept else 0)
        for name, value in {"ROWS": 1500, "DRAWN": 1000, "PATIENCE": 0}.items():
            monkeypatch.setattr(_memory, name, value)
        for old in found:
            old.close()
        found.append(Workspace.open(folder))
        return found[-1]

    yield open_
    for workspace in found:
        workspace.close()


def selection(workspace, rows):
    return Selection.from_text(json.dumps(rows), columns(workspace)) if rows else Selection()


def kept_tables(workspace):
    sql = "SELECT table_name AS n FROM information_schema.tables WHERE table_catalog = 'kept'"
    return set(workspace.query(sql)["n"])


@pytest.mark.parametrize("sql", QUESTIONS)
def test_what_is_kept_answers_as_the_files_do(opened, sql):
    expected = opened(kept=False).query(sql)
    workspace = opened(kept=True)
    found = workspace.query(sql)
    assert kept_tables(workspace) == {"labels"}
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("below", [300_000, 900_000])
def test_samples_from_memory_are_those_of_the_files(opened, below):
    sql = f"SELECT clip_id, hnr_db FROM clips WHERE {_memory.HASH} < {below} ORDER BY clip_id"
    expected = opened(kept=False).query(sql, below=below)
    workspace = opened(kept=True)
    found = workspace.query(sql, below=below)
    assert "rows" in kept_tables(workspace)
    assert len(found) == pytest.approx(below / 1_000_003 * CLIPS, rel=0.1)
    pd.testing.assert_frame_equal(found, expected)


def test_a_sample_that_is_kept_is_not_read_from_the_files(opened):
    workspace = opened(kept=True)
    sql = f"SELECT avg(hnr_db) AS m FROM clips WHERE {_memory.HASH} < 100000"
    expected = workspace.query(sql, below=100_000)["m"].iloc[0]
    workspace._database()._base.execute("UPDATE kept.rows SET hnr_db = hnr_db + 1")
    assert workspace.query(sql, below=100_000)["m"].iloc[0] == pytest.approx(expected + 1)
    assert workspace.query(sql)["m"].iloc[0] == pytest.approx(expected)


def by_hand(workspace, chosen, space: str, most: int) -> tuple[list[str], np.ndarray]:
    """The first clips by MD5 and what describes them, from the tables alone."""
    condition, values = chosen.where() or ("TRUE", [])
    sql = f"SELECT clip_id FROM clips WHERE {condition} ORDER BY md5(clip_id) LIMIT {most}"
    ids = sorted(workspace.query(sql, values)["clip_id"])
    names = list(workspace.columns)
    rows = workspace.features(["clip_id", *names]).set_index("clip_id").loc[ids]
    blocks = {"features": rows.to_numpy(float)} if space != "mel" else {}
    if space != "features":
        blocks["mel"] = workspace.vectors(projection.VECTOR, ids).matrix
    return ids, np.concatenate(list(blocks.values()), axis=1)


@pytest.mark.parametrize("rows", [[], FEMALE, RARE], ids=["all", "a part", "few"])
@pytest.mark.parametrize("space", ["features", "mel", "both"])
@pytest.mark.parametrize("kept", [True, False], ids=["memory", "files"])
def test_clips_are_drawn_by_md5(opened, rows, space, kept):
    workspace = opened(kept)
    chosen = selection(workspace, rows)
    found = projection.measured(workspace, chosen, space, 200)
    ids, x = by_hand(workspace, chosen, space, 200)
    assert found.clip_ids.tolist() == ids
    np.testing.assert_array_equal(found.x, x)
    assert (len(found.names), found.total) == (x.shape[1], workspace.count(chosen.where()))


def test_more_clips_than_are_kept_are_drawn_from_the_files(opened, monkeypatch):
    workspace = opened(kept=True)
    monkeypatch.setattr(_memory, "DRAWN", 100)
    found = projection.measured(workspace, Selection(), "features", 200)
    ids, x = by_hand(workspace, Selection(), "features", 200)
    assert found.clip_ids.tolist() == ids
    np.testing.assert_array_equal(found.x, x)


def test_drawing_an_unknown_column_or_vector_is_refused(opened):
    workspace = opened(kept=True)
    with pytest.raises(ParameterError, match="there is no column nothing"):
        workspace.drawn(10, columns=["nothing"])
    with pytest.raises(ParameterError, match="Unknown vector nothing"):
        workspace.drawn(10, vector="nothing")


def test_a_small_table_is_kept_whole_and_follows_the_files(tmp_path):
    recipe = {"feature_set": "own"}
    workspace = Workspace.create(tmp_path / "w", recipe=recipe, columns=["x"], name="own")
    base = {"path": "", "size": 1, "mtime_ns": 1, "text": ""}
    rows = [{"clip_id": f"c{i}", "values": {"x": float(i)}, "vectors": {}} for i in range(3)]
    for n in (2, 3):
        with workspace.writer() as writer:
            writer.set_catalogue(pd.DataFrame([{"clip_id": f"c{i}", **base} for i in range(n)]))
            for unit in list(writer.missing()):
                named = {item["clip_id"] for item in unit.items}
                known = [r for r in unit.known]
                writer.write(unit.number, [*known, *(r for r in rows if r["clip_id"] in named)])
        assert workspace.query("SELECT sum(x) AS s FROM clips")["s"].iloc[0] == sum(range(n))
        sql = "SELECT count(*) AS n FROM information_schema.tables WHERE table_name = 'kept_clips'"
        assert workspace.query(sql)["n"].iloc[0] == 1


def test_files_beyond_the_most_are_counted_as_not_read(tmp_path, monkeypatch, opened):
    workspace = opened(kept=True)
    condition = "SELECT count(*) AS n FROM clips WHERE size IN "
    alike = "(SELECT size FROM clips GROUP BY size HAVING count(*) > 1)"
    total = int(workspace.query(condition + alike)["n"].iloc[0])
    monkeypatch.setattr(duplicates, "MOST_FILES", 5)
    opened_files = []
    monkeypatch.setattr(duplicates, "_digest", lambda path, size: opened_files.append(path))
    assert duplicates.same_bytes(workspace, Selection()) == ([], total)
    assert len(opened_files) == 5 < total

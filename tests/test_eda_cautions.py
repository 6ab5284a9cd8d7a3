"""Cautions: each on a table made to deserve it, and none on one that does not."""

from functools import lru_cache
from pathlib import Path
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest

from benchmarks.big_workspace import build
from core.eda import cautions as module
from core.eda.cautions import NOTE, WARNING, cautions, gini
from core.filters import Filter, Selection
from core.store import Workspace, _query

N = 400
COLUMNS = ("f0_median_hz", "snr_db", "duration_s", "jitter_local_pct")
ALL = Selection()


def fair(n: int = N) -> pd.DataFrame:
    """Two genders, four ages, forty speakers of ten clips each, own texts: nothing to say."""
    i = np.arange(n)
    speaker = i % 40
    return pd.DataFrame(
        {
            "clip_id": [f"c/{k:04d}" for k in i],
            "path": None,
            "size": 1,
            "mtime_ns": 1,
            "text": [f"Sentence {k}" for k in i],
            "speaker_id": [f"s{k:02d}" for k in speaker],
            "gender": np.where(speaker % 2, "male", "female"),
            "age": np.array(["teens", "twenties", "thirties", "sixties"])[speaker // 2 % 4],
        }
    )


def store(folder, table: pd.DataFrame, values=None, failed: int = 0) -> Workspace:
    """A workspace of these labels; ``values`` maps columns to arrays, others are noise."""
    rng, n = np.random.default_rng(0), len(table)
    numbers = {c: rng.standard_normal(n) for c in COLUMNS} | (values or {})
    workspace = Workspace.create(folder, recipe={"feature_set": "voice-v1"}, columns=COLUMNS)
    with workspace.writer() as writer:
        writer.set_catalogue(table, unit_size=500)
        for unit in writer.missing():
            rows = []
            for item in unit.items:
                k = int(item["clip_id"][-4:])
                row = {"clip_id": item["clip_id"]}
                bad = {"error": "AudioReadError", "message": "It is bad."}
                good = {"values": {c: float(numbers[c][k]) for c in COLUMNS}}
                rows.append(row | (bad if k < failed else good))
            writer.write(unit.number, rows)
    return workspace


def only(found, about: str) -> list:
    return [c for c in found if c.about == about]


def test_a_fair_table_gives_no_caution(tmp_path):
    assert cautions(store(tmp_path / "w", fair()), ALL) == ()


def test_uneven_groups_are_named_with_their_ratio(tmp_path):
    table = fair()
    table["gender"] = np.where(table.index % 20, "male", "female")  # 380 and 20
    (found,) = only(cautions(store(tmp_path / "w", table), ALL), "gender")[:1]
    assert found.level == WARNING
    assert "male has 380 clips, female 20 (19.0 to 1)" in found.text


def test_the_parts_of_a_split_may_be_uneven(tmp_path):
    table = fair()
    table["split"] = np.where(table.index % 20, "train", "test")
    assert not only(cautions(store(tmp_path / "w", table), ALL), "split")


def test_a_missing_label_is_counted(tmp_path):
    table = fair()
    table.loc[table.index % 4 == 0, "age"] = None
    text = [c.text for c in only(cautions(store(tmp_path / "w", table), ALL), "age")]
    assert any("of 100 of 400 clips (25 %) is not known" in t for t in text)


def test_labels_known_for_no_clip_give_one_note_each(tmp_path):
    table = fair().assign(gender=None, age=None, speaker_id=None)
    found = cautions(store(tmp_path / "w", table), ALL)
    assert [c.level for c in only(found, "gender") + only(found, "age")] == [NOTE, NOTE]
    assert [c.level for c in only(found, "speaker_id")] == [WARNING]


def test_a_table_without_speakers_and_labels_is_judged_too(tmp_path):
    table = fair()[["clip_id", "path", "size", "mtime_ns", "text"]]
    (found,) = cautions(store(tmp_path / "w", table), ALL)
    assert found.about == "speaker_id" and "not known" in found.text


def test_few_speakers_in_a_group_are_named(tmp_path):
    table = fair()
    table["gender"] = np.where(table["speaker_id"] < "s03", "female", "male")
    (found,) = [c for c in cautions(store(tmp_path / "w", table), ALL) if "few speakers" in c.text]
    assert "female (3)" in found.text and "male (" not in found.text.replace("female", "")


def test_a_dominating_speaker_is_found(tmp_path):
    table = fair()
    table.loc[table.index < 200, "speaker_id"] = "s39"
    (found,) = only(cautions(store(tmp_path / "w", table), ALL), "speaker_id")
    assert "has 205, 51 % of all" in found.text


def test_one_single_voice_is_a_warning(tmp_path):
    found = cautions(store(tmp_path / "w", fair().assign(speaker_id="s")), ALL)
    assert [c.level for c in only(found, "speaker_id")] == [WARNING]


def test_an_empty_feature_is_named(tmp_path):
    values = {"jitter_local_pct": np.where(np.arange(N) % 4, np.nan, 1.0)}
    (found,) = cautions(store(tmp_path / "w", fair(), values), ALL)
    assert "1 feature has no value" in found.text and "Jitter, local (%) (75 %)" in found.text


def test_failures_are_a_share_of_the_data_set(tmp_path):
    (found,) = only(cautions(store(tmp_path / "w", fair(), failed=60), ALL), "failures")
    assert found.level == WARNING and "60 of the data set's 400 clips (15 %)" in found.text


def test_groups_recorded_differently_are_a_confound(tmp_path):
    noise = np.random.default_rng(1).standard_normal(N)
    values = {"snr_db": 20 + noise + 2 * (np.arange(N) % 2)}  # men are 2 deviations higher
    (found,) = cautions(store(tmp_path / "w", fair(), values), ALL)
    assert (found.level, found.about) == (WARNING, "gender")
    assert "Signal-to-noise ratio (dB)" in found.text


def test_a_pitch_that_goes_with_gender_is_no_confound(tmp_path):
    values = {"f0_median_hz": 200.0 - 90 * (np.arange(N) % 2)}
    assert cautions(store(tmp_path / "w", fair(), values), ALL) == ()


def test_sampling_rates_that_go_with_a_label_are_a_confound(tmp_path):
    table = fair()
    table["sampling_rate"] = np.where(table["gender"] == "male", 8000, 48000)
    (found,) = cautions(store(tmp_path / "w", table), ALL)
    assert "sampling_rate goes with the gender" in found.text and "100 %" in found.text


def test_repeated_texts_are_counted_whatever_their_case(tmp_path):
    table = fair()
    table.loc[:99, "text"] = ["Hello", "hello "] * 50
    (found,) = only(cautions(store(tmp_path / "w", table), ALL), "text")
    assert "100 of 400 clips (25 %)" in found.text and "(1 text)" in found.text


def test_a_selection_is_judged_by_its_own_clips(tmp_path):
    workspace = store(tmp_path / "w", fair())
    few = Selection((Filter("speaker_id", "in", ("s00", "s01")),))
    found = cautions(workspace, few)
    assert any("Only 20 clips" in c.text for c in found)


def test_warnings_come_before_notes(tmp_path):
    table = fair()
    table["gender"] = np.where(table.index % 20, "male", "female")
    table.loc[table.index % 4 == 0, "age"] = None
    table["text"] = "One sentence"
    levels = [c.level for c in cautions(store(tmp_path / "w", table), ALL)]
    assert {WARNING, NOTE} == set(levels)
    assert levels == sorted(levels, key=[WARNING, NOTE].index)


def test_an_empty_workspace_and_an_empty_selection_say_so(tmp_path):
    workspace = Workspace.create(tmp_path / "w", recipe={"feature_set": "voice-v1"}, columns=["a"])
    assert [c.about for c in cautions(workspace, ALL)] == ["clips"]
    full = store(tmp_path / "v", fair())
    none = Selection((Filter("gender", "=", "nobody"),))
    assert [c.about for c in cautions(full, none)] == ["clips"]


def test_a_hostile_label_stays_one_visible_line(tmp_path):
    table = fair()
    table["gender"] = np.where(table.index % 20, "a\n\u202e<script>", "b")
    for found in cautions(store(tmp_path / "w", table), ALL):
        assert "\n" not in found.text and "\u202e" not in found.text


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_gini_is_half_the_mean_difference_over_the_mean(counts):
    x = np.array(counts, float)
    pairs = np.abs(x[:, None] - x[None, :]).mean()
    assert gini(x) == pytest.approx(pairs / (2 * x.mean()), abs=1e-9)


def test_the_difference_of_means_is_cohens_d():
    rng = np.random.default_rng(2)
    a, b = rng.normal(1, 1, 5000), rng.normal(0, 1, 5000)
    d, rest = module._against_rest(
        np.array([a.size, b.size], float),
        np.array([a.mean(), b.mean()]),
        np.array([a.var(), b.var()]),
    )
    pooled = np.sqrt((a.var() + b.var()) / 2)
    assert d[0] == pytest.approx((a.mean() - b.mean()) / pooled)
    assert rest[0] == pytest.approx(b.mean())


def test_a_large_workspace_is_joined_by_row_and_answers_as_by_name(tmp_path, monkeypatch):
    _query._IN_STEP.clear()
    folder = build(tmp_path / "w", 21_000).folder
    questions = (
        "SELECT gender, count(*), count(DISTINCT speaker_id), sum(f0_median_hz) FROM clips "
        "GROUP BY 1 ORDER BY 1",
        "SELECT clip_id, speaker_id, snr_db FROM clips WHERE gender = 'female' AND snr_db > 20 "
        "ORDER BY snr_db DESC, clip_id LIMIT 50",
    )
    answers = []
    for most in (_query._MOST_PARTS, 0):
        monkeypatch.setattr(_query, "_MOST_PARTS", most)
        workspace = Workspace.open(folder)
        answers.append([workspace.query(q) for q in questions])
        answers[-1].append(workspace.page("f0_median_hz", 50, 100, ("age = ?", ["teens"])))
        workspace.close()
    assert "file_row_number" in next(iter(_query._IN_STEP.values()))
    for by_row, by_name in zip(*answers, strict=True):
        pd.testing.assert_frame_equal(by_row, by_name)


def test_parts_out_of_step_with_the_catalogue_are_joined_by_name(tmp_path):
    import pyarrow as pa

    from core.store._parts import read_table, write_table

    workspace = build(tmp_path / "w", 21_000)
    before = workspace.query("SELECT clip_id, speaker_id FROM clips ORDER BY clip_id")
    path = workspace.folder / "shards" / "u00000.parquet"
    table = read_table(path)
    write_table(path, table.take(pa.array(range(len(table) - 1, -1, -1))))
    workspace.close()
    _query._IN_STEP.clear()
    again = Workspace.open(workspace.folder)
    after = again.query("SELECT clip_id, speaker_id FROM clips ORDER BY clip_id")
    pd.testing.assert_frame_equal(before, after)
    assert set(_query._IN_STEP.values()) == {""}


def test_one_label_is_judged_with_one_query(tmp_path, monkeypatch):
    table = fair()
    table["microphone"] = np.where(np.arange(N) < 380, "headset", None)
    table.loc[:9, "microphone"] = "phone"
    workspace = store(tmp_path / "w", table)
    asked = []
    query = Workspace.query
    monkeypatch.setattr(
        Workspace, "query", lambda self, sql, *a: asked.append(sql) or query(self, sql, *a)
    )
    found = module.about_label(workspace, ALL, "microphone")
    assert len(asked) == 1
    said = " ".join(c.text for c in found)
    assert "The microphone of 20 of 400 clips (5 %) is not known" in said
    assert "Groups of microphone are uneven: headset has 370 clips, phone 10" in said
    assert found[0].level == WARNING
    only = module.about_label(workspace, ALL, "microphone", ("missing",))
    assert [c.level for c in only] == [NOTE]


def test_a_label_without_trouble_has_no_caution(tmp_path):
    workspace = store(tmp_path / "w", fair())
    assert module.about_label(workspace, ALL, "gender") == ()
    nobody = Selection((Filter("gender", "=", "nobody"),))
    assert module.about_label(workspace, nobody, "gender") == ()


def test_a_label_of_a_table_without_speakers_says_so(tmp_path):
    table = fair().assign(speaker_id=None)
    found = module.about_label(store(tmp_path / "w", table), ALL, "gender")
    assert [c.about for c in found] == ["speaker_id"]


def test_features_that_are_mostly_empty_are_named_among_those_asked_for(tmp_path):
    empty = np.where(np.arange(N) % 4 == 0, 1.0, np.nan)
    workspace = store(tmp_path / "w", fair(), values={"snr_db": empty})
    assert module.about_features(workspace, ALL, ("f0_median_hz",)) == ()
    (found,) = module.about_features(workspace, ALL, ("f0_median_hz", "snr_db", "no column"))
    assert "75 %" in found.text


def test_a_feature_that_only_the_selected_clips_lack_is_named(tmp_path):
    young = fair()["age"].to_numpy() == "teens"
    holes = np.where(young & (np.arange(N) % 5 > 0), np.nan, 1.0)
    workspace = store(tmp_path / "w", fair(), values={"snr_db": holes})
    teens = Selection((Filter("age", "=", "teens"),))
    assert module.about_features(workspace, ALL, COLUMNS) == ()
    (found,) = module.about_features(workspace, teens, COLUMNS)
    assert "1 feature has" in found.text and "(80 %)" in found.text
    half = Selection((Filter("age", "in", ("teens", "twenties")),))
    assert module.about_features(workspace, half, COLUMNS) == ()  # 40 %


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9), st.integers(1, N), st.integers(0, 10**6))
def test_what_is_known_of_a_selection_is_enough_to_judge_it(sparse, sizes, seed):
    workspace = sparse_table(sparse)
    chosen = Selection((Filter("duration_s", "<=", sizes + 0.5), Filter("snr_db", ">=", seed % 3)))
    sql, values = chosen.where()
    counted = ", ".join(f"count({c})" for c in COLUMNS)
    n, *exact = workspace.query(f"SELECT count(*), {counted} FROM clips WHERE {sql}", values).iloc[
        0
    ]
    known = module._known(workspace, chosen, COLUMNS, n)
    empty = n - np.array(exact) >= module.EMPTY * n
    np.testing.assert_array_equal(n - known >= module.EMPTY * n, empty)
    np.testing.assert_array_equal(known[empty], np.array(exact)[empty])


@lru_cache
def sparse_table(share: int) -> Workspace:
    """A table with other holes for every share of tenths."""
    rng = np.random.default_rng(share)
    holes = np.where(rng.random((2, N)) < share / 10, np.nan, 1.0)
    values = {"f0_median_hz": holes[0], "jitter_local_pct": holes[1]}
    values |= {"duration_s": np.arange(N) + 1.0, "snr_db": np.arange(N) % 3.0}
    return store(Path(tempfile.mkdtemp()) / "w", fair(), values)


def test_values_are_counted_anew_when_clips_are_added(tmp_path):
    values = {"snr_db": np.where(np.arange(N) < 200, 1.0, np.nan)}
    workspace = store(tmp_path / "w", fair(200), values)
    assert module.about_features(workspace, ALL, COLUMNS) == ()
    grown = store(tmp_path / "w", fair(), values)
    (found,) = module.about_features(grown, ALL, COLUMNS)
    assert "(50 %)" in found.text


def test_a_new_selection_counts_no_feature_that_most_clips_have(tmp_path, monkeypatch):
    workspace = store(tmp_path / "w", fair())
    cautions(workspace, ALL)
    asked, query = [], Workspace.query
    monkeypatch.setattr(
        Workspace, "query", lambda *args, **more: asked.append(args[1]) or query(*args, **more)
    )
    assert cautions(workspace, Selection((Filter("gender", "=", "male"),)))
    assert asked and not any("jitter" in sql for sql in asked)

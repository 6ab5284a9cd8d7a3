"""Outlier rules and their ledger, on tables whose answer is known and on the article's."""

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest
from scipy.stats import zscore

from core import cli, recipes
from core.eda import distributions_code as code
from core.eda import outliers
from core.eda._losses import design_effect, wilson
from core.eda.outliers import Bound
from core.errors import ParameterError
from core.filters import Filter, Selection
from core.recipes import Recipe, Rule, article_rules
from core.store import Workspace

ALL = Selection()
ARTICLE = "article/c4_common-voice_dataset.csv"


def workspace_of(folder, table: pd.DataFrame, features: list[str]) -> Workspace:
    """A workspace with these rows; what is not a feature is a label."""
    found = Workspace.create(folder, recipe={"feature_set": "test-v1"}, columns=features)
    labels = table.drop(columns=features).assign(size=1, mtime_ns=1, text=None)
    values = table.set_index("clip_id")[features].astype(float)
    with found.writer() as writer:
        writer.set_catalogue(labels, unit_size=len(table))
        for unit in writer.missing():
            rows = [
                {"clip_id": i["clip_id"], "values": values.loc[i["clip_id"]].to_dict()}
                for i in unit.items
            ]
            writer.write(unit.number, rows)
    return found


def known_table(n: int = 200) -> pd.DataFrame:
    """Half women; of the clips of women 30 have a large ``a``, of the others 2."""
    rng = np.random.default_rng(0)
    women = np.arange(n) < n // 2
    a = rng.uniform(1, 2, n)
    a[:30], a[-2:] = 100, 100
    b = rng.uniform(0, 1, n)
    b[5], b[50] = np.nan, np.nan
    return pd.DataFrame(
        {
            "clip_id": [f"c/{i:04d}" for i in range(n)],
            "path": [f"/clips/{i}.wav" for i in range(n)],
            "speaker_id": [f"s{i % 40}" for i in range(n)],
            "gender": np.where(women, "female", "male"),
            "age": [None, "teens"] * (n // 2),
            "a": a,
            "b": b,
            "duration_s": 2.0,
        }
    )


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return workspace_of(tmp_path / "w", known_table(), ["a", "b", "duration_s"])


CUT = (Rule("cut", ("a",), high=10),)


def losses(step) -> dict:
    return {(x.label, x.value): x for x in step.losses}


def test_the_ledger_counts_clips_hours_and_speakers(workspace):
    cut, whole = outliers.ledger(workspace, ALL, CUT)
    everybody = cut.everybody
    assert (everybody.clips, everybody.clips_lost) == (200, 32)
    assert (everybody.seconds, everybody.seconds_lost) == (400, 64)
    assert (everybody.speakers, everybody.speakers_lost) == (40, 0)
    assert everybody.rate == 0.16
    found = losses(cut)
    assert (found["gender", "female"].clips, found["gender", "female"].clips_lost) == (100, 30)
    assert (found["gender", "male"].clips, found["gender", "male"].clips_lost) == (100, 2)
    assert found["age", "not known"].clips == 100
    assert repr(whole.losses) == repr(cut.losses)


def test_a_speaker_is_lost_with_the_last_clip(workspace):
    rule = (Rule("cut", ("a",), low=10),)
    everybody = outliers.ledger(workspace, ALL, rule)[-1].everybody
    assert (everybody.speakers, everybody.speakers_lost) == (40, 8)  # 0 to 29, and 38 and 39


def test_rules_work_in_order_and_a_clip_is_lost_to_the_first(workspace):
    steps = outliers.ledger(workspace, ALL, (Rule("missing", ("b",)), *CUT))
    assert [s.everybody.clips for s in steps] == [200, 198, 200]
    assert [s.everybody.clips_lost for s in steps] == [2, 31, 33]


def test_a_rule_that_costs_one_group_more_says_so(workspace):
    (said,) = outliers.findings(outliers.ledger(workspace, ALL, CUT))
    assert "costs gender “female” more than the rest: 30.0% of their clips against 2.0%" in said


def test_a_rule_that_costs_all_the_same_says_nothing(workspace):
    steps = outliers.ledger(workspace, ALL, (Rule("cut", ("b",), high=0.9),))
    assert steps[0].everybody.clips_lost > 10
    assert outliers.findings(steps) == ()


def test_one_speaker_behind_all_losses_is_no_finding(tmp_path):
    table = known_table()
    table["speaker_id"] = [f"s{i // 25}" for i in range(200)]  # women s0 to s3, men s4 to s7
    table["a"] = np.where(table["speaker_id"] == "s0", 100.0, 1.0)
    found = workspace_of(tmp_path / "w", table, ["a", "b", "duration_s"])
    steps = outliers.ledger(found, ALL, CUT)
    assert losses(steps[0])["gender", "female"].rate == 0.25
    assert outliers.findings(steps) == ()
    table["speaker_id"] = None
    alone = workspace_of(tmp_path / "x", table, ["a", "b", "duration_s"])
    assert outliers.findings(outliers.ledger(alone, ALL, CUT))  # where it cannot be known


def test_without_labels_and_speakers_the_ledger_is_of_everybody(tmp_path):
    table = known_table()[["clip_id", "path", "a"]]
    steps = outliers.ledger(workspace_of(tmp_path / "w", table, ["a"]), ALL, CUT)
    (everybody,) = steps[0].losses
    assert everybody.speakers is None
    assert math.isnan(everybody.seconds)
    assert not outliers.findings(steps)
    frame = outliers.table(steps)
    assert frame["clips_lost"].tolist() == [32, 32]
    assert frame["speakers_kept"].isna().all()


def test_an_empty_selection_loses_nothing(workspace):
    nobody = Selection((Filter("gender", "=", "nobody"),))
    steps = outliers.ledger(workspace, nobody, (*CUT, Rule("zscore", log=True), Rule("mad")))
    assert [s.everybody.clips for s in steps] == [0] * 4
    assert all(math.isnan(s.everybody.rate) for s in steps)


def test_the_selection_comes_before_the_rules(workspace):
    women = Selection((Filter("gender", "=", "female"),))
    everybody = outliers.ledger(workspace, women, CUT)[0].everybody
    assert (everybody.clips, everybody.clips_lost) == (100, 30)


def test_z_scores_are_scipys(workspace):
    a = known_table()["a"].to_numpy()
    for log, x in ((False, a), (True, np.log1p(a))):
        rule = Rule("zscore", ("a",), limit=1.5, log=log)
        want = int((np.abs(zscore(x)) > 1.5).sum())
        assert outliers.ledger(workspace, ALL, (rule,))[0].everybody.clips_lost == want > 0


def test_a_robust_rule_finds_what_the_z_score_hides(workspace):
    robust = outliers.ledger(workspace, ALL, (Rule("mad", ("a",), limit=3.5),))[0]
    plain = outliers.ledger(workspace, ALL, (Rule("zscore", ("a",), limit=3.5),))[0]
    assert (robust.everybody.clips_lost, plain.everybody.clips_lost) == (32, 0)


def test_what_does_not_vary_is_no_outlier(workspace):
    rules = (Rule("zscore", ("duration_s",)), Rule("mad", ("duration_s",)))
    assert outliers.resolve(workspace, ALL, rules) == ((Bound("duration_s", None, None),),) * 2


def test_negative_features_stay_off_the_log_scale(tmp_path):
    table = known_table().assign(b=np.linspace(-5, 5, 200))
    found = workspace_of(tmp_path / "w", table, ["a", "b", "duration_s"])
    log, linear = (Rule("zscore", ("b",), limit=1, log=on) for on in (True, False))
    assert outliers.resolve(found, ALL, (log,)) == outliers.resolve(found, ALL, (linear,))


def test_a_column_that_is_not_there_is_said(workspace):
    with pytest.raises(ParameterError, match="no column pitch here"):
        outliers.ledger(workspace, ALL, (Rule("cut", ("pitch",), low=1),))


def test_the_clips_at_the_cut_are_the_nearest_on_both_sides(workspace):
    table = known_table()
    at = dict(step=0, column="a", side="high", n=6)
    found = outliers.at_the_cut(workspace, ALL, (Rule("cut", ("a",), high=1.5),), **at)
    inside = np.sort(table["a"][table["a"] <= 1.5])[::-1][:6]
    outside = np.sort(table["a"][table["a"] > 1.5])[:6]
    np.testing.assert_allclose([v for _, v in found.kept], inside)
    np.testing.assert_allclose([v for _, v in found.lost], outside)
    values = table.set_index("clip_id")["a"]
    assert all(values[c] == v for c, v in (*found.kept, *found.lost))


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_workspace_and_a_table_keep_the_same_rows(tmp_path_factory, data):
    numbers = st.one_of(st.floats(-2, 50).map(lambda v: round(v, 3)), st.just(math.nan))
    a, b = (data.draw(st.lists(numbers, min_size=12, max_size=12)) for _ in range(2))
    kinds = data.draw(st.lists(st.sampled_from(["missing", "zscore", "mad", "cut"]), max_size=3))
    log = data.draw(st.booleans())
    rules = tuple(
        Rule("cut", ("a",), 1, 30) if k == "cut" else Rule(k, ("a", "b"), limit=1.37, log=log)
        for k in kinds
    )
    table = pd.DataFrame({"clip_id": [f"c/{i:02}" for i in range(12)], "a": a, "b": b})
    found = workspace_of(tmp_path_factory.mktemp("w"), table.assign(path="x.wav"), ["a", "b"])
    kept = outliers.kept_clips(found, ALL, rules)["clip_id"].tolist()
    assert kept == table["clip_id"][outliers.keep(table, rules)].tolist()


def test_the_articles_rule_leaves_8669_of_9078(shared):
    table = pd.read_csv(shared / ARTICLE)
    assert len(table) == 9_078
    assert outliers.keep(table, article_rules()).sum() == 8_669


def test_the_articles_rule_leaves_8669_in_a_workspace_too(shared, tmp_path):
    table = pd.read_csv(shared / ARTICLE).rename(columns={"filename": "clip_id"})
    features = table.select_dtypes("number").columns.tolist()
    found = workspace_of(tmp_path / "w", table.assign(path="x.mp3"), features)
    steps = outliers.ledger(found, ALL, article_rules())
    whole = steps[-1].everybody
    assert whole.clips - whole.clips_lost == 8_669
    assert any("gender “male” more" in s for s in outliers.findings(steps))


def test_the_code_shown_keeps_the_same_clips(workspace, tmp_path, monkeypatch):
    rules = (Rule("missing"), Rule("zscore", log=True, limit=1.5), Rule("mad", ("b",), limit=1))
    rules += (Rule("cut", ("a",), 1.1, 90),)
    columns = tuple(workspace.columns)
    workspace.page(limit=None, columns=["clip_id", *columns]).to_csv(tmp_path / "clips.csv")
    monkeypatch.chdir(tmp_path)
    scope: dict = {}
    exec(code.outliers(rules, columns), scope)
    want = outliers.kept_clips(workspace, ALL, rules)["clip_id"].tolist()
    assert scope["clips"]["clip_id"].tolist() == want
    assert 0 < len(want) < 190


def test_wilsons_interval_is_the_textbooks():
    low, high = wilson(10, 50)
    assert (round(low, 4), round(high, 4)) == (0.1124, 0.3304)
    assert wilson(0, 10)[0] == 0
    assert math.isnan(wilson(0, 0)[0])


def test_the_design_effect_is_one_by_chance_and_large_where_speakers_differ():
    rng = np.random.default_rng(0)
    who, n = np.arange(1, 401), np.full(400, 20.0)
    group = np.zeros(400, int)
    chance = rng.binomial(20, 0.3, 400).astype(float)
    assert design_effect(group, who, n, chance) == pytest.approx(1, abs=0.2)
    whole = np.where(rng.random(400) < 0.3, 20.0, 0.0)
    assert design_effect(group, who, n, whole) == pytest.approx(20, rel=0.05)
    unknown = np.zeros(400, int)
    assert design_effect(group, unknown, n, whole) == 1


def test_the_command_line_replays_a_recipe(workspace, tmp_path, capsys):
    recipes.write(tmp_path / "r.json", Recipe(CUT, '[["gender","=","female"]]'))
    out = tmp_path / "kept.csv"
    words = ["recipe", str(tmp_path / "r.json"), str(workspace.folder), "--out", str(out)]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert "selection: gender female" in printed
    assert "everybody: 70 clips kept, 30 lost (30.0%, " in printed
    kept = pd.read_csv(out)
    assert len(kept) == 70
    assert (kept["a"] < 10).all()
    assert "path" not in kept
    assert not list(tmp_path.glob(".tmp*"))


def test_the_command_line_says_what_is_wrong_with_a_recipe(workspace, tmp_path, capsys):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"phonoscope_recipe": 9}))
    assert cli.main(["recipe", str(path), str(workspace.folder)]) == 2
    assert "version 9" in capsys.readouterr().err

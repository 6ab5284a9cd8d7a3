"""Correlations: planted ones are found, coded labels mean what is said, and the article's 0.77."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.eda import correlations as eda
from core.errors import ParameterError
from core.figures import correlations as figures
from core.filters import Filter, Selection
from core.store import Workspace
from pages.shared import correlations_code as code

ALL = Selection()
AGES = ["teens", "twenties", "thirties", "fourties", "fifties", "sixties"]


def store(folder, table: pd.DataFrame, features: list[str]) -> Workspace:
    """A workspace with these labels and features."""
    catalogue = pd.DataFrame({"path": "", "size": 1, "mtime_ns": 1, "text": None}, table.index)
    catalogue = pd.concat([table.drop(columns=features), catalogue], axis=1)
    values = {r.pop("clip_id"): r for r in table[["clip_id", *features]].to_dict("records")}
    made = Workspace.create(folder, recipe={"feature_set": "test"}, columns=features)
    with made.writer() as writer:
        writer.set_catalogue(catalogue, unit_size=50_000)
        for unit in writer.missing():
            ids = [item["clip_id"] for item in unit.items]
            rows = [{"clip_id": i, "values": values[i], "vectors": {}} for i in ids]
            writer.write(unit.number, rows)
    return made


def planted(n: int = 600, speakers: int = 30, seed: int = 0) -> pd.DataFrame:
    """``b`` follows ``a`` (r = 0.8), ``c`` follows gender, ``d`` nothing, ``e`` never varies."""
    rng = np.random.default_rng(seed)
    who = np.arange(n) % speakers
    a, d = rng.standard_normal((2, n))
    female = who % 2
    return pd.DataFrame(
        {
            "clip_id": [f"c/{i:05d}" for i in range(n)],
            "speaker_id": [f"s{w:03d}" for w in who],
            "gender": np.where(female, "female", "male"),
            "age": [AGES[w % 6] for w in who],
            "age_decade": [10.0 * (1 + w % 6) for w in who],
            "a": a,
            "b": 0.8 * a + 0.6 * rng.standard_normal(n),
            "c": 3.0 * female + rng.standard_normal(n),
            "d": np.where(np.arange(n) % 10 == 0, np.nan, d),
            "e": 1.0,
        }
    )


FEATURES = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def table():
    return planted()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, table):
    return store(tmp_path_factory.mktemp("w") / "w", table, FEATURES)


def cell(found: eda.Correlations, matrix: np.ndarray, x: str, y: str) -> float:
    return matrix[found.names.index(x), found.names.index(y)]


def test_what_was_planted_is_found_and_nothing_else(workspace):
    found = eda.correlations(workspace, ALL, eda.choices(workspace))
    assert found.names == ("age", "gender", *FEATURES)
    assert cell(found, found.r, "a", "b") == pytest.approx(0.8, abs=0.05)
    assert cell(found, found.r, "gender", "c") == pytest.approx(1.5 / np.sqrt(3.25), abs=0.05)
    for x, y in (("a", "b"), ("gender", "c")):
        assert cell(found, found.corrected, x, y) < 1e-10
    for x, y in (("a", "d"), ("a", "c"), ("age", "d")):
        assert cell(found, found.corrected, x, y) > 0.05
    assert [(e.x, e.y) for e in eda.strongest(found, 2)] == [("gender", "c"), ("a", "b")]
    assert (found.rows, found.total, found.speakers) == (600, 600, 30)


@pytest.mark.parametrize("method", eda.METHODS)
def test_coefficients_are_those_of_pandas(workspace, table, method):
    found = eda.correlations(workspace, ALL, ["age", "gender", *FEATURES], method=method)
    x = table[FEATURES]
    x.insert(0, "gender", (table["gender"] == "female").astype(float))
    x.insert(0, "age", table["age"].map({a: float(i) for i, a in enumerate(AGES)}))
    wanted = (x.rank() if method == "spearman" else x).corr().to_numpy(copy=True)
    np.fill_diagonal(wanted, np.nan)
    np.testing.assert_allclose(found.r, wanted, atol=1e-9)
    assert cell(found, found.n, "a", "d") == 540
    assert np.isnan(found.r[found.names.index("e")]).all()


def test_the_diagonal_is_masked(workspace):
    found = eda.correlations(workspace, ALL, ["a", "b", "c"])
    assert np.isnan(np.diag(found.r)).all() and np.isnan(np.diag(found.corrected)).all()
    np.testing.assert_array_equal(found.r, found.r.T)


def test_p_values_are_those_of_scipy():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((40, 2)) + rng.standard_normal((40, 1))
    r, n = eda.pairwise(x)
    want = stats.pearsonr(x[:, 0], x[:, 1])
    assert r[0, 1] == pytest.approx(want.statistic)
    assert eda.p_values(r, n)[0, 1] == pytest.approx(want.pvalue, rel=1e-6)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
@settings(max_examples=50, deadline=None)
def test_the_correction_is_benjamini_and_hochbergs(p):
    matrix = np.full((4, 4), np.nan)
    matrix[np.triu_indices(4, 1)] = p
    found = eda.corrected(matrix)[np.triu_indices(4, 1)]
    np.testing.assert_allclose(found, stats.false_discovery_control(p), atol=1e-12)


def test_what_is_not_measurable_is_not_counted_in_the_correction():
    matrix = np.full((3, 3), np.nan)
    matrix[0, 1], matrix[0, 2] = 0.01, 0.04
    found = eda.corrected(matrix)
    assert found[0, 1] == pytest.approx(0.02) and found[2, 0] == pytest.approx(0.04)
    assert np.isnan(found[1, 2])


def test_by_speaker_every_voice_counts_once(workspace, table):
    found = eda.correlations(workspace, ALL, ["gender", "c", "a"], by_speaker=True)
    means = table.assign(g=(table["gender"] == "female") * 1.0).groupby("speaker_id")
    wanted = means[["g", "c", "a"]].mean().corr().to_numpy()
    assert found.rows == found.total == 30
    assert found.r[0, 1] == pytest.approx(wanted[0, 1])
    assert found.r[1, 2] == pytest.approx(wanted[1, 2])


def test_clustering_puts_friends_side_by_side_and_keeps_every_number(workspace):
    found = eda.correlations(workspace, ALL, ["a", "c", "d", "b", "gender", "e"])
    ordered = eda.clustered(found)
    place = ordered.names.index
    assert abs(place("a") - place("b")) == 1 and abs(place("c") - place("gender")) == 1
    assert sorted(ordered.names) == sorted(found.names)
    for x, y in (("a", "b"), ("d", "c")):
        assert cell(ordered, ordered.r, x, y) == cell(found, found.r, x, y)
        assert cell(ordered, ordered.corrected, x, y) == cell(found, found.corrected, x, y)


def test_the_selection_rules(workspace):
    women = Selection((Filter("gender", "=", "female"),))
    found = eda.correlations(workspace, women, ["gender", "c", "a"])
    assert found.rows == 300
    assert np.isnan(cell(found, found.r, "gender", "c"))


def test_an_empty_selection_gives_nan(workspace):
    nobody = Selection((Filter("gender", "=", "nobody"),))
    found = eda.correlations(workspace, nobody, ["a", "b", "c"])
    assert found.rows == 0 and np.isnan(found.r).all()
    assert eda.strongest(found) == ()
    assert eda.clustered(found).names
    assert eda.pair(workspace, nobody, "a", "b").n == 0


def test_many_rows_become_a_sample_that_says_so(workspace):
    found = eda.correlations(workspace, ALL, ["a", "b"], sample=300)
    assert 200 < found.rows < 400 and found.total == 600
    assert found.rows == eda.correlations(workspace, ALL, ["a", "b"], sample=300).rows


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda w: eda.correlations(w, ALL, ["a"]), "2 to 80"),
        (lambda w: eda.correlations(w, ALL, ["a", 'x"; DROP']), "no column"),
        (lambda w: eda.correlations(w, ALL, ["a", "b"], method="kendall"), "pearson"),
        (lambda w: eda.pair(w, ALL, "a", "b", color="nothing"), "no label"),
    ],
)
def test_what_cannot_work_is_said(workspace, call, words):
    with pytest.raises(ParameterError, match=words):
        call(workspace)


def test_a_table_without_speakers_and_labels_correlates_features_only(tmp_path):
    bare = store(tmp_path / "w", planted(60)[["clip_id", *FEATURES]], FEATURES)
    assert eda.choices(bare) == tuple(FEATURES) == eda.readable(bare)
    assert eda.correlations(bare, ALL, FEATURES).speakers is None
    with pytest.raises(ParameterError, match="names no speakers"):
        eda.correlations(bare, ALL, FEATURES, by_speaker=True)


@pytest.mark.parametrize("column", ["age", "age_decade"])
def test_age_is_coded_as_in_the_article(tmp_path, column):
    table = planted(12, 12).drop(columns="age_decade" if column == "age" else [])
    made = store(tmp_path / "w", table, FEATURES)
    found = eda.values(made, ALL, ["age", "gender"], more=["clip_id"], exactly=True)
    coded = dict(zip(found.more[0], found.x.tolist(), strict=True))
    assert [coded[f"c/{i:05d}"] for i in range(6)] == [[i, i % 2] for i in range(6)]


def test_a_pair_counts_all_and_shows_a_sample(workspace, table):
    found = eda.pair(workspace, ALL, "a", "d", color="gender", points=100)
    assert found.n == 540 and found.x.size == len(found.clip_ids) == 100
    assert found.counts.sum() == found.sides[0].sum() == found.sides[1].sum() == 540
    one = table.set_index("clip_id").loc[found.clip_ids[7]]
    assert (found.x[7], found.y[7]) == (one["a"], one["d"])
    assert found.groups[found.group[7]] == one["gender"]
    assert sum(found.counts[:, k].sum() for k in range(60)) == 540
    both = table[["a", "d"]].dropna()
    assert found.pearson == pytest.approx(both.corr().iloc[0, 1])
    assert found.spearman == pytest.approx(both.corr("spearman").iloc[0, 1])


def test_groups_beyond_seven_and_unknown_ones_have_a_place(tmp_path):
    table = planted(200, 20)
    table["accent"] = [f"x{i % 10}" if i % 20 else None for i in range(200)]
    found = eda.pair(store(tmp_path / "w", table, FEATURES), ALL, "a", "b", color="accent")
    assert len(found.groups) == 9 and found.groups[-2:] == ("others", "not known")
    assert [int((found.group == g).sum()) for g in range(9)] == [20] * 7 + [50, 10]
    assert found.sides[0].sum(axis=1).tolist() == [20] * 7 + [50, 10]


def test_coded_labels_get_one_bin_for_each_code(workspace):
    found = eda.pair(workspace, ALL, "gender", "c")
    assert found.edges[0].tolist() == [-0.5, 0.5, 1.5]
    assert found.counts.sum(axis=0).tolist() == [300, 300]


def test_the_heat_map_draws_r_times_100_and_rings_what_is_not_significant(workspace):
    found = eda.correlations(workspace, ALL, ["a", "b", "d"])
    fig = figures.heat_map(found, {"a": "<b>A</b>"}, ("a", "b"))
    cells, rings, targets = fig.data
    np.testing.assert_allclose(cells.z, 100 * found.r, rtol=1e-6)
    assert (cells.zmin, cells.zmax) == (-100, 100)
    assert rings.x.size == 4
    assert sorted(zip(targets.x.tolist(), targets.y.tolist(), strict=True)) == [
        (x, y) for x in range(3) for y in range(3) if x != y
    ]
    assert fig.layout.xaxis.ticktext[0] == "&lt;b&gt;A&lt;/b&gt;"
    assert (fig.layout.shapes[0].x0, fig.layout.shapes[0].y0) == (-0.5, 0.5)


def test_the_rings_follow_the_corrected_p_value():
    r, n = np.full((2, 2), 0.5), np.full((2, 2), 9)
    p, q = np.full((2, 2), 0.04), np.full((2, 2), 0.06)
    found = eda.Correlations(("a", "b"), r, n, p, q, "pearson", False, 9, 9, None)
    assert figures.heat_map(found, {}, ("a", "b")).data[1].x.size == 4
    found = eda.Correlations(("a", "b"), r, n, q, p, "pearson", False, 9, 9, None)
    assert figures.heat_map(found, {}, ("a", "b")).data[1].x.size == 0


def test_a_heat_map_of_80_columns_is_small_enough_to_send(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"f{i:02d}" for i in range(80)]
    table = pd.DataFrame(rng.standard_normal((100, 80)), columns=names)
    table.insert(0, "clip_id", [f"c/{i}" for i in range(100)])
    found = eda.correlations(store(tmp_path / "w", table, names), ALL, names)
    assert len(figures.heat_map(found, {}, ("f00", "f01")).to_json()) < 300_000


def test_the_scatter_is_points_or_density_and_has_titles(workspace):
    titles = {"a": "A (Hz)", "b": "B (dB)"}
    few = figures.scatter(eda.pair(workspace, ALL, "a", "b"), "a", "b", titles)
    assert few.data[0].mode == "markers" and few.data[0].x.size == 600
    many = figures.scatter(eda.pair(workspace, ALL, "a", "b", points=50), "a", "b", titles)
    assert many.data[0].type == "heatmap" and many.data[0].customdata.sum() == 600
    for fig in (few, many):
        assert fig.layout.xaxis.title.text == "A (Hz)"
        assert fig.layout.yaxis.title.text == "B (dB)"
        assert fig.layout.xaxis2.title.text == fig.layout.yaxis2.title.text == "Clips"
    split = eda.pair(workspace, ALL, "gender", "c", color="gender")
    fig = figures.scatter(split, "gender", "c", {})
    assert [t.name for t in fig.data[:2]] == ["female", "male"]
    assert np.abs(fig.data[0].x - 1).max() < 0.2
    assert sorted(np.concatenate([t.customdata for t in fig.data[:2]])) == list(range(600))


def test_5000_points_are_small_enough_to_send(tmp_path):
    made = store(tmp_path / "w", planted(5000), FEATURES)
    fig = figures.scatter(eda.pair(made, ALL, "a", "b", color="age"), "a", "b", {})
    assert len(json.dumps(json.loads(fig.to_json()))) < 300_000


@pytest.mark.parametrize("method", eda.METHODS)
@pytest.mark.parametrize("by_speaker", [False, True])
def test_the_code_shown_makes_the_heat_map(
    workspace, tmp_path, monkeypatch, method, by_speaker, capsys
):
    names = ("age", "gender", "a", "b", "c")
    if method == "spearman" and by_speaker:
        names = ("gender", "a", "b")
    monkeypatch.chdir(tmp_path)
    eda.export(workspace, ALL, names, ["speaker_id"]).to_csv("clips.csv", index=False)
    made: dict = {}
    exec(code.matrix_code(names, method, by_speaker), made)
    found = eda.correlations(workspace, ALL, names, method=method, by_speaker=by_speaker).r
    off = ~np.eye(len(names), dtype=bool)
    np.testing.assert_allclose(made["r"].to_numpy()[off], found[off], atol=1e-9)
    assert "gender" in capsys.readouterr().out


@pytest.mark.parametrize("by_speaker", [False, True])
def test_the_code_shown_makes_the_pair(workspace, tmp_path, monkeypatch, by_speaker):
    monkeypatch.chdir(tmp_path)
    eda.export(workspace, ALL, ["a", "b"], ["speaker_id"]).to_csv("pair.csv", index=False)
    made: dict = {}
    exec(code.pair_code("a", "b", by_speaker), made)
    found = eda.pair(workspace, ALL, "a", "b", by_speaker=by_speaker)
    assert made["pearson"] == pytest.approx(found.pearson)
    assert made["spearman"] == pytest.approx(found.spearman)
    assert len(made["both"]) == found.n


def test_the_articles_table_has_its_correlations(tmp_path, shared):
    """0.77 is reached by the article's own cut: |z| of log1p at most 3 in every feature."""
    table = pd.read_csv(shared / "article" / "c4_common-voice_dataset.csv").dropna()
    table = table.rename(columns={"filename": "clip_id"}).reset_index(drop=True)
    features = list(table.columns[3:])
    log = table[features].copy()
    logged = [f for f in features if f != "words_per_second"]
    log[logged] = np.log1p(log[logged])
    z = (log - log.mean()) / log.std(ddof=0)
    inside = [table.loc[z[f].abs() <= 3, f] for f in features]
    cut = Selection(
        tuple(Filter(v.name, "between", (float(v.min()), float(v.max()))) for v in inside)
    )
    made = store(tmp_path / "w", table, features)
    found = eda.correlations(made, cut, eda.choices(made))
    assert found.rows == 8669
    assert round(cell(found, found.r, "gender", "f0_median"), 2) == 0.77
    age = found.r[found.names.index("age")]
    assert np.nanmax(np.abs(age)) < 0.15
    raw = eda.correlations(made, ALL, ["gender", "f0_median"])
    assert raw.r[0, 1] == pytest.approx(0.296, abs=0.001)  # octave errors hide it

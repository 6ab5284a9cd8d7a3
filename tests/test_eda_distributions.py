"""Distributions on tables whose answer is known, their figures, and the code that is shown."""

import numpy as np
import pandas as pd
import pytest
from test_eda_outliers import workspace_of

from core.eda import distributions
from core.eda import distributions_code as code
from core.eda.violins import violins
from core.errors import ParameterError
from core.figures import distributions as figures
from core.figures import palette
from core.filters import Filter, Selection

ALL = Selection()
N = 400


def known_table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    x = np.exp(rng.normal(4, 0.5, N))
    x[:7] = np.nan
    return pd.DataFrame(
        {
            "clip_id": [f"c/{i:04d}" for i in range(N)],
            "path": "clip.wav",
            "speaker_id": [f"s{i % 25:02}" for i in range(N)],
            "gender": np.where(np.arange(N) % 4 == 0, "female", "male"),
            "age": [None, "teens", "sixties", "<b>x</b>"] * (N // 4),
            "city": [f"town {i % 20:02}" for i in range(N)],
            "same": "one",
            "x": x,
            "minus": rng.normal(0, 1, N),
            "none": np.nan,
            "duration_s": np.where(np.arange(N) % 4 == 0, 3.0, 1.0),
        }
    )


FEATURES = ["x", "minus", "none", "duration_s"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return workspace_of(tmp_path_factory.mktemp("w"), known_table(), FEATURES)


def run(lines: str, workspace, columns, folder, monkeypatch) -> dict:
    """What the code shown finds on the clips' CSV."""
    distributions.clips(workspace, ALL, columns).to_csv(folder / "clips.csv", index=False)
    monkeypatch.chdir(folder)
    scope: dict = {}
    exec(lines, scope)
    return scope


def test_balance_counts_clips_seconds_and_speakers(workspace):
    found = distributions.balance(workspace, ALL, "gender")
    assert found.groups == ("male", "female")
    assert found.clips.tolist() == [300, 100]
    assert found.seconds.tolist() == [300, 300]
    assert found.speakers.tolist() == [25, 25]
    assert found.speakers_in_all == 25


def test_balance_puts_what_is_not_known_last_and_pools_the_rest(workspace):
    assert distributions.balance(workspace, ALL, "age").groups[-1] == "not known"
    found = distributions.balance(workspace, ALL, "city", most=5)
    assert len(found.groups) == 6
    assert found.groups[-1] == "others"
    assert found.clips.tolist() == [20] * 5 + [300]


def test_balance_follows_the_selection(workspace):
    women = Selection((Filter("gender", "=", "female"),))
    found = distributions.balance(workspace, women, "gender")
    assert (found.groups, found.clips.tolist()) == (("female",), [100])


def test_labels_that_can_be_groups_are_those_with_values(workspace):
    names = distributions.group_labels(workspace)
    assert {"gender", "age", "city", "speaker_id", "same"} <= set(names)
    assert not {"clip_id", "path", "text"} & set(names)


@pytest.mark.parametrize("log", [False, True])
def test_a_histogram_is_numpys(workspace, log):
    x = known_table()["x"].dropna()
    found = distributions.histogram(workspace, ALL, "x", log=log, bins=40)
    counts, edges = np.histogram(np.log1p(x) if log else x, 40)
    np.testing.assert_allclose(found.edges, edges)
    assert np.abs(found.counts[0] - counts).sum() <= 2  # a value on an edge may fall on either side
    assert (found.n, found.missing.tolist()) == (N - 7, [7])


def test_groups_of_a_histogram_add_up_and_are_in_order(workspace):
    found = distributions.histogram(workspace, ALL, "x", by="age", bins=20)
    assert found.groups == ("<b>x</b>", "teens", "sixties", "not known")
    whole = distributions.histogram(workspace, ALL, "x", bins=20)
    np.testing.assert_array_equal(found.counts.sum(axis=0), whole.counts[0])
    assert found.missing.sum() == 7


def test_skewness_is_pandas_and_log1p_evens_out_a_lognormal(workspace):
    x = known_table()["x"]
    found = distributions.histogram(workspace, ALL, "x")
    assert found.skew == pytest.approx(x.skew())
    assert found.skew_log == pytest.approx(np.log1p(x).skew())
    assert abs(found.skew_log) < 0.3 < 1 < found.skew


def test_negative_values_are_not_put_on_the_log_scale(workspace):
    found = distributions.histogram(workspace, ALL, "minus", log=True)
    assert not found.log
    assert np.isnan(found.skew_log)


@pytest.mark.parametrize("log", [False, True])
def test_a_feature_without_values_has_no_counts(workspace, log):
    found = distributions.histogram(workspace, ALL, "none", log=log, by="gender")
    assert found.n == 0
    assert found.missing.sum() == N
    assert np.isnan(found.skew)
    assert distributions.boxes(workspace, ALL, "none", by=None, log=log).n.size == 0
    assert distributions.strip(workspace, ALL, "none").points.size == 0


def test_one_value_alone_has_a_bin(workspace):
    women = Selection((Filter("gender", "=", "female"),))
    found = distributions.histogram(workspace, women, "duration_s")
    assert found.counts.max() == 100
    assert np.isnan(found.skew)


def test_what_is_asked_wrongly_is_said(workspace):
    with pytest.raises(ParameterError, match="no column pitch here"):
        distributions.histogram(workspace, ALL, "pitch")
    with pytest.raises(ParameterError, match="bins=0 does not work"):
        distributions.histogram(workspace, ALL, "x", bins=0)


def test_boxes_are_quartiles_and_whiskers_of_tukey(workspace):
    table = known_table()
    found = distributions.boxes(workspace, ALL, "x", by="gender")
    assert found.groups == ("female", "male")
    for i, group in enumerate(found.groups):
        x = table["x"][table["gender"] == group].dropna()
        q1, middle, q3 = x.quantile([0.25, 0.5, 0.75])
        near = x[x.between(q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1))]
        got = [found.low[i], found.q1[i], found.median[i], found.q3[i], found.high[i]]
        np.testing.assert_allclose(got, [near.min(), q1, middle, q3, near.max()])
        assert found.n[i] == x.size


def test_every_clip_is_a_point_in_table_order(workspace):
    found = distributions.strip(workspace, ALL, "x", by="gender")
    table = known_table().dropna(subset=["x"])
    np.testing.assert_allclose(found.points, table["x"], rtol=1e-6)
    assert found.clip_ids.tolist() == table["clip_id"].tolist()
    assert found.of == N - 7


def test_a_sample_says_so_and_keeps_all_extremes(workspace):
    found = distributions.strip(workspace, ALL, "x", most=250)
    assert found.points.size < found.of == N - 7
    x = np.sort(known_table()["x"].dropna())
    drawn = np.sort(found.points)
    np.testing.assert_allclose(drawn[:100], x[:100], rtol=1e-6)
    np.testing.assert_allclose(drawn[-100:], x[-100:], rtol=1e-6)
    again = distributions.strip(workspace, ALL, "x", most=250)
    assert found.clip_ids.tolist() == again.clip_ids.tolist()
    title = figures.strip(found, title="X").layout.xaxis.title.text
    assert f"{found.points.size:,} of 393 drawn" in title


def test_positions_on_the_axis_come_back_to_the_unit():
    assert distributions.from_scale(np.log1p(150.0), True) == pytest.approx(150)
    assert distributions.from_scale(150.0, False) == 150


def test_density_has_an_area_of_one_for_each_group_or_for_all(workspace):
    found = distributions.histogram(workspace, ALL, "x", by="gender")
    width = found.edges[1] - found.edges[0]
    each = figures.histogram(found, title="X", density=True)
    np.testing.assert_allclose([t.y.sum() * width for t in each.data], [1, 1], rtol=1e-5)
    stack = figures.histogram(found, title="X", density=True, stacked=True)
    assert sum(t.y.sum() for t in stack.data) * width == pytest.approx(1, rel=1e-5)
    assert (each.layout.barmode, stack.layout.barmode) == ("overlay", "stack")


def test_cuts_are_lines_on_the_scale_that_is_shown(workspace):
    found = distributions.histogram(workspace, ALL, "x", log=True)
    fig = figures.histogram(found, title="X (Hz)", cuts=(20.0, None))
    (line,) = fig.layout.shapes
    assert line.x0 == pytest.approx(np.log1p(20))
    ticks = dict(zip(fig.layout.xaxis.ticktext, fig.layout.xaxis.tickvals, strict=True))
    assert ticks["100"] == pytest.approx(np.log1p(100))
    assert fig.layout.xaxis.title.text == "X (Hz), log1p scale"


def test_names_of_groups_cannot_act_and_keep_their_colours(workspace):
    found = distributions.histogram(workspace, ALL, "x", by="age")
    fig = figures.histogram(found, title="X")
    assert fig.data[0].name == "&lt;b&gt;x&lt;/b&gt;"
    assert fig.data[-1].marker.color == palette.QUIET
    found = distributions.boxes(workspace, ALL, "x", by="age")
    shapes = violins(workspace, ALL, found, by="age")
    boxes = figures.boxes(found, shapes, title="X", by="<b>age</b>")
    assert "<b>" not in boxes.to_json()


def test_figures_stay_small(workspace):
    found = distributions.histogram(workspace, ALL, "x", by="city")
    assert len(figures.histogram(found, title="X").to_json()) < 30_000


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("by", [None, "age"])
def test_the_code_shown_makes_the_same_histogram_and_boxes(
    workspace, tmp_path, monkeypatch, log, by
):
    columns = (*([by] if by else []), "x")
    lines = code.histogram("x", log=log, by=by, bins=30)
    scope = run(lines, workspace, columns, tmp_path, monkeypatch)
    found = distributions.histogram(workspace, ALL, "x", log=log, by=by, bins=30)
    for i, group in enumerate(found.groups):
        counts = scope["counts"][group] if by else scope["counts"]
        assert np.abs(counts - found.counts[i]).sum() <= 2
    assert scope["skew"] == pytest.approx(found.skew)
    scope = run(code.boxes("x", log=log, by=by), workspace, columns, tmp_path, monkeypatch)
    box = distributions.boxes(workspace, ALL, "x", log=log, by=by)
    for i, group in enumerate(box.groups):
        row = scope["quartiles"].loc[group or "all"]
        np.testing.assert_allclose(row[0.5], np.expm1(box.median[i]) if log else box.median[i])
        np.testing.assert_allclose(scope["whiskers"][group or "all"]["max"], box.high[i])


def test_the_code_shown_makes_the_same_balance_and_points(workspace, tmp_path, monkeypatch):
    lines = code.balance("age", speakers=True)
    scope = run(lines, workspace, ("age",), tmp_path, monkeypatch)
    found = distributions.balance(workspace, ALL, "age")
    assert scope["counts"][list(found.groups)].tolist() == found.clips.tolist()
    assert scope["speakers"][list(found.groups)].tolist() == found.speakers.tolist()
    scope = run(code.strip("x"), workspace, ("x",), tmp_path, monkeypatch)
    np.testing.assert_allclose(
        scope["points"], distributions.strip(workspace, ALL, "x").points, rtol=1e-6
    )


def test_the_articles_counts_of_age_and_gender(shared, tmp_path):
    table = pd.read_csv(shared / "article/c4_common-voice_dataset.csv")
    table = table.rename(columns={"filename": "clip_id"}).assign(path="x.mp3")
    found = workspace_of(tmp_path / "w", table, table.select_dtypes("number").columns.tolist())
    ages = distributions.balance(found, ALL, "age")
    assert dict(zip(ages.groups, ages.clips.tolist(), strict=True)) == {
        "twenties": 3059,
        "thirties": 1778,
        "fourties": 1494,
        "fifties": 1382,
        "teens": 838,
        "sixties": 527,
    }
    gender = distributions.balance(found, ALL, "gender")
    assert dict(zip(gender.groups, gender.clips.tolist(), strict=True)) == {
        "male": 6232,
        "female": 2846,
    }
    assert gender.speakers is None


def test_women_and_men_have_the_same_colours_in_whatever_order():
    first, second = palette.of_groups(["male", "female", "other"]), palette.of_groups(["female"])
    assert first[1] == second[0]
    assert len(set(first)) == 3
    many = palette.of_groups([f"g{i}" for i in range(20)])
    assert many[0] == palette.GROUPS[0]
    assert len(many) == 20

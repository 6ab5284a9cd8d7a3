"""Densities beside the boxes: against known distributions, and the code that is shown."""

import numpy as np
import pandas as pd
import pytest
from test_eda_outliers import workspace_of

from core.eda import distributions
from core.eda import distributions_code as code
from core.eda.violins import FEWEST, POINTS, violins
from core.figures import distributions as figures
from core.filters import Filter, Selection

ALL = Selection()
N = 4000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    rng = np.random.default_rng(5)
    i = np.arange(N)
    group = np.where(i < 3000, "wide", np.where(i < N - 12, "narrow", "few"))
    x = np.where(group == "wide", rng.normal(100, 10, N), rng.normal(160, 4, N))
    x[0] = 5000.0
    table = pd.DataFrame({"clip_id": [f"c/{k:04d}" for k in i], "path": "x.wav", "kind": group})
    two = np.where(i % 2, rng.normal(120, 5, N), rng.normal(200, 5, N))
    table = table.assign(x=x, same=1.0, whole=rng.integers(0, 3, N).astype(float), two=two)
    return workspace_of(tmp_path_factory.mktemp("v"), table, ["x", "same", "whole", "two"])


def found_in(workspace, column="x", by="kind", log=False, selection=ALL):
    boxes = distributions.boxes(workspace, selection, column, by=by, log=log)
    return boxes, violins(workspace, selection, boxes, by=by)


def test_a_density_is_that_of_its_distribution(workspace):
    boxes, shapes = found_in(workspace)
    at = boxes.groups.index("wide")
    h = shapes.bandwidth[at]
    sd = np.hypot(10, h)
    truth = np.exp(-0.5 * ((shapes.grid - 100) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    got = np.nan_to_num(shapes.density[at])
    assert np.abs(got - truth).max() < 0.08 * truth.max()
    assert got.sum() * (shapes.grid[1] - shapes.grid[0]) == pytest.approx(1, abs=0.02)


def test_a_group_of_few_clips_is_given_clip_by_clip(workspace):
    boxes, shapes = found_in(workspace)
    at = boxes.groups.index("few")
    assert boxes.n[at] == 12 < FEWEST
    assert np.isnan(shapes.density[at]).all()
    assert np.isnan(shapes.bandwidth[at])
    x = workspace.query("SELECT x FROM clips WHERE kind = 'few' ORDER BY x")["x"]
    np.testing.assert_allclose(shapes.points[at], x, rtol=1e-6)
    assert all(not p.size for i, p in enumerate(shapes.points) if i != at)


def test_a_density_ends_with_the_values_of_its_group(workspace):
    boxes, shapes = found_in(workspace)
    at = boxes.groups.index("narrow")
    x = workspace.query("SELECT min(x) AS a, max(x) AS b FROM clips WHERE kind = 'narrow'").iloc[0]
    there = shapes.grid[np.isfinite(shapes.density[at])]
    step = shapes.grid[1] - shapes.grid[0]
    assert x["a"] - 2 * step <= there[0] <= there[-1] <= x["b"] + 2 * step


def test_what_lies_beyond_the_picture_is_counted(workspace):
    boxes, shapes = found_in(workspace)
    ends = [float(shapes.grid[0]), float(shapes.grid[-1])]
    beyond = workspace.query("SELECT kind FROM clips WHERE x < ? OR x > ?", ends)["kind"]
    assert shapes.outside.tolist() == [(beyond == g).sum() for g in boxes.groups]
    assert shapes.outside.sum() >= 1


@pytest.mark.parametrize("column", ["same", "whole"])
def test_equal_and_whole_numbers_have_finite_shapes(workspace, column):
    boxes, shapes = found_in(workspace, column)
    big = [i for i, n in enumerate(boxes.n) if n >= FEWEST]
    assert np.nanmax(shapes.density[big]) > 0
    assert np.isfinite(shapes.bandwidth[big]).all()


def test_two_voices_are_two_humps(workspace):
    _, shapes = found_in(workspace, "two", by=None)
    y = shapes.density[0]
    near = [int(np.abs(shapes.grid - x).argmin()) for x in (120, 160, 200)]
    assert y[near[0]] > 5 * y[near[1]] < y[near[2]]
    assert shapes.bandwidth[0] == pytest.approx(0.9 * 40.3 * N**-0.2, rel=0.05)


def test_shapes_follow_the_selection_and_need_no_label(workspace):
    some = Selection((Filter("kind", "=", "narrow"),))
    boxes, shapes = found_in(workspace, by=None, selection=some)
    assert boxes.groups == ("",)
    peak = shapes.grid[np.nanargmax(shapes.density[0])]
    assert peak == pytest.approx(160, abs=2)


def test_on_the_log_scale_positions_are_logarithms(workspace):
    boxes, shapes = found_in(workspace, log=True)
    at = boxes.groups.index("wide")
    assert boxes.log
    assert np.expm1(shapes.grid[np.nanargmax(shapes.density[at])]) == pytest.approx(100, abs=4)


@pytest.mark.parametrize("log", [False, True])
def test_the_code_shown_makes_the_same_shapes(workspace, tmp_path, monkeypatch, log):
    boxes, shapes = found_in(workspace, log=log)
    distributions.clips(workspace, ALL, ("kind", "x")).to_csv(tmp_path / "clips.csv", index=False)
    monkeypatch.chdir(tmp_path)
    scope: dict = {}
    exec(code.boxes("x", log=log, by="kind"), scope)
    np.testing.assert_allclose(scope["grid"], shapes.grid)
    assert set(scope["density"]) == {"wide", "narrow"}
    for group, truth in scope["density"].items():
        got = shapes.density[boxes.groups.index(group)]
        there = np.isfinite(got)
        assert np.abs(got[there] - truth[there]).max() < 0.01 * truth.max()


def test_the_figure_has_a_shape_or_points_and_a_box_for_every_group(workspace):
    boxes, shapes = found_in(workspace)
    fig = figures.boxes(boxes, shapes, title="X (Hz)", by="Kind")
    assert [t.type for t in fig.data].count("box") == len(boxes.groups)
    scatters = [t for t in fig.data if t.type == "scatter"]
    filled = [t for t in scatters if t.fill == "toself"]
    assert len(filled) == 2
    drawn = [t for t in scatters if t.mode == "markers" and len(t.x) == 12]
    assert len(drawn) == 1
    assert (fig.layout.xaxis.title.text, fig.layout.yaxis.title.text) == ("X (Hz)", "Kind")
    areas = [(t.y[0] - t.y[1:-1]).sum() * (t.x[2] - t.x[1]) for t in filled]
    assert areas[0] == pytest.approx(areas[1], rel=0.05)
    assert len(fig.to_json()) < 40 * POINTS * len(boxes.groups)

"""Figures of judging draw the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest

from core.figures import models as figures
from core.models import curves, groups, judge, leaks, shortcuts
from core.models.base import Predictions
from core.models.groups import GroupScore, Interval


def answers(labels=("teens", "forties", "twenties"), n: int = 240, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    k = len(labels)
    codes = rng.integers(0, k, n)
    z = rng.normal(size=(n, k))
    z[np.arange(n), codes] += 1
    prob = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)).astype(np.float32)
    ids = np.arange(n).astype(str).astype(object)
    who = np.array([f"s{i}" for i in np.arange(n) // 4], dtype=object)
    y = np.array(labels, dtype=object)[codes]
    return Predictions(ids, y, prob, tuple(labels), who, np.zeros(n, np.int16))


def years(n: int = 100) -> Predictions:
    rng = np.random.default_rng(0)
    y = rng.uniform(20, 60, n)
    said = (y + rng.normal(0, 3, n)).astype(np.float32)[:, None]
    ids = np.arange(n).astype(str).astype(object)
    return Predictions(ids, y, said, (), None, np.zeros(n, np.int16))


def has_axis_titles(fig) -> bool:
    return bool(fig.layout.xaxis.title.text)


def test_the_confusion_shows_counts_and_shares_in_the_order_of_age():
    found = judge.judge(answers())
    fig = figures.confusion(found)
    assert figures.shown_labels(found) == ("teens", "twenties", "forties")
    assert fig.layout.yaxis.ticktext == ("teens", "twenties", "forties")
    count = found.confusion[0, 2]  # teens taken for twenties
    assert fig.data[0].text[0][1].startswith(f"{count}<br>")
    assert fig.data[0].z[0, 1] == pytest.approx(100 * found.ratios[0, 2])
    assert fig.layout.yaxis.range[0] > fig.layout.yaxis.range[1]


def test_a_click_on_a_cell_finds_its_clips():
    p = answers(("a", "b"))
    found = judge.judge(p)
    points = figures.confusion(found).data[1]
    labels = figures.shown_labels(found)
    for x, y, (count, _) in zip(points.x, points.y, points.customdata, strict=True):
        assert judge.cell(p, labels[y], labels[x]).clip_ids.size == count


def test_a_picked_cell_is_framed():
    fig = figures.confusion(judge.judge(answers(("a", "b"))), ("b", "a"))
    assert (fig.layout.shapes[0].x0, fig.layout.shapes[0].y0) == (-0.5, 0.5)
    assert not figures.confusion(judge.judge(answers(("a", "b"))), ("x", "a")).layout.shapes


def test_many_labels_stay_readable():
    names = tuple(f"v{i:02d}" for i in range(40))
    fig = figures.confusion(judge.judge(answers(names, 800)))
    assert fig.data[0].text is None
    assert fig.layout.height < 900


def test_labels_from_files_do_not_act():
    fig = figures.confusion(judge.judge(answers(("<b>x</b>", "y"))))
    assert fig.layout.xaxis.ticktext[0] == "&lt;b&gt;x&lt;/b&gt;"


def test_a_score_stands_with_its_interval_beside_its_baselines():
    found = judge.judge(answers(("a", "b")))
    fig = figures.score_plot(found)
    points, own = fig.data[0], found.main.score
    assert points.x[0] == pytest.approx(100 * own.value)
    assert points.error_x.array[0] == pytest.approx(100 * (own.high - own.value), rel=1e-4)
    assert len(points.x) == 1 + len(found.baselines)
    assert fig.layout.xaxis.title.text == "Balanced accuracy (%)"
    auc = figures.score_plot(found, "auc")
    assert auc.layout.xaxis.title.text == "AUC (no unit)" and auc.data[0].x[0] < 1
    error = figures.score_plot(judge.judge(years()))
    assert error.layout.xaxis.title.text == "Mean absolute error (years)"


def test_groups_of_few_speakers_are_hollow():
    made = (
        GroupScore(("female", "teens"), 30, 12, Interval(0.9, 0.8, 0.95), False),
        GroupScore(("male", "teens"), 1, 1, Interval(0.5, np.nan, np.nan), True),
    )
    fig = figures.group_dots(made)
    assert fig.data[0].marker.symbol == ("circle", "circle-open")
    assert fig.layout.yaxis.ticktext[1] == "male, teens (1 clip, 1 speaker)"
    assert np.isfinite(fig.data[0].error_x.array).all()
    assert fig.data[0].customdata.tolist() == [0, 1]


def test_groups_come_from_the_labels():
    p = answers(("a", "b"))
    table = pd.DataFrame({"clip_id": p.clip_ids, "g": ["u", "v"] * 120})
    found = groups.by_group(p, table, ["g"])
    fig = figures.group_dots(found)
    assert fig.data[0].x == pytest.approx([100 * g.score.value for g in found])


def test_reliability_and_coverage_are_drawn_in_percent():
    p = answers(("a", "b"))
    found = judge.calibration(p)
    fig = figures.reliability(found)
    assert fig.data[1].y == pytest.approx(100 * found.right)
    assert fig.data[0].x.tolist() == fig.data[0].y.tolist()
    assert fig.layout.yaxis.range[0] <= max(0, 100 * np.nanmin(found.low))
    cover = judge.coverage(p)
    fig = figures.coverage_curve(cover, 0.7)
    by_name = {t.name: t for t in fig.data}
    assert by_name["Answered"].y == pytest.approx(100 * cover.answered)
    assert fig.layout.shapes[0].x0 == pytest.approx(70)
    band = fig.data[0].y
    assert np.isfinite(band).all()


def test_a_learning_curve_has_a_band_of_its_repeats():
    scores = np.array([[0.6, 0.7], [0.8, 0.8]])
    curve = curves.LearningCurve(np.array([10, 40]), scores, "speakers", "balanced_accuracy", 0.5)
    band, line, chance = figures.learning(curve).data
    assert line.y == pytest.approx([65, 80])
    assert band.y == pytest.approx([70, 80, 80, 60])
    assert chance.y == pytest.approx([50, 50])


def test_search_panels_share_one_scale_and_dash_the_training():
    panel = curves.Panel(
        "power, no pca",
        np.array([0.001, 0.1, 100.0]),
        np.array([[0.5, 0.01]] * 3),
        np.array([[0.4, 0.02]] * 3),
    )
    made = curves.SearchCurves("C", True, (panel,) * 6, 3)
    fig = figures.search_panels(made)
    assert len(fig.data) == 6 * 4
    train, validation = fig.data[1], fig.data[3]
    assert train.line.dash == "dash" and validation.line.dash == "solid"
    assert validation.y == pytest.approx([40] * 3)
    axes = [fig.layout[f"yaxis{i or ''}"] for i in ("", 2, 3, 4, 5, 6)]
    assert len({axis.range for axis in axes}) == 1
    assert len({axis.domain for axis in axes}) == 2
    assert fig.layout.xaxis4.type == "log" and fig.layout.xaxis4.title.text == "C"
    assert [n.text for n in fig.layout.annotations] == ["power, no pca"] * 6


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_panels_do_not_lie_on_one_another(n):
    panel = curves.Panel("", np.arange(1.0, 4), np.full((3, 2), 0.5), np.full((3, 2), 0.4))
    fig = figures.search_panels(curves.SearchCurves("k", False, (panel,) * n))
    boxes = set()
    for i in range(n):
        x, y = (fig.layout[f"{a}axis{i + 1 if i else ''}"].domain for a in "xy")
        assert 0 <= x[0] < x[1] <= 1 and 0 <= y[0] < y[1] <= 1
        boxes.add((x, y))
    assert len(boxes) == n


def test_importance_names_columns_as_people_do():
    found = curves.Importance(
        ("f0_median_hz and 1 alike", "x"),
        (("f0_median_hz", "f0_mean_hz"), ("x",)),
        np.array([[0.3, 0.2], [0.0, 0.0]]),
        0.9,
        "balanced_accuracy",
    )
    fig = figures.importance_bars(found, {"f0_median_hz": "Pitch, median (Hz)"})
    assert fig.layout.yaxis.ticktext == ("Pitch, median (Hz) and 1 alike", "x")
    assert fig.data[0].x == pytest.approx([25, 0])
    assert fig.data[0].error_x.array[0] == pytest.approx(5)
    assert fig.layout.xaxis.title.text == "Lost when shuffled (points of balanced accuracy)"


def test_the_leak_lab_has_a_bar_for_each_split_and_the_truth():
    lab = leaks.LeakLab(np.array([0.9, 0.94]), np.array([0.5, 0.52]), 0.5, 100, 20, "svc-rbf")
    fig = figures.leak_bars(lab)
    assert fig.data[0].x == pytest.approx([92, 51])
    assert fig.data[1].x == pytest.approx([90, 94, 50, 52])
    assert fig.layout.shapes[0].x0 == 50
    assert fig.layout.yaxis.ticktext == ("Split by clip", "Split by speaker")


def test_shortcuts_above_chance_are_coloured():
    made = shortcuts.Shortcuts(
        ("rms_dbfs",),
        Interval(0.7, 0.6, 0.8),
        0.5,
        (shortcuts.Alone("rms_dbfs", Interval(0.52, 0.45, 0.6)),),
        False,
        100,
        20,
        False,
    )
    fig = figures.shortcut_dots(made, {"rms_dbfs": "Level, RMS (dBFS)"})
    colours = fig.data[0].marker.color
    assert colours[0] != colours[1]
    assert fig.layout.yaxis.ticktext == ("All together", "Level, RMS (dBFS)")
    assert fig.layout.shapes[0].x0 == 50


def test_years_lie_about_the_diagonal():
    p = years()
    fig = figures.true_and_predicted(p)
    assert fig.data[1].y == pytest.approx(p.answers, rel=1e-5)
    assert np.abs(fig.data[1].x - p.y).max() < 1.3
    assert fig.data[1].customdata.tolist() == list(range(100))
    assert fig.layout.xaxis.range == fig.layout.yaxis.range
    assert has_axis_titles(fig)

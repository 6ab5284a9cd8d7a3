"""The correlations page with the demo set, an empty workspace, and a table without labels."""

import pandas as pd
import pytest
from test_eda_correlations import planted, store
from visit import DEMO, charts, open_page

from core.store import Workspace

pytestmark = pytest.mark.usefixtures("on_demo")
PAGE = "dataset/correlations.py"
DIFFERENCES = {"relation": "Differences of two groups"}
BARE = [f"f{i}" for i in range(3)]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Workspaces with numbers for the demo set whose correlations are known."""
    folder = tmp_path_factory.mktemp("workspaces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHONOSCOPE_WORKSPACES", str(folder))
        table = planted(120, 20)
        names = ["f0_median_hz", "hnr_db", "f2_median_hz", "snr_db", "rms_dbfs"]
        table = table.rename(columns=dict(zip("abcde", names, strict=True)))
        store(DEMO.workspace, table, names)
    return folder


def test_the_heat_map_and_its_strongest_pair_are_shown():
    at = open_page(PAGE)
    matrix, pair = charts(at)
    assert "Gender with Formant 2" in matrix and "120 clips" in matrix
    assert pair.startswith("Formant 2, median (Hz) against Gender: Pearson r = 0.8")
    assert any("20 speakers" in w.value for w in at.warning)
    assert any("male 0, female 1" in c.value for c in at.caption)


def test_every_axis_has_a_title():
    for query in ({}, DIFFERENCES):
        for alt, figure in charts(open_page(PAGE, **query)).items():
            for axis in ("xaxis", "yaxis"):
                assert figure["layout"][axis]["title"]["text"], alt


def test_method_order_and_rows_change_the_picture():
    at = open_page(PAGE, coefficient="Spearman", order="Clustered", rows="Speakers")
    matrix = next(iter(charts(at)))
    assert matrix.startswith("Spearman correlation over 20 speakers")
    assert not at.warning


def test_the_pair_follows_its_boxes_and_colours():
    at = open_page(PAGE)
    at.selectbox(key="across").set_value("f0_median_hz").run()
    at.selectbox(key="up").set_value("hnr_db").run()
    at.selectbox(key="colour").set_value("gender").run()
    assert not at.exception
    _, pair = charts(at).items()
    assert pair[0].startswith("Harmonics-to-noise ratio (dB) against Pitch, median (Hz)")
    assert "Pearson within groups: female" in pair[0]
    assert {t.get("name") for t in pair[1]["data"]} >= {"female", "male"}
    at.selectbox(key="up").set_value("f0_median_hz").run()
    assert not at.exception and any("two different" in i.value for i in at.info)


def test_one_column_is_too_few_and_40_are_not_needed():
    at = open_page(PAGE)
    at.multiselect(key="columns_voice-v1").set_value(["age"]).run()
    assert not at.exception and any("two columns" in i.value for i in at.info)


def test_a_column_that_never_varies_is_named():
    at = open_page(PAGE)
    assert "No values or no variation: Level, RMS" in next(iter(charts(at)))


def test_two_groups_are_compared_with_their_speakers():
    at = open_page(PAGE, **DIFFERENCES)
    (said,) = charts(at)
    assert "(60 clips, 10 speakers) against" in said
    assert "Differ most, with 95 % intervals: Formant 2, median (Hz) (" in said
    assert "bootstrap over speakers" in said
    at.button_group(key="effect").set_value("Cohen's d").run()
    assert "Cohen" in next(iter(charts(at).values()))["layout"]["xaxis"]["title"]["text"]
    at.selectbox(key="against_gender").set_value(at.selectbox(key="group_gender").value).run()
    assert not at.exception and "the same" in at.error[0].value


def test_a_selection_that_leaves_nothing_gives_a_sentence():
    at = open_page(PAGE, sel='[["gender","=","nobody"]]')
    assert any("Fewer than three" in i.value for i in at.info)
    at = open_page(PAGE, sel='[["gender","=","nobody"]]', **DIFFERENCES)
    assert "leaves no clips" in at.error[0].value


def test_an_empty_workspace_offers_to_measure(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "none"))
    at = open_page(PAGE)
    assert any("Nothing is measured" in i.value for i in at.info)
    assert not charts(at)


@pytest.mark.parametrize("query", [{}, DIFFERENCES])
def test_missing_labels_and_speakers_are_no_error(tmp_path, monkeypatch, query):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "bare"))
    table: pd.DataFrame = planted(40)[["clip_id", "a", "b", "d"]]
    store(DEMO.workspace, table, ["a", "b", "d"])
    at = open_page(PAGE, **query)
    assert not at.error
    assert bool(charts(at)) == (not query)
    if query:
        assert any("no groups to compare" in i.value for i in at.info)
    else:
        assert any("names no speakers" in c.value for c in at.caption)


def test_the_demo_set_knows_that_pitch_goes_with_gender(measured_once, monkeypatch):
    """On real measurements of the built-in voices."""
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(measured_once))
    assert Workspace.open(DEMO.workspace).count() == 194
    matrix = next(iter(charts(open_page(PAGE))))
    assert "Strongest: Gender with Pitch, median (Hz) (+0.9" in matrix

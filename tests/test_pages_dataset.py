"""Every data set page: nothing measured, an empty workspace, a table with labels of its own."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
import visit
from visit import DEMO, MAIN, said

from core.store import Workspace

pytestmark = pytest.mark.usefixtures("own_folders")
PAGES = ["browse", "distributions", "correlations", "mean_mels", "map", "report"]
every_page = pytest.mark.parametrize("page", PAGES)


def open_page(page: str, folder: Path | None = None, **query: str) -> AppTest:
    return visit.open_page(f"dataset/{page}.py", folder, **query)


def drawn(at: AppTest) -> str:
    return json.dumps([json.loads(c.proto.spec) for c in at.get("plotly_chart")])


@pytest.fixture
def table(tmp_path) -> Path:
    """A table without sound, with labels that no reader knows; one of them could be a formula."""
    rows = []
    for i in range(60):
        mic = ("headset", "phone", "")[i % 3]
        mood = ("happy", "=1+1", "<b>sad</b>")[i % 3]
        rows.append(f"c{i:02d},s{i % 12},{mic},{mood},day {i % 2},{100 + i},{i * i % 7}")
    path = tmp_path / "numbers.csv"
    head = "clip_id,speaker,microphone,emotion,session,f0_median,level\n"
    path.write_text(head + "\n".join(rows) + "\n")
    return path


@every_page
def test_where_nothing_is_measured_measuring_is_offered(page):
    at = open_page(page)
    assert "measured" in said(at)
    assert any(b.label == "Measure" for b in at.button)
    assert not at.error


@every_page
def test_an_empty_workspace_is_no_error(page):
    Workspace.create(DEMO.workspace, recipe={"feature_set": "voice-v1"}, columns=["duration_s"])
    at = open_page(page)
    assert not at.error
    assert "easure" in said(at)


@every_page
def test_a_table_with_labels_of_its_own_opens(page, table):
    at = open_page(page, table)
    assert not at.error
    if page == "mean_mels":
        assert "needs sound" in said(at)
    if page == "browse":
        shown = at.dataframe[0].value
        assert shown["microphone"].tolist()[:2] == ["headset", "phone"]


def test_a_label_of_its_own_splits_selects_and_colours(table):
    only = json.dumps([["microphone", "in", ["headset", "phone"]]])
    at = open_page("distributions", table, view="By label", by="emotion", sel=only)
    assert "40 of 60 clips" in said(at)
    assert "=1+1 (20)" in drawn(at)
    assert "<b>" not in drawn(at)
    at = open_page("map", table, map_colour="microphone")
    assert "headset (20)" in drawn(at)
    at = open_page("correlations", table)
    options = next(b for b in at.selectbox if b.label == "Colour by").options
    assert {"microphone", "emotion", "session"} <= set(options)


def test_values_of_a_label_that_are_not_known_are_a_caution_beside_the_plot(table):
    for page, query in (
        ("distributions", {"view": "Histogram", "by": "microphone"}),
        ("map", {"map_colour": "microphone"}),
    ):
        at = open_page(page, table, **query)
        text = said(at)
        assert "The microphone of 20 of 60 clips (33 %) is not known" in text, page


def test_a_plot_without_a_split_has_no_caution_of_a_label(table):
    at = open_page("distributions", table, view="Histogram", by="Nothing")
    assert "not known" not in said(at)


@pytest.mark.parametrize(("query", "bars"), [({}, 25), ({"bins": "100"}, 100)])
def test_few_clips_have_few_bins_until_more_are_asked_for(table, query, bars):
    at = open_page("distributions", table, view="Histogram", by="Nothing", **query)
    (figure,) = json.loads(drawn(at))
    assert figure["data"][0]["width"] == pytest.approx(59 / bars, rel=1e-3)


def test_the_selection_goes_along_to_other_pages_until_it_is_cleared(table):
    only = json.dumps([["microphone", "=", "phone"]])
    at = open_page("distributions", table, sel=only)
    assert "20 of 60 clips" in said(at)
    at.query_params.clear()  # as the menu does
    at.switch_page("dataset/map.py").run()
    assert "20 of 60 clips" in said(at)
    at.button(key="clear_all").click().run()
    assert "All 60 clips" in said(at)
    at.switch_page("dataset/report.py").run()
    assert not at.exception
    assert "All 60 clips" in said(at)


def test_pages_write_tables_only_with_formulas_escaped():
    sources = sorted(MAIN.parent.rglob("*.py"))
    assert len(sources) > 30
    assert not [p.name for p in sources if "to_csv(" in p.read_text(encoding="utf-8")]

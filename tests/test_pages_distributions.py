"""The distributions page, opened the way a visitor does (Streamlit's AppTest)."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
import visit
from visit import charts, measured_voices

from core.filters import Filter, Selection
from core.recipes import Recipe, Rule

pytestmark = pytest.mark.usefixtures("on_demo")
PAGE = "dataset/distributions.py"
VIEWS = ["Class balance", "Histogram", "By label", "Every clip", "Outliers"]
RECIPE = Recipe((Rule("cut", ("f0_median_hz",), 100, 200),))


def open_page(view: str, folder: Path | None = None, **query: str) -> AppTest:
    return visit.open_page(PAGE, folder, view=view, **query)


def rules_in(at: AppTest) -> str:
    found = at.query_params["rules"]
    return found if isinstance(found, str) else found[0]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_opens_on_the_demo_set_with_titled_axes_and_words(view):
    at = open_page(view)
    assert not at.error
    found = charts(at)
    assert len(found) == (3 if view == "Class balance" else 1)
    for alt, figure in found.items():
        assert alt.endswith(".")
        titles = [figure["layout"][a].get("title", {}).get("text") for a in ("xaxis", "yaxis")]
        categories = figure["layout"]["yaxis"].get("type") == "category"
        assert titles[0]
        assert titles[1] or categories
    assert sum(len(c.proto.spec) for c in at.get("plotly_chart")) < 300_000


def test_balance_says_how_many_and_warns_of_what_is_missing():
    at = open_page("Class balance")
    assert "194 clips, 28 speakers: female 89" in next(iter(charts(at)))
    assert any("23 of 194 clips have no value" in w.value for w in at.warning)


def test_the_definition_of_the_feature_stands_beside_it():
    at = open_page("Histogram")
    assert any("Middle f0 of the voiced frames" in c.value for c in at.caption)


def test_the_log_switch_says_what_it_does_to_skewness():
    at = open_page("Histogram", log="true", feature="Duration (s)")
    assert any("after log1p" in c.value for c in at.caption)
    assert next(iter(charts(at).values()))["layout"]["xaxis"]["title"]["text"].endswith(
        "log1p scale"
    )


def test_stacked_densities_are_drawn():
    at = open_page("Histogram", bars="Stacked", height="Density")
    figure = next(iter(charts(at).values()))
    assert figure["layout"]["barmode"] == "stack"
    assert figure["layout"]["yaxis"]["title"]["text"] == "Density"


def test_the_selection_rules_the_page():
    women = Selection((Filter("gender", "=", "female"),))
    at = open_page("Class balance", sel=women.to_text())
    assert next(iter(charts(at))).startswith("Clips by gender. 89 clips, 13 speakers: female 89")


@pytest.mark.parametrize("view", VIEWS)
def test_a_selection_that_leaves_nothing_is_said(view):
    nobody = Selection((Filter("gender", "=", "nobody"),))
    at = open_page(view, sel=nobody.to_text())
    assert not at.error
    assert any("No clip here" in i.value or "leaves no clip" in i.value for i in at.info)


def test_a_rule_is_added_listed_and_taken_out():
    at = open_page("Outliers")
    assert any("No rule yet" in i.value for i in at.info)
    at.number_input(key="cut_high_f0_median_hz").set_value(150.0).run()
    at.button(key="rule_add").click().run()
    assert not at.exception
    kept = next(m.value for m in at.metric if m.label == "Clips kept")
    assert kept.endswith("of 194")
    assert not kept.startswith("194")
    assert any("costs gender “female” more" in w.value for w in at.warning)
    at.button(key="rule_clear_0").click().run()
    assert any("No rule yet" in i.value for i in at.info)


def test_the_articles_rules_are_one_button():
    at = open_page("Outliers")
    at.button(key="rules_article").click().run()
    assert not at.exception
    rules = Recipe.from_text(rules_in(at)).rules
    assert [r.kind for r in rules] == ["missing", "zscore"]
    assert any("Dropping all rows with a missing value" in c.value for c in at.caption)
    at.button(key="rules_article").click().run()
    assert len(Recipe.from_text(rules_in(at)).rules) == 2


def test_rules_in_the_address_draw_cuts_ledger_and_players():
    at = open_page("Outliers", rules=RECIPE.to_text())
    found = charts(at)
    assert len(next(iter(found.values()))["layout"]["shapes"]) == 2
    assert len(found) == 3
    assert len(at.dataframe[0].value) == 1 + 3 + 7
    assert any("python -m core recipe recipe.json" in c.value for c in at.code)
    at.toggle(key="hear").set_value(True).run()
    assert not at.exception
    assert len(at.get("bidi_component")) == 12


def test_a_ledger_of_one_rule_is_shown():
    at = open_page("Outliers", rules=RECIPE.adding(Rule("mad")).to_text())
    whole = at.dataframe[0].value["clips_lost"].iloc[0]
    at.selectbox(key="ledger_step").set_value(0).run()
    assert not at.exception
    assert 0 < at.dataframe[0].value["clips_lost"].iloc[0] < whole


def test_nonsense_in_the_address_is_said_and_the_page_stays():
    at = open_page("Outliers", rules="{", feature="<script>", by="nothing", log="maybe")
    assert any("no recipe of Phonoscope" in w.value for w in at.warning)
    assert len(charts(at)) == 1


def test_a_recipe_file_is_opened_and_used():
    at = open_page("Outliers")
    at.file_uploader(key="recipe_file").upload("r.json", b"{}").run()
    assert any("no recipe" in e.value for e in at.error)
    more = RECIPE.adding(Rule("missing", ("pitch of mine",)))
    at.file_uploader(key="recipe_file").upload("r.json", more.to_text().encode()).run()
    assert any("1 of its rules" in w.value for w in at.warning)
    at.button(key="recipe_use").click().run()
    assert not at.exception
    assert Recipe.from_text(rules_in(at)).rules == RECIPE.rules


def test_what_is_not_measured_asks_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path))
    at = open_page("Histogram")
    assert any("Nothing is measured" in i.value for i in at.info)
    assert not charts(at)


@pytest.mark.parametrize("view", VIEWS)
def test_a_folder_without_labels_and_speakers_opens(view, tmp_path):
    at = open_page(view, measured_voices(tmp_path / "plain"))
    assert not at.error
    if view == "Class balance":
        assert any("no labels to count" in i.value for i in at.info)
    else:
        assert len(charts(at)) == 1
    if view == "Outliers":
        at.button(key="rules_article").click().run()
        assert not at.exception
        assert any("no label here to compare" in c.value for c in at.caption)

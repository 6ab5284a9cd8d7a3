"""Recipes: what is written comes back, and what cannot work is said."""

import json

from hypothesis import given
from hypothesis import strategies as st
import pytest

from core import recipes
from core.errors import DatasetError, ParameterError
from core.filters import Filter, Selection
from core.recipes import Recipe, Rule

NAMES = st.text(min_size=1, max_size=12)
NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def rules(draw) -> Rule:
    kind = draw(st.sampled_from(recipes.KINDS))
    if kind == "cut":
        low, high = sorted([draw(NUMBERS), draw(NUMBERS)])
        ends = draw(st.sampled_from([(low, high), (low, None), (None, high)]))
        return Rule("cut", (draw(NAMES),), *ends)
    columns = tuple(draw(st.lists(NAMES, max_size=3)))
    return Rule(kind, columns, limit=draw(st.floats(0.1, 20)), log=draw(st.booleans()))


@given(st.lists(rules(), max_size=6))
def test_a_recipe_comes_back_from_its_text(found):
    recipe = Recipe(tuple(found), Selection((Filter("age", "=", "teens"),)).to_text())
    assert Recipe.from_text(recipe.to_text()) == recipe


def test_a_recipe_comes_back_from_its_file_and_nothing_else_is_left(tmp_path):
    recipe = Recipe(recipes.article_rules())
    recipes.write(tmp_path / "recipe.json", recipe)
    assert recipes.read(tmp_path / "recipe.json") == recipe
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.json"]
    assert json.loads((tmp_path / "recipe.json").read_text())["phonoscope_recipe"] == 1


def test_a_recipe_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "recipe.json"
    recipes.write(path, Recipe(recipes.article_rules()))
    with pytest.raises(UnicodeEncodeError):
        recipes.write(path, Recipe((Rule("missing", ("\ud800",)),)))
    assert recipes.read(path) == Recipe(recipes.article_rules())
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.json"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no recipe of Phonoscope"),
        ("[]", "no recipe of Phonoscope"),
        ("[" * 100_000, "no recipe of Phonoscope"),
        ('{"rules": []}', "no recipe of Phonoscope"),
        ('{"phonoscope_recipe": 2, "rules": []}', "version 2, here is version 1"),
        ('{"phonoscope_recipe": 1}', "damaged"),
        ('{"phonoscope_recipe": 1, "rules": [7]}', "damaged"),
        ('{"phonoscope_recipe": 1, "rules": [{"kind": "cut", "more": 1}]}', "damaged"),
        ('{"phonoscope_recipe": 1, "rules": [{"kind": []}]}', "damaged"),
        ('{"phonoscope_recipe": 1, "rules": [{"kind": "zscore", "log": 1}]}', "damaged"),
        ('{"phonoscope_recipe": 1, "rules": [{"kind": "magic"}]}', "Unknown rule magic"),
        ('{"phonoscope_recipe": 1, "rules": [{"kind": "zscore", "limit": "3"}]}', "number > 0"),
        ('{"phonoscope_recipe": 1, "rules": [{"kind": "zscore", "limit": NaN}]}', "number > 0"),
        ('{"phonoscope_recipe": 1, "rules": [{"kind": "mad", "columns": "ab"}]}', "list of names"),
        ('{"phonoscope_recipe": 1, "rules": [{"kind": "cut", "columns": ["a"]}]}', "lower or an"),
    ],
)
def test_what_is_no_recipe_is_said_in_a_sentence(text, said):
    with pytest.raises(ParameterError, match=said):
        Recipe.from_text(text)


def test_a_cut_with_its_ends_swapped_says_so():
    with pytest.raises(ParameterError, match="lower end 3 is above the upper end 2"):
        Rule("cut", ("a",), 3, 2)


def test_too_many_rules_are_refused():
    with pytest.raises(ParameterError, match="at most 20 rules"):
        Recipe(tuple(Rule("missing", (f"c{i}",)) for i in range(21)))


def test_no_file_is_an_error_of_the_data_set(tmp_path):
    with pytest.raises(DatasetError, match=r"nothing\.json: this recipe cannot be read"):
        recipes.read(tmp_path / "nothing.json")


def test_a_rule_takes_the_place_of_the_same_kind_on_the_same_columns():
    recipe = Recipe((Rule("cut", ("a",), 1, 2), Rule("missing")))
    changed = recipe.adding(Rule("cut", ("a",), 5, 6)).adding(Rule("cut", ("b",), 0, 1))
    assert [(r.kind, r.columns, r.low) for r in changed.rules] == [
        ("cut", ("a",), 5),
        ("missing", (), None),
        ("cut", ("b",), 0),
    ]
    assert changed.without(0).rules == changed.rules[1:]


def test_rules_on_unknown_columns_do_not_fit():
    recipe = Recipe((Rule("cut", ("a",), 1, 2), Rule("missing", ("b",)), Rule("missing")))
    assert recipe.fitting(["a"]).rules == (recipe.rules[0], recipe.rules[2])


def test_a_selection_on_an_unknown_column_is_refused():
    recipe = Recipe((), Selection((Filter("age", "=", "teens"),)).to_text())
    assert recipes.selection_of(recipe, ["age"]).filters[0].value == "teens"
    with pytest.raises(ParameterError, match="names a column that this table does not have"):
        recipes.selection_of(recipe, ["gender"])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("cut", ("a",), 1, 2000), "Pitch 1 to 2,000"),
        (Rule("cut", ("a",), low=1), "Pitch at least 1"),
        (Rule("cut", ("a",), high=1), "Pitch at most 1"),
        (Rule("missing"), "all features have a value"),
        (Rule("missing", ("a",)), "Pitch: a value is there"),
        (Rule("zscore", log=True), "all features: |z| at most 3 on the log scale"),
        (Rule("mad", ("a", "b"), limit=3.5), "Pitch, b: |robust z| at most 3.5"),
    ],
)
def test_a_rule_is_a_sentence(rule, words):
    assert rule.words({"a": "Pitch"}) == words

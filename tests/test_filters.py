"""A filter's SQL, its sentence, and its way through an address."""

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from core.errors import ParameterError
from core.filters import Filter, Selection

LABELS = {"f0_median_hz": "Pitch, median"}
COLUMNS = ["gender", "f0_median_hz", "text", "snr_db", 'odd "name"']


@pytest.mark.parametrize(
    ("given", "sql", "values", "words"),
    [
        (Filter("gender", "=", "female"), '"gender" = ?', ("female",), "gender female"),
        (
            Filter("f0_median_hz", ">=", 150),
            '"f0_median_hz" >= ?',
            (150,),
            "Pitch, median at least 150",
        ),
        (
            Filter("snr_db", "between", (5, 20.5)),
            '"snr_db" BETWEEN ? AND ?',
            (5, 20.5),
            "snr_db 5 to 20.5",
        ),
        (Filter("gender", "in", ("a", "b")), '"gender" IN (?, ?)', ("a", "b"), "gender a or b"),
        (Filter("text", "missing"), '"text" IS NULL', (), "text is not known"),
        (Filter("text", "known"), '"text" IS NOT NULL', (), "text is known"),
        (
            Filter("text", "contains", "Tea"),
            'contains(lower("text"::VARCHAR), lower(?))',
            ("Tea",),
            "text contains “Tea”",
        ),
        (Filter('odd "name"', "=", 1), '"odd ""name""" = ?', (1,), 'odd "name" 1'),
    ],
)
def test_a_filter_knows_its_sql_and_its_words(given, sql, values, words):
    assert given.sql() == (sql, values)
    assert given.words(LABELS) == words


def test_the_sentence_says_how_many_of_what():
    chosen = Selection((Filter("gender", "=", "female"), Filter("f0_median_hz", ">=", 150)))
    assert chosen.sentence(412, 9078, 37, LABELS) == (
        "412 of 9,078 clips, 37 speakers: gender female, Pitch, median at least 150"
    )
    assert Selection().sentence(9078, 9078) == "All 9,078 clips"
    assert Selection().where() is None


def test_a_second_condition_of_the_same_kind_takes_the_place_of_the_first():
    chosen = Selection().adding(Filter("snr_db", ">=", 5)).adding(Filter("snr_db", ">=", 10))
    assert chosen.filters == (Filter("snr_db", ">=", 10),)
    assert chosen.adding(Filter("snr_db", "<=", 20)).without(0).filters[0].op == "<="


names = st.sampled_from(COLUMNS)
numbers = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6, allow_nan=False)
filters = st.one_of(
    st.builds(Filter, names, st.sampled_from(["=", ">=", "<="]), numbers | st.text(max_size=30)),
    st.builds(Filter, names, st.just("between"), st.tuples(numbers, numbers)),
    st.builds(
        Filter,
        names,
        st.just("in"),
        st.lists(st.text(max_size=9), min_size=1, max_size=5).map(tuple),
    ),
    st.builds(Filter, names, st.just("contains"), st.text(max_size=30)),
    st.builds(Filter, names, st.sampled_from(["missing", "known"])),
)


@given(st.lists(filters, max_size=6))
@settings(max_examples=200)
def test_a_selection_survives_its_address(chosen):
    selection = Selection(tuple(chosen))
    assert Selection.from_text(selection.to_text(), COLUMNS) == selection


@given(
    st.text(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3)
    ).map(str)
)
@settings(max_examples=300)
def test_any_text_is_a_selection_or_a_sentence(text):
    try:
        selection = Selection.from_text(text, COLUMNS)
    except ParameterError as err:
        assert "clear it" in str(err) or "condition" in str(err) or "needs" in str(err)
    else:
        selection.where()
        selection.words(LABELS)


def test_unknown_columns_are_left_out():
    text = Selection((Filter("gender", "=", "x"), Filter("gone", "=", 1))).to_text()
    assert [f.column for f in Selection.from_text(text, COLUMNS).filters] == ["gender"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("a", "like", 1),
        ("a", "between", 3),
        ("a", "in", ()),
        ("a", "=", float("nan")),
        ("a", "=", None),
    ],
)
def test_what_cannot_be_a_condition_is_refused(wrong):
    with pytest.raises(ParameterError):
        Filter(*wrong)


def test_values_never_enter_the_sql():
    evil = "'; DROP TABLE clips; --"
    for op in ("=", "contains"):
        sql, values = Filter("text", op, evil).sql()
        assert evil not in sql
        assert values == (evil,)

"""Names and texts from files, shown without letting them act."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st
import pytest

from core import safe_text

HOSTILE = [
    "![x](http://host/x.png).wav",
    "[click](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "http://host/x https://host www.host.org a@host.org",
    ":material/home: :red[x] $x^2$ `code` **b** | a | b |",
    "\u202egnp.exe\u202c \x00\x07 a\nb\tc",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_is_escaped_letter_by_letter(text):
    shown = safe_text.md(text)
    bare = re.sub(r"\\.", "", shown)
    assert not re.search(r"[\[\]<>`*_$|!:]", bare)
    assert "://" not in shown.replace("\\", "")


@given(st.text(max_size=400) | st.sampled_from(HOSTILE))
@settings(max_examples=300)
def test_markdown_adds_only_what_keeps_letters_from_acting(text):
    shown = safe_text.md(text)
    assert re.sub(r"\\(.)", r"\1", shown).replace("\u2060", "") == safe_text.clean(text)
    assert not re.search(r"[^\W_]\\?@|@[^\W_]", shown)  # else an address becomes a link


@given(st.text(max_size=400))
@example("x" * 400)
@settings(max_examples=300)
def test_clean_is_one_bounded_visible_line(text):
    shown = safe_text.clean(text)
    assert len(shown) <= 120
    assert not re.search(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\n\r]", shown)


@given(st.text(max_size=400))
@settings(max_examples=300)
def test_a_file_name_is_never_a_path(text):
    name = safe_text.filename(text)
    assert name
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
    assert name not in {".", ".."}
    assert len(name.encode()) <= 130
    assert name == name.strip(" .")


def test_file_names_keep_what_is_harmless():
    assert safe_text.filename("../../etc/Grüße an alle.wav") == "Grüße an alle.wav"
    assert safe_text.filename("CON.wav") == "_CON.wav"
    assert safe_text.filename("") == "clip"


def test_plotly_text_has_no_tags_or_templates():
    shown = safe_text.plotly("<a href='http://h'>x</a> %{y} $a$ &amp;")
    assert "<" not in shown
    assert "%{" not in shown
    assert "$" not in shown
    assert "&amp;amp;" in shown

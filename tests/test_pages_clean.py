"""What cleaning did to the voice, on the clip page."""

import math

import pytest
from streamlit.testing.v1 import AppTest
from visit import open_page

from core import harm
from core.harm import Harm
from pages.shared import clean_panels

pytestmark = pytest.mark.usefixtures("own_folders")
CLIP = "recording/clip.py"


def opened(**query: str) -> AppTest:
    """The clip page with the comparison unfolded."""
    at = open_page(CLIP, clip="demo_broad_varying_noise", **query)
    at.session_state["harm"] = True
    at.run()
    assert not at.exception, at.exception
    return at


def said(at: AppTest) -> list[str]:
    return [m.value for m in at.markdown if "The speech" in m.value]


def tables(at: AppTest) -> list:
    return [d.value for d in at.dataframe if {"What", "Moved by"} & set(d.value.columns)]


def test_nothing_is_compared_before_it_is_asked_for(monkeypatch):
    asked = []
    changes = harm.changes
    monkeypatch.setattr(harm, "changes", lambda *a, **kw: asked.append(1) or changes(*a, **kw))
    at = open_page(CLIP)
    assert clean_panels.TITLE in [e.label for e in at.expander]
    assert not said(at) and not asked
    opened()
    assert asked


def test_it_says_what_the_method_did_and_lists_every_feature():
    at = opened()
    assert len(said(at)) == 1 and "kept its level" in said(at)[0]
    facts, features = tables(at)
    assert list(facts.columns) == ["What", "Log-spectral amplitude"]
    assert "Model's answer, before → after" in set(facts["What"])
    known = features["Moved by"].dropna()
    assert len(features) == 75 and (known >= 0).all() and known.max() > 0


def test_the_other_method_stands_beside_on_demand():
    at = opened()
    at.toggle(key="harm_other").set_value(True).run()
    assert not at.exception
    facts, features = (
        d.value for d in at.dataframe if set(d.value) & {"What", "Moved by (noisereduce)"}
    )
    assert list(facts.columns) == ["What", "Log-spectral amplitude", "noisereduce"]
    pairs = features[["Moved by (Log-spectral amplitude)", "Moved by (noisereduce)"]].dropna()
    ours, theirs = pairs.mean()
    assert ours < theirs


def test_with_all_filters_off_there_is_nothing_to_compare():
    at = opened(denoise="false")
    assert not said(at) and not tables(at)
    assert any("the voice is as it was" in c.value for c in at.caption)


def test_what_cannot_be_measured_is_a_dash():
    nan = math.nan
    silent = Harm(nan, nan, nan, nan, nan, ())
    assert clean_panels._facts(silent)["SNR, before → after"] == "– → –"
    assert clean_panels._facts(silent)["Speech energy removed"] == "–"
    assert clean_panels.in_words(silent).startswith("0 of 0 features")

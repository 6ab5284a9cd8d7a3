"""The report: its numbers are those of the table, and its file needs and runs nothing."""

from html.parser import HTMLParser
import re

import numpy as np
import pandas as pd
import pytest

from core import report
from core.eda.cautions import NOTE, WARNING, Caution
from core.features import FeatureSpec
from core.filters import Filter, Selection
from core.store import Workspace

N = 300
COLUMNS = ("f0_median_hz", "snr_db", "hnr_db", "duration_s")
HOSTILE = '<img src=x onerror="alert(1)">'
ALL = Selection()
TITLES = {"f0_median_hz": "Pitch, median (Hz)", "snr_db": HOSTILE, "gender": "Gender"}
SPECS = {
    "f0_median_hz": FeatureSpec("f0_median_hz", "Pitch, median", "Hz", "About it.", "Careful.", "")
}


def values(n: int = N) -> pd.DataFrame:
    """hnr is snr reversed; a tenth of pitch has no value; each clip lasts 36 s."""
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"f0_median_hz": rng.normal(150, 20, n), "snr_db": rng.normal(20, 5, n)})
    x["hnr_db"], x["duration_s"] = -x["snr_db"], 36.0
    x.loc[::10, "f0_median_hz"] = np.nan
    return x


def store(folder, **labels) -> Workspace:
    """A workspace of ``values`` with these labels."""
    x = values()
    table = pd.DataFrame({"clip_id": [f"c/{i:04d}" for i in range(N)]})
    table = table.assign(path=None, size=1, mtime_ns=1, text=None, **labels)
    workspace = Workspace.create(folder, recipe={"feature_set": "voice-v1"}, columns=COLUMNS)
    with workspace.writer() as writer:
        writer.set_catalogue(table, unit_size=N)
        for unit in writer.missing():
            places = [int(item["clip_id"][-4:]) for item in unit.items]
            rows = [{"clip_id": f"c/{k:04d}", "values": x.loc[k].to_dict()} for k in places]
            writer.write(unit.number, rows)
    return workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return store(
        tmp_path / "w",
        gender=np.where(np.arange(N) % 3, "male", HOSTILE),
        speaker_id=[f"s{i % 10}" for i in range(N)],
        accent=None,
    )


def html(workspace: Workspace, selection: Selection = ALL, cautions=()) -> str:
    counted = report.sheet(workspace, selection)
    measured = report.measures(workspace, selection)
    drawn = report.spreads(workspace, selection, "gender")
    said = selection.sentence(counted.clips, counted.total, counted.speakers)
    words = {"name": HOSTILE, "sentence": said, "specs": SPECS, "titles": TITLES}
    return report.to_html(counted, measured, drawn, cautions, **words).decode()


class Tags(HTMLParser):
    """Tags and attributes of a page, and whether all of its tags are closed."""

    VOID = frozenset({"meta", "br", "img", "link"})

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.attributes, self.open = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_sheet_counts_clips_hours_and_speakers(workspace):
    found = report.sheet(workspace, ALL)
    assert (found.clips, found.total, found.speakers, found.failed) == (N, N, 10, 0)
    assert found.hours == pytest.approx(N * 36 / 3600)
    assert [b.label for b in found.balances] == ["gender"]  # the accent is never known
    chosen = Selection((Filter("speaker_id", "in", ("s1", "s2")),))
    assert report.sheet(workspace, chosen)[:2] == (60, N)


def test_few_values_and_many_are_balanced_alike(workspace, monkeypatch):
    from core.eda import distributions

    (found,) = report.sheet(workspace, ALL).balances
    wanted = distributions.balance(workspace, ALL, "gender", 12)
    assert found.groups == wanted.groups
    for a, b in zip(found[2:5], wanted[2:5], strict=True):
        np.testing.assert_allclose(a, b)
    monkeypatch.setattr(report, "MOST_VALUES", 1)
    assert report.sheet(workspace, ALL).balances[0].groups == ("male", distributions.OTHERS)


def test_quartiles_and_correlations_are_pandas_own(workspace):
    found, table = report.measures(workspace, ALL), values()
    wanted = table.quantile([0.25, 0.5, 0.75])[list(COLUMNS)].to_numpy()
    np.testing.assert_allclose(found.quartiles, wanted)
    np.testing.assert_allclose(found.known, [0.9, 1, 1, 1])
    np.testing.assert_allclose(found.r, table[list(found.paired)].corr(), atol=1e-12)
    i, j = (found.paired.index(n) for n in ("snr_db", "hnr_db"))
    assert found.r[i, j] == pytest.approx(-1)


def test_histograms_hold_each_group(workspace):
    spread = report.spreads(workspace, ALL, "gender")[0]
    assert spread.column == "f0_median_hz"
    assert spread.sizes.sum() == 270
    assert spread.counts.sum() >= 0.98 * 270
    assert (spread.shares.sum(axis=1) <= 100 + 1e-9).all()
    x, group = values()["f0_median_hz"], np.where(np.arange(N) % 3, "male", HOSTILE)
    assert spread.medians[spread.groups.index("male")] == pytest.approx(x[group == "male"].median())


def test_many_clips_are_sampled_and_the_file_says_how_many(workspace):
    found = report.measures(workspace, ALL, sample=100)
    assert 60 < found.rows < 140
    again = report.measures(workspace, ALL, sample=100)
    np.testing.assert_array_equal(found.quartiles, again.quartiles)
    page = report.to_html(
        report.sheet(workspace, ALL), found, (), (), name="n", sentence="s", specs={}, titles={}
    ).decode()
    assert f"Of {found.rows:,} clips." in page


def test_a_split_by_an_unknown_label_is_no_split(workspace):
    found = report.spreads(workspace, ALL, "no such label")
    assert all(s.groups == ("",) for s in found)


def test_the_file_needs_and_runs_nothing(workspace):
    page = html(workspace, cautions=[Caution(WARNING, HOSTILE, "x")])
    tags = Tags(page)
    assert tags.open == []
    assert not tags.tags & {"script", "img", "link", "iframe", "object", "a"}
    assert not [a for a, _ in tags.attributes if a.startswith("on") or a in ("src", "href")]
    assert "url(" not in page and "@import" not in page and "http" not in page
    assert page.count("&lt;img src=x") >= 4  # title, name, label and caution, letter by letter
    assert len(page) < 300_000


def test_the_file_has_cautions_counts_definitions_and_axes(workspace):
    page = html(workspace, cautions=[Caution(NOTE, "Beware of it.", "x")])
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for part in ("Beware of it.", "All 300 clips, 10 speakers", "3.00", "About it. Careful."):
        assert part in text, part
    assert text.count("Share of group (%)") == len(report.spreads(workspace, ALL))
    assert "Pitch, median (Hz)" in text and "Pearson" in text
    labels = [v for a, v in Tags(page).attributes if a == "aria-label"]
    assert any(v.startswith("Strongest: ") and "r = -1.00" in v for v in labels)


def test_no_clips_no_labels_and_constant_columns_still_make_a_file(tmp_path):
    bare = store(tmp_path / "bare")
    page = html(bare)
    assert "not known" in page and Tags(page).open == []
    none = Selection((Filter("clip_id", "=", "nobody"),))
    assert Tags(html(bare, none)).open == []
    empty = Workspace.create(tmp_path / "e", recipe={"feature_set": "x"}, columns=["a"])
    assert Tags(html(empty)).open == []


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 7.9), (1e-6, 2e-6), (117, 90_000)])
def test_ticks_are_round_and_inside(low, high):
    ticks = report._ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in ticks)

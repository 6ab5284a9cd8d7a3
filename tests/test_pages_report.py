"""The report page, opened the way a visitor does: demo set, nothing measured, no labels."""

import json
from pathlib import Path
import subprocess
import sys

import pandas as pd
import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from core import datasets
from core.filters import Filter, Selection
from core.store import Workspace
from pages.shared.data import Chosen

ROOT = Path(__file__).resolve().parents[1]
PAGE = "dataset/report.py"


@pytest.fixture(scope="session")
def measured(tmp_path_factory) -> Path:
    """The demo set, measured once."""
    from core.cli import main

    folder = tmp_path_factory.mktemp("report") / "w"
    words = ["extract", str(datasets.demo_folder()), "--workspace", str(folder)]
    assert main([*words, "--set", "voice-v1"]) == 0
    return folder


@pytest.fixture
def workspaces(tmp_path, monkeypatch) -> Path:
    """The folder of workspaces of this test, and where the demo set's belongs."""
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path))
    monkeypatch.setenv("PHONOSCOPE_MEDIA", str(tmp_path / "media"))
    streamlit.cache_data.clear()
    return Chosen(str(datasets.demo_folder()), "voice-v1", "").workspace


def open_page(**query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / "main.py"), default_timeout=60)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    at.switch_page(PAGE).run()
    assert not at.exception, at.exception
    return at


def figures(at: AppTest) -> dict[str, dict]:
    return {c.proto.alt: json.loads(c.proto.spec) for c in at.get("plotly_chart")}


def cautions_of(at: AppTest) -> str:
    return " ".join(m.value for m in at.expander[0].markdown)


def test_the_demo_set_has_a_report(workspaces, measured):
    workspaces.symlink_to(measured)
    at = open_page()
    metrics = {m.label: m.value for m in at.metric}
    assert metrics["Clips"] == "194 of 194" and metrics["Speakers"] == "28"
    assert "Languages are uneven" in cautions_of(at)
    drawn = figures(at)
    assert len(drawn) == 6
    for alt, figure in drawn.items():
        assert "median" in alt
        assert figure["layout"]["xaxis"]["title"]["text"]
        assert figure["layout"]["yaxis"]["title"]["text"] == "Density"
    assert {d["name"] for d in next(iter(drawn.values()))["data"]} == {
        "female",
        "male",
        "not known",
    }
    assert next(b.label for b in at.get("download_button")) == "Download the report"


def test_the_split_changes_the_groups(workspaces, measured):
    workspaces.symlink_to(measured)
    at = open_page()
    at.selectbox(key="report_split").set_value("nothing").run()
    assert not at.exception
    assert all(len(f["data"]) == 1 for f in figures(at).values())


def test_the_report_is_of_the_selection_in_the_address(workspaces, measured):
    workspaces.symlink_to(measured)
    women = Selection((Filter("gender", "=", "female"),))
    at = open_page(sel=women.to_text())
    assert {m.label: m.value for m in at.metric}["Clips"] == "89 of 194"
    none = Selection((Filter("gender", "=", "nobody"),))
    at = open_page(sel=none.to_text())
    assert any("No clip is selected" in i.value for i in at.info)


def test_nothing_measured_gives_a_hint(workspaces):
    at = open_page()
    assert any("Nothing is measured" in i.value for i in at.info)
    assert not figures(at)


def test_an_empty_workspace_gives_a_hint(workspaces):
    Workspace.create(workspaces, recipe={"feature_set": "voice-v1"}, columns=["snr_db"])
    at = open_page()
    assert any("Nothing is measured" in i.value for i in at.info)


def test_missing_labels_and_speakers_are_said(workspaces):
    columns = ["f0_median_hz", "snr_db"]
    workspace = Workspace.create(workspaces, recipe={"feature_set": "voice-v1"}, columns=columns)
    table = pd.DataFrame({"clip_id": [f"c/{i:02d}" for i in range(40)], "path": None, "size": 1})
    table = table.assign(mtime_ns=1, text=None, gender=None, speaker_id=None)
    with workspace.writer() as writer:
        writer.set_catalogue(table)
        for unit in writer.missing():
            ids = [item["clip_id"] for item in unit.items]
            rows = [{"clip_id": c, "values": {"snr_db": float(i)}} for i, c in enumerate(ids)]
            writer.write(unit.number, rows)
    at = open_page()
    assert "speakers are not known" in cautions_of(at)
    assert {m.label: m.value for m in at.metric}["Hours"] == "not known"
    assert any("No label is known" in c.value for c in at.caption)
    assert len(figures(at)) == 1  # no clip has a pitch


def test_the_shown_code_makes_the_shown_numbers(workspaces, measured, tmp_path):
    workspaces.symlink_to(measured)
    at = open_page()
    code = next(c.value for c in at.code if "read_csv" in c.value)
    Workspace.open(measured).export(tmp_path / "demo_clips.csv")
    (tmp_path / "shown.py").write_text(code + '\nprint(quartiles.loc["f0_median_hz", 0.5])\n')
    command = [sys.executable, "shown.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    rows = at.dataframe[-1].value
    shown = rows.set_index("Feature").loc["Pitch, median (Hz)", "Median"]
    assert f"{float(done.stdout.split()[-1]):.4g}" == shown

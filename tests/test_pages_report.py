"""The report page, opened the way a visitor does: demo set, nothing measured, no labels."""

from functools import partial
import subprocess
import sys

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
import visit
from visit import DEMO, charts

from core.filters import Filter, Selection
from core.store import Workspace

pytestmark = pytest.mark.usefixtures("own_folders")
PAGE = "dataset/report.py"


open_page = partial(visit.open_page, PAGE)


def cautions_of(at: AppTest) -> str:
    return " ".join(m.value for m in at.expander[0].markdown)


def test_the_demo_set_has_a_report(on_demo):
    at = open_page()
    metrics = {m.label: m.value for m in at.metric}
    assert metrics["Clips"] == "194 of 194" and metrics["Speakers"] == "28"
    assert "Languages are uneven" in cautions_of(at)
    drawn = charts(at)
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


def test_the_split_changes_the_groups(on_demo):
    at = open_page()
    at.selectbox(key="report_split").set_value("nothing").run()
    assert not at.exception
    assert all(len(f["data"]) == 1 for f in charts(at).values())


def test_the_report_is_of_the_selection_in_the_address(on_demo):
    women = Selection((Filter("gender", "=", "female"),))
    at = open_page(sel=women.to_text())
    assert {m.label: m.value for m in at.metric}["Clips"] == "89 of 194"
    none = Selection((Filter("gender", "=", "nobody"),))
    at = open_page(sel=none.to_text())
    assert any("No clip is selected" in i.value for i in at.info)


def test_nothing_measured_gives_a_hint():
    at = open_page()
    assert any("Nothing is measured" in i.value for i in at.info)
    assert not charts(at)


def test_an_empty_workspace_gives_a_hint():
    Workspace.create(DEMO.workspace, recipe={"feature_set": "voice-v1"}, columns=["snr_db"])
    at = open_page()
    assert any("Nothing is measured" in i.value for i in at.info)


def test_missing_labels_and_speakers_are_said():
    columns = ["f0_median_hz", "snr_db"]
    workspace = Workspace.create(
        DEMO.workspace, recipe={"feature_set": "voice-v1"}, columns=columns
    )
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
    assert len(charts(at)) == 1  # no clip has a pitch


def test_the_shown_code_makes_the_shown_numbers(on_demo, tmp_path):
    at = open_page()
    code = next(c.value for c in at.code if "read_csv" in c.value)
    Workspace.open(DEMO.workspace).export(tmp_path / "demo_clips.csv")
    (tmp_path / "shown.py").write_text(code + '\nprint(quartiles.loc["f0_median_hz", 0.5])\n')
    command = [sys.executable, "shown.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    rows = at.dataframe[-1].value
    shown = rows.set_index("Feature").loc["Pitch, median (Hz)", "Median"]
    assert f"{float(done.stdout.split()[-1]):.4g}" == shown

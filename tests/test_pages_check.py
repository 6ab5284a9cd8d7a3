"""The page Check, its report and its picture, on recordings whose faults are known."""

from functools import partial
import json
import math
from pathlib import Path
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from visit import all_leave, open_page

from conftest import attach, voice
from core import audio, datasets, player, quality
from core.audio import ClipRef
from core.figures import quality as drawings
from core.quality import report as writing
from core.quality.report import Rank
from core.store import Workspace

pytestmark = pytest.mark.usefixtures("own_folders")
SVG = "{http://www.w3.org/2000/svg}"


open_check = partial(open_page, "recording/check.py")


def upload(at: AppTest, name: str, y: np.ndarray, sr: int = 16_000) -> None:
    attach(at, name, audio.encode_wav(y, sr=sr, bits=16))


def rows(at: AppTest) -> dict[str, dict]:
    """What the list of checks was given, by key."""
    mounted = [c.proto for c in at.get("bidi_component")]
    (found,) = [c for c in mounted if c.component_name == "phonoscope_checks"]
    return {row["key"]: row for row in json.loads(found.json)["rows"]}


def verdict(at: AppTest) -> str:
    return at.subheader[0].value.replace("\\", "")


def clipped(seconds: float = 3.0) -> np.ndarray:
    return np.clip(4 * voice(duration_s=seconds), -0.6, 0.6)


def with_click(sr: int = 16_000) -> np.ndarray:
    """A second of voice, and a click at 1.5 s in the quiet second after it."""
    y = np.concatenate([voice(duration_s=1.0), np.zeros(sr, np.float32)])
    y += 0.0005 * np.random.default_rng(0).standard_normal(y.size).astype(np.float32)
    y[24_000:24_008] += 0.4 * np.array([1, -1] * 4, np.float32)
    return y


def test_a_clean_recording_is_called_good_and_every_check_is_explained():
    at = open_check(clip="demo_clean")
    assert "Good" in verdict(at)
    found = rows(at)
    assert list(found) == sorted(found, key=lambda k: writing.ORDER.index(found[k]["verdict"]))
    assert set(found) == {spec.key for spec in quality.SPECS}
    for row in found.values():
        assert row["about"], row["key"]
        assert row["limits"] or row["key"] == "peak", row["key"]
        assert row["word"], row["key"]
    assert found["snr"]["limits"] == "Warns below 15 dB, fails below 5 dB."
    assert found["hum"]["limits"] == "Warns above −60 dBFS, fails above −30 dBFS."
    assert found["clipping"]["limits"] == "Warns above 0.02 %, fails above 1 %."
    assert found["peak"]["word"] == "Not judged"


def test_faults_come_first_with_their_place_and_cure():
    at = open_check(clip="demo_clipping")
    assert "Poor: clipped" in verdict(at)
    first = next(iter(rows(at).values()))
    assert first["key"] == "clipping"
    assert first["word"] == "Fails"
    assert "Record again" in first["advice"]
    start, end = first["worst"]
    assert 0 <= start <= end <= 3


def test_a_threshold_in_the_address_changes_the_verdict_and_reset_brings_it_back():
    at = open_check(clip="demo_clean", snr_warn="60")
    assert rows(at)["snr"]["verdict"] == "warn"
    assert "noisy" in verdict(at)
    assert any("1 of them changed" in c.value for c in at.caption)
    assert "snr_warn=60.0" in at.code[0].value
    at.button(key="check_reset").click().run()
    assert "Good" in verdict(at)
    assert not any("changed" in c.value for c in at.caption)


def test_shares_are_shown_and_set_in_per_cent():
    at = open_check(clip="demo_clean")
    assert at.number_input(key="clipping_warn").value == pytest.approx(0.02)
    assert rows(at)["speech_share"]["value"].endswith(" %")
    at.number_input(key="speech_share_warn").set_value(95.0).run()
    assert rows(at)["speech_share"]["verdict"] == "warn"
    assert "speech_share_warn=0.95" in at.code[0].value


def test_thresholds_that_contradict_give_a_sentence_and_stay_editable():
    at = open_check(clip="demo_clean", snr_warn="1")
    assert len(at.error) == 1
    assert "snr" in at.error[0].value
    at.number_input(key="snr_warn").set_value(20.0).run()
    assert not at.error
    assert "Good" in verdict(at)


def test_nonsense_in_the_address_falls_back_to_the_defaults():
    at = open_check(clip="../../etc/passwd", snr_warn="many")
    assert not at.error
    assert at.number_input(key="snr_warn").value == 15.0


def test_several_files_are_listed_worst_first():
    at = open_check()
    at.button_group(key="source").set_value("Upload").run()
    upload(at, "good.wav", voice(duration_s=3.0))
    assert not at.dataframe
    upload(at, "clipped.wav", clipped())
    table = at.dataframe[0].value
    assert list(table["File"]) == ["clipped.wav", "good.wav"]
    assert table["Verdict"].iloc[0] == "✕ Fails"
    assert table["Clipping (%)"].iloc[0] > 1


def test_a_file_that_breaks_later_gives_one_sentence(own_folders):
    at = open_check()
    at.button_group(key="source").set_value("Upload").run()
    upload(at, "voice.wav", voice(duration_s=2.0))
    all_leave()
    at = open_check()
    at.button_group(key="source").set_value("Upload").run()
    upload(at, "voice.wav", voice(duration_s=1.5))
    for path in own_folders.rglob("uploads/*/*"):
        path.write_bytes(b"RIFF\x00\x00\x00\x00WAVEnonsense" * 2000)
    at.number_input(key="snr_warn").set_value(16.0).run()
    assert not at.exception
    assert len(at.error) == 1
    assert "voice" in at.error[0].value


def test_a_hostile_name_is_shown_letter_by_letter():
    at = open_check()
    at.button_group(key="source").set_value("Upload").run()
    upload(at, "![x](http://h/x.png).wav", voice(duration_s=2.0))
    assert any("\\!\\[x\\]\\(" in m.value for m in at.markdown)


@pytest.mark.parametrize(
    "y",
    [np.zeros(16_000), np.full(16_000, 0.5), 0.3 * np.ones(4), np.zeros((2, 8_000))],
    ids=["silence", "dc", "four samples", "silent stereo"],
)
def test_odd_signals_are_checked_without_a_fault_of_ours(y, own_folders):
    at = open_check()
    at.button_group(key="source").set_value("Upload").run()
    upload(at, "odd.wav", y.astype(np.float32))
    assert not at.error
    assert len(rows(at)) == len(quality.SPECS)


def test_silence_is_not_judged():
    at = open_check()
    at.button_group(key="source").set_value("Upload").run()
    upload(at, "silence.wav", np.zeros(32_000, np.float32))
    assert "Nothing can be said" in verdict(at)
    assert rows(at)["snr"]["value"] == "–"


def test_recordings_made_in_the_browser_carry_the_mark():
    at = open_check()
    at.button_group(key="source").set_value("Upload").run()
    upload(at, "mine.wav", voice(duration_s=2.0))
    assert not any(row["tag"] for row in rows(at).values())
    from pages.shared import check_panels
    from pages.shared.inputs import Picked

    made = Picked(ClipRef("x", 1, 1), "Recording 1.wav", "r", own=True)
    assert isinstance(check_panels.processed(made), str)


def test_what_is_processed_by_the_browser_is_said_at_the_checks_it_spoils(monkeypatch):
    monkeypatch.setattr("pages.shared.check_panels.processed", lambda picked: "It was processed.")
    at = open_check(clip="demo_clean")
    assert any("It was processed" in w.value for w in at.warning)
    tagged = {key for key, row in rows(at).items() if row["tag"]}
    assert tagged == writing.PROCESSED


def test_a_long_recording_is_checked_whole_and_opened_in_parts(monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_MAX_MINUTES", "1.05")
    y = np.concatenate([voice(duration_s=63.5, sr=8_000), with_click()[::2]])
    at = open_check()
    at.button_group(key="source").set_value("Upload").run()
    upload(at, "long.wav", y, 8_000)
    click = rows(at)["clicks"]
    assert click["verdict"] == "warn"
    assert click["worst"] is None
    assert "not open" in click["elsewhere"]
    at.number_input(key="check_from").set_value(60.0).run()
    start, _ = rows(at)["clicks"]["worst"]
    assert start == pytest.approx(5.0, abs=0.05)


def workspace_of(folder: Path, values: dict[str, list[float]]) -> Workspace:
    """A workspace with these features."""
    n = len(next(iter(values.values())))
    found = Workspace.create(folder, recipe={"feature_set": "test-v1"}, columns=list(values))
    ids = [f"c/{i:03d}" for i in range(n)]
    labels = pd.DataFrame({"clip_id": ids, "path": "", "size": 1, "mtime_ns": 1, "text": None})
    with found.writer() as writer:
        writer.set_catalogue(labels, unit_size=n)
        for unit in writer.missing():
            made = [
                {
                    "clip_id": item["clip_id"],
                    "values": {k: v[ids.index(item["clip_id"])] for k, v in values.items()},
                }
                for item in unit.items
            ]
            writer.write(unit.number, made)
    return found


def test_values_are_ranked_among_the_clips_that_have_one(tmp_path):
    from pages.shared import cache_check

    loud = [-30.0, -28.0, -26.0, -26.0, -20.0, math.nan]
    found = workspace_of(tmp_path / "w", {"loudness_lufs": loud, "other": loud})
    place = (found.key, str(found.folder))
    assert cache_check.columns(*place, True) == {"loudness": "loudness_lufs"}
    assert cache_check.columns(*place, False) == {}
    names = (("loudness", "loudness_lufs"),)
    rank = cache_check.ranks(*place, names, (-26.0,))["loudness"]
    assert rank == Rank(lower=2, same=2, clips=5)
    assert rank.percentile == 60.0
    assert writing.rank_text(rank) == "higher than 40 % of 5 clips"
    assert writing.rank_text(Rank(0, 99, 100)) == "the same as 99 % of 100 clips"
    assert cache_check.ranks(*place, (), ()) == {}


def test_columns_of_checks_are_compared_with_before_those_of_features(tmp_path, monkeypatch):
    from pages.shared import cache_check

    found = workspace_of(tmp_path / "w", {"loudness_lufs": [-30.0], "peak_dbfs": [-1.0]})
    names = ("check_loudness_lufs", "check_hum_dbfs", "check_hum_hz", "check_clipping_share")
    monkeypatch.setattr(Workspace, "check_columns", lambda self: names)
    assert cache_check.columns(found.key, str(found.folder), True) == {
        "loudness": "check_loudness_lufs",
        "peak": "peak_dbfs",
        "hum": "check_hum_dbfs",
        "clipping": "check_clipping_share",
    }


def test_the_data_set_opened_last_is_compared_with_when_it_is_measured():
    from pages.shared import data

    at = open_check(clip="demo_low_level")
    assert any("Nothing to compare with yet" in c.value for c in at.caption)
    chosen = data.Chosen(str(datasets.demo_folder()), "voice-v1", "")
    workspace_of(chosen.workspace, {"loudness_lufs": [-30.0, -28.0], "peak_dbfs": [-50.0, -1.0]})
    at = open_check(clip="demo_low_level")
    assert rows(at)["loudness"]["rank"] == "Higher than 0 % of 2 clips"
    assert rows(at)["peak"]["rank"] == "Higher than 50 % of 2 clips"
    assert any("demo" in c.value and "core check --workspace" in c.value for c in at.caption)


def test_a_damaged_workspace_does_not_stop_the_check():
    from pages.shared import data

    folder = data.Chosen(str(datasets.demo_folder()), "voice-v1", "").workspace
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{")
    at = open_check(clip="demo_clean")
    assert not at.error
    assert "Good" in verdict(at)


def test_the_report_is_one_page_without_scripts_or_addresses_and_escapes_names():
    found = quality.check(clipped(), 16_000)
    page = writing.to_html(
        found,
        name='<img src=x onerror="alert(1)">',
        ranks={"snr": Rank(1, 0, 4)},
        among="<b>set</b>",
        note="<i>",
        made="<u>",
    ).decode()
    assert "<img" not in page
    assert "<script" not in page
    assert "http" not in page
    for tag in ("<b>set", "<i>", "<u>"):
        assert tag not in page
    assert "higher than 25 % of 4 clips" in page
    for spec in quality.SPECS:
        assert spec.label in page
    assert page.index("Clipping") < page.index("Active speech level")


def test_rows_of_the_report_have_as_many_cells_as_its_head():
    found = quality.check(voice(duration_s=2.0), 16_000)
    for ranks in ({}, {"snr": Rank(1, 0, 4)}):
        page = writing.to_html(found, name="x", ranks=ranks).decode()
        head, *body = page.split("<tr>")[1:]
        assert all(row.count("<td") == head.count("<th") for row in body)


def test_the_json_has_every_check_and_null_for_what_is_not_known():
    found = quality.check(np.zeros(16_000, np.float32), 16_000)
    told = json.loads(writing.to_json(found, name="s.wav"))
    assert told["verdict"] == "unknown"
    assert set(told["checks"]) == {spec.key for spec in quality.SPECS}
    assert told["checks"]["snr"]["value"] is None
    assert told["checks"]["snr"]["warn"] == 15.0


def test_the_picture_marks_a_click_where_it_is():
    y = with_click()
    found = quality.check(y, 16_000)
    assert found["clicks"].verdict == "warn"
    drawn = ET.fromstring(drawings.picture(player.summarise(y, sr=16_000), found))
    expected = drawings.LEFT + 1.5 / 2.0 * drawings.COLUMNS
    near = [r for r in drawn.iter(f"{SVG}rect") if abs(float(r.get("x")) - expected) < 12]
    assert len(near) == 2
    assert "Clicks at 1 place," in drawn.get("aria-label")


def test_the_picture_of_a_part_begins_at_its_start():
    y = with_click()
    found = quality.check(y, 16_000)
    part = player.summarise(y[16_000:], sr=16_000)
    drawn = ET.fromstring(drawings.picture(part, found, start_s=1.0))
    expected = drawings.LEFT + 0.5 * drawings.COLUMNS
    assert any(abs(float(r.get("x")) - expected) < 12 for r in drawn.iter(f"{SVG}rect"))
    ticks = [t.text for t in drawn.iter(f"{SVG}text")]
    assert "1.2" in ticks
    assert "0.2" not in ticks


@pytest.mark.parametrize("y", [np.zeros(8_000), np.ones(1)], ids=["silence", "one sample"])
def test_the_picture_of_odd_signals_is_well_formed(y):
    y = y.astype(np.float32)
    drawn = drawings.picture(player.summarise(y, sr=16_000), quality.check(y, 16_000))
    assert "nan" not in drawn.split("href")[0]
    ET.fromstring(drawn)


def test_the_code_shown_makes_the_same_report(wav, monkeypatch, capsys):
    from pages.shared import check_panels

    path = wav(clipped(), "it's.wav")
    limits = quality.CheckParams(clipping_fail=math.nan, snr_warn=1000.0)
    monkeypatch.chdir(path.parent)
    exec(check_panels.code(path.name, limits), {})
    assert quality.check_file(ClipRef.of(path), limits).sentence in capsys.readouterr().out


def test_a_place_too_short_to_be_seen_is_drawn_longer_within_the_open_part():
    from pages.shared import check_panels

    assert check_panels._seen(5.0, 5.0, 0.0, 10.0) == pytest.approx((4.975, 5.025))
    assert check_panels._seen(2.0, 5.0, 0.0, 10.0) == (2.0, 5.0)
    assert check_panels._seen(60.0, 60.0, 60.0, 70.0) == pytest.approx((0.0, 0.025))
    assert check_panels._seen(50.0, 65.0, 60.0, 70.0) == (0.0, 5.0)

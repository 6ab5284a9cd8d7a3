"""The label from the recording alone: noticed where it is planted, silent where it is not."""

import numpy as np
import pandas as pd
import pytest

from core.errors import ParameterError
from core.models import shortcuts
from core.models.base import Table, TrainParams
from core.store import Workspace

PARAMS = TrainParams("gender", model="logreg", n_splits=4)


def table(n: int = 240, speakers: int = 60, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    who = np.arange(n) % speakers
    y = np.where(np.arange(speakers) % 2, "male", "female").astype(object)[who]
    names = np.array([f"s{i}" for i in who], dtype=object)
    ids = np.array([f"set/{i:03d}" for i in range(n)], dtype=object)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    return Table(X, y, names, ids, ("a", "b", "c"), {}, {})


def recording(t: Table, *, planted: bool, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = t.y.size
    codec = np.where(rng.random(n) < 0.5, "mp3", "wav")
    level = rng.normal(-20, 3, n)
    if planted:
        codec = np.where(rng.random(n) < 0.8, np.where(t.y == "male", "mp3", "wav"), codec)
    level[::9] = np.nan
    return pd.DataFrame({"rms_dbfs": level, "codec": codec}, index=t.clip_ids)


def test_a_planted_shortcut_is_noticed():
    t = table()
    found = shortcuts.shortcut_check(recording(t, planted=True), t, PARAMS)
    assert found.warns
    assert found.score.low > 0.7 and found.chance == 0.5
    assert found.alone[0].column == "codec"
    assert abs(found.alone[1].score.value - 0.5) < 0.15
    assert "from rms dbfs, codec" in found.sentence
    assert "learnt that instead of the voice" in found.sentence


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_shortcut_gives_no_warning(seed):
    t = table()
    found = shortcuts.shortcut_check(recording(t, planted=False, seed=seed), t, PARAMS)
    assert not found.warns
    assert "offer no shortcut" in found.sentence


def test_the_voice_is_not_looked_at():
    t = table()
    t.X[:, 0] = t.y == "male"
    found = shortcuts.shortcut_check(recording(t, planted=False), t, PARAMS)
    assert not found.warns


def test_years_are_compared_with_guessing_the_median():
    t = table()
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 60, 60)[np.arange(240) % 60]
    params = TrainParams("age_years", model="ridge", n_splits=4)
    told = pd.DataFrame({"duration_s": age / 10 + 0.1 * rng.normal(size=240)})
    found = shortcuts.shortcut_check(told, t._replace(y=age), params)
    assert found.years and found.warns
    assert found.score.high < found.chance
    assert "years" in found.sentence


def test_a_split_by_clip_is_named():
    t = table()
    params = TrainParams("gender", model="logreg", n_splits=4, split="clip")
    found = shortcuts.shortcut_check(recording(t, planted=True), t, params)
    assert "Its split is by clip" in found.sentence


def test_nothing_about_the_recording_is_said():
    t = table()
    with pytest.raises(ParameterError, match="Nothing here describes the recording"):
        shortcuts.shortcut_check(pd.DataFrame(index=t.clip_ids), t, PARAMS)


@pytest.fixture
def workspace(tmp_path):
    names = ["a.mp3", "b.WAV", "c.wav"]
    catalogue = pd.DataFrame(
        {
            "clip_id": [f"set/{n[0]}" for n in names],
            "path": [f"/x/{n}" for n in names],
            "size": [8000, 16000, 16000],
            "mtime_ns": 7,
            "text": None,
        }
    )
    columns = ("duration_s", "rms_dbfs", "snr_db", "f0_median_hz", "syllable_count")
    made = Workspace.create(tmp_path / "w", recipe={"feature_set": "voice-v1"}, columns=columns)
    with made.writer() as writer:
        writer.set_catalogue(catalogue)
        for unit in writer.missing():
            rows = [
                {
                    "clip_id": item["clip_id"],
                    "values": dict(zip(columns, (i, -20, i, i, i), strict=True)),
                }
                for i, item in enumerate(unit.items, 1)
            ]
            writer.write(unit.number, rows)
    return made


def test_columns_of_the_recording_hold_no_voice(workspace):
    found = shortcuts.recording_columns(workspace, ["set/c", "set/a", "set/b"])
    assert found.index.tolist() == ["set/c", "set/a", "set/b"]
    assert set(found) == {"duration_s", "snr_db", "File type", "Bit rate (kbit/s)"}
    assert found.loc["set/b", "File type"] == "wav"
    assert found.loc["set/b", "Bit rate (kbit/s)"] == pytest.approx(64.0)

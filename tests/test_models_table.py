"""What a model learns from: the right columns of the right clips, and sentences where it cannot."""

import numpy as np
import pandas as pd
import pytest

from core.errors import ParameterError
from core.features import feature_set
from core.filters import Filter, Selection
from core.models import table
from core.models.base import TrainParams
from core.models.table import RECORDING, TEXT, learn_table
from core.notes import Notes
from core.store import Workspace

ALL = Selection()
COLUMNS = ("duration_s", "f0_median_hz", "hnr_db", "words_count", "mfcc00_mean", "mfcc01_sd")
N = 60


def store(folder, n: int = N, columns=COLUMNS, **changes) -> Workspace:
    """Twenty speakers of three clips: half women, three decades; column j of clip i is i + j/10."""
    who = np.arange(n) // 3
    labels = {
        "speaker_id": [f"s{w}" for w in who],
        "gender": np.where(who % 2, "male", "female"),
        "age": np.array(["twenties", "thirties", "fourties"], object)[who % 3],
        "age_decade": np.array([20.0, 30.0, 40.0])[who % 3],
        "accent": np.array(["us", "uk", "au"], object)[who % 3],
    } | changes
    ids = [f"c/{i:03d}" for i in range(n)]
    catalogue = pd.DataFrame({"clip_id": ids, "path": None, "size": 1, "mtime_ns": 1, "text": None})
    made = Workspace.create(
        folder,
        recipe={"feature_set": "test-v1", "feature_set_version": "1"},
        columns=columns,
        vectors={"mel_strength": 4},
    )
    with made.writer() as writer:
        writer.set_catalogue(catalogue.assign(**labels), unit_size=64)
        for unit in writer.missing():
            rows = []
            for item in unit.items:
                i = int(item["clip_id"][2:])
                values = {c: i + j / 10 for j, c in enumerate(columns)}
                values["hnr_db"] = float("nan") if i == 4 else i
                mel = {"mel_strength": np.arange(4, dtype=np.float32) - i}
                rows.append({"clip_id": item["clip_id"], "values": values, "vectors": mel})
            writer.write(unit.number, rows)
    return made


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return store(tmp_path_factory.mktemp("table") / "w")


def learn(workspace, target="gender", inputs=("features", "mfcc"), selection=ALL, **more):
    features = more.pop("features", None)
    params = TrainParams(target, inputs, **more)
    return learn_table(workspace, selection, params, features=features)


def test_the_columns_are_those_of_the_voice(workspace):
    found = learn(workspace)
    assert found.columns == ("f0_median_hz", "hnr_db", "mfcc01_sd")
    assert found.blocks == {"features": slice(0, 2), "mfcc": slice(2, 3)}
    assert found.X.dtype == np.float32
    assert found.X.shape == (N, 3)
    assert np.allclose(found.X[7], [7.1, 7, 7.5])
    assert np.flatnonzero(np.isnan(found.X)).tolist() == [3 * 4 + 1]
    assert found.clip_ids[7] == "c/007" and found.speakers[7] == "s2" and found.y[7] == "female"


def test_columns_can_be_named_and_then_those_of_the_recording_too(workspace):
    found = learn(workspace, inputs=("features",), features=("duration_s", "hnr_db"))
    assert found.columns == ("duration_s", "hnr_db")
    with pytest.raises(ParameterError, match="There is no feature loudness"):
        learn(workspace, inputs=("features",), features=("loudness",))


def test_every_column_of_the_recording_and_the_text_exists():
    names = {*feature_set("voice-v1").names, *feature_set("article-v1").names}
    assert {*RECORDING, *TEXT} <= names


def test_mel_strengths_and_labels_stand_beside_features(workspace):
    found = learn(workspace, "age", ("features", "label:gender", "mel", "label:accent"))
    assert found.columns[2] == "label:gender"
    assert found.blocks["mel"] == slice(3, 7)
    assert np.array_equal(found.X[6, 3:7], np.arange(4) - 6)
    assert found.X[0, 2] == 1 and found.X[3, 2] == 0  # female 1, male 0
    assert found.columns[7:] == ("label:accent=au", "label:accent=uk", "label:accent=us")
    assert found.X[:, 7:].sum(axis=1).tolist() == [1] * N


def test_a_selection_chooses_the_clips(workspace):
    found = learn(workspace, selection=Selection((Filter("age", "in", ("twenties", "thirties")),)))
    assert found.y.size == 42
    assert found.about["selection"] == "age twenties or thirties"


def test_ages_are_decades_in_words_or_the_middle_in_years(workspace):
    assert set(learn(workspace, "age").y) == {"twenties", "thirties", "fourties"}
    years = learn(workspace, "age_years")
    assert years.y.dtype == np.float64
    assert set(years.y) == {25.0, 35.0, 45.0}
    assert "middle of the decade" in years.about["years"]


def test_ages_in_numbers_are_taken_as_they_are(tmp_path):
    ages = [str(20 + i // 3 % 21) for i in range(N)]
    decades = [float(a) // 10 * 10 for a in ages]
    made = store(tmp_path / "w", age=ages, age_decade=decades)
    assert learn(made, "age_years").y.tolist() == [float(a) for a in ages]
    assert set(learn(made, "age").y) == {"20s", "30s"}


def test_a_tag_is_a_target(tmp_path):
    made = store(tmp_path / "w")
    Notes(made.folder).tag_all([f"c/{i:03d}" for i in range(0, N, 2)], "creaky")
    assert "tag:creaky" in table.targets(made)
    found = learn(made, "tag:creaky")
    assert set(found.y[::2]) == {"creaky"} and set(found.y[1::2]) == {"not creaky"}


def test_clips_without_the_target_and_rare_values_are_left_out_and_told(tmp_path):
    gender = np.where(np.arange(N) // 3 % 2, "male", "female").astype(object)
    gender[:3], gender[3] = "other", None
    found = learn(store(tmp_path / "w", gender=gender))
    assert found.y.size == N - 4
    assert found.about["left_out"] == {"without the target": 1, "other: too few speakers": 3}
    assert found.about["classes"]["male"] == {"clips": 29, "speakers": 10}
    assert found.about["speakers"] == 19


def test_a_workspace_without_speakers_has_none(tmp_path):
    found = learn(store(tmp_path / "w", speaker_id=[None] * N), split="clip")
    assert found.speakers is None
    assert found.about["anonymous"] == N


def test_the_fingerprint_is_of_the_content(workspace):
    one, same = learn(workspace), learn(workspace, seed=5)
    other = learn(workspace, inputs=("features",))
    assert one.about["fingerprint"] == same.about["fingerprint"] != other.about["fingerprint"]


@pytest.mark.parametrize(
    ("target", "inputs", "more", "says"),
    [
        ("mood", ("features",), {}, "Unknown target mood: choose one of"),
        ("path", ("features",), {}, "Unknown target path"),
        ("gender", ("smell",), {}, "Unknown input smell"),
        ("gender", (), {}, "A model needs inputs"),
        ("gender", ("label:gender",), {}, "is the target itself"),
        ("age", ("label:age_decade",), {}, "is the target itself"),
        ("gender", ("label:mood",), {}, "There is no label mood"),
        ("gender", ("image",), {}, "python -m core mels"),
        ("gender", ("embedding",), {}, "no embeddings"),
        ("gender", ("features",), {"n_splits": 15}, "10 speakers are too few for 15 folds"),
        ("speaker_id", ("features",), {}, "can only be learnt split by clip"),
    ],
)
def test_what_cannot_be_learnt_is_told(workspace, target, inputs, more, says):
    with pytest.raises(ParameterError, match=says):
        learn(workspace, target, inputs, **more)


def test_one_value_alone_cannot_be_learnt(workspace):
    with pytest.raises(ParameterError, match="All clips have the same gender"):
        learn(workspace, selection=Selection((Filter("gender", "=", "male"),)))
    with pytest.raises(ParameterError, match="No selected clip is left"):
        learn(workspace, selection=Selection((Filter("gender", "=", "nobody"),)))


def test_an_input_of_another_feature_set_is_told_with_the_command(tmp_path):
    made = store(tmp_path / "w", columns=("hnr_db", "f0_median"))
    with pytest.raises(ParameterError, match="'mfcc' is not in this workspace: extract it with"):
        learn(made)
    assert table.default_inputs(made) == ("features", "mel")


def test_pictures_are_inputs_in_decibels(tmp_path, wav):
    from conftest import voice
    from core.datasets import open_dataset
    from core.eda import mel_images
    from core.extract import extract_dataset

    for i in range(8):
        wav(voice(100 + 10 * i, 0.4, seed=i), f"d/{i}.wav")
    extract_dataset(open_dataset(tmp_path / "d", "folder"), tmp_path / "w", workers=1)
    mel_images.make(tmp_path / "w", workers=1)
    made = Workspace.open(tmp_path / "w")
    ids = made.features(["clip_id"])["clip_id"]
    Notes(made.folder).tag_all(ids[:4], "low")
    found = learn(made, "tag:low", ("image",), split="clip", n_splits=2)
    assert found.X.shape == (8, 128 * 93)
    assert found.X.min() == -80 and found.X.max() == 0
    assert found.columns[93] == "image_001_00"

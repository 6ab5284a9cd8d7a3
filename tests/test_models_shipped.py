"""The model that comes with the program."""

import json
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from synthetic_voice import synthetic_voice

from conftest import SR, voice
from core import cli
from core.errors import ModelError
from core.models import evaluate, predict, shipped
from core.store import Workspace
from models import voices

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def loaded():
    return shipped.shipped()


def test_it_is_small_and_its_card_says_what_it_is(loaded):
    assert shipped.PATH.stat().st_size < 3_000_000
    card = loaded.card
    assert card["labels"] == ["female", "male"]
    assert card["sources"]["common_voice"]["speakers"] > 600
    assert card["scores"]["Balanced accuracy"]["low"] > 0.9
    assert any("not an identity" in limit for limit in card["limits"])
    assert {"Chance", "Pitch only"} <= set(card["baselines"])


def test_it_beats_pitch_alone_on_speakers_held_out(loaded):
    card = loaded.card
    assert card["scores"]["Balanced accuracy"]["value"] > card["baselines"]["Pitch only"]["value"]


def test_no_input_follows_level_length_or_noise(loaded):
    told = ("dbfs", "lufs", "duration", "snr", "noise", "share", "count", "rate_hz", "mfcc00")
    assert not [c for c in loaded.trained.columns if any(word in c for word in told)]


def test_its_card_tells_what_raised_voices_and_whispers_cost(loaded):
    card = loaded.card
    assert card["whispered"]["answered"] < 0.02
    assert 0.8 < card["conditions"]["excited"] < card["conditions"]["clean"]
    bounds = card["without_them"].values()
    assert all(b["value"] >= card["repeats"][0] for b in bounds)


def test_a_whispered_voice_gets_no_answer(loaded):
    y = voices.whispered(synthetic_voice(120, 3.0).y, np.random.default_rng(0))
    found = predict.predict(loaded, (y.astype(np.float32), SR))
    assert found.abstained
    assert "voice" in found.reasons[0]


@pytest.mark.parametrize(("name", "label"), [("low", "male"), ("high", "female")])
def test_it_answers_about_a_recording_out_of_the_box(name, label, capsys):
    clips = demo_clips(label)
    assert cli.main(["predict", *map(str, clips)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == len(clips)
    said = [line["label"] for line in lines if not line["abstained"]]
    assert all(word == label for word in said)


def demo_clips(gender):
    from core.datasets import open_dataset

    table = open_dataset(ROOT / "demo").catalogue()
    return table[table["gender"] == gender]["path"].tolist()[:4]


def test_noise_and_silence_get_no_answer(loaded):
    rng = np.random.default_rng(0)
    for y in (np.zeros(SR), 0.1 * rng.standard_normal(2 * SR)):
        assert predict.predict(loaded, (y.astype(np.float32), SR)).abstained


def test_the_answer_does_not_depend_on_gain(loaded):
    y = voice(120, 2.0)
    loud, soft = (predict.predict(loaded, (g * y, SR)).probabilities["male"] for g in (1, 0.1))
    assert loud == pytest.approx(soft, abs=0.02)


def test_another_feature_set_is_refused_with_a_sentence(loaded, tmp_path):
    columns = ("f0_median",)
    recipe = {"feature_set": "article-v1", "feature_set_version": "1", "clean": None}
    workspace = Workspace.create(tmp_path / "w", recipe=recipe, columns=columns)
    with pytest.raises(ModelError, match="article-v1"):
        evaluate.evaluate(loaded, workspace)


def test_evaluating_on_training_voices_warns(loaded, shared, capsys, tmp_path):
    from core.datasets import open_dataset
    from core.extract import extract_dataset

    folder = tmp_path / "w"
    extract_dataset(open_dataset(shared / "common_voice"), folder, workers=1, limit=24)
    model = str(shipped.PATH)
    assert cli.main(["evaluate", model, "--workspace", str(folder), "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert "were in the training" in said.err
    assert found["scores"]["balanced_accuracy"]["value"] > 0.8
    assert sum(map(sum, found["confusion"])) == found["clips"]


def test_importing_it_loads_no_heavy_library():
    code = (
        "import sys, core.models.predict, core.models.shipped, core.cli.models_use; "
        "print([m for m in ('sklearn','scipy','skops','onnxruntime','pandas') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert told.stdout.strip() == "[]", told.stderr

"""Answers for new voices: what is said, when nothing is said, and why."""

from dataclasses import replace
import json
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
import pandas as pd
import pytest

from conftest import SR, tone, voice
from core import cli
from core.errors import ModelError, ParameterError
from core.filters import Selection
from core.models import _inputs, card, embeddings, evaluate, files, predict, robust
from core.models.base import Predictions, Table, Trained, TrainParams
from core.models.table import learn_table
from core.models.train import train
from core.store import Workspace

COLUMNS = ("f0_median_hz", "f0_p05_hz", "f0_p95_hz", "spectral_tilt_db_oct", "mfcc01_mean")
ABOUT = {"data": "made", "feature_set": "voice-v1", "feature_set_version": "1"}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A model of low and high synthetic voices, 20 speakers, trained on what is measured."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    f0 = np.concatenate([np.linspace(85, 140, 10), np.linspace(180, 260, 10)])
    X = [heard(voice(f, 1.5, seed=i)).x for i, f in enumerate(f0)]
    X = np.stack(X + [heard(voice(f * 1.02, 1.2, seed=90 + i)).x for i, f in enumerate(f0)])
    y = np.tile(np.repeat(["low", "high"], 10), 2).astype(object)
    speakers = np.tile([f"s{i}" for i in range(20)], 2).astype(object)
    ids = np.array([f"made/{i}" for i in range(40)], dtype=object)
    table = Table(X, y, speakers, ids, COLUMNS, {}, ABOUT)
    codes = (y == "low").astype(int)
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=0.3))
    model.fit(X, codes)
    labels = ("high", "low")
    prob = model.predict_proba(X).astype(np.float32)
    out = Predictions(ids, y, prob, labels, speakers, np.zeros(40, np.int16))
    trained = Trained(TrainParams("pitch"), model, labels, COLUMNS, out, 1.0, None, ABOUT)
    path = tmp_path_factory.mktemp("model") / "low-high"
    return files.load(files.save(trained, table, path))


def heard(y):
    return _inputs.heard(y, sr=SR, about=ABOUT, columns=COLUMNS)


@pytest.mark.parametrize(("f0", "label"), [(100, "low"), (230, "high")])
def test_a_voice_is_told_by_its_pitch(loaded, f0, label):
    found = predict.predict(loaded, (voice(f0, 1.5, seed=7), SR))
    assert found.label == label
    assert not found.abstained, found.reasons
    assert found.probability > 0.9
    assert sum(found.probabilities.values()) == pytest.approx(1)


def test_an_answer_rests_on_the_pitch_most(loaded):
    found = predict.predict(loaded, (voice(100, 1.5, seed=7), SR))
    first = found.rests_on[0]
    assert (first.name, first.label, first.unit) == ("f0", "Pitch", "Hz")
    assert first.value == pytest.approx(100, abs=2)
    assert first.contribution > 0
    assert first.contribution == max(abs(g.contribution) for g in found.rests_on)
    assert [g.name for g in found.rests_on].count("f0") == 1


def test_a_contribution_is_the_change_of_log_odds(loaded):
    y = voice(100, 1.5, seed=7)
    found = predict.predict(loaded, (y, SR))
    x = heard(y).x
    usual = np.where(np.isin(COLUMNS, COLUMNS[:3]), loaded.seen.centre, x)
    p = predict.ask(loaded, np.stack([x, usual]))[:, loaded.trained.labels.index("low")]
    odds = np.log(p / (1 - p))
    assert found.rests_on[0].contribution == pytest.approx(odds[0] - odds[1], abs=1e-6)


def test_the_nearest_clips_are_of_the_same_pitch_and_in_order(loaded):
    found = predict.predict(loaded, (voice(100, 1.5, seed=7), SR))
    assert len(found.nearest) == 5
    assert {near.label for near in found.nearest} == {"low"}
    distances = [near.distance for near in found.nearest]
    assert distances == sorted(distances)


def test_a_training_clip_is_its_own_nearest(loaded):
    found = predict.predict(loaded, (voice(85, 1.5, seed=0), SR))
    assert found.nearest[0].clip_id == "made/0"
    assert found.nearest[0].distance < 0.06  # rows are kept in twelfths


def test_the_answer_does_not_depend_on_level_channels_or_rate(loaded):
    y = voice(110, 1.5, seed=3)
    first = predict.predict(loaded, (y, SR))
    half = predict.predict(loaded, (0.2 * y, SR))
    stereo = predict.predict(loaded, (np.stack([y, y]), SR))
    assert half.probability == pytest.approx(first.probability, abs=0.02)
    assert stereo.probability == pytest.approx(first.probability, abs=1e-6)


def test_a_temperature_flattens_the_probabilities(loaded):
    hot = files.Loaded(
        Trained(**{**loaded.trained.__dict__, "temperature": 3.0}),
        loaded.seen,
        loaded.card,
        loaded.neighbours,
    )
    what = (voice(140, 1.5, seed=5), SR)
    first, flat = predict.predict(loaded, what), predict.predict(hot, what)

    def odds(p):
        return np.log(p / (1 - p))

    assert odds(flat.probability) == pytest.approx(odds(first.probability) / 3, rel=0.01)


def test_silence_gives_no_answer(loaded):
    found = predict.predict(loaded, (np.zeros(SR, np.float32), SR))
    assert found.abstained
    assert found.label is None
    assert found.reasons == ("Too little speech (0.0 s).",)


def test_a_moment_of_speech_is_too_little(loaded):
    y = np.concatenate([np.zeros(SR // 2), voice(100, 0.25), np.zeros(SR // 2)]).astype(np.float32)
    found = predict.predict(loaded, (y + 1e-4 * np.random.default_rng(0).normal(size=y.size), SR))
    assert found.abstained
    assert found.reasons[0].startswith("Too little speech (0.")


def test_what_was_never_heard_gets_no_answer(loaded):
    whistle = tone(480, 1.5)
    found = predict.predict(loaded, (whistle, SR))
    assert found.abstained
    assert any("Unlike anything" in reason for reason in found.reasons)


def test_a_threshold_withholds_what_is_not_sure(loaded):
    what = (voice(160, 1.5, seed=2), SR)
    open_ = predict.predict(loaded, what, threshold=0.0)
    strict = predict.predict(loaded, what, threshold=1.0)
    assert strict.abstained
    assert strict.label == open_.label
    assert any("is below 1.00" in reason for reason in strict.reasons)
    assert not any("is below" in reason for reason in open_.reasons)


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_a_threshold_outside_0_to_1_is_refused(loaded, threshold):
    with pytest.raises(ParameterError, match="choose 0 to 1"):
        predict.predict(loaded, (voice(100), SR), threshold=threshold)


def test_clipping_is_remarked_on(loaded):
    y = np.clip(4 * voice(110, 1.5), -0.5, 0.5)
    found = predict.predict(loaded, (y, SR))
    assert any("clipped" in reason for reason in found.reasons)
    clean = predict.predict(loaded, (voice(110, 1.5), SR))
    assert not any("clipped" in reason for reason in clean.reasons)


def test_probability_over_time_follows_two_speakers(loaded):
    y = np.concatenate([voice(100, 3.0), voice(230, 3.0)])
    found = predict.over_time(loaded, (y, SR))
    low = found.prob[:, found.labels.index("low")]
    middles = (found.start + found.end) / 2
    assert (low[middles < 2.3] > 0.5).all()
    assert (low[middles > 3.7] < 0.5).all()
    assert (np.diff(found.start) >= 0).all()
    assert found.prob.shape == (len(found.start), 2)


def test_windows_hold_a_second_of_speech_and_reach_over_pauses():
    starts, ends = predict._windows(np.array([[0.5, 1.5], [2.0, 3.0]]))
    np.testing.assert_allclose(starts, [0.5, 1.0, 2.0])
    np.testing.assert_allclose(ends, [1.5, 2.5, 3.0])


def test_no_speech_has_no_windows(loaded):
    assert len(predict.over_time(loaded, (np.zeros(SR, np.float32), SR)).start) == 0


def test_the_answer_survives_denoising_trimming_and_a_telephone(loaded):
    y = np.concatenate([np.zeros(SR // 2, np.float32), voice(105, 1.5, seed=4)])
    found = robust.survives(loaded, y, SR)
    assert [s.name for s in found] == ["denoise", "trim", "telephone"]
    assert found[0].same and found[1].same
    assert abs(found[1].moved) < 0.1
    assert {s.answer.label for s in found} <= {"low", "high"}


def test_a_telephone_keeps_its_band_and_nothing_else():
    for f0, kept in ((1000, True), (100, False), (3900, False)):
        out, sr = robust.telephone(tone(f0), SR)
        assert sr == 8000
        level = np.sqrt(np.mean(out[500:] ** 2)) / np.sqrt(np.mean(tone(f0) ** 2))
        assert (level > 0.9) if kept else (level < 0.3)


def test_many_files_are_one_table_and_a_bad_one_a_row(loaded, wav, tmp_path):
    good = wav(voice(100, 1.5), "a.wav")
    bad = tmp_path / "b.wav"
    bad.write_bytes(b"no sound")
    found = predict.predict_many(loaded, [good, bad, tmp_path / "none.wav"])
    assert found["file"].tolist() == [str(good), str(bad), str(tmp_path / "none.wav")]
    assert found["label"].tolist()[0] == "low"
    assert found["error"].tolist()[0] == ""
    assert all(found["error"].tolist()[1:])
    assert found["p_low"][0] + found["p_high"][0] == pytest.approx(1)


def test_a_model_that_needs_labels_names_them(loaded):
    columns = ("label:accent=us", "label:accent=uk", "f0_median_hz", "label:gender")
    with pytest.raises(ModelError, match=r"labels as inputs \(accent, gender\), and a new"):
        _inputs.heard(voice(), sr=SR, about=ABOUT, columns=columns)
    labelled = replace(loaded, trained=replace(loaded.trained, columns=columns))
    for ask in (predict.predict, predict.over_time):
        with pytest.raises(ModelError, match="accent, gender"):
            ask(labelled, (voice(), SR))


def test_predict_on_the_command_line_prints_a_line_for_each_file(
    loaded, wav, tmp_path, capsys, monkeypatch
):
    path = tmp_path / "model"
    table = table_of(loaded)
    files.save(loaded.trained, table, path)
    good, bad = wav(voice(100, 1.5), "a.wav"), tmp_path / "b.wav"
    bad.write_bytes(b"no sound")
    assert cli.main(["predict", str(path), str(good), str(bad)]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["label"] == "low"
    assert lines[0]["abstained"] is False
    assert 0.5 < lines[0]["probability"] <= 1
    assert set(lines[1]) == {"file", "error"}
    assert cli.main(["predict", "--model", str(path), str(good)]) == 0
    assert json.loads(capsys.readouterr().out) == lines[0]


def test_a_hostile_model_on_the_command_line_is_one_sentence(wav, tmp_path, capsys):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    assert cli.main(["predict", str(path), str(wav(voice()))]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "not a model of this program" in said.err


def table_of(loaded):
    n = len(loaded.neighbours.clip_ids)
    X = loaded.neighbours.rows * loaded.seen.scale + loaded.seen.centre
    speakers = np.array([f"s{i}" for i in range(n)], dtype=object)
    return Table(X, loaded.neighbours.y, speakers, loaded.neighbours.clip_ids, COLUMNS, {}, ABOUT)


# --- models that hear with a pretrained network ---------------------------------------------------


def ear(scale: float = 1.0) -> bytes:
    """A network of a waveform: its power, and its slope's share of that, times ``scale``."""
    node = helper.make_node
    nodes = [
        node("Slice", ["x", "one", "end"], ["later"]),
        node("Slice", ["x", "zero", "last"], ["earlier"]),
        node("Sub", ["later", "earlier"], ["slope"]),
        node("Mul", ["x", "x"], ["square"]),
        node("Mul", ["slope", "slope"], ["steep"]),
        node("ReduceMean", ["square"], ["power"], axes=[0]),
        node("ReduceMean", ["steep"], ["change"], axes=[0]),
        node("Div", ["change", "power"], ["bright"]),
        node("Concat", ["power", "bright"], ["both"], axis=0),
        node("Mul", ["both", "scale"], ["embedding"]),
    ]
    ends = {"zero": 0, "one": 1, "last": -1, "end": 10**9}
    weights = [numpy_helper.from_array(np.array([v]), name) for name, v in ends.items()]
    weights.append(numpy_helper.from_array(np.array([scale], np.float32), "scale"))
    graph = helper.make_graph(
        nodes,
        "ear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [2])],
        weights,
    )
    opsets = [helper.make_opsetid("", 12)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


@pytest.fixture(scope="module")
def hearing(tmp_path_factory):
    """A workspace of 12 voices, low and high, vectors of ``ear``, and a model of them in it."""
    import soundfile as sf

    root = tmp_path_factory.mktemp("hearing")
    rows = []
    for i, f0 in enumerate(np.r_[np.linspace(85, 120, 6), np.linspace(200, 260, 6)]):
        path = root / f"{i}.wav"
        sf.write(path, voice(f0, 1.5, seed=i), SR, subtype="FLOAT")
        stat = path.stat()
        labels = ("low" if f0 < 150 else "high", f"s{i}")
        rows.append((f"c/{i}", str(path), stat.st_size, stat.st_mtime_ns, None, *labels))
    names = ["clip_id", "path", "size", "mtime_ns", "text", "pitch", "speaker_id"]
    recipe = {"feature_set": "voice-v1", "feature_set_version": "1"}
    made = Workspace.create(root / "w", recipe=recipe, columns=["a"])
    with made.writer() as writer:
        writer.set_catalogue(pd.DataFrame(rows, columns=names), unit_size=64)
        for unit in writer.missing():
            found = [{"clip_id": i["clip_id"], "values": {"a": 1.0}} for i in unit.items]
            writer.write(unit.number, [*unit.known, *found])
        writer.tidy()
    (root / "ear.onnx").write_bytes(ear())
    params = embeddings.EmbeddingParams(normalise=True)
    embeddings.embed_workspace(made, root / "ear.onnx", params, workers=1)
    asked = TrainParams("pitch", ("embedding",), "logreg", n_splits=3)
    table = learn_table(made, Selection(), asked)
    path = files.save(train(table, asked), table, made.folder / "models" / "ear.model")
    return made, table, path


def test_a_model_in_its_workspace_hears_with_the_network_there(hearing):
    made, table, path = hearing
    loaded = files.load(path)
    expected = predict.ask(loaded, table.X)
    for i in (0, 11):
        clip = made.folder.parent / f"{table.clip_ids[i][2:]}.wav"
        found = predict.predict(loaded, clip)
        assert found.label == table.y[i]
        assert list(found.probabilities.values()) == pytest.approx(expected[i], abs=1e-5)
        (ground,) = found.rests_on
        assert (ground.name, ground.label) == ("embedding", "Vector of the network ear.onnx")
    low, high = voice(95, 2.0, seed=1), voice(230, 2.0, seed=2)
    windows = predict.over_time(loaded, (np.concatenate([low, high]), SR))
    side = np.array(windows.labels)[windows.prob.argmax(axis=1)]
    assert (side[0], side[-1]) == ("low", "high")


def test_a_model_remembers_its_network_on_its_card(hearing):
    made, _, path = hearing
    told = files.load(path).card["network"]
    here = embeddings.available(made)
    assert told == {"name": "ear.onnx", "sha256": here.sha256, "settings": here.params}
    assert told["settings"]["normalise"] is True
    text = card.to_markdown(files.load(path).card)
    assert f"network ear.onnx (SHA-256 {here.sha256[:12]}…)" in text


def test_a_model_elsewhere_asks_for_its_network_and_takes_no_other(hearing, tmp_path, wav, capsys):
    made, _, path = hearing
    alone = shutil.copy(path, tmp_path / "alone.model")
    clip = wav(voice(100, 1.5), "a.wav", subtype="FLOAT")
    with pytest.raises(ModelError, match=r"ear\.onnx .*--network FILE\.onnx"):
        predict.predict(files.load(alone), clip)
    assert cli.main(["predict", str(alone), str(clip)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert cli.main(["predict", str(path), str(clip)]) == 0
    expected = capsys.readouterr().out
    network = str(made.folder.parent / "ear.onnx")
    assert cli.main(["predict", "--network", network, str(alone), str(clip)]) == 0
    assert capsys.readouterr().out == expected
    other = tmp_path / "other.onnx"
    other.write_bytes(ear(2.0))
    for wrong, words in (
        (other, "other.onnx: this is another network than ear.onnx"),
        (tmp_path / "none.onnx", "there is no such file"),
        (clip, "a.wav: this is another network than"),
    ):
        assert cli.main(["predict", "--network", str(wrong), str(path), str(clip)]) == 2
        assert words in capsys.readouterr().err
    assert cli.main(["predict", "--network", network, str(clip)]) == 2
    assert "needs no network" in capsys.readouterr().err


def test_a_workspace_with_another_network_by_now_is_told(hearing, tmp_path):
    made, table, path = hearing
    copy = tmp_path / "w"
    shutil.copytree(made.folder, copy)
    inside = files.load(copy / "models" / path.name)
    assert predict.ready(inside).size == 2
    (copy / "embeddings" / "network.onnx").write_bytes(ear(2.0))
    with pytest.raises(ModelError, match="holds another one by now"):
        predict.ready(inside)
    (tmp_path / "other.onnx").write_bytes(ear(2.0))
    moved = Workspace.open(copy)
    embeddings.embed_workspace(moved, tmp_path / "other.onnx", workers=1, rebuild=True)
    with pytest.raises(ModelError, match=r"vectors of other\.onnx, or made with other settings"):
        evaluate.evaluate(files.load(path), moved)
    assert evaluate.evaluate(files.load(path), made).predictions.y.size == 12
    saved = files.save(files.load(path).trained, table, copy / "models" / "again.model")
    assert files.load(saved).card["network"]["name"] == "ear.onnx"  # as it was trained, not as here


def test_a_network_is_remembered_wherever_the_model_is_saved(hearing, tmp_path):
    table = hearing[1]
    params = TrainParams("pitch", ("embedding",), "logreg", n_splits=3)
    told = files.load(hearing[2]).trained.about["network"]
    path = files.save(train(table, params), table, tmp_path / "models" / "m.model")
    assert files.load(path).card["network"] == told
    about = {name: value for name, value in table.about.items() if name != "network"}
    unknown = table._replace(about=about)
    path = files.save(train(unknown, params), unknown, tmp_path / "models" / "m.model")
    assert "network" not in files.load(path).card
    with pytest.raises(ModelError, match="does not remember which"):
        predict.ready(files.load(path))


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "../../etc/passwd"},
        {"sha256": 7},
        {"settings": {"n_mels": 40.5}},
        {"settings": {"n_mels": True}},
        {"settings": {"piece_s": float("nan")}},
        {"settings": {"fmin": "0"}},
        {"settings": {"no such": 1}},
        {"settings": None},
    ],
)
def test_what_a_hostile_model_remembers_is_refused(hearing, changes):
    loaded = files.load(hearing[2])
    about = loaded.trained.about
    for told in ({**about["network"], **changes}, "network", [1]):
        bad = replace(loaded.trained, about={**about, "network": told})
        with pytest.raises(ModelError, match="remembers of its network cannot be"):
            predict.ready(replace(loaded, trained=bad))

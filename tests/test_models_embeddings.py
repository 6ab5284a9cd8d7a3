"""Networks as feature extractors: small real ONNX networks whose answer is known."""

import os

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
import pandas as pd
import pytest

from conftest import SR, tone, voice
from core.cli import main
from core.errors import AudioTooShortError, ModelError, ParameterError
from core.models import _embedder, _onnx_file, embeddings
from core.models._embedder import fbank, log_mel
from core.models.embeddings import EmbeddingParams, open_network
from core.store import StoreError, Workspace

FLOAT = TensorProto.FLOAT
RANGE = {"fmin": 125.0, "fmax": 7500.0}


def built(nodes, inputs, outputs, weights=(), opsets=None, functions=()) -> onnx.ModelProto:
    """A network of these parts; inputs and outputs are (name, shape) or (name, shape, type)."""

    def info(name, shape, kind=FLOAT):
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        nodes, "test", [info(*i) for i in inputs], [info(*o) for o in outputs], list(weights)
    )
    opsets = opsets or [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions))


def power(shape, axes=(-1,), out=("v",)) -> onnx.ModelProto:
    """The mean of squares over some axes."""
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["v"], axes=list(axes), keepdims=1),
    ]
    return built(nodes, [("x", shape)], [("v", [None] * len(shape))])


def mean(shape, axis) -> onnx.ModelProto:
    """The mean over one axis."""
    node = helper.make_node("ReduceMean", ["x"], ["v"], axes=[axis], keepdims=0)
    return built([node], [("x", shape)], [("v", [None] * (len(shape) - 1))])


@pytest.fixture
def saved(tmp_path):
    """Write a network, or bytes, to a file."""

    def write(network, name="net.onnx"):
        path = tmp_path / name
        data = network if isinstance(network, bytes) else network.SerializeToString()
        path.write_bytes(data)
        return path

    return write


def workspace_of(folder, paths) -> Workspace:
    stats = [p.stat() for p in paths]
    table = pd.DataFrame(
        {
            "clip_id": [f"c/{p.stem}" for p in paths],
            "path": [str(p) for p in paths],
            "size": [s.st_size for s in stats],
            "mtime_ns": [s.st_mtime_ns for s in stats],
            "text": None,
        }
    )
    made = Workspace.create(folder, recipe={"feature_set": "test-v1"}, columns=["a"])
    with made.writer() as writer:
        writer.set_catalogue(table, unit_size=64)
        for unit in writer.missing():
            rows = [{"clip_id": i["clip_id"], "values": {"a": 1.0}} for i in unit.items]
            writer.write(unit.number, [*unit.known, *rows])
        writer.tidy()
    return made


# --- waveforms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [["n"], [1, "n"], ["batch", "n"], [1, 1, "n"], ["b", 1, None]])
def test_the_mean_of_squares_of_a_waveform_is_its_power(saved, shape):
    network = open_network(saved(power(shape)))
    y = voice(duration_s=1.7)
    assert network.feed.kind == "waveform"
    found = network.embed(y, SR)
    assert found.shape == (network.size,) == (1,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.mean(y**2, dtype=np.float64), rtol=1e-5)


def test_channels_are_averaged_and_rates_resampled(saved):
    network = open_network(saved(power(["n"])))
    y = tone(440, 1.0, 48_000)
    assert network.embed(np.stack([y, -y]), 48_000) == 0
    np.testing.assert_allclose(network.embed(np.stack([y, y]), 48_000), 0.125, rtol=1e-2)


def test_a_long_clip_in_pieces_has_the_mean_of_the_whole(saved):
    network = open_network(saved(power(["n"])))
    y = np.linspace(-1, 1, 33 * SR + 7, dtype=np.float32)
    np.testing.assert_allclose(network.embed(y, SR), np.mean(y.astype(float) ** 2), rtol=1e-5)


def test_a_fixed_length_is_met_by_overlapping_pieces_and_zeros(saved):
    path = saved(power([1, SR]))
    half = open_network(path)
    assert half.feed.length == SR
    ones = np.ones(2 * SR, np.float32)
    np.testing.assert_allclose(half.embed(ones, SR), 1.0)
    np.testing.assert_allclose(half.embed(ones[: SR // 4], SR), 0.25)
    apart = open_network(path, EmbeddingParams(overlap=0.0))
    np.testing.assert_allclose(apart.embed(ones[: SR + SR // 2], SR), 0.75)  # 1 and a half
    np.testing.assert_allclose(half.embed(ones[: SR + SR // 2], SR), 1.0)  # at 0 and 0.5 s


def test_a_normalised_waveform_has_variance_one(saved):
    network = open_network(saved(power(["n"])), EmbeddingParams(normalise=True))
    np.testing.assert_allclose(network.embed(0.01 * voice(duration_s=3), SR), 1.0, rtol=1e-4)


def test_half_and_double_precision_are_fed(saved):
    for kind in (TensorProto.FLOAT16, TensorProto.DOUBLE):
        node = helper.make_node("ReduceMax", ["x"], ["v"], axes=[-1], keepdims=1)
        network = built([node], [("x", ["n"], kind)], [("v", [1], kind)])
        assert open_network(saved(network)).embed(tone(200), SR) == pytest.approx(0.5, abs=1e-3)


def test_an_empty_signal_is_refused(saved):
    network = open_network(saved(power(["n"])))
    with pytest.raises(AudioTooShortError, match="at least one sample"):
        network.embed(np.zeros(0, np.float32), SR)


# --- mel bands ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axis", "bands", "n_mels"),
    [
        (["frames", 64], 0, -1, 64),
        ([1, 64, "frames"], 2, -2, 64),
        ([1, 1, "frames", 96], 2, -1, 96),
        (["b", 1, 128, "t"], 3, -2, 128),
    ],
)
def test_the_mean_of_a_log_mel_input_is_that_of_our_log_mel(saved, shape, axis, bands, n_mels):
    network = open_network(saved(mean(shape, axis)))
    assert (network.feed.kind, network.feed.bands, network.feed.n_mels) == ("logmel", bands, n_mels)
    y = voice(duration_s=1.3)
    expected = log_mel(y, n_mels=n_mels, **RANGE).mean(axis=0)
    assert network.size == n_mels
    np.testing.assert_allclose(network.embed(y, SR), expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [[1, 96, 64], ["n", 96, 64], [1, 1, 96, 64], [96, 64]])
def test_patches_of_96_frames_cover_the_clip(saved, shape):
    network = open_network(saved(mean(shape, len(shape) - 2)))
    assert (network.feed.length, network.feed.n_mels, network.feed.bands) == (96, 64, -1)
    y = voice(duration_s=1.0)
    S = log_mel(y, n_mels=64, **RANGE)  # 98 frames: patches at 0 and 48
    second = np.pad(S[48 : 96 + 48], ((0, 96 - len(S[48:])), (0, 0)), constant_values=np.log(0.001))
    expected = (S[:96].mean(axis=0) + second.mean(axis=0)) / 2
    np.testing.assert_allclose(network.embed(y, SR), expected, rtol=1e-4)


def test_frames_by_80_bands_are_taken_for_a_filter_bank_without_its_mean(saved):
    path = saved(power([1, "frames", 80], axes=[1]))
    network = open_network(path)
    y = voice(duration_s=1.2)
    assert network.feed.kind == "fbank"
    found = network.embed(y, SR)
    np.testing.assert_allclose(found, network.embed(0.05 * y, SR), rtol=0.02)  # level has no say
    as_told = open_network(path, EmbeddingParams(input="logmel"))
    assert as_told.feed.kind == "logmel"
    expected = (log_mel(y, n_mels=80, **RANGE) ** 2).mean(axis=0)
    np.testing.assert_allclose(as_told.embed(y, SR), expected, rtol=1e-4)


def test_a_square_input_is_what_the_layout_says(saved):
    network = mean([1, 96, 64], 1)
    told = open_network(saved(network), EmbeddingParams(layout="bands-frames"))
    assert (told.feed.n_mels, told.feed.length) == (96, 64)
    whisper = open_network(saved(mean([1, 80, 3000], 2)))
    assert (whisper.feed.n_mels, whisper.feed.length) == (80, 3000)


def test_bands_that_the_file_does_not_tell_have_to_be_told(saved):
    path = saved(mean([1, "a", "b"], 1))
    with pytest.raises(ParameterError, match="set n_mels"):
        open_network(path)
    assert open_network(path, EmbeddingParams(n_mels=40)).size == 40


def test_a_tone_is_loudest_in_its_band_and_silence_is_the_floor():
    edges = np.linspace(*(1127 * np.log1p(np.array([125, 7500]) / 700)), 66)
    centres = 700 * np.expm1(edges[1:-1] / 1127)
    for hz in (300.0, 1000.0, 5000.0):
        S = log_mel(tone(hz), n_mels=64, **RANGE)
        assert abs(S.mean(axis=0).argmax() - np.abs(centres - hz).argmin()) <= 1
        noise = 0.01 * np.random.default_rng(0).standard_normal(2 * SR).astype(np.float32)
        bank = fbank(noise + np.pad(tone(hz), (0, SR)), n_mels=64, **RANGE)
        assert abs(bank[:90].mean(axis=0).argmax() - np.abs(centres - hz).argmin()) <= 1
    quiet = log_mel(np.zeros(SR, np.float32), n_mels=64, **RANGE)
    np.testing.assert_allclose(quiet, np.log(0.001))
    assert quiet.shape == (98, 64)


def test_triangles_add_up_to_one_between_the_first_and_last_centre():
    found = _embedder._triangles(64, 125.0, 7500.0)
    hz = np.fft.rfftfreq(512, 1 / SR)
    inside = (hz > 200) & (hz < 7000)
    np.testing.assert_allclose(found[inside].sum(axis=1), 1, atol=1e-9)


def test_a_filter_bank_has_no_mean_and_does_not_know_the_level():
    y = voice(duration_s=1.0)
    found = fbank(y, n_mels=80, fmin=20.0, fmax=8000.0)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found, fbank(y / 4, n_mels=80, fmin=20.0, fmax=8000.0), atol=1e-3)


# --- outputs --------------------------------------------------------------------------------------


def several() -> onnx.ModelProto:
    """Scores, an embedding over time, and the input as it came: as YAMNet has it."""
    weights = [
        numpy_helper.from_array(np.ones((64, 3), np.float32), "w3"),
        numpy_helper.from_array(np.full((64, 5), 2, np.float32), "w5"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w3"], ["scores"]),
        helper.make_node("MatMul", ["x", "w5"], ["Embeddings"]),
        helper.make_node("Identity", ["x"], ["log_mel"]),
    ]
    outputs = [("scores", ["t", 3]), ("Embeddings", ["t", 5]), ("log_mel", ["t", 64])]
    return built(nodes, [("x", ["t", 64])], outputs, weights)


def test_the_embedding_is_found_by_its_name_or_told(saved):
    path = saved(several())
    assert (open_network(path).output, open_network(path).size) == ("Embeddings", 5)
    assert open_network(path, EmbeddingParams(output="scores")).size == 3
    with pytest.raises(ParameterError, match="choose of scores, Embeddings, log_mel"):
        open_network(path, EmbeddingParams(output="nothing"))


def test_without_a_name_the_last_output_of_two_or_three_dimensions_is_taken(saved):
    network = several()
    for node in network.graph.node:
        node.output[0] = node.output[0].replace("Embeddings", "hidden")
    network.graph.output[1].name = "hidden"
    assert open_network(saved(network)).output == "log_mel"


def test_the_axis_that_grows_with_time_is_not_the_vector(saved):
    node = helper.make_node("Transpose", ["x"], ["v"], perm=[0, 2, 1])
    network = built([node], [("x", [1, "t", 64])], [("v", [1, 64, "t"])])
    opened = open_network(saved(network))
    assert opened.size == 64
    y = voice()
    expected = log_mel(y, n_mels=64, **RANGE).mean(axis=0)
    np.testing.assert_allclose(opened.embed(y, SR), expected, rtol=1e-4)


def test_an_output_that_is_no_vector_is_refused(saved):
    node = helper.make_node("Abs", ["x"], ["v"])
    with pytest.raises(ModelError, match="no vector"):
        open_network(saved(built([node], [("x", ["n"])], [("v", ["n"])])))
    with pytest.raises(ModelError, match="no vector"):
        open_network(saved(built([node], [("x", [16_000])], [("v", [16_000])])))
    node = helper.make_node("ArgMax", ["x"], ["v"], axis=0)
    with pytest.raises(ModelError, match="no decimal numbers"):
        open_network(saved(built([node], [("x", ["n"])], [("v", [1], TensorProto.INT64)])))


def test_answers_that_are_not_finite_are_refused(saved):
    nodes = [
        helper.make_node("Sub", ["x", "x"], ["zero"]),
        helper.make_node("Log", ["zero"], ["log"]),
        helper.make_node("ReduceMean", ["log"], ["v"], axes=[0]),
    ]
    with pytest.raises(ModelError, match="not finite"):
        open_network(saved(built(nodes, [("x", ["n"])], [("v", [1])])))
    nodes = [
        helper.make_node("ReduceSumSquare", ["x"], ["power"], axes=[0]),
        helper.make_node("Log", ["power"], ["v"]),
    ]
    network = open_network(saved(built(nodes, [("x", ["n"])], [("v", [1])])))
    assert np.isfinite(network.embed(tone(200), SR)).all()
    with pytest.raises(ModelError, match="not finite"):
        network.embed(np.zeros(SR, np.float32), SR)


# --- files that are refused -----------------------------------------------------------------------


def test_inputs_that_cannot_be_fed_are_refused(saved):
    node = helper.make_node("Identity", ["x"], ["v"])
    for inputs in (
        [("x", ["n"]), ("lengths", [1])],
        [("x", ["n"], TensorProto.INT64)],
        [("x", [4, 1, "n"])],
        [("x", [1, 3, "t", 64])],
        [("x", [1, 1, 1, "t", 64])],
        [("x", [1, 100])],
    ):
        dims, *kind = inputs[0][1:]
        network = built([node], inputs, [("v", dims, *kind)])
        with pytest.raises(ModelError, match=r"cannot be fed|no waveform"):
            open_network(saved(network))


def test_a_wrong_choice_of_input_is_named_with_its_shape(saved):
    weight = numpy_helper.from_array(np.ones((64, 3), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["v"])
    network = built([node], [("x", [1, "t", "any"])], [("v", [1, "t", 3])], [weight])
    with pytest.raises(ModelError, match="fails on logmel of 1 x 198 x 40"):
        open_network(saved(network), EmbeddingParams(n_mels=40))
    assert open_network(saved(network), EmbeddingParams(n_mels=64)).size == 3


@pytest.mark.parametrize(
    "data", [b"", b"hello, this is a text file\n" * 50, b"\x80\x04\x95pickle", b"\x00" * 100]
)
def test_a_file_that_is_no_network_is_refused(saved, data):
    with pytest.raises(ModelError, match=r"net\.onnx: this is no ONNX network"):
        open_network(saved(data))


def test_a_file_that_is_missing_a_folder_or_too_large_is_refused(saved, tmp_path, monkeypatch):
    for path in (tmp_path / "no.onnx", tmp_path):
        with pytest.raises(ModelError, match="there is no such file"):
            open_network(path)
    monkeypatch.setattr(_embedder, "MOST_MB", 0)
    large = power(["n"])
    large.doc_string = "x" * (1 << 20)
    with pytest.raises(ModelError, match="too large"):
        open_network(saved(large))


def test_a_truncated_network_is_refused_wherever_it_ends(saved):
    data = several().SerializeToString()
    for n in range(0, len(data), max(1, len(data) // 60)):
        with pytest.raises(ModelError):
            open_network(saved(data[:n]))


def outside_weight(name="w") -> TensorProto:
    weight = numpy_helper.from_array(np.ones((64, 3), np.float32), name)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "768")):
        weight.external_data.add(key=key, value=value)
    return weight


def hidden_weights() -> dict[str, onnx.ModelProto]:
    """Weights in other files: as the initialiser, in a constant, a branch, and a function."""
    use = helper.make_node("MatMul", ["x", "w"], ["v"])
    ends = [("x", ["t", 64])], [("v", ["t", 3])]
    constant = helper.make_node("Constant", [], ["w"], value=outside_weight())
    out = helper.make_tensor_value_info("w2", FLOAT, [64, 3])
    inner = helper.make_node("Constant", [], ["w2"], value=outside_weight())
    branch = helper.make_graph([inner], "branch", [], [out])
    choice = helper.make_node("If", ["yes"], ["w"], then_branch=branch, else_branch=branch)
    yes = numpy_helper.from_array(np.array(True), "yes")
    opset = helper.make_opsetid("", 17)
    function = helper.make_function("own", "f", ["x"], ["v"], [constant, use], [opset])
    call = helper.make_node("f", ["x"], ["v"], domain="own")
    opsets = [opset, helper.make_opsetid("own", 1)]
    return {
        "initialiser": built([use], *ends, [outside_weight()]),
        "constant": built([constant, use], *ends),
        "branch": built([choice, use], *ends, [yes]),
        "function": built([call], *ends, opsets=opsets, functions=[function]),
    }


@pytest.mark.parametrize("where", ["initialiser", "constant", "branch", "function"])
def test_weights_in_other_files_are_refused_although_they_are_there(
    saved, tmp_path, monkeypatch, where
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(np.ones((64, 3), np.float32).tobytes())
    with pytest.raises(ModelError, match="keeps weights in other files"):
        open_network(saved(hidden_weights()[where]))


def test_operations_of_its_own_are_refused_and_functions_of_onnx_are_not(saved):
    node = helper.make_node("Spy", ["x"], ["v"], domain="evil.example")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil.example", 1)]
    network = built([node], [("x", ["n"])], [("v", [1])], opsets=opsets)
    with pytest.raises(ModelError, match=r"operation Spy of evil\.example"):
        open_network(saved(network))
    body = [helper.make_node("ReduceMax", ["x"], ["v"], axes=[0])]
    function = helper.make_function("own", "f", ["x"], ["v"], body, opsets[:1])
    call = helper.make_node("f", ["x"], ["v"], domain="own")
    opsets = [opsets[0], helper.make_opsetid("own", 1)]
    fine = built([call], [("x", ["n"])], [("v", [1])], opsets=opsets, functions=[function])
    assert open_network(saved(fine)).embed(tone(200), SR) == pytest.approx(0.5, abs=1e-3)
    unknown = helper.make_node("NoSuchOperation", ["x"], ["v"])
    with pytest.raises(ModelError, match="cannot be opened"):
        open_network(saved(built([unknown], [("x", ["n"])], [("v", [1])])))


def test_a_network_of_endless_fields_is_refused(saved, monkeypatch):
    monkeypatch.setattr(_onnx_file, "MOST_FIELDS", 20)
    with pytest.raises(ModelError, match="no ONNX network"):
        open_network(saved(several()))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_sentence(data):
    with pytest.raises(ModelError):
        _onnx_file._check_file(data, "x")


@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_gives_a_network_or_a_sentence(at, value):
    data = bytearray(several().SerializeToString())
    data[at % len(data)] = value
    try:
        _onnx_file._check_file(bytes(data), "x")
    except ModelError as err:
        assert str(err).startswith("x: this")


def test_opening_writes_nothing(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = saved(several())
    open_network(path).embed(voice(), SR)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    "changes",
    [
        {"input": "mfcc"},
        {"layout": "round"},
        {"n_mels": 999},
        {"overlap": 1.0},
        {"piece_s": 0.0},
        {"fmin": 8000.0},
        {"fmax": 9000.0},
    ],
)
def test_settings_that_cannot_work_are_refused(saved, changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        open_network(saved(several()), EmbeddingParams(**changes))


def test_settings_have_a_digest_of_their_own():
    assert EmbeddingParams().digest == EmbeddingParams().digest
    assert EmbeddingParams().digest != EmbeddingParams(n_mels=64).digest


# --- a workspace ----------------------------------------------------------------------------------


def test_vectors_are_made_once_and_again_where_a_file_changed(tmp_path, wav, saved):
    signals = [voice(100 + 20 * i, 0.6) for i in range(3)]
    paths = [wav(y, f"{i}.wav", subtype="FLOAT") for i, y in enumerate(signals)]
    paths.append(wav(np.zeros(800), "silent.wav"))
    made, path = workspace_of(tmp_path / "w", paths), saved(power(["n"]))
    assert embeddings.available(made) is None
    with pytest.raises(ParameterError, match="has no embeddings"):
        embeddings.read(made, ["c/0"])
    seen = []
    first = embeddings.embed_workspace(made, path, workers=1, progress=seen.append)
    assert (first.done, first.failed, first.skipped) == (4, 0, 0)
    assert seen[-1].done == seen[-1].total == 4
    found = embeddings.read(made, ["c/2", "no such clip", "c/0", "c/silent"])
    expected = [np.mean(signals[2] ** 2), np.nan, np.mean(signals[0] ** 2), 0]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5)
    told = embeddings.available(made)
    assert (told.clips, told.failed, told.size, told.network) == (4, 0, 1, "net.onnx")
    assert embeddings.embed_workspace(made, path, workers=1).skipped == 4
    path.unlink()  # the workspace has a copy
    assert embeddings.network_of(made).sha256 == told.sha256
    again = wav(0.1 * signals[0], "0.wav", subtype="FLOAT")
    os.utime(again, ns=(1, 1))
    made = workspace_of(tmp_path / "w", paths)
    assert np.isnan(embeddings.read(made, ["c/0"])).all()
    assert embeddings.available(made).clips == 3
    third = embeddings.embed_workspace(made, saved(power(["n"])), workers=1)
    assert (third.done, third.skipped) == (1, 3)
    expected = 0.01 * np.mean(signals[0] ** 2)
    np.testing.assert_allclose(embeddings.read(made, ["c/0"])[0, 0], expected, rtol=1e-4)


def test_another_network_asks_before_it_deletes(tmp_path, wav, saved):
    made = workspace_of(tmp_path / "w", [wav(voice(), "1.wav")])
    embeddings.embed_workspace(made, saved(power(["n"])), workers=1)
    with pytest.raises(StoreError, match="rebuild"):
        embeddings.embed_workspace(made, saved(several()), workers=1)
    assert embeddings.available(made).size == 1
    embeddings.embed_workspace(made, saved(several()), workers=1, rebuild=True)
    assert embeddings.read(made, ["c/1"]).shape == (1, 5)


def test_a_clip_that_fails_is_told_and_a_cancelled_run_goes_on(tmp_path, wav, saved):
    nodes = [
        helper.make_node("ReduceSumSquare", ["x"], ["power"], axes=[0]),
        helper.make_node("Log", ["power"], ["v"]),
    ]
    path = saved(built(nodes, [("x", ["n"])], [("v", [1])]))
    paths = [wav(voice(), "1.wav"), wav(np.zeros(SR), "silent.wav")]
    made = workspace_of(tmp_path / "w", paths)
    none = embeddings.embed_workspace(made, path, workers=1, cancelled=lambda: True)
    assert none.cancelled
    assert embeddings.available(made) is None
    found = embeddings.embed_workspace(made, path, workers=1)
    assert (found.done, found.failed) == (1, 1)
    assert embeddings.available(made).failed == 1
    assert np.isfinite(embeddings.read(made, ["c/1", "c/silent"])[:, 0]).tolist() == [True, False]


def test_a_damaged_part_is_set_aside_and_made_again_and_a_changed_network_is_refused(
    tmp_path, wav, saved
):
    made = workspace_of(tmp_path / "w", [wav(voice(), "1.wav")])
    embeddings.embed_workspace(made, saved(power(["n"])), workers=1)
    folder = made.folder / "embeddings"
    before = embeddings.read(made, ["c/1"])
    part = folder / "vectors-00000.npy"
    whole = part.read_bytes()
    part.write_bytes(b"x" * len(whole))
    with pytest.raises(StoreError, match="damaged or gone"):
        embeddings.read(made, ["c/1"])
    for bad in (b"x" * len(whole), whole[:-1] + b"?", b"short"):
        part = max(folder.glob("vectors-*.npy"))
        part.write_bytes(bad)
        summary = embeddings.embed_workspace(made, saved(power(["n"])), workers=1)
        assert summary.done == 1
        assert "set aside" in summary.messages[0]
        assert np.array_equal(embeddings.read(made, ["c/1"]), before)
    assert embeddings.embed_workspace(made, saved(power(["n"])), workers=1).done == 0
    (folder / "network.onnx").write_bytes(several().SerializeToString())
    with pytest.raises(ModelError, match="was changed"):
        embeddings.network_of(made)


def test_the_command_shows_what_it_guesses_and_makes_vectors(tmp_path, wav, saved, capsys):
    made = workspace_of(tmp_path / "w", [wav(voice(), "1.wav")])
    words = ["embed", "--workspace", str(made.folder), "--network", str(saved(several()))]
    assert main([*words, "--show"]) == 0
    assert "logmel of 64 bands (frames by bands), frames of any length" in capsys.readouterr().err
    assert embeddings.available(made) is None
    assert main([*words, "--workers", "1", "--output", "scores"]) == 0
    assert "1 vectors made" in capsys.readouterr().err
    assert embeddings.available(made).size == 3
    assert main([*words, "--input", "nonsense"]) == 2
    assert main([*words[:3], "--network", str(tmp_path / "no.onnx")]) == 2
    assert "no such file" in capsys.readouterr().err

"""Model files: what goes in comes out, and nothing else is ever run."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from core.errors import ModelError
from core.models import _pack, _trust, files
from core.models.base import Predictions, Table, Trained, TrainParams

COLUMNS = ("f0_median_hz", "f1_median_hz", "mfcc01_mean", "hnr_db")


def table(n: int = 120, columns=COLUMNS, seed: int = 0) -> Table:
    """Two voices an octave apart on average, 12 speakers, some values missing."""
    rng = np.random.default_rng(seed)
    speakers = np.arange(n) % 12
    high = speakers % 2 == 0
    X = rng.normal(size=(n, len(columns))).astype(np.float32)
    X[:, 0] = np.where(high, 210, 110) + 20 * X[:, 0]
    X[rng.random(X.shape) < 0.02] = np.nan
    y = np.where(high, "female", "male").astype(object)
    about = {"data": "made", "feature_set": "voice-v1", "feature_set_version": "1"}
    ids = np.array([f"made/{i:04d}" for i in range(n)], dtype=object)
    names = np.array([f"s{s}" for s in speakers], dtype=object)
    return Table(X, y, names, ids, tuple(columns), {"features": slice(0, len(columns))}, about)


def trained(found: Table, estimator, codes: bool = True) -> Trained:
    labels = tuple(sorted(set(found.y)))
    own = np.array([labels.index(v) for v in found.y])
    estimator.fit(found.X, own if codes else found.y.astype(str))
    prob = np.eye(len(labels), dtype=np.float32)[own] * 0.8 + 0.1
    predictions = Predictions(
        found.clip_ids, found.y, prob, labels, found.speakers, (own % 5).astype(np.int16)
    )
    params = TrainParams("gender", settings=(("C", 0.1), ("pca", None)))
    return Trained(params, estimator, labels, found.columns, predictions, 1.3, None, found.about)


def pipeline(last):
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), last)


def logistic():
    from sklearn.linear_model import LogisticRegression

    return pipeline(LogisticRegression())


@pytest.fixture
def model(tmp_path):
    found = table()
    return files.save(trained(found, logistic()), found, tmp_path / "m"), found


def changed(path, change) -> None:
    """Rewrite a model file's parts."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts = change(parts)
    path.write_bytes(_pack.zipped(parts))


def with_schema(parts, change):
    """Rewrite the schema inside the skops part."""
    with zipfile.ZipFile(io.BytesIO(parts["estimator.skops"])) as file:
        inner = {name: file.read(name) for name in file.namelist()}
    schema = json.loads(inner["schema.json"])
    change(schema, inner)
    inner["schema.json"] = json.dumps(schema).encode()
    return {**parts, "estimator.skops": _pack.zipped(inner)}


def test_a_model_comes_back_as_it_was(model):
    path, found = model
    loaded = files.load(path)
    first = trained(found, logistic())
    expected = first.estimator.predict_proba(found.X)
    np.testing.assert_array_equal(loaded.trained.estimator.predict_proba(found.X), expected)
    assert loaded.trained.params == first.params
    assert loaded.trained.columns == COLUMNS
    assert loaded.trained.labels == ("female", "male")
    assert loaded.trained.temperature == 1.3
    assert loaded.trained.predictions.y.tolist() == found.y.tolist()
    np.testing.assert_array_equal(loaded.trained.predictions.prob, first.predictions.prob)
    assert loaded.card["clips"] == 120
    assert loaded.card["speakers"] == 12
    assert loaded.card["scores"]["Balanced accuracy"]["value"] == 1.0


def test_speakers_come_back_as_groups_without_their_names(model):
    path, found = model
    speakers = files.load(path).trained.predictions.speakers
    together = {(a, b) for a, b in zip(found.speakers, speakers, strict=True)}
    assert len(together) == len(set(speakers)) == 12
    raw = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        raw = b"".join(file.read(n) for n in file.namelist())
    assert "s11".encode("utf-32-le") not in raw


def test_the_same_model_gives_the_same_bytes(tmp_path):
    found = table()
    a = files.save(trained(found, logistic()), found, tmp_path / "a").read_bytes()
    b = files.save(trained(found, logistic()), found, tmp_path / "b").read_bytes()
    assert a == b


@pytest.mark.parametrize(
    "make",
    [
        "svm.SVC(probability=False)",
        "ensemble.RandomForestClassifier(5, random_state=0)",
        "ensemble.HistGradientBoostingClassifier(max_iter=5)",
        "neighbors.KNeighborsClassifier(5)",
        "linear_model.LogisticRegression()",
        "SoftmaxSVC()",
        "SoftmaxSVC(kernel='linear', C=0.01)",
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_every_family_comes_back_with_the_same_answers(make, tmp_path):
    from sklearn import ensemble, linear_model, neighbors, svm

    from core.models.steps import SoftmaxSVC

    found = table()
    known = {"svm": svm, "ensemble": ensemble, "neighbors": neighbors, "SoftmaxSVC": SoftmaxSVC}
    last = eval(make, {**known, "linear_model": linear_model})
    if isinstance(last, svm.SVC):
        from sklearn.calibration import CalibratedClassifierCV

        last = CalibratedClassifierCV(last, ensemble=False, cv=3)
    first = trained(found, pipeline(last))
    loaded = files.load(files.save(first, found, tmp_path / "m"))
    expected = first.estimator.predict_proba(found.X)
    np.testing.assert_allclose(loaded.trained.estimator.predict_proba(found.X), expected, atol=1e-6)


def test_a_regression_comes_back(tmp_path):
    from sklearn.linear_model import Ridge

    found = table()
    found = found._replace(y=np.nan_to_num(found.X[:, 0]).astype(np.float64))
    estimator = pipeline(Ridge()).fit(found.X, found.y)
    prob = estimator.predict(found.X)[:, None].astype(np.float32)
    out = Predictions(found.clip_ids, found.y, prob, (), found.speakers, np.zeros(120, np.int16))
    first = Trained(TrainParams("age_years"), estimator, (), COLUMNS, out, about=found.about)
    loaded = files.load(files.save(first, found, tmp_path / "m")).trained
    np.testing.assert_array_equal(loaded.estimator.predict(found.X), estimator.predict(found.X))
    np.testing.assert_array_equal(loaded.predictions.y, found.y)


class Payload:
    """Writes a file when unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def test_a_pickle_is_refused_and_not_run(tmp_path):
    target = tmp_path / "ran"
    path = tmp_path / "m"
    path.write_bytes(pickle.dumps(Payload(target)))
    with pytest.raises(ModelError, match="not a model of this program"):
        files.load(path)
    assert not target.exists()


def test_a_pickle_inside_an_array_is_refused_and_not_run(model, tmp_path):
    path, _ = model
    target = tmp_path / "ran"
    file = io.BytesIO()
    np.save(file, np.array([Payload(target)], dtype=object), allow_pickle=True)
    inner = _pack.zipped({"rows.npy": file.getvalue()})
    changed(path, lambda parts: {**parts, "seen.npz": inner})
    with pytest.raises(ModelError, match="array of the model"):
        files.load(path)
    assert not target.exists()


def test_a_bare_skops_file_is_refused(tmp_path):
    from skops import io as sio

    path = tmp_path / "m"
    path.write_bytes(sio.dumps(logistic().fit(table().X, np.arange(120) % 2)))
    with pytest.raises(ModelError, match="not a model of this program"):
        files.load(path)


@pytest.mark.parametrize(
    ("module", "name", "loader"),
    [
        ("os", "system", "FunctionNode"),
        ("subprocess", "Popen", "ObjectNode"),
        ("builtins", "eval", "FunctionNode"),
        ("operator", "methodcaller", "OperatorFuncNode"),
        ("numpy", "save", "FunctionNode"),
        ("sklearn.preprocessing._function_transformer", "FunctionTransformer", "ObjectNode"),
        ("sklearn.model_selection._search", "GridSearchCV", "ObjectNode"),
        ("sklearn.svm._classes", "SVC", "FunctionNode"),
        ("builtins", "str", "MethodNode"),
    ],
)
def test_a_type_that_is_not_ours_is_named_and_refused(model, monkeypatch, module, name, loader):
    def change(schema, inner):
        steps = schema["content"]["content"]["steps"]["content"]
        steps[0]["content"][1] |= {
            "__module__": module,
            "__class__": name,
            "__loader__": loader,
        }

    path, _ = model
    changed(path, lambda parts: with_schema(parts, change))
    monkeypatch.setattr("skops.io.loads", lambda *a, **k: pytest.fail("it was opened"))
    with pytest.raises(ModelError, match=rf"{module}\.{name}") as told:
        files.load(path)
    assert str(told.value).count("\n") == 0


def test_a_step_that_caches_on_disk_is_refused(model):
    def change(schema, inner):
        memory = schema["content"]["content"]["memory"]
        memory["content"] = '"somewhere"'
        del memory["__id__"]  # else it is the None that was there before

    path, _ = model
    changed(path, lambda parts: with_schema(parts, change))
    with pytest.raises(ModelError, match="setting"):
        files.load(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(model, share):
    path, _ = model
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match="damaged"):
        files.load(path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("feature_set", "voice-v9", "feature set 'voice-v9'"),
        ("feature_set_version", "7", "version 7 of voice-v1"),
        ("format", 2, "update the program"),
        ("format", "x", "card says nothing"),
        ("columns", ["a", "b"], "another number of inputs"),
        ("labels", ["male", "female", "other"], "other answers"),
    ],
)
def test_what_this_program_cannot_serve_is_refused(model, name, value, said):
    def change(parts):
        head = json.loads(parts["card.json"]) | {name: value}
        return {**parts, "card.json": json.dumps(head).encode()}

    path, _ = model
    changed(path, change)
    with pytest.raises(ModelError, match=said):
        files.load(path)


def test_a_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(model, monkeypatch):
    path, _ = model
    monkeypatch.setattr(files, "MOST_BYTES", 100_000)
    changed(path, lambda parts: {**parts, "seen.npz": bytes(1_000_000)})
    assert path.stat().st_size < 100_000
    with pytest.raises(ModelError, match="unpacks to more"):
        files.load(path)


def test_an_array_that_claims_more_than_it_has_is_refused(model):
    def change(schema, inner):
        name = next(n for n in inner if n.endswith(".npy"))
        header = io.BytesIO()
        claim = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
        np.lib.format.write_array_header_1_0(header, claim)
        inner[name] = header.getvalue() + bytes(64)

    path, _ = model
    changed(path, lambda parts: with_schema(parts, change))
    with pytest.raises(ModelError, match="another size"):
        files.load(path)


def test_extra_parts_and_other_names_are_refused(model):
    path, _ = model
    changed(path, lambda parts: {**parts, "../../evil.py": b"x"})
    with pytest.raises(ModelError, match="it holds"):
        files.load(path)


def fitted(make):
    found = table()
    X = np.nan_to_num(found.X)
    return make.fit(X, (found.y == "male").astype(int)), X


def test_a_tree_that_points_outside_itself_is_refused():
    from sklearn.ensemble import HistGradientBoostingClassifier

    model, _ = fitted(HistGradientBoostingClassifier(max_iter=3))
    _trust.check_structure(model, 4, ("a", "b"))
    model._predictors[1][0].nodes["left"][0] = 2**30
    with pytest.raises(ModelError, match="do not fit"):
        _trust.check_structure(model, 4, ("a", "b"))


def test_a_tree_that_asks_for_an_input_that_is_not_there_is_refused():
    from sklearn.ensemble import HistGradientBoostingClassifier

    model, _ = fitted(HistGradientBoostingClassifier(max_iter=3))
    model._predictors[0][0].nodes["feature_idx"][0] = 4
    with pytest.raises(ModelError, match="do not fit"):
        _trust.check_structure(model, 4, ("a", "b"))


def test_support_vectors_of_another_width_are_refused():
    from sklearn.svm import SVC

    model, _ = fitted(SVC())
    _trust.check_structure(model, 4, ("a", "b"))
    model.support_vectors_ = model.support_vectors_[:, :2].copy()
    with pytest.raises(ModelError, match="SVC do not fit"):
        _trust.check_structure(model, 4, ("a", "b"))


def test_neighbours_of_a_class_that_is_not_there_are_refused():
    from sklearn.neighbors import KNeighborsClassifier

    model, _ = fitted(KNeighborsClassifier(algorithm="brute"))
    _trust.check_structure(model, 4, ("a", "b"))
    model._y = model._y + 5
    with pytest.raises(ModelError, match="do not fit"):
        _trust.check_structure(model, 4, ("a", "b"))


def test_a_callable_setting_is_refused():
    from sklearn.svm import SVC

    model, _ = fitted(SVC())
    model.kernel = print
    with pytest.raises(ModelError, match="setting"):
        _trust.check_structure(model, 4, ("a", "b"))


def test_flipped_bytes_are_refused_or_change_nothing(model):
    path, found = model
    data = path.read_bytes()
    expected = files.load(path).trained.estimator.predict_proba(found.X)
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(data), 60):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        try:
            loaded = files.load(path)
        except ModelError:
            continue
        np.testing.assert_array_equal(loaded.trained.estimator.predict_proba(found.X), expected)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    found = table()
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ModelError, match="could not be written"):
        files.save(trained(found, logistic()), found, tmp_path / "taken" / "m")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_an_estimator_that_could_not_be_loaded_is_not_saved(tmp_path):
    from sklearn.preprocessing import FunctionTransformer

    found = table()
    first = trained(found, logistic())
    first.estimator.steps.insert(0, ("f", FunctionTransformer(np.abs)))
    with pytest.raises(ModelError, match="FunctionTransformer"):
        files.save(first, found, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_network_travels_as_onnx(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    W = np.zeros((4, 2), np.float32)
    W[0] = (0.1, -0.1)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "W"], ["z"]),
            helper.make_node("Softmax", ["z"], ["p"], axis=1),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(W, "W")],
    )
    opset = [helper.make_opsetid("", 17)]
    net = helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.checker.check_model(net)
    from core.models._network import Network

    found = table()
    first = trained(found, logistic())
    network = Network(net.SerializeToString(), 4, ("female", "male"))
    first = Trained(**{**first.__dict__, "estimator": network})
    path = files.save(first, found, tmp_path / "m")
    with zipfile.ZipFile(path) as file:
        assert "network.onnx" in file.namelist()
    loaded = files.load(path)
    X = np.ones((3, 4), np.float32)
    np.testing.assert_allclose(loaded.trained.estimator.predict_proba(X)[:, 0], 0.549834, atol=1e-5)


def test_a_network_with_weights_in_other_files_is_refused():
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    from core.models._network import Network

    weights = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=[4, 2])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="/etc/hostname")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["p"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 2])],
        [weights],
    )
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ModelError, match="other files"):
        Network(net.SerializeToString(), 4, ("a", "b"))

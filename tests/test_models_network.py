"""The convolutional network: its ONNX against numpy; its training where PyTorch is installed."""

from importlib.util import find_spec
import pickle

import numpy as np
import pytest
from scipy.signal import correlate

from core.errors import MissingPackageError, ModelError, ParameterError
from core.models import _onnx_file, network
from core.models._network import Network
from core.models.network import MelCNN, build, export

SMALL = {"bands": 32, "frames": 24, "epochs": 8, "batch": 16, "lr": 0.01}
needs_torch = pytest.mark.skipif(
    find_spec("torch") is None,
    reason="PyTorch is not installed: pip install -r requirements-networks.txt",
)


def weights_of(bands=32, channels=(4, 5, 6), k=3, seed=0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {"mean": rng.uniform(-60, -30, bands // 2), "sd": rng.uniform(5, 20, bands // 2)}
    for i, (a, b) in enumerate(zip((1, *channels), channels, strict=False)):
        found[f"weight{i}"] = rng.standard_normal((b, a, 3, 3)) / 3
        found[f"bias{i}"] = rng.standard_normal(b)
    found["dense"] = rng.standard_normal((k, 2 * channels[-1])) / 9
    found["bias"] = rng.standard_normal(k)
    return found


def by_hand(picture: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Probabilities of one picture (bands, frames), by numpy and scipy."""
    x = picture.reshape(-1, 2, picture.shape[1]).mean(axis=1)
    x = ((x - weights["mean"][:, None]) / weights["sd"][:, None])[None]
    blocks = sum(name.startswith("weight") for name in weights)
    for i in range(blocks):
        kernels, bias = weights[f"weight{i}"], weights[f"bias{i}"]
        x = np.stack(
            [
                sum(correlate(x[c], kernel[c], mode="same") for c in range(len(x))) + b
                for kernel, b in zip(kernels, bias, strict=True)
            ]
        )
        x = np.maximum(x, 0)
        if i < blocks - 1:
            c, h, w = x.shape
            x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(c, h // 2, 2, w // 2, 2).max(axis=(2, 4))
    z = weights["dense"] @ np.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))])
    z = np.exp(z + weights["bias"] - (z + weights["bias"]).max())
    return z / z.sum()


def fitted(weights, classes=("a", "b", "c"), **settings) -> MelCNN:
    """A network that has learnt, made without PyTorch."""
    made = MelCNN(**{**SMALL, **settings})
    made.onnx_ = export(weights, bands=made.bands, frames=made.frames)
    made.classes_ = np.array(classes, dtype=object)
    return made


def pictures(n: int, seed=0, bands=32, frames=24) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-80, 0, (n, bands * frames)).astype(np.float32)


def voices(n: int, seed=0, speakers=40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures whose class is where a band is loud: at 8 or at 22 of 32 bands."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, speakers, n)
    y = np.array(["low", "high"], dtype=object)[who % 2]
    X = rng.normal(-60, 8, (n, 32, 24))
    for i in range(n):
        band = (8 if y[i] == "low" else 22) + int(rng.integers(-2, 3))
        X[i, band] += 25
    names = np.array([f"s{w}" for w in who], dtype=object)
    return X.clip(-80, 0).reshape(n, -1).astype(np.float32), y, names


# --- without PyTorch ------------------------------------------------------------------------------


def test_the_onnx_network_is_the_one_computed_by_hand():
    weights, X = weights_of(), pictures(5)
    found = fitted(weights).predict_proba(X)
    expected = [by_hand(x.reshape(32, 24).astype(float), weights) for x in X]
    assert found.shape == (5, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(found, axis=0).max() > 0.01  # it looks at the picture


def test_many_pictures_are_answered_in_parts_alike(monkeypatch):
    made, X = fitted(weights_of()), pictures(11)
    whole = made.predict_proba(X)
    monkeypatch.setattr(network, "BATCH", 4)
    np.testing.assert_allclose(made.predict_proba(X), whole, atol=1e-6)
    assert made.predict_proba(X[:0]).shape == (0, 3)
    np.testing.assert_array_equal(made.predict(X), made.classes_[whole.argmax(axis=1)])


def test_the_bytes_are_a_model_that_the_files_of_models_run():
    made, X = fitted(weights_of()), pictures(3)
    loaded = Network(made.onnx_, X.shape[1], ("a", "b", "c"))
    np.testing.assert_allclose(loaded.predict_proba(X), made.predict_proba(X), atol=1e-6)
    _onnx_file._check_file(made.onnx_, "x")
    assert len(made.onnx_) < 100_000


def test_a_network_travels_between_processes():
    made, X = fitted(weights_of()), pictures(2)
    before = made.predict_proba(X)
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.predict_proba(X), before)


def test_missing_levels_count_as_silence():
    made, X = fitted(weights_of()), pictures(1)
    X[0, :40] = np.nan
    silent = np.where(np.isnan(X), np.float32(-80), X)
    np.testing.assert_array_equal(made.predict_proba(X), made.predict_proba(silent))


def test_other_pictures_and_a_network_that_has_not_learnt_are_refused():
    with pytest.raises(ParameterError, match="choose the input 'image' alone"):
        fitted(weights_of()).predict_proba(np.zeros((2, 32 * 25)))
    with pytest.raises(ModelError, match="fit it first"):
        MelCNN().predict_proba(np.zeros((1, 128 * 93)))


def test_settings_are_those_of_scikit_learn():
    from sklearn.base import clone

    made = clone(MelCNN(epochs=3, seed=7))
    assert (made.get_params()["epochs"], made.seed) == (3, 7)
    assert made.set_params(lr=0.1).lr == 0.1
    with pytest.raises(ParameterError, match="no setting layers"):
        made.set_params(layers=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("epochs", 2.5), ("lr", "fast"), ("threads", 8), ("mask", 0.9), ("seed", True)],
)
def test_settings_that_cannot_work_are_refused(name, value):
    with pytest.raises(ParameterError, match=f"^{name}="):
        build({name: value}, 0)


def test_without_pytorch_there_is_a_sentence_and_answers_go_on(monkeypatch):
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    for call in (lambda: build({}, 0), lambda: MelCNN().fit(np.zeros((2, 11904)), ["a", "b"])):
        with pytest.raises(MissingPackageError, match=r"PyTorch: pip install -r requirements"):
            call()
    monkeypatch.undo()
    made = fitted(weights_of())
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    assert made.predict_proba(pictures(1)).shape == (1, 3)


# --- training -------------------------------------------------------------------------------------


@needs_torch
def test_it_learns_and_its_onnx_answers_as_pytorch_does(monkeypatch):
    import torch

    from core.models import _cnn_training

    nets = []
    real = _cnn_training._net
    monkeypatch.setattr(_cnn_training, "_net", lambda *args: nets.append(real(*args)) or nets[-1])
    X, y, who = voices(240)
    made = build(SMALL, 3).fit(X, y, who)
    fresh_X, fresh_y, _ = voices(100, seed=9)
    assert (made.predict(fresh_X) == fresh_y).mean() > 0.95
    assert list(made.classes_) == ["high", "low"]
    assert made.history_[0]["validation"] > made.history_[-1]["validation"]
    # the last epoch's network is the kept one where its loss was the lowest
    losses = [epoch["validation"] for epoch in made.history_]
    assert losses[-1] == min(losses)
    mean, sd = _cnn_training._levels(
        made._pictures(X), _cnn_training.parts(np.unique(y, return_inverse=True)[1], who, 3)[0]
    )
    with torch.no_grad():
        seen = torch.from_numpy(_cnn_training._halved(made._pictures(fresh_X), mean, sd))
        expected = torch.softmax(nets[0].eval()(seen), dim=1).numpy()
    np.testing.assert_allclose(made.predict_proba(fresh_X), expected, atol=1e-4)


@needs_torch
def test_one_seed_gives_one_network_and_other_random_numbers_stay():
    import torch

    X, y, who = voices(80)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    a, b = (build({**SMALL, "epochs": 2}, 1).fit(X, y, who).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert torch.equal(torch.random.get_rng_state(), before)
    other = build({**SMALL, "epochs": 2}, 2).fit(X, y, who).predict_proba(X)
    assert abs(other - a).max() > 1e-3


def test_speakers_that_tell_when_to_stop_are_not_learnt_from():
    from core.models import _cnn_training

    _, y, who = voices(300)
    codes = np.unique(y, return_inverse=True)[1]
    train, held = _cnn_training.parts(codes, who, 0)
    assert set(who[train]).isdisjoint(who[held])
    assert 0.05 < held.size / y.size < 0.3
    few, none = _cnn_training.parts(codes[:20], None, 0)
    assert (few.size, none.size) == (20, 0)


@needs_torch
def test_it_stops_early_where_there_is_nothing_to_learn():
    X, _, who = voices(120)
    y = np.array([f"c{int(name[1:]) // 2 % 2}" for name in who])  # has nothing to do with the band
    made = build({**SMALL, "epochs": 60, "patience": 2}, 0).fit(X, y, who)
    assert len(made.history_) < 60


@needs_torch
def test_rare_classes_weigh_as_much_as_others():
    X = pictures(200)  # nothing to learn but how frequent the classes are
    y = np.where(np.arange(200) % 8 == 0, "rare", "usual")
    made = build({**SMALL, "epochs": 5}, 0).fit(X, y)
    assert list(made.classes_) == ["rare", "usual"]
    assert 0.35 < made.predict_proba(pictures(100, seed=1))[:, 0].mean() < 0.65


@needs_torch
def test_progress_is_told_and_training_can_be_cancelled():
    from core.models.search import Cancelled

    X, y, who = voices(80)
    seen = []
    build({**SMALL, "epochs": 2}, 0).fit(X, y, who, progress=seen.append)
    assert [(p.done, p.total) for p in seen] == [(1, 2), (2, 2)]
    with pytest.raises(Cancelled, match="cancelled"):
        build({**SMALL, "epochs": 2}, 0).fit(X, y, who, cancelled=lambda: True)
    with pytest.raises(ParameterError, match="one class"):
        build(SMALL, 0).fit(X, np.full(80, "a"))


@needs_torch
def test_a_learning_rate_that_explodes_is_told():
    from core.models import _cnn_training

    X, y, who = voices(80)
    made = build({**SMALL, "epochs": 2}, 0)
    X[:, 0] = 0
    assert _cnn_training.FEWEST <= 80
    made.lr = 1e30  # beyond what check allows
    made.check = lambda: None
    with pytest.raises(ModelError, match="lower lr"):
        made.fit(X, y, who)

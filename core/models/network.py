"""A small convolutional network on mel pictures, trained by PyTorch and run by onnxruntime.

Conventions: X is (n, bands * frames) in dB, band by band, as the input "image" of a table. The
network averages pairs of bands, then has four blocks of 3 x 3 convolution, batch norm and ReLU with
pooling between; mean and maximum over the whole picture lead to the classes. While it learns,
pictures are shifted in time and masked [#]_; when it has learnt, batch norm is part of the
convolutions and the network is ONNX bytes that answer with probabilities.

.. [#] D. S. Park et al., "SpecAugment: a simple data augmentation method for automatic speech
   recognition", Interspeech 2019.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
import inspect
import time
from typing import Any

import numpy as np

from core.errors import MissingPackageError, ModelError, ParameterError
from core.extract import Progress
from core.safe_text import clean

FLOOR_DB = -80.0
BATCH = 128  # pictures answered at once
_RANGES = {
    "epochs": (1, 500),
    "patience": (1, 500),
    "batch": (2, 1024),
    "lr": (1e-6, 1.0),
    "weight_decay": (0.0, 1.0),
    "dropout": (0.0, 0.9),
    "shift": (0.0, 0.5),
    "mask": (0.0, 0.5),
    "threads": (1, 2),
    "bands": (32, 512),
    "frames": (16, 4096),
    "seed": (0, 2**32 - 1),
}


class MelCNN:
    """A classifier of mel pictures, with the manners of scikit-learn's.

    Parameters
    ----------
    epochs, patience : int
        Rounds over the clips at most, and without improvement before the end.
    batch : int
        Clips a step.
    lr, weight_decay, dropout : float
        Highest learning rate, and what keeps weights small.
    shift, mask : float
        Largest shift in time and widest mask, as shares of the picture.
    threads : int
        1 or 2.
    bands, frames : int
        Of the pictures.
    seed : int
        Of weights, order and masks: one machine and one seed give one network.

    Attributes
    ----------
    classes_ : np.ndarray [shape=(k,)]
        Sorted.
    onnx_ : bytes
        The network: X (n, d) float32 in, probabilities (n, k) out.
    history_ : list of dict
        Of each epoch: loss in training and validation (None without one), and seconds.
    """

    keeps_speakers_apart = True  # while it decides when to stop

    def __init__(
        self,
        epochs: int = 20,
        patience: int = 5,
        batch: int = 32,
        lr: float = 3e-3,
        weight_decay: float = 1e-3,
        dropout: float = 0.3,
        shift: float = 0.1,
        mask: float = 0.12,
        threads: int = 1,
        bands: int = 128,
        frames: int = 93,
        seed: int = 0,
    ):
        self.epochs, self.patience, self.batch, self.lr = epochs, patience, batch, lr
        self.weight_decay, self.dropout, self.shift, self.mask = weight_decay, dropout, shift, mask
        self.threads, self.bands, self.frames, self.seed = threads, bands, frames, seed

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings."""
        return {name: getattr(self, name) for name in _SETTINGS}

    def set_params(self, **settings: Any) -> "MelCNN":
        """Change settings."""
        for name, value in settings.items():
            if name not in _SETTINGS:
                raise ParameterError(
                    f"The network has no setting {clean(name)}: choose one of {sorted(_SETTINGS)}."
                )
            setattr(self, name, value)
        return self

    def check(self) -> None:
        """Raise ParameterError where a setting cannot work."""
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            whole = isinstance(_SETTINGS[name], int)
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not low <= value <= high or (whole and value != int(value)):
                kind = "a whole number" if whole else "a number"
                raise ParameterError(
                    f"{name}={clean(value, 40)} does not work: choose {kind} from {low:g} to "
                    f"{high:g}."
                )

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        speakers: np.ndarray | None = None,
        *,
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> "MelCNN":
        """Learn from pictures.

        Parameters
        ----------
        X : np.ndarray [shape=(n, bands * frames)]
            Pictures in dB.
        y : np.ndarray [shape=(n,)]
            Classes; each weighs the same.
        speakers : np.ndarray [shape=(n,)], optional
            Who speaks; when to stop is then told by speakers that are not learnt from.
        progress, cancelled : callable, optional
            Told after each epoch; asked at each step.

        Raises
        ------
        MissingPackageError
            PyTorch or onnx is not installed.
        ModelError
            The weights did not stay finite: the learning rate is too high.
        ParameterError
            X has other pictures, y fewer than two classes, or a setting cannot work.
        search.Cancelled
            ``cancelled`` said so.
        """
        from core.models import _cnn_training

        self.check()
        _need_packages()
        pictures = self._pictures(X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if self.classes_.size < 2:
            raise ParameterError("All clips are of one class: a network needs two at least.")
        told = Told(self.epochs, progress, cancelled)
        train, held = _cnn_training.parts(codes, speakers, self.seed)
        weights, self.history_ = _cnn_training.learn(self, pictures, codes, train, held, told)
        self.onnx_ = export(weights, bands=self.bands, frames=self.frames)
        self.n_features_in_ = pictures.shape[1] * pictures.shape[2]
        self.__dict__.pop("_session", None)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n, k) float32 of ``classes_`` for X (n, bands * frames).

        Raises
        ------
        ModelError
            The network was not fitted.
        """
        if not hasattr(self, "onnx_"):
            raise ModelError("This network has not learnt anything yet: fit it first.")
        if "_session" not in self.__dict__:
            from core.models._onnx_file import session

            self._session = session(self.onnx_, "MelCNN")
        X = self._pictures(X).reshape(len(X), self.bands * self.frames)
        name = self._session.get_inputs()[0].name
        found = [
            self._session.run(None, {name: np.ascontiguousarray(X[i : i + BATCH])})[0]
            for i in range(0, len(X), BATCH)
        ]
        return np.concatenate([np.zeros((0, self.classes_.size), np.float32), *found])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class of each picture, (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _pictures(self, X: np.ndarray) -> np.ndarray:
        X = np.asarray(X, dtype=np.float32)
        if X.ndim != 2 or X.shape[1] != self.bands * self.frames:
            raise ParameterError(
                f"The network takes mel pictures of {self.bands} x {self.frames} and nothing else: "
                "choose the input 'image' alone."
            )
        if not np.isfinite(X).all():
            X = np.nan_to_num(X, nan=FLOOR_DB, posinf=0.0, neginf=FLOOR_DB)
        return X.reshape(-1, self.bands, self.frames)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_session"}


_SETTINGS = {
    name: parameter.default
    for name, parameter in inspect.signature(MelCNN.__init__).parameters.items()
    if name != "self"
}


def build(settings: Mapping[str, Any], seed: int) -> MelCNN:
    """A network with these settings, not fitted.

    Raises
    ------
    MissingPackageError
        PyTorch or onnx is not installed.
    ParameterError
        A setting does not exist or cannot work.
    """
    found = MelCNN().set_params(**{"seed": seed, **settings})
    found.check()
    _need_packages()
    return found


def export(weights: Mapping[str, np.ndarray], *, bands: int, frames: int) -> bytes:
    """The network as ONNX bytes.

    Parameters
    ----------
    weights : dict of str to np.ndarray
        ``mean`` and ``sd`` (bands / 2,) in dB of the pictures after pairs of bands were averaged;
        ``weight0`` (channels, 1, 3, 3), ``bias0`` (channels,) and so on for each block; ``dense``
        (k, 2 * channels of the last) and ``bias`` (k,).
    bands, frames : int
        Of a picture.

    Raises
    ------
    MissingPackageError
        The package onnx is not installed.
    """
    _need_packages("onnx")
    from onnx import TensorProto, helper, numpy_helper

    arrays: dict[str, np.ndarray] = {
        "shape": np.array([-1, 1, bands, frames], np.int64),
        "mean": np.reshape(weights["mean"], (1, 1, -1, 1)),
        "scale": np.reshape(1 / weights["sd"], (1, 1, -1, 1)),
        "dense": weights["dense"],
        "bias": weights["bias"],
    }
    nodes: list[Any] = []

    def add(op: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        name = out or f"v{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    x = add("Reshape", "X", "shape")
    x = add("AveragePool", x, kernel_shape=[2, 1], strides=[2, 1])
    x = add("Mul", add("Sub", x, "mean"), "scale")
    blocks = sum(name.startswith("weight") for name in weights)
    for i in range(blocks):
        arrays |= {f"w{i}": weights[f"weight{i}"], f"b{i}": weights[f"bias{i}"]}
        x = add("Relu", add("Conv", x, f"w{i}", f"b{i}", pads=[1, 1, 1, 1]))
        if i < blocks - 1:
            x = add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    both = add("Concat", add("GlobalAveragePool", x), add("GlobalMaxPool", x), axis=1)
    logits = add("Gemm", add("Flatten", both), "dense", "bias", transB=1)
    add("Softmax", logits, out="probabilities", axis=1)
    kept = [
        numpy_helper.from_array(a if a.dtype == np.int64 else a.astype(np.float32), name)
        for name, a in arrays.items()
    ]
    given = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, bands * frames])
    answer = [None, len(weights["bias"])]
    found = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, answer)
    graph = helper.make_graph(nodes, "mel-cnn", [given], [found], kept)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


class Told:
    """Who is told how far it is, and asked whether to go on."""

    def __init__(
        self,
        epochs: int,
        progress: Callable[[Progress], None] | None,
        cancelled: Callable[[], bool] | None,
    ):
        self.epochs, self.progress, self.cancelled = epochs, progress, cancelled
        self.began = time.monotonic()

    def ask(self) -> None:
        """Raise where it shall end."""
        if self.cancelled is not None and self.cancelled():
            from core.models.search import Cancelled

            raise Cancelled("Training was cancelled; nothing was saved.")

    def tell(self, done: int) -> None:
        """An epoch is over."""
        if self.progress is not None:
            rate = done / max(time.monotonic() - self.began, 1e-9)
            eta_s = (self.epochs - done) / rate
            self.progress(Progress(done, self.epochs, 0, rate, eta_s))


def _need_packages(*names: str) -> None:
    for name in names or ("torch", "onnx"):
        if find_spec(name) is None:
            called = "PyTorch" if name == "torch" else f"the package {name}"
            raise MissingPackageError(
                f"Training a convolutional network needs {called}: "
                "pip install -r requirements-networks.txt."
            )

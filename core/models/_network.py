"""A small network in ONNX, asked like an estimator; nothing outside its bytes is read."""

import numpy as np

from core.errors import ModelError

MOST_BYTES = 100_000_000
ROWS = 128  # asked at once: the first layer of a picture is 0.4 MB


class Network:
    """Probabilities from an ONNX network that takes X (n, d) float32 and gives (n, k).

    Raises
    ------
    ModelError
        The bytes are no network, refer to other files, or have other inputs or answers.
    """

    def __init__(self, onnx: bytes, columns: int, labels: tuple[str, ...]):
        if len(onnx) > MOST_BYTES:
            raise ModelError("the model's network is larger than a network may be.")
        from core.models._onnx_file import session

        self._session = session(onnx, "network.onnx")
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            raise ModelError("the model's network takes other inputs than ours: train it anew.")
        self._name = inputs[0].name
        self.onnx_, self.n_features_in_ = onnx, columns
        self.classes_ = np.array(labels, dtype=object)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n, k)."""
        X = np.nan_to_num(np.asarray(X, dtype=np.float32))
        pieces = [X[i : i + ROWS] for i in range(0, len(X), ROWS)] or [X]
        return np.concatenate([self._session.run(None, {self._name: p})[0] for p in pieces])

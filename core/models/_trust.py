"""What a model file may hold: types by name before anything is made, structure before it is used.

skops makes only objects of types it trusts, and it trusts every estimator of scikit-learn and the
functions of numpy [#]_. Here only the types of our families pass, each through one loader. Compiled
code follows the numbers of trees and support vectors without looking, so these are checked too.

.. [#] skops.io, "Secure persistence with skops": https://skops.readthedocs.io/en/stable/persistence.html
"""

from collections.abc import Callable, Iterator
import io
import json
from typing import Any
import zipfile

import numpy as np

from core.errors import ModelError
from core.safe_text import clean

MOST_TREES = 5_000
MOST_DEPTH = 200  # objects within objects
_NUMBERS = "bool float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64"
_SKLEARN = {
    "calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration",
    "compose._column_transformer": "ColumnTransformer",
    "compose._target": "TransformedTargetRegressor",
    "decomposition._pca": "PCA",
    "ensemble._forest": "RandomForestClassifier RandomForestRegressor "
    "ExtraTreesClassifier ExtraTreesRegressor",
    "ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "ensemble._hist_gradient_boosting.gradient_boosting": "HistGradientBoostingClassifier "
    "HistGradientBoostingRegressor",
    "ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "impute._base": "SimpleImputer MissingIndicator",
    "linear_model._logistic": "LogisticRegression",
    "linear_model._ridge": "Ridge RidgeClassifier",
    "neighbors._classification": "KNeighborsClassifier",
    "neighbors._regression": "KNeighborsRegressor",
    "pipeline": "Pipeline",
    "preprocessing._data": "StandardScaler RobustScaler MinMaxScaler PowerTransformer "
    "QuantileTransformer",
    "preprocessing._label": "LabelEncoder",
    "svm._classes": "SVC SVR LinearSVC",
    "tree._classes": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier "
    "ExtraTreeRegressor",
    "_loss.link": "IdentityLink LogitLink MultinomialLogit Interval LogLink",
    "_loss.loss": "HalfBinomialLoss HalfMultinomialLoss HalfSquaredError AbsoluteError",
}
_LOSSES = "CyHalfBinomialLoss CyHalfMultinomialLoss CyHalfSquaredError CyAbsoluteError"
_PLAIN = {
    ("builtins", "dict", "DictNode"),
    ("builtins", "list", "ListNode"),
    ("builtins", "tuple", "TupleNode"),
    ("builtins", "slice", "SliceNode"),
    ("builtins", "str", "JsonNode"),
    ("builtins", "str", "TypeNode"),
    ("builtins", "int", "TypeNode"),
    ("numpy", "ndarray", "NdArrayNode"),
    ("numpy", "dtype", "DTypeNode"),
    ("numpy.random._generator", "Generator", "RandomGeneratorNode"),
    ("sklearn.tree._tree", "Tree", "TreeNode"),
    ("sklearn.utils._bunch", "Bunch", "DictNode"),
}
ALLOWED = frozenset(
    _PLAIN
    | {("numpy", name, "NdArrayNode") for name in _NUMBERS.split()}
    | {("numpy", f"{name}_", "NdArrayNode") for name in ("bool",)}
    | {("sklearn._loss._loss", name, "LossNode") for name in _LOSSES.split()}
    | {
        (f"sklearn.{module}", name, "ObjectNode")
        for module, names in _SKLEARN.items()
        for name in names.split()
    }
)
OWN_STEPS = "core.models.steps"  # its classes that are transformers or estimators


def trusted() -> tuple[str, ...]:
    """Names of the types that are allowed beyond what skops trusts by itself."""
    return tuple(sorted({f"{m}.{c}" for m, c, _ in ALLOWED | _own()}))


def check_schema(data: bytes) -> None:
    """Read what the bytes of a skops file would make, and refuse what is not of our families.

    Raises
    ------
    ModelError
        Naming the first type that is not on the list, or saying what is damaged.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        schema = json.loads(file.read("schema.json"))
        if not isinstance(schema, dict):
            raise ModelError("The model's estimator cannot be read: it holds no object.")
        allowed = ALLOWED | _own()
        for node in _nodes(schema):
            found = tuple(clean(node.get(k)) for k in ("__module__", "__class__", "__loader__"))
            if found not in allowed:
                raise ModelError(
                    f"The model holds an object of type {found[0]}.{found[1]}, which is not one of "
                    "those that models of this program consist of: it was not opened."
                )
            _check_node(node, file)


def _own() -> set[tuple[str, str, str]]:
    """Our own steps: classes that steps.py defines itself."""
    try:
        from core.models import steps
    except ImportError:
        return set()
    names = [n for n, v in vars(steps).items() if isinstance(v, type) and v.__module__ == OWN_STEPS]
    return {(OWN_STEPS, name, "ObjectNode") for name in names}


def _nodes(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    if depth > MOST_DEPTH:
        raise ModelError("The model holds objects within objects without end: it was not opened.")
    if isinstance(value, dict):
        if {"__class__", "__module__", "__loader__"} & set(value):
            yield value
        for part in value.values():
            yield from _nodes(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            yield from _nodes(part, depth + 1)


def _check_node(node: dict[str, Any], file: zipfile.ZipFile) -> None:
    """What is made in compiled code from arguments: these must fit one another before."""
    loader = node["__loader__"]
    if loader == "TreeNode":
        _, classes, outputs = node["__reduce__"]["args"]["content"]
        shape, kind = npy_header(file.read(classes["file"]))
        if outputs["content"] != "1" or shape != (1,) or kind != np.dtype(np.intp):
            raise ModelError("A tree of the model has more than one output: it was not opened.")
    if loader == "RandomGeneratorNode":
        name = node["content"]["bit_generator"]["content"]["bit_generator"]["content"]
        if name != '"PCG64"':
            raise ModelError("The model holds a generator of random numbers that is not ours.")


def npy_header(data: bytes) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array in numpy's format, whose size fits the bytes that are there.

    Raises
    ------
    ModelError
        The array is damaged, holds Python objects, or claims another size than it has.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(version)
        read = read or np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
    except (ValueError, TypeError, SyntaxError) as err:
        raise ModelError("An array of the model is damaged: it was not opened.") from err
    size = kind.itemsize
    for n in shape:
        size *= n
    if kind.hasobject or min(shape, default=0) < 0 or size != len(data) - file.tell():
        raise ModelError(
            "An array of the model has another size than it claims: it was not opened."
        )
    return shape, kind


def check_structure(estimator: Any, columns: int, labels: tuple[str, ...]) -> None:
    """Whether the parts of an estimator fit one another, the columns and the labels.

    Raises
    ------
    ModelError
        Saying which part does not.
    """
    if getattr(estimator, "n_features_in_", columns) != columns:
        raise ModelError("The model's estimator has another number of inputs than its card says.")
    found = tuple(str(v) for v in getattr(estimator, "classes_", ()))
    if found not in (labels, tuple(map(str, range(len(labels))))):
        raise ModelError("The model's estimator has other answers than its card says.")
    checks = _checks()
    for part in parts(estimator):
        if hasattr(part, "get_params"):
            _check_params(part)
        check = checks.get(type(part).__name__)
        if check and _is_fitted(part) and not check(part):
            raise ModelError(
                f"The numbers of the model's {type(part).__name__} do not fit one another: it was "
                "not opened."
            )


def parts(root: Any) -> Iterator[Any]:
    """Every object of the estimator, itself included, once."""
    seen, waiting = set(), [root]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, (str, bytes, int, float, type(None))):
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, (list, tuple)):
            waiting += part
        elif isinstance(part, np.ndarray):
            waiting += part.tolist() if part.dtype == object else []
        elif type(part).__module__.startswith(("sklearn.", "core.")):
            yield part
            waiting += list(getattr(part, "__dict__", {}).values())


def _check_params(part: Any) -> None:
    params = part.get_params(deep=False)
    wrong = params.get("memory") is not None or params.get("n_estimators", 0) > MOST_TREES
    for value in params.values():
        wrong |= callable(value) and not hasattr(value, "get_params")
    if wrong:
        raise ModelError(
            f"A setting of the model's {type(part).__name__} is not one that this program makes: "
            "it was not opened."
        )
    for name in ("n_jobs", "verbose"):
        if name in params:  # what the maker's machine had is nothing to this one
            setattr(part, name, None if name == "n_jobs" else 0)


def _checks() -> dict[str, Callable[[Any], bool]]:
    forests = ("RandomForest", "ExtraTrees")
    found: dict[str, Callable[[Any], bool]] = {
        "SVC": _svm_fits,
        "SVR": _svm_fits,
        "Tree": _tree_fits,
        "KNeighborsClassifier": _neighbours_fit,
        "KNeighborsRegressor": _neighbours_fit,
    }
    found |= {f"{f}{kind}": _forest_fits for f in forests for kind in ("Classifier", "Regressor")}
    for kind in ("Classifier", "Regressor"):
        found[f"HistGradientBoosting{kind}"] = _boosting_fits
    return found


def _is_fitted(part: Any) -> bool:
    """A template that a calibration or a forest keeps has none of what is checked."""
    learnt = {"support_vectors_", "_dual_coef_", "estimators_", "_predictors", "_fit_X", "_y"}
    return type(part).__name__ == "Tree" or bool(learnt & set(vars(part)))


def _svm_fits(svm: Any) -> bool:
    vectors, coefficients = svm.support_vectors_, svm._dual_coef_
    n, d = vectors.shape
    classes = len(getattr(svm, "classes_", ())) or 2
    regression = type(svm).__name__ == "SVR"
    pairs = 1 if regression else classes * (classes - 1) // 2
    rows = 1 if regression else classes - 1
    counts = np.asarray(svm._n_support)
    probabilities = (np.asarray(svm._probA).size, np.asarray(svm._probB).size)
    return (
        not svm._sparse
        and svm.kernel in ("linear", "rbf", "poly", "sigmoid")
        and d == svm.n_features_in_ == svm.shape_fit_[1]
        and coefficients.shape == (rows, n)
        and svm.support_.shape == (n,)
        and counts.dtype == np.int32
        and counts.size == (2 if regression else classes)
        and bool((counts >= 0).all())
        and (counts[0] if regression else counts.sum()) == n
        and np.asarray(svm._intercept_).shape == (pairs,)
        and probabilities in {(0, 0), (pairs, pairs)}
        and np.isfinite(svm._gamma)
        and all(a.dtype == np.float64 for a in (vectors, coefficients, svm._intercept_))
        and all(np.asarray(a).dtype == np.float64 for a in (svm._probA, svm._probB))
    )


def _tree_fits(tree: Any) -> bool:
    """Children come after their parent and exist, features exist."""
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    own = np.arange(tree.node_count)
    inner = left != -1
    after = (left[inner] > own[inner]) & (right[inner] > own[inner])
    there = (left[inner] < tree.node_count) & (right[inner] < tree.node_count)
    known = (feature[inner] >= 0) & (feature[inner] < tree.n_features)
    return tree.node_count > 0 and bool((after & there & known).all())


def _forest_fits(forest: Any) -> bool:
    wanted = forest.n_features_in_
    classes = getattr(forest, "n_classes_", 1)
    trees = forest.estimators_
    return 0 < len(trees) <= MOST_TREES and all(
        hasattr(t, "tree_")
        and t.tree_.n_features == wanted == t.n_features_in_
        and t.n_outputs_ == forest.n_outputs_ == 1
        and t.tree_.value.shape[1:] == (1, classes)
        and getattr(t, "n_classes_", 1) == classes
        for t in trees
    )


def _boosting_fits(model: Any) -> bool:
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    rounds = model._predictors
    if not 0 < len(rounds) <= MOST_TREES:
        return False
    width = model.n_trees_per_iteration_
    if any(len(trees) != width for trees in rounds):
        return False
    for tree in (tree for trees in rounds for tree in trees):
        nodes = tree.nodes
        if nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1 or not nodes.size:
            return False
        inner = np.flatnonzero(nodes["is_leaf"] == 0)
        left, right = nodes["left"][inner].astype(int), nodes["right"][inner].astype(int)
        fits = (left > inner) & (right > inner) & (left < nodes.size) & (right < nodes.size)
        feature = nodes["feature_idx"][inner]
        fits &= (feature >= 0) & (feature < model.n_features_in_)
        if not fits.all() or nodes["is_categorical"].any():
            return False
    return True


def _neighbours_fit(model: Any) -> bool:
    rows, y = model._fit_X, np.asarray(model._y)
    coded = not hasattr(model, "classes_") or (
        y.dtype.kind == "i" and bool(((y >= 0) & (y < len(model.classes_))).all())
    )
    return (
        model._fit_method == "brute"
        and model._tree is None
        and model.metric in ("minkowski", "euclidean", "manhattan", "cosine")
        and rows.ndim == 2
        and rows.shape[1] == model.n_features_in_
        and y.shape == (len(rows),)
        and coded
    )

"""The families of models that can be trained, their settings and the grids that are searched.

Conventions: a model is a pipeline: medians for missing values, logarithms where asked for, a
scaler, a PCA where asked for, and an estimator. Settings are plain values: ``scaler`` one of
SCALERS, ``pca`` None or the share of variance kept, ``log1p`` True, False or columns, and those of
the estimator. Class weights are balanced wherever a family has them, so that probabilities are
those of classes equally frequent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from core.errors import MissingPackageError, ParameterError
from core.safe_text import clean

SCALERS = ("none", "standard", "robust", "power", "quantile")
ALIASES = {"svc": "svc-rbf", "lr": "logreg", "rf": "random-forest", "gb": "hist-gb"}
_STEPS = {"scaler": "standard", "pca": None, "log1p": False}


@dataclass(frozen=True)
class ModelSpec:
    """A family of models.

    ``kind`` is "classification" or "regression"; ``make(settings, seed)`` gives the estimator at
    the end of the pipeline; ``grid`` maps settings to the values searched; ``defaults`` holds
    every setting the family knows. ``whole`` marks a family that is its own pipeline.
    """

    key: str
    label: str
    about: str
    kind: str
    make: Callable[[Mapping[str, Any], int], Any]
    grid: dict[str, tuple] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    whole: bool = False

    def settings(self, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The defaults with changes.

        Raises
        ------
        ParameterError
            The family has no such setting, or no such scaler.
        """
        known = self.defaults if self.whole else _STEPS | self.defaults
        found = {**known, **(changes or {})}
        unknown = [] if self.whole else [name for name in found if name not in known]
        if unknown:
            raise ParameterError(
                f"{self.label} has no setting {clean(unknown[0])}: choose one of {sorted(known)}."
            )
        if found.get("scaler", "none") not in SCALERS:
            raise ParameterError(
                f"Unknown scaler {clean(found['scaler'])}: choose one of {list(SCALERS)}."
            )
        return found

    def points(self, fixed: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Every point of the grid, in order, less the settings that are fixed."""
        fixed = dict(fixed or {})
        free = {name: values for name, values in self.grid.items() if name not in fixed}
        return [dict(zip(free, values, strict=True)) for values in product(*free.values())]

    def build(self, settings: Mapping[str, Any], seed: int) -> Any:
        """The estimator with these settings, not fitted.

        Raises
        ------
        ParameterError
            A setting does not exist or cannot work.
        MissingPackageError
            The family needs a package that is not installed.
        """
        found = self.settings(settings)
        if self.whole:
            return self.make(found, seed)
        from sklearn.decomposition import PCA
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline

        steps = [("impute", SimpleImputer(strategy="median", keep_empty_features=True))]
        if found["log1p"] is not False:
            from core.models.steps import Log1p

            steps.append(("log1p", Log1p(None if found["log1p"] is True else found["log1p"])))
        if found["scaler"] != "none":
            steps.append(("scaler", _scaler(found["scaler"], seed)))
        if found["pca"] is not None:
            steps.append(("pca", PCA(found["pca"], random_state=seed)))
        return Pipeline([*steps, ("model", self.make(found, seed))])


def spec_of(key: str) -> ModelSpec:
    """The family of this key, or of a short name for it.

    Raises
    ------
    ParameterError
        There is none.
    """
    key = ALIASES.get(key, key)
    if key not in MODELS:
        raise ParameterError(f"Unknown model {clean(key)}: choose one of {list(MODELS)}.")
    return MODELS[key]


def _scaler(name: str, seed: int) -> Any:
    from sklearn import preprocessing

    if name == "quantile":
        return preprocessing.QuantileTransformer(random_state=seed)
    kinds = {"standard": "StandardScaler", "robust": "RobustScaler", "power": "PowerTransformer"}
    return getattr(preprocessing, kinds[name])()


def _logreg(s: Mapping[str, Any], seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=s["C"], max_iter=s["max_iter"], class_weight="balanced")


def _svc(kernel: str) -> Callable[[Mapping[str, Any], int], Any]:
    def make(s: Mapping[str, Any], seed: int) -> Any:
        from core.models.steps import SoftmaxSVC

        return SoftmaxSVC(C=s["C"], kernel=kernel, gamma=s.get("gamma", "scale"), seed=seed)

    return make


def _hist_gb(s: Mapping[str, Any], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(**_boosting(s, seed), class_weight="balanced")


def _hist_gb_reg(s: Mapping[str, Any], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(**_boosting(s, seed), loss="absolute_error")


def _boosting(s: Mapping[str, Any], seed: int) -> dict[str, Any]:
    names = ("learning_rate", "max_iter", "max_leaf_nodes", "l2_regularization")
    # Stopping early would judge by clips of speakers that it trains on.
    return {n: s[n] for n in names} | {"early_stopping": False, "random_state": seed}


def _forest(s: Mapping[str, Any], seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(**_trees(s, seed), class_weight="balanced_subsample")


def _forest_reg(s: Mapping[str, Any], seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(**_trees(s, seed))


def _trees(s: Mapping[str, Any], seed: int) -> dict[str, Any]:
    names = ("n_estimators", "min_samples_leaf", "max_features")
    return {n: s[n] for n in names} | {"random_state": seed}


def _knn(s: Mapping[str, Any], seed: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=s["n_neighbors"], weights=s["weights"])


def _ridge(s: Mapping[str, Any], seed: int) -> Any:
    from sklearn.linear_model import Ridge

    return Ridge(alpha=s["alpha"])


def _svr(s: Mapping[str, Any], seed: int) -> Any:
    from sklearn.svm import SVR

    return SVR(C=s["C"], gamma=s["gamma"], epsilon=s["epsilon"])


def _cnn(s: Mapping[str, Any], seed: int) -> Any:
    try:
        from core.models import network

        return network.build(dict(s), seed)
    except MissingPackageError:
        raise
    except ImportError as err:
        raise MissingPackageError(
            "Training the network needs the package 'torch': pip install torch."
        ) from err


_SCALED = ("standard", "power", "quantile")
_BOOST = {"learning_rate": 0.1, "max_iter": 100, "max_leaf_nodes": 15, "l2_regularization": 1.0}
_BOOST_GRID = {"learning_rate": (0.03, 0.1), "max_iter": (100, 300), "max_leaf_nodes": (7, 31)}
_TREES = {"n_estimators": 200, "min_samples_leaf": 2, "max_features": "sqrt", "scaler": "none"}
_TREES_GRID = {"min_samples_leaf": (1, 3, 8), "max_features": ("sqrt", 0.3)}

_LIST = (
    ModelSpec(
        "logreg",
        "Logistic regression",
        "A weight for each input; the article's model, and the quickest to explain.",
        "classification",
        _logreg,
        {"scaler": _SCALED, "pca": (None, 0.99), "C": (0.001, 0.01, 0.1, 1.0, 10.0)},
        {"C": 0.1, "max_iter": 1000},
    ),
    ModelSpec(
        "svc-linear",
        "Support vectors, linear",
        "A straight boundary that keeps its distance from the nearest clips.",
        "classification",
        _svc("linear"),
        {"scaler": _SCALED, "pca": (None, 0.99), "C": (0.001, 0.01, 0.1, 1.0)},
        {"C": 0.01},
    ),
    ModelSpec(
        "svc-rbf",
        "Support vectors, RBF",
        "A curved boundary; usually the best of these on tables of a few thousand clips.",
        "classification",
        _svc("rbf"),
        {"scaler": _SCALED, "C": (0.3, 1.0, 3.0, 10.0, 30.0), "gamma": ("scale", 0.003, 0.01)},
        {"C": 3.0, "gamma": "scale"},
    ),
    ModelSpec(
        "hist-gb",
        "Gradient boosting",
        "Many small trees, each correcting those before; needs no scaling.",
        "classification",
        _hist_gb,
        _BOOST_GRID,
        _BOOST | {"scaler": "none"},
    ),
    ModelSpec(
        "random-forest",
        "Random forest",
        "Many trees on random parts of the data, which vote; needs no scaling.",
        "classification",
        _forest,
        _TREES_GRID,
        dict(_TREES),
    ),
    ModelSpec(
        "knn",
        "Nearest neighbours",
        "The answer of the most similar clips; says most where voices repeat.",
        "classification",
        _knn,
        {"scaler": _SCALED, "n_neighbors": (1, 5, 15, 45), "weights": ("uniform", "distance")},
        {"n_neighbors": 15, "weights": "distance"},
    ),
    ModelSpec(
        "ridge",
        "Ridge regression",
        "A weight for each input, to a number of years.",
        "regression",
        _ridge,
        {"scaler": _SCALED, "pca": (None, 0.99), "alpha": (1.0, 10.0, 100.0, 1000.0, 10000.0)},
        {"alpha": 100.0},
    ),
    ModelSpec(
        "svr-rbf",
        "Support vector regression, RBF",
        "A smooth curve through the clips, to a number of years.",
        "regression",
        _svr,
        {"scaler": _SCALED, "C": (1.0, 3.0, 10.0, 30.0), "epsilon": (1.0, 5.0)},
        {"C": 10.0, "gamma": "scale", "epsilon": 1.0},
    ),
    ModelSpec(
        "hist-gb-reg",
        "Gradient boosting, years",
        "Many small trees that lower the mean absolute error; needs no scaling.",
        "regression",
        _hist_gb_reg,
        _BOOST_GRID,
        _BOOST | {"scaler": "none"},
    ),
    ModelSpec(
        "random-forest-reg",
        "Random forest, years",
        "Many trees on random parts of the data, averaged; needs no scaling.",
        "regression",
        _forest_reg,
        _TREES_GRID,
        dict(_TREES),
    ),
    ModelSpec(
        "cnn",
        "Convolutional network",
        "A small network on mel images; training needs the optional package torch.",
        "classification",
        _cnn,
        whole=True,
    ),
)
MODELS: dict[str, ModelSpec] = {spec.key: spec for spec in _LIST}

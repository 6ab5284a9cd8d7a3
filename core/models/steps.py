"""Steps of a model that scikit-learn does not have; their state is plain arrays and numbers.

Conventions: ``X`` is (n, d) with NaN where a value is missing; a fitted value ends in ``_``.
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

SKEWED = 1.0  # skewness from which a column is taken for right-skewed
STEEPNESS = 4.0  # of a pair's logistic: lower scores lose right answers, higher ones calibration


class Log1p(TransformerMixin, BaseEstimator):
    """Logarithm of 1 + x of some columns; below 0, which training has not seen, counts as 0.

    Parameters
    ----------
    columns : sequence of int or None
        Which; None chooses those without negative values whose skewness passes 1 and gets nearer
        to 0 by it.
    """

    def __init__(self, columns=None):
        self.columns = columns

    def fit(self, X, y=None):
        """Choose the columns from X (n, d)."""
        X = np.asarray(X)
        self.n_features_in_ = X.shape[1]
        if self.columns is not None:
            self.chosen_ = np.zeros(X.shape[1], dtype=bool)
            self.chosen_[list(self.columns)] = True
            return self
        before = _skewness(X)
        positive = np.nan_to_num(X, nan=0.0).min(axis=0) >= 0
        after = _skewness(np.log1p(np.maximum(X, 0)))
        self.chosen_ = positive & (before > SKEWED) & (abs(after) < before)
        return self

    def transform(self, X):
        """X (n, d) with the chosen columns in logarithms."""
        X = np.array(X)
        X[:, self.chosen_] = np.log1p(np.maximum(X[:, self.chosen_], 0))
        return X


class SoftmaxSVC(ClassifierMixin, BaseEstimator):
    """Support vector machine whose decision values, through a softmax, are its probabilities.

    Their scale is arbitrary and left to the temperature that ``train`` learns across folds, which
    costs no inner fits. With more than two classes a class's value is its own against the rest
    (linear), or the sum over the other classes of log logistic(STEEPNESS × margin over that class)
    (RBF), which agrees with the vote of the pairs and can still be calibrated.

    Parameters
    ----------
    C : float
        Inverse strength of the regularisation.
    kernel : {"rbf", "linear"}
        The shape of the boundary.
    gamma : float or str
        Of the RBF kernel.
    seed : int
        Of the linear solver.
    """

    def __init__(self, C=1.0, kernel="rbf", gamma="scale", seed=0):
        self.C, self.kernel, self.gamma, self.seed = C, kernel, gamma, seed

    def fit(self, X, y):
        """Fit on X (n, d) and labels y (n,), with balanced class weights."""
        from sklearn.svm import SVC, LinearSVC

        if self.kernel == "linear":
            self.svc_ = LinearSVC(C=self.C, class_weight="balanced", random_state=self.seed)
        else:
            self.svc_ = SVC(
                C=self.C,
                gamma=self.gamma,
                class_weight="balanced",
                decision_function_shape="ovo",
                cache_size=500,
            )
        self.svc_.fit(X, y)
        self.classes_ = self.svc_.classes_
        self.n_features_in_ = np.shape(X)[1]
        return self

    def decision_function(self, X):
        """A value of each class (n, k), the higher the likelier."""
        found = self.svc_.decision_function(X)
        k = self.classes_.size
        if k == 2:
            return np.column_stack([-found, found]) / 2
        if self.kernel == "linear":
            return found
        scores, pair = np.zeros((len(found), k)), 0
        for i in range(k):
            for j in range(i + 1, k):
                margin = STEEPNESS * found[:, pair]
                scores[:, i] -= np.logaddexp(0, -margin)
                scores[:, j] -= np.logaddexp(0, margin)
                pair += 1
        return scores

    def predict_proba(self, X):
        """Softmax of the decision values, (n, k)."""
        scores = self.decision_function(X)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, X):
        """The class of the highest value, (n,)."""
        return self.classes_[self.decision_function(X).argmax(axis=1)]


def _skewness(X: np.ndarray) -> np.ndarray:
    """Third standardised moment of each column, 0 where it does not vary."""
    there = np.isfinite(X)
    n = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, X, 0).sum(axis=0) / n
    away = np.where(there, X - mean, 0)
    sd = np.sqrt((away**2).sum(axis=0) / n)
    third = (away**3).sum(axis=0) / n
    return np.where(sd > 1e-9, third / np.maximum(sd, 1e-9) ** 3, 0.0)

"""The lines that "Show the code" gives on the map page; they need pandas and scikit-learn."""

from core.eda.projection import ITERATIONS, MapParams

_READ = """import numpy as np
import pandas as pd

table = pd.read_csv({name!r})
x = table[{columns}]
x = x.loc[:, x.isna().mean() <= 0.5]
x = x.fillna(x.median())
x = x.loc[:, x.std(ddof=0) > 1e-9]
x = (x - x.mean()) / x.std(ddof=0)
"""
_BLOCKS = """mel = x.columns.str.startswith("mel_strength_")
x = x * np.where(mel, 1 / np.sqrt(mel.sum()), 1 / np.sqrt((~mel).sum()))
"""
_METHODS = {
    "pca": """
from sklearn.decomposition import PCA

xy = PCA(2, svd_solver="covariance_eigh").fit_transform(x.to_numpy())
""",
    "tsne": """
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

small = x.to_numpy(dtype="float32")
if min(50, *small.shape) < small.shape[1]:
    small = PCA(min(50, *small.shape), random_state=0).fit_transform(small)
xy = TSNE(
    perplexity=min(30.0, (len(x) - 1) / 3), init="pca", max_iter={iterations}, random_state=0
).fit_transform(small)
""",
    "umap": """
import umap

xy = umap.UMAP(n_neighbors=min(15, len(x) - 1), random_state=0).fit_transform(x)
""",
}
_POINTS = """
points = pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "colour": table["colour"]})
"""
_DISTANCES = """
from sklearn.neighbors import NearestNeighbors

nearest = NearestNeighbors(n_neighbors=1).fit(x.to_numpy()).kneighbors()[0][:, 0]
logs = np.log(nearest[nearest > 1e-3])
spread = 1.4826 * np.median(abs(logs - np.median(logs)))
threshold = np.exp(np.median(logs) - {spreads} * max(spread, 0.15))
"""


def cloud(params: MapParams, name: str) -> str:
    """``points``, from "CSV of the map"."""
    lines = _READ.format(name=name, columns="table.columns[4:]")
    lines += _BLOCKS if params.space == "both" else ""
    return lines + _METHODS[params.method].format(iterations=ITERATIONS) + _POINTS


def distances(name: str, space: str, spreads: float) -> str:
    """``nearest`` and ``threshold``, from "CSV of what is compared"."""
    lines = _READ.format(name=name, columns="table.columns[1:]")
    lines += _BLOCKS if space == "both" else "x = x / np.sqrt(x.shape[1])\n"
    return lines + _DISTANCES.format(spreads=spreads)

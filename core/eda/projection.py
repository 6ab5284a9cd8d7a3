"""A map of a data set: every clip a point in the plane, similar clips near each other.

Conventions: a clip is described by its features, by its mel strengths (dB), or by both; missing
values take the column's median, columns are brought to mean 0 and standard deviation 1, and in
"both" each block counts the same whatever its width. More clips than asked for are sampled by the
MD5 of their clip_id, so that the sample is the same every time. PCA is linear [#]_; t-SNE [#]_ and
UMAP keep neighbours together, while their distances between groups and their axes mean nothing.

Slow projections run as ``python -m core.eda.projection``, a job of ``core.jobs``; what they make
is kept in the workspace, ``maps/DIGEST/map.npz``, named by content and settings.

.. [#] I. T. Jolliffe, "Principal Component Analysis", 2nd edition, Springer 2002.
.. [#] L. van der Maaten, G. Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib.util import find_spec
import io
import json
from pathlib import Path
import re
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core import jobs
from core.errors import MissingPackageError, ParameterError
from core.filters import Selection
from core.params import Digest
from core.store import Workspace, speaking, write_whole

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1  # of what is kept on disk
VECTOR = "mel_strength"
SPACES = {"features": "Features", "mel": "Mel strengths", "both": "Features and mel strengths"}
METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
MOST = 20_000  # clips on one map
MOST_SLOW = 5_000  # clips of t-SNE and UMAP
AT_ONCE = 300  # clips that t-SNE does within a second or two, without a job
FEWEST = 5  # clips
MOSTLY_MISSING = 0.5
ITERATIONS = 1000  # of t-SNE
KEPT = 20  # maps on disk


@dataclass(frozen=True)
class MapParams(Digest):
    """What a map is made of; ``clips`` is the size of the sample."""

    method: str = "pca"
    space: str = "features"
    clips: int = MOST_SLOW

    def check(self) -> None:
        """Raise ParameterError or MissingPackageError where these settings cannot work."""
        if self.method not in METHODS or self.space not in SPACES:
            raise ParameterError(
                f"A map is made by one of {list(METHODS)} from one of {list(SPACES)}."
            )
        most = MOST if self.method == "pca" else MOST_SLOW
        if not FEWEST <= self.clips <= most:
            raise ParameterError(
                f"clips={self.clips:,} does not work: {METHODS[self.method]} takes {FEWEST} to "
                f"{most:,}."
            )
        if self.method == "umap" and not has_umap():
            raise MissingPackageError("UMAP needs the package umap-learn: pip install umap-learn")


class Measured(NamedTuple):
    """What describes the clips: ``x`` (n, d) as stored, NaN where missing; ``total`` to choose."""

    clip_ids: np.ndarray
    x: np.ndarray
    names: tuple[str, ...]
    total: int


class Points(NamedTuple):
    """Clips as points: ``x`` (n, d) float32, comparable columns; what was done to make it so."""

    clip_ids: np.ndarray
    x: np.ndarray
    names: tuple[str, ...]
    total: int
    imputed: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Projection:
    """A map: ``xy`` (n, 2) float32 of the clips ``clip_ids`` (n,), sorted.

    ``axes`` are the axes' titles; ``strong`` names the columns that weigh most on each axis of a
    PCA; ``total`` is what the sample was taken from; ``imputed`` counts values and ``left_out``
    names columns, see ``standardised``.
    """

    clip_ids: np.ndarray
    xy: np.ndarray
    axes: tuple[str, str]
    strong: tuple[tuple[str, ...], ...]
    total: int
    imputed: int
    columns: int
    left_out: tuple[str, ...]


def has_umap() -> bool:
    """Whether the optional package umap-learn is installed."""
    return find_spec("umap") is not None


def spaces(workspace: Workspace) -> tuple[str, ...]:
    """The spaces that this workspace's clips can be mapped in."""
    there = {"features": bool(workspace.columns), "mel": VECTOR in workspace.vector_sizes}
    return tuple(s for s in SPACES if (all(there.values()) if s == "both" else there[s]))


def measured(workspace: Workspace, selection: Selection, space: str, most: int) -> Measured:
    """What describes the selected clips, of a sample where there are more than ``most``.

    Raises
    ------
    ParameterError
        The table has no such columns, or the selection leaves fewer than five clips.
    """
    if space not in spaces(workspace):
        raise ParameterError(f"This table has no {SPACES.get(space, space).lower()}.")
    columns = workspace.columns if space != "mel" else ()
    vector = VECTOR if space != "features" else ""
    found = workspace.drawn(most, selection.where(), columns=columns, vector=vector)
    if found.total < FEWEST:
        raise ParameterError(
            f"The selection leaves {found.total:,} clips, which are too few: clear a condition."
        )
    bands = range(workspace.vector_sizes.get(vector, 0))
    names = (*columns, *(f"{VECTOR}_{i:03d}" for i in bands))
    return Measured(found.clip_ids, found.x, names, found.total)


def standardised(found: Measured) -> Points:
    """Medians for missing values, then mean 0 and standard deviation 1 in every column.

    Columns that do not vary or are mostly missing are left out.

    Raises
    ------
    ParameterError
        Nothing is left.
    """
    missing = ~np.isfinite(found.x)
    x = np.where(missing, np.nan, found.x)
    there = missing.mean(axis=0) <= MOSTLY_MISSING
    x[:, there] = np.where(missing[:, there], np.nanmedian(x[:, there], axis=0), x[:, there])
    sd = np.zeros(x.shape[1])
    sd[there] = x[:, there].std(axis=0)
    good = sd > 1e-9
    if not good.any():
        raise ParameterError("Nothing varies among these clips: a map needs differences.")
    z = (x[:, good] - x[:, good].mean(axis=0)) / sd[good]
    names = tuple(n for n, ok in zip(found.names, good, strict=True) if ok)
    left_out = tuple(n for n, ok in zip(found.names, good, strict=True) if not ok)
    z = (z * _weights(names)).astype(np.float32)
    return Points(found.clip_ids, z, names, found.total, int(missing[:, good].sum()), left_out)


def project(points: Points, params: MapParams) -> Projection:
    """The points in the plane; the same every time.

    Raises
    ------
    ParameterError, MissingPackageError
        See ``MapParams.check``.
    """
    params.check()
    strong: tuple[tuple[str, ...], ...] = ()
    if params.method == "pca":
        xy, shares, strong = _pca(points)
        axes = tuple(
            f"Principal component {i} ({s:.0%} of variance)" for i, s in enumerate(shares, 1)
        )
    else:
        xy = (_tsne if params.method == "tsne" else _umap)(points.x)
        axes = tuple(f"{METHODS[params.method]} axis {i} (no unit)" for i in (1, 2))
    return Projection(
        clip_ids=points.clip_ids,
        xy=xy.astype(np.float32),
        axes=axes,
        strong=strong,
        total=points.total,
        imputed=points.imputed,
        columns=len(points.names),
        left_out=points.left_out,
    )


def make(workspace: Workspace, selection: Selection, params: MapParams) -> Projection:
    """The map of the selected clips, made now.

    Raises
    ------
    ParameterError, MissingPackageError
        The settings or the clips do not allow it.
    """
    params.check()
    return project(standardised(measured(workspace, selection, params.space, params.clips)), params)


def at_once(workspace: Workspace, selection: Selection, params: MapParams) -> bool:
    """Whether ``make`` takes a second or two at most; otherwise it is a job."""
    few = params.clips <= AT_ONCE or workspace.count(selection.where()) <= AT_ONCE
    return params.method == "pca" or (params.method == "tsne" and few)


def folder_of(workspace: Workspace, selection: Selection, params: MapParams) -> Path:
    """Where the map of this content with these settings is kept, and its job."""
    content = [VERSION, *workspace.key[1:], selection.to_text(), asdict(params)]
    text = json.dumps(content, sort_keys=True, default=str)
    return workspace.folder / "maps" / blake2b(text.encode(), digest_size=10).hexdigest()


def start(workspace: Workspace, selection: Selection, params: MapParams) -> jobs.Job:
    """Make the map in a process of its own; ``stored`` has it when the job is done.

    Raises
    ------
    ParameterError, MissingPackageError, StoreError
        The settings do not allow it, a job runs there already, or the folder cannot be written.
    """
    params.check()
    folder = folder_of(workspace, selection, params)
    with speaking(folder):
        folder.parent.mkdir(exist_ok=True)
        old = sorted(folder.parent.iterdir(), key=lambda p: p.stat().st_mtime)
    for path in old[:-KEPT]:
        if jobs.Job(path).status()["state"] != "running":
            shutil.rmtree(path, ignore_errors=True)
    words = [str(workspace.folder), selection.to_text(), json.dumps(asdict(params))]
    return jobs.start(words, folder, module="core.eda.projection")


def stored(folder: Path) -> Projection | None:
    """The map kept in ``folder_of``; None where there is none or it cannot be read."""
    try:
        with np.load(folder / "map.npz", allow_pickle=False) as file:
            found = json.loads(str(file["about"]))
            ids, xy = file["clip_ids"].astype(object), file["xy"]
    except (OSError, ValueError, KeyError):
        return None
    pairs = {n: tuple(tuple(s) for s in found[n]) for n in ("strong",)}
    lists = {n: tuple(found[n]) for n in ("axes", "left_out")}
    return Projection(clip_ids=ids, xy=xy, **(found | lists | pairs))


def store(folder: Path, made: Projection) -> None:
    """Keep a map; it appears whole.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    with speaking(folder):
        folder.mkdir(parents=True, exist_ok=True)
    about = {k: v for k, v in vars(made).items() if k not in ("clip_ids", "xy")}
    arrays = {"clip_ids": made.clip_ids.astype(str), "xy": made.xy, "about": json.dumps(about)}
    write_whole(folder / "map.npz", lambda file: np.savez(file, **arrays))


def table(workspace: Workspace, made: Projection, space: str, column: str) -> "pd.DataFrame":
    """What is drawn, and what it was made of: clip_id, map_x, map_y, colour, then the columns."""
    import pandas as pd

    x, names = _read(workspace, made.clip_ids, space)
    drawn = pd.DataFrame({"clip_id": made.clip_ids, "map_x": made.xy[:, 0], "map_y": made.xy[:, 1]})
    drawn["colour"] = column_of(workspace, made.clip_ids, column)
    return pd.concat([drawn, pd.DataFrame(x, columns=list(names))], axis=1)


def column_of(workspace: Workspace, clip_ids: Sequence[str], column: str) -> np.ndarray:
    """A label or feature of these clips, (n,), in their order; None or NaN where not known.

    Raises
    ------
    ParameterError
        There is no such column.
    """
    if column not in (*workspace.label_columns(), *workspace.columns):
        raise ParameterError("This table has no such column: choose another.")
    rows = _rows(workspace, "clips", [column], clip_ids)
    return rows[column].to_numpy()


def main(words: Sequence[str]) -> int:
    """The job: WORKSPACE, SELECTION and PARAMS, the latter two as JSON."""
    folder, text, settings = words
    workspace = Workspace.open(folder)
    columns = (*workspace.label_columns(), *workspace.columns)
    selection = Selection.from_text(text, columns)
    params = MapParams(**json.loads(settings))
    target = folder_of(workspace, selection, params)
    with _progress():
        made = make(workspace, selection, params)
    if jobs.cancelled():
        return 1
    store(target, made)
    return 0


def _weights(names: Sequence[str]) -> np.ndarray:
    """Where features and mel strengths come together, each block has a variance of 1 in all."""
    mel = np.array([n.startswith("mel_strength_") for n in names])
    if mel.all() or not mel.any():
        return np.ones(len(names))
    return np.where(mel, 1 / np.sqrt(mel.sum()), 1 / np.sqrt((~mel).sum()))


def _read(workspace: Workspace, ids: np.ndarray, space: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns of a space, (n, d), NaN where missing, and their names."""
    blocks, names = [], []
    if space in ("features", "both"):
        names += workspace.columns
        rows = _rows(workspace, "clips", list(workspace.columns), ids)
        blocks.append(rows[list(workspace.columns)].to_numpy(dtype=float, na_value=np.nan))
    if space in ("mel", "both"):
        size = workspace.vector_sizes[VECTOR]
        names += [f"mel_strength_{i:03d}" for i in range(size)]
        block = np.full((len(ids), size), np.nan)
        for i, v in enumerate(_rows(workspace, "vectors", [VECTOR], ids)[VECTOR]):
            if isinstance(v, np.ndarray) and v.size == size:
                block[i] = np.ma.filled(v.astype(float), np.nan)
        blocks.append(block)
    return np.concatenate(blocks, axis=1), tuple(names)


def _rows(
    workspace: Workspace, view: str, columns: list[str], ids: Sequence[str]
) -> "pd.DataFrame":
    """Columns of these clips in this order; rows of nothing for clips that are not there."""
    picked = ", ".join('"' + c.replace('"', '""') + '"' for c in columns)
    sql = f"SELECT clip_id, {picked} FROM {view} WHERE clip_id IN (SELECT unnest(?::VARCHAR[]))"
    return workspace.query(sql, [list(ids)]).set_index("clip_id").reindex(list(ids))


def _pca(points: Points) -> tuple[np.ndarray, list[float], tuple[tuple[str, ...], ...]]:
    """Coordinates, shares of the variance, and the three strongest columns of each axis."""
    from sklearn.decomposition import PCA

    n = min(2, len(points.names))
    pca = PCA(n_components=n, svd_solver="covariance_eigh").fit(points.x.astype(float))
    xy = np.zeros((len(points.x), 2))
    xy[:, :n] = pca.transform(points.x.astype(float))
    shares = [float(s) for s in pca.explained_variance_ratio_] + [0.0] * (2 - n)
    order = np.argsort(-abs(pca.components_), axis=1)[:, :3]
    return xy, shares, tuple(tuple(points.names[i] for i in row) for row in order)


def _tsne(x: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    small = min(50, *x.shape)
    x = PCA(n_components=small, random_state=0).fit_transform(x) if small < x.shape[1] else x
    tsne = TSNE(
        perplexity=min(30.0, (len(x) - 1) / 3),
        init="pca" if x.shape[1] > 1 else "random",
        max_iter=ITERATIONS,
        random_state=0,
        verbose=2,
    )
    # One thread is faster here than threads that wait for each other, and leaves a core to others.
    with threadpool_limits(1), redirect_stdout(_Iterations()):
        return tsne.fit_transform(x)


def _umap(x: np.ndarray) -> np.ndarray:
    import umap

    return umap.UMAP(n_neighbors=min(15, len(x) - 1), random_state=0).fit_transform(x)


class _Iterations(io.TextIOBase):
    """Makes progress of what t-SNE prints: "[t-SNE] Iteration 50: error = …"."""

    def write(self, text: str) -> int:
        found = re.search(r"Iteration (\d+)", text)
        if found:
            _report(int(found[1]))
        return len(text)


def _report(done: int) -> None:
    if jobs.cancelled():
        raise SystemExit("Cancelled.")
    nan = float("nan")
    jobs.report(done=done, total=ITERATIONS, failed=0, rate=nan, eta_s=nan)


@contextmanager
def _progress() -> Iterator[None]:
    """From the first iteration to the last."""
    _report(0)
    yield
    _report(ITERATIONS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Numbers of a sample of clips, the same every time; see ``Workspace.drawn``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
import warnings

import numpy as np

from core.errors import ParameterError
from core.safe_text import clean
from core.store._query import Where, quoted, split_where

if TYPE_CHECKING:
    from core.store._workspace import Workspace


class Drawn(NamedTuple):
    """``clip_ids`` (n,), sorted; ``x`` (n, d), NaN where missing; ``total`` to draw from."""

    clip_ids: np.ndarray
    x: np.ndarray
    total: int


def draw(
    workspace: "Workspace", most: int, where: Where, columns: Sequence[str], vector: str
) -> Drawn:
    """See ``Workspace.drawn``."""
    workspace._check(columns, workspace._columns_of("clips"))
    size = workspace.vector_sizes.get(vector, 0)
    if vector and not size:
        raise ParameterError(f"Unknown vector {clean(vector)}: choose another.")
    total = workspace.count(where)
    picked = "".join(f", {quoted(n)}::DOUBLE AS x{i}" for i, n in enumerate(columns))
    found, table = None, "vectors"
    if total > most:
        found, table = _from_memory(workspace, most, where, picked, vector)
    if found is None:
        found, table = _from_files(workspace, most, where, picked, total), "vectors"
    order = np.argsort(found["clip_id"], kind="stable")
    ids = np.asarray(found["clip_id"], dtype=object)[order]
    x = np.full((ids.size, len(columns) + size), np.nan)
    for i in range(len(columns)):
        x[:, i] = np.ma.filled(found[f"x{i}"].astype(float), np.nan)[order]
    if vector:
        x[:, len(columns) :] = _matrix(workspace, vector, size, ids, table)
    return Drawn(ids, x, total)


def _from_memory(
    workspace: "Workspace", most: int, where: Where, picked: str, vector: str
) -> tuple[dict[str, Any] | None, str]:
    """Arrays clip_id, x0, x1 and so on, and where the vectors are; None if too few are kept."""
    low_md5, rows, vectors = workspace._database().drawn(vector)
    if not rows or (vector and not vectors):
        return None, ""
    condition, values = split_where(where)
    sql = f"SELECT clip_id{picked} FROM {rows} WHERE {condition} AND kept_md5 < ? "
    sql += f"ORDER BY kept_md5 LIMIT {int(most)}"
    found = workspace._ask(sql, [*values, low_md5], lambda answer: answer.fetchnumpy())
    return (found if len(found["clip_id"]) == most else None), vectors


def _from_files(
    workspace: "Workspace", most: int, where: Where, picked: str, total: int
) -> dict[str, Any]:
    condition, values = split_where(where)
    if total > most:
        sql = f"SELECT clip_id FROM clips WHERE {condition} ORDER BY md5(clip_id)"
        ids = workspace.query(f"{sql} LIMIT {int(most)}", values)["clip_id"].tolist()
        condition, values = "clip_id IN (SELECT unnest(?::VARCHAR[]))", [ids]
    sql = f"SELECT clip_id{picked} FROM clips WHERE {condition}"
    return workspace._ask(sql, values, lambda answer: answer.fetchnumpy())


def _matrix(
    workspace: "Workspace", name: str, size: int, ids: np.ndarray, table: str
) -> np.ndarray:
    """A vector of each clip (n, size), NaN where it has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sql = f"SELECT clip_id, {quoted(name)} AS v FROM {table} "
    sql += "WHERE clip_id IN (SELECT unnest(?::VARCHAR[]))"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it copies some megabytes
        found = workspace._ask(sql, [ids.tolist()], lambda answer: answer.to_arrow_table())
    found = found.filter(pc.fill_null(pc.equal(pc.list_value_length(found["v"]), size), False))
    rows = pc.index_in(pa.array(ids, pa.string()), found["clip_id"])
    at = rows.fill_null(-1).to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(found["v"]).to_numpy().reshape(-1, size)
    out = np.full((ids.size, size), np.nan)
    out[at >= 0] = flat[at[at >= 0]]
    return out

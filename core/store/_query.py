"""Questions to the parts of a workspace, answered by DuckDB in memory.

Conventions: ``where`` is a condition in SQL, or such a condition and the values for its ``?``; the
views are ``clips`` (labels and features of the clips that were measured), ``features`` (without
labels), ``failures`` (clip_id, error, message), ``catalogue`` and ``vectors``.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.errors import ParameterError
from core.quality.columns import FOLDER, NAMES, TEXTS, join_sql, parts, stamp
from core.safe_text import clean
from core.store._disk import StoreError, shown
from core.store._memory import LARGEST, SMALL, Kept, keep_small, quoted
from core.store._parts import read_table
from core.store._plan import Plan, catalogue_path, part_name

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Fetch = Callable[["duckdb.DuckDBPyConnection"], Any]
Where = str | tuple[str, Sequence[Any]] | None
_BLOCK = 128  # rows
_LARGE, _MOST_PARTS = 20_000, 512  # where joining by row number pays
_MOST_OPEN = 4  # databases that are kept
_OPEN: "dict[Path, _Database]" = {}
_OPENING = threading.Lock()
_IN_STEP: dict[tuple, str] = {}  # what was found about plans, by folder, plan and units
_OURS = ("unit", "from_unit")
_LABELS = 16  # columns of labels, about


class Histogram(NamedTuple):
    """Counts of a column's values.

    ``edges`` (bins + 1,); ``groups``, the values of the grouping column in order (one empty name
    without grouping); ``counts`` (groups, bins); ``missing`` (groups,) clips without a value.
    """

    edges: np.ndarray
    groups: tuple[str, ...]
    counts: np.ndarray
    missing: np.ndarray


def literal(text: str) -> str:
    """A string for SQL."""
    return "'" + text.replace("'", "''") + "'"


def split_where(where: Where) -> tuple[str, list[Any]]:
    """The condition for SQL, and its values."""
    if not where:
        return "TRUE", []
    if isinstance(where, str):
        return f"({where})", []
    return f"({where[0]})", list(where[1])


class _Database:
    """A locked-down in-memory database, shared by all who ask about a folder."""

    def __init__(self, folder: Path):
        import duckdb

        self.lock = threading.Lock()
        self.seen: tuple = ()
        self.base = duckdb.connect(":memory:")
        for sql in (
            f"SET allowed_directories=[{literal(str(folder.resolve()))}]",
            "SET enable_external_access=false",
            "SET autoinstall_known_extensions=false",
            "ATTACH ':memory:' AS kept (COMPRESS)",
            "SET lock_configuration=true",
        ):
            self.base.execute(sql)
        self.kept = Kept(self.base)
        self.columns: dict[str, list[str]] = {}

    @classmethod
    def of(cls, folder: Path) -> "_Database":
        """The folder's own; to make one takes longer than most questions."""
        with _OPENING:
            found = _OPEN.pop(folder, None) or cls(folder)
            _OPEN[folder] = found
            while len(_OPEN) > _MOST_OPEN:
                _OPEN.pop(next(iter(_OPEN)))
            return found


class Connection:
    """Asks a database whose views are the workspace's files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._database = _Database.of(folder)
        self._base = self._database.base

    def refresh(self, plan: Plan, units: Sequence[int]) -> None:
        """Point the views at the plan's catalogue and at these units."""
        seen = (plan.id, plan.revision, plan.columns, tuple(units), stamp(self.folder))
        with self._database.lock:
            if seen == self._database.seen:
                return
            self._check_sums(plan, units)
            views = self._views(plan, units)
            self._define(views)
            self._database.columns = {}
            self._database.kept.forget()
            self._keep(plan, views if tuple(units) == plan.units else {})
            self._database.seen = seen

    def _check_sums(self, plan: Plan, units: Sequence[int]) -> None:
        """Read a small table once with its checksums, which DuckDB does not look at."""
        if tuple(units) != plan.units or plan.clips * (len(plan.columns) + _LABELS) > SMALL:
            return
        for folder in ("shards", "vectors"):
            for unit in units:
                try:
                    read_table(self.folder / folder / part_name(unit))
                except (OSError, ValueError) as err:
                    raise self._damaged("extract") from err

    def _damaged(self, command: str) -> StoreError:
        return StoreError(
            f"{shown(self.folder)}: a part of this workspace is damaged or gone. "
            f"Start its '{command}' command again: it measures that part anew."
        )

    def _define(self, views: dict[str, str]) -> None:
        for name, sql in views.items():
            self._base.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")

    def _keep(self, plan: Plan, views: dict[str, str]) -> None:
        """Keep in memory what asks for it; nothing while a table grows."""
        cells = plan.clips * (len(plan.columns) + _LABELS)
        self._database.kept = Kept(self._base)
        if views and cells <= SMALL:
            vectors = plan.clips * sum(plan.vectors.values())
            self._define(keep_small(self._base, views, cells, vectors))
        elif views and plan.clips <= LARGEST:
            self._database.kept = Kept(self._base, plan.clips, plan.columns)

    def drawn(self, vector: str = "") -> tuple[str, str, str]:
        """The MD5 below which clips are in ``kept.rows``, and a table of their vectors.

        "" where they are not kept.
        """
        with self._database.lock:
            kept = self._database.kept
            if not kept.rows():
                return "", "", ""
            return kept.low_md5, "kept.rows", kept.vectors(vector) if vector else ""

    def columns_of(self, view: str) -> list[str]:
        """Names of a view's columns, in order."""
        found = self._database.columns.get(view)
        if found is None:
            asked = self.ask(
                f"SELECT * FROM {view} LIMIT 0", (), lambda a: [d[0] for d in a.description]
            )
            found = self._database.columns[view] = asked
        return found

    def _views(self, plan: Plan, units: Sequence[int]) -> dict[str, str]:
        shards, vectors = self._source("shards", units), self._source("vectors", units)
        features = ", ".join(quoted(n) for n in plan.columns)
        nothing = ", ".join(f"NULL::DOUBLE AS {quoted(n)}" for n in plan.columns)
        row = "NULL::VARCHAR AS clip_id, NULL::VARCHAR AS error, NULL::VARCHAR AS message"
        shards = shards or f"(SELECT {row}{', ' + nothing if nothing else ''} WHERE FALSE)"
        path = catalogue_path(self.folder.resolve(), plan)
        labels = self._labels(plan, path)
        columns = ["f.clip_id", *labels, *[f"f.{quoted(n)}" for n in plan.columns]]
        views = {
            "catalogue": f"SELECT * FROM {_files([path])}"
            if path.exists()
            else "SELECT NULL::VARCHAR AS clip_id WHERE FALSE",
            "features": f"SELECT clip_id{', ' + features if features else ''} "
            f"FROM {shards} WHERE error IS NULL",
            "failures": f"SELECT clip_id, error, message FROM {shards} WHERE error IS NOT NULL",
            "clips": f"SELECT {', '.join(columns)} FROM {shards} f JOIN {_files([path])} c "
            f"ON CASE WHEN f.error IS NULL THEN {row} END = c.file_row_number::BIGINT"
            if (row := self._row_number(plan, units, shards, path))
            else f"SELECT {', '.join(columns)} FROM features f "
            "JOIN catalogue c ON f.clip_id = c.clip_id",
            "vectors": f"SELECT * FROM {vectors}"
            if vectors
            else "SELECT NULL::VARCHAR AS clip_id WHERE FALSE",
        }
        return views | self._with_checks(views["clips"], path)

    def _with_checks(self, clips: str, catalogue: Path) -> dict[str, str]:
        """The view ``clips`` with what the checks found; nothing where there are none."""
        import duckdb

        found = parts(self.folder.resolve())
        if not found:
            return {}
        checks = join_sql(_files(found), _files([catalogue]))
        sql = f"SELECT v.*, k.* EXCLUDE (clip_id) FROM ({clips}) v "
        sql += f"LEFT JOIN ({checks}) k ON k.clip_id = v.clip_id"
        try:
            self._base.execute(f"{checks} LIMIT 0")
        except duckdb.Error:  # a damaged part costs its columns, not the workspace
            return {}
        return {"clips": sql}

    def _source(self, folder: str, units: Sequence[int]) -> str:
        root = self.folder.resolve() / folder
        return _files([root / part_name(u) for u in units]) if units else ""

    def _row_number(self, plan: Plan, units: Sequence[int], shards: str, path: Path) -> str:
        """SQL of a clip's row in the catalogue, where the parts are in step with it; else "".

        Numbers are joined in half the time of names. Whether every row is in step is looked up
        once for each plan.
        """
        import duckdb

        if plan.clips < _LARGE or len(units) > _MOST_PARTS or tuple(units) != plan.units:
            return ""
        key = (str(self.folder), plan.id, plan.revision, plan.units)
        if key not in _IN_STEP:
            try:
                found = self._in_step(shards, path)
            except duckdb.Error:  # a damaged part: the question that needs it says so
                return ""
            while len(_IN_STEP) >= 64:
                _IN_STEP.pop(next(iter(_IN_STEP)), None)
            _IN_STEP[key] = found
        return _IN_STEP[key]

    def _in_step(self, shards: str, path: Path) -> str:
        sizes = f"SELECT file_index, count(*) FROM {shards} GROUP BY 1 ORDER BY 1"
        first = [0, *accumulate(n for _, n in self._base.execute(sizes).fetchall())]
        row = f"{first[:-1]}[f.file_index::BIGINT + 1] + f.file_row_number::BIGINT"
        sql = f"SELECT count(*) FROM {shards} f LEFT JOIN {_files([path])} c "
        sql += f"ON {row} = c.file_row_number::BIGINT WHERE f.clip_id IS DISTINCT FROM c.clip_id"
        return row if self._base.execute(sql).fetchall() == [(0,)] else ""

    def _labels(self, plan: Plan, path: Path) -> list[str]:
        """The catalogue's columns; one that a feature is named like is called ``label_…``."""
        if not path.exists():
            return []
        found = self._base.execute(f"SELECT * FROM {_files([path])} LIMIT 0").description
        names = [d[0] for d in found if d[0] != "clip_id" and d[0] not in _OURS]
        taken = {*plan.columns, *NAMES, *TEXTS}
        return [
            f"c.{quoted(n)}" + (f" AS {quoted('label_' + n)}" if n in taken else "") for n in names
        ]

    def ask(self, sql: str, params: Sequence[Any], fetch: Fetch, below: int | None = None) -> Any:
        """The answer to one question, on a cursor of its own; see ``Kept`` for ``below``.

        Raises
        ------
        ParameterError
            It is not one SELECT, or DuckDB does not understand it.
        StoreError
            A part is damaged or gone.
        """
        import duckdb

        cursor = self._base.cursor()
        try:
            statements = cursor.extract_statements(sql)
            if [s.type for s in statements] != [duckdb.StatementType.SELECT]:
                raise ParameterError("Ask one question that begins with SELECT.")
            with self._database.lock:
                *quicker, files = self._database.kept.shadows(sql, below)
            for shadow in quicker:
                try:
                    return fetch(cursor.execute(shadow + sql, list(params)))
                except (duckdb.BinderException, duckdb.CatalogException):
                    continue  # a column is not kept
            return fetch(cursor.execute(files + sql, list(params)))
        except duckdb.Error as err:
            raise self._sentence(err) from err

    def reader(self, sql: str, rows: int) -> "pa.RecordBatchReader":
        """The answer in batches of at most ``rows`` rows."""
        return self._base.cursor().sql(sql).to_arrow_reader(rows)

    def _sentence(self, err: Exception) -> Exception:
        import duckdb

        if isinstance(err, duckdb.IOException | duckdb.InvalidInputException) and (
            ".parquet" in str(err)
        ):
            what = "check --workspace" if f"/{FOLDER}/part-" in str(err) else "extract"
            return self._damaged(what)
        first = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
        return ParameterError(f"This question cannot be answered: {clean(first, 300)}.")

    def close(self) -> None:
        """Let go of the folder's database; whoever asks again gets a new one."""
        with _OPENING:
            if _OPEN.get(self.folder) is self._database:
                del _OPEN[self.folder]


def _files(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(p)) for p in paths)}])"


def histogram(
    rows_of: Callable[[str, Sequence[Any]], list[tuple]],
    view: str,
    column: str,
    bins: int,
    by: str | None,
    where: Where,
    limits: tuple[float, float] | None,
) -> Histogram:
    """See ``Workspace.histogram``."""
    condition, values = split_where(where)
    x, group = quoted(column), "''" if by is None else f"coalesce({quoted(by)}::VARCHAR, '')"
    if limits is None:
        (row,) = rows_of(f"SELECT min({x}), max({x}) FROM {view} WHERE {condition}", values)
        limits = (float(row[0]), float(row[1])) if row[0] is not None else (0.0, 1.0)
    low, high = (float(v) for v in limits)
    if not high > low:
        low, high = low - 0.5, low + 0.5
    # One number for each group and bin; null is the clips without a value.
    at_ = f"least(floor(({x} - ?) / ? * ?)::INTEGER, {bins - 1})"
    bin_ = f"CASE WHEN {x} IS NULL THEN NULL ELSE {at_} END"
    inside = f"({x} IS NULL OR {x} BETWEEN ? AND ?)"
    rows = rows_of(
        f"SELECT {group} AS g, {bin_} AS b, count(*) FROM {view} "
        f"WHERE {inside} AND {condition} GROUP BY 1, 2 ORDER BY 1, 2",
        [low, high - low, bins, low, high, *values],
    )
    groups = tuple(sorted({row[0] for row in rows})) or ("",)
    counts = np.zeros((len(groups), bins), dtype=np.int64)
    missing = np.zeros(len(groups), dtype=np.int64)
    for name, at, count in rows:
        where_ = groups.index(name)
        if at is None:
            missing[where_] = count
        else:
            counts[where_, at] = count
    return Histogram(np.linspace(low, high, bins + 1), groups, counts, missing)


def pairwise_correlation(x: np.ndarray) -> np.ndarray:
    """Pearson's r of the columns of ``x`` (n, k), each pair over the rows that have both.

    NaN where a column does not vary or fewer than three rows have both.
    """
    known = np.isfinite(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.where(known, x, 0).sum(0) / known.sum(0)
        z = np.where(known, x - centre, 0.0)
        spread = np.sqrt((z * z).sum(0) / known.sum(0))
        z /= np.where(spread > 1e-12 * np.abs(centre), spread, np.inf)
        m = known.astype(np.float64)
        n, sxy, sx, sxx = _gram(m, m), _gram(z, z), _gram(z, m), _gram(z * z, m)
        cov = sxy - sx * sx.T / n
        var = sxx - sx * sx / n
        r = cov / np.sqrt(var * var.T)
    r[(n < 3) | ~(var > 1e-12) | ~(var.T > 1e-12)] = np.nan
    return np.clip(r, -1, 1)


def _gram(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a.T @ b`` in blocks: BLAS' threads take seconds over tall, narrow matrices."""
    rows = len(a) // _BLOCK * _BLOCK
    blocks = a[:rows].reshape(-1, _BLOCK, a.shape[1]).transpose(0, 2, 1)
    total = np.matmul(blocks, b[:rows].reshape(-1, _BLOCK, b.shape[1])).sum(0)
    return total + a[rows:].T @ b[rows:]

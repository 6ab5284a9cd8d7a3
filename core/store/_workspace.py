"""A workspace as its readers see it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import shutil
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.errors import ParameterError
from core.quality import columns as checks
from core.safe_text import clean
from core.store import _query
from core.store._disk import StoreError, locked, refusal, shown
from core.store._draw import Drawn, draw
from core.store._export import export
from core.store._memory import BUCKETS, HASH
from core.store._parts import read_table
from core.store._plan import Plan, check_same, part_name, read_plan
from core.store._query import Connection, Histogram, Where, quoted, split_where
from core.store._writer import Writer

if TYPE_CHECKING:
    import pandas as pd

FEW = 8  # columns
SAMPLE = 200_000  # rows that correlations are taken from


@dataclass(frozen=True)
class Status:
    """How far a workspace is; ``clips`` = ``done`` + ``failed`` + ``missing``."""

    name: str
    clips: int
    done: int
    failed: int
    missing: int
    feature_set: str
    recipe: dict[str, Any]
    digest: str
    version: str


class Vectors(NamedTuple):
    """``clip_ids`` (n,) and ``matrix`` (n, size) float32, NaN where not measurable."""

    clip_ids: np.ndarray
    matrix: np.ndarray


class Workspace:
    """Tables of features, failures and labels in a folder; see ``core.store``.

    Any number of processes may read while one writes. A reader sees the units that are done.
    """

    def __init__(self, folder: Path, plan: Plan):
        self.folder = folder
        self._plan = plan
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike,
        *,
        recipe: Mapping[str, Any],
        columns: Sequence[str],
        vectors: Mapping[str, int] | None = None,
        name: str = "",
        rebuild: bool = False,
    ) -> "Workspace":
        """A workspace for a recipe: new, or the one that is there if it is of the same recipe.

        Parameters
        ----------
        folder : path
            Made where it does not exist.
        recipe : mapping
            What makes the numbers: feature set, its version, cleaning; JSON values only.
        columns : sequence of str
            Names of the features, in order.
        vectors : mapping of str to int, optional
            Names and sizes of what is wider than a number.
        name : str
            The data set's name.
        rebuild : bool
            Delete what another recipe or version made here.

        Raises
        ------
        StoreError
            The folder holds another recipe's or version's table, other files, or may not be
            written.
        """
        folder = Path(os.path.abspath(folder))
        plan = Plan(dict(recipe), tuple(columns), dict(vectors or {}), name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            entries = {p.name for p in folder.iterdir()}
        except FileExistsError as err:
            raise StoreError(f"{shown(folder)}: this is a file. Choose a folder.") from err
        except OSError as err:
            raise refusal(folder / "x", err) from err
        if "plan.json" in entries and not rebuild:
            found = cls.open(folder)
            check_same(folder, found._plan, plan)
            return found
        if "plan.json" not in entries and any(
            not n.startswith((".", "lock", "job")) for n in entries
        ):
            raise StoreError(
                f"{shown(folder)}: this folder holds other files. Choose an empty or new folder "
                "for the workspace."
            )
        with locked(folder):
            if rebuild:
                _empty(folder)
            elif (folder / "plan.json").exists():  # another process made one since we looked
                found = cls.open(folder)
                check_same(folder, found._plan, plan)
                return found
            plan.write(folder)
        return cls(folder, plan)

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "Workspace":
        """The workspace in a folder.

        Raises
        ------
        StoreError
            There is none, it is damaged, or it is of another version.
        """
        folder = Path(os.path.abspath(folder))
        return cls(folder, read_plan(folder))

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """Hold the workspace for writing; see ``Writer``.

        Raises
        ------
        StoreError
            Another process writes, or the folder may not be written.
        """
        with locked(self.folder):
            found = read_plan(self.folder)
            check_same(self.folder, found, self._plan)  # or it was rebuilt since it was opened
            self._plan = found
            writer = Writer(self.folder, found)
            try:
                yield writer
            finally:
                self._plan = writer.plan

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return self._plan.columns

    @property
    def vector_sizes(self) -> dict[str, int]:
        """Names and sizes of the vectors."""
        return dict(self._plan.vectors)

    @property
    def key(self) -> tuple:
        """What caches may name the present content by: it changes when the content does."""
        plan, units = self._now()
        checked = checks.stamp(self.folder)
        return (str(self.folder), plan.id, plan.revision, len(units), checked, plan.version)

    def label_columns(self) -> tuple[str, ...]:
        """Columns of ``clips`` that are no numbers of ours: clip_id, path, speaker_id and so on."""
        numbers = {*self._plan.columns, *checks.NAMES}
        return tuple(n for n in self._columns_of("clips") if n not in numbers)

    def check_columns(self) -> tuple[str, ...]:
        """Columns of ``clips`` that the checks of the recordings filled, if they ran."""
        return tuple(n for n in self._columns_of("clips") if n in checks.NAMES)

    def status(self) -> Status:
        """Clips done, failed and missing, and what was measured with which version."""
        plan, _ = self._now()
        sql = "SELECT (SELECT count(*) FROM features), (SELECT count(*) FROM failures)"
        ((total, failed),) = self._rows(sql)
        return Status(
            name=plan.name,
            clips=plan.clips,
            done=total,
            failed=failed,
            missing=plan.clips - total - failed,
            feature_set=str(plan.recipe.get("feature_set", "")),
            recipe=dict(plan.recipe),
            digest=plan.digest,
            version=plan.version,
        )

    def query(
        self, sql: str, params: Sequence[Any] = (), *, below: int | None = None
    ) -> "pd.DataFrame":
        """The answer to one SELECT over clips, features, failures, catalogue and vectors.

        Parameters
        ----------
        sql : str
            With ``?`` where a value belongs.
        params : sequence
            The values; they are bound, never pasted.
        below : int, optional
            For a sample of a large table, which is kept in memory: a number that the question
            itself demands ``hash(clip_id) % 1000003`` to be below.

        Raises
        ------
        ParameterError
            It is not one SELECT, or it cannot be answered.
        StoreError
            A part is damaged or gone.
        """
        return self._ask(sql, params, lambda answer: answer.df(), below)

    def features(self, columns: Sequence[str] | None = None, where: Where = None) -> "pd.DataFrame":
        """Labels and features, one row per measured clip, sorted by clip_id."""
        return self.page("clip_id", limit=None, where=where, columns=columns)

    def failures(self) -> "pd.DataFrame":
        """The clips that could not be measured: clip_id, error, message; sorted by clip_id."""
        return self.query("SELECT * FROM failures ORDER BY clip_id")

    def catalogue(self) -> "pd.DataFrame":
        """All clips with their labels, measured or not, sorted by clip_id."""
        table = self.query("SELECT * FROM catalogue ORDER BY clip_id")
        return table.drop(columns=["unit", "from_unit"], errors="ignore")

    def page(
        self,
        order_by: str = "clip_id",
        limit: int | None = 100,
        offset: int = 0,
        where: Where = None,
        *,
        descending: bool = False,
        columns: Sequence[str] | None = None,
    ) -> "pd.DataFrame":
        """Some rows of ``clips``, in order; rows without a value come last.

        Raises
        ------
        ParameterError
            There is no such column, or ``where`` cannot be understood.
        """
        known = self._columns_of("clips")
        self._check([order_by, *(columns or ())], known)
        condition, values = split_where(where)
        order = f"{quoted(order_by)} {'DESC' if descending else 'ASC'} NULLS LAST, clip_id"
        wanted = list(columns or known)
        picked = ", ".join(quoted(n) for n in wanted)
        if limit is None or len(wanted) <= FEW:
            view = self._view([order_by, *wanted], where)
            tail = "" if limit is None else f" LIMIT {int(limit)} OFFSET {int(offset)}"
            sql = f"SELECT {picked} FROM {view} WHERE {condition} ORDER BY {order}{tail}"
            return self.query(sql, values)
        # Of many columns only the rows of the page are read.
        ids = self.page(order_by, limit, offset, where, descending=descending, columns=["clip_id"])[
            "clip_id"
        ].tolist()
        sql = (
            f"SELECT {picked} FROM {self._view(wanted, None)} "
            f"WHERE clip_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY {order}"
        )
        return self.query(sql, [ids])

    def count(self, where: Where = None) -> int:
        """Measured clips that meet a condition."""
        condition, values = split_where(where)
        sql = f"SELECT count(*) FROM {self._view([], where)} WHERE {condition}"
        return self._rows(sql, values)[0][0]

    def histogram(
        self,
        column: str,
        bins: int = 100,
        by: str | None = None,
        where: Where = None,
        *,
        limits: tuple[float, float] | None = None,
    ) -> Histogram:
        """Counts of a numeric column in equal bins from its minimum to its maximum.

        Parameters
        ----------
        column : str
            What is counted.
        bins : int
            1 to 10,000.
        by : str, optional
            A column whose values are groups with counts of their own.
        where : str or (str, values), optional
            Which clips; see ``core.store._query``.
        limits : (float, float), optional
            First and last edge; what lies outside is not counted.

        Raises
        ------
        ParameterError
            There is no such column, or ``bins`` cannot work.
        """
        if not 1 <= bins <= 10_000:
            raise ParameterError(f"bins={bins} does not work: choose 1 to 10,000.")
        names = [column, *([by] if by else [])]
        self._check(names, self._columns_of("clips"))
        view = self._view(names, where)
        return _query.histogram(self._rows, view, column, bins, by, where, limits)

    def correlations(
        self, columns: Sequence[str] | None = None, where: Where = None, *, sample: int = SAMPLE
    ) -> "pd.DataFrame":
        """Pearson's r of each pair of columns, over the clips that have both.

        Beyond ``sample`` clips it is taken from about that many, the same ones every time.
        """
        import pandas as pd

        names = list(columns or self._plan.columns)
        self._check(names, self._columns_of("clips"))
        view = self._view(names, where)
        condition, values = split_where(where)
        total, below = self.count(where), None
        if total > sample:
            below = round(BUCKETS * sample / total)
            condition += f" AND {HASH} < {below}"
        picked = ", ".join(f"{quoted(n)}::DOUBLE" for n in names)
        sql = f"SELECT {picked} FROM {view} WHERE {condition}"
        found = self._ask(sql, values, lambda answer: answer.fetchnumpy(), below)
        x = np.stack([np.ma.filled(v.astype(float), np.nan) for v in found.values()], axis=1)
        return pd.DataFrame(_query.pairwise_correlation(x), index=names, columns=names)

    def drawn(
        self, most: int, where: Where = None, *, columns: Sequence[str] = (), vector: str = ""
    ) -> Drawn:
        """Numbers of the clips that meet a condition, or of ``most`` of them.

        Where there are more it is those whose clip_id has the lowest MD5: the same every time.

        Parameters
        ----------
        most : int
            Clips.
        where : str or (str, values), optional
            Which clips; see ``core.store._query``.
        columns : sequence of str
            Columns of numbers.
        vector : str
            Name of a vector; "" for none.

        Raises
        ------
        ParameterError
            There is no such column or vector, or ``where`` cannot be understood.
        """
        return draw(self, most, where, columns, vector)

    def vectors(self, name: str, clip_ids: Sequence[str] | None = None) -> Vectors:
        """A vector of each measured clip, sorted by clip_id, or of those asked for, in that order.

        Raises
        ------
        ParameterError
            There is no such vector, or one of the clips has none.
        StoreError
            A part is damaged.
        """
        plan, units = self._now()
        if name not in plan.vectors:
            raise ParameterError(
                f"Unknown vector {clean(name)}: choose one of {list(plan.vectors)}."
            )
        ids, values = [np.empty(0, dtype=object)], [np.empty((0, plan.vectors[name]), np.float32)]
        for unit in units:
            try:
                table = read_table(self.folder / "vectors" / part_name(unit), ["clip_id", name])
            except (OSError, ValueError) as err:
                raise StoreError(
                    f"{shown(self.folder)}: vectors/{part_name(unit)} is damaged or gone. "
                    "Start its 'extract' command again: it measures that part anew."
                ) from err
            flat = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            ids.append(np.asarray(table["clip_id"].to_pylist(), dtype=object))
            values.append(flat.reshape(-1, plan.vectors[name]))
        return _ordered(np.concatenate(ids), np.concatenate(values), clip_ids)

    def export(
        self,
        path: str | os.PathLike,
        format: str = "csv",
        columns: Sequence[str] | None = None,
    ) -> int:
        """Write the measured clips to a file that appears whole; returns the number of rows.

        Parameters
        ----------
        path : path
            The file.
        format : {"csv", "parquet"}
            CSV is UTF-8 with a header and empty fields where there is no value.
        columns : sequence of str, optional
            Which, in order; None is the article's table for article-v1, else all.
        """
        return export(self, path, format, columns)

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _now(self) -> tuple[Plan, list[int]]:
        """The plan and the units that are done, as they are on disk at this moment."""
        self._plan = read_plan(self.folder)
        try:
            there = {entry.name for entry in os.scandir(self.folder / "shards")}
        except FileNotFoundError:
            there = set()
        return self._plan, [u for u in self._plan.units if part_name(u) in there]

    def _database(self) -> Connection:
        with self._lock:
            if self._connection is None:
                self._connection = Connection(self.folder)
            self._connection.refresh(*self._now())
            return self._connection

    def _ask(
        self, sql: str, params: Sequence[Any], fetch: _query.Fetch, below: int | None = None
    ) -> Any:
        """The answer; asked again where the writer replaced the parts in between."""
        for attempt in range(3):
            before = self._now()
            try:
                return self._database().ask(sql, params, fetch, below)
            except StoreError:
                if attempt == 2 or self._now() == before:
                    raise
        raise AssertionError("unreachable")

    def _rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple]:
        return self._ask(sql, params, lambda answer: answer.fetchall())

    def _columns_of(self, view: str) -> list[str]:
        return list(self._database().columns_of(view))

    def _view(self, names: Sequence[str], where: Where) -> str:
        """The features alone where no label is needed: that saves a join."""
        plain = not where and {*names} <= {"clip_id", *self._plan.columns}
        return "features" if plain else "clips"

    def _check(self, names: Sequence[str], known: Sequence[str]) -> None:
        for name in names:
            if name not in known:
                raise ParameterError(
                    f"{shown(self.folder)}: there is no column {clean(name)}. "
                    f"Choose one of: {', '.join(known)}."
                )


def _ordered(ids: np.ndarray, values: np.ndarray, wanted: Sequence[str] | None) -> Vectors:
    if wanted is None:
        order = np.argsort(ids, kind="stable")
    else:
        place = {clip_id: i for i, clip_id in enumerate(ids)}
        absent = [c for c in wanted if c not in place]
        if absent:
            raise ParameterError(f"{clean(absent[0])}: this clip was not measured.")
        order = np.array([place[c] for c in wanted], dtype=np.int64)
    return Vectors(ids[order], values[order])


def _empty(folder: Path) -> None:
    """Delete a workspace's own files; the plan goes first, so that no half of one is opened."""
    try:
        for path in [folder / "plan.json", *folder.glob("catalogue-*.parquet")]:
            path.unlink(missing_ok=True)
        for name in ("shards", "vectors"):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
    except OSError as err:
        raise refusal(folder / "x", err) from err

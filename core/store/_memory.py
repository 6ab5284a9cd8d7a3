"""What is kept in memory so that the next question is quick; the answers are the same.

* A small table is kept whole.
* Of a large one are kept: ``kept.labels``, the labels and the columns that nearly every page
  counts by; and, from the first question about a sample on, ``kept.rows``: all columns of the clips
  whose hash, or whose MD5, is low. Every sample is drawn by one of these, lowest first, so that
  most samples of a selection lie within; ``kept.vectors`` has a vector of those with a low MD5.

A question is asked of what is kept by shadowing the views ``clips`` and ``features``; one that
needs a column which is not kept is asked of the files.
"""

from collections.abc import Sequence
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

SMALL = 2_000_000  # numbers, of clips and of vectors: kept whole
LARGEST = 4_000_000  # clips whose labels are kept
ROWS, CELLS = 160_000, 14_000_000  # clips and numbers of ``kept.rows``, by hash
DRAWN, DRAWN_CELLS = 40_000, 6_000_000  # and by MD5
PATIENCE = 2  # questions before labels are kept: who asks one and leaves would only wait
BUCKETS = 1_000_003
HASH = f"hash(clip_id) % {BUCKETS}"
LONG = ("path", "text", "size", "mtime_ns")  # labels that are large and rarely asked for
OFTEN = (
    *("duration_s", "duration", "f0_median_hz", "f0_median"),
    *("noise_floor_dbfs", "snr_db", "loudness_lufs"),
)
_VIEWS = re.compile(r"\b(?:clips|features)\b")
_ALL = re.compile(r"(?<!\()\*|\*(?!\))")  # other than count(*)


def quoted(name: str) -> str:
    """A column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def keep_small(
    base: "duckdb.DuckDBPyConnection", views: dict[str, str], clips: int, vectors: int
) -> dict[str, str]:
    """The views of a small table, over copies in memory where they are small enough.

    ``clips`` and ``vectors`` are the numbers in them. Views that cannot be read stay as they are:
    the question that needs them says what is wrong.
    """
    import duckdb

    sizes = {"clips": clips, "features": clips, "failures": clips, "vectors": vectors}
    found = dict(views)
    for name, size in sizes.items():
        if size <= SMALL:
            try:
                base.execute(f"CREATE OR REPLACE TABLE kept_{name} AS {views[name]}")
            except duckdb.Error:
                continue
            found[name] = f"SELECT * FROM kept_{name}"
    return found


class Kept:
    """What is kept of a large table, of ``clips`` clips; made anew when the table changes.

    Not for two threads at once.

    Attributes
    ----------
    low : int
        Clips with ``HASH`` below this are in ``kept.rows``.
    low_md5 : str
        And those whose MD5 is below this.
    """

    def __init__(
        self, base: "duckdb.DuckDBPyConnection", clips: int = 0, columns: Sequence[str] = ()
    ):
        self._base, self._clips, self._features = base, clips, columns
        self._asked = 0
        self._columns: list[str] = []
        self._is_narrow: bool | None = None
        self._vectors: dict[str, bool] = {}
        self.low, self.low_md5 = 0, ""

    def forget(self) -> None:
        """Let go of the tables."""
        for name in ("labels", "rows", "vectors"):
            self._base.execute(f"DROP TABLE IF EXISTS kept.{name}")

    def shadows(self, sql: str, below: int | None) -> list[str]:
        """What to put before a question, the quickest first; "" asks the files.

        ``below``: the question itself asks only for clips whose ``HASH`` is below.
        """
        found = [""]
        if not self._clips or not re.match(r"\s*SELECT\b", sql, re.I) or not _VIEWS.search(sql):
            return found
        self._asked += 1
        if self._labels() and not _ALL.search(sql):
            found.insert(0, self._shadow("labels", [n for n in self._features if n in OFTEN]))
        if below is not None and self.rows() and below <= self.low:
            found.insert(-1, self._shadow("rows", self._features))
        return found

    def _shadow(self, table: str, features: Sequence[str]) -> str:
        own = "".join(f", {quoted(n)}" for n in features)
        rest = " EXCLUDE (kept_md5)" if table == "rows" else ""
        return (
            f"WITH clips AS NOT MATERIALIZED (SELECT *{rest} FROM kept.{table}), "
            f"features AS NOT MATERIALIZED (SELECT clip_id{own} FROM kept.{table}) "
        )

    def _labels(self) -> bool:
        import duckdb

        if self._is_narrow is None and self._asked > PATIENCE:
            try:
                names = [n for n in self._names() if n not in LONG and self._is_asked_often(n)]
                picked = ", ".join(quoted(n) for n in names)
                self._make("labels", f"SELECT {picked} FROM clips")
                self._is_narrow = True
            except duckdb.Error:  # a damaged part: the question that needs it says so
                self._is_narrow = False
        return bool(self._is_narrow)

    def _is_asked_often(self, name: str) -> bool:
        return name not in self._features or name in OFTEN

    def _names(self) -> list[str]:
        if not self._columns:
            found = self._base.execute("SELECT * FROM clips LIMIT 0").description
            self._columns = [d[0] for d in found]
        return self._columns

    def rows(self) -> bool:
        """Whether ``kept.rows`` is there; makes it."""
        import duckdb

        if self._clips and not self.low:
            most = min(ROWS, CELLS // len(self._names()))
            low = min(BUCKETS, round(BUCKETS * most / self._clips))
            drawn = min(DRAWN, DRAWN_CELLS // len(self._names()))
            low_md5 = _share_of_md5(drawn / self._clips)
            try:
                self._make(
                    "rows",
                    f"SELECT *, md5(clip_id) AS kept_md5 FROM clips WHERE {HASH} < {low} "
                    f"OR md5(clip_id) < '{low_md5}'",
                )
                self.low, self.low_md5 = low, low_md5
            except duckdb.Error:
                self.low = -1
        return self.low > 0

    def vectors(self, name: str) -> str:
        """The table with a vector of the clips with a low MD5; "" where there is none."""
        import duckdb

        if name not in self._vectors:
            try:
                self._make(
                    "vectors",
                    f"SELECT v.clip_id, v.{quoted(name)} FROM vectors v JOIN kept.rows r "
                    f"ON v.clip_id = r.clip_id WHERE r.kept_md5 < '{self.low_md5}'",
                )
                self._vectors = {name: True}
            except duckdb.Error:
                self._vectors[name] = False
        return "kept.vectors" if self._vectors[name] else ""

    def _make(self, name: str, sql: str) -> None:
        self._base.execute(f"CREATE OR REPLACE TABLE kept.{name} AS {sql}")


def _share_of_md5(share: float) -> str:
    """The hexadecimal number that this share of all MD5s lies below."""
    return f"{min(round(share * 16**8), 16**8 - 1):08x}" if share < 1 else "g"

"""One selection of clips, for all pages: it knows its SQL, its sentence and its address.

Conventions: values are bound, never pasted into SQL; column names are quoted and checked against
the table's own; a selection is immutable, and each change gives a new one. An empty selection is
all clips. In an address a selection is compact JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import json
import math
from typing import Any

from core.errors import ParameterError
from core.safe_text import clean

OPS = {
    "=": "is",
    "in": "is one of",
    ">=": "at least",
    "<=": "at most",
    "between": "between",
    "contains": "contains",
    "missing": "is not known",
    "known": "is known",
}
MOST = 50  # filters in one selection
MOST_TEXT = 20_000  # characters of a selection in an address
MOST_VALUES = 5_000  # values of one "is one of", such as clips chosen by hand


@dataclass(frozen=True)
class Filter:
    """One condition on one column.

    ``value`` is a number or a string; a (low, high) pair for "between"; a tuple for "in"; None for
    "missing" and "known".
    """

    column: str
    op: str
    value: Any = None

    def __post_init__(self) -> None:
        if self.op not in OPS:
            raise ParameterError(f"Unknown condition {clean(self.op)}: choose one of {list(OPS)}.")
        if self.op == "between" and not (isinstance(self.value, tuple) and len(self.value) == 2):
            raise ParameterError("'between' needs two numbers, the lower one first.")
        if self.op == "in" and not (isinstance(self.value, tuple) and self.value):
            raise ParameterError("'is one of' needs at least one value.")
        if self.op == "in" and len(self.value) > MOST_VALUES:
            raise ParameterError(f"'is one of' takes at most {MOST_VALUES:,} values.")
        if not all(_is_plain(v) for v in self._values()):
            raise ParameterError("A condition compares with numbers or texts only.")

    def sql(self) -> tuple[str, tuple[Any, ...]]:
        """The condition with ``?`` for its values, and the values."""
        name = '"' + self.column.replace('"', '""') + '"'
        if self.op in ("missing", "known"):
            return f"{name} IS {'NOT ' if self.op == 'known' else ''}NULL", ()
        if self.op == "between":
            return f"{name} BETWEEN ? AND ?", self.value
        if self.op == "in":
            return f"{name} IN ({', '.join('?' * len(self.value))})", self.value
        if self.op == "contains":
            return f"contains(lower({name}::VARCHAR), lower(?))", (str(self.value),)
        return f"{name} {self.op} ?", (self.value,)

    def words(self, labels: Mapping[str, str] | None = None) -> str:
        """The condition as people say it, in plain text: "Pitch, median at least 150"."""
        name = clean((labels or {}).get(self.column, self.column), 60)
        if self.op in ("missing", "known"):
            return f"{name} {OPS[self.op]}"
        if self.op == "between":
            low, high = (_said(v) for v in self.value)
            return f"{name} {low} to {high}"
        if self.op == "in":
            shown = [_said(v) for v in self.value[:4]]
            more = f" or {len(self.value) - 4:,} others" if len(self.value) > 4 else ""
            return f"{name} {' or '.join(shown)}{more}"
        if self.op == "=":
            return f"{name} {_said(self.value)}"
        if self.op == "contains":
            return f"{name} contains “{clean(self.value, 40)}”"
        return f"{name} {OPS[self.op]} {_said(self.value)}"

    def _values(self) -> tuple[Any, ...]:
        if self.op in ("missing", "known"):
            return ()
        return self.value if isinstance(self.value, tuple) else (self.value,)


@dataclass(frozen=True)
class Selection:
    """Conditions that must all hold; what the pages show is what they leave."""

    filters: tuple[Filter, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.filters)

    def where(self) -> tuple[str, list[Any]] | None:
        """What ``core.store`` takes as ``where``; None for all clips."""
        if not self.filters:
            return None
        parts = [f.sql() for f in self.filters]
        return " AND ".join(f"({sql})" for sql, _ in parts), [v for _, vs in parts for v in vs]

    def words(self, labels: Mapping[str, str] | None = None) -> str:
        """The conditions as one line of plain text; empty for all clips."""
        return ", ".join(f.words(labels) for f in self.filters)

    def sentence(
        self,
        clips: int,
        total: int,
        speakers: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """What stands over every table and chart, in plain text.

        "412 of 9,078 clips, 37 speakers: gender female, Pitch, median at least 150".
        """
        head = f"All {total:,} clips" if not self.filters else f"{clips:,} of {total:,} clips"
        head += f", {speakers:,} speaker{'' if speakers == 1 else 's'}" if speakers else ""
        return f"{head}: {self.words(labels)}" if self.filters else head

    def adding(self, new: Filter) -> "Selection":
        """With one more condition, in the place of one of the same column and kind."""
        kept = tuple(f for f in self.filters if (f.column, f.op) != (new.column, new.op))
        if len(kept) >= MOST:
            raise ParameterError(f"A selection has at most {MOST} conditions: clear some.")
        return replace(self, filters=(*kept, new))

    def without(self, position: int) -> "Selection":
        """Without the condition at this position."""
        kept = self.filters[:position] + self.filters[position + 1 :]
        return replace(self, filters=kept)

    def to_text(self) -> str:
        """For an address or a file: compact JSON, the same for the same selection."""
        rows = [[f.column, f.op, *([] if f.value is None else [f.value])] for f in self.filters]
        return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str, columns: Sequence[str]) -> "Selection":
        """The selection written by ``to_text``; conditions on unknown columns are left out.

        Raises
        ------
        ParameterError
            It cannot be read.
        """
        try:
            if len(text) > MOST_TEXT:
                raise ValueError
            rows = json.loads(text)
            filters = tuple(_filter(row) for row in rows[:MOST])
        except (ValueError, TypeError, KeyError, IndexError, RecursionError) as err:
            raise ParameterError(
                "This selection cannot be read: clear it and choose again."
            ) from err
        known = set(columns)
        return cls(tuple(f for f in filters if f.column in known))


def _filter(row: list) -> Filter:
    column, op, *value = row
    if not (isinstance(column, str) and isinstance(op, str) and len(value) <= 1):
        raise ValueError
    only = value[0] if value else None
    return Filter(column, op, tuple(only) if isinstance(only, list) else only)


def _is_plain(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str) or (number and math.isfinite(value))


def _said(value: object) -> str:
    return clean(value, 40) if isinstance(value, str) else f"{value:,.4g}"

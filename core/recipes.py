"""Rules that take outliers away, as a list that a file keeps and the command line replays.

Conventions: rules work in order, each on what the ones before it left; a rule's statistics are
those of the clips it is given, so that one recipe fits any data set. A missing value is no outlier:
only a "missing" rule takes it away. Scales: "log" is log1p, as in the article.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json
import math
import os
from pathlib import Path
from typing import Any

from core.errors import DatasetError, ParameterError
from core.filters import Selection
from core.safe_text import clean
from core.store import write_whole

VERSION = 1
KINDS = ("cut", "zscore", "mad", "missing")
MOST_RULES = 20
MOST_BYTES = 1_000_000
MAD_SCALE = 1.4826  # makes the median deviation of a normal distribution its standard deviation
LINEAR = ("words_per_second",)  # what the article leaves as it is


@dataclass(frozen=True)
class Rule:
    """One rule; what it takes away is called lost.

    Parameters
    ----------
    kind : {"cut", "zscore", "mad", "missing"}
        A clip is lost outside ``low`` to ``high``; further than ``limit`` standard deviations from
        the mean (of the whole, ddof 0); further than ``limit`` × 1.4826 × MAD from the median [#]_;
        or without a value.
    columns : tuple of str
        A clip is lost if any of them is out; empty means all features of the table.
    low, high : float or None
        Of a cut; None leaves that side open.
    limit : float
        Of "zscore" and "mad".
    log : bool
        Of "zscore" and "mad": take log1p first, of columns without negative values.
    linear : tuple of str
        Columns that stay as they are even so.

    Raises
    ------
    ParameterError
        The rule cannot work.

    References
    ----------
    .. [#] B. Iglewicz, D. Hoaglin, "How to Detect and Handle Outliers", ASQC 1993.
    """

    kind: str
    columns: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    limit: float = 3.0
    log: bool = False
    linear: tuple[str, ...] = LINEAR

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ParameterError(f"Unknown rule {clean(self.kind)}: choose one of {list(KINDS)}.")
        for names in (self.columns, self.linear):
            if not (isinstance(names, tuple) and all(isinstance(n, str) for n in names)):
                raise ParameterError("The columns of a rule are a list of names.")
        if not all(v is None or _is_number(v) for v in (self.low, self.high)):
            raise ParameterError("The ends of a cut-off are numbers.")
        if not (_is_number(self.limit) and self.limit > 0):
            raise ParameterError(f"limit={clean(self.limit)} does not work: choose a number > 0.")
        if self.kind == "cut":
            self._check_cut()

    def _check_cut(self) -> None:
        if len(self.columns) != 1:
            raise ParameterError("A cut-off is on one column: name it.")
        if self.low is None and self.high is None:
            raise ParameterError("A cut-off needs a lower or an upper end.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ParameterError(
                f"The lower end {self.low:g} is above the upper end {self.high:g}: swap them."
            )

    def words(self, labels: dict[str, str] | None = None) -> str:
        """The rule as a sentence says it, in plain text: "f0, median (Hz) 60 to 400"."""
        shown = [clean((labels or {}).get(c, c), 60) for c in self.columns[:3]]
        more = f" and {len(self.columns) - 3} others" if len(self.columns) > 3 else ""
        what = ", ".join(shown) + more or "all features"
        if self.kind == "missing":
            return f"{what}: a value is there" if self.columns else "all features have a value"
        if self.kind == "cut":
            if self.high is None:
                return f"{what} at least {self.low:,.4g}"
            if self.low is None:
                return f"{what} at most {self.high:,.4g}"
            return f"{what} {self.low:,.4g} to {self.high:,.4g}"
        scale = " on the log scale" if self.log else ""
        name = "|z|" if self.kind == "zscore" else "|robust z|"
        return f"{what}: {name} at most {self.limit:g}{scale}"


@dataclass(frozen=True)
class Recipe:
    """Which clips are looked at, and the rules that then take some away, in order."""

    rules: tuple[Rule, ...] = ()
    selection: str = ""  # see core.filters.Selection.to_text; "" is all clips

    def __post_init__(self) -> None:
        if len(self.rules) > MOST_RULES:
            raise ParameterError(f"A recipe has at most {MOST_RULES} rules: take some out.")

    def adding(self, rule: Rule) -> "Recipe":
        """With one more rule, in the place of one of the same kind on the same columns."""
        same = [(r.kind, r.columns) == (rule.kind, rule.columns) for r in self.rules]
        if any(same):
            rules = tuple(rule if s else r for r, s in zip(self.rules, same, strict=True))
            return Recipe(rules, self.selection)
        return Recipe((*self.rules, rule), self.selection)

    def without(self, position: int) -> "Recipe":
        """Without the rule at this position."""
        return Recipe(self.rules[:position] + self.rules[position + 1 :], self.selection)

    def fitting(self, columns: Sequence[str]) -> "Recipe":
        """Without the rules on columns that are not among these."""
        known = set(columns)
        return Recipe(tuple(r for r in self.rules if set(r.columns) <= known), self.selection)

    def to_text(self) -> str:
        """JSON with its version, the same for the same recipe; what is a default is left out."""
        rules = [_short(rule) for rule in self.rules]
        found = {"phonoscope_recipe": VERSION, "selection": self.selection, "rules": rules}
        return json.dumps(found, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | bytes) -> "Recipe":
        """The recipe written by ``to_text``.

        Raises
        ------
        ParameterError
            It is none, of another version, or one of its rules cannot work.
        """
        try:
            found = json.loads(text) if len(text) <= MOST_BYTES else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or "phonoscope_recipe" not in found:
            raise ParameterError("This is no recipe of Phonoscope: choose a file it has written.")
        if found["phonoscope_recipe"] != VERSION:
            raise ParameterError(
                f"This recipe is of version {clean(found['phonoscope_recipe'], 20)}, here is "
                f"version {VERSION}: make it again on the page."
            )
        rules, selection = found.get("rules"), found.get("selection", "")
        if not isinstance(rules, list) or not isinstance(selection, str):
            raise ParameterError("This recipe is damaged: its rules cannot be read.")
        return cls(tuple(_rule(row) for row in rules), selection)


def article_rules() -> tuple[Rule, ...]:
    """The article's: no missing values, then |z| > 3 of log1p of all but words_per_second."""
    return (Rule("missing"), Rule("zscore", limit=3.0, log=True))


def selection_of(recipe: Recipe, columns: Sequence[str]) -> Selection:
    """The clips that the recipe looks at.

    Raises
    ------
    ParameterError
        It cannot be read, or it names a column that the table does not have.
    """
    if not recipe.selection:
        return Selection()
    found = Selection.from_text(recipe.selection, columns)
    if len(found.filters) != len(json.loads(recipe.selection)):
        raise ParameterError(
            "The recipe's selection names a column that this table does not have: "
            "choose the workspace it was made for."
        )
    return found


def read(path: str | os.PathLike) -> Recipe:
    """The recipe in a file.

    Raises
    ------
    DatasetError
        There is no such file.
    ParameterError
        It holds no recipe; see ``Recipe.from_text``.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as err:
        raise DatasetError(
            f"{clean(Path(path).name)}: this recipe cannot be read ({clean(err.strerror)})."
        ) from err
    return Recipe.from_text(data)


def write(path: str | os.PathLike, recipe: Recipe) -> None:
    """Write a recipe to a file that appears whole or not at all.

    Raises
    ------
    StoreError
        The folder may not be written, or the disk is full.
    """
    write_whole(Path(path), lambda file: file.write(recipe.to_text().encode() + b"\n"))


def _short(rule: Rule) -> dict[str, Any]:
    default = asdict(Rule(rule.kind)) if rule.kind != "cut" else asdict(Rule("missing"))
    return {k: v for k, v in asdict(rule).items() if k == "kind" or v != default[k]}


def _rule(row: object) -> Rule:
    known = set(Rule.__dataclass_fields__)
    if not isinstance(row, dict) or not {"kind"} <= set(row) <= known:
        raise ParameterError("This recipe is damaged: one of its rules cannot be read.")
    lists = {k: tuple(v) for k, v in row.items() if isinstance(v, list)}
    if not isinstance(row.get("log", False), bool) or not isinstance(row["kind"], str):
        raise ParameterError("This recipe is damaged: one of its rules cannot be read.")
    return Rule(**{**row, **lists})


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)

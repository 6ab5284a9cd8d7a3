"""What rules take away from a data set, and from whom.

Conventions: clips are lost to the first rule that they break; a rate is lost clips of the clips a
rule was given. Clips of one speaker go together, so that intervals and tests count n clips as
n / deff, where deff (at least 1) is how much the losses of speakers scatter beyond chance within
the groups (quasi-binomial [#]_). p-values are of Fisher's exact test of a group against the rest,
Holm-corrected within one rule and label; NaN where a side has fewer than two speakers.

.. [#] P. McCullagh, J. Nelder, "Generalized Linear Models", 1989, section 4.5.
"""

from dataclasses import dataclass
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.eda import selecting
from core.eda._losses import Loss, losses
from core.errors import ParameterError
from core.filters import Selection
from core.recipes import MAD_SCALE, Rule
from core.safe_text import clean
from core.store import Workspace, write_whole

if TYPE_CHECKING:
    import pandas as pd

LABELS = ("gender", "age")
ALPHA = 0.05


class Bound(NamedTuple):
    """What a rule keeps of one column, in the column's own unit; None: that side is open."""

    column: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Step:
    """One rule at work; ``rule`` is None for all rules together."""

    rule: Rule | None
    bounds: tuple[Bound, ...]
    losses: tuple[Loss, ...]

    @property
    def everybody(self) -> Loss:
        """The loss among all clips."""
        return self.losses[0]


class AtTheCut(NamedTuple):
    """Clips next to a cut, nearest first: ids and values of those kept and of those lost."""

    kept: tuple[tuple[str, float], ...]
    lost: tuple[tuple[str, float], ...]


def resolve(
    workspace: Workspace, selection: Selection, rules: tuple[Rule, ...]
) -> tuple[tuple[Bound, ...], ...]:
    """For every rule what it keeps, from the clips that the rules before it left.

    Raises
    ------
    ParameterError
        A rule names a column that is not there, or that holds no numbers.
    """
    known = selecting.columns(workspace)
    found: list[tuple[Bound, ...]] = []
    for i, rule in enumerate(rules):
        columns = rule.columns or tuple(workspace.columns)
        for name in columns:
            if name not in known:
                raise ParameterError(
                    f"There is no column {clean(name)} here: take out the rule on it."
                )
        if rule.kind == "cut":
            found.append((Bound(columns[0], rule.low, rule.high),))
        elif rule.kind == "missing":
            found.append(tuple(Bound(name, None, None) for name in columns))
        else:
            given = where_kept(selection, rules[:i], tuple(found))
            found.append(_spread_bounds(workspace, rule, columns, given))
    return tuple(found)


def where_kept(
    selection: Selection, rules: tuple[Rule, ...], bounds: tuple[tuple[Bound, ...], ...]
) -> tuple[str, list[Any]]:
    """The condition, and its values, of clips in the selection that no rule takes away."""
    sql, values = selection.where() or ("TRUE", [])
    for rule, of_rule in zip(rules, bounds, strict=True):
        lost, more = _lost_sql(rule, of_rule)
        sql, values = f"{sql} AND NOT {lost}", [*values, *more]
    return sql, list(values)


def ledger(
    workspace: Workspace,
    selection: Selection,
    rules: tuple[Rule, ...],
    by: tuple[str, ...] = LABELS,
) -> tuple[Step, ...]:
    """What every rule takes from everybody and from every group, and last all rules together.

    Parameters
    ----------
    workspace, selection
        The clips.
    rules : tuple of Rule
        In order.
    by : tuple of str
        Labels whose values are the groups; those the table does not have are left out.

    Raises
    ------
    ParameterError
        See ``resolve``.
    """
    bounds = resolve(workspace, selection, rules)
    labels = [name for name in by if name in workspace.label_columns()]
    cells = _cells(workspace, selection, rules, bounds, labels)
    steps = [
        Step(rule, of_rule, losses(cells, labels, i + 1))
        for i, (rule, of_rule) in enumerate(zip(rules, bounds, strict=True))
    ]
    return (*steps, Step(None, (), losses(cells, labels, None)))


def kept_clips(
    workspace: Workspace, selection: Selection, rules: tuple[Rule, ...]
) -> "pd.DataFrame":
    """Labels and features of the clips that no rule takes away, without paths of this computer."""
    where = where_kept(selection, rules, resolve(workspace, selection, rules))
    hidden = ("path", "size", "mtime_ns")
    labels = [c for c in workspace.label_columns() if c not in hidden]
    return workspace.page(limit=None, where=where, columns=[*labels, *workspace.columns])


def write_kept(
    path: str | os.PathLike, workspace: Workspace, selection: Selection, rules: tuple[Rule, ...]
) -> int:
    """Write ``kept_clips`` to a CSV file that appears whole; returns the number of rows.

    Raises
    ------
    StoreError
        The folder may not be written, or the disk is full.
    """
    found = kept_clips(workspace, selection, rules)
    write_whole(Path(path), lambda file: found.to_csv(file, index=False))
    return len(found)


def loss_words(loss: Loss) -> str:
    """One line of the ledger, in plain text."""
    who = f"{loss.label} {clean(loss.value, 40)}" if loss.label else "everybody"
    said = f"{who}: {loss.clips - loss.clips_lost:,} clips kept, {loss.clips_lost:,} lost"
    if loss.clips:
        said += f" ({loss.rate:.1%}, {loss.low:.1%} to {loss.high:.1%})"
    if math.isfinite(loss.seconds):
        kept = (loss.seconds - loss.seconds_lost) / 3600
        said += f"; {kept:.2f} h kept, {loss.seconds_lost / 3600:.2f} h lost"
    if loss.speakers is not None:
        kept = loss.speakers - loss.speakers_lost
        said += f"; {kept:,} speakers kept, {loss.speakers_lost:,} lost"
    return said


def at_the_cut(
    workspace: Workspace,
    selection: Selection,
    rules: tuple[Rule, ...],
    *,
    step: int,
    column: str,
    side: str,
    n: int = 6,
) -> AtTheCut:
    """The clips nearest to one end of what a rule keeps, on both sides of it.

    Parameters
    ----------
    workspace, selection, rules
        As for ``ledger``.
    step : int
        The rule's position.
    column : str
        One of the rule's columns.
    side : {"low", "high"}
        Which end.
    n : int
        At most so many on each side.
    """
    bounds = resolve(workspace, selection, rules[: step + 1])
    at = next((getattr(b, side) for b in bounds[step] if b.column == column), None)
    if at is None:
        return AtTheCut((), ())
    sql, values = where_kept(selection, rules[:step], bounds[:step])
    name = _quoted(column)
    inside, outside = (">=", "<") if side == "low" else ("<=", ">")
    sides = []
    for op in (inside, outside):
        rows = workspace.query(
            f"SELECT clip_id, {name}::DOUBLE AS v FROM clips WHERE {sql} AND {name} {op} ? "
            f"ORDER BY abs({name} - ?), clip_id LIMIT {int(n)}",
            [*values, at, at],
        )
        sides.append(tuple(zip(rows["clip_id"].tolist(), rows["v"].tolist(), strict=True)))
    return AtTheCut(*sides)


def findings(steps: tuple[Step, ...], labels: dict[str, str] | None = None) -> tuple[str, ...]:
    """Which rules cost one group more or less than the rest, as plain sentences."""
    said = []
    for step in steps:
        if step.rule is None and len(steps) == 2:
            continue  # one rule alone is all rules together
        name = f"“{step.rule.words(labels)}”" if step.rule else "All rules together"
        for loss in step.losses[1:]:
            rest = [x for x in step.losses if x.label == loss.label and x.value != loss.value]
            others = sum(x.clips_lost for x in rest) / max(1, sum(x.clips for x in rest))
            more = loss.rate > others
            if not loss.p < ALPHA or (not more and len(rest) == 1):
                continue  # of two groups the dearer one says it all
            label = clean((labels or {}).get(loss.label, loss.label), 40).lower()
            said.append(
                f"{name} costs {label} “{clean(loss.value, 40)}” {'more' if more else 'less'} than "
                f"the rest: {loss.rate:.1%} of their clips against {others:.1%} (p = {loss.p:.2g})."
            )
    return tuple(said)


def table(steps: tuple[Step, ...], labels: dict[str, str] | None = None) -> "pd.DataFrame":
    """The ledger as rows: rule, group, and clips, hours and speakers kept and lost."""
    import pandas as pd

    rows = []
    for step in steps:
        for x in step.losses:
            rows.append(
                {
                    "rule": step.rule.words(labels) if step.rule else "all rules together",
                    "label": x.label,
                    "group": x.value,
                    "clips_kept": x.clips - x.clips_lost,
                    "clips_lost": x.clips_lost,
                    "hours_kept": (x.seconds - x.seconds_lost) / 3600,
                    "hours_lost": x.seconds_lost / 3600,
                    "speakers_kept": None if x.speakers is None else x.speakers - x.speakers_lost,
                    "speakers_lost": x.speakers_lost,
                    "loss_pct": 100 * x.rate,
                    "loss_low_pct": 100 * x.low,
                    "loss_high_pct": 100 * x.high,
                    "p": x.p,
                }
            )
    found = pd.DataFrame(rows)
    counts = ["speakers_kept", "speakers_lost"]
    return found.astype(dict.fromkeys(counts, "Int64"))


def keep(frame: "pd.DataFrame", rules: tuple[Rule, ...]) -> np.ndarray:
    """Which rows of a table the rules keep, without a workspace.

    Parameters
    ----------
    frame : pandas.DataFrame
        Numeric columns are its features, where a rule names none; "missing" then means any column.
    rules : tuple of Rule
        In order.

    Returns
    -------
    np.ndarray [shape=(n,), bool]
    """
    kept = np.ones(len(frame), dtype=bool)
    numeric = tuple(frame.select_dtypes("number").columns)
    for rule in rules:
        if rule.kind == "missing":
            columns = list(rule.columns) or list(frame.columns)
            kept &= frame[columns].notna().all(axis=1).to_numpy()
            continue
        given = kept.copy()
        for name in rule.columns or numeric:
            x = frame[name].to_numpy(dtype=float)
            bound = _bound_of(x[given], rule, name)
            low = -np.inf if bound.low is None else bound.low
            high = np.inf if bound.high is None else bound.high
            kept &= ~((x < low) | (x > high))
    return kept


def _bound_of(x: np.ndarray, rule: Rule, name: str) -> Bound:
    """What the rule keeps of these values, (n,); NaN is no value."""
    x = x[np.isfinite(x)]
    if rule.kind == "cut":
        return Bound(name, rule.low, rule.high)
    if not x.size:
        return Bound(name, None, None)
    log = _on_log(rule, name, float(x.min()))
    v = np.log1p(x) if log else x
    if rule.kind == "zscore":
        return _bound(name, float(v.mean()), float(v.std()), rule.limit, log)
    centre = float(np.median(v))
    return _bound(name, centre, MAD_SCALE * float(np.median(abs(v - centre))), rule.limit, log)


def _bound(name: str, centre: float | None, spread: float | None, limit: float, log: bool) -> Bound:
    """``limit`` × ``spread`` around ``centre``; open where nothing varies."""
    if centre is None or not spread or not math.isfinite(spread):
        return Bound(name, None, None)
    ends = centre - limit * spread, centre + limit * spread
    low, high = (math.expm1(min(e, 700.0)) for e in ends) if log else ends
    return Bound(name, low, high)


def _on_log(rule: Rule, name: str, least: float | None) -> bool:
    return rule.log and name not in rule.linear and least is not None and least >= 0


def _spread_bounds(
    workspace: Workspace, rule: Rule, columns: tuple[str, ...], given: tuple[str, list[Any]]
) -> tuple[Bound, ...]:
    """Bounds of a z-score or MAD rule, from the clips that it is given."""
    sql, values = given
    least = _row(workspace, [f"min({_quoted(c)})" for c in columns], sql, values)
    log = [_on_log(rule, c, x) for c, x in zip(columns, least, strict=True)]
    scaled = [
        f"ln(1 + {_quoted(c)}::DOUBLE)" if on else f"{_quoted(c)}::DOUBLE"
        for c, on in zip(columns, log, strict=True)
    ]
    if rule.kind == "zscore":
        asked = [f"{f}({x})" for f in ("avg", "stddev_pop") for x in scaled]
        both = _row(workspace, asked, sql, values)
        centres, spreads = both[: len(columns)], both[len(columns) :]
    else:
        centres = _row(workspace, [f"median({x})" for x in scaled], sql, values)
        away = [f"median(abs({x} - ?))" for x in scaled]
        spreads = _row(workspace, away, sql, [*centres, *values])
        spreads = [None if s is None else MAD_SCALE * s for s in spreads]
    return tuple(
        _bound(c, m, s, rule.limit, on)
        for c, m, s, on in zip(columns, centres, spreads, log, strict=True)
    )


def _row(workspace: Workspace, asked: list[str], sql: str, values: list[Any]) -> list:
    """One row of numbers; None where there is none."""
    named = ", ".join(f"{x} AS c{i}" for i, x in enumerate(asked))
    row = workspace.query(f"SELECT {named} FROM clips WHERE {sql}", values).iloc[0]
    return [None if v is None or not math.isfinite(v) else float(v) for v in row]


def _lost_sql(rule: Rule, bounds: tuple[Bound, ...]) -> tuple[str, list[float]]:
    """The condition of clips that the rule takes away; never null."""
    parts, values = [], []
    for bound in bounds:
        name = _quoted(bound.column)
        if rule.kind == "missing":
            parts.append(f"{name} IS NULL")
            continue
        for op, end in (("<", bound.low), (">", bound.high)):
            if end is not None:
                parts.append(f"coalesce({name} {op} ?, FALSE)")
                values.append(end)
    return f"({' OR '.join(parts) or 'FALSE'})", values


def seconds_column(workspace: Workspace) -> str | None:
    """The column with the clips' lengths in s; measured before labelled."""
    there = selecting.columns(workspace)
    return next((c for c in ("duration_s", "duration") if c in there), None)


def _cells(
    workspace: Workspace,
    selection: Selection,
    rules: tuple[Rule, ...],
    bounds: tuple[tuple[Bound, ...], ...],
    labels: list[str],
) -> "pd.DataFrame":
    """Clips ``n`` and ``seconds`` by speaker ``who`` (0: not known), labels, and rule ``lost``."""
    conditions = [_lost_sql(r, b) for r, b in zip(rules, bounds, strict=True)]
    whens = " ".join(f"WHEN {sql} THEN {i + 1}" for i, (sql, _) in enumerate(conditions))
    lost = f"CASE {whens} ELSE 0 END" if whens else "0"
    sql, values = selection.where() or ("TRUE", [])
    speaker = '"speaker_id"' if "speaker_id" in workspace.label_columns() else "NULL"
    named = "".join(f", {_quoted(c)}::VARCHAR AS l{i}" for i, c in enumerate(labels))
    seconds = seconds_column(workspace)
    length = f"coalesce(sum({_quoted(seconds)}::DOUBLE), 0.0)" if seconds else "NULL::DOUBLE"
    who = f"CASE WHEN {speaker} IS NULL THEN 0 ELSE hash({speaker}) END"
    return workspace.query(
        f"SELECT {who} AS who{named}, {lost} AS lost, count(*) AS n, {length} AS seconds "
        f"FROM clips WHERE {sql} GROUP BY ALL",
        [*(v for _, more in conditions for v in more), *values],
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

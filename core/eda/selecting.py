"""How much a selection leaves, and what can be selected."""

from typing import NamedTuple

from core.filters import Selection
from core.store import Workspace


class Counts(NamedTuple):
    """Clips and speakers that a selection leaves, of all clips measured; None: not known."""

    clips: int
    total: int
    speakers: int | None


def columns(workspace: Workspace) -> tuple[str, ...]:
    """All columns of the view ``clips``: labels first, then features, then checks."""
    return (*workspace.label_columns(), *workspace.columns, *workspace.check_columns())


def selected(workspace: Workspace, text: str) -> Selection:
    """The selection written by ``Selection.to_text``, on this workspace's columns."""
    return Selection.from_text(text, columns(workspace)) if text else Selection()


def counts(workspace: Workspace, selection: Selection) -> Counts:
    """Clips and speakers that the selection leaves."""
    where, speakers = selection.where(), None
    if "speaker_id" in workspace.label_columns():
        condition, values = where or ("TRUE", [])
        sql = f"SELECT count(DISTINCT speaker_id) AS n FROM clips WHERE {condition}"
        speakers = int(workspace.query(sql, values)["n"].iloc[0]) or None
    return Counts(workspace.count(where), workspace.count(), speakers)


def label_values(workspace: Workspace, column: str, most: int = 60) -> list:
    """The values of a label, most frequent first, at most ``most`` of them."""
    if column not in columns(workspace):
        return []
    name = '"' + column.replace('"', '""') + '"'
    sql = (
        f"SELECT {name} AS v FROM clips WHERE {name} IS NOT NULL "
        f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {int(most)}"
    )
    return workspace.query(sql)["v"].tolist()

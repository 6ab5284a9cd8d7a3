"""Whether a workspace is whole, without changing it."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import core
from core.quality.columns import parts
from core.store._disk import StoreError, shown
from core.store._parts import is_whole, read_table
from core.store._plan import FORMAT, Plan, catalogue_path, part_name, read_plan, unit_keys
from core.store._writer import FIXED


class Health(NamedTuple):
    """What a look at a workspace found.

    ``state`` is "healthy", "unfinished" (clips are still to be measured), "damaged", "foreign" (of
    another version) or "missing"; ``sentence`` says what that means and what to do; ``damaged``
    names files that cannot be read.
    """

    state: str
    sentence: str
    damaged: tuple[str, ...] = ()


def verify(folder: str | os.PathLike) -> Health:
    """Read every part of a workspace to its last byte, and say how it is; nothing is changed."""
    folder = Path(os.path.abspath(folder))
    if not (folder / "plan.json").exists():
        return Health("missing", f"{shown(folder)}: there is no workspace in this folder.")
    try:
        plan = read_plan(folder)
        keys = _keys(folder, plan)
    except StoreError as err:
        if _is_foreign(folder):
            return Health("foreign", str(err))
        return Health("damaged", str(err), ("plan.json",))
    except (OSError, ValueError):
        name = catalogue_path(folder, plan).name
        sentence = f"{shown(folder)}: {name} is damaged. Make the workspace again with --rebuild."
        return Health("damaged", sentence, (name,))
    damaged, missing = _parts(folder, plan, keys)
    if damaged:
        many = f"{len(damaged)} part{'s are' if len(damaged) > 1 else ' is'}"
        cure = "Start its 'extract' command again: it sets them aside and measures those anew."
        return Health("damaged", f"{shown(folder)}: {many} damaged. {cure}", damaged)
    if checks := _damaged_checks(folder):
        cure = "Start 'check --workspace' again: it checks those clips anew."
        sentence = f"{shown(folder)}: {len(checks)} of the checks' parts cannot be read. {cure}"
        return Health("damaged", sentence, checks)
    if missing:
        cure = "Start its 'extract' command again: it goes on where it stopped."
        sentence = f"{shown(folder)}: {missing} of {len(keys)} parts are not measured yet. {cure}"
        return Health("unfinished", sentence)
    sentence = f"{shown(folder)}: whole; {plan.clips:,} clips in {len(keys):,} parts."
    return Health("healthy", sentence)


def _damaged_checks(folder: Path) -> tuple[str, ...]:
    damaged = []
    for path in parts(folder):
        try:
            read_table(path)
        except (OSError, ValueError):
            damaged.append(f"{path.parent.name}/{path.name}")
    return tuple(damaged)


def _is_foreign(folder: Path) -> bool:
    try:
        found = json.loads((folder / "plan.json").read_bytes())
        return (found["format"], found["version"]) != (FORMAT, core.__version__)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _keys(folder: Path, plan: Plan) -> dict[int, str]:
    if not plan.revision:
        return {}
    return unit_keys(read_table(catalogue_path(folder, plan)).to_pandas())


def _parts(folder: Path, plan: Plan, keys: dict[int, str]) -> tuple[tuple[str, ...], int]:
    """Names of damaged parts, and how many are not there yet."""
    damaged, missing = [], 0
    wanted = {"shards": (*FIXED, *plan.columns), "vectors": ("clip_id", *plan.vectors)}
    for unit, key in sorted(keys.items()):
        name = part_name(unit)
        if not (folder / "shards" / name).exists():
            missing += 1
            continue
        damaged += [
            f"{kind}/{name}"
            for kind, columns in wanted.items()
            if not is_whole(folder / kind / name, key, columns)
        ]
    return tuple(damaged), missing

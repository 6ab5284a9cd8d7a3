"""Which clip belongs to which unit, and how a plan changes when the data set does."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b, sha256
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import core
from core.safe_text import clean
from core.store._disk import StoreError, shown, write_whole
from core.store._parts import items_key

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
KEY = ("clip_id", "path", "size", "mtime_ns", "text")
NONE = -1  # the from_unit of a clip that is measured, not copied


@dataclass(frozen=True)
class Plan:
    """What is measured: the recipe, the columns it gives, and the units of clips.

    ``revision`` counts the catalogues; ``next_unit`` is above every unit there ever was.
    """

    recipe: dict[str, Any]
    columns: tuple[str, ...]
    vectors: dict[str, int]
    name: str = ""
    id: str = ""
    revision: int = 0
    next_unit: int = 0
    units: tuple[int, ...] = ()
    clips: int = 0
    version: str = core.__version__
    format: int = FORMAT
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Twelve hex digits of the recipe."""
        text = json.dumps(self.recipe, sort_keys=True)
        return blake2b(text.encode(), digest_size=6).hexdigest()

    def write(self, folder: Path) -> None:
        """Replace the folder's plan by this one, at once."""
        text = json.dumps(asdict(self), indent=1)
        write_whole(folder / "plan.json", lambda file: file.write(text.encode()))


def read_plan(folder: Path) -> Plan:
    """The plan of a folder.

    Raises
    ------
    StoreError
        There is none, it cannot be read, or it is of another version.
    """
    try:
        found = json.loads((folder / "plan.json").read_bytes())
        if found["format"] != FORMAT or found["version"] != core.__version__:
            raise StoreError(
                f"{shown(folder)}: this workspace was made by version {found['version']}, and this "
                f"is {core.__version__}: their numbers may differ. Make it again with "
                "'extract … --rebuild', or choose another folder."
            )
        found["columns"], found["units"] = tuple(found["columns"]), tuple(found["units"])
        return Plan(**found)
    except FileNotFoundError:
        raise StoreError(
            f"{shown(folder)}: there is no workspace in this folder. "
            "Make one with 'python -m core extract DATASET --workspace FOLDER'."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise StoreError(
            f"{shown(folder)}: plan.json cannot be read. Make the workspace again with "
            "'extract … --rebuild', or choose another folder."
        ) from err


def check_same(folder: Path, found: Plan, wanted: Plan) -> None:
    """Raise StoreError unless both plans measure the same in the same way."""
    if (found.digest, found.columns, found.vectors) == (
        wanted.digest,
        wanted.columns,
        wanted.vectors,
    ):
        return
    old, new = found.recipe, wanted.recipe
    differs = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k)] or ["columns"]
    what = ", ".join(f"{k} {clean(old.get(k))} instead of {clean(new.get(k))}" for k in differs)
    raise StoreError(
        f"{shown(folder)}: this workspace holds another table ({what}). Choose another folder, "
        "or make it again with 'extract … --rebuild', which deletes what is there."
    )


def catalogue_path(folder: Path, plan: Plan) -> Path:
    """Where the plan's catalogue is."""
    return folder / f"catalogue-{plan.revision:05d}.parquet"


def part_name(unit: int) -> str:
    """The file name of a unit, in ``shards`` and in ``vectors``."""
    return f"u{unit:05d}.parquet"


def unit_keys(catalogue: "pd.DataFrame") -> dict[int, str]:
    """The digest of each unit's clips."""
    return {
        int(unit): items_key(group.itertuples(index=False, name=None))
        for unit, group in catalogue[list(KEY)].groupby(catalogue["unit"], sort=True)
    }


def items_digest(catalogue: "pd.DataFrame", recipe: Mapping[str, Any]) -> str:
    """sha256 of the clips (path, size, mtime, text), the recipe and the version."""
    items = items_key(catalogue[list(KEY)].itertuples(index=False, name=None))
    text = json.dumps([items, dict(recipe), core.__version__], sort_keys=True)
    return sha256(text.encode()).hexdigest()


def assign_units(
    new: "pd.DataFrame",
    old: "pd.DataFrame | None",
    *,
    done: Collection[int],
    redo: Collection[str],
    unit_size: int,
    next_unit: int,
) -> "pd.DataFrame":
    """``new`` with the columns unit and from_unit.

    A unit of ``old`` whose clips are all unchanged stays as it is. All other clips go to new units;
    those unchanged, of a unit in ``done``, are copied from there (``from_unit``). Clips whose
    clip_id is in ``redo`` count as changed.
    """
    new = new.copy()
    new["unit"], new["from_unit"] = np.int64(NONE), np.int64(NONE)
    if old is not None and len(old) and len(new):
        before = old.set_index("clip_id").reindex(new["clip_id"])
        same = ~new["clip_id"].isin(set(redo)).to_numpy() & before["unit"].notna().to_numpy()
        for name in KEY[1:]:
            a, b = new[name].to_numpy(dtype=object), before[name].to_numpy(dtype=object)
            missing = new[name].isna().to_numpy() & before[name].isna().to_numpy()
            same &= missing | np.fromiter((_equal(x, y) for x, y in zip(a, b, strict=True)), bool)
        unit = before["unit"].fillna(NONE).astype("int64").to_numpy()
        source = before["from_unit"].fillna(NONE).astype("int64").to_numpy()
        sizes = old["unit"].value_counts()
        kept = new.assign(u=unit)[same]["u"].value_counts()
        whole = {int(u) for u, n in kept.items() if n == sizes[u]}
        stay = same & np.isin(unit, list(whole))
        was_done = np.isin(unit, list(done))
        new["unit"] = np.where(stay, unit, NONE)
        new["from_unit"] = np.where(same, np.where(~stay & was_done, unit, source), NONE)
    open_ = np.flatnonzero(new["unit"].to_numpy() == NONE)
    new.iloc[open_, new.columns.get_loc("unit")] = next_unit + np.arange(open_.size) // unit_size
    return new


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except (TypeError, ValueError):  # pandas' missing values do not say yes or no
        return False

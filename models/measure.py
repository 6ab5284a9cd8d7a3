"""Measure clips in several variants, in worker processes that may die, with what is done kept.

Conventions: a row is a clip in a variant; its values are those of ``columns()``, float32, NaN where
not measured. Rows are in the order of the clips and of their variants, whatever the number of
workers. Clips are measured in units; a finished unit is a file of the cache, so that a run that
was ended goes on from there.
"""

from collections.abc import Callable, Iterator, Sequence
import hashlib
import json
import os
from pathlib import Path
import tempfile
from typing import Any, NamedTuple
import zipfile

import numpy as np

from core import audio, features
from core.audio import ClipRef
from core.extract._crew import Crew
from core.store import Unit
from models.augment import SR, variant

SET = "voice-v1"
HERE = Path(__file__).resolve().parent
UNIT = 32  # clips
CLIP_S = 300.0  # for a clip in all its variants


class Rows(NamedTuple):
    """``X`` (n, d) of clips (n,) in variants (n,); ``failed`` tells clips that gave none, why."""

    X: np.ndarray
    clip_ids: np.ndarray
    variants: np.ndarray
    failed: dict[str, str]


def columns() -> tuple[str, ...]:
    """Every value of the feature set, and 128 mel strengths."""
    return (*features.feature_set(SET).names, *(f"mel_strength_{i:03d}" for i in range(128)))


def warm() -> None:
    """Called once in a worker: it gives way to other programs, and kernels are compiled."""
    os.nice(10)
    features.warm()


def measure(item: dict, recipe: dict) -> dict[str, Any]:
    """One clip in its variants, as a vector each; called in a worker."""
    y, _ = audio.load(ClipRef.of(item["path"]), SR)
    vectors = {}
    for name in item["variants"]:
        found = features.extract(variant(y, name, item["clip_id"]), sr=SR, feature_set=SET)
        values = [found.values[n] for n in features.feature_set(SET).names]
        vectors[name] = np.array([*values, *found.vectors["mel_strength"]], dtype=np.float32)
    return {"vectors": vectors}


def measured(
    items: Sequence[dict],
    *,
    workers: int,
    cache: Path | None = None,
    say: Callable[[int, int], None] = lambda done, of: None,
    function: str = "models.measure:measure",
) -> Rows:
    """All rows of some clips.

    Parameters
    ----------
    items : sequence of dict
        ``clip_id``, ``path`` and ``variants`` of each clip.
    workers : int
        Processes.
    cache : path, optional
        Folder that finished units are kept in; without it they live as long as the call.
    say : callable
        Told how many clips are done, of how many.
    function : str
        What a worker calls, as "module:name".

    Raises
    ------
    StoreError
        Workers do not start. A clip that ends its worker again and again is in ``failed``.
    """
    with tempfile.TemporaryDirectory() as own:
        folder = (cache or Path(own)) / fingerprint(items)
        folder.mkdir(parents=True, exist_ok=True)
        units = [Unit(i, tuple(items[at : at + UNIT])) for i, at in enumerate(_starts(items))]
        kept = {unit.number: found for unit in units if (found := _read(folder, unit)) is not None}
        done = sum(len(units[i].items) for i in kept)
        say(done, len(items))
        todo = [unit for unit in units if unit.number not in kept]
        for unit, rows in _through_workers(todo, workers, function):
            kept[unit.number] = _write(folder, unit, rows)
            done += len(unit.items)
            say(done, len(items))
        parts = [kept[unit.number] for unit in units]
    failed = {k: v for part in parts for k, v in part.failed.items()}
    return Rows(*(np.concatenate([p[i] for p in parts]) for i in range(3)), failed)


def fingerprint(items: Sequence[dict]) -> str:
    """What the rows depend on, in 16 hex digits: clips, variants, feature set, and our code."""
    found = hashlib.sha256(features.feature_set(SET).version.encode())
    for name in ("augment.py", "voices.py", "measure.py"):
        found.update((HERE / name).read_bytes())
    for item in items:
        size = Path(item["path"]).stat().st_size
        found.update(json.dumps([item["clip_id"], size, list(item["variants"])]).encode())
    return found.hexdigest()[:16]


def _starts(items: Sequence[dict]) -> range:
    return range(0, len(items), UNIT)


def _through_workers(
    todo: list[Unit], workers: int, function: str
) -> Iterator[tuple[Unit, list[dict]]]:
    """A dead worker is replaced, a stuck one ended: unlike a Pool, this never waits for ever."""
    if todo:
        crew = Crew(min(workers, len(todo)), function, {}, CLIP_S)
        yield from crew.run(iter(todo), lambda row: None, lambda: None)


def _write(folder: Path, unit: Unit, rows: list[dict]) -> Rows:
    """Keep a unit; the file appears whole or not at all."""
    ids, names, X = [], [], []
    by_clip = {row["clip_id"]: row for row in rows}
    failed = {c: str(row["message"]) for c, row in by_clip.items() if row["error"]}
    for item in unit.items:
        vectors = by_clip[item["clip_id"]].get("vectors", {})
        for name in item["variants"]:
            if name in vectors:
                ids.append(item["clip_id"])
                names.append(name)
                X.append(vectors[name])
    rows_of = np.array(X, dtype=np.float32).reshape(len(ids), len(columns()))
    found = Rows(rows_of, np.array(ids, dtype=str), np.array(names, dtype=str), failed)
    path = _file(folder, unit)
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez(file, X=found.X, ids=found.clip_ids, names=found.variants, failed=_told(failed))
    os.replace(part, path)
    return found


def _read(folder: Path, unit: Unit) -> Rows | None:
    try:
        with np.load(_file(folder, unit)) as found:
            failed = dict(found["failed"].tolist())
            return Rows(found["X"], found["ids"], found["names"], failed)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _file(folder: Path, unit: Unit) -> Path:
    return folder / f"unit_{unit.number:05d}.npz"


def _told(failed: dict[str, str]) -> np.ndarray:
    return np.array(list(failed.items()), dtype=str).reshape(-1, 2)

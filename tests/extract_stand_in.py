"""Cheap things to do to a clip, for workers of the tests; and a data set without files."""

import hashlib
import os
import time

import numpy as np
import pandas as pd

from core.extract import Task

COLUMNS, VECTORS = ("a", "b"), {"m": 8}


class Listed:
    """``n`` clips that exist only by name."""

    name = "listed"

    def __init__(self, n: int):
        self.n = n

    def catalogue(self) -> pd.DataFrame:
        ids = [f"listed/{i:04d}" for i in range(self.n)]
        genders = ["male" if i % 3 else "female" for i in range(self.n)]
        return pd.DataFrame({"clip_id": ids, "path": "absent", "text": None, "gender": genders})


def task(function: str = "cheap", **recipe) -> Task:
    """A task of one of the functions below."""
    recipe = {"feature_set": "stand-in", **recipe}
    return Task(recipe, COLUMNS, VECTORS, f"extract_stand_in:{function}")


def cheap(item: dict, recipe: dict) -> dict:
    """Numbers from the clip's name; about 1 in 12 clips is broken."""
    digest = hashlib.sha256(item["clip_id"].encode()).digest()
    time.sleep(recipe.get("sleep_s", 0))
    if digest[0] < 20:
        raise ValueError("bad audio")
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    a, b = rng.standard_normal(2)
    values = {"a": a, "b": b if digest[1] > 20 else np.nan}
    return {"values": values, "vectors": {"m": rng.standard_normal(8)}, "seconds": 1.0}


def evil(item: dict, recipe: dict) -> dict:
    """Some clips end the worker, one never ends."""
    number = int(item["clip_id"][-4:])
    if number == 7:
        os._exit(9)
    if number == 17:
        time.sleep(60)
    if number == 27:
        os.abort()
    return cheap(item, recipe)


def once(item: dict, recipe: dict) -> dict:
    """A clip that ends its worker the first time only."""
    flag = os.path.join(recipe["folder"], item["clip_id"].replace("/", "-"))
    if item["clip_id"].endswith("5") and not os.path.exists(flag):
        open(flag, "w").close()
        os._exit(9)
    return cheap(item, recipe)


def size(item: dict, recipe: dict) -> dict:
    """The file's size, and a note that it was looked at."""
    with open(os.path.join(recipe["log"]), "a") as file:
        file.write(item["clip_id"] + "\n")
    n = os.path.getsize(item["path"])
    return {"values": {"a": n, "b": 1.0}, "vectors": {"m": np.full(8, n)}, "seconds": 0.5}


def expected(n: int) -> tuple[dict, set]:
    """Values of the clips of ``Listed(n)`` that are well, and the names of the broken ones."""
    good, bad = {}, set()
    for clip_id in Listed(n).catalogue()["clip_id"]:
        try:
            good[clip_id] = cheap({"clip_id": clip_id}, {})["values"]
        except ValueError:
            bad.add(clip_id)
    return good, bad


def audit(workspace, n: int) -> None:
    """Every clip is in exactly one of the two tables, with the values it must have."""
    good, bad = expected(n)
    features, failures = workspace.features(), workspace.failures()
    assert features["clip_id"].tolist() == sorted(good)
    assert set(failures["clip_id"]) == bad and len(failures) == len(bad)
    for name in COLUMNS:
        np.testing.assert_array_equal(features[name], [good[c][name] for c in sorted(good)])
    assert workspace.vectors("m").clip_ids.tolist() == sorted(good)
    assert workspace.status().missing == 0

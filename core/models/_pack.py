"""Zips and arrays whose bytes depend on what is in them alone: no times, no addresses."""

from collections.abc import Mapping
import io
import json
import math
from typing import Any
import zipfile

import numpy as np

_WHEN = (1980, 1, 1, 0, 0, 0)


def zipped(parts: Mapping[str, bytes], *, level: int = 9) -> bytes:
    """A zip of ``parts``, in their order."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as found:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            found.writestr(entry, data)
    return file.getvalue()


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """What ``numpy.load`` reads; no Python objects."""
    parts = {}
    for name, values in arrays.items():
        file = io.BytesIO()
        np.lib.format.write_array(file, np.asanyarray(values), allow_pickle=False)
        parts[f"{name}.npy"] = file.getvalue()
    return zipped(parts)


def same_each_time(data: bytes) -> bytes:
    """A skops file with running numbers where it has addresses of this process's memory."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        schema = json.loads(file.read("schema.json"))
        numbers: dict[int, int] = {}
        names: dict[str, str] = {}
        _renumber(schema, numbers, names)
        parts = {new: file.read(old) for old, new in names.items()}
    return zipped({**parts, "schema.json": json.dumps(schema).encode()})


def _renumber(value: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    if isinstance(value, list):
        for part in value:
            _renumber(part, numbers, names)
    if not isinstance(value, dict):
        return
    if isinstance(value.get("__id__"), int):
        value["__id__"] = numbers.setdefault(value["__id__"], len(numbers) + 1)
    if "__loader__" in value and isinstance(value.get("file"), str):
        value["file"] = names.setdefault(value["file"], f"{len(names)}.npy")
    for part in value.values():
        _renumber(part, numbers, names)


def plain(value: Any) -> Any:
    """JSON's own types: numpy's numbers become Python's, not a number becomes None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)

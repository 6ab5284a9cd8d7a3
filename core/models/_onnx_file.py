"""Opening ONNX files that may come from anywhere: nothing outside the bytes is read.

onnxruntime would look for weights "in other files" from the working directory on, so the file is
read here first, as far as its nodes and weights go.
"""

from collections.abc import Iterator
from typing import Any

from core.errors import ModelError
from core.safe_text import clean

MOST_FIELDS = 3_000_000  # some seconds of reading; weights are one field each
_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
# Parts of an ONNX file that lead to nodes and weights, by the field numbers of onnx.proto3.
_TREE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}


def session(data: bytes, name: str) -> Any:
    """An onnxruntime session on one thread that reads nothing but these bytes.

    Raises
    ------
    ModelError
        They are damaged, no ONNX network, refer to other files, or need operations of their own.
    """
    _check_file(data, name)
    import onnxruntime as ort

    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as err:  # onnxruntime's errors have no common class
        raise ModelError(
            f"{name}: this network cannot be opened: it is damaged or needs what onnxruntime does "
            f"not have ({clean(err, 160)})."
        ) from err


def _check_file(data: bytes, name: str) -> None:
    """Refuse what is no ONNX network, has weights in other files, or operations of its own."""
    found: dict[str, Any] = {"nodes": [], "functions": set(), "outside": False, "fields": 0}
    try:
        _walk(memoryview(data), "model", found, 0)
    except (ValueError, IndexError, UnicodeDecodeError) as err:
        raise ModelError(f"{name}: this is no ONNX network, or a damaged one.") from err
    if not found["nodes"]:
        raise ModelError(f"{name}: this is no ONNX network: it has no operations.")
    if found["outside"]:
        raise ModelError(
            f"{name}: this network keeps weights in other files, which are not read. Save it as "
            "one file (onnx.save with save_as_external_data=False)."
        )
    for domain, operation in found["nodes"]:
        if domain not in _DOMAINS | found["functions"]:
            raise ModelError(
                f"{name}: this network needs the operation {clean(operation, 40)} of "
                f"{clean(domain, 40)}, which is not part of ONNX. Export it without."
            )


def _walk(data: memoryview, kind: str, found: dict[str, Any], depth: int) -> None:
    if depth > 24:
        raise ValueError
    words = {}
    for number, value in _fields(data):
        found["fields"] += 1
        if found["fields"] > MOST_FIELDS:
            raise ValueError
        inner = _TREE.get(kind, {}).get(number)
        if inner and isinstance(value, int):
            raise ValueError
        if inner:
            _walk(value, inner, found, depth + 1)
        elif kind == "tensor" and (number == 13 or (number == 14 and value != 0)):
            found["outside"] = True
        elif (kind, number) in (("node", 4), ("node", 7), ("function", 10)):
            words[number] = bytes(value).decode()
    if kind == "node":
        found["nodes"].append((words.get(7, ""), words.get(4, "")))
    if kind == "function":
        found["functions"].add(words.get(10, ""))


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a protobuf message; ValueError or IndexError if it is none."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if tag >= 1 << 32 or not number or wire not in (0, 1, 2, 5):
            raise ValueError
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size, at = _varint(data, at) if wire == 2 else (8 if wire == 1 else 4, at)
        if at + size > len(data):
            raise ValueError
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError

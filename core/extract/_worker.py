"""The process that measures: ``python -m core.extract._worker MODULE:FUNCTION``.

Conventions: a request is one JSON line on stdin, ``{"items": [...], "recipe": {...}}``. The answer
is one JSON line that says it begins, then for each item, in order, one JSON line followed by its
vectors as float32. End of stdin ends the process at once, whatever it is doing.
"""

from collections.abc import Callable
from contextlib import suppress
import importlib
import json
import os
import queue
import sys
import threading
import traceback
from typing import Any, BinaryIO

import numpy as np

MEMORY = 2 << 30  # bytes of address space above what the process needs to begin with


def resolve(name: str) -> tuple[Callable[..., dict], Callable[[], None]]:
    """The function "module:function", and its module's ``warm`` if it has one."""
    module_name, _, function = name.partition(":")
    module = importlib.import_module(module_name)
    return getattr(module, function), getattr(module, "warm", lambda: None)


def row_of(item: dict, recipe: dict, function: Callable[..., dict]) -> dict[str, Any]:
    """The row of one clip; whatever goes wrong is in it."""
    from core.errors import VoiceError
    from core.safe_text import clean

    clip_id = item["clip_id"]
    try:
        return {"clip_id": clip_id, "error": None, "message": None, **function(item, recipe)}
    except VoiceError as err:
        return {"clip_id": clip_id, "error": type(err).__name__, "message": str(err)}
    except MemoryError:
        message = "This clip needs more memory than a worker may use. Cut it into parts."
        return {"clip_id": clip_id, "error": "MemoryError", "message": message}
    except Exception as err:  # a batch never stops for one clip
        message = f"This clip cannot be measured ({type(err).__name__}: {clean(err)})."
        return {"clip_id": clip_id, "error": type(err).__name__, "message": message}


def send(out: BinaryIO, row: dict[str, Any]) -> None:
    """Write one row: its line, then its vectors."""
    vectors = {
        name: np.ascontiguousarray(v, dtype=np.float32).ravel()
        for name, v in row.get("vectors", {}).items()
    }
    head = {**row, "vectors": {name: v.size for name, v in vectors.items()}}
    out.write(json.dumps(head, default=float).encode() + b"\n")
    for v in vectors.values():
        out.write(v.tobytes())
    out.flush()


def _confine() -> None:
    """No core dumps, bounded memory; nothing on Windows."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(
            resource.RLIMIT_AS, (size + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1])
        )


def _listen(requests: queue.SimpleQueue) -> None:
    """Pass requests on; when the parent is gone, end at once."""
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def main() -> None:
    """Answer requests until stdin ends."""
    try:
        _serve()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # a plain exit would wait for the thread that reads stdin


def _serve() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libsndfile prints on stdout
    requests: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    function, warm = resolve(sys.argv[1])
    from core.audio import decode_here

    decode_here()
    warm()
    _confine()
    out.write(b'{"status": "ready"}\n')
    out.flush()
    while True:
        request = json.loads(requests.get())
        out.write(b'{"status": "begin"}\n')
        out.flush()
        for item in request["items"]:
            send(out, row_of(item, request["recipe"], function))


if __name__ == "__main__":
    main()

"""``check``: are these recordings good, or those of a workspace."""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
import json
import math
from typing import Any

from core import jobs, quality
from core.audio import ClipRef
from core.cli.progress import Line
from core.errors import ParameterError, VoiceError
from core.quality import report as writing
from core.safe_text import clean as clean_text

_UNIT = 64  # clips stored together


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    check = commands.add_parser("check", help="say whether recordings are good, and why not")
    check.add_argument("files", nargs="*", metavar="FILE")
    check.add_argument("--json", action="store_true", help="one JSON object a file")
    check.add_argument("--workspace", metavar="FOLDER", help="check its clips into its table")
    check.add_argument("--workers", type=int, default=1, metavar="N", help="files at a time")
    check.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.workers < 1:
        raise ParameterError(f"--workers={args.workers} does not work: choose 1 or more.")
    if bool(args.files) == bool(args.workspace):
        raise ParameterError("Name files, or a workspace with --workspace: one of the two.")
    if args.workspace:
        return _fill(args)
    failed = False
    for path, found in _reports(args.files, args.workers):
        failed |= isinstance(found, VoiceError)
        print(json.dumps(_object(path, found)) if args.json else _block(path, found), flush=True)
    return 1 if failed else 0


def _reports(files: list[str], workers: int) -> Iterator[tuple[str, quality.Report | VoiceError]]:
    def one(path: str) -> quality.Report | VoiceError:
        try:
            return quality.check_file(ClipRef.of(path))
        except VoiceError as err:
            return err

    with ThreadPoolExecutor(workers) as threads:
        yield from zip(files, threads.map(one, files), strict=True)


def _object(path: str, found: quality.Report | VoiceError) -> dict[str, Any]:
    if isinstance(found, VoiceError):
        return {"file": path, "error": str(found)}
    return writing.to_object(found, name=path)


def _block(path: str, found: quality.Report | VoiceError) -> str:
    head = clean_text(path, 300)
    if isinstance(found, VoiceError):
        return f"{head}\n  {found}\n"
    lines = [head, f"  {found.sentence}"]
    for check in found.checks:
        value = f"{_rounded(check.value)} {check.unit}".strip()
        more = [check.detail] if check.detail else []
        if check.verdict in ("warn", "fail"):
            more.append(check.thresholds.words(check.unit))
            more += [f"see {check.worst[0]:.2f} to {check.worst[1]:.2f} s"] if check.worst else []
        lines.append(f"  {check.verdict:8}{check.label:28}{value:16}{'; '.join(more)}".rstrip())
    return "\n".join([*lines, ""])


def _rounded(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _fill(args: argparse.Namespace) -> int:
    from core.eda import checks

    line = Line()
    found = checks.fill(
        args.workspace, workers=args.workers, progress=line.show, cancel=jobs.cancelled
    )
    return line.total(found, "{} clips checked, {} failed, {} checked before")

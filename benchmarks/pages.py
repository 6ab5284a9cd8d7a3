"""Every page of a data set, on as many clips as the article has and on a million.

    python -m benchmarks.pages [--rows 1000000] [--keep FOLDER] [--each] [--against FOLDER]

Opens each page that stands under "Data set" in pages/main.py, changes its controls one by one, adds
and clears a filter, and prints: the median of the server's time for a change, the most bytes that
one change sends, and the server's memory after all pages, each beside what is wanted. A change is
asked for with values that were not asked for before, so that no cache answers; beside the server's
time stands that of its processors, which hardly depends on what else the machine does. The run that
opens a page is printed, too, but not judged. A page that draws nothing is named, with what it says.
``--keep`` writes the workspaces there, and finds them again. ``--each`` prints every change.
``--against`` names an older copy of the project, which is asked the same in turn, page by page.
"""

import argparse
import ast
import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
import json
from pathlib import Path
from statistics import median
import tempfile
from urllib.parse import quote

import psutil

from benchmarks.big_workspace import build
from benchmarks.client import ROOT, Run, Server, Visitor
from benchmarks.clip_page import free_port
from core import datasets
from pages.shared.data import Chosen

ARTICLE, MILLION = 9_078, 1_000_000
WANTED_S = {ARTICLE: 0.3, MILLION: 1.5}
WANTED_MB, WANTED_RSS_GB = 1.0, 1.5
COMMON = ("data_", "filter_", "low_", "high_", "in_", "contains_", "job_")  # of every page
MOST = 4  # values tried of one control
SELECTIONS = (
    [["f0_median_hz", ">=", 150.5]],
    [["gender", "in", ["female"]]],
    [["duration_s", "<=", 5.25], ["gender", "in", ["male"]]],
)
VIEWS = {  # what takes long, and stands behind a control that the filters are not tried with
    "correlations": (
        {"rows": "Speakers"},
        {"relation": "Differences of two groups", "rows": "Speakers"},
    ),
    "map": ({"map_view": "Label errors"},),
}


@dataclass
class Found:
    """What the visitor saw on one page."""

    page: str
    first: Run
    whats: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    slowest: tuple[float, float, str] = (0.0, 0.0, "")
    wrong: list[str] = field(default_factory=list)
    instead: str = ""  # what a page that draws nothing says

    def note(self, what: str, run: Run, cpu: float) -> None:
        """One change, and the processor's seconds since the last one."""
        self.whats.append(what)
        self.seconds.append(run.seconds)
        self.cpu.append(cpu)
        self.received.append(run.received)
        self.slowest = max(self.slowest, (run.seconds, cpu, what))
        self.wrong += run.exceptions


class Clock:
    """Seconds that a process spends on all its cores; fair on a machine that others use."""

    def __init__(self, process: psutil.Process):
        self.process, self.last = process, 0.0

    def lap(self) -> float:
        """Since the last lap."""
        now = sum(self.process.cpu_times()[:2])
        spent, self.last = now - self.last, now
        return spent


class Reader(Visitor):
    """A visitor that also reads what the page says in place of figures."""

    drawn: int = 0
    said: str = ""

    def _note_element(self, message, run: Run) -> None:
        super()._note_element(message, run)
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        self.drawn += kind in ("plotly_chart", "dataframe", "bidi_component")
        if kind == "alert":
            self.said = element.alert.body


def pages() -> list[str]:
    """Address of every page under "Data set", read from pages/main.py."""
    for node in ast.walk(ast.parse((ROOT / "pages" / "main.py").read_text())):
        if isinstance(node, ast.Dict):
            for key, group in zip(node.keys, node.values, strict=True):
                if getattr(key, "value", None) == "Data set":
                    calls = [n for n in ast.walk(group) if isinstance(n, ast.Call)]
                    return [_address(call) for call in calls]
    raise RuntimeError('pages/main.py has no group "Data set"')


def _address(call: ast.Call) -> str:
    given = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
    return given.get("url_path") or Path(call.args[0].value).stem


def values_of(kind: str, body) -> list:
    """Other values of a control than the one it has, as the browser would send them."""
    if kind == "selectbox":
        return [o for i, o in enumerate(body.options) if i != body.default][:MOST]
    if kind == "button_group":
        names = [o.content for o in body.options]
        return [[n] for i, n in enumerate(names) if i not in set(body.default)][:MOST]
    if kind == "slider" and not body.options and len(body.default) == 1:
        low, high = float(body.min), float(body.max)
        return [[low + share * (high - low)] for share in (0.25, 0.75)]
    if kind == "checkbox":
        return [not body.default]
    return []


def key_of(wid: str) -> str:
    """The key in a widget's id."""
    return wid.split("-", 2)[2] if wid.startswith("$$") else ""


async def visit(address: str, page: str, clock: Clock) -> Found:
    """Open a page, then change each control; a control that comes up on the way is tried, too."""
    async with Reader(address, page) as visitor:
        found = Found(page, await visitor.run())
        found.wrong += found.first.exceptions
        clock.lap()
        tried: set[str] = set()
        while todo := [
            (key_of(wid), kind, body)
            for wid, (kind, body) in visitor.widgets.items()
            if key_of(wid) not in tried and values_of(kind, body) and _own(key_of(wid))
        ]:
            key, kind, body = todo[0]
            tried.add(key)
            for value in values_of(kind, body):
                if not any(key_of(wid) == key for wid in visitor.widgets):
                    break
                found.note(f"{key} = {value}", await visitor.change(key, value), clock.lap())
        await _filter(visitor, found, clock, SELECTIONS)
        found.instead = "" if visitor.drawn else visitor.said
    for i, view in enumerate(VIEWS.get(page, ())):
        async with Reader(address, page) as visitor:
            await visitor.run()
            clock.lap()
            for key, value in view.items():
                found.note(f"{key} = {value}", await visitor.change(key, [value]), clock.lap())
            # True of every clip, but no cache has it.
            asked = [[*rows, ["snr_db", "<=", 1000 + i]] for rows in SELECTIONS]
            await _filter(visitor, found, clock, asked, f" ({', '.join(view.values())})")
    return found


async def _filter(visitor: Reader, found: Found, clock: Clock, asked, about: str = "") -> None:
    """Add one selection after the other."""
    for rows in asked:
        visitor.query = f"sel={quote(json.dumps(rows, separators=(',', ':')))}"
        found.note(f"filter {rows[0][0]}{about}", await visitor.run(), clock.lap())


def _own(key: str) -> bool:
    return bool(key) and key != "None" and not key.startswith(COMMON)


def report(found: Found, rows: int, each: bool) -> None:
    """One line for a page, and one for its slowest change; with ``each`` one for every change."""
    seconds = median(found.seconds) if found.seconds else 0.0
    most = max(found.received, default=0) / 1e6
    fast = "" if seconds <= WANTED_S[rows] else "  TOO SLOW"
    small = "" if most <= WANTED_MB else "  TOO LARGE"
    print(
        f"  {found.page:14} {1e3 * seconds:6.0f} ms (wanted {1e3 * WANTED_S[rows]:.0f}){fast}, "
        f"processor {1e3 * (median(found.cpu) if found.cpu else 0):.0f} ms, "
        f"at most {most:.2f} MB a change (wanted {WANTED_MB:g}){small}; "
        f"{len(found.seconds)} changes, opened in {found.first.seconds:.2f} s with "
        f"{found.first.received / 1e6:.2f} MB"
    )
    seconds, cpu, what = found.slowest
    print(f"  {'':14} slowest {seconds:.2f} s, processor {cpu:.2f} s: {what}")
    for what, one, spent in zip(found.whats, found.seconds, found.cpu, strict=True) if each else ():
        print(f"  {'':14} {one:.2f} s, processor {spent:.2f} s: {what}")
    if found.instead:
        print(f"  {'':14} NOT JUDGED, it draws nothing: {found.instead}")
    for said in dict.fromkeys(found.wrong):
        print(f"  {'':14} WRONG: {said}")


async def measure(folder: Path, rows: int, args: argparse.Namespace) -> None:
    """All pages on a workspace of so many clips, of this project and of an older copy."""
    at = folder / _place(ROOT).name
    if not (at / "plan.json").is_file():
        build(at, rows)
    print(f"{rows:,} clips")
    roots = [ROOT] if args.against is None else [args.against.resolve(), ROOT]
    with ExitStack() as open_, tempfile.TemporaryDirectory() as links:
        servers = [open_.enter_context(_server(root, at, Path(links))) for root in roots]
        most = 0.0
        for server in servers:
            async with Visitor(server.address) as visitor:
                await visitor.run()
        for name in args.page or pages():
            for root, server in zip(roots, servers, strict=True):
                process = psutil.Process(server.process.pid)
                print("  before:" if root != ROOT else "  now:" if args.against else "", end="")
                report(await visit(server.address, name, Clock(process)), rows, args.each)
                most = max(most, process.memory_info().rss / 1e9) if root == ROOT else most
        if rows == MILLION:
            large = "" if most <= WANTED_RSS_GB else "  TOO LARGE"
            print(f"  memory of the server: {most:.2f} GB (wanted {WANTED_RSS_GB:g}){large}")


def _place(root: Path) -> Path:
    """The workspace of the built-in set of a copy of the project."""
    return Chosen(str(root / datasets.demo_folder().name), "voice-v1", "").workspace


def _server(root: Path, at: Path, links: Path) -> Server:
    """A server of this copy that finds the workspace under the name it looks for."""
    folder = links / str(len(list(links.iterdir())))
    folder.mkdir()
    (folder / _place(root).name).symlink_to(at.resolve())
    return Server(root / "app.py", free_port(), PHONOSCOPE_WORKSPACES=str(folder))


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, choices=(ARTICLE, MILLION), action="append")
    parser.add_argument("--page", action="append", help="only this page, such as distributions")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--each", action="store_true", help="print every change")
    parser.add_argument("--against", type=Path, help="an older copy of the project")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        for rows in args.rows or (ARTICLE, MILLION):
            folder = (args.keep or Path(temp)) / str(rows)
            folder.mkdir(parents=True, exist_ok=True)
            await measure(folder, rows, args)


if __name__ == "__main__":
    asyncio.run(main())

"""Time to the first painted page, against an empty Streamlit app, and what core.audio imports.

    python -m benchmarks.startup

Both servers are started cold in turn, each round, and a real Chromium waits for the title of the
page. Prints medians and their ratio from one run.
"""

import os
from pathlib import Path
import shutil
from statistics import median
import subprocess
import sys
import tempfile
import time

from playwright.sync_api import sync_playwright

from benchmarks.client import ROOT, Server
from benchmarks.clip_page import free_port

ROUNDS = 7
CHROMIUM = os.environ.get("PHONOSCOPE_CHROMIUM") or shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
EMPTY = 'import streamlit as st\nst.title("Empty")\n'


def painted(browser, script: Path) -> float:
    """Seconds from starting the server to a painted title."""
    begin = time.perf_counter()
    with Server(script, free_port()) as server:
        page = browser.new_page()
        page.goto(server.address)
        page.locator("h1").first.wait_for(timeout=60_000)
        seconds = time.perf_counter() - begin
        page.close()
    return seconds


def imported() -> list[str]:
    """Heavy packages that ``import core.audio`` loads: none."""
    heavy = ("librosa", "sklearn", "numba", "streamlit", "scipy")
    code = f"import sys, core.audio; print(*[m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.split()


def main() -> None:
    """Measure and print."""
    print(f"import core.audio loads of the heavy packages: {imported() or 'none'}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        ours, theirs = [], []
        for k in range(ROUNDS + 1):
            a, b = painted(browser, ROOT / "app.py"), painted(browser, empty)
            if k:  # the first round warms the disk
                ours.append(a)
                theirs.append(b)
        browser.close()
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    print(
        f"first page painted: Phonoscope {median(ours):.2f} s, empty app {median(theirs):.2f} s; "
        f"ratio {ratio:.2f} (medians of {ROUNDS})"
    )


if __name__ == "__main__":
    main()

"""Hostile names and labels on the pages, in Chromium: no outside request, no link, no script.

    python -m benchmarks.names [--count 7500] [--seed N]

Every name goes through each kind of element that shows names (headings, captions, errors, metrics,
choices, tables, titles, hovers and ticks of figures) on pages made for it; then a data set of them
and uploads so called go through the real pages. Prints what was asked of other hosts, links,
scripts and pictures that appeared, dialogs, and page errors. The seed is new each time.
"""

import argparse
import csv
import os
from pathlib import Path
import random
import re
import shutil
import tempfile

from playwright.sync_api import Page, sync_playwright

from benchmarks.clip_page import free_port

ROOT = Path(__file__).resolve().parents[1]
EVIL = "evil.invalid"  # resolves nowhere; no name may make a browser ask for it
SHOWN, UPLOADED = 250, 12  # names on a page, and as files
PAGES = ("browse", "distributions", "correlations", "mean_mels", "map", "report")
_PARTS = (
    "![i](http://{e}/{n}.png)",
    "[go](http://{e}/{n})",
    "[go](javascript:window.evil={n})",
    "<img src=http://{e}/{n}.png onerror=window.evil={n}>",
    "<script src=http://{e}/{n}.js></script>",
    "<script>window.evil={n}</script>",
    "<svg/onload=window.evil={n}>",
    "<a href='http://{e}/{n}'>x</a>",
    '"><iframe src=//{e}/{n}>',
    "http://{e}/{n}",
    "www.{e}/{n}",
    "_www.{e}/{n}",
    "(www.{e}/{n}",
    "a{n}@{e}",
    "<http://{e}/{n}>",
    "[r{n}]: http://{e}/{n}",
    "[^1]: http://{e}/{n}",
    "$\\href{{http://{e}/{n}}}{{x}}$",
    "$$\\includegraphics{{http://{e}/{n}}}$$",
    ":material/home: :red[x{n}] :smile:",
    "`code{n}` **b** __c__ ~~d~~",
    "%{{customdata[{n}]}} %{{x}}<extra></extra>",
    "{{{{{n}*7}}}} ${{{n}}} <%= {n} %>",
    '=HYPERLINK("http://{e}/{n}")',
    "\u202egnp.{n}\u202c",
    "line\nbreak\t{n}",
    "| a | b |\n|---|---|\n| ![]( http://{e}/{n} ) | c |",
    "&lt;img src=http://{e}/{n}&gt; &#60;b&#62;",
    "data:text/html,<script>window.evil={n}</script>",
    "x\u2028y\u0000z{n}",
    "# heading {n}",
    "> quote {n}",
    "- [ ] task {n}",
)

APP = """
import json, os, sys
sys.path.insert(0, {root!r})
import pandas as pd, plotly.graph_objects as go, streamlit as st
from core.safe_text import clean, md, plotly
names = json.load(open({names!r}))[int(st.query_params.get("page", 0))]
for name in names:
    st.markdown(md(name))
st.caption("  \\n".join(md(name) for name in names))
st.error(md(" ".join(names), 5000))
st.metric(md(names[0]), md(names[1]), help=md(names[2]))
st.selectbox(md(names[3]), [clean(name) for name in names])
st.tabs([md(name) for name in names[:20]])
st.pills("Several", [md(name) for name in names[:40]])
st.dataframe(pd.DataFrame({{"name": names}}).map(clean))
shown = [plotly(name) for name in names[:60]]
ticks = [plotly(name, 40) + str(i) for i, name in enumerate(names[:60])]
figure = go.Figure(go.Bar(x=ticks, y=[1] * len(ticks), hovertext=shown, text=shown))
figure.update_layout(title=plotly(names[0]), xaxis_title=plotly(names[1]))
st.plotly_chart(figure, key="bars")
st.download_button(md(names[4]), b"x", file_name="x.csv")
with st.expander(md(names[5]), expanded=True):
    st.write("end of the page")
"""


def names(count: int, seed: int) -> list[str]:
    """Names and labels that try to act when they are shown."""
    rng = random.Random(seed)
    made = []
    for n in range(count):
        parts = rng.sample(_PARTS, rng.choice((1, 1, 2, 3)))
        name = rng.choice(("", " ", "a", "\n")).join(part.format(e=EVIL, n=n) for part in parts)
        made.append(name if rng.random() < 0.7 else f"voice {n} {name}.wav")
    return made


class Watched:
    """A page and what it did that no name may make it do."""

    def __init__(self, page: Page, origin: str):
        self.page, self.origin, self.wrong = page, origin, []
        page.on("request", self._request)
        page.on("dialog", lambda dialog: (self.wrong.append("dialog"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))

    def _request(self, sent) -> None:
        fine = (self.origin, self.origin.replace("http", "ws"), "data:", "blob:")
        if not sent.url.startswith(fine):
            self.wrong.append(f"outside request: {sent.url}")

    def look(self) -> None:
        """Links, pictures and scripts that a name has become."""
        self.wrong += self.page.evaluate(
            """(evil) => {
                const wrong = window.evil === undefined ? [] : ["a script ran"];
                const acts = "a[*|href], img[src], iframe[src], script[src], image, link[href]";
                for (const e of document.querySelectorAll(acts)) {
                    const at = e.href?.baseVal ?? e.href ?? e.src ?? "";
                    if (String(at).includes(evil) || String(at).startsWith("javascript:"))
                        wrong.push(`${e.tagName} to ${at}`);
                }
                for (const e of document.querySelectorAll("[onerror], [onload], .katex"))
                    wrong.push(`${e.tagName}: ${e.outerHTML.slice(0, 100)}`);
                return wrong;
            }""",
            EVIL,
        )


def settle(page: Page) -> None:
    """Wait until the script has run to its end."""
    done = "[data-testid=stApp][data-test-script-state=notRunning]"
    page.locator(done).wait_for(timeout=90_000)
    page.wait_for_function("() => !document.querySelector('[data-stale=true]')", timeout=90_000)


def elements(watched: Watched, address: str, pages: int) -> None:
    """Every kind of element, on pages made for it."""
    for number in range(pages):
        watched.page.goto(f"{address}/?page={number}")
        watched.page.get_by_text("end of the page").wait_for(timeout=90_000)
        watched.look()


def table(folder: Path, words: list[str]) -> Path:
    """A table of numbers whose clips and labels have these names, four of them a row."""
    name = re.sub(r"[/\0\n]", "_", words[0])[:60]
    path = folder / f"{name} numbers.csv"
    with open(path, "w", newline="", encoding="utf-8", errors="replace") as file:
        out = csv.writer(file)
        out.writerow(["clip_id", "speaker", "gender", "accent", "mood", "f0_median", words[1]])
        for i in range(len(words) // 4):
            who, accent, mood, clip = words[4 * i : 4 * i + 4]
            gender = ("male", "female", accent)[i % 3]
            mood = words[i % 3]
            out.writerow([clip, who, gender, accent, mood, 100 + i, i * i % 7])
    return path


def data_set(watched: Watched, address: str, path: Path) -> None:
    """The pages of a data set with hostile names and labels."""
    page = watched.page
    page.goto(f"{address}/browse")
    page.get_by_role("radio", name="Folder").click()
    settle(page)
    box = page.locator(".st-key-data_folder input")
    box.fill(str(path))
    box.press("Enter")
    settle(page)
    watched.look()
    for name in PAGES:
        page.locator(f"a[href$='/{name}']").first.click()
        settle(page)
        watched.look()


def uploads(watched: Watched, address: str, data: bytes, words: list[str]) -> None:
    """Recordings so called, uploaded on the clip page."""
    page = watched.page
    page.goto(f"{address}/clip")
    page.get_by_role("radio", name="Upload").click()
    settle(page)
    for word in words:
        chooser = page.locator("[data-testid=stFileUploader] input[type=file]")
        name = re.sub(r"[/\\\0\r\n]", "_", word)[:100] + ".wav"
        chooser.set_input_files(
            files=[{"name": name, "mimeType": "audio/wav", "buffer": data + os.urandom(2)}]
        )
        page.wait_for_timeout(500)  # until the page has begun to take it in
        settle(page)
        watched.look()


def told(what: str, watched: Watched) -> None:
    """Print what was shown and what it did."""
    print(f"{what}:", flush=True)
    print(
        f"  outside requests, links, scripts, errors: {len(watched.wrong)} (wanted 0)", flush=True
    )
    for line in watched.wrong[:10]:
        print("! " + line[:200])


def main() -> None:
    import json

    import numpy as np

    from benchmarks.client import Server
    from benchmarks.fuzz import soundfile_bytes

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=7500)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    args = parser.parse_args()
    made = names(args.count, args.seed)
    parts = [made[i : i + SHOWN] for i in range(0, len(made), SHOWN)]
    sound = soundfile_bytes("a.wav", np.sin(np.arange(16_000) / 9) / 2, 16_000)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        work = Path(folder)
        (work / "names.json").write_text(json.dumps(parts))
        app = APP.format(root=str(ROOT), names=str(work / "names.json"))
        (work / "show.py").write_text(app)
        chromium = play.chromium.launch(
            executable_path=os.environ.get("PHONOSCOPE_CHROMIUM") or shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        with Server(work / "show.py", free_port()) as server:
            shown = Watched(chromium.new_page(), server.address)
            elements(shown, server.address, len(parts))
        told(f"seed {args.seed}: {len(made):,} names on {len(parts)} pages of elements", shown)
        env = {"PHONOSCOPE_WORKSPACES": str(work / "workspaces")}
        with Server(ROOT / "app.py", free_port(), **env) as server:
            real = Watched(chromium.new_page(), server.address)
            data_set(real, server.address, table(work, made[:2000]))
            told(f"500 of them as clips and labels of a data set on {len(PAGES)} pages", real)
            uploads(real, server.address, sound, made[-UPLOADED:])
            told(f"{UPLOADED} of them as uploads", real)
        chromium.close()


if __name__ == "__main__":
    main()

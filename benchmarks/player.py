"""The player in Chromium: first paint, frames, exact samples, and what a switch sounds like.

    python -m benchmarks.player [--rounds 7]

Prints, beside what is wanted: the time from a click to the painted player for 10 minutes and for
5 s (with the summaries made, and the first time, when they are not); frames a second with a moving
cursor while 10 minutes play; the largest difference between samples drawn and samples of the file;
and for a switch between two sounds, rendered and recorded while playing: gap, click and shift.
Chromium is that of PHONOSCOPE_CHROMIUM, or the one on the path.
"""

import argparse
import os
from pathlib import Path
import shutil
from statistics import median

from playwright.sync_api import sync_playwright

from benchmarks.client import ROOT, Server
from benchmarks.clip_page import free_port

FLAGS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
TONE_HZ = 100.0

PAINTED = """async (label) => {
    const buttons = [...document.querySelectorAll("button")];
    const button = buttons.find((b) => b.innerText.trim() === label);
    const drawn = () => [...document.querySelectorAll("*")]
        .map((e) => e.shadowRoot && e.shadowRoot.querySelector(".player[data-drawn]"))
        .find(Boolean);
    const had = drawn(), old = had ? had.dataset.drawn : "";
    const begin = performance.now();
    button.click();
    while (true) {
        await new Promise(requestAnimationFrame);
        const found = drawn();
        if (found && found.dataset.drawn !== old) return performance.now() - begin;
        if (performance.now() - begin > 60000) throw new Error("never painted");
    }
}"""
FRAMES = """async (el) => {
    const cursor = el.querySelector(".cursor"), times = [];
    let moved = 0, last = "";
    const end = performance.now() + 4000;
    while (performance.now() < end) {
        times.push(await new Promise(requestAnimationFrame));
        if (cursor.style.transform !== last) moved++;
        last = cursor.style.transform;
    }
    const gaps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
    return {
        rate: 1000 * (times.length - 1) / (times[times.length - 1] - times[0]),
        moved: moved / times.length,
        worst: gaps[gaps.length - 1],
        p99: gaps[Math.floor(gaps.length * 0.99)],
    };
}"""
EXACT = """async (el) => {
    const p = el.player, track = p.head.tracks[0];
    p.setView(1.2345, 1.2345 + 40 / track.sr);
    while (!track.exact) await new Promise(requestAnimationFrame);
    const { first, last } = track.exact;
    const part = { headers: { Range: `bytes=${44 + 2 * first}-${43 + 2 * last}` } };
    const wav = new DataView(await (await fetch(track.url, part)).arrayBuffer());
    let worst = 0;
    track.exact.values.forEach((v, i) => {
        worst = Math.max(worst, Math.abs(v - wav.getInt16(2 * i, true) / 32768));
    });
    return [worst, track.exact.values.length];
}"""
RECORD = """async (el) => {
    const p = el.player, { context } = p;
    const tap = context.createScriptProcessor(1024, 1, 1), blocks = [];
    tap.onaudioprocess = (e) => blocks.push(e.inputBuffer.getChannelData(0).slice());
    p.sound.master.connect(tap);
    tap.connect(context.destination);
    const until = async (s) => {
        const end = context.currentTime + s;
        while (context.currentTime < end) await new Promise(requestAnimationFrame);
    };
    await until(0.5);
    const before = p.now();
    p.hear(1);
    const said = p.now() - before;
    await until(0.5);
    p.sound.master.disconnect(tap);
    const y = [].concat(...blocks.map((b) => [...b]));
    return { y: y.map((v) => Math.round(v * 1e6) / 1e6), sr: context.sampleRate, said };
}"""
RENDER = """async (el) => {
    const Sound = el.player.sound.constructor, sr = 48000;
    const offline = new OfflineAudioContext(1, sr, sr);
    const buffers = [1, 0.5].map((level) => {
        const buffer = offline.createBuffer(1, sr, sr);
        buffer.copyToChannel(Float32Array.from({ length: sr }, (_, i) => level * i / sr), 0);
        return buffer;
    });
    const sound = new Sound(offline, buffers);
    sound.setLevels([1, 0]);
    offline.suspend(0.5).then(() => { sound.setLevels([0, 2]); offline.resume(); });
    sound.play(0, null);
    return { y: [...(await offline.startRendering()).getChannelData(0)], sr };
}"""


def paint(page, rounds: int) -> tuple[float, float]:
    """Median milliseconds to the painted player of 5 s and of 10 minutes, in turn."""
    spent: dict[str, list[float]] = {"5 s": [], "600 s": []}
    for _ in range(rounds):
        for label, times in spent.items():
            times.append(page.evaluate(PAINTED, label))
    return median(spent["5 s"]), median(spent["600 s"])


def opened(page, address: str, query: str):
    """The player of a trial page."""
    page.goto(f"{address}/?page={query}")
    found = page.locator(".player[data-drawn]").first
    found.wait_for(timeout=60_000)
    return found


def played(page, address: str, query: str):
    """The same, sounding."""
    player = opened(page, address, query)
    player.locator(".play").click()
    page.wait_for_function(
        "el => el.player.sound && el.player.sound.playing && el.player.now() > 0.4",
        arg=player.element_handle(),
        timeout=30_000,
    )
    return player


def rendered_switch(found: dict) -> tuple[float, float]:
    """Of a ramp through a switch: largest error in value, and shift in ms after it."""
    import numpy as np

    y, sr = np.array(found["y"]), found["sr"]
    lead = int(np.flatnonzero(y > 0)[0]) - 1
    wanted = (np.arange(y.size) - lead) / sr
    heard = slice(lead + sr // 100, None)
    after = slice(int(0.55 * sr), None)
    return float(np.abs(y - wanted)[heard].max()), 1000 * abs(float((y - wanted)[after].mean()))


def recorded_switch(found: dict) -> tuple[float, float, float]:
    """Of a tone through a switch: gap in ms, largest jump over a tone's own, phase shift in ms."""
    import numpy as np

    y, sr = np.array(found["y"]), found["sr"]
    y = y[np.flatnonzero(np.abs(y) > 0.05)[0] :]
    cycle = round(sr / TONE_HZ)
    level = np.sqrt(np.convolve(y**2, np.ones(cycle) / cycle, "valid"))
    gap = 1000 * np.count_nonzero(level < 0.5 * np.median(level)) / sr
    amplitude = np.median(level) * np.sqrt(2)
    steepest = amplitude * 2 * np.pi * TONE_HZ / sr
    turn = np.exp(-2j * np.pi * TONE_HZ * np.arange(y.size) / sr)
    n = 10 * cycle
    phases = [np.angle((y * turn)[part].sum()) for part in (slice(n, 2 * n), slice(-2 * n, -n))]
    shift = np.angle(np.exp(1j * (phases[1] - phases[0]))) / (2 * np.pi * TONE_HZ)
    return gap, float(np.abs(np.diff(y)).max() / steepest), 1000 * abs(shift)


def report(page, address: str, rounds: int) -> None:
    """Measure and print."""
    page.goto(f"{address}/?page=open")
    page.get_by_role("button", name="600 s").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    short, long = paint(page, 1)
    print(f"first paint, summaries to be made: 5 s {short:.0f} ms, 10 min {long:.0f} ms,")
    print(f"  ratio {long / short:.2f}")
    short, long = paint(page, rounds)
    print(f"first paint, summaries made: 5 s {short:.0f} ms, 10 min {long:.0f} ms,")
    print(f"  ratio {long / short:.2f} (wanted: at most 1.5)")
    player = played(page, address, "long&seconds=600")
    frames = player.evaluate(FRAMES)
    print(f"while 10 min play: {frames['rate']:.1f} frames a second (wanted: 60), the cursor moves")
    print(f"  in {100 * frames['moved']:.0f} % of them, p99 {frames['p99']:.0f} ms between two")
    worst, count = player.evaluate(EXACT)
    print(
        f"zoom to samples: {count} samples, largest difference from the file {worst:g} (wanted: 0)"
    )
    player = played(page, address, "tones&seconds=8")
    error, shift = rendered_switch(player.evaluate(RENDER))
    print(f"switch, rendered: error {error:.1e} of full scale, shift {shift:.4f} ms (wanted: 0)")
    for name, query in (("decoded", "tones&seconds=8"), ("streamed", "tones&seconds=90")):
        found = played(page, address, query).evaluate(RECORD)
        gap, jump, shift = recorded_switch(found)
        print(f"switch, recorded, {name}: gap {gap:.1f} ms (wanted: at most 5), steepest step")
        print(f"  {jump:.2f} × the tone's own, shift {shift:.3f} ms (wanted: at most 1)")
        print(f"  position before and after: {1000 * found['said']:.2f} ms apart")


def main() -> None:
    """Serve the trial page and open it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    chromium = os.environ.get("PHONOSCOPE_CHROMIUM") or shutil.which("chromium")
    script = Path(ROOT, "tests", "player_server.py")
    with Server(script, free_port(), PYTHONPATH=path) as server, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        report(page, server.address, rounds)
        browser.close()


if __name__ == "__main__":
    main()

"""The player in real Chromium: what a hand, a keyboard and an ear meet."""

import os
import re
import subprocess
import sys

from browser import CHROMIUM, ROOT, free_port, go, settle, wait_for, watch
from playwright.sync_api import expect
import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: set PHONOSCOPE_CHROMIUM to its path"),
]
SR = 16_000
GUTTER = 46  # px at the left of the pictures
RENDERED = """async (el) => {
    // The same class that plays, on a clock that renders: a switch in the middle of a ramp.
    const live = el.player.sound, sr = live.context.sampleRate;
    const offline = new OfflineAudioContext(1, sr, sr);
    const ramp = offline.createBuffer(1, sr, sr), half = offline.createBuffer(1, sr, sr);
    for (let i = 0; i < sr; i++) {
        ramp.getChannelData(0)[i] = i / sr;
        half.getChannelData(0)[i] = i / sr / 2;
    }
    const sound = new live.constructor(offline, [ramp, half]);
    sound.setLevels([1, 0]);
    offline.suspend(0.5).then(() => { sound.setLevels([0, 2]); offline.resume(); });
    sound.play(0, null);
    const heard = (await offline.startRendering()).getChannelData(0);
    const lead = heard.findIndex((v) => v > 0) - 1, off = [];
    for (let i = lead + 100; i < sr; i++) off.push(Math.abs(heard[i] - (i - lead) / sr));
    return { worst: Math.max(...off.slice(0)), after: Math.max(...off.slice(sr / 2)), lead };
}"""


@pytest.fixture(scope="module")
def players(tmp_path_factory):
    """The trial page, served."""
    port, path = free_port(), os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-m", "streamlit", "run", "tests/player_server.py"]
    with (
        (tmp_path_factory.mktemp("players") / "log.txt").open("w") as log,
        subprocess.Popen(
            [*command, "--server.port", str(port)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture
def tab(chromium, players):
    """A page, watched for errors."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    wrong = watch(page, players)
    yield page
    context.close()
    assert not wrong, wrong


def opened(page, players: str, which: str = "three", **query: object):
    """The first player of a page, drawn."""
    go(page, players + f"/?page={which}" + "".join(f"&{k}={v}" for k, v in query.items()))
    found = page.locator(".player[data-drawn]").first
    expect(found).to_be_visible(timeout=30_000)
    until(found, "p.head.small || p.head.tracks.every((track) => track.picture.values)")
    return found


def now(player) -> float:
    return player.evaluate("el => el.player.now()")


def until(player, condition: str) -> None:
    """Wait for a condition on ``p``, the player."""
    player.page.wait_for_function(
        f"el => {{ const p = el.player; return {condition}; }}",
        arg=player.element_handle(),
        timeout=20_000,
    )


def at(player, share: float, height: float = 60) -> dict:
    """A place on the pictures for the mouse."""
    box = player.locator(".stage").bounding_box()
    return {
        "x": box["x"] + GUTTER + share * (box["width"] - GUTTER),
        "y": box["y"] + height,
    }


def drag(player, one: float, other: float, height: float = 60) -> None:
    mouse = player.page.mouse
    mouse.move(**at(player, one, height))
    mouse.down()
    mouse.move(**at(player, (one + other) / 2, height))
    mouse.move(**at(player, other, height))
    mouse.up()


def test_a_click_seeks_and_the_cursor_moves_and_stops_at_the_end(tab, players):
    player = opened(tab, players)
    tab.mouse.click(**at(player, 0.25))
    assert now(player) == pytest.approx(1.0, abs=0.01)
    player.locator(".play").click()
    until(player, "p.now() > 1.3")
    expect(player.get_by_role("button", name="Pause")).to_be_visible()
    tab.mouse.click(**at(player, 0.95))
    until(player, "!p.playing && p.now() > 3.99")
    x = player.locator(".cursor").bounding_box()["x"]
    assert x == pytest.approx(at(player, 1.0)["x"], abs=3)


def test_a_drag_selects_measures_and_reaches_python_and_a_loop_stays_inside(tab, players):
    player = opened(tab, players)
    drag(player, 0.5, 0.6)
    settle(tab)
    expect(tab.get_by_text("selection (2.0")).to_be_visible()
    expect(player.locator(".measures")).to_contain_text("f0, median")
    expect(player.locator(".measures")).to_contain_text("120.")
    player.locator(".loop").click()
    player.locator(".play").click()
    until(player, "p.now() > 2.2")
    inside = player.evaluate(
        """async (el) => {
            const seen = [];
            for (let i = 0; i < 60; i++) {
                await new Promise(requestAnimationFrame);
                seen.push(el.player.now());
            }
            return [Math.min(...seen), Math.max(...seen)];
        }"""
    )
    assert 1.99 < inside[0] < inside[1] < 2.42
    tab.keyboard.press("Escape")
    settle(tab)
    expect(tab.get_by_text("selection None")).to_be_visible()


def test_switching_keeps_the_position_and_the_level(tab, players):
    player = opened(tab, players)
    player.locator(".play").click()
    until(player, "p.sound && p.now() > 0.5")
    before, after = player.evaluate(
        """el => {
            const a = el.player.now();
            el.player.hear(1);
            return [a, el.player.now()];
        }"""
    )
    assert after - before < 0.001 + 1 / 60
    expect(player.get_by_role("button", name="After")).to_have_attribute("aria-pressed", "true")
    same = player.evaluate(
        """el => {
            // What is decoded, on the common axis: After is Before, half as loud and cut.
            const [a, b] = el.player.sound.buffers.map((buffer) => buffer.getChannelData(0));
            const gain = el.player.levels()[1];
            let worst = 0;
            for (let i = 16000; i < 32000; i++) worst = Math.max(worst, Math.abs(a[i] - 2 * b[i]));
            return [worst, gain, el.player.sound.context.sampleRate];
        }"""
    )
    assert same[0] <= 2 / 32_768
    assert same[1] == pytest.approx(2.0, abs=0.02)
    assert same[2] == SR


def test_a_rendered_switch_has_no_gap_and_no_click(tab, players):
    player = opened(tab, players)
    player.locator(".play").click()
    until(player, "p.sound && p.sound.playing")
    found = player.evaluate(RENDERED)
    assert found["worst"] < 1e-3
    assert found["after"] < 1e-4


def test_a_rendered_loop_repeats_without_a_gap(tab, players):
    player = opened(tab, players)
    player.locator(".play").click()
    until(player, "p.sound && p.sound.playing")
    worst = player.evaluate(
        """async (el) => {
            const sr = 16000, offline = new OfflineAudioContext(1, sr, sr);
            const ramp = offline.createBuffer(1, sr, sr);
            for (let i = 0; i < sr; i++) ramp.getChannelData(0)[i] = i / sr;
            const sound = new el.player.sound.constructor(offline, [ramp]);
            sound.setLevels([1]);
            sound.play(0.3, [0.25, 0.5]);
            const heard = (await offline.startRendering()).getChannelData(0);
            const lead = heard.findIndex((v) => v > 0), off = [];
            for (let i = 200; i + lead < sr; i++) {
                const wanted = 0.25 + (0.05 + i / sr) % 0.25;
                off.push(Math.abs(heard[lead + i] - wanted));
            }
            return off.sort((a, b) => b - a)[5];  // beside the samples of the edge itself
        }"""
    )
    assert worst < 2e-3


def test_the_wheel_zooms_to_single_samples_that_are_exact(tab, players):
    player = opened(tab, players)
    tab.mouse.move(**at(player, 0.25))
    for _ in range(40):
        tab.mouse.wheel(0, -240)
    until(player, "p.t1 - p.t0 <= 17 / 16000 && p.head.tracks[0].exact")
    found = player.evaluate(
        """async el => {
            const { exact, url, sr } = el.player.head.tracks[0];
            const wav = new DataView(await (await fetch(url)).arrayBuffer());
            let worst = 0, peak = 0;
            for (let i = exact.first; i < exact.last; i++) {
                const file = wav.getInt16(44 + 2 * i, true) / 32768;
                worst = Math.max(worst, Math.abs(file - exact.values[i - exact.first]));
                peak = Math.max(peak, file);
            }
            return { worst, peak, count: exact.last - exact.first, t0: el.player.t0 };
        }"""
    )
    assert found["worst"] == 0
    assert found["peak"] > 0.89  # the click at 1 s
    assert found["count"] <= 20_000
    tab.mouse.move(**at(player, 0.5))
    expect(player.locator(".pointer")).to_contain_text("sample 16")


def test_shift_and_wheel_or_a_drag_along_the_time_pans(tab, players):
    player = opened(tab, players)
    tab.keyboard.press("Tab")
    player.locator(".stage").focus()
    tab.keyboard.press("+")
    tab.keyboard.press("+")
    start = player.evaluate("el => el.player.t0")
    tab.mouse.move(**at(player, 0.5))
    tab.keyboard.down("Shift")
    tab.mouse.wheel(0, 100)
    tab.keyboard.up("Shift")
    until(player, f"p.t0 > {start} + 0.1")
    moved = player.evaluate("el => el.player.t0")
    box = player.evaluate("el => el.player.drawing.place.axis")
    drag(player, 0.5, 0.6, box[0] + box[1] / 2)
    assert player.evaluate("el => el.player.t0") == pytest.approx(moved - 0.1, abs=0.02)


def test_everything_answers_to_the_keyboard(tab, players):
    player = opened(tab, players)
    stage = player.get_by_role("slider", name="Position")
    stage.focus()
    press = tab.keyboard.press
    press("End")
    assert now(player) == pytest.approx(4.0)
    press("Home")
    assert now(player) == 0
    press("ArrowRight")
    assert now(player) == pytest.approx(4 / 50)
    expect(stage).to_have_attribute("aria-valuetext", "0.08 of 4.00 seconds, Before")
    press("[")
    for _ in range(5):
        press("ArrowRight")
    press("]")
    assert player.evaluate("el => el.player.selection") == pytest.approx([0.08, 0.48])
    press("l")
    assert player.evaluate("el => el.player.loop")
    press("2")
    assert player.evaluate("el => el.player.chosen") == 1
    press("m")
    assert not player.evaluate("el => el.player.match")
    press("ArrowDown")
    assert player.evaluate("el => el.player.volume") == pytest.approx(0.95)
    press("z")
    assert player.evaluate("el => el.player.t1 - el.player.t0") == pytest.approx(0.4)
    press("0")
    assert player.evaluate("el => el.player.t1") == 4
    press("?")
    expect(player.locator(".help")).to_contain_text("blind comparison")
    press("Space")
    until(player, "p.playing && p.now() > 0.2")
    press("Space")
    assert not player.evaluate("el => el.player.playing")
    outline = stage.evaluate("el => getComputedStyle(el).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("mode", ["ab", "abx"])
def test_a_blind_comparison_hides_the_names_until_the_vote(tab, players, mode):
    player = opened(tab, players)
    player.get_by_label("Blind comparison").and_(player.locator("select")).select_option(mode)
    names = player.locator(".names")
    expect(names).not_to_contain_text("Before")
    shown = player.locator(".stage").screenshot()
    player.get_by_role("button", name="B", exact=True).click()
    expect(player.locator(".stage")).not_to_have_attribute("aria-valuetext", "Before")
    tab.wait_for_function("() => document.querySelector('[data-testid=stApp]')")
    assert player.locator(".stage").screenshot() == shown  # the pictures tell nothing
    ballot = player.locator(".ballot")
    ballot.get_by_role("button", name="Prefer A" if mode == "ab" else "X is A").click()
    expect(ballot).to_contain_text("A was ")
    expect(ballot).to_contain_text("Preferred so far" if mode == "ab" else "of 1 right")
    settle(tab)
    expect(tab.get_by_text("votes 1")).to_be_visible()
    ballot.get_by_role("button", name="Next trial").click()
    expect(ballot).not_to_contain_text("was")
    ballot.get_by_role("button", name="Leave").click()
    expect(names).to_contain_text("Before")


def test_the_read_out_tells_time_frequency_note_and_level(tab, players):
    player = opened(tab, players)
    place = player.evaluate("el => el.player.drawing.toY(440)")
    tab.mouse.move(**at(player, 0.5, place))
    read = player.locator(".pointer")
    expect(read).to_contain_text("A4")
    expect(read).to_contain_text("dBFS")
    expect(read).to_contain_text("2.00")
    tab.mouse.move(**at(player, 0.25))
    expect(read).to_contain_text("Problems: Click at 1.00 s")


def test_every_axis_puts_a_frequency_where_its_tick_is(tab, players):
    player = opened(tab, players)
    player.get_by_role("button", name="f0").click()  # its curve would lie over it
    for axis in ("mel", "log", "linear"):
        player.get_by_label("Frequency axis").select_option(axis)
        until(player, f"p.drawing.scene.axis === '{axis}'")
        # The harmonics end at 4,000 Hz: where the picture gets darker most.
        found = player.evaluate(
            """el => {
                const p = el.player, { place, canvas, context } = p.drawing;
                const ratio = canvas.width / canvas.clientWidth;
                const bright = (hz) => {
                    const y = Math.floor(p.drawing.toY(hz) * ratio);
                    const line = context.getImageData(place.x * ratio, y, 600 * ratio, 1).data;
                    return line.reduce((a, b) => a + b);
                };
                let most = 0, at = 0;
                const around = (low) => {  // two harmonics wide: no line counts alone
                    let sum = 0;
                    for (let hz = low; hz < low + 240; hz += 10) sum += bright(hz);
                    return sum;
                };
                for (let hz = 3000; hz < 5000; hz += 40) {
                    const drop = around(hz - 240) - around(hz);
                    if (drop > most) [most, at] = [drop, hz];
                }
                return at;
            }"""
        )
        assert found == pytest.approx(4000, abs=130), axis


def test_range_and_colours_change_the_picture_in_the_browser(tab, players):
    player = opened(tab, players)
    stage, asked = player.locator(".stage"), []
    tab.on("request", lambda r: asked.append(r.url))
    shots = {stage.screenshot()}
    for colours in ("viridis", "grey", "paper"):
        player.get_by_label("Colours").select_option(colours)
        until(player, "!p.asked")
        shots.add(stage.screenshot())
    player.get_by_label("Lowest level").fill("-60")
    until(player, "!p.asked")
    shots.add(stage.screenshot())
    assert len(shots) == 5
    assert not [url for url in asked if "/audio/" in url]


def test_a_rerun_keeps_position_zoom_and_sound(tab, players):
    player = opened(tab, players)
    tab.mouse.click(**at(player, 0.25))
    player.locator(".stage").focus()
    tab.keyboard.press("+")
    player.locator(".play").click()
    until(player, "p.sound && p.now() > 1.1")
    view = player.evaluate("el => [el.player.t0, el.player.t1]")
    tab.get_by_role("button", name="Run again").click()
    settle(tab)
    until(player, "p.head.marks.some((kind) => kind.marks.length === 2)")  # it is another message
    assert player.evaluate("el => [el.player.t0, el.player.t1]") == view
    until(player, "p.playing && p.sound && p.now() > 1.3")


def test_only_one_of_two_players_sounds(tab, players):
    opened(tab, players, "two")
    one, other = tab.locator(".player").nth(0), tab.locator(".player").nth(1)
    expect(other).to_have_attribute("data-drawn", re.compile("."))
    one.locator(".play").click()
    until(one, "p.now() > 0.1")
    other.locator(".play").click()
    until(other, "p.now() > 0.1")
    assert not one.evaluate("el => el.player.playing")
    expect(one.locator(".view")).to_be_hidden()


def test_who_looks_elsewhere_while_it_plays_stays_there(tab, players):
    player = opened(tab, players)
    player.locator(".play").click()
    until(player, "p.sound && p.now() > 0.1")
    player.evaluate("el => el.player.setView(3, 3.5)")
    until(player, "p.now() > 0.6")
    assert player.evaluate("el => el.player.t0") == 3
    player.evaluate("el => el.player.setView(el.player.now() - 0.1, el.player.now() + 0.4)")
    until(player, "p.now() > 1.6")
    assert player.evaluate("el => el.player.now() - el.player.t0") == pytest.approx(0.25, abs=0.3)


def test_half_speed_takes_twice_as_long_and_keeps_the_pitch(tab, players):
    player = opened(tab, players)
    player.get_by_label("Speed").select_option("0.5")
    player.locator(".play").click()
    until(player, "p.sound && p.now() > 0.3")
    kept = player.evaluate(
        "el => el.player.sound.elements.map((e) => [e.preservesPitch, e.playbackRate])"
    )
    assert kept == [[True, 0.5]] * 3
    a, b = player.evaluate(
        """async el => {
            const p = el.player, t0 = p.now(), begin = p.context.currentTime;
            while (p.context.currentTime < begin + 1) await new Promise(requestAnimationFrame);
            return [p.now() - t0, p.context.currentTime - begin];
        }"""
    )
    assert a / b == pytest.approx(0.5, abs=0.1)


def test_a_long_sound_is_streamed_and_switches_to_what_is_visible(tab, players):
    player = opened(tab, players, "long", seconds=600)
    expect(player.locator(".clock")).to_have_text("0:00.00 / 10:00.00 s")
    player.locator(".stage").focus()
    tab.mouse.click(**at(player, 0.5))
    assert now(player) == pytest.approx(300, abs=1)
    player.locator(".play").click()
    until(player, "p.sound && p.now() > 300.3")
    assert player.evaluate("el => el.player.sound.constructor.name") == "ElementSound"
    tab.keyboard.press("Space")
    for _ in range(6):
        tab.keyboard.press("+")
    until(player, "p.head.tracks[0].nearer && p.head.tracks[0].closer")
    columns = player.evaluate(
        "el => { const n = el.player.head.tracks[0].nearer; return (n.t1 - n.t0) / n.columns; }"
    )
    assert columns < 600 / 1024 / 20


def test_silence_can_be_opened_and_played(tab, players):
    player = opened(tab, players, "silent")
    player.locator(".play").click()
    until(player, "p.now() > 0.2")


def test_a_sound_that_is_gone_is_said_in_words(chromium, players):
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.route("**/*.wav", lambda route: route.fulfill(status=404))
    player = opened(page, players)
    player.locator(".play").click()
    expect(player.get_by_role("status")).to_contain_text("could not be loaded: run the page again")
    assert not player.evaluate("el => el.player.playing")
    context.close()

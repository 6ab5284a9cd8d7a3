"""The recorder in real Chromium, whose microphone plays a tone."""

import io
import re
import wave

from browser import CHROMIUM, FLAGS, IN_CHROMIUM, go, new_page, settle
import numpy as np
from playwright.sync_api import expect
import pytest
import soundfile as sf

from conftest import tone

pytestmark = IN_CHROMIUM
TONE_HZ = 1000.0
PROCESSES = """
const said = MediaStreamTrack.prototype.getSettings;
MediaStreamTrack.prototype.getSettings = function () {
    return { ...said.call(this), noiseSuppression: true };
};
"""
OFFLINE = """async (el, channels) => {
    // The same function that records, on a clock that renders: every sample has a number.
    const n = 64 * 1024, context = new OfflineAudioContext(channels, n, 48000);
    const buffer = context.createBuffer(channels, n, 48000);
    for (let c = 0; c < channels; c++) {
        for (let i = 0; i < n; i++) buffer.getChannelData(c)[i] = (c ? -1 : 1) * i / n;
    }
    const source = context.createBufferSource(), blocks = [];
    source.buffer = buffer;
    source.start();
    await el.recorder.capture(context, source, channels, (block) => blocks.push(block));
    await context.startRendering();
    for (let tries = 0; blocks.length * 1024 < n && tries < 500; tries++) {
        await new Promise((done) => setTimeout(done, 10));
    }
    let wrong = 0, at = 0;
    for (const block of blocks) {
        for (let i = 0; i < block[0].length; i++, at++) {
            for (let c = 0; c < channels; c++) {
                wrong += block[c][i] !== Math.fround((c ? -1 : 1) * at / n);
            }
        }
    }
    return [at, wrong];
}"""


@pytest.fixture(scope="module")
def tone_chromium(chromium, tmp_path_factory):
    """A Chromium whose microphone gives a tone, in whole periods, again and again."""
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    sf.write(path, tone(TONE_HZ, 20.0, 48_000, 0.25), 48_000, subtype="PCM_16")
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={path}"]
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=flags)
    yield browser
    browser.close()


@pytest.fixture
def opened(tone_chromium, server):
    """Open the recorder, with a script before the page's own; gives the page and the recorder."""
    with new_page(tone_chromium, server) as page:

        def open_recorder(before: str = ""):
            page.context.add_init_script(before)
            go(page, f"{server}/clip")
            page.get_by_role("radio", name="Record").click()
            settle(page)
            found = page.locator(".recorder")
            expect(found).to_have_attribute("data-state", "off", timeout=30_000)
            return page, found

        yield open_recorder


def turn_on(found) -> None:
    found.get_by_role("button", name="Turn on the microphone").click()
    expect(found).to_have_attribute("data-state", "open", timeout=30_000)


def record(page, found, seconds: float = 2.0) -> None:
    found.get_by_role("button", name="Record").click()
    expect(found).to_have_attribute("data-state", re.compile("quiet|recording"))
    arg = [found.element_handle(), seconds]
    page.wait_for_function(
        "([el, s]) => el.recorder.tape && el.recorder.tape.seconds > s", arg=arg, timeout=60_000
    )
    found.get_by_role("button", name="Stop").click()
    expect(found).to_have_attribute("data-state", "review")


def heard(found) -> tuple[np.ndarray, int]:
    """The WAV that would be sent: samples, shape (channels, n), and rate."""
    data = found.evaluate(
        "async (el) => Array.from(new Uint8Array(await el.recorder.wav.arrayBuffer()))"
    )
    y, sr = sf.read(io.BytesIO(bytes(data)), always_2d=True)
    return y.T, sr


def off_phase(y: np.ndarray, sr: int) -> np.ndarray:
    """How far, in radians, the tone's phase is from a steady tone's, over time."""
    n = sr // 100
    frames = y[: y.size // n * n].reshape(-1, n)
    t = np.arange(frames.size).reshape(-1, n) / sr
    phase = np.unwrap(np.angle((frames * np.exp(-2j * np.pi * TONE_HZ * t)).sum(axis=1)))
    return phase - np.median(phase)


def test_the_tone_that_was_played_arrives_whole_at_the_devices_rate(opened):
    page, found = opened()
    turn_on(found)
    expect(found).to_contain_text(re.compile(r"Your browser gave raw sound at [\d,]+ Hz"))
    for attempt in range(3):  # a starved machine may leave the microphone itself without samples
        record(page, found)
        (y,), sr = heard(found)
        assert sr == found.evaluate("el => el.recorder.settings.sampleRate")
        assert y.size > 2 * sr
        spectrum = np.abs(np.fft.rfft(y[: 2 * sr] * np.hanning(2 * sr)))
        assert spectrum.argmax() / 2 == pytest.approx(TONE_HZ, abs=0.5)
        if np.abs(off_phase(y, sr)).max() < 0.1:
            break
        assert attempt < 2, "there are gaps in each of three recordings"
        found.get_by_role("button", name="Discard").click()
    assert np.sqrt(np.mean(y**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.02)
    expect(found.locator(".floor")).to_contain_text("Noise floor −15.")  # the tone is loud, too
    expect(found.locator(".floor")).to_contain_text("That is loud")


@pytest.mark.parametrize("channels", [1, 2])
def test_capture_gives_every_sample_once_and_in_order(opened, channels):
    _, found = opened()
    assert found.evaluate(OFFLINE, channels) == [64 * 1024, 0]


def test_without_an_audio_worklet_the_tone_arrives_too(opened):
    page, found = opened("delete BaseAudioContext.prototype.audioWorklet;")
    turn_on(found)
    record(page, found, 1.0)
    (y,), sr = heard(found)
    spectrum = np.abs(np.fft.rfft(y[:sr] * np.hanning(sr)))
    assert spectrum.argmax() == pytest.approx(TONE_HZ, abs=1)


def test_a_kept_recording_opens_as_it_was_with_its_mark(opened, server):
    page, found = opened(PROCESSES)
    turn_on(found)
    mark = "Your browser processes the sound (noise suppression on)"
    expect(found.locator(".gave")).to_contain_text(mark)
    record(page, found, 1.0)
    (y,), sr = heard(found)
    found.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", name="Recording 1.wav")).to_be_visible(timeout=60_000)
    expect(found).to_have_attribute("data-state", "off")
    settle(page)
    under = page.locator("[data-testid=stMain]").get_by_text(mark)
    expect(under).to_contain_text("Noise floor before it: −15.")
    player = page.locator(".player[data-drawn]:not(.small)")
    expect(player).to_be_visible(timeout=60_000)
    url = player.evaluate("el => el.player.head.tracks[0].url")
    with wave.open(io.BytesIO(page.request.get(server + url).body())) as sound:
        kept = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32768
        assert sound.getframerate() == sr
    assert kept.size == y.size
    assert np.abs(kept - y).max() < 1e-4


def test_two_channels_are_recorded_where_they_are_asked_for(opened):
    page, found = opened()
    turn_on(found)
    found.get_by_label("Channels").select_option("2")
    expect(found).to_have_attribute("data-state", "open", timeout=30_000)
    expect(found.locator(".gave")).to_contain_text("2 channels")
    record(page, found, 0.5)
    y, _ = heard(found)
    assert y.shape[0] == 2
    np.testing.assert_array_equal(y[0], y[1])


def test_the_keyboard_is_enough_and_a_discarded_recording_is_gone(opened):
    page, found = opened()
    found.locator(".main").focus()
    page.keyboard.press("Enter")
    expect(found).to_have_attribute("data-state", "open", timeout=30_000)
    expect(found.get_by_role("meter")).to_have_attribute("aria-valuetext", re.compile("dBFS"))
    page.keyboard.press("Space")
    expect(found.get_by_role("status")).to_contain_text("Stay quiet")
    expect(found).to_have_attribute("data-state", "recording", timeout=30_000)
    expect(found.get_by_role("status")).to_contain_text("speak now")
    expect(found.locator(".clock")).to_contain_text("0:01 of 10:00", timeout=30_000)
    page.keyboard.press("Enter")
    expect(found.get_by_role("button", name="Keep")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(found).to_have_attribute("data-state", "open")
    assert found.evaluate("el => el.recorder.wav") is None
    expect(page.get_by_text("Nothing here yet")).to_be_visible()


def test_a_recording_ends_at_the_limit(opened):
    _, found = opened()
    turn_on(found)
    found.evaluate("el => { el.recorder.data.max_s = 0.5; }")
    found.get_by_role("button", name="Record").click()
    expect(found).to_have_attribute("data-state", "review", timeout=30_000)
    expect(found.get_by_role("status")).to_contain_text("longest recording")
    (y,), sr = heard(found)
    assert y.size == sr // 2


def test_the_clip_lamp_stays_on_until_the_next_recording(opened):
    page, found = opened()
    turn_on(found)
    expect(found.locator(".lamp")).to_have_text("Clip")
    found.evaluate("el => el.recorder.hear([new Float32Array(1024).fill(-1)])")
    expect(found.locator(".lamp")).to_have_text("Clipped")
    record(page, found, 0.2)
    expect(found.locator(".lamp")).to_have_text("Clip")


def test_a_microphone_that_is_taken_away_keeps_what_was_recorded(opened):
    page, found = opened()
    turn_on(found)
    found.get_by_role("button", name="Record").click()
    expect(found).to_have_attribute("data-state", "recording", timeout=30_000)
    page.wait_for_function("el => el.recorder.tape.n > 0", arg=found.element_handle())
    found.evaluate("el => el.recorder.stream.getTracks()[0].dispatchEvent(new Event('ended'))")
    expect(found).to_have_attribute("data-state", "review")
    expect(found.get_by_role("alert")).to_contain_text("disconnected")


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ("NotAllowedError", "The microphone was refused: allow it for this site"),
        ("NotFoundError", "No microphone was found: connect one"),
        ("NotReadableError", "cannot be opened: close other programs"),
    ],
)
def test_what_keeps_a_microphone_shut_is_said_with_what_to_do(opened, before, sentence):
    _, found = opened(
        "navigator.mediaDevices.getUserMedia = () => "
        f"Promise.reject(new DOMException('', '{before}'));"
    )
    found.get_by_role("button", name="Turn on the microphone").click()
    expect(found.get_by_role("alert")).to_contain_text(sentence)
    expect(found.get_by_role("button", name="Turn on the microphone")).to_be_enabled()


def test_an_insecure_address_is_said(opened):
    _, found = opened("Object.defineProperty(window, 'isSecureContext', { value: false });")
    found.get_by_role("button", name="Turn on the microphone").click()
    expect(found.get_by_role("alert")).to_contain_text("only on https or on localhost")


def test_leaving_the_recorder_turns_the_microphone_off(opened):
    page, found = opened()
    turn_on(found)
    page.evaluate(
        "el => { window.track = el.recorder.stream.getTracks()[0]; }", found.element_handle()
    )
    page.get_by_role("radio", name="Demo").click()
    settle(page)
    page.wait_for_function("() => window.track.readyState === 'ended'")

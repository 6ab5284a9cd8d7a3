"""Whole journeys in real Chromium, against the real server."""

import http.client
import io
from pathlib import Path
import re
import wave

import av
from browser import IN_CHROMIUM, choose, go, picture, settle, upload
import numpy as np
from playwright.sync_api import expect

from conftest import SR, voice
from core import audio

pytestmark = IN_CHROMIUM


def encoded(y: np.ndarray, sr: int, container: str, codec: str) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=sr, layout="mono")
        frame = av.AudioFrame.from_ndarray(y[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = sr
        resampler = av.AudioResampler(stream.format, "mono", sr, stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()


def test_from_home_to_a_cleaned_demo_clip_and_back_by_its_link(page, server):
    go(page, server)
    expect(page.get_by_role("heading", name="Phonoscope")).to_be_visible()
    page.get_by_role("link", name="Open the clip page").click()
    page.wait_for_url("**/clip*")
    settle(page)
    expect(page.locator(".player[data-drawn]")).to_be_visible(timeout=60_000)
    go(page, f"{server}/clip?views=STFT")
    clean = picture(page, "chart_STFT_before")
    choose(page, "clip", "Mains hum, 50 Hz")
    before = picture(page, "chart_STFT_before", other_than=clean)
    after = picture(page, "chart_STFT_after", other_than=before)
    page.locator(".st-key-hum_notch label").first.click()
    changed = picture(page, "chart_STFT_after", other_than=after)
    assert picture(page, "chart_STFT_before") == before
    steps = page.get_by_test_id("stCaptionContainer").filter(has_text="Hum:")
    expect(steps.first).to_be_visible()
    address = page.url
    assert "hum_notch=true" in address
    assert "clip=" in address
    page.goto("about:blank")
    go(page, address)
    assert picture(page, "chart_STFT_after") == changed


def test_a_linked_clip_stays_chosen_from_page_to_page(page, server):
    go(page, f"{server}/clip?clip=demo_broad_varying_noise")
    menu = page.get_by_test_id("stSidebarNav")
    for name, address in (("Check", "check"), ("Predict", "predict"), ("Clip", "clip")):
        menu.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(re.compile(rf"/{address}\b.*clip=demo_broad_varying_noise"))
        settle(page)
        shown = page.locator(".st-key-clip input").first
        expect(shown).to_have_value("Broad, varying noise", timeout=60_000)


def the_player(page):
    """The player of the clip page, with its pictures."""
    settle(page)  # else the one of the clip before may be there too
    found = page.locator(".player[data-drawn]:not(.small)")
    expect(found).to_be_visible(timeout=60_000)
    expect(found).to_have_attribute("data-pictured", re.compile("."), timeout=30_000)
    return found


def test_before_after_and_removed_play_on_one_axis_and_can_be_sought(page, server):
    go(page, f"{server}/clip")
    player = the_player(page)
    names = player.get_by_role("group", name="What is heard").get_by_role("button")
    expect(names).to_have_count(3)
    urls = player.evaluate("el => el.player.head.tracks.map((t) => t.url)")
    assert len(set(urls)) == 3
    assert all(url.startswith("/audio/") for url in urls)
    part = page.request.get(server + urls[0], headers={"Range": "bytes=100-199"})
    assert part.status == 206
    assert len(part.body()) == 100
    player.locator(".stage").click(position={"x": 300, "y": 40})
    player.locator(".play").click()
    state = player.element_handle()
    page.wait_for_function("el => el.player.sound && el.player.sound.playing", arg=state)
    before = player.evaluate("el => el.player.now()")
    names.nth(1).click()
    page.wait_for_function("([el, t]) => el.player.now() > t + 0.2", arg=[state, before])
    expect(names.nth(1)).to_have_attribute("aria-pressed", "true")
    player.locator(".play").click()


def test_a_selection_in_the_player_shows_its_stretch_in_the_views(page, server):
    go(page, f"{server}/clip?views=Spectrum")
    player = the_player(page)
    box = player.locator(".stage").bounding_box()
    y = box["y"] + 40
    page.mouse.move(box["x"] + 300, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 350, y)
    page.mouse.move(box["x"] + 400, y)
    page.mouse.up()
    page.wait_for_url(lambda url: "from_s=" in url and "length_s=" in url)
    settle(page)
    player.locator(".stage").press("Escape")
    page.wait_for_url(lambda url: "length_s=" not in url)
    settle(page)


def test_an_overlay_can_be_turned_off(page, server):
    go(page, f"{server}/clip?clip=demo_hum_50_hz")
    player = the_player(page)
    kinds = player.get_by_role("group", name="Marks").get_by_role("button")
    expect(kinds).to_have_text(["f0", "Onsets", "Syllables", "Speech", "Problems"])
    expect(kinds.nth(4)).to_have_attribute("aria-pressed", "true")
    kinds.nth(4).click()
    expect(kinds.nth(4)).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_text("Problems found: ")).to_be_visible()


def test_the_audio_before_is_the_clips_own(page, server):
    """The sound on the page is the recording at its own level: not normalised, not another."""
    go(page, f"{server}/clip?clip=demo_low_level&denoise=false&trim=false")
    url = the_player(page).evaluate("el => el.player.head.tracks[0].url")
    with wave.open(io.BytesIO(page.request.get(server + url).body())) as sound:
        y = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32768
    from core import datasets

    table = datasets.demo().catalogue()
    path = table[table["clip_id"].str.endswith("/demo_low_level")]["path"].iloc[0]
    expected, _ = audio.load(audio.ClipRef.of(path))
    assert y.size == expected.size
    assert np.abs(y - expected).max() < 1e-4


def test_uploads_of_mp3_and_m4a_open_and_a_broken_one_leaves_the_page_usable(page, server):
    y = voice(130, 2.0, 44_100)
    go(page, f"{server}/clip")
    page.get_by_role("radio", name="Upload").click()
    settle(page)
    upload(page, "one.mp3", encoded(y, 44_100, "mp3", "libmp3lame"))
    expect(page.get_by_role("heading", name="one.mp3")).to_be_visible(timeout=30_000)
    upload(page, "two.m4a", encoded(y, 44_100, "mp4", "aac"))
    expect(page.get_by_role("heading", name="two.m4a")).to_be_visible(timeout=30_000)
    the_player(page)
    upload(page, "broken.wav", b"RIFF\x00\x00\x00\x00WAVEnonsense" * 20)
    alerts = page.locator("[data-testid=stAlert]")
    expect(alerts).to_have_count(1, timeout=30_000)
    expect(alerts.first).to_contain_text("broken.wav")
    expect(page.get_by_role("heading", name="two.m4a")).to_be_visible()
    choose(page, "mine", "one.mp3")
    expect(page.get_by_role("heading", name="one.mp3")).to_be_visible(timeout=30_000)


def test_a_file_that_comes_while_another_is_taken_over_is_not_lost(page, server):
    go(page, f"{server}/clip")
    page.get_by_role("radio", name="Upload").click()
    settle(page)
    held = []
    page.route("**/upload_file/**", lambda route: held.append(route))
    late = {
        "name": "late.wav",
        "mimeType": "audio/wav",
        "buffer": audio.encode_wav(voice(130), sr=SR, bits=16),
    }
    chooser = page.locator("[data-testid=stFileUploader] input[type=file]")
    with page.expect_request("**/upload_file/**"):
        chooser.set_input_files(files=[late])
    page.unroute("**/upload_file/**")
    upload(page, "first.wav", audio.encode_wav(voice(210), sr=SR, bits=16))
    for route in held:
        route.continue_()
    page.locator(".st-key-mine input").click()
    expect(page.get_by_role("option")).to_have_count(2, timeout=30_000)


def test_a_recording_from_the_microphone_opens(page, server):
    go(page, f"{server}/clip")
    page.get_by_role("radio", name="Record").click()
    settle(page)
    recorder = page.locator(".recorder")
    recorder.get_by_role("button", name="Turn on the microphone").click()
    recorder.get_by_role("button", name="Record").click(timeout=30_000)
    expect(recorder.get_by_text("0:01 of")).to_be_visible(timeout=30_000)
    recorder.get_by_role("button", name="Stop").click()
    recorder.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", name="Recording 1.wav")).to_be_visible(timeout=60_000)
    the_player(page)


def test_a_drag_on_the_waveform_zooms_down_to_samples(page, server):
    go(page, f"{server}/clip?views=Waveform")
    for _ in range(3):
        plot = page.locator("[class*=st-key-chart_Waveform_before] .nsewdrag").first
        plot.wait_for()
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.45, y)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.50, y + 5, steps=4)
        page.mouse.move(box["x"] + box["width"] * 0.55, y + 10, steps=4)
        old = page.url
        page.mouse.up()
        page.wait_for_url(lambda url, old=old: url != old and "length_s=" in url)
        settle(page)
    points = page.locator("[class*=st-key-chart_Waveform_before] .scatterlayer .point")
    expect(points.nth(5)).to_be_attached()
    assert points.count() < 400
    page.get_by_role("button", name="Whole clip").click()
    page.wait_for_url(lambda url: "length_s=" not in url)


def test_downloads_give_a_wav_and_a_page_that_works_offline(page, server):
    go(page, f"{server}/clip?views=STFT")
    with page.expect_download() as wav:
        page.get_by_role("button", name="Download WAV").click()
    with wave.open(str(wav.value.path())) as sound:
        assert sound.getnframes() > 1000
    with page.expect_download() as html:
        page.get_by_role("button", name="Download HTML").click()
    text = Path(html.value.path()).read_text(encoding="utf-8")
    assert "https://cdn" not in text.split("<body>", 1)[0]
    page.get_by_text("Show the code").click()
    expect(page.get_by_text("import librosa").first).to_be_visible()


def test_the_grid_shows_four_clips(page, server):
    go(page, server)
    page.get_by_role("link", name="Compare four clips").click()
    expect(page.locator(".player.small[data-drawn]")).to_have_count(4, timeout=60_000)
    settle(page)
    page.get_by_role("radio", name="STFTs").click()
    settle(page)
    expect(page.locator(".js-plotly-plot")).to_have_count(4)


def test_marks_and_features_stand_on_the_clip_page(page, server):
    go(page, f"{server}/clip?views=STFT&marks=Pitch&marks=Onsets")
    lines = page.locator(".st-key-chart_STFT_before .scatterlayer .trace")
    expect(lines.nth(1)).to_be_attached(timeout=30_000)
    expect(page.get_by_text("Onsets are not words").first).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def test_the_demo_set_is_measured_in_the_background(page, server):
    """Started on one page, watched after coming back to it, and then sorted."""
    go(page, f"{server}/browse")
    expect(page.get_by_text("Nothing measured yet")).to_be_visible()
    page.get_by_role("button", name="Measure").click()
    page.get_by_role("button", name="Cancel").wait_for(timeout=30_000)
    page.get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", name="Phonoscope")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="Browse").click()
    expect(page.get_by_text("194 clips measured, 0 failed")).to_be_visible(timeout=120_000)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    with page.expect_download() as csv:
        page.get_by_role("button", name="Download CSV").click()
    assert len(Path(csv.value.path()).read_text(encoding="utf-8").splitlines()) == 195


def test_headers_and_other_folders_are_closed(page, server):
    answer = page.request.get(server)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    host = server.removeprefix("http://")
    token = "a" * 32
    for path in (
        "/audio/..%2f..%2fapp.py",
        "/audio/x/y.wav",
        f"/audio/{token}/{token}.wav",
        f"/audio/%2e%2e/{token}.wav",
        f"/audio/{token}/..%2f..%2f..%2f{token}.wav",
    ):
        connection = http.client.HTTPConnection(host)  # sends the path as it is
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status in (400, 404), path
        connection.close()

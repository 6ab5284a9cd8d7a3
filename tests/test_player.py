"""The player's summaries, stretches, gains and message, on sounds whose answer is known."""

import gc
import json
import math
from pathlib import Path
import weakref

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
import soundfile as sf
from starlette.requests import Request
from streamlit.testing.v1 import AppTest

from app import audio_view
from conftest import SR, tone, voice
from core import marks as core_marks
from core import player, views
from core.errors import AudioReadError, AudioTooShortError, ParameterError
from pages.shared.player import Curve, Mark, Track, marks_of
from pages.shared.player import component as component_module
from pages.shared.player.component import message

TRIAL = Path(__file__).with_name("player_app.py")
NOISE = (0.1 * np.random.default_rng(0).standard_normal(50_000)).astype(np.float32)


@pytest.fixture(scope="module")
def noise_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("sounds") / "noise.wav"
    sf.write(path, NOISE, SR, subtype="PCM_16")
    return path


def summary_of(y: np.ndarray) -> player.Summary:
    return player.summarise(y, sr=SR)


def unpacked(data: bytes) -> tuple[dict, bytes]:
    length = int.from_bytes(data[:4], "little")
    return json.loads(data[4 : 4 + length]), data[4 + length :]


@given(st.integers(1, 3000), st.integers(1, 700))
def test_extremes_hold_every_sample_and_their_rms(n, size):
    y = NOISE[:n]
    low, high, rms = player.extremes(y, size).astype(np.float64) / 32_768
    for k, i in enumerate(range(0, n, size)):
        part = y[i : i + size].astype(np.float64)
        assert abs(low[k] - part.min()) <= 1 / 32_768
        assert abs(high[k] - part.max()) <= 1 / 32_768
        assert abs(rms[k] - np.sqrt(np.mean(part**2))) <= 1 / 32_768
    assert low.size == math.ceil(n / size)


def test_one_click_shows_in_both_levels_and_in_the_picture():
    y = np.zeros(20 * SR, np.float32)
    at = 12 * SR + 100
    y[at], y[at + 1] = 0.8, -0.7
    s = summary_of(y)
    for level, size in ((s.fine, s.fine_bin), (s.coarse, s.coarse_bin)):
        assert level[1, at // size] == round(0.8 * 32_768)
        assert level[0, at // size] == round(-0.7 * 32_768)
    loudest = s.picture.max(axis=0)
    at = (np.flatnonzero(loudest == loudest.max()) + 0.5) * 20 / s.picture.shape[1]
    assert np.abs(at - 12).max() < 0.05
    assert loudest[: player.WIDTH // 2].max() == 1


def test_sizes_do_not_depend_on_the_length():
    long = summary_of(np.resize(NOISE, 120 * SR))
    assert long.fine.shape[1] <= player.FINE
    assert long.coarse.shape[1] <= player.COARSE
    assert long.picture.shape == summary_of(NOISE).picture.shape


@pytest.mark.parametrize("f0", [200.0, 1000.0, 5000.0])
def test_a_tone_lies_in_its_row_at_its_level(f0):
    image = summary_of(tone(f0, 2.0)).picture[:, 100:-100]
    row = int(np.argmax(image.mean(axis=1)))
    rows = views.row_freqs("mel", player.HEIGHT, sr=SR, n_fft=player.window_length(SR))
    assert abs(rows[row] - f0) <= 1.5 * max(rows[row + 1] - rows[row], SR / 512)
    assert abs((image.max() - 1) * player.STEP_DB + player.FLOOR_DB + 6) < 1.5


def test_an_empty_sound_is_refused():
    with pytest.raises(AudioTooShortError):
        summary_of(np.zeros(0, np.float32))


def test_half_the_level_gets_six_decibels_back():
    y = 0.4 * voice(120.0, 2.0)
    (first, _), (second, short) = player.match_gains([summary_of(y), summary_of(0.5 * y)])
    assert first == pytest.approx(0, abs=0.01)
    assert second == pytest.approx(6.02, abs=0.05)
    assert short == 0


@given(st.lists(st.tuples(st.floats(0.02, 1.9), st.floats(0, 0.9)), min_size=1, max_size=4))
def test_matching_never_clips_and_says_what_lacks(kinds):
    sounds = []
    for gain, click in kinds:
        y = gain * NOISE[:16_000]
        y[8000] += click
        sounds.append(summary_of(np.clip(y, -1, 1)))
    gains = player.match_gains(sounds)
    loud = [s.lufs + gain + short for s, (gain, short) in zip(sounds, gains, strict=True)]
    assert np.ptp(loud) < 1e-6
    for s, (gain, short) in zip(sounds, gains, strict=True):
        assert s.peak_dbfs + gain <= 1e-6
        assert short >= -1e-9
        assert short == pytest.approx(0, abs=1e-6) or s.peak_dbfs + gain > -1e-6


def test_silence_keeps_its_level_and_bothers_nobody():
    y = 0.4 * voice(120.0, 2.0)
    silent = summary_of(np.zeros(SR, np.float32))
    assert player.match_gains([silent, silent]) == [(0.0, 0.0)] * 2
    assert player.match_gains([summary_of(y), silent])[1] == (0.0, 0.0)


def test_short_sounds_are_matched_by_rms():
    a, b = summary_of(tone(200, 0.2)), summary_of(tone(1000, 0.2, amplitude=0.25))
    assert math.isnan(a.lufs)
    assert player.match_gains([a, b])[1][0] == pytest.approx(6.02, abs=0.05)


@given(st.integers(-10, 50_100), st.integers(1, player.MAX_SAMPLES))
def test_samples_are_exactly_the_files(noise_file, start, count):
    y, _ = sf.read(noise_file, dtype="float32")
    stop = start + count
    if min(stop, y.size) - max(start, 0) <= 0:
        with pytest.raises(ParameterError, match="choose 1 to"):
            player.view(noise_file, "pcm", start=start, stop=stop)
        return
    found = np.frombuffer(player.view(noise_file, "pcm", start=start, stop=stop), "<f4")
    np.testing.assert_array_equal(found, y[max(start, 0) : stop])


def test_a_picture_of_a_stretch_agrees_with_the_whole(noise_file):
    y, _ = sf.read(noise_file, dtype="float32")
    data = player.view(noise_file, "picture", start=10_000, stop=20_000)
    part = np.frombuffer(data, np.uint8).reshape(player.HEIGHT, player.WIDTH)
    whole = player.picture(y, sr=SR, start=10_000, stop=20_000, width=player.WIDTH)
    assert np.abs(part.astype(int) - whole).mean() < 0.5  # half decibels
    assert part.min() > 0


@pytest.mark.parametrize("seconds", [3, 150])
def test_the_picture_of_a_whole_file_is_that_of_its_signal_whatever_the_length(tmp_path, seconds):
    y = np.resize(NOISE, seconds * SR) * np.linspace(0.1, 1, seconds * SR, dtype=np.float32)
    sf.write(tmp_path / "y.wav", y, SR, subtype="PCM_16")
    whole = player.summarise(y, sr=SR).picture
    data = player.view(tmp_path / "y.wav", "picture", start=0, stop=y.size)
    found = np.frombuffer(data, np.uint8).reshape(player.HEIGHT, player.WIDTH)
    assert np.abs(found[8:].astype(int) - whole[8:]).mean() < 1.5  # half decibels
    np.testing.assert_array_equal(
        player.summarise(y, sr=SR, path=tmp_path / "y.wav").picture, found
    )


def test_extremes_of_a_stretch_are_those_of_its_samples(noise_file):
    y, _ = sf.read(noise_file, dtype="float32")
    data = player.view(noise_file, "extremes", start=5000, stop=45_000)
    found = np.frombuffer(data, "<i2").reshape(3, -1)
    np.testing.assert_array_equal(found, player.extremes(y[5000:45_000], 3))


@pytest.mark.parametrize(
    ("kind", "start", "stop", "said"),
    [
        ("pcm", 0, player.MAX_SAMPLES + 1, "choose 1 to 20000"),
        ("pcm", 9, 9, "0 samples"),
        ("wav2", 0, 9, "Unknown view 'wav2'"),
    ],
)
def test_a_stretch_that_cannot_be_given_is_refused(noise_file, kind, start, stop, said):
    with pytest.raises(ParameterError, match=said):
        player.view(noise_file, kind, start=start, stop=stop)


def test_a_file_that_is_no_sound_is_refused(tmp_path):
    (tmp_path / "x.wav").write_bytes(b"no")
    with pytest.raises(AudioReadError, match="open the clip again"):
        player.view(tmp_path / "x.wav", "pcm", start=0, stop=1)


def test_measures_of_a_tone_are_its_level_and_frequency():
    found = player.measures(tone(220.0), sr=SR)
    assert found["duration_s"] == 1
    assert found["rms_dbfs"] == pytest.approx(-9.03, abs=0.01)
    assert found["peak_dbfs"] == pytest.approx(-6.02, abs=0.01)
    assert found["f0_hz"] == pytest.approx(220, rel=0.005)
    assert found["spectrum_peak_hz"] == pytest.approx(220, abs=8)
    assert max(found["spectrum"]) == pytest.approx(-6, abs=1.5)


@pytest.mark.parametrize("n", [1, 100, SR])
def test_measures_of_silence_are_none(n):
    found = player.measures(np.zeros(n, np.float32), sr=SR)
    names = ("rms_dbfs", "peak_dbfs", "f0_hz", "spectrum_peak_hz")
    assert [found[k] for k in names] == [None] * 4
    json.dumps(found, allow_nan=False)


# The route


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Ask the route for a stretch of the noise; the answer."""
    monkeypatch.setenv("PHONOSCOPE_MEDIA", str(tmp_path))
    folder = tmp_path / ("s" * 32) / "sounds"
    folder.mkdir(parents=True)
    sf.write(folder / f"{'n' * 32}.wav", NOISE, SR, subtype="PCM_16")

    def answer(kind: str, query: str, name: str = "n" * 32, session: str = "s" * 32):
        path = {"session": session, "name": name, "kind": kind}
        scope = {"type": "http", "path_params": path, "query_string": query.encode()}
        return audio_view(Request(scope))

    return answer


def test_the_route_gives_the_samples(ask):
    answer = ask("pcm", "start=100&stop=200")
    assert answer.status_code == 200
    found = np.frombuffer(answer.body, "<f4")
    assert np.abs(found - NOISE[100:200]).max() <= 1 / 32_768


@pytest.mark.parametrize(
    ("kind", "query", "place", "status"),
    [
        ("pcm", "start=a&stop=9", {}, 400),
        ("pcm", "start=0", {}, 400),
        ("pcm", "start=0&stop=40000", {}, 400),
        ("exe", "start=0&stop=9", {}, 400),
        ("pcm", "start=0&stop=9", {"name": "m" * 32}, 404),
        ("pcm", "start=0&stop=9", {"session": "./" + "s" * 32}, 404),
    ],
)
def test_the_route_refuses_what_it_cannot_give(ask, kind, query, place, status):
    assert ask(kind, query, **place).status_code == status


# The message


def a_track(name: str = "Before", y: np.ndarray = NOISE, **more) -> Track:
    return Track(name, "/audio/s/n.wav", summary_of(y), ident=name, **more)


def test_the_message_holds_what_was_given():
    times = np.arange(0, 1, 0.01)
    curve = Curve("f0", times, np.where(times < 0.5, 120.0, np.nan))
    marks = [curve, Mark("Problems", 0.5, 0.6, label="Click")]
    head, body = unpacked(message([a_track()], marks, 420, False))
    level = head["tracks"][0]["levels"][0]
    s = summary_of(NOISE)
    assert level["bin"] == s.coarse_bin
    place = level["values"]
    got = np.frombuffer(body, "<i2", place["count"], place["at"])
    np.testing.assert_array_equal(got.reshape(3, -1), s.coarse)
    f0, problems = head["marks"]
    values = f0["values"]
    got = np.frombuffer(body, "<f4", values["count"], values["at"])
    np.testing.assert_array_equal(np.isnan(got), times >= 0.5)
    assert problems["marks"] == [[0.5, 0.6, None, "Click"]]


def test_the_same_sounds_give_the_same_message_and_other_marks_another():
    track = a_track()
    once = message([track], [], 420, False)
    assert once == message([track], [], 420, False)
    other = message([track], [Mark("Onsets", 0.1)], 420, False)
    assert unpacked(once)[0]["id"] != unpacked(other)[0]["id"]


def test_other_curves_make_another_message():
    times = np.arange(0, 1, 0.01)
    ids = {
        unpacked(message([a_track()], [Curve("f0", times, np.full(100, hz))], 420, False))[0]["id"]
        for hz in (100.0, 200.0)
    }
    assert len(ids) == 2


def test_the_small_message_is_small_and_names_are_one_plain_line():
    data = message([a_track("<b>\n\u202eBefore")], [Mark("Onsets", 0.1)], 56, True)
    head, _ = unpacked(data)
    assert len(data) < 12_000
    assert head["marks"] == []
    assert "\n" not in head["tracks"][0]["name"]
    assert "\u202e" not in head["tracks"][0]["name"]


@pytest.mark.parametrize("n", [0, 10])
def test_no_sounds_or_too_many_are_refused(n):
    with pytest.raises(ParameterError, match=f"1 to 9 sounds, got {n}"):
        component_module.player([a_track()] * n, key="k")


def test_measured_marks_become_marks_of_the_player():
    y = np.concatenate([voice(120.0, 1.0), np.zeros(SR // 2, np.float32), voice(120.0, 1.0)])
    found = marks_of(core_marks.measure(y, sr=SR), y.size / SR)
    assert isinstance(found[0], Curve)
    assert 110 < np.nanmedian(found[0].values) < 130
    speech = [(m.start, m.end) for m in found[1:] if m.kind == "Speech"]
    assert all(0 <= a < b <= y.size / SR for a, b in speech)
    assert len(speech) == 2


def test_the_trial_page_mounts_without_a_browser():
    at = AppTest.from_file(str(TRIAL), default_timeout=60).run()
    assert not at.exception, at.exception
    mounted = at.get("bidi_component")
    assert len(mounted) == 1
    head, _ = unpacked(mounted[0].proto.bytes)
    assert [t["name"] for t in head["tracks"]] == ["Before", "After", "Removed"]
    assert head["tracks"][1]["offset"] == SR // 4
    assert head["tracks"][0]["gain_db"] + 6 == pytest.approx(head["tracks"][1]["gain_db"], abs=0.1)
    assert {kind["kind"] for kind in head["marks"]} == {"f0", "Onsets", "Speech", "Problems"}
    assert all(t["url"].startswith("/audio/") for t in head["tracks"])


def test_a_summary_with_a_file_holds_on_to_no_samples(tmp_path):
    y = tone(220, 1.0)
    path = tmp_path / "sound.wav"
    sf.write(path, y, SR)
    summary = player.summarise(y, sr=SR, path=path)
    there = weakref.ref(y)
    del y
    gc.collect()
    assert there() is None
    assert summary.picture.size

"""Figures draw what they are given: checked on their data and on decoded pixels."""

from base64 import b64decode
from io import BytesIO

import numpy as np
from PIL import Image as Pil
import pytest

from conftest import SR, tone, voice
from core import clean, compare, figures, views
from core.compare import Look, Window
from core.figures import palette
from core.marks import Marks
from core.pitch import F0Track


def look_at(y: np.ndarray, **kwargs) -> tuple[compare.Side, Look]:
    look = Look(Window(0.0, y.size / SR), **kwargs)
    return compare.side(y, sr=SR, look=look), look


def pixels(fig) -> np.ndarray:
    """The picture of a figure, top row first, (rows, columns, 4)."""
    data = fig.layout.images[0].source.split(",", 1)[1]
    return np.asarray(Pil.open(BytesIO(b64decode(data))).convert("RGBA")).astype(int)


def brightest_row(fig) -> float:
    """Height of the brightest row, 0 at the bottom and 1 at the top of the picture."""
    light = pixels(fig)[..., :3].sum(axis=(1, 2))
    return 1 - (np.argmax(light) + 0.5) / light.size


@pytest.mark.parametrize("axis", ["log", "linear", "mel"])
@pytest.mark.parametrize("freq", [250, 1000, 4000])
def test_a_tone_is_bright_where_the_axis_says(axis, freq):
    side, look = look_at(tone(freq), axis=axis)
    fig = figures.spectrogram(side.stft, axis=axis, t0=0, t1=1, top_db=80)
    low, high = fig.layout.yaxis.range
    if axis == "log":
        want = (np.log10(freq) - low) / (high - low)
    elif axis == "linear":
        want = (freq - low) / (high - low)
    else:
        rows = side.stft.row_centres
        want = (np.interp(freq, rows, np.arange(rows.size)) + 0.5) / rows.size
    assert brightest_row(fig) == pytest.approx(want, abs=0.02)
    assert look.axis == axis


@pytest.mark.parametrize("axis", ["log", "linear", "mel"])
def test_ticks_name_the_frequency_they_stand_at(axis):
    side, _ = look_at(tone(1000), axis=axis)
    fig = figures.spectrogram(side.stft, axis=axis, t0=0, t1=1, top_db=80)
    if axis == "linear":
        return
    at = dict(zip(fig.layout.yaxis.ticktext, fig.layout.yaxis.tickvals, strict=True))["1,000"]
    low, high = fig.layout.yaxis.range
    position = np.log10(at) if axis == "log" else at
    assert brightest_row(fig) == pytest.approx((position - low) / (high - low), abs=0.02)


def test_the_pointer_reads_the_level_in_db():
    side, _ = look_at(tone(1000))
    grid = figures.spectrogram(side.stft, axis="log", t0=0, t1=1, top_db=80).data[0]
    assert grid.z.dtype == np.int8
    assert grid.z.max() == 0
    row = np.unravel_index(np.argmax(grid.z), grid.z.shape)[0]
    assert grid.y[row] == pytest.approx(1000, rel=0.08)


def test_what_was_trimmed_away_is_transparent():
    y = np.concatenate([np.zeros(SR), voice(), np.zeros(SR)]).astype(np.float32)
    before, look = look_at(y)
    after = compare.side_after(clean.clean(y, sr=SR), before, look=look)
    left, right = figures.pair("STFT", before, after, look=look)
    assert left.layout.images[0].sizex == pytest.approx(3.0, abs=0.02)
    assert right.layout.images[0].x == pytest.approx(1.0, abs=0.1)
    assert right.layout.images[0].sizex == pytest.approx(1.0, abs=0.2)
    assert tuple(left.layout.xaxis.range) == tuple(right.layout.xaxis.range) == (0.0, 3.0)


def test_levels_beyond_the_scale_take_its_ends_and_what_is_missing_is_transparent():
    z = np.array([[-200.0, -80.0, np.nan, 0.0, 30.0]], np.float32).repeat(32, 0).repeat(32, 1)
    image = views.Image(z, np.geomspace(50, 5000, 32), 0.0, 1.0, 1.0)
    row = pixels(figures.spectrogram(image, axis="log", t0=0, t1=1, top_db=80))[16, 16::32]
    ends = np.array([palette.MAGMA[0], palette.MAGMA[-1]])
    assert row[:, 3].tolist() == [255, 255, 0, 255, 255]
    assert np.abs(row[:2, :3] - ends[0]).max() < 12  # WebP is not exact
    assert np.abs(row[3:, :3] - ends[1]).max() < 12


def test_no_scale_holds_a_colour_that_the_theme_replaces():
    for stops in (palette.MAGMA, palette.DIVERGING):
        assert all(c.startswith("rgb(") for _, c in palette.colorscale(stops))


def test_the_difference_is_centred_and_signed():
    y = voice()
    before, look = look_at(y)
    quieter, _ = look_at(0.1 * y)
    as_before = compare.side(0.1 * y, sr=SR, look=look, references=before.references)
    assert np.nanmedian(views.difference(before.stft, as_before.stft).z) < -10
    fig = figures.pair("Difference", before, as_before, look=look)[0]
    bar = fig.data[-1].marker
    assert bar.cmin == -bar.cmax
    red, _, blue, _ = pixels(fig).reshape(-1, 4).mean(axis=0)
    assert blue > red
    assert quieter.references != before.references


def test_an_envelope_keeps_a_click_and_single_samples_get_dots():
    y = np.zeros(10 * SR, np.float32)
    y[12345] = 0.9
    env = views.envelope(y, sr=SR, t0=0, t1=10, width=600)
    line = figures.waveform(env, t0=0, t1=10, color="#000").data[0]
    assert line.y.max() == pytest.approx(0.9)
    assert line.x0 + line.dx * np.argmax(line.y) == pytest.approx(12345 / SR, abs=0.02)
    few = views.envelope(y, sr=SR, t0=0.77, t1=0.78, width=600)
    fig = figures.waveform(few, t0=0.77, t1=0.78, color="#000")
    assert fig.data[0].mode == "lines+markers"
    assert fig.data[0].y.max() == pytest.approx(0.9)


def test_the_spectrum_of_a_tone_peaks_at_the_tone():
    side, _ = look_at(tone(1000))
    line = figures.spectrum(side.spectrum, color="#000", top_db=80).data[0]
    assert line.x[np.argmax(line.y)] == pytest.approx(1000, rel=0.01)
    assert line.y.max() == pytest.approx(0, abs=0.01)


def marks() -> Marks:
    times = np.arange(0, 1, 0.01)
    f0 = np.where(times < 0.5, 200.0, np.nan)
    track = F0Track(times, f0, ~np.isnan(f0), np.ones(times.size))
    onsets, pauses = np.array([0.1, 0.6]), np.array([[0.5, 0.8]])
    return Marks(track, onsets, np.array([0.3]), pauses, times, np.full(times.size, -20.0))


@pytest.mark.parametrize("axis", ["log", "mel"])
def test_pitch_lies_on_the_harmonic_it_names(axis):
    y = tone(200)
    side, look = look_at(y, axis=axis)
    over = figures.Overlay(marks(), ("Pitch",))
    fig = figures.pair("STFT", side, side, look=look, over=over)[0]
    line = next(t for t in fig.data if t.type == "scatter" and t.mode == "lines")
    assert np.isnan(line.y[60:]).all()
    axis_of = fig.layout[line.yaxis.replace("y", "yaxis", 1)]
    low, high = axis_of.range
    position = np.log10(line.y[10]) if axis == "log" else line.y[10]
    assert (position - low) / (high - low) == pytest.approx(brightest_row(fig), abs=0.03)


def test_marks_of_time_stand_at_their_time_on_waveform_and_stft():
    y = voice()
    side, look = look_at(y)
    over = figures.Overlay(marks(), ("Onsets", "Syllables", "Pauses", "Intensity"))
    wave = figures.pair("Waveform", side, side, look=look, over=over)[0]
    stft = figures.pair("STFT", side, side, look=look, over=over)[1]
    for fig in (wave, stft):
        assert (fig.layout.shapes[0].x0, fig.layout.shapes[0].x1) == (0.5, 0.8)
        sticks = next(t for t in fig.data if t.yaxis == "y2")
        assert sorted(set(sticks.x[~np.isnan(sticks.x)])) == [0.1, 0.6]
    level = next(t for t in wave.data if t.yaxis == "y4")
    assert level.y[50] == pytest.approx(-20)
    assert wave.layout.yaxis4.title.text == "Intensity (dBFS)"
    assert not [t for t in stft.data if t.yaxis == "y4"]


def test_saved_pages_need_no_internet_and_escape_their_title():
    fig = figures.waveform(
        views.envelope(tone(100), sr=SR, t0=0, t1=1, width=100), t0=0, t1=1, color="#000"
    )
    page = figures.to_html(fig, "<script>x</script>").decode()
    assert "<title>&lt;script&gt;" in page
    assert '<script src="http' not in page

from itertools import pairwise
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st
import librosa
import numpy as np
import pytest

from conftest import SR, tone, voice
from core import spectra, views
from core.errors import AudioTooShortError, ParameterError
from core.params import SpectraParams

PARAMS = SpectraParams()
AXES = pytest.mark.parametrize("axis", views.AXES)


def frame_by_frame(y, sr=SR, params=PARAMS, **kwargs):
    """Views with one column per frame, and one row per bin where the axis is linear."""
    n = spectra.n_frames(y.size, params=params)
    half = params.hop_length / sr / 2
    height = params.n_fft // 2 + 1
    where = {"t0": -half, "t1": (2 * n - 1) * half, "width": n, "height": height}
    return views.spectral_views(y, sr=sr, params=params, axis="linear", **where | kwargs)


@given(
    n=st.integers(1, 3000),
    t0=st.floats(-0.2, 0.3),
    length=st.floats(1e-4, 0.5),
    width=st.integers(1, 200),
    offset_s=st.floats(-0.1, 0.1),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_envelope_shows_the_extremes_of_each_column(n, t0, length, width, offset_s):
    y = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    env = views.envelope(y, sr=8000, t0=t0, t1=t0 + length, width=width, offset_s=offset_s)
    at = offset_s + np.arange(n) / 8000
    edges = np.linspace(t0, t0 + length, width + 1)
    column = np.searchsorted(edges, at + 1e-6 / 8000, side="right") - 1
    inside = (column >= 0) & (column < width)
    if env.exact:
        np.testing.assert_allclose(env.times, at[inside])
        assert env.low.tolist() == env.high.tolist() == y[inside].tolist()
        return
    assert inside.sum() > 2 * width
    for c in range(width):
        here = y[column == c]
        low, high = (here.min(), here.max()) if here.size else (np.nan, np.nan)
        np.testing.assert_array_equal([env.low[c], env.high[c]], [low, high])
    np.testing.assert_allclose(env.times, (edges[1:] + edges[:-1]) / 2)


def test_envelope_gives_samples_where_at_most_two_share_a_column():
    y = voice()
    assert views.envelope(y, sr=SR, t0=0, t1=400 / SR, width=200).exact
    assert not views.envelope(y, sr=SR, t0=0, t1=401 / SR, width=200).exact


def test_envelope_is_empty_where_the_signal_is_not():
    env = views.envelope(voice(), sr=SR, t0=2, t1=3, width=10)
    assert env.exact and env.times.size == 0
    env = views.envelope(voice(), sr=SR, t0=0, t1=2, width=10, offset_s=0.5)
    assert np.isnan(env.low).tolist() == [True] * 2 + [False] * 6 + [True] * 2


@pytest.mark.parametrize(
    ("sr", "params"),
    [
        (SR, PARAMS),
        (8000, SpectraParams(n_fft=512, hop_length=100, window="hamming", n_mels=30, n_mfcc=13)),
        (48_000, SpectraParams(n_fft=4096, hop_length=1024, n_mels=64)),
    ],
)
def test_before_pooling_the_numbers_are_librosas(sr, params):
    y = voice(sr=sr)
    y[sr // 2 :] = 0
    shown = frame_by_frame(y, sr, params)
    D = librosa.stft(y, n_fft=params.n_fft, hop_length=params.hop_length, window=params.window)
    S = np.abs(D) ** 2
    mel = librosa.feature.melspectrogram(S=S, sr=sr, n_fft=params.n_fft, n_mels=params.n_mels)
    np.testing.assert_allclose(shown.stft.z, S, rtol=1e-4, atol=1e-9 * S.max())
    np.testing.assert_allclose(shown.mel.z, mel, rtol=1e-4, atol=1e-9 * mel.max())
    assert shown.stft.peak_power == pytest.approx(S.max(), rel=1e-4)
    assert shown.mel.peak_power == pytest.approx(mel.max(), rel=1e-4)
    coefs = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=params.n_mfcc)
    assert np.abs(shown.mfcc.z - coefs).max() < 0.01
    np.testing.assert_allclose(
        shown.stft.row_centres, librosa.fft_frequencies(sr=sr, n_fft=params.n_fft)
    )
    np.testing.assert_allclose(shown.mel.row_centres, spectra.mel_freqs(params.n_mels, sr=sr))
    assert shown.mfcc.row_centres.tolist() == list(range(params.n_mfcc))


@given(
    n=st.integers(1, 9000),
    t0=st.floats(-0.3, 0.6),
    length=st.floats(1e-3, 1.2),
    width=st.integers(1, 60),
    offset_s=st.floats(-0.2, 0.2),
    hop_length=st.sampled_from([7, 64, 256]),
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_a_column_shows_its_frames_or_the_nearest(n, t0, length, width, offset_s, hop_length):
    params = SpectraParams(n_fft=256, hop_length=hop_length, n_mels=20)
    y = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    where = {"t0": t0, "t1": t0 + length, "width": width, "height": 129, "offset_s": offset_s}
    shown = views.spectral_views(y, sr=8000, params=params, axis="linear", **where)
    S = spectra.stft_power(y, sr=8000, params=params)
    mel = spectra.mel_power(S, sr=8000, params=params)
    mfcc = spectra.mfcc(mel, n_mfcc=params.n_mfcc)
    at = np.arange(S.shape[1]) * hop_length
    edges = (np.linspace(t0, t0 + length, width + 1) - offset_s) * 8000
    for c, (left, right) in enumerate(pairwise(edges)):
        if right < -1e-3 or left > n + 1e-3:
            assert np.isnan(shown.stft.z[:, c]).all() and np.isnan(shown.mfcc.z[:, c]).all()
            continue
        if right < 1e-3 or left > n - 1e-3:
            continue  # the column only touches the signal: it may show it or not
        if np.abs(np.subtract.outer([left, right], at)).min() < 1e-3:
            continue  # on an edge, either side may take the frame
        frames = np.flatnonzero((at >= left) & (at < right))
        if frames.size == 0:
            distance = np.abs(at - (left + right) / 2)
            frames = np.flatnonzero(distance <= distance.min() + 1e-3)[:1]
            if np.sum(distance <= distance.min() + 1e-3) > 1:
                continue
        np.testing.assert_allclose(shown.stft.z[:, c], S[:, frames].max(axis=1), rtol=1e-5)
        np.testing.assert_allclose(shown.mel.z[:, c], mel[:, frames].max(axis=1), rtol=1e-5)
        np.testing.assert_allclose(shown.mfcc.z[:, c], mfcc[:, frames].mean(axis=1), atol=1e-2)


@AXES
@pytest.mark.parametrize("sr", [8000, 16_000, 48_000])
def test_a_tone_is_in_the_row_nearest_to_it(axis, sr):
    params = SpectraParams(n_fft=2400 if sr == 48_000 else 2048)
    y = tone(1000, 1.0, sr)
    shown = views.spectral_views(y, sr=sr, params=params, t0=0.2, t1=0.8, width=50, axis=axis)
    nearest = np.abs(shown.stft.row_centres - 1000).argmin()
    assert (shown.stft.z.argmax(axis=0) == nearest).all()
    S = spectra.stft_power(y, sr=sr, params=params)
    np.testing.assert_allclose(shown.stft.z.max(), S.max(), rtol=1e-4)


@AXES
def test_a_tone_between_bins_is_within_a_bin_of_its_row(axis):
    shown = views.spectral_views(
        tone(1010, 1.0, 48_000), sr=48_000, params=PARAMS, t0=0.2, t1=0.8, width=9, axis=axis
    )
    centres = shown.stft.row_centres
    spacing = np.gradient(centres).max() if axis == "linear" else 30
    assert np.abs(centres[shown.stft.z.argmax(axis=0)] - 1010).max() < 48_000 / 2048 / 2 + spacing


@AXES
def test_rows_narrower_than_a_bin_are_filled(axis):
    params = SpectraParams(n_fft=256, hop_length=64, window="boxcar")
    click = np.zeros(256, np.float32)
    click[128] = 1  # its power is 1 in every bin
    where = {"t0": 120 / SR, "t1": 136 / SR, "width": 1, "height": 700}
    shown = views.spectral_views(click, sr=SR, params=params, axis=axis, **where)
    np.testing.assert_allclose(shown.stft.z, 1, rtol=1e-4)


def test_rows_span_the_axis():
    assert views.row_freqs("log", 256, sr=SR, n_fft=2048)[[0, -1]] == pytest.approx([32, 8000])
    assert views.row_freqs("log", 9, sr=SR, n_fft=256)[0] == pytest.approx(62.5)
    ratios = np.diff(np.log(views.row_freqs("log", 9, sr=SR, n_fft=256)))
    np.testing.assert_allclose(ratios, ratios[0])
    np.testing.assert_allclose(
        views.row_freqs("linear", 5, sr=SR, n_fft=256), [0, 2000, 4000, 6000, 8000]
    )
    mels = librosa.hz_to_mel(views.row_freqs("mel", 9, sr=SR, n_fft=256))
    np.testing.assert_allclose(mels, np.linspace(0, librosa.hz_to_mel(8000), 9), atol=1e-9)


def test_one_click_in_ten_minutes_is_seen_and_memory_stays_small():
    sr, n = 8000, 600 * 8000
    y = np.zeros(n, np.float32)
    y[3_210_000] = 1
    column = int(3_210_000 / n * 640)
    tracemalloc.start()
    shown = views.spectral_views(y, sr=sr, params=PARAMS, t0=0, t1=600)
    env = views.envelope(y, sr=sr, t0=0, t1=600, width=640)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 25e6  # the whole STFT is 38 MB
    assert np.flatnonzero(env.high).tolist() == [column]
    for z in (shown.stft.z, shown.mel.z):
        lit = np.flatnonzero(z.max(axis=0))
        assert column in lit and lit.size <= 2
    np.testing.assert_allclose(shown.stft.z[:, column], shown.stft.peak_power, rtol=1e-3)


def test_a_click_on_the_last_frame_is_seen():
    y = np.zeros(5 * 512, np.float32)
    y[-1] = 1
    params = SpectraParams(n_fft=512, hop_length=512)
    shown = views.spectral_views(y, sr=SR, params=params, t0=0, t1=y.size / SR, width=3)
    assert (shown.stft.z > 0).all(axis=0).tolist() == [False, False, True]


def test_a_cut_signal_stands_where_it_was():
    y = voice()
    cut = 10 * 512
    one = views.spectral_views(y, sr=SR, params=PARAMS, t0=0, t1=1.0, width=50)
    other = views.spectral_views(
        y[cut:14_000], sr=SR, params=PARAMS, t0=0, t1=1.0, width=50, offset_s=cut / SR
    )
    lacking = np.isnan(other.stft.z).all(axis=0)
    assert np.flatnonzero(~lacking).tolist() == list(range(16, 44))
    inner = slice(21, 39)  # columns whose frames do not reach beyond the cuts
    np.testing.assert_array_equal(one.stft.z[:, inner], other.stft.z[:, inner])
    np.testing.assert_array_equal(one.mel.z[:, inner], other.mel.z[:, inner])
    assert (np.isnan(other.mfcc.z).all(axis=0) == lacking).all()


def test_zooming_in_keeps_the_peaks_of_the_whole_clip():
    y = voice() * np.linspace(0.01, 1, SR, dtype=np.float32)
    whole = views.spectral_views(y, sr=SR, params=PARAMS, t0=0, t1=1)
    part = views.spectral_views(y, sr=SR, params=PARAMS, t0=0.1, t1=0.15)
    assert part.stft.peak_power == whole.stft.peak_power
    assert part.mel.peak_power == whole.mel.peak_power
    frames = frame_by_frame(y)
    np.testing.assert_allclose(part.mfcc.z[:, 320], frames.mfcc.z[:, 4], atol=1e-3)


def test_clips_too_long_to_be_kept_give_the_same_coefficients(monkeypatch):
    y = voice(duration_s=3)
    transforms = []
    blocks = views.power_blocks
    monkeypatch.setattr(
        views, "power_blocks", lambda *a, **k: (transforms.append(1), (yield from blocks(*a, **k)))
    )
    kept = views.spectral_views(y, sr=SR, params=PARAMS, t0=0.5, t1=2.5, width=20)
    assert len(transforms) == 1
    monkeypatch.setattr(views, "_KEPT_VALUES", 40 * PARAMS.n_mels)
    again = views.spectral_views(y, sr=SR, params=PARAMS, t0=0.5, t1=2.5, width=20)
    assert len(transforms) == 3
    np.testing.assert_allclose(again.mfcc.z, kept.mfcc.z, atol=1e-4)


@pytest.mark.parametrize("n", [1, 100, 2048])
def test_the_shortest_clips_have_views(n):
    shown = views.spectral_views(voice()[:n], sr=SR, params=PARAMS, t0=0, t1=n / SR, width=7)
    for image in shown:
        assert image.z.dtype == np.float32 and np.isfinite(image.z).all()


def test_outside_the_signal_all_is_nan():
    shown = views.spectral_views(voice(), sr=SR, params=PARAMS, t0=5, t1=6)
    assert all(np.isnan(image.z).all() for image in shown)


def test_decibels_are_re_the_reference_and_floored():
    image = views.Image(np.float32([[1e-3, 1], [np.nan, 0]]), np.array([1, 2]), 0, 1, 1.0)
    np.testing.assert_allclose(
        views.to_db(image, ref_power=0.1, top_db=80).z, [[-20, 10], [np.nan, -80]], atol=1e-5
    )
    assert views.to_db(image, ref_power=1.0, top_db=25).z[0, 0] == -25


def test_silence_is_at_the_floor_even_re_itself():
    shown = views.spectral_views(np.zeros(SR, np.float32), sr=SR, params=PARAMS, t0=0, t1=1)
    image = views.to_db(shown.stft, ref_power=shown.stft.peak_power, top_db=80)
    assert (image.z == -80).all()
    assert np.isfinite(shown.mfcc.z).all()


def test_half_gain_is_6_db_less_everywhere():
    one, other = (
        views.to_db(
            views.spectral_views(y, sr=SR, params=PARAMS, t0=0, t1=1).mel, ref_power=1, top_db=200
        )
        for y in (voice(), voice() / 2)
    )
    np.testing.assert_allclose(views.difference(one, other).z, -6.0206, atol=1e-3)


def test_difference_is_after_minus_before_and_nan_where_either_is():
    def image(*values):
        return views.Image(np.float32([values]), np.array([100.0]), 0.0, 1.0, 1.0)

    found = views.difference(image(-10, -20, np.nan), image(-40, np.nan, -1))
    np.testing.assert_array_equal(found.z, [[-30, np.nan, np.nan]])


def test_pictures_of_different_stretches_cannot_be_compared():
    one = views.Image(np.zeros((2, 3), np.float32), np.arange(2), 0.0, 1.0, 1.0)
    for other in (
        views.Image(np.zeros((2, 4), np.float32), np.arange(2), 0.0, 1.0, 1.0),
        views.Image(np.zeros((2, 3), np.float32), np.arange(2), 0.0, 2.0, 1.0),
        views.Image(np.zeros((2, 3), np.float32), np.arange(2) + 1, 0.0, 1.0, 1.0),
    ):
        with pytest.raises(ParameterError, match="draw both with the same settings"):
            views.difference(one, other)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"t1": 0.0}, "window from 0 to 0 s is empty"),
        ({"width": 0}, "width=0"),
        ({"height": 1}, "height=1"),
        ({"axis": "bark"}, "Unknown frequency axis 'bark'"),
        ({"params": SpectraParams(n_mels=0)}, "n_mels=0"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed, words):
    where = {"sr": SR, "params": PARAMS, "t0": 0.0, "t1": 1.0} | changed
    with pytest.raises(ParameterError, match=words):
        views.spectral_views(voice(), **where)


def test_wrong_signals_are_refused():
    with pytest.raises(AudioTooShortError, match="at least one sample"):
        views.spectral_views(np.zeros(0, np.float32), sr=SR, params=PARAMS, t0=0, t1=1)
    with pytest.raises(ParameterError, match="one channel"):
        views.envelope(np.zeros((2, 9), np.float32), sr=SR, t0=0, t1=1, width=5)

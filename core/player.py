"""What the player draws and asks for: summaries of a sound, and exact views of stretches of it.

Conventions: stretches are samples, ``start`` included and ``stop`` not; extremes are int16, full
scale 32768; pictures are uint8, 0 where there is no signal and else half decibels above -120 dB,
where a sine of full scale is 0 dB; rows of pictures are evenly spaced in mel, from 0 Hz to sr/2.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
import json
import os

import numpy as np

from core import levels, pitch, views
from core.errors import AudioReadError, AudioTooShortError, ParameterError, VoiceError
from core.params import SpectraParams

FLOOR_DB, STEP_DB = -120.0, 0.5
COARSE, FINE = 1024, 16_384  # columns of the two levels of extremes, at most
WIDTH, HEIGHT = 1024, 320  # of the picture of a whole sound
MAX_SAMPLES = 20_000  # given out exactly at once
MAX_EXTREMES = 20_000_000
MAX_PICTURE_S = 60.0
MAX_MEASURED_S = 60.0
SPECTRUM_POINTS = 160
KINDS = ("pcm", "extremes", "picture", "measures")
_FULL = 32_768


@dataclass(frozen=True, eq=False)
class Summary:
    """A sound at display resolution.

    ``coarse`` and ``fine`` are (3, c): lowest and highest sample and RMS of ``coarse_bin`` and
    ``fine_bin`` samples; ``picture`` (rows, columns) spans the sound, and is made when it is asked
    for; ``lufs``, ``rms_dbfs`` and ``peak_dbfs`` are NaN where not measurable.
    """

    sr: int
    n: int
    coarse: np.ndarray
    fine: np.ndarray
    coarse_bin: int
    fine_bin: int
    lufs: float
    rms_dbfs: float
    peak_dbfs: float
    draw: Callable[[], np.ndarray] = field(repr=False)

    @cached_property
    def picture(self) -> np.ndarray:
        """Level over time and frequency of the whole sound; see ``picture``."""
        return self.draw()


def _picture_of_file(path: str | os.PathLike) -> np.ndarray:
    with _opened(path) as file:
        return _picture_of(file, 0, file.frames)


def summarise(y: np.ndarray, *, sr: int, path: str | os.PathLike | None = None) -> Summary:
    """Summary of a sound of any length.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], n >= 1
        Mono signal.
    sr : int > 0
        Sampling rate in Hz.
    path : path, optional
        A WAV file of the same samples: the picture is made from it, and ``y`` is not kept.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If the signal is not mono.
    """
    if y.ndim != 1:
        raise ParameterError(f"The player takes mono sound, got an array of shape {y.shape}.")
    if y.size == 0:
        raise AudioTooShortError("The sound is empty: a player needs at least one sample.")

    # Not one function for both: it would hold on to ``y`` where the file is enough.
    draw = (
        partial(_picture_of_file, path)
        if path is not None
        else partial(picture, y, sr=sr, start=0, stop=y.size, width=WIDTH)
    )
    fine_bin = max(1, -(-y.size // FINE))
    fine = extremes(y, fine_bin)
    step = max(1, -(-fine.shape[1] // COARSE))
    return Summary(
        sr=sr,
        n=y.size,
        coarse=_coarser(fine, step),
        fine=fine,
        coarse_bin=fine_bin * step,
        fine_bin=fine_bin,
        lufs=levels.lufs(y, sr=sr) if sr >= 4000 else float("nan"),
        rms_dbfs=levels.rms_dbfs(y),
        peak_dbfs=levels.peak_dbfs(y),
        draw=draw,
    )


def extremes(y: np.ndarray, size: int) -> np.ndarray:
    """Lowest and highest sample and RMS of every ``size`` samples, int16 [shape=(3, columns)].

    The last column may stand for fewer samples.
    """
    found = np.empty((3, -(-y.size // size)), dtype=np.int16)
    block = max(1, 2**20 // size)  # columns at a time: bounds the memory of a long sound
    for i in range(0, found.shape[1], block):
        part = y[i * size : (i + block) * size]
        starts = np.arange(0, part.size, size)
        counts = np.diff(np.append(starts, part.size))
        power = np.add.reduceat(np.square(part, dtype=np.float64), starts) / counts
        to = slice(i, i + starts.size)
        found[0, to] = _int16(np.minimum.reduceat(part, starts))
        found[1, to] = _int16(np.maximum.reduceat(part, starts))
        found[2, to] = _int16(np.sqrt(power))
    return found


def _coarser(fine: np.ndarray, step: int) -> np.ndarray:
    starts = np.arange(0, fine.shape[1], step)
    counts = np.diff(np.append(starts, fine.shape[1]))
    power = np.add.reduceat(np.square(fine[2], dtype=np.float64), starts) / counts
    low, high = np.minimum.reduceat(fine[0], starts), np.maximum.reduceat(fine[1], starts)
    return np.stack([low, high, np.sqrt(power).astype(np.int16)])


def _int16(y: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(y * _FULL), -_FULL, _FULL - 1).astype(np.int16)


def window_length(sr: int) -> int:
    """Samples of the spectral window: the power of two from 32 ms on, as speech wants it."""
    return max(64, 1 << (int(0.032 * sr) - 1).bit_length())


def picture(
    y: np.ndarray, *, sr: int, start: int, stop: int, width: int, offset: int = 0
) -> np.ndarray:
    """Level over time and frequency as uint8 [shape=(HEIGHT, width)], lowest frequency first.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], n >= 1
        Mono signal, or the part of it from sample ``offset`` on.
    sr : int > 0
        Sampling rate in Hz.
    start, stop : int
        The stretch that the columns divide evenly.
    width : int > 0
        Number of columns; each shows the largest level in it.
    offset : int
        Number of the first sample of ``y``.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If the stretch is empty or the signal is not mono.
    """
    if y.size == 0:
        raise AudioTooShortError("The sound is empty: a picture needs at least one sample.")
    n_fft = window_length(sr)
    hop = int(np.clip((stop - start) // (2 * width), max(1, n_fft // 64), n_fft // 2))
    params = SpectraParams(n_fft=n_fft, hop_length=hop, n_mels=1, n_mfcc=1)
    where = {"t0": start / sr, "t1": stop / sr, "offset_s": offset / sr}
    size = {"width": width, "height": HEIGHT}
    power = views.spectral_views(y, sr=sr, params=params, axis="mel", **where, **size).stft.z
    with np.errstate(divide="ignore"):
        db = 10 * np.log10(power) - 20 * np.log10(n_fft / 4)
    code = np.clip(np.rint((db - FLOOR_DB) / STEP_DB) + 1, 1, 255)
    return np.where(np.isnan(power), 0, code).astype(np.uint8)


def match_gains(summaries: list[Summary]) -> list[tuple[float, float]]:
    """Gain in dB that makes each sound as loud as the others, and what it still lacks to that.

    Loudness is LUFS, or RMS where one of the sounds is too short for it. The others meet the
    first, which gives way by at most 6 dB; one that cannot follow without going over full scale
    stays softer. Silence keeps its level.
    """
    by_lufs = all(np.isfinite(s.lufs) or not np.isfinite(s.rms_dbfs) for s in summaries)
    loud = np.array([s.lufs if by_lufs else s.rms_dbfs for s in summaries])
    room = -np.array([s.peak_dbfs for s in summaries])
    heard = np.isfinite(loud)
    if not heard.any():
        return [(0.0, 0.0)] * len(summaries)
    first = loud[np.flatnonzero(heard)[0]]
    target = max(min(first, float((loud + room)[heard].min())), first - 6)
    gains = np.where(heard, np.minimum(target - loud, room), 0.0)
    lacking = np.where(heard, target - loud - gains, 0.0)
    return [(float(g), float(s)) for g, s in zip(gains, lacking, strict=True)]


def view(path: str | os.PathLike, kind: str, *, start: int, stop: int) -> bytes:
    """A stretch of a WAV file as the player's page asks for it.

    Parameters
    ----------
    path : path
        A WAV file that we wrote.
    kind : {"pcm", "extremes", "picture", "measures"}
        float32 samples; int16 extremes, (3, c), of ``(stop - start) / FINE`` samples, rounded up;
        a uint8 picture, (HEIGHT, WIDTH); JSON.
    start, stop : int
        The stretch, cut at the ends of the file. A picture may be of the whole sound, however long.

    Raises
    ------
    ParameterError
        If the kind is unknown or the stretch is empty, outside the file, or too long at once.
    AudioReadError
        If the file cannot be read.
    """
    if kind not in KINDS:
        raise ParameterError(f"Unknown view {kind!r}: choose one of {list(KINDS)}.")
    with _opened(path) as file:
        sr, n = file.samplerate, file.frames
        start, stop = max(0, start), min(n, stop)
        if kind != "picture" or (start, stop) != (0, n):
            _check_stretch(kind, stop - start, sr)
        if kind == "picture":
            return _picture_of(file, start, stop).tobytes()
        y = _read(file, start, stop)
    if kind == "pcm":
        return y.astype("<f4").tobytes()
    if kind == "extremes":
        return extremes(y, -(-(stop - start) // FINE)).astype("<i2").tobytes()
    return json.dumps(measures(y, sr=sr)).encode()


def _read(file, start: int, stop: int) -> np.ndarray:
    file.seek(start)
    return file.read(stop - start, dtype="float32", always_2d=True).mean(axis=1)


def _picture_of(file, start: int, stop: int) -> np.ndarray:
    """The picture of a stretch, made of parts: an hour takes no more memory than a minute."""
    sr, n = file.samplerate, file.frames
    margin = 2 * window_length(sr)
    parts = max(1, -(-(stop - start) // int(MAX_PICTURE_S * sr)))
    edges = np.linspace(0, WIDTH, parts + 1).astype(int)
    places = start + edges * (stop - start) // WIDTH
    image = np.empty((HEIGHT, WIDTH), dtype=np.uint8)
    for a, b, t0, t1 in zip(edges[:-1], edges[1:], places[:-1], places[1:], strict=True):
        first = max(0, int(t0) - margin)
        y = _read(file, first, min(n, int(t1) + margin))
        place = {"start": int(t0), "stop": int(t1), "offset": first}
        image[:, a:b] = picture(y, sr=sr, width=int(b - a), **place)
    return image


def _opened(path: str | os.PathLike):
    import soundfile

    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as err:
        raise AudioReadError("This sound cannot be read: open the clip again.") from err


def _check_stretch(kind: str, n: int, sr: int) -> None:
    most = {
        "pcm": MAX_SAMPLES,
        "extremes": MAX_EXTREMES,
        "picture": int(MAX_PICTURE_S * sr),
        "measures": int(MAX_MEASURED_S * sr),
    }[kind]
    if not 0 < n <= most:
        raise ParameterError(f"A stretch of {n} samples does not work: choose 1 to {most}.")


def measures(y: np.ndarray, *, sr: int) -> dict:
    """Duration, levels, f0 and spectrum of a stretch; None where not measurable.

    Returns
    -------
    dict
        ``duration_s``, ``rms_dbfs``, ``peak_dbfs``, ``f0_hz`` (median of voiced frames),
        ``spectrum_peak_hz``, and ``spectrum``: dB at SPECTRUM_POINTS frequencies even in mel.
    """
    found: dict = {"duration_s": y.size / sr}
    found["rms_dbfs"] = _or_none(levels.rms_dbfs(y))
    found["peak_dbfs"] = _or_none(levels.peak_dbfs(y))
    found["f0_hz"] = _median_f0(y, sr)
    freqs, power = _mean_spectrum(y, sr)
    heard = bool(power.any())
    found["spectrum_peak_hz"] = float(freqs[power.argmax()]) if heard else None
    db = 10 * np.log10(np.maximum(_pooled(freqs, power, sr), 1e-12))
    found["spectrum"] = [round(float(v), 1) for v in db]
    return found


def _pooled(freqs: np.ndarray, power: np.ndarray, sr: int) -> np.ndarray:
    """Power at frequencies even in mel: between two bins, or the largest where there are more."""
    at = views.row_freqs("mel", SPECTRUM_POINTS, sr=sr, n_fft=window_length(sr))
    pooled = np.interp(at, freqs, power)
    rows = np.rint(np.interp(freqs, at, np.arange(at.size))).astype(int)
    np.maximum.at(pooled, rows, power)
    return pooled


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _median_f0(y: np.ndarray, sr: int) -> float | None:
    try:
        track = pitch.f0_track(y, sr=sr)
    except VoiceError:  # too short, or a rate too low: not measurable
        return None
    voiced = track.f0[track.voiced_flag]
    return float(np.median(voiced)) if voiced.size else None


def _mean_spectrum(y: np.ndarray, sr: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean power of Hann windows, half overlapping; a sine of full scale has 1."""
    n = min(y.size, 4 * window_length(sr))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
    starts = range(0, y.size - n + 1, max(1, n // 2))
    power = np.zeros(n // 2 + 1)
    for i in starts:
        power += np.abs(np.fft.rfft(y[i : i + n] * hann)) ** 2
    return np.fft.rfftfreq(n, 1 / sr), power / (len(starts) * (hann.sum() / 2) ** 2)

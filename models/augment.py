"""Other microphones, rooms, lines and noises for a clip: what a model has to hear through.

Conventions: mono float32 at 16,000 Hz in and out, the same length (``RAISED`` within 5 %); the
voice itself (pitch, tract, timing) stays as it was but in ``RAISED``, ``EXCITED`` and ``WHISPER``.
The same clip and the same name give the same sound every time.
"""

from hashlib import blake2b
import io

import numpy as np

from models import voices

SR = 16_000
VARIANTS = ("line", "noise", "room", "codec", "colour", "mixed")
RAISED = "raised"  # learnt from: 0.95 to 1.05 of the speed, then up to five semitones
EXCITED, WHISPER = "excited", "whisper"  # for the test only: three to five semitones; noise


def variant(y: np.ndarray, name: str, clip_id: str) -> np.ndarray:
    """A clip as it would sound elsewhere.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], float32
        Mono signal at 16,000 Hz.
    name : str
        "clean", or one of ``VARIANTS``: a telephone line, noise at 0 to 25 dB, a room, a codec at
        a low bit rate, a microphone's colour, or noise, room, colour and line by chance; or
        ``RAISED``, ``EXCITED``, ``WHISPER``, the voice itself changed (see ``voices``).
    clip_id : str
        Seeds what is drawn by chance.

    Returns
    -------
    np.ndarray [shape=(n,)], float32
    """
    seed = int.from_bytes(blake2b(f"{clip_id} {name}".encode(), digest_size=8).digest(), "little")
    rng = np.random.default_rng(seed)
    y = np.asarray(y, dtype=np.float64)
    steps = {"line": _line, "noise": _noise, "room": _room, "codec": _codec, "colour": _colour}
    steps |= {RAISED: _raised, EXCITED: _excited, WHISPER: voices.whispered}
    if name == "mixed":
        order = (("room", 0.5), ("noise", 0.6), ("colour", 0.7), ("line", 0.4), ("codec", 0.3))
        for step, share in order:
            if rng.random() < share:
                y = steps[step](y, rng)
    elif name != "clean":
        y = steps[name](y, rng)
    peak = np.abs(y).max(initial=0.0)
    return (y / peak * 0.7 if peak > 1 else y).astype(np.float32)


def telephone(y: np.ndarray) -> np.ndarray:
    """300 to 3,400 Hz at 8,000 Hz with the eight bits of G.711, back at 16,000 Hz."""
    return _line(np.asarray(y, dtype=np.float64), np.random.default_rng(0)).astype(np.float32)


def _raised(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from scipy import signal

    percent = int(rng.integers(95, 106))
    return voices.raised(signal.resample_poly(y, 100, percent), rng.uniform(0, 5))


def _excited(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return voices.raised(y, rng.uniform(3, 5))


def _line(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from scipy import signal

    low, high = 300 * rng.uniform(0.8, 1.1), 3400 * rng.uniform(0.95, 1.05)
    band = signal.butter(4, (low, high), "bandpass", fs=SR, output="sos")
    narrow = signal.resample_poly(signal.sosfilt(band, y), 1, 2)
    peak = np.abs(narrow).max(initial=1e-9)
    x = narrow / peak
    coded = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log1p(255)
    coded = np.round(coded * 127) / 127
    x = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(255)) / 255
    return signal.resample_poly(x * peak, 2, 1)[: y.size]


def _noise(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White to brown noise, or noise with the clip's own spectrum, 0 to 25 dB below it."""
    spectrum = np.fft.rfft(rng.standard_normal(y.size))
    freqs = np.fft.rfftfreq(y.size, 1 / SR)
    if rng.random() < 0.4:
        shape = np.abs(np.fft.rfft(y))
        width = max(3, round(200 * y.size / SR))
        shape = np.convolve(shape, np.ones(width) / width, "same")
    else:
        shape = np.maximum(freqs, 50) ** -rng.uniform(0, 1.2)
    noise = np.fft.irfft(spectrum * shape, y.size)
    power = np.mean(y**2) / max(np.mean(noise**2), 1e-20)
    return y + noise * np.sqrt(power) * 10 ** (-rng.uniform(0, 25) / 20)


def _room(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise that decays by 60 dB in 0.2 to 0.9 s after the direct sound."""
    from scipy import signal

    decay_s = rng.uniform(0.2, 0.9)
    t = np.arange(round(decay_s * SR)) / SR
    tail = rng.standard_normal(t.size) * 10 ** (-3 * t / decay_s)
    tail = signal.lfilter([1.0], [1.0, -rng.uniform(0.1, 0.6)], tail)
    tail *= 10 ** (-rng.uniform(0, 12) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return signal.fftconvolve(y, tail)[: y.size]


def _codec(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """MP3 or Vorbis at a low bit rate, sometimes at 8,000 or 11,025 Hz."""
    from scipy import signal
    import soundfile as sf

    half = rng.random() < 0.4
    x = signal.resample_poly(y, 1, 2) if half else y
    sr = SR // 2 if half else SR
    file = io.BytesIO()
    form = "MP3" if rng.random() < 0.6 else "OGG"
    x = x / max(np.abs(x).max(initial=0.0), 1.0)
    sf.write(file, x, sr, format=form, compression_level=float(rng.uniform(0.7, 0.99)))
    file.seek(0)
    x = sf.read(file)[0]
    x = signal.resample_poly(x, 2, 1) if half else x
    return np.pad(x, (0, max(0, y.size - x.size)))[: y.size]


def _colour(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth curve of up to 12 dB over five points from 60 Hz, a cut at the top, clipping."""
    octaves = np.log2(np.maximum(np.fft.rfftfreq(y.size, 1 / SR), 60) / 60)
    points = np.linspace(0, octaves[-1], 6)
    curve_db = np.interp(octaves, points, rng.uniform(-9, 9, points.size))
    curve_db += rng.uniform(-2, 2) * octaves
    if rng.random() < 0.4:
        curve_db -= 24 * np.maximum(octaves - np.log2(rng.uniform(3400, 7000) / 60), 0)
    if rng.random() < 0.4:
        curve_db -= 18 * np.maximum(np.log2(rng.uniform(100, 250) / 60) - octaves, 0)
    x = np.fft.irfft(np.fft.rfft(y) * 10 ** (curve_db / 20), y.size)
    if rng.random() < 0.3:
        limit = np.quantile(np.abs(x), rng.uniform(0.97, 0.998))
        x = np.clip(x, -limit, limit) if limit > 0 else x
    return x

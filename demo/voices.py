"""The synthetic speakers: espeak-ng makes the words, the rest makes the person.

Conventions: y is float64 (n,) at ``SR``; levels in dB; the speech of a clip lasts from the first to
the last frame of 10 ms whose RMS is above the loudest frame's − ``ACTIVE_DB``.
"""

import csv
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
import io
from pathlib import Path
import subprocess

import numpy as np
from scipy import signal
import soundfile as sf
import soxr

HERE = Path(__file__).resolve().parent
SR = 48_000
ACTIVE_DB = 40.0
FRAME_S = 0.010
_IPA_VOWELS = set("aeiouyæøœɐɑɒɔəɚɛɜɝɞɨɪɯɵɶʉʊʌʏɤɘᵻ")


@dataclass(frozen=True)
class Speaker:
    """A voice: what espeak-ng is told, and what is done to its sound.

    ``pitch`` and ``speed`` are espeak-ng's -p and -s as heard before ``shift``, the factor that
    moves formants and pitch together; ``rough_pct`` varies the length of the periods;
    ``breath_db`` is aspiration noise re speech; ``tilt_db`` is dB per octave; ``shown`` says which
    labels the table tells: "ag", "a", "g" or "-".
    """

    id: str
    gender: str
    age: str
    locale: str
    accent: str
    voice: str
    pitch: int
    speed: int
    shift: float
    rough_pct: float
    breath_db: float
    tilt_db: float
    shown: str


def _table(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def speakers() -> list[Speaker]:
    """Every speaker of ``speakers.tsv``, in its order."""
    kinds = Speaker.__annotations__
    return [Speaker(**{k: kinds[k](v) for k, v in row.items()}) for row in _table("speakers.tsv")]


def sentences(locale: str) -> list[dict[str, str]]:
    """The sentences of one locale, with their domain, in the order of ``sentences.tsv``."""
    return [row for row in _table("sentences.tsv") if row["locale"] == locale]


def seeded(*words: str) -> np.random.Generator:
    """A generator that depends on the words alone, not on what was made before."""
    return np.random.default_rng(list(blake2b("/".join(words).encode(), digest_size=16).digest()))


def espeak(*options: str) -> bytes:
    """What espeak-ng writes to its standard output."""
    return subprocess.run(["espeak-ng", *options], capture_output=True, check=True).stdout


@cache
def syllable_count(voice: str, sentence: str) -> int:
    """Vowel phonemes that espeak-ng speaks, each the middle of a syllable."""
    spoken = espeak("-q", "--ipa", "--sep=_", "-v", voice, sentence).decode()
    phonemes = spoken.replace(" ", "_").replace("\n", "_").split("_")
    return sum(p.strip("ˈˌ")[:1] in _IPA_VOWELS for p in phonemes if p.strip("ˈˌ"))


def frame_rms(y: np.ndarray, sr: int) -> np.ndarray:
    """RMS of the whole frames of ``FRAME_S`` in y (n,), (t,)."""
    frame = round(FRAME_S * sr)
    whole = y[: y.size // frame * frame].reshape(-1, frame)
    return np.sqrt(np.mean(np.square(whole, dtype=np.float64), axis=1))


def active_frames(y: np.ndarray, sr: int) -> np.ndarray:
    """Which frames of y (n,) hold speech, bool (t,)."""
    rms = frame_rms(y, sr)
    return rms > rms.max() * 10 ** (-ACTIVE_DB / 20)


def speech_span(y: np.ndarray, sr: int) -> tuple[float, float]:
    """Start and end in s of the speech in clean y (n,)."""
    frame = round(FRAME_S * sr)
    at = np.flatnonzero(active_frames(y, sr))
    return float(at[0] * frame / sr), float((at[-1] + 1) * frame / sr)


def active_rms(y: np.ndarray, sr: int) -> float:
    """RMS of the speech frames of clean y (n,)."""
    return float(np.sqrt(np.mean(frame_rms(y, sr)[active_frames(y, sr)] ** 2)))


def _roughen(y: np.ndarray, pct: float, rng: np.random.Generator) -> np.ndarray:
    knots = np.arange(0, y.size + SR // 200, SR // 200)  # about one a period
    rate = 1 + pct / 100 * rng.standard_normal(knots.size)
    places = np.cumsum(rate) * (SR // 200)
    at = np.interp(np.arange(y.size), knots, places - places[0])
    return np.interp(at, np.arange(y.size), y, right=0.0)


def _breathe(y: np.ndarray, level_db: float, rng: np.random.Generator) -> np.ndarray:
    high = signal.butter(2, 1500, "highpass", fs=SR, output="sos")
    low = signal.butter(2, 30, fs=SR, output="sos")
    envelope = np.maximum(signal.sosfiltfilt(low, np.abs(y)), 0)
    breath = signal.sosfilt(high, rng.standard_normal(y.size)) * envelope
    return y + breath * np.sqrt(np.mean(y**2) / np.mean(breath**2)) * 10 ** (level_db / 20)


def _tilted(y: np.ndarray, db_per_octave: float) -> np.ndarray:
    freqs = np.maximum(np.fft.rfftfreq(y.size, 1 / SR), 100.0)
    return np.fft.irfft(np.fft.rfft(y) * (freqs / 1000) ** (db_per_octave / 6.02), y.size)


def _with_air(y: np.ndarray) -> np.ndarray:
    """Fill the octave espeak-ng lacks (above 11 kHz) with a shifted copy of the one below."""
    band = signal.butter(6, [5200, 10_500], "bandpass", fs=SR, output="sos")
    carrier = 2 * np.cos(2 * np.pi * 5300 * np.arange(y.size) / SR)
    shifted = signal.sosfiltfilt(band, y) * carrier
    above = signal.butter(8, 10_500, "highpass", fs=SR, output="sos")
    return y + 0.5 * signal.sosfiltfilt(above, shifted)


@cache
def speak(speaker: Speaker, sentence: str) -> np.ndarray:
    """A sentence as this speaker says it, without silence around it.

    Returns
    -------
    np.ndarray [shape=(n,)]
        float64 at ``SR``; the speech has an RMS of 1.
    """
    told = ["-v", speaker.voice, "-p", str(speaker.pitch), "-s", str(speaker.speed)]
    y, sr = sf.read(io.BytesIO(espeak(*told, "--stdout", sentence)), dtype="float64")
    y = soxr.resample(y, sr * speaker.shift, SR, quality="VHQ")
    rng = seeded(speaker.id, sentence)
    y = _roughen(y, speaker.rough_pct, rng)
    y = _breathe(y, speaker.breath_db, rng)
    y = _with_air(_tilted(y, speaker.tilt_db))
    start, end = speech_span(y, SR)
    y = y[round(start * SR) : round(end * SR)]
    fade = round(0.005 * SR)
    y[:fade] *= np.linspace(0, 1, fade)
    y[-fade:] *= np.linspace(1, 0, fade)
    return y / active_rms(y, SR)


@cache
def f0_median(speaker: Speaker, sentence: str) -> float:
    """Median of librosa's pYIN track of the clean voice, in Hz."""
    import librosa

    y = soxr.resample(speak(speaker, sentence), SR, 16_000)
    f0, _, _ = librosa.pyin(y, sr=16_000, fmin=60, fmax=400, frame_length=1024)
    return float(np.nanmedian(f0))

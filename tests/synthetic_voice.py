"""Voices made by a source and filters, whose f0 is known at every moment.

A Rosenberg pulse train, computed at a multiple of the rate and low-passed, runs through four
resonances that glide from one vowel to another; between the vowels are fricatives and pauses.
"""

from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter
import soxr

OVERSAMPLED_SR = 96_000
STYLES = ("vibrato", "glide", "accent")
REF_HOP_S = 0.005
_VOWELS = {  # formants in Hz, after Peterson & Barney 1952
    "a": (730, 1090, 2440, 3400),
    "i": (270, 2290, 3010, 3700),
    "u": (300, 870, 2240, 3300),
    "e": (530, 1840, 2480, 3500),
    "o": (570, 840, 2410, 3300),
    "@": (500, 1500, 2500, 3500),
}
_BANDWIDTHS_HZ = (75, 90, 120, 150)


class SyntheticVoice(NamedTuple):
    """A signal, and its f0 in Hz at ``times`` in s: 0 where it is not voiced."""

    y: np.ndarray
    sr: int
    times: np.ndarray
    f0: np.ndarray


def synthetic_voice(
    f0: float = 120.0,
    duration_s: float = 2.0,
    *,
    style: str = "vibrato",
    seed: int = 0,
    sr: int = 16_000,
) -> SyntheticVoice:
    """Vowels about ``f0`` Hz with fricatives and pauses between, peak 0.6.

    The f0 wanders by semitones within a vowel and by 0.4 % from pulse to pulse; background noise
    lies 60 dB below the voice.
    """
    rng = np.random.default_rng(seed)
    signals, contours, length = [], [], 0
    while length < duration_s * OVERSAMPLED_SR:
        kind = rng.choice(["vowel", "vowel", "vowel", "fricative", "pause"])
        if kind == "vowel":
            contour = _contour(rng, f0, style)
            signal = _vowel(rng, contour, 1.0 if f0 < 160 else 1.17)
        else:
            signal = _fricative(rng) if kind == "fricative" else _pause(rng)
            contour = np.zeros(signal.size)
        signals.append(signal)
        contours.append(contour)
        length += signal.size
    n = round(duration_s * OVERSAMPLED_SR)
    y = soxr.resample(np.concatenate(signals)[:n], OVERSAMPLED_SR, sr, quality="VHQ")
    y *= 0.6 / np.abs(y).max()
    y += 1e-3 * y.std() * np.random.default_rng(seed + 1).standard_normal(y.size)
    step = round(REF_HOP_S * OVERSAMPLED_SR)
    ref = np.concatenate(contours)[:n:step]
    return SyntheticVoice(y.astype(np.float32), sr, np.arange(ref.size) * REF_HOP_S, ref)


def vowel(contour: np.ndarray, *, sr: int = 16_000, seed: int = 0) -> np.ndarray:
    """One vowel that follows ``contour``, f0 in Hz at 96 kHz; at ``sr``, float32, peak 0.5."""
    y = _vowel(np.random.default_rng(seed), np.asarray(contour, dtype=float), 1.0)
    y = soxr.resample(y, OVERSAMPLED_SR, sr, quality="VHQ")
    return (0.5 * y / np.abs(y).max()).astype(np.float32)


def noisy(y: np.ndarray, noise: np.ndarray, snr_db: float, voiced: np.ndarray) -> np.ndarray:
    """``y`` and ``noise`` at an SNR over the samples where ``voiced``, peak at most 0.99."""
    power = np.mean(np.square(y[voiced])) / np.mean(np.square(noise))
    z = y + noise * np.sqrt(power / 10 ** (snr_db / 10))
    return (z / max(1.0, np.abs(z).max() / 0.99)).astype(np.float32)


def babble(n: int, *, voices: int = 6, seed: int = 0, sr: int = 16_000) -> np.ndarray:
    """Several synthetic voices at once, each of the same power [shape=(n,)]."""
    rng = np.random.default_rng(seed)
    total = np.zeros(n, dtype=np.float32)
    for k in range(voices):
        other = synthetic_voice(
            float(rng.uniform(85, 300)),
            n / sr + 0.1,
            style=STYLES[k % 3],
            seed=seed + 1000 + k,
            sr=sr,
        ).y[:n]
        total += other / other.std()
    return total


def _contour(rng: np.random.Generator, f0: float, style: str) -> np.ndarray:
    """f0 of one vowel at every sample, Hz."""
    duration = rng.uniform(0.15, 0.8)
    t = np.arange(int(duration * OVERSAMPLED_SR)) / OVERSAMPLED_SR
    semitones = np.linspace(rng.uniform(-4, 4), rng.uniform(-5, 3), t.size)
    if style == "vibrato":
        semitones += rng.uniform(0.2, 0.8) * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * t)
    elif style == "glide":
        semitones = rng.choice([-1, 1]) * rng.uniform(5, 9) * (t / duration - 0.5)
    else:
        peak = np.exp(-0.5 * ((t / duration - 0.4) / 0.15) ** 2)
        semitones += rng.uniform(2, 6) * peak
    wander = lfilter([0.0005], [1, -0.9995], rng.standard_normal(t.size))
    contour = np.clip(f0 * 2 ** (semitones / 12), 70, 480)  # within 65 to 500 Hz, wander included
    return contour * (1 + 0.004 * wander / (wander.std() + 1e-9))


def _vowel(rng: np.random.Generator, contour: np.ndarray, scale: float) -> np.ndarray:
    source = _pulses(rng, contour)
    breath = source.std() * 10 ** (-rng.uniform(18, 30) / 20)
    source = source + breath * rng.standard_normal(source.size)
    start, stop = (_filtered(source, _VOWELS[v], scale) for v in rng.choice(list(_VOWELS), 2))
    fade = np.linspace(0, 1, source.size)
    y = (1 - fade) * start / start.std() + fade * stop / stop.std()
    ramp = int(0.012 * OVERSAMPLED_SR)
    y[:ramp] *= np.linspace(0, 1, ramp) ** 0.7
    y[-ramp:] *= np.linspace(1, 0, ramp) ** 0.7
    return y * rng.uniform(0.5, 1)


def _pulses(rng: np.random.Generator, contour: np.ndarray) -> np.ndarray:
    """Derivative of Rosenberg's glottal flow, with a spectral tilt."""
    phase = np.mod(np.cumsum(contour) / OVERSAMPLED_SR + rng.uniform(), 1)
    opened, tilt = rng.uniform(0.5, 0.75), rng.uniform(0.6, 0.9)
    rise, fall = 0.67 * opened, 0.33 * opened
    flow = np.where(
        phase < rise,
        0.5 * (1 - np.cos(np.pi * phase / rise)),
        np.where(phase < opened, np.cos(np.pi / 2 * (phase - rise) / fall), 0.0),
    )
    return lfilter([1 - tilt], [1, -tilt], np.diff(flow, prepend=flow[0]))


def _filtered(source: np.ndarray, formants: tuple[int, ...], scale: float) -> np.ndarray:
    for formant, bandwidth in zip(formants, _BANDWIDTHS_HZ, strict=True):
        source = _resonance(source, formant * scale, bandwidth)
    return source


def _resonance(x: np.ndarray, hz: float, bandwidth: float) -> np.ndarray:
    r = np.exp(-np.pi * bandwidth / OVERSAMPLED_SR)
    c = 2 * r * np.cos(2 * np.pi * hz / OVERSAMPLED_SR)
    return lfilter([1 - c + r * r], [1, -c, r * r], x)


def _fricative(rng: np.random.Generator) -> np.ndarray:
    n = int(rng.uniform(0.06, 0.2) * OVERSAMPLED_SR)
    y = _resonance(rng.standard_normal(n), rng.uniform(2500, 6500), 1500)
    return y / y.std() * rng.uniform(0.1, 0.3) * np.sqrt(np.hanning(n))


def _pause(rng: np.random.Generator) -> np.ndarray:
    return np.zeros(int(rng.uniform(0.1, 0.4) * OVERSAMPLED_SR))

"""What happens to a voice on its way into a file.

Conventions: a ``Scene`` keeps speech and each disturbance apart, float64 (n,) at ``SR``, so that
the truth is known exactly; ``record`` turns it into the 16-bit samples that are encoded. Levels of
noise are signal-to-noise ratios in dB, others dBFS.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import signal
import soxr
from voices import SR, active_rms, speech_span

TELEPHONE_HZ = (300.0, 3400.0)
ROOM_DBFS = -72.0
PEAK = 0.9
FULL_SCALE = 32768


@dataclass
class Scene:
    """One voice in one place before one microphone."""

    speech: np.ndarray
    rng: np.random.Generator
    layers: dict[str, np.ndarray] = field(default_factory=dict)
    truth: dict[str, object] = field(default_factory=dict)
    gain_db: float = 0.0
    dc_offset: float = 0.0
    clip_level: float | None = None
    clip_share: float = 0.0
    telephone: bool = False
    channel_gains: tuple[float, ...] = (1.0,)

    def add(self, layer: str, y: np.ndarray, snr_db: float) -> None:
        """Put a disturbance (n,) beside the speech, its power by the mean over the whole clip."""
        wanted = active_rms(self.speech, SR) * 10 ** (-snr_db / 20)
        self.layers[layer] = y * wanted / np.sqrt(np.mean(y**2))


def _coloured(rng: np.random.Generator, n: int, tilt_db: float, fmin: float = 40.0) -> np.ndarray:
    """Noise (n,) whose spectrum falls by ``tilt_db`` per octave above ``fmin``."""
    freqs = np.fft.rfftfreq(n, 1 / SR)
    shape = (np.maximum(freqs, fmin) / 1000) ** (tilt_db / 6.02) * (freqs > fmin / 2)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n)


def _clean(scene: Scene) -> None:
    """Leave it as it is."""


def _clicks(scene: Scene) -> None:
    """A button is pressed and let go: two short ringing bursts, in one or both silences."""
    start, end = speech_span(scene.speech, SR)
    rng, n = scene.rng, scene.speech.size
    y, times = np.zeros(n), []
    for low, high in ((0.15, start - 0.35), (end + 0.2, n / SR - 0.3)):
        press = rng.uniform(low, high)
        for at in (press, press + rng.uniform(0.07, 0.12)):
            t = np.arange(round(0.012 * SR)) / SR
            ring = np.sin(2 * np.pi * rng.uniform(1800, 4200) * t) + 0.5 * rng.standard_normal(
                t.size
            )
            burst = ring * np.exp(-t / rng.uniform(0.001, 0.002))
            first = round(at * SR)
            y[first : first + t.size] += rng.uniform(0.25, 0.5) * burst / np.abs(burst).max()
            times.append(round(first / SR, 4))
    scene.layers["clicks"] = y
    scene.truth["click_times_s"] = times


def _broad_varying_noise(scene: Scene) -> None:
    """Traffic and wind: all frequencies, the level wandering by up to 9 dB either way."""
    rng, n = scene.rng, scene.speech.size
    steps = np.arange(0, n + SR // 2, round(0.4 * SR))
    level_db = np.interp(np.arange(n), steps, rng.uniform(-9, 9, steps.size))
    noise = _coloured(rng, n, rng.uniform(-4.5, -2.5)) * 10 ** (level_db / 20)
    scene.add("noise", noise, rng.uniform(4, 12))
    scene.truth["noise_kind"] = "broad_varying"


def _narrow_band_noise(scene: Scene) -> None:
    """A machine: one band of noise that never changes."""
    centre, width = scene.rng.uniform(1500, 4500), scene.rng.uniform(200, 500)
    band = [centre - width / 2, centre + width / 2]
    sos = signal.butter(4, band, "bandpass", fs=SR, output="sos")
    scene.add(
        "noise",
        signal.sosfiltfilt(sos, scene.rng.standard_normal(scene.speech.size)),
        scene.rng.uniform(3, 10),
    )
    scene.truth |= {
        "noise_kind": "narrow_band_constant",
        "noise_low_hz": round(band[0], 1),
        "noise_high_hz": round(band[1], 1),
    }


def _hum(scene: Scene, mains_hz: float) -> None:
    """The mains and its harmonics, the odd ones stronger."""
    t = np.arange(scene.speech.size) / SR
    y = np.zeros(t.size)
    for k in range(1, 11):
        strength = (1.0 if k % 2 else 0.5) / k**0.7 * scene.rng.uniform(0.8, 1.2)
        y += strength * np.sin(2 * np.pi * mains_hz * k * t + scene.rng.uniform(0, 2 * np.pi))
    scene.add("hum", y, scene.rng.uniform(6, 14))
    scene.truth |= {"hum_hz": mains_hz, "noise_kind": scene.truth.get("noise_kind", "hum")}


def _hum_50_hz(scene: Scene) -> None:
    _hum(scene, 50.0)


def _hum_60_hz(scene: Scene) -> None:
    _hum(scene, 60.0)


def _clipping(scene: Scene) -> None:
    """Too loud for the input; some recorders turn the flattened wave down afterwards."""
    scene.clip_level = float(scene.rng.choice([1.0, 1.0, 0.6]))
    scene.clip_share = scene.rng.uniform(0.02, 0.06)


def _low_level(scene: Scene) -> None:
    scene.gain_db -= scene.rng.uniform(22, 30)


def _dc_offset(scene: Scene) -> None:
    scene.dc_offset = float(scene.rng.choice([-1, 1]) * scene.rng.uniform(0.04, 0.15))


def _telephone_band(scene: Scene) -> None:
    scene.telephone = True


def _stereo(scene: Scene) -> None:
    scene.channel_gains = (1.0, scene.rng.uniform(0.6, 0.9))


def _one_dead_channel(scene: Scene) -> None:
    scene.channel_gains = (1.0, 0.0) if scene.rng.random() < 0.5 else (0.0, 1.0)


def _several(scene: Scene) -> None:
    """Hum, noise and a low level, between long silences."""
    _broad_varying_noise(scene)
    _hum(scene, 50.0)
    scene.gain_db -= 12


# In a lesson's order: the clean one, the article's four, then the others.
SITUATIONS: dict[str, Callable[[Scene], None]] = {
    "clean": _clean,
    "silence_at_both_ends": _clean,
    "clicks_in_the_silence": _clicks,
    "broad_varying_noise": _broad_varying_noise,
    "constant_narrow_band_noise": _narrow_band_noise,
    "hum_50_hz": _hum_50_hz,
    "hum_60_hz": _hum_60_hz,
    "clipping": _clipping,
    "low_level": _low_level,
    "dc_offset": _dc_offset,
    "telephone_band": _telephone_band,
    "low_sampling_rate": _clean,
    "stereo": _stereo,
    "one_dead_channel": _one_dead_channel,
    "several_at_once": _several,
}
_LONG_SILENCE = {"silence_at_both_ends", "clicks_in_the_silence", "several_at_once"}


def stage(voice: np.ndarray, situation: str, rng: np.random.Generator) -> Scene:
    """A voice (n,) of RMS 1, at a talker's level, between silences, in its situation."""
    low, high = (0.9, 1.5) if situation in _LONG_SILENCE else (0.15, 0.45)
    lead, tail = rng.uniform(low, high, 2)
    squeeze = min(1.0, (5.95 - voice.size / SR) / (lead + tail))
    pads = (round(lead * squeeze * SR), round(tail * squeeze * SR))
    level = min(10 ** (rng.uniform(-27, -21) / 20), 0.75 / np.abs(voice).max())
    scene = Scene(np.pad(voice * level, pads), rng)
    room = _coloured(rng, scene.speech.size, -2.0)
    scene.layers["room"] = room / np.sqrt(np.mean(room**2)) * 10 ** (ROOM_DBFS / 20)
    SITUATIONS[situation](scene)
    return scene


def record(scene: Scene, sr: int) -> tuple[np.ndarray, dict[str, object]]:
    """What the recorder writes, and what is known of it.

    Returns
    -------
    samples : np.ndarray [shape=(n, channels)]
        int16 at ``sr``.
    truth : dict
        Columns of ``truth.parquet``; what does not apply is left out.
    """
    speech = _through(scene, scene.speech, sr)
    layers = {name: _through(scene, y, sr) for name, y in scene.layers.items()}
    mix = speech + sum(layers.values())
    gain = 1.0
    if scene.clip_level is not None:
        gain = scene.clip_level / float(np.quantile(np.abs(mix), 1 - scene.clip_share))
    elif np.abs(mix).max() + abs(scene.dc_offset) > PEAK:
        gain = (PEAK - abs(scene.dc_offset)) / float(np.abs(mix).max())
    speech, mix = speech * gain, mix * gain
    rail = scene.clip_level or 1.0
    mono = np.clip(mix + scene.dc_offset, -rail, rail)
    samples = np.outer(mono, scene.channel_gains)
    if all(scene.channel_gains[1:]):
        samples[:, 1:] += 1e-4 * scene.rng.standard_normal(samples[:, 1:].shape)
    truth = scene.truth | _measured(speech, {k: y * gain for k, y in layers.items()}, sr)
    truth |= {
        "gain_db": scene.gain_db + 20 * np.log10(gain),
        "dc_offset": scene.dc_offset,
        "clipped_share": float(np.mean(np.abs(mono) >= rail)),
        "peak": float(np.abs(samples).max()),
        "bandwidth_hz": TELEPHONE_HZ[1] if scene.telephone else np.nan,
        "sr": sr,
        "channels": len(scene.channel_gains),
    }
    return np.clip(np.round(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(
        np.int16
    ), truth


def _through(scene: Scene, y: np.ndarray, sr: int) -> np.ndarray:
    """The linear part of the way: telephone line, gain, sampling rate."""
    if scene.telephone:
        sos = signal.butter(6, TELEPHONE_HZ, "bandpass", fs=SR, output="sos")
        y = signal.sosfiltfilt(sos, y)
    return soxr.resample(y * 10 ** (scene.gain_db / 20), SR, sr, quality="VHQ")


def _measured(speech: np.ndarray, layers: dict[str, np.ndarray], sr: int) -> dict[str, object]:
    start, end = speech_span(speech, sr)
    found: dict[str, object] = {"speech_start_s": start, "speech_end_s": end}
    power = {name: float(np.mean(y**2)) for name, y in layers.items()}
    unwanted = power.get("noise", power.get("hum"))
    if unwanted is not None:
        found["snr_db"] = 10 * np.log10(active_rms(speech, sr) ** 2 / unwanted)
    if "hum" in power:
        found["hum_db"] = 10 * np.log10(power["hum"])
    return found

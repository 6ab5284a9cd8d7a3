"""The checks against recordings whose faults are known: found, false alarms, SNR, speed.

    python -m benchmarks.check [--voices N] [--real N]

The built-in recordings bring their own faults (``demo/truth.parquet``); more of each is planted in
the clean ones. SNR is tried on mixes of clean voices with white noise, babble and hum, tightly cut,
with a second of silence at both ends before the noise is added, and with a second of zeros after.
Clean and ordinary clips of Common Voice take part where the shared recordings are
(PHONOSCOPE_SHARED).
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
import io
import os
from pathlib import Path
import time

import numpy as np
import pandas as pd

from core import audio, quality
from core.audio import ClipRef

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PHONOSCOPE_SHARED", ROOT.parent / "shared")) / "data"
SNRS = (5, 10, 15, 20, 25, 30)
CLICK_S = 0.005  # how near a click has to be found
# Which check shows a situation of the built-in recordings.
SITUATIONS = {
    "silence_at_both_ends": ("head_silence", "tail_silence"),
    "clicks_in_the_silence": ("clicks",),
    "broad_varying_noise": ("snr",),
    "constant_narrow_band_noise": ("snr",),
    "hum_50_hz": ("hum",),
    "hum_60_hz": ("hum",),
    "clipping": ("clipping",),
    "low_level": ("active_level",),
    "dc_offset": ("dc_offset",),
    "telephone_band": ("bandwidth",),
    "low_sampling_rate": ("bandwidth",),
    "one_dead_channel": ("channels",),
}
Signal = tuple[np.ndarray, int]
Plant = Callable[[np.ndarray, int, np.random.Generator], tuple[np.ndarray, object]]


def load(path: Path) -> Signal:
    """A file at its own rate, (channels, n)."""
    return audio.load(ClipRef.of(path), mono=False)


def is_bad(report: quality.Report, key: str) -> bool:
    """Whether a check warns or fails."""
    return report[key].verdict in ("warn", "fail")


def through_mp3(y: np.ndarray, sr: int) -> np.ndarray:
    """Encoded at libsndfile's default quality and decoded again, with the delay taken off."""
    import soundfile as sf

    with io.BytesIO() as file:
        sf.write(file, np.clip(y, -1, 1).T, sr, format="MP3")
        file.seek(0)
        found, _ = sf.read(file, dtype="float32", always_2d=True)
    return np.ascontiguousarray(found.T)


def frame_power(y: np.ndarray, sr: int) -> np.ndarray:
    """Mean squares of frames of 10 ms."""
    size = round(0.010 * sr)
    return np.square(y[: y.size // size * size].reshape(-1, size), dtype=np.float64).mean(axis=1)


def active(y: np.ndarray, sr: int) -> tuple[float, slice]:
    """RMS of the frames within 40 dB of the loudest, and the samples from the first to the last."""
    power = frame_power(y, sr)
    on = power > power.max() * 1e-4
    at, size = np.flatnonzero(on), round(0.010 * sr)
    return float(np.sqrt(power[on].mean())), slice(int(at[0]) * size, int(at[-1] + 1) * size)


# Faults to plant: each gives the signal and what has to be found.


def clipped(share: float) -> Plant:
    """So loud that this share of the samples is cut off, then turned down to 0.7."""

    def plant(y, sr, rng):
        rail = np.quantile(np.abs(y), 1 - share)
        return np.clip(y, -rail, rail) * (0.7 / rail), None

    return plant


def hum(mains: float, level_db: float) -> Plant:
    """Ten lines, as loud together as ``level_db`` dBFS."""

    def plant(y, sr, rng):
        return y + hum_noise(y.shape[1], sr, mains, rng) * 10 ** (level_db / 20), mains

    return plant


def hum_noise(n: int, sr: int, mains: float, rng: np.random.Generator) -> np.ndarray:
    """The mains and its multiples, RMS 1."""
    t = np.arange(n) / sr
    y = sum(
        (1 if k % 2 else 0.5) / k**0.7 * np.sin(2 * np.pi * (mains * k * t + rng.random()))
        for k in range(1, 11)
    )
    return (y / np.sqrt(np.mean(y**2))).astype(np.float32)


def offset(value: float) -> Plant:
    """A constant added."""
    return lambda y, sr, rng: (y * 0.8 + np.float32(value), None)


def quieter(level_db: float) -> Plant:
    """Active level set to this many dBFS."""
    return lambda y, sr, rng: (y * (10 ** (level_db / 20) / active(y[0], sr)[0]), None)


def clicks(peak: float, ring_s: float) -> Plant:
    """One in the silence before the speech and one after; 0 s is a single sample."""

    def plant(y, sr, rng):
        pad = np.random.default_rng(0).standard_normal((len(y), sr // 2)) * 10 ** (-72 / 20)
        y = np.concatenate([pad, y, pad], axis=1).astype(np.float32)
        times = [rng.uniform(0.1, 0.4), y.shape[1] / sr - rng.uniform(0.1, 0.4)]
        for at in times:
            t = np.arange(max(1, round(0.012 * sr))) / sr
            ring = np.cos(2 * np.pi * rng.uniform(1800, 0.4 * sr) * t) * np.exp(-t / ring_s)
            first = round(at * sr)
            y[:, first : first + t.size] += (peak * ring).astype(np.float32)
        return y, times

    return plant


def gaps(length_s: float) -> Plant:
    """Three gaps of zeros where the speech is loud."""

    def plant(y, sr, rng):
        y = y.copy()
        power, size = frame_power(y[0], sr), round(length_s * sr)
        loud = np.flatnonzero(power > np.percentile(power, 70))
        for at in rng.choice(loud, 3, replace=False) * round(0.010 * sr):
            y[:, at : at + size] = 0
        return y, None

    return plant


def telephone(y: np.ndarray, sr: int, rng: np.random.Generator) -> tuple[np.ndarray, object]:
    """8 kHz, 300 to 3400 Hz, and up to the old rate again."""
    from scipy import signal

    low = audio.resample(y, sr_in=sr, sr_out=8000)
    sos = signal.butter(6, (300, 3400), "bandpass", fs=8000, output="sos")
    low = signal.sosfilt(sos, low, axis=1).astype(np.float32)
    return audio.resample(low, sr_in=8000, sr_out=sr), 3400.0


def upsampled(from_sr: int) -> Plant:
    """Down to a lower rate and up again."""

    def plant(y, sr, rng):
        low = audio.resample(y, sr_in=sr, sr_out=from_sr)
        return audio.resample(low, sr_in=from_sr, sr_out=sr), from_sr / 2

    return plant


def channels(second: float) -> Plant:
    """A second channel: the first one times ``second``, with noise of its own if it lives."""

    def plant(y, sr, rng):
        noise = 1e-4 * rng.standard_normal(y.shape[1]) * (second not in (0, 1))
        return np.stack([y[0], second * y[0] + noise]).astype(np.float32), None

    return plant


def long_silence(y: np.ndarray, sr: int, rng: np.random.Generator) -> tuple[np.ndarray, object]:
    """1.2 s more at both ends."""
    pad = np.random.default_rng(0).standard_normal((len(y), round(1.2 * sr))) * 10 ** (-72 / 20)
    return np.concatenate([pad, y, pad], axis=1).astype(np.float32), None


PLANTS: tuple[tuple[str, str, Plant, bool], ...] = (
    ("clipping 0.1 %", "clipping", clipped(0.001), False),
    ("clipping 0.5 %", "clipping", clipped(0.005), False),
    ("clipping 0.5 %, MP3", "clipping", clipped(0.005), True),
    ("clipping 2 %, MP3", "clipping", clipped(0.02), True),
    ("hum 50 Hz at -45 dBFS", "hum", hum(50, -45), False),
    ("hum 60 Hz at -45 dBFS", "hum", hum(60, -45), False),
    ("hum 50 Hz at -45 dBFS, MP3", "hum", hum(50, -45), True),
    ("level -45 dBFS", "active_level", quieter(-45), False),
    ("DC offset 0.02", "dc_offset", offset(0.02), False),
    ("ringing clicks, peak 0.1", "clicks", clicks(0.1, 0.0015), False),
    ("ringing clicks, peak 0.1, MP3", "clicks", clicks(0.1, 0.0015), True),
    ("clicks of one sample, peak 0.2", "clicks", clicks(0.2, 1e-6), False),
    ("gaps of 20 ms", "dropouts", gaps(0.020), False),
    ("gaps of 60 ms, MP3", "dropouts", gaps(0.060), True),
    ("telephone", "bandwidth", telephone, False),
    ("up-sampled from 8 kHz", "bandwidth", upsampled(8000), False),
    ("up-sampled from 11 kHz", "bandwidth", upsampled(11_025), False),
    ("one dead channel", "channels", channels(0.0), False),
    ("one channel inverted", "channels", channels(-1.0), False),
    ("one channel 12 dB lower", "channels", channels(0.25), False),
    ("one channel twice", "channels", channels(1.0), False),
    ("1.2 s of silence more", "head_silence", long_silence, False),
)


def demo() -> Iterator[tuple[dict, np.ndarray, int]]:
    """Rows of the truth with their clips."""
    for row in pd.read_parquet(ROOT / "demo" / "truth.parquet").to_dict("records"):
        yield row, *load(ROOT / "demo" / "clips" / row["clip"])


def near(report: quality.Report, times: list[float]) -> list[float]:
    """How far the nearest click found is from each of ``times``, s."""
    found = [start for start, _ in report["clicks"].places] or [np.inf]
    return [min(abs(t - at) for at in found) for t in times]


def built_in() -> None:
    """Faults that the built-in recordings have, and false alarms on the clean ones."""
    found: dict[str, list[bool]] = {}
    alarms: Counter[str] = Counter()
    spent, clean, hum_right, click_s, snr_error = 0.0, 0, [], [], []
    for row, y, sr in demo():
        began = time.process_time()
        report = quality.check(y, sr)
        spent += time.process_time() - began
        situation = row["situation"]
        for key in SITUATIONS.get(situation, ()):
            found.setdefault(f"{situation}: {key}", []).append(is_bad(report, key))
        if row["hum_hz"] > 0:
            hum_right.append(report["hum"].extra.get("hum_hz") == row["hum_hz"])
        click_s += near(report, row["click_times_s"])
        snr_error.append(report["snr"].value - row["snr_db"])
        if situation == "clean":
            clean += 1
            narrow = {"bandwidth"} if sr < 12_000 else set()
            bad = {c.key for c in report.checks if is_bad(report, c.key)}
            alarms.update(bad - narrow)
    print(f"built-in recordings; {1000 * spent / 194:.1f} ms CPU a clip")
    for name, hits in found.items():
        print(f"  {name:45} {sum(hits):3} of {len(hits):3} found")
    print(f"  hum frequency right: {sum(hum_right)} of {len(hum_right)}")
    print(
        f"  clicks within 5 ms: {np.mean(np.array(click_s) <= CLICK_S):.1%} of {len(click_s)}; "
        f"median {1000 * np.median(click_s):.1f} ms"
    )
    known = np.array(snr_error)[np.isfinite(snr_error)]
    print(
        f"  SNR, {known.size} noisy clips: median error {np.median(known):+.1f} dB, "
        f"median absolute error {np.median(np.abs(known)):.1f} dB"
    )
    said = ", ".join(f"{key} {n}" for key, n in alarms.items()) or "none"
    print(f"  false alarms on {clean} clean clips: {said}")


def planted(voices: list[Signal]) -> None:
    """Faults planted in clean voices."""
    print(f"planted in {len(voices)} clean clips of 16 kHz and more")
    for name, key, plant, coded in PLANTS:
        hits, right, click_s, values = [], [], [], []
        for i, (y, sr) in enumerate(voices):
            bad, truth = plant(y, sr, np.random.default_rng(i))
            bad = through_mp3(bad, sr) if coded else bad
            report = quality.check(bad.astype(np.float32), sr)
            hits.append(is_bad(report, key))
            values.append(report[key].value)
            if key == "hum":
                right.append(report["hum"].extra.get("hum_hz") == truth)
            if key == "clicks":
                click_s += near(report, truth)
        more = f"; frequency right {np.mean(right):.0%}" if right else ""
        if click_s:
            more = f"; within 5 ms {np.mean(np.array(click_s) <= CLICK_S):.1%} of {len(click_s)}"
        print(f"  {name:32} found {np.mean(hits):6.1%}; median value {np.median(values):.4g}{more}")


def noises(
    n: int, sr: int, others: list[Signal], rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """White noise, babble of six other voices, and hum, each (n,) of RMS 1."""
    yield "white", rng.standard_normal(n).astype(np.float32)
    babble = np.zeros(n, np.float32)
    for i in rng.choice(len(others), 6, replace=False):
        y, other = others[i]
        voice = audio.resample(y[0, active(y[0], other)[1]], sr_in=other, sr_out=sr)
        voice = np.tile(voice, n // voice.size + 2)[rng.integers(voice.size) :][:n]
        babble += voice / np.sqrt(np.mean(voice**2))
    yield "babble", babble / np.sqrt(np.mean(babble**2))
    yield "hum", hum_noise(n, sr, float(rng.choice([50, 60])), rng)


def mixes(name: str, voices: list[Signal]) -> pd.DataFrame:
    """SNR measured and true, for every voice, noise, level and kind of silence."""
    rows = []
    for i, (y, sr) in enumerate(voices):
        rng = np.random.default_rng(i)
        level, span = active(y[0], sr)
        voice = y[0, span] / level * 0.05
        second = np.zeros(sr, np.float32)
        for silence in ("tight", "silence", "zeros"):
            speech = np.concatenate([second, voice, second]) if silence == "silence" else voice
            others = [v for j, v in enumerate(voices) if j != i]
            for kind, noise in noises(speech.size, sr, others, rng):
                for snr_db in SNRS:
                    mix = speech + noise * (0.05 * 10 ** (-snr_db / 20))
                    if silence == "zeros":
                        mix = np.concatenate([second, mix, second])
                    mix = mix.astype(np.float32)
                    value = quality.check(mix, sr)["snr"].value
                    rows.append((name, silence, kind, snr_db, value - snr_db))
    return pd.DataFrame(rows, columns=["voices", "silence", "noise", "snr_db", "error_db"])


def tell_mixes(found: pd.DataFrame) -> None:
    """Print medians of the error and of its magnitude."""
    found = found.assign(absolute=found["error_db"].abs(), unknown=found["error_db"].isna())
    names = {"error_db": "median", "absolute": "median", "unknown": "mean"}
    print(f"SNR of {len(found)} mixes: median absolute error {found['absolute'].median():.2f} dB")
    for by in (["voices", "noise"], ["silence"], ["noise", "snr_db"], ["snr_db"]):
        print(found.groupby(by).agg(names).round(2).to_string())


def real(count: int) -> None:
    """What ordinary recordings get."""
    paths = sorted((SHARED / "common_voice" / "clips").glob("*.mp3"))
    chosen = np.random.default_rng(0).choice(len(paths), min(count, len(paths)), replace=False)
    verdicts: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    for i in chosen:
        report = quality.check_file(ClipRef.of(paths[i]))
        verdicts[report.verdict] += 1
        checks.update(f"{c.key} {c.verdict}" for c in report.checks if is_bad(report, c.key))
    print(f"{len(chosen)} ordinary clips: {dict(verdicts)}")
    print(f"  {dict(checks.most_common())}")
    for path in sorted((SHARED / "article").glob("c4_sample-*.mp3")):
        print(f"  {path.name}: {quality.check_file(ClipRef.of(path)).sentence}")


def clean_real(count: int) -> list[Signal]:
    """Clips of Common Voice whose pauses are at least 45 dB below the speech."""
    found: list[Signal] = []
    for path in sorted((SHARED / "common_voice" / "clips").glob("*.mp3"))[::7]:
        y, sr = load(path)
        if len(found) < count and quality.check(y, sr)["snr"].value > 50:
            found.append((y[:1], sr))
    return found


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voices", type=int, default=20, help="of each kind in the mixes")
    parser.add_argument("--real", type=int, default=200, help="ordinary clips")
    args = parser.parse_args()
    quality.warm()
    built_in()
    clean = [(y, sr) for row, y, sr in demo() if row["situation"] == "clean" and sr >= 16_000]
    planted(clean)
    parts = [mixes("demo", clean[: args.voices])]
    if (SHARED / "common_voice").is_dir():
        parts.append(mixes("common_voice", clean_real(args.voices)))
    tell_mixes(pd.concat(parts))
    if args.real and (SHARED / "common_voice").is_dir():
        real(args.real)


if __name__ == "__main__":
    main()

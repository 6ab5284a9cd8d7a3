"""The denoiser on mixes of known noise, beside none at all and noisereduce: quality, level, CPU.

    python -m benchmarks.denoise [--voices N] [--workers N] [--spreads N]

Clean built-in voices and clean clips of Common Voice (where the shared recordings are,
PHONOSCOPE_SHARED), at 16,000 Hz, with white noise, babble of six other voices, and hum, at 20, 10,
5 and 0 dB below the active speech; and untouched. Scores: wide-band PESQ (``pip install pesq``;
left out without it), SI-SDR, and the level of the speech in the output: its projection on the clean
voice, dB. noisereduce is ``reduce_noise(y, sr, stationary=False)`` with its defaults.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import math
import multiprocessing
import time
import warnings

import numpy as np
import pandas as pd

from benchmarks.check import SHARED, Signal, active, clean_real, demo, noises
from core import audio, clean
from core.audio import ClipRef
from core.features import extract
from core.params import Denoise

SR = 16_000
SNRS = (20, 10, 5, 0)
METHODS = ("unprocessed", "lsa", "noisereduce")
CLEAN_DB = 99.0  # stands for: no noise added


def cleaned(y: np.ndarray, method: str) -> np.ndarray:
    """What a method leaves of a signal at ``SR``."""
    if method == "unprocessed":
        return y
    if method == "lsa":
        return clean.denoise_lsa(y, sr=SR, strength_db=Denoise().strength_db)
    import noisereduce

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return noisereduce.reduce_noise(y, SR, stationary=False)


def si_sdr(speech: np.ndarray, y: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio, dB [Le Roux et al., ICASSP 2019]."""
    target = speech * (np.dot(y, speech) / np.dot(speech, speech))
    return 10 * math.log10(np.sum(target**2) / max(np.sum((y - target) ** 2), 1e-12))


def speech_level(speech: np.ndarray, y: np.ndarray) -> float:
    """Level of the speech within ``y``, dB re the clean voice."""
    return 20 * math.log10(max(np.dot(y, speech) / np.dot(speech, speech), 1e-6))


def pesq_wb(speech: np.ndarray, y: np.ndarray) -> float:
    """Wide-band PESQ (ITU-T P.862.2); NaN where the package is missing or finds no speech."""
    try:
        import pesq
    except ImportError:
        return math.nan
    try:
        return float(pesq.pesq(SR, speech, y, "wb"))
    except pesq.PesqError:
        return math.nan


def at_rate(voices: list[Signal]) -> list[np.ndarray]:
    """The active part of each voice at ``SR`` with half a second of silence around, RMS 0.05."""
    found = []
    for y, sr in voices:
        level, span = active(y[0], sr)
        voice = audio.resample(y[0, span], sr_in=sr, sr_out=SR) * (0.05 / level)
        found.append(np.pad(voice, SR // 2).astype(np.float32))
    return found


def mixes(voices: list[np.ndarray], i: int) -> list[tuple[str, float, np.ndarray]]:
    """Noise, SNR in dB, and the mix, for one voice; the first is the voice itself."""
    rng, speech = np.random.default_rng(i), voices[i]
    others = [(v[None], SR) for j, v in enumerate(voices) if j != i]
    found = [("none", CLEAN_DB, speech)]
    for kind, noise in noises(speech.size, SR, others, rng):
        for snr_db in SNRS:
            mix = speech + noise * (0.05 * 10 ** (-snr_db / 20))
            found.append((kind, float(snr_db), mix.astype(np.float32)))
    return found


def scored(name: str, voices: list[np.ndarray], i: int) -> list[tuple]:
    """Scores of every method on every mix of one voice."""
    rows, speech = [], voices[i].astype(np.float64)
    for kind, snr_db, mix in mixes(voices, i):
        for method in METHODS:
            y = cleaned(mix, method)
            level = speech_level(speech, y)
            value = pesq_wb(voices[i], y.astype(np.float32))
            rows.append((name, kind, snr_db, method, i, si_sdr(speech, y), value, level))
    return rows


def scores(name: str, voices: list[np.ndarray], workers: int) -> pd.DataFrame:
    """Scores of all voices, in this process or in ``workers`` others."""
    one = partial(scored, name, voices)
    if workers < 2:
        rows = [row for i in range(len(voices)) for row in one(i)]
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            rows = [row for part in pool.map(one, range(len(voices))) for row in part]
    columns = ["voices", "noise", "snr_db", "method", "voice", "si_sdr", "pesq", "level_db"]
    return pd.DataFrame(rows, columns=columns)


def tell(found: pd.DataFrame) -> None:
    """Print means by noise and SNR, and how the goals were met."""
    names = ["pesq", "si_sdr", "level_db"]
    table = found.pivot_table(names, ["noise", "snr_db"], "method", sort=False)
    print(table.reindex(columns=list(METHODS), level=1)[names].round(2).to_string())
    by = ["voices", "noise", "snr_db"]
    noisy = found[found["noise"] != "none"]
    means = noisy.pivot_table(names, by, "method")
    for name in ("pesq", "si_sdr"):
        gain = means[name, "lsa"] - means[name, "noisereduce"]
        print(f"{name} over noisereduce: {_spread(gain)}")
    above = means[means.index.get_level_values("snr_db") >= 10]
    harm = above["pesq", "lsa"] - above["pesq", "unprocessed"]
    print(f"pesq over unprocessed at 10 dB and above: {_spread(harm)}")
    print(f"level of speech at 10 dB and above: {_spread(above['level_db', 'lsa'])}")
    wide = noisy.pivot_table("pesq", ["voices", "voice", "noise", "snr_db"], "method")
    wide = wide[wide.index.get_level_values("snr_db") >= 10]
    worse = wide["lsa"] < wide["unprocessed"] - 0.02
    print(f"single mixes at 10 dB and above worse by more than 0.02 PESQ: {worse.mean():.1%}")


def _spread(values: pd.Series) -> str:
    return f"worst {values.min():+.2f}, mean {values.mean():+.2f}, best {values.max():+.2f}"


def cpu(voices: list[np.ndarray], rounds: int = 5) -> None:
    """CPU a second of sound, methods in turn; the smallest of the rounds."""
    spent = {method: [math.inf] * len(voices) for method in METHODS[1:]}
    for _ in range(rounds):
        for i, speech in enumerate(voices):
            noise = np.random.default_rng(i).standard_normal(speech.size) * 0.015
            mix = (speech + noise).astype(np.float32)
            for method in spent:
                began = time.process_time()
                cleaned(mix, method)
                spent[method][i] = min(spent[method][i], time.process_time() - began)
    seconds = sum(speech.size for speech in voices) / SR
    for method, times in spent.items():
        print(f"CPU of {method}: {1000 * sum(times) / seconds:.2f} ms a second of sound")


def spreads(count: int) -> None:
    """Print half the width of the middle 68 % of every feature, over one clip of each speaker."""
    folder = SHARED / "common_voice"
    rows = pd.read_csv(folder / "validated.tsv", sep="\t").drop_duplicates("client_id")
    found = []
    for path, text in rows[["path", "sentence"]].head(count).itertuples(index=False):
        y, sr = audio.load(ClipRef.of(folder / "clips" / path))
        found.append(extract(y, sr=sr, feature_set="voice-v1", text=text).values)
    low, high = pd.DataFrame(found).quantile([0.16, 0.84]).to_numpy()
    for name, spread in zip(found[0], (high - low) / 2, strict=True):
        print(f'    "{name}": {spread:.3g},')


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voices", type=int, default=20, help="of each kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--spreads", type=int, default=0, help="voices; print their spreads")
    args = parser.parse_args()
    if args.spreads:
        spreads(args.spreads)
        return
    clean.warm()
    built_in = [(y, sr) for row, y, sr in demo() if row["situation"] == "clean" and sr >= SR]
    sets = {"demo": at_rate(built_in[: args.voices])}
    if (SHARED / "common_voice").is_dir():
        sets["common_voice"] = at_rate(clean_real(args.voices))
    tell(pd.concat([scores(name, voices, args.workers) for name, voices in sets.items()]))
    cpu(sets["demo"])


if __name__ == "__main__":
    main()

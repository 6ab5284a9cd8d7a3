"""From a survey to the value, the words and the places of each check.

Conventions: every function takes a ``Survey`` and gives a ``Found``; places are (start, end) in s.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import math
from typing import TYPE_CHECKING

import numpy as np

from core.quality import _hum, _speech
from core.quality._moments import Moment
from core.quality._spectrum import Edge, edge
from core.quality._survey import BINS, Survey

if TYPE_CHECKING:
    from core.audio import AudioInfo

    Info = Callable[[], AudioInfo] | None

MOST_PLACES = 50
NAN = math.nan
_LOWEST_RAIL = 0.02  # below it steps of 16 bits make runs of their own
_BUMP = 1.1  # times as many samples as below; speech reaches 1.0
_BLUR = 0.03  # of a rail by lossy coding
_FEWEST = 20  # samples in a bump
_BRIEF_S = 0.25  # a shorter stretch with clicks in it is no speech
_EDGE_S = 0.06
_IN_SPEECH_DB = 24.0
_DEAD_DB = 60.0  # below the loudest channel
_STANDARD_HZ = (4000, 5512, 6000, 8000, 11_025, 12_000, 16_000, 22_050)
_LOSSY = ("mp3", "mpeg", "aac", "vorbis", "opus", "wma", "amr", "ac3", "speex")


@dataclass(frozen=True)
class Found:
    """A value; ``verdict`` overrules the thresholds where words say more than a number."""

    value: float
    detail: str = ""
    worst: tuple[float, float] | None = None
    places: tuple[tuple[float, float], ...] = ()
    extra: Mapping[str, float] = field(default_factory=dict)
    verdict: str = ""


def measure(seen: Survey, info: "Info") -> dict[str, Found]:
    """What was found, by the key of the check."""
    sr, duration_s = seen.sr, seen.samples / seen.sr
    wide, band = np.concatenate(seen.wide), np.concatenate(seen.band)
    heard = _speech.speech(wide, band, sr=sr, duration_s=duration_s)
    peak = max(float(state[:2].max()) for state in seen.state)
    return {
        "clipping": _clipping(seen),
        "peak": Found(_db(peak)),
        "true_peak": Found(_db(seen.true_peak)),
        "loudness": Found(_speech.loudness(np.concatenate(seen.loudness), sr=sr)),
        "active_level": Found(_speech.active_level(seen.active, seen.squares, sr=sr)),
        "snr": Found(heard.snr_db, worst=heard.noisiest),
        "noise_floor": Found(heard.noise_floor_dbfs, worst=heard.noisiest),
        "hum": _hum_found(seen),
        "dc_offset": Found(max(abs(state[2]) / seen.samples for state in seen.state)),
        "clicks": _moments([m for m in seen.clicks if not _in_speech(m, heard.segments)]),
        "dropouts": _moments(seen.dropouts),
        "bandwidth": _bandwidth(seen, info),
        "channels": _channels(seen),
        **_ends(heard, duration_s, seen.clicks),
    }


def _clipping(seen: Survey) -> Found:
    shares, places = [], []
    for state, counts, runs, histogram in zip(
        seen.state, seen.counts, seen.runs, seen.histogram, strict=True
    ):
        if state[:2].max() < _LOWEST_RAIL:
            continue
        at_rails = int(counts[:, 0].sum())
        # A rail on either side at the same magnitude shows best in both together.
        bumps = sum(_bump(histogram[s], state[s]) for s in range(2))
        bumps = max(bumps, _bump(histogram.sum(axis=0), state[:2].max()))
        # Bumps tell that there is a rail; where it is still sharp, its samples are counted.
        shares.append((at_rails if 2 * at_rails >= bumps else bumps) / seen.samples)
        kept = [row for s in range(2) for row in runs[s, : min(counts[s, 2], runs.shape[1])]]
        places += [(a / seen.sr, b / seen.sr) for a, b in kept]
    if not shares:
        return Found(NAN, "too faint to tell")
    places.sort()
    at = seen.loudest[1]
    worst = max(places, key=lambda p: p[1] - p[0]) if places else (at, at)
    return Found(
        max(shares), worst=worst if max(shares) else None, places=tuple(places[:MOST_PLACES])
    )


def _bump(histogram: np.ndarray, top: float) -> float:
    """Samples in a bump near the largest magnitude; 0 where magnitudes only become rarer.

    Speech has ever fewer samples at ever larger magnitudes. A rail gathers them, also when a lossy
    coding has spread them by some per cent.
    """
    cumulative = np.concatenate([[0], np.cumsum(histogram)])
    scale = BINS / 2

    def within(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        at = np.clip([low * scale, high * scale], 0, BINS)
        return np.diff(np.interp(at, np.arange(BINS + 1), cumulative), axis=0)[0]

    rails = np.linspace(0.7, 1.0, 31) * top
    here = within((1 - _BLUR) * rails, (1 + _BLUR) * rails)
    # As many as in a band as wide a little below.
    below = within(0.85 * rails, 0.93 * rails) * 2 * _BLUR / 0.08
    score = np.where(here >= _FEWEST, here / (below + 30.0), 0.0)
    best = int(np.argmax(score))
    if score[best] < _BUMP:
        return 0.0
    return float(within((1 - _BLUR) * rails[best : best + 1], np.array([2.0]))[0])


def _hum_found(seen: Survey) -> Found:
    if not seen.hum:
        return Found(NAN, f"shorter than {_hum.SHORTEST_S:g} s")
    stands_out = np.median([part.stands_out for part in seen.hum], axis=0)
    power = np.median([part.power for part in seen.hum], axis=0)
    freq = np.median([part.freq for part in seen.hum], axis=0)
    which = int(np.argmax(stands_out))
    level = max(_db(math.sqrt(power[which])), -100.0) if power[which] > 0 else -100.0
    extra = {"hum_hz": NAN, "hum_stands_out_db": float(stands_out[which])}
    if stands_out[which] < _hum.STANDS_OUT_DB:
        return Found(level, "no steady lines", extra=extra, verdict="pass")
    extra["hum_hz"] = _hum.MAINS[which]
    return Found(level, f"{_hum.MAINS[which]:g} Hz (measured {freq[which]:.1f} Hz)", extra=extra)


def _moments(found: list) -> Found:
    places = tuple((m.start, m.end) for m in sorted(found)[:MOST_PLACES])
    worst = max(found, key=lambda m: m.strength) if found else None
    return Found(float(len(found)), worst=worst and (worst.start, worst.end), places=places)


def _in_speech(click: Moment, segments: np.ndarray) -> bool:
    """Whether it lies within words and is no stronger than the bursts of plosives can be."""
    start, end = segments[:, 0] + _EDGE_S, segments[:, 1] - _EDGE_S
    inside = ((start < click.start) & (click.start < end)).any()
    return bool(inside) and click.strength < _IN_SPEECH_DB


def _bandwidth(seen: Survey, info: "Info") -> Found:
    found = edge(seen.spectrum)
    if not math.isfinite(found.freq):
        return Found(NAN)
    return Found(found.freq, _bandwidth_words(found, seen.sr / 2, info))


def _bandwidth_words(found: Edge, half: float, info: "Info") -> str:
    freq, drop_db, low = found
    if freq > 0.94 * half:
        return "all that the sampling rate can hold"
    if not math.isfinite(drop_db):
        return "fades out without an edge"
    if freq < 4000 and half > 4000:
        return "as through a telephone" if low > 200 else "as up-sampled from 8 kHz"
    near = [hz for hz in _STANDARD_HZ if 0.93 * hz <= freq <= 1.01 * hz and hz < 0.95 * half]
    about = info() if info else None
    coded = f"{about.codec} {about.container}".lower() if about else ""
    lossy = any(name in coded for name in _LOSSY)
    words = f"as up-sampled from {2 * near[0] / 1000:g} kHz" if near else ""
    if about and lossy:
        cut = f"cut off by lossy coding ({about.codec})"
        return f"{words}, or {cut}" if words and near[0] <= 8000 else cut
    if words:
        return words
    return "a sharp edge, as lossy coding leaves it"


def _channels(seen: Survey) -> Found:
    if seen.channels == 1:
        return Found(NAN, "one channel: nothing to compare")
    mean = np.array([state[2] for state in seen.state]) / seen.samples
    cov = seen.products / seen.samples - np.outer(mean, mean)
    power = np.maximum(np.diag(cov), 0)
    if not power.max() > 1e-12:
        return Found(NAN, "all channels are silent")
    level = 10 * np.log10(power / power.max() + 1e-12)
    difference = float(-level.min())
    if difference > _DEAD_DB:
        dead = [str(c + 1) for c in np.flatnonzero(level < -_DEAD_DB)]
        return Found(difference, f"channel {', '.join(dead)} is dead", verdict="fail")
    r = cov / np.sqrt(np.outer(power, power))
    pairs = r[np.triu_indices(seen.channels, 1)]
    extra = {"channel_correlation": float(pairs[np.argmax(np.abs(pairs))])}
    if pairs.min() < -0.9:
        words = "one channel is inverted: mixed down they cancel"
        return Found(difference, words, extra=extra, verdict="fail")
    same = 0.5 * (power[:, None] + power) - cov  # half the power of each difference
    if same[np.triu_indices(seen.channels, 1)].max() < 1e-9 * power.max() + 1e-12:
        return Found(difference, "all channels are the same", extra=extra, verdict="warn")
    return Found(difference, extra=extra)


def _ends(heard: _speech.Speech, duration_s: float, clicks: list) -> dict[str, Found]:
    segments = [row for row in heard.segments if not _only_clicks(row, clicks)]
    if not segments:
        words = "no speech was found"
        nothing = Found(NAN, words)
        return {
            "head_silence": nothing,
            "tail_silence": nothing,
            "speech_share": Found(heard.share, words),
        }
    first, last = float(segments[0][0]), float(segments[-1][1])
    tail = max(0.0, duration_s - last)
    return {
        "head_silence": Found(first, worst=(0.0, first)),
        "tail_silence": Found(tail, worst=(duration_s - tail, duration_s)),
        "speech_share": Found(heard.share),
    }


def _only_clicks(segment: np.ndarray, clicks: list) -> bool:
    start, end = segment
    return end - start < _BRIEF_S and any(start - 0.02 <= m.start <= end for m in clicks)


def _db(magnitude: float) -> float:
    return 20 * math.log10(magnitude) if 0 < magnitude < math.inf else NAN

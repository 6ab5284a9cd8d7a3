"""What is measured frame by frame and drawn over the pictures: pitch, onsets, syllables, pauses.

Everything is taken from the recording as it is, before cleaning: denoising first makes pitch and
speech activity worse. Times are in s from the start of ``y``.
"""

from dataclasses import dataclass

import numpy as np

from core import pitch, segments
from core.pitch import F0Track

FLOOR_DB = -160.0  # below this there is only digital silence
KINDS = ("Pitch", "Onsets", "Syllables", "Pauses", "Intensity")
FRAME_S, HOP_S = 0.05, 0.01  # of the intensity


@dataclass(frozen=True)
class Marks:
    """Measurements over time of one recording.

    ``onsets`` (k,), ``nuclei`` (k,) and ``pauses`` (k, 2) in s; ``intensity_db`` (t,) in dBFS at
    ``intensity_times`` (t,), NaN in digital silence.
    """

    track: F0Track
    onsets: np.ndarray
    nuclei: np.ndarray
    pauses: np.ndarray
    intensity_times: np.ndarray
    intensity_db: np.ndarray


def measure(y: np.ndarray, *, sr: int) -> Marks:
    """All marks of one mono recording.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int
        Sampling rate in Hz.

    Raises
    ------
    AudioTooShortError
        A recording shorter than one frame of the pitch tracker.
    """
    track = pitch.f0_track(y, sr=sr)
    activity = segments.speech_segments(y, sr=sr)
    times, db = intensity(y, sr=sr)
    return Marks(
        track=track,
        onsets=segments.onset_times(y, sr=sr),
        nuclei=segments.syllable_nuclei(y, sr=sr, track=track),
        pauses=segments.pauses(activity, y.size / sr),
        intensity_times=times,
        intensity_db=db,
    )


def intensity(y: np.ndarray, *, sr: int) -> tuple[np.ndarray, np.ndarray]:
    """RMS level of frames of 50 ms, every 10 ms: times (t,) in s and level (t,) in dBFS."""
    n, hop = max(1, round(FRAME_S * sr)), max(1, round(HOP_S * sr))
    padded = np.pad(np.square(y, dtype=np.float64), (n // 2, n - n // 2))
    total = np.concatenate([[0.0], np.cumsum(padded)])
    starts = np.arange(0, y.size, hop)
    power = np.maximum((total[starts + n] - total[starts]) / n, 0.0)
    db = np.full(starts.size, np.nan, np.float32)
    heard = power > 10 ** (FLOOR_DB / 10)
    db[heard] = 10 * np.log10(power[heard])
    return starts / sr, db

"""What is drawn over the player's pictures: moments, stretches of time, curves in Hz."""

from dataclasses import dataclass

import numpy as np

from core.marks import Marks


@dataclass(frozen=True)
class Mark:
    """A moment, or with ``end`` a stretch, in s; marks of one ``kind`` share a toggle.

    ``value`` in Hz draws it at this height of the spectrogram; ``label`` is plain text.
    """

    kind: str
    start: float
    end: float | None = None
    value: float | None = None
    label: str = ""


@dataclass(frozen=True, eq=False)
class Curve:
    """Frequencies over time: ``times`` (t,) in s and ``values`` (t,) in Hz, NaN for gaps."""

    kind: str
    times: np.ndarray
    values: np.ndarray


def marks_of(measured: Marks, duration_s: float) -> list[Mark | Curve]:
    """The measurements of a recording as marks: f0, onsets, syllable nuclei, speech."""
    track = measured.track
    edges = np.concatenate([[0.0], np.ravel(measured.pauses), [duration_s]]).reshape(-1, 2)
    return [
        Curve("f0", track.times, np.where(track.voiced_flag, track.f0, np.nan)),
        *(Mark("Onsets", float(t)) for t in measured.onsets),
        *(Mark("Syllables", float(t)) for t in measured.nuclei),
        *(Mark("Speech", float(a), float(b)) for a, b in edges if b > a),
    ]

"""The demo set, measured for the tour: a few numbers of every clip, in memory."""

from dataclasses import dataclass

import numpy as np

from core import audio, datasets
from core.audio import ClipRef, Limits
from core.learn import SR

START_BPM = (10, 30, 60, 120)
FEATURES = {
    "f0_median_hz": "f0, median (Hz)",
    "f0_sd_st": "f0, standard deviation (semitones)",
    "duration_s": "Duration (s)",
    "syllable_rate_hz": "Syllables a second (Hz)",
    "rms_dbfs": "Level, RMS (dBFS)",
    "spectral_centroid_hz": "Spectral centroid (Hz)",
    "spectral_tilt_db_oct": "Spectral tilt (dB per octave)",
    "hnr_db": "Harmonics to noise (dB)",
}


@dataclass(frozen=True, eq=False)
class DemoSet:
    """Every clip of the demo set, one row each.

    Attributes
    ----------
    names, speaker, gender, age : np.ndarray [shape=(n,)]
        Texts; "" where a label is missing.
    onsets, words : np.ndarray [shape=(n,)]
        Counted onsets; words of the sentence, NaN where it is not known.
    tempo : dict of int to np.ndarray [shape=(n,)]
        Tempo in beats per minute by ``start_bpm``.
    values : dict of str to np.ndarray [shape=(n,)]
        The features of ``FEATURES``, NaN where not measurable.
    mel_strength : np.ndarray [shape=(n, 128)]
        Mean level of each mel band, dB.
    """

    names: np.ndarray
    speaker: np.ndarray
    gender: np.ndarray
    age: np.ndarray
    onsets: np.ndarray
    words: np.ndarray
    tempo: dict[int, np.ndarray]
    values: dict[str, np.ndarray]
    mel_strength: np.ndarray


def measure() -> DemoSet:
    """Measure the demo set: about 3 s.

    Raises
    ------
    AudioReadError
        A clip of the demo set is damaged.
    """
    from core.features import extract
    from core.segments import onset_times, tempo

    table = datasets.demo().catalogue()
    limits = Limits.from_env()
    onsets, measured, beats = [], [], []
    for row in table.itertuples():
        y, _ = audio.load(ClipRef.of(row.path), SR, limits=limits)
        text = row.text if isinstance(row.text, str) else None
        measured.append(extract(y, sr=SR, feature_set="voice-v1", text=text))
        onsets.append(len(onset_times(y, sr=SR)))
        beats.append([tempo(y, sr=SR, start_bpm=float(bpm)) for bpm in START_BPM])
    tempi = np.array(beats, dtype=np.float32)
    return DemoSet(
        names=np.array([str(c).rsplit("/", 1)[-1] for c in table["clip_id"]]),
        speaker=_texts(table["speaker_id"]),
        gender=_texts(table["gender"]),
        age=_texts(table["age"]),
        onsets=np.array(onsets),
        words=np.array([m.values["words_count"] for m in measured]),
        tempo={bpm: tempi[:, k] for k, bpm in enumerate(START_BPM)},
        values={n: np.array([m.values[n] for m in measured]) for n in FEATURES},
        mel_strength=np.stack([m.vectors["mel_strength"] for m in measured]),
    )


def _texts(column) -> np.ndarray:
    return np.array([v if isinstance(v, str) else "" for v in column])

"""The article's features, article-v1: its columns under its names, and its 128 mel strengths.

Conventions: the signal is measured as it is, at 16,000 Hz; run ``core.clean`` with
``ARTICLE_CLEAN`` first for what the article does to a raw recording.
"""

import numpy as np

from core import pitch, segments
from core.features.base import SR, Features, FeatureSet, FeatureSpec
from core.spectra import power_to_db

F0_FMIN = 15.641  # Hz; the lowest that librosa accepts with frames of 1024 samples at 16 kHz
F0_FMAX = 8000.0
F0_FRAME = 1024
MEL_FRAMES = 93  # of 512 samples: 3.0 s
MEL_FLOOR_DB = -80.0

_ARTICLE = 'M. Notter, "How to perform EDA and data modeling on audio data", 2022'
_F0_SOURCE = f"pYIN (M. Mauch, S. Dixon, ICASSP 2014), searched as in {_ARTICLE}"
_ONSETS = "An onset is not a word: read speech has about 1.5 to 2 onsets for each word."
_TEMPO = (
    "Not a speed of speech: it follows the length of the clip, and cutting 20 ms off changes it "
    "for every second clip."
)
_F0 = (
    "Searched from 16 to 8,000 Hz, where octave errors and noise count as voice; voice-v1 searches "
    "the range of voices. The article's own table was made with an upper limit of 1,500 Hz."
)


def _f0_spec(name: str, label: str, about: str) -> FeatureSpec:
    return FeatureSpec(name, label, "Hz", about, _F0, _F0_SOURCE)


FEATURES = FeatureSet(
    name="article-v1",
    version="1",
    specs=(
        FeatureSpec(
            "nwords",
            "Onsets",
            "",
            "Number of onsets: moments where the sound rises in many bands at once.",
            _ONSETS,
            f"librosa.onset.onset_detect, hop 128, as in {_ARTICLE}",
        ),
        FeatureSpec("duration", "Duration", "s", "Length of the clip as it is.", "", _ARTICLE),
        FeatureSpec(
            "words_per_second",
            "Onsets per second",
            "1/s",
            "Number of onsets over the length of the clip.",
            _ONSETS,
            _ARTICLE,
        ),
        FeatureSpec(
            "tempo",
            "Tempo",
            "bpm",
            "Tempo of the onsets as for music, expected about 10 beats per minute.",
            _TEMPO,
            f"librosa.feature.tempo, start_bpm 10, as in {_ARTICLE}",
        ),
        _f0_spec("f0_mean", "f0, mean", "Mean f0 of the voiced frames."),
        _f0_spec("f0_median", "f0, median", "Middle f0 of the voiced frames."),
        _f0_spec("f0_std", "f0, standard deviation", "Spread of f0 over the voiced frames."),
        _f0_spec("f0_5perc", "f0, 5 %", "f0 that 5 % of the voiced frames are below."),
        _f0_spec("f0_95perc", "f0, 95 %", "f0 that 95 % of the voiced frames are below."),
    ),
    vectors={"mel_strength": segments.N_MELS},
)


def measure(y: np.ndarray, *, text: str | None = None) -> Features:
    """The article's features of a clip.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], n >= 1
        Mono signal at 16,000 Hz.
    text : str or None
        Not used: the article knows no texts.

    Returns
    -------
    Features
        Values in the order of ``FEATURES.specs``, and ``mel_strength`` [shape=(128,)] in dB: the
        mean over the first 3 s of the mel spectrogram in dB re its maximum, where what a shorter
        clip lacks counts as -80 dB. f0 is NaN where no frame is voiced, tempo where there is no
        onset envelope, and ``mel_strength`` where the clip is silent.
    """
    _, S_mel = segments.stft_mel(y, sr=SR, hop_length=segments.HOP_ONSETS)
    S_db = power_to_db(S_mel.T, ref=1.0, top_db=None)
    every = segments.HOP_TEMPO // segments.HOP_ONSETS
    S_db_512 = np.ascontiguousarray(S_db[::every])
    n_fft = segments.N_FFT
    onsets = segments.onset_times_from_db(S_db, sr=SR, hop_length=segments.HOP_ONSETS, n_fft=n_fft)
    tempo = segments.tempo_from_db(S_db_512, sr=SR, hop_length=segments.HOP_TEMPO, n_fft=n_fft)
    duration = y.size / SR
    values = {
        "nwords": float(len(onsets)),
        "duration": duration,
        "words_per_second": len(onsets) / duration,
        "tempo": tempo,
        **_f0_statistics(y),
    }
    vector = mel_strength(S_db_512) if y.any() else np.full(segments.N_MELS, np.nan, np.float32)
    return Features(values, {"mel_strength": vector})


def mel_strength(S_db: np.ndarray) -> np.ndarray:
    """Mean over 3.0 s of a mel image, in dB re the maximum of the whole clip.

    Parameters
    ----------
    S_db : np.ndarray [shape=(t, n_mels)]
        Mel power in dB, frames of hop 512, time first.

    Returns
    -------
    np.ndarray [shape=(n_mels,)], float32
        dB, 0 to -80.
    """
    image = np.maximum(S_db[:MEL_FRAMES] - S_db.max(), MEL_FLOOR_DB)
    missing = MEL_FRAMES - len(image)
    return (image.sum(axis=0) + np.float32(missing * MEL_FLOOR_DB)) / np.float32(MEL_FRAMES)


def warm() -> None:
    """Import and compile what the set needs, on a moment of noise."""
    segments.warm()
    noise = np.random.default_rng(0).standard_normal(SR // 4).astype(np.float32) / 10
    measure(noise)


def _f0_statistics(y: np.ndarray) -> dict[str, float]:
    track = pitch.pyin(y, sr=SR, fmin=F0_FMIN, fmax=F0_FMAX, frame_length=F0_FRAME)
    f0 = track.f0[track.voiced_flag]
    names = ("f0_mean", "f0_median", "f0_std", "f0_5perc", "f0_95perc")
    if not f0.size:
        return dict.fromkeys(names, float("nan"))
    low, median, high = np.percentile(f0, [5, 50, 95])
    found = (f0.mean(), median, f0.std(), low, high)
    return {name: float(value) for name, value in zip(names, found, strict=True)}

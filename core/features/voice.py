"""voice-v1, the default set of features: pitch, time, level, rate, voice quality, spectrum.

Conventions: the signal is measured as recorded, at 16 kHz; a constant offset counts for the RMS and
the peak only; level features follow the gain, the others do not. A silent clip, and one below
100 ms, has a duration, its levels and what its text gives; everything else is NaN.
"""

import numpy as np

from core import levels, pitch, segments
from core.features import _voice_quality as quality
from core.features import _voice_shape as shape
from core.features import _voice_text as texts
from core.features._voice_specs import SPECS
from core.features.base import SR, Features, FeatureSet
from core.params import F0Params
from core.spectra import power_to_db

FEATURES = FeatureSet(name="voice-v1", version="1", specs=SPECS, vectors={"mel_strength": 128})

MIN_S = 0.1  # shorter signals are not analysed
MIN_VOICED = 5  # frames of 10 ms
MIN_SPEECH_S = 0.05
MEL_EVERY = 4  # of the frames onsets need: 512 samples apart, as in the article


def measure(y: np.ndarray, *, text: str | None = None) -> Features:
    """Every value and vector of voice-v1.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], float32, n >= 1
        Mono signal at 16,000 Hz, finite.
    text : str or None
        What is said in the clip, where it is known.

    Returns
    -------
    Features
        Values in the order of ``FEATURES.specs``, and ``mel_strength`` [shape=(128,)] in dB.
    """
    values = dict.fromkeys(FEATURES.names, float("nan"))
    mel = np.full(FEATURES.vectors["mel_strength"], np.nan, dtype=np.float32)
    centred, peak = _centred(y)
    values |= _of_text(text, y.size / SR) | _of_level(y)
    if peak > 0:
        values["loudness_lufs"] = levels.lufs(centred, sr=SR)
    if peak > 0 and y.size >= MIN_S * SR:
        unit = centred / np.float32(peak)
        track = pitch.f0_track(unit, sr=SR)
        activity = _activity(centred, track)
        S_db = _mel_db(unit)
        values |= _of_time(activity, y.size / SR) | _of_pitch(track)
        values |= _of_rate(unit, track, activity, S_db) | _of_voice(unit, track)
        values |= shape.over_speech(unit, activity.segments, sr=SR)
        frame_s = MEL_EVERY * segments.HOP_ONSETS / SR
        mel = shape.mel_strength(S_db[::MEL_EVERY], activity.segments, frame_s=frame_s)
    values = {name: value if np.isfinite(value) else float("nan") for name, value in values.items()}
    return Features(values, {"mel_strength": mel})


def warm() -> None:
    """Import and compile all that ``measure`` needs."""
    t = np.arange(SR // 2) / SR
    y = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20)) * np.hanning(t.size)
    measure((0.3 * y).astype(np.float32))


def _centred(y: np.ndarray) -> tuple[np.ndarray, float]:
    """The signal without its mean, and the peak of that; 0 where only rounding is left."""
    mean = y.mean(dtype=np.float64)
    y = y - np.float32(mean)
    peak = max(float(y.max()), -float(y.min()))
    return y, peak if peak > 1e-6 * abs(mean) else 0.0


def _activity(y: np.ndarray, track: pitch.F0Track) -> segments.SpeechActivity:
    """Speech by level; where nothing stands out, as in a held vowel, the voiced stretches."""
    found = segments.speech_segments(y, sr=SR)
    if len(found.segments):
        return found
    nan, hop_s = float("nan"), F0Params().hop_s
    edges = np.flatnonzero(np.diff(np.pad(track.voiced_flag.astype(np.int8), 1)))
    # A frame stands for the time half a hop to each side of its centre.
    voiced = np.clip((edges - 0.5) * hop_s, 0, y.size / SR).reshape(-1, 2)
    if len(voiced):
        apart = voiced[1:, 0] - voiced[:-1, 1] >= segments.PAUSE_S
        starts = voiced[np.append(True, apart), 0]
        voiced = np.column_stack([starts, voiced[np.append(apart, True), 1]])
    voiced = voiced[voiced[:, 1] - voiced[:, 0] >= MIN_SPEECH_S]
    if not len(voiced):
        return found
    share = float(np.diff(voiced).sum()) * SR / y.size
    return segments.SpeechActivity(voiced, nan, nan, share)


def _mel_db(y: np.ndarray) -> np.ndarray:
    """Mel power in dB re 1, frames as onsets need them, time first [shape=(t, 128)]."""
    _, S_mel = segments.stft_mel(y, sr=SR, hop_length=segments.HOP_ONSETS)
    return power_to_db(S_mel.T, ref=1.0, top_db=None)


def _of_text(text: str | None, duration_s: float) -> dict[str, float]:
    words = texts.word_count(text)
    return {
        "words_count": words,
        "words_per_s": words / duration_s,
        "chars_per_s": texts.letter_count(text) / duration_s,
    }


def _of_level(y: np.ndarray) -> dict[str, float]:
    return {
        "duration_s": y.size / SR,
        "rms_dbfs": levels.rms_dbfs(y),
        "peak_dbfs": levels.peak_dbfs(y),
    }


def _of_time(activity: segments.SpeechActivity, duration_s: float) -> dict[str, float]:
    """Speech, pauses and noise; without any speech its share is 0 and there is nothing else."""
    found = {
        "speech_share": activity.speech_share,
        "snr_db": activity.snr_db,
        "noise_floor_dbfs": activity.noise_floor_dbfs,
    }
    spoken = activity.segments
    if len(spoken):
        pauses = segments.pauses(activity, duration_s)
        lengths = pauses[:, 1] - pauses[:, 0]
        found |= {
            "speech_duration_s": float(np.sum(spoken[:, 1] - spoken[:, 0])),
            "pause_count": float(len(pauses)),
            "pause_mean_s": float(lengths.mean()) if len(pauses) else float("nan"),
            "pause_share": float(lengths.sum() / (spoken[-1, 1] - spoken[0, 0])),
        }
    return found


def _of_pitch(track: pitch.F0Track) -> dict[str, float]:
    found = {"voiced_share": float(track.voiced_flag.mean())}
    f0 = track.f0[track.voiced_flag]
    if f0.size >= MIN_VOICED:
        low, median, high = np.percentile(f0, (5, 50, 95))
        semitones = 12 * np.log2(f0 / median)
        found |= {
            "f0_median_hz": float(median),
            "f0_mean_hz": float(f0.mean()),
            "f0_sd_hz": float(f0.std()),
            "f0_sd_st": float(np.sqrt(np.mean(semitones**2))),
            "f0_p05_hz": float(low),
            "f0_p95_hz": float(high),
        }
    return found


def _of_rate(
    y: np.ndarray, track: pitch.F0Track, activity: segments.SpeechActivity, S_db: np.ndarray
) -> dict[str, float]:
    count = float(len(segments.syllable_nuclei(y, sr=SR, track=track)))
    spoken_s = float(np.sum(activity.segments[:, 1] - activity.segments[:, 0]))
    onsets = segments.onset_times_from_db(
        S_db, sr=SR, hop_length=segments.HOP_ONSETS, n_fft=segments.N_FFT
    )
    return {
        "syllable_count": count,
        "syllable_rate_hz": count * SR / y.size,
        "articulation_rate_hz": count / spoken_s if spoken_s else float("nan"),
        "onset_count": float(len(onsets)),
    }


def _of_voice(y: np.ndarray, track: pitch.F0Track) -> dict[str, float]:
    voiced = {"sr": SR, "times": track.times, "f0": track.f0}
    jitter, shimmer = quality.perturbation(y, **voiced)
    f1, f2, f3 = quality.formant_medians(y, **voiced)
    return {
        "jitter_local_pct": jitter,
        "shimmer_local_db": shimmer,
        "hnr_db": quality.harmonicity_db(y, **voiced),
        "f1_median_hz": f1,
        "f2_median_hz": f2,
        "f3_median_hz": f3,
    }

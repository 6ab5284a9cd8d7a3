"""What each number of voice-v1 is, in words."""

from core.features.base import FeatureSpec

_PRAAT = "Praat's manual (Boersma & Weenink); own implementation"
_LIBROSA = "librosa.feature, frames of 32 ms every 10 ms"
_VAD = "Iterated energy threshold over a noise floor"
_F0 = "Filtered autocorrelation, after Boersma 1993 and Praat 6.4"
_TEXT = "The text of the clip"
_NUCLEI = "De Jong & Wempe 2009"
_BANDLIMIT = "Follows the recording's bandwidth: telephone and 8 kHz recordings read low."

_TIME = (
    ("duration_s", "Duration", "s", "Length of the clip.", "", "Samples over sampling rate"),
    (
        "speech_duration_s",
        "Speech, duration",
        "s",
        "Time in which somebody speaks.",
        "Found by level: loud noise counts as speech, very faint speech does not.",
        _VAD,
    ),
    (
        "speech_share",
        "Speech, share",
        "",
        "Speech duration over duration of the clip, 0 to 1.",
        "Depends on how closely the clip was cut.",
        _VAD,
    ),
    (
        "pause_count",
        "Pauses, number",
        "",
        "Number of silences between the first and the last speech.",
        "Found by level: in a noisy recording pauses are missed.",
        _VAD,
    ),
    (
        "pause_mean_s",
        "Pause, mean length",
        "s",
        "Mean length of those pauses.",
        "Not measurable where there is none.",
        _VAD,
    ),
    (
        "pause_share",
        "Pauses, share",
        "",
        "Time in pauses over time from the first to the last speech, 0 to 1.",
        "Found by level: in a noisy recording pauses are missed.",
        _VAD,
    ),
)

_OCTAVE = "Creaky and very noisy voices can read an octave off."
_PITCH = (
    ("f0_median_hz", "Pitch, median", "Hz", "Middle f0 of the voiced frames.", _OCTAVE, _F0),
    ("f0_mean_hz", "Pitch, mean", "Hz", "Mean f0 of the voiced frames.", _OCTAVE, _F0),
    (
        "f0_sd_hz",
        "Pitch, deviation",
        "Hz",
        "Standard deviation of f0 over the voiced frames.",
        "Grows with pitch itself: compare voices in semitones.",
        _F0,
    ),
    (
        "f0_sd_st",
        "Pitch, deviation in semitones",
        "st",
        "Root mean square distance of the voiced frames from the median, in semitones.",
        _OCTAVE,
        _F0,
    ),
    ("f0_p05_hz", "Pitch, 5th percentile", "Hz", "Low end of the voiced frames' f0.", _OCTAVE, _F0),
    ("f0_p95_hz", "Pitch, 95th percentile", "Hz", "High end of the voiced frames' f0.", "", _F0),
    (
        "voiced_share",
        "Voiced, share",
        "",
        "Share of the clip's frames in which the vocal folds swing, 0 to 1.",
        "Depends on how closely the clip was cut.",
        _F0,
    ),
)

_LEVEL = (
    (
        "rms_dbfs",
        "Level, RMS",
        "dBFS",
        "Root mean square of all samples; a full-scale sine has -3 dBFS.",
        "Pauses and a constant offset count.",
        "core.levels",
    ),
    ("peak_dbfs", "Level, peak", "dBFS", "Largest sample.", "", "core.levels"),
    (
        "loudness_lufs",
        "Loudness",
        "LUFS",
        "How loud the clip sounds, silences left out.",
        "Not measurable below 0.4 s or -70 LUFS.",
        "ITU-R BS.1770-4",
    ),
    (
        "snr_db",
        "Signal-to-noise ratio",
        "dB",
        "Power of speech over power of what is left between.",
        "An estimate, within about 2 dB from 15 to 30 dB; about 5 dB too high near 0 dB.",
        _VAD,
    ),
    (
        "noise_floor_dbfs",
        "Noise floor",
        "dBFS",
        "Level between the speech.",
        "Not measurable where the gaps are digital silence or there is none.",
        _VAD,
    ),
)

_RATE = (
    (
        "syllable_count",
        "Syllable nuclei, number",
        "",
        "Number of voiced peaks of intensity.",
        "An estimate: in fluent speech about one in six nuclei is missed.",
        _NUCLEI,
    ),
    (
        "syllable_rate_hz",
        "Speech rate",
        "Hz",
        "Syllable nuclei per second of clip.",
        "Falls with every pause, and with silence at the ends.",
        _NUCLEI,
    ),
    (
        "articulation_rate_hz",
        "Articulation rate",
        "Hz",
        "Syllable nuclei per second of speech.",
        "An estimate, as the nuclei are.",
        _NUCLEI,
    ),
    (
        "onset_count",
        "Onsets, number",
        "",
        "Number of sudden rises in the mel spectrum.",
        "Onsets are not words: in real speech there are about half again as many, and faint noise "
        "changes the count.",
        "librosa.onset.onset_detect, hop 128",
    ),
    (
        "words_count",
        "Words, number",
        "",
        "Words of the text.",
        "Only where the text is known, in scripts that put spaces between words.",
        _TEXT,
    ),
    (
        "words_per_s",
        "Words per second",
        "1/s",
        "Words of the text per second of clip.",
        "Only where the text is known, in scripts that put spaces between words.",
        _TEXT,
    ),
    (
        "chars_per_s",
        "Letters per second",
        "1/s",
        "Letters and digits of the text per second of clip.",
        "Only where the text is known; not comparable between scripts.",
        _TEXT,
    ),
)

_VOICE = (
    (
        "jitter_local_pct",
        "Jitter, local",
        "%",
        "Mean difference of neighbouring glottal periods over the mean period.",
        "Only clean recordings compare: noise adds to it. Ringing formants move it by up to a "
        "third, more where the pitch is above 200 Hz.",
        _PRAAT,
    ),
    (
        "shimmer_local_db",
        "Shimmer, local",
        "dB",
        "Mean difference in level of neighbouring glottal periods.",
        "Only clean recordings compare: noise adds to it.",
        _PRAAT,
    ),
    (
        "hnr_db",
        "Harmonics-to-noise ratio",
        "dB",
        "Periodic power over the rest, mean over voiced frames.",
        "Noise of the room and movement of pitch lower it too.",
        _PRAAT,
    ),
    *(
        (
            f"f{i}_median_hz",
            f"Formant {i}, median",
            "Hz",
            f"Middle {order} resonance of the vocal tract over voiced frames.",
            "Follows the vowels that are said; at high pitch it leans to the nearest harmonic.",
            _PRAAT,
        )
        for i, order in ((1, "first"), (2, "second"), (3, "third"))
    ),
)

_SPECTRUM = (
    (
        "spectral_centroid_hz",
        "Spectral centroid",
        "Hz",
        "Centre of gravity of the magnitude spectrum, mean over speech frames.",
        _BANDLIMIT,
        _LIBROSA,
    ),
    (
        "spectral_bandwidth_hz",
        "Spectral bandwidth",
        "Hz",
        "Standard deviation of the magnitude spectrum around its centroid, mean over speech.",
        _BANDLIMIT,
        _LIBROSA,
    ),
    (
        "spectral_rolloff_hz",
        "Spectral roll-off",
        "Hz",
        "Frequency below which 85 % of the magnitude lies, mean over speech frames.",
        _BANDLIMIT,
        _LIBROSA,
    ),
    (
        "spectral_flatness",
        "Spectral flatness",
        "",
        "Geometric over arithmetic mean of the power spectrum, 0 (tone) to 1 (noise).",
        _BANDLIMIT,
        "librosa.feature, with a floor 80 dB below each frame's maximum",
    ),
    (
        "spectral_tilt_db_oct",
        "Spectral tilt",
        "dB/octave",
        "Slope of the mean power of speech, 125 Hz to 4 kHz; white noise has 0, pink -3.",
        "Microphone and room tilt it too.",
        "Line through third-octave means",
    ),
)

_MFCC_CAVEAT = "The microphone's colour is part of it."
_MFCC_SOURCE = "Davis & Mermelstein 1980; librosa's scale and normalisation, 40 bands"


def _mfccs() -> tuple[tuple[str, ...], ...]:
    rows = []
    for i in range(13):
        what = f"cepstral coefficient {i} in dB re the clip's maximum" if i == 0 else ""
        what = what or f"cepstral coefficient {i}"
        label = f"MFCC {i}"
        rows += [
            (f"mfcc{i:02d}_mean", f"{label}, mean", f"Mean of {what} over speech.", _MFCC_CAVEAT),
            (f"mfcc{i:02d}_sd", f"{label}, deviation", f"Deviation of {what} over speech.", ""),
            (
                f"mfcc{i:02d}_delta_sd",
                f"{label}, deviation of its slope",
                f"Deviation over speech of the slope of {what} per frame of 10 ms.",
                "",
            ),
        ]
    return tuple((name, label, "", about, note, _MFCC_SOURCE) for name, label, about, note in rows)


SPECS = tuple(
    FeatureSpec(*row) for row in (*_TIME, *_PITCH, *_LEVEL, *_RATE, *_VOICE, *_SPECTRUM, *_mfccs())
)

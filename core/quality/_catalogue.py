"""The checks: what each is called, what it means, what to do, and where it is from."""

from typing import NamedTuple


class Spec(NamedTuple):
    """One check as a table of data.

    ``direction`` is the side of the thresholds that is bad; ``blame`` is the fault in a word or
    two for the sentence on top; checks are listed in the order of the sentence's interest.
    """

    key: str
    label: str
    unit: str
    direction: str
    blame: str
    about: str
    cure: str
    source: str


_OWN = "Own method; see docs/checks.md."
SPECS = (
    Spec(
        "clipping",
        "Clipping",
        "",
        "above",
        "clipped",
        "Share of samples cut off at the limit of the recorder, also where MP3 blurred the cuts.",
        "Record again with less gain or further from the microphone; what was cut cannot be "
        "restored.",
        "Runs of equal extremes; peaks in the histogram of magnitudes.",
    ),
    Spec(
        "active_level",
        "Active speech level",
        "dBFS",
        "below",
        "quiet",
        "RMS level of the speech without its pauses.",
        "Speak closer to the microphone or raise the recording level.",
        "Recommendation ITU-T P.56, method B.",
    ),
    Spec(
        "snr",
        "Signal-to-noise ratio",
        "dB",
        "below",
        "noisy",
        "Power of the speech over that of the noise between the words.",
        "Move closer to the microphone, switch off what makes the noise, or clean the recording.",
        "Speech activity by level, iterated; own.",
    ),
    Spec(
        "hum",
        "Mains hum",
        "dBFS",
        "above",
        "humming",
        "Level of steady lines at 50 or 60 Hz and their multiples.",
        "Unplug chargers, keep cables from power supplies; the hum notch of the cleaning page "
        "removes it.",
        _OWN,
    ),
    Spec(
        "bandwidth",
        "Effective bandwidth",
        "Hz",
        "below",
        "muffled",
        "Highest frequency that the recording really holds, whatever its sampling rate.",
        "Record at 16 kHz or more without a telephone line; up-sampling brings nothing back.",
        "Steepest fall of the long-term spectrum; own.",
    ),
    Spec(
        "dropouts",
        "Dropouts",
        "",
        "above",
        "broken by gaps",
        "Sudden gaps within the sound, as lost packets leave them.",
        "Record locally instead of over a connection, or close other programs.",
        _OWN,
    ),
    Spec(
        "clicks",
        "Clicks",
        "",
        "above",
        "disturbed by clicks",
        "Short bursts with quiet around them: buttons, keys, mouth, static.",
        "Cut them off where they lie in the silence; start the recording by remote or by software.",
        _OWN,
    ),
    Spec(
        "dc_offset",
        "DC offset",
        "",
        "above",
        "shifted off zero",
        "Mean of the samples as a share of full scale.",
        "Remove it with the high-pass of the cleaning page; the sound card may need repair.",
        "Mean of the samples.",
    ),
    Spec(
        "channels",
        "Difference of channels",
        "dB",
        "above",
        "uneven in its channels",
        "How far the quietest channel lies below the loudest, and whether they fit together.",
        "Keep the good channel only; check the cable of the other one.",
        "Levels and correlation of the channels.",
    ),
    Spec(
        "noise_floor",
        "Noise floor",
        "dBFS",
        "above",
        "in a loud place",
        "RMS level of what is heard between the words.",
        "Look for a quieter room; switch off fans and automatic gain.",
        "Speech activity by level, iterated; own.",
    ),
    Spec(
        "head_silence",
        "Silence before the speech",
        "s",
        "above",
        "slow to begin",
        "Time before the first speech.",
        "Trim it, on the cleaning page.",
        "Speech activity by level, iterated; own.",
    ),
    Spec(
        "tail_silence",
        "Silence after the speech",
        "s",
        "above",
        "late to end",
        "Time after the last speech.",
        "Trim it, on the cleaning page.",
        "Speech activity by level, iterated; own.",
    ),
    Spec(
        "speech_share",
        "Share of speech",
        "",
        "below",
        "mostly silent",
        "Part of the recording in which somebody speaks.",
        "Trim it, or check that the right file was chosen.",
        "Speech activity by level, iterated; own.",
    ),
    Spec(
        "loudness",
        "Loudness",
        "LUFS",
        "below",
        "faint",
        "Integrated loudness as broadcasters measure it.",
        "Raise the gain; loudness alone does no harm to measurements.",
        "Recommendation ITU-R BS.1770-4.",
    ),
    Spec(
        "true_peak",
        "True peak",
        "dBTP",
        "above",
        "over full scale",
        "Highest magnitude of the wave between its samples too.",
        "Lower the gain by this much and 1 dB more before converting it.",
        "Recommendation ITU-R BS.1770-4, annex 2, with an interpolator of its own.",
    ),
    Spec(
        "peak",
        "Peak",
        "dBFS",
        "above",
        "at full scale",
        "Largest magnitude of the samples; shown, not judged, because clipping is.",
        "Nothing.",
        "Largest magnitude.",
    ),
)

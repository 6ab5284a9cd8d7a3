"""docs/features.md, written from the registry: ``python -m core.features.document``."""

import re
from textwrap import fill

from core import segments
from core.features import _voice_quality as quality
from core.features import _voice_shape as shape
from core.features import article, voice
from core.features.base import FEATURE_SETS, SR, FeatureSet, feature_set
from core.params import F0Params
from core.spectra import MFCC_TOP_DB

_HEAD = f"""# Features

One row per clip, one column per feature. Written by `python -m core.features.document` from
`core/features`; do not edit it here.

All sets measure one channel at {SR:,} Hz: channels are averaged, other rates resampled (soxr, HQ).
What is measured is the signal given: nothing is cleaned first unless you ask for it. A value that
cannot be measured is NaN (null in Parquet, empty in CSV), never 0 and never minus infinity.
"""


def document() -> str:
    """The whole page, Markdown."""
    parts = [_HEAD]
    for name in FEATURE_SETS:
        parts += [_section(feature_set(name), _PIPELINES[name]())]
    return "\n".join(parts)


def _section(features: FeatureSet, pipeline: str) -> str:
    vectors = ", ".join(f"`{name}` ({size} values)" for name, size in features.vectors.items())
    return "\n".join(
        [
            f"## {features.name}, version {features.version}",
            "",
            f"{len(features.specs)} features; vectors: {vectors}.",
            "",
            _flowed(pipeline),
            "",
            "| name | label | unit | meaning | caveat | source |",
            "|---|---|---|---|---|---|",
            *(
                _row(f"`{s.name}`", s.label, s.unit, s.about, s.caveat, s.source)
                for s in features.specs
            ),
            "",
        ]
    )


def _flowed(text: str) -> str:
    """The paragraphs and numbered items of ``text``, filled to the width of a line."""
    blocks = re.split(r"\n\n|\n(?=\d+\. )", text.strip())
    lines = []
    for block in blocks:
        number = re.match(r"\d+\. ", block)
        indent = " " * len(number[0]) if number else ""
        lines.append(
            fill(" ".join(block.split()), 100, subsequent_indent=indent, break_on_hyphens=False)
        )
        lines += [] if number else [""]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _article() -> str:
    return f"""What the article "How to perform EDA and data modeling on audio data" (M. Notter,
2022) computes, under its column names, on the signal as it is. Its denoise and trim are a separate
step (`--clean article`).

1. Onsets: power STFT of {segments.N_FFT} samples every {segments.HOP_ONSETS}, {segments.N_MELS} mel
   bands, rises of the level, peaks picked as `librosa.onset.onset_detect` does. Their number is
   `nwords`; over the duration it is `words_per_second`.
2. `tempo`: the same every {segments.HOP_TEMPO} samples, tempogram, `start_bpm=10`.
3. f0: `librosa.pyin` from {article.F0_FMIN:g} to {article.F0_FMAX:g} Hz, frames of
   {article.F0_FRAME} samples; statistics over voiced frames.
4. `mel_strength`: the mel spectrogram every {segments.HOP_TEMPO} samples in dB re its maximum,
   {-article.MEL_FLOOR_DB:g} dB deep, cut or filled to {article.MEL_FRAMES} frames (3.0 s), mean
   over time.
"""


def _voice() -> str:
    f0, frames = F0Params(), shape.FRAMES
    low, high = shape.TILT_BAND_HZ
    return f"""The default set. A constant offset counts for `rms_dbfs` and `peak_dbfs` only;
`rms_dbfs`, `peak_dbfs`, `loudness_lufs` and `noise_floor_dbfs` follow the gain, the others do not.
A silent clip, and one below {voice.MIN_S * 1000:g} ms, has a duration, its levels and what its text
gives; everything else is NaN.

1. Levels: RMS and peak of all samples; loudness after ITU-R BS.1770-4 (K-weighting, blocks of
   400 ms, gates at -70 LUFS and at 10 LU below the mean).
2. f0: filtered autocorrelation from {f0.fmin:g} to {f0.fmax:g} Hz on the signal as recorded, frames
   of {f0.frame_s * 1000:g} ms every {f0.hop_s * 1000:g} ms, low-pass at {f0.cutoff_hz:g} Hz,
   voicing threshold {f0.voicing_threshold:g}. Statistics need {voice.MIN_VOICED} voiced frames.
3. Speech: an energy detector iterated to rest, 80 Hz to 7.6 kHz; gaps below
   {segments.PAUSE_S * 1000:g} ms belong to the speech around them. Noise floor and SNR come from
   it. Where nothing stands out, as in a held vowel, the voiced stretches of at least
   {voice.MIN_SPEECH_S * 1000:g} ms are the speech, and there is no noise floor and no SNR. Silence
   at the ends of a clip is no pause.
4. Syllable nuclei: voiced peaks of intensity with a dip between; rates over the clip and over the
   speech. Onsets: as in article-v1.
5. Jitter and shimmer: in each voiced stretch, pulse after pulse by best match of 0.6 of a period
   0.8 to 1.25 periods later, interpolated by a windowed sinc; a match below
   {quality.MIN_MATCH:g}, period ratios above 1.3 and amplitude ratios above 1.6 do not count; at
   least {quality.MIN_PERIODS} pairs. Amplitude is the Hann-weighted RMS within 0.2 periods of the
   pulse. Praat matches whole periods, which the ringing of the pulse before smooths more.
6. Harmonics-to-noise ratio: 10 log10 r / (1 - r), r the cross-correlation of two windows of
   {quality.HARMONICITY_WINDOW_S * 1000:.1f} ms one period apart, mean over voiced frames, between
   -30 and 60 dB. The period may move by 6 % from the f0 track; Praat searches its own.
7. Formants: resampled to {quality.FORMANT_SR:,} Hz, pre-emphasis from
   {quality.PRE_EMPHASIS_HZ:g} Hz, Burg's method with {quality.FORMANT_ORDER} poles, Gaussian
   windows of {quality.FORMANT_WINDOW_S * 1000:g} ms every {quality.FORMANT_HOP_S * 1000:g} ms in
   voiced frames; resonances wider than {quality.MAX_BANDWIDTH_HZ:g} Hz are left out, and frames
   whose lowest is above {quality.HIGHEST_F1_HZ:g} Hz. The ceiling of {quality.FORMANT_SR / 2:g} Hz
   is the same for everybody; Praat's users lower it to 5,000 Hz for men.
8. Spectral shape and MFCC: power STFT of {frames.n_fft} samples every {frames.hop_length}, over the
   frames in speech, at least {shape.MIN_FRAMES}. Roll-off at {100 * shape.ROLL_PERCENT:g} %; tilt
   over the third-octave means from {low:g} to {high:g} Hz; {frames.n_mels} mel bands in dB re the
   clip's maximum, {MFCC_TOP_DB:g} dB deep, orthonormal DCT-II, coefficients 0 to
   {frames.n_mfcc - 1}. Slopes by regression over {shape.DELTA_REACH} frames each side.
9. `mel_strength`: {segments.N_MELS} mel bands from frames of {segments.N_FFT} samples every
   {voice.MEL_EVERY * segments.HOP_ONSETS}, in dB re the clip's maximum, {MFCC_TOP_DB:g} dB deep,
   mean over the frames in speech. Unlike in article-v1, the clip's length does not count.
10. Text, where it is known: words are runs of letters and digits, apostrophes and hyphens inside do
    not split; no words are counted in scripts without spaces between them (Chinese, Japanese, Thai,
    Lao, Khmer, Myanmar).
"""


_PIPELINES = {"article-v1": _article, "voice-v1": _voice}


if __name__ == "__main__":
    print(document(), end="")

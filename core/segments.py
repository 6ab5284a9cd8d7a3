"""Events and stretches in time: onsets, tempo, speech and pauses, syllable nuclei.

Conventions: times in s from the first sample; stretches are rows of (start, end); levels in dBFS,
where a square wave of full scale is 0 dBFS; ``S_mel`` is mel power, (n_mels, t), frames centred.

* Onsets and tempo, librosa's numbers: ``onset_times``, ``tempo``; from a mel spectrogram that is
  there already: ``onset_times_from_mel``, ``tempo_from_mel``; ``stft_mel`` makes it fast
* Speech: ``speech_segments``, ``pauses``
* Syllables: ``syllable_nuclei``
* ``warm`` compiles it all before somebody waits
"""

from functools import lru_cache
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.errors import AudioTooShortError, ParameterError
from core.spectra import fft_window, mel_filters, power_to_db

if TYPE_CHECKING:
    from core.pitch import F0Track

N_FFT = 2048
HOP_ONSETS = 128  # samples; the article's
HOP_TEMPO = 512  # samples; librosa's
N_MELS = 128
PAUSE_S = 0.15  # shorter gaps belong to the speech around them, as the closures of plosives do

_TOP_DB = 80.0  # of librosa.power_to_db
_BLOCK = 32  # frames transformed at once: fits the second-level cache
_CELL_S = 0.010  # s; levels of speech are measured over two such cells
_DEAD_DB = -120.0  # below it there is no noise but digital silence
_RANGE_DB = 40.0  # of speech, where nothing but digital silence is between
_SHORTEST_S = 0.05  # a burst shorter than this is a click


class SpeechActivity(NamedTuple):
    """Where somebody speaks, and how far that stands out.

    ``segments`` (k, 2) s; ``noise_floor_dbfs``, ``snr_db`` and ``speech_share`` (0..1 of the clip)
    are NaN where not measurable.
    """

    segments: np.ndarray
    noise_floor_dbfs: float
    snr_db: float
    speech_share: float


def stft_mel(
    y: np.ndarray, *, sr: int, hop_length: int, every: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Mel power of every frame and power of some, in one pass that stays in the cache.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], n >= 1
        Mono signal.
    sr : int > 0
        Sampling rate in Hz.
    hop_length : int > 0
        Samples from frame to frame.
    every : int >= 0
        Power is kept of every so many frames, the first included; 0 keeps none.

    Returns
    -------
    S : np.ndarray [shape=(1025, frames kept)], float32
        ``abs(librosa.stft(y, hop_length=hop_length * every)) ** 2``.
    S_mel : np.ndarray [shape=(128, t)], float32
        ``librosa.feature.melspectrogram(y=y, sr=sr, hop_length=hop_length)``.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If the signal is not mono.
    """
    from scipy import fft

    from core._kernels_frames import window_frames
    from core._kernels_segments import power_mel

    y = _mono(y)
    window = fft_window("hann", N_FFT)
    weights, bounds = _mel_bands(sr)
    total = y.size // hop_length + 1
    S = np.empty((-(-total // every) if every else 0, N_FFT // 2 + 1), dtype=np.float32)
    S_mel = np.empty((total, N_MELS), dtype=np.float32)
    X = np.empty((_BLOCK, N_FFT), dtype=np.float32)
    row = np.empty(N_FFT // 2 + 1, dtype=np.float32)
    for start in range(0, total, _BLOCK):
        part = X[: min(_BLOCK, total - start)]
        window_frames(y, start * hop_length - N_FFT // 2, hop_length, window, part)
        power_mel(fft.rfft(part, axis=1), weights, bounds, start, every, row, S, S_mel)
    return S.T, S_mel.T


def onset_times(y: np.ndarray, *, sr: int, hop_length: int = HOP_ONSETS) -> np.ndarray:
    """Moments where the sound rises in many bands at once: onsets, not words.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int > 0
        Sampling rate in Hz.
    hop_length : int > 0
        Samples from frame to frame.

    Returns
    -------
    np.ndarray [shape=(k,)]
        ``librosa.onset.onset_detect(y=y, sr=sr, hop_length=hop_length, units="time")``, s; empty
        where nothing rises.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If the signal is not mono.
    """
    _, S_mel = stft_mel(y, sr=sr, hop_length=hop_length)
    return onset_times_from_mel(S_mel, sr=sr, hop_length=hop_length, n_fft=N_FFT)


def onset_times_from_mel(
    S_mel: np.ndarray, *, sr: int, hop_length: int, n_fft: int = N_FFT
) -> np.ndarray:
    """``onset_times``, s, of mel power of centred frames [shape=(n_mels, t)]."""
    S_db = power_to_db(np.ascontiguousarray(S_mel.T), ref=1.0, top_db=None)
    return onset_times_from_db(S_db, sr=sr, hop_length=hop_length, n_fft=n_fft)


def onset_times_from_db(S_db: np.ndarray, *, sr: int, hop_length: int, n_fft: int) -> np.ndarray:
    """``onset_times`` of levels in dB re 1, time first [shape=(t, n_mels)], float32."""
    from core._kernels_segments import peak_pick

    env = _onset_envelope(S_db, hop_length=hop_length, n_fft=n_fft)
    env -= env.min()
    env /= env.max() + np.finfo(env.dtype).tiny
    if not env.any():
        return np.empty(0)
    before, average = int(0.03 * sr // hop_length), int(0.10 * sr // hop_length)
    peaks = np.empty(env.size, dtype=np.int64)
    count = peak_pick(env, before, average, np.float32(0.07), before, peaks)
    return peaks[:count] * hop_length / sr


def tempo(y: np.ndarray, *, sr: int, start_bpm: float = 10.0) -> float:
    """Tempo as for music; of speech it follows the length of the clip more than the speech.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int > 0
        Sampling rate in Hz.
    start_bpm : float > 0
        Where tempi are most expected, beats per minute.

    Returns
    -------
    float
        ``librosa.feature.tempo(y=y, sr=sr, start_bpm=start_bpm)``, beats per minute; NaN where
        nothing rises, for which librosa gives the tempo nearest to ``start_bpm``.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If the signal is not mono, or ``start_bpm`` is not above 0.
    """
    _, S_mel = stft_mel(y, sr=sr, hop_length=HOP_TEMPO)
    return tempo_from_mel(S_mel, sr=sr, hop_length=HOP_TEMPO, start_bpm=start_bpm)


def tempo_from_mel(
    S_mel: np.ndarray,
    *,
    sr: int,
    hop_length: int,
    n_fft: int = N_FFT,
    start_bpm: float = 10.0,
) -> float:
    """``tempo`` of mel power of centred frames [shape=(n_mels, t)]; librosa's own at hop 512."""
    S_db = power_to_db(np.ascontiguousarray(S_mel.T), ref=1.0, top_db=None)
    return tempo_from_db(S_db, sr=sr, hop_length=hop_length, n_fft=n_fft, start_bpm=start_bpm)


def tempo_from_db(
    S_db: np.ndarray, *, sr: int, hop_length: int, n_fft: int, start_bpm: float = 10.0
) -> float:
    """``tempo`` of levels in dB re 1, time first [shape=(t, n_mels)], float32."""
    if start_bpm <= 0:
        raise ParameterError(f"start_bpm={start_bpm:g} must be above 0.")
    env = _onset_envelope(S_db, hop_length=hop_length, n_fft=n_fft)
    width = int(8.0 * sr // hop_length)
    if not env.any() or width < 2:
        return float("nan")
    bpm, log_prior = _tempo_prior(sr, hop_length, width, start_bpm)
    periodic = _mean_autocorrelation(env, width)
    return float(bpm[np.argmax(np.log1p(1e6 * periodic) + log_prior)])


def speech_segments(y: np.ndarray, *, sr: int) -> SpeechActivity:
    """Speech and the noise between, told apart by level: an energy detector iterated to rest.

    The threshold lies 3 to 6 dB above the noise floor; the floor is the mean power of what the
    threshold leaves. Whatever stands out counts as speech, and a sound that never pauses counts as
    noise.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal; only 80 Hz to 7.6 kHz is looked at.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    SpeechActivity
        Segments are at least 0.05 s long and 0.15 s apart. The SNR is that of the active moments
        less the noise in them; NaN where nothing stands out or nothing but digital silence is
        between. All NaN where less than 0.1 s is not digital silence.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If the signal is not mono or ``sr`` is too low.
    """
    y = _mono(y)
    step = _cell(sr)
    cells = _band_energy(y, sr, step, 80.0, 7600.0)
    power = (cells[1:] + cells[:-1]) / (2 * step)
    level = 10 * np.log10(power + 1e-14)
    live = level > _DEAD_DB
    if live.sum() < 10:
        return SpeechActivity(np.empty((0, 2)), math.nan, math.nan, math.nan)
    smooth = np.convolve(np.pad(level, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    active, noise, threshold = _told_apart(power, smooth, live)
    floor = float(power[noise].mean()) if noise.any() else 0.0
    segments = _runs(active, level > threshold, step / sr)
    snr_db = math.nan
    if floor > 0 and active.any():
        snr_db = 10 * math.log10(max(float(power[active].mean()) - floor, 1e-3 * floor) / floor)
    floor_db = 10 * math.log10(floor) if floor > 0 else math.nan
    share = float(np.diff(segments, axis=1).sum()) * sr / y.size
    return SpeechActivity(segments, floor_db, snr_db, min(1.0, share))


def pauses(activity: SpeechActivity, duration_s: float) -> np.ndarray:
    """Gaps between segments of speech; silence at the ends of a clip is no pause.

    Parameters
    ----------
    activity : SpeechActivity
        Of ``speech_segments``.
    duration_s : float
        Length of the clip, s: segments that begin later are left out.

    Returns
    -------
    np.ndarray [shape=(k, 2)]
        Starts and ends, s; each at least 0.15 s long.
    """
    segments = activity.segments[activity.segments[:, 0] < duration_s]
    gaps = np.column_stack([segments[:-1, 1], segments[1:, 0]])
    return gaps[gaps[:, 1] - gaps[:, 0] >= PAUSE_S]


def syllable_nuclei(y: np.ndarray, *, sr: int, track: "F0Track") -> np.ndarray:
    """Syllable nuclei: voiced peaks of intensity with dips of 2 dB between them [#]_.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal; its intensity is taken between 300 and 3300 Hz.
    sr : int > 0
        Sampling rate in Hz.
    track : F0Track
        Of ``core.pitch``: a peak counts where the nearest frame is voiced.

    Returns
    -------
    np.ndarray [shape=(k,)]
        Times of the nuclei, s. Peaks lie at most 25 dB below the 99th percentile of intensity.

    Raises
    ------
    AudioTooShortError
        If the signal is empty.
    ParameterError
        If the signal is not mono or ``sr`` is too low.

    References
    ----------
    .. [#] N. H. de Jong, T. Wempe, "Praat script to detect syllable nuclei and measure speech rate
       automatically", Behavior Research Methods 41, 2009. Here of two peaks without a dip the
       higher one stays, and the last peak counts.
    """
    y = _mono(y)
    step = _cell(sr)
    cells = _band_energy(y, sr, step, 300.0, 3300.0)
    if not len(track.times) or not cells.any():
        return np.empty(0)
    window = np.hanning(9)[1:-1]  # 80 ms between its zeros, about Praat's 64 ms Gaussian
    power = np.convolve(cells, window / window.sum(), mode="same")[: cells.size] / step
    level = 10 * np.log10(power + 1e-14)
    peaks = _dipped_peaks(level, lowest=float(np.quantile(level, 0.99)) - 25.0, dip=2.0)
    times = (peaks + 0.5) * step / sr
    nearest = np.abs(track.times[:, None] - times).argmin(axis=0)
    return times[track.voiced_flag[nearest]]


def warm() -> None:
    """Compile what this module needs, on a moment of noise."""
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32) / 10
    onset_times(noise, sr=16_000)
    stft_mel(noise, sr=16_000, hop_length=HOP_ONSETS, every=4)
    tempo(noise, sr=16_000)
    speech_segments(noise, sr=16_000)


def _onset_envelope(S_db: np.ndarray, *, hop_length: int, n_fft: int) -> np.ndarray:
    """``librosa.onset.onset_strength`` of levels, time first [shape=(t,)], float32."""
    from core._kernels_segments import rises

    env = np.zeros(len(S_db), dtype=np.float32)
    shift = 1 + n_fft // (2 * hop_length)  # the frame's half that lies ahead
    if shift < env.size:
        floor = np.float32(S_db.max() - np.float32(_TOP_DB))
        rises(S_db[: env.size - shift + 1], floor, env[shift:])
    return env


def _mean_autocorrelation(env: np.ndarray, width: int) -> np.ndarray:
    """Mean over time of ``librosa.feature.tempogram`` [shape=(width,)].

    A frame of an envelope, which is nowhere negative, correlates most with itself unshifted; so
    the frames can be scaled by their energies and averaged before the way back.
    """
    from scipy import fft

    pad = width // 2
    x = np.pad(env, pad, mode="linear_ramp")
    # In float64: of long lags a millionth of the energy decides.
    frames = np.lib.stride_tricks.sliding_window_view(x, width)[: env.size]
    frames = frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width))
    energy = np.einsum("tf,tf->t", frames, frames)
    scale = np.where(energy < np.finfo(np.float64).tiny, 1.0, energy)
    n_fft = fft.next_fast_len(2 * width - 1, real=True)
    D = fft.rfft(frames, n_fft, axis=1, overwrite_x=True)
    power = (1 / scale) @ (np.square(D.real) + np.square(D.imag))
    return fft.irfft(power, n_fft)[:width] / env.size


@lru_cache(maxsize=16)
def _tempo_prior(
    sr: int, hop_length: int, width: int, start_bpm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Tempo of each lag, and the logarithm of how much it is expected: log-normal, one octave."""
    bpm = np.empty(width)
    bpm[0] = np.inf
    bpm[1:] = 60.0 * sr / (hop_length * np.arange(1.0, width))
    log_prior = -0.5 * np.square(np.log2(bpm) - np.log2(start_bpm))
    log_prior[: int(np.argmax(bpm < 320.0))] = -np.inf
    return bpm, log_prior


@lru_cache(maxsize=16)
def _mel_bands(sr: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the mel filters without their zeros, and the bins of each band."""
    filters = mel_filters(sr=sr, n_fft=N_FFT, n_mels=N_MELS)
    bounds = np.zeros((N_MELS, 2), dtype=np.int64)
    for m, band in enumerate(filters):
        used = np.flatnonzero(band)
        if used.size:
            bounds[m] = used[0], used[-1] + 1
    weights = [band[low:high] for band, (low, high) in zip(filters, bounds, strict=True)]
    return np.concatenate(weights), bounds


def _told_apart(
    power: np.ndarray, smooth: np.ndarray, live: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Active frames, noise frames, and the threshold between them in dB."""
    floor, high = np.percentile(smooth[live], [10, 95])
    threshold = floor + _margin(high - floor)
    for _ in range(6):
        active = smooth > threshold
        near = np.convolve(active, np.ones(11))[5:-5] > 0.5  # 50 ms on either side
        noise = live & ~near
        if np.count_nonzero(~live) >= 5 and (noise.sum() < 5 or not active.any()):
            # Digital silence is all there is between: no noise to measure.
            threshold = high - _RANGE_DB
            return smooth > threshold, np.zeros_like(live), threshold
        if noise.sum() < 5:
            noise = live & (smooth <= np.percentile(smooth[live], 12))
        floor = 10 * np.log10(power[noise].mean())
        last, threshold = threshold, floor + _margin(high - floor)
        if abs(threshold - last) < 0.1:
            break
    return active, noise, float(threshold)


def _margin(range_db: float) -> float:
    return max(3.0, min(6.0, 0.35 * range_db))


def _runs(active: np.ndarray, loud: np.ndarray, cell_s: float) -> np.ndarray:
    """Stretches of active frames, cut to the loud ones, merged over short gaps [shape=(k, 2)]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]])))
    rows: list[list[float]] = []
    for start, stop in edges.reshape(-1, 2):
        inside = np.flatnonzero(loud[start:stop])
        if not inside.size:
            continue
        # A frame of two cells speaks for the middle of them.
        begin, end = (start + inside[0] + 0.5) * cell_s, (start + inside[-1] + 1.5) * cell_s
        if rows and begin - rows[-1][1] < PAUSE_S:
            rows[-1][1] = end
        else:
            rows.append([begin, end])
    segments = np.array(rows).reshape(-1, 2)
    return segments[segments[:, 1] - segments[:, 0] >= _SHORTEST_S]


def _dipped_peaks(level: np.ndarray, *, lowest: float, dip: float) -> np.ndarray:
    """Local maxima of at least ``lowest`` dB with at least ``dip`` dB down between them."""
    inner = level[1:-1]
    tops = 1 + np.flatnonzero((inner > level[:-2]) & (inner >= level[2:]) & (inner >= lowest))
    kept: list[int] = []
    for top in tops:
        if kept:
            valley = level[kept[-1] : top].min()
            if min(level[kept[-1]], level[top]) - valley < dip:
                kept[-1] = max(kept[-1], top, key=lambda i: level[i])
                continue
        kept.append(int(top))
    return np.array(kept, dtype=np.int64)


def _cell(sr: int) -> int:
    if sr < 4000:
        raise ParameterError(f"sr={sr} Hz is too low for speech: use 4000 Hz or more.")
    return round(_CELL_S * sr)


def _band_energy(y: np.ndarray, sr: int, step: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Energy in a band, in cells of ``step`` samples [shape=(n // step,)]."""
    from core._kernels_segments import band_energy

    energy = np.empty(y.size // step)
    band_energy(y, _band_filters(sr, low_hz, high_hz), step, energy)
    return energy


@lru_cache(maxsize=16)
def _band_filters(sr: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Butterworth high-pass and low-pass of 2nd order: b0 b1 b2 a1 a2 [shape=(k, 5)].

    Steeper ones would ring into the pauses. No low-pass where half of ``sr`` is near ``high_hz``.
    """
    rows = []
    for cutoff, sign in ((low_hz, 1), (high_hz, -1)):
        if cutoff > 0.46 * sr:
            continue
        cos, sin = math.cos(2 * math.pi * cutoff / sr), math.sin(2 * math.pi * cutoff / sr)
        alpha, gain = sin / math.sqrt(2), (1 + sign * cos) / 2
        row = np.array([gain, -2 * sign * gain, gain, -2 * cos, 1 - alpha])
        rows.append(row / (1 + alpha))
    return np.array(rows)


def _mono(y: np.ndarray) -> np.ndarray:
    if y.ndim != 1:
        raise ParameterError(f"Segments need one channel, got shape {y.shape}: mix down first.")
    if y.size == 0:
        raise AudioTooShortError("The signal is empty: segments need at least one sample.")
    return np.ascontiguousarray(y, dtype=np.float32)

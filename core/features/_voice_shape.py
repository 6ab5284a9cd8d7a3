"""Spectral shape, cepstrum and mel strength over the speech of one signal.

Conventions: ``y`` is mono, its peak at 1, so that nothing here depends on level; ``S`` is power,
(d, t), frequency first; frames of 32 ms every 10 ms, at 16 kHz; NaN where there is no speech.
"""

from itertools import pairwise

import numpy as np

from core import spectra
from core.params import SpectraParams

FRAMES = SpectraParams(n_fft=512, hop_length=160, n_mels=40, n_mfcc=13)  # 32 ms every 10 ms
ROLL_PERCENT = 0.85
TILT_BAND_HZ = (125.0, 4000.0)
DELTA_REACH = 2  # frames each side
FLOOR = 1e-8  # of a frame's strongest bin: 80 dB down counts as nothing
MIN_FRAMES = 3
SHAPE = (
    "spectral_centroid_hz",
    "spectral_bandwidth_hz",
    "spectral_rolloff_hz",
    "spectral_flatness",
)


def in_speech(segments: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Which of ``times`` lie within one of the (k, 2) ``segments``, bool [shape=(t,)]."""
    if not len(segments):
        return np.zeros(times.size, dtype=bool)
    begun = np.searchsorted(segments[:, 0], times, side="right")
    ended = np.searchsorted(segments[:, 1], times, side="left")
    return begun > ended


def over_speech(y: np.ndarray, segments: np.ndarray, *, sr: int) -> dict[str, float]:
    """Spectral shape and cepstrum of the frames that lie in speech.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    segments : np.ndarray [shape=(k, 2)]
        Where there is speech, s.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    dict of str to float
        The values of ``shape_rows`` as means over frames, ``spectral_tilt_db_oct`` of the mean
        power, and those of ``cepstrum``. NaN below three frames.
    """
    total = spectra.n_frames(y.size, params=FRAMES)
    times = spectra.frame_times(total, sr=sr, hop_length=FRAMES.hop_length)
    speech = in_speech(segments, times)
    filters = spectra.sparse_mel(sr, FRAMES.n_fft, FRAMES.n_mels)
    S_mel = np.empty((FRAMES.n_mels, total), dtype=np.float32)
    power, rows = np.zeros(FRAMES.n_fft // 2 + 1), [np.empty((0, len(SHAPE)))]
    for start, P in spectra.power_blocks(y, params=FRAMES):
        S_mel[:, start : start + len(P)] = filters @ P.T
        P = P[speech[start : start + len(P)]]
        power += P.sum(axis=0)
        rows.append(shape_rows(P, sr=sr))
    table = np.concatenate(rows)
    found = dict.fromkeys((*SHAPE, "spectral_tilt_db_oct"), float("nan"))
    if len(table) >= MIN_FRAMES:
        found = dict(zip(SHAPE, table.mean(axis=0).tolist(), strict=True))
        found["spectral_tilt_db_oct"] = tilt(power, spectra.fft_freqs(sr=sr, n_fft=FRAMES.n_fft))
    return found | cepstrum(S_mel, speech)


def shape_rows(P: np.ndarray, *, sr: int) -> np.ndarray:
    """Centroid, bandwidth and roll-off in Hz, and flatness, one row per frame.

    Parameters
    ----------
    P : np.ndarray [shape=(t, d)]
        Power, one row per frame; frames of zeros are left out.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    np.ndarray [shape=(t or less, 4)]
        In the order of ``SHAPE``. The first three are those of ``librosa.feature``, weighted by
        magnitude; flatness is over power, bins 80 dB below the frame's maximum raised to that.
    """
    P = P[P.max(axis=1) > 0]
    freqs = spectra.fft_freqs(sr=sr, n_fft=2 * (P.shape[1] - 1)).astype(np.float32)
    M = np.sqrt(P)
    total = M.sum(axis=1)
    # Moments about a fixed middle, where float32 keeps its digits.
    middle = np.float32(sr / 8)
    shift = M @ (freqs - middle) / total
    spread = M @ np.square(freqs - middle) / total - np.square(shift)
    reached = np.cumsum(M, axis=1) >= np.float32(ROLL_PERCENT) * total[:, None]
    rolloff = freqs[np.argmax(reached, axis=1)]
    floored = np.maximum(P, np.float32(FLOOR) * P.max(axis=1, keepdims=True))
    flatness = np.exp(np.log(floored).mean(axis=1)) / floored.mean(axis=1)
    bandwidth = np.sqrt(np.maximum(spread, 0))
    return np.stack([shift + middle, bandwidth, rolloff, flatness], axis=1).astype(np.float64)


def tilt(power: np.ndarray, freqs: np.ndarray) -> float:
    """Slope of a power spectrum in dB per octave.

    Parameters
    ----------
    power, freqs : np.ndarray [shape=(d,)]
        Mean power of evenly spaced bins, and their centres in Hz.

    Returns
    -------
    float
        Of the line through the third-octave means between 125 Hz and 4 kHz; white noise gives 0,
        pink -3. NaN where a third of an octave is empty.
    """
    low, high = np.log2(TILT_BAND_HZ)
    octaves = np.arange(low, high + 1e-9, 1 / 3)
    edges = np.searchsorted(freqs, 2 ** np.append(octaves - 1 / 6, octaves[-1] + 1 / 6))
    sums = np.concatenate([[0.0], np.cumsum(power)])[edges]
    band = np.diff(sums) / np.diff(edges)
    if not (band > 0).all():
        return float("nan")
    # The middle of the bins that fell into a band, not the band's own: they are few at the bottom.
    middles = np.log2([freqs[a:b].mean() for a, b in pairwise(edges)])
    middles -= middles.mean()
    return float(middles @ (10 * np.log10(band)) / (middles @ middles))


def cepstrum(S_mel: np.ndarray, speech: np.ndarray) -> dict[str, float]:
    """Means and deviations of the MFCCs over speech, and deviations of their slopes.

    Parameters
    ----------
    S_mel : np.ndarray [shape=(n_mels, t)]
        Mel power of all frames.
    speech : np.ndarray [shape=(t,)], bool
        Frames that count.

    Returns
    -------
    dict of str to float
        ``mfccNN_mean``, ``mfccNN_sd``, ``mfccNN_delta_sd`` for NN = 00..12.
    """
    n = FRAMES.n_mfcc
    mean = sd = delta_sd = np.full(n, np.nan)
    if np.count_nonzero(speech) >= MIN_FRAMES:
        S_db = spectra.power_to_db(S_mel, ref=np.max, top_db=spectra.MFCC_TOP_DB)
        C = (spectra.dct_matrix(len(S_mel), n) @ S_db).astype(np.float64)
        mean, sd = C[:, speech].mean(axis=1), C[:, speech].std(axis=1)
        delta_sd = deltas(C)[:, speech].std(axis=1)
    found = {}
    for kind, values in (("mean", mean), ("sd", sd), ("delta_sd", delta_sd)):
        found |= {f"mfcc{i:02d}_{kind}": float(v) for i, v in enumerate(values)}
    return found


def deltas(C: np.ndarray) -> np.ndarray:
    """Slope over time by regression over two frames each side, per frame; edges repeated.

    Source: S. Young and others, "The HTK Book", 2006, section 5.9.
    """
    padded = np.pad(C, ((0, 0), (DELTA_REACH, DELTA_REACH)), mode="edge")
    t = C.shape[1]
    steps = range(1, DELTA_REACH + 1)
    middle = DELTA_REACH
    total = sum(
        k * (padded[:, middle + k : middle + k + t] - padded[:, middle - k : middle - k + t])
        for k in steps
    )
    return total / (2 * sum(k * k for k in steps))


def mel_strength(S_db: np.ndarray, segments: np.ndarray, *, frame_s: float) -> np.ndarray:
    """Mean over speech of a mel spectrogram in dB re its maximum, 80 dB deep.

    Parameters
    ----------
    S_db : np.ndarray [shape=(t, n_mels)]
        Mel power in dB, time first.
    segments : np.ndarray [shape=(k, 2)]
        Where there is speech, s.
    frame_s : float > 0
        Time from frame to frame, s.

    Returns
    -------
    np.ndarray [shape=(n_mels,)], float32
        dB; NaN where no frame counts.
    """
    speech = in_speech(segments, np.arange(len(S_db)) * frame_s)
    if not speech.any():
        return np.full(S_db.shape[1], np.nan, dtype=np.float32)
    S_db = np.maximum(S_db - S_db.max(), -spectra.MFCC_TOP_DB)
    return S_db[speech].mean(axis=0, dtype=np.float32)

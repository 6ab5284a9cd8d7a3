"""The same words in another voice: raised in pitch with the tract kept, and whispered.

Conventions: mono at 16,000 Hz, the same length in and out; nothing is drawn by chance but the
noise of a whisper, which the caller's generator draws.
"""

import numpy as np

SR = 16_000
N_FFT, HOP = 512, 128  # of the whisper: 32 and 8 ms
LIFTER_S = 0.0015  # cepstrum kept: the tract, not the pitch


def raised(y: np.ndarray, semitones: float) -> np.ndarray:
    """A voice with its pitch raised and its formants where they were, as in excited speech.

    Grains of two periods around the strongest moment of each are set closer together
    (time-domain PSOLA) [#]_; what is not voiced stays.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal at 16,000 Hz.
    semitones : float
        By how much.

    Returns
    -------
    np.ndarray [shape=(n,)], float64

    References
    ----------
    .. [#] E. Moulines, F. Charpentier, "Pitch-synchronous waveform processing techniques for
       text-to-speech synthesis using diphones", Speech Communication 9, 1990.
    """
    from core.errors import AudioTooShortError
    from core.pitch import f0_track

    y = np.asarray(y, dtype=np.float64)
    try:
        track = f0_track(y.astype(np.float32), sr=SR)
    except AudioTooShortError:
        return y
    ratio = 2 ** (semitones / 12)
    out = y.copy()
    for first, last in _runs(track.voiced_flag):
        times, f0 = track.times[first:last], track.f0[first:last]
        start, end = round(times[0] * SR), min(round(times[-1] * SR), y.size)
        marks = _marks(y, times, f0, start, end)
        if len(marks) < 3:
            continue
        made, weight = _closer(y, marks, ratio)
        ramp = np.clip((np.arange(y.size) - marks[0][0]) / 80, 0, 1)
        ramp *= np.clip((marks[-1][0] - np.arange(y.size)) / 80, 0, 1)
        out += ramp * (made / np.maximum(weight, 0.5) - y)
    return out


def whispered(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same envelope over noise: what is left of speech without a voice.

    The envelope is the cepstrum below 1.5 ms of each frame of 32 ms.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal at 16,000 Hz.
    rng : np.random.Generator
        Draws the noise.

    Returns
    -------
    np.ndarray [shape=(n,)], float64
    """
    from scipy import signal

    y = np.asarray(y, dtype=np.float64)
    if y.size < N_FFT:
        return y
    form = signal.ShortTimeFFT(np.hanning(N_FFT), HOP, SR, scale_to="magnitude")
    levels = np.log(np.abs(form.stft(y)) + 1e-7)
    cepstrum = np.fft.irfft(levels, axis=0)
    width = round(LIFTER_S * SR)
    cepstrum[width : N_FFT - width + 1] = 0
    envelope = np.exp(np.fft.rfft(cepstrum, axis=0).real)
    noise = form.stft(rng.standard_normal(y.size))
    found = form.istft(envelope * noise, k1=y.size)
    power = np.mean(y**2) / max(float(np.mean(found**2)), 1e-20)
    return found * np.sqrt(power)


def _runs(flag: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flag, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= 3]


def _marks(
    y: np.ndarray, times: np.ndarray, f0: np.ndarray, start: int, end: int
) -> list[tuple[int, int]]:
    """Samples of the strongest moment of each period, with the period."""
    period = round(SR / f0[0])
    if start + period >= end:
        return []
    sign = 1 if y[start:end].max() >= -y[start:end].min() else -1
    at = start + int(np.argmax(sign * y[start : start + period]))
    marks = []
    while at < end:
        period = round(SR / np.interp(at / SR, times, f0))
        marks.append((at, period))
        low, high = at + round(0.8 * period), at + round(1.2 * period) + 1
        if high >= end:
            break
        at = low + int(np.argmax(sign * y[low:high]))
    return marks


def _closer(
    y: np.ndarray, marks: list[tuple[int, int]], ratio: float
) -> tuple[np.ndarray, np.ndarray]:
    """Grains at a new distance, and the sum of their windows."""
    made, weight = np.zeros(y.size), np.zeros(y.size)
    places = np.array([at for at, _ in marks])
    t = float(places[0])
    while t <= places[-1]:
        at, period = marks[int(np.argmin(np.abs(places - t)))]
        to = round(t)
        t += period / ratio
        before = min(period, at, to)
        after = min(period, y.size - at, y.size - to)
        window = np.hanning(2 * period + 1)[period - before : period + after]
        made[to - before : to + after] += window * y[at - before : at + after]
        weight[to - before : to + after] += window
    return made, weight

"""The ways a recording goes bad, with a dose: echo, noise, overload, telephone, MP3.

Conventions: ``y`` is mono, float32; steps are applied in the order in which they happen to a
recording: room, noise, overload, narrow band, coding. Random parts are seeded.
"""

from dataclasses import dataclass
import io

import numpy as np

from core.errors import AudioTooShortError, ParameterError
from core.params import Digest

CLEAN_SNR_DB = 60.0  # at this dose and above no noise is added
BIT_RATES = (8, 16, 24, 32, 48, 64)  # kbit/s that MP3 has at 16 kHz
NARROW_SR = 8000  # Hz


@dataclass(frozen=True)
class Harm(Digest):
    """What is done to a recording; the defaults do nothing.

    Attributes
    ----------
    snr_db : float
        Level of the recording above white noise, dB; 60 adds none.
    reverb_s : float
        Time in which the echo of a room dies away by 60 dB, s; 0 is no room.
    clip_db : float
        How far the loudest moment goes over full scale, dB; 0 is no overload.
    narrow : bool
        Whether it goes through 8 kHz, and back to its own rate.
    mp3_kbps : int
        Bit rate of MP3 in kbit/s; 0 is no coding.
    """

    snr_db: float = CLEAN_SNR_DB
    reverb_s: float = 0.0
    clip_db: float = 0.0
    narrow: bool = False
    mp3_kbps: int = 0

    def check(self) -> None:
        """Raise ParameterError where a dose cannot be given."""
        within = {"snr_db": (-20, 60), "reverb_s": (0, 5), "clip_db": (0, 40)}
        for name, (low, high) in within.items():
            if not low <= getattr(self, name) <= high:
                raise ParameterError(
                    f"{name}={getattr(self, name):g} does not work: choose {low} to {high}."
                )
        if self.mp3_kbps and self.mp3_kbps not in BIT_RATES:
            raise ParameterError(
                f"mp3_kbps={self.mp3_kbps} does not work: choose one of {list(BIT_RATES)}, or 0."
            )


def break_it(y: np.ndarray, *, sr: int, harm: Harm) -> np.ndarray:
    """The recording after all that ``harm`` does to it.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono signal.
    sr : int > 0
        Sampling rate in Hz; MP3 needs 16 kHz.
    harm : Harm
        The doses.

    Returns
    -------
    np.ndarray [shape=(n,)], float32
        As long as ``y``, within full scale.

    Raises
    ------
    AudioTooShortError
        The signal is empty.
    ParameterError
        A dose cannot be given.
    """
    harm.check()
    if y.size == 0:
        raise AudioTooShortError("The signal is empty: there is nothing to break.")
    z = np.asarray(y, dtype=np.float32)
    if harm.reverb_s:
        z = reverb(z, sr=sr, decay_s=harm.reverb_s)
    if harm.snr_db < CLEAN_SNR_DB:
        z = noisy(z, snr_db=harm.snr_db)
    if harm.clip_db:
        z = overdriven(z, clip_db=harm.clip_db)
    if harm.narrow:
        z = narrowed(z, sr=sr)
    if harm.mp3_kbps:
        z = mp3(z, sr=sr, kbps=harm.mp3_kbps)
    return np.clip(z, -1.0, 1.0)


def noisy(y: np.ndarray, *, snr_db: float) -> np.ndarray:
    """White noise ``snr_db`` below the RMS level of the whole signal [shape of y]."""
    noise = np.random.default_rng(0).standard_normal(y.size).astype(np.float32)
    return y + noise * np.float32(_rms(y) * 10 ** (-snr_db / 20))


def reverb(y: np.ndarray, *, sr: int, decay_s: float) -> np.ndarray:
    """A made-up room: noise that decays by 60 dB in ``decay_s``, as strong as the direct sound.

    Source: J. A. Moorer, "About This Reverberation Business", Computer Music Journal 3(2), 1979.
    """
    from scipy.signal import fftconvolve

    t = np.arange(1, round(decay_s * sr) + 1) / sr
    tail = np.random.default_rng(1).standard_normal(t.size) * 10 ** (-3 * t / decay_s)
    tail[: round(0.002 * sr)] = 0
    tail *= 1 / np.sqrt(np.square(tail).sum() + 1e-12)
    heard = fftconvolve(y, np.concatenate([[1.0], tail]))[: y.size]
    level = _rms(heard)
    return (heard * (_rms(y) / level if level > 0 else 1.0)).astype(np.float32)


def overdriven(y: np.ndarray, *, clip_db: float) -> np.ndarray:
    """Gain until the loudest moment is ``clip_db`` over full scale, and the tops cut off."""
    peak = float(np.abs(y).max(initial=0.0))
    if peak <= 0:
        return y
    return np.clip(y * np.float32(10 ** (clip_db / 20) / peak), -1.0, 1.0)


def narrowed(y: np.ndarray, *, sr: int) -> np.ndarray:
    """What is left after 8 kHz, at the rate it had: nothing above 4 kHz [shape of y]."""
    from core import audio, spectra

    if sr <= NARROW_SR:
        return y
    low = audio.resample(y, sr_in=sr, sr_out=NARROW_SR)
    back = audio.resample(low, sr_in=NARROW_SR, sr_out=sr)
    return spectra.zero_padded(back, 0, y.size)


def mp3(y: np.ndarray, *, sr: int, kbps: int) -> np.ndarray:
    """The signal encoded as MP3 at ``kbps`` kbit/s by LAME, and decoded again [shape of y]."""
    import av

    from core import spectra

    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as out:
        stream = out.add_stream("libmp3lame", rate=sr, layout="mono")
        stream.bit_rate = kbps * 1000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(y[None]), "fltp", "mono")
        frame.sample_rate = sr
        resampler = av.AudioResampler(stream.format, "mono", sr, stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as made:
        parts = [part.to_ndarray().reshape(-1) for part in made.decode(audio=0)]
    return spectra.zero_padded(np.concatenate(parts).astype(np.float32), 0, y.size)


def _rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))

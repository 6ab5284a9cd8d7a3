"""Settings of measurements, as frozen dataclasses: hashable, checkable, with a digest.

Conventions: lengths in seconds and frequencies in Hz, except ``n_fft`` and ``hop_length``, which
are samples, as in librosa and in the article. Levels in dB.
"""

from dataclasses import asdict, dataclass, field
from hashlib import blake2b
import json

from core.errors import ParameterError

WINDOWS = ("hann", "hamming", "blackman", "boxcar")
DENOISE_METHODS = ("lsa", "noisereduce")


class Digest:
    """A short name for settings, the same on every machine."""

    __slots__ = ()

    @property
    def digest(self) -> str:
        """Twelve hex digits of the settings, written as sorted JSON."""
        text = json.dumps([type(self).__name__, asdict(self)], sort_keys=True)  # type: ignore[call-overload]
        return blake2b(text.encode(), digest_size=6).hexdigest()


def _within(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    if not low <= value <= high:
        unit = f" {unit}" if unit else ""
        raise ParameterError(
            f"{name}={value:g}{unit} does not work: choose {low:g} to {high:g}{unit}."
        )


@dataclass(frozen=True)
class SpectraParams(Digest):
    """Settings of the spectral views; the defaults are librosa's, and so the article's.

    ``top_db`` is the range kept below the maximum, as in ``librosa.power_to_db``.
    """

    n_fft: int = 2048
    hop_length: int = 512
    window: str = "hann"
    n_mels: int = 128
    n_mfcc: int = 20
    top_db: float = 80.0

    def check(self, sr: int) -> None:
        """Raise ParameterError where these settings cannot work at ``sr``."""
        _within("n_fft", self.n_fft, 32, 65536, "samples")
        _within("hop_length", self.hop_length, 1, self.n_fft, "samples")
        _within("n_mels", self.n_mels, 1, 512)
        _within("n_mfcc", self.n_mfcc, 1, self.n_mels)
        _within("top_db", self.top_db, 1, 200, "dB")
        if self.window not in WINDOWS:
            raise ParameterError(f"Unknown window {self.window!r}: choose one of {list(WINDOWS)}.")
        if sr <= 0:
            raise ParameterError(f"sr={sr} Hz must be above 0.")


@dataclass(frozen=True)
class HighPass(Digest):
    """Butterworth high-pass, forward and backward: no shift in time."""

    on: bool = False
    cutoff_hz: float = 80.0
    order: int = 4

    def check(self, sr: int) -> None:
        """Raise ParameterError where these settings cannot work at ``sr``."""
        _within("cutoff_hz", self.cutoff_hz, 10, 0.45 * sr, "Hz")
        _within("order", self.order, 1, 10)


@dataclass(frozen=True)
class HumNotch(Digest):
    """Narrow notches at the mains frequency and its harmonics, forward and backward."""

    on: bool = False
    freq_hz: float = 50.0
    harmonics: int = 5
    width_hz: float = 2.0

    def check(self, sr: int) -> None:
        """Raise ParameterError where these settings cannot work at ``sr``."""
        _within("freq_hz", self.freq_hz, 20, 0.45 * sr, "Hz")
        _within("harmonics", self.harmonics, 1, 40)
        _within("width_hz", self.width_hz, 0.2, 20, "Hz")


@dataclass(frozen=True)
class Denoise(Digest):
    """Noise reduction.

    ``method="lsa"`` is an MMSE log-spectral amplitude estimator: it takes away at most
    ``strength_db``. ``method="noisereduce"`` is the article's non-stationary spectral gate; its
    five settings bear noisereduce's own names and defaults.
    """

    on: bool = True
    method: str = "lsa"
    strength_db: float = 12.0
    prop_decrease: float = 1.0
    time_constant_s: float = 2.0
    freq_mask_smooth_hz: float = 500.0
    time_mask_smooth_ms: float = 50.0
    thresh_n_mult_nonstationary: float = 2.0

    def check(self, sr: int) -> None:
        """Raise ParameterError where these settings cannot work at ``sr``."""
        if self.method not in DENOISE_METHODS:
            raise ParameterError(
                f"Unknown denoise method {self.method!r}: choose one of {list(DENOISE_METHODS)}."
            )
        _within("strength_db", self.strength_db, 0, 60, "dB")
        _within("prop_decrease", self.prop_decrease, 0, 1)
        _within("time_constant_s", self.time_constant_s, 0.1, 60, "s")
        _within("freq_mask_smooth_hz", self.freq_mask_smooth_hz, sr / 512, sr / 2, "Hz")
        _within("time_mask_smooth_ms", self.time_mask_smooth_ms, 256_000 / sr, 2000, "ms")
        _within("thresh_n_mult_nonstationary", self.thresh_n_mult_nonstationary, 0.1, 20)


@dataclass(frozen=True)
class Trim(Digest):
    """Cut silence at both ends, as ``librosa.effects.trim``: quieter than maximum − ``top_db``."""

    on: bool = True
    top_db: float = 20.0

    def check(self, sr: int) -> None:
        """Raise ParameterError where these settings cannot work."""
        _within("top_db", self.top_db, 1, 120, "dB")


@dataclass(frozen=True)
class Gain(Digest):
    """Level change in dB; applied last."""

    on: bool = False
    gain_db: float = 0.0

    def check(self, sr: int) -> None:
        """Raise ParameterError where these settings cannot work."""
        _within("gain_db", self.gain_db, -60, 60, "dB")


@dataclass(frozen=True)
class CleanParams(Digest):
    """The cleaning chain, in the order it is applied."""

    high_pass: HighPass = field(default_factory=HighPass)
    hum_notch: HumNotch = field(default_factory=HumNotch)
    denoise: Denoise = field(default_factory=Denoise)
    trim: Trim = field(default_factory=Trim)
    gain: Gain = field(default_factory=Gain)

    def check(self, sr: int) -> None:
        """Raise ParameterError where a step that is on cannot work at ``sr``."""
        for step in (self.high_pass, self.hum_notch, self.denoise, self.trim, self.gain):
            if step.on:
                step.check(sr)


ARTICLE_CLEAN = CleanParams(denoise=Denoise(method="noisereduce"))


@dataclass(frozen=True)
class F0Params(Digest):
    """Settings of the f0 track by filtered autocorrelation; the costs are strengths, 0 to 1.

    ``cutoff_hz`` is where the low-pass before the autocorrelation takes 30 dB away.
    """

    fmin: float = 65.0
    fmax: float = 500.0
    hop_s: float = 0.010
    frame_s: float = 0.050
    cutoff_hz: float = 2000.0
    silence_threshold: float = 0.09
    voicing_threshold: float = 0.45
    octave_cost: float = 0.04
    octave_jump_cost: float = 0.7
    voiced_unvoiced_cost: float = 0.3

    def check(self, sr: int) -> None:
        """Raise ParameterError where these settings cannot work at ``sr``."""
        if sr < 8000:
            raise ParameterError(f"f0 needs sr=8000 Hz or more, got {sr} Hz: resample first.")
        _within("fmin", self.fmin, 20, 1000, "Hz")
        _within("fmax", self.fmax, 40, 1500, "Hz")
        if self.fmin >= self.fmax:
            raise ParameterError(
                f"fmin={self.fmin:g} Hz must be below fmax={self.fmax:g} Hz: change one of them."
            )
        _within("hop_s", self.hop_s, 0.001, 1, "s")
        _within("frame_s", self.frame_s, 2 / self.fmin, 1, "s")
        _within("cutoff_hz", self.cutoff_hz, self.fmax, 2400, "Hz")
        for name in ("silence_threshold", "voicing_threshold"):
            _within(name, getattr(self, name), 0.01, 1)
        for name in ("octave_cost", "octave_jump_cost", "voiced_unvoiced_cost"):
            _within(name, getattr(self, name), 0, 2)

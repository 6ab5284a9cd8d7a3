"""What a check answers, and the thresholds it is judged by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
import math
from typing import NamedTuple

from core.errors import ParameterError
from core.params import Digest

VERDICTS = ("pass", "warn", "fail", "unknown")


class Thresholds(NamedTuple):
    """Where a value becomes a warning and a failure; NaN is nowhere.

    ``direction`` is "above" or "below", the side that is bad, or "" where nothing is judged.
    """

    warn: float
    fail: float
    direction: str

    def verdict(self, value: float) -> str:
        """Of a value: "unknown" for NaN."""
        if not math.isfinite(value):
            return "unknown"
        sign = -1 if self.direction == "below" else 1
        if sign * value > sign * self.fail:
            return "fail"
        return "warn" if sign * value > sign * self.warn else "pass"

    def words(self, unit: str) -> str:
        """As "warns below 15 dB, fails below 5 dB"."""
        unit = f" {unit}" if unit else ""
        said = [
            f"{word} {self.direction} {limit:g}{unit}"
            for word, limit in (("warns", self.warn), ("fails", self.fail))
            if math.isfinite(limit)
        ]
        return ", ".join(said)


@dataclass(frozen=True)
class Check:
    """One property of a recording, judged.

    Attributes
    ----------
    key, label, unit : str
        Name in tables, name for people, unit.
    value : float
        NaN where it cannot be measured; the verdict is then "unknown".
    verdict : {"pass", "warn", "fail", "unknown"}
    thresholds : Thresholds
        What the value was judged by.
    about, cure, source : str
        What it is, what to do about it, where the method is from.
    detail : str
        What was found, in words; may be empty.
    worst : tuple of float, or None
        Start and end in s of the moment to look at first.
    places : tuple of tuple of float
        Starts and ends in s of up to 50 moments, in their order.
    extra : dict of str to float
        More numbers that belong to it, as the frequency of a hum.
    """

    key: str
    label: str
    value: float
    unit: str
    verdict: str
    thresholds: Thresholds
    about: str
    cure: str
    source: str
    detail: str = ""
    worst: tuple[float, float] | None = None
    places: tuple[tuple[float, float], ...] = ()
    extra: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All checks of one recording, and what they come to.

    ``verdict`` is the worst of the checks', "unknown" where none could be made; ``sentence`` says
    it in plain words; ``duration_s`` is in s.
    """

    checks: tuple[Check, ...]
    verdict: str
    sentence: str
    duration_s: float
    sr: int
    channels: int

    def __getitem__(self, key: str) -> Check:
        for check in self.checks:
            if check.key == key:
                return check
        raise KeyError(key)


@dataclass(frozen=True)
class CheckParams(Digest):
    """Thresholds of every check: ``<key>_warn`` and ``<key>_fail``; NaN judges nothing.

    Shares are 0 to 1, levels in dBFS, times in s, frequencies in Hz; ``docs/checks.md`` says which
    side is bad.
    """

    clipping_warn: float = 0.0002
    clipping_fail: float = 0.01
    peak_warn: float = math.nan
    peak_fail: float = math.nan
    true_peak_warn: float = 3.0
    true_peak_fail: float = math.nan
    loudness_warn: float = -40.0
    loudness_fail: float = -55.0
    active_level_warn: float = -38.0
    active_level_fail: float = -55.0
    snr_warn: float = 15.0
    snr_fail: float = 5.0
    noise_floor_warn: float = -40.0
    noise_floor_fail: float = -25.0
    hum_warn: float = -60.0
    hum_fail: float = -30.0
    dc_offset_warn: float = 0.01
    dc_offset_fail: float = 0.1
    clicks_warn: float = 0.5
    clicks_fail: float = 20.0
    bandwidth_warn: float = 6000.0
    bandwidth_fail: float = 3000.0
    head_silence_warn: float = 0.8
    head_silence_fail: float = 5.0
    tail_silence_warn: float = 0.8
    tail_silence_fail: float = 5.0
    speech_share_warn: float = 0.35
    speech_share_fail: float = 0.1
    dropouts_warn: float = 0.5
    dropouts_fail: float = 5.0
    channels_warn: float = 6.0
    channels_fail: float = 40.0

    def check(self) -> None:
        """Raise ParameterError where a threshold cannot work."""
        from core.quality._catalogue import SPECS

        for item in fields(self):
            if math.isinf(getattr(self, item.name)):
                raise ParameterError(f"{item.name} must be a number, or NaN to judge nothing.")
        for spec in SPECS:
            warn, fail, direction = self.of(spec.key)
            if (fail < warn) if direction == "above" else (fail > warn):
                raise ParameterError(
                    f"{spec.key}_fail={fail:g} must lie {direction} {spec.key}_warn={warn:g}."
                )

    def of(self, key: str) -> Thresholds:
        """The thresholds of one check."""
        from core.quality._catalogue import SPECS

        direction = next(spec.direction for spec in SPECS if spec.key == key)
        return Thresholds(getattr(self, f"{key}_warn"), getattr(self, f"{key}_fail"), direction)


DEFAULT = CheckParams()

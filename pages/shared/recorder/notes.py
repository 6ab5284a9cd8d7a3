"""What is known of a recording made here: what the browser did to it, and its noise floor.

Conventions: levels in dBFS, where a square wave at full scale has 0; None is "not known". The
browser's word is the visitor's input: what is not of the expected kind counts as not said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import math

import streamlit as st

from core.audio import ClipRef

STEPS = {
    "echoCancellation": "echo cancellation",
    "noiseSuppression": "noise suppression",
    "autoGainControl": "automatic gain",
}
MAYBE_STEPS = {"voiceIsolation": "voice isolation"}  # newer: that it is not said means nothing
WORDS = {
    "raw": "Your browser gave raw sound at {rate} Hz.",
    "processed": (
        "Your browser processes the sound ({steps} on): SNR and bandwidth cannot be trusted."
    ),
    "unsaid": (
        "Your browser does not say whether it processes the sound ({steps}): "
        "SNR and bandwidth may not be true."
    ),
    "resampled": "It resampled the sound from {from} to {to} Hz: bandwidth cannot be trusted.",
}
_RECORDED = "recorded"  # in the session's state: path of the WAV -> Recorded


@dataclass(frozen=True)
class Recorded:
    """How a recording was made.

    ``on`` and ``unsaid`` name the processing the browser applied, and that of which it says
    nothing; ``sr`` is the rate of the file and ``device_sr`` that of the microphone, in Hz;
    ``floor_db`` is the level of the quiet second before it.
    """

    sr: int
    device_sr: int | None = None
    on: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    floor_db: float | None = None

    @classmethod
    def of(cls, said: Mapping) -> "Recorded":
        """From what the browser sent: ``{"sr", "floor_db", "settings": {...}}``."""
        found = said.get("settings")
        settings = found if isinstance(found, Mapping) else {}
        every = {**STEPS, **MAYBE_STEPS}
        return cls(
            sr=_rate(said.get("sr")) or 0,
            device_sr=_rate(settings.get("sampleRate")),
            on=tuple(name for key, name in every.items() if _is_on(settings.get(key))),
            unsaid=tuple(n for k, n in STEPS.items() if not _is_said(settings.get(k))),
            floor_db=_level(said.get("floor_db")),
        )

    def sentences(self) -> list[str]:
        """What makes results doubtful; empty where the sound is raw."""
        found = []
        if self.on:
            found.append(WORDS["processed"].format(steps=", ".join(self.on)))
        elif self.unsaid:
            found.append(WORDS["unsaid"].format(steps=", ".join(self.unsaid)))
        if self.device_sr and self.sr and self.device_sr != self.sr:
            words = {"from": f"{self.device_sr:,}", "to": f"{self.sr:,}"}
            found.append(WORDS["resampled"].format(**words))
        return found

    def note(self) -> str:
        """In a line, for under the recording's name."""
        said = self.sentences() or [WORDS["raw"].format(rate=f"{self.sr:,}")]
        if self.floor_db is not None:
            said.append(f"Noise floor before it: {self.floor_db:.1f} dBFS.".replace("-", "−"))
        return " ".join(said)


def remember(ref: ClipRef, found: Recorded) -> None:
    """Keep it for as long as the session lasts."""
    st.session_state[_RECORDED] = {**st.session_state.get(_RECORDED, {}), ref.path: found}


def recorded(ref: ClipRef) -> Recorded | None:
    """How this recording was made; None for files that did not come from the recorder."""
    return st.session_state.get(_RECORDED, {}).get(ref.path)


def processed(ref: ClipRef) -> str | None:
    """What the browser did to this recording.

    Parameters
    ----------
    ref : ClipRef
        Any clip.

    Returns
    -------
    str or None
        One or two sentences where SNR and bandwidth cannot be trusted; None where the browser
        says that it gave raw sound, and for files that were not recorded here.
    """
    found = recorded(ref)
    return " ".join(found.sentences()) or None if found else None


def noise_floor_db(ref: ClipRef) -> float | None:
    """Level in dBFS of the second before the recording, DC removed; None where there is none."""
    found = recorded(ref)
    return found.floor_db if found else None


def _is_on(value: object) -> bool:
    return value is True or (isinstance(value, str) and value != "")  # "all", "remote-only"


def _is_said(value: object) -> bool:
    return isinstance(value, bool) or _is_on(value)


def _rate(value: object) -> int | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return round(value) if known and 1000 <= value <= 1_000_000 else None


def _level(value: object) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known and -200 <= value <= 20 else None

"""The sounds of a player: written for the browser to fetch, summarised for it to draw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
import secrets

import numpy as np
import streamlit as st

from core import audio, player
from core.audio import ClipRef
from core.player import Summary
from pages.shared import session
from pages.shared.player import cache_summary


@dataclass(frozen=True, eq=False)
class Track:
    """One sound of a player.

    ``url`` is where the browser finds it; ``offset`` is the number of its first sample on the
    common time axis; ``gain_db`` makes it as loud as the others; ``short_db`` is what lacks to
    that, because more would clip.
    """

    name: str
    url: str
    summary: Summary
    offset: int = 0
    gain_db: float = 0.0
    short_db: float = 0.0
    ident: str = field(default="")


def tracks(
    sounds: Mapping[str, np.ndarray],
    *,
    sr: int,
    key: str,
    keys: Mapping[str, str] | None = None,
    offsets: Mapping[str, int] | None = None,
) -> list[Track]:
    """Tracks of mono signals with one sampling rate, made equally loud.

    Parameters
    ----------
    sounds : mapping of str to np.ndarray [shape=(n,)], n >= 1
        Signals by name.
    sr : int > 0
        Sampling rate in Hz.
    key : str
        Names these sounds: the same key and name stand for the same samples.
    keys : mapping of str to str, optional
        Keys of single sounds, instead of ``key``: one that stays is not written again.
    offsets : mapping of str to int, optional
        First samples on the common time axis, of sounds that were cut at their start.

    Raises
    ------
    AudioTooShortError
        If a signal is empty.
    ParameterError
        If a signal is not mono.
    """
    mine, base = session.mine(), (st.get_option("server.baseUrlPath") or "").strip("/")
    places = {name: mine.sound(f"{(keys or {}).get(name, key)} {name}") for name in sounds}
    made = {}
    for name, y in sounds.items():  # only now: making room for one may have removed another
        path = _written(y, sr, places[name])
        made[name] = (path, cache_summary.summary(ClipRef.of(path), y, sr))
    gains = player.match_gains([summary for _, summary in made.values()])
    found = []
    for (name, (path, summary)), (gain, lacking) in zip(made.items(), gains, strict=True):
        found.append(
            Track(
                name=name,
                url=(f"/{base}" if base else "") + f"/audio/{mine.token}/{path.stem}.wav",
                summary=summary,
                offset=(offsets or {}).get(name, 0),
                gain_db=gain,
                short_db=lacking,
                ident=f"{path.stem} {path.stat().st_mtime_ns}",
            )
        )
    return found


def _written(y: np.ndarray, sr: int, path: Path) -> Path:
    if not path.is_file():  # whole or not at all, but for this session only: it need not be synced
        part = path.with_name(f".{secrets.token_hex(8)}.part")
        part.write_bytes(audio.encode_wav(y, sr=sr, bits=16))
        part.replace(path)
    return path

"""The component: packs sounds and marks into one message, and reads back what matters.

The message is ``[u32: length of the header][header, JSON][segments, each on a multiple of 4]``;
a segment is ``{"at": byte, "count": values, "type": "u8" | "i16" | "f32"}`` in the header.
"""

from collections.abc import Sequence
from hashlib import blake2b
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st

from core import player as core_player
from core.errors import ParameterError
from core.figures import palette
from core.safe_text import clean
from pages.shared.player.marks import Curve, Mark
from pages.shared.player.tracks import Track

HERE = Path(__file__).resolve().parent
SCRIPTS = ("scales", "sound", "fetching", "drawing", "blind", "controls", "player")
HEIGHT, SMALL_HEIGHT = 420, 48  # px
COLOURS = (palette.BEFORE, palette.AFTER, palette.REMOVED, *palette.GROUPS[3:])
VIRIDIS = (
    (68, 1, 84),
    (65, 68, 135),
    (42, 120, 142),
    (34, 168, 132),
    (122, 209, 81),
    (253, 231, 37),
)
MAPS = {
    "magma": palette.MAGMA,
    "viridis": VIRIDIS,
    "grey": ((0, 0, 0), (255, 255, 255)),
    "paper": ((255, 255, 255), (0, 0, 0)),
}
MARK_COLOURS = ("#19b5d8", "#35b36b", "#e0a100", "#8f7ae5", "#e5484d", "#e06fb0")
_TYPES = {"u8": "<u1", "i16": "<i2", "f32": "<f4"}

_mount = st.components.v2.component(
    "phonoscope_player",
    html=(HERE / "player.html").read_text(encoding="utf-8"),
    css=(HERE / "player.css").read_text(encoding="utf-8"),
    js="\n".join((HERE / "js" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS),
)


class Heard(NamedTuple):
    """What a visitor did: ``selection`` is (start, end) in s; ``votes`` in the order given.

    A vote is ``{"mode": "ab" | "abx", "chosen": name, "right": bool | None}``.
    """

    selection: tuple[float, float] | None
    votes: list[dict]


class Packed:
    """Arrays behind one another, and where they are."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, values: np.ndarray, kind: str) -> dict:
        """Keep an array; returns its segment."""
        data = np.ascontiguousarray(values, dtype=_TYPES[kind]).tobytes()
        segment = {"at": self.size, "count": values.size, "type": kind}
        data += bytes(-len(data) % 4)
        self.parts.append(data)
        self.size += len(data)
        return segment

    def message(self, header: dict) -> bytes:
        """The whole message."""
        text = json.dumps(header, allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        return b"".join([len(text).to_bytes(4, "little"), text, *self.parts])


def player(
    sounds: Sequence[Track],
    *,
    key: str,
    marks: Sequence[Mark | Curve] = (),
    height: int | None = None,
    small: bool = False,
) -> Heard:
    """A player for sounds on one time axis.

    Parameters
    ----------
    sounds : sequence of Track, 1 to 9
        What can be heard, the first at the start; see ``tracks``.
    key : str
        Names the place on the page; position, zoom and selection stay with it over reruns.
    marks : sequence of Mark or Curve
        Drawn over the pictures; times are on the common axis.
    height : int, optional
        Height of the pictures in px.
    small : bool
        Waveform and play button only, and nothing is reported back: for rows of a table.

    Returns
    -------
    Heard
        The selection, and the votes of blind comparisons.

    Raises
    ------
    ParameterError
        If there are no sounds or more than nine.
    """
    if not 1 <= len(sounds) <= 9:
        raise ParameterError(f"A player takes 1 to 9 sounds, got {len(sounds)}.")
    data = message(sounds, marks, height or (SMALL_HEIGHT if small else HEIGHT), small)
    state = _mount(
        data=data,
        key=key.replace("__", "_."),  # Streamlit keeps two underscores for itself
        default={"selection": None, "votes": []},
        on_selection_change=_nothing,
        on_votes_change=_nothing,
    )
    chosen = state.selection
    return Heard((float(chosen[0]), float(chosen[1])) if chosen else None, list(state.votes or []))


def _nothing() -> None:
    """The run that follows reads the state."""


def message(
    sounds: Sequence[Track], marks: Sequence[Mark | Curve], height: int, small: bool
) -> bytes:
    """What the browser gets; the same bytes for the same sounds and marks."""
    packed = Packed()
    header = {
        "small": small,
        "height": height,
        "floor_db": core_player.FLOOR_DB,
        "step_db": core_player.STEP_DB,
        "limits": {
            "pcm": core_player.MAX_SAMPLES,
            "extremes": core_player.MAX_EXTREMES,
            "picture": core_player.MAX_PICTURE_S,
            "measures": core_player.MAX_MEASURED_S,
            "fine": core_player.FINE,
        },
        "maps": MAPS,
        "tracks": [_track(t, i, packed, small) for i, t in enumerate(sounds)],
        "marks": [] if small else _marks(marks, packed),
        "mark_colours": MARK_COLOURS,
    }
    digest = blake2b(repr([header["marks"], height, small]).encode(), digest_size=8)
    digest.update(repr([(t.name, t.ident, t.offset) for t in sounds]).encode())
    for curve in (mark for mark in marks if isinstance(mark, Curve)):
        digest.update(np.asarray(curve.values, "<f4").tobytes())
    return packed.message({**header, "id": digest.hexdigest()})


def _track(track: Track, i: int, packed: Packed, small: bool) -> dict:
    s = track.summary
    found = {
        "name": clean(track.name, 40),
        "colour": COLOURS[i % len(COLOURS)],
        "url": track.url,
        "sr": s.sr,
        "n": s.n,
        "offset": track.offset,
        "gain_db": round(track.gain_db, 2),
        "short_db": round(track.short_db, 2),
        "levels": [{"bin": s.coarse_bin, "values": packed.add(s.coarse, "i16")}],
    }
    if not small:  # fetched by the browser once the rest is on screen
        found["picture"] = {"rows": core_player.HEIGHT, "columns": core_player.WIDTH}
    return found


def _marks(marks: Sequence[Mark | Curve], packed: Packed) -> list[dict]:
    kinds: dict[str, dict] = {}
    for mark in marks:
        kind = kinds.setdefault(clean(mark.kind, 40), {"marks": []})
        if isinstance(mark, Curve):
            kind["times"] = packed.add(mark.times, "f32")
            kind["values"] = packed.add(mark.values, "f32")
        else:
            label = clean(mark.label, 120)
            places = (mark.start, mark.end, mark.value)
            kind["marks"].append([None if v is None else float(v) for v in places] + [label])
    return [{"kind": name, **found} for name, found in kinds.items()]

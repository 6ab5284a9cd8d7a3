"""A player of our own: one cursor over waveform and spectrogram, before, after and removed.

    heard = player(tracks({"Before": y, "After": cleaned.y}, sr=sr, key=...), key="player")
    heard.selection   # (start, end) in s, or None
    heard.votes       # what a blind comparison found

``tracks`` writes the sounds and summarises them; ``marks_of`` turns measurements into marks.
"""

from pages.shared.player.component import Heard, player
from pages.shared.player.marks import Curve, Mark, marks_of
from pages.shared.player.tracks import Track, tracks

__all__ = ["Curve", "Heard", "Mark", "Track", "marks_of", "player", "tracks"]

"""A recorder that asks the browser for raw sound and says what it got.

``recorder(keep=...)`` mounts it; ``processed(ref)`` is what the browser did to a recording, and
``noise_floor_db(ref)`` the level of the second before it, when nobody spoke.
"""

from pages.shared.recorder.component import recorder
from pages.shared.recorder.notes import Recorded, noise_floor_db, processed, recorded

__all__ = ["Recorded", "noise_floor_db", "processed", "recorded", "recorder"]

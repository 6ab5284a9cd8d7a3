"""Cleaning: a chain of steps, each of which says what it did and shows what it took away.

* The chain: ``clean``, ``Cleaned``, ``StepReport``
* The steps: ``high_pass``, ``hum_notch``, ``denoise_lsa``, ``denoise_noisereduce``, ``trim_bounds``
* ``warm`` compiles the denoisers before somebody waits for them

Conventions: mono float32 in and out, (n,); every step but the trim keeps the length and shifts
nothing in time.
"""

from core.clean._chain import Cleaned, StepReport, clean, trim_bounds, warm
from core.clean._filters import high_pass, hum_notch
from core.clean._gate import denoise_noisereduce
from core.clean._lsa import denoise_lsa

__all__ = [
    "Cleaned",
    "StepReport",
    "clean",
    "denoise_lsa",
    "denoise_noisereduce",
    "high_pass",
    "hum_notch",
    "trim_bounds",
    "warm",
]

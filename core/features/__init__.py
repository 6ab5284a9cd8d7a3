"""Features of a clip: one row per clip, one column per FeatureSpec.

Conventions: a value is a float in the unit of its spec, NaN where not measurable, never 0; vectors
are float32; what is measured is the signal given, at 16,000 Hz, so clean it first or not at all.

* What exists: ``FEATURE_SETS``, ``feature_set``, ``FeatureSet``, ``FeatureSpec``
* Measuring: ``extract``, ``Features``, ``warm``
"""

from core.features.base import (
    FEATURE_SETS,
    Features,
    FeatureSet,
    FeatureSpec,
    extract,
    feature_set,
    warm,
)

__all__ = [
    "FEATURE_SETS",
    "FeatureSet",
    "FeatureSpec",
    "Features",
    "extract",
    "feature_set",
    "warm",
]

"""Values judged, and what they come to in plain words."""

import math
from typing import TYPE_CHECKING

from core.quality._catalogue import SPECS
from core.quality._measures import Found, measure
from core.quality._survey import Survey
from core.quality._types import Check, CheckParams, Report

if TYPE_CHECKING:
    from core.quality._measures import Info

_ORDER = ("fail", "warn", "pass")
_NAMED = 3  # faults in the sentence


def report(seen: Survey, limits: CheckParams, info: "Info") -> Report:
    """The report of a survey that is complete."""
    found = measure(seen, info)
    checks = tuple(_check(spec, found[spec.key], limits) for spec in SPECS)
    verdicts = {check.verdict for check in checks}
    known = not math.isnan(found["active_level"].value)
    verdict = next((v for v in _ORDER if v in verdicts), "unknown") if known else "unknown"
    return Report(
        checks,
        verdict,
        _sentence(checks, verdict),
        seen.samples / seen.sr,
        seen.sr,
        seen.channels,
    )


def _check(spec, found: Found, limits: CheckParams) -> Check:
    thresholds = limits.of(spec.key)
    verdict = found.verdict or thresholds.verdict(found.value)
    return Check(
        spec.key,
        spec.label,
        float(found.value),
        spec.unit,
        verdict,
        thresholds,
        spec.about,
        spec.cure,
        spec.source,
        found.detail,
        found.worst,
        found.places,
        dict(found.extra),
    )


def _sentence(checks: tuple[Check, ...], verdict: str) -> str:
    if verdict == "unknown":
        return "Nothing can be said: there is no sound in it."
    if verdict == "pass":
        return "Good: nothing was found that needs attention."
    blame = {spec.key: spec.blame for spec in SPECS}
    bad = [check for v in ("fail", "warn") for check in checks if check.verdict == v]
    named = [blame[check.key] for check in bad if check.verdict == verdict][:_NAMED]
    words = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    cure = bad[0].cure
    if verdict == "fail":
        return f"Poor: {words}. {cure}"
    return f"Usable, but {words}: {cure[0].lower()}{cure[1:]}"

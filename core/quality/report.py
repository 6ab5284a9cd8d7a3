"""A report as a page to keep, as JSON, and in words: one place for how checks are written.

``to_html`` gives one file without scripts that opens offline and on a phone, and prints on one
page. Names and texts from files are escaped, and one visible line.
"""

from collections.abc import Mapping
from html import escape
import json
import math
from typing import Any, NamedTuple

from core.quality import Check, Report
from core.safe_text import clean

SHARES = frozenset(("clipping", "dc_offset", "speech_share"))  # written in per cent
WORDS = {"fail": "Fails", "warn": "Warning", "pass": "Passes", "unknown": "Not known"}
WORDS["plain"] = "Not judged"
SIGNS = {"fail": "✕", "warn": "!", "pass": "✓", "unknown": "?", "plain": "·"}
ORDER = ("fail", "warn", "pass", "unknown")
# What a browser's noise suppression and gain control change beyond use.
PROCESSED = frozenset(("active_level", "snr", "noise_floor", "loudness", "bandwidth"))


class Rank(NamedTuple):
    """Where a value lies among ``clips`` of a data set: how many are lower, how many the same."""

    lower: int
    same: int
    clips: int

    @property
    def percentile(self) -> float:
        """Share of the clips that are lower, the same ones counted by half, in per cent."""
        return 100 * (self.lower + self.same / 2) / self.clips


def unit(check: Check) -> str:
    """The unit a value is written in."""
    return "%" if check.key in SHARES else check.unit


def value_text(check: Check) -> str:
    """The value with its unit; a dash where it cannot be measured."""
    return _with_unit(check, check.value)


def limits_text(check: Check) -> str:
    """As "warns below 15 dB, fails below 5 dB"."""
    warn, fail, direction = check.thresholds
    said = [
        f"{word} {direction} {_with_unit(check, limit)}"
        for word, limit in (("warns", warn), ("fails", fail))
        if math.isfinite(limit)
    ]
    return ", ".join(said) or "not judged"


def is_judged(check: Check) -> bool:
    """Whether there is a threshold that its value could miss."""
    return math.isfinite(check.thresholds.warn) or math.isfinite(check.thresholds.fail)


def verdict_text(check: Check) -> str:
    """The verdict in a word or two."""
    return WORDS[tone(check)]


def tone(check: Check) -> str:
    """The verdict, or "plain" where nothing was judged: key of ``WORDS`` and ``SIGNS``."""
    return "plain" if check.verdict == "pass" and not is_judged(check) else check.verdict


def place_text(place: tuple[float, float]) -> str:
    """As "2.06 to 2.56 s", or "at 0.47 s" for a moment."""
    start, end = place
    return f"{start:.2f} to {end:.2f} s" if end - start >= 0.05 else f"at {start:.2f} s"


def rank_text(rank: Rank) -> str:
    """As "higher than 62 % of 194 clips", or what most clips have in common with it."""
    if 2 * rank.same > rank.clips:
        return f"the same as {_percent(rank.same, rank.clips)} % of {rank.clips:,} clips"
    return f"higher than {_percent(rank.lower, rank.clips)} % of {rank.clips:,} clips"


def worst_first(report: Report) -> list[Check]:
    """The checks, failures first; within a verdict in the order of ``SPECS``."""
    return sorted(report.checks, key=lambda check: ORDER.index(check.verdict))


def facts(report: Report) -> str:
    """Duration, rate and channels in words."""
    channels = {1: "mono", 2: "stereo"}.get(report.channels, f"{report.channels} channels")
    return f"{report.duration_s:.2f} s, {report.sr:,} Hz, {channels}"


def to_object(report: Report, *, name: str) -> dict[str, Any]:
    """What is written as JSON: verdict, sentence, and every check with its thresholds.

    Parameters
    ----------
    report : Report
        What was found.
    name : str
        Of the recording.

    Returns
    -------
    dict
        What cannot be measured is None, shares are 0 to 1.
    """
    return {
        "file": name,
        "verdict": report.verdict,
        "sentence": report.sentence,
        "duration_s": report.duration_s,
        "sr": report.sr,
        "channels": report.channels,
        "checks": {check.key: _object(check) for check in report.checks},
    }


def to_json(report: Report, *, name: str) -> bytes:
    """The report as one JSON object, UTF-8; see ``to_object``."""
    found = to_object(report, name=name)
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace")


def to_html(
    report: Report,
    *,
    name: str,
    picture: str = "",
    ranks: Mapping[str, Rank] | None = None,
    among: str = "",
    note: str = "",
    made: str = "",
) -> bytes:
    """The report as one HTML file, UTF-8.

    Parameters
    ----------
    report : Report
        What was found.
    name : str
        Of the recording.
    picture : str
        A figure as SVG, made by ``core.figures.quality``; put in as it is.
    ranks : mapping of str to Rank, optional
        By key of the check: where the value lies in a data set.
    among : str
        The name of that data set.
    note : str
        A caution about the whole recording.
    made : str
        When, for the last line.
    """
    ranks = ranks or {}
    shown = _e(name, 80)
    rows = "".join(_row(check, ranks) for check in worst_first(report))
    place = f"<th>{_e(f'Among {among}', 60)}</th>" if ranks else ""
    parts = [
        f"<h1>{shown}</h1><p class=small>{_e(facts(report))}</p>",
        f"<p class='verdict {report.verdict}'><b>{SIGNS[report.verdict]}</b> "
        f"{_e(report.sentence, 500)}</p>",
        f"<p class=note><b>Note.</b> {_e(note, 500)}</p>" if note else "",
        f"<figure>{picture}</figure>" if picture else "",
        "<div class=wide><table><thead><tr><th>Verdict</th><th>Check</th><th class=n>Value</th>"
        f"<th>Judged by</th>{place}<th>Found, and what to do</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>",
        "<footer>Measured on the raw recording at its own rate. Thresholds are rules of thumb for "
        "one voice, not standards. "
        f"Made with Phonoscope{f', {_e(made)}' if made else ''}.</footer>",
    ]
    head = (
        '<!doctype html><html lang=en><head><meta charset="utf-8">'
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<title>{shown} – check</title><style>{CSS}</style></head>"
    )
    return f"{head}<body><main>{''.join(parts)}</main></body></html>".encode("utf-8", "replace")


def advice(check: Check) -> str:
    """What was found, where, and what to do about it, in plain text; may be empty."""
    said = [f"{check.detail[0].upper()}{check.detail[1:]}."] if check.detail else []
    if check.verdict in ("warn", "fail"):
        if check.worst:
            said.append(f"Worst: {place_text(check.worst)}.")
        said.append(check.cure)
    return " ".join(said)


def _row(check: Check, ranks: Mapping[str, Rank]) -> str:
    rank = ranks.get(check.key)
    place = f"<td>{_e(rank_text(rank)) if rank else ''}</td>" if ranks else ""
    cells = [
        f"<td class={tone(check)}><b>{SIGNS[tone(check)]}</b> {verdict_text(check)}</td>",
        f"<td>{_e(check.label)}</td><td class=n>{_e(value_text(check))}</td>",
        f"<td>{_e(limits_text(check))}</td>{place}<td>{_e(advice(check), 400)}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _object(check: Check) -> dict[str, Any]:
    return {
        "label": check.label,
        "value": _plain(check.value),
        "unit": check.unit,
        "verdict": check.verdict,
        "warn": _plain(check.thresholds.warn),
        "fail": _plain(check.thresholds.fail),
        "direction": check.thresholds.direction,
        "worst": check.worst,
        "places": check.places,
        "detail": check.detail,
        "cure": check.cure,
        **{name: _plain(value) for name, value in check.extra.items()},
    }


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _with_unit(check: Check, value: float) -> str:
    if not math.isfinite(value):
        return "–"
    value = 100 * value if check.key in SHARES else value
    value = round(value, 3)
    digits = 0 if abs(value) >= 1000 or check.unit == "Hz" or value.is_integer() else 1
    text = f"{value:,.{digits}f}" if abs(value) >= 1 or not value else f"{value:.2g}"
    return f"{text} {unit(check)}".strip().replace("-", "−")


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.0f}" if 1 <= share <= 99 or share in (0, 100) else f"{share:.1f}"


def _e(text: object, limit: int = 120) -> str:
    """Text from anywhere, safe in HTML, also in an attribute."""
    return escape(clean(text, limit), quote=True)


CSS = """
:root{color-scheme:light dark;--ink:#17252a;--soft:#55646a;--line:#cfdada;--back:#fff;--box:#f1f5f5;
--fail:#b3212d;--warn:#8f5a00;--pass:#17703c;--unknown:#55646a}
@media(prefers-color-scheme:dark){:root{--ink:#e4eeee;--soft:#a3b3b7;--line:#34454b;--back:#10181b;
--box:#1a2529;--fail:#ff8b8f;--warn:#f2b84b;--pass:#6fd39a;--unknown:#a3b3b7}}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
main{max-width:64rem;margin:auto;padding:1rem}h1{margin:.2rem 0 0;font-size:1.5rem;
overflow-wrap:anywhere}p{margin:.3rem 0}.small,footer{color:var(--soft);font-size:.8rem}
.verdict{font-size:1.15rem;background:var(--box);border-left:5px solid currentcolor;
padding:.5rem .8rem}.fail{color:var(--fail)}.warn{color:var(--warn)}.pass{color:var(--pass)}
.unknown{color:var(--unknown)}.note{border:1px solid var(--line);padding:.4rem .8rem;
font-size:.9rem}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.82rem;width:100%}
td,th{padding:.22rem .7rem .22rem 0;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top}.n,td:first-child{white-space:nowrap}.n{text-align:right;
font-variant-numeric:tabular-nums}figure{margin:.6rem 0}figure svg{width:100%;height:auto;
display:block}figure text{fill:currentColor;font-size:11px}footer{margin:1rem 0}
@media(max-width:40rem){thead{display:none}tr{display:block;border-bottom:1px solid var(--line);
padding:.3rem 0}td{display:inline;border:0;padding:0 .5rem 0 0}td:last-child,td:nth-child(4){
display:block;color:var(--soft)}td:nth-child(2){font-weight:600}td:empty{display:none}}
@page{size:A4;margin:11mm}
@media print{:root{color-scheme:light;--ink:#000;--soft:#333;--line:#bbb;--back:#fff;--box:#fff;
--fail:#8e1420;--warn:#6d4400;--pass:#0e552b;--unknown:#333}body{font-size:11px}main{padding:0;
max-width:none}table{font-size:9.5px}td,th{padding:.12rem .5rem .12rem 0}tr{break-inside:avoid}
h1{font-size:1.4rem}figure{margin:.3rem auto;max-width:150mm}footer{margin:.4rem 0 0}}
"""

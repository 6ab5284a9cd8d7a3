"""The problems of a recording drawn on its waveform and spectrogram: an SVG for reports.

The page itself draws them in the player; this is the picture that is kept and printed.
"""

from base64 import b64encode
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image as Pil

from core import player, spectra
from core.figures.palette import BEFORE, GROUPS, MAGMA, table
from core.quality import Check, Report
from core.safe_text import clean

WIDTH, WAVE, PICTURE, LEFT, RIGHT, LANE = 760, 84, 130, 58, 8, 15  # pixels
RANGE_DB = 70.0
MEL_TICKS = (500, 1000, 2000, 4000, 8000, 16000)
COLUMNS = WIDTH - LEFT - RIGHT
COLOURS = (*GROUPS[1:], GROUPS[0])  # the wave has the first
LEAST = 1.5  # pixels of a place


def problems(report: Report) -> list[Check]:
    """The checks that warn or fail and have a place, failures first."""
    bad = [c for c in report.checks if c.verdict in ("fail", "warn") and places(c)]
    return sorted(bad, key=lambda check: check.verdict != "fail")


def places(check: Check) -> tuple[tuple[float, float], ...]:
    """Where a check found something: all places, or the worst moment alone."""
    return check.places or ((check.worst,) if check.worst else ())


def picture(summary: player.Summary, report: Report, *, start_s: float = 0.0) -> str:
    """Waveform and spectrogram with a lane for every problem, as SVG.

    Parameters
    ----------
    summary : core.player.Summary
        The sound, or the part of it that begins at ``start_s``.
    report : Report
        What was found in the whole recording.
    start_s : float
        In s.

    Returns
    -------
    str
        The SVG; it says in words what it shows.
    """
    seconds = summary.n / summary.sr
    bad = problems(report)
    top = 6
    lanes = top + WAVE + 6 + PICTURE
    foot = lanes + LANE * len(bad)
    marks = "".join(_lane(check, i, lanes, start_s, seconds) for i, check in enumerate(bad))
    parts = [
        _wave(summary, top),
        f'<image x="{LEFT}" y="{top + WAVE + 6}" width="{COLUMNS}" height="{PICTURE}" '
        f'preserveAspectRatio="none" href="{_image(summary.picture)}"/>',
        _frequencies(summary.sr, top + WAVE + 6),
        marks,
        _times(start_s, seconds, foot),
    ]
    counts = [(check.label, len(places(check))) for check in bad]
    said = ", ".join(f"{label} at {n} place{'s' if n > 1 else ''}" for label, n in counts)
    alt = f"Waveform and spectrogram. {f'Marked: {said}.' if said else 'No problem has a place.'}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {foot + 38}" role="img" '
        f'aria-label="{escape(clean(alt, 400), quote=True)}">{"".join(parts)}</svg>'
    )


def _wave(summary: player.Summary, top: int) -> str:
    """Lowest and highest sample of every column as one shape, as tall as its highest peak."""
    low, high = summary.coarse[0] / 32_768, summary.coarse[1] / 32_768
    limit = max(1e-3, float(np.abs(summary.coarse[:2]).max()) / 32_768)
    x = LEFT + np.linspace(0, COLUMNS, low.size + 1)
    x = (x[:-1] + x[1:]) / 2
    middle = top + WAVE / 2
    up, down = (middle - values / limit * WAVE / 2 for values in (high, low))
    down = np.maximum(down, up + 0.5)  # a steady level is seen too
    points = [f"{a:.1f},{b:.1f}" for a, b in zip(x, up, strict=True)]
    points += [f"{a:.1f},{b:.1f}" for a, b in zip(x[::-1], down[::-1], strict=True)]
    texts = [_text(LEFT - 6, top + 10, f"{limit:.2g}"), _text(LEFT - 6, middle + 4, "0")]
    title = _side("Amplitude", middle)
    return f'<polygon points="{" ".join(points)}" fill="{BEFORE}"/>{"".join(texts)}{title}'


def _image(codes: np.ndarray) -> str:
    """The levels as a small WebP, lowest frequency at the foot."""
    step = max(1, codes.shape[0] // (2 * PICTURE))
    db = player.FLOOR_DB + (codes[::step].astype(np.float32) - 1) * player.STEP_DB
    high = max(float(db.max()), -RANGE_DB)  # silence stays dark
    level = np.clip((db - high + RANGE_DB) / RANGE_DB, 0, 1)
    pixels = table(MAGMA, 256)[(255 * level).astype(np.uint8)]
    out = BytesIO()
    Pil.fromarray(np.ascontiguousarray(pixels[::-1])).save(out, "WEBP", quality=80, method=1)
    return "data:image/webp;base64," + b64encode(out.getvalue()).decode()


def _frequencies(sr: int, top: int) -> str:
    most = float(spectra.hz_to_mel(sr / 2))
    texts = []
    for hz in MEL_TICKS:
        share = float(spectra.hz_to_mel(hz)) / most
        if share < 0.97:
            texts.append(_text(LEFT - 6, top + PICTURE * (1 - share) + 4, f"{hz:,}"))
    return "".join(texts) + _side("Hz", top + PICTURE / 2)


def _lane(check: Check, i: int, lanes: int, start_s: float, seconds: float) -> str:
    """Bands over both pictures, and the problem's own line with its name below them."""
    colour, y = COLOURS[i % len(COLOURS)], lanes + LANE * i
    shapes = []
    for a, b in places(check):
        a, b = (float(np.clip(t - start_s, 0, seconds)) / seconds * COLUMNS for t in (a, b))
        if b > a:
            x, width = LEFT + min(a, COLUMNS - LEAST), max(LEAST, b - a)
            shapes.append(
                f'<rect x="{x:.1f}" y="6" width="{width:.1f}" height="{lanes - 6}" '
                f'fill="{colour}" fill-opacity=".22"/>'
                f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{LANE - 5}" '
                f'fill="{colour}"/>'
            )
    name = f'<tspan font-weight="600">{escape(clean(check.label, 40))}</tspan>'
    middle = LEFT + COLUMNS / 2
    first = (places(check)[0][0] - start_s) / seconds * COLUMNS if seconds else 0
    # The name stands where the first place is not.
    at, anchor = (LEFT + COLUMNS - 4, "end") if LEFT + first < middle else (LEFT + 4, "start")
    halo = 'paint-order="stroke" style="stroke:var(--back,#fff);stroke-width:3px"'
    return (
        "".join(shapes) + f'<text x="{at}" y="{y + 12}" text-anchor="{anchor}" {halo}>{name}</text>'
    )


def _times(start_s: float, seconds: float, foot: int) -> str:
    step = _round_step(seconds / 8)
    first = int(np.ceil(start_s / step - 1e-9))
    shapes = [f'<path d="M{LEFT},{foot}h{COLUMNS}" stroke="currentColor" stroke-opacity=".5"/>']
    for k in range(first, int((start_s + seconds) / step + 1e-9) + 1):
        x = LEFT + (k * step - start_s) / seconds * COLUMNS
        shapes.append(f'<path d="M{x:.1f},{foot}v4" stroke="currentColor" stroke-opacity=".5"/>')
        shapes.append(_text(x, foot + 16, f"{round(k * step, 6):g}", "middle"))
    return "".join(shapes) + _text(LEFT + COLUMNS / 2, foot + 32, "Time (s)", "middle")


def _round_step(least: float) -> float:
    power = 10.0 ** np.floor(np.log10(max(least, 1e-6)))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= least * 0.999))


def _text(x: float, y: float, text: str, anchor: str = "end") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _side(text: str, middle: float) -> str:
    turned = f'transform="translate(12,{middle:.1f}) rotate(-90)" text-anchor="middle"'
    return f"<text {turned}>{text}</text>"

"""The report of a selection: one HTML file without scripts that opens anywhere, also offline.

``sheet`` counts, over all clips; ``measures`` and ``spreads`` summarise the features, beyond
``SAMPLE`` clips over a sample that is the same every time; ``to_html`` writes them, and the
cautions, as a page. Pictures are SVG. Names and texts from files are escaped, and one visible line.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.eda import distributions
from core.eda.cautions import WARNING, Caution
from core.eda.distributions import Balance
from core.eda.outliers import seconds_column
from core.features import FeatureSpec
from core.figures.palette import DIVERGING, GROUPS, QUIET, table
from core.filters import Selection
from core.safe_text import clean
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 30_000  # clips
LABELS = ("gender", "age", "locale", "accent", "split")
MAIN = (  # drawn, where they are there; else the first columns
    *("f0_median_hz", "f0_sd_st", "speech_share", "articulation_rate_hz", "snr_db", "hnr_db"),
    *("jitter_local_pct", "f1_median_hz", "f2_median_hz", "spectral_centroid_hz"),
    *("loudness_lufs", "duration_s"),
)
DRAWN, PAIRED = 6, 12  # histograms, and columns of the heat map
BINS = 40
TAILS = "The outermost 0.5 % at each end are not drawn."
MOST_VALUES, MOST_GROUPS = 12, 4  # of a label: in its table, and in the histograms
WIDTH, HEIGHT, LEFT, BOTTOM, CELL = 420, 220, 46, 42, 34  # pixels


class Sheet(NamedTuple):
    """Counts over all clips of a selection; ``hours`` is NaN and ``speakers`` None if not known."""

    clips: int
    total: int
    hours: float
    speakers: int | None
    failed: int
    missing: int
    balances: tuple[Balance, ...]


class Spread(NamedTuple):
    """A histogram: counts (groups, bins) between edges (bins + 1,); medians, sizes (groups,)."""

    column: str
    edges: np.ndarray
    groups: tuple[str, ...]
    counts: np.ndarray
    medians: np.ndarray
    sizes: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """What is in every bin, in per cent of each group."""
        return 100 * self.counts / self.sizes[:, None]


class Measures(NamedTuple):
    """Of ``rows`` clips: quartiles (3, k) and share with a value (k,) of ``columns``.

    ``r`` (m, m) are the correlations of ``paired``, the main features.
    """

    rows: int
    columns: tuple[str, ...]
    quartiles: np.ndarray
    known: np.ndarray
    paired: tuple[str, ...]
    r: np.ndarray


def sheet(workspace: Workspace, selection: Selection) -> Sheet:
    """Clips, hours and speakers of a selection, and of every value of its labels."""
    sql, values = selection.where() or ("TRUE", [])
    labels, length = workspace.label_columns(), seconds_column(workspace)
    hours = f'sum("{length}"::DOUBLE) / 3600' if length else "NULL::DOUBLE"
    who = "count(DISTINCT speaker_id)" if "speaker_id" in labels else "0"
    names = [n for n in LABELS if n in labels]
    filled = "".join(f", count({n}) AS {n}" for n in names)
    row = workspace.query(
        f"SELECT count(*) AS n, {hours} AS h, {who} AS s{filled} FROM clips WHERE {sql}", values
    ).iloc[0]
    status = workspace.status()
    known = tuple(_balance_of(workspace, selection, n, length, who) for n in names if row[n])
    hours = float(row["h"]) if row["h"] is not None else float("nan")
    speakers = int(row["s"]) or None
    clips = int(row["n"])
    return Sheet(clips, status.done, hours, speakers, status.failed, status.missing, known)


def _balance_of(
    workspace: Workspace, selection: Selection, label: str, length: str | None, who: str
) -> Balance:
    """As ``core.eda.distributions.balance``, in one question where the label has few values."""
    sql, values = selection.where() or ("TRUE", [])
    seconds = f'sum("{length}"::DOUBLE)' if length else "NULL::DOUBLE"
    rows = workspace.query(
        f"SELECT {_quoted(label)}::VARCHAR AS g, count(*) AS n, {seconds} AS s, {who} AS who "
        f"FROM clips WHERE {sql} GROUP BY 1 ORDER BY g IS NULL, n DESC, g",
        values,
    )
    if rows["g"].notna().sum() > MOST_VALUES:
        return distributions.balance(workspace, selection, label, MOST_VALUES)
    groups = tuple(rows["g"].fillna(distributions.UNKNOWN))
    clips, people = rows["n"].to_numpy(np.int64), rows["who"].to_numpy(np.int64)
    known = people if people.any() else None
    return Balance(label, groups, clips, rows["s"].to_numpy(np.float64), known, None)


def measures(workspace: Workspace, selection: Selection, *, sample: int = SAMPLE) -> Measures:
    """Quartiles of all features, and correlations of the main ones.

    Parameters
    ----------
    workspace, selection
        The clips.
    sample : int
        Clips beyond which about so many are drawn.
    """
    names = workspace.columns
    found = _drawn(workspace, selection, names, None, sample)
    x = found.drop(columns="g").to_numpy(np.float64)
    known = np.isfinite(x)
    share = known.mean(axis=0) if len(x) else np.zeros(len(names))
    quartiles = np.full((3, len(names)), np.nan)
    for i in np.flatnonzero(known.any(axis=0)):
        quartiles[:, i] = np.percentile(x[known[:, i], i], (25, 50, 75))
    paired = tuple(_main(names)[:PAIRED])
    r = found[[f"c{names.index(n)}" for n in paired]].corr(min_periods=3).to_numpy()
    return Measures(len(x), names, quartiles, share, paired, r)


def spreads(
    workspace: Workspace, selection: Selection, by: str | None = None, *, sample: int = SAMPLE
) -> tuple[Spread, ...]:
    """Histograms of the main features that have a value, split by a label if the table has it."""
    names = _main(workspace.columns)[:DRAWN]
    by = by if by in workspace.label_columns() else None
    found = _drawn(workspace, selection, names, by, sample)
    group = found["g"].fillna(distributions.UNKNOWN).to_numpy(object)
    values = [found[f"c{i}"].to_numpy(np.float64) for i in range(len(names))]
    return tuple(
        _spread(n, x, group) for n, x in zip(names, values, strict=True) if np.isfinite(x).any()
    )


def _main(columns: Sequence[str]) -> list[str]:
    return [n for n in MAIN if n in columns] or list(columns)


def _drawn(
    workspace: Workspace,
    selection: Selection,
    names: Sequence[str],
    by: str | None,
    sample: int,
) -> "pd.DataFrame":
    """Columns c0, c1 and so on, and g, of the clips or of a sample; no join without a label."""
    sql, values = selection.where() or ("TRUE", [])
    clips, below = workspace.count(selection.where()), None
    if clips > sample:
        below = round(1_000_003 * sample / clips)
        sql = f"({sql}) AND hash(clip_id) % 1000003 < {below}"
    picked = [f"{_quoted(n)}::DOUBLE AS c{i}" for i, n in enumerate(names)]
    picked.append(f"{_quoted(by)}::VARCHAR AS g" if by else "'' AS g")
    view = "clips" if selection or by else "features"
    return workspace.query(
        f"SELECT {', '.join(picked)} FROM {view} WHERE {sql}", values, below=below
    )


def _spread(column: str, x: np.ndarray, group: np.ndarray) -> Spread:
    """Between the 0.5th and the 99.5th percentile: single outliers would squeeze the rest."""
    there = np.isfinite(x)
    x, group = x[there], group[there]
    low, high = np.percentile(x, (0.5, 99.5))
    if not high > low:
        low, high = low - 0.5, low + 0.5
    names, sizes = np.unique(group.astype(str), return_counts=True)
    order = np.argsort(names == distributions.UNKNOWN, kind="stable")
    if names.size > MOST_GROUPS:
        order = order[np.isin(order, np.argsort(-sizes, kind="stable")[:MOST_GROUPS])]
    groups = tuple(str(n) for n in names[order])
    edges = np.linspace(low, high, BINS + 1)
    parts = [x[group == g] for g in groups]
    counts = np.array([np.histogram(part, edges)[0] for part in parts])
    medians = np.array([np.median(part) for part in parts])
    return Spread(column, edges, groups, counts, medians, np.array([p.size for p in parts]))


def to_html(
    counted: Sheet,
    measured: Measures,
    drawn: Sequence[Spread],
    cautions: Sequence[Caution],
    *,
    name: str,
    sentence: str,
    specs: Mapping[str, FeatureSpec],
    titles: Mapping[str, str],
    made: str = "",
) -> bytes:
    """The report as one HTML file, UTF-8.

    Parameters
    ----------
    counted, measured, drawn, cautions
        What ``sheet``, ``measures``, ``spreads`` and ``core.eda.cautions.cautions`` gave.
    name : str
        Of the data set.
    sentence : str
        What is selected, see ``Selection.sentence``.
    specs, titles : mapping
        Definitions of the features, and names of columns for people.
    made : str
        When, for the last line.
    """
    shown = _e(name, 80)
    parts = [
        f"<h1>{shown}</h1><p class=lead>{_e(sentence, 400)}</p>",
        _section("Data sheet", f"<div class=sheet>{_totals(counted)}</div>"),
        _section("Beware of", caution_list(cautions)),
        _section(
            "Labels", "".join(_balance(b, titles) for b in counted.balances) or "<p>None.</p>"
        ),
        _section("Main features", _of(measured) + _pictures(drawn, titles)),
        _section("Correlations", _heat_map(measured, titles)),
        _section("All features", _of(measured) + _features(measured, specs, titles)),
        f"<footer>Made with Phonoscope{f', {_e(made)}' if made else ''}.</footer>",
    ]
    head = (
        '<!doctype html><html lang=en><head><meta charset="utf-8">'
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<title>{shown} – data report</title><style>{CSS}</style></head>"
    )
    return f"{head}<body><main>{''.join(parts)}</main></body></html>".encode()


def totals(counted: Sheet) -> dict[str, str]:
    """The data sheet's first lines, in plain text."""
    hours = f"{counted.hours:,.2f}" if np.isfinite(counted.hours) else "not known"
    found = {
        "Clips": f"{counted.clips:,} of {counted.total:,}",
        "Hours": hours,
        "Speakers": f"{counted.speakers:,}" if counted.speakers else "not known",
        "Could not be measured": f"{counted.failed:,}",
    }
    return found | ({"Not measured yet": f"{counted.missing:,}"} if counted.missing else {})


def balance_rows(found: Balance) -> list[dict[str, str]]:
    """One row for every value of a label, in plain text."""
    clips = max(1, int(found.clips.sum()))
    rows = []
    for i, group in enumerate(found.groups):
        row = {"Value": clean(group, 40), "Clips": f"{found.clips[i]:,}"}
        row["Share"] = f"{100 * found.clips[i] / clips:.1f} %"
        if np.isfinite(found.seconds).any():
            row["Hours"] = f"{np.nan_to_num(found.seconds[i]) / 3600:,.2f}"
        if found.speakers is not None:
            row["Speakers"] = f"{found.speakers[i]:,}"
        rows.append(row)
    return rows


def feature_rows(measured: Measures, titles: Mapping[str, str]) -> list[dict[str, str]]:
    """One row for every feature, in plain text: quartiles, and clips without a value."""
    return [
        {"Feature": clean(titles.get(name, name), 60)}
        | {
            key: f"{value:.4g}" if np.isfinite(value) else "–"
            for key, value in zip(
                ("Lower quartile", "Median", "Upper quartile"),
                measured.quartiles[:, i],
                strict=True,
            )
        }
        | {"No value": f"{100 * (1 - measured.known[i]):.1f} %"}
        for i, name in enumerate(measured.columns)
    ]


def caution_list(cautions: Sequence[Caution]) -> str:
    """The cautions as an HTML list."""
    if not cautions:
        return "<p>Nothing stands out.</p>"
    rows = [
        f"<li class={'warning' if c.level == WARNING else 'note'}>"
        f"<b>{'Warning' if c.level == WARNING else 'Note'}.</b> {_e(c.text, 700)}</li>"
        for c in cautions
    ]
    return f"<ul class=cautions>{''.join(rows)}</ul>"


def _of(measured: Measures) -> str:
    return f"<p class=small>Of {measured.rows:,} clips.</p>"


def _totals(counted: Sheet) -> str:
    return "".join(f"<div><span>{k}</span><b>{v}</b></div>" for k, v in totals(counted).items())


def _balance(found: Balance, titles: Mapping[str, str]) -> str:
    title = titles.get(found.label, found.label)
    return f"<h3>{_e(title, 60)}</h3>{_table(balance_rows(found))}"


def _features(
    measured: Measures, specs: Mapping[str, FeatureSpec], titles: Mapping[str, str]
) -> str:
    rows = feature_rows(measured, titles)
    for name, row in zip(measured.columns, rows, strict=True):
        spec = specs.get(name)
        row["What it is"] = " ".join(filter(None, [spec.about, spec.caveat])) if spec else ""
    return _table(rows)


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{_e(key)}</th>" for key in rows[0])
    body = "".join(f"<tr>{''.join(_cell(k, v) for k, v in row.items())}</tr>" for row in rows)
    return f"<div class=wide><table><tr>{head}</tr>{body}</table></div>"


def _cell(key: str, value: str) -> str:
    words = key in ("Value", "Feature", "What it is")
    return f"<td{'' if words else ' class=n'}>{_e(value, 600)}</td>"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def spread_sentence(spread: Spread, titles: Mapping[str, str]) -> str:
    """What a histogram shows, in plain text."""
    said = [
        f"{m:.4g}{f' ({clean(g, 30)})' if g else ''}"
        for g, m in zip(spread.groups, spread.medians, strict=True)
    ]
    plural = "s" if len(said) > 1 else ""
    return (
        f"{clean(titles.get(spread.column, spread.column), 60)}: median{plural} {', '.join(said)}."
    )


def _pictures(drawn: Sequence[Spread], titles: Mapping[str, str]) -> str:
    found = "".join(histogram_svg(spread, titles) for spread in drawn)
    return f"<p class=small>{TAILS}</p><div class=grid>{found}</div>" if found else ""


def histogram_svg(spread: Spread, titles: Mapping[str, str]) -> str:
    """A histogram as a figure with its caption: the share of each group in every bin."""
    top = max(1e-9, float(spread.shares.max())) * 1.05
    low, high = float(spread.edges[0]), float(spread.edges[-1])
    wide, tall = WIDTH - LEFT - 8, HEIGHT - BOTTOM - 8
    x = LEFT + (spread.edges - low) / (high - low) * wide
    shapes = []
    for share, colour in zip(spread.shares, _colours(spread), strict=True):
        y = np.repeat(8 + tall * (1 - share / top), 2)
        at = np.repeat(x, 2)[1:-1]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(at, y, strict=True))
        shapes.append(
            f'<polygon points="{x[0]:.1f},{8 + tall} {path} {x[-1]:.1f},{8 + tall}" '
            f'fill="{colour}" fill-opacity=".35" stroke="{colour}"/>'
        )
    for tick in _ticks(low, high):
        at = LEFT + (tick - low) / (high - low) * wide
        shapes.append(f'<path d="M{at:.1f},{8 + tall}v4"/>')
        shapes.append(f'<text x="{at:.1f}" y="{24 + tall}" text-anchor="middle">{tick:g}</text>')
    for tick in _ticks(0, top, 3):
        at = 8 + tall * (1 - tick / top)
        shapes.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    title = _e(titles.get(spread.column, spread.column), 60)
    middle = 8 + tall / 2
    shapes += [
        f'<path d="M{LEFT},8v{tall}h{wide}" fill="none"/>',
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 4}" text-anchor="middle">{title}</text>',
        f'<text transform="translate(12,{middle}) rotate(-90)" text-anchor="middle">'
        "Share of group (%)</text>",
    ]
    said = _e(spread_sentence(spread, titles), 400)
    keys = [
        f'<i style="background:{c}"></i>{_e(g, 30)} '
        for g, c in zip(spread.groups, _colours(spread), strict=True)
        if g
    ]
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">'
    caption = f"<figcaption>{''.join(keys)}<br>{said}</figcaption>"
    return f"<figure>{svg}{''.join(shapes)}</svg>{caption}</figure>"


def _colours(spread: Spread) -> list[str]:
    return [
        QUIET if group == distributions.UNKNOWN else GROUPS[i % len(GROUPS)]
        for i, group in enumerate(spread.groups)
    ]


def _heat_map(measured: Measures, titles: Mapping[str, str]) -> str:
    """Pearson's r × 100 of all pairs, the diagonal left out; blue below 0, red above."""
    names, r = measured.paired, measured.r
    colours, k = table(DIVERGING, 201), len(measured.paired)
    if k < 2 or not np.isfinite(r[~np.eye(k, dtype=bool)]).any():
        return "<p>Too few clips or features.</p>"
    left, cells = 210, []
    for i in range(k):
        title = f"{i + 1}. {_e(titles.get(names[i], names[i]), 34)}"
        middle = CELL * (i + 0.5) + 26
        cells.append(f'<text x="{left - 6}" y="{middle + 4}" text-anchor="end">{title}</text>')
        cells.append(
            f'<text x="{left + CELL * (i + 0.5)}" y="18" text-anchor="middle">{i + 1}</text>'
        )
        for j in range(k):
            if i == j or not np.isfinite(r[i, j]):
                continue
            red, green, blue = colours[round(100 * (r[i, j] + 1))]
            ink = "#fff" if abs(r[i, j]) > 0.6 else "#17252a"
            at = f'x="{left + CELL * j}" y="{26 + CELL * i}"'
            number = round(100 * r[i, j])
            cells.append(
                f'<rect {at} width="{CELL - 1}" height="{CELL - 1}" '
                f'fill="rgb({red},{green},{blue})"/><text x="{left + CELL * (j + 0.5)}" '
                f'y="{middle + 4}" text-anchor="middle" style="fill:{ink}">{number}</text>'
            )
    said = _e(strongest_sentence(measured, titles), 400)
    box = f"0 0 {left + CELL * k + 4} {30 + CELL * k}"
    svg = f'<svg viewBox="{box}" style="min-width:34rem" role="img" aria-label="{said}">'
    return (
        f"{_of(measured)}<figure class=heat><div class=wide>{svg}{''.join(cells)}</svg></div>"
        f"<figcaption>Pearson’s r × 100. {said}</figcaption></figure>"
    )


def strongest_sentence(measured: Measures, titles: Mapping[str, str]) -> str:
    """The strongest correlation, in plain text."""
    off = np.where(np.eye(len(measured.paired), dtype=bool), np.nan, measured.r)
    i, j = np.unravel_index(np.nanargmax(np.abs(off)), off.shape)
    a, b = (clean(titles.get(n, n), 60) for n in (measured.paired[i], measured.paired[j]))
    return f"Strongest: {a} with {b}, r = {off[i, j]:.2f}."


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``."""
    raw = (high - low) / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * next((m for m in (1, 2, 5) if raw <= m * power), 10)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(i * step, 10) for i in range(first, last + 1)]


def _e(text: object, limit: int = 120) -> str:
    """Text from anywhere, safe in HTML, also in an attribute."""
    return escape(clean(text, limit), quote=True)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


CSS = """
:root{color-scheme:light dark;--ink:#17252a;--soft:#5c6b70;--line:#cfdada;--back:#fff;--box:#f1f5f5}
@media(prefers-color-scheme:dark){:root{--ink:#e4eeee;--soft:#a3b3b7;--line:#34454b;--back:#10181b;
--box:#1a2529}}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:64rem;margin:auto;padding:1rem}h1{margin:.5rem 0 0;overflow-wrap:anywhere}
h2{margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}h3{margin:1rem 0 .25rem;font-size:1rem}
.lead{font-size:1.1rem;overflow-wrap:anywhere}footer{color:var(--soft);
font-size:.85rem}footer{margin:2rem 0}.sheet{display:flex;flex-wrap:wrap;gap:.75rem}
.sheet div{background:var(--box);border-radius:.4rem;padding:.5rem .9rem}.sheet span{display:block;
color:var(--soft);font-size:.8rem}.wide{overflow-x:auto}table{border-collapse:collapse;
font-size:.85rem}td,th{padding:.25rem .7rem .25rem 0;border-bottom:1px solid var(--line);
text-align:left;vertical-align:top}.n{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}td:last-child:not(.n){min-width:16rem;color:var(--soft)}
.cautions{list-style:none;padding:0}.cautions li{margin:.4rem 0;padding:.4rem .8rem;
background:var(--box);border-left:4px solid #3f7cc4}.cautions .warning{border-color:#d8682a}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:1rem}
figure{margin:0}figure svg{width:100%;height:auto}figure text{fill:currentColor;font-size:11px}
figure path{stroke:currentColor;stroke-opacity:.6}figcaption,.small{font-size:.85rem;opacity:.8}
figcaption i{display:inline-block;width:.7rem;height:.7rem;margin-right:.3rem;border-radius:2px}
.heat{max-width:44rem}
@media print{:root{color-scheme:light}section{break-inside:avoid-page}}
"""

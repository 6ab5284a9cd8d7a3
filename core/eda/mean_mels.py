"""Mean mel pictures of two groups of clips, their difference, and where it is more than chance.

Conventions: pictures are those of ``core.eda.mel_images``: (128, 93), dB re the maximum of each
clip, -80 to 0, padding included. The difference is group a - group b. Where speakers are known they
are the unit of chance: clips of one speaker are not independent; a clip without a speaker counts as
a speaker of its own.

The test: labels are given anew by chance, whole speakers at once (a speaker who is in both groups
swaps or keeps the two); a block of 2 bands by 3 frames (96 ms) is marked
where its standardised difference is beyond the largest one, over all blocks, of 95 % of the
relabellings. So with two groups that do not differ, any block at all is marked in 5 % of cases.
Source: T. E. Nichols and A. P. Holmes, "Nonparametric permutation tests for functional
neuroimaging", Human Brain Mapping 15, 2002 (maximum statistic).
"""

from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.eda.mel_images import BANDS, BLOCK, FRAMES, KINDS, PARAMS, SR, STEP_DB, TOP_DB, MelImages
from core.errors import ParameterError
from core.filters import Selection
from core.safe_text import clean
from core.spectra import frame_times, mel_freqs
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

MOST_CLIPS = 20_000  # beyond, a sample
LEVEL = 0.05
RELABELLINGS, RELABELLINGS_MANY = 999, 199  # the latter above MANY units
MANY = 1000
FEWEST = 40  # different relabellings below which nothing can be found
NEAREST = 5
FEW = 10  # speakers
IMBALANCE = 4
SMALLEST_SD_DB = 0.01  # blocks that hardly vary, such as padding, are not found by rounding
CHUNK = 256  # units of the test at once
ROWS = 32  # pictures turned to float32 at once: fits the second-level cache
_PIXELS = BANDS * FRAMES
_CELLS = int(np.prod(KINDS["blocks"][0]))
_CELL_DB = STEP_DB / (BLOCK[0] * BLOCK[1])
NOT_LABELS = frozenset(
    ["clip_id", "path", "text", "size", "mtime_ns", "label_duration", "gender_original"]
)  # columns that make no groups


class Clips(NamedTuple):
    """Clips of a selection that have a picture, in the order of the disk.

    ``clip_ids`` (n,); ``which`` (n,), positions in ``MelImages``; ``speakers`` (n,), number of
    the speaker, -1 where not known; ``blocks`` (n, 1984) and ``bands`` (n, 128), uint16 sums of
    levels. ``selected`` is how many clips the selection has, ``with_picture`` how many of them have
    a picture; n is less than that where a sample was taken.
    """

    clip_ids: np.ndarray
    which: np.ndarray
    speakers: np.ndarray
    blocks: np.ndarray
    bands: np.ndarray
    selected: int
    with_picture: int


class Near(NamedTuple):
    """A clip, and how far its picture is from the mean: root of the mean square over blocks, dB."""

    clip_id: str
    distance_db: float


@dataclass(frozen=True)
class Group:
    """Clips of one label value.

    ``speakers`` is None where no speaker is known, and ``without_speaker`` counts clips without;
    ``mean`` (128, 93) in dB; ``spectrum`` (128,), its mean over time, with the 95 % interval from
    ``low`` to ``high`` (NaN for a single unit); ``padded`` is the share of the picture that is
    padding; ``nearest`` are the clips most like the mean.
    """

    name: str
    clips: int
    speakers: int | None
    without_speaker: int
    mean: np.ndarray
    spectrum: np.ndarray
    low: np.ndarray
    high: np.ndarray
    padded: float
    nearest: tuple[Near, ...]


@dataclass(frozen=True)
class Chance:
    """Where the difference is more than chance: ``significant`` (64, 31), None where not tested.

    ``unit`` is "speaker" or "clip"; ``p`` is that of the largest difference; ``why_not`` is a
    sentence where it could not be tested; ``both`` counts speakers that are in both groups.
    """

    significant: np.ndarray | None
    unit: str
    relabellings: int = 0
    p: float = float("nan")
    why_not: str = ""
    both: int = 0


@dataclass(frozen=True)
class Comparison:
    """Two groups, ``difference`` a - b (128, 93) in dB, and what chance would do.

    ``by_speaker``: each speaker counts once in all means.
    """

    label: str
    a: Group
    b: Group
    difference: np.ndarray
    chance: Chance
    by_speaker: bool


class _Units(NamedTuple):
    """What is relabelled as a whole: all clips of one speaker in one group.

    Sorted by speaker, so that the two units of a speaker in both groups are neighbours. ``order``
    sorts clips by unit, ``starts`` (u,) are the first ones; ``size`` (u,) clips; ``in_a`` (u,).
    """

    order: np.ndarray
    starts: np.ndarray
    size: np.ndarray
    speaker: np.ndarray
    in_a: np.ndarray


def label_names(workspace: Workspace) -> list[str]:
    """Columns that may make groups; gender first."""
    names = [n for n in workspace.label_columns() if n not in NOT_LABELS]
    return sorted(names, key=lambda n: n != "gender")


def choices(workspace: Workspace, label: str, selection: Selection, most: int = 60) -> list[str]:
    """Values of a label among the clips of a selection, most frequent first."""
    name = _quoted(workspace, label)
    condition, values = selection.where() or ("TRUE", [])
    table = workspace.query(
        f"SELECT {name}::VARCHAR AS v FROM clips WHERE {name} IS NOT NULL AND ({condition}) "
        f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {int(most)}",
        values,
    )
    return table["v"].tolist()


def pick(
    workspace: Workspace, images: MelImages, selection: Selection, *, most: int = MOST_CLIPS
) -> Clips:
    """The clips of a selection that have a picture; above ``most`` a sample, the same every time.

    Raises
    ------
    StoreError
        A part of the pictures is damaged.
    """
    speaker = "speaker_id" if "speaker_id" in workspace.label_columns() else "NULL AS speaker_id"
    condition, values = selection.where() or ("TRUE", [])
    table = workspace.query(
        f"SELECT clip_id, path, size, mtime_ns, {speaker} FROM clips "
        f"WHERE ({condition}) AND md5(clip_id) <= ? ORDER BY md5(clip_id)",
        [*values, images.last_md5],
    )
    files = zip(table["path"], table["size"], table["mtime_ns"], strict=True)
    at = [
        images.place(clip_id, file) for clip_id, file in zip(table["clip_id"], files, strict=True)
    ]
    which = np.array(at, np.int64)
    there = np.flatnonzero(which >= 0)[:most]
    there = there[images.disk_order(which[there])]
    kept, which, found = table.iloc[there], which[there], int((which >= 0).sum())
    return Clips(
        kept["clip_id"].to_numpy(object),
        which,
        kept["speaker_id"].factorize()[0].astype(np.int64),
        _read(images, which, "blocks"),
        _read(images, which, "bands"),
        workspace.count(selection.where()),
        found,
    )


def compare(
    workspace: Workspace,
    images: MelImages,
    clips: Clips,
    label: str,
    a: str,
    b: str,
    *,
    by_speaker: bool = False,
) -> Comparison:
    """Mean pictures of the clips whose ``label`` is ``a`` and ``b``, and their difference.

    Parameters
    ----------
    clips : Clips
        Of ``pick``.
    label : str
        A label column.
    a, b : str
        Two of its values, as text.
    by_speaker : bool
        Average the clips of each speaker first, so that each speaker counts once.

    Raises
    ------
    ParameterError
        There is no such label, or a group has no clip with a picture.
    """
    values = _values(workspace, clips, label)
    rows = np.flatnonzero((values == a) | (values == b))
    in_a = values[rows] == a
    for name, n in ((a, in_a.sum()), (b, rows.size - in_a.sum())):
        if a == b or not n:
            raise ParameterError(
                f"No clip of this selection has a mel picture and {label} {name}, apart from the "
                "other group: choose two other groups."
            )
    known = label != "speaker_id" and bool((clips.speakers[rows] >= 0).any())
    units = _units(clips.speakers[rows] if known else np.full(rows.size, -1), in_a)
    weights = _weights(units, rows.size, by_speaker)
    means = _means(images, clips.which[rows], weights)
    groups = [
        _group(images, clips, rows, units, weights[g], means[g], name, known, by_speaker, g == 0)
        for g, name in enumerate((a, b))
    ]
    chance = _chance(clips.blocks[rows], units, by_speaker, "speaker" if known else "clip")
    return Comparison(label, *groups, means[0] - means[1], chance, by_speaker)


def _units(speakers: np.ndarray, in_a: np.ndarray) -> _Units:
    """Clips without a speaker are units of their own."""
    alone = speakers < 0
    numbers = speakers.copy()
    numbers[alone] = speakers.max(initial=-1) + 1 + np.arange(alone.sum())
    order = np.lexsort((in_a, numbers))
    number, flag = numbers[order], in_a[order]
    new = np.r_[True, (np.diff(number) != 0) | (flag[1:] != flag[:-1])]
    starts = np.flatnonzero(new)
    size = np.diff(np.r_[starts, number.size])
    return _Units(order, starts, size, number[starts], flag[starts])


def _weights(units: _Units, n: int, by_speaker: bool) -> np.ndarray:
    """Weight of each clip in the mean of a and of b [shape=(2, n)], float32."""
    weights = np.zeros((2, n), np.float32)
    for g, mine in enumerate((units.in_a, ~units.in_a)):
        total = mine.sum() if by_speaker else units.size[mine].sum()
        each = mine / (total * (units.size if by_speaker else 1))
        weights[g, units.order] = np.repeat(each, units.size)
    return weights


def _means(images: MelImages, which: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means of pictures in dB [shape=(2, 128, 93)], float32."""
    total, start = np.zeros((2, _PIXELS), np.float64), 0
    for part in images.read(which, "images"):
        flat = part.reshape(len(part), _PIXELS)
        for i in range(0, len(flat), ROWS):
            some = flat[i : i + ROWS].astype(np.float32)
            total += weights[:, start + i : start + i + len(some)] @ some
        start += len(part)
    return (total * STEP_DB - TOP_DB).reshape(2, BANDS, FRAMES).astype(np.float32)


def _group(
    images: MelImages,
    clips: Clips,
    rows: np.ndarray,
    units: _Units,
    weights: np.ndarray,
    mean: np.ndarray,
    name: str,
    known: bool,
    by_speaker: bool,
    is_a: bool,
) -> Group:
    own = np.flatnonzero(weights)
    mine, alone = rows[own], int((clips.speakers[rows[own]] < 0).sum())
    spectrum = mean.mean(axis=1)
    error = _error(clips.bands[rows], units, spectrum, by_speaker, is_a)
    sound = images.frames[clips.which[mine]] / FRAMES
    return Group(
        name=name,
        clips=own.size,
        speakers=int(np.unique(clips.speakers[mine][clips.speakers[mine] >= 0]).size)
        if known
        else None,
        without_speaker=alone,
        mean=mean,
        spectrum=spectrum,
        low=spectrum - error,
        high=spectrum + error,
        padded=float(1 - weights[own] @ sound),
        nearest=_nearest(clips, mine, mean),
    )


def _error(
    bands: np.ndarray, units: _Units, spectrum: np.ndarray, by_speaker: bool, is_a: bool
) -> np.ndarray:
    """Half of the 95 % interval of the mean spectrum, over units [shape=(128,)], dB."""
    from scipy.special import stdtrit

    mine = units.in_a == is_a
    n = int(mine.sum())
    if n < 2:
        return np.full(BANDS, np.nan, np.float32)
    levels = bands[units.order] * np.float32(STEP_DB / FRAMES) - TOP_DB - spectrum
    sums = _unit_sums(levels, units.starts)[mine]
    size = units.size[mine]
    if by_speaker:
        sums, size = sums / size[:, None], np.ones(n)
    se = np.sqrt(n / (n - 1) * np.square(sums).sum(axis=0)) / size.sum()
    return (stdtrit(n - 1, 0.975) * se).astype(np.float32)


def _nearest(clips: Clips, rows: np.ndarray, mean: np.ndarray) -> tuple[Near, ...]:
    tall, wide = BLOCK
    blocks = mean.reshape(BANDS // tall, tall, FRAMES // wide, wide).mean(axis=(1, 3)).ravel()
    away = np.empty(rows.size, np.float32)
    for i in range(0, rows.size, 8 * ROWS):
        levels = clips.blocks[rows[i : i + 8 * ROWS]] * np.float32(_CELL_DB) - TOP_DB
        away[i : i + 8 * ROWS] = np.sqrt(np.square(levels - blocks).mean(axis=1))
    first = np.argsort(away, kind="stable")[:NEAREST]
    return tuple(Near(str(clips.clip_ids[rows[i]]), float(away[i])) for i in first)


def _chance(blocks: np.ndarray, units: _Units, by_speaker: bool, unit: str) -> Chance:
    """Relabel units and take the largest standardised difference each time."""
    paired = np.isin(units.speaker, units.speaker[1:][np.diff(units.speaker) == 0])
    both, loose = int(paired.sum()) // 2, ~paired
    a, b = (int((units.in_a[loose] == flag).sum()) for flag in (True, False))
    if units.size.size < 64 and comb(a + b, a) * 2**both < FEWEST:
        n_a, n_b = int(units.in_a.sum()), int((~units.in_a).sum())
        said = f"Not tested: {n_a} and {n_b} {unit}s are too few to tell a difference from chance."
        return Chance(None, unit, why_not=said, both=both)
    many = RELABELLINGS_MANY if units.size.size > MANY else RELABELLINGS
    labels = _relabelled(units.in_a, paired, many)
    size = np.ones(units.size.size, np.float32) if by_speaker else units.size.astype(np.float32)
    in_a = (labels @ size)[:, None]
    in_b = size.sum() - in_a
    everybody = np.ones((1, size.size), np.float32)
    sums = _relabelled_sums(blocks, units, np.concatenate([labels, everybody]), by_speaker)
    differences = _CELL_DB * (sums[:-1] / in_a - (sums[-1] - sums[:-1]) / in_b)
    sd = np.maximum(differences.std(axis=0), SMALLEST_SD_DB)
    z = np.abs(differences / sd)
    most = np.sort(z.max(axis=1))
    p = 1 - np.searchsorted(most, z[0], side="left") / most.size
    shape = KINDS["blocks"][0]
    return Chance((p <= LEVEL).reshape(shape), unit, many, float(p.min()), both=both)


def _relabelled_sums(
    blocks: np.ndarray, units: _Units, labels: np.ndarray, by_speaker: bool
) -> np.ndarray:
    """For each labelling the sum over group a of levels above some centre [shape=(n, 1984)].

    A few units at a time: all of them as float32 would not fit the cache. The centre keeps the
    sums small, so that float32 is enough.
    """
    n = units.size.size
    ordered, ends = units.order, np.r_[units.starts, len(blocks)]
    centre = blocks[ordered[:CHUNK]].mean(axis=0, dtype=np.float32)
    sums = np.zeros((len(labels), blocks.shape[1]), np.float32)
    for i in range(0, n, CHUNK):
        starts = ends[i : min(i + CHUNK, n) + 1]
        levels = blocks[ordered[starts[0] : starts[-1]]] - centre
        part = _unit_sums(levels, starts[:-1] - starts[0])
        if by_speaker:
            part /= units.size[i : i + CHUNK, None]
        sums += labels[:, i : i + CHUNK] @ part
    return sums


def _unit_sums(rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sums of the rows of each unit; the rows themselves where every unit has one."""
    return rows if len(starts) == len(rows) else np.add.reduceat(rows, starts, axis=0)


def _relabelled(in_a: np.ndarray, paired: np.ndarray, n: int) -> np.ndarray:
    """The labels as they are, then ``n`` times anew [shape=(n + 1, u)], float32."""
    rng = np.random.default_rng(0)
    labels = np.tile(in_a.astype(np.float32), (n + 1, 1))
    labels[1:, ~paired] = rng.permuted(labels[1:, ~paired], axis=1)
    swap = rng.integers(0, 2, (n, int(paired.sum()) // 2)).repeat(2, axis=1)
    labels[1:, paired] = np.abs(labels[1:, paired] - swap)
    return labels


def _read(images: MelImages, which: np.ndarray, kind: str) -> np.ndarray:
    """Numbers of these pictures, one row each."""
    shape, dtype = KINDS[kind]
    rows = [np.empty((0, *shape), dtype), *images.read(which, kind)]
    return np.concatenate(rows).reshape(which.size, -1)


def _values(workspace: Workspace, clips: Clips, label: str) -> np.ndarray:
    """The label of each clip as text, None where not known [shape=(n,)]."""
    name = _quoted(workspace, label)
    table = workspace.query(
        f"SELECT clip_id, {name}::VARCHAR AS v FROM clips "
        "WHERE clip_id IN (SELECT unnest(?::VARCHAR[]))",
        [clips.clip_ids.tolist()],
    )
    found = dict(zip(table["clip_id"], table["v"], strict=True))
    return np.array([found.get(c) for c in clips.clip_ids], dtype=object)


def _quoted(workspace: Workspace, label: str) -> str:
    if label not in workspace.label_columns():
        raise ParameterError(f"There is no label {label}: choose another.")
    return '"' + label.replace('"', '""') + '"'


def table(found: Comparison) -> "pd.DataFrame":
    """What is drawn, one row for each pixel.

    Columns hz, time_s, a_db, b_db, difference_db, and significant: 1, 0, or empty where not tested.
    """
    import pandas as pd

    hz = np.round(mel_freqs(BANDS, sr=SR), 3)
    time_s = np.round(frame_times(FRAMES, sr=SR, hop_length=PARAMS.hop_length), 3)
    pictures = (found.a.mean, found.b.mean, found.difference)
    values = {
        name: np.round(z.ravel().astype(float), 3)
        for name, z in zip(("a_db", "b_db", "difference_db"), pictures, strict=True)
    }
    marks = found.chance.significant
    shown = None if marks is None else np.kron(marks, np.ones(BLOCK)).astype(int).ravel()
    at = {"hz": hz.repeat(FRAMES), "time_s": np.tile(time_s, BANDS)}
    return pd.DataFrame({**at, **values, "significant": shown})


def sentence(found: Comparison) -> str:
    """The finding in plain text: where the difference is largest, and whether it is chance."""
    a, b = clean(found.a.name, 40), clean(found.b.name, 40)
    bands = found.a.spectrum - found.b.spectrum
    at = int(np.abs(bands).argmax())
    hz = mel_freqs(BANDS, sr=SR)[at]
    stronger = a if bands[at] > 0 else b
    head = (
        f"{a} and {b} differ most at {hz:,.0f} Hz, where {stronger} is stronger by "
        f"{abs(bands[at]):.1f} dB on average over the 3 s."
    )
    chance = found.chance
    if chance.significant is None:
        return f"{head} {chance.why_not}"
    share = chance.significant.mean()
    if not share:
        return f"{head} No part of the picture differs by more than chance (p = {chance.p:.2g})."
    return f"{head} {share:.0%} of the picture differs by more than chance."


def cautions(found: Comparison) -> list[str]:
    """What could mislead, in plain text."""
    a, b = found.a, found.b
    said = []
    if found.chance.unit == "clip" and found.label != "speaker_id":
        said.append(
            "Speakers are not known: the test takes clips as independent, which clips of one "
            "speaker are not, so it finds too much."
        )
    few = [g for g in (a, b) if g.speakers is not None and g.speakers + g.without_speaker < FEW]
    if few:
        names = " and ".join(f"{g.speakers} in {clean(g.name, 40)}" for g in few)
        said.append(f"Few speakers ({names}): the means show these people more than the groups.")
    if found.chance.both:
        said.append(
            f"{found.chance.both} speakers are in both groups: the test compares them with "
            "themselves."
        )
    if max(a.clips, b.clips) > IMBALANCE * min(a.clips, b.clips):
        said.append("The groups differ much in size: the smaller one's mean is less certain.")
    if abs(a.padded - b.padded) > 0.03:
        said.append(
            f"Padding fills {a.padded:.0%} of the pictures of {clean(a.name, 40)} and "
            f"{b.padded:.0%} of those of {clean(b.name, 40)}: towards the end the difference is "
            "partly one of duration."
        )
    return said

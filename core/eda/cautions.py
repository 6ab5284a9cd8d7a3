"""What to beware of in a selection of clips, each as one sentence with its numbers and what to do.

Conventions: a caution is plain text; names and values from files in it are one visible line. What
cannot be judged, because a column is missing or too few clips have it, gives no caution.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.eda import selecting
from core.features import FEATURE_SETS, feature_set
from core.filters import Selection
from core.safe_text import clean
from core.store import Workspace

if TYPE_CHECKING:
    import pandas as pd

WARNING, NOTE = "warning", "note"
LABELS = {"gender": "gender", "age": "age group", "locale": "language", "split": "split"}
GROUPS = {"gender": "Genders", "age": "Age groups", "locale": "Languages", "split": "Parts"}
ASKED = ("gender", "age")  # labels that nearly every question needs
FEW_CLIPS = 30
FEW_SPEAKERS = 10  # in a group
UNEVEN, VERY_UNEVEN = 4.0, 10.0  # the largest group to the smallest
MANY_GROUPS = 12  # beyond these only the largest group is judged
DOMINANT = 0.5  # share of the largest of many groups
MISSING, MOSTLY = 0.05, 0.3  # share of clips without a label
EMPTY = 0.5  # share of clips without a value, for a feature
ONE_VOICE, GINI = 0.2, 0.6
FAILED, MANY_FAILED = 0.01, 0.1
REPEATED = 0.1  # share of clips whose text another clip has
LEAST = 20  # clips of a group whose mean is compared
APART, FAR_APART = 0.5, 0.8  # Cohen's d: "medium" and "large"
MIXED = 0.2  # how far the shares of two groups may lie apart
CHANNEL = ("noise_floor_dbfs", "snr_db", "loudness_lufs")
LENGTH = ("duration_s", "duration")
TOPICS = ("missing", "balance", "speakers", "recording")
MOST_KNOWN = 32  # tables whose values are counted
RATES = ("sampling_rate", "sample_rate", "sr", "bandwidth_hz", "bit_rate", "codec")

_KNOWN: dict[tuple, dict[str, int]] = {}


class Caution(NamedTuple):
    """``level`` is "warning" or "note"; ``about`` is the column or the topic."""

    level: str
    text: str
    about: str


NO_SPEAKERS = Caution(
    WARNING,
    "The speakers are not known: clips of one voice may count many times, and a model "
    "cannot be tested on voices it has not heard.",
    "speaker_id",
)


def cautions(workspace: Workspace, selection: Selection) -> tuple[Caution, ...]:
    """What to beware of in the clips of a selection; warnings come first.

    Parameters
    ----------
    workspace : Workspace
        Labels and features.
    selection : Selection
        Which clips.

    Returns
    -------
    tuple of Caution
        Imbalance and missing values of labels, few or dominating speakers, features that are
        mostly empty, failures, groups that were recorded differently, and repeated texts.

    Notes
    -----
    Groups count as recorded differently where Cohen's d [1]_ of a group against all others is 0.5
    or more. The Gini coefficient of the speakers' clips is 0 where all have the same number.

    References
    ----------
    .. [1] J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988.
    """
    clips = workspace.count(selection.where())
    found = [*_unmeasured(workspace), *_size(clips)]
    if clips:
        labels = workspace.label_columns()
        groups = {n: _groups(workspace, selection, n) for n in LABELS if n in labels}
        for name, table in groups.items():
            found += [*_missing(name, table, clips), *_balance(name, table)]
        found += _speakers(workspace, selection, groups, clips)
        found += _empty_features(workspace, selection, clips, workspace.columns)
        found += _confounds(workspace, selection, groups)
        found += _texts(workspace, selection, clips)
    return tuple(sorted(found, key=lambda c: c.level != WARNING))


def about_label(
    workspace: Workspace,
    selection: Selection,
    label: str,
    topics: Collection[str] = TOPICS,
) -> tuple[Caution, ...]:
    """What to beware of where clips are split by one label; one query.

    Parameters
    ----------
    workspace, selection
        The clips.
    label : str
        A column of labels.
    topics : collection of {"missing", "balance", "speakers", "recording"}
        Values that are not known, groups of uneven size, groups of few speakers, and groups that
        were recorded differently.
    """
    table = _groups(workspace, selection, label)
    clips = int(table["clips"].sum())
    found: list[Caution] = []
    if clips and "missing" in topics:
        found += _missing(label, table, clips)
    if "balance" in topics:
        found += _balance(label, table)
    if "speakers" in topics and label != "speaker_id":
        known = table["speakers"].sum() > 0
        found += _few_speakers(label, table) if known else [NO_SPEAKERS] if clips else []
    if "recording" in topics and label != "speaker_id":
        found += _confounds(workspace, selection, {label: table})
    return tuple(sorted(found, key=lambda c: c.level != WARNING))


def about_features(
    workspace: Workspace, selection: Selection, names: Sequence[str]
) -> tuple[Caution, ...]:
    """Which of these features have no value for half the clips or more; one query."""
    names = tuple(n for n in names if n in workspace.columns)
    clips = workspace.count(selection.where())
    return tuple(_empty_features(workspace, selection, clips, names)) if clips else ()


def gini(counts: np.ndarray) -> float:
    """Gini coefficient of counts (n,): 0 where all are equal, near 1 where one has them all."""
    counts = np.sort(np.asarray(counts, dtype=np.float64))
    n, total = counts.size, counts.sum()
    if not n or not total:
        return 0.0
    return float(2 * np.sum(np.arange(1, n + 1) * counts) / (n * total) - (n + 1) / n)


def _unmeasured(workspace: Workspace) -> Iterator[Caution]:
    status = workspace.status()
    if status.missing:
        yield Caution(
            NOTE,
            f"{status.missing:,} of {status.clips:,} clips are not measured yet: the numbers will "
            "still change.",
            "clips",
        )
    share = status.failed / max(1, status.clips)
    if share >= FAILED:
        yield Caution(
            WARNING if share >= MANY_FAILED else NOTE,
            f"{status.failed:,} of the data set's {status.clips:,} clips ({_pct(share)}) could not "
            "be measured and are in no figure: read the list of failures on the Browse page.",
            "failures",
        )


def _size(clips: int) -> Iterator[Caution]:
    if clips < FEW_CLIPS:
        text = f"Only {clips:,} clip{'s are' if clips != 1 else ' is'} selected"
        yield Caution(WARNING, f"{text}: medians and shares of so few mean little.", "clips")


def _groups(workspace: Workspace, selection: Selection, label: str) -> "pd.DataFrame":
    """Value (None: not known), clips and speakers of a label's groups, largest first.

    And n, mean and variance of the columns that tell recordings apart: n0, m0, v0 and so on.
    """
    sql, values = selection.where() or ("TRUE", [])
    who = "count(DISTINCT speaker_id)" if "speaker_id" in workspace.label_columns() else "0"
    moments = "".join(
        f", count({c}) AS n{i}, avg({c}) AS m{i}, var_pop({c}) AS v{i}"
        for i, c in enumerate(_quoted(c) for c in _recording(workspace))
    )
    return workspace.query(
        f"SELECT {_quoted(label)}::VARCHAR AS value, count(*) AS clips, {who} AS speakers{moments} "
        f"FROM clips WHERE {sql} GROUP BY 1 ORDER BY clips DESC, value",
        values,
    )


def _recording(workspace: Workspace) -> list[str]:
    """Columns that tell recordings apart, and voices hardly."""
    there = selecting.columns(workspace)
    return [c for c in LENGTH if c in there][:1] + [c for c in CHANNEL if c in there]


def _missing(label: str, table: "pd.DataFrame", clips: int) -> Iterator[Caution]:
    unknown = int(table["clips"][table["value"].isna()].sum())
    share = unknown / clips
    if unknown == clips:
        if label in ASKED:
            text = f"The {_name(label)} is not known for any clip: nothing can be split by it."
            yield Caution(NOTE, text, label)
    elif share >= MISSING:
        yield Caution(
            WARNING if share >= MOSTLY else NOTE,
            f"The {_name(label)} of {unknown:,} of {clips:,} clips ({_pct(share)}) is not known: "
            "before groups are compared, check that these are not of one kind.",
            label,
        )


def _balance(label: str, table: "pd.DataFrame") -> Iterator[Caution]:
    known = table[table["value"].notna()]
    if len(known) < 2 or label == "split":  # parts of a data set are uneven on purpose
        return
    first, last = known.iloc[0], known.iloc[-1]
    if len(known) > MANY_GROUPS:
        share = first["clips"] / known["clips"].sum()
        if share >= DOMINANT:
            yield Caution(
                NOTE,
                f"Of {len(known):,} {_plural(label).lower()} one, {clean(first['value'], 40)}, has "
                f"{_pct(share)} of the clips: averages over all clips are mostly its own.",
                label,
            )
        return
    ratio = first["clips"] / last["clips"]
    if ratio >= UNEVEN:
        yield Caution(
            WARNING if ratio >= VERY_UNEVEN else NOTE,
            f"{_plural(label)} are uneven: {clean(first['value'], 40)} has "
            f"{first['clips']:,} clips, {clean(last['value'], 40)} {last['clips']:,} "
            f"({ratio:.1f} to 1). Compare densities, not counts, and judge a model by its "
            "balanced accuracy.",
            label,
        )


def _speakers(
    workspace: Workspace, selection: Selection, groups: dict[str, "pd.DataFrame"], clips: int
) -> Iterator[Caution]:
    sizes, named = _clips_of_speakers(workspace, selection)
    if not sizes.size:
        yield NO_SPEAKERS
        return
    if named < clips * (1 - MISSING):
        yield Caution(
            NOTE,
            f"The speaker of {clips - named:,} of {clips:,} clips ({_pct(1 - named / clips)}) is "
            "not known: what is counted or averaged by speaker leaves them out.",
            "speaker_id",
        )
    if sizes.size == 1:
        text = (
            "All clips with a known speaker are of one voice: nothing here says how others sound."
        )
        yield Caution(WARNING, text, "speaker_id")
        return
    share, uneven = sizes.max() / named, gini(sizes)
    if share >= max(ONE_VOICE, 1.5 / sizes.size) or uneven >= GINI:
        yield Caution(
            NOTE,
            f"Speakers have very different numbers of clips: the one with most has "
            f"{sizes.max():,}, {_pct(share)} of all (Gini {uneven:.2f}). Look at averages by "
            "speaker, too.",
            "speaker_id",
        )
    for name in ASKED:
        if name in groups:
            yield from _few_speakers(name, groups[name])


def _clips_of_speakers(workspace: Workspace, selection: Selection) -> tuple[np.ndarray, int]:
    """Clips of every known speaker, and their sum."""
    if "speaker_id" not in workspace.label_columns():
        return np.empty(0, np.int64), 0
    sql, values = selection.where() or ("TRUE", [])
    found = workspace.query(
        "SELECT n, count(*) AS times FROM (SELECT count(*) AS n FROM clips "
        f"WHERE {sql} AND speaker_id IS NOT NULL GROUP BY speaker_id) GROUP BY 1",
        values,
    )
    sizes = np.repeat(found["n"].to_numpy(np.int64), found["times"].to_numpy(np.int64))
    return sizes, int(sizes.sum())


def _few_speakers(label: str, table: "pd.DataFrame") -> Iterator[Caution]:
    few = table[table["value"].notna() & (table["speakers"] < FEW_SPEAKERS)]
    few = few[few["speakers"] > 0]
    if not len(few):
        return
    said = [f"{clean(r.value, 40)} ({r.speakers:,})" for r in few.head(4).itertuples()]
    more = f" and {len(few) - 4:,} others" if len(few) > 4 else ""
    yield Caution(
        WARNING if few["speakers"].min() < FEW_SPEAKERS / 2 else NOTE,
        f"{_plural(label)} with few speakers: {', '.join(said)}{more}. Differences "
        f"between groups with fewer than {FEW_SPEAKERS} speakers may be those of single voices.",
        label,
    )


def _empty_features(
    workspace: Workspace, selection: Selection, clips: int, names: Sequence[str]
) -> Iterator[Caution]:
    if not names:
        return
    known = _known(workspace, selection, names, clips)
    share = 1 - known.astype(np.float64) / clips
    worst = [i for i in np.argsort(-share, kind="stable") if share[i] >= EMPTY]
    if worst:
        titles = _titles(workspace)
        said = [f"{titles.get(names[i], names[i])} ({_pct(share[i])})" for i in worst[:4]]
        more = f" and {len(worst) - 4:,} others" if len(worst) > 4 else ""
        one = len(worst) == 1
        yield Caution(
            NOTE,
            f"{len(worst):,} feature{' has' if one else 's have'} no value for half the clips or "
            f"more: {', '.join(said)}{more}. Dropping all rows with a missing value would lose "
            f"most clips: leave {'this feature' if one else 'these features'} out first.",
            "features",
        )


def _known(
    workspace: Workspace, selection: Selection, names: Sequence[str], clips: int
) -> np.ndarray:
    """How many of the selected clips have a value, (names,); all of them where most must have one.

    A selection lacks at most as many values as the whole table does, which is counted once.
    """
    everywhere = _known_of_all(workspace, names)
    missing = np.array([everywhere[""] - everywhere[n] for n in names])
    if not selection:
        return clips - missing
    known = np.full(len(names), clips)
    rare = np.flatnonzero(missing >= EMPTY * clips)
    if rare.size:
        counted = ", ".join(f"count({_quoted(names[i])})" for i in rare)
        sql, values = selection.where()
        found = workspace.query(f"SELECT {counted} FROM clips WHERE {sql}", values)
        known[rare] = found.iloc[0].to_numpy()
    return known


def _known_of_all(workspace: Workspace, names: Sequence[str]) -> dict[str, int]:
    """How many of all clips have a value of these features, and under "" how many clips there are.

    Kept by the table's content: it does not depend on what is selected.
    """
    known = _KNOWN.setdefault(workspace.key, {})
    while len(_KNOWN) > MOST_KNOWN:
        _KNOWN.pop(next(iter(_KNOWN)), None)
    new = [n for n in names if n not in known]
    if new:
        counted = ", ".join(f"count({_quoted(n)})" for n in new)
        row = workspace.query(f"SELECT count(*), {counted} FROM features").iloc[0].tolist()
        known.update(zip(("", *new), row, strict=True))
    return known


def _confounds(
    workspace: Workspace, selection: Selection, groups: dict[str, "pd.DataFrame"]
) -> Iterator[Caution]:
    """Groups that were recorded in another way: a model may learn the channel, not the voice."""
    titles, columns = _titles(workspace), _recording(workspace)
    for label in (n for n in groups if _sizes(groups[n]) >= 2):
        for name in (r for r in RATES if r in workspace.label_columns()):
            yield from _mixed(workspace, selection, label, name)
        yield from _apart(label, groups[label], columns, titles)


def _sizes(table: "pd.DataFrame") -> int:
    """How many groups are large enough to be compared."""
    return int((table["value"].notna() & (table["clips"] >= LEAST)).sum())


def _apart(
    label: str, table: "pd.DataFrame", columns: list[str], titles: dict[str, str]
) -> Iterator[Caution]:
    """The group whose mean of a column lies farthest from that of all others."""
    table = table[table["value"].notna()].reset_index(drop=True)
    said, most = [], 0.0
    for i, column in enumerate(columns):
        n, mean, var = (table[f"{c}{i}"].to_numpy(np.float64) for c in "nmv")
        d, rest = _against_rest(n, np.nan_to_num(mean), np.nan_to_num(var))
        d = np.where(n >= LEAST, d, 0.0)
        at = int(np.argmax(np.abs(d)))
        if abs(d[at]) >= APART:
            most = max(most, abs(d[at]))
            said.append(
                f"{titles.get(column, column)} is {mean[at]:.3g} on average for "
                f"{clean(table['value'][at], 40)} and {rest[at]:.3g} for the others "
                f"(d = {d[at]:.1f})"
            )
    if said:
        yield Caution(
            WARNING if most >= FAR_APART else NOTE,
            f"{_plural(label)} differ in length or recording: {'; '.join(said)}. What looks like "
            f"the {_name(label)} may be the recording: compare clips with like values.",
            label,
        )


def _against_rest(
    n: np.ndarray, mean: np.ndarray, var: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cohen's d of every group against all others, and the mean of those; 0 where it cannot be."""
    others = n.sum() - n
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = ((n * mean).sum() - n * mean) / others
        squares = ((n * (var + mean**2)).sum() - n * (var + mean**2)) / others
        pooled = (n * var + others * np.maximum(0, squares - rest**2)) / n.sum()
        d = np.where(pooled > 0, (mean - rest) / np.sqrt(pooled), 0.0)
    return np.where((others >= LEAST) & np.isfinite(d), d, 0.0), rest


def _mixed(
    workspace: Workspace, selection: Selection, label: str, column: str
) -> Iterator[Caution]:
    """A property of the recording, such as its sampling rate, that goes with a label."""
    sql, values = selection.where() or ("TRUE", [])
    rows = workspace.query(
        f"SELECT {_quoted(label)}::VARCHAR AS g, {_quoted(column)}::VARCHAR AS v, count(*) AS n "
        f"FROM clips WHERE {sql} AND g IS NOT NULL AND v IS NOT NULL GROUP BY ALL ORDER BY ALL",
        values,
    )
    counts = rows.pivot_table(index="g", columns="v", values="n", fill_value=0, aggfunc="sum")
    counts = counts[counts.sum(axis=1) >= LEAST]
    if len(counts) < 2 or counts.shape[1] < 2:
        return
    share = counts.div(counts.sum(axis=1), axis=0)
    value = (share.max() - share.min()).idxmax()
    high, low = share[value].idxmax(), share[value].idxmin()
    if share[value][high] - share[value][low] >= MIXED:
        yield Caution(
            WARNING,
            f"The {clean(column, 40)} goes with the {_name(label)}: {clean(value, 20)} is that of "
            f"{_pct(share[value][high])} of the clips of {clean(high, 40)}, and of "
            f"{_pct(share[value][low])} of {clean(low, 40)}. A model may learn the channel: "
            "compare clips of one kind, or resample all to the lowest.",
            label,
        )


def _texts(workspace: Workspace, selection: Selection, clips: int) -> Iterator[Caution]:
    if "text" not in workspace.label_columns():
        return
    sql, values = selection.where() or ("TRUE", [])
    found = workspace.query(
        "SELECT count(*) AS texts, coalesce(sum(n), 0) AS clips FROM (SELECT count(*) AS n "
        f"FROM clips WHERE {sql} AND trim(text) <> '' GROUP BY lower(trim(text))) WHERE n > 1",
        values,
    ).iloc[0]
    texts, repeated = (int(v) for v in found)
    if repeated / clips >= REPEATED:
        yield Caution(
            NOTE,
            f"{repeated:,} of {clips:,} clips ({_pct(repeated / clips)}) share their text with "
            f"another clip ({texts:,} text{'' if texts == 1 else 's'}): keep clips of one text on "
            "one side of a split, or a model may know the sentence.",
            "text",
        )


def _name(label: str) -> str:
    return LABELS.get(label) or clean(label, 40)


def _plural(label: str) -> str:
    return GROUPS.get(label) or f"Groups of {clean(label, 40)}"


def _titles(workspace: Workspace) -> dict[str, str]:
    """Names of the features for people; none where the set is not known."""
    name = workspace.status().feature_set
    if name not in FEATURE_SETS:
        return {}
    return {s.name: f"{s.label} ({s.unit})" if s.unit else s.label for s in feature_set(name).specs}


def _pct(share: Any) -> str:
    """A share in per cent, never rounded to all or nothing."""
    value = 100 * float(share)
    if 0 < value < 1 or 99 < value < 100:
        return f"{value:.1f} %"
    return f"{value:.0f} %"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

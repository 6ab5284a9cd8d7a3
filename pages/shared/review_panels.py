"""Lists of suspects to listen through, one by one: duplicates, label errors, outliers."""

from dataclasses import dataclass
from hashlib import blake2b

import pandas as pd
import streamlit as st

from core.eda import duplicates, suspects
from core.eda.browsing import csv_of
from core.errors import VoiceError
from core.figures import base
from core.figures import maps as figures
from core.filters import Selection
from core.notes import Notes
from core.safe_text import clean, filename, md
from pages.shared import cache_map as cache
from pages.shared import map_code, play
from pages.shared.data import Opened
from pages.shared.errors import sentence
from pages.shared.map_panels import title

LITTLE_BETTER = 0.7  # balanced accuracy below which a model's doubts say little


@dataclass(frozen=True)
class Suspect:
    """Clips to hear together, of which the last is in question, and why, in plain text."""

    clip_ids: tuple[str, ...]
    why: str

    @property
    def clip_id(self) -> str:
        """The clip in question."""
        return self.clip_ids[-1]


@dataclass(frozen=True)
class Verdicts:
    """The tags that the two buttons give."""

    confirmed: str
    rejected: str

    def of(self, tags: set[str]) -> str:
        """The verdict on a clip with these tags."""
        return next((t for t in (self.confirmed, self.rejected) if t in tags), "")


def twice(opened: Opened, chosen: Selection) -> None:
    """Clips that are there twice."""
    text, folder = chosen.to_text(), str(opened.folder)
    # The field is drawn below the answer that it starts from.
    limit = st.session_state.get("map_threshold")
    found = cache.twice(opened.key, folder, text, limit)
    bytes_ = sum(p.same_bytes for p in found.pairs)
    more = "at least " if len(found.pairs) == duplicates.MOST_PAIRS else ""
    said = (
        f"{more}{len(found.pairs):,} clips are there twice: {bytes_:,} with the same bytes, "
        f"{len(found.pairs) - bytes_:,} nearer to another than {found.threshold:.3g}."
    )
    said = said[0].upper() + said[1:] if found.pairs else "No clip is there twice."
    left, right = st.columns([3, 1], gap="large")
    left.plotly_chart(
        figures.distances(found),
        key="map_distances",
        alt=f"Distances to the nearest other clip. {said}",
        config=base.chart_config("distances"),
    )
    right.number_input(
        "Threshold",
        min_value=0.0,
        value=None,
        step=0.01,
        format="%.3f",
        placeholder=f"{found.automatic:.3f}, automatic",
        key="map_threshold",
        help="Clips nearer to each other than this count as the same sound. Automatic: "
        f"{duplicates.SPREADS:g} robust standard deviations below the median distance, on a log "
        "scale.",
    )
    right.caption("Left of the line: suspiciously near.")
    st.caption(f"**{md(said, 300)}** {md(_twice_notes(found), 600)}")
    suspects_ = [Suspect((p.first, p.second), _why_twice(p)) for p in found.pairs]
    review(opened, suspects_, Verdicts("duplicate", "no duplicate"), "twice")
    _compared(opened, folder, text)


def _twice_notes(found: duplicates.Duplicates) -> str:
    said = ["Compared are standardised features and mel strengths, not the samples."]
    if found.compared < found.total:
        said.append(
            f"{found.compared:,} of {found.total:,} clips were compared by sound, the same sample "
            "every time; bytes of all."
        )
    if found.unread:
        s = "" if found.unread == 1 else "s"
        said.append(f"{found.unread:,} file{s} could not be read to compare bytes.")
    return " ".join(said)


def _why_twice(pair: duplicates.Pair) -> str:
    if pair.same_bytes:
        return "The files hold the same bytes."
    return f"The sounds lie at a distance of {pair.distance:.3f}."


def _compared(opened: Opened, folder: str, text: str) -> None:
    spaces, _ = cache.choices(opened.key, folder)
    st.download_button(
        "CSV of what is compared",
        data=lambda: cache.compared(folder, text),
        file_name="compared.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="csv_compared",
    )
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("These lines find the threshold anew from “CSV of what is compared”.")
        st.code(map_code.distances("compared.csv", spaces[-1], duplicates.SPREADS))


def label_errors(opened: Opened, chosen: Selection) -> None:
    """Labels that a model of other speakers doubts."""
    _, labels = cache.choices(opened.key, str(opened.folder))
    if not labels:
        st.info("This table has no label of two to twelve values to check.")
        return
    label = st.selectbox(
        "Label",
        labels,
        format_func=lambda c: title(opened, c),
        key="map_label",
        bind="query-params",
        width=300,
    )
    found = cache.label_errors(opened.key, str(opened.folder), chosen.to_text(), label)
    name = title(opened, label).lower()
    st.caption(md(_model_said(found, name), 1000))
    if found.score < LITTLE_BETTER:
        st.warning(
            f"The model hardly knows the {md(name)} of voices it has not heard: its doubts say "
            "little about the labels.",
            icon=":material/warning:",
        )
    if found.speakers is None:
        st.warning(
            "No speakers are known here: the model may have heard the same voice, so that it "
            "doubts too few labels. Folds are by clip.",
            icon=":material/warning:",
        )
    listed = [Suspect((d.clip_id,), _why_doubted(d)) for d in found.doubts]
    verdicts = Verdicts(f"{label[:30]} wrong", f"{label[:30]} right")
    review(opened, listed, verdicts, f"label_{label}")


def _model_said(found: suspects.LabelErrors, name: str) -> str:
    by = f"{found.speakers:,} speakers kept apart" if found.speakers else "folds by clip"
    seen = "speaker" if found.speakers else "clip"
    said = [
        f"A model that has not heard the {seen} prefers another {name} for {found.found:,} of "
        f"{found.judged:,} clips; the least believed label comes first. Its balanced accuracy is "
        f"{found.score:.0%}, guessing has {found.chance:.0%}; {by}."
    ]
    if found.judged < found.total:
        said.append(f"Judged are {found.judged:,} of {found.total:,} clips.")
    if found.found > len(found.doubts):
        said.append(f"Listed are the first {len(found.doubts):,}.")
    if found.speakers and found.anonymous:
        said.append(f"{found.anonymous:,} clips have no known speaker and count as one each.")
    if found.left_out:
        listed = ", ".join(clean(v, 30) for v in found.left_out[:6])
        said.append(f"Left out, with too few clips or speakers: {listed}.")
    said.append("A doubt is a reason to listen, not an error: unusual voices are doubted too.")
    return " ".join(said)


def _why_doubted(doubt: suspects.Doubt) -> str:
    return (
        f"Labelled {clean(doubt.label, 40)} ({doubt.confidence:.1%} by the model), which prefers "
        f"{clean(doubt.preferred, 40)} ({doubt.preferred_confidence:.1%})."
    )


def outliers(opened: Opened, chosen: Selection) -> None:
    """Clips unlike all others."""
    found = cache.outliers(opened.key, str(opened.folder), chosen.to_text())
    judged = (
        f"{found.judged:,} of {found.total:,}"
        if found.judged < found.total
        else f"{found.judged:,}"
    )
    s = " is" if found.found == 1 else "s are"
    st.caption(
        md(
            f"{found.found:,} of {judged} clip{s} unlike the others: the mean distance to the ten "
            f"nearest clips lies over {suspects.SPREADS:g} robust standard deviations above the "
            "median, on a log scale. The farthest comes first. Unusual is not bad: listen.",
            500,
        )
    )
    listed = [Suspect((o.clip_id,), _why_out(opened, o)) for o in found.outliers]
    review(opened, listed, Verdicts("outlier", "no outlier"), "outliers")


def _why_out(opened: Opened, outlier: suspects.Outlier) -> str:
    parts = [f"{title(opened, name)} {_far(z)}" for name, z in outlier.why]
    return f"Most unusual, in robust standard deviations: {'; '.join(parts)}."


def _far(z: float) -> str:
    return (
        f"{'+' if z > 0 else '−'}{abs(z):.1f}"
        if abs(z) < 100
        else f"over {'+' if z > 0 else '−'}100"
    )


def review(opened: Opened, listed: list[Suspect], verdicts: Verdicts, kind: str) -> None:
    """One suspect after the other: hear, confirm or reject; then all of them as a table."""
    if not listed:
        return
    tags = Notes(opened.folder).tags()
    given = [verdicts.of(tags.get(s.clip_id, set())) for s in listed]
    key = f"review_{kind}_{_digest([s.clip_ids for s in listed])}"
    at = min(st.session_state.get(key, _first_open(given)), len(listed) - 1)
    suspect = listed[at]
    with st.container(border=True):
        done = sum(bool(v) for v in given)
        st.markdown(f"**{at + 1:,} of {len(listed):,}** — {md(suspect.why, 300)}")
        cells = st.columns(len(suspect.clip_ids))
        for i, (cell, clip_id) in enumerate(zip(cells, suspect.clip_ids, strict=True)):
            with cell:
                play.clip(opened, clip_id, f"{kind}_{i}")
        _buttons(opened, suspect, verdicts, key, at, given)
        confirmed = given.count(verdicts.confirmed)
        st.caption(
            f"{done:,} judged: {confirmed:,} “{verdicts.confirmed}”, {done - confirmed:,} "
            f"“{verdicts.rejected}”. Verdicts are tags, kept with the data set."
        )
    _table(listed, given, kind)


def _buttons(
    opened: Opened, suspect: Suspect, verdicts: Verdicts, key: str, at: int, given: list[str]
) -> None:
    cells = st.columns(4)
    last = len(given) - 1
    steps = (("Previous", -1, "K", at == 0), ("Next", 1, "J", at == last))
    for cell, (label, by, shortcut, off) in zip((cells[0], cells[3]), steps, strict=True):
        cell.button(
            label,
            key=f"review_{label.lower()}",
            shortcut=shortcut,
            disabled=off,
            on_click=_go,
            args=(key, at + by),
            width="stretch",
        )
    pairs = ((verdicts.confirmed, "Y"), (verdicts.rejected, "N"))
    for cell, (tag, shortcut) in zip(cells[1:3], pairs, strict=True):
        on = given[at] == tag
        label = tag[0].upper() + tag[1:]
        cell.button(
            f"✓ {label}" if on else label,
            key=f"review_{shortcut}",
            shortcut=shortcut,
            type="primary" if on else "secondary",
            help="Press again to take it back." if on else None,
            on_click=_judge,
            args=(opened, suspect.clip_id, tag, verdicts, key, at, last),
            width="stretch",
        )


def _go(key: str, at: int) -> None:
    st.session_state[key] = at


def _judge(
    opened: Opened, clip_id: str, tag: str, verdicts: Verdicts, key: str, at: int, last: int
) -> None:
    """Give the verdict and go on, or take the same one back and stay."""
    notes = Notes(opened.folder)
    before = verdicts.of(notes.tags().get(clip_id, set()))
    try:
        if before:
            notes.tag(clip_id, before, on=False)
        if before != tag:
            notes.tag(clip_id, tag)
    except VoiceError as err:
        st.toast(sentence(err))
        return
    st.session_state[key] = at if before == tag else min(at + 1, last)


def _first_open(given: list[str]) -> int:
    """The first suspect without a verdict."""
    return next((i for i, v in enumerate(given) if not v), 0)


def _digest(about: object) -> str:
    return blake2b(repr(about).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()


def _table(listed: list[Suspect], given: list[str], kind: str) -> None:
    """All suspects, and a download."""
    rows = pd.DataFrame(
        {
            "clip_id": [s.clip_id for s in listed],
            "why": [s.why for s in listed],
            "verdict": given,
        }
    )
    if any(len(s.clip_ids) > 1 for s in listed):
        rows.insert(1, "like", [s.clip_ids[0] for s in listed])
    with st.expander(f"All {len(listed):,}", icon=":material/list:"):
        st.dataframe(rows, hide_index=True, alt=f"All {len(listed):,} suspects and verdicts")
    st.download_button(
        "CSV of the list",
        data=lambda: csv_of(rows),
        file_name=filename(f"{kind}.csv"),
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"csv_{kind}",
    )

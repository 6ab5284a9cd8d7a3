"""The parts of the mean mels page: making pictures, choosing groups, figures, sounds, code."""

from dataclasses import dataclass
import math

import streamlit as st

from core import jobs
from core.eda import mean_mels, mel_images
from core.eda.browsing import csv_of
from core.eda.mean_mels import Comparison, Group
from core.figures import chart_config
from core.figures import mean_mels as figures
from core.filters import Selection
from core.safe_text import clean, filename, md
from pages.shared import cache_mean_mels as cache
from pages.shared import cautions, play, progress
from pages.shared.data import Opened
from pages.shared.errors import show_errors

ABOUT = (
    "Each clip is cut or padded with −80 dB to its first 3.0 s (93 frames) and shown as 128 mel "
    "bands at 16 kHz, in dB below the clip's own maximum. The mean is taken pixel by pixel."
)
SPECTRA_ABOUT = (
    "Long-term average spectrum: the mean of each band over the 3 s above, padding included. "
    "The shaded band is the 95 % interval of the mean, over {unit}s."
)
CODE = """import pandas as pd

table = pd.read_csv("{name}")
pictures = {{
    name: table.pivot(index="hz", columns="time_s", values=f"{{name}}_db")
    for name in ("a", "b", "difference")  # a is {a}, b is {b}
}}
spectra = table.groupby("hz")[["a_db", "b_db"]].mean()  # long-term average spectra
largest = (spectra["a_db"] - spectra["b_db"]).abs().idxmax()
print(f"The largest difference is at {{largest:,.0f}} Hz.")"""
PICTURE_CODE = """import librosa
import numpy as np

y, sr = librosa.load("clip.wav", sr=16_000)
S = librosa.feature.melspectrogram(y=y, sr=sr)
S_db = librosa.power_to_db(S, ref=np.max)[:, :93]
picture = np.full((128, 93), -80.0)
picture[:, : S_db.shape[1]] = S_db"""


@dataclass(frozen=True)
class Look:
    """What is compared and how it is shown."""

    label: str
    a: str
    b: str
    by_speaker: bool
    masked: bool


def need_sound(opened: Opened) -> None:
    """Stop the page where the data set is a table without recordings."""
    if not opened.has_sound:
        st.info(
            "This page needs sound, and this data set is a table of features alone. "
            "Choose a data set with recordings."
        )
        st.stop()


def pictures_made(opened: Opened) -> None:
    """Start, watch and cancel the job that makes the pictures; stop while there are none."""
    job = jobs.Job(mel_images.mels_folder(opened.workspace))
    running = job.status()["state"] == "running"
    stamp = mel_images.stamp(opened.workspace)
    images = cache.images(opened.key, stamp, str(opened.folder))
    total = min(opened.workspace.count(), mean_mels.MOST_CLIPS)
    missing = total - len(images) - len(images.failed)
    if running or missing > 0:
        st.fragment(_watch, run_every=1.0 if running else None)(opened, missing, stamp, running)
    if images.failed:
        with st.expander(f"{len(images.failed):,} clips have no picture"):
            for clip_id, message in list(images.failed.items())[:50]:
                st.caption(f"{md(clip_id)}: {md(message, 300)}")
    if not len(images):
        st.stop()


def _watch(opened: Opened, missing: int, stamp: int, was_running: bool) -> None:
    folder = mel_images.mels_folder(opened.workspace)
    job = jobs.Job(folder)
    now = job.status()
    if now["state"] == "running":
        progress.running(now, job, key="mels_cancel", said=_said(now))
        if not stamp and mel_images.stamp(opened.workspace):
            st.rerun()
        return
    if was_running:
        st.rerun()
    if now["state"] == "failed":
        st.error(f"Making pictures stopped: {md(now['message'], 300)}")
    text, button = st.columns([5, 1], vertical_alignment="center")
    text.info(
        f"{missing:,} clips have no mel picture yet. They are made once, in the background, at "
        "some hundred clips a second."
    )
    if button.button("Make pictures", type="primary", key="mels_start", width="stretch"):
        words = ["mels", str(opened.folder)]
        if opened.workspace.count() > mean_mels.MOST_CLIPS:
            words += ["--limit", str(mean_mels.MOST_CLIPS)]
        with show_errors():
            jobs.start(words, folder)
        st.rerun()


def _said(now: dict) -> str:
    if not now["total"]:
        return "Starting…"
    left = f", about {math.ceil(now['eta_s'])} s to go" if now["eta_s"] else ""
    return f"{now['done']:,} of {now['total']:,} mel pictures{left}"


def look(opened: Opened, chosen: Selection) -> Look:
    """Label, two of its values, and how the means are taken."""
    key = (opened.key, str(opened.folder))
    names = cache.label_names(*key)
    if not names:
        st.info("This data set has no label with two values: there are no groups to compare.")
        st.stop()
    cells = st.columns([2, 2, 2, 3], vertical_alignment="bottom")
    label = cells[0].selectbox(
        "Groups by",
        names,
        format_func=lambda n: clean(opened.labels.get(n, n), 60),
        key="mels_by",
        bind="query-params",
    )
    values = cache.choices(*key, chosen.to_text(), label)
    if len(values) < 2:
        st.info("Fewer than two groups are left: choose another label, or clear a condition.")
        st.stop()
    shown = {"format_func": lambda v: clean(v, 60)}
    first = values.index("male") if label == "gender" and "male" in values else 0  # the article's
    a = cells[1].selectbox("Group A", values, index=first, key=f"mels_a_{label}", **shown)
    others = [v for v in values if v != a]
    b = cells[2].selectbox("Group B", others, key=f"mels_b_{label}", **shown)
    with cells[3]:
        by_speaker = _by_speaker(opened, label)
        masked = st.toggle(
            "Fade what may be chance",
            value=True,
            key="mels_masked",
            bind="query-params",
            help="Colours stay where the difference is beyond chance: whole speakers are given to "
            "the groups anew (clips, where speakers are not known), and a block counts if it is "
            "beyond the largest difference of 95 % of these relabellings. If the groups did not "
            "differ, any colour at all would stay in 5 % of cases.",
        )
    return Look(label, a, b, by_speaker, masked)


def _by_speaker(opened: Opened, label: str) -> bool:
    known = "speaker_id" in opened.columns and label != "speaker_id"
    known = known and opened.workspace.count("speaker_id IS NOT NULL") > 0
    return st.toggle(
        "Each speaker counts once",
        key="mels_by_speaker",
        bind="query-params",
        disabled=not known,
        help="Averages the clips of each speaker first, so that nobody counts more for having "
        "more clips." + ("" if known else " Speakers are not known here."),
    ) and bool(known)


def compare(opened: Opened, chosen: Selection, look: Look) -> Comparison:
    """The comparison, with what was left out of it."""
    stamp = mel_images.stamp(opened.workspace)
    key = (opened.key, stamp, str(opened.folder), chosen.to_text())
    clips = cache.pick(*key)
    found = cache.compare(*key, look.label, look.a, look.b, look.by_speaker)
    if clips.with_picture < clips.selected:
        st.caption(f"{clips.with_picture:,} of {clips.selected:,} clips have a mel picture.")
    if clips.which.size < clips.with_picture:
        st.caption(f"A random sample of {clips.which.size:,} clips, the same every time.")
    said = [md(text, 400) for text in mean_mels.cautions(found)]
    if said:
        st.warning("  \n".join(said), icon=":material/warning:")
    cautions.beside(opened, chosen, label=look.label, topics=("missing", "recording"))
    return found


def pictures(found: Comparison, look: Look) -> None:
    """Both means on one colour scale, and their difference."""
    limits = figures.shared_range(found)
    cells = st.columns(3)
    for cell, group, name in zip(cells, (found.a, found.b), "ab", strict=False):
        with cell:
            st.markdown(f"**{md(group.name, 40)}**: {_size(group)}")
            alt = f"Mean mel spectrogram of {clean(group.name, 40)}: {_size(group)}."
            _chart(figures.mean(group, limits), f"mel_{name}", alt, found)
    said = mean_mels.sentence(found)
    with cells[2]:
        st.markdown(f"**{md(found.a.name, 40)} − {md(found.b.name, 40)}**: red where A is stronger")
        fig = figures.difference(found, masked=look.masked)
        _chart(fig, "mel_difference", said, found)
    st.markdown(md(said, 600))
    st.caption(f"{ABOUT} Both means share one colour scale. {_tested(found)}")


def _size(group: Group) -> str:
    speakers = "speakers not known"
    if group.speakers is not None:
        speakers = f"{group.speakers:,} speaker{'' if group.speakers == 1 else 's'}"
        if group.without_speaker:
            speakers += f", {group.without_speaker:,} clips without"
    return f"{group.clips:,} clip{'' if group.clips == 1 else 's'}, {speakers}"


def _tested(found: Comparison) -> str:
    chance = found.chance
    if chance.significant is None:
        return chance.why_not
    return (
        f"Chance: {chance.relabellings:,} relabellings of {chance.unit}s, maximum statistic over "
        "blocks of 2 bands by 3 frames, 5 % for the whole picture."
    )


def spectra(found: Comparison) -> None:
    """The long-term average spectra of both groups."""
    st.subheader("Long-term average spectrum", anchor=False)
    said = mean_mels.sentence(found)
    _chart(figures.spectra(found), "mel_spectra", said, found)
    st.caption(SPECTRA_ABOUT.format(unit=found.chance.unit))


def _chart(fig, name: str, alt: str, found: Comparison) -> None:
    saved = filename(f"{name}_{found.a.name}_{found.b.name}")
    st.plotly_chart(fig, key=name, alt=alt, config=chart_config(saved))


def nearest(opened: Opened, found: Comparison) -> None:
    """The clips most like each mean, to hear."""
    fold = st.expander(
        "Hear the five clips nearest to each mean",
        icon=":material/volume_up:",
        key="mels_nearest",
        on_change="rerun",
    )
    if not fold.open:
        return
    with fold:
        for cell, group, name in zip(st.columns(2), (found.a, found.b), "ab", strict=True):
            with cell:
                st.markdown(f"**{md(group.name, 40)}**")
                for i, near in enumerate(group.nearest):
                    note = f"{near.distance_db:.1f} dB from the mean (root mean square)"
                    play.clip(opened, near.clip_id, f"near_{name}_{i}", note)


def downloads(found: Comparison) -> None:
    """What is drawn as a table, and the code that reads it."""
    name = filename(f"mean_mels_{found.a.name}_{found.b.name}.csv")
    st.download_button(
        "Download CSV",
        data=lambda: csv_of(mean_mels.table(found)),
        file_name=name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="mels_csv",
    )
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("From the downloaded table to the pictures and spectra:")
        st.code(code(found, name), language="python")
        st.caption("The picture of one clip, with librosa:")
        st.code(PICTURE_CODE, language="python")


def code(found: Comparison, name: str) -> str:
    """Pandas lines that make the figures' numbers of the downloaded table."""
    a, b = (clean(g.name, 40).replace("\\", "/") for g in (found.a, found.b))
    return CODE.format(name=name, a=a, b=b)

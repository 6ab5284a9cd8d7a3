"""The parts of the clip page: facts, players, rows of figures, downloads."""

import re

import numpy as np
import streamlit as st

from core import audio, figures, script
from core.audio import AudioInfo
from core.clean import Cleaned
from core.compare import Look, Side
from core.errors import VoiceError
from core.figures import Overlay
from core.figures import quality as problems
from core.params import CleanParams
from core.quality import DEFAULT
from core.safe_text import filename, md
from pages.shared import cache, cache_check
from pages.shared.clip_features import LONG_S
from pages.shared.errors import sentence
from pages.shared.inputs import Picked
from pages.shared.player import Curve, Heard, Mark, marks_of, player, tracks
from pages.shared.window import zoom_to_drag

ABOUT = {
    "Waveform": "Amplitude over time. Drag over a waveform to zoom in, down to single samples.",
    "Spectrum": "How strong each frequency is in the stretch shown: the magnitude of its Fourier "
    "transform, in dB below the strongest before cleaning.",
    "STFT": "Frequencies over time: short-time Fourier transform, in dB below the loudest point "
    "before cleaning.",
    "Mel": "The same in mel bands, spaced the way the ear hears pitch.",
    "MFCC": "Mel-frequency cepstral coefficients: the shape of the mel spectrum in a few numbers "
    "without a unit. Coefficient 0, the overall level, runs off the colour scale.",
    "Difference": "After − before: blue where cleaning took level away, red where it added some.",
}
PROBLEMS = "Problems"
LEAST_SEEN = 0.005  # of the width: marks that are shorter are drawn so long
METRIC_PX = 125
BITS = {16: "16 bit", 24: "24 bit", 32: "32 bit float"}


def facts(info: AudioInfo, before: Side, after: Side) -> None:
    """What the file is, and the levels of both sides."""
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    bits = f"{info.bits} bit" if info.bits else None
    rate = f"{info.bit_rate / 1000:.0f} kbit/s" if info.bit_rate else None
    said = [f"{info.container} / {info.codec}", f"{info.sr:,} Hz", channels, bits, rate]
    st.markdown(" · ".join(md(part) for part in said if part))
    cells = st.container(horizontal=True)  # on a phone two stand side by side
    width = {"width": METRIC_PX}
    for side, name in ((before, "before"), (after, "after")):
        cells.metric(f"Duration {name}", f"{side.duration_s:.2f} s", **width)
        cells.metric(
            f"Peak {name}", _dbfs(side.peak_dbfs), help="Largest sample, re full scale.", **width
        )
        cells.metric(f"Level {name}", _dbfs(side.rms_dbfs), help="RMS of the whole clip.", **width)


def _dbfs(value: float) -> str:
    return "silent" if np.isnan(value) else f"{value:.1f} dBFS"


def listen(
    picked: Picked,
    sr: int | None,
    part: tuple | None,
    y: np.ndarray,
    cleaned: Cleaned,
    chain: CleanParams,
) -> Heard:
    """Before, after, and what was removed, on one time axis; and the steps that were taken."""
    sounds = {"Before": y, "After": cleaned.y, "Removed": cleaned.removed}
    sounds = {name: signal for name, signal in sounds.items() if signal.size}
    own = f"{picked.ref} {sr} {part}"
    made = tracks(
        sounds,
        sr=cleaned.sr,
        key=f"{own} {chain.digest}",
        keys={"Before": own},
        offsets={"After": cleaned.start},
    )
    marks = _marks(picked, sr, part, y.size / cleaned.sr)
    heard = player(made, key=f"clip_{made[0].ident.split()[0]}", marks=marks)
    bad = dict.fromkeys(m.label for m in marks if isinstance(m, Mark) and m.kind == PROBLEMS)
    if bad:
        st.caption(f"Problems found: {md(', '.join(bad), 300)}. The page Check says more.")
    steps = [f"**{md(s.label)}**: {md(s.detail, 300)}" for s in cleaned.steps]
    st.caption("  \n".join(steps) or "All steps are off: before and after are the same.")
    return heard


def _marks(
    picked: Picked, sr: int | None, part: tuple | None, seconds: float
) -> list[Mark | Curve]:
    """What was measured in the recording before cleaning, and the problems found in it."""
    if seconds > LONG_S and not st.toggle(
        f"Mark pitch, onsets and problems of all {seconds / 60:.0f} minutes",
        key="mark_long",
        help="Takes some seconds.",
    ):
        return []
    found: list[Mark | Curve] = []
    try:
        found += marks_of(cache.marks(picked.ref, sr, part), seconds)
        found += _problems(picked, part, seconds)
    except VoiceError as err:  # too short to be measured: heard and seen all the same
        st.caption(sentence(err))
    return found


def _problems(picked: Picked, part: tuple | None, seconds: float) -> list[Mark]:
    start = part[0] if part else 0.0
    report = cache_check.report(picked.ref, DEFAULT)
    found = []
    for check in problems.problems(report):
        for a, b in problems.places(check):
            a, b = a - start, b - start
            more = max(0.0, LEAST_SEEN * seconds - (b - a)) / 2
            if b > 0 and a < seconds:
                place = max(a - more, 0.0), min(b + more, seconds)
                found.append(Mark(PROBLEMS, *place, label=check.label))
    return found


def view_rows(
    before: Side, after: Side, shown: list[str], *, look: Look, save_as: str, over: Overlay | None
) -> dict:
    """The figures asked for, two by two; returns them by title."""
    made = {}
    for view in shown:
        st.subheader(view, anchor=False)
        st.caption(ABOUT[view])
        pair = figures.pair(view, before, after, look=look, over=over)
        for cell, title, fig in zip(st.columns(2), figures.VIEWS[view], pair, strict=True):
            name = title if view == "Difference" else f"{view}, {title.lower()}"
            made[name] = fig
            with cell:
                st.markdown(f"**{title}**")
                chart(fig, name, look=look, save_as=save_as, drag=view == "Waveform")
    return made


def chart(fig, name: str, *, look: Look, save_as: str, drag: bool = False) -> None:
    """One figure; with ``drag``, marking a stretch of it zooms all figures to that stretch."""
    span = f"{look.window.t0:.3f} to {look.window.t1:.3f} s"
    key = "chart_" + re.sub(r"\W+", "_", name)
    options = {"alt": f"{name}, {span}.", "config": figures.chart_config(filename(name), save_as)}
    if drag:
        key = f"{key}_{look.window.t0:.5f}_{look.window.t1:.5f}"
        options |= {
            "on_select": lambda: zoom_to_drag(key),
            "selection_mode": "box",
        }
    st.plotly_chart(fig, key=key, **options)


def downloads(
    picked: Picked, cleaned: Cleaned, made: dict, *, look: Look, chain: CleanParams, sr: int | None
) -> None:
    """The cleaned sound, the figures as pages of their own, and the code that makes this view."""
    sound, pictures, code = st.columns(3)
    with sound:
        bits = st.segmented_control(
            "Cleaned sound", list(BITS), format_func=BITS.get, default=16, required=True, key="bits"
        )
        st.download_button(
            "Download WAV",
            data=lambda: audio.encode_wav(cleaned.y, sr=cleaned.sr, bits=bits),
            file_name=filename(f"{picked.name}_cleaned.wav"),
            mime="audio/wav",
            icon=":material/download:",
            on_click="ignore",
        )
        if bits != 32 and np.abs(cleaned.y).max(initial=0) > 1:
            st.caption("This sound goes over full scale: 16 and 24 bit clip it, 32 bit keeps it.")
    with pictures:
        name = st.selectbox("Figure", list(made), key="figure", disabled=not made)
        st.download_button(
            "Download HTML",
            data=lambda: figures.to_html(made[name], f"{picked.name}: {name}"),
            file_name=filename(f"{picked.name}_{name}.html"),
            mime="text/html",
            icon=":material/download:",
            disabled=not made,
            on_click="ignore",
        )
        st.caption("An HTML file works offline, with zoom and values under the pointer.")
    with code:
        st.segmented_control(
            "Pictures",
            list(figures.SAVE_FORMATS),
            format_func=str.upper,
            default="png",
            required=True,
            key="save_as",
            persist_state="session",
        )
        st.caption("Point at a figure and press its camera: it saves in this format.")
    text = script.clip_script(picked.name, sr=sr, chain=chain, look=look)
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("This script makes the same numbers with librosa, noisereduce and soundfile.")
        st.code(text, language="python")

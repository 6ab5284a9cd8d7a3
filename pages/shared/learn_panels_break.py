"""Break it: give a recording a dose of harm, and watch what moves."""

import math

import streamlit as st

from core.features import feature_set
from core.learn import SR
from core.learn.breaking import BIT_RATES, CLEAN_SNR_DB, Harm
from core.quality import VERDICTS
from core.safe_text import md
from pages.shared import cache_learn, sounds
from pages.shared.cache_learn import Judged
from pages.shared.errors import show_errors
from pages.shared.learn_panels import HEIGHT, PART, chart, picture, voice

WATCHED = ("f0_median_hz", "snr_db", "hnr_db", "spectral_centroid_hz", "syllable_count")
MARKS = {
    "pass": ":material/check_circle:",
    "warn": ":material/warning:",
    "fail": ":material/cancel:",
    "unknown": ":material/help:",
}
WORST_SHOWN = 4


def break_it() -> None:
    """Doses at the left; pictures, sounds, features, checks and the model's answer beside them."""
    found = voice("demo_clean")
    with st.container(key="learn"):
        st.header("Break it", anchor=False)
        doses, before, after = st.columns([3, 4, 4], gap="medium")
        with doses:
            harm = _doses()
        with show_errors():
            y = cache_learn.broken(found.ref, PART, harm)
            look = found.look()
            one = cache_learn.judged(found.ref, PART, Harm())
            two = cache_learn.judged(found.ref, PART, harm)
            side = cache_learn.broken_side(found.ref, PART, harm, look)
        shown = (
            (before, "Before", found.side(), found.y, found.key, one),
            (after, "After", side, y, f"{found.key} {harm.digest}", two),
        )
        for cell, name, drawn, sound, key, judged in shown:
            with cell:
                said = f"{name}: frequencies over time, in dB below the loudest point."
                fig = picture(drawn, look).update_layout(height=HEIGHT - 170)
                chart(fig, name, said, caption=False)
                sounds.player(sound, sr=SR, key=key, label=name)
                _verdict(judged)
        _numbers(one, two)


def _doses() -> Harm:
    st.markdown("Move one at a time: what does it take until a number, or the model, is wrong?")
    snr_db = st.slider("Noise: SNR (dB), 60 is none", -10, int(CLEAN_SNR_DB), 60, key="break_snr")
    reverb_s = st.slider("Room: echo dies away in (s)", 0.0, 3.0, 0.0, 0.1, key="break_room")
    clip_db = st.slider("Overload: over full scale by (dB)", 0, 30, 0, key="break_clip")
    mp3_kbps = st.select_slider(
        "MP3 (kbit/s), 0 is none", [0, *BIT_RATES], key="break_mp3", help="Encoded by LAME."
    )
    narrow = st.toggle("Through 8 kHz, as a telephone", key="break_narrow")
    return Harm(float(snr_db), float(reverb_s), float(clip_db), narrow, int(mp3_kbps))


def _verdict(judged: Judged) -> None:
    answer, report = judged.answer, judged.report
    said = (
        "no answer"
        if answer.label is None
        else f"{md(answer.label)}, {100 * answer.probability:.0f} %"
    )
    if answer.abstained:
        said += " (it would rather not say)"
    bad = [c for c in report.checks if c.verdict in ("fail", "warn")]
    bad.sort(key=lambda c: -VERDICTS.index(c.verdict))
    names = ", ".join(f"{MARKS[c.verdict]} {md(c.label)}" for c in bad[:WORST_SHOWN])
    more = f", {len(bad) - WORST_SHOWN} more" if len(bad) > WORST_SHOWN else ""
    st.markdown(
        f"**Model:** {said}  \n**Checks:** {names or MARKS['pass'] + ' nothing wrong'}{more}"
    )


def _numbers(one: Judged, two: Judged) -> None:
    specs = {spec.name: spec for spec in feature_set("voice-v1").specs}
    for cell, name in zip(st.columns(len(WATCHED)), WATCHED, strict=True):
        spec, was, now = specs[name], one.values[name], two.values[name]
        change = now - was
        known = math.isfinite(change)
        cell.metric(
            spec.label,
            f"{now:,.4g} {spec.unit}" if math.isfinite(now) else "not measurable",
            f"{change:+,.3g}" if known and abs(change) > 1e-6 else None,
            delta_color="off",
            help=md(f"{spec.about} {spec.caveat}", 400),
        )

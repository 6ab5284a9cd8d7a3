"""What cleaning did to the voice: a part of the clip page that is worked out on request."""

from dataclasses import replace
import math

import pandas as pd
import streamlit as st

from core.errors import VoiceError
from core.harm import Harm
from core.params import CleanParams, Denoise, Gain, Trim
from core.safe_text import md
from pages.shared import cache_clean
from pages.shared.clip_features import LONG_S, _number
from pages.shared.controls import METHODS
from pages.shared.errors import sentence
from pages.shared.inputs import Picked

MOVED = 0.5  # spreads from which a feature counts as moved
TITLE = "What cleaning did to the voice"
ABOUT = (
    "Trim and gain are left out. *Speech energy removed* counts the parts of the spectrogram that "
    "stand 10 dB and more above the noise. *Moved by* is the change of a feature as a share of its "
    "usual spread between voices: at 1, the clip is described as another ordinary voice might be. "
    "A dash means: not measurable. Features, checks and models use the recording before cleaning."
)


def what_it_did(
    picked: Picked, sr: int | None, part: tuple | None, chain: CleanParams, seconds: float
) -> None:
    """Level, noise, lost speech, features and the model's answer, before and after."""
    fold = st.expander(TITLE, icon=":material/compare_arrows:", key="harm", on_change="rerun")
    if not fold.open:
        return
    with fold:
        chain = replace(chain, trim=Trim(on=False), gain=Gain(on=False))
        if not (chain.high_pass.on or chain.hum_notch.on or chain.denoise.on):
            st.caption("High-pass, hum notch and denoise are off: the voice is as it was.")
            return
        chains = _chains(chain)
        if seconds > LONG_S and not st.toggle(
            f"Compare all {seconds / 60:.0f} minutes", key="harm_long", help="Takes some seconds."
        ):
            return
        try:
            found = {
                name: cache_clean.done(picked.ref, sr, part, one, picked.text)
                for name, one in chains.items()
            }
        except VoiceError as err:
            st.warning(sentence(err))
            return
        _tell(found)


def _chains(chain: CleanParams) -> dict[str, CleanParams]:
    """The chain by the name of its method, and, where asked for, that of the other one."""
    if not chain.denoise.on:
        return {"Filters": chain}
    method = chain.denoise.method
    chains = {METHODS[method]: chain}
    other = next(name for name in METHODS if name != method)
    if st.toggle(f"Compare with {METHODS[other]}", key="harm_other"):
        chains[METHODS[other]] = replace(chain, denoise=Denoise(method=other))
    return chains


def _tell(found: dict[str, Harm]) -> None:
    for name, done in found.items():
        st.markdown(f"**{md(name)}**: {in_words(done)}")
    facts = pd.DataFrame({"What": list(_facts(next(iter(found.values()))))})
    for name, done in found.items():
        facts[name] = facts["What"].map(_facts(done))
    st.dataframe(facts, hide_index=True, alt=f"{TITLE}.")
    rows = _rows(found)
    st.dataframe(
        rows,
        hide_index=True,
        height=36 * min(len(rows), 12) + 38,
        column_config={
            "Feature": st.column_config.TextColumn(pinned=True),
            **{
                c: st.column_config.NumberColumn(format="%.2f", help="In usual spreads.")
                for c in rows.columns
                if c.startswith("Moved by")
            },
        },
        alt=f"{TITLE}: every feature, the most changed first.",
    )
    st.caption(ABOUT)


def in_words(done: Harm) -> str:
    """One or two plain sentences."""
    said = []
    if math.isfinite(done.speech_db):
        kept = "kept its level" if abs(done.speech_db) <= 1 else "changed its level"
        said.append(f"the speech {kept} ({_db(done.speech_db)})")
    if math.isfinite(done.noise_db):
        said.append(f"the noise between the words changed by {_db(done.noise_db)}")
    if math.isfinite(done.speech_removed):
        said.append(f"{_percent(done.speech_removed)} of the speech's energy was removed")
    known = [c for c in done.features if math.isfinite(c.before)]
    moved = sum(c.lost or abs(c.shift) > MOVED for c in known)
    said.append(f"{moved} of {len(known)} features moved by more than half their usual spread")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _facts(done: Harm) -> dict[str, str]:
    snr = (
        "–" if math.isnan(value) else f"{value:.1f} dB"
        for value in (done.snr_before, done.snr_after)
    )
    facts = {
        "Level of the speech": _db(done.speech_db),
        "Level of the noise between words": _db(done.noise_db),
        "SNR, before → after": " → ".join(snr),
        "Speech energy removed": _percent(done.speech_removed),
    }
    if done.answers:
        facts["Model's answer, before → after"] = " → ".join(_answer(a) for a in done.answers)
    return facts


def _answer(answer) -> str:
    if answer.abstained or answer.probability is None:
        return "would rather not say"
    return f"{answer.label} {answer.probability:.0%}"


def _rows(found: dict[str, Harm]) -> pd.DataFrame:
    """Every feature; in the order of the first method."""
    first = next(iter(found.values()))
    rows = {
        "Feature": [c.spec.label for c in first.features],
        "Unit": [c.spec.unit for c in first.features],
        "Before": [_number(c.before) for c in first.features],
    }
    for name, done in found.items():
        by_name = {c.spec.name: c for c in done.features}
        ordered = [by_name[c.spec.name] for c in first.features]
        after = f" ({name})" if len(found) > 1 else ""
        rows[f"After{after}"] = [_number(c.after) for c in ordered]
        rows[f"Moved by{after}"] = [abs(c.shift) for c in ordered]
    return pd.DataFrame(rows)


def _db(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.1f} dB"


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * max(share, 0):.0f} %"

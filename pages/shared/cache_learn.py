"""Cached answers of the teaching pages; keys are small, see ``cache``."""

from typing import NamedTuple

import numpy as np
import streamlit as st

from core import __version__, compare
from core.compare import Look, Side
from core.learn import SR, breaking, demo_set, guess, ideas, rebuild
from core.learn.breaking import Harm
from core.learn.demo_set import DemoSet
from core.models.predict import Answer
from core.params import CleanParams
from core.pitch import F0Track
from core.quality import Report
from pages.shared import cache
from pages.shared.cache import _by_owner


class Judged(NamedTuple):
    """A broken recording as features, checks and the shipped model see it."""

    values: dict[str, float]
    report: Report
    answer: Answer


@st.cache_resource(max_entries=1, show_spinner="Measuring the demo set, once…")
def demo(version: str = __version__) -> DemoSet:
    """See core.learn.demo_set.measure."""
    return demo_set.measure()


@st.cache_data(max_entries=1, show_spinner="Learning, twice…")
def leaks(version: str = __version__) -> tuple[ideas.Leak, ...]:
    """See core.learn.ideas.leaks."""
    return ideas.leaks(demo())


@st.cache_data(max_entries=1, show_spinner=False)
def guess_clips(version: str = __version__) -> tuple[guess.Truth, ...]:
    """See core.learn.guess.clips."""
    return guess.clips()


@_by_owner(64, spinner=False)
def voiced_moment(ref, part: tuple, version: str) -> float:
    """See core.learn.ideas.voiced_moment."""
    y, sr = cache.load(ref, SR, part)
    return ideas.voiced_moment(y, sr=sr)


@_by_owner(64, spinner="Tracking f0…")
def f0(ref, part: tuple, fmin: float, fmax: float, version: str) -> F0Track:
    """See core.learn.ideas.f0_in."""
    y, sr = cache.load(ref, SR, part)
    return ideas.f0_in(y, sr=sr, fmin=fmin, fmax=fmax)


@_by_owner(32, spinner="Rebuilding…")
def rebuilt(ref, part: tuple, kind: str, pulse: bool, version: str) -> np.ndarray:
    """See core.learn.rebuild; ``pulse`` counts for f0 only."""
    y, sr = cache.load(ref, SR, part)
    if kind == "f0":
        return rebuild.from_f0(y, sr=sr, pulse=pulse)
    return rebuild.KINDS[kind].make(y, sr=sr)


@_by_owner(32, spinner="Drawing…")
def rebuilt_side(ref, part: tuple, kind: str, pulse: bool, look: Look, version: str) -> Side:
    """The rebuilt sound, ready to be drawn."""
    return compare.side(rebuilt(ref, part, kind, pulse), sr=SR, look=look)


@_by_owner(32, spinner="Breaking…")
def broken(ref, part: tuple, dose: Harm, version: str) -> np.ndarray:
    """See core.learn.breaking.break_it."""
    y, sr = cache.load(ref, SR, part)
    return breaking.break_it(y, sr=sr, harm=dose)


@_by_owner(32, spinner="Drawing…")
def broken_side(ref, part: tuple, dose: Harm, look: Look, version: str) -> Side:
    """The broken sound, ready to be drawn."""
    return compare.side(broken(ref, part, dose), sr=SR, look=look)


@_by_owner(64, spinner="Asking…")
def judged(ref, part: tuple, dose: Harm, version: str) -> Judged:
    """What features, checks and the shipped model say about it."""
    from core import quality
    from core.features import extract
    from core.models import predict, shipped

    y = broken(ref, part, dose)
    values = extract(y, sr=SR, feature_set="voice-v1").values
    answer = predict.predict(shipped.shipped(), (y, SR))
    return Judged(values, quality.check(y, SR), answer)


@_by_owner(64, spinner=False)
def model_answer(ref, version: str) -> Answer:
    """What the shipped model says about a recording as it is."""
    from core.models import predict, shipped

    return predict.predict(shipped.shipped(), ref)


@_by_owner(32, spinner="Cleaning…")
def cleaned_side(ref, part: tuple, chain: CleanParams, look: Look, version: str) -> Side:
    """The cleaned sound on the axes of the one before."""
    before = cache.before(ref, SR, part, look)
    return compare.side_after(cache.cleaned(ref, SR, part, chain), before, look=look)

"""What pages keep of recordings and data sets: keys are small, entries are bounded.

A signal is never a key: Streamlit hashes large arrays by a sample of their values. Results are
shared, so their arrays are read only. What comes from a visitor's own folder is kept in that
visitor's caches.
"""

from dataclasses import replace
from functools import wraps
import os

import streamlit as st

from core import __version__, audio, clean, compare, datasets
from core.audio import AudioInfo, ClipRef, Limits
from core.clean import Cleaned
from core.compare import Look, Side, Window
from core.eda import selecting
from core.eda.selecting import Counts
from core.features import extract
from core.marks import Marks, measure
from core.params import CleanParams
from core.store import Workspace

LONG_S = 60.0  # from here on few results are kept
CLASS = 4  # times as many short results are kept for everybody as for one visitor
_of_all: list = []  # caches that all visitors share


def _by_owner(max_entries: int, spinner: str | bool, *, most_long: int | None = None):
    """Cache a function of (ref, ...) for everybody, or for one visitor where the ref is theirs.

    Of recordings longer than LONG_S at most ``most_long`` entries are kept: a signal of ten minutes
    takes 115 MB, what cleaning makes of it twice that. The key is what the arguments print as:
    Streamlit's own hash of settings takes longer than many an answer.
    """

    def decorate(function):
        def kept(name: str, most: int, **scope):
            def answer(key: str, _asked: tuple, version: str):
                args, kwargs = _asked
                return function(*args, version=version, **kwargs)

            # Its name is part of the key: caches of one name would replace one another.
            answer.__module__ = function.__module__
            answer.__qualname__ = f"{function.__qualname__} {name}"
            return st.cache_resource(max_entries=most, show_spinner=spinner, **scope)(answer)

        for_all = {False: kept("short", CLASS * max_entries)}
        for_one = {False: kept("short", max_entries, scope="session")}
        if most_long is not None:
            for_all[True] = kept("long", most_long)
            for_one[True] = kept("long", most_long, scope="session")
        _of_all.extend(for_all.values())

        @wraps(function)
        def call(ref, *args, **kwargs):
            media = os.environ.get("PHONOSCOPE_MEDIA")
            own = media is not None and ref.path.startswith(media)
            is_long = most_long is not None and info(ref).duration_s > LONG_S
            asked = (ref, *args), kwargs
            answer = (for_one if own else for_all)[is_long]
            return answer(repr(asked), asked, version=__version__)

        return call

    return decorate


def let_go() -> None:
    """Drop what is kept of recordings for all: nobody is there who would ask for it again."""
    for cache in _of_all:
        cache.clear()


@st.cache_resource(max_entries=1, show_spinner=False)
def demo_table(version: str = __version__):
    """The catalogue of the built-in recordings."""
    return datasets.demo().catalogue()


@st.cache_data(max_entries=16, ttl=300, show_spinner="Reading the data set…")
def dataset_facts(path: str, version: str = __version__) -> dict:
    """Layout, counts by label and problems of a data set on this computer."""
    found = datasets.open_dataset(path)
    problems = found.problems()
    return {
        "layout": found.layout,
        "counts": datasets.counts(found.catalogue()),
        "problems": len(problems),
        "problem_rows": problems.head(200),
        "notes": found.notes(),
    }


@_by_owner(256, spinner=False)
def info(ref: ClipRef, version: str) -> AudioInfo:
    """See core.audio.info."""
    return audio.info(ref, limits=Limits.from_env())


@_by_owner(8, spinner="Reading audio…", most_long=2)
def load(ref: ClipRef, sr: int | None, part: tuple[float, float] | None, version: str):
    """Mono signal and its rate; ``part`` is (start, length) in s of a long file. Read only."""
    start, length = part or (0.0, None)
    y, rate = audio.load(ref, sr, start_s=start, duration_s=length, limits=Limits.from_env())
    y.flags.writeable = False
    return y, rate


@_by_owner(8, spinner="Cleaning…", most_long=1)
def cleaned(
    ref: ClipRef, sr: int | None, part: tuple | None, params: CleanParams, version: str
) -> Cleaned:
    """See core.clean.clean."""
    y, rate = load(ref, sr, part)
    return clean.clean(y, sr=rate, params=params)


@_by_owner(32, spinner="Drawing…")
def before(ref: ClipRef, sr: int | None, part: tuple | None, look: Look, version: str) -> Side:
    """See core.compare.side."""
    y, rate = load(ref, sr, part)
    whole = replace(look, window=Window(0.0, y.size / rate))
    references = None if look == whole else before(ref, sr, part, whole).references
    return compare.side(y, sr=rate, look=look, references=references)


@_by_owner(32, spinner="Drawing…")
def after(
    ref: ClipRef, sr: int | None, part: tuple | None, chain: CleanParams, look: Look, version: str
) -> Side:
    """See core.compare.side_after."""
    reference = before(ref, sr, part, look)
    return compare.side_after(cleaned(ref, sr, part, chain), reference, look=look)


@_by_owner(32, spinner="Measuring…")
def marks(ref: ClipRef, sr: int | None, part: tuple | None, version: str) -> Marks:
    """See core.marks.measure; of the recording before cleaning."""
    y, rate = load(ref, sr, part)
    return measure(y, sr=rate)


@_by_owner(64, spinner="Measuring…")
def features(
    ref: ClipRef,
    sr: int | None,
    part: tuple | None,
    chain: CleanParams | None,
    name: str,
    text: str | None,
    version: str,
) -> dict[str, float]:
    """See core.features.extract; of the recording, or of what ``chain`` leaves of it."""
    if chain is None:
        y, rate = load(ref, sr, part)
    else:
        done = cleaned(ref, sr, part, chain)
        y, rate = done.y, done.sr
    return extract(y, sr=rate, feature_set=name, text=text).values


@st.cache_data(max_entries=256, show_spinner=False)
def selection_counts(key: tuple, folder: str, selection: str) -> Counts:
    """How much a selection leaves; ``key`` is the workspace's own."""
    workspace = Workspace.open(folder)
    return selecting.counts(workspace, selecting.selected(workspace, selection))


@st.cache_data(max_entries=256, show_spinner=False)
def label_values(key: tuple, folder: str, column: str, most: int) -> list:
    """See core.eda.selecting.label_values."""
    return selecting.label_values(Workspace.open(folder), column, most)

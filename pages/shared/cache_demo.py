"""The built-in recordings as they are offered, read once."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import streamlit as st

from core import __version__, datasets
from pages.shared.cache import demo_table


class DemoClip(NamedTuple):
    """Title and note as plain text, the file, and what is said in it."""

    title: str
    note: str
    path: str
    text: str


@st.cache_resource(max_entries=1, show_spinner=False)
def demo_clips(version: str = __version__) -> Mapping[str, DemoClip]:
    """Demo clips by their names in addresses, in the order they are shown."""
    titles = {short(c): title for c, title in datasets.demo_titles().items()}
    rows = {short(row.clip_id): row for row in demo_table().itertuples()}
    order = [*titles, *(name for name in rows if name not in titles)]
    return MappingProxyType({n: _clip(n, rows[n], titles.get(n)) for n in order})


def _clip(name: str, row: Any, title: str | None) -> DemoClip:
    who = [value for value in (row.gender, row.age) if isinstance(value, str) and value]
    note = f"Says “{row.text}”" + (f" ({', '.join(who)})" if who else "")
    title = title or f"{name} · {' '.join(who) or 'voice'} · {row.text}"
    return DemoClip(title, note, row.path, row.text)


def short(clip_id: str) -> str:
    """The name of a clip without that of its data set."""
    return clip_id.rsplit("/", 1)[-1]

"""What to beware of in the selected clips, for any data set page."""

import streamlit as st

from core.eda.cautions import TOPICS, WARNING, Caution
from core.filters import Selection
from core.safe_text import md
from pages.shared import cache_report
from pages.shared.data import Opened

ICONS = {True: ":material/warning:", False: ":material/info:"}


def show(
    opened: Opened, selection: Selection, *, about: tuple[str, ...] = (), open_: bool = False
) -> None:
    """The cautions behind one line that counts them; nothing where there are none.

    With ``about`` only those about these columns or topics; with ``open_`` unfolded.
    """
    found = cache_report.cautions(opened.key, str(opened.folder), selection.to_text())
    _folded(tuple(c for c in found if not about or c.about in about), open_)


def beside(
    opened: Opened,
    selection: Selection,
    *,
    label: str | None = None,
    topics: tuple[str, ...] = TOPICS,
    features: tuple[str, ...] = (),
) -> None:
    """The cautions about one label that splits a plot, and about the features in it.

    One is a line of its own, more are behind a line that counts them.
    """
    place = (opened.key, str(opened.folder), selection.to_text())
    found = cache_report.about_label(*place, label, topics) if label else ()
    found += cache_report.about_features(*place, features) if features else ()
    if len(found) == 1:
        st.caption(line(found[0]))
    else:
        _folded(found, open_=False)


def _folded(found: tuple[Caution, ...], open_: bool) -> None:
    if not found:
        return
    warnings = sum(c.level == WARNING for c in found)
    with st.expander(_head(len(found), warnings), expanded=open_, icon=ICONS[warnings > 0]):
        st.markdown("\n\n".join(line(c) for c in found))


def line(caution: Caution) -> str:
    """One caution as a line of Markdown."""
    warning = caution.level == WARNING
    mark = ":orange[:material/warning:]" if warning else ":blue[:material/info:]"
    return f"{mark} {'**Warning.** ' if warning else ''}{md(caution.text, 700)}"


def _head(n: int, warnings: int) -> str:
    more = f", {warnings} of them a warning" if warnings == 1 else f", {warnings} of them warnings"
    head = f"{n} caution{'s' if n != 1 else ''}"
    return head + (more if warnings and n > 1 else "")

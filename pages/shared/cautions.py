"""What to beware of in the selected clips, for any data set page."""

import streamlit as st

from core.eda.cautions import WARNING, Caution
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
    found = tuple(c for c in found if not about or c.about in about)
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

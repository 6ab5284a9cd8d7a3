"""Is this recording good? One verdict, and every check with its place and its cure."""

import streamlit as st

from pages.shared import cache_check, check_panels
from pages.shared.errors import show_errors
from pages.shared.inputs import pick_clip

st.title("Check", anchor=False)
picked = pick_clip()

shown = st.container()
limits = check_panels.thresholds()
with shown, show_errors():
    limits.check()
    if picked.own:
        check_panels.own_files(limits)
    found = cache_check.report(picked.ref, limits)
    check_panels.verdict(picked, found, limits)
    summary, start, stop = check_panels.sound(picked, found)
    ranks, among = check_panels.compared(found)
    mark = bool(check_panels.processed(picked))
    check_panels.checks(found, ranks, among, start=start, stop=stop, mark=mark)
check_panels.downloads(picked, found, summary, limits=limits, ranks=ranks, among=among, start=start)

"""Panels of the Browse page: clips with pictures and sound, speakers, tags, notes, files.

State: ``browse_clip`` is the clip whose row is chosen; ``browse_turn`` gives the table a new key
when the choice is made by a button.
"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.eda import browsing
from core.errors import VoiceError
from core.filters import MOST_TEXT, MOST_VALUES, Filter, Selection
from core.notes import Notes
from core.safe_text import clean, filename, md
from pages.shared import cache, cache_browse, play, selection
from pages.shared.data import Opened
from pages.shared.errors import sentence, show_errors

CLIPS, SPEAKERS = "Clips", "Speakers"
PICTURES = {"None": "", "Waveform": "waveform", "Spectrogram": "spectrogram"}
LABELS = ("speaker_id", "gender", "age", "accent", "locale", "split", "text")
HIDDEN = ("clip_id", "path", "age_decade", "duration", "label_duration", "gender_original")
HIDDEN += ("size", "mtime_ns")
ROW_PX = {"": 35, "waveform": 40, "spectrogram": 40}
SPEAKER_TITLES = {
    "clips": "Clips",
    "seconds": "Sound (s)",
    "f0_median": "Median f0 (Hz)",
    "gender": "Gender",
    "speaker_id": "Speaker",
}


def state(opened: Opened) -> None:
    """How many clips are measured, and those that could not be."""
    if opened.chosen.is_table:
        st.caption("These numbers came with the data set; they were not measured here.")
        return
    status = opened.workspace.status()
    said = f"{status.done:,} clips measured, {status.failed:,} failed"
    st.caption(f"{said}, {status.missing:,} to go." if status.missing else f"{said}.")
    if status.failed:
        with st.expander(f"{status.failed:,} clips could not be measured"):
            st.dataframe(opened.workspace.failures().head(500), hide_index=True)


def clips(opened: Opened, chosen: Selection) -> None:
    """The selected clips, a page at a time, and the one whose row is chosen beside them."""
    cells = st.columns([3, 2.6, 2, 4], vertical_alignment="bottom")
    find = cells[0].text_input(
        "Find", key="find", bind="query-params", placeholder="clip, speaker or words"
    )
    names = _columns(opened)
    order = cells[1].selectbox(
        "Sort by",
        names,
        format_func=lambda c: clean(opened.labels.get(c, c), 60),
        key="browse_order",
        persist_state="session",
    )
    down = cells[2].toggle("Largest first", key="down", bind="query-params")
    pictures = cells[3].segmented_control(
        "Pictures",
        list(PICTURES) if opened.has_sound else ["None"],
        default="Waveform" if opened.has_sound else "None",
        required=True,
        key=f"browse_pictures_{opened.has_sound}",
        persist_state="session",
    )
    kind = PICTURES[pictures]
    place = (opened.key, str(opened.folder), chosen.to_text(), find, order, down)
    page_key = f"browse_page_{abs(hash(place[1:]))}"
    rows = _page(opened, place, st.session_state.get(page_key, 1))
    if not rows.total:
        st.info("No clip is left: clear a condition above, or find something else.")
        return
    table, panel = st.columns([7, 3])
    with table:
        _table(opened, rows.table, kind)
        pages = -(-rows.total // browsing.PAGE)
        if pages > 1:
            st.pagination(pages, key=page_key)
        st.caption(
            f"{rows.total:,} clips{f' with “{md(find, 40)}”' if find.strip() else ''}, sorted by "
            f"{md(opened.labels.get(order, order), 60)}, {'largest' if down else 'smallest'} first."
            " Point at a column's name for its meaning."
        )
    with panel:
        _chosen_clip(opened, rows.table["clip_id"].tolist(), page_key, pages)


def _columns(opened: Opened) -> list[str]:
    found = opened.workspace
    return ["clip_id", *_labels(opened), *found.columns, *found.check_columns()]


def _labels(opened: Opened) -> list[str]:
    """The labels that are shown: the usual ones first, then the table's own."""
    own = [c for c in opened.workspace.label_columns() if c not in (*LABELS, *HIDDEN)]
    return [*(c for c in LABELS if c in opened.columns), *own]


def _page(opened: Opened, place: tuple, page: int) -> browsing.Rows:
    wanted = _columns(opened)
    wanted += ["path"] if "path" in opened.columns else []
    with show_errors():
        return cache_browse.clips(*place, page, browsing.PAGE, tuple(wanted))


def _table(opened: Opened, table: pd.DataFrame, kind: str) -> None:
    """The rows; choosing one keeps its clip."""
    empty = [c for c in _labels(opened) if c in table and table[c].isna().all()]
    shown = table.drop(columns=["path", *empty], errors="ignore")
    for name in shown.columns:
        if not browsing.is_number(shown[name].dtype):
            shown[name] = [clean(v, 200) if isinstance(v, str) else None for v in shown[name]]
    ids = table["clip_id"].tolist()
    shown["clip_id"] = [clean(c.rsplit("/", 1)[-1], 80) for c in ids]
    notes = _noted(opened)
    if notes:
        shown.insert(1, "marks", [notes.get(c) for c in ids])
    if kind:
        paths = tuple(p if isinstance(p, str) else "" for p in table["path"])
        shown.insert(
            0,
            "picture",
            cache_browse.pictures(opened.key, str(opened.folder), paths, kind),
        )
    current = st.session_state.get("browse_clip")
    turn = st.session_state.setdefault("browse_turn", 0)
    key = f"clips_{turn}_{kind}"
    st.dataframe(
        shown,
        hide_index=True,
        height=600,
        row_height=ROW_PX[kind],
        column_config=_config(opened, shown.columns),
        on_select=lambda: _row_chosen(key, ids),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(current)] if current in ids else []}},
        key=key,
        alt=f"Clips with labels and features; rows on this page: {len(ids)}.",
    )


def _config(opened: Opened, columns: Sequence[str]) -> dict:
    config: dict = {
        "clip_id": st.column_config.TextColumn("Clip", pinned=True, width=150),
        "speaker_id": st.column_config.TextColumn("Speaker", width=100),
        "picture": st.column_config.ImageColumn("Sound", width=130, pinned=True),
        "marks": st.column_config.TextColumn("Tags and note"),
    }
    for name in columns:
        label = clean(opened.labels.get(name, name), 60)
        if name in opened.specs:
            spec = opened.specs[name]
            text = md(" ".join(filter(None, [spec.about, spec.caveat])), 500)
            config[name] = st.column_config.NumberColumn(label, help=text, format="%.4g")
        elif name not in config:
            config[name] = st.column_config.Column(label)
    return config


def _row_chosen(key: str, ids: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    st.session_state["browse_clip"] = ids[rows[0]] if rows and rows[0] < len(ids) else None


def _step(ids: list[str], by: int, page_key: str, pages: int) -> None:
    """Choose the next or previous row, on the next or previous page at an edge."""
    current = st.session_state.get("browse_clip")
    at = ids.index(current) + by if current in ids else 0
    page = st.session_state.get(page_key, 1)
    if 0 <= at < len(ids):
        st.session_state["browse_clip"] = ids[at]
    elif 1 <= page + (1 if by > 0 else -1) <= pages:
        st.session_state[page_key] = page + (1 if by > 0 else -1)
        st.session_state["browse_edge"] = 0 if by > 0 else -1
    st.session_state["browse_turn"] += 1


def _chosen_clip(opened: Opened, ids: list[str], page_key: str, pages: int) -> None:
    """Player, tags and note of the chosen row, and the way to the next."""
    if "browse_edge" in st.session_state:
        st.session_state["browse_clip"] = ids[st.session_state.pop("browse_edge")]
        st.session_state["browse_turn"] += 1
        st.rerun()
    back, on = st.columns(2)
    for cell, label, by, key in ((back, "Previous", -1, "k"), (on, "Next", 1, "j")):
        cell.button(
            label,
            key=f"browse_{label.lower()}",
            shortcut=key,
            on_click=_step,
            args=(ids, by, page_key, pages),
            width="stretch",
        )
    clip_id = st.session_state.get("browse_clip")
    if clip_id not in ids:
        st.info("Choose a row to hear its clip and to write about it; J and K step through them.")
        return
    play.clip(opened, clip_id, "browse", note=_words(opened, clip_id))
    if opened.has_sound:
        st.page_link(
            "recording/clip.py",
            label="Open on the clip page",
            icon=":material/graphic_eq:",
            query_params={"clip": clip_id},
        )
    _write(opened, clip_id)


def _words(opened: Opened, clip_id: str) -> str:
    known = ("speaker_id", "gender", "age", "text")
    known = tuple(c for c in known if c in opened.columns)
    row = opened.workspace.page(
        limit=1, where=("clip_id = ?", [clip_id]), columns=["clip_id", *known]
    )
    found = [row[c].iloc[0] for c in known]
    short = [
        clean(v, 120 if c == "text" else 24) for c, v in zip(known, found, strict=True) if _said(v)
    ]
    return " · ".join(short)


def _said(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _write(opened: Opened, clip_id: str) -> None:
    """Tags and note of one clip."""
    notes = Notes(opened.folder)
    with show_errors():
        every, note = notes.tags(), notes.notes().get(clip_id, "")
    mine = sorted(every.get(clip_id, ()))
    offered = sorted({tag for tags in every.values() for tag in tags})
    key = f"tags_{clip_id}_{abs(hash(tuple(mine)))}"  # what others wrote shows at once
    st.multiselect(
        "Tags",
        offered,
        default=mine,
        format_func=lambda tag: md(tag, 40),
        accept_new_options=True,
        key=key,
        on_change=_retag,
        args=(notes, clip_id, mine, key),
        placeholder="Choose, or type a new one",
    )
    key = f"note_{clip_id}_{abs(hash(note))}"
    st.text_area("Note", note, key=key, on_change=_renote, args=(notes, clip_id, key), height=100)


def _retag(notes: Notes, clip_id: str, before: list[str], key: str) -> None:
    after = st.session_state[key]
    try:
        for tag in {*before, *after}:
            if (tag in before) != (tag in after):
                notes.tag(clip_id, tag, tag in after)
    except VoiceError as err:
        st.toast(sentence(err))


def _renote(notes: Notes, clip_id: str, key: str) -> None:
    try:
        notes.note(clip_id, st.session_state[key])
    except VoiceError as err:
        st.toast(sentence(err))


def _noted(opened: Opened) -> dict[str, str]:
    """Tags and note of each clip that has any, in one line."""
    notes = Notes(opened.folder)
    with show_errors():
        tags, said = notes.tags(), notes.notes()
    return {
        c: clean(" · ".join([*sorted(tags.get(c, ())), *([said[c]] if c in said else [])]), 120)
        for c in {*tags, *said}
    }


def speakers(opened: Opened, chosen: Selection) -> None:
    """The speakers of the selected clips; choosing one selects their clips."""
    left, right, _ = st.columns([3, 2, 5], vertical_alignment="bottom")
    order = left.selectbox(
        "Sort by", list(SPEAKER_TITLES), format_func=SPEAKER_TITLES.get, key="speaker_order"
    )
    down = right.toggle("Largest first", value=True, key="speaker_down")
    key = f"speaker_page_{order}_{down}_{abs(hash(chosen.to_text()))}"
    place = (opened.key, str(opened.folder), chosen.to_text(), order, down)
    with show_errors():
        rows = cache_browse.speakers(*place, st.session_state.get(key, 1))
    if not rows.total:
        st.info(
            "No speaker is known in this data set. Scores and means by speaker are not possible."
        )
        return
    ids = rows.table["speaker_id"].tolist()
    shown = rows.table.assign(speaker_id=[clean(s, 40) for s in ids])
    st.dataframe(
        shown,
        hide_index=True,
        column_config={
            name: st.column_config.Column(title, pinned=name == "speaker_id")
            if name in ("speaker_id", "gender")
            else st.column_config.NumberColumn(title, format="localized")
            if name == "clips"
            else st.column_config.NumberColumn(title, format="%.1f")
            for name, title in SPEAKER_TITLES.items()
        },
        on_select=lambda: _speaker_chosen(opened, ids),
        selection_mode="single-row",
        key="speakers_table",
        alt=f"{rows.total} speakers with clips, seconds, median f0 and gender.",
    )
    if rows.total > browsing.PAGE:
        st.pagination(-(-rows.total // browsing.PAGE), key=key)
    st.caption(
        f"{rows.total:,} speakers. Median f0 is the middle of the medians of a speaker's clips. "
        "Choose a row to select that speaker's clips on all pages."
    )


def _speaker_chosen(opened: Opened, ids: list[str]) -> None:
    rows = st.session_state["speakers_table"]["selection"]["rows"]
    if rows and rows[0] < len(ids):
        selection.add(opened, Filter("speaker_id", "in", (ids[rows[0]],)))
        st.session_state["browse_table"] = CLIPS


def keep(opened: Opened, chosen: Selection) -> None:
    """Named selections, and tags as selections."""
    notes = Notes(opened.folder)
    with show_errors():
        saved, tags, problems = notes.selections(), notes.tags(), notes.problems()
    for text in problems:
        st.warning(md(text, 300))
    with st.expander("Kept selections and tags", icon=":material/bookmark:"):
        left, right = st.columns(2)
        with left:
            _kept(opened, chosen, notes, saved)
        with right:
            _tagged(opened, notes, tags)


def _kept(opened: Opened, chosen: Selection, notes: Notes, saved: dict[str, str]) -> None:
    name = st.text_input("Keep this selection as", key="keep_name", disabled=not chosen)
    st.button(
        "Keep",
        key="keep",
        disabled=not (chosen and name.strip()),
        on_click=_save,
        args=(notes, name, chosen),
        help="In the workspace's folder, for everybody who opens this data set here.",
    )
    if not saved:
        st.caption("No selection is kept yet. Set a filter above first.")
        return
    which = st.selectbox(
        "Kept selections", list(saved), format_func=lambda n: clean(n, 60), key="kept"
    )
    use, forget = st.columns(2)
    use.button("Use", key="kept_use", on_click=_use, args=(opened, saved[which]), width="stretch")
    forget.button(
        "Delete", key="kept_delete", on_click=_forget, args=(notes, which), width="stretch"
    )


def _save(notes: Notes, name: str, chosen: Selection) -> None:
    try:
        notes.save_selection(name, chosen.to_text())
        st.session_state["keep_name"] = ""
    except VoiceError as err:
        st.toast(sentence(err))


def _use(opened: Opened, text: str) -> None:
    try:
        selection.put(Selection.from_text(text, opened.columns))
    except VoiceError as err:
        st.toast(sentence(err))


def _forget(notes: Notes, name: str) -> None:
    try:
        notes.delete_selection(name)
    except VoiceError as err:
        st.toast(sentence(err))


def _tagged(opened: Opened, notes: Notes, tags: dict[str, set[str]]) -> None:
    counts: dict[str, int] = {}
    for given in tags.values():
        for tag in given:
            counts[tag] = counts.get(tag, 0) + 1
    if not counts:
        st.caption("No clip has a tag yet. Choose a row below and give it one.")
        return
    tag = st.selectbox(
        "Tag",
        sorted(counts),
        format_func=lambda t: f"{clean(t, 40)} ({counts.get(t, 0):,})",
        key="tag",
    )
    st.button(
        "Select its clips",
        key="tag_use",
        on_click=_select_tag,
        args=(opened, notes, tag),
        help="The clips that have this tag now.",
    )


def _select_tag(opened: Opened, notes: Notes, tag: str) -> None:
    ids = notes.tagged(tag)
    new = Filter("clip_id", "in", ids) if 0 < len(ids) <= MOST_VALUES else None
    if new is None or len(Selection((new,)).to_text()) > MOST_TEXT // 2:
        st.toast(f"{len(ids):,} clips have this tag: too many for an address.")
        return
    selection.add(opened, new)


def files(opened: Opened, chosen: Selection) -> None:
    """The selection as a file: CSV, Parquet, or a manifest."""
    st.subheader("Take the selection along", anchor=False)
    find = st.session_state.get("find", "")
    kinds = {
        "csv": ("Download CSV", "text/csv", "clips.csv"),
        "parquet": ("Download Parquet", "application/octet-stream", "clips.parquet"),
    }
    if opened.has_sound:
        kinds["manifest"] = ("Download manifest", "text/tab-separated-values", "validated.tsv")
    place = (opened.key, str(opened.folder), chosen.to_text())
    too_many = cache.selection_counts(*place).clips > browsing.MOST_ROWS
    if too_many:
        st.info(
            f"A file made here has at most {browsing.MOST_ROWS:,} clips: select fewer, or take the "
            "whole table with the command 'python -m core export'."
        )
    for cell, (kind, (label, mime, name)) in zip(st.columns(4), kinds.items(), strict=False):
        cell.download_button(
            label,
            data=lambda kind=kind: _file(opened, chosen, find, kind),
            file_name=filename(name),
            mime=mime,
            icon=":material/download:",
            on_click="ignore",
            width="stretch",
            disabled=too_many,
            key=f"browse_{kind}",
        )
    st.caption(
        "Tags and notes are in the tables. The manifest is a validated.tsv in Common Voice's "
        "layout: put it into the data set's folder, or into a new one beside a folder “clips” "
        "with the recordings. In the CSV a text that begins with =, +, - or @ gets an apostrophe, "
        "so that no spreadsheet takes it for a formula."
    )
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("These lines make the tables of this page from the CSV.")
        order = st.session_state.get("browse_order", "clip_id")
        down = bool(st.session_state.get("down", False))
        st.code(browsing.code_for(opened.columns, order, down), language="python")


def _file(opened: Opened, chosen: Selection, find: str, kind: str) -> bytes:
    """The bytes of a download; where they cannot be made, the sentence that says why."""
    notes = Notes(opened.folder)
    try:
        table = browsing.table_of(
            opened.workspace, chosen, find, tags=notes.tags(), notes=notes.notes()
        )
        if kind == "csv":
            return browsing.csv_of(table)
        if kind == "parquet":
            return browsing.parquet_of(table)
        return browsing.manifest_of(opened.workspace, table, opened.chosen.path).data
    except VoiceError as err:
        return f"{err}\n".encode("utf-8", "replace")


def show(opened: Opened, chosen: Selection) -> None:
    """Clips or speakers."""
    which = st.segmented_control(
        "Table",
        [CLIPS, SPEAKERS],
        default=CLIPS,
        required=True,
        key="browse_table",
        label_visibility="collapsed",
    )
    (clips if which == CLIPS else speakers)(opened, chosen)

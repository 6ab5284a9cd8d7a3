"""The parts of the map: its controls, the map, what a click or a lasso holds."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import streamlit as st

from core import jobs
from core.eda import colouring, projection
from core.eda.cautions import TOPICS
from core.eda.colouring import Agreement, Colour
from core.eda.projection import METHODS, SPACES, MapParams, Projection
from core.errors import ParameterError, VoiceError
from core.figures import maps as figures
from core.filters import MOST_TEXT, MOST_VALUES, Filter, Selection
from core.notes import MOST_TAG, Notes
from core.safe_text import clean, filename, md
from pages.shared import cache_map as cache
from pages.shared import cautions, map_code, play, progress, selection
from pages.shared.data import Opened
from pages.shared.errors import sentence

VIEWS = ["Map", "Duplicates", "Label errors", "Outliers"]
SLOW = (1_000, 2_000, 5_000)
SIZES = {"pca": (2_000, 5_000, 20_000), "tsne": SLOW, "umap": SLOW}
USUAL = {"pca": 5_000, "tsne": 2_000, "umap": 2_000}
POINTER = {
    ":material/ads_click: Hear": "zoom",
    ":material/gesture: Lasso": "lasso",
    ":material/select: Box": "select",
}
HOW = {
    "zoom": "Click a point to hear it; drag to zoom, double-click to zoom out.",
    "lasso": "Draw around points to choose them.",
    "select": "Draw a box around points to choose them.",
}
NO_COLOURS = {"clip_id", "path", "text", "size", "mtime_ns"}
ABOUT = {
    "pca": "PCA turns the space so that most of the variance lies in the plane: distances keep "
    "their meaning, and what is overlaid may be apart in other directions.",
    "tsne": "t-SNE keeps neighbours together: that two clips are close means something, while the "
    "axes, the sizes of groups and the distances between them mean nothing.",
    "umap": "UMAP keeps neighbours together: that two clips are close means something, while the "
    "axes, the sizes of groups and the distances between them mean little.",
}


@dataclass(frozen=True)
class Look:
    """How the map is made and what colours its points; ``title`` is the column's."""

    params: MapParams
    column: str
    numeric: bool
    title: str


def title(opened: Opened, column: str) -> str:
    """A column as people read it, in plain text."""
    return clean(opened.labels.get(column, column), 80)


def look(opened: Opened) -> Look | None:
    """Method, space, colour and size; None where the table has nothing to map."""
    spaces, _ = cache.choices(opened.key, str(opened.folder))
    columns = [c for c in opened.columns if c not in NO_COLOURS]
    if not spaces or not columns:
        st.info("This table has no features to make a map of.")
        return None
    cells = st.columns([2, 3, 4, 2])
    method = cells[0].selectbox(
        "Method", list(METHODS), format_func=METHODS.get, key="map_method", bind="query-params"
    )
    space = cells[1].selectbox(
        "Of", spaces, format_func=SPACES.get, key="map_space", bind="query-params"
    )
    column = cells[2].selectbox(
        "Colour",
        columns,
        index=columns.index("gender") if "gender" in columns else 0,
        format_func=lambda c: title(opened, c),
        key="map_colour",
        bind="query-params",
    )
    clips = cells[3].selectbox(
        "Clips, at most",
        SIZES[method],
        index=SIZES[method].index(USUAL[method]),
        format_func="{:,}".format,
        key=f"map_clips_{method}",
        help="Larger selections are sampled: the same clips every time.",
    )
    params = MapParams(method, space, clips)
    return Look(params, column, column in opened.numeric, title(opened, column))


def page(opened: Opened, chosen: Selection, shown: Look) -> None:
    """The map, and beneath it what is clicked or in the lasso."""
    shown.params.check()
    text, folder = chosen.to_text(), str(opened.folder)
    made = cache.ready(opened.key, folder, text, shown.params)
    if made is None:
        _job(opened, chosen, shown.params)
        return
    colours, found = cache.colour(
        opened.key, folder, text, shown.params, shown.column, shown.numeric, made
    )
    if not shown.numeric:
        topics = TOPICS if found.apart else ("missing", "balance", "recording")
        cautions.beside(opened, chosen, label=shown.column, topics=topics)
    said = finding(shown, found)
    points = colouring.drawn(len(made.xy), projection.MOST_SLOW)
    frame = colouring.frame(made.xy)
    crowd = colouring.density(made.xy, frame) if points.size < len(made.xy) else None
    names = [clean(made.clip_ids[i].rsplit("/", 1)[-1], 60) for i in points]
    name = filename(f"map_{shown.params.method}_{shown.params.space}_{shown.column}")
    pointer = st.segmented_control(
        "Pointer",
        list(POINTER),
        default=next(iter(POINTER)),
        required=True,
        key="map_pointer",
        label_visibility="collapsed",
    )
    drag = POINTER[pointer]
    event = st.plotly_chart(
        figures.cloud(
            made,
            colours,
            shown=points,
            names=names,
            title=shown.title,
            frame=frame,
            crowd=crowd,
            drag=drag,
        ),
        key=f"map_{_digest((opened.key, text, shown, drag))}",  # another map has no lasso of this
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config=figures.config(name),
        alt=f"Map of {len(made.xy):,} clips by {METHODS[shown.params.method]}. {said}",
    )
    outside = int((~colouring.inside(made.xy, *frame.tolist())).sum())
    s = " lies" if outside == 1 else "s lie"
    more = f" {outside:,} clip{s} outside the frame: a double-click shows all." if outside else ""
    st.caption(md(f"{said} {HOW[drag]}{more}", 600))
    picked = _picked(made, event)
    if picked.size:
        _chosen(opened, made.clip_ids[picked], colours.values[picked], colours, shown)
    _notes(opened, shown, made, points.size)
    if found.pairs and not found.apart:
        st.caption("Speakers are not known here, so that neighbours may be the same voice.")
    _below(folder, made, shown, name)


def finding(shown: Look, found: Agreement) -> str:
    """What the map shows about its colours, as a plain sentence."""
    who = "the nearest clip of another speaker" if found.apart else "the nearest clip"
    if not np.isfinite(found.share):
        return f"{shown.title} is known of too few clips to say how it lies on this map."
    if shown.numeric:
        return f"{shown.title}: a clip and {who} on this map correlate at r = {found.share:.2f}."
    return (
        f"{found.share:.0%} of clips have the same value of {shown.title} as {who} on this map; "
        f"{found.chance:.0%} would by chance."
    )


def _digest(about: object) -> str:
    return blake2b(repr(about).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()


def _picked(made: Projection, event) -> np.ndarray:
    """Positions of the clips in the lasso or box, or of the one clicked."""
    held = event["selection"]
    areas = [*held.get("lasso", ()), *held.get("box", ())]
    inside = np.zeros(len(made.xy), dtype=bool)
    for area in areas:
        inside |= colouring.inside(made.xy, area["x"], area["y"])
    if areas:
        return np.flatnonzero(inside)
    places = np.array([[p["x"], p["y"]] for p in held.get("points", ())], dtype=float)
    if not places.size:
        return np.empty(0, int)
    away = [np.abs(made.xy - place).sum(axis=1).argmin() for place in places[:100]]
    return np.unique(away)


def _chosen(
    opened: Opened, ids: np.ndarray, values: np.ndarray, colours: Colour, shown: Look
) -> None:
    """The clips picked on the map: how many of which group, to hear, to select, to tag."""
    st.subheader(f"{ids.size:,} clip{'s' if ids.size > 1 else ''} picked", anchor=False)
    if colours.numeric:
        known = values[np.isfinite(values)]
        said = f"{shown.title}: median {np.median(known):,.4g}" if known.size else ""
    else:
        counts = np.bincount(values, minlength=len(colours.groups))
        pairs = zip(colours.groups, counts, strict=True)
        said = f"{shown.title}: {', '.join(f'{g} {n:,}' for g, n in pairs if n)}"
    st.caption(md(said, 300))
    at = 1
    left, right = st.columns([3, 2], gap="large")
    with left:
        if ids.size > 1:
            # Its key follows the clips, so that another lasso starts at its first clip.
            at = st.pagination(ids.size, key=f"map_at_{_digest(ids.tolist())}")
        play.clip(opened, ids[at - 1], "map")
    with right:
        _select(opened, ids)
        _tag(opened, ids)


def _select(opened: Opened, ids: np.ndarray) -> None:
    """A button that makes these clips the selection of all pages."""
    new, fits = None, ids.size <= MOST_VALUES
    if fits:
        new = Filter("clip_id", "in", tuple(ids.tolist()))
        try:
            fits = len(selection.current(opened).adding(new).to_text()) <= MOST_TEXT
        except ParameterError as err:
            st.caption(sentence(err))
            fits = False
    st.button(
        "Make them the selection",
        icon=":material/filter_alt:",
        key="map_select",
        on_click=selection.add,
        args=(opened, new),
        disabled=not fits,
        width="stretch",
    )
    if not fits:
        st.caption("So many do not fit in a page's address: draw a smaller lasso, or tag them.")


def _tag(opened: Opened, ids: np.ndarray) -> None:
    """A tag for all these clips, kept in the workspace."""
    with st.form("map_tag_form", border=False):
        cells = st.columns([3, 2], vertical_alignment="bottom")
        tag = cells[0].text_input("Tag", key="map_tag", max_chars=MOST_TAG, placeholder="group A")
        if cells[1].form_submit_button("Tag them", width="stretch") and tag.strip():
            try:
                Notes(opened.folder).tag_all(ids.tolist(), tag)
            except VoiceError as err:
                st.error(sentence(err))
            else:
                st.toast(f"{ids.size:,} clips tagged {md(tag, 40)}.")


def _notes(opened: Opened, shown: Look, made: Projection, points: int) -> None:
    """How the map was made, and what its colours mean."""
    said = [ABOUT[shown.params.method]]
    for i, names in enumerate(made.strong, 1):
        strong = "; ".join(clean(n, 60) for n in colouring.titles(names, opened.labels))
        said.append(f"Strongest in component {i}: {strong}.")
    if made.total > len(made.xy):
        said.append(f"{len(made.xy):,} of {made.total:,} clips, the same sample every time.")
    if points < len(made.xy):
        said.append(f"{points:,} of them are points; the grey beneath is how many clips lie there.")
    if shown.numeric:
        said.append("Colours go from the 5th to the 95th percentile.")
    if made.imputed:
        s = "" if made.imputed == 1 else "s"
        said.append(f"{made.imputed:,} missing value{s} took the column's median.")
    if made.left_out:
        names = colouring.titles(made.left_out[:6], opened.labels)
        more = f" and {len(made.left_out) - 6} more" if len(made.left_out) > 6 else ""
        listed = "; ".join(clean(n, 60) for n in names)
        said.append(f"Left out, as constant or mostly missing: {listed}{more}.")
    st.caption(md(f"{made.columns} standardised columns. {' '.join(said)}", 1500))
    spec = opened.specs.get(shown.column)
    if spec:
        about = " ".join(filter(None, [spec.about, spec.caveat]))
        st.caption(f"**{md(spec.label)}**: {md(about, 600)}")


def _below(folder: str, made: Projection, shown: Look, name: str) -> None:
    """Download of what is drawn with what it was made of, and the code that makes it anew."""
    st.download_button(
        "CSV of the map",
        data=lambda: cache.table(folder, made, shown.params.space, shown.column),
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="csv_map",
    )
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("These lines make the map anew from “CSV of the map”; axes may be mirrored.")
        st.code(map_code.cloud(shown.params, f"{name}.csv"))


def _job(opened: Opened, chosen: Selection, params: MapParams) -> None:
    """Start, watch and cancel the process that makes the map."""
    job = jobs.Job(projection.folder_of(opened.workspace, chosen, params))
    running = job.status()["state"] == "running"
    watch = st.fragment(_watch, run_every=1.0 if running else None)
    watch(opened, chosen, params, running)


def _watch(opened: Opened, chosen: Selection, params: MapParams, was_running: bool) -> None:
    job = jobs.Job(projection.folder_of(opened.workspace, chosen, params))
    now = job.status()
    if now["state"] == "running":
        share = now["done"] / now["total"] if now["total"] else 0.0
        done = f"{share:.0%}" if share else "starting…"
        said = f"{METHODS[params.method]}, {done}"
        progress.running(now, job, key="map_cancel", said=said)
        return
    if was_running:
        st.rerun()
    if now["state"] == "failed":
        st.error(f"The map was not made: {md(now['message'], 300)}")
    st.info(
        f"{METHODS[params.method]} of this many clips runs in the background, for about "
        f"{max(5, round(params.clips / 200))} s, and is kept with the data set."
    )
    if st.button("Make the map", type="primary", key="map_start"):
        try:
            projection.start(opened.workspace, chosen, params)
        except VoiceError as err:
            st.error(sentence(err))
            return
        st.rerun()

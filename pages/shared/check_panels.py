"""The parts of the check page: verdict, player, the list of checks, thresholds, several files."""

from collections import Counter
from datetime import datetime
import math
from pathlib import Path

import pandas as pd
import streamlit as st

from core.audio import Limits
from core.eda.browsing import csv_of
from core.errors import VoiceError
from core.figures import quality as drawings
from core.player import Summary
from core.quality import DEFAULT, SPECS, Check, CheckParams, Report, Spec
from core.quality import report as writing
from core.quality.report import PROCESSED, Rank
from core.safe_text import clean, filename, md
from core.store import Workspace
from pages.shared import cache, cache_check, data, recorder, session
from pages.shared.inputs import Picked, reset_window
from pages.shared.player import Mark, player, tracks

ICONS = {
    "fail": ":red[:material/cancel:]",
    "warn": ":orange[:material/warning:]",
    "pass": ":green[:material/check_circle:]",
    "unknown": ":gray[:material/help:]",
}
STEPS = {"clipping": 0.01, "dc_offset": 0.1, "bandwidth": 500.0}
STEPS |= {"head_silence": 0.1, "tail_silence": 0.1}
COUNTED = {"Fails": "failed", "Warning": "with a warning", "Passes": "passed"}
COUNTED |= {"Not judged": "not judged", "Not known": "not known"}
PLAYER = "check_player"
MORE = "To compare all checks, run `python -m core check --workspace FOLDER` on its workspace."
HTML = '<ul class="checks" aria-label="Checks, worst first"></ul>'
CSS = """
.checks { list-style: none; margin: 0; max-width: 80rem; padding: 0; color: var(--st-text-color);
  font-family: var(--st-font); font-size: .93rem; line-height: 1.35; }
.checks > li { display: grid; gap: .1rem 1rem; align-items: start;
  grid-template-columns: 6.6rem 15.5rem minmax(0, 1fr) 9rem;
  padding: .5rem .2rem .5rem .7rem; border-bottom: 1px solid var(--st-border-color);
  border-left: 4px solid var(--tone); }
.fail { --tone: var(--st-red-color); --ink: var(--st-red-text-color); }
.warn { --tone: var(--st-orange-color); --ink: var(--st-orange-text-color); }
.pass { --tone: var(--st-green-color); --ink: var(--st-green-text-color); }
.unknown, .plain { --tone: var(--st-gray-color); --ink: var(--st-gray-text-color); }
.verdict { color: var(--ink); font-weight: 600; white-space: nowrap; }
.verdict b { display: inline-block; width: 1.1rem; }
.name { font-weight: 600; }
.value { font-variant-numeric: tabular-nums; font-size: 1.05rem; }
.small { font-size: .82rem; opacity: .8; }
.tag { display: inline-block; border: 1px solid currentcolor; border-radius: 1rem; padding: 0 .5rem;
  font-size: .78rem; margin-top: .2rem; }
button { font: inherit; color: inherit; background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius, .4rem);
  padding: .25rem .6rem; min-height: 2rem; min-width: 8.6rem; cursor: pointer; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
button:hover { border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
@media (max-width: 60rem) {
  .checks > li { grid-template-columns: 6.6rem minmax(0, 1fr); }
  .words, .jump { grid-column: 1 / -1; }
}
"""
# Jumping happens in the browser: sound may only start within the gesture that asks for it.
JS = """
function found() {
  for (const el of document.querySelectorAll(".st-key-check_player *")) {
    const inner = el.shadowRoot && el.shadowRoot.querySelector(".player");
    if (inner && inner.player && inner.player.head) return inner;
  }
  return null;
}

function jump([start, end]) {
  const inner = found();
  if (!inner) return;
  const player = inner.player, around = Math.max(0.4, (end - start) / 2);
  player.setView(start - around, end + around);
  player.select([start, Math.max(end, start + 0.001)], false);
  player.seek(start - Math.min(0.2, around / 2));
  if (!player.playing) player.play();
  inner.scrollIntoView({ block: "nearest" });
}

function made(tag, name, text, parent) {
  const el = document.createElement(tag);
  el.className = name;
  if (text) el.textContent = text;
  if (parent) parent.append(el);
  return el;
}

function rowOf(row) {
  const li = made("li", row.tone), verdict = made("div", "verdict", "", li);
  made("b", "", row.sign, verdict).setAttribute("aria-hidden", "true");
  verdict.append(row.word);
  const head = made("div", "head", "", li), words = made("div", "words", "", li);
  made("div", "name", row.label, head);
  made("div", "value", row.value, head);
  if (row.rank) made("div", "small", row.rank, head);
  if (row.tag) made("div", "tag", row.tag, head);
  if (row.advice) made("div", "advice", row.advice, words);
  made("div", "small", `${row.about} ${row.limits}`, words);
  const place = made("div", "jump", row.elsewhere, li);
  if (row.worst) {
    const button = made("button", "", `▶ ${row.place}`, place);
    button.type = "button";
    button.setAttribute("aria-label", `${row.label}: play the worst moment, ${row.place}`);
    button.onclick = () => jump(row.worst);
  }
  return li;
}

export default function (component) {
  const list = component.parentElement.querySelector(".checks");
  const text = JSON.stringify(component.data);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(...component.data.rows.map(rowOf));
}
"""
_mount = st.components.v2.component("phonoscope_checks", html=HTML, css=CSS, js=JS)


def processed(picked: Picked) -> str:
    """What the browser did to a recording made with it; empty where it did nothing."""
    return recorder.processed(picked.ref) or ""


def verdict(picked: Picked, found: Report, limits: CheckParams) -> None:
    """Which recording, the verdict in plain words, and what it rests on."""
    st.markdown(f"**{md(picked.title, 80)}** · {md(writing.facts(found))}")
    st.subheader(f"{ICONS[found.verdict]} {md(found.sentence, 400)}", anchor=False)
    counts = Counter(writing.verdict_text(c) for c in writing.worst_first(found))
    said = ", ".join(f"{n} {COUNTED[word]}" for word, n in counts.items())
    st.caption(
        f"{len(found.checks)} checks of the raw recording at its own rate: {said}. The worst one "
        "decides. The thresholds are rules of thumb for one voice, not standards."
        + (f" **{len(changed(limits))} of them changed** by you." if changed(limits) else "")
    )
    note = processed(picked)
    if note:
        st.warning(f"**Processed by the browser.** {md(note, 500)}", icon=":material/mic:")


def sound(picked: Picked, found: Report) -> tuple[Summary, float, float]:
    """The player with the problems drawn in it.

    Returns the summary of the sound and the stretch that is open, in s; a recording above the
    limits is opened in parts.
    """
    most = Limits.from_env().max_seconds
    start, stop, part = 0.0, found.duration_s, None
    if found.duration_s > most:
        start = st.number_input(
            "Open from (s)", 0.0, found.duration_s - 1, 0.0, 60.0, key="check_from"
        )
        stop = min(start + most, found.duration_s)
        part = (start, stop - start)
        st.caption(f"The checks are of the whole recording; {most / 60:g} minutes are open here.")
    y, sr = cache.load(picked.ref, None, part)
    marks = [
        Mark(check.label, *_seen(a, b, start, stop), label=writing.place_text((a, b)))
        for check in drawings.problems(found)
        for a, b in drawings.places(check)
        if b > start and a < stop
    ]
    made = tracks({"Recording": y}, sr=sr, key=f"{picked.ref} check {part}")
    with st.container(key=PLAYER):
        player(made, key=f"sound_{made[0].ident}", marks=marks, height=300)
    return made[0].summary, start, stop


def _seen(a: float, b: float, start: float, stop: float) -> tuple[float, float]:
    """A place within the open stretch; one too short to be seen is drawn a little longer."""
    more = max(0.0, 0.005 * (stop - start) - (b - a)) / 2
    return max(a - more, start) - start, min(b + more, stop) - start


def compared(found: Report) -> tuple[dict[str, Rank], str]:
    """Where the values lie in the data set opened last, and what it is called."""
    chosen = data.last_chosen()
    if not (chosen.workspace / "plan.json").is_file():
        return {}, ""
    try:
        workspace = Workspace.open(chosen.workspace)
    except VoiceError:  # the pages of the data set say what is wrong with it
        return {}, ""
    place = (workspace.key, str(workspace.folder))
    columns = cache_check.columns(*place, not chosen.cleaning)
    asked = [c for c in found.checks if c.key in columns and math.isfinite(c.value)]
    names = tuple((c.key, columns[c.key]) for c in asked)
    ranks = cache_check.ranks(*place, names, tuple(c.value for c in asked))
    return ranks, clean(Path(chosen.path).name, 40) if ranks else ""


def checks(
    found: Report, ranks: dict[str, Rank], among: str, *, start: float, stop: float, mark: bool
) -> None:
    """Every check, worst first, each with a button that plays its worst moment."""
    rows = [
        _row(check, ranks.get(check.key), start, stop, mark) for check in writing.worst_first(found)
    ]
    st.subheader("Checks", anchor=False)
    if among:
        partly = "" if len(ranks) > len(cache_check.SAME) else MORE
        st.caption(f"Compared with the data set {md(among, 40)}, opened last. {partly}")
    else:
        st.caption("Nothing to compare with yet: measure a data set, as on the page Browse.")
    _mount(data={"rows": rows}, key="checks")


def _row(check: Check, rank: Rank | None, start: float, stop: float, mark: bool) -> dict:
    row = {
        "key": check.key,
        "verdict": check.verdict,
        "tone": writing.tone(check),
        "sign": writing.SIGNS[writing.tone(check)],
        "word": writing.verdict_text(check),
        "label": check.label,
        "value": writing.value_text(check),
        "limits": f"{_capital(writing.limits_text(check))}." if writing.is_judged(check) else "",
        "about": check.about,
        "advice": writing.advice(check),
        "rank": _capital(writing.rank_text(rank)) if rank else "",
        "tag": "Processed by the browser" if mark and check.key in PROCESSED else "",
        "worst": None,
        "place": "",
        "elsewhere": "",
    }
    if check.worst:
        a, b = check.worst
        row["place"] = writing.place_text(check.worst)
        if start <= a < stop:
            row["worst"] = [a - start, min(b, stop) - start]
        else:
            row["elsewhere"] = f"At {a:.0f} s, not open above"
    return row


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def thresholds() -> CheckParams:
    """The thresholds, all of them editable and kept in the address."""
    with st.expander("Thresholds", icon=":material/tune:"):
        st.caption(
            "Where a value becomes a warning, and where a failure; an empty one judges nothing. "
            "They are kept in the address of this page."
        )
        st.button("Reset all", on_click=_reset, key="check_reset")
        values = {}
        for first in range(0, len(SPECS), 2):
            cells = iter(st.columns(4, vertical_alignment="bottom"))
            for spec in SPECS[first : first + 2]:
                for end in ("warn", "fail"):
                    values[f"{spec.key}_{end}"] = _threshold(next(cells), spec, end)
    return CheckParams(**values)


def _threshold(cell, spec: Spec, end: str) -> float:
    name, scale = f"{spec.key}_{end}", _scale(spec.key)
    unit = "%" if scale == 100 else spec.unit
    value = cell.number_input(
        f"{spec.label} {end}s {spec.direction}" + (f" ({unit})" if unit else ""),
        value=_shown(name),
        step=STEPS.get(spec.key, 1.0),
        format="%g",
        key=name,
        bind="query-params",
    )
    if value == _shown(name):
        return getattr(DEFAULT, name)
    return math.nan if value is None else value / scale


def _scale(key: str) -> int:
    return 100 if key in writing.SHARES else 1


def _shown(name: str) -> float | None:
    """The default of a threshold as its input shows it."""
    value = getattr(DEFAULT, name)
    return None if math.isnan(value) else round(value * _scale(name.rsplit("_", 1)[0]), 9)


def changed(limits: CheckParams) -> dict[str, float]:
    """The thresholds that are not the defaults."""
    return {
        name: value
        for name, value in vars(limits).items()
        if value != getattr(DEFAULT, name) and not (math.isnan(value) and _shown(name) is None)
    }


def _reset() -> None:
    for name in vars(DEFAULT):
        st.session_state[name] = _shown(name)


def own_files(limits: CheckParams) -> None:
    """All recordings of the visitor, worst first, where there are several; a click opens one."""
    clips = session.mine().clips
    if len(clips) < 2:
        return
    rows = [
        {"id": clip_id, **_file_row(name, ref, limits)} for clip_id, (name, ref) in clips.items()
    ]
    rows.sort(key=lambda row: (row["order"], row["File"]))
    table = pd.DataFrame(rows)
    st.subheader(f"Your {len(rows)} recordings, worst first", anchor=False)
    shown = table.drop(columns=["id", "order"])
    st.dataframe(
        shown,
        hide_index=True,
        height=36 * min(len(rows), 8) + 38,
        key="check_files",
        on_select=lambda: _open(table["id"].tolist()),
        selection_mode="single-row",
        column_config={
            "In words": st.column_config.TextColumn(width="large"),
            "SNR (dB)": st.column_config.NumberColumn(format="%.1f"),
            "Speech level (dBFS)": st.column_config.NumberColumn(format="%.1f"),
            "Clipping (%)": st.column_config.NumberColumn(format="%.2f"),
        },
        alt="Verdicts of your recordings, worst first.",
    )
    st.download_button(
        "Download CSV",
        data=lambda: csv_of(shown),
        file_name="checks.csv",
        mime="text/csv",
        icon=":material/download:",
        key="check_csv",
        on_click="ignore",
    )


def _file_row(name: str, ref, limits: CheckParams) -> dict:
    try:
        found = cache_check.report(ref, limits)
    except VoiceError as err:
        return {"order": -1, "File": clean(name, 60), "Verdict": "✕ No sound", "In words": str(err)}
    return {
        "order": writing.ORDER.index(found.verdict),
        "File": clean(name, 60),
        "Verdict": f"{writing.SIGNS[found.verdict]} {writing.WORDS[found.verdict]}",
        "SNR (dB)": found["snr"].value,
        "Speech level (dBFS)": found["active_level"].value,
        "Clipping (%)": 100 * found["clipping"].value,
        "Duration (s)": round(found.duration_s, 2),
        "In words": found.sentence,
    }


def _open(ids: list[str]) -> None:
    """Callback of the table: the row that was clicked is the recording below."""
    rows = st.session_state["check_files"].selection.rows
    if rows and rows[0] < len(ids):
        st.session_state["mine"] = ids[rows[0]]
        reset_window()


def downloads(
    picked: Picked,
    found: Report,
    summary: Summary,
    *,
    limits: CheckParams,
    ranks: dict[str, Rank],
    among: str,
    start: float,
) -> None:
    """The report as a page and as JSON, and how to have it without this page."""
    st.subheader("Take it along", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download report",
            data=lambda: writing.to_html(
                found,
                name=picked.title,
                picture=drawings.picture(summary, found, start_s=start),
                ranks=ranks,
                among=among,
                note=processed(picked) and f"Processed by the browser. {processed(picked)}",
                made=f"{datetime.now():%Y-%m-%d %H:%M}",
            ),
            file_name=filename(f"{picked.name}_check.html"),
            mime="text/html",
            icon=":material/description:",
            key="check_html",
            on_click="ignore",
        )
        st.download_button(
            "Download JSON",
            data=lambda: writing.to_json(found, name=picked.title),
            file_name=filename(f"{picked.name}_check.json"),
            mime="application/json",
            icon=":material/data_object:",
            key="check_json",
            on_click="ignore",
        )
        st.caption("The report is one page that works offline, on a phone and on paper.")
    with st.expander("Show the code", icon=":material/code:"):
        st.caption("The same from Python; on the command line: `python -m core check FILE --json`.")
        st.code(code(picked.name, limits), language="python")


def code(name: str, limits: CheckParams) -> str:
    """Python that makes the same report of a file called ``name``."""
    settings = ", ".join(
        f"{key}={'math.nan' if math.isnan(v) else repr(v)}" for key, v in changed(limits).items()
    )
    return ("import math\n\n" if "math.nan" in settings else "") + (
        "from core import quality\nfrom core.audio import ClipRef\n\n"
        f"limits = quality.CheckParams({settings})\n"
        f"report = quality.check_file(ClipRef.of({name!r}), limits)\n"
        "print(report.sentence)\n"
        "for check in report.checks:\n"
        "    print(check.verdict, check.key, check.value, check.unit, check.worst)\n"
    )

"""The parts of the Evaluate page: whose answers are judged, and what they are worth."""

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.figures import chart_config
from core.figures import models as figures
from core.models import shipped
from core.models.base import Predictions
from core.models.groups import GroupScore
from core.models.judge import Scores
from core.safe_text import clean, md
from pages.shared import cache_models as cache
from pages.shared import evaluate_code as code
from pages.shared import leak_panels as tests
from pages.shared import models, play, selection
from pages.shared import train_panels as train
from pages.shared.cache_models import Which
from pages.shared.card_panels import card, download, number, search
from pages.shared.data import Opened
from pages.shared.model_file import own_model
from pages.shared.models import Judged

SHIPPED, OWN_FILE = "The shipped model", "A file of your own…"
HELD_OUT, HERE = "Its held-out answers", "The selected clips"
MOST_POINTS = 4_000


def choose(opened: Opened) -> Judged:
    """The model and the answers to judge; the page stops with a hint where there is neither."""
    names = {k.name: k.path for k in models.kept(opened.folder)}
    options = [*names, SHIPPED, OWN_FILE]
    asked = st.session_state.get("evaluate_model") or st.query_params.get("model")
    st.session_state["evaluate_model"] = asked if asked in options else options[0]
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    name = left.selectbox(
        "Model",
        options,
        format_func=lambda n: clean(n, 60),
        key="evaluate_model",
        persist_state="session",
        help="Models kept beside this data set, the one that comes with the program, or a file.",
    )
    st.query_params["model"] = name
    path = names.get(name) or (shipped.PATH if name == SHIPPED else _own_file())
    stamp = models.stamp(path)
    opened_model = cache.loaded(str(path), stamp)
    if name == OWN_FILE:
        name = path.name.removesuffix(models.SUFFIX)
    share = cache.known_here(opened.key, str(opened.folder), str(path), stamp)
    answered = opened_model.trained.predictions.y.size > 0
    with right:
        on = _judge_on(answered, share, str(path))
    which = Which(str(path), stamp, opened.key, str(opened.folder), None)
    if on == HERE:
        which = which._replace(selection=selection.bar(opened).to_text())
    return Judged(name, path, opened_model.trained, opened_model.card, which, share == 1)


def view() -> str:
    """Which part is shown."""
    return st.segmented_control(
        "Show",
        list(VIEWS),
        default=next(iter(VIEWS)),
        required=True,
        key="evaluate_view",
        bind="query-params",
        label_visibility="collapsed",
    )


def score(opened: Opened, judged: Judged) -> None:
    """The score beside what is easy."""
    found = cache.scores(judged.which)
    own = judged.which.selection is None
    split = judged.trained.params.split if own else "speaker"
    warnings = cache.answers(judged.which)[1]
    for text in warnings:
        st.warning(md(text, 300))
    heard = any("in the training" in text for text in warnings)
    train.score(found, split, judged.name, key="evaluate", own=own, heard=heard)
    if judged.which.selection is None and not judged.own:
        st.caption(
            "The clips behind this score are not in this data set, so they cannot be heard here, "
            f"and the pitch alone cannot be asked. “{HERE}” judges the model on this data set."
        )
    if len(found.scores) > 1:
        st.dataframe(
            {
                "Score": [s.label for s in found.scores],
                "Value": [_plain(s) for s in found.scores],
                "95 % interval": [train.interval(s.score, _unit(s)) for s in found.scores],
                **{b.label: [_easy(b, s) for s in found.scores] for b in found.baselines},
            },
            hide_index=True,
            alt="All scores beside the baselines.",
        )
    download(judged, "score", code.score(judged.stem, bool(found.labels), _knows(judged)))


def errors(opened: Opened, judged: Judged) -> None:
    """Where answers are wrong: the confusion matrix, and the clips of one cell to hear."""
    found = cache.scores(judged.which)
    if found.confusion is None:
        _years(opened, judged)
        return
    labels = figures.shown_labels(found)
    _default_cell(found, judged)
    picked = (st.session_state["evaluate_true"], st.session_state["evaluate_said"])
    wrong = int(found.confusion.sum() - np.trace(found.confusion))
    said = f"{wrong:,} of {found.clips:,} clips are answered wrongly."
    left, right = st.columns([3, 2], gap="large")
    with left:
        key = f"evaluate_cells_{len(labels)}"
        st.plotly_chart(
            figures.confusion(found, picked),
            key=key,
            on_select=lambda: _pick(key, labels),
            selection_mode="points",
            config=chart_config(f"confusion_{judged.stem}"),
            alt=f"Confusion matrix of {clean(judged.name, 60)}: label against answer. {said}",
        )
        st.caption(f"{said} Click a cell to hear its clips; shares are of the label (the row).")
    with right:
        cells = st.columns(2)
        show = {"format_func": lambda n: clean(n, 40)}
        true = cells[0].selectbox("Labelled", labels, key="evaluate_true", **show)
        answer = cells[1].selectbox("Answered", labels, key="evaluate_said", **show)
        _cell(opened, judged, true, answer)
    download(judged, "confusion", code.confusion(judged.stem))


def groups(opened: Opened, judged: Judged) -> None:
    """How each group of speakers fares."""
    here = cache.group_labels(opened.key, str(opened.folder))
    if not here or (judged.which.selection is None and not judged.own):
        st.info("Groups need labels of the judged clips in this data set, and there are none.")
        return
    usual = [n for n in ("gender", "age", *here) if n in here][:1]
    columns = st.multiselect(
        "Groups by", here, default=usual, format_func=train.target_label, key="evaluate_groups"
    )
    if not columns:
        st.info("Choose a label: its values are the groups.")
        return
    found = cache.by_group(judged.which, tuple(columns))
    years = not judged.trained.labels
    said = _worst(found, years)
    st.plotly_chart(
        figures.group_dots(found, years=years),
        key="evaluate_group_dots",
        config=chart_config(f"groups_{judged.stem}"),
        alt=f"Answers by {', '.join(columns)}, with intervals. {said}",
    )
    few = sum(g.few for g in found)
    more = f" {len(found) - figures.SHOWN} smaller groups are not drawn." if len(found) > 40 else ""
    thin = f" {few} of {len(found)} groups rest on fewer than five speakers (hollow)."
    st.caption(md(f"{said}{thin if few else ''}{more}"))
    lines = code.groups(judged.stem, columns, years)
    answered, _ = cache.answers(judged.which)
    place = (str(opened.folder), tuple(columns))
    download(judged, "groups", lines, lambda: cache.csv_of_groups(answered, *place))


def confidence(opened: Opened, judged: Judged) -> None:
    """Whether probabilities can be believed, and what a threshold costs."""
    if not judged.trained.labels:
        st.info("This model answers with a number, so it has no probabilities to judge.")
        return
    found, cover = cache.confidence(judged.which)
    usual = float(np.clip(number(judged.card.get("threshold"), 0.5), *cover.thresholds[[0, -1]]))
    threshold = st.slider(
        "Least confidence of an answer",
        float(cover.thresholds[0]),
        float(cover.thresholds[-1]),
        round(usual, 2),
        step=0.01,
        format="percent",
        key=f"evaluate_threshold_{len(judged.trained.labels)}",
        help="Below it the model would rather not say.",
    )
    at = int(np.abs(cover.thresholds - threshold).argmin())
    right = cover.right[at]
    told = (
        f"From {100 * threshold:.0f} % on, {100 * cover.answered[at]:.0f} % of clips are answered, "
        f"{100 * right:.0f} % of those rightly."
        if np.isfinite(right)
        else f"From {100 * threshold:.0f} % on, no clip is answered."
    )
    off = f"Confidence and being right differ by {100 * found.ece:.1f} points on average."
    left, other = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(
            figures.reliability(found),
            key="evaluate_reliability",
            config=chart_config(f"calibration_{judged.stem}"),
            alt=f"Calibration of {clean(judged.name, 60)}. {off}",
        )
        st.caption(off)
    with other:
        st.plotly_chart(
            figures.coverage_curve(cover, threshold),
            key="evaluate_coverage",
            config=chart_config(f"coverage_{judged.stem}"),
            alt=f"Answered clips and right answers by threshold. {told}",
        )
        st.caption(told)
    download(judged, "confidence", code.confidence(judged.stem, threshold))


def compare(opened: Opened, judged: Judged) -> None:
    """Two models on the same clips."""
    target = judged.trained.params.target
    others = [k for k in models.kept(opened.folder) if k.path != judged.path and k.target == target]
    if not others:
        st.info("There is no other model of this target to compare with: train a second one.")
        return
    at = st.selectbox(
        "Compare with",
        range(len(others)),
        format_func=lambda i: f"{clean(others[i].name, 60)} ({others[i].model})",
        key=f"evaluate_other_{judged.stem}",
    )
    other = others[at]
    which = Which(str(other.path), models.stamp(other.path), *judged.which[2:])
    found = cache.compared(judged.which, which)
    unit = "years" if found.metric == "mae" else ""
    cells = st.columns(3)
    cells[0].metric(f"First: {md(judged.name, 30)}", train.shown(found.first.value, unit))
    cells[1].metric(f"Second: {md(other.name, 30)}", train.shown(found.second.value, unit))
    cells[2].metric("p, paired", f"{found.p:.2g}", help="Answers swapped speaker by speaker.")
    st.info(md(found.sentence, 300))
    if judged.which.selection is None and other.split != judged.trained.params.split:
        st.warning(
            "One of them is split by clip and the other by speaker: the first kind of score is too "
            "good, so this comparison is not fair."
        )
    if not unit:
        st.caption(
            f"Both right: {found.both:,} clips; only the first: {found.only_first:,}; only the "
            f"second: {found.only_second:,}; neither: {found.neither:,}."
        )
    parts = {"Only the first is right": found.only_first_ids}
    parts["Only the second is right"] = found.only_second_ids
    if unit:
        parts = {"The first is nearer": found.only_first_ids}
        parts["The second is nearer"] = found.only_second_ids
    side = st.segmented_control(
        "Clips on which they part",
        list(parts),
        default=next(iter(parts)),
        required=True,
        key=f"evaluate_part_{unit}",
    )
    _hear(opened, parts[side], None, "compare")


def _judge_on(answered: bool, share: float, path: str) -> str:
    options = [HELD_OUT, HERE] if answered else [HERE]
    usual = HELD_OUT if answered and share == 1 else HERE
    return st.segmented_control(
        "Judge on",
        options,
        default=usual,
        required=True,
        key=f"evaluate_on_{Path(path).name}_{answered}_{share == 1}",
        help="Held out: answers about clips while the model had not learnt from them. The "
        "selected clips: it is asked now, and voices it knows make it look better.",
        width="stretch",
    )


def _own_file() -> Path:
    """The uploaded model; the page stops while there is none."""
    kept = own_model("evaluate_file")
    if kept is None:
        st.info("Add a model file: it stays in a folder of your own until you close the page.")
        st.stop()
    return kept


def _unit(score: Any) -> str:
    return "plain" if score.name in ("auc", "r2") else score.unit


def _plain(score: Any) -> str:
    if score.name in ("auc", "r2"):
        return f"{score.score.value:.3f}"
    return train.shown(score.score.value, score.unit)


def _easy(baseline: Any, score: Any) -> str:
    if score.name not in baseline.scores:
        return ""
    return _plain(score._replace(score=baseline.scores[score.name]))


def _default_cell(found: Scores, judged: Judged) -> None:
    """The commonest mistake, until a cell is picked."""
    there = {st.session_state.get("evaluate_true"), st.session_state.get("evaluate_said")}
    if there <= set(found.labels) and st.session_state.get("evaluate_of") == judged.which.path:
        return
    off = found.confusion - np.diag(np.diag(found.confusion))
    cells = off if off.any() else found.confusion
    row, column = np.unravel_index(cells.argmax(), cells.shape)
    st.session_state["evaluate_true"] = found.labels[row]
    st.session_state["evaluate_said"] = found.labels[column]
    st.session_state["evaluate_of"] = judged.which.path


def _pick(key: str, labels: tuple[str, ...]) -> None:
    points = st.session_state[key]["selection"]["points"]
    if points:
        row, column = int(points[0]["y"]), int(points[0]["x"])
        st.session_state["evaluate_true"], st.session_state["evaluate_said"] = (
            labels[row],
            labels[column],
        )


def _cell(opened: Opened, judged: Judged, true: str, answer: str) -> None:
    found = cache.cell(judged.which, true, answer)
    n = found.clip_ids.size
    if not n:
        st.caption("No clip is in this cell: choose another.")
        return
    st.markdown(
        f"**{n:,} clip{'s' if n > 1 else ''}** labelled {md(true, 40)}, answered "
        f"{md(answer, 40)}; the surest answer first."
    )
    notes = [f"Answered {answer} with {100 * c:.0f} %" for c in found.confidence]
    _hear(opened, found.clip_ids, notes, f"cell_{true}_{answer}")


def _hear(opened: Opened, ids: np.ndarray, notes: list[str] | None, key: str) -> None:
    if not ids.size:
        st.caption("There is none.")
        return
    at = 1
    if ids.size > 1:
        at = st.pagination(ids.size, key=f"evaluate_at_{key}_{ids.size}")
    play.clip(opened, str(ids[at - 1]), "evaluate", notes[at - 1] if notes else "")


def _years(opened: Opened, judged: Judged) -> None:
    """Answers against truth in years; the largest errors to hear."""
    found, _ = cache.answers(judged.which)
    error = np.abs(found.answers - found.y.astype(float))
    drawn = _some(found)
    said = f"Half of the {error.size:,} answers are within {np.median(error):.1f} years."
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(
            figures.true_and_predicted(drawn),
            key="evaluate_years",
            on_select=lambda: _pick_year(drawn),
            selection_mode="points",
            config=chart_config(f"years_{judged.stem}"),
            alt=f"Answered against true age. {said}",
        )
        sample = f" {drawn.y.size:,} of them are drawn." if drawn.y.size < error.size else ""
        st.caption(f"{said}{sample} Points are spread a little sideways. Click one to hear it.")
    with right:
        order = np.argsort(-error, kind="stable")[:100]
        ids = found.clip_ids[order]
        picked = st.session_state.get("evaluate_year")
        if picked in set(found.clip_ids.tolist()):
            ids = np.array([picked, *ids], dtype=object)
        st.markdown("The largest errors" + (", after the clip picked" if ids.size > 100 else ""))
        place = {c: i for i, c in enumerate(found.clip_ids)}
        notes = [
            f"{found.y[place[c]]:.0f} years, answered {found.answers[place[c]]:.0f}" for c in ids
        ]
        _hear(opened, ids, notes, f"years_{picked}")
    download(judged, "years", code.score(judged.stem, False, _knows(judged)))


def _some(found: Predictions) -> Predictions:
    """A sample that is the same every time, where there are too many points."""
    step = -(-found.y.size // MOST_POINTS)
    fields = ("clip_ids", "y", "prob", "fold")
    parts = {n: getattr(found, n)[::step] for n in fields}
    return found._replace(**parts, speakers=None)


def _pick_year(drawn: Predictions) -> None:
    points = st.session_state["evaluate_years"]["selection"]["points"]
    at = [p["customdata"] for p in points if p.get("customdata") is not None]
    if at:
        first = at[0][0] if isinstance(at[0], list) else at[0]
        st.session_state["evaluate_year"] = str(drawn.clip_ids[int(first)])


def _worst(found: tuple[GroupScore, ...], years: bool) -> str:
    """The best and the worst group that can be trusted, in plain text."""
    sure = [g for g in found if not g.few]
    if len(sure) < 2:
        return "Too few groups have five speakers to compare them."
    order = sorted(sure, key=lambda g: g.score.value, reverse=years)
    worst, best = order[0], order[-1]
    unit = "years" if years else ""
    apart = worst.score.high < best.score.low or best.score.high < worst.score.low
    how = "a clear difference" if apart else "their intervals overlap"
    return (
        f"{', '.join(worst.names)} {train.shown(worst.score.value, unit)}, "
        f"{', '.join(best.names)} {train.shown(best.score.value, unit)}: {how}."
    )


def _knows(judged: Judged) -> bool:
    return cache.answers(judged.which)[0].speakers is not None


VIEWS = {
    "Score": score,
    "Errors": errors,
    "Groups": groups,
    "Confidence": confidence,
    "Search": search,
    "More voices": tests.learning,
    "Inputs": tests.importance,
    "Leaks": tests.leaks,
    "Compare": compare,
    "Card": card,
}

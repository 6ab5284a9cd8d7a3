"""The page Predict and its figures: the answer is core's, and nothing else gets in or out."""

import io
from itertools import pairwise
import json
from pathlib import Path
import pickle

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import streamlit
from streamlit.testing.v1 import AppTest
from test_models_predict import ear
from visit import all_leave

from conftest import ROOT, SR, attach, tone, voice
from core import audio, cli, datasets, jobs
from core.audio import ClipRef
from core.figures import predict as figures
from core.filters import Selection
from core.models import embeddings, files, predict, robust, shipped
from core.models.base import TrainParams
from core.models.predict import Answer, Ground, OverTime
from core.models.table import learn_table
from core.models.train import train
from core.store import Workspace
from core.views import Envelope, Image
from pages.shared import cache_predict, predict_model, predict_panels
from pages.shared.data import Chosen

DEMO = Chosen(str(datasets.demo_folder()), "voice-v1", "")
PAGE = "recording/predict.py"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A part of the demo set, measured, with a model of its voices kept beside it."""
    root = tmp_path_factory.mktemp("workspaces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHONOSCOPE_WORKSPACES", str(root))
        assert cli.main([*DEMO.command, "--limit", "40"]) == 0
        workspace = Workspace.open(DEMO.workspace)
        params = TrainParams("gender", ("features",), "logreg", n_splits=3)
        table = learn_table(workspace, Selection(), params)
        files.save(train(table, params), table, DEMO.workspace / "models" / "mine.model")
    return root


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch, measured):
    monkeypatch.setenv("PHONOSCOPE_MEDIA", str(tmp_path / "media"))
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(measured))
    (tmp_path / "media").mkdir()
    all_leave()  # all tests share one session id
    streamlit.cache_data.clear()


def open_page(**query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / "main.py"), default_timeout=60)
    for name, value in query.items():
        at.query_params[name] = value
    at.run().switch_page(PAGE).run()
    assert not at.exception, at.exception
    return at


def wav(y: np.ndarray) -> bytes:
    return audio.encode_wav(y, sr=SR, bits=16)


def uploading(**clips: np.ndarray) -> AppTest:
    at = open_page()
    at.button_group(key="source").set_value("Upload").run()
    for name, y in clips.items():
        attach(at, f"{name}.wav", wav(y))
    return at


def headline(at: AppTest) -> str:
    (found,) = [h.proto.body for h in at.get("html") if 'role="heading"' in h.proto.body]
    return found.partition(">")[2].partition("<")[0]


def said(at: AppTest) -> str:
    kinds = (at.caption, at.markdown, at.info, at.warning, at.error)
    return " ".join(x.value for kind in kinds for x in kind).replace("\\", "")


def tables(at: AppTest) -> list[pd.DataFrame]:
    return [t.value for t in at.table if "Same" in t.value]


def survived(at: AppTest) -> pd.DataFrame:
    (table,) = tables(at)
    return table


def charts(at: AppTest) -> list[dict]:
    return [json.loads(c.proto.spec) for c in at.get("plotly_chart")]


def demo(name: str) -> ClipRef:
    table = datasets.demo().catalogue()
    return ClipRef.of(table[table["clip_id"].str.endswith(f"/{name}")]["path"].iloc[0])


def test_the_page_says_what_the_shipped_model_says():
    at = open_page(clip="demo_clean")
    loaded = shipped.shipped()
    found = predict.predict(loaded, demo("demo_clean"))
    expected = predict_panels.RATHER_NOT
    if not found.abstained:
        expected = f"{found.label}, {100 * found.probability:.1f} %"
    assert headline(at) == expected
    after = {s.name: s.answer for s in robust.survives(loaded, *audio.load(demo("demo_clean")))}
    table = survived(at)
    assert list(table.index)[1:] == [predict_panels.CHANGED[n] for n in after]
    for said_, answer in zip(table["Answer"][1:], after.values(), strict=True):
        assert answer.label in said_


def test_every_axis_has_a_title_and_every_chart_words():
    at = open_page(clip="demo_clean")
    assert len(charts(at)) == 3
    for chart in at.get("plotly_chart"):
        layout = json.loads(chart.proto.spec)["layout"]
        for axis in (a for a in layout if a.startswith(("xaxis", "yaxis"))):
            named = layout[axis].get("title", {}).get("text") or layout[axis].get("ticktext")
            assert named, (chart.proto.alt, axis)
        assert chart.proto.alt


def test_silence_gives_no_answer_and_a_reason():
    at = uploading(silence=np.zeros(2 * SR, np.float32))
    assert headline(at) == predict_panels.RATHER_NOT
    assert "Too little speech" in said(at)


def test_a_threshold_above_the_probability_withholds_the_answer():
    table, loaded = datasets.demo().catalogue(), shipped.shipped()
    for path in table["path"]:
        found = predict.predict(loaded, path, threshold=0)
        if not found.abstained and found.probability < 0.95:
            break
    at = open_page(clip=Path(path).stem)
    at.slider[0].set_value(0.5).run()
    assert headline(at).startswith(found.label)
    at.slider[0].set_value(round(found.probability + 0.02, 2)).run()
    assert headline(at) == predict_panels.RATHER_NOT
    assert "is below" in said(at)
    assert "The most probable label would be" in said(at)


def kept() -> Path:
    return DEMO.workspace / "models" / "mine.model"


def test_the_nearest_clips_play_where_their_data_set_is_open():
    at = open_page(clip="demo_clean", model="mine")
    near = predict.predict(files.load(kept()), demo("demo_clean")).nearest
    titles = [near_.clip_id.rsplit("/", 1)[-1] for near_ in near]
    assert len(titles) == 5
    assert "without sound" not in said(at)
    assert "can be played when" not in said(at)
    for title in titles:
        assert title in said(at)
    at = open_page(clip="demo_clean")
    assert "can be played when their data set is open" in said(at)


def test_a_workspace_that_is_not_there_leaves_the_page_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_WORKSPACES", str(tmp_path / "none"))
    at = open_page(clip="demo_clean", model="mine")
    assert at.selectbox(key="predict_model").value == predict_model.SHIPPED
    assert headline(at)


def test_an_uploaded_model_is_asked_and_a_hostile_one_is_refused_with_a_sentence(tmp_path):
    at = open_page(clip="demo_clean")
    at.selectbox(key="predict_model").set_value(predict_model.OWN_FILE).run()
    assert "Add a model file" in said(at)
    attach(at, "theirs.model", kept().read_bytes())
    before = headline(at)
    mark = tmp_path / "ran"
    for name, content in {
        "bad.model": pickle.dumps(Touch(str(mark))),
        "half.model": kept().read_bytes()[:5_000],
        "empty.model": b"",
    }.items():
        attach(at, name, content)
        (error,) = at.error
        assert name in error.value.replace("\\", "")
        assert headline(at) == before
    assert not mark.exists()
    at.run()
    assert not at.error


@pytest.fixture(scope="module")
def hears(measured, tmp_path_factory):
    """A model beside the demo set whose inputs are vectors of a network, made with ``ear``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHONOSCOPE_WORKSPACES", str(measured))
        workspace = Workspace.open(DEMO.workspace)
        network = tmp_path_factory.mktemp("network") / "ear.onnx"
        network.write_bytes(ear())
        embeddings.embed_workspace(workspace, network, workers=1)
        params = TrainParams("gender", ("embedding",), "logreg", n_splits=3)
        table = learn_table(workspace, Selection(), params)
        path = DEMO.workspace / "models" / "hears.model"
        yield files.save(train(table, params), table, path)
        path.unlink()


def test_a_model_beside_its_data_set_hears_with_the_network_there(
    hears, tmp_path, monkeypatch, capsys
):
    at = open_page(clip="demo_clean", model="hears")
    found = predict.predict(files.load(hears), demo("demo_clean"), threshold=0.0)
    assert f"**{found.label}**" in said(at) or headline(at).startswith(found.label)
    assert f"{100 * found.probability:.1f} %" in said(at) + headline(at)
    assert "cannot be asked without its file" in said(at)  # its card
    assert "has no meaning" in said(at)
    (shown,) = [c.value for c in at.code if "core.models" in c.value]
    y, sr = audio.load(demo("demo_clean"))
    sf.write(tmp_path / "recording.wav", y, sr, subtype="FLOAT")
    (tmp_path / "hears.model").write_bytes(hears.read_bytes())
    (tmp_path / "network.onnx").write_bytes(ear())
    monkeypatch.chdir(tmp_path)
    exec(compile(shown, "shown", "exec"), {})
    assert capsys.readouterr().out.startswith(found.label)


def test_an_uploaded_model_that_hears_with_a_network_says_what_to_do(hears):
    at = open_page(clip="demo_clean")
    at.selectbox(key="predict_model").set_value(predict_model.OWN_FILE).run()
    attach(at, "theirs.model", hears.read_bytes())
    (error,) = at.error
    assert "hears with the network ear.onnx" in error.value.replace("\\", "")
    assert "keep the model in the folder models of the workspace" in error.value
    assert not at.get("plotly_chart")


class Touch:
    """A pickle that would write a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def test_a_broken_recording_gives_a_sentence_and_keeps_the_last_answer():
    at = uploading(good=voice(120, 2.0))
    before = headline(at)
    attach(at, "broken.wav", b"RIFF\x00\x00\x00\x00WAVEnonsense" * 20)
    (error,) = at.error
    assert "broken.wav" in error.value.replace("\\", "")
    assert at.subheader[0].value.replace("\\", "") == "good.wav"
    assert headline(at) == before


def test_a_long_recording_is_asked_along_its_length_only_on_request(monkeypatch):
    monkeypatch.setattr(predict_panels, "ON_REQUEST_S", 1.0)
    at = open_page(clip="demo_clean")
    assert "yaxis3" not in charts(at)[1]["layout"]
    assert not tables(at)
    at.button(key="predict_time").click().run()
    at.button(key="predict_again").click().run()
    assert "yaxis3" in charts(at)[1]["layout"]
    assert tables(at)


def test_many_files_end_in_one_table():
    at = uploading(one=voice(110, 1.5), two=voice(220, 1.5), quiet=np.zeros(SR, np.float32))
    assert "Your 3 recordings" in [s.value for s in at.subheader]
    at.button(key="predict_all").click().run()
    run = at.session_state["predict_batch"]
    assert jobs.Job(run["folder"]).wait(60)["state"] == "done"
    at.run()
    table = batch(at)
    assert sorted(table["File"]) == ["one.wav", "quiet.wav", "two.wav"]
    silent = table.set_index("File")["Would rather not say"]
    assert silent["quiet.wav"]
    one = next(Path(p) for p in run["ids"] if p.endswith("one.wav"))
    expected = predict.predict(
        shipped.shipped(), one, threshold=shipped.shipped().card["threshold"]
    )
    assert table.set_index("File")["Probability"]["one.wav"] == pytest.approx(expected.probability)


def test_a_file_that_cannot_be_read_costs_its_own_row(tmp_path):
    at = uploading(one=voice(110, 1.5), two=voice(220, 1.5))
    (gone,) = (tmp_path / "media").glob("*/uploads/*/one.wav")
    gone.unlink()
    at.button(key="predict_all").click().run()
    jobs.Job(at.session_state["predict_batch"]["folder"]).wait(60)
    at.run()
    table = batch(at).set_index("File")
    assert table["Error"]["one.wav"]
    assert not table["Error"]["two.wav"]
    assert table["Answer"]["two.wav"] in shipped.shipped().trained.labels


def batch(at: AppTest) -> pd.DataFrame:
    (table,) = [d.value for d in at.dataframe if "Would rather not say" in d.value]
    return table


def test_a_cancelled_run_keeps_what_was_answered():
    at = uploading(one=voice(110, 1.5), two=voice(220, 1.5))
    at.button(key="predict_all").click().run()
    at.button(key="predict_cancel").click().run()
    assert not at.exception, at.exception
    run = at.session_state["predict_batch"]
    assert run["stopped"] is not None
    ended = jobs.Job(run["folder"]).status()["state"] == "done"
    assert ended or (run["folder"] / "job.cancel").exists()
    assert f"Cancelled after {run['stopped']} of 2" in said(at)
    assert at.button(key="predict_all")
    jobs.Job(run["folder"]).wait(30)


def test_a_file_name_that_is_a_formula_is_none_in_the_csv():
    rows = pd.DataFrame({"file": ["=cmd()|x.wav"], "label": ["female"], "probability": [0.9]})
    again = pd.read_csv(io.BytesIO(cache_predict.csv_of_rows(rows)))
    assert again["file"].tolist() == ["'=cmd()|x.wav"]


def test_nothing_of_a_visitor_is_kept_for_others():
    text = (ROOT / "pages" / "shared" / "cache_predict.py").read_text()
    made = [line for line in text.splitlines() if line.startswith("@st.cache_")]
    assert len(made) >= 4
    assert all('scope="session"' in line for line in made)


def test_the_code_runs_and_gives_the_same_answer(tmp_path, monkeypatch, capsys):
    at = open_page(clip="demo_clean")
    (shown,) = [c.value for c in at.code if "core.models" in c.value]
    y, sr = audio.load(demo("demo_clean"))
    sf.write(tmp_path / "recording.wav", y, sr)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / shipped.PATH.name).write_bytes(shipped.PATH.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(shown, "shown", "exec"), {})
    label = predict.predict(shipped.shipped(), tmp_path / "recording.wav").label
    assert capsys.readouterr().out.startswith(label)


def made(**changes) -> Answer:
    found = {
        "label": "b",
        "probability": 0.7,
        "probabilities": {"a": 0.2, "b": 0.7, "<c>": 0.1},
        "value": None,
        "abstained": False,
        "reasons": (),
        "nearest": (),
        "rests_on": (),
        "speech_s": 1.0,
    }
    return Answer(**{**found, **changes})


def survival(name: str, same: bool | None, **changes) -> robust.Survival:
    return robust.Survival(name, name, made(**changes), same, 0.0)


@pytest.mark.parametrize(
    ("first", "after", "expected"),
    [
        (False, [survival("trim", True), survival("denoise", True)], "stays the same"),
        (False, [survival("trim", True), survival("denoise", False)], "changes: denoised"),
        (False, [survival("trim", None, abstained=True)], "rather not say any more: ends cut"),
        (True, [survival("trim", True, abstained=True)], "to begin with"),
    ],
)
def test_what_the_changes_did_is_said_in_a_sentence(first, after, expected):
    assert expected in predict_panels._outlived(made(abstained=first), tuple(after))


# Figures, on answers whose truth is written down.


def test_the_most_probable_label_stands_first_and_the_threshold_where_it_is():
    fig = figures.probabilities(made(), 0.6)
    np.testing.assert_allclose(fig.data[0].x, [70, 20, 10], rtol=1e-6)
    assert list(fig.layout.yaxis.ticktext) == ["b", "a", "&lt;c&gt;"]
    assert fig.layout.shapes[0].x0 == fig.layout.shapes[0].x1 == 60
    assert fig.layout.yaxis.range[0] > fig.layout.yaxis.range[1]


def test_waveform_spectrogram_and_answers_share_one_time_axis():
    y = tone(440, 2.0)
    times = np.arange(10) / 5
    wave = Envelope(times, y[:10], y[:10], True)
    mel = Image(np.full((8, 10), -20.0, np.float32), np.linspace(100, 4000, 8), 0.0, 2.0, 1.0)
    prob = np.array([[0.9, 0.1], [0.6, 0.4]])
    windows = OverTime(np.array([0.0, 1.0]), np.array([1.0, 2.0]), prob, ("a", "b"))
    size = {"t0": 0.0, "t1": 2.0, "limit": 1.0, "top_db": 80.0, "threshold": 0.7}
    fig = figures.timeline(wave, mel, windows, **size)
    lines = {t.name: t for t in fig.data if t.yaxis == "y3"}
    np.testing.assert_allclose(lines["a"].x, [0.5, 1.5])
    np.testing.assert_allclose(lines["a"].y, [90, 60], rtol=1e-6)
    assert all((t.xaxis or "x") == "x" for t in fig.data)
    assert list(fig.layout.xaxis.range) == [0, 2]
    assert fig.layout.shapes[0].y0 == 70
    places = [fig.layout[a].domain for a in ("yaxis3", "yaxis", "yaxis2")]
    assert all(low[1] < high[0] for low, high in pairwise(places))
    named = [t.name for t in fig.data if t.showlegend is not False and t.type == "scatter"]
    assert set(named) == {"a", "b"}
    without = figures.timeline(wave, mel, None, **size)
    assert "yaxis3" not in without.layout
    assert len(without.data) == len(fig.data) - 2


def test_a_bar_tells_what_it_stands_for_and_acts_as_nothing_else():
    ground = Ground("f0", "Pitch <b>", "Hz", 224.0, 136.0, -1.5)
    fig = figures.grounds((ground,), {"f0": "How high. <script>"}, label="a")
    told = fig.data[0].customdata[0]
    assert "224 Hz" in told
    assert "136 Hz" in told
    assert "How high." in told
    assert "<script>" not in told
    assert fig.data[0].x[0] == pytest.approx(-1.5)
    assert "log odds of a" in fig.layout.xaxis.title.text
    assert "years" in figures.grounds((ground,), {}, label=None).layout.xaxis.title.text

"""Maps of clips whose groups are known."""

import io

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from core import jobs
from core.eda import colouring, projection
from core.eda.projection import MapParams
from core.errors import MissingPackageError, ParameterError
from core.figures import maps
from core.filters import Filter, Selection
from core.store import Workspace
from pages.shared import map_code

N, D, MEL = 120, 6, 8
ALL = Selection()
FRAME = np.array([[-9.0, 9.0], [-8.0, 8.0]])


def store(folder, x: np.ndarray, mel: np.ndarray | None = None, **labels) -> Workspace:
    """A workspace with a row of features, of mel strengths and of labels for each clip."""
    ids = [f"c/{i:04d}" for i in range(len(x))]
    table = pd.DataFrame(
        {"clip_id": ids, "path": None, "size": 1, "mtime_ns": 1, "text": None, **labels}
    )
    found = Workspace.create(
        folder,
        recipe={"feature_set": "test-v1"},
        columns=[f"f{i}" for i in range(x.shape[1])],
        vectors={} if mel is None else {"mel_strength": mel.shape[1]},
    )
    rows = {}
    for i, clip_id in enumerate(ids):
        values = {f"f{j}": float(v) for j, v in enumerate(x[i])}
        vectors = {} if mel is None else {"mel_strength": mel[i].astype(np.float32)}
        rows[clip_id] = {"clip_id": clip_id, "values": values, "vectors": vectors}
    with found.writer() as writer:
        writer.set_catalogue(table, unit_size=64)
        for unit in writer.missing():
            writer.write(unit.number, [rows[item["clip_id"]] for item in unit.items])
    return found


def clusters(n: int = N, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features and mel strengths of three groups far apart, and which clip is of which."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) % 3
    centres = 12 * np.eye(3, D)
    x = centres[groups] + rng.standard_normal((n, D))
    mel = -40 + 10 * groups[:, None] * np.ones(MEL) + rng.standard_normal((n, MEL))
    return x, mel, groups


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    x, mel, groups = clusters()
    x[5, 2] = np.nan
    gender = np.array(["female", "male", None], dtype=object)[groups]
    speakers = [f"s{i // 3}" for i in range(N)]
    folder = tmp_path_factory.mktemp("map") / "w"
    return store(folder, x, mel, gender=gender, speaker_id=speakers)


def apart(xy: np.ndarray, groups: np.ndarray) -> float:
    """The smallest distance between centres, in largest spreads within a group."""
    centres = np.array([xy[groups == g].mean(axis=0) for g in range(3)])
    within = max(np.linalg.norm(xy[groups == g] - centres[g], axis=1).mean() for g in range(3))
    between = [np.linalg.norm(centres[i] - centres[j]) for i in range(3) for j in range(i)]
    return min(between) / within


@pytest.mark.parametrize("space", ["features", "mel", "both"])
def test_planted_clusters_separate_in_pca(workspace, space):
    made = projection.make(workspace, ALL, MapParams("pca", space))
    assert made.clip_ids.tolist() == [f"c/{i:04d}" for i in range(N)]
    assert made.xy.shape == (N, 2)
    assert apart(made.xy, np.arange(N) % 3) > 5
    assert made.columns == {"features": D, "mel": MEL, "both": D + MEL}[space]


def test_planted_clusters_separate_in_tsne_and_its_the_same_every_time(workspace):
    first, second = (
        projection.make(workspace, ALL, MapParams("tsne", "both", 200)) for _ in range(2)
    )
    assert apart(first.xy, np.arange(N) % 3) > 3
    np.testing.assert_array_equal(first.xy, second.xy)


def test_the_axes_of_a_pca_say_their_variance_and_strongest_columns(tmp_path):
    rng = np.random.default_rng(1)
    wave = rng.standard_normal(200)
    noise = 0.01 * rng.standard_normal((200, 3))
    x = np.column_stack([wave, 5 * wave, rng.standard_normal(200)]) + noise
    made = projection.make(store(tmp_path / "w", x), ALL, MapParams())
    assert set(made.strong[0][:2]) == {"f0", "f1"}
    assert made.axes[0] == "Principal component 1 (67% of variance)"


def test_columns_count_the_same_whatever_their_unit(workspace):
    found = projection.measured(workspace, ALL, "features", 1000)
    points = projection.standardised(found)
    scaled = projection.standardised(found._replace(x=found.x * [1, 1e6, 1, 1e-6, 1, 1] + 7))
    np.testing.assert_allclose(points.x, scaled.x, atol=1e-4)
    np.testing.assert_allclose(points.x.std(axis=0), 1, atol=1e-3)


def test_in_both_each_block_counts_the_same_whatever_its_width(workspace):
    points = projection.standardised(projection.measured(workspace, ALL, "both", 1000))
    mel = np.array([n.startswith("mel") for n in points.names])
    assert (points.x[:, mel] ** 2).sum() == pytest.approx((points.x[:, ~mel] ** 2).sum(), rel=1e-3)


def test_missing_values_take_the_median_and_are_counted(tmp_path):
    x = clusters()[0]
    x[:30, 1] = np.nan
    x[:90, 2] = np.nan
    x[:, 3] = 4.0
    points = projection.standardised(
        projection.measured(store(tmp_path / "w", x), ALL, "features", 1000)
    )
    assert points.imputed == 30
    assert points.left_out == ("f2", "f3")
    assert points.names == ("f0", "f1", "f4", "f5")
    there = x[30:, 1]
    # The median's place among the standardised values.
    values = np.r_[np.full(30, np.median(there)), there]
    expected = (np.median(there) - values.mean()) / values.std()
    np.testing.assert_allclose(points.x[:30, 1], expected, atol=1e-5)


def test_a_sample_is_the_same_every_time_and_says_its_total(workspace):
    params = MapParams("pca", "features", 40)
    first, second = (projection.make(workspace, ALL, params) for _ in range(2))
    assert first.clip_ids.tolist() == second.clip_ids.tolist()
    assert (len(first.clip_ids), first.total) == (40, N)
    assert first.clip_ids.tolist() == sorted(first.clip_ids)


def test_a_map_is_of_the_selection_only(workspace):
    chosen = Selection((Filter("gender", "=", "male"),))
    made = projection.make(workspace, chosen, MapParams())
    assert [int(c[2:]) % 3 for c in made.clip_ids] == [1] * (N // 3)


def test_clips_without_a_vector_stay_on_the_map(tmp_path):
    x, mel, _ = clusters(30)
    mel[4] = np.nan
    made = projection.make(store(tmp_path / "w", x, mel), ALL, MapParams("pca", "mel"))
    assert np.isfinite(made.xy).all()
    assert made.imputed == MEL


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (MapParams("pca", "features", 3), "takes 5 to"),
        (MapParams("tsne", "features", 20_000), r"t-SNE takes 5 to 5,000"),
        (MapParams("magic"), "one of"),
    ],
)
def test_settings_that_cannot_work_are_refused(workspace, params, words):
    with pytest.raises(ParameterError, match=words):
        projection.make(workspace, ALL, params)


def test_umap_says_how_to_get_it(workspace, monkeypatch):
    monkeypatch.setattr(projection, "has_umap", lambda: False)
    with pytest.raises(MissingPackageError, match="pip install umap-learn"):
        projection.make(workspace, ALL, MapParams("umap", "features", 100))


def test_too_few_clips_and_clips_without_differences_are_refused(tmp_path, workspace):
    few = Selection((Filter("clip_id", "in", ("c/0001", "c/0002")),))
    with pytest.raises(ParameterError, match="leaves 2 clips"):
        projection.make(workspace, few, MapParams())
    same = store(tmp_path / "w", np.ones((10, 3)))
    with pytest.raises(ParameterError, match="Nothing varies"):
        projection.make(same, ALL, MapParams())


def test_a_table_without_vectors_offers_no_mels(tmp_path, workspace):
    assert projection.spaces(workspace) == ("features", "mel", "both")
    plain = store(tmp_path / "w", clusters(20)[0])
    assert projection.spaces(plain) == ("features",)
    with pytest.raises(ParameterError, match="no mel strengths"):
        projection.make(plain, ALL, MapParams("pca", "mel"))


def test_a_job_makes_the_same_map_in_another_process_and_keeps_it(workspace):
    params = MapParams("tsne", "features", 100)
    folder = projection.folder_of(workspace, ALL, params)
    assert projection.stored(folder) is None
    status = projection.start(workspace, ALL, params).wait(120)
    assert status["state"] == "done", jobs.Job(folder).log()
    assert (status["done"], status["total"]) == (1000, 1000)
    kept, made = projection.stored(folder), projection.make(workspace, ALL, params)
    np.testing.assert_allclose(kept.xy, made.xy, atol=1e-3)
    assert kept.clip_ids.tolist() == made.clip_ids.tolist()
    for name in ("axes", "strong", "total", "imputed", "columns", "left_out"):
        assert getattr(kept, name) == getattr(made, name)


def test_a_damaged_map_on_disk_is_no_map(tmp_path, workspace):
    made = projection.make(workspace, ALL, MapParams())
    projection.store(tmp_path / "m", made)
    assert projection.stored(tmp_path / "m").xy.shape == (N, 2)
    (tmp_path / "m" / "map.npz").write_bytes(b"PK no map")
    assert projection.stored(tmp_path / "m") is None


def test_another_content_or_setting_is_another_map(tmp_path, workspace):
    x = clusters(30)[0]
    other = store(tmp_path / "w", x)
    male = Selection((Filter("gender", "=", "male"),))
    names = {
        projection.folder_of(w, s, p).name
        for w, s, p in [
            (workspace, ALL, MapParams()),
            (workspace, male, MapParams()),
            (workspace, ALL, MapParams("tsne")),
            (other, ALL, MapParams()),
        ]
    }
    assert len(names) == 4


def test_points_in_a_lasso_and_a_box():
    xy = np.array([[0.5, 0.5], [2.0, 0.5], [0.9, 0.2], [0.2, 0.9]])
    triangle = [0, 1, 0], [0, 0, 1.05]
    assert colouring.inside(xy, *triangle).tolist() == [True, False, False, False]
    assert colouring.inside(xy, [1, 0], [0, 0.6]).tolist() == [True, False, True, False]


def test_a_frame_holds_all_points_but_those_that_would_make_the_rest_a_speck():
    xy = np.random.default_rng(0).standard_normal((500, 2))
    assert colouring.inside(xy, *colouring.frame(xy)).all()
    xy[7] = 200, 0
    shown = colouring.inside(xy, *colouring.frame(xy))
    assert np.flatnonzero(~shown).tolist() == [7]
    same = np.ones((10, 2))
    assert colouring.inside(same, *colouring.frame(same)).all()


def test_groups_are_ordered_by_frequency_and_the_rest_is_together(tmp_path):
    names = [c for i, c in enumerate("abcdefghij") for _ in range(10 - i)] + [None] * 3
    found = store(
        tmp_path / "w", np.random.default_rng(0).normal(size=(len(names), 2)), accent=names
    )
    ids = projection.make(found, ALL, MapParams()).clip_ids
    colours = colouring.colour(found, ids, "accent", numeric=False)
    assert colours.groups == (*"abcdefgh", "other values", "not known")
    assert np.bincount(colours.values).tolist() == [10, 9, 8, 7, 6, 5, 4, 3, 3, 3]


def test_neighbours_of_planted_groups_agree_and_speakers_are_kept_apart(workspace):
    made = projection.make(workspace, ALL, MapParams())
    colours = colouring.colour(workspace, made.clip_ids, "gender", numeric=False)
    found = colouring.agreement(workspace, made, colours)
    assert found.share == 1.0
    assert found.chance == pytest.approx(0.5)
    assert (found.pairs, found.apart) == (80, True)


def test_neighbours_of_numbers_correlate(workspace):
    made = projection.make(workspace, ALL, MapParams())
    strong = colouring.colour(workspace, made.clip_ids, "f0", numeric=True)
    assert colouring.agreement(workspace, made, strong).share > 0.9
    nothing = strong._replace(values=np.full(N, np.nan, np.float32))
    assert np.isnan(colouring.agreement(workspace, made, nothing).share)


def test_one_voice_beside_itself_is_no_agreement(tmp_path):
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(30), 6)
    x = rng.standard_normal((30, 4))[speakers] + 0.01 * rng.standard_normal((180, 4))
    label = rng.permutation(np.repeat(["a", "b"], 15))[speakers]
    found = store(tmp_path / "w", x, gender=label, speaker_id=[f"s{s}" for s in speakers])
    made = projection.make(found, ALL, MapParams())
    colours = colouring.colour(found, made.clip_ids, "gender", numeric=False)
    assert colouring.agreement(found, made, colours).share < 0.75


def test_the_figure_has_a_trace_for_each_group_and_titles_on_its_axes(workspace):
    made = projection.make(workspace, ALL, MapParams())
    colours = colouring.colour(workspace, made.clip_ids, "gender", numeric=False)
    shown = colouring.drawn(N, 5000)
    fig = maps.cloud(
        made, colours, shown=shown, names=list(made.clip_ids), title="Gender", frame=FRAME
    )
    assert [t.name for t in fig.data] == ["female (40)", "male (40)", "not known (40)"]
    assert sum(len(t.x) for t in fig.data) == N
    assert fig.data[0].type == "scatter"
    assert "Principal component 1" in fig.layout.xaxis.title.text
    np.testing.assert_array_equal(fig.data[1].x, made.xy[1::3, 0])
    assert fig.data[1].text[0] == "c/0001"


def test_numbers_have_a_scale_with_its_title_and_missing_ones_are_grey(workspace):
    made = projection.make(workspace, ALL, MapParams())
    colours = colouring.colour(workspace, made.clip_ids, "f2", numeric=True)
    names = list(made.clip_ids)
    fig = maps.cloud(
        made, colours, shown=np.arange(N), names=names, title="Level (dBFS)", frame=FRAME
    )
    assert fig.data[0].marker.colorbar.title.text == "Level (dBFS)"
    assert (len(fig.data[0].x), len(fig.data[1].x)) == (N - 1, 1)


def test_many_clips_become_a_density_and_a_sample_under_300_kb():
    n = 20_000
    xy = np.random.default_rng(0).standard_normal((n, 2)).astype(np.float32)
    ids = np.array([f"clip-number-{i:06d}" for i in range(n)], dtype=object)
    made = projection.Projection(ids, xy, ("a", "b"), (), n, 0, 2, ())
    colours = colouring.Colour("gender", (np.arange(n) % 2).astype(np.int16), ("a", "b"))
    shown, frame = colouring.drawn(n, 5000), colouring.frame(xy)
    crowd = colouring.density(xy, frame)
    assert crowd.counts.sum() == n
    fig = maps.cloud(
        made,
        colours,
        shown=shown,
        names=[ids[i] for i in shown],
        title="x",
        frame=frame,
        crowd=crowd,
    )
    assert [t.type for t in fig.data] == ["heatmap", "scatter", "scatter"]
    assert len(fig.data[1].x) + len(fig.data[2].x) == 2500
    assert len(fig.to_json()) < 300_000


def test_names_from_files_cannot_act_in_the_figure(workspace):
    made = projection.make(workspace, ALL, MapParams())
    colours = colouring.colour(workspace, made.clip_ids, "gender", numeric=False)
    colours = colours._replace(groups=("<b>x</b>", "%{y}", "not known"))
    fig = maps.cloud(
        made, colours, shown=np.arange(N), names=["<i>n</i>"] * N, title="<u>t</u>", frame=FRAME
    )
    text = fig.to_json()
    assert "<b>" not in text and "\\u003cb\\u003e" not in text
    assert fig.data[0].text[0] == "&lt;i&gt;n&lt;/i&gt;"


@pytest.mark.parametrize(
    ("method", "space"),
    [("pca", "features"), ("pca", "mel"), ("pca", "both"), ("tsne", "both")],
)
def test_the_code_shown_makes_the_same_map(workspace, space, method, tmp_path, monkeypatch):
    params = MapParams(method, space, 200)
    made = projection.make(workspace, ALL, params)
    monkeypatch.chdir(tmp_path)
    table = projection.table(workspace, made, space, "gender")
    table.to_csv("map.csv", index=False)
    said: dict = {}
    with threadpool_limits(1):
        exec(map_code.cloud(params, "map.csv"), said)
    points = said["points"]
    if method == "pca":
        for i, name in enumerate(("x", "y")):
            r = np.corrcoef(points[name], made.xy[:, i])[0, 1]
            assert abs(r) == pytest.approx(1, abs=1e-6)
            assert points[name].std() == pytest.approx(made.xy[:, i].std(ddof=1), rel=1e-3)
    else:  # chaotic: the last digit of an input decides
        assert apart(points[["x", "y"]].to_numpy(), np.arange(N) % 3) > 3
    assert points["colour"].isna().sum() == N // 3
    assert io.StringIO(table.to_csv()).readline().startswith(",clip_id,map_x,map_y,colour,")

"""Mean mel pictures: the definition, the store of pictures, means, and the test, on known truth."""

import json

import librosa
import numpy as np
import pandas as pd
import pytest

from conftest import SR, tone, voice
from core.cli import main
from core.eda import mean_mels, mel_images
from core.eda.mel_images import FRAMES, STEP_DB
from core.errors import AudioReadError, DatasetError, ParameterError
from core.extract import has_sound
from core.figures import mean_mels as figures
from core.filters import Filter, Selection
from core.spectra import mel_freqs
from core.store import StoreError, Workspace

LOW_HZ, HIGH_HZ = 300.0, 3000.0
ALL = Selection()


def band_of(hz: float) -> int:
    return int(np.abs(mel_freqs(128, sr=SR) - hz).argmin())


def workspace_of(folder, table: pd.DataFrame) -> Workspace:
    """A workspace of clips that are measured already."""
    made = Workspace.create(folder, recipe={"feature_set": "test-v1"}, columns=["a"])
    with made.writer() as writer:
        writer.set_catalogue(table, unit_size=64)
        for unit in writer.missing():
            rows = [{"clip_id": i["clip_id"], "values": {"a": 1.0}} for i in unit.items]
            writer.write(unit.number, rows)
        writer.tidy()
    return made


def catalogue(paths: list, **labels) -> pd.DataFrame:
    stats = [p.stat() for p in paths]
    table = {
        "clip_id": [f"c/{p.stem}" for p in paths],
        "path": [str(p) for p in paths],
        "size": [s.st_size for s in stats],
        "mtime_ns": [s.st_mtime_ns for s in stats],
        "text": None,
    }
    return pd.DataFrame({**table, **labels})


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Low tones of group A and high ones of group B in noise: 8 and 6 speakers of 2 clips."""
    import soundfile as sf

    folder, rng = tmp_path_factory.mktemp("tones"), np.random.default_rng(0)
    paths, kinds, speakers, halves = [], [], [], []
    for i in range(28):
        kind, speaker = ("A", i // 2) if i < 16 else ("B", i // 2)
        y = tone(LOW_HZ if kind == "A" else HIGH_HZ, 2.0, amplitude=0.2)
        y = y + 0.02 * rng.standard_normal(y.size) * (1 + rng.random())
        path = folder / f"{i:02d}.wav"
        sf.write(path, y, SR)
        paths.append(path)
        kinds.append(kind)
        speakers.append(f"s{speaker}")
        halves.append("xy"[speaker % 2])
    found = workspace_of(
        folder / "w", catalogue(paths, kind=kinds, speaker_id=speakers, half=halves)
    )
    done = mel_images.make(found.folder, workers=1)
    assert (done.done, done.failed) == (28, 0)
    return found


def compared(workspace, label="kind", a="A", b="B", by_speaker=False, selection=ALL):
    images = mel_images.open_images(workspace)
    clips = mean_mels.pick(workspace, images, selection)
    return mean_mels.compare(workspace, images, clips, label, a, b, by_speaker=by_speaker)


@pytest.mark.parametrize("duration_s", [0.05, 1.3, 3.0, 7.0])
def test_a_picture_is_librosas_cut_or_padded_to_three_seconds(duration_s):
    y = voice(150, duration_s)
    y[4 * SR :] *= 3  # the loudest part of a long clip is not in the picture
    S = librosa.feature.melspectrogram(y=y, sr=SR)
    expected = np.full((128, FRAMES), -80.0)
    S_db = librosa.power_to_db(S, ref=np.max)[:, :FRAMES]
    expected[:, : S_db.shape[1]] = S_db
    levels, frames = mel_images.picture(y, sr=SR)
    assert frames == S_db.shape[1]
    np.testing.assert_allclose(levels * STEP_DB - 80, expected, atol=STEP_DB / 2 + 0.01)


def test_silence_has_no_picture_and_another_rate_is_refused():
    with pytest.raises(AudioReadError, match="silent"):
        mel_images.picture(np.zeros(SR, np.float32), sr=SR)
    with pytest.raises(ParameterError, match="resample"):
        mel_images.picture(voice(), sr=8000)


def test_sums_are_exact_for_the_brightest_pictures():
    white = np.full((2, 128, FRAMES), 255, np.uint8)
    found = mel_images.sums(white)
    assert (found["blocks"] == 255 * 6).all()
    assert (found["bands"] == 255 * FRAMES).all()


def test_pictures_are_made_once_and_again_where_a_file_changed(tmp_path, wav):
    paths = [wav(voice(100 + i, 0.5), f"{i}.wav") for i in range(3)]
    paths.append(wav(np.zeros(800), "silent.wav"))
    made = workspace_of(tmp_path / "w", catalogue(paths))
    seen = []
    first = mel_images.make(made.folder, workers=1, progress=seen.append)
    assert (first.done, first.failed, first.skipped) == (3, 1, 0)
    assert seen[-1].done == seen[-1].total == 4
    images = mel_images.open_images(made)
    assert len(images) == 3
    assert "silent" in images.failed["c/silent"]
    again = mel_images.make(made.folder, workers=1)
    assert (again.done, again.failed, again.skipped) == (0, 0, 4)
    new = voice(300, 0.8)
    wav(new, "1.wav", subtype="FLOAT")
    with made.writer() as writer:
        writer.set_catalogue(catalogue(paths), unit_size=64)
        for unit in writer.missing():
            rows = [{"clip_id": i["clip_id"], "values": {"a": 1.0}} for i in unit.items]
            writer.write(unit.number, [*unit.known, *rows])
        writer.tidy()
    stale = mean_mels.pick(made, mel_images.open_images(made), Selection())
    assert stale.selected == 4
    assert "c/1" not in stale.clip_ids
    third = mel_images.make(made.folder, workers=1)
    assert (third.done, third.skipped) == (1, 3)
    images = mel_images.open_images(made)
    clips = mean_mels.pick(made, images, Selection())
    assert sorted(clips.clip_ids) == ["c/0", "c/1", "c/2"]
    (at,) = np.flatnonzero(clips.clip_ids == "c/1")
    stack = np.concatenate(list(images.read(clips.which, "images")))
    np.testing.assert_array_equal(stack[at] > 0, mel_images.picture(new, sr=SR)[0] > 0)
    assert mel_images.stamp(made) == 2


def test_each_picture_is_that_of_its_clip(tones):
    from core import audio

    images = mel_images.open_images(tones)
    clips = mean_mels.pick(tones, images, Selection())
    stack = np.concatenate(list(images.read(clips.which, "images")))
    paths = tones.features(["clip_id", "path"]).set_index("clip_id")["path"]
    for clip_id, image in zip(clips.clip_ids, stack, strict=True):
        y, sr = audio.load(audio.ClipRef.of(paths[clip_id]))
        np.testing.assert_array_equal(image, mel_images.picture(y, sr=sr)[0])


def test_a_cancelled_run_goes_on_and_a_limit_takes_a_sample(tmp_path, wav):
    paths = [wav(voice(100 + i, 0.2), f"{i}.wav") for i in range(6)]
    made = workspace_of(tmp_path / "w", catalogue(paths))
    assert mel_images.make(made.folder, workers=1, cancel=lambda: True).cancelled
    assert mel_images.make(made.folder, workers=1, limit=4).done == 4
    few = set(mean_mels.pick(made, mel_images.open_images(made), Selection()).clip_ids)
    assert mel_images.make(made.folder, workers=1).done == 2
    images = mel_images.open_images(made)
    assert set(mean_mels.pick(made, images, Selection(), most=4).clip_ids) == few


def test_a_damaged_part_is_made_again(tones, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(tones.folder, folder)
    (part,) = (folder / "mels").glob("images-*.npy")
    copy = Workspace.open(folder)
    images = mel_images.open_images(copy)
    part.write_bytes(part.read_bytes()[:1000])
    with pytest.raises(StoreError, match="Make the mel pictures again"):
        list(images.read(np.arange(3), "images"))
    assert len(mel_images.open_images(copy)) == 0
    assert mel_images.make(folder, workers=1).done == 28


def test_pictures_of_another_recipe_are_not_used(tones, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(tones.folder, folder)
    (folder / "mels" / "recipe.json").write_text(json.dumps({"clean": "other"}))
    assert len(mel_images.open_images(Workspace.open(folder))) == 0
    assert mel_images.make(folder, workers=1).done == 28


def test_a_table_without_sound_says_so(tmp_path):
    table = pd.DataFrame({"clip_id": ["a", "b"], "path": "", "size": 0, "mtime_ns": 0})
    made = workspace_of(tmp_path / "w", table.assign(text=None))
    assert not has_sound(made)
    with pytest.raises(DatasetError, match="without sound"):
        mel_images.make(made.folder)


def test_the_command_makes_pictures(tmp_path, wav, capsys):
    made = workspace_of(tmp_path / "w", catalogue([wav(voice(), "1.wav")]))
    assert main(["mels", str(made.folder), "--workers", "1"]) == 0
    assert "1 mel pictures made" in capsys.readouterr().err
    assert main(["mels", str(made.folder), "--limit", "0"]) == 2


def test_means_peak_where_the_tones_are_and_the_difference_is_centred(tones):
    found = compared(tones)
    assert (found.a.clips, found.a.speakers) == (16, 8)
    assert (found.b.clips, found.b.speakers) == (12, 6)
    assert found.a.spectrum.argmax() == band_of(LOW_HZ)
    assert found.b.spectrum.argmax() == band_of(HIGH_HZ)
    bands = found.difference.mean(axis=1)
    assert bands.argmax() == band_of(LOW_HZ)
    assert bands.argmin() == band_of(HIGH_HZ)
    np.testing.assert_array_equal(found.difference, found.a.mean - found.b.mean)
    back = compared(tones, a="B", b="A")
    np.testing.assert_allclose(back.difference, -found.difference, atol=1e-4)


def test_means_are_those_of_the_pictures(tones):
    found = compared(tones)
    images = mel_images.open_images(tones)
    clips = mean_mels.pick(tones, images, Selection())
    stack = np.concatenate(list(images.read(clips.which, "images"))) * STEP_DB - 80
    in_a = np.array([int(c[-2:]) < 16 for c in clips.clip_ids])
    np.testing.assert_allclose(found.a.mean, stack[in_a].mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(found.b.mean, stack[~in_a].mean(axis=0), atol=1e-3)
    # 2.0 s is 63 frames of sound.
    assert found.a.padded == pytest.approx(1 - 63 / 93, abs=1e-6)


def test_the_mask_keeps_the_tones_and_hides_the_noise(tones):
    found = compared(tones)
    marks = found.chance.significant
    assert found.chance.unit == "speaker"
    assert marks[band_of(LOW_HZ) // 2, 2:18].all()
    assert marks[band_of(HIGH_HZ) // 2, 2:18].all()
    assert not marks[:, 22:].any()  # padding
    far = compared(tones, "half", "x", "y").chance
    assert far.significant.mean() < 0.01


def test_groups_that_do_not_differ_are_marked_in_about_one_of_twenty_cases():
    rng = np.random.default_rng(1)
    marked = 0
    for _ in range(30):
        speakers = np.repeat(np.arange(16), 3)
        own = rng.normal(0, 20, (16, 1984))[speakers]
        blocks = np.clip(600 + own + rng.normal(0, 5, (48, 1984)), 0, 1530).astype(np.uint16)
        units = mean_mels._units(speakers, speakers < 8)
        marked += mean_mels._chance(blocks, units, False, "speaker").significant.any()
    assert marked <= 5  # of 30 cases at 5 %: more has p < 0.005


def test_clips_of_one_speaker_are_not_taken_for_evidence():
    """Speakers differ, groups do not: clip by clip nearly everything would be marked."""
    rng = np.random.default_rng(2)
    speakers = np.repeat(np.arange(12), 30)
    own = rng.normal(0, 60, (12, 1984))[speakers]
    blocks = np.clip(700 + own + rng.normal(0, 5, own.shape), 0, 1530).astype(np.uint16)
    by_speaker = mean_mels._chance(
        blocks, mean_mels._units(speakers, speakers < 6), False, "speaker"
    )
    alone = mean_mels._units(np.full(speakers.size, -1), speakers < 6)
    by_clip = mean_mels._chance(blocks, alone, False, "clip")
    assert by_speaker.significant.mean() < 0.02
    assert by_clip.significant.mean() > 0.4


def test_speakers_in_both_groups_are_compared_with_themselves():
    rng = np.random.default_rng(3)
    speakers, in_a = np.repeat(np.arange(10), 2), np.tile([True, False], 10)
    own = rng.normal(0, 80, (10, 1984))[speakers]
    blocks = 700 + own + rng.normal(0, 4, own.shape)
    blocks[in_a, :40] += 20
    blocks = np.clip(blocks, 0, 1530).astype(np.uint16)
    found = mean_mels._chance(blocks, mean_mels._units(speakers, in_a), False, "speaker")
    assert found.both == 10
    assert found.significant.ravel()[:40].mean() > 0.5
    assert found.significant.ravel()[40:].mean() < 0.02


@pytest.mark.parametrize("by_speaker", [False, True])
def test_the_tested_difference_is_the_one_of_the_means(by_speaker):
    rng = np.random.default_rng(6)
    speakers = rng.integers(0, 9, 40)
    in_a, blocks = speakers < 4, rng.integers(0, 1530, (40, 1984)).astype(np.uint16)
    units = mean_mels._units(speakers, in_a)
    labels = np.stack([units.in_a, np.ones(units.size.size)]).astype(np.float32)
    some, every = mean_mels._relabelled_sums(blocks, units, labels, by_speaker)
    size = np.ones(units.size.size) if by_speaker else units.size
    n_a, n_b = size[units.in_a].sum(), size[~units.in_a].sum()
    weights = mean_mels._weights(units, 40, by_speaker)
    expected = (weights[0] - weights[1]) @ blocks
    np.testing.assert_allclose(some / n_a - (every - some) / n_b, expected, atol=0.05)


def test_too_few_speakers_are_not_tested_and_the_sentence_says_so(tones):
    few = Selection((Filter("speaker_id", "in", ("s0", "s1", "s8", "s9")),))
    found = compared(tones, selection=few)
    assert found.chance.significant is None
    assert "too few" in mean_mels.sentence(found)
    assert any("Few speakers" in said for said in mean_mels.cautions(found))


def test_each_speaker_counts_once(tmp_path, wav):
    """One speaker with three clips and one with one: the mean is halfway between them."""
    paths = [wav(tone(hz, 1.0), f"{i}.wav") for i, hz in enumerate([300, 300, 300, 3000, 1000])]
    made = workspace_of(
        tmp_path / "w", catalogue(paths, kind=list("AAAAB"), speaker_id=list("pppqr"))
    )
    mel_images.make(made.folder, workers=1)
    own = [mel_images.picture(tone(hz, 1.0), sr=SR)[0] * STEP_DB - 80.0 for hz in (300, 3000)]
    by_clip = compared(made).a.mean
    by_speaker = compared(made, by_speaker=True).a.mean
    np.testing.assert_allclose(by_speaker, (own[0] + own[1]) / 2, atol=0.35)
    np.testing.assert_allclose(by_clip, (3 * own[0] + own[1]) / 4, atol=0.35)


def test_the_nearest_clip_is_the_one_that_is_the_mean():
    rng = np.random.default_rng(4)
    blocks = rng.integers(300, 900, (9, 1984)).astype(np.uint16)
    blocks[5] = blocks[[i for i in range(9) if i != 5]].mean(axis=0)
    levels = blocks.mean(axis=0).reshape(64, 31) / 6 * STEP_DB - 80
    mean = np.kron(levels, np.ones((2, 3))).astype(np.float32)
    ids = np.array([f"c{i}" for i in range(9)], object)
    clips = mean_mels.Clips(ids, np.arange(9), np.full(9, -1), blocks, blocks, 9, 9)
    near = mean_mels._nearest(clips, np.arange(9), mean)
    assert len(near) == 5
    assert near[0].clip_id == "c5"
    assert [n.distance_db for n in near] == sorted(n.distance_db for n in near)


def test_the_interval_of_the_spectrum_is_students():
    from scipy import stats

    rng = np.random.default_rng(5)
    bands = rng.integers(5000, 15000, (7, 128)).astype(np.uint16)
    units = mean_mels._units(np.full(7, -1), np.ones(7, bool))
    levels = bands * (STEP_DB / FRAMES) - 80
    half = mean_mels._error(bands, units, levels.mean(axis=0).astype(np.float32), False, True)
    low, high = stats.t.interval(0.95, 6, levels.mean(axis=0), stats.sem(levels, axis=0))
    np.testing.assert_allclose(half, (high - low) / 2, rtol=1e-3)


def test_a_group_without_pictures_and_an_unknown_label_are_refused(tones):
    with pytest.raises(ParameterError, match="two other groups"):
        compared(tones, a="A", b="nobody")
    with pytest.raises(ParameterError, match="two other groups"):
        compared(tones, a="A", b="A")
    with pytest.raises(ParameterError, match="no label"):
        compared(tones, label='x"; DROP TABLE clips; --')


def test_labels_and_choices_are_those_of_the_selection(tones):
    assert sorted(mean_mels.label_names(tones)) == ["half", "kind", "speaker_id"]
    assert mean_mels.choices(tones, "kind", Selection()) == ["A", "B"]
    assert mean_mels.choices(tones, "kind", Selection((Filter("kind", "=", "B"),))) == ["B"]


def test_figures_show_what_was_found_on_honest_scales(tones):
    found = compared(tones)
    limits = figures.shared_range(found)
    a, b = figures.mean(found.a, limits), figures.mean(found.b, limits)
    assert (a.data[0].zmin, a.data[0].zmax) == (b.data[0].zmin, b.data[0].zmax)
    np.testing.assert_allclose(a.data[0].z, found.a.mean, atol=0.051)
    whole = figures.difference(found, masked=False)
    assert whole.data[0].zmin == -whole.data[0].zmax
    masked = figures.difference(found, masked=True)
    assert masked.data[0].opacity < 0.5
    shown = np.isfinite(masked.data[1].z)
    np.testing.assert_array_equal(shown[::2, ::3], found.chance.significant)
    for fig in (a, whole, masked, figures.spectra(found)):
        assert fig.layout.xaxis.title.text
        assert fig.layout.yaxis.title.text
        assert len(fig.to_json()) < 300_000


def test_the_code_runs_on_the_downloaded_table(tones, tmp_path, monkeypatch, capsys):
    from pages.shared import mean_mels_panels

    found = compared(tones)
    monkeypatch.chdir(tmp_path)
    mean_mels.table(found).to_csv("x.csv", index=False)
    names: dict = {}
    exec(mean_mels_panels.code(found, "x.csv"), names)
    np.testing.assert_allclose(names["pictures"]["difference"], found.difference, atol=0.001)
    np.testing.assert_allclose(names["spectra"]["a_db"], found.a.spectrum, atol=0.001)
    bands = np.abs(found.a.spectrum - found.b.spectrum)
    hz = mel_freqs(128, sr=SR)[bands.argmax()]
    assert f"{hz:,.0f} Hz" in capsys.readouterr().out
    assert f"{hz:,.0f} Hz" in mean_mels.sentence(found)


def test_the_librosa_lines_make_the_picture_of_a_clip(tmp_path, wav, monkeypatch):
    from pages.shared import mean_mels_panels

    y = voice(200, 1.5)
    wav(y, "clip.wav", subtype="FLOAT")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(mean_mels_panels.PICTURE_CODE, names)
    levels, _ = mel_images.picture(y, sr=SR)
    np.testing.assert_allclose(levels * STEP_DB - 80, names["picture"], atol=STEP_DB / 2 + 0.01)


def test_men_of_the_article_are_stronger_at_the_low_bands(shared, tmp_path):
    """A sample of 300 clips; the mean of the ten lowest bands, as the article's picture shows."""
    from core.datasets import open_dataset

    table = open_dataset(shared / "article").catalogue()
    table = table.sample(300, random_state=0).sort_values("clip_id")
    stats = [p.stat() for p in map(type(shared), table["path"])]
    table["size"], table["mtime_ns"] = (
        [s.st_size for s in stats],
        [s.st_mtime_ns for s in stats],
    )
    made = workspace_of(
        tmp_path / "w", table[["clip_id", "path", "size", "mtime_ns", "text", "gender"]]
    )
    mel_images.make(made.folder)
    found = compared(made, "gender", "male", "female")
    assert found.chance.unit == "clip"
    assert found.difference[:10].mean() > 2
    assert found.difference[:5].mean() > 5
    assert found.chance.significant[:4].mean() > 0.3
    assert any("Speakers are not known" in said for said in mean_mels.cautions(found))

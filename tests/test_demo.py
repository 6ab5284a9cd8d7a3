"""The built-in recordings keep their promises, checked on the files themselves."""

import csv
import re
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from conftest import ROOT
from core.datasets import demo, demo_folder, demo_titles

DEMO = ROOT / "demo"
COLUMNS = (
    "client_id,path,sentence_id,sentence,sentence_domain,up_votes,down_votes,age,gender,"
    "accents,variant,locale,segment"
)
AGES = {"teens", "twenties", "thirties", "fourties", "fifties", "sixties"}
ARTICLE = [
    "silence_at_both_ends",
    "clicks_in_the_silence",
    "broad_varying_noise",
    "constant_narrow_band_noise",
]
FAULTS = [
    *ARTICLE,
    "hum_50_hz",
    "hum_60_hz",
    "clipping",
    "low_level",
    "dc_offset",
    "telephone_band",
    "low_sampling_rate",
    "stereo",
    "one_dead_channel",
    "several_at_once",
]
QUIET = {"clean", "silence_at_both_ends", "low_level", "telephone_band", "low_sampling_rate"}
QUIET |= {"stereo", "one_dead_channel"}
ACTIVE_DB = 40.0
TRUTH = pq.read_table(DEMO / "truth.parquet").to_pylist()


def of(*situations: str):
    rows = [row for row in TRUTH if row["situation"] in situations]
    return pytest.mark.parametrize("row", rows, ids=lambda row: row["clip"])


@pytest.fixture(scope="module")
def labels() -> list[dict]:
    with (DEMO / "validated.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def decoded(row: dict) -> tuple[np.ndarray, int]:
    """The clip as (n, channels)."""
    return sf.read(DEMO / "clips" / row["clip"], always_2d=True)


def live(row: dict) -> tuple[np.ndarray, int]:
    """The louder channel of the clip, (n,)."""
    y, sr = decoded(row)
    return y[:, np.argmax(np.sum(y**2, axis=0))], sr


def levels(y: np.ndarray, sr: int, frame_s: float = 0.010) -> np.ndarray:
    """RMS of whole frames in dB."""
    frame = round(frame_s * sr)
    parts = y[: len(y) // frame * frame].reshape(-1, frame)
    return 10 * np.log10(np.mean(parts**2, axis=1) + 1e-20)


def power(y: np.ndarray, sr: int, low: float, high: float) -> float:
    """Mean power per Hz between two frequencies."""
    spectrum = np.abs(np.fft.rfft(y * np.hanning(y.size))) ** 2
    freqs = np.fft.rfftfreq(y.size, 1 / sr)
    return float(np.mean(spectrum[(freqs >= low) & (freqs < high)]))


def pauses(row: dict, y: np.ndarray, sr: int) -> tuple[np.ndarray, np.ndarray]:
    """What is heard before and after the speech."""
    margin = 0.02
    before = y[: int((row["speech_start_s"] - margin) * sr)]
    return before, y[int((row["speech_end_s"] + margin) * sr) :]


def test_files_and_tables_name_the_same_clips(labels):
    files = {path.name for path in (DEMO / "clips").iterdir()}
    assert len(files) == len(labels) == len(TRUTH)
    assert files == {row["path"] for row in labels} == {row["clip"] for row in TRUTH}
    assert 180 <= len(files) <= 220


def test_everything_is_under_six_megabytes():
    size = sum(path.stat().st_size for path in DEMO.rglob("*") if "__pycache__" not in path.parts)
    assert size < 6_000_000


def test_the_table_has_common_voices_columns(labels):
    assert ",".join(labels[0]) == COLUMNS
    assert all(re.fullmatch("[0-9a-f]{128}", row["client_id"]) for row in labels)
    assert all(re.fullmatch("[0-9a-f]{64}", row["sentence_id"]) for row in labels)
    assert {row["gender"] for row in labels} == {"male_masculine", "female_feminine", ""}
    assert {row["age"] for row in labels} == AGES | {""}
    assert {row["locale"] for row in labels} == {"en", "de", "es", "fr"}


def test_labels_agree_with_the_truth_where_they_are_given(labels):
    truth = {row["clip"]: row for row in TRUTH}
    for row in labels:
        known = truth[row["path"]]
        assert row["age"] in ("", known["age"])
        assert row["gender"].split("_")[0] in ("", known["gender"])
        assert (row["sentence"], row["locale"]) == (known["sentence"], known["locale"])
    assert 5 <= sum(not row["gender"] for row in labels) <= 50
    assert 5 <= sum(not row["age"] for row in labels) <= 50


def test_each_speaker_has_one_id_and_six_to_eight_clips(labels):
    truth = {row["clip"]: row["speaker"] for row in TRUTH}
    pairs = {(row["client_id"], truth[row["path"]]) for row in labels}
    speakers = {speaker for _, speaker in pairs}
    assert len(pairs) == len(speakers) == len({client for client, _ in pairs}) >= 24
    counts = [sum(row["speaker"] == speaker for row in TRUTH) for speaker in speakers]
    assert min(counts) >= 6 and max(counts) <= 8


def test_both_genders_and_six_ages_are_balanced():
    who = {row["speaker"]: (row["gender"], row["age"]) for row in TRUTH}.values()
    assert sum(gender == "male" for gender, _ in who) == len(who) / 2
    assert set(who) == {(gender, age) for gender in ("male", "female") for age in AGES}


def test_sentences_have_four_to_twelve_words():
    for row in TRUTH:
        assert row["n_words"] == len(row["sentence"].replace(" ?", "").split())
        assert 4 <= row["n_words"] <= 12
        assert row["n_words"] <= row["n_syllables"] <= 3 * row["n_words"]
    assert len({row["sentence"] for row in TRUTH if row["locale"] == "en"}) >= 48


def test_half_of_the_clips_are_clean_and_each_situation_comes_several_times():
    counts = {s: sum(row["situation"] == s for row in TRUTH) for s in ["clean", *FAULTS]}
    assert sum(counts.values()) == len(TRUTH)
    assert abs(counts["clean"] / len(TRUTH) - 0.5) < 0.05
    for situation in FAULTS:
        rows = [row for row in TRUTH if row["situation"] == situation]
        assert len(rows) >= 5, situation
        assert {row["gender"] for row in rows} == {"male", "female"}, situation


def test_every_rate_of_the_list_is_there():
    rates = {row["sr"] for row in TRUTH}
    assert rates == {8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000}


@pytest.mark.parametrize("situation", ["clean", *FAULTS])
def test_one_clip_is_named_after_each_situation(situation):
    row = next(row for row in TRUTH if row["clip"] == f"demo_{situation}.mp3")
    assert row["situation"] == situation
    assert row["sr"] == (8000 if situation == "low_sampling_rate" else 48_000)


def test_titles_name_these_clips_in_a_lessons_order():
    names = [clip_id.removeprefix("demo/demo_") for clip_id in demo_titles()]
    assert names[:5] == ["clean", *ARTICLE]
    assert sorted(names) == sorted(["clean", *FAULTS])
    assert set(demo_titles()) <= set(demo().catalogue()["clip_id"])
    assert len(set(demo_titles().values())) == len(names)


def test_the_reader_finds_every_clip():
    assert demo_folder() == DEMO
    assert len(demo().catalogue()) == len(TRUTH)
    assert demo().problems().empty


def test_every_clip_decodes_to_its_promised_shape():
    for row in TRUTH:
        y, sr = decoded(row)
        assert (sr, y.shape[1]) == (row["sr"], row["channels"]), row["clip"]
        assert abs(len(y) / sr - row["duration_s"]) < 1e-3, row["clip"]
        assert 1.5 <= len(y) / sr <= 6, row["clip"]
        if row["situation"] != "clipping":
            # mp3 cannot follow a burst of 2 ms as closely as a voice.
            limit_db = 3.0 if row["click_times_s"] else 1.5
            assert abs(20 * np.log10(np.abs(y).max() / row["peak"])) < limit_db, row["clip"]
            assert np.abs(y).max() < 1, row["clip"]


def test_the_first_clip_for_a_newcomer_lasts_three_to_four_seconds():
    row = next(row for row in TRUTH if row["clip"] == "demo_clean.mp3")
    assert 3 <= row["duration_s"] <= 4


def test_speech_starts_and_ends_where_the_truth_says():
    quiet = [row for row in TRUTH if row["situation"] in QUIET]
    assert len(quiet) > 120
    for row in quiet:
        y, sr = live(row)
        loud = levels(y, sr)
        active = np.flatnonzero(loud > loud.max() - ACTIVE_DB)
        frame_s = round(0.010 * sr) / sr
        assert abs(active[0] * frame_s - row["speech_start_s"]) <= 0.030, row["clip"]
        assert abs((active[-1] + 1) * frame_s - row["speech_end_s"]) <= 0.030, row["clip"]


def test_pitch_is_credible_and_found_again_by_autocorrelation():
    for row in TRUTH:
        low, high = (85, 165) if row["gender"] == "male" else (165, 255)
        assert low <= row["f0_median_hz"] <= high, row["clip"]
    for row in [row for row in TRUTH if row["situation"] == "clean"][::6]:
        y, sr = live(row)
        n, best = round(0.04 * sr), []
        for at in range(0, y.size - n, n):
            part = y[at : at + n] - y[at : at + n].mean()
            r = np.fft.irfft(np.abs(np.fft.rfft(part, 2 * n)) ** 2)[:n]
            r /= r[0] * (1 - np.arange(n) / n) + 1e-12
            lags = np.arange(int(sr / 300), int(sr / 75))
            if r[lags].max() > 0.7 and np.std(part) > 0.3 * np.std(y):
                best.append(sr / lags[np.argmax(r[lags] > 0.93 * r[lags].max())])
        assert len(best) > 5, row["clip"]
        assert abs(12 * np.log2(np.median(best) / row["f0_median_hz"])) < 2, row["clip"]


def test_what_does_not_apply_is_nan():
    for row in TRUTH:
        noisy = row["noise_kind"] is not None
        assert noisy == np.isfinite(row["snr_db"])
        assert noisy == (row["situation"] in {*FAULTS[2:6], "several_at_once"})
        assert np.isfinite(row["hum_hz"]) == np.isfinite(row["hum_db"])
        assert bool(row["click_times_s"]) == (row["situation"] == "clicks_in_the_silence")
        assert (row["clipped_share"] > 0) == (row["situation"] == "clipping")
        assert (row["dc_offset"] != 0) == (row["situation"] == "dc_offset")
        assert np.isfinite(row["bandwidth_hz"]) == (row["situation"] == "telephone_band")


@of("silence_at_both_ends")
def test_silence_at_both_ends_is_long_and_quiet(row):
    y, sr = live(row)
    for part in pauses(row, y, sr):
        assert part.size > 0.6 * sr
        assert levels(part, sr).max() < levels(y, sr).max() - ACTIVE_DB


@of("clicks_in_the_silence")
def test_clicks_are_where_the_truth_says(row):
    y, sr = live(row)
    assert len(row["click_times_s"]) == 4
    quiet = np.abs(y) < 0.01
    for at in row["click_times_s"]:
        assert at < row["speech_start_s"] - 0.1 or at > row["speech_end_s"] + 0.1
        first = round(at * sr)
        assert np.abs(y[first : first + round(0.01 * sr)]).max() > 0.1
        assert quiet[first - round(0.04 * sr) : first - round(0.03 * sr)].all()


@of("broad_varying_noise")
def test_broad_noise_fills_every_octave(row):
    y, sr = live(row)
    before, _ = pauses(row, y, sr)
    assert levels(before, sr).mean() > -55
    octaves = [125.0 * 2**k for k in range(8) if 125 * 2 ** (k + 1) <= 0.3 * sr]
    densities = [power(before, sr, low, 2 * low) for low in octaves]
    falls = 10 * np.log10(np.array(densities[:-1]) / densities[1:])
    assert len(falls) >= 4
    assert np.all((falls > -4) & (falls < 14)), falls


def test_broad_noise_varies_and_narrow_noise_does_not():
    spread = {}
    for situation in ("several_at_once", "constant_narrow_band_noise"):
        rows = [row for row in TRUTH if row["situation"] == situation]
        # The difference leaves the hum out.
        heard = [np.diff(np.concatenate(pauses(row, *live(row)))) for row in rows]
        parts = [levels(y, row["sr"], 0.1) for y, row in zip(heard, rows, strict=True)]
        spread[situation] = np.median([np.std(part) for part in parts])
    assert spread["several_at_once"] > 2
    assert spread["constant_narrow_band_noise"] < 1


@of("constant_narrow_band_noise")
def test_narrow_noise_lies_in_its_band_at_its_level(row):
    y, sr = live(row)
    noise = np.concatenate(pauses(row, y, sr))
    spectrum = np.abs(np.fft.rfft(noise * np.hanning(noise.size))) ** 2
    freqs = np.fft.rfftfreq(noise.size, 1 / sr)
    inside = (freqs > row["noise_low_hz"] - 50) & (freqs < row["noise_high_hz"] + 50)
    assert spectrum[inside].sum() > 0.9 * spectrum.sum()
    assert abs(snr_db(row, y, sr, noise) - row["snr_db"]) < 1.5


def snr_db(row: dict, y: np.ndarray, sr: int, noise: np.ndarray) -> float:
    """Of the speech between its ends, inner pauses included, to noise heard outside them."""
    speech = y[int(row["speech_start_s"] * sr) : int(row["speech_end_s"] * sr)]
    unwanted = np.mean(noise**2)
    return float(10 * np.log10((np.mean(speech**2) - unwanted) / unwanted))


@of("hum_50_hz", "hum_60_hz", "several_at_once")
def test_hum_peaks_at_its_frequency_at_its_level(row):
    y, sr = live(row)
    assert row["hum_hz"] == (60 if row["situation"] == "hum_60_hz" else 50)
    hum = row["hum_hz"]
    beside = (power(y, sr, hum - 9, hum - 6) + power(y, sr, hum + 6, hum + 9)) / 2
    assert power(y, sr, hum - 0.7, hum + 0.7) > 10 * beside
    if row["situation"] != "several_at_once":
        heard = levels(np.concatenate(pauses(row, y, sr)), sr, 0.1).mean()
        assert abs(heard - row["hum_db"]) < 1.5
        assert abs(snr_db(row, y, sr, np.concatenate(pauses(row, y, sr))) - row["snr_db"]) < 1.5


@of("clipping")
def test_clipped_waves_pile_up_at_their_peak(row):
    y, _ = live(row)
    at = np.abs(y) / row["peak"]
    assert row["peak"] > 0.55
    assert np.sum(at > 0.95) > 1.5 * np.sum((at > 0.85) & (at <= 0.95))
    assert abs(np.mean(at > 0.95) - row["clipped_share"]) < 0.02


def test_waves_that_are_not_clipped_thin_out_towards_their_peak():
    for row in TRUTH:
        if row["situation"] not in {"clipping", "dc_offset"}:
            at = np.abs(live(row)[0]) / row["peak"]
            assert np.sum(at > 0.95) < 0.5 * np.sum((at > 0.75) & (at <= 0.95)), row["clip"]


@of("low_level")
def test_low_level_is_low(row):
    y, _ = live(row)
    assert row["gain_db"] < -20
    assert np.abs(y).max() < 0.05


def test_dc_offset_is_the_mean_of_the_wave():
    for row in TRUTH:
        mean = live(row)[0].mean()
        if row["dc_offset"]:
            assert abs(mean / row["dc_offset"] - 1) < 0.1, row["clip"]
        else:
            assert abs(mean) < 0.01, row["clip"]
    assert {np.sign(row["dc_offset"]) for row in TRUTH} == {-1, 0, 1}


@of("telephone_band")
def test_telephone_keeps_300_to_3400_hz(row):
    y, sr = live(row)
    kept = power(y, sr, 400, 3000)
    assert row["bandwidth_hz"] == 3400
    assert power(y, sr, 20, 150) < kept / 1000
    if sr > 10_000:
        assert power(y, sr, 4500, sr / 2) < kept / 1000


@of("low_sampling_rate")
def test_low_sampling_rates_are_low(row):
    assert row["sr"] in (8000, 11025)


@of("stereo")
def test_stereo_has_two_live_channels(row):
    y, _ = decoded(row)
    left, right = y.T
    assert np.corrcoef(left, right)[0, 1] > 0.98
    assert 0.5 < np.std(right) / np.std(left) < 0.95


@of("one_dead_channel")
def test_one_channel_is_dead(row):
    y, _ = decoded(row)
    assert y.shape[1] == 2
    assert np.std(y, axis=0).min() < 1e-4 < 0.01 < np.std(y, axis=0).max()


def test_either_channel_may_be_dead():
    rows = [row for row in TRUTH if row["situation"] == "one_dead_channel"]
    assert {int(np.argmin(np.std(decoded(row)[0], axis=0))) for row in rows} == {0, 1}


def test_a_rebuild_gives_the_same_bytes(tmp_path):
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed: the recordings cannot be rebuilt here")
    said = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True).stdout
    here = (re.search(r": (\S+) ", said)[1], sf.__libsndfile_version__)
    made = re.search(r"espeak-ng (\S+), libsndfile (\S+),", (DEMO / "README.md").read_text())
    if here != made.groups():
        pytest.skip(f"made with espeak-ng and libsndfile {made.groups()}, here are {here}")
    names = ["demo_clean", "demo_clipping", "demo_clicks_in_the_silence", "demo_stereo"]
    build = [sys.executable, str(DEMO / "build.py"), "--out", str(tmp_path), "--only", *names]
    subprocess.run(build, check=True, capture_output=True)
    assert {path.stem for path in (tmp_path / "clips").iterdir()} == set(names)
    for path in (tmp_path / "clips").iterdir():
        assert path.read_bytes() == (DEMO / "clips" / path.name).read_bytes(), path.name
    rebuilt = pq.read_table(tmp_path / "truth.parquet").to_pylist()
    expected = [row for row in TRUTH if row["clip"].removesuffix(".mp3") in names]
    assert repr(rebuilt) == repr(expected)
    lines = (DEMO / "validated.tsv").read_text(encoding="utf-8").splitlines()
    assert set((tmp_path / "validated.tsv").read_text(encoding="utf-8").splitlines()) <= set(lines)


def test_building_a_few_clips_does_not_touch_the_built_in_tables():
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed: the recordings cannot be rebuilt here")
    before = (DEMO / "validated.tsv").read_bytes()
    build = [sys.executable, str(DEMO / "build.py"), "--only", "demo_clean"]
    said = subprocess.run(build, capture_output=True, text=True)
    assert said.returncode == 2 and "give another folder as --out" in said.stderr
    assert (DEMO / "validated.tsv").read_bytes() == before

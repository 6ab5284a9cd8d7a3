"""Every reader under one contract, on a tiny data set of its layout."""

import json
from pathlib import Path
import re

from layouts import ARTICLE_HEADER, LAYOUTS, article, folder, kaldi, nemo, vctk, write
import numpy as np
import pandas as pd
import pytest

from core.datasets import COLUMNS, ORIGINALS, READERS, counts, layouts, open_dataset, recognise
from core.datasets.labels import age_decade, gender
from core.errors import DatasetError, ParameterError
from core.store import import_table

every_layout = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture
def made(layout, tmp_path) -> Path:
    """A tiny data set of the layout."""
    return LAYOUTS[layout][0](tmp_path / "set")


def said(row: pd.Series) -> dict:
    return {key: None if pd.isna(value) else value for key, value in row.items()}


def test_every_layout_has_a_tiny_data_set():
    assert list(LAYOUTS) == sorted(LAYOUTS, key=layouts().index) and set(LAYOUTS) == set(layouts())


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.layout)
def test_every_reader_says_what_it_reads(reader):
    assert reader.layout and reader.title and reader.licence and reader.about.endswith(".")
    assert reader.citation or reader.layout in ("folder", "feature_table")
    assert reader.__doc__ and reader.fits.__doc__ and reader.rows.__doc__


@every_layout
def test_the_layout_is_recognised_and_no_other(layout, made):
    assert recognise(made) == [layout]
    assert open_dataset(made).layout == layout


@every_layout
def test_clips_labels_and_problems_are_those_of_the_layout(layout, made):
    _, clips, labels, problems = LAYOUTS[layout]
    dataset = open_dataset(made)
    table = dataset.catalogue()
    assert list(table["clip_id"]) == clips
    first = said(table.iloc[0])
    assert {name: first[name] for name in labels} == labels
    assert list(dataset.problems()["problem"]) == problems
    assert all(clip_id.startswith(dataset.name + "/") for clip_id in clips)


@every_layout
def test_the_catalogue_has_the_columns_and_kinds_of_the_contract(layout, made):
    table = open_dataset(made).catalogue()
    assert tuple(table) == (*COLUMNS, *ORIGINALS)
    numbers = {"age_decade", "duration"}
    assert {name for name in table if table[name].dtype == "float64"} == numbers
    assert all(isinstance(table[name].dtype, pd.StringDtype) for name in set(table) - numbers)
    assert table["clip_id"].is_unique and table["clip_id"].is_monotonic_increasing
    assert set(table["gender"].dropna()) <= {"male", "female", "other"}
    if layout != "feature_table":
        assert all(Path(path).is_file() and Path(path).is_absolute() for path in table["path"])


@every_layout
def test_problems_have_columns_and_kinds_even_where_there_are_none(layout, made):
    table = open_dataset(made).problems()
    assert list(table) == ["row", "path", "problem"] and table["row"].dtype == "int64"


@every_layout
def test_a_catalogue_that_is_changed_does_not_change_the_data_set(layout, made):
    dataset = open_dataset(made)
    table = dataset.catalogue()
    table["clip_id"] = "changed"
    assert "changed" not in set(dataset.catalogue()["clip_id"])


@every_layout
def test_the_layout_named_is_the_layout_used(layout, made):
    assert open_dataset(made, layout).catalogue().equals(open_dataset(made).catalogue())


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"folder"}))
def test_a_layout_that_does_not_fit_is_an_error_or_empty(layout, tmp_path):
    write(tmp_path / "set", {"clips/readme.txt": "nothing"})
    with pytest.raises(DatasetError):
        assert not open_dataset(tmp_path / "set", layout).catalogue().empty or _empty(layout)


def _empty(layout: str) -> bool:
    if layout in ("ravdess", "fsdd"):  # no table, so nothing to miss
        raise DatasetError("no clips")
    return False


def test_a_place_without_audio_is_refused_with_what_to_do(tmp_path):
    write(tmp_path, {"notes.txt": "x"})
    assert recognise(tmp_path) == []
    with pytest.raises(DatasetError, match=r"no known layout .* name the layout: one of common_vo"):
        open_dataset(tmp_path)


def test_a_place_that_fits_two_layouts_asks_for_one(tmp_path):
    kaldi(article(tmp_path / "set"))
    assert recognise(tmp_path / "set") == ["article", "kaldi"]
    with pytest.raises(DatasetError, match=r"fits the layouts article and kaldi\. Name the one"):
        open_dataset(tmp_path / "set")
    assert open_dataset(tmp_path / "set", "kaldi").layout == "kaldi"


def test_a_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere: there is no such folder or file"):
        open_dataset(tmp_path / "nowhere")


def test_an_unknown_layout_or_option_is_refused_with_what_there_is(tmp_path):
    with pytest.raises(ParameterError, match="Unknown layout 'cassette': choose one of common_voi"):
        open_dataset(tmp_path, "cassette")
    with pytest.raises(ParameterError, match="folder has no option 'colour': it has columns, tab"):
        open_dataset(tmp_path, "folder", colour="red")


@pytest.mark.parametrize(
    ("word", "decade"),
    [
        *[("fourties", 40), ("forties", 40), ("teens", 10), ("Nineties", 90), ("40s", 40)],
        *[("40's", 40), ("43", 40), ("43.0", 40), (" 43 years", 40), ("43 y", 40), ("40-49", 40)],
        *[("9", 0), ("100", 100), ("0", None), ("1234", None), ("1983", None), ("-5", None)],
        *[("38-42", None), ("ancient", None), ("", None), ("٤٣", None), ("nan", None)],
    ],
)
def test_ages_become_decades(word, decade):
    assert age_decade(word) == decade


@pytest.mark.parametrize(
    ("word", "meant"),
    [("M", "male"), (" Female ", "female"), ("w", "female"), ("intersex", "other"), ("?", None)],
)
def test_genders_become_one_vocabulary(word, meant):
    assert gender(word) == meant


def test_counts_are_what_a_command_line_prints(tmp_path):
    found = counts(open_dataset(LAYOUTS["common_voice"][0](tmp_path / "set")).catalogue())
    assert (found["clips"], found["speakers"], found["clips_with_duration"]) == (2, 2, 1)
    assert found["hours"] == pytest.approx(1.5 / 3600)
    assert found["gender"] == {"female": 1} and found["age_decade"] == {20: 1}
    assert found["locale"] == {"en": 2} and found["split"] == {"test": 1}
    assert found["missing"]["gender"] == 1 and found["missing"]["text"] == 0
    json.dumps(found)


def test_counts_of_what_is_not_known_are_none(tmp_path):
    write(tmp_path / "set", {"a.wav": ""})
    found = counts(open_dataset(tmp_path / "set").catalogue())
    assert (found["clips"], found["speakers"], found["hours"]) == (1, None, None)


def test_the_articles_features_come_with_it(tmp_path):
    table = open_dataset(article(tmp_path / "set")).features()
    assert list(table) == ["clip_id", *ARTICLE_HEADER.split(",")[3:]]
    assert list(table["clip_id"]) == ["set/a", "set/b"]
    assert table.loc[0, "f0_median"] == 205.5 and np.isnan(table.loc[1, "f0_median"])


def test_the_articles_features_follow_the_catalogue(tmp_path):
    article(tmp_path / "set")
    (tmp_path / "set" / "audio_dataset" / "a.mp3").unlink()
    dataset = open_dataset(tmp_path / "set")
    assert list(dataset.features()["clip_id"]) == list(dataset.catalogue()["clip_id"]) == ["set/b"]


def test_the_article_is_found_by_its_table_too(tmp_path):
    article(tmp_path / "set")
    dataset = open_dataset(tmp_path / "set" / "c4_common-voice_dataset.csv")
    assert dataset.layout == "article" and len(dataset.catalogue()) == 2


def test_the_articles_table_alone_is_a_feature_table(tmp_path):
    article(tmp_path / "set")
    table = (tmp_path / "set" / "c4_common-voice_dataset.csv").rename(tmp_path / "c4.csv")
    dataset = open_dataset(table)
    assert dataset.layout == "feature_table" and dataset.name == "c4"
    assert list(dataset.catalogue()["clip_id"]) == ["c4/a", "c4/b"]
    assert dataset.features().loc[0, "tempo"] == 25.0


def test_the_article_itself_is_read_whole(shared):
    dataset = open_dataset(shared / "article")
    table, features = dataset.catalogue(), dataset.features()
    assert len(table) == len(features) == 9078 and dataset.problems().empty
    assert table["gender"].value_counts().to_dict() == {"male": 6232, "female": 2846}
    assert table["age"].value_counts()["fourties"] == 1494
    assert features["f0_median"].isna().sum() == 63


def test_new_splits_make_up_for_a_missing_validated_table(tmp_path):
    write(tmp_path, {f"{s}.tsv": f"path\n{s}.mp3\n" for s in ("train", "dev", "test")})
    write(tmp_path, {f"clips/{s}.mp3": "" for s in ("train", "dev", "test")})
    table = open_dataset(tmp_path).catalogue()
    assert list(table["split"]) == ["dev", "test", "train"]
    assert list(open_dataset(tmp_path / "dev.tsv").catalogue()["split"]) == ["dev"]


def test_old_clip_durations_are_in_ms_too(tmp_path):
    write(tmp_path, {"validated.tsv": "path\na.mp3\n", "clips/a.mp3": ""})
    write(tmp_path, {"clip_durations.tsv": "clip\tduration[ms]\na.mp3\t2500\n"})
    assert open_dataset(tmp_path).catalogue()["duration"].item() == 2.5


def test_both_microphones_of_vctk_can_be_had(tmp_path):
    dataset = open_dataset(vctk(tmp_path / "set"), mic="")
    assert len(dataset.catalogue()) == 3
    assert len(open_dataset(tmp_path / "set", mic="mic2").catalogue()) == 1


def test_old_vctk_leaves_the_p_of_a_speaker_away(tmp_path):
    table = open_dataset(vctk(tmp_path / "set")).catalogue()
    assert table.set_index("speaker_id").loc["p226", "gender"] == "male"


def test_a_command_in_wav_scp_is_not_run(tmp_path):
    dataset = open_dataset(kaldi(tmp_path / "set"))
    dataset.catalogue()
    assert dataset.problems()["row"].tolist() == [2]
    assert not (tmp_path / "set" / "ran").exists()


@pytest.mark.parametrize("place", ["| cat a.wav", "cat a.wav |", "a.ark:17", "-"])
def test_what_is_not_a_file_in_wav_scp_is_a_problem(tmp_path, place):
    write(tmp_path, {"wav.scp": f"u1 {place}\n", "a.wav": "", "-": "", "a.ark:17": ""})
    dataset = open_dataset(tmp_path, "kaldi")
    assert dataset.catalogue().empty and len(dataset.problems()) == 1


def test_segments_give_recordings_their_text_in_order_and_their_only_speaker(tmp_path):
    segments = "u2 r1 2.0 3.0\nu1 r1 10.0 11.0\nu3 r2 0 1\nu4 r2 1 2\n"
    lists = {"utt2spk": "u1 s1\nu2 s1\nu3 s1\nu4 s2\n", "text": "u1 you\nu2 hello\nu3 a\nu4 b\n"}
    audio = {"wav.scp": "r1 a.wav\nr2 b.wav\n", "a.wav": "", "b.wav": ""}
    table = open_dataset(write(tmp_path, {"segments": segments, **lists, **audio})).catalogue()
    assert table["text"].tolist() == ["hello you", "a b"]
    assert said(table.iloc[0])["speaker_id"] == "s1" and pd.isna(table.loc[1, "speaker_id"])


def test_a_manifest_elsewhere_needs_the_folder_of_its_clips(tmp_path):
    nemo(tmp_path / "audio")
    (tmp_path / "lists").mkdir()
    (tmp_path / "audio" / "manifest.json").rename(tmp_path / "lists" / "train.json")
    outside = open_dataset(tmp_path / "lists" / "train.json")
    assert outside.catalogue().empty
    assert outside.problems()["problem"][0] == "leaves the folder of the data set"
    inside = open_dataset(tmp_path / "lists" / "train.json", root=tmp_path / "audio")
    assert inside.catalogue()["clip_id"].tolist() == ["lists/wavs/a.wav", "lists/wavs/b.wav"]


def test_absolute_paths_through_a_link_to_the_data_set_are_found(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(open_dataset(nemo(tmp_path / "link")).catalogue()) == 2


def test_columns_of_any_table_can_be_mapped(tmp_path):
    write(tmp_path, {"t.csv": "f,who,says\na.wav,s9,hi\n", "a.wav": ""})
    columns = {"path": "f", "speaker_id": "who", "text": "says"}
    table = open_dataset(tmp_path, "folder", columns=columns, table="t.csv").catalogue()
    assert (table["speaker_id"].item(), table["text"].item()) == ("s9", "hi")


def test_mapped_columns_must_exist_and_have_a_place(tmp_path):
    folder(tmp_path)
    with pytest.raises(DatasetError, match=r"no column 'who'. Choose among: path, speaker, sex"):
        open_dataset(tmp_path, columns={"speaker_id": "who"}).catalogue()
    with pytest.raises(ParameterError, match="columns has no place for 'mood': choose of path, "):
        open_dataset(tmp_path, "folder", columns={"mood": "who"})


def test_two_tables_of_a_folder_are_not_guessed_between(tmp_path):
    write(tmp_path, {"a.csv": "path\nx.wav\n", "b.csv": "path\nx.wav\n", "x.wav": ""})
    with pytest.raises(DatasetError, match=re.escape("several tables (a.csv, b.csv). Name one")):
        open_dataset(tmp_path).catalogue()
    assert len(open_dataset(tmp_path, table="b.csv").catalogue()) == 1
    assert len(open_dataset(tmp_path, table="").catalogue()) == 1


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_folders_table_may_be_of_any_kind(tmp_path, suffix):
    frame = pd.DataFrame({"path": ["a.wav"], "speaker": ["007"], "age": [43]})
    (tmp_path / "a.wav").touch()
    path = tmp_path / f"t.{suffix}"
    {
        "csv": lambda: frame.to_csv(path, index=False),
        "tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(path),
    }[suffix]()
    row = open_dataset(tmp_path).catalogue().iloc[0]
    assert (row["speaker_id"], row["age"], row["age_decade"]) == ("007", "43", 40)


WORDS = """\
clip_id,speaker,Gender,Text,microphone,emotion,session,f0_median,mixed,error,Split,none,id
a,s1,F,one,headset,happy,s-1,200,1,e1,x,,7
b,s1,F,two,headset,=1+1,s-2,210,two,e2,x,NA,8
c,s2,M,three,phone,,s-1,110,3,e1,x,,9
"""


def test_columns_of_words_are_labels_of_a_feature_table(tmp_path):
    (tmp_path / "t.csv").write_text(WORDS)
    dataset = open_dataset(tmp_path / "t.csv")
    table = dataset.catalogue()
    own = [c for c in table if c not in (*COLUMNS, *ORIGINALS)]
    assert own == ["microphone", "emotion", "session", "mixed", "error (table)"]
    assert table["microphone"].tolist() == ["headset", "headset", "phone"]
    assert table["emotion"].tolist()[:2] == ["happy", "=1+1"]
    assert table["emotion"].isna().tolist() == [False, False, True]
    assert list(dataset.features()) == ["clip_id", "f0_median"]


def test_names_of_labels_are_known_in_any_case(tmp_path):
    (tmp_path / "t.csv").write_text(WORDS)
    table = open_dataset(tmp_path / "t.csv").catalogue()
    assert table["gender"].tolist() == ["female", "female", "male"]
    assert table["text"].tolist() == ["one", "two", "three"]
    assert table["split"].tolist() == ["x"] * 3


def test_of_very_many_columns_of_words_the_first_hundred_are_labels(tmp_path):
    names = [f"w{i:03d}" for i in range(130)]
    line = ",".join(["word"] * 130)
    (tmp_path / "t.csv").write_text(f"clip_id,x,{','.join(names)}\na,1,{line}\nb,2,{line}\n")
    table = open_dataset(tmp_path / "t.csv").catalogue()
    assert [c for c in table if c.startswith("w")] == names[:100]


def test_names_that_differ_by_case_only_stay_apart(tmp_path):
    (tmp_path / "t.csv").write_text("clip_id,x,Mic,mic,Gender,gender,X\na,1,p,q,F,male,u\n")
    dataset = open_dataset(tmp_path / "t.csv")
    table = dataset.catalogue()
    assert table.iloc[0][["Mic", "mic (table)", "Gender (table)", "X (table)"]].tolist() == [
        *"pqFu"
    ]
    assert len({c.lower() for c in table}) == len(table.columns)


def test_words_of_an_imported_table_can_be_asked_for(tmp_path):
    (tmp_path / "t.csv").write_text(WORDS)
    found = import_table(open_dataset(tmp_path / "t.csv"), tmp_path / "w")
    assert {"microphone", "emotion", "session"} <= set(found.label_columns())
    rows = found.query("SELECT emotion FROM clips WHERE microphone = 'headset' ORDER BY 1")
    assert rows["emotion"].tolist() == ["=1+1", "happy"]
    assert found.columns == ("f0_median",)


def test_numbers_and_labels_of_one_name_are_both_kept(tmp_path):
    (tmp_path / "t.csv").write_text("clip_id,Age,Duration,Size,x,X\na,20,1.5,7,1,2\nb,,2.5,8,1,3\n")
    found = import_table(open_dataset(tmp_path / "t.csv"), tmp_path / "w")
    assert found.columns == ("Age (number)", "Duration", "Size (number)", "x", "X (number)")
    rows = found.query("SELECT * FROM clips ORDER BY clip_id")
    assert rows["age"].iloc[0] == "20"
    assert rows["Age (number)"].iloc[0] == 20
    assert rows["Duration"].tolist() == [1.5, 2.5]
    assert rows["X (number)"].tolist() == [2, 3]

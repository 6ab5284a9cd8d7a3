"""Manifests from strangers: a clip, a reported row, a note, or one sentence; nothing in silence."""

import csv
import io
import tarfile
import zipfile

from hypothesis import given
from hypothesis import strategies as st
from layouts import write
import pandas as pd
import pytest

from core.datasets import open_dataset
from core.datasets.sources import local_copy
from core.errors import DatasetError
from core.safe_text import cell, md
from core.store import Workspace

HEAD = "client_id\tpath\tsentence\tage\tgender"
ROWS = [
    f"s{i}\tc{i}.mp3\tword\ttwenties\t{gender}" for i, gender in enumerate(("male", "female") * 3)
]
CLIPS = {f"clips/c{i}.mp3": "" for i in range(6)}


def common_voice(folder, text: str | bytes, name: str = "validated.tsv"):
    write(folder, CLIPS)
    data = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(data)
    return open_dataset(folder)


def table(*rows: str, head: str = HEAD) -> str:
    return "\n".join([head, *rows]) + "\n"


def test_a_table_without_faults_has_no_notes_and_no_problems(tmp_path):
    found = common_voice(tmp_path, table(*ROWS))
    assert (len(found.catalogue()), len(found.problems()), found.notes()) == (6, 0, ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("validated.tsv", ""),
        ("validated.tsv", table(*ROWS[1:], head=ROWS[0])),
        ("validated.tsv", table(*ROWS, head=HEAD.replace("path", "x"))),
        ("validated.tsv", table(*ROWS).replace("\t", ",")),
        ("validated.tsv", '[{"path": "c0.mp3"}]'),
        ("validated.csv", "<html><table><tr><td>path</td></tr></table></html>"),
        ("validated.tsv", bytes(range(256)) * 20),
    ],
)
def test_a_main_table_that_names_no_files_is_told_not_passed_over(tmp_path, name, text):
    with pytest.raises(DatasetError, match="no column 'path'"):
        common_voice(tmp_path, text, name).catalogue()


@pytest.mark.parametrize("mark", [",", ";"])
def test_the_main_table_may_be_a_csv(tmp_path, mark):
    found = common_voice(tmp_path, table(*ROWS).replace("\t", mark), "validated.csv")
    assert len(found.catalogue()) == 6
    assert found.catalogue()["gender"].notna().all()


def test_paths_may_begin_with_their_folder(tmp_path):
    rows = [row.replace("\tc", "\tclips/c", 1) for row in ROWS]
    assert len(common_voice(tmp_path, table(*rows)).catalogue()) == 6


def test_blank_lines_before_the_header_are_passed_over_and_counted(tmp_path):
    found = common_voice(tmp_path, "\n\n" + table(*ROWS, "s\tnone.mp3\tw\t\t"))
    assert len(found.catalogue()) == 6
    assert found.problems()["row"].tolist() == [10]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (table(*ROWS).replace("word", "слово", 1).encode("cp1251"), "line 2 is not UTF-8"),
        (
            table(*[f"{row}\tmale" for row in ROWS], head=HEAD + "\tgender"),
            "several columns are called gender",
        ),
        (table(*ROWS).replace("twenties", "1234"), "The age of 6 clips is not understood: '1234'"),
        (table(*ROWS).replace("female", "femme"), "The gender of 3 clips is not understood"),
        (table(*ROWS).replace("female", "F", 1), "Gender is written in 3 ways, which are taken"),
        (table(*ROWS[::2]), "All clips are of one gender"),
        (table(ROWS[0]), "There is one clip only"),
        (table(*[f"s{row[2:]}" for row in ROWS]), "All clips are of one speaker"),
        (table(*ROWS).replace("s1\t", "s0\t"), "1 of the speakers have clips of more than one"),
        (table(*ROWS, "s0\tc0.mp3\tw\tfifties\tmale"), "1 lines name a clip again with other"),
    ],
)
def test_what_is_odd_in_the_labels_is_noted(tmp_path, text, said):
    assert said in " ".join(common_voice(tmp_path, text).notes())


def test_missing_labels_and_repeated_lines_are_not_odd(tmp_path):
    rows = [row.replace("twenties", word) for row, word in zip(ROWS, ("", "NA", "-"), strict=False)]
    assert common_voice(tmp_path, table(*ROWS[3:], *rows, rows[0])).notes() == ()


def test_a_table_that_is_not_used_is_noted(tmp_path):
    write(tmp_path, {"a.wav": "", "labels.csv": "name of it,mood\na,glad\n"})
    assert "labels.csv: no column names the recordings" in " ".join(open_dataset(tmp_path).notes())


# --- archives ---------------------------------------------------------------------------------


def zipped(path, extra=()):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in [("validated.tsv", table(*ROWS)), *CLIPS.items(), *extra]:
            file.writestr(name, data or "sound")
    return path


def test_members_that_leave_a_zip_are_problems_and_the_others_are_clips(tmp_path):
    evil = [("../../x.txt", "x"), ("clips/../../y.txt", "x")]
    found = open_dataset(zipped(tmp_path / "a.zip", evil))
    assert len(found.catalogue()) == 6
    problems = found.problems()
    assert set(problems["path"]) == {"../../x.txt", "clips/../../y.txt"}
    assert set(problems["problem"]) == {"name leaves the archive: not read"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_a_problem_and_the_first_counts(tmp_path):
    found = open_dataset(zipped(tmp_path / "a.zip", [("clips/c0.mp3", "other")]))
    assert found.problems()["path"].tolist() == ["clips/c0.mp3"]
    assert len(found.catalogue()) == 6


def test_a_size_that_lies_is_one_sentence_for_that_clip(tmp_path):
    data = bytearray(zipped(tmp_path / "a.zip").read_bytes())
    at = data.find(b"clips/c0.mp3", data.find(b"PK\1\2")) - 46
    data[at + 24 : at + 28] = (2).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(data)
    paths = open_dataset(tmp_path / "a.zip").catalogue()["path"]
    with pytest.raises(DatasetError, match="not a readable archive"):
        local_copy(paths[0], tmp_path)
    assert local_copy(paths[1], tmp_path).read_bytes() == b"sound"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_pipes_in_a_tar_are_problems(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in [("validated.tsv", table(*ROWS)), *CLIPS.items()]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data.encode()))
        odd = tarfile.TarInfo("clips/odd.mp3")
        odd.type, odd.linkname = kind, "/etc/passwd"
        tar.addfile(odd)
    found = open_dataset(tmp_path / "a.tar")
    assert found.problems()["path"].tolist() == ["clips/odd.mp3"]
    assert len(found.catalogue()) == 6


# --- tables for people ------------------------------------------------------------------------

FORMULAS = ("=1+1", "+1", "-1+1", "@SUM(1)", "\t=1", "\n=1", " =1", "\u200b=1", "＝1+1", "\r")


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_run_becomes_text(text):
    assert cell(text) == f"'{text}"


@given(st.text())
def test_other_texts_stay_and_none_is_a_formula(text):
    made = cell(text)
    assert made in (text, f"'{text}")
    assert made.strip()[:1] not in {"=", "+", "-", "@"}


@pytest.mark.parametrize("before", ["", " ", "_", "*", "~", "(", "a"])
def test_no_www_is_left_for_markdown_to_make_a_link_of(before):
    assert "www\\." not in md(f"{before}WWW.evil.invalid").lower()


@pytest.mark.parametrize("format", ["csv", "spreadsheet"])
def test_an_export_for_people_has_no_formulas_and_one_for_programs_has_the_words(tmp_path, format):
    work = Workspace.create(
        tmp_path / "w", recipe={"feature_set": "x", "version": 1}, columns=["=a"], vectors={}
    )
    items = pd.DataFrame(
        {"clip_id": [f"c/{i}" for i in range(len(FORMULAS))], "path": "/a.wav", "size": 1}
    ).assign(mtime_ns=1, text=FORMULAS)
    with work.writer() as writer:
        writer.set_catalogue(items, unit_size=99)
        for unit in writer.missing():
            rows = [{"clip_id": i["clip_id"], "values": {"=a": -1.0}} for i in unit.items]
            writer.write(unit.number, rows)
    work.export(tmp_path / "out.csv", format)
    with open(tmp_path / "out.csv", newline="") as file:
        head, *rows = csv.reader(file)
    found = [row[head.index("text")] for row in rows]
    words = [text.replace("\r", "\n") for text in FORMULAS]  # as csv reads it back
    assert found == ([f"'{text}" for text in words] if format == "spreadsheet" else words)
    assert ("'=a" in head) == (format == "spreadsheet")
    at = head.index("'=a" if format == "spreadsheet" else "=a")
    assert {row[at] for row in rows} == {"-1.0"}  # a number is no formula

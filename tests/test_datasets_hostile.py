"""Tables from strangers: data, whatever is in them."""

import json
import os
import sys

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import write
import pandas as pd
import pytest

from core.datasets import open_dataset
from core.errors import DatasetError

BAD_PATHS = {
    "../secret.wav": "leaves the folder of the data set",
    "/etc/passwd": "leaves the folder of the data set",
    "link.wav": "leaves the folder of the data set",
    "folder/secret.wav": "leaves the folder of the data set",
    "pipe.wav": "not a file but a device or pipe",
    "none.wav": "file not found",
    "file:///etc/passwd": "file not found",
    "http://example.invalid/a.wav": "file not found",
    "=cmd|' /C calc'!A0": "file not found",
    "<script>alert(1)</script>.wav": "file not found",
    "": "no file name",
}


def audio(root, *names: str):
    return write(root / "set", dict.fromkeys(names or ("a.wav",), ""))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "nemo", "kaldi", "audiofolder"])
def test_no_manifest_reaches_outside(tmp_path, kind):
    root = audio(tmp_path, "a.wav")
    write(tmp_path, {"secret.wav": "", "elsewhere/secret.wav": ""})
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(root / "pipe.wav")
    paths = ["a.wav", *(path for path in BAD_PATHS if kind != "kaldi" or path)]
    frame = pd.DataFrame({"path": paths, "text": "x"})
    if kind in ("csv", "audiofolder"):
        name, column = ("t.csv", "path") if kind == "csv" else ("metadata.csv", "file_name")
        frame.rename(columns={"path": column}).to_csv(root / name, index=False)
    elif kind == "parquet":
        frame.to_parquet(root / "t.parquet")
    elif kind == "kaldi":
        scp = "".join(f"u{i} {path}\n" for i, path in enumerate(paths))
        write(root, {"wav.scp": scp})
    else:
        column = "path" if kind == "jsonl" else "audio_filepath"
        write(
            root, {"t.jsonl": "\n".join(json.dumps({column: path, "text": "x"}) for path in paths)}
        )
    dataset = open_dataset(root)
    assert dataset.catalogue()["path"].tolist() == [str(root / "a.wav")]
    found = dict(dataset.problems()[["path", "problem"]].itertuples(index=False))
    assert found == {path: BAD_PATHS[path] for path in paths[1:]}


@pytest.mark.parametrize(
    "name", ["line\nbreak.wav", "\u202egnp.wav", "=1+1.wav", "<b>.wav", "é.wav"]
)
def test_strange_names_of_files_are_clips(tmp_path, name):
    table = open_dataset(audio(tmp_path, name)).catalogue()
    assert table["clip_id"].tolist() == [f"set/{name}"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_name_that_is_not_utf_8_is_a_problem(tmp_path):
    root = audio(tmp_path)
    os.close(os.open(os.fsencode(str(root)) + b"/caf\xe9.wav", os.O_CREAT))
    dataset = open_dataset(root)
    assert len(dataset.catalogue()) == 1
    assert dataset.problems()["problem"].tolist() == ["file name is not UTF-8: rename the file"]


def test_a_million_columns_are_refused_in_the_header_and_reported_in_a_row(tmp_path):
    root = audio(tmp_path)
    write(root, {"t.csv": "path" + ",x" * 1_000_000 + "\na.wav\n"})
    with pytest.raises(DatasetError, match="1,000,001 columns in its first line; at most 10,000"):
        open_dataset(root, table="t.csv").catalogue()
    write(root, {"t.csv": "path,text\na.wav,hi\n" + "b," * 1_000_000 + "\n"})
    dataset = open_dataset(root)
    assert len(dataset.catalogue()) == 1
    assert dataset.problems()["problem"].tolist() == ["1000001 fields where the header has 2"]


def test_a_huge_field_is_reported(tmp_path):
    root = audio(tmp_path, "a.wav", "b.wav")
    write(root, {"t.csv": "path,text\na.wav,hi\nb.wav," + "x" * 20_000_000 + "\n"})
    dataset = open_dataset(root)
    assert dataset.catalogue()["clip_id"].tolist() == ["set/a.wav"]
    assert dataset.problems()["problem"].tolist() == ["a field of over 1,048,576 characters"]


def test_nul_bom_latin_1_and_duplicates_are_taken_line_by_line(tmp_path):
    root = audio(tmp_path, "a.wav", "b.wav")
    lines = [b"\xef\xbb\xbfpath,text", b"a.wav,x\0y", "b.wav,Grüße".encode("latin-1"), b"a.wav,z"]
    write(root, {"t.csv": b"\n".join(lines)})
    dataset = open_dataset(root)
    assert dataset.catalogue()["text"].tolist() == ["x\0y", "Grüße"]
    assert dataset.problems()["problem"].tolist() == ["duplicate of line 2"]


def test_lines_of_json_that_are_none_are_problems(tmp_path):
    root = audio(tmp_path)
    lines = [
        '{"audio_filepath": "a.wav"}',
        "{",
        "[1]",
        "[" * 100_000,
        '{"audio_filepath": "\\ud800"}',
    ]
    write(root, {"t.json": "\n".join(lines)})
    dataset = open_dataset(root, "nemo")
    assert len(dataset.catalogue()) == 1
    assert dataset.problems()["row"].tolist() == [2, 3, 4, 5]


def test_a_parquet_that_is_none_is_named(tmp_path):
    root = write(audio(tmp_path), {"t.parquet": "PAR1 nothing PAR1"})
    with pytest.raises(DatasetError, match=r"t\.parquet: not a readable Parquet file"):
        open_dataset(root, table="t.parquet").catalogue()


def test_an_opened_quote_does_not_swallow_the_table_in_silence(tmp_path):
    root = audio(tmp_path, "a.wav", "b.wav")
    write(root, {"t.csv": 'path,text\na.wav,x\nb.wav,"never closed\n' + "c.wav,y\n" * 5})
    dataset = open_dataset(root)
    assert "set/a.wav" in set(dataset.catalogue()["clip_id"])
    assert len(dataset.catalogue()) + len(dataset.problems()) >= 2


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.sampled_from(["t.csv", "t.tsv", "t.jsonl", "t.parquet"]))
def test_any_bytes_are_a_table_or_a_sentence(tmp_path_factory, data, name):
    root = audio(tmp_path_factory.mktemp("any"))
    head = {"t.csv": b"path,text\n", "t.tsv": b"path\ttext\n"}.get(name, b"")
    write(root, {name: head + data})
    dataset = open_dataset(root, "folder", table=name)
    try:
        table = dataset.catalogue()
    except DatasetError:
        return
    assert set(table["path"]) <= {str(root / "a.wav")}

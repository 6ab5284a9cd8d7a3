"""Browsing: rows, speakers, files, small pictures and imported tables, on clips of known truth."""

import base64
import io

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pandas as pd
from PIL import Image
import pytest

from conftest import SR, tone, voice
from core import datasets
from core.eda import browsing, thumbnails
from core.errors import DatasetError, ParameterError
from core.extract import has_sound
from core.filters import Filter, Selection
from core.notes import Notes
from core.store import StoreError, Workspace, import_table, is_imported

N = 30


@pytest.fixture
def workspace(tmp_path, wav) -> Workspace:
    """30 clips of three speakers, ten each; the last ten have none. f0 is 100, 101, ... Hz."""
    paths = [str(tmp_path / "set" / "clips" / f"{i:02d}.wav") for i in range(N)]
    table = pd.DataFrame(
        {
            "clip_id": [f"d/{i:02d}" for i in range(N)],
            "path": paths,
            "size": 1,
            "mtime_ns": 1,
            "speaker_id": [f"s{i // 10}" if i < 20 else None for i in range(N)],
            "gender": ["female", *["male"] * 9, *["female"] * 10, *[None] * 10],
            "gender_original": ["female_feminine"] * N,
            "text": [f"=SUM({i})" if i == 0 else f"Sentence {i}" for i in range(N)],
        }
    )
    made = Workspace.create(
        tmp_path / "w",
        recipe={"feature_set": "t"},
        columns=["duration_s", "f0_median_hz", "onset_count"],
    )
    with made.writer() as writer:
        writer.set_catalogue(table, name="d")
        for unit in writer.missing():
            rows = [
                {
                    "clip_id": item["clip_id"],
                    "values": {
                        "duration_s": 2.0,
                        "f0_median_hz": 100.0 + int(item["clip_id"][2:]),
                        "onset_count": 3.0,
                    },
                }
                for item in unit.items
            ]
            writer.write(unit.number, rows)
    wav(voice(), "set/clips/00.wav")
    return made


def test_pages_hold_every_clip_once_in_order(workspace):
    found = [
        browsing.clips(
            workspace, Selection(), order_by="f0_median_hz", descending=True, page=page, rows=8
        )
        for page in range(1, 6)
    ]
    assert {rows.total for rows in found} == {N}
    f0 = pd.concat([rows.table for rows in found])["f0_median_hz"]
    assert f0.tolist() == [100.0 + i for i in range(N - 1, -1, -1)]


@pytest.mark.parametrize(
    ("find", "total"), [("sentence 2", 11), ("S1", 10), ("d/0", 10), ("%", 0), ("'; DROP", 0)]
)
def test_find_looks_into_clips_speakers_and_words(workspace, find, total):
    assert browsing.clips(workspace, Selection(), find).total == total


def test_find_and_selection_must_both_hold(workspace):
    chosen = Selection((Filter("gender", "in", ("female",)),))
    assert browsing.clips(workspace, chosen, "d/0").total == 1


def test_speakers_have_their_sums_medians_and_gender(workspace):
    rows = browsing.speakers(workspace, Selection(), order_by="f0_median", descending=True)
    assert rows.total == 2
    first = rows.table.iloc[0]
    assert first.to_dict() == {
        "speaker_id": "s1",
        "clips": 10,
        "seconds": 20.0,
        "f0_median": 114.5,
        "gender": "female",
    }
    assert rows.table["gender"].tolist() == ["female", "several"]
    chosen = Selection((Filter("f0_median_hz", "<=", 104.0),))
    assert browsing.speakers(workspace, chosen).table["clips"].tolist() == [5]


def test_an_unknown_order_of_speakers_is_a_sentence(workspace):
    with pytest.raises(ParameterError, match="no column"):
        browsing.speakers(workspace, Selection(), order_by='clips" --')


def test_a_set_without_speakers_has_an_empty_table(tmp_path):
    empty = Workspace.create(tmp_path / "w", recipe={"feature_set": "t"}, columns=["a"])
    table, total = browsing.speakers(empty, Selection())
    assert total == 0
    assert table.empty


def test_the_csv_of_a_selection_reads_back_with_tags_and_notes(workspace):
    notes = Notes(workspace.folder)
    notes.tag("d/01", "b")
    notes.tag("d/01", "a")
    notes.note("d/02", "-1, or more")
    chosen = Selection((Filter("f0_median_hz", "<=", 105.0),))
    table = browsing.table_of(workspace, chosen, tags=notes.tags(), notes=notes.notes())
    text = browsing.csv_of(table)
    back = pd.read_csv(io.BytesIO(text))
    assert back["f0_median_hz"].tolist() == [100.0 + i for i in range(6)]
    assert back["tags"][1] == "a, b"
    assert back["note"][2] == "'-1, or more"
    assert back["text"][0] == "'=SUM(0)"
    assert b",3," in text
    assert b",3.0," not in text
    assert "mtime_ns" not in back


def test_the_parquet_keeps_texts_as_they_are(workspace):
    table = browsing.table_of(workspace, Selection(), "SUM")
    back = pd.read_parquet(io.BytesIO(browsing.parquet_of(table)))
    assert back["text"].tolist() == ["=SUM(0)"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=5))
def test_no_text_of_a_csv_begins_like_a_formula(texts):
    table = pd.DataFrame({"text": pd.Series(texts, dtype=object), "=n": [-1.5] * len(texts)})
    data = browsing.csv_of(table).decode()
    if texts:
        back = pd.read_csv(io.StringIO(data, newline=""), keep_default_na=False, dtype=str)
        assert list(back.columns) == ["text", "'=n"]
        assert set(back["'=n"]) == {"-1.5"}
        assert not back["text"].str.contains(r"\A[=+\-@\t\r]").any()


@pytest.mark.parametrize("kind", [object, "str"])
def test_a_column_without_any_text_stays_empty(kind):
    table = pd.DataFrame({"clip_id": ["a", "b"], "note": pd.Series([None, None], dtype=kind)})
    assert browsing.csv_of(table) == b"clip_id,note\na,\nb,\n"


def test_formulas_behind_blanks_and_in_wide_letters_are_texts_too():
    texts = [" =1", "\n=1", "＝1", "\u200b=1", "a=1"]
    data = browsing.csv_of(pd.DataFrame({"text": texts, " =n": 1})).decode()
    back = pd.read_csv(io.StringIO(data, newline=""), dtype=str)
    assert back["text"].tolist() == [*("'" + text for text in texts[:4]), "a=1"]
    assert list(back.columns) == ["text", "' =n"]


def test_too_many_rows_for_a_file_are_refused(workspace, monkeypatch):
    monkeypatch.setattr(browsing, "MOST_ROWS", 10)
    with pytest.raises(ParameterError, match="at most 10"):
        browsing.table_of(workspace, Selection())


def test_the_manifest_opens_as_common_voice(workspace, tmp_path, wav):
    for i in range(3):
        wav(voice(), f"set/clips/{i:02d}.wav")
    chosen = Selection((Filter("f0_median_hz", "<=", 102.0),))
    made = browsing.manifest_of(workspace, browsing.table_of(workspace, chosen), tmp_path / "set")
    assert made.start == "clips"
    (tmp_path / "set" / "validated.tsv").write_bytes(made.data)
    found = datasets.open_dataset(tmp_path / "set")
    assert found.layout == "common_voice"
    table = found.catalogue()
    assert table["path"].tolist() == [
        str(tmp_path / "set" / "clips" / f"{i:02d}.wav") for i in range(3)
    ]
    assert table["speaker_id"].tolist() == ["s0"] * 3
    assert table["gender"].tolist() == ["female"] * 3  # as it was written
    assert table["text"].tolist() == ["=SUM(0)", "Sentence 1", "Sentence 2"]


def test_a_manifest_of_clips_elsewhere_is_refused(workspace, tmp_path):
    with pytest.raises(ParameterError, match="none in the data set's folder"):
        browsing.manifest_of(
            workspace, browsing.table_of(workspace, Selection()), tmp_path / "other"
        )


def test_a_line_break_in_a_text_does_not_break_the_manifest(workspace, tmp_path):
    table = browsing.table_of(workspace, Selection(), "d/00").assign(text="a\tb\r\nc")
    data = browsing.manifest_of(workspace, table, tmp_path / "set").data
    assert data.decode().splitlines()[1].split("\t")[2] == "a b c"


@pytest.mark.parametrize("down", [False, True])
def test_the_shown_code_makes_the_table_from_the_csv(workspace, tmp_path, monkeypatch, down):
    data = browsing.csv_of(browsing.table_of(workspace, Selection()))
    (tmp_path / "clips.csv").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    known = (*workspace.label_columns(), *workspace.columns)
    made: dict = {}
    exec(browsing.code_for(known, "f0_median_hz", down), made)
    rows = browsing.clips(workspace, Selection(), order_by="f0_median_hz", descending=down)
    assert made["clips"]["clip_id"].tolist() == rows.table["clip_id"].tolist()
    expected = browsing.speakers(workspace, Selection()).table.set_index("speaker_id")
    assert made["speakers"]["f0_median"].to_dict() == expected["f0_median"].to_dict()
    assert made["speakers"]["seconds"].to_dict() == expected["seconds"].to_dict()


# Small pictures.


def pixels(uri: str) -> np.ndarray:
    """Opacity (rows, columns) of a data URI."""
    data = base64.b64decode(uri.split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))[..., 3].astype(float)


def test_a_waveform_is_where_the_sound_is(tmp_path, wav):
    y = np.concatenate([np.zeros(SR), tone(200, 1.0)]).astype(np.float32)
    (uri,) = thumbnails.pictures(tmp_path, [str(wav(y))], "waveform")
    shown = pixels(uri)
    assert shown.shape == (thumbnails.HEIGHT, thumbnails.WIDTH)
    filled = (shown > 0).sum(axis=0)
    assert filled[:58].max() <= 2
    assert filled[62:].min() >= thumbnails.HEIGHT - 2


def test_a_spectrogram_has_low_tones_at_the_bottom(tmp_path, wav):
    paths = [str(wav(tone(f, 1.0), f"{f}.wav")) for f in (300, 5000)]
    low, high = (pixels(uri) for uri in thumbnails.pictures(tmp_path, paths, "spectrogram"))
    assert low.mean(axis=1).argmax() > 22
    assert high.mean(axis=1).argmax() < 10


@pytest.mark.parametrize("kind", thumbnails.KINDS)
@pytest.mark.parametrize("y", [np.zeros(SR), np.zeros(1), tone(300, 0.001)], ids=["0", "1", "ms"])
def test_silence_and_single_samples_have_pictures(tmp_path, wav, kind, y):
    (uri,) = thumbnails.pictures(tmp_path, [str(wav(y.astype(np.float32)))], kind)
    assert pixels(uri).shape == (thumbnails.HEIGHT, thumbnails.WIDTH)


def test_what_cannot_be_read_has_no_picture(tmp_path, wav):
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    good = str(wav(voice()))
    paths = [str(tmp_path / "bad.wav"), good, str(tmp_path / "gone.wav"), None, ""]
    found = thumbnails.pictures(tmp_path, paths, "waveform")
    assert [bool(uri) for uri in found] == [False, True, False, False, False]


def test_pictures_are_kept_and_old_ones_make_room(tmp_path, wav, monkeypatch):
    paths = [str(wav(voice(100 + i), f"{i}.wav")) for i in range(4)]
    first = thumbnails.pictures(tmp_path, paths, "waveform")
    monkeypatch.setattr(thumbnails, "draw", None)  # nothing is drawn again
    assert thumbnails.pictures(tmp_path, paths, "waveform") == first
    monkeypatch.undo()
    monkeypatch.setattr(thumbnails, "MOST_KEPT", 3)
    thumbnails.pictures(tmp_path, paths, "spectrogram")
    assert len(list((tmp_path / "thumbnails").iterdir())) == 3


def test_a_changed_file_gets_a_new_picture(tmp_path, wav):
    path = str(wav(tone(200, 1.0)))
    (before,) = thumbnails.pictures(tmp_path, [path], "spectrogram")
    wav(tone(6000, 1.5))
    (after,) = thumbnails.pictures(tmp_path, [path], "spectrogram")
    assert before != after


def test_a_page_of_pictures_is_small(tmp_path, wav):
    rng = np.random.default_rng(0)
    noise = str(wav(rng.uniform(-1, 1, 3 * SR).astype(np.float32)))
    for kind in thumbnails.KINDS:
        (uri,) = thumbnails.pictures(tmp_path, [noise], kind)
        assert 100 * len(uri) < 1_000_000


# Feature tables without sound.

CSV = """filename,age,gender,nwords,duration,words_per_second,tempo,f0_mean,f0_median,f0_std,\
f0_5perc,f0_95perc
a.mp3,thirties,male,7,2.5,2.8,25,102,98,18,80,133
b.mp3,sixties,female,15,2.9,5.1,27,202,,18,80,inf
"""


def write_csv(tmp_path, text: str = CSV, name: str = "table.csv"):
    path = tmp_path / "tables" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_table_alone_becomes_a_workspace(tmp_path):
    path = write_csv(tmp_path)
    made = import_table(datasets.open_dataset(path), tmp_path / "w")
    table = Workspace.open(made.folder).features()
    assert table["clip_id"].tolist() == ["table/a", "table/b"]
    assert table["gender"].tolist() == ["male", "female"]
    assert table["age_decade"].tolist() == [30, 60]
    assert table["f0_median"].tolist()[0] == 98
    assert table["f0_median"].isna().tolist() == [False, True]
    assert table["f0_95perc"].isna().tolist() == [False, True]
    assert made.status().done == 2
    assert not has_sound(made)
    specs = browsing.specs_of("table", made.columns)
    assert specs["f0_median"].unit == "Hz"
    assert "8,000 Hz" in specs["f0_median"].caveat


def test_a_table_is_imported_once_and_again_when_it_changes(tmp_path):
    path, folder = write_csv(tmp_path), tmp_path / "w"
    assert not is_imported(path, folder)
    first = import_table(datasets.open_dataset(path), folder)
    key = first.key
    Notes(folder).tag("table/a", "kept")
    assert is_imported(path, folder)
    write_csv(tmp_path, CSV + "c.mp3,teens,male,1,1,1,1,1,1,1,1,1\n")
    assert not is_imported(path, folder)
    second = import_table(datasets.open_dataset(path), folder)
    assert is_imported(path, folder)
    assert second.count() == 3
    assert key != second.key
    assert Notes(folder).tags() == {"table/a": {"kept"}}


def test_a_measured_workspace_is_never_replaced(workspace, tmp_path):
    with pytest.raises(StoreError, match="another table"):
        import_table(datasets.open_dataset(write_csv(tmp_path)), workspace.folder)
    assert workspace.count() == N


def test_an_import_that_stopped_is_taken_up_again(tmp_path):
    path, folder = write_csv(tmp_path), tmp_path / "w"
    import_table(datasets.open_dataset(path), folder)
    for part in (folder / "shards").iterdir():
        part.unlink()
    assert not is_imported(path, folder)
    import_table(datasets.open_dataset(path), folder)
    assert Workspace.open(folder).count() == 2


def test_a_table_without_numbers_is_a_sentence(tmp_path):
    path = write_csv(tmp_path, "filename,gender\na.mp3,male\n")
    with pytest.raises(DatasetError, match="no table with columns of numbers"):
        import_table(datasets.open_dataset(path), tmp_path / "w")


def test_other_columns_are_described_by_their_names():
    specs = browsing.specs_of("table", ["<b>x</b>_hz", "tempo", "level_db"])
    assert specs["level_db"].unit == "dB"
    assert specs["level_db"].label == "level"
    assert specs["tempo"].unit == ""  # one name in common does not make it the article's
    assert specs["<b>x</b>_hz"].name == "<b>x</b>_hz"


def test_the_articles_own_table_keeps_its_rows_and_counts(shared, tmp_path):
    path = shared / "article" / "c4_common-voice_dataset.csv"
    if not path.is_file():
        pytest.skip("no article data here")
    made = import_table(datasets.open_dataset(path), tmp_path / "w")
    assert made.count() == 9078
    ages = made.query("SELECT age, count(*) AS n FROM clips GROUP BY age").set_index("age")["n"]
    assert ages.to_dict() == {
        "twenties": 3059,
        "thirties": 1778,
        "fourties": 1494,
        "fifties": 1382,
        "teens": 838,
        "sixties": 527,
    }

"""The Common Voice reader: every line of the table is a clip or a problem."""

from pathlib import Path
import subprocess
import sys

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import pytest

from conftest import ROOT
from core.datasets import COLUMNS, ORIGINALS, CommonVoice
from core.errors import DatasetError

HEADER = "client_id\tpath\tsentence\tage\tgender\taccents\tlocale"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty data set."""
    (tmp_path / "set" / "clips").mkdir(parents=True)
    return tmp_path / "set"


def fill(folder: Path, lines: list[str], header: str = HEADER, clips: tuple[str, ...] = ()) -> None:
    """Write a table, and empty files: the reader never opens them."""
    text = "\n".join([header, *lines]) + "\n"
    (folder / "validated.tsv").write_text(text, encoding="utf-8")
    for name in clips:
        (folder / "clips" / name).touch()


def only(folder: Path) -> dict:
    table = CommonVoice(folder).catalogue()
    assert len(table) == 1
    return table.iloc[0].where(table.iloc[0].notna(), None).to_dict()


def problems(folder: Path) -> list[tuple]:
    return [tuple(row) for row in CommonVoice(folder).problems().itertuples(index=False)]


def test_a_row_becomes_a_clip(folder):
    fill(folder, ["s1\ta.mp3\tHello.\tfourties\tmale_masculine\tWelsh\ten"], clips=("a.mp3",))
    assert only(folder) == {
        "clip_id": "set/a",
        "path": str((folder / "clips" / "a.mp3").resolve()),
        "speaker_id": "s1",
        "gender": "male",
        "age": "fourties",
        "age_decade": 40.0,
        "accent": "Welsh",
        "locale": "en",
        "text": "Hello.",
        "duration": None,
        "split": None,
        "gender_original": "male_masculine",
    }


def test_columns_and_dtypes_are_the_same_for_no_rows_and_for_some(folder):
    fill(folder, [])
    empty = CommonVoice(folder).catalogue()
    fill(folder, ["s1\ta.mp3\t\t\t\t\t"], clips=("a.mp3",))
    one = CommonVoice(folder).catalogue()
    assert tuple(empty) == tuple(one) == (*COLUMNS, *ORIGINALS)
    assert empty.dtypes.to_dict() == one.dtypes.to_dict()
    assert one["age_decade"].dtype == "float64"


def test_missing_labels_are_nan(folder):
    fill(folder, ["s1\ta.mp3\t \t\t\t\t"], clips=("a.mp3",))
    clip = only(folder)
    named = ("text", "age", "age_decade", "gender", "accent", "locale")
    assert [clip[name] for name in named] == [None] * len(named)


@pytest.mark.parametrize(
    ("written", "gender"),
    [
        ("male", "male"),
        ("Male", "male"),
        ("male_masculine", "male"),
        ("female", "female"),
        ("female_feminine", "female"),
        ("other", "other"),
        ("non-binary", "other"),
        ("do_not_wish_to_say", None),
        ("42", None),
    ],
)
def test_old_and_new_words_for_gender_are_one(folder, written, gender):
    fill(folder, [f"s1\ta.mp3\tx\t\t{written}\t\ten"], clips=("a.mp3",))
    assert only(folder)["gender"] == gender


@pytest.mark.parametrize(
    ("age", "decade"), [("teens", 10), ("fourties", 40), ("forties", 40), ("nineties", 90)]
)
def test_ages_keep_their_word_and_get_a_number(folder, age, decade):
    fill(folder, [f"s1\ta.mp3\tx\t{age}\t\t\ten"], clips=("a.mp3",))
    assert (only(folder)["age"], only(folder)["age_decade"]) == (age, decade)


def test_an_unknown_age_keeps_its_word_without_a_number(folder):
    fill(folder, ["s1\ta.mp3\tx\tancient\t\t\ten"], clips=("a.mp3",))
    assert (only(folder)["age"], only(folder)["age_decade"]) == ("ancient", None)


@pytest.mark.parametrize("text", ['He said "no', "'", '"', "NA", "null", "nan", "1.0", "a\u2028b"])
def test_texts_are_taken_as_they_are(folder, text):
    fill(folder, [f"s1\ta.mp3\t{text}\t\t\t\ten", "s1\tb.mp3\tend\t\t\t\ten"], clips=("a.mp3",))
    assert only(folder)["text"] == text
    assert problems(folder) == [(3, "b.mp3", "file not found")]


def test_the_old_column_accent_is_read(folder):
    fill(folder, ["a.mp3\twales"], header="path\taccent", clips=("a.mp3",))
    assert only(folder)["accent"] == "wales"
    assert only(folder)["speaker_id"] is None


def test_clips_are_sorted_by_clip_id(folder):
    fill(folder, [f"s1\t{n}.mp3" for n in "cab"], clips=("a.mp3", "b.mp3", "c.mp3"))
    assert list(CommonVoice(folder).catalogue()["clip_id"]) == ["set/a", "set/b", "set/c"]


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_tolerated(folder):
    (folder / "clips" / "a.mp3").touch()
    text = "path\tsentence\r\n\r\na.mp3\tGrüße\r\n\r\n"
    (folder / "validated.tsv").write_bytes(text.encode("utf-8-sig"))
    assert only(folder)["text"] == "Grüße"
    assert problems(folder) == []


def test_a_line_in_latin_1_does_not_spoil_the_others(folder):
    (folder / "clips" / "a.mp3").touch()
    (folder / "clips" / "b.mp3").touch()
    lines = [b"path\tsentence", "a.mp3\tGrüße".encode("latin-1"), "b.mp3\tÑandú".encode()]
    (folder / "validated.tsv").write_bytes(b"\n".join(lines))
    assert list(CommonVoice(folder).catalogue()["text"]) == ["Grüße", "Ñandú"]


def test_duplicates_are_reported_with_the_line_that_came_first(folder):
    fill(folder, ["s1\ta.mp3", "s2\ta.mp3", "s1\ta.wav"], clips=("a.mp3", "a.wav"))
    assert only(folder)["speaker_id"] == "s1"
    found = [(row, problem) for row, _, problem in problems(folder)]
    assert found == [(3, "duplicate of line 2"), (4, "duplicate of line 2")]


def test_a_missing_file_does_not_hide_a_later_row_of_the_same_name(folder):
    fill(folder, ["s1\ta.wav", "s2\ta.mp3"], clips=("a.mp3",))
    assert only(folder)["speaker_id"] == "s2"


def test_a_missing_file_is_missing_even_when_its_name_was_seen(folder):
    fill(folder, ["s1\ta.mp3", "s2\ta.wav"], clips=("a.mp3",))
    assert problems(folder) == [(3, "a.wav", "file not found")]


def test_a_row_with_too_many_fields_is_a_problem_and_a_short_one_is_not(folder):
    fill(folder, ["a.mp3\tx\ty", "b.mp3"], header="path\tsentence", clips=("a.mp3", "b.mp3"))
    assert only(folder)["clip_id"] == "set/b"
    assert problems(folder) == [(2, "a.mp3", "3 fields where the header has 2")]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "no file name"),
        ("none.mp3", "file not found"),
        (".", "file not found"),
        ("inner", "file not found"),
        ("../validated.tsv", "leaves the folder of the data set"),
        ("../../secret.mp3", "leaves the folder of the data set"),
        ("/etc/passwd", "leaves the folder of the data set"),
        ("../clips-2/a.mp3", "leaves the folder of the data set"),
        ("link.mp3", "leaves the folder of the data set"),
        ("a\0.mp3", "not a file name"),
        ("x" * 5000, "file not found"),
    ],
)
def test_a_path_that_is_not_a_clip_is_a_problem(folder, written, problem):
    (folder.parent / "secret.mp3").touch()
    (folder / "clips" / "inner").mkdir()
    (folder / "clips" / "link.mp3").symlink_to(folder.parent / "secret.mp3")
    (folder / "clips-2").mkdir()
    (folder / "clips-2" / "a.mp3").touch()
    fill(folder, [f"s1\t{written}\tx"])
    assert CommonVoice(folder).catalogue().empty
    assert problems(folder) == [(2, written, problem)]


def test_links_within_the_data_set_are_followed(folder):
    (folder / "store").mkdir()
    (folder / "store" / "real.mp3").touch()
    (folder / "clips" / "a.mp3").symlink_to(folder / "store" / "real.mp3")
    fill(folder, ["s1\ta.mp3"])
    assert only(folder)["clip_id"] == "set/a"
    assert only(folder)["path"] == str((folder / "store" / "real.mp3").resolve())


def test_a_clips_folder_that_is_a_link_to_elsewhere_is_refused(folder):
    (folder.parent / "elsewhere").mkdir()
    (folder / "clips").rmdir()
    (folder / "clips").symlink_to(folder.parent / "elsewhere")
    fill(folder, [])
    with pytest.raises(DatasetError, match=r"clips is a link that leaves the data set's folder"):
        CommonVoice(folder).catalogue()


def test_a_folder_that_is_itself_a_link_is_read_under_its_own_name(folder):
    fill(folder, ["s1\ta.mp3"], clips=("a.mp3",))
    (folder.parent / "link").symlink_to(folder)
    assert only(folder.parent / "link")["clip_id"] == "set/a"


def test_a_relative_folder_has_a_name(folder, monkeypatch):
    fill(folder, ["s1\ta.mp3"], clips=("a.mp3",))
    monkeypatch.chdir(folder)
    assert only(Path("."))["clip_id"] == "set/a"
    assert Path(only(Path("."))["path"]).is_absolute()


@pytest.mark.parametrize("ask", ["catalogue", "problems"])
def test_a_folder_without_a_table_is_named(tmp_path, ask):
    with pytest.raises(DatasetError, match=rf"{tmp_path.name}: no validated\.tsv here\. Choose"):
        getattr(CommonVoice(tmp_path), ask)()


def test_a_folder_without_clips_is_named(tmp_path):
    (tmp_path / "validated.tsv").write_text("path\n")
    with pytest.raises(DatasetError, match=r"clips: no readable folder of clips \(No such file"):
        CommonVoice(tmp_path).catalogue()


@pytest.mark.parametrize("content", [b"", b"\n", b"file,text\na,b\n", bytes(range(256)) * 9])
def test_a_table_without_the_column_path_is_refused(folder, content):
    (folder / "validated.tsv").write_bytes(content)
    with pytest.raises(DatasetError, match=r"validated\.tsv: no column 'path' among"):
        CommonVoice(folder).catalogue()


def test_a_table_that_cannot_be_opened_is_refused(folder):
    (folder / "validated.tsv").mkdir()
    with pytest.raises(DatasetError, match=r"validated\.tsv: cannot be read \(Is a directory\)"):
        CommonVoice(folder).catalogue()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=30)
    )
)
def test_every_line_is_a_clip_or_a_problem_and_no_clip_is_outside(folder, written):
    fill(folder, [f"{path}\tx" for path in ["a.mp3", *written]], "path\tsentence", ("a.mp3",))
    clips = CommonVoice(folder).catalogue()
    assert len(clips) + len(CommonVoice(folder).problems()) == 1 + len(written)
    assert clips["clip_id"].is_unique
    assert set(clips["path"]) == {str((folder / "clips" / "a.mp3").resolve())}


def test_mozillas_own_table_is_read_whole(shared):
    reader = CommonVoice(shared / "common_voice")
    table = reader.catalogue()
    assert len(table) == 1147 and reader.problems().empty
    assert table["speaker_id"].nunique() == 709
    assert table.groupby("gender").size().to_dict() == {"female": 516, "male": 573, "other": 12}
    assert table["age_decade"].isna().sum() == 46
    assert table["locale"].nunique() == 58


def test_importing_the_readers_is_cheap():
    heavy = "{'pandas', 'numpy', 'soundfile', 'librosa', 'scipy'}"
    code = f"import sys, core.datasets; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

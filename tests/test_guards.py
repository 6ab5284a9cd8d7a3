"""Guards that other tests would not miss; each of these fails where its guard is taken away."""

import ast
import io
import os
from pathlib import Path
import re
import sys
import tarfile
import tomllib
import zipfile

import pytest
from streamlit.testing.v1 import AppTest
from visit import all_leave

import app
from conftest import SR, to_the_end, tone
from core import gate, serving
from core.audio import Limits, encode_wav
from core.datasets import CommonVoice, _archives
from core.datasets.files import Files
from core.datasets.sources import local_copy, open_bytes
from core.errors import DatasetError
from pages.shared import session
from pages.shared.errors import sentence

ROOT = Path(__file__).resolve().parents[1]
# Only these write CSV: the first two for people, escaped; the last for programs.
WRITERS = {"core/eda/browsing.py", "core/store/_export.py", "core/eda/outliers.py"}


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """A folder with one clip; a table and a folder of clips lie beside it."""
    folder = tmp_path / "set"
    (folder / "clips").mkdir(parents=True)
    (folder / "clips" / "a.mp3").touch()
    (tmp_path / "elsewhere" / "clips").mkdir(parents=True)
    (tmp_path / "elsewhere" / "secret.wav").touch()
    (tmp_path / "secret.tsv").write_text("client_id\tpath\ttext\nSECRET\ta.mp3\tSECRET\n")
    return folder


def test_a_table_that_is_a_link_to_elsewhere_is_refused(data_set):
    (data_set / "validated.tsv").symlink_to(data_set.parent / "secret.tsv")
    with pytest.raises(DatasetError, match=r"validated\.tsv: leaves the folder"):
        CommonVoice(data_set).catalogue()
    assert Files(data_set).head("validated.tsv") == b""


def test_names_outside_the_data_set_are_neither_seen_nor_listed(data_set):
    beside = data_set.with_name("set-2")  # its name begins like the data set's
    beside.mkdir()
    (beside / "secret.wav").touch()
    (data_set / "linked").symlink_to(data_set.parent / "elsewhere")
    (data_set / "to beside").symlink_to(beside)
    (data_set / "clips" / "b.mp3").symlink_to(beside / "secret.wav")
    files = Files(data_set)
    assert files.has("clips/a.mp3")
    outside = ("../secret.tsv", "../set-2", "linked", "linked/secret.wav", "/etc/passwd")
    for name in (*outside, "to beside/secret.wav", "clips/b.mp3"):
        assert not files.has(name), name
    assert set(files.names("clips")) == {"a.mp3", "b.mp3"}
    for folder in ("..", "../set-2", "linked", "linked/clips", "to beside", "/"):
        assert files.names(folder) == [], folder


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes among files")
@pytest.mark.timeout(20)  # who opens a pipe waits for ever
def test_a_table_that_is_a_pipe_is_refused_and_not_waited_for(data_set):
    os.mkfifo(data_set / "validated.tsv")
    with pytest.raises(DatasetError, match=r"validated\.tsv: not a file"):
        CommonVoice(data_set).catalogue()


def test_a_table_over_the_limit_is_not_read(data_set):
    (data_set / "t.csv").write_text("path\na.mp3\n")
    assert Files(data_set).read("t.csv", 11) == b"path\na.mp3\n"
    with pytest.raises(DatasetError, match=r"t\.csv: over .* GiB"):
        Files(data_set).read("t.csv", 10)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_absolute_names_and_large_members_of_an_archive_are_problems(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(_archives, "MAX_MEMBER_BYTES", 10)
    members = {"set/a.wav": b"small", "/etc/b.wav": b"small", "set/c.wav": b"12345678901"}
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, data in members.items():
                file.writestr(name, data)
    else:
        with tarfile.open(path, "w") as file:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
    found = _archives.index_of(str(path))
    assert list(found.sizes) == ["set/a.wav"]
    assert found.odd == {"/etc/b.wav": _archives.LEAVES, "set/c.wav": "over 10 bytes"}
    for name in found.odd:
        with pytest.raises(DatasetError, match=r"leaves the archive|over 10 bytes"):
            open_bytes(f"{path}!/{name}")


def test_copies_of_members_with_one_name_are_two_files_in_their_folder(tmp_path):
    path, copies = tmp_path / "x.zip", tmp_path / "copies"
    copies.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("set/a/1.wav", "one")
        file.writestr("set/b/1.wav", "other")
    made = [local_copy(f"{path}!/set/{name}/1.wav", copies) for name in "ab"]
    assert [copy.read_text() for copy in made] == ["one", "other"]
    assert {copy.parent for copy in made} == {copies}


def test_what_an_address_gives_is_bounded():
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe_file("/guards/a.wav", b"12345")
    assert open_bytes("memory://guards/a.wav", limit=5) == b"12345"
    with pytest.raises(DatasetError, match="over 4 bytes"):
        open_bytes("memory://guards/a.wav", limit=4)


@pytest.mark.parametrize("scheme", ["http", "s3", "file"])
def test_a_server_with_folders_of_its_own_opens_no_addresses(tmp_path, monkeypatch, scheme):
    monkeypatch.setenv("PHONOSCOPE_FOLDERS", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # an address, read as a path, lies in the working folder
    with pytest.raises(DatasetError, match="no addresses of other machines"):
        serving.check_folder(f"{scheme}://host/set")


def test_the_policy_names_no_other_host_and_lets_no_inline_script_run():
    assert app.HEADERS[b"x-content-type-options"] == b"nosniff"
    assert app.HEADERS[b"referrer-policy"] == b"no-referrer"
    assert b"camera=()" in app.HEADERS[b"permissions-policy"]
    words = [part.split() for part in app.HEADERS[b"content-security-policy"].decode().split("; ")]
    policy = {name: set(sources) for name, *sources in words}
    assert policy["default-src"] == {"'self'"}
    assert policy["object-src"] == {"'none'"}
    assert policy["frame-ancestors"] == policy["base-uri"] == {"'self'"}
    scripts = {s for s in policy.pop("script-src") if not s.startswith("'sha256-")}
    assert scripts == {"'self'", "blob:"}
    assert policy.pop("style-src") == {"'self'", "'unsafe-inline'"}
    assert policy.pop("connect-src") <= {"'self'", "data:", "blob:"}
    for name, sources in policy.items():
        assert sources <= {"'self'", "data:", "blob:", "'none'"}, name


def test_the_sentence_of_an_error_shows_the_names_in_it_letter_by_letter():
    said = sentence(DatasetError("![x](http://host/x.png): <b>no</b> such [file](http://host)."))
    assert re.sub(r"\\(.)", r"\1", said).replace("\u2060", "").startswith("![x](http://host/x.png)")
    assert not re.search(r"[\[\]<>!]", re.sub(r"\\.", "", said))


def test_the_server_is_set_up_for_this_computer_alone_and_bounds_uploads():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    server = config["server"]
    assert server["address"] == "127.0.0.1"
    assert set(server["allowedHosts"]) == {"localhost", "127.0.0.1"}
    assert server["enableCORS"]  # other pages' origins are refused
    assert server["enableXsrfProtection"]
    assert not server["enableStaticServing"]
    assert server["maxUploadSize"] <= Limits().max_mb
    assert not config["browser"]["gatherUsageStats"]
    assert config["client"]["showErrorDetails"] == "none"


def test_only_static_files_are_served_compressed(tmp_path):
    static = app.StaticGzip(None)
    static.root = tmp_path / "inside"
    static.root.mkdir()
    (static.root / "a.js").write_text("let a;")
    (tmp_path / "secret.js").write_text("let b;")
    (static.root / "link.js").symlink_to(tmp_path / "secret.js")
    assert static.pack("a.js")
    for name in ("../secret.js", "link.js", str(tmp_path / "secret.js")):
        assert static.pack(name) is None, name


def sign_in(chunks: list[bytes], scheme: str) -> tuple[dict[bytes, bytes], int]:
    """Headers of the answer to a form, and how many bytes of it were kept at most."""
    sent, rest = [], list(chunks)
    scope = {"type": "http", "path": gate.SIGN_IN, "method": "POST", "headers": []}
    scope |= {"client": ("10.0.0.1", 5), "scheme": scheme}
    kept = []

    async def receive():
        return {"type": "http.request", "body": rest.pop(0), "more_body": bool(rest)}

    async def send(message):
        sent.append(message)

    async def body(receive):
        kept.append(await gate_body(receive))
        return kept[-1]

    gate_body = gate._body
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "_body", body)
        to_the_end(gate.PassPhrase(None, "correct horse")(scope, receive, send))
    return dict(sent[0]["headers"]), len(kept[0])


def test_the_cookie_of_the_pass_phrase_is_kept_to_https_where_there_is_https():
    phrase = [b"phrase=correct+horse"]
    assert b"Secure" not in sign_in(phrase, "http")[0][b"set-cookie"]
    assert b"; Secure" in sign_in(phrase, "https")[0][b"set-cookie"]


def test_of_an_endless_form_little_is_kept():
    headers, kept = sign_in([b"phrase=", *[b"x" * 4096] * 50], "http")
    assert b"set-cookie" not in headers
    assert kept <= gate.MOST_BODY


def test_the_oldest_upload_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "MAX_UPLOADS", 2)
    mine = session.Mine("t" * 32, tmp_path)
    for f0 in (200.0, 300.0, 400.0):
        mine.add(f"{f0:g}.wav", encode_wav(tone(f0), sr=SR, bits=16))
    assert [name for name, _ in mine.clips.values()] == ["400.wav", "300.wav"]
    assert sorted(p.name for p in tmp_path.rglob("*.wav")) == ["300.wav", "400.wav"]


def visit() -> None:
    from pages.shared import session

    session.mine()


def test_a_visitors_folder_has_an_unguessable_name_and_is_closed_to_others(tmp_path, monkeypatch):
    monkeypatch.setenv("PHONOSCOPE_MEDIA", str(tmp_path))
    names = []
    for _ in range(2):
        all_leave()
        assert not AppTest.from_function(visit).run().exception
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        names.append(folder.name)
    all_leave()
    assert {len(name) for name in names} == {32}  # 24 random bytes
    assert sum(a == b for a, b in zip(*names, strict=True)) < 10  # by chance: one in two visits


def test_no_page_writes_a_csv_past_the_escaped_one():
    found = set()
    for file in [*(ROOT / "core").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(
                (".to_csv", ".to_excel", "csv.writer", "csv.DictWriter")
            ):
                found.add(file.relative_to(ROOT).as_posix())
    assert found == WRITERS

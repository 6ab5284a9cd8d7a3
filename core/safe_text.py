"""Names and texts from files are data: how to show them without letting them act.

Conventions: ``clean`` gives one visible line of plain text; ``md`` is for any Streamlit label,
caption, error or Markdown; ``plotly`` is for any Plotly title, hover or tick label; ``cell`` is
for CSV that people open; ``filename`` is for downloads.
"""

from hashlib import blake2b
import re
import unicodedata

_MARKDOWN = re.compile(r"""([\\`*_{}\[\]()<>#+\-.!|~$:&"'=^/@])""")
# Spreadsheets look past white space and invisible characters at the beginning.
_FORMULA = re.compile(r"[\s\x00-\x20\u200b-\u206f\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, bidi, surrogate, private use
_JOINER = "\u2060"  # invisible and unbreakable: stops GitHub-style autolinks
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{a}{i}" for a in ("COM", "LPT") for i in range(1, 10)}
_NAME_BYTES = 120


def clean(text: object, limit: int = 120) -> str:
    """One visible line of at most ``limit`` characters; hidden characters become U+FFFD."""
    shown = str(text)
    if not shown.isprintable():  # as every hidden character is not, nor some blanks
        shown = "".join(c if unicodedata.category(c) not in _HIDDEN else "\ufffd" for c in shown)
    shown = " ".join(shown.split())
    if len(shown) <= limit:
        return shown
    half = limit // 2
    return shown[: half - 1] + "…" + shown[len(shown) - (limit - half) :]


def md(text: object, limit: int = 120) -> str:
    """Text that Streamlit's Markdown shows letter by letter: no link, picture or HTML."""
    shown = re.sub("://", f":{_JOINER}//", clean(text, limit))
    shown = re.sub(r"(?i)www\.", lambda m: f"{m[0][:-1]}{_JOINER}.", shown)
    return _MARKDOWN.sub(r"\\\1", shown.replace("@", f"{_JOINER}@{_JOINER}"))


def plotly(text: object, limit: int = 120) -> str:
    """Text that Plotly shows letter by letter: pseudo-HTML, templates and maths disarmed."""
    shown = clean(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown.replace("%{", "%\u200b{").replace("$", "&#36;")


def cell(text: str) -> str:
    """Text for a cell of a spreadsheet: what would be a formula there begins with an apostrophe."""
    return f"'{text}" if _FORMULA.match(text) else text


def filename(text: object, default: str = "clip") -> str:
    """A file name that is safe on Linux, macOS and Windows; never a path."""
    last = str(text).replace("\\", "/").rsplit("/", 1)[-1]
    name = re.sub(r'[<>:"/\\|?*\ufffd]', "_", unicodedata.normalize("NFC", clean(last, 4000)))
    stem, dot, ext = name.strip(" .").rpartition(".")
    if not (dot and stem and re.fullmatch(r"[A-Za-z0-9]{1,5}", ext)):
        stem, ext = name, ""
    stem = stem.strip(" .") or default
    if stem.split(".")[0].strip().upper() in _DEVICES:
        stem = "_" + stem
    raw, room = stem.encode(), _NAME_BYTES - len(ext) - 1
    if len(raw) > room:
        tail = blake2b(raw, digest_size=4).hexdigest()
        stem = raw[: room - 9].decode("utf-8", "ignore").rstrip(" .") + "_" + tail
    return f"{stem}.{ext}" if ext else stem

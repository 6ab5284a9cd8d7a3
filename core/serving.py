"""What a server opens to others: folders, sessions, memory; how it is started for a class room.

Environment variables: PHONOSCOPE_FOLDERS (folders that visitors may open, separated as in PATH; not
set: all that the server's user may read), PHONOSCOPE_PASSPHRASE (visitors must know it),
PHONOSCOPE_SESSIONS and PHONOSCOPE_MEMORY_MB (above them newcomers are asked to come back later),
PHONOSCOPE_LOG (one line of JSON for each request).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import os
from pathlib import Path
import re
import socket
import time

import core
from core.errors import DatasetError, ParameterError
from core.safe_text import clean

SESSIONS, MEMORY_MB = 60, 2500
MEDIA = re.compile(r"phonoscope-\d+-\w+")  # names of folders that hold visitors' recordings


@dataclass(frozen=True)
class Settings:
    """``folders`` is None where any may be opened; ``passphrase`` is "" where there is none."""

    folders: tuple[Path, ...] | None
    passphrase: str
    sessions: int
    memory_mb: int
    log: bool


def settings(env: Mapping[str, str] | None = None) -> Settings:
    """The settings in force.

    Raises
    ------
    ParameterError
        A limit is not a whole number above 0.
    """
    env = os.environ if env is None else env
    listed = env.get("PHONOSCOPE_FOLDERS")
    folders = None
    if listed is not None:
        folders = tuple(Path(p).resolve() for p in listed.split(os.pathsep) if p.strip())
    return Settings(
        folders=folders,
        passphrase=env.get("PHONOSCOPE_PASSPHRASE", ""),
        sessions=_whole(env, "PHONOSCOPE_SESSIONS", SESSIONS),
        memory_mb=_whole(env, "PHONOSCOPE_MEMORY_MB", MEMORY_MB),
        log=bool(env.get("PHONOSCOPE_LOG")),
    )


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ParameterError(f"{name}={clean(text, 40)} does not work: choose a whole number.")
    return int(text)


def check_folder(path: str | os.PathLike, *, always: Sequence[Path] = ()) -> None:
    """Raise DatasetError where visitors of this server may not open ``path``.

    Links are followed first. ``always`` may be opened wherever the server's folders are; what
    holds the recordings of visitors may never be.
    """
    folders, text = settings().folders, os.fspath(path)
    try:
        full = Path(path).resolve()
    except (OSError, ValueError, RuntimeError):
        full = None
    if full is not None and _holds_recordings(full):
        raise DatasetError(
            f"{clean(full.name or text, 80)}: the recordings of visitors lie here, so this folder "
            "may not be opened. Name the folder of your data set itself."
        )
    if folders is None:
        return
    if "://" in text:
        raise DatasetError(f"{clean(text, 80)}: this server opens no addresses of other machines.")
    roots = (*folders, *(p.resolve() for p in always))
    if full is None or not any(full.is_relative_to(root) for root in roots):
        names = ", ".join(clean(p, 80) for p in folders) or "the built-in set alone"
        raise DatasetError(
            f"{clean(os.path.basename(text.rstrip('/')), 80)}: this folder may not be opened on "
            f"this server. It opens {names}; ask who runs it to add another."
        )


def _holds_recordings(full: Path) -> bool:
    """Whether a folder lies in one of visitors' recordings, or this server's lies in it."""
    if any(MEDIA.fullmatch(part) for part in full.parts):
        return True
    media = Path(os.environ.get("PHONOSCOPE_MEDIA", "")).resolve()
    return MEDIA.fullmatch(media.name) is not None and media.is_relative_to(full)


def full(sessions: int) -> str:
    """Why a newcomer must wait, as a sentence; "" where there is room."""
    here = settings()
    if sessions > here.sessions:
        return f"All {here.sessions} places are taken. Please try again in a few minutes."
    used = memory_mb()
    if used is not None and used > here.memory_mb:
        return "This server has no memory left for newcomers. Please try again in a few minutes."
    return ""


def health(started: float) -> dict[str, object]:
    """State, version, seconds since ``started``, jobs and memory; nothing about who uses it."""
    queue = os.environ.get("PHONOSCOPE_QUEUE", "")
    try:
        tickets = os.listdir(queue) if queue else []
    except OSError:
        tickets = []
    used = memory_mb()
    return {
        "status": "ok" if used is None or used <= settings().memory_mb else "full",
        "version": core.__version__,
        "uptime_s": round(time.monotonic() - started),
        "jobs_running": sum(name.startswith("run-") for name in tickets),
        "jobs_waiting": sum(name.startswith("wait-") for name in tickets),
        "memory_mb": None if used is None else round(used),
    }


def memory_mb() -> float | None:
    """Memory of this process, in 2^20 bytes; None where it is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def addresses() -> list[str]:
    """Names and addresses that this machine is likely to be reached by."""
    found = ["localhost", "127.0.0.1", socket.gethostname()]
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: it only picks the interface
            found.append(probe.getsockname()[0])
    except OSError:
        pass
    return list(dict.fromkeys(found))


def announcement(port: int, hosts: Sequence[str], sign_in: bool) -> list[str]:
    """What ``serve`` opens, in sentences."""
    here = settings()
    said = [f"Phonoscope is open to the network at http://{hosts[-1]}:{port}"]
    if here.passphrase:
        said.append("Visitors are asked for the pass phrase.")
    elif sign_in:
        said.append("Visitors sign in as .streamlit/secrets.toml says.")
    else:
        said.append("Anyone who can reach this address may use it: set PHONOSCOPE_PASSPHRASE.")
    if here.folders is None:
        said.append("Any folder that you may read can be opened: set PHONOSCOPE_FOLDERS.")
    else:
        named = ", ".join(str(p) for p in here.folders)
        said.append(f"Folders that can be opened: {named or 'none, only the built-in set'}.")
    said.append(f"At most {here.sessions} visitors at once. Uploads go when their visitor goes.")
    said.append("Microphones need HTTPS: see docs/serving.md.")
    return said

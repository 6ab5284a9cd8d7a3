"""The checks as columns of a data set's table, kept beside a workspace.

Conventions: the folder ``checks`` of a workspace holds ``part-N.parquet``: clip_id, path, size and
mtime_ns of the file that was checked, error and message (null where it went well), one double for
each number, and the texts ``check_verdict`` and ``check_sentence``. A row counts while its file is
the catalogue's. ``recipe.json`` names the version and the thresholds.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

from core.quality import CheckParams, Report

VERSION = 1
FOLDER, PATTERN = "checks", "part-*.parquet"
KEYS = ("clip_id", "path", "size", "mtime_ns", "error", "message")
TEXTS = ("check_verdict", "check_sentence")


class Column(NamedTuple):
    """A number of the table: its name, the check it is from, and which of the check's numbers."""

    name: str
    key: str
    label: str
    unit: str
    extra: str = ""


COLUMNS = (
    Column("check_clipping_share", "clipping", "Clipping, share of samples", ""),
    Column("check_active_level_dbfs", "active_level", "Active speech level", "dBFS"),
    Column("check_snr_db", "snr", "Signal-to-noise ratio", "dB"),
    Column("check_hum_dbfs", "hum", "Mains hum, level", "dBFS"),
    Column("check_hum_hz", "hum", "Mains hum, frequency", "Hz", "hum_hz"),
    Column("check_bandwidth_hz", "bandwidth", "Effective bandwidth", "Hz"),
    Column("check_dropout_count", "dropouts", "Dropouts", ""),
    Column("check_click_count", "clicks", "Clicks", ""),
    Column("check_dc_offset", "dc_offset", "DC offset", ""),
    Column("check_channel_difference_db", "channels", "Difference of channels", "dB"),
    Column("check_noise_floor_dbfs", "noise_floor", "Noise floor", "dBFS"),
    Column("check_head_silence_s", "head_silence", "Silence before the speech", "s"),
    Column("check_tail_silence_s", "tail_silence", "Silence after the speech", "s"),
    Column("check_speech_share", "speech_share", "Share of speech", ""),
    Column("check_loudness_lufs", "loudness", "Loudness", "LUFS"),
    Column("check_true_peak_dbtp", "true_peak", "True peak", "dBTP"),
    Column("check_peak_dbfs", "peak", "Peak", "dBFS"),
)
NAMES = frozenset(column.name for column in COLUMNS)


def row_of(report: Report) -> dict[str, Any]:
    """Values of the columns: numbers, None where not measurable, and the texts."""
    row: dict[str, Any] = {}
    for column in COLUMNS:
        check = report[column.key]
        value = check.extra.get(column.extra, math.nan) if column.extra else check.value
        row[column.name] = value if math.isfinite(value) else None
    return {**row, "check_verdict": report.verdict, "check_sentence": report.sentence}


def recipe_of(limits: CheckParams) -> dict[str, Any]:
    """What the columns depend on besides the files."""
    return {"version": VERSION, "limits": limits.digest}


def parts(workspace: Path) -> list[Path]:
    """The parts that are there, in the order they were written."""
    return sorted((workspace / FOLDER).glob(PATTERN))


def stamp(workspace: Path) -> int:
    """Changes when parts come or go; 0 where there are none."""
    try:
        return (workspace / FOLDER).stat().st_mtime_ns
    except OSError:
        return 0


def join_sql(files: str, catalogue: str) -> str:
    """A SELECT of clip_id and the columns, for a LEFT JOIN on clip_id.

    Parameters
    ----------
    files, catalogue : str
        SQL of the parts, as ``read_parquet([...])``, and of the catalogue.
    """
    names = ", ".join(f"k.{name}" for name in (*(c.name for c in COLUMNS), *TEXTS))
    same = " AND ".join(f"k.{n} = c.{n}" for n in ("clip_id", "path", "size", "mtime_ns"))
    return (
        f"SELECT k.clip_id, {names} FROM {files} k JOIN {catalogue} c ON {same} "
        "WHERE k.error IS NULL"
    )

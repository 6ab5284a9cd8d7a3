"""Hostile inputs with a known treatment: what becomes of each, against what was wished.

``python -m benchmarks.badinputs FOLDER``: a folder with ``index.csv`` (file, group, expect, what),
where ``expect`` is reject (one sentence), accept (analysed), flag (analysed, with a warning), skip
(rows reported, the rest analysed) or limit (either, in bounded time). Prints the cases that end
otherwise, and how many of each kind end as wished.
"""

import argparse
from collections import Counter
import csv
import os
from pathlib import Path
import resource
import tempfile
import time
import traceback

from core import audio, features, quality
from core.audio import ClipRef, Limits
from core.datasets import open_dataset
from core.datasets.sources import local_copy
from core.errors import VoiceError

SOUND = ("audio", "signals", "names")
SLOW_S = 20.0
OPENED = 50
FINE = {
    "reject": ("reject",),
    "accept": ("accept", "flag"),
    "flag": ("flag", "skip", "reject"),
    "skip": ("skip",),
    "limit": ("accept", "flag", "skip", "reject"),
}


def recording(path: str) -> tuple[str, str]:
    """Open, check and measure a file as the page of an upload does."""
    ref = ClipRef.of(path)
    limits = Limits.from_env()
    found = audio.info(ref, limits=limits)
    length = min(found.duration_s, 60.0)
    report = quality.check_file(ref)
    y, sr = audio.load(ref, 16_000, start_s=0.0, duration_s=length, limits=limits)
    features.extract(y, sr=sr, feature_set="voice-v1")
    said = " ".join([*found.warnings, report.sentence])
    if report.verdict == "pass" and not found.duration_claimed and not found.warnings:
        return "accept", said
    return "flag", said


def data_set(path: str) -> tuple[str, str]:
    """Read the catalogue of a data set and open its clips, up to fifty."""
    found = open_dataset(path)
    table, problems = found.catalogue(), found.problems()
    if not len(table):
        return "reject", "no clips"
    said = [str(problem) for problem in problems["problem"].head(2)]
    with tempfile.TemporaryDirectory() as folder:
        for clip in table["path"].head(OPENED):
            try:
                audio.info(ClipRef.of(local_copy(clip, folder)))
            except VoiceError as err:
                said.append(str(err))
    if said:
        return "skip", "; ".join(said)
    notes = found.notes()
    return ("flag", " ".join(notes)) if notes else ("accept", f"{len(table)} clips")


def outcome(root: Path, file: str, group: str) -> tuple[str, str, float]:
    """What became of a case, what was said, and seconds."""
    began = time.perf_counter()
    path = os.fsencode(root) + b"/" + file.encode("utf-8").replace(b"\\xe9\\xff", b"\xe9\xff")
    shown = os.fsdecode(path)
    try:
        if group in SOUND:
            kind, said = recording(shown)
        elif group == "manifests":
            kind, said = data_set(os.path.dirname(shown))
        else:
            kind, said = data_set(shown)
    except VoiceError as err:
        kind, said = "reject", str(err)
    except Exception:
        kind, said = "TRACEBACK", traceback.format_exc(limit=-2)
    return kind, said, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="print every case")
    parser.add_argument("--group", help="only this group")
    args = parser.parse_args()
    audio.warm()
    features.warm()
    wished, as_wished, slow = Counter(), Counter(), []
    with open(args.folder / "index.csv", newline="", encoding="utf-8") as file:
        cases = [c for c in csv.DictReader(file) if args.group in (None, c["group"])]
    for case in cases:
        kind, said, seconds = outcome(args.folder, case["file"], case["group"])
        fine = kind in FINE[case["expect"]]
        wished[case["expect"]] += 1
        as_wished[case["expect"]] += fine
        if seconds > SLOW_S:
            slow.append((case["file"], seconds))
        if args.all or not fine:
            mark = " " if fine else "!"
            print(f"{mark} {case['file']!r}: {case['expect']} -> {kind} ({case['what']})")
            print(f"    {said}")
    for expect, total in sorted(wished.items()):
        print(f"{expect:7} {as_wished[expect]:4} of {total}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"all     {sum(as_wished.values()):4} of {len(cases)}")
    print(f"over {SLOW_S:g} s: {slow or 'none'}")
    print(f"memory of this process at most {memory:.0f} MB")


if __name__ == "__main__":
    main()

"""The command line: every command is one call into the layers above.

Exit codes: 0 done, 1 some files failed, 2 could not start.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
import json
import sys

from core import audio
from core.audio import ClipRef, Limits
from core.errors import VoiceError
from core.params import CleanParams, Denoise, Trim

METHODS = {"default": "lsa", "lsa": "lsa", "noisereduce": "noisereduce"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except VoiceError as err:
        print(f"phonoscope: {err}", file=sys.stderr)
    except OSError as err:
        print(f"phonoscope: {err.filename}: {err.strerror}.", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="what each file is, one JSON object a line")
    info.add_argument("files", nargs="+", metavar="FILE")
    info.set_defaults(run=_info)

    clean = commands.add_parser("clean", help="denoise and trim one file")
    clean.add_argument("input", metavar="IN")
    clean.add_argument("output", metavar="OUT.wav")
    clean.add_argument(
        "--method",
        choices=list(METHODS),
        default="default",
        help="default is lsa, the log-spectral amplitude estimator",
    )
    clean.add_argument("--strength", type=float, default=12.0, metavar="DB", help="of lsa")
    clean.add_argument("--no-denoise", action="store_true")
    clean.add_argument("--no-trim", action="store_true")
    clean.add_argument("--top-db", type=float, default=20.0, metavar="N", help="of the trim")
    clean.add_argument("--sr", type=int, default=None, metavar="HZ", help="default: as recorded")
    clean.add_argument("--bits", type=int, choices=(16, 24, 32), default=32, help="32 is float")
    clean.set_defaults(run=_clean)
    return parser


def _info(args: argparse.Namespace) -> int:
    limits, failed = Limits.from_env(), False
    for path in args.files:
        try:
            found = asdict(audio.info(ClipRef.of(path), limits=limits)) | {"path": path}
        except VoiceError as err:
            found, failed = {"path": path, "error": str(err)}, True
        print(json.dumps(found), flush=True)  # ASCII escapes: any file name is one line
    return 1 if failed else 0


def _clean(args: argparse.Namespace) -> int:
    from core import clean

    y, sr = audio.load(ClipRef.of(args.input), args.sr, limits=Limits.from_env())
    chain = CleanParams(
        denoise=Denoise(
            on=not args.no_denoise, method=METHODS[args.method], strength_db=args.strength
        ),
        trim=Trim(on=not args.no_trim, top_db=args.top_db),
    )
    done = clean.clean(y, sr=sr, params=chain)
    audio.write_wav(args.output, done.y, sr=sr, bits=args.bits)
    for step in done.steps:
        print(f"{step.label}: {step.detail}", file=sys.stderr)
    return 0

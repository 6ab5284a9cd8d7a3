"""The command ``doctor``."""

import argparse
import json


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    doctor = commands.add_parser("doctor", help="is this installation, and a workspace, sound")
    doctor.add_argument("--workspace", metavar="FOLDER", help="read all of its parts too")
    doctor.add_argument("--json", action="store_true", help="one JSON object a line")
    doctor.set_defaults(run=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from core import doctor

    failed = False
    for found in doctor.examine(args.workspace):
        failed |= found.state == "fail"
        if args.json:
            print(json.dumps(found._asdict()), flush=True)
        else:
            print(f"{found.state:<5} {found.topic:<10} {found.sentence}", flush=True)
    return int(failed)

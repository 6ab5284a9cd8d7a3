"""The command ``serve``: Phonoscope for a class room."""

import argparse
import os
from pathlib import Path
import sys

ROOT = Path(__file__).resolve().parents[2]


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    serve = commands.add_parser("serve", help="open Phonoscope to the network, for a class room")
    serve.add_argument("--port", type=int, default=8501)
    serve.add_argument("--address", default="0.0.0.0", metavar="IP", help="default: every one")
    serve.add_argument("--host", action="append", default=[], help="a name it is reached by")
    serve.set_defaults(run=_serve)


def _serve(args: argparse.Namespace) -> int:
    from core import serving

    os.environ.setdefault("PHONOSCOPE_FOLDERS", "")
    os.environ.setdefault("PHONOSCOPE_LOG", "1")
    hosts = [*serving.addresses(), *args.host]
    sign_in = (ROOT / ".streamlit" / "secrets.toml").is_file()
    for sentence in serving.announcement(args.port, hosts, sign_in):
        print(sentence, flush=True)
    words = ["run", "app.py", "--server.address", args.address, "--server.port", str(args.port)]
    words += ["--browser.serverAddress", hosts[-1]]  # or Streamlit asks the internet for it
    for host in hosts:
        words += ["--server.allowedHosts", host]
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", *words])

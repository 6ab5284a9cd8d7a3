"""``embed``: vectors of a workspace's clips from a pretrained network."""

import argparse
import sys

from core import jobs
from core.cli.progress import Line


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    embed = commands.add_parser("embed", help="vectors of a workspace's clips from a network")
    embed.add_argument("--workspace", required=True, metavar="FOLDER")
    embed.add_argument("--network", required=True, metavar="FILE.onnx")
    embed.add_argument("--show", action="store_true", help="only say what the network takes")
    embed.add_argument("--input", default="auto", metavar="KIND", help="waveform, logmel or fbank")
    embed.add_argument(
        "--layout", default="auto", metavar="ORDER", help="frames-bands or bands-frames"
    )
    embed.add_argument("--output", default="", metavar="NAME", help="of the network, the vector")
    embed.add_argument("--bands", type=int, default=0, metavar="N", help="where it does not say")
    embed.add_argument("--fmin", type=float, metavar="HZ", help="of the mel bands")
    embed.add_argument("--fmax", type=float, metavar="HZ", help="of the mel bands")
    embed.add_argument(
        "--normalise", action="store_true", help="give waveforms mean 0 and variance 1"
    )
    embed.add_argument("--workers", type=int, default=2, metavar="N", help="processes")
    embed.add_argument("--limit", type=int, metavar="N", help="only a sample of so many clips")
    embed.add_argument("--rebuild", action="store_true", help="delete another network's vectors")
    embed.set_defaults(run=_embed)


def _embed(args: argparse.Namespace) -> int:
    from core.models import embeddings
    from core.store import Workspace

    workspace, params = Workspace.open(args.workspace), _params(args)
    print(embeddings.open_network(args.network, params).words, file=sys.stderr)
    if args.show:
        return 0
    line = Line()
    found = embeddings.embed_workspace(
        workspace,
        args.network,
        params,
        workers=args.workers,
        limit=args.limit,
        rebuild=args.rebuild,
        progress=line.show,
        cancelled=jobs.cancelled,
    )
    return line.total(found, "{} vectors made, {} clips failed, {} there before")


def _params(args: argparse.Namespace):
    from core.models.embeddings import EmbeddingParams

    return EmbeddingParams(
        input=args.input,
        layout=args.layout,
        output=args.output,
        n_mels=args.bands,
        fmin=args.fmin,
        fmax=args.fmax,
        normalise=args.normalise,
    )

"""``train``: a model from a workspace."""

import argparse
import json
import sys
from typing import Any

from core import jobs
from core.cli.progress import Line, fits
from core.errors import ParameterError
from core.safe_text import clean


def add(commands: argparse._SubParsersAction) -> None:
    """Add ``train`` to the commands."""
    train = commands.add_parser("train", help="train a model on a workspace's clips")
    train.add_argument("--workspace", required=True, metavar="FOLDER")
    train.add_argument("--out", required=True, metavar="MODEL", help="the model's file")
    train.add_argument("--target", metavar="LABEL", help="gender, age, age_years, tag:NAME …")
    train.add_argument("--model", metavar="NAME", help="default: svc; for years svr-rbf")
    train.add_argument(
        "--inputs",
        metavar="A,B",
        help="of features, mfcc, mel, image, embedding, label:COLUMN; default: features,mfcc",
    )
    train.add_argument(
        "--split", choices=("speaker", "clip"), help="default: by speaker where any is known"
    )
    train.add_argument("--folds", type=int, default=5, metavar="N")
    train.add_argument("--search", action="store_true", help="search settings inside the folds")
    train.add_argument(
        "--setting", action="append", default=[], metavar="NAME=VALUE", help="as C=3; repeatable"
    )
    train.add_argument("--log1p", action="store_true", help="logarithm of skewed inputs")
    train.add_argument(
        "--max-z", type=float, metavar="Z", help="learn from no clip with a |z| above it"
    )
    train.add_argument("--where", metavar="SELECTION", help="as in a page's address (sel=)")
    train.add_argument("--seed", type=int, default=0, metavar="N")
    train.add_argument("--preset", choices=("article",), help="the article's model, as it was made")
    train.add_argument("--data", metavar="FOLDER", help="of the article's own table")
    train.add_argument("--jobs", type=int, default=1, metavar="N", help="processes here")
    train.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster instead")
    train.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> int:
    from core.models import files
    from core.models.search import Cancelled
    from core.store import Workspace

    workspace, line = Workspace.open(args.workspace), Line(fits)
    how = {
        "progress": line.show,
        "cancelled": jobs.cancelled,
        "n_jobs": args.jobs,
        "scheduler": args.scheduler,
    }
    try:
        made, table = (_preset if args.preset else _own)(args, workspace, how)
    except Cancelled as err:
        line.end()
        print(f"phonoscope: {err}", file=sys.stderr)
        return 1
    line.end()
    files.save(made, table, args.out)
    print(_summary(made), file=sys.stderr)
    return 0


def _preset(args: argparse.Namespace, workspace: Any, how: dict[str, Any]) -> tuple[Any, Any]:
    from core.models import preset

    return (
        preset.article(workspace, data=args.data, **how),
        preset.article_table(workspace, args.data),
    )


def _own(args: argparse.Namespace, workspace: Any, how: dict[str, Any]) -> tuple[Any, Any]:
    from core.eda import selecting
    from core.filters import Selection
    from core.models.table import learn_table
    from core.models.train import train

    if not args.target:
        raise ParameterError("What shall be learnt? Name a label with --target, as gender.")
    columns = selecting.columns(workspace)
    selection = Selection.from_text(args.where, columns) if args.where else Selection()
    params = _params(args, workspace)
    table = learn_table(workspace, selection, params)
    for why, clips in table.about["left_out"].items():
        print(f"left out: {clips:,} clips ({clean(why)})", file=sys.stderr)
    return train(table, params, **how), table


def _params(args: argparse.Namespace, workspace: Any) -> Any:
    from core.models.base import TrainParams
    from core.models.families import spec_of
    from core.models.table import default_inputs

    model = args.model or ("svr-rbf" if args.target == "age_years" else "svc-rbf")
    names = tuple(n.strip() for n in args.inputs.split(",")) if args.inputs else ()
    return TrainParams(
        target=args.target,
        inputs=names or default_inputs(workspace),
        model=spec_of(model).key,
        split=args.split or _split(workspace),
        n_splits=args.folds,
        search=args.search,
        settings=tuple(_setting(text) for text in args.setting),
        log1p=args.log1p,
        max_z=args.max_z,
        seed=args.seed,
    )


def _split(workspace: Any) -> str:
    known = "speaker_id" in workspace.label_columns()
    if known and workspace.count("speaker_id IS NOT NULL"):
        return "speaker"
    print(
        "phonoscope: no speaker is known here, so the split is by clip: a voice may be on both "
        "sides, and the scores may be too good.",
        file=sys.stderr,
    )
    return "clip"


def _setting(text: str) -> tuple[str, Any]:
    """A name and a number, true, false, null, or a word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"--setting {clean(text)}: write NAME=VALUE, as C=3.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value.strip()


def _summary(made: Any) -> str:
    """One line: how the model did on clips it had not heard."""
    import numpy as np

    found = made.predictions
    how = f"{found.y.size:,} clips, split by {made.params.split}"
    if not found.labels:
        error = float(np.abs(found.answers - found.y).mean())
        median = float(np.abs(found.y - np.median(found.y)).mean())
        return f"Mean absolute error {error:.2f}, of always the median {median:.2f}; {how}."
    right = found.answers == found.y
    balanced = np.mean([right[found.y == v].mean() for v in np.unique(found.y.astype(str))])
    chance = 1 / len(found.labels)
    return f"Accuracy {right.mean():.3f}, balanced {balanced:.3f} (chance {chance:.3f}); {how}."

"""``predict``, ``evaluate`` and ``model-tests``: a model on recordings, on clips, and tested."""

import argparse
from dataclasses import replace
import json
import math
from pathlib import Path
import sys
import zipfile

from core import jobs
from core.cli.progress import Line, fits
from core.errors import ParameterError
from core.safe_text import clean as clean_text


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands."""
    predict = commands.add_parser(
        "predict", help="ask a model about recordings, one JSON object a line"
    )
    predict.add_argument(
        "files",
        nargs="+",
        metavar="[MODEL] FILE",
        help="without a model the one that comes with the program is asked",
    )
    predict.add_argument("--model", metavar="MODEL", help="a model file")
    predict.add_argument(
        "--threshold", type=float, metavar="P", help="say nothing below this probability"
    )
    predict.add_argument(
        "--network",
        metavar="FILE.onnx",
        help="the pretrained network that the model hears with; default: its workspace's",
    )
    predict.set_defaults(run=_predict)

    evaluate = commands.add_parser("evaluate", help="score a model on another workspace")
    evaluate.add_argument("model", metavar="MODEL")
    evaluate.add_argument("--workspace", required=True, metavar="FOLDER")
    evaluate.add_argument("--json", action="store_true", help="one JSON object")
    evaluate.set_defaults(run=_evaluate)

    tests = commands.add_parser("model-tests", help="test a model on the clips it was trained on")
    tests.add_argument(
        "kind", metavar="KIND", help="learning, importance, leak, repeats or shortcuts"
    )
    tests.add_argument("--workspace", required=True, metavar="FOLDER", help="where the clips are")
    tests.add_argument("--model", required=True, metavar="MODEL")
    tests.add_argument("--out", required=True, metavar="FOLDER", help="result.json is put there")
    tests.set_defaults(run=_tests)


def _predict(args: argparse.Namespace) -> int:
    from core.models import files, predict
    from core.models.shipped import shipped

    model, paths = args.model, list(args.files)
    if model is None and _is_model(paths[0]):
        model = paths.pop(0)
    if not paths:
        raise ParameterError("There is no recording to ask about: name one or more files.")
    loaded = files.load(model) if model else shipped()
    if args.network is not None:
        loaded = replace(loaded, network=Path(args.network))
    predict.ready(loaded)
    failed = False
    for path in paths:
        if jobs.cancelled():
            return 1
        found = predict.row(loaded, path, threshold=args.threshold)
        failed |= "error" in found
        print(json.dumps(found), flush=True)  # ASCII escapes: any file name is one line
    return 1 if failed else 0


def _is_model(path: str) -> bool:
    """Whether the first name is meant as a model: by what it is, or by what it is not called."""
    from core.audio import audio_suffixes

    if Path(path).suffix.lower().removeprefix(".") in audio_suffixes():
        return False
    return zipfile.is_zipfile(path) or Path(path).is_file()


def _evaluate(args: argparse.Namespace) -> int:
    from core.models import evaluate, files
    from core.store import Workspace

    found = evaluate.evaluate(files.load(args.model), Workspace.open(args.workspace))
    for message in found.warnings:
        print(f"phonoscope: {message}", file=sys.stderr)
    if args.json:
        print(json.dumps(_plain(evaluate.as_dict(found))))
        return 0
    scores = found.scores
    speakers = f"{scores.speakers:,} speakers" if scores.speakers else "no known speaker"
    print(f"{scores.clips:,} clips, {speakers}")
    for score in scores.scores:
        print(f"{score.label}: {_interval(score.score)} {score.unit}".rstrip())
    for baseline in scores.baselines:
        if scores.main.name in baseline.scores:
            print(f"  {baseline.label}: {_interval(baseline.scores[scores.main.name])}")
    for group in found.groups:
        print(
            f"{clean_text(', '.join(group.names))}: {_interval(group.score)}, {group.clips} clips"
        )
    print(scores.resampled)
    return 0


def _tests(args: argparse.Namespace) -> int:
    from core.models import checks, files
    from core.models.search import Cancelled
    from core.store import Workspace

    line, workspace = Line(fits), Workspace.open(args.workspace)
    trained = files.load(args.model).trained
    try:
        found = checks.run(
            args.kind, workspace, trained, progress=line.show, cancelled=jobs.cancelled
        )
    except (Cancelled, KeyboardInterrupt):
        line.end()
        print("phonoscope: The test was cancelled; nothing was saved.", file=sys.stderr)
        return 1
    line.end()
    checks.save(args.kind, found, args.out)
    print(_sentence(found))
    return 0


def _sentence(found) -> str:
    """What a test found; of importance the five inputs that matter most."""
    if hasattr(found, "sentence"):
        return found.sentence
    drops = found.drops.mean(axis=1)
    named = zip(found.names[:5], drops, strict=False)
    told = ", ".join(f"{clean_text(name, 60)} {drop:.3f}" for name, drop in named)
    return f"What is lost where an input is shuffled ({found.metric}): {told}."


def _interval(found) -> str:
    if math.isnan(found.low):
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _plain(value):
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

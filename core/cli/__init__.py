"""The command line: every command is one call into the layers above.

Exit codes: 0 done, 1 some files failed, 2 could not start.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
import json
import math
import sys

from core import audio, jobs
from core.audio import ClipRef, Limits
from core.cli import check, doctor, models, models_use, networks, serve
from core.cli.progress import Line
from core.errors import VoiceError
from core.params import CleanParams, Denoise, Trim
from core.safe_text import clean as clean_text

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
    _add_features(commands)
    _add_extract(commands)
    _add_workspace(commands)
    _add_replay(commands)
    _add_mels(commands)
    models.add(commands)
    models_use.add(commands)
    networks.add(commands)
    doctor.add(commands)
    serve.add(commands)
    check.add(commands)
    return parser


def _add_recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set", default="voice-v1", metavar="NAME", help="voice-v1 (default) or article-v1"
    )
    command.add_argument(
        "--clean", choices=("article",), help="denoise and trim as the article does, first"
    )
    command.add_argument(
        "--keep-padding", action="store_true", help="keep the silence that MP3 encoders add"
    )


def _add_features(commands: argparse._SubParsersAction) -> None:
    features = commands.add_parser("features", help="measure files, one JSON object a line")
    features.add_argument("files", nargs="+", metavar="FILE")
    _add_recipe(features)
    features.set_defaults(run=_features)


def _add_extract(commands: argparse._SubParsersAction) -> None:
    extract = commands.add_parser("extract", help="measure a data set into a workspace")
    extract.add_argument("dataset", metavar="DATASET")
    extract.add_argument("--workspace", required=True, metavar="FOLDER")
    extract.add_argument("--layout", metavar="NAME", help="default: recognised")
    _add_recipe(extract)
    extract.add_argument("--workers", type=int, default=2, metavar="N", help="processes here")
    extract.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster instead")
    extract.add_argument("--limit", type=int, metavar="N", help="only the first clips")
    extract.add_argument(
        "--rebuild", action="store_true", help="delete another table that is in the workspace"
    )
    extract.add_argument("--retry-failed", action="store_true", help="measure failures again")
    extract.set_defaults(run=_extract)


def _add_workspace(commands: argparse._SubParsersAction) -> None:
    datasets = commands.add_parser("datasets", help="what a data set is, and counts by label")
    datasets.add_argument("dataset", metavar="DATASET")
    datasets.add_argument("--layout", metavar="NAME", help="default: recognised")
    datasets.set_defaults(run=_datasets)

    status = commands.add_parser("status", help="how far a workspace is")
    status.add_argument("workspace", metavar="WORKSPACE")
    status.set_defaults(run=_status)

    export = commands.add_parser("export", help="a workspace's table as one file")
    export.add_argument("workspace", metavar="WORKSPACE")
    export.add_argument("--format", choices=("csv", "parquet", "spreadsheet"), default="csv")
    export.add_argument("--out", metavar="FILE", help="default: features.csv or .parquet here")
    export.set_defaults(run=_export)


def _add_mels(commands: argparse._SubParsersAction) -> None:
    mels = commands.add_parser("mels", help="make the mel pictures of a workspace's clips")
    mels.add_argument("workspace", metavar="WORKSPACE")
    mels.add_argument("--workers", type=int, default=2, metavar="N", help="processes")
    mels.add_argument("--limit", type=int, metavar="N", help="only a sample of so many clips")
    mels.set_defaults(run=_mels)


def _add_replay(commands: argparse._SubParsersAction) -> None:
    recipe = commands.add_parser("recipe", help="apply a recipe of outlier rules to a workspace")
    recipe.add_argument("recipe", metavar="RECIPE")
    recipe.add_argument("workspace", metavar="WORKSPACE")
    recipe.add_argument("--out", metavar="FILE.csv", help="write the clips that are kept")
    recipe.set_defaults(run=_replay)


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


def _features(args: argparse.Namespace) -> int:
    from core import extract

    recipe = extract.Recipe(args.set, args.clean, args.keep_padding)
    recipe.check()
    failed = False
    for path in args.files:
        try:
            found = extract.measure_file(path, recipe)
            values = {n: v if math.isfinite(v) else None for n, v in found["values"].items()}
            vectors = {name: v.tolist() for name, v in found["vectors"].items()}
            line = {"path": path, "set": args.set, **values, **vectors}
        except VoiceError as err:
            line, failed = {"path": path, "error": str(err)}, True
        print(json.dumps(line), flush=True)
    return 1 if failed else 0


def _extract(args: argparse.Namespace) -> int:
    from core.datasets import open_dataset
    from core.extract import extract_dataset

    line = Line()
    found = extract_dataset(
        open_dataset(args.dataset, args.layout),
        args.workspace,
        feature_set=args.set,
        clean=args.clean,
        workers=args.workers,
        scheduler=args.scheduler,
        limit=args.limit,
        progress=line.show,
        cancel=jobs.cancelled,
        keep_padding=args.keep_padding,
        rebuild=args.rebuild,
        retry_failed=args.retry_failed,
    )
    line.end()
    for message in found.messages:
        print(f"phonoscope: {message}", file=sys.stderr)
    print(
        f"{found.done} clips measured, {found.failed} failed, {found.skipped} stored before; "
        f"{found.audio_seconds / 60:.1f} minutes of audio in {found.seconds:.1f} s.",
        file=sys.stderr,
    )
    if found.cancelled:
        print("phonoscope: cancelled; the same command goes on.", file=sys.stderr)
        return 1
    return 1 if found.failed else 0


def _datasets(args: argparse.Namespace) -> int:
    from core.datasets import open_dataset

    dataset = open_dataset(args.dataset, args.layout)
    clips, problems = dataset.catalogue(), dataset.problems()
    print(f"{clean_text(dataset.name)}: {dataset.layout}, {len(clips):,} clips")
    speakers = clips["speaker_id"].nunique()
    print(f"speakers: {speakers:,}" if speakers else "speakers: not known")
    for column in ("gender", "age", "locale", "accent", "split"):
        counts = clips[column].value_counts()
        known = [f"{clean_text(value, 40)} {n:,}" for value, n in counts.head(12).items()]
        more = [f"{len(counts) - 12} others"] if len(counts) > 12 else []
        unknown = int(clips[column].isna().sum())
        missing = [f"not known {unknown:,}"] if unknown and known else []
        print(f"{column}: {', '.join(known + more + missing) or 'not known'}")
    if clips["duration"].notna().any():
        print(f"duration: {clips['duration'].sum() / 3600:.2f} hours")
    print(f"problems: {len(problems):,}")
    for row in problems.head(10).itertuples():
        print(f"  {clean_text(row.path)}: {clean_text(row.problem, 300)}")
    return 0


def _status(args: argparse.Namespace) -> int:
    from core.store import Workspace

    found = Workspace.open(args.workspace).status()
    print(f"{clean_text(found.name)}: {found.feature_set}, version {found.version}")
    print(f"clips: {found.clips:,}")
    print(f"done: {found.done:,}")
    print(f"failed: {found.failed:,}")
    print(f"missing: {found.missing:,}")
    return 0


def _export(args: argparse.Namespace) -> int:
    from core.store import Workspace

    ending = "parquet" if args.format == "parquet" else "csv"
    out = args.out or f"features.{ending}"
    rows = Workspace.open(args.workspace).export(out, args.format)
    print(f"{rows} rows written to {out}.", file=sys.stderr)
    return 0


def _mels(args: argparse.Namespace) -> int:
    from core.eda import mel_images

    line = Line()
    found = mel_images.make(
        args.workspace,
        workers=args.workers,
        limit=args.limit,
        progress=line.show,
        cancel=jobs.cancelled,
    )
    return line.total(found, "{} mel pictures made, {} clips failed, {} there before")


def _replay(args: argparse.Namespace) -> int:
    from core import recipes
    from core.eda import outliers, selecting
    from core.store import Workspace

    recipe, workspace = recipes.read(args.recipe), Workspace.open(args.workspace)
    columns = selecting.columns(workspace)
    selection = recipes.selection_of(recipe, columns)
    if selection:
        print(f"selection: {selection.words()}")
    steps = outliers.ledger(workspace, selection, recipe.rules)
    for step in steps:
        print(step.rule.words() if step.rule else "all rules together")
        for loss in step.losses:
            print(f"  {outliers.loss_words(loss)}")
    for said in outliers.findings(steps):
        print(said)
    if args.out:
        rows = outliers.write_kept(args.out, workspace, selection, recipe.rules)
        print(f"{rows} rows written to {args.out}.", file=sys.stderr)
    return 0

"""The convolutional network on gender: by speaker, and on the article's clips split at random.

    python -m core extract DATASET --workspace W && python -m core mels W
    python -m benchmarks.cnn [--voices W] [--article W] [--clips N] [--epochs N] [--folds N]

Needs ``requirements-networks.txt``. ``--voices`` is a workspace with speakers: five folds by
speaker. ``--article`` is the article's data: ages twenties to fourties, a fifth at random for the
test, as a course unit on the same clips did it (its networks reached 0.950, logistic regression
0.955). ``--clips`` takes fewer clips at random, ``--folds`` asks fewer of the folds.
"""

import argparse
import time

import numpy as np

from core.filters import Selection
from core.models import groups, network, splits
from core.models.base import Table, TrainParams
from core.models.table import learn_table
from core.store import Workspace

AGES = ("twenties", "thirties", "fourties")


def table_of(folder: str, *, split: str, clips: int | None, ages: tuple[str, ...] = ()) -> Table:
    """Mel pictures and gender of a workspace, of some ages, of ``clips`` clips at random."""
    workspace = Workspace.open(folder)
    params = TrainParams(target="gender", inputs=("image",), split=split)
    table = learn_table(workspace, Selection(), params)
    rows = np.arange(table.y.size)
    if ages:
        told = workspace.features(["clip_id", "age"]).set_index("clip_id")["age"]
        rows = rows[told.loc[list(table.clip_ids)].isin(ages).to_numpy()]
    if clips and clips < rows.size:
        rows = np.sort(np.random.default_rng(0).choice(rows, clips, replace=False))
    speakers = None if table.speakers is None else table.speakers[rows]
    return table._replace(
        X=table.X[rows], y=table.y[rows], clip_ids=table.clip_ids[rows], speakers=speakers
    )


def judged(table: Table, folds: list, settings: dict) -> None:
    """Train in each fold, and print how the network did on its test part."""
    right = np.full(table.y.size, np.nan)
    began = time.monotonic()
    for train, test in folds:
        who = None if table.speakers is None else table.speakers[train]
        model = network.build(settings, 0).fit(table.X[train], table.y[train], who)
        right[test] = model.predict(table.X[test]) == table.y[test]
        seconds = np.mean([epoch["seconds"] for epoch in model.history_])
        print(
            f"  {train.size:,} clips learnt from, {test.size:,} asked: accuracy "
            f"{right[test].mean():.3f}; {len(model.history_)} epochs of {seconds:.1f} s"
        )
    asked = np.isfinite(right)
    who = None if table.speakers is None else table.speakers[asked]
    found = groups.mean_interval(right[asked], who, seed=0)
    recalls = [right[asked & (table.y == label)].mean() for label in np.unique(table.y.astype(str))]
    print(
        f"  accuracy {found.value:.3f} ({found.low:.3f} to {found.high:.3f}), balanced "
        f"{np.mean(recalls):.3f}, {asked.sum():,} clips, {time.monotonic() - began:.0f} s"
    )
    began = time.monotonic()
    model.predict_proba(table.X[:512])
    print(f"  an answer takes {(time.monotonic() - began) / min(512, len(table.X)) * 1e3:.1f} ms")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voices", metavar="WORKSPACE")
    parser.add_argument("--article", metavar="WORKSPACE")
    parser.add_argument("--clips", type=int)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folds", type=int, default=5, help="of five, how many are asked")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    settings = {"epochs": args.epochs, "threads": args.threads}
    if args.voices:
        table = table_of(args.voices, split="speaker", clips=args.clips)
        parts = splits.folds(table.y, table.speakers, split="speaker", n_splits=5, seed=0)
        print(f"Voices, by speaker: {table.y.size:,} clips")
        judged(table, parts[: args.folds], settings)
    if args.article:
        table = table_of(args.article, split="clip", clips=args.clips, ages=AGES)
        print(f"The article's clips, at random: {table.y.size:,} clips")
        judged(table, [splits.hold_out(table.y, None, split="clip", seed=0)], settings)


if __name__ == "__main__":
    main()

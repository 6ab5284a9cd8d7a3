"""Models kept beside a workspace, and the tests of one that run as jobs; knows no Streamlit.

Layout: ``<workspace>/models/<name>.model`` are the files, ``training`` beside them is the job that
trains, ``checks/<digest>`` are the jobs that test a model, each with its ``result.json``.
``python -m pages.shared.models KIND WORKSPACE MODEL FOLDER`` runs one test.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
import json
import os
from pathlib import Path
import sys
from typing import Any, NamedTuple
import zipfile

import numpy as np

from core import jobs
from core.errors import ModelError, ParameterError, VoiceError
from core.models import curves, files, leaks, shortcuts, table
from core.models.base import Table, Trained, TrainParams
from core.models.baselines import settled
from core.models.families import spec_of
from core.models.groups import Interval
from core.models.judge import Scores
from core.models.train import INNER_SPLITS
from core.safe_text import clean, filename
from core.store import Workspace, write_whole

SUFFIX = getattr(files, "SUFFIX", ".model")
CHECKS = ("learning", "importance", "leak", "repeats", "shortcuts")
MANY = 1_500  # clips from which a second process pays for its start
FEW_SPEAKERS = 20


class Kept(NamedTuple):
    """A model's file and what its card says; ``score`` (value, low, high) may be NaN."""

    path: Path
    name: str
    target: str
    model: str
    split: str
    date: str
    clips: int
    speakers: int | None
    label: str
    score: Interval
    size: int


@dataclass(frozen=True)
class Judged:
    """A model and which of its answers are judged; ``own`` says that its clips are here."""

    name: str
    path: Path
    trained: Trained
    card: dict[str, Any]
    which: Any
    own: bool

    @property
    def stem(self) -> str:
        """For names of downloads."""
        return filename(self.name, "model")


@dataclass(frozen=True)
class TheseClips:
    """What a model was trained on, in the place of a selection."""

    ids: tuple[str, ...]

    def where(self) -> tuple[str, list[Any]]:
        """What ``core.store`` takes as ``where``."""
        return "clip_id IN (SELECT unnest(?::VARCHAR[]))", [list(self.ids)]

    def words(self) -> str:
        """The condition in words."""
        return "the clips that the model was trained on"


def folder_of(workspace: str | os.PathLike) -> Path:
    """Where the models of a workspace are kept."""
    return Path(workspace) / "models"


def beside(workspace: str | os.PathLike) -> int:
    """A number that changes when tags, pictures or embeddings of a workspace do."""
    names = ("notes.jsonl", "mels", "mels/plan.json", "embeddings", "embeddings/plan.json")
    paths = [Path(workspace) / name for name in names]
    return sum(path.stat().st_mtime_ns for path in paths if path.exists())


def path_of(workspace: str | os.PathLike, name: str) -> Path:
    """The file of the model called ``name``, whatever characters the name has.

    Raises
    ------
    ParameterError
        The name is empty.
    """
    if not clean(name).strip():
        raise ParameterError("The model needs a name: write one, such as gender-1.")
    shown = filename(clean(name, 60), default="model").removesuffix(SUFFIX)
    return folder_of(workspace) / f"{shown}{SUFFIX}"


def free_name(workspace: str | os.PathLike, wanted: str) -> str:
    """``wanted``, or ``wanted-2`` and so on where that is taken."""
    name, n = wanted, 1
    while path_of(workspace, name).exists():
        n += 1
        name = f"{wanted}-{n}"
    return name


def kept(workspace: str | os.PathLike) -> list[Kept]:
    """The models of a workspace, newest first; files that are no models are passed over."""
    paths = sorted(folder_of(workspace).glob(f"*{SUFFIX}"), key=lambda p: -p.stat().st_mtime_ns)
    return [found for path in paths if (found := _told(path)) is not None]


def stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does.

    Raises
    ------
    ModelError
        It is gone.
    """
    try:
        found = path.stat()
    except OSError:
        raise ModelError(f"{clean(path.name)}: this model is gone. Choose another.") from None
    return found.st_mtime_ns, found.st_size


def fits(params: TrainParams) -> int:
    """How many models are fitted at most: the search in every fold, each fold, and the last."""
    n, points = params.n_splits, spec_of(params.model).points(dict(params.settings))
    searched = params.search and points != [{}]
    return n + 1 + (len(points) * (n * min(INNER_SPLITS, n) + n) if searched else 0)


def train_words(
    workspace: Path,
    out: Path,
    params: TrainParams | None,
    selection: str,
    *,
    clips: int = 0,
) -> list[str]:
    """The words after ``python -m core`` that train; without ``params`` the article's pipeline."""
    words = ["train", f"--workspace={workspace}", f"--out={out}"]
    many = params is None or params.search or clips >= MANY
    words.append(f"--jobs={min(2, os.cpu_count() or 1) if many else 1}")
    if params is None:
        return [*words, "--preset=article"]
    words += [f"--target={params.target}", f"--inputs={','.join(params.inputs)}"]
    words += [f"--model={params.model}", f"--split={params.split}"]
    words += [f"--folds={params.n_splits}", f"--seed={params.seed}"]
    words += ["--search"] * params.search + ["--log1p"] * params.log1p
    words += [f"--setting={name}={json.dumps(value)}" for name, value in params.settings]
    words += [f"--max-z={params.max_z:g}"] if params.max_z is not None else []
    return words + ([f"--where={selection}"] if selection else [])


def training(workspace: str | os.PathLike) -> jobs.Job:
    """The job that trains on a workspace; one at a time."""
    return jobs.Job(folder_of(workspace) / "training")


def start_training(words: Sequence[str], workspace: Path, out: Path) -> None:
    """Start it, and remember which file it makes.

    Raises
    ------
    ParameterError
        There is a model of this name, a job is running, or the folder may not be written.
    """
    if out.exists():
        raise ParameterError(
            f"{clean(out.stem)}: there is a model of this name. Choose another name, or delete it."
        )
    job = training(workspace)
    jobs.start(words, job.folder)
    write_whole(job.folder / "asked.json", lambda f: f.write(json.dumps(out.name).encode()))


def last_trained(workspace: str | os.PathLike) -> Path | None:
    """The file that the last training was to make; None where there was none."""
    try:
        name = json.loads((training(workspace).folder / "asked.json").read_bytes())
    except (OSError, ValueError):
        return None
    return folder_of(workspace) / filename(name)


def table_of(workspace: Workspace, trained: Trained) -> Table:
    """The clips a model was trained on, with their inputs and speakers, from its workspace.

    Raises
    ------
    ParameterError
        They are not, or no longer, in this workspace.
    """
    if trained.about.get("preset") == "article":
        from core.models import preset

        return preset.article_table(workspace)
    these = TheseClips(tuple(str(c) for c in trained.predictions.clip_ids))
    return table.learn_table(workspace, these, trained.params)  # type: ignore[arg-type]


def check_job(workspace: str | os.PathLike, path: Path, kind: str) -> jobs.Job:
    """The job that tests this content of a model's file in this way."""
    key = json.dumps([kind, str(path), *stamp(path), os.path.abspath(workspace)])
    digest = blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return jobs.Job(folder_of(workspace) / "checks" / f"{kind}-{digest}")


def start_check(workspace: Path, path: Path, kind: str) -> jobs.Job:
    """Start a test of a model.

    Raises
    ------
    ParameterError
        It is running already, or the folder may not be written.
    """
    folder = check_job(workspace, path, kind).folder
    words = [kind, str(workspace), str(path), str(folder)]
    return jobs.start(words, folder, module="pages.shared.models")


def check_result(job: jobs.Job) -> Any:
    """What a test found, as core made it; None where it has not ended well."""
    try:
        found = json.loads((job.folder / "result.json").read_bytes())
        return _MAKERS[found["kind"]](found["found"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run_check(kind: str, workspace: Workspace, trained: Trained, **how: Any) -> Any:
    """One of CHECKS, on the clips that the model was trained on.

    Raises
    ------
    ParameterError, ModelError, Cancelled
        As for the function of ``core.models`` that does it.
    """
    learnt, params = table_of(workspace, trained), _like(trained)
    if kind == "learning":
        return curves.learning_curve(learnt, params, **how)
    if kind == "importance":
        return curves.importance(learnt, params, **how)
    if kind == "leak":
        return leaks.leak_lab(learnt, params, **how)
    if kind == "repeats":
        return leaks.voices_repeat(learnt, target=params.target)
    recording = shortcuts.recording_columns(workspace, list(learnt.clip_ids))
    return shortcuts.shortcut_check(recording, learnt, params, **how)


def meaning(scores: Scores, split: str, *, heard: bool = False) -> str:
    """Whether a score says anything, in plain text: beside what asks no voice, and whom it asks.

    ``heard`` says that clips or speakers of it were in the training.
    """
    if heard:
        return (
            "This number says nothing about new voices: the model has learnt from clips or "
            "speakers that it is asked about here."
        )
    main, years = scores.main, scores.confusion is None
    easy = [(b.label, b.scores[main.name]) for b in scores.baselines if main.name in b.scores]
    guess = [(n, v.value) for n, v in easy if n != "Pitch only"]
    pitch = [v.value for n, v in easy if n == "Pitch only"]
    best = (min if years else max)((v for _, v in guess), default=np.nan)
    if not _beats(main.score, best, years):
        said = (
            "This number means nothing yet: its interval includes what guessing reaches, so no "
            "voice was needed for it."
        )
    elif pitch and not _beats(main.score, pitch[0], years):
        said = (
            "The model is better than guessing, but not clearly better than the pitch alone: the "
            "rest of what it hears may add nothing."
        )
    else:
        than = "guessing and than the pitch alone" if pitch else "guessing"
        said = f"The number means something: the whole interval is better than {than}."
    if split == "clip":
        said += (
            " It is split by clip, so voices of the test may have been heard in training: read it "
            "as too good for new voices."
        )
    elif scores.speakers is not None and scores.speakers < FEW_SPEAKERS:
        said += f" It rests on {scores.speakers} speakers: few, so expect other numbers on others."
    return said


def main(words: Sequence[str]) -> int:
    """The job: KIND, WORKSPACE, MODEL and FOLDER."""
    kind, folder, path, target = words
    how = {} if kind == "repeats" else {"progress": _tell, "cancelled": jobs.cancelled}
    try:
        found = run_check(kind, Workspace.open(folder), files.load(path).trained, **how)
    except VoiceError as err:
        print(err, file=sys.stderr)
        return 1 if jobs.cancelled() else 3
    told = {"kind": kind, "found": asdict(found)}
    data = json.dumps(told, default=_listed).encode()
    write_whole(Path(target) / "result.json", lambda file: file.write(data))
    return 0


def _told(path: Path) -> Kept | None:
    """What the card in a file says; nothing of it is run."""
    try:
        with zipfile.ZipFile(path) as file:
            if file.getinfo("card.json").file_size > files.MOST_CARD:
                return None
            head = json.loads(file.read("card.json"))
        card, about, params = head["card"], head["about"], head["params"]
        label, score = next(iter(card["scores"].items()), ("", {}))
        ends = [float(np.nan if score.get(k) is None else score[k]) for k in Interval._fields]
        speakers = card.get("speakers")
        return Kept(
            path,
            path.name.removesuffix(SUFFIX),
            clean(params["target"], 40),
            clean(about.get("model_label", params["model"]), 60),
            clean(params["split"], 20),
            clean(about.get("date", ""), 20),
            int(card.get("clips", 0)),
            None if speakers is None else int(speakers),
            clean(label, 40),
            Interval(*ends),
            path.stat().st_size,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        return None


def _like(trained: Trained) -> TrainParams:
    """Settings to fit the like of a model; JSON made lists of tuples."""
    found = settled(trained)
    settings = [(k, tuple(v) if isinstance(v, list) else v) for k, v in found.settings]
    return TrainParams(**{**vars(found), "settings": tuple(settings)})


def _beats(found: Interval, other: float, years: bool) -> bool:
    return found.high < other if years else found.low > other


def _tell(now: Any) -> None:
    jobs.report(**now._asdict(), message=f"{now.done:,} of {now.total:,}")


def _listed(value: Any) -> Any:
    return value.tolist()


def _learning(found: dict) -> curves.LearningCurve:
    arrays = {name: np.array(found[name]) for name in ("units", "scores")}
    return curves.LearningCurve(**{**found, **arrays})


def _importance(found: dict) -> curves.Importance:
    names, members = tuple(found["names"]), tuple(tuple(m) for m in found["members"])
    drops = np.array(found["drops"])
    return curves.Importance(names, members, drops, found["base"], found["metric"])


def _leak(found: dict) -> leaks.LeakLab:
    arrays = {name: np.array(found[name]) for name in ("clip", "speaker")}
    return leaks.LeakLab(**{**found, **arrays})


def _repeats(found: dict) -> leaks.Repeats:
    arrays = {name: np.array(found[name]) for name in ("ranks", "agreement")}
    ends = {name: Interval(*found[name]) for name in ("near", "share")}
    return leaks.Repeats(**{**found, **arrays, **ends})


def _shortcuts(found: dict) -> shortcuts.Shortcuts:
    alone = tuple(shortcuts.Alone(name, Interval(*score)) for name, score in found["alone"])
    more = {"score": Interval(*found["score"]), "alone": alone, "columns": tuple(found["columns"])}
    return shortcuts.Shortcuts(**{**found, **more})


_MAKERS: dict[str, Callable[[dict], Any]] = {
    "learning": _learning,
    "importance": _importance,
    "leak": _leak,
    "repeats": _repeats,
    "shortcuts": _shortcuts,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

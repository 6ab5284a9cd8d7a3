"""Models kept beside a workspace, and the jobs that train and test them; knows no Streamlit.

Layout: ``<workspace>/models/<name>.model`` are the files, ``training`` beside them is the job that
trains, ``checks/<digest>`` are the jobs that test a model, each with its ``result.json``
(``core.models.checks``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
import json
import os
from pathlib import Path
from typing import Any, NamedTuple
import zipfile

import numpy as np

from core import jobs
from core.errors import ModelError, ParameterError
from core.models import checks, files
from core.models.base import Trained, TrainParams
from core.models.families import spec_of
from core.models.groups import Interval
from core.models.judge import Scores
from core.models.train import INNER_SPLITS
from core.safe_text import clean, filename
from core.store import write_whole

SUFFIX = getattr(files, "SUFFIX", ".model")
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


def folder_of(workspace: str | os.PathLike) -> Path:
    """Where the models of a workspace are kept."""
    return Path(workspace) / "models"


def beside(workspace: str | os.PathLike) -> int:
    """A number that changes when tags, pictures or embeddings of a workspace do."""
    names = ("notes.jsonl", "mels", "mels/recipe.json", "embeddings", "embeddings/recipe.json")
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
    words = ["model-tests", kind, f"--workspace={workspace}", f"--model={path}", f"--out={folder}"]
    return jobs.start(words, folder)


def check_result(job: jobs.Job) -> Any:
    """What a test found, as core made it; None where it has not ended well."""
    return checks.read(job.folder)


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


def _beats(found: Interval, other: float, years: bool) -> bool:
    return found.high < other if years else found.low > other

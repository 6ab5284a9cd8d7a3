"""Whether a label can be told without any voice: from length, level, noise, format and bit rate.

Conventions: the same model and the same folds as for the voice, on columns that describe the
recording only. A score above chance means that the label goes together with how clips were
recorded; it does not mean that the model uses it, only that its score does not show that it
listens to the voice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.errors import ParameterError
from core.extract import Progress
from core.models import baselines, judge
from core.models.base import Predictions, Table, TrainParams
from core.models.groups import Interval, percent
from core.safe_text import clean

if TYPE_CHECKING:
    import pandas as pd

    from core.store import Workspace

LENGTHS = ("duration_s", "duration")
SPOKEN = (  # of the columns about the recording, those that depend on the speaker too
    "speech_share",
    "pause_count",
    "syllable_count",
    "onset_count",
    "spectral_bandwidth_hz",
    "spectral_rolloff_hz",
    "spectral_flatness",
    "mfcc00_mean",
    "nwords",
    "tempo",
)
FORMATS = ("sr", "channels", "codec", "container", "format", "bit_rate", "bandwidth_hz")
FILE_TYPE, BIT_RATE = "File type", "Bit rate (kbit/s)"
MOST_VALUES = 12  # of a text column, the most frequent ones


class Alone(NamedTuple):
    """What one column tells by itself."""

    column: str
    score: Interval


@dataclass(frozen=True)
class Shortcuts:
    """What the recording tells of the label.

    ``score`` is balanced accuracy from all ``columns`` together (mean absolute error in years for
    a regression) and ``chance`` that of guessing; ``alone`` has each column by itself, the most
    telling first. ``by_clip`` says that the split did not keep speakers apart.
    """

    columns: tuple[str, ...]
    score: Interval
    chance: float
    alone: tuple[Alone, ...]
    years: bool
    clips: int
    speakers: int | None
    by_clip: bool

    @property
    def warns(self) -> bool:
        """Whether the whole interval is better than guessing."""
        return self.score.high < self.chance if self.years else self.score.low > self.chance

    @property
    def sentence(self) -> str:
        """What was found."""
        names = ", ".join(clean(name, 40).replace("_", " ") for name in self.columns)
        v = self.score
        said = (
            f"an error of {v.value:.1f} years ({v.low:.1f} to {v.high:.1f}); guessing the median "
            f"has {self.chance:.1f}"
            if self.years
            else f"{percent(v.value)} balanced accuracy ({percent(v.low)} to {percent(v.high)}); "
            f"chance is {percent(self.chance)}"
        )
        head = f"Without any voice, from {names}, the same model reaches {said}."
        if not self.warns:
            return f"{head} These columns offer no shortcut."
        why = " Its split is by clip, so the same rooms stand on both sides." * self.by_clip
        return (
            f"{head} The label goes together with how clips were recorded, and a model may have "
            f"learnt that instead of the voice: try it on other microphones.{why}"
        )


def recording_columns(workspace: "Workspace", clip_ids: Sequence[str]) -> "pd.DataFrame":
    """What describes the recording and no voice: one row per clip, in the order of ``clip_ids``.

    Length, levels and format where the workspace has them, the kind of file, and its bit rate from
    size and length. Columns without two values are left out.
    """
    import pandas as pd

    from core.models.table import RECORDING

    labels = workspace.label_columns()
    wanted = [n for n in RECORDING if n in workspace.columns and n not in SPOKEN]
    wanted += [n for n in FORMATS if n in labels]
    extra = [n for n in ("path", "size") if n in labels]
    found = workspace.features(["clip_id", *wanted, *extra]).set_index("clip_id")
    found = found.reindex(list(clip_ids))
    table = found[wanted].copy()
    if "path" in extra:
        endings = found["path"].fillna("").astype(str).str.extract(r"\.(\w{1,5})$", expand=False)
        table[FILE_TYPE] = endings.str.lower()
    length = next((n for n in LENGTHS if n in table), None)
    if length and "size" in extra:
        seconds = pd.to_numeric(table[length], errors="coerce")
        size = pd.to_numeric(found["size"], errors="coerce")
        table[BIT_RATE] = (0.008 * size / seconds).where(seconds > 0)
    return table[[n for n in table.columns if len(table[n].dropna().unique()) > 1]]


def shortcut_check(
    recording: "pd.DataFrame",
    table: Table,
    params: TrainParams,
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Shortcuts:
    """How well the same model tells the label from the recording alone.

    Parameters
    ----------
    recording : DataFrame
        One row per clip of ``table``, in its order, as from ``recording_columns``.
    table : Table
        Clips, targets and speakers; its inputs are not looked at.
    params : TrainParams
        The model and its split.
    seed : int
        Of the draws.
    progress, cancelled : callable, optional
        Told how many fits are done; asked before each whether to end.

    Raises
    ------
    ParameterError
        No column describes the recording, or the rows are of other clips.
    Cancelled
        ``cancelled`` said so.
    """
    if len(recording) != table.y.size or not recording.shape[1]:
        raise ParameterError(
            "Nothing here describes the recording beside the voice: measure with voice-v1, which "
            "has levels and lengths."
        )
    classes = table.y.dtype == object
    labels = tuple(np.unique(table.y.astype(str)).tolist()) if classes else ()
    fold = baselines.folds(table.y, table.speakers, params)
    blank = np.zeros((table.y.size, max(1, len(labels))), dtype=np.float32)
    asked = Predictions(table.clip_ids, table.y, blank, labels, table.speakers, fold)
    numbers = {str(name): _numbers(recording[name]) for name in recording.columns}
    teller = baselines.Teller((len(numbers) + 1) * params.n_splits, progress, cancelled)

    def score(X: np.ndarray) -> judge.Scores:
        made = baselines.answered(
            X,
            asked,
            lambda: baselines.estimator(params, classes=classes, any_columns=True),
            teller=teller,
        )
        return judge.judge(made, seed=seed)

    whole = score(np.concatenate(list(numbers.values()), axis=1))
    alone = [Alone(name, score(X).main.score) for name, X in numbers.items()]
    chance = next(b for b in whole.baselines if b.name in ("chance", "median"))
    alone.sort(key=lambda a: a.score.value if not classes else -a.score.value)
    return Shortcuts(
        columns=tuple(map(str, recording.columns)),
        score=whole.main.score,
        chance=chance.scores[whole.main.name].value,
        alone=tuple(alone),
        years=not classes,
        clips=whole.clips,
        speakers=whole.speakers,
        by_clip=params.split == "clip",
    )


def _numbers(column: "pd.Series") -> np.ndarray:
    """A column as numbers (n, 1), or as 0 and 1 for each of its frequent values."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)[:, None]
    values = column.astype(object).where(column.notna(), "").astype(str)
    frequent = values.value_counts().index[:MOST_VALUES]
    return np.stack([(values == v).to_numpy(dtype=np.float64) for v in frequent], axis=1)

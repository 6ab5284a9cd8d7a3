"""What there is to guess about a clip of the demo set, and what is true of it.

The truth is that of ``demo/truth.parquet``: what was put into each clip.
"""

from typing import NamedTuple

import numpy as np

from core import datasets
from core.audio import ClipRef

F0_EDGES = (130.0, 165.0, 200.0)  # Hz
F0_NAMES = ("below 130 Hz", "130 to 165 Hz", "165 to 200 Hz", "above 200 Hz")
FAULTS = {  # by situation; clips with another fault, or several, are not asked about
    "broad_varying_noise": "noise",
    "constant_narrow_band_noise": "a whistling band of noise",
    "hum_50_hz": "mains hum",
    "hum_60_hz": "mains hum",
    "clipping": "clipping",
    "telephone_band": "telephone band",
    "low_sampling_rate": "telephone band",
    "clean": "nothing wrong",
}
CLEAN_CLIPS = 24  # of 97: half of the clips have a fault to find


class Truth(NamedTuple):
    """A clip and its truths: texts as offered, ``words`` a count."""

    name: str
    ref: ClipRef
    gender: str
    f0: str
    f0_hz: float
    words: int
    fault: str
    sentence: str


class Question(NamedTuple):
    """Something to guess: a field of ``Truth`` and what is offered."""

    field: str
    text: str
    options: tuple[str, ...]


def clips() -> tuple[Truth, ...]:
    """The clips of the demo set that something can be guessed about, in a fixed random order."""
    import pandas as pd

    table = datasets.demo().catalogue()
    truth = pd.read_parquet(datasets.demo_folder() / "truth.parquet").set_index("clip")
    found, clean = [], 0
    paths = list(table["path"])
    for i in np.random.default_rng(0).permutation(len(paths)):
        ref = ClipRef.of(paths[i])
        row = truth.loc[str(paths[i]).replace("\\", "/").rsplit("/", 1)[-1]]
        fault = FAULTS.get(row["situation"])
        clean += row["situation"] == "clean"
        if fault is None or (row["situation"] == "clean" and clean > CLEAN_CLIPS):
            continue
        f0 = float(row["f0_median_hz"])
        found.append(
            Truth(
                name=str(row.name),
                ref=ref,
                gender=str(row["gender"]),
                f0=F0_NAMES[int(np.searchsorted(F0_EDGES, f0, side="right"))],
                f0_hz=f0,
                words=int(row["n_words"]),
                fault=fault,
                sentence=str(row["sentence"]),
            )
        )
    return tuple(found)


def questions(truth: Truth) -> tuple[Question, ...]:
    """The four things to guess about a clip; the words offered lie around the true count."""
    shift = sum(map(ord, truth.name)) % 3  # so that the true count is not always in the middle
    counts = [max(1, truth.words + 2 * (k - shift)) for k in range(3)]
    words = tuple(str(n) for n in sorted(set(counts)))
    return (
        Question("gender", "Who speaks?", ("female", "male")),
        Question("f0", "How high is the voice (median f0)?", F0_NAMES),
        Question("words", "How many words?", words),
        Question(
            "fault", "What is wrong with the recording?", tuple(dict.fromkeys(FAULTS.values()))
        ),
    )


def is_right(truth: Truth, question: Question, said: str) -> bool:
    """Whether ``said`` is what is true."""
    return str(getattr(truth, question.field)) == said

"""Readers of data sets: they find clips and labels, and load no audio."""

from core.datasets._counts import counts
from core.datasets._demo import demo, demo_folder, demo_titles
from core.datasets._registry import READERS, layouts, open_dataset, recognise
from core.datasets.base import COLUMNS, ORIGINALS, Dataset
from core.datasets.common_voice import CommonVoice

__all__ = [
    "COLUMNS",
    "ORIGINALS",
    "READERS",
    "CommonVoice",
    "Dataset",
    "counts",
    "demo",
    "demo_folder",
    "demo_titles",
    "layouts",
    "open_dataset",
    "recognise",
]

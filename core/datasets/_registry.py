"""Which reader reads what: every layout is tried on a few names and first lines."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from core.datasets.article import Article, FeatureTable
from core.datasets.base import Dataset
from core.datasets.common_voice import CommonVoice, KaggleCommonVoice
from core.datasets.corpora import VCTK, AudioMNIST, FreeSpokenDigits, LibriSpeech, Ravdess
from core.datasets.files import Files, open_files
from core.datasets.folder import AnyFolder
from core.datasets.manifests import AudioFolder, Kaldi, Nemo
from core.errors import DatasetError, ParameterError
from core.safe_text import clean

# The particular before the general: a general layout is offered where no particular one fits.
PARTICULAR: tuple[type[Dataset], ...] = (
    CommonVoice,
    KaggleCommonVoice,
    Article,
    AudioMNIST,
    LibriSpeech,
    VCTK,
    Ravdess,
    FreeSpokenDigits,
    AudioFolder,
    Nemo,
    Kaldi,
)
GENERAL: tuple[type[Dataset], ...] = (AnyFolder, FeatureTable)
READERS = (*PARTICULAR, *GENERAL)


def layouts() -> tuple[str, ...]:
    """Names of every layout there is a reader for."""
    return tuple(reader.layout for reader in READERS)


def recognise(path: str | Path) -> list[str]:
    """Names of the layouts that fit a folder, file, archive or URL; [] where none does.

    Raises
    ------
    DatasetError
        Where there is no such place.
    """
    return [reader.layout for reader in _fitting(open_files(path))]


def open_dataset(path: str | Path, layout: str | None = None, **options: Any) -> Dataset:
    """A data set, its layout recognised or named.

    Parameters
    ----------
    path : str or Path
        A folder, a table or manifest, an archive (.tar, .tar.gz, .tgz, .zip), or a URL of one.
    layout : str, optional
        One of ``layouts()``; needed only where several fit.
    **options
        What the layout's reader takes beside the folder, such as ``columns={"speaker_id": "spk"}``
        and ``table="labels.csv"`` of ``folder``.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        Where there is no such place, or no layout or several fit it.
    ParameterError
        Where there is no such layout, or it has no such option.
    """
    files = open_files(path)
    fitting = _fitting(files) if layout is None else [_named(layout)]
    if not fitting:
        raise DatasetError(
            f"{clean(path)}: no known layout of a data set and no audio files. Choose the folder "
            f"that holds the tables, or name the layout: one of {', '.join(layouts())}."
        )
    if len(fitting) > 1:
        names = " and ".join(reader.layout for reader in fitting)
        raise DatasetError(
            f"{clean(path)}: fits the layouts {names}. Name the one you mean, for example "
            f"layout='{fitting[0].layout}'."
        )
    known = {field.name for field in fields(fitting[0])} - {"folder"}
    for name in options:
        if name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            raise ParameterError(
                f"The layout {fitting[0].layout} has no option {clean(name)!r}: it has {allowed}."
            )
    dataset = fitting[0](path, **options)
    dataset.__dict__["_files"] = files  # what was listed once need not be listed again
    return dataset


def _fitting(files: Files) -> list[type[Dataset]]:
    fitting = [reader for reader in PARTICULAR if reader.fits(files)]
    return fitting or [reader for reader in GENERAL if reader.fits(files)][:1]


def _named(layout: str) -> type[Dataset]:
    for reader in READERS:
        if reader.layout == layout:
            return reader
    raise ParameterError(f"Unknown layout {clean(layout)!r}: choose one of {', '.join(layouts())}.")

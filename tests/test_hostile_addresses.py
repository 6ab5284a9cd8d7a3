"""Two sounds of one length and name are two sounds: as uploads, as addresses, as bytes."""

from pathlib import Path
from unittest import mock

import pytest

from benchmarks import addresses
from pages.shared import session

pytestmark = pytest.mark.filterwarnings("ignore")


def test_equally_long_sounds_over_a_megabyte_have_their_own_addresses_and_bytes(tmp_path):
    found = addresses.run(4, 1, tmp_path)
    assert (found.uploads, found.addresses, found.sounds) == (4, 4, 4)
    assert found.confused  # else the edits would prove nothing


def test_the_benchmark_sees_addresses_that_know_only_the_length(tmp_path):
    def sound(mine, key: str) -> Path:
        folder = mine.folder / "sounds"
        folder.mkdir(exist_ok=True)
        return folder / "same.wav"

    with mock.patch.object(session.Mine, "sound", sound):
        found = addresses.run(1, 1, tmp_path)
    assert (found.addresses, found.sounds) == (0, 0)

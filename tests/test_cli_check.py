"""``python -m core check``: what it prints and how it ends."""

import json

import numpy as np
import pytest
from test_quality import scene

from core.cli import main
from core.quality import SPECS


def test_one_json_object_a_file_in_their_order(wav, capsys, tmp_path):
    y = scene()
    loud = np.clip(y * 20, -0.9, 0.9)
    paths = [wav(y, "good.wav"), wav(loud, "loud.wav"), tmp_path / "no\nne.wav"]
    assert main(["check", "--json", "--workers", "2", *map(str, paths)]) == 1
    good, clipped, none = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (good["file"], good["verdict"]) == (str(paths[0]), "pass")
    assert set(good["checks"]) == {spec.key for spec in SPECS}
    for found in good["checks"].values():
        assert {"value", "unit", "verdict", "warn", "fail", "worst"} <= set(found)
        assert (found["value"] is None) == (found["verdict"] == "unknown")
    assert clipped["verdict"] == clipped["checks"]["clipping"]["verdict"] == "fail"
    assert len(clipped["checks"]["clipping"]["worst"]) == 2
    assert set(none) == {"file", "error"} and "no such file" in none["error"]


def test_a_readable_block_without_json(wav, capsys):
    assert main(["check", str(wav(scene(), "good.wav"))]) == 0
    out = capsys.readouterr().out
    assert "good.wav\n  Good: nothing" in out
    for spec in SPECS:
        assert spec.label in out


def test_a_warning_shows_its_threshold_and_place(wav, capsys):
    y = np.concatenate([np.zeros(40_000, np.float32), scene()])
    assert main(["check", str(wav(y))]) == 0
    (line,) = [s for s in capsys.readouterr().out.splitlines() if "Silence before" in s]
    assert line.split()[0] == "warn" and "warns above 0.8 s" in line and "see 0.00 to 2.9" in line


@pytest.mark.parametrize("args", [[], ["a.wav", "--workspace", "w"], ["a.wav", "--workers", "0"]])
def test_what_cannot_start_ends_with_2(args, capsys):
    assert main(["check", *args]) == 2
    assert capsys.readouterr().err.startswith("phonoscope: ")

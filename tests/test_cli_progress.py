"""The line on stderr that says how far a long command is."""

import math
from types import SimpleNamespace

import pytest

from core.cli import progress
from core.extract import Progress


def now(rate: float = 2.04, eta_s: float = 3725.4) -> Progress:
    return Progress(done=1200, total=3000, failed=2, rate=rate, eta_s=eta_s)


@pytest.mark.parametrize(
    ("words", "rate", "eta_s", "said"),
    [
        (
            progress.clips,
            2.04,
            3725.4,
            "1,200 of 3,000 clips, 2 failed, 2.0 clips/s, 1:02:05 to go",
        ),
        (progress.clips, math.nan, 65.0, "1,200 of 3,000 clips, 2 failed, 1:05 to go"),
        (progress.clips, math.nan, math.nan, "1,200 of 3,000 clips, 2 failed"),
        (progress.fits, 2.0, 65.4, "1,200 of 3,000 fits, 65 s to go"),
        (progress.fits, 2.0, math.nan, "1,200 of 3,000 fits"),
    ],
)
def test_only_what_is_known_is_said(capsys, monkeypatch, words, rate, eta_s, said):
    told = []
    monkeypatch.setattr(progress.jobs, "report", lambda **sent: told.append(sent))
    progress.Line(words).show(now(rate, eta_s))
    assert capsys.readouterr().err == said + "\n"
    assert said.startswith(told[0]["message"]) and "to go" not in told[0]["message"]
    assert told[0]["done"] == 1200


def test_a_file_gets_a_line_now_and_then_and_a_screen_the_same_line_again(capsys, monkeypatch):
    line = progress.Line()
    for _ in range(3):
        line.show(now())
    line.end()
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    for seconds in (65.0, math.nan):
        line.show(now(math.nan, seconds))
    line.end()
    first, second = capsys.readouterr().err.split("\r")[1:]
    assert second == f"{'1,200 of 3,000 clips, 2 failed':{len(first)}}\n"


@pytest.mark.parametrize(
    ("failed", "cancelled", "code"), [(0, False, 0), (2, False, 1), (0, True, 1)]
)
def test_the_total_says_how_many_and_gives_the_exit_code(capsys, failed, cancelled, code):
    found = SimpleNamespace(done=5, failed=failed, skipped=7, seconds=1.25, cancelled=cancelled)
    words = "{} clips checked, {} failed, {} checked before"
    assert progress.Line().total(found, words) == code
    said = f"5 clips checked, {failed} failed, 7 checked before; 1.2 s.\n"
    assert capsys.readouterr().err == said

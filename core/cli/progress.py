"""How far a long command is, and what it came to: a line on stderr."""

from collections.abc import Callable
import math
import sys
import time
from typing import Any

from core import jobs


def clips(now: Any) -> list[str]:
    """Clips measured and failed; where they are known, their rate and the time that is left."""
    said = [f"{now.done:,} of {now.total:,} clips, {now.failed:,} failed"]
    if math.isfinite(now.rate):
        said.append(f"{now.rate:.1f} clips/s")
    if math.isfinite(now.eta_s):
        said.append(f"{_span(now.eta_s)} to go")
    return said


def fits(now: Any) -> list[str]:
    """Fits of a model done; where it is known, the time that is left."""
    left = [f"{now.eta_s:.0f} s to go"] if math.isfinite(now.eta_s) else []
    return [f"{now.done:,} of {now.total:,} fits", *left]


class Line:
    """One line on stderr that is written over; a plain line now and then where it is a file."""

    def __init__(self, words: Callable[[Any], list[str]] = clips) -> None:
        self.words, self.width, self.told = words, 0, float("-inf")

    def show(self, now: Any) -> None:
        """Print the line, and tell its beginning to whoever watches the job."""
        said = self.words(now)
        jobs.report(**now._asdict(), message=said[0])
        message = ", ".join(said)
        if sys.stderr.isatty():
            print(f"\r{message:{self.width}}", end="", file=sys.stderr, flush=True)
            self.width = len(message)
        elif time.monotonic() - self.told > 10:
            self.told = time.monotonic()
            print(message, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.width:
            print(file=sys.stderr)

    def total(self, found: Any, words: str) -> int:
        """Leave the line and print a job's total; gives the exit code.

        ``words`` has three places: clips done, failed, and done before.
        """
        self.end()
        counts = words.format(found.done, found.failed, found.skipped)
        print(f"{counts}; {found.seconds:.1f} s.", file=sys.stderr)
        return 1 if found.failed or found.cancelled else 0


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

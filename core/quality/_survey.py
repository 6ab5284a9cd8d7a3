"""One pass over a recording, window after window: everything that the checks are made from.

Conventions: a window is (channels, n), float32; its first ``lead`` samples were in the window
before and only prepare filters; a cell is 1 ms, a step 10 ms. What is about speech is measured on
the channel with the most energy in the first window.
"""

from functools import lru_cache
import math

import numpy as np

from core.quality import _hum, _moments, _spectrum

WINDOW_S, LEAD_S = 60.0, 0.5
BINS = 8192  # of the histograms of magnitude, 0 to 2
THRESHOLDS = 2.0 ** np.arange(-15, 1)  # of P.56; a factor of 2 apart
_RUN = 3  # samples at a rail that are no accident
_TOLERANCE = 1e-5  # a third of a step of 16 bits
_RUNS = 200
_HANG_MS = 200
_TIME_S = 0.03


class Survey:
    """What was seen of a recording up to now.

    Attributes
    ----------
    samples : int
        Samples of each channel.
    state, counts, runs, histogram : list of np.ndarray
        Of each channel: see ``core._kernels_quality.tally``.
    products : np.ndarray [shape=(channels, channels)]
        Sums of products of samples.
    wide, band : list of np.ndarray
        Energies of steps above 20 Hz, and between 80 and 7,600 Hz.
    """

    def __init__(self, sr: int, channels: int):
        self.sr, self.channels, self.samples = sr, channels, 0
        self.main = 0
        self.state = [np.array([-np.inf, -np.inf, 0.0, 0.0]) for _ in range(channels)]
        self.counts = [np.zeros((2, 3), np.int64) for _ in range(channels)]
        self.runs = [np.zeros((2, _RUNS, 2), np.int64) for _ in range(channels)]
        self.histogram = [np.zeros((2, BINS), np.int32) for _ in range(channels)]
        self.products = np.zeros((channels, channels))
        self.true_peak = 0.0
        self.loudest = (0.0, 0.0)  # magnitude, time in s
        self.active = np.zeros(THRESHOLDS.size, np.int64)
        self.squares = 0.0  # of the main channel without its offset
        self.wide: list[np.ndarray] = []
        self.band: list[np.ndarray] = []
        self.loudness: list[np.ndarray] = []
        self.spectrum = _spectrum.LongTerm(sr)
        self.hum: list[_hum.Lines] = []
        self.clicks: list[_moments.Moment] = []
        self.dropouts: list[_moments.Moment] = []

    def add(self, y: np.ndarray, lead: int = 0, last: bool = True) -> None:
        """Take in the next window; ``last`` says that none comes after it."""
        from core._kernels_quality import tally

        new = y[:, lead:]
        if not self.samples and self.channels > 1:
            self.main = int(np.argmax(np.einsum("cn,cn->c", new, new, dtype=np.float64)))
        for c in range(self.channels):
            arrays = self.state[c], self.counts[c], self.runs[c], self.histogram[c]
            tally(new[c], self.samples, _TOLERANCE, _RUN, *arrays)
        if self.channels > 1:
            self.products += (new @ new.T).astype(np.float64)
        self._true_peak(y, lead)
        self._cells(y[self.main], lead, last)
        self._rest(y, lead)
        self.samples += new.shape[1]
        if last:
            self._end()

    def _true_peak(self, y: np.ndarray, lead: int) -> None:
        from core._kernels_quality import true_peak

        ends = np.concatenate([y.argmax(axis=1), y.argmin(axis=1)])
        at = max(ends, key=lambda i: np.abs(y[:, i]).max())
        peak = float(np.abs(y[:, at]).max())
        if peak > self.loudest[0]:
            self.loudest = peak, (self.samples - lead + int(at)) / self.sr
        # Between samples, speech is hardly ever 3 dB above the samples around.
        if peak > 0 and peak > 0.7 * self.true_peak:
            for channel in y:
                found = true_peak(channel, _between_taps(), 0.7 * max(peak, self.true_peak))
                self.true_peak = max(self.true_peak, peak, found)

    def _cells(self, y: np.ndarray, lead: int, last: bool) -> None:
        from core._kernels_quality import active_cells, cells

        sr, n = self.sr, y.size * 1000 // self.sr
        dc = float(y.mean(dtype=np.float64)) if y.size else 0.0
        wide, band, high, steep, envelope = np.zeros((5, n))
        smoothing = 1 - math.exp(-1 / (sr * _TIME_S))
        cells(y, sr, dc, _filters(sr), smoothing, wide, band, high, steep, envelope)
        skip = round(lead * 1000 / sr)
        active_cells(envelope, THRESHOLDS, _HANG_MS, skip, self.active)
        self.squares += float(wide[skip:].sum())
        whole = (n - skip) // 10 * 10 + skip
        self.wide.append(wide[skip:whole].reshape(-1, 10).sum(axis=1))
        self.band.append(band[skip:whole].reshape(-1, 10).sum(axis=1))
        # What the last window could not see the end of is looked at in this one.
        first, final = max(0, skip - 100), n if last else n - 100
        span = _moments.Span(self.samples / sr - skip / 1000, first, final)
        levels = [10 * np.log10(energy * 1000 / sr + 1e-14) for energy in (steep, high)]
        self.clicks += _moments.clicks(levels[1], span)
        self.dropouts += _moments.dropouts(levels[0], span)

    def _rest(self, y: np.ndarray, lead: int) -> None:
        from core._kernels_voice import weighted_energy
        from core.levels import _k_weighting

        sr = self.sr
        step = round(sr / 10)
        each = [weighted_energy(channel, _k_weighting(sr), step) for channel in y]
        self.loudness.append(sum(each)[round(lead / step) :])
        self.spectrum.add(y[self.main, lead:])
        self.hum += _hum.lines(y[self.main, lead:], sr)

    def _end(self) -> None:
        from core._kernels_quality import end_runs

        for counts, runs in zip(self.counts, self.runs, strict=True):
            end_runs(self.samples, _RUN, counts, runs)


@lru_cache(maxsize=1)
def _between_taps() -> np.ndarray:
    """A windowed sinc at a quarter, a half and three quarters of a sample [shape=(3, 24)]."""
    at = np.arange(24) - 12
    rows = []
    for quarter in (1, 2, 3):
        # Sample i - 12 + k is k - 12 + 1 - quarter / 4 away from the point before sample i.
        x = at + 1 - quarter / 4
        taps = np.sinc(x) * np.cos(np.pi * x / 25) ** 2
        rows.append(taps / taps.sum())
    return np.array(rows, dtype=np.float32)


@lru_cache(maxsize=16)
def _filters(sr: int) -> np.ndarray:
    """Butterworth filters of 2nd order [shape=(4, 5)]: 20 Hz up; 80 Hz up and 7.6 kHz down; 2 kHz
    up. All-pass where half of ``sr`` is near the cut-off.
    """  # noqa: D205
    rows = []
    for cutoff, sign in ((20.0, 1), (80.0, 1), (7600.0, -1), (2000.0, 1)):
        if cutoff > 0.46 * sr:
            rows.append(np.array([1.0, 0, 0, 0, 0]))
            continue
        cos, sin = math.cos(2 * math.pi * cutoff / sr), math.sin(2 * math.pi * cutoff / sr)
        alpha, gain = sin / math.sqrt(2), (1 + sign * cos) / 2
        row = np.array([gain, -2 * sign * gain, gain, -2 * cos, 1 - alpha])
        rows.append(row / (1 + alpha))
    return np.array(rows)

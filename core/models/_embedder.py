"""A network that makes a vector of a sound: what it takes, and the sound made into that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
import hashlib
from itertools import pairwise
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.errors import AudioTooShortError, ModelError, ParameterError
from core.models._onnx_file import session
from core.params import Digest
from core.safe_text import clean
from core.store import shown

SR = 16_000  # Hz
FRAME, HOP, N_FFT = 400, 160, 512  # samples
INPUTS = ("auto", "waveform", "logmel", "fbank")
LAYOUTS = ("auto", "frames-bands", "bands-frames")
MOST_MB = 500  # of a network's file
MOST_VALUES = 8192  # of a vector
_LEAST = SR // 2  # samples; networks of many layers take nothing shorter
_BANDS = (40, 64, 80, 128)  # usual numbers of mel bands
_FLOOR = 0.001  # added before the logarithm, YAMNet's
_RANGE = {"logmel": (125.0, 7500.0), "fbank": (20.0, 8000.0)}  # Hz
_FLOATS = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}


@dataclass(frozen=True)
class EmbeddingParams(Digest):
    """How a network is used.

    Parameters
    ----------
    input, layout : str
        Of INPUTS and LAYOUTS; "auto" is guessed from the file.
    output : str
        Name of the output that is the vector; "" takes one with "embed" in its name, else the last
        of two or three dimensions.
    n_mels : int
        Mel bands where the file does not say; 0 otherwise.
    fmin, fmax : float or None
        Range of the mel bands in Hz; None is 125 to 7,500 for "logmel", 20 to 8,000 for "fbank".
    normalise : bool
        Give a waveform mean 0 and variance 1 first, as some networks were trained.
    overlap : float
        Share that pieces have in common where the network's input has a fixed length.
    piece_s : float
        Longest piece at once where its length is free, in s.
    """

    input: str = "auto"
    layout: str = "auto"
    output: str = ""
    n_mels: int = 0
    fmin: float | None = None
    fmax: float | None = None
    normalise: bool = False
    overlap: float = 0.5
    piece_s: float = 10.0

    def check(self) -> None:
        """Raise ParameterError where these settings cannot work."""
        for name, known in (("input", INPUTS), ("layout", LAYOUTS)):
            if getattr(self, name) not in known:
                given = clean(getattr(self, name))
                raise ParameterError(f"Unknown {name} {given}: choose one of {list(known)}.")
        ranges = {"n_mels": (0, 256), "overlap": (0, 0.9), "piece_s": (1, 60)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ParameterError(
                    f"{name}={getattr(self, name):g} does not work: choose {low:g} to {high:g}."
                )
        low, high = self.band("logmel")
        if not 0 <= low < high <= SR / 2:
            raise ParameterError(
                f"fmin={low:g} Hz and fmax={high:g} Hz do not work: choose 0 to 8000, fmin below."
            )

    def band(self, kind: str) -> tuple[float, float]:
        """Lowest and highest frequency in Hz."""
        low, high = _RANGE[kind]
        return (low if self.fmin is None else self.fmin, high if self.fmax is None else self.fmax)


DEFAULT = EmbeddingParams()


class Feed(NamedTuple):
    """What a network takes: ``length`` in samples or frames, 0 where free; ``bands`` is the axis of
    the mel bands, 0 for a waveform; ``rank`` its dimensions, ``dtype`` its numbers.
    """  # noqa: D205

    name: str
    kind: str
    rank: int
    length: int
    dtype: str
    bands: int = 0
    n_mels: int = 0


class Network:
    """A network that makes a vector of a sound; see ``open_network``.

    Attributes
    ----------
    sha256 : str
        Of the file.
    feed : Feed
        What it takes.
    output : str
        Name of the output used.
    size : int
        Length of a vector.
    """

    def __init__(self, data: bytes, name: str, params: EmbeddingParams):
        params.check()
        self.name, self.params, self.data = clean(name, 60), params, data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._session = session(data, self.name)
        self.feed = _feed(self._session.get_inputs(), params, self.name)
        self.output = _output(self._session.get_outputs(), params, self.name)
        self._axis, self.size = self._try_out()

    @property
    def words(self) -> str:
        """What goes in and comes out, in one sentence."""
        feed = self.feed
        length = f"{feed.length:,} at once" if feed.length else "of any length"
        if feed.kind == "waveform":
            what = f"a waveform at {SR:,} Hz, samples {length}"
        else:
            order = "frames by bands" if feed.bands == -1 else "bands by frames"
            what = f"{feed.kind} of {feed.n_mels} bands ({order}), frames {length}"
        return f"Takes {what}; gives {self.size:,} values ({clean(self.output, 60)})."

    def embed(self, y: np.ndarray, sr: int) -> np.ndarray:
        """The vector of a signal.

        Parameters
        ----------
        y : np.ndarray [shape=(n,) or (channels, n)]
            Signal; channels are averaged.
        sr : int
            Sampling rate in Hz; others than 16,000 are resampled.

        Returns
        -------
        np.ndarray [shape=(d,)], float32

        Raises
        ------
        AudioTooShortError
            The signal is empty.
        ModelError
            The network fails on it, or its answer is not finite.
        """
        from core import audio

        y = np.asarray(y, dtype=np.float32)
        y = y.mean(axis=0, dtype=np.float32) if y.ndim == 2 else y
        if not y.size:
            raise AudioTooShortError("The signal is empty: a vector needs at least one sample.")
        y = audio.resample(y, sr_in=sr, sr_out=SR)
        vectors = [
            np.moveaxis(self._run(piece), self._axis, -1).reshape(-1, self.size).mean(0, np.float64)
            for piece in self._pieces(y)
        ]
        vector = np.mean(vectors, axis=0, dtype=np.float64).astype(np.float32)
        if not np.isfinite(vector).all():
            raise ModelError(f"{self.name}: this network's answer to the clip is not finite.")
        return vector

    def _pieces(self, y: np.ndarray) -> Iterator[np.ndarray]:
        """What the network is given for a signal, one piece after the other."""
        feed, params = self.feed, self.params
        if feed.kind == "waveform":
            if params.normalise:
                y = (y - y.mean()) / max(float(y.std()), 1e-7)
            time_first, fill, per_s, least = y, 0.0, SR, _LEAST
        else:
            low, high = params.band(feed.kind)
            make, fill = (log_mel, np.log(_FLOOR)) if feed.kind == "logmel" else (fbank, 0.0)
            time_first = make(y, n_mels=feed.n_mels, fmin=low, fmax=high)
            per_s, least = SR // HOP, _LEAST // HOP
        n = len(time_first)
        if feed.length:
            step = max(1, round(feed.length * (1 - params.overlap)))
            starts = range(0, max(n - feed.length + step - 1, 0) // step * step + 1, step)
            ends = [(start, start + feed.length) for start in starts]
        else:
            count = -(-n // round(params.piece_s * per_s))
            edges = np.linspace(0, n, count + 1).round().astype(int)
            ends = [(a, max(b, a + least)) for a, b in pairwise(edges)]
        for start, stop in ends:
            part = time_first[start : min(stop, n)]
            room = ((0, stop - start - len(part)), *((0, 0),) * (part.ndim - 1))
            part = np.pad(part, room, constant_values=fill)
            part = part.T if feed.bands == -2 else part
            whole = part.reshape((1,) * (feed.rank - part.ndim) + part.shape)
            yield np.ascontiguousarray(whole, dtype=feed.dtype)

    def _run(self, piece: np.ndarray) -> np.ndarray:
        try:
            found = self._session.run([self.output], {self.feed.name: piece})[0]
        except Exception as err:  # onnxruntime's errors have no common class
            shape = " x ".join(map(str, piece.shape))
            raise ModelError(
                f"{self.name}: this network fails on {self.feed.kind} of {shape} "
                f"({clean(err, 160)}). Choose another input or layout for it."
            ) from err
        return np.asarray(found)

    def _try_out(self) -> tuple[int, int]:
        """Which axis of the output is the vector, and its length: what does not grow with time."""
        rng, shapes = np.random.default_rng(0), []
        for seconds in (2, 3):
            y = 0.1 * rng.standard_normal(seconds * SR).astype(np.float32)
            found = self._run(next(self._pieces(y)))
            if not np.isfinite(found).all():
                raise ModelError(f"{self.name}: this network's answers are not finite numbers.")
            shapes.append(found.shape)
        same = [i for i, (a, b) in enumerate(zip(*shapes, strict=False)) if a == b and a > 0]
        long = [i for i in same if shapes[0][i] > 1]
        axis = (long or same or [-1])[-1]
        if not same or len(shapes[0]) != len(shapes[1]) or shapes[0][axis] > MOST_VALUES:
            shape = " x ".join(map(str, shapes[0])) or "a single number"
            raise ModelError(
                f"{self.name}: the output {clean(self.output, 60)} ({shape}) is no vector of at "
                f"most {MOST_VALUES:,} values. Choose another output by its name."
            )
        return axis, shapes[0][axis]


def open_network(path: str | os.PathLike, params: EmbeddingParams = DEFAULT) -> Network:
    """A network from an ONNX file; nothing outside the file is read.

    Raises
    ------
    ModelError
        There is no such file, or it is too large, damaged, no ONNX network, in parts, needs
        operations of its own, or takes or gives what we cannot handle.
    ParameterError
        The settings do not fit the network.
    """
    path = Path(path)
    try:
        size = path.stat().st_size if path.is_file() else -1
        if size > MOST_MB << 20:
            raise ModelError(
                f"{shown(path)}: this file of {size >> 20:,} MB is too large: a network may have "
                f"{MOST_MB} MB."
            )
        data = path.read_bytes() if size >= 0 else b""
    except OSError as err:
        raise ModelError(f"{shown(path)}: this file may not be read.") from err
    if size < 0:
        raise ModelError(f"{shown(path)}: there is no such file. Choose an ONNX network.")
    return Network(data, path.name, params)


def log_mel(y: np.ndarray, *, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """YAMNet's log mel spectrogram, (frames, n_mels), of y (n,) at 16,000 Hz."""
    magnitude = np.abs(np.fft.rfft(_frames(y) * _window(0.5, FRAME), N_FFT))
    return np.log(magnitude @ _triangles(n_mels, fmin, fmax) + _FLOOR).astype(np.float32)


def fbank(y: np.ndarray, *, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Kaldi's log filter bank less its mean, (frames, n_mels), of y (n,) at 16,000 Hz."""
    frames = _frames(y) * 32768.0
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    frames = (frames - 0.97 * before) * _window(0.54, FRAME - 1)
    power = np.abs(np.fft.rfft(frames, N_FFT)) ** 2
    S = np.log(np.maximum(power @ _triangles(n_mels, fmin, fmax), np.finfo(np.float32).eps))
    return (S - S.mean(axis=0)).astype(np.float32)


def _frames(y: np.ndarray) -> np.ndarray:
    y = np.pad(y, (0, max(0, FRAME - y.size)))
    return np.lib.stride_tricks.sliding_window_view(y, FRAME)[::HOP]


def _window(a: float, period: int) -> np.ndarray:
    return a - (1 - a) * np.cos(2 * np.pi * np.arange(FRAME) / period)


@lru_cache(4)
def _triangles(n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Triangles on the mel scale 1127 ln(1 + f / 700), (257, n_mels)."""

    def mel(hz: Any) -> Any:
        return 1127 * np.log1p(np.asarray(hz) / 700)

    edges = np.linspace(mel(fmin), mel(fmax), n_mels + 2)
    at = mel(np.fft.rfftfreq(N_FFT, 1 / SR))[:, None]
    up = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(up, down))


def _feed(inputs: Sequence[Any], params: EmbeddingParams, name: str) -> Feed:
    """What the network takes, by its shape and the settings."""
    if len(inputs) != 1 or inputs[0].type not in _FLOATS:
        given = ", ".join(f"{clean(i.name, 30)}: {clean(i.type, 30)}" for i in inputs) or "none"
        raise ModelError(
            f"{name}: this network's inputs ({given}) cannot be fed: it must have one, of decimal "
            "numbers."
        )
    dims = [d if isinstance(d, int) and d > 0 else 0 for d in inputs[0].shape]
    kind = _kind(dims) if params.input == "auto" else params.input
    core = 1 if kind == "waveform" else 2
    shown_dims = " x ".join(str(d or "any") for d in dims) or "unknown"
    if not core <= len(dims) <= 4 or any(d > 1 for d in dims[:-core]):
        raise ModelError(
            f"{name}: an input of shape {shown_dims} cannot be fed with {kind}: choose another "
            "input, or export the network for one clip at a time."
        )
    about = (inputs[0].name, kind, len(dims))
    dtype = _FLOATS[inputs[0].type]
    if kind == "waveform":
        if 0 < dims[-1] < FRAME:
            raise ModelError(f"{name}: {dims[-1]} samples at once are no waveform of speech.")
        return Feed(*about, dims[-1], dtype)
    bands = _bands_axis(dims[-2:], params.layout)
    n_mels = dims[bands] or params.n_mels
    if not 1 <= n_mels <= 256 or (params.n_mels and params.n_mels != n_mels):
        raise ParameterError(
            f"{name}: an input of shape {shown_dims} with {n_mels or 'an unknown number of'} mel "
            f"bands does not work with n_mels={params.n_mels}: set n_mels, or another layout."
        )
    return Feed(*about, dims[-3 - bands], dtype, bands, n_mels)


def _kind(dims: Sequence[int]) -> str:
    """A guess from the shape, 0 where free."""
    rank = len(dims)
    bands = [16 <= d <= 256 for d in dims]
    if rank == 1 or (rank == 3 and dims[1] == 1 and not bands[2]):
        return "waveform"
    if rank == 2:
        mel = (bands[1] and dims[0] != 1) or (bands[0] and not dims[1])
        return "logmel" if mel else "waveform"
    return "fbank" if rank == 3 and dims[2] == 80 and not dims[1] else "logmel"


def _bands_axis(dims: Sequence[int], layout: str) -> int:
    """-1 for frames by bands, -2 for bands by frames."""
    if layout != "auto":
        return -1 if layout == "frames-bands" else -2
    first, last = dims
    if first and last:
        return -2 if first in _BANDS and last not in _BANDS else -1
    return -2 if first else -1


def _output(outputs: Sequence[Any], params: EmbeddingParams, name: str) -> str:
    """The name of the output that is the vector."""
    usable = [o for o in outputs if o.type in _FLOATS]
    names = [o.name for o in usable]
    if params.output:
        if params.output not in names:
            known = ", ".join(clean(n, 60) for n in names) or "none"
            raise ParameterError(
                f"{name}: no output {clean(params.output, 60)} in this network: choose of {known}."
            )
        return params.output
    if not names:
        raise ModelError(f"{name}: this network gives no decimal numbers, so no vector.")
    called = [n for n in names if "embed" in n.lower()]
    ranked = [o.name for o in usable if len(o.shape or ()) in (2, 3)]
    return (called[:1] or ranked[-1:] or names[-1:])[0]

"""The clip page's payload and speed, against a naive Plotly page and against the bare DSP.

    python -m benchmarks.clip_page

Prints, from one run: bytes over the websocket for a 10 s and a 10-minute clip of 48 kHz, beside
those of a page that sends samples and float spectrograms; and the server's time for a changed
denoise parameter beside the time the signal processing alone needs, measured in turn.
"""

import asyncio
from pathlib import Path
import socket
from statistics import median
import tempfile
import time

import numpy as np
import soundfile as sf

from benchmarks.client import ROOT, Server, Visitor
from core import clean, compare
from core.compare import Look, Window
from core.features import extract
from core.params import CleanParams, Denoise

SR = 48_000
ROUNDS = 9

NAIVE = """
import librosa, numpy as np, plotly.graph_objects as go, streamlit as st
y, sr = librosa.load({path!r}, sr=None)
D = librosa.amplitude_to_db(np.abs(librosa.stft(y)), ref=np.max)
t = np.arange(y.size) / sr
st.plotly_chart(go.Figure(go.Scatter(x=t, y=y)))
st.plotly_chart(go.Figure(go.Heatmap(z=D, y=librosa.fft_frequencies(sr=sr))))
"""


def voice(seconds: float) -> np.ndarray:
    """A noisy synthetic voice of known length."""
    rng, t = np.random.default_rng(0), np.arange(int(seconds * SR)) / SR
    f0 = 120 + 20 * np.sin(2 * np.pi * 0.5 * t)
    phase = 2 * np.pi * np.cumsum(f0) / SR
    y = sum(np.sin(k * phase) / k for k in range(1, 30)) * (0.55 - 0.45 * np.cos(7 * np.pi * t))
    return (0.1 * y + 0.01 * rng.standard_normal(t.size)).astype(np.float32)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def bare(y: np.ndarray, strength: float) -> float:
    """Wall seconds of what a changed parameter needs: denoise, the views and the features after."""
    look = Look(Window(0.0, y.size / SR))
    before = compare.side(y, sr=SR, look=look)
    begin = time.perf_counter()
    done = clean.clean(y, sr=SR, params=CleanParams(denoise=Denoise(strength_db=strength)))
    compare.side_after(done, before, look=look)
    extract(done.y, sr=SR, feature_set="voice-v1")
    return time.perf_counter() - begin


async def naive_bytes(path: Path, folder: Path) -> int:
    """What a page that sends everything sends."""
    script = folder / "naive.py"
    script.write_text(NAIVE.format(path=str(path)))
    with Server(script, free_port()) as server:
        async with Visitor(server.address) as visitor:
            return (await visitor.run()).received


async def opened(visitor: Visitor, path: Path) -> int:
    """Upload a clip and return the bytes of the run that shows it."""
    await visitor.run()
    await visitor.change("source", ["Upload"])
    run = await visitor.upload("upload", path.name, path.read_bytes())
    if run.exceptions:
        raise RuntimeError(run.exceptions)
    return run.received


async def measure(address: str, naive: int, short: Path, long: Path) -> None:
    """Payload of both clips, then parameter changes and the bare DSP in turn."""
    async with Visitor(address, "clip") as visitor:
        received = await opened(visitor, long)
        print(f"10 min clip, player and default views: {received / 1e3:.0f} kB over the websocket")
    y = voice(10)
    bare(y, 11.0)
    async with Visitor(address, "clip") as visitor:
        received = await opened(visitor, short)
        print(
            f"10 s clip, player and default views: {received / 1e3:.0f} kB; "
            f"naive page {naive / 1e3:.0f} kB; ratio {naive / received:.1f}"
        )
        await visitor.change("strength_db", [5.0])
        served, needed = [], []
        for k in range(ROUNDS):
            run = await visitor.change("strength_db", [float(14 + k)])
            if run.exceptions:
                raise RuntimeError(run.exceptions)
            served.append(run.seconds)
            needed.append(bare(y, 14.5 + k))
    ratio = median(s / n for s, n in zip(served, needed, strict=True))
    print(
        f"changed denoise parameter, 10 s clip: server {median(served) * 1e3:.0f} ms, "
        f"bare DSP {median(needed) * 1e3:.0f} ms; ratio {ratio:.2f} (medians of {ROUNDS})"
    )


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        short, long = folder / "short.wav", folder / "long.wav"
        sf.write(short, voice(10), SR)
        sf.write(long, voice(600), SR)
        naive = await naive_bytes(short, folder)
        with Server(ROOT / "app.py", free_port()) as server:
            await measure(server.address, naive, short, long)


if __name__ == "__main__":
    asyncio.run(main())

"""The training of the network on mel pictures; the only place that knows PyTorch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import time
from typing import Any

import numpy as np

from core.errors import ModelError, ParameterError
from core.models import splits
from core.models.network import BATCH, MelCNN, Told

CHANNELS = (16, 32, 64, 96)
VALIDATION = 0.15  # of the clips, of speakers of their own, tell when to stop
FEWEST = 60  # clips, below which all are learnt from, without stopping early
_MASKS = 2  # of each kind
_SMOOTHING = 0.05  # labels are sometimes wrong
_EPS = 1e-5


def parts(
    codes: np.ndarray, speakers: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions to learn from, and those that tell when to stop; the second may be empty."""
    if len(codes) < FEWEST:
        return np.arange(len(codes)), np.zeros(0, int)
    known = speakers is not None and any(speakers)
    try:
        return splits.hold_out(
            codes, speakers, split="speaker" if known else "clip", seed=seed, share=VALIDATION
        )
    except ParameterError:  # a class has too few speakers to spare any
        return np.arange(len(codes)), np.zeros(0, int)


@contextmanager
def _quiet_torch(threads: int, seed: int) -> Iterator[Any]:
    """PyTorch with so many threads and this seed; both are put back."""
    import torch

    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield torch
        finally:
            torch.set_num_threads(before)


def learn(
    model: MelCNN,
    pictures: np.ndarray,
    codes: np.ndarray,
    train: np.ndarray,
    held: np.ndarray,
    told: Told,
) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Weights for ``export`` from the best epoch, and what each epoch brought."""
    rng, history = np.random.default_rng(model.seed), []
    mean, sd = _levels(pictures, train)
    with _quiet_torch(int(model.threads), int(model.seed)) as torch:
        net = _net(torch, model.dropout, int(codes.max()) + 1)
        share = np.bincount(codes[train], minlength=int(codes.max()) + 1)
        weight = torch.tensor(share.sum() / np.maximum(share, 1) / len(share)).float()
        loss = torch.nn.CrossEntropyLoss(weight, label_smoothing=_SMOOTHING)
        optimizer = torch.optim.AdamW(net.parameters(), weight_decay=model.weight_decay)
        steps = -(-len(train) // int(model.batch))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, model.lr, total_steps=steps * int(model.epochs) + 1
        )
        best, kept, since = np.inf, None, 0
        for epoch in range(int(model.epochs)):
            began, total = time.monotonic(), 0.0
            for rows in np.array_split(rng.permutation(train), steps):
                told.ask()
                x = _augmented(_halved(pictures[rows], mean, sd), model, rng)
                found = loss(net(_tensor(torch, x)), torch.from_numpy(codes[rows]))
                optimizer.zero_grad()
                found.backward()
                optimizer.step()
                schedule.step()
                total += found.item() * len(rows) / len(train)
            score = _loss_of(torch, net, loss, pictures, codes, held, mean, sd)
            seconds = time.monotonic() - began
            history.append({"train": total, "validation": score, "seconds": seconds})
            if score is None or score < best:
                best, since = np.inf if score is None else score, 0
                kept = {k: v.clone() for k, v in net.state_dict().items()}
            else:
                since += 1
            told.tell(epoch + 1)
            if since >= model.patience:
                break
    if kept is None or not all(np.isfinite(v.numpy()).all() for v in kept.values()):
        raise ModelError("The network's weights did not stay finite: choose a lower lr.")
    return {"mean": mean, "sd": sd, **_folded(kept)}, history


def _net(torch: Any, dropout: float, classes: int) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            ends = zip((1, *CHANNELS), CHANNELS, strict=False)
            self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in ends)
            self.norms = nn.ModuleList(nn.BatchNorm2d(b, eps=_EPS) for b in CHANNELS)
            self.dense = nn.Linear(2 * CHANNELS[-1], classes)

        def forward(self, x):
            for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
                x = nn.functional.relu(norm(conv(x)))
                if i < len(CHANNELS) - 1:
                    x = nn.functional.max_pool2d(x, 2)
            x = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)
            return self.dense(nn.functional.dropout(x, dropout, self.training))

    return Net().to(memory_format=torch.channels_last)  # a quarter faster on a processor


def _tensor(torch: Any, x: np.ndarray) -> Any:
    return torch.from_numpy(x).contiguous(memory_format=torch.channels_last)


def _loss_of(
    torch: Any,
    net: Any,
    loss: Any,
    pictures: np.ndarray,
    codes: np.ndarray,
    rows: np.ndarray,
    mean: np.ndarray,
    sd: np.ndarray,
) -> float | None:
    """Loss of clips that are not learnt from; None where there are none."""
    if not rows.size:
        return None
    net.eval()
    with torch.no_grad():
        found = [
            net(_tensor(torch, _halved(pictures[part], mean, sd)))
            for part in np.array_split(rows, -(-rows.size // BATCH))
        ]
        value = loss(torch.cat(found), torch.from_numpy(codes[rows])).item()
    net.train()
    return value


def _levels(pictures: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation in dB of each pair of bands."""
    n, total, squares = 0, 0.0, 0.0
    for part in np.array_split(rows, -(-rows.size // BATCH)):
        x = _pairs(pictures[part]).astype(np.float64)
        n += x.shape[0] * x.shape[2]
        total, squares = total + x.sum(axis=(0, 2)), squares + (x**2).sum(axis=(0, 2))
    mean = total / n
    return mean, np.sqrt(np.maximum(squares / n - mean**2, 1.0))


def _pairs(pictures: np.ndarray) -> np.ndarray:
    n, bands, frames = pictures.shape
    return pictures[:, : bands // 2 * 2].reshape(n, bands // 2, 2, frames).mean(axis=2)


def _halved(pictures: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Pictures as the convolutions see them, (n, 1, bands / 2, frames)."""
    x = (_pairs(pictures) - mean[:, None]) / sd[:, None]
    return x[:, None].astype(np.float32)


def _augmented(x: np.ndarray, model: MelCNN, rng: np.random.Generator) -> np.ndarray:
    """Each picture shifted in time, with some bands and some frames masked by the mean."""
    _, _, bands, frames = x.shape
    most = round(model.shift * frames)
    out = np.empty_like(x)
    for i, picture in enumerate(x[:, 0]):
        out[i, 0] = np.roll(picture, rng.integers(-most, most + 1), axis=1)
        for _ in range(_MASKS):
            for size, axis in ((bands, 0), (frames, 1)):
                width = int(rng.integers(0, round(model.mask * size) + 1))
                start = int(rng.integers(0, size - width + 1))
                cut = slice(start, start + width)
                out[(i, 0, cut) if axis == 0 else (i, 0, slice(None), cut)] = 0
    return out


def _folded(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Batch norm as part of the convolutions before it."""
    found = {"dense": state["dense.weight"].numpy(), "bias": state["dense.bias"].numpy()}
    for i in range(len(CHANNELS)):
        norm = {
            name: state[f"norms.{i}.{name}"].numpy().astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        }
        scale = norm["weight"] / np.sqrt(norm["running_var"] + _EPS)
        found[f"weight{i}"] = state[f"convs.{i}.weight"].numpy() * scale[:, None, None, None]
        found[f"bias{i}"] = norm["bias"] - norm["running_mean"] * scale
    return found

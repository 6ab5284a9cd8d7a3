"""A synthetic workspace of any size, with labels, speakers, failures, vectors and mel pictures.

    python -m benchmarks.big_workspace FOLDER [--rows 1000000]

The numbers are drawn at random around what voices have: pitch goes with gender, speakers differ,
some columns often have no value. There is no sound behind the clips.
"""

import argparse
from pathlib import Path
import time

import numpy as np
import pandas as pd

from core.eda import mel_images
from core.eda.mean_mels import MOST_CLIPS
from core.features import feature_set
from core.store import Workspace
from core.store._parts import write_table

UNIT = 120_000
RECIPE = {"feature_set": "voice-v1", "clean": None, "keep_padding": False}
CENTRE = {  # mean and deviation; the other columns are standard normal
    "duration_s": (5.0, 1.5),
    "speech_duration_s": (4.0, 1.2),
    "speech_share": (0.7, 0.1),
    "pause_share": (0.15, 0.05),
    "f0_sd_st": (2.5, 0.6),
    "rms_dbfs": (-24.0, 4.0),
    "peak_dbfs": (-4.0, 2.0),
    "loudness_lufs": (-23.0, 4.0),
    "snr_db": (25.0, 7.0),
    "jitter_local_pct": (1.8, 0.5),
    "hnr_db": (15.0, 3.0),
    "f1_median_hz": (520.0, 50.0),
    "f2_median_hz": (1600.0, 120.0),
    "spectral_centroid_hz": (1500.0, 300.0),
}
SPARSE = {"words_per_s": 0.6, "words_count": 0.6, "pause_mean_s": 0.4}  # share without a value
DECADES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
AGES = ("teens", "twenties", "thirties", "fourties", "fifties", "sixties")


def build(folder: Path, rows: int, seed: int = 0, *, pictures: bool = True) -> Workspace:
    """A finished workspace of ``rows`` clips with the columns of voice-v1."""
    rng, spec = np.random.default_rng(seed), feature_set("voice-v1")
    catalogue = labels(rows, rng)
    recipe = RECIPE | {"feature_set_version": spec.version, "clean_digest": None}
    workspace = Workspace.create(
        folder, recipe=recipe, columns=spec.names, vectors=spec.vectors, name="synthetic"
    )
    with workspace.writer() as writer:
        writer.set_catalogue(catalogue, unit_size=UNIT, name="synthetic")
        for unit in writer.plan.units:
            part = catalogue.iloc[unit * UNIT : (unit + 1) * UNIT]
            _write(folder, unit, writer._keys[unit], part, spec, rng)
    if pictures:
        paint(workspace)
    return workspace


def paint(workspace: Workspace, seed: int = 0) -> None:
    """Mel pictures of noise for as many clips as the page of mean mels takes."""
    place = mel_images.mels_folder(workspace)
    place.mkdir(exist_ok=True)
    wanted = mel_images._wanted(workspace, MOST_CLIPS)
    parts = mel_images._Parts(place, wanted, mel_images.recipe_of(workspace))
    rng = np.random.default_rng(seed)
    for unit in parts.missing():
        shape = (len(unit.items), mel_images.BANDS, mel_images.FRAMES)
        pictures = rng.integers(0, 256, shape, dtype=np.uint8)
        parts.write(
            unit.number,
            [
                {
                    "clip_id": item["clip_id"],
                    "values": {"frames": mel_images.FRAMES},
                    "vectors": {"image": picture},
                }
                for item, picture in zip(unit.items, pictures, strict=True)
            ],
        )


def labels(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """The catalogue: every speaker has one gender and age; few speak much, many speak little."""
    speakers = max(2, rows // 30)
    drawn = (speakers * rng.random(rows) ** 2).astype(np.int64)
    gender = rng.choice(["male", "female", "other", None], speakers, p=[0.6, 0.27, 0.03, 0.1])
    age = rng.choice(len(AGES) + 1, speakers, p=[0.08, 0.28, 0.2, 0.14, 0.1, 0.05, 0.15])
    locale = rng.choice(["en", "de", "fr", "es", "rw"], speakers)
    words, decades = np.array([*AGES, None], dtype=object), np.array([*DECADES, np.nan])
    number = np.char.zfill(np.arange(rows).astype(str), 7)
    size = rng.integers(10_000, 60_000, rows)
    return pd.DataFrame(
        {
            "clip_id": np.char.add("synthetic/", number),
            "path": np.char.add("/nowhere/", np.char.add(number, ".mp3")),
            "speaker_id": np.char.add("s", drawn.astype(str)),
            "gender": gender[drawn],
            "age": words[age][drawn],
            "age_decade": decades[age][drawn],
            "accent": None,
            "locale": locale[drawn],
            "text": np.char.add("Sentence number ", rng.integers(0, rows, rows).astype(str)),
            "size": size,
            "mtime_ns": 1,
        }
    )


def _write(folder: Path, unit: int, digest: str, part: pd.DataFrame, spec, rng) -> None:
    """The two files of one unit, straight in the store's layout: row by row takes an hour."""
    import pyarrow as pa

    failed = rng.random(len(part)) < 0.002
    ids = pa.array(part["clip_id"], pa.string())
    data = {"clip_id": ids, "error": _words(failed, "AudioReadError")}
    data["message"] = _words(failed, "The file cannot be decoded.")
    for name in spec.names:
        x = _values(name, part, rng)
        data[name] = pa.array(x, mask=failed | (rng.random(len(part)) < SPARSE.get(name, 0.01)))
    good = ids.filter(pa.array(~failed))
    beside = {"clip_id": good}
    for name, size in spec.vectors.items():
        flat = rng.normal(-40, 12, (len(good), size)).astype(np.float32)
        beside[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), size)
    for where, columns in (("vectors", beside), ("shards", data)):
        table = pa.table(columns).replace_schema_metadata({"key": digest})
        write_table(folder / where / f"u{unit:05d}.parquet", table)


def _words(where: np.ndarray, text: str):
    import pyarrow as pa

    return pa.array(np.where(where, text, ""), pa.string(), mask=~where)


def _values(name: str, part: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """One column; pitch follows gender, and each speaker lies a little off the mean."""
    x = rng.standard_normal(len(part))
    if name.startswith("f0_") and name.endswith("_hz") and name != "f0_sd_hz":
        lift = np.where(part["gender"] == "female", 1.7, 1.0)
        return 118.0 * lift * np.exp(0.12 * x)
    if name.endswith("_count"):
        return np.rint(np.abs(8 + 4 * x))
    mean, deviation = CENTRE.get(name, (0.0, 1.0))
    return mean + deviation * x


def main() -> None:
    """Write it and say how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    began = time.perf_counter()
    build(args.folder, args.rows)
    size = sum(p.stat().st_size for p in args.folder.rglob("*.parquet")) / 1e6
    print(f"{args.rows:,} clips in {time.perf_counter() - began:.0f} s, {size:,.0f} MB")


if __name__ == "__main__":
    main()

"""Make the built-in recordings: ``python demo/build.py [--out DIR [--only NAME ...]]``.

Needs espeak-ng. Every clip depends on its own name, speaker, sentence and situation alone, so the
same versions of espeak-ng and libsndfile give the same bytes, for all clips or for a few.
"""

import argparse
import csv
from dataclasses import dataclass
from hashlib import sha256, sha512
from pathlib import Path
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from situations import SITUATIONS, record, stage
import soundfile as sf
import voices
from voices import Speaker

COLUMNS = (
    "client_id",
    "path",
    "sentence_id",
    "sentence",
    "sentence_domain",
    "up_votes",
    "down_votes",
    "age",
    "gender",
    "accents",
    "variant",
    "locale",
    "segment",
)
_FLOATS = (
    "speech_start_s",
    "speech_end_s",
    "snr_db",
    "noise_low_hz",
    "noise_high_hz",
    "hum_hz",
    "hum_db",
    "clipped_share",
    "dc_offset",
    "gain_db",
    "peak",
    "bandwidth_hz",
    "f0_median_hz",
)
_TEXT, _INT, _FLOAT = pa.string(), pa.int32(), pa.float64()
TRUTH = pa.schema(
    [(name, _TEXT) for name in ("clip", "situation", "speaker", "gender", "age", "locale")]
    + [("sentence", _TEXT), ("n_words", _INT), ("n_syllables", _INT), ("sr", _INT)]
    + [("channels", _INT), ("duration_s", _FLOAT), ("noise_kind", _TEXT)]
    + [(name, _FLOAT) for name in _FLOATS]
    + [("click_times_s", pa.list_(_FLOAT))]
)
# libsndfile's compression level for each rate: the smallest file whose frames still hold the LAME
# tag, without which a decoder cannot take the encoder's delay off again.
_LEVELS = {8000: 0.66, 11025: 0.5, 16000: 0.76, 22050: 0.67, 24000: 0.58, 32000: 0.94}
_LEVELS |= {44100: 0.9, 48000: 0.87}
_FINER = 0.12  # two channels, and flat tops, need about half as many bits again
_LAME_SCALE = 0.95  # LAME turns every signal down by this; measured at all rates and levels here
_RATES = (48000, 44100, 48000, 32000, 48000, 24000, 48000, 16000, 48000, 22050, 48000, 11025)
_LOW_RATES = (8000, 8000, 11025)
_FAULTS = tuple(name for name in SITUATIONS if name != "clean")


@dataclass(frozen=True)
class Clip:
    """One line of the plan."""

    name: str
    speaker: Speaker
    sentence: dict[str, str]
    situation: str
    sr: int


def plan() -> list[Clip]:
    """Every clip: six to eight for each speaker, every other one with a fault."""
    clips: list[Clip] = []
    times: dict[str, int] = {}
    for i, speaker in enumerate(voices.speakers()):
        spoken = voices.sentences(speaker.locale)
        for j in range(min(6 + i % 3, len(spoken))):
            turn = len(clips) // 2
            fault = _FAULTS[(turn + turn // len(_FAULTS)) % len(_FAULTS)]
            situation = fault if len(clips) % 2 else "clean"
            seen = times[situation] = times.get(situation, -1) + 1
            # Spread over the speakers: the one to show is the second, third ... of its kind.
            shown = seen == (0 if situation == "clean" else _FAULTS.index(situation) % 6)
            name = f"demo_{situation}" if shown else f"demo_{speaker.id}_{j + 1:02d}"
            sentence = spoken[(7 * i + j) % len(spoken)]
            sr = _rate(situation, seen, shown)
            clips.append(Clip(name, speaker, sentence, situation, sr))
    return clips


def _rate(situation: str, seen: int, shown: bool) -> int:
    if situation == "low_sampling_rate":
        return 8000 if shown else _LOW_RATES[seen % len(_LOW_RATES)]
    return 48_000 if shown else _RATES[seen % len(_RATES)]


def write_clip(clip: Clip, out: Path) -> dict[str, object]:
    """Write one mp3 into ``out``/clips and return its row of the truth."""
    voice = voices.speak(clip.speaker, clip.sentence["sentence"])
    scene = stage(voice, clip.situation, voices.seeded(clip.name, clip.situation))
    samples, truth = record(scene, clip.sr)
    path = out / "clips" / f"{clip.name}.mp3"
    finer = samples.shape[1] > 1 or clip.situation == "clipping"
    level = _LEVELS[clip.sr] - _FINER * finer
    # As floats: libsndfile 1.2.2 turns half of 16-bit stereo into noise on the way to mp3.
    y = (samples / 32768 / _LAME_SCALE).astype(np.float32)
    sf.write(path, y, clip.sr, bitrate_mode="CONSTANT", compression_level=level)
    sentence = clip.sentence["sentence"]
    return truth | {
        "clip": path.name,
        "situation": clip.situation,
        "speaker": clip.speaker.id,
        "gender": clip.speaker.gender,
        "age": clip.speaker.age,
        "locale": clip.speaker.locale,
        "sentence": sentence,
        "n_words": len(re.findall(r"[\w'’-]+", sentence)),
        "n_syllables": voices.syllable_count(clip.speaker.voice, sentence),
        "duration_s": len(samples) / clip.sr,
        "f0_median_hz": voices.f0_median(clip.speaker, sentence),
    }


def label_row(clip: Clip) -> dict[str, object]:
    """The clip's line of ``validated.tsv``, with the gaps real volunteers leave."""
    speaker, rng = clip.speaker, voices.seeded(clip.name, "labels")
    shown = "-" if rng.random() < 0.04 else speaker.shown
    gender = {"male": "male_masculine", "female": "female_feminine"}[speaker.gender]
    text = clip.sentence["sentence"]
    return {
        "client_id": sha512(f"phonoscope demo {speaker.id}".encode()).hexdigest(),
        "path": f"{clip.name}.mp3",
        "sentence_id": sha256(text.encode()).hexdigest(),
        "sentence": text,
        "sentence_domain": "" if clip.sentence["domain"] == "general" else clip.sentence["domain"],
        "up_votes": int(rng.integers(2, 6)),
        "down_votes": int(rng.random() < 0.15),
        "age": speaker.age if "a" in shown else "",
        "gender": gender if "g" in shown else "",
        "accents": speaker.accent,
        "variant": "",
        "locale": speaker.locale,
        "segment": "",
    }


def _table(rows: list[dict[str, object]]) -> pa.Table:
    columns = {}
    for name, kind in zip(TRUTH.names, TRUTH.types, strict=True):
        values = [row.get(name) for row in rows]
        if kind == _FLOAT:
            values = [float("nan") if v is None else round(float(v), 4) for v in values]
        elif name == "click_times_s":
            values = [v or [] for v in values]
        columns[name] = pa.array(values, kind)
    return pa.table(columns, schema=TRUTH)


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=voices.HERE, help="folder to write to")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="clips to make, without .mp3")
    args = parser.parse_args()
    if not shutil.which("espeak-ng"):
        parser.error("espeak-ng is not installed; with apt: apt-get install espeak-ng")
    if args.only and args.out.resolve() == voices.HERE:
        parser.error("--only would cut the tables down: give another folder as --out")
    clips = sorted(plan(), key=lambda clip: clip.name)
    if args.only:
        clips = [clip for clip in clips if clip.name in args.only]
    (args.out / "clips").mkdir(parents=True, exist_ok=True)
    truth = _table([write_clip(clip, args.out) for clip in clips])
    pq.write_table(truth, args.out / "truth.parquet", compression="zstd")
    with (args.out / "validated.tsv").open("w", encoding="utf-8", newline="") as lines:
        table = csv.DictWriter(
            lines, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n"
        )
        table.writeheader()
        table.writerows(label_row(clip) for clip in clips)
    seconds = float(np.sum(truth["duration_s"].to_numpy()))
    print(f"{len(clips)} clips, {seconds / 60:.1f} min, in {args.out}")


if __name__ == "__main__":
    main()

"""Train the shipped model of voice gender from the shared recordings; ``make models`` runs this.

    python -m models.build [--shared FOLDER] [--workers N] [--cache FOLDER] [--out FILE]

Common Voice clips with speakers are learnt from as recorded and in six variants (see ``augment``);
the article's clips, whose speakers nobody knows, as they are and in one variant each, with less
weight. Clips whose label a first fit believes with a probability below 0.1 are left out of
training, never of the test. Scores are of Common Voice clips of speakers that no fit of their fold
had heard. Takes about eight minutes with two workers; the same recordings give the same bytes.
"""

import argparse
from multiprocessing import get_context
import os
from pathlib import Path
from typing import NamedTuple

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded: the same sums each time

import numpy as np  # noqa: E402

from core import audio, features  # noqa: E402
from core.audio import ClipRef  # noqa: E402
from core.errors import VoiceError  # noqa: E402
from models.augment import SR, VARIANTS, variant  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "models" / "gender-voice-v1"
SET = "voice-v1"
LABELS = ("female", "male")
LEFT_OUT = (  # length, level, noise, bandwidth, rate of speech, and what needs the text
    "duration_s speech_ voiced_ rms_ peak_ loudness_ snr_ noise_ pause_ onset_ syllable_ words_ "
    "chars_ articulation_ jitter_ shimmer_ hnr_ spectral_bandwidth spectral_rolloff "
    "spectral_flatness spectral_centroid mfcc00_"
)
C = 0.02
ARTICLE_WEIGHT = 0.3
BELIEVED = 0.1
SEEDS = (0, 1, 2)


class Clips(NamedTuple):
    """Measured clips: ``X`` (n, d), NaN where not measured; strings (n,) as objects."""

    X: np.ndarray
    clip_ids: np.ndarray
    variants: np.ndarray
    gender: np.ndarray
    speakers: np.ndarray
    locale: np.ndarray
    age: np.ndarray


def columns() -> tuple[str, ...]:
    """The inputs: pitch, formants, tilt and cepstrum, and 128 mel strengths."""
    out = tuple(LEFT_OUT.split())
    named = [n for n in features.feature_set(SET).names if not n.startswith(out)]
    return (*named, *(f"mel_strength_{i:03d}" for i in range(128)))


def measure_clip(job: tuple[str, str, tuple[str, ...]]) -> list[tuple[str, str, np.ndarray]]:
    """One clip in its variants."""
    clip_id, path, variants = job
    try:
        y, _ = audio.load(ClipRef.of(path), SR)
    except VoiceError:
        return []
    rows = []
    for name in variants:
        found = features.extract(variant(y, name, clip_id), sr=SR, feature_set=SET)
        values = dict(found.values)
        values |= {f"mel_strength_{i:03d}": v for i, v in enumerate(found.vectors["mel_strength"])}
        rows.append((clip_id, name, np.array([values[c] for c in columns()], np.float32)))
    return rows


def measured(folder: Path, every_variant: bool, workers: int, cache: Path | None) -> Clips:
    """All clips of a data set that are labelled female or male, in order of clip_id and variant."""
    from core.datasets import open_dataset

    table = open_dataset(folder).catalogue()
    table = table[table["gender"].isin(LABELS)].sort_values("clip_id").reset_index(drop=True)
    kept = cache / f"{folder.name}.npz" if cache else None
    if kept and kept.exists():
        found = np.load(kept)
        ids, names, X = (found[n] for n in ("clip_ids", "variants", "X"))
    else:
        jobs = []
        for i, row in enumerate(table.itertuples()):
            wanted = VARIANTS if every_variant else (VARIANTS[i % len(VARIANTS)],)
            jobs.append((row.clip_id, row.path, ("clean", *wanted)))
        with get_context("spawn").Pool(workers) as pool:
            rows = [r for part in pool.imap(measure_clip, jobs, chunksize=16) for r in part]
        ids, names = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
        X = np.stack([r[2] for r in rows])
        if kept:
            np.savez(kept, clip_ids=ids, variants=names, X=X)
    there = np.isfinite(X).mean(axis=1) > 0.5
    of = table.set_index("clip_id").loc[ids[there]]
    text = {n: of[n].fillna("").astype(str).to_numpy(object) for n in ("gender", "locale", "age")}
    speakers = of["speaker_id"].fillna("").astype(str).to_numpy(object)
    clip_ids, variants = ids[there].astype(object), names[there].astype(object)
    return Clips(
        X[there], clip_ids, variants, text["gender"], speakers, text["locale"], text["age"]
    )


def fitted(X: np.ndarray, codes: np.ndarray, weights: np.ndarray):
    """A pipeline fitted twice: the second time without labels that the first does not believe."""
    kept = np.ones(len(X), dtype=bool)
    for _ in range(2):
        model = _pipeline()
        w = weights[kept].copy()
        for code in (0, 1):
            own = codes[kept] == code
            w[own] *= w.size / 2 / w[own].sum()
        model.fit(X[kept], codes[kept], model__sample_weight=w)
        believed = model.predict_proba(X)[np.arange(len(X)), codes]
        last, kept = kept, believed >= BELIEVED
    return model, int((~last).sum())


def _pipeline():
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from core.models.steps import Log1p

    in_hz = tuple(i for i, name in enumerate(columns()) if name.endswith("_hz"))
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("log1p", Log1p(in_hz)),
            ("scale", StandardScaler()),
            ("model", LogisticRegression(C=C, max_iter=1000)),
        ]
    )


def codes_of(clips: Clips) -> np.ndarray:
    """0 for female, 1 for male."""
    return (clips.gender == "male").astype(int)


def train_on(voices: Clips, rows: np.ndarray, article: Clips):
    """A model of some of the voices, in all their variants, and of all of the article's."""
    X = np.concatenate([voices.X[rows], article.X])
    codes = np.concatenate([codes_of(voices)[rows], codes_of(article)])
    own = 4.0 / (1 + len(VARIANTS))
    weights = np.concatenate(
        [np.full(int(rows.sum()), own), np.full(len(article.X), ARTICLE_WEIGHT)]
    )
    return fitted(X, codes, weights)


def out_of_fold(voices: Clips, article: Clips, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, 2) and folds (n,) of every variant of every clip, by speaker."""
    from core.models.splits import folds

    clean = np.flatnonzero(voices.variants == "clean")
    prob = np.full((len(voices.X), 2), np.nan)
    fold = np.full(len(voices.X), -1, dtype=np.int16)
    parts = folds(
        voices.gender[clean], voices.speakers[clean], split="speaker", n_splits=5, seed=seed
    )
    for i, (_, test) in enumerate(parts):
        # A speaker who is not known counts as one of its own, so clips are held back too.
        held = np.isin(voices.clip_ids, voices.clip_ids[clean[test]])
        names = set(voices.speakers[held]) - {""}
        held |= np.isin(voices.speakers, list(names))
        model, _ = train_on(voices, ~held, article)
        prob[held], fold[held] = model.predict_proba(voices.X[held]), i
    return prob, fold


def other_languages(voices: Clips, article: Clips) -> np.ndarray:
    """Probabilities (n, 2) from models that heard neither the clip's language nor its speaker."""
    locales = sorted(set(voices.locale))
    prob = np.full((len(voices.X), 2), np.nan)
    for i in range(5):
        held = np.isin(voices.locale, locales[i::5])
        heard = held | np.isin(voices.speakers, list(set(voices.speakers[held]) - {""}))
        nothing = article._replace(**{n: getattr(article, n)[:0] for n in article._fields})
        model, _ = train_on(voices, ~heard, nothing)
        prob[held] = model.predict_proba(voices.X[held])
    return prob


def balanced(voices: Clips, prob: np.ndarray, rows: np.ndarray) -> float:
    """Balanced accuracy of some rows."""
    codes = codes_of(voices)[rows]
    right = prob[rows].argmax(axis=1) == codes
    return float(np.mean([right[codes == c].mean() for c in (0, 1)]))


def as_table(parts: tuple[Clips, ...]):
    """Clips one after another as a Table."""
    from core.extract import Recipe
    from core.models.base import Table

    recipe = Recipe(SET).to_dict()
    joined = [np.concatenate([getattr(p, n) for p in parts]) for n in Clips._fields]
    clips = Clips(*joined)
    about = {
        "data": "Common Voice clips of 58 languages, and the article's Common Voice clips",
        "feature_set": SET,
        "feature_set_version": recipe["feature_set_version"],
        "recipe": recipe,
    }
    blocks = {"features": slice(0, len(columns()) - 128), "mel": slice(-128, len(columns()))}
    return Table(clips.X, clips.gender, clips.speakers, clips.clip_ids, columns(), blocks, about)


def only(clips: Clips, rows: np.ndarray) -> Clips:
    """Some of the clips."""
    return Clips(*(getattr(clips, name)[rows] for name in Clips._fields))


def as_predictions(clips: Clips, prob: np.ndarray, fold: np.ndarray):
    """Answers as Predictions."""
    from core.models.base import Predictions

    return Predictions(
        clips.clip_ids, clips.gender, prob.astype(np.float32), LABELS, clips.speakers, fold
    )


def told(score) -> dict[str, float]:
    """A value and its interval."""
    found = {"value": score.value, "low": score.low, "high": score.high}
    return {k: round(float(v), 4) for k, v in found.items() if np.isfinite(v)}


def recalls(clips: Clips, predictions) -> list[dict]:
    """Share answered right by label, with age, and by language, where there are 20 clips."""
    import pandas as pd

    from core.models.groups import by_group

    labels = pd.DataFrame(
        {
            "clip_id": clips.clip_ids,
            "gender": clips.gender,
            "age": clips.age,
            "locale": clips.locale,
        }
    )
    rows = []
    for names in (("gender",), ("gender", "age"), ("locale",)):
        for found in by_group(predictions, labels, names):
            if found.clips >= 20:
                group = ", ".join(v for v in found.names)
                rows.append({"group": group, "clips": found.clips, "speakers": found.speakers})
                rows[-1] |= told(found.score)
    return rows


def disagreements(clips: Clips, believed: np.ndarray) -> list[dict]:
    """Clips whose label models of all seeds doubt, the least believed first."""
    place = {name: i for i, name in enumerate(columns())}
    shown = ("f0_median_hz", "f1_median_hz", "f2_median_hz", "f3_median_hz")
    most = believed.max(axis=0)
    rows = np.flatnonzero(most < 0.5)
    rows = rows[np.argsort(believed.mean(axis=0)[rows], kind="stable")]
    return [
        {
            "clip_id": clips.clip_ids[i],
            "label": clips.gender[i],
            "age": clips.age[i],
            "believed": round(float(believed[:, i].mean()), 3),
            **{n: round(float(clips.X[i, place[n]])) for n in shown},
        }
        for i in rows
    ]


def build(shared: Path, workers: int, cache: Path | None, out: Path) -> None:
    """Measure, judge, fit on everything, and write the file."""
    from core.models import baselines, files
    from core.models.base import Trained, TrainParams
    from core.models.judge import judge
    from core.models.train import calibrated, fit_temperature

    voices = measured(shared / "data" / "common_voice", True, workers, cache)
    article = measured(shared / "data" / "article", False, workers, cache)
    clean = np.flatnonzero(voices.variants == "clean")
    plain, codes = only(voices, clean), codes_of(voices)
    runs = [out_of_fold(voices, article, seed) for seed in SEEDS]
    temperature = fit_temperature(runs[0][0][clean], codes[clean])
    prob = calibrated(runs[0][0][clean], temperature)
    predictions = as_predictions(plain, prob, runs[0][1][clean])
    table = as_table((plain, only(article, article.variants == "clean")))
    params = TrainParams("gender", ("features", "mel"), "logreg", settings=(("C", C),))
    model, dropped = train_on(voices, np.ones(len(voices.X), dtype=bool), article)
    pitch = baselines.f0_only(as_table((plain,)), predictions)
    scores = judge(predictions, f0_only=pitch)
    elsewhere = other_languages(voices, article)
    conditions = {
        name: round(
            float(np.mean([balanced(voices, p, voices.variants == name) for p, _ in runs])), 4
        )
        for name in ("clean", *VARIANTS)
    }
    own = np.stack([p[clean, codes[clean]] for p, _ in runs])
    extra = {
        "title": "Voice gender, from the sound of a recording",
        "data": table.about["data"],
        "sources": {
            "common_voice": {"clips": len(clean), "speakers": int(np.unique(plain.speakers).size)},
            "article": {"clips": int((article.variants == "clean").sum()), "speakers": None},
        },
        "judged_on": "Common Voice clips of speakers held out, by 5 folds",
        "scores": {s.label: told(s.score) for s in scores.scores},
        "baselines": {b.label: told(b.scores["balanced_accuracy"]) for b in scores.baselines},
        "repeats": [round(balanced(voices, p, clean), 4) for p, _ in runs],
        "conditions": conditions,
        "languages_never_heard": round(balanced(voices, elsewhere, clean), 4),
        "groups": recalls(plain, predictions),
        "left_out_of_training": dropped,
        "disagreements": disagreements(plain, own),
        "threshold": 0.6,
    }
    trained = Trained(params, model, LABELS, columns(), predictions, temperature, None, table.about)
    files.save(trained, table, out, extra=extra, most_seen=6000)
    print(f"{out.name}: {out.stat().st_size / 1e6:.2f} MB")
    for name in ("scores", "baselines", "repeats", "conditions", "languages_never_heard"):
        print(f"{name}: {extra[name]}")
    print(f"left out of training: {dropped}; disagreements: {len(extra['disagreements'])}")


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    shared = Path(os.environ.get("PHONOSCOPE_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--shared", type=Path, default=shared)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="keep what was measured here")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    build(args.shared, args.workers, args.cache, args.out)


if __name__ == "__main__":
    main()

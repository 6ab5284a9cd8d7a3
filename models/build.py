"""Train the shipped model of voice gender from the shared recordings; ``make models`` runs this.

    python -m models.build [--shared FOLDER] [--workers N] [--cache FOLDER] [--out FILE]

Common Voice clips with speakers are learnt from as recorded, in six variants of microphone, room
and line (``augment``) and with a raised pitch (``voices``); the article's clips, whose speakers
nobody knows, in one of these each, with less weight. Clips whose label a first fit believes with a
probability below a limit are left out of training, never of the test. The strength of the
regularisation and that limit are chosen inside each training part, by speakers held out of it.
Scores are of Common Voice clips of speakers that no fit or choice of their fold had heard. The same
recordings and versions give the same bytes; with ``--cache`` a run that was ended goes on.
"""

import argparse
import os
from pathlib import Path
import sys
import time
from typing import NamedTuple

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded: the same sums each time

import numpy as np  # noqa: E402

from models import measure  # noqa: E402
from models.augment import EXCITED, RAISED, VARIANTS, WHISPER  # noqa: E402
from models.measure import SET  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "models" / "gender-voice-v1"
LABELS = ("female", "male")
LEFT_OUT = (  # length, level, noise, bandwidth, rate of speech, and what needs the text
    "duration_s speech_ voiced_ rms_ peak_ loudness_ snr_ noise_ pause_ onset_ syllable_ words_ "
    "chars_ articulation_ jitter_ shimmer_ hnr_ spectral_bandwidth spectral_rolloff "
    "spectral_flatness spectral_centroid mfcc00_"
)
LEARNT = ("clean", *VARIANTS, RAISED)
SETTINGS = ((0.02, 0.0), (0.01, 0.1), (0.03, 0.1))  # C, least belief in a label
ARTICLE_WEIGHT = 0.6
RAISED_WEIGHT = 0.5  # with 1, voices as recorded are recognised less well
ARTICLE_EVERY = 2  # of its clips: all of them were measured to give the same scores
SEEDS = (0, 1, 2)
THRESHOLD = 0.6  # of the probability, below which the model would rather not say


class Clips(NamedTuple):
    """Measured clips: ``X`` (n, d), NaN where not measured; strings (n,) as objects.

    ``voiced`` (n, 3): duration in s, share of it that is voiced, speech in s.
    """

    X: np.ndarray
    clip_ids: np.ndarray
    variants: np.ndarray
    gender: np.ndarray
    speakers: np.ndarray
    locale: np.ndarray
    age: np.ndarray
    voiced: np.ndarray


def columns() -> tuple[str, ...]:
    """The inputs: pitch, formants, tilt and cepstrum, and 128 mel strengths."""
    return tuple(n for n in measure.columns() if not n.startswith(tuple(LEFT_OUT.split())))


def listed(folder: Path, article: bool):
    """The catalogue of clips labelled female or male, sorted, and what to measure of each."""
    from core.datasets import open_dataset

    table = open_dataset(folder).catalogue()
    table = table[table["gender"].isin(LABELS)].sort_values("clip_id").reset_index(drop=True)
    items = []
    table = table.iloc[::ARTICLE_EVERY].reset_index(drop=True) if article else table
    for i, row in enumerate(table.itertuples()):
        wanted = (LEARNT[i % len(LEARNT)],) if article else (*LEARNT, EXCITED, WHISPER)
        items.append({"clip_id": row.clip_id, "path": row.path, "variants": wanted})
    return table.set_index("clip_id"), items


def measured(folder: Path, article: bool, workers: int, cache: Path | None) -> Clips:
    """All clips of a data set, in order of clip_id; rows that hold next to nothing are left out."""
    table, items = listed(folder, article)
    rows = measure.measured(items, workers=workers, cache=cache, say=_progress(folder.name))
    for clip_id, why in rows.failed.items():
        print(f"{clip_id}: {why}", file=sys.stderr)
    place = {name: i for i, name in enumerate(measure.columns())}
    X = rows.X[:, [place[n] for n in columns()]]
    voiced = rows.X[:, [place["duration_s"], place["voiced_share"], place["speech_duration_s"]]]
    there = (np.isfinite(X).mean(axis=1) > 0.5) | (rows.variants == WHISPER)
    of = table.loc[rows.clip_ids[there]]
    names = ("gender", "speaker_id", "locale", "age")
    text = [of[n].fillna("").astype(str).to_numpy(object) for n in names]
    ids, variants = (v[there].astype(object) for v in (rows.clip_ids, rows.variants))
    return Clips(X[there], ids, variants, *text, voiced[there])


def _progress(name: str):
    """A line for each twentieth that is done."""
    began, last = time.monotonic(), [-1]

    def say(done: int, of: int) -> None:
        part = 20 * done // max(of, 1)
        if part > last[0]:
            last[0] = part
            after = time.monotonic() - began
            print(f"{name}: {done:,} of {of:,} clips, {after:.0f} s", file=sys.stderr, flush=True)

    return say


def fitted(X: np.ndarray, codes: np.ndarray, weights: np.ndarray, setting: tuple[float, float]):
    """A pipeline fitted twice: the second time without labels that the first does not believe."""
    C, least = setting
    kept = np.ones(len(X), dtype=bool)
    for turn in range(2 if least else 1):
        if turn:
            kept = model.predict_proba(X)[np.arange(len(X)), codes] >= least  # noqa: F821
        model = _pipeline(C)
        w = weights[kept].copy()
        for code in (0, 1):
            own = codes[kept] == code
            w[own] *= w.size / 2 / w[own].sum()
        model.fit(X[kept], codes[kept], model__sample_weight=w)
    return model, int((~kept).sum())


def _pipeline(C: float):
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


def train_on(voices: Clips, rows: np.ndarray, article: Clips, setting: tuple[float, float]):
    """A model of some of the voices, in all variants to learn from, and of all of the article's."""
    rows = rows & np.isin(voices.variants, LEARNT)
    X = np.concatenate([voices.X[rows], article.X])
    codes = np.concatenate([codes_of(voices)[rows], codes_of(article)])
    own = 4.0 / len(LEARNT) * np.where(voices.variants[rows] == RAISED, RAISED_WEIGHT, 1.0)
    weights = np.concatenate([own, np.full(len(article.X), ARTICLE_WEIGHT)])
    return fitted(X, codes, weights, setting)


def parted(voices: Clips, rows: np.ndarray, n_splits: int, seed: int):
    """Masks of ``rows`` (n,) to train on and to test on; a speaker and a clip stay on one side."""
    from core.models.splits import folds

    clean = np.flatnonzero((voices.variants == "clean") & rows)
    y, speakers = voices.gender[clean], voices.speakers[clean]
    for _, test in folds(y, speakers, split="speaker", n_splits=n_splits, seed=seed):
        # A speaker who is not known counts as one of its own, so clips are held back too.
        held = np.isin(voices.clip_ids, voices.clip_ids[clean[test]])
        held |= np.isin(voices.speakers, list(set(voices.speakers[held]) - {""}))
        yield ~held & rows, held & rows


def chosen(voices: Clips, rows: np.ndarray, nothing: Clips) -> tuple[float, float]:
    """The setting with the best mean balanced accuracy over variants, by speakers held out."""
    found = np.zeros(len(SETTINGS))
    for train, test in parted(voices, rows, 3, 0):
        for i, setting in enumerate(SETTINGS):
            model, _ = train_on(voices, train, nothing, setting)
            prob = np.full((len(voices.X), 2), np.nan)
            prob[test] = model.predict_proba(voices.X[test])
            for name in LEARNT:
                found[i] += balanced(voices, prob, test & (voices.variants == name))
    return SETTINGS[int(found.argmax())]


def out_of_fold(voices: Clips, article: Clips, seed: int):
    """Probabilities (n, 2) and folds (n,) of every row, by speaker, and the settings chosen."""
    prob = np.full((len(voices.X), 2), np.nan)
    fold = np.full(len(voices.X), -1, dtype=np.int16)
    settings = []
    everything = np.ones(len(voices.X), dtype=bool)
    for i, (train, test) in enumerate(parted(voices, everything, 5, seed)):
        settings.append(chosen(voices, train, only(article, np.zeros(len(article.X), dtype=bool))))
        model, _ = train_on(voices, train, article, settings[-1])
        prob[test], fold[test] = model.predict_proba(voices.X[test]), i
        print(f"shuffle {seed}, fold {i}: {settings[-1]}", file=sys.stderr, flush=True)
    return prob, fold, settings


def other_languages(voices: Clips, nothing: Clips, setting: tuple[float, float]) -> np.ndarray:
    """Probabilities (n, 2) from models that heard neither the clip's language nor its speaker."""
    locales = sorted(set(voices.locale))
    prob = np.full((len(voices.X), 2), np.nan)
    for i in range(5):
        held = np.isin(voices.locale, locales[i::5])
        heard = held | np.isin(voices.speakers, list(set(voices.speakers[held]) - {""}))
        model, _ = train_on(voices, ~heard, nothing, setting)
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
    """Clips whose label models of all seeds doubt, the least believed first.

    ``dispersion_hz`` is the mean distance of the formants, (F3 - F1) / 2, and ``tract_cm`` the
    length of a uniform tube closed at one end whose first three resonances fit best.
    """
    place = {name: i for i, name in enumerate(columns())}
    shown = ("f0_median_hz", "f1_median_hz", "f2_median_hz", "f3_median_hz")
    most = believed.max(axis=0)
    rows = np.flatnonzero(most < 0.5)
    rows = rows[np.argsort(believed.mean(axis=0)[rows], kind="stable")]
    found = []
    for i in rows:
        values = {n: _whole(clips.X[i, place[n]]) for n in shown}
        formants = clips.X[i, [place[n] for n in shown[1:]]].astype(float)
        values["dispersion_hz"] = _whole((formants[2] - formants[0]) / 2)
        values["tract_cm"] = _tract_cm(formants)
        about = {"clip_id": clips.clip_ids[i], "label": clips.gender[i], "age": clips.age[i]}
        found.append({**about, "believed": round(float(believed[:, i].mean()), 3), **values})
    return found


def _whole(value: float) -> int | None:
    return round(float(value)) if np.isfinite(value) else None


def _tract_cm(formants: np.ndarray) -> float | None:
    """Least squares over F = spacing x (0.5, 1.5, 2.5), sound at 350 m/s in warm, moist air."""
    orders = np.array([0.5, 1.5, 2.5])
    spacing = float(orders @ formants / (orders @ orders))
    return round(35_000 / (2 * spacing), 1) if np.isfinite(spacing) else None


def whispers(voices: Clips, prob: np.ndarray, rows: np.ndarray, temperature: float) -> dict:
    """How often a whisper is answered all the same, by the rules of ``predict`` but distance."""
    from core.models import predict
    from core.models._inputs import Heard
    from core.models.train import calibrated

    duration_s, share, speech_s = np.nan_to_num(voices.voiced[rows]).T
    told = zip(voices.X[rows], duration_s, speech_s, share * duration_s, strict=True)
    enough = np.array([not predict.too_little(Heard(*values)) for values in told])
    sure = calibrated(prob[rows], temperature).max(axis=1) >= THRESHOLD
    return {"clips": int(rows.sum()), "answered": round(float((enough & sure).mean()), 4)}


def bounds(voices: Clips, prob: np.ndarray, clean: np.ndarray, doubted: list[dict]) -> dict:
    """Scores without the doubted clips: what wrong labels could cost at most, not scores."""
    ids = [row["clip_id"] for row in doubted]
    least = [row["clip_id"] for row in doubted if row["believed"] < 0.05]
    kept = {
        "all doubted": np.isin(voices.clip_ids[clean], ids),
        "believed below 0.05": np.isin(voices.clip_ids[clean], least),
    }
    return {
        name: {"clips": int(out.sum()), "value": round(balanced(voices, prob, clean[~out]), 4)}
        for name, out in kept.items()
    }


def build(shared: Path, workers: int, cache: Path | None, out: Path) -> None:
    """Measure, judge, fit on everything, and write the file."""
    voices = measured(shared / "data" / "common_voice", False, workers, cache)
    article = measured(shared / "data" / "article", True, workers, cache)
    report(write(voices, article, out), out)


def write(voices: Clips, article: Clips, out: Path) -> dict:
    """Judge, fit on everything, and write the file; returns what its card says beyond the usual."""
    from core.models import files
    from core.models.base import Trained, TrainParams
    from core.models.train import calibrated, fit_temperature

    clean = np.flatnonzero(voices.variants == "clean")
    plain, codes = only(voices, clean), codes_of(voices)
    runs = [out_of_fold(voices, article, seed) for seed in SEEDS]
    temperature = fit_temperature(runs[0][0][clean], codes[clean])
    prob = calibrated(runs[0][0][clean], temperature)
    predictions = as_predictions(plain, prob, runs[0][1][clean])
    everything = np.ones(len(voices.X), dtype=bool)
    nothing = only(article, np.zeros(len(article.X), dtype=bool))
    setting = chosen(voices, everything, nothing)
    model, dropped = train_on(voices, everything, article, setting)
    elsewhere = other_languages(voices, nothing, setting)
    own = np.stack([p[clean, codes[clean]] for p, _, _ in runs])
    doubted = disagreements(plain, own)
    table = as_table((plain, article))
    extra = {
        "title": "Voice gender, from the sound of a recording",
        "data": table.about["data"],
        "sources": {
            "common_voice": {"clips": len(clean), "speakers": int(np.unique(plain.speakers).size)},
            "article": {"clips": len(article.X), "speakers": None},
        },
        "judged_on": "Common Voice clips of speakers held out, by 5 folds",
        "settings": {"shipped": setting, "folds": [found for _, _, found in runs]},
        "repeats": [round(balanced(voices, p, clean), 4) for p, _, _ in runs],
        "conditions": conditions(voices, runs),
        "whispered": whispers(voices, runs[0][0], voices.variants == WHISPER, temperature),
        "languages_never_heard": round(balanced(voices, elsewhere, clean), 4),
        "groups": recalls(plain, predictions),
        "left_out_of_training": dropped,
        "disagreements": doubted,
        "without_them": bounds(voices, runs[0][0], clean, doubted),
        "threshold": THRESHOLD,
    } | judged(plain, predictions)
    params = TrainParams("gender", ("features", "mel"), "logreg", settings=(("C", setting[0]),))
    trained = Trained(params, model, LABELS, columns(), predictions, temperature, None, table.about)
    files.save(trained, table, out, extra=extra, most_seen=6000)
    return extra


def judged(plain: Clips, predictions) -> dict:
    """Scores and baselines of the card, with intervals by speaker."""
    from core.models import baselines
    from core.models.judge import judge

    pitch = baselines.f0_only(as_table((plain,)), predictions)
    found = judge(predictions, f0_only=pitch)
    return {
        "scores": {s.label: told(s.score) for s in found.scores},
        "baselines": {b.label: told(b.scores["balanced_accuracy"]) for b in found.baselines},
    }


def conditions(voices: Clips, runs: list) -> dict[str, float]:
    """Balanced accuracy of speakers held out in each variant, mean over the shuffles."""
    return {
        name: round(
            float(np.mean([balanced(voices, p, voices.variants == name) for p, _, _ in runs])), 4
        )
        for name in (*LEARNT, EXCITED)
    }


def report(extra: dict, out: Path) -> None:
    """Print what a person wants to know of a new model."""
    print(f"{out.name}: {out.stat().st_size / 1e6:.2f} MB")
    names = "scores baselines repeats conditions whispered languages_never_heard settings"
    for name in (*names.split(), "without_them"):
        print(f"{name}: {extra[name]}")
    left, doubted = extra["left_out_of_training"], len(extra["disagreements"])
    print(f"left out of training: {left}; disagreements: {doubted}")


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    shared = Path(os.environ.get("PHONOSCOPE_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--shared", type=Path, default=shared)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="keep what was measured here, and go on from it")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    build(args.shared, args.workers, args.cache, args.out)


if __name__ == "__main__":
    main()

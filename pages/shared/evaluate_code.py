"""The lines that "Show the code" gives on the Evaluate page; they need pandas and numpy."""

from collections.abc import Sequence

_READ = """import numpy as np
import pandas as pd

answers = pd.read_csv({name!r}{dtype})
"""
_LABELS = ', dtype={"label": str, "answer": str}'
_SCORE = """right = answers["label"] == answers["answer"]
score = right.groupby(answers["label"]).mean().mean()  # balanced accuracy

clips = pd.crosstab(who, answers["label"])
hits = clips * 0 + pd.crosstab(who[right], answers["label"][right])
hits = hits.fillna(0)
rng = np.random.default_rng(0)
drawn = rng.integers(0, len(clips), (1000, len(clips)))
redrawn = [(hits.iloc[d].sum() / clips.iloc[d].sum()).mean() for d in drawn]
low, high = np.nanpercentile(redrawn, [2.5, 97.5])
"""
_YEARS = """error = (answers["answer"] - answers["label"]).abs()
score = error.mean()  # mean absolute error, years

of_whom = error.groupby(who).agg(["sum", "size"])
rng = np.random.default_rng(0)
drawn = rng.integers(0, len(of_whom), (1000, len(of_whom)))
redrawn = [of_whom["sum"].iloc[d].sum() / of_whom["size"].iloc[d].sum() for d in drawn]
low, high = np.percentile(redrawn, [2.5, 97.5])
"""
_CONFUSION = """counts = pd.crosstab(answers["label"], answers["answer"])
shares = counts.div(counts.sum(axis=1), axis=0)
"""
_GROUPS = """columns = {columns}
known = answers.assign(score={score})
known[columns] = known[columns].fillna("not known")
groups = known.groupby(columns)["score"].agg(["mean", "size"]).sort_values("size")[::-1]
"""
_CONFIDENCE = """confidence = answers.filter(regex="^p_").max(axis=1)
right = answers["label"] == answers["answer"]
bins = confidence.rank(method="first").sub(1) * min(10, len(answers)) // len(answers)
calibration = pd.DataFrame({{"confidence": confidence, "right": right}}).groupby(bins).mean()
said = confidence >= {threshold:g}
answered, right_of_those = said.mean(), right[said].mean()
"""
_SEARCH = """import pandas as pd

rows = pd.read_csv({name!r})
best = rows.loc[rows["validation_mean"].idxmax()]
"""
_TESTS = {
    "learning": """curve = rows.groupby("learnt_from")["score"].agg(["mean", "std"])
""",
    "importance": """lost = rows.groupby("inputs")["lost"].agg(["mean", "std"])
lost = lost.sort_values("mean", ascending=False)
""",
    "leak": """claims = rows.groupby("split")["balanced_accuracy"].mean()  # the truth is 0.5
""",
    "repeats": """near = rows.set_index("rank")["same_label"]
""",
    "shortcuts": """best = rows.sort_values("value", ascending=False)
""",
}


def score(stem: str, labels: bool, speakers: bool) -> str:
    """``score``, ``low`` and ``high``, from "CSV of the answers"."""
    name = f"{'score' if labels else 'years'}_{stem}.csv"
    whom = 'answers["speaker"].fillna(answers["clip_id"])' if speakers else 'answers["clip_id"]'
    lines = _READ.format(name=name, dtype=_LABELS if labels else "")
    return f"{lines}who = {whom}\n{_SCORE if labels else _YEARS}"


def confusion(stem: str) -> str:
    """``counts`` and ``shares``."""
    return _READ.format(name=f"confusion_{stem}.csv", dtype=_LABELS) + _CONFUSION


def groups(stem: str, columns: Sequence[str], years: bool) -> str:
    """``groups``: the mean score and the number of clips of each."""
    how = (
        '(answers["answer"] - answers["label"]).abs()'
        if years
        else 'answers["label"] == answers["answer"]'
    )
    lines = _READ.format(name=f"groups_{stem}.csv", dtype="" if years else _LABELS)
    return lines + _GROUPS.format(columns=[f"group_{n}" for n in columns], score=how)


def confidence(stem: str, threshold: float) -> str:
    """``calibration``, ``answered`` and ``right_of_those``."""
    lines = _READ.format(name=f"confidence_{stem}.csv", dtype=_LABELS)
    return lines + _CONFIDENCE.format(threshold=threshold)


def search(stem: str, numbers: Sequence[str]) -> str:
    """``best`` and, where a number was searched, ``curve``."""
    lines = _SEARCH.format(name=f"search_{stem}.csv")
    if numbers:
        lines += f'curve = rows.groupby({numbers[0]!r})["validation_mean"].max()\n'
    return lines


def test(kind: str, stem: str) -> str:
    """What a test of a model found, from "CSV of the test"."""
    head = f"import pandas as pd\n\nrows = pd.read_csv({f'{kind}_{stem}.csv'!r})\n"
    return head + _TESTS[kind]

"""Pandas lines that make anew what the distributions page draws, from its "CSV of the clips"."""

from core.eda.distributions import UNKNOWN
from core.eda.violins import FEWEST, POINTS, ROOM
from core.recipes import MAD_SCALE, Rule

READ = 'import numpy as np\nimport pandas as pd\n\nclips = pd.read_csv("clips.csv")\n'


def _groups(by: str) -> str:
    return f'groups = clips[{by!r}].astype("string").fillna({UNKNOWN!r})\n'


def balance(label: str, *, speakers: bool) -> str:
    """``counts``, and ``speakers`` where they are known."""
    lines = READ + _groups(label) + "counts = groups.value_counts()\n"
    if speakers and label != "speaker_id":
        lines += 'speakers = clips.groupby(groups)["speaker_id"].nunique()\n'
    return lines


def histogram(column: str, *, log: bool, by: str | None, bins: int) -> str:
    """``counts`` between ``edges``, and skewness before and after log1p."""
    lines = READ + f"x = clips[{column!r}].dropna()\nskew = x.skew()\n"
    if log:
        lines += "x = np.log1p(x)\nskew_log = x.skew()\n"
    lines += f"edges = np.histogram_bin_edges(x, bins={bins})\n"
    if by is None:
        return lines + "counts = np.histogram(x, edges)[0]\n"
    lines += _groups(by)
    return lines + (
        "counts = {g: np.histogram(v, edges)[0] for g, v in x.groupby(groups[x.index])}\n"
    )


def boxes(column: str, *, log: bool, by: str | None) -> str:
    """``quartiles`` of every group, its ``whiskers``, and its ``density`` over ``grid``."""
    lines = READ + f"x = clips[{column!r}].dropna()\n"
    lines += "x = np.log1p(x)\n" if log else ""
    lines += _groups(by) if by else 'groups = pd.Series("all", clips.index)\n'
    lines += "quartiles = x.groupby(groups[x.index]).quantile([0.25, 0.5, 0.75]).unstack()\n"
    lines += "reach = 1.5 * (quartiles[0.75] - quartiles[0.25])\n"
    lines += "whiskers = {\n    g: v[v.between(quartiles[0.25][g] - reach[g], "
    lines += 'quartiles[0.75][g] + reach[g])].agg(["min", "max"])\n'
    lines += "    for g, v in x.groupby(groups[x.index])\n}\n"
    lines += "low = min(w['min'] for w in whiskers.values())\n"
    lines += "high = max(w['max'] for w in whiskers.values())\n"
    lines += f"room = {ROOM} * (high - low) or 0.5\n"
    lines += f"grid = np.linspace(low - room, high + room, {POINTS})\n"
    lines += f"density = {{}}\nfor g, v in x.groupby(groups[x.index]):\n    if len(v) < {FEWEST}:\n"
    lines += "        continue\n"
    lines += "    sd = v[v.between(grid[0], grid[-1])].std(ddof=0)\n"
    lines += "    sd = min(sd, (quartiles[0.75][g] - quartiles[0.25][g]) / 1.34)\n"
    lines += "    h = max(0.9 * sd * len(v) ** -0.2, grid[1] - grid[0])\n"
    lines += "    kernels = np.exp(-0.5 * ((grid[:, None] - v.to_numpy()) / h) ** 2)\n"
    lines += "    density[g] = kernels.mean(axis=1) / (h * np.sqrt(2 * np.pi))\n"
    if log:
        lines += "quartiles = np.expm1(quartiles)\n"
    return lines


def strip(column: str) -> str:
    """``points``: the values in table order."""
    return READ + f'points = clips.sort_values("clip_id")[{column!r}].dropna()\n'


def outliers(rules: tuple[Rule, ...], columns: tuple[str, ...]) -> str:
    """``clips``, those that the rules keep; ``columns`` are all features of the table."""
    lines = READ
    for rule in rules:
        names = list(rule.columns or columns)
        if rule.kind == "missing":
            lines += f"\nclips = clips.dropna(subset={names!r})\n"
        elif rule.kind == "cut":
            x = f"clips[{names[0]!r}]"
            out = [f"({x} < {rule.low!r})"] if rule.low is not None else []
            out += [f"({x} > {rule.high!r})"] if rule.high is not None else []
            lines += f"\nclips = clips[~({' | '.join(out)})]\n"
        else:
            lines += _spread(rule, names)
    return lines


def _spread(rule: Rule, names: list[str]) -> str:
    lines = f"\nx = clips[{names!r}]\n"
    if rule.log:
        left = [n for n in names if n in rule.linear]
        lines += f"on_log = [c for c in x if c not in {left!r} and x[c].min() >= 0]\n"
        lines += "x = x.assign(**{c: np.log1p(x[c]) for c in on_log})\n"
    if rule.kind == "zscore":
        lines += "z = (x - x.mean()) / x.std(ddof=0)\n"
    else:
        lines += "away = (x - x.median()).abs()\n"
        lines += f"z = away / ({MAD_SCALE} * away.median()).replace(0, np.nan)\n"
    return lines + f"clips = clips[~(z.abs() > {rule.limit!r}).any(axis=1)]\n"

"""Pandas lines that make the correlations page's numbers from its CSV files."""

_SPEAKERS = 'table = table.groupby("speaker_id")[columns].mean()\n'


def matrix_code(names: tuple[str, ...], method: str, by_speaker: bool) -> str:
    """The heat map from ``clips.csv``."""
    ranks = ".rank()" if method == "spearman" else ""
    return (
        "import pandas as pd\n\n"
        "# Age: teens 0, twenties 1, and on. Gender: male 0, female 1.\n"
        'table = pd.read_csv("clips.csv")\n'
        f"columns = {list(names)!r}\n"
        f"{_SPEAKERS if by_speaker else ''}"
        f"r = table[columns]{ranks}.corr()\n"
        "print((100 * r).round())\n"
    )


def pair_code(x: str, y: str, by_speaker: bool) -> str:
    """One pair from ``pair.csv``."""
    return (
        "import pandas as pd\n\n"
        'table = pd.read_csv("pair.csv")\n'
        f"columns = {[x, y]!r}\n"
        f"{_SPEAKERS if by_speaker else ''}"
        "both = table[columns].dropna()\n"
        "pearson = both.corr().iloc[0, 1]\n"
        "spearman = both.rank().corr().iloc[0, 1]\n"
        'print(f"{len(both)} rows, Pearson {pearson:.3f}, Spearman {spearman:.3f}")\n'
    )


def differences_code(label: str, both: tuple, measure: str, by_speaker: bool) -> str:
    """The effect sizes from ``clips.csv``; the intervals are a bootstrap of these lines."""
    mean = (
        f'table = table.groupby([{label!r}, "speaker_id"])[features].mean().reset_index()\n'
        if by_speaker
        else ""
    )
    labels = {"clip_id", "speaker_id", label}
    return (
        "import pandas as pd\n\n"
        'table = pd.read_csv("clips.csv")\n'
        f"features = [c for c in table if c not in {sorted(labels)!r}]\n"
        f"{mean}"
        f"a, b = (table.loc[table[{label!r}] == value, features] for value in {both!r})\n"
        "n_a, n_b = a.count(), b.count()\n"
        f"{_DELTA if measure == 'delta' else _D}"
        "print(effect.sort_values(key=abs, ascending=False))\n"
    )


_D = (
    "spread = (((n_a - 1) * a.var() + (n_b - 1) * b.var()) / (n_a + n_b - 2)) ** 0.5\n"
    "effect = (a.mean() - b.mean()) / spread\n"
)
_DELTA = (
    "ranks = pd.concat([a, b]).rank()[: len(a)].sum()\n"
    "effect = 2 * (ranks - n_a * (n_a + 1) / 2) / (n_a * n_b) - 1\n"
)

"""Colours of the figures.

Scales are given as ``rgb()`` strings: Streamlit replaces hex colours #000001 to #000040 by theme
colours, and magma begins with #000004.
"""

from collections.abc import Sequence

import numpy as np

BEFORE = "#3f7cc4"
AFTER = "#12a08f"
REMOVED = "#d8682a"
QUIET = "#8a979c"

# Twelve stops of matplotlib's magma (CC0), and a blue-white-red scale for differences.
MAGMA = (
    (0, 0, 4),
    (20, 14, 54),
    (59, 15, 112),
    (100, 26, 128),
    (140, 41, 129),
    (183, 55, 121),
    (222, 73, 104),
    (247, 112, 92),
    (254, 159, 109),
    (254, 206, 145),
    (253, 235, 172),
    (252, 253, 191),
)
DIVERGING = (
    (24, 79, 149),
    (75, 137, 200),
    (160, 198, 230),
    (244, 246, 246),
    (243, 178, 146),
    (214, 96, 77),
    (150, 22, 40),
)


def colorscale(stops: tuple[tuple[int, int, int], ...]) -> list[list]:
    """Plotly's form of a scale: ``[[0.0, "rgb(r,g,b)"], …, [1.0, …]]``."""
    n = len(stops) - 1
    return [[i / n, f"rgb({r},{g},{b})"] for i, (r, g, b) in enumerate(stops)]


def table(stops: tuple[tuple[int, int, int], ...], n: int) -> np.ndarray:
    """The scale at ``n`` even steps, uint8, shape (n, 3)."""
    at = np.linspace(0, len(stops) - 1, n)
    channels = [np.interp(at, range(len(stops)), np.array(stops)[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


# Groups of a label, told apart on light and on dark pages and by colour-blind eyes.
GROUPS = (
    "#3f7cc4",
    "#d8682a",
    "#12a08f",
    "#9a6cc4",
    "#b8942f",
    "#cf5676",
    "#6b9a3c",
    "#4aa3c9",
)
OTHERS = "#a58468"
CUT = "#d0324b"

# Values from low to high as points, visible on light and on dark pages.
RISING = ((52, 92, 178), (40, 146, 170), (96, 174, 104), (206, 170, 48), (222, 104, 36))

# The same on every page, however a page orders its groups.
FIXED = {"female": GROUPS[0], "male": GROUPS[1]}


def of_groups(names: Sequence[str]) -> list[str]:
    """A colour for each group, in order; those of women and men never change."""
    free = [c for c in GROUPS if not any(FIXED.get(n) == c for n in names)] or list(GROUPS)
    others = [n for n in names if n not in FIXED]
    place = {n: free[i % len(free)] for i, n in enumerate(others)}
    return [FIXED.get(n) or place[n] for n in names]

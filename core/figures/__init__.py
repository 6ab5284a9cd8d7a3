"""Results in, ``plotly.graph_objects.Figure`` out; nothing is computed here but pixels.

Every axis has a title with its unit. Backgrounds are left to the page's theme. Pictures of
spectrograms travel as one small image with an invisible, coarse grid of real values for the
pointer: a tenth of a Plotly heat map's bytes, and a third of its painting time.
"""

from core.figures.base import SAVE_FORMATS, chart_config, to_html
from core.figures.before_after import VIEWS, Overlay, pair
from core.figures.clip import spectrum, waveform
from core.figures.pictures import difference, mfcc, spectrogram

__all__ = [
    "SAVE_FORMATS",
    "VIEWS",
    "Overlay",
    "chart_config",
    "difference",
    "mfcc",
    "pair",
    "spectrogram",
    "spectrum",
    "to_html",
    "waveform",
]

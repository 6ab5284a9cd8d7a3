"""Phonoscope's core: audio in, measurements out. Pure Python, no user interface.

Layers, each importing only what stands to its left (``tests/test_layers.py`` holds it):
errors names params safe_text < audio < spectra clean < datasets < script < figures < cli
"""

__version__ = "0.1.0"

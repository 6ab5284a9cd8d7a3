"""What the teaching pages compute: rebuilt sounds, broken sounds, the tour's steps, the guesses.

* ``rebuild``: sound made again from what a representation keeps
* ``breaking``: the ways a recording goes bad, with a dose
* ``steps``: the tour's words; ``ideas``: its numbers; ``demo_set``: the demo set, measured
* ``guess``: what there is to guess about a clip, and what is true

Conventions: ``y`` is mono float32 at ``SR``; whatever is random has a fixed seed.
"""

SR = 16_000  # Hz; the article's rate

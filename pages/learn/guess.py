"""Guess first: hear or see a clip, guess, and then see what is true."""

from pages.shared import learn_panels, learn_panels_guess

learn_panels.stage()
learn_panels_guess.guess()

"""Break it: noise, rooms, overload and coding, and what they do to every number."""

from pages.shared import learn_panels, learn_panels_break

learn_panels.stage()
learn_panels_break.break_it()

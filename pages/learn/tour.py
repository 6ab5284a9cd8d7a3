"""The article as a guided tour on live data: one idea a step, a control, and a question."""

from pages.shared import learn_panels, learn_panels_tour

learn_panels.stage()
learn_panels_tour.tour()

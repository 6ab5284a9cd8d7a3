"""Listen to the representation: sound rebuilt from what each of them keeps."""

from pages.shared import learn_panels, learn_panels_listen

learn_panels.stage()
learn_panels_listen.listen()

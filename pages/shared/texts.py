"""Sentences that more than one page uses, and empty states."""

SYNTHETIC = (
    "These voices are synthetic: they were made with the speech synthesiser espeak-ng, "
    "so that it is known what was put in."
)
UPLOADS_STAY = (
    "Files stay on this server, in a folder of your own, until you close the page. "
    "Links carry your settings, not your files."
)
FOLDER_READ = (
    "Phonoscope reads the folder you name and writes nothing into it. Measurements are kept in a "
    "folder of their own and only what is missing is measured again."
)

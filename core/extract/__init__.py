"""A data set to tables: every clip measured once, in worker processes here or on a cluster.

Conventions: clips travel in units of a few dozen; a unit is stored when all its clips have a row,
features or a failure. Only this process writes to the workspace: workers that die take nothing with
them but the clips in flight, and an interrupted run goes on where it stopped.

* ``extract_dataset``, with its ``Progress`` and ``Summary``
* ``measure_file``: one file, in this process
* ``Task``: what is done to a clip
* What else is made of the clips of a workspace and kept beside its table: ``fill_beside`` with
  ``Parts`` or ``ArrayParts``, the clips by ``clips_with_sound``, one of them by ``clip_of`` or
  ``sound_of``
"""

from core.extract._beside import (
    ArrayParts,
    Parts,
    array_parts,
    array_path,
    at_least_one,
    cleaning_of,
    clips_with_sound,
    fill_beside,
    has_sound,
    keep_recipe,
    part_number,
    read_json,
    read_rows,
    write_json,
)
from core.extract._measure import Recipe, measure_file
from core.extract._run import Progress, Summary, Task, extract_dataset
from core.extract._sound import clip_of, sound_of

__all__ = [
    "ArrayParts",
    "Parts",
    "Progress",
    "Recipe",
    "Summary",
    "Task",
    "array_parts",
    "array_path",
    "at_least_one",
    "cleaning_of",
    "clip_of",
    "clips_with_sound",
    "extract_dataset",
    "fill_beside",
    "has_sound",
    "keep_recipe",
    "measure_file",
    "part_number",
    "read_json",
    "read_rows",
    "sound_of",
    "write_json",
]

"""A data set to tables: every clip measured once, in worker processes here or on a cluster.

Conventions: clips travel in units of a few dozen; a unit is stored when all its clips have a row,
features or a failure. Only this process writes to the workspace: workers that die take nothing with
them but the clips in flight, and an interrupted run goes on where it stopped.

* ``extract_dataset``, with its ``Progress`` and ``Summary``
* ``measure_file``: one file, in this process
* ``Task``: what is done to a clip
* ``Run``, ``Crew`` and ``Cancelled``: a run over other units than a workspace's; ``local_path``,
  ``discard``, ``in_archive_order`` and ``is_packed``: where their clips are
"""

from core.extract._crew import Crew
from core.extract._measure import Recipe, measure_file
from core.extract._run import Cancelled, Progress, Run, Summary, Task, extract_dataset
from core.extract._spool import discard, in_archive_order, is_packed, local_path

__all__ = [
    "Cancelled",
    "Crew",
    "Progress",
    "Recipe",
    "Run",
    "Summary",
    "Task",
    "discard",
    "extract_dataset",
    "in_archive_order",
    "is_packed",
    "local_path",
    "measure_file",
]

"""A data set to tables: every clip measured once, in worker processes here or on a cluster.

Conventions: clips travel in units of a few dozen; a unit is stored when all its clips have a row,
features or a failure. Only this process writes to the workspace: workers that die take nothing with
them but the clips in flight, and an interrupted run goes on where it stopped.

* ``extract_dataset``, with its ``Progress`` and ``Summary``
* ``measure_file``: one file, in this process
* ``Task``: what is done to a clip
"""

from core.extract._measure import Recipe, measure_file
from core.extract._run import Progress, Summary, Task, extract_dataset

__all__ = ["Progress", "Recipe", "Summary", "Task", "extract_dataset", "measure_file"]

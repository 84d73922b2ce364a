"""How long a run is: its stages, and what comes in each."""

import math

from netc.errors import SpecError
from netc.spec.job import Job


def max_iterations(job: Job, rows: int | None, batch_size: int) -> int:
    """max_iter, or the iterations of max_epoch epochs of so many rows. SpecError if the source has no end."""
    solver, place = job.solver, job.solver_place
    if solver.HasField("max_iter"):
        return int(solver.max_iter)
    if rows is None:
        raise SpecError(f"{place('max_epoch')}: max_epoch needs a source that ends; give max_iter")
    return math.ceil(solver.max_epoch * rows / (batch_size * max(1, solver.iter_size)))

"""The stages of a run and the work in each, for estimates of the time left."""

from dataclasses import dataclass

from netc import data
from netc.compiler.program import Program
from netc.net.model import TRAIN


@dataclass(frozen=True)
class Stage:
    """The work of a stage: iterations (None if not known yet), and the intervals of tests and snapshots, 0 for none.

    An iteration processes `count` of the unit `noun`, with `work` multiply-adds.
    """

    iterations: int | None
    test_interval: int
    snapshot_interval: int
    tested: bool
    count: int
    noun: str
    work: int

    def steps_left(self, iteration: int) -> int:
        """The number of iterations after `iteration`."""
        return max(0, (self.iterations or 0) - iteration)

    def tests_left(self, iteration: int) -> int:
        """The number of tests after `iteration`, including the final one."""
        return (self._left(self.test_interval, iteration) + 1) if self.tested else 0

    def snapshots_left(self, iteration: int) -> int:
        """The number of snapshots after `iteration`, including the final one."""
        return self._left(self.snapshot_interval, iteration) + 1

    def _left(self, interval: int, iteration: int) -> int:
        """The number of multiples of `interval` between `iteration` and the end, both excluded."""
        last = max(iteration, (self.iterations or 0) - 1)
        return last // interval - iteration // interval if interval else 0


def plan(program: Program) -> tuple[Stage, ...]:
    """The stages of a program."""
    return tuple(map(_stage, program.stages))


def _stage(program: Program) -> Stage:
    settings, sources = program.job.settings, program.train_net.sources
    described = [layer.source for layer in sources if layer.source]
    batch_size = data.resolve_batch_size(sources[0].param, TRAIN) if sources else 1
    per_row, noun = (described[0].per_row, described[0].noun) if described else (1, "rows")
    return Stage(
        iterations=program.max_iter,
        test_interval=settings.test_interval,
        snapshot_interval=settings.snapshot,
        tested=program.layer is None and program.tested and bool(program.test_net.sources),
        count=batch_size * settings.iter_size * per_row,
        noun=noun,
        work=program.multiply_adds() * settings.iter_size,
    )

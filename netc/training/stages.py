"""How long a run is: its stages, and what comes in each."""

from dataclasses import dataclass

from netc import data
from netc.compiler.program import Program
from netc.net.model import TRAIN


@dataclass(frozen=True)
class Stage:
    """What comes in a stage: iterations (None where that cannot be known yet), and iterations between tests and snapshots, 0 for none.

    An iteration takes `count` of what `noun` says, and `work` multiply-adds.
    """

    iterations: int | None
    test_interval: int
    snapshot_interval: int
    tested: bool
    count: int
    noun: str
    work: int

    def steps_left(self, iteration: int) -> int:
        """Iterations after so many."""
        return max(0, (self.iterations or 0) - iteration)

    def tests_left(self, iteration: int) -> int:
        """Tests that come after so many iterations, the last one among them."""
        return (self._left(self.test_interval, iteration) + 1) if self.tested else 0

    def snapshots_left(self, iteration: int) -> int:
        """Snapshots that come after so many iterations, the last one among them."""
        return self._left(self.snapshot_interval, iteration) + 1

    def _left(self, interval: int, iteration: int) -> int:
        """Multiples of the interval between `iteration` and the end, both left out."""
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
        tested=program.layer is None and bool(program.test_net.sources),
        count=batch_size * settings.iter_size * per_row,
        noun=noun,
        work=program.multiply_adds() * settings.iter_size,
    )

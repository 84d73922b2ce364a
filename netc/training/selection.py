"""Which test of a run was the best, and how long ago."""

import math

from netc.compiler.program import Program
from netc.training.evaluate import Scores, monitored_value


class Selection:
    """The best test so far. `best` is its score, `stale` the number of tests since, `newest` the iteration and scores of the last test."""

    def __init__(self, program: Program):
        self.program, self.patience = program, program.job.settings.patience
        self.best: float | None = None
        self.stale = 0
        self.newest: tuple[int, Scores] | None = None

    def take(self, iteration: int, scores: Scores) -> bool:
        """Note the scores of a test. Whether they are better than those of every test before."""
        value, more_is_better = self.monitored(scores)
        better = math.isfinite(value) and (self.best is None or (value > self.best if more_is_better else value < self.best))
        self.best, self.stale = (value, 0) if better else (self.best, self.stale + 1)
        self.newest = (iteration, scores)
        return better

    def monitored(self, scores: Scores) -> tuple[float, bool]:
        """The score that `monitor` names, and whether larger is better."""
        name, more_is_better = self.program.test_net.monitored(self.program.job.settings.monitor)
        return monitored_value(scores, name, self.program.job.solver_place("monitor")), more_is_better

    def resume(self, best: float | None, stale: int, newest: tuple[int, Scores] | None) -> None:
        """Go on where a snapshot was taken."""
        self.best, self.stale, self.newest = best, stale, newest

    def is_tested(self, iteration: int) -> bool:
        """Whether the states after so many iterations were tested, if only before the run was resumed."""
        return self.newest is not None and self.newest[0] == iteration

    @property
    def is_exhausted(self) -> bool:
        """Whether `patience` tests in a row were no better than the best one."""
        return 0 < self.patience <= self.stale

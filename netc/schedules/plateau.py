"""Reduce the learning rate when the tests of a run stop improving: the state that counts the tests, and its rule."""

from dataclasses import dataclass
from math import isfinite

from netc import netc_pb2 as pb
from netc.spec.scalars import shortest

LEAST = 1e-8  # a smaller reduction does not count, as in PyTorch
ABS = pb.SolverParameter.ABS
RULE = (
    "At the start, k, stale and cooldown are 0, and best is null. After each test, with the value v of `monitor` on the whole test set: "
    "v improves if it is finite and best is null, or if it is beyond best by more than `threshold` (REL: times |best|). If it improves, "
    "best = v and stale = 0, else stale += 1. If the cooldown is above 0, it is reduced by 1 and stale = 0. If stale > plateau_patience: "
    "stale = 0, the cooldown is set to that of the solver, and k += 1 if that reduces the rate by more than 1e-8. "
    "The rate is min(base_lr, max(base_lr gamma^k, min_lr))."
)


@dataclass(frozen=True)
class Plateau:
    """The tests of a run so far, as the policy `plateau` counts them.

    `reductions` is the number of times that the rate was reduced. `best` is the best value of `monitor`, None before the first finite
    one. `stale` is the number of tests in a row without improvement. `cooldown` is the number of tests that still do not count.
    """

    reductions: int = 0
    best: float | None = None
    stale: int = 0
    cooldown: int = 0

    def after(self, solver: pb.SolverParameter, value: float, more_is_better: bool) -> "Plateau":
        """Return the state after a test with this value of `monitor`, by the rule of PyTorch's ReduceLROnPlateau.

        A relative threshold is a share of the absolute value, so that it also works for negative scores.
        """
        better = is_better(solver, value, self.best, more_is_better)
        best, stale = (value, 0) if better else (self.best, self.stale + 1)
        cooldown = max(0, self.cooldown - 1)
        stale = 0 if self.cooldown else stale
        if stale <= solver.plateau_patience:
            return Plateau(self.reductions, best, stale, cooldown)
        counts = reduced(solver, self.reductions) - reduced(solver, self.reductions + 1) > LEAST
        return Plateau(self.reductions + counts, best, 0, solver.cooldown)


def is_better(solver: pb.SolverParameter, value: float, best: float | None, more_is_better: bool) -> bool:
    """Whether a test improves on the best one by more than plateau_threshold."""
    if best is None or not isfinite(value):
        return isfinite(value)
    threshold = threshold_of(solver)
    least = threshold if solver.plateau_threshold_mode == ABS else threshold * abs(best)
    return value > best + least if more_is_better else value < best - least


def threshold_of(solver: pb.SolverParameter) -> float:
    """plateau_threshold as it is written. A difference of 0.01 is then no more than a threshold of 0.01."""
    return float(shortest(solver.plateau_threshold))


def reduced(solver: pb.SolverParameter, reductions: int) -> float:
    """The learning rate after so many reductions."""
    return min(solver.base_lr, max(solver.base_lr * solver.gamma**reductions, solver.min_lr))

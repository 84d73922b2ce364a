"""Learning-rate policies. One function each: (solver, iteration, max_iter) -> rate. Pure, so that a run resumes anywhere.

`needs` in the decorator names the fields of SolverParameter that a policy cannot do without, `not_negative` those that may not be
below 0.
"""

from math import cos, inf, isfinite, pi
from math import exp as exponential

from netc import netc_pb2 as pb
from netc.registry import schedule

LARGEST = 3.4e38  # that float32 holds


def rate(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """The learning rate of `iteration` (from 0): the policy's, warmed up linearly from warmup_lr over warmup_iter iterations."""
    policy = schedule.find(solver.lr_policy or "fixed")
    try:
        value = policy(solver, iteration, max_iter)
    except OverflowError:
        value = inf
    if iteration < solver.warmup_iter:
        return solver.warmup_lr + (value - solver.warmup_lr) * (iteration + 1) / (solver.warmup_iter + 1)
    return value


def too_large(solver: pb.SolverParameter, max_iter: int) -> tuple[int, float] | None:
    """An iteration, and its rate, that is no number for float32; None if the rates at both ends and at all steps are."""
    points = {0, max_iter - 1, int(solver.warmup_iter), *solver.stepvalue}
    rates = ((k, rate(solver, k, max_iter)) for k in sorted(points) if 0 <= k < max_iter)
    return next(((k, value) for k, value in rates if not isfinite(value) or abs(value) > LARGEST), None)


@schedule("fixed")
def fixed(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr throughout."""
    return solver.base_lr


@schedule("step", needs=("gamma", "stepsize"), not_negative=("gamma",))
def step(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr gamma^floor(iteration / stepsize)."""
    return solver.base_lr * solver.gamma ** (iteration // solver.stepsize)


@schedule("exp", needs=("gamma",), not_negative=("gamma",))
def exp(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr gamma^iteration."""
    return solver.base_lr * solver.gamma**iteration


@schedule("inv", needs=("gamma", "power"), not_negative=("gamma",))
def inv(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr (1 + gamma iteration)^-power."""
    return solver.base_lr * (1 + solver.gamma * iteration) ** -solver.power


@schedule("multistep", needs=("gamma", "stepvalue"), not_negative=("gamma",))
def multistep(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr gamma^k, k growing by one at each stepvalue; at most by one an iteration (sgd_solver.cpp)."""
    return solver.base_lr * solver.gamma ** current_step(solver, iteration)


def current_step(solver: pb.SolverParameter, iteration: int) -> int:
    """How many stepvalues multistep has passed."""
    passed, earliest = 0, 0
    for value in solver.stepvalue:
        earliest = max(earliest, value)
        if iteration < earliest:
            break
        passed, earliest = passed + 1, earliest + 1
    return passed


@schedule("poly", needs=("power",), not_negative=("power",))
def poly(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr (1 - iteration / max_iter)^power."""
    return solver.base_lr * (1 - iteration / max_iter) ** solver.power


@schedule("sigmoid", needs=("gamma", "stepsize"))
def sigmoid(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr / (1 + exp(-gamma (iteration - stepsize)))."""
    x = solver.gamma * (iteration - solver.stepsize)
    return solver.base_lr / (1 + exponential(-x)) if x > 0 else solver.base_lr * exponential(x) / (1 + exponential(x))


@schedule("cosine")
def cosine(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """From base_lr to min_lr along half a cosine over max_iter (Loshchilov and Hutter 2017)."""
    return solver.min_lr + (solver.base_lr - solver.min_lr) * (1 + cos(pi * iteration / max_iter)) / 2

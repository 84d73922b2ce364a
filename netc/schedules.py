"""Learning-rate policies. One function each: (solver, iteration, max_iter) -> rate. Pure, so that a run resumes anywhere.

`needs` in the decorator names the fields of SolverParameter that a policy cannot do without.
"""

from math import cos, pi
from math import exp as exponential

from netc import netc_pb2 as pb
from netc.registry import schedule


def rate(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """The learning rate of `iteration` (from 0): the policy's, warmed up linearly from warmup_lr over warmup_iter iterations."""
    policy = schedule.find(solver.lr_policy or "fixed")
    value = policy(solver, iteration, max_iter)
    if iteration < solver.warmup_iter:
        return solver.warmup_lr + (value - solver.warmup_lr) * (iteration + 1) / (solver.warmup_iter + 1)
    return value


@schedule("fixed")
def fixed(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr throughout."""
    return solver.base_lr


@schedule("step", needs=("gamma", "stepsize"))
def step(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr gamma^floor(iteration / stepsize)."""
    return solver.base_lr * solver.gamma ** (iteration // solver.stepsize)


@schedule("exp", needs=("gamma",))
def exp(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr gamma^iteration."""
    return solver.base_lr * solver.gamma**iteration


@schedule("inv", needs=("gamma", "power"))
def inv(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr (1 + gamma iteration)^-power."""
    return solver.base_lr * (1 + solver.gamma * iteration) ** -solver.power


@schedule("multistep", needs=("gamma", "stepvalue"))
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


@schedule("poly", needs=("power",))
def poly(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr (1 - iteration / max_iter)^power."""
    return solver.base_lr * (1 - iteration / max_iter) ** solver.power


@schedule("sigmoid", needs=("gamma", "stepsize"))
def sigmoid(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr / (1 + exp(-gamma (iteration - stepsize)))."""
    return solver.base_lr / (1 + exponential(-solver.gamma * (iteration - solver.stepsize)))


@schedule("cosine")
def cosine(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """From base_lr to min_lr along half a cosine over max_iter (Loshchilov and Hutter 2017)."""
    return solver.min_lr + (solver.base_lr - solver.min_lr) * (1 + cos(pi * iteration / max_iter)) / 2

"""Learning-rate policies. One function each: (solver, iteration, max_iter) -> rate. They are pure, so a run can resume at any iteration.

The decorator names the fields of SolverParameter that a policy reads in addition to base_lr. `needs` are required fields, `reads` optional
ones, `not_negative` those that must not be below 0, and `positive` those that must be above 0. A policy can read no other field. So
`facts`, which is stored in the models, contains all that a training loop in another language needs. `by_length` says whether the rates
depend on max_iter, or gives a function of the solver that says so. With `tests`, they depend on the tests of the run: the function has a
fourth argument, the number of times that a test has reduced the rate.
"""

from itertools import pairwise
from math import cos, pi
from math import exp as exponential

from netc import netc_pb2 as pb
from netc.registry import schedule
from netc.schedules.plateau import reduced

LINEAR = pb.SolverParameter.LINEAR


@schedule("fixed")
def fixed(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr in all iterations."""
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
    return float(solver.base_lr * (1 + solver.gamma * iteration) ** -solver.power)


@schedule("multistep", needs=("gamma", "stepvalue"), not_negative=("gamma",))
def multistep(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr gamma^k, where k increases by one at each stepvalue, at most once per iteration, as in Caffe's sgd_solver.cpp."""
    return solver.base_lr * solver.gamma ** current_step(solver, iteration)


def current_step(solver: pb.SolverParameter, iteration: int) -> int:
    """The number of stepvalues that multistep has passed."""
    passed, earliest = 0, 0
    for value in solver.stepvalue:
        earliest = max(earliest, value)
        if iteration < earliest:
            break
        passed, earliest = passed + 1, earliest + 1
    return passed


@schedule("poly", needs=("power",), not_negative=("power",), by_length=True)
def poly(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr (1 - iteration / max_iter)^power."""
    return float(solver.base_lr * (1 - iteration / max_iter) ** solver.power)


@schedule("sigmoid", needs=("gamma", "stepsize"))
def sigmoid(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr / (1 + exp(-gamma (iteration - stepsize)))."""
    x = solver.gamma * (iteration - solver.stepsize)
    return solver.base_lr / (1 + exponential(-x)) if x > 0 else solver.base_lr * exponential(x) / (1 + exponential(x))


def _to_the_end(solver: pb.SolverParameter) -> bool:
    return not solver.restart_iter


@schedule("cosine", reads=("min_lr", "restart_iter", "restart_mult"), by_length=_to_the_end)
def cosine(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """Falls from base_lr to min_lr along half a cosine wave over max_iter (Loshchilov and Hutter 2017).

    With restart_iter, it does so over restart_iter iterations and starts again at base_lr. Each period is restart_mult times longer than
    the one before.
    """
    first, period = 0, solver.restart_iter or max_iter
    while solver.restart_iter and iteration >= first + period:
        if solver.restart_mult == 1:
            first = iteration - iteration % period
        else:
            first, period = first + period, period * solver.restart_mult
    return solver.min_lr + (solver.base_lr - solver.min_lr) * (1 + cos(pi * (iteration - first) / period)) / 2


@schedule("linear", reads=("min_lr",), by_length=True)
def linear(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """Falls from base_lr to min_lr in a straight line over max_iter."""
    return solver.base_lr + (solver.min_lr - solver.base_lr) * iteration / max_iter


ONECYCLE = ("pct_start", "div_factor", "final_div_factor", "anneal_strategy", "three_phase")


@schedule("onecycle", reads=ONECYCLE, positive=("div_factor", "final_div_factor"), by_length=True)
def onecycle(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """Rises from base_lr / div_factor to base_lr, then falls to base_lr / div_factor / final_div_factor (Smith and Topin 2018).

    The rise takes the share pct_start of max_iter. The rates are those of PyTorch's OneCycleLR, where base_lr is max_lr. The momentum
    stays constant, as with cycle_momentum=False.
    """
    low = solver.base_lr / solver.div_factor
    top = solver.pct_start * max_iter - 1
    middle = [(2 * top, low)] if solver.three_phase else []
    ends = [(0.0, low), (top, solver.base_lr), *middle, (max_iter - 1.0, low / solver.final_div_factor)]
    phases = list(pairwise(ends))
    (start, first), (end, last) = next((phase for phase in phases if iteration <= phase[1][0]), phases[-1])
    return _annealed(solver, first, last, (iteration - start) / (end - start) if end > start else 0.0)


def _annealed(solver: pb.SolverParameter, start: float, end: float, share: float) -> float:
    """The rate after `share` of the way from `start` to `end`."""
    if solver.anneal_strategy == LINEAR:
        return start + (end - start) * share
    return end + (start - end) * (1 + cos(pi * share)) / 2


PLATEAU = ("min_lr", "plateau_patience", "plateau_threshold", "plateau_threshold_mode", "cooldown")


@schedule("plateau", needs=("gamma",), reads=PLATEAU, not_negative=("gamma",), tests=True)
def plateau(solver: pb.SolverParameter, iteration: int, max_iter: int, reductions: int) -> float:
    """base_lr gamma^k, at least min_lr, where k increases by one when plateau_patience tests have not improved `monitor`.

    The rule is that of PyTorch's ReduceLROnPlateau. It counts the tests, so `test_interval` must be set.
    """
    return reduced(solver, reductions)

"""Learning-rate policies. One function each: (solver, iteration, max_iter) -> rate. They are pure, so a run can resume at any iteration.

The decorator names the fields of SolverParameter that a policy reads in addition to base_lr. `needs` are required fields, `reads` optional
ones, and `not_negative` those that must not be below 0. A policy can read no other field. So `facts`, which is stored in the models,
contains all that a training loop in another language needs.
"""

from dataclasses import dataclass
from math import ceil, cos, inf, isfinite, pi
from math import exp as exponential
from typing import Any

from netc import netc_pb2 as pb
from netc import registry
from netc.errors import Diagnostic, SpecError
from netc.registry import schedule
from netc.spec.job import Job
from netc.spec.solver_settings import SolverSettings

WARMUP = ("warmup_iter", "warmup_lr")

LARGEST = 3.4e38  # finite float32 value


def rate(settings: SolverSettings, iteration: int, max_iter: int) -> float:
    """Return the learning rate of `iteration` (from 0): the policy's, with a linear warm-up from warmup_lr over warmup_iter iterations."""
    name = settings.lr_policy
    seen: Any = _Seen(settings.message, name, fields(name))
    try:
        value = float(schedule.find(name)(seen, iteration, max_iter))
    except OverflowError:
        value = inf
    if iteration < settings.warmup_iter:
        return settings.warmup_lr + (value - settings.warmup_lr) * (iteration + 1) / (settings.warmup_iter + 1)
    return value


def fields(policy: str) -> tuple[str, ...]:
    """The fields of SolverParameter that a policy reads."""
    facts = registry.schedule.records.get(policy, {})
    return tuple(dict.fromkeys(("base_lr", *facts.get("needs", ()), *facts.get("reads", ()))))


def facts(settings: SolverSettings, max_iter: int | None) -> dict[str, Any]:
    """Everything that determines the learning rates of a run of `max_iter` iterations, with the defaults of unset fields.

    No other program knows the formula of a plug-in's policy. For such a policy, `rates` lists the rates themselves: pairs of an iteration
    and the rate from there on.
    """
    name = settings.lr_policy
    values = {f: settings.hyperparameter(f) for f in (*fields(name), *WARMUP)}
    plain = {f: v if isinstance(v, int | float | str) else list(v) for f, v in values.items()}
    said = {"lr_policy": name, **plain, "max_iter": max_iter}
    return said if schedule.find(name).__module__ == __name__ or max_iter is None else {**said, "rates": _rates(settings, max_iter)}


def max_iterations(job: Job, rows: int | None, batch_size: int) -> int:
    """Return max_iter, or the number of iterations in max_epoch epochs of `rows` rows. SpecError if the source has no end."""
    settings = job.settings
    if settings.max_iter is not None:
        return settings.max_iter
    if rows is None:
        raise SpecError(
            Diagnostic(job.solver_place("max_epoch"), "`max_epoch` needs a source with a fixed number of rows. Set `max_iter` instead.")
        )
    return ceil((settings.max_epoch or 0) * rows / (batch_size * settings.iter_size))


@dataclass(frozen=True)
class _Seen:
    """A solver that only shows the fields named by a policy's decorator."""

    solver: pb.SolverParameter
    policy: str
    fields: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        if name not in self.fields and name in self.solver.DESCRIPTOR.fields_by_name:
            text = (
                f'The lr_policy {self.policy!r} reads {name}, which its decorator must name: @schedule("{self.policy}", reads=("{name}",))'
            )
            raise SpecError(text)
        return getattr(self.solver, name)


def _rates(settings: SolverSettings, max_iter: int) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for k in range(max_iter):
        now = rate(settings, k, max_iter)
        if not found or found[-1][1] != now:
            found.append((k, now))
    return found


def too_large(settings: SolverSettings, max_iter: int) -> tuple[int, float] | None:
    """Return an iteration whose rate is not a finite float32 number, and that rate.

    None if the rates at both ends and at all steps are finite.
    """
    points = {0, max_iter - 1, settings.warmup_iter, *settings.message.stepvalue}
    rates = ((k, rate(settings, k, max_iter)) for k in sorted(points) if 0 <= k < max_iter)
    return next(((k, value) for k, value in rates if not isfinite(value) or abs(value) > LARGEST), None)


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


@schedule("poly", needs=("power",), not_negative=("power",))
def poly(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr (1 - iteration / max_iter)^power."""
    return float(solver.base_lr * (1 - iteration / max_iter) ** solver.power)


@schedule("sigmoid", needs=("gamma", "stepsize"))
def sigmoid(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """base_lr / (1 + exp(-gamma (iteration - stepsize)))."""
    x = solver.gamma * (iteration - solver.stepsize)
    return solver.base_lr / (1 + exponential(-x)) if x > 0 else solver.base_lr * exponential(x) / (1 + exponential(x))


@schedule("cosine", reads=("min_lr",))
def cosine(solver: pb.SolverParameter, iteration: int, max_iter: int) -> float:
    """Falls from base_lr to min_lr along half a cosine wave over max_iter (Loshchilov and Hutter 2017)."""
    return solver.min_lr + (solver.base_lr - solver.min_lr) * (1 + cos(pi * iteration / max_iter)) / 2

"""The learning rates of a run, and all that another program needs to compute them."""

from dataclasses import dataclass
from math import ceil, inf, isfinite
from typing import Any

from netc import netc_pb2 as pb
from netc import registry
from netc.errors import Diagnostic, SpecError
from netc.registry import schedule
from netc.schedules.plateau import RULE, threshold_of
from netc.spec.job import Job
from netc.spec.solver_settings import SolverSettings

WARMUP = ("warmup_iter", "warmup_lr")

LARGEST = 3.4e38  # finite float32 value


def rate(settings: SolverSettings, iteration: int, max_iter: int, reductions: int = 0) -> float:
    """Return the learning rate of `iteration` (from 0): the policy's, with a linear warm-up from warmup_lr over warmup_iter iterations.

    `reductions` is for policies that depend on the tests: how many times a test has reduced the rate, see `plateau.Plateau`.
    """
    name = settings.lr_policy
    seen: Any = _Seen(settings.message, name, fields(name))
    more = (reductions,) if follows_tests(name) else ()
    try:
        value = float(schedule.find(name)(seen, iteration, max_iter, *more))
    except OverflowError:
        value = inf
    if iteration < settings.warmup_iter:
        return settings.warmup_lr + (value - settings.warmup_lr) * (iteration + 1) / (settings.warmup_iter + 1)
    return value


def fields(policy: str) -> tuple[str, ...]:
    """The fields of SolverParameter that a policy reads."""
    facts = registry.schedule.records.get(policy, {})
    return tuple(dict.fromkeys(("base_lr", *facts.get("needs", ()), *facts.get("reads", ()))))


def follows_tests(policy: str) -> bool:
    """Whether the rates of a policy depend on the tests of the run."""
    return bool(schedule.records.get(policy, {}).get("tests"))


def by_length(settings: SolverSettings) -> bool:
    """Whether the learning rates depend on the length of the run."""
    depends: Any = schedule.records.get(settings.lr_policy, {}).get("by_length", False)
    return bool(depends(settings.message) if callable(depends) else depends)


def facts(settings: SolverSettings, max_iter: int | None) -> dict[str, Any]:
    """Everything that determines the learning rates of a run of `max_iter` iterations, with the defaults of unset fields.

    No other program knows the formula of a plug-in's policy. For such a policy, `rates` lists the rates themselves: pairs of an iteration
    and the rate from there on.
    """
    name = settings.lr_policy
    plain = {f: _plain(settings.message, f) for f in (*fields(name), *WARMUP)}
    said = {"lr_policy": name, **plain, "max_iter": max_iter}
    if max_iter is None or schedule.is_own(name) or follows_tests(name):
        return said
    return {**said, "rates": _rates(settings, max_iter)}


def test_facts(settings: SolverSettings, monitor: str, more_is_better: bool) -> dict[str, Any]:
    """What a program must do after each test if the rates follow the tests; empty if they do not."""
    if not follows_tests(settings.lr_policy):
        return {}
    own = {"monitor": monitor, "more_is_better": more_is_better, "threshold": threshold_of(settings.message)}
    return {"tests": own | {"interval": settings.test_interval, "at_start": settings.test_initialization, "rule": RULE}}


def _plain(solver: pb.SolverParameter, name: str) -> Any:
    """The value of a field for JSON: a number, a text, a list, or the name of an enumeration's value."""
    field, value = solver.DESCRIPTOR.fields_by_name[name], getattr(solver, name)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value if isinstance(value, int | float | str) else list(value)


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

"""What a person can do with a run that failed."""

from dataclasses import replace
from pathlib import Path

from netc import registry, schedules
from netc.errors import DataError, Diagnostic, DivergedError, RunError
from netc.spec.solver_settings import SolverSettings


def advice(solver: SolverSettings) -> str:
    """What to try where a loss is no number."""
    usual = registry.optimizer.records[solver.type].get("usual")
    smaller = solver.base_lr / 10 if usual is None or solver.base_lr <= usual else min(usual, solver.base_lr / 10)
    rate = f"base_lr is {solver.base_lr:g}: try {smaller:.1g}{f' (usual with {solver.type}: {usual:g})' if usual else ''}"
    return f"{rate}; warm-up (warmup_iter) and clip_gradients help too, and inputs of about -1 to 1 (`scale`, mean)"


def diverged(loss: float, iteration: int, why: Diagnostic, solver: SolverSettings, max_iter: int) -> DivergedError:
    """The error of a loss that is no number; `why` names the layer where that began."""
    now = schedules.rate(solver, iteration, max_iter)
    grown = f"the rate has grown to {now:.3g} by then ({solver.lr_policy}); " if now > 2 * solver.base_lr else ""
    return DivergedError(
        Diagnostic(why.place, f"the loss is {loss} at iteration {iteration}: {why.text}.", details=(f"{grown}{advice(solver)}",))
    )


def with_way_on(error: RunError | DataError, kept: Path | None) -> RunError | DataError:
    """The error with a sentence on what is left of the run: `kept` is its newest snapshot."""
    if kept is None and isinstance(error, DataError):
        return error
    if kept is None:
        text = "there is no snapshot of this run yet; solver.snapshot takes one each so many iterations"
    elif isinstance(error, DivergedError):
        text = f"the newest snapshot is of before that; a new run, with another solver, goes on from it: --snapshot {kept}"
    else:
        text = f"the newest snapshot, {kept}, is whole; once the cause is gone, --resume goes on from it"
    first, *others = error.diagnostics
    return type(error)(replace(first, details=(*first.details, text)), *others)

"""Advice for users whose run has failed."""

from dataclasses import replace
from pathlib import Path

from netc import registry, schedules
from netc.errors import DataError, Diagnostic, DivergedError, RunError
from netc.spec.solver_settings import SolverSettings


def advice(solver: SolverSettings) -> str:
    """What to try if the loss is NaN or infinite."""
    usual = registry.optimizer.records[solver.type].get("usual")
    smaller = solver.base_lr / 10 if usual is None or solver.base_lr <= usual else min(usual, solver.base_lr / 10)
    rate = f"base_lr is {solver.base_lr:g}: try {smaller:.1g}{f' (typical for {solver.type}: {usual:g})' if usual else ''}"
    return f"{rate}; warmup_iter, clip_gradients and inputs scaled to about -1 to 1 (`scale`, mean) also help"


def diverged(loss: float, iteration: int, why: Diagnostic, solver: SolverSettings, max_iter: int) -> DivergedError:
    """The error for a loss that is NaN or infinite. `why` names the layer where this started."""
    now = schedules.rate(solver, iteration, max_iter)
    grown = f"the learning rate has grown to {now:.3g} ({solver.lr_policy}); " if now > 2 * solver.base_lr else ""
    return DivergedError(
        Diagnostic(why.place, f"the loss is {loss} at iteration {iteration}: {why.text}.", details=(f"{grown}{advice(solver)}",))
    )


def with_next_step(error: RunError | DataError, kept: Path | None) -> RunError | DataError:
    """Add to an error how the user can continue. `kept` is the newest snapshot of the run."""
    if kept is None and isinstance(error, DataError):
        return error
    if kept is None:
        text = "there is no snapshot of this run yet; solver.snapshot sets how often netc saves one"
    elif isinstance(error, DivergedError):
        text = f"the newest snapshot is from before that; to continue from it in a new run with a different solver, use --snapshot {kept}"
    else:
        text = f"the newest snapshot, {kept}, is intact; after you fix the cause, --resume continues from it"
    first, *others = error.diagnostics
    return type(error)(replace(first, details=(*first.details, text)), *others)

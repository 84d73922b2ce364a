"""What a person can do with a run that failed."""

from pathlib import Path

from netc.errors import DivergedError, RunError

ADVICE = "A smaller base_lr, warm-up (warmup_iter) or clip_gradients often help"


def with_way_on(error: RunError, kept: Path | None) -> RunError:
    """The error with a sentence on what is left of the run: `kept` is its newest snapshot."""
    if kept is None:
        text = "there is no snapshot of this run yet; solver.snapshot takes one each so many iterations"
    elif isinstance(error, DivergedError):
        text = f"the newest snapshot is of before that; a new run, with another solver, goes on from it: --snapshot {kept}"
    else:
        text = f"the newest snapshot, {kept}, is whole; once the cause is gone, --resume goes on from it"
    return type(error)(f"{error}\n{text}")

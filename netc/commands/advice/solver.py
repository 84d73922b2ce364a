"""Warnings about the solver."""

from collections.abc import Iterator

from netc import registry, schedules
from netc.commands.advice.checks import Checked, check
from netc.compiler.solver import LENGTH
from netc.errors import Diagnostic
from netc.graph.multiply_adds import size
from netc.spec.scalars import shortest

MOST_TIMES, PARAMETERS_PER_ROW = 30, 5


@check
def unusual_rate(checked: Checked) -> Iterator[Diagnostic]:
    """A base_lr that is far from typical values of the optimizer."""
    solver = checked.program.job.solver
    usual = registry.optimizer.records.get(solver.type, {}).get("usual")
    learns = checked.program.trains and checked.program.steps.gradients  # k-means clustering needs no rate
    if learns and usual and not usual / 1000 <= solver.base_lr <= usual * MOST_TIMES:
        text = f"Solver: base_lr {solver.base_lr:g} is unusual for {solver.type}; a typical value is {usual:g}"
        yield Diagnostic(checked.program.job.solver_place("base_lr"), text)


@check
def no_length(checked: Checked) -> Iterator[Diagnostic]:
    """A solver without a length, as scripts of pycaffe use it."""
    job = checked.program.job
    if checked.program.trains and not (job.solver.HasField("max_iter") or job.solver.HasField("max_epoch")):
        yield Diagnostic(job.solver_place(), f"Solver: {LENGTH}")


@check
def constant_rate_steps(checked: Checked) -> Iterator[Diagnostic]:
    """A step policy whose first step is after the end of the run."""
    solver = checked.program.job.solver
    steps = {"step": [solver.stepsize], "multistep": list(solver.stepvalue)}.get(solver.lr_policy, [])
    if steps and solver.HasField("max_iter") and min(steps) >= solver.max_iter:
        field = "stepsize" if solver.lr_policy == "step" else "stepvalue"
        text = f"Solver: the learning rate first drops at iteration {min(steps)}, but the run ends at {solver.max_iter}"
        yield Diagnostic(checked.program.job.solver_place(field), text)


@check
def no_decay(checked: Checked) -> Iterator[Diagnostic]:
    """More parameters than rows without regularization."""
    program = checked.program
    count = sum(size(p.shape) for p in program.train.parameters)
    rows = next((x.source.rows for x in program.train_net.sources if x.source and x.source.rows and not x.source.reading), None)
    drops = any(layer.type == "Dropout" for layer in checked.layers) or not any(layer.kind.reads_label for layer in checked.layers)
    if program.trains and not program.job.solver.weight_decay and rows and count > PARAMETERS_PER_ROW * rows and not drops:
        text = f"Solver: {count:,} parameters, {rows:,} rows and no weight_decay: the net may overfit; a typical value is 0.0005"
        yield Diagnostic(program.job.solver_place(), text)


@check
def few_iterations(checked: Checked) -> Iterator[Diagnostic]:
    """A run that ends before one epoch."""
    solver, sources = checked.program.job.solver, checked.program.train_net.sources
    rows = next((x.source.rows for x in sources if x.source and x.source.rows), None)
    batch = next((x.batch_size for x in sources if x.batch_size), None)
    if rows and batch and solver.HasField("max_iter") and solver.max_iter * batch * checked.program.job.settings.iter_size < rows:
        share = solver.max_iter * batch * checked.program.job.settings.iter_size / rows
        yield Diagnostic(checked.program.job.solver_place("max_iter"), f"Solver: the run ends after {share:.0%} of the first epoch")


@check
def rate_never_changes(checked: Checked) -> Iterator[Diagnostic]:
    """A schedule that waits for more tests or iterations than the run has."""
    solver, length = checked.program.job.solver, checked.program.max_iter
    if not length or not checked.program.trains:
        return
    tests = length // solver.test_interval if solver.test_interval else 0
    if schedules.follows_tests(solver.lr_policy) and tests <= solver.plateau_patience:
        text = f"Solver: the rate falls after {solver.plateau_patience + 1} tests without improvement, but the run has {tests}"
        yield Diagnostic(checked.program.job.solver_place("lr_policy"), text)
    if solver.lr_policy == "cosine" and solver.restart_iter >= length:
        text = f"Solver: the learning rate first restarts at iteration {solver.restart_iter}, but the run ends at {length}"
        yield Diagnostic(checked.program.job.solver_place("restart_iter"), text)


@check
def average_of_everything(checked: Checked) -> Iterator[Diagnostic]:
    """A moving average that is longer than the run, so that it includes the first weights."""
    ema, length = float(shortest(checked.program.job.settings.ema)), checked.program.max_iter
    if ema and length and 1 / (1 - ema) > length:
        text = f"Solver: ema {ema:g} averages about {1 / (1 - ema):,.0f} iterations, but the run has {length:,}; use a smaller number"
        yield Diagnostic(checked.program.job.solver_place("ema"), text)


@check
def no_matrices(checked: Checked) -> Iterator[Diagnostic]:
    """An optimizer of matrices for a net without matrices."""
    program = checked.program
    record = registry.optimizer.records.get(program.job.solver.type, {})
    if program.trains and "others" in record and not any(n.op == program.job.solver.type for n in program.steps.train.nodes):
        text = f"Solver: {record['others'][0]} updates all parameters, as this net has no matrix for {program.job.solver.type}"
        yield Diagnostic(program.job.solver_place("type"), text)

"""What can be wrong with a solver: its type, its policy, its numbers."""

from collections.abc import Iterator
from inspect import signature
from math import inf, isfinite, isnan
from typing import Any

from netc import netc_pb2 as pb
from netc import registry, schedules
from netc.errors import Diagnostic, line_of, near
from netc.spec.job import Job
from netc.spec.scalars import shortest

MOST_THREADS = 256  # of one operation; thousands would be made one after the other and wait for each other
LIMITS = (
    ("base_lr", 0, inf), ("momentum", 0, 1), ("momentum2", 0, 1), ("rms_decay", 0, 1), ("weight_decay", 0, inf), ("delta", 0, inf),
    ("warmup_iter", 0, inf), ("warmup_lr", 0, inf), ("min_lr", 0, inf), ("max_iter", 0, inf), ("max_epoch", 0, inf),
    ("test_interval", 0, inf), ("snapshot", 0, inf), ("reset_interval", 0, inf), ("average_loss", 1, inf), ("display", 0, inf),
    ("patience", 0, inf), ("watch_interval", 0, inf), ("snapshot_keep", 0, inf), ("snapshot_minutes", 0, inf), ("threads", 0, MOST_THREADS),
    ("iter_size", 1, inf),
)  # fmt: skip
ROOTS = ("momentum", "momentum2", "rms_decay")  # of which a 1 would forget nothing, ever


def solver_errors(job: Job) -> list[Diagnostic]:
    """What is wrong with a solver: unknown type or policy, fields missing for them, fields that the type does not use."""
    solver, errors = job.solver, []

    def error(text: str, *path: str | int) -> None:
        errors.append(Diagnostic(job.solver_place(*path), f"solver: {text}"))

    if not solver.ListFields():
        text = "there is no solver, which says how to train; add one, such as `solver: {base_lr: 0.01, momentum: 0.9, max_iter: 1000}`"
        return [Diagnostic(job.solver_place(), text)]
    if not solver.HasField("base_lr"):
        error("base_lr is missing: the learning rate")
    if solver.type not in registry.optimizer:
        error(f"there is no solver type {solver.type!r}; {near(solver.type, registry.optimizer)}", "type")
    else:
        used = signature(registry.optimizer[solver.type]).parameters
        unused = [f for f in ("momentum", "momentum2", "rms_decay") if solver.HasField(f) and getattr(solver, f) and f not in used]
        for name in unused:
            error(f"{solver.type} does not use {name}; leave it out", name)
    policy = solver.lr_policy or "fixed"
    if policy not in registry.schedule:
        error(f"there is no lr_policy {policy!r}; {near(policy, registry.schedule)}", "lr_policy")
    for name in registry.schedule.records.get(policy, {}).get("needs", ()):
        if not (len(solver.stepvalue) if name == "stepvalue" else solver.HasField(name)):
            error(f"lr_policy {policy!r} needs {name}", "lr_policy")
    if solver.HasField("max_iter") == solver.HasField("max_epoch"):
        error("give one of max_iter and max_epoch: how long to train", *(["max_epoch"] if solver.HasField("max_epoch") else []))
    if solver.HasField("stepsize") and solver.stepsize < 1 and policy == "step":
        error("stepsize must be at least 1", "stepsize")
    if solver.regularization_type not in ("L1", "L2"):
        error(f"regularization_type is L1 or L2, not {solver.regularization_type!r}", "regularization_type")
    for name, text in _out_of_range(solver, policy):
        error(f"{name} is {text}", name)
    for k, count in enumerate(solver.test_iter):
        if count < 1:
            error(f"test_iter is 1 or more, not {count}; where it is unset, a test is of the whole set", "test_iter", k)
    if not errors and solver.HasField("max_iter") and (found := schedules.too_large(job.settings, solver.max_iter)):
        error(f"the rate of lr_policy {policy!r} is {found[1]:g} at iteration {found[0]}", "lr_policy")
    return sorted(errors, key=line_of)


def _out_of_range(solver: pb.SolverParameter, policy: str) -> Iterator[tuple[str, str]]:
    """The fields whose numbers make no sense, whatever they are for or for the policy and the type that are chosen: what each may be."""
    by_policy = registry.schedule.records.get(policy, {}).get("not_negative", ())
    by_type = registry.optimizer.records.get(solver.type, {}).get("positive", ())
    for name, least, most in (*LIMITS, *((n, 0, inf) for n in by_policy)):
        value = float(shortest(getattr(solver, name)))
        if not least <= value <= most or (name in ROOTS and value == 1) or value == inf:
            text = f"from 0 to below {most:g}" if name in ROOTS else f"{least:g} or more" if most == inf else f"from {least:g} to {most:g}"
            yield name, f"{text}, not {value:g}" + (f", with lr_policy {policy}" if name in by_policy else "")
    for name in by_type:
        if getattr(solver, name) == 0:
            yield name, f"above 0 with {solver.type}, which learns nothing with 0"
    if solver.clip_gradients == 0 or isnan(solver.clip_gradients):
        yield "clip_gradients", f"above 0, or negative for no limit, not {solver.clip_gradients:g}"
    for name in ("gamma", "power"):
        if name not in by_policy and not isfinite(getattr(solver, name)):
            yield name, f"a number, not {getattr(solver, name):g}"


def replaced(solver: pb.SolverParameter, **fields: Any) -> pb.SolverParameter:
    """A copy of `solver` with other fields."""
    copy = pb.SolverParameter()
    copy.CopyFrom(solver)
    for name, value in fields.items():
        setattr(copy, name, value)
    return copy

"""Checks of a solver: its type, its learning rate policy, its numbers."""

from collections.abc import Iterator
from inspect import signature
from math import inf, isfinite, isnan
from typing import Any

from netc import netc_pb2 as pb
from netc import registry, schedules
from netc.errors import Diagnostic, Suggestion, near
from netc.spec.job import Job
from netc.spec.scalars import shortest

MOST_THREADS = 256  # per op; onnxruntime creates each thread, and thousands would only wait for each other
LIMITS = (
    ("base_lr", 0, inf), ("momentum", 0, 1), ("momentum2", 0, 1), ("rms_decay", 0, 1), ("weight_decay", 0, inf), ("delta", 0, inf),
    ("warmup_iter", 0, inf), ("warmup_lr", 0, inf), ("min_lr", 0, inf), ("max_iter", 0, inf), ("max_epoch", 0, inf),
    ("test_interval", 0, inf), ("snapshot", 0, inf), ("reset_interval", 0, inf), ("average_loss", 1, inf), ("display", 0, inf),
    ("patience", 0, inf), ("watch_interval", 0, inf), ("snapshot_keep", 0, inf), ("snapshot_minutes", 0, inf), ("threads", 0, MOST_THREADS),
    ("iter_size", 1, inf), ("pct_start", 0, 1), ("restart_iter", 0, inf), ("restart_mult", 1, inf), ("plateau_patience", 0, inf),
    ("plateau_threshold", 0, inf), ("cooldown", 0, inf), ("ema", 0, 1), ("clip_value", 0, inf), ("div_factor", 0, inf),
    ("final_div_factor", 0, inf),
)  # fmt: skip
ROOTS = ("momentum", "momentum2", "rms_decay", "ema")  # decay rates: with a rate of 1, old values would never fade
OWN_FIELDS = 1420  # from this number on, a field of a policy or an optimizer is an error with another one; Caffe's fields are not


WAYS = "`--iterations 1000` or `--set solver.max_iter=1000`"
LENGTH = f"The length of the training is missing. Set `max_iter` or `max_epoch`, for example with {WAYS}."


def solver_errors(job: Job, layer: str | None = None, needs_length: bool = True) -> list[Diagnostic]:
    """The errors of a solver, or of a stage that pretrains `layer`: unknown types, missing or unused fields, numbers out of range.

    A script or `netc check` does not need the length of the training.
    """
    solver, errors = job.solver, []

    def error(text: str, *path: str | int, suggestion: Suggestion | None = None) -> None:
        errors.append(Diagnostic(job.solver_place(*path), f"Solver: {text}", suggestion))

    if not solver.ListFields():
        text = "There is no solver. Add one, for example `solver: {base_lr: 0.01, momentum: 0.9, max_iter: 1000}`."
        return [Diagnostic(job.solver_place(), text)]
    if not solver.HasField("base_lr") and _needs_rate(job.train.message, layer):
        error("`base_lr` is missing. Add the learning rate, for example `base_lr: 0.01`.")
    if solver.type not in registry.optimizer:
        error(f"There is no solver type {solver.type!r}.", "type", suggestion=near(solver.type, registry.optimizer))
    for name in _unused(solver):
        error(f"{solver.type} does not use `{name}`. Remove it.", name)
    policy = solver.lr_policy or "fixed"
    for name, text, suggestion in _policy_errors(job, policy):
        error(text, *([name] if name else []), suggestion=suggestion)
    lengths = solver.HasField("max_iter") + solver.HasField("max_epoch")
    if lengths == 2 or (needs_length and not lengths):
        error("Set either `max_iter` or `max_epoch`, not both." if lengths else LENGTH, *["max_epoch"] * (lengths == 2))
    if solver.HasField("stepsize") and solver.stepsize < 1 and policy == "step":
        error("`stepsize` must be at least 1.", "stepsize")
    if solver.regularization_type not in ("L1", "L2"):
        error(f"`regularization_type` must be L1 or L2, not {solver.regularization_type!r}.", "regularization_type")
    for name, text in _out_of_range(solver, policy):
        error(f"`{name}` must be {text}.", name)
    for k, count in enumerate(solver.test_iter):
        if count < 1:
            error(f"`test_iter` must be 1 or more, not {count}. Remove it to test on the whole set.", "test_iter", k)
    if not errors and solver.HasField("max_iter") and (found := schedules.too_large(job.settings, solver.max_iter)):
        error(f"The learning rate of `lr_policy` {policy!r} is {found[1]:g} at iteration {found[0]}.", "lr_policy")
    return sorted(errors, key=lambda d: d.position)


def _unused(solver: pb.SolverParameter) -> list[str]:
    """Fields of other optimizers that the type does not use. Values that have no effect are accepted for Caffe's fields."""
    if solver.type not in registry.optimizer:
        return []
    record = registry.optimizer.records[solver.type]
    types = [solver.type, *record["others"][:1]] if "others" in record else [solver.type]
    used = {name for kind in types for name in signature(registry.optimizer[kind]).parameters}
    used |= {"adamw"} if "others" in record else set()
    given = [f for f in ("momentum", "momentum2", "rms_decay") if solver.HasField(f) and getattr(solver, f)]
    own = [field.name for field, _ in solver.ListFields() if field.name in ("adjust_lr", "adamw")]
    return [name for name in (*given, *own) if name not in used]


def _policy_errors(job: Job, policy: str) -> Iterator[tuple[str, str, Suggestion | None]]:
    """The field, the text and the suggestion of each error of the policy and its fields."""
    solver, record = job.solver, registry.schedule.records.get(policy, {})
    if policy not in registry.schedule:
        yield "lr_policy", f"There is no `lr_policy` {policy!r}.", near(policy, registry.schedule)
        return
    for name in record.get("needs", ()):
        if not (len(solver.stepvalue) if name == "stepvalue" else solver.HasField(name)):
            yield "lr_policy", f"`{name}` is missing, which `lr_policy` {policy!r} needs.", None
    own = schedules.fields(policy)
    for field, _ in solver.ListFields():
        readers = [p for p in registry.schedule if field.name in schedules.fields(p)] if field.number >= OWN_FIELDS else []
        if readers and field.name not in own:
            yield field.name, f"`lr_policy` {policy!r} does not use `{field.name}`, a field of {' and '.join(readers)}. Remove it.", None
    if "restart_mult" in own and solver.HasField("restart_mult") and not solver.restart_iter:
        yield "restart_mult", "`restart_mult` needs `restart_iter`, the length of the first period.", None
    if "three_phase" in own and solver.three_phase and solver.pct_start > 0.5:
        yield "pct_start", f"`pct_start` must be at most 0.5 with `three_phase`, not {solver.pct_start:g}.", None
    if schedules.follows_tests(policy):
        yield from _test_errors(solver, policy)


def _test_errors(solver: pb.SolverParameter, policy: str) -> Iterator[tuple[str, str, Suggestion | None]]:
    """The errors of a policy that depends on the tests of the run."""
    if not solver.test_interval:
        yield (
            "lr_policy",
            f"`lr_policy` {policy!r} needs tests during training: set `test_interval`.",
            None,
        )
    if solver.gamma >= 1:
        yield "gamma", f"`gamma` must be below 1 with `lr_policy` {policy!r}, not {solver.gamma:g}.", None


def _needs_rate(net: pb.NetParameter, name: str | None) -> bool:
    """Whether a net, or its layer `name`, learns by gradients. k-means clustering, for example, does not."""
    kinds = [registry.layer_type(layer.type) for layer in net.layer if name in (None, layer.name)]
    return not any(kind.fits for kind in kinds) or any(kind.loss for kind in kinds)


def _out_of_range(solver: pb.SolverParameter, policy: str) -> Iterator[tuple[str, str]]:
    """Fields out of range, on their own or for the policy and the type, and the allowed values."""
    by_policy = registry.schedule.records.get(policy, {}).get("not_negative", ())
    by_type = registry.optimizer.records.get(solver.type, {}).get("positive", ())
    for name, least, most in (*LIMITS, *((n, 0, inf) for n in by_policy)):
        value = float(shortest(getattr(solver, name)))
        if not least <= value <= most or (name in ROOTS and value == 1) or value == inf:
            text = f"from 0 to below {most:g}" if name in ROOTS else f"{least:g} or more" if most == inf else f"from {least:g} to {most:g}"
            yield name, f"{text}, not {value:g}" + (f", with lr_policy {policy}" if name in by_policy else "")
    for rule in solver.lr_mult:
        if not 0 <= rule.lr_mult < inf:
            yield "lr_mult", f"0 or more, not {rule.lr_mult:g} for {rule.pattern!r}"
    for name in by_type:
        if getattr(solver, name) == 0:
            yield name, f"above 0, as {solver.type} learns nothing with 0"
    for name in registry.schedule.records.get(policy, {}).get("positive", ()):
        if getattr(solver, name) == 0:
            yield name, f"above 0 with lr_policy {policy}"
    if solver.clip_gradients == 0 or isnan(solver.clip_gradients):
        yield "clip_gradients", f"above 0, or negative for no limit, not {solver.clip_gradients:g}"
    for name in ("gamma", "power"):
        if name not in by_policy and not isfinite(getattr(solver, name)):
            yield name, f"a number, not {getattr(solver, name):g}"


def replaced(solver: pb.SolverParameter, **fields: Any) -> pb.SolverParameter:
    """Return a copy of `solver` with the given fields replaced."""
    copy = pb.SolverParameter()
    copy.CopyFrom(solver)
    for name, value in fields.items():
        setattr(copy, name, value)
    return copy

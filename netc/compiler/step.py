"""Graph to Graph: what a training step adds to a net.

Order as in Caffe's ApplyUpdate: sum over iter_size, clip by the norm of that sum, divide by iter_size, add decay, optimize.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from math import inf, isfinite, isnan
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc import registry, schedules
from netc.compiler.lower import Lowered
from netc.errors import Diagnostic, SpecError, Suggestion, near
from netc.fillers import Zeros
from netc.graph.autodiff import grad
from netc.graph.ir import Graph, Value, cast, leaf, op, origin, toposort
from netc.spec.document import Document
from netc.spec.job import Job
from netc.spec.scalars import shortest
from netc.spec.solver_settings import SolverSettings

MOST_THREADS = 256  # of one operation; thousands would be made one after the other and wait for each other
LIMITS = (
    ("base_lr", 0, inf), ("momentum", 0, 1), ("momentum2", 0, 1), ("rms_decay", 0, 1), ("weight_decay", 0, inf), ("delta", 0, inf),
    ("warmup_iter", 0, inf), ("warmup_lr", 0, inf), ("min_lr", 0, inf), ("max_iter", 0, inf), ("max_epoch", 0, inf),
    ("test_interval", 0, inf), ("snapshot", 0, inf), ("reset_interval", 0, inf), ("average_loss", 1, inf), ("display", 0, inf),
    ("patience", 0, inf), ("watch_interval", 0, inf), ("snapshot_keep", 0, inf), ("snapshot_minutes", 0, inf), ("threads", 0, MOST_THREADS),
    ("iter_size", 1, inf),
)  # fmt: skip
ROOTS = ("momentum", "momentum2", "rms_decay")  # of which a 1 would forget nothing, ever
GRAD = "grad/"
WATCH = "watch/"
SATURATED = 0.05  # of its range from an end: where a sigmoid has less than a fifth of its steepest slope
NEXT_GRAD = "next/" + GRAD  # an ONNX graph cannot have an input and an output of one name


@dataclass(frozen=True)
class StepGraphs:
    """The graphs of one training step. With iter_size 1 `train` does it alone; else `gradient` sums and `update` applies."""

    train: Graph
    gradient: Graph
    update: Graph
    gradients: Mapping[Value, Value]  # of the loss by each parameter that learns


def step_graphs(lowered: Lowered, settings: SolverSettings) -> StepGraphs:
    """The training graphs of a lowered net. SpecError if nothing can be learned."""
    gradients = _gradients(lowered)
    rate = leaf("Input", np.float32, (), name="lr")
    sums = {p: leaf("Input", np.float32, p.shape, name=GRAD + p.node.attrs["name"]) for p in gradients}
    train = _updates(gradients, rate, replace(settings, iter_size=1))
    outputs = lowered.graph.outputs
    added = {NEXT_GRAD + p.node.attrs["name"]: sums[p] + g for p, g in gradients.items()}
    return StepGraphs(
        train=replace(lowered.graph, updates={**lowered.graph.updates, **train}),
        gradient=replace(lowered.graph, outputs={**outputs, **added}),
        update=Graph(lowered.graph.name, {}, _updates(sums, rate, settings)),
        gradients=gradients,
    )


def watch_graph(lowered: Lowered, steps: StepGraphs) -> Graph:
    """What a training step does to each layer, as numbers `watch/<layer>/<what>`; it moves no state.

    gradient: the L2 norm of the loss's gradient by the layer's parameters. update: the norm of their change over their own.
    mean, deviation, zero: of the values of its first top, and the share of them that is 0. saturated, of layers that state a `range`:
    the share that is within a twentieth of the range from its ends.
    """
    outputs: dict[str, Value] = {}
    for layer in lowered.net.layers:
        with origin(layer=layer.name, place=layer.at(), part="watch"):
            own = [p for p in steps.gradients if p.node.attrs["layer"] == layer.name]
            top = next((t for t in lowered.layer_tops[layer.name] if t.rank and t.dtype == np.float32), None)
            found = _learning(own, steps) | ({} if top is None or layer.source else _activation(top, layer.facts.get("range")))
        outputs |= {f"{WATCH}{layer.name}/{what}": value for what, value in found.items()}
    return Graph(lowered.graph.name, outputs)


def _learning(parameters: list[Value], steps: StepGraphs) -> dict[str, Value]:
    if not parameters:
        return {}
    changes = [steps.train.updates[p] - p for p in parameters]
    size = op.Max(_norm(parameters), np.float32(1e-30))
    return {"gradient": _norm([steps.gradients[p] for p in parameters]), "update": _norm(changes) / size}


def _activation(x: Value, ends: tuple[float, float] | None) -> dict[str, Value]:
    mean = op.ReduceMean(x, keepdims=0)
    distance = x - mean
    found = {"mean": mean, "deviation": op.Sqrt(op.ReduceMean(distance * distance, keepdims=0)), "zero": _share(op.Equal(x, 0.0))}
    if ends:
        middle, reach = sum(ends) / 2, (ends[1] - ends[0]) / 2
        found["saturated"] = _share(op.Abs(x - middle) > reach * (1 - 2 * SATURATED))
    return found


def _share(true: Value) -> Value:
    return op.ReduceMean(cast(true, np.float32), keepdims=0)


def _norm(values: Iterable[Value]) -> Value:
    """The joint L2 norm."""
    squares = [op.ReduceSumSquare(v, keepdims=0) for v in values]
    return op.Sqrt(sum(squares[1:], squares[0]))


def solver_errors(job: Job) -> list[Diagnostic]:
    """What is wrong with a solver: unknown type or policy, fields missing for them, fields that the type does not use."""
    solver, errors = job.solver, []

    def error(text: str, *path: str | int, suggestion: Suggestion | None = None) -> None:
        errors.append(Diagnostic(job.solver_place(*path), f"Solver: {text}", suggestion))

    if not solver.ListFields():
        text = "There is no solver. Add one, for example `solver: {base_lr: 0.01, momentum: 0.9, max_iter: 1000}`."
        return [Diagnostic(job.solver_place(), text)]
    if not solver.HasField("base_lr"):
        error("`base_lr` is missing. Add the learning rate, for example `base_lr: 0.01`.")
    if solver.type not in registry.optimizer:
        error(f"There is no solver type {solver.type!r}.", "type", suggestion=near(solver.type, registry.optimizer))
    else:
        used = signature(registry.optimizer[solver.type]).parameters
        unused = [f for f in ("momentum", "momentum2", "rms_decay") if solver.HasField(f) and getattr(solver, f) and f not in used]
        for name in unused:
            error(f"{solver.type} does not use `{name}`. Remove it.", name)
    policy = solver.lr_policy or "fixed"
    if policy not in registry.schedule:
        error(f"There is no `lr_policy` {policy!r}.", "lr_policy", suggestion=near(policy, registry.schedule))
    for name in registry.schedule.facts.get(policy, {}).get("needs", ()):
        if not (len(solver.stepvalue) if name == "stepvalue" else solver.HasField(name)):
            error(f"`{name}` is missing, which `lr_policy` {policy!r} needs.", "lr_policy")
    if solver.HasField("max_iter") == solver.HasField("max_epoch"):
        error("Set either `max_iter` or `max_epoch`, the length of the training.", *(["max_epoch"] if solver.HasField("max_epoch") else []))
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


def _out_of_range(solver: pb.SolverParameter, policy: str) -> Iterator[tuple[str, str]]:
    """The fields whose numbers make no sense, whatever they are for or for the policy and the type that are chosen: what each may be."""
    by_policy = registry.schedule.facts.get(policy, {}).get("not_negative", ())
    by_type = registry.optimizer.facts.get(solver.type, {}).get("positive", ())
    for name, least, most in (*LIMITS, *((n, 0, inf) for n in by_policy)):
        value = float(shortest(getattr(solver, name)))
        if not least <= value <= most or (name in ROOTS and value == 1) or value == inf:
            text = f"from 0 to below {most:g}" if name in ROOTS else f"{least:g} or more" if most == inf else f"from {least:g} to {most:g}"
            yield name, f"{text}, not {value:g}" + (f", with lr_policy {policy}" if name in by_policy else "")
    for name in by_type:
        if getattr(solver, name) == 0:
            yield name, f"above 0, as {solver.type} learns nothing with 0"
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


def _gradients(lowered: Lowered) -> dict[Value, Value]:
    """The gradient of the loss by each parameter that learns and that the loss depends on."""
    learned = [p for p in lowered.parameters if p.node.attrs["lr_mult"] != 0]
    place = lowered.net.document.place()
    if lowered.loss is None:
        raise SpecError(_no_loss(lowered.net.document))
    found = {p: g for p, g in zip(learned, grad({lowered.loss: 1.0}, learned), strict=True) if g is not None}
    if not found:
        raise SpecError(Diagnostic(place, "The loss depends on no parameter that can be trained (with an `lr_mult` other than 0)."))
    return found


def _no_loss(document: Document) -> Diagnostic:
    """What to say of a net without a loss in training, which may have one that its rules leave out."""
    for i, spec in enumerate(document.message.layer):
        if registry.layer.facts.get(spec.type, {}).get("loss"):
            at = ("layer", i, "include" if spec.include else "exclude" if spec.exclude else "loss_weight")
            text = f"The net has no loss in phase TRAIN. Layer {spec.name!r} is one, but this rule excludes it: remove the rule."
            return Diagnostic(document.place(*at), text)
    losses = "SoftmaxWithLoss for classes, EuclideanLoss for numbers"
    return Diagnostic(document.place(), f"The net has no loss in phase TRAIN. Add one ({losses}), or a `loss_weight`.")


def _updates(gradients: Mapping[Value, Value], rate: Value, settings: SolverSettings) -> dict[Value, Value]:
    """Each parameter's new value and that of its slots."""
    with origin(layer="solver", place=None, part="update"):
        gradients = _clipped(gradients, settings.clip_gradients)
        updates: dict[Value, Value] = {}
        facts = {"kind": "slot", "start": Zeros(()), "layer": "", "blob": 0, "lr_mult": 0.0, "decay_mult": 0.0}
        step = leaf("State", np.float32, (), name="solver.step", **facts)
        for p, g in gradients.items():
            with origin(layer=p.node.attrs["layer"], place=p.node.origin.place):
                g = g / float(settings.iter_size) if settings.iter_size > 1 else g
                updates |= _optimized(p, g, rate, step + 1.0, settings)
        if any(step in n.inputs for n in toposort(updates.values())):
            updates[step] = step + 1.0
    return updates


def _clipped(gradients: Mapping[Value, Value], most: float | None) -> Mapping[Value, Value]:
    """All gradients scaled down so that their joint norm is at most `most`; None means no limit."""
    if most is None:
        return gradients
    factor = op.Min(most / _norm(gradients.values()), 1.0)
    return {p: g * factor for p, g in gradients.items()}


def _optimized(p: Value, g: Value, rate: Value, step: Value, settings: SolverSettings) -> dict[Value, Value]:
    """The optimizer on one parameter: {state: new value}."""
    optimize = registry.optimizer.find(settings.type)
    arguments = signature(optimize).parameters.values()
    slots = [a.name for a in arguments if a.kind is not Parameter.KEYWORD_ONLY][3:]
    hyper = {a.name: settings.hyperparameter(a.name) for a in arguments if a.kind is Parameter.KEYWORD_ONLY}
    attrs = p.node.attrs
    decay = settings.weight_decay * attrs["decay_mult"]
    hyper["weight_decay"] = 0.0 if settings.regularization_type == "L1" else decay
    if decay and settings.regularization_type == "L1":
        g = g + decay * op.Sign(p)
    local = rate if attrs["lr_mult"] == 1 else rate * attrs["lr_mult"]
    states = [_slot(p, name) if name != "step" else step for name in slots]
    new = optimize(p, g, local, *states, **hyper)
    new = new if isinstance(new, tuple) else (new,)
    return {p: new[0], **dict(zip([s for s in states if s is not step], new[1:], strict=True))}


def _slot(p: Value, name: str) -> Value:
    attrs = p.node.attrs
    return leaf(
        "State", np.float32, p.shape, name=f"{attrs['name']}.{name}", kind="slot", start=Zeros(p.shape), layer=attrs["layer"],
        blob=attrs["blob"], lr_mult=0.0, decay_mult=0.0,
    )  # fmt: skip

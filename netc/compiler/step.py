"""Builds the graphs of a training step from a lowered net: gradients and updates.

The order is that of Caffe's ApplyUpdate: sum over iter_size, clip by the norm of the sum, divide by iter_size, clip by value, add decay,
optimize. The averages of the weights follow.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from typing import Any

import numpy as np

from netc import registry
from netc.compiler.lower import Lowered
from netc.compiler.matrices import matrices
from netc.errors import Diagnostic, SpecError
from netc.fillers import Zeros
from netc.graph.autodiff import grad
from netc.graph.contract import GRAD, LR, NEXT, WATCH
from netc.graph.ir import Graph, Value, cast, leaf, op, toposort
from netc.graph.leaves import StateInfo
from netc.graph.origin import origin
from netc.runtime.averages import WEIGHT, average_of
from netc.spec.document import Document
from netc.spec.solver_settings import SolverSettings

SATURATED = 0.05  # share of the range at each end; there, a sigmoid has less than a fifth of its steepest slope


@dataclass(frozen=True)
class StepGraphs:
    """The graphs of one training step. With iter_size 1, `train` is the full step; else `gradient` sums and `update` applies the sum."""

    train: Graph
    gradient: Graph
    update: Graph
    gradients: Mapping[Value, Value]  # of the loss with respect to each parameter that learns


def step_graphs(lowered: Lowered, settings: SolverSettings) -> StepGraphs:
    """Return the training graphs of a lowered net. SpecError if the net has nothing to learn."""
    gradients = _gradients(lowered)
    others = _others(lowered, gradients, settings)
    rate = leaf("Input", np.float32, (), name=LR)
    sums = {p: leaf("Input", np.float32, p.shape, name=GRAD(p.node.name)) for p in gradients}
    train = _updates(gradients, rate, replace(settings, iter_size=1), others)
    outputs = lowered.graph.outputs
    added = {NEXT(GRAD(p.node.name)): sums[p] + g for p, g in gradients.items()}
    return StepGraphs(
        train=replace(lowered.graph, updates={**lowered.graph.updates, **train}),
        gradient=replace(lowered.graph, outputs={**outputs, **added}),
        update=Graph(lowered.graph.name, {}, _updates(sums, rate, settings, others)),
        gradients=gradients,
    )


def watch_graph(lowered: Lowered, steps: StepGraphs) -> Graph:
    """Return a graph that measures how a training step changes each layer: `watch/<layer>/<what>`. It updates no state.

    `gradient` is the L2 norm of the gradient with respect to the layer's parameters. `update` is the norm of their change divided by their
    own norm. `mean`, `deviation` and `zero` (the share of zeros) describe the first top. `saturated`, for layers with a `range`, is the
    share of values within 5 % of the range from its ends.
    """
    outputs: dict[str, Value] = {}
    for layer in lowered.net.layers:
        with origin(layer=layer.name, place=layer.at(), part="watch"):
            own = [p for p in steps.gradients if p.node.state.layer == layer.name]
            top = next((t for t in lowered.layer_tops[layer.name] if t.rank and t.dtype == np.float32), None)
            found = _learning(own, steps) | ({} if top is None or layer.source else _activation(top, layer.kind.range))
        outputs |= {WATCH(f"{layer.name}/{what}"): value for what, value in found.items()}
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
    share: Value = op.ReduceMean(cast(true, np.float32), keepdims=0)
    return share


def _norm(values: Iterable[Value]) -> Value:
    """The L2 norm of all values together."""
    squares = [op.ReduceSumSquare(v, keepdims=0) for v in values]
    norm: Value = op.Sqrt(sum(squares[1:], squares[0]))
    return norm


def _gradients(lowered: Lowered) -> dict[Value, Value]:
    """Return the gradient of the loss with respect to each learning parameter that it depends on."""
    learned = [p for p in lowered.parameters if p.node.state.lr_mult != 0]
    place = lowered.net.document.place()
    if lowered.loss is None:
        raise SpecError(_no_loss(lowered.net.document))
    found = {p: g for p, g in zip(learned, grad({lowered.loss: 1.0}, learned), strict=True) if g is not None}
    if not found and not any(layer.kind.fits for layer in lowered.net.layers):
        raise SpecError(
            Diagnostic(place, "The loss depends on no parameter that can be trained (not frozen, and with an `lr_mult` other than 0).")
        )
    return found


def _no_loss(document: Document) -> Diagnostic:
    """Return the error for a net without a loss in training. A rule may have excluded one."""
    for i, spec in enumerate(document.message.layer):
        if registry.layer_type(spec.type).loss:
            at = ("layer", i, "include" if spec.include else "exclude" if spec.exclude else "loss_weight")
            text = f"The net has no loss in phase TRAIN. Layer {spec.name!r} is one, but this rule excludes it: remove the rule."
            return Diagnostic(document.place(*at), text)
    losses = "SoftmaxWithLoss for classes, EuclideanLoss for numbers"
    return Diagnostic(document.place(), f"The net has no loss in phase TRAIN. Add one ({losses}), or a `loss_weight`.")


def _others(lowered: Lowered, gradients: Iterable[Value], settings: SolverSettings) -> frozenset[Value]:
    """The parameters that the solver's optimizer leaves to its other one; none for most optimizers."""
    if lowered.loss is None or "others" not in registry.optimizer.records.get(settings.type, {}):
        return frozenset()
    return frozenset(gradients) - matrices(lowered.loss, lowered.parameters, settings.message.adamw)


def _updates(
    gradients: Mapping[Value, Value], rate: Value, settings: SolverSettings, others: frozenset[Value] = frozenset()
) -> dict[Value, Value]:
    """Return the new value of each parameter, of its slots and of its average. `others` has another optimizer."""
    with origin(layer="solver", place=None, part="update"):
        gradients = _clipped(gradients, settings.clip_gradients)
        updates: dict[Value, Value] = {}
        step = leaf("State", np.float32, (), info=StateInfo("solver.step", "slot", Zeros(())))
        for p, g in gradients.items():
            with origin(layer=p.node.state.layer, place=p.node.origin.place):
                g = g / float(settings.iter_size) if settings.iter_size > 1 else g
                g = g if settings.clip_value is None else op.Clip(g, -settings.clip_value, settings.clip_value)
                updates |= _optimized(p, g, rate, step + 1.0, settings, p in others)
        if not gradients or any(step in n.inputs for n in toposort(updates.values())):
            updates[step] = step + 1.0
        return updates | (_averages({p: updates[p] for p in gradients}, settings.ema) if settings.ema and gradients else {})


def _averages(new: Mapping[Value, Value], decay: float) -> dict[Value, Value]:
    """Return the new average of each parameter, from its new value, and the total weight of the iterations in the averages.

    Iteration k of n counts decay^(n - k), and the sum of these weights divides the average. So the start values count nothing, and the
    average is right from the first iteration on (the bias correction of Kingma and Ba 2015).
    """
    weight = leaf("State", np.float32, (), info=StateInfo(WEIGHT, "average", Zeros(())))
    total = weight * decay + 1.0
    share, found = 1.0 / total, {weight: total}
    for p, value in new.items():
        state = p.node.state
        with origin(layer=state.layer, place=p.node.origin.place):
            info = StateInfo(average_of(state.name), "average", Zeros(p.shape), state.layer, state.blob)
            average = leaf("State", np.float32, p.shape, info=info)
            found[average] = average + (value - average) * share
    return found


def _clipped(gradients: Mapping[Value, Value], most: float | None) -> Mapping[Value, Value]:
    """Return the gradients, scaled down so that their joint norm is at most `most`; None means no limit."""
    if most is None:
        return gradients
    factor = op.Min(most / _norm(gradients.values()), 1.0)
    return {p: g * factor for p, g in gradients.items()}


def _optimized(p: Value, g: Value, rate: Value, step: Value, settings: SolverSettings, other: bool) -> dict[Value, Value]:
    """Apply the optimizer to one parameter, or with `other` its optimizer for other parameters: {state: new value}."""
    own: tuple[str, dict[str, Any]] = registry.optimizer.records[settings.type]["others"] if other else (settings.type, {})
    optimize = registry.optimizer.find(own[0])
    arguments = signature(optimize).parameters.values()
    slots = [a.name for a in arguments if a.kind is not Parameter.KEYWORD_ONLY][3:]
    hyper = {a.name: settings.hyperparameter(a.name) for a in arguments if a.kind is Parameter.KEYWORD_ONLY} | own[1]
    state = p.node.state
    decay = settings.weight_decay * state.decay_mult
    hyper["weight_decay"] = 0.0 if settings.regularization_type == "L1" else decay
    if decay and settings.regularization_type == "L1":
        g = g + decay * op.Sign(p)
    local = rate if state.lr_mult == 1 else rate * state.lr_mult
    states = [_slot(p, name) if name != "step" else step for name in slots]
    new = optimize(p, g, local, *states, **hyper)
    new = new if isinstance(new, tuple) else (new,)
    return {p: new[0], **dict(zip([s for s in states if s is not step], new[1:], strict=True))}


def _slot(p: Value, name: str) -> Value:
    state = p.node.state
    return leaf("State", np.float32, p.shape, info=StateInfo(f"{state.name}.{name}", "slot", Zeros(p.shape), state.layer, state.blob))

"""Recurrence along the first axis: the same step as one Scan, or as unrolled copies. Repetition until a condition fails.

A step is a function (states, slices) -> (new states, results). All of these are tuples of values; the slices are the xs at one time step.
Both forms take (step, states, xs) and return (last states, results of all time steps on a new first axis).
"""

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np

from netc.graph.ir import Node, Value, constant, leaf, op, rebuild, toposort
from netc.graph.subgraph import Subgraph
from netc.graph.tensor_type import Type
from netc.graph.training_ops.define import CPU, body, training_op
from netc.graph.training_ops.shape import split

MOST_JOINED = 32
Values = tuple[Value, ...]
Step = Callable[[Values, Values], tuple[Values, Values]]
Loop = Callable[..., tuple[Values, Values]]


def scan(step: Step, states: Sequence[Value], xs: Sequence[Value], reverse: bool = False) -> tuple[Values, Values]:
    """Run the step as one Scan: a few nodes for any number of time steps. Values that the step reads from outside are captured."""
    inner_states = tuple(leaf("Input", s.dtype, s.shape, name=f"state{i}") for i, s in enumerate(states))
    slices = tuple(leaf("Input", x.dtype, x.shape[1:], name=f"x{i}") for i, x in enumerate(xs))
    new, results = step(inner_states, slices)
    body, outside = _closed((*inner_states, *slices), (*new, *results))
    directions = {"scan_input_directions": [int(reverse)] * len(xs), "scan_output_directions": [int(reverse)] * len(results)}
    types = (*(s.type for s in states), *(Type(r.dtype, (xs[0].shape[0], *r.shape)) for r in results))
    node = Node("Scan", (*states, *xs, *outside), {"body": body, "num_scan_inputs": len(xs), **directions}, types)
    return node.outputs[: len(states)], node.outputs[len(states) :]


def repeat(step: Callable[[Values], tuple[Value, Values]], states: Sequence[Value], most: Value) -> Values:
    """Run the step as one Loop, until it returns false: a function of the states that returns a bool scalar and the new states.

    It runs at most `most` times, an int64 scalar.
    """
    inner = tuple(leaf("Input", s.dtype, s.shape, name=f"state{i}") for i, s in enumerate(states))
    counter, go = leaf("Input", np.int64, (), name="iteration"), leaf("Input", np.bool_, (), name="condition")
    again, new = step(inner)
    body, outside = _closed((counter, go, *inner), (again, *new))
    start = most, constant(np.bool_(True))
    return Node("Loop", (*start, *states, *outside), {"body": body}, tuple(s.type for s in states)).outputs


def unrolled(step: Step, states: Sequence[Value], xs: Sequence[Value], reverse: bool = False) -> tuple[Values, Values]:
    """Run a copy of the step for each time step, so that no op has a subgraph. If their number is symbolic, use a Scan."""
    steps = xs[0].shape[0]
    if isinstance(steps, str):
        return scan(step, states, xs, reverse)
    times = list(zip(*(_slices(x) for x in xs), strict=True))
    now, results = tuple(states), []
    for slices in reversed(times) if reverse else times:
        now, emitted = step(now, slices)
        results.append([op.Unsqueeze(r, [0]) for r in emitted])
    ordered = results[::-1] if reverse else results
    return now, tuple(_joined(column) for column in zip(*ordered, strict=True))


def _joined(parts: Sequence[Value]) -> Value:
    """Concatenate along the first axis, in groups: a CUDA graph can hold a Concat of at most MOST_JOINED inputs."""
    if len(parts) <= MOST_JOINED:
        return op.Concat(*parts, axis=0)
    return _joined([_joined(parts[k : k + MOST_JOINED]) for k in range(0, len(parts), MOST_JOINED)])


def loop_op(name: str, **properties: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: function(loop, *inputs, **attrs) is training op `name`. The loop is unrolled by default, and a Scan on the CPU."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        own = signature(function)
        parameters = list(own.parameters.values())[1:]

        def form(loop: Loop) -> Callable[..., Any]:
            @wraps(function)
            def with_loop(*inputs: Value | None, **attrs: Any) -> Any:
                return function(loop, *inputs, **attrs)

            vars(with_loop)["__signature__"] = own.replace(parameters=parameters)
            return with_loop

        body(name, CPU)(form(scan))
        return training_op(name, typed_by=CPU, **properties)(form(unrolled))

    return add


def _slices(x: Value) -> Values:
    """Return the slice of x at each time step."""
    return tuple(op.Squeeze(p, [0]) for p in split(x, [1] * int(x.shape[0]), 0))


def _closed(inputs: Values, outputs: Values) -> tuple[Subgraph, Values]:
    """Return the subgraph between `inputs` and `outputs`, and the values that it reads from outside."""
    nodes = toposort(outputs)
    inside: set[Value] = set(inputs)
    for node in nodes:
        if any(v in inside for v in node.operands):
            inside.update(node.outputs)
    outer: dict[Value, Value] = {}  # each with its leaf; constants are copied
    new: dict[Value, Value] = {v: v for v in inputs}

    def within(v: Value) -> Value:
        if v in new or v.node.key == ("netc", "Constant"):
            return new.get(v, v)
        return outer.setdefault(v, leaf("Input", v.dtype, v.shape, name=f"captured{len(outer)}"))

    for node in nodes:
        if node.outputs[0] in inside and node.outputs[0] not in new:
            now = rebuild(node, tuple(None if v is None else within(v) for v in node.inputs))
            new |= zip(node.outputs, now.outputs, strict=True)
    return Subgraph(inputs, tuple(outer.values()), tuple(new.get(v) or within(v) for v in outputs)), tuple(outer)

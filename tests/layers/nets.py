"""Small nets in YAML: forward passes, and gradients compared with finite differences."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from netc import registry
from netc.compiler.lower import Lowered, lower
from netc.graph.autodiff import grad
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, op
from netc.net.model import TRAIN
from netc.net.resolve import resolve
from netc.runtime.session import Session
from netc.spec import parse_yaml
from netc.training.feed import draw

F = TypeVar("F", bound=Callable[..., None])
Arrays = dict[str, np.ndarray]
COVERED: set[str] = set()  # layer types that a test covers
registry.load()


def about(*types: str) -> Callable[[F], F]:
    """Decorator: the test covers these layer types."""

    def mark(test: F) -> F:
        COVERED.update(types)
        return test

    return mark


def net(layers: str, phase: str = TRAIN, inputs: Mapping[str, Any] = {}) -> Lowered:  # noqa: B006
    """Return the net of Input layers with the shapes of `inputs`, followed by `layers`: lines of a YAML list."""
    feeds = [f"  - Input: {{name: {n}, top: {n}, shape: [{{dim: {list(np.shape(a))}}}]}}" for n, a in inputs.items()]
    own = [f"  - {line.strip()}" for line in layers.strip().splitlines()]
    return lower(resolve(parse_yaml("\n".join(["name: test", "layers:", *feeds, *own])), phase))


def states(lowered: Lowered, given: Mapping[str, Any] = {}) -> Arrays:  # noqa: B006
    """Return every state of a net: the value in `given`, or its start value."""
    values = {f"{n}": v[-1] for n, v in lowered.versions.items()}
    found = {n.name: n for n in Graph("", values, lowered.graph.updates).leaves("State")}
    assert given.keys() <= found.keys(), (given.keys(), found.keys())
    start = {n: np.asarray(s.state.start(), np.float32) for n, s in found.items()}
    return start | {n: np.asarray(a, np.float32).reshape(start[n].shape) for n, a in given.items()}


def evaluate(
    lowered: Lowered,
    outputs: Mapping[str, Value],
    inputs: Mapping[str, Any],
    held: Mapping[str, Any],
    updates: bool = False,
    provider: str = "cpu",
) -> Arrays:
    """Return the values of `outputs`."""
    graph = Graph("test", dict(outputs), lowered.graph.updates if updates else {})
    session = Session(emit(graph, provider))
    feeds = {f"batch/{n}": a for n, a in inputs.items()} | {f"state/{n}": a for n, a in held.items()}
    feeds = {n: np.asarray(a, np.float32) for n, a in feeds.items()}
    feeds |= {n.name: draw(n, 0, 0) for n in graph.leaves("Input") if n.name.startswith("noise/")}
    return session.run({n: a for n, a in feeds.items() if n in session.inputs})


def forward(layers: str, phase: str = TRAIN, given: Mapping[str, Any] = {}, **inputs: Any) -> Arrays:  # noqa: B006
    """Return every blob by name, `loss/total`, and `next/<state>`. Inputs are arrays or nested lists."""
    lowered = net(layers, phase, inputs)
    outputs = {n: v[-1] for n, v in lowered.versions.items()}
    if lowered.loss is not None:
        outputs["loss/total"] = lowered.loss
    return evaluate(lowered, outputs, inputs, states(lowered, given), updates=True)


def gradient(
    layers: str, of: str, seed: int | np.ndarray | list[list[list[list[int]]]], given: Mapping[str, Any] = {}, **inputs: Any
) -> Arrays:  # noqa: B006
    """Return the gradient of the sum of `seed` times the blob `of`, with respect to every input and every parameter, by name."""
    lowered = net(layers, TRAIN, inputs)
    top = lowered.versions[of][-1]
    weighted = op.ReduceSum(top * np.asarray(np.broadcast_to(seed, tuple(map(int, top.shape))), np.float32), keepdims=0)
    by = {n: lowered.versions[n][0] for n in inputs} | {p.node.name: p for p in lowered.parameters}
    found = {f"d/{n}": g for n, g in zip(by, grad({weighted: 1.0}, list(by.values())), strict=True) if g is not None}
    got = evaluate(lowered, found, inputs, states(lowered, given))
    return {n.removeprefix("d/"): a for n, a in got.items()}


def check_gradient(
    layers: str, provider: str = "cpu", fixed: tuple[str, ...] = (), step: float = 1e-2, tolerance: float = 1e-2, small: bool = False,
    **inputs: Any,
) -> None:  # fmt: skip
    """Compare the derivative of all outputs along a random direction of inputs and parameters with its finite difference.

    With `small`, parameters are near their start values: products of several large matrices change too much within a step.
    """
    rng = np.random.default_rng(1)
    lowered = net(layers, TRAIN, inputs)
    tops = [lowered.versions[n][-1] for n in lowered.net.outputs if n not in inputs]
    terms = [op.ReduceSum(t * rng.normal(size=tuple(map(int, t.shape))).astype(np.float32), keepdims=0) for t in tops]
    noise = {n: rng.normal(size=a.shape) for n, a in states(lowered).items()}
    held = {n: a + 0.2 * noise[n] if small else np.abs(a + noise[n]) + 0.5 for n, a in states(lowered).items()}  # positive variances
    here = {n: np.asarray(a, np.float32) for n, a in inputs.items()}
    reached = Graph("", {str(k): t for k, t in enumerate(tops)}).leaves("State")
    by = {n: lowered.versions[n][0] for n in inputs if n not in fixed} | {
        n.name: n.outputs[0] for n in reached if n.state.kind == "parameter"
    }
    towards = {n: np.asarray(rng.normal(size=tuple(map(int, v.shape))), np.float32) for n, v in by.items()}
    found = grad({term: 1.0 for term in terms}, list(by.values()))
    values = {f"d/{n}": g for n, g in zip(by, found, strict=True) if g is not None}
    assert len(values) == len(by), f"no gradient by {', '.join(by.keys() - {n.removeprefix('d/') for n in values})}"
    exact = sum(
        (a.astype(np.float64) * towards[n.removeprefix("d/")]).sum()
        for n, a in evaluate(lowered, values, here, held, provider=provider).items()
    )

    def at(t: float) -> float:
        moved = [{n: a + np.float32(t) * towards[n] if n in towards else a for n, a in arrays.items()} for arrays in (here, held)]
        return sum(float(v) for v in evaluate(lowered, {f"term{k}": t for k, t in enumerate(terms)}, moved[0], moved[1]).values())

    near = (at(step) - at(-step)) / (2 * step)
    assert abs(exact - near) <= tolerance * max(1.0, abs(exact), abs(near)), f"gradient {exact:.6g}, difference {near:.6g}"

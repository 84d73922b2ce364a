"""Moves factors and shifts per channel, as BatchNorm, Scale and Bias make them, into the weights of the layer before them.

Conv(x, w, b) * s + t is Conv(x, w * s, b * s + t), with s and t one number per channel of the output. The same is true of ConvTranspose and
of Gemm. The new weights are computed in double precision.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from netc.graph.ir import Graph, Node, Value, constant, constant_value, leaf, op, rebuild
from netc.graph.leaves import StateInfo
from netc.graph.origin import origin

FACTORS, SHIFTS = ("Mul", "Div"), ("Add", "Sub")


@dataclass(frozen=True)
class _Pending:
    """A layer whose result is to be multiplied by `factor`, with `shift` added. Its weights change once, for all ops after it."""

    node: Node
    factor: np.ndarray
    shift: np.ndarray


def fold_scales(graph: Graph) -> Graph:
    """Return `graph` with all such factors and shifts in the weights before them, if nothing else reads the layer's result."""
    uses = Counter(v for node in graph.nodes for v in node.operands)
    uses.update(graph.ends)
    new: dict[Value, Value] = {}
    pending: dict[Value, _Pending] = {}

    def of(value: Value) -> Value:
        if value in pending:
            new[value] = _with(pending.pop(value), uses)
        return new[value]

    for node in graph.nodes:
        found = _folded(node, uses, pending, new)
        if found is not None:
            pending[node.outputs[0]] = found
            continue
        now = rebuild(node, tuple(None if v is None else of(v) for v in node.inputs))
        new |= zip(node.outputs, now.outputs, strict=True)
    updates = {s: of(v) for s, v in graph.updates.items()}
    return replace(graph, outputs={n: of(v) for n, v in graph.outputs.items()}, updates=updates)


def _folded(node: Node, uses: Counter[Value], pending: dict[Value, _Pending], new: dict[Value, Value]) -> _Pending | None:
    """What a factor or a shift makes of the layer before it; None if `node` is none, or if something else reads that layer."""
    if node.domain or node.op not in (*FACTORS, *SHIFTS) or len(node.inputs) != 2:
        return None
    for k in (0, 1) if node.op in ("Mul", "Add") else (0,):
        x, array = node.operands[k], constant_value(node.operands[1 - k])
        if array is None or uses[x] != 1 or x.dtype != np.float32 or x.type != node.types[0]:
            continue
        given, before = _per_channel(array.astype(np.float64), x), pending.get(x)
        base = before.node if before else new[x].node
        if given is None or base.key not in LAYERS or not _has_constants(base):
            continue
        factor, shift = _affine(node.op, given)
        if np.isfinite(factor).all():
            pending.pop(x, None)
            return _Pending(base, *((before.factor * factor, before.shift * factor + shift) if before else (factor, shift)))
    return None


def _has_constants(node: Node) -> bool:
    """Whether the weights of a layer are constants whose channels lie along one axis."""
    return all(constant_value(v) is not None for v in node.operands[1:]) and LAYERS[node.key](node) is not None


def _per_channel(array: np.ndarray, x: Value) -> np.ndarray | None:
    """A constant as one number per channel of `x`; None if it differs within a channel."""
    channels = int(x.shape[1]) if x.rank > 1 and isinstance(x.shape[1], int) else 0
    shape = (1,) * (x.rank - array.ndim) + array.shape
    if not channels or len(shape) != x.rank or any(size != 1 for axis, size in enumerate(shape) if axis != 1):
        return None
    return np.broadcast_to(array.reshape(-1), (channels,)) if shape[1] in (1, channels) else None


def _affine(kind: str, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factor and the shift of `x op given`."""
    if kind in SHIFTS:
        return np.ones_like(given), given if kind == "Add" else -given
    with np.errstate(divide="ignore"):
        return given if kind == "Mul" else 1.0 / given, np.zeros_like(given)


def _with(pending: _Pending, uses: Counter[Value]) -> Value:
    """The output of the layer with its weights times `factor`, and `shift` added."""
    node, factor, shift = pending.node, pending.factor, pending.shift
    x, w = node.operands[:2]
    weights, bias = constant_value(w), None if len(node.operands) < 3 else constant_value(node.operands[2])
    assert weights is not None
    biases = np.zeros_like(factor) if bias is None else np.broadcast_to(bias.astype(np.float64).reshape(-1), factor.shape)
    made = w
    if (factor != 1).any():
        info = w.node.info if uses[w] <= 1 and isinstance(w.node.info, StateInfo) else None
        scaled = np.multiply(weights, factor.reshape(LAYERS[node.key](node)), dtype=np.float64).astype(np.float32)
        made = leaf("Constant", np.float32, weights.shape, info=info, value=scaled)
    with origin(node):
        y: Any = getattr(op, node.op)(
            x, made, constant((biases * factor + shift).astype(np.float32)), shape=node.types[0].shape, **node.attrs
        )
    return cast(Value, y)


def _of_conv(node: Node) -> tuple[int, ...]:
    """The shape in which channels of the output lie along the weights (out, in / group, ...)."""
    return (-1, *[1] * (node.operands[1].rank - 1))


def _of_transpose(node: Node) -> tuple[int, ...] | None:
    """The same for weights (in, out, ...), which are not divided into groups."""
    return (1, -1, *[1] * (node.operands[1].rank - 2)) if node.attrs.get("group", 1) == 1 else None


def _of_gemm(node: Node) -> tuple[int, ...] | None:
    """The same for weights (out, in), or (in, out) without transB."""
    plain = node.attrs.get("alpha", 1.0) == 1.0 and node.attrs.get("beta", 1.0) == 1.0
    return None if not plain else (-1, 1) if node.attrs.get("transB") else (1, -1)


LAYERS: dict[tuple[str, str], Any] = {("", "Conv"): _of_conv, ("", "ConvTranspose"): _of_transpose, ("", "Gemm"): _of_gemm}

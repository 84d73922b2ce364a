"""Computes small nodes whose inputs are constants, such as the factors of a trained BatchNorm."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from netc.graph.ir import Graph, Node, Value, constant, constant_value
from netc.graph.origin import origin
from netc.graph.passes.rewrite import rewrite

LARGEST = 2**22  # values of a result
Arrays = list[Any]


def fold_constants(graph: Graph) -> Graph:
    """Return `graph` with such nodes replaced by constants. Ops that are not in `COMPUTED`, and large results, stay."""
    return rewrite(graph, _rule)


def _rule(node: Node) -> tuple[Value, ...] | None:
    if node.domain or node.op not in COMPUTED or len(node.outputs) != 1 or None in node.inputs or not node.inputs:
        return None
    arrays = [constant_value(v) for v in node.inputs]
    shape, dtype = node.types[0].shape, node.types[0].dtype
    if any(a is None for a in arrays) or any(isinstance(d, str) for d in shape) or prod(map(int, shape)) > LARGEST:
        return None
    with np.errstate(all="ignore"), origin(node):
        found = np.asarray(COMPUTED[node.op](arrays, node.attrs), dtype)
        return (constant(np.ascontiguousarray(found).reshape(found.shape)),) if found.shape == shape else None


def _plain(function: Callable[..., Any]) -> Callable[[Arrays, Mapping[str, Any]], Any]:
    """A NumPy function of the inputs alone, as an op without attributes."""
    return lambda arrays, attrs: function(*arrays)


def _reshape(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    x, shape = arrays[0], [int(d) for d in arrays[1]]
    if not attrs.get("allowzero"):
        shape = [x.shape[k] if d == 0 else d for k, d in enumerate(shape)]
    return x.reshape(shape)


def _divide(a: Any, b: Any) -> Any:
    return a / b if a.dtype.kind == "f" else np.trunc(a / b)


COMPUTED: dict[str, Callable[[Arrays, Mapping[str, Any]], Any]] = {
    "Abs": _plain(np.abs),
    "Add": _plain(np.add),
    "Concat": lambda arrays, attrs: np.concatenate(arrays, attrs["axis"]),
    "Div": _plain(_divide),
    "Equal": _plain(np.equal),
    "Exp": _plain(np.exp),
    "Expand": _plain(lambda x, shape: x * np.ones([int(d) for d in shape], x.dtype)),
    "Identity": _plain(lambda x: x),
    "Max": _plain(lambda *xs: np.maximum.reduce(np.broadcast_arrays(*xs))),
    "Min": _plain(lambda *xs: np.minimum.reduce(np.broadcast_arrays(*xs))),
    "Mul": _plain(np.multiply),
    "Neg": _plain(np.negative),
    "Reciprocal": _plain(np.reciprocal),
    "Reshape": _reshape,
    "Sqrt": _plain(np.sqrt),
    "Squeeze": _plain(lambda x, axes: np.squeeze(x, tuple(int(a) for a in axes))),
    "Sub": _plain(np.subtract),
    "Transpose": lambda arrays, attrs: np.transpose(arrays[0], attrs.get("perm")),
    "Unsqueeze": _plain(lambda x, axes: np.expand_dims(x, tuple(int(a) for a in axes))),
    "Where": _plain(np.where),
}

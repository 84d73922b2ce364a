"""Makes height and width of a fully convolutional graph symbolic, so that it takes images of any size.

1. Inputs of four axes become (N, C, "H", "W").
2. Convolutions, their transposes and poolings recompute their sizes: "H-2", or a numbered name if a stride divides or
   multiplies. Crop takes the sizes of its second input.
3. Pooling, which was padded for one size, rounds up as ONNX does (ceil_mode), which is Caffe's rule. Global pooling
   becomes ONNX's own op.
4. Elementwise and pixelwise ops stay. Any other op with a symbolic size makes the graph not resizable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netc import netc_pb2 as pb
from netc import registry
from netc.errors import NetcError
from netc.graph.ir import TRAINING, Graph, Node, Value, leaf, op
from netc.graph.op_info import info
from netc.graph.origin import origin
from netc.graph.tensor_type import Dim

CHANNELS, SPATIAL = 1, 2  # the channel axis, and the first spatial axis


def resizable(graph: Graph, pooling: Mapping[str, pb.PoolingParameter]) -> Graph | None:
    """Return `graph` for images of any height and width; None if an op needs a fixed size.

    `pooling` are the parameters of the net's Pooling layers by name, because a graph does not record how its sizes were rounded.
    """
    work = _Work(pooling)
    try:
        for node in graph.nodes:
            with origin(node):
                work.node(node)
        outputs = {name: work.new[v] for name, v in graph.outputs.items()}
    except (NetcError, _BoundToSizeError):
        return None
    return Graph(graph.name, outputs) if any(isinstance(d, str) for v in work.inputs for d in v.shape[SPATIAL:]) else None


class _BoundToSizeError(Exception):
    """Raised at an op that needs a fixed image size."""


@dataclass
class _Work:
    pooling: Mapping[str, pb.PoolingParameter]
    new: dict[Value, Value] = field(default_factory=dict)
    inputs: list[Value] = field(default_factory=list)
    offsets: dict[str, tuple[str, int]] = field(default_factory=dict)
    names: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    averaged: set[Value] = field(default_factory=set)

    def node(self, node: Node) -> None:
        """Add the new values that replace the outputs of `node`."""
        given = [None if v is None else self.new[v] for v in node.inputs]
        if node.key == ("netc", "Input"):
            results: Any = self._input(node)
        elif all(a is b for a, b in zip(given, node.inputs, strict=True)):
            results = node.outputs
        elif node.key == ("netc", "Stop"):
            results = given[0]  # a deployed graph has no gradient to stop
        elif node.op in RULES and not node.domain:
            results = RULES[node.op](self, node, given)
        elif node.domain == TRAINING:
            results = registry.training_op.find(node.op)(*given, **node.attrs)  # its body, with the new sizes
        elif self._is_correction(node):
            results = given[0] if given[0] in self.averaged else given[1]
        elif info(node).elementwise or info(node).pixelwise or self._is_channelwise(node, given):
            results = getattr(op, node.op)(*given, outputs=len(node.outputs), **node.attrs)
        elif any(isinstance(d, str) for v in given if v is not None for d in v.shape[SPATIAL:]):
            raise _BoundToSizeError
        else:  # after a global pooling
            results = getattr(op, node.op)(*given, outputs=len(node.outputs), shape=node.outputs[0].shape, **node.attrs)
        results = results if isinstance(results, tuple) else (results,)
        self.new |= dict(zip(node.outputs, results, strict=True))

    def _input(self, node: Node) -> Value:
        value = node.outputs[0]
        if value.rank == 4:
            number = len({v.shape[SPATIAL:] for v in self.inputs})
            sizes = ("H", "W") if not number else (f"H_{node.name}", f"W_{node.name}")
            value = leaf("Input", value.dtype, (*value.shape[:SPATIAL], *sizes), info=node.info)
            self.inputs.append(value)
        return value

    def _is_correction(self, node: Node) -> bool:
        """Whether the node corrects a mean whose padding was for one size."""
        return node.op == "Mul" and any(self.new[v] in self.averaged for v in node.operands) and node.origin.layer in self.pooling

    def _is_channelwise(self, node: Node, given: list[Value | None]) -> bool:
        known = [v for v in given if v is not None]
        same = len({v.shape[SPATIAL:] for v in known if v.rank == 4}) == 1
        return info(node).along_axis and known[0].rank == 4 and node.attrs.get("axis", -1) % 4 == CHANNELS and same

    def size(self, size: Dim, change: int, stride: int, up: bool) -> Dim:
        """floor((size + change) / stride) + 1, or rounded up. A name if `size` is a name."""
        if isinstance(size, int):
            return -(-(size + change) // stride) + 1 if up else (size + change) // stride + 1
        return self._moved(size, change + 1) if stride == 1 else self._named(size, change, stride, "up" if up else "down")

    def larger(self, size: Dim, change: int, stride: int) -> Dim:
        """stride (size - 1) + change. A name if `size` is a name."""
        if isinstance(size, int):
            return stride * (size - 1) + change
        return self._moved(size, change - 1) if stride == 1 else self._named(size, change, stride, "times")

    def _moved(self, size: str, by: int) -> str:
        base, offset = self.offsets.get(size, (size, 0))
        offset += by
        name = f"{base}{offset:+d}" if offset else base
        self.offsets[name] = (base, offset)
        return name

    def _named(self, *key: str | int) -> str:
        """One name for all sizes that are computed in the same way from the same size."""
        base = self.offsets.get(str(key[0]), (str(key[0]), 0))[0].rstrip("0123456789")
        return self.names.setdefault(key, f"{base}{len(self.names) + 1}")


def _conv(work: _Work, node: Node, given: list[Value | None]) -> Value:
    x, w = given[0], given[1]
    assert x is not None and w is not None
    rank, attrs = x.rank - SPATIAL, node.attrs
    pads, strides, extents = _window(w, rank, attrs)
    sizes = [work.size(x.shape[SPATIAL + i], pads[i] + pads[rank + i] - extents[i], strides[i], False) for i in range(rank)]
    y: Value = op.Conv(*given, shape=(x.shape[0], w.shape[0], *sizes), **attrs)
    return y


def _conv_transpose(work: _Work, node: Node, given: list[Value | None]) -> Value:
    """The inverse: stride (size - 1) + kernel - pads."""
    x, w = given[0], given[1]
    assert x is not None and w is not None
    rank, attrs = x.rank - SPATIAL, node.attrs
    pads, strides, extents = _window(w, rank, attrs)
    changes = [extents[i] - pads[i] - pads[rank + i] for i in range(rank)]
    sizes = [work.larger(x.shape[SPATIAL + i], changes[i], strides[i]) for i in range(rank)]
    y: Value = op.ConvTranspose(*given, shape=(x.shape[0], int(w.shape[1]) * attrs.get("group", 1), *sizes), **attrs)
    return y


def _window(w: Value, rank: int, attrs: Mapping[str, Any]) -> tuple[list[int], list[int], list[int]]:
    """The pads, the strides, and the sizes of the dilated kernel."""
    extents = [d * (int(k) - 1) + 1 for k, d in zip(w.shape[SPATIAL:], attrs.get("dilations", [1] * rank), strict=True)]
    return list(attrs.get("pads", [0] * rank * 2)), list(attrs.get("strides", [1] * rank)), extents


def _pool(work: _Work, node: Node, given: list[Value | None]) -> Value:
    x, p = given[0], work.pooling.get(node.origin.layer)
    assert x is not None
    if p is None or len(node.outputs) > 1 or x.rank != 4:
        raise _BoundToSizeError
    if p.global_pooling:
        whole = op.GlobalMaxPool if node.op == "MaxPool" else op.GlobalAveragePool
        return whole(x)
    up, kernel, strides, pads = p.round_mode == p.CEIL, node.attrs["kernel_shape"], node.attrs["strides"], node.attrs["pads"][:SPATIAL]
    sizes = [work.size(x.shape[SPATIAL + i], 2 * pads[i] - kernel[i], strides[i], up) for i in (0, 1)]
    attrs = {"kernel_shape": kernel, "strides": strides, "pads": list(pads) * 2, "ceil_mode": int(up)}
    if node.op == "AveragePool":
        attrs["count_include_pad"] = 1
    y: Value = getattr(op, node.op)(x, shape=(*x.shape[:SPATIAL], *sizes), **attrs)
    if node.op == "AveragePool":
        work.averaged.add(y)
    return y


def _regions(work: _Work, node: Node, given: list[Value | None]) -> Value:
    """Regions have the same number of bins in images of any size."""
    y: Value = op.MaxRoiPool(*given, **node.attrs)
    return y


RULES: dict[str, Callable[[_Work, Node, list[Value | None]], Any]] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "MaxPool": _pool, "AveragePool": _pool, "MaxRoiPool": _regions,
}  # fmt: skip

"""Gradients of ONNX's normalization ops: y = (x - mean) / sqrt(variance + epsilon) scale + bias, over different axes."""

from math import prod
from typing import Any

from netc.graph.gradients.common import Gradients, only, sizes
from netc.graph.ir import Node, Value, constant, op, shape_of
from netc.graph.training_ops import layer_norm
from netc.graph.training_ops.normalization import per_channel
from netc.registry import gradient


def _standard(x: Value, axes: list[int], epsilon: float) -> tuple[Value, Value]:
    """(x - mean) / std and 1 / std over some axes."""
    centred = x - op.ReduceMean(x, axes)
    inverse_std = op.Reciprocal(op.Sqrt(op.ReduceMean(centred * centred, axes) + epsilon))
    return centred * inverse_std, inverse_std


def _through(g: Value, y: Value, inverse_std: Value, axes: list[int]) -> Value:
    """The gradient with respect to x, from g, that with respect to the standardized y. It includes the path through the moments."""
    return (g - op.ReduceMean(g, axes) - y * op.ReduceMean(g * y, axes)) * inverse_std


def _others(x: Value) -> list[int]:
    return [0, *range(2, x.rank)]


@gradient("BatchNormalization")
def batch_normalization(node: Node, dy: Value) -> Gradients:
    """The form of inference: the moments are given and have gradients too. Graphs compute the moments of a batch by other ops."""
    x, scale, _, mean, var = node.operands
    inverse_std = op.Reciprocal(op.Sqrt(var + node.attrs.get("epsilon", 1e-5)))
    factor = scale * inverse_std
    dbias = op.ReduceSum(dy, _others(x), keepdims=0)
    dscale = op.ReduceSum(dy * (x - per_channel(mean, x)), _others(x), keepdims=0) * inverse_std
    dvar = dscale * scale * inverse_std * inverse_std * -0.5
    return dy * per_channel(factor, x), dscale, dbias, -dbias * factor, dvar


@gradient("LayerNormalization")
def layer_normalization(node: Node, dy: Value | None, dmean: Value | None = None, dinverse: Value | None = None) -> Gradients:
    """Over the axes from `axis` on. The second and third outputs are the mean and 1 / std."""
    x, scale = node.operands[:2]
    epsilon, axes = node.attrs.get("epsilon", 1e-5), list(range(node.attrs.get("axis", -1) % x.rank, x.rank))
    if dy is not None and dmean is None and dinverse is None and len(axes) == scale.rank == 1:
        found: Any = layer_norm.layer_norm_grad(dy, x, scale, epsilon=epsilon)
        return only(node, *found)
    y, inverse_std = _standard(x, axes, epsilon)
    count = prod(sizes(x, axes, node))
    paths = [] if dy is None else [_through(dy * scale, y, inverse_std, axes)]
    paths += [] if dmean is None else [op.Expand(dmean * (1 / count), shape_of(x), shape=x.shape)]
    paths += [] if dinverse is None else [y * (dinverse * inverse_std * inverse_std * (-1 / count))]
    dx = paths[0] if len(paths) == 1 else op.Sum(*paths)
    return only(node, dx, None if dy is None else dy * y, dy)


@gradient("InstanceNormalization", "GroupNormalization")
def group_normalization(node: Node, dy: Value) -> Gradients:
    """Over the spatial axes and the channels of a group. Without groups, each channel is one."""
    x, scale, _ = node.operands
    group = node.attrs.get("num_groups") or sizes(x, [1], node)[0]
    found: Any = layer_norm.group_norm_grad(dy, x, scale, group=group, epsilon=node.attrs.get("epsilon", 1e-5))
    return only(node, *found)


@gradient("MeanVarianceNormalization")
def mean_variance_normalization(node: Node, dy: Value) -> Gradients:
    """y = (x - mean) / (std + 1e-9)."""
    x, axes = node.operands[0], list(node.attrs.get("axes", [0, 2, 3]))
    centred = x - op.ReduceMean(x, axes)
    inverse_std = op.Reciprocal(op.Sqrt(op.ReduceMean(centred * centred, axes)) + 1e-9)
    return (_through(dy, centred * inverse_std, inverse_std, axes),)


@gradient("LpNormalization")
def lp_normalization(node: Node, dy: Value) -> Gradients:
    """y = x / |x|, in the norm p. Where the norm is 0, so is the gradient."""
    x, y = node.operands[0], node.outputs[0]
    axis, p = [node.attrs.get("axis", -1)], node.attrs.get("p", 2)
    norm = op.ReduceL2(x, axis) if p == 2 else op.ReduceL1(x, axis)
    by_norm = y if p == 2 else op.Sign(x)
    zero = op.Equal(norm, constant(0, x.dtype))
    found = (dy - by_norm * op.ReduceSum(dy * y, axis)) / op.Where(zero, constant(1, x.dtype), norm)
    return (op.Where(zero, constant(0, x.dtype), found),)

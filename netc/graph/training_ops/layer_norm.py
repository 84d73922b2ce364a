"""Normalization of each row or image on its own, and its gradient: over the last axis, or over groups of channels.

Scale and bias are optional. The gradients compute the moments again: they are cheaper than to keep them.
"""

from typing import Any

import numpy as np

from netc.graph.ir import Value, constant, full, op, shape_of, zeros
from netc.graph.training_ops.define import training_op
from netc.graph.training_ops.normalization import per_channel


def _moments(x: Value, axes: list[int], epsilon: float) -> tuple[Value, Value]:
    """(x - mean, 1 / sqrt(variance + epsilon))."""
    centred = x - op.ReduceMean(x, axes)
    return centred, op.Reciprocal(op.Sqrt(op.ReduceMean(centred * centred, axes) + epsilon))


def _summed(x: Value, axes: list[int]) -> Value:
    return op.ReduceSum(x, axes, keepdims=0) if axes else x


@training_op("LayerNorm")
def layer_norm(x: Value, scale: Value | None, bias: Value | None, *, epsilon: float) -> Value:
    """(x - mean) / sqrt(variance + epsilon) scale + bias, over the last axis (Ba et al. 2016)."""
    scale = constant(np.ones(int(x.shape[-1]), np.float32)) if scale is None else scale
    return op.LayerNormalization(x, scale, *([] if bias is None else [bias]), axis=-1, epsilon=epsilon)


@training_op("LayerNormGrad")
def layer_norm_grad(dy: Value, x: Value, scale: Value | None, *, epsilon: float) -> tuple[Value, ...]:
    """The gradients with respect to x, scale and bias."""
    axes, before = [-1], list(range(x.rank - 1))
    centred, inverse_std = _moments(x, axes, epsilon)
    y = centred * inverse_std
    g = dy if scale is None else dy * scale
    dx = (g - op.ReduceMean(g, axes) - y * op.ReduceMean(g * y, axes)) * inverse_std
    return dx, _summed(dy * y, before), _summed(dy, before)


@training_op("RMSNorm")
def rms_norm(x: Value, scale: Value | None, *, epsilon: float) -> Value:
    """x / sqrt(mean of x^2 + epsilon) scale, over the last axis (Zhang and Sennrich 2019)."""
    y = x * op.Reciprocal(op.Sqrt(op.ReduceMean(x * x, [-1]) + epsilon))
    return y if scale is None else y * scale


@training_op("RMSNormGrad")
def rms_norm_grad(dy: Value, x: Value, scale: Value | None, *, epsilon: float) -> tuple[Value, ...]:
    """The gradients with respect to x and scale."""
    axes = [-1]
    inverse = op.Reciprocal(op.Sqrt(op.ReduceMean(x * x, axes) + epsilon))
    y = x * inverse
    g = dy if scale is None else dy * scale
    return (g - y * op.ReduceMean(g * y, axes)) * inverse, _summed(dy * y, list(range(x.rank - 1)))


def _grouped(x: Value, group: int) -> Value:
    """x (N, C, ...) as (N, group, the values of a group)."""
    sizes = x.shape[1:]
    known = [int(d) for d in sizes if isinstance(d, int)]
    count: Any = int(np.prod(known)) // group if len(known) == len(sizes) else "values"
    return op.Reshape(x, [0, group, -1], shape=(x.shape[0], group, count))


def _ungrouped(y: Value, like: Value) -> Value:
    sizes = like.shape[1:]
    fixed = all(isinstance(d, int) for d in sizes)
    return op.Reshape(y, [0, *map(int, sizes)] if fixed else shape_of(like), shape=like.shape)


@training_op("GroupNorm")
def group_norm(x: Value, scale: Value | None, bias: Value | None, *, group: int, epsilon: float) -> Value:
    """Each group of channels of an image minus its mean, by its standard deviation; then scale and bias by channel (Wu and He 2018)."""
    y = op.InstanceNormalization(_grouped(x, group), full([group], 1.0), zeros([group]), epsilon=epsilon)
    y = _ungrouped(y, x)
    y = y if scale is None else y * per_channel(scale, x)
    return y if bias is None else y + per_channel(bias, x)


@training_op("GroupNormGrad")
def group_norm_grad(dy: Value, x: Value, scale: Value | None, *, group: int, epsilon: float) -> tuple[Value, ...]:
    """The gradients with respect to x, scale and bias."""
    centred, inverse_std = _moments(_grouped(x, group), [2], epsilon)
    y = centred * inverse_std
    g = _grouped(dy if scale is None else dy * per_channel(scale, x), group)
    dx = (g - op.ReduceMean(g, [2]) - y * op.ReduceMean(g * y, [2])) * inverse_std
    others = [0, *range(2, x.rank)]
    return _ungrouped(dx, x), op.ReduceSum(dy * _ungrouped(y, x), others, keepdims=0), op.ReduceSum(dy, others, keepdims=0)

"""Batch and local response normalization, forward in training and backward. Axis 1 is the channel."""

import numpy as np

from netc.graph.ir import Value, cast, constant, op, symbolic
from netc.graph.training_ops.define import training_op


def _others(x: Value) -> list[int]:
    return [0, *range(2, x.rank)]


def per_channel(v: Value, x: Value) -> Value:
    """A vector (C,) shaped to broadcast along axis 1 of x."""
    return op.Reshape(v, [1, -1, *([1] * (x.rank - 2))], shape=(1, v.shape[0], *([1] * (x.rank - 2))))


@training_op("BatchMoments")
def batch_moments(x: Value, *, epsilon: float) -> tuple[Value, ...]:
    """(mean, variance, 1 / sqrt(variance + epsilon)) of each channel over the batch, (C,) each. The variance is the biased one."""
    mean = op.ReduceMean(x, _others(x), keepdims=1)
    centred = x - mean
    var = op.Reshape(op.ReduceMean(centred * centred, _others(x), keepdims=1), [-1])
    return op.Reshape(mean, [-1]), var, op.Reciprocal(op.Sqrt(var + epsilon))


@training_op("BatchNorm")
def batch_norm(x: Value, mean: Value, inverse_std: Value, scale: Value | None = None, bias: Value | None = None) -> Value:
    """(x - mean) inverse_std scale + bias, with the moments of x itself (Ioffe and Szegedy 2015)."""
    factor = inverse_std if scale is None else inverse_std * scale
    y = (x - per_channel(mean, x)) * per_channel(factor, x)
    return y if bias is None else y + per_channel(bias, x)


@training_op("BatchNormGrad")
def batch_norm_grad(dy: Value, x: Value, mean: Value, inverse_std: Value, scale: Value | None = None) -> tuple[Value, ...]:
    """The gradients with respect to x, scale and bias.

    They include the path through the moments: dx = (dy - mean(dy) - y mean(dy y)) scale / std, with y without scale.
    """
    axes, share = _others(x), _share(x)
    y = (x - per_channel(mean, x)) * per_channel(inverse_std, x)
    dscale, dbias = op.ReduceSum(dy * y, axes, keepdims=0), op.ReduceSum(dy, axes, keepdims=0)
    factor = inverse_std if scale is None else inverse_std * scale
    dx = (dy - per_channel(dbias * share, x) - y * per_channel(dscale * share, x)) * per_channel(factor, x)
    return dx, dscale, dbias


def _share(x: Value) -> Value | float:
    """1 / (the number of elements of each channel)."""
    if symbolic(x):
        return cast(constant(x.shape[1]), x.dtype) / cast(op.Size(x), x.dtype)
    return 1 / _product([d for i, d in enumerate(x.shape) if i != 1])


def channel_window_sum(x: Value, size: int) -> Value:
    """The sum over `size` neighbouring channels, with zeros beyond the ends."""
    n, c, *spatial = x.shape
    flat = op.Reshape(x, [0, 1, c, -1], shape=(n, 1, c, _product(spatial)))
    half = (size - 1) // 2
    mean = op.AveragePool(flat, kernel_shape=[size, 1], pads=[half, 0, size - 1 - half, 0], count_include_pad=1)
    return op.Reshape(mean * np.float32(size), [0, c, *spatial], shape=x.shape)


def _product(sizes: list[int | str]) -> int:
    return int(np.prod([int(s) for s in sizes]))


@training_op("LRNGrad")
def lrn_grad(x: Value, y: Value, dy: Value, *, size: int, alpha: float, beta: float, bias: float) -> Value:
    """The gradient of y = LRN(x) with respect to x.

    y = x s^-beta with s = bias + alpha / size * (sum of x^2 over `size` channels).
    """
    scale = channel_window_sum(x * x, size) * np.float32(alpha / size) + np.float32(bias)
    through = channel_window_sum(dy * y / scale, size)
    return dy * op.Pow(scale, constant(np.float32(-beta))) - np.float32(2 * alpha * beta / size) * x * through


@training_op("PReluGrad", elementwise=True)
def prelu_grad(x: Value, slope: Value, dy: Value) -> tuple[Value, ...]:
    """The gradients of y = max(x, 0) + slope min(x, 0) with respect to x, and to the slope before summing. At 0, the slope counts."""
    positive = cast(x > 0.0, x.dtype)
    negative = 1.0 - positive
    return dy * (positive + slope * negative), dy * x * negative

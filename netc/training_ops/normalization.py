"""Batch and local response normalization, forward in training and backward. Axis 1 is the channel."""

import numpy as np

from netc.ir import Value, cast, constant, op
from netc.training_ops.define import training_op


def _others(x: Value) -> list[int]:
    return [0, *range(2, x.rank)]


def per_channel(v: Value, x: Value) -> Value:
    """A vector (C,) shaped to broadcast along axis 1 of x."""
    return op.Reshape(v, [1, -1, *([1] * (x.rank - 2))], shape=(1, v.shape[0], *([1] * (x.rank - 2))))


@training_op("BatchNorm")
def batch_norm(x: Value, *, epsilon: float) -> tuple[Value, ...]:
    """(y, mean, var, 1 / std): x normalised by the biased statistics of its batch (Ioffe and Szegedy 2015)."""
    mean = op.ReduceMean(x, _others(x), keepdims=1)
    centred = x - mean
    var = op.ReduceMean(centred * centred, _others(x), keepdims=1)
    inverse_std = op.Reciprocal(op.Sqrt(var + epsilon))
    return centred * inverse_std, op.Reshape(mean, [-1]), op.Reshape(var, [-1]), op.Reshape(inverse_std, [-1])


@training_op("BatchNormGrad")
def batch_norm_grad(y: Value, inverse_std: Value, dy: Value) -> Value:
    """dx = (dy - mean(dy) - y mean(dy y)) / std."""
    axes = _others(y)
    return (dy - op.ReduceMean(dy, axes, keepdims=1) - y * op.ReduceMean(dy * y, axes, keepdims=1)) * per_channel(inverse_std, y)


def channel_window_sum(x: Value, size: int) -> Value:
    """The sum over `size` neighbouring channels, zeros beyond the ends."""
    n, c, *spatial = x.shape
    flat = op.Reshape(x, [0, 1, c, -1], shape=(n, 1, c, _product(spatial)))
    half = (size - 1) // 2
    mean = op.AveragePool(flat, kernel_shape=[size, 1], pads=[half, 0, size - 1 - half, 0], count_include_pad=1)
    return op.Reshape(mean * np.float32(size), [0, c, *spatial], shape=x.shape)


def _product(sizes: list[int | str]) -> int:
    return int(np.prod([int(s) for s in sizes]))


@training_op("LRNGrad")
def lrn_grad(x: Value, y: Value, dy: Value, *, size: int, alpha: float, beta: float, bias: float) -> Value:
    """The gradient by x of y = LRN(x) = x s^-beta, s = bias + alpha / size * (sum of x^2 over `size` channels)."""
    scale = channel_window_sum(x * x, size) * np.float32(alpha / size) + np.float32(bias)
    through = channel_window_sum(dy * y / scale, size)
    return dy * op.Pow(scale, constant(np.float32(-beta))) - np.float32(2 * alpha * beta / size) * x * through


@training_op("PReluGrad")
def prelu_grad(x: Value, slope: Value, dy: Value) -> tuple[Value, ...]:
    """(by x, by the slope before summing) of y = max(x, 0) + slope min(x, 0); at 0 the slope counts."""
    positive = cast(x > 0.0, x.dtype)
    negative = 1.0 - positive
    return dy * (positive + slope * negative), dy * x * negative

"""Convolution, pooling and normalization of (N, H, W, C) images, and their gradients. Weights stay (M, C, KH, KW).

`netc.runtime.native` has kernels for these. The bodies convert the images to (N, C, H, W) and back, so that a model with these ops runs
anywhere.
"""

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops.activation import relu_grad
from netc.graph.training_ops.convolution import conv_filter_grad, conv_input_grad
from netc.graph.training_ops.define import training_op
from netc.graph.training_ops.normalization import batch_moments, batch_norm, batch_norm_grad, lrn_grad
from netc.graph.training_ops.pooling import average_pool_grad

NO_DILATION = [1, 1]


def to_channels_last(x: Value) -> Value:
    """Convert (N, C, H, W) to (N, H, W, C)."""
    return op.Transpose(x, perm=[0, 2, 3, 1])


def to_channels_first(x: Value) -> Value:
    """Convert (N, H, W, C) to (N, C, H, W)."""
    return op.Transpose(x, perm=[0, 3, 1, 2])


@training_op("NhwcConv")
def nhwc_conv(x: Value, w: Value, b: Value | None = None, *, strides: list[int], pads: list[int], relu: int = 0) -> Value:
    """y = x * w + b; with `relu`, the maximum of y and 0."""
    y = op.Conv(to_channels_first(x), w, b, strides=strides, pads=pads)
    return to_channels_last(op.Relu(y) if relu else y)


@training_op("NhwcConvInputGrad")
def nhwc_conv_input_grad(dy: Value, w: Value, *, spatial: list[int], strides: list[int], pads: list[int]) -> Value:
    """The gradient with respect to x, whose height and width are `spatial`."""
    dx = conv_input_grad(to_channels_first(dy), w, spatial=spatial, strides=strides, pads=pads, dilations=NO_DILATION)
    return to_channels_last(dx)


@training_op("NhwcConvFilterGrad")
def nhwc_conv_filter_grad(x: Value, dy: Value, *, kernel_shape: list[int], strides: list[int], pads: list[int]) -> tuple[Value, ...]:
    """The gradients with respect to w and the bias."""
    images = to_channels_first(x), to_channels_first(dy)
    found = conv_filter_grad(*images, kernel_shape=kernel_shape, strides=strides, pads=pads, dilations=NO_DILATION, bias=1)
    assert isinstance(found, tuple)
    return found


@training_op("NhwcMaxPool")
def nhwc_max_pool(x: Value, *, kernel_shape: list[int], strides: list[int], pads: list[int]) -> tuple[Value, ...]:
    """(y, winner): the maximum of each window, and the index of its first occurrence in the window, row by row, as uint8."""
    _, height, width, _ = x.shape
    y, index = op.MaxPool(to_channels_first(x), kernel_shape=kernel_shape, strides=strides, pads=pads, outputs=2)
    top, left = _corners(list(map(int, y.shape[2:])), strides, pads)
    place = op.Mod(index, int(height) * int(width))
    row, column = op.Div(place, int(width)), op.Mod(place, int(width))
    winner = (row - constant(top[:, None])) * kernel_shape[1] + (column - constant(left))
    return to_channels_last(y), cast(to_channels_last(winner), np.uint8)


@training_op("NhwcMaxPoolGrad")
def nhwc_max_pool_grad(
    winner: Value, dy: Value, *, spatial: list[int], kernel_shape: list[int], strides: list[int], pads: list[int]
) -> Value:
    """The gradient with respect to x: each dy goes to the winner of its window."""
    (out_h, out_w, c), (height, width) = map(int, dy.shape[1:]), spatial
    top, left = _corners([out_h, out_w], strides, pads)
    place = cast(winner, np.int64)
    row, column = op.Div(place, kernel_shape[1]), op.Mod(place, kernel_shape[1])
    row, column = row + constant(top[:, None, None]), column + constant(left[:, None])
    index = ((_numbers(place) * height + row) * width + column) * c + constant(np.arange(c))
    elements = op.Slice(op.Shape(dy), [0], [1]) * (height * width * c)
    dx = op.Expand(constant(0.0), elements, shape=("elements",))
    dx = op.ScatterElements(dx, op.Reshape(index, [-1], shape=("places",)), op.Reshape(dy, [-1], shape=("places",)), reduction="add")
    return op.Reshape(dx, [-1, height, width, c], shape=(dy.shape[0], height, width, c))


def _numbers(x: Value) -> Value:
    """0, 1, 2, ... along the first axis of integers (N, H, W, C), as (N, 1, 1, 1). N may be known only at run time."""
    ones = op.Slice(x, [0, 0, 0], [1, 1, 1], [1, 2, 3]) * 0 + 1
    return op.CumSum(ones, constant(0)) - 1


@training_op("NhwcAveragePool")
def nhwc_average_pool(x: Value, *, kernel_shape: list[int], strides: list[int], pads: list[int]) -> Value:
    """The mean of each window. Padding counts as zeros."""
    y = op.AveragePool(to_channels_first(x), kernel_shape=kernel_shape, strides=strides, pads=pads, count_include_pad=1)
    return to_channels_last(y)


@training_op("NhwcAveragePoolGrad")
def nhwc_average_pool_grad(dy: Value, *, spatial: list[int], kernel_shape: list[int], strides: list[int], pads: list[int]) -> Value:
    """The gradient with respect to x: each dy is distributed equally over its window."""
    dx = average_pool_grad(to_channels_first(dy), spatial=spatial, kernel_shape=kernel_shape, strides=strides, pads=pads)
    return to_channels_last(dx)


@training_op("NhwcBatchMoments")
def nhwc_batch_moments(x: Value, *, epsilon: float) -> tuple[Value, ...]:
    """(mean, variance, 1 / sqrt(variance + epsilon)) of each channel."""
    return batch_moments(_rows(x), epsilon=epsilon)


@training_op("NhwcBatchNorm")
def nhwc_batch_norm(
    x: Value, mean: Value, inverse_std: Value, scale: Value | None = None, bias: Value | None = None, *, relu: int = 0
) -> Value:
    """(x - mean) inverse_std scale + bias; with `relu`, the maximum of that and 0."""
    y = op.Reshape(batch_norm(_rows(x), mean, inverse_std, scale, bias), list(x.shape))
    return op.Relu(y) if relu else y


@training_op("NhwcBatchNormGrad")
def nhwc_batch_norm_grad(
    dy: Value, x: Value, mean: Value, inverse_std: Value, scale: Value | None = None, y: Value | None = None
) -> tuple[Value, ...]:
    """The gradients with respect to x, scale and bias. `y`, if given, is the output of the Relu that follows."""
    dy = dy if y is None else relu_grad(y, dy)
    dx, dscale, dbias = batch_norm_grad(_rows(dy), _rows(x), mean, inverse_std, scale)
    return op.Reshape(dx, list(x.shape)), dscale, dbias


@training_op("NhwcLRN")
def nhwc_lrn(x: Value, *, size: int, alpha: float, beta: float, bias: float) -> Value:
    """x (bias + alpha / size * sum of x^2 over `size` channels)^-beta."""
    return to_channels_last(op.LRN(to_channels_first(x), size=size, alpha=alpha, beta=beta, bias=bias))


@training_op("NhwcLRNGrad")
def nhwc_lrn_grad(x: Value, y: Value, dy: Value, *, size: int, alpha: float, beta: float, bias: float) -> Value:
    """The gradient of y = LRN(x) with respect to x."""
    images = map(to_channels_first, (x, y, dy))
    return to_channels_last(lrn_grad(*images, size=size, alpha=alpha, beta=beta, bias=bias))


def _rows(x: Value) -> Value:
    """An image with channels last as a matrix, with one row per pixel."""
    return op.Reshape(x, [-1, x.shape[-1]])


def _corners(out: list[int], strides: list[int], pads: list[int]) -> tuple[np.ndarray, ...]:
    """The start of each window, by row and by column."""
    return tuple(np.arange(o) * s - p for o, s, p in zip(out, strides, pads, strict=False))

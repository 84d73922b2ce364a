"""Gradients of pooling over (N, C, spatial...). Pads are ONNX's: the start of each axis, then the end of each."""

from math import prod

import numpy as np

from netc.graph.ir import Value, cast, constant, op, shape_of, symbolic, zeros, zeros_like
from netc.graph.training_ops.convolution import window
from netc.graph.training_ops.define import CPU, body, training_op
from netc.graph.training_ops.shape import split


@training_op("MaxPoolGrad")
def max_pool_grad(x: Value, y: Value, dy: Value, *, kernel_shape: list[int], strides: list[int], pads: list[int]) -> Value:
    """The gradient of y = MaxPool(x) with respect to x: each dy goes to the first maximum of its window."""
    _, indices = op.MaxPool(x, kernel_shape=kernel_shape, strides=strides, pads=pads, outputs=2)
    flat = _flat(zeros_like(x)) if symbolic(x) else zeros([prod(map(int, x.shape))])
    flat = op.ScatterElements(flat, _flat(indices), _flat(dy), reduction="add")
    return op.Reshape(flat, shape_of(x), shape=x.shape)


def _flat(x: Value) -> Value:
    return op.Reshape(x, [-1], shape=("elements",) if symbolic(x) else None)


@body("MaxPoolGrad", CPU)
def max_pool_grad_cpu(x: Value, y: Value, dy: Value, *, kernel_shape: list[int], strides: list[int], pads: list[int]) -> Value | None:
    """For windows that tile the image: compare each element of the windows with y. The first match gets dy.

    The batch is the innermost axis, so that every copy moves full rows of it. The transposes cancel with those of ConvFilterGrad.
    """
    if x.rank != 4 or symbolic(x):
        return None
    n, c, height, width = map(int, x.shape)
    kh, kw = kernel_shape
    if any(pads) or strides != kernel_shape or height % kh or width % kw:
        return None
    rows, columns = c * (height // kh), width // kw
    windows = op.Reshape(op.Transpose(x, perm=[1, 2, 3, 0]), [rows, kh, columns, kw, n])
    top, left = (op.Reshape(op.Transpose(v, perm=[1, 2, 3, 0]), [rows, 1, columns, 1, n]) for v in (y, dy))
    lines = []
    for line in _parts(windows, kh, axis=1):
        parts = []
        for element in _parts(line, kw, axis=3):
            parts.append(op.Where(op.Equal(element, top), left, constant(0.0)))
            left = left - parts[-1]
        lines.append(op.Concat(*parts, axis=3))
    dx = op.Reshape(op.Concat(*lines, axis=1), [c, height, width, n])
    return op.Transpose(dx, perm=[3, 0, 1, 2])


def _parts(x: Value, count: int, axis: int) -> tuple[Value, ...]:
    return split(x, [int(x.shape[axis]) // count] * count, axis)


@training_op("AveragePoolGrad")
def average_pool_grad(dy: Value, *, spatial: list[int], kernel_shape: list[int], strides: list[int], pads: list[int]) -> Value:
    """The gradient of AveragePool(x, count_include_pad=1) with respect to x, which has the spatial sizes `spatial`."""
    (n, c), rank = dy.shape[:2], len(spatial)
    share = np.float32(1 / prod(kernel_shape))
    if list(dy.shape[2:]) == [1] * rank and kernel_shape == spatial and not any(pads):
        return op.Expand(dy * share, [1, 1, *spatial])
    flat = op.Reshape(dy, [-1, 1, *dy.shape[2:]], shape=("planes", 1, *dy.shape[2:]) if symbolic(dy) else None)
    weights = constant(np.full((1, 1, *kernel_shape), share, np.float32))
    dx = op.ConvTranspose(flat, weights, strides=strides)
    return op.Reshape(window(dx, pads[:rank], spatial), [-1, c, *spatial], shape=(n, c, *spatial))


def argmax_in_plane(indices: Value, plane: int) -> Value:
    """Convert ONNX's index into the full tensor to Caffe's index into the plane of one channel, as float."""
    return cast(op.Mod(indices, plane), np.float32)

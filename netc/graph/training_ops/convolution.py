"""Gradients of convolution. The shapes are x (N, C, spatial...), w (M, C / group, kernel...) and dy (N, M, output...)."""

from math import prod

import numpy as np

from netc.graph import multiply_adds
from netc.graph.ir import Value, constant, op, symbolic
from netc.graph.training_ops.define import CPU, body, training_op

# Gathered columns need an index of at most this many rows. Beyond it, the memory traffic costs more than gathering saves.
MOST_GATHERED_ROWS = 1 << 20
MOST_COLUMNS = 1 << 22  # elements in the columns of an input gradient; more do not fit in the cache


@training_op("ConvFilterGrad", multiply_adds=multiply_adds.filter_gradient)
def conv_filter_grad(
    x: Value,
    dy: Value,
    *,
    kernel_shape: list[int],
    strides: list[int],
    pads: list[int],
    dilations: list[int],
    group: int = 1,
    bias: int = 0,
) -> Value | tuple[Value, ...]:
    """The gradient with respect to w; with `bias`, also that with respect to the bias (M,).

    A convolution over the batch: x as (C / group, group * N, ...) with dy as the filter, stride and dilation swapped.
    """
    n, c, rank = x.shape[0], int(x.shape[1]), x.rank - 2
    spatial, out = list(x.shape[2:]), list(dy.shape[2:])
    turned = op.Reshape(x, [0, group, c // group, *spatial], shape=(n, group, c // group, *spatial))
    turned = op.Transpose(turned, perm=[2, 1, 0, *range(3, 3 + rank)])
    turned = op.Reshape(turned, [c // group, -1, *spatial], shape=(c // group, "rows" if symbolic(x) else group * int(n), *spatial))
    filters = op.Transpose(dy, perm=[1, 0, *range(2, 2 + rank)])
    dw = op.Conv(turned, filters, strides=dilations, dilations=strides, pads=pads, group=group, kernel_shape=out)
    if list(dw.shape[2:]) != kernel_shape:
        axes = list(range(2, 2 + rank))
        dw = op.Slice(dw, [0] * rank, kernel_shape, axes)
    dw = op.Transpose(dw, perm=[1, 0, *range(2, 2 + rank)])
    return (dw, op.ReduceSum(dy, [0, *range(2, 2 + rank)], keepdims=0)) if bias else dw


@body("ConvFilterGrad", CPU)
def conv_filter_grad_cpu(
    x: Value,
    dy: Value,
    *,
    kernel_shape: list[int],
    strides: list[int],
    pads: list[int],
    dilations: list[int],
    group: int = 1,
    bias: int = 0,
) -> Value | tuple[Value, ...] | None:
    """The same as one Gemm. Columns are gathered as full rows of the batch, which is the innermost axis."""
    c, (kh, kw) = int(x.shape[1]), (kernel_shape * 2)[:2]
    m, rows = int(dy.shape[1]), prod(map(int, dy.shape[2:]))
    if x.rank != 4 or symbolic(x) or group != 1 or c * kh * kw * rows > MOST_GATHERED_ROWS:
        return None
    if any(pads):
        x = op.Pad(x, [0, 0, *pads[:2], 0, 0, *pads[2:]])
    n, _, height, width = map(int, x.shape)
    innermost = op.Reshape(op.Transpose(x, perm=[1, 2, 3, 0]), [c * height * width, n])
    index = _columns(c, height, width, kernel_shape, list(map(int, dy.shape[2:])), strides, dilations)
    columns = op.Reshape(op.Gather(innermost, constant(index)), [c * kh * kw, rows * n])
    dy = op.Reshape(op.Transpose(dy, perm=[1, 2, 3, 0]), [m, rows * n])
    dw = op.Reshape(op.Gemm(dy, columns, transB=1), [m, c, kh, kw])
    return (dw, op.ReduceSum(dy, [1], keepdims=0)) if bias else dw


def _columns(c: int, height: int, width: int, kernel: list[int], out: list[int], strides: list[int], dilations: list[int]) -> np.ndarray:
    """For each (channel, kernel y, kernel x, output y, output x), the row of the image that it reads."""
    y = np.arange(kernel[0])[:, None] * dilations[0] + np.arange(out[0])[None, :] * strides[0]
    x = np.arange(kernel[1])[:, None] * dilations[1] + np.arange(out[1])[None, :] * strides[1]
    plane = y[:, None, :, None] * width + x[None, :, None, :]
    return (np.arange(c).reshape(-1, 1, 1, 1, 1) * height * width + plane).reshape(-1).astype(np.int32)


@training_op("ConvInputGrad", multiply_adds=multiply_adds.transposed_convolution)
def conv_input_grad(
    dy: Value, w: Value, *, spatial: list[int], strides: list[int], pads: list[int], dilations: list[int], group: int = 1
) -> Value:
    """The gradient with respect to x, whose spatial axes have the sizes `spatial`."""
    rank = len(spatial)
    full = [(int(o) - 1) * s + d * (int(k) - 1) + 1 for o, s, d, k in zip(dy.shape[2:], strides, dilations, w.shape[2:], strict=True)]
    exact = pads[:rank] == pads[rank:] and all(f - 2 * p == size for f, p, size in zip(full, pads, spatial, strict=False))
    dx = op.ConvTranspose(dy, w, strides=strides, dilations=dilations, group=group, pads=pads if exact else [0] * 2 * rank)
    return dx if exact else window(dx, pads[:rank], spatial)


@body("ConvInputGrad", CPU)
def conv_input_grad_cpu(
    dy: Value, w: Value, *, spatial: list[int], strides: list[int], pads: list[int], dilations: list[int], group: int = 1
) -> Value | None:
    """The same as one batched MatMul and Col2Im, which has no CUDA kernel. It makes fewer and larger products than ConvTranspose."""
    if symbolic(dy):
        return None
    n, m, *out = map(int, dy.shape)
    channels, *kernel = map(int, w.shape[1:])
    columns = channels * prod(kernel)
    if dy.rank != 4 or group != 1 or n * columns * prod(out) > MOST_COLUMNS:
        return None
    weights = op.Transpose(op.Reshape(w, [m, columns]), perm=[1, 0])
    parts = op.MatMul(weights, op.Reshape(dy, [n, m, prod(out)]))
    return op.Col2Im(parts, spatial, kernel, strides=strides, pads=pads, dilations=dilations, shape=(n, channels, *spatial))


def window(x: Value, begin: list[int], size: list[int]) -> Value:
    """The part of the spatial axes of x that starts at `begin` and has the sizes `size`, with zeros beyond the end of x."""
    have = list(map(int, x.shape[2:]))
    missing = [max(0, b + s - h) for b, s, h in zip(begin, size, have, strict=True)]
    if any(missing):
        x = op.Pad(x, [0, 0, *([0] * len(size)), 0, 0, *missing])
    if any(begin) or list(map(int, x.shape[2:])) != size:
        x = op.Slice(x, begin, [b + s for b, s in zip(begin, size, strict=True)], list(range(2, 2 + len(size))))
    return x

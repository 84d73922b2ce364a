"""Gradients of Fourier transforms, and of Col2Im, which adds up overlapping blocks."""

from math import prod

import numpy as np

from netc.errors import GradientError
from netc.graph.gradients.along import add_along
from netc.graph.gradients.common import Gradients, numbers, only, optional, sizes
from netc.graph.ir import Node, Value, constant, op
from netc.graph.needed import needed
from netc.registry import gradient


@gradient("DFT")
def dft(node: Node, dy: Value) -> Gradients:
    """The transform in the other direction. The inverse one divides by the length."""
    x, inverse = node.operands[0], node.attrs.get("inverse", 0)
    axis = (numbers(node, 2, "axis") or [-2])[0] % x.rank
    (n,) = sizes(x, [axis], node)
    length = (numbers(node, 1, "length") or [n])[0]
    if inverse and node.attrs.get("onesided", 0):
        raise GradientError("The op DFT has no gradient if it is inverse and onesided.")
    back = op.DFT(_resized(dy, axis, length), None, constant(axis), inverse=1 - inverse) * (1 / length if inverse else float(length))
    return only(node, _resized(_parts(back, x), axis, n))


@gradient("STFT")
def stft(node: Node, dy: Value) -> Gradients:
    """The inverse transforms of all frames, by the window, added up where the frames overlap."""
    x, window = node.operands[0], optional(node, 2)
    step, stated = (numbers(node, 1, "frame step") or [1])[0], numbers(node, 3, "frame length")
    if window is not None and needed(window):
        raise GradientError("The op STFT has no gradient with respect to its window.")
    length = stated[0] if stated else sizes(window if window is not None else x, [0], node)[0]
    (frames,), (n,) = sizes(dy, [1], node), sizes(x, [1], node)
    back = _parts(op.DFT(_resized(dy, 2, length), None, constant(2), inverse=1) * float(length), x)
    back = back if window is None else back * op.Reshape(window, [length, 1])
    flat = op.Reshape(back, [-1, frames * length, x.shape[2]], shape=(x.shape[0], frames * length, x.shape[2]))
    index = np.arange(frames)[:, None] * step + np.arange(length)
    return only(node, add_along(flat, 1, n, index.reshape(-1, 1)))


def _parts(y: Value, x: Value) -> Value:
    """The real part of complex numbers, if x is real."""
    return op.Slice(y, [0], [1], [-1]) if x.shape[-1] == 1 else y


def _resized(x: Value, axis: int, n: int) -> Value:
    """x with n elements along an axis: cut at the end, or filled with zeros."""
    have = int(x.shape[axis])
    shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
    if have < n:
        return op.Pad(x, [*[0] * (x.rank + axis), n - have, *[0] * (x.rank - axis - 1)], shape=shape)
    return x if have == n else op.Slice(x, [0], [n], [axis])


@gradient("Col2Im")
def col2im(node: Node, dy: Value) -> Gradients:
    """The blocks of dy: along each axis, the elements of each block."""
    x, kernel = node.operands[0], numbers(node, 2, "block shape") or []
    rank = len(kernel)
    strides, dilations = (node.attrs.get(name, [1] * rank) for name in ("strides", "dilations"))
    pads = node.attrs.get("pads", [0] * 2 * rank)
    dy = op.Pad(dy, [0, 0, *pads[:rank], 0, 0, *pads[rank:]], shape=(*dy.shape[:2], *_padded(dy, pads, node)))
    count = 1
    for k in range(rank):
        axis = 2 + 2 * k
        blocks = (int(dy.shape[axis]) - dilations[k] * (kernel[k] - 1) - 1) // strides[k] + 1
        index = np.arange(kernel[k])[:, None] * dilations[k] + np.arange(blocks) * strides[k]
        dy, count = op.Gather(dy, constant(index), axis=axis), count * blocks
    dy = op.Transpose(dy, perm=[0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2)])
    columns = int(dy.shape[1]) * prod(kernel)
    return only(node, op.Reshape(dy, [-1, columns, count], shape=(x.shape[0], columns, count)))


def _padded(dy: Value, pads: list[int], node: Node) -> list[int]:
    found = sizes(dy, range(2, dy.rank), node)
    return [n + pads[k] + pads[len(found) + k] for k, n in enumerate(found)]

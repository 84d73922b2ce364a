"""Matrix products and convolutions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from netc.graph.ir import op
from tests.graph.gradients.arrays import Fixed, normal


def gemm(trans_a: int, trans_b: int) -> tuple[Callable[..., Any], np.ndarray, np.ndarray, np.ndarray]:
    a, b = normal(*((3, 2) if trans_a else (2, 3))), normal(*((4, 3) if trans_b else (3, 4)))
    return lambda a, b, c: op.Gemm(a, b, c, transA=trans_a, transB=trans_b, alpha=0.5, beta=2.0), a, b, normal(4)


def product(*shapes: tuple[int, ...]) -> tuple[Any, ...]:
    f = Fixed(op.MatMul, "a vector") if len(shapes[0]) == 1 else op.MatMul
    return f, *(normal(*s) for s in shapes)


def conv(x: tuple[int, ...], w: tuple[int, ...], **attrs: Any) -> tuple[Any, ...]:
    return lambda *values: op.Conv(*values, **attrs), normal(*x), normal(*w), normal(w[0])


def transposed(x: tuple[int, ...], w: tuple[int, ...], **attrs: Any) -> tuple[Any, ...]:
    return lambda *values: op.ConvTranspose(*values, **attrs), normal(*x), normal(*w), normal(w[1] * attrs.get("group", 1))


def einsum(equation: str, *shapes: tuple[int, ...]) -> tuple[Any, ...]:
    f: Any = lambda *values: op.Einsum(*values, equation=equation)  # noqa: E731
    batch = len(shapes) == 1 or shapes[0][0] == 5  # the first index is a batch of its own
    return f if batch else Fixed(f, "an index of both"), *(normal(*s) for s in shapes)


ROWS: dict[str, Any] = {
    "Conv": [
        (op.Conv, normal(2, 3, 5, 5), normal(4, 3, 3, 3), normal(4)),
        (lambda x, w: op.Conv(x, w, strides=[2, 2], pads=[1, 1, 1, 1]), normal(2, 2, 6, 6), normal(3, 2, 3, 3)),
        (lambda x, w: op.Conv(x, w, dilations=[2, 1], group=2), normal(2, 4, 7, 5), normal(6, 2, 3, 2)),
        (lambda x, w: op.Conv(x, w, strides=[2], pads=[1, 1]), normal(2, 2, 8), normal(3, 2, 4)),
        (lambda x, w: op.Conv(x, w), normal(1, 2, 4, 3, 4), normal(2, 2, 2, 2, 2)),
        conv((2, 2, 6, 7), (3, 2, 3, 2), strides=[2, 3], auto_pad="SAME_UPPER"),
        conv((2, 2, 6, 7), (3, 2, 3, 4), strides=[2, 2], auto_pad="SAME_LOWER"),
        conv((2, 2, 6, 7), (3, 2, 3, 2), strides=[2, 2], auto_pad="VALID"),
        conv((2, 4, 7, 7), (4, 1, 3, 3), group=4, strides=[2, 2], auto_pad="SAME_UPPER"),
        conv((2, 4, 9), (6, 2, 3), dilations=[2], group=2, pads=[1, 3]),
        conv((2, 2, 5, 4, 5), (3, 2, 2, 3, 2), strides=[2, 1, 2], pads=[1, 0, 1, 0, 1, 0], dilations=[1, 1, 2]),
    ],
    "ConvTranspose": [
        (op.ConvTranspose, normal(2, 3, 4, 4), normal(3, 2, 3, 3), normal(2)),
        (lambda x, w: op.ConvTranspose(x, w, strides=[2, 2], pads=[1, 1, 1, 1], group=2), normal(2, 4, 3, 3), normal(4, 2, 3, 3)),
        transposed((2, 3, 4, 4), (3, 2, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        transposed((2, 3, 4, 4), (3, 2, 3, 2), strides=[2, 3], dilations=[2, 3], pads=[0, 1, 2, 0], output_padding=[1, 2]),
        transposed((2, 4, 5), (4, 2, 4), strides=[3], group=2, pads=[1, 0]),
        transposed((2, 2, 2, 3, 2), (2, 2, 2, 2, 3), strides=[2, 1, 2], pads=[0, 1, 0, 1, 0, 1], output_padding=[1, 0, 1]),
        transposed((2, 3, 4, 4), (3, 2, 3, 4), strides=[2, 2], auto_pad="SAME_UPPER"),
        transposed((2, 3, 4, 4), (3, 2, 3, 4), strides=[2, 2], auto_pad="SAME_LOWER"),
        transposed((2, 3, 4, 4), (3, 2, 3, 4), strides=[2, 2], output_shape=[8, 9]),
    ],
    "Einsum": [
        einsum("bij,jk->bik", (5, 2, 3), (3, 4)),
        einsum("ij,jk", (2, 3), (3, 4)),
        einsum("ij,jk->ki", (2, 3), (3, 4)),
        einsum("bhid,bhjd->bhij", (2, 2, 3, 4), (2, 2, 5, 4)),
        einsum("...ij,...jk->...ik", (2, 5, 2, 3), (1, 5, 3, 4)),
        einsum("i...,i...", (3, 2), (3, 2)),
        einsum("...ij -> ...ji", (5, 2, 3)),
        einsum("bi,bj,bk->bijk", (2, 3), (2, 2), (2, 4)),
        einsum("i,j->ij", (3,), (4,)),
        einsum("i,i->", (3,), (3,)),
        einsum("bij->b", (5, 2, 3)),
        einsum("bij->", (5, 2, 3)),
        einsum("bii->bi", (5, 3, 3)),
        einsum("bii->b", (5, 3, 3)),
        einsum("iij,jk->ik", (3, 3, 2), (2, 4)),
        einsum("ba,bc->b", (2, 3), (2, 4)),
        einsum("bij,bjk->bik", (1, 2, 3), (4, 3, 2)),
        einsum("...i,...i->...", (3, 1, 2), (1, 4, 2)),
        einsum("AB,BC->CA", (2, 3), (3, 4)),
    ],
    "Gemm": [
        *(gemm(i, j) for i in (0, 1) for j in (0, 1)),
        (lambda a, b: op.Gemm(a, b), normal(2, 3), normal(3, 4)),
        (lambda a, b, c: op.Gemm(a, b, c, beta=0.5), normal(2, 3), normal(3, 4), normal(2, 1)),
    ],
    "MatMul": [
        product((2, 3), (3, 4)),
        product((5, 2, 3), (3, 4)),
        product((5, 2, 3), (5, 3, 4)),
        product((2, 5, 2, 3), (5, 3, 4)),
        product((5, 1, 2, 3), (2, 3, 4)),
        product((3,), (3,)),
        product((3,), (3, 4)),
        product((3,), (2, 3, 4)),
        product((2, 3), (3,)),
        product((2, 4, 3), (3,)),
    ],
}

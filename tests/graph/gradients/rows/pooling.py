"""Pooling."""

from typing import Any

import numpy as np

from netc.graph.ir import constant, op
from tests.graph.gradients.arrays import Fixed, normal, positive, spaced


def mean(*shape: int, **attrs: Any) -> tuple[Any, ...]:
    return lambda x: op.AveragePool(x, **attrs), normal(*shape)


def highest(*shape: int, **attrs: Any) -> tuple[Any, ...]:
    return lambda x: op.MaxPool(x, **attrs), spaced(*shape)


def norm(*shape: int, **attrs: Any) -> tuple[Any, ...]:
    return lambda x: op.LpPool(x, **attrs), positive(*shape)


REGIONS = np.array([[0, 0, 0, 9, 7], [1, 1, 2, 5, 9], [0, 3, 3, 4, 3], [1, 30, 30, 40, 40]], np.float32)  # the last one is outside
PLACES = np.array([[[[5, 7], [13, 15]]], [[[16, 19], [24, 31]]]])
ROWS: dict[str, Any] = {
    "AveragePool": [
        mean(2, 3, 5, 6, kernel_shape=[2, 3], strides=[2, 1], pads=[1, 0, 0, 2], count_include_pad=1),
        mean(2, 3, 3, 3, kernel_shape=[3, 3]),
        mean(2, 3, 6, 6, kernel_shape=[2, 2], strides=[3, 3]),
        mean(2, 3, 5, 6, kernel_shape=[2, 3], strides=[2, 1], pads=[1, 0, 0, 2]),
        mean(2, 3, 6, 7, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        mean(2, 3, 6, 7, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1),
        mean(2, 3, 6, 7, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1),
        mean(2, 3, 8, 9, kernel_shape=[3, 3], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1),  # the last window would be empty
        mean(2, 3, 6, 7, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
        mean(2, 3, 6, 7, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_LOWER"),
        mean(2, 3, 6, 7, kernel_shape=[3, 2], strides=[2, 2], auto_pad="VALID"),
        mean(2, 3, 7, 7, kernel_shape=[2, 3], dilations=[2, 3], pads=[1, 1, 0, 0]),
        mean(2, 3, 7, 7, kernel_shape=[2, 2], dilations=[2, 1], strides=[2, 1], pads=[1, 0, 1, 0], count_include_pad=1),
        mean(2, 3, 9, kernel_shape=[4], strides=[3], pads=[1, 2]),
        mean(1, 2, 4, 5, 4, kernel_shape=[2, 3, 2], strides=[2, 2, 1], pads=[0, 1, 1, 0, 1, 0]),
    ],
    "GlobalAveragePool": [(op.GlobalAveragePool, normal(2, 3, 4, 5)), (op.GlobalAveragePool, normal(2, 3, 4))],
    "GlobalLpPool": [(lambda x, p=p: op.GlobalLpPool(x, p=p), positive(2, 3, 4, 2)) for p in (1, 2, 3)],
    "GlobalMaxPool": [(op.GlobalMaxPool, spaced(2, 3, 4, 5)), (op.GlobalMaxPool, spaced(2, 3, 4))],
    "LpPool": [
        norm(2, 3, 5, 6, kernel_shape=[2, 3]),
        norm(2, 3, 5, 6, kernel_shape=[2, 3], p=1, strides=[2, 2]),
        norm(2, 3, 5, 6, kernel_shape=[2, 3], p=3, pads=[1, 0, 0, 2]),
        norm(2, 3, 5, 6, kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
        norm(2, 3, 7, 6, kernel_shape=[2, 3], dilations=[2, 1], auto_pad="VALID"),
    ],
    "MaxPool": [
        highest(2, 3, 4, 6, kernel_shape=[2, 2], strides=[2, 2]),
        highest(2, 3, 5, 5, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
        highest(2, 3, 6, 7, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        highest(2, 3, 6, 7, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1),
        highest(2, 3, 8, 9, kernel_shape=[3, 3], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1),
        highest(2, 3, 6, 7, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
        highest(2, 3, 6, 7, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_LOWER"),
        highest(2, 3, 7, 7, kernel_shape=[2, 3], dilations=[2, 3], pads=[1, 1, 0, 0]),
        highest(2, 3, 9, kernel_shape=[4], strides=[3], pads=[1, 2]),
        highest(1, 2, 4, 5, 4, kernel_shape=[2, 3, 2], strides=[2, 2, 1], pads=[0, 1, 1, 0, 1, 0]),
        (lambda x: op.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2], storage_order=1, outputs=2)[0], spaced(2, 3, 4, 6)),
    ],
    "MaxRoiPool": [
        (lambda x: op.MaxRoiPool(x, constant(REGIONS), pooled_shape=[2, 3], spatial_scale=0.5), spaced(2, 3, 5, 6)),
        (lambda x: op.MaxRoiPool(x, constant(REGIONS), pooled_shape=[1, 1]), spaced(2, 2, 4, 3)),
    ],
    "MaxUnpool": [
        (Fixed(lambda x: op.MaxUnpool(x, constant(PLACES), kernel_shape=[2, 2], strides=[2, 2]), "a constant index"), normal(2, 1, 2, 2)),
    ],
}  # fmt: skip

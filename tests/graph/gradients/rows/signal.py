"""Fourier transforms and overlapping blocks."""

from typing import Any

import numpy as np
import onnxruntime

from netc.graph.ir import constant, op
from tests.graph.gradients.arrays import normal

WINDOW = np.array([0.2, 0.7, 1, 0.7, 0.1], np.float32)


def transformed(*shape: int, length: Any = None, axis: Any = None, **attrs: Any) -> tuple[Any, ...]:
    inputs = [None if v is None else constant(v) for v in (length, axis)]
    return lambda x: op.DFT(x, *inputs, **attrs), normal(*shape)


def frames(*shape: int, step: int, window: Any = None, length: Any = None, onesided: int) -> tuple[Any, ...]:
    inputs = constant(step), None if window is None else constant(window), None if length is None else constant(length)
    count = (shape[1] - (length or 5)) // step + 1
    bins = (length or 5) // 2 + 1 if onesided else length or 5
    return lambda x: op.STFT(x, *inputs, onesided=onesided, shape=(x.shape[0], count, bins, 2)), normal(*shape)


def joined(*shape: int, image: list[int], block: list[int], **attrs: Any) -> tuple[Any, ...]:
    channels = shape[1] // int(np.prod(block))
    return lambda x: op.Col2Im(x, image, block, shape=(x.shape[0], channels, *image), **attrs), normal(*shape)


COMPLEX = tuple(map(int, onnxruntime.__version__.split(".")[:2])) > (1, 24)  # 1.24 leaves the result of complex rows unwritten
ROWS: dict[str, Any] = {
    "Col2Im": [
        joined(2, 12, 6, image=[4, 3], block=[2, 2]),
        joined(2, 12, 6, image=[4, 5], block=[3, 2], strides=[2, 1], dilations=[1, 2], pads=[1, 0, 0, 0]),
        joined(2, 6, 4, image=[6], block=[3]),
    ],
    "DFT": [
        transformed(2, 5, 1),
        transformed(2, 5, 2),
        transformed(2, 5, 1, onesided=1),
        transformed(2, 4, 3, 1, onesided=1, axis=1),
        transformed(2, 5, 2, inverse=1),
        transformed(2, 5, 1, length=8),
        transformed(2, 6, 2, length=4, axis=-2, inverse=1),
    ],
    "STFT": [
        frames(2, 12, 1, step=2, window=WINDOW, onesided=1),
        frames(2, 12, 1, step=3, length=4, onesided=0),
        *([frames(2, 12, 2, step=3, window=WINDOW, length=5, onesided=0)] if COMPLEX else []),
    ],
}

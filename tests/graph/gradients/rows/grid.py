"""Sampling at places that a net computes."""

from typing import Any

import numpy as np

from netc.graph.ir import constant, op
from tests.graph.gradients.arrays import RNG, Fixed, normal

PADDINGS = "zeros", "border", "reflection"


def places(*shape: int, sizes: tuple[int, ...], align: int) -> np.ndarray:
    """Places, some of them outside, at least 0.1 pixels from where an op has a kink."""
    pixels = RNG.integers(-2, np.array(sizes) + 2, (*shape, len(sizes))) + RNG.uniform(0.1, 0.4, (*shape, len(sizes)))
    n = np.array(sizes)
    found = pixels * 2 / (n - 1) - 1 if align else (pixels * 2 + 1) / n - 1
    turned: np.ndarray = found[..., ::-1].astype(np.float32)
    return turned


def sampled(x: tuple[int, ...], out: tuple[int, ...], mode: str, padding: str, align: int) -> tuple[Any, ...]:
    """The places move by a quarter of what the differences move them by, since a cubic is steep."""
    f = Fixed(lambda x, g: op.GridSample(x, g * 0.25, mode=mode, padding_mode=padding, align_corners=align), "a batch of both")
    return f, normal(*x), places(x[0], *out, sizes=x[2:], align=align) * np.float32(4)


ROWS: dict[str, Any] = {
    "AffineGrid": [
        (lambda t, a=a: op.AffineGrid(t, constant([2, 1, 3, 4]), align_corners=a, shape=(t.shape[0], 3, 4, 2)), normal(2, 2, 3))
        for a in (0, 1)
    ] + [(lambda t: op.AffineGrid(t, constant([2, 1, 3, 4, 2]), shape=(t.shape[0], 3, 4, 2, 3)), normal(2, 3, 4))],
    "GridSample": [
        *(sampled((2, 3, 5, 6), (3, 4), m, p, a) for m in ("linear", "nearest", "cubic") for p in PADDINGS for a in (0, 1)),
        sampled((2, 2, 3, 4, 3), (2, 3, 2), "linear", "zeros", 0),
    ],
}  # fmt: skip

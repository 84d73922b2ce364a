"""Weights of another net: which layers fit, which differ, and which names are similar."""

from collections.abc import Sequence

import numpy as np

from netc.graph.ir import Value, leaf
from netc.training.fit import MOST_LINES, fit


def blobs(**shapes: Sequence[tuple[int, ...]]) -> dict[str, list[Value]]:
    return {name: [leaf("State", np.float32, shape, name=f"{name}.{k}") for k, shape in enumerate(own)] for name, own in shapes.items()}


def arrays(**shapes: Sequence[tuple[int, ...]]) -> dict[str, list[np.ndarray]]:
    return {name: [np.zeros(shape, np.float32) for shape in own] for name, own in shapes.items()}


def test_what_fits_and_what_does_not() -> None:
    net = blobs(conv1=[(8, 3, 3, 3), (8,)], fc8_new=[(5, 40), (5,)], fc7=[(40, 20)], relu=[])
    file = arrays(conv1=[(8, 3, 3, 3), (1, 1, 1, 8)], fc8=[(5, 40), (5,)], fc7=[(40, 30)])
    assert fit(net, file) == (
        "layers that fit: 1 of 3 (conv1)",
        "fc8_new: not in the file, 5x40, 5 in the net; the file has 'fc8' of these shapes",
        "fc7: 40x30 in the file, 40x20 in the net",
        "only in the file: fc8 (5x40, 5)",
    )


def test_a_layer_of_equal_shapes_comes_before_a_similar_name() -> None:
    lines = fit(blobs(score=[(2, 3)]), arrays(scor=[(2, 4)], other=[(2, 3)]))
    assert lines[1] == "score: not in the file, 2x3 in the net; the file has 'other' of these shapes"


def test_many_layers() -> None:
    lines = fit(blobs(**dict.fromkeys([f"c{k}" for k in range(50)], [(1, 2)])), {})
    assert len(lines) == MOST_LINES + 2 and lines[-1] == f"... and {50 - MOST_LINES} more layers"

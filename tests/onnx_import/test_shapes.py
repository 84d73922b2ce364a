"""Shapes with a size that only a run knows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from netc.graph.tensor_type import Dim
from netc.onnx_import.shapes import LAST, SHAPES, broadcast, sliced
from netc.onnx_import.sizes import Size
from tests.onnx_import.files import model, normal, same, saved

node = helper.make_node
N = Size.of("N")
ROWS = [node("Shape", ["x"], ["n1"], start=0, end=1)]
TURNED = [node("Transpose", ["x"], ["t"], perm=[2, 1, 0, 3])]  # the batch in a place of the window
# Each op with the nodes that read x (N, 3, 4, 4), and constants.
FORMS: dict[str, tuple[list[Any], dict[str, np.ndarray]]] = {
    "AveragePool": ([*TURNED, node("AveragePool", ["t"], ["y"], kernel_shape=[2, 2], strides=[1, 2], pads=[1, 0, 1, 0])], {}),
    "Conv": ([*TURNED, node("Conv", ["t", "w"], ["y"], pads=[1, 0, 1, 0], strides=[1, 2])], {"w": normal(5, 3, 2, 2)}),
    "Gather": ([node("Gather", ["x", "i"], ["y"], axis=-1)], {"i": np.array([[0, 2], [3, 1]])}),
    "GroupNormalization": (
        [node("GroupNormalization", ["x", "g", "b"], ["y"], num_groups=1)],
        {"g": normal(3), "b": normal(3, seed=1)},
    ),
    "MeanVarianceNormalization": ([node("MeanVarianceNormalization", ["x"], ["y"])], {}),
    "MaxPool": ([*TURNED, node("MaxPool", ["t"], ["y"], kernel_shape=[2, 3], pads=[0, 1, 1, 1])], {}),
    "Pad": ([node("Pad", ["x", "p", "", "a"], ["y"])], {"p": np.array([1, 0, 0, 2]), "a": np.array([2, 3])}),
    "Range": (
        [*ROWS, node("Squeeze", ["n1"], ["n"]), node("Range", ["zero", "n", "one"], ["y"])],
        {"zero": np.array(0), "one": np.array(1)},
    ),
    "Resize": ([node("Resize", ["x", "", "s"], ["y"], mode="nearest")], {"s": np.array([1, 1, 2, 1.5], np.float32)}),
    "Slice": (
        [node("Slice", ["x", "s", "e", "a", "t"], ["y"])],
        {"s": np.array([0, -1]), "e": np.array([2**62, -9]), "a": np.array([0, 2]), "t": np.array([1, -2])},
    ),
    "Tile": (
        [*ROWS, node("Concat", ["one", "n1"], ["r"], axis=0), node("Tile", ["row", "r"], ["y"])],
        {"one": np.array([2]), "row": normal(1, 3)},
    ),
}


@pytest.mark.parametrize("op", FORMS)
def test_shapes_with_a_symbolic_batch(op: str, tmp_path: Path) -> None:
    nodes, constants = FORMS[op]
    same(saved(model(nodes, {"x": ["N", 3, 4, 4]}, ["y"], constants), tmp_path), {"x": normal(2, 3, 4, 4)})


def test_every_shape_has_a_form() -> None:
    assert set(FORMS) == set(SHAPES)


@pytest.mark.parametrize(
    ("size", "start", "end", "step", "wanted"),
    [
        (7, 1, -1, 2, 3), (7, -1, -100, -1, 7),
        ("N", 0, LAST, 1, "N"), ("N", 1, LAST, 1, "N-1"), ("N", 0, -1, 1, "N-1"), ("N", 0, N, 1, "N"),
        ("N", 0, 1, 1, 1), ("N", 0, 2, 1, None), ("N", -1, -LAST * 2, -1, "N"), ("N", 0, LAST, 2, None), ("N", -1, LAST, 1, 1),
    ],
)  # fmt: skip
def test_sizes_of_slices(size: Dim, start: int, end: int | Size, step: int, wanted: Dim | None) -> None:
    assert sliced(size, start, end, step) == wanted


def test_broadcasting() -> None:
    assert broadcast(("N", 1, 4), (3, 1)) == ("N", 3, 4) and broadcast((1,), ("N", 2)) == ("N", 2) and broadcast((), (2,)) == (2,)

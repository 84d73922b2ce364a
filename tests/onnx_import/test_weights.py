"""Which tensors learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from netc.onnx_import import load, weights
from netc.onnx_import.weights import LEARNS, STATISTICS
from tests.onnx_import.files import graph, model, normal, saved

node = helper.make_node
W = {"w": normal(4, 4)}
# Each case: the nodes, the constants, and the weights that they have.
CASES: dict[str, tuple[list[Any], dict[str, np.ndarray], list[str]]] = {
    "a product": ([node("MatMul", ["x", "w"], ["y"])], W, ["w"]),
    "from the left": ([node("MatMul", ["w", "x"], ["y"])], W, ["w"]),
    "through a view": ([node("Transpose", ["w"], ["t"], perm=[1, 0]), node("MatMul", ["x", "t"], ["y"])], W, ["w"]),
    "through a cast of halves": (
        [node("Cast", ["w"], ["t"], to=TensorProto.FLOAT), node("MatMul", ["x", "t"], ["y"])], {"w": W["w"].astype(np.float16)}, ["w"]),
    "parts of one tensor": (
        [node("Split", ["w"], ["a", "b"], axis=1, num_outputs=2), node("MatMul", ["x", "a"], ["p"]), node("MatMul", ["x", "b"], ["q"]),
         node("Concat", ["p", "q"], ["y"], axis=-1)], W, ["w"]),
    "one tensor used twice": ([node("MatMul", ["x", "w"], ["p"]), node("MatMul", ["p", "w"], ["y"])], W, ["w"]),
    "computed from constants": (
        [node("Add", ["w", "w"], ["t"]), node("MatMul", ["x", "t"], ["y"])], W, ["t"]),
    "a factor": ([node("Mul", ["x", "g"], ["y"])], {"g": normal(4)}, ["g"]),
    "a sum": ([node("Sum", ["x", "g"], ["y"])], {"g": normal(4)}, ["g"]),
    "no number": ([node("Mul", ["x", "g"], ["y"])], {"g": np.array([0.125], np.float32)}, []),
    "no mask": ([node("Add", ["x", "g"], ["y"])], {"g": np.triu(np.full((4, 4), -1e9, np.float32))}, []),
    "no mask of infinities": ([node("Add", ["x", "g"], ["y"])], {"g": np.triu(np.full((4, 4), -np.inf, np.float32), 1)}, []),
    "no mask of zeros and ones": ([node("Mul", ["x", "g"], ["y"])], {"g": np.tril(np.ones((4, 4), np.float32))}, []),
    "a start of ones": ([node("Mul", ["x", "g"], ["y"])], {"g": np.ones(4, np.float32)}, ["g"]),
    "no integers": ([node("Cast", ["x"], ["i"], to=TensorProto.INT64), node("Add", ["i", "g"], ["y"])], {"g": np.arange(4)}, []),
    "a token": ([node("Concat", ["g", "x"], ["y"], axis=1)], {"g": normal(4, 1)}, ["g"]),
    "no padding": ([node("Concat", ["g", "x"], ["y"], axis=1)], {"g": np.zeros((4, 3), np.float32)}, []),
    "a table": ([node("Cast", ["x"], ["i"], to=TensorProto.INT64), node("Gather", ["w", "i"], ["y"])], W, ["w"]),
    "no settings": ([node("Cast", ["x"], ["i"], to=TensorProto.INT64), node("Gather", ["g", "i"], ["y"])], {"g": normal(4)}, []),
    "positions from a table": (
        [node("Gather", ["w", "i"], ["p"]), node("Add", ["x", "p"], ["y"])], {**W, "i": np.array([1, 0, 2, 3])}, ["w"]),
    "no norm without weights": (
        [node("Unsqueeze", ["x", "a"], ["u"]), node("InstanceNormalization", ["u", "g", "b"], ["y"])],
        {"a": np.array([2]), "g": np.ones(4, np.float32), "b": np.zeros(4, np.float32)}, []),
    "a slope": ([node("PRelu", ["x", "g"], ["y"])], {"g": normal(4)}, ["g"]),
    "nothing from constants alone": ([node("MatMul", ["w", "w"], ["c"]), node("Shape", ["x"], ["s"]), node("Expand", ["c0", "s"], ["y"])],
                                     {**W, "c0": np.array(1, np.float32)}, []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_learns(case: str, tmp_path: Path) -> None:
    nodes, constants, wanted = CASES[case]
    file = load(saved(model(nodes, {"x": ["N", 4]}, ["y"], constants), tmp_path))
    assert [w.name for w in weights(file, ["x"], ["y"])] == wanted
    learned: dict[str, Any] = {}
    graph(file, {"x": np.clip(np.abs(normal(4, 4)), 0, 3)}, learned)
    assert list(learned) == wanted
    assert all(w.array.dtype == np.float32 for w in learned.values())


def test_moments_are_statistics(tmp_path: Path) -> None:
    """One tensor of zeros for the bias and the mean, as exporters write it, becomes two weights."""
    nodes = [node("BatchNormalization", ["x", "g", "b", "b", "v"], ["y"])]
    constants = {"g": normal(3), "b": np.zeros(3, np.float32), "v": np.ones(3, np.float32)}
    file = load(saved(model(nodes, {"x": ["N", 3, 4]}, ["y"], constants), tmp_path))
    found = weights(file, ["x"], ["y"])
    assert {(w.name, w.kind) for w in found} == {("g", "parameter"), ("b", "parameter"), ("b.statistic", "statistic"), ("v", "statistic")}
    assert found[0].uses == ("y (BatchNormalization)",)


def test_constants_of_nodes_are_weights_too(tmp_path: Path) -> None:
    nodes = [node("Constant", [], ["w"], value=numpy_helper.from_array(normal(4, 40))), node("MatMul", ["x", "w"], ["y"])]
    file = load(saved(model(nodes, {"x": ["N", 4]}, ["y"]), tmp_path))
    (w,) = weights(file, ["x"], ["y"])
    np.testing.assert_array_equal(w.array, normal(4, 40))


def test_places_name_ops_of_onnx() -> None:
    from onnx import defs

    for op, places in (LEARNS | STATISTICS).items():
        assert max(places) < defs.get_schema(op).max_input, op

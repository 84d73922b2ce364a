"""Models run on many rows in blocks."""

from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from netc.errors import RunError
from netc.predict.batches import EXACT, MOST_BYTES, MOST_ROWS, Blocks
from netc.runtime.session import Session

PORTS = [SimpleNamespace(name="y", shape=["N", 2]), SimpleNamespace(name="centres", shape=[3, 2])]


class Doubling:
    """A model that doubles its rows, and remembers the sizes of its batches. It fails above `limit` rows."""

    def __init__(self, limit: int = 10_000):
        self.limit, self.sizes = limit, list[int]()

    def __call__(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        x = rows["x"]
        self.sizes.append(len(x))
        if len(x) > self.limit:
            raise RunError("no memory")
        return {"y": 2 * x, "centres": np.ones((3, 2))}


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1000, 2500])
def test_every_row_comes_back(count: int) -> None:
    model, x = Doubling(), np.random.default_rng(0).normal(size=(count, 2))
    found = Blocks(model, PORTS)({"x": x})
    np.testing.assert_array_equal(found["y"], 2 * x)
    assert found["centres"].shape == (3, 2)
    assert all(size % EXACT == 0 and size <= MOST_ROWS for size in model.sizes)


def test_a_fixed_batch_size_is_filled_up() -> None:
    model, ports = Doubling(), [SimpleNamespace(name="y", shape=[7, 2])]
    found = Blocks(model, ports, fixed=7)({"x": np.arange(32.0).reshape(16, 2)})
    assert model.sizes == [7, 7, 7] and found["y"].shape == (16, 2) and found["y"][15, 1] == 62


def test_large_rows_are_not_filled_up_and_run_in_small_blocks() -> None:
    model, x = Doubling(), np.zeros((5, MOST_BYTES // 16), np.float64)
    Blocks(model, PORTS, exact=False)({"x": x})
    assert model.sizes == [2, 2, 1]


def test_a_block_that_does_not_fit_is_divided() -> None:
    model, x = Doubling(limit=3), np.arange(20.0).reshape(10, 2)
    np.testing.assert_array_equal(Blocks(model, PORTS, exact=False)({"x": x})["y"], 2 * x)
    with pytest.raises(RunError, match="no memory"):
        Blocks(Doubling(limit=0), PORTS, exact=False)({"x": x})


def members() -> Session:
    """A net of eight members on shared weights, whose probabilities are averaged. Its sums depend on the number of rows in a batch."""
    random = np.random.default_rng(0)
    shapes = {"signs": (1, 8, 64), "w1": (64, 64), "w2": (64, 64), "w3": (64, 10)}
    weights = [numpy_helper.from_array(random.normal(size=s).astype(np.float32) / 8, n) for n, s in shapes.items()]
    steps = [
        ("Unsqueeze", "x axis", "rows"), ("Mul", "rows signs", "a"), ("MatMul", "a w1", "b"), ("Elu", "b", "c"), ("MatMul", "c w2", "d"),
        ("Tanh", "d", "e"), ("MatMul", "e w3", "f"), ("Softmax", "f", "p"),
    ]  # fmt: skip
    nodes = [helper.make_node(kind, inputs.split(), [output]) for kind, inputs, output in steps]
    nodes.append(helper.make_node("ReduceMean", ["p", "axis"], ["y"], keepdims=0))
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", size]) for n, size in (("x", 64), ("y", 10)))
    weights.append(numpy_helper.from_array(np.array([1]), "axis"))
    graph = helper.make_graph(nodes, "members", [x], [y], weights)
    return Session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))


def test_a_row_has_the_same_result_to_the_last_bit_whatever_is_beside_it() -> None:
    session, x = members(), 3 * np.random.default_rng(1).normal(size=(1000, 64)).astype(np.float32)
    blocks = Blocks(session.run, session.ort.get_outputs())
    expected = blocks({"x": x})["y"]
    for size in (1, 2, 3, 16, 17, 333):
        parts = [blocks({"x": x[k : k + size]})["y"] for k in range(0, 200, size)]
        np.testing.assert_array_equal(np.concatenate(parts)[:200], expected[:200], str(size))
    order = np.random.default_rng(2).permutation(1000)
    np.testing.assert_array_equal(blocks({"x": x[order]})["y"], expected[order])

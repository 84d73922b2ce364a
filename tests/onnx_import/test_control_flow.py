"""If, Loop and Scan."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from netc.errors import ShapeError, SpecError
from netc.graph.ir import constant, leaf
from netc.onnx_import import load, values
from tests.onnx_import.files import graph, model, normal, same, saved, states

node = helper.make_node


def body(nodes: list[onnx.NodeProto], inputs: list[str], outputs: list[str], **constants: np.ndarray) -> onnx.GraphProto:
    """A graph inside a node. `i` and `c` are the number and the condition of a Loop."""
    kinds = {"i": TensorProto.INT64, "c": TensorProto.BOOL}
    given = [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), [] if n in kinds else None) for n in inputs]
    ends = [helper.make_tensor_value_info(n, TensorProto.BOOL if n.startswith("go") else TensorProto.FLOAT, None) for n in outputs]
    return helper.make_graph(nodes, "body", given, ends, [numpy_helper.from_array(a, n) for n, a in constants.items()])


def two_branches() -> onnx.NodeProto:
    """Both branches use the same names inside, as exporters do."""
    yes = body([node("Mul", ["x", "k"], ["t"]), node("Relu", ["t"], ["b"])], [], ["b"], k=normal(3))
    no = body([node("Add", ["x", "k"], ["t"]), node("Neg", ["t"], ["b"])], [], ["b"], k=normal(3, seed=1))
    return node("If", ["c"], ["y"], then_branch=yes, else_branch=no)


@pytest.mark.parametrize("chosen", [True, False])
def test_the_branch_of_a_constant_condition(chosen: bool, tmp_path: Path) -> None:
    path = saved(model([two_branches()], {"x": ["N", 3]}, ["y"], {"c": np.array(chosen)}), tmp_path)
    learned = same(path, {"x": normal(2, 3)})
    assert list(learned) == ["k" if learned["k" if "k" in learned else "k_1"].uses[0].startswith("t (") else "k_1"]


def test_a_condition_from_shapes(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["s"], start=1, end=2),
        node("Squeeze", ["s"], ["q"]),
        node("Equal", ["q", "three"], ["c"]),
        two_branches(),
    ]
    same(saved(model(nodes, {"x": ["N", 3]}, ["y"], {"three": np.array(3)}), tmp_path), {"x": normal(2, 3)})


def test_a_condition_that_a_caller_fixes(tmp_path: Path) -> None:
    path = saved(model([two_branches()], {"x": ["N", 3], "c": []}, ["y"], dtypes={"c": TensorProto.BOOL}), tmp_path)
    given = {"x": leaf("Input", np.float32, (2, 3), name="x"), "c": constant(np.array(True))}
    (y,) = values(load(path), given, ["y"], states({}))
    assert y.node.op == "Relu"


def test_conditions_that_only_a_run_knows_are_refused(tmp_path: Path) -> None:
    nodes = [node("ReduceMax", ["x"], ["m"], keepdims=0), node("Cast", ["m"], ["c"], to=TensorProto.BOOL), two_branches()]
    file = load(saved(model(nodes, {"x": ["N", 3]}, ["y"]), tmp_path))
    with pytest.raises(
        SpecError, match=r"The node 'y' \(If\): Its condition depends on values that only a run knows\. netc needs a constant\."
    ):
        graph(file, {"x": normal(2, 3)}, {})
    nodes = [node("Shape", ["x"], ["s"], end=1), node("Squeeze", ["s"], ["q"]), node("Equal", ["q", "three"], ["c"]), two_branches()]
    file = load(saved(model(nodes, {"x": ["N", 3]}, ["y"], {"three": np.array(3)}), tmp_path))
    graph(file, {"x": normal(2, 3)}, {})
    with pytest.raises(ShapeError, match="Its condition depends on a size that is known only in a run"):
        graph(file, {"x": normal(2, 3)}, {}, "N")


def loop_body(last: float) -> onnx.GraphProto:
    """h = tanh(h w) + i; goes on while i is below `last`."""
    nodes = [
        node("MatMul", ["h", "w"], ["p"]),
        node("Tanh", ["p"], ["t"]),
        node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        node("Add", ["t", "f"], ["h1"]),
        node("Less", ["f", "last"], ["go"]),
        node("ReduceSum", ["h1", "axis"], ["e"], keepdims=0),
    ]
    return body(nodes, ["i", "c", "h"], ["go", "h1", "e"], last=np.array(last, np.float32), axis=np.array([1]))


@pytest.mark.parametrize(("count", "last", "steps"), [(4, 9.0, 4), (10, 2.5, 4), (1, 9.0, 1)])
def test_a_loop_of_a_constant_count(count: int, last: float, steps: int, tmp_path: Path) -> None:
    loop = node("Loop", ["m", "", "x"], ["y", "e"], body=loop_body(last))
    path = saved(model([loop], {"x": ["N", 3]}, ["y", "e"], {"m": np.array(count), "w": normal(3, 3)}), tmp_path)
    assert list(same(path, {"x": normal(2, 3)})) == ["w"]
    made = graph(load(path), {"x": normal(2, 3)}, {})
    assert sum(n.op == "MatMul" for n in made.nodes) == steps and made.outputs["out/e"].shape == (steps, 2)


def test_a_loop_that_its_condition_ends(tmp_path: Path) -> None:
    loop = node("Loop", ["", "yes", "x"], ["y", "e"], body=loop_body(2.5))
    path = saved(model([loop], {"x": ["N", 3]}, ["y", "e"], {"yes": np.array(True), "w": normal(3, 3)}), tmp_path)
    same(path, {"x": normal(2, 3)})


def test_loops_without_a_constant_count_are_refused(tmp_path: Path) -> None:
    forever = body([node("Identity", ["c"], ["go"]), node("Neg", ["h"], ["h1"])], ["i", "c", "h"], ["go", "h1"])
    for inputs, dtypes, feeds, message in (
        (
            {"x": ["N", 3], "m": []},
            {"m": TensorProto.INT64},
            {"m": np.array(3)},
            "Its number of steps depends on values that only a run knows",
        ),
        ({"x": ["N", 3]}, {}, {}, r"It takes more than 4,096 steps"),
    ):
        loop = node("Loop", ["m" if feeds else "", "yes", "x"], ["y"], body=forever)
        file = load(saved(model([loop], inputs, ["y"], {"yes": np.array(True)}, dtypes=dtypes), tmp_path))
        with pytest.raises(SpecError, match=message):
            graph(file, {"x": normal(2, 3), **feeds}, {})


def scan_body() -> onnx.GraphProto:
    return body([node("Mul", ["h", "w"], ["t"]), node("Add", ["t", "x0"], ["h1"]), node("Tanh", ["h1"], ["e"])], ["h", "x0"], ["h1", "e"])


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"scan_input_directions": [1], "scan_output_directions": [1]},
        {"scan_input_axes": [1], "scan_output_axes": [1]},
        {"scan_input_axes": [-1], "scan_output_axes": [-1]},
    ],
)
def test_a_scan(attrs: dict[str, Any], tmp_path: Path) -> None:
    scan = node("Scan", ["h0", "x"], ["y", "e"], body=scan_body(), num_scan_inputs=1, **attrs)
    path = saved(model([scan], {"x": [4, 4, 4]}, ["y", "e"], {"h0": normal(4, 4), "w": normal(4, 4, seed=1)}), tmp_path)
    same(path, {"x": normal(4, 4, 4)}, symbolic=False)


def test_a_scan_over_a_size_that_only_a_run_knows(tmp_path: Path) -> None:
    scan = node("Scan", ["h0", "x"], ["y", "e"], body=scan_body(), num_scan_inputs=1)
    file = load(saved(model([scan], {"x": ["T", 4]}, ["y", "e"], {"h0": normal(4), "w": normal(4, seed=1)}), tmp_path))
    with pytest.raises(ShapeError, match=r"The node 'y' \(Scan\): Its number of steps is a size that is known only in a run"):
        graph(file, {"x": normal(2, 4)}, {}, "T")


def test_nested_loops_share_one_bound(tmp_path: Path) -> None:
    inner = body([node("Identity", ["c"], ["go"]), node("Neg", ["h"], ["h1"])], ["i", "c", "h"], ["go", "h1"])
    outer = body([node("Identity", ["c"], ["go2"]), node("Loop", ["m", "", "g"], ["g1"], body=inner)], ["i", "c", "g"], ["go2", "g1"])
    file = load(saved(model([node("Loop", ["m", "", "x"], ["y"], body=outer)], {"x": ["N", 3]}, ["y"], {"m": np.array(1000)}), tmp_path))
    with pytest.raises(SpecError, match="more than 100,000 nodes once its loops are unrolled"):
        graph(file, {"x": normal(2, 3)}, {})

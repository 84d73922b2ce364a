"""Graphs as ONNX: names, functions, constants, metadata."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from netc import registry
from netc.errors import Place
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, cast, constant, full, leaf, op, stop
from netc.graph.leaves import StateInfo
from netc.graph.origin import origin
from netc.graph.training_ops import body as op_body
from netc.graph.training_ops import training_op as define
from netc.graph.training_ops.define import CPU
from netc.runtime.session import Session

twice: Any
fourfold: Any
split2: Any


@pytest.fixture(scope="module", autouse=True)
def _twice() -> Iterator[None]:
    """Twice(x) = 2x, on the CPU x + x; Fourfold(x) = Twice(Twice(x)); Split2(x) = (x, -x)."""
    global twice, fourfold, split2
    with registry.scoped():
        twice = define("Twice")(lambda x: x * 2.0)
        op_body("Twice", CPU)(lambda x: x + x)
        fourfold = define("Fourfold")(lambda x: twice(twice(x)))
        split2 = define("Split2")(lambda x, *, scale=1.0: (x * scale, -x))
        yield


def x(dtype: type[np.float32] | type[np.float64] = np.float32, shape: tuple[int, ...] = (3,), name: str = "x") -> Value:
    return leaf("Input", dtype, shape, name=name)


def state(name: str, shape: tuple[int] = (3,)) -> Value:
    return leaf("State", np.float32, shape, info=StateInfo(name, "parameter", lambda: np.zeros(4)))


X = np.array([1, -2, 3], np.float32)


def run(model: onnx.ModelProto, **feeds: Any) -> dict[str, np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    return Session(model).run(feeds)


@pytest.mark.parametrize("functions", [True, False])
@pytest.mark.parametrize("provider", ["cpu", "cuda"])
def test_training_ops_run_as_functions_and_inlined(provider: str, functions: bool) -> None:
    a, b = split2(fourfold(x()), scale=0.5)
    model = emit(Graph("g", {"a": a, "b": b}), provider, functions)
    found = run(model, x=X)
    assert found["a"].tolist() == (2 * X).tolist() and found["b"].tolist() == (-4 * X).tolist()
    assert {f.name for f in model.functions} == ({"Fourfold", "Split2"} if functions else set())
    ops = [n.op_type for f in model.functions for n in f.node] + [n.op_type for n in model.graph.node]
    assert ("Add" in ops) == (provider == "cpu")


def test_each_body_has_a_name_of_its_own() -> None:
    v = x()
    values = {"a": twice(v), "b": twice(x(np.float64, name="y")), "c": twice(x(shape=(2,), name="z")), "d": twice(v + 1.0)}
    values |= {"e": split2(v, scale=2.0)[0], "f": split2(v, scale=3.0)[0]}
    model = emit(Graph("g", values))
    assert [f.name for f in model.functions] == ["Twice", "Split2", "Split2_2"]  # x + x is the same body for other types
    assert [n.op_type for n in model.graph.node if n.domain] == [*["Twice"] * 4, "Split2", "Split2_2"]
    parts: Any = (*model.functions, *model.graph.node)
    assert not any(part.overload for part in parts)
    found = run(model, x=X, y=X.astype(np.float64), z=X[:2])
    assert found["b"].dtype == np.float64 and found["e"].tolist() == (2 * X).tolist() and found["f"].tolist() == (3 * X).tolist()


def test_the_reference_evaluator_of_onnx_runs_each_body() -> None:
    values = [split2(x(), scale=scale)[0] for scale in (2.0, 3.0)]
    model = emit(Graph("g", {"e": values[0], "f": values[1]}))
    found: Any = ReferenceEvaluator(model).run(None, {"x": X})
    assert [y.tolist() for y in found] == [(2 * X).tolist(), (3 * X).tolist()]


def test_an_op_with_a_kernel_is_a_call_without_a_function() -> None:
    y = twice(split2(x(), scale=2.0)[0]) + twice(cast(x(np.float64, name="y"), np.float32))
    for functions in (True, False):
        model = emit(Graph("g", {"y": y}), functions=functions, kernels={"Twice"})
        assert [n.op_type for n in model.graph.node if n.domain] == (["Split2"] if functions else []) + ["Twice", "Twice"]
        assert {f.name for f in model.functions} == ({"Split2"} if functions else set())
        assert "netc.training" in {o.domain for o in model.opset_import}


def test_names_of_inputs_outputs_and_states() -> None:
    w = state("conv1.weight")
    model = emit(Graph("g", {"out/y": x() + w}, {w: w * 2.0}))
    assert [i.name for i in model.graph.input] == ["x", "state/conv1.weight"]
    assert [o.name for o in model.graph.output] == ["out/y", "next/conv1.weight"]
    assert run(model, x=X, **{"state/conv1.weight": X})["next/conv1.weight"].tolist() == (2 * X).tolist()


def test_one_value_under_several_names_and_leaves_as_outputs() -> None:
    w, y = state("w"), x() * 2.0
    model = emit(Graph("g", {"a": y, "b": y, "c": x(name="z"), "d": w, "e": constant(np.array([1, 2], np.float32)), "f": stop(y)}, {w: w}))
    found = run(model, x=X, z=X, **{"state/w": X})
    assert (
        all(found[n].tolist() == (2 * X).tolist() for n in "abf")
        and found["c"].tolist() == found["d"].tolist() == found["next/w"].tolist() == X.tolist()
    )
    assert found["e"].tolist() == [1, 2]


def test_an_input_may_be_missing() -> None:
    model = emit(Graph("g", {"y": op.Clip(x(), None, constant(2.0))}))
    assert run(model, x=X)["y"].tolist() == [1, -2, 2] and model.graph.node[0].input[1] == ""


def test_nodes_are_named_by_layer_and_unique() -> None:
    with origin(layer="conv1", place=Place("net.yaml", 3, 5)):
        y = twice(op.Relu(op.Relu(x())))
    with origin(layer="conv1", place=Place("net.yaml", 3, 5), part="backward"):
        y = op.Neg(y)
    model = emit(Graph("g", {"y": y}), functions=False)
    assert [n.name for n in model.graph.node] == ["conv1/Relu", "conv1/Relu.2", "conv1/Twice/Add", "conv1/backward/Neg"]
    assert {p.value for n in model.graph.node for p in n.metadata_props} == {"net.yaml:3:5"}


def test_equal_constants_are_stored_once_and_by_type() -> None:
    y = (x() + np.float32(3)) * constant(3.0) + cast(constant(3), np.float32)
    model = emit(Graph("g", {"y": y}))
    assert sorted((t.data_type, onnx.numpy_helper.to_array(t).tolist()) for t in model.graph.initializer) == [(1, 3.0), (7, 3)]


def test_a_filled_tensor_is_one_number() -> None:
    model = emit(Graph("g", {"y": full((100, 100), 2.5)}))
    assert len(model.SerializeToString()) < 500
    assert (run(model)["y"] == 2.5).all()


def test_metadata_and_versions() -> None:
    model = emit(Graph("g", {"y": twice(x())}), metadata={"b": 1, "a": [2]})
    assert json.loads({p.key: p.value for p in model.metadata_props}["netc"]) == {"a": [2], "b": 1}
    assert {o.domain: o.version for o in model.opset_import} == {"": 21, "netc.training": 1} and model.ir_version == 10
    assert not emit(Graph("g", {"y": x() + 1.0})).metadata_props


def test_emitting_changes_nothing_and_repeats() -> None:
    graph = Graph("g", {"y": fourfold(x())})
    assert emit(graph).SerializeToString(deterministic=True) == emit(graph).SerializeToString(deterministic=True)

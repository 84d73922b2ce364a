"""Graph to graph: what each pass removes, what it keeps, and that it does not change its input."""

from typing import Any

import numpy as np
import pytest

from netc.errors import Place
from netc.graph.emit import emit
from netc.graph.ir import Graph, Node, Value, constant, leaf, op
from netc.graph.leaves import StateInfo
from netc.graph.origin import origin
from netc.graph.passes import freeze, simplify
from netc.graph.passes.rewrite import rewrite
from netc.runtime.session import Session
from tests.some import some

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def x(shape: tuple[Any, int, int] = (2, 3, 4)) -> Value:
    return leaf("Input", np.float32, shape, name="x")


CASES: dict[str, Any] = {
    "times one": (lambda v: v * 1.0, []),
    "one times": (lambda v: 1.0 * v, []),
    "by one": (lambda v: v / 1.0, []),
    "plus zero": (lambda v: v + 0.0, []),
    "zero plus": (lambda v: 0.0 + v, []),
    "minus zero": (lambda v: v - 0.0, []),
    "plus zeros": (lambda v: v + np.zeros((3, 4), np.float32), []),
    "zero minus": (lambda v: 0.0 - v, ["Sub"]),
    "one by": (lambda v: 1.0 / (v + 1.0), ["Add", "Div"]),
    "times two": (lambda v: v * 2.0, ["Mul"]),
    "ones that broadcast": (lambda v: v * np.ones((5, 1, 1, 1), np.float32), ["Mul"]),
    "transposed back": (lambda v: op.Transpose(op.Transpose(v, perm=[1, 2, 0]), perm=[2, 0, 1]), []),
    "transposed twice": (lambda v: op.Transpose(op.Transpose(v, perm=[1, 2, 0]), perm=[1, 2, 0]), ["Transpose"]),
    "reversed twice": (lambda v: op.Transpose(op.Transpose(v)), []),
    "reshaped twice": (lambda v: op.Reshape(op.Reshape(v, [6, 4]), [8, 3]), ["Reshape"]),
    "reshaped back": (lambda v: op.Reshape(op.Reshape(v, [6, 4]), [2, 3, 4]), []),
    "reshaped to itself": (lambda v: op.Reshape(v, [2, -1, 4]), []),
    "expanded to itself": (lambda v: op.Expand(v, [2, 1, 4]), []),
    "expanded": (lambda v: op.Expand(v, [5, 1, 1, 1]), ["Expand"]),
    "chain": (lambda v: op.Reshape((op.Transpose(op.Transpose(v * 1.0)) + 0.0) / 1.0, [2, 3, 4]), []),
}


@pytest.mark.parametrize("case", CASES)
def test_simplify(case: str) -> None:
    make, left = CASES[case]
    graph = Graph("g", {"y": make(x())})
    before = [n.op for n in graph.nodes]
    simple = simplify(graph)
    assert sorted(n.op for n in simple.nodes if n.domain != "netc") == sorted(left)
    assert [n.op for n in graph.nodes] == before and simple.outputs["y"].type == graph.outputs["y"].type
    plain, simplified = (Session(emit(g)).run({"x": X})["y"] for g in (graph, simple))
    np.testing.assert_array_equal(plain, simplified)


@pytest.mark.parametrize(
    ("exponent", "made"),
    [
        (0.5, ["Sqrt"]),
        (-0.75, ["Sqrt", "Sqrt", "Mul", "Reciprocal"]),
        (-1.75, ["Sqrt", "Sqrt", "Mul", "Mul", "Reciprocal"]),
        (2.0, ["Mul"]),
        (2.25, ["Sqrt", "Sqrt", "Mul", "Mul"]),
        (-1.0, ["Reciprocal"]),
        (0.3, ["Pow"]),
        (4.0, ["Pow"]),
    ],
)
def test_powers_of_quarters_are_roots(exponent: float, made: list[str]) -> None:
    simple = simplify(Graph("g", {"y": op.Pow(x(), np.float32(exponent))}))
    assert sorted(n.op for n in simple.nodes if n.domain != "netc") == sorted(made)
    np.testing.assert_allclose(Session(emit(simple)).run({"x": X + 0.5})["y"], (X + 0.5) ** exponent, rtol=1e-6)


def test_a_symbolic_batch_is_kept() -> None:
    graph = Graph("g", {"y": op.Reshape(op.Reshape(x(("N", 3, 4)), [-1, 12], shape=("N", 12)), [-1, 4, 3], shape=("N", 4, 3))})
    assert Session(emit(simplify(graph))).run({"x": X})["y"].shape == (2, 4, 3)


def test_updates_are_simplified_and_states_stay() -> None:
    w = leaf("State", np.float32, (2, 3, 4), info=StateInfo("w", "parameter", lambda: np.zeros(4)))
    simple = simplify(Graph("g", {"y": w * 1.0}, {w: (w + 0.0) * 2.0}))
    assert simple.outputs["y"] is w and list(simple.updates) == [w] and [n.op for n in simple.nodes if n.domain != "netc"] == ["Mul"]


def test_freeze_puts_states_inside() -> None:
    w = leaf("State", np.float32, (4,), info=StateInfo("w", "parameter", lambda: np.zeros(4)))
    graph = Graph("g", {"y": x() * w})
    frozen = freeze(graph, {"w": np.array([1, 2, 3, 4], np.float32)})
    assert frozen.leaves("State") == [] and len(graph.leaves("State")) == 1
    np.testing.assert_array_equal(Session(emit(frozen)).run({"x": X})["y"], X * [1, 2, 3, 4])
    with pytest.raises(KeyError):
        freeze(graph, {})


def test_rewrite_gives_rules_nodes_whose_inputs_are_rewritten() -> None:
    seen = []

    def rule(node: Node) -> tuple[Value] | None:
        seen.append([some(v).node.op for v in node.inputs])
        return (constant(np.zeros((2, 3, 4), np.float32)),) if node.op == "Relu" else None

    new = rewrite(Graph("g", {"y": op.Neg(op.Relu(x()))}), rule)
    assert [n.op for n in new.nodes] == ["Constant", "Neg"] and seen[-1] == ["Constant"]


def test_nodes_keep_where_they_came_from() -> None:
    with origin(layer="ip1", place=Place("net.yaml", 4, 5)):
        y = op.Transpose(op.Transpose(op.Relu(x()), perm=[1, 2, 0]), perm=[1, 2, 0])
    assert {n.origin.layer for n in simplify(Graph("g", {"y": y})).nodes if n.domain != "netc"} == {"ip1"}

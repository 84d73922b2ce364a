"""Differentiation: nodes that matter, several uses, several ends, seeds, broadcasts, stops, and errors that name the layer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from netc import registry
from netc.errors import GradientError, Place
from netc.graph.autodiff import grad, sum_to
from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, cast, constant, leaf, op, stop
from netc.graph.leaves import StateInfo
from netc.graph.origin import origin
from netc.runtime.session import Session

registry.load()
RANDOM = np.random.default_rng(0)


def x(*shape: int, name: str = "x", dtype: type[np.float32] | type[np.float64] = np.float32) -> Value:
    return leaf("Input", dtype, shape, name=name)


def values(found: Sequence[Value | None], **feeds: Any) -> list[Any]:
    """Return the arrays of values, and None for each None."""
    model = emit(Graph("g", {str(k): v for k, v in enumerate(found) if v is not None}))
    session = Session(model)
    arrays = session.run({n: a for n, a in feeds.items() if n in session.inputs})
    return [arrays.get(str(k)) for k in range(len(found))]


A = RANDOM.normal(size=(2, 3)).astype(np.float32)
B = RANDOM.normal(size=(2, 3)).astype(np.float32)


def test_uses_add_up() -> None:
    v = x(2, 3)
    y = v * v + op.Exp(v) + v
    np.testing.assert_allclose(values(grad({y: 1.0}, [v]), x=A)[0], 2 * A + np.exp(A) + 1, rtol=1e-5)


def test_ends_add_up_each_with_its_seed() -> None:
    v, seed = x(2, 3), x(2, 3, name="seed")
    found: Any = grad({v * v: seed, op.Exp(v): 3.0, op.ReduceSum(v, keepdims=0): -1.0}, [v])
    np.testing.assert_allclose(values(found, x=A, seed=B)[0], 2 * A * B + 3 * np.exp(A) - 1, rtol=1e-5)


def test_an_end_that_another_end_depends_on() -> None:
    v = x(2, 3)
    y = v * 2.0
    np.testing.assert_allclose(values(grad({y: 1.0, y * y: 1.0}, [v, y]), x=A), [2 + 8 * A * 1, 1 + 4 * A], rtol=1e-5)


def test_the_gradient_by_an_end_itself_is_its_seed() -> None:
    v = x(2, 3)
    assert (values(grad({v: 1.0}, [v]), x=A)[0] == 1).all()


def test_what_is_not_reached_has_no_gradient() -> None:
    v, w = x(2, 3), x(2, 3, name="w")
    first, second = grad({v * 2.0: 1.0}, [w, v])
    assert first is None and second is not None
    assert grad({v * 2.0: 1.0, w * constant(0.0): 1.0}, [w])[0] is not None


def test_nothing_is_made_towards_what_is_not_asked_for() -> None:
    data, w = x(2, 3), leaf("State", np.float32, (3, 4), info=StateInfo("w", "parameter", lambda: np.zeros((3, 4))))
    found: Any = grad({op.MatMul(op.Exp(data), w): 1.0}, [w])
    names = [n.op for n in Graph("", {"g": found[0]}).nodes]
    assert names.count("MatMul") + names.count("Gemm") == 1 and "Mul" not in names


def test_stop_ends_differentiation() -> None:
    v = x(2, 3)
    np.testing.assert_allclose(values(grad({stop(v * v) * v: 1.0}, [v]), x=A)[0], A * A, rtol=1e-6)
    assert grad({stop(v): 1.0}, [v]) == [None]


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("make, derivative", [
    (lambda v, w: v + w, lambda a, b: np.ones((2, 3))), (lambda v, w: v * w, lambda a, b: a),
    (lambda v, w: v - w, lambda a, b: -np.ones((2, 3))), (lambda v, w: v / w, lambda a, b: -a / b**2),
], ids=["add", "mul", "sub", "div"])  # fmt: skip
def test_broadcasts_are_undone(make: Callable[..., Any], derivative: Callable[..., Any], shape: tuple[int, ...]) -> None:
    v, w = x(2, 3), x(*shape, name="w")
    b = np.asarray(np.broadcast_to(np.float32(1.5), shape))
    full = np.broadcast_to(derivative(A, np.float32(1.5)), (2, 3))
    expected = full.sum(tuple(range(2 - len(shape))))
    expected = expected.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True) if shape else expected
    found: Any = grad({make(v, w): 1.0}, [w])
    assert found[0].shape == shape
    np.testing.assert_allclose(values(found, x=A, w=b)[0], expected.reshape(shape), rtol=1e-5)


def test_sum_to_casts_and_expands() -> None:
    wide = x(4, 2, 3, dtype=np.float64)
    narrow = sum_to(wide, x(2, 1, name="n"))
    assert narrow.dtype == np.float32 and narrow.shape == (2, 1)
    assert sum_to(x(), x(2, 3, name="n")).shape == (2, 3)


def test_gradients_flow_through_casts_to_floats_only() -> None:
    v = x(2, 3)
    assert values(grad({cast(cast(v, np.float64), np.float32): 2.0}, [v]), x=A)[0].tolist() == [[2, 2, 2], [2, 2, 2]]


def test_nodes_of_the_gradient_belong_to_the_layer() -> None:
    v = x(2, 3)
    with origin(layer="act", place=Place("net.yaml", 7, 5)):
        y = op.Exp(v)
    found: Any = grad({y: 1.0}, [v])
    made = Graph("", {"g": found[0]}).nodes
    backward = [n.origin for n in made if n.op == "Mul"]
    assert [(o.layer, o.place, o.part) for o in backward] == [("act", Place("net.yaml", 7, 5), "backward")]


def test_an_op_without_a_rule_is_told_with_its_layer() -> None:
    v = x(2, 2)
    with origin(layer="odd", place=Place("net.yaml", 7, 5)):
        y = op.Det(v)
    with pytest.raises(GradientError, match=r"net.yaml:7:5: Layer 'odd': The op Det has no gradient.$"):
        grad({y: 1.0}, [v])
    with pytest.raises(GradientError, match=r"^The op Det has no gradient.$"):
        grad({op.Det(v): 1.0}, [v])
    assert grad({op.Det(v): 1.0}, [x(2, name="other")]) == [None]  # no rule is needed if no gradient depends on it


def test_all_ops_without_a_gradient_are_told_at_once_with_their_nodes() -> None:
    v = x(1, 1, 4, 4)
    with origin(layer="body", place=Place("net.yaml", 7, 5), node="/up"):
        y = op.Pad(v, constant([0] * 8) + op.Size(v) * 0, shape=v.shape)
    for k in range(5):
        with origin(layer="body", place=Place("net.yaml", 7, 5), node=f"/det{k}"):
            y = op.Expand(op.Det(y), [1, 1, 2, 2])
    with pytest.raises(GradientError) as e:
        grad({y: 1.0}, [v])
    assert str(e.value).splitlines() == [
        "net.yaml:7:5: Layer 'body': The op Pad has a gradient only if its pads are constants. It is the node '/up'.",
        "net.yaml:7:5: Layer 'body': The op Det has no gradient. The nodes are '/det0', '/det1', '/det2' and 2 more.",
    ]


def test_a_long_chain_does_not_recurse() -> None:
    v = x(2, 3)
    y = v
    for _ in range(3000):
        y = y + 1.0
    found: Any = grad({y: 1.0}, [v])
    assert found[0].shape == (2, 3)

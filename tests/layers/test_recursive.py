"""RecursiveTensor and RecursiveNet against a plain recursion."""

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward, net

RNG = np.random.default_rng(0)
LEAVES, W, B, V = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 6)), RNG.normal(size=3), RNG.normal(size=(3, 6, 6))
CHILD = [[0, 1], [2, 3], [5, 6], [7, 4]]  # (((0 1) (2 3)) 4)
WIDTH = [2, 1, 1, 0, 0]


def recursion(tensor: np.ndarray | float) -> np.ndarray:
    """Return the vectors of all nodes, computed one at a time."""
    nodes = list(LEAVES)
    for left, right in CHILD:
        z = np.concatenate([nodes[left], nodes[right]])
        nodes.append(np.tanh(z @ tensor @ z + W @ z + B if isinstance(tensor, np.ndarray) else W @ z + B))
    return np.array(nodes)


@about("RecursiveTensor")
def test_a_tensor_and_a_matrix() -> None:
    given = {"r.weight": W, "r.bias": B, "r.tensor": V}
    got = forward("RecursiveTensor: {name: r, bottom: [x, child, width]}", given=given, x=LEAVES, child=CHILD, width=WIDTH)["r"]
    np.testing.assert_allclose(got, recursion(V), rtol=1e-4, atol=1e-5)


@about("RecursiveNet")
def test_a_matrix_alone() -> None:
    given = {"r.weight": W, "r.bias": B}
    got = forward("RecursiveNet: {name: r, bottom: [x, child, width]}", given=given, x=LEAVES, child=CHILD, width=WIDTH)["r"]
    np.testing.assert_allclose(got, recursion(0.0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "bottoms, text",
    [
        ("[x, child, child]", "child is 4x2; the widths"),
        ("[x, width, width]", "width is 5; the children"),
        ("[y, child, width]", "y is 5;"),
    ],
)
def test_bottoms_of_other_shapes(bottoms: str, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        net(f"RecursiveNet: {{bottom: {bottoms}}}", inputs={"x": LEAVES, "y": np.ones(5), "child": CHILD, "width": WIDTH})

"""InnerProduct against its formula."""

import numpy as np
import pytest

from tests.layers.nets import about, forward, net

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(5, 12)), RNG.normal(size=5)


@about("InnerProduct")
@pytest.mark.parametrize("axis, size, shape", [(0, 24, (5,)), (1, 12, (2, 5)), (2, 4, (2, 3, 5)), (-1, 4, (2, 3, 5))])
def test_axes_that_are_flattened(axis: int, size: int, shape: tuple[int, ...]) -> None:
    w = RNG.normal(size=(5, size))
    got = forward(f"InnerProduct: {{name: ip, bottom: x, num_output: 5, axis: {axis}}}", given={"ip.weight": w, "ip.bias": B}, x=X)["ip"]
    np.testing.assert_allclose(got, (X.reshape(-1, size) @ w.T + B).reshape(shape), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis, size", [(1, 12), (2, 4)])
def test_transposed_weights(axis: int, size: int) -> None:
    w = RNG.normal(size=(5, size))
    plain, turned = (
        forward(
            f"InnerProduct: {{name: ip, bottom: x, num_output: 5, axis: {axis}, bias_term: false, transpose: {t}}}",
            given={"ip.weight": v},
            x=X,
        )["ip"]
        for t, v in (("false", w), ("true", w.T))
    )
    np.testing.assert_allclose(plain, turned, rtol=1e-5, atol=1e-6)


def test_shared_weights_are_one_parameter() -> None:
    shared = "num_output: 3, param: [{name: w}, {name: b}]"
    lowered = net(
        f"InnerProduct: {{name: one, bottom: x, {shared}}}\nInnerProduct: {{name: two, bottom: one, {shared}}}",
        inputs={"x": np.ones((2, 3))},
    )
    assert [p.node.name for p in lowered.parameters] == ["one.weight", "one.bias"]

"""Eltwise, Scale, Bias and Axpy: operations and broadcasting."""

from typing import Any

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward, gradient

X = np.arange(24.0).reshape(2, 3, 4)
FACTORS = {
    "axis: 0, num_axes: 1": (2, 1, 1),
    "axis: 1": (1, 3, 1),
    "axis: -1": (1, 1, 4),
    "axis: 1, num_axes: -1": (1, 3, 4),
    "num_axes: 0": (1, 1, 1),
}


@about("Eltwise")
def test_operations() -> None:
    a, b, c = [[1, 5, 3]], [[2, 4, 3]], [[0, 9, -1]]
    tops = {text: forward(f"Eltwise: {{bottom: [a, b, c], top: y{text}}}", a=a, b=b, c=c)["y"].tolist() for text in
            ("", ", coeff: [1, -1, 2]", ", operation: PROD", ", operation: MAX")}  # fmt: skip
    assert list(tops.values()) == [[[3, 18, 5]], [[-1, 19, -2]], [[0, 180, -9]], [[2, 9, 3]]]


def test_gradient_of_a_tie_goes_to_the_second_bottom_first() -> None:
    got = gradient("Eltwise: {bottom: [a, b, c], top: y, operation: MAX}", "y", 1, a=[[1, 2, 2]], b=[[1, 1, 2]], c=[[0, 2, 2]])
    assert [got[n].tolist() for n in "abc"] == [[[0, 1, 0]], [[1, 0, 1]], [[0, 0, 0]]]


def test_gradient_of_a_product_with_zeros() -> None:
    got = gradient("Eltwise: {bottom: [a, b], top: y, operation: PROD}", "y", 1, a=[[0, 2]], b=[[3, 0]])
    assert [got["a"].tolist(), got["b"].tolist()] == [[[3, 0]], [[0, 2]]]


def test_in_place_a_sum_keeps_both_terms() -> None:
    assert forward("Eltwise: {bottom: [a, b], top: a}", a=[[1]], b=[[2]])["a"] == [[3]]


@about("Scale", "Bias")
@pytest.mark.parametrize("text", FACTORS)
def test_learned(text: str) -> None:
    shape = FACTORS[text]
    v = 2 + np.arange(float(np.prod(shape))).reshape(shape)
    np.testing.assert_allclose(forward(f"Scale: {{name: s, bottom: x, top: y, {text}}}", given={"s.scale": v}, x=X)["y"], X * v)
    np.testing.assert_allclose(forward(f"Bias: {{name: b, bottom: x, top: y, {text}}}", given={"b.bias": v}, x=X)["y"], X + v)
    both = forward(f"Scale: {{name: s, bottom: x, top: y, bias_term: true, {text}}}", given={"s.scale": v, "s.bias": -v}, x=X)["y"]
    np.testing.assert_allclose(both, X * v - v)


def test_start() -> None:
    np.testing.assert_array_equal(forward("Scale: {bottom: x, top: y, bias_term: true}\nBias: {bottom: y, top: z}", x=X)["z"], X)


@pytest.mark.parametrize("axis, shape", [(0, (2, 3)), (1, (3,)), (1, (3, 4)), (2, (4,)), (0, ())])
def test_second_bottom(axis: int, shape: tuple[Any, ...]) -> None:
    v = 2 + np.arange(float(np.prod(shape))).reshape(shape)
    wide = v.reshape(*[1] * axis, *shape, *[1] * (3 - axis - len(shape))) if shape else v
    np.testing.assert_allclose(forward(f"Scale: {{bottom: [x, v], top: y, axis: {axis}}}", x=X, v=v)["y"], X * wide)
    np.testing.assert_allclose(forward(f"Bias: {{bottom: [x, v], top: y, axis: {axis}}}", x=X, v=v)["y"], X + wide)


@about("Axpy")
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1, 1)])
def test_axpy(shape: tuple[int, ...]) -> None:
    a, x, y = (np.random.default_rng(k).normal(size=size) for k, size in enumerate((shape, (2, 3, 4, 5), (2, 3, 4, 5))))
    got = forward("Axpy: {bottom: [a, x, y], top: z}", a=a, x=x, y=y)["z"]
    np.testing.assert_allclose(got, a.reshape(2, 3, 1, 1) * x + y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("a, y, wanted", [
    ((2, 4), (2, 3, 4, 5), "a is 2x4. Expected one number for each channel of x"),
    ((2, 3, 4, 5), (2, 3, 4, 5), "a is 2x3x4x5. Expected one number"), ((2, 3), (2, 3, 4, 1), "y is 2x3x4x1. Expected the same shape"),
])  # fmt: skip
def test_shapes_that_axpy_cannot_have(a: tuple[int, ...], y: tuple[int, ...], wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted):
        forward("Axpy: {bottom: [a, x, y], top: z}", a=np.ones(a), x=np.ones((2, 3, 4, 5)), y=np.ones(y))

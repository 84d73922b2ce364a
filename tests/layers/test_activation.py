"""Activations, Softmax and Dropout against their formulas."""

from typing import Any

import numpy as np
import pytest

from tests.layers.formulas import FORMULAS
from tests.layers.nets import about, forward, gradient

X = np.array([[-2, -0.5, 0, 0.5], [3, -30, 30, 1]])


def activate(layer: str, phase: str = "TRAIN", **given: Any) -> np.ndarray:
    kind, _, fields = layer.partition(" ")
    return forward(f"{kind}: {{name: a, bottom: x, top: y{fields and ', ' + fields}}}", phase, given=given, x=X)["y"]


@about(*FORMULAS)
@pytest.mark.parametrize("kind, fields", [(kind, fields) for kind, rows in FORMULAS.items() for fields, _ in rows])
def test_formula(kind: str, fields: str) -> None:
    formula = dict(FORMULAS[kind])[fields]
    np.testing.assert_allclose(activate(f"{kind} {fields}".strip()), formula(X), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("layer, x, slope", [
    ("Clip: {bottom: x, top: y, min: -1, max: 2}", [-2, -1, 0, 2, 3], [0, 1, 1, 1, 0]),
    ("AbsVal: {bottom: x, name: y}", [-2, 0, 3], [-1, 0, 1]),
    ("BNLL: {bottom: x, top: y}", [-200, 0, 200], [0, 0.5, 1]),
    ("Power: {bottom: x, name: y, power: 2}", [-1, 0, 2], [-2, 0, 4]),
])  # fmt: skip
def test_gradients_on_kinks_and_far_away(layer: str, x: list[int], slope: list[float]) -> None:
    np.testing.assert_allclose(gradient(layer, "y", 1, x=x)["x"], slope, atol=1e-7)


@about("PReLU")
def test_learned_slopes() -> None:
    got = forward("PReLU: {name: p, bottom: x, top: y}", given={"p.slope": [1, 0.5, 0, -1]}, x=X)["y"]
    np.testing.assert_allclose(got, np.array([[-2, -0.25, 0, 0.5], [3, -15, 30, 1]]))
    np.testing.assert_allclose(forward("PReLU: {bottom: x, top: y}", x=X)["y"], np.where(X > 0, X, 0.25 * X))
    shared = forward("PReLU: {name: p, bottom: x, top: y, channel_shared: true}", given={"p.slope": 2}, x=X)["y"]
    np.testing.assert_allclose(shared, np.where(X > 0, X, 2 * X))


@pytest.mark.parametrize("layer, at_zero", [("ReLU", 0), ("ReLU negative_slope: 0.1", 0.1), ("PReLU", 0.25), ("ELU", 1)])
def test_gradient_at_zero_is_that_of_the_negative_side(layer: str, at_zero: float) -> None:
    kind, _, fields = layer.partition(" ")
    got = gradient(f"{kind}: {{bottom: x, top: y{fields and ', ' + fields}}}", "y", 1, x=[[0, 0]])
    np.testing.assert_allclose(got["x"], [[at_zero] * 2], rtol=1e-6)


@about("Softmax")
def test_softmax() -> None:
    np.testing.assert_allclose(activate("Softmax").sum(1), 1, rtol=1e-6)
    x = np.log(np.array([[1.0, 2, 5], [7, 2, 1]]))
    for shift in (0, 80, -80):  # a shift changes nothing and causes no overflow
        np.testing.assert_allclose(
            forward("Softmax: {bottom: x, top: y}", x=x + shift)["y"], [[1 / 8, 2 / 8, 5 / 8], [0.7, 0.2, 0.1]], rtol=1e-4
        )
    np.testing.assert_allclose(
        forward("Softmax: {bottom: x, top: y, axis: 0}", x=x)["y"], [[1 / 8, 0.5, 5 / 6], [7 / 8, 0.5, 1 / 6]], rtol=1e-5
    )


@about("Dropout")
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.75])
def test_dropout_keeps_the_mean(ratio: float) -> None:
    y = forward(f"Dropout: {{bottom: x, top: y, dropout_ratio: {ratio}}}", x=np.ones((100, 100)))["y"]
    kept = y != 0
    assert abs(kept.mean() - (1 - ratio)) < 3 * np.sqrt(ratio * (1 - ratio) / y.size)
    np.testing.assert_allclose(y[kept], 1 / (1 - ratio), rtol=1e-6)


@pytest.mark.parametrize("ratio", [0.2, 0.5])
def test_dropout_of_fast_rcnn_scales_in_testing(ratio: float) -> None:
    layer, x = f"Dropout: {{bottom: x, top: y, dropout_ratio: {ratio}, scale_train: false}}", np.full((50, 40), 3.0)
    np.testing.assert_allclose(forward(layer, "TEST", x=x)["y"], 3 * (1 - ratio), rtol=1e-6)
    trained = forward(layer, x=x)["y"]
    assert np.allclose(trained[trained > 0], 3) and abs((trained == 0).mean() - ratio) < 0.05


def test_dropout_in_testing_is_the_identity() -> None:
    np.testing.assert_array_equal(activate("Dropout", "TEST"), X)
    np.testing.assert_array_equal(activate("Dropout dropout_ratio: 0"), X)


def test_the_gradient_of_relu6_at_zero_is_the_slope() -> None:
    x = np.array([[-1, 0, 1, 5.9, 6.1]])
    for fields, wanted in (("", [0, 0, 1, 1, 0]), (", negative_slope: 0.5", [0.5, 0.5, 1, 1, 0])):
        np.testing.assert_array_equal(gradient(f"ReLU6: {{bottom: x, top: y{fields}}}", "y", 1, x=x)["x"], [wanted])

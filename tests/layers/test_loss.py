"""Losses and metrics: their formulas, normalizations, weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.layers.nets import about, forward, gradient

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def cross_entropy(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-log softmax(x)[label] for each label, classes on axis 1."""
    log = x - np.log(np.exp(x).sum(1, keepdims=True))
    return -np.take_along_axis(log, np.expand_dims(labels, 1), 1).squeeze(1)


def softmax_loss(text: str = "", **inputs: Any) -> float:
    return float(forward(f"SoftmaxWithLoss: {{bottom: [x, label], top: loss{text}}}", **inputs)["loss"])


X, LABELS = normal(2, 5, 3, 2), RNG.integers(0, 5, (2, 3, 2))
COUNTED = LABELS != 1


@about("SoftmaxWithLoss")
@pytest.mark.parametrize("normalization, divisor", [("FULL", 12), ("VALID", COUNTED.sum()), ("BATCH_SIZE", 2), ("NONE", 1)])
def test_normalization(normalization: str, divisor: int | np.int64) -> None:
    text = f", normalization: {normalization}, ignore_label: 1"
    expected = (cross_entropy(X, LABELS) * COUNTED).sum() / divisor
    assert softmax_loss(text, x=X, label=LABELS) == pytest.approx(expected, rel=1e-5)


def test_default_normalization() -> None:
    assert softmax_loss(x=X, label=LABELS) == pytest.approx(cross_entropy(X, LABELS).mean(), rel=1e-5)
    old = softmax_loss(", normalize: false", x=X, label=LABELS)
    assert old == pytest.approx(cross_entropy(X, LABELS).sum() / 2, rel=1e-5)


def test_ignoring_each_label_in_turn_leaves_the_other_four() -> None:
    total = softmax_loss(", normalize: false", x=X, label=LABELS)
    parts = [softmax_loss(f", normalize: false, ignore_label: {k}", x=X, label=LABELS) for k in range(5)]
    assert sum(parts) == pytest.approx(4 * total, abs=1e-4)


def test_all_ignored() -> None:
    assert softmax_loss(", ignore_label: 3", x=normal(2, 4), label=[3, 3]) == 0


def test_probabilities_and_a_gradient_that_does_not_blow_up() -> None:
    layers = "SoftmaxWithLoss: {bottom: [x, label], top: [loss, prob]}"
    x = [[0, 1000, 0]]
    got = forward(layers, x=x, label=[0])
    np.testing.assert_allclose(got["prob"], [[0, 1, 0]])
    assert got["loss"] == pytest.approx(-np.log(np.finfo(np.float32).tiny), rel=1e-5)  # log 0 is limited to the log of the smallest float
    np.testing.assert_allclose(gradient(layers, "loss", 1, x=x, label=[0])["x"], [[-1, 1, 0]])


@pytest.mark.parametrize("weight", [2, 0, 1, -1, -2.5, 3.7])
def test_loss_weight(weight: float) -> None:
    layers = f"SoftmaxWithLoss: {{bottom: [x, label], top: loss, loss_weight: {weight}}}"
    got = forward(layers, x=X, label=LABELS)
    assert float(got["loss"]) == pytest.approx(cross_entropy(X, LABELS).mean(), rel=1e-5)
    assert float(got.get("loss/total", 0)) == pytest.approx(weight * float(got["loss"]), rel=1e-5, abs=1e-7)


def test_a_weight_on_a_blob_in_the_middle() -> None:
    got = forward("TanH: {bottom: x, top: h, loss_weight: 0.5}\nEuclideanLoss: {bottom: [h, t], top: loss}", x=normal(3, 2), t=normal(3, 2))
    assert got["loss/total"] == pytest.approx(0.5 * got["h"].sum() + got["loss"], rel=1e-5)


@about("SigmoidCrossEntropyLoss")
@pytest.mark.parametrize("text, mask, divisor", [
    ("", 1, 4), (", normalization: FULL", 1, 12), (", normalization: NONE", 1, 1),
    (", normalization: VALID, ignore_label: -1", "counted", "counted"),
])  # fmt: skip
def test_sigmoid_cross_entropy(text: str, mask: int | str, divisor: int | str) -> None:
    x, t = 5 * normal(4, 3), RNG.random((4, 3))
    if mask == "counted":
        t[0] = -1
        mask, divisor = t != -1, 9
    s = 1 / (1 + np.exp(-x))
    expected = -(mask * (t * np.log(s) + (1 - t) * np.log(1 - s))).sum() / divisor
    got = forward(f"SigmoidCrossEntropyLoss: {{bottom: [x, t], top: loss{text}}}", x=x, t=t)["loss"]
    assert got == pytest.approx(expected, rel=1e-5)


def test_sigmoid_cross_entropy_does_not_overflow() -> None:
    got = forward("SigmoidCrossEntropyLoss: {bottom: [x, t], top: loss}", x=[[200, -200]], t=[[1, 0]])
    assert got["loss"] == 0


@about("EuclideanLoss")
def test_euclidean() -> None:
    got = forward("EuclideanLoss: {bottom: [a, b], top: loss}", a=[[1, 2], [3, 4]], b=[[1, 0], [0, 0]])
    assert got["loss"] == pytest.approx((4 + 9 + 16) / (2 * 2))
    d = gradient("EuclideanLoss: {bottom: [a, b], top: loss}", "loss", 1, a=[[1, 2], [3, 4]], b=[[1, 0], [0, 0]])
    np.testing.assert_allclose(d["a"], np.array([[0, 1], [1.5, 2]]))
    np.testing.assert_allclose(d["b"], -d["a"])


@about("MultinomialLogisticLoss")
def test_multinomial() -> None:
    p, label = [[0.2, 0.8], [0.5, 0.5], [1, 0]], [1, 0, 1]
    layer = "MultinomialLogisticLoss: {bottom: [p, label], top: loss}"
    assert forward(layer, p=p, label=label)["loss"] == pytest.approx(-(np.log(0.8) + np.log(0.5) + np.log(1e-20)) / 3)
    np.testing.assert_allclose(gradient(layer, "loss", 1, p=p, label=label)["p"], [[0, -1 / 2.4], [-1 / 1.5, 0], [0, -1e20 / 3]], rtol=1e-6)


@about("InfogainLoss")
def test_infogain(tmp_path: Path) -> None:
    """With the identity matrix, it equals SoftmaxWithLoss. The matrix can come from a file."""
    x, label = RNG.normal(size=(4, 3)), [0, 2, 1, 2]
    plain = forward("SoftmaxWithLoss: {bottom: [x, label], top: loss, ignore_label: 1}", x=x, label=label)["loss"]
    layer = "InfogainLoss: {bottom: [x, label, gain], top: [loss, prob], ignore_label: 1}"
    got = forward(layer, x=x, label=label, gain=np.eye(3))
    assert got["loss"] == pytest.approx(plain)
    np.testing.assert_allclose(got["prob"].sum(1), 1, rtol=1e-6)
    gain = np.array([[1, 0.5, 0], [0, 2, 0], [0.25, 0, 1]])
    logs = np.log(got["prob"])
    expected = -sum(gain[k] @ row for k, row in zip(label, logs, strict=True)) / 4
    np.save(tmp_path / "h.npy", gain)
    layer = f"InfogainLoss: {{bottom: [x, label], top: loss, source: '{tmp_path}/h.npy'}}"
    assert forward(layer, x=x, label=label)["loss"] == pytest.approx(expected)


def accuracy(text: str, x: list[list[int]] | np.ndarray, label: Sequence[int | list[int]]) -> float:
    return float(forward(f"Accuracy: {{bottom: [x, label], top: a{text}}}", "TEST", x=x, label=label)["a"])


@about("Accuracy")
def test_accuracy() -> None:
    x, label = [[1, 2, 3], [3, 2, 1], [1, 3, 2], [9, 0, 1]], [2, 0, 2, 1]
    assert accuracy("", x, label) == 0.5
    assert accuracy(", top_k: 2", x, label) == 0.75
    assert accuracy(", top_k: 3", x, label) == 1
    assert accuracy(", ignore_label: 2", x, label) == 0.5
    assert accuracy(", ignore_label: 2", x, [2, 2, 2, 2]) == 0
    assert accuracy("", [[1, 1, 1]], [0]) == 0  # a tie counts against the label
    assert accuracy(", axis: 2", np.transpose([x] * 2, (0, 1, 2)), [label] * 2) == 0.5


def test_accuracy_of_each_class() -> None:
    got = forward("Accuracy: {bottom: [x, label], top: [a, each]}", "TEST", x=[[1, 2, 0], [3, 2, 0], [1, 3, 2]], label=[1, 1, 0])
    np.testing.assert_allclose(got["each"], [0, 0.5, 0])
    assert got["a"] == pytest.approx(1 / 3)

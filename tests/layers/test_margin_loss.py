"""Losses with a margin against their formulas."""

import numpy as np
import pytest

from tests.layers.nets import about, forward, gradient

SCORES, LABELS = np.array([[2, -3, 0.5], [0, 0.25, -0.5]]), [0, 2]


@about("HingeLoss")
@pytest.mark.parametrize("norm, power", [("L1", 1), ("L2", 2)])
def test_hinge(norm: str, power: int) -> None:
    side = np.array([[1, -1, -1], [-1, -1, 1]])
    expected = (np.maximum(0, 1 - side * SCORES) ** power).sum() / 2
    assert forward(f"HingeLoss: {{bottom: [x, label], norm: {norm}, top: loss}}", x=SCORES, label=LABELS)["loss"] == pytest.approx(expected)


A, B, SIMILAR = np.array([[1.0, 2], [0, 0], [3, 4], [5, 5]]), np.array([[1.0, 0], [0.6, 0.8], [0, 0], [5, 5]]), [1, 0, 0, 0]


@about("ContrastiveLoss")
@pytest.mark.parametrize("fields, expected", [
    ("", [4, 0, 0, 1]),
    (", margin: 2", [4, 1, 0, 4]),
    (", margin: 2, legacy_version: true", [4, 1, 0, 2]),
])  # fmt: skip
def test_contrastive(fields: str, expected: list[int]) -> None:
    got = forward(f"ContrastiveLoss: {{bottom: [a, b, label], top: loss{fields}}}", a=A, b=B, label=SIMILAR)["loss"]
    assert got == pytest.approx(sum(expected) / 8)


def test_equal_rows_have_a_gradient() -> None:
    d = gradient("ContrastiveLoss: {bottom: [a, b, label], top: loss}", "loss", 1, a=A, b=B, label=SIMILAR)
    np.testing.assert_allclose(d["a"], np.array([[0, 0.5], [0, 0], [0, 0], [0, 0]]), atol=1e-4)
    np.testing.assert_allclose(d["b"], -d["a"])
    assert "label" not in d

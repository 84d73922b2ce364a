"""MatMul against NumPy."""

from typing import Any

import numpy as np
import pytest

from tests.layers.nets import about, forward
from tests.layers.test_errors import check_error

RNG = np.random.default_rng(0)


@about("MatMul")
@pytest.mark.parametrize("fields, a, b, formula", [
    ("", (3, 4), (4, 5), "ij,jk->ik"),
    ("", (2, 3, 4), (2, 4, 5), "nij,njk->nik"),
    ("transpose_a: true", (2, 4, 3), (4, 5), "nji,jk->nik"),
    ("transpose_b: true", (2, 1, 3, 4), (6, 5, 4), "nzij,mkj->nmik"),
    ("transpose_a: true, transpose_b: true", (4, 3), (2, 5, 4), "ji,nkj->nik"),
])  # fmt: skip
def test_products(fields: str, a: Any, b: Any, formula: str) -> None:
    x = {"a": RNG.normal(size=a), "b": RNG.normal(size=b)}
    got = forward(f"MatMul: {{bottom: [a, b], top: y, {fields}}}", **x)["y"]
    np.testing.assert_allclose(got, np.einsum(formula, x["a"], x["b"]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fields, said", [
    ("bottom: [a, b]", "they are 4 and 5 (a 2x3x4 and b 2x5x4)."),
    ("bottom: [a, c], transpose_b: true", "they are 4 and 3 after transposing (a 2x3x4 and c 3x3)."),
    ("bottom: [a, v]", "Expected 2 axes or more, got a 2x3x4 and v 4."),
    ("bottom: [a, d]", "The axes before the last two must be equal or 1, got a 2x3x4 and d 3x4x2."),
])  # fmt: skip
def test_errors(fields: str, said: str) -> None:
    shapes = {"a": (2, 3, 4), "b": (2, 5, 4), "c": (3, 3), "d": (3, 4, 2), "v": (4,)}
    check_error(f"MatMul: {{{fields}}}", "bottom", said, {n: np.ones(s) for n, s in shapes.items()})

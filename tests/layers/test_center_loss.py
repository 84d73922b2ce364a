"""CenterLoss: the loss, and the two gradients of Wen et al. 2016, of which that of the centres is not the derivative."""

import numpy as np
import pytest

from netc.compiler.lower import lower
from netc.net.resolve import resolve
from netc.spec import parse_yaml
from tests.layers.nets import about, forward, gradient

RNG = np.random.default_rng(0)
X, LABELS, CENTERS = RNG.normal(size=(5, 4)).astype(np.float32), np.array([0, 2, 0, 0, 2]), RNG.normal(size=(3, 4)).astype(np.float32)


@about("CenterLoss")
@pytest.mark.parametrize("weight", [1, 0.008])
def test_loss_and_gradients(weight: float) -> None:
    layer = f"CenterLoss: {{bottom: [x, label], top: y, name: c, num_output: 3, loss_weight: {weight}}}"
    far = X - CENTERS[LABELS]
    got = forward(layer, given={"c.center": CENTERS}, x=X, label=LABELS)
    np.testing.assert_allclose(got["y"], (far**2).sum() / 10, rtol=1e-6)
    found = gradient(layer, "y", np.asarray(weight), {"c.center": CENTERS}, x=X, label=LABELS)
    np.testing.assert_allclose(found["x"], weight * far / 5, rtol=1e-5)
    pulled = np.zeros_like(CENTERS)
    for k in range(3):
        own = np.equal(LABELS, k)
        pulled[k] = -far[own].sum(0) / (1 + own.sum())
    np.testing.assert_allclose(found["c.center"], pulled, rtol=1e-5, atol=1e-6)


def test_any_batch() -> None:
    text = "layers:\n  - Input: {top: [x, label], shape: [{dim: [5, 2, 2]}, {dim: [5]}]}\n  - CenterLoss: {num_output: 3}"
    assert lower(resolve(parse_yaml(text)), "N").loss is not None

"""Losses of numbers: their values by scikit-learn's deviances and by formula, weights, exposures, and what they refuse."""

from typing import Any

import numpy as np
import pytest

from netc.errors import SpecError
from netc.net.model import TEST
from netc.net.resolve import resolve
from netc.net.variants import deployed
from netc.spec import parse_yaml
from tests.layers.nets import about, forward, gradient

RANDOM = np.random.default_rng(0)
SCORES, COUNTS, WEIGHTS = RANDOM.normal(1, 1, 40), RANDOM.poisson(3, 40), RANDOM.integers(0, 4, 40) / 2
AMOUNTS = np.where(RANDOM.random(40) < 0.4, 0, RANDOM.gamma(2, 50, 40))


def loss(layer: str, more: str = "", **inputs: Any) -> float:
    bottoms = ", ".join(inputs)
    return float(forward(f"{layer}: {{bottom: [{bottoms}], top: loss{more}}}", **inputs)["loss"])


@about("PoissonLoss", "GammaLoss", "TweedieLoss")
@pytest.mark.parametrize("layer, labels, power, more", [
    ("PoissonLoss", COUNTS, 1, ""), ("GammaLoss", AMOUNTS + 0.5, 2, ""), ("TweedieLoss", AMOUNTS, 1.5, ""),
    ("TweedieLoss", AMOUNTS, 1.1, ", power: 1.1"), ("TweedieLoss", AMOUNTS, 1.9, ", power: 1.9"),
])  # fmt: skip
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_half_the_deviance(layer: str, labels: np.ndarray, power: float, more: str, weights: np.ndarray | None) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="pip install scikit-learn")
    expected = metrics.mean_tweedie_deviance(labels, np.exp(SCORES), power=power, sample_weight=weights) / 2
    third: dict[str, Any] = {} if weights is None else {"weight": weights}
    assert loss(layer, more, x=SCORES[:, None], label=labels, **third) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("layer", ["PoissonLoss", "GammaLoss", "TweedieLoss"])
def test_a_perfect_prediction_has_no_loss(layer: str) -> None:
    labels = np.array([0.001, 1, 7, 1e6])
    assert loss(layer, x=np.log(labels), label=labels) == pytest.approx(0, abs=1e-6)


def test_no_count_has_a_finite_gradient_at_any_score() -> None:
    found = gradient("PoissonLoss: {bottom: [x, label], top: loss}", "loss", 2, x=[60.0, -60.0], label=[0, 3])["x"]
    np.testing.assert_allclose(found, [np.exp(60), -3], rtol=1e-5)


def test_exposures_multiply_the_expected_count() -> None:
    exposure = RANDOM.random(40) + 0.5
    layer = "PoissonLoss: {bottom: [x, label, exposure], top: [loss, count], exposure: true}"
    found = forward(layer, x=SCORES, label=COUNTS, exposure=exposure)
    np.testing.assert_allclose(found["count"][:, 0], exposure * np.exp(SCORES), rtol=1e-5)
    assert found["loss"] == pytest.approx(loss("PoissonLoss", x=SCORES + np.log(exposure), label=COUNTS), rel=1e-5)
    # A count with an exposure weighs as much as a rate with the exposure as its weight.
    both = forward("PoissonLoss: {bottom: [x, label, weight, exposure], top: loss, exposure: true}",
                   x=SCORES, label=COUNTS, weight=WEIGHTS, exposure=exposure)["loss"]  # fmt: skip
    rates = loss("PoissonLoss", x=SCORES, label=COUNTS / exposure, weight=WEIGHTS * exposure)
    assert both * WEIGHTS.sum() == pytest.approx(rates * (WEIGHTS * exposure).sum(), rel=1e-5)


@pytest.mark.parametrize("layer, sentence", [
    ("PoissonLoss: {bottom: [x, label], exposure: true}", "there is no bottom with the exposures"),
    ("PoissonLoss: {bottom: [x, label, x, label]}", "Set `exposure: true`, or remove it"),
    ("PoissonLoss: {bottom: [x, label, pair]}", "pair is 4x2. Expected one number for each of 4 rows"),
    ("PoissonLoss: {bottom: [pair, label]}", "pair 4x2 and label 4 differ in size"),
    ("QuantileLoss: {bottom: [pair, label], quantile: [0.1, 0.5, 0.9]}", "For 3 quantiles it must have 3 scores in each row"),
    ("QuantileLoss: {bottom: [pair, pair], quantile: [0.1, 0.9]}", "For several quantiles it must hold one number a row"),
])  # fmt: skip
def test_bottoms_that_do_not_fit(layer: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence.replace("[", r"\[")):
        forward(layer, x=np.zeros(4), label=np.ones(4), pair=np.ones((4, 2)))


@about("QuantileLoss")
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_quantiles(weights: np.ndarray | None) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="pip install scikit-learn")
    x = RANDOM.normal(3, 2, (40, 3))
    third: dict[str, Any] = {} if weights is None else {"weight": weights}
    each = [metrics.mean_pinball_loss(COUNTS, x[:, k], alpha=q, sample_weight=weights) for k, q in enumerate((0.1, 0.5, 0.9))]
    assert loss("QuantileLoss", ", quantile: [0.1, 0.5, 0.9]", x=x, label=COUNTS, **third) == pytest.approx(sum(each), rel=1e-5)
    assert loss("QuantileLoss", x=x[:, 1], label=COUNTS, **third) == pytest.approx(each[1], rel=1e-5)


def test_the_best_constant_is_the_quantile() -> None:
    at = {q: loss("QuantileLoss", ", quantile: 0.8", x=np.full(100, q), label=np.arange(100)) for q in (70.0, 79.5, 90.0)}
    assert min(at, key=lambda q: at[q]) == 79.5


@about("HuberLoss")
def test_huber() -> None:
    found = [loss("HuberLoss", ", delta: 2", x=[[x]], label=[0]) for x in (0, 1, -1.5, 2, 5, -5)]
    assert found == pytest.approx([0, 0.5, 1.125, 2, 8, 8])
    weighted = loss("HuberLoss", ", delta: 2", x=[[1.0], [5.0]], label=[0, 0], weight=[3, 1])
    assert weighted == pytest.approx((3 * 0.5 + 8) / 4)


@pytest.mark.parametrize("loss_layer, kind", [
    ("PoissonLoss: {bottom: [x, label], top: [loss, visits]}", "visits"), ("GammaLoss: {bottom: [x, label]}", "prediction"),
    ("QuantileLoss: {bottom: [x, label]}", "x"), ("HuberLoss: {bottom: [x, label]}", "x"),
])  # fmt: skip
def test_the_deployed_net_gives_expected_values(loss_layer: str, kind: str) -> None:
    inputs = "  - Input: {name: data, top: [raw, label], shape: [{dim: [4, 2]}, {dim: [4]}]}\n"
    text = f"layers:\n{inputs}  - InnerProduct: {{bottom: raw, top: x, num_output: 1}}\n  - {loss_layer}\n"
    assert deployed(resolve(parse_yaml(text), TEST)).outputs == [kind]


@about("SmoothL1Loss")
@pytest.mark.parametrize("sigma", [1, 3, 0.5])
@pytest.mark.parametrize("weights", [0, 1, 2])
def test_smooth_l1(weights: int, sigma: float) -> None:
    """What Fast R-CNN's smooth_L1_loss_layer.cu computes."""
    a, b, *more = RANDOM.normal(0, 2, (4, 5, 8, 2, 1))
    distance = (a - b) * (more[0] if weights else 1)
    far = np.abs(distance)
    each = np.where(far < 1 / sigma**2, 0.5 * (sigma * distance) ** 2, far - 0.5 / sigma**2) * (more[1] if weights == 2 else 1)
    inputs = dict(zip(("a", "b", "inside", "outside")[: 2 + weights], (a, b, *more), strict=False))
    assert loss("SmoothL1Loss", f", sigma: {sigma}", **inputs) == pytest.approx(each.sum() / 5, rel=1e-5)

"""Ensembles that share their layers: the mean of the members' losses, the loss of their averaged prediction; the source decides."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.compiler.lower import lower
from netc.errors import SpecError
from netc.net.model import TEST
from netc.net.resolve import resolve
from netc.net.variants import deployed
from netc.spec import load
from netc.training.feed import Feeder
from tests.layers.nets import Arrays, about, evaluate, forward, net, states
from tests.small_nets import log, netc

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(20, 4, 3))
CLASSES, MARKS = RANDOM.integers(0, 3, 20), RANDOM.integers(0, 2, (20, 3))
WEIGHT = RANDOM.integers(0, 4, 20) / 2


def softmax(x: np.ndarray) -> np.ndarray:
    raised = np.exp(x)
    shares: np.ndarray = raised / raised.sum(-1, keepdims=True)
    return shares


def member_loss(loss: str, label: Any, phase: str, x: np.ndarray = X, weight: np.ndarray | None = None, more: str = "") -> Arrays:
    inputs = {"x": x, "label": label} | ({} if weight is None else {"weight": weight})
    layer = f"MemberLoss: {{bottom: [{', '.join(inputs)}], top: [loss, prediction], loss: {loss}{more}}}"
    return forward(layer, phase, {}, **inputs)


@about("MemberLoss")
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_classes(weight: np.ndarray | None) -> None:
    """Training takes the mean of the members' losses, a test the loss of the mean of their probabilities."""
    p, rows = softmax(X), np.arange(20)
    w = np.ones(20) if weight is None else weight
    found = member_loss("SOFTMAX", CLASSES, "TRAIN", weight=weight)
    assert found["loss"] == pytest.approx((w * -np.log(p[rows, :, CLASSES]).mean(1)).sum() / w.sum(), rel=1e-5)
    np.testing.assert_allclose(found["prediction"], p.mean(1), rtol=1e-5)
    found = member_loss("SOFTMAX", CLASSES, "TEST", weight=weight)
    assert found["loss"] == pytest.approx((w * -np.log(p.mean(1)[rows, CLASSES])).sum() / w.sum(), rel=1e-5)
    np.testing.assert_allclose(found["prediction"], p.mean(1), rtol=1e-5)


def test_several_labels() -> None:
    def cross(p: np.ndarray, t: np.ndarray) -> np.ndarray:
        each: np.ndarray = -(t * np.log(p) + (1 - t) * np.log(1 - p))
        return each

    p = 1 / (1 + np.exp(-X))
    found = member_loss("SIGMOID", MARKS, "TRAIN")
    assert found["loss"] == pytest.approx(cross(p, MARKS[:, None]).sum(2).mean(), rel=1e-5)
    found = member_loss("SIGMOID", MARKS, "TEST")
    assert found["loss"] == pytest.approx(cross(p.mean(1), MARKS).sum(1).mean(), rel=1e-5)
    np.testing.assert_allclose(found["prediction"], p.mean(1), rtol=1e-5)


@pytest.mark.parametrize("loss, plain, more", [
    ("SQUARED", "EuclideanLoss", ""), ("HUBER", "HuberLoss", ", delta: 0.5"), ("QUANTILE", "QuantileLoss", ", quantile: 0.9"),
    ("POISSON", "PoissonLoss", ""), ("GAMMA", "GammaLoss", ""), ("TWEEDIE", "TweedieLoss", ", power: 1.3"),
])  # fmt: skip
def test_numbers_have_the_losses_of_the_plain_layers(loss: str, plain: str, more: str) -> None:
    label = RANDOM.gamma(2, 1, (20, 3))
    by_member = [forward(f"{plain}: {{bottom: [x, y], top: loss{more}}}", x=X[:, k], y=label)["loss"] for k in range(4)]
    assert member_loss(loss, label, "TRAIN", more=more)["loss"] == pytest.approx(np.mean(by_member), rel=1e-5)
    positive = loss in ("POISSON", "GAMMA", "TWEEDIE")
    mean = np.exp(X).mean(1) if positive else X.mean(1)
    expected = forward(f"{plain}: {{bottom: [x, y], top: loss{more}}}", x=np.log(mean) if positive else mean, y=label)["loss"]
    found = member_loss(loss, label, "TEST", more=more)
    assert found["loss"] == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(found["prediction"], mean, rtol=1e-5, atol=1e-6)


def test_large_scores_neither_overflow_nor_lose_digits() -> None:
    x = np.array([[[300.0, -300.0], [-200.0, 200.0]]])
    found = member_loss("SOFTMAX", [0], "TEST", x=x)
    assert found["loss"] == pytest.approx(np.log(2), rel=1e-6)
    np.testing.assert_allclose(found["prediction"], [[0.5, 0.5]])
    assert member_loss("SOFTMAX", [0], "TEST", x=-np.abs(x) * [1, -1])["loss"] == pytest.approx(400 + np.log(2), rel=1e-6)
    found = member_loss("SIGMOID", [[1, 0]], "TEST", x=x)
    assert found["loss"] == pytest.approx(2 * np.log(2), rel=1e-6)


def test_several_quantiles() -> None:
    label = RANDOM.normal(size=20)
    plain = forward("QuantileLoss: {bottom: [x, y], top: loss, quantile: [0.1, 0.5, 0.9]}", x=X.mean(1), y=label)["loss"]
    found = member_loss("QUANTILE", label, "TEST", more=", quantile: [0.1, 0.5, 0.9]")
    assert found["loss"] == pytest.approx(float(plain), rel=1e-5)


@about("Members", "MemberHead")
def test_members_differ_by_learned_signs() -> None:
    layers = "Members: {bottom: x, k: 3}\nMemberHead: {num_output: 2}"
    x = RANDOM.normal(size=(5, 4))
    made = states(net(layers, TEST, {"x": x}))
    signs, weight, bias = made["members1.weight"], made["head.weight"], made["head.bias"]
    assert signs.shape == (3, 4) and set(signs.reshape(-1)) == {-1, 1} and weight.shape == (6, 4) and not bias.any()
    found = forward(layers, TEST, x=x)
    np.testing.assert_allclose(found["members1"], x[:, None] * signs)
    np.testing.assert_allclose(found["head"], np.einsum("nkw,kcw->nkc", found["members1"], weight.reshape(3, 2, 4)), rtol=1e-5, atol=1e-6)
    assert np.abs(weight).max() <= np.sqrt(3 / 4) and np.abs(weight).max() > 0.5  # xavier, by the width of a row


@pytest.mark.parametrize("layers, sentence", [
    ("Members: {bottom: pair}", "Expected rows (N, W), for example after Flatten"),
    ("Members: {bottom: x, k: 0}", "`k` is 0. Expected 1 member or more."),
    ("MemberHead: {bottom: x, num_output: 1}", "Expected (N, k, W), from the layers after Members"),
    ("MemberHead: {bottom: pair}", "`num_output` is missing. No data source describes 'label'."),
    ("MemberLoss: {bottom: [pair, label]}", "No data source describes 'label', so `loss` has no default."),
    ("MemberLoss: {bottom: [x, label], loss: SQUARED}", "Expected (N, k, outputs), from MemberHead"),
    ("MemberLoss: {bottom: [pair, label], loss: SQUARED}", "label is 4, but pair 4x2x3 has 3 outputs for each member. The layer "
     "that writes 'pair' needs a `num_output` of 1."),
    ("MemberLoss: {bottom: [pair, x], loss: SOFTMAX}", "x is 4x2. Expected one label a row."),
    ("MemberLoss: {bottom: [pair, label], loss: QUANTILE, quantile: [0.1, 0.9]}", "needs a `num_output` of 2."),
    ("MemberLoss: {bottom: [pair, label], loss: SOFTMAX, power: 1.2}", "`power` has no effect on the loss SOFTMAX."),
])  # fmt: skip
def test_what_does_not_fit(layers: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        forward(layers, x=np.zeros((4, 2)), pair=np.zeros((4, 2, 3)), label=np.zeros(4))
    assert sentence in str(caught.value)


NET = """\
name: ensemble
layers:
  - Data: {{source: rows.csv, batch_size: 8, test_batch_size: 7, test_fraction: 0.25, regression: {regression}}}
  - Standardize
  - Members: {{k: 3}}
  - InnerProduct: {{num_output: 6, axis: 2, weight_filler: xavier}}
  - ReLU
  - MemberHead
  - MemberLoss: {{top: [loss, {top}]{loss}}}
  - {metric}: {{bottom: [{top}, label]}}
solver: {{type: Adam, base_lr: 0.02, max_epoch: 30, monitor: loss}}
"""
KINDS = [("false", "prob", "", "Accuracy"), ("true", "price", "", "R2"), ("true", "price", ", loss: POISSON", "R2")]


def table(folder: Path, regression: str) -> None:
    x = RANDOM.normal(size=(80, 2))
    y = 3000 + 400 * x[:, 0] if regression == "true" else (x[:, 0] + x[:, 1] > 0).astype(int)
    lines = ["a,b,label", *(f"{a},{b},{label}" for (a, b), label in zip(x.tolist(), y.tolist(), strict=True))]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")


@about("MemberMean")
@pytest.mark.parametrize("regression, top, loss, metric", KINDS)
def test_the_source_decides_and_the_deployed_net_has_the_units_of_the_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, regression: str, top: str, loss: str, metric: str
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path, regression)
    path = tmp_path / "net.yaml"
    path.write_text(NET.format(regression=regression, top=top, loss=loss, metric=metric))
    assert netc("train", path, "--runs", tmp_path / "runs", "--no-publish").exit_code == 0
    last = [line for line in log(tmp_path / "runs/ensemble/1") if metric.lower() in line][-1]
    assert last[metric.lower()] > 0.9

    tested = resolve(load("net.yaml"), TEST)
    lowered, raw = lower(tested), lower(deployed(tested))
    assert list(raw.graph.outputs) == [f"out/{top}"]
    fed = {n.removeprefix("batch/"): a for n, a in Feeder(tested, lowered.graph, 0, ".")(0).items()}
    values = [evaluate(made, {top: made.versions[top][-1]}, fed, states(lowered))[top] for made in (lowered, raw)]
    np.testing.assert_array_equal(values[0], values[1])
    assert values[0].shape == (7, 2 if top == "prob" else 1) and (values[0].mean() > 1000) == (top == "price")

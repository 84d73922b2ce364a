"""Cross entropy with weights of rows and classes, smoothed labels, and the focal loss."""

from typing import Any

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward, net

RANDOM = np.random.default_rng(0)
X, LABEL, WEIGHT = RANDOM.normal(size=(12, 3)), RANDOM.integers(0, 3, 12), RANDOM.integers(0, 4, 12) / 2
LOG = X - np.log(np.exp(X).sum(1, keepdims=True))
OWN = LOG[np.arange(12), LABEL]


def loss(layer: str, more: str = "", **inputs: Any) -> float:
    return float(forward(f"{layer}: {{bottom: [{', '.join(inputs)}], top: [loss, prob]{more}}}", **inputs)["loss"])


def test_weights_of_rows() -> None:
    assert loss("SoftmaxWithLoss", x=X, label=LABEL, weight=WEIGHT) == pytest.approx(-(WEIGHT * OWN).sum() / WEIGHT.sum(), rel=1e-5)
    whole = loss("SoftmaxWithLoss", ", normalization: NONE", x=X, label=LABEL, weight=WEIGHT)
    assert whole == pytest.approx(-(WEIGHT * OWN).sum(), rel=1e-5)
    kept = LABEL != 1
    ignoring = loss("SoftmaxWithLoss", ", ignore_label: 1", x=X, label=LABEL, weight=WEIGHT[:, None])
    assert ignoring == pytest.approx(-(WEIGHT * OWN)[kept].sum() / WEIGHT[kept].sum(), rel=1e-5)
    assert loss("SoftmaxWithLoss", x=X, label=LABEL, weight=np.zeros(12)) == 0


def test_whole_weights_are_repeated_rows() -> None:
    count = RANDOM.integers(0, 4, 12)
    for layer, label in (("SoftmaxWithLoss", LABEL), ("FocalLoss", LABEL), ("SigmoidCrossEntropyLoss", RANDOM.integers(0, 2, (12, 3)))):
        repeated = loss(layer, x=np.repeat(X, count, 0), label=np.repeat(label, count, 0))
        assert loss(layer, x=X, label=label, weight=count) == pytest.approx(repeated, rel=1e-5)
    y = RANDOM.normal(size=(12, 3))
    plain = forward("EuclideanLoss: {bottom: [x, y], top: loss}", x=np.repeat(X, count, 0), y=np.repeat(y, count, 0))["loss"]
    assert forward("EuclideanLoss: {bottom: [x, y, w], top: loss}", x=X, y=y, w=count)["loss"] == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("mode, divisor", [("FULL", 24), ("VALID", "valid"), ("BATCH_SIZE", 12), ("NONE", 1)])
def test_weights_of_one_change_nothing(mode: str, divisor: int) -> None:
    x, label = RANDOM.normal(size=(12, 3, 2)), RANDOM.integers(0, 3, (12, 2))
    for layer, labels in (("SoftmaxWithLoss", label), ("SigmoidCrossEntropyLoss", RANDOM.integers(0, 3, (12, 3, 2)))):
        more = f", normalization: {mode}, ignore_label: 2"
        plain = loss(layer, more, x=x, label=labels)
        assert loss(layer, more, x=x, label=labels, weight=np.ones(12)) == pytest.approx(plain, rel=1e-5)
        assert loss(layer, more, x=x, label=labels, weight=np.ones(labels.shape)) == pytest.approx(plain, rel=1e-5)


def test_class_weights_and_smoothing_are_torchs() -> None:
    """The mean of CrossEntropyLoss(weight=...) divides by the weights of the labels."""
    by_class = np.array([1, 3, 0.5])
    share = by_class[LABEL]
    found = loss("SoftmaxWithLoss", ", class_weight: [1, 3, 0.5]", x=X, label=LABEL)
    assert found == pytest.approx(-(share * OWN).sum() / share.sum(), rel=1e-5)
    smooth = 0.8 * -OWN + 0.2 * -LOG.mean(1)
    assert loss("SoftmaxWithLoss", ", label_smoothing: 0.2", x=X, label=LABEL) == pytest.approx(smooth.mean(), rel=1e-5)
    both = loss("SoftmaxWithLoss", ", label_smoothing: 0.2, class_weight: [1, 3, 0.5]", x=X, label=LABEL, weight=WEIGHT)
    assert both == pytest.approx((WEIGHT * share * smooth).sum() / (WEIGHT * share).sum(), rel=1e-5)


def test_without_new_fields_the_graph_is_caffes() -> None:
    """One op of its own, without weights."""
    graph = net("SoftmaxWithLoss: {bottom: [x, label], top: [loss, prob]}", inputs={"x": X, "label": LABEL}).graph
    assert [n.op for n in graph.nodes if n.domain != "netc"] == ["Cast", "SoftmaxCrossEntropy"]


@about("FocalLoss")
def test_focal_loss() -> None:
    p = np.exp(OWN)
    assert loss("FocalLoss", x=X, label=LABEL) == pytest.approx((-((1 - p) ** 2) * OWN).mean(), rel=1e-5)
    assert loss("FocalLoss", ", gamma: 0", x=X, label=LABEL) == pytest.approx(-OWN.mean(), rel=1e-5)
    alpha = np.array([0.25, 1, 2])[LABEL]
    found = loss("FocalLoss", ", gamma: 0.5, alpha: [0.25, 1, 2], ignore_label: 0", x=X, label=LABEL)
    kept = LABEL != 0
    assert found == pytest.approx((-alpha * (1 - p) ** 0.5 * OWN)[kept].mean(), rel=1e-5)


def test_weights_that_do_not_fit() -> None:
    with pytest.raises(SpecError, match="There are 2 `class_weight` for 3 classes. Add one for each class, or none."):
        loss("SoftmaxWithLoss", ", class_weight: [1, 2]", x=X, label=LABEL)
    with pytest.raises(SpecError, match="There are 4 `alpha` for 3 classes"):
        loss("FocalLoss", ", alpha: [1, 2, 3, 4]", x=X, label=LABEL)
    with pytest.raises(SpecError, match="weight is 12x3. Expected one number for each of 12 rows."):
        loss("SoftmaxWithLoss", x=X, label=LABEL, weight=X)


@pytest.mark.parametrize("normalization", ["VALID", "BATCH_SIZE", "NONE"])
def test_segnets_class_weighting_divides_by_the_number_of_labels(normalization: str) -> None:
    more = f", weight_by_label_freqs: true, class_weighting: [1, 3, 0.5], ignore_label: 1, normalization: {normalization}"
    kept = LABEL != 1
    total = -(np.array([1, 3, 0.5])[LABEL] * OWN)[kept].sum()
    count = {"VALID": kept.sum(), "BATCH_SIZE": len(LABEL), "NONE": 1}[normalization]
    assert loss("SoftmaxWithLoss", more, x=X, label=LABEL) == pytest.approx(total / count, rel=1e-5)


def test_class_weighting_without_its_switch_and_without_factors() -> None:
    assert loss("SoftmaxWithLoss", ", class_weighting: [1, 3, 0.5]", x=X, label=LABEL) == pytest.approx(-OWN.mean(), rel=1e-5)
    switch = ", weight_by_label_freqs: true"
    for more, wanted in (
        ("", "`class_weighting` is missing"), (", class_weighting: [1, 2]", "There are 2 `class_weighting` for 3 classes"),
        (", class_weighting: [1, 2, 3], label_smoothing: 0.1", "cannot be used with"),
    ):  # fmt: skip
        with pytest.raises(SpecError, match=wanted):
            loss("SoftmaxWithLoss", switch + more, x=X, label=LABEL)

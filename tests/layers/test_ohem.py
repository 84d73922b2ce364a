"""Online hard example mining, compared with the steps of R-FCN's layers in NumPy; the margin of AM-Softmax."""

from typing import Any

import numpy as np
import pytest

from netc.errors import SpecError
from netc.net.model import TEST
from tests.layers.nets import about, forward, net

RNG = np.random.default_rng(0)
R, CLASSES = 12, 4
X = RNG.normal(size=(R, CLASSES)).astype(np.float32)
LABELS = RNG.integers(0, CLASSES, (R, 1, 1, 1)).astype(np.float32)
SHARES = np.exp(X) / np.exp(X).sum(1, keepdims=True)
OWN = -np.log(SHARES[np.arange(R), LABELS.reshape(-1).astype(int)])
A, B, INSIDE = (RNG.normal(size=(R, 8, 1, 1)).astype(np.float32) * 2 for _ in range(3))


@about("SoftmaxWithLossOHEM")
@pytest.mark.parametrize(
    "fields, divisor", [("", R), (", normalization: PRE_FIXED, pre_fixed_normalizer: 5", 5), (", normalization: NONE", 1)]
)
def test_the_softmax_has_the_loss_of_each_label(fields: str, divisor: float) -> None:
    found = forward(f"SoftmaxWithLossOHEM: {{bottom: [x, label], top: [loss, prob, own]{fields}}}", x=X, label=LABELS)
    np.testing.assert_allclose(found["prob"], SHARES, rtol=1e-5)
    assert found["own"].shape == LABELS.shape
    np.testing.assert_allclose(found["own"].reshape(-1), OWN, rtol=1e-4)
    assert found["loss"] == pytest.approx(OWN.sum() / divisor, rel=1e-5)


@about("SoftmaxWithLossOHEM")
def test_an_ignored_label_has_no_loss() -> None:
    labels = np.where(np.arange(R).reshape(LABELS.shape) % 3 == 0, -1, LABELS)
    found = forward("SoftmaxWithLossOHEM: {bottom: [x, label], top: [loss, prob, own], ignore_label: -1}", x=X, label=labels)
    counts = labels.reshape(-1) >= 0
    np.testing.assert_allclose(found["own"].reshape(-1), np.where(counts, OWN, 0), rtol=1e-4)
    assert found["loss"] == pytest.approx(OWN[counts].mean(), rel=1e-5)


@about("SmoothL1LossOHEM")
def test_smooth_l1_has_the_loss_of_each_region() -> None:
    d = INSIDE * (A - B)
    each = np.where(abs(d) < 1, d * d / 2, abs(d) - 0.5)
    inputs: dict[str, Any] = {"x": A, "y": B, "weight": INSIDE}
    found = forward("SmoothL1LossOHEM: {bottom: [x, y, weight], top: [loss, own]}", **inputs)
    assert found["own"].shape == (R, 1, 1, 1)
    np.testing.assert_allclose(found["own"], each.sum(1, keepdims=True), rtol=1e-4)
    assert found["loss"] == pytest.approx(each.sum() / R, rel=1e-5)
    line = "SmoothL1LossOHEM: {bottom: [x, y, weight], top: loss, normalization: PRE_FIXED, pre_fixed_normalizer: 128}"
    assert forward(line, **inputs)["loss"] == pytest.approx(each.sum() / 128, rel=1e-5)


@about("BoxAnnotatorOHEM")
def test_the_regions_with_the_largest_losses_of_each_image_are_kept() -> None:
    images = RNG.integers(0, 3, R)
    rois = np.column_stack([images, RNG.normal(size=(R, 4))]).astype(np.float32)
    losses = RNG.normal(size=(R, 1, 1, 1)).astype(np.float32)
    losses[:4] = losses[0]  # ties
    weights = RNG.normal(size=(R, 8, 1, 1)).astype(np.float32)
    inputs: dict[str, Any] = {"rois": rois, "own": losses, "label": LABELS, "weight": weights}
    line = "BoxAnnotatorOHEM: {bottom: [rois, own, label, weight], top: [a, b], roi_per_img: 2}"
    found = forward(line, **inputs)
    left, kept = dict.fromkeys(range(3), 2), np.zeros(R, bool)
    for k in np.argsort(-losses.reshape(-1), kind="stable"):
        kept[k] = left[images[k]] > 0
        left[images[k]] -= 1
    assert 2 < kept.sum() < R
    np.testing.assert_array_equal(found["a"].reshape(-1), np.where(kept, LABELS.reshape(-1), -1))
    np.testing.assert_array_equal(found["b"], weights * kept.reshape(R, 1, 1, 1))
    with pytest.raises(SpecError, match="`roi_per_img` is missing"):
        net(line.replace(", roi_per_img: 2", ""), inputs=inputs)


@about("LabelSpecificAdd")
def test_the_margin_moves_large_scores_of_the_labels_in_training() -> None:
    scores = RNG.uniform(-1, 1, (R, CLASSES)).astype(np.float32)
    labels, wanted = LABELS.reshape(-1), scores.copy()
    for row, label in zip(wanted, labels.astype(int), strict=True):
        row[label] -= 0.35 if row[label] > 0.35 else 0
    assert 0 < (wanted != scores).sum() < R
    line = "LabelSpecificAdd: {bottom: [x, label], top: y, bias: -0.35}"
    np.testing.assert_allclose(forward(line, x=scores, label=labels)["y"], wanted, rtol=1e-6)
    tested = forward(line, TEST, x=scores, label=labels)
    np.testing.assert_array_equal(tested["y"], scores)


def test_another_loss_refuses_a_fixed_normalizer() -> None:
    with pytest.raises(SpecError, match="PRE_FIXED` is for SoftmaxWithLossOHEM"):
        forward("SoftmaxWithLoss: {bottom: [x, label], normalization: PRE_FIXED}", x=X, label=LABELS)

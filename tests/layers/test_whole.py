"""Losses with weights, and losses of ensembles: those of the full test set, whatever its batches."""

from pathlib import Path

import numpy as np
import pytest

from netc.errors import DataError
from tests.training.test_evaluate import scores

RANDOM = np.random.default_rng(0)
ROWS = 120
X, LABEL = RANDOM.normal(size=(ROWS, 3)).astype(np.float32), np.sort(RANDOM.integers(0, 3, ROWS))
WEIGHT = (np.arange(ROWS) % 5 / 1024).astype(np.float32)  # they sum to less than 1, and in some batches of one row to 0
MEMBERS = RANDOM.normal(size=(ROWS, 4, 3)).astype(np.float32)
COUNT = RANDOM.poisson(2, (ROWS, 3)).astype(np.float32)
MARKS = RANDOM.integers(0, 2, (ROWS, 3))


def log_softmax(x: np.ndarray) -> np.ndarray:
    logs: np.ndarray = x - np.log(np.exp(x).sum(-1, keepdims=True))
    return logs


def deviance(y: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Half the Poisson deviance, summed over the columns."""
    each: np.ndarray = (np.where(y > 0, y * np.log(np.maximum(y, 1) / m), 0) - y + m).sum(1)
    return each


@pytest.mark.parametrize("batch", [120, 50, 7, 1])
def test_weighted_means_over_all_rows(tmp_path: Path, batch: int) -> None:
    x, members, w = X.astype(float), MEMBERS.astype(float), WEIGHT.astype(float)
    own = -log_softmax(x)[np.arange(ROWS), LABEL]
    pooled = np.log(np.exp(log_softmax(members)).mean(1))[np.arange(ROWS), LABEL]
    share = np.array([1, 2, 0.5])[LABEL]
    cases = {
        "SoftmaxWithLoss: {bottom: [x, label, weight]": (w * own).sum() / w.sum(),
        "SoftmaxWithLoss: {bottom: [x, label], class_weight: [1, 2, 0.5]": (share * own).sum() / share.sum(),
        "FocalLoss: {bottom: [x, label, weight]": (w * (1 - np.exp(-own)) ** 2 * own).sum() / w.sum(),
        "SigmoidCrossEntropyLoss: {bottom: [x, marks, weight]": (w * (np.logaddexp(0, x) - x * MARKS).sum(1)).sum() / w.sum(),
        "EuclideanLoss: {bottom: [x, count, weight]": (w * ((x - COUNT) ** 2).sum(1)).sum() / w.sum() / 2,
        "PoissonLoss: {bottom: [x, count, weight]": (w * deviance(COUNT, np.exp(x))).sum() / w.sum(),
        "PoissonLoss: {bottom: [x, count]": deviance(COUNT, np.exp(x)).mean(),
        "QuantileLoss: {bottom: [x, count, weight]": (w * np.abs(x - COUNT).sum(1)).sum() / w.sum() / 2,
        "MemberLoss: {bottom: [members, label], loss: SOFTMAX": -pooled.mean(),
        "MemberLoss: {bottom: [members, label, weight], loss: SOFTMAX": -(w * pooled).sum() / w.sum(),
        "MemberLoss: {bottom: [members, count, weight], loss: POISSON": (w * deviance(COUNT, np.exp(members).mean(1))).sum() / w.sum(),
    }
    layers = [f"{layer}, name: loss{k}, top: loss{k}}}" for k, layer in enumerate(cases)]
    found = scores(tmp_path, layers, batch, x=X, label=LABEL, weight=WEIGHT, members=MEMBERS, count=COUNT, marks=MARKS)
    assert [found[f"loss{k}"] for k in range(len(cases))] == pytest.approx(list(cases.values()), rel=1e-5)


@pytest.mark.parametrize("layer, wrong, sentence", [
    ("SoftmaxWithLoss: {bottom: [x, label, w]}", {"w": -WEIGHT}, "'w' of TEST contains .* allowed values: numbers from 0"),
    ("MemberLoss: {bottom: [members, label, w], loss: SOFTMAX}", {"w": -WEIGHT}, "'w' of TEST contains .* numbers from 0"),
    ("MemberLoss: {bottom: [members, y], loss: SOFTMAX}", {"y": LABEL + 1}, "'y' of TEST contains 3 .* whole numbers from 0 to 2"),
    ("MemberLoss: {bottom: [members, y], loss: POISSON}", {"y": -COUNT}, "'y' of TEST contains .* numbers from 0"),
    ("GammaLoss: {bottom: [x, y]}", {"y": COUNT}, r"'y' of TEST contains 0 .* numbers above 0 \(the gamma deviance has no value at 0"),
    ("TweedieLoss: {bottom: [x, y]}", {"y": -COUNT}, "'y' of TEST contains .* numbers from 0"),
    ("PoissonLoss: {bottom: [x, y, e], exposure: true}", {"y": COUNT, "e": WEIGHT}, r"'e' of TEST contains 0 .* above 0 \(exposures\)"),
    ("PoissonLoss: {bottom: [x, y, w, e], exposure: true}", {"y": COUNT, "w": -WEIGHT, "e": WEIGHT + 1}, "'w' of TEST contains"),
])  # fmt: skip
def test_labels_and_weights_that_a_loss_refuses(tmp_path: Path, layer: str, wrong: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        scores(tmp_path, [layer], 50, x=X, label=LABEL, members=MEMBERS, **wrong)

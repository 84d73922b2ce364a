"""Metrics of numbers: scikit-learn's values, of one batch and of a full test set whatever its batches."""

from pathlib import Path

import numpy as np
import pytest

from netc.errors import DataError
from tests.layers.nets import about
from tests.layers.test_class_metric import BATCHES, M, measured
from tests.training.test_evaluate import scores

RANDOM = np.random.default_rng(0)
ROWS = 300
LABEL = np.where(RANDOM.random((ROWS, 2)) < 0.3, 0, RANDOM.gamma(2, 3000, (ROWS, 2))).astype(np.float32)
GUESS = (LABEL * RANDOM.lognormal(0, 0.2, LABEL.shape) + 40).astype(np.float32)


@about("MAE", "RMSE")
@pytest.mark.parametrize("batch", BATCHES)
def test_errors(tmp_path: Path, batch: int) -> None:
    cases = [(layer, p, y) for layer in ("MAE", "RMSE") for p, y in ((GUESS, LABEL), (GUESS[:, :1], LABEL[:, 0]))]
    found = measured(tmp_path, batch, *cases)
    for (both, one), reference in zip((found[:2], found[2:]), (M.mean_absolute_error, M.root_mean_squared_error), strict=True):
        assert both["a"] == pytest.approx(reference(LABEL, GUESS), rel=1e-6)
        assert both["b"] == pytest.approx(reference(LABEL, GUESS, multioutput="raw_values"), rel=1e-6)
        assert one["a"] == pytest.approx(both["b"][0], rel=1e-9)


@about("Deviance")
@pytest.mark.parametrize("batch", BATCHES)
def test_deviance(tmp_path: Path, batch: int) -> None:
    powers = (0, 1, 1.5, 1.1, 2, 3)
    labels = [LABEL[:, 0] + (power >= 2) for power in powers]
    found = measured(tmp_path, batch, *((f"Deviance: power: {p}", GUESS[:, :1], y) for p, y in zip(powers, labels, strict=True)))
    guess = GUESS[:, 0].astype(float)
    expected = [M.mean_tweedie_deviance(y.astype(float), guess, power=p) for p, y in zip(powers, labels, strict=True)]
    assert [f["a"] for f in found] == pytest.approx(expected, rel=1e-6)


@about("PinballLoss")
@pytest.mark.parametrize("batch", BATCHES)
def test_pinball_loss(tmp_path: Path, batch: int) -> None:
    label = LABEL[:, 0]
    cases = ("PinballLoss: quantile: [0.1, 0.9]", GUESS, label), ("PinballLoss: quantile: 0.9", GUESS[:, 1], label)
    several, one = measured(tmp_path, batch, *cases)
    each = [M.mean_pinball_loss(label, GUESS[:, k], alpha=q) for k, q in enumerate((0.1, 0.9))]
    assert several["b"] == pytest.approx(each, rel=1e-6) and several["a"] == pytest.approx(np.mean(each), rel=1e-6)
    assert one["a"] == pytest.approx(each[1], rel=1e-6)


def test_scores_in_place_of_expected_values(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"allowed values: numbers above 0 \(expected values: read the second top of the loss"):
        scores(tmp_path, ["Deviance: {bottom: [p, label]}"], 10, p=np.log(GUESS[:, 0]) - 9, label=LABEL[:, 0])
    with pytest.raises(DataError, match=r"'label' .* allowed values: numbers above 0 \(a deviance of power 2\)"):
        scores(tmp_path, ["Deviance: {bottom: [p, label], power: 2}"], 10, p=GUESS[:, 0], label=LABEL[:, 0])

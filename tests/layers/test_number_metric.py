"""Metrics of numbers: scikit-learn's values, of one batch and of a full test set whatever its batches."""

from pathlib import Path

import numpy as np
import pytest

from netc.errors import DataError
from tests.layers.nets import about
from tests.layers.test_class_metric import BATCHES, M, both
from tests.training.test_evaluate import scores

RANDOM = np.random.default_rng(0)
ROWS = 300
LABEL = np.where(RANDOM.random((ROWS, 2)) < 0.3, 0, RANDOM.gamma(2, 3000, (ROWS, 2))).astype(np.float32)
GUESS = (LABEL * RANDOM.lognormal(0, 0.2, LABEL.shape) + 40).astype(np.float32)


@about("MAE", "RMSE")
@pytest.mark.parametrize("batch", BATCHES)
def test_errors(tmp_path: Path, batch: int) -> None:
    for layer, reference in (("MAE", M.mean_absolute_error), ("RMSE", M.root_mean_squared_error)):
        found = both(tmp_path, layer, batch, GUESS, LABEL)
        assert found["a"] == pytest.approx(reference(LABEL, GUESS), rel=1e-6)
        assert found["b"] == pytest.approx(reference(LABEL, GUESS, multioutput="raw_values"), rel=1e-6)
        one = both(tmp_path, layer, batch, GUESS[:, :1], LABEL[:, 0])
        assert one["a"] == pytest.approx(found["b"][0], rel=1e-9)


@about("Deviance")
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("power", [0, 1, 1.5, 1.1, 2, 3])
def test_deviance(tmp_path: Path, power: float, batch: int) -> None:
    label = LABEL[:, 0] + (power >= 2)
    expected = M.mean_tweedie_deviance(label.astype(float), GUESS[:, 0].astype(float), power=power)
    assert both(tmp_path, f"Deviance: power: {power}", batch, GUESS[:, :1], label)["a"] == pytest.approx(expected, rel=1e-6)


@about("PinballLoss")
@pytest.mark.parametrize("batch", BATCHES)
def test_pinball_loss(tmp_path: Path, batch: int) -> None:
    found = both(tmp_path, "PinballLoss: quantile: [0.1, 0.9]", batch, GUESS, LABEL[:, 0])
    each = [M.mean_pinball_loss(LABEL[:, 0], GUESS[:, k], alpha=q) for k, q in enumerate((0.1, 0.9))]
    assert found["b"] == pytest.approx(each, rel=1e-6) and found["a"] == pytest.approx(np.mean(each), rel=1e-6)
    found = both(tmp_path, "PinballLoss: quantile: 0.9", batch, GUESS[:, 1], LABEL[:, 0])
    assert found["a"] == pytest.approx(each[1], rel=1e-6)


def test_scores_in_place_of_expected_values(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"allowed values: numbers above 0 \(expected values: read the second top of the loss"):
        scores(tmp_path, ["Deviance: {bottom: [p, label]}"], 10, p=np.log(GUESS[:, 0]) - 9, label=LABEL[:, 0])
    with pytest.raises(DataError, match=r"'label' .* allowed values: numbers above 0 \(a deviance of power 2\)"):
        scores(tmp_path, ["Deviance: {bottom: [p, label], power: 2}"], 10, p=GUESS[:, 0], label=LABEL[:, 0])

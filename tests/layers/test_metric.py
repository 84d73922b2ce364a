"""AUC and R2 against scikit-learn's values."""

import numpy as np
import pytest

from netc.errors import SpecError
from tests.layers.nets import about, forward

METRICS = pytest.importorskip("sklearn.metrics", reason="pip install scikit-learn")
RANDOM = np.random.default_rng(0)


@about("AUC")
@pytest.mark.parametrize("shape", [(50,), (50, 1)])
@pytest.mark.parametrize("positive", [0, 1])
def test_auc_of_one_score_with_ties(shape: tuple[int, ...], positive: int) -> None:
    scores, label = RANDOM.integers(0, 9, shape).astype(np.float32), RANDOM.integers(0, 2, 50)
    found = forward(f"AUC: {{bottom: [s, label], top: a, positive: {positive}}}", "TEST", s=scores, label=label)["a"]
    assert found == pytest.approx(METRICS.roc_auc_score(label == positive, scores.reshape(-1)), abs=1e-6)


def test_auc_of_a_score_for_each_class() -> None:
    scores, label = RANDOM.normal(size=(60, 3)), RANDOM.integers(0, 3, 60)
    found = forward("AUC: {bottom: [s, label], top: a, positive: 2}", "TEST", s=scores, label=label)["a"]
    assert found == pytest.approx(METRICS.roc_auc_score(label == 2, scores[:, 2] - scores[:, :2].max(1)), abs=1e-6)


def test_auc_without_pairs_is_a_half() -> None:
    assert forward("AUC: {bottom: [s, label], top: a}", "TEST", s=[3, 1, 2], label=[1, 1, 1])["a"] == 0.5


def test_auc_of_what_is_no_score() -> None:
    with pytest.raises(SpecError, match="expected a score a row, or one for each class"):
        forward("AUC: {bottom: [s, label], top: a}", "TEST", s=np.zeros((2, 3, 4)), label=[0, 1])
    with pytest.raises(SpecError, match="`positive` 3 of 3 classes."):
        forward("AUC: {bottom: [s, label], top: a, positive: 3}", "TEST", s=np.zeros((2, 3)), label=[0, 1])


@about("R2")
def test_r2_and_the_root_of_the_mean_square() -> None:
    label = RANDOM.normal(100, 5, 40).astype(np.float32)
    guess = (label + RANDOM.normal(0, 3, 40).astype(np.float32))[:, None]
    found = forward("R2: {bottom: [p, label], top: [r, rmse]}", "TEST", p=guess, label=label)
    assert found["r"] == pytest.approx(METRICS.r2_score(label, guess[:, 0]), rel=1e-4)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((guess[:, 0] - label) ** 2)), rel=1e-5)
    assert forward("R2: {bottom: [p, label], top: r}", "TEST", p=[[1], [2]], label=[3, 3])["r"] == 0

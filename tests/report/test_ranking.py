"""Curves of scores, against scikit-learn."""

import numpy as np
import pytest

from netc.report.ranking import Ranked, calibration, calibration_error

RNG = np.random.default_rng(0)
POSITIVE = RNG.random(500) < 0.3
SCORES = np.round(np.clip(0.3 + 0.2 * POSITIVE + 0.2 * RNG.normal(size=500), 0, 1), 2)  # many ties


def test_areas_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    ranked = Ranked.of(SCORES, POSITIVE)
    assert ranked.area == pytest.approx(metrics.roc_auc_score(POSITIVE, SCORES), abs=1e-12)
    assert ranked.average_precision == pytest.approx(metrics.average_precision_score(POSITIVE, SCORES), abs=1e-12)


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.33, 0.5, 0.99, 1.0])
def test_the_scores_of_a_threshold(threshold: float) -> None:
    taken = threshold <= SCORES
    share, precision, recall, f1 = Ranked.of(SCORES, POSITIVE).at(threshold)
    hits = (taken & POSITIVE).sum()
    assert share == taken.mean() and recall == pytest.approx(hits / POSITIVE.sum())
    assert precision == pytest.approx(hits / max(1, taken.sum())) and f1 == pytest.approx(2 * hits / (taken.sum() + POSITIVE.sum()))


def test_lift() -> None:
    ranked = Ranked.of(np.array([0.9, 0.8, 0.3, 0.2]), np.array([True, False, False, False]))
    assert ranked.lift(0.25) == 4 and ranked.lift(0.5) == 2 and ranked.lift(1) == 1
    tied = Ranked.of(np.array([0.9, 0.9, 0.3, 0.2]), np.array([True, False, False, False]))
    assert tied.lift(0.25) == 2


def test_calibration() -> None:
    scores, positive = np.array([0.05, 0.05, 0.95, 1.0]), np.array([False, True, True, True])
    bins = calibration(scores, positive)
    assert [(b.rows, round(b.score, 3), b.share) for b in bins] == [(2, 0.05, 0.5), (2, 0.975, 1.0)]
    assert calibration_error(scores, positive) == pytest.approx((2 * 0.45 + 2 * 0.025) / 4)

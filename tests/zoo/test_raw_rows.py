"""The check of models that take raw rows, and their thresholds."""

from pathlib import Path

import numpy as np
import pytest

from netc import load
from netc.errors import RunError
from netc.zoo.raw_rows import best_thresholds, check_raw_rows, thresholds
from tests.table.published import NET, write_net


def f1(scores: np.ndarray, positive: np.ndarray, threshold: float) -> float:
    chosen = scores >= np.float32(threshold)
    return float(2 * (chosen & positive).sum() / max(1, chosen.sum() + positive.sum()))


def balanced(scores: np.ndarray, positive: np.ndarray, threshold: float) -> float:
    chosen = scores >= np.float32(threshold)
    return float(chosen[positive].mean() - chosen[~positive].mean())


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.random(200) < 0.3
    scores = np.round(np.clip(rng.normal(0.3 + 0.2 * positive, 0.2), 0, 1), 2).astype(np.float32)  # with equal scores
    found = best_thresholds(scores.astype(np.float64), positive)
    for name, measure in (("f1", f1), ("balanced", balanced)):
        best = max(measure(scores, positive, t) for t in np.arange(0, 1.005, 0.005))
        assert measure(scores, positive, found[name]) == pytest.approx(best)


def test_rows_of_one_class() -> None:
    assert best_thresholds(np.array([0.1, 0.2]), np.array([True, True])) == {}
    assert best_thresholds(np.array([0.1, 0.2]), np.array([False, False])) == {}


def test_scores_that_are_not_finite(tmp_path: Path) -> None:
    """A net whose scores overflow is not published. The message names the row."""
    net = load(str(write_net(tmp_path)))
    start = net.start()
    check_raw_rows(net, net.deploy_model(start).SerializeToString())
    broken = {**start, "ip2.bias": np.array([np.nan, 0], np.float32)}
    with pytest.raises(RunError, match="output 'prob' is not finite for a row with a gap in every column; it is not published"):
        check_raw_rows(net, net.deploy_model(broken).SerializeToString())
    large = NET.replace("  - ReLU\n", "  - Exp: {{scale: 1000}}\n")
    net = load(str(write_net(tmp_path, large)))
    with pytest.raises(RunError, match="is not finite for a row with"):
        check_raw_rows(net, net.deploy_model(net.start()).SerializeToString())


def test_without_validation_rows_there_are_no_thresholds(tmp_path: Path) -> None:
    net = load(str(write_net(tmp_path, NET.replace("validation: 0.2", "validation: 0"))))
    assert thresholds(net, net.deploy_model(net.start()).SerializeToString()) == {}

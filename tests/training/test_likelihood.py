"""Annealed importance sampling against sums over all states."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.training.likelihood import BETAS, Parameters, log_partition, log_probability
from tests.small_nets import netc, write_small

RNG = np.random.default_rng(0)
VISIBLE, HIDDEN = 9, 5
MACHINE = Parameters(*(RNG.normal(size=shape).astype(np.float32) for shape in ((HIDDEN, VISIBLE), HIDDEN, VISIBLE)))
STATES = {"rbm1.weight": MACHINE.weight, "rbm1.bias": MACHINE.hidden_bias, "rbm1.visible_bias": MACHINE.visible_bias}
ALL = np.array(list(itertools.product([0, 1], repeat=VISIBLE)), np.float32)
LOG_Z = np.log(np.exp(-MACHINE.free_energy(ALL).astype(np.float64)).sum())
DATA = ALL[RNG.integers(0, len(ALL), 50)]
NET = """\
name: small
layers:
  - Data: {source: small.npz, batch_size: 16, test_fraction: 0.2}
  - RBM: {num_output: 6, visible: GAUSSIAN, top: [h, loss, reconstruction_error], weight_filler: {type: gaussian, std: 0.1}}
solver: {base_lr: 0.001, max_iter: 20}
"""


def param(**fields: Any) -> pb.LayerParameter:
    return pb.LayerParameter(name="rbm1", type="RBM", rbm_param=pb.RBMParameter(num_output=HIDDEN, **fields))


def test_every_score_is_of_a_layer_with_a_loss_of_its_own() -> None:
    registry.load()
    assert registry.score.keys() <= {t for t, kind in registry.layer.records.items() if kind.own_loss is not None}


def test_free_energy_against_the_sum_over_hidden_states() -> None:
    hs = np.array(list(itertools.product([0, 1], repeat=HIDDEN)), np.float64)
    v = ALL[77].astype(np.float64)
    expected = -np.log(np.exp(v @ MACHINE.visible_bias + hs @ MACHINE.hidden_bias + hs @ MACHINE.weight @ v).sum())
    np.testing.assert_allclose(MACHINE.free_energy(ALL[77:78])[0], expected, rtol=1e-5)


def test_the_partition_function() -> None:
    weights = log_partition(MACHINE, np.zeros(VISIBLE, np.float32), 0, chains=500, betas=BETAS[::10])
    assert np.log(np.exp(weights).mean()) == pytest.approx(LOG_Z, abs=0.05)
    with_no_steps = log_partition(MACHINE, np.zeros(VISIBLE, np.float32), 0, chains=500, betas=np.array([0.0, 1.0]))
    assert with_no_steps.std() > 3 * weights.std()  # annealing is what makes it sharp


def test_the_log_probability_of_rows() -> None:
    exact = -MACHINE.free_energy(DATA).mean() - LOG_Z
    found = log_probability(param(), STATES, DATA.reshape(-1, 1, 3, 3), seed=0)
    assert found["log_probability"] == pytest.approx(exact, abs=0.05)
    assert 0 < found["log_partition_deviation"] < 0.05
    drawn = log_probability(param(binarize=True), STATES, DATA, seed=0)
    assert drawn["log_probability"] == found["log_probability"]  # rows of 0 and 1 are drawn as they are


def test_normal_units_have_none() -> None:
    assert log_probability(param(visible="GAUSSIAN"), STATES, DATA, 0) == {} == log_probability(param(hidden="GAUSSIAN"), STATES, DATA, 0)


@pytest.mark.parametrize("visible", ["GAUSSIAN", "BINARY"])
def test_the_test_command_tells_it(tmp_path: Path, visible: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.training.likelihood.BETAS", BETAS[::50])
    net = NET.replace("GAUSSIAN", visible).replace("test_fraction: 0.2", "test_fraction: 0.2, scale: 0.1, mean_value: -5")
    path = write_small(tmp_path, net)
    trained = netc("train", path, "--no-publish", "--runs", tmp_path / "runs")
    assert trained.exit_code == 0 and "reconstruction_error" in trained.stdout, trained.output
    snapshot = tmp_path / "runs/small/1/snapshots/iter_00000020.safetensors"
    result = netc("test", path, "--weights", snapshot)
    assert result.exit_code == 0, result.output
    said = dict(line.split(": ") for line in result.stdout.splitlines())
    assert said.keys() == {"loss", "reconstruction_error"} | (
        {"log_probability", "log_partition_deviation"} if visible == "BINARY" else set()
    )


def test_a_pinned_batch_leaves_out_the_short_last_one(tmp_path: Path) -> None:
    """Random numbers are of the whole batch there, the data are not."""
    pinned = NET.replace("  - RBM", "  - Reshape: {top: flat, shape: {dim: [16, 144]}}\n  - RBM")
    result = netc("train", write_small(tmp_path, pinned), "--no-publish", "--runs", tmp_path / "runs")
    assert result.exit_code == 0 and "reconstruction_error" in result.stdout, result.output

"""Short runs of small nets of every kind, whose pages the tests read."""

from pathlib import Path

import numpy as np
import pytest

from tests import recurrent_nets, small_trees
from tests.small_nets import NET, netc, write_small

CODER = """\
name: coder
layers:
  - Data: {source: small.npz, top: data, batch_size: 20, test_fraction: 0.2}
  - RBM: {num_output: 24, visible: GAUSSIAN, weight_filler: {type: gaussian, std: 0.05}}
  - InnerProduct: {name: code, num_output: 6, weight_filler: xavier}
  - InnerProduct: {name: decode, num_output: 144, weight_filler: xavier}
  - EuclideanLoss: {bottom: [decode, data], name: error}
solver: {pretrain: [{layer: rbm1, max_iter: 20, base_lr: 0.01}], type: Adam, base_lr: 0.003, momentum: 0.9, max_iter: 40,
  test_interval: 20, display: 5, watch_interval: 10}
"""
MACHINE = """\
name: machine
layers:
  - Data: {source: small.npz, batch_size: 20, test_fraction: 0.2}
  - RBM: {num_output: 24, visible: GAUSSIAN, weight_filler: {type: gaussian, std: 0.05}, top: [hidden, loss, error]}
solver: {base_lr: 0.01, max_iter: 20, display: 5}
"""
NUMBERS = """\
name: numbers
layers:
  - Data: {source: numbers.npz, batch_size: 20, test_batch_size: 7, test_fraction: 0.2}
  - InnerProduct: {num_output: 1, weight_filler: xavier}
  - EuclideanLoss: {bottom: [ip1, label]}
  - R2: {bottom: [ip1, label], top: [r2, rmse]}
solver: {base_lr: 0.1, max_iter: 60, display: 20}
"""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`runs/` with small/1 and small/2 (images by class; another rate), and a run of each other kind of net: trees, texts, series, ..."""
    folder = tmp_path_factory.mktemp("report")
    net = NET.replace("max_iter", "watch_interval: 20, max_iter").replace("Accuracy", "Accuracy: {top: [accuracy, of_class]}")
    small = write_small(folder, net)
    small_trees.write_trees(folder, small_trees.NET.replace("name: small", "name: trees"), "trees.yaml")
    recurrent_nets.write_letters(folder)
    (folder / "one.csv").write_text("b\n" + "".join(f"{10 * np.sin(k / 3):.4f}\n" for k in range(120)))
    (folder / "coder.yaml").write_text(CODER)
    (folder / "machine.yaml").write_text(MACHINE)
    (folder / "numbers.yaml").write_text(NUMBERS)
    rows = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    np.savez(folder / "numbers.npz", data=rows, label=rows.sum(1, keepdims=True))
    series = recurrent_nets.SERIES.replace("t.csv", "one.csv").replace("test_fraction: 0.2", "test_fraction: 0.3")
    (folder / "series.yaml").write_text(series.replace("max_iter", "display: 50, max_iter"))
    commands: list[tuple[str | Path, ...]] = [(small,), (small, "--set", "solver.base_lr=0.05")]
    commands += [(folder / f"{name}.yaml",) for name in ("coder", "machine", "numbers", "trees", "letters", "series")]
    for command in commands:
        result = netc("train", *command, "--no-publish", "--runs", folder / "runs")
        assert result.exit_code == 0 and "report.html" in result.stdout, result.output
    return folder / "runs"

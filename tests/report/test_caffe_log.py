"""Caffe's log lines, read with the patterns of its parse_log.py."""

import io
import re
from pathlib import Path

import pytest

from netc import registry
from netc.compiler.program import program
from netc.report.caffe_log import CaffeLog
from netc.spec.job import load_job
from netc.training.folder import RunFolder
from netc.training.trainer import Trainer
from tests.small_nets import write_arrays

NET = """\
name: small
layers:
  - Data: {source: small.npz, batch_size: 10, include: {phase: TRAIN}}
  - Data: {source: small.npz, batch_size: 20, name: test, include: {phase: TEST}}
  - InnerProduct: {num_output: 10}
  - Accuracy: {include: {phase: TEST}}
  - SoftmaxWithLoss: {loss_weight: 2}
solver: {base_lr: 0.1, lr_policy: fixed, max_iter: 4, display: 2, test_interval: 2, test_iter: [1, 2],
         snapshot: 2, snapshot_format: BINARYPROTO}
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("run")
    write_arrays(folder)
    (folder / "n.yaml").write_text(NET)
    registry.load()
    made, stream = program(load_job(str(folder / "n.yaml"))), io.StringIO()
    trainer = Trainer(made, RunFolder.new(folder, "small"), 1)
    follower = CaffeLog(made, stream)
    for event in trainer.events():
        follower(event)
    return stream.getvalue().splitlines()


def test_each_line_is_glogs(lines: list[str]) -> None:
    assert all(re.match(r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.cpp:\d+\] ", line) for line in lines)
    assert any("Solving small" in line for line in lines) and "Optimization Done." in lines[-1]


def test_training_lines(lines: list[str]) -> None:
    found = [re.search(r"Iteration (\d+) \((\S+) iter/s, (\S+)s/(\d+) iters\), loss = (\S+)", line) for line in lines]
    assert [m[1] for m in found if m] == ["0", "2"]
    rates = [re.search(r"Iteration (\d+), lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)", line) for line in lines]
    assert [(m[1], m[2]) for m in rates if m] == [("0", "0.1"), ("2", "0.1")]
    outputs = [re.search(r"Train net output #(\d+): (\S+) = (\S+) \(\* 2 = (\S+) loss\)", line) for line in lines]
    first = next(m for m in outputs if m)
    assert (first[1], first[2]) == ("0", "loss") and float(first[4]) == pytest.approx(2 * float(first[3]), rel=1e-5)


def test_lines_of_two_test_nets(lines: list[str]) -> None:
    found = [re.search(r"Iteration (\d+), Testing net \(#(\d+)\)", line) for line in lines]
    assert [(m[1], m[2]) for m in found if m] == [(i, k) for i in "024" for k in "01"]
    outputs = [re.search(r"Test net output #(\d+): (\S+) = ([.\deE+-]+)", line) for line in lines]
    assert [(m[1], m[2]) for m in outputs if m] == [("0", "accuracy"), ("1", "loss")] * 6


def test_snapshots(lines: list[str], tmp_path: Path) -> None:
    found = [line.partition("] ")[2] for line in lines if "napshotting" in line]
    assert [re.sub(r"\S+/", "", line) for line in found] == [
        "Snapshotting to binary proto file small_iter_2.caffemodel",
        "Snapshotting solver state to binary proto file small_iter_2.solverstate",
        "Snapshotting to binary proto file small_iter_4.caffemodel",
        "Snapshotting solver state to binary proto file small_iter_4.solverstate",
    ]
    assert tmp_path

"""Solvers as Caffe takes them: without tests, without a length."""

from pathlib import Path

import pytest

import netc.caffe as caffe
from netc.errors import SpecError
from netc.spec.job import load_job
from tests.small_nets import netc

BOTH = """\
name: "triv"
layer { name: "data" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } %s }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "y" top: "acc" include { phase: TEST } }
"""
RATE = 'base_lr: 0.001 lr_policy: "fixed" %s'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "both.prototxt").write_text(BOTH % "")
    (tmp_path / "train.prototxt").write_text(BOTH % "include { phase: TRAIN }")
    return tmp_path


def solver(folder: Path, text: str) -> str:
    (folder / "s.prototxt").write_text(RATE % text)
    return "s.prototxt"


UNTESTED = {
    "train_net alone": 'train_net: "both.prototxt"',
    "train_net of TRAIN": 'train_net: "train.prototxt"',
    "net of TRAIN": 'net: "train.prototxt"',
    "with an interval": 'net: "train.prototxt" test_interval: 1',
    "train_net_param": f"train_net_param {{ {BOTH % ''} }}",
}


@pytest.mark.parametrize("case", UNTESTED)
def test_a_solver_without_tests(folder: Path, case: str) -> None:
    path = solver(folder, f'max_iter: 2 snapshot_prefix: "t" {UNTESTED[case]}')
    assert netc("check", path).exit_code == 0
    result = netc("train", path, "--no-publish")
    assert result.exit_code == 0 and "acc" not in result.stdout, result.output
    assert netc("convert", path, "-o", "net.yaml").exit_code == 0
    again = netc("train", "--resume", "runs/triv/1", "--iterations", "4", "--no-publish")
    assert again.exit_code == 0 and "resumed from" in again.stdout and "acc" not in again.stdout, again.output
    made = caffe.get_solver(path)
    made.step(1)
    assert made.test_nets == [] and made.iter == 1


def test_a_solver_with_tests(folder: Path) -> None:
    assert load_job(solver(folder, 'max_iter: 2 net: "both.prototxt"')).tested
    assert load_job(solver(folder, 'max_iter: 2 train_net: "both.prototxt" test_net: "both.prototxt"')).tested
    assert len(caffe.get_solver(solver(folder, 'max_iter: 2 net: "both.prototxt"')).test_nets) == 1
    path = solver(folder, 'max_iter: 2 net: "train.prototxt" test_iter: 1 test_interval: 1')
    for command in (["check"], ["train", "--no-publish"]):
        result = netc(command[0], path, *command[1:])
        assert result.exit_code == 2 and "No layer writes 'x' in phase TEST" in result.stderr


def test_a_solver_without_a_length(folder: Path) -> None:
    path = solver(folder, 'net: "both.prototxt"')
    result = netc("check", path)
    assert result.exit_code == 0 and "Solver: The length of the training is missing." in result.stderr
    assert netc("convert", path, "-o", "net.yaml").exit_code == 0
    result = netc("train", path, "--no-publish")
    assert result.exit_code == 2 and "`--iterations 1000` or `--set solver.max_iter=1000`" in result.stderr and not Path("runs").exists()
    for option in (["--iterations", "3"], ["--set", "solver.max_iter=3"]):
        assert "after 3 iterations" in netc("train", path, *option, "--no-publish").stdout
    made = caffe.SGDSolver(path)
    made.step(3)
    assert made.iter == 3
    made.solve()  # Caffe's max_iter is 0
    assert made.iter == 3


def test_a_policy_that_needs_the_length(folder: Path) -> None:
    (folder / "s.prototxt").write_text('net: "both.prototxt" base_lr: 0.001 lr_policy: "poly" power: 1')
    with pytest.raises(SpecError, match="`lr_policy` 'poly' depends on the length of the training. Set `max_iter`."):
        caffe.SGDSolver("s.prototxt")

"""Nets with data in one phase only, and data layers that a stage or a level hides."""

from pathlib import Path

import pytest

from netc.errors import SpecError
from netc.net.phases import State, has_data, hides_data, no_data
from netc.spec import parse_prototxt
from tests.small_nets import netc

DUMMY = 'layer { name: "data" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: %d dim: 3 } shape { dim: %d } } %s }\n'
REST = """\
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
TRAINED = DUMMY % (4, 4, "include { phase: TRAIN }")
TESTED = DUMMY % (2, 2, "include { phase: TEST %s }")
SOLVER = ("--set", "solver.base_lr=0.1", "--set", "solver.max_iter=2")


def write(folder: Path, *layers: str, rest: str = REST) -> str:
    (folder / "net.prototxt").write_text('name: "phases"\n' + "".join(layers) + rest)
    return str(folder / "net.prototxt")


def weights_of(folder: Path) -> str:
    """A snapshot of a net with the layer of REST."""
    (folder / "trained.prototxt").write_text('name: "trained"\n' + DUMMY % (4, 4, "") + REST)
    result = netc("train", folder / "trained.prototxt", *SOLVER, "--runs", folder / "runs", "--no-publish", "--quiet")
    assert result.exit_code == 0, result.output
    return str(folder / "runs/trained/1/snapshots/iter_00000002.safetensors")


def test_a_net_with_data_in_test_only(tmp_path: Path) -> None:
    path = write(tmp_path, TESTED % "")
    result = netc("check", path)
    assert result.exit_code == 0 and "No data layer runs in phase TRAIN: 'data'" in result.stderr and "2x3 2" in result.stdout
    assert netc("convert", path, "-o", tmp_path / "net.yaml").exit_code == 0 and netc("check", tmp_path / "net.yaml").exit_code == 0
    weights = weights_of(tmp_path)
    assert netc("test", path, "--weights", weights).stdout.startswith("loss: ")
    assert netc("convert", path, weights, "-o", tmp_path / "net.onnx").exit_code == 0
    result = netc("train", path, *SOLVER, "--no-publish")
    assert result.exit_code == 2 and "No layer writes 'x' in phase TRAIN" in result.stderr


def test_a_net_with_data_in_training_only(tmp_path: Path) -> None:
    path = write(tmp_path, TRAINED)
    result = netc("check", path)
    assert result.exit_code == 0 and "No data layer runs in phase TEST: 'data'" in result.stderr
    result = netc("train", path, *SOLVER, "--runs", tmp_path / "runs", "--no-publish")
    assert result.exit_code == 0 and "after 2 iterations" not in result.stdout
    weights = str(tmp_path / "runs/phases/1/snapshots/iter_00000002.safetensors")
    assert netc("convert", path, weights, "-o", tmp_path / "net.onnx").exit_code == 0
    result = netc("test", path, "--weights", weights)
    assert result.exit_code == 2 and "No data layer runs in phase TEST" in result.stderr
    result = netc("train", path, *SOLVER, "--set", "solver.test_iter=[3]", "--no-publish")
    assert result.exit_code == 2 and "No layer writes 'x' in phase TEST" in result.stderr  # as in Caffe, where test_iter makes a test net


@pytest.mark.parametrize("command", ["check", "config", "draw", "compile", "convert", "find-lr", "time", "train"])
def test_a_stage_in_every_command(tmp_path: Path, command: str) -> None:
    path = write(tmp_path, DUMMY % (4, 4, 'include { stage: "a" stage: "b" }'))
    output = {"draw": ["-o", tmp_path / "net.svg"], "compile": ["-o", tmp_path / "out"], "convert": ["-o", tmp_path / "net.yaml"]}
    more = ["--runs", tmp_path / "runs", "--no-publish"] if command == "train" else ["--iterations", "3"] if command == "time" else []
    arguments = [command, path, *SOLVER, *output.get(command, []), *more]
    result = netc(*arguments, "--stage", "a", "--stage", "b")
    assert result.exit_code == 0, result.output
    if command in ("check", "train", "find-lr"):
        result = netc(*arguments, "--stage", "a")
        assert result.exit_code == 2 and "'data' does not run, as it needs the stage 'b' (`--stage b`)" in result.stderr


def test_a_stage_in_test(tmp_path: Path) -> None:
    path = write(tmp_path, TRAINED, TESTED % 'stage: "a"')
    weights = weights_of(tmp_path)
    result = netc("test", path, "--weights", weights)
    assert result.exit_code == 2 and "needs the stage 'a' (`--stage a`)." in result.stderr and "phase TRAIN" not in result.stderr
    assert netc("test", path, "--weights", weights, "--stage", "a").stdout.startswith("loss: ")


@pytest.mark.parametrize(("rule", "right", "wrong"), [("min_level: 2", 2, 1), ("max_level: -1", -1, 0)])
def test_a_level(tmp_path: Path, rule: str, right: int, wrong: int) -> None:
    path = write(tmp_path, DUMMY % (4, 4, f"include {{ {rule} }}"))
    assert netc("check", path, "--level", right).exit_code == 0
    assert f"(`--level {right}`)" in netc("check", path, "--level", wrong).stderr


def test_the_stages_of_a_run_are_in_its_net(tmp_path: Path) -> None:
    path = write(tmp_path, DUMMY % (4, 4, 'include { stage: "a" }'))
    runs = ("--runs", tmp_path / "runs", "--no-publish")
    assert netc("train", path, *SOLVER, "--stage", "a", *runs).exit_code == 0
    more = ("--set", "solver.max_iter=3", "--resume", tmp_path / "runs/phases/1", "--runs", tmp_path / "runs")
    result = netc("train", *more, "--no-publish")
    assert result.exit_code == 0 and "resumed from" in result.stdout


def test_states() -> None:
    document = parse_prototxt(TESTED % 'stage: "a" not_stage: "b"' + REST)
    state = State.of(document.message, "TEST", ("b",))
    assert not has_data(document, state) and hides_data(document, state) and "without the stage 'b'" in no_data(document, state)
    assert has_data(document, State.of(document.message, "TEST", ("a",))) and not hides_data(document, State("TRAIN"))
    with pytest.raises(SpecError):
        parse_prototxt("layer {")

"""Greedy layer-wise pretraining: stages in a net file, what learns in each, and that they resume."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from netc import api
from netc.commands.options import TrainOptions
from netc.commands.train import train_command
from netc.compiler.compilation import Compilation
from netc.compiler.step_files import write
from netc.errors import SpecError
from netc.net.model import TEST
from netc.runtime import snapshot
from netc.spec.job import load_job
from netc.training.events import Snapshotted
from tests.small_nets import log, netc, netc_process, write_small
from tests.some import some
from tests.training.test_resume import wait_for

NET = """\
name: small
layers:
  - Data: {source: small.npz, batch_size: 16, test_fraction: 0.2}
  - RBM: {num_output: 12, visible: GAUSSIAN, weight_filler: {type: gaussian, std: 0.05}}
  - Dropout: {top: dropped}
  - RBM: {num_output: 8, persistent: true, weight_filler: {type: gaussian, std: 0.05}}
  - InnerProduct: {num_output: 10, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver:
  pretrain:
    - {layer: rbm1, max_iter: 30, base_lr: 0.001, momentum: 0.5}
    - {layer: rbm2, max_epoch: 4, base_lr: 0.05, lr_policy: step, stepsize: 10, gamma: 0.5}
  base_lr: 0.1
  momentum: 0.9
  max_iter: 50
  test_interval: 25
  snapshot: 20
  display: 1
"""
LAST = snapshot.file_name(30 + 40 + 50)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The net file, and the folder of its whole run."""
    folder = tmp_path_factory.mktemp("pretraining")
    path = write_small(folder, NET)
    result = netc("train", path, "--no-publish", "--runs", folder / "runs", "--set", "solver.snapshot_keep=100")
    assert result.exit_code == 0, result.output
    assert "stage 2 of 3: pretraining layer 'rbm2'" in result.stdout and "after 50 iterations: accuracy" in result.stdout
    return path, folder / "runs/small/1"


def states(folder: Path, iteration: int) -> dict[str, np.ndarray]:
    return snapshot.read(folder / "snapshots" / snapshot.file_name(iteration)).states


def test_each_stage_moves_its_layer_alone(run: tuple[str, Path]) -> None:
    start = api.load(run[0]).start()
    first, second, last = (states(run[1], i) for i in (30, 70, 120))
    both = [n for n in start if n in first and not n.endswith("history")]

    def moved(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> set[str]:
        return {n for n in both if not np.array_equal(a[n], b[n])}

    assert moved(start, first) == {"rbm1.weight", "rbm1.bias"}
    assert moved(first, second) == {"rbm2.weight", "rbm2.bias"}
    assert moved(second, last) == {f"{layer}.{blob}" for layer in ("rbm1", "rbm2", "ip1") for blob in ("weight", "bias")}
    assert {"rbm1.visible_bias", "rbm1.weight.history"} <= first.keys() and "ip1.weight.history" not in first
    assert "rbm2.chain.train" in second and "rbm2.chain.train" not in last


def test_the_log_tells_the_stages(run: tuple[str, Path]) -> None:
    lines = log(run[1])
    own = [line for line in lines if line["event"] == "pretrain"]
    assert [line["layer"] for line in own] == ["rbm1"] * 30 + ["rbm2"] * 40
    assert [line["iteration"] for line in own] == [*range(30), *range(40)]
    assert [line["lr"] for line in own[30::10]] == pytest.approx([0.05, 0.025, 0.0125, 0.00625])
    assert [line["iteration"] for line in lines if line["event"] == "train"] == list(range(50))
    assert [line["iteration"] for line in lines if line["event"] == "test"] == [0, 25, 50]


@pytest.mark.parametrize("iteration", [20, 30, 50, 70, 90])
def test_a_run_resumes_in_any_stage_to_the_same_bits(run: tuple[str, Path], tmp_path: Path, iteration: int) -> None:
    path, whole = run
    shutil.copytree(whole.parents[1], tmp_path / "runs")
    folder = tmp_path / "runs/small/1"
    for file in (folder / "snapshots").glob("iter_*"):
        if int(file.stem.split("_")[1]) > iteration:
            file.unlink()
    result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--resume", "--set", "solver.snapshot_keep=100")
    assert result.exit_code == 0, result.output
    assert (folder / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()
    assert (folder / "snapshots" / LAST).read_bytes() == (whole / "snapshots" / LAST).read_bytes()


def test_a_stage_that_is_interrupted_says_so_and_goes_on(run: tuple[str, Path], tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("max_epoch: 4", "max_iter: 100000"))
    process = netc_process("train", "small.yaml", "--no-publish", cwd=tmp_path)
    folder = tmp_path / "runs/small/1"
    wait_for(lambda: (folder / "snapshots" / snapshot.file_name(90)).exists(), process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "SIGINT: stopped after iteration" in out
    found, _ = snapshot.newest(folder / "snapshots")
    assert some(found).metadata["stage"] == 1 and some(found).metadata["before"] == 30
    result = netc(
        "train", path, "--runs", tmp_path / "runs", "--resume", "--set", "solver.pretrain={layer: rbm1, max_iter: 30, base_lr: 1}"
    )
    assert result.exit_code == 2 and "solver.pretrain.1: gone" in result.stderr


def test_a_signal_at_the_end_of_a_stage_is_not_lost(run: tuple[str, Path], tmp_path: Path) -> None:
    path, whole = run

    def end(event: Any) -> None:
        if isinstance(event, Snapshotted) and event.iteration == 30:
            os.kill(os.getpid(), signal.SIGTERM)

    options = TrainOptions(runs=str(tmp_path / "runs"), quiet=True)
    assert train_command(Compilation.of(load_job(path, ["solver.snapshot_keep=100"])), options, extra=[end]) == "SIGTERM"
    found, _ = snapshot.newest(tmp_path / "runs/small/1/snapshots")
    assert (some(found).metadata["stage"], some(found).metadata["iteration"]) == (1, 0)
    options = replace(options, resume="")
    assert train_command(Compilation.of(load_job(path, ["solver.snapshot_keep=100"])), options) == "max_iter"
    assert (tmp_path / "runs/small/1/log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()


def test_weights_are_what_the_first_stage_starts_from(run: tuple[str, Path], tmp_path: Path) -> None:
    path, whole = run
    weights = whole / "snapshots" / LAST
    stopped = netc("train", path, "--no-publish", "--runs", tmp_path, "--weights", weights, "--set", "solver.snapshot_keep=9")
    assert stopped.exit_code == 0
    np.testing.assert_array_equal(states(tmp_path / "small/1", 30)["ip1.weight"], states(whole, 120)["ip1.weight"])


def test_layers_below_run_as_in_testing(run: tuple[str, Path]) -> None:
    program = api.load(run[0])
    _, second, _ = program.stages
    assert [layer.name for layer in second.train_net.layers] == ["data", "rbm1", "drop1", "rbm2"]
    assert [layer.phase for layer in second.train_net.layers] == [None, TEST, TEST, None]
    noise = {n.name for n in second.steps.train.leaves("Input") if n.name.startswith("noise/")}
    assert noise == {"noise/rbm2.hidden1", "noise/rbm2.visible1"}  # no mask of the dropout


def test_the_deployed_net_has_no_loss_of_a_layer(run: tuple[str, Path], tmp_path: Path) -> None:
    text = NET.replace("RBM: {num_output: 12,", "RBM: {num_output: 12, top: [rbm1, own, error],")
    program = api.load(write_small(tmp_path, text))
    graph = program.deploy[0].graph
    assert list(graph.outputs) == ["out/prob"] and not [n for n in graph.leaves("Input") if n.name.startswith("noise/")]


def test_compile_writes_a_model_for_each_stage(run: tuple[str, Path], tmp_path: Path) -> None:
    program = api.load(run[0])
    names = [p.name for p in write(program, tmp_path)]
    assert names[:6] == ["pretrain1.json", "pretrain1.onnx", "pretrain2.json", "pretrain2.onnx", "train.json", "train.onnx"]
    start = snapshot.read_weights(tmp_path / "start.safetensors")
    for name in ("pretrain1.onnx", "pretrain2.onnx"):
        model = onnx.load(tmp_path / name)
        said = json.loads({p.key: p.value for p in model.metadata_props}["netc"])
        assert {s["name"] for s in said["states"] if s["start"] is None} <= start.keys()
        assert {"kind": said["kind"], "net": said["net"]} == {"kind": "train", "net": "small"}


@pytest.mark.parametrize("stage, at, sentence", [
    ("{layer: rbm3, max_iter: 5, base_lr: 0.1}", "layer:", "There is no layer 'rbm3' to pretrain. Did you mean"),
    ("{layer: ip1, max_iter: 5, base_lr: 0.1}", "layer:", "Layer 'ip1' (InnerProduct) cannot be pretrained, as it has no loss of its own"),
    ("{layer: rbm1, max_iter: 5}", "{", "`base_lr` is missing"),
    ("{layer: rbm1, base_lr: 0.1}", "{", "Set `max_iter` or `max_epoch`"),
    ("{layer: rbm1, max_iter: 5, base_lr: 0.1, type: Adem}", "type:", "There is no solver type 'Adem'"),
    ("{max_iter: 5, base_lr: 0.1}", "{", "There is no layer '' to pretrain"),
])  # fmt: skip
def test_errors_of_a_stage(tmp_path: Path, stage: str, at: str, sentence: str) -> None:
    line = "    - {layer: rbm1, max_iter: 30, base_lr: 0.001, momentum: 0.5}"
    path = write_small(tmp_path, NET.replace(line, f"    - {stage}"))
    with pytest.raises(SpecError) as caught:
        api.load(path)
    number = NET.splitlines().index(line) + 1
    assert any(str(f).startswith(f"{path}:{number}:{7 + stage.index(at)}: ") and sentence in str(f) for f in caught.value.diagnostics), (
        caught.value
    )


def test_a_net_is_trained_without_its_stages(run: tuple[str, Path]) -> None:
    program = api.load(run[0], "solver.pretrain=[]")
    assert [stage.layer for stage in program.stages] == [None]


def test_pretraining_reads_rows_without_labels(tmp_path: Path) -> None:
    text = NET.replace("test_fraction: 0.2", "test_fraction: 0.2, labelled: 40")
    program = api.load(write_small(tmp_path, text))
    rows = [some(stage.train_net.sources[0].source).rows for stage in program.stages]
    assert rows == [160, 160, 40] and some(program.test_net.sources[0].source).rows == 40


def test_a_stage_that_names_a_loss_trains_the_layers_below(tmp_path: Path) -> None:
    text = NET.split("solver:")[0].replace("SoftmaxWithLoss", "SoftmaxWithLoss: {name: other, loss_weight: 0}")
    text += "  - EuclideanLoss: {name: error, bottom: [rbm1, dropped], loss_weight: 0.5}\n  - SoftmaxWithLoss: {bottom: [ip1, label]}\n"
    solver = "solver: {pretrain: [{layer: other, max_iter: 5, base_lr: 0.1}], base_lr: 0.1, max_iter: 5}\n"
    stage = api.load(write_small(tmp_path, text + solver)).stages[0]
    names = {layer.name: layer for layer in stage.train_net.layers}
    assert "error" not in names and "loss" not in names and names["other"].loss_weights == (1.0,)
    assert all(layer.phase is None for layer in names.values())  # Dropout drops
    below = {"rbm1.weight", "rbm1.bias", "rbm2.weight", "rbm2.bias", "ip1.weight", "ip1.bias"}
    assert {p.node.name for p in stage.steps.gradients} == below


def test_k_means_needs_no_learning_rate(tmp_path: Path) -> None:
    text = NET.split("solver:")[0] + "  - KMeans: {bottom: rbm1, num_output: 3, top: [cluster, distance]}\n"
    solver = "solver: {pretrain: [{layer: kmeans1, max_epoch: 30}], base_lr: 0.1, max_iter: 5}\n"
    first, last = api.load(write_small(tmp_path, text + solver)).stages
    assert not first.steps.gradients and {s.node.name for s in first.steps.train.updates} >= {"kmeans1.centers", "kmeans1.starts.train"}
    assert "kmeans1.centers" not in {s.node.name for s in last.steps.train.updates}  # they stay as they are
    with pytest.raises(SpecError, match="`base_lr` is missing"):
        api.load(write_small(tmp_path, (text + solver).replace("base_lr: 0.1, ", "")))


def test_fields_of_a_stage_are_the_solvers() -> None:
    from netc import netc_pb2 as pb

    solver = pb.SolverParameter.DESCRIPTOR.fields_by_name
    for field in pb.PretrainParameter.DESCRIPTOR.fields:
        if field.name != "layer":
            assert (field.type, field.is_repeated, field.default_value) == (
                solver[field.name].type,
                solver[field.name].is_repeated,
                solver[field.name].default_value,
            )

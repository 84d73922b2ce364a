"""solver.ema: a run is tested and published with the average of its weights, and resumes with both."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from netc.formats.caffe_weights import read_weights
from netc.runtime import snapshot
from netc.runtime.averages import WEIGHT, average_of, averaged
from netc.training.record import read
from tests.small_nets import NET, log, netc, write_small

EMA = NET.replace("base_lr: 0.02", "ema: 0.9, base_lr: 0.02")


def trained(folder: Path, text: str, *options: object) -> Path:
    """The folder of a run, whose zoo lies beside `runs`."""
    path = write_small(folder, text)
    result = netc("train", path, "--runs", folder / "runs", "--threads", 1, *options, NETC_ZOO=str(folder / "zoo"))
    assert result.exit_code == 0, result.output
    return sorted((folder / "runs/small").iterdir(), key=lambda p: int(p.name))[-1]


def newest(run: Path) -> dict[str, np.ndarray]:
    found, _ = snapshot.newest(run / "snapshots")
    assert found is not None
    return found.states


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("averages")
    return trained(folder, EMA, "--publish")


def test_weights_learn_as_without_an_average(run: Path, tmp_path: Path) -> None:
    plain = trained(tmp_path, NET, "--no-publish")
    states = newest(run)
    for name, array in newest(plain).items():
        np.testing.assert_array_equal(states[name], array, err_msg=name)
    assert [line for line in log(run) if line["event"] == "train"] == [line for line in log(plain) if line["event"] == "train"]
    assert [line for line in log(run) if line["event"] == "test"][1:] != [line for line in log(plain) if line["event"] == "test"][1:]


def test_scores_are_those_of_the_average(run: Path) -> None:
    """`netc test` computes them from the snapshot, and from a file with the averages alone."""
    last = [line for line in log(run) if line["event"] == "test"][-1]
    states = newest(run)
    weights = {name: array for name, array in averaged(states).items() if average_of(name) in states}
    assert weights and not np.array_equal(weights["ip2.weight"], states["ip2.weight"])
    (run.parent.parent.parent / "own.safetensors").write_bytes(snapshot.weights_bytes(weights, {}))
    for file in (run / "snapshots/iter_00000060.safetensors", run.parent.parent.parent / "own.safetensors"):
        said = netc("test", run.parent.parent.parent / "small.yaml", "--weights", file).stdout
        assert f"loss: {last['loss']:.6g}" in said and f"accuracy: {last['accuracy']:.6g}" in said


def test_the_published_model_has_the_average(run: Path) -> None:
    (folder,) = (run.parent.parent.parent / "zoo/small").iterdir()
    states, model = newest(run), onnx.load(folder / "model.onnx")
    arrays = [onnx.numpy_helper.to_array(i) for i in model.graph.initializer]
    sizes = states["ip2.weight"].size
    found = [a for a in arrays if a.size == sizes]
    wanted, raw = states["ip2.weight.average"], states["ip2.weight"]
    assert any(np.array_equal(np.sort(a.reshape(-1)), np.sort(wanted.reshape(-1))) for a in found)
    assert not any(np.array_equal(np.sort(a.reshape(-1)), np.sort(raw.reshape(-1))) for a in found)
    assert json.loads((folder / "metrics.json").read_text())["loss"] == [line for line in log(run) if line["event"] == "test"][-1]["loss"]


def test_the_record_says_so(run: Path) -> None:
    record = read(run)
    assert record is not None and record.ema == 0.9
    assert "average of the weights" in (run / "report.html").read_text()


def test_the_step_file_says_what_to_test(run: Path, tmp_path: Path) -> None:
    result = netc("compile", run.parent.parent.parent / "small.yaml", "-o", tmp_path / "build")
    assert result.exit_code == 0
    said = json.loads((tmp_path / "build/train.json").read_text())
    assert said["average"] == {"decay": pytest.approx(0.9), "suffix": ".average", "weight": WEIGHT}
    kinds = {s["name"]: (s["kind"], s["start"]) for s in said["states"]}
    assert kinds["ip2.weight.average"] == kinds[WEIGHT] == ("average", 0.0)


def test_a_run_that_is_resumed_equals_a_whole_one(run: Path, tmp_path: Path) -> None:
    trained(tmp_path, EMA, "--no-publish", "--set", "solver.max_iter=37")
    again = trained(tmp_path, EMA, "--no-publish", "--resume")
    one, two = newest(run), newest(again)
    assert one.keys() == two.keys() and all(one[n].tobytes() == two[n].tobytes() for n in one)


def test_the_best_model_is_an_average(tmp_path: Path) -> None:
    """The scores of its file are those of its test."""
    run = trained(tmp_path, EMA, "--no-publish", "--set", "solver.patience=1", "--set", "solver.base_lr=1")
    record = read(run)
    assert record is not None and record.best is not None
    said = netc("test", tmp_path / "small.yaml", "--weights", run / "snapshots/best.safetensors").stdout
    assert f"loss: {record.scores['loss']:.6g}" in said


def test_resetting_the_slots_keeps_the_average(tmp_path: Path) -> None:
    states = newest(trained(tmp_path, EMA.replace("momentum", "reset_interval: 59, momentum"), "--no-publish"))
    assert states[WEIGHT] == pytest.approx((1 - 0.9**60) / 0.1, rel=1e-5)


def test_frozen_parameters_have_no_average(tmp_path: Path) -> None:
    run = trained(tmp_path, EMA.replace("momentum", 'freeze: ["conv1"], momentum'), "--no-publish")
    names = newest(run).keys()
    assert "ip1.weight.average" in names and not any(n.startswith("conv1") and n.endswith(".average") for n in names)
    last = [line for line in log(run) if line["event"] == "test"][-1]
    said = netc("test", tmp_path / "small.yaml", "--weights", run / "snapshots/iter_00000060.safetensors").stdout
    assert f"loss: {last['loss']:.6g}" in said


def test_sums_over_batches_are_averaged_once_an_update(tmp_path: Path) -> None:
    states = newest(
        trained(tmp_path, EMA.replace("momentum", "iter_size: 3, max_iter: 5, momentum").replace(", max_iter: 60", ""), "--no-publish")
    )
    assert states[WEIGHT] == pytest.approx((1 - 0.9**5) / 0.1, rel=1e-5)


@pytest.mark.parametrize(("form", "suffix"), [("BINARYPROTO", ".caffemodel"), ("HDF5", ".caffemodel.h5")])
def test_caffes_files_hold_both(tmp_path: Path, form: str, suffix: str) -> None:
    run = trained(tmp_path, EMA, "--no-publish", "--set", f"solver.snapshot_format={form}")
    states = newest(run)
    for name, wanted in (("", "ip2.weight"), ("_average", "ip2.weight.average")):
        weights, _ = read_weights(str(run / f"snapshots/small_iter_60{name}{suffix}"))["ip2"]
        np.testing.assert_array_equal(weights.reshape(states[wanted].shape), states[wanted])


def test_without_an_average_states_stay() -> None:
    states = {"w": np.ones(2), "w.average": np.zeros(2)}
    assert averaged(states)["w"][0] == 1 and averaged({**states, WEIGHT: np.zeros(())})["w"][0] == 1
    assert averaged({**states, WEIGHT: np.ones(())})["w"][0] == 0

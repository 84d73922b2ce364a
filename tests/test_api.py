"""netc from Python: nets to look into, training, compiling, and the names that the package gives."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import netc
from netc.errors import DataError, NetcError, SpecError
from tests.small_nets import NET, log, write_small
from tests.small_trees import write_trees

LINEAR = """\
name: linear
layers:
  - Input: {top: [data, target], shape: [{dim: [4, 3]}, {dim: [4, 2]}]}
  - InnerProduct: {bottom: data, num_output: 2, weight_filler: xavier, bias_filler: {type: constant, value: 0.5}}
  - ReLU: {name: relu, top: relu}
  - EuclideanLoss: {bottom: [relu, target], loss_weight: 3}
"""
X = np.array([[1, 2, -1], [0, 1, 1], [3, -1, 2], [-2, 0, 1]], np.float32)
T = np.array([[1, 0], [0, 1], [2, 2], [-1, 0]], np.float32)


@pytest.fixture
def linear(tmp_path: Path) -> netc.Net:
    return netc.Net(write_small(tmp_path, LINEAR))


def by_hand(net: netc.Net, x: Any = X, t: Any = T) -> Any:
    """(ip1, loss, gradient of the loss by ip1) from the net's own weights."""
    w, b = (p.data for p in net.params["ip1"])
    ip = x @ w.T + b
    difference = np.maximum(ip, 0) - t
    return ip, (difference**2).sum() / (2 * len(x)), 3 * difference / len(x) * (ip > 0)


def test_forward_fills_the_blobs_and_gives_the_outputs(linear: netc.Net) -> None:
    assert linear.inputs == ["data", "target"] and linear.outputs == ["loss"] and list(linear.params) == ["ip1"]
    outputs = linear.forward(data=X, target=T)
    ip, loss, _ = by_hand(linear)
    assert outputs.keys() == {"loss"} and outputs["loss"] == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(linear.blobs["ip1"].data, ip, rtol=1e-5)
    np.testing.assert_allclose(linear.blobs["relu"].data, np.maximum(ip, 0), rtol=1e-5)


def test_backward_fills_the_diffs(linear: netc.Net) -> None:
    linear.forward(data=X, target=T)
    inputs = linear.backward()
    _, _, d = by_hand(linear)
    np.testing.assert_allclose(linear.blobs["ip1"].diff, d, rtol=1e-5)
    np.testing.assert_allclose(linear.params["ip1"][0].diff, d.T @ X, rtol=1e-5)
    np.testing.assert_allclose(linear.params["ip1"][1].diff, d.sum(0), rtol=1e-5)
    np.testing.assert_allclose(inputs["data"], d @ linear.params["ip1"][0].data, rtol=1e-5)
    assert inputs["data"] is linear.blobs["data"].diff


def test_params_and_blobs_are_written_in_place(linear: netc.Net) -> None:
    linear.forward(data=X, target=T)
    weight, shown, diff = linear.params["ip1"][0].data, linear.blobs["relu"].data, linear.params["ip1"][0].diff
    weight[...] = 1
    linear.params["ip1"][1].data[1] = -100
    linear.blobs["data"].data[0] = 5
    x = X.copy()
    x[0] = 5
    linear.forward()
    linear.backward()
    ip, _, d = by_hand(linear, x)
    np.testing.assert_allclose(shown, np.maximum(ip, 0), rtol=1e-5)
    np.testing.assert_allclose(diff, d.T @ x, rtol=1e-5)
    assert (ip[:, 1] < 0).all() and shown[0, 0] == 15.5


def test_top_diffs_start_where_they_are_given(linear: netc.Net) -> None:
    linear.forward(data=X, target=T)
    _, _, d = by_hand(linear)
    linear.backward(loss=1)
    np.testing.assert_allclose(linear.blobs["ip1"].diff, d / 3, rtol=1e-5)
    ones = np.ones((4, 2), np.float32)
    linear.backward(relu=ones, loss=0)
    np.testing.assert_allclose(linear.blobs["ip1"].diff, linear.blobs["ip1"].data > 0)
    linear.backward(relu=ones)
    np.testing.assert_allclose(linear.blobs["ip1"].diff, d + (linear.blobs["ip1"].data > 0), rtol=1e-5)
    linear.backward()
    np.testing.assert_allclose(linear.blobs["ip1"].diff, d, rtol=1e-5)


def test_a_net_without_a_loss_needs_top_diffs(tmp_path: Path) -> None:
    net = netc.Net(write_small(tmp_path, LINEAR.split("  - Euclidean")[0]))
    net.forward(data=X)
    with pytest.raises(SpecError, match="The net has no loss. Pass the diffs of its tops"):
        net.backward()
    net.backward(relu=np.ones((4, 2)))
    np.testing.assert_allclose(net.params["ip1"][1].diff, (net.blobs["ip1"].data > 0).sum(0))


def test_what_does_not_fit_is_told(linear: netc.Net) -> None:
    with pytest.raises(DataError, match=r"no input 'dat'. Did you mean 'data'\?"):
        linear.forward(dat=X)
    with pytest.raises(DataError, match=r"Input 'data' has shape \(3, 4\). The net takes \(4, 3\)"):
        linear.forward(data=X.T)
    with pytest.raises(DataError, match=r"no blob 'rel'. Did you mean 'relu'\?"):
        linear.backward(rel=X)
    with pytest.raises(DataError, match=r"The diff of 'relu' has shape \(4, 3\). The blob has \(4, 2\)"):
        linear.backward(relu=X)


def test_blobs_are_arrays(linear: netc.Net) -> None:
    linear.forward(data=X, target=T)
    assert np.array_equal(np.asarray(linear.blobs["data"]), X) and np.asarray(linear.blobs["data"]) is linear.blobs["data"].data
    assert np.array(linear.blobs["data"], np.float64).dtype == np.float64 and np.add(linear.blobs["data"], 1).sum() == X.sum() + 12
    assert linear.blobs["data"].shape == (4, 3) and repr(linear.blobs["data"]) == "Blob(4x3)"


def test_weights_from_a_file(tmp_path: Path) -> None:
    path = write_small(tmp_path, LINEAR)
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_file({"ip1.weight": weight}, tmp_path / "w.safetensors")
    net = netc.Net(path, str(tmp_path / "w.safetensors"))
    assert np.array_equal(net.params["ip1"][0].data, weight) and np.array_equal(net.params["ip1"][1].data, [0.5, 0.5])


def test_masks_are_drawn_anew_in_training_and_not_in_testing(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    x = np.random.default_rng(0).normal(size=(16, 1, 12, 12)).astype(np.float32)
    nets = netc.Net(path), netc.Net(path), netc.Net(path, seed=1), netc.Net(path, phase="TEST")
    seen = [[float(net.forward(data=x)["loss"]) for _ in range(2)] for net in nets]
    assert seen[0] == seen[1] and seen[0][0] != seen[0][1] and seen[2] != seen[0] and seen[3][0] == seen[3][1]


def test_the_backward_pass_has_the_masks_of_the_forward_pass(tmp_path: Path) -> None:
    net = netc.Net(write_small(tmp_path, NET.replace("  - Dropout", "  - Dropout: {name: drop, top: drop}")))
    net.forward(data=np.ones((16, 1, 12, 12)), label=np.arange(16) % 10)
    net.backward()
    dropped = (net.blobs["drop"].data == 0) & (net.blobs["ip1"].data > 0)
    assert dropped.any() and not net.blobs["ip1"].diff[dropped].any()


def test_statistics_move_in_forward(tmp_path: Path) -> None:
    net = netc.Net(write_small(tmp_path, NET.replace("  - Pooling", "  - BatchNorm\n  - Pooling")))
    before = [p.data.copy() for p in net.params["bn1"]]
    net.forward(data=np.random.default_rng(0).normal(size=(16, 1, 12, 12)))
    assert all((b != p.data).any() for b, p in zip(before, net.params["bn1"], strict=True))


def test_what_no_loss_depends_on_has_no_diff(tmp_path: Path) -> None:
    net = netc.Net(write_small(tmp_path, NET.replace("  - Pooling", "  - BatchNorm\n  - Pooling")))
    net.forward(data=np.random.default_rng(0).normal(size=(16, 1, 12, 12)))
    for blob in (net.params["bn1"][0], net.params["ip1"][0], net.blobs["accuracy"]):
        blob.diff[...] = 7
    net.backward()
    assert not net.params["bn1"][0].diff.any() and not net.blobs["accuracy"].diff.any() and (net.params["ip1"][0].diff != 7).any()


def test_train_gives_the_run_of_the_command(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    assert netc.train(path, runs=str(tmp_path / "runs"), max_iter=12, lr_policy="fixed", test_initialization=False) == "max_iter"
    lines = [line for line in log(tmp_path / "runs/small/1") if line["event"] == "train"]
    assert len(lines) == 12 and [line["lr"] for line in lines] == pytest.approx([0.02] * 12)
    with pytest.raises(SpecError, match="Did you mean 'max_iter'"):
        netc.train(path, runs=str(tmp_path), max_itr=3)


def test_train_publishes_where_it_is_told(tmp_path: Path) -> None:
    netc.train(write_small(tmp_path), runs=str(tmp_path / "runs"), zoo=str(tmp_path / "zoo"), max_iter=3)
    model = netc.Model("small", str(tmp_path / "zoo"))
    assert model(np.zeros((2, 1, 12, 12)))["prob"].shape == (2, 10)


def test_load_and_compile(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    program = netc.load(path, "solver.base_lr=0.5")
    assert isinstance(program, netc.Program) and program.job.solver.base_lr == 0.5
    written = netc.compile(path, str(tmp_path / "build"), base_lr=0.5)
    assert [path.name for path in written[:2]] == ["train.json", "train.onnx"]
    assert (tmp_path / "build/update.onnx").read_bytes() == program.model("update").SerializeToString(deterministic=True)


def test_names() -> None:
    assert netc.__all__ == sorted(
        [
            "Blob",
            "Model",
            "Net",
            "NetcError",
            "Program",
            "compile",
            "dataset",
            "filler",
            "gradient",
            "layer",
            "load",
            "op",
            "optimizer",
            "schedule",
            "source",
            "test",
            "train",
            "training_op",
        ]
    )
    assert all(getattr(netc, name) is not None for name in netc.__all__) and netc.NetcError is NetcError
    with pytest.raises(AttributeError, match="module 'netc' has no attribute 'nothing'"):
        _ = netc.nothing


def test_the_package_itself_imports_nothing_heavy() -> None:
    code = "import sys, netc; print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'onnx', 'onnxruntime', 'click')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_net_for_trees_takes_other_shapes_each_time(tmp_path: Path) -> None:
    net = netc.Net(write_trees(tmp_path))
    for leaves, child in ((2, [[0, 1]]), (3, [[0, 1], [3, 2]])):
        width = [1] * len(child) + [0] * (6 - len(child))
        label = np.ones(leaves + len(child), np.int64)
        net.forward(word=np.arange(leaves), child=np.array(child), width=np.array(width), label=label, root_label=label)
        net.backward()
        assert net.blobs["recursive1"].shape == net.blobs["recursive1"].diff.shape == (leaves + len(child), 4)
        assert (net.params["embed1"][0].diff[:leaves] != 0).any(1).all() and not net.params["embed1"][0].diff[leaves:].any()
    with pytest.raises(DataError, match=r"Input 'child' has shape \(2,\). The net takes \('inner', 2\)"):
        net.forward(child=np.array([0, 1]))

"""Python layers: a user's class between parts of a graph."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

import netc
import netc.caffe as caffe
from netc.caffe import state
from netc.cli import main
from netc.compiler.lower import lower
from netc.compiler.step import StepGraphs, step_graphs
from netc.errors import RunError, SpecError
from netc.layers import python
from netc.net.resolve import resolve
from netc.runtime import chain
from netc.runtime.snapshot import weights_bytes
from netc.spec import load
from netc.spec.solver_settings import SolverSettings
from tests.layers.nets import about

MODULE = """
import time

import numpy as np


class Distance:  # half the mean squared distance, as EuclideanLoss
    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise ValueError("takes two bottoms")

    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.difference = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.difference**2) / bottom[0].num / 2

    def backward(self, top, propagate_down, bottom):
        for i, sign in enumerate((1, -1)):
            if not propagate_down[i]:
                continue
            bottom[i].diff[...] = sign * self.difference * top[0].diff / bottom[i].num


class Weighted:  # x times a learned blob times a number
    def setup(self, bottom, top):
        self.factor = float(self.param_str)
        self.blobs.add_blob(*bottom[0].shape[1:])
        self.blobs[0].data[...] = 0.5

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data * self.blobs[0].data * self.factor

    def backward(self, top, propagate_down, bottom):
        assert propagate_down[0]
        bottom[0].diff[...] = top[0].diff * self.blobs[0].data * self.factor
        self.blobs[0].diff[...] += (top[0].diff * bottom[0].data).sum(0) * self.factor


class Phase:
    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        top[0].data[...] = self.phase

    def backward(self, top, propagate_down, bottom):
        pass


class Slow(Distance):  # 10 ms forward, 20 ms backward
    def forward(self, bottom, top):
        time.sleep(0.01)
        super().forward(bottom, top)

    def backward(self, top, propagate_down, bottom):
        time.sleep(0.02)
        super().backward(top, propagate_down, bottom)


HEARD = []


class Hears:
    def setup(self, bottom, top):
        assert len(bottom) == 2 and not top

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        HEARD.append(bottom[0].data.copy())


class Rows(Phase):  # four rows with their targets, others in each batch
    def setup(self, bottom, top):
        self.random = np.random.default_rng(0)

    def reshape(self, bottom, top):
        top[0].reshape(4, 3)
        top[1].reshape(4, 2)

    def forward(self, bottom, top):
        top[0].data[...] = self.random.normal(size=(4, 3))
        top[1].data[...] = top[0].data[:, :2] * 2


class Wrong(Phase):
    def forward(self, bottom, top):
        raise KeyError("missing")
"""
NET = """
name: hosted
layers:
  - Input: {top: [x, t], shape: [{dim: [4, 3]}, {dim: [4, 2]}]}
  - InnerProduct: {name: ip, bottom: x, num_output: 2, weight_filler: xavier}
  - WEIGHTED
  - TanH: {name: y, bottom: w, top: y}
  - LOSS
solver: {base_lr: 0.1, max_iter: 3}
"""
PYTHON = {
    "WEIGHTED": "Python: {name: w, bottom: ip, top: w, module: MODULE, layer: Weighted, param_str: '2'}",
    "LOSS": "Python: {name: loss, bottom: [y, t], top: loss, module: MODULE, layer: Distance, loss_weight: 1}",
}
PLAIN = {
    "WEIGHTED": "Scale: {name: w, bottom: ip, top: w, axis: 1}",  # 2 * 0.5 at the start
    "LOSS": "EuclideanLoss: {name: loss, bottom: [y, t]}",
}


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow Python layers in pycaffe's nets."""
    monkeypatch.setattr(state, "_allows_python", True)


def run(*arguments: str) -> Result:
    """Run a command with Python layers allowed."""
    return CliRunner().invoke(main, ["--allow-python", *arguments], catch_exceptions=False)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a net file and its module, under a unique name, into one folder."""

    def make(layers: dict[str, str] = PYTHON, text: str = NET) -> str:
        module = f"module_{abs(hash(str(tmp_path)))}"
        (tmp_path / f"{module}.py").write_text(MODULE)
        for name, line in layers.items():
            text = text.replace(name, line)
        path = tmp_path / f"net{len(list(tmp_path.glob('net*')))}.yaml"
        path.write_text(text.replace("MODULE", module))
        return str(path)

    return make


net_of = partial(netc.Net, allow_python=True)
RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(4, 3)).astype(np.float32), RNG.normal(size=(4, 2)).astype(np.float32)


@about("Python")
def test_it_gives_what_the_layers_of_netc_give(write: Callable[..., str]) -> None:
    hosted, plain = net_of(write(), seed=1), net_of(write(PLAIN), seed=1)
    for net in (hosted, plain):
        net.forward(x=X, t=T)
        net.backward()
    for name in ("ip", "w", "y"):
        np.testing.assert_allclose(hosted.blobs[name].data, plain.blobs[name].data, rtol=1e-5)
        np.testing.assert_allclose(hosted.blobs[name].diff, plain.blobs[name].diff, rtol=1e-4, atol=1e-6)
    for blob in (0, 1):
        np.testing.assert_allclose(hosted.params["ip"][blob].diff, plain.params["ip"][blob].diff, rtol=1e-4, atol=1e-6)
    assert hosted.params["w"][0].data.tolist() == [0.5, 0.5]
    np.testing.assert_allclose(hosted.params["w"][0].diff, 2 * plain.params["w"][0].diff, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(hosted.blobs["x"].diff, plain.blobs["x"].diff, rtol=1e-4, atol=1e-6)


def graphs(path: str) -> StepGraphs:
    document = replace(load(path), allow_python=True)
    return step_graphs(lower(resolve(document)), SolverSettings.of(document.message.solver))


def test_a_gradient_that_nobody_needs_is_not_asked_for(write: Callable[..., str]) -> None:
    """Labels get no gradient: backward gets propagate_down false for them."""
    backward = [n for n in chain.calls(graphs(write()).train) if n.op == "PythonBackward"]
    assert {n.origin.layer: n.attrs["call"].args[0] for n in backward} == {"loss": [True, False], "w": [True]}


def test_a_graph_is_cut_where_python_is_called(write: Callable[..., str]) -> None:
    train = graphs(write()).train
    assert [[call.origin.layer for call in part.calls] for part in chain.split(train).parts] == [["w"], ["loss"], ["loss"], ["w"], []]


TRAINED = """
name: trained
layers:
  - Data: {source: rows.npz, batch_size: 4, shuffle: false, top: [x, t]}
  - InnerProduct: {name: ip, bottom: x, num_output: 2, weight_filler: xavier}
  - LOSS
solver: {base_lr: 0.1, max_iter: 30, display: 10, OPTION}
licence: unknown
dataset_licence: unknown
"""


@pytest.mark.parametrize("option", ["iter_size: 1", "iter_size: 2, type: Adam, momentum: 0.9"])
def test_training_is_that_of_the_plain_net(tmp_path: Path, write: Callable[..., str], option: str) -> None:
    np.savez(tmp_path / "rows.npz", x=X, t=T)
    losses: list[Any] = []
    for layers in (PYTHON, PLAIN):
        path = write({"LOSS": layers["LOSS"].replace("[y, t]", "[ip, t]"), "OPTION": option}, TRAINED)
        result = run("train", path, "--runs", str(tmp_path / "runs"), "--zoo", str(tmp_path / "zoo"))
        assert result.exit_code == 0, result.output
        log = tmp_path / "runs" / "trained" / str(len(losses) + 1) / "log.jsonl"
        losses.append([json.loads(line)["loss"] for line in log.read_text().splitlines()])
        assert "An error occurred in this section" not in (log.parent / "report.html").read_text()
        assert ("note: layer 'loss' runs Python between parts of the graph" in result.output) == (layers is PYTHON)
        assert ("not published: a net with Python layers" in result.output) == (layers is PYTHON)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][-1] < 0.8 * losses[0][0]


def test_it_runs_only_where_that_is_allowed(write: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission belongs to one net; other nets do not get it."""
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(SpecError, match="A net from a zoo may not run Python"):
        net_of(write())
    (tmp_path / "manifest.json").unlink()
    net_of(write())
    for make in (netc.Net, netc.load, lambda path: caffe.Net(path, caffe.TRAIN)):
        with pytest.raises(SpecError, match=r"Layer 'w' .Python.: It runs code of the module .*add `--allow-python`"):
            make(write())
    assert netc.load(write(), allow_python=True).train.net
    monkeypatch.setattr(state, "_allows_python", False)
    caffe.allow_python()
    caffe.Net(write(), caffe.TRAIN)
    result = CliRunner().invoke(main, ["check", write()])
    assert result.exit_code == 2 and "--allow-python" in result.output
    for kernels in "10":
        monkeypatch.setenv("NETC_NATIVE", kernels)
        result = CliRunner().invoke(main, ["check", write(), "--allow-python"])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("layer, said", [
    ("module: MODULE, layer: Distance", "setup of Distance: ValueError: takes two bottoms"),
    ("module: MODULE, layer: Distanze", "cannot be made: AttributeError"),
    ("module: no_such_module, layer: A", "no_such_module.A cannot be made: ModuleNotFoundError"),
    ("module: MODULE", "`module` and `layer` are missing"),
])  # fmt: skip
def test_what_is_wrong_is_said_at_its_place(write: Callable[..., str], layer: str, said: str) -> None:
    with pytest.raises(SpecError, match="Layer 'w'.*" + said):
        net_of(write(PYTHON | {"WEIGHTED": f"Python: {{name: w, bottom: ip, {layer}}}"}))


def test_what_python_raises_names_the_layer(write: Callable[..., str]) -> None:
    net = net_of(write({"WEIGHTED": "Python: {name: w, bottom: ip, module: MODULE, layer: Wrong}", "LOSS": "Silence: {bottom: t}"}))
    with pytest.raises(RunError, match="Layer 'w': forward of Wrong: KeyError: 'missing'"):
        net.forward(x=X, t=T)


def test_it_knows_its_phase(write: Callable[..., str]) -> None:
    layers = {"WEIGHTED": "Python: {name: w, bottom: ip, module: MODULE, layer: Phase}", "LOSS": "Silence: {bottom: t}"}
    found = [float(net_of(write(layers), phase=phase).forward(x=X, t=T)["y"][0]) for phase in ("TRAIN", "TEST")]
    assert found == [0, pytest.approx(np.tanh(1))]


def test_such_a_net_is_no_single_model(write: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(weights_bytes({"ip.weight": np.ones((2, 3)), "ip.bias": np.ones(2), "w.blob0": np.ones(2)}))
    result = run("convert", write(), str(tmp_path / "w.safetensors"), "-o", str(tmp_path / "m.onnx"))
    assert result.exit_code == 2 and "runs Python, so the net is not a single model" in result.output


def called(made: dict[str, Any], step: dict[str, Any], arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Run a step of a compiled chain: the user's object of the layer does the work that the step describes."""
    blobs, tops = step["bottoms"] + step["blobs"], step["tops"]
    held = [python.Blob(*a.shape) for a in arrays[:blobs]] + [python.Blob() for _ in range(tops)]
    for blob, array in zip(held, arrays, strict=False):
        blob.data = np.array(array)
    bottom, top = held[: step["bottoms"]], held[blobs:]
    if step["layer"] not in made:
        made[step["layer"]] = getattr(import_module(step["module"]), step["class"])()
        made[step["layer"]].param_str, made[step["layer"]].blobs = step["param_str"], python.Blobs()
        made[step["layer"]].setup(bottom, top)
    user = made[step["layer"]]
    user.blobs[:] = held[step["bottoms"] : blobs]
    if step["method"] == "forward":
        user.reshape(bottom, top)
        user.forward(bottom, top)
        return [t.data for t in top]
    for blob, diff in zip(top, arrays[blobs + tops :], strict=True):
        blob.diff = diff
    user.backward(top, step["propagate_down"], bottom)
    return [blob.diff for blob in held[:blobs]]


def test_a_compiled_chain_trains_in_any_loop(write: Callable[..., str], tmp_path: Path) -> None:
    """The files of netc compile, plain onnxruntime and the user's class give the same results as netc's own net."""
    result = run("compile", write(), "-o", str(tmp_path / "b"))
    assert result.exit_code == 0, result.output
    parts = {"train": 5, "gradient": 5, "test": 3, "model": 2, "open": 2}
    assert {p.name for p in (tmp_path / "b").glob("*")} == {
        *(f"{kind}.{k}.onnx" for kind, count in parts.items() for k in range(1, count + 1)),
        *(f"{kind}.json" for kind in parts), "update.onnx", "start.safetensors",
    }  # fmt: skip
    made: dict[str, Any] = {}
    chained, net = json.loads((tmp_path / "b" / "train.json").read_text()), net_of(write())
    states = load_file(tmp_path / "b" / "start.safetensors")
    states |= {s["name"]: np.full(s["shape"], s["start"], np.float32) for s in chained["states"] if s["start"] is not None}
    for _ in range(3):
        there = {"batch/x": X, "batch/t": T, "lr": np.array(0.1, np.float32)} | {f"state/{n}": a for n, a in states.items()}
        for step in chained["steps"]:
            if "model" in step:
                session = ort.InferenceSession(tmp_path / "b" / step["model"])
                names = [o.name for o in session.get_outputs()]
                there |= zip(names, session.run(names, {i.name: there[i.name] for i in session.get_inputs()}), strict=True)
            else:
                there |= zip(step["outputs"], called(made, step, [there[n] for n in step["inputs"]]), strict=True)
        expected = net.forward(x=X, t=T)["loss"]
        net.backward()
        for name, blob in net._states.items():
            blob.data -= np.float32(0.1) * blob.diff
            np.testing.assert_allclose(there[chained["outputs"][f"next/{name}"]], blob.data, rtol=1e-5, atol=1e-6)
            states[name] = there[chained["outputs"][f"next/{name}"]]
        np.testing.assert_allclose(there[chained["outputs"]["loss"]], expected.reshape(()), rtol=1e-5)
    assert chained["kind"] == "train" and {"ip.weight", "ip.bias", "w.blob0"} <= {s["name"] for s in chained["states"]}


def test_time_counts_the_calls(tmp_path: Path, write: Callable[..., str]) -> None:
    np.savez(tmp_path / "rows.npz", x=X, t=T)
    slow = PYTHON["LOSS"].replace("[y, t]", "[ip, t]").replace("Distance", "Slow")
    result = run("time", write({"LOSS": slow, "OPTION": "type: SGD"}, TRAINED), "--iterations", "3")
    assert result.exit_code == 0, result.output
    row = next(line for line in result.output.splitlines() if line.startswith("loss")).split()
    assert 5 < float(row[1]) < 50 and 10 < float(row[2]) < 60


ENDS = "Python: {name: heard, bottom: [ip, t], top: [], module: MODULE, layer: Hears}"
BEGINS = "Python: {name: rows, bottom: [], top: [x, t], module: MODULE, layer: Rows}"


def test_one_without_tops_runs(write: Callable[..., str], tmp_path: Path, allowed: None) -> None:
    """It runs in a forward pass, in training, in testing, and in pycaffe's net."""
    np.savez(tmp_path / "rows.npz", x=X, t=T)
    path = write({"LOSS": ENDS + "\n  - EuclideanLoss: {bottom: [ip, t]}", "OPTION": "test_interval: 10, test_iter: 2"}, TRAINED)
    net = caffe.Net(path, caffe.TRAIN)
    heard = import_module(f"module_{abs(hash(str(tmp_path)))}").HEARD
    net.forward()
    np.testing.assert_allclose(heard.pop(), net.blobs["ip"].data, rtol=1e-6)
    assert net.blobs.keys() == {"x", "t", "ip", "loss"} and not heard
    result = run("train", path, "--runs", str(tmp_path / "runs"), "--no-publish")
    assert result.exit_code == 0, result.output
    assert len(heard) == 30 + 2 * 4  # steps, and tests at 0, 10, 20 and 30


def test_one_without_bottoms_is_a_source(write: Callable[..., str], tmp_path: Path) -> None:
    text = TRAINED.replace("Data: {source: rows.npz, batch_size: 4, shuffle: false, top: [x, t]}", "BEGINS")
    path = write({"BEGINS": BEGINS, "LOSS": "EuclideanLoss: {bottom: [ip, t]}", "OPTION": "test_interval: 10, test_iter: 2"}, text)
    result = run("train", path, "--runs", str(tmp_path / "runs"), "--no-publish")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "runs" / "trained" / "1" / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if line["event"] == "test"] == [0, 10, 20, 30]
    losses = [line["loss"] for line in lines if line["event"] == "train"]
    assert losses[-1] < 0.9 * losses[0]

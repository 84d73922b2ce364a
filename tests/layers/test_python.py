"""Python layers: a user's class between the parts of a graph."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from netc import chain
from netc.api import Net
from netc.cli import main
from netc.errors import RunError, SpecError
from netc.layers import python
from netc.lower import lower
from netc.net import resolve
from netc.spec import load
from netc.training import step_graphs
from tests.layers.nets import about

MODULE = """
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


@pytest.fixture(autouse=True)
def allowed(monkeypatch):
    monkeypatch.setattr(python, "_allowed", [True])


@pytest.fixture
def write(tmp_path):
    """A net file, its module beside it under a name of its own."""

    def make(layers: dict[str, str] = PYTHON, text: str = NET) -> str:
        module = f"module_{abs(hash(str(tmp_path)))}"
        (tmp_path / f"{module}.py").write_text(MODULE)
        for name, line in layers.items():
            text = text.replace(name, line)
        path = tmp_path / f"net{len(list(tmp_path.glob('net*')))}.yaml"
        path.write_text(text.replace("MODULE", module))
        return str(path)

    return make


RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(4, 3)).astype(np.float32), RNG.normal(size=(4, 2)).astype(np.float32)


@about("Python")
def test_it_gives_what_the_layers_of_netc_give(write):
    hosted, plain = Net(write(), seed=1), Net(write(PLAIN), seed=1)
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


def graphs(path: str):
    document = load(path)
    return step_graphs(lower(resolve(document)), document.message.solver)


def test_a_gradient_that_nobody_needs_is_not_asked_for(write):
    """Labels get none: backward sees propagate_down false for them."""
    backward = [n for n in chain.calls(graphs(write()).train) if n.op == "PythonBackward"]
    assert {n.origin.layer: n.attrs["call"].args[0] for n in backward} == {"loss": [True, False], "w": [True]}


def test_a_graph_is_cut_where_python_is_called(write):
    train = graphs(write()).train
    assert [[call.layer for call in part.calls] for part in chain.split(train).parts] == [["w"], ["loss"], ["loss"], ["w"], []]
    assert len(chain.models(train)) == 5


TRAINED = """
name: trained
layers:
  - Data: {source: rows.npz, batch_size: 4, shuffle: false, top: [x, t]}
  - InnerProduct: {name: ip, bottom: x, num_output: 2, weight_filler: xavier}
  - LOSS
solver: {base_lr: 0.1, max_iter: 30, display: 10, OPTION}
"""


@pytest.mark.parametrize("option", ["iter_size: 1", "iter_size: 2, type: Adam, momentum: 0.9"])
def test_training_is_that_of_the_plain_net(tmp_path, write, option):
    np.savez(tmp_path / "rows.npz", x=X, t=T)
    losses = []
    for layers in (PYTHON, PLAIN):
        path = write({"LOSS": layers["LOSS"].replace("[y, t]", "[ip, t]"), "OPTION": option}, TRAINED)
        arguments = ["--allow-python", "train", path, "--runs", str(tmp_path / "runs"), "--zoo", str(tmp_path / "zoo")]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        log = tmp_path / "runs" / "trained" / str(len(losses) + 1) / "log.jsonl"
        losses.append([json.loads(line)["loss"] for line in log.read_text().splitlines()])
        assert "could not be made" not in (log.parent / "report.html").read_text()
        assert ("note: layer 'loss' runs Python between parts of the graph" in result.output) == (layers is PYTHON)
        assert ("not published: a net with Python layers" in result.output) == (layers is PYTHON)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][-1] < 0.8 * losses[0][0]


def test_it_runs_only_where_that_is_allowed(write, tmp_path, monkeypatch):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(SpecError, match="what came out of a zoo runs none"):
        Net(write())
    (tmp_path / "manifest.json").unlink()
    monkeypatch.setattr(python, "_allowed", [])
    with pytest.raises(SpecError, match=r"layer 'w' \(Python\): runs code of the module .*--allow-python allows that"):
        Net(write())
    result = CliRunner().invoke(main, ["check", write()])
    assert result.exit_code == 2 and "--allow-python" in result.output
    result = CliRunner().invoke(main, ["check", write(), "--allow-python"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("layer, said", [
    ("module: MODULE, layer: Distance", "setup of Distance: ValueError: takes two bottoms"),
    ("module: MODULE, layer: Distanze", "cannot be made: AttributeError"),
    ("module: no_such_module, layer: A", "no_such_module.A cannot be made: ModuleNotFoundError"),
    ("module: MODULE", "needs `module` and `layer`"),
])  # fmt: skip
def test_what_is_wrong_is_said_at_its_place(write, layer, said):
    with pytest.raises(SpecError, match="layer 'w'.*" + said):
        Net(write(PYTHON | {"WEIGHTED": f"Python: {{name: w, bottom: ip, {layer}}}"}))


def test_what_python_raises_names_the_layer(write):
    net = Net(write({"WEIGHTED": "Python: {name: w, bottom: ip, module: MODULE, layer: Wrong}", "LOSS": "Silence: {bottom: t}"}))
    with pytest.raises(RunError, match="layer 'w': forward of Wrong: KeyError: 'missing'"):
        net.forward(x=X, t=T)


def test_it_knows_its_phase(write):
    layers = {"WEIGHTED": "Python: {name: w, bottom: ip, module: MODULE, layer: Phase}", "LOSS": "Silence: {bottom: t}"}
    found = [float(Net(write(layers), phase=phase).forward(x=X, t=T)["y"][0]) for phase in ("TRAIN", "TEST")]
    assert found == [0, pytest.approx(np.tanh(1))]


def test_such_a_net_is_no_single_model(write):
    result = CliRunner().invoke(main, ["compile", write(), "--allow-python"])
    assert result.exit_code == 2 and "runs Python: its net is no single model" in result.output

"""A user's own layer, op, gradient, optimizer, filler, policy and source, in a file of their own."""

from pathlib import Path

import numpy as np
import pytest

from netc import Net, api, registry
from netc.runtime import snapshot
from tests.small_nets import NET, log, netc, write_arrays, write_small

PLUGIN = '''\
"""A layer Wave with its own op and gradient, a layer Times with parameters, and more."""

import numpy as np

from netc import filler, gradient, layer, op, optimizer, schedule, source, training_op
from netc import netc_pb2 as pb
from netc.data import Description, Table, TopSpec


@training_op("Sine")
def sine(x):
    return op.Sin(x)


@gradient("Sine", domain="netc.training")
def sine_gradient(node, dy):
    return (op.Cos(node.inputs[0]) * dy,)


@layer("Wave")
def wave(ctx, x):
    """y = sin(x)."""
    return sine(x)


@layer("Times")
def times(ctx, x):
    """y = a x, or a learned, from `custom`: factor, learned."""
    custom = ctx.param.custom
    return x * (ctx.weight("factor", (1,), pb.FillerParameter(type="four")) if custom["learned"] else custom["factor"])


@filler("four")
def fill_four(shape, param, draw):
    return np.full(shape, 4, np.float32)


@training_op("Signed")
def signed(x):
    return op.Sign(x) * 0.01


@optimizer("SignSGD")
def sign_sgd(w, g, rate, *, delta):
    """w - rate sign(g)."""
    return (w - rate * signed(g),)


@schedule("halving")
def halving(solver, iteration, max_iter):
    """base_lr / 2^iteration."""
    return solver.base_lr / 2**iteration


@source(".noise")
def noise(request):
    """Random images and labels, as many rows as the file says."""
    rows = int(request.path.read_text())

    def load():
        random = np.random.default_rng(0)
        return random.normal(size=(rows, 1, 12, 12)).astype(np.float32), random.integers(0, 10, rows)

    return Table(Description("noise", (TopSpec("float32", (1, 12, 12)), TopSpec("int64", ())), rows), load)
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plug-in's file."""
    file = tmp_path_factory.mktemp("plugin") / "own.py"
    file.write_text(PLUGIN)
    return file


def test_a_net_of_plugins_trains(tmp_path: Path, plugin: Path) -> None:
    net = (
        NET.replace("small.npz", "rows.noise")
        .replace("  - ReLU\n", "  - Wave\n  - Times: {custom: {factor: 2.5, learned: false}}\n  - Times: {custom: {learned: true}}\n")
        .replace("base_lr: 0.02, momentum: 0.9", "type: SignSGD, base_lr: 1")
        .replace("inv", "halving")
    )
    path = write_small(tmp_path, net)
    (tmp_path / "rows.noise").write_text("100")
    result = netc("train", path, "--plugin", plugin, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo")
    assert result.exit_code == 0, result.stderr
    lines = [line for line in log(tmp_path / "runs/small/1") if line["event"] == "train"]
    assert [line["lr"] for line in lines[:3]] == [1, 0.5, 0.25]
    last = snapshot.newest(tmp_path / "runs/small/1/snapshots")[0]
    assert last is not None
    states = last.states
    assert states["times2.factor"][0] != 4 and abs(states["times2.factor"][0] - 4) < 0.021
    assert netc("check", path, "--plugin", plugin).exit_code == 0
    assert netc("test", path, "--plugin", plugin, "--weights", tmp_path / "zoo/small/1.0.0/start.safetensors").exit_code == 0


def test_what_a_plugin_computes(tmp_path: Path, plugin: Path) -> None:
    registry.load(str(plugin))
    net = Net(
        write_small(
            tmp_path,
            "name: w\nlayers:\n  - Input: {shape: {dim: [2, 3]}}\n  - Wave: {top: w}\n  - Times: {custom: {factor: 2.5, learned: false}}\n",
        )
    )
    x = np.array([[0, 1, 2], [3, 4, 5]], np.float32)
    np.testing.assert_allclose(next(iter(net.forward(data=x).values())), 2.5 * np.sin(x), rtol=1e-5)
    net.backward(times1=np.ones((2, 3)))
    np.testing.assert_allclose(net.blobs["data"].diff, 2.5 * np.cos(x), rtol=1e-5)


def test_the_layer_of_a_plugin_is_listed(plugin: Path) -> None:
    assert "Wave                     y = sin(x)." in netc("layers", "--plugin", plugin).stdout
    assert "y = a x" in netc("layers", "Times", "--plugin", plugin).stdout


def test_custom_parameters_are_set_from_the_command_line(tmp_path: Path, plugin: Path) -> None:
    registry.load(str(plugin))
    path = write_small(tmp_path, NET.replace("  - ReLU\n", "  - Times: {custom: {factor: 2.5, learned: false}}\n"))
    layer = api.load(path, "layers.times1.custom.factor=3").job.train.message.layer[4]
    assert dict(layer.custom) == {"factor": 3, "learned": False}


@pytest.mark.parametrize("text, sentence", [
    ("1 +", "SyntaxError"),
    ("import nothing_like_this", "ModuleNotFoundError: No module named 'nothing_like_this'"),
    ("from netc import layer\n@layer('ReLU')\ndef mine(ctx, x): return x", "layer type 'ReLU' is defined twice"),
])  # fmt: skip
def test_a_plugin_that_does_not_load(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    result = netc("check", write_small(tmp_path), "--plugin", tmp_path / "bad.py")
    assert result.exit_code == 2 and f"{tmp_path / 'bad.py'}:" in result.stderr and sentence in result.stderr


def test_a_plugin_that_is_not_there(tmp_path: Path) -> None:
    result = netc("check", write_small(tmp_path), "--plugin", "none.py")
    assert result.exit_code == 2 and "Plug-in none.py: There is no such Python file." in result.stderr


def test_without_its_plugin_a_net_says_what_is_missing(tmp_path: Path) -> None:
    write_arrays(tmp_path)
    result = netc("check", write_small(tmp_path, NET.replace("ReLU", "Wav3")))
    assert result.exit_code == 2 and "no layer type 'Wav3'" in result.stderr

"""Layers of one name: what netc calls them, and where files of weights cannot tell them apart."""

from pathlib import Path

import numpy as np
import onnx
import pytest

import netc.caffe as caffe
from netc.errors import SnapshotError
from netc.formats.caffe_weights import read_weights
from netc.net.names import unique_names
from netc.net.phases import State
from netc.spec import parse_prototxt
from tests.small_nets import netc

DATA = 'layer { name: "data" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: [4, 3] } shape { dim: 4 } } }\n'
IP = (
    'layer {{ name: "{}" type: "InnerProduct" bottom: "{}" top: "{}"'
    ' inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}\n'
)
LOSSES = """\
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "b" bottom: "y" top: "loss" }
layer { name: "loss" type: "Accuracy" bottom: "b" bottom: "y" top: "acc" }
"""
# A layer without parameters has the name of one with parameters, before and after it.
MIXED = DATA + 'layer { name: "ip" type: "ReLU" bottom: "x" top: "r" }\n' + IP.format("ip", "r", "b") + LOSSES
TWO = DATA + IP.format("ip", "x", "a") + 'layer { name: "ip" type: "ReLU" bottom: "a" top: "a" }\n' + IP.format("ip", "a", "b") + LOSSES
SOLVER = ("--set", "solver.base_lr=0.1", "--iterations", "2", "--no-publish")
CAFFE = ("--set", "solver.snapshot_format=BINARYPROTO", "--set", "solver.snapshot_prefix=w")
HDF5 = ("--set", "solver.snapshot_format=HDF5", "--set", "solver.snapshot_prefix=w")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mixed.prototxt").write_text('name: "mixed"\n' + MIXED)
    (tmp_path / "two.prototxt").write_text('name: "two"\n' + TWO)
    return tmp_path


def names(text: str) -> list[str]:
    net = parse_prototxt(text).message
    return unique_names(net, [State("TRAIN"), State("TEST")])


def test_names() -> None:
    assert names(MIXED) == ["data", "ip#2", "ip", "loss", "loss#2"]  # the layer with parameters keeps its name
    assert names(TWO) == ["data", "ip", "ip#3", "ip#2", "loss", "loss#2"]
    train, test = (f'layer {{ name: "d" type: "Input" top: "d" include {{ phase: {phase} }} }}' for phase in ("TRAIN", "TEST"))
    assert names(train + test) == ["d", "d"] and names(train + train + test + test) == ["d", "d#2", "d", "d#2"]
    assert names(train + 'layer { name: "d" type: "Split" bottom: "d" top: "e" }') == ["d", "d#2"]
    taken = 'layer { name: "a" type: "ReLU" } layer { name: "a#2" type: "ReLU" } layer { name: "a" type: "TanH" }'
    assert names(taken) == ["a", "a#2", "a#3"]


def test_a_layer_has_one_name_in_both_phases() -> None:
    """The second layer would take the weights of the first if it were called `a` where that one does not run."""
    first, second = IP.format("a", "x", "b").replace("} }\n", "} include { phase: TRAIN } }\n"), IP.format("a", "b", "c")
    assert names(first + second) == ["a", "a#2"]


def test_notes(folder: Path) -> None:
    result = netc("check", "mixed.prototxt")
    assert (
        result.exit_code == 0
        and "Layer 'loss': The layer at mixed.prototxt:5:1 has the same name. netc calls this one 'loss#2'." in result.stderr
    )
    assert netc("convert", "mixed.prototxt", "-o", "net.yaml").exit_code == 0 and netc("check", "net.yaml").exit_code == 0


@pytest.mark.parametrize("net", ["mixed", "two"])
def test_netcs_own_files_tell_them_apart(folder: Path, net: str) -> None:
    assert netc("train", f"{net}.prototxt", *SOLVER, "--quiet").exit_code == 0
    weights = f"runs/{net}/1/snapshots/iter_00000002.safetensors"
    assert "acc: " in netc("test", f"{net}.prototxt", "--weights", weights).stdout
    assert netc("convert", f"{net}.prototxt", weights, "-o", "net.onnx").exit_code == 0
    model = onnx.load("net.onnx")
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)
    assert len(model.graph.initializer) == (2 if net == "mixed" else 4)


@pytest.mark.parametrize("form", [CAFFE, HDF5])
def test_weights_of_the_one_layer_with_parameters(folder: Path, form: tuple[str, ...]) -> None:
    result = netc("train", "mixed.prototxt", *SOLVER, *form, "--quiet")
    assert result.exit_code == 0, result.output
    (path,) = folder.glob("w_iter_2.caffemodel*")
    assert list(read_weights(path)) == ["ip"]
    result = netc("test", "mixed.prototxt", "--weights", str(path))
    assert result.exit_code == 0 and "acc: " in result.stdout
    made = caffe.Net("mixed.prototxt", str(path), caffe.TEST)
    np.testing.assert_array_equal(made.params["ip"][0].data, read_weights(path)["ip"][0])
    assert list(made.params) == ["ip"] and [layer.type for layer in made.layers][1:3] == ["ReLU", "InnerProduct"]
    assert made.top_names["loss"] == ["acc"] and made._layer_names.count("loss") == 2  # by name the last one counts
    made.save("again.caffemodel")
    np.testing.assert_array_equal(read_weights("again.caffemodel")["ip"][0], read_weights(path)["ip"][0])


def test_weights_of_two_layers_with_parameters_are_refused(folder: Path) -> None:
    text = "Two layers with parameters have the name 'ip', and Caffe's files of weights go by names. Rename one of them."
    result = netc("train", "two.prototxt", *SOLVER, *CAFFE)
    assert result.exit_code == 2 and text in result.stderr and not Path("runs").exists()
    assert netc("train", "mixed.prototxt", *SOLVER, *CAFFE, "--quiet").exit_code == 0
    result = netc("test", "two.prototxt", "--weights", "w_iter_2.caffemodel")
    assert result.exit_code == 2 and text in result.stderr
    made = caffe.Net("two.prototxt", caffe.TEST)
    assert list(made.params) == ["ip", "ip#2"]
    with pytest.raises(SnapshotError, match="Two layers with parameters"):
        made.save("two.caffemodel")
    with pytest.raises(SnapshotError, match="Two layers with parameters"):
        made.copy_from("w_iter_2.caffemodel")

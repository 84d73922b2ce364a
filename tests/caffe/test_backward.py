"""The gradients of `netc.Net` and `netc.caffe`: of layers in place, of frozen parameters, in parts, after a script wrote to blobs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
import netc.caffe as caffe
from netc.caffe import state
from netc.errors import DataError
from tests.recorded import FOLDER, Case, check, index

IN_PLACE = [
    "bias_inplace",
    "bn_inplace",
    "exp_inplace",
    "prelu_inplace",
    "relu_inplace",
    "scale_inplace",
    "sigmoid_inplace",
    "tanh_inplace",
    "conv_frozen",
    "lossweight_mid",
    "silence",
]
NET = """\
force_backward: true
layer {{ name: "d" type: "Input" top: "x" top: "t" input_param {{ shape {{ dim: 6 dim: 3 }} shape {{ dim: 6 dim: 2 }} }} }}
layer {{ name: "l" {layer} bottom: "x" top: "x" }}
layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "m" {layer} bottom: "ip" top: "ip" }}
layer {{ name: "tanh" type: "TanH" bottom: "ip" top: "h" }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "h" bottom: "t" top: "loss" }}
"""
LAYERS = {
    "PReLU": 'type: "PReLU" prelu_param { filler { value: -0.7 } }',
    "Scale": 'type: "Scale" scale_param { filler { type: "uniform" min: -2 max: -1 } bias_term: true bias_filler { value: 0.3 } }',
    "BatchNorm": 'type: "BatchNorm"',
    "ReLU": 'type: "ReLU" relu_param { negative_slope: -0.5 }',
    "ELU": 'type: "ELU" elu_param { alpha: -2 }',
    "Power": 'type: "Power" power_param { power: 2 scale: 0.5 shift: 0.5 }',
    "Sigmoid": 'type: "Sigmoid"',
    "Swish": 'type: "Swish"',
    "Log": 'type: "Log" log_param { scale: 0.1 shift: 3 }',
    "Dropout": 'type: "Dropout"',
}
RANDOM = np.random.default_rng(3)
X, T = RANDOM.normal(size=(6, 3)).astype(np.float32), RANDOM.normal(size=(6, 2)).astype(np.float32)
KINDS: list[Callable[[str], Any]] = [lambda path: netc.Net(path), lambda path: caffe.Net(path, caffe.TRAIN)]


def written(folder: Path, layer: str) -> str:
    (folder / "n.prototxt").write_text(NET.format(layer=LAYERS[layer]))
    return str(folder / "n.prototxt")


def loss(net: Any, x: np.ndarray) -> float:
    """The loss at `x`, with the masks and the batch statistics of the first pass."""
    net._passes = 0
    return float(net.forward(x=x, t=T)["loss"])


def differences(net: Any, array: np.ndarray, value: Callable[[], float]) -> np.ndarray:
    """The gradient of `value()` by an array, by central differences."""
    found = np.zeros_like(array)
    for at in np.ndindex(array.shape):
        kept, values = array[at], []
        for step in (2e-3, -2e-3):
            array[at] = kept + step
            values.append(value())
        array[at], found[at] = kept, (values[0] - values[1]) / 4e-3
    return found


def check_gradients(net: Any) -> None:
    """Those of the input and of all parameters that learn against differences; a pass must have gone both ways."""
    got = {"x": net.blobs["x"].diff.copy()} | {f"{n}/{k}": b.diff.copy() for n, bs in net.params.items() for k, b in enumerate(bs)}
    x = X.copy()
    arrays = {"x": x} | {f"{n}/{k}": b.data for n, bs in net.params.items() if n in ("ip",) for k, b in enumerate(bs)}
    for name, array in arrays.items():
        np.testing.assert_allclose(got[name], differences(net, array, lambda: loss(net, x)), rtol=0.02, atol=3e-3, err_msg=name)


@pytest.mark.parametrize("make", KINDS, ids=["netc", "caffe"])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_in_place_on_an_input(tmp_path: Path, layer: str, make: Callable[[str], Any]) -> None:
    net = make(written(tmp_path, layer))
    net.forward(x=X, t=T)
    assert (net.blobs["x"].data != X).any()
    net.backward()
    once = net.blobs["x"].diff.copy()
    net.backward()
    np.testing.assert_array_equal(net.blobs["x"].diff, once)
    if hasattr(net, "clear_param_diffs"):
        net.clear_param_diffs()
        net.backward()
    check_gradients(net)


@pytest.mark.parametrize("layer", LAYERS)
def test_it_is_the_same_in_parts(tmp_path: Path, layer: str) -> None:
    path = written(tmp_path, layer)
    whole = caffe.Net(path, caffe.TRAIN)
    whole.forward(x=X, t=T)
    whole.backward()

    def forward_in_parts(net: caffe.Net) -> None:
        net.blobs["x"].data[...], net.blobs["t"].data[...] = X, T
        net.forward(end="l")
        net.forward(start="ip", end="ip")
        net.forward(start="m")

    def backward_in_parts(net: caffe.Net) -> None:
        for blob in net.blobs.values():
            blob.diff[...] = 0
        net.blobs["loss"].diff[...] = 1
        net.backward(start="loss", end="tanh")
        net.backward(start="m", end="m")
        net.backward(start="ip", end="l")

    forwards = [lambda net: net.forward(x=X, t=T), forward_in_parts]

    def backward_watched(net: caffe.Net) -> None:
        net.before_backward(lambda k: None)
        net.backward()

    backwards: list[Callable[[caffe.Net], object]] = [
        lambda net: net.backward(),
        backward_in_parts,
        backward_watched,
    ]
    if layer == "Dropout":  # each pass draws its own masks
        forwards = forwards[:1]
    for forward in forwards:
        for backward in backwards:
            net = caffe.Net(path, caffe.TRAIN)
            forward(net)
            backward(net)
            for name in ("x", "ip"):
                np.testing.assert_allclose(net.blobs[name].diff, whole.blobs[name].diff, rtol=1e-4, atol=1e-6, err_msg=name)
            for name, blobs in net.params.items():
                for blob, other in zip(blobs, whole.params[name], strict=True):
                    np.testing.assert_allclose(blob.diff, other.diff, rtol=1e-4, atol=1e-5, err_msg=name)


def test_an_input_that_is_written_to_after_the_forward_pass(tmp_path: Path) -> None:
    """netc.Net takes it as another input; netc.caffe, as Caffe does, as what the layers after the one in place read."""
    path, other = written(tmp_path, "PReLU"), X[::-1].copy()
    ours, fresh = netc.Net(path), netc.Net(path)
    fresh.forward(x=other, t=T)
    ours.forward(x=X, t=T)
    ours.blobs["x"].data[...] = other
    np.testing.assert_allclose(ours.backward()["x"], fresh.backward()["x"], rtol=1e-5)
    net = caffe.Net(path, caffe.TRAIN)
    net.forward(x=X, t=T)
    net.blobs["x"].data[...] = other
    net.backward()
    d = net.blobs["ip"].diff
    np.testing.assert_allclose(net.params["ip"][0].diff, d.T @ other, rtol=1e-4)
    dx = d @ net.params["ip"][0].data
    np.testing.assert_allclose(net.blobs["x"].diff, np.where(X > 0, dx, -0.7 * dx), rtol=1e-4)
    np.testing.assert_allclose(net.params["l"][0].diff, (dx * np.minimum(X, 0)).sum(0), rtol=1e-4)


def test_a_blob_in_the_middle_that_is_written_to(tmp_path: Path) -> None:
    """Between the passes, or between the parts of the forward pass, it counts as it is now."""
    path = written(tmp_path, "PReLU")
    for parts in (False, True):
        net = caffe.Net(path, caffe.TRAIN)
        net.forward(x=X, t=T)
        h = np.full((6, 2), 0.5, np.float32)
        if parts:
            net.forward(end="m")
            net.blobs["ip"].data[...] = np.arctanh(h)
            net.forward(start="tanh")
            np.testing.assert_allclose(net.blobs["h"].data, h, rtol=1e-5)
        else:
            net.blobs["h"].data[...] = h
        net.backward()
        np.testing.assert_allclose(net.blobs["h"].diff, (h - T) / 6, rtol=1e-4, atol=1e-6)


def test_frozen_parameters_have_no_diff(tmp_path: Path) -> None:
    text = NET.format(layer=LAYERS["Scale"]).replace('name: "ip"', 'name: "ip" param { lr_mult: 0 } param { lr_mult: 1 }')
    (tmp_path / "n.prototxt").write_text(text)
    for make in KINDS:
        net = make(str(tmp_path / "n.prototxt"))
        net.forward(x=X, t=T)
        net.backward()
        assert not net.params["ip"][0].diff.any() and net.params["ip"][1].diff.any() and net.blobs["x"].diff.any()
    net.backward(end="ip")
    assert not net.params["ip"][0].diff.any()


@pytest.mark.parametrize("alone", [False, True], ids=["whole", "layer by layer"])
@pytest.mark.parametrize("name", IN_PLACE)
def test_recorded_gradients(name: str, alone: bool, tmp_path: Path) -> None:
    """What Caffe leaves in the diffs."""
    if not (FOLDER / f"layers/{name}.npz").is_file():
        pytest.skip("no recorded results of Caffe")
    case = Case(FOLDER / f"layers/{name}.npz")
    (tmp_path / "n.prototxt").write_text(str(case.arrays["prototxt"]))
    net = caffe.Net(str(tmp_path / "n.prototxt"), getattr(caffe, case.phase))
    for blob, array in case.part("in_").items():
        net.blobs[blob].reshape(*array.shape)
        net.blobs[blob].data[...] = array
    for key, array in case.part("param_").items():
        layer, _, k = key.rpartition("_")
        if not key.startswith("after_"):
            net.params[layer][int(k)].data[...] = array
    if alone:
        net.before_backward(lambda k: None)
    net.forward()
    for blob, array in case.part("dtop_").items():
        net.blobs[blob].diff[...] = array
    net.backward()
    for blob, array in (case.part("din_") | case.part("dblob_")).items():
        check(net.blobs[blob].diff, array, blob)
    for key, array in case.part("dparam_").items():
        layer, _, k = key.rpartition("_")
        check(net.params[layer][int(k)].diff, array, key)


def test_the_recorded_cases_are_there() -> None:
    if not index("layers"):
        pytest.skip("no recorded results of Caffe")
    assert {f"{name}.npz" for name in IN_PLACE} <= {case["file"] for case in index("layers")}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.full((6, 3), 1e300), "Input 'x': Expected numbers of type float32. 1e.300 is too large"),
        (np.full((6, 3), 1j), "Input 'x': Expected numbers of type float32, got complex128"),
        (np.full((6, 3), "a"), "Input 'x': Expected numbers of type float32, got <U1"),
    ],
)
def test_what_is_no_such_number(tmp_path: Path, value: np.ndarray, wanted: str) -> None:
    path = written(tmp_path, "ReLU")
    for make in KINDS:
        with pytest.raises(DataError, match=wanted):
            make(path).forward(x=value, t=T)


def test_a_python_layer_in_a_part_runs_again_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Python layer remembers of its own forward pass is that of the values then; statistics and blobs stay."""
    (tmp_path / "twice_layer.py").write_text(
        "import netc.caffe as caffe\n\n\nclass Twice(caffe.Layer):\n"
        "    def setup(self, bottom, top):\n        pass\n\n"
        "    def reshape(self, bottom, top):\n        top[0].reshape(*bottom[0].data.shape)\n\n"
        "    def forward(self, bottom, top):\n        self.seen = bottom[0].data.copy()\n        top[0].data[...] = self.seen**2\n\n"
        "    def backward(self, top, propagate_down, bottom):\n        bottom[0].diff[...] = 2 * self.seen * top[0].diff\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(state, "_allows_python", True)
    twice = 'layer { name: "tanh" type: "Python" bottom: "ip" top: "h" python_param { module: "twice_layer" layer: "Twice" } }'
    text = NET.format(layer=LAYERS["BatchNorm"]).replace('layer { name: "tanh" type: "TanH" bottom: "ip" top: "h" }', twice)
    (tmp_path / "n.prototxt").write_text(text)
    found = []
    for parts in (False, True):
        net = caffe.Net(str(tmp_path / "n.prototxt"), caffe.TRAIN)
        net.forward(x=X, t=T)
        if parts:
            net.before_backward(lambda k: None)
        before = {n: b.data.copy() for n, b in (net.blobs | {"s": net.params["l"][0]}).items()}
        net.backward()
        for name, array in before.items():
            np.testing.assert_array_equal((net.blobs | {"s": net.params["l"][0]})[name].data, array, err_msg=name)
        found.append(net.blobs["x"].diff.copy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-6)
    assert found[0].any()

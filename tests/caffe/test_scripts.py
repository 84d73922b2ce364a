"""Three scripts as pycaffe's users write them, run with only the import changed."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import netc.caffe as caffe
from netc.caffe.io import array_to_blobproto
from netc.spec import load
from tests.small_nets import write_arrays

SCRIPTS = Path(__file__).parent / "scripts"

HEAD = """\
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""
CLASSIFIER = f"""{HEAD}
layer {{ name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
         inner_product_param {{ num_output: 5 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "prob" type: "Softmax" bottom: "ip" top: "prob" }}
"""
FULL = f"""{HEAD}
layer {{ name: "ip-conv" type: "Convolution" bottom: "conv" top: "ip" convolution_param {{ num_output: 5 kernel_size: 6 }} }}
layer {{ name: "prob" type: "Softmax" bottom: "ip" top: "prob" }}
"""


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(folder)
    return runpy.run_path(str(SCRIPTS / f"{name}.py"))


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    (tmp_path / "classifier.prototxt").write_text(CLASSIFIER)
    (tmp_path / "fully_convolutional.prototxt").write_text(FULL)
    caffe.set_random_seed(3)
    caffe.Net(str(tmp_path / "classifier.prototxt"), caffe.TEST).save(str(tmp_path / "classifier.caffemodel"))
    caffe.set_random_seed(0)
    return tmp_path


def test_learn_by_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_arrays(tmp_path)
    found = run("learn_by_steps", tmp_path, monkeypatch)
    assert ("conv1", (20, 4, 8, 8)) in found["shapes"] and ("pool1", (20, 4, 4, 4)) in found["shapes"]
    assert found["weights"] == [("conv1", (4, 1, 5, 5)), ("score", (10, 64))]
    net = load(tmp_path / "train.prototxt").message
    assert [(layer.name, layer.type, list(layer.bottom), list(layer.top)) for layer in net.layer][:4] == [
        ("data", "Data", [], ["data", "label"]),
        ("conv1", "Convolution", ["data"], ["conv1"]),
        ("pool1", "Pooling", ["conv1"], ["pool1"]),
        ("relu1", "ReLU", ["pool1"], ["pool1"]),
    ]
    assert [p.lr_mult for p in net.layer[1].param] == [1, 2] and net.layer[2].pooling_param.pool == 1
    assert np.mean(found["losses"][-10:]) < 0.95 * found["losses"][0]
    assert 0.1 < found["accuracy"] <= 1
    assert np.abs(found["gradient"]).max() > 0
    assert 0 < np.abs(found["after"] - found["before"]).mean() < 0.5
    assert (found["shown"] == found["images"]).all() and (found["other"] != found["images"]).any()
    solver, again = found["solver"], found["again"]
    assert solver.iter == again.iter == 64 and solver.lr == pytest.approx(0.1)
    for name, blobs in solver.net.params.items():
        for one, other in zip(blobs, again.net.params[name], strict=True):
            np.testing.assert_array_equal(one.data, other.data)
    assert solver.test_nets[0].params["conv1"][0] is solver.net.params["conv1"][0]


def test_net_surgery(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run("net_surgery", classifier, monkeypatch)
    assert found["scores"].shape == (1, 5, 13, 17)
    np.testing.assert_allclose(found["scores"][0, :, 0, 0], found["corner"], rtol=1e-5)
    assert found["both"].shape == (3, 5)
    np.testing.assert_allclose(found["both"][[0, 2]], [found["corner"]] * 2, rtol=1e-5)
    np.testing.assert_allclose(found["both"][1], found["scores"][0, :, 4, 2], rtol=1e-5)
    assert np.abs(found["saliency"]).max() > 0
    saved = caffe.Net(
        str(classifier / "fully_convolutional.prototxt"), caffe.TEST, weights=str(classifier / "fully_convolutional.caffemodel")
    )
    np.testing.assert_array_equal(saved.params["ip-conv"][0].data, found["full"].params["ip-conv"][0].data)


def test_classify(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(classifier / "picture.png")
    mean = random.uniform(0, 200, (1, 3, 8, 8)).astype(np.float32)
    (classifier / "mean.binaryproto").write_bytes(array_to_blobproto(mean).SerializeToString())
    found = run("classify", classifier, monkeypatch)
    wanted = pixels[:, :, ::-1].transpose(2, 0, 1) - mean[0].mean((1, 2))[:, None, None]
    np.testing.assert_allclose(found["fed"], wanted, atol=1e-4)
    np.testing.assert_allclose(found["shown"], pixels / 255, atol=1e-6)
    assert 0 <= found["best"] < 5
    assert found["prediction"].shape == (5,) and found["prediction"].sum() == pytest.approx(1, abs=1e-5)

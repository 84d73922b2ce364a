"""Classifier, Detector, coord_map and draw, against what they stand for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import netc.caffe as caffe
from netc.caffe import layers as L
from netc.caffe.coord_map import coord_map_from_to, crop
from netc.caffe.draw import draw_net_to_file
from netc.errors import DataError, SpecError

NET = """\
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 6 dim: 6 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
MEAN = np.array([10, 20, 30], np.float32)
SETTINGS: dict[str, Any] = {"mean": MEAN, "input_scale": 0.5, "raw_scale": 255, "channel_swap": (2, 1, 0)}


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "n.prototxt").write_text(NET)
    caffe.Net(str(tmp_path / "n.prototxt"), caffe.TEST).save(str(tmp_path / "w.caffemodel"))
    return str(tmp_path / "n.prototxt"), str(tmp_path / "w.caffemodel")


def scores(net: caffe.Net, images: list[np.ndarray]) -> np.ndarray:
    """Of images of the net's size, with the settings spelled out."""
    weight, bias = (blob.data for blob in net.params["ip"])
    fed = np.array([(image[:, :, ::-1].transpose(2, 0, 1) * 255 - MEAN[:, None, None]) * 0.5 for image in images])
    raw = fed.reshape(len(fed), -1) @ weight.T + bias
    powers: np.ndarray = np.exp(raw - raw.max(1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(1, keepdims=True)
    return shares


def test_a_classifier_over_ten_crops_and_in_the_middle(files: tuple[str, str]) -> None:
    net = caffe.Classifier(*files, image_dims=(8, 10), **SETTINGS)
    images = list(np.random.default_rng(0).random((3, 8, 10, 3), np.float32))
    np.testing.assert_allclose(net.predict(images, oversample=False), scores(net, [x[1:7, 2:8] for x in images]), rtol=1e-4, atol=1e-6)
    crops = [list(caffe.io.oversample([x], (6, 6))) for x in images]
    np.testing.assert_allclose(net.predict(images), [scores(net, c).mean(0) for c in crops], rtol=1e-4, atol=1e-6)


def test_a_detector_on_windows(files: tuple[str, str], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    path = str(tmp_path / "p.png")
    Image.fromarray(pixels).save(path)
    net = caffe.Detector(*files, **SETTINGS)
    found = net.detect_windows([(path, [(2, 3, 8, 9), (10, 4, 20, 28)])])
    assert [(d["filename"], list(d["window"])) for d in found] == [(path, [2, 3, 8, 9]), (path, [10, 4, 20, 28])]
    parts = [pixels[2:8, 3:9] / 255, caffe.io.resize_image(pixels[10:20, 4:28] / 255, (6, 6))]
    np.testing.assert_allclose([d["prediction"] for d in found], scores(net, parts), rtol=1e-3, atol=1e-5)
    with pytest.raises(DataError, match="is outside the image of 20 x 30"):
        net.detect_windows([(path, [(20, 0, 25, 5)])])


def test_context_beyond_the_image_is_the_mean(files: tuple[str, str]) -> None:
    net = caffe.Detector(*files, **SETTINGS, context_pad=1)
    image = np.full((20, 20, 3), 0.5, np.float32)
    whole, corner = net.crop(image, np.array([8, 8, 12, 12])), net.crop(image, np.array([0, 0, 6, 6]))
    assert whole.shape == corner.shape == (6, 6, 3) and (whole == 0.5).all()
    np.testing.assert_allclose(corner[0, :], np.broadcast_to(MEAN[::-1] / 255, (6, 3)), rtol=1e-5)
    assert (corner[1:, 1:] == 0.5).all()


def fcn(*skips: int) -> list[int]:
    """The offsets that crop finds in the nets of Long et al. 2015 on VGG-16, with skips from these poolings."""
    n = caffe.NetSpec()
    n.data = L.Input(shape=[{"dim": [1, 3, 500, 500]}])
    top, pools = n.data, {}
    for block, convolutions in enumerate((2, 2, 3, 3, 3), 1):
        for k in range(convolutions):
            top = L.ReLU(L.Convolution(top, kernel_size=3, pad=1 if block > 1 or k else 100, num_output=8), in_place=True)
        top = pools[block] = L.Pooling(top, kernel_size=2, stride=2)
    top = L.Dropout(L.Convolution(top, kernel_size=7, num_output=8), in_place=True)
    top, offsets, factor = L.Convolution(L.Convolution(top, kernel_size=1, num_output=8), kernel_size=1, num_output=2), [], 32
    for skip in skips:
        factor //= 2
        top = L.Deconvolution(top, convolution_param={"num_output": 2, "kernel_size": 4, "stride": 2})
        cut = crop(L.Convolution(pools[skip], kernel_size=1, num_output=2), top)
        offsets += cut.fn.fields["offset"]
        top = L.Eltwise(top, cut)
    last = crop(L.Deconvolution(top, convolution_param={"num_output": 2, "kernel_size": 2 * factor, "stride": factor}), n.data)
    assert last.fn.fields["axis"] == 2
    return offsets + list(last.fn.fields["offset"])


def test_the_offsets_of_fully_convolutional_nets() -> None:
    assert fcn() == [19] and fcn(4) == [5, 27] and fcn(4, 3) == [5, 9, 31]


def test_maps_by_axis_and_what_has_none() -> None:
    data = L.Input(shape={"dim": [1, 1, 20, 20]})
    conv = L.Convolution(data, kernel_h=3, kernel_w=5, num_output=1)
    assert crop(data, conv).fn.fields["offset"] == [1, 2]
    with pytest.raises(SpecError, match="the offset -1, -2 must be a whole number of pixels"):
        crop(conv, data)
    with pytest.raises(SpecError, match="the scales of the tops differ by 1/2"):
        crop(data, L.Pooling(data, kernel_size=2, stride=2))
    with pytest.raises(SpecError, match="the tops of InnerProduct and Input have no common ancestor"):
        coord_map_from_to(L.InnerProduct(data, num_output=2), data)
    with pytest.raises(SpecError, match="different first spatial axes, 3 and 2"):
        coord_map_from_to(L.Crop(conv, data, axis=3), data)


def test_a_net_is_drawn(tmp_path: Path) -> None:
    draw_net_to_file(L.ReLU(L.Input(shape={"dim": [1, 2]})).to_proto(), str(tmp_path / "n.svg"))
    assert "ReLU1" in (tmp_path / "n.svg").read_text()
    draw_net_to_file(L.ReLU(L.Input(shape={"dim": [1, 2]})).to_proto(), str(tmp_path / "n.dot"))
    assert (tmp_path / "n.dot").read_text().startswith("digraph")
    with pytest.raises(SpecError, match="netc writes a drawing as .svg, .dot or .gv"):
        draw_net_to_file(L.Input(shape={"dim": [1, 2]}).to_proto(), str(tmp_path / "n.png"))


def test_what_is_taken_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert not caffe.has_nccl() and (caffe.solver_count(), caffe.solver_rank()) == (1, 0)
    caffe.set_solver_count(1)
    with pytest.raises(SpecError, match="2 solvers: netc trains a net on one device"):
        caffe.set_solver_count(2)
    with pytest.raises(SpecError, match="rank 1"):
        caffe.set_solver_rank(1)
    caffe.log("hello")
    assert capsys.readouterr().err == "hello\n"
    timer = caffe.Timer()
    timer.start()
    timer.stop()
    assert timer.ms > 0

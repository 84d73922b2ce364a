"""Nets that find objects, with random weights, compared with OpenCV's dnn."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from netc.caffe import TEST, Net
from netc.compiler.lower import lower
from netc.graph.passes.resizable import resizable
from netc.net.model import DEPLOY
from netc.net.resolve import resolve
from netc.runtime.session import Session
from netc.spec import parse_prototxt
from tests.layers.detection import nets
from tests.layers.detection.record_opencv import FILE, OUTPUTS
from tests.small_nets import netc


@pytest.mark.parametrize("name", nets.NETS)
def test_opencvs_results(name: str, tmp_path: Path) -> None:
    path, inputs = nets.write(tmp_path, name)
    net = Net(str(path), str(path.with_suffix(".caffemodel")), TEST)
    net.forward(**inputs)
    with np.load(FILE) as file:
        wanted = {blob: file[f"{name}/{blob}"] for blob in OUTPUTS[name]}
    for blob, value in wanted.items():
        found = net.blobs[blob].data
        if blob == "detection_out":
            found, value = in_order(found), in_order(value)
        scale = max(1, np.abs(value).max())
        np.testing.assert_allclose(found.reshape(value.shape), value, rtol=0, atol=1e-4 * scale, err_msg=blob)


@pytest.mark.parametrize("name", nets.NETS)
def test_converted_nets(name: str, tmp_path: Path) -> None:
    """The ONNX file gives the same, and SSD also for two images at once."""
    path, inputs = nets.write(tmp_path, name)
    model = tmp_path / "model.onnx"
    result = netc("convert", path, path.with_suffix(".caffemodel"), "-o", model)
    assert result.exit_code == 0, result.stderr
    session = Session(onnx.load(model))
    found = session.run(inputs)
    with np.load(FILE) as file:
        for blob in OUTPUTS[name].keys() & found.keys():
            value, own = file[f"{name}/{blob}"], found[blob]
            value, own = (in_order(v) for v in (value, own)) if blob == "detection_out" else (value, own)
            np.testing.assert_allclose(own.reshape(value.shape), value, rtol=0, atol=1e-4, err_msg=blob)
    if "im_info" not in inputs:
        both = session.run({"data": np.concatenate([inputs["data"]] * 2)})["detection_out"].reshape(2, -1, 7)
        assert both[:, 0, 0].tolist() == [0, 1]
        np.testing.assert_allclose(both[0, :, 1:], both[1, :, 1:], atol=1e-6)


def test_half_precision_leaves_the_choice_of_boxes_in_float32(tmp_path: Path) -> None:
    path, inputs = nets.write(tmp_path, "rfcn")
    model = tmp_path / "model.onnx"
    result = netc("convert", path, path.with_suffix(".caffemodel"), "--half", "-o", model)
    assert result.exit_code == 0 and "NonMaxSuppression (proposal)" in result.stdout + result.stderr
    found = Session(onnx.load(model)).run(inputs)
    with np.load(FILE) as file:
        apart = np.abs(found["cls_prob_reshape"] - file["rfcn/cls_prob_reshape"]).max(1)
    assert (apart < 2e-3).sum() >= 27  # of 30; the corners of the others are rounded to other pixels


def test_nets_with_regions_keep_their_size() -> None:
    """Their graphs are for images of one size, so that no size becomes symbolic."""
    document = parse_prototxt(nets.NETS["rfcn"])
    graph = lower(resolve(document, DEPLOY)).graph
    assert resizable(graph, {}) is None


def in_order(boxes: np.ndarray) -> np.ndarray:
    """The rows by image, label and score, which OpenCV has in another order, without those that OpenCV leaves empty."""
    rows = boxes.reshape(-1, 7)
    rows = rows[rows.any(1)]
    return rows[np.lexsort((rows[:, 4], rows[:, 3], -rows[:, 2], rows[:, 1], rows[:, 0]))]

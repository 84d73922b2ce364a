"""DetectionOutput, compared with OpenCV's on 50 random nets, and with the loop over boxes of `ssd.py`."""

from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.compiler.lower import lower
from netc.errors import NetcError
from netc.net.model import TEST
from netc.net.resolve import resolve
from netc.spec import parse_prototxt
from tests.layers.detection import record_opencv as recorded
from tests.layers.detection import ssd
from tests.layers.detection.test_nets import in_order
from tests.layers.nets import Arrays, about, evaluate, forward

OPENCV = np.load(recorded.FILE)


def run(type_: str, param: str, fields: str, arrays: Arrays) -> np.ndarray:
    """The blob `y` of the net that OpenCV ran."""
    low = lower(resolve(parse_prototxt(recorded.prototxt(type_, param, fields, arrays)), TEST))
    return evaluate(low, {"y": low.versions["y"][-1]}, arrays, {})["y"]


def detected(fields: str, arrays: Arrays) -> np.ndarray:
    return run("DetectionOutput", "detection_output_param", fields, arrays)


def fields_of(text: str) -> pb.DetectionOutputParameter:
    found: pb.DetectionOutputParameter = (
        parse_prototxt(f"layer {{ detection_output_param {{ {text} }} }}").message.layer[0].detection_output_param
    )
    return found


@about("DetectionOutput")
@pytest.mark.parametrize("seed", range(recorded.NETS))
def test_opencvs_boxes(seed: int) -> None:
    fields, arrays = recorded.detection_net(seed)
    found, wanted = detected(fields, arrays), OPENCV[f"detection/{seed}"]
    np.testing.assert_allclose(in_order(found), in_order(wanted), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(recorded.NETS))
def test_opencvs_priors(seed: int) -> None:
    fields, arrays = recorded.prior_net(seed)
    np.testing.assert_allclose(run("PriorBox", "prior_box_param", fields, arrays), OPENCV[f"priors/{seed}"], atol=1e-6)


@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE", "CORNER_SIZE"])
def test_boxes_of_a_loop(code: str) -> None:
    """Also with what OpenCV lacks: all boxes stay, boxes inside out, equal scores, and a net without a background."""
    for seed, more in enumerate(
        ssd.combinations(keep_top_k=[-1, 7], top_k=[-1, 5], share_location=["true", "false"], background_label_id=[-1, 1])
    ):
        rng = np.random.default_rng(seed)
        top = more.pop("top_k")
        fields = " ".join(f"{k}: {v}" for k, v in more.items()) + f" num_classes: 3 code_type: {code} nms_param {{ top_k: {top} }}"
        arrays = recorded.detection_net(seed)[1]
        priors = arrays["priors"].shape[2] // 4
        arrays |= {"conf": (rng.integers(0, 8, (2, priors * 3)) / 8).astype(np.float32)}
        arrays |= {"loc": rng.normal(0, 3, (2, priors * 4 * (1 if more["share_location"] == "true" else 3))).astype(np.float32)}
        np.testing.assert_allclose(detected(fields, arrays), ssd.detections(arrays, fields_of(fields)), rtol=1e-4, atol=1e-5)


def test_a_net_that_finds_nothing_has_a_row_for_each_image() -> None:
    fields, arrays = recorded.detection_net(0)
    found = detected(fields.partition("confidence_threshold")[0] + " confidence_threshold: 2", arrays)
    np.testing.assert_array_equal(found, [[[[i, *[-1] * 6] for i in range(len(arrays["loc"]))]]])


def test_a_fourth_bottom_is_not_read() -> None:
    arrays = ssd.problem(0)
    layer = "DetectionOutput: {{bottom: [loc, conf, priors{}], name: y, num_classes: 4}}"
    found, wanted = (forward(layer.format(more), TEST, **arrays)["y"] for more in (", label", ""))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("fields, text", [
    ("", "`num_classes` is missing"),
    ("num_classes: 1", "`num_classes` is 1, and this class is the background"),
    ("num_classes: 4, keep_top_k: 0", "`keep_top_k` is 0"),
    ("num_classes: 4, nms_param: {top_k: 0}", "`top_k` is 0"),
    ("num_classes: 4, nms_param: {nms_threshold: 0.7, eta: 0.9}", "`eta` 0.9 lowers the threshold 0.7 box by box"),
    ("num_classes: 7", "conf is 3x120, 120 numbers for each image. Expected 210: 7 for each of 30 prior boxes of priors."),
    ("num_classes: 4, share_location: false", "loc is 3x120, 120 numbers for each image. Expected 480: 4 x 4 for each of 30 prior boxes"),
])  # fmt: skip
def test_fields_that_do_not_fit(fields: str, text: str) -> None:
    arrays: dict[str, Any] = ssd.problem(0)
    with pytest.raises(NetcError) as e:
        forward(f"DetectionOutput: {{bottom: [loc, conf, priors], name: y, {fields}}}", TEST, **arrays)
    assert text in str(e.value)

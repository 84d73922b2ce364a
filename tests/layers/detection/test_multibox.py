"""MultiBoxLoss, compared with the loop over boxes of `ssd.py`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from netc.errors import NetcError
from tests.layers.detection import ssd
from tests.layers.nets import about, evaluate, forward, gradient, net


def compare(seed: int, fields: Mapping[str, Any], **sizes: int) -> None:
    f = ssd.Fields(**{"num_classes": 4, **fields})
    arrays = ssd.problem(seed, classes=f.num_classes, locations=1 if f.share_location else f.num_classes, **sizes)
    labels = arrays["label"][..., 1]
    labels[labels == f.background_label_id] = f.background_label_id - 1
    wanted = ssd.loss(arrays, f)
    found = forward(f"MultiBoxLoss: {{bottom: [loc, conf, priors, label], name: loss, {f.text}}}", **arrays)["loss"]
    np.testing.assert_allclose(found, wanted, rtol=2e-5, err_msg=str(fields))


@about("MultiBoxLoss")
@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE", "CORNER_SIZE"])
@pytest.mark.parametrize("mining", ["NONE", "MAX_NEGATIVE", "HARD_EXAMPLE"])
def test_the_loss_of_a_loop_over_boxes(mining: str, code: str) -> None:
    for seed, more in enumerate(ssd.combinations(match_type=["BIPARTITE", "PER_PREDICTION"], conf_loss_type=["SOFTMAX", "LOGISTIC"],
                                                 encode_variance_in_target=[False, True])):  # fmt: skip
        compare(seed, {"mining_type": mining, "code_type": code, "sample_size": 12, **more})


@pytest.mark.parametrize("fields", [
    {"loc_loss_type": "L2"}, {"loc_weight": 2.5}, {"overlap_threshold": 0.3}, {"use_difficult_gt": False}, {"neg_pos_ratio": 1.5},
    {"neg_overlap": 0.2}, {"ignore_cross_boundary_bbox": True}, {"ignore_cross_boundary_bbox": True, "mining_type": "HARD_EXAMPLE"},
    {"bp_inside": True}, {"bp_inside": True, "use_prior_for_matching": False}, {"use_prior_for_matching": False},
    {"use_prior_for_matching": False, "ignore_cross_boundary_bbox": True, "code_type": "CENTER_SIZE"},
    {"background_label_id": 2}, {"num_classes": 2, "map_object_to_agnostic": True}, {"share_location": False, "mining_type": "NONE"},
    {"normalization": "FULL"}, {"normalization": "BATCH_SIZE"}, {"normalization": "NONE"}, {"overlap_threshold": 0},
], ids=str)  # fmt: skip
def test_each_field(fields: dict[str, Any]) -> None:
    for seed in range(4):
        compare(seed, fields)


def test_crowds() -> None:
    """Many equal boxes ask for the same priors, so that most get their second or a later choice."""
    for seed in range(6):
        arrays = ssd.problem(seed, images=2, priors=20, most=15)
        arrays["label"][0, 0, ::2, 3:7] = arrays["label"][0, 0, 0, 3:7]
        f = ssd.Fields(4, code_type="CENTER_SIZE")
        wanted = ssd.loss(arrays, f)
        found = forward(f"MultiBoxLoss: {{bottom: [loc, conf, priors, label], name: loss, {f.text}}}", **arrays)["loss"]
        np.testing.assert_allclose(found, wanted, rtol=2e-5)


@pytest.mark.parametrize("mining", ["NONE", "MAX_NEGATIVE", "HARD_EXAMPLE"])
def test_a_batch_without_boxes_and_boxes_without_an_area(mining: str) -> None:
    arrays = ssd.problem(0)
    arrays["label"][..., 0] = -1
    arrays["label"][0, 0, 0] = [0, 1, 0, 0.5, 0.5, 0.5, 0.5, 0]
    arrays["label"][0, 0, 1] = [1, 1, 0, 0.5, 0.5, 0.4, 0.7, 0]
    layer = (
        f"MultiBoxLoss: {{bottom: [loc, conf, priors, label], name: loss, num_classes: 4, code_type: CENTER_SIZE, mining_type: {mining}}}"
    )
    f = ssd.Fields(4, code_type="CENTER_SIZE", mining_type=mining)
    wanted = ssd.loss(arrays, f)
    np.testing.assert_allclose(forward(layer, **arrays)["loss"], wanted, rtol=2e-5)
    found = gradient(layer, "loss", 1, **arrays)
    assert all(np.isfinite(a).all() for a in found.values()) and not found["loc"].any()


def test_rows_with_other_images_or_labels_do_not_count() -> None:
    arrays = ssd.problem(1)
    wrong = [[3, 1], [0, 4], [0, 0], [0, -1], [7, 9]]
    more = np.asarray([[*pair, 0, 0.2, 0.2, 0.8, 0.8, 0] for pair in wrong], np.float32)
    layer = "MultiBoxLoss: {bottom: [loc, conf, priors, label], name: loss, num_classes: 4}"
    found = forward(layer, **{**arrays, "label": np.concatenate([arrays["label"], more[None, None]], axis=2)})["loss"]
    np.testing.assert_array_equal(found, forward(layer, **arrays)["loss"])


def test_propagate_down_leaves_a_part_out() -> None:
    arrays = ssd.problem(2)
    layer = "MultiBoxLoss: {{bottom: [loc, conf, priors, label], name: loss, num_classes: 4, propagate_down: [{}, false, false]}}"
    parts = [float(forward(layer.format(pair), **arrays)["loss"]) for pair in ("true, false", "false, true", "true, true")]
    assert parts[0] + parts[1] == pytest.approx(parts[2], rel=1e-5) and min(parts[:2]) > 0


@pytest.mark.parametrize("fields, text", [
    ("num_classes: 0", "`num_classes` is missing"),
    ("num_classes: 4, background_label_id: 4", "`background_label_id` is 4, but there are 4 classes"),
    ("num_classes: 4, background_label_id: 1, conf_loss_type: LOGISTIC", "`background_label_id` must be 0"),
    ("num_classes: 4, map_object_to_agnostic: true", "`num_classes` must be 2"),
    ("num_classes: 4, share_location: false", "`mining_type` must be NONE"),
    ("num_classes: 4, share_location: false, mining_type: NONE, use_prior_for_matching: false", "`use_prior_for_matching` must be true"),
    ("num_classes: 4, mining_type: HARD_EXAMPLE, sample_size: 0", "`sample_size` is 0. Expected 1 or more"),
    ("num_classes: 4, nms_param: {nms_threshold: 0.5}", "Remove `nms_param`"),
    ("num_classes: 4, mining_type: NONE, do_neg_mining: true", "`do_neg_mining` true contradicts `mining_type` NONE"),
    ("num_classes: 5", "conf is 3x120, 120 numbers for each image. Expected 150: 5 for each of 30 prior boxes of priors"),
])  # fmt: skip
def test_fields_that_do_not_fit(fields: str, text: str) -> None:
    with pytest.raises(NetcError) as e:
        forward(f"MultiBoxLoss: {{bottom: [loc, conf, priors, label], name: loss, {fields}}}", **ssd.problem(0))
    assert text in str(e.value)


def test_do_neg_mining_is_an_old_form() -> None:
    arrays, layer = ssd.problem(4), "MultiBoxLoss: {{bottom: [loc, conf, priors, label], name: loss, num_classes: 4, {}}}"
    old, new = (forward(layer.format(f), **arrays)["loss"] for f in ("do_neg_mining: false", "mining_type: NONE"))
    np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name, shape, text", [
    ("priors", (1, 1, 120), "priors is 1x1x120. Expected 1 x 2 x (4 numbers for each prior box), as PriorBox makes it"),
    ("loc", (3, 100), "loc is 3x100, 100 numbers for each image. Expected 120: 4 for each of 30 prior boxes of priors"),
    ("label", (1, 1, 5, 7), "label is 1x1x5x7. Expected 1 x 1 x boxes x 8"),
])  # fmt: skip
def test_bottoms_that_do_not_fit(name: str, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(NetcError) as e:
        forward(
            "MultiBoxLoss: {bottom: [loc, conf, priors, label], name: loss, num_classes: 4}", **{**ssd.problem(0), name: np.zeros(shape)}
        )
    assert text in str(e.value)


@pytest.mark.parametrize("background, low, wrong", [(0, 1, [0, -1, 4, 1.5]), (3, 0, [-1, 4, 0.5])])
def test_labels_are_checked_before_they_are_used(background: int, low: int, wrong: list[float]) -> None:
    arrays = ssd.problem(0)
    layer = f"MultiBoxLoss: {{bottom: [loc, conf, priors, label], num_classes: 4, background_label_id: {background}}}"
    low_net = net(layer, inputs=arrays)
    (reading,) = low_net.readings
    assert (reading.bottom, reading.domain.low, reading.domain.high) == (3, low, 3)
    label = arrays["label"]
    label[..., 1] = 2
    label[0, 0, : len(wrong), :2] = [[1, n] for n in wrong]
    label[0, 0, len(wrong), :2] = [-1, 99]  # does not count
    read = evaluate(low_net, {"read": reading.value}, arrays, {})["read"]
    np.testing.assert_array_equal(read[reading.domain.wrong(read)], np.asarray(wrong, np.float32))
    assert "whole numbers from" in str(reading.domain) and f"with class {background} as the background" in str(reading.domain)

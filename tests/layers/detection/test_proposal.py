"""Proposal, compared with the steps of Faster R-CNN's proposal_layer.py in NumPy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from netc.errors import NetcError
from netc.layers.detection.proposal import anchors
from tests.layers.nets import about, forward

# Of base_size 16, ratios 0.5, 1, 2 and scales 8, 16, 32.
ORIGINAL = [
    [-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199], [-56, -56, 71, 71], [-120, -120, 135, 135], [-248, -248, 263, 263],
    [-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359],
]  # fmt: skip


def suppressed(boxes: np.ndarray, threshold: float) -> list[int]:
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    left, kept = list(range(len(boxes))), []
    while left:
        i = left.pop(0)
        kept.append(i)
        w = np.minimum(boxes[i, 2], boxes[left, 2]) - np.maximum(boxes[i, 0], boxes[left, 0]) + 1
        h = np.minimum(boxes[i, 3], boxes[left, 3]) - np.maximum(boxes[i, 1], boxes[left, 1]) + 1
        both = np.maximum(w, 0) * np.maximum(h, 0)
        left = [j for j, o in zip(left, both / (areas[i] + areas[left] - both), strict=True) if o <= threshold]
    return kept


def proposals(arrays: Mapping[str, np.ndarray], base: np.ndarray, **p: Any) -> tuple[np.ndarray, np.ndarray]:
    scores, deltas, info = (arrays[name] for name in "sdi")
    height, width = scores.shape[2:]
    x, y = np.meshgrid(np.arange(width) * p["feat_stride"], np.arange(height) * p["feat_stride"])
    shift = np.stack([x.ravel(), y.ravel()] * 2, axis=1)
    placed = (base[None] + shift[:, None]).reshape(-1, 4)
    move = deltas.transpose(0, 2, 3, 1).reshape(-1, 4)
    score = scores[:, len(base) :].transpose(0, 2, 3, 1).ravel()
    size = placed[:, 2:] - placed[:, :2] + 1
    center = move[:, :2] * size + placed[:, :2] + size / 2
    new = np.exp(move[:, 2:]) * size
    boxes = np.concatenate([center - new / 2, center + new / 2], axis=1)
    boxes = np.maximum(np.minimum(boxes, np.tile(info[0, 1::-1], 2) - 1), 0)
    large = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] + 1 >= p["min_size"] * info[0, 2]).all(1))
    order = large[np.argsort(-score[large], kind="stable")][: p["pre_nms_topn"]]
    kept = order[suppressed(boxes[order], p["nms_thresh"])[: p["post_nms_topn"]]]
    return np.concatenate([np.zeros((len(kept), 1)), boxes[kept]], axis=1), score[kept][:, None]


def problem(count: int, height: int = 7, width: int = 9, stride: int = 16) -> dict[str, Any]:
    rng = np.random.default_rng(count)
    info = np.asarray([[height * stride - 3, width * stride - 5, 1.5]])
    scores, deltas = rng.random((1, 2 * count, height, width)), rng.normal(0, 0.4, (1, 4 * count, height, width))
    return {"s": scores.astype(np.float32), "d": deltas.astype(np.float32), "i": info.astype(np.float32)}


def test_the_anchors_of_faster_rcnn() -> None:
    np.testing.assert_array_equal(anchors(16, (0.5, 1, 2), (8, 16, 32)), ORIGINAL)


@about("Proposal")
@pytest.mark.parametrize("fields", [
    {}, {"min_size": 60}, {"pre_nms_topn": 50}, {"post_nms_topn": 5}, {"nms_thresh": 0.3, "feat_stride": 8}, {"min_size": 5000},
])  # fmt: skip
def test_the_regions_of_a_loop(fields: dict[str, Any]) -> None:
    p = {"feat_stride": 16, "min_size": 16, "pre_nms_topn": 6000, "post_nms_topn": 300, "nms_thresh": 0.7, **fields}
    arrays, text = problem(9), ", ".join(f"{k}: {v}" for k, v in p.items())
    found = forward(f"Proposal: {{bottom: [s, d, i], top: [rois, score], {text}}}", **arrays)
    rois, score = proposals(arrays, anchors(16, (0.5, 1, 2), (8, 16, 32)), **p)
    np.testing.assert_allclose(found["rois"], rois, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(found["score"], score)


def test_other_anchors() -> None:
    p: dict[str, Any] = {"feat_stride": 4, "min_size": 2, "pre_nms_topn": 6000, "post_nms_topn": 300, "nms_thresh": 0.7}
    arrays, text = problem(6, stride=4), ", ".join(f"{k}: {v}" for k, v in p.items())
    found = forward(f"Proposal: {{bottom: [s, d, i], top: rois, {text}, base_size: 4, ratio: [0.5, 1, 2.5], scale: [2, 3]}}", **arrays)
    np.testing.assert_allclose(found["rois"], proposals(arrays, anchors(4, (0.5, 1, 2.5), (2, 3)), **p)[0], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("fields, shapes, text", [
    ("post_nms_topn: 0", {}, "`post_nms_topn` is 0, so no region would stay"),
    ("", {"s": (2, 18, 7, 9)}, "s is 2x18x7x9. Proposal works on one image at a time"),
    ("", {"d": (1, 9, 7, 9)}, "d is 1x9x7x9. Expected 1 x 36 x H x W: 4 for each of 9 anchors"),
    ("scale: 8", {}, "s is 1x18x7x9. Expected 1 x 6 x H x W: 2 for each of 3 anchors"),
    ("", {"d": (1, 36, 7, 8)}, "s is 1x18x7x9 and d is 1x36x7x8. Expected one height and width"),
    ("", {"i": (1, 2)}, "i is 1x2. Expected 1 x 3: height, width and scale of the image"),
])  # fmt: skip
def test_what_does_not_fit(fields: str, shapes: dict[str, tuple[int, ...]], text: str) -> None:
    arrays = problem(9) | {n: np.ones(s, np.float32) for n, s in shapes.items()}
    with pytest.raises(NetcError) as e:
        forward(f"Proposal: {{bottom: [s, d, i], top: rois, {fields}}}", **arrays)
    assert text in str(e.value)


def test_layers_after_regions() -> None:
    """Reshape and Dropout take the number of regions that a run gives."""
    layers = """
        Proposal: {bottom: [s, d, i], top: rois, post_nms_topn: 700, nms_thresh: 1}
        Reshape: {bottom: rois, name: four, shape: {dim: [0, 5, 1, 1]}}
        Reshape: {bottom: four, name: two, shape: {dim: [-1, 5]}}
        Power: {bottom: two, name: ones, scale: 0, shift: 1}
        Dropout: {bottom: ones, top: y}
    """
    found = forward(layers, **problem(9, height=12))
    assert len(found["rois"]) == 700  # more than the rows of random numbers
    np.testing.assert_array_equal(found["two"], found["rois"])
    np.testing.assert_array_equal(found["y"][512:], found["y"][:188])
    assert set(np.unique(found["y"])) == {0, 2} and 0.45 < (found["y"] == 0).mean() < 0.55

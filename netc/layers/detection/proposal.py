"""Proposal: the regions that a region proposal network finds (Faster R-CNN)."""

from collections.abc import Sequence
from math import inf

import numpy as np

from netc.graph.ir import Value, constant, op, stop
from netc.layers.context import Context, dims, sizes
from netc.layers.detection.boxes import halves
from netc.layers.shape import reshape
from netc.registry import layer

RATIOS, SCALES = (0.5, 1.0, 2.0), (8.0, 16.0, 32.0)


@layer("Proposal", stem="rois", bottoms=(3, 3), tops=(1, 2), in_place=False)
def proposal(ctx: Context, scores: Value, deltas: Value, info: Value) -> tuple[Value, ...]:
    """Regions with the highest scores: (R, 5) of 0, x1, y1, x2, y2 in pixels of the image (Ren et al. 2015).

    Bottoms are the probabilities (1, 2 x anchors, H, W), background first; the predicted boxes (1, 4 x anchors, H, W); and height, width
    and scale of the image, (1, 3). Regions are cut at the border of the image. Those that are small or overlap better ones are left out.
    A second top holds their scores, (R, 1). Their number is known only in the run. No gradient.
    """
    p = ctx.param.proposal_param
    if not p.post_nms_topn or not p.pre_nms_topn:
        field = "pre_nms_topn" if not p.pre_nms_topn else "post_nms_topn"
        raise ctx.error(f"`{field}` is 0, so no region would stay.", "proposal_param", field)
    base = anchors(p.base_size, p.ratio or RATIOS, p.scale or SCALES)
    height, width = _checked(ctx, scores, deltas, info, len(base))
    per_cell = op.Transpose(reshape(stop(deltas), [1, len(base), 4, height, width]), perm=[0, 3, 4, 1, 2])
    likely = op.Slice(stop(scores), [len(base)], [2 * len(base)], [1])
    score = op.Reshape(op.Transpose(likely, perm=[0, 2, 3, 1]), [-1])
    shift = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)[:, :, None] * p.feat_stride  # (H, W, 1, 2)
    placed = (base + np.tile(shift, 2)).reshape(-1, 4).astype(np.float32)
    size, scale = op.Slice(stop(info), [0, 0], [1, 2], [0, 1]), op.Slice(stop(info), [0, 2], [1, 3], [0, 1])
    width_first = op.Gather(size, constant([1, 0]), axis=1)
    low, high = _moved(placed, op.Reshape(per_cell, [-1, 4]), width_first)
    large = op.GreaterOrEqual(op.ReduceMin(high - low + 1.0, [1], keepdims=0), op.Squeeze(scale, [0]) * float(p.min_size))
    score = op.Where(large, score, constant(np.float32(-inf)))
    best, places = op.TopK(score, [min(p.pre_nms_topn, len(placed))], outputs=2)
    boxes = op.Gather(op.Concat(low, high, axis=1), places, axis=0)
    # Both ends belong to a region, so it is larger by 1 than its coordinates say.
    ends = op.Unsqueeze(boxes + np.asarray([0, 0, 1, 1], np.float32), [0])
    limits = [constant(np.int64(p.post_nms_topn)), constant(np.float32(p.nms_thresh)), constant(-np.finfo(np.float32).max)]
    rows = f"{ctx.layer.name}.regions"
    kept = op.NonMaxSuppression(ends, op.Unsqueeze(best, [0, 1]), *limits, shape=(rows, 3))
    kept = op.Squeeze(op.Slice(kept, [2], [3], [1]), [1])
    found = op.Pad(op.Gather(boxes, kept, axis=0), [0, 1, 0, 0])
    return found, op.Unsqueeze(op.Gather(best, kept, axis=0), [1])


def anchors(base_size: int, ratios: Sequence[float], scales: Sequence[float]) -> np.ndarray:
    """The anchors of the first cell, (ratios x scales, 4): those of Faster R-CNN's generate_anchors.py, which rounds their sizes."""
    center = (base_size - 1) / 2
    width = np.round(np.sqrt(base_size**2 / np.asarray(ratios, np.float64)))
    sides = np.stack([width, np.round(width * np.asarray(ratios))], axis=1)  # (ratios, 2)
    half = (sides[:, None] * np.asarray(scales, np.float64)[:, None] - 1).reshape(-1, 2) / 2
    return np.concatenate([center - half, center + half], axis=1)


def _moved(placed: np.ndarray, deltas: Value, size: Value) -> tuple[Value, Value]:
    """The corners (K, 2) of the anchors (K, 4) that the net moves and stretches, cut at the border of an image (1, 2) of width, height."""
    side = placed[:, 2:] - placed[:, :2] + np.float32(1)
    move, stretch = halves(deltas)
    center = move * side + (placed[:, :2] + np.float32(0.5) * side)
    half = op.Exp(stretch) * side * 0.5
    low, high = (op.Max(op.Min(v, size - 1.0), 0.0) for v in (center - half, center + half))
    return low, high


def _checked(ctx: Context, scores: Value, deltas: Value, info: Value, count: int) -> tuple[int, int]:
    """Height and width of the feature map."""
    for k, (x, each) in enumerate(((scores, 2), (deltas, 4))):
        if x.rank != 4 or x.shape[1] != each * count:
            text = f"{ctx.layer.bottoms[k]} is {dims(x.shape)}. Expected 1 x {each * count} x H x W: {each} for each of {count} anchors."
            raise ctx.shape_error(text, "bottom", k)
        if x.shape[0] != 1:
            raise ctx.shape_error(f"{ctx.layer.bottoms[k]} is {dims(x.shape)}. Proposal works on one image at a time.", "bottom", k)
    if scores.shape[2:] != deltas.shape[2:]:
        a, b = ctx.layer.bottoms[:2]
        raise ctx.shape_error(f"{a} is {dims(scores.shape)} and {b} is {dims(deltas.shape)}. Expected one height and width.", "bottom")
    if info.rank != 2 or isinstance(info.shape[1], str) or info.shape[1] < 3:
        text = f"{ctx.layer.bottoms[2]} is {dims(info.shape)}. Expected 1 x 3: height, width and scale of the image."
        raise ctx.shape_error(text, "bottom", 2)
    height, width = sizes(scores.shape[2:])
    return height, width

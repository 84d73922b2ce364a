"""Pooling of regions of an image: ROIPooling of Fast R-CNN, PSROIPooling of R-FCN."""

import numpy as np

from netc.graph.ir import Value, cast, constant, op, stop
from netc.graph.tensor_type import Dim
from netc.graph.training_ops import regions
from netc.layers.context import Context, dims, sizes
from netc.layers.detection.boxes import numbers_of
from netc.layers.shape import reshape
from netc.net.model import DEPLOY
from netc.registry import layer


@layer("ROIPooling", stem="roi_pool", bottoms=(2, 2), regions=1, in_place=False)
def roi_pooling(ctx: Context, x: Value, rois: Value) -> Value:
    """Max pooling of regions: (R, C, pooled_h, pooled_w), for regions (R, 5) of row of the image, x1, y1, x2, y2 (Girshick 2015).

    Coordinates are pixels of the image. They are multiplied by `spatial_scale` and rounded; both ends belong to the region. A bin outside
    the feature map is 0. No gradient flows to the regions.
    """
    p = ctx.param.roi_pooling_param
    for field in ("pooled_h", "pooled_w"):
        if not getattr(p, field):
            raise ctx.error(f"`{field}` is missing. Add the size of the output, for example `{field}: 7`.", "roi_pooling_param", field)
    x, rois, pooled = _map(ctx, x), _rois(ctx, rois), [int(p.pooled_h), int(p.pooled_w)]
    if ctx.phase == DEPLOY:
        return op.MaxRoiPool(x, rois, pooled_shape=pooled, spatial_scale=p.spatial_scale)
    return regions.roi_pool(x, rois, pooled=pooled, scale=p.spatial_scale)


@layer("PSROIPooling", stem="psroi_pool", bottoms=(2, 2), regions=1, in_place=False)
def psroi_pooling(ctx: Context, x: Value, rois: Value) -> Value:
    """Mean pooling of regions, for each bin over other channels: (R, output_dim, group_size, group_size) (Dai et al. 2016).

    Channel (c * group_size + i) * group_size + j of the bottom belongs to channel c and the bin in row i and column j of the top.
    Regions are (R, 5): row of the image, x1, y1, x2, y2, in pixels of the image. A bin outside the feature map is 0. No gradient flows to
    the regions.
    """
    p = ctx.param.psroi_pooling_param
    for field in ("output_dim", "group_size"):
        if getattr(p, field) < 1:
            raise ctx.error(f"`{field}` is {getattr(p, field)}. Expected 1 or more.", "psroi_pooling_param", field)
    if not p.HasField("spatial_scale"):
        raise ctx.error("`spatial_scale` is missing. Add it, for example `spatial_scale: 0.0625`.", "psroi_pooling_param")
    (channels, height, width), out, group = sizes(_map(ctx, x).shape[1:]), p.output_dim, p.group_size
    if channels != out * group * group:
        text = f"{ctx.layer.bottoms[0]} has {channels} channels. Expected output_dim * group_size * group_size = {out * group * group}."
        raise ctx.shape_error(text, "bottom", 0)
    rois = _rois(ctx, rois)
    (images, count), scale = (x.shape[0], rois.shape[0]), np.float32(p.spatial_scale)
    rows = _shares(rois, 1, group, scale, height)
    of_image = cast(op.Equal(op.Slice(rois, [0], [1], [1]), op.Unsqueeze(numbers_of(x), [0])), np.float32)  # (R, N)
    rows = op.Unsqueeze(rows, [2]) * op.Unsqueeze(of_image, [1, 3])  # (R, group, N, H)
    across: Dim = images * height if isinstance(images, int) else f"{images}x{height}"
    rows = op.Transpose(op.Reshape(rows, [0, 0, -1], shape=(count, group, across)), perm=[1, 0, 2])
    planes = reshape(x, [images, out, group, group, height, width])
    planes = op.Reshape(
        op.Transpose(planes, perm=[2, 0, 4, 1, 3, 5]), [group, -1, out * group * width], shape=(group, across, out * group * width)
    )
    y = op.Reshape(op.MatMul(rows, planes), [group, -1, out, group, width], shape=(group, count, out, group, width))
    columns = op.Unsqueeze(_shares(rois, 0, group, scale, width), [0, 2])  # (1, R, 1, group, W)
    y = op.Transpose(op.ReduceSum(y * columns, [4], keepdims=0), perm=[1, 2, 0, 3])
    return y


def _shares(rois: Value, axis: int, count: int, scale: np.float32, limit: int) -> Value:
    """(R, count, limit): for each bin along x (axis 0) or y, the share of each cell in the mean of the bin."""
    first, last = (regions.rounded(op.Slice(rois, [k + axis], [k + axis + 1], [1])) for k in (1, 3))
    first, last = first * scale, (last + 1.0) * scale
    size = op.Max(last - first, 0.1) / np.float32(count)
    numbers = constant(np.arange(count, dtype=np.float32)[None])
    low, high = op.Floor(numbers * size + first), op.Ceil((numbers + 1.0) * size + first)
    low, high = (op.Unsqueeze(op.Clip(v, 0.0, float(limit)), [2]) for v in (low, high))
    cells = constant(np.arange(limit, dtype=np.float32)[None, None])
    inside = op.And(op.GreaterOrEqual(cells, low), op.Less(cells, high))
    return cast(inside, np.float32) / op.Max(high - low, 1.0)


def _map(ctx: Context, x: Value) -> Value:
    if x.rank != 4:
        raise ctx.shape_error(f"{ctx.layer.bottoms[0]} is {dims(x.shape)}. Expected N x C x H x W.", "bottom", 0)
    return x


def _rois(ctx: Context, rois: Value) -> Value:
    """The regions as (R, 5)."""
    if rois.rank < 2 or list(rois.shape[1:]) != [5, *[1] * (rois.rank - 2)]:
        text = f"{ctx.layer.bottoms[1]} is {dims(rois.shape)}. Expected regions x 5: row of the image, x1, y1, x2, y2."
        raise ctx.shape_error(text, "bottom", 1)
    return stop(rois if rois.rank == 2 else reshape(rois, [rois.shape[0], 5]))

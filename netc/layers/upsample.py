"""Layers that change the size of images without weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from netc.graph.ir import Value, cast, constant, op, stop, symbolic
from netc.graph.training_ops import upsample as ops
from netc.layers.context import Context, dims, sizes
from netc.layers.shape import reshape
from netc.registry import layer
from netc.spec.scalars import shortest


@layer("Upsample", bottoms=(1, 2))
def upsample(ctx: Context, x: Value, like: Value | None = None) -> Value:
    """Changes the size of images (N, C, spatial...) by the nearest pixel or by linear interpolation, as torch's interpolate.

    The new size is `scale` times the present one, or `size`, or that of the second bottom. SegNet: with a scale and a second bottom,
    which is the second top of a Pooling layer, each value goes to the place of its maximum, and other places are 0.
    """
    p = ctx.param.upsample_param
    if given := [name for name in SEGNET if p.HasField(name)]:
        if like is None:
            raise ctx.error(f"`{given[0]}` needs a second bottom, the second top of a Pooling layer.", "upsample_param", given[0])
        return _unpool(ctx, x, like)
    if like is not None and p.scale:
        return _unpool(ctx, x, like)
    if not 3 <= x.rank <= 5:
        raise ctx.shape_error(f"Expected 3 to 5 axes (N, C, spatial axes). {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    if like is not None and like.rank != x.rank:
        text = f"{ctx.layer.bottoms[1]} is {dims(like.shape)}, and {ctx.layer.bottoms[0]} is {dims(x.shape)}. Expected as many axes."
        raise ctx.shape_error(text, "bottom", 1)
    if (like is not None) + bool(p.scale) + bool(p.size) != 1:
        text = "Expected one of `scale`, `size` and a second bottom with the new size, for example `scale: 2`."
        raise ctx.error(text, "upsample_param", *(["size"] if p.size else ["scale"] if p.scale else []))
    if p.align_corners and p.mode != p.BILINEAR:
        raise ctx.error("`align_corners` is for `mode: BILINEAR`.", "upsample_param", "align_corners")
    scale = [float(shortest(s)) for s in _each(ctx, "scale", p.scale, x.rank - 2)]
    size = [int(s) for s in _each(ctx, "size", p.size, x.rank - 2)]
    before = sizes(x.shape[2:])
    after = size or [int(ops.scaled(d, s)) for d, s in zip(before, scale, strict=True)] if like is None else list(sizes(like.shape[2:]))
    if min(after) < 1:
        raise ctx.shape_error(f"Nothing is left of {dims(x.shape)}: the new size is {dims(tuple(after))}.", "upsample_param")
    mode = "linear" if p.mode == p.BILINEAR else "nearest"
    y: Value = ops.upsample(x, like, scale=scale or None, size=size or None, mode=mode, align=int(p.align_corners))
    return y


SEGNET = "scale_h", "scale_w", "pad_out_h", "pad_out_w", "upsample_h", "upsample_w"


def _unpool(ctx: Context, x: Value, mask: Value) -> Value:
    """The values of x at the places in the plane that `mask` holds, and 0 elsewhere."""
    a, b = ctx.layer.bottoms
    if x.rank != 4 or mask.shape != x.shape:
        text = f"{b} is {dims(mask.shape)}. Expected the second top of the Pooling layer, with the shape of {a}, {dims(x.shape)}."
        raise ctx.shape_error(text, "bottom", 1)
    (n, c), (h, w), (height, width) = x.shape[:2], sizes(x.shape[2:]), _unpooled(ctx, *sizes(x.shape[2:]))
    plane = op.Expand(constant(0.0), _lead(x, height * width), shape=(n, c, height * width))
    values, places = (op.Reshape(v, [0, 0, h * w], shape=(n, c, h * w)) for v in (x, mask))
    y = op.ScatterElements(plane, cast(stop(places), np.int64), values, axis=2)
    return op.Reshape(y, [0, 0, height, width], shape=(n, c, height, width))


def _lead(x: Value, size: int) -> Value:
    """The shape of x up to the channel, then `size`."""
    return op.Concat(op.Shape(x, end=2), constant([size]), axis=0) if symbolic(x) else constant([*x.shape[:2], size])


def _unpooled(ctx: Context, h: int, w: int) -> tuple[int, int]:
    """SegNet's new height and width."""
    p = ctx.param.upsample_param
    if p.HasField("upsample_h") and p.HasField("upsample_w"):
        return int(p.upsample_h), int(p.upsample_w)
    for one, other in (("upsample_h", "upsample_w"), ("scale_h", "scale_w")):
        if p.HasField(one) != p.HasField(other):
            there, missing = (one, other) if p.HasField(one) else (other, one)
            raise ctx.error(f"`{missing}` is missing, because `{there}` is set.", "upsample_param", there)
    scales = [p.scale_h, p.scale_w] if p.HasField("scale_h") else [int(s) for s in _each(ctx, "scale", p.scale or [2.0], 2)]
    if p.HasField("scale_h") and p.scale or min(scales) < 2 or (p.scale and list(p.scale) != scales[: len(p.scale)]):
        raise ctx.error("With a mask, the scale must be one whole number above 1, or `scale_h` and `scale_w`.", "upsample_param", "scale")
    cut = [int(p.pad_out_h), int(p.pad_out_w)]
    if any(c and s != 2 for c, s in zip(cut, scales, strict=True)):
        field = "pad_out_h" if p.pad_out_h else "pad_out_w"
        raise ctx.error(f"`{field}` is only for a scale of 2.", "upsample_param", field)
    return h * scales[0] - cut[0], w * scales[1] - cut[1]


def _each(ctx: Context, field: str, values: Sequence[Any], axes: int) -> list[Any]:
    """One number for each spatial axis."""
    if len(values) not in (0, 1, axes):
        text = f"There are {len(values)} `{field}` for {axes} spatial axes. Add one for all, or one for each."
        raise ctx.error(text, "upsample_param", field)
    if any(v <= 0 for v in values):
        raise ctx.error(f"`{field}` must be above 0.", "upsample_param", field)
    return list(values) * (axes if len(values) == 1 else 1)


@layer("Interp", bottoms=(1, 2))
def interp(ctx: Context, x: Value, like: Value | None = None) -> Value:
    """Changes the size of images (N, C, H, W) by linear interpolation. The centres of the corner pixels stay in place (align_corners).

    The new size is that of `height` and `width`, of `zoom_factor`, of `shrink_factor` or of the second bottom.
    """
    p = ctx.param.interp_param
    if x.rank != 4:
        raise ctx.shape_error(f"Expected 4 axes (N, C, H, W). {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    if like is not None and like.rank != 4:
        raise ctx.shape_error(f"Expected 4 axes (N, C, H, W). {ctx.layer.bottoms[1]} is {dims(like.shape)}.", "bottom", 1)
    for field in ("pad_beg", "pad_end"):
        if getattr(p, field) > 0:
            raise ctx.error(f"`{field}` must be 0 or negative, which crops; got {getattr(p, field)}.", "interp_param", field)
    x = cast(x, np.float32) if x.dtype.kind in "iu" else x  # a mask
    if p.pad_beg or p.pad_end:
        x = _cropped(ctx, x, -p.pad_beg, -p.pad_end)
    size, steps = _interpolated(ctx, like)
    if size and min(size) < 1:
        raise ctx.shape_error(f"Nothing is left of {dims(x.shape)}: the new size is {dims(tuple(size))}.", "interp_param")
    y: Value = ops.upsample(x, like, scale=None, size=size, steps=steps, mode="linear", align=1)
    return y


def _cropped(ctx: Context, x: Value, start: int, end: int) -> Value:
    """x without `start` pixels at the start and `end` pixels at the end of both spatial axes."""
    left = [d - start - end for d in sizes(x.shape[2:])]
    if min(left) < 1:
        raise ctx.shape_error(f"Nothing is left of {dims(x.shape)}: it is cropped by {start} and {end}.", "interp_param")
    y: Value = op.Slice(x, [start, start], [start + d for d in left], [2, 3])
    return y


def _interpolated(ctx: Context, like: Value | None) -> tuple[list[int] | None, list[int] | None]:
    """The new height and width, or how many new steps there are for present ones. None for both with a second bottom."""
    p = ctx.param.interp_param
    stated = [name for name in ("zoom_factor", "shrink_factor") if p.HasField(name)]
    stated += ["height"] if p.HasField("height") and p.HasField("width") else []
    if len(stated) + (like is not None) != 1:
        text = "Expected one of `zoom_factor`, `shrink_factor`, `height` with `width`, and a second bottom with the new size."
        raise ctx.error(text, "interp_param", *stated[:1])
    if like is not None:
        return None, None
    if stated == ["height"]:
        return [p.height, p.width], None
    if (factor := int(getattr(p, stated[0]))) < 1:
        raise ctx.error(f"`{stated[0]}` must be at least 1, got {factor}.", "interp_param", stated[0])
    return None, [factor, 1] if stated == ["zoom_factor"] else [1, factor]


@layer("PixelShuffle")
def pixel_shuffle(ctx: Context, x: Value) -> Value:
    """Moves channels into space: (N, C r r, H, W) becomes (N, C, H r, W r) with r = upscale_factor (Shi et al. 2016).

    Channel c r r + i r + j becomes the pixels of row i and column j of each square, as in torch's pixel_shuffle. With `inverse`, it
    moves space into channels, as pixel_unshuffle.
    """
    p = ctx.param.pixel_shuffle_param
    r = int(p.upscale_factor)
    if x.rank != 4:
        raise ctx.shape_error(f"Expected 4 axes (N, C, H, W). {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    if not r:
        raise ctx.error("`upscale_factor` is missing. Add a whole number, for example `upscale_factor: 2`.", "pixel_shuffle_param")
    n, (c, h, w) = x.shape[0], sizes(x.shape[1:])
    wrong = ""
    if p.inverse and (h % r or w % r):
        wrong = f"`upscale_factor` {r} does not divide the height and width of {dims(x.shape)}."
    if not p.inverse and c % (r * r):
        wrong = f"The {c} channels of {dims(x.shape)} do not divide by {r} x {r}."
    if wrong:
        raise ctx.shape_error(wrong, "pixel_shuffle_param", "upscale_factor")
    if p.inverse:
        parts = op.Transpose(reshape(x, [n, c, h // r, r, w // r, r]), perm=[0, 1, 3, 5, 2, 4])
        return reshape(parts, [n, c * r * r, h // r, w // r])
    parts = op.Transpose(reshape(x, [n, c // (r * r), r, r, h, w]), perm=[0, 1, 4, 2, 5, 3])
    return reshape(parts, [n, c // (r * r), h * r, w * r])
